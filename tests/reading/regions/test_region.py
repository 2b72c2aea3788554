from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planefold.core.errors import DataError
from planefold.networks.affine_builder import Builder
from planefold.networks.matrices import Blocks
from planefold.reading.boxes.regions import region


@settings(max_examples=30)
@given(d=st.integers(2, 10), width=st.integers(2, 12), seed=st.integers(0, 10**4), boxed=st.booleans())
def test_facets_and_neighbours(nets, d, width, seed, boxed):
    net = nets.initialised(d, width, width, 2, seed=seed)
    x = np.random.default_rng(seed).uniform(-1, 1, d)
    here = region(net, x, box=(-1, 1) if boxed else None)
    assert (here.b - here.A @ x).min() > 0
    assert np.array_equal(here.pattern, net.patterns(x[None])[0])
    short = here.irredundant()
    place = {unit: row for row, unit in enumerate(here.units.tolist())}
    assert [place[unit] for unit in short.units.tolist()] == nets.facets_by_linprog(here.A, here.b)
    found = here.neighbours()
    assert [unit for unit, _ in found] == [unit for unit in short.units.tolist() if unit >= 0]
    for unit, point in found:
        there = region(net, point, box=(-1, 1) if boxed else None)
        assert np.flatnonzero(there.pattern != here.pattern).tolist() == [unit]
        assert (there.b - there.A @ point).min() > 0
        assert unit in there.irredundant().units


@settings(max_examples=30)
@given(d=st.integers(1, 8), seed=st.integers(0, 10**4))
def test_the_distance_is_that_to_where_the_pattern_changes(nets, d, seed):
    net = nets.initialised(d, 9, 9, 1, seed=seed)
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, d)
    here = region(net, x)
    if here.nearest_unit is None:
        return
    row = here.units.tolist().index(here.nearest_unit)
    beyond = net.patterns(np.stack([x + (here.distance + step) * here.A[row] for step in (-1e-9, 1e-9)]))
    assert np.array_equal(beyond[0], here.pattern)
    assert beyond[1, here.nearest_unit] == -here.pattern[here.nearest_unit]
    around = rng.normal(size=(200, d))
    around *= 0.999 * here.distance / np.linalg.norm(around, axis=1, keepdims=True)
    assert (net.patterns(x + around) == here.pattern).all()


def test_the_map_holds_throughout_the_region(nets):
    net = nets.initialised(3, 8, 8, 2)
    here = region(net, [0.1, -0.2, 0.3], box=(-1, 1))
    corners = here.vertices()
    points = np.random.default_rng(0).dirichlet(np.ones(len(corners)), 50) @ corners
    assert here.contains(points).all()
    assert net.outputs(points) == pytest.approx(points @ here.coefs.T + here.intercepts, abs=1e-12)
    lower, upper = here.bounding_box()
    assert (lower, upper) == (pytest.approx(corners.min(axis=0)), pytest.approx(corners.max(axis=0)))
    assert here.is_bounded
    assert not here.contains(corners[:1] + 3).any()


def test_contains_agrees_with_patterns(nets):
    net = nets.initialised(2, 8, 8, 1, seed=3)
    here = region(net, [0.05, 0.1])
    points = np.random.default_rng(0).uniform(-2, 2, (2000, 2))
    assert np.array_equal(here.contains(points), (net.patterns(points) == here.pattern).all(axis=1))


def test_an_unbounded_region(nets):
    net = nets.from_layers([(np.eye(2), np.zeros(2)), (np.ones((2, 1)), np.zeros(1))])
    here = region(net, [1.0, 2.0])
    assert here.volume() == math.inf
    assert not here.is_bounded
    assert here.chebyshev() == (None, math.inf)
    assert here.vertices().tolist() == [[0, 0]]
    assert region(net, [1.0, 2.0], box=(-4, 4)).volume() == pytest.approx(16)
    assert {unit: np.sign(point).tolist() for unit, point in here.neighbours()} == {0: [-1, 1], 1: [1, -1]}


