"""The affine form against plain NumPy: computing it, its planes, and the steps that build it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from planefold.core.errors import DataError, NotPiecewiseLinearError, ParameterError
from planefold.networks import MLP, affine
from planefold.networks.affine_builder import Builder
from planefold.networks.affine_layers import LayerBuilder, same_padding, windows
from planefold.networks.affine_mlp import affine_form
from planefold.networks.matrices import Blocks, compact, dense, n_nonzero
from planefold.networks.mlp import MLPSpec


def random_net(seed, widths=(3, 5, 4, 2), *, quantised=False):
    """A net with a skip and folds of every kind, and the same function written down in NumPy."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        drawn = rng.normal(size=shape)
        return np.round(drawn * 2) / 2 if quantised else drawn  # zeros, duplicates, creases that coincide

    weights = [draw(*pair) for pair in pairwise(widths)]
    biases = [draw(width) for width in widths[1:]]
    skip, left = draw(widths[0], widths[-1]), draw(widths[1])
    builder = Builder((widths[0],))
    first = builder.fold(builder.affine(builder.input, weights[0], biases[0]), layer="hidden 1", left=left, right=-1.0)
    second = builder.clipped(builder.affine(first, weights[1], biases[1]), -0.5, 0.75, layer="hidden 2")
    output = builder.affine(second, weights[2], biases[2])
    net = builder.finish(builder.total([output, builder.affine(builder.input, skip)]))

    def function(X):
        z = X @ weights[0] + biases[0]
        h = np.where(z > 0, -z, left * z)
        return np.clip(h @ weights[1] + biases[1], -0.5, 0.75) @ weights[2] + biases[2] + X @ skip

    return net, function, rng


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=25)
def test_a_net_its_planes_and_its_units_agree_with_what_was_written_down(seed, quantised):
    net, function, rng = random_net(seed, quantised=quantised)
    X = rng.normal(size=(7, 3))
    np.testing.assert_allclose(net.outputs(X), function(X), rtol=1e-10, atol=1e-10)
    patterns, sums = net.patterns(X), net.sums_of_units(X)
    np.testing.assert_array_equal(patterns, np.sign(sums))
    coefs, intercepts = net.local_maps(patterns)
    np.testing.assert_allclose(np.einsum("roi,ri->ro", coefs, X) + intercepts, function(X), rtol=1e-9, atol=1e-9)
    one, shift = net.local_maps(patterns, outputs=[1])
    np.testing.assert_array_equal(one[:, 0], coefs[:, 1])
    np.testing.assert_array_equal(shift[:, 0], intercepts[:, 1])
    for row, pattern, expected in zip(X, patterns, sums, strict=True):
        slopes, offsets = net.maps_of_units(pattern)
        np.testing.assert_allclose(slopes @ row + offsets, expected, rtol=1e-9, atol=1e-9)


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_a_restricted_joined_or_recombined_net_is_the_composition(seed):
    net, function, rng = random_net(seed)
    origin, directions = rng.normal(size=3), rng.normal(size=(2, 3))
    t = rng.normal(size=(6, 2))
    on_plane = net.restricted(origin, directions)
    np.testing.assert_allclose(on_plane.outputs(t), function(origin + t @ directions), rtol=1e-9, atol=1e-9)
    assert on_plane.n_units == net.n_units
    again, inner, _ = random_net(seed + 1, widths=(2, 4, 3, 3))
    np.testing.assert_allclose(net.after(again).outputs(t), function(inner(t)), rtol=1e-9, atol=1e-9)
    assert net.after(again).n_units == net.n_units + again.n_units
    difference = net.with_outputs([[1.0], [-1.0]], [0.5], output_names=("first against second",))
    X = rng.normal(size=(6, 3))
    np.testing.assert_allclose(difference.outputs(X)[:, 0], function(X) @ [1, -1] + 0.5, rtol=1e-9, atol=1e-9)


