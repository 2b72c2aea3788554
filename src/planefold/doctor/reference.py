"""`measure_reference`: what a linear model, a kernel and quick trees reach on the same rows, in the same loss.

A curve alone cannot tell a network that is too small from rows that hold no more to learn. Another learner on the same
rows can: where it predicts unseen rows better than the network predicts those it was shown, the network is at fault.
"""

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
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata

from planefold.core.errors import DataError, unknown_choice
from planefold.core.records import Record
from planefold.engine.objectives import OBJECTIVES, Objective

Floats = NDArray[np.float64]

TREES = ("extra trees", "boosting")
N_TREES = 50
N_FOLDS = 3
FEWEST_ROWS = 12  # below, the best constant is all that can be learned with any honesty
FEWEST_BOOSTED = 150  # rows below which boosting never was the better of the two trees
MOST_BOOSTED_OUTPUTS = 8  # each output of a boosting is as many trees again
MOST_CELLS = 600_000  # rows times columns: beyond, boosting would take seconds
MOST_SHIFT_ROWS = 1000  # of either side
STRETCHES = np.linspace(0.0, 1.5, 31)
PENALTIES = (1.0, 10.0, 100.0)
KERNEL_PENALTIES = (0.03, 0.3)
MOST_LANDMARKS = 256
KERNEL_WIDTH = 3.3  # of a bell over squared distance, a column
FLOORS = (0.002, 0.02, 0.1)  # shares of the mean prediction that are mixed into those of a forest


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Reference(Record):
    """What simple models reach on the held-out rows of a training.

    Parameters
    ----------
    loss : float
        Mean loss on the held-out rows of the model that was best on unseen training rows.
    se : float
        Its standard error over the rows.
    score : float
        Accuracy or R^2 of the same predictions.
    rows : array of shape (n_val,)
        Losses of the single rows, in the order in which they were given.
    model : {"linear", "kernel", "extra trees", "boosting", "constant"}
        Which of them it was.
    linear_loss, tree_loss : float
        Of the linear model, and of the better of the trees.
    linear_rows, tree_rows : array of shape (n_val,)
        Losses of the single rows of these two.
    trivial_rows : array of shape (n_val,)
        Losses of the one prediction that is best for all training rows.
    shift_auc, shift_se : float or None
        How well a forest tells training from held-out rows (0.5 is not at all), and the standard error of that
        number where the two do not differ. None where there are too few rows.
    n_train, n_val : int
        Rows that were learned from and judged on.
    """

    loss: float
    se: float
    score: float
    rows: Floats
    n_train: int
    n_val: int
    model: str = ""
    linear_loss: float = math.nan
    tree_loss: float = math.nan
    linear_rows: Floats | None = None
    tree_rows: Floats | None = None
    trivial_rows: Floats | None = None
    shift_auc: float | None = None
    shift_se: float | None = None

    @property
    def baselines(self) -> dict[str, Floats]:
        """Losses of the held-out rows of each baseline: what :func:`~planefold.doctor.scoring.measure_scores` takes."""
        named = {"trivial": self.trivial_rows, "linear": self.linear_rows, "trees": self.tree_rows}
        return {name: rows for name, rows in named.items() if rows is not None}


@dataclass(frozen=True)
class _Candidate:
    """Raw outputs of one model on training rows that it had not seen, and on the held-out rows."""

    name: str
    inner: Floats
    outer: Floats
    inner_loss: float = math.inf