def test_a_network_without_creases(nets):
    builder = Builder((3,))
    net = builder.finish(builder.affine(builder.input, np.ones((3, 1))))
    here = region(net, np.zeros(3))
    assert (here.distance, here.nearest_unit) == (math.inf, None)
    assert here.A.shape == (0, 3)
    assert here.neighbours() == []
    assert here.contains(np.ones((1, 3))).all()
    assert here.volume() == math.inf
    assert region(net, np.zeros(3), box=(-1, 1)).volume() == pytest.approx(8)


def test_on_a_crease_the_direction_decides(nets):
    net = nets.from_layers([(np.eye(2), np.zeros(2)), (np.ones((2, 1)), np.zeros(1))])
    for direction in ([1, 1], [1, -1], [-1, 1], [-1, -1]):
        here = region(net, [0.0, 0.0], direction=direction)
        assert here.pattern.tolist() == direction
        assert here.distance == 0
        assert len(here.irredundant().units) == 2
        assert here.certificate.exact
    # By default there is always one of them, and the same each time.
    default = region(net, [0.0, 0.0])
    assert (np.abs(default.pattern) == 1).all()
    assert np.array_equal(default.pattern, region(net, [0.0, 0.0]).pattern)


def test_at_a_corner_of_the_box_the_region_lies_in_the_box(nets):
    coef, bias = np.array([[1.0, 1.0], [0.0, 1.0]]), np.array([-1.0, -2.0])  # creases along a side, through a corner
    net = nets.from_layers([(coef, bias), (np.ones((2, 1)), np.zeros(1))])
    here = region(net, [1.0, 1.0], box=(-1, 1))
    assert here.pattern.tolist() == [-1, -1]
    short = here.irredundant()
    assert sorted(short.units.tolist()) == [-4, -3, -2, -1]
    assert [sorted(units.tolist()) for units in short.shared if 0 in units] == [[-2, 0]]
    assert here.neighbours() == []  # behind the crease of unit 0 the box has ended
    assert here.volume() == pytest.approx(4)


def test_signs_that_rounding_hides_are_decided_in_rationals(nets):
    # 0.1 + 0.2 is not 0.3, but more by 2.8e-17 in exact arithmetic with these floats.
    net = nets.from_layers([(np.array([[0.1], [0.2]]), np.array([-0.3])), (np.ones((1, 1)), np.zeros(1))])
    here = region(net, [1.0, 1.0])
    assert here.pattern.tolist() == [1]
    assert here.certificate.n_rational == 1
    assert region(net, [1.0, 1.0], direction=[-1, -1]).pattern.tolist() == [1]  # not on the crease, however near


def test_coincident_creases_are_one_facet(nets):
    coef = np.array([[1.0, 1.0, -2.0, 1.0], [0.5, 0.5, -1.0, 0.5]])
    net = nets.from_layers([(coef, np.array([0.1, 0.1, -0.2, 0.3])), (np.ones((4, 1)), np.zeros(1))])
    short = region(net, [0.0, 0.0]).irredundant()
    assert [sorted(units.tolist()) for units in short.shared] == [[0, 1, 2]]
    (neighbour,) = region(net, [0.0, 0.0]).neighbours()
    assert net.patterns(neighbour.point[None])[0].tolist() == [-1, -1, 1, 1]


def test_units_that_do_not_bend_are_left_out(nets):
    # Unit 1 reads nothing; the second layer's unit reads a difference of equals, up to rounding.
    first = np.array([[1.0, 0.0, 0.3], [1.0, 0.0, 0.3]])
    net = nets.from_layers(
        [(first, np.array([5.0, 0.0, 1.5])), (np.array([[0.3], [1.0], [-1.0]]), np.array([-1.0])), ([[1.0]], [0.0])]
    )
    here = region(net, [0.1, 0.2])
    assert here.units.tolist() == [0, 2]
    assert here.pattern.tolist() == [1, 0, 1, -1]


