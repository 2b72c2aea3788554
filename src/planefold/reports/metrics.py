"""Metrics as functions of row weights, so that one formula gives the value and its bootstrap interval.

A :data:`Statistic` maps weights of shape ``(n_rows, n_resamples)`` to one number a resample. With weight one
everywhere it is the plain metric; with the counts of a bootstrap resample as weights it is the metric of that
resample. Resamples lie side by side in memory, so each step below is one pass over whole rows of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Ints: TypeAlias = np.ndarray[Any, np.dtype[np.intp]]
Statistic: TypeAlias = Callable[[Floats], Floats]

N_RESAMPLES = 500
_CHUNK = 16  # resamples at a time: with 20,000 rows they fit in the cache
MOST_ROWS = 20_000  # beyond, a sample of the rows is resampled


def mean_of(per_row: Floats) -> Statistic:
    """Return the weighted mean of one number a row: accuracy, log loss, mean absolute error."""
    return lambda weights: (per_row @ weights) / weights.sum(axis=0)


def rmse(errors: Floats) -> Statistic:
    """Return the root mean squared error; several columns are averaged, as scikit-learn does."""
    squared = _as_columns(errors) ** 2
    return lambda weights: np.sqrt((squared.T @ weights) / weights.sum(axis=0)).mean(axis=0)


def r2(truth: Floats, errors: Floats) -> Statistic:
    """Return 1 - squared error / squared distance from the mean, averaged over the columns."""
    centred = _as_columns(truth) - _as_columns(truth).mean(axis=0)  # else y^2 - mean^2 loses its digits
    squared = _as_columns(errors) ** 2

    def statistic(weights: Floats) -> Floats:
        n = weights.sum(axis=0)
        spread = (centred**2).T @ weights - (centred.T @ weights) ** 2 / n
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((1 - (squared.T @ weights) / spread).mean(axis=0))

    return statistic


def median_absolute_error(errors: Floats) -> Statistic:
    """Return the median of the absolute errors, averaged over the columns."""
    sizes = np.abs(_as_columns(errors))
    orders = np.argsort(sizes, axis=0, kind="stable")

    def statistic(weights: Floats) -> Floats:
        total = np.zeros(weights.shape[1])
        for column, order in zip(sizes.T, orders.T, strict=True):
            ranks = np.cumsum(weights[order], axis=0)
            half = ranks[-1] / 2
            # The lower and the upper middle row; they are one row unless half falls between two.
            lower, upper = (ranks >= half).argmax(axis=0), (ranks > half).argmax(axis=0)
            total += (column[order[lower]] + column[order[upper]]) / 2
        return np.asarray(total / sizes.shape[1])

    return statistic


def roc_auc(positive: np.ndarray[Any, np.dtype[np.bool_]], score: Floats) -> Statistic:
    """Return the chance that a positive row scores above a negative one; a tie counts one half.

    Notes
    -----
    The sum of the positive rows' mid-ranks is the number of won pairs plus half the square of their number (Mann
    and Whitney, 1947), so one cumulative sum is enough.
    """
    order, starts = _tie_groups(score)
    places = np.flatnonzero(positive[order])
    group = np.searchsorted(starts, places, side="right") - 1

    def statistic(weights: Floats) -> Floats:
        in_order = weights[order]
        in_group = _summed(in_order, starts)
        middle = np.cumsum(in_group, axis=0)
        of_positive = in_order[places]
        n_positive, n_rows = of_positive.sum(axis=0), middle[-1].copy()
        middle -= in_group / 2
        won = np.einsum("ij,ij->j", of_positive, middle[group]) - n_positive**2 / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(won / (n_positive * (n_rows - n_positive)))

    return statistic


def average_precision(positive: np.ndarray[Any, np.dtype[np.bool_]], score: Floats) -> Statistic:
    """Return the mean precision over the thresholds, each weighted with the recall that it adds."""
    order, starts = _tie_groups(-score)
    is_positive = positive[order].astype(float)[:, None]

    def statistic(weights: Floats) -> Floats:
        in_order = weights[order]
        hits = _summed(in_order * is_positive, starts)
        called = np.cumsum(_summed(in_order, starts), axis=0)
        n_positive = hits.sum(axis=0)
        precision = np.cumsum(hits, axis=0) / np.maximum(called, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.einsum("ij,ij->j", hits, precision) / n_positive)

    return statistic


def _cells(truth: Ints, prediction: Ints, n_classes: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Group rows by (truth, prediction): the row order, where each group starts, its truth and its prediction."""
    cell = truth * n_classes + prediction
    order, starts = _tie_groups(cell)
    groups = cell[order][starts]
    return order, starts, groups // n_classes, groups % n_classes


def balanced_accuracy(truth: Ints, prediction: Ints, n_classes: int) -> Statistic:
    """Return the mean over the classes that occur of the share of their rows that was found."""
    order, starts, of_truth, of_prediction = _cells(truth, prediction, n_classes)

    def statistic(weights: Floats) -> Floats:
        counts = np.add.reduceat(weights[order], starts, axis=0)
        n_true = _scattered(counts, of_truth, n_classes)
        found = _scattered(counts * (of_truth == of_prediction)[:, None], of_truth, n_classes)
        return _mean_where(found, n_true)

    return statistic


