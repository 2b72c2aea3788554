"""Where the errors are: confusion, scores of each class, residuals, calibration, worst rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from planefold.doctor.scoring import probability_groups
from planefold.reports.metrics import Floats, Ints, wilson
from planefold.reports.numbers import number
from planefold.reports.records import CalibrationBin, ClassScore, Confusion, Residuals, WorstRow

MOST_CLASSES = 20
ALL_OTHERS = "all others"
MOST_POINTS = 2_000
MOST_WORST = 10
MOST_OUTPUTS = 6
_MOST_SCORES = 100


def confusion(truth: Ints, prediction: Ints, names: Sequence[str]) -> Confusion:
    """Count truth against prediction; beyond 20 classes the rarest become one."""
    n, n_wrong = len(names), int((truth != prediction).sum())
    if n > MOST_CLASSES + 1:
        kept = np.sort(np.argsort(-np.bincount(truth, minlength=n), kind="stable")[:MOST_CLASSES])
        place = np.full(n, MOST_CLASSES, dtype=np.intp)
        place[kept] = np.arange(MOST_CLASSES)
        truth, prediction = place[truth], place[prediction]
        names, n = [*(names[i] for i in kept), ALL_OTHERS], MOST_CLASSES + 1
    counts = np.bincount(truth * n + prediction, minlength=n * n).reshape(n, n)
    matrix = tuple(tuple(row) for row in counts.tolist())
    return Confusion(classes=tuple(names), matrix=matrix, n_wrong=n_wrong)


def class_scores(truth: Ints, prediction: Ints, names: Sequence[str]) -> tuple[ClassScore, ...]:
    """Precision, recall and F1 of each class, the 100 most frequent at most."""
    n = len(names)
    n_true, n_called = np.bincount(truth, minlength=n), np.bincount(prediction, minlength=n)
    found = np.bincount(truth[truth == prediction], minlength=n)
    return _scores(names, n_true, n_called, found)


def label_scores(truth: Floats, prediction: Floats, names: Sequence[str]) -> tuple[ClassScore, ...]:
    """Return the same for label columns of zeros and ones."""
    found = (truth * prediction).sum(axis=0)
    return _scores(names, truth.sum(axis=0), prediction.sum(axis=0), found)


def _scores(names: Sequence[str], n_true: Any, n_called: Any, found: Any) -> tuple[ClassScore, ...]:
    kept = np.sort(np.argsort(-n_true, kind="stable")[:_MOST_SCORES])
    return tuple(
        ClassScore(
            name=names[i],
            n_rows=int(n_true[i]),
            precision=float(found[i] / n_called[i]) if n_called[i] else None,
            recall=float(found[i] / n_true[i]) if n_true[i] else None,
            f1=float(2 * found[i] / (n_true[i] + n_called[i])) if n_true[i] + n_called[i] else None,
        )
        for i in kept
    )


def residuals(truth: Floats, prediction: Floats, names: Sequence[str], random_state: int) -> tuple[Residuals, ...]:
    """Summarise prediction minus truth, an output at a time, the first six at most."""
    truth, prediction = truth.reshape(len(truth), -1), prediction.reshape(len(prediction), -1)
    rng = np.random.default_rng(random_state)
    # Several outputs share the page, so each has fewer points.
    n_points = MOST_POINTS // min(len(names), MOST_OUTPUTS)
    return tuple(
        _residuals_of(truth[:, j], prediction[:, j], names[j], n_points, rng)
        for j in range(min(len(names), MOST_OUTPUTS))
    )


def _residuals_of(truth: Floats, prediction: Floats, name: str, n_points: int, rng: np.random.Generator) -> Residuals:
    errors = prediction - truth
    minimum, quartile_1, median, quartile_3, maximum = np.quantile(errors, [0, 0.25, 0.5, 0.75, 1]).tolist()
    # One far error must not squeeze all the others into one bar: the ends are 4 quartile widths away at most.
    reach = 4 * (quartile_3 - quartile_1) or max(abs(minimum), abs(maximum)) or 1.0
    low, high = max(minimum, quartile_1 - reach), min(maximum, quartile_3 + reach)
    if not high - low > 1e-9 * max(abs(low), abs(high)):
        low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
    n_bins = int(np.clip(np.sqrt(len(errors)), 8, 31))
    counts, edges = np.histogram(np.clip(errors, low, high), bins=n_bins, range=(low, high))
    rows = np.arange(len(errors))
    if len(rows) > n_points:
        worst = np.argsort(-np.abs(errors), kind="stable")[:MOST_WORST]
        rows = np.union1d(worst, rng.choice(len(rows), n_points - MOST_WORST, replace=False))
    return Residuals(
        output=name,
        mean=float(errors.mean()),
        standard_deviation=float(errors.std()),
        minimum=minimum,
        quartile_1=quartile_1,
        median=median,
        quartile_3=quartile_3,
        maximum=maximum,
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
        points=tuple(zip(truth[rows].tolist(), prediction[rows].tolist(), strict=True)),
    )


def calibration(positive: Any, share: Floats) -> tuple[CalibrationBin, ...]:
    """Cut the rows into up to ten groups of near predicted probability, each of 25 rows or more.

    Notes
    -----
    Groups have equal counts, but rows with the same probability stay together. The interval is Wilson's (1927),
    which stays inside 0 and 1.
    """
    group = probability_groups(share)
    bins = []
    for which in np.unique(group):
        inside = group == which
        n, observed = int(inside.sum()), float(positive[inside].mean())
        low, high = wilson(observed, n)
        bins.append(
            CalibrationBin(n_rows=n, predicted=float(share[inside].mean()), observed=observed, low=low, high=high)
        )
    return tuple(bins)


def worst_values(truth: Floats, prediction: Floats, rows: Any, names: Sequence[str]) -> tuple[WorstRow, ...]:
    """Return the rows that are furthest off; several outputs count in standard deviations of each."""
    if truth.ndim == 1:
        size = np.abs(prediction - truth)
        return tuple(
            WorstRow(row=int(rows[i]), truth=float(truth[i]), prediction=float(prediction[i]), how_wrong=float(size[i]))
            for i in _largest(size)
        )
    spread = truth.std(axis=0)
    size = np.sqrt((((prediction - truth) / np.where(spread > 0, spread, 1)) ** 2).mean(axis=1))
    return tuple(
        WorstRow(
            row=int(rows[i]),
            truth=", ".join(number(float(value)) for value in truth[i, :MOST_OUTPUTS]),
            prediction=", ".join(number(float(value)) for value in prediction[i, :MOST_OUTPUTS]),
            how_wrong=float(size[i]),
        )
        for i in _largest(size)
    )


def worst_classes(
    truth: Ints, prediction: Ints, share_of_truth: Floats | None, rows: Any, names: Sequence[str]
) -> tuple[WorstRow, ...]:
    """Return the wrong rows, those first whose true class was given the least probability."""
    wrong = truth != prediction
    size = np.where(wrong, 1.0 if share_of_truth is None else 1 - share_of_truth, 0.0)
    return tuple(
        WorstRow(row=int(rows[i]), truth=names[truth[i]], prediction=names[prediction[i]], how_wrong=float(size[i]))
        for i in _largest(size)
    )


def worst_labels(truth: Floats, prediction: Floats, rows: Any, names: Sequence[str]) -> tuple[WorstRow, ...]:
    """Return the rows with the most wrong labels."""
    size = (truth != prediction).sum(axis=1).astype(float)

    def listed(present: Floats) -> str:
        return ", ".join(names[int(j)] for j in np.flatnonzero(present)) or "none"

    return tuple(
        WorstRow(row=int(rows[i]), truth=listed(truth[i]), prediction=listed(prediction[i]), how_wrong=float(size[i]))
        for i in _largest(size)
    )


def _largest(size: Floats) -> list[int]:
    order = np.argsort(-size, kind="stable")[:MOST_WORST]
    return [int(i) for i in order if size[i] > 0]
