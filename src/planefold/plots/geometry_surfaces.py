"""The grid that explains a network of two inputs: its units as surfaces, how they add up, and the planes of the sum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError, ParameterError
from planefold.networks.affine import Floats
from planefold.plots.geometry_1d import name_of_output
from planefold.plots.geometry_2d import creases
from planefold.plots.geometry_units import COLUMNS, Part, enlarge, in_two_rows, parts_of
from planefold.plots.palette import tint, unit_colour, value_shades
from planefold.plots.patches import draw_segments, draw_values, frame, patchwork
from planefold.plots.style import GREY, INK
from planefold.reading.choices import check_output
from planefold.reading.models import from_model
from planefold.reading.segments.units import Units, units_at
from planefold.reading.slices.contours import contours
from planefold.reading.slices.planes import planes
from planefold.reading.slices.records import Planes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_UNITS = 8
_MOST_REGIONS = 2000
_NAMES, _NUMBERS = 11.5, 9.5  # points, on a figure 7.6 inches wide: still read when it is 13 cm wide


def surface_grid(model: Any, window: npt.ArrayLike, *, output: int = 0, figure: Figure | None = None) -> Figure:
    """Draw each unit of a network of two inputs before and after its activation, and how the units add up.

    Parameters
    ----------
    model : PiecewiseLinearNet or whatever ``planefold.reading.from_model`` reads
        With two inputs, and at most 8 units.
    window : ((x0, x1), (y0, y1))
        Which part of the plane.
    output : int
        Which output, before the link.
    figure : Figure, optional
        Where to draw; without it, a new one.

    Returns
    -------
    Figure
        A row for each unit; the last row is the sum: its planes, its contour lines, and its creases from above.

    Raises
    ------
    DataError
        If the network has another number of inputs, or the window is none.
    ParameterError
        If the network has too many units for a grid, or there is no such output.

    Notes
    -----
    Exact: every patch of a surface is one plane, and contour lines are straight pieces within the planes.
    """
    net = from_model(model)
    if net.n_inputs != 2:
        raise DataError(
            f"{net.description} has {net.n_inputs} inputs; the grid of surfaces is for two",
            hint="unit_grid draws one input; net.restricted(origin, directions) is the network on a plane",
        )
    check_output(output, net.n_outputs)
    if not 0 < net.n_units <= _MOST_UNITS:
        raise ParameterError(
            f"{net.description} has {net.n_units} units; the grid has a row for each of 1 to {_MOST_UNITS}",
            hint="surface, regions and creases draw networks of any size",
        )
    found = planes(net, window)
    units = units_at(net, found.vertices)
    parts = parts_of(units, output)
    part_of = {part.unit: part for part in parts}
    listed = [-1] * (-1 in part_of) + list(range(net.n_units))
    figure = figure or _new_figure(1.6 * len(listed) + 3.5)
    upper, lower = _grids(figure, len(listed))
    shades = value_shades(np.concatenate([part.values for part in parts]))
    for i, unit in enumerate(listed):
        axes = [figure.add_subplot(upper[i, j], projection=None if j == 2 else "3d") for j in range(4)]
        _row(axes, found, units, unit, unit_colour(i) if unit >= 0 else GREY)
        _row_of_sum(axes[2:], found, parts, part_of.get(unit), shades)
        if i == 0:
            for ax, title in zip(axes, COLUMNS, strict=True):
                box = ax.get_position()
                figure.text((box.x0 + box.x1) / 2, 1 - 0.08 / figure.get_size_inches()[1], in_two_rows(title),
                            fontsize=_NAMES,
                            ha="center", va="top")  # fmt: skip
    spot = figure.add_subplot(lower[0], projection="3d")
    surface(found, output=output, ax=spot)
    flat = figure.add_subplot(lower[1])
    _contours(flat, found, output)
    top = creases(found, shade=True, ax=figure.add_subplot(lower[2]))
    legend = top.get_legend()
    if legend is not None:  # there is a title in its place, and the badges have the colours too
        legend.remove()
    top.set_title("from above", fontsize=_NAMES)
    flat.set_ylabel("")  # which the corner of the surface would touch
    for ax in (flat, top):
        enlarge(ax)
        ax.locator_params(nbins=4)
    return figure


def surface(planes: Planes, *, output: int = 0, ax: Any = None) -> Any:
    """Draw the graph of an output over two inputs, each plane a polygon in space.

    Parameters
    ----------
    planes : Planes
    output : int
        Which output, before the link.
    ax : Axes3D, optional
        Where to draw; without it, a new figure.

    Returns
    -------
    Axes3D

    Raises
    ------
    ParameterError
        If there are more than 2,000 regions, which nobody can see as planes, or no such output.
    """
    check_output(output, planes.net.n_outputs)
    if planes.n_regions > _MOST_REGIONS:
        raise ParameterError(
            f"{planes.n_regions:,} regions are too many for a surface; {_MOST_REGIONS:,} are the most",
            hint="draw a smaller window, or plots.regions(planes)",
        )
    if ax is None:
        from matplotlib.figure import Figure

        ax = Figure(figsize=(6.0, 5.0), layout="constrained").add_subplot(projection="3d")
    heights = planes.vertex_outputs[:, output]
    _patches(ax, planes, heights, patchwork(planes, share=0.45))
    _space(ax, planes, heights)
    names = tuple(planes.net.input_names) or ("$x_1$", "$x_2$")
    ax.set_xlabel(names[0], labelpad=-6, fontsize=_NAMES)
    ax.set_ylabel(names[1], labelpad=-6, fontsize=_NAMES)
    ax.set_title(f"{name_of_output(planes.net, output)}: {planes.n_pieces:,} planes", fontsize=_NAMES)
    return ax


def _row(axes: list[Any], found: Planes, units: Units, unit: int, colour: str) -> None:
    """Draw a unit before and after its activation, bright where it is on."""
    name = "straight path" if unit < 0 else found.net.unit_name(unit)
    if len(found.net.widths) == 1:
        name = name.split(", ")[-1]
    box = axes[0].get_position()
    axes[0].figure.text(0.016, (box.y0 + box.y1) / 2, name, rotation=90, ha="center", va="center", fontsize=_NAMES,
                        color=colour)  # fmt: skip
    if unit < 0:
        for ax in axes[:2]:
            ax.set_axis_off()
        return
    before, after = units.before[:, unit], units.after[:, unit]
    on = _means(found, before) > 0
    faces = np.where(on[:, None], np.array(tint(colour, 0.75)), np.array(tint(colour, 0.22)))
    for ax, heights in zip(axes, (before, after), strict=False):
        _patches(ax, found, heights, faces, lines=_crease(found, before))
        _space(ax, found, np.concatenate([before, after]))


def _row_of_sum(axes: list[Any], found: Planes, parts: list[Part], part: Part | None, shades: Any) -> None:
    """Draw what a unit adds to the output, and the sum so far with the creases that it has so far."""
    if part is None:
        for ax in axes:
            ax.set_axis_off()
        return
    flat, solid = axes
    draw_values(flat, found, part.values, shades)
    if part.unit >= 0:
        draw_segments(flat, found.vertices[found.edges[_crease(found, part.values)]], INK, width=1.4)
    frame(flat, found)
    flat.set(xlabel="", ylabel="")
    flat.tick_params(labelsize=_NUMBERS)
    flat.locator_params(nbins=3)
    if part.weight is not None:
        flat.text(
            0.04, 0.95, f"× {part.weight:.3g}".replace("-", "−"), transform=flat.transAxes, va="top", fontsize=_NUMBERS,
            color=INK, bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1}, zorder=5,
        )  # fmt: skip
    depths = found.net.depths()
    earlier = [other.unit for other in parts[: parts.index(part) + 1] if other.unit >= 0]
    earlier += np.flatnonzero(depths < depths[part.unit]).tolist() if part.unit >= 0 else []
    _patches(solid, found, part.total, np.tile(tint(GREY, 0.35), (found.n_regions, 1)),
             lines=np.flatnonzero(np.isin(found.edge_units, earlier)))  # fmt: skip
    _space(solid, found, np.concatenate([other.total for other in parts]))


def _contours(ax: Axes, found: Planes, output: int) -> None:
    from matplotlib.ticker import MaxNLocator

    values = found.vertex_outputs[:, output]
    draw_values(ax, found, values)
    levels = [float(level) for level in MaxNLocator(9).tick_values(values.min(), values.max())]
    levels = [level for level in levels if values.min() < level < values.max()]
    for contour in contours(found, levels, output=output):
        if not len(contour.segments):
            continue
        draw_segments(ax, contour.segments, INK, width=1.8 if contour.level == 0 else 0.8)
        length = np.linalg.norm(
            (contour.segments[:, 0] - contour.segments[:, 1]) / np.ptp(found.window, axis=0), axis=1
        )
        if length.max() > 0.12:  # a shorter piece would vanish behind its label
            x, y = contour.segments[length.argmax()].mean(axis=0)
            ax.text(
                x, y, f"{contour.level:g}".replace("-", "−"), fontsize=_NUMBERS - 2,
                ha="center", va="center", zorder=5,
                bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.6},
            )  # fmt: skip
    frame(ax, found)
    ax.set_title("contour lines", fontsize=_NAMES)


def _crease(found: Planes, sums: Floats) -> npt.NDArray[np.int64]:
    """Return the edges on which a unit folds; an edge that several units share is named after only one of them."""
    level = np.abs(sums) <= 1e-9 * np.abs(sums).max()
    sides = np.append(_means(found, np.where(level, 0.0, sums)), np.nan)[found.edge_regions]  # nan is outside
    parts = (np.sign(sides[:, 0]) != np.sign(sides[:, 1])) & ~np.isnan(sides).any(axis=1)
    return np.flatnonzero(level[found.edges].all(axis=1) & parts)


def _means(found: Planes, values: Floats) -> Floats:
    """Mean of what vertices are worth, over the corners of each region."""
    sums = np.add.reduceat(values[found.polygon_vertices], found.polygon_starts[:-1])
    return np.asarray(sums / np.diff(found.polygon_starts))


def _patches(
    ax: Any, found: Planes, heights: Floats, faces: npt.ArrayLike, *, lines: npt.NDArray[np.int64] | None = None
) -> None:
    """Draw each region as a polygon in space, and edges on it: all of them, or those given by number."""
    from matplotlib.colors import LightSource
    from mpl_toolkits.mplot3d.art3d import (  # type: ignore[import-untyped, unused-ignore]
        Line3DCollection,
        Poly3DCollection,
    )

    corners = np.column_stack([found.vertices, heights])
    # Steepness is what tells planes apart, so the light must see it at any unit of the output.
    span = np.ptp(corners, axis=0)
    lit = corners / np.where(span > 0, span, 1.0)
    rings = _even_rings(found)
    shares = _shade(lit[rings], LightSource(225, 50).direction)
    colours = np.asarray(faces, dtype=float)[:, :3] * shares[:, None]
    # Sides that belong to a polygon are hidden with it; lines of their own can only lie above the surface.
    sides = colours if lines is not None else INK
    ax.computed_zorder = False  # by which the lines would vanish behind what they lie on
    ax.add_collection3d(
        Poly3DCollection(corners[rings], facecolors=colours, edgecolors=sides, linewidths=0.4, zorder=1, clip_on=False)
    )
    if lines is not None and len(lines):
        drawn = corners[found.edges[lines]] + np.array([0, 0, 0.004 * span[2]])
        ax.add_collection3d(Line3DCollection(drawn, colors=INK, linewidths=1.0, zorder=2, clip_on=False))


def _even_rings(found: Planes) -> npt.NDArray[np.int64]:
    """Return the vertices of each region, (n_regions, n_most), corners repeated evenly where there are fewer.

    Of polygons with different numbers of corners matplotlib projects what happens to lie in memory behind the shorter
    ones, with a warning if that is large.
    """
    counts = np.diff(found.polygon_starts)
    most = int(counts.max())
    places = found.polygon_starts[:-1, None] + np.arange(most) * counts[:, None] // most
    return np.asarray(found.polygon_vertices[places])


def _shade(polygons: Floats, light: Floats) -> Floats:
    """Return how bright each polygon is, from 0.72 to 1, by the angle between its normal and the light."""
    spokes = polygons - polygons[:, :1]
    crosses = np.cross(spokes, np.roll(spokes, -1, axis=1)).sum(axis=1)
    length = np.linalg.norm(crosses, axis=1, keepdims=True)
    normals = crosses / np.where(length > 0, length, 1.0)
    return np.asarray(0.72 + 0.28 * np.clip(normals @ light, 0, 1))


def _space(ax: Any, found: Planes, heights: Floats) -> None:
    from matplotlib.ticker import MaxNLocator

    low, high = found.window.min(axis=0), found.window.max(axis=0)
    bottom, top = float(heights.min()), float(heights.max())
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), zlim=(bottom, top if top > bottom else bottom + 1))
    ax.set_box_aspect((1, 1, 0.72), zoom=1.28)
    ax.view_init(elev=28, azim=-125)
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.set_pane_color((1, 1, 1, 0))
        axis._axinfo["grid"].update(color="#DDDDDD", linewidth=0.5)
    ax.tick_params(labelsize=_NUMBERS - 1, pad=-3)
    # Few numbers, and one at each corner: where two axes meet, the second has none.
    for axis, most, prune in ((ax.xaxis, 3, None), (ax.yaxis, 3, "lower"), (ax.zaxis, 4, "lower")):
        axis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10], prune=prune))
    ax.patch.set_visible(False)  # which would hide the lowest numbers of the row above
    ax.set_in_layout(False)  # whose sizes the layout gets wrong in three dimensions


def _grids(figure: Figure, n_rows: int) -> tuple[Any, Any]:
    """Lay out the rows of units and the row of the sum; axes in space have no use for an automatic layout."""
    figure.set_layout_engine("none")
    height = figure.get_size_inches()[1]
    edge = 3.35 / height
    upper = figure.add_gridspec(n_rows, 4, left=0.06, right=0.985, top=1 - 0.5 / height, bottom=edge + 0.25 / height,
                                wspace=0.12, hspace=0.22)  # fmt: skip
    lower = figure.add_gridspec(1, 3, left=0.07, right=0.985, top=edge - 0.35 / height, bottom=0.5 / height,
                                wspace=0.3, width_ratios=[1.15, 1, 1])  # fmt: skip
    return upper, lower


def _new_figure(height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(7.6, min(height, 17.0)))
