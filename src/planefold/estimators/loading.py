"""Estimators to `.fold` files and back: which part of a model goes into which part of the file."""

from __future__ import annotations

import dataclasses
import datetime
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

import planefold
from planefold.core.errors import ModelFileError, ParameterError, show
from planefold.data.encoder import TableEncoder
from planefold.data.targets import ClassTarget, NumberTarget
from planefold.engine.run import Run
from planefold.engine.schedules import Schedule
from planefold.estimators.class_targets import ClassTargets
from planefold.estimators.images import BaseImages, ImageClassifier, ImageRegressor
from planefold.estimators.loading_images import parts_of_images, read_images
from planefold.estimators.mlp import MLPClassifier, MLPRegressor
from planefold.estimators.parameters import MAX_LAYERS, MAX_PARAMETERS, dropout_rates
from planefold.estimators.sounds import SoundClassifier
from planefold.estimators.training import BaseNetwork
from planefold.networks.initialization import Initialization
from planefold.networks.mlp import MLP, MLPSpec
from planefold.saving import Fold, finite_json, read_fold, write_fold

ESTIMATORS: dict[str, type[BaseNetwork]] = {
    cls.__name__: cls for cls in (MLPClassifier, MLPRegressor, ImageClassifier, ImageRegressor, SoundClassifier)
}


INFINITE = "infinity"  # JSON has none


def save(model: BaseNetwork, path: str | Path) -> Path:
    """Write a fitted estimator to ``path``."""
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(model, "net_")
    return write_fold(path, to_fold(model))


def to_fold(model: BaseNetwork) -> Fold:
    """Turn a fitted estimator into the record that a file holds."""
    network, prep, columns = parts_of_images(model) if isinstance(model, BaseImages) else _parts_of_tables(model)
    manifest: dict[str, Any] = {
        "estimator": type(model).__name__,
        "parameters": _parameters(model),
        "target": {"name": getattr(model, "target_name_", None), **model._target.to_json()},
        "network": network,
        "fitted": {
            **columns,
            "n_seen": int(model.t_),
            "loss_curve": model.loss_curve_,
            "validation_scores": model.validation_scores_,
            "threshold": np.asarray(model.threshold_).tolist() if isinstance(model, ClassTargets) else None,
        },
        "n_parameters": model.net_.spec.n_parameters,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": versions(),
    }
    return Fold(
        manifest=finite_json(manifest),
        schema=prep.get("schema", {}),
        prep={key: value for key, value in prep.items() if key != "schema"},
        weights={name: tensor.numpy() for name, tensor in model.net_.state_dict().items()},
        history=tuple(model.run_.to_lines()),
        reference=finite_json(getattr(model, "_reference", {})),
        card=_card(model),
    )


def _parts_of_tables(model: Any) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Describe the network, the preparation and the columns of a multilayer perceptron."""
    encoder = model.encoder_
    if encoder is not None and not isinstance(encoder, TableEncoder):
        raise ParameterError(
            f"preprocess={show(model.preprocess)} cannot be saved: a model file holds data, not code",
            hint="use preprocess='auto' or a planefold.TableEncoder, or put the network into a pipeline of your own",
        )
    spec = model.net_.spec
    names = getattr(model, "feature_names_in_", None)
    network = {
        "kind": "mlp",
        "n_features": spec.n_features,
        "n_outputs": spec.n_outputs,
        "hidden_layer_sizes": list(spec.hidden_layer_sizes),
        "activation": spec.activation,
        "dropout": list(spec.dropout),
        "n_members": spec.n_members,
        "skip": spec.skip,
        "batch_norm": spec.batch_norm,
        "init": dataclasses.asdict(spec.init),
    }
    columns = {
        "n_features_in": model.n_features_in_,
        "feature_names_in": None if names is None else [str(name) for name in names],
    }
    return network, {} if encoder is None else encoder.to_json(), columns


def versions() -> dict[str, str]:
    """Versions of what a model's numbers depend on."""
    return {
        "planefold": planefold.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
    }


def load(path: str | Path) -> Any:
    """Read a model that ``save`` wrote. It predicts bit for bit as the one that was saved.

    It can be trained further (``partial_fit``, or ``fit`` with ``warm_start``), with an optimiser that starts
    anew: what that remembered of the steps before is not in the file.

    Parameters
    ----------
    path : str or Path
        A ``.fold`` file, from anywhere: reading it runs no code.

    Returns
    -------
    MLPClassifier or MLPRegressor

    Raises
    ------
    MissingFileError
        If there is no such file.
    ModelFileError
        If the file is damaged, hostile, or written by a version that this one does not know.
    """
    fold = read_fold(path)
    try:
        return from_fold(fold)
    except ModelFileError:
        raise
    except Exception as error:  # whatever the file says, and however that fails here: the file is what is wrong
        raise ModelFileError(
            f"{path} is not a model that can be read",
            details=f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no more is known'}",
            hint="save the model anew",
        ) from error


