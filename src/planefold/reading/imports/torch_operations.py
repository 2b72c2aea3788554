"""The elementary operations of torch on the affine form: what every layer and function of torch comes down to."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from planefold.networks.affine import Ints
from planefold.networks.affine_builder import Value
from planefold.networks.affine_layers import adaptive_windows, divisors, windows
from planefold.reading.imports.checks import Ended
from planefold.reading.imports.torch_calls import Call, Rule, as_array, refusal, words


def _lengths(numbers: Any, n_axes: int) -> list[int]:
    """Repeat a single number for all axes."""
    found = [int(number) for number in ([numbers] if isinstance(numbers, int) else numbers or [])]
    return found * n_axes if len(found) == 1 else found


def _axes(dim: Any, n_axes: int) -> list[int]:
    """The axes that a reduction is over: all where none are given."""
    if dim is None or (not isinstance(dim, int) and len(dim) == 0):
        return list(range(n_axes))
    return [axis % n_axes for axis in ([dim] if isinstance(dim, int) else dim)]


# ------------------------------------------------------------------------------------------------------------- affine


def _add(call: Call, factor: float = 1.0) -> Value:
    first, second = (call.value(argument) for argument in call.args[:2])
    (alpha,) = call.get("alpha")
    return call.builder.added(first, second, factor * (1.0 if alpha is None else float(alpha)))


def _subtract(call: Call) -> Value:
    return _add(call, -1.0)


def _subtract_from(call: Call) -> Value:
    return _subtract(replace(call, args=(call.args[1], call.args[0], *call.args[2:])))


def _multiply(call: Call) -> Value:
    first, second = call.args[:2]
    if not isinstance(first, Value):
        first, second = second, first
    if isinstance(second, Value):
        raise refusal(call, "multiplies two values that both depend on the input: x * y is not piecewise linear")
    return call.builder.times(first, call.constant(second))


def _divide(call: Call) -> Value:
    first, second, *_ = call.args
    if isinstance(second, Value) or call.get("rounding_mode") != [None]:
        raise refusal(call, "divides by a value that depends on the input, or rounds: that is not piecewise linear")
    return call.builder.times(first, 1.0 / as_array(second))


def _copied(call: Call) -> Value:
    """What is written into a tensor: copy_, fill_, zero_."""
    new = call.value(call.args[1]) if len(call.args) > 1 else call.builder.constant(0.0)
    return call.builder.broadcast(new, tuple(call.args[0].shape))


def _negate(call: Call) -> Value:
    return call.builder.times(call.args[0], -1.0)


def _multiplied_add(call: Call) -> Value:
    """addcmul: ``self + value * tensor1 * tensor2``."""
    first, left, right, factor = call.get("self", "tensor1", "tensor2", "value")
    product = _multiply(replace(call, args=(left, right), kwargs={}))
    return call.builder.added(call.value(first), product, float(factor))


def _lerp(call: Call) -> Value:
    start, end, weight = call.get("self", "end", "weight")
    share = call.constant(weight)
    first, second = call.builder.times(call.value(start), 1.0 - share), call.builder.times(call.value(end), share)
    return call.builder.added(first, second)


def _where(call: Call) -> Value:
    condition, *pair = call.args
    chosen = call.constant(condition) != 0
    first, second = (
        call.builder.times(call.value(part), mask) for part, mask in zip(pair, (chosen, ~chosen), strict=True)
    )
    return call.builder.added(first, second)


def _product(call: Call, first: Any, second: Any) -> Value:
    """Multiply matrices, one of which depends on the input."""
    if isinstance(first, Value) and isinstance(second, Value):
        raise refusal(call, "multiplies two matrices that both depend on the input: that is not piecewise linear")
    first, second = (part if isinstance(part, Value) else as_array(part) for part in (first, second))
    return call.builder.product(first, second, what=call.here)


def _matrix_product(call: Call) -> Value:
    return _product(call, *call.args[:2])


def _matrix_product_added(call: Call) -> Value:
    """addmm, addmv, addbmm: ``beta * self + alpha * (first @ second)``."""
    added, first, second = call.args[:3]
    alpha, beta = call.get("alpha", "beta")
    multiply = _batch_product if call.name == "baddbmm" else _matrix_product
    product = multiply(replace(call, args=(first, second)))
    return call.builder.added(
        call.builder.times(product, float(alpha)), call.builder.times(call.value(added), float(beta))
    )


def _batch_product(call: Call) -> Value:
    first, second = call.args[:2]
    if isinstance(first, Value) and isinstance(second, Value):
        return _product(call, first, second)
    n = (first if isinstance(first, Value) else second).shape[0]

    def part(of: Any, number: int) -> Any:
        if not isinstance(of, Value):
            return of[number]
        return call.builder.selected(of, np.arange(of.size).reshape(of.shape)[number])

    products = [_product(call, part(first, number), part(second, number)) for number in range(n)]
    return call.builder.concatenated([replace(each, shape=(1, *each.shape)) for each in products])


def _convolution(call: Call) -> Value:
    value, weight, bias, stride, padding, dilation, transposed, output_padding, groups = call.get(
        "input", "weight", "bias", "stride", "padding", "dilation", "transposed", "output_padding", "groups"
    )
    filters = call.constant(weight)
    n_axes = filters.ndim - 2
    shared: dict[str, Any] = {
        "stride": _lengths(stride, n_axes),
        "padding": [(pad, pad) for pad in _lengths(padding, n_axes)],
        "dilation": _lengths(dilation, n_axes),
        "groups": groups,
        "what": call.here,
    }
    shift = None if bias is None else call.constant(bias)
    if transposed:
        extra = _lengths(output_padding, n_axes)
        return call.builder.convolution_transposed(value, filters, shift, output_padding=extra, **shared)
    return call.builder.convolution(value, filters, shift, **shared)


def _batch_norm(call: Call) -> tuple[Value, None, None]:
    value, weight, bias, mean, variance, training, eps = call.get(
        "input", "weight", "bias", "running_mean", "running_var", "training", "eps"
    )
    if training or mean is None:
        raise refusal(call, "normalises by the statistics of each batch or row, which is not piecewise linear")
    factor = 1.0 / np.sqrt(call.constant(variance) + eps)
    if weight is not None:
        factor = factor * call.constant(weight)
    shift = -call.constant(mean) * factor
    if bias is not None:
        shift = shift + call.constant(bias)
    channels = (-1, *[1] * (len(value.shape) - 2))
    return call.builder.times(value, factor.reshape(channels), shift.reshape(channels)), None, None


def _mean(call: Call) -> Value:
    value: Value = call.args[0]
    dim, keepdim = call.get("dim", "keepdim")
    axes = _axes(dim, len(value.shape))
    return call.builder.averaged(value, axes, keepdims=bool(keepdim), is_sum=call.name == "sum")


def _cumulative_sum(call: Call) -> Value:
    value, dim = call.args[:2]
    return call.builder.along_axis(value, np.triu(np.ones((value.shape[dim],) * 2)), dim)


def _interpolated(call: Call) -> Value:
    """Linear interpolation: along each axis a matrix, which torch itself gives for the unit vectors."""
    value: Value = call.args[0]
    (align,) = call.get("align_corners")
    (size,) = call.get("output_size")
    scales = [call.get(name)[0] for name in (("scales",) if len(size) == 1 else ("scales_h", "scales_w"))]
    for axis, (length, scale) in enumerate(zip(size, scales, strict=True), start=2):
        unit = torch.eye(value.shape[axis], dtype=torch.float64)[None]
        matrix = as_array(torch.ops.aten.upsample_linear1d(unit, [length], align, scale)[0])
        value = call.builder.along_axis(value, matrix, axis)
    return value


# -------------------------------------------------------------------------------------------------------------- folds


def _relu(call: Call) -> Value:
    return call.builder.fold(call.args[0], layer=call.new_layer())


def _leaky_relu(call: Call) -> Value:
    value, slope = call.get("self", "negative_slope")
    return call.builder.fold(value, left=float(slope), layer=call.new_layer())


def _parametric_relu(call: Call) -> Value:
    value, weight = call.args
    return call.builder.fold(value, left=call.constant(weight), layer=call.new_layer())


def _random_relu(call: Call) -> Value:
    value, lower, upper, training = call.get("self", "lower", "upper", "training")
    if training:
        raise refusal(call, "draws its slopes by chance even when it predicts")
    found = call.builder.fold(value, left=(float(lower) + float(upper)) / 2, layer=call.new_layer())
    return found


def _absolute(call: Call) -> Value:
    return call.builder.fold(call.args[0], left=-1.0, layer=call.new_layer())


def _clipped(call: Call, value: Value, low: Any, high: Any) -> Value:
    bottom = -math.inf if low is None else call.constant(low)
    top = math.inf if high is None else call.constant(high)
    if (np.asarray(bottom) > np.asarray(top)).any():
        raise refusal(call, f"clips to a range that is empty, from {bottom} to {top}")
    return call.builder.clipped(value, bottom, top, layer=call.new_layer())


def _clamp(call: Call) -> Value:
    value, low, high = call.get("self", "min", "max")
    if isinstance(value, Value) and not isinstance(low, Value) and not isinstance(high, Value):
        return _clipped(call, value, low, high)
    found = call.value(value)
    if low is not None:
        found = call.builder.pairwise_largest(found, call.value(low), layer=call.new_layer())
    if high is not None:
        found = call.builder.pairwise_largest(found, call.value(high), layer=call.new_layer(), smallest=True)
    return found


def _hardtanh(call: Call) -> Value:
    return _clipped(call, *call.get("self", "min_val", "max_val"))


def _hardsigmoid(call: Call) -> Value:
    return _clipped(call, call.builder.times(call.args[0], 1 / 6, 0.5), 0.0, 1.0)


def _threshold(call: Call) -> Value:
    value, threshold, instead = call.args
    if threshold != instead:
        raise refusal(call, f"jumps from {instead} to {threshold}, so it has no creases")
    return _clipped(call, value, threshold, None)


def _softshrink(call: Call) -> Value:
    value, width = call.get("self", "lambd")
    return call.builder.added(value, _clipped(call, value, -float(width), float(width)), -1.0)


def _pairwise(call: Call) -> Value:
    first, second = (call.value(argument) for argument in call.args[:2])
    smallest = call.name in {"minimum", "fmin", "min"}
    return call.builder.pairwise_largest(first, second, layer=call.new_layer(), smallest=smallest)


def _largest(call: Call) -> Any:
    if len(call.args) > 1 and isinstance(call.args[1], Value | Tensor):
        return _pairwise(call)
    value = call.args[0]
    dim, keepdim = call.get("dim", "keepdim")
    found = call.builder.largest_along(
        value,
        _axes(dim, len(value.shape)),
        keepdims=bool(keepdim),
        layer=call.new_layer(),
        smallest=call.name in {"min", "amin"},
    )
    has_places = call.name in {"max", "min"} and len(call.args) > 1
    return (found, _places(call, found)) if has_places else found


# ------------------------------------------------------------------------------------------------------------ pooling


def _places(call: Call, found: Value) -> Ended:
    """The places of maxima, which torch gives too: nothing can come of them."""
    return Ended(value=found, end="choice by size", where=call.here)


def _window_table(call: Call, n_axes: int) -> tuple[Ints, dict[str, Any]]:
    value, kernel, stride, padding, ceil_mode, dilation = call.get(
        "self", "kernel_size", "stride", "padding", "ceil_mode", "dilation"
    )
    kernel = _lengths(kernel, n_axes)
    settings: dict[str, Any] = {
        "stride": _lengths(stride, n_axes) or kernel,
        "padding": [(pad, pad) for pad in _lengths(padding, n_axes)],
    }
    shape = value.shape[-n_axes:]
    table = windows(shape, kernel, dilation=_lengths(dilation or 1, n_axes), ceil_mode=bool(ceil_mode), **settings)
    return table, {"shape": shape, "kernel": kernel, **settings}


def _max_pool(n_axes: int, has_places: bool) -> Callable[[Call], Any]:
    def pool(call: Call) -> Any:
        table, _ = _window_table(call, n_axes)
        found = call.builder.pooled(call.args[0], table, None, layer=call.new_layer())
        return (found, _places(call, found)) if has_places else found

    return pool


def _average_pool(n_axes: int) -> Callable[[Call], Value]:
    def pool(call: Call) -> Value:
        table, settings = _window_table(call, n_axes)
        counts_padding, divisor = call.get("count_include_pad", "divisor_override")
        shares = divisors(places=table, count_padding=bool(counts_padding), **settings)
        return call.builder.pooled(
            call.args[0], table, np.full(shares.shape, float(divisor)) if divisor else shares, layer="", what=call.here
        )

    return pool


def _adaptive_pool(call: Call) -> Any:
    value, size = call.args[:2]
    n_axes = len(size)
    is_max = "max" in call.name
    table = adaptive_windows(value.shape[-n_axes:], size)
    shares = None if is_max else (table >= 0).sum(axis=-1).astype(np.float64)
    found = call.builder.pooled(value, table, shares, layer=call.new_layer() if is_max else "", what=call.here)
    return (found, _places(call, found)) if is_max else found


# ------------------------------------------------------------------------------------------------------------ the end


def _end(end: str, n_results: int = 1) -> Callable[[Call], Any]:
    def stop(call: Call) -> Any:
        value = call.args[0]
        if end.endswith("softmax") and value.shape[call.args[1]] != value.size:
            raise refusal(call, "takes a softmax over one axis of several, which is not piecewise linear")
        ended = Ended(value=value, end=end, where=call.here)
        return ended if n_results == 1 else (ended, None)

    return stop


# ------------------------------------------------------------------------------------------------------- what is known


JUMPS = words(
    "gt lt ge le eq ne _local_scalar_dense is_nonzero nonzero sign sgn argmax argmin sort topk heaviside floor "
    "ceil round trunc frac isnan isinf isfinite all any logical_and logical_or logical_not bucketize item "
    "searchsorted hardshrink floor_divide remainder fmod"
)
#: Bend between their creases, if they have any.
SMOOTH = words(
    "gelu silu elu celu selu mish tanh hardswish softplus exp exp2 expm1 log log2 log10 log1p pow sqrt rsqrt "
    "square sin cos tan atan erf erfc reciprocal logsumexp norm linalg_vector_norm var std native_layer_norm "
    "native_group_norm prod cumprod glu cdist _native_multi_head_attention _transformer_encoder_layer_fwd "
    "_scaled_dot_product_flash_attention_for_cpu sinh cosh logcumsumexp"
)
OPERATIONS: dict[str, Rule] = {
    "copy": _copied,
    "fill": _copied,
    "zero": _copied,
    "add": _add,
    "sub": _subtract,
    "rsub": _subtract_from,
    "mul": _multiply,
    "div": _divide,
    "neg": _negate,
    "addcmul": _multiplied_add,
    "lerp": _lerp,
    "where": _where,
    "mm": _matrix_product,
    "mv": _matrix_product,
    "dot": _matrix_product,
    "bmm": _batch_product,
    "addmm": _matrix_product_added,
    "addmv": _matrix_product_added,
    "baddbmm": _matrix_product_added,
    "convolution": _convolution,
    "native_batch_norm": _batch_norm,
    "_native_batch_norm_legit": _batch_norm,
    "_native_batch_norm_legit_no_training": _batch_norm,
    "mean": _mean,
    "sum": _mean,
    "cumsum": _cumulative_sum,
    "upsample_linear1d": _interpolated,
    "upsample_bilinear2d": _interpolated,
    "relu": _relu,
    "leaky_relu": _leaky_relu,
    "_prelu_kernel": _parametric_relu,
    "rrelu_with_noise": _random_relu,
    "abs": _absolute,
    "clamp": _clamp,
    "clamp_min": _clamp,
    "clamp_max": _clamp,
    "hardtanh": _hardtanh,
    "hardsigmoid": _hardsigmoid,
    "threshold": _threshold,
    "softshrink": _softshrink,
    "maximum": _pairwise,
    "minimum": _pairwise,
    "fmax": _pairwise,
    "fmin": _pairwise,
    "max": _largest,
    "min": _largest,
    "amax": _largest,
    "amin": _largest,
    "max_pool2d_with_indices": _max_pool(2, True),
    "max_pool3d_with_indices": _max_pool(3, True),
    "mkldnn_max_pool2d": _max_pool(2, False),
    "avg_pool1d": _average_pool(1),
    "avg_pool2d": _average_pool(2),
    "avg_pool3d": _average_pool(3),
    "_adaptive_avg_pool2d": _adaptive_pool,
    "_adaptive_avg_pool3d": _adaptive_pool,
    "adaptive_max_pool2d": _adaptive_pool,
    "adaptive_max_pool3d": _adaptive_pool,
    "sigmoid": _end("sigmoid"),
    "log_sigmoid_forward": _end("log_sigmoid", 2),
    "_softmax": _end("softmax"),
    "_log_softmax": _end("log_softmax"),
}
