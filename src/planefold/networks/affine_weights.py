"""The affine form of weights that somebody wrote down: small networks worked out by hand, and those of other tools."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError, NotPiecewiseLinearError, ParameterError, show, unknown_choice
from planefold.networks.activations import ACTIVATIONS
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.networks.affine_builder import Builder
from planefold.networks.affine_mlp import SLOPES


def from_weights(
    coefs: Sequence[npt.ArrayLike], intercepts: Sequence[npt.ArrayLike], *, activation: str = "relu"
) -> PiecewiseLinearNet:
    """Make a network of given weights, to be read and drawn.

    Parameters
    ----------
    coefs : sequence of array-like of shape (fan_in, fan_out)
        The weights of each layer, the output's last: ``coefs[0][i, j]`` leads from input ``i`` to unit ``j``. As
        ``coefs_`` of scikit-learn; the transpose of torch's ``weight``.
    intercepts : sequence of array-like of shape (fan_out,)
        The biases of each layer.
    activation : {"relu", "leaky_relu", "identity"}
        Of every hidden layer; the output has none.

    Returns
    -------
    PiecewiseLinearNet
        In float64. The weights are copied.

    Raises
    ------
    DataError
        If the shapes of two layers, or of a layer and its biases, do not fit, or a weight is not finite.
    ParameterError
        If there is no layer, or the activation is not known.
    NotPiecewiseLinearError
        If the activation bends between its creases.

    Examples
    --------
    A hat: it rises from 0 on and falls again from 1 on.

    >>> hat = from_weights([[[1, 1]], [[1], [-2]]], [[0, -1], [0]])
    >>> hat.outputs([[-1.0], [0.5], [1.0], [1.5]])[:, 0]
    array([0. , 0.5, 1. , 0.5])
    """
    if activation not in ACTIVATIONS:
        raise unknown_choice("activation", activation, list(SLOPES))
    if activation not in SLOPES:
        raise NotPiecewiseLinearError(
            f"activation={show(activation)} is not piecewise linear, so a network with it has no planes",
            details="piecewise linear are 'relu', 'leaky_relu' and 'identity'",
        )
    layers = _layers(coefs, intercepts)
    left = SLOPES[activation]
    builder = Builder((len(layers[0][0]),))
    value = builder.input
    for number, (matrix, bias) in enumerate(layers, start=1):
        value = builder.affine(value, matrix, bias)
        if left is not None and number < len(layers):
            value = builder.fold(value, layer=f"hidden {number}", left=left)
    name = "-".join(str(n) for n in (builder.input.size, *(len(bias) for _, bias in layers)))
    return builder.finish(value, description=f"a {name} network of given weights")


def _layers(coefs: Sequence[npt.ArrayLike], intercepts: Sequence[npt.ArrayLike]) -> list[tuple[Floats, Floats]]:
    """Return copies of each layer's weights and biases, after a look at their shapes."""
    if len(coefs) != len(intercepts) or not len(coefs):
        raise ParameterError(
            f"coefs has {len(coefs)} layers and intercepts {len(intercepts)}",
            hint="give weights and biases for each hidden layer, and for the output as the last layer",
        )
    layers: list[tuple[Floats, Floats]] = []
    for number, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True), start=1):
        matrix, bias = _numbers(coef, f"coefs[{number - 1}]"), _numbers(intercept, f"intercepts[{number - 1}]")
        if matrix.ndim != 2 or not matrix.size:
            raise DataError(
                f"coefs[{number - 1}] has shape {matrix.shape}, not (fan_in, fan_out)",
                hint="two brackets: [[1, -1]] leads from one input to two units, [[1], [-1]] from two units to one",
            )
        if layers and len(matrix) != len(layers[-1][1]):
            raise DataError(
                f"coefs[{number - 1}] has {len(matrix)} rows, but the layer before has {len(layers[-1][1])} units",
                hint="a row for each unit of the layer before, a column for each unit of this one",
            )
        if bias.shape != (matrix.shape[1],):
            raise DataError(
                f"intercepts[{number - 1}] has shape {bias.shape}, but coefs[{number - 1}] leads to {matrix.shape[1]} "
                "units",
                hint="one bias for each unit",
            )
        layers.append((matrix, bias))
    return layers


def _numbers(given: npt.ArrayLike, name: str) -> Floats:
    try:
        return np.array(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} is not made of numbers: {error}", hint="rows must be of one length") from None
