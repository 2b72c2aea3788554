"""A network along lines agrees with the network, with torch, and with arithmetic in fractions."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from planefold.core.errors import DataError, ParameterError
from planefold.networks.affine_builder import Builder
from planefold.reading.models import from_model
from planefold.reading.segments import cuts as line_cuts
from planefold.reading.segments import rational_signs
from planefold.reading.segments.lines import function, line, lines


def all_kinds(seed):
    """Every kind of fold, a residual sum, a sum that is not folded and inputs that are read late."""
    rng = np.random.default_rng(seed)
    builder = Builder((3,))

    def affine(value, n):
        return builder.affine(value, rng.normal(size=(value.size, n)), rng.normal(size=n))

    a = builder.fold(affine(builder.input, 6), layer="leaky", left=0.1)
    b = builder.clipped(affine(a, 6), -0.5, 0.7, layer="clip")
    c = builder.fold(builder.total([b, affine(builder.input, 6)]), layer="abs", left=-1.0)
    bottleneck = builder.node(affine(c, 2))
    d = builder.largest(affine(bottleneck, 6), np.arange(6).reshape(2, 3), layer="pool")
    return builder.finish(builder.total([affine(d, 2), affine(c, 2)]))


# ----------------------------------------------------------------------------------- an independent, exact algorithm


def exact_regions(layers, origin, direction, low, high):
    """Cut a line in fractions, unit by unit: its ends, and the patterns between."""
    layers = [([[Fraction(w) for w in row] for row in W], [Fraction(x) for x in b]) for W, b in layers]

    def maps(t):
        """Each unit's sum as (slope, intercept) where t is."""
        value = [(Fraction(d), Fraction(o)) for o, d in zip(origin, direction, strict=True)]
        found = []
        for W, b in layers[:-1]:
            z = [
                (
                    sum(value[i][0] * W[i][j] for i in range(len(W))),
                    sum(value[i][1] * W[i][j] for i in range(len(W))) + b[j],
                )
                for j in range(len(b))
            ]
            found.append(z)
            value = [(s, c) if s * t + c > 0 else (Fraction(0), Fraction(0)) for s, c in z]
        return found

    ends = [Fraction(low), Fraction(high)]
    for layer in range(len(layers) - 1):
        new = set(ends)
        for a, b in pairwise(ends):
            for slope, intercept in maps((a + b) / 2)[layer]:
                if slope and a < -intercept / slope < b:
                    new.add(-intercept / slope)
        ends = sorted(new)
    patterns = []
    for a, b in pairwise(ends):
        t = (a + b) / 2
        sums = [s * t + c for z in maps(t) for s, c in z]
        patterns.append([(z > 0) - (z < 0) for z in sums])
    kept = [0] + [k for k in range(1, len(patterns)) if patterns[k] != patterns[k - 1]]
    return [ends[k] for k in kept] + [ends[-1]], [patterns[k] for k in kept]


def found_by_layers(layers, X):
    for W, b in layers[:-1]:
        X = np.maximum(X @ W + b, 0)
    return X @ layers[-1][0] + layers[-1][1]


@st.composite
def coarse_problems(draw_one, steps=(1.0, 0.5, 0.125)):
    """Networks of few different weights, with dead, doubled and opposite units, and a line on a coarse grid."""
    sizes = [draw_one(st.integers(1, 3)), *draw_one(st.lists(st.integers(1, 5), min_size=1, max_size=3)), 1]
    step = draw_one(st.sampled_from(steps))
    rng = np.random.default_rng(draw_one(st.integers(0, 10**6)))
    biased = draw_one(st.booleans())
    layers = [(step * rng.integers(-2, 3, (a, b)), step * biased * rng.integers(-2, 3, b)) for a, b in pairwise(sizes)]
    for W, b in layers[:-1]:
        if len(b) > 1 and rng.random() < 0.5:
            factor = rng.choice([1.0, -1.0, 3.0])
            W[:, 1], b[1] = factor * W[:, 0], factor * b[0]
    start, stop = rng.integers(-3, 4, (2, sizes[0])).astype(float)
    stop[0] = start[0] + rng.integers(1, 4)
    return layers, start, stop


