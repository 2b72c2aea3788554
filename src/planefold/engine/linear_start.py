"""Start a network at the linear solution, so that it only has to learn what a linear model misses."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from planefold.engine.objectives import Objective, weighted_median
from planefold.engine.sources import Rows
from planefold.networks.mlp import MLP

Floats = NDArray[np.float64]
Model = tuple[Floats, Floats]  # coef of shape (n_features, n_outputs), intercept of shape (n_outputs,)

# From the strongest penalty to the weakest, in the parameter of each model.
RIDGE_STRENGTHS = tuple(np.logspace(4, -4, 17).tolist())
LOGISTIC_STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0)  # scikit-learn's C, the inverse
POISSON_STRENGTHS = (10.0, 1.0, 0.1, 0.01, 1e-3)

MAX_ROWS = 5_000  # a linear model is known well enough from that many
MAX_STEPS = 10  # of a robust start at each penalty: each at least halves what is missing
N_CHOOSERS = 3  # members that the penalty is chosen with: more would agree, and cost a whole path each


class LinearStart:
    """The linear model of each member's rows, at the penalty that does best on the rows it held out.

    Parameters
    ----------
    objective : Objective
        The squared errors give ridge regression, absolute_error and huber robust ridge regression, the
        cross-entropies penalised logistic regression, poisson penalised Poisson regression.
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
        Mean loss of the first three members on their held-out rows at the penalty that was chosen; nan without
        such rows, when the middle penalty is taken.
    """

    def __init__(
        self, objective: Objective, rows: Rows, validation: Rows | None = None, *, n_members: int | None = None
    ) -> None:
        if n_members is None:
            n_members = 1 if rows.members is None else len(rows.members)
        shared = rows.members is None and validation is not None and validation.members is None
        n_models = 1 if rows.members is None and (validation is None or shared) else n_members
        solve, strengths = _SOLVERS[objective.name]
        if objective.delta is not None:
            solve = partial(solve, delta=objective.delta)
        learn = [_member(rows, m) for m in range(n_models)]
        known: list[Model] = []
        if validation is None:
            strength, self.loss = strengths[len(strengths) // 2], float("nan")
        else:
            judges = [_member(validation, m) for m in range(min(n_models, N_CHOOSERS))]
            paths = [solve(*data, strengths) for data in learn[: len(judges)]]
            strength, known, self.loss = _choose(objective, strengths, paths, judges)
        rest = [next(solve(*data, (strength,))) for data in learn[len(known) :]]
        self.models = [*known, *rest] * (n_members // n_models)

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


def _choose(
    objective: Objective, strengths: Sequence[float], paths: list[Iterator[Model]], judges: list[Any]
) -> tuple[float, list[Model], float]:
    """Walk along the paths side by side until the mean held-out loss has risen twice in a row."""
    best: tuple[float, list[Model], float] = (strengths[0], [], np.inf)
    rises = 0
    for strength, *models in zip(strengths, *paths, strict=False):
        loss = float(np.mean([_loss(objective, model, seen) for model, seen in zip(models, judges, strict=True)]))
        if loss < best[2] or not best[1]:
            best, rises = (strength, models, loss), 0
        else:
            rises += 1
            if rises == 2:
                break
    return best


def _ridge(X: Floats, y: Floats, w: Floats, strengths: Sequence[float]) -> Iterator[Model]:
    """Solve ``(X'WX + s I) b = X'Wy`` around the weighted means, for all strengths s from one decomposition."""
    solve = _decomposed(X, w)
    for strength in strengths:
        yield solve(y, strength)


def _decomposed(X: Floats, w: Floats) -> Callable[[Floats, float], Model]:
    """Return the ridge solution as a function of the targets and of the strength."""
    x_mean, root = np.average(X, axis=0, weights=w), np.sqrt(w)[:, None]
    A = root * (X - x_mean)
    few_rows = len(A) < A.shape[1]  # fewer than columns: the small matrix is A A'
    values, vectors = np.linalg.eigh(A @ A.T if few_rows else A.T @ A)
    to_coef = A.T @ vectors if few_rows else vectors

    def solve(y: Floats, strength: float) -> Model:
        y_mean = np.average(y, axis=0, weights=w)
        b = root * (y - y_mean)
        right = vectors.T @ (b if few_rows else A.T @ b)
        coef = to_coef @ (right / (np.maximum(values, 0) + strength)[:, None])
        return coef, y_mean - x_mean @ coef

    return solve


def _robust_ridge(
    X: Floats, y: Floats, w: Floats, strengths: Sequence[float], *, delta: float = 0.0
) -> Iterator[Model]:
    """Ridge regression with Huber's loss, each strength from the fit of the one before; delta=0 is absolute error.

    The loss curves nowhere more than squares do, so the ridge solution of the targets "fit + clipped residual" never
    raises it (modified residuals). They change from step to step, the decomposition does not: a step costs two
    products with X. It shrinks what is missing by the share of the clipped rows. Where more than half of the rows
    would be clipped, ``delta`` gives way to the median absolute residual; a start need not be the optimum.

    References
    ----------
    Huber and Dutter, "Numerical solution of robust regression problems", COMPSTAT 1974.
    """
    solve = _decomposed(X, w)
    fit = np.broadcast_to(_median(y, w), y.shape)
    for strength in strengths:
        for _ in range(MAX_STEPS):
            residuals = y - fit
            bound = np.maximum(delta, _median(np.abs(residuals), w))
            coef, intercept = solve(fit + np.clip(residuals, -bound, bound), strength)
            before, fit = fit, X @ coef + intercept
            if np.all(np.abs(fit - before) <= 1e-3 * bound):
                break
        yield coef, intercept + _median(y - fit, w) if delta == 0 else intercept


def _median(columns: Floats, w: Floats) -> Floats:
    return weighted_median(torch.from_numpy(columns), torch.from_numpy(w)).numpy()


def _softmax_regression(X: Floats, y: Floats, w: Floats, strengths: Sequence[float]) -> Iterator[Model]:
    """Fit one model of all classes, each strength from the one before."""
    n_classes = y.shape[1]
    for coef, intercept in _logistic_path(X, y.argmax(axis=1), w, n_classes, strengths):
        if n_classes > 2:
            yield coef, intercept
        else:  # of two classes scikit-learn keeps one column, the difference of the two
            half = np.array([[-0.5, 0.5]])
            yield coef * half, (intercept * half).ravel()


def _logistic(X: Floats, y: Floats, w: Floats, strengths: Sequence[float]) -> Iterator[Model]:
    """Fit one model of yes or no for each column of y."""
    paths = [_logistic_path(X, (column > 0.5).astype(int), w, 2, strengths) for column in y.T]
    for models in zip(*paths, strict=True):
        yield np.hstack([coef for coef, _ in models]), np.concatenate([intercept for _, intercept in models])


def _logistic_path(
    X: Floats, labels: NDArray[Any], w: Floats, n_classes: int, strengths: Sequence[float]
) -> Iterator[Model]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    X, labels, w = _all_classes(X, labels, w, n_classes)
    model = LogisticRegression(warm_start=True, max_iter=60, tol=1e-3)
    for strength in strengths:
        with warnings.catch_warnings():
            # A start need not be the optimum: training goes on from there.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.set_params(C=strength).fit(X, labels, sample_weight=w)
        yield model.coef_.T.copy(), model.intercept_.copy()


def _all_classes(X: Floats, labels: NDArray[Any], w: Floats, n_classes: int) -> tuple[Floats, NDArray[Any], Floats]:
    """Add one faint row at the mean for each class that is not there, so that its model is finite."""
    absent = np.setdiff1d(np.arange(n_classes), labels[w > 0])
    if not len(absent):
        return X, labels, w
    rows = np.repeat(X.mean(axis=0, keepdims=True), len(absent), axis=0)
    faint = np.full(len(absent), 1e-3 * w.mean())
    return np.vstack([X, rows]), np.concatenate([labels, absent]), np.concatenate([w, faint])


def _poisson(X: Floats, y: Floats, w: Floats, strengths: Sequence[float]) -> Iterator[Model]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import PoissonRegressor
    from threadpoolctl import threadpool_limits

    for strength in strengths:
        # One thread: on a busy machine the threads of so small a sum wait for each other, ten times as long.
        with threadpool_limits(1, user_api="openmp"), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # as above
            models = [PoissonRegressor(alpha=strength, max_iter=300).fit(X, column, sample_weight=w) for column in y.T]
        yield np.column_stack([model.coef_ for model in models]), np.array([model.intercept_ for model in models])


_Solver = Callable[..., Iterator[Model]]  # of X, y, w and the strengths
_SOLVERS: dict[str, tuple[_Solver, Sequence[float]]] = {
    "squared_error": (_ridge, RIDGE_STRENGTHS),
    "mean_squared_error": (_ridge, RIDGE_STRENGTHS),
    "absolute_error": (_robust_ridge, RIDGE_STRENGTHS),
    "huber": (_robust_ridge, RIDGE_STRENGTHS),
    "poisson": (_poisson, POISSON_STRENGTHS),
    "binary_log_loss": (_logistic, LOGISTIC_STRENGTHS),
    "log_loss": (_softmax_regression, LOGISTIC_STRENGTHS),
}
