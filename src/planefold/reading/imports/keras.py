"""Keras models, layer by layer; the package keras is imported only for files."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from planefold.core.errors import (
    ModelFileError,
    NotPiecewiseLinearError,
    ParameterError,
    PlanefoldError,
    show,
)
from planefold.core.extras import import_keras
from planefold.networks.affine import PiecewiseLinearNet
from planefold.networks.affine_builder import Value
from planefold.networks.affine_layers import LayerBuilder
from planefold.reading.imports.checks import ENDS, WHAT_NOW, Ended, check, points
from planefold.reading.imports.keras_layers import KEEPS_NUMBERS, LAYERS, OPERATIONS, Step, numbers

TOLERANCE = 1e-4
TOLERANCE_FLOAT64 = 1e-9
MAX_BYTES = 2**31  # of a .keras file, unpacked
MAX_CONFIG = 2**24


def read_keras(model: Any, input_shape: Sequence[int] | None = None) -> PiecewiseLinearNet:
    """Return the affine form of a Keras 3 model.

    Parameters
    ----------
    model : keras.Sequential or functional keras.Model
        Built, with one input and one output. It is read as it predicts (``training=False``) and not changed.
    input_shape : sequence of int, optional
        Shape of one row, where the model leaves lengths open.

    Raises
    ------
    NotPiecewiseLinearError
        If a layer is not piecewise linear, or what was read does not agree with the model on 16 random points.
    ParameterError
        If it is no Sequential or functional model, is not built, or leaves the shape of its input open.
    """
    name = f"the Keras model {show(getattr(model, 'name', type(model).__name__))}"
    shape = _row_shape(model, input_shape, name)
    builder = LayerBuilder((1, *shape))
    result = _model(builder, model, builder.input, name)
    value, end = (result.value, result.end) if isinstance(result, Ended) else (result, "")
    net = builder.finish(builder.reshaped(value, (value.size,)), link=ENDS[end][0], description=name)
    net = replace(net, input_shape=shape)
    is_double = getattr(model, "compute_dtype", "float32") == "float64"
    X = points(net.n_inputs).astype(np.float64 if is_double else np.float32)
    expected = numbers(model(X.reshape(-1, *shape), training=False))
    check(net, X.astype(np.float64), expected, tolerance=TOLERANCE_FLOAT64 if is_double else TOLERANCE, end=end)
    return net


def _row_shape(model: Any, input_shape: Sequence[int] | None, name: str) -> tuple[int, ...]:
    if not (_is_sequential(model) or _is_functional(model)):
        raise ParameterError(
            f"{name} ({type(model).__name__}) is neither Sequential nor functional, so its graph cannot be read",
            hint="build it with keras.Model(inputs, outputs), or export it: model.export('model.onnx', format='onnx')",
        )
    if not model.built:
        raise ParameterError(
            f"{name} is not built, so it has no weights", hint="call it on data once, or model.build((None, 4))"
        )
    if input_shape is not None:
        return tuple(int(length) for length in input_shape)
    if len(getattr(model, "inputs", None) or [None]) != 1 or len(getattr(model, "outputs", None) or [None]) != 1:
        raise ParameterError(
            f"{name} has {len(model.inputs)} inputs and {len(model.outputs)} outputs",
            hint="read a model with one input and one output: keras.Model(model.inputs[0], model.outputs[0])",
        )
    shape = tuple(model.input_shape)[1:]
    if None in shape:
        raise ParameterError(
            f"{name} leaves the shape of its input open: {tuple(model.input_shape)}",
            hint="give that of one row: from_model(model, input_shape=(32, 32, 3))",
        )
    return shape


def _is_sequential(model: Any) -> bool:
    return any(base.__name__ == "Sequential" for base in type(model).__mro__)


def _is_functional(model: Any) -> bool:
    return any(base.__name__ == "Functional" for base in type(model).__mro__)


def _model(builder: LayerBuilder, model: Any, value: Any, path: str) -> Any:
    """Carry out a model, which may be a layer of another."""
    if _is_sequential(model):
        for layer in model.layers:
            value = _step(builder, layer, (value,), {}, path)
        return value
    values = {_key(model.inputs[0]): value}
    waiting = list(model.outputs)
    while waiting:  # a depth-first search without recursion, since networks may be deep
        tensor = waiting[-1]
        if _key(tensor) in values:
            waiting.pop()
            continue
        operation, number, _ = tensor._keras_history
        node = operation._inbound_nodes[number]
        missing = [source for source in node.input_tensors if _key(source) not in values]
        if missing or not node.input_tensors:
            if not node.input_tensors:
                raise ParameterError(f"{path} has a second input, {show(operation.name)}, which is not read")
            waiting += missing
            continue
        result = _step(
            builder, operation, _filled(node.arguments.args, values), _filled(node.arguments.kwargs, values), path
        )
        results = result if isinstance(result, tuple) else (result,)
        values.update({_key(made): found for made, found in zip(node.output_tensors, results, strict=False)})
    return values[_key(model.outputs[0])]


def _key(tensor: Any) -> tuple[int, int, int]:
    operation, node, place = tensor._keras_history
    return id(operation), node, place


def _filled(arguments: Any, values: dict[tuple[int, int, int], Any]) -> Any:
    """Put values in the places of symbolic tensors."""
    if hasattr(arguments, "_keras_history"):
        return values[_key(arguments)]
    if isinstance(arguments, tuple | list):
        return type(arguments)(_filled(part, values) for part in arguments)
    if isinstance(arguments, dict):
        return {key: _filled(part, values) for key, part in arguments.items()}
    return arguments


def _step(builder: LayerBuilder, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any], path: str) -> Any:
    if _is_sequential(layer) or _is_functional(layer):
        return _model(builder, layer, args[0], path)
    kind = type(layer).__name__
    here = f"layer {show(layer.name)} ({kind})"
    is_layer = hasattr(layer, "weights")
    rule = (LAYERS if is_layer else OPERATIONS).get(kind) if type(layer).__module__.startswith("keras.") else None
    if rule is None:
        raise NotPiecewiseLinearError(f"{here} is not piecewise linear, or not known to be", hint=WHAT_NOW)
    ended = next((part for part in args if isinstance(part, Ended)), None)
    if ended is not None:
        args = tuple(part.value if isinstance(part, Ended) else part for part in args)
    step = Step(builder=builder, layer=layer, args=args, kwargs=kwargs, here=here)
    if ended is not None:
        return ended.after(rule(step) if kind in KEEPS_NUMBERS else None, here)
    result = rule(step)
    activation = getattr(layer, "activation", None) if is_layer else None
    return result if activation is None or not isinstance(result, Value) else step.activated(result, activation)


def read_keras_file(path: Path, input_shape: Sequence[int] | None = None) -> PiecewiseLinearNet:
    """Return the affine form of a ``.keras`` file, loaded without running any code that it may carry.

    Raises
    ------
    MissingExtraError
        If keras is not installed.
    ModelFileError
        If the file is damaged, or names anything but Keras's own layers.
    """
    _look_through(path)
    keras = import_keras("reading .keras files")
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise ModelFileError(f"keras cannot load {path.name}: {str(error).splitlines()[0][:200]}") from error
    try:
        return read_keras(model, input_shape)
    except PlanefoldError as error:
        error.add_note(f"while reading {path.name}")
        raise


# What a file may name besides layers: things that Keras builds from a table of its own, without importing anything.
HARMLESS = ("keras", "keras.initializers", "keras.regularizers", "keras.constraints", "keras.optimizers")


def _look_through(path: Path) -> None:
    """Refuse a file that names anything else than layers that can be read, before keras sees it."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
                raise ModelFileError(f"{path.name} unpacks to more than 2 GiB")
            if archive.getinfo("config.json").file_size > MAX_CONFIG:
                raise ModelFileError(f"{path.name} has a config of more than 16 MiB, which no model has")
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, RecursionError, EOFError, OSError) as error:
        raise ModelFileError(f"{path.name} is no .keras file, or a damaged one: {error}") from error
    for module, name in _named(config):
        is_layer = module.startswith("keras.layers") and name in LAYERS
        is_operation = module.startswith("keras.src.ops.") and name in OPERATIONS
        is_model = name in {"Sequential", "Functional"} and module.startswith(("keras", "keras.src.models"))
        is_harmless = module in HARMLESS and name != "Lambda"
        if not (is_layer or is_operation or is_model or is_harmless):
            raise ModelFileError(
                f"{path.name} holds {module}.{name}, which is not loaded",
                details="of a file only layers that can be read exactly are loaded, so that no code of it ever runs",
                hint="if you trust the file, load it yourself, and give the model",
            )


def _named(config: Any) -> Iterator[tuple[str, str]]:
    """Go through everything that a config says is to be built."""
    open_ = [config]
    while open_:
        part = open_.pop()
        if isinstance(part, dict):
            name = part.get("class_name")
            if (name is not None or part.get("module") is not None) and name != "__keras_tensor__":
                yield str(part.get("module") or ""), str(name)
            open_ += part.values()
        elif isinstance(part, list):
            open_ += part
