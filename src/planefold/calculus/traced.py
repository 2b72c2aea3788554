"""A torch tensor in the place of a function's argument, so that NumPy's functions leave a graph to differentiate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from planefold.calculus.carried import COMPARISONS, Carried, words

Ties = list[str]


class Traced(Carried):
    """An array of numbers that remembers in ``payload``, a float64 tensor, what it was computed from.

    torch's functions take it, too, and give one back. :meth:`apply` is for what needs a true tensor.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array."""
        return tuple(self.payload.shape)

    @property
    def numbers(self) -> Any:
        """The numbers alone, as a NumPy array."""
        return self.payload.detach().numpy()

    def _constant(self, value: Any) -> Tensor:
        return (
            value.double() if isinstance(value, Tensor) else torch.tensor(np.array(value, dtype=np.float64, order="C"))
        )

    def _gather(self, payloads: Sequence[Tensor], places: NDArray[np.int64]) -> Tensor:
        line = torch.cat([torch.zeros(1, dtype=torch.float64), *(each.reshape(-1) for each in payloads)])
        return line[torch.tensor(places.copy())]  # a copy, as torch knows no steps backwards

    def _sum(self, payload: Tensor, axes: tuple[int, ...], keepdims: bool) -> Tensor:
        return payload.sum(dim=axes, keepdim=keepdims) if axes else payload

    def _matmul(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.matmul(a, b)

    def _choose(self, where: NDArray[np.bool_], a: Tensor, b: Tensor) -> Tensor:
        return torch.where(torch.tensor(where.copy()), a, b)

    def _compare(self, name: str, a: Tensor, b: Tensor) -> Any:
        _note_ties(self.ties, name, a, b)
        found = COMPARISONS[name](a.detach().numpy(), b.detach().numpy())
        return found if np.ndim(found) else bool(found)

    def _to_the(self, exponent: float) -> Tensor:
        # A whole exponent falls to 0 by differentiating, and then torch leaves x^-1 alone.
        return torch.pow(self.payload, int(exponent) if exponent == int(exponent) else exponent)

    def apply(self, function: Callable[[Tensor], Tensor]) -> Traced:
        """Apply a function of tensors."""
        return Traced(function(self.payload), self.ties)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found: list[Traced] = []
        plain, named = _opened(args, found), _opened(kwargs or {}, found)
        return _closed(func(*plain, **named), found[0].ties)

    def _attribute(self, name: str) -> Any:
        """What a tensor has and an array has not: methods such as ``x.exp()``."""
        value = getattr(self.payload, name)
        if not callable(value):
            return _closed(value, self.ties)
        return lambda *args, **kwargs: _closed(value(*_opened(args, []), **_opened(kwargs, [])), self.ties)


def _opened(value: Any, found: list[Traced]) -> Any:
    """Put tensors in the place of traced values, in double precision all of them."""
    if isinstance(value, Traced):
        found.append(value)
        return value.payload
    if isinstance(value, Tensor):
        return value.double() if value.is_floating_point() else value
    if isinstance(value, (list, tuple)):
        return type(value)(_opened(each, found) for each in value)
    return {key: _opened(each, found) for key, each in value.items()} if isinstance(value, dict) else value


def _closed(value: Any, ties: Ties) -> Any:
    if isinstance(value, Tensor):
        return Traced(value, ties) if value.is_floating_point() else value
    return tuple(_closed(each, ties) for each in value) if isinstance(value, (list, tuple)) else value


# ----------------------------------------------------------------------------------------- kinks


def _note_ties(ties: Ties, name: str, a: Tensor, b: Tensor | float) -> None:
    """Write down that two numbers are equal where one side of them matters; who asked finds out whether it does."""
    if bool((a.detach() == (b.detach() if isinstance(b, Tensor) else b)).any()):
        ties.append(name)


def _absolute(ties: Ties, a: Tensor) -> Tensor:
    _note_ties(ties, "abs", a, 0.0)
    return a.abs()


def _maximum(ties: Ties, a: Tensor, b: Tensor) -> Tensor:
    _note_ties(ties, "maximum", a, b)
    return torch.where(a >= b, a, b)


def _minimum(ties: Ties, a: Tensor, b: Tensor) -> Tensor:
    _note_ties(ties, "minimum", a, b)
    return torch.where(a <= b, a, b)


def _step(name: str, function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    def rule(ties: Ties, a: Tensor) -> Tensor:
        _note_ties(ties, name, 2 * a, torch.round(2 * a))  # where there may be a step; the series will tell
        return function(a)

    return rule


def _sign(ties: Ties, a: Tensor) -> Tensor:
    _note_ties(ties, "sign", a, 0.0)
    return a.sign()


def _heaviside(ties: Ties, a: Tensor, b: Tensor) -> Tensor:
    _note_ties(ties, "heaviside", a, 0.0)
    return torch.where(a == 0, b, (a > 0).double())


def _cbrt(ties: Ties, a: Tensor) -> Tensor:
    return a.sign() * a.abs() ** (1 / 3)


def _remainder(ties: Ties, a: Tensor, b: Tensor) -> Tensor:
    return a - FUNCTIONS["floor"](ties, a / b) * b


def _same(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda ties, *args: function(*args)


_ALIKE = words(
    "positive negative add subtract multiply divide reciprocal square sqrt hypot exp exp2 expm1 tanh tan sin cos sinh "
    "cosh log log2 log10 log1p arctan arctanh arcsin arccos arcsinh arccosh arctan2 logaddexp deg2rad rad2deg"
)

FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    **{name: _same(getattr(torch, name)) for name in _ALIKE},
    "radians": _same(torch.deg2rad),
    "degrees": _same(torch.rad2deg),
    "power": _same(torch.pow),
    "float_power": _same(torch.pow),
    "expit": _same(torch.sigmoid),
    "erf": _same(torch.erf),
    "cbrt": _cbrt,
    "absolute": _absolute,
    "fabs": _absolute,
    "maximum": _maximum,
    "fmax": _maximum,
    "minimum": _minimum,
    "fmin": _minimum,
    "sign": _sign,
    "heaviside": _heaviside,
    "floor": _step("floor", torch.floor),
    "ceil": _step("ceil", torch.ceil),
    "rint": _step("rint", torch.round),
    "trunc": _step("trunc", torch.trunc),
    "floor_divide": lambda ties, a, b: FUNCTIONS["floor"](ties, a / b),
    "remainder": _remainder,
}
Traced.FUNCTIONS = FUNCTIONS
