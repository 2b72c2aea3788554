r"""Truncated power series: a function's Taylor coefficients to any order, from its own arithmetic.

With ``x = at + t`` every step of a computation is a series in ``t``. The series of a sum is the sum of the series,
that of a product is their Cauchy product, and each elementary function has a rule that gives its next coefficient from
those before it (from its differential equation: ``y = exp(u)`` has ``y' = y u'``). Exact to rounding, ``O(order^2)``
for each operation.

Signs and comparisons are those just to the right of ``t = 0``: the first coefficient that is not 0 decides. So what
comes out is the series from the right; that from the left is the same computation with ``x = at - t``.

References
----------
Griewank and Walther, "Evaluating Derivatives", 2nd ed. 2008, chapter 13, tables 13.1 and 13.2.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from planefold.calculus.carried import COMPARISONS, Carried, Floats, NotCarried

Ties = list[str]


class Series(Carried):
    """An array of power series; ``payload[k]`` holds the coefficients of ``t**k``."""

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array."""
        return tuple(self.payload.shape[1:])

    @property
    def numbers(self) -> Any:
        """The values at ``t = 0``."""
        return self.payload[0]

    def _constant(self, value: Any) -> Floats:
        if type(value).__module__.startswith("torch"):
            raise NotCarried
        return constant(value, len(self.payload))

    def _gather(self, payloads: Sequence[Floats], places: NDArray[np.int64]) -> Floats:
        n = len(payloads[0])
        return np.concatenate([np.zeros((n, 1)), *(each.reshape(n, -1) for each in payloads)], axis=1)[:, places]

    def _sum(self, payload: Floats, axes: tuple[int, ...], keepdims: bool) -> Floats:
        return np.asarray(payload.sum(axis=tuple(axis + 1 for axis in axes), keepdims=keepdims))

    def _matmul(self, a: Floats, b: Floats) -> Floats:
        return np.stack([sum(a[j] @ b[k - j] for j in range(k + 1)) for k in range(len(a))])

    def _choose(self, where: NDArray[np.bool_], a: Floats, b: Floats) -> Floats:
        return np.where(where, *_aligned(a, b, ndim=where.ndim))

    def _compare(self, name: str, a: Floats, b: Floats) -> Any:
        found = COMPARISONS[name](_sign(self.ties, name, _subtract(self.ties, a, b)), 0)
        return found if np.ndim(found) else bool(found)

    def _to_the(self, exponent: float) -> Floats:
        if exponent == int(exponent) and 0 <= exponent <= 1024:
            return _whole_power(self.payload, int(exponent))
        return _power(self.payload, exponent, self.payload[0] ** exponent)

    def apply(self, function: Callable[[Any], Any]) -> NoReturn:
        """Give up: torch's functions have no series here."""
        raise NotCarried

    @classmethod
    def __torch_function__(cls, *_: Any) -> NoReturn:
        raise NotCarried

    def _attribute(self, name: str) -> NoReturn:
        raise NotCarried


def constant(value: Any, n_coefficients: int) -> Floats:
    """Return the series of plain numbers."""
    numbers = np.asarray(value, dtype=np.float64)
    coefficients = np.zeros((n_coefficients, *numbers.shape))
    coefficients[0] = numbers
    return coefficients


# --------------------------------------------------------------------------------------- arithmetic


def _aligned(*several: Floats, ndim: int = 0) -> list[Floats]:
    """Give all as many axes, so that they broadcast behind the one of the coefficients."""
    n_axes = max(ndim + 1, *(each.ndim for each in several))
    return [each.reshape(len(each), *(1,) * (n_axes - each.ndim), *each.shape[1:]) for each in several]


def _add(ties: Ties, a: Floats, b: Floats) -> Floats:
    a, b = _aligned(a, b)
    return a + b


def _subtract(ties: Ties, a: Floats, b: Floats) -> Floats:
    a, b = _aligned(a, b)
    return a - b


def _multiply(ties: Ties, a: Floats, b: Floats) -> Floats:
    a, b = _aligned(a, b)
    return np.stack([(a[: k + 1] * b[k::-1]).sum(axis=0) for k in range(len(a))])


def _divide(ties: Ties, a: Floats, b: Floats) -> Floats:
    a, b = _aligned(a, b)
    quotient = np.zeros(np.broadcast_shapes(a.shape, b.shape))
    for k in range(len(a)):  # b q = a, read at t^k
        quotient[k] = (a[k] - (b[1 : k + 1] * quotient[:k][::-1]).sum(axis=0)) / b[0]
    return quotient


def _square(a: Floats) -> Floats:
    return _multiply([], a, a)


def _shifted(a: Floats, by: float) -> Floats:
    a = a.copy()
    a[0] += by
    return a


def _whole_power(a: Floats, n: int) -> Floats:
    """Multiply repeatedly, which needs no division: it holds at 0, too."""
    power, square = constant(np.ones(a.shape[1:]), len(a)), a
    while n:
        if n % 2:
            power = _multiply([], power, square)
        n //= 2
        square = _square(square) if n else square
    return power


