"""The one loop, :func:`train`. A network, rows, an objective and a plan go in; a `Run` comes out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from planefold.engine.batches import Batches
from planefold.engine.devices import threads_for
from planefold.engine.dropout import Masks, levels
from planefold.engine.flat import FlatParameters
from planefold.engine.graphs import CapturedStep
from planefold.engine.health import Health
from planefold.engine.kernels import FloatArray, Kernels, NumpyKernels, kernels_for
from planefold.engine.lanes import LANES_FROM, Lane, Lanes, groups
from planefold.engine.lbfgs import minimize_lbfgs
from planefold.engine.objectives import Objective
from planefold.engine.optimizers import OPTIMIZERS, Optimizer
from planefold.engine.plan import Plan
from planefold.engine.run import Epoch, Run
from planefold.engine.schedules import Rate
from planefold.engine.sources import Rows, Shuffled
from planefold.engine.step import ByAutograd, ByHand, Gradient, Step
from planefold.engine.stopping import BestWeights, Patience, Snapshot, diverged
from planefold.networks.mlp import MLP

Callback = Callable[[Epoch], object]
Score = Callable[[Tensor, Tensor, Tensor | None], Tensor]


@dataclass
class Memory:
    """What the optimiser remembers between calls of :func:`train`, for training in instalments.

    Parameters
    ----------
    n_seen : int
        Rows seen so far, counting every pass (scikit-learn's ``t_``).
    """

    optimizer: Optimizer | None = None
    rate: Rate | None = None
    n_seen: int = 0
    patience: Patience | None = field(default=None, repr=False)

    def to(self, device: torch.device) -> None:
        """Bring the optimiser's tensors to where the network is."""
        if self.optimizer is not None:
            self.optimizer.to(device)


def train(
    net: MLP,
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
) -> Run:
    """Train ``net`` in place and say what happened.

    Parameters
    ----------
    net : MLP
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
        How gradients are computed; both give the same ones.

    Returns
    -------
    Run

    Raises
    ------
    TrainingError
        If the training went out of all bounds and no earlier weights were better than those at the start.
    """
    batch_size = rows.n_rows if plan.solver == "lbfgs" else min(plan.batch_size, rows.n_rows)
    batches = Shuffled(rows, batch_size, plan.shuffle)
    memory = memory if memory is not None else Memory()
    judge = None if validation is None else _Judge(objective, validation, score)
    flat, n_threads = FlatParameters(net), torch.get_num_threads()
    try:
        # What overflows ends the training with words of its own.
        quiet = np.errstate(over="ignore", invalid="ignore")
        with threads_for(batch_size * net.spec.n_weights_of_largest_layer), quiet:
            if plan.solver == "lbfgs":
                epochs, stopped_because = minimize_lbfgs(net, flat, rows, objective, plan, callbacks, judge)
                restored = None
            else:
                widest = max(net.spec.layer_units) * net.spec.n_members
                kernels = kernels_for(flat.theta, widest * batch_size)
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
                )
                epochs, stopped_because, restored = loop.run()
    finally:
        flat.release()
    lost = stopped_because == "diverged" and restored is None
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
        batch_size=batch_size,
        iterations_per_epoch=batches.n_batches,
        n_members=net.spec.n_members,
        n_parameters=sum(p.numel() for p in net.parameters()),
        n_zero_weights=sum(int((weights == 0).sum()) for weights in net.penalized()),
        trivial_loss=_trivial_loss(rows, objective),
    )


def _lowest(epochs: Sequence[Epoch]) -> int | None:
    """Return the epoch with the lowest validation loss."""
    losses = {epoch.epoch: epoch.val_loss for epoch in epochs if epoch.val_loss is not None}
    finite = {number: loss for number, loss in losses.items() if np.isfinite(loss)}
    return min(finite, key=finite.__getitem__) if finite else None


def _trivial_loss(rows: Rows, objective: Objective) -> float:
    if rows.members is None:
        return objective.trivial_loss(rows.y, rows.weights)
    # The rows that any member sees, each as often as members see it: resampled rows come several times.
    index, times = np.unique(rows.members[rows.members >= 0], return_counts=True)
    _, y, weights = rows.take(index)
    counts = torch.from_numpy(times).to(y)
    return objective.trivial_loss(y, counts if weights is None else weights * counts)


