"""How much lower a curve would go if the training went on: a rough figure, by closed-form fits."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MIN_EPOCHS = 4
SKIPPED = 0.3  # share of the epochs at the start that say nothing about the end
POWERS = np.geomspace(0.1, 4.0, 14)
DECAYS = np.geomspace(0.05, 2.0, 14)  # time constants, as shares of the epochs


def promised_gain(losses: Array, further: float | None = None) -> float:
    """Return by how much a curve would go on falling, from its last fitted value.

    Parameters
    ----------
    losses : array of shape (n_epochs,)
        One finite loss an epoch, the state before training left out.
    further : float, optional
        So many more epochs; as many as there were by default.

    Returns
    -------
    float
        At least 0; nan for fewer than four epochs.

    Notes
    -----
    The mean of two figures. The smaller of what a power law ``c + a t^-b`` and an exponential ``c + a exp(-t / d)``
    promise, each fitted by least squares over the last 70 % of the epochs with ``a, c >= 0``: over a grid of ``b`` and
    ``d`` the rest is linear. And the geometric continuation of the falls between the thirds of the last half.
    """
    n = len(losses)
    if n < MIN_EPOCHS:
        return math.nan
    further = float(n) if further is None else further
    first = min(int(SKIPPED * n), n - MIN_EPOCHS)
    y = losses[first:]
    t = np.arange(first + 1, n + 1, dtype=float)
    ends = np.array([n, n + further])
    power = _fitted_gain(y, t[None, :] ** -POWERS[:, None], ends[None, :] ** -POWERS[:, None])
    decay = DECAYS[:, None] * n
    exponential = _fitted_gain(y, np.exp((first - t)[None, :] / decay), np.exp((first - ends)[None, :] / decay))
    return 0.5 * (min(power, exponential) + _geometric_gain(losses, further))


def _fitted_gain(y: Array, shapes: Array, ends: Array) -> float:
    """Fit ``c + a * shape`` with every shape, and return how far the best one falls between its two ends."""
    centred = shapes - shapes.mean(axis=1, keepdims=True)
    a = np.maximum(centred @ y, 0) / np.maximum((centred**2).sum(axis=1), 1e-300)
    c = y.mean() - a * shapes.mean(axis=1)
    through_zero = c < 0  # no loss of ours falls below 0
    if y.min() >= 0 and through_zero.any():
        a = np.where(through_zero, np.maximum(shapes @ y, 0) / np.maximum((shapes**2).sum(axis=1), 1e-300), a)
        c = np.where(through_zero, 0.0, c)
    errors = ((y - c[:, None] - a[:, None] * shapes) ** 2).sum(axis=1)
    best = int(np.argmin(errors))
    return float(a[best] * (ends[best, 0] - ends[best, 1]))


def _geometric_gain(losses: Array, further: float) -> float:
    """Let the falls between the thirds of the last half shrink on as they did."""
    tail = losses[-max(len(losses) // 2, 3) :]
    before, middle, last = (float(np.mean(part)) for part in np.array_split(tail, 3))
    fall = middle - last
    if fall <= 0:
        return 0.0
    ratio = min(fall / (before - middle), 1.0) if before > middle else 1.0
    steps = 3 * further / len(tail)
    gain = fall * steps if ratio > 0.999 else fall * ratio * (1 - ratio**steps) / (1 - ratio)
    return min(gain, last) if losses.min() >= 0 else gain


def mann_kendall(values: Array) -> float:
    """Return the z of Mann and Kendall: below -2, the values fall too steadily for chance.

    References
    ----------
    Kendall, "Rank Correlation Methods", 1975.
    """
    n = len(values)
    if n < MIN_EPOCHS:
        return 0.0
    order = np.sign(values[None, :] - values[:, None])
    s = float(np.triu(order, 1).sum())
    return (s - math.copysign(1.0, s)) / math.sqrt(n * (n - 1) * (2 * n + 5) / 18) if s else 0.0
