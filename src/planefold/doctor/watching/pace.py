"""When a watch looks: often enough, spread evenly over what is planned, and within its share of the time."""

from __future__ import annotations

import math

from planefold.engine.budget import Budget

LOOKS_A_LAYER = 4  # looks, of which one sees the layers too
FEWEST_EPOCHS = 20  # that are counted on where nothing is said


class Pace:
    """Decide after each epoch whether the next one is looked at.

    Parameters
    ----------
    budget : Budget
    n_epochs : int or None
        How many are planned.

    Attributes
    ----------
    is_due, at_layers : bool
        Whether the epoch that runs will be looked at, and its layers too.
    last_look : int
        The epoch that was looked at last.
    start_cost : float
        Seconds that the look before the training took. It is not paid for later: in a new process its first calls take
        longer than all looks at a table.
    """

    def __init__(self, budget: Budget, n_epochs: int | None) -> None:
        self.budget, self.n_epochs = budget, n_epochs
        self.is_due = self.at_layers = True
        self.last_look = 0
        self.start_cost = 0.0
        self._n_looks = 0
        self.costs: dict[bool, float] = {}  # seconds of a look, with the layers and without

    def looked(self, epoch: int, seconds: float, *, at_layers: bool) -> None:
        """Note a look."""
        self.last_look, self.costs[at_layers] = epoch, seconds
        self._n_looks += 1

    def plan(self, done: int) -> None:
        """Decide about the next epoch, after so many."""
        planned = max(self.n_epochs or max(FEWEST_EPOCHS, 2 * done), done + 1)
        self.at_layers = self._n_looks % LOOKS_A_LAYER == 0 or self.n_epochs == done + 1
        if self.n_epochs == done + 1 or math.isinf(self.budget.share):
            self.is_due = self.at_layers = True
            return
        dear = self.costs[True]
        cost = (dear + (LOOKS_A_LAYER - 1) * self.costs.get(False, dear)) / LOOKS_A_LAYER
        spent = self.budget.spent
        training = (self.budget.elapsed - spent) / done * planned
        left = self.budget.share * training - (spent - self.start_cost) - dear
        every = math.ceil((planned - done - 1) * cost / left) if left > 0 else math.inf
        self.is_due = left >= cost and done + 1 - self.last_look >= every
