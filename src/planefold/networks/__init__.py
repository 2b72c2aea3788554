"""What a network is: records that describe one and build a plain torch module."""

from planefold.networks.affine import PiecewiseLinearNet
from planefold.networks.affine_mlp import affine_form
from planefold.networks.affine_weights import from_weights
from planefold.networks.initialization import INITIALIZATIONS, Initialization
from planefold.networks.mlp import MLP, MLPSpec

__all__ = ["INITIALIZATIONS", "MLP", "Initialization", "MLPSpec", "PiecewiseLinearNet", "affine_form", "from_weights"]
