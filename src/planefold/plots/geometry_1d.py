"""Networks along a line: pieces, kinks, creases and decisions; exact curves of one column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.plots.palette import class_colour, depth_colours, tint
from planefold.plots.style import BLUE, GREY, INK, axes_of, quiet
from planefold.reading.choices import check_output
from planefold.reading.models import from_model

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from planefold.reading.segments.curves import Curve
    from planefold.reading.segments.records import Line
_MOST_OUTPUTS = 8
_FEW_DOTS, _MOST_DOTS = 50, 400
_MOST_KINKS = 40


def bends(line: Line, output: int = 0) -> list[int]:
    """Return which ends of the pieces are bends of one output: numbers into ``line.ends``."""
    slopes = line.slopes[:, output]
    # A kink of any output is one of this output too where its slope changes by more than rounding.
    size = np.maximum(np.abs(slopes[1:]), np.abs(slopes[:-1]))
    return [int(k) + 1 for k in np.flatnonzero(line.kinks & (np.abs(np.diff(slopes)) > 1e-12 * size))]


def name_of_output(net: PiecewiseLinearNet, output: int) -> str:
    """Say what an output is, as an axis does: its name, and that it is before the link."""
    name = net.output_names[output] if len(net.output_names) > output else ""
    if net.link == "identity":
        return name or ("output" if net.n_outputs == 1 else f"output {output + 1}")
    what = "logit" if net.link in ("logistic", "softmax") else f"output before the {net.link}"
    return f"{what} of {name}" if name else what


def pieces_along(
    line: Line,
    *,
    model: Any = None,
    outputs: Sequence[int] | None = None,
    classes: Sequence[Any] | None = None,
    level: float = 0.0,
    ax: Axes | None = None,
) -> Axes:
    """Draw a network along a line: its outputs, where they bend, which layer's creases are crossed, what is decided.

    Parameters
    ----------
    line : Line
        From ``planefold.reading.line(model, start, stop)``; with finite ends.
    model : PiecewiseLinearNet or whatever ``planefold.reading.from_model`` reads, optional
        What the line was cut from: it says the names, the layers of the creases, and whether classes are decided.
    outputs : sequence of int, optional
        Which outputs to draw; by default all, of more than eight the first eight.
    classes : sequence, optional
        Names of the classes, two for one output: the stretches of each are shaded. By default those that the model
        has, if it is a classifier.
    level : float
        Of one output: above it the second class is decided.
    ax : Axes, optional
        Where to draw; without it, a new figure.

    Returns
    -------
    Axes
        A dot is a bend; a mark at the bottom a crease, whether the outputs bend there or not.

    Raises
    ------
    DataError
        If the line does not end, or the model or the names do not fit it.
    ParameterError
        If an output does not exist.
    """
    if not np.isfinite(line.ends).all():
        raise DataError("a line without ends cannot be drawn", hint="function(model, low, high) has two ends")
    net = None if model is None else from_model(model)
    n_outputs = line.values.shape[1]
    if net is not None and (net.n_units, net.n_outputs) != (line.patterns.shape[1], n_outputs):
        raise DataError(f"the line was not cut from this model: {net.description} has other units")
    chosen = list(range(min(n_outputs, _MOST_OUTPUTS))) if outputs is None else list(outputs)
    for output in chosen:
        check_output(output, n_outputs)
    ax = axes_of(ax, size=(6.8, 4.2))
    x, label = _places(line, net)
    for output in chosen:
        colour = INK if n_outputs == 1 else class_colour(output)
        said = f"output {output + 1}" if net is None else name_of_output(net, output)
        ax.plot(x, line.values[:, output], color=colour, linewidth=1.8, label=said, zorder=3)
        inner = bends(line, output)
        if len(inner) <= _MOST_DOTS:
            size = 4.5 if len(inner) <= _FEW_DOTS else 3.0
            ax.plot(x[inner], line.values[inner, output], "o", color=colour, markersize=size, markeredgecolor="white",
                    markeredgewidth=0.6, zorder=4)  # fmt: skip
    names = _names_of_classes(net, classes, n_outputs)
    _room(ax, 0.07, 0.09 if names else 0.0)
    _crease_rug(ax, line, net, x)
    if names:
        _stretches(ax, line, names, level)
    ax.set_xlim(min(x[0], x[-1]), max(x[0], x[-1]))
    y = name_of_output(net, chosen[0]) if net is not None and len(chosen) == 1 else "output"
    quiet(ax, x=label, y="logit" if net is not None and net.link in ("logistic", "softmax") and len(chosen) > 1 else y)
    pieces, regions = line.n_pieces, line.n_regions
    same = pieces == regions
    crossed = f"{pieces:,} linear piece{'s' if pieces > 1 else ''}"
    ax.set_title(crossed + ("" if same else f" in {regions:,} activation regions"), fontsize=10, loc="left")
    handles, labels = ax.get_legend_handles_labels()
    if len(handles) > 1:
        legend_below(ax, handles, labels)
    return ax


def _places(line: Line, net: PiecewiseLinearNet | None) -> tuple[Floats, str]:
    """Return where the ends are on the axis: in the unit of the one input that moves, or as a share of the way."""
    moving = np.flatnonzero(line.direction)
    if len(moving) != 1:
        return line.ends, "share of the way from start to stop"
    name = net.input_names[moving[0]] if net is not None and net.input_names else "x"
    if len(line.direction) > 1 and name == "x":
        name = f"x{moving[0]}"
    return line.origin[moving[0]] + line.ends * line.direction[moving[0]], name


def legend_below(ax: Axes, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Put a legend under the axis, in as many columns as its width holds."""
    letters = ax.get_position().width * ax.figure.get_figwidth() * 72 / 5.0  # type: ignore[union-attr]
    columns = max(1, min(len(labels), int(letters // (max(map(len, labels)) + 6))))
    ax.legend(
        handles, labels, frameon=False, fontsize=8.5, loc="upper left", bbox_to_anchor=(-0.02, -0.15),
        ncols=columns, borderaxespad=0.0, handletextpad=0.6, handlelength=1.4, columnspacing=1.3,
    )  # fmt: skip


def _room(ax: Axes, below: float, above: float = 0.0) -> None:
    low, high = ax.get_ylim()
    ax.set_ylim(low - below * (high - low), high + above * (high - low))


def _crease_rug(ax: Axes, line: Line, net: PiecewiseLinearNet | None, x: Floats) -> None:
    """Mark every crease at the bottom, in the colour of its layer."""
    units = [bent[0] for bent in line.units]
    depths = np.ones(line.patterns.shape[1], dtype=np.int64) if net is None else net.depths()
    layers = sorted(set(depths[units].tolist()))
    colours = depth_colours(depths.tolist())
    for layer in layers:
        places = x[1:-1][depths[units] == layer]
        first = int(np.flatnonzero(depths == layer)[0])
        said = "_" if len(layers) == 1 else f"creases of {'' if net is None else net.fold_of(first)[0].layer}"
        ax.plot(
            places, np.full(len(places), 0.025), "|", color=colours[layer], markersize=9, markeredgewidth=1.2,
            transform=ax.get_xaxis_transform(), label=said, zorder=4,
        )  # fmt: skip


def _names_of_classes(net: PiecewiseLinearNet | None, classes: Sequence[Any] | None, n_outputs: int) -> list[str]:
    n_classes = max(n_outputs, 2)
    if classes is None:
        if net is None or net.link not in ("logistic", "softmax") or (net.link == "logistic" and n_outputs > 1):
            return []
        own = net.output_names
        return list(own) if len(own) == n_classes else two_names(own) if n_classes == 2 else []
    if len(classes) != n_classes:
        raise DataError(f"classes has {len(classes)} names, the line tells {n_classes} classes apart")
    return [str(name) for name in classes]


def two_names(positive: Sequence[str]) -> list[str]:
    """Name two classes of which only the second has a name, if that."""
    return [f"not {positive[0]}", positive[0]] if positive else ["class 0", "class 1"]


def _stretches(ax: Axes, line: Line, names: list[str], level: float) -> None:
    found = line.classes(level)
    moving = np.flatnonzero(line.direction)
    scale = (line.origin[moving[0]], line.direction[moving[0]]) if len(moving) == 1 else (0.0, 1.0)
    ends = scale[0] + found.ends * scale[1]
    span = abs(ends[-1] - ends[0])
    if len(names) == 2:
        ax.axhline(level, color=GREY, linewidth=0.8)
    for place, stop, code in zip(ends[:-1], ends[1:], found.classes, strict=True):
        ax.axvspan(place, stop, color=tint(class_colour(code), 0.2), linewidth=0, zorder=0)
        if abs(stop - place) > 0.022 * max(len(names[code]), 4) * span:
            ax.text((place + stop) / 2, 0.985, names[code], transform=ax.get_xaxis_transform(), ha="center", va="top",
                    fontsize=8.5, color=INK)  # fmt: skip
    for border in ends[1:-1]:
        ax.axvline(border, color=INK, linewidth=1.1, linestyle="--", zorder=2)


def ice_curves(
    curves: Iterable[Curve],
    average: Curve | None = None,
    *,
    data: npt.ArrayLike | None = None,
    name: str = "",
    output: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw what each row's output would be for other values of one column, and the mean of all rows.

    Parameters
    ----------
    curves : Curves, or iterable of Curve
        A thin line for each row (individual conditional expectation).
    average : Curve, optional
        The thick line: the partial dependence, with a dot at each kink where it has at most 40.
    data : array-like of shape (n_rows,), optional
        The column's values in the data, marked at the bottom.
    name, output : str
        What the column and the output are called.
    ax : Axes, optional
        Where to draw; without it, a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If there is no curve.
    """
    from matplotlib.collections import LineCollection

    drawn = [np.column_stack([curve.t, curve.values]) for curve in curves]
    if not drawn and average is None:
        raise DataError("there is no curve to draw", hint="curves of at least one row are needed")
    ax = axes_of(ax)
    if drawn:
        alpha = float(np.clip(12 / len(drawn), 0.04, 0.8))
        many = LineCollection(drawn, colors=[BLUE], linewidths=0.7, alpha=alpha, rasterized=len(drawn) > 400)
        ax.add_collection(many)
    if average is not None:
        bent = np.flatnonzero(~np.isclose(np.diff(average.slopes), 0, atol=1e-12)) + 1
        ax.plot(average.t, average.values, color=INK, linewidth=2.4, label="mean of all rows", zorder=4)
        if len(bent) <= _MOST_KINKS:
            ax.plot(average.t[bent], average.values[bent], "o", color=INK, markersize=4, markeredgecolor="white",
                    markeredgewidth=0.7, zorder=5)  # fmt: skip
    ax.autoscale_view()
    ax.margins(x=0)
    if data is not None:
        _room(ax, 0.07)
        values = np.asarray(data, dtype=np.float64).ravel()
        ax.plot(values, np.full(len(values), 0.02), "|", color=GREY, markersize=7, markeredgewidth=0.6,
                alpha=float(np.clip(60 / max(len(values), 1), 0.08, 0.8)), transform=ax.get_xaxis_transform(),
                scalex=False, scaley=False)  # fmt: skip
    quiet(ax, x=name or "value of the column", y=output or "output")
    if drawn and average is not None:
        ax.plot([], [], color=BLUE, linewidth=0.9, label=f"{len(drawn):,} rows")
        ax.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(-0.01, 1.0), borderaxespad=0.1, ncols=2)
    return ax
