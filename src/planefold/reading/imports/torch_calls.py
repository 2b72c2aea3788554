"""What torch asks for while a model runs once, and the operations that only move numbers about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from planefold.core.errors import NotPiecewiseLinearError
from planefold.core.records import Record
from planefold.networks.affine import Floats
from planefold.networks.affine_builder import Value
from planefold.networks.affine_layers import LayerBuilder
from planefold.reading.imports.checks import WHAT_NOW, Ended


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Call(Record):
    """One operation; its arguments hold values where the model's held traced tensors.

    ``here`` is the module that is being run, for messages; ``layer`` names a layer of folds that is made in it.
    """

    name: str
    func: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    builder: LayerBuilder
    here: str
    layer: Callable[[str], str]

    def get(self, *names: str) -> list[Any]:
        """Return arguments by their names in the schema of the operation; None where neither given nor defaulted."""
        schema = self.func._schema.arguments
        given = {argument.name: argument.default_value for argument in schema if argument.has_default_value()}
        given |= {argument.name: value for argument, value in zip(schema, self.args, strict=False)} | self.kwargs
        return [given.get(name) for name in names]

    def value(self, argument: Any) -> Value:
        """Return an argument as a value, be it one or a constant."""
        return argument if isinstance(argument, Value) else self.builder.constant(as_array(argument))

    def constant(self, argument: Any) -> Floats:
        """Return an argument that must not depend on the input."""
        if isinstance(argument, Value | Ended):
            raise refusal(self, f"uses {self.name} with two values that depend on the input")
        return as_array(argument)

    def new_layer(self) -> str:
        """Name a layer of folds that is made here."""
        return self.layer(self.name.strip("_").removesuffix("_kernel").removesuffix("_with_indices"))


def goes_on(call: Call, ended: Ended) -> Ended:
    """Apply an operation to what has a sigmoid or softmax behind it."""
    sums = tuple(argument.value if isinstance(argument, Ended) else argument for argument in call.args)
    rule = REARRANGEMENTS.get(call.name)
    return ended.after(rule(replace(call, args=sums)) if rule else None, call.here)


def refusal(call: Call, what: str) -> NotPiecewiseLinearError:
    """Build the error for an operation that cannot be read: who, what, and what can be done."""
    return NotPiecewiseLinearError(f"{call.here} {what}", hint=WHAT_NOW)


def as_array(value: Any) -> Floats:
    """Return a tensor or a number as float64."""
    if isinstance(value, Tensor):
        value = value.detach().to(torch.float64).numpy()
    return np.asarray(value, dtype=np.float64)


# ------------------------------------------------------------------------------------------- what moves numbers about


def _same(call: Call) -> Any:
    dtype, is_training = call.get("dtype", "train")
    if isinstance(dtype, torch.dtype) and not dtype.is_floating_point:
        raise refusal(call, f"rounds values to {dtype}")
    if is_training and call.name == "native_dropout":
        raise refusal(call, "leaves out units by chance even when it predicts")
    return (call.args[0], None) if call.name == "native_dropout" else call.args[0]


def _rearranged(call: Call) -> Any:
    """Run the operation itself on the numbers of the entries."""
    first, *others = call.args
    if any(isinstance(argument, Value | Ended) for argument in [*others, *call.kwargs.values()]):
        raise refusal(call, f"chooses by values that depend on the input ({call.name})")
    sources = [call.value(part) for part in first] if isinstance(first, list) else [first]
    fill = 0.0
    if call.name in {"constant_pad_nd", "masked_fill"} and len(others) > 1:
        fill, others[1] = float(others[1]), 0.0
    kind: list[type] = []

    def how(numbers: list[Floats]) -> list[Floats]:
        tensors = [torch.from_numpy(array) for array in numbers]
        result = call.func(tensors if isinstance(first, list) else tensors[0], *others, **call.kwargs)
        kind.append(type(result))
        return [part.numpy() for part in ([result] if isinstance(result, Tensor) else result)]

    found = call.builder.rearranged(sources, how, fill)
    return found[0] if kind[0] is Tensor else tuple(found)


def words(text: str) -> frozenset[str]:
    """Split names, of which there are many, at spaces."""
    return frozenset(text.split())


#: Give a new tensor of constants, of which only the shape comes from the input.
CONSTANTS = words("zeros_like ones_like full_like empty_like new_zeros new_ones new_full new_empty new_empty_strided")
Rule = Callable[[Call], Any]
SAME: dict[str, Rule] = dict.fromkeys(words("clone _to_copy lift_fresh dropout native_dropout"), _same)
#: Give a tensor that shares its numbers with the first argument.
VIEWS = words(
    "view _reshape_alias permute transpose t squeeze unsqueeze expand slice select narrow split split_with_sizes "
    "unbind unfold diagonal detach alias"
)
REARRANGEMENTS: dict[str, Rule] = dict.fromkeys(
    words(
        "_unsafe_view reshape flip roll repeat cat stack constant_pad_nd masked_fill reflection_pad1d reflection_pad2d "
        "reflection_pad3d replication_pad1d replication_pad2d replication_pad3d upsample_nearest1d upsample_nearest2d "
        "upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d im2col "
        "index index_select gather pixel_shuffle pixel_unshuffle channel_shuffle tril triu rot90"
    ),
    _rearranged,
)
#: Pass from one side to the other in a jump, or tell something that is not a number of the network.
