"""How far an explanation holds: the nearest crease around a point, and the first along each column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from planefold.core.records import Record
from planefold.networks.affine import Floats, PiecewiseLinearNet, Signs

Ints = npt.NDArray[np.int64]

SAME = 1e-10  # maps that differ by less than this share of their largest coefficient are one
COINCIDENT = 1e-10  # creases on a line that are less than this many spreads apart are crossed together
# Creases further away than so many spreads are none: beyond the ends of a column its ramps cancel but for rounding, and
# what is left of their slopes reaches any crease some day.
FAR = 1e9
MAX_CROSSINGS = 1000  # along one line, of creases at which the map does not change


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Reach(Record):
    """How far along each of some directions a network stays the same affine map.

    Parameters
    ----------
    lengths : ndarray of shape (n_directions,)
        In multiples of the direction; infinite where it never changes.
    units : int ndarray of shape (n_directions,)
        Whose crease ends it; -1 where none does.
    """

    lengths: Floats
    units: Ints


def nearest_crease(
    net: PiecewiseLinearNet, x: Floats, pattern: Signs, scales: Floats, moving: npt.NDArray[np.bool_]
) -> tuple[float, int]:
    """Return the distance of a point to the border of its activation region, and whose crease that is.

    Parameters
    ----------
    x : ndarray of shape (n_inputs,)
    pattern : int8 ndarray of shape (n_units,)
        Of its region.
    scales : ndarray of shape (n_inputs,)
        One unit of length in each column.
    moving : bool ndarray of shape (n_inputs,)
        The columns that may move; the others stay.

    Returns
    -------
    distance : float
        Euclidean; infinite where no crease can be reached.
    unit : int
        -1 where there is none.

    Notes
    -----
    Within the region each unit's sum is affine, so its crease is at ``|sum| / |gradient|``; the nearest of these is
    always a side of the region, whichever of the others are hidden behind it.
    """
    if not net.n_units or not moving.any():
        return np.inf, -1
    coefs, intercepts = net.maps_of_units(pattern)
    slopes = np.linalg.norm((coefs * scales)[:, moving], axis=1)
    sums = np.abs(coefs @ x + intercepts)
    distances = np.divide(sums, slopes, out=np.full(net.n_units, np.inf), where=slopes > 0)
    unit = int(distances.argmin())
    return (float(distances[unit]), unit) if distances[unit] < FAR else (np.inf, -1)


def reach(net: PiecewiseLinearNet, x: Floats, pattern: Signs, directions: Floats, outputs: Sequence[int]) -> Reach:
    """Return how far a point can move along directions before the affine map of some outputs changes.

    Parameters
    ----------
    net : PiecewiseLinearNet
    x : ndarray of shape (n_inputs,)
    pattern : int8 ndarray of shape (n_units,)
        Of its region, whose map is meant.
    directions : ndarray of shape (n_directions, n_inputs)
        Of about one spread each.
    outputs : sequence of int

    Notes
    -----
    All directions go from crease to crease at once. Just beyond a crease, a unit on it is on the side to which its sum
    grows along the direction, so creases that meet in a point need no case of their own. A crease at which the map
    stays the same, because nothing listens to its unit there, is passed. Costs a forward pass of two rows for each
    direction and crease.
    """
    n = len(directions)
    lengths, units = np.full(n, np.inf), np.full(n, -1, dtype=np.int64)
    if not n or not net.n_units:
        return Reach(lengths=lengths, units=units)
    # The intercept follows from the coefficients by continuity: it needs no comparing.
    coefs, _ = net.local_maps(pattern[None], outputs)
    weights = np.abs(directions).max(axis=0, initial=0.0)
    weights = np.where(weights > 0, weights, 1.0)
    size = float(np.abs(coefs * weights).max(initial=0.0))
    places = np.zeros(n)
    sums = net.sums_of_units(x[None])
    on_crease = np.repeat(sums == 0, n, axis=0)
    active = np.arange(n)
    for _ in range(MAX_CROSSINGS):
        signs, values, slopes = _beyond(net, x + places[active, None] * directions[active], directions[active],
                                        on_crease[active])  # fmt: skip
        found, _ = net.local_maps(signs, outputs)
        changed = (np.abs((found - coefs) * weights) > SAME * size).any(axis=(1, 2))
        lengths[active[changed]] = places[active[changed]]
        units[active[changed]] = on_crease[active[changed]].argmax(axis=1)
        towards = (values * slopes < 0) & ~on_crease[active]
        steps = np.divide(-values, slopes, out=np.full(values.shape, np.inf), where=towards)
        step = steps.min(axis=1, initial=np.inf)
        goes_on = ~changed & (places[active] + step < FAR)
        active, steps, step = active[goes_on], steps[goes_on], step[goes_on]
        if not len(active):
            return Reach(lengths=lengths, units=units)
        on_crease[active] = steps <= step[:, None] + COINCIDENT
        places[active] += step
    lengths[active], units[active] = places[active], on_crease[active].argmax(axis=1)
    return Reach(lengths=lengths, units=units)


def _beyond(
    net: PiecewiseLinearNet, points: Floats, directions: Floats, on_crease: npt.NDArray[np.bool_]
) -> tuple[Signs, Floats, Floats]:
    """Return the patterns just beyond points along directions, and there each unit's sum and its slope."""
    n = len(points)
    signs = np.empty((n, net.n_units), dtype=np.int8)
    sums, slopes = np.empty((n, net.n_units)), np.empty((n, net.n_units))
    places = {step: (start, stop) for step, start, stop in net.folds}
    values: dict[int, Floats] = {0: np.vstack([points, directions])}
    for number in range(net.folds[-1][0] + 1 if net.folds else 0):
        node = net.nodes[number]
        z = net.sums(values, number)
        z[n:] -= node.bias  # a direction takes none
        if node.fold is not None:
            start, stop = places[number]
            is_right = np.where(on_crease[:, start:stop], z[n:], z[:n]) > 0
            signs[:, start:stop] = np.where(is_right, 1, -1)
            sums[:, start:stop], slopes[:, start:stop] = z[:n], z[n:]
            z = z * node.fold.slopes(np.vstack([is_right, is_right]))
        values[number + 1] = z
        net.forget(values, number)
    return signs, sums, slopes
