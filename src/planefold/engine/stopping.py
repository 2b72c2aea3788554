"""When to stop, and which weights to keep.

Members are judged together, by the mean of the losses on their held-out rows: each member sees few such
rows, but with one fold each they see all rows, and the mean is as steady as cross-validation.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from planefold.engine.plan import Plan


class Patience:
    """Count the epochs in a row without an improvement of at least ``tol``."""

    def __init__(self, plan: Plan) -> None:
        self.tol, self.limit = plan.tol, plan.n_iter_no_change
        self.best = math.inf
        self.count = 0

    def offer(self, loss: float) -> bool:
        """Take the loss of an epoch; tell whether the patience has run out."""
        # not (a > b) but "unless a <= b": a loss that is nan is no improvement
        self.count = 0 if loss <= self.best - self.tol and loss < math.inf else self.count + 1
        self.best = min(self.best, loss) if loss == loss else self.best
        return self.exhausted

    @property
    def exhausted(self) -> bool:
        """Whether the count is above the limit."""
        return self.count > self.limit

    def reset(self) -> None:
        """Start counting anew, as after a lower learning rate."""
        self.count = 0


class BestWeights:
    """Keep the weights of the epoch in which the validation loss was lowest."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net
        self.kept = [p.detach().clone() for p in net.parameters()]
        self.loss = math.inf
        self.epoch = 0

    def offer(self, number: int, loss: float) -> None:
        """Take the validation loss of an epoch and keep the weights if it is the lowest so far."""
        if not loss < self.loss:
            return
        self.loss, self.epoch = loss, number
        with torch.no_grad():
            for kept, p in zip(self.kept, self.net.parameters(), strict=True):
                kept.copy_(p)

    def restore(self) -> None:
        """Put the kept weights back into the network."""
        with torch.no_grad():
            for kept, p in zip(self.kept, self.net.parameters(), strict=True):
                p.copy_(kept)
