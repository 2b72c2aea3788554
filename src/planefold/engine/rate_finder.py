"""The learning-rate range test: which rate to train with, found in some 100 steps instead of many trainings."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planefold.core.errors import ParameterError, TrainingError, show
from planefold.engine.loop import Memory, train
from planefold.engine.objectives import Objective
from planefold.engine.plan import Plan
from planefold.engine.schedules import Rate
from planefold.engine.sources import Rows
from planefold.networks.mlp import MLP

# From where nothing moves to where (nearly) everything diverges: 14 steps a factor of ten.
LOW, HIGH, N_STEPS = 1e-6, 10.0, 100
LEAST_STEPS = 20  # with fewer, three steps a factor of ten, "steepest" is chance
PROBE_ROWS = 1000  # the loss is measured on so many rows of each member
MEMORY = 0.8  # weight of the past in the running mean: five steps, a third of a factor of ten
TOO_HIGH = 4.0  # a loss of so many times the best is on its way out
CLEAR_FALL = 1e-3  # a fall by a smaller share of the loss is no reason to prefer any rate


@dataclass(frozen=True, kw_only=True)
class RateSweep:
    """What a learning-rate range test saw. ``planefold.plots.rates`` draws it.

    Parameters
    ----------
    rates : tuple of float
        The rates that steps were made at, each a constant factor above the one before.
    losses : tuple of float
        Loss after the step at each rate (mean of the members, without penalty), on a sample of the training rows that
        is the same throughout. The last may be infinite or nan.
    smoothed : tuple of float
        Their running mean over the steps so far.
    first_loss : float
        Loss before the first step.
    steepest : float or None
        The rate at which the lowest ``smoothed`` so far fell fastest for a given factor of the rate.
    lowest : float or None
        The rate at which ``smoothed`` was lowest. Steps of this length already do as much harm as good.
    suggestion : float or None
        The rate to train with: ``steepest``. None where there is none.
    reason : str
        Why the suggestion is what it is, or why there is none.
    objective, solver : str
        What was lowered, and by which rule. A rate that is good for one rule is not for another.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    smoothed: tuple[float, ...]
    first_loss: float
    steepest: float | None
    lowest: float | None
    suggestion: float | None
    reason: str
    objective: str
    solver: str

    def __str__(self) -> str:
        if self.suggestion is None:
            return f"no learning rate to suggest: {self.reason}"
        return f"learning_rate_init={self.suggestion:.2g}: {self.reason}"


def find_learning_rate(
    net: MLP,
    rows: Rows,
    objective: Objective,
    plan: Plan,
    *,
    random_state: np.random.RandomState,
    low: float = LOW,
    high: float = HIGH,
    n_steps: int = N_STEPS,
) -> RateSweep:
    """Make steps at ever higher rates, on a copy of ``net``, and say at which of them the loss fell fastest.

    Parameters
    ----------
    net : MLP
        Where the steps start; it stays as it is.
    rows : Rows
        The training rows.
    objective : Objective
    plan : Plan
        Solver, batch size and penalties of the training that the rate is for. Its own rate is not used.
    random_state : numpy.random.RandomState
        Decides the batches, the dropout masks, and the rows that the loss is measured on.
    low, high : float
        The first rate and the last.
    n_steps : int
        Steps from one to the other, at least 20. Fewer are made where the loss goes out of bounds before.

    Returns
    -------
    RateSweep

    Raises
    ------
    ParameterError
        For ``solver="lbfgs"``, which has no rate, and for bounds or a number of steps that cannot be.

    Notes
    -----
    The rate is multiplied by the same factor after each step. The test ends when the running mean of the loss is 4
    times its lowest value, or the loss is not finite; it costs about twice as much as ``n_steps`` steps of a training.

    Smith looks at the accuracy, and others at the loss of each batch. This takes the loss on one sample of the rows,
    without dropout: the losses of two batches differ by more than small steps change them, and on Titanic,
    insurance charges and digits the steepest fall of the batch losses of the default estimators was noise.

    The suggestion is the rate of the steepest fall, not a tenth of the rate of the lowest loss, which is common, too.
    Where the two were tried against each other, it was seldom worse and could be much better; ``docs/log.md`` has
    the figures.

    References
    ----------
    Smith, "Cyclical learning rates for training neural networks", WACV 2017, section 3.3 (the range test; first in
    2015). Kingma and Ba, "Adam: A method for stochastic optimization", ICLR 2015, section 3 (the running mean's
    correction of its start).

    Examples
    --------
    >>> import torch
    >>> from planefold.engine import OBJECTIVES, Plan, Rows
    >>> from planefold.networks import MLPSpec
    >>> random_state = np.random.RandomState(0)
    >>> X = torch.as_tensor(random_state.randn(200, 3))
    >>> rows = Rows(X=X, y=X[:, :1].abs())
    >>> net = MLPSpec(n_features=3, n_outputs=1, hidden_layer_sizes=(20,)).build(random_state, dtype=rows.dtype)
    >>> plan = Plan(solver="adam", batch_size=50)
    >>> sweep = find_learning_rate(net, rows, OBJECTIVES["squared_error"], plan, random_state=random_state)
    >>> 1e-3 < sweep.suggestion < 0.3
    True
    """
    check_sweep(plan.solver, low, high, n_steps)
    rates = [float(rate) for rate in np.geomspace(low, high, n_steps)]
    losses, smoothed = [], []
    first, mean = math.nan, 0.0
    for number, (before, loss) in enumerate(_steps(net, rows, objective, plan, rates, random_state), start=1):
        first = before if number == 1 else first
        mean = MEMORY * mean + (1 - MEMORY) * loss
        losses.append(loss)
        smoothed.append(mean / (1 - MEMORY**number))
        best = min(first, *smoothed)
        # Written so that nan, for which every comparison fails, ends it; a loss below 0 (poisson) may rise as far.
        if not smoothed[-1] <= best + (TOO_HIGH - 1) * abs(best) or not math.isfinite(loss):
            break
    verdict = _judge(np.array(rates[: len(losses)]), np.array(smoothed), first)
    return RateSweep(
        rates=tuple(rates[: len(losses)]),
        losses=tuple(losses),
        smoothed=tuple(smoothed),
        first_loss=first,
        objective=objective.name,
        solver=plan.solver,
        **verdict,
    )


