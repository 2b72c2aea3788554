"""Curves and bars from plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError, ParameterError, show
from planefold.plots.boards import LABEL, LETTER, SINGLE, SMALL, large, legend, points_of, wrapped
from planefold.plots.palette import CURVES, PATHS
from planefold.plots.style import BLUE, GREY, INK, axes_of, plain_log, written

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STROKES = ("-", (0, (5, 1.6)), (0, (1.2, 1.2)), (0, (6, 1.5, 1.2, 1.5)))  # curves differ without colour, too
_SHAPES = ("o", "s", "^", "D")


def lines(
    curves: Mapping[str, Any],
    *,
    x: str = "",
    y: str = "",
    title: str | None = None,
    log: str = "",
    dots: bool | Literal["only"] = False,
    zero: bool = False,
    marks: Mapping[str, float] | None = None,
    like_paths: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw curves of plain numbers, each with its name.

    Parameters
    ----------
    curves : mapping of name to y, or to (x, y)
        ``{"relu": (x, y)}``. A single array is drawn over 0, 1, 2, ... An empty name stays out of the legend, as
        does one that begins with ``_``. nan is a gap.
    x, y : str
        What the axes show, with its unit.
    title : str, optional
    log : {"", "x", "y", "xy"}
        Which axes are logarithmic.
    dots : bool or "only"
        Whether each number gets a dot; ``"only"`` leaves out the lines between them.
    zero : bool
        Whether the zero lines are drawn.
    marks : mapping of name to x, optional
        Upright lines, with their names above them.
    like_paths : bool
        Whether the curves have the colours and strokes of the paths of :func:`landscape`, for a picture beside them.
    ax : Axes, optional
        Where to draw; without it, a new figure.

    Returns
    -------
    Axes
        Its legend lies where no curve is, or below.

    Raises
    ------
    DataError
        If x and y of a curve are not two rows of the same length.
    ParameterError
        For another ``log`` or ``dots``.
    """
    from matplotlib.ticker import MaxNLocator

    if log not in ("", "x", "y", "xy", "yx"):
        raise ParameterError(f"log={show(log)} is not known", hint='choose "x", "y" or "xy"')
    if dots not in (True, False, "only"):
        raise ParameterError(f"dots={show(dots)} is not known", hint='choose True, False or "only"')
    found = [(name, *_curve(name, numbers)) for name, numbers in curves.items()]
    ax = axes_of(ax, size=SINGLE)
    if zero:
        ax.axhline(0, color=GREY, linewidth=0.9, zorder=1)
        ax.axvline(0, color=GREY, linewidth=0.9, zorder=1)
    colours, strokes = (PATHS, ("-", "--")) if like_paths else (CURVES, _STROKES)
    for place, (name, across, up) in enumerate(found):
        alone = dots == "only" or len(up) == 1  # one number has no line
        stroke = "" if alone else strokes[place % len(strokes)]
        ax.plot(across, up, color=colours[place % len(colours)], linestyle=stroke, linewidth=2.4,
                marker=_SHAPES[place % 4] if dots or alone else "", markersize=6.5,
                markeredgecolor="white", markeredgewidth=0.6, label=name or "_", zorder=2)  # fmt: skip
    if found and all((across == np.round(across)).all() for _, across, _ in found):
        ax.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))  # no epoch 2.5
    for axis in log:
        plain_log(ax, axis)
    for where in (marks or {}).values():
        ax.axvline(where, color=GREY, linestyle=(0, (4, 2)), linewidth=1.4, zorder=1.5)
    rows = _names_above(ax, marks or {})
    large(ax, x=x, y=y, title=title, pad=6 + 1.3 * SMALL * rows)
    legend(ax)
    return ax


def _curve(name: str, numbers: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    pair = isinstance(numbers, tuple) and len(numbers) == 2
    up = np.asarray(numbers[1] if pair else numbers, dtype=float)
    across = np.asarray(numbers[0]) if pair else np.arange(up.size)
    if up.ndim != 1 or across.shape != up.shape:
        raise DataError(
            f"curve {show(name)} has x of shape {across.shape} and y of shape {up.shape}",
            hint="pass one row of numbers y, or a tuple (x, y) of two rows of the same length",
        )
    return across, up


def _names_above(ax: Axes, marks: Mapping[str, float]) -> int:
    """Write names over the axes, in as many rows as they need not to touch; returns how many."""
    width, to_axes = points_of(ax)[0], ax.transData + ax.transAxes.inverted()
    ends: list[float] = []  # how far each row is filled, in points
    for name, where in sorted(marks.items(), key=lambda mark: mark[1]):
        middle, half = width * float(to_axes.transform((where, 0))[0]), 0.5 * LETTER * SMALL * len(name)
        row = next((row for row, end in enumerate(ends) if middle - half > end + 4), len(ends))
        ends[row : row + 1] = [middle + half]
        ax.annotate(name, (where, 1), (0, 3 + 1.3 * SMALL * row), xycoords=ax.get_xaxis_transform(), color=INK,
                    textcoords="offset points", ha="center", fontsize=SMALL, annotation_clip=True)  # fmt: skip
    return len(ends)


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
        nan has no bar, and says so.
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

    Raises
    ------
    DataError
        If there is no number to draw.
    """
    values = np.array(list(heights.values()), dtype=float)
    if not np.isfinite(values).any():
        raise DataError(f"no bar can be drawn of {show(dict(heights))}")
    ax = axes_of(ax, size=SINGLE)
    known = np.where(np.isfinite(values), values, 0.0)
    found = ax.bar(range(len(values)), known, color=BLUE, width=0.62)
    ax.bar_label(found, [written(value, digits) for value in values], fontsize=LABEL, padding=3)
    ax.axhline(0, color=INK, linewidth=0.8)
    ax.margins(y=0.14)
    low, high = ax.get_ylim()
    if high <= 0:
        ax.set_ylim(top=high - 0.12 * low)  # room for what is written above a bar of 0
    large(ax, y=y, title=title)
    room = 0.82 * points_of(ax)[0] / len(values)
    names = [wrapped(str(name), room, SMALL) for name in heights]
    slanted = max(len(line) for name in names for line in name.split("\n")) * LETTER * SMALL > 1.25 * room
    ax.set_xticks(range(len(values)), list(map(str, heights)) if slanted else names)
    ax.tick_params(axis="x", length=0)
    if slanted:
        for text in ax.get_xticklabels():
            text.set(rotation=35, ha="right", rotation_mode="anchor")
    return ax
