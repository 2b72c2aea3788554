from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedShuffleSplit

from planefold.core.errors import DataError, ParameterError
from planefold.data import folds, split_rows


@given(st.integers(2, 60), st.floats(0.01, 0.99), st.integers(0, 5))
def test_a_split_has_every_row_once(n_rows, test_size, seed):
    train, test = split_rows(n_rows, test_size=test_size, random_state=seed)
    assert sorted([*train, *test]) == list(range(n_rows))
    assert len(test) == min(max(round(test_size * n_rows), 1), n_rows - 1)


@given(st.lists(st.sampled_from("aaaabbc"), min_size=2, max_size=60), st.integers(0, 5))
def test_classes_keep_their_share_and_none_is_lost_to_the_test(y, seed):
    train, test = split_rows(len(y), test_size=0.3, y=y, random_state=seed)
    labels = np.array(y)
    assert sorted([*train, *test]) == list(range(len(y)))
    assert len(test) > 0
    if any(y.count(label) > 1 for label in set(y)):
        assert set(labels[train]) == set(y)
        for label in set(y):
            assert abs(np.sum(labels[test] == label) - len(test) * y.count(label) / len(y)) <= len(set(y))


def test_class_counts_are_those_of_sklearn_where_that_does_not_fail():
    y = np.repeat([0, 1, 2], [60, 30, 10])
    _, test = split_rows(100, test_size=0.2, y=y, random_state=0)
    _, theirs = next(StratifiedShuffleSplit(1, test_size=0.2, random_state=0).split(y, y))
    np.testing.assert_array_equal(np.bincount(y[test]), np.bincount(y[theirs]))


@given(st.lists(st.integers(0, 6), min_size=2, max_size=30), st.integers(0, 3))
def test_groups_stay_whole_and_no_choice_of_groups_is_nearer(groups, seed):
    array = np.array(groups)
    names, sizes = np.unique(array, return_counts=True)
    if len(names) < 2:
        with pytest.raises(DataError):
            split_rows(len(groups), groups=groups, random_state=seed)
        return
    train, test = split_rows(len(groups), test_size=0.4, groups=groups, random_state=seed)
    assert not set(array[train]) & set(array[test])
    wanted = min(max(round(0.4 * len(groups)), 1), len(groups) - 1)
    sums = [sum(chosen) for r in range(1, len(sizes)) for chosen in itertools.combinations(sizes.tolist(), r)]
    assert abs(len(test) - wanted) == min(abs(total - wanted) for total in sums)


def test_the_latest_rows_are_the_test():
    times = np.array(["2020-01-03", "2020-01-01", "2020-01-02", "2020-01-05", "2020-01-04"], "datetime64[D]")
    train, test = split_rows(5, test_size=2, times=times)
    assert times[train].max() < times[test].min()
    assert len(test) == 2


def test_rows_of_one_time_stay_together():
    _, test = split_rows(6, test_size=2, times=[1, 1, 2, 2, 2, 3])
    assert test.tolist() == [5]
    assert len(split_rows(4, test_size=1, times=[1, 1, 1, 1])[1]) == 1


@given(st.lists(st.integers(0, 3), min_size=5, max_size=60), st.integers(2, 5))
def test_folds_are_even_in_size_and_in_every_class(y, n_folds):
    fold = folds(len(y), n_folds, y=y, random_state=np.random.RandomState(0))
    sizes = np.bincount(fold, minlength=n_folds)
    assert np.ptp(sizes) <= 1
    for label in set(y):
        assert np.ptp(np.bincount(fold[np.array(y) == label], minlength=n_folds)) <= 1


@given(st.lists(st.integers(0, 9), min_size=10, max_size=60))
def test_folds_keep_groups_whole(groups):
    n_groups = len(set(groups))
    if n_groups < 3:
        with pytest.raises(ParameterError):
            folds(len(groups), 3, groups=groups)
        return
    fold = folds(len(groups), 3, groups=groups, random_state=0)
    assert len({(group, one) for group, one in zip(groups, fold, strict=True)}) == n_groups
    assert set(fold) == {0, 1, 2}


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    first, again, other = (split_rows(100, random_state=seed)[1] for seed in (0, 0, 1))
    assert first.tolist() == again.tolist() != other.tolist()


@pytest.mark.parametrize("options", [{"test_size": 0}, {"test_size": 1.0}, {"test_size": 10}, {"random_state": -1}])
def test_impossible_splits_are_refused(options):
    with pytest.raises(ParameterError):
        split_rows(10, **options)


def test_impossible_data_are_refused():
    with pytest.raises(DataError):
        split_rows(1)
    with pytest.raises(DataError, match="shape"):
        split_rows(10, y=[1, 2])
    with pytest.raises(ParameterError):
        split_rows(2, groups=[1, 2], times=[1, 2])