class _Judge:
    """Loss and score of the held-out rows: each member's on its own rows, then the mean."""

    def __init__(self, objective: Objective, validation: Rows, score: Score | None) -> None:
        self.objective, self.score = objective, score
        self.X, self.y, self.weights = validation.all()

    def __call__(self, net: MLP) -> tuple[float, float | None]:
        with torch.inference_mode():
            outputs = net(self.X)
            self.losses = self.objective.loss(outputs, self.y, self.weights)
            loss = float(self.losses.mean())
            if self.score is None:
                return loss, None
            return loss, float(self.score(self.objective.link(outputs), self.y, self.weights).mean())


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

    net: MLP
    flat: FlatParameters
    batches: Shuffled
    objective: Objective
    plan: Plan
    random_state: np.random.RandomState
    judge: _Judge | None
    callbacks: Sequence[Callback]
    memory: Memory
    kernels: Kernels
    gradients: str
    n_threads: int

    def run(self) -> tuple[list[Epoch], str, int | None]:
        """Train; return what happened, why it ended, and the epoch whose weights were restored, if any."""
        plan, memory = self.plan, self.memory
        if memory.optimizer is None:
            memory.optimizer = OPTIMIZERS[plan.solver](self.flat, plan)
            memory.rate = Rate(plan)
        assert memory.rate is not None
        self.penalties = self.kernels.empty((self.batches.n_batches, self.net.spec.n_members), self.flat.theta)
        self.health = Health(self.net, self.flat, self.batches)
        best = BestWeights(self.flat) if self.judge is not None and plan.restore_best else None
        last_good = _LastGood(self.flat)
        lanes = self.lanes = Lanes(self._lanes(memory.optimizer))

        epochs: list[Epoch] = []
        stopped_because = "max_iter"
        try:
            if self.judge is not None:
                loss, figure = self.judge(self.net)
                epochs.append(Epoch(epoch=0, train_loss=math.nan, objective=math.nan, val_loss=loss, val_score=figure))
                if best is not None:
                    best.offer(0, self.judge.losses)
            if memory.patience is None:
                memory.patience = Patience(plan)
                if self.judge is not None:  # what is no better than the start is no improvement
                    memory.patience.offer(loss)
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
        if kept is not None:
            kept.restore()
        return epochs, stopped_because, None if kept is None else kept.epoch

    def _epoch(self, number: int) -> Epoch:
        """Make one pass and record it."""
        started = time.perf_counter()
        loss, rate = self._pass(number)
        self.memory.n_seen += self.batches.rows.n_rows
        objective = loss + torch.as_tensor(self.penalties[: len(loss)]).cpu().numpy()
        val_loss, figure = (None, None) if self.judge is None else self.judge(self.net)
        return Epoch(
            epoch=number,
            train_loss=self._mean(loss),
            objective=self._mean(objective),
            val_loss=val_loss,
            val_score=figure,
            learning_rate=rate,
            seconds=time.perf_counter() - started,
            **self.health.figures(number),
        )

    def _lanes(self, optimizer: Optimizer) -> list[Lane]:
        """Deal the members to the cores, where there is enough to do for each."""
        spec = self.net.spec
        by_hand = self.gradients == "by_hand"
        work = self.batches.batch_size * spec.n_parameters
        shared = by_hand and isinstance(self.kernels, NumpyKernels) and work >= LANES_FROM
        seed = int(self.random_state.randint(2**31)) if any(levels(spec)) else None
        found = []
        for members in groups(spec.n_members, self.n_threads if shared else 1):
            kernels = NumpyKernels() if shared else self.kernels  # one's own, which note one's own steps
            gradient: Gradient
            if by_hand:
                gradient = ByHand(self.net, self.flat, self.objective, kernels, members)
            else:
                gradient = ByAutograd(self.net, self.flat, self.objective, kernels)
            step = Step(gradient, optimizer, members, self.flat.part(members), self.plan, kernels)
            masks = None if seed is None else Masks(spec, self.flat.theta, seed, members)
            found.append(Lane(members, CapturedStep(step) if kernels.captures else step, masks))
        return found

    def _pass(self, number: int) -> tuple[FloatArray, float]:
        """Make the steps of an epoch; return the mean loss of each batch, (n_batches, n_members), and the last rate."""
        assert self.memory.rate is not None
        assert self.memory.optimizer is not None
        rate_at, coefficients = self.memory.rate.at, self.memory.optimizer.coefficients
        n_batches, n_epochs = self.batches.n_batches, self.plan.max_iter
        rate, done, losses = 0.0, 0, []
        for block in self.batches.epoch(self.random_state):
            numbers = []
            for index in range(done, done + len(block.spans)):
                rate = rate_at((number - 1 + index / n_batches) / n_epochs)
                numbers.append((rate, *coefficients(rate)))
            batches = Batches(block, self.net.spec, self.objective)
            stop = done + len(numbers)
            health = self.health if stop == n_batches and self.health.is_due(number) else None
            self.lanes.run(batches, numbers, self.penalties[done:stop], health)
            losses.append(batches.losses())
            done = stop
            if not np.isfinite(losses[-1]).all():
                break
        return np.concatenate(losses), rate

    def _mean(self, values: FloatArray) -> float:
        """Average what the batches gave: over each member's rows (as scikit-learn, without weights), then members."""
        counts = self.batches.counts()[: len(values)]
        return float(((values * counts).sum(axis=0) / counts.sum(axis=0)).mean())