def check_sweep(solver: str, low: float, high: float, n_steps: int) -> None:
    """Raise ParameterError where there is nothing to find, or no way to look for it."""
    if solver == "lbfgs":
        raise ParameterError(
            "solver='lbfgs' has no learning rate: it searches for the length of each step",
            hint="solver='adam' has one, as all solvers but lbfgs",
        )
    for name, value in (("low", low), ("high", high)):
        if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
            raise ParameterError(f"{name}={show(value)} must be a number above 0")
    if not 0 < low < high < math.inf:
        raise ParameterError(f"low={show(low)} and high={show(high)} must be rates, and 0 < low < high")
    if isinstance(n_steps, bool) or not isinstance(n_steps, int | np.integer) or n_steps < LEAST_STEPS:
        raise ParameterError(f"n_steps={show(n_steps)} must be a whole number of at least {LEAST_STEPS}")


def _judge(rates: NDArray[np.float64], smoothed: NDArray[np.float64], first: float) -> dict[str, Any]:
    """Find the rate of the steepest fall on the way down to the lowest loss."""
    nothing: dict[str, Any] = {"steepest": None, "lowest": None, "suggestion": None}
    if not math.isfinite(first):
        return {**nothing, "reason": f"the loss is {first} before the first step"}
    end = int(np.argmin(np.where(np.isfinite(smoothed), smoothed, np.inf)))
    # A fall must not only be there: within rounding it is at every rate.
    if not first - smoothed[end] > CLEAR_FALL * abs(first):
        return {**nothing, "reason": f"the loss, {first:.4g} at the start, falls at no rate up to {rates[-1]:.2g}"}
    # New ground only: at high rates the loss also falls fast from a peak to which the rates before have thrown it.
    curve = np.minimum.accumulate([first, *smoothed[: end + 1]])
    steepest = float(rates[np.argmin(np.diff(curve))])  # the rates are equally far apart on a logarithmic scale
    reason = f"the loss, {first:.4g} at the start and {smoothed[end]:.4g} at best, fell fastest there"
    if steepest == rates[-1]:
        reason += ", at the last rate: try a higher `high`"
    return {"steepest": steepest, "lowest": float(rates[end]), "suggestion": steepest, "reason": reason}


def _steps(
    net: MLP, rows: Rows, objective: Objective, plan: Plan, rates: list[float], random_state: np.random.RandomState
) -> Iterator[tuple[float, float]]:
    """Make a step at each rate, on a copy of ``net``; yield the loss of the probe before and after it.

    A step is a training of one batch and one epoch, so that it is what the training's own steps are.
    """
    net = copy.deepcopy(net)
    n_members = net.spec.n_members
    windows = [np.arange(rows.n_rows)] * n_members if rows.members is None else [w[w >= 0] for w in rows.members]
    n_probe = min(PROBE_ROWS, *map(len, windows))
    probe = dataclasses.replace(rows, members=np.stack([random_state.permutation(w)[:n_probe] for w in windows]))
    size = min(plan.batch_size, rows.n_rows)
    streams = [_endless(window, size, plan.shuffle, random_state) for window in windows]
    memory = Memory()
    for rate, batch in zip(rates, zip(*streams, strict=True), strict=False):
        step = dataclasses.replace(
            plan, learning_rate="constant", learning_rate_init=rate, max_iter=1, batch_size=size, shuffle=False,
            restore_best=False,
        )  # fmt: skip
        memory = Memory(optimizer=memory.optimizer, rate=Rate(step))
        one = dataclasses.replace(rows, members=np.stack(batch))
        try:
            run = train(
                net, one, objective, step, random_state=random_state, validation=probe, memory=memory, record=False
            )
        except TrainingError:  # the weights are no longer finite
            yield math.nan, math.inf
            return
        if run.stopped_because == "interrupted":
            raise KeyboardInterrupt
        before, after = run["val_loss"]
        yield float(before), float(after)


def _endless(
    window: NDArray[np.int64], size: int, shuffle: bool, random_state: np.random.RandomState
) -> Iterator[NDArray[np.int64]]:
    """Yield batches of ``size`` rows from pass after pass over a member's rows."""
    queue = window[:0]
    while True:
        while len(queue) < size:
            queue = np.concatenate([queue, random_state.permutation(window) if shuffle else window])
        yield queue[:size]
        queue = queue[size:]
