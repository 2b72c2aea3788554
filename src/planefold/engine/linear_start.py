"""Start a network at the linear solution, so that it only has to learn what a linear model misses."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from planefold.engine.objectives import Objective
from planefold.engine.sources import Rows
from planefold.networks.mlp import MLP

Floats = NDArray[np.float64]
Model = tuple[Floats, Floats]  # coef of shape (n_features, n_outputs), intercept of shape (n_outputs,)
Path = dict[float, Model]  # the model at each strength of the penalty

RIDGE_STRENGTHS = np.logspace(-4, 4, 17)
LOGISTIC_STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)  # scikit-learn's C: from strong to weak
POISSON_STRENGTHS = (10.0, 1.0, 0.1, 0.01, 1e-3)
MAX_ROWS = 10_000  # a linear model is known well enough from that many


class LinearStart:
    """The linear model of each member's rows, at the penalty that does best on the rows it held out.

    Parameters
    ----------
    objective : Objective
        squared_error gives ridge regression, the cross-entropies penalised logistic regression, poisson
        penalised Poisson regression.
    rows, validation : Rows
        As in :func:`planefold.engine.train`; each member's model comes from its own rows. Weights count rows,
        as in scikit-learn: a row of weight 2 is the same as two rows.
    n_members : int, optional
        Default: as many as ``rows`` has windows for.

    Attributes
    ----------
    models : list of (coef, intercept)
        One a member.
    loss : float
        Mean loss on the held-out rows at the penalty that was chosen; nan without such rows, when the
        middle penalty is taken.
    """

    def __init__(
        self, objective: Objective, rows: Rows, validation: Rows | None = None, *, n_members: int | None = None
    ) -> None:
        if n_members is None:
            n_members = 1 if rows.members is None else len(rows.members)
        shared = rows.members is None and validation is not None and validation.members is None
        n_models = 1 if rows.members is None and (validation is None or shared) else n_members
        solve = _SOLVERS[objective.name]
        paths = [solve(*_member(rows, m)) for m in range(n_models)]  # of each member: strength -> model
        strengths = list(paths[0])
        if validation is None:
            chosen, self.loss = strengths[len(strengths) // 2], float("nan")
        else:
            judges = [_member(validation, m) for m in range(n_models)]
            losses = {
                s: float(np.mean([_loss(objective, path[s], seen) for path, seen in zip(paths, judges, strict=True)]))
                for s in strengths
            }
            chosen = min(strengths, key=losses.__getitem__)
            self.loss = losses[chosen]
        self.models = [path[chosen] for path in paths] * (n_members // n_models)

    def into(self, net: MLP) -> None:
        """Put the models into the linear paths of ``net`` and silence its hidden layers.

        The output weights of the last hidden layer become 0: the network starts as the linear model, and
        the first steps bring the hidden units in.
        """
        assert net.skip_coef is not None
        with torch.no_grad():
            for member, (coef, intercept) in enumerate(self.models):
                net.skip_coef[member] = torch.from_numpy(coef)
                net.intercepts[-1][member, 0] = torch.from_numpy(intercept)
                net.coefs[-1][member] = 0.0


def _member(rows: Rows, member: int) -> tuple[Floats, Floats, Floats]:
    index = np.arange(rows.n_rows) if rows.members is None else rows.members[member]
    index = index[index >= 0]
    if len(index) > MAX_ROWS:
        index = index[np.linspace(0, len(index) - 1, MAX_ROWS).astype(np.int64)]
    X, y, w = rows.take(index)
    weights = np.ones(len(index)) if w is None else w.cpu().numpy().astype(float)
    return X.cpu().numpy().astype(float), y.cpu().numpy().astype(float), weights


def _loss(objective: Objective, model: Model, seen: Any) -> float:
    X, y, w = seen
    outputs = torch.from_numpy(X @ model[0] + model[1])
    return float(objective.loss(outputs, torch.from_numpy(y), torch.from_numpy(w)))


def _ridge(X: Floats, y: Floats, w: Floats) -> Path:
    """Solve ``(X'WX + s I) b = X'Wy`` around the weighted means, for all strengths s from one decomposition."""
    x_mean, y_mean = np.average(X, axis=0, weights=w), np.average(y, axis=0, weights=w)
    root = np.sqrt(w)[:, None]
    A, b = root * (X - x_mean), root * (y - y_mean)
    if len(A) < A.shape[1]:  # fewer rows than columns: the small matrix is A A'
        values, left = np.linalg.eigh(A @ A.T)
        to_coef, right = A.T @ left, left.T @ b
    else:
        values, to_coef = np.linalg.eigh(A.T @ A)
        right = to_coef.T @ (A.T @ b)
    path = {}
    for strength in RIDGE_STRENGTHS:
        coef = to_coef @ (right / (np.maximum(values, 0) + strength)[:, None])
        path[float(strength)] = (coef, y_mean - x_mean @ coef)
    return path


def _softmax_regression(X: Floats, y: Floats, w: Floats) -> Path:
    """Fit one model of all classes, each strength from the one before."""
    n_classes = y.shape[1]
    path = _logistic_path(X, y.argmax(axis=1), w, n_classes)
    if n_classes > 2:
        return path
    # Of two classes scikit-learn keeps one column, the difference of the two.
    half = np.array([[-0.5, 0.5]])
    return {strength: (coef * half, (intercept * half).ravel()) for strength, (coef, intercept) in path.items()}


def _logistic(X: Floats, y: Floats, w: Floats) -> Path:
    """Fit one model of yes or no for each column of y."""
    paths = [_logistic_path(X, (column > 0.5).astype(int), w, 2) for column in y.T]
    return {s: (np.hstack([p[s][0] for p in paths]), np.concatenate([p[s][1] for p in paths])) for s in paths[0]}


def _logistic_path(X: Floats, labels: NDArray[Any], w: Floats, n_classes: int) -> Path:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    X, labels, w = _all_classes(X, labels, w, n_classes)
    model = LogisticRegression(warm_start=True, max_iter=200, tol=1e-3)
    path = {}
    for strength in LOGISTIC_STRENGTHS:
        with warnings.catch_warnings():
            # A start need not be the optimum: training goes on from there.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.set_params(C=strength).fit(X, labels, sample_weight=w)
        path[strength] = (model.coef_.T.copy(), model.intercept_.copy())
    return path


def _all_classes(X: Floats, labels: NDArray[Any], w: Floats, n_classes: int) -> tuple[Floats, NDArray[Any], Floats]:
    """Add one faint row at the mean for each class that is not there, so that its model is finite."""
    absent = np.setdiff1d(np.arange(n_classes), labels[w > 0])
    if not len(absent):
        return X, labels, w
    rows = np.repeat(X.mean(axis=0, keepdims=True), len(absent), axis=0)
    faint = np.full(len(absent), 1e-3 * w.mean())
    return np.vstack([X, rows]), np.concatenate([labels, absent]), np.concatenate([w, faint])


def _poisson(X: Floats, y: Floats, w: Floats) -> Path:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import PoissonRegressor

    path = {}
    for strength in POISSON_STRENGTHS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # as above
            models = [PoissonRegressor(alpha=strength, max_iter=300).fit(X, column, sample_weight=w) for column in y.T]
        coef = np.column_stack([model.coef_ for model in models])
        path[strength] = (coef, np.array([model.intercept_ for model in models]))
    return path


_SOLVERS: dict[str, Callable[[Floats, Floats, Floats], Path]] = {
    "squared_error": _ridge,
    "poisson": _poisson,
    "binary_log_loss": _logistic,
    "log_loss": _softmax_regression,
}
