"""The planes that data live in: how many rows each holds, what its coefficients are, and one row explained."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from planefold.core.errors import ParameterError, show
from planefold.plots.palette import value_shades
from planefold.plots.style import BLUE, GREY, INK, ORANGE, axes_of, plain_log, quiet
from planefold.reading.choices import check_output

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from planefold.reading.tables.explain import Explanation
    from planefold.reading.tables.local_models import Reading

_LONGEST = 28


def local_models(
    reading: Reading, *, n_planes: int = 8, n_columns: int = 12, output: int = 0, figure: Figure | None = None
) -> Figure:
    """Draw how many rows the planes hold, and the coefficients of the largest in the user's own columns.

    Parameters
    ----------
    reading : Reading
        From ``model.read(frame)``.
    n_planes, n_columns : int
        How many planes and columns the table of coefficients has at most: those with most rows, and those that move
        the output most.
    output : int
        Which of the outputs that were read.
    figure : Figure, optional
        Where to draw; without it, a new one.

    Returns
    -------
    Figure
        On the left the rows of each plane and the share that the largest hold together, on the right the
        coefficients: the number is in the column's unit, the colour what a typical spread of the column does.

    Raises
    ------
    ParameterError
        If there is no such output, or nothing to show.
    """
    check_output(output, len(reading.output_names))
    if n_planes < 1 or n_columns < 1:
        raise ParameterError(f"n_planes={show(n_planes)} and n_columns={show(n_columns)} show nothing")
    if figure is None:
        from matplotlib.figure import Figure

        height = 1.5 + 0.34 * min(n_columns, len(reading.columns.names))
        figure = Figure(figsize=(9.0, max(3.4, height)), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.7])
    _coverage(left, reading)
    _table(right, reading, n_planes, n_columns, output)
    return figure


def _coverage(ax: Axes, reading: Reading) -> None:
    counts = np.asarray(reading.counts)
    ranks = np.arange(1, len(counts) + 1)
    if len(counts) <= 60:
        ax.bar(ranks, counts, color=BLUE, width=0.85)
    else:
        ax.fill_between(ranks, counts, step="mid", color=BLUE, linewidth=0)
        plain_log(ax, "x")
    shares = ax.twinx()
    shares.plot(ranks, 100 * np.cumsum(counts) / counts.sum(), color=ORANGE, linewidth=1.8,
                marker="o" if len(counts) <= 25 else "", markersize=3)  # fmt: skip
    shares.set_ylim(0, 103)
    shares.set_ylabel("held together (% of rows)", color=ORANGE)
    shares.tick_params(axis="y", colors=ORANGE)
    shares.spines[["top"]].set_visible(False)
    ax.locator_params(axis="y", integer=True)
    if len(counts) <= 60:
        ax.locator_params(axis="x", integer=True, nbins=8)
    ax.set_ylim(bottom=0)
    quiet(ax, x="plane, by rows", y="rows")
    ax.yaxis.label.set_color(BLUE)
    ax.tick_params(axis="y", colors=BLUE)
    ax.set_title(f"{reading.n_rows:,} rows in {len(counts):,} plane{'s' if len(counts) > 1 else ''}", fontsize=10)


def _table(ax: Axes, reading: Reading, n_planes: int, n_columns: int, output: int) -> None:
    coefs = reading.coefs[:n_planes, output]
    moves = coefs * reading.scales
    shares = np.asarray(reading.counts[: len(coefs)]) / reading.n_rows
    order = np.argsort(-(shares @ np.abs(moves)), kind="stable")[:n_columns]
    cmap, norm = value_shades(np.array([-1.0, 1.0]) * max(float(np.abs(moves[:, order]).max()), 1e-300))
    ax.imshow(moves[:, order].T, cmap=cmap, norm=norm, aspect="auto")
    for (i, j), coef in np.ndenumerate(coefs[:, order].T):
        strong = abs(norm(moves[j, order[i]]) - 0.5) > 0.38
        ax.text(j, i, _short(coef), ha="center", va="center", fontsize=7.5, color="white" if strong else INK)
    names = [reading.columns.names[place] for place in order]
    ax.set_yticks(range(len(order)), [name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…" for name in names])
    ax.set_xticks(range(len(coefs)), [f"{k + 1}\n{count:,}" for k, count in enumerate(reading.counts[: len(coefs)])])
    quiet(ax, x="plane and its rows", y="")
    ax.tick_params(length=0, labelsize=8)
    ax.spines[:].set_visible(False)
    left_out = len(reading.columns.names) - len(order)
    more = f" ({left_out} more columns move it less)" if left_out else ""
    ax.set_title(f"coefficients for {reading.output_names[output]}{more}", fontsize=10)
    bar = ax.figure.colorbar(ax.images[0], ax=ax, pad=0.02)
    bar.set_label("coefficient × spread of the column", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)


def _short(value: float) -> str:
    said = f"{value:.2g}" if abs(value) >= 1e-3 or not value else f"{value:.0e}".replace("e-0", "e-")
    return said.replace("-", "−")


def explanation(explanation: Explanation, *, n_columns: int = 12, ax: Axes | None = None) -> Axes:
    """Draw what a prediction is made of: from the base, column by column, to the output.

    Parameters
    ----------
    explanation : Explanation
        From ``reading.explain(row)``.
    n_columns : int
        How many columns have a bar of their own: those that add or take most. The others share one.
    ax : Axes, optional
        Where to draw; without it, a new figure.

    Returns
    -------
    Axes
        Bars to the right add to the output, bars to the left take from it; they end where it is, exactly.

    Raises
    ------
    ParameterError
        If ``n_columns`` is less than 1.
    """
    if n_columns < 1:
        raise ParameterError(f"n_columns={show(n_columns)} shows nothing", hint="give 1 or more")
    parts = np.asarray(explanation.contributions, dtype=np.float64)
    order = np.argsort(-np.abs(parts), kind="stable")
    shown, rest = order[:n_columns], order[n_columns:]
    values = explanation.values
    names = [_label(explanation.columns[k], values[k]) for k in shown]
    steps = [float(parts[k]) for k in shown]
    if len(rest):
        names.append(f"{len(rest)} more columns")
        steps.append(float(parts[rest].sum()))
    ends = explanation.base + np.cumsum([0.0, *steps])
    ax = axes_of(ax, size=(6.8, 1.5 + 0.32 * (len(steps) + 2)))
    rows = np.arange(1, len(steps) + 1)
    colours = [BLUE if step >= 0 else ORANGE for step in steps]
    ax.barh(rows, steps, left=ends[:-1], height=0.62, color=colours, zorder=3)
    for row, (start, stop) in enumerate(pairwise(ends.tolist()), start=1):
        ax.plot([stop, stop], [row - 0.31, row + 1.31 if row < len(steps) else row + 1], color=GREY, linewidth=0.8)
        right = stop >= start
        ax.annotate(_signed(stop - start), (stop, row), (4 if right else -4, 0), textcoords="offset points",
                    ha="left" if right else "right", va="center", fontsize=8.5, color=INK, zorder=4)  # fmt: skip
    ax.plot([ends[0]] * 2, [0, 1.31], color=GREY, linewidth=0.8)
    last = len(steps) + 1
    for row, value in ((0, explanation.base), (last, explanation.value)):
        ax.plot([value], [row], "D", color=INK, markersize=6, zorder=4)
        ax.annotate(_four(value), (value, row), (7, 0), textcoords="offset points", va="center", fontsize=9,
                    fontweight="bold", color=INK)  # fmt: skip
    ax.set_yticks([0, *rows, last], ["base", *names, "output"])
    ax.set_ylim(last + 0.6, -0.6)
    span = float(np.ptp(ends)) or 1.0
    ax.set_xlim(ends.min() - 0.18 * span, ends.max() + 0.18 * span)
    quiet(ax, x=explanation.output, y="")
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0, labelsize=9)
    if abs(explanation.prediction - explanation.value) > 1e-12 * abs(explanation.value):
        ax.set_title(f"prediction {_four(explanation.prediction)}", fontsize=10, loc="right")
    return ax


def _label(column: str, value: str) -> str:
    said = f"{column} = {value}" if value else column
    return said if len(said) <= _LONGEST + 6 else said[: _LONGEST + 5] + "…"


def _four(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + f"{value:.3g}".replace("-", "−")