def test_pieces_of_rows_do_not_change_the_result(monkeypatch):
    net, _, rng = random_net(0)
    X = rng.normal(size=(40, 3))
    before = [net.outputs(X), net.patterns(X), net.sums_of_units(X), *net.local_maps(net.patterns(X))]
    monkeypatch.setattr(affine, "VALUES_AT_ONCE", 70)
    after = [net.outputs(X), net.patterns(X), net.sums_of_units(X), *net.local_maps(net.patterns(X))]
    for old, new in zip(before, after, strict=True):
        np.testing.assert_allclose(old, new, rtol=1e-12, atol=1e-12)


def test_units_are_numbered_and_named_through_all_folds():
    net, _, _ = random_net(0)
    assert net.n_units == 5 + 4 + 4
    assert net.widths == (5, 8)
    assert net.unit_name(0) == "hidden 1, unit 1"
    assert net.unit_name(12) == "hidden 2, unit 4"
    np.testing.assert_array_equal(net.depths(), [1] * 5 + [2] * 8)
    with pytest.raises(ParameterError, match="unit=13 does not exist"):
        net.fold_of(13)


def test_points_that_do_not_fit_are_refused():
    net, _, _ = random_net(0)
    with pytest.raises(DataError, match=r"points of shape \(4, 2\)"):
        net.outputs(np.zeros((4, 2)))
    with pytest.raises(DataError, match="point 1 holds nan"):
        net.outputs([[0, 0, 0], [0, np.nan, 0]])


def test_weights_that_are_not_finite_are_refused():
    builder = Builder((2,))
    with pytest.raises(DataError, match="not finite"):
        builder.finish(builder.affine(builder.input, np.array([[np.inf], [0.0]])))


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_clipping_is_numpys_where_bounds_are_open_too(seed):
    rng = np.random.default_rng(seed)
    low = np.where(rng.random(5) < 0.4, -np.inf, -rng.random(5))
    high = np.where(rng.random(5) < 0.4, np.inf, rng.random(5))
    builder = Builder((5,))
    net = builder.finish(builder.clipped(builder.input, low, high, layer="ends"))
    X = rng.normal(size=(8, 5)) * 2
    np.testing.assert_allclose(net.outputs(X), np.clip(X, low, high), rtol=1e-14, atol=1e-14)


@given(st.integers(0, 10_000))
@settings(max_examples=25)
def test_tournaments_are_numpys_maxima(seed):
    rng = np.random.default_rng(seed)
    n_window = int(rng.integers(1, 8))
    places = rng.integers(-1, 6, (4, n_window))
    places[:, 0] = rng.integers(0, 6, 4)  # one competitor at least
    builder = Builder((6,))
    net = builder.finish(builder.largest(builder.input, places, layer="pool"))
    X = rng.normal(size=(5, 6))
    expected = np.where(places >= 0, X[:, places], -np.inf).max(axis=2)
    np.testing.assert_allclose(net.outputs(X), expected, rtol=1e-12, atol=1e-12)


def test_parts_are_selected_joined_and_made_of_constants():
    builder = Builder((2, 3))
    x = builder.input
    joined = builder.concatenated([x, builder.constant(np.full((2, 1), 7.0)), x], axis=1)
    assert joined.shape == (2, 7)
    net = builder.finish(builder.reshaped(joined, (14,)))
    X = np.arange(6.0).reshape(1, 2, 3)
    np.testing.assert_array_equal(net.outputs(X)[0].reshape(2, 7)[:, 2:5], [[2, 7, 0], [5, 7, 3]])
    builder = Builder((3,))
    folded = builder.fold(builder.constant([-1.0, 2.0]), layer="none")
    net = builder.finish(folded)
    assert net.n_units == 0  # a constant has no crease
    np.testing.assert_array_equal(net.outputs(np.zeros((2, 3))), [[0, 2], [0, 2]])
    coefs, intercepts = net.local_maps(net.patterns(np.zeros((2, 3))))
    assert not coefs.any()
    np.testing.assert_array_equal(intercepts, [[0, 2], [0, 2]])


