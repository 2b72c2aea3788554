"""Networks of scikit-learn, with the affine steps of the pipeline before them and the scaling of the target behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from planefold.core.errors import NotPiecewiseLinearError, ParameterError, PlanefoldError, listed, show
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.networks.affine_builder import Builder, Value
from planefold.reading.imports.checks import check, points

TOLERANCE = 1e-9
TOLERANCE_FLOAT32 = 1e-4

NETWORKS = ("MLPClassifier", "MLPRegressor")


def read_sklearn(model: Any, read: Callable[[Any], PiecewiseLinearNet]) -> PiecewiseLinearNet:
    """Return the affine form of a fitted network of scikit-learn.

    Parameters
    ----------
    model : MLPClassifier, MLPRegressor, Pipeline, TransformedTargetRegressor, or a finished search
        Of a pipeline, all steps before the network must be affine, clipping excepted.
    read : function
        Reads what stands within: a pipeline may end with a network of another library.

    Raises
    ------
    NotPiecewiseLinearError
        If the activation or a step of the pipeline is not piecewise linear.
    ParameterError
        If the model is not fitted, or of a kind that has no planes.
    """
    net = _read(model, read)
    names = _column_names(model)
    net = replace(net, input_names=tuple(map(str, names)) if len(names) else net.input_names)
    if type(model).__module__.startswith("sklearn.model_selection"):
        return net  # it was compared when its best estimator was read
    X = points(net.n_inputs, *_center_and_scale(model, net.n_inputs))
    rows = pd.DataFrame(X, columns=names) if len(names) else X
    if net.link == "identity":
        check(net, X, model.predict(rows), tolerance=_tolerance(model))
    elif net.link in {"logistic", "softmax"}:
        shares = model.predict_proba(rows)
        if net.link == "logistic" and net.n_outputs == 1 and shares.shape[1] == 2:
            shares = shares[:, 1:]  # of two classes the network gives the second
        check(net, X, shares, tolerance=_tolerance(model), end="sigmoid" if net.link == "logistic" else "softmax")
    return net


def _column_names(model: Any) -> npt.NDArray[Any]:
    part = model
    while not hasattr(part, "feature_names_in_") and type(part).__name__ == "Pipeline":
        part = _first_step(part)
    return np.asarray(getattr(part, "feature_names_in_", ()), dtype=object)


def _read(model: Any, read: Callable[[Any], PiecewiseLinearNet]) -> PiecewiseLinearNet:
    kind = type(model).__name__
    if kind in NETWORKS:
        return _network(model)
    if kind == "Pipeline":
        return _pipeline(model, read)
    if kind == "TransformedTargetRegressor":
        return _with_target(model, read)
    if type(model).__module__.startswith("sklearn.model_selection"):
        return read(_fitted(model, "best_estimator_"))
    raise ParameterError(
        f"a {kind} of scikit-learn cannot be read: it is no network",
        details=f"of scikit-learn can be read: {listed(NETWORKS)}, a Pipeline or a TransformedTargetRegressor around "
        "one, and a finished search for one",
    )


def _fitted(model: Any, attribute: str) -> Any:
    if not hasattr(model, attribute):
        raise ParameterError(
            f"this {type(model).__name__} is not fitted, so there is nothing to read", hint="call its fit() before"
        )
    return getattr(model, attribute)


def _network(model: Any) -> PiecewiseLinearNet:
    coefs, intercepts = _fitted(model, "coefs_"), model.intercepts_
    if model.activation not in {"relu", "identity"}:
        raise NotPiecewiseLinearError(
            f"activation={show(model.activation)} is not piecewise linear, so this {type(model).__name__} has no "
            "planes to read",
            details="piecewise linear are 'relu' and 'identity'",
            hint="fit it with activation='relu' to read it exactly",
        )
    builder = Builder((coefs[0].shape[0],))
    value = builder.input
    for number, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True), start=1):
        value = builder.affine(value, np.asarray(coef, dtype=np.float64), intercept)
        if model.activation == "relu" and number < len(coefs):
            value = builder.fold(value, layer=f"hidden {number}")
    classes = getattr(model, "classes_", None)
    names: tuple[str, ...] = ()
    if classes is not None:
        # Of two classes there is one output, for the second.
        names = tuple(str(name) for name in (classes if value.size > 1 else classes[-1:]))
    return builder.finish(
        value, output_names=names, link=model.out_activation_, description=f"a {type(model).__name__} of scikit-learn"
    )


def _with_target(model: Any, read: Callable[[Any], PiecewiseLinearNet]) -> PiecewiseLinearNet:
    net = read(_fitted(model, "regressor_"))
    scaler = model.transformer_
    try:
        factor, shift = _scaling(scaler, net.n_outputs)
    except PlanefoldError as error:
        raise NotPiecewiseLinearError(
            f"the target is transformed by {_described(scaler)}, whose inverse is not affine",
            hint="read the regressor within, model.regressor_, whose outputs are transformed targets",
        ) from error
    return net.with_outputs(np.diag(1.0 / factor), -shift / factor, output_names=net.output_names)


def _pipeline(model: Any, read: Callable[[Any], PiecewiseLinearNet]) -> PiecewiseLinearNet:
    *steps, (_, last) = model.steps
    net = read(last)
    steps = [(name, step) for name, step in steps if not _is_nothing(step)]
    if not steps:
        return net
    builder = Builder((_n_columns(steps[0][1]),))
    value = builder.input
    for name, step in steps:
        value = _prepared(builder, value, name, step)
    return net.after(builder.finish(value, description="the preparation"))


def _first_step(pipeline: Any) -> Any:
    return next((part for _, part in pipeline.steps if not _is_nothing(part)), pipeline.steps[-1][1])


def _n_columns(step: Any) -> int:
    """How many columns a step reads; a pipeline within one says so only where its first step does."""
    while type(step).__name__ == "Pipeline":
        step = _first_step(step)
    return int(_fitted(step, "n_features_in_"))


def _is_nothing(step: Any) -> bool:
    return step is None or step == "passthrough" or (type(step).__name__ == "FunctionTransformer" and step.func is None)


def _described(step: Any) -> str:
    function = getattr(step, "func", None)
    return type(step).__name__ + (f" with {getattr(function, '__name__', function)}" if function is not None else "")


def _prepared(builder: Builder, value: Value, name: str, step: Any) -> Value:
    """Carry out one step of a pipeline."""
    kind = type(step).__name__
    if kind == "Pipeline":
        for inner, part in step.steps:
            value = value if _is_nothing(part) else _prepared(builder, value, f"{name}.{inner}", part)
        return value
    if kind == "PCA":
        directions = np.asarray(_fitted(step, "components_"), dtype=np.float64).T
        if step.whiten:
            directions = directions / np.sqrt(step.explained_variance_)
        return builder.affine(value, directions, -step.mean_ @ directions)
    if kind == "TruncatedSVD":
        return builder.affine(value, np.asarray(_fitted(step, "components_"), dtype=np.float64).T)
    if hasattr(step, "get_support"):
        return builder.selected(value, np.flatnonzero(step.get_support()))
    if kind == "SimpleImputer" and not step.add_indicator and len(step.get_feature_names_out()) == value.size:
        return value  # the rows that are read have no gaps
    try:
        factor, shift = _scaling(step, value.size)
    except PlanefoldError as error:
        raise NotPiecewiseLinearError(
            f"step {show(name)} of the pipeline, {_described(step)}, is not affine, or not known to be",
            details="affine steps are StandardScaler, MinMaxScaler, MaxAbsScaler, RobustScaler, PCA, TruncatedSVD, "
            "a selection of columns, and FunctionTransformer(None)",
            hint="read the network alone, model[-1]: its inputs are then the columns that model[:-1].transform() gives",
        ) from error
    value = builder.scaled(value, factor, shift)
    if not getattr(step, "clip", False):
        return value
    low, high = getattr(step, "feature_range", (-1.0, 1.0))
    return builder.clipped(value, low, high, layer=name, depth=0)


def _scaling(step: Any, n_columns: int) -> tuple[Floats, Floats]:
    """Return factor and shift of a scaler, column by column."""
    kind = type(step).__name__
    factor: Any
    if kind == "StandardScaler":
        scale = _fitted(step, "scale_")
        factor = 1.0 if scale is None else 1.0 / scale
        shift = -step.mean_ * factor if step.with_mean else 0.0  # the mean is kept even where it is not taken off
    elif kind == "RobustScaler":
        scale = _fitted(step, "scale_")
        factor = 1.0 if scale is None else 1.0 / scale
        shift = 0.0 if step.center_ is None else -step.center_ * factor
    elif kind == "MinMaxScaler":
        factor, shift = _fitted(step, "scale_"), step.min_
    elif kind == "MaxAbsScaler":
        factor, shift = 1.0 / _fitted(step, "scale_"), 0.0
    elif _is_nothing(step):
        factor, shift = 1.0, 0.0
    else:
        raise ParameterError(f"{kind} is no scaler that is known")
    return _filled(factor, n_columns), _filled(shift, n_columns)


def _filled(numbers: npt.ArrayLike, n_columns: int) -> Floats:
    return np.array(np.broadcast_to(np.asarray(numbers, dtype=np.float64), n_columns))


def _center_and_scale(model: Any, n_inputs: int) -> tuple[Floats | float, Floats | float]:
    """Say where the rows of a pipeline lie, for points to compare at."""
    inner = getattr(model, "regressor_", model)
    steps = [step for _, step in getattr(inner, "steps", [])[:-1] if not _is_nothing(step)]
    if not steps:
        return 0.0, 1.0
    if type(steps[0]).__name__ == "PCA":
        return steps[0].mean_, np.sqrt(steps[0].explained_variance_.max())
    try:
        factor, shift = _scaling(steps[0], n_inputs)
    except PlanefoldError:
        return 0.0, 1.0
    return -shift / factor, 1.0 / factor


def _tolerance(model: Any) -> float:
    """Float32 where any part of the model is: it computes there in float32."""
    parts = [model, getattr(model, "regressor_", None), *(step for _, step in getattr(model, "steps", []))]
    parts += [step for _, step in getattr(getattr(model, "regressor_", None), "steps", [])]
    for part in parts:
        coefs = getattr(part, "coefs_", None)
        is_single = (
            coefs[0].dtype != np.float64 if coefs is not None else hasattr(part, "net_") or hasattr(part, "module_")
        )
        if is_single:
            return TOLERANCE_FLOAT32
    return TOLERANCE
