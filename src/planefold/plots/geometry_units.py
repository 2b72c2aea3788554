"""The grid that explains a network of one input: its units, before and after, and how they add up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from planefold.core.errors import DataError, show
from planefold.core.records import counted
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.plots.geometry_1d import bends, name_of_output
from planefold.plots.palette import depth_colours, unit_colour
from planefold.plots.style import GREY, INK, quiet
from planefold.reading.choices import check_output
from planefold.reading.models import from_model
from planefold.reading.segments.lines import function
from planefold.reading.segments.records import Line
from planefold.reading.segments.units import UnitCurves, Units, unit_curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_ROWS = 12
_NAMES, _NUMBERS = 11.5, 10  # points, on a figure 7 inches wide: still read when it is 13 cm wide
#: What the columns of the grids show.
COLUMNS = ("sum before activation", "after activation", "times output weight", "running total")


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """One of the terms that an output is the sum of, at some points.

    Parameters
    ----------
    unit : int
        -1 for the path from the inputs on which nothing folds.
    name : str
    weight : float or None
        What the unit is multiplied by.
    values : ndarray of shape (n_points,)
    before, total : ndarray of shape (n_points,)
        The running total without it, which begins with the bias, and with it.
    """

    unit: int
    name: str
    weight: float | None
    values: Floats
    before: Floats
    total: Floats


def parts_of(found: Units, output: int) -> list[Part]:
    """Take an output apart: the straight path as one, where there is one, then the units that it reads."""
    terms = found.terms(output)
    straight = terms.values[:, terms.units < 0]
    added: list[tuple[int, str, float | None, Floats]] = []
    if terms.weights[terms.units < 0].any():
        added.append((-1, "straight path", None, straight.sum(axis=1)))
    added += [
        (int(unit), found.net.unit_name(int(unit)), float(terms.weights[k]), terms.values[:, k])
        for k, unit in enumerate(terms.units)
        if unit >= 0
    ]
    total, parts = np.full(len(terms.values), terms.bias), []
    for unit, name, weight, values in added:
        before, total = total, total + values
        parts.append(Part(unit=unit, name=name, weight=weight, values=values, before=before, total=total))
    return parts


def unit_grid(model: Any, low: float, high: float, *, output: int = 0, figure: Figure | None = None) -> Figure:
    """Draw each unit of a network of one input before and after its activation, and how the units add up.

    Parameters
    ----------
    model : PiecewiseLinearNet or whatever ``planefold.reading.from_model`` reads
        With one input.
    low, high : float
        From where to where the input goes.
    output : int
        Which output, before the link.
    figure : Figure, optional
        Where to draw; without it, a new one.

    Returns
    -------
    Figure
        ``.savefig("units.png")`` saves it. One hidden layer of up to 12 units has a row for each unit, other networks
        a row for each layer; the last row is the output, with its pieces numbered and a dot at each bend.

    Raises
    ------
    DataError
        If the network has another number of inputs, or ``low`` is not below ``high``.
    ParameterError
        If there is no such output.

    Notes
    -----
    Exact: every curve is drawn through its own breakpoints, none is sampled.
    """
    net = from_model(model)
    if net.n_inputs != 1:
        raise DataError(
            f"{net.description} has {net.n_inputs} inputs; the grid of curves is for one",
            hint="surface_grid draws two inputs; net.restricted(origin, [direction]) is the network along a line",
        )
    if not (np.isfinite([low, high]).all() and low < high):
        raise DataError(f"low={show(low)} and high={show(high)} span nothing", hint="low must be below high")
    check_output(output, net.n_outputs)
    path, found = function(net, low, high), unit_curves(net, low, high)
    parts = parts_of(found, output)
    if len(net.widths) == 1 and len(parts) <= _MOST_ROWS:
        return _by_unit(path, found, parts, output, figure)
    return _by_layer(path, found, parts, output, figure)


def _by_unit(path: Line, found: UnitCurves, parts: list[Part], output: int, figure: Figure | None) -> Figure:
    net, x, n_rows = found.net, path.ends, len(parts)
    colours = {part.unit: unit_colour(i) for i, part in enumerate(parts)} | {-1: GREY}
    height = 1.25 if n_rows <= 4 else 0.8
    figure = figure or _new_figure(n_rows * height + 3.1)
    grid = figure.add_gridspec(n_rows + 1, 4, height_ratios=[height] * n_rows + [2.5])
    axes = np.empty((n_rows, 4), dtype=object)
    for (i, j), _ in np.ndenumerate(axes):
        axes[i, j] = figure.add_subplot(grid[i, j], sharex=axes[0, 0], sharey=axes[0, j] if i else None)
    coefs, intercepts = net.maps_of_units(np.ones(net.n_units, dtype=np.int8))
    for i, part in enumerate(parts):
        colour = colours[part.unit]
        curves = [found.before[:, part.unit], found.after[:, part.unit]] if part.unit >= 0 else [None, None]
        for ax, y in zip(axes[i], [*curves, part.values, part.total], strict=True):
            if y is None:
                ax.set_axis_off()
                continue
            ax.axhline(0, color=GREY, linewidth=0.6)
            if y is part.total:
                ax.plot(x, part.before, color=GREY, linewidth=1, linestyle="--")
            ax.plot(x, y, color=INK if y is part.total else colour, linewidth=1.8)
            for place in _creases(path, [part.unit]):
                ax.axvline(place, color=colour, linewidth=0.8, linestyle=":")
        _frame_row(axes[i], part.name.split(", ")[-1], is_last=i == n_rows - 1)
        if part.weight is not None:
            _note(axes[i, 0], _formula(coefs[part.unit, 0], intercepts[part.unit]))
            _note(axes[i, 2], f"× {part.weight:.3g}".replace("-", "−"))
    for ax, title in zip(axes[0], COLUMNS, strict=True):
        ax.set_title(in_two_rows(title), fontsize=_NAMES)
        low, high = ax.get_ylim()
        ax.set_ylim(low, high + (0.26 if height > 1 else 0.45) * (high - low))
    _note(axes[0, 3], f"bias {parts[0].before[0]:.3g}".replace("-", "−"))
    ax = figure.add_subplot(grid[-1, :])
    _output(ax, net, path, output, [colours.get(units[0], GREY) for units in path.units])
    return figure


def _by_layer(path: Line, found: UnitCurves, parts: list[Part], output: int, figure: Figure | None) -> Figure:
    net, x, depths = found.net, path.ends, found.net.depths()
    layers = sorted(set(depths.tolist()))
    figure = figure or _new_figure((len(layers) + 1) * 1.7 + 3.0)
    grid = figure.add_gridspec(len(layers) + 2, 2, height_ratios=[1.7] * (len(layers) + 1) + [2.5])
    colours = depth_colours(layers)
    for i, layer in enumerate(layers):
        units = np.flatnonzero(depths == layer)
        for j, values in enumerate((found.before, found.after)):
            ax = figure.add_subplot(grid[i, j])
            _overlay(ax, x, values[:, units].T, [unit_colour(n) for n in range(len(units))])
            _rug(ax, _creases(path, units.tolist()), colours[layer])
            quiet(ax, x="", y=_layer_name(net, int(units[0])) if j == 0 else "")
            ax.yaxis.label.set_fontsize(_NAMES)
            if i == 0:
                ax.set_title(COLUMNS[j], fontsize=_NAMES)
    left, right = (figure.add_subplot(grid[-2, j]) for j in range(2))
    _overlay(
        left, x, [part.values for part in parts], [GREY if p.unit < 0 else unit_colour(n) for n, p in enumerate(parts)]
    )
    greys = [str(0.75 - 0.62 * (n + 1) / len(parts)) for n in range(len(parts))]
    _overlay(right, x, [part.total for part in parts], greys)
    for ax, title in ((left, COLUMNS[2]), (right, COLUMNS[3])):
        ax.set_title(title, fontsize=_NAMES)
        quiet(ax, x="", y="what adds up" if ax is left else "")
        ax.yaxis.label.set_fontsize(_NAMES)
    ax = figure.add_subplot(grid[-1, :])
    _output(ax, net, path, output, [colours[int(depths[units[0]])] for units in path.units])
    return figure


def _overlay(ax: Axes, x: Floats, curves: Iterable[Floats], colours: Sequence[str]) -> None:
    many = len(colours) > _MOST_ROWS
    ax.axhline(0, color=GREY, linewidth=0.6)
    for y, colour in zip(curves, colours, strict=True):
        ax.plot(x, y, color=colour, linewidth=0.8 if many else 1.5, alpha=0.45 if many else 1.0)
    ax.set_xlim(x[0], x[-1])
    ax.tick_params(labelsize=_NUMBERS, labelbottom=False)
    ax.tick_params(axis="x", length=0)
    ax.locator_params(axis="y", nbins=4)


def _output(ax: Axes, net: PiecewiseLinearNet, path: Line, output: int, colours: list[Any]) -> None:
    """Draw the output, a dot at each bend in the colour of what bends there, and the numbers of the pieces between."""
    x, y, inner = path.ends, path.values[:, output], bends(path, output)
    ax.axhline(0, color=GREY, linewidth=0.6)
    ax.plot(x, y, color=INK, linewidth=2)
    for end in inner:
        ax.axvline(x[end], color=colours[end - 1], linewidth=0.8, linestyle=":")
    dots = [colours[end - 1] for end in inner]
    ax.scatter(x[inner], y[inner], s=34, facecolors=dots, edgecolors="white", linewidths=0.9, zorder=4)
    ends = np.array([x[0], *x[inner], x[-1]])
    middles = (ends[:-1] + ends[1:]) / 2
    if len(middles) <= 25:
        narrow = np.diff(ends) < (x[-1] - x[0]) / 45
        for number, (place, is_narrow) in enumerate(zip(middles, narrow, strict=True), start=1):
            if not is_narrow:
                ax.text(
                    place, 0.97, str(number), transform=ax.get_xaxis_transform(), ha="center", va="top",
                    fontsize=_NUMBERS, color=INK,
                    bbox={"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": GREY, "lw": 0.6},
                )  # fmt: skip
    ax.set_xlim(x[0], x[-1])
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.16 * (high - low))
    title = f"output: {counted(len(middles), 'piece')}, {counted(len(inner), 'bend')}"
    ax.set_title(title, fontsize=_NAMES, loc="left")
    quiet(ax, x=net.input_names[0] if net.input_names else "x", y=name_of_output(net, output))
    enlarge(ax)


def _frame_row(axes: Any, name: str, *, is_last: bool) -> None:
    for j, ax in enumerate(axes):
        quiet(ax, x="", y="")
        ax.margins(x=0.02, y=0.12)
        ax.tick_params(labelsize=_NUMBERS, labelbottom=is_last)
        ax.locator_params(nbins=3, steps=[1, 2, 5, 10])
        if j == 0:
            ax.set_ylabel(name, fontsize=_NAMES)
    if not axes[0].axison:
        axes[2].set_ylabel(name, fontsize=_NAMES)


def in_two_rows(title: str) -> str:
    """Break the title of a narrow column after its middle word."""
    words = title.split()
    half = (len(words) + 1) // 2
    return " ".join(words[:half]) + "\n" + " ".join(words[half:])


def enlarge(ax: Axes) -> None:
    """Give an axes the letters of the grid."""
    ax.tick_params(labelsize=_NUMBERS)
    for label in (ax.xaxis.label, ax.yaxis.label):
        label.set_fontsize(_NAMES)


def _rug(ax: Axes, places: Floats, colour: Any) -> None:
    ax.plot(places, np.full(len(places), 0.035), "|", color=colour, markersize=8, markeredgewidth=1.3,
            transform=ax.get_xaxis_transform(), zorder=5)  # fmt: skip


def _creases(path: Line, units: list[int]) -> Floats:
    """Return where any of some units bends."""
    mine = set(units)
    return path.ends[1:-1][[not mine.isdisjoint(bent) for bent in path.units]]


def _note(ax: Axes, text: str) -> None:
    note = ax.text(
        0.03, 0.97, text, transform=ax.transAxes, fontsize=_NUMBERS, va="top", color=INK,
        bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.0},
    )  # fmt: skip
    note.set_in_layout(False)  # a long one may reach over the edge; its column is as wide as the others


def _formula(slope: float, intercept: float) -> str:
    factor = {1.0: "", -1.0: "−"}.get(slope, f"{slope:.3g}")
    shift = f" {'+' if intercept > 0 else '−'} {abs(intercept):.3g}" if intercept else ""
    return f"{factor}x{shift}".replace("-", "−")


def _layer_name(net: PiecewiseLinearNet, unit: int) -> str:
    fold, _ = net.fold_of(unit)
    n_units = int((net.depths() == fold.depth).sum())
    return f"{fold.layer}\n({n_units} unit{'s' if n_units > 1 else ''})"


def _new_figure(height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(7.0, min(height, 14.0)), layout="constrained")
