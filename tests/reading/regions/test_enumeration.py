from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planefold.core.errors import ParameterError
from planefold.networks.affine_builder import Builder
from planefold.networks.mlp import MLPSpec
from planefold.reading.boxes.enumeration import count_regions, regions


def keys(found):
    return {pattern.tobytes() for pattern in found.patterns}


def walls(found):
    return {
        (*sorted(found.patterns[number].tobytes() for number in pair), int(unit))
        for pair, unit in zip(found.adjacency, found.wall_units, strict=True)
    }


@pytest.mark.parametrize(
    ("widths", "expected"), [((3, 16, 16, 1), 1_276), ((4, 16, 16, 1), 6_658), ((3, 32, 32, 1), 11_512)]
)
def test_known_counts(nets, widths, expected):
    counted = count_regions(nets.initialised(*widths), (-1, 1))
    assert (counted.n_regions, counted.complete, counted.method) == (expected, True, "subdivision")
    assert counted.certificate.exact
    assert counted.certificate.gap > 1e4


@settings(max_examples=25)
@given(d=st.integers(1, 5), width=st.integers(1, 6), depth=st.integers(1, 3), seed=st.integers(0, 10**4))
def test_subdivision_and_walk_agree(nets, d, width, depth, seed):
    net = nets.initialised(d, *[width] * depth, 1, seed=seed)
    divided = regions(net, (-2, 2), method="subdivision")
    walked = regions(net, (-2, 2), method="walk")
    assert keys(divided) == keys(walked)
    assert len(keys(divided)) == divided.n_regions == count_regions(net, (-2, 2)).n_regions
    assert walls(divided) == walls(walked)
    assert divided.n_pieces == walked.n_pieces <= divided.n_regions
    for found in (divided, walked):
        assert found.complete
        assert found.certificate.exact
        assert np.array_equal(net.patterns(found.witnesses), found.patterns)


@pytest.mark.parametrize(("d", "n"), [(1, 7), (2, 9), (3, 8), (4, 7), (5, 6), (3, 2)])
def test_hyperplanes_in_general_position_are_counted_as_zaslavsky_says(nets, d, n):
    rng = np.random.default_rng(n)
    net = nets.from_layers([(rng.normal(size=(d, n)), rng.normal(size=n)), (np.ones((n, 1)), np.zeros(1))])
    expected = sum(math.comb(n, k) for k in range(d + 1))
    for method in ("subdivision", "walk"):
        assert count_regions(net, (-1e4, 1e4), method=method).n_regions == expected


@pytest.mark.parametrize(("d", "n"), [(2, 7), (3, 6), (4, 5)])
def test_creases_through_one_point_are_counted_as_zaslavsky_says(nets, d, n):
    net = nets.from_layers(
        [(np.random.default_rng(n).normal(size=(d, n)), np.zeros(n)), (np.ones((n, 1)), np.zeros(1))]
    )
    counted = count_regions(net, (-1, 1))
    assert counted.method == ("window" if d == 2 else "walk")
    assert counted.n_regions == 2 * sum(math.comb(n - 1, k) for k in range(d))


@pytest.mark.parametrize("kind", ["zero", "whole", "halves", "eighths", "tenths", "doubled", "dead"])
@pytest.mark.parametrize(("widths", "left"), [((2, 5, 4, 1), 0.0), ((3, 4, 3, 1), 0.0), ((2, 4, 3, 1), -1.0)])
def test_degenerate_networks_against_linear_programmes(nets, kind, widths, left):
    net = nets.degenerate(kind, *widths, seed=len(kind), left=left)
    expected = nets.patterns_by_linprog(net)
    walked = regions(net, (-1, 1), method="walk")
    assert keys(walked) == expected
    assert walked.certificate.exact
    assert count_regions(net, (-1, 1)).n_regions == len(expected)
    assert keys(regions(net, (-1, 1))) == expected


@settings(max_examples=30)
@given(
    kind=st.sampled_from(["zero", "whole", "halves", "eighths", "tenths", "doubled", "dead"]),
    d=st.integers(1, 4),
    seed=st.integers(0, 10**4),
)
def test_no_pattern_of_a_grid_is_missed(nets, kind, d, seed):
    net = nets.degenerate(kind, d, 5, 4, 1, seed=seed)
    points = np.random.default_rng(seed).uniform(-1, 1, (3000, d))
    sums = net.sums_of_units(points)
    seen = net.patterns(points)[(np.abs(sums) > 1e-9).all(axis=1)]  # units that are 0 by rounding alone have no side
    assert {pattern.tobytes() for pattern in seen} <= keys(regions(net, (-1, 1)))


@pytest.mark.parametrize("kind", ["generic", "zero", "whole", "doubled"])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_volumes_add_up_to_the_box(nets, kind, d):
    net = nets.initialised(d, 6, 5, 1) if kind == "generic" else nets.degenerate(kind, d, 5, 4, 1, seed=2)
    lower, upper = -np.arange(1.0, d + 1), np.full(d, 0.5)
    found = regions(net, (lower, upper))
    volumes = [found.region(number).volume() for number in range(found.n_regions)]
    assert sum(volumes) == pytest.approx(np.prod(upper - lower), rel=1e-9)


