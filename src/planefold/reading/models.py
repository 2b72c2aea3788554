"""From any model that people have to the affine form, which is all that is read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from planefold.core.errors import MissingFileError, ParameterError, did_you_mean, show
from planefold.networks.affine import PiecewiseLinearNet

READABLE = (
    "planefold's estimators of tables and pictures, and networks; scikit-learn's MLPClassifier and MLPRegressor, in a "
    "Pipeline too; torch modules; Keras models; files .onnx, .nnet and .keras"
)


def from_model(model: Any, *, input_shape: Sequence[int] | None = None) -> PiecewiseLinearNet:
    """Return a model as affine maps and folds, in float64: what every exact reading begins with.

    Parameters
    ----------
    model : object
        A fitted estimator or network of planefold; an ``MLPClassifier`` or ``MLPRegressor`` of scikit-learn, alone or
        in a ``Pipeline``; a ``torch.nn.Module``; a Keras model; the path of an ``.onnx``, ``.nnet`` or ``.keras``
        file. A :class:`PiecewiseLinearNet` is returned as it is. The model is not changed.
    input_shape : sequence of int, optional
        Shape of one row, without the axis of the batch, such as ``(3, 32, 32)``. Needed for torch modules that do not
        begin with a linear layer, and for files and Keras models that leave lengths open.

    Returns
    -------
    PiecewiseLinearNet
        Its outputs are those *before* a final sigmoid or softmax, which ``.link`` names.

    Raises
    ------
    NotPiecewiseLinearError
        If a layer is not piecewise linear, as GELU, tanh and attention are not, or if what was read does not agree
        with the model itself on 16 random points.
    ParameterError
        If the model is of a kind that cannot be read, is not fitted, lacks the shape of its input, or would take
        more than 2 GiB of memory.
    ModelFileError
        If a file is damaged.

    Notes
    -----
    Every import is compared with the model's own outputs, to a relative 1e-9 in float64 and 1e-4 where the model
    computes in float32. Files are compared where onnxruntime is installed (ONNX); nothing can run a .nnet file.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.neural_network import MLPRegressor
    >>> X = np.linspace(-1, 1, 50)[:, None]
    >>> model = MLPRegressor(hidden_layer_sizes=[8], solver="lbfgs", random_state=0).fit(X, abs(X[:, 0]))
    >>> net = from_model(model)
    >>> net.n_units
    8
    >>> np.allclose(net.outputs(X)[:, 0], model.predict(X))
    True
    """
    if isinstance(model, PiecewiseLinearNet):
        return model
    if input_shape is not None:
        input_shape = _checked(input_shape)
    if isinstance(model, str | os.PathLike):
        return _from_file(Path(model), input_shape)
    # By the names of packages, so that only the package that made the model needs to be there.
    made_by = {base.__module__.partition(".")[0] for base in type(model).__mro__}
    if "planefold" in made_by:
        return _from_ours(model)
    if made_by & {"keras", "tf_keras", "tensorflow"}:  # before torch: with the torch backend they are modules too
        from planefold.reading.imports.keras import read_keras

        return read_keras(model, input_shape)
    if "skorch" in made_by:
        return from_model(_fitted(model, "module_"), input_shape=input_shape)
    if "torch" in made_by:
        return _from_torch(model, input_shape)
    if "sklearn" in made_by:
        from planefold.reading.imports.sklearn import read_sklearn

        return read_sklearn(model, from_model)
    raise ParameterError(f"a {type(model).__name__} cannot be read", details=f"what can be read: {READABLE}")


def _from_ours(model: Any) -> PiecewiseLinearNet:
    from planefold.networks.affine_mlp import affine_form
    from planefold.networks.mlp import MLP
    from planefold.reading.pictures import is_picture_model, picture_net
    from planefold.reading.tables.columns import estimator_net, is_estimator

    if isinstance(model, MLP):
        return affine_form(model)
    if is_estimator(model):
        return estimator_net(model)
    if is_picture_model(model):
        return picture_net(model)
    if hasattr(model, "fit"):
        _fitted(model, "net_")
    raise ParameterError(f"a {type(model).__name__} cannot be read", details=f"what can be read: {READABLE}")


def _checked(shape: Any) -> tuple[int, ...]:
    lengths = tuple(shape) if isinstance(shape, Iterable) else (shape,)
    if not lengths or not all(isinstance(length, int | np.integer) and length > 0 for length in lengths):
        raise ParameterError(f"input_shape={show(shape)} must be whole numbers above 0", hint="(3, 32, 32), say")
    return tuple(int(length) for length in lengths)


def _from_torch(model: Any, input_shape: Sequence[int] | None) -> PiecewiseLinearNet:
    from torch import nn

    from planefold.reading.imports.torch_modules import read_module

    if not isinstance(model, nn.Module) and type(model).__name__ == "ExportedProgram":
        model = model.module()
    if not isinstance(model, nn.Module):
        raise ParameterError(
            f"a {type(model).__name__} of torch cannot be read", hint="give the module: from_model(net)"
        )
    return read_module(model, input_shape)


def _fitted(model: Any, attribute: str) -> Any:
    if not hasattr(model, attribute):
        raise ParameterError(
            f"this {type(model).__name__} is not fitted, so there is nothing to read", hint="call its fit() before"
        )
    return getattr(model, attribute)


def _from_file(path: Path, input_shape: Sequence[int] | None) -> PiecewiseLinearNet:
    ending = path.suffix.lower()
    if ending not in {".onnx", ".nnet", ".keras"}:
        hint = "the files that can be read end with .onnx, .nnet or .keras"
        if ending == ".fold":
            hint = "load it first, and give the model: from_model(planefold.load(path))"
        elif ending in {".pt", ".pth", ".pkl", ".joblib"}:
            hint = "such a file may run code when it is loaded; load it yourself if you trust it, and give the model"
        elif near := did_you_mean(ending, [".onnx", ".nnet", ".keras"]):
            hint = f"did you mean {near}?"
        raise ParameterError(f"{show(str(path))} cannot be read", hint=hint)
    if not path.is_file():
        raise MissingFileError(f"{show(str(path))} does not exist", hint="check the path")
    if ending == ".nnet":
        from planefold.reading.imports.nnet_files import read_nnet

        return read_nnet(path).net
    if ending == ".onnx":
        from planefold.reading.imports.onnx_files import read_onnx

        return read_onnx(path, input_shape)
    from planefold.reading.imports.keras import read_keras_file

    return read_keras_file(path, input_shape)
