"""`Evaluation`: how good a model is on rows it had not seen, with intervals and against two baselines."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from planefold.core.errors import DataError, show, unknown_choice
from planefold.reports import details, metrics, verdict
from planefold.reports.baselines import fit_baselines
from planefold.reports.metrics import Floats, Ints, Statistic
from planefold.reports.records import (
    CalibrationBin,
    ClassScore,
    Confusion,
    Difference,
    Metric,
    Residuals,
    WorstRow,
)

__all__ = [
    "TASKS",
    "CalibrationBin",
    "ClassScore",
    "Confusion",
    "Difference",
    "Evaluation",
    "Metric",
    "Residuals",
    "WorstRow",
    "evaluate",
    "fit_baselines",
]

TASKS = ("regression", "multioutput", "binary", "multiclass", "multilabel")
Prediction: TypeAlias = tuple[Any, Any]  # (y_pred, proba or None)

_SMALLER_IS_BETTER = {"RMSE", "mean absolute error", "median absolute error", "log loss"}
_FEWEST_ROWS = 8  # below, a bootstrap interval is a story about chance


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How good a model is on rows it had not seen.

    Parameters
    ----------
    task : {"regression", "multioutput", "binary", "multiclass", "multilabel"}
    n_rows : int
        Rows that were predicted and compared with the truth.
    headline : Metric
        ROC AUC (binary; accuracy when the rows have one class or no probabilities are known), accuracy
        (multiclass, multilabel) or RMSE in the target's unit (regression).
    metrics : tuple of Metric
        Every metric of the task, the headline among them.
    baselines : mapping of str to Metric
        The headline's metric for each baseline, on the same rows.
    differences : mapping of str to Difference
        Model minus baseline, from paired resamples.
    grade : {"better", "level", "worse", "trivial", "unsure", "alone"}
        Better than every baseline; level with the strong one; worse than it; not shown to be better than the
        trivial rule; too few rows to tell; nothing to compare with.
    verdict : str
        One sentence in words.
    reasons : tuple of three str
        Why, each one sentence.
    confusion : Confusion or None
        Binary and multiclass only.
    per_class : tuple of ClassScore
        Precision, recall and F1 of each class or label.
    residuals : tuple of Residuals
        One an output; regression and multioutput only.
    calibration : tuple of CalibrationBin
        Binary with probabilities only.
    worst_rows : tuple of WorstRow
        Up to 10 rows, the most wrong first.
    """

    task: str
    n_rows: int
    headline: Metric
    metrics: tuple[Metric, ...]
    baselines: Mapping[str, Metric] = field(default_factory=dict)
    differences: Mapping[str, Difference] = field(default_factory=dict)
    grade: str = "alone"
    verdict: str = ""
    reasons: tuple[str, ...] = ()
    confusion: Confusion | None = None
    per_class: tuple[ClassScore, ...] = ()
    residuals: tuple[Residuals, ...] = ()
    calibration: tuple[CalibrationBin, ...] = ()
    worst_rows: tuple[WorstRow, ...] = ()