def _power(a: Floats, r: float, first: Any) -> Floats:
    """From ``a y' = r a' y``."""
    power = np.zeros_like(a)
    power[0] = first
    for k in range(1, len(a)):
        j = np.arange(1, k + 1).reshape(-1, *(1,) * (a.ndim - 1))
        power[k] = ((r * j - (k - j)) * a[1 : k + 1] * power[:k][::-1]).sum(axis=0) / (k * a[0])
    return power


def _integrated(a: Floats, slope: Floats, first: Any) -> Floats:
    """``y`` with ``y' = slope a'``."""
    y = np.zeros_like(a)
    y[0] = first
    for k in range(1, len(a)):
        y[k] = _next(a, slope, k)
    return y


def _next(a: Floats, slope: Floats, k: int) -> Any:
    j = np.arange(1, k + 1).reshape(-1, *(1,) * (a.ndim - 1))
    return (j * a[1 : k + 1] * slope[:k][::-1]).sum(axis=0) / k


def _by_slope(value: Callable[[Any], Any], slope: Callable[[Floats], Floats]) -> Callable[..., Floats]:
    """Return the rule of a function with ``y' = slope(a) a'``."""
    return lambda ties, a: _integrated(a, slope(a), value(a[0]))


def _by_itself(value: Callable[[Any], Any], p: float, q: float, r: float) -> Callable[..., Floats]:
    """Return the rule of a function with ``y' = (p + q y + r y^2) a'``: exp, tanh, the logistic function, ..."""

    def rule(ties: Ties, a: Floats) -> Floats:
        y, slope = np.zeros_like(a), np.zeros_like(a)
        y[0] = value(a[0])
        for k in range(len(a)):
            if k:
                y[k] = _next(a, slope, k)
            slope[k] = p * (k == 0) + q * y[k] + r * (y[: k + 1] * y[k::-1]).sum(axis=0)
        return y

    return rule


def _waves(sine: Any, cosine: Any, sign: float, pick: int) -> Callable[..., Floats]:
    """Return the rule of ``s`` or ``c`` with ``s' = c a'`` and ``c' = sign s a'``."""

    def rule(ties: Ties, a: Floats) -> Floats:
        s, c = np.zeros_like(a), np.zeros_like(a)
        s[0], c[0] = sine(a[0]), cosine(a[0])
        for k in range(1, len(a)):
            s[k], c[k] = _next(a, c, k), sign * _next(a, s, k)
        return (s, c)[pick]

    return rule


def _root_slope(sign_of_square: float, constant_term: float, factor: float = 1.0) -> Callable[[Floats], Floats]:
    """``factor / sqrt(constant_term + sign_of_square a^2)``."""

    def slope(a: Floats) -> Floats:
        inside = _shifted(sign_of_square * _square(a), constant_term)
        return factor * _power(inside, -0.5, inside[0] ** -0.5)

    return slope


def _reciprocal(a: Floats) -> Floats:
    return _divide([], constant(1.0, len(a)), a)


def _arctan2(ties: Ties, y: Floats, x: Floats) -> Floats:
    y, x = (np.broadcast_to(each, np.broadcast_shapes(y.shape, x.shape)) for each in _aligned(y, x))
    inverse = _reciprocal(_square(x) + _square(y))
    slopes = _multiply([], x, inverse), _multiply([], y, inverse)
    first = np.arctan2(y[0], x[0])
    return _integrated(y, slopes[0], first) - _integrated(x, slopes[1], 0.0)


def _log_add(ties: Ties, a: Floats, b: Floats) -> Floats:
    """``max + log(1 + e^-|a - b|)``, which is smooth where a = b, and overflows nowhere."""
    a, b = _aligned(a, b)
    larger, smaller = np.where(a[0] >= b[0], a, b), np.where(a[0] >= b[0], b, a)
    return larger + FUNCTIONS["log1p"]([], FUNCTIONS["exp"]([], smaller - larger))


# --------------------------------------------------------------------------------- signs and kinks


def _sign(ties: Ties, name: str, a: Floats) -> Floats:
    """Sign just to the right of ``t = 0``: that of the first coefficient that is not 0."""
    found = np.sign(np.take_along_axis(a, (a != 0).argmax(axis=0)[None], axis=0)[0])
    if np.any((a[0] == 0) & (found != 0)):
        ties.append(name)
    return np.asarray(found)


def _absolute(ties: Ties, a: Floats) -> Floats:
    return _sign(ties, "abs", a) * a


def _maximum(ties: Ties, a: Floats, b: Floats) -> Floats:
    a, b = _aligned(a, b)
    return np.where(_sign(ties, "maximum", a - b) >= 0, a, b)


def _minimum(ties: Ties, a: Floats, b: Floats) -> Floats:
    a, b = _aligned(a, b)
    return np.where(_sign(ties, "minimum", a - b) <= 0, a, b)


