"""The rules of training on a plain function of a few numbers: `descend` returns the path as a `Descent`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from planefold.core.errors import DataError, ParameterError, show, unknown_choice
from planefold.core.records import Record, counted
from planefold.engine.flat import Part
from planefold.engine.kernels import NumpyKernels
from planefold.engine.optimizers import OPTIMIZERS, Update
from planefold.engine.plan import Plan

Floats = NDArray[np.float64]

# What a table of a path shows: the first steps are those that are computed by hand, the last say where it led.
FIRST_STEPS, LAST_STEPS, MOST_COLUMNS = 6, 3, 4


@dataclass(frozen=True, kw_only=True, repr=False)
class Descent(Record):
    """A path downhill, step by step. Prints as a table. All its numbers are finite.

    Parameters
    ----------
    solver : str
        The rule: a name in ``OPTIMIZERS``.
    learning_rate_init : float
        Its learning rate, the same in every step.
    theta : ndarray of shape (n_steps + 1, n_parameters)
        Where the path was: ``theta[0]`` is the start, ``theta[t]`` the point after step ``t``.
    gradients : ndarray of shape (n_steps, n_parameters)
        ``gradients[t - 1]``, taken at ``theta[t - 1]``, is what step ``t`` was made with.
    values : ndarray of shape (n_steps + 1,), or None
        The function's value at each point of the path, if it was given.
    stopped_because : {"n_steps", "diverged"}
        Whether all steps were made, or the next one led to numbers that are not finite.
    """

    solver: str
    learning_rate_init: float
    theta: Floats
    gradients: Floats
    values: Floats | None
    stopped_because: str

    @property
    def n_steps(self) -> int:
        """Number of steps that were made."""
        return len(self.gradients)

    def __str__(self) -> str:
        n_columns = min(self.theta.shape[1], MOST_COLUMNS)
        left_out = self.theta.shape[1] - n_columns
        head = f"{self.solver}, learning_rate_init={self.learning_rate_init:g}: {counted(self.n_steps, 'step')}"
        if self.stopped_because == "diverged":
            head += f", then diverged: step {self.n_steps + 1} led to numbers that are not finite"
        if left_out:
            head += f" ({counted(left_out, 'more parameter')} not shown)"
        width = 13 * n_columns
        lines = [
            head,
            f"{'step':>5}{'gradient':>{width}}{'theta':>{width}}" + (f"{'value':>13}" * (self.values is not None)),
        ]
        for t in range(self.n_steps + 1):
            if FIRST_STEPS < t <= self.n_steps - LAST_STEPS:
                lines += ["  ..."] * (t == FIRST_STEPS + 1)
                continue
            gradient = "" if t == 0 else _row(self.gradients[t - 1, :n_columns])
            value = "" if self.values is None else _row(self.values[t : t + 1])
            lines.append(f"{t:>5}{gradient:>{width}}{_row(self.theta[t, :n_columns])}{value}")
        return "\n".join(lines)


def _row(numbers: Floats) -> str:
    """Write numbers in columns of 13, by four digits after the point where that says enough of them."""
    return "".join(f"{x:>13.4f}" if x == 0 or 1e-4 <= abs(x) < 1e6 else f"{x:>13.3e}" for x in numbers)


def descend(
    gradient: Callable[[Floats], ArrayLike],
    start: ArrayLike,
    *,
    solver: str = "sgd",
    learning_rate_init: float,
    n_steps: int = 100,
    value: Callable[[Floats], Any] | None = None,
    momentum: float = 0.9,
    nesterovs_momentum: bool = True,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    rho: float = 0.9,
    epsilon: float = 1e-8,
) -> Descent:
    """Go downhill on a function of some numbers, by the same rules that train networks.

    Parameters
    ----------
    gradient : function (theta) -> array-like of shape (n_parameters,)
        The slopes of the function at ``theta``, called once a step. It may be noisy, as that of a batch is.
    start : array-like of shape (n_parameters,)
        Where to begin.
    solver : str
        A name in ``OPTIMIZERS``. As in the estimators, ``"sgd"`` has momentum unless ``momentum=0``.
    learning_rate_init : float
        The learning rate, in units of the parameters for the rules that divide by the gradients' size ("adagrad",
        "rmsprop", "adam" and its relatives), else in their units squared by those of the function. So no default
        could be right. ``"adadelta"`` as in its paper has 1.0.
    n_steps : int
        How many steps.
    value : function (theta) -> number, optional
        The function itself, called at each point of the path for the record. It has no influence on the path.
    momentum, nesterovs_momentum, beta_1, beta_2, rho, epsilon
        As in the estimators, with the same defaults: see :class:`~planefold.engine.Plan`.

    Returns
    -------
    Descent

    Raises
    ------
    ParameterError
        If a parameter is not what it can be, such as ``solver="lbfgs"``, which searches along a line instead of
        making single steps.
    DataError
        If the start is not a row of finite numbers, or the function answers with something other than a number (the
        gradient: one number for each parameter), or with numbers that are not finite at the start already.

    Notes
    -----
    In float64, without penalty and with a constant rate; ``alpha`` of ``"adamw"`` is 0. The path ends early where the
    next step would lead to numbers that are not finite. Rules and sources: :mod:`planefold.engine.optimizers`.

    Examples
    --------
    Plain gradient descent on x^2 + 2 y^2, whose gradient is (2 x, 4 y):

    >>> path = descend(lambda p: [2 * p[0], 4 * p[1]], [0.5, 0.5], learning_rate_init=0.1, momentum=0, n_steps=3)
    >>> path.theta.round(3).tolist()
    [[0.5, 0.5], [0.4, 0.3], [0.32, 0.18], [0.256, 0.108]]
    >>> print(path)
    sgd, learning_rate_init=0.1: 3 steps
     step                  gradient                     theta
        0                                 0.5000       0.5000
        1       1.0000       2.0000       0.4000       0.3000
        2       0.8000       1.2000       0.3200       0.1800
        3       0.6400       0.7200       0.2560       0.1080
    """
    options: dict[str, Any] = {"momentum": momentum, "beta_1": beta_1, "beta_2": beta_2, "rho": rho, "epsilon": epsilon}
    _check(solver, learning_rate_init, n_steps, options)
    plan = Plan(solver=solver, nesterovs_momentum=nesterovs_momentum, **options)
    theta = _start(start)
    step = _Steps(theta, plan, learning_rate_init)
    points, finite = [theta.copy()], True
    slopes: list[Floats] = []
    values: list[float] = []
    # Numbers too large are this function's result, not a surprise.
    with np.errstate(over="ignore", invalid="ignore"):
        if value is not None:
            values.append(_number(value, theta))
        if not np.isfinite(values).all():
            raise DataError(f"the value is {values[0]} at start={show(points[0].tolist())} already")
        while finite and len(slopes) < n_steps:
            g = _slopes(gradient, theta)
            if not slopes and not np.isfinite(g).all():
                raise DataError(f"the gradient is {show(g.tolist())} at start={show(points[0].tolist())} already")
            step(g)
            seen = [] if value is None or not np.isfinite(theta).all() else [_number(value, theta)]
            finite = all(np.isfinite(numbers).all() for numbers in (g, theta, seen))
            if finite:
                points.append(theta.copy())
                slopes.append(g)
                values += seen
    return Descent(
        solver=solver,
        learning_rate_init=float(learning_rate_init),
        theta=np.array(points),
        gradients=np.array(slopes).reshape(len(slopes), len(theta)),
        values=None if value is None else np.array(values),
        stopped_because="n_steps" if finite else "diverged",
    )


class _Steps:
    """A rule at work on a plain vector, which it moves in place: one network's parameters, without a network."""

    def __init__(self, theta: Floats, plan: Plan, rate: float) -> None:
        self.rate = rate
        vector = torch.from_numpy(theta)[None]
        self.flat = Part(vector, torch.zeros_like(vector), torch.empty(0), theta.size, 0)
        self.optimizer = OPTIMIZERS[plan.solver](self.flat, plan)
        self.update = Update(self.optimizer, slice(None), self.flat, NumpyKernels())

    def __call__(self, gradient: Floats) -> None:
        self.flat.gradient[0] = torch.from_numpy(gradient)
        self.update(*self.optimizer.coefficients(self.rate))


