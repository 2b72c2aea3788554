"""ONNX files, without the package onnx: the graph is carried out once on the affine form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from planefold.core.errors import (
    MissingFileError,
    ModelFileError,
    NotPiecewiseLinearError,
    ParameterError,
    PlanefoldError,
    listed,
    show,
)
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.networks.affine_builder import Value
from planefold.networks.affine_layers import LayerBuilder
from planefold.reading.imports.checks import ENDS, WHAT_NOW, Ended, check, points
from planefold.reading.imports.onnx_moves import Operation
from planefold.reading.imports.onnx_operations import KEEPS_NUMBERS, OPERATIONS
from planefold.reading.imports.protobuf import OnnxGraph, OnnxNode, read_graph

MAX_BYTES = 2**31  # what a protocol buffer may have
TOLERANCE = 1e-4  # onnxruntime computes in float32


def read_onnx(path: str | Path, input_shape: Sequence[int] | None = None) -> PiecewiseLinearNet:
    """Return the affine form of an ONNX file.

    Parameters
    ----------
    path : str or Path
        All weights must lie in this one file.
    input_shape : sequence of int, optional
        Shape of one row, where the file leaves it open. The first axis of the file's input is the batch when it is open
        or 1 long, unless it is the only one.

    Raises
    ------
    NotPiecewiseLinearError
        If an operation is not piecewise linear.
    ModelFileError
        If the file is damaged, or uses what is not read: weights in other files, loops, several inputs.
    ParameterError
        If the shape of the input is open, or the network is too large.

    Notes
    -----
    Where onnxruntime is installed, its outputs on 16 random points are compared with those that were read. No code of
    the file is run; of the file's operations only those that are known here are carried out.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"{show(str(path))} does not exist", hint="check the path")
    if path.stat().st_size > MAX_BYTES:
        raise ModelFileError(f"{path.name} has more than 2 GiB, which no ONNX file has")
    data = path.read_bytes()
    try:
        graph = read_graph(data)
        net, end, whole_shape = _carried_out(graph, input_shape, path.name)
    except PlanefoldError as error:
        error.add_note(f"while reading {path.name}")
        raise
    _compare(net, data, whole_shape, end)
    return net


def _carried_out(
    graph: OnnxGraph, input_shape: Sequence[int] | None, name: str
) -> tuple[PiecewiseLinearNet, str, tuple[int, ...]]:
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ModelFileError(
            f"{name} has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs",
            details=f"inputs: {listed(graph.inputs) or 'none'}; outputs: {listed(graph.outputs) or 'none'}",
            hint="export a model with one input and one output",
        )
    [(input_name, declared)] = graph.inputs.items()
    row, whole = _shapes(declared, input_shape, name)
    builder = LayerBuilder(whole)
    values: dict[str, Any] = {"": None, **graph.constants, input_name: builder.input}
    for number, node in enumerate(graph.nodes, start=1):
        results = _result(node, number, values, builder, graph.opset)
        values.update(zip(node.outputs, results, strict=False))
    result = values.get(graph.outputs[0])
    if not isinstance(result, Value | Ended):
        raise ModelFileError(f"output {show(graph.outputs[0])} of {name} does not depend on the input")
    value, end = (result.value, result.end) if isinstance(result, Ended) else (result, "")
    net = builder.finish(
        builder.reshaped(value, (value.size,)), link=ENDS[end][0], description=f"the ONNX model {name}"
    )
    return replace(net, input_shape=row), end, whole


def _shapes(
    declared: tuple[int | None, ...], input_shape: Sequence[int] | None, name: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the shape of one row, and that with which the graph is carried out."""
    if input_shape is not None:
        row = tuple(int(length) for length in input_shape)
        return row, row if declared and len(row) == len(declared) else (1, *row)
    known = tuple(length for length in declared if length is not None)
    if len(declared) > 1 and len(known) >= len(declared) - 1 and declared[0] in {None, 1}:
        return known[-(len(declared) - 1) :], (1, *known[-(len(declared) - 1) :])
    if declared and len(known) == len(declared):
        return known, known
    raise ParameterError(
        f"{name} leaves the shape of its input open: ({', '.join('?' if n is None else str(n) for n in declared)})",
        hint="give that of one row: from_model(path, input_shape=(3, 32, 32))",
    )


def _result(node: OnnxNode, number: int, values: dict[str, Any], builder: LayerBuilder, opset: int) -> tuple[Any, ...]:
    missing = [name for name in node.inputs if name not in values]
    if missing:
        raise ModelFileError(f"{node} reads {show(missing[0])}, which nothing gives", hint="export the model again")
    if node.domain not in {"", "ai.onnx"} or node.kind not in OPERATIONS:
        raise NotPiecewiseLinearError(
            f"{node} is not piecewise linear, or not known to be",
            details="it is an operation of its own domain" if node.domain not in {"", "ai.onnx"} else None,
            hint=WHAT_NOW,
        )
    inputs = [values[name] for name in node.inputs]
    ended = next((part for part in inputs if isinstance(part, Ended)), None)
    operation = Operation(
        node=node,
        inputs=tuple(part.value if isinstance(part, Ended) else part for part in inputs),
        builder=builder,
        opset=opset,
        layer=node.name or f"{node.kind} {number}",
    )
    try:
        if ended and node.kind not in KEEPS_NUMBERS:
            return (ended.after(None, str(node)),)
        with np.errstate(all="ignore"):
            result = OPERATIONS[node.kind](operation)
    except PlanefoldError:
        raise
    except Exception as error:
        raise ModelFileError(
            f"{node} does not fit what it reads: {str(error) or type(error).__name__}", hint="export the model again"
        ) from error
    if ended:
        return (ended.after(result, str(node)),)
    return result if isinstance(result, tuple) else (result,)


def _compare(net: PiecewiseLinearNet, data: bytes, whole_shape: tuple[int, ...], end: str) -> None:
    """Compare with onnxruntime, where it is installed and runs the file."""
    try:
        import onnxruntime
    except ImportError:
        return
    X = points(net.n_inputs)
    try:
        options = onnxruntime.SessionOptions()
        options.log_severity_level, options.intra_op_num_threads, options.inter_op_num_threads = 4, 1, 1
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        place = session.get_inputs()[0]
        dtype = np.float64 if place.type == "tensor(double)" else np.float32
        rows = [session.run(None, {place.name: row.reshape(whole_shape).astype(dtype)})[0].ravel() for row in X]
    except Exception:
        return  # it does not know this version, or this operation: then there is nothing to compare with
    expected: Floats = np.array(rows, dtype=np.float64)
    check(net, X.astype(dtype).astype(np.float64), expected, tolerance=TOLERANCE, end=end)