def _step(function: Any) -> Callable[..., Floats]:
    """Return the rule of a function of steps, which takes at one the level that lies to the right of it."""

    def rule(ties: Ties, a: Floats) -> Floats:
        at, side = a[0], _sign([], "", np.concatenate([np.zeros_like(a[:1]), a[1:]]))
        # Halfway between the steps of any of them on either side: 1/4 to the right or to the left.
        level = function(at + 0.25 * side)
        is_step = (function(at + 0.25) != function(at - 0.25)) & (2 * at == np.rint(2 * at))
        if np.any(is_step & (side != 0)):
            ties.append(function.__name__)
        return constant(np.where(is_step & (side != 0), level, function(at)), len(a))

    return rule


def _heaviside(ties: Ties, a: Floats, b: Floats) -> Floats:
    side = _sign(ties, "heaviside", a)
    (a, b), levels = _aligned(a, b), constant(side > 0, len(a))
    return np.where(side == 0, b, _aligned(levels, b)[0])


def _remainder(ties: Ties, a: Floats, b: Floats) -> Floats:
    return _subtract(ties, a, _multiply(ties, FUNCTIONS["floor"](ties, _divide(ties, a, b)), b))


def _expit(x: Any) -> Any:
    return 0.5 * (1 + np.tanh(0.5 * x))


_erf = np.vectorize(math.erf, otypes=[np.float64])

FUNCTIONS: dict[str, Callable[..., Floats]] = {
    "positive": lambda ties, a: a,
    "negative": lambda ties, a: -a,
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "divide": _divide,
    "reciprocal": lambda ties, a: _reciprocal(a),
    "square": lambda ties, a: _square(a),
    "sqrt": lambda ties, a: _power(a, 0.5, np.sqrt(a[0])),
    "cbrt": lambda ties, a: _power(a, 1 / 3, np.cbrt(a[0])),
    "hypot": lambda ties, a, b: FUNCTIONS["sqrt"](ties, _add(ties, _square(a), _square(b))),
    "power": lambda ties, a, b: FUNCTIONS["exp"](ties, _multiply(ties, b, FUNCTIONS["log"](ties, a))),
    "float_power": lambda ties, a, b: FUNCTIONS["power"](ties, a, b),
    "exp": _by_itself(np.exp, 0, 1, 0),
    "exp2": _by_itself(np.exp2, 0, math.log(2), 0),
    "expm1": _by_itself(np.expm1, 1, 1, 0),
    "tanh": _by_itself(np.tanh, 1, 0, -1),
    "tan": _by_itself(np.tan, 1, 0, 1),
    "expit": _by_itself(_expit, 0, 1, -1),
    "sin": _waves(np.sin, np.cos, -1, 0),
    "cos": _waves(np.sin, np.cos, -1, 1),
    "sinh": _waves(np.sinh, np.cosh, 1, 0),
    "cosh": _waves(np.sinh, np.cosh, 1, 1),
    "log": _by_slope(np.log, _reciprocal),
    "log2": _by_slope(np.log2, lambda a: _reciprocal(a) / math.log(2)),
    "log10": _by_slope(np.log10, lambda a: _reciprocal(a) / math.log(10)),
    "log1p": _by_slope(np.log1p, lambda a: _reciprocal(_shifted(a, 1))),
    "arctan": _by_slope(np.arctan, lambda a: _reciprocal(_shifted(_square(a), 1))),
    "arctanh": _by_slope(np.arctanh, lambda a: _reciprocal(_shifted(-_square(a), 1))),
    "arcsin": _by_slope(np.arcsin, _root_slope(-1, 1)),
    "arccos": _by_slope(np.arccos, _root_slope(-1, 1, -1)),
    "arcsinh": _by_slope(np.arcsinh, _root_slope(1, 1)),
    "arccosh": _by_slope(np.arccosh, _root_slope(1, -1)),
    "erf": _by_slope(_erf, lambda a: 2 / math.sqrt(math.pi) * FUNCTIONS["exp"]([], -_square(a))),
    "arctan2": _arctan2,
    "logaddexp": _log_add,
    "absolute": _absolute,
    "fabs": _absolute,
    "maximum": _maximum,
    "fmax": _maximum,
    "minimum": _minimum,
    "fmin": _minimum,
    "sign": lambda ties, a: constant(_sign(ties, "sign", a), len(a)),
    "heaviside": _heaviside,
    "floor": _step(np.floor),
    "ceil": _step(np.ceil),
    "rint": _step(np.rint),
    "trunc": _step(np.trunc),
    "floor_divide": lambda ties, a, b: FUNCTIONS["floor"](ties, _divide(ties, a, b)),
    "remainder": _remainder,
    "deg2rad": lambda ties, a: a * (math.pi / 180),
    "radians": lambda ties, a: a * (math.pi / 180),
    "rad2deg": lambda ties, a: a * (180 / math.pi),
    "degrees": lambda ties, a: a * (180 / math.pi),
}
Series.FUNCTIONS = FUNCTIONS