def measure_reference(
    X: Any,
    Y: Any,
    X_val: Any,
    Y_val: Any,
    *,
    objective: str,
    weights: Any = None,
    random_state: int = 0,
    max_rows: int = 3000,
    shift: bool = True,
) -> Reference:
    """Fit a linear model, a kernel and quick trees to the training rows, and judge them on the held-out ones.

    Parameters
    ----------
    X, X_val : array of shape (n_rows, n_features)
        Inputs as the network receives them, or raw numbers; nan is allowed.
    Y, Y_val : array of shape (n_rows, n_outputs)
        Targets as the objective takes them: scaled numbers, zeros and ones, or one column a class.
    objective : str
        A name in :data:`planefold.engine.OBJECTIVES`.
    weights : array of shape (n_rows,), optional
        Of the training rows.
    random_state : int, default=0
    max_rows : int, default=3000
        Training rows that are learned from at most.
    shift : bool, default=True
        Whether to measure how far training and held-out rows can be told apart.

    Returns
    -------
    Reference

    Raises
    ------
    DataError
        If shapes do not fit together, targets are missing, or there are no rows.

    Notes
    -----
    Every model predicts some training rows that it has not seen (the forest those outside of its bags, the others by
    cross-validation). From these its outputs are stretched or shrunk towards the best constant, so that no loss is
    ruined by leaves that are too sure, and which model is the reference is chosen by them too: the held-out rows
    choose nothing. ``python benchmarks/doctor_scores.py`` prints how near the reference comes to the best possible
    loss, and the time it takes.

    References
    ----------
    Geurts, Ernst and Wehenkel, "Extremely Randomized Trees", Machine Learning 63, 2006. Guo et al., "On Calibration of
    Modern Neural Networks", ICML 2017 (one temperature).
    """
    if objective not in OBJECTIVES:
        raise unknown_choice("objective", objective, list(OBJECTIVES))
    rows = _Rows.of(X, Y, X_val, Y_val, weights, OBJECTIVES[objective], max_rows, random_state)
    constant = rows.constant_losses()
    found = [_calibrated(candidate, rows) for candidate in _candidates(rows, random_state)]
    linear = found[0]
    trees = min((c for c in found if c.name in TREES), key=lambda c: c.inner_loss, default=linear)
    best = min(found, key=lambda c: c.inner_loss)
    losses = {candidate.name: rows.losses(candidate.outer, rows.Y_val) for candidate in (linear, trees, best)}
    auc, se = shift_auc(X, X_val, random_state=random_state) if shift else (None, None)
    own = losses[best.name]
    return Reference(
        loss=float(own.mean()),
        se=_standard_error(own),
        score=rows.score(best.outer),
        rows=own,
        n_train=len(rows.X),
        n_val=len(rows.X_val),
        model=best.name,
        linear_loss=float(losses[linear.name].mean()),
        tree_loss=float(losses[trees.name].mean()),
        linear_rows=losses[linear.name],
        tree_rows=losses[trees.name],
        trivial_rows=constant,
        shift_auc=auc,
        shift_se=se,
    )


def shift_auc(X: Any, X_val: Any, *, random_state: int = 0) -> tuple[float | None, float | None]:
    """Measure how well a forest tells two sets of rows apart.

    Parameters
    ----------
    X, X_val : array of shape (n_rows, n_features)
        Numbers; nan is allowed.
    random_state : int, default=0

    Returns
    -------
    auc, se : float or None
        Area under the ROC curve of the predictions of trees that did not see the row, 0.5 where the two sets are alike,
        and the standard error it has then. None where one of them has fewer than 12 different rows.

    Notes
    -----
    Equal rows of one set count once, and rows that both sets have are left out: a twin in the bag would give away, or
    contradict, the answer. At most 1,000 rows of each set are used.

    References
    ----------
    Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017. The standard error is that of
    the Mann-Whitney statistic of two equal distributions.
    """
    from planefold.doctor.scan.forest import unseen_chances

    rng = np.random.default_rng(random_state)
    sides = _unlike(*(_sample(_matrix(part, "X"), MOST_SHIFT_ROWS, rng) for part in (X, X_val)))
    n_train, n_val = map(len, sides)
    if min(n_train, n_val) < FEWEST_ROWS:
        return None, None
    side = np.repeat([0, 1], [n_train, n_val])
    values = np.vstack(sides)
    values = values[:, np.nanmax(values, axis=0) > np.nanmin(values, axis=0)]
    if not values.shape[1]:
        return None, None
    random = np.random.RandomState(random_state)
    with _quietly():
        chances = unseen_chances(values, side, random, n_trees=N_TREES, min_samples_leaf=5, balanced=True)
    # Mann and Whitney: the sum of the ranks counts the pairs that are in the right order.
    won = rankdata(chances[:, 1])[n_train:].sum() - n_val * (n_val + 1) / 2
    auc = float(won / (n_train * n_val))
    return auc, math.sqrt((n_train + n_val + 1) / (12 * n_train * n_val))


# ------------------------------------------------------------------------------------------------------------ the rows