@settings(max_examples=150)
@given(coarse_problems())
def test_degenerate_networks_are_cut_as_in_fractions(build, problem):
    layers, start, stop = problem
    ends, patterns = exact_regions(layers, start, stop - start, 0, 1)
    found = line(build(layers), start, stop)
    assert found.certificate.exact
    assert found.patterns.tolist() == patterns
    np.testing.assert_allclose(found.ends, [float(t) for t in ends], atol=1e-14)


@settings(max_examples=50)
@given(coarse_problems(steps=[0.1, 0.3]))
def test_what_differs_in_the_last_digit_only_is_the_same(build, problem):
    """0.1 and 0.3 are rounded: units that ought to be multiples of each other are so up to 1e-16 only."""
    layers, start, stop = problem
    found = line(build(layers), start, stop)
    assert found.certificate.exact
    whole = [(np.rint(W / 0.1), np.rint(b / 0.1 ** (k + 1))) for k, (W, b) in enumerate(layers)]
    if all((b == 0).all() for _, b in layers):
        ends, patterns = exact_regions(whole, start, stop - start, 0, 1)
        assert found.patterns.tolist() == patterns
        np.testing.assert_allclose(found.ends, [float(t) for t in ends], atol=1e-14)
    t = np.linspace(0, 1, 101)
    np.testing.assert_allclose(found(t), found_by_layers(layers, found.points(t)), atol=1e-12)


@settings(max_examples=50)
@given(coarse_problems())
def test_functions_on_all_numbers_are_cut_as_in_fractions(build, problem):
    layers = problem[0]
    layers[0] = (layers[0][0][:1], layers[0][1])
    found = function(build(layers))
    assert found.ends[0] == -np.inf
    assert found.ends[-1] == np.inf
    ends, patterns = exact_regions(layers, [0], [1], -(10**9), 10**9)
    assert found.patterns.tolist() == patterns
    np.testing.assert_allclose(found.ends[1:-1], [float(t) for t in ends[1:-1]], rtol=1e-14, atol=1e-14)


# --------------------------------------------------------------------------------------------------- against the net


@settings(max_examples=40)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=3), st.integers(1, 4), st.integers(0, 10**6))
def test_a_line_is_the_network(build, draw, hidden, n_inputs, seed):
    net = build(draw([n_inputs, *hidden, 2], seed))
    start, stop = np.random.default_rng(seed).normal(0, 3, (2, n_inputs))
    found = line(net, start, stop)
    t = np.linspace(0, 1, 501)
    np.testing.assert_allclose(found(t), net.outputs(found.points(t)), atol=1e-12)
    np.testing.assert_allclose(found.values, net.outputs(found.points(found.ends)), atol=1e-12)
    middles = (found.ends[1:] + found.ends[:-1]) / 2
    assert (net.patterns(found.points(middles)) == found.patterns).all()
    seen = {row.tobytes() for row in net.patterns(found.points(t)[1:-1])}
    assert seen <= {row.tobytes() for row in found.patterns} | {b""}


@pytest.mark.parametrize("seed", range(5))
def test_every_kind_of_fold(seed):
    net = all_kinds(seed)
    starts, stops = np.random.default_rng(seed).normal(0, 2, (2, 30, 3))
    found = lines(net, starts, stops)
    assert found.certificate.exact
    t = np.linspace(0, 1, 301)
    for path in found:
        np.testing.assert_allclose(path(t), net.outputs(path.points(t)), atol=1e-10)
        middles = path.points((path.ends[1:] + path.ends[:-1]) / 2)
        coefs, _ = net.local_maps(path.patterns)
        np.testing.assert_allclose(coefs @ path.direction, path.slopes, atol=1e-10)
        assert ((net.patterns(middles) == path.patterns) | (path.patterns == 0)).all()


def test_slopes_are_torchs_derivatives(build, draw):
    layers = draw([4, 16, 16, 1], 0)
    modules = []
    for W, b in layers:
        linear = torch.nn.Linear(*W.shape, dtype=torch.float64)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(W.T))
            linear.bias.copy_(torch.from_numpy(b))
        modules += [linear, torch.nn.ReLU()]
    module = torch.nn.Sequential(*modules[:-1])
    found = line(build(layers), [-3, 0, 2, 1], [3, 1, -1, 0])
    middles = torch.from_numpy(found.points((found.ends[1:] + found.ends[:-1]) / 2)).requires_grad_()
    (gradients,) = torch.autograd.grad(module(middles).sum(), middles)
    np.testing.assert_allclose(gradients.numpy() @ found.direction, found.slopes[:, 0], atol=1e-12)


