"""`measure_scores`: what predictions on held-out rows are worth: against others, as probabilities, and where they fail.

Nothing here is judged; the checks SC... do that.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from planefold.core.errors import DataError, unknown_choice
from planefold.core.records import Record

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TASKS = ("regression", "multioutput", "binary", "multiclass", "multilabel")
N_DRAWS = 300
FEWEST_CALIBRATED = 40
FEWEST_IN_SEGMENT = 25
MOST_IN_SEGMENT = 0.6  # of the rows: the rest must be the rule, not the exception
MOST_SEGMENTS = 3
MOST_SINGLE = 240  # slices by one column
MOST_SEGMENT_ROWS = 5_000
FALSE_SEGMENTS = 0.002  # share of the segments found that may be chance (Benjamini and Hochberg)
MOST_CATEGORIES = 12
N_PARTS = 4  # of a column of numbers


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The model's losses minus those of another one, row by row.

    Parameters
    ----------
    difference : float
        Mean loss of the model minus that of the other; negative where the model is better.
    se : float
        Its standard error: the rows are paired.
    other : float
        Mean loss of the other.
    """

    difference: float
    se: float
    other: float

    @property
    def z(self) -> float:
        """Standard errors by which the model is worse."""
        return self.difference / self.se if self.se > 0 else math.copysign(math.inf, self.difference)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Whether predictions can be taken at their word.

    Parameters
    ----------
    error : float
        Classes: expected calibration error, the mean distance between probability and frequency over groups of rows of
        equal size. Numbers: share of the squared error that a straight line through truth over prediction takes away.
    by_chance : float
        What that would be on average, on as many rows, if the predictions were right.
    p : float
        Probability of an error as large as this by chance.
    slope, slope_se : float
        Classes: by how much log odds should be multiplied, numbers: by how much distances from the mean: below 1
        predictions are too bold, above 1 too timid.
    bias, bias_se : float
        Mean of the predictions minus mean of the truth; for several classes, of the highest probability minus the share
        of rows in which that class is right.
    said, seen : float
        The two means whose difference is the bias.
    n_rows : int
    """

    error: float
    by_chance: float
    p: float
    slope: float
    slope_se: float
    bias: float
    bias_se: float
    said: float
    seen: float
    n_rows: int

    @property
    def excess(self) -> float:
        """The error beyond what chance alone gives."""
        return max(self.error - self.by_chance, 0.0)


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Rows that one or two columns pick out, where the model is worse than elsewhere.

    Parameters
    ----------
    where : str
        ``"age <= 30 and city is 'Berlin'"``.
    n_rows : int
    error, rest : float
        Share of wrong rows, or root mean squared error, in the segment and in all other rows.
    z : float
        Difference of the mean ranks of the rows' errors, in standard errors.
    p : float
        Corrected for the number of segments that were looked at (Benjamini and Hochberg).
    behind, behind_z : float or None
        Mean loss of the model minus that of the baseline ``"trees"`` in the segment, and in standard errors; None where
        there is none.
    """

    where: str
    n_rows: int
    error: float
    rest: float
    z: float
    p: float
    behind: float | None = None
    behind_z: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Scores(Record):
    """What predictions on held-out rows are worth.

    Parameters
    ----------
    task : {"regression", "multioutput", "binary", "multiclass", "multilabel"}
    n_rows : int
    score : float
        Accuracy or R^2.
    loss : float
        Mean of the rows' losses.
    comparisons : mapping of str to Comparison
        By the name of the baseline: ``"trivial"``, ``"linear"``, ``"trees"``.
    beats_majority_z : float or None
        Standard errors by which more rows are right than if the most frequent class was always said; classes only.
    calibration : Calibration or None
        None with few rows, without probabilities, and for several labels or outputs.
    segments : tuple of Segment
        At most three, the surest first.
    n_segments : int
        How many were looked at.
    agreement : float or None
        Mean rank correlation of the predictions of two members.
    """

    task: str
    n_rows: int
    score: float
    loss: float
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    beats_majority_z: float | None = None
    calibration: Calibration | None = None
    segments: tuple[Segment, ...] = ()
    n_segments: int = 0
    agreement: float | None = None

    @property
    def learnable(self) -> float | None:
        """Loss of the trivial rule minus the lowest loss known, at least a tenth of the former."""
        if "trivial" not in self.comparisons:
            return None
        trivial = self.comparisons["trivial"].other
        lowest = min(self.loss, *(comparison.other for comparison in self.comparisons.values()))
        return max(trivial - lowest, 0.1 * abs(trivial), 1e-12)


