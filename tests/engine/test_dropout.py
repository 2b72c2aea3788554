"""Dropout masks against counting, and against the batches that a training without them draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from planefold.engine.dropout import LEVELS, Masks, levels
from planefold.networks import MLPSpec


def _masks(dropout, *, sizes=(50, 40), n_members=1, seed=0, dtype=torch.float64):
    spec = MLPSpec(n_features=3, hidden_layer_sizes=sizes, n_outputs=1, dropout=dropout, n_members=n_members)
    return Masks(spec, torch.zeros(1, dtype=dtype), seed)


@pytest.mark.parametrize("rate", [0.1, 0.25, 1 / 3, 0.9])
def test_the_share_left_out_is_the_rate_and_the_mean_is_kept(rate):
    n_rows = 2000
    mask = _masks((rate, 0.0)).draw(n_rows)[0]
    n_draws, spread = mask.numel(), np.sqrt(rate * (1 - rate))
    # 100,000 draws: both are within four standard errors of what they should be.
    assert float((mask == 0).double().mean()) == pytest.approx(rate, abs=4 * spread / np.sqrt(n_draws))
    assert float(mask.mean()) == pytest.approx(1, abs=4 * spread / (1 - rate) / np.sqrt(n_draws))
    # No unit is favoured, so the mean of each is kept, too: within five standard errors, of 50 units.
    assert float((mask.mean(dim=1) - 1).abs().max()) < 5 * spread / (1 - rate) / np.sqrt(n_rows)


@pytest.mark.parametrize("rate", [0.25, 0.3])
def test_what_stays_is_scaled_so_that_the_expected_activation_is_exact(rate):
    masks = _masks((rate, 0.5))
    first, second = masks.draw(200)
    # The chance is the nearest multiple of 1 / 65,536, and the scale belongs to that chance, not to the rate.
    chance = round(rate * LEVELS) / LEVELS
    assert chance == pytest.approx(rate, abs=0.5 / LEVELS)
    assert set(first.unique().tolist()) == {0.0, 1 / (1 - chance)}
    assert set(second.unique().tolist()) == {0.0, 2.0}


def test_there_is_one_mask_a_hidden_layer_for_every_member_row_and_unit():
    first, second = _masks((0.5, 0.2), n_members=3, dtype=torch.float32).draw(7)
    assert (first.shape, second.shape) == ((3, 7, 50), (3, 7, 40))
    assert first.dtype == second.dtype == torch.float32
    lines = [row for member in first for row in member]
    assert not any(torch.equal(a, b) for i, a in enumerate(lines) for b in lines[:i])


def test_each_step_has_masks_of_its_own_and_a_layer_of_rate_0_has_none():
    masks = _masks((0.0, 0.5))
    none, one = masks.draw(5)
    before = one.clone()
    assert none is None
    _, other = masks.draw(5)
    assert not torch.equal(before, other)
    assert other is one  # in the same memory, which a captured step reads


def test_a_members_masks_are_the_same_whoever_stands_beside_it():
    spec = MLPSpec(n_features=3, hidden_layer_sizes=(50, 40), n_outputs=1, dropout=(0.5, 0.2), n_members=5)
    together = Masks(spec, torch.zeros(1), 0).draw(6)
    apart = Masks(spec, torch.zeros(1), 0, slice(2, 4)).draw(6)
    for all_members, some in zip(together, apart, strict=True):
        assert torch.equal(all_members[2:4], some)


def test_the_same_random_state_gives_the_same_masks():
    for one, other in zip(_masks((0.5, 0.2)).draw(9), _masks((0.5, 0.2)).draw(9), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(_masks((0.5, 0.2)).draw(9)[0], _masks((0.5, 0.2), seed=1).draw(9)[0])


def test_drawing_masks_leaves_every_other_stream_alone():
    streams = np.random.get_state(), torch.get_rng_state().clone()  # noqa: NPY002
    _masks((0.5, 0.2)).draw(100)
    np.testing.assert_equal(np.random.get_state(), streams[0])  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), streams[1])


def test_a_rate_next_to_0_still_leaves_something_in():
    assert levels(MLPSpec(n_features=1, n_outputs=1, hidden_layer_sizes=(2,), dropout=(1e-9,))) == [0]
    (nearly_all, _) = _masks((1 - 1e-4, 0.0), sizes=(500, 2)).draw(400)
    assert 0 < int((nearly_all > 0).sum()) < 60  # 20 expected of 200,000


def test_a_rate_close_to_one_leaves_a_chance_of_one_level():
    spec = MLPSpec(n_features=1, n_outputs=1, hidden_layer_sizes=(4,), dropout=(0.9999999,))
    (mask,) = Masks(spec, torch.zeros(1), 0).draw(50_000)
    assert set(mask.unique().tolist()) == {0.0, 65536.0}
