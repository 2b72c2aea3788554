"""Networks, a slow and exact way to cut them, and two moons."""

from __future__ import annotations

import importlib
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

FOLDER = str(Path(__file__).resolve().parents[1])
if FOLDER not in sys.path:
    sys.path.append(FOLDER)
exact = importlib.import_module("exact")


def initialised(*widths, seed=0):
    """As PyTorch initialises it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
    return exact.network([(one.weight.detach().numpy().T, one.bias.detach().numpy()) for one in layers])


@pytest.fixture(scope="session")
def reference():
    """The module with the exact reference and the public set."""
    return exact


@pytest.fixture(name="initialised", scope="session")
def _initialised():
    return initialised


@pytest.fixture(scope="session")
def moons():
    """A network that tells two moons apart, as a module of torch in float64 and in the affine form.

    Its weights lie beside this file, since a training ends elsewhere on another processor; benchmarks/reading_planes.py
    says how they were trained.
    """
    with np.load(Path(__file__).with_name("moons.npz")) as file:
        layers = [(file[f"w{number}"], file[f"b{number}"]) for number in range(3)]
    module = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1)).double()
    with torch.no_grad():
        for linear, (coef, intercept) in zip(module[::2], layers, strict=True):
            linear.weight.copy_(torch.from_numpy(coef.T.copy()))
            linear.bias.copy_(torch.from_numpy(intercept))
    return module, exact.network(layers)
