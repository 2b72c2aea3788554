"""Every class becomes as frequent as the largest, and a new row lies between two neighbours of its class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from planefold.core.errors import DataError
from planefold.data.imbalance import N_NEIGHBORS, count_synthetic, repeated_rows, synthetic_rows


def random(seed: int = 0) -> np.random.RandomState:
    return np.random.RandomState(seed)


def overlapping(counts: list[int], n_features: int = 3, seed: int = 0) -> tuple[Any, Any]:
    """Classes of the given sizes, all around the same place."""
    codes = random(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    return random(seed + 1).randn(len(codes), n_features), codes


def parents(row: Any, X: Any) -> list[tuple[int, int]]:
    """All pairs of rows of X with ``row`` on the straight line between them, by trying every pair."""
    found = []
    for i in range(len(X)):
        for j in range(len(X)):
            way = X[j] - X[i]
            t = (row - X[i]) @ way / max(way @ way, 1e-300)
            if i != j and -1e-6 <= t <= 1 + 1e-6 and np.abs(X[i] + t * way - row).max() < 1e-5:
                found.append((i, j))
    return found


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(0, 1000))
def test_repeating_makes_the_classes_that_are_there_equal(codes: list[int], seed: int) -> None:
    y = np.array(codes)
    more = repeated_rows(y, random(seed))
    counts = np.bincount(y)
    after = np.bincount(np.concatenate([y, y[more]]))
    assert set(after[after > 0]) == {counts.max()}
    assert not (counts[y[more]] == counts.max()).any()  # of the largest class nothing is repeated


def test_a_repeated_row_is_drawn_from_all_of_its_class() -> None:
    y = np.repeat([0, 1], [2000, 20])
    times = np.bincount(repeated_rows(y, random()), minlength=2020)[2000:]
    assert times.sum() == 1980
    assert 60 < times.min() < times.max() < 140  # 99 each, with a deviation of 10


@pytest.mark.parametrize("method", ["smote", "adasyn"])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csr_array])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_new_row_lies_between_a_row_and_one_of_its_nearest_neighbours(method: str, kind: Any, dtype: Any) -> None:
    X, codes = overlapping([30, 12, 8])
    rows, new = synthetic_rows(kind(X.astype(dtype)), codes, method, random(), labels="abc")
    assert rows.dtype == dtype
    assert sparse.issparse(rows) == (kind is not np.asarray)
    assert set(new.tolist()) == {1, 2}
    for row, code in zip(rows.toarray() if sparse.issparse(rows) else rows, new, strict=True):
        own = X[codes == code]
        distances = np.linalg.norm(own[:, None] - own, axis=2)
        nearest = distances.argsort(axis=1)[:, 1 : 1 + N_NEIGHBORS]
        assert any(j in nearest[i] for i, j in parents(row, own)), "between no row and its neighbour"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(2, 12), min_size=2, max_size=4), st.integers(0, 1000))
def test_smote_makes_classes_of_any_size_equal(counts: list[int], seed: int) -> None:
    X, codes = overlapping(counts, seed=seed)
    rows, new = synthetic_rows(X, codes, "smote", random(seed), labels="abcd")
    assert set(np.bincount(np.concatenate([codes, new]))) == {max(counts)}
    assert len(rows) == len(new) == count_synthetic(codes)


def test_of_two_rows_the_new_ones_lie_on_the_line_between_them() -> None:
    X, codes = overlapping([20, 2])
    rows, _ = synthetic_rows(X, codes, "smote", random(), labels="ab")
    assert len(rows) == 18
    own = X[codes == 1]
    assert all(parents(row, own) for row in rows)


def test_a_small_class_does_not_take_neighbours_from_the_others() -> None:
    # Class 2 has one neighbour a row to offer; class 1 still draws on five.
    X, codes = overlapping([60, 20, 2], n_features=2, seed=3)
    rows, new = synthetic_rows(X, codes, "smote", random(), labels="abc")
    own = X[codes == 1]
    order = np.linalg.norm(own[:, None] - own, axis=2).argsort(axis=1)
    ranks = {min(int(np.flatnonzero(order[i] == j)[0]) for i, j in parents(row, own)) for row in rows[new == 1]}
    assert ranks == {1, 2, 3, 4, 5}


def test_adasyn_builds_upon_rows_among_other_classes_alone() -> None:
    # Ten rare rows in the crowd, and ten by themselves far away, whose neighbours are their own kind.
    crowd, far = random(0).randn(200, 2), 100 + random(1).randn(10, 2)
    X = np.concatenate([crowd, random(2).randn(10, 2), far])
    codes = np.repeat([0, 1], [200, 20])
    rows, new = synthetic_rows(X, codes, "adasyn", random(), labels="ab")
    own = X[codes == 1]
    assert abs(len(new) - 180) <= 10  # half a row of rounding at each row that is built upon
    for row in rows:
        assert any(i < 10 for i, _ in parents(row, own))
    rows, _ = synthetic_rows(X, codes, "smote", random(), labels="ab")
    assert (rows[:, 0] > 90).sum() > 50  # where smote builds on all alike


def test_adasyn_leaves_classes_that_are_nearly_even() -> None:
    X, codes = overlapping([50, 45])
    rows, new = synthetic_rows(X, codes, "adasyn", random(), labels="ab")
    assert (rows.shape, new.shape) == ((0, 3), (0,))


def test_adasyn_says_that_it_has_no_place_where_classes_mix() -> None:
    X, codes = overlapping([40, 10])
    with pytest.raises(DataError, match="none of the 10 rows of class 'rare' has another class among its 5") as caught:
        synthetic_rows(X + 100 * codes[:, None], codes, "adasyn", random(), labels=["common", "rare"])
    assert "resample='smote'" in str(caught.value)


@pytest.mark.parametrize("method", ["smote", "adasyn"])
def test_a_single_row_has_no_neighbour_and_the_message_names_its_class(method: str) -> None:
    X, codes = overlapping([20, 6, 1])
    with pytest.raises(DataError, match="there is a single row of class 'c' to learn from") as caught:
        synthetic_rows(X, codes, method, random(), labels="abc")
    assert "bootstrap" in str(caught.value)


@pytest.mark.parametrize("method", ["smote", "adasyn"])
def test_even_classes_get_nothing_new(method: str) -> None:
    X, codes = overlapping([10, 10])
    assert len(synthetic_rows(X, codes, method, random(), labels="ab")[1]) == 0
    assert len(repeated_rows(codes, random())) == 0


@pytest.mark.parametrize("method", ["smote", "adasyn"])
def test_the_same_stream_makes_the_same_rows(method: str) -> None:
    X, codes = overlapping([30, 9])
    first, again, other = (synthetic_rows(X, codes, method, random(seed), labels="ab")[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
