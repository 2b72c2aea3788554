"""The planes that rows live in: the right rows, the right linear models, in the units of the table."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import planefold
from planefold.core.errors import DataError, ParameterError
from planefold.data import load_example
from planefold.networks.affine_builder import Builder
from planefold.networks.affine_mlp import affine_form
from planefold.networks.mlp import MLPSpec
from planefold.reading.tables.columns import columns_of
from planefold.reading.tables.local_models import local_models

PLAIN: dict[str, Any] = {"n_members": 1, "skip": None, "dropout": 0.0, "early_stopping": False, "random_state": 0}


def small_net(seed: int = 0, sizes: tuple[int, ...] = (6, 5), n_outputs: int = 1, n_features: int = 3) -> Any:
    spec = MLPSpec(n_features=n_features, n_outputs=n_outputs, hidden_layer_sizes=sizes)
    return affine_form(spec.build(np.random.RandomState(seed), dtype=torch.float64))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 9), max_size=3), st.integers(1, 3))
def test_regions_are_the_distinct_patterns_and_planes_give_the_outputs(
    seed: int, sizes: list[int], n_outputs: int
) -> None:
    net = small_net(seed, tuple(sizes), n_outputs)
    X = np.random.RandomState(seed).randn(40, 3)
    reading = local_models(net, X)
    patterns = [tuple(row) for row in (net.patterns(X) > 0).tolist()]
    assert reading.n_regions == len(set(patterns)) == len(reading)
    for model in reading:
        assert len({patterns[row] for row in model.rows}) == 1
        assert model.n_rows == len(model.rows) == patterns.count(patterns[model.rows[0]])
        assert patterns[model.rows[0]] == tuple((model.pattern > 0).tolist())
        values = X[model.rows] @ np.atleast_2d(model.coef_).T + np.atleast_1d(model.intercept_)
        np.testing.assert_allclose(values, net.outputs(X[model.rows]), atol=1e-12)
    assert (np.diff(reading.counts) <= 0).all()
    assert reading.counts.sum() == 40
    assert reading.largest_residual < 1e-12


def test_coefficients_are_those_of_autograd() -> None:
    spec = MLPSpec(n_features=4, n_outputs=1, hidden_layer_sizes=(9, 7))
    module = spec.build(np.random.RandomState(3), dtype=torch.float64).eval()
    X = np.random.RandomState(4).randn(30, 4)
    points = torch.tensor(X, requires_grad=True)
    module(points).sum().backward()
    assert points.grad is not None
    reading = local_models(module, X)
    np.testing.assert_allclose(reading.coefs[reading.regions, 0], points.grad.numpy(), atol=1e-12)


def test_coefficients_are_differences_of_the_models_own_predictions(
    regressor: Callable[..., Any], houses: pd.DataFrame
) -> None:
    model = regressor(dtype="float64", encoding="piecewise_linear")
    reading = model.read(houses)
    for row in (3, 77, 150):
        explained = reading.explain(row)
        coef = reading[reading.regions[row]].coef_
        for span in explained.ranges:
            if span.name not in ("area", "rooms") or np.isnan(houses[span.name].iloc[row]):
                continue
            low, high = (max(span.low, span.value - 1), min(span.high, span.value + 1))
            moved = pd.concat([houses.iloc[[row]]] * 2)
            moved[span.name] = [low, high]
            below, above = model.predict(moved)
            place = reading.columns.place(span.name)
            assert (above - below) / (high - low) == pytest.approx(coef[place], rel=1e-7)


def test_one_plane_where_nothing_bends(regressor: Callable[..., Any], houses: pd.DataFrame) -> None:
    X = houses[["rooms"]].assign(other=np.arange(len(houses)) % 7.0)
    model = planefold.MLPRegressor(**{**PLAIN, "activation": "identity", "max_iter": 3}).fit(X, X["rooms"])
    reading = model.read(X)
    assert (len(reading), reading[0].n_rows) == (1, len(X))
    assert reading[0].agreement is None
    assert "the model is linear for all of them" in str(reading)


def test_a_net_without_folds_has_one_plane() -> None:
    builder = Builder((2,))
    net = builder.finish(builder.affine(builder.input, np.array([[2.0], [3.0]]), [1.0]))
    reading = local_models(net, np.eye(2))
    assert reading[0].coef_.tolist() == [2.0, 3.0]
    assert reading.explain(0).distance == np.inf
    assert "holds however the numbers move" in str(reading.explain(0))
    assert reading.explain(0).ranges[0].low == -np.inf


def test_most_rows_come_first_and_ties_keep_the_order_of_the_rows() -> None:
    builder = Builder((1,))
    net = builder.finish(
        builder.affine(builder.fold(builder.affine(builder.input, np.ones((1, 1))), layer="h"), np.ones((1, 1)))
    )
    assert local_models(net, [[-1.0], [1.0], [2.0]])[0].coef_.tolist() == [1.0]
    assert local_models(net, [[-1.0], [1.0]])[0].coef_.tolist() == [0.0]


def test_targets_say_what_lives_on_a_plane(regressor: Callable[..., Any], houses: pd.DataFrame, table: Any) -> None:
    reading = regressor().read(table, "price")
    model = reading[0]
    prices = table["price"].to_numpy()[model.rows]
    predictions = regressor().predict(houses)[model.rows]
    assert model.target is not None
    assert model.error is not None
    assert model.target[0] == pytest.approx(prices.mean())
    assert model.prediction[0] == pytest.approx(predictions.mean(), rel=1e-6)
    assert model.error[0] == pytest.approx(np.abs(prices - predictions).mean(), rel=1e-4)


def test_classes_of_a_plane_are_shares_and_errors_are_wrong_labels() -> None:
    table, target = load_example("iris")
    X, y = table.drop([target]), table[target]
    model = planefold.MLPClassifier((6,), n_members=1, max_iter=20, random_state=0).fit(X, y)
    reading = model.read(table, target)
    wrong = model.predict(X) != y
    for found in reading:
        labels = y[found.rows]
        shares = [np.mean(labels == label) for label in model.classes_]
        np.testing.assert_allclose(found.target, shares)
        assert found.error is not None
        assert found.error[0] == pytest.approx(wrong[found.rows].mean())
    np.testing.assert_array_equal(reading.labels(), reading.predicted)


def test_logits_of_classes_are_read_about_their_mean_or_against_each_other() -> None:
    table, target = load_example("iris")
    model = planefold.MLPClassifier((6,), n_members=1, max_iter=5, random_state=0).fit(table, target)
    X = table.drop([target])
    logits = model.decision_outputs(X)
    every = model.read(X)
    np.testing.assert_allclose(every.outputs, logits - logits.mean(axis=1, keepdims=True), atol=1e-5)
    one = model.read(X, output="virginica")
    np.testing.assert_allclose(one.outputs, every.outputs[:, [2]], atol=1e-12)
    pair = model.read(X, output=("setosa", "virginica"))
    np.testing.assert_allclose(pair.outputs[:, 0], logits[:, 0] - logits[:, 2], atol=1e-5)
    assert pair.output_names == ("logit of setosa against virginica",)
    with pytest.raises(ParameterError, match="did you mean 'setosa'"):
        model.read(X, output="setossa")
    with pytest.raises(ParameterError, match="a pair of two"):
        model.read(X, output=("setosa", "virginica", "versicolor"))


def test_neighbours_are_the_patterns_that_differ_least() -> None:
    reading = local_models(small_net(1), np.random.RandomState(0).randn(200, 3))
    patterns = np.array([model.pattern for model in reading])
    for i in (0, 3, len(reading) - 1):
        agreement = reading.agreement(i)
        assert agreement is not None
        apart = (patterns != patterns[i]).sum(axis=1)
        apart[i] = 99
        assert agreement.n_units == apart.min()
        assert list(agreement.planes) == np.flatnonzero(apart == apart.min()).tolist()
        own = reading[i].coef_ * reading.scales
        others = [reading[k].coef_ * reading.scales for k in agreement.planes]
        cosines = [own @ other / (np.linalg.norm(own) * np.linalg.norm(other)) for other in others]
        assert agreement.cosine == pytest.approx(min(cosines))
        differences = [np.linalg.norm(other - own) / np.linalg.norm(own) for other in others]
        assert agreement.difference == pytest.approx(max(differences))


def test_level_planes_agree_with_each_other_and_not_with_steep_ones() -> None:
    builder = Builder((1,))
    hidden = builder.affine(builder.input, np.array([[1.0, 1.0]]), [0.0, -1.0])
    net = builder.finish(builder.affine(builder.fold(hidden, layer="h"), np.array([[0.0], [1.0]])))
    reading = local_models(net, [[-1.0], [-2.0], [-3.0], [0.5], [0.6], [2.0]])  # level, level, steep
    first, second = reading.agreement(0), reading.agreement(1)
    assert first is not None
    assert second is not None
    assert (first.cosine, first.difference) == (1.0, 0.0)
    assert (second.cosine, second.difference) == (0.0, np.inf)


def test_formulas_are_in_the_users_columns(regressor: Callable[..., Any], houses: pd.DataFrame) -> None:
    reading = regressor().read(houses)
    text = reading.formula(0)
    assert text.startswith("price = ")
    assert "* area" in text
    assert "* [town = Bonn]" in text
    assert "smaller terms more" in reading.formula(0, max_terms=2)
    assert reading[0].formula(0) == text


def test_only_the_planes_asked_for_are_kept(regressor: Callable[..., Any], houses: pd.DataFrame) -> None:
    reading = regressor().read(houses, max_models=4)
    assert (len(reading), reading.n_regions > 4) == (4, True)
    with pytest.raises(IndexError, match="only the 4 with most rows are kept"):
        reading[4]
    explained = [reading.explain(row) for row in range(20)]
    assert all(abs(e.base + e.contributions.sum() - e.value) < 1e-9 for e in explained)
    assert len(reading.merged(3)) == 3


def test_bad_requests_are_refused(regressor: Callable[..., Any], houses: pd.DataFrame) -> None:
    with pytest.raises(ParameterError, match="max_models=0"):
        regressor().read(houses, max_models=0)
    with pytest.raises(DataError, match="no rows"):
        regressor().read(houses[:0])
    with pytest.raises(DataError, match="y has 3 values"):
        regressor().read(houses, [1.0, 2.0, 3.0])


def test_an_ensemble_leads_with_merged_planes(regressor: Callable[..., Any], houses: pd.DataFrame) -> None:
    reading = regressor(n_members=4, max_iter=5).read(houses)
    text = str(reading)
    assert "Hardly two rows share a plane" in text
    assert text.index(f"for {reading.n_regions} regions: R2") < text.index("The largest planes themselves")
    assert f"{len(houses)} rows lie on {reading.n_regions} planes" in text
    assert str(reading.certificate) in text


def test_plain_data_of_a_reading_are_json(regressor: Callable[..., Any], table: pd.DataFrame) -> None:
    data = regressor().read(table, "price").to_json(max_models=3)
    again = json.loads(json.dumps(data, allow_nan=False))
    assert len(again["planes"]) == 3
    assert again["planes"][0]["formulas"][0].startswith("price = ")
    assert again["exact"] is True


def test_the_titanic_in_planes(data_dir: Path) -> None:
    table = pd.read_csv(data_dir / "titanic" / "train.csv")
    target = next(name for name in table.columns if name.lower() == "survived")
    model = planefold.MLPClassifier((8,), n_members=1, max_iter=15, dtype="float64", random_state=0)
    model.fit(table, target)
    reading = model.read(table, target)
    np.testing.assert_allclose(reading.outputs, model.decision_outputs(table.drop(columns=target)), atol=1e-9)
    assert reading.largest_residual < 1e-9
    assert "% wrong" in str(reading)
    columns = columns_of(model)
    assert {"category", "missing", "number"} <= set(columns.kinds)


def test_a_plain_net_with_targets_of_classes() -> None:
    from dataclasses import replace

    net = replace(small_net(n_outputs=3), link="softmax")
    X = np.random.RandomState(0).randn(60, 3)
    y = np.array(["p", "q", "r"])[net.outputs(X).argmax(axis=1)]
    reading = local_models(net, X, y if len(set(y)) == 3 else None)
    assert all(model.error is None or model.error[0] == 0 for model in reading)


def test_what_does_not_exist_is_refused(regressor: Callable[..., Any], houses: pd.DataFrame) -> None:
    reading = regressor().read(houses)
    with pytest.raises(ParameterError, match="no number of planes"):
        reading.coverage(-1)
    with pytest.raises(ParameterError, match="output=7 is not known"):
        reading.formula(0, output=7)
    assert regressor().read(houses[:1]).where() == "1 row lies on one plane"
