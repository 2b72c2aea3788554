"""How much lower a curve would go if the training went on: a rough figure, by fits in closed form."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MIN_EPOCHS = 4
SKIPPED = 0.3  # share of the epochs at the start that say nothing about the end
FLOOR = 0.3  # epochs with a smaller share of the highest learning rate add nothing to a fit
POWERS = np.geomspace(0.1, 4.0, 14)[:, None]
DECAYS = np.geomspace(0.05, 2.0, 14)[:, None]  # time constants, as shares of the whole time


def promised_gain(losses: Array, rates: Array | None = None) -> float:
    """Return by how much a loss would go on falling in a training of twice the length.

    Parameters
    ----------
    losses : array of shape (n_epochs,)
        One finite loss an epoch, the state before training left out.
    rates : array of shape (n_epochs,), optional
        Learning rate of each epoch.

    Returns
    -------
    float
        At least 0, and at most the last loss where no loss is negative; nan for fewer than four epochs.

    Notes
    -----
    Time is the sum of the learning rates: a tail that is flat since the rate went to zero has not converged, and a
    training of twice the length would go as far again on that clock. Where the rate fell below three tenths of its
    highest, the epochs after that are not fitted; what they gained is taken off.

    The figure is the mean of two. The smaller of what a power law ``c + a t^-b`` and an exponential
    ``c + a exp(-t / d)`` promise, each fitted by least squares over the last 70 % of the epochs with ``a, c >= 0``:
    over a grid of ``b`` and ``d`` the rest is linear. And the geometric continuation of the falls between the thirds
    of the last half. It orders trainings well, and is good for a yes or no; as a number it is rough.
    """
    n = len(losses)
    if n < MIN_EPOCHS:
        return math.nan
    rates = _usable(rates, n)
    time = np.cumsum(rates)
    end = 2 * time[-1]
    n_fitted = n_moving(rates, n)
    y, t = losses[:n_fitted], time[:n_fitted]
    later = float(y[-3:].mean() - losses[-max(n // 20, 1) :].mean()) if n_fitted < n else 0.0
    gain = 0.5 * (_fitted_gain(y, t, end) + _geometric_gain(y, t, end))
    gain = max(gain - max(later, 0.0), 0.0)
    return min(gain, float(losses[-1])) if losses.min() >= 0 else gain


def n_moving(rates: Array | None, n: int) -> int:
    """Return how many of ``n`` epochs there are up to the last one with a rate that moves something."""
    until = int(np.flatnonzero(_usable(rates, n) > FLOOR)[-1]) + 1
    return until if until >= MIN_EPOCHS else n


def _usable(rates: Array | None, n: int) -> Array:
    """Return the learning rates as shares of the highest; all alike where they are not known."""
    if rates is None or not np.isfinite(rates).all() or rates.min() < 0 or rates.max() <= 0:
        return np.ones(n)
    shares: Array = rates / rates.max()
    return shares


def _fitted_gain(losses: Array, time: Array, end: float) -> float:
    """Return the smaller of the two gains that a power law and an exponential promise."""
    first = min(int(SKIPPED * len(losses)), len(losses) - MIN_EPOCHS)
    y, t = losses[first:], time[first:]
    t = np.maximum(t, 1e-6 * time[-1])  # a warm-up may begin at zero
    ends = np.array([time[-1], end])
    scale = DECAYS * time[-1]
    power = _best_gain(y, (t / t[0]) ** -POWERS, (ends / t[0]) ** -POWERS)
    exponential = _best_gain(y, np.exp((t[0] - t) / scale), np.exp((t[0] - ends) / scale))
    return min(power, exponential)


def _best_gain(y: Array, shapes: Array, ends: Array) -> float:
    """Fit ``c + a * shape`` with every shape, and return how far the best one falls between its two ends."""
    middle = shapes.mean(axis=1, keepdims=True)
    centred = shapes - middle
    a = np.maximum(centred @ y, 0) / np.maximum((centred**2).sum(axis=1), 1e-300)
    c = y.mean() - a * middle[:, 0]
    if y.min() >= 0:  # such a loss does not fall below 0
        below = c < 0
        a = np.where(below, np.maximum(shapes @ y, 0) / np.maximum((shapes**2).sum(axis=1), 1e-300), a)
        c = np.where(below, 0.0, c)
    errors = ((y - c[:, None] - a[:, None] * shapes) ** 2).sum(axis=1)
    best = int(np.argmin(errors))
    return float(a[best] * (ends[best, 0] - ends[best, 1]))


def _geometric_gain(losses: Array, time: Array, end: float) -> float:
    """Let the falls between the thirds of the last half shrink on as they did."""
    start = min(int(np.searchsorted(time, time[-1] / 2)), len(time) - 3)
    before, middle, last = (float(part.mean()) for part in np.array_split(losses[start:], 3))
    early, between, late = (float(part.mean()) for part in np.array_split(time[start:], 3))
    was, fall = (before - middle) / max(between - early, 1e-12), (middle - last) / max(late - between, 1e-12)
    if fall <= 0:
        return 0.0
    ratio = min(fall / was, 1.0) if was > 0 else 1.0
    steps = (end - time[-1]) / max(late - between, 1e-12)
    sizes = steps if ratio > 0.999 else ratio * (1 - ratio**steps) / (1 - ratio)
    return float((middle - last) * sizes)


def mann_kendall(values: Array) -> float:
    """Return the z of Mann and Kendall: below -2, the values fall too steadily for chance.

    References
    ----------
    Kendall, "Rank Correlation Methods", 1975.
    """
    n = len(values)
    order = np.sign(values[None, :] - values[:, None])
    s = float(np.triu(order, 1).sum())
    return (s - math.copysign(1.0, s)) / math.sqrt(n * (n - 1) * (2 * n + 5) / 18) if s else 0.0
