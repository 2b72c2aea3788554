from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull, HalfspaceIntersection

from planefold.core.errors import DataError, ParameterError
from planefold.reading.boxes.polyhedra import (
    bounding_box,
    chebyshev,
    facets,
    most_vertices,
    normalised,
    twins,
    vertices,
    volume,
)


def drawn(d, m, seed):
    rng = np.random.default_rng(seed)
    A, b = normalised(rng.normal(size=(m, d)), np.zeros(m))
    return A, b + rng.uniform(0.1, 1.5, m)


def cube(d, half=1.0):
    return np.vstack([np.eye(d), -np.eye(d)]), np.full(2 * d, half)


@settings(max_examples=30)
@given(d=st.integers(1, 10), m=st.integers(1, 25), seed=st.integers(0, 10**6))
def test_facets_are_those_that_linear_programmes_find(nets, d, m, seed):
    A, b = drawn(d, m, seed)
    found = facets(A, b, np.zeros(d))
    assert found.rows.tolist() == nets.facets_by_linprog(A, b)
    # Each point lies on its facet, and strictly inside all other rows.
    slack = b - found.points @ A.T
    own = slack[np.arange(len(found.rows)), found.rows]
    assert np.abs(own).max() < 1e-9 * (1 + np.abs(found.points).max())
    slack[np.arange(len(found.rows)), found.rows] = 1
    assert slack.min() > 0


@pytest.mark.parametrize("d", [2, 3, 5, 6, 9])
def test_of_equal_rows_one_is_kept_and_rows_that_touch_only_are_not(d):
    A, b = cube(d)
    touching = np.ones((1, d)) / math.sqrt(d)  # through the corner (1, ..., 1) alone
    rows, ends = np.vstack([A, A[:2], touching]), np.concatenate([b, b[:2], [math.sqrt(d)]])
    found = facets(rows, ends, np.full(d, 0.1))
    assert len(found.rows) == 2 * d
    assert set(found.rows.tolist()) - {2 * d, 2 * d + 1} | {0, 1} == set(range(2 * d))
    which, row = twins(rows, ends, found.rows, np.ones(len(rows)))
    assert np.bincount(which).max() == 2
    assert {tuple(sorted(row[which == k].tolist())) for k in range(2 * d) if (which == k).sum() == 2} == {
        (0, 2 * d),
        (1, 2 * d + 1),
    }


@pytest.mark.parametrize("d", [2, 3, 4, 6, 8])
def test_cones_whose_creases_all_pass_through_one_point(nets, d):
    """All polar points lie in one plane, and redundant rows touch at the tip."""
    rng = np.random.default_rng(d)
    A = normalised(rng.normal(size=(4 * d, d)), np.zeros(4 * d))[0]
    inside = rng.normal(size=d)
    A *= -np.sign(A @ inside)[:, None]
    assert facets(A, np.zeros(4 * d), inside).rows.tolist() == nets.facets_by_linprog(A, np.zeros(4 * d))


def test_a_point_that_is_not_inside_is_refused():
    A, b = cube(2)
    with pytest.raises(DataError, match="not strictly inside"):
        facets(A, b, np.array([1.0, 0.0]))


@settings(max_examples=25)
@given(d=st.integers(2, 5), m=st.integers(2, 25), seed=st.integers(0, 10**6))
def test_corners_are_those_of_halfspace_intersection(d, m, seed):
    A, b = drawn(d, m, seed)
    side, ends = cube(d, 3.0)
    A, b = np.vstack([A, side]), np.concatenate([b, ends])
    corners, bounded = vertices(A, b, np.zeros(d))
    expected = np.unique(HalfspaceIntersection(np.column_stack([A, -b]), np.zeros(d)).intersections.round(7), axis=0)
    assert bounded
    assert np.array_equal(np.unique(corners.round(7) + 0.0, axis=0), expected + 0.0)


