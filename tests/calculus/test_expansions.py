"""Taylor expansions against the series of textbooks, against polynomials, and against the functions themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from scipy.interpolate import approximate_taylor_polynomial

from planefold.calculus import gradient, hessian, taylor
from planefold.core.errors import DataError, ParameterError

BERNOULLI = special.bernoulli(40)


def _tan(k):
    """Coefficient of x^k of tan: only odd ones, by the Bernoulli numbers."""
    if k % 2 == 0:
        return 0.0
    n = k + 1
    return float((-1) ** (n // 2 + 1) * 2.0**n * (2.0**n - 1) * BERNOULLI[n] / math.factorial(n))


# Abramowitz and Stegun, "Handbook of Mathematical Functions", chapters 3, 4 and 7; about 0.
SERIES = {
    "exp": (np.exp, lambda k: 1 / math.factorial(k)),
    "exp2": (np.exp2, lambda k: math.log(2) ** k / math.factorial(k)),
    "expm1": (np.expm1, lambda k: (k > 0) / math.factorial(k)),
    "sin": (np.sin, lambda k: (k % 2) * (-1) ** (k // 2) / math.factorial(k)),
    "cos": (np.cos, lambda k: (k % 2 == 0) * (-1) ** (k // 2) / math.factorial(k)),
    "sinh": (np.sinh, lambda k: (k % 2) / math.factorial(k)),
    "cosh": (np.cosh, lambda k: (k % 2 == 0) / math.factorial(k)),
    "tan": (np.tan, _tan),
    "tanh": (np.tanh, lambda k: (-1) ** (k // 2) * _tan(k)),
    "log1p": (np.log1p, lambda k: k and (-1) ** (k + 1) / k),
    "arctan": (np.arctan, lambda k: (k % 2) * (-1) ** (k // 2) / max(k, 1)),
    "arctanh": (np.arctanh, lambda k: (k % 2) / max(k, 1)),
    "arcsin": (np.arcsin, lambda k: (k % 2) * math.comb(k - 1, (k - 1) // 2) / 2 ** (k - 1) / k if k % 2 else 0),
    "1/(1-x)": (lambda x: 1 / (1 - x), lambda k: 1),
    "1/(1+x^2)": (lambda x: 1 / (1 + x**2), lambda k: (k % 2 == 0) * (-1) ** (k // 2)),
    "sqrt(1+x)": (lambda x: np.sqrt(1 + x), lambda k: special.binom(0.5, k)),
    "cbrt(1+x)": (lambda x: np.cbrt(1 + x), lambda k: special.binom(1 / 3, k)),
    "(1+x)^-2.5": (lambda x: (1 + x) ** -2.5, lambda k: special.binom(-2.5, k)),
    "erf": (
        special.erf,
        lambda k: (k % 2) * 2 / math.sqrt(math.pi) * (-1) ** (k // 2) / math.factorial(k // 2) / max(k, 1),
    ),
    "exp(x^2)": (lambda x: np.exp(x**2), lambda k: (k % 2 == 0) / math.factorial(k // 2)),
    "expit": (special.expit, lambda k: 0.5 * (k == 0) + 0.5 * (-1) ** (k // 2) * _tan(k) / 2**k),
}


@pytest.mark.parametrize("name", SERIES)
def test_series_of_textbooks_to_order_30(name):
    function, coefficient = SERIES[name]
    expansion = taylor(function, 0.0, 30)
    expected = np.array([coefficient(k) for k in range(31)], dtype=float)
    np.testing.assert_allclose(expansion.coefficients, expected, rtol=1e-11, atol=1e-15)
    factorials = np.array([math.factorial(k) for k in range(31)], dtype=float)
    np.testing.assert_allclose(np.array(expansion.derivatives) / factorials, expected, rtol=1e-11, atol=1e-15)


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=7), st.integers(-4, 4))
def test_a_polynomial_is_its_own_expansion(coefficients, at):
    polynomial = np.polynomial.Polynomial(coefficients)
    expansion = taylor(lambda x: sum(c * x**k for k, c in enumerate(coefficients)), at, len(coefficients) - 1)
    by_hand = [polynomial.deriv(k)(at) if k else polynomial(at) for k in range(len(coefficients))]
    np.testing.assert_allclose(expansion.derivatives, by_hand, rtol=1e-13, atol=1e-9)
    x = np.linspace(-3, 3, 7)
    np.testing.assert_allclose(expansion(x), polynomial(x), rtol=1e-9, atol=1e-6)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2))
def test_of_several_numbers_up_to_the_second_order(seed, order):
    rng = np.random.RandomState(seed)
    at, c, Q = rng.randn(3), rng.randn(3), rng.randn(3, 3)

    def function(p):
        return 1.5 + c @ p + p @ Q @ p

    expansion = taylor(function, at, order)
    x = at + rng.randn(3)
    step = x - at
    terms = [function(at), (c + (Q + Q.T) @ at) @ step, step @ Q @ step]
    assert expansion(x) == pytest.approx(sum(terms[: order + 1]), abs=1e-11)
    assert expansion.remainder(x) == pytest.approx(sum(terms[order + 1 :]), abs=1e-11)
    for found, derivative in zip(expansion.derivatives[1:], (gradient, hessian), strict=False):
        np.testing.assert_array_equal(found, derivative(function, at))
    grid = rng.randn(3, 4, 2)
    assert expansion(grid).shape == expansion.remainder(grid).shape == (4, 2)
    assert expansion(grid)[1, 0] == pytest.approx(expansion(grid[:, 1, 0]), abs=1e-12)


def test_the_remainder_shrinks_with_the_power_of_the_step():
    expansion = taylor(lambda p: np.exp(p[0]) * np.sin(p[1]), [0.2, 0.5], 2)
    far, near = (expansion.remainder([0.2 + h, 0.5 - h]) for h in (0.01, 0.005))
    assert far / near == pytest.approx(8, rel=0.02)


@pytest.mark.parametrize("order", [1, 3, 8])
def test_lagranges_bound_holds(order):
    x = np.linspace(-1, 1, 21)
    error = np.abs(taylor(np.sin, 0.0, order).remainder(x))
    assert np.all(error <= np.abs(x) ** (order + 1) / math.factorial(order + 1) + 1e-16)
    assert error.max() > 1e-8  # a remainder that is always 0 would pass, too


def test_beyond_the_radius_of_convergence_more_terms_are_worse():
    errors = [abs(taylor(lambda x: 1 / (1 + x**2), 0.0, order).remainder(1.5)) for order in (4, 10, 30)]
    assert errors[0] < errors[1] < errors[2]


def test_against_interpolation_by_scipy():
    def function(x):
        return np.log(2 + np.cos(x)) / (1 + np.exp(-x))

    near = approximate_taylor_polynomial(function, 0.4, 4, 0.05, order=12)
    np.testing.assert_allclose(taylor(function, 0.4, 4).coefficients, near.coeffs[::-1], rtol=1e-5)


@pytest.mark.parametrize("order", range(7))
def test_by_torch_the_same(order):
    by_series = taylor(lambda x: np.sin(x) * np.exp(x) / (1 + x**2), 0.5, order)
    by_torch = taylor(lambda x: torch.sin(x) * torch.exp(x) / (1 + x**2), 0.5, order)
    np.testing.assert_allclose(by_series.coefficients, by_torch.coefficients, rtol=1e-11)
    assert by_torch.remainder(0.9) == pytest.approx(by_series.remainder(0.9), rel=1e-8, abs=1e-15)
    line, at, nested = torch.func.grad, torch.tensor(0.5, dtype=torch.float64), by_torch.function
    for k in range(order + 1):
        assert by_series.derivatives[k] == pytest.approx(float(nested(at)), rel=1e-11)
        nested = line(nested)


def test_arrays_and_branches_inside_of_a_function_of_one_number():
    x0, A = 0.3, np.arange(6.0).reshape(3, 2)
    expansion = taylor(lambda x: np.sum(A @ np.stack([x, x**2])) if x > 0 else 0 * x, x0, 3)
    np.testing.assert_allclose(expansion.derivatives, [6 * x0 + 9 * x0**2, 6 + 18 * x0, 18, 0], atol=1e-13)


# --------------------------------------------------------------------------------- as it is read


@pytest.mark.parametrize(
    ("function", "at", "order", "text"),
    [
        (lambda x: 1.5 * x**2 - x + 0.5, 1.0, 2, "1 + 2 (x - 1) + 1.5 (x - 1)^2"),
        (np.exp, 0.0, 3, "1 + x + 0.5 x^2 + 0.166667 x^3"),
        (np.sin, 0, 5, "x - 0.166667 x^3 + 0.00833333 x^5"),
        (lambda x: -(x**3), -2.5, 1, "15.625 - 18.75 (x + 2.5)"),
        (lambda x: -x, 0.0, 4, "-x"),
        (lambda x: -3, 0.0, 0, "-3"),
        (lambda x: 0, 1.0, 2, "0"),
        (lambda p: p[0] ** 2 + 2 * p[1] ** 2, [1.0, 2.0], 2, "9 + 2 (x - 1) + 8 (y - 2) + (x - 1)^2 + 2 (y - 2)^2"),
        (lambda p: p[0] * p[1] - p[2], [0.0, 0.0, 1.0], 2, "-1 - (z - 1) + x y"),
        (lambda p: p[0] * p[3], [0.0, 0.0, 0.0, 1.0], 2, "x1 + x1 (x4 - 1)"),
    ],
)
def test_it_is_written_as_on_paper(function, at, order, text):
    assert str(taylor(function, at, order)) == text


def test_a_long_expansion_is_cut():
    assert str(taylor(np.exp, 1.0, 60)).endswith(" + ...")


def test_numbers_in_numbers_out_arrays_in_arrays_out():
    expansion = taylor(np.exp, 0, 2)
    assert isinstance(expansion(1), float)
    assert isinstance(expansion.remainder(1), float)
    assert expansion([1, 2]).shape == expansion.remainder([1, 2]).shape == (2,)
    assert isinstance(expansion.at, float)
    plane = taylor(lambda p: p[0] * p[1], [1, 2], 2)
    assert isinstance(plane([1, 2]), float)
    assert isinstance(plane.remainder([1, 2]), float)


def test_it_cannot_be_changed():
    expansion = taylor(np.exp, 0, 2)
    with pytest.raises(AttributeError):
        expansion.order = 3
    with pytest.raises(ValueError, match="read-only"):
        taylor(np.sum, [1.0, 2.0], 1).at[0] = 3


# ------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("order", [-1, 1.5, "2", None, True])
def test_an_order_is_a_whole_number(order):
    with pytest.raises(ParameterError, match="must be a whole number, 0 or more"):
        taylor(np.exp, 0.0, order)


def test_orders_that_are_too_high():
    with pytest.raises(ParameterError, match=r"order=3 is too high for a function of 2 numbers.*\n.*directional"):
        taylor(np.sum, [1.0, 2.0], 3)
    with pytest.raises(
        ParameterError, match=r"order=12 is too high for a function that uses torch's functions: at most 8"
    ):
        taylor(torch.sin, 0.0, 12)
    assert taylor(np.exp, 0.0, 170).derivatives[170] == pytest.approx(1, rel=1e-12)


def test_a_point_is_a_number_or_a_list():
    with pytest.raises(ParameterError, match=r"at has the shape \(1, 2\)"):
        taylor(np.sum, [[1.0, 2.0]], 1)
    with pytest.raises(DataError, match="finite"):
        taylor(np.exp, np.inf, 1)


def test_a_kink_has_no_expansion():
    with pytest.raises(
        DataError, match="derivative of order 2 at x=0: derivative 3 is 0 to the left and 6 to the right"
    ):
        taylor(lambda x: np.maximum(x, 0) ** 3, 0.0, 3)
    assert taylor(lambda x: np.maximum(x, 0) ** 3, 0.0, 2).coefficients == (0, 0, 0)
    assert str(taylor(np.abs, -1.0, 2)) == "1 - (x + 1)"


def test_a_place_of_another_length_is_refused():
    with pytest.raises(DataError, match=r"its first axis must have the length 2"):
        taylor(np.sum, [1.0, 2.0], 1)([1.0, 2.0, 3.0])
    with pytest.raises(DataError, match=r"its first axis must have the length 2"):
        taylor(np.sum, [1.0, 2.0], 1).remainder(1.0)
