"""Few planes for many: what they cost is what brute force finds."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, make_moons
from sklearn.metrics import r2_score

import planefold
from planefold.core.errors import ParameterError
from planefold.networks.affine_builder import Builder
from planefold.networks.affine_mlp import affine_form
from planefold.networks.mlp import MLPSpec
from planefold.reading.tables.local_models import local_models
from planefold.reading.tables.merging import MergedPlanes
from planefold.reading.tables.records import Reading

PLAIN: dict[str, Any] = {"n_members": 1, "skip": None, "dropout": 0.0, "early_stopping": False, "random_state": 0}


def random_reading(seed: int, n_outputs: int = 1, n_rows: int = 80) -> Reading:
    spec = MLPSpec(n_features=3, n_outputs=n_outputs, hidden_layer_sizes=(7, 5))
    net = affine_form(spec.build(np.random.RandomState(seed), dtype=torch.float64))
    return local_models(net, np.random.RandomState(seed).randn(n_rows, 3))


@pytest.fixture(scope="module")
def moons() -> Reading:
    X, y = make_moons(600, noise=0.15, random_state=0)
    model = planefold.MLPClassifier((64, 64), **PLAIN, max_iter=40).fit(X, y)
    return local_models(model, X, y)


def check(reading: Reading, merged: MergedPlanes) -> None:
    """Recompute all that is said about merged planes, row by row."""
    values = np.array([
        merged.coefs[plane] @ row + merged.intercepts[plane]
        for row, plane in zip(reading.rows, merged.row_planes, strict=True)
    ])  # fmt: skip
    outputs = reading.net.outputs(reading.rows)
    np.testing.assert_allclose(merged.outputs(), values, atol=1e-9)
    np.testing.assert_allclose(merged.max_difference, np.abs(values - outputs).max(axis=0), atol=1e-9)
    np.testing.assert_allclose(merged.mean_difference, np.abs(values - outputs).mean(axis=0), atol=1e-9)
    if outputs.std() > 1e-6:
        assert merged.r2 == pytest.approx(r2_score(outputs, values), abs=1e-9)
    assert merged.counts.tolist() == np.bincount(merged.row_planes, minlength=len(merged)).tolist()
    assert (np.diff(merged.counts) <= 0).all()
    for region in range(reading.n_regions):
        assert len(set(merged.row_planes[reading.regions == region])) == 1


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 3))
def test_what_merging_costs_is_what_brute_force_finds(seed: int, n_planes: int, n_outputs: int) -> None:
    reading = random_reading(seed, n_outputs)
    merged = reading.merged(n_planes)
    assert len(merged) == min(n_planes, reading.n_regions)
    check(reading, merged)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 0.5), st.integers(1, 2))
def test_regions_join_within_the_tolerance(seed: int, tolerance: float, n_outputs: int) -> None:
    reading = random_reading(seed, n_outputs)
    merged = reading.merged(tolerance=tolerance)
    check(reading, merged)
    assert merged.max_difference.max() <= tolerance + 1e-12
    own = [coef.tobytes() for coef in reading.coefs]
    assert all(coef.tobytes() in own for coef in merged.coefs)  # planes that the network has


def test_more_tolerance_means_fewer_planes(moons: Reading) -> None:
    sizes = [len(moons.merged(tolerance=tolerance)) for tolerance in (0.0, 0.3, 3.0, 1e9)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 10
    assert sizes[-1] < sizes[0] / 5


def test_one_plane_is_least_squares(moons: Reading) -> None:
    design = np.column_stack([moons.rows, np.ones(moons.n_rows)])
    best, *_ = np.linalg.lstsq(design, moons.outputs, rcond=None)
    merged = moons.merged(1, around=0)
    assert merged.r2 == pytest.approx(r2_score(moons.outputs, design @ best), abs=1e-4)


def test_as_many_planes_as_regions_are_the_planes() -> None:
    reading = random_reading(3, n_rows=15)
    merged = reading.merged(reading.n_regions)
    assert merged.r2 == pytest.approx(1)
    assert merged.max_difference.max() < 1e-9


def test_equal_planes_are_found_to_be_equal() -> None:
    # |x| as the sum of four folds, two of which cancel: four regions, two planes.
    builder = Builder((1,))
    sums = builder.affine(builder.input, np.array([[1.0, -1.0, 1.0, 1.0]]), [0.0, 0.0, -1.0, -1.0])
    net = builder.finish(builder.affine(builder.fold(sums, layer="h"), np.array([[1.0], [1.0], [2.0], [-2.0]])))
    reading = local_models(net, np.linspace(-3, 3, 50)[:, None])
    assert reading.n_regions == 3
    for merged in (reading.merged(2), reading.merged(fidelity=1 - 1e-6), reading.merged(tolerance=1e-9)):
        assert len(merged) == 2
        assert merged.max_difference[0] < 1e-6
        np.testing.assert_allclose(sorted(merged.coefs.ravel()), [-1, 1], atol=1e-6)


def test_few_planes_are_faithful_on_real_data(moons: Reading) -> None:
    merged = moons.merged(10)
    assert merged.r2 > 0.99
    assert merged.agreement is not None
    assert merged.agreement > 0.98
    X, y = load_breast_cancer(return_X_y=True)
    model = planefold.MLPClassifier((64, 64), **PLAIN, max_iter=40).fit(X, y)
    assert model.read(X).merged(10).r2 > 0.99


def test_coefficients_say_what_the_network_does_when_asked_to(moons: Reading) -> None:
    loose, close = moons.merged(5, around=0), moons.merged(5, around=1.0)
    assert loose.r2 > close.r2
    assert loose.cosine < close.cosine
    own = moons.coefs[:, 0] * moons.scales
    planes = (close.coefs[:, 0] * moons.scales)[close.planes]
    cosines = [u @ v / np.linalg.norm(u) / np.linalg.norm(v) for u, v in zip(own, planes, strict=True)]
    assert close.cosine == pytest.approx(np.average(cosines, weights=moons.counts))


def test_labels_that_stay_are_counted(moons: Reading) -> None:
    merged = moons.merged(4)
    same = (merged.outputs()[:, 0] > 0) == (moons.outputs[:, 0] > 0)
    assert merged.agreement == pytest.approx(same.mean())
    assert random_reading(0).merged(2).agreement is None


def test_the_same_seed_gives_the_same_planes(moons: Reading) -> None:
    one, other = moons.merged(5, random_state=3), moons.merged(5, random_state=3)
    np.testing.assert_array_equal(one.coefs, other.coefs)


def test_the_fewest_planes_that_are_faithful_enough(moons: Reading) -> None:
    merged = moons.merged(fidelity=0.95)
    assert merged.r2 >= 0.95
    assert len(merged) == 1 or moons.merged(len(merged) - 1).r2 < 0.95


def test_new_rows_take_the_plane_of_their_region(moons: Reading) -> None:
    merged = moons.merged(10)
    np.testing.assert_allclose(merged.outputs(moons.rows), merged.outputs())
    X, _ = make_moons(400, noise=0.15, random_state=1)
    assert r2_score(moons.net.outputs(moons.columns.rows(X)), merged.outputs(X)) > 0.98


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "one of n_planes, tolerance and fidelity, and got none"),
        ({"n_planes": 3, "tolerance": 0.1}, "got n_planes and tolerance"),
        ({"n_planes": 0}, "n_planes=0"),
        ({"n_planes": 2.5}, "n_planes=2.5"),
        ({"tolerance": -1.0}, "tolerance=-1.0"),
        ({"fidelity": 1.5}, "fidelity=1.5"),
        ({"n_planes": 2, "around": -1.0}, "around=-1.0"),
    ],
)
def test_bad_requests_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        random_reading(0).merged(**options)


def test_merged_planes_print_and_are_plain_data(moons: Reading) -> None:
    merged = moons.merged(3)
    assert str(merged).startswith(f"3 planes stand for {moons.n_regions} regions: R2 0.")
    assert "% of the labels stay" in str(merged)
    data = json.loads(json.dumps(merged.to_json(), allow_nan=False))
    assert (data["n_planes"], len(data["formulas"])) == (3, 3)


def test_regions_with_one_formula_need_one_plane() -> None:
    rng = np.random.default_rng(0)
    builder = Builder((2,))
    hidden = builder.fold(builder.affine(builder.input, rng.normal(size=(2, 6)), rng.normal(size=6)), layer="hidden 1")
    silent = builder.affine(hidden, np.zeros((6, 1)))
    bent = builder.affine(
        builder.fold(builder.affine(builder.input, np.array([[1.0], [0.0]])), layer="out"), np.array([[2.0]])
    )
    net = builder.finish(builder.total([silent, bent]))
    reading = local_models(net, rng.normal(size=(60, 2)))
    assert reading.n_regions > 10
    assert reading.n_formulas == 2
    assert "with 2 different formulas" in str(reading)
    merged = reading.merged(5)
    assert len(merged) == 2
    assert merged.max_difference.max() < 1e-12
    formulas = sorted(merged.formula(i).partition(" + ")[2] for i in range(2))
    assert formulas == ["", "2 * x0"]  # and no 1e-17 * x1


@pytest.mark.parametrize("wrong", [{"tolerance": "a"}, {"n_planes": 2, "around": "b"}, {"tolerance": True}])
def test_sizes_that_are_none_are_refused(moons: Reading, wrong: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match="must be a number"):
        moons.merged(**wrong)
