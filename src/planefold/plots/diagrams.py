"""A network as circles and lines."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from planefold.core.errors import DataError
from planefold.plots.boards import LABEL, LETTER, SMALL, TINY, TITLE, points_of, wrapped
from planefold.plots.palette import tint
from planefold.plots.style import BLUE, GREY, INK, ORANGE, axes_of, written

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from planefold.networks.affine import Floats

_APART = 2.2  # from layer to layer; units of a layer are 1 apart
_MOST_NUMBERS = 20  # more weights than that are lines without numbers


def diagram(
    layer_sizes: Sequence[int],
    *,
    weights: Sequence[Any] | None = None,
    biases: Sequence[Any] | None = None,
    values: Sequence[Sequence[Any]] | None = None,
    off: Sequence[tuple[int, int]] = (),
    names: Sequence[str] | None = None,
    digits: int = 3,
    title: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a network of fully connected layers: a circle for each unit, a line for each weight.

    Parameters
    ----------
    layer_sizes : sequence of int
        Inputs first, outputs last, such as ``[2, 3, 1]``.
    weights : sequence of array-like of shape (fan_in, fan_out), optional
        Positive weights are blue and solid, negative ones orange and dashed, large ones wide; with up to 20 of them
        the numbers stand on the lines. 0 is no line.
    biases : sequence of array-like of shape (fan_out,), optional
        One row for each layer but the inputs, written above the circles.
    values : sequence of sequence, optional
        For each layer what stands in its circles: numbers or texts.
    off : sequence of (layer, unit)
        Units that are left out, counted from 0: drawn hollow, without their lines.
    names : sequence of str, optional
        What stands under each layer.
    digits : int
        Significant digits of the numbers.
    title : str, optional
    ax : Axes, optional
        Where to draw; without it, a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If weights, biases, values or names do not fit the layers.
    """
    sizes = [int(size) for size in layer_sizes]
    if not sizes or min(sizes) < 1:
        raise DataError(f"layers of {sizes} units cannot be drawn")
    found = None if weights is None else [np.asarray(w, dtype=float) for w in weights]
    if found is not None and [w.shape for w in found] != list(itertools.pairwise(sizes)):
        raise DataError(f"weights of shapes {[w.shape for w in found]} do not fit layers of {sizes} units")
    for what, rows, expected in (("biases", biases, sizes[1:]), ("values", values, sizes)):
        if rows is not None and [len(row) for row in rows] != expected:
            raise DataError(f"{[len(row) for row in rows]} {what} do not fit layers of {sizes} units")
    if names is not None and len(names) != len(sizes):
        raise DataError(f"{len(names)} names do not fit {len(sizes)} layers")
    ax = axes_of(ax, size=(max(5.4, 2.0 * len(sizes)), min(6.4, max(3.0, 0.95 * max(sizes) + 0.9))))
    places = [np.array([(_APART * k, (n - 1) / 2 - i) for i in range(n)]) for k, n in enumerate(sizes)]
    width, height = points_of(ax)
    unit = min(height / (max(sizes) + 0.9), 60.0)  # points from unit to unit
    across = min(36.0, 0.78 * unit, 0.42 * width / len(sizes))
    gone = {(int(k), int(i)) for k, i in off}
    _draw_weights(ax, places, found, gone, digits)
    for k, layer in enumerate(places):
        fill = tint(GREY, 0.22) if k == 0 else tint(ORANGE, 0.3) if k == len(sizes) - 1 else tint(BLUE, 0.3)
        for i, (x, y) in enumerate(layer):
            is_off = (k, i) in gone
            ax.plot([x], [y], "o", markersize=across, markerfacecolor="white" if is_off else fill, zorder=3)
            ax.lines[-1].set(markeredgecolor=GREY if is_off else INK, markeredgewidth=1.4)
            if is_off:
                ax.plot([x], [y], "x", markersize=0.45 * across, color=GREY, markeredgewidth=2, zorder=4)
                continue
            if values is not None:
                text = _text(values[k][i], digits)
                size = min(SMALL, 0.92 * across / (0.72 * max(len(text), 2)))
                ax.text(x, y, text, fontsize=size, ha="center", va="center_baseline", color=INK, zorder=4)
            if biases is not None and k:
                ax.annotate(f"b = {_text(biases[k - 1][i], digits)}", (x, y), (0, across / 2 + 1.5), fontsize=TINY,
                            textcoords="offset points", ha="center", va="bottom", color=INK, zorder=2.5,
                            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4, "alpha": 0.85})  # fmt: skip
    below, above = across / 2 + 4, across / 2 + (1.4 * TINY if biases is not None else 4)
    if names is not None:
        shown = [wrapped(name, 0.8 * width / len(sizes), LABEL) for name in names]
        for k, name in enumerate(shown):
            ax.annotate(name, (_APART * k, -(max(sizes) - 1) / 2), (0, -below), textcoords="offset points",
                        fontsize=LABEL, ha="center", va="top", color=INK)  # fmt: skip
        below += 1.35 * LABEL * (1 + max(name.count("\n") for name in shown))
    # Room for the outer circles and texts, which are measured in points.
    per_unit = max(height - below - above, 10.0) / max(max(sizes) - 1, 1)
    ax.set_ylim(-(max(sizes) - 1) / 2 - below / per_unit, (max(sizes) - 1) / 2 + above / per_unit)
    beside = across / 2 + (12 if biases is not None else 4)
    per_step = max(width - 2 * beside, 10.0) / (_APART * max(len(sizes) - 1, 1))
    ax.set_xlim(-beside / per_step, _APART * (len(sizes) - 1) + beside / per_step)
    ax.set_axis_off()
    if title is not None:
        ax.set_title(wrapped(title, width, TITLE), fontsize=TITLE, color=INK)
    return ax


