"""Start a network at the linear solution, so that it only has to learn what a linear model misses."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from planefold.engine.objectives import Objective
from planefold.engine.sources import Rows
from planefold.networks.mlp import MLP

Floats = NDArray[np.float64]
Model = tuple[Floats, Floats]  # coef of shape (n_features, n_outputs), intercept of shape (n_outputs,)

RIDGE_STRENGTHS = np.logspace(-4, 4, 17)
LOGISTIC_STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)  # scikit-learn's C: from strong to weak
MAX_ROWS = 10_000  # a linear model is known well enough from that many


class LinearStart:
    """The linear model of each member's rows, at the penalty that does best on the rows it held out.

    Parameters
    ----------
    objective : Objective
        squared_error gives ridge regression, the cross-entropies penalised logistic regression, poisson
        penalised Poisson regression.
    rows, validation : Rows
        As in :func:`planefold.engine.train`; each member's model comes from its own rows.
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
        solve = {"squared_error": _ridge, "poisson": _poisson}.get(objective.name, _logistic)
        paths = [solve(*_member(rows, m)) for m in range(n_models)]  # of each member: strength -> model
        strengths = list(paths[0])
        if validation is None:
            chosen, self.loss = strengths[len(strengths) // 2], float("nan")
        else:
            judges = [_member(validation, m) for m in range(n_models)]
            losses = {s: float(np.mean([_loss(objective, path[s], seen) for path, seen in zip(paths, judges, strict=True)]))
                      for s in strengths}
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


def _ridge(X: Floats, y: Floats, w: Floats) -> dict[float, Model]:
    """Solve ``(X'WX + s/n I) b = X'Wy`` around the weighted means, for all strengths from one decomposition."""
    w = w / w.sum()
    x_mean, y_mean = w @ X, w @ y
    weighted = (X - x_mean) * w[:, None]
    values, vectors = np.linalg.eigh(weighted.T @ (X - x_mean))
    right = vectors.T @ (weighted.T @ (y - y_mean))
    path = {}
    for strength in RIDGE_STRENGTHS:
        coef = vectors @ (right / (np.maximum(values, 0) + strength / len(X))[:, None])
        path[float(strength)] = (coef, y_mean - x_mean @ coef)
    return path


def _logistic(X: Floats, y: Floats, w: Floats) -> dict[float, Model]:
    """Fit penalised logistic regressions from the strongest penalty to the weakest, each from the one before."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    one_hot = y.shape[1] > 1 and np.allclose(y.sum(axis=1), 1)
    problems = [(y.argmax(axis=1), y.shape[1])] if one_hot else [((column > 0.5).astype(int), 2) for column in y.T]
    w = w / w.mean()  # the penalty shall not depend on the unit of the weights
    tasks = [(LogisticRegression(warm_start=True, max_iter=200, tol=1e-3), _all_classes(X, label, w, n_classes))
             for label, n_classes in problems]
    path = {}
    for strength in LOGISTIC_STRENGTHS:
        with warnings.catch_warnings():
            # A start need not be the optimum: training goes on from there.
            warnings.simplefilter("ignore", ConvergenceWarning)
            fits = [model.set_params(C=strength).fit(*data[:2], sample_weight=data[2]) for model, data in tasks]
        path[strength] = (np.vstack([fit.coef_ for fit in fits]).T, np.concatenate([fit.intercept_ for fit in fits]))
    return path


def _all_classes(X: Floats, labels: NDArray[Any], w: Floats, n_classes: int) -> tuple[Floats, NDArray[Any], Floats]:
    """Add one faint row at the mean for each class that is not there, so that its model is finite."""
    absent = np.setdiff1d(np.arange(n_classes), labels[w > 0])
    if not len(absent):
        return X, labels, w
    rows = np.repeat(X.mean(axis=0, keepdims=True), len(absent), axis=0)
    return np.vstack([X, rows]), np.concatenate([labels, absent]), np.concatenate([w, np.full(len(absent), 1e-3)])


def _poisson(X: Floats, y: Floats, w: Floats) -> dict[float, Model]:
    from sklearn.linear_model import PoissonRegressor

    path = {}
    for strength in (10.0, 1.0, 0.1, 0.01, 1e-3):
        models = [PoissonRegressor(alpha=strength, max_iter=300).fit(X, column, sample_weight=w) for column in y.T]
        coef = np.column_stack([model.coef_ for model in models])
        path[strength] = (coef, np.array([model.intercept_ for model in models]))
    return path