def from_fold(fold: Fold) -> BaseNetwork:
    """Build the estimator from the record that a file holds."""
    manifest = fold.manifest
    name = manifest.get("estimator")
    if not isinstance(name, str) or name not in ESTIMATORS:
        raise ModelFileError(
            f"the file holds a model of the kind {show(name)}, which this planefold does not know",
            details="known kinds: " + ", ".join(ESTIMATORS),
        )
    model: Any = ESTIMATORS[name](**_read_parameters(manifest["parameters"], ESTIMATORS[name]._get_param_names()))
    is_of_images, fitted = isinstance(model, BaseImages), manifest["fitted"]
    if not is_of_images:
        _read_preparation(model, fold)
    model._reference = dict(fold.reference)
    model._check()
    target = manifest["target"]
    model._target = (ClassTarget if isinstance(model, ClassTargets) else NumberTarget).from_json(
        {key: value for key, value in target.items() if key != "name"}
    )
    name = target.get("name")
    model.target_name_ = None if name is None else str(name)
    if is_of_images:
        read_images(model, fold)
    else:
        model.net_ = _net(manifest["network"], fold.weights)
        model.n_features_in_ = int(fitted["n_features_in"])
        if fitted["feature_names_in"] is not None:
            model.feature_names_in_ = np.array([str(name) for name in fitted["feature_names_in"]], dtype=object)
        _refuse_misfits(model)
    model.run_ = Run.from_lines(fold.history)
    _refuse_other_targets(model)
    if isinstance(model, ClassTargets):
        model.threshold_ = _threshold(fitted.get("threshold"), model)
    model._restore_curves(fitted)
    return model  # type: ignore[no-any-return]


def _read_preparation(model: Any, fold: Fold) -> None:
    """Read what makes inputs of a table."""
    if fold.prep:
        model.encoder_ = TableEncoder.from_json({**fold.prep, "schema": fold.schema})
        if model.preprocess != "auto":
            model.preprocess = _read_encoder(fold.manifest["parameters"]["preprocess"], model.encoder_)
    else:
        model.encoder_ = None
        model.preprocess = None


def _net(described: Mapping[str, Any], weights: Mapping[str, np.ndarray[Any, Any]]) -> MLP:
    spec = MLPSpec(
        n_features=int(described["n_features"]),
        n_outputs=int(described["n_outputs"]),
        hidden_layer_sizes=tuple(int(size) for size in described["hidden_layer_sizes"]),
        activation=str(described["activation"]),
        dropout=tuple(float(rate) for rate in described["dropout"]),
        n_members=int(described["n_members"]),
        skip=bool(described["skip"]),
        # Older files have neither.
        batch_norm=bool(described.get("batch_norm", False)),
        init=Initialization(**described.get("init", {})),
    )
    if len(spec.hidden_layer_sizes) > MAX_LAYERS or min(*spec.layer_units, spec.n_members) < 1:
        raise ModelFileError("the file describes a network that cannot be", details=f"layers: {spec.layer_units}")
    if spec.n_parameters > MAX_PARAMETERS:
        raise ModelFileError(
            f"the file describes a network of {spec.n_parameters:,} parameters",
            details=f"layers: {spec.layer_units}, {spec.n_members} members; at most {MAX_PARAMETERS:,} parameters",
        )
    dropout_rates(spec.dropout, len(spec.hidden_layer_sizes))
    held = sum(array.size for array in weights.values())
    expected = spec.n_parameters + spec.n_statistics
    if held != expected:  # before any memory is taken for the network
        raise ModelFileError(
            f"the file describes a network of {expected:,} numbers and holds {held:,}",
            details=f"layers: {spec.layer_units}, {spec.n_members} members",
        )
    kinds = {str(array.dtype) for array in weights.values()}
    if kinds not in ({"float32"}, {"float64"}):
        raise ModelFileError(f"the weights are of type {', '.join(sorted(kinds))}, expected float32 or float64")
    net = MLP(spec, torch.float64 if kinds == {"float64"} else torch.float32)
    net.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    for variance in net.running_vars:
        if not bool((variance >= 0).all()):
            raise ModelFileError("the file holds a negative variance", details="of what a hidden unit receives")
    return net


