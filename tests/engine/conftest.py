"""Small problems for the training loop, and a short way to start it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from planefold.engine import OBJECTIVES, Plan, Rows
from planefold.engine.loop import train
from planefold.networks import MLPSpec


def _rows(X, y, weights=None, members=None, dtype=torch.float64):
    return Rows(
        X=torch.as_tensor(np.asarray(X), dtype=dtype),
        y=torch.as_tensor(np.asarray(y, dtype=float), dtype=dtype),
        weights=None if weights is None else torch.as_tensor(np.asarray(weights), dtype=dtype),
        members=members,
    )


def _fit(rows, objective="squared_error", *, seed=0, net=None, hidden=(5,), more=None, spec=None, **plan):
    """Build (unless a network is given) and train, both from one random state, as scikit-learn does."""
    random_state = np.random.RandomState(seed)
    if net is None:
        described = MLPSpec(
            n_features=rows.X.shape[1], n_outputs=rows.y.shape[1], hidden_layer_sizes=hidden, **(spec or {})
        )
        net = described.build(random_state, dtype=rows.dtype)
    run = train(net, rows, OBJECTIVES[objective], Plan(**plan), random_state=random_state, **(more or {}))
    return net, run


def _weights(net):
    return [p.detach().clone() for p in net.parameters()]


@pytest.fixture(scope="session")
def engine():
    """The three helpers: ``rows`` of arrays, ``fit`` (net, run), ``weights`` of a network."""
    return SimpleNamespace(rows=_rows, fit=_fit, weights=_weights)


@pytest.fixture
def problem():
    """Sixty rows of a bent surface with a little noise."""
    rng = np.random.RandomState(0)
    X = rng.randn(60, 3)
    y = np.abs(X[:, :1]) - X[:, 1:2] * X[:, 2:] + 0.1 * rng.randn(60, 1)
    return SimpleNamespace(X=X, y=y)
