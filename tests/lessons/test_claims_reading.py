"""What lecture slides say of planes and regions, against brute force, exact arithmetic and large samples.

The lessons `planes_1d` to `nodes_and_layers` show each claim on a few networks; here it is checked on many, and by
other means than the library's.
"""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy.optimize import linprog

from planefold.networks import from_weights
from planefold.reading import boundary, bounds, class_regions, function, planes, random_net, regions, study

PLANE = ((-1000.0, 1000.0), (-1000.0, 1000.0))  # practically all of it
NEAR = ((-25.0, 25.0), (-25.0, 25.0))

# Integer weights with which the border of two classes runs through every plane: hidden weights and biases, output
# weights and bias.
ALL_CROSSED = {
    4: ([[1, 1, -2, 2], [4, -4, -3, 4]], [1, -3, 4, 2], [-7, 1, 6, 6], -34),
    5: ([[4, 4, 2, 1, -2], [1, 0, 4, 4, -3]], [4, 2, -1, 3, -1], [-9, 8, 9, -3, -3], 16),
}


# ------------------------------------------------------------------------------------------------- how many planes


def n_cells(matrix, bias):
    """Count by linear programs the sides of hyperplanes that have an interior, a program for each of 2^n patterns."""
    n, d = matrix.shape
    count = 0
    for signs in product([-1.0, 1.0], repeat=n):
        side = np.array(signs)
        # The largest slack, at most 1, with which side * (matrix @ x + bias) >= slack.
        found = linprog(
            [*np.zeros(d), -1], A_ub=np.column_stack([-side[:, None] * matrix, np.ones(n)]), b_ub=side * bias,
            bounds=[(None, None)] * d + [(None, 1)],
        )  # fmt: skip
        count += found.status == 0 and -found.fun > 1e-9
    return count


@pytest.mark.parametrize(("d", "n"), [(1, 4), (2, 2), (2, 3), (2, 4), (2, 5), (3, 4), (3, 5)])
def test_a_random_hidden_layer_has_as_many_planes_as_there_can_be(d, n):
    most = sum(math.comb(n, k) for k in range(d + 1))
    rng = np.random.default_rng(10 * d + n)
    matrix, bias = rng.normal(size=(n, d)), rng.normal(size=n)
    net = from_weights([matrix.T, rng.normal(size=(n, 1))], [bias, [0]])
    if d == 1:
        found = function(net).n_pieces
    elif d == 2:
        found = planes(net, PLANE).n_pieces
    else:
        found = regions(net, ([-1e4] * d, [1e4] * d)).n_regions
    assert n_cells(matrix, bias) == found == most == bounds((d, n, 1)).upper


def test_limits_of_two_layers_are_kept_and_that_of_2_2_2_is_reached():
    assert [bounds(shape).upper for shape in [(2, 2, 2, 1), (2, 3, 1, 1), (2, 3, 4, 1), (2, 12, 1)]] == [11, 14, 59, 79]
    counts = [planes(random_net((2, 2, 2, 1), seed, init="normal"), PLANE).n_regions for seed in range(20)]
    assert max(counts) == 11


# --------------------------------------------------------------------------------------- decision regions on a line


def n_intervals(facing, places, weights, bias):
    """Count the intervals of one class from the values at the breakpoints and the signs at both ends of the line."""
    at = np.maximum(facing * (places[:, None] - places), 0) @ weights + bias
    slopes = (-(weights @ (facing < 0)), weights @ (facing > 0))  # far on the left, far on the right
    ends = [np.sign(direction * slope) or np.sign(value)
            for direction, slope, value in zip((-1, 1), slopes, at[[0, -1]], strict=True)]  # fmt: skip
    above = np.array([ends[0], *np.sign(at), ends[1]]) > 0
    return 1 + int((above[1:] != above[:-1]).sum())


