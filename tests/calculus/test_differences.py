"""Differences against derivatives known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import rosen, rosen_der

from planefold.calculus import central_difference
from planefold.core.errors import ParameterError, PlanefoldError


@pytest.mark.parametrize(("epsilon", "slope"), [(0.01, 3.0001), (1e-4, 3.00000001)])
def test_the_worked_example_of_the_cube(epsilon, slope):
    assert central_difference(lambda t: t**3, 1.0, epsilon) == pytest.approx(slope, abs=2e-12)


def test_the_error_falls_with_the_square_of_the_step():
    errors = [central_difference(np.exp, 0.0, epsilon) - 1 for epsilon in (0.1, 0.05)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=1e-3)
    assert errors[0] == pytest.approx(0.1**2 / 6, rel=1e-3)  # epsilon^2 J''' / 6


@given(arrays(np.float64, st.integers(2, 5), elements=st.floats(-3, 3)))
def test_the_gradient_of_rosenbrocks_valley(x):
    np.testing.assert_allclose(central_difference(rosen, x), rosen_der(x), rtol=1e-5, atol=1e-5)


def test_a_table_of_parameters_has_a_table_of_slopes():
    A = np.arange(6.0).reshape(2, 3)
    slopes = central_difference(lambda W: (A * W**2).sum(), np.ones((2, 3)))
    np.testing.assert_allclose(slopes, 2 * A, atol=1e-8)


def test_a_number_has_one_slope_and_is_given_as_a_number():
    def square(x):
        assert isinstance(x, float)
        return x**2

    slope = central_difference(square, 3)
    assert isinstance(slope, float)
    assert slope == pytest.approx(6)


def test_what_was_given_stays_as_it_was():
    x = np.array([1.0, 2.0])
    central_difference(np.sum, x)
    assert x.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("epsilon", [0, -1e-6, float("nan"), "small"])
def test_a_step_that_is_none_is_refused(epsilon):
    with pytest.raises(ParameterError, match="must be a positive number"):
        central_difference(np.sum, 1.0, epsilon)


def test_a_step_that_rounding_swallows_is_refused():
    with pytest.raises(ParameterError, match="too small to move"):
        central_difference(np.sum, 1e12, 1e-6)


@pytest.mark.parametrize(
    ("function", "x", "words"),
    [
        ("x**2", 1.0, "'x\\*\\*2' is not a function"),
        (lambda x, y: x * y, [1.0, 2.0], "takes several arguments"),
        (np.exp, [1.0, 2.0], "one number is needed"),
        (lambda x: None, 1.0, "gives None"),
        (np.exp, "one", "x='one' is not a number"),
    ],
)
def test_what_cannot_be_differentiated_is_told(function, x, words):
    with pytest.raises(PlanefoldError, match=words):
        central_difference(function, x)


def test_a_wrong_call_inside_of_the_function_is_its_own_error():
    def product(x, y):
        return x * y

    with pytest.raises(TypeError, match="required positional argument"):
        central_difference(lambda p: product(p), 1.0)


def test_a_tensor_and_an_array_of_one_number_are_numbers():
    for function in (lambda p: p[:1] ** 2, lambda p: torch.tensor(p[0]) ** 2):
        np.testing.assert_allclose(central_difference(function, [3.0, 1.0]), [6, 0], atol=1e-8)
