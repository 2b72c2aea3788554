"""The activation functions of hidden layers, by the names that scikit-learn gives them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional


def _identity(z: Tensor) -> Tensor:
    return z


def _leaky_relu(z: Tensor) -> Tensor:
    return functional.leaky_relu(z, negative_slope=0.01)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": _identity,
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky_relu": _leaky_relu,
}
