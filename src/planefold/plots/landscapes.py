"""A function of two numbers as contour lines, with paths and arrows on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError, show
from planefold.plots.boards import LANDSCAPE, TINY, large, legend
from planefold.plots.palette import PATHS
from planefold.plots.patches import draw_arrow, free_places
from planefold.plots.style import GREY, axes_of, written

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from planefold.networks.affine import Floats

N_GRID = 241  # points a side: contour lines without corners
Window = tuple[tuple[float, float], tuple[float, float]]


def landscape(
    function: Callable[[Any], Any],
    window: Window,
    *,
    paths: Mapping[str, npt.ArrayLike] | None = None,
    arrows: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
    levels: int | Sequence[float] = 14,
    x: str = "x",
    y: str = "y",
    title: str | None = None,
    equal: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw a function of two numbers as contour lines, and on them paths and arrows.

    Parameters
    ----------
    function : function (p) -> number
        Given an array ``p`` whose first axis is (x, y), as ``lambda p: p[0] ** 2 + 2 * p[1] ** 2``; the other axes are
        the grid's. Where it is nan or infinite nothing is drawn.
    window : ((x0, x1), (y0, y1))
        Which part of the plane. It is widened where an arrow would not fit in.
    paths : mapping of name to array-like of shape (n_points, 2), optional
        Where something went: a dot at each step, a ring at the first, a star at the last.
    arrows : mapping of name to ((x, y), (dx, dy)), optional
        Each from a point, by a vector. A vector of zeros is a dot.
    levels : int or sequence of float
        How many contour lines, or at which heights.
    x, y : str
        What the axes show, with its unit.
    title : str, optional
    equal : bool
        Whether both axes have one scale, so that right angles look right.
    ax : Axes, optional
        Where to draw; without it, a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If the function does not answer with a number for each point, or a path is not a table of two columns.
    """
    found = {name: _path(name, path) for name, path in (paths or {}).items()}
    drawn_arrows = {name: np.asarray([start, vector], dtype=float) for name, (start, vector) in (arrows or {}).items()}
    low, high = _window(window, [arrow for start, by in drawn_arrows.values() for arrow in (start, start + by)])
    across, up = np.meshgrid(*np.linspace(low, high, N_GRID).T)
    heights = np.asarray(function(np.stack([across, up])), dtype=float)
    if heights.shape != across.shape:
        raise DataError(
            f"the function answers with an array of shape {heights.shape} for {N_GRID} x {N_GRID} points",
            hint="it must compute on whole arrays: p[0] and p[1], with NumPy's functions",
        )
    ax = axes_of(ax, size=LANDSCAPE)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    if equal:
        ax.set_aspect("equal")
    taken = [*found.values(), *(np.linspace(start, start + by, 8) for start, by in drawn_arrows.values())]
    _contour_lines(ax, (across, up, heights), levels, np.concatenate(taken) if taken else np.zeros((0, 2)))
    for place, (name, path) in enumerate(found.items()):
        colour = PATHS[place % len(PATHS)]
        ax.plot(*path.T, color=colour, linewidth=2.0, marker="o", markersize=4.5 if len(path) < 60 else 2.5,
                linestyle=("-", "--")[place % 2], label=name, zorder=4)  # fmt: skip
        ax.plot(*path[0], "o", markersize=10, markerfacecolor="white", markeredgecolor=colour, markeredgewidth=2,
                zorder=5)  # fmt: skip
        ax.plot(*path[-1], "*", markersize=16, color=colour, markeredgecolor="white", zorder=6)
    for place, (name, (start, by)) in enumerate(drawn_arrows.items()):
        colour = PATHS[(place + len(found)) % len(PATHS)]
        draw_arrow(ax, start, start + by, colour)
        ax.plot([], [], color=colour, linewidth=2.6, marker=">", markersize=7, label=name)
    large(ax, x=x, y=y, title=title)
    legend(ax)
    return ax


def _path(name: str, points: npt.ArrayLike) -> Floats:
    path = np.asarray(points, dtype=float)
    if path.ndim != 2 or path.shape[1] != 2:
        raise DataError(f"path {show(name)} has the shape {path.shape}; it must be (n_points, 2)")
    known: Floats = path[np.isfinite(path).all(axis=1)]
    if not len(known):
        raise DataError(f"path {show(name)} has no finite points")
    return known


def _window(window: Window, points: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return the lower left and the upper right corner of a window that holds the points, too."""
    low, high = np.array(window, dtype=float).T
    if points:
        room = 0.04 * (high - low)
        lowest, highest = np.min(points, axis=0), np.max(points, axis=0)
        low, high = np.where(lowest < low, lowest - room, low), np.where(highest > high, highest + room, high)
    return low, high


def _contour_lines(ax: Axes, surface: tuple[Floats, Floats, Floats], levels: Any, taken: Floats) -> None:
    """Draw contour lines over pale shades, each with its height inside of the frame and away from what is taken."""
    across, up, heights = surface
    known = heights[np.isfinite(heights)]
    if not known.size or known.min() == known.max():
        return  # no lines on a plain
    shown = np.ma.masked_invalid(heights)
    drawn = ax.contour(across, up, shown, levels=levels, colors=GREY, linewidths=1.0)
    ax.contourf(across, up, shown, levels=drawn.levels, cmap="Blues", alpha=0.42, extend="both", zorder=0)
    corners = np.array([[across.min(), up.min()], [across.max(), up.max()]])
    span = corners[1] - corners[0]
    inner = corners + np.outer([1, -1], 0.09 * span)
    candidates: list[Floats] = []
    for path in drawn.get_paths():
        on = np.asarray(path.vertices)
        on = on[((on > inner[0]) & (on < inner[1])).all(axis=1)]
        away = np.linalg.norm((on[:, None] - taken) / span, axis=2).min(axis=1, initial=1.0)
        free = on[away > 0.06]
        if len(free):
            candidates.append(free[np.argsort(-away[away > 0.06], kind="stable")])
    kept: list[Floats] = []
    for place in free_places(candidates, span):
        if all(np.linalg.norm((place - other) / span) > 0.12 for other in kept):
            kept.append(place)
    if kept:
        ax.clabel(drawn, manual=[tuple(place) for place in kept], fontsize=TINY, fmt=written, inline_spacing=3)
