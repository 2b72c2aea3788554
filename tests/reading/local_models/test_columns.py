"""The space of the user's columns: what a preparation does is exactly a network of folds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.preprocessing import StandardScaler

import planefold
from planefold.core.errors import DataError, NotPiecewiseLinearError
from planefold.data import TableEncoder
from planefold.reading.models import from_model
from planefold.reading.tables.columns import columns_of, estimator_net

QUICK: dict[str, Any] = {"hidden_layer_sizes": (7,), "n_members": 1, "max_iter": 3, "random_state": 0}


@pytest.mark.parametrize("encoding", ["linear", "piecewise_linear"])
def test_the_net_of_the_columns_is_what_the_encoder_does(houses: pd.DataFrame, encoding: str) -> None:
    encoder = TableEncoder(encoding=encoding, dtype="float64").fit(houses[:200])
    columns = columns_of(encoder)
    np.testing.assert_allclose(columns.net.outputs(columns.rows(houses)), encoder.transform(houses), atol=1e-12)


def test_coordinates_say_what_they_are(houses: pd.DataFrame) -> None:
    columns = columns_of(TableEncoder().fit(houses))
    kinds = dict(zip(columns.names, columns.kinds, strict=True))
    assert kinds["area"] == "number"
    assert kinds["area is missing"] == "missing"
    assert kinds["town = Bonn"] == "category"
    assert kinds["built: month"] == "date part"
    units = dict(zip(columns.names, columns.units, strict=True))
    assert (units["area"], units["built: month"], units["town = Bonn"]) == ("", "months", "0 or 1")
    assert columns.owners[columns.place("built: month")] == "built"
    assert columns.net.input_names == columns.names


def test_rows_are_in_the_units_of_the_table(houses: pd.DataFrame) -> None:
    columns = columns_of(TableEncoder().fit(houses))
    rows = columns.rows(houses)
    known = houses["area"].notna().to_numpy()
    np.testing.assert_array_equal(rows[known, columns.place("area")], houses["area"][known])
    np.testing.assert_array_equal(rows[:, columns.place("area is missing")], ~known)
    assert set(rows[~known, columns.place("area")]) == {houses["area"].median()}


def test_rows_come_back_as_people_write_them(houses: pd.DataFrame) -> None:
    columns = columns_of(TableEncoder().fit(houses))
    values = columns.values(columns.rows(houses))
    np.testing.assert_allclose(values["area"], houses["area"])
    assert values["town"].tolist() == [town if isinstance(town, str) else None for town in houses["town"]]
    np.testing.assert_array_equal(values["garden"], houses["garden"].astype(str))
    np.testing.assert_array_equal(values["built"], houses["built"].to_numpy("datetime64[ns]"))


def test_numbers_come_back_from_where_the_network_sees_them_cut_off() -> None:
    columns = columns_of(TableEncoder().fit({"a": [1.0, 2.0, 3.0, 4.0]}))
    assert columns.values(columns.rows({"a": [1e6]}))["a"] == pytest.approx([1e6])


def test_creases_of_the_preparation_are_where_it_bends_and_bins_share_them() -> None:
    x = np.random.RandomState(0).randn(500)
    encoder = TableEncoder(encoding="piecewise_linear", n_bins=4).fit({"a": x})
    net = columns_of(encoder).net
    edges = sorted({edge for found in encoder.inputs_ for edge in (found.low, found.high)})
    assert net.n_units == len(edges) == 5 + 2
    assert [fold.depth for fold in (net.fold_of(unit)[0] for unit in range(net.n_units))] == [0] * 7
    for edge in edges:
        assert (net.sums_of_units([[edge]]) == 0).sum() == 1
    assert net.unit_name(0).startswith("preparation, a at ")


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.float64, st.integers(2, 30), elements=st.floats(-1e12, 1e12)),
    st.floats(-1e13, 1e13),
    st.sampled_from(["linear", "piecewise_linear"]),
)
def test_any_column_is_prepared_as_by_the_encoder(x: np.ndarray, other: float, encoding: str) -> None:
    if x.min() == x.max():
        return
    encoder = TableEncoder(encoding=encoding, dtype="float64", types={"a": "number"}).fit({"a": x})
    columns = columns_of(encoder)
    tried = {"a": np.append(x, other)}
    # Rounding of x alone, seen through the narrowest bin, is the best that any arithmetic can do.
    narrowest = min(found.scale for found in encoder.inputs_)
    slack = 1e-12 + 8 * np.spacing(max(np.abs(x).max(), abs(other))) / narrowest
    difference = np.abs(columns.net.outputs(columns.rows(tried)) - encoder.transform(tried))
    assert difference.max() <= slack


def test_huge_columns_do_not_overflow() -> None:
    x = np.array([-1.5e308, -1e308, 0.0, 1e308, 1.6e308])
    encoder = TableEncoder(dtype="float64", types={"a": "number"}).fit({"a": x})
    columns = columns_of(encoder)
    np.testing.assert_allclose(columns.net.outputs(columns.rows({"a": x})), encoder.transform({"a": x}), atol=1e-12)


@pytest.mark.parametrize("encoding", ["linear", "piecewise_linear"])
@pytest.mark.parametrize("n_members", [1, 3])
def test_a_regressor_as_a_net_predicts_the_same(
    regressor: Callable[..., Any], houses: pd.DataFrame, encoding: str, n_members: int
) -> None:
    model = regressor(encoding=encoding, n_members=n_members, dtype="float64", max_iter=3)
    net = estimator_net(model)
    predictions = net.outputs(columns_of(model).rows(houses))[:, 0]
    np.testing.assert_allclose(predictions, model.predict(houses), rtol=1e-12)
    assert (net.link, net.output_names) == ("identity", ("price",))
    assert net.input_names == columns_of(model).names
    assert from_model(model).output_names == net.output_names


def test_float32_preparation_differs_in_the_seventh_digit_only(
    regressor: Callable[..., Any], houses: pd.DataFrame
) -> None:
    model = regressor()
    net = estimator_net(model)
    predictions = net.outputs(columns_of(model).rows(houses))[:, 0]
    np.testing.assert_allclose(predictions, model.predict(houses), rtol=1e-5)


@pytest.mark.parametrize(
    "parameters",
    [
        {"skip": None},
        {"batch_norm": True},
        {"activation": "identity"},
        {"activation": "leaky_relu"},
        {"hidden_layer_sizes": ()},
    ],
)
def test_every_piecewise_linear_network_of_ours(
    regressor: Callable[..., Any], houses: pd.DataFrame, parameters: dict[str, Any]
) -> None:
    model = regressor(dtype="float64", max_iter=3, **parameters)
    net = estimator_net(model)
    np.testing.assert_allclose(net.outputs(columns_of(model).rows(houses))[:, 0], model.predict(houses), rtol=1e-11)


def test_two_classes_are_one_logit(houses: pd.DataFrame, table: pd.DataFrame) -> None:
    sold = np.where(table["price"] > 350, "yes", "no")
    model = planefold.MLPClassifier(**QUICK).fit(houses, sold)
    net = estimator_net(model)
    outputs = net.outputs(columns_of(model).rows(houses))
    assert (net.link, net.output_names) == ("logistic", ("yes",))
    np.testing.assert_allclose(expit(outputs[:, 0]), model.predict_proba(houses)[:, 1], atol=1e-6)


def test_more_classes_are_a_logit_each() -> None:
    random = np.random.RandomState(0)
    X = random.randn(90, 3)
    y = np.array(["a", "b", "c"])[np.arange(90) % 3]
    model = planefold.MLPClassifier(**QUICK, preprocess=None).fit(X, y)
    net = estimator_net(model)
    assert (net.link, net.output_names, net.input_names) == ("softmax", ("a", "b", "c"), ("x0", "x1", "x2"))
    np.testing.assert_allclose(softmax(net.outputs(X), axis=1), model.predict_proba(X), atol=1e-12)


def test_several_labels_are_a_logit_each() -> None:
    random = np.random.RandomState(0)
    X = random.randn(90, 3)
    y = pd.DataFrame((X[:, :2] > 0).astype(int), columns=["tall", "wide"])
    model = planefold.MLPClassifier(**QUICK).fit(X, y)
    net = estimator_net(model)
    assert (net.link, net.output_names) == ("logistic", ("tall", "wide"))
    np.testing.assert_allclose(expit(net.outputs(columns_of(model).rows(X))), model.predict_proba(X), atol=1e-6)


def test_several_targets_keep_their_units() -> None:
    random = np.random.RandomState(0)
    X = random.randn(90, 3)
    y = np.column_stack([1000 + 50 * X[:, 0], X[:, 1] / 100])
    model = planefold.MLPRegressor(**QUICK, dtype="float64").fit(X, y)
    outputs = estimator_net(model).outputs(columns_of(model).rows(X))
    np.testing.assert_allclose(outputs, model.predict(X), rtol=1e-11, atol=1e-12)


def test_counts_are_read_before_their_link() -> None:
    random = np.random.RandomState(0)
    X = random.randn(90, 3)
    model = planefold.MLPRegressor("poisson", **QUICK, dtype="float64").fit(X, random.poisson(3, 90))
    net = estimator_net(model)
    assert net.link == "exp"
    np.testing.assert_allclose(np.exp(net.outputs(columns_of(model).rows(X))[:, 0]), model.predict(X), rtol=1e-10)


def test_another_transformer_is_read_in_the_columns_that_it_makes() -> None:
    random = np.random.RandomState(0)
    X = pd.DataFrame(random.randn(90, 2) * 100, columns=["a", "b"])
    model = planefold.MLPRegressor(**QUICK, preprocess=StandardScaler(), dtype="float64", early_stopping=False)
    model.fit(X, X["a"])
    net, columns = estimator_net(model), columns_of(model)
    assert columns.names == ("a", "b")
    assert "StandardScaler" in net.description
    np.testing.assert_allclose(columns.rows(X), StandardScaler().fit_transform(X))
    np.testing.assert_allclose(net.outputs(columns.rows(X))[:, 0], model.predict(X), rtol=1e-11)


def test_sparse_rows_become_dense() -> None:
    random = np.random.RandomState(0)
    X = sparse.random_array((90, 5), density=0.3, rng=random, format="csr")
    model = planefold.MLPRegressor(**QUICK, preprocess=None).fit(X, random.randn(90))
    np.testing.assert_array_equal(columns_of(model).rows(X), X.toarray())


def test_sparse_rows_that_are_too_many_are_refused() -> None:
    X = sparse.csr_array((60_000, 1000))
    model = planefold.MLPRegressor(**QUICK, preprocess=None).fit(X[:50], np.arange(50.0))
    with pytest.raises(DataError, match="too large to be read"):
        columns_of(model).rows(X)


def test_missing_values_without_preparation_are_refused() -> None:
    random = np.random.RandomState(0)
    X = random.randn(90, 3)
    model = planefold.MLPRegressor(**QUICK, preprocess=None).fit(X, X[:, 0])
    with pytest.raises(DataError, match="NaN"):
        columns_of(model).rows(np.where(np.arange(3) == 1, np.nan, X))


def test_a_threshold_is_where_logits_are_compared(houses: pd.DataFrame, table: pd.DataFrame) -> None:
    sold = np.where(table["price"] > 350, "yes", "no")
    model = planefold.MLPClassifier(**QUICK, threshold=0.2).fit(houses, sold)
    net = estimator_net(model)
    above = net.outputs(columns_of(model).rows(houses)) > net.offsets
    np.testing.assert_array_equal(model.classes_[above[:, 0].astype(int)], model.predict(houses))


def test_what_bends_between_creases_is_refused_with_a_way_out(houses: pd.DataFrame, table: pd.DataFrame) -> None:
    model = planefold.MLPRegressor(**QUICK, activation="tanh").fit(houses, table["price"])
    with pytest.raises(NotPiecewiseLinearError, match="diagnosis and reports work"):
        estimator_net(model)


def test_a_column_of_several_coordinates_is_asked_for_by_one_of_them(houses: pd.DataFrame) -> None:
    columns = columns_of(TableEncoder().fit(houses))
    with pytest.raises(DataError, match="town = Bonn"):
        columns.place("town")
    with pytest.raises(DataError, match="is no coordinate"):
        columns.place("towns")


def test_what_is_missing_is_told_from_what_is_not_known(houses: pd.DataFrame) -> None:
    columns = columns_of(TableEncoder().fit(houses))
    rows = columns.rows(houses[:3].assign(town=["Bonn", None, "Paris"]))
    assert columns.values(rows)["town"].tolist() == ["Bonn", None, "none known"]


@pytest.mark.parametrize("value", [1e12, 1e17, -1e30, 1.7e308])
def test_numbers_far_out_are_read_as_they_are_predicted(houses: pd.DataFrame, value: float) -> None:
    model = planefold.MLPRegressor(**QUICK, dtype="float64", preprocess=TableEncoder(dtype="float64"))
    model.fit(houses, houses["rooms"] * 100)
    far = houses[:20].assign(area=value)
    reading = model.read(far)
    np.testing.assert_allclose(reading.predictions[:, 0], model.predict(far), rtol=1e-9)
    assert reading.largest_residual < 1e-6
    found = reading.explain(3)
    assert found.base + found.contributions.sum() == pytest.approx(found.value, rel=1e-9)


def test_a_misspelt_coordinate_is_recognised(houses: pd.DataFrame) -> None:
    columns = columns_of(TableEncoder().fit(houses))
    with pytest.raises(DataError, match="did you mean 'area'"):
        columns.place("aera")
    with pytest.raises(DataError, match="one coordinate for each value"):
        columns.place("town")
    with pytest.raises(DataError, match="True is no coordinate"):
        columns.place(True)