def test_a_torch_module_of_convolutions_is_cut():
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3, padding=1),
        torch.nn.BatchNorm2d(3),
        torch.nn.LeakyReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(48, 3),
    )
    module = module.double().eval()
    found = lines(from_model(module, input_shape=(1, 8, 8)), *np.random.default_rng(0).normal(size=(2, 4, 64)))
    for path in found:
        t = np.linspace(0, 1, 301)
        with torch.no_grad():
            expected = module(torch.from_numpy(path.points(t).reshape(-1, 1, 8, 8))).numpy()
        np.testing.assert_allclose(path(t), expected, atol=1e-12)
        assert path.n_pieces < path.n_regions  # which of two losers was larger is no kink


def test_many_lines_are_the_single_ones(build, draw, monkeypatch):
    net = build(draw([3, 20, 20, 2], 1))
    starts, stops = np.random.default_rng(1).normal(0, 2, (2, 40, 3))
    together = lines(net, starts, stops)
    monkeypatch.setattr(line_cuts, "VALUES_AT_ONCE", 1)
    apart = lines(net, starts, stops)
    for name in ("starts", "unit", "is_kink", "bend_points", "bend_units", "bend_steps", "first_patterns"):
        assert (getattr(together, name) == getattr(apart, name)).all()
    np.testing.assert_allclose(together.t, apart.t, atol=1e-14)
    np.testing.assert_allclose(together.slopes, apart.slopes, atol=1e-12)
    assert len(together) == 40
    assert together.n_regions.tolist() == [path.n_regions for path in together]
    assert together.n_pieces.tolist() == [path.n_pieces for path in together]
    assert together.lengths.sum() == pytest.approx(40)
    assert (together.patterns() == np.vstack([path.patterns for path in together])).all()
    assert (together.patterns(7, 31) == np.vstack([together[k].patterns for k in range(7, 31)])).all()
    assert (together[-1].ends == together[39].ends).all()
    with pytest.raises(IndexError, match="line 40"):
        together[40]
    for path, first in zip(together, together.starts, strict=False):
        assert [units[0] for units in path.units] == together.unit[first + 1 : first + path.n_regions].tolist()


# ------------------------------------------------------------------------------------------ degenerate on purpose


def test_units_that_bend_together_are_named_together(build):
    # Unit 1 is a multiple of unit 0, unit 2 its opposite; unit 3 is dead; unit 4 is zero all along the line.
    W = [[1, 1 / 3, -1, 0, 0], [0, 0, 0, 0, 1]]
    net = build([(W, [-0.3, -0.1, 0.3, -1, 0]), (np.ones((5, 1)), [0])])
    found = line(net, [0, 0], [1, 0])
    np.testing.assert_allclose(found.ends, [0, 0.3, 1], atol=1e-15)
    assert found.units == ((0, 1, 2),)
    assert found.patterns.tolist() == [[-1, -1, 1, -1, 0], [1, 1, -1, -1, 0]]


def test_a_line_from_crease_to_crease_has_no_inner_end(build):
    net = build([(np.eye(2), [0, 0]), (np.ones((2, 1)), [0])])
    found = line(net, [0, 1], [1, 0])
    assert found.n_regions == 1
    assert found.patterns.tolist() == [[1, 1]]
    through = line(net, [-1, -1], [1, 1])  # through the point where both meet
    assert through.units == ((0, 1),)
    assert through.ends.tolist() == [0, 0.5, 1]


def test_a_touched_crease_is_no_end(build):
    # Unit 2 of layer 2 is -|x| in effect: it reaches 0 at 0 and turns back.
    net = build([([[1, -1]], [0, 0]), ([[-1], [-1]], [0]), ([[1]], [0])])
    found = function(net)
    assert found.patterns[:, 2].tolist() == [-1, -1]
    assert found.units == ((0, 1),)
    assert found.n_regions == 2
    assert found.n_pieces == 1  # f is 0 everywhere


def test_bends_that_nothing_reads_make_regions_but_no_pieces(build):
    net = build([([[1, 1]], [0, -1]), ([[1], [0]], [2])])
    found = function(net)
    assert (found.n_regions, found.n_pieces) == (3, 2)
    merged = found.merged()
    assert merged.ends.tolist() == [-np.inf, 0, np.inf]
    assert merged.units == ((0,),)
    assert (merged.n_regions, merged.n_pieces) == (2, 2)
    assert merged(3.0) == found(3.0) == [5.0]