def test_sums_of_earlier_values_are_computed_once_where_that_is_less():
    # A residual sum that feeds a wide layer: as one step more, not with the wide layer's weights twice.
    rng = np.random.default_rng(0)
    builder = Builder((20,))
    first = builder.fold(builder.affine(builder.input, rng.normal(size=(20, 20))), layer="1")
    second = builder.fold(builder.affine(first, rng.normal(size=(20, 20))), layer="2")
    total = builder.total([first, builder.affine(second, rng.normal(size=(20, 20)))])
    net = builder.finish(
        builder.affine(
            builder.fold(builder.affine(total, rng.normal(size=(20, 200))), layer="3"), rng.normal(size=(200, 1))
        )
    )
    assert net.n_multiplications == 3 * 400 + 20 * 200 + 200


def test_blocks_are_the_matrix_that_they_stand_for():
    rng = np.random.default_rng(0)
    blocks = Blocks(rng.normal(size=(3, 2, 4)))
    rows = rng.normal(size=(5, 6))
    assert blocks.shape == (6, 12)
    np.testing.assert_allclose(rows @ blocks, rows @ blocks.toarray(), rtol=1e-14)
    np.testing.assert_array_equal(blocks.T.toarray(), blocks.toarray().T)
    assert n_nonzero(blocks) == 24


def test_matrices_are_kept_as_their_entries_suggest():
    few = sp.eye_array(100, format="csr")
    assert sp.issparse(compact(few))
    assert isinstance(compact(sp.eye_array(10, format="csr")), np.ndarray)
    assert isinstance(compact(np.ones((100, 100))), np.ndarray)
    np.testing.assert_array_equal(dense(compact(few)), np.eye(100))


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "identity"])
def test_our_perceptron_agrees_with_its_affine_form(activation, n_members):
    spec = MLPSpec(
        n_features=4, n_outputs=2, hidden_layer_sizes=(6, 5), activation=activation, n_members=n_members, skip=True
    )
    net, generator = MLP(spec, torch.float64), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_(generator=generator)
    X = np.random.default_rng(0).normal(size=(9, 4))
    with torch.no_grad():
        expected = net(torch.from_numpy(X)).mean(dim=0).numpy()
    np.testing.assert_allclose(affine_form(net).outputs(X), expected, rtol=1e-10, atol=1e-12)


def test_a_perceptron_that_bends_is_refused():
    spec = MLPSpec(n_features=4, n_outputs=2, hidden_layer_sizes=(6,), activation="tanh")
    with pytest.raises(NotPiecewiseLinearError, match="activation='tanh'"):
        affine_form(MLP(spec))


def test_windows_stand_where_they_belong():
    table = windows((4,), (3,), stride=(2,), padding=[(1, 0)], dilation=(1,))
    np.testing.assert_array_equal(table, [[-1, 0, 1], [1, 2, 3]])
    table = windows((3, 2), (2, 1), stride=(1, 1), padding=[(0, 0), (0, 1)], dilation=(2, 1))
    np.testing.assert_array_equal(table, [[[0, 4], [1, 5], [-1, -1]]])
    assert same_padding((7, 6), (3, 2), (2, 2), (1, 1)) == [(1, 1), (0, 0)]
    with pytest.raises(ParameterError, match="does not fit values of shape"):
        windows((2,), (3,), stride=(1,), padding=[(0, 0)], dilation=(1,))


def test_layers_that_are_too_large_are_refused_before_they_are_made():
    builder = LayerBuilder((1, 64, 224, 224))
    with pytest.raises(ParameterError, match=r"a convolution on values of \(224, 224\) needs a matrix of .* GiB"):
        builder.convolution(
            builder.input, np.ones((64, 64, 3, 3)), stride=(1, 1), padding=[(1, 1), (1, 1)], dilation=(1, 1)
        )
    with pytest.raises(ParameterError, match="numbers at once"):
        LayerBuilder((1, 1 << 40))
