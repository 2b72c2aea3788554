"""Derivatives of a Python function, exact to rounding: gradient, Jacobian, Hessian, and along a direction."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from planefold.calculus.carried import Carried, Floats, NotCarried, assigned
from planefold.calculus.differences import check_arguments, check_function
from planefold.calculus.series import Series, constant
from planefold.core.errors import DataError, ParameterError, show

if TYPE_CHECKING:
    from torch import Tensor

Function = Callable[[Any], Any]

MAX_ORDER = 170
MAX_NESTED = 8  # each order by torch makes the graph about three times as large
SAME = 1e-9  # how far two computations of one derivative may lie apart, relative to it: rounding, with room


def gradient(function: Function, x: ArrayLike) -> float | Floats:
    r"""Differentiate a function that gives one number.

    Parameters
    ----------
    function : function (x) -> number
        Written with operators, NumPy's functions, torch's functions, or a mixture. It is called with a value that
        behaves like ``x``, a number or an array, and remembers what is done to it.
    x : float or array-like
        Where.

    Returns
    -------
    float, or ndarray of the shape of ``x``
        All partial derivatives; of a function of one number its derivative.

    Raises
    ------
    DataError
        If ``x`` is not finite, or the function or its derivative is not; if it gives more than one number; or if it
        has a kink at ``x``, as ``np.abs`` at 0, where there are two slopes and no derivative.
    ParameterError
        If the function uses what cannot be differentiated: ``math.exp``, assignment to elements, an unknown function.

    Notes
    -----
    Backpropagation by torch, in float64: costs a few times what the function costs, however many numbers ``x`` has.

    A kink that ``x`` meets exactly is looked at from both sides: ``np.maximum(x, 0) ** 2`` has a derivative at 0, and
    ``np.maximum(x, 0)`` has none. torch's own functions keep torch's convention instead, which training needs: at 0
    ``torch.relu`` and ``torch.abs`` have the slope 0.

    References
    ----------
    Griewank and Walther, "Evaluating Derivatives", 2nd ed. 2008, chapter 3.

    See Also
    --------
    planefold.calculus.central_difference : the estimate, for any function.

    Examples
    --------
    The gradient of x^2 + 2 y^2 is (2 x, 4 y):

    >>> gradient(lambda p: p[0] ** 2 + 2 * p[1] ** 2, [1.0, 2.0])
    array([2., 8.])
    >>> gradient(np.exp, 0.0)
    1.0
    """
    at = _point(x)
    value, ties = _traced(function, at)
    slopes = _backward(_one(value, at), value.x)
    if ties:
        slopes = _first_on_both_sides(function, at, (), ties)
    return _finite(slopes, at, "gradient") if at.ndim else float(_finite(slopes, at, "derivative"))


def jacobian(function: Function, x: ArrayLike) -> Floats:
    """Differentiate a function that gives several numbers: each of them by each number of ``x``.

    Parameters
    ----------
    function : function (x) -> array, or list of numbers
        As in :func:`gradient`.
    x : float or array-like
        Where.

    Returns
    -------
    ndarray of the shape of the function's value, followed by the shape of ``x``
        ``[i, j]`` is the derivative of output i by input j.

    Raises
    ------
    DataError, ParameterError
        As in :func:`gradient`.

    Notes
    -----
    One backward pass for each output.

    Examples
    --------
    From polar to rectangular coordinates:

    >>> jacobian(lambda p: [p[0] * np.cos(p[1]), p[0] * np.sin(p[1])], [2.0, 0.0])
    array([[1., 0.],
           [0., 2.]])
    """
    at = _point(x)
    value, ties = _traced(function, at)
    rows = [_backward(each, value.x) for each in value.y.reshape(-1)]
    slopes = np.array(rows).reshape((*value.y.shape, *at.shape))
    if ties:
        slopes = _first_on_both_sides(function, at, tuple(value.y.shape), ties)
    return _finite(slopes, at, "Jacobian")


def hessian(function: Function, x: ArrayLike) -> float | Floats:
    """Differentiate a function that gives one number twice.

    Parameters
    ----------
    function : function (x) -> number
        As in :func:`gradient`.
    x : float or array-like
        Where.

    Returns
    -------
    float, or ndarray of the shape of ``x`` twice in a row
        ``[i, j]`` is the derivative by input i and by input j: how fast the slope along i changes along j. Symmetric.

    Raises
    ------
    DataError, ParameterError
        As in :func:`gradient`; also for a kink in the slope, as that of ``np.maximum(x, 0) ** 2`` at 0.

    Notes
    -----
    One backward pass through the gradient for each number of ``x``.

    Examples
    --------
    >>> hessian(lambda p: p[0] ** 2 + 2 * p[1] ** 2, [1.0, 2.0])
    array([[2., 0.],
           [0., 4.]])
    """
    import torch

    at = _point(x)
    value, ties = _traced(function, at)
    if ties:
        bends = _second_on_both_sides(function, at, ties)
    else:
        y, found = _one(value, at), np.zeros((at.size, at.size))
        slopes = _slopes(y, value.x, keep=True)
        if slopes is not None and slopes.requires_grad:
            found = np.stack([_backward(slope, value.x).ravel() for slope in torch.unbind(slopes.reshape(-1))])
        bends = 0.5 * (found + found.T)  # equal but for rounding
    bends = _finite(bends, at, "Hessian").reshape(at.shape * 2)
    return bends if at.ndim else float(bends)


def directional_derivative(function: Function, x: ArrayLike, direction: ArrayLike, *, order: int = 1) -> float:
    r"""Differentiate a function along a straight line: how it changes for a walker who goes in one direction.

    Parameters
    ----------
    function : function (x) -> number
        As in :func:`gradient`.
    x : float or array-like
        Where.
    direction : float or array-like of the shape of ``x``
        Where to; only its direction counts, as it is scaled to length 1.
    order : int
        1 is the slope, 2 the bend, and so on: any order for functions of NumPy, up to 8 with torch's functions in it.

    Returns
    -------
    float

    Raises
    ------
    ParameterError
        If the direction has no length or another shape than ``x``, or the order is not a whole number above 0.
    DataError, ParameterError
        As in :func:`gradient`; a kink across the line counts, one beside it does not.

    Notes
    -----
    .. math:: \frac{p^T \nabla f}{|p|}, \qquad \frac{p^T H p}{|p|^2}, \qquad \ldots

    References
    ----------
    Griewank and Walther, "Evaluating Derivatives", 2nd ed. 2008, chapter 13.

    Examples
    --------
    Along (-2, 1) the slope of x^2 + 2 y^2 is (-4 x + 4 y) / sqrt(5), and its bend 12 / 5 everywhere:

    >>> z = lambda p: p[0] ** 2 + 2 * p[1] ** 2
    >>> directional_derivative(z, [0.5, 0.5], [-2, 1])
    0.0
    >>> round(directional_derivative(z, [0.5, 0.5], [-2, 1], order=2), 12)
    2.4
    """
    at, towards = _point(x), _numbers(direction, "direction")
    check_order(order, 1)
    if towards.shape != at.shape:
        raise ParameterError(f"direction has the shape {towards.shape}, x has {at.shape}")
    length = float(np.sqrt(np.square(towards).sum()))
    if not 0 < length < math.inf:
        raise ParameterError(f"direction={show(direction)} must have a length: finite, and not 0")
    coefficients = along(function, at, towards / length, order)
    return float(coefficients[order] * math.factorial(order))


# ------------------------------------------------------------------------- along a straight line


def check_order(order: int, lowest: int) -> None:
    """Raise ParameterError unless ``order`` is a whole number that is large enough."""
    if not isinstance(order, (int, np.integer)) or isinstance(order, bool) or order < lowest:
        raise ParameterError(f"order={show(order)} must be a whole number, {lowest} or more")
    if order > MAX_ORDER:
        raise ParameterError(
            f"order={show(order)} is too high: {MAX_ORDER}! is the largest factorial that a float holds"
        )


def along(function: Function, at: Floats, step: Floats, order: int) -> Floats:
    """Taylor coefficients in ``t`` of ``function(at + t * step)``, which gives one number, (order + 1,)."""
    try:
        coefficients = on_both_sides(function, at, step, order)
    except NotCarried:
        coefficients = _nested(function, at, step, order)
    if coefficients.size != order + 1:
        raise _several(coefficients.shape[1:], at)
    coefficients = coefficients.reshape(-1)
    for k, coefficient in enumerate(coefficients):
        if not math.isfinite(coefficient):
            what = "the function" if k == 0 else f"the derivative of order {k}"
            raise DataError(f"{what} is {show(float(coefficient))} at x={_where(at)}", hint=_NOT_FINITE)
    return coefficients


def on_both_sides(function: Function, at: Floats, step: Floats, order: int) -> Floats:
    """Coefficients by power series, the same from the left as from the right; an error where they differ."""
    ties: list[str] = []
    ahead = _line(function, at, step, order, ties)
    if not ties:
        return ahead
    behind = _line(function, at, -step, order, [])
    for k, (right, left) in enumerate(zip(ahead, behind, strict=True)):
        left = left * (-1) ** k
        apart = ~np.isclose(left, right, rtol=SAME, atol=SAME * max(1.0, float(np.abs(ahead).max())), equal_nan=True)
        if np.any(apart):
            from_left, from_right = (float(np.ravel(side)[np.ravel(apart)][0]) for side in (left, right))
            raise _kink(at, step, k, from_left, from_right, ties)
    return ahead


def _line(function: Function, at: Floats, step: Floats, order: int, ties: list[str]) -> Floats:
    coefficients = constant(at, order + 1)
    if order:
        coefficients[1] = step
    argument = Series(coefficients, ties)
    with np.errstate(all="ignore"):
        found: Floats = _call(function, argument)
    return found


def _call(function: Function, argument: Carried) -> Any:
    """Payload of the function's value."""
    check_function(function)
    try:
        value = function(argument)
    except (TypeError, ValueError) as error:
        check_arguments(error)
        # NumPy's words where a place of an array is given a value that is no plain number.
        if "setting an array element" in str(error):
            raise assigned() from error
        raise
    return _stacked(value, argument)


