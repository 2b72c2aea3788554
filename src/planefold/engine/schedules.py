"""Learning-rate schedules: the rate of the next step from how far the training has come.

What a schedule is (:class:`Schedule`, a record) is kept apart from the rate while a training runs (:class:`Rate`).
No torch here: the command line's help reads this file.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from planefold.core.errors import ParameterError, show, unknown_choice
from planefold.engine.plan import PROXIMAL_SOLVERS, SCHEDULES, Plan

ADAPTIVE_FACTOR, ADAPTIVE_FLOOR = 5.0, 1e-6  # scikit-learn's: divide by 5, stop at 1e-6

# The options that act on a kind, with the values they have when none are given.
_ALWAYS = {"warmup": 0.0, "start": 0.0}
OPTIONS: dict[str, dict[str, Any]] = {
    "constant": _ALWAYS,
    "invscaling": _ALWAYS,
    "adaptive": _ALWAYS,
    "step": {**_ALWAYS, "every": 1 / 3, "factor": 0.1},
    "cosine": {**_ALWAYS, "final": 0.0},
    "one_cycle": {"warmup": 0.3, "start": 1 / 25, "final": 1 / 25 / 1e4},
    "warmup": {"warmup": 0.1, "start": 0.0},
    "plateau": {**_ALWAYS, "final": 0.0, "factor": 0.1, "patience": 5, "threshold": 1e-4},
}


def _share(*, from_0: bool = True, to_1: bool = False) -> Callable[[str, Any], float]:
    least, most = "of at least 0" if from_0 else "above 0", "at most 1" if to_1 else "below 1"

    def check(name: str, value: Any) -> float:
        number = _number(value)
        if number is None or not 0 <= number <= 1 or (number == 0 and not from_0) or (number == 1 and not to_1):
            raise ParameterError(f"{name}={show(value)} must be a number {least} and {most}")
        return float(number)

    return check


def _epochs(name: str, value: Any) -> int:
    number = _number(value)
    if not isinstance(number, int) or number < 0:
        raise ParameterError(f"{name}={show(value)} must be a whole number of epochs")
    return number


def _points(name: str, value: Any) -> float | tuple[float, ...]:
    entries = value if isinstance(value, list | tuple) else (value,)
    points = [_number(entry) for entry in entries]
    if not points or not all(p is not None and (p >= 1 if isinstance(p, int) else 0 < p < 1) for p in points):
        raise ParameterError(
            f"{name}={show(value)} must be a whole number of epochs or a share of the training above 0 and below 1",
            details="or a tuple of such points",
            hint="every=30, every=0.25 or every=(0.5, 0.75)",
        )
    several = tuple(p for p in points if p is not None)
    return several if isinstance(value, list | tuple) else several[0]


def _number(value: Any) -> int | float | None:
    """Return a Python number; None for anything else, truth values among it."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        return None
    return int(value) if isinstance(value, int | np.integer) else float(value)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "warmup": _share(),
    "start": _share(to_1=True),
    "final": _share(to_1=True),
    "every": _points,
    "factor": _share(from_0=False),
    "patience": _epochs,
    "threshold": _share(),
}


