"""`measure_reference`: what a linear model and quick trees reach on the same rows, in the same loss.

A curve alone cannot tell a network that is too small from rows that hold no more to learn. Another learner on the same
rows can: where trees predict unseen rows better than the network predicts those it was shown, the network is at fault.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from planefold.core.errors import DataError, unknown_choice
from planefold.core.records import Record
from planefold.engine.objectives import OBJECTIVES, Objective

Floats = NDArray[np.float64]

N_TREES = 60
N_FOLDS = 3
FEWEST_ROWS = 12  # below, the best constant is all that can be learned with any honesty
FEWEST_BOOSTED = 150  # rows below which boosting never was the better of the two trees
MOST_BOOSTED_OUTPUTS = 8  # each output of a boosting is as many trees again
MOST_CELLS = 600_000  # rows times columns: beyond, boosting would take seconds
MOST_SHIFT_ROWS = 1500  # of either side
STRETCHES = np.linspace(0.0, 1.6, 33)
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
    model : {"linear", "extra trees", "boosting", "constant"}
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
    """Fit a linear model and quick trees to the training rows, and judge them on the held-out ones.

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
    linear = next(candidate for candidate in found if candidate.name in ("linear", "constant"))
    trees = min((c for c in found if c is not linear), key=lambda c: c.inner_loss, default=linear)
    best = min((linear, trees), key=lambda c: c.inner_loss)
    losses = {candidate.name: rows.losses(candidate.outer, rows.Y_val) for candidate in (linear, trees)}
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
        Area under the ROC curve of the out-of-bag predictions, 0.5 where the two sets are alike, and the standard error
        it has then. None where one of them has fewer than 12 different rows.

    Notes
    -----
    Equal rows of one set count once, and rows that both sets have are left out: a twin in the bag would give away, or
    contradict, the answer. At most 1,500 rows of each set are used.

    References
    ----------
    Lopez-Paz and Oquab, "Revisiting Classifier Two-Sample Tests", ICLR 2017. The standard error is that of
    the Mann-Whitney statistic of two equal distributions.
    """
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(random_state)
    sides = _unlike(*(_sample(_matrix(part, "X"), MOST_SHIFT_ROWS, rng) for part in (X, X_val)))
    n_train, n_val = map(len, sides)
    if min(n_train, n_val) < FEWEST_ROWS:
        return None, None
    side = np.repeat([0, 1], [n_train, n_val])
    forest = ExtraTreesClassifier(
        N_TREES, min_samples_leaf=3, bootstrap=True, oob_score=True, class_weight="balanced", random_state=random_state
    )
    with _quietly():
        forest.fit(np.vstack(sides), side)
    auc = float(roc_auc_score(side, forest.oob_decision_function_[:, 1]))
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
        best = self.objective.best_constant(torch.from_numpy(targets), torch.from_numpy(self.weights))
        return np.asarray(best)

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
    found = found.reshape(len(found), -1)
    if not np.isfinite(found).all():
        raise DataError(f"{name} has a missing or infinite value")
    return found


def _matrix(values: Any, name: str) -> Floats:
    """Return dense float64 of shape (n_rows, n_features)."""
    dense = values.toarray() if hasattr(values, "toarray") else np.asarray(values)
    try:
        found = np.array(dense, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name} has values that are not numbers", hint="give the rows as the network gets them") from None
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
        yield _Candidate("constant", *(np.repeat(constant, len(part), axis=0) for part in (rows.Y, rows.Y_val)))
        return
    with _quietly():
        yield min(
            (_by_folds(rows, "linear", lambda: _Linear(rows, penalty), filled=True) for penalty in (1.0, 30.0)),
            key=lambda candidate: _calibrated(candidate, rows).inner_loss,
        )
        yield _forest(rows, seed)
        boostable = n_outputs <= MOST_BOOSTED_OUTPUTS and rows.X.size <= MOST_CELLS
        if n_rows >= FEWEST_BOOSTED and boostable:
            yield _by_folds(rows, "boosting", lambda: _Boosting(rows, seed))


def _forest(rows: _Rows, seed: int) -> _Candidate:
    """Fit one forest to the columns of the targets: a mean of zeros and ones is a probability."""
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
    # A leaf of one class gives the others a probability of 0: some of the mean is mixed in, as much as is best.
    mean = np.average(rows.Y, axis=0, weights=rows.weights)
    mixed = [
        _Candidate("extra trees", *(rows.raw((1 - floor) * part + floor * mean) for part in (inner, outer)))
        for floor in FLOORS
    ]
    return min(mixed, key=lambda candidate: _calibrated(candidate, rows).inner_loss)


def _by_folds(rows: _Rows, name: str, make: Callable[[], Any], *, filled: bool = False) -> _Candidate:
    """Predict each training row from the other parts, and the held-out rows from all."""
    X, X_val = _filled(rows.X, rows.X_val) if filled else (rows.X, rows.X_val)
    inner = np.empty_like(rows.Y)
    for others, part in rows.folds():
        inner[part] = make().fit(X[others], rows.Y[others], rows.weights[others]).raw(X[part])
    return _Candidate(name, inner, make().fit(X, rows.Y, rows.weights).raw(X_val))


def _filled(X: Floats, X_val: Floats) -> tuple[Floats, Floats]:
    """Put every column on one scale, and its median where values are missing."""
    known = np.where(np.isnan(X).all(axis=0), 0.0, X)
    middle = np.nanmedian(known, axis=0)
    full = np.where(np.isnan(known), middle, known)
    mean, spread = full.mean(axis=0), full.std(axis=0)
    spread[spread == 0] = 1.0
    full_val = np.where(np.isnan(X_val), middle, X_val)
    # A value far beyond all that was learned from must not decide a linear model's answer.
    return (full - mean) / spread, np.clip((full_val - mean) / spread, -20, 20)


class _Linear:
    """Ridge or logistic regression, one penalty for all."""

    def __init__(self, rows: _Rows, penalty: float) -> None:
        self.objective, self.penalty, self.make_raw = rows.objective, penalty, rows.raw

    def fit(self, X: Floats, Y: Floats, weights: Floats) -> _Linear:
        from sklearn.linear_model import LogisticRegression, PoissonRegressor, Ridge

        name = self.objective.name
        if name == "binary_log_loss":
            make = lambda: LogisticRegression(C=1 / self.penalty, max_iter=200)  # noqa: E731
            self.models = [_fit_classes(make(), X, column > 0.5, weights) for column in Y.T]
        elif name == "log_loss":
            self.models = [_fit_classes(LogisticRegression(C=1 / self.penalty, max_iter=200), X, Y.argmax(axis=1), weights)]
        elif name == "poisson":
            alpha = self.penalty / len(X)
            self.models = [PoissonRegressor(alpha=alpha, max_iter=200).fit(X, column, weights) for column in Y.T]
        else:
            self.models = [Ridge(self.penalty).fit(X, Y, weights)]
        self.shares = np.average(Y, axis=0, weights=weights)
        return self

    def raw(self, X: Floats) -> Floats:
        name = self.objective.name
        if name == "log_loss":
            return self.make_raw(_all_classes(self.models[0], X, self.shares))
        if name == "binary_log_loss":
            columns = [
                _all_classes(model, X, np.array([1 - share, share]))[:, 1]
                for model, share in zip(self.models, self.shares, strict=True)
            ]
            return self.make_raw(np.column_stack(columns))
        if name == "poisson":
            return self.make_raw(np.column_stack([model.predict(X) for model in self.models]))
        return np.asarray(self.models[0].predict(X)).reshape(len(X), -1)


class _Boosting:
    """Histogram gradient boosting: one model of all classes, or one an output."""

    def __init__(self, rows: _Rows, seed: int) -> None:
        self.objective, self.make_raw = rows.objective, rows.raw
        self.options: dict[str, Any] = {
            "max_iter": 60, "learning_rate": 0.1, "max_leaf_nodes": 15, "min_samples_leaf": 10,
            "early_stopping": False, "random_state": seed,
        }  # fmt: skip

    def fit(self, X: Floats, Y: Floats, weights: Floats) -> _Boosting:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        name = self.objective.name
        if name == "log_loss":
            classes = HistGradientBoostingClassifier(**self.options)
            self.models = [_fit_classes(classes, X, Y.argmax(axis=1), weights)]
        elif name == "binary_log_loss":
            self.models = [
                _fit_classes(HistGradientBoostingClassifier(**self.options), X, column > 0.5, weights) for column in Y.T
            ]
        else:
            loss = name if name in ("absolute_error", "poisson") else "squared_error"
            self.models = [
                HistGradientBoostingRegressor(loss=loss, **self.options).fit(X, column, weights) for column in Y.T
            ]
        self.shares = np.average(Y, axis=0, weights=weights)
        return self

    raw = _Linear.raw
