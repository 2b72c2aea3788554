"""Signs that float64 cannot tell, decided in exact rational arithmetic along a line."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.reading.rational import ExactNet, dyadic, sign

# A weight of a sign that is decided in rationals costs about ten microseconds; more than this many in one reading, and
# its certificate says so instead.
WEIGHTS_AT_MOST = 2_000_000


@dataclass(frozen=True, kw_only=True)
class Place:
    """A point of a line, exactly.

    Parameters
    ----------
    origin, direction : ndarray of shape (n_inputs,)
    inside : float
        Some place within a piece that the point is an end of, where no unit of the earlier folds bends.
    t : float
        Where the point is, if it is an end of the line; infinite ends are ends.
    maker : int
        The unit whose crease the point lies on, which then says where it is; -1 for an end of the line.
    """

    origin: Floats
    direction: Floats
    inside: float
    t: float
    maker: int


class Rationals:
    """Decides signs in rationals, as many as its budget allows."""

    def __init__(self, net: PiecewiseLinearNet) -> None:
        self.net = net
        self.n_left = WEIGHTS_AT_MOST // max(1, net.n_multiplications)

    def sign(self, place: Place, unit: int) -> int | None:
        """Return a sign, or None when the budget is spent."""
        if self.n_left <= 0:
            return None
        self.n_left -= 1
        return sign_at(self.net, place, unit)


def sign_at(net: PiecewiseLinearNet, place: Place, unit: int) -> int:
    """Return the sign of a unit's sum at a point of a line: -1, 0 or 1, beyond doubt.

    Notes
    -----
    Weights and inputs are dyadic rationals. Within a piece of the line every sum is ``intercept + slope * t`` with
    rational coefficients, so the crease that makes the point has a rational place, and the sum there a rational value.
    """
    exact = ExactNet(net, place.origin, np.stack([place.direction, np.zeros_like(place.direction)]))
    where = _point(place.inside)
    pattern = np.zeros(net.n_units, dtype=np.int8)
    found: dict[int, tuple[int, int]] = {}
    for number, start, stop in net.folds:
        for wanted in {place.maker, unit} & set(range(start, stop)):
            slope, _, intercept = exact.maps_of(pattern, number)[:, wanted - start]
            found[wanted] = slope, intercept
        if unit < stop:
            break
        pattern[start:stop] = [sign(value) for value in exact.sums_at(where, number)]
    slope, intercept = found[unit]
    if place.maker >= 0:
        its_slope, its_intercept = found[place.maker]
        return sign(intercept * its_slope - slope * its_intercept) * sign(its_slope)
    if math.isinf(place.t):
        return sign(slope) * (1 if place.t > 0 else -1)
    numerator, _, denominator = _point(place.t)
    return sign(intercept * denominator + slope * numerator)


def _point(t: float) -> tuple[int, int, int]:
    numbers, shift = dyadic(np.array([t]))
    return numbers[0], 0, 1 << shift