@pytest.mark.parametrize(("n", "most"), [(1, 2), (2, 3), (3, 5)])
def test_all_small_networks_on_a_line_have_at_most_so_many_decision_regions(n, most):
    """Whatever the input's scale, one breakpoint may be 0, the next 1; a grid of everything else."""
    grid = [-2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0]
    seen, rng = 0, np.random.default_rng(0)
    for last in (2.0, 3.0) if n == 3 else (1.0,):
        places = np.array([0.0, 1.0, last])[:n]
        for facing in product([-1.0, 1.0], repeat=n):
            for weights in product(grid, repeat=n):
                at = np.maximum(np.array(facing) * (places[:, None] - places), 0) @ weights
                heights = np.unique(at)  # the zero level lies between two of them, or beyond
                for bias in -np.concatenate([[heights[0] - 1], (heights[1:] + heights[:-1]) / 2, [heights[-1] + 1]]):
                    found = n_intervals(np.array(facing), places, np.array(weights), bias)
                    seen = max(seen, found)
                    if rng.random() < (0.02 if n < 3 else 0.002):
                        hidden = [np.array(facing)[None], -np.array(facing) * places]
                        net = from_weights([hidden[0], np.array(weights)[:, None]], [hidden[1], [bias]])
                        assert len(function(net).classes().classes) == found
    assert seen == most == bounds((1, n, 1)).borders.upper


@pytest.mark.parametrize("n", [3, 4, 5, 6])
def test_from_three_units_on_there_are_n_plus_two(n):
    """One unit faces left, the third. Slopes 1, -1, 0.5, -0.5, ..., and values at the bends that alternate."""
    slopes = np.array([1.0, -1.0, *(0.5 * (-1.0) ** np.arange(n - 1))])
    heights = (-1.0) ** np.arange(n)
    places = np.concatenate([[0], np.cumsum(np.diff(heights) / slopes[1:-1])])
    facing = np.where(np.arange(n) == 2, -1.0, 1.0)
    weights = np.diff(slopes)
    bias = heights[0] - np.maximum(facing * (places[0] - places), 0) @ weights
    assert slopes[0] == -weights[2]  # tied: minus the slope change of the unit that faces left
    read = function(from_weights([facing[None], weights[:, None]], [-facing * places, [bias]]))
    np.testing.assert_allclose(read.slopes[:, 0], slopes)
    assert len(read.classes().classes) == n_intervals(facing, places, weights, bias) == n + 2


# --------------------------------------------------------------------------------------------- border pieces on a map


@pytest.mark.parametrize(("n", "most"), [(1, 1), (2, 3), (3, 6)])
def test_the_border_of_up_to_three_units_misses_a_plane(n, most):
    """Not one piece on each of the (n^2 + n + 2) / 2 planes.

    Where all units are off the output is constant. With n = 1, 2 that plane is always there. With n = 3 one of the
    eight patterns is missing, that of the triangle turned round; so all must be on in the triangle. In the plane
    beyond corner j unit j alone is on, v_j h_j + c, which has a border only if v_j H_j < -c (say c < 0), where H_j is
    h_j at that corner. In the triangle the h_j / H_j add up to 1, so there the output is a mean of v_j H_j + c, all
    negative: no border.
    """
    rng = np.random.default_rng(n)
    seen = 0
    for _ in range(40):
        matrix, bias = rng.normal(size=(2, n)), rng.normal(size=n)
        found = planes(from_weights([matrix, np.ones((n, 1))], [bias, [0]]), PLANE)
        hidden = np.maximum(found.vertices @ matrix + bias, 0)
        weights = rng.normal(size=(n, 2000))
        shift = rng.normal(size=2000) * 10 ** rng.uniform(-1, 3, 2000)  # the planes reach to 1000
        above = (hidden @ weights + shift > 0)[found.polygon_vertices].astype(int)
        n_above = np.add.reduceat(above, found.polygon_starts[:-1], axis=0)
        crossed = (n_above > 0) & (n_above < np.diff(found.polygon_starts)[:, None])
        seen = max(seen, int(crossed.sum(axis=0).max()))
    assert seen <= most == bounds((2, n, 1)).borders.upper
    best = {
        1: ([[1], [0]], [0], [1], -1),
        2: ([[1, 0], [0, 1]], [0, 0], [1, 1], -1),
        3: ([[1, 0, -1], [0, 1, -1]], [0, 0, 1], [1, 1, 1], -1.5),
    }[n]
    assert boundary(planes(network(best), PLANE)).n_segments == most


def network(weights):
    hidden, biases, output, bias = weights
    return from_weights([hidden, np.array(output)[:, None]], [biases, [bias]])


