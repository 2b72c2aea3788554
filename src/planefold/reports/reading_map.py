"""The exact border, or lines of equal height, over the two strongest columns, as plain data for a drawing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.ndimage import distance_transform_edt

from planefold.core.errors import ParameterError
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.reading.slices.border_tiles import UNDECIDED, Window, border_tiles
from planefold.reading.slices.columns import usual_row, usual_window
from planefold.reading.slices.contours import contours
from planefold.reading.slices.decision_tiles import decisions_in_tiles
from planefold.reading.slices.planes import planes
from planefold.reading.tables.local_models import Reading
from planefold.reports import outlines
from planefold.reports.numbers import MINUS
from planefold.reports.svg import nice_ticks

MAX_CLASSES = 12
MAX_POINTS = 300
MAX_REGIONS = 100_000  # in all tiles together: about three seconds
N_LEVELS = 3
GRID = 48  # points across and up at which a place for a name is looked for
MAX_FIXED = 8
SAME_PLACE, SAME_WAY = 1e-8, 1e-6  # as shares of the window
MOST_WORK = 150_000_000  # units times weights: bounds of the tiles take a second


def map_of(reading: Reading, coordinates: Sequence[int]) -> dict[str, Any] | None:
    """Draw the decision border, or lines of equal output, over the first two coordinates.

    Parameters
    ----------
    reading : Reading
    coordinates : sequence of int
        Places of numbers, the strongest first.

    Returns
    -------
    dict or None
        None where there are no two columns of numbers, more than 12 classes, or too large a network for a report.
    """
    columns, net = reading.columns, reading.net
    decides = reading.outcome.decides
    is_large = net.n_units * net.n_multiplications > MOST_WORK
    if len(coordinates) < 2 or is_large or (decides == "largest" and net.n_outputs > MAX_CLASSES):
        return None
    places = list(coordinates[:2])
    window = usual_window(reading.rows[:, places])
    usual = usual_row(columns, reading.rows)
    origin, directions = usual.copy(), np.zeros((2, len(usual)))
    origin[places], directions[[0, 1], places] = 0.0, 1.0
    chosen = np.eye(net.n_outputs) if decides == "largest" else np.eye(net.n_outputs)[:, :1]
    offsets = reading.outcome.offsets if decides == "largest" else reading.outcome.offsets[:1]
    flat = net.with_outputs(chosen, -offsets).restricted(origin, directions)
    try:
        drawn = _areas(reading, flat, window) if decides else _levels(flat, window)
    except ParameterError:  # more regions than there is time for
        return None
    fixed = {name: value[0] for name, value in columns.values(usual[None]).items()}
    for place in places:
        fixed.pop(columns.owners[place], None)
    units = [f" ({columns.units[place]})" if columns.units[place] else "" for place in places]
    points, n_outside = _points(reading, places, window)
    return {
        "labels": [columns.names[place] + unit for place, unit in zip(places, units, strict=True)],
        "window": window,
        "output": reading.output_names[0],
        "fixed": [{"column": name, "value": value_text(value)} for name, value in list(fixed.items())[:MAX_FIXED]],
        "n_fixed_more": max(0, len(fixed) - MAX_FIXED),
        "points": points,
        "n_outside": n_outside,
        **drawn,
    }


def value_text(value: Any) -> str:
    """Write a value of a table's cell."""
    if isinstance(value, np.datetime64):
        return "missing" if np.isnat(value) else str(value.astype("datetime64[D]"))
    if isinstance(value, float | np.floating):
        exact = float(value)
        return "missing" if np.isnan(exact) else f"{exact:,.6g}".replace("-", MINUS)
    return "missing" if value is None else str(value)


def _points(reading: Reading, places: list[int], window: Window) -> tuple[list[list[float]], int]:
    """Return rows to draw with their true class, or the predicted one, or -1; and how many lie outside the window."""
    rows = np.unique(np.linspace(0, reading.n_rows - 1, min(MAX_POINTS, reading.n_rows)).round().astype(np.int64))
    codes = reading.predicted if reading.target is None else reading.target
    if codes is None or codes.ndim > 1 or not reading.outcome.decides:
        codes = np.full(reading.n_rows, -1)
    points = reading.rows[:, places]
    low, high = np.array(window).T
    inside = np.all((points >= low) & (points <= high), axis=1)
    kept = rows[inside[rows]]
    drawn = [[float(u), float(v), int(codes[row])] for row, (u, v) in zip(kept, points[kept], strict=True)]
    return drawn, int((~inside).sum())


# ------------------------------------------------------------------------------------------------- classes and levels


