"""The figures of units against brute force, and on layers whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from planefold.engine.probes import by_unit, duplicate_share, unit_figures


@pytest.fixture
def rng():
    return np.random.default_rng(3)


@pytest.mark.parametrize("kind", ["relu", "tanh", "logistic", "gelu"])
@pytest.mark.parametrize("shape", [(40, 6), (3, 40, 6)])
def test_figures_of_units_are_those_of_a_loop_over_units(rng, kind, shape):
    z = 4 * rng.normal(size=shape)
    z[..., 2] = -9.0 - rng.random(shape[:-1])
    a = {"relu": np.maximum(z, 0), "tanh": np.tanh(z), "logistic": 1 / (1 + np.exp(-z)), "gelu": z}[kind]
    units = [column for member in a.reshape(-1, *shape[-2:]) for column in member.T]
    dead = np.mean([all(value <= 0 for value in unit) for unit in units])
    beyond = {"tanh": lambda v: abs(v) > 0.98, "logistic": lambda v: v < 0.02 or v > 0.98}.get(kind, lambda v: False)
    found = unit_figures(torch.as_tensor(a), kind)
    assert found["mean"] == pytest.approx(a.mean())
    assert found["std"] == pytest.approx(a.std())
    assert found["dead_share"] == pytest.approx(dead if kind == "relu" else 0)
    assert found["dead_share"] >= (1 / 6 if kind == "relu" else 0)
    assert found["saturated_share"] == pytest.approx(np.mean([beyond(v) for unit in units for v in unit]))


def test_a_layer_without_units_has_figures_of_zero():
    assert set(unit_figures(torch.zeros(5, 0), "relu").values()) == {0.0}


def test_wide_weights_saturate_a_layer_and_narrow_ones_do_not(rng):
    X = torch.as_tensor(rng.normal(size=(200, 20)))
    W = torch.as_tensor(rng.normal(size=(20, 50)) / 20**0.5)
    assert unit_figures(torch.tanh(X @ W), "tanh")["saturated_share"] < 0.05
    assert unit_figures(torch.tanh(X @ W * 12), "tanh")["saturated_share"] > 0.8


@pytest.mark.parametrize("axis", [1, -1])
def test_every_kept_position_of_an_image_or_a_sequence_is_a_real_one(rng, axis):
    shape = (5, 3, 8, 9) if axis == 1 else (5, 30, 3)
    a = torch.as_tensor(rng.normal(size=shape))
    kept = by_unit(a, axis=axis)
    assert kept.shape == (5 * 16, 3)
    for unit in range(3):
        values = set(a.select(axis, unit).flatten().tolist())
        assert set(kept[:, unit].tolist()) <= values
        assert len(set(kept[:, unit].tolist())) == 80


def test_few_positions_are_all_kept_and_tables_stay_as_they_are(rng):
    images = torch.as_tensor(rng.normal(size=(5, 3, 2, 2)))
    torch.testing.assert_close(by_unit(images, axis=1), images.permute(0, 2, 3, 1).reshape(20, 3), rtol=0, atol=0)
    table = torch.as_tensor(rng.normal(size=(5, 3)))
    torch.testing.assert_close(by_unit(table), table, rtol=0, atol=0)
    assert by_unit(torch.zeros(5)).shape == (5, 1)


def test_positions_of_an_image_are_spread_over_it():
    rows, columns = np.divmod(np.arange(256.0), 16)
    places = by_unit(torch.as_tensor(np.stack([rows, columns])).reshape(1, 2, 16, 16), axis=1).numpy()
    for quarter in (places[:, 0] < 8, places[:, 0] >= 8):
        for half in (places[:, 1] < 8, places[:, 1] >= 8):
            assert (quarter & half).sum() >= 2


def brute_force(rows):
    return np.mean([any(i != j and np.array_equal(a, b) for j, b in enumerate(rows)) for i, a in enumerate(rows)])


def test_duplicate_units_are_those_that_brute_force_finds(rng):
    for n_units in (2, 5, 40):
        W = rng.integers(0, 2, size=(n_units, 4)).astype(float)
        b = rng.integers(0, 2, size=n_units).astype(float)
        assert duplicate_share(torch.as_tensor(W)) == pytest.approx(brute_force(W))
        assert duplicate_share(torch.as_tensor(W), torch.as_tensor(b)) == pytest.approx(
            brute_force(np.column_stack([W, b]))
        )


def test_members_are_judged_apart(rng):
    W = torch.as_tensor(rng.normal(size=(2, 4, 3)))
    W[1] = W[0]
    assert duplicate_share(W) == 0.0
    W[1] = 0.5
    assert duplicate_share(W) == 0.5


@pytest.mark.parametrize("n_units", [0, 1])
def test_a_lone_unit_duplicates_nothing(n_units):
    assert duplicate_share(torch.zeros(n_units, 3)) == 0.0


def test_units_that_differ_by_rounding_are_equal_and_opposite_ones_are_not(rng):
    w = torch.as_tensor(rng.normal(size=30), dtype=torch.float32)
    assert duplicate_share(torch.stack([w, w * (1 + 1e-7), -w])) == pytest.approx(2 / 3)
    assert duplicate_share(torch.stack([w, 1.001 * w])) == 0.0


def test_random_weights_of_a_wide_layer_hold_no_duplicates():
    torch_random = torch.Generator().manual_seed(0)
    assert duplicate_share(torch.randn(2000, 2, generator=torch_random), torch.zeros(2000)) < 0.001
