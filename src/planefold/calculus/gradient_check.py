"""Is a gradient right? Compare it with differences of the function that it claims to belong to."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planefold.core.errors import DataError, ParameterError, show

Floats = NDArray[np.float64]
ValueAndGradient = Callable[[Floats], tuple[float, Floats]]

EPSILON, TINY = float(np.finfo(np.float64).eps), float(np.finfo(np.float64).tiny)
N_FOR_NOISE = 20  # points that the rounding error of the function is read from
SHORTER = (10.0, 100.0, 1000.0)  # what a step that may have crossed a kink is divided by
NOISE_MARGIN = 10.0  # the worst of hundreds of rounding errors is several times the usual one


@dataclass(frozen=True, kw_only=True)
class PartCheck:
    """What was found in one named part of the parameters.

    Parameters
    ----------
    name : str
    n_parameters, n_checked : int
        How many numbers the part has, and how many of them were checked.
    n_kinks : int
        Coordinates (and the direction) left out as the function has a kink there: two slopes and no derivative.
    error : float
        Worst relative error of the part; nan if there was nothing to check but kinks.
    gradient, difference : float
        The slope at the worst place: by the gradient, and by differences.
    place : int or None
        Which number of the part that is; None is the direction through all of them.
    steepest : float
        The largest slope seen in the part, by either: 0 if nothing in it has any influence.
    """

    name: str
    n_parameters: int
    n_checked: int
    n_kinks: int
    error: float
    gradient: float
    difference: float
    place: int | None
    steepest: float


@dataclass(frozen=True, kw_only=True)
class GradientReport:
    """Gradient and differences side by side, part by part. Prints as a table.

    Parameters
    ----------
    parts : tuple of PartCheck
    value : float
        The function's value.
    epsilon : float
        The step of the differences.
    threshold : float
        Largest relative error of a right gradient.
    rounding : float
        Errors of a slope below this cannot be seen: they are what rounding makes of the differences.
    """

    parts: tuple[PartCheck, ...]
    value: float
    epsilon: float
    threshold: float
    rounding: float

    @property
    def passed(self) -> bool:
        """Whether every part's error is within the threshold, and anything was checked at all."""
        return not self.wrong and any(part.n_checked for part in self.parts)

    @property
    def wrong(self) -> list[str]:
        """Names of the parts whose gradient is wrong."""
        return [part.name for part in self.parts if part.error > self.threshold]

    @property
    def error(self) -> float:
        """Worst relative error of all parts."""
        return max((part.error for part in self.parts if not math.isnan(part.error)), default=math.nan)

    def __str__(self) -> str:
        width = max(len(name) for name in ("part", *(part.name for part in self.parts)))
        lines = [f"{'part':<{width}}  {'checked':>12}  {'error':>8}  {'gradient':>13}  {'difference':>13}"]
        for part in self.parts:
            verdict = "WRONG" if part.name in self.wrong else "kinks only" if math.isnan(part.error) else "ok"
            checked = f"{part.n_checked}/{part.n_parameters}"
            lines.append(
                f"{part.name:<{width}}  {checked:>12}  {part.error:>8.1e}  {part.gradient:>13.6g}  "
                f"{part.difference:>13.6g}  {verdict}"
            )
        verdict = "gradients agree with differences" if self.passed else f"WRONG: {', '.join(self.wrong) or 'no part'}"
        lines.append(f"{verdict} (at most {self.threshold:g}, step {self.epsilon:g}, objective {self.value:.6g})")
        return "\n".join(lines)