def measure_scores(
    y_true: Any,
    y_pred: Any,
    *,
    task: str,
    proba: Any = None,
    classes: Sequence[Any] | None = None,
    losses: Any = None,
    baselines: Mapping[str, Any] | None = None,
    columns: Mapping[str, Any] | None = None,
    members: Any = None,
    random_state: int = 0,
) -> Scores:
    """Measure what predictions on held-out rows are worth.

    Parameters
    ----------
    y_true, y_pred : array of shape (n_rows,) or (n_rows, n_outputs)
    task : {"regression", "multioutput", "binary", "multiclass", "multilabel"}
    proba : array of shape (n_rows, n_classes), optional
        In the order of ``classes``; binary also (n_rows,), of the second class.
    classes : sequence, optional
        Without it, the sorted values of truth and prediction.
    losses : array of shape (n_rows,), optional
        The loss of each row. Without it: log loss with probabilities, else 0 or 1, or the squared error.
    baselines : mapping of str to array of shape (n_rows,), optional
        Losses of others on the same rows, in the same loss: ``Reference.baselines``.
    columns : mapping of str to array of shape (n_rows,), optional
        The table as the user knows it, for segments: numbers, or text and other values as categories; None and nan are
        missing.
    members : array of shape (n_members, n_rows) or (n_members, n_rows, n_outputs), optional
        Predictions (classes: probabilities) of the single members, or of models with other seeds.
    random_state : int, default=0
        Of the draws behind the calibration's p-value.

    Returns
    -------
    Scores

    Raises
    ------
    DataError
        If shapes do not fit together, or there are no rows.

    Examples
    --------
    >>> scores = measure_scores([1.0, 2.0, 3.0], [1.0, 2.0, 4.0], task="regression")
    >>> scores.score
    0.5
    """
    if task not in TASKS:
        raise unknown_choice("task", task, TASKS)
    truth, predicted = np.asarray(y_true), np.asarray(y_pred)
    if not truth.size:
        raise DataError("y_true has no rows", hint="scores are measured on rows that were held out")
    if task in ("regression", "binary", "multiclass"):
        truth, predicted = truth.reshape(len(truth), -1)[:, 0], predicted.reshape(len(predicted), -1)[:, 0]
    if truth.shape != predicted.shape:
        raise DataError(f"y_pred has shape {predicted.shape}", details=f"y_true has {truth.shape}")
    if task in ("regression", "multioutput"):
        truth, predicted = np.asarray(truth, dtype=float), np.asarray(predicted, dtype=float)
    shares = _shares(proba, truth, predicted, classes, task)
    errors = _errors(truth, predicted, task)
    own = errors if shares is None else -np.log(np.clip(shares[1], 1e-15, 1))
    own = own if losses is None else _one_a_row(losses, "losses", len(truth))
    others = {name: _one_a_row(rows, name, len(truth)) for name, rows in (baselines or {}).items()}
    segments, n_segments = _segments(columns or {}, errors, own, others.get("trees"), task)
    return Scores(
        task=task,
        n_rows=len(truth),
        score=_score(truth, errors, task),
        loss=float(own.mean()),
        comparisons={name: compare(own, rows) for name, rows in others.items()},
        beats_majority_z=_beats_majority(truth, errors) if task in ("binary", "multiclass") else None,
        calibration=_calibration(truth, predicted, shares, task, random_state),
        segments=segments,
        n_segments=n_segments,
        agreement=None if members is None else agreement(members),
    )


def compare(losses: Any, others: Any) -> Comparison:
    """Compare two models by their losses on the same rows.

    Parameters
    ----------
    losses, others : array of shape (n_rows,)

    Examples
    --------
    >>> found = compare([1.0, 2.0, 3.0], [1.0, 1.0, 2.0])
    >>> round(found.difference, 3), round(found.se, 3)
    (0.667, 0.333)
    """
    own, rows = np.asarray(losses, dtype=float), np.asarray(others, dtype=float)
    differences = own - rows
    se = float(differences.std(ddof=1) / math.sqrt(len(rows))) if len(rows) > 1 else math.inf
    return Comparison(difference=float(differences.mean()), se=se, other=float(rows.mean()))


# ------------------------------------------------------------------------------------------------------ errors of rows


def _one_a_row(values: Any, name: str, n_rows: int) -> Floats:
    found = np.asarray(values, dtype=float).reshape(-1)
    if len(found) != n_rows:
        raise DataError(f"{name} has {len(found)} entries", details=f"there are {n_rows} rows")
    return found


def _errors(truth: Any, predicted: Any, task: str) -> Floats:
    """Squared error of each row, or 1 where the class is wrong (of several labels: any)."""
    if task in ("regression", "multioutput"):
        spread = truth.std(axis=0)
        scale = np.where(spread > 0, spread, 1.0) if task == "multioutput" else 1.0
        return np.asarray((((truth - predicted) / scale) ** 2).reshape(len(truth), -1).mean(axis=1))
    wrong = (truth != predicted).reshape(len(truth), -1).any(axis=1)
    return np.asarray(wrong, dtype=float)