def evaluate(
    *,
    task: str,
    y_true: Any,
    y_pred: Any,
    proba: Any = None,
    classes: Sequence[Any] | None = None,
    baselines: Mapping[str, Prediction] | None = None,
    row_numbers: Sequence[int] | None = None,
    random_state: int = 0,
    noun: str = "row",
) -> Evaluation:
    """Judge predictions against the truth, and against baselines on the same rows.

    Parameters
    ----------
    task : {"regression", "multioutput", "binary", "multiclass", "multilabel"}
    y_true, y_pred : array of shape (n_rows,) or (n_rows, n_outputs)
        Truth and prediction. Multilabel: zeros and ones, one column a label.
    proba : array, optional
        Probabilities in the order of ``classes``: shape (n_rows, n_classes), for binary also (n_rows,) of the
        second class; multilabel: of each label, (n_rows, n_labels).
    classes : sequence, optional
        The classes, in the order of the columns of ``proba``; the second is the positive one. Without it: the
        sorted values of truth and prediction. Multilabel, multioutput: the names of the columns.
    baselines : mapping of str to (y_pred, proba or None), optional
        What :func:`fit_baselines` returns. "majority class" and "mean" are trivial rules, others are strong.
    row_numbers : sequence of int, optional
        The name of each row in the user's table, for the list of worst rows; else 0, 1, 2, ...
    random_state : int, default=0
        Seed of the 500 bootstrap resamples and of the points that a scatter keeps.
    noun : str, default="row"
        What one of them is, in the sentences: "picture", say.

    Returns
    -------
    Evaluation

    Raises
    ------
    DataError
        If shapes do not fit together, values are missing, or no truth is one of the classes.

    Notes
    -----
    Intervals are 95 % percentile bootstrap intervals over the rows: they say how much the number would move with
    other test rows, not with another training. Below 8 rows there are none, and a little above
    they are too narrow. 500 resamples of
    20,000 rows take about a second (``tests/reports/test_evaluation.py`` prints the time).

    Examples
    --------
    >>> import numpy as np
    >>> y = np.array([1.0, 2.0, 3.0, 4.0])
    >>> found = evaluate(task="regression", y_true=y, y_pred=y + [0.5, -0.5, 0.5, -0.5])
    >>> found.headline.name, found.headline.value
    ('RMSE', 0.5)
    """
    if task not in TASKS:
        raise unknown_choice("task", task, TASKS)
    case = _Case(task=task, y_true=y_true, classes=classes, y_pred=y_pred)
    numbers = np.arange(case.n_rows) if row_numbers is None else np.asarray(row_numbers)
    if len(numbers) != case.n_rows:
        raise DataError(f"row_numbers has {len(numbers)} entries", details=f"there are {case.n_rows} rows")
    predictions = {"model": (y_pred, proba), **(baselines or {})}
    headline, values, resampled, shrink = _resample(case, predictions, random_state)

    def measured(owner: str, name: str) -> Metric:
        value = values[owner, name]
        low, high = _interval(name, value, resampled.get((owner, name)), shrink, case.n_rows) or (None, None)
        return Metric(name=name, value=value, low=low, high=high, larger_is_better=name not in _SMALLER_IS_BETTER)

    ours = {name: measured(owner, name) for owner, name in values if owner == "model"}
    theirs = {owner: measured(owner, name) for owner, name in values if owner != "model"}
    differences = {}
    for name, other in theirs.items():
        gap = ours[headline].value - other.value
        span = None
        if case.n_rows >= _FEWEST_ROWS and (name, headline) in resampled and ("model", headline) in resampled:
            span = metrics.interval(resampled["model", headline] - resampled[name, headline], gap, shrink)
        low, high = span or (None, None)
        differences[name] = Difference(value=gap, low=low, high=high)
    parts = case.parts(y_pred, proba, numbers, random_state)
    grade = verdict.grade(differences, larger_is_better=ours[headline].larger_is_better)
    return Evaluation(
        task=task,
        n_rows=case.n_rows,
        headline=ours[headline],
        metrics=tuple(metric for metric in ours.values() if np.isfinite(metric.value)),
        baselines=theirs,
        differences=differences,
        grade=grade,
        verdict=verdict.sentence(grade, ours[headline], theirs, case.n_rows, noun),
        reasons=verdict.reasons(ours[headline], theirs, differences, case.n_rows, task=task, noun=noun, **parts),
        **parts,
    )


def _resample(
    case: _Case, predictions: Mapping[str, Prediction], random_state: int
) -> tuple[str, dict[tuple[str, str], float], dict[tuple[str, str], Floats], float]:
    """Return the headline's name, every metric's value and its resamples by (owner, name), and how far to shrink.

    Beyond 20,000 rows the resamples are those of 20,000 rows drawn once; intervals are then narrowed by the square
    root of the ratio, since they go with one over the square root of the rows.
    """

    def statistics(of: _Case, rows: Any) -> dict[tuple[str, str], Statistic]:
        found: dict[tuple[str, str], Statistic] = {}
        for owner, (y_pred, proba) in predictions.items():
            # A list of text must be an array before rows of it are taken.
            its = of.statistics(np.asarray(y_pred)[rows], None if proba is None else np.asarray(proba)[rows])
            found |= {(owner, name): its[name] for name in its if owner == "model" or name == headline}
        return found

    headline = case.headline(case.statistics(*predictions["model"]))
    # A baseline that lacks the headline's metric (no probabilities) is left out, not given another one.
    everything = statistics(case, slice(None))
    values = {key: metrics.value_of(statistic, case.n_rows) for key, statistic in everything.items()}
    if case.n_rows <= metrics.MOST_ROWS:
        return headline, values, metrics.bootstrap(everything, case.n_rows, random_state), 1.0
    rows = np.sort(np.random.default_rng(random_state).choice(case.n_rows, metrics.MOST_ROWS, replace=False))
    sample = statistics(case.take(rows), rows)
    resampled = metrics.bootstrap(sample, len(rows), random_state)
    for key, statistic in sample.items():
        # The sample's own value is a little off; its spread is what we want of it.
        resampled[key] += values[key] - metrics.value_of(statistic, len(rows))
    return headline, values, resampled, float(np.sqrt(len(rows) / case.n_rows))


