"""An explanation adds up, holds as far as it says, and breaks beyond."""

from __future__ import annotations

import json
from collections.abc import Callable
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
from planefold.reading.models import from_model
from planefold.reading.tables.explain import explain
from planefold.reading.tables.local_models import local_models
from planefold.reading.tables.reach import reach
from planefold.reading.tables.records import Reading


def net_of(seed: int, sizes: tuple[int, ...] = (5, 4), n_outputs: int = 1, n_features: int = 3) -> Any:
    spec = MLPSpec(n_features=n_features, n_outputs=n_outputs, hidden_layer_sizes=sizes)
    return affine_form(spec.build(np.random.RandomState(seed), dtype=torch.float64))


@pytest.fixture(scope="module")
def reading(regressor: Callable[..., Any], houses: pd.DataFrame) -> Reading:
    found: Reading = regressor(encoding="piecewise_linear").read(houses)
    return found


def test_contributions_add_up_to_the_output(
    reading: Reading, regressor: Callable[..., Any], houses: pd.DataFrame
) -> None:
    model = regressor(encoding="piecewise_linear")
    net, predictions = from_model(model), model.predict(houses)
    for row in range(0, 300, 13):
        explained = reading.explain(row)
        total = explained.base + explained.contributions.sum()
        assert abs(total - net.outputs(reading.rows[[row]])[0, 0]) < 1e-9
        assert total == pytest.approx(predictions[row], rel=1e-5)
        assert abs(sum(explained.details.values()) - explained.contributions.sum()) < 1e-9


def test_inputs_of_one_column_are_one_contribution(reading: Reading) -> None:
    explained = reading.explain(5)
    assert explained.columns == ("area", "rooms", "town", "garden", "built")
    towns = sum(part for name, part in explained.details.items() if name.startswith("town"))
    assert explained.contributions[explained.columns.index("town")] == pytest.approx(towns)


def test_many_rows_at_once_are_the_same_explanations(reading: Reading, houses: pd.DataFrame) -> None:
    every = reading.contributions()
    np.testing.assert_allclose(every.base + every.values.sum(axis=1), every.outputs, atol=1e-9)
    for row in (0, 10, 44):
        np.testing.assert_allclose(every.values[row], reading.explain(row).contributions, atol=1e-9)
    others = houses[:40].assign(area=500.0, town="Paris")  # regions that no row was in
    new = reading.contributions(others)
    np.testing.assert_allclose(new.base + new.values.sum(axis=1), new.outputs, atol=1e-9)
    assert reading.contributions(others, baseline=others[:1]).values[0] == pytest.approx(0)


def test_rows_are_explained_however_they_are_given(reading: Reading, houses: pd.DataFrame) -> None:
    number = reading.explain(7)
    for row in (houses.iloc[7], houses.iloc[[7]], houses.iloc[7].to_dict()):
        assert reading.explain(row).value == pytest.approx(number.value, rel=1e-12)
    with pytest.raises(DataError, match="one row is explained at a time, got 2"):
        reading.explain(houses[:2])
    with pytest.raises(ParameterError, match="row 300 does not exist"):
        reading.explain(300)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 6), min_size=1, max_size=3))
def test_a_column_alone_moves_exactly_as_far_as_is_said(seed: int, sizes: list[int]) -> None:
    net = net_of(seed, tuple(sizes))
    X = np.random.RandomState(seed).randn(12, 3)
    reading = local_models(net, X)
    explained = reading.explain(0)
    for place, span in enumerate(explained.ranges):
        for end, outward in ((span.low, -1), (span.high, 1)):
            inside = np.clip(end, -50, 50) if np.isfinite(end) else outward * 50.0
            for share in (0.1, 0.5, 0.9, 1.0):
                x = explained.x.copy()
                x[place] += share * (inside - x[place])
                assert net.outputs([x])[0, 0] == pytest.approx(
                    explained.coef_ @ x + explained.intercept_, abs=1e-9 * (1 + np.abs(x).max())
                )
            if np.isfinite(end):
                x = explained.x.copy()
                x[place] = end + outward * 1e-7
                coefs, _ = net.local_maps(net.patterns([x]))
                assert np.abs(coefs[0, 0] - explained.coef_).max() > 1e-12


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.lists(st.integers(1, 6), min_size=1, max_size=3))
def test_the_nearest_crease_is_exactly_so_far(seed: int, sizes: list[int]) -> None:
    net = net_of(seed, tuple(sizes))
    random = np.random.RandomState(seed)
    reading = local_models(net, random.randn(12, 3) * [1.0, 10.0, 0.1])
    explained = reading.explain(0)
    pattern = net.patterns(explained.x[None])[0]
    steps = random.randn(200, 3)
    steps /= np.linalg.norm(steps, axis=1, keepdims=True)
    length = min(explained.distance, 1e3)
    around = explained.x + 0.999999 * length * steps * reading.scales
    assert (net.patterns(around) == pattern).all()
    if np.isfinite(explained.distance):
        coefs, intercepts = net.maps_of_units(pattern)
        gradient = coefs[explained.crease.unit] * reading.scales
        z = coefs[explained.crease.unit] @ explained.x + intercepts[explained.crease.unit]
        foot = explained.x - 1.000001 * z * gradient / (gradient @ gradient) * reading.scales
        changed = np.flatnonzero(net.patterns([foot])[0] != pattern)
        assert explained.crease.unit in changed
        assert explained.crease.name == net.unit_name(explained.crease.unit)


