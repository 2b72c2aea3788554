"""The activation functions of hidden layers, by the names that scikit-learn gives them.

Each may write into its argument, which saves the loop a tensor; autograd knows.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional


def _identity(z: Tensor) -> Tensor:
    return z


def _leaky_relu(z: Tensor) -> Tensor:
    return functional.leaky_relu_(z, negative_slope=0.01)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": _identity,
    "logistic": torch.sigmoid_,
    "tanh": torch.tanh_,
    "relu": torch.relu_,
    "leaky_relu": _leaky_relu,
}
