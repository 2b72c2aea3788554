"""Tables as they come: any library, any order of columns, gaps, and what cannot be read said clearly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from planefold import PlanefoldError, TableEncoder, read_table
from planefold.core.errors import DataError, ParameterError


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_every_form_of_a_table_gives_the_same_model(quick: Any, frame: Any, tmp_path: Path, name: str) -> None:
    target = "sold" if name == "MLPClassifier" else "price"
    table = frame.drop(columns="price" if target == "sold" else "sold")
    path = tmp_path / "houses.csv"
    table.to_csv(path, index=False)
    forms = {
        "pandas": table,
        "polars": pl.from_pandas(table),
        "pyarrow": pa.Table.from_pandas(table),
        "path": path,
        "text of a path": str(path),
        "Table": read_table(table),
        "mapping": table.to_dict("list"),
        "records": table.to_dict("records"),
    }
    found = {}
    for form, X in forms.items():
        model = quick(name).fit(X, target)
        assert model.target_name_ == target
        assert model.n_features_in_ == 5
        assert list(model.feature_names_in_) == ["area", "rooms", "town", "garden", "built"]
        # The target's column may still be there: it is one more column, and those are ignored.
        found[form] = model.predict_proba(X) if name == "MLPClassifier" else model.predict(X)
        assert model.score(X, target) == model.score(table, table[target])
    for form, predictions in found.items():
        np.testing.assert_array_equal(predictions, found["pandas"], err_msg=form)


def test_a_model_of_one_library_predicts_for_another(quick: Any, frame: Any, houses: Any) -> None:
    model = quick().fit(houses, frame["sold"])
    np.testing.assert_array_equal(model.predict_proba(pl.from_pandas(houses)), model.predict_proba(houses))


@pytest.mark.parametrize("y", ["list", "array", "series", "polars", "pyarrow", "frame"])
def test_a_target_may_be_any_sequence(quick: Any, frame: Any, houses: Any, y: str) -> None:
    series = frame["sold"]
    forms = {
        "list": series.tolist(), "array": series.to_numpy(), "series": series, "polars": pl.Series(series.tolist()),
        "pyarrow": pa.array(series.tolist()), "frame": frame[["sold"]],
    }  # fmt: skip
    expected = quick().fit(houses, series).predict(houses)
    np.testing.assert_array_equal(quick().fit(houses, forms[y]).predict(houses), expected)


def test_the_order_of_columns_does_not_matter_and_others_are_ignored(quick: Any, frame: Any, houses: Any) -> None:
    model = quick().fit(houses, frame["sold"])
    expected = model.predict_proba(houses)
    np.testing.assert_array_equal(model.predict_proba(houses[houses.columns[::-1]]), expected)
    np.testing.assert_array_equal(model.predict_proba(houses.assign(colour="red")), expected)


def test_a_missing_column_is_an_error_that_names_it(quick: Any, frame: Any, houses: Any) -> None:
    model = quick().fit(houses, frame["sold"])
    with pytest.raises(DataError, match=r"lacks 2 columns.*\n.*area, town"):
        model.predict(houses.drop(columns=["area", "town"]))
    with pytest.raises(DataError, match='did you write "Area" for "area"'):
        model.predict(houses.rename(columns={"area": "Area"}))
    with pytest.raises(DataError, match=r"4 features.*expecting 5"):
        model.predict(houses.drop(columns="area").to_numpy())


def test_a_column_name_for_y_that_is_not_there_is_an_error_with_the_next_one(quick: Any, frame: Any) -> None:
    for X in (frame, pl.from_pandas(frame), frame.to_dict("list")):
        with pytest.raises(DataError, match=r"prize.*\n.*\n.*did you mean price"):
            quick("MLPRegressor").fit(X, "prize")
    with pytest.raises(DataError, match="more than once"):
        quick("MLPRegressor").fit(pd.concat([frame, frame[["price"]]], axis=1), "price")


def test_an_unknown_category_is_predicted_all_the_same(quick: Any, frame: Any, houses: Any) -> None:
    model = quick().fit(houses, frame["sold"])
    assert np.isfinite(model.predict_proba(houses.assign(town="Atlantis"))).all()
    assert np.isfinite(model.predict_proba(houses.assign(town=None, area=np.nan))).all()


def test_text_in_a_number_column_is_an_error_that_says_where(quick: Any, frame: Any, houses: Any) -> None:
    model = quick().fit(houses, frame["sold"])
    wrong = houses.assign(area=houses["area"].astype(object))
    wrong.loc[7, "area"] = "large"
    with pytest.raises(DataError, match=r"(?s)area.*8.*large"):
        model.predict(wrong)


def test_further_words_for_missing_reach_the_reader_of_files(quick: Any, frame: Any, tmp_path: Path) -> None:
    table = frame[["area", "town", "sold"]].fillna({"area": -999})
    table.loc[::7, "town"] = "unknown"
    path = tmp_path / "gaps.csv"
    table.to_csv(path, index=False)
    encoder = TableEncoder(missing_values=[-999, "unknown"])
    of_file = quick(preprocess=encoder).fit(path, "sold")
    of_frame = quick(preprocess=encoder).fit(table, "sold")
    assert of_file.encoder_.schema_["area"].minimum > 0
    assert "unknown" not in of_file.encoder_.schema_["town"].categories
    np.testing.assert_array_equal(of_file.predict_proba(path), of_frame.predict_proba(table))


def test_arrays_with_gaps_are_fine_and_numbers_without_names_are_never_ids(quick: Any) -> None:
    X = np.random.RandomState(0).randn(60, 3)
    X[:, 2] = np.arange(60)
    y = X[:, 0] + X[:, 2] > 30
    X[::5, 0] = np.nan
    model = quick(max_iter=20).fit(X, y)
    assert {found.column for found in model.encoder_.inputs_} == {"x0", "x1", "x2"}
    assert np.isfinite(model.predict_proba(X)).all()
    assert not hasattr(model, "feature_names_in_")


@pytest.mark.parametrize("form", ["list", "object array", "text array"])
def test_arrays_with_texts_are_tables_without_names(quick: Any, form: str) -> None:
    random = np.random.RandomState(0)
    towns = random.choice(["Bonn", "Ulm"], 60)
    rows = [[town, float(number)] for town, number in zip(towns, random.randn(60), strict=True)]
    X = {"list": rows, "object array": np.array(rows, dtype=object), "text array": np.array(rows)}[form]
    model = quick(max_iter=20).fit(X, towns == "Ulm")
    assert model.score(X, towns == "Ulm") > 0.9
    assert model.n_features_in_ == 2
    with pytest.raises(DataError, match="expecting 2 features"):
        model.predict([["Bonn"]])


def test_dates_in_an_array_are_dates(quick: Any) -> None:
    days = np.array(["2020-01-01"], dtype="M8[D]") + np.random.RandomState(0).permutation(300)[:, None]
    late = days[:, 0] > np.datetime64("2020-06-01")
    assert quick(max_iter=20).fit(days, late).score(days, late) > 0.9


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix])
def test_sparse_matrices_are_prepared_like_dense_ones(quick: Any, form: Any) -> None:
    X = np.maximum(np.random.RandomState(0).randn(80, 4), 0)
    y = X[:, 0] > X[:, 1]
    model = quick().fit(form(X), y)
    np.testing.assert_array_equal(model.predict_proba(form(X)), quick().fit(X, y).predict_proba(X))


def test_a_sparse_matrix_too_large_to_be_made_dense_is_an_error(quick: Any) -> None:
    X = sparse.csr_matrix((1000, 200_000))
    with pytest.raises(DataError, match="preprocess=None keeps it sparse"):
        quick().fit(X, np.arange(1000) % 2)


# ----------------------------------------------------------------------------- without, or with one's own, preparation


def test_without_preprocessing_frames_of_numbers_are_numbers(quick: Any, frame: Any) -> None:
    numbers = frame[["rooms", "garden"]]
    expected = quick(preprocess=None).fit(numbers.to_numpy(dtype=float), frame["sold"]).coefs_[0]
    for X in (numbers, pl.from_pandas(numbers), pa.Table.from_pandas(numbers), numbers.to_dict("list")):
        model = quick(preprocess=None).fit(X, frame["sold"])
        np.testing.assert_array_equal(model.coefs_[0], expected)
        assert list(model.feature_names_in_) == ["rooms", "garden"]
        np.testing.assert_array_equal(model.predict(X), model.predict(numbers))
    by_name = quick(preprocess=None).fit(frame[["rooms", "garden", "sold"]], "sold")
    np.testing.assert_array_equal(by_name.coefs_[0], expected)


@pytest.mark.parametrize(("values", "words"), [
    ([np.nan, 1.0], "NaN.*\n.*preprocess='auto'"),
    ([np.inf, 1.0], "infinity.*\n.*hint"),
    (["Bonn", "Ulm"], "could not convert string.*\n.*preprocess='auto'"),
])  # fmt: skip
def test_without_preprocessing_what_is_no_number_is_an_error_with_a_way_out(
    quick: Any, values: Any, words: str
) -> None:
    X = pd.DataFrame({"x": values * 20})
    with pytest.raises(DataError, match=words):
        quick(preprocess=None).fit(X, [0, 1] * 20)


def test_a_column_transformer_of_ones_own_gets_the_frame(quick: Any, frame: Any, houses: Any) -> None:
    preparation = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["area", "rooms"]), (OneHotEncoder(), ["town", "garden"])
    )
    for X in (houses, pl.from_pandas(houses)):
        for n_members in (1, 3):
            model = quick("MLPRegressor", preprocess=preparation, n_members=n_members, max_iter=20).fit(
                X, frame["price"]
            )
            assert model.score(X, frame["price"]) > 0.8
            assert not hasattr(preparation, "transformers_")  # the one that was passed stays as it was
    with pytest.raises(DataError, match="feature names"):
        model.predict(X.select(X.columns[::-1]))


def test_a_transformer_may_read_texts_and_make_sparse_numbers(quick: Any) -> None:
    class Words(CountVectorizer):
        def fit(self, X: Any, y: Any = None) -> Any:
            return super().fit(np.ravel(X))

        def transform(self, X: Any) -> Any:
            return super().transform(np.ravel(X)).tocsc()

    texts = np.array([["good film"], ["bad film"]] * 30)
    model = quick(preprocess=Words(), max_iter=20).fit(texts, [1, 0] * 30)
    np.testing.assert_array_equal(model.predict([["a good one"], ["bad"]]), [1, 0])


def test_a_transformer_that_lets_gaps_through_is_told_of(quick: Any, frame: Any, houses: Any) -> None:
    with pytest.raises(DataError, match=r"StandardScaler.*NaN.*\n.*imputer"):
        quick(preprocess=StandardScaler()).fit(houses[["area"]], frame["sold"])
    with pytest.raises(DataError, match="other than numbers"):
        quick(preprocess=SimpleImputer(strategy="most_frequent")).fit(houses[["town"]], frame["sold"])


def test_set_params_does_not_change_what_a_fitted_model_predicts(quick: Any, frame: Any, houses: Any) -> None:
    model = quick("MLPRegressor", loss="poisson").fit(houses, frame["price"])
    before = model.predict(houses)
    model.set_params(preprocess=None, loss="squared_error", activation="tanh", dtype="float64")
    np.testing.assert_array_equal(model.predict(houses), before)


# ---------------------------------------------------------------------------------------------------- what is no table


@pytest.mark.parametrize("X", [
    np.zeros((0, 2)), np.zeros((5, 0)), np.zeros(5), np.zeros((2, 2, 2)), [], pd.DataFrame(), np.array([[1j], [2]]),
    np.array([[np.inf], [1.0]]), pd.DataFrame({"a": [np.inf, 1.0, 2.0]}), np.full((4, 1), np.nan),
])  # fmt: skip
def test_what_is_no_table_is_an_error_of_ours(quick: Any, X: Any) -> None:
    n_rows = max(len(X), 1)
    with pytest.raises(PlanefoldError) as caught:
        quick().fit(X, np.arange(n_rows) % 2)
    assert isinstance(caught.value, ValueError)


def test_rows_and_targets_of_different_numbers_are_an_error(quick: Any) -> None:
    with pytest.raises(DataError, match=r"(?s)inconsistent.*X has 4 rows, y has 3"):
        quick().fit(np.eye(4), [0, 1, 0])


def test_there_is_nothing_to_predict_with_before_fit(quick: Any) -> None:
    for method in ("predict", "predict_proba", "decision_outputs"):
        with pytest.raises(NotFittedError):
            getattr(quick(), method)(np.eye(3))
    with pytest.raises(NotFittedError):
        quick().save("never.fold")


def test_bins_are_for_the_automatic_preparation(quick: Any) -> None:
    with pytest.raises(ParameterError, match="acts with preprocess='auto' only"):
        quick(preprocess=None, encoding="piecewise_linear").fit(np.eye(4), [0, 1, 0, 1])
    model = quick(encoding="piecewise_linear").fit(np.random.RandomState(0).randn(50, 1), [0, 1] * 25)
    assert len(model.encoder_.inputs_) > 1


@pytest.mark.parametrize(("curve", "encoding"), [
    (lambda x: np.sign(np.sin(9 * x)), "piecewise_linear"), (lambda x: x, "linear"),
])  # fmt: skip
def test_numbers_get_bins_where_these_help_on_rows_held_out(quick: Any, curve: Any, encoding: str) -> None:
    random = np.random.RandomState(0)
    x = random.uniform(-1, 1, (600, 1))
    model = quick("MLPRegressor", n_members=3).fit(x, curve(x[:, 0]) + 0.01 * random.randn(600))
    assert model.encoder_.encoding == encoding
    few = quick("MLPRegressor", n_members=3).fit(x[:100], curve(x[:100, 0]))
    assert few.encoder_.encoding == "linear"  # too few rows to tell
