"""Networks for the tests of lines, as modules of torch and in their affine form."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from planefold.networks.affine_builder import Builder


def build(layers, *, left=0.0, right=1.0):
    """Build the affine form of layers (weights (fan_in, fan_out), biases)."""
    builder = Builder((len(layers[0][0]),))
    value = builder.input
    for number, (weights, biases) in enumerate(layers, start=1):
        value = builder.affine(value, np.asarray(weights, float), np.asarray(biases, float))
        if number < len(layers):
            value = builder.fold(value, layer=f"hidden {number}", left=left, right=right)
    return builder.finish(value)


def draw(sizes, seed, scale=1.0):
    """Draw layers of the given sizes."""
    rng = np.random.default_rng(seed)
    return [(rng.normal(0, a**-0.5, (a, b)), rng.normal(0, scale * a**-0.5, b)) for a, b in pairwise(sizes)]


@pytest.fixture(name="build", scope="session")
def _build():
    return build


@pytest.fixture(name="draw", scope="session")
def _draw():
    return draw
