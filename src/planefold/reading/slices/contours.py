"""Where an output takes a value on a plane: exact segments."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from planefold.core.errors import ParameterError, show
from planefold.core.records import Record
from planefold.networks.affine import Floats, Ints
from planefold.reading.certificate import TOLERANCE
from planefold.reading.choices import check_output
from planefold.reading.slices.chains import polylines_of
from planefold.reading.slices.cuts import LEFT, RIGHT
from planefold.reading.slices.records import Planes, check_planes


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Contour(Record):
    """Where an output is at a level: the border of where it is above, in segments.

    Parameters
    ----------
    level : float
    segments : ndarray of shape (n_segments, 2, 2)
        In (u, v); the output is above the level on the left.
    regions : int ndarray of shape (n_segments,)
        Which activation region each one crosses.
    ends : int ndarray of shape (n_segments, 2)
        Numbers of the end points; segments that meet share them.
    """

    level: float
    segments: Floats
    regions: Ints
    ends: Ints = field(repr=False)

    def polylines(self) -> list[Floats]:
        """Return the contour as polylines (n_points, 2); closed ones end where they begin."""
        return polylines_of(self.ends, self.segments)


def contours(planes: Planes, levels: float | Iterable[float], output: int = 0) -> list[Contour]:
    """Return where an output takes given values: the border of the area where it is above.

    Parameters
    ----------
    planes : Planes
    levels : float or sequence of float
    output : int

    Returns
    -------
    list of Contour
        One per level. Where the output is at the level on a whole area, the contour runs along that area's border
        with what is above.

    Raises
    ------
    ParameterError
        If there is no such output, or a level is not finite.
    """
    check_planes(planes)
    values = [levels] if isinstance(levels, int | float | np.number) else list(levels)
    for level in values:
        if not isinstance(level, int | float | np.number) or not math.isfinite(level):
            raise ParameterError(f"level={show(level)} is no value that an output takes", hint="give finite levels")
    heights = planes.vertex_outputs[:, check_output(output, planes.net.n_outputs)]
    return [_contour(planes, float(level), heights) for level in values]


def _contour(planes: Planes, level: float, values: Floats) -> Contour:
    heights = values - level
    tolerance = TOLERANCE * float(np.abs(values).max())
    signs = np.where(np.abs(heights) <= tolerance, 0, np.sign(heights)).astype(np.int8)
    ends, sides = planes.subdivision.edges[:LEFT], planes.subdivision.edges[LEFT : RIGHT + 1]
    sa, sb = signs[ends]
    n_vertices = len(values)

    # Through regions: from where the level is crossed downwards to where upwards, counter-clockwise.
    changing = np.flatnonzero((sa != sb) & ((sa > 0) | (sb > 0)))
    a, b, rising = *ends[:, changing], sb[changing] > 0
    crossed = sa[changing] * sb[changing] < 0
    points = np.where(crossed, n_vertices + changing, np.where(sa[changing] == 0, a, b))
    up = np.full(planes.n_regions + 1, -1)
    down, lowest = up.copy(), np.zeros(planes.n_regions + 1, dtype=bool)
    left, right = sides[:, changing]
    up[left[rising]], up[right[~rising]] = points[rising], points[~rising]
    down[left[~rising]], down[right[rising]] = points[~rising], points[rising]
    lowest[sides[:, (sa < 0) | (sb < 0)]] = True
    regions = np.flatnonzero((up[:-1] >= 0) & (down[:-1] >= 0) & lowest[:-1])
    through = np.stack([down[regions], up[regions]], axis=1)

    # Along edges that are at the level from end to end, with a region above on one side only.
    highest = np.zeros(planes.n_regions + 1, dtype=bool)
    highest[sides[:, (sa > 0) | (sb > 0)]] = True
    highest[-1] = False
    flat = np.flatnonzero((sa == 0) & (sb == 0) & (sides >= 0).all(axis=0))
    flat = flat[highest[sides[0, flat]] != highest[sides[1, flat]]]
    is_left = highest[sides[0, flat]]
    along = np.where(is_left, ends[:, flat], ends[::-1, flat]).T

    t = heights[a] / np.where(crossed, heights[a] - heights[b], 1.0)
    places = np.empty((n_vertices + ends.shape[1], 2))
    places[:n_vertices] = planes.vertices
    places[n_vertices + changing] = planes.vertices[a] + t[:, None] * (planes.vertices[b] - planes.vertices[a])
    all_ends = np.concatenate([through, along])
    return Contour(
        level=level,
        segments=places[all_ends],
        regions=np.concatenate([regions, np.where(is_left, sides[0, flat], sides[1, flat])]),
        ends=all_ends,
    )
