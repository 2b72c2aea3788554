"""Changes of training pictures: they keep meaning, range and rows, and are compared with Pillow, SciPy and counting."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from planefold.core.errors import ParameterError
from planefold.data import augmentation
from planefold.data.augmentation import CHANGES, Augmentation, augmentation_of

NAMES = tuple(CHANGES)


def pictures(n=6, channels=1, height=20, width=31, seed=0):
    random = np.random.RandomState(seed)
    smooth = ndimage.gaussian_filter(random.standard_normal((n, channels, height, width)), (0, 0, 1.5, 1.5))
    return torch.from_numpy(smooth.astype(np.float32))


class Always:
    """A random state whose every number is the same."""

    def __init__(self, value):
        self.value = value

    def uniform(self, low=0.0, high=1.0, size=None):
        return np.full(size, self.value)

    def randint(self, low, high=None, size=None):
        return np.full(size, self.value)


@pytest.mark.parametrize("name", NAMES)
@given(n=st.integers(1, 5), channels=st.sampled_from([1, 3]), height=st.integers(1, 12), width=st.integers(1, 12))
@settings(max_examples=15)
def test_a_change_keeps_shape_type_and_range_and_leaves_its_input_alone(name, n, channels, height, width):
    X = pictures(n, channels, height, width)
    before = X.clone()
    changed = CHANGES[name](X, np.random.RandomState(0))
    assert torch.equal(X, before)
    assert (changed.shape, changed.dtype) == (X.shape, X.dtype)
    assert bool(torch.isfinite(changed).all())
    if name != "noise":  # which adds to what there is
        assert bool((changed.amin(dim=(1, 2, 3)) >= X.amin(dim=(1, 2, 3)) - 1e-6).all())
        assert bool((changed.amax(dim=(1, 2, 3)) <= X.amax(dim=(1, 2, 3)) + 1e-6).all())


@pytest.mark.parametrize("name", NAMES)
def test_the_same_chance_changes_alike_and_another_one_otherwise(name):
    X = pictures()
    first, second, other = (CHANGES[name](X, np.random.RandomState(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("name", NAMES)
def test_each_row_has_its_own_chance(name):
    """Eight times the same picture comes out in more than one way."""
    X = pictures(1).repeat(8, 1, 1, 1)
    changed = CHANGES[name](X, np.random.RandomState(0))
    assert len({row.numpy().tobytes() for row in changed}) > 1


@pytest.mark.parametrize("name", NAMES)
def test_the_brightness_stays_on_average(name):
    X = pictures(300, height=16, width=16)
    if name == "time_shift":  # silence moves in, which is the lowest value
        return
    assert abs(float(CHANGES[name](X, np.random.RandomState(0)).mean() - X.mean())) < 0.01


@pytest.mark.parametrize("name", ["shift", "flip", "zoom", "turn"])
def test_colours_move_together(name):
    X = pictures().repeat(1, 3, 1, 1)
    changed = CHANGES[name](X, np.random.RandomState(0))
    assert torch.equal(changed[:, 0], changed[:, 1])
    assert torch.equal(changed[:, 0], changed[:, 2])


def test_a_shift_moves_by_whole_pixels_and_repeats_the_edge():
    X = pictures(40, height=25, width=38)
    moved = CHANGES["shift"](X, np.random.RandomState(0))
    seen = set()
    for old, new in zip(X[:, 0].numpy(), moved[:, 0].numpy(), strict=True):
        padded = np.pad(old, ((2, 2), (3, 3)), mode="edge")  # 8 % of 25 and of 38
        fits = [(down, right) for down in range(5) for right in range(7)
                if np.array_equal(padded[down : down + 25, right : right + 38], new)]  # fmt: skip
        assert len(fits) == 1
        seen.add(fits[0])
    assert len(seen) > 10


def test_a_flip_is_left_to_right_for_half_of_the_rows_and_undoes_itself():
    X = pictures(200)
    once = CHANGES["flip"](X, np.random.RandomState(0))
    assert torch.equal(CHANGES["flip"](once, np.random.RandomState(0)), X)
    turned = np.array([not torch.equal(a, b) for a, b in zip(X, once, strict=True)])
    assert 0.35 < turned.mean() < 0.65
    row = int(np.argmax(turned))
    assert np.array_equal(once[row, 0].numpy(), np.fliplr(X[row, 0].numpy()))


@pytest.mark.parametrize(("height", "width"), [(24, 24), (20, 40), (40, 20)])
@pytest.mark.parametrize("degrees", [10.0, -7.0])
def test_a_turn_is_that_of_scipy_without_distortion(height, width, degrees):
    X = pictures(1, height=height, width=width)
    turned = CHANGES["turn"](X, Always(degrees))[0, 0].numpy()
    ours = {sign: np.abs(turned - ndimage.rotate(X[0, 0].numpy(), sign * degrees, reshape=False, order=3,
                                                 mode="nearest")) for sign in (1, -1)}  # fmt: skip
    assert ours[1].max() < 0.05  # cubic splines there, cubic convolution here
    assert ours[1].mean() < ours[-1].mean() / 20


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_zoom_is_that_of_scipy(factor):
    X = pictures(1, height=21, width=33)
    zoomed = CHANGES["zoom"](X, Always(factor))[0, 0].numpy()
    middle = np.array([10.0, 16.0])
    expected = ndimage.affine_transform(X[0, 0].numpy(), np.eye(2) * factor, middle - factor * middle, order=3,
                                        mode="nearest")  # fmt: skip
    assert np.abs(zoomed - expected).max() < 0.05


def test_turned_pictures_stay_as_sharp_as_those_that_are_judged():
    """A network that learns from blurred pictures looks for other edges than sharp ones have."""
    random = np.random.RandomState(0)
    X = torch.from_numpy(ndimage.gaussian_filter(random.standard_normal((20, 1, 48, 40)), (0, 0, 0.8, 0.8)))

    def detail(values):
        return float(np.std([ndimage.laplace(row[0])[4:-4, 4:-4] for row in values.numpy()]))

    linear = Augmentation(("zoom", "turn"))(X, np.random.RandomState(0))
    assert detail(linear) > 0.85 * detail(X)


def test_zoom_and_turn_together_are_looked_up_once_and_in_their_order(monkeypatch):
    X, calls = pictures(height=24, width=24), []
    one_by_one = CHANGES["turn"](CHANGES["zoom"](X, Always(1.1)), Always(10.0))
    real = augmentation._affine
    monkeypatch.setattr(augmentation, "_affine", lambda *given: calls.append(1) or real(*given))

    class Both(Always):
        def uniform(self, low=0.0, high=1.0, size=None):
            return np.full(size, 1.1 if high < 2 else 10.0)

    together = Augmentation(("zoom", "turn"))(X, Both(None))
    assert calls == [1]
    assert float((together - one_by_one).abs().max()) < 0.1
    Augmentation(("zoom", "flip", "turn"))(X, np.random.RandomState(0))
    assert calls == [1, 1, 1]  # a flip in between comes in between


def test_sounds_move_in_time_into_silence():
    X = pictures(30, height=5, width=40)
    moved = CHANGES["time_shift"](X, np.random.RandomState(1))
    for old, new in zip(X[:, 0].numpy(), moved[:, 0].numpy(), strict=True):
        steps = [by for by in range(-4, 5) if np.array_equal(ndimage.shift(old, (0, by), order=0, cval=old.min()), new)]
        assert len(steps) == 1


def test_a_mask_covers_one_band_and_one_stretch_of_at_most_a_fifth():
    X = pictures(60, height=20, width=30)
    changed = (CHANGES["mask"](X, np.random.RandomState(0)) != X)[:, 0].numpy()
    for row in changed:
        bands, stretch = row.all(axis=1), row.all(axis=0)
        assert bands.sum() <= 4
        assert stretch.sum() <= 6
        assert np.array_equal(row, bands[:, None] | stretch[None])
        for line in (bands, stretch):
            assert np.abs(np.diff(line.astype(int))).sum() <= 2  # in one piece


def test_what_is_no_list_of_changes_is_refused():
    assert augmentation_of(None) is None
    assert augmentation_of(()) is None
    for wrong, words in (
        ("shift", "must be a list"),
        (5, "must be a list"),
        (["shfit"], "did you mean 'shift'"),
        ([1], "1"),
    ):
        with pytest.raises(ParameterError, match=words):
            augmentation_of(wrong)
