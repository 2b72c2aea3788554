"""Curves and bars from plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError, show
from planefold.plots.boards import LABEL, SMALL, large
from planefold.plots.palette import UNITS
from planefold.plots.style import BLUE, GREY, INK, axes_of, plain_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STROKES = ("-", "--", "-.", ":")  # curves differ without colour, too


def lines(
    curves: Mapping[str, Any],
    *,
    x: str = "",
    y: str = "",
    title: str | None = None,
    log: str = "",
    dots: bool = False,
    zero: bool = False,
    marks: Mapping[str, float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw curves of plain numbers, each with its name.

    Parameters
    ----------
    curves : mapping of name to y, or to (x, y)
        ``{"relu": (x, y)}``. A single array is drawn over 0, 1, 2, ... An empty name stays out of the legend, as
        does one that begins with ``_``.
    x, y : str
        What the axes show, with its unit.
    title : str, optional
    log : {"", "x", "y", "xy"}
        Which axes are logarithmic.
    dots : bool
        Whether each number gets a dot.
    zero : bool
        Whether the zero lines are drawn.
    marks : mapping of name to x, optional
        Upright lines with their names.
    ax : Axes, optional
        Where to draw; without it, a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If x and y of a curve differ in length.
    """
    ax = axes_of(ax, size=(6.4, 4.2))
    if zero:
        ax.axhline(0, color=GREY, linewidth=0.8)
        ax.axvline(0, color=GREY, linewidth=0.8)
    for place, (name, numbers) in enumerate(curves.items()):
        across, up = numbers if isinstance(numbers, tuple) else (np.arange(len(numbers)), numbers)
        if np.shape(across) != np.shape(up):
            raise DataError(f"curve {show(name)} has {np.size(across)} numbers for x and {np.size(up)} for y")
        ax.plot(across, up, color=UNITS[place % len(UNITS)], linestyle=_STROKES[place % 4], linewidth=2.2,
                marker="o" if dots else "", markersize=5, label=name or "_")  # fmt: skip
    for (name, where), stroke in zip((marks or {}).items(), cycle([":", "-."])):
        ax.axvline(where, color=INK, linestyle=stroke, linewidth=1.4, label=name)
    for axis in log:
        plain_log(ax, axis)
    large(ax, x=x, y=y, title=title)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, fontsize=SMALL)
    return ax


def bars(
    heights: Mapping[str, float],
    *,
    y: str = "",
    title: str | None = None,
    digits: int = 3,
    ax: Axes | None = None,
) -> Axes:
    """Draw one bar for each name, with its number above it.

    Parameters
    ----------
    heights : mapping of name to number
    y : str
        What the heights are, with their unit.
    title : str, optional
    digits : int
        Significant digits of the numbers above the bars.
    ax : Axes, optional
        Where to draw; without it, a new figure.

    Returns
    -------
    Axes
    """
    ax = axes_of(ax, size=(6.4, 4.2))
    values = np.array(list(heights.values()), dtype=float)
    found = ax.bar(list(heights), values, color=BLUE, width=0.62)
    ax.bar_label(found, [f"{value:,.{digits}g}".replace("-", "−") for value in values], fontsize=LABEL, padding=3)
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.margins(y=0.14)
    large(ax, y=y, title=title)
    ax.tick_params(axis="x", length=0, labelsize=LABEL)
    return ax


def matrix(
    values: npt.ArrayLike,
    *,
    rows: list[str] | None = None,
    columns: list[str] | None = None,
    title: str | None = None,
    digits: int = 2,
    ax: Axes | None = None,
) -> Axes:
    """Draw a table of numbers as coloured cells: orange below 0, blue above.

    Parameters
    ----------
    values : array-like of shape (n_rows, n_columns)
        nan is an empty cell.
    rows, columns : list of str, optional
        Their names.
    title : str, optional
    digits : int
        Digits after the point.
    ax : Axes, optional
        Where to draw; without it, a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If the table has another number of axes, or nothing in it.
    """
    from planefold.plots.palette import value_shades

    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or not table.size:
        raise DataError(f"a table of shape {table.shape} has no rows and columns to draw")
    n_rows, n_columns = table.shape
    ax = axes_of(ax, size=(max(3.6, 0.85 * n_columns + 1.4), max(2.4, 0.42 * n_rows + 1.1)))
    known = table[np.isfinite(table)]
    shades, spread = value_shades(known)
    ax.imshow(table, cmap=shades, norm=spread, aspect="auto")
    for (i, j), value in np.ndenumerate(table):
        if np.isfinite(value):
            red, green, blue, _ = shades(spread(value))
            ink = INK if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else "white"
            ax.text(j, i, f"{value:,.{digits}f}".replace("-", "−"), ha="center", va="center", fontsize=SMALL, color=ink)
    ax.set_xticks(range(n_columns), columns or [""] * n_columns)
    ax.set_yticks(range(n_rows), rows or [""] * n_rows)
    large(ax, title=title)
    ax.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
    ax.spines[:].set_visible(False)
    return ax
