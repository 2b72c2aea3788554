"""What top views are made of: segments, arrows, polygons, exact shading, badges and a frame."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from planefold.plots.palette import tint, unit_colour, value_shades
from planefold.plots.style import INK, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection

    from planefold.networks.affine import Floats
    from planefold.reading.slices.records import Planes
    from planefold.reading.slices.restrictions import View

_PIXELS = 400  # across and up, where regions are smaller than that
_SHADES = 24  # a triangle whose corners lie further apart than one of so many shades is halved


def draw_segments(
    ax: Axes, segments: Floats, colour: Any, *, width: float, label: str = "_", style: str = "-", zorder: float = 3
) -> None:
    """Draw straight pieces, an array of shape (n, 2, 2), in one colour."""
    from matplotlib.collections import LineCollection

    drawn = LineCollection(list(segments), colors=[colour], linewidths=width, linestyles=style, zorder=zorder)
    drawn.set(label=label, capstyle="round")
    ax.add_collection(drawn)


def draw_arrow(ax: Axes, start: Floats, tip: Floats, colour: str) -> None:
    """Draw an arrow whose tip is exactly there."""
    if np.array_equal(start, tip):
        ax.plot(*start, "o", color=colour, markersize=7, zorder=6)
        return
    head = {"arrowstyle": "-|>", "color": colour, "lw": 2.6, "mutation_scale": 19, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", tuple(tip), tuple(start), arrowprops=head, zorder=6, annotation_clip=False)
    ax.plot(*np.stack([start, tip]).T, alpha=0)  # so that a legend finds no free place here


def draw_polygons(ax: Axes, corners: list[Floats], colours: npt.ArrayLike) -> PolyCollection:
    """Fill polygons, each in its colour, without seams between neighbours of one colour."""
    from matplotlib.collections import PolyCollection

    # Smoothed sides would let the background through where two polygons meet.
    drawn = PolyCollection(corners, facecolors=colours, edgecolors="face", linewidths=0.3, zorder=1, antialiaseds=False)
    ax.add_collection(drawn)
    return drawn


def polygons_of(planes: Planes) -> list[Floats]:
    """Return the corners of each region."""
    return np.split(planes.vertices[planes.polygon_vertices], planes.polygon_starts[1:-1])


def draw_pixels(ax: Axes, view: View, output: int) -> Any:
    """Shade each pixel of a rectangle by the exact value in its middle; returns what a colour bar needs."""
    low, high = view.window.min(axis=0), view.window.max(axis=0)
    middles = (np.arange(_PIXELS) + 0.5) / _PIXELS
    u, v = (low[axis] + (high - low)[axis] * middles for axis in (0, 1))
    values = view.net.outputs(np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2))[:, output]
    cmap, norm = value_shades(values)
    return ax.imshow(
        values.reshape(_PIXELS, _PIXELS), extent=(low[0], high[0], low[1], high[1]), origin="lower", aspect="auto",
        cmap=cmap, norm=norm, interpolation="nearest", zorder=1,
    )  # fmt: skip


def draw_values(ax: Axes, planes: Planes, values: Floats, shades: tuple[Any, Any] | None = None) -> Any:
    """Shade each point by what is affine on every region, given at the vertices; returns what a colour bar needs."""
    from matplotlib.tri import Triangulation

    corners = triangles_of(planes)
    points, heights = halved(planes.vertices[corners], values[corners], float(np.ptp(values)) / _SHADES)
    cmap, norm = shades or value_shades(values)
    flat = points.reshape(-1, 2)
    mesh = Triangulation(flat[:, 0], flat[:, 1], np.arange(len(flat)).reshape(-1, 3))
    return ax.tripcolor(mesh, heights.ravel(), shading="gouraud", cmap=cmap, norm=norm, rasterized=True, zorder=1)


def triangles_of(planes: Planes) -> npt.NDArray[np.int64]:
    """Cut every region into triangles from its first corner: vertex numbers, shape (n_triangles, 3)."""
    starts = np.asarray(planes.polygon_starts[:-1])
    counts = np.diff(planes.polygon_starts) - 2
    first = np.repeat(starts, counts)
    step = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    corners = planes.polygon_vertices
    return np.stack([corners[first], corners[first + step], corners[first + step + 1]], axis=1)


def halved(points: Floats, values: Floats, most: float) -> tuple[Floats, Floats]:
    """Halve triangles along their steepest side until the corners of each differ by at most ``most``.

    Notes
    -----
    The values are affine within a triangle, so its halves are exact. Colours between corners are mixed in RGB, which a
    colour map is not straight in; within one shade of it the difference cannot be seen.
    """
    kept = []
    while len(points):
        wide = np.ptp(values, axis=1) > most if most > 0 else np.zeros(len(points), dtype=bool)
        kept.append((points[~wide], values[~wide]))
        points, values = points[wide], values[wide]
        steepest = np.abs(values - np.roll(values, -1, axis=1)).argmax(axis=1)
        turn = (steepest[:, None] + np.arange(3)) % 3
        points, values = np.take_along_axis(points, turn[:, :, None], axis=1), np.take_along_axis(values, turn, axis=1)
        middle, height = (points[:, 0] + points[:, 1]) / 2, (values[:, 0] + values[:, 1]) / 2
        points = np.concatenate(
            [np.stack([points[:, 0], middle, points[:, 2]], 1), np.stack([middle, points[:, 1], points[:, 2]], 1)]
        )
        values = np.concatenate(
            [np.stack([values[:, 0], height, values[:, 2]], 1), np.stack([height, values[:, 1], values[:, 2]], 1)]
        )
    return np.concatenate([part[0] for part in kept]), np.concatenate([part[1] for part in kept])


def patchwork(planes: Planes, *, share: float = 0.3) -> Floats:
    """Return a light colour for each region, another than its neighbours' where six are enough for that."""
    inner = planes.edge_regions[(planes.edge_regions >= 0).all(axis=1)]
    pairs = np.concatenate([inner, inner[:, ::-1]])
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    starts = np.searchsorted(pairs[:, 0], np.arange(planes.n_regions + 1)).tolist()
    neighbours, chosen = pairs[:, 1].tolist(), [-1] * planes.n_regions
    wishes = np.random.default_rng(0).integers(6, size=planes.n_regions).tolist()
    for region, wish in enumerate(wishes):
        taken = {chosen[other] for other in neighbours[starts[region] : starts[region + 1]]}
        chosen[region] = next((c % 6 for c in range(wish, wish + 6) if c % 6 not in taken), wish)
    return np.array([tint(unit_colour(number), share) for number in range(6)])[chosen]


