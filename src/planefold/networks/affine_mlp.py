"""The affine form of our own multilayer perceptron."""

from __future__ import annotations

import numpy as np
import torch

from planefold.core.errors import NotPiecewiseLinearError, show
from planefold.networks.activations import LEAKY_SLOPE
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.networks.affine_builder import Builder
from planefold.networks.matrices import Blocks
from planefold.networks.mlp import MLP

# Slope on the left of the crease; an identity has none.
SLOPES: dict[str, float | None] = {"relu": 0.0, "leaky_relu": LEAKY_SLOPE, "identity": None}


def affine_form(net: MLP) -> PiecewiseLinearNet:
    """Return a network's affine maps and folds, in float64; of several members, those of the mean that they predict.

    Parameters
    ----------
    net : MLP
        Taken as it predicts: batch normalisation by its running statistics, no dropout.

    Returns
    -------
    PiecewiseLinearNet
        Unit ``j`` of member ``m`` in a layer of ``n`` units is unit ``m * n + j`` of that layer.

    Raises
    ------
    NotPiecewiseLinearError
        If the activation bends between its creases.
    DataError
        If a weight is not finite.
    """
    spec = net.spec
    if spec.activation not in SLOPES:
        raise NotPiecewiseLinearError(
            f"activation={show(spec.activation)} is not piecewise linear, so this network has no planes to read",
            details="piecewise linear are 'relu', 'leaky_relu' and 'identity'",
            hint="train with activation='relu' to read the model; diagnosis and reports work with any activation",
        )
    left = SLOPES[spec.activation]
    coefs, intercepts = ([tensor.detach().numpy() for tensor in kind] for kind in net.folded(torch.float64))
    builder = Builder((spec.n_features,))
    value = builder.input
    for number, (coef, intercept) in enumerate(zip(coefs[:-1], intercepts[:-1], strict=True), start=1):
        matrix = np.hstack([*coef]) if number == 1 else _side_by_side(coef)
        value = builder.affine(value, matrix, intercept.ravel())
        if left is not None:
            value = builder.fold(value, layer=f"hidden {number}", left=left)
    # The mean of the members is the sum of a share of each.
    last = coefs[-1].mean(axis=0) if not spec.hidden_layer_sizes else np.vstack([*coefs[-1]]) / spec.n_members
    value = builder.affine(value, last, intercepts[-1].mean(axis=0).ravel())
    if net.skip_coef is not None:
        straight = net.skip_coef.detach().numpy().astype(np.float64).mean(axis=0)
        value = builder.total([value, builder.affine(builder.input, straight)])
    return builder.finish(value, description=f"a network of {spec.n_parameters:,} parameters")


def _side_by_side(coef: Floats) -> Blocks | Floats:
    return Blocks(np.ascontiguousarray(coef)) if len(coef) > 1 else coef[0]
