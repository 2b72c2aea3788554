"""Operations of ONNX that move numbers about, and those of constants alone, by which shapes are computed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import ModelFileError, NotPiecewiseLinearError
from planefold.core.records import Record
from planefold.networks.affine import Floats
from planefold.networks.affine_builder import Value
from planefold.networks.affine_layers import LayerBuilder, limited
from planefold.reading.imports.checks import WHAT_NOW
from planefold.reading.imports.protobuf import DTYPES, OnnxNode

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Operation(Record):
    """One node that is carried out; its inputs are values, arrays of constants, or None where they were left out."""

    node: OnnxNode
    inputs: tuple[Any, ...]
    builder: LayerBuilder
    opset: int
    layer: str

    def attribute(self, name: str, default: Any = None) -> Any:
        """Return an attribute of the node."""
        return self.node.attributes.get(name, default)

    def input(self, number: int) -> Any:
        """Return an input, None where it was left out."""
        return self.inputs[number] if number < len(self.inputs) else None

    def value(self, number: int) -> Value:
        """Return an input as a value, be it one or a constant."""
        found = self.inputs[number]
        return found if isinstance(found, Value) else self.builder.constant(np.asarray(found, dtype=np.float64))

    def constant(self, number: int) -> Array:
        """Return an input that must not depend on the input of the network."""
        found = self.inputs[number]
        if isinstance(found, Value):
            raise self.refusal("uses two values that both depend on the input, so it is not piecewise linear")
        return np.asarray(found)

    def reals(self, number: int) -> Floats:
        """Return a constant as float64."""
        return np.asarray(self.constant(number), dtype=np.float64)

    def integers(self, name: str, number: int) -> list[int] | None:
        """Return integers that older versions keep as an attribute and newer ones as an input."""
        found = self.attribute(name)
        if found is None and self.input(number) is not None:
            found = self.constant(number).ravel().tolist()
        return None if found is None else [int(entry) for entry in ([found] if isinstance(found, int) else found)]

    def refusal(self, what: str) -> NotPiecewiseLinearError:
        """Build the error for an operation that cannot be read."""
        return NotPiecewiseLinearError(f"{self.node} {what}", hint=WHAT_NOW)

    @property
    def is_constant(self) -> bool:
        """Whether nothing that it reads depends on the input."""
        return not any(isinstance(part, Value) for part in self.inputs)

    def limit_constants(self) -> None:
        """Refuse constants that grow beyond all bounds when they are repeated."""
        if self.is_constant:
            shapes = [np.shape(part) for part in self.inputs if part is not None]
            n_axes = max(map(len, shapes), default=0)
            longest = [max(shape[-axis] for shape in shapes if len(shape) >= axis) for axis in range(1, n_axes + 1)]
            limited(math.prod(longest), str(self.node))

    def rearranged(self, *sources: Any, how: Callable[..., Array], fill: float = 0.0) -> Any:
        """Move the entries of sources about, be they values or constants."""
        if not any(isinstance(source, Value) for source in sources):
            return how(*sources)
        values = [source if isinstance(source, Value) else self.builder.constant(source) for source in sources]
        return self.builder.rearranged(values, lambda arrays: [how(*arrays)], fill)[0]


Rule = Callable[[Operation], Any]

# ------------------------------------------------------------------------------------------- what moves numbers about


def _identity(operation: Operation) -> Any:
    if operation.node.kind == "Dropout" and operation.input(2) is not None and operation.constant(2).any():
        raise operation.refusal("leaves out units by chance even when it predicts")
    return operation.inputs[0]


def _cast(operation: Operation) -> Any:
    dtype = np.dtype(DTYPES.get(operation.attribute("to", 1), "<f4"))
    if operation.is_constant:
        return operation.constant(0).astype(dtype)
    if dtype.kind != "f":
        raise operation.refusal("rounds values that depend on the input")
    return operation.inputs[0]


def _flatten(operation: Operation) -> Any:
    source, axis = operation.inputs[0], operation.attribute("axis", 1)
    first = math.prod(source.shape[:axis] if axis >= 0 else source.shape[: len(source.shape) + axis])
    return operation.rearranged(source, how=lambda array: array.reshape(first, -1))


def _reshape(operation: Operation) -> Any:
    source, lengths = operation.inputs[0], operation.integers("shape", 1) or []
    if not operation.attribute("allowzero", 0):
        lengths = [source.shape[axis] if length == 0 else length for axis, length in enumerate(lengths)]
    return operation.rearranged(source, how=lambda array: array.reshape(lengths))


def _transpose(operation: Operation) -> Any:
    return operation.rearranged(operation.inputs[0], how=lambda array: array.transpose(operation.attribute("perm")))


def _squeeze(operation: Operation) -> Any:
    source, axes = operation.inputs[0], operation.integers("axes", 1)
    return operation.rearranged(source, how=lambda array: array.squeeze(None if axes is None else tuple(axes)))


def _unsqueeze(operation: Operation) -> Any:
    source, axes = operation.inputs[0], operation.integers("axes", 1) or []
    return operation.rearranged(source, how=lambda array: np.expand_dims(array, tuple(axes)))


def _concat(operation: Operation) -> Any:
    limited(
        sum(
            math.prod(np.shape(source) if not isinstance(source, Value) else source.shape)
            for source in operation.inputs
        ),
        str(operation.node),
    )
    axis = operation.attribute("axis", 1)
    return operation.rearranged(*operation.inputs, how=lambda *arrays: np.concatenate(arrays, axis=axis))


def _split(operation: Operation) -> Any:
    source, axis = operation.inputs[0], operation.attribute("axis", 0)
    lengths, n = operation.integers("split", 1), source.shape[axis]
    if lengths is None:
        n_parts = operation.attribute("num_outputs") or len(operation.node.outputs)
        each = -(-n // n_parts)
        lengths = [each] * (n_parts - 1) + [n - each * (n_parts - 1)]
    if sum(lengths) != n or min(lengths, default=0) < 0:
        raise ModelFileError(f"{operation.node} splits {n} entries into {lengths}")
    ends = np.cumsum([0, *lengths])

    def part(start: int, stop: int) -> Any:
        def how(array: Array) -> Array:
            return array.take(np.arange(start, stop), axis=axis)

        return operation.rearranged(source, how=how)

    return tuple(part(start, stop) for start, stop in pairwise(ends.tolist()))


def _slice(operation: Operation) -> Any:
    source = operation.inputs[0]
    starts, ends = operation.integers("starts", 1) or [], operation.integers("ends", 2) or []
    axes = operation.integers("axes", 3) or list(range(len(starts)))
    steps = (operation.integers("steps", 4) if operation.opset >= 10 else None) or [1] * len(starts)
    cuts = [slice(None)] * len(source.shape)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        length = source.shape[axis]
        # An end before the first entry is written as a very negative number, which Python would count from behind.
        is_all = step < 0 and end < -length
        cuts[axis] = slice(start, None if is_all else end, step)
    return operation.rearranged(source, how=lambda array: array[tuple(cuts)])


def _gather(operation: Operation) -> Any:
    source, places, axis = operation.inputs[0], operation.constant(1), operation.attribute("axis", 0)
    limited(math.prod(source.shape) * max(1, places.size), str(operation.node))
    return operation.rearranged(source, how=lambda array: np.take(array, places.astype(np.int64), axis=axis))


def _pad(operation: Operation) -> Any:
    source, pads = operation.inputs[0], operation.integers("pads", 1) or []
    mode = operation.attribute("mode", b"constant").decode()
    fill = operation.attribute("value", 0.0)
    if operation.input(2) is not None and operation.constant(2).size:
        fill = float(operation.constant(2).ravel()[0])
    axes = operation.integers("axes", 3) or list(range(len(source.shape)))
    widths = [(0, 0)] * len(source.shape)
    for k, axis in enumerate(axes):
        widths[axis] = (pads[k], pads[len(axes) + k])
    limited(math.prod(n + sum(width) for n, width in zip(source.shape, widths, strict=True)), str(operation.node))
    if min(min(width) for width in widths) < 0 or mode not in {"constant", "reflect", "edge", "wrap"}:
        raise ModelFileError(f"{operation.node} has negative pads, or a mode that is not read ({mode})")
    if mode == "constant":
        return operation.rearranged(source, how=lambda array: np.pad(array, widths), fill=fill)
    return operation.rearranged(source, how=lambda array: np.pad(array, widths, mode=mode))


def _expand(operation: Operation) -> Any:
    source, lengths = operation.inputs[0], operation.constant(1).tolist()
    if operation.node.kind == "Tile":
        limited(math.prod(source.shape) * math.prod(lengths), str(operation.node))
        return operation.rearranged(source, how=lambda array: np.tile(array, lengths))
    shape = np.broadcast_shapes(source.shape, tuple(lengths))
    limited(math.prod(shape), str(operation.node))
    return operation.rearranged(source, how=lambda array: np.broadcast_to(array, shape))


def _depth_to_space(operation: Operation) -> Any:
    size = operation.attribute("blocksize", 1)
    is_crd = operation.attribute("mode", b"DCR") == b"CRD"

    def how(array: Array) -> Array:
        n, channels, height, width = array.shape
        if is_crd:
            parts = array.reshape(n, -1, size, size, height, width).transpose(0, 1, 4, 2, 5, 3)
        else:
            parts = array.reshape(n, size, size, -1, height, width).transpose(0, 3, 4, 1, 5, 2)
        return parts.reshape(n, channels // size**2, height * size, width * size)

    return operation.rearranged(operation.inputs[0], how=how)


def _resize(operation: Operation) -> Any:
    """Repeat entries a whole number of times along each axis, which all modes of "nearest" agree on."""
    source = operation.inputs[0]
    places = (1,) if operation.node.kind == "Upsample" or operation.opset < 11 else (2, 3)
    given = [operation.constant(place) for place in places if operation.input(place) is not None]
    found = next((array for array in given if array.size), operation.attribute("scales"))
    sizes = np.asarray(found, dtype=np.float64)
    is_sizes = len(given) > 1 and operation.input(3) is not None
    factors = sizes / np.asarray(source.shape) if is_sizes else sizes
    if operation.attribute("mode", b"nearest") != b"nearest" or (factors % 1).any() or (factors < 1).any():
        raise operation.refusal("resizes in another way than by repeating, which is not read")
    limited(int(math.prod(source.shape) * math.prod(factors.tolist())), str(operation.node))

    def how(array: Array) -> Array:
        for axis, factor in enumerate(factors.astype(int)):
            array = array.repeat(factor, axis=axis)
        return array

    return operation.rearranged(source, how=how)


# ---------------------------------------------------------------------------------------------------- constants alone


def _constant(operation: Operation) -> Array:
    for name in ("value", "value_float", "value_int", "value_floats", "value_ints"):
        found = operation.attribute(name)
        if found is not None:
            return np.asarray(found, dtype=np.float32 if "float" in name else None)
    raise ModelFileError(f"{operation.node} holds no numbers")


def _constant_of_shape(operation: Operation) -> Array:
    shape = operation.constant(0).tolist()
    limited(math.prod(shape), str(operation.node))
    filled = np.asarray(operation.attribute("value", np.zeros(1, dtype=np.float32))).ravel()
    return np.full(shape, filled[0])


def _shape(operation: Operation) -> Array:
    shape = operation.inputs[0].shape
    start, end = operation.attribute("start", 0), operation.attribute("end", len(shape))
    return np.array(shape[start:end], dtype=np.int64)


def _range(operation: Operation) -> Array:
    start, stop, step = (operation.constant(number).item() for number in range(3))
    limited(int((stop - start) / step), str(operation.node))
    return np.arange(start, stop, step)


def _only_constants(compute: Callable[..., Any]) -> Rule:
    def rule(operation: Operation) -> Any:
        if not operation.is_constant:
            raise operation.refusal("is not piecewise linear, or jumps")
        operation.limit_constants()
        return np.asarray(compute(*(operation.constant(number) for number in range(len(operation.inputs)))))

    return rule


#: By the names of ONNX.
MOVES: dict[str, Rule] = {
    "Identity": _identity,
    "Dropout": _identity,
    "Cast": _cast,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Gather": _gather,
    "Pad": _pad,
    "Expand": _expand,
    "Tile": _expand,
    "DepthToSpace": _depth_to_space,
    "Upsample": _resize,
    "Resize": _resize,
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Shape": _shape,
    "Range": _range,
    "Sqrt": _only_constants(np.sqrt),
    "Pow": _only_constants(np.power),
    "Exp": _only_constants(np.exp),
    "Reciprocal": _only_constants(np.reciprocal),
    "Floor": _only_constants(np.floor),
    "Ceil": _only_constants(np.ceil),
    "Equal": _only_constants(np.equal),
    "Greater": _only_constants(np.greater),
    "Less": _only_constants(np.less),
    "Not": _only_constants(np.logical_not),
}