@pytest.mark.parametrize("n", [4, 5])
def test_the_border_of_four_and_five_units_can_cross_every_plane(n):
    most = (n * n + n + 2) // 2
    found = planes(network(ALL_CROSSED[n]), PLANE)
    assert found.n_pieces == boundary(found).n_segments == most
    # Without the library: in every plane points above and below the border. Integer weights and points with 10 binary
    # digits behind the point are computed without rounding.
    hidden, biases, output, bias = (np.array(part, dtype=float) for part in ALL_CROSSED[n])
    rng = np.random.default_rng(0)
    points = np.vstack([np.round(rng.uniform(-side, side, size=(200_000, 2)) * 1024) / 1024 for side in (2, 20, 200)])
    sums = points @ hidden + biases
    height = np.maximum(sums, 0) @ output + bias
    patterns = (sums > 0) @ 2 ** np.arange(n)
    inside = (sums != 0).all(axis=1)
    both = set(patterns[inside & (height > 0)]) & set(patterns[inside & (height < 0)])
    assert len(both) == most == bounds((2, n, 1)).borders.attained


@pytest.mark.parametrize("n_classes", [1, 3])
def test_areas_of_decisions_are_those_of_a_sample(n_classes):
    net = random_net((2, 8, 8, n_classes), 3, init="normal")
    window = ((-3.0, 3.0), (-2.0, 2.0))
    found = class_regions(planes(net, window))
    assert found.area_shares.sum() == pytest.approx(1, abs=1e-12)
    assert found.areas.sum() == pytest.approx(24)
    values = net.outputs(np.random.default_rng(0).uniform([-3, -2], [3, 2], size=(200_000, 2)))
    classes = values.argmax(axis=1) if n_classes > 1 else (values[:, 0] > 0).astype(int)
    shares = np.bincount(classes, minlength=len(found.area_shares)) / len(classes)
    np.testing.assert_allclose(found.area_shares, shares, atol=4 * 0.5 / math.sqrt(len(classes)))
    assert (shares > 0.02).sum() > 1


# ------------------------------------------------------------------------------------------- deeper creases, and layers


def test_new_creases_are_parallel_to_old_ones_for_about_42_percent_of_their_length():
    lengths, differ = np.zeros((500, 2)), 0
    for seed in range(len(lengths)):
        net = random_net((2, 3, 3, 1), seed)
        creases = planes(net, PLANE).creases()
        new = creases.segments[creases.depths == 2]
        ways = new[:, 1] - new[:, 0]
        length = np.linalg.norm(ways, axis=1)
        old = net.maps_of_units(np.ones(net.n_units, dtype=np.int8))[0][:3]
        sines = np.abs(ways @ (old / np.linalg.norm(old, axis=1, keepdims=True)).T) / length[:, None]
        is_parallel = (sines < 1e-6).any(axis=1)
        alone = (net.sums_of_units(new.mean(axis=1))[:, :3] > 0).sum(axis=1) == 1
        sure = length > 1e-3  # the direction of a shorter piece is mostly rounding
        differ += (is_parallel != alone)[sure].sum()
        lengths[seed] = length[alone].sum(), length.sum()
    share = lengths[:, 0].sum() / lengths[:, 1].sum()
    error = np.std(lengths[:, 0] - share * lengths[:, 1]) / lengths[:, 1].mean() / math.sqrt(len(lengths))
    assert differ == 0
    assert error < 0.016
    assert share == pytest.approx(0.42, abs=3 * error)


def test_a_layer_is_an_advantage_for_its_cost_and_no_multiplication():
    wide, deep, plain = study([(2, 12, 1), (2, 3, 4, 1), (2, 3, 1)], seeds=range(100), window=NEAR).counts
    (narrow,) = study([(2, 3, 1, 1)], seeds=range(100), window=PLANE).counts
    assert (wide.n_multiplications, deep.n_multiplications) == (36, 22)
    assert (round(wide.bounds.upper / 36, 1), round(deep.bounds.upper / 22, 1)) == (2.2, 2.7)
    assert wide.n_pieces.mean() == pytest.approx(77, abs=1)
    assert deep.n_pieces.mean() == pytest.approx(20.4, abs=2)
    assert plain.n_pieces.mean() == pytest.approx(6.9, abs=0.1)
    assert narrow.n_pieces.mean() == pytest.approx(6.0, abs=0.5)
    assert narrow.n_regions.mean() == pytest.approx(10.1, abs=0.5)
    assert narrow.n_pieces.max() > plain.n_pieces.max() == 7
