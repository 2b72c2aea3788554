"""The derivative as what it is: a quotient of differences."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planefold.core.errors import DataError, ParameterError, show

Floats = NDArray[np.float64]


def central_difference(function: Callable[[Any], Any], x: ArrayLike, epsilon: float = 1e-6) -> float | Floats:
    r"""Estimate the derivative of a function of one number, or the gradient of a function of several.

    Parameters
    ----------
    function : function (x) -> number
        Given a float where ``x`` is one, else an array like ``x``.
    x : float or array-like
        Where.
    epsilon : float
        How far to step to either side, in the units of ``x``. A large step errs by the bend of the function, a small
        one by rounding; with numbers around 1 the two meet near 1e-5, at an error of about 1e-10.

    Returns
    -------
    float, or ndarray of the shape of ``x``

    Raises
    ------
    ParameterError
        If ``epsilon`` is not a positive number, or too small to move ``x`` at all, or ``function`` is none that is
        called with ``x`` alone.
    DataError
        If ``x`` is not made of numbers, or ``function`` does not give one number.

    Notes
    -----
    .. math:: \frac{\partial J}{\partial x_i} \approx \frac{J(x + \epsilon e_i) - J(x - \epsilon e_i)}{2 \epsilon}

    The error is :math:`\epsilon^2 J''' / 6`; that of the one-sided difference is :math:`\epsilon J'' / 2`, which is
    much more. Costs two values of the function for each number in ``x``.

    References
    ----------
    Press, Teukolsky, Vetterling and Flannery, "Numerical Recipes", 3rd ed. 2007, section 5.7.

    Examples
    --------
    The derivative of x^3 at 1 is 3. Halving the step quarters the error:

    >>> round(central_difference(lambda x: x**3, 1.0, epsilon=0.01), 12)
    3.0001
    >>> round(central_difference(lambda x: x**3, 1.0, epsilon=0.005), 12)
    3.000025

    The gradient of x^2 + 2 y^2 is (2 x, 4 y):

    >>> central_difference(lambda p: p[0] ** 2 + 2 * p[1] ** 2, [1.0, 1.0]).round(6)
    array([2., 4.])
    """
    check_function(function)
    if not isinstance(epsilon, (int, float, np.number)) or not epsilon > 0:
        raise ParameterError(f"epsilon={show(epsilon)} must be a positive number")
    try:
        point = np.array(x, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"x={show(x)} is not a number or an array of numbers") from error
    slopes = np.empty_like(point)
    for index in np.ndindex(point.shape):
        ahead, behind = point.copy(), point.copy()
        ahead[index] += epsilon
        behind[index] -= epsilon
        # Not 2 epsilon: x + epsilon is rounded, and what it became is known exactly.
        width = ahead[index] - behind[index]
        if width == 0:
            raise ParameterError(
                f"epsilon={show(epsilon)} is too small to move x={show(point[index])}",
                hint="rescale x, or take a larger epsilon",
            )
        slopes[index] = (_number(function, ahead[()]) - _number(function, behind[()])) / width
    return slopes if point.ndim else float(slopes)


def _number(function: Callable[[Any], Any], x: Any) -> Any:
    try:
        value = function(x)
    except TypeError as error:
        check_arguments(error)
        raise
    if value is None or math.prod(np.shape(value)) != 1:
        raise DataError(f"the function gives {show(value)}, one number is needed", hint="return it; sum several up")
    return value.reshape(()) if hasattr(value, "reshape") else value


def check_function(function: Any) -> None:
    """Raise ParameterError for what cannot be called, such as a formula in quotes."""
    if not callable(function):
        raise ParameterError(f"{show(function)} is not a function", hint="write one, such as lambda x: x**2")


def check_arguments(error: Exception) -> None:
    """Raise ParameterError for a function of several arguments: the call itself fails, and nothing inside of it."""
    inside = error.__traceback__ is not None and error.__traceback__.tb_next is not None
    if not inside and "required positional argument" in str(error):
        raise ParameterError(
            "the function takes several arguments, and is given one: all numbers in one array",
            hint="lambda p: p[0] * p[1] instead of lambda x, y: x * y; a function f(x, y) as lambda p: f(*p)",
        ) from error
