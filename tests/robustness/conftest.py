from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import pytest

from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.networks.affine_builder import Builder


def _build(layers: Sequence[tuple[Floats, Floats]], left: float = 0.0) -> PiecewiseLinearNet:
    """A network of dense layers, with folds between them."""
    builder = Builder((layers[0][0].shape[0],))
    value = builder.input
    for number, (matrix, bias) in enumerate(layers, start=1):
        value = builder.affine(value, np.asarray(matrix, dtype=float), np.asarray(bias, dtype=float))
        if number < len(layers):
            value = builder.fold(value, layer=f"hidden {number}", left=left)
    return builder.finish(value)


def _random_net(seed: int, sizes: Sequence[int], left: float = 0.0, grain: float = 0.0) -> PiecewiseLinearNet:
    """Gaussian weights; multiples of ``grain`` where that is given, so that creases meet and coincide."""
    rng = np.random.default_rng(seed)
    layers = []
    for fan_in, fan_out in pairwise(sizes):
        matrix, bias = rng.normal(size=(fan_in, fan_out)) / np.sqrt(fan_in / 2), 0.5 * rng.normal(size=fan_out)
        if grain:
            matrix, bias = np.round(matrix / grain) * grain, np.round(bias / grain) * grain
        layers.append((matrix, bias))
    return _build(layers, left)


def _peculiar_net(seed: int) -> PiecewiseLinearNet:
    """Clips of the columns, a residual sum, an absolute value and a maximum: folds of all kinds, several sources."""
    rng = np.random.default_rng(seed)
    builder = Builder((3,))
    prepared = builder.clipped(builder.input, -1.5, 1.5, layer="preparation", depth=0)
    hidden = builder.fold(builder.affine(prepared, rng.normal(size=(3, 5)), rng.normal(size=5)), layer="hidden 1")
    folded = builder.fold(builder.affine(hidden, rng.normal(size=(5, 5)), rng.normal(size=5)), layer="abs", left=-1.0)
    summed = builder.total([folded, hidden, builder.affine(builder.input, rng.normal(size=(3, 5)))])
    best = builder.maximum(
        builder.affine(summed, rng.normal(size=(5, 4))), builder.affine(hidden, rng.normal(size=(5, 4))), layer="max"
    )
    return builder.finish(builder.affine(best, rng.normal(size=(4, 2)), rng.normal(size=2)))


@pytest.fixture(scope="session")
def build() -> Callable[..., PiecewiseLinearNet]:
    return _build


@pytest.fixture(scope="session")
def random_net() -> Callable[..., PiecewiseLinearNet]:
    return _random_net


@pytest.fixture(scope="session")
def peculiar_net() -> Callable[..., PiecewiseLinearNet]:
    return _peculiar_net
