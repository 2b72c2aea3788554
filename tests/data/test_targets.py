from __future__ import annotations

import json

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from planefold.core.errors import DataError, ModelFileError
from planefold.data import ClassTarget, NumberTarget, class_target, find_task, number_target, read_target


@pytest.mark.parametrize(
    "y",
    [
        ["b", "a", "b"],
        pd.Series(["b", "a", "b"]),
        pd.Series(["b", "a", "b"], dtype="category"),
        pl.Series(["b", "a", "b"]),
        pa.array(["b", "a", "b"]),
        np.array(["b", "a", "b"], dtype=object),
        np.array([["b"], ["a"], ["b"]]),
        pd.DataFrame({"y": ["b", "a", "b"]}),
    ],
    ids=range(8),
)
def test_a_target_is_read_from_anything(y):
    target = read_target(y)
    assert target.dtype.kind == "U"
    assert target.tolist() == ["b", "a", "b"]


def test_objects_that_are_numbers_are_numbers():
    assert read_target(np.array([1, 2], dtype=object)).dtype == np.int64
    assert read_target(np.array([1.5, 2], dtype=object)).dtype == np.float64
    assert read_target([True, False]).dtype == bool


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([1.0, np.nan, np.nan], ["NaN", "row 2", "2 of 3"]),
        (["a", None], ["NaN", "row 2"]),
        (pd.Series([1, None], dtype="Int64"), ["NaN", "row 2"]),
        ([1.0, np.inf], ["infinity", "row 2"]),
        ([1, "a"], ["mixes"]),
        ([], ["empty"]),
        (None, ["no target"]),
        ([1j], ["Complex"]),
        ([[1], [2, 3]], ["one value"]),
        (np.array(["2020-01-01"], "datetime64[D]"), ["dates"]),
    ],
)
def test_a_target_that_cannot_be_learned_is_refused(y, words):
    with pytest.raises(DataError) as caught:
        read_target(y)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("y", "task"),
    [
        (["yes", "no"], "binary"),
        (["a", "b", "c"], "multiclass"),
        ([True, False], "binary"),
        ([0, 1, 1], "binary"),
        ([0.0, 1.0, 1.0], "binary"),
        ([0, 1, 2] * 10, "multiclass"),
        ([0, 1, 2] * 3, "regression"),
        (list(range(100)), "regression"),
        ([1.5, 2.0], "regression"),
        (["1,200", "980", "7"], "regression"),
        (np.zeros((3, 2)), "regression"),
    ],
)
def test_the_task_follows_from_the_target(y, task):
    found, why = find_task(y)
    assert found == task
    assert why.startswith("the target")


@pytest.mark.parametrize(
    ("name", "target", "task"),
    [
        ("titanic/train.csv", "Survived", "binary"),
        ("ames_house_prices/train.csv", "SalePrice", "regression"),
        ("insurance/insurance.csv", "charges", "regression"),
        ("iris/iris.csv", "species", "multiclass"),
    ],
)
def test_the_tasks_of_real_data_are_found(shared, name, target, task):
    assert find_task(pd.read_csv(shared(name))[target])[0] == task


labels = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1),
    st.lists(st.booleans(), min_size=1),
    st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=1),
    st.lists(st.integers(-1000, 1000).map(float), min_size=1),
)


@given(labels)
def test_classes_survive_encoding_and_json(y):
    target = class_target(y)
    again = ClassTarget.from_json(json.loads(json.dumps(target.to_json(), allow_nan=False)))
    assert again.classes.dtype == target.classes.dtype
    codes = again.encode(y)
    assert codes.dtype == np.int64
    np.testing.assert_array_equal(target.decode(codes), read_target(y))
    np.testing.assert_array_equal(codes, np.unique(read_target(y), return_inverse=True)[1])


def test_several_labels_for_each_row():
    y = pd.DataFrame({"rain": [1, 0], "wind": [1, 1]})
    target = class_target(y)
    assert target.multilabel
    assert target.classes.tolist() == ["rain", "wind"]
    np.testing.assert_array_equal(target.encode(y), y.to_numpy(float))
    np.testing.assert_array_equal(target.decode([[0.2, 0.9]]), [[0, 1]])


def test_labels_that_are_not_classes_are_refused():
    with pytest.raises(DataError, match="Unknown label type"):
        class_target([0.5, 1.5])
    with pytest.raises(DataError, match="row 2 has the class 'c'"):
        class_target(["a", "b"]).encode(["a", "c"])
    with pytest.raises(DataError, match="texts"):
        class_target(["1", "2"]).encode([1, 2])


@given(npst.arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(1, 3)), elements=st.floats(-1e9, 1e9)))
def test_numbers_survive_scaling_and_json(y):
    target = number_target(y)
    again = NumberTarget.from_json(json.loads(json.dumps(target.to_json(), allow_nan=False)))
    np.testing.assert_array_equal(again.encode(y), target.encode(y))
    expected = y.ravel() if y.shape[1] == 1 else y
    np.testing.assert_allclose(target.decode(target.encode(y)), expected, atol=1e-6)


def test_scaled_numbers_have_mean_zero_and_deviation_one():
    y = np.random.RandomState(0).lognormal(10, 2, size=500)
    z = number_target(y).encode(y)
    assert z.shape == (500, 1)
    assert abs(z.mean()) < 1e-12
    assert abs(z.std() - 1) < 1e-12


def test_huge_targets_do_not_overflow():
    y = np.array([1.7e308, -1.7e308, 1e308])
    target = number_target(y)
    assert np.isfinite(target.encode(y)).all()
    np.testing.assert_allclose(target.decode(target.encode(y)), y)


def test_texts_are_read_as_numbers_in_one_style():
    assert number_target(["1.200,5", "799,5"]).mean[0] == 1000
    with pytest.raises(DataError, match="row 2: 'x' is not a number"):
        number_target(["1", "x"])


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "x"}, {"dtype": "object"}, {"classes": []}, {"classes": ["b", "a"]}, {"classes": ["a", "a"]},
        {"classes": [1, 2]}, {"classes": "ab"}, {"multilabel": 1}, {"dtype": "int", "classes": [2**70]},
    ],
)  # fmt: skip
def test_nonsense_is_no_class_target(change):
    with pytest.raises(ModelFileError):
        ClassTarget.from_json(class_target(["a", "b"]).to_json() | change)


@pytest.mark.parametrize(
    "change",
    [{"kind": "x"}, {"mean": []}, {"scale": [0.0]}, {"mean": ["1"]}, {"mean": [1.0, 2.0]}, {"one_dimensional": None}],
)
def test_nonsense_is_no_number_target(change):
    with pytest.raises(ModelFileError):
        NumberTarget.from_json(number_target([1.0, 2.0]).to_json() | change)
