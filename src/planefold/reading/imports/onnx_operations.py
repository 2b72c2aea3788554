"""The operations of ONNX on the affine form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from planefold.core.errors import ModelFileError
from planefold.networks.affine_builder import Value
from planefold.networks.affine_layers import Paddings, divisors, limited, same_padding, windows
from planefold.reading.imports.checks import Ended
from planefold.reading.imports.onnx_moves import MOVES, Operation, Rule

# ------------------------------------------------------------------------------------------------------------- affine


def _plus(operation: Operation) -> Any:
    kind = operation.node.kind
    sign = -1.0 if kind == "Sub" else 1.0
    if operation.is_constant:
        operation.limit_constants()
        total: Any = operation.constant(0)
        for number in range(1, len(operation.inputs)):
            other = operation.constant(number)
            total = total - other if kind == "Sub" else total + other
    else:
        total = operation.value(0)
        for number in range(1, len(operation.inputs)):
            total = operation.builder.added(total, operation.value(number), sign)
    if kind == "Mean":
        share = 1.0 / len(operation.inputs)
        return operation.builder.times(total, share) if isinstance(total, Value) else total * share
    return total


def _times(operation: Operation) -> Any:
    first, second = operation.inputs[:2]
    if operation.is_constant:
        operation.limit_constants()
        if operation.node.kind == "Mul":
            return first * second
        return first // second if first.dtype.kind in "iu" else first / second
    if operation.node.kind == "Div":
        return operation.builder.times(operation.value(0), 1.0 / operation.reals(1))
    number = 1 if isinstance(first, Value) else 0
    return operation.builder.times(operation.value(1 - number), operation.reals(number))


def _negate(operation: Operation) -> Any:
    return -operation.constant(0) if operation.is_constant else operation.builder.times(operation.inputs[0], -1.0)


def _multiplied(operation: Operation, first: Any, second: Any) -> Any:
    builder, what = operation.builder, str(operation.node)
    if not isinstance(first, Value) and not isinstance(second, Value):
        limited(int(first.size) * int(second.size) // max(1, first.shape[-1]), what)
        return np.asarray(first, dtype=np.float64) @ second
    if isinstance(first, Value) and isinstance(second, Value):
        raise operation.refusal("multiplies two matrices that both depend on the input: that is not piecewise linear")
    matrix = np.asarray(second if isinstance(first, Value) else first, dtype=np.float64)
    while matrix.ndim > 2 and len(matrix) == 1:
        matrix = matrix[0]
    if matrix.ndim > 2:
        raise operation.refusal("multiplies by a stack of matrices, which is not read")
    return builder.product(*((first, matrix) if isinstance(first, Value) else (matrix, second)), what=what)


def _matrix_product(operation: Operation) -> Any:
    return _multiplied(operation, *operation.inputs[:2])


def _gemm(operation: Operation) -> Any:
    def turned(part: Any, name: str) -> Any:
        if not operation.attribute(name, 0):
            return part
        return operation.rearranged(part, how=lambda array: array.T)

    alpha, beta = operation.attribute("alpha", 1.0), operation.attribute("beta", 1.0)
    product = _multiplied(operation, turned(operation.inputs[0], "transA"), turned(operation.inputs[1], "transB"))
    if not isinstance(product, Value):
        product = operation.builder.constant(product)
    product = operation.builder.times(product, alpha)
    if operation.input(2) is None:
        return product
    return operation.builder.added(product, operation.value(2), beta)


def _batch_norm(operation: Operation) -> Value:
    if operation.attribute("training_mode", 0):
        raise operation.refusal("normalises by the statistics of each batch")
    scale, shift, mean, variance = (operation.reals(number) for number in range(1, 5))
    factor = scale / np.sqrt(variance + operation.attribute("epsilon", 1e-5))
    value = operation.value(0)
    channels = (-1, *[1] * (len(value.shape) - 2))
    return operation.builder.times(value, factor.reshape(channels), (shift - mean * factor).reshape(channels))


def _reduced(operation: Operation) -> Any:
    kind, axes = operation.node.kind, operation.integers("axes", 1)
    keepdims = bool(operation.attribute("keepdims", 1))
    if operation.is_constant:
        reduce = {"ReduceMean": np.mean, "ReduceSum": np.sum, "ReduceMax": np.max, "ReduceMin": np.min}
        compute: Any = reduce[kind]
        return np.asarray(compute(operation.constant(0), axis=tuple(axes) if axes else None, keepdims=keepdims))
    value = operation.value(0)
    if not axes:
        if operation.attribute("noop_with_empty_axes", 0):
            return value
        axes = list(range(len(value.shape)))
    if kind in {"ReduceMean", "ReduceSum"}:
        return operation.builder.averaged(value, axes, keepdims=keepdims, is_sum=kind == "ReduceSum")
    return operation.builder.largest_along(
        value, axes, keepdims=keepdims, layer=operation.layer, smallest=kind == "ReduceMin"
    )


def _global_pool(operation: Operation) -> Value:
    value = operation.value(0)
    axes = list(range(2, len(value.shape)))
    if operation.node.kind == "GlobalAveragePool":
        return operation.builder.averaged(value, axes, keepdims=True)
    return operation.builder.largest_along(value, axes, keepdims=True, layer=operation.layer)


# ------------------------------------------------------------------------------------------------------------ windows


def _settings(operation: Operation, lengths: Sequence[int], kernel: Sequence[int]) -> dict[str, Any]:
    """Strides, paddings and dilations of a convolution or a pooling."""
    n_axes = len(lengths)
    stride = operation.attribute("strides") or [1] * n_axes
    dilation = operation.attribute("dilations") or [1] * n_axes
    pads = operation.attribute("pads") or [0] * (2 * n_axes)
    automatic = operation.attribute("auto_pad", b"NOTSET").decode()
    padding: Paddings = [(pads[axis], pads[n_axes + axis]) for axis in range(n_axes)]
    if automatic.startswith("SAME"):
        padding = same_padding(lengths, kernel, stride, dilation)
        if automatic == "SAME_LOWER":
            padding = [(after, before) for before, after in padding]
    elif automatic == "VALID":
        padding = [(0, 0)] * n_axes
    if min([*stride, *dilation, *kernel]) < 1 or min(pads) < 0 or len(kernel) != n_axes or n_axes < 1:
        raise ModelFileError(f"{operation.node} has strides, dilations or pads that cannot be")
    return {"stride": stride, "padding": padding, "dilation": dilation}


def _convolution(operation: Operation) -> Value:
    value, weight = operation.value(0), operation.reals(1)
    bias = operation.reals(2) if operation.input(2) is not None else None
    settings = _settings(operation, value.shape[2:], weight.shape[2:])
    groups, what = operation.attribute("group", 1), str(operation.node)
    if groups < 1 or weight.shape[0] % groups:
        raise ModelFileError(f"{operation.node} has {groups} groups of {weight.shape[0]} filters")
    if operation.node.kind == "Conv":
        return operation.builder.convolution(value, weight, bias, groups=groups, what=what, **settings)
    if operation.attribute("output_shape") or operation.attribute("auto_pad", b"NOTSET") != b"NOTSET":
        raise operation.refusal("says its output shape in the place of its pads, which is not read")
    extra = operation.attribute("output_padding") or [0] * (weight.ndim - 2)
    return operation.builder.convolution_transposed(
        value, weight, bias, groups=groups, what=what, output_padding=extra, **settings
    )


def _pool(operation: Operation) -> Value:
    value, kernel = operation.value(0), operation.attribute("kernel_shape") or []
    lengths = value.shape[2:]
    settings = _settings(operation, lengths, kernel)
    is_average = operation.node.kind == "AveragePool"
    if len(operation.node.outputs) > 1:
        raise operation.refusal("gives the places of the maxima too, which jump")
    ceil_mode = bool(operation.attribute("ceil_mode", 0))
    places = windows(lengths, kernel, ceil_mode=ceil_mode, **settings)
    if not is_average:
        return operation.builder.pooled(value, places, None, layer=operation.layer)
    if max(settings["dilation"]) > 1:
        raise operation.refusal("averages with gaps, which is not read")
    shares = divisors(
        lengths,
        kernel,
        stride=settings["stride"],
        padding=settings["padding"],
        places=places,
        count_padding=bool(operation.attribute("count_include_pad", 0)),
    )
    return operation.builder.pooled(value, places, shares, layer="", what=str(operation.node))


# -------------------------------------------------------------------------------------------------------------- folds


def _folded(operation: Operation) -> Any:
    value, kind = operation.value(0), operation.node.kind
    left: Any = 0.0
    if kind == "LeakyRelu":
        left = operation.attribute("alpha", 0.01)
    elif kind == "Abs":
        left = -1.0
    elif kind == "PRelu":
        left = operation.reals(1)
    return operation.builder.fold(value, left=left, layer=operation.layer)


def _clip(operation: Operation) -> Any:
    low, high = (operation.attribute(name) for name in ("min", "max"))
    for number in (1, 2):
        if operation.input(number) is not None and operation.constant(number).size:
            bound = float(operation.reals(number).ravel()[0])
            low, high = (bound, high) if number == 1 else (low, bound)
    bottom, top = -math.inf if low is None else low, math.inf if high is None else high
    if bottom > top:
        raise operation.refusal("clips to a range that is empty")
    limit = float(np.finfo(np.float32).max)  # which is how exporters write "no bound"
    bottom, top = -math.inf if bottom <= -limit else bottom, math.inf if top >= limit else top
    return operation.builder.clipped(operation.value(0), bottom, top, layer=operation.layer)


def _hard_sigmoid(operation: Operation) -> Value:
    alpha, beta = operation.attribute("alpha", 0.2), operation.attribute("beta", 0.5)
    value = operation.builder.times(operation.value(0), alpha, beta)
    return operation.builder.clipped(value, 0.0, 1.0, layer=operation.layer)


def _pairwise(operation: Operation) -> Any:
    smallest = operation.node.kind == "Min"
    if operation.is_constant:
        operation.limit_constants()
        found = operation.constant(0)
        for number in range(1, len(operation.inputs)):
            found = (
                np.minimum(found, operation.constant(number))
                if smallest
                else np.maximum(found, operation.constant(number))
            )
        return found
    value = operation.value(0)
    for number in range(1, len(operation.inputs)):
        value = operation.builder.pairwise_largest(
            value, operation.value(number), layer=operation.layer, smallest=smallest
        )
    return value


def _where(operation: Operation) -> Any:
    chosen = operation.constant(0).astype(np.bool_)
    if operation.is_constant:
        operation.limit_constants()
        return np.where(chosen, operation.constant(1), operation.constant(2))
    first = operation.builder.times(operation.value(1), chosen)
    return operation.builder.added(first, operation.builder.times(operation.value(2), ~chosen))


def _end(operation: Operation) -> Ended:
    kind, value = operation.node.kind, operation.value(0)
    if kind != "Sigmoid":
        axis = operation.attribute("axis", -1 if operation.opset >= 13 else 1)
        n_along = value.shape[axis] if operation.opset >= 13 else math.prod(value.shape[axis:])
        if n_along != value.size:
            raise operation.refusal("takes a softmax over one axis of several, which is not piecewise linear")
    names = {"Sigmoid": "sigmoid", "Softmax": "softmax", "LogSoftmax": "log_softmax"}
    return Ended(value=value, end=names[kind], where=str(operation.node))


KEEPS_NUMBERS = frozenset({"Identity", "Dropout", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Cast"})
OPERATIONS: dict[str, Rule] = {
    **MOVES,
    "Add": _plus,
    "Sub": _plus,
    "Sum": _plus,
    "Mean": _plus,
    "Mul": _times,
    "Div": _times,
    "Neg": _negate,
    "MatMul": _matrix_product,
    "Gemm": _gemm,
    "BatchNormalization": _batch_norm,
    "ReduceMean": _reduced,
    "ReduceSum": _reduced,
    "ReduceMax": _reduced,
    "ReduceMin": _reduced,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "Conv": _convolution,
    "ConvTranspose": _convolution,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "Relu": _folded,
    "LeakyRelu": _folded,
    "PRelu": _folded,
    "Abs": _folded,
    "Clip": _clip,
    "HardSigmoid": _hard_sigmoid,
    "Max": _pairwise,
    "Min": _pairwise,
    "Where": _where,
    "Sigmoid": _end,
    "Softmax": _end,
    "LogSoftmax": _end,
}
