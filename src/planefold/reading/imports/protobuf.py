"""A strict reader of the protocol buffers that ONNX files are made of; no generated code, no dependency.

The wire format is a list of fields, each with a number and one of four kinds of content. Nothing that a file says is
believed before it was compared with how long the file is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import ModelFileError, show

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
MAX_VARINTS = 2**20  # in one packed list; weights are never kept so

Fields = dict[int, list[Any]]

#: ONNX's numbers of types, and what they are in NumPy, little-endian.
DTYPES = {1: "<f4", 2: "u1", 3: "i1", 5: "<i2", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8"}


def fields(data: memoryview) -> Fields:
    """Split a message into its fields: number -> contents in order, integers or memoryviews.

    Raises
    ------
    ModelFileError
        If the bytes are no message.
    """
    found: Fields = defaultdict(list)
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, place = _varint(data, place)
            found[number].append(value)
            continue
        if kind == BYTES:
            length, place = _varint(data, place)
        elif kind in {FIXED64, FIXED32}:
            length = 8 if kind == FIXED64 else 4
        else:
            raise _damaged(f"a field of kind {kind} at byte {place}")
        if number == 0 or length > len(data) - place:
            raise _damaged(f"a field of {length} bytes where {len(data) - place} are left")
        found[number].append(data[place : place + length])
        place += length
    return found


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise _damaged("the file ends within a number")
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, place
    raise _damaged("a number of more than 64 bits")


def _damaged(what: str) -> ModelFileError:
    return ModelFileError(f"this is no ONNX file, or a damaged one: {what}", hint="export the model again")


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _integers(contents: Sequence[Any]) -> list[int]:
    """Read a repeated integer, packed or not."""
    result: list[int] = []
    for content in contents:
        if isinstance(content, int):
            result.append(_signed(content))
            continue
        place = 0
        while place < len(content):
            value, place = _varint(content, place)
            result.append(_signed(value))
            if len(result) > MAX_VARINTS:
                raise _damaged("a list of integers that is too long")
    return result


def _reals(contents: Sequence[Any], dtype: str) -> npt.NDArray[Any]:
    """Read a repeated float or double, packed or not."""
    return np.frombuffer(b"".join(map(_bytes, contents)), dtype=dtype)


def _bytes(content: Any) -> bytes:
    if not isinstance(content, memoryview):
        raise _damaged("an integer where bytes belong")
    return bytes(content)


def _text(message: Fields, number: int) -> str:
    contents = message.get(number)
    try:
        return _bytes(contents[-1]).decode() if contents else ""
    except UnicodeDecodeError:
        raise _damaged("a name that is no text") from None


def _integer(message: Fields, number: int, default: int = 0) -> int:
    contents = _integers(message.get(number, []))
    return contents[-1] if contents else default


def _message(content: Any) -> Fields:
    if not isinstance(content, memoryview):
        raise _damaged("an integer where a message belongs")
    return fields(content)


def _messages(message: Fields, number: int) -> list[Fields]:
    return [_message(content) for content in message.get(number, [])]


@dataclass(frozen=True, kw_only=True)
class OnnxNode:
    """One operation of a graph; ``attributes`` hold Python numbers, bytes, lists and arrays."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    domain: str

    def __str__(self) -> str:
        return f"node {show(self.name or self.outputs[0] if self.outputs else '')} ({self.kind})"


@dataclass(frozen=True, kw_only=True)
class OnnxGraph:
    """What an ONNX file holds; shapes have None where a length is left open."""

    nodes: tuple[OnnxNode, ...]
    constants: dict[str, npt.NDArray[Any]]
    inputs: dict[str, tuple[int | None, ...]]
    outputs: tuple[str, ...]
    opset: int
    name: str = field(default="")


