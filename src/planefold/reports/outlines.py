"""Outlines of areas that thousands of regions make up, and long lines of thousands of pieces, in few corners.

A page shows no more than some tenths of a pixel, so places are rounded to a grid that is finer than that, and corners
are left out where a line stays within one step of the grid without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Polyline = list[tuple[float, float]]
Window = tuple[tuple[float, float], tuple[float, float]]

STEPS = 4096  # of the grid, across the window and up


def areas(points: Floats, starts: Ints, kinds: Ints, window: Window) -> dict[int, list[Polyline]]:
    """Return the outline of what the polygons of each kind cover together.

    Parameters
    ----------
    points : ndarray of shape (n_corners, 2)
        Corners of all polygons, one after the other, counter-clockwise.
    starts : int ndarray of shape (n_polygons + 1,)
    kinds : int ndarray of shape (n_polygons,)
    window : ((u0, u1), (v0, v1))

    Returns
    -------
    dict
        Kind -> closed lines, the last corner joined to the first. Holes run clockwise.

    Notes
    -----
    A side that two polygons of one kind share has both directions, which cancel; sides across and up cancel also where
    the polygons have different corners on them, as tiles do. What is left has as many ways into each corner as out of
    it, so it always closes.

    Examples
    --------
    >>> square = [[0, 0], [1, 0], [1, 1], [0, 1]]
    >>> two = np.array([*square, [1, 0], [2, 0], [2, 1], [1, 1]], dtype=float)
    >>> areas(two, np.array([0, 4, 8]), np.array([7, 7]), ((0, 2), (0, 1)))
    {7: [[(0.0, 0.0), (2.0, 0.0), (2.0, 1.0), (0.0, 1.0)]]}
    """
    if not len(kinds):
        return {}
    grid = _on_grid(points, window)
    following = np.arange(1, len(points) + 1)
    following[starts[1:] - 1] = starts[:-1]
    kind = np.repeat(kinds, np.diff(starts))
    ends = np.stack([grid, grid[following]])
    found: dict[int, list[Polyline]] = {}
    for own in np.unique(kinds).tolist():
        sides = _in_steps(ends[:, (kind == own) & (ends[0] != ends[1])])
        low, high = sides.min(axis=0), sides.max(axis=0)
        pairs, place = np.unique(np.stack([low, high]), axis=1, return_inverse=True)
        ways = np.bincount(place.ravel(), np.where(sides[0] == low, 1, -1), minlength=pairs.shape[1])
        forward, back = np.maximum(ways, 0).astype(np.int64), np.maximum(-ways, 0).astype(np.int64)
        kept = np.hstack([np.repeat(pairs, forward, axis=1), np.repeat(pairs[::-1], back, axis=1)])
        loops = (_simple_loop(_places(loop)) for loop in _loops(kept))
        found[int(own)] = [_in_window(loop, window) for loop in loops if len(loop) > 2]
    return found


def lines(segments: Floats, window: Window) -> list[Polyline]:
    """Join segments to long lines.

    Parameters
    ----------
    segments : ndarray of shape (n, 2, 2)
    window : ((u0, u1), (v0, v1))

    Examples
    --------
    >>> pieces = np.array([[[0, 0], [1, 0]], [[2, 0], [1, 0]], [[2, 0], [2, 2]]], dtype=float)
    >>> lines(pieces, ((0, 2), (0, 2)))
    [[(0.0, 0.0), (2.0, 0.0), (2.0, 2.0)]]
    """
    if not len(segments):
        return []
    grid = _on_grid(segments.reshape(-1, 2), window).reshape(-1, 2)
    grid = np.unique(np.sort(grid[grid[:, 0] != grid[:, 1]], axis=1), axis=0)
    beside: dict[int, list[int]] = {}
    for one, other in grid.tolist():
        beside.setdefault(one, []).append(other)
        beside.setdefault(other, []).append(one)
    found = []
    # From the ends and the forks first; what is left then is closed.
    for start in sorted(beside, key=lambda corner: (len(beside[corner]) == 2, corner)):
        while beside[start]:
            walk = [start]
            while beside[walk[-1]]:
                after = beside[walk[-1]].pop()
                beside[after].remove(walk[-1])
                walk.append(after)
                if len(beside[after]) != 1:  # an end or a fork
                    break
            found.append(_in_window(_simple(_places(walk)), window))
    return found


def _sizes(window: Window) -> Floats:
    return np.array([high - low for low, high in window])


def _on_grid(points: Floats, window: Window) -> Ints:
    """Give each place of the grid one number."""
    places = np.rint((points - [low for low, _ in window]) / _sizes(window) * STEPS).astype(np.int64)
    places = places.clip(0, STEPS)
    return np.asarray(places[:, 0] * (STEPS + 1) + places[:, 1])


def _in_steps(sides: Ints) -> Ints:
    """Cut sides across and up into single steps of the grid."""
    row = STEPS + 1
    first, last = sides
    up, across = first // row == last // row, first % row == last % row
    straight = up | across
    first, last = sides[:, straight]
    counts = np.abs(np.where(up[straight], last - first, (last - first) // row))
    step = np.repeat(np.sign(last - first) * np.where(up[straight], 1, row), counts)
    place = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = np.repeat(first, counts) + place * step
    return np.hstack([sides[:, ~straight], np.stack([starts, starts + step])])


def _places(corners: Sequence[int]) -> Floats:
    numbers = np.asarray(corners)
    return np.column_stack([numbers // (STEPS + 1), numbers % (STEPS + 1)]).astype(np.float64)


def _in_window(places: Floats, window: Window) -> Polyline:
    points = np.array([low for low, _ in window]) + places * _sizes(window) / STEPS
    return [(float(u), float(v)) for u, v in points]


def _loops(sides: Ints) -> Iterable[list[int]]:
    """Walk along directed sides until each is used; (2, n_sides)."""
    after: dict[int, list[int]] = {}
    for start, stop in sides.T.tolist():
        after.setdefault(start, []).append(stop)
    for start in list(after):
        while after.get(start):
            loop = [start]
            while (stop := after[loop[-1]].pop()) != start:
                loop.append(stop)
            yield loop


def _simple_loop(places: Floats) -> Floats:
    # Cut where it is furthest apart: both cuts are corners that stay.
    far = int(np.abs(places - places[0]).sum(axis=1).argmax())
    first, second = places[: far + 1], np.vstack([places[far:], places[:1]])
    return np.vstack([_simple(first)[:-1], _simple(second)[:-1]])


def _simple(places: Floats) -> Floats:
    return places[_kept(places)]


def _kept(places: Floats) -> Ints:
    """Leave out corners that lie within one step of the grid (Ramer 1972, Douglas and Peucker 1973)."""
    kept = np.zeros(len(places), dtype=bool)
    kept[[0, -1]] = True
    todo = [(0, len(places) - 1)]
    while todo:
        first, last = todo.pop()
        if last - first < 2:
            continue
        chord, away = places[last] - places[first], places[first + 1 : last] - places[first]
        length = float(np.hypot(*chord))
        if length:
            along = (away @ chord / length**2).clip(0, 1)
            away = away - along[:, None] * chord
        distance = np.hypot(away[:, 0], away[:, 1])
        worst = int(distance.argmax())
        if distance[worst] > 1.0:
            kept[first + 1 + worst] = True
            todo += [(first, first + 1 + worst), (first + 1 + worst, last)]
    return np.flatnonzero(kept)