@settings(max_examples=25)
@given(d=st.integers(1, 6), m=st.integers(2, 20), seed=st.integers(0, 10**6))
def test_the_ball_is_the_largest_and_the_box_the_smallest(nets, d, m, seed):
    A, b = drawn(d, m, seed)
    side, ends = cube(d, 3.0)
    A, b = np.vstack([A, side]), np.concatenate([b, ends])
    centre, radius = chebyshev(A, b)
    assert (b - A @ centre).min() == pytest.approx(radius)
    assert radius == pytest.approx(nets.ball_by_linprog(A, b))
    lower, upper = bounding_box(A, b)
    corners, _ = vertices(A, b, np.zeros(d))
    assert lower == pytest.approx(corners.min(axis=0))
    assert upper == pytest.approx(corners.max(axis=0))


def test_a_cube():
    for d in (1, 2, 3, 5, 7):
        A, b = cube(d, 0.5)
        corners, bounded = vertices(A, b, np.full(d, 0.2))
        assert len(corners) == 2**d
        assert bounded
        assert volume(A, b, np.full(d, 0.2)) == pytest.approx(1)
        assert chebyshev(A, b)[1] == pytest.approx(0.5)


def test_what_is_unbounded_says_so():
    A, b = np.array([[-1.0, 0.0], [0.0, -1.0]]), np.zeros(2)  # a quadrant
    inside = np.array([1.0, 2.0])
    corners, bounded = vertices(A, b, inside)
    assert corners.tolist() == [[0, 0]]
    assert not bounded
    assert volume(A, b, inside) == math.inf
    assert chebyshev(A, b) == (None, math.inf)
    lower, upper = bounding_box(A, b)
    assert lower.tolist() == [0, 0]
    assert upper.tolist() == [math.inf, math.inf]
    slab = np.array([[1.0, 0.0], [-1.0, 0.0]])  # contains a line
    assert vertices(slab, np.ones(2), np.zeros(2))[0].shape == (0, 2)
    assert facets(slab, np.ones(2), np.zeros(2)).rows.tolist() == [0, 1]
    assert chebyshev(slab, np.ones(2))[1] == pytest.approx(1)
    half_strip = np.vstack([slab, [[0.0, -1.0]]])
    assert facets(half_strip, np.ones(3), np.zeros(2)).rows.tolist() == [0, 1, 2]
    assert volume(half_strip, np.ones(3), np.zeros(2)) == math.inf
    assert len(vertices(half_strip, np.ones(3), np.zeros(2))[0]) == 2


def test_nothing_inside():
    A = np.array([[1.0], [-1.0]])
    assert chebyshev(A, np.array([0.0, -1.0]))[1] < 0


def test_too_many_corners_are_refused_before_the_work():
    assert most_vertices(4, 2) == 4
    assert most_vertices(6, 3) == 8
    assert most_vertices(2, 1) == 2
    assert most_vertices(8, 4) == 20  # the dual of the cyclic polytope
    A, b = drawn(12, 80, 0)
    with pytest.raises(ParameterError, match="may have"):
        vertices(A, b, np.zeros(12))


def test_the_volume_of_a_simplex():
    for d in (2, 3, 6, 8):
        A, b = normalised(np.vstack([-np.eye(d), np.ones((1, d))]), np.append(np.zeros(d), 1.0))
        assert volume(A, b, np.full(d, 0.5 / d)) == pytest.approx(1 / math.factorial(d))


def test_the_volume_of_what_is_almost_flat():
    A, b = cube(3, 0.5)
    b[[2, 5]] = 1e-9
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    assert volume(A @ turn, b, np.zeros(3)) == pytest.approx(2e-9, rel=1e-5)


@pytest.mark.parametrize("d", [5, 6, 7])
def test_both_ways_to_a_volume_agree(d):
    A, b = drawn(d, 3 * d, d)
    side, ends = cube(d, 2.0)
    A, b = np.vstack([A, side]), np.concatenate([b, ends])
    rows = facets(A, b, np.zeros(d)).rows
    A, b = A[rows], b[rows]
    points = np.random.default_rng(0).uniform(-2, 2, (300_000, d))
    share = (points @ A.T <= b).all(axis=1).mean()
    spread = math.sqrt(share / len(points)) * 4**d
    assert abs(volume(A, b, np.zeros(d)) - share * 4**d) < 4 * spread
    if d == 5:
        assert volume(A, b, np.zeros(d)) == pytest.approx(ConvexHull(vertices(A, b, np.zeros(d))[0]).volume, rel=1e-9)
