"""The one loop, :func:`train`. A network, rows, an objective and a plan go in; a `Run` comes out."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from planefold.core.errors import ParameterError
from planefold.engine.batches import Batches
from planefold.engine.budget import Budget
from planefold.engine.devices import threads_for
from planefold.engine.dropout import Masks, levels
from planefold.engine.facts import settings_of
from planefold.engine.flat import FlatParameters
from planefold.engine.graphs import CapturedStep
from planefold.engine.judge import Judge, Score
from planefold.engine.kernels import FloatArray, Kernels, NumpyKernels, kernels_for
from planefold.engine.lanes import LANES_FROM, Lane, Lanes, groups
from planefold.engine.lbfgs import minimize_lbfgs
from planefold.engine.objectives import Objective
from planefold.engine.optimizers import OPTIMIZERS, Optimizer
from planefold.engine.plan import Plan
from planefold.engine.recorder import Recorder, trivial_losses
from planefold.engine.run import Epoch, Run
from planefold.engine.schedules import Rate
from planefold.engine.sources import Rows, Shuffled
from planefold.engine.step import ByAutograd, ByHand, Gradient, Step
from planefold.engine.stopping import BestWeights, Patience, Snapshot, diverged
from planefold.networks.mlp import MLP
from planefold.networks.network import Network

Callback = Callable[[Epoch], object]

# Of a training's time: with what must be measured, and what no clock sees of it, about 3 %.
RECORDING_SHARE = 0.015


@dataclass
class Memory:
    """What the optimiser remembers between calls of :func:`train`, for training in instalments.

    Parameters
    ----------
    n_seen : int
        Rows seen so far, counting every pass (scikit-learn's ``t_``).
    budget : Budget or None
        Of measuring for the record, over all calls.
    """

    optimizer: Optimizer | None = None
    rate: Rate | None = None
    n_seen: int = 0
    patience: Patience | None = field(default=None, repr=False)
    budget: Budget | None = field(default=None, repr=False)

    def to(self, device: torch.device) -> None:
        """Bring the optimiser's tensors to where the network is."""
        if self.optimizer is not None:
            self.optimizer.to(device)


def train(
    net: Network,
    rows: Rows,
    objective: Objective,
    plan: Plan,
    *,
    random_state: np.random.RandomState,
    validation: Rows | None = None,
    score: Score | None = None,
    callbacks: Sequence[Callback] = (),
    memory: Memory | None = None,
    gradients: str = "by_hand",
    record: bool | Budget = True,
    settings: Mapping[str, Any] | None = None,
) -> Run:
    """Train ``net`` in place and say what happened.

    Parameters
    ----------
    net : Network
        A multilayer perceptron, or any torch module in a :class:`~planefold.networks.ModuleNet`.
    rows : Rows
        What to learn from.
    objective : Objective
    plan : Plan
    random_state : numpy.random.RandomState
        Decides the order of the rows and the dropout masks.
    validation : Rows, optional
        Held-out rows. With them, the validation loss decides when to stop and which weights to keep; for
        lbfgs, which minimises to the end, it is only recorded.
    score : function (predictions, targets, weights) -> Tensor of shape (n_members,), optional
        A figure for people, such as accuracy; it decides nothing.
    callbacks : sequence of functions of an Epoch
        Called after each epoch; one that returns True ends the training.
    memory : Memory, optional
        Given again and again, the optimiser goes on where it stopped.
    gradients : {"by_hand", "autograd"}
        How gradients are computed; both give the same ones. Only those of the multilayer perceptron are written
        out: other networks have automatic differentiation in any case.
    record : bool or Budget
        Whether to measure what the doctor asks for, and within which budget of time: 1.5 % unless another is given.
        False leaves the losses. It changes nothing of the weights.
    settings : mapping, optional
        What to note in ``Run.settings`` beside what ``plan`` and ``net`` say, as JSON data.

    Returns
    -------
    Run

    Raises
    ------
    TrainingError
        If the training went out of all bounds and no earlier weights were better than those at the start.
    """
    if plan.solver == "lbfgs" and not isinstance(net, MLP):
        raise ParameterError("solver='lbfgs' trains multilayer perceptrons only", hint="solver='adamw'")
    batch_size = rows.n_rows if plan.solver == "lbfgs" else min(plan.batch_size, rows.n_rows)
    batches = Shuffled(rows, batch_size, plan.shuffle)
    memory = memory if memory is not None else Memory()
    judge = None if validation is None else Judge(objective, validation, score)
    flat, n_threads = FlatParameters(net), torch.get_num_threads()
    is_first, budget = memory.optimizer is None, _budget(record, memory)
    recorder = None
    try:
        # What overflows ends the training with words of its own.
        quiet = np.errstate(over="ignore", invalid="ignore")
        with threads_for(batch_size * net.spec.largest_product), quiet:
            if record is not False:
                n_steps = 0 if plan.solver == "lbfgs" else batches.n_batches
                recorder = Recorder(
                    net, flat, rows, objective, score, judge, budget, n_steps=n_steps, is_first=is_first
                )
            if plan.solver == "lbfgs" and isinstance(net, MLP):
                epochs, stopped_because = minimize_lbfgs(net, flat, rows, objective, plan, callbacks, judge, recorder)
                restored = None
            else:
                kernels = kernels_for(flat.theta, net.spec.widest * net.spec.n_members * batch_size)
                loop = _Loop(
                    net,
                    flat,
                    batches,
                    objective,
                    plan,
                    random_state,
                    judge,
                    callbacks,
                    memory,
                    kernels,
                    gradients,
                    n_threads,
                    recorder,
                )
                epochs, stopped_because, restored = loop.run()
            lost = stopped_because == "diverged" and restored is None
            facts = {} if recorder is None or lost else recorder.facts()
            val_rows = None
            if recorder is not None:
                epochs, val_rows = recorder.finish(epochs)
            trivial_loss, trivial_val_loss = trivial_losses(rows, objective, judge)
    finally:
        flat.release()
        budget.pause()
    if lost or not all(bool(torch.isfinite(p).all()) for p in net.parameters()):
        raise diverged(epochs, plan)
    return Run(
        epochs=tuple(epochs),
        objective=objective.name,
        solver=plan.solver,
        device=str(rows.y.device),
        stopped_because=stopped_because,
        best_epoch=_lowest(epochs) if restored is None else restored,
        restored_best=restored is not None,
        n_train=rows.n_rows,
        n_val=0 if validation is None else validation.n_rows,
        n_judged=0 if validation is None else validation.n_distinct,
        batch_size=batch_size,
        iterations_per_epoch=batches.n_batches,
        n_members=net.spec.n_members,
        n_parameters=sum(p.numel() for p in net.parameters()),
        n_zero_weights=sum(int((weights == 0).sum()) for weights in net.penalized()),
        trivial_loss=trivial_loss,
        trivial_val_loss=trivial_val_loss,
        val_rows=val_rows,
        n_eval=0 if recorder is None else recorder.sample.n_rows,
        settings=settings_of(plan, net.spec, objective, batch_size=batch_size, judged=validation is not None)
        | dict(settings or {}),
        facts=facts,
        recording_seconds=budget.spent,
    )


def _budget(record: bool | Budget, memory: Memory) -> Budget:
    """Start the clock of the budget; that of a training in instalments goes on."""
    if isinstance(record, Budget):
        memory.budget = record
    if memory.budget is None or memory.optimizer is None:
        memory.budget = memory.budget or Budget(share=RECORDING_SHARE)
        memory.budget.begin()
    else:
        memory.budget.resume()
    return memory.budget


def _lowest(epochs: Sequence[Epoch]) -> int | None:
    """Return the epoch with the lowest validation loss."""
    losses = {epoch.epoch: epoch.val_loss for epoch in epochs if epoch.val_loss is not None}
    finite = {number: loss for number, loss in losses.items() if np.isfinite(loss)}
    return min(finite, key=finite.__getitem__) if finite else None


class _LastGood:
    """The weights with the lowest objective so far, for a training that goes out of all bounds.

    An epoch's objective is that of the weights that it began with, as nearly as is known: what its last step made
    of them shows in the next one.
    """

    def __init__(self, flat: FlatParameters) -> None:
        self.kept, self.begun = Snapshot(flat), Snapshot(flat)
        self.objective, self.epoch = math.inf, 0

    def begin(self) -> None:
        """Take the weights that an epoch begins with."""
        self.begun.take()

    def offer(self, epoch: Epoch) -> None:
        """Keep these weights if the epoch's objective is the lowest so far."""
        if epoch.objective < self.objective:
            self.objective, self.epoch = epoch.objective, epoch.epoch - 1
            self.kept, self.begun = self.begun, self.kept

    def restore(self) -> None:
        """Put the kept weights back."""
        self.kept.restore()


@dataclass
class _Loop:
    """The stochastic loop: epochs of batches, each of them a step."""

    net: Network
    flat: FlatParameters
    batches: Shuffled
    objective: Objective
    plan: Plan
    random_state: np.random.RandomState
    judge: Judge | None
    callbacks: Sequence[Callback]
    memory: Memory
    kernels: Kernels
    gradients: str
    n_threads: int
    recorder: Recorder | None

    def run(self) -> tuple[list[Epoch], str, int | None]:
        """Train; return what happened, why it ended, and the epoch whose weights were restored, if any."""
        plan, memory = self.plan, self.memory
        if memory.optimizer is None:
            memory.optimizer = OPTIMIZERS[plan.solver](self.flat, plan)
            memory.rate = Rate(plan)
        assert memory.rate is not None
        self.penalties = self.kernels.empty((self.batches.n_batches, self.net.spec.n_members), self.flat.theta)
        best = BestWeights(self.flat) if self.judge is not None and plan.restore_best else None
        last_good = _LastGood(self.flat)
        lanes = self.lanes = Lanes(self._lanes(memory.optimizer))

        epochs: list[Epoch] = []
        stopped_because = "max_iter"
        try:
            epochs.append(self._start())
            if best is not None and self.judge is not None:
                best.offer(0, self.judge.losses)
            if memory.patience is None:
                memory.patience = Patience(plan)
                if epochs[0].val_loss is not None:  # what is no better than the start is no improvement
                    memory.patience.offer(epochs[0].val_loss)
            for number in range(1, plan.max_iter + 1):
                last_good.begin()
                epoch = self._epoch(number)
                loss = epoch.objective if epoch.val_loss is None else epoch.val_loss
                epochs.append(epoch)
                if best is not None and self.judge is not None:
                    best.offer(number, self.judge.losses)
                answers = [callback(epoch) for callback in self.callbacks]
                memory.rate.epoch_ends(memory.n_seen, loss)
                if not math.isfinite(epoch.objective) or math.isnan(loss):
                    stopped_because = "diverged"
                    break
                last_good.offer(epoch)
                if any(answer is True for answer in answers):
                    stopped_because = "callback"
                    break
                if memory.patience.offer(loss):
                    if memory.rate.stops_at_no_improvement():
                        stopped_because = "no_improvement"
                        break
                    memory.patience.reset()
        except KeyboardInterrupt:
            stopped_because = "interrupted"
        finally:
            lanes.close()
        kept = best if best is not None else last_good if stopped_because == "diverged" and last_good.epoch else None
        if stopped_because != "interrupted":  # within an epoch the weights are those of none
            epochs = self._completed(epochs, epochs[-1].epoch, is_last=True)
        if kept is not None:
            kept.restore()
            epochs = self._completed(epochs, kept.epoch, is_last=False)
        return epochs, stopped_because, None if kept is None else kept.epoch

    def _completed(self, epochs: list[Epoch], number: int, *, is_last: bool) -> list[Epoch]:
        """Measure what is missing of the epoch whose weights the network has."""
        if self.recorder is None:
            return epochs
        complete = self.recorder.complete
        return [complete(epoch, is_last=is_last) if epoch.epoch == number else epoch for epoch in epochs]

    def _start(self) -> Epoch:
        """Record the state before the training."""
        val_loss, figure = (None, None) if self.judge is None else self.judge(self.net)
        found = {} if self.recorder is None else self.recorder.start()
        return Epoch(epoch=0, train_loss=math.nan, objective=math.nan, val_loss=val_loss, val_score=figure, **found)

    def _epoch(self, number: int) -> Epoch:
        """Make one pass and record it."""
        started = time.perf_counter()
        loss, rate = self._pass(number)
        self.memory.n_seen += self.batches.rows.n_rows
        objective = loss + torch.as_tensor(self.penalties[: len(loss)]).cpu().numpy()
        val_loss, figure = (None, None) if self.judge is None else self.judge(self.net)
        found = {} if self.recorder is None else self.recorder.epoch_ends(number)
        return Epoch(
            epoch=number,
            train_loss=self._mean(loss),
            objective=self._mean(objective),
            val_loss=val_loss,
            val_score=figure,
            learning_rate=rate,
            seconds=time.perf_counter() - started,
            **found,
        )

    def _lanes(self, optimizer: Optimizer) -> list[Lane]:
        """Deal the members to the cores, where there is enough to do for each."""
        spec = self.net.spec
        by_hand = self.gradients == "by_hand" and isinstance(self.net, MLP)
        work = self.batches.batch_size * spec.n_parameters
        shared = by_hand and isinstance(self.kernels, NumpyKernels) and work >= LANES_FROM
        seed = int(self.random_state.randint(2**31)) if isinstance(self.net, MLP) and any(levels(spec)) else None
        found = []
        for members in groups(spec.n_members, self.n_threads if shared else 1):
            kernels = NumpyKernels() if shared else self.kernels  # one's own, which note one's own steps
            gradient: Gradient
            if by_hand and isinstance(self.net, MLP):
                gradient = ByHand(self.net, self.flat, self.objective, kernels, members)
            else:
                gradient = ByAutograd(self.net, self.flat, self.objective, kernels)
            step = Step(gradient, optimizer, members, self.flat.part(members), self.plan, kernels)
            masks = None if seed is None else Masks(spec, self.flat.theta, seed, members)
            captured = kernels.captures and isinstance(self.net, MLP)
            found.append(Lane(members, CapturedStep(step) if captured else step, masks))
        return found

    def _pass(self, number: int) -> tuple[FloatArray, float]:
        """Make the steps of an epoch; return the mean loss of each batch, (n_batches, n_members), and the last rate."""
        assert self.memory.rate is not None
        assert self.memory.optimizer is not None
        rate_at, coefficients = self.memory.rate.at, self.memory.optimizer.coefficients
        n_batches, n_epochs = self.batches.n_batches, self.plan.max_iter
        rate, done, losses = 0.0, 0, list[FloatArray]()
        health = None if self.recorder is None else self.recorder.health
        watched = () if self.recorder is None else self.recorder.steps_to_watch(number)
        for block in self.batches.epoch(self.random_state):
            numbers = []
            for index in range(done, done + len(block.spans)):
                rate = rate_at((number - 1 + index / n_batches) / n_epochs)
                numbers.append((rate, *coefficients(rate)))
            batches = Batches(block, self.net.spec, self.objective)
            stop = done + len(numbers)
            here = {step - done: step for step in watched if done <= step < stop}
            with self._own_chance():
                self.lanes.run(batches, numbers, self.penalties[done:stop], health, here)
            losses.append(batches.losses())
            done = stop
            if not np.isfinite(losses[-1]).all():
                break
        return np.concatenate(losses), rate

    @contextlib.contextmanager
    def _own_chance(self) -> Iterator[None]:
        """Let dropout inside a torch module, which draws from the process, draw from this training's own chance."""
        if isinstance(self.net, MLP):
            yield
            return
        with torch.random.fork_rng([self.flat.theta.device] if self.flat.theta.is_cuda else []):
            torch.manual_seed(int(self.random_state.randint(2**31)))
            yield

    def _mean(self, values: FloatArray) -> float:
        """Average what the batches gave: over each member's rows (as scikit-learn, without weights), then members."""
        counts = self.batches.counts()[: len(values)]
        return float(((values * counts).sum(axis=0) / counts.sum(axis=0)).mean())
