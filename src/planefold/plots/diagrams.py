"""A network as circles and lines."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from planefold.core.errors import DataError
from planefold.plots.boards import LABEL, SMALL, TITLE
from planefold.plots.palette import tint
from planefold.plots.style import BLUE, GREY, INK, ORANGE, axes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def diagram(
    layer_sizes: Sequence[int],
    *,
    weights: Sequence[Any] | None = None,
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
        If weights or values do not fit the layers.
    """
    sizes = [int(size) for size in layer_sizes]
    found = None if weights is None else [np.asarray(w, dtype=float) for w in weights]
    if found is not None and [w.shape for w in found] != list(itertools.pairwise(sizes)):
        raise DataError(f"weights of shapes {[w.shape for w in found]} do not fit layers of {sizes} units")
    if values is not None and [len(row) for row in values] != sizes:
        raise DataError(f"{[len(row) for row in values]} values do not fit layers of {sizes} units")
    ax = axes_of(ax, size=(max(5.0, 2.1 * len(sizes)), max(3.2, 0.95 * max(sizes) + 1.0)))
    gone = set(off)
    places = [[(2.2 * k, (size - 1) / 2 - i) for i in range(size)] for k, size in enumerate(sizes)]
    n_lines = sum(a * b for a, b in itertools.pairwise(sizes))
    largest = max((float(abs(w).max()) for w in found if w.size), default=1.0) if found else 1.0
    for k, (here, there) in enumerate(itertools.pairwise(places)):
        for i, start in enumerate(here):
            for j, end in enumerate(there):
                if (k, i) in gone or (k + 1, j) in gone:
                    continue
                w = None if found is None else float(found[k][i, j])
                if w == 0:
                    continue
                colour = GREY if w is None else BLUE if w > 0 else ORANGE
                width = 1.2 if w is None else 0.8 + 2.4 * abs(w) / (largest or 1.0)
                ax.plot(*zip(start, end, strict=True), color=colour, linewidth=width, zorder=1,
                        linestyle="-" if w is None or w > 0 else (0, (4, 2)), alpha=0.9)  # fmt: skip
                if w is not None and n_lines <= 20:
                    # At another share of the way for each unit, so that numbers of crossing lines stay apart.
                    share = 0.32 + 0.16 * (i % 3) / 2 + 0.02 * j
                    x, y = (a + share * (b - a) for a, b in zip(start, end, strict=True))
                    ax.text(x, y, _short(w, digits), fontsize=9.5, color=colour, ha="center", va="center", zorder=2,
                            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8})  # fmt: skip
    for k, layer in enumerate(places):
        fill = tint(GREY, 0.22) if k == 0 else tint(ORANGE, 0.3) if k == len(sizes) - 1 else tint(BLUE, 0.3)
        for i, (x, y) in enumerate(layer):
            is_off = (k, i) in gone
            ax.scatter([x], [y], s=1250, facecolors="white" if is_off else [fill], zorder=3, linewidths=1.4,
                       edgecolors=GREY if is_off else INK, linestyle=":" if is_off else "-")  # fmt: skip
            if values is not None and not is_off:
                ax.text(
                    x, y, _short(values[k][i], digits), fontsize=SMALL, ha="center", va="center", color=INK, zorder=4
                )
        if names is not None:
            ax.text(2.2 * k, -max(sizes) / 2 - 0.15, names[k], fontsize=LABEL, ha="center", va="top", color=INK)
    ax.set_xlim(-0.7, 2.2 * (len(sizes) - 1) + 0.7)
    ax.set_ylim(-max(sizes) / 2 - (0.75 if names is not None else 0.2), max(sizes) / 2 + 0.2)
    ax.set_axis_off()
    if title is not None:
        ax.set_title(title, fontsize=TITLE, color=INK)
    return ax


def _short(value: Any, digits: int) -> str:
    return value if isinstance(value, str) else f"{value:.{digits}g}".replace("-", "−")
