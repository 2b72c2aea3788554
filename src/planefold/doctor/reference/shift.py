"""`shift_auc`: whether a forest can tell two sets of rows apart."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from planefold.doctor.reference.models import FEWEST_ROWS, N_TREES, quietly
from planefold.doctor.reference.rows import matrix_of, sample

Floats = NDArray[np.float64]

MOST_SHIFT_ROWS = 1000  # of either side


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
    sides = _unlike(*(sample(matrix_of(part, "X"), MOST_SHIFT_ROWS, rng) for part in (X, X_val)))
    n_train, n_val = map(len, sides)
    if min(n_train, n_val) < FEWEST_ROWS:
        return None, None
    side = np.repeat([0, 1], [n_train, n_val])
    values = np.vstack(sides)
    values = values[:, np.nanmax(values, axis=0) > np.nanmin(values, axis=0)]
    if not values.shape[1]:
        return None, None
    random = np.random.RandomState(random_state)
    with quietly():
        chances = unseen_chances(values, side, random, n_trees=N_TREES, min_samples_leaf=5, balanced=True)
    # Mann and Whitney: the sum of the ranks counts the pairs that are in the right order.
    won = rankdata(chances[:, 1])[n_train:].sum() - n_val * (n_val + 1) / 2
    auc = float(won / (n_train * n_val))
    return auc, math.sqrt((n_train + n_val + 1) / (12 * n_train * n_val))


def _unlike(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    """Drop rows that occur twice in one set, and rows that occur in both."""
    keys = [[row.tobytes() for row in part + 0.0] for part in (first, second)]  # + 0.0: -0 is 0
    both = set(keys[0]) & set(keys[1])

    def kept(part: Floats, its: list[bytes]) -> Floats:
        places = {key: place for place, key in enumerate(its) if key not in both}
        return part[sorted(places.values())]

    return kept(first, keys[0]), kept(second, keys[1])