def test_a_unit_that_is_asleep_at_zero_wakes_up_next_door(nets):
    # relu(relu(x)): the second unit's sum is 0 all over the left, where it counts as 0.
    net = nets.from_layers([([[1.0]], [0.0]), ([[1.0]], [0.0]), ([[1.0]], [0.0])])
    left = region(net, [-1.0])
    assert left.pattern.tolist() == [-1, 0]
    assert [net.patterns(point[None])[0].tolist() for _, point in left.neighbours()] == [[1, 1]]
    right = region(net, [1.0])
    assert right.irredundant().shared[0].tolist() == [0, 1]
    assert [net.patterns(point[None])[0].tolist() for _, point in right.neighbours()] == [[-1, 0]]


def test_an_absolute_value_does_not_change_the_side_of_what_reads_it(nets):
    net = nets.from_layers([([[1.0]], [0.0]), ([[1.0]], [0.0]), ([[1.0]], [0.0])], left=-1.0)
    ((unit, point),) = region(net, [1.0]).neighbours()
    assert unit == 0
    assert net.patterns(point[None])[0].tolist() == [-1, 1]


def test_members_side_by_side_give_the_facets_of_the_whole(nets):
    rng = np.random.default_rng(0)
    first, bias = rng.normal(size=(3, 8)), rng.normal(size=8)
    blocks, inner = rng.normal(size=(2, 4, 4)), rng.normal(size=8)
    last = rng.normal(size=(8, 1))
    shapes = []
    for matrix in (Blocks(blocks), Blocks(blocks).toarray()):
        builder = Builder((3,))
        value = builder.fold(builder.affine(builder.input, first, bias), layer="hidden 1")
        value = builder.fold(builder.affine(value, matrix, inner), layer="hidden 2")
        shapes.append(region(builder.finish(builder.affine(value, last)), [0.1, 0.2, 0.3]).irredundant())
    assert shapes[0].units.tolist() == shapes[1].units.tolist()
    assert np.allclose(*(shape.A for shape in shapes), rtol=0, atol=1e-14)


def test_a_preparation_that_clips_has_creases_too():
    builder = Builder((2,))
    value = builder.clipped(builder.input, -0.5, 0.5, layer="preparation", depth=0)
    value = builder.fold(builder.affine(value, np.ones((2, 1)), [0.2]), layer="hidden 1")
    net = builder.finish(builder.affine(value, np.ones((1, 1))))
    here = region(net, [0.1, 0.7])
    assert here.coefs.tolist() == [[1, 0]]
    assert {net.unit_name(unit) for unit, _ in here.neighbours()} >= {"preparation, unit 2"}


def test_close_to_a_crease_facets_are_still_right(nets):
    net = nets.initialised(8, 20, 20, 1)
    x = np.random.default_rng(1).uniform(-1, 1, 8)
    here = region(net, x)
    row = here.units.tolist().index(here.nearest_unit)
    near = region(net, x + here.distance * (1 - 1e-10) * here.A[row])
    assert near.irredundant().units.tolist() == here.irredundant().units.tolist()


def test_points_that_do_not_fit_are_refused(nets):
    net = nets.initialised(3, 4, 1)
    with pytest.raises(DataError, match="3 inputs"):
        region(net, [1.0, 2.0])
    with pytest.raises(DataError, match="input 1, counted from 0, is 2"):
        region(net, [0.0, 2.0, 0.0], box=(-1, 1))
    with pytest.raises(DataError, match="from 1"):
        region(net, [0.0, 0.0, 0.0], box=(1, 1))
    with pytest.raises(DataError, match="no box for 3 inputs"):
        region(net, [0.0, 0.0, 0.0], box=([0, 0], [1, 1]))