@dataclass(frozen=True, kw_only=True, repr=False)
class Schedule:
    r"""How the learning rate changes while a network is trained.

    ``learning_rate="cosine"`` is short for ``learning_rate=Schedule(kind="cosine")``. Shares of the training are
    counted in steps, so a rate changes within an epoch, too; ``learning_rate_init`` is the rate that is meant by 1.

    Parameters
    ----------
    kind : {"constant", "invscaling", "adaptive", "step", "cosine", "one_cycle", "warmup", "plateau"}
        - constant: the same rate throughout.
        - invscaling: divided after each epoch by ``(rows seen + 1) ** power_t``; scikit-learn's.
        - adaptive: divided by 5 whenever the loss stands still for ``n_iter_no_change`` epochs, until it is below
          1e-6; scikit-learn's. These two act on plain gradients (sgd, momentum, averaged_momentum, nesterov) and
          leave the rate of all other solvers constant, as scikit-learn leaves that of adam.
        - step: times ``factor`` after every ``every``.
        - cosine: falls along half a cosine from 1 to ``final``. Has no option that must be tuned: a sound default.
        - one_cycle: rises along half a cosine from ``start`` to 1, then falls along another one to ``final``.
          ``learning_rate_init`` is the peak, and can be higher than with the others.
        - warmup: rises, then constant.
        - plateau: times ``factor`` whenever the watched loss (the validation loss, or without one the training
          objective) has not improved for more than ``patience`` epochs.
    warmup : float
        Share of the training, at least 0 and below 1, in which the rate rises linearly from ``start`` to 1 before
        the kind takes over; 0 unless the kind rises: 0.1 for "warmup" (long enough for the running means of
        adam's relatives to settle), 0.3 for "one_cycle" (torch's).
    start : float
        The first rate, as a share of ``learning_rate_init``; 0, and for "one_cycle" 1/25 (torch's).
    final : float
        Of "cosine" and "one_cycle" the last rate, of "plateau" the lowest, as a share of ``learning_rate_init``; 0,
        and for "one_cycle" 1/250,000 (torch's).
    every : int, float or tuple of them
        Of "step": a whole number is epochs, a number below 1 a share of the training; of a tuple each entry is a
        point at which the rate falls once. 1/3: a third of the training at each of three rates.
    factor : float
        Of "step" and "plateau": what the rate is multiplied by, above 0 and below 1. 0.1, as everywhere in the field.
    patience : int
        Of "plateau": epochs without an improvement that are tolerated. 5, half of scikit-learn's
        ``n_iter_no_change``: a lower rate is tried before the training ends for standing still.
    threshold : float
        Of "plateau": share of the best loss by which a loss must be lower to be an improvement; 1e-4.

    Raises
    ------
    ParameterError
        When it is built: for a kind that is not known, a value that cannot be, or an option that does not act on
        this kind.

    Notes
    -----
    With torch's names: ``StepLR(step_size=every, gamma=factor)``, with a tuple ``MultiStepLR(milestones=every)``;
    ``CosineAnnealingLR(eta_min=final * learning_rate_init)``; ``OneCycleLR(max_lr=learning_rate_init,
    pct_start=warmup, div_factor=1 / start, final_div_factor=start / final)``; ``ReduceLROnPlateau`` with the same
    names and ``min_lr=final * learning_rate_init``; ``LinearLR(start_factor=start)`` is the warm-up.

    ``partial_fit`` does not know how much is still to come: shares are counted in each call anew, but only the first
    warms up; whole epochs, and what "plateau" and "adaptive" have seen, are counted over all calls.

    References
    ----------
    Loshchilov and Hutter, "SGDR: Stochastic gradient descent with warm restarts", ICLR 2017, eq. 5 (cosine).
    Smith and Topin, "Super-convergence: Very fast training of neural networks using large learning rates", 2018
    (one cycle). Goyal et al., "Accurate, large minibatch SGD: Training ImageNet in 1 hour", 2017, section 2.2
    (linear warm-up). He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016, section 4.2
    (steps by 0.1).

    Examples
    --------
    >>> Schedule(kind="step", every=30, factor=0.5)
    Schedule(kind='step', warmup=0.0, start=0.0, every=30, factor=0.5)
    >>> Schedule(warmup=0.05).kind
    'cosine'
    """

    kind: str = "cosine"
    warmup: float | None = None
    start: float | None = None
    final: float | None = None
    every: float | tuple[float, ...] | None = None
    factor: float | None = None
    patience: int | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or self.kind not in SCHEDULES:
            raise unknown_choice("kind", self.kind, SCHEDULES)
        own = OPTIONS[self.kind]
        for name, value in self.options.items():
            if name not in own:
                kinds = ", ".join(repr(kind) for kind, options in OPTIONS.items() if name in options)
                raise ParameterError(
                    f"{name}={show(value)} does not act on kind={self.kind!r}", details=f"it is an option of: {kinds}"
                )
            object.__setattr__(self, name, _CHECKS[name](name, value))
        for name, value in own.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    @property
    def options(self) -> dict[str, Any]:
        """The options that act on this kind, with their values."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "kind"}
        return {name: value for name, value in values.items() if value is not None}

    def __repr__(self) -> str:
        options = "".join(f", {name}={show(value)}" for name, value in self.options.items())
        return f"Schedule(kind={self.kind!r}{options})"

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON data, from which ``Schedule(**data)`` makes an equal one."""
        data = {"kind": self.kind, **self.options}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in data.items()}

    @property
    def falls_to_the_end(self) -> bool:
        """Whether the last steps are the shortest by plan, so that more epochs would add nothing after them."""
        return self.kind in ("cosine", "one_cycle")


