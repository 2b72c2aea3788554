"""Points of two numbers, and straight borders between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError
from planefold.plots.boards import LANDSCAPE, SMALL, large, legend
from planefold.plots.palette import CURVES, class_colour, class_marker
from planefold.plots.patches import draw_arrow
from planefold.plots.style import INK, axes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from planefold.networks.affine import Floats

_STROKES = ("-", "--", "-.", ":")
Window = tuple[tuple[float, float], tuple[float, float]]


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
        Straight lines. ``w = (0, 0)`` has none.
    normals : bool
        Whether each border also gets its ``w`` as an arrow, at a right angle and towards the side where
        ``w . x + b > 0``; all of one length.
    xlabel, ylabel : str
        What the axes show, with its unit.
    title : str, optional
    window : ((x0, x1), (y0, y1)), optional
        By default the points with some room around them. Both axes have one scale, unless one is over five times as
        long as the other: then right angles do not look right.
    ax : Axes, optional
        Where to draw; without it, a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If the points have another number of columns than two, there are not as many classes as points, or there is
        neither a point nor a window.
    """
    places = np.asarray(X, dtype=float)
    if places.ndim != 2 or places.shape[1] != 2:
        raise DataError(f"points of two numbers are drawn; X has the shape {places.shape}")
    labels = np.zeros(len(places), dtype=int) if y is None else np.asarray(y)
    if labels.shape != (len(places),):
        raise DataError(f"y has the shape {labels.shape} for {len(places)} points")
    low, high = _around(places) if window is None else np.array(window, dtype=float).T
    ax = axes_of(ax, size=LANDSCAPE)
    for number, label in enumerate(np.unique(labels)):
        mine = places[labels == label]
        name = "_" if y is None else (names or {}).get(label, f"class {_plain(label)}")
        ax.scatter(mine[:, 0], mine[:, 1], s=110, color=class_colour(number), marker=class_marker(number),
                   edgecolors="white", linewidths=0.8, label=name, zorder=4)  # fmt: skip
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    if 0.2 <= (high[0] - low[0]) / (high[1] - low[1]) <= 5:
        ax.set_aspect("equal")
    _draw_borders(ax, borders or {}, places if normals else None)
    large(ax, x=xlabel, y=ylabel, title=title)
    legend(ax)
    return ax


def _plain(label: Any) -> str:
    return f"{label:g}" if isinstance(label, np.floating) else str(label)


def _around(places: Floats) -> tuple[Floats, Floats]:
    known = places[np.isfinite(places).all(axis=1)]
    if not len(known):
        raise DataError("there is no point to draw", hint="without points, pass window=((x0, x1), (y0, y1))")
    low, high = known.min(axis=0), known.max(axis=0)
    span = high - low
    room = 0.25 * np.where(span > 0, span, span.max() or 4.0)
    return low - room, high + room


def _draw_borders(ax: Axes, borders: Mapping[str, tuple[Sequence[float], float]], places: Floats | None) -> None:
    """Draw the part of each ``w . x + b = 0`` inside of the frame, and ``w`` on it where ``places`` leave room."""
    corners = np.array([ax.get_xlim(), ax.get_ylim()]).T
    found = [(name, np.asarray(w, dtype=float), float(b)) for name, (w, b) in borders.items()]
    ends = [cut(w, b, corners) for _, w, b in found]
    for place, (name, w, _) in enumerate(found):
        if w.any():
            ax.plot(*ends[place].T, color=_border_colour(place), linewidth=2.4, linestyle=_STROKES[place % 4],
                    label=name, zorder=3)  # fmt: skip
    if places is None:
        return
    shares = np.linspace(0, 1, 25)[:, None]
    for place, (_, w, _) in enumerate(found):
        if not len(ends[place]):
            continue
        others = [start + shares * (end - start) for start, end in filter(len, ends[:place] + ends[place + 1 :])]
        foot, tip, ahead = _free_normal(ends[place], w, corners, np.concatenate([places, *others]))
        places = np.concatenate([places, [tip, (foot + tip) / 2]])
        colour = _border_colour(place)
        draw_arrow(ax, foot, tip, colour)
        ax.annotate("w", tuple(tip), tuple(11 * ahead), textcoords="offset points", fontsize=SMALL, color=colour,
                    fontweight="bold", ha="center", va="center", zorder=6, annotation_clip=False)  # fmt: skip


def _border_colour(place: int) -> str:
    return (INK, CURVES[2], CURVES[3], "#7A4E12")[place % 4]


def _free_normal(ends: Floats, w: Floats, corners: Floats, taken: Floats) -> tuple[Floats, Floats, Floats]:
    """Choose where on its border an arrow starts: inside of the frame with its label, and away from what is taken."""
    span = corners[1] - corners[0]
    ahead = w / np.linalg.norm(w)
    feet = ends[0] + np.linspace(0.08, 0.92, 43)[:, None] * (ends[1] - ends[0])
    tips = feet + 0.17 * float(span.min()) * ahead
    labels = feet + 0.24 * float(span.min()) * ahead
    inside = ((labels > corners[0]) & (labels < corners[1])).all(axis=1)
    spots = np.stack([feet, tips, labels], axis=1)
    away = np.linalg.norm((spots[:, :, None] - taken) / span, axis=3).min(axis=(1, 2), initial=1.0)
    middle = np.abs(np.linspace(-1, 1, 43))  # where all is free, the middle looks best
    best = int((np.minimum(away, 0.2) + inside - 0.05 * middle).argmax())
    return feet[best], tips[best], ahead


def cut(w: Floats, b: float, corners: Floats) -> Floats:
    """Return the two ends of ``w . x + b = 0`` within a rectangle, an array of shape (2, 2); (0, 2) if it misses."""
    ends = []
    for axis in (0, 1):
        other = 1 - axis
        for value in corners[:, axis]:
            if w[other]:
                end = np.zeros(2)
                end[axis], end[other] = value, -(w[axis] * value + b) / w[other]
                if corners[0, other] <= end[other] <= corners[1, other]:
                    ends.append(end)
    ends.sort(key=tuple)
    return np.array([ends[0], ends[-1]]) if ends else np.zeros((0, 2))