def draw_badges(ax: Axes, places: list[tuple[Floats, str, Any]], *, size: float = 8) -> None:
    """Write short texts in circles of a colour, at points."""
    for (x, y), text, colour in places:
        ax.text(
            x, y, text, fontsize=size, color="white", ha="center", va="center", zorder=6, fontweight="bold",
            bbox={"boxstyle": "circle,pad=0.22", "facecolor": colour, "edgecolor": "white", "linewidth": 0.8},
        )  # fmt: skip


def free_places(candidates: list[Floats], span: Floats) -> list[Floats]:
    """Choose a point from each array of candidates, far from those that were chosen before."""
    chosen: list[Floats] = []
    for points in candidates:
        if not chosen:
            chosen.append(points[0])
            continue
        away = np.linalg.norm((points[:, None] - np.array(chosen)) / span, axis=2).min(axis=1)
        # Far enough is good enough: the first candidates are the best ones otherwise.
        far = np.flatnonzero(away > 0.09)
        chosen.append(points[far[0] if len(far) else away.argmax()])
    return chosen


def has_one_scale(planes: View) -> bool:
    """Tell whether both axes are numbers of one kind, as far as anybody knows, and neither is much longer."""
    names = (*planes.net.input_names, *planes.source.input_names)
    across, up = np.ptp(planes.window, axis=0)
    return all(re.fullmatch(r"x\d+", name) for name in names) and bool(1 / 3 < across / up < 3)


def view_size(planes: View, *, width: float = 4.9, right: float = 0.0, below: float = 0.0) -> tuple[float, float]:
    """Return a figure's size for a top view of some width, with room on the right and below."""
    across, up = np.ptp(planes.window, axis=0)
    height = width * up / across if has_one_scale(planes) else 0.9 * width
    return 0.75 + width + right, 0.85 + min(height, 1.6 * width) + below


def frame(ax: Axes, planes: View, labels: tuple[str, str] | None = None) -> None:
    """Show the window and nothing else; axes of one unit get one scale."""
    low, high = planes.window.min(axis=0), planes.window.max(axis=0)
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    names = tuple(planes.net.input_names) or tuple(planes.source.input_names)
    if labels is None and has_one_scale(planes):
        ax.set_aspect("equal", adjustable="box")
    if labels is None:
        own = planes.source.n_inputs == 2
        labels = (names[0], names[1]) if own and len(names) == 2 else ("$x_1$", "$x_2$") if own else ("$u$", "$v$")
    quiet(ax, x=labels[0], y=labels[1])
    if len(planes.window) != 4 or not np.isin(planes.window, [low, high]).all():
        ax.fill(*planes.window.T, facecolor="none", edgecolor=INK, linewidth=0.8, zorder=3)
