"""Draw the lectures' 26 points: the border that a small network finds without class weights, and with them.

    python tools/draw_imbalance.py [--to docs/guides/imbalance.png]

Prints for how many of 8 starts each of three ways leaves the lone point on its own side.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from planefold import MLPClassifier
from planefold.plots.style import BLUE, INK, ORANGE

# 25 points of class 1 on a grid, and one of class 0.
X = np.array([*itertools.product(range(5), range(5)), (-4, -4)], dtype=float)
y = np.array([1] * 25 + [0])

WAYS = {
    "no weights": {},
    "class_weight='balanced'": {"class_weight": "balanced"},
    "resample='bootstrap'": {"resample": "bootstrap"},
}
N_STARTS = 8
LOW, HIGH = -6.0, 6.0


def fit(seed: int, **parameters: Any) -> MLPClassifier:
    # One row cannot be both learned from and held out, so nothing is.
    return MLPClassifier(
        hidden_layer_sizes=(8, 8), n_members=1, skip=None, dropout=0.0, early_stopping=False, max_iter=100,
        random_state=seed, **parameters,
    ).fit(X, y)  # fmt: skip


def is_found(model: MLPClassifier) -> bool:
    return bool((model.predict(X) == y)[-1])


def draw(ax: Any, model: MLPClassifier, title: str) -> None:
    ticks = np.linspace(LOW, HIGH, 241)
    plane = np.stack(np.meshgrid(ticks, ticks), axis=-1)
    p = model.predict_proba(plane.reshape(-1, 2))[:, 1].reshape(plane.shape[:2])
    shades = LinearSegmentedColormap.from_list("shades", ["#F6C9A8", "#FFFFFF", "#B5D3E8"])
    ax.pcolormesh(ticks, ticks, p, cmap=shades, vmin=0, vmax=1, shading="auto", rasterized=True)
    ax.contour(ticks, ticks, p, levels=[model.threshold_], colors=INK, linewidths=1.8)
    for code, colour, marker in ((1, BLUE, "o"), (0, ORANGE, "^")):
        size = 34 if code else 110
        ax.scatter(*X[y == code].T, s=size, color=colour, marker=marker, edgecolors="white", linewidths=0.7, zorder=3)
    ax.set(
        xlim=(LOW, HIGH),
        ylim=(LOW, HIGH),
        aspect="equal",
        xlabel="$x_1$",
        ylabel="$x_2$",
        xticks=range(-6, 7, 2),
        yticks=range(-6, 7, 2),
    )
    ax.set_title(title, fontsize=10.5, loc="left")
    ax.spines[["top", "right"]].set_visible(False)


def picture(seed: int) -> Figure:
    """Draw both borders of one start."""
    figure = Figure(figsize=(8.4, 5.1))
    left, right = figure.subplots(1, 2, sharey=True)
    figure.subplots_adjust(left=0.07, right=0.985, bottom=0.18, top=0.885, wspace=0.09)
    draw(left, fit(seed), "Without weights: no border in sight,\nthe lone point falls to the many")
    draw(right, fit(seed, class_weight="balanced"), 'class_weight="balanced": the border\nruns between the two classes')
    right.set_ylabel("")
    marks = [
        Line2D([], [], color=BLUE, marker="o", linestyle="", markersize=6, label="class 1 (25 points)"),
        Line2D([], [], color=ORANGE, marker="^", linestyle="", markersize=9, label="class 0 (one point)"),
        Line2D([], [], color=INK, linewidth=1.8, label="border"),
    ]
    figure.legend(handles=marks, loc="lower center", ncols=3, frameon=False)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--to", type=Path, default=Path(__file__).parents[1] / "docs" / "guides" / "imbalance.png")
    to = parser.parse_args().to
    found = {way: [is_found(fit(seed, **parameters)) for seed in range(N_STARTS)] for way, parameters in WAYS.items()}
    for way, starts in found.items():
        print(f"{way}: the lone point is on its own side in {sum(starts)} of {N_STARTS} starts")
    lost = [start for start in range(N_STARTS) if not found["no weights"][start]][-1]
    picture(lost).savefig(to, dpi=110)
    print(f"{to.name}: start {lost}, {to.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
