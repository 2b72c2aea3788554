"""Baselines for pictures: the rule that ignores them, a linear model and the nearest neighbour, on small pictures."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Array = npt.NDArray[Any]
SIDE = 16  # pixels a side: a linear model on more of them gains little and costs much
MOST_ROWS = 10_000  # training pictures that the baselines learn from: evenly spaced ones of more
SHRINKAGE = 0.02  # of the logistic regression, a picture: scikit-learn's C is 1 over this times the pictures


def small_pixels(pictures: Any, *, side: int = SIDE) -> Array:
    """Return pictures as rows of few pixels.

    Parameters
    ----------
    pictures : array of shape (n, height, width) or (n, height, width, n_channels)
    side : int
        Height and width at most; each small pixel is the mean of those that it covers.

    Returns
    -------
    float32 array of shape (n, n_pixels)

    Examples
    --------
    >>> small_pixels(np.ones((2, 28, 28), np.uint8)).shape
    (2, 256)
    """
    pixels = np.asarray(pictures)
    n, height, width = pixels.shape[:3]
    down, across = min(side, height), min(side, width)
    pixels = pixels[..., None] if pixels.ndim == 3 else pixels
    rows = np.empty((n, down * across * pixels.shape[3]), np.float32)
    for start in range(0, n, 512):
        part = np.ascontiguousarray(pixels[start : start + 512], dtype=np.float32)
        values = torch.from_numpy(part).permute(0, 3, 1, 2)
        rows[start : start + 512] = torch.nn.functional.adaptive_avg_pool2d(values, (down, across)).flatten(1).numpy()
    return rows


def fit_pixel_baselines(
    *, task: str, X_train: Any, y_train: Any, X_test: Any, of: str = "pixels"
) -> dict[str, tuple[Any, Any]]:
    """Fit the trivial rule, a linear model and the nearest neighbour, and predict the test pictures.

    Parameters
    ----------
    task : {"regression", "multioutput", "binary", "multiclass", "multilabel"}
    X_train, X_test : array of shape (n, height, width) or (n, height, width, n_channels)
    y_train : array of shape (n,) or (n, n_outputs)
    of : str
        What the pictures are made of, for the names.

    Returns
    -------
    dict of str to (y_pred, proba or None)
        ``"mean"`` or ``"majority class"``, ``"logistic regression on pixels"`` or ``"ridge regression on pixels"``,
        ``"nearest neighbour on pixels"``: what ``evaluate(baselines=...)`` takes.

    Notes
    -----
    Pictures are reduced to at most 16 x 16 pixels, which are standardised. Gradient boosting, which tables are compared
    with, knows nothing of neighbouring pixels and takes long on them; the nearest neighbour is the harder rival where
    pictures of one thing are much alike, and shows a leak at once. Of more than 10,000 training pictures evenly spaced
    ones are used.
    """
    y_train = np.asarray(y_train)
    rows = np.linspace(0, len(y_train) - 1, min(len(y_train), MOST_ROWS)).round().astype(np.int64)
    train, test = small_pixels(np.asarray(X_train)[rows]), small_pixels(X_test)
    mean, scale = train.mean(axis=0), train.std(axis=0)
    scale[scale < 1e-6 * (np.abs(mean) + 1e-30)] = 1.0
    train, test, y = (train - mean) / scale, (test - mean) / scale, y_train[rows]
    if task in ("regression", "multioutput"):
        return _numbers(train, y.ravel() if task == "regression" else y, test, y_train, of)
    if task in ("binary", "multiclass"):
        return _classes(train, y.ravel(), test, y_train, of)
    columns = [_classes(train, y[:, j], test, y_train[:, j], of) for j in range(y.shape[1])]
    found: dict[str, tuple[Any, Any]] = {}
    for name in columns[0] if columns else ():
        parts = [column.get(name, column["majority class"]) for column in columns]
        shares = [proba[:, 1] if proba.shape[1] == 2 else np.asarray(said, float) for said, proba in parts]
        found[name] = np.column_stack([said for said, _ in parts]), np.column_stack(shares)
    return found


def _numbers(train: Array, y: Array, test: Array, all_y: Array, of: str) -> dict[str, tuple[Any, Any]]:
    from sklearn.linear_model import RidgeCV
    from sklearn.neighbors import KNeighborsRegressor

    means = np.repeat(np.asarray(all_y, dtype=float).mean(axis=0)[None], len(test), axis=0)
    ridge = RidgeCV(alphas=np.geomspace(1, 1e5, 11)).fit(train, y)
    nearest = KNeighborsRegressor(n_neighbors=min(5, len(train))).fit(train, y)
    return {
        "mean": (means, None),
        f"ridge regression on {of}": (ridge.predict(test), None),
        f"nearest neighbours on {of}": (nearest.predict(test), None),
    }


def _classes(train: Array, y: Array, test: Array, all_y: Array, of: str) -> dict[str, tuple[Any, Any]]:
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LogisticRegression

    majority = DummyClassifier(strategy="most_frequent").fit(all_y[:, None], all_y)
    shares = DummyClassifier(strategy="prior").fit(all_y[:, None], all_y)
    found = {"majority class": (majority.predict(test), shares.predict_proba(test))}
    known = np.unique(all_y)
    if len(known) < 2 or len(np.unique(y)) < len(known):
        return found
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a hundred steps come near enough
        linear = LogisticRegression(C=1 / (SHRINKAGE * len(y)), max_iter=100).fit(train, y)
    found[f"logistic regression on {of}"] = linear.predict(test), linear.predict_proba(test)
    nearest = y[_nearest(train, test)]
    found[f"nearest neighbour on {of}"] = nearest, (nearest[:, None] == known).astype(float)
    return found


def _nearest(train: Array, test: Array) -> Array:
    """Return the number of the nearest training row of each test row."""
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(train)
    return np.asarray(found.kneighbors(test, return_distance=False)[:, 0])