@dataclass(frozen=True, eq=False)
class _Rows:
    """The training rows that are learned from, the held-out rows, and the loss that both are judged by."""

    X: Floats
    Y: Floats
    X_val: Floats
    Y_val: Floats
    weights: Floats
    objective: Objective

    @classmethod
    def of(
        cls, X: Any, Y: Any, X_val: Any, Y_val: Any, weights: Any, objective: Objective, max_rows: int, seed: int
    ) -> _Rows:
        Y, Y_val = _targets(Y, "Y"), _targets(Y_val, "Y_val")
        n_rows = len(Y)
        weights = np.ones(n_rows) if weights is None else np.asarray(weights, dtype=float).reshape(-1)
        for name, part, targets in (("X", X, Y), ("X_val", X_val, Y_val), ("X", weights, Y)):
            if part.shape[0] != len(targets):
                raise DataError(f"{name} has {part.shape[0]} rows", details=f"its targets have {len(targets)}")
        if not n_rows or not len(Y_val):
            raise DataError("there are no rows", hint="a reference needs rows to learn from and others to be judged on")
        if X.shape[1:] != X_val.shape[1:] or Y.shape[1] != Y_val.shape[1]:
            raise DataError("the held-out rows have other columns", details=f"{X.shape[1:]} and {X_val.shape[1:]}")
        kept = np.flatnonzero(weights > 0)
        if len(kept) > max_rows:
            kept = np.sort(np.random.default_rng(seed).choice(kept, max_rows, replace=False))
        if not len(kept):
            raise DataError("all rows weigh nothing")
        weights = weights[kept] / weights[kept].mean()
        return cls(_matrix(X[kept], "X"), Y[kept], _matrix(X_val, "X_val"), Y_val, weights, objective)

    def losses(self, raw: Floats, targets: Floats) -> Floats:
        """Loss of each row from raw outputs."""
        return np.asarray(self.objective.row_loss(torch.from_numpy(raw), torch.from_numpy(targets)))

    def raw(self, predictions: Floats) -> Floats:
        """Turn predictions (means, probabilities) into raw outputs."""
        return np.asarray(self.objective.inverse_link(torch.from_numpy(np.ascontiguousarray(predictions))))

    def inner_loss(self, raw: Floats) -> float:
        """Weighted mean loss of the training rows."""
        return float(np.average(self.losses(raw, self.Y), weights=self.weights))

    def best_constant(self, targets: Floats | None = None) -> Floats:
        """The one prediction that is best for all training rows, as an output."""
        targets = self.Y if targets is None else targets
        best = np.asarray(self.objective.best_constant(torch.from_numpy(targets), torch.from_numpy(self.weights)))
        # A class, or an event, that these rows lack may still come: it counts as half a row.
        least = 0.5 / (len(targets) + 1)
        return best if self.objective.out_activation == "identity" else np.clip(best, least, self._most(least))

    def _most(self, least: float) -> float:
        return math.inf if self.objective.out_activation == "exp" else 1 - least

    def constant_losses(self) -> Floats:
        raw = self.raw(self.best_constant()[None])
        return self.losses(np.repeat(raw, len(self.Y_val), axis=0), self.Y_val)

    def score(self, raw: Floats) -> float:
        """Accuracy of classes, R^2 of numbers; several outputs are averaged."""
        if self.objective.name == "log_loss":
            return float((raw.argmax(axis=1) == self.Y_val.argmax(axis=1)).mean())
        if self.objective.name == "binary_log_loss":
            return float(((raw > 0) == (self.Y_val > 0.5)).all(axis=1).mean())
        predicted = np.asarray(self.objective.link(torch.from_numpy(raw)))
        spread = ((self.Y_val - self.Y_val.mean(axis=0)) ** 2).sum(axis=0)
        errors = ((self.Y_val - predicted) ** 2).sum(axis=0)
        return float(np.mean(1 - errors / np.where(spread > 0, spread, np.nan)))

    def folds(self) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Cut the training rows into parts that are alike: rows in the order of their targets are dealt out."""
        order = np.lexsort(np.vstack([np.arange(len(self.Y)), self.Y.T[: self.Y.shape[1]]]))
        part = np.empty(len(order), dtype=np.intp)
        part[order] = np.arange(len(order)) % N_FOLDS
        for fold in range(N_FOLDS):
            yield np.flatnonzero(part != fold), np.flatnonzero(part == fold)


def _targets(values: Any, name: str) -> Floats:
    found = np.ascontiguousarray(values, dtype=np.float64)
    found = found[:, None] if found.ndim == 1 else found
    if found.ndim != 2:
        raise DataError(f"{name} has shape {found.shape}", details="a row and a column for each output are needed")
    if not np.isfinite(found).all():
        raise DataError(f"{name} has a missing or infinite value")
    return found


def _matrix(values: Any, name: str) -> Floats:
    """Return dense float64 of shape (n_rows, n_features)."""
    dense = values.toarray() if hasattr(values, "toarray") else np.asarray(values)
    try:
        found = np.array(dense, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(
            f"{name} has values that are not numbers", hint="give the rows as the network gets them"
        ) from None
    if found.ndim != 2:
        raise DataError(f"{name} has shape {found.shape}", details="rows and columns are needed")
    found[np.isinf(found)] = np.nan
    return found


def _sample(rows: Floats, most: int, rng: np.random.Generator) -> Floats:
    return rows if len(rows) <= most else rows[np.sort(rng.choice(len(rows), most, replace=False))]


def _unlike(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Drop rows that occur twice in one set, and rows that occur in both."""
    keys = [[row.tobytes() for row in part + 0.0] for part in (first, second)]  # + 0.0: -0 is 0
    both = set(keys[0]) & set(keys[1])

    def kept(part: Floats, its: list[bytes]) -> Floats:
        places = {key: place for place, key in enumerate(its) if key not in both}
        return part[sorted(places.values())]

    return kept(first, keys[0]), kept(second, keys[1])