def _stacked(value: Any, like: Carried) -> Any:
    """Payload of what a function gave: a value, a plain number, or a list of such."""
    if isinstance(value, (list, tuple)):
        value = np.stack([like._new(_stacked(each, like)) for each in value])
    try:
        if value is None:
            raise TypeError
        return like._payload(value)
    except (TypeError, ValueError) as error:
        if isinstance(error, ParameterError):
            raise
        raise ParameterError(
            f"the function gives {show(value)}, which is not a number or an array of numbers",
            hint="it must return what it computes",
        ) from error


def _nested(function: Function, at: Floats, step: Floats, order: int) -> Floats:
    """Coefficients by differentiating again and again, for functions of torch."""
    import torch

    if order > MAX_NESTED:
        raise ParameterError(
            f"order={order} is too high for a function that uses torch's functions: at most {MAX_NESTED}",
            hint="written with NumPy's functions it has any order",
        )
    ties: list[str] = []
    t = torch.zeros((), dtype=torch.float64, requires_grad=True)
    value = _graph(function, torch.tensor(at) + t * torch.tensor(step), ties)
    if ties:
        raise _unsure(at, ties)
    if value.numel() != 1:
        raise _several(tuple(value.shape), at)
    y, found = value.reshape(()), [float(value.detach())]
    for k in range(1, order + 1):
        slope = _slopes(y, t, keep=True)
        if slope is None:
            return np.array(found + [0.0] * (order + 1 - k))
        y = slope
        found.append(float(y.detach()) / math.factorial(k))
    return np.array(found)


