"""A tiny writer of ONNX files, so that the reader is tested without the package onnx."""

from __future__ import annotations

import struct

import numpy as np

TYPES = {"float32": 1, "uint8": 2, "int32": 6, "int64": 7, "bool": 9, "float16": 10, "float64": 11}


def varint(value):
    value &= 2**64 - 1
    result = bytearray()
    while value >= 0x80:
        result.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*result, value])


def number(field, value):
    return varint(field << 3) + varint(value)


def data(field, content):
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def tensor(name, array, packed=False):
    array = np.asarray(array)
    head = b"".join(number(1, length) for length in array.shape) + number(2, TYPES[array.dtype.name]) + data(8, name)
    if not packed:
        return head + data(9, array.tobytes())
    if array.dtype == np.float32:
        return head + data(4, array.tobytes())
    if array.dtype == np.float64:
        return head + data(10, array.tobytes())
    field = 7 if array.dtype == np.int64 else 5
    return head + data(field, b"".join(varint(int(entry)) for entry in array.ravel()))


def attribute(name, value):
    head = data(1, name)
    if isinstance(value, float):
        return head + varint(2 << 3 | 5) + struct.pack("<f", value) + number(20, 1)
    if isinstance(value, int):
        return head + number(3, value) + number(20, 2)
    if isinstance(value, str):
        return head + data(4, value) + number(20, 3)
    if isinstance(value, np.ndarray):
        return head + data(5, tensor("", value)) + number(20, 4)
    if isinstance(value[0], float):
        return head + data(7, struct.pack(f"<{len(value)}f", *value)) + number(20, 6)
    return head + b"".join(number(8, entry) for entry in value) + number(20, 7)


def node(kind, inputs, outputs, domain="", **attributes):
    parts = [data(1, name) for name in inputs] + [data(2, name) for name in outputs]
    parts += [data(3, f"{kind} of {outputs[0]}"), data(4, kind)]
    parts += [data(5, attribute(name, value)) for name, value in attributes.items()]
    return b"".join(parts) + (data(7, domain) if domain else b"")


def info(name, shape, kind=1):
    dims = b"".join(data(1, data(2, "n") if length is None else number(1, length)) for length in shape)
    return data(1, name) + data(2, data(1, number(1, kind) + data(2, dims)))


def model(nodes, constants, shape, outputs=("y",), opset=17, packed=False, kind=1, inputs=("x",)):
    graph = [data(1, each) for each in nodes] + [data(2, "graph")]
    graph += [data(5, tensor(name, array, packed)) for name, array in constants.items()]
    graph += [data(11, info(name, shape, kind)) for name in inputs]
    graph += [data(12, data(1, name) + data(2, data(1, number(1, kind)))) for name in outputs]
    return number(1, 8) + data(7, b"".join(graph)) + data(8, data(1, "") + number(2, opset))
