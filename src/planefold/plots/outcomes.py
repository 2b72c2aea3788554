"""What a model says against what is true: predicted values, confusion table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from planefold.core.errors import DataError
from planefold.plots.style import BLUE, INK, axes_of, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_POINTS = 20_000


def predictions(y_true: Any, y_pred: Any, *, ax: Axes | None = None) -> Axes:
    """Draw predicted against true values; a perfect model has every dot on the dashed line.

    Parameters
    ----------
    y_true, y_pred : array of shape (n_rows,)
        Of more than 20,000 rows every k-th is drawn.
    ax : Axes, optional
        Where to draw; without it, a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If the two have different numbers of values.
    """
    truth, predicted = np.asarray(y_true, dtype=float).ravel(), np.asarray(y_pred, dtype=float).ravel()
    if len(truth) != len(predicted):
        raise DataError(f"y_true has {len(truth)} values", details=f"y_pred has {len(predicted)}")
    ax = axes_of(ax, size=(4.8, 4.6))
    step = max(1, -(-len(truth) // _MOST_POINTS))
    ax.scatter(truth[::step], predicted[::step], s=14, color=BLUE, alpha=0.4, linewidths=0)
    known = np.concatenate([truth, predicted])
    known = known[np.isfinite(known)]
    if len(known):
        low, high = float(known.min()), float(known.max())
        ax.plot([low, high], [low, high], color=INK, linestyle="--", linewidth=1, label="perfect")
        ax.legend(frameon=False)
    ax.set_aspect("equal", adjustable="datalim")
    quiet(ax, x="True value", y="Predicted value")
    return ax


def confusion(matrix: Any, classes: Sequence[Any], *, ax: Axes | None = None) -> Axes:
    """Draw a confusion table: a row is the truth, a column the prediction, the shade the share of the row.

    Parameters
    ----------
    matrix : array of shape (n_classes, n_classes)
        Counts.
    classes : sequence
        Names of the classes in the same order.
    ax : Axes, optional
        Where to draw; without it, a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If the matrix is not square or the names do not fit it.
    """
    counts = np.asarray(matrix)
    n = len(classes)
    if counts.shape != (n, n):
        raise DataError(f"matrix has shape {counts.shape}", details=f"{n} classes need {(n, n)}")
    side = min(3.2 + 0.35 * n, 12.0)
    ax = axes_of(ax, size=(side + 0.4, side))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if n <= 30:
        for (i, j), count in np.ndenumerate(counts):
            colour = "white" if shares[i, j] > 0.55 else INK
            ax.text(j, i, f"{count:,}", ha="center", va="center", color=colour, fontsize=10 if n <= 12 else 7)
    names = [str(name) for name in classes]
    long = max((len(name) for name in names), default=0) > (6 if n <= 8 else 3)
    ax.set_xticks(range(n), names, rotation=45 if long else 0, ha="right" if long else "center")
    ax.set_yticks(range(n), names)
    quiet(ax, x="Predicted", y="True")
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0)
    return ax
