"""The learning curves of a run, or of anyone's log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from planefold.doctor.case import Curve, Curves
from planefold.engine.run import Run
from planefold.plots.style import BLUE, GREY, INK, ORANGE, axes_of, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FEW = 15  # epochs up to which each is marked


def curves(run: Run | Curves, *, ax: Axes | None = None) -> Axes:
    """Draw training and validation loss by epoch, the best epoch and the loss of the trivial rule.

    Parameters
    ----------
    run : Run or planefold.doctor.Curves
        What our engine recorded, or one of the runs that :func:`planefold.doctor.read_log` found in a log.
    ax : Axes, optional
        Where to draw; without it, a new figure.

    Returns
    -------
    Axes
        ``.figure.savefig("curves.png")`` saves it.

    Notes
    -----
    The shade around the validation loss is two standard errors over its rows on either side. The loss axis is
    logarithmic where the largest loss is more than twenty times the smallest.
    """
    ax = axes_of(ax)
    name = f" ({run.objective.replace('_', ' ')})" if isinstance(run, Run) and run.objective else ""
    best = run.best_epoch if isinstance(run, Run) else run.kept_epoch
    shown = Curves.of_run(run) if isinstance(run, Run) else run
    epochs, train, val = shown.epoch, _known(shown.train_loss, shown), _known(shown.val_loss, shown)
    few = len(epochs) <= FEW
    if np.isfinite(train).any():
        ax.plot(epochs, train, color=BLUE, linestyle="--", marker="s" if few else "", markersize=4, label="training")
    if np.isfinite(val).any():
        ax.plot(epochs, val, color=ORANGE, marker="o" if few else "", markersize=4, label="validation")
        if shown.val_se is not None:
            doubt = 2 * shown.val_se
            ax.fill_between(epochs, val - doubt, val + doubt, color=ORANGE, alpha=0.15, linewidth=0)
    known = np.concatenate([train, val])
    known = known[np.isfinite(known)]
    if len(known) and known.min() > 0 and known.max() > 20 * known.min():
        ax.set_yscale("log")
    trivial = shown.trivial_loss
    if len(known) and trivial is not None and trivial <= known.max() + 0.6 * np.ptp(known):
        ax.axhline(trivial, color=GREY, linestyle=":", label="trivial rule")
        known = np.append(known, trivial)
    if best is not None:
        kept_start = shown.kept_epoch == 0 == best
        words = "kept: the start" if kept_start else f"best: epoch {best:g}"
        ax.axvline(best, color=INK, linestyle=":", linewidth=1, label=words)
    elif np.isfinite(val).any():  # a log does not say which weights were kept
        lowest = epochs[np.argmin(np.where(np.isfinite(val), val, np.inf))]
        ax.axvline(lowest, color=INK, linestyle=":", linewidth=1, label=f"lowest: epoch {lowest:g}")
    quiet(ax, x="Epoch", y=f"Loss{name}")
    if len(known):  # the shade may be wider than what it is about
        low, high = float(known.min()), float(known.max())
        room = 0.25 * (high - low) or 0.1 * abs(high) or 0.1
        bottom, top = ax.get_ylim()
        ax.set_ylim(max(bottom, low - room if ax.get_yscale() == "linear" else low / 2), min(top, high + 2 * room))
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False)
    return ax


def _known(curve: Curve | None, shown: Curves) -> Curve:
    return np.full(len(shown.epoch), np.nan) if curve is None else curve
