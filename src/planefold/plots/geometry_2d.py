"""Top views of two inputs: creases, regions, and the map of decisions. Every line and every patch is exact."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError, listed, unknown_choice
from planefold.core.records import counted
from planefold.networks.affine import Floats
from planefold.plots.geometry_1d import legend_below, name_of_output, two_names
from planefold.plots.palette import class_colour, class_marker, depth_colours, tint, value_shades
from planefold.plots.patches import (
    draw_badges,
    draw_pixels,
    draw_polygons,
    draw_segments,
    draw_values,
    frame,
    free_places,
    patchwork,
    polygons_of,
    view_size,
)
from planefold.plots.style import INK, axes_of
from planefold.reading.choices import check_output
from planefold.reading.models import from_model
from planefold.reading.slices.boundaries import decisions
from planefold.reading.slices.columns import FEW_REGIONS, Slice, around, slice_of
from planefold.reading.slices.planes import planes
from planefold.reading.slices.records import Planes
from planefold.reading.slices.restrictions import View

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WAYS = ("output", "slope", "random")
_FEW_UNITS = 12
_MOST_LAYERS_NAMED = 6


def creases(
    model: Any,
    window: npt.ArrayLike | None = None,
    *,
    x: str | int | None = None,
    y: str | int | None = None,
    data: Any = None,
    shade: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw every crease of a network of two inputs, or of a slice through more, coloured by layer.

    Parameters
    ----------
    model : Planes, PiecewiseLinearNet or whatever ``planefold.reading.from_model`` reads
    window : ((x0, x1), (y0, y1)) or array of shape (n_corners, 2), optional
        Which part of the plane. With ``data``, by default what the data span.
    x, y : str or int, optional
        Two input columns; the others are held at what is usual in ``data``: the median, or the most frequent value.
    data : frame or array-like, optional
        Rows, drawn as faint dots; of a slice, where they would lie if all other columns were as they are held.
    shade : bool
        Whether to fill the regions faintly, neighbours in different shades.
    ax : Axes, optional
        Where to draw; without it, a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If the window or the columns do not fit the model.

    Notes
    -----
    Creases of the first layer are straight; deeper ones bend where they meet earlier ones.
    """
    found, labels, dots, held = _read(model, window, x, y, data)
    ax = axes_of(ax, size=view_size(found))
    if shade:
        draw_polygons(ax, polygons_of(found), patchwork(found, share=0.16))
    depths = found.net.depths()
    kinds = found.edge_units[found.edge_units >= 0]
    layers = sorted(set(depths[kinds].tolist()))
    colours = depth_colours(layers)
    if dots is not None and len(dots):
        ax.plot(*dots[:20_000].T, ".", color=INK, markersize=3.5, alpha=0.4, markeredgewidth=0, zorder=4, label="_rows")
    for layer in layers:
        mine = (found.edge_units >= 0) & (depths[np.maximum(found.edge_units, 0)] == layer)
        draw_segments(
            ax, found.vertices[found.edges[mine]], colours[layer], label=_layer_label(found, layer),
            width=_width(layer, len(found.edges)), style="--" if layer == 0 else "-",
        )  # fmt: skip
    if found.net.n_units <= _FEW_UNITS:
        _name_units(ax, found, colours)
    frame(ax, found, labels)
    if held:
        ax.set_xlabel(f"{ax.get_xlabel()}\n" + fill(f"held: {held}", 84), multialignment="center")
    if 1 < len(layers) <= _MOST_LAYERS_NAMED:
        drawn = ax.legend(
            frameon=False, loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=min(3, len(layers)), fontsize=9,
            borderaxespad=0.2, handlelength=1.4, columnspacing=1.2,
        )  # fmt: skip
        for handle in drawn.get_lines():
            handle.set_linewidth(1.8)  # a hairline says nothing of its colour
    elif len(layers) > 1:
        _depth_bar(ax, layers, colours)
    return ax


