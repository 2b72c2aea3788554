"""Learning-rate schedules: the rate of the next step from how far the training has come."""

from __future__ import annotations

import math
from dataclasses import dataclass

from planefold.engine.plan import Plan

ADAPTIVE_FACTOR, ADAPTIVE_FLOOR = 5.0, 1e-6  # scikit-learn's: divide by 5, stop at 1e-6


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How the learning rate changes.

    Parameters
    ----------
    kind : str
        A name in ``SCHEDULES``.
    """

    kind: str = "constant"


class Rate:
    """The learning rate over time."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.rate = plan.learning_rate_init
        # As in scikit-learn, invscaling and adaptive only steer plain gradient descent.
        self.kind = plan.learning_rate if plan.solver == "sgd" or plan.learning_rate == "cosine" else "constant"

    def at(self, progress: float) -> float:
        """Return the rate when the share ``progress`` (0 to 1) of all epochs is done."""
        if self.kind == "cosine":
            return 0.5 * self.plan.learning_rate_init * (1.0 + math.cos(math.pi * progress))
        return self.rate

    def epoch_ends(self, n_seen: int) -> None:
        """Lower the rate after an epoch: ``rate = init / (n_seen + 1)^power_t``."""
        if self.kind == "invscaling":
            self.rate = float(self.plan.learning_rate_init / (n_seen + 1) ** self.plan.power_t)

    def stops_at_no_improvement(self) -> bool:
        """Tell whether to stop when the loss stands still; adaptive lowers the rate first."""
        if self.kind != "adaptive" or self.rate <= ADAPTIVE_FLOOR:
            return True
        self.rate /= ADAPTIVE_FACTOR
        return False