def test_creases_that_float64_can_hardly_tell_apart_are_told_apart_in_rationals(build):
    near = build([([[1, 1]], [-1, -1 - 2.0**-43]), ([[1], [1]], [0])])
    found = function(near, 0, 2)
    assert found.n_regions == 3
    assert found.certificate.n_rational > 0
    assert found.certificate.exact
    same = build([([[1, 3]], [-1 / 3, -1]), ([[1], [1]], [0])])
    # 3 * float(1/3) is not quite 1: two creases in truth, one to the last digit.
    assert function(same, 0, 2).n_regions == 2


def test_a_decision_in_rationals_follows_the_layers(build):
    """A unit of layer 2 whose crease lies 2^-42 beside one of layer 1; with an opposite one that lies on it."""
    tiny = 2.0**-42
    layers = [([[1.0]], [-1.0]), ([[1.0, 1.0]], [-tiny, 0.0]), ([[1.0], [1.0]], [0])]
    found = function(build(layers), 0, 2)
    ends, patterns = exact_regions(layers, [0], [1], 0, 2)
    assert found.patterns.tolist() == patterns
    assert found.ends.tolist() == [float(t) for t in ends]


def test_more_doubts_than_can_be_decided_are_admitted(build, monkeypatch):
    monkeypatch.setattr(rational_signs, "WEIGHTS_AT_MOST", 0)
    near = build([([[1, 1]], [-1, -1 - 2.0**-43]), ([[1], [1]], [0])])
    certificate = function(near, 0, 2).certificate
    assert not certificate.exact
    assert "rationals" in str(certificate)


def test_a_network_without_folds_is_one_piece(build):
    net = build([([[2.0], [1.0]], [1.0])])
    found = line(net, [0, 0], [1, 1])
    assert (found.n_regions, found.n_pieces, found.units) == (1, 1, ())
    assert found.patterns.shape == (1, 0)
    assert found.slopes.tolist() == [[3.0]]
    straight = function(build([([[2.0]], [1.0])]))
    assert straight.ends.tolist() == [-np.inf, np.inf]
    assert straight(3.0).tolist() == [7.0]
    assert straight.values.ravel().tolist() == [-np.inf, np.inf]


# --------------------------------------------------------------------------------------------------------- functions


@pytest.mark.parametrize("n", [1, 2, 5, 40])
def test_one_hidden_layer_has_at_most_a_piece_more_than_units(build, draw, n):
    found = function(build(draw([1, n, 1], n)))
    assert found.n_pieces == found.n_regions == n + 1


def test_creases_far_apart_lose_no_digits(build):
    places = np.array([-1e12, -1.0, -1 + 1e-9, 1e-12, 3e9])
    net = build([(np.ones((1, 5)), -places), (np.ones((5, 1)), [0])])
    found = function(net)
    np.testing.assert_allclose(found.ends[1:-1], places, rtol=1e-15)
    np.testing.assert_allclose(found.slopes.ravel(), range(6))


@settings(max_examples=30)
@given(st.lists(st.integers(1, 10), min_size=1, max_size=4), st.integers(0, 10**6))
def test_a_half_line_is_a_part_of_the_whole(build, draw, hidden, seed):
    net = build(draw([1, *hidden, 1], seed))
    whole, right, left = function(net), function(net, low=0.25), function(net, high=0.25)
    joined = np.concatenate([left.ends[:-1], right.ends[1:]])
    np.testing.assert_allclose(joined, whole.ends, rtol=1e-12, atol=1e-13)
    assert left.n_regions + right.n_regions - 1 == whole.n_regions
    far = np.array([[-1e6], [1e6]])
    np.testing.assert_allclose(whole(far.ravel()), net.outputs(far), rtol=1e-12, atol=1e-6)


def test_limits_at_infinity(build):
    found = function(build([([[1.0, -1.0]], [0, 0]), ([[1.0, 0], [0, -2.0]], [3.0, 4.0])]))
    assert found.values.tolist() == [[3, -np.inf], [3, 4], [np.inf, 4]]
    assert found.minimum(1) == (-np.inf, -np.inf)
    assert found.minimum(0) == (-np.inf, 3.0)
    assert found.maximum(1) == (0.0, 4.0)


