"""A value that a function computes with and that carries more than its numbers.

A function is differentiated by calling it once with such a value in place of its argument. NumPy hands every function
that meets one over to it (``__array_ufunc__`` and ``__array_function__``), so that ``np.exp(p[0]) * p[1]`` is a
computation with derivatives, whatever they are: a series (:mod:`~planefold.calculus.series`) or a torch graph
(:mod:`~planefold.calculus.traced`). What both have in common stands here.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

from planefold.core.errors import ParameterError

Floats = NDArray[np.float64]


class NotCarried(Exception):  # noqa: N818 - a signal to take the other way, which no caller sees
    """The function uses what this kind of value cannot carry."""


COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    name: getattr(np, name) for name in ("greater", "greater_equal", "less", "less_equal", "equal", "not_equal")
}


def words(text: str) -> frozenset[str]:
    """Names without a quote around each."""
    return frozenset(text.split())


# What only moves numbers to other places, or fills up with 0. NumPy does it to their numbers in line.
REARRANGING = words(
    "atleast_1d atleast_2d broadcast_to column_stack concatenate copy diag diagonal expand_dims flip fliplr flipud "
    "hstack moveaxis ravel repeat reshape roll rot90 split squeeze stack swapaxes take tile transpose tril triu "
    "vstack"
)
_JOINING = words("column_stack concatenate hstack stack vstack")

# What looks at the numbers and not at how they change.
PLAIN = words(
    "all allclose any argmax argmin argsort array_equal empty_like full_like isclose isfinite isinf isnan ndim "
    "ones_like result_type shape signbit size zeros_like"
)


class Carried(NDArrayOperatorsMixin, ABC):
    """An array of numbers that carry something. Cannot be changed, as a number cannot.

    Parameters
    ----------
    payload : object
        What is carried: belongs to the subclass.
    ties : list of str
        Where a function with a kink met it exactly, as ``abs`` at 0: shared by all values of one computation.
    """

    FUNCTIONS: Mapping[str, Callable[..., Any]] = {}  # of payloads, by NumPy's names

    def __init__(self, payload: Any, ties: list[str]) -> None:
        self.payload, self.ties = payload, ties

    # ---------------------------------------------------------------- what a subclass says

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """As of an array."""

    @property
    @abstractmethod
    def numbers(self) -> Any:
        """The numbers alone, as a NumPy array."""

    @abstractmethod
    def _constant(self, value: Any) -> Any:
        """Payload of plain numbers, which do not change."""

    @abstractmethod
    def _gather(self, payloads: Sequence[Any], places: NDArray[np.int64]) -> Any:
        """Payload with the elements of several ones in line, after a first 0, picked by their places."""

    @abstractmethod
    def _sum(self, payload: Any, axes: tuple[int, ...], keepdims: bool) -> Any: ...

    @abstractmethod
    def _matmul(self, a: Any, b: Any) -> Any: ...

    @abstractmethod
    def _choose(self, where: NDArray[np.bool_], a: Any, b: Any) -> Any: ...

    @abstractmethod
    def _compare(self, name: str, a: Any, b: Any) -> Any: ...

    @abstractmethod
    def _to_the(self, exponent: float) -> Any:
        """Payload to the power of one number."""

    @abstractmethod
    def apply(self, function: Callable[[Any], Any]) -> Carried:
        """Apply a function of tensors."""

    # ------------------------------------------------------------------------- as an array

    @property
    def ndim(self) -> int:
        """As of an array."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """As of an array."""
        return math.prod(self.shape)

    @property
    def T(self) -> Any:  # noqa: N802
        """As of an array."""
        return self._rearranged(np.transpose, (self,), {})

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("x is one number here, it has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Carried]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, Carried) or (isinstance(key, tuple) and any(isinstance(k, Carried) for k in key)):
            raise ParameterError("a place in an array cannot depend on x", hint="index with plain whole numbers")
        if not self.shape and key not in ((), ..., None):
            raise ParameterError("x is one number here, it has no x[0]", hint="give x as an array, such as [1.0, 2.0]")
        return self._rearranged(lambda places: places[key], (self,), {})

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        raise assigned()

    def __bool__(self) -> bool:
        return bool(self != 0)

    def __float__(self) -> float:
        raise _float()

    def __int__(self) -> int:
        raise _float()

    def __index__(self) -> int:
        raise _float()

    def __complex__(self) -> complex:
        raise _float()

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise ParameterError(
            "an array of plain numbers cannot hold x, whose derivatives would be lost",
            hint="join with np.stack([...]) or np.concatenate([...]) instead of np.array, and choose with np.where "
            "instead of assigning to elements; math.exp is np.exp",
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({np.array2string(np.asarray(self.numbers))})"

    # Sums are often gathered by `total += term`. A number is rebound by that; an array would change in place.
    def __iadd__(self, other: Any) -> Any:
        return self._rebound(np.add, other)

    def __isub__(self, other: Any) -> Any:
        return self._rebound(np.subtract, other)

    def __imul__(self, other: Any) -> Any:
        return self._rebound(np.multiply, other)

    def __itruediv__(self, other: Any) -> Any:
        return self._rebound(np.true_divide, other)

    def _rebound(self, ufunc: Any, other: Any) -> Any:
        if self.shape:
            raise assigned()
        return ufunc(self, other)

    # NumPy's methods, with NumPy's meaning.
    def sum(self, axis: Any = None, *, keepdims: bool = False) -> Any:
        """As of an array."""
        return np.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, *, keepdims: bool = False) -> Any:
        """As of an array."""
        return np.mean(self, axis=axis, keepdims=keepdims)

    def astype(self, *_: Any, **__: Any) -> Any:
        """Stay as it is: in double precision."""
        return self

    def reshape(self, *shape: Any) -> Any:
        """As of an array."""
        return np.reshape(self, shape[0] if len(shape) == 1 else shape)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in _METHODS:
            return lambda *args, **kwargs: getattr(np, name)(self, *args, **kwargs)
        return self._attribute(name)

    def _attribute(self, name: str) -> Any:
        raise AttributeError(name)

    # ------------------------------------------------------------------------ NumPy's calls

    def _new(self, payload: Any) -> Any:
        return type(self)(payload, self.ties)

    def _payload(self, value: Any) -> Any:
        if isinstance(value, Carried):
            if type(value) is not type(self) or value.ties is not self.ties:
                raise ParameterError(
                    "a derivative inside of a function that is itself differentiated is not supported",
                    hint="hessian and directional_derivative(order=...) give the higher ones",
                )
            return value.payload
        return self._constant(value)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        name = ufunc.__name__
        if kwargs.get("out") is not None:
            raise assigned()
        if method == "reduce" and name in _REDUCED and not isinstance(inputs[0], (list, tuple)):
            return getattr(np, _REDUCED[name])(*inputs, **{"axis": 0, **kwargs})
        if method != "__call__" or not {*kwargs} <= {"dtype", "casting", "order", "subok"}:
            raise _unknown(f"{name}.{method}" if method != "__call__" else f"{name} with {', '.join(kwargs)}")
        if name in PLAIN or name.startswith(("logical_", "bitwise_")):
            return ufunc(*(value.numbers if isinstance(value, Carried) else value for value in inputs))
        if name in ("power", "float_power") and not isinstance(inputs[1], Carried):
            return self._power(inputs[0], inputs[1])
        payloads = [self._payload(value) for value in inputs]
        if name in ("matmul", "vecdot"):
            return self._product(*map(self._new, payloads))
        shapes = [self._new(payload).shape for payload in payloads]
        try:
            np.broadcast_shapes(*shapes)
        except ValueError:
            raise ParameterError(
                f"np.{name} of the shapes {' and '.join(map(str, shapes))} is not defined",
                hint="sides must be equally long, or 1",
            ) from None
        if name in COMPARISONS:
            return self._compare(name, *payloads)
        if name == "clip":
            return np.minimum(np.maximum(inputs[0], inputs[1]), inputs[2])
        if name not in self.FUNCTIONS:
            raise _unknown(name)
        return self._new(self.FUNCTIONS[name](self.ties, *payloads))

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name = f"{'linalg.' * func.__module__.endswith('linalg')}{func.__name__}"
        if name in PLAIN:
            return func(*_numbers(args), **_numbers(kwargs))
        if name in REARRANGING:
            return self._rearranged(func, args, kwargs)
        if name not in _ARRAY_FUNCTIONS:
            raise _unknown(name)
        if kwargs.get("out") is not None:
            raise assigned()
        kwargs = {key: value for key, value in kwargs.items() if value is not None and value is not np._NoValue}
        try:
            return _ARRAY_FUNCTIONS[name](self, *args, **kwargs)
        except TypeError as error:
            if "unexpected keyword" in str(error) or "positional argument" in str(error):
                raise _unknown(f"{name} with {', '.join(kwargs) or 'these arguments'}") from error
            raise

    def _rearranged(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Let NumPy move the places 1, 2, ... of the elements, and pick them; place 0 is the number 0."""
        payloads, n_before = [], 1

        def number(value: Any) -> Any:
            nonlocal n_before
            given = value if isinstance(value, Carried) else self._new(self._constant(value))
            payloads.append(self._payload(given))
            places = np.arange(n_before, n_before + given.size).reshape(given.shape)
            n_before += given.size
            return places

        joins = func.__name__ in _JOINING and isinstance(args[0], (list, tuple))
        first = [number(value) for value in args[0]] if joins else number(args[0])
        moved = func(first, *args[1:], **kwargs)
        if isinstance(moved, (list, tuple)):
            return [self._new(self._gather(payloads, each)) for each in moved]
        return self._new(self._gather(payloads, np.asarray(moved)))

    def _power(self, base: Any, exponent: Any) -> Any:
        """To the power of plain numbers, each in its own way: x^2 is smooth at 0, x^0.5 is not."""
        exponents = np.asarray(exponent, dtype=np.float64)
        different = np.unique(exponents)
        if len(different) == 1 and not exponents.ndim:
            return self._new(base._to_the(float(different[0])))
        shape = np.broadcast_shapes(base.shape, exponents.shape)
        exponents = np.broadcast_to(exponents, shape).ravel()
        line: Any = np.ravel(np.broadcast_to(base, shape))
        parts = [line[np.flatnonzero(exponents == each)]._to_the(float(each)) for each in different]
        order = np.argsort(np.concatenate([np.flatnonzero(exponents == each) for each in different]))
        return np.reshape(np.concatenate([self._new(part) for part in parts])[order], shape)

    def _product(self, a: Carried, b: Carried) -> Any:
        if not a.ndim or not b.ndim:
            raise ParameterError("the @ of a single number is not defined", hint="use * for it")
        if a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
            raise ParameterError(f"a product of the shapes {a.shape} and {b.shape} is not defined")
        return self._new(self._matmul(a.payload, b.payload))