def regions(
    planes: Planes | Slice, *, by: str = "output", output: int = 0, edges: bool = True, ax: Axes | None = None
) -> Axes:
    """Fill every region: by the output's value, by how steep it is, or just so that neighbours differ.

    Parameters
    ----------
    planes : Planes or Slice
        A slice of more than about 30,000 regions, which nobody could see, is shaded by the output pixel by pixel.
    by : {"output", "slope", "random"}
        "output" shades each point by the exact value there; "slope" each region by the length of its gradient.
    output : int
        Which output, before the link.
    edges : bool
        Whether to draw the borders of the regions.
    ax : Axes, optional
        Where to draw; without it, a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    ParameterError
        For another ``by``, or an output that does not exist.
    """
    if by not in _WAYS:
        raise unknown_choice("by", by, _WAYS)
    check_output(output, planes.net.n_outputs)
    if isinstance(planes, Slice):
        if by == "output" and planes.about_n_regions > FEW_REGIONS:
            ax = axes_of(ax, size=view_size(planes.view, right=1.0))
            _value_bar(ax, draw_pixels(ax, planes.view, output), name_of_output(planes.net, output))
        else:
            ax = regions(planes.planes(), by=by, output=output, edges=edges, ax=ax)
        frame(ax, planes.view, planes.labels)
        return ax
    ax = axes_of(ax, size=view_size(planes, right=0.0 if by == "random" else 1.0))
    if by == "output":
        shades: Any = draw_values(ax, planes, planes.vertex_outputs[:, output])
        said = name_of_output(planes.net, output)
    elif by == "slope":
        steepness = planes.steepness(output)
        cmap, norm = value_shades(steepness)
        draw_polygons(ax, polygons_of(planes), cmap(norm(steepness)))
        shades, said = _scale_of(cmap, norm), "length of the gradient"
    else:
        shades, said = None, ""
        draw_polygons(ax, polygons_of(planes), patchwork(planes))
    if edges:
        inner = planes.edge_units >= 0
        width = 0.6 if len(planes.edges) < 2000 else 0.25
        draw_segments(ax, planes.vertices[planes.edges[inner]], INK if by != "random" else "white", width=width)
    frame(ax, planes)
    if shades is not None:
        _value_bar(ax, shades, said)
    same = planes.n_regions == planes.n_pieces
    pieces = "" if same else f", {counted(planes.n_pieces, 'linear piece')}"
    ax.set_title(counted(planes.n_regions, "activation region") + pieces, fontsize=10, loc="left")
    return ax