def test_a_crease_that_nothing_listens_to_is_passed() -> None:
    # h1 = relu(x) is not read by any output; h2 = relu(x - 3) is.
    builder = Builder((1,))
    hidden = builder.fold(builder.affine(builder.input, np.ones((1, 2)), [0.0, -3.0]), layer="h")
    net = builder.finish(builder.affine(hidden, np.array([[0.0], [1.0]])))
    span = local_models(net, [[-1.0], [5.0]]).explain(0).ranges[0]
    assert (span.low, span.high) == (-np.inf, pytest.approx(3.0))
    assert span.high_crease.name == "h, unit 2"


def test_creases_that_meet_and_cancel_are_one() -> None:
    # relu(x) + relu(-x) - relu(x) - relu(-x) has creases at 0, and is 0 everywhere; relu(x - 1) bends.
    builder = Builder((1,))
    hidden = builder.fold(
        builder.affine(builder.input, np.array([[1.0, -1.0, 1.0, -1.0, 1.0]]), [0, 0, 0, 0, -1.0]), layer="h"
    )
    net = builder.finish(builder.affine(hidden, np.array([[1.0], [1.0], [-1.0], [-1.0], [1.0]])))
    explained = local_models(net, [[-2.0], [0.5]]).explain(0)
    assert explained.ranges[0].high == pytest.approx(1.0)
    assert explained.distance * local_models(net, [[-2.0], [0.5]]).scales[0] == pytest.approx(2.0)


def test_a_row_on_a_crease_goes_nowhere_on_one_side() -> None:
    builder = Builder((1,))
    net = builder.finish(builder.affine(builder.fold(builder.input, layer="h"), np.ones((1, 1))))
    explained = local_models(net, [[0.0], [1.0]]).explain(0)
    span = explained.ranges[0]
    assert (span.low, span.high, explained.distance) == (-np.inf, 0.0, 0.0)
    assert "lies on a crease" in str(explained)


def test_reach_in_many_directions_agrees_with_small_steps() -> None:
    net = net_of(5, (7, 6, 5), n_features=2)
    x = np.array([0.3, -0.2])
    pattern = net.patterns(x[None])[0]
    angles = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    directions = np.column_stack([np.cos(angles), np.sin(angles)])
    found = reach(net, x, pattern, directions, [0])
    coefs, _ = net.local_maps(pattern[None])
    for direction, length in zip(directions, found.lengths, strict=True):
        steps = np.arange(1, 4001) * 1e-3
        points = x + steps[:, None] * direction
        maps, _ = net.local_maps(net.patterns(points))
        same = (np.abs(maps - coefs) < 1e-12).all(axis=(1, 2))
        first = steps[~same][0] if not same.all() else np.inf
        assert (length > 4) if np.isinf(first) else first - 1e-3 - 1e-9 <= length <= first + 1e-9


def test_cuts_of_the_preparation_are_named_in_the_columns_unit(reading: Reading, houses: pd.DataFrame) -> None:
    row = {**houses.iloc[7].to_dict(), "rooms": 1e6}
    span = next(span for span in reading.explain(row).ranges if span.name == "rooms")
    assert span.high == np.inf
    assert span.low_crease.name.startswith("preparation, rooms at ")
    cut = next(found.high for found in reading.columns.encoder.inputs_ if found.name == "rooms")
    assert span.low == pytest.approx(cut)


@pytest.mark.parametrize("output", [None, "versicolor", 0])
def test_classes_are_explained_by_their_logits(output: Any) -> None:
    table, target = load_example("iris")
    model = planefold.MLPClassifier((6,), n_members=1, max_iter=20, random_state=0).fit(table, target)
    X = table.drop([target])
    reading = model.read(X)
    for row in (0, 75, 149):
        explained = reading.explain(row, output=output)
        label = {None: model.predict(X)[row], "versicolor": "versicolor", 0: "setosa"}[output]
        place = list(model.classes_).index(label)
        assert explained.output == f"logit of {label}"
        assert explained.prediction == pytest.approx(model.predict_proba(X)[row, place], abs=1e-5)
        logits = model.decision_outputs(X)[row]
        assert explained.base + explained.contributions.sum() == pytest.approx(logits[place] - logits.mean(), rel=1e-5)


