"""`measure_scores`: what predictions on held-out rows are worth: against others, as probabilities, and where they fail.

Nothing here is judged; the checks SC... do that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from planefold.core.errors import DataError, unknown_choice
from planefold.doctor.scoring.calibration import Probabilities, calibration_of
from planefold.doctor.scoring.records import Scores, compare
from planefold.doctor.scoring.segments import weak_segments

Floats = NDArray[np.float64]

TASKS = ("regression", "multioutput", "binary", "multiclass", "multilabel")


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
    segments, n_segments = weak_segments(columns or {}, errors, own, others.get("trees"), task)
    return Scores(
        task=task,
        n_rows=len(truth),
        score=_score(truth, errors, task),
        loss=float(own.mean()),
        comparisons={name: compare(own, rows) for name, rows in others.items()},
        beats_majority_z=_beats_majority(truth, errors) if task in ("binary", "multiclass") else None,
        calibration=calibration_of(truth, predicted, shares, task, random_state),
        segments=segments,
        n_segments=n_segments,
        agreement=None if members is None else agreement(members),
    )


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


def _shares(proba: Any, truth: Any, predicted: Any, classes: Sequence[Any] | None, task: str) -> Probabilities | None:
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
