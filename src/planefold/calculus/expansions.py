"""Taylor expansions: a function near a point as a polynomial."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from planefold.calculus.carried import Floats
from planefold.calculus.derivatives import _point, along, check_order, gradient, hessian
from planefold.core.errors import DataError, ParameterError, show


@dataclass(frozen=True, kw_only=True, eq=False)
class TaylorExpansion:
    """A polynomial that has a function's value and derivatives at one point. Prints as it is written on paper.

    Parameters
    ----------
    function : function (x) -> number
        What it is the expansion of.
    at : float, or ndarray of shape (n,)
        The point.
    order : int
        The highest derivative in it.
    derivatives : tuple
        Value, first derivative, second, ... Of a function of several numbers: value, gradient (n,), Hessian (n, n).
    coefficients : tuple
        The derivatives divided by k!, which is what the powers of ``x - at`` are multiplied by.

    Examples
    --------
    >>> expansion = taylor(np.exp, 0.0, order=3)
    >>> print(expansion)
    1 + x + 0.5 x^2 + 0.166667 x^3
    >>> expansion([0.0, 1.0])
    array([1.        , 2.66666667])
    >>> round(expansion.remainder(1.0), 6)
    0.051615
    """

    function: Callable[[Any], Any] = field(repr=False)
    at: float | Floats
    order: int
    derivatives: tuple[Any, ...]
    coefficients: tuple[Any, ...] = field(repr=False)

    def __call__(self, x: ArrayLike) -> Any:
        """Compute the polynomial.

        Parameters
        ----------
        x : float or array-like
            Of a function of n numbers an array whose first axis has length n, as the function itself takes it; the
            others are those of a grid.

        Returns
        -------
        float, or ndarray of the shape of ``x``, without its first axis where the function is one of several numbers

        Raises
        ------
        DataError
            If the first axis has another length than n.
        """
        steps = self._steps(x)
        if np.ndim(self.at) == 0:
            value = np.zeros_like(steps)
            for coefficient in reversed(self.coefficients):
                value = value * steps + coefficient
            return value if np.ndim(x) else float(value)
        value = np.full(steps.shape[1:], self.coefficients[0])
        if self.order > 0:
            value = value + np.tensordot(self.coefficients[1], steps, axes=1)
        if self.order > 1:
            value = value + (steps * np.tensordot(self.coefficients[2], steps, axes=1)).sum(axis=0)
        return value if value.ndim else float(value)

    def remainder(self, x: ArrayLike) -> Any:
        """Compute what the polynomial lacks: the function minus the expansion.

        Parameters
        ----------
        x : as in a call

        Returns
        -------
        float, or ndarray
            Of the shape that the expansion has there.
        """
        places = np.asarray(x, dtype=np.float64)
        self._steps(places)
        grid = places if np.ndim(self.at) == 0 else np.moveaxis(places, 0, -1)
        n_axes = grid.ndim - np.ndim(self.at)
        values = np.empty(grid.shape[:n_axes])
        for index in np.ndindex(values.shape):
            point = np.array(grid[index])
            values[index] = along(self.function, point, np.zeros_like(point), 0)[0]
        return values - self(places) if n_axes else float(values) - self(places)

    def _steps(self, x: ArrayLike) -> Floats:
        places, at = np.asarray(x, dtype=np.float64), np.asarray(self.at)
        if at.ndim and (not places.ndim or len(places) != len(at)):
            raise DataError(f"x has the shape {places.shape}; its first axis must have the length {len(at)}")
        steps: Floats = places - at.reshape((*at.shape, *(1,) * (places.ndim - 1)) if at.ndim else ())
        return steps

    def __str__(self) -> str:
        return _written(self._terms())

    def _terms(self) -> list[tuple[float, str]]:
        """Coefficient and power of each term."""
        if np.ndim(self.at) == 0:
            return [(c, _power("x", float(self.at), k)) for k, c in enumerate(self.coefficients)]
        at = np.asarray(self.at)
        names = [*"xyz"][: len(at)] if len(at) <= 3 else [f"x{i + 1}" for i in range(len(at))]
        steps = [(name, float(place)) for name, place in zip(names, at, strict=True)]
        terms = [(float(self.coefficients[0]), "")]
        if self.order > 0:
            terms += [(float(c), _power(*step, 1)) for c, step in zip(self.coefficients[1], steps, strict=True)]
        if self.order > 1:
            bends = self.coefficients[2]
            terms += [(float(bends[i, i]), _power(*step, 2)) for i, step in enumerate(steps)]
            terms += [
                (float(2 * bends[i, j]), f"{_power(*steps[i], 1)} {_power(*steps[j], 1)}")
                for i in range(len(at))
                for j in range(i + 1, len(at))
            ]
        return terms


def taylor(function: Callable[[Any], Any], at: ArrayLike, order: int) -> TaylorExpansion:
    r"""Expand a function at a point: the polynomial that has the same value and derivatives there.

    Parameters
    ----------
    function : function (x) -> number
        As in :func:`~planefold.calculus.gradient`.
    at : float, or array-like of shape (n,)
        The point.
    order : int
        The highest derivative: any for a function of one number, up to 2 for one of several.

    Returns
    -------
    TaylorExpansion

    Raises
    ------
    ParameterError
        If the order is not a whole number from 0 on; is above 2 with several numbers, or above 8 for a function of
        one number that uses torch's functions.
    DataError, ParameterError
        As in :func:`~planefold.calculus.gradient`.

    Notes
    -----
    .. math:: f(x) \approx \sum_{k=0}^{n} \frac{f^{(k)}(a)}{k!} (x - a)^k, \qquad
              f(x) \approx f(a) + g^T (x - a) + \tfrac{1}{2} (x - a)^T H (x - a)

    Of a function of one number by arithmetic with power series: exact to rounding, without differences, and quadratic
    in the order. A function of several has of each order k about n^k / k! terms, hence the limit.

    References
    ----------
    Griewank and Walther, "Evaluating Derivatives", 2nd ed. 2008, chapter 13.

    Examples
    --------
    >>> print(taylor(lambda x: 1 / x, 1.0, order=3))
    1 - (x - 1) + (x - 1)^2 - (x - 1)^3
    >>> print(taylor(lambda p: p[0] ** 2 + 2 * p[1] ** 2, [1.0, 2.0], order=2))
    9 + 2 (x - 1) + 8 (y - 2) + (x - 1)^2 + 2 (y - 2)^2
    """
    check_order(order, 0)
    point = _point(at)
    if point.ndim > 1:
        raise ParameterError(f"at has the shape {point.shape}", hint="give one number, or a list of numbers")
    if not point.ndim:
        found = along(function, point, np.ones(()), int(order)).tolist()
        derivatives = tuple(c * math.factorial(k) for k, c in enumerate(found))
        return TaylorExpansion(
            function=function, at=float(point), order=int(order), derivatives=derivatives, coefficients=tuple(found)
        )
    if order > 2:
        raise ParameterError(
            f"order={show(order)} is too high for a function of {len(point)} numbers: at most 2",
            hint="directional_derivative(function, x, direction, order=...) has any order along one line",
        )
    value = float(along(function, point, np.zeros_like(point), 0)[0])
    derivatives = (value, *(derivative(function, point) for derivative in (gradient, hessian)[:order]))
    coefficients = tuple(d * factor for d, factor in zip(derivatives, (1.0, 1.0, 0.5), strict=False))
    point.flags.writeable = False
    return TaylorExpansion(
        function=function, at=point, order=int(order), derivatives=derivatives, coefficients=coefficients
    )


MAX_TERMS = 40


def _written(terms: list[tuple[float, str]]) -> str:
    """Write a sum as on paper: without terms of 0, without factors of 1, with minus signs between."""
    text = ""
    shown = [(c, power) for c, power in terms if c != 0]
    for coefficient, power in shown[:MAX_TERMS]:
        size = f"{abs(coefficient):.6g}"
        term = power if power and size == "1" else f"{size} {power}".rstrip()
        sign = "-" if coefficient < 0 else "+"
        text += f" {sign} {term}" if text else f"{'-' * (sign == '-')}{term}"
    return (text or "0") + " + ..." * (len(shown) > MAX_TERMS)


def _power(name: str, at: float, exponent: int) -> str:
    base = name if at == 0 else f"({name} {'-' if at > 0 else '+'} {abs(at):.6g})"
    return "" if exponent == 0 else base if exponent == 1 else f"{base}^{exponent}"