# ----------------------------------------------------------------------------------- by torch


class _Graph:
    """A tensor, and what a function made of it."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y


def _traced(function: Function, at: Floats) -> tuple[_Graph, list[str]]:
    import torch

    ties: list[str] = []
    x = torch.tensor(at, requires_grad=True)
    y = _graph(function, x, ties)
    if not bool(torch.isfinite(y).all()):
        raise DataError(f"the function is {show(_first_odd(y))} at x={_where(at)}", hint=_NOT_FINITE)
    return _Graph(x, y), ties


def _graph(function: Function, x: Tensor, ties: list[str]) -> Tensor:
    from planefold.calculus.traced import Traced

    with np.errstate(all="ignore"):
        argument = Traced(x, ties)
        y: Tensor = _call(function, argument)
    return y


def _slopes(y: Tensor, x: Tensor, *, keep: bool) -> Tensor | None:
    import torch

    if not y.requires_grad:
        return None
    return torch.autograd.grad(y, x, create_graph=keep, retain_graph=True, allow_unused=True)[0]


def _backward(y: Tensor, x: Tensor) -> Floats:
    slopes = _slopes(y, x, keep=False)
    return np.zeros(tuple(x.shape)) if slopes is None else np.asarray(slopes.numpy())


def _one(value: _Graph, at: Floats) -> Tensor:
    if value.y.numel() != 1:
        raise _several(tuple(value.y.shape), at)
    return value.y.reshape(())


def _first_odd(y: Tensor) -> float:
    numbers = y.detach().numpy().ravel()
    return float(numbers[~np.isfinite(numbers)][0])


# ------------------------------------------------------------------------------ kinks, from both sides


def _axes(at: Floats) -> Iterator[Floats]:
    for index in range(at.size):
        step = np.zeros(at.size)
        step[index] = 1.0
        yield step.reshape(at.shape)


def _oblique(at: Floats) -> Floats:
    """Return a direction that lies on no diagonal, and moves every number."""
    steps: Floats = 1.0 + np.modf(0.618034 * np.arange(1, at.size + 1))[0]
    return steps.reshape(at.shape)


def _first_on_both_sides(function: Function, at: Floats, shape: tuple[int, ...], ties: list[str]) -> Floats:
    """First derivatives where the function meets a kink exactly, if it has any there."""
    slopes: Floats = np.stack([_certain(function, at, step, 1, ties) for step in _axes(at)], axis=-1)
    across = _oblique(at)
    # Slopes along the axes are not enough: max(min(x, y), 0) has both at 0, and no tangent plane.
    _same(slopes @ across.ravel(), _certain(function, at, across, 1, ties), at)
    found: Floats = slopes.reshape((*shape, *at.shape))
    return found


def _second_on_both_sides(function: Function, at: Floats, ties: list[str]) -> Floats:
    """Second derivatives there, from those along the axes and along the diagonals between any two."""

    def bend(step: Any) -> float:
        return 2 * _number(_certain(function, at, step, 2, ties), at)

    axes = [*_axes(at)]
    bends = np.diag([bend(step) for step in axes])
    for i, j in itertools.combinations(range(at.size), 2):
        bends[i, j] = bends[j, i] = 0.5 * (bend(axes[i] + axes[j]) - bends[i, i] - bends[j, j])
    across = _oblique(at)
    _same(across.ravel() @ bends @ across.ravel(), bend(across), at)
    return bends


def _certain(function: Function, at: Floats, step: Floats, order: int, ties: list[str]) -> Any:
    """One coefficient, the same from both sides."""
    try:
        return on_both_sides(function, at, step, order)[order]
    except NotCarried:
        raise _unsure(at, ties) from None


def _number(value: Any, at: Floats) -> float:
    if np.size(value) != 1:
        raise _several(np.shape(value), at)
    return float(np.ravel(value)[0])


def _same(one: Any, other: Any, at: Floats) -> None:
    if not np.allclose(one, other, rtol=SAME, atol=SAME, equal_nan=True):
        raise DataError(
            f"the function has a kink at x={_where(at)}: its slopes along the axes do not add up to one plane",
            hint=_MOVE,
        )


# ----------------------------------------------------------------------------------------- words

_NOT_FINITE = "derivatives are there where the function is smooth: not at a root's 0, nor where 0 / 0 or log(0) is met"
_MOVE = "there is no derivative at a kink: move x a little to either side"


def _point(x: ArrayLike) -> Floats:
    if isinstance(x, Carried):
        raise ParameterError(
            "a derivative inside of a function that is itself differentiated is not supported",
            hint="hessian and directional_derivative(order=...) give the higher ones",
        )
    at = _numbers(x, "x")
    if not at.size or not np.isfinite(at).all():
        raise DataError(f"x={show(x)} must be numbers, all of them finite")
    return at


def _numbers(values: ArrayLike, name: str) -> Floats:
    try:
        return np.asarray(values, dtype=np.float64).copy()
    except (TypeError, ValueError, RuntimeError) as error:  # the last by a tensor that has a graph
        raise DataError(f"{name}={show(values)} is not a number or an array of numbers") from error


def _where(at: Floats) -> str:
    return f"{float(at):g}" if not at.ndim else np.array2string(at, threshold=6, precision=6, separator=", ")


def _finite(derivative: Any, at: Floats, what: str) -> Floats:
    if not np.isfinite(derivative).all():
        numbers = np.ravel(derivative)
        odd = float(numbers[~np.isfinite(numbers)][0])
        raise DataError(f"the {what} at x={_where(at)} is not finite: {show(odd)}", hint=_NOT_FINITE)
    return np.asarray(derivative)


def _several(shape: tuple[int, ...], at: Floats) -> DataError:
    return DataError(
        f"the function gives an array of shape {tuple(shape)} for x={_where(at)}, one number is needed",
        hint="sum it up, or take jacobian, which is for several numbers",
    )


def _kink(at: Floats, step: Floats, order: int, left: float, right: float, ties: list[str]) -> DataError:
    what = ("jump", "kink")[min(order, 1)] if order < 2 else f"kink in its derivative of order {order - 1}"
    scale = math.factorial(order)
    along_it = "" if not at.ndim else f" along {np.array2string(step, threshold=6, precision=4, separator=', ')}"
    name = ("its value", "the slope")[order] if order < 2 else f"derivative {order}"
    left, right = left * scale + 0.0, right * scale + 0.0  # no -0
    return DataError(
        f"the function has a {what} at x={_where(at)}: {name} is {left:g} to the left and {right:g} "
        f"to the right{along_it}",
        details=f"met in {', '.join(dict.fromkeys(ties))}",
        hint=_MOVE,
    )


def _unsure(at: Floats, ties: list[str]) -> DataError:
    return DataError(
        f"the function may have a kink at x={_where(at)}",
        details=f"met in {', '.join(dict.fromkeys(ties))}, beside functions of torch, which cannot be seen from both "
        "sides",
        hint=_MOVE,
    )