# ----------------------------------------------------------------------------------------- extremes, levels, classes


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_extremes_and_levels_are_those_of_dense_sampling(build, draw, seed):
    net = build(draw([1, 9, 9, 1], seed, scale=2))
    found = function(net, -4, 4)
    t = np.linspace(-4, 4, 4001)
    heights = found(t)[:, 0]
    assert found.maximum().value >= heights.max() - 1e-13
    assert found.minimum().value <= heights.min() + 1e-13
    assert found(found.maximum().t)[0] == pytest.approx(found.maximum().value, abs=1e-12)
    level = float(heights.mean())
    crossings = found.crossings(level=level)
    np.testing.assert_allclose(net.outputs(crossings[:, None])[:, 0], level, atol=1e-12)
    above = heights > level
    seen = t[:-1][above[1:] != above[:-1]]
    assert all((np.abs(crossings - (place + 0.001)) <= 0.0011).any() for place in seen)


def test_levels_on_flat_pieces_at_ends_and_at_infinity(build):
    flat = function(build([([[1.0]], [-1.0]), ([[1.0]], [0])]), 0, 3)
    assert flat.crossings().tolist() == [0, 1]  # it lies on the level from 0 to 1
    assert flat.crossings(level=1.0).tolist() == [2]
    straight = function(build([([[2.0]], [1.0])]))
    assert straight.crossings(level=5.0).tolist() == [2.0]


@settings(max_examples=40)
@given(st.integers(1, 5), st.integers(0, 10**6))
def test_classes_are_those_of_dense_sampling(build, draw, n_outputs, seed):
    net = build(draw([1, 8, 8, n_outputs], seed, scale=2))
    found = function(net)
    classes = found.classes()
    assert (classes.ends[0], classes.ends[-1]) == (-np.inf, np.inf)
    assert (np.diff(classes.ends) > 0).all()
    assert (classes.classes[1:] != classes.classes[:-1]).all()
    t = np.linspace(-30, 30, 6001)
    outputs = net.outputs(t[:, None])
    expected = outputs.argmax(axis=1) if n_outputs > 1 else (outputs[:, 0] > 0).astype(int)
    near = (np.abs(t[:, None] - classes.ends[None, 1:-1]) < 1e-9).any(axis=1)
    named = classes.classes[np.searchsorted(classes.ends, t, side="right") - 1]
    # Two classes that are equal to the last digit over a whole piece have no border there.
    ties = np.sort(outputs, axis=1)
    tied = (ties[:, -1] - ties[:, -2] < 1e-12) if n_outputs > 1 else np.abs(outputs[:, 0]) < 1e-12
    assert (named == expected)[~near & ~tied].all()


def test_classes_that_meet_in_one_point(build):
    # Outputs x, -x and 0 meet at 0; the third leads nowhere.
    found = function(build([([[1.0, -1.0]], [0, 0]), ([[1, -1, 0], [-1, 1, 0]], [0, 0, 0])]))
    classes = found.classes()
    assert classes.ends.tolist() == [-np.inf, 0, np.inf]
    assert classes.classes.tolist() == [1, 0]


# ------------------------------------------------------------------------------------------------------------ errors


def test_what_is_no_line_is_refused(build, draw):
    net = build(draw([2, 3, 1], 0))
    with pytest.raises(DataError, match="segment 1 starts and stops at the same point"):
        lines(net, [[0, 0], [1, 1]], [[1, 0], [1, 1]])
    with pytest.raises(DataError, match="nan"):
        line(net, [0, np.nan], [1, 1])
    with pytest.raises(DataError, match="3 starts and 2 stops"):
        lines(net, np.zeros((3, 2)), np.ones((2, 2)))
    with pytest.raises(DataError, match="do not fit"):
        line(net, [0, 0, 0], [1, 1, 1])
    with pytest.raises(DataError, match="further apart"):
        line(net, [-1e308, 0], [1e308, 0])
    with pytest.raises(DataError, match="2 inputs"):
        function(net)
    one = build(draw([1, 3, 1], 0))
    with pytest.raises(ParameterError, match="is not below"):
        function(one, 1, 1)
    with pytest.raises(ParameterError, match="output=1 does not exist"):
        function(one).crossings(1)
    with pytest.raises(ParameterError, match="not on the line"):
        function(one, 0, 1)(2.0)