def _standard_error(rows: Floats) -> float:
    return float(rows.std(ddof=1) / math.sqrt(len(rows))) if len(rows) > 1 else math.inf


# ---------------------------------------------------------------------------------------------------------- the models


def _candidates(rows: _Rows, seed: int) -> Iterator[_Candidate]:
    n_rows, n_outputs = rows.Y.shape
    if n_rows < FEWEST_ROWS or not np.ptp(rows.Y, axis=0).any():
        constant = rows.raw(rows.best_constant()[None])
        inner, outer = (np.repeat(constant, len(part), axis=0) for part in (rows.Y, rows.Y_val))
        yield _Candidate("constant", inner, outer)
        return
    with _quietly():
        scaled = _scaled(rows)
        yield _linear_in("linear", scaled, PENALTIES)
        yield _linear_in("kernel", _near_landmarks(scaled, seed), KERNEL_PENALTIES)
        rows = _cut_off(rows)
        yield _forest(rows, seed)
        boostable = n_outputs <= MOST_BOOSTED_OUTPUTS and rows.X.size <= MOST_CELLS
        if n_rows >= FEWEST_BOOSTED and boostable:
            yield _by_folds(rows, "boosting", functools.partial(_boosting, rows, seed))


def _linear_in(name: str, rows: _Rows, penalties: Iterable[float]) -> _Candidate:
    makes = [functools.partial(_linear, rows, penalty) for penalty in penalties]
    return _best((_by_folds(rows, name, make) for make in makes), rows)


def _near_landmarks(rows: _Rows, seed: int) -> _Rows:
    """Put nearness to some of the rows in the place of the columns: what is linear there is smooth in the columns.

    References
    ----------
    Williams and Seeger, "Using the Nystrom Method to Speed Up Kernel Machines", NeurIPS 2000.
    """
    from scipy.linalg import cholesky, solve_triangular
    from scipy.spatial.distance import cdist

    places = _sample(rows.X, MOST_LANDMARKS, np.random.default_rng(seed))
    width = KERNEL_WIDTH * max(int((np.ptp(rows.X, axis=0) > 0).sum()), 1)

    def nearness(X: Floats) -> Floats:
        return np.asarray(np.exp(-cdist(X, places, "sqeuclidean") / width))

    root = cholesky(nearness(places) + 1e-6 * np.eye(len(places)), lower=True)
    X, X_val = (solve_triangular(root, nearness(part).T, lower=True).T for part in (rows.X, rows.X_val))
    return dataclasses.replace(rows, X=X, X_val=X_val)