def _score(truth: Any, errors: Floats, task: str) -> float:
    if task not in ("regression", "multioutput"):
        return float(1 - errors.mean())
    variance = float(truth.var()) if task == "regression" else 1.0
    return 1 - float(errors.mean()) / variance if variance > 0 else math.nan


def _beats_majority(truth: Any, errors: Floats) -> float:
    values, counts = np.unique(truth, return_counts=True)
    found = compare((truth != values[counts.argmax()]).astype(float), errors)
    return found.z if found.difference else 0.0


def _shares(
    proba: Any, truth: Any, predicted: Any, classes: Sequence[Any] | None, task: str
) -> tuple[Floats, Floats, NDArray[np.intp]] | None:
    """Probabilities of all classes, that of the true one, and which it is; None where there are none."""
    if proba is None or task not in ("binary", "multiclass"):
        return None
    shares = np.asarray(proba, dtype=float)
    if shares.ndim == 1:
        shares = np.column_stack([1 - shares, shares])
    names = list(np.unique(np.concatenate([truth, predicted]))) if classes is None else list(classes)
    if shares.shape != (len(truth), len(names)):
        raise DataError(
            f"proba has shape {shares.shape}",
            details=f"{len(truth)} rows and {len(names)} classes need {(len(truth), len(names))}",
            hint="give the classes that the columns stand for as classes=",
        )
    place = {name: i for i, name in enumerate(names)}
    codes = np.array([place.get(value, len(names)) for value in truth.tolist()], dtype=np.intp)
    padded = np.column_stack([shares, np.zeros(len(shares))])  # a class that was never learned has none
    return shares, np.asarray(padded[np.arange(len(codes)), codes]), codes


# --------------------------------------------------------------------------------------------------------- calibration


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


def _calibration(
    truth: Any, predicted: Any, shares: tuple[Floats, Floats, NDArray[np.intp]] | None, task: str, seed: int
) -> Calibration | None:
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


# ------------------------------------------------------------------------------------------------------------ segments


@dataclass(frozen=True, eq=False)
class _Slice:
    """Some rows, by one column."""

    column: str
    words: str
    rows: Bools


def _slices(columns: Mapping[str, Any]) -> list[_Slice]:
    """Cut every column into its categories, or its numbers into quarters, and the missing ones."""
    found: list[_Slice] = []
    for name, values in columns.items():
        column = np.asarray(values)
        numbers = column.astype(float) if column.dtype.kind in "biuf" else None
        if numbers is None:
            missing = np.array([value is None or value != value for value in column.tolist()])
            labels = np.array([str(value) for value in column.tolist()])
            found += _categories(name, labels, ~missing)
        else:
            missing = np.isnan(numbers)
            known = numbers[~missing]
            if len(np.unique(known)) <= MOST_CATEGORIES:
                found += [_Slice(name, f"{name} is {value:g}", numbers == value) for value in np.unique(known)]
            else:
                found += _parts(name, numbers, known)
        if missing.any():
            found.append(_Slice(name, f"{name} is missing", missing))
    n_rows = len(next(iter(columns.values()))) if columns else 0
    large = [part for part in found if FEWEST_IN_SEGMENT <= part.rows.sum() <= n_rows - FEWEST_IN_SEGMENT]
    return large[:MOST_SINGLE]


def _categories(name: str, labels: Any, known: Bools) -> list[_Slice]:
    values, counts = np.unique(labels[known], return_counts=True)
    common = values[np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]]
    return [_Slice(name, f"{name} is {str(value)!r}", known & (labels == value)) for value in common]


def _parts(name: str, numbers: Floats, known: Floats) -> list[_Slice]:
    cuts = np.unique(np.quantile(known, np.linspace(0, 1, N_PARTS + 1)[1:-1]))
    with np.errstate(invalid="ignore"):
        part = np.where(np.isnan(numbers), -1, np.searchsorted(cuts, numbers, side="left"))
    low, high = f"{name} <= {cuts[0]:.3g}", f"{name} > {cuts[-1]:.3g}"
    between = [f"{below:.3g} < {name} <= {above:.3g}" for below, above in itertools.pairwise(cuts)]
    return [_Slice(name, words, part == i) for i, words in enumerate([low, *between, high])]


