"""Splits: which rows are learned from, and which are kept to look at the result."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError, ParameterError, show
from planefold.data.targets import read_target

Rows = npt.NDArray[np.int64]

# Above this many bits the exact choice of groups gives way to a greedy one; 500 million bits are 60 MB.
_MAX_BITS = 500_000_000


def split_rows(
    n_rows: int,
    *,
    test_size: float = 0.2,
    y: Any = None,
    groups: Any = None,
    times: Any = None,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[Rows, Rows]:
    """Split rows into those to learn from and those to test on.

    Parameters
    ----------
    n_rows : int
        At least 2.
    test_size : float or int
        A share of the rows (below 1), or their number. A fifth is the usual compromise: enough rows to
        measure on, and most are left to learn from.
    y : array-like of shape (n_rows,), optional
        Classes; each keeps its share in both parts. A class with one row stays in training.
    groups : array-like of shape (n_rows,), optional
        Rows of one group (one patient, one house) come on one side. Not together with ``y``'s shares: they
        are then left to chance.
    times : array-like of shape (n_rows,), optional
        The latest rows become the test; rows of one time stay together where possible.
    random_state : int, RandomState or None
        Seed, or the stream to draw from.

    Returns
    -------
    train, test : ndarray of int64
        Indices of rows, each sorted; neither is empty.
    """
    n_test = _n_test(n_rows, test_size)
    if groups is not None and times is not None:
        raise ParameterError("groups and times cannot both decide the split", hint="pass one of them")
    random = random_stream(random_state)
    if times is not None:
        test = _latest(_codes(times, n_rows, "times"), n_test)
    elif groups is not None:
        test = _whole_groups(_codes(groups, n_rows, "groups"), n_test, random)
    elif y is not None:
        test = _stratified(_codes(y, n_rows, "y"), n_test, random)
    else:
        test = random.permutation(n_rows)[:n_test]
    is_test = np.zeros(n_rows, dtype=bool)
    is_test[test] = True
    return np.flatnonzero(~is_test).astype(np.int64), np.flatnonzero(is_test).astype(np.int64)


def folds(
    n_rows: int,
    n_folds: int,
    *,
    y: Any = None,
    groups: Any = None,
    random_state: int | np.random.RandomState | None = None,
) -> Rows:
    """Deal rows into folds for cross-validation.

    Parameters
    ----------
    n_rows, n_folds : int
        At least 2 folds, and no more than there are rows or groups.
    y : array-like of shape (n_rows,), optional
        Classes; each is spread evenly over the folds.
    groups : array-like of shape (n_rows,), optional
        Rows of one group come into one fold; the largest groups are dealt first, each to the smallest fold.
        Takes precedence over ``y``.
    random_state : int, RandomState or None
        Seed, or the stream to draw from.

    Returns
    -------
    ndarray of shape (n_rows,), int64
        The fold of each row, 0 to n_folds - 1. Without groups no two folds differ by more than one row.
    """
    random = random_stream(random_state)
    codes = None if groups is None else _codes(groups, n_rows, "groups")
    n_units = n_rows if codes is None else int(codes.max()) + 1
    if isinstance(n_folds, bool) or not isinstance(n_folds, int | np.integer) or not 2 <= n_folds <= n_units:
        units = "rows" if groups is None else "groups"
        raise ParameterError(f"n_folds={show(n_folds)} must be a whole number from 2 to the {n_units} {units}")
    if codes is not None:
        return _folds_of_groups(codes, n_folds, random)
    # Rows sorted by class and dealt in turn, without starting anew for each class: even in every class
    # and in total.
    order = random.permutation(n_rows)
    if y is not None:
        order = order[np.argsort(_codes(y, n_rows, "y")[order], kind="stable")]
    fold = np.empty(n_rows, dtype=np.int64)
    fold[order] = random.permutation(n_folds)[np.arange(n_rows) % n_folds]
    return fold


def random_stream(random_state: int | np.random.RandomState | None) -> np.random.RandomState:
    """Return the stream itself, or a new one from a seed."""
    if isinstance(random_state, np.random.RandomState):
        return random_state
    try:
        return np.random.RandomState(random_state)
    except (ValueError, TypeError) as error:
        raise ParameterError(
            f"random_state={show(random_state)} is no seed", details="a whole number from 0 to 4294967295, or None"
        ) from error


def _n_test(n_rows: int, test_size: float) -> int:
    if n_rows < 2:
        raise DataError(f"{n_rows} rows cannot be split in two")
    share = isinstance(test_size, float | np.floating) and 0 < test_size < 1
    whole = isinstance(test_size, int | np.integer) and not isinstance(test_size, bool) and 0 < test_size < n_rows
    if not (share or whole):
        raise ParameterError(
            f"test_size={show(test_size)} must be a share between 0 and 1, or a number of rows below {n_rows}"
        )
    return int(min(max(round(test_size * n_rows), 1), n_rows - 1)) if share else int(test_size)


def _codes(values: Any, n_rows: int, name: str) -> Rows:
    """Number the different values in their sorted order."""
    array = np.asarray(values)
    if array.dtype.kind == "M":
        if np.isnat(array).any():
            raise DataError(f"{name} has rows without a time", details=f"{int(np.isnat(array).sum())} rows")
    else:
        array = read_target(values, name=name)
    if array.shape != (n_rows,):
        raise DataError(f"{name} has shape {array.shape}, expected ({n_rows},)")
    codes: Rows = np.unique(array, return_inverse=True)[1].astype(np.int64)
    return codes


def _latest(times: Rows, n_test: int) -> Rows:
    order = np.argsort(times, kind="stable").astype(np.int64)
    # Rows of one time stay together: the cut moves to the nearer end of theirs.
    boundary = times[order[-n_test]]
    low = int(np.sum(times < boundary))
    high = int(np.sum(times <= boundary))
    cut = len(times) - n_test
    ends = [end for end in (low, high) if 0 < end < len(times)]
    return order[min(ends, key=lambda end: abs(end - cut)) if ends else cut :]


def _stratified(classes: Rows, n_test: int, random: np.random.RandomState) -> Rows:
    counts = np.bincount(classes)
    quota = counts * (n_test / len(classes))
    room = np.where(counts > 1, counts - 1, 0)  # every class leaves a row to learn from
    take = np.minimum(np.floor(quota).astype(np.int64), room)
    while take.sum() < n_test and np.any(take < room):
        short = np.where(take < room, quota - take, -np.inf)
        take[np.argmax(short + 1e-9 * random.random_sample(len(short)))] += 1  # ties by lot
    order = random.permutation(len(classes))
    order = order[np.argsort(classes[order], kind="stable")]
    starts = np.cumsum(counts) - counts
    place = np.arange(len(classes)) - starts[classes[order]]  # of each row in its class
    test = order[place < take[classes[order]]]
    # All classes have one row: there is nothing to balance.
    return test.astype(np.int64) if len(test) else random.permutation(len(classes))[:n_test].astype(np.int64)


def _whole_groups(groups: Rows, n_test: int, random: np.random.RandomState) -> Rows:
    sizes = np.bincount(groups)
    if len(sizes) < 2:
        raise DataError("groups has one group only; a split needs two", details=f"{len(groups)} rows")
    order = random.permutation(len(sizes))
    choose = _exact_groups if len(sizes) * len(groups) <= _MAX_BITS else _greedy_groups
    chosen = choose([int(sizes[group]) for group in order], n_test, len(groups))
    return np.flatnonzero(np.isin(groups, order[chosen])).astype(np.int64)


def _exact_groups(sizes: list[int], wanted: int, n_rows: int) -> list[int]:
    """Choose groups whose sizes add up as near to ``wanted`` as any choice can.

    Bit ``s`` of ``reachable[i]`` is set when some of the first i groups have s rows together.
    """
    reachable = [1]
    for size in sizes:
        reachable.append(reachable[-1] | reachable[-1] << size)
    total = _nearest_bit(reachable[-1], wanted, n_rows)
    chosen = []
    for i in range(len(sizes) - 1, -1, -1):
        if not reachable[i] >> total & 1:  # not without this group
            chosen.append(i)
            total -= sizes[i]
    return chosen


def _nearest_bit(bits: int, wanted: int, n_rows: int) -> int:
    for distance in range(n_rows):
        for total in (wanted - distance, wanted + distance):
            if 0 < total < n_rows and bits >> total & 1:
                return total
    raise AssertionError("one group alone is always reachable")


def _greedy_groups(sizes: list[int], wanted: int, n_rows: int) -> list[int]:
    chosen, total = [], 0
    for i, size in enumerate(sizes):
        if total + size <= wanted:
            chosen.append(i)
            total += size
    return chosen or [int(np.argmin(sizes))]


def _folds_of_groups(groups: Rows, n_folds: int, random: np.random.RandomState) -> Rows:
    sizes = np.bincount(groups)
    order = random.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    fold_of_group = np.empty(len(sizes), dtype=np.int64)
    filled = np.zeros(n_folds, dtype=np.int64)
    for group in order:
        smallest = int(np.argmin(filled))
        fold_of_group[group] = smallest
        filled[smallest] += sizes[group]
    return fold_of_group[groups]