def decision_map(
    planes: Planes | Slice,
    *,
    X: npt.ArrayLike | None = None,
    y: npt.ArrayLike | None = None,
    classes: Sequence[Any] | None = None,
    threshold: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Fill the regions of each class, draw the border between them, and put data on top.

    Parameters
    ----------
    planes : Planes or Slice
        Of a classifier. Of a slice only the regions along the border are cut, where there are very many.
    X : array-like of shape (n_rows, 2) or (n_rows, n_inputs), optional
        Points to draw: in the plane's own coordinates, or inputs, which are projected onto it.
    y : array-like of shape (n_rows,), optional
        Their true classes: numbers from 0, or what ``classes`` names.
    classes : sequence, optional
        Names in the order of the outputs; by default those that the network has.
    threshold : float, optional
        Of two classes: from which probability on it is the second; by default as the model decides.
    ax : Axes, optional
        Where to draw; without it, a new figure.

    Returns
    -------
    Axes
        The title counts the decision regions, the legend gives each class's share of the area.

    Raises
    ------
    DataError
        If X and y do not fit each other or the plane.
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    if isinstance(planes, Slice):
        view, labels, found = planes.view, planes.labels, planes.decisions(threshold=threshold)
    else:
        view, labels, found = planes, None, decisions(planes, threshold=threshold)
    parts, border = found.regions, found.border
    n_classes = parts.n_classes
    ax = axes_of(ax, size=view_size(view, below=0.2 + 0.2 * n_classes))
    names = _class_names(view, classes, n_classes)
    fills = np.array([tint(class_colour(number)) for number in range(n_classes)])
    draw_polygons(ax, np.split(parts.points, parts.starts[1:-1]), fills[parts.classes])
    draw_segments(ax, border.segments, INK, width=1.8)
    shares = parts.area_shares
    marks: list[Any] = []
    codes = None if y is None else _codes(y, names)
    dots = None if X is None else _in_plane(view, X)
    if dots is not None and codes is not None and len(dots) != len(codes):
        raise DataError(f"X has {len(dots)} rows, y has {len(codes)}", hint="give one class for each row")
    if dots is not None and codes is None:
        ax.scatter(dots[:, 0], dots[:, 1], s=14, color=INK, alpha=0.6, linewidths=0, zorder=4)
    for number in range(n_classes):
        mine = dots[codes == number] if dots is not None and codes is not None else np.empty((0, 2))
        size = 12 if codes is None or len(codes) > 300 else 30 if len(codes) > 50 else 55
        if len(mine):
            ax.scatter(
                mine[:, 0], mine[:, 1], s=size, color=class_colour(number), marker=class_marker(number),
                edgecolors="white", linewidths=0.5, zorder=4,
            )  # fmt: skip
        said = f"{names[number]} ({_share(shares[number])} of the area)"
        if len(mine):
            marks.append(
                Line2D([], [], color=class_colour(number), marker=class_marker(number), linestyle="", label=said)
            )
        else:
            marks.append(Patch(facecolor=fills[number], edgecolor=class_colour(number), label=said))
    frame(ax, view, labels)
    n = parts.n_regions
    ax.set_title(f"{n:,} decision region{'s' if n != 1 else ''}", fontsize=10, loc="left")
    legend_below(ax, marks, [str(mark.get_label()) for mark in marks])
    return ax


# ------------------------------------------------------------------------------------------------------ what they need


def _read(
    model: Any, window: npt.ArrayLike | None, x: str | int | None, y: str | int | None, data: Any
) -> tuple[Planes, tuple[str, str] | None, Floats | None, str]:
    """Return the planes, the names of the axes, the rows as points of the plane, and what is held."""
    if isinstance(model, Planes):
        return model, None, None if data is None else _in_plane(model, data), ""
    if x is not None or y is not None:
        cut = slice_of(model, x, y, data)
        found = planes(cut.net, cut.window if window is None else window, origin=cut.origin, directions=cut.directions)
        return found, cut.labels, cut.points, cut.held()
    net = from_model(model)
    if net.n_inputs != 2:
        raise DataError(
            f"{net.description} has {net.n_inputs} inputs; a top view shows two",
            hint="name two columns, creases(model, x=..., y=..., data=...), or give planes(model, window, origin=..., "
            "directions=...)",
        )
    points = None if data is None else net.rows(data)
    if window is None:
        if points is None:
            raise DataError("without a window, nothing says which part of the plane to draw", hint="give a window")
        window = around(points)
    return planes(net, window), None, points, ""


def _in_plane(planes: View, X: npt.ArrayLike) -> Floats:
    """Return rows in the coordinates of the plane; inputs are projected onto it."""
    points = np.asarray(X, dtype=np.float64)
    if points.ndim == 2 and points.shape[1] == 2 and planes.source.n_inputs != 2:
        return points
    away = planes.source.rows(points) - planes.origin
    return np.asarray(np.linalg.lstsq(planes.directions.T, away.T, rcond=None)[0].T)


def _layer_label(planes: Planes, layer: int) -> str:
    units = np.flatnonzero(planes.net.depths() == layer)
    name = planes.net.fold_of(int(units[0]))[0].layer
    return f"{name} ({len(units)} unit{'s' if len(units) > 1 else ''})"


def _width(layer: int, n_edges: int) -> float:
    base = 1.9 if n_edges < 300 else 1.2 if n_edges < 3000 else 0.6 if n_edges < 20_000 else 0.35
    return base * max(0.55, 1 - 0.15 * max(layer - 1, 0))


def _name_units(ax: Axes, planes: Planes, colours: dict[int, Any]) -> None:
    """Put a badge with its number on each crease, on a long straight piece of it."""
    names, candidates = [], []
    for unit in np.unique(planes.edge_units[planes.edge_units >= 0]):
        ends = planes.vertices[planes.edges[planes.edge_units == unit]]
        length = np.linalg.norm(ends[:, 0] - ends[:, 1], axis=1)
        longest = ends[np.argsort(-length, kind="stable")]
        candidates.append(np.concatenate([np.tensordot(longest, [w, 1 - w], axes=(1, 0)) for w in (0.5, 0.25, 0.75)]))
        fold, place = planes.net.fold_of(int(unit))
        names.append((str(place + 1), colours[fold.depth]))
    chosen = free_places(candidates, np.ptp(planes.window, axis=0))
    draw_badges(ax, [(point, *name) for point, name in zip(chosen, names, strict=True)])


def _depth_bar(ax: Axes, layers: list[int], colours: dict[int, Any]) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, ListedColormap

    edges = np.arange(len(layers) + 1) - 0.5
    scale = ScalarMappable(BoundaryNorm(edges, len(layers)), ListedColormap([colours[layer] for layer in layers]))
    bar = ax.figure.colorbar(scale, ax=ax, shrink=0.7, pad=0.02, ticks=np.arange(len(layers)))
    bar.ax.set_yticklabels([str(layer) for layer in layers])
    bar.set_label("layer")


def _value_bar(ax: Axes, shades: Any, said: str) -> None:
    bar: Any = ax.figure.colorbar(shades, ax=ax, shrink=0.9, pad=0.02)
    bar.set_label(said)
    bar.outline.set_visible(False)


def _scale_of(cmap: Any, norm: Any) -> Any:
    from matplotlib.cm import ScalarMappable

    return ScalarMappable(norm, cmap)


def _class_names(planes: View, classes: Sequence[Any] | None, n_classes: int) -> list[str]:
    own = list(planes.net.output_names)
    if classes is None and len(own) != n_classes:
        own = two_names(own) if n_classes == 2 else [f"class {k}" for k in range(n_classes)]
    names = [str(name) for name in (own if classes is None else classes)]
    if len(names) != n_classes:
        raise DataError(f"classes has {len(names)} names, the network tells {n_classes} classes apart")
    return names


def _codes(y: npt.ArrayLike, names: list[str]) -> npt.NDArray[np.int64]:
    """Return classes as numbers from 0: those that they are, or the place of their name."""
    labels = np.asarray(y).ravel()
    said = [str(label) for label in labels.tolist()]
    if set(said) <= set(names):
        return np.array([names.index(label) for label in said])
    if labels.dtype.kind in "iufb" and np.isin(labels, np.arange(len(names))).all():
        return labels.astype(np.int64)
    unknown = next(label for label in said if label not in names)
    raise DataError(f"y holds {unknown}, which is none of the classes", details=f"there are {listed(names)}")


def _share(share: float) -> str:
    is_round = 0.01 <= share <= 0.99 or min(share, 1 - share) < 1e-9  # shares of areas add up to 1 but for rounding
    return f"{share:.0%}" if is_round else f"{share:.1%}"
