"""The activation functions of hidden layers, by the names that scikit-learn gives them.

Each may write into its argument, which saves the loop a tensor; autograd knows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit
from torch import Tensor
from torch.nn import functional

Array = npt.NDArray[Any]

LEAKY_SLOPE = 0.01  # of leaky_relu, for negative inputs


def _identity(z: Tensor) -> Tensor:
    return z


def _leaky_relu(z: Tensor) -> Tensor:
    return functional.leaky_relu_(z, negative_slope=LEAKY_SLOPE)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": _identity,
    "logistic": torch.sigmoid_,
    "tanh": torch.tanh_,
    "relu": torch.relu_,
    "leaky_relu": _leaky_relu,
}

# The same for arrays of NumPy.
NUMPY_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "identity": lambda z: z,
    "logistic": lambda z: expit(z, out=z),
    "tanh": lambda z: np.tanh(z, out=z),
    "relu": lambda z: np.maximum(z, 0, out=z),
    "leaky_relu": lambda z: np.maximum(z, LEAKY_SLOPE * z, out=z),
}

# How much wider first weights are drawn ("he_normal", "he_uniform") to make up for what an activation takes off the
# signal: the factors of torch.nn.init.calculate_gain.
GAINS: dict[str, float] = {
    "identity": 1.0,
    "logistic": 1.0,
    "tanh": 5 / 3,
    "relu": 2**0.5,
    "leaky_relu": (2 / (1 + LEAKY_SLOPE**2)) ** 0.5,
}
