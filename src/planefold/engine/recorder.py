"""What is measured of a training for its record, and when."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from planefold.engine.budget import Budget
from planefold.engine.facts import CLASSIFICATION, Facts, found_classes, given
from planefold.engine.flat import FlatParameters
from planefold.engine.health import Health, duplicate_shares, look_through
from planefold.engine.judge import Judge, Score
from planefold.engine.objectives import Objective
from planefold.engine.run import MAX_VAL_ROWS, Epoch
from planefold.engine.sources import Rows
from planefold.networks.mlp import MLP

N_EVAL = 256  # training rows of each member: a unit that is dead on that many is dead for practical purposes
N_KEPT = 2000  # training rows that the kept weights are judged by, once
MAX_VAL_VALUES = 2**22  # numbers in Run.val_rows: 8 MB
GROWTH = 1.2  # layers are looked at in epochs that lie further and further apart

Figures = dict[str, Any]


class Recorder:
    """Measure what :class:`Epoch` and :class:`Run` hold, within a budget of time, and change nothing of the training.

    Parameters
    ----------
    net : MLP
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
    """

    def __init__(
        self,
        net: MLP,
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
        self.val_rows: list[NDArray[np.float16]] = []
        with budget.spending():
            self.health = Health(net, flat, n_steps) if n_steps else None
            self.sample = Judge(objective, rows, score, N_EVAL)
        self.next_layers = 1  # the epoch in which layers are to be looked at again
        self.is_watched = False
        self.cost_of_layers = self.cost_of_look = 0.0

    # ------------------------------------------------------------------------------------- in an epoch

    def start(self) -> Figures:
        """Measure the state before the training."""
        found = self._held_out()
        if self.is_first or self.budget.allows():
            with self.budget.spending():
                found |= self._look(at_units=True) | {"duplicate_share": duplicate_shares(self.net)}
        return found

    def steps_to_watch(self, number: int) -> tuple[int, ...]:
        """Return which steps of an epoch are to be made by :meth:`Health.watch`."""
        if self.health is None:
            return ()
        must = number == 1 and self.is_first
        self.is_watched = must or (number >= self.next_layers and self.budget.allows(self.cost_of_layers))
        return self.health.steps if self.is_watched else ()

    def epoch_ends(self, number: int) -> Figures:
        """Measure what is due at the end of an epoch."""
        found = self._held_out()
        before = self.budget.spent
        if self.is_watched and self.health is not None:
            self.budget.spent += self.health.seconds
            with self.budget.spending():
                found |= self.health.figures()
                found |= self._look(at_units=True)
            self.cost_of_layers = self.budget.spent - before
            self.next_layers = max(number + 1, int(GROWTH * number))
        elif (number == 1 and self.is_first) or self._may_look(number):
            with self.budget.spending():
                found |= self._look(at_units=False)
            self.cost_of_look = self.budget.spent - before
        return found

    def _may_look(self, number: int) -> bool:
        # While layers are due, the budget is saved up for them, which cost more.
        waits = self.health is not None and number >= self.next_layers
        return not waits and self.budget.allows(self.cost_of_look)

    def _held_out(self) -> Figures:
        """Keep the losses of single rows, of the judge's last answer."""
        if self.judge is None:
            return {}
        with self.budget.spending():
            self.val_rows.append(self.judge.sampled(MAX_VAL_ROWS))
            return {"val_se": self.judge.standard_error()}

    def _look(self, *, at_units: bool) -> Figures:
        """Judge the sample of the training rows, and its units on the way."""
        outputs, units = look_through(self.net, self.sample.X, at_units=at_units)
        with torch.inference_mode():
            loss, score = self.sample.take(outputs)
        found = {"train_eval": loss, "train_se": self.sample.standard_error(), "train_score": score}
        return found if units is None else found | units

    # ----------------------------------------------------------------------------------- after the last

    def complete(self, epoch: Epoch) -> Epoch:
        """Measure what is missing of an epoch, whose weights the network has."""
        if epoch.train_eval is not None and epoch.activation_mean:
            return epoch
        if not (self.is_first or self.budget.allows(self.cost_of_layers)):
            return epoch
        with self.budget.spending():
            return dataclasses.replace(epoch, **self._look(at_units=True))

    def facts(self) -> Facts:
        """Measure what the network was given, and how the weights that are kept do."""
        if not (self.is_first or self.budget.allows(10 * self.cost_of_look)):
            return {}
        with self.budget.spending():
            found = given(self.rows, self.objective) | self._kept()
            if self.judge is not None and self.objective.name in CLASSIFICATION:
                self.judge(self.net)  # it was asked about the last weights
                found |= found_classes(self.judge)
        return found

    def _kept(self) -> Facts:
        """Judge the kept weights by as many training rows as the budget allows, once."""
        sample = self.sample
        if self.budget.allows(self.cost_of_look * N_KEPT / N_EVAL):
            sample = Judge(self.objective, self.rows, self.score, N_KEPT)
        loss, score = sample(self.net)
        found = {"kept_train_loss": loss, "kept_train_se": sample.standard_error(), "kept_train_score": score}
        found["lowest_loss"] = float(sample.row_losses.min())
        return {name: fact for name, fact in found.items() if fact is not None and np.isfinite(fact)} | {
            "kept_train_rows": sample.n_rows
        }

    def held_out(self, n_epochs: int) -> NDArray[np.float16] | None:
        """Return the losses of single held-out rows in each of the epochs, (n_epochs, n_rows)."""
        if not self.val_rows:
            return None
        losses = np.stack(self.val_rows[:n_epochs])
        return losses[:, :: -(-losses.size // MAX_VAL_VALUES)]


def trivial_losses(rows: Rows, objective: Objective, judge: Judge | None) -> tuple[float, float | None]:
    """Return the loss of the best constant on the training rows, and of the same constant on the held-out rows."""
    y, weights = rows.y, rows.weights
    if rows.members is not None:
        # The rows that any member sees, each as often as members see it: resampled rows come several times.
        index, times = np.unique(rows.members[rows.members >= 0], return_counts=True)
        _, y, weights = rows.take(index)
        counts = torch.from_numpy(times).to(y)
        weights = counts if weights is None else weights * counts
    weights = torch.ones_like(y[:, 0]) if weights is None else weights
    constant = objective.inverse_link(objective.best_constant(y, weights))
    loss = float(objective.loss(constant.expand_as(y), y, weights))
    if judge is None:
        return loss, None
    return loss, float(objective.loss(constant.expand_as(judge.y), judge.y, judge.weights).mean())


def replaced(epochs: Sequence[Epoch], epoch: Epoch) -> list[Epoch]:
    """Put an epoch in the place of the one of its number."""
    return [epoch if old.epoch == epoch.epoch else old for old in epochs]