def _interval(
    name: str, value: float, resampled: Floats | None, shrink: float, n_rows: int
) -> tuple[float, float] | None:
    """Return the interval of one metric; None where resampling cannot tell."""
    if n_rows < _FEWEST_ROWS or resampled is None:
        return None
    if name == "accuracy" and value in (0.0, 1.0):
        # No error at all resamples to no error at all, which would claim too much.
        return metrics.wilson(value, n_rows)
    span = metrics.interval(resampled, value, shrink)
    # Every resample alike, such as the AUC of a constant, is no interval.
    return None if span is None or span[0] == span[1] else span


class _Case:
    """The truth, encoded once, and how a prediction is compared with it."""

    def __init__(self, *, task: str, y_true: Any, classes: Sequence[Any] | None, y_pred: Any) -> None:
        self.task = task
        self.several = task in ("multioutput", "multilabel")
        truth = _array(y_true, "y_true", several=self.several)
        self.n_rows = len(truth)
        if self.n_rows == 0:
            raise DataError("y_true has no rows", hint="keep some rows aside to judge the model on")
        self.names: list[Any] = list(classes) if classes is not None else []
        if task in ("binary", "multiclass"):
            self._encode_truth(truth, _array(y_pred, "y_pred"), classes)
        else:
            self.truth: Any = _numbers(truth, "y_true")  # classes: their codes
            n_columns = self.truth.shape[1] if self.several else 1
            if self.names and len(self.names) != n_columns:
                raise DataError(f"there are {len(self.names)} names for {n_columns} columns of y_true")
            self.names = self.names or [f"output {i + 1}" if self.several else "" for i in range(n_columns)]

    def _encode_truth(self, truth: Any, prediction: Any, classes: Sequence[Any] | None) -> None:
        seen = truth.tolist()
        if classes is None:
            self.names = _in_order({*seen, *prediction.tolist()})
        elif not set(seen) & set(_plain(classes)):
            raise DataError(
                f"no value of y_true is one of the classes; the first is {show(seen[0])}",
                details=f"the classes are {', '.join(show(c) for c in list(classes)[:12])}",
                hint="give y_true and classes in the same form, text or numbers",
            )
        self.names = _plain(self.names)
        self.n_known = len(self.names)  # columns of proba; a class that only the truth has comes after them
        self.names += [value for value in _in_order(set(seen)) if value not in set(self.names)]
        self.code = {name: i for i, name in enumerate(self.names)}
        self.truth = np.array([self.code[value] for value in seen], dtype=np.intp)

    def take(self, rows: Ints) -> _Case:
        """Return the same case with some of the rows."""
        taken = copy.copy(self)
        taken.truth, taken.n_rows = self.truth[rows], len(rows)
        return taken

    # -- comparing -------------------------------------------------------------------------------------------

    def statistics(self, y_pred: Any, proba: Any) -> dict[str, Statistic]:
        """Return every metric of the task, by its name."""
        prediction = self._prediction(y_pred)
        if self.task in ("regression", "multioutput"):
            errors = prediction - self.truth
            found = {
                "RMSE": metrics.rmse(errors),
                "mean absolute error": metrics.mean_of(np.abs(errors).reshape(self.n_rows, -1).mean(axis=1)),
                "median absolute error": metrics.median_absolute_error(errors),
            }
            constant = np.ptp(self.truth.reshape(self.n_rows, -1), axis=0).min() == 0
            return found if constant else {**found, "R²": metrics.r2(self.truth, errors)}
        shares = self._shares(proba)
        if self.task == "multilabel":
            return self._label_statistics(prediction, shares)
        found = {
            "accuracy": metrics.mean_of((prediction == self.truth).astype(float)),
            "balanced accuracy": metrics.balanced_accuracy(self.truth, prediction, len(self.names)),
            "macro F1": metrics.macro_f1(self.truth, prediction, len(self.names)),
        }
        if shares is not None:
            found["log loss"] = metrics.mean_of(-np.log(self._share_of_truth(shares)))
            positive = self.truth == 1
            if self.task == "binary" and len(self.names) == 2 and positive.any() and not positive.all():
                ranked = {"ROC AUC": metrics.roc_auc(positive, shares[:, 1])}
                found = {**ranked, "average precision": metrics.average_precision(positive, shares[:, 1]), **found}
        return found

    def _label_statistics(self, prediction: Floats, shares: Floats | None) -> dict[str, Statistic]:
        right = prediction == self.truth
        found = {
            "accuracy": metrics.mean_of(right.all(axis=1).astype(float)),
            "accuracy per label": metrics.mean_of(right.mean(axis=1)),
            "macro F1": metrics.macro_f1_of_labels(self.truth, prediction),
        }
        if shares is not None:
            of_truth = np.clip(np.where(self.truth == 1, shares, 1 - shares), 1e-15, 1)
            found["log loss"] = metrics.mean_of(-np.log(of_truth).mean(axis=1))
            both = np.ptp(self.truth, axis=0) > 0
            if both.any():
                columns = [metrics.roc_auc(self.truth[:, j] == 1, shares[:, j]) for j in np.flatnonzero(both)]
                found["ROC AUC"] = metrics.mean_of_columns(columns)
        return found

    def headline(self, found: Mapping[str, Statistic]) -> str:
        """Name the metric that the verdict is about."""
        if self.task == "binary" and "ROC AUC" in found:
            return "ROC AUC"
        return "RMSE" if self.task in ("regression", "multioutput") else "accuracy"

    def parts(self, y_pred: Any, proba: Any, numbers: Any, random_state: int) -> dict[str, Any]:
        """Return what the page shows of the errors: confusion, residuals, calibration, worst rows."""
        prediction, shares = self._prediction(y_pred), self._shares(proba)
        names = [str(name) for name in self.names]
        if self.task in ("regression", "multioutput"):
            residuals = details.residuals(self.truth, prediction, names, random_state)
            return {
                "residuals": residuals,
                "worst_rows": details.worst_values(self.truth, prediction, numbers, names),
            }
        if self.task == "multilabel":
            return {
                "per_class": details.label_scores(self.truth, prediction, names),
                "worst_rows": details.worst_labels(self.truth, prediction, numbers, names),
            }
        of_truth = None if shares is None else self._share_of_truth(shares)
        ranked = self.task == "binary" and shares is not None and len(names) == 2
        return {
            "confusion": details.confusion(self.truth, prediction, names),
            "per_class": details.class_scores(self.truth, prediction, names),
            "calibration": details.calibration(self.truth == 1, shares[:, 1]) if ranked and shares is not None else (),
            "worst_rows": details.worst_classes(self.truth, prediction, of_truth, numbers, names),
        }

    def _share_of_truth(self, shares: Floats) -> Floats:
        """Probability that was given to the true class; a class that was never learned has next to none."""
        padded = np.zeros((self.n_rows, len(self.names)))
        padded[:, : shares.shape[1]] = shares
        of_truth: Floats = padded[np.arange(self.n_rows), self.truth]
        return np.clip(of_truth, np.finfo(float).eps, 1.0)

    def _prediction(self, y_pred: Any) -> Any:
        prediction = _array(y_pred, "y_pred", several=self.several)
        if len(prediction) != self.n_rows:
            raise DataError(f"y_pred has {len(prediction)} rows", details=f"y_true has {self.n_rows}")
        if self.task not in ("binary", "multiclass"):
            found = _numbers(prediction, "y_pred")
            if found.shape != self.truth.shape:
                raise DataError(f"y_pred has shape {found.shape}", details=f"y_true has {self.truth.shape}")
            return found
        for value in set(prediction.tolist()):
            if value not in self.code:
                known = ", ".join(show(name) for name in self.names[:12])
                raise DataError(f"y_pred has the class {show(value)}", details=f"the classes are {known}")
        codes: Ints = np.array([self.code[value] for value in prediction.tolist()], dtype=np.intp)
        return codes

    def _shares(self, proba: Any) -> Floats | None:
        if proba is None:
            return None
        shares = _numbers(np.asarray(proba), "proba")
        if self.task == "binary" and shares.ndim == 1:
            shares = np.column_stack([1 - shares, shares])
        n_columns = len(self.names) if self.task == "multilabel" else self.n_known
        if shares.shape != (self.n_rows, n_columns):
            raise DataError(
                f"proba has shape {shares.shape}",
                details=f"{self.n_rows} rows and {n_columns} classes need {(self.n_rows, n_columns)}",
                hint="give the classes that the columns stand for as classes=",
            )
        return shares


def _array(values: Any, name: str, *, several: bool = False) -> Any:
    array = np.asarray(values)
    if not several and array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != (2 if several else 1):
        wanted = "(n_rows, n_outputs)" if several else "(n_rows,)"
        raise DataError(f"{name} has shape {array.shape}", details=f"this task needs {wanted}")
    return array


def _numbers(values: Any, name: str) -> Floats:
    try:
        floats = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise DataError(f"{name} has values that are not numbers", details=f"dtype {values.dtype}") from None
    if not np.isfinite(floats).all():
        first = int(np.flatnonzero(~np.isfinite(floats).reshape(len(floats), -1).all(axis=1))[0])
        raise DataError(f"{name} has a missing or infinite value", details=f"the first is in row {first}")
    return floats


def _plain(values: Sequence[Any]) -> list[Any]:
    return [value.item() if isinstance(value, np.generic) else value for value in values]


def _in_order(values: set[Any]) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:  # text and numbers together
        return sorted(values, key=str)
