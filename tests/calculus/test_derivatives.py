"""Exact derivatives against derivatives by hand, against SciPy's, against torch's and against differences."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import special
from scipy.optimize import rosen, rosen_der, rosen_hess

from planefold.calculus import central_difference, directional_derivative, gradient, hessian, jacobian, series, traced
from planefold.core.errors import DataError, ParameterError

A = np.arange(6.0).reshape(2, 3)
X = np.array([0.3, -0.4, 1.2])


def bowl(p):
    return p[0] ** 2 + 2 * p[1] ** 2


# -------------------------------------------------------------------------- the worked example


@given(x=st.floats(-5, 5), y=st.floats(-5, 5))
def test_the_bowl_x2_plus_2_y2(x, y):
    np.testing.assert_allclose(gradient(bowl, [x, y]), [2 * x, 4 * y], atol=1e-14)
    np.testing.assert_array_equal(hessian(bowl, [x, y]), [[2, 0], [0, 4]])
    slope = directional_derivative(bowl, [x, y], [-2, 1])
    assert slope == pytest.approx((-4 * x + 4 * y) / math.sqrt(5), abs=1e-13)
    assert directional_derivative(bowl, [x, y], [-2, 1], order=2) == pytest.approx(2.4)
    assert directional_derivative(bowl, [x, y], [-2, 1], order=3) == 0


@pytest.mark.parametrize(
    ("at", "slope"),
    [((0.5, 0.5), 0), ((1, 2), 1.7888543819998317), ((2, 1), -1.7888543819998317), ((-1, 1), 3.57770876)],
)
def test_slopes_of_the_bowl_along_minus_2_1(at, slope):
    assert directional_derivative(bowl, at, [-2, 1]) == pytest.approx(slope, abs=1e-8)


# ------------------------------------------------------------------------------- one function each

# By hand: the function, its first and its second derivative.
ONE = {
    "exp": (np.exp, np.exp, np.exp),
    "exp2": (np.exp2, lambda x: math.log(2) * 2**x, lambda x: math.log(2) ** 2 * 2**x),
    "expm1": (np.expm1, np.exp, np.exp),
    "log": (np.log, lambda x: 1 / x, lambda x: -1 / x**2),
    "log2": (np.log2, lambda x: 1 / x / math.log(2), lambda x: -1 / x**2 / math.log(2)),
    "log10": (np.log10, lambda x: 1 / x / math.log(10), lambda x: -1 / x**2 / math.log(10)),
    "log1p": (np.log1p, lambda x: 1 / (1 + x), lambda x: -1 / (1 + x) ** 2),
    "sin": (np.sin, np.cos, lambda x: -np.sin(x)),
    "cos": (np.cos, lambda x: -np.sin(x), lambda x: -np.cos(x)),
    "tan": (np.tan, lambda x: 1 / np.cos(x) ** 2, lambda x: 2 * np.tan(x) / np.cos(x) ** 2),
    "sinh": (np.sinh, np.cosh, np.sinh),
    "cosh": (np.cosh, np.sinh, np.cosh),
    "tanh": (np.tanh, lambda x: 1 / np.cosh(x) ** 2, lambda x: -2 * np.tanh(x) / np.cosh(x) ** 2),
    "arcsin": (np.arcsin, lambda x: (1 - x**2) ** -0.5, lambda x: x * (1 - x**2) ** -1.5),
    "arccos": (np.arccos, lambda x: -((1 - x**2) ** -0.5), lambda x: -x * (1 - x**2) ** -1.5),
    "arctan": (np.arctan, lambda x: 1 / (1 + x**2), lambda x: -2 * x / (1 + x**2) ** 2),
    "arcsinh": (np.arcsinh, lambda x: (1 + x**2) ** -0.5, lambda x: -x * (1 + x**2) ** -1.5),
    "arccosh of 2 + x": (
        lambda x: np.arccosh(2 + x),
        lambda x: ((2 + x) ** 2 - 1) ** -0.5,
        lambda x: -(2 + x) * ((2 + x) ** 2 - 1) ** -1.5,
    ),
    "arctanh": (np.arctanh, lambda x: 1 / (1 - x**2), lambda x: 2 * x / (1 - x**2) ** 2),
    "sqrt": (np.sqrt, lambda x: 0.5 * x**-0.5, lambda x: -0.25 * x**-1.5),
    "cbrt": (np.cbrt, lambda x: x ** (-2 / 3) / 3, lambda x: -2 * x ** (-5 / 3) / 9),
    "reciprocal": (np.reciprocal, lambda x: -1 / x**2, lambda x: 2 / x**3),
    "square": (np.square, lambda x: 2 * x, lambda x: 2.0),
    "expit": (
        special.expit,
        lambda x: special.expit(x) * special.expit(-x),
        lambda x: special.expit(x) * special.expit(-x) * (1 - 2 * special.expit(x)),
    ),
    "erf": (
        special.erf,
        lambda x: 2 / math.sqrt(math.pi) * np.exp(-(x**2)),
        lambda x: -4 * x / math.sqrt(math.pi) * np.exp(-(x**2)),
    ),
    "x^-3": (lambda x: x**-3, lambda x: -3 * x**-4, lambda x: 12 * x**-5),
    "x^2.5": (lambda x: x**2.5, lambda x: 2.5 * x**1.5, lambda x: 3.75 * x**0.5),
    "2^x": (lambda x: 2**x, lambda x: math.log(2) * 2**x, lambda x: math.log(2) ** 2 * 2**x),
    "x^x": (lambda x: x**x, lambda x: x**x * (1 + np.log(x)), lambda x: x**x * ((1 + np.log(x)) ** 2 + 1 / x)),
    "abs": (lambda x: abs(-x), lambda x: 1.0, lambda x: 0.0),
    "maximum": (lambda x: np.maximum(x, 0) + np.minimum(x, 0.1), lambda x: 1.0, lambda x: 0.0),
    "clip": (lambda x: np.clip(x, 0, 1) ** 2, lambda x: 2 * x, lambda x: 2.0),
    "sign": (lambda x: np.sign(x) * x**2, lambda x: 2 * x, lambda x: 2.0),
    "floor": (lambda x: (x - np.floor(x)) ** 2, lambda x: 2 * x, lambda x: 2.0),
    "mod": (lambda x: ((x + 5) % 1) ** 2, lambda x: 2 * x, lambda x: 2.0),
    "steps": (
        lambda x: np.ceil(x) * np.heaviside(x, 0.5) * (x // 1 + 1) * (1 + np.rint(x - 0.2)) * (1 + np.trunc(x)) * x**2,
        lambda x: 2 * x,
        lambda x: 2.0,
    ),
    "degrees": (lambda x: np.radians(np.degrees(x)) * np.deg2rad(np.rad2deg(x)), lambda x: 2 * x, lambda x: 2.0),
    "arctan2": (lambda x: np.arctan2(x, 2.0), lambda x: 2 / (4 + x**2), lambda x: -4 * x / (4 + x**2) ** 2),
    "hypot": (lambda x: np.hypot(x, 2), lambda x: x * (4 + x**2) ** -0.5, lambda x: 4 * (4 + x**2) ** -1.5),
    "logaddexp": (
        lambda x: np.logaddexp(0, x),
        special.expit,
        lambda x: special.expit(x) * special.expit(-x),
    ),
    "quotient": (
        lambda x: np.sin(x) / x,
        lambda x: np.cos(x) / x - np.sin(x) / x**2,
        lambda x: -np.sin(x) / x - 2 * np.cos(x) / x**2 + 2 * np.sin(x) / x**3,
    ),
    "polynomial": (lambda x: np.polyval([2, 0, -1, 3], x), lambda x: 6 * x**2 - 1, lambda x: 12 * x),
}


@pytest.mark.parametrize("name", ONE)
@pytest.mark.parametrize("x", [0.3, 0.45])
def test_each_function_both_by_torch_and_by_series(name, x):
    function, first, second = ONE[name]
    assert gradient(function, x) == pytest.approx(first(x), rel=1e-13, abs=1e-15)
    assert hessian(function, x) == pytest.approx(second(x), rel=1e-12, abs=1e-14)
    assert directional_derivative(function, x, 1.0) == pytest.approx(first(x), rel=1e-13, abs=1e-15)
    assert directional_derivative(function, x, -1.0) == pytest.approx(-first(x), rel=1e-13, abs=1e-15)
    assert directional_derivative(function, x, 3.0, order=2) == pytest.approx(second(x), rel=1e-12, abs=1e-13)


def test_both_ways_know_the_same_functions():
    assert set(series.FUNCTIONS) == set(traced.FUNCTIONS)


# ------------------------------------------------------------------------------------ of arrays

ARRAYS = {
    "products": lambda p: np.sum(np.tanh(A @ p) ** 2) + p @ A.T @ A @ p + np.dot(p, p) * np.vdot(p, X) + np.inner(p, X),
    "outer": lambda p: (np.outer(p, p) * np.arange(9.0).reshape(3, 3)).sum() + np.trace(np.outer(p, X)),
    "statistics": lambda p: p.mean() + p.std() + np.var(p, ddof=1) + np.average(p**2, weights=[1, 2, 3]),
    "largest": lambda p: np.max(p) ** 2 + p.min() ** 3 + np.amax(np.stack([p, -p]), axis=0).sum(),
    "product": lambda p: np.prod(p) + p.prod() ** 2 + np.multiply.reduce(p),
    "sums": lambda p: (np.cumsum(p) ** 2).sum() + (np.diff(p) ** 3).sum() + np.add.reduce(p**2),
    "rearranged": lambda p: (
        np.concatenate([p, np.ones(2), 2 * p[::-1]]).reshape(2, 4).T[1:] @ [1.0, -1.0] @ np.arange(3.0)
    ),
    "diagonal": lambda p: (np.diag(p) @ np.triu(np.outer(p, p)) @ np.tile(p, (3, 1))).sum(),
    "joined": lambda p: (
        (np.stack([p[0], p[1] * p[2]]) @ np.column_stack([p[:2], p[1:]])).sum() + np.hstack([p, 1.0])[2]
    ),
    "chosen": lambda p: np.where(p > 0, np.exp(p), p**2).sum() + p[p > 0].sum() + p[np.argmax(p)] ** 2,
    "powers": lambda p: (p[:, None] ** np.arange(4)).sum() + (np.abs(p) ** [0.5, 2, -1]).sum(),
    "norms": lambda p: np.linalg.norm(p) + np.linalg.norm(p, 1) + np.linalg.norm(A @ p) ** 3,
    "loop": lambda p: sum(k * v**k for k, v in enumerate(p)) + (np.sin(p[0]) if p[0] > 0 else 0.0),
    "clipped": lambda p: (np.clip(p, -0.35, 1.0) ** 2).sum() + (p.clip(0.0, None) ** 3).sum(),
    "classes": lambda p: (
        np.log(np.sum(np.exp(np.outer([1.0, 2.0], p)), axis=1)) - np.outer([1.0, 2.0], p)[np.arange(2), [2, 0]]
    ).mean(),
    "as float": lambda p: (p.astype(float) ** 2).reshape(3, 1).ravel().sum() if len(p) == 3 and p.ndim == 1 else None,
    "axes": lambda p: ((p[:, None] * A.T).sum(axis=0, keepdims=True) ** 2).mean(axis=-1).squeeze(),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_functions_of_arrays(name):
    function = ARRAYS[name]
    expected = central_difference(function, X, 1e-6)
    slopes = gradient(function, X)
    np.testing.assert_allclose(slopes, expected, rtol=1e-7, atol=1e-8)
    bends = central_difference(lambda x: gradient(function, x) @ [1.0, 2.0, 3.0], X, 1e-6)
    np.testing.assert_allclose(hessian(function, X) @ [1.0, 2.0, 3.0], bends, rtol=1e-6, atol=1e-7)
    # The series is another computation altogether.
    for direction in np.eye(3):
        assert directional_derivative(function, X, direction) == pytest.approx(slopes @ direction, rel=1e-12, abs=1e-13)
        bend = direction @ hessian(function, X) @ direction
        assert directional_derivative(function, X, direction, order=2) == pytest.approx(bend, rel=1e-11, abs=1e-12)


@given(arrays(np.float64, st.integers(2, 5), elements=st.floats(-3, 3)))
def test_rosenbrocks_valley(x):
    def valley(x):
        return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    assert valley(x) == pytest.approx(rosen(x))
    np.testing.assert_allclose(gradient(valley, x), rosen_der(x), rtol=1e-11, atol=1e-10)
    np.testing.assert_allclose(hessian(valley, x), rosen_hess(x), rtol=1e-11, atol=1e-10)


@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_quadratic_functions(n, seed):
    rng = np.random.RandomState(seed)
    Q, b, x, p = rng.randn(n, n), rng.randn(n), rng.randn(n), rng.randn(n)

    def function(x):
        return 0.5 * x @ Q @ x + b @ x

    H = 0.5 * (Q + Q.T)
    np.testing.assert_allclose(gradient(function, x), H @ x + b, atol=1e-12)
    np.testing.assert_allclose(hessian(function, x), H, atol=1e-12)
    assert directional_derivative(function, x, p, order=2) == pytest.approx(p @ H @ p / (p @ p), abs=1e-11)


def test_the_jacobian_of_polar_coordinates():
    r, angle = 2.0, 0.7
    found = jacobian(lambda p: [p[0] * np.cos(p[1]), p[0] * np.sin(p[1]), 1.0], [r, angle])
    by_hand = [[np.cos(angle), -r * np.sin(angle)], [np.sin(angle), r * np.cos(angle)], [0, 0]]
    np.testing.assert_allclose(found, by_hand, rtol=1e-15)


def test_shapes_are_those_of_value_and_argument():
    assert isinstance(gradient(np.sin, 1), float)
    assert isinstance(hessian(np.sin, 1), float)
    assert gradient(lambda W: (W @ W.T).sum(), A).shape == (2, 3)
    assert hessian(lambda W: (W**3).sum(), A).shape == (2, 3, 2, 3)
    assert jacobian(lambda W: W @ W.T, A).shape == (2, 2, 2, 3)
    assert jacobian(np.sin, 0.0).shape == ()
    np.testing.assert_allclose(jacobian(lambda p: A @ np.sin(p), X), A * np.cos(X))


def test_a_constant_has_no_slope():
    assert gradient(lambda p: 3, [1.0, 2.0]).tolist() == [0, 0]
    assert hessian(lambda p: p[0] + 1, [1.0, 2.0]).tolist() == [[0, 0], [0, 0]]
    assert directional_derivative(lambda p: 3, [1.0, 2.0], [1, 1], order=3) == 0
    assert directional_derivative(lambda p: torch.sum(p), [1.0, 2.0], [1, 1], order=4) == 0


def test_what_was_given_stays_as_it_was():
    x = X.copy()
    hessian(lambda p: (p**2).sum(), x)
    assert x.tolist() == X.tolist()


# ------------------------------------------------------------------------------------ by torch


# torch.func looks for functions compiled in a way that torch itself warns of.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_functions_of_torch():
    def of_torch(p):
        return torch.tanh(torch.tensor(A) @ p).pow(2).sum() + p.exp().mean() + torch.stack([p[0], p[2]]).prod()

    at = torch.tensor(X)
    np.testing.assert_allclose(gradient(of_torch, X), torch.func.grad(of_torch)(at), rtol=1e-13)
    np.testing.assert_allclose(hessian(of_torch, X), torch.func.hessian(of_torch)(at), rtol=1e-13, atol=1e-14)


def test_torch_and_numpy_in_one_function():
    def mixed(p):
        return torch.sin(np.exp(p[0]) * p[1]) + torch.softmax(p, 0) @ A[0]

    def of_torch(p):
        return torch.sin(torch.exp(p[0]) * p[1]) + torch.softmax(p, 0) @ torch.tensor(A[0])

    np.testing.assert_allclose(gradient(mixed, X), gradient(of_torch, X), rtol=1e-14)


def test_a_module_in_single_precision_is_computed_in_double():
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 1)
    slopes = gradient(lambda p: layer(p)[0] ** 2, X)
    weights, bias = layer.weight.detach().double().numpy()[0], float(layer.bias.detach())
    np.testing.assert_allclose(slopes, 2 * (weights @ X + bias) * weights, rtol=1e-14)


@pytest.mark.parametrize("order", [1, 2, 3, 5, 8])
def test_any_order_along_a_line_the_same_by_both_ways(order):
    direction = [1.0, -2.0, 0.5]
    by_series = directional_derivative(lambda p: np.sin(p[0] * p[1]) * np.exp(p[2]), X, direction, order=order)
    by_torch = directional_derivative(lambda p: torch.sin(p[0] * p[1]) * torch.exp(p[2]), X, direction, order=order)
    assert by_series == pytest.approx(by_torch, rel=1e-11)


# --------------------------------------------------------------------------------------- kinks


@pytest.mark.parametrize(
    ("function", "left", "right"),
    [
        (np.abs, -1, 1),
        (lambda x: np.maximum(x, 0), 0, 1),
        (lambda x: np.minimum(3 * x, 0), 3, 0),
        (lambda x: np.where(x > 0, 2 * x, x), 1, 2),
        (lambda x: x if x >= 0 else -5 * x, -5, 1),
        (lambda x: np.clip(x, 0, 1), 0, 1),
        (lambda x: np.max([[1]] * np.stack([x, 4 * x])), 1, 4),
    ],
)
def test_a_kink_is_an_error_that_names_both_slopes(function, left, right):
    words = f"kink at x=0: the slope is {left} to the left and {right} to the right"
    for derivative in (gradient, jacobian, hessian, lambda f, x: directional_derivative(f, x, 1.0)):
        with pytest.raises(DataError, match=words):
            derivative(function, 0.0)


def test_beside_a_kink_there_is_a_derivative():
    assert gradient(np.abs, 1e-300) == 1
    assert gradient(lambda x: np.maximum(x, 0), -1e-300) == 0


def test_a_kink_that_does_not_matter_is_none():
    def square(x):
        return np.maximum(x, 0) ** 2

    assert gradient(square, 0.0) == 0
    assert gradient(lambda x: np.abs(x) ** 3, 0.0) == hessian(lambda x: np.abs(x) ** 3, 0.0) == 0
    assert gradient(lambda p: np.maximum(A @ [0, 0, 0] * p[0], 0).sum() + p[1], [1.0, 2.0]).tolist() == [0, 1]
    assert gradient(lambda x: x**2 if x > 0 else -(x**2), 0.0) == 0
    with pytest.raises(
        DataError, match="kink in its derivative of order 1 at x=0: derivative 2 is 0 to the left and 2"
    ):
        hessian(square, 0.0)


def test_a_second_derivative_past_a_kink_that_does_not_matter():
    def function(p):
        return p[0] ** 2 * p[1] + np.abs(p[0]) ** 3 + np.maximum(p[0], 0) ** 4

    np.testing.assert_allclose(hessian(function, [0.0, 3.0]), [[6, 0], [0, 0]], atol=1e-13)
    found = hessian(lambda p: p[0] * p[1] + np.maximum(p[0], 0) ** 3 + p[1] ** 2, [0.0, 3.0])
    np.testing.assert_allclose(found, [[0, 1], [1, 2]], atol=1e-13)


def test_slopes_along_the_axes_are_not_enough():
    with pytest.raises(DataError, match="kink"):
        gradient(lambda p: np.maximum(np.minimum(p[0], p[1]), 0), [0.0, 0.0])


def test_a_kink_in_one_coordinate_names_the_direction():
    with pytest.raises(DataError, match=r"along \[0\., 1\.\]") as caught:
        gradient(lambda p: p[0] + np.abs(p[1]), [1.0, 0.0])
    assert "met in abs" in str(caught.value)


def test_along_a_crease_there_is_a_derivative():
    def roof(p):
        return np.abs(p[0]) + p[1] ** 2

    assert directional_derivative(roof, [0.0, 1.0], [0, 1]) == 2
    with pytest.raises(DataError, match="kink"):
        directional_derivative(roof, [0.0, 1.0], [1, 0])


def test_a_jump_is_an_error():
    for function in (np.sign, np.floor, np.ceil, np.trunc, lambda x: np.heaviside(x, 0.5), lambda x: x % 1):
        at = 1.0 if function is np.trunc else 0.0
        with pytest.raises(DataError, match=f"jump at x={at:g}: its value is"):
            gradient(function, at)


def test_torch_keeps_its_convention_at_kinks():
    assert gradient(torch.abs, 0.0) == 0
    assert gradient(torch.relu, 0.0) == 0


def test_a_kink_beside_functions_of_torch_cannot_be_judged():
    def mixed(x):
        return np.abs(x) * torch.sin(x)

    for derivative in (gradient, hessian, lambda f, x: directional_derivative(f, x, 1.0)):
        with pytest.raises(DataError, match="may have a kink at x=0"):
            derivative(mixed, 0.0)


# ------------------------------------------------------------------------------------- errors


def _assign(p):
    p[0] = 1.0
    return p.sum()


def _assign_into_an_array(p):
    a = np.zeros(3)
    a[0] = p[0]
    return a.sum()


def _add_in_place(p):
    q = p
    q += 1
    return q.sum()


def _add_to_an_array(p):
    a = np.zeros(3)
    a += p
    return a.sum()


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda p: math.exp(p[0]), r"float\(\) of what depends on x .*\n.*use np.exp"),
        (lambda p: int(p[0]), r"float\(\) of what depends on x"),
        (lambda p: complex(p[0]), r"float\(\) of what depends on x"),
        (lambda p: [1, 2, 3][p[0]], r"float\(\) of what depends on x"),
        (lambda p: np.array([p[0], p[1]]).sum(), r"array of plain numbers cannot hold x.*\n.*np.stack"),
        (lambda p: np.asarray(p).sum(), "array of plain numbers cannot hold x"),
        (_assign, r"cannot be changed in place.*\n.*np.where"),
        (_assign_into_an_array, r"cannot be changed in place.*\n.*np.where"),
        (_add_in_place, "cannot be changed in place"),
        (_add_to_an_array, "cannot be changed in place"),
        (lambda p: np.exp(p, out=np.zeros(3)).sum(), "cannot be changed in place"),
        (lambda p: np.sum(p, out=np.zeros(())), "cannot be changed in place"),
        (lambda p: np.sort(p)[0], r"np\.sort cannot be differentiated\n.*torch's; central_difference"),
        (lambda p: np.nextafter(p, 1.0).sum(), r"np\.nextafter cannot be differentiated"),
        (lambda p: np.linalg.det(np.outer(p, p)), r"np\.linalg\.det cannot be differentiated"),
        (lambda p: np.linalg.norm(p, 3), r"np\.linalg\.norm with ord=3 cannot"),
        (lambda p: np.add.accumulate(p).sum(), r"np\.add\.accumulate cannot"),
        (lambda p: np.exp(p, where=[True, False, True]).sum(), r"np\.exp with where cannot"),
        (lambda p: np.mean(p, where=[True, False, True]), r"np\.mean with where cannot"),
        (lambda p: [1, 2, 3] @ p @ p, "of a single number is not defined"),
        (lambda p: p @ np.ones(2), r"product of the shapes \(3,\) and \(2,\) is not defined"),
        (lambda p: p.sum(axis=1), r"axis=1 is not an axis of an array of shape \(3,\)"),
        (lambda p: p[p], "a place in an array cannot depend on x"),
        (lambda p: gradient(np.sum, p), "inside of a function that is itself differentiated"),
        (lambda p: "abc", "the function gives 'abc', which is not a number"),
        (lambda p: None, "the function gives None, which is not a number"),
    ],
)
def test_what_cannot_be_differentiated_says_what_to_use(function, words):
    for derivative in (gradient, lambda f, x: directional_derivative(f, x, X)):
        with pytest.raises(ParameterError, match=words):
            derivative(function, X)


@pytest.mark.parametrize(
    ("function", "x", "words"),
    [
        (np.sqrt, 0.0, "the (derivative|Hessian) at x=0 is not finite: -?inf"),
        (np.log, 0.0, "the function is -inf at x=0"),
        (lambda x: np.sin(x) / x, 0.0, "the function is nan at x=0"),
        (np.linalg.norm, [0.0, 0.0], r"the (gradient|Hessian) at x=\[0\., 0\.\] is not finite: nan"),
        (lambda p: p * 2, [1.0, 2.0], r"array of shape \(2,\).*one number is needed\n.*jacobian"),
        (np.sin, float("nan"), "x=nan must be numbers, all of them finite"),
        (np.sum, [], "must be numbers"),
        (np.sin, "abc", "x='abc' is not a number"),
        (torch.sin, torch.ones((), requires_grad=True), "is not a number"),
    ],
)
def test_where_there_is_no_derivative(function, x, words):
    for derivative in (gradient, hessian):
        with pytest.raises(DataError, match=words):
            derivative(function, x)


def test_along_a_line_where_there_is_no_derivative():
    with pytest.raises(DataError, match="the derivative of order 1 is nan at x=0"):
        directional_derivative(np.sqrt, 0.0, 1.0)
    with pytest.raises(DataError, match=r"array of shape \(2,\)"):
        directional_derivative(lambda p: p * 2, [1.0, 2.0], [1, 1])
    with pytest.raises(DataError, match=r"array of shape \(2,\)"):
        directional_derivative(lambda p: torch.sin(p), [1.0, 2.0], [1, 1])


@pytest.mark.parametrize("direction", [[0, 0], [np.nan, 1], [np.inf, 1]])
def test_a_direction_needs_a_length(direction):
    with pytest.raises(ParameterError, match="must have a length"):
        directional_derivative(bowl, [1.0, 1.0], direction)


@pytest.mark.parametrize("order", [0, -1, 1.5, True, "2"])
def test_an_order_is_a_whole_number(order):
    with pytest.raises(ParameterError, match="must be a whole number, 1 or more"):
        directional_derivative(bowl, [1.0, 1.0], [1, 1], order=order)


def test_orders_have_a_limit():
    with pytest.raises(ParameterError, match="order=171 is too high"):
        directional_derivative(np.sin, 1.0, 1.0, order=171)
    with pytest.raises(
        ParameterError, match="order=9 is too high for a function that uses torch's functions: at most 8"
    ):
        directional_derivative(torch.sin, 1.0, 1.0, order=9)


def test_a_direction_has_the_shape_of_x():
    with pytest.raises(ParameterError, match=r"direction has the shape \(3,\), x has \(2,\)"):
        directional_derivative(bowl, [1.0, 1.0], [1, 1, 1])


def test_a_number_has_no_elements():
    with pytest.raises(ParameterError, match=r"it has no x\[0\]\n.*give x as an array"):
        gradient(lambda p: p[0], 1.0)
    with pytest.raises(TypeError, match="one number"):
        gradient(lambda p: sum(p), 1.0)


def test_importing_calculus_does_not_import_torch():
    program = (
        "import sys, numpy as np\n"
        "from planefold.calculus import gradient_check, taylor\n"
        "gradient_check(lambda t: (float(t @ t), 2 * t), np.ones(3))\n"
        "taylor(np.exp, 0.0, 5)\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("x**2", "is not a function"),
        (lambda x, y: x * y, "takes several arguments"),
        (lambda p: (np.ones(3) + p).sum(), r"np.add of the shapes \(3,\) and \(2,\)"),
        (lambda p: np.where(p > np.ones(3), 1, 0).sum(), r"np.greater of the shapes \(2,\) and \(3,\)"),
    ],
)
@pytest.mark.parametrize("derivative", [gradient, hessian, lambda f, x: directional_derivative(f, x, [1, 1])])
def test_a_wrong_function_is_told_before_torch_stumbles(derivative, function, words):
    with pytest.raises(ParameterError, match=words):
        derivative(function, [1.0, 2.0])


def test_a_direction_in_words_is_refused():
    with pytest.raises(DataError, match="direction='up' is not a number"):
        directional_derivative(np.sum, [1.0, 2.0], "up")
