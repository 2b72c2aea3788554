"""Two baselines for every table: the rule that ignores the inputs, and gradient boosting on the same inputs."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

TRIVIAL = ("majority class", "mean")
BOOSTING = "gradient boosting"


def fit_baselines(
    *, task: str, X_train: Any, y_train: Any, X_test: Any, random_state: int | None = None
) -> dict[str, tuple[Any, Any]]:
    """Fit the trivial rule and scikit-learn's histogram gradient boosting, and predict the test rows.

    Parameters
    ----------
    task : {"regression", "multioutput", "binary", "multiclass", "multilabel"}
    X_train, X_test : array of shape (n_rows, n_features)
        Encoded inputs, as numbers; nan is allowed.
    y_train : array of shape (n_rows,) or (n_rows, n_outputs)
    random_state : int, optional

    Returns
    -------
    dict of str to (y_pred, proba or None)
        ``"mean"`` or ``"majority class"``, and ``"gradient boosting"``: what ``evaluate(baselines=...)`` takes. The
        columns of ``proba`` are the sorted classes of ``y_train``; multilabel: the probability of each label.

    Notes
    -----
    Boosting keeps its default settings, untuned: 100 trees a class, and fewer where there are more than 20 classes.
    Several outputs or labels: one booster a column. A target with one class has no booster.

    References
    ----------
    Grinsztajn, Oyallon and Varoquaux, "Why do tree-based models still outperform deep learning on typical tabular
    data?", NeurIPS 2022.
    """
    X_train, X_test = np.asarray(X_train, dtype=float), np.asarray(X_test, dtype=float)
    y_train = np.asarray(y_train)
    if task == "regression":
        return _regression(X_train, y_train.ravel(), X_test, random_state)
    if task in ("binary", "multiclass"):
        return _classification(X_train, y_train.ravel(), X_test, random_state)
    one = _regression if task == "multioutput" else _classification
    columns = [one(X_train, y_train[:, j], X_test, random_state) for j in range(y_train.shape[1])]
    trivial = "mean" if task == "multioutput" else "majority class"
    combined: dict[str, tuple[Any, Any]] = {}
    for name in (trivial, BOOSTING):
        # A label that is always 0 or always 1 has no booster: the trivial rule is all there is to know.
        found = [column.get(name, column[trivial]) for column in columns]
        y_pred = np.column_stack([prediction for prediction, _ in found])
        if task == "multioutput":
            combined[name] = (y_pred, None)
        else:
            shares = [_share_of_one(proba, y_train[:, j]) for j, (_, proba) in enumerate(found)]
            combined[name] = (y_pred, np.column_stack(shares))
    return combined


def _share_of_one(proba: Any, y_train: Any) -> Any:
    """Probability of the label being 1, also where the training rows knew only one value."""
    return proba[:, 1] if proba.shape[1] == 2 else np.full(len(proba), float(y_train[0]))


def _few_threads(X_train: Any) -> contextlib.AbstractContextManager[Any]:
    """Keep a small table to one thread: on busy cores the threads wait for each other longer than they work."""
    from threadpoolctl import threadpool_limits

    # OpenMP keeps this number for each calling thread, so that nobody else is slowed down.
    return contextlib.nullcontext() if X_train.size > 200_000 else threadpool_limits(1, user_api="openmp")


def _regression(X_train: Any, y_train: Any, X_test: Any, random_state: int | None) -> dict[str, tuple[Any, Any]]:
    from sklearn.dummy import DummyRegressor
    from sklearn.ensemble import HistGradientBoostingRegressor

    mean = DummyRegressor().fit(X_train, y_train)
    boosting = HistGradientBoostingRegressor(random_state=random_state)
    with _few_threads(X_train):
        predicted = boosting.fit(X_train, y_train).predict(X_test)
    return {"mean": (mean.predict(X_test), None), BOOSTING: (predicted, None)}


def _classification(X_train: Any, y_train: Any, X_test: Any, random_state: int | None) -> dict[str, tuple[Any, Any]]:
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import HistGradientBoostingClassifier

    majority = DummyClassifier(strategy="most_frequent").fit(X_train, y_train)
    shares = DummyClassifier(strategy="prior").fit(X_train, y_train)
    found = {"majority class": (majority.predict(X_test), shares.predict_proba(X_test))}
    values, counts = np.unique(y_train, return_counts=True)
    if len(values) < 2:
        return found
    # Early stopping holds out 10 % of each class, which a class of one row cannot give.
    early = "auto" if counts.min() >= 10 else False
    trees = max(10, min(100, 2000 // len(values)))
    boosting = HistGradientBoostingClassifier(random_state=random_state, early_stopping=early, max_iter=trees)
    with _few_threads(X_train):
        boosting.fit(X_train, y_train)
        found[BOOSTING] = (boosting.predict(X_test), boosting.predict_proba(X_test))
    return found
