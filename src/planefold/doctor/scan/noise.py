"""Labels that contradict what the other rows say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import beta

from planefold.core.records import Record
from planefold.doctor.scan.kernel import unseen_scores
from planefold.doctor.scan.repeats import row_hashes, twins
from planefold.doctor.scan.sheet import Floats, Sheet

MIN_ROWS = 100
MAX_ROWS = 1500
CONFIDENT = 0.25  # share of the rows
POWERS = (1.0, 1.5)  # of the margin, in the model without wrong labels: classes part more or less sharply


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Noise(Record):
    """How often a model that did not see a row calls it other than its label says.

    Parameters
    ----------
    n_rows : int
        Rows that were judged.
    error : float
        Share of them that are called otherwise.
    trivial_error : float
        Share that is not of the most frequent class.
    confident_error : float
        Share called otherwise among the quarter of the rows of which the model is surest.
    lower : float
        One-sided 95 % bound of it.
    wrong : float
        Share of wrong labels that explains best how errors fall with the margin between the first and the second
        class: to nothing where classes overlap, to this share where labels are wrong.
    ratio : float
        Twice the logarithm of how much better that explains the errors than no wrong labels do.
    rows : tuple of int
        The rows whose label is least believed, counted from 0.
    """

    n_rows: int
    error: float
    trivial_error: float
    confident_error: float
    lower: float
    wrong: float
    ratio: float
    rows: tuple[int, ...]


def measure_noise(sheet: Sheet, random: np.random.RandomState) -> Noise | None:
    """Compare labels with what the other rows say; None without classes, or with few rows."""
    if not sheet.is_classes or sheet.n_train < MIN_ROWS:
        return None
    train = sheet.train()
    # Of equal rows one: a row must not be judged by its copy.
    own = np.flatnonzero(twins(row_hashes(train.identity)) == np.arange(train.n_rows))
    own = np.sort(own[random.permutation(len(own))[:MAX_ROWS]])
    if len(own) < MIN_ROWS:
        return None
    some = train.take(own)
    assert some.target is not None
    kept, labels = np.unique(some.target, return_inverse=True)
    counts = np.bincount(labels)
    if len(kept) < 2 or np.sum(counts >= 5) < 2:
        return None
    scores = unseen_scores(some, labels, random)
    called = scores.argmax(axis=1)
    two_best = np.partition(scores, -2, axis=1)[:, -2:]
    margin, wrong = two_best[:, 1] - two_best[:, 0], called != labels
    surest = np.argsort(-margin, kind="stable")[: max(20, int(CONFIDENT * len(own)))]
    n_wrong = int(wrong[surest].sum())
    share, ratio = _wrong_labels(margin, wrong.astype(float))
    doubt = scores[np.arange(len(labels)), labels] - scores.max(axis=1)
    return Noise(
        n_rows=len(own),
        error=float(wrong.mean()),
        trivial_error=1 - counts.max() / len(labels),
        confident_error=n_wrong / len(surest),
        lower=float(beta.ppf(0.05, n_wrong, len(surest) - n_wrong + 1)) if n_wrong else 0.0,
        wrong=share,
        ratio=ratio,
        rows=tuple(own[np.argsort(doubt, kind="stable")[:10]].tolist()),
    )


def _wrong_labels(margin: Floats, wrong: Floats) -> tuple[float, float]:
    r"""Estimate the share of wrong labels from how errors fall with the margin.

    Without wrong labels the probability of an error is :math:`\sigma(b - a u^c)` at a margin :math:`u`; a share
    :math:`\rho` of wrong ones makes it :math:`\rho + (1 - 2\rho) \sigma(b - a u)`, which does not fall below it.
    """
    if not wrong.any() or np.ptp(margin) == 0:
        return 0.0, 0.0
    u = margin / margin.std()

    def misfit(steps: Floats, power: float) -> float:
        rho = expit(steps[2]) / 2 if len(steps) > 2 else 0.0
        p = rho + (1 - 2 * rho) * expit(steps[1] - np.exp(min(steps[0], 20.0)) * u**power)
        p = np.clip(p, 1e-9, 1 - 1e-9)
        return float(-np.sum(wrong * np.log(p) + (1 - wrong) * np.log1p(-p)))

    without = min(_lowest(misfit, [0.0, 0.0], power).fun for power in POWERS)
    found = _lowest(misfit, [0.7, 0.0, -1.6], 1.0)
    return float(expit(found.x[2]) / 2), max(0.0, float(2 * (without - found.fun)))


def _lowest(misfit: Callable[[Floats, float], float], start: list[float], power: float) -> Any:
    return minimize(misfit, np.array(start), args=(power,), method="Nelder-Mead", options={"maxiter": 250})