def read_graph(data: bytes) -> OnnxGraph:
    """Read the bytes of an ONNX file.

    Raises
    ------
    ModelFileError
        If they are damaged, or the weights lie in other files.
    """
    model = fields(memoryview(data))
    graphs = _messages(model, 7)
    if len(graphs) != 1:
        raise _damaged(f"it holds {len(graphs)} graphs")
    graph = graphs[0]
    constants = dict(_tensor(tensor) for tensor in _messages(graph, 5))
    if graph.get(15):
        raise ModelFileError("the file keeps weights in ONNX's sparse form, which is not read", hint="export it dense")
    opsets = {_text(entry, 1): _integer(entry, 2) for entry in _messages(model, 8)}
    inputs = dict(_input(entry) for entry in _messages(graph, 11))
    return OnnxGraph(
        nodes=tuple(_node(node) for node in _messages(graph, 1)),
        constants=constants,
        inputs={name: shape for name, shape in inputs.items() if name not in constants},
        outputs=tuple(_text(entry, 1) for entry in _messages(graph, 12)),
        opset=opsets.get("", opsets.get("ai.onnx", 1)),
        name=_text(graph, 2),
    )


def _input(entry: Fields) -> tuple[str, tuple[int | None, ...]]:
    shape: tuple[int | None, ...] = ()
    for type_ in _messages(entry, 2):
        for tensor in _messages(type_, 1):
            for dims in _messages(tensor, 2):
                lengths = [_integer(dim, 1, -1) for dim in _messages(dims, 1)]
                shape = tuple(length if length > 0 else None for length in lengths)
    return _text(entry, 1), shape


def _node(node: Fields) -> OnnxNode:
    names = [[_text({0: [content]}, 0) for content in node.get(number, [])] for number in (1, 2)]
    return OnnxNode(
        kind=_text(node, 4),
        name=_text(node, 3),
        inputs=tuple(names[0]),
        outputs=tuple(names[1]),
        attributes=dict(_attribute(attribute) for attribute in _messages(node, 5)),
        domain=_text(node, 7),
    )


def _attribute(attribute: Fields) -> tuple[str, Any]:
    name, kind = _text(attribute, 1), _integer(attribute, 20)
    if kind == 1 or (kind == 0 and attribute.get(2)):
        numbers = _reals(attribute.get(2, []), "<f4")
        return name, float(numbers[-1]) if len(numbers) else 0.0
    if kind == 3 or (kind == 0 and attribute.get(4)):
        return name, _bytes(attribute[4][-1]) if attribute.get(4) else b""
    if kind == 4 or (kind == 0 and attribute.get(5)):
        tensors = _messages(attribute, 5)
        if not tensors:
            raise _damaged(f"attribute {show(name)} holds no tensor")
        return name, _tensor(tensors[-1])[1]
    if kind == 6 or (kind == 0 and attribute.get(7)):
        return name, [float(number) for number in _reals(attribute.get(7, []), "<f4")]
    if kind == 7 or (kind == 0 and attribute.get(8)):
        return name, _integers(attribute.get(8, []))
    if kind in {0, 2}:
        return name, _integer(attribute, 3)
    return name, None  # graphs and the like, of operations that are refused anyway


def _tensor(tensor: Fields) -> tuple[str, npt.NDArray[Any]]:
    name, kind, shape = _text(tensor, 8), _integer(tensor, 2), _integers(tensor.get(1, []))
    if _integer(tensor, 14) or tensor.get(13):
        raise ModelFileError(
            f"tensor {show(name)} lies outside the file, in external data, which is not read",
            hint="save the model in one file: onnx.save(model, path, save_as_external_data=False)",
        )
    if kind not in DTYPES:
        raise ModelFileError(f"tensor {show(name)} is of a type (number {kind}) that is not read")
    dtype = DTYPES[kind]
    if tensor.get(9):
        raw = b"".join(map(_bytes, tensor[9]))
        if len(raw) % np.dtype(dtype).itemsize:
            raise _damaged(f"tensor {show(name)} of {len(raw)} bytes holds no whole numbers")
        array = np.frombuffer(raw, dtype=dtype)
    elif kind in {1, 11}:
        array = _reals(tensor.get(4 if kind == 1 else 10, []), dtype)
    elif kind == 10:
        array = np.array(_integers(tensor.get(5, [])), dtype=np.int64).astype("<u2").view("<f2")
    else:
        array = np.array(_integers(tensor.get(7 if kind == 7 else 5, [])), dtype=np.int64).astype(dtype)
    size = 1
    for length in shape:  # of Python integers, which do not overflow
        size *= length
    if min(shape, default=1) < 0 or size != len(array):
        raise _damaged(f"tensor {show(name)} of shape {tuple(shape)} holds {len(array)} numbers")
    return name, array.reshape(shape)