def _areas(reading: Reading, net: PiecewiseLinearNet, window: Window) -> dict[str, Any]:
    names = _class_names(reading)
    found = decisions_in_tiles(net, window, max_regions=MAX_REGIONS)
    parts, segments = found.regions, found.border.segments
    loops = outlines.areas(parts.points, parts.starts, parts.classes, window)
    at = _places_of_names(net, window, sorted(loops))
    return {
        "areas": [
            {"class": k, "name": names[k], "share": float(parts.area_shares[k]), "loops": loops[k], "at": at[k]}
            for k in sorted(loops)
        ],
        "border": outlines.lines(segments, window),
        "n_segments": n_straight(segments, window),
        "levels": [],
    }


def _class_names(reading: Reading) -> list[str]:
    classes = [str(label) for label in reading.outcome.classes]
    if reading.outcome.decides == "sign" and len(reading.output_names) > 1:  # labels that each hold or not
        return [f"not {classes[0]}", classes[0]]
    return classes


def _places_of_names(net: PiecewiseLinearNet, window: Window, classes: Sequence[int]) -> dict[int, list[float] | None]:
    """Return for each class the place that is furthest inside it, None where there is no room for a name."""
    sides = [np.linspace(low, high, GRID + 2)[1:-1] for low, high in window]
    grid = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1)
    outputs = net.outputs(grid.reshape(-1, 2)).reshape(GRID, GRID, -1)
    codes = (outputs[:, :, 0] > 0).astype(np.int64) if net.n_outputs == 1 else outputs.argmax(axis=2)
    places: dict[int, list[float] | None] = {}
    for k in classes:
        depth = distance_transform_edt(np.pad(codes == k, 1))[1:-1, 1:-1]
        deepest = np.unravel_index(int(depth.argmax()), depth.shape)
        places[k] = grid[deepest].tolist() if depth[deepest] >= 3 else None
    return places


def _levels(net: PiecewiseLinearNet, window: Window) -> dict[str, Any]:
    sides = [np.linspace(low, high, GRID) for low, high in window]
    values = net.outputs(np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2))[:, 0]
    low, high = float(values.min()), float(values.max())
    of, back = (np.exp, np.log) if net.link == "exp" else (float, float)
    heights = [h for h in nice_ticks(of(low), of(high), N_LEVELS) if of(low) < h < of(high)]
    levels = [float(back(height)) for height in heights]
    left, found = MAX_REGIONS, [np.zeros((0, 2, 2))] * len(levels)
    for tile in border_tiles(net, window, levels):
        if tile.decided != UNDECIDED:
            continue
        cut = planes(tile.net, tile.window, max_regions=left)
        left -= cut.n_regions - 1
        for k, line in enumerate(contours(cut, levels)):
            found[k] = np.concatenate([found[k], line.segments])
    lines = [outlines.lines(segments, window) for segments in found]
    return {
        "areas": [],
        "border": [],
        "n_segments": sum(n_straight(segments, window) for segments in found),
        "levels": [
            {"level": height, "shade": k, "lines": own, "at": _middle_of(own)}
            for k, (height, own) in enumerate(zip(heights, lines, strict=True))
            if own
        ],
    }


def n_straight(segments: Floats, window: Window) -> int:
    """Count the straight pieces of lines whose segments may go on straight into each other.

    Parameters
    ----------
    segments : ndarray of shape (n, 2, 2)
    window : ((u0, u1), (v0, v1))

    Examples
    --------
    >>> n_straight(np.array([[[0, 0], [1, 0]], [[2, 0], [1, 0]], [[2, 0], [2, 2]]], dtype=float), ((0, 2), (0, 2)))
    2
    """
    lengths = np.array([high - low for low, high in window])
    places = segments / lengths
    steps = places[:, 1] - places[:, 0]
    size = np.hypot(steps[:, 0], steps[:, 1])
    kept = size > SAME_PLACE
    ways = steps[kept] / size[kept, None]
    ends = np.round(places[kept].reshape(-1, 2) / SAME_PLACE)
    _, numbers, counts = np.unique(ends, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(numbers.ravel(), kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])[counts == 2]
    away = np.repeat(ways, 2, axis=0) * np.tile([1.0, -1.0], len(ways))[:, None]  # from each end into its segment
    one, other = away[order[starts]], away[order[starts + 1]]
    straight = (np.abs(one + other) < SAME_WAY).all(axis=1)
    return int(kept.sum() - straight.sum())


def _middle_of(lines: Sequence[outlines.Polyline]) -> list[float]:
    """Return the corner in the middle of the line with most corners."""
    longest = max(lines, key=len)
    if len(longest) == 2:
        return np.mean(longest, axis=0).tolist()  # type: ignore[no-any-return]
    return list(longest[len(longest) // 2])
