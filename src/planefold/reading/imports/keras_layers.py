"""The layers of Keras on the affine form. Channels are last there unless a layer says otherwise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from planefold.core.errors import NotPiecewiseLinearError, show
from planefold.core.records import Record
from planefold.networks.affine import Floats
from planefold.networks.affine_builder import Value
from planefold.networks.affine_layers import LayerBuilder, divisors, same_padding, windows
from planefold.reading.imports.checks import WHAT_NOW, Ended


def numbers(variable: Any) -> Floats:
    """Return a variable or a tensor of any backend as float64."""
    if type(variable).__module__.startswith("keras."):
        variable = variable.value  # the backend's tensor; keras's own way to NumPy warns
    if hasattr(variable, "detach"):  # of torch
        variable = variable.detach().cpu().numpy()
    return np.asarray(variable, dtype=np.float64)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Step(Record):
    """One layer or operation that is carried out; its arguments hold values where the model has symbolic tensors."""

    builder: LayerBuilder
    layer: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    here: str

    @property
    def value(self) -> Value:
        """The first argument."""
        found: Value = self.args[0]
        return found

    def of(self, argument: Any) -> Value:
        """Return an argument as a value, be it one or a constant."""
        return argument if isinstance(argument, Value) else self.builder.constant(numbers(argument))

    @property
    def name(self) -> str:
        """What the layer of folds is called."""
        return str(self.layer.name)

    def refusal(self, what: str) -> NotPiecewiseLinearError:
        """Build the error for a layer that cannot be read."""
        return NotPiecewiseLinearError(f"{self.here} {what}", hint=WHAT_NOW)

    def moved(self, value: Value, order: list[int]) -> Value:
        """Reorder the axes."""
        if order == sorted(order):
            return value
        return self.builder.selected(value, np.arange(value.size).reshape(value.shape).transpose(order))

    @property
    def is_last(self) -> bool:
        """Whether the channels are on the last axis."""
        return getattr(self.layer, "data_format", "channels_last") != "channels_first"

    def channels_first(self, value: Value) -> Value:
        """Bring (n, ..., channels) to (n, channels, ...)."""
        n = len(value.shape)
        return self.moved(value, [0, n - 1, *range(1, n - 1)]) if self.is_last else value

    def channels_back(self, value: Value) -> Value:
        """Undo :meth:`channels_first`."""
        return self.moved(value, [0, *range(2, len(value.shape)), 1]) if self.is_last else value

    def activated(self, value: Value, activation: Any) -> Any:
        """Apply the activation that a layer has."""
        name = getattr(activation, "__name__", type(activation).__name__)
        if type(activation).__name__ in LAYERS and hasattr(activation, "weights"):
            inner = Step(builder=self.builder, layer=activation, args=(value,), kwargs={}, here=self.here)
            return LAYERS[type(activation).__name__](inner)
        is_of_keras = str(getattr(activation, "__module__", "")).startswith("keras.")
        if not is_of_keras or name not in ACTIVATIONS:
            raise self.refusal(f"is not piecewise linear: its activation is {show(name)}")
        return ACTIVATIONS[name](self, value)


Rule = Callable[[Step], Any]

# -------------------------------------------------------------------------------------------------------- activations


def _clipped(low: float, high: float, factor: float = 1.0, shift: float = 0.0) -> Callable[[Step, Value], Value]:
    def rule(step: Step, value: Value) -> Value:
        return step.builder.clipped(step.builder.scaled(value, factor, shift), low, high, layer=step.name)

    return rule


def _leaky(slope: float) -> Callable[[Step, Value], Value]:
    return lambda step, value: step.builder.fold(value, left=slope, layer=step.name)


def _ends_with(end: str) -> Callable[[Step, Value], Ended]:
    def rule(step: Step, value: Value) -> Ended:
        if end.endswith("softmax") and value.shape[-1] != value.size:
            raise step.refusal("takes a softmax over one axis of several, which is not piecewise linear")
        return Ended(value=value, end=end, where=step.here)

    return rule


ACTIVATIONS: dict[str, Callable[[Step, Value], Any]] = {
    "linear": lambda _, value: value,
    "relu": _leaky(0.0),
    "leaky_relu": _leaky(0.2),
    "relu6": _clipped(0.0, 6.0),
    "hard_sigmoid": _clipped(0.0, 1.0, 1 / 6, 0.5),
    "hard_tanh": _clipped(-1.0, 1.0),
    "sigmoid": _ends_with("sigmoid"),
    "log_sigmoid": _ends_with("log_sigmoid"),
    "softmax": _ends_with("softmax"),
    "log_softmax": _ends_with("log_softmax"),
}


def _activation(step: Step) -> Value:
    return step.value  # what follows is in its attribute "activation"


def _relu(step: Step) -> Value:
    layer, value = step.layer, step.value
    if layer.threshold:
        raise step.refusal(f"has a threshold of {layer.threshold}, where it jumps")
    if layer.negative_slope or layer.max_value is None:
        value = step.builder.fold(value, left=float(layer.negative_slope), layer=step.name)
        return (
            value
            if layer.max_value is None
            else step.builder.clipped(value, -math.inf, float(layer.max_value), layer=step.name)
        )
    return step.builder.clipped(value, 0.0, float(layer.max_value), layer=step.name)


def _leaky_relu(step: Step) -> Value:
    return step.builder.fold(step.value, left=float(step.layer.negative_slope), layer=step.name)


def _parametric_relu(step: Step) -> Value:
    return step.builder.fold(step.value, left=numbers(step.layer.alpha), layer=step.name)


def _softmax(step: Step) -> Ended:
    if step.value.shape[step.layer.axis if isinstance(step.layer.axis, int) else -1] != step.value.size:
        raise step.refusal("takes a softmax over one axis of several, which is not piecewise linear")
    return Ended(value=step.value, end="softmax", where=step.here)


# ------------------------------------------------------------------------------------------------------------- affine


def _same(step: Step) -> Value:
    return step.value


def _dense(step: Step) -> Value:
    bias = None if step.layer.bias is None else numbers(step.layer.bias)
    return step.builder.along_axis(step.value, numbers(step.layer.kernel), -1, bias, what=step.here)


def _batch_norm(step: Step) -> Value:
    layer = step.layer
    factor = 1.0 / np.sqrt(numbers(layer.moving_variance) + layer.epsilon)
    if layer.gamma is not None:
        factor = factor * numbers(layer.gamma)
    shift = -numbers(layer.moving_mean) * factor
    if layer.beta is not None:
        shift = shift + numbers(layer.beta)
    axes = [1] * len(step.value.shape)
    axes[layer.axis] = -1
    return step.builder.times(step.value, factor.reshape(axes), shift.reshape(axes))


def _normalization(step: Step) -> Value:
    mean, variance = numbers(step.layer.mean), numbers(step.layer.variance)
    scale = np.maximum(np.sqrt(variance), 1e-7)  # keras.config.epsilon()
    if step.layer.invert:
        return step.builder.times(step.value, scale, mean)
    return step.builder.times(step.value, 1.0 / scale, -mean / scale)


def _rescaling(step: Step) -> Value:
    return step.builder.times(step.value, numbers(step.layer.scale), numbers(step.layer.offset))


def _window_settings(step: Step, lengths: tuple[int, ...], kernel: tuple[int, ...], stride: Any) -> dict[str, Any]:
    dilation = _lengths(getattr(step.layer, "dilation_rate", 1), len(lengths))
    padding = [(0, 0)] * len(lengths)
    if step.layer.padding == "same":
        padding = same_padding(lengths, kernel, stride, dilation)
    elif step.layer.padding == "causal":
        padding = [(dilation[0] * (kernel[0] - 1), 0)]
    return {"stride": stride, "padding": padding, "dilation": dilation}


def _lengths(found: Any, n_axes: int) -> tuple[int, ...]:
    return (int(found),) * n_axes if isinstance(found, int) else tuple(int(length) for length in found)


def _filtered(step: Step, value: Value, kernel: Floats, bias: Any, groups: int) -> Value:
    """Convolve channels-first values by a kernel of (*lengths, n_in_group, n_out)."""
    weight = np.moveaxis(kernel, (-1, -2), (0, 1))
    stride = _lengths(step.layer.strides, weight.ndim - 2)
    settings = _window_settings(step, value.shape[2:], weight.shape[2:], stride)
    shift = None if bias is None else numbers(bias)
    return step.builder.convolution(value, weight, shift, groups=groups, what=step.here, **settings)


def _convolution(step: Step) -> Value:
    found = _filtered(
        step, step.channels_first(step.value), numbers(step.layer.kernel), step.layer.bias, step.layer.groups
    )
    return step.channels_back(found)


def _each_channel(kernel: Floats) -> tuple[Floats, int]:
    """Write a kernel of (*lengths, n_channels, multiplier) as one with a group for each channel."""
    n_channels = kernel.shape[-2]
    return kernel.reshape(*kernel.shape[:-2], 1, -1), n_channels


def _depthwise(step: Step) -> Value:
    kernel, groups = _each_channel(numbers(step.layer.kernel))
    return step.channels_back(_filtered(step, step.channels_first(step.value), kernel, step.layer.bias, groups))


def _separable(step: Step) -> Value:
    kernel, groups = _each_channel(numbers(step.layer.depthwise_kernel))
    found = _filtered(step, step.channels_first(step.value), kernel, None, groups)
    bias = None if step.layer.bias is None else numbers(step.layer.bias)
    pointwise = numbers(step.layer.pointwise_kernel)
    return step.channels_back(
        step.builder.along_axis(found, pointwise.reshape(pointwise.shape[-2:]), 1, bias, what=step.here)
    )


def _convolution_transposed(step: Step) -> Value:
    layer, value = step.layer, step.channels_first(step.value)
    weight = np.moveaxis(numbers(layer.kernel), (-1, -2), (0, 1))
    n_axes = weight.ndim - 2
    stride, dilation = _lengths(layer.strides, n_axes), _lengths(layer.dilation_rate, n_axes)
    if layer.output_padding is not None:
        raise step.refusal("has an output_padding, which is not read")
    lengths, kernel = value.shape[2:], weight.shape[2:]
    padding, extra = [(0, 0)] * n_axes, [max(0, stride[k] - dilation[k] * (kernel[k] - 1) - 1) for k in range(n_axes)]
    if layer.padding == "same":
        grown = [length * step_ for length, step_ in zip(lengths, stride, strict=True)]
        padding = same_padding(grown, kernel, stride, dilation)
    found = step.builder.convolution_transposed(
        value,
        weight,
        None if layer.bias is None else numbers(layer.bias),
        stride=stride,
        padding=padding,
        dilation=dilation,
        output_padding=extra,
        what=step.here,
    )
    return step.channels_back(found)


def _pool(step: Step) -> Value:
    value, layer = step.channels_first(step.value), step.layer
    lengths = value.shape[2:]
    kernel = _lengths(layer.pool_size, len(lengths))
    stride = _lengths(layer.strides, len(lengths))
    settings = _window_settings(step, lengths, kernel, stride)
    places = windows(lengths, kernel, **settings)
    shares = None
    if "Average" in type(layer).__name__:
        shares = divisors(
            lengths, kernel, stride=stride, padding=settings["padding"], places=places, count_padding=False
        )
    return step.channels_back(step.builder.pooled(value, places, shares, layer=step.name, what=step.here))


def _global_pool(step: Step) -> Value:
    n_axes = len(step.value.shape)
    axes = list(range(1, n_axes - 1)) if step.is_last else list(range(2, n_axes))
    if "Average" in type(step.layer).__name__:
        return step.builder.averaged(step.value, axes, keepdims=step.layer.keepdims)
    return step.builder.largest_along(step.value, axes, keepdims=step.layer.keepdims, layer=step.name)


# ------------------------------------------------------------------------------------------------------------- shapes


def _flatten(step: Step) -> Value:
    n = len(step.value.shape)
    value = step.value if step.is_last or n < 3 else step.moved(step.value, [0, *range(2, n), 1])
    return step.builder.reshaped(value, (1, value.size))


def _reshape(step: Step) -> Value:
    shape = np.empty(step.value.shape).reshape(1, *step.layer.target_shape).shape
    return step.builder.reshaped(step.value, shape)


def _permute(step: Step) -> Value:
    return step.moved(step.value, [0, *step.layer.dims])


def _repeat(step: Step) -> Value:
    n = step.value.size
    return step.builder.broadcast(step.builder.reshaped(step.value, (1, 1, n)), (1, step.layer.n, n))


def _pairs(found: Any) -> list[tuple[int, int]]:
    """Padding and cropping of one axis are (before, after), those of several a tuple of such."""
    if isinstance(found[0], int):
        return [(int(found[0]), int(found[1]))]
    return [(int(before), int(after)) for before, after in found]


def _zero_padding(step: Step) -> Value:
    first = 1 if step.is_last else 2
    widths = [(0, 0)] * len(step.value.shape)
    pairs = _pairs(step.layer.padding)
    widths[first : first + len(pairs)] = pairs
    return step.builder.rearranged([step.value], lambda arrays: [np.pad(arrays[0], widths)])[0]


def _cropping(step: Step) -> Value:
    first = 1 if step.is_last else 2
    cuts = [slice(None)] * len(step.value.shape)
    for axis, (before, after) in enumerate(_pairs(step.layer.cropping), start=first):
        cuts[axis] = slice(before, step.value.shape[axis] - after)
    return step.builder.rearranged([step.value], lambda arrays: [arrays[0][tuple(cuts)]])[0]


def _upsampling(step: Step) -> Value:
    if getattr(step.layer, "interpolation", "nearest") != "nearest":
        raise step.refusal("interpolates in another way than by repeating, which is not read")
    first = 1 if step.is_last else 2
    factors = _lengths(step.layer.size, 1)

    def how(arrays: list[Floats]) -> list[Floats]:
        array = arrays[0]
        for axis, factor in enumerate(factors, start=first):
            array = array.repeat(factor, axis=axis)
        return [array]

    return step.builder.rearranged([step.value], how)[0]


# ------------------------------------------------------------------------------------------------------ several values


def _merged(step: Step) -> Value:
    values, kind = [step.of(value) for value in step.args[0]], type(step.layer).__name__
    total = values[0]
    for other in values[1:]:
        if kind in {"Maximum", "Minimum"}:
            total = step.builder.pairwise_largest(total, other, layer=step.name, smallest=kind == "Minimum")
        else:
            total = step.builder.added(total, other, -1.0 if kind == "Subtract" else 1.0)
    return step.builder.times(total, 1.0 / len(values)) if kind == "Average" else total


def _concatenated(step: Step) -> Value:
    axis = step.layer.axis
    return step.builder.rearranged(
        [step.of(value) for value in step.args[0]], lambda arrays: [np.concatenate(arrays, axis=axis)]
    )[0]


def _operator(step: Step) -> Value:
    """``x + y``, ``2 - x`` and the like, and functions of keras.ops of two values."""
    kind, builder = type(step.layer).__name__, step.builder
    first, second = (*step.args, *step.kwargs.values())[:2]
    if kind in {"Add", "Subtract"}:
        return builder.added(step.of(first), step.of(second), 1.0 if kind == "Add" else -1.0)
    if kind in {"Maximum", "Minimum"}:
        return builder.pairwise_largest(step.of(first), step.of(second), layer=step.name, smallest=kind == "Minimum")
    if isinstance(second, Value) and (isinstance(first, Value) or kind != "Multiply"):
        raise step.refusal("multiplies or divides by a value that depends on the input: that is not piecewise linear")
    if isinstance(second, Value):
        first, second = second, first
    factor = numbers(second)
    return builder.times(first, factor if kind == "Multiply" else 1.0 / factor)


def _function(step: Step) -> Any:
    """Functions of keras.ops of one value."""
    kind, value = type(step.layer).__name__, step.value
    if kind == "Negative":
        return step.builder.times(value, -1.0)
    if kind in {"Absolute", "Abs"}:
        return step.builder.fold(value, left=-1.0, layer=step.name)
    names = {"Relu": "relu", "Relu6": "relu6", "Sigmoid": "sigmoid", "HardSigmoid": "hard_sigmoid"}
    return ACTIVATIONS[names[kind]](step, value)


KEEPS_NUMBERS = frozenset({"Reshape", "Flatten", "Dropout", "Identity", "Activation"})
LAYERS: dict[str, Rule] = {
    "InputLayer": _same,
    "Dense": _dense,
    "Conv1D": _convolution,
    "Conv2D": _convolution,
    "Conv3D": _convolution,
    "DepthwiseConv1D": _depthwise,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv1D": _separable,
    "SeparableConv2D": _separable,
    "Conv1DTranspose": _convolution_transposed,
    "Conv2DTranspose": _convolution_transposed,
    "BatchNormalization": _batch_norm,
    "Normalization": _normalization,
    "Rescaling": _rescaling,
    "Activation": _activation,
    "ReLU": _relu,
    "LeakyReLU": _leaky_relu,
    "PReLU": _parametric_relu,
    "Softmax": _softmax,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Permute": _permute,
    "RepeatVector": _repeat,
    "UpSampling1D": _upsampling,
    "UpSampling2D": _upsampling,
    "Concatenate": _concatenated,
    **dict.fromkeys((f"{kind}Pooling{n}D" for kind in ("Max", "Average") for n in (1, 2, 3)), _pool),
    **dict.fromkeys((f"Global{kind}Pooling{n}D" for kind in ("Max", "Average") for n in (1, 2, 3)), _global_pool),
    **dict.fromkeys((f"ZeroPadding{n}D" for n in (1, 2, 3)), _zero_padding),
    **dict.fromkeys((f"Cropping{n}D" for n in (1, 2, 3)), _cropping),
    **dict.fromkeys(("Add", "Subtract", "Average", "Maximum", "Minimum"), _merged),
    **dict.fromkeys(
        ("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "GaussianNoise", "GaussianDropout"),
        _same,
    ),
    **dict.fromkeys(("AlphaDropout", "ActivityRegularization", "Identity"), _same),
}
#: What ``x + y`` and functions of keras.ops become in a functional model.
OPERATIONS: dict[str, Rule] = {
    **dict.fromkeys(("Add", "Subtract", "Multiply", "Divide", "TrueDivide", "Maximum", "Minimum"), _operator),
    **dict.fromkeys(("Negative", "Absolute", "Abs", "Relu", "Relu6", "Sigmoid", "HardSigmoid"), _function),
}
