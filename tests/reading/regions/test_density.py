from __future__ import annotations

import math

import numpy as np
import pytest

from planefold.core.errors import ParameterError
from planefold.networks.affine_builder import Builder
from planefold.reading.boxes.density import count_along_lines, expected_density
from planefold.reading.boxes.enumeration import count_regions


def test_a_grid_of_creases_has_the_density_that_geometry_says(nets):
    # 9 parallel planes in a unit cube: a line of direction u meets 10 |u_1| per unit; E|u_1| = 1/2 in 3 dimensions.
    coef = np.zeros((3, 10))
    coef[0] = 1
    net = nets.from_layers([(coef, -(np.arange(10) + 0.5) / 10), (np.ones((10, 1)), np.zeros(1))])
    counts = count_along_lines(net, (0, 1), 4000)
    assert abs(counts.density - 10 / 2) < 4 * counts.density_error
    assert counts.unit_densities.sum() == pytest.approx(counts.density)
    assert counts.standard_error < 0.1


def test_the_box_may_be_of_any_shape(nets):
    net = nets.initialised(3, 10, 10, 1)
    stretch, shift = np.array([1.0, 100.0, 0.01]), np.array([5.0, 0.0, -3.0])
    stretched = net.after_affine(np.diag(1 / stretch), -shift / stretch)
    plain = count_along_lines(net, (-1, 1), 20)
    other = count_along_lines(stretched, (shift - stretch, shift + stretch), 20)
    assert np.array_equal(plain.crossings, other.crossings)
    assert plain.lengths == pytest.approx(other.lengths)


@pytest.mark.parametrize("widths", [(2, 16, 16, 1), (2, 64, 64, 1), (3, 16, 16, 1), (3, 32, 32, 1)])
def test_the_expected_count_is_near(nets, widths):
    for seed in (0, 1, 2):
        net = nets.initialised(*widths, seed=seed)
        expected = count_along_lines(net, (-1, 1), 500).expected_regions
        assert count_regions(net, (-1, 1)).n_regions == pytest.approx(expected, rel=0.2)


def test_on_a_line_the_expectation_is_the_count(nets):
    net = nets.initialised(1, 8, 1)
    assert count_along_lines(net, (-1, 1), 5).expected_regions == pytest.approx(count_regions(net, (-1, 1)).n_regions)


def test_the_same_seed_gives_the_same_lines(nets):
    net = nets.initialised(4, 8, 1)
    first, second, other = (count_along_lines(net, (-1, 1), 10, random_state=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.lengths, second.lengths)
    assert not np.array_equal(first.lengths, other.lengths)


def test_the_formula():
    assert expected_density((3, 6, 4)) == pytest.approx(1000 / 6)
    assert expected_density((3, 10), constant=0.5) == pytest.approx(125 / 6)
    assert math.isfinite(expected_density((50, 1000)))
    with pytest.raises(ParameterError, match="0 hidden units"):
        expected_density((3,))


def test_units_of_the_preparation_are_not_hidden_units():
    builder = Builder((2,))
    value = builder.clipped(builder.input, -1, 1, layer="preparation", depth=0)
    value = builder.fold(builder.affine(value, np.ones((2, 5)), np.arange(5.0)), layer="hidden 1")
    net = builder.finish(builder.affine(value, np.ones((5, 1))))
    assert expected_density(net) == pytest.approx(25 / 2)


def test_one_line_has_no_standard_error(nets):
    with pytest.raises(ParameterError, match="n_lines=1"):
        count_along_lines(nets.initialised(2, 3, 1), (-1, 1), 1)
