"""Nodes against layers: how many planes architectures have for what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from planefold.core.errors import unknown_choice
from planefold.plots.palette import CLASSES
from planefold.plots.style import GREY, INK, axes_of, plain_log, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from planefold.reading.architectures import Study


def nodes_against_layers(
    study: Study, *, count: str = "pieces", log: bool | None = None, ax: Axes | None = None
) -> Axes:
    """Draw how many planes random networks of each architecture have, against its cost and its greatest number.

    Parameters
    ----------
    study : Study
        From ``planefold.reading.study(...)``.
    count : {"pieces", "regions"}
        Linear pieces, or activation regions.
    log : bool, optional
        Whether the counts are on a logarithmic axis; by default where the largest is over 30 times the smallest.
    ax : Axes, optional
        Where to draw; without it, a new figure.

    Returns
    -------
    Axes
        One column for each architecture, sorted by its cost: a dot for each network, a bar at their median, and a
        line at the greatest number that is proved possible (Serra et al. 2018; of one layer Zaslavsky 1975). Colours
        are numbers of hidden layers.

    Raises
    ------
    ParameterError
        For another ``count``.
    """
    if count not in ("pieces", "regions"):
        raise unknown_choice("count", count, ["pieces", "regions"])
    found = sorted(study.counts, key=lambda one: (one.n_multiplications, len(one.architecture)))
    ax = axes_of(ax, size=(max(5.2, 1.2 + 0.95 * len(found)), 4.4))
    depths = sorted({len(one.architecture) - 2 for one in found})
    colours = {depth: CLASSES[(1, 0, 2, 3, 4, 5, 6, 7)[place % 8]] for place, depth in enumerate(depths)}
    rng = np.random.default_rng(0)  # only spreads dots sideways
    least, most = np.inf, 0.0
    for place, one in enumerate(found):
        values = one.n_pieces if count == "pieces" else one.n_regions
        colour = colours[len(one.architecture) - 2]
        sideways = place + rng.uniform(-0.2, 0.2, len(values)) * (len(values) > 1)
        ax.scatter(sideways, values, s=16, color=colour, alpha=0.55, linewidths=0, zorder=3)
        median = float(np.median(values))
        ax.plot(
            [place - 0.3, place + 0.3], [median, median], color=colour, linewidth=3, solid_capstyle="butt", zorder=4
        )
        bound = one.bounds.upper
        ax.plot([place - 0.36, place + 0.36], [bound, bound], color=INK, linewidth=1.6, zorder=4)
        ax.annotate(f"{bound:,}" if bound < 10**6 else f"{bound:.1e}", (place, bound), (0, 3), fontsize=8.5, color=INK,
                    textcoords="offset points", ha="center", va="bottom")  # fmt: skip
        least, most = min(least, values.min()), max(most, float(bound), values.max())
    if most > 30 * least if log is None else log:
        plain_log(ax, "y")
        ax.set_ylim(top=most * 1.8)
    else:
        ax.set_ylim(0, most * 1.1)
    names = [f"{one.name}\n{one.n_multiplications:,}" for one in found]
    ax.set_xticks(range(len(found)), names, fontsize=9)
    ax.set_xlim(-0.6, len(found) - 0.4)
    ax.tick_params(axis="x", length=0)
    what = "linear pieces" if count == "pieces" else "activation regions"
    quiet(ax, x="architecture, and its cost in multiplications", y=what)
    ax.grid(axis="y", color=GREY, alpha=0.2, linewidth=0.6)
    for depth in depths:
        ax.plot([], [], "o", color=colours[depth], label=f"{depth} hidden layer{'s' if depth > 1 else ''}")
    ax.plot([], [], color=GREY, linewidth=3, label="median")
    ax.plot([], [], color=INK, linewidth=1.6, label="greatest number proved possible")
    ax.legend(frameon=False, fontsize=8.5, loc="lower left", bbox_to_anchor=(-0.01, 1.0), borderaxespad=0.1,
              ncols=2 if len(depths) < 3 else 3, handletextpad=0.5, columnspacing=1.2)  # fmt: skip
    return ax
