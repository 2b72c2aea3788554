"""What is measured of a training for its record, and when."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from planefold.engine.budget import Budget
from planefold.engine.facts import CLASSIFICATION, Facts, found_classes, given
from planefold.engine.flat import FlatParameters
from planefold.engine.health import Health, Passage, duplicate_shares, units_of
from planefold.engine.judge import Judge, Score
from planefold.engine.objectives import Objective
from planefold.engine.run import MAX_VAL_ROWS, Epoch
from planefold.engine.sources import Rows
from planefold.networks.network import Network

N_EVAL = 256  # training rows of each member: a unit that is dead on that many is dead for practical purposes
N_KEPT = 2000  # training rows that the kept weights are judged by, once
MAX_VAL_VALUES = 2**22  # numbers in Run.val_rows: 8 MB
VALUES_AT_ONCE = 2**20  # losses of held-out rows that are put off
LARGEST_HALF = float(np.finfo(np.float16).max)
SAVED_FOR_END = 0.1  # of the budget, to judge the kept weights by more rows
SAVED_FOR_LAYERS = 0.2  # of the budget, while layers are due
GROWTH = 1.2  # layers are looked at in epochs that lie further and further apart

Figures = dict[str, Any]


class Recorder:
    """Measure what :class:`Epoch` and :class:`Run` hold, within a budget of time, and change nothing of the training.

    Parameters
    ----------
    net : Network
    flat : FlatParameters
    rows : Rows
        What is learned from.
    objective : Objective
    score : function or None
    judge : Judge or None
        Of the held-out rows; it is asked after each epoch anyway.
    budget : Budget
    n_steps : int
        Steps of an epoch; 0 where they cannot be watched.
    is_first : bool
        Whether what must be measured is measured: not in a later instalment of a training, which may be one step.

    Notes
    -----
    Measured in any case: the start, epoch 1, the last epoch, and the epoch whose weights are kept. Of the others as
    many as the budget allows: layers in epochs that lie ever further apart, the training rows as often as possible.
    What can wait until the training has ended is worked out then, for all epochs at once: single calls cost most.
    """

    def __init__(
        self,
        net: Network,
        flat: FlatParameters,
        rows: Rows,
        objective: Objective,
        score: Score | None,
        judge: Judge | None,
        budget: Budget,
        *,
        n_steps: int,
        is_first: bool,
    ) -> None:
        self.net, self.rows, self.objective, self.score = net, rows, objective, score
        self.judge, self.budget, self.is_first = judge, budget, is_first
        self.answers: list[tuple[Tensor, Tensor]] = []
        self.looks: list[tuple[int, Tensor, Tensor, Tensor]] = []
        self.told: dict[int, Figures] = {}  # of each epoch that was looked at
        self.val_se: list[float | None] = []
        self.val_rows: list[NDArray[np.float16]] = []
        with budget.spending(must=True):
            self.health = Health(net, flat, n_steps, budget.clock) if n_steps else None
            self.sample = Judge(objective, rows, score, N_EVAL)
            self.passage = Passage(net, self.sample.X)
        self.next_layers = 1  # the epoch in which layers are to be looked at again
        self.questions = {"layers": 0.0, "look": 0.0}  # epochs in which the budget is asked again
        self.due_since = math.inf
        self.is_watched = False
        self.cost_of_layers = self.cost_of_look = 0.0

    # ------------------------------------------------------------------------------------- in an epoch

    def start(self) -> Figures:
        """Measure the state before the training."""
        self._keep()
        found: Figures = {}
        if self.is_first or self.budget.allows():
            before = self.budget.spent
            with self.budget.spending(must=self.is_first):
                found = self._look(0, at_units=True) | {"duplicate_share": duplicate_shares(self.net)}
            self.cost_of_look = self.budget.spent - before  # at most; a later one tells
        return found

    def steps_to_watch(self, number: int) -> tuple[int, ...]:
        """Return which steps of an epoch are to be made by :meth:`Health.watch`."""
        if self.health is None:
            return ()
        must = number == 1 and self.is_first
        self.is_watched = must or (number >= self.next_layers and self._allows("layers", number, self.cost_of_layers))
        return self.health.steps if self.is_watched else ()

    def epoch_ends(self, number: int) -> Figures:
        """Measure what is due at the end of an epoch."""
        self._keep()
        must = number == 1 and self.is_first
        if self.is_watched and self.health is not None:
            before = self.budget.spent
            self.budget.spend(self.health.seconds, must=must)
            with self.budget.spending(must=must):
                found = {**self.health.figures(), **self._look(number, at_units=True)}
            self.cost_of_layers = self.budget.spent - before
            self.next_layers = max(number + 1, int(GROWTH * number))
            self.due_since = math.inf
            return found
        if must or self._may_look(number):
            before = self.budget.spent
            with self.budget.spending(must=must):
                found = self._look(number, at_units=False)
            self.cost_of_look = self.budget.spent - before
            return found
        return {}

    def _may_look(self, number: int) -> bool:
        if number < self.questions["look"]:
            return False
        elapsed = self.budget.elapsed
        saved = SAVED_FOR_END * elapsed
        if self.health is not None and number >= self.next_layers:
            self.due_since = min(self.due_since, elapsed)
            saved += SAVED_FOR_LAYERS * (elapsed - self.due_since)
        return self._allows("look", number, self.cost_of_look, saved)

    def _allows(self, what: str, number: int, expected: float, saved: float = 0.0) -> bool:
        """Ask the budget, but not in each epoch: of a small one even the clock takes its share.

        What became free in ``saved`` seconds of the training is left alone.
        """
        if number < self.questions[what]:
            return False
        elapsed, needed = self.budget.elapsed, self.budget.needs(expected) + saved
        if needed <= elapsed:
            return True
        # As many epochs as will pass in the time that is missing, if they go on as they did.
        self.questions[what] = number + max(1.0, (needed - elapsed) / max(elapsed, 1e-9) * number)
        return False

    def _keep(self) -> None:
        """Keep the judge's last answer, and once there are many of them what is to be known of them."""
        if self.judge is not None:
            self.answers.append((self.judge.row_losses, self.judge.losses))
            if len(self.answers) * self.judge.row_losses.numel() >= VALUES_AT_ONCE:
                with self.budget.spending():
                    self._take_stock()

    def _take_stock(self) -> None:
        """Work out what was put off."""
        if self.judge is not None and self.answers:
            row_losses, losses = (torch.stack(parts) for parts in zip(*self.answers, strict=True))
            self.answers.clear()
            self.val_se += self.judge.standard_errors(row_losses, losses)
            some = self.judge.sampled(row_losses, MAX_VAL_ROWS)
            self.val_rows.append(some.clip(-LARGEST_HALF, LARGEST_HALF).astype(np.float16))
        if self.looks:
            numbers, *answers = zip(*self.looks, strict=True)
            self.looks.clear()
            outputs, row_losses, losses = (torch.stack(parts) for parts in answers)
            errors = self.sample.standard_errors(row_losses, losses)
            with torch.inference_mode():
                scores = self.sample.scores(outputs)
            for number, error, score in zip(numbers, errors, scores, strict=True):
                self.told[number] = {"train_se": error, "train_score": score}

    def _look(self, number: int, *, at_units: bool) -> Figures:
        """Judge the sample of the training rows, and its units on the way."""
        sample = self.sample
        with torch.inference_mode():
            outputs, hidden = self.passage()
            found: Figures = {"train_eval": sample.loss(outputs)}
            if at_units:
                found |= units_of(hidden, self.net.spec.activation)
        self.looks.append((number, outputs, sample.row_losses, sample.losses))
        if len(self.looks) * outputs.numel() >= VALUES_AT_ONCE:
            self._take_stock()
        return found

    # ----------------------------------------------------------------------------------- after the last

    def complete(self, epoch: Epoch, *, is_last: bool = True) -> Epoch:
        """Measure what is missing of an epoch whose weights the network has; of the last one the units, too."""
        if epoch.train_eval is not None and (epoch.activation_mean or not is_last):
            return epoch
        if not (self.is_first or self.budget.allows(self.cost_of_layers)):
            return epoch
        with self.budget.spending(must=self.is_first):
            return epoch.with_(**self._look(epoch.epoch, at_units=is_last))

    def facts(self) -> Facts:
        """Measure what the network was given, and how the weights that are kept do."""
        if not (self.is_first or self.budget.allows(10 * self.cost_of_look)):
            return {}
        with self.budget.spending(must=self.is_first):
            found = given(self.rows, self.objective) | self._kept()
            if self.judge is not None and self.objective.name in CLASSIFICATION:
                self.judge(self.net)  # it was asked about the last weights
                found |= found_classes(self.judge)
        return found

    def _kept(self) -> Facts:
        """Judge the kept weights by as many training rows as the budget allows, once."""
        sample, passage = self.sample, self.passage
        n_rows = min(self.rows.n_rows, N_KEPT, N_EVAL * self.budget.left / max(self.cost_of_look, 1e-9))
        if n_rows >= 2 * sample.n_rows:
            sample = Judge(self.objective, self.rows, self.score, int(n_rows))
            passage = Passage(self.net, sample.X)
        with torch.inference_mode():
            loss, score = sample.take(passage()[0])
        found = {"kept_train_loss": loss, "kept_train_se": sample.standard_error(), "kept_train_score": score}
        found["lowest_loss"] = float(sample.row_losses.min())
        return {name: fact for name, fact in found.items() if fact is not None and np.isfinite(fact)} | {
            "kept_train_rows": sample.n_rows
        }

    def finish(self, epochs: list[Epoch]) -> tuple[list[Epoch], NDArray[np.float16] | None]:
        """Return the epochs with what was put off, and the losses of single held-out rows, (n_epochs, n_rows)."""
        with self.budget.spending(must=self.is_first):
            self._take_stock()
            errors = itertools.chain(self.val_se, itertools.repeat(None))
            epochs = [
                epoch.with_(val_se=error, **self.told.get(epoch.epoch, {}))
                for epoch, error in zip(epochs, errors, strict=False)
            ]
            if not self.val_rows:
                return epochs, None
            losses = np.concatenate(self.val_rows)[: len(epochs)]
        return epochs, losses[:, :: -(-losses.size // MAX_VAL_VALUES)]


def trivial_losses(rows: Rows, objective: Objective, judge: Judge | None = None) -> tuple[float, float | None]:
    """Return the loss of the best constant on the training rows, and of the same constant on the held-out rows."""
    y, weights = rows.y, rows.weights
    if rows.members is not None:
        # The rows that any member sees, each as often as members see it: resampled rows come several times.
        index, times = np.unique(rows.members[rows.members >= 0], return_counts=True)
        _, y, weights = rows.take(index)
        counts = torch.from_numpy(times).to(y)
        weights = counts if weights is None else weights * counts
    constant = objective.trivial_output(y, weights)
    loss = float(objective.loss(constant.expand_as(y), y, weights))
    if judge is None:
        return loss, None
    return loss, float(objective.loss(constant.expand_as(judge.y), judge.y, judge.weights).mean())
