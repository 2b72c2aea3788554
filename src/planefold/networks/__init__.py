"""What a network is: records that describe one and build a plain torch module."""

from planefold.networks.affine import PiecewiseLinearNet
from planefold.networks.affine_mlp import affine_form
from planefold.networks.affine_weights import from_weights
from planefold.networks.cnn import CNNSpec
from planefold.networks.initialization import INITIALIZATIONS, Initialization
from planefold.networks.mlp import MLP, MLPSpec
from planefold.networks.network import ModuleNet, ModuleSpec, Network

__all__ = [
    "INITIALIZATIONS",
    "MLP",
    "CNNSpec",
    "Initialization",
    "MLPSpec",
    "ModuleNet",
    "ModuleSpec",
    "Network",
    "PiecewiseLinearNet",
    "affine_form",
    "from_weights",
]
