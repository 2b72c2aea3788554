"""More rows of rare classes: which rows to repeat, or which new ones to make up between rows of one class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError, show

Array = npt.NDArray[Any]

RESAMPLERS = ("bootstrap", "smote", "adasyn")
N_NEIGHBORS = 5  # as in both papers; rows of a class that has fewer of them take those there are


def repeated_rows(codes: Array, random_state: np.random.RandomState) -> Array:
    """Choose rows to repeat until every class is as frequent as the most frequent one.

    Parameters
    ----------
    codes : int array of shape (n_rows,)
        The class of each row.
    random_state : numpy.random.RandomState
        Draws the rows of each class, with replacement.

    Returns
    -------
    int64 array of shape (n_new,)
        Places of the rows that are to be there once more (or several times).

    Examples
    --------
    >>> repeated_rows(np.array([0, 0, 0, 1]), np.random.RandomState(0)).tolist()
    [3, 3]
    """
    if len(_rare(codes)) == 0:
        return np.empty(0, dtype=np.int64)
    from imblearn.over_sampling import RandomOverSampler  # takes a second to import

    places = np.arange(len(codes), dtype=np.int64)
    index, _ = RandomOverSampler(random_state=random_state).fit_resample(places[:, None], codes)
    return np.asarray(index[len(codes) :, 0])


def count_synthetic(codes: Array) -> int:
    """Count the rows that :func:`synthetic_rows` makes; of "adasyn", whose numbers are rounded, about so many."""
    counts = np.bincount(codes)
    return int((counts.max(initial=0) - counts[_rare(codes)]).sum())


def synthetic_rows(
    X: Any, codes: Array, method: str, random_state: np.random.RandomState, *, labels: Sequence[Any]
) -> tuple[Any, Array]:
    """Make up rows until every class is (about) as frequent as the most frequent one.

    Each new row lies at random on the straight line between a row of its class and one of that row's 5 nearest
    neighbours in the class. "smote" starts equally often from every row; "adasyn" more often from rows with more
    other classes among their 5 nearest neighbours.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_rows, n_features)
        Numbers on comparable scales: neighbours are found by Euclidean distance.
    codes : int array of shape (n_rows,)
        The class of each row, a place in ``labels``.
    method : {"smote", "adasyn"}
    random_state : numpy.random.RandomState
    labels : sequence
        What messages call the classes.

    Returns
    -------
    X_new : ndarray or CSR matrix of shape (n_new, n_features)
        Of the kind and number type of ``X``.
    codes_new : int array of shape (n_new,)

    Raises
    ------
    DataError
        If a class has a single row, which has no neighbour; of "adasyn" also if no row of a class has another class
        among its neighbours, since its new rows would have nowhere to go.

    Notes
    -----
    A class of fewer than 6 rows has fewer than 5 neighbours to offer; then all of them are taken. Columns of 0 and 1
    get fractions between the two. "adasyn" rounds the number of new rows at each row: a class that is nearly as
    frequent as the largest gets none. Finding neighbours costs up to ``O(n_rows^2 n_features)`` for each class.

    References
    ----------
    Chawla, Bowyer, Hall and Kegelmeyer, "SMOTE: Synthetic Minority Over-sampling Technique", JAIR 16, 2002,
    section 4.2.
    He, Bai, Garcia and Li, "ADASYN: Adaptive Synthetic Sampling Approach for Imbalanced Learning", IJCNN 2008,
    algorithm ADASYN, steps 1 to 4.
    Computed by imbalanced-learn (Lemaitre, Nogueira and Aridas, JMLR 18, 2017).
    """
    counts = np.bincount(codes)
    rare = _rare(codes)
    alone = rare[counts[rare] == 1]
    if len(alone):
        raise DataError(
            f"resample={method!r} makes rows between neighbours of one class, and there is a single row of class "
            f"{show(labels[alone[0]])} to learn from",
            hint="resample='bootstrap' repeats rows, class_weight='balanced' lets them count for more",
        )
    make = _smote if method == "smote" else _adasyn
    pieces = [piece for piece in make(X, codes, counts, rare, random_state, labels) if len(piece[1])]
    if not pieces:
        return X[:0], codes[:0]
    return _stacked([rows for rows, _ in pieces]), np.concatenate([new for _, new in pieces])


def _smote(
    X: Any, codes: Array, counts: Array, rare: Array, random_state: np.random.RandomState, labels: Sequence[Any]
) -> list[tuple[Any, Array]]:
    from imblearn.over_sampling import SMOTE

    found = []
    n_neighbors = np.minimum(N_NEIGHBORS, counts[rare] - 1)
    for k in np.unique(n_neighbors).tolist():  # nearly always one number; a call has one for all its classes
        wanted = {code: counts.max() for code in rare[n_neighbors == k].tolist()}
        sampler = SMOTE(sampling_strategy=wanted, k_neighbors=k, random_state=random_state)
        X_all, all_codes = sampler.fit_resample(X, codes)
        found.append((X_all[len(codes) :], all_codes[len(codes) :]))
    return found


def _adasyn(
    X: Any, codes: Array, counts: Array, rare: Array, random_state: np.random.RandomState, labels: Sequence[Any]
) -> list[tuple[Any, Array]]:
    from imblearn.over_sampling import ADASYN

    found = []
    for code in rare.tolist():  # one by one: what fails, fails for one class
        k = min(N_NEIGHBORS, int(counts[code]) - 1)
        sampler = ADASYN(sampling_strategy={code: counts.max()}, n_neighbors=k, random_state=random_state)
        try:
            X_all, all_codes = sampler.fit_resample(X, codes)
        except RuntimeError as error:  # no row has a foreign neighbour
            raise DataError(
                f"resample='adasyn' makes rows where classes mix, and none of the {counts[code]} rows of class "
                f"{show(labels[code])} has another class among its {k} nearest neighbours",
                hint="resample='smote' makes rows everywhere in the class",
            ) from error
        except ValueError as error:
            if "No samples" not in str(error):
                raise
            continue  # fewer than half a row at each row: nearly even already
        found.append((X_all[len(codes) :], all_codes[len(codes) :]))
    return found


def _rare(codes: Array) -> Array:
    """Return the classes that are there, and less often than the most frequent one."""
    counts = np.bincount(codes)
    return np.flatnonzero((counts > 0) & (counts < counts.max(initial=0)))


def _stacked(pieces: list[Any]) -> Any:
    if isinstance(pieces[0], np.ndarray):
        return np.concatenate(pieces)
    from scipy import sparse

    return sparse.vstack(pieces, format="csr")