def _forest(rows: _Rows, seed: int) -> _Candidate:
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
        return _Candidate("extra trees", inner, outer)
    return _best((_floored("extra trees", inner, outer, floor, rows) for floor in FLOORS), rows)


def _by_folds(rows: _Rows, name: str, make: Callable[[], Any]) -> _Candidate:
    """Predict each training row by a model of the other parts, and the held-out rows by one of all."""
    inner = np.empty_like(rows.Y)
    for others, part in rows.folds():
        inner[part] = _predictions(make, rows.X[others], rows.Y[others], rows.weights[others], rows.X[part])
    outer = _predictions(make, rows.X, rows.Y, rows.weights, rows.X_val)
    if rows.objective.out_activation == "identity":
        return _Candidate(name, inner, outer)
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


def _linear(rows: _Rows, penalty: float) -> Any:
    from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge

    if rows.objective.name in ("log_loss", "binary_log_loss"):
        return LogisticRegression(C=1 / penalty, max_iter=200)
    if rows.objective.name == "poisson":
        return PoissonRegressor(alpha=penalty / len(rows.X), max_iter=200)
    return Ridge(penalty)


def _boosting(rows: _Rows, seed: int) -> Any:
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


def _cut_off(rows: _Rows) -> _Rows:
    """Put missing values below all others, where one cut sets them apart, and leave out columns that never change."""
    lowest = np.nanmin(np.where(np.isnan(rows.X).all(axis=0), 0.0, rows.X), axis=0) - 1.0
    X, X_val = (np.where(np.isnan(part), lowest, part) for part in (rows.X, rows.X_val))
    changes = np.ptp(X, axis=0) > 0
    changes[0] |= not changes.any()  # trees want a column
    return dataclasses.replace(rows, X=X[:, changes], X_val=X_val[:, changes])


def _scaled(rows: _Rows) -> _Rows:
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


def _floored(name: str, inner: Floats, outer: Floats, floor: float, rows: _Rows) -> _Candidate:
    """Turn predictions into raw outputs. A share of the mean prediction is mixed in: no leaf is that sure."""
    mean = rows.best_constant()
    inner, outer = (rows.raw((1 - floor) * part + floor * mean) for part in (inner, outer))
    return _Candidate(name, inner, outer)


def _best(candidates: Iterable[_Candidate], rows: _Rows) -> _Candidate:
    return min((_calibrated(candidate, rows) for candidate in candidates), key=lambda found: found.inner_loss)


def _calibrated(candidate: _Candidate, rows: _Rows) -> _Candidate:
    """Stretch or shrink raw outputs towards the best constant, as far as is best for unseen training rows."""
    if math.isfinite(candidate.inner_loss):
        return candidate

    def stretched(by: float) -> tuple[float, Floats, float]:
        shift = _shift(by, candidate.inner, rows)
        return rows.inner_loss(by * candidate.inner + shift), shift, by

    _, _, by = min((stretched(float(by)) for by in STRETCHES), key=lambda found: found[0])
    # It was chosen among many on these very rows. A gain that may be chance is not believed: James and Stein's factor.
    loss, shift, by = stretched(by * _believed(by * candidate.inner + _shift(by, candidate.inner, rows), rows))
    return _Candidate(candidate.name, by * candidate.inner + shift, by * candidate.outer + shift, loss)


def _believed(raw: Floats, rows: _Rows) -> float:
    """How much of a gain over the best constant is more than chance: 0 at one standard error, 0.75 at two."""
    constant = np.repeat(rows.raw(rows.best_constant()[None]), len(raw), axis=0)
    gains = (rows.losses(constant, rows.Y) - rows.losses(raw, rows.Y)) * rows.weights
    gain = float(gains.mean())
    return max(0.0, 1 - (_standard_error(gains) / gain) ** 2) if gain > 0 else 0.0


def _shift(by: float, raw: Floats, rows: _Rows) -> Floats:
    """What to add to stretched outputs so that they are right on average."""
    if rows.objective.out_activation == "identity":
        return rows.best_constant(rows.Y - by * raw)
    return np.asarray((1 - by) * rows.raw(rows.best_constant()[None])[0])


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keep quick models to one thread, and their warnings (few iterations, columns without values) to themselves."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="openmp"), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield
