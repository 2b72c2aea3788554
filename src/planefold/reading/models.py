"""From any model that people have to the affine form."""

from __future__ import annotations

from typing import Any

from planefold.core.errors import ParameterError
from planefold.networks.affine import PiecewiseLinearNet
from planefold.networks.affine_mlp import affine_form
from planefold.networks.mlp import MLP


def from_model(model: Any) -> PiecewiseLinearNet:
    """Return the affine form of a model."""
    if isinstance(model, PiecewiseLinearNet):
        return model
    if isinstance(model, MLP):
        return affine_form(model)
    raise ParameterError(f"a {type(model).__name__} cannot be read")