def test_several_numbers_need_a_choice() -> None:
    net = net_of(0, n_outputs=2)
    reading = local_models(net, np.random.RandomState(0).randn(9, 3))
    with pytest.raises(ParameterError, match="which one is to be explained"):
        reading.explain(0)
    assert reading.explain(0, output=1).border is None


def test_the_border_within_the_region_is_the_distance_to_it() -> None:
    # A linear decision: x + 2 y > 1.
    X = np.random.RandomState(0).randn(200, 2)
    y = X @ [1.0, 2.0] > 1
    model = planefold.MLPClassifier((), n_members=1, preprocess=None, max_iter=20, random_state=0).fit(X, y)
    reading = model.read(X)
    explained = reading.explain(3)
    slope = np.linalg.norm(explained.coef_ * reading.scales)
    assert explained.border is not None
    assert explained.border.exact
    assert explained.border.upper == pytest.approx(abs(explained.value) / slope)
    assert "Another decision is" in str(explained)


def test_the_border_is_never_nearer_than_its_bound() -> None:
    table, target = load_example("iris")
    model = planefold.MLPClassifier((6,), n_members=1, max_iter=20, random_state=0).fit(table, target)
    X = table.drop([target])
    reading = model.read(X)
    random = np.random.RandomState(0)
    for row in (0, 60, 149):
        border = reading.explain(row).border
        assert border is not None
        steps = random.randn(500, 4)
        steps /= np.linalg.norm(steps, axis=1, keepdims=True)
        around = reading.rows[row] + 0.99999 * border.lower * steps * reading.scales
        labels = reading.net.outputs(around).argmax(axis=1)
        assert set(labels) == {reading.outputs[row].argmax()}


def test_the_border_beyond_the_region_is_searched_for() -> None:
    table, target = load_example("iris")
    model = planefold.MLPClassifier((6,), n_members=1, max_iter=20, random_state=0).fit(table, target)
    for reading in (model.read(table), model.read(table, output=("versicolor", "virginica"))):
        for row in (60, 110):
            bound, found = (reading.explain(row, border=border).border for border in (False, True))
            assert bound is not None
            assert found is not None
            assert found.exact
            assert found.lower >= bound.lower - 1e-9
            # The decision is the same everywhere within, and another one somewhere just beyond.
            random = np.random.RandomState(0)
            steps = random.randn(20_000, 4)
            steps /= np.linalg.norm(steps, axis=1, keepdims=True)
            labels = reading.labels(reading.outputs[[row]])
            near, far = (
                reading.labels(reading.net.outputs(reading.rows[row] + share * found.upper * steps * reading.scales))
                for share in (0.9999, 1.1)
            )
            assert (near == labels).all()
            assert not (far == labels).all()


def test_explanations_print_and_are_plain_data(reading: Reading) -> None:
    explained = explain(reading, 0)
    text = str(explained)
    assert "at the reference" in text
    assert "missing" in text  # row 0 has no area
    json.dumps(explained.to_json(), allow_nan=False)


def test_curves_along_a_column_go_through_the_rows(reading: Reading) -> None:
    curves = reading.ice("area", low=60.0, high=180.0)
    rows = reading.rows.copy()
    rows[:, reading.columns.place("area")] = 60.0
    np.testing.assert_allclose(curves.values[curves.starts[:-1]], reading.net.outputs(rows)[:, 0])
    mean = reading.partial_dependence("area", low=60.0, high=180.0)
    assert mean.values[0] == pytest.approx(reading.net.outputs(rows)[:, 0].mean())
    with pytest.raises(DataError, match="town = Bonn"):
        reading.ice("town")


def test_gaps_are_shown_as_missing_and_new_categories_as_not_known(reading: Reading, houses: pd.DataFrame) -> None:
    row = houses.iloc[[3]].assign(town=None, area=np.nan)
    found = reading.explain(row)
    values = dict(zip(found.columns, found.values, strict=True))
    assert (values["town"], values["area"]) == ("missing", "missing")
    found = reading.explain(row.assign(town="Paris"))
    assert dict(zip(found.columns, found.values, strict=True))["town"] == "none known"


def test_a_border_that_was_not_looked_for_is_no_border_at_0() -> None:
    builder = Builder((1,))
    hidden = builder.fold(builder.affine(builder.input, np.ones((1, 1)), [0.0]), layer="hidden 1")
    net = builder.finish(builder.affine(hidden, np.ones((1, 1)), [1.0]), link="logistic")
    text = str(explain(local_models(net, [[0.0], [1.0]]), 0))
    assert "was not looked for; border=True does" in text
