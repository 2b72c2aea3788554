"""The convolutional network: counted and shaped as torch's own layers, piecewise linear, and started at a good size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from planefold.core.errors import ParameterError
from planefold.networks.cnn import CNNSpec


def build(seed=0, **settings):
    given = {"input_shape": (1, 8, 8), "n_outputs": 2, "channels": (4, 6)} | settings
    return CNNSpec(**given).build(np.random.RandomState(seed))


@given(
    channels=st.lists(st.integers(1, 5), min_size=1, max_size=3),
    per_block=st.integers(1, 3),
    colours=st.sampled_from([1, 3]),
    batch_norm=st.booleans(),
    kernel_size=st.sampled_from([1, 3, 5]),
    size=st.tuples(st.integers(8, 13), st.integers(8, 13)),
    pool=st.sampled_from(["max", "average"]),
    n_outputs=st.integers(1, 4),
)
@settings(max_examples=25)
def test_the_parameters_are_counted_as_torch_counts_them(
    channels, per_block, colours, batch_norm, kernel_size, size, pool, n_outputs
):
    spec = CNNSpec(
        input_shape=(colours, *size), n_outputs=n_outputs, channels=tuple(channels), convolutions=per_block,
        batch_norm=batch_norm, kernel_size=kernel_size, pool=pool,
    )  # fmt: skip
    net = spec.build(np.random.RandomState(0))
    assert spec.n_parameters == sum(p.numel() for p in net.parameters()) == net.spec.n_parameters
    assert net(torch.zeros(3, colours, *size)).shape == (1, 3, n_outputs)
    kinds = [type(layer) for layer in net.module]
    assert kinds.count(nn.Conv2d) == per_block * len(channels)
    assert kinds.count(nn.BatchNorm2d) == (per_block * len(channels) if batch_norm else 0)


def test_it_is_the_network_that_torch_would_compute_by_hand():
    net = build(batch_norm=False, channels=(3,), convolutions=2)
    (first, a), (second, b), (last, c) = [
        (layer.weight, layer.bias) for layer in net.module if isinstance(layer, nn.Conv2d | nn.Linear)
    ]
    X = torch.randn(5, 1, 8, 8)
    hidden = torch.relu(nn.functional.conv2d(X, first, a, padding=1))
    hidden = torch.relu(nn.functional.conv2d(hidden, second, b, padding=1))
    pooled = hidden.reshape(5, 3, 4, 2, 4, 2).amax(dim=(3, 5)).mean(dim=(2, 3))
    assert torch.allclose(net(X)[0], pooled @ last.T + c, atol=1e-6)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_it_is_linear_within_a_piece(activation):
    """Between two near points the outputs lie on the chord, unless one of few creases lies between."""
    net = build(activation=activation).double()
    random = torch.Generator().manual_seed(0)
    X = torch.randn(1, 1, 8, 8, generator=random, dtype=torch.float64)
    step = torch.randn(1, 1, 8, 8, generator=random, dtype=torch.float64)
    t = torch.linspace(0, 1e-3, 101, dtype=torch.float64)
    with torch.no_grad():
        values = net(X + t[:, None, None, None] * step)[0, :, 0]
    bends = (values[2:] - 2 * values[1:-1] + values[:-2]).abs()
    assert float((bends < 1e-12).double().mean()) > 0.9
    with torch.no_grad():
        curved = build(activation="tanh").double()(X + 100 * t[:, None, None, None] * step)[0, :, 0]
    assert float(((curved[2:] - 2 * curved[1:-1] + curved[:-2]).abs() < 1e-12).double().mean()) < 0.1


def test_activations_keep_their_size_at_the_start():
    """He's deviation keeps the mean square from layer to layer, but for what zeros at the edges take."""
    net = build(input_shape=(1, 64, 64), channels=(32,), convolutions=8, batch_norm=False)
    sizes = []
    with torch.no_grad():
        values = torch.randn(4, 1, 64, 64)
        for layer in net.module:
            values = layer(values)
            if isinstance(layer, nn.ReLU):
                sizes.append(float(values.square().mean()))
    assert sizes[0] == pytest.approx(1, rel=0.3)
    assert 0.4 < sizes[-1] / sizes[0] < 2


def test_the_chance_is_that_of_the_random_state_alone():
    before = torch.random.get_rng_state()
    first, second, other = build(1), build(1), build(2)
    assert torch.equal(torch.random.get_rng_state(), before)
    pairs = list(zip(first.parameters(), second.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not all(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"channels": ()}, "channels"),
        ({"channels": (4, 0)}, "channels"),
        ({"channels": (4, 4, 4, 4)}, r"halves pictures of 8 x 8 4 times(.|\n)*at most 3 blocks"),
        ({"convolutions": (1,)}, "does not fit channels"),
        ({"convolutions": 0}, "convolutions=0"),
        ({"kernel_size": 4}, "kernel_size=4 must be odd"),
        ({"kernel_size": 10001}, "reaches beyond"),
        ({"activation": "gelu"}, "activation='gelu' is not known"),
        ({"pool": "maximum"}, "pool='maximum' is not known"),
        ({"global_pool": "none"}, "global_pool='none' is not known"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"dropout": float("nan")}, "dropout=nan"),
        ({"input_shape": (1, 1, 8)}, "larger pictures"),
    ],
)
def test_what_cannot_be_built_is_said(settings, words):
    with pytest.raises(ParameterError, match=words):
        build(**settings)
