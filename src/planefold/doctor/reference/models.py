"""The simple models of a reference: what each says of rows that it has not seen, stretched until it is calibrated."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planefold.doctor.reference.rows import ReferenceRows, sample, standard_error

Floats = NDArray[np.float64]

TREES = ("extra trees", "boosting")
N_TREES = 50
FEWEST_ROWS = 12  # below, the best constant is all that can be learned with any honesty
FEWEST_BOOSTED = 150  # rows below which boosting never was the better of the two trees
MOST_BOOSTED_OUTPUTS = 8  # each output of a boosting is as many trees again
MOST_CELLS = 600_000  # rows times columns: beyond, boosting would take seconds
STRETCHES = np.linspace(0.0, 1.5, 31)
PENALTIES = (1.0, 10.0, 100.0)
KERNEL_PENALTIES = (0.03, 0.3)
MOST_LANDMARKS = 256
KERNEL_WIDTH = 3.3  # of a bell over squared distance, a column
FLOORS = (0.002, 0.02, 0.1)  # shares of the mean prediction that are mixed into those of a forest


@dataclass(frozen=True)
class Candidate:
    """Raw outputs of one model on training rows that it had not seen, and on the held-out rows."""

    name: str
    inner: Floats
    outer: Floats
    inner_loss: float = math.inf


def candidates(rows: ReferenceRows, seed: int) -> Iterator[Candidate]:
    """Yield what each model says, the linear one first; the best constant where there is too little to learn from."""
    n_rows, n_outputs = rows.Y.shape
    if n_rows < FEWEST_ROWS or not np.ptp(rows.Y, axis=0).any():
        constant = rows.raw(rows.best_constant()[None])
        inner, outer = (np.repeat(constant, len(part), axis=0) for part in (rows.Y, rows.Y_val))
        yield Candidate("constant", inner, outer)
        return
    with quietly():
        scaled = _scaled(rows)
        yield _linear_in("linear", scaled, PENALTIES)
        yield _linear_in("kernel", _near_landmarks(scaled, seed), KERNEL_PENALTIES)
        rows = _cut_off(rows)
        yield _forest(rows, seed)
        boostable = n_outputs <= MOST_BOOSTED_OUTPUTS and rows.X.size <= MOST_CELLS
        if n_rows >= FEWEST_BOOSTED and boostable:
            yield _by_folds(rows, "boosting", functools.partial(_boosting, rows, seed))


def _linear_in(name: str, rows: ReferenceRows, penalties: Iterable[float]) -> Candidate:
    makes = [functools.partial(_linear, rows, penalty) for penalty in penalties]
    return _best((_by_folds(rows, name, make) for make in makes), rows)


def _near_landmarks(rows: ReferenceRows, seed: int) -> ReferenceRows:
    """Put nearness to some of the rows in the place of the columns: what is linear there is smooth in the columns.

    References
    ----------
    Williams and Seeger, "Using the Nystrom Method to Speed Up Kernel Machines", NeurIPS 2000.
    """
    from scipy.linalg import cholesky, solve_triangular
    from scipy.spatial.distance import cdist

    places = sample(rows.X, MOST_LANDMARKS, np.random.default_rng(seed))
    width = KERNEL_WIDTH * max(int((np.ptp(rows.X, axis=0) > 0).sum()), 1)

    def nearness(X: Floats) -> Floats:
        return np.asarray(np.exp(-cdist(X, places, "sqeuclidean") / width))

    root = cholesky(nearness(places) + 1e-6 * np.eye(len(places)), lower=True)
    X, X_val = (solve_triangular(root, nearness(part).T, lower=True).T for part in (rows.X, rows.X_val))
    return dataclasses.replace(rows, X=X, X_val=X_val)


def _forest(rows: ReferenceRows, seed: int) -> Candidate:
    """Fit one forest to all columns of the targets: a mean of zeros and ones is a probability."""
    from sklearn.ensemble import ExtraTreesRegressor

    forest = ExtraTreesRegressor(
        N_TREES, min_samples_leaf=3 if len(rows.Y) >= 100 else 2, max_features=0.5, bootstrap=True, oob_score=True,
        random_state=seed,
    )  # fmt: skip
    forest.fit(rows.X, rows.Y if rows.Y.shape[1] > 1 else rows.Y[:, 0], sample_weight=rows.weights)
    inner = forest.oob_prediction_.reshape(rows.Y.shape)
    outer = forest.predict(rows.X_val).reshape(rows.Y_val.shape)
    if rows.objective.out_activation == "identity":
        return Candidate("extra trees", inner, outer)
    return _best((_floored("extra trees", inner, outer, floor, rows) for floor in FLOORS), rows)


def _by_folds(rows: ReferenceRows, name: str, make: Callable[[], Any]) -> Candidate:
    """Predict each training row by a model of the other parts, and the held-out rows by one of all."""
    inner = np.empty_like(rows.Y)
    for others, part in rows.folds():
        inner[part] = _predictions(make, rows.X[others], rows.Y[others], rows.weights[others], rows.X[part])
    outer = _predictions(make, rows.X, rows.Y, rows.weights, rows.X_val)
    if rows.objective.out_activation == "identity":
        return Candidate(name, inner, outer)
    return _floored(name, inner, outer, FLOORS[0], rows)


def _predictions(make: Callable[[], Any], X: Floats, Y: Floats, weights: Floats, X_new: Floats) -> Floats:
    """Fit one model to all classes, or one to each column of the targets, and predict means or probabilities."""
    from sklearn.base import is_classifier

    if not is_classifier(make()):
        return np.column_stack([_fit(make(), X, column, weights).predict(X_new) for column in Y.T])
    if Y.shape[1] > 1 and np.allclose(Y.sum(axis=1), 1):
        return _shares(make(), X, Y.argmax(axis=1), weights, X_new, Y.shape[1])
    columns = [_shares(make(), X, (column > 0.5).astype(int), weights, X_new, 2)[:, 1] for column in Y.T]
    return np.column_stack(columns)


def _shares(model: Any, X: Floats, classes: Any, weights: Floats, X_new: Floats, n_classes: int) -> Floats:
    """Probabilities of all classes, also of those that these rows lack."""
    found = np.zeros((len(X_new), n_classes))
    present = np.unique(classes)
    found[:, present] = 1.0
    if len(present) > 1:
        found[:, present] = _fit(model, X, classes, weights).predict_proba(X_new)
    return found


def _fit(model: Any, X: Floats, y: Any, weights: Floats) -> Any:
    # Equal weights are not passed on: with any, boosting takes thirty times as long to cut its columns into bins.
    return model.fit(X, y, sample_weight=weights if np.ptp(weights) else None)


def _linear(rows: ReferenceRows, penalty: float) -> Any:
    from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge

    if rows.objective.name in ("log_loss", "binary_log_loss"):
        return LogisticRegression(C=1 / penalty, max_iter=200)
    if rows.objective.name == "poisson":
        return PoissonRegressor(alpha=penalty / len(rows.X), max_iter=200)
    return Ridge(penalty)


def _boosting(rows: ReferenceRows, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    name = rows.objective.name
    # Each round grows a tree for each class.
    n_rounds = max(20, 45 - 5 * (rows.Y.shape[1] - 1)) if name == "log_loss" else 45
    options: dict[str, Any] = {
        "max_iter": n_rounds, "learning_rate": 6 / n_rounds, "max_leaf_nodes": 15, "min_samples_leaf": 10,
        "early_stopping": False, "max_bins": 63, "random_state": seed,
    }  # fmt: skip
    if name in ("log_loss", "binary_log_loss"):
        return HistGradientBoostingClassifier(**options)
    loss = name if name in ("absolute_error", "poisson") else "squared_error"
    return HistGradientBoostingRegressor(loss=loss, **options)


def _cut_off(rows: ReferenceRows) -> ReferenceRows:
    """Put missing values below all others, where one cut sets them apart, and leave out columns that never change."""
    lowest = np.nanmin(np.where(np.isnan(rows.X).all(axis=0), 0.0, rows.X), axis=0) - 1.0
    X, X_val = (np.where(np.isnan(part), lowest, part) for part in (rows.X, rows.X_val))
    changes = np.ptp(X, axis=0) > 0
    changes[0] |= not changes.any()  # trees want a column
    return dataclasses.replace(rows, X=X[:, changes], X_val=X_val[:, changes])


def _scaled(rows: ReferenceRows) -> ReferenceRows:
    """Put every column on one scale, and its median where values are missing: linear models need both."""
    known = np.where(np.isnan(rows.X).all(axis=0), 0.0, rows.X)
    middle = np.nanmedian(known, axis=0)
    full = np.where(np.isnan(known), middle, known)
    full_val = np.where(np.isnan(rows.X_val), middle, rows.X_val)
    mean, spread = full.mean(axis=0), full.std(axis=0)
    spread[spread == 0] = 1.0
    # A value far beyond all that was learned from must not decide a linear model's answer.
    held_out = np.clip((full_val - mean) / spread, -20, 20)
    return dataclasses.replace(rows, X=(full - mean) / spread, X_val=held_out)


# --------------------------------------------------------------------------------------------------------- calibration


def _floored(name: str, inner: Floats, outer: Floats, floor: float, rows: ReferenceRows) -> Candidate:
    """Turn predictions into raw outputs. A share of the mean prediction is mixed in: no leaf is that sure."""
    mean = rows.best_constant()
    inner, outer = (rows.raw((1 - floor) * part + floor * mean) for part in (inner, outer))
    return Candidate(name, inner, outer)


def _best(candidates: Iterable[Candidate], rows: ReferenceRows) -> Candidate:
    return min((calibrated(candidate, rows) for candidate in candidates), key=lambda found: found.inner_loss)


def calibrated(candidate: Candidate, rows: ReferenceRows) -> Candidate:
    """Stretch or shrink raw outputs towards the best constant, as far as is best for unseen training rows."""
    if math.isfinite(candidate.inner_loss):
        return candidate

    def stretched(by: float) -> tuple[float, Floats, float]:
        shift = _shift(by, candidate.inner, rows)
        return rows.inner_loss(by * candidate.inner + shift), shift, by

    _, _, by = min((stretched(float(by)) for by in STRETCHES), key=lambda found: found[0])
    # It was chosen among many on these very rows. A gain that may be chance is not believed: James and Stein's factor.
    loss, shift, by = stretched(by * _believed(by * candidate.inner + _shift(by, candidate.inner, rows), rows))
    return Candidate(candidate.name, by * candidate.inner + shift, by * candidate.outer + shift, loss)


def _believed(raw: Floats, rows: ReferenceRows) -> float:
    """How much of a gain over the best constant is more than chance: 0 at one standard error, 0.75 at two."""
    constant = np.repeat(rows.raw(rows.best_constant()[None]), len(raw), axis=0)
    gains = (rows.losses(constant, rows.Y) - rows.losses(raw, rows.Y)) * rows.weights
    gain = float(gains.mean())
    return max(0.0, 1 - (standard_error(gains) / gain) ** 2) if gain > 0 else 0.0


def _shift(by: float, raw: Floats, rows: ReferenceRows) -> Floats:
    """What to add to stretched outputs so that they are right on average."""
    if rows.objective.out_activation == "identity":
        return rows.best_constant(rows.Y - by * raw)
    return np.asarray((1 - by) * rows.raw(rows.best_constant()[None])[0])


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keep quick models to one thread, and their warnings (few iterations, columns without values) to themselves."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="openmp"), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
