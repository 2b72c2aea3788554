"""Whether probabilities are frequencies, and whether the truth lies around predicted numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from planefold.doctor.scoring.records import Calibration

Floats = NDArray[np.float64]
Probabilities = tuple[Floats, Floats, NDArray[np.intp]]  # of all classes, of the true one; which it is

N_DRAWS = 300
FEWEST_CALIBRATED = 40


def probability_groups(share: Any, most: int = 10, fewest: int = 25) -> NDArray[np.intp]:
    """Cut rows into groups of near probability and about equal size; equal probabilities stay together.

    Parameters
    ----------
    share : array of shape (n_rows,)
    most : int, default=10
        Groups at most.
    fewest : int, default=25
        Rows of a group at least, about.

    Returns
    -------
    int array of shape (n_rows,)
        The group of each row, in the order of the probabilities; numbers may be left out.
    """
    n_groups = int(np.clip(len(share) // fewest, 1, most))
    cuts = np.unique(np.quantile(share, np.linspace(0, 1, n_groups + 1)[1:-1]))
    return np.asarray(np.searchsorted(cuts, share, side="left"), dtype=np.intp)


def expected_calibration_error(events: Any, share: Any) -> float:
    """Mean distance between probability and frequency, over groups of near probability, weighted with their rows.

    Parameters
    ----------
    events : array of shape (n_rows,)
        Whether it happened.
    share : array of shape (n_rows,)
        The probability that was given to it.

    References
    ----------
    Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI 2015; with
    groups of equal size: Nguyen and O'Connor, EMNLP 2015.
    """
    surplus = np.asarray(share, dtype=float) - np.asarray(events, dtype=float)
    sums = np.bincount(probability_groups(share), weights=surplus)
    return float(np.abs(sums).sum() / len(surplus))


def calibration_of(
    truth: Any, predicted: Any, shares: Probabilities | None, task: str, seed: int
) -> Calibration | None:
    """Measure what this task allows; None with few rows, without probabilities, and for several labels or outputs."""
    if len(truth) < FEWEST_CALIBRATED:
        return None
    if task == "regression":
        return calibration_of_numbers(truth, predicted)
    if shares is None or task not in ("binary", "multiclass"):
        return None
    return calibration_of_classes(shares[2], shares[0], random_state=seed)


def calibration_of_classes(codes: Any, shares: Any, *, random_state: int = 0) -> Calibration:
    """Measure whether probabilities are frequencies.

    Parameters
    ----------
    codes : int array of shape (n_rows,)
        The true class, as a column of ``shares``.
    shares : array of shape (n_rows, n_classes)
        Probabilities. Of two classes the second is judged, of more the highest of each row.
    random_state : int, default=0

    Notes
    -----
    The error of as many rows whose classes are drawn from the probabilities themselves, 300 times, tells what chance
    alone gives: a perfect model with 100 rows has an error of about 0.07. The slope is the temperature of
    Guo et al. (its inverse), by Newton's method; its standard error comes from the curvature.

    References
    ----------
    Broecker and Smith, "Increasing the Reliability of Reliability Diagrams", Weather and Forecasting 22, 2007
    (consistency resampling). Guo et al., "On Calibration of Modern Neural Networks", ICML 2017.
    """
    codes, shares = np.asarray(codes), np.asarray(shares, dtype=float)
    if shares.shape[1] == 2:
        share, events = shares[:, 1], codes == 1
    else:
        share, events = shares.max(axis=1), codes == shares.argmax(axis=1)
    error = expected_calibration_error(events, share)
    rng = np.random.default_rng(random_state)
    group = probability_groups(share)
    surplus = share[:, None] - (rng.random((len(share), N_DRAWS)) < share[:, None])
    sums = np.stack([surplus[group == which].sum(axis=0) for which in np.unique(group)])
    drawn = np.abs(sums).sum(axis=0) / len(share)
    mean, spread = float(drawn.mean()), float(drawn.std())
    # Beyond the draws the tail is taken to be normal: 300 draws alone could not say less than 1 in 300.
    p = max((drawn >= error).mean(), float(norm.sf((error - mean) / spread)) if spread > 0 else 1.0)
    slope, slope_se = _temperature(codes, shares)
    return Calibration(
        error=error, by_chance=mean, p=p, slope=slope, slope_se=slope_se, bias=float(share.mean() - events.mean()),
        bias_se=float(np.sqrt((share * (1 - share)).sum()) / len(share)), said=float(share.mean()),
        seen=float(events.mean()), n_rows=len(share),
    )  # fmt: skip


def _temperature(codes: NDArray[np.intp], shares: Floats) -> tuple[float, float]:
    """By what log probabilities should be multiplied, and the standard error; rows of unknown classes are left out."""
    known = codes < shares.shape[1]
    logs = np.log(np.clip(shares[known], 1e-6, 1))  # one row that was certain and wrong must not decide it all
    if not len(logs):
        return math.nan, math.inf
    of_truth = logs[np.arange(len(logs)), codes[known]]
    slope = 1.0
    for _ in range(30):
        raw = slope * logs
        weights = np.exp(raw - raw.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        mean = (weights * logs).sum(axis=1)
        curvature = float(((weights * logs**2).sum(axis=1) - mean**2).sum())
        if curvature <= 1e-12:
            return math.nan, math.inf
        step = float((of_truth - mean).sum()) / curvature
        slope = float(np.clip(slope + np.clip(step, -0.5, 0.5), 0.01, 20.0))
        if abs(step) < 1e-6:
            break
    return slope, 1 / math.sqrt(curvature)


def calibration_of_numbers(truth: Any, predicted: Any) -> Calibration:
    """Measure whether the truth lies around the predictions: a line through truth over prediction should be y = x.

    Parameters
    ----------
    truth, predicted : array of shape (n_rows,)

    Notes
    -----
    Standard errors hold for errors of any spread (White, "A Heteroskedasticity-Consistent Covariance Matrix Estimator",
    Econometrica 48, 1980). The p-value is that of Wald's test of both numbers together.

    References
    ----------
    Mincer and Zarnowitz, "The Evaluation of Economic Forecasts", 1969.
    """
    truth, predicted = np.asarray(truth, dtype=float), np.asarray(predicted, dtype=float)
    n_rows = len(truth)
    off = truth - predicted
    bias_se = float(off.std(ddof=1) / math.sqrt(n_rows))
    centred = predicted - predicted.mean()
    spread = float((centred**2).sum())
    squared = float((off**2).mean())
    facts: dict[str, Any] = {
        "bias": float(-off.mean()), "bias_se": bias_se, "said": float(predicted.mean()), "seen": float(truth.mean()),
        "n_rows": n_rows,
    }  # fmt: skip
    if spread <= 1e-12 * max(float(truth.var()) * n_rows, 1e-300) or squared == 0:
        return Calibration(error=0.0, by_chance=0.0, p=1.0, slope=1.0, slope_se=math.inf, **facts)
    extra = float(centred @ off) / spread
    left = off - off.mean() - extra * centred
    slope_se = math.sqrt(float((centred**2 * left**2).sum())) / spread * math.sqrt(n_rows / (n_rows - 2))
    chance = (extra / slope_se) ** 2 + (facts["bias"] / bias_se) ** 2 if slope_se > 0 and bias_se > 0 else 0.0
    return Calibration(
        error=1 - float((left**2).mean()) / squared, by_chance=2 / n_rows, p=math.exp(-chance / 2), slope=1 + extra,
        slope_se=slope_se, **facts,
    )  # fmt: skip
