"""The learning curves of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from planefold.engine.run import Run
from planefold.plots.style import BLUE, GREY, INK, ORANGE, axes_of, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def curves(run: Run, *, ax: Axes | None = None) -> Axes:
    """Draw training and validation loss by epoch, the best epoch and the loss of the trivial rule.

    Parameters
    ----------
    run : Run
    ax : Axes, optional
        Where to draw; without it, a new figure.

    Returns
    -------
    Axes
        ``.figure.savefig("curves.png")`` saves it.

    Notes
    -----
    The loss axis is logarithmic where the largest loss is more than twenty times the smallest.
    """
    ax = axes_of(ax)
    epochs, train, val = run["epoch"], run["train_loss"], run["val_loss"]
    few = len(epochs) <= 15
    ax.plot(epochs, train, color=BLUE, linestyle="--", marker="s" if few else "", markersize=4, label="training")
    if np.isfinite(val).any():
        ax.plot(epochs, val, color=ORANGE, marker="o" if few else "", markersize=4, label="validation")
    known = np.concatenate([train, val])
    known = known[np.isfinite(known)]
    if len(known) and known.min() > 0 and known.max() > 20 * known.min():
        ax.set_yscale("log")
    trivial = run.trivial_loss
    if len(known) and trivial is not None and trivial <= known.max() + 0.6 * np.ptp(known):
        ax.axhline(trivial, color=GREY, linestyle=":", label="trivial rule")
    if run.best_epoch is not None:
        kept_start = run.restored_best and run.best_epoch == 0
        best = "kept: the start" if kept_start else f"best: epoch {run.best_epoch}"
        ax.axvline(run.best_epoch, color=INK, linestyle=":", linewidth=1, label=best)
    quiet(ax, x="Epoch", y=f"Loss ({run.objective.replace('_', ' ')})")
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False)
    return ax