def test_creases_on_the_sides_and_through_the_corners_of_the_box(nets):
    coef = np.array([[1.0, 1.0, 1.0], [0.0, 1.0, -1.0]])  # one along a side, one through two corners, one diagonal
    net = nets.from_layers([(coef, np.array([-1.0, -2.0, 0.0])), (np.ones((3, 1)), np.zeros(1))])
    assert count_regions(net, (-1, 1)).n_regions == 2
    assert regions(net, (-1, 1), method="walk").n_regions == 2
    assert count_regions(net, (-3, 3), method="walk").n_regions == len(nets.patterns_by_linprog(net, -3, 3))


def test_linear_pieces_are_regions_merged(nets):
    # A unit that nothing reads, and two opposite units that make a plane together.
    coef, last = np.array([[1.0, 1.0, -1.0], [0.0, 1.0, -1.0]]), np.array([[0.0], [1.0], [-1.0]])
    net = nets.from_layers([(coef, np.array([0.3, 0.1, -0.1])), (last, np.zeros(1))])
    found = regions(net, (-1, 1))
    assert (found.n_regions, found.n_pieces) == (4, 1)
    kept = nets.from_layers([(coef, np.array([0.3, 0.1, -0.1])), (np.ones((3, 1)), np.zeros(1))])
    assert (regions(kept, (-1, 1)).n_regions, regions(kept, (-1, 1)).n_pieces) == (4, 4)
    assert "4 activation regions, 1 linear piece " in str(found)


def test_limits_are_honest(nets):
    net = nets.initialised(3, 12, 12, 1)
    whole = regions(net, (-1, 1))
    part = regions(net, (-1, 1), max_regions=50)
    assert (part.n_regions, part.complete, part.method) == (50, False, "walk")
    assert keys(part) < keys(whole)
    assert not part.certificate.exact
    assert str(part).startswith("at least 50")
    assert part.adjacency.max() < 50
    hurried = regions(net, (-1, 1), time_limit=1e-9, method="walk")
    assert 0 < hurried.n_regions < whole.n_regions
    assert not hurried.complete
    counted = count_regions(net, (-1, 1), time_limit=1e-9)
    assert not counted.complete
    assert counted.n_regions <= whole.n_regions
    assert str(counted).startswith("at least")
    assert count_regions(net, (-1, 1), max_regions=50).n_regions <= whole.n_regions
    with pytest.raises(ParameterError, match="activation regions in the box"):
        regions(net, (-1, 1), max_regions=whole.n_regions - 1, method="subdivision")


def test_many_inputs_are_walked(nets):
    net = nets.initialised(12, 10, 1)
    found = regions(net, (-1, 1), max_regions=40)
    assert (found.n_regions, found.method) == (40, "walk")
    assert np.array_equal(net.patterns(found.witnesses), found.patterns)


def test_what_cannot_be_done_is_refused(nets):
    net = nets.initialised(2, 4, 1)
    with pytest.raises(ParameterError, match="method='wlk'"):
        count_regions(net, (-1, 1), method="wlk")
    with pytest.raises(ParameterError, match="max_regions=0"):
        regions(net, (-1, 1), max_regions=0)
    with pytest.raises(ParameterError, match="time_limit=-1"):
        regions(net, (-1, 1), time_limit=-1)
    with pytest.raises(ParameterError, match="general position"):
        regions(nets.degenerate("zero", 3, 4, 1), (-1, 1), method="subdivision")
    with pytest.raises(ParameterError, match="2\\*\\*40 corners"):
        count_regions(nets.initialised(40, 4, 1), (-1, 1), method="subdivision")


def test_a_network_without_creases_is_one_region():
    builder = Builder((3,))
    net = builder.finish(builder.affine(builder.input, np.ones((3, 1))))
    for method in ("subdivision", "walk"):
        found = regions(net, (-1, 1), method=method)
        assert (found.n_regions, found.n_pieces, found.complete) == (1, 1, True)
        assert count_regions(net, (-1, 1), method=method).n_regions == 1


def test_clips_and_residual_sums(nets):
    builder = Builder((2,))
    value = builder.clipped(builder.input, -0.4, 0.6, layer="preparation", depth=0)
    inner = builder.fold(builder.affine(value, np.array([[1.0, -0.7], [0.4, 1.3]]), [0.1, 0.05]), layer="hidden 1")
    value = builder.total([value, inner])
    value = builder.fold(builder.affine(value, np.array([[1.1, 0.3], [-0.6, 0.9]]), [0.2, -0.1]), layer="hidden 2")
    net = builder.finish(builder.affine(value, np.ones((2, 1))))
    assert keys(regions(net, (-1, 1))) == nets.patterns_by_linprog(net)
    assert keys(regions(net, (-1, 1), method="walk")) == nets.patterns_by_linprog(net)


def test_our_own_networks_are_read_members_and_all(nets):
    for members in (1, 3):
        model = MLPSpec(n_features=2, n_outputs=1, hidden_layer_sizes=(4, 3), n_members=members).build(
            random_state=np.random.RandomState(0)
        )
        found = regions(model, (-2, 2))
        assert found.n_regions == count_regions(model, (-2, 2), method="walk").n_regions
        outputs = np.einsum("roi,ri->ro", found.coefs, found.witnesses) + found.intercepts
        assert outputs == pytest.approx(found.net.outputs(found.witnesses), abs=1e-12)