def _refuse_misfits(model: Any) -> None:
    """Refuse a file whose parts are each fine and do not belong together."""
    spec, n_columns = model.net_.spec, model.n_features_in_
    n_inputs = len(model.encoder_.inputs_) if model.encoder_ is not None else n_columns
    if n_inputs != spec.n_features:
        raise ModelFileError(f"the preparation makes {n_inputs} inputs, the network takes {spec.n_features}")
    if model.encoder_ is not None and model.encoder_.n_features_in_ != n_columns:
        raise ModelFileError(f"the schema has {model.encoder_.n_features_in_} columns, the model has {n_columns}")
    names = getattr(model, "feature_names_in_", None)
    if names is not None and len(names) != n_columns:
        raise ModelFileError(f"the file has names for {len(names)} columns, the model has {n_columns}")


def _refuse_other_targets(model: Any) -> None:
    """Refuse a network, or a history, that is of another target."""
    n_targets, n_outputs = model._n_target_outputs(), model.net_.spec.n_outputs
    if n_targets != n_outputs:
        raise ModelFileError(f"the target needs {n_targets} outputs, the network has {n_outputs}")
    if model.run_.objective not in _objectives_of(model):
        raise ModelFileError(f"the history is of a training with the loss {show(model.run_.objective)}")


def _threshold(written: Any, model: ClassTargets) -> Any:
    """Read where the classes part; files of the first format do not say, and mean the middle."""
    several = not model._is_binary and not model._target.multilabel
    if written is None:
        return np.full(len(model.classes_), 1 / len(model.classes_)) if several else 0.5
    threshold = np.asarray(written, dtype=np.float64)
    wanted = (len(model.classes_),) if several else ()
    if threshold.shape != wanted or not ((threshold > 0) & (threshold < 1)).all():
        raise ModelFileError(f"the file has the threshold {show(written)}, which is none for these classes")
    return threshold if several else float(threshold)


def _objectives_of(model: Any) -> tuple[str, ...]:
    return (model._objective_name,) if isinstance(model, ClassTargets) else model._losses


# ---------------------------------------------------------------------------------------------- parameters


def _parameters(model: BaseNetwork) -> dict[str, Any]:
    """Return the constructor's parameters as JSON data; what is code (callbacks, a random stream) is left out."""
    return {name: _plain(name, value) for name, value in model.get_params(deep=False).items() if name != "callbacks"}


def _plain(name: str, value: Any) -> Any:
    if name == "preprocess" and isinstance(value, TableEncoder):
        return {key: _plain(key, entry) for key, entry in value.get_params().items()}
    if name == "types" and value is not None:
        return {str(column): str(kind) for column, kind in value.items()}
    if name == "class_weight" and value is not None and not isinstance(value, str):
        # Pairs: the labels may be numbers, which are no keys in JSON.
        return [[_scalar(label), _scalar(weight)] for label, weight in value.items()]
    if isinstance(value, Schedule):
        return value.to_json()
    if name == "random_state" and not isinstance(value, int | np.integer):
        return None
    if name == "device":
        return str(value)
    if isinstance(value, Initialization):
        return dataclasses.asdict(value)
    if isinstance(value, np.ndarray | list | tuple):
        return [_scalar(entry) for entry in value]
    value = _scalar(value)
    return INFINITE if value == float("inf") else value


def _scalar(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _read_parameters(written: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    parameters: dict[str, Any] = {}
    for name in set(known) & set(written):
        value = written[name]
        if name == "class_weight" and isinstance(value, list):
            value = dict(value)  # of pairs
        elif name == "learning_rate" and isinstance(value, dict):
            value = Schedule(**value)
        elif name == "init" and isinstance(value, dict):
            value = Initialization(**value)
        elif isinstance(value, list):
            value = tuple(value)
        parameters[name] = float("inf") if value == INFINITE else value
    return parameters


def _read_encoder(written: Any, fitted: TableEncoder) -> TableEncoder:
    """Build what `preprocess` was, for a later fit."""
    if not isinstance(written, dict):
        return TableEncoder(missing_values=fitted.schema_.missing_values)
    options: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in written.items()
        if name in TableEncoder._get_param_names()
    }
    return TableEncoder(**options)


def _card(model: Any) -> str:
    run, columns = model.run_, getattr(model, "n_features_in_", None)
    lines = [
        f"# {type(model).__name__}",
        "",
        f"Written by planefold {planefold.__version__}.",
        "",
        f"- {model._inputs_in_words()}{f', from {columns} columns' if columns else ''}",
        f"- parameters: {model.net_.spec.n_parameters:,}",
        f"- learned from {run.n_train} rows a member, {run.n_val} held out",
        f"- {run.n_epochs} epochs, stopped because: {run.stopped_because}",
        "",
        "```",
        model.summary(),
        "```",
        "",
    ]
    return "\n".join(lines)
