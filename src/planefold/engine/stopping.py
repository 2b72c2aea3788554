"""When to stop, and which weights to keep.

Members are judged together, by the mean of the losses on their held-out rows: each member sees few such
rows, but with one fold each they see all rows, and the mean is as steady as cross-validation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from planefold.core.errors import TrainingError
from planefold.engine.flat import FlatParameters
from planefold.engine.plan import Plan
from planefold.engine.run import Epoch


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
    """Keep the weights of the epoch in which the mean validation loss was lowest.

    Several members leave the start (epoch 0) only for weights that are clearly better than it: the mean gain of the
    members must be above its own standard error. Where the start is the linear solution and rows are few, what a
    network gains on them is mostly chance.

    References
    ----------
    Breiman, Friedman, Olshen and Stone, "Classification and Regression Trees", 1984, section 3.4.3 (the rule of one
    standard error).
    """

    def __init__(self, flat: FlatParameters) -> None:
        self.kept = Snapshot(flat)
        self.start: Tensor | None = None
        self.loss = math.inf
        self.epoch = 0

    def offer(self, number: int, losses: Tensor) -> None:
        """Take the members' validation losses of an epoch and keep the weights if they are the best so far."""
        losses = losses.double()
        loss = float(losses.mean())
        if number == 0:
            self.start = losses
        if loss < self.loss and (number == 0 or self._clearly_better(losses)):
            self.loss, self.epoch = loss, number
            self.kept.take()

    def _clearly_better(self, losses: Tensor) -> bool:
        if self.start is None or len(losses) == 1 or not math.isfinite(float(self.start.mean())):
            return True
        gain = self.start - losses
        # One member's gain alone is exactly its standard error: rounding must not make it clear.
        return float(gain.mean()) > (1 + 1e-9) * float(gain.std()) / math.sqrt(len(gain))

    def restore(self) -> None:
        """Put the kept weights back."""
        self.kept.restore()


class Snapshot:
    """A copy of all that a network has learned so far."""

    def __init__(self, flat: FlatParameters) -> None:
        self.now = (flat.theta, flat.statistics)
        self.kept = tuple(tensor.clone() for tensor in self.now)

    def take(self) -> None:
        """Copy the network as it is."""
        for kept, now in zip(self.kept, self.now, strict=True):
            kept.copy_(now)

    def restore(self) -> None:
        """Make the network what it was."""
        for kept, now in zip(self.kept, self.now, strict=True):
            now.copy_(kept)


def diverged(epochs: Sequence[Epoch], plan: Plan) -> TrainingError:
    """Build the error for a training that was never better than at its start, and then went out of all bounds."""
    scale = "preprocess='auto', which puts the columns on one scale"
    has_rate = plan.solver != "lbfgs"
    return TrainingError(
        # scikit-learn's words, which its users look for.
        "Solver produced non-finite parameter weights. The input data may contain large values and need to be "
        "preprocessed.",
        details=f"seen in epoch {epochs[-1].epoch if epochs else 1}"
        + (f", at learning_rate_init={plan.learning_rate_init}" if has_rate else ""),
        hint=f"try a learning rate ten times lower, or {scale}" if has_rate else f"try {scale}",
    )