def macro_f1(truth: Ints, prediction: Ints, n_classes: int) -> Statistic:
    """Return the mean F1 over the classes that occur as truth or prediction."""
    order, starts, of_truth, of_prediction = _cells(truth, prediction, n_classes)

    def statistic(weights: Floats) -> Floats:
        counts = np.add.reduceat(weights[order], starts, axis=0)
        n_true = _scattered(counts, of_truth, n_classes)
        n_called = _scattered(counts, of_prediction, n_classes)
        found = _scattered(counts * (of_truth == of_prediction)[:, None], of_truth, n_classes)
        return _mean_where(2 * found, n_true + n_called)

    return statistic


def macro_f1_of_labels(truth: Floats, prediction: Floats) -> Statistic:
    """Return the mean F1 over the label columns; a label that neither occurs nor is given has 0."""
    found, either = (truth * prediction).T, (truth + prediction).T

    def statistic(weights: Floats) -> Floats:
        return np.asarray((2 * (found @ weights) / np.maximum(either @ weights, 1)).mean(axis=0))

    return statistic


def mean_of_columns(statistics: Sequence[Statistic]) -> Statistic:
    """Return the plain mean of several statistics: the ROC AUC averaged over labels."""
    return lambda weights: np.mean([statistic(weights) for statistic in statistics], axis=0)


def value_of(statistic: Statistic, n_rows: int) -> float:
    """Return the metric itself: every row has weight one."""
    return float(statistic(np.ones((n_rows, 1)))[0])


def bootstrap(statistics: Mapping[Any, Statistic], n_rows: int, random_state: int) -> dict[Any, Floats]:
    """Draw 500 resamples of the rows and return each statistic on all of them.

    All statistics see the same resamples, so that differences between two of them are paired. The cost is
    ``O(n_rows)`` a resample and a statistic.

    References
    ----------
    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    rng = np.random.default_rng(random_state)
    results: dict[Any, Floats] = {name: np.empty(N_RESAMPLES) for name in statistics}
    for start in range(0, N_RESAMPLES, _CHUNK):
        stop = min(start + _CHUNK, N_RESAMPLES)
        weights = np.empty((n_rows, stop - start))
        for column in range(stop - start):
            weights[:, column] = np.bincount(rng.integers(n_rows, size=n_rows), minlength=n_rows)
        for name, statistic in statistics.items():
            results[name][start:stop] = statistic(weights)
    return results


def interval(resampled: Floats, value: float, shrink: float = 1.0) -> tuple[float, float] | None:
    """Return the 95 % percentile interval, or None where fewer than half of the resamples are defined.

    ``shrink`` narrows it around ``value``: with ``m`` of ``n`` rows resampled, ``sqrt(m / n)``.
    """
    defined = resampled[np.isfinite(resampled)]
    if not np.isfinite(value) or len(defined) < len(resampled) / 2:
        return None
    low, high = np.quantile(defined, [0.025, 0.975]).tolist()
    return value + shrink * (low - value), value + shrink * (high - value)


def wilson(share: float, n_rows: int, z: float = 1.959964) -> tuple[float, float]:
    """Return the 95 % interval of a share by Wilson's formula (1927), which is also right at 0 and 1.

    >>> low, high = wilson(1.0, 45)
    >>> round(low, 3), round(high, 3)
    (0.921, 1.0)
    """
    centre = (share + z**2 / (2 * n_rows)) / (1 + z**2 / n_rows)
    half = z / (1 + z**2 / n_rows) * np.sqrt(share * (1 - share) / n_rows + z**2 / (4 * n_rows**2))
    # Rounding must not push the end of the interval past the share itself.
    return max(0.0, min(share, float(centre - half))), min(1.0, max(share, float(centre + half)))


def _as_columns(values: Floats) -> Floats:
    return values[:, None] if values.ndim == 1 else values


def _tie_groups(values: Any) -> tuple[Ints, Ints]:
    """Sort rows by value: their order, and where each run of equal values starts."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    return order, starts


def _summed(weights: Floats, starts: Ints) -> Floats:
    """Sum the rows of each group; no work where every group has one row."""
    return weights if len(starts) == len(weights) else np.add.reduceat(weights, starts, axis=0)


def _scattered(counts: Floats, of: Ints, n_classes: int) -> Floats:
    """Add each group's counts to the row of its class."""
    totals = np.zeros((n_classes, counts.shape[1]))
    np.add.at(totals, of, counts)
    return totals


def _mean_where(numerator: Floats, denominator: Floats) -> Floats:
    """Mean of the ratios over the classes whose denominator is not zero."""
    present = denominator > 0
    ratios = np.where(present, numerator / np.maximum(denominator, 1), 0.0)
    return np.asarray(ratios.sum(axis=0) / np.maximum(present.sum(axis=0), 1))