def gradient_check(
    value_and_gradient: ValueAndGradient,
    theta: Floats,
    *,
    names: Mapping[str, slice | NDArray[np.integer[Any]]] | None = None,
    value: Callable[[Floats], float] | None = None,
    n_coordinates: int | None = 10,
    epsilon: float = 1e-6,
    threshold: float = 1e-5,
    random_state: int | np.random.RandomState | None = 0,
) -> GradientReport:
    r"""Compare a gradient with central differences, in some coordinates of every part and one direction through it.

    Parameters
    ----------
    value_and_gradient : function (theta) -> (float, ndarray of shape (n_parameters,))
        The function, and the gradient that it is said to have. Must compute in float64, and give the same
        for the same ``theta``: no dropout.
    theta : ndarray of shape (n_parameters,)
        Where. Best a point at which the gradient is not 0: before training, or early in it.
    names : mapping of name to slice or index array, optional
        The parts of ``theta``; each gets a line in the report. Default: one part.
    value : function (theta) -> float, optional
        The function without its gradient, where that takes less time or is computed in another way.
    n_coordinates : int or None
        How many coordinates of each part to try, drawn at random; None tries all. One random direction through all
        coordinates of the part comes on top, so that a single wrong one shows even if it was not drawn.
    epsilon : float
        The step, in units of the parameters. At 1e-4, which older texts advise, a step of a ReLU network crosses
        kinks, and right gradients show relative errors up to 8e-3; at 1e-6 they show 4e-8 in float64.
    threshold : float
        Largest relative error of a right gradient. A layer that is 5 % off shows 2e-2, a wrong sign 1.
    random_state : int, RandomState or None
        Decides which coordinates are tried.

    Returns
    -------
    GradientReport

    Raises
    ------
    ParameterError
        If ``epsilon``, ``threshold`` or ``n_coordinates`` is not positive.
    DataError
        If the function is not finite at ``theta``, or not the one of ``value``; if its gradient has another shape; or
        if rounding hides every slope: because the function is computed in float32, or is flat.

    Notes
    -----
    The relative error of the slopes a (by the gradient) and n (by differences) is

    .. math:: \frac{|a - n|}{\max(|a| + |n|, r / \tau)}

    with the threshold :math:`\tau` and the rounding error r of n. So a parameter that has no influence, such as a
    weight of a unit that is never active, does not raise an alarm because n is 1e-11 instead of 0: an error fails
    only if it is more than :math:`\tau` of the slopes *and* more than rounding. r is ten times the rounding error of
    the function over ``epsilon``, and that is measured: values at neighbouring places on a line are differenced four
    times, which leaves nothing of a smooth function but its noise (Hamming; Moré and Wild).

    Where an error exceeds the threshold the step is shortened to a tenth, a hundredth and a thousandth, as far as
    rounding allows, to see whether it crossed kinks. If the gradient agrees with the differences of a shorter step, it
    is right. If the slopes to the left and to the right are still clearly apart at the shortest one, there is no
    derivative to compare with, and the coordinate is left out, whatever the gradient says: where several kinks meet,
    even the slope that holds between them may lie outside of the slopes to both sides. Networks trained to the end by
    L-BFGS rest on such places. A fault that touches such a coordinate alone is not seen; ``n_kinks`` counts them.

    Costs about ``2 (n_coordinates + 1)`` values for each part.

    References
    ----------
    Moré and Wild, "Estimating Computational Noise", SIAM J. Sci. Comput. 33(3), 2011.

    Examples
    --------
    >>> def cube(theta):
    ...     return float((theta**3).sum()), 3 * theta**2
    >>> report = gradient_check(cube, np.array([1.0, -2.0]))
    >>> report.passed, report.error < 1e-8
    (True, True)
    >>> gradient_check(lambda theta: (cube(theta)[0], 1.05 * cube(theta)[1]), np.array([1.0, -2.0])).wrong
    ['theta']
    """
    for name, number in (("epsilon", epsilon), ("threshold", threshold)):
        if not number > 0:
            raise ParameterError(f"{name}={show(number)} must be a positive number")
    if n_coordinates is not None and not (isinstance(n_coordinates, int) and n_coordinates > 0):
        raise ParameterError(f"n_coordinates={show(n_coordinates)} must be a positive whole number, or None for all")
    theta = np.array(theta, dtype=np.float64)
    if theta.ndim != 1 or not theta.size:
        raise DataError(f"theta must be a vector of parameters, it has the shape {theta.shape}")
    found: Any = value_and_gradient(theta.copy())
    if not (isinstance(found, (tuple, list)) and len(found) == 2):
        raise ParameterError(
            f"value_and_gradient must give two things, the value and its gradient; it gives {show(found)}",
            hint="what is to be checked is a gradient of your own",
        )
    here, gradient = found
    gradient = np.array(gradient, dtype=np.float64)  # a copy: the function may write into the same memory again
    if not math.isfinite(here):
        raise DataError(f"the function is {show(here)} where its gradient is to be checked", hint="try another theta")
    alone = here if value is None else value(theta.copy())
    if not abs(alone - here) <= 1e-9 * max(abs(here), abs(alone)):
        raise DataError(f"value gives {show(alone)} where value_and_gradient gives {show(here)}")
    if gradient.shape != theta.shape:
        raise DataError(f"the gradient has the shape {gradient.shape}, theta has {theta.shape}")
    if not isinstance(random_state, np.random.RandomState):
        random_state = np.random.RandomState(random_state)
    line = _Line(value or (lambda point: value_and_gradient(point)[0]), theta, alone)
    everything = np.arange(theta.size)
    # Not equal steps: they could fall in with the grid that the function is rounded to.
    steps = epsilon * (np.arange(N_FOR_NOISE) + 0.5 * random_state.uniform(size=N_FOR_NOISE))
    noise = line.noise(_unit(random_state, everything, theta.size), steps)
    rounding = NOISE_MARGIN * max(noise, EPSILON * abs(here), TINY) / epsilon
    comparison = _Comparison(line, epsilon, threshold, rounding)
    parts = []
    for name, window in (names or {"theta": slice(None)}).items():
        indices = everything[window].ravel()
        if len(indices):
            parts.append(_check_part(name, indices, gradient, comparison, n_coordinates, random_state))
    report = GradientReport(
        parts=tuple(parts), value=float(here), epsilon=epsilon, threshold=threshold, rounding=rounding
    )
    _refuse_noise(report)
    return report


