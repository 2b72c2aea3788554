"""``model.read``: any fitted estimator in planes, from the frame that it was fitted on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import StandardScaler

import planefold
from planefold.core.errors import DataError, NotPiecewiseLinearError


@pytest.mark.parametrize("options", [{}, {"n_members": 1}, {"skip": None}, {"batch_norm": True}])
def test_a_frame_is_read_as_it_is_fitted(frame: pd.DataFrame, quick: Any, options: dict[str, Any]) -> None:
    model = quick("MLPRegressor", **options).fit(frame.drop(columns="sold"), "price")
    reading = model.read(frame.drop(columns="sold"), "price")
    predictions = model.predict(frame.drop(columns=["sold", "price"]))
    np.testing.assert_allclose(reading.outputs[:, 0], predictions, rtol=1e-5)
    assert reading.columns.names[0] == "area"
    assert reading[0].target is not None
    explained = reading.explain(2)
    assert explained.base + explained.contributions.sum() == pytest.approx(predictions[2], rel=1e-5)


def test_labels_are_the_models_own(frame: pd.DataFrame, quick: Any) -> None:
    houses = frame.drop(columns=["price", "sold"])
    model = quick(threshold=0.3).fit(houses, frame["sold"])
    reading = model.read(houses, frame["sold"])
    assert reading.output_names == ("logit of yes",)
    np.testing.assert_array_equal(model.classes_[reading.labels()], model.predict(houses))


def test_any_kind_of_table_gives_the_same_reading(frame: pd.DataFrame, quick: Any, tmp_path: Path) -> None:
    houses = frame.drop(columns=["price", "sold"])
    model = quick("MLPRegressor").fit(houses, frame["price"])
    path = tmp_path / "houses.csv"
    houses.to_csv(path, index=False)
    rows = model.read(houses).rows
    for table in (path, pl.from_pandas(houses), houses[houses.columns[::-1]], planefold.data.read_table(path)):
        np.testing.assert_allclose(model.read(table).rows, rows)


def test_plain_arrays_have_numbered_columns(quick: Any) -> None:
    X = np.random.RandomState(0).randn(60, 3)
    model = quick("MLPRegressor", preprocess=None).fit(X, X @ [1.0, 2.0, 3.0])
    reading = model.read(X)
    assert reading.columns.names == ("x0", "x1", "x2")
    np.testing.assert_allclose(reading.outputs[:, 0], model.predict(X), rtol=1e-9)
    with pytest.raises(DataError, match="NaN"):
        model.read(np.full((2, 3), np.nan))


def test_a_transformers_columns_have_its_names(quick: Any) -> None:
    X = pd.DataFrame(np.random.RandomState(0).randn(60, 2), columns=["a", "b"])
    reading = quick("MLPRegressor", preprocess=StandardScaler()).fit(X, X["a"]).read(X)
    assert reading.columns.names == ("a", "b")
    assert "StandardScaler" in str(reading)


def test_several_targets_are_read_together_or_one_by_one(quick: Any) -> None:
    X = np.random.RandomState(0).randn(80, 3)
    Y = np.column_stack([X[:, 0] * 100, X[:, 1] + 5])
    model = quick("MLPRegressor", n_members=2).fit(X, Y)
    every = model.read(X, Y)
    np.testing.assert_allclose(every.outputs, model.predict(X), rtol=1e-4, atol=1e-4)
    assert every[0].coef_.shape == (2, 3)
    one = model.read(X, Y, output=1)
    np.testing.assert_allclose(one.outputs[:, 0], every.outputs[:, 1])
    assert one[0].coef_.shape == (3,)


def test_a_saved_model_reads_the_same(frame: pd.DataFrame, quick: Any, tmp_path: Path) -> None:
    houses = frame.drop(columns=["price", "sold"])
    model = quick("MLPRegressor").fit(houses, frame["price"])
    again = planefold.load(model.save(tmp_path / "model.fold"))
    np.testing.assert_array_equal(again.read(houses).coefs, model.read(houses).coefs)


def test_what_cannot_be_read_says_what_still_can_be_done(frame: pd.DataFrame, quick: Any) -> None:
    houses = frame.drop(columns=["price", "sold"])
    model = quick("MLPRegressor", activation="tanh").fit(houses, frame["price"])
    with pytest.raises(NotPiecewiseLinearError, match="diagnosis and reports work with any activation"):
        model.read(houses)
    with pytest.raises(NotFittedError):
        planefold.MLPRegressor().read(houses)


def test_reading_does_not_touch_the_model(frame: pd.DataFrame, quick: Any) -> None:
    houses = frame.drop(columns=["price", "sold"])
    model = quick("MLPRegressor").fit(houses, frame["price"])
    before = model.predict(houses)
    str(model.read(houses, frame["price"]))
    np.testing.assert_array_equal(model.predict(houses), before)
