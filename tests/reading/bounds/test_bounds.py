"""Bounds against brute force, closed forms, networks that attain them and networks that must not pass them."""

from __future__ import annotations

import math
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planefold.core.errors import ParameterError
from planefold.networks.affine_builder import Builder
from planefold.reading.architectures import random_net
from planefold.reading.capacity import bounds
from planefold.reading.segments.lines import function

WIDTHS = st.lists(st.integers(1, 6), min_size=1, max_size=3)


def serra_as_printed(d, widths):
    total = 0
    for js in product(*(range(n + 1) for n in widths)):
        dimension, allowed = d, True
        for j, n in zip(js, widths, strict=True):
            allowed &= j <= min(dimension, n)
            dimension = min(dimension, n - j)
        total += allowed * math.prod(math.comb(n, j) for n, j in zip(widths, js, strict=True))
    return total


@settings(max_examples=50)
@given(st.integers(1, 7), WIDTHS)
def test_sums_are_those_of_the_papers(d, widths):
    found = bounds((d, *widths, 1))
    assert found.serra_upper == serra_as_printed(d, widths)
    assert found.montufar_upper == math.prod(
        sum(math.comb(n, j) for j in range(min(d, *widths[: k + 1]) + 1)) for k, n in enumerate(widths)
    )
    assert found.montufar_lower <= found.serra_upper <= found.montufar_upper
    if len(widths) == 1:
        assert found.zaslavsky == found.serra_upper == found.montufar_upper == found.montufar_lower


@pytest.mark.parametrize(
    ("architecture", "upper"),
    [((2, 2, 2, 1), 11), ((2, 3, 1, 1), 14), ((2, 3, 4, 1), 59), ((2, 12, 1), 79), ((3, 1), 1), ((1, 7, 1), 8)],
)
def test_known_values(architecture, upper):
    assert bounds(architecture).upper == upper


@pytest.mark.parametrize("n", range(1, 30))
def test_one_layer_on_two_inputs_has_the_deck_s_number_of_planes(n):
    assert bounds((2, n, 1)).zaslavsky == (n * n + n + 2) // 2