def _refuse_noise(report: GradientReport) -> None:
    """Raise DataError where rounding hides every slope, so that nothing could have been found wrong."""
    steepest = max((part.steepest for part in report.parts), default=0.0)
    if not report.wrong and math.isfinite(report.error) and steepest < 100 * report.rounding:
        raise DataError(
            f"the gradient cannot be checked here: rounding makes {report.rounding:.1e} of a slope of 0, and the "
            f"steepest slope is {steepest:.1e}",
            hint="compute in float64, or check where the gradient is larger: before training, or early in it",
        )


def _check_part(
    name: str,
    indices: NDArray[np.int64],
    gradient: Floats,
    comparison: _Comparison,
    n_coordinates: int | None,
    random_state: np.random.RandomState,
) -> PartCheck:
    n_places = len(indices) if n_coordinates is None else min(n_coordinates, len(indices))
    places: list[int | None] = [*np.sort(random_state.permutation(len(indices))[:n_places]).tolist()]
    if len(indices) > 1:
        places.append(None)
    n_kinks, found = 0, []
    for place in places:
        if place is None:
            direction = _unit(random_state, indices, gradient.size)
        else:
            direction = np.zeros(gradient.size)
            direction[indices[place]] = 1.0
        slope = float(gradient @ direction)
        difference, error = comparison(slope, direction)
        if math.isnan(error):
            n_kinks += 1
        else:
            found.append((error, slope, difference, place))
    worst = max(found, key=lambda entry: entry[0], default=(math.nan, math.nan, math.nan, None))
    return PartCheck(
        name=name,
        n_parameters=len(indices),
        n_checked=sum(entry[3] is not None for entry in found),
        n_kinks=n_kinks,
        error=worst[0],
        gradient=worst[1],
        difference=worst[2],
        place=worst[3],
        steepest=max((max(abs(entry[1]), abs(entry[2])) for entry in found), default=0.0),
    )


def _unit(random_state: np.random.RandomState, indices: NDArray[np.int64], size: int) -> Floats:
    """Draw a direction of length 1 that moves every one of the coordinates equally far."""
    direction = np.zeros(size)
    direction[indices] = random_state.choice([-1.0, 1.0], len(indices)) / math.sqrt(len(indices))
    return direction


@dataclass(frozen=True)
class _Line:
    """The function along straight lines through one point."""

    function: Callable[[Floats], float]
    origin: Floats
    value: float

    def slopes(self, direction: Floats, epsilon: float) -> tuple[float, float, float]:
        """Difference quotients to the left, to the right, and across."""
        ahead, behind = self.origin + epsilon * direction, self.origin - epsilon * direction
        # How far the rounded points truly lie from the origin, along the direction.
        right, left = float((ahead - self.origin) @ direction), float((self.origin - behind) @ direction)
        if not right > 0 < left:
            raise ParameterError(
                f"epsilon={show(epsilon)} is too small to move parameters as large as "
                f"{show(float(np.abs(self.origin).max()))}"
            )
        above, below = self.function(ahead), self.function(behind)
        return (self.value - below) / left, (above - self.value) / right, (above - below) / (left + right)

    def noise(self, direction: Floats, steps: Floats) -> float:
        """Standard deviation of the rounding error of the function, from its values at increasing steps."""
        values = np.array([self.function(self.origin + step * direction) for step in steps])
        fives = np.lib.stride_tricks.sliding_window_view
        places = fives(steps, 5)
        gaps = places[:, :, None] - places[:, None, :] + np.eye(5)
        weights = 1 / gaps.prod(axis=2)  # of the fourth divided difference, which is 0 for any cubic
        weights /= np.linalg.norm(weights, axis=1, keepdims=True)  # so that it has the deviation of the errors
        # The median, as a kink among the places would rule the mean. It is 0.6745 deviations.
        return float(np.median(np.abs((weights * fives(values, 5)).sum(axis=1))) / 0.6745)


@dataclass(frozen=True)
class _Comparison:
    """The slope that the gradient claims, against the one that differences show."""

    line: _Line
    epsilon: float
    threshold: float
    rounding: float

    def __call__(self, slope: float, direction: Floats) -> tuple[float, float]:
        """Return the slope by differences and the relative error, which is nan at a kink."""
        left, right, across = self.line.slopes(direction, self.epsilon)
        error = self._error(slope, across, self.rounding)
        if error <= self.threshold or error == math.inf:
            return across, error
        apart = False
        for shorter in SHORTER:
            rounding = shorter * self.rounding
            if 4 * rounding > abs(slope - across):
                break  # rounding would hide at this step what is to be explained
            left_of_it, right_of_it, closer = self.line.slopes(direction, self.epsilon / shorter)
            # Had the longer step crossed no kink, the two would agree up to rounding.
            if abs(closer - across) > rounding and self._error(slope, closer, rounding) <= self.threshold:
                return closer, self._error(slope, closer, rounding)
            # The two sides of a smooth function come together in proportion to the step; those of a kink do not.
            apart = abs(right_of_it - left_of_it) > max(3 * abs(right - left) / shorter, 4 * rounding)
        return across, math.nan if apart else error

    def _error(self, a: float, n: float, rounding: float) -> float:
        if not (math.isfinite(a) and math.isfinite(n)):
            return math.inf
        return abs(a - n) / max(abs(a) + abs(n), rounding / self.threshold)
