"""When to stop, and which weights to keep.

Members are judged together, by the mean of the losses on their held-out rows: each member sees few such
rows, but with one fold each they see all rows, and the mean is as steady as cross-validation.
"""

from __future__ import annotations

import math

from torch import Tensor

from planefold.engine.plan import Plan


class Patience:
    """Count the epochs in a row without an improvement of at least ``tol``."""

    def __init__(self, plan: Plan) -> None:
        self.tol, self.limit = plan.tol, plan.n_iter_no_change
        self.best = math.inf
        self.count = 0

    def offer(self, loss: float) -> bool:
        """Take the loss of an epoch; tell whether the patience has run out."""
        # Written so that nan and infinity, for which every comparison fails, are no improvement.
        improved = loss < math.inf and loss <= self.best - self.tol
        self.count = 0 if improved else self.count + 1
        self.best = loss if loss < self.best else self.best
        return self.count > self.limit

    def reset(self) -> None:
        """Start counting anew, as after a lower learning rate."""
        self.count = 0


class BestWeights:
    """Keep the weights ``theta`` of the epoch in which the validation loss was lowest."""

    def __init__(self, theta: Tensor) -> None:
        self.theta = theta
        self.kept = theta.clone()
        self.loss = math.inf
        self.epoch = 0

    def offer(self, number: int, loss: float) -> None:
        """Take the validation loss of an epoch and keep the weights if it is the lowest so far."""
        if loss < self.loss:
            self.loss, self.epoch = loss, number
            self.kept.copy_(self.theta)

    def restore(self) -> None:
        """Put the kept weights back."""
        self.theta.copy_(self.kept)