def _segments(
    columns: Mapping[str, Any], errors: Floats, losses: Floats, strong: Floats | None, task: str
) -> tuple[tuple[Segment, ...], int]:
    """Find where the errors are larger than elsewhere: the weakest segments, and how many were looked at.

    The ranks of the errors are compared (Mann and Whitney), so that one far error makes no segment. All slices and all
    pairs of them are two products of matrices.
    """
    columns = {name: np.asarray(values) for name, values in columns.items()}
    for name, values in columns.items():
        if len(values) != len(errors):
            raise DataError(f"column {name!r} has {len(values)} entries", details=f"there are {len(errors)} rows")
    if len(errors) > MOST_SEGMENT_ROWS:  # evenly spread: enough to see any segment worth a word
        kept = np.linspace(0, len(errors) - 1, MOST_SEGMENT_ROWS).astype(int)
        columns = {name: values[kept] for name, values in columns.items()}
        errors, losses, strong = errors[kept], losses[kept], None if strong is None else strong[kept]
    slices = _slices(columns)
    n_rows = len(errors)
    if not slices or np.ptp(errors) == 0:
        return (), 0
    inside = np.stack([part.rows for part in slices]).astype(np.float64)
    ranks = rankdata(errors)
    ranks -= ranks.mean()
    counts, sums = inside @ inside.T, (inside * ranks) @ inside.T
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(ranks.var(ddof=1) * counts * (n_rows - counts) / n_rows)
        z = sums / spread  # a sum of ranks drawn without replacement
    names = np.array([part.column for part in slices])
    own = np.eye(len(slices), dtype=bool)
    wanted = (np.triu(names[:, None] != names[None, :]) | own) & (counts >= FEWEST_IN_SEGMENT)
    wanted &= counts <= MOST_IN_SEGMENT * n_rows
    # Two columns must say more than either of them: else their segment is a part of a plainer one.
    single = np.where(counts.diagonal() <= MOST_IN_SEGMENT * n_rows, z.diagonal(), -np.inf)
    wanted &= own | (z > np.maximum.outer(single, single) + 1)
    first, second = np.nonzero(wanted)
    p = _corrected(norm.sf(z[first, second]))
    order = np.argsort(-z[first, second], kind="stable")
    chosen: list[tuple[int, int, float]] = []
    for i in order[:200]:
        a, b = int(first[i]), int(second[i])
        if p[i] > FALSE_SEGMENTS or len(chosen) == MOST_SEGMENTS:
            break
        if not _repeats(a, b, chosen, slices):
            chosen.append((a, b, float(p[i])))
    found = tuple(_segment(slices, a, b, float(z[a, b]), q, errors, losses, strong, task) for a, b, q in chosen)
    return found, len(first)


def _corrected(p: Floats) -> Floats:
    """Correct p-values for their number, after Benjamini and Hochberg (1995).

    >>> _corrected(np.array([0.01, 0.04, 0.5])).round(3).tolist()
    [0.03, 0.06, 0.5]
    """
    order = np.argsort(p, kind="stable")
    steps = p[order] * len(p) / np.arange(1, len(p) + 1)
    found = np.empty_like(steps)
    found[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return found


def _repeats(a: int, b: int, chosen: Sequence[tuple[int, int, float]], slices: Sequence[_Slice]) -> bool:
    """Whether a segment says little beyond those chosen: half of its rows are theirs, or half of theirs are its."""
    rows = slices[a].rows & slices[b].rows
    for other, another, _ in chosen:
        theirs = slices[other].rows & slices[another].rows
        shared = (rows & theirs).sum()
        if shared > 0.5 * min(rows.sum(), theirs.sum()):
            return True
    return False


def _segment(
    slices: Sequence[_Slice], a: int, b: int, z: float, p: float, errors: Floats, losses: Floats,
    strong: Floats | None, task: str,
) -> Segment:  # fmt: skip
    rows = slices[a].rows & slices[b].rows
    within, rest = float(errors[rows].mean()), float(errors[~rows].mean())
    if task in ("regression", "multioutput"):
        within, rest = math.sqrt(within), math.sqrt(rest)
    behind = None if strong is None else compare(losses[rows], strong[rows])
    return Segment(
        where=slices[a].words if a == b else f"{slices[a].words} and {slices[b].words}", n_rows=int(rows.sum()),
        error=within, rest=rest, z=z, p=p, behind=None if behind is None else behind.difference,
        behind_z=None if behind is None else behind.z,
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- members


def agreement(members: Any) -> float | None:
    """Mean rank correlation of the predictions of two members; 1 where all order the rows alike.

    Parameters
    ----------
    members : array of shape (n_members, n_rows) or (n_members, n_rows, n_outputs)
        Of several outputs, or classes, the mean is given.

    Returns
    -------
    float or None
        None with one member or fewer than 10 rows, or where a member says the same of all rows.
    """
    found = np.asarray(members, dtype=float)
    if found.ndim == 2:
        found = found[:, :, None]
    if len(found) < 2 or found.shape[1] < 10:
        return None
    pairs = np.triu_indices(len(found), 1)
    each = []
    for output in np.moveaxis(found, 2, 0):
        ranks = np.stack([rankdata(member) for member in output])
        if (np.ptp(ranks, axis=1) == 0).any():
            continue
        each.append(np.corrcoef(ranks)[pairs].mean())
    return float(np.mean(each)) if each else None
