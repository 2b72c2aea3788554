"""The update rules, step by step, against scikit-learn's and torch's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from planefold.engine import Plan
from planefold.engine.optimizers import SGD, Adam

N_STEPS = 50


def _gradients():
    rng = np.random.RandomState(0)
    return [rng.randn(7) * scale for scale in np.geomspace(1, 1e-6, N_STEPS)]


def _path(optimizer, rate):
    theta = torch.arange(7, dtype=torch.float64)
    for gradient in _gradients():
        optimizer.step(theta, torch.from_numpy(gradient), rate)
        yield theta.numpy().copy()


def _start():
    return torch.zeros(7, dtype=torch.float64)


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
def test_each_step_of_sgd_is_scikit_learns(momentum, nesterov):
    plan = Plan(solver="sgd", momentum=momentum, nesterovs_momentum=nesterov)
    theirs = np.arange(7.0)
    reference = SGDOptimizer([theirs], 0.05, momentum=momentum, nesterov=nesterov)
    for gradient, ours in zip(_gradients(), _path(SGD(_start(), plan), 0.05), strict=True):
        reference.update_params([theirs], [gradient])
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("beta_1", "beta_2", "epsilon"), [(0.9, 0.999, 1e-8), (0.0, 0.9, 1e-3), (0.5, 0.0, 1.0)])
def test_each_step_of_adam_is_scikit_learns(beta_1, beta_2, epsilon):
    plan = Plan(beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)
    theirs = np.arange(7.0)
    reference = AdamOptimizer([theirs], 0.05, beta_1, beta_2, epsilon)
    for gradient, ours in zip(_gradients(), _path(Adam(_start(), plan), 0.05), strict=True):
        reference.update_params([theirs], [gradient])
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_each_step_of_sgd_is_torchs_at_a_constant_rate(momentum, nesterov):
    plan = Plan(solver="sgd", momentum=momentum, nesterovs_momentum=nesterov)
    theirs = torch.arange(7, dtype=torch.float64, requires_grad=True)
    reference = torch.optim.SGD([theirs], lr=0.05, momentum=momentum, nesterov=nesterov)
    for gradient, ours in zip(_gradients(), _path(SGD(_start(), plan), 0.05), strict=True):
        theirs.grad = torch.from_numpy(gradient)
        reference.step()
        np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-12, atol=1e-14)


def test_each_step_of_adam_is_torchs_while_epsilon_is_tiny():
    theirs = torch.arange(7, dtype=torch.float64, requires_grad=True)
    reference = torch.optim.Adam([theirs], lr=0.05, eps=1e-30)
    for gradient, ours in zip(_gradients(), _path(Adam(_start(), Plan(epsilon=1e-30)), 0.05), strict=True):
        theirs.grad = torch.from_numpy(gradient)
        reference.step()
        np.testing.assert_allclose(ours, theirs.detach(), rtol=1e-6)
