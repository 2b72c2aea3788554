"""That windows and planes are taken as they are meant, and refused with a reason otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from planefold.core.errors import DataError, ParameterError
from planefold.networks.affine_builder import Builder
from planefold.reading.slices.planes import planes
from planefold.reading.slices.windows import contains, polygon_area, window_corners


def test_polygons_turn_counter_clockwise_and_lose_flat_corners():
    expected = [[0, 0], [2, 0], [2, 1], [0, 1]]
    np.testing.assert_array_equal(window_corners(((0, 2), (0, 1))), expected)
    clockwise = [[0, 1], [2, 1], [2, 0], [1, 0], [0, 0]]
    assert {tuple(corner) for corner in window_corners(clockwise)} == {tuple(corner) for corner in expected}
    assert polygon_area(window_corners(clockwise)) == 2
    repeated = [[0, 0], [2, 0], [2, 0], [2, 1], [0, 1], [0, 0]]
    assert len(window_corners(repeated)) == 4


def test_points_in_a_polygon():
    corners = window_corners([[0, 0], [1, 0], [0, 1]])
    points = np.array([[0.2, 0.2], [0.5, 0.5], [0.6, 0.6], [0, 0], [-0.1, 0.5]])
    np.testing.assert_array_equal(contains(corners, points), [True, True, False, True, False])


@pytest.mark.parametrize(
    ("window", "said"),
    [
        (((1, 1), (0, 1)), "from 1 to 1 by 0 to 1 is empty"),
        (((1, 0), (0, 1)), "is empty"),
        (((0, np.inf), (0, 1)), "not bounded"),
        (((0, np.nan), (0, 1)), "not bounded"),
        ([[0, 0], [1, 1], [2, 2]], "no area"),
        ([[0, 0], [0, 0], [0, 0]], "no area"),
        ([[0, 0], [2, 0], [1, 0.5], [2, 2]], "not convex"),
        ([[0, 0], [1, 1], [1, 0], [0, 1]], "not convex"),
        ([(np.cos(a), np.sin(a)) for a in 0.8 * np.pi * np.arange(5)], "not convex"),
        (((0, 1e150), (0, 1)), "beyond 1e.100"),
        (((0, 1e-150), (0, 1e-150)), "within 1e-100 of 0"),
        (((1e6, 1e6 + 1e-9), (0, 1)), "so narrow"),
        ((0, 1), "no window of a plane"),
        ("all", "no window of a plane"),
        ([[0, 0, 0], [1, 1, 1]], "no window of a plane"),
    ],
)
def test_windows_that_are_none(initialised, window, said):
    with pytest.raises(DataError, match=said):
        planes(initialised(2, 3, 1), window)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({}, ParameterError, "4 inputs, so a plane through them must be chosen"),
        ({"directions": np.zeros((2, 4))}, DataError, r"directions\[0\] is zero"),
        ({"directions": np.ones((2, 4))}, DataError, "multiples of each other"),
        ({"directions": [[1, 0, 0, 0], [-1e-20, 0, 0, 0]]}, DataError, "multiples of each other"),
        ({"directions": [[1, 0, 0, np.nan], [0, 1, 0, 0]]}, DataError, "directions holds nan"),
        ({"directions": np.eye(3)[:2]}, DataError, r"shape \(2, 3\), and two of 4 inputs have shape \(2, 4\)"),
        ({"directions": np.eye(4)[:1]}, DataError, r"shape \(1, 4\)"),
        ({"directions": np.eye(4)[:2], "origin": [0, 0]}, DataError, "origin has 2 numbers"),
        ({"directions": np.eye(4)[:2], "origin": [0, np.inf, 0, 0]}, DataError, "origin holds inf"),
        ({"directions": (0, 0)}, DataError, "one and the same input"),
        ({"directions": (0, 7)}, ParameterError, "input 7 does not exist: there are 4"),
        ({"directions": (0, "age")}, ParameterError, 'no input "age"'),
        ({"directions": "up"}, DataError, "not made of numbers|shape"),
    ],
)
def test_planes_that_are_none(initialised, arguments, error, said):
    with pytest.raises(error, match=said):
        planes(initialised(4, 3, 1), ((-1, 1), (-1, 1)), **arguments)


@pytest.mark.parametrize("size", [1e-90, 1e-9, 1e6, 1e90])
@pytest.mark.parametrize("centre", [0.0, 1.0, 1e6])
def test_the_size_and_the_place_of_a_window_do_not_matter(initialised, size, centre):
    """The same picture in other coordinates: as many regions, with the same shares of the area."""
    net = initialised(2, 12, 12, 1)
    found = planes(net, ((-1, 1), (-1, 1)))
    moved = net.after_affine(np.eye(2) / size, np.full(2, -centre))
    there = planes(moved, ((size * (centre - 1), size * (centre + 1)),) * 2)
    assert there.n_regions == found.n_regions
    np.testing.assert_allclose(np.sort(there.areas) / size**2, np.sort(found.areas), atol=1e-7)


def test_units_of_very_different_sizes():
    """What a unit is multiplied by, and divided by behind its fold, changes nothing."""
    rng = np.random.default_rng(0)
    counts = []
    for spread in (0, 8):
        builder = Builder((2,))
        value, weights = builder.input, np.random.default_rng(1)
        for number, (fan_in, fan_out) in enumerate([(2, 16), (16, 16)], start=1):
            sizes = 2.0 ** np.round(rng.uniform(-spread, spread, fan_out) / np.log10(2))
            matrix, bias = weights.normal(size=(fan_in, fan_out)), weights.normal(size=fan_out)
            value = builder.fold(builder.affine(value, matrix * sizes, bias * sizes), layer=f"hidden {number}")
            value = builder.affine(value, np.diag(1 / sizes))
        found = planes(builder.finish(builder.affine(value, np.ones((16, 1)))), ((-1, 1), (-1, 1)))
        counts.append((found.n_regions, found.n_pieces, found.certificate.exact))
    assert counts[0] == counts[1]