# ------------------------------------------------------------------------- NumPy's array functions


def _numbers(value: Any) -> Any:
    if isinstance(value, Carried):
        return value.numbers
    if isinstance(value, (list, tuple)):
        return type(value)(_numbers(each) for each in value)
    return {key: _numbers(each) for key, each in value.items()} if isinstance(value, dict) else value


def _axes(a: Carried, axis: Any) -> tuple[int, ...]:
    axes = range(a.ndim) if axis is None else np.atleast_1d(axis).tolist()
    if not all(-a.ndim <= each < a.ndim for each in axes):
        raise ParameterError(f"axis={axis} is not an axis of an array of shape {a.shape}")
    return tuple(int(each) % a.ndim for each in axes)


def _total(like: Carried, a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    a = like._new(like._payload(a))
    return like._new(like._sum(a.payload, _axes(a, axis), keepdims))


def _mean(like: Carried, a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return _total(like, a, axis, keepdims=keepdims) / math.prod(a.shape[each] for each in _axes(a, axis))


def _variance(like: Carried, a: Any, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> Any:
    n = math.prod(a.shape[each] for each in _axes(a, axis))
    return _total(like, np.square(a - _mean(like, a, axis, keepdims=True)), axis, keepdims=keepdims) / (n - ddof)


def _folding(ufunc: Any) -> Callable[..., Any]:
    """Return the reduction that takes one slice after the other, as ``prod`` from ``multiply``."""

    def fold(like: Carried, a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
        axes = _axes(a, axis)
        rest = tuple(each for each in range(a.ndim) if each not in axes)
        shape = [1 if each in axes else n for each, n in enumerate(a.shape)]
        line = np.reshape(np.transpose(a, (*axes, *rest)), (-1, *(a.shape[each] for each in rest)))
        found = line[0]
        for each in range(1, len(line)):
            found = ufunc(found, line[each])
        return np.reshape(found, shape) if keepdims else found

    return fold


def _cumulative(like: Carried, a: Any, axis: Any = None) -> Any:
    line = np.ravel(a) if axis is None else np.moveaxis(a, axis, 0)
    sums = [line[0]]
    for each in range(1, len(line)):
        sums.append(sums[-1] + line[each])
    return np.stack(sums) if axis is None else np.moveaxis(np.stack(sums), 0, axis)


def _where(like: Carried, condition: Any, a: Any = None, b: Any = None) -> Any:
    if isinstance(condition, Carried):
        condition = condition != 0
    if a is None:
        return np.where(condition)
    return like._new(like._choose(np.asarray(condition, dtype=bool), like._payload(a), like._payload(b)))


def _clip(like: Carried, a: Any, a_min: Any = None, a_max: Any = None, **limits: Any) -> Any:
    low, high = limits.get("min", a_min), limits.get("max", a_max)
    a = a if low is None else np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


def _dot(like: Carried, a: Any, b: Any) -> Any:
    return a * b if not np.ndim(a) or not np.ndim(b) else np.matmul(a, b)


def _norm(like: Carried, a: Any, ord: Any = None, axis: Any = None, *, keepdims: bool = False) -> Any:
    if ord in (None, 2, "fro") and (ord != 2 or len(_axes(a, axis)) == 1):
        return np.sqrt(_total(like, np.square(a), axis, keepdims=keepdims))
    if ord == 1 and len(_axes(a, axis)) == 1:
        return _total(like, np.abs(a), axis, keepdims=keepdims)
    raise _unknown(f"linalg.norm with ord={ord}")


def _polyval(like: Carried, coefficients: Any, x: Any) -> Any:
    value: Any = 0.0
    for coefficient in coefficients:
        value = value * x + coefficient
    return value


_ARRAY_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sum": _total,
    "mean": _mean,
    "average": lambda like, a, axis=None, weights=1.0: (
        np.sum(a * weights, axis=axis) / np.sum(weights * np.ones(np.shape(a)), axis=axis)
    ),
    "var": _variance,
    "std": lambda like, a, axis=None, **how: np.sqrt(_variance(like, a, axis, **how)),
    "prod": _folding(np.multiply),
    "max": _folding(np.maximum),
    "amax": _folding(np.maximum),
    "min": _folding(np.minimum),
    "amin": _folding(np.minimum),
    "cumsum": _cumulative,
    "where": _where,
    "clip": _clip,
    "dot": _dot,
    "vdot": lambda like, a, b: np.sum(np.ravel(a) * np.ravel(b)),
    "inner": lambda like, a, b: _dot(like, a, np.transpose(b)),
    "outer": lambda like, a, b: np.ravel(a)[:, None] * np.ravel(b)[None, :],
    "trace": lambda like, a: np.sum(np.diagonal(a)),
    "diff": lambda like, a: a[..., 1:] - a[..., :-1],
    "round": lambda like, a: np.rint(a),
    "polyval": _polyval,
    "linalg.norm": _norm,
}
_REDUCED = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"}
_METHODS = words(
    "all any argmax argmin clip copy cumsum diagonal dot max min prod ravel repeat round squeeze std swapaxes take "
    "trace transpose var"
)


# ---------------------------------------------------------------------------------------- errors


def assigned() -> ParameterError:
    """Build the error for what would be changed in place."""
    return ParameterError(
        "what depends on x cannot be changed in place, or written into an array",
        hint="write y = y + 1 instead of y += 1; join with np.stack([...]), choose with np.where(condition, a, b)",
    )


def _float() -> ParameterError:
    return ParameterError(
        "float() of what depends on x would lose its derivatives",
        hint="use np.exp, np.sin, np.log, ... instead of math.exp, math.sin, math.log, which take float() of it",
    )


def _unknown(name: str) -> ParameterError:
    return ParameterError(
        f"np.{name} cannot be differentiated",
        hint="write it with simpler functions, such as np.exp, np.sum, np.where, or with torch's; central_difference "
        "takes any function",
    )