def _check(solver: str, rate: float, n_steps: int, options: dict[str, Any]) -> None:
    if solver == "lbfgs":
        raise ParameterError(
            "solver='lbfgs' is no rule of single steps: it searches along a line for the length of each",
            hint="scipy.optimize.minimize(..., method='L-BFGS-B') has it; solver='adam' makes single steps",
        )
    if not isinstance(solver, str) or solver not in OPTIMIZERS:
        raise unknown_choice("solver", solver, list(OPTIMIZERS))
    for name, number in {"learning_rate_init": rate, **options}.items():
        if isinstance(number, bool) or not isinstance(number, int | float | np.integer | np.floating):
            raise ParameterError(f"{name}={show(number)} must be a number")
        if name in ("learning_rate_init", "epsilon"):
            if not 0 < number < math.inf:
                raise ParameterError(f"{name}={show(number)} must be above 0")
        elif not (0 <= number < 1 or (name == "momentum" and number == 1)):
            raise ParameterError(f"{name}={show(number)} must be at least 0 and below 1")
    if isinstance(n_steps, bool) or not isinstance(n_steps, int | np.integer) or n_steps < 1:
        raise ParameterError(f"n_steps={show(n_steps)} must be a whole number of at least 1")


def _start(start: ArrayLike) -> Floats:
    """Return a copy of the start, which the steps then move."""
    try:
        theta = np.array(start, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"start={show(start)} must be a row of numbers") from error
    if theta.ndim != 1 or not theta.size or not np.isfinite(theta).all():
        raise DataError(
            f"start={show(start)} must be a row of finite numbers",
            hint=f"start=[{show(start)}]" if theta.ndim == 0 and np.isfinite(theta) else None,
        )
    return theta


def _slopes(gradient: Callable[[Floats], ArrayLike], theta: Floats) -> Floats:
    """Ask for the gradient, of a copy: the function may keep or change what it is given."""
    answer = gradient(theta.copy())
    try:
        slopes = np.array(answer, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"the gradient is {show(answer)}, and must be a row of numbers") from error
    if slopes.shape != theta.shape:
        raise DataError(
            f"the gradient has the shape {slopes.shape} for parameters of the shape {theta.shape}",
            hint="it must have one slope for each parameter",
        )
    return slopes


def _number(value: Callable[[Floats], Any], theta: Floats) -> float:
    answer = value(theta.copy())
    try:
        number = np.array(answer, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"the value is {show(answer)}, and must be a number") from error
    if number.ndim:
        raise DataError(f"the value has the shape {number.shape}, and must be one number")
    return float(number)