def as_schedule(learning_rate: str | Schedule) -> Schedule:
    """Read the parameter ``learning_rate``: a string is short for the schedule of that kind.

    >>> as_schedule("warmup")
    Schedule(kind='warmup', warmup=0.1, start=0.0)
    """
    return learning_rate if isinstance(learning_rate, Schedule) else Schedule(kind=learning_rate)


class Rate:
    """The learning rate while a training runs.

    Parameters
    ----------
    plan : Plan
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        schedule = as_schedule(plan.learning_rate)
        self.kind, self.options = schedule.kind, schedule.options
        # scikit-learn lets these two steer sgd and leaves adam alone, which scales its steps by itself. The other
        # rules that step along the gradient are sgd with another momentum, so the two steer all of those.
        if self.kind in ("invscaling", "adaptive") and plan.solver not in PROXIMAL_SOLVERS:
            self.kind = "constant"
        self.rate = plan.learning_rate_init  # what the ends of epochs have made of it
        self.n_epochs = 0
        self.n_trainings = 0  # partial_fit trains again and again with one object
        self.best, self.n_bad = math.inf, 0

    def at(self, progress: float) -> float:
        """Return the rate of a step before which the share ``progress`` (0 to 1) of all epochs is done."""
        self.n_trainings += progress == 0.0
        warmup = self.options["warmup"] if self.n_trainings <= 1 else 0.0
        if progress < warmup:
            risen = progress / warmup
            if self.kind == "one_cycle":
                risen = (1 - math.cos(math.pi * risen)) / 2
            start = self.options["start"]
            return float(self.rate * (start + (1 - start) * risen))
        if self.kind in ("cosine", "one_cycle"):
            final = self.options["final"]
            remaining = (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2
            return float(self.rate * (final + (1 - final) * remaining))
        if self.kind == "step":
            return float(self.rate * self.options["factor"] ** self._n_falls(progress))
        return self.rate

    def _n_falls(self, progress: float) -> int:
        """How often "step" has lowered the rate."""
        every = self.options["every"]
        progress += 1e-9  # 0.3 / 0.1 is a little less than 3
        if isinstance(every, tuple):
            return sum((self.n_epochs if point >= 1 else progress) >= point for point in every)
        return int(self.n_epochs // every if every >= 1 else progress / every)

    def epoch_ends(self, n_seen: int, loss: float = math.inf) -> None:
        """Lower the rate after an epoch where the kind asks for it.

        Parameters
        ----------
        n_seen : int
            Rows seen so far, counting every pass: for invscaling, ``rate = init / (n_seen + 1) ** power_t``.
        loss : float
            The loss that "plateau" watches: of the held-out rows, or without any the training objective.
        """
        self.n_epochs += 1
        if self.kind == "invscaling":
            self.rate = float(self.plan.learning_rate_init / (n_seen + 1) ** self.plan.power_t)
        elif self.kind == "plateau":
            self._watch(loss)

    def _watch(self, loss: float) -> None:
        # torch has best * (1 - threshold), which is the same for losses above 0, and below 0 (poisson) would count
        # a higher loss as a lower one. A loss that is nan, for which every comparison fails, is no improvement.
        enough = self.best if math.isinf(self.best) else self.best - self.options["threshold"] * abs(self.best)
        if loss < enough:
            self.best, self.n_bad = loss, 0
            return
        self.n_bad += 1
        if self.n_bad > self.options["patience"]:
            lowest = self.options["final"] * self.plan.learning_rate_init
            self.rate, self.n_bad = float(max(self.rate * self.options["factor"], lowest)), 0

    def stops_at_no_improvement(self) -> bool:
        """Tell whether to stop when the loss stands still; adaptive lowers the rate first."""
        if self.kind != "adaptive" or self.rate <= ADAPTIVE_FLOOR:
            return True
        self.rate /= ADAPTIVE_FACTOR
        return False
