"""The learning-rate range test: which rate to train with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from planefold.plots.style import BLUE, GREY, INK, axes_of, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from planefold.engine.rate_finder import RateSweep


def rates(sweep: RateSweep, *, ax: Axes | None = None) -> Axes:
    """Draw the loss by learning rate: of each step, its running mean, and the rate to train with.

    Parameters
    ----------
    sweep : RateSweep
        From ``model.find_learning_rate(X, y)``.
    ax : Axes, optional
        Where to draw; without it, a new figure.

    Returns
    -------
    Axes
        ``.figure.savefig("rates.png")`` saves it.

    Notes
    -----
    The loss axis ends a little above the loss at the start: what happens after that is out of bounds.
    """
    ax = axes_of(ax)
    x, losses, smoothed = np.array(sweep.rates), np.array(sweep.losses), np.array(sweep.smoothed)
    ax.set_xscale("log")
    ax.plot(x, losses, color=BLUE, alpha=0.3, linewidth=1, label="each step")
    ax.plot(x, smoothed, color=BLUE, linewidth=2, label="running mean")
    if np.isfinite(sweep.first_loss):
        ax.axhline(sweep.first_loss, color=GREY, linestyle=":", label="before the first step")
    _frame(ax, np.array([sweep.first_loss, *losses, *smoothed]))
    if sweep.suggestion is not None:
        ax.axvline(sweep.suggestion, color=INK, linestyle="--", linewidth=1)
        y = smoothed[sweep.rates.index(sweep.suggestion)]
        ax.plot([sweep.suggestion], [y], "o", color=INK, label=f"suggestion: {sweep.suggestion:.2g}")
    else:
        ax.plot([], [], " ", label="no suggestion")
    quiet(ax, x=f"Learning rate ({sweep.solver})", y=f"Loss ({sweep.objective.replace('_', ' ')})")
    ax.legend(frameon=False)
    return ax


def _frame(ax: Axes, values: np.ndarray) -> None:
    """Show what is below the start and a third of it above: a loss that is out of bounds would flatten the rest."""
    known = values[np.isfinite(values)]
    if not len(known):
        return
    low, first = float(known.min()), float(known[0])
    fall = first - low
    if fall > 0:
        ax.set_ylim(low - 0.08 * fall, first + 0.35 * fall)
