"""What trees say about rows that they did not see."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from planefold.doctor.scan.sheet import Floats


def unseen_chances(
    values: Floats,
    labels: npt.NDArray[np.int64],
    random: np.random.RandomState,
    *,
    n_trees: int,
    min_samples_leaf: int,
    balanced: bool = False,
) -> Floats:
    """Return the probabilities of the classes of each row, by those trees that did not learn from it.

    Parameters
    ----------
    values : array of shape (n_rows, n_columns)
    labels : int array of shape (n_rows,)
        From 0 on.
    balanced : bool
        Whether the classes count alike, however many rows they have.

    Returns
    -------
    array of shape (n_rows, n_classes)

    Notes
    -----
    Each tree learns from one half of every class, drawn without replacement: a bootstrap over all rows would draw the
    classes in changing shares, and half the rows make a tree in half the time.

    References
    ----------
    Breiman, "Random Forests", Machine Learning 2001. Friedman and Hall, "On Bagging and Nonlinear Estimation", 2007
    (halves without replacement).
    """
    from sklearn.tree import DecisionTreeClassifier

    X = np.ascontiguousarray(values, dtype=np.float32)
    n_classes = int(labels.max()) + 1
    rows_of = [np.flatnonzero(labels == label) for label in range(n_classes)]
    total, n_votes = np.zeros((len(labels), n_classes)), np.zeros(len(labels))
    for _ in range(n_trees):
        seen = np.concatenate([random.permutation(rows)[: (len(rows) + 1) // 2] for rows in rows_of])
        unseen = np.ones(len(labels), dtype=bool)
        unseen[seen] = False
        tree = DecisionTreeClassifier(
            max_features="sqrt", min_samples_leaf=min_samples_leaf, class_weight="balanced" if balanced else None,
            random_state=random.randint(2**31 - 1),
        ).fit(X[seen], labels[seen])  # fmt: skip
        total[np.ix_(unseen, tree.classes_)] += tree.predict_proba(X[unseen])
        n_votes[unseen] += 1
    return np.asarray(total / np.maximum(n_votes, 1)[:, None])