def test_wide_networks_are_no_matter():
    found = bounds((2, 256, 256, 256, 1))
    assert found.serra_upper == (256 * 257 // 2 + 1) ** 3  # nothing is lost while 254 units are active
    assert bounds((784, 2000, 2000, 10)).upper > 10**600
    assert "about 10^" in str(bounds((784, 2000, 2000, 10)))
    assert found.used(79_783) == pytest.approx(79_783 / found.upper)


@settings(max_examples=40)
@given(WIDTHS, st.integers(0, 10**6))
def test_no_function_passes_the_bound(hidden, seed):
    net = random_net((1, *hidden, 1), seed, init="normal")
    assert function(net).n_regions <= bounds(net).upper == bounds((1, *hidden, 1)).upper


@pytest.mark.parametrize("n", [3, 4, 5, 8])
def test_the_deck_s_number_of_classes_on_a_line_is_attained(n):
    """One unit faces left, the third; the slopes 1, -1, 0.5, -0.5, 0.5, ... leave every piece a crossing."""
    slopes = np.array([1, -1] + [0.5 * (-1) ** k for k in range(n - 1)])
    heights = np.array([(-1.0) ** k for k in range(n)])  # at the creases
    places = np.concatenate([[0], np.cumsum(np.diff(heights) / slopes[1:-1])])
    facing = np.where(np.arange(n) == 2, -1.0, 1.0)
    changes = np.diff(slopes)
    builder = Builder((1,))
    hidden = builder.fold(builder.affine(builder.input, facing[None], -facing * places), layer="hidden 1")
    value = builder.affine(hidden, changes[:, None], [0.0])
    shape = function(builder.finish(value))
    bias = heights[0] - shape(places[0])[0]
    found = function(builder.finish(builder.affine(hidden, changes[:, None], [bias])))
    np.testing.assert_allclose(found(places)[:, 0], heights)
    np.testing.assert_allclose(found.slopes[:, 0], slopes)
    borders = bounds((1, n, 1)).borders
    assert len(found.classes().classes) == n + 2 == borders.upper == borders.attained


@pytest.mark.parametrize(("n", "most"), [(1, 2), (2, 3)])
def test_one_and_two_units_do_not_reach_it(n, most):
    rng = np.random.default_rng(n)
    seen = 0
    for _ in range(300):
        builder = Builder((1,))
        hidden = builder.fold(builder.affine(builder.input, rng.normal(size=(1, n)), rng.normal(size=n)), layer="h")
        shape = builder.affine(hidden, rng.normal(size=(n, 1)), rng.normal(size=1))
        seen = max(seen, len(function(builder.finish(shape)).classes().classes))
    assert seen == most == bounds((1, n, 1)).borders.upper


def test_borders_say_what_is_proved():
    assert [bounds((2, n, 1)).borders.attained for n in range(1, 7)] == [1, 3, 6, 11, 16, None]
    assert [bounds((2, n, 1)).borders.upper for n in range(1, 7)] == [1, 3, 6, 11, 16, 22]
    assert "not known" in bounds((2, 6, 1)).borders.note
    assert bounds((1, 2, 2, 1)).borders.upper == 10
    assert bounds((2, 2, 2, 1)).borders.upper == 11
    assert bounds((3, 2, 1)).borders is None


# ----------------------------------------------------------------------------------------------------- other networks


def test_what_holds_for_relu_alone_is_not_said_of_others():
    def net(left):
        builder = Builder((2,))
        hidden = builder.fold(builder.affine(builder.input, np.ones((2, 3)), np.ones(3)), layer="h", left=left)
        hidden = builder.fold(builder.affine(hidden, np.ones((3, 3)), np.ones(3)), layer="h", left=left)
        return builder.finish(builder.affine(hidden, np.ones((3, 1))))

    relu, leaky = bounds(net(0.0)), bounds(net(0.1))
    assert relu == bounds((2, 3, 3, 1))
    assert (leaky.serra_upper, leaky.montufar_lower) == (None, None)
    assert leaky.upper == 49 > relu.upper


def test_clips_residuals_and_bottlenecks_are_counted():
    builder = Builder((2,))
    clipped = builder.clipped(builder.affine(builder.input, np.ones((2, 3)), np.arange(3.0)), 0, 1, layer="clip")
    net = builder.finish(builder.affine(clipped, np.ones((3, 1))))
    assert bounds(net).widths == (6,)  # two creases each
    assert bounds(net).upper == 22

    builder = Builder((2,))
    first = builder.fold(builder.affine(builder.input, np.ones((2, 1))), layer="one")
    both = builder.total([builder.affine(first, np.ones((1, 2))), builder.input])
    second = builder.fold(builder.affine(both, np.ones((2, 5))), layer="two")
    residual = bounds(builder.finish(builder.affine(second, np.ones((5, 1)))))
    assert residual.serra_upper is None
    assert residual.upper == 2 * 16  # the second layer sees both inputs, past the single unit

    builder = Builder((9,))
    narrow = builder.node(builder.affine(builder.input, np.ones((9, 1))))
    second = builder.fold(builder.affine(narrow, np.ones((1, 5))), layer="one")
    assert bounds(builder.finish(builder.affine(second, np.ones((5, 1))))).upper == 6


def test_a_slice_has_its_own_dimension():
    assert bounds((30, 12, 1), n_inputs=2) == bounds((2, 12, 1))
    assert bounds(random_net((30, 12, 1), 0), n_inputs=2).upper == 79


@pytest.mark.parametrize("architecture", [(2, 0, 1), (2, 2.5, 1), (2,), (True, 2, 1), (2, -3, 1)])
def test_what_is_no_architecture_is_refused(architecture):
    with pytest.raises(ParameterError, match=r"architecture|whole number"):
        bounds(architecture)


def test_used_capacity_is_a_share():
    found = bounds((2, 3, 1))
    assert [found.used(count) for count in (7, 3)] == [1.0, 3 / 7]
    for count in (8, 0):
        with pytest.raises(ParameterError, match="between 1 and the bound 7"):
            found.used(count)


def test_expected_numbers_grow_with_units_to_the_power_of_the_inputs():
    assert bounds((2, 16, 16, 1)).expected(4.0) == pytest.approx(32**2 / 2 * 4)
    assert bounds((1, 10, 1)).expected(2.0, constant=0.5) == pytest.approx(10)
    assert bounds((3, 1)).expected() == 1
    assert bounds((5, 2, 1)).expected() == pytest.approx(4)
    assert bounds((3000, 4000, 1)).expected() == math.inf
    ratios = [bounds((2, n, n, 1)).expected() / bounds((2, 2 * n, 1)).expected() for n in (4, 40)]
    assert ratios == pytest.approx([1, 1])  # the depth does not matter
    assert all(a < b for a, b in pairwise(bounds((2, n, 1)).expected() for n in (2, 4, 8)))
