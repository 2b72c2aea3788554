"""Pictures on a plane of two numbers: contour lines with paths and arrows, and points with straight borders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError, show
from planefold.plots.boards import SMALL, large
from planefold.plots.palette import UNITS, class_colour, class_marker
from planefold.plots.style import GREY, INK, axes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
        the grid's.
    window : ((x0, x1), (y0, y1))
        Which part of the plane.
    paths : mapping of name to array-like of shape (n_points, 2), optional
        Where something went: a dot at each step, a ring at the first, a star at the last.
    arrows : mapping of name to ((x, y), (dx, dy)), optional
        Each from a point, by a vector.
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
        If the function does not answer with a number for each point.
    """
    ax = axes_of(ax, size=(6.4, 4.8))
    (left, right), (low, high) = window
    across, up = np.meshgrid(np.linspace(left, right, N_GRID), np.linspace(low, high, N_GRID))
    heights = np.asarray(function(np.stack([across, up])), dtype=float)
    if heights.shape != across.shape:
        raise DataError(
            f"the function answers with an array of shape {heights.shape} for {N_GRID} x {N_GRID} points",
            hint="it must compute on whole arrays: p[0] and p[1], with NumPy's functions",
        )
    ax.contourf(across, up, heights, levels=levels, cmap="Blues", alpha=0.45)
    drawn = ax.contour(across, up, heights, levels=levels, colors=GREY, linewidths=0.9)
    ax.clabel(drawn, fontsize=9, fmt=lambda height: f"{height:g}".replace("-", "−"))
    for place, (name, points) in enumerate((paths or {}).items()):
        path, colour = np.asarray(points, dtype=float), UNITS[(place + 1) % len(UNITS)]
        ax.plot(*path.T, color=colour, linewidth=1.8, marker="o", markersize=4, label=name, zorder=4)
        ax.plot(*path[0], "o", markersize=10, markerfacecolor="white", markeredgecolor=colour, zorder=5)
        ax.plot(*path[-1], "*", markersize=15, color=colour, markeredgecolor="white", zorder=6)
    for place, (name, (start, vector)) in enumerate((arrows or {}).items()):
        colour = UNITS[(place + 1) % len(UNITS)]
        (from_x, from_y), (dx, dy) = start, vector
        head = {"arrowstyle": "-|>", "color": colour, "lw": 2.4, "mutation_scale": 18}
        ax.annotate("", (from_x + dx, from_y + dy), (from_x, from_y), arrowprops=head, zorder=6)
        ax.plot([], [], color=colour, linewidth=2.4, label=name)
    ax.set_xlim(left, right)
    ax.set_ylim(low, high)
    if equal:
        ax.set_aspect("equal")
    large(ax, x=x, y=y, title=title)
    if paths or arrows:
        ax.legend(fontsize=SMALL, framealpha=0.9)
    return ax


def points(
    X: npt.ArrayLike,
    y: npt.ArrayLike | None = None,
    *,
    names: Mapping[Any, str] | None = None,
    borders: Mapping[str, tuple[Sequence[float], float]] | None = None,
    normals: bool = False,
    xlabel: str = "x1",
    ylabel: str = "x2",
    title: str | None = None,
    window: Window | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw points by class, and straight borders ``w . x + b = 0`` between them.

    Parameters
    ----------
    X : array-like of shape (n_samples, 2)
    y : array-like of shape (n_samples,), optional
        Their classes; each has a colour and a marker.
    names : mapping of class to str, optional
        What the legend calls them; by default "class 0".
    borders : mapping of name to (w, b), optional
        Straight lines.
    normals : bool
        Whether each border also gets its ``w`` as an arrow, at a right angle and towards the side where
        ``w . x + b > 0``.
    xlabel, ylabel : str
        What the axes show, with its unit.
    title : str, optional
    window : ((x0, x1), (y0, y1)), optional
        By default the points with some room around them. Both axes have one scale.
    ax : Axes, optional
        Where to draw; without it, a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If the points have another number of columns than two, or there are not as many classes as points.
    """
    ax = axes_of(ax, size=(6.4, 4.8))
    places = np.asarray(X, dtype=float)
    if places.ndim != 2 or places.shape[1] != 2:
        raise DataError(f"points of two numbers are drawn; X has the shape {places.shape}")
    labels = np.zeros(len(places), dtype=int) if y is None else np.asarray(y)
    if labels.shape != (len(places),):
        raise DataError(f"y has the shape {labels.shape} for {len(places)} points")
    for number, label in enumerate(np.unique(labels)):
        mine = places[labels == label]
        name = "_" if y is None else (names or {}).get(label, f"class {show(label)}")
        ax.scatter(mine[:, 0], mine[:, 1], s=90, color=class_colour(number), marker=class_marker(number),
                   edgecolors="white", linewidths=0.8, label=name, zorder=4)  # fmt: skip
    if window is None:
        low, high = places.min(axis=0), places.max(axis=0)
        room = 0.25 * max(float((high - low).max()), 1e-9)
        window = tuple(zip(low - room, high + room, strict=True))  # type: ignore[assignment]
    (left, right), (bottom, top) = window  # type: ignore[misc]
    for place, (name, (w, b)) in enumerate((borders or {}).items()):
        normal = np.asarray(w, dtype=float)
        length = float(np.hypot(*normal))
        if not length:
            continue  # w = 0 parts nothing
        colour = (INK, *UNITS[2:])[place % len(UNITS)]
        middle = np.array([(left + right) / 2, (bottom + top) / 2])
        foot = middle - (normal @ middle + b) * normal / length**2
        along = np.array([-normal[1], normal[0]]) / length
        reach = 2 * np.hypot(right - left, top - bottom)
        ax.plot(*np.stack([foot - reach * along, foot + reach * along]).T, color=colour, linewidth=2.2,
                linestyle=("-", "--", "-.", ":")[place % 4], label=name, zorder=3)  # fmt: skip
        if normals:
            tip = foot + 0.16 * min(right - left, top - bottom) * normal / length
            ax.annotate("w", tip, foot, fontsize=SMALL, color=colour, ha="center", va="center", zorder=5,
                        arrowprops={"arrowstyle": "<|-", "color": colour, "lw": 2.0, "mutation_scale": 16})  # fmt: skip
    ax.set_xlim(left, right)
    ax.set_ylim(bottom, top)
    ax.set_aspect("equal")
    large(ax, x=xlabel, y=ylabel, title=title)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=SMALL, framealpha=0.9)
    return ax
