"""Which part of a plane: a rectangle or a convex polygon."""

from __future__ import annotations

from typing import Any

import numpy as np

from planefold.core.errors import DataError, listed, show
from planefold.networks.affine import Bools, Floats

# A corner that turns by less than this is none.
FLAT = 1e-12
NEAREST, FARTHEST = 1e-100, 1e100  # third powers of lengths, which centroids take, are numbers between these
# As many floats a window is wide at least, so that its regions can be drawn and measured.
FEWEST_STEPS = 1e4


def window_corners(window: Any) -> Floats:
    """Return the corners of a window, counter-clockwise, (n_corners, 2).

    Parameters
    ----------
    window : ((u0, u1), (v0, v1)) or array-like of shape (n_corners, 2)
        A rectangle, or the corners of a convex polygon in order, in either sense. Corners at which nothing turns are
        left out. Two rows are a rectangle.

    Raises
    ------
    DataError
        If it is not a bounded convex polygon that has an area, or one that floating point cannot measure.

    Examples
    --------
    >>> window_corners(((0, 2), (0, 1)))
    array([[0., 0.],
           [2., 0.],
           [2., 1.],
           [0., 1.]])
    """
    try:
        array = np.asarray(window, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    hint = "give ((u0, u1), (v0, v1)) with u0 < u1 and v0 < v1, or the corners of a convex polygon in order"
    if array.ndim != 2 or array.shape[1] != 2 or len(array) < 2:
        raise DataError(f"window={show(window)} is no window of a plane", hint=hint)
    if not np.isfinite(array).all():
        raise DataError(f"window={show(window)} is not bounded, or holds a number that is not finite", hint=hint)
    if np.abs(array).max() > FARTHEST:
        raise DataError(f"window={show(window)} goes beyond {FARTHEST:g}, where areas overflow", hint=hint)
    if 0 < np.abs(array).max() < NEAREST:
        raise DataError(f"window={show(window)} lies within {NEAREST:g} of 0, where areas vanish", hint=hint)
    if len(array) == 2:
        (u0, u1), (v0, v1) = array.tolist()
        if not (u0 < u1 and v0 < v1):
            raise DataError(f"the window from {u0:g} to {u1:g} by {v0:g} to {v1:g} is empty", hint=hint)
        corners = np.array([[u0, v0], [u1, v0], [u1, v1], [u0, v1]])
    else:
        corners = convex(array)
    if (np.ptp(corners, axis=0) < FEWEST_STEPS * np.spacing(np.abs(corners).max(axis=0))).any():
        raise DataError(
            f"window={show(window)} is so narrow, and so far from 0, that numbers cannot tell its points apart",
            hint="give origin=, a point within it, and a window around (0, 0)",
        )
    return corners


def convex(corners: Floats) -> Floats:
    """Return the corners of a convex polygon, counter-clockwise, without those at which nothing turns.

    Raises
    ------
    DataError
        If it is not convex, or has no area.
    """
    hint = "give the corners of a convex polygon in order"
    shown = listed((f"({u:g}, {v:g})" for u, v in corners), limit=8)
    size = float(np.ptp(corners, axis=0).max())
    corners = corners[np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1) > FLAT * size]
    if len(corners) >= 3:
        before, after = corners - np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0) - corners
        turn = _cross(before, after)
        sharp = np.abs(turn) > FLAT * np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
        straight = (before * after).sum(axis=1) > 0
        corners = corners[sharp | ~straight]
    if len(corners) < 3 or not sharp.any():
        raise DataError(f"the window with corners {shown} has no area", hint=hint)
    if polygon_area(corners) < 0:
        corners = corners[::-1]
    before, after = corners - np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0) - corners
    turn = _cross(before, after)
    # A star turns left at every corner too, but more than once around.
    around = np.arctan2(turn, (before * after).sum(axis=1)).sum() / (2 * np.pi)
    if (turn <= 0).any() or round(around) != 1:
        raise DataError(f"the window with corners {shown} is not convex, or its corners are not in order", hint=hint)
    return np.ascontiguousarray(corners)


def _cross(first: Floats, second: Floats) -> Floats:
    crossed: Floats = first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
    return crossed


def polygon_area(corners: Floats) -> float:
    """Return the area of a polygon, positive if its corners (n_corners, 2) go counter-clockwise."""
    moved = corners - corners[0]
    return float(_cross(moved, np.roll(moved, -1, axis=0)).sum() / 2)


def contains(corners: Floats, points: Floats) -> Bools:
    """Tell which points (n_points, 2) lie in a convex polygon or on its border."""
    sides = np.roll(corners, -1, axis=0) - corners
    heights = _cross(sides[None], points[:, None] - corners[None])
    size = np.abs(sides).max() * (np.abs(points).max(initial=0.0) + np.abs(corners).max())
    inside: Bools = (heights >= -FLAT * size).all(axis=1)
    return inside
