"""Which plane through the input space, and which part of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError, ParameterError, did_you_mean, listed, show
from planefold.networks.affine import Floats, PiecewiseLinearNet

# A corner that turns by less than this is none, and directions whose angle is less are one.
FLAT = 1e-12


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
        If it is not a bounded convex polygon that has an area.

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
    if len(array) == 2:
        (u0, u1), (v0, v1) = array.tolist()
        if not (u0 < u1 and v0 < v1):
            raise DataError(f"the window from {u0:g} to {u1:g} by {v0:g} to {v1:g} is empty", hint=hint)
        return np.array([[u0, v0], [u1, v0], [u1, v1], [u0, v1]])
    return _convex(array, hint)


def _convex(corners: Floats, hint: str) -> Floats:
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


def contains(corners: Floats, points: Floats) -> npt.NDArray[np.bool_]:
    """Tell which points (n_points, 2) lie in a convex polygon or on its border."""
    sides = np.roll(corners, -1, axis=0) - corners
    heights = _cross(sides[None], points[:, None] - corners[None])
    size = np.abs(sides).max() * (np.abs(points).max(initial=0.0) + np.abs(corners).max())
    inside: npt.NDArray[np.bool_] = (heights >= -FLAT * size).all(axis=1)
    return inside


def slice_of(net: PiecewiseLinearNet, origin: Any, directions: Any) -> tuple[Floats, Floats]:
    """Return the origin (n_inputs,) and the two directions (2, n_inputs) of a plane through a network's inputs.

    Parameters
    ----------
    origin : array-like of shape (n_inputs,) or None
        Zero by default.
    directions : array-like of shape (2, n_inputs), two input numbers or names, or None
        For a network of two inputs, these by default.

    Raises
    ------
    DataError
        If they do not fit the network, are not finite, or do not span a plane.
    ParameterError
        If they are needed and not given, or an input does not exist.
    """
    n = net.n_inputs
    if directions is None:
        if n != 2:
            raise ParameterError(
                f"{net.description} has {n} inputs, so a plane through them must be chosen",
                hint="give directions, two rows of that length or two inputs, and origin, a point of the plane",
            )
        directions = (0, 1)
    start = np.zeros(n) if origin is None else _numbers(origin, "origin")
    if start.size != n:
        raise DataError(f"origin has {start.size} numbers, and {net.description} has {n} inputs")
    spanned = _spanned(net, directions)
    for name, array in (("origin", start), ("directions", spanned)):
        if not np.isfinite(array).all():
            raise DataError(f"{name} holds {show(array[~np.isfinite(array)][0])}, which is no finite number")
    lengths = np.linalg.norm(spanned, axis=1)
    for number, length in enumerate(lengths):
        if length == 0:
            raise DataError(f"directions[{number}] is zero, so there is no plane", hint="give two different directions")
    if np.linalg.svd(spanned / lengths[:, None], compute_uv=False)[1] <= FLAT:
        raise DataError(
            "the two directions are multiples of each other, so they span no plane",
            details=f"directions[1] / directions[0] is about {lengths[1] / lengths[0]:g}",
            hint="give two directions that differ by more than a factor",
        )
    return start.ravel(), spanned


def restricted_to(net: PiecewiseLinearNet, origin: Floats, directions: Floats) -> PiecewiseLinearNet:
    """Return a network on the plane that :func:`slice_of` gave; itself, if it reads (u, v) already."""
    is_plane_itself = net.n_inputs == 2 and not origin.any() and (directions == np.eye(2)).all()
    return net if is_plane_itself else net.restricted(origin, directions)


def _numbers(values: Any, name: str) -> Floats:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name}={show(values)} is not made of numbers") from None


def _spanned(net: PiecewiseLinearNet, directions: Any) -> Floats:
    n = net.n_inputs
    if isinstance(directions, list | tuple) and len(directions) == 2 and all(map(_is_input, directions)):
        places = [_input_number(net, chosen) for chosen in directions]
        if places[0] == places[1]:
            raise DataError(f"directions={show(directions)} are one and the same input", hint="name two inputs")
        return np.eye(n)[places]
    array = _numbers(directions, "directions")
    if array.size != 2 * n or array.shape[:1] != (2,):
        raise DataError(f"directions have shape {array.shape}, and two of {n} inputs have shape (2, {n})")
    return np.ascontiguousarray(array.reshape(2, n))


def _is_input(chosen: Any) -> bool:
    return isinstance(chosen, str | int | np.integer) and not isinstance(chosen, bool)


def _input_number(net: PiecewiseLinearNet, chosen: str | int) -> int:
    if isinstance(chosen, str):
        if chosen not in net.input_names:
            near = did_you_mean(chosen, net.input_names)
            raise ParameterError(
                f'there is no input "{chosen}"',
                details=f"inputs: {listed(net.input_names)}" if net.input_names else "its inputs have no names",
                hint=f"did you mean {near}?" if near else "count them from 0",
            )
        return net.input_names.index(chosen)
    if not 0 <= chosen < net.n_inputs:
        raise ParameterError(f"input {chosen} does not exist: there are {net.n_inputs}, counted from 0")
    return int(chosen)