def _draw_weights(
    ax: Axes, places: list[Floats], weights: list[Floats] | None, gone: set[tuple[int, int]], digits: int
) -> None:
    largest = max((float(np.abs(w).max()) for w in weights), default=0.0) if weights else 0.0
    numbered = weights is not None and sum(np.count_nonzero(w) for w in weights) <= _MOST_NUMBERS
    for k, (here, there) in enumerate(itertools.pairwise(places)):
        drawn = []
        for (i, start), (j, end) in itertools.product(enumerate(here), enumerate(there)):
            w = None if weights is None else float(weights[k][i, j])
            if w == 0 or (k, i) in gone or (k + 1, j) in gone:
                continue
            colour = GREY if w is None else BLUE if w > 0 else ORANGE
            ax.plot(*np.stack([start, end]).T, color=colour, zorder=1,
                    linewidth=1.2 if w is None else 0.8 + 2.6 * abs(w) / largest,
                    linestyle="-" if w is None or w > 0 else (0, (4, 2)))  # fmt: skip
            drawn.append((start, end, _text(w, digits) if w is not None else "", colour))
        if numbered and drawn:
            spots = _spots(np.array([[start, end] for start, end, *_ in drawn]), max(len(one[2]) for one in drawn))
            for (x, y), (*_, text, colour) in zip(spots, drawn, strict=True):
                ax.text(x, y, text, fontsize=TINY, color=colour, ha="center", va="center", zorder=2,
                        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.9})  # fmt: skip


def _spots(segments: Floats, n_letters: int) -> Floats:
    """Choose a spot on each line for its number, so that numbers stay apart from each other and from other lines."""
    shares = np.linspace(0.24, 0.76, 27)
    options = segments[:, None, 0] + shares[:, None] * (segments[:, 1] - segments[:, 0])[:, None]
    size = np.array([LETTER * TINY * n_letters + 4, 1.35 * TINY]) / 60  # in the units of the picture, about
    to_lines = np.stack([_far(options, segment, size) for segment in segments])
    for own in range(len(segments)):
        to_lines[own, own] = 1.0
    # Near the middle is better where it costs nothing; a label counts more than a line, which it may cover.
    worth = 0.35 * to_lines.min(axis=0) - 0.1 * np.abs(shares - 0.5)
    chosen = np.full(len(segments), len(shares) // 2)
    for _ in range(6):
        for own in range(len(segments)):
            others = np.delete(options[np.arange(len(segments)), chosen], own, axis=0)
            away = (np.abs(options[own][:, None] - others) / size).max(axis=2).min(axis=1, initial=1.5)
            chosen[own] = int((np.minimum(away, 1.2) + worth[own]).argmax())
    return np.asarray(options[np.arange(len(segments)), chosen])


def _far(points: Floats, segment: Floats, size: Floats) -> Floats:
    """Return how far points are from a segment, in sizes of a label, at most 1."""
    start, way = segment[0], segment[1] - segment[0]
    share = np.clip(((points - start) @ way) / (way @ way), 0, 1)
    return np.asarray(np.minimum((np.abs(points - start - share[..., None] * way) / size).max(axis=-1), 1.0))


def _text(value: Any, digits: int) -> str:
    return value if isinstance(value, str) else written(float(value), digits)
