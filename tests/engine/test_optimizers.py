"""The update rules, step by step, against scikit-learn's and torch's own, and against published tables."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from planefold.engine import OPTIMIZERS, Plan
from planefold.engine.kernels import NumpyKernels, TorchKernels
from planefold.engine.optimizers import Update
from planefold.engine.plan import STOCHASTIC_SOLVERS

N_STEPS = 50


def _gradients():
    rng = np.random.RandomState(0)
    return [rng.randn(7) * scale for scale in np.geomspace(1, 1e-6, N_STEPS)]


class _Descent:
    """A rule at work on a vector: one member's parameters, without a network."""

    def __init__(self, solver, start, kernels=NumpyKernels, **plan):
        self.flat = SimpleNamespace(theta=torch.tensor(start[None], dtype=torch.float64))
        self.flat.gradient = torch.zeros_like(self.flat.theta)
        self.optimizer = OPTIMIZERS[solver](self.flat, Plan(solver=solver, **plan))
        self.update = Update(self.optimizer, slice(None), self.flat, kernels())

    def step(self, gradient, rate):
        self.flat.gradient[0] = torch.from_numpy(np.asarray(gradient))
        self.update(*self.optimizer.coefficients(rate))
        return self.flat.theta[0].numpy().copy()


def _path(solver, rate=0.05, **plan):
    descent = _Descent(solver, np.arange(7.0), **plan)
    return [descent.step(gradient, rate) for gradient in _gradients()]


def _torchs_path(make):
    theta = torch.arange(7, dtype=torch.float64, requires_grad=True)
    reference = make([theta])
    for gradient in _gradients():
        theta.grad = torch.from_numpy(gradient)
        reference.step()
        yield theta.detach().numpy().copy()


def test_the_table_has_every_stochastic_solver():
    assert tuple(OPTIMIZERS) == STOCHASTIC_SOLVERS


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
def test_each_step_of_sgd_is_scikit_learns(momentum, nesterov):
    theirs = np.arange(7.0)
    reference = SGDOptimizer([theirs], 0.05, momentum=momentum, nesterov=nesterov)
    path = _path("sgd", momentum=momentum, nesterovs_momentum=nesterov)
    for gradient, ours in zip(_gradients(), path, strict=True):
        reference.update_params([theirs], [gradient])
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("beta_1", "beta_2", "epsilon"), [(0.9, 0.999, 1e-8), (0.0, 0.9, 1e-3), (0.5, 0.0, 1.0)])
def test_each_step_of_adam_is_scikit_learns(beta_1, beta_2, epsilon):
    theirs = np.arange(7.0)
    reference = AdamOptimizer([theirs], 0.05, beta_1, beta_2, epsilon)
    path = _path("adam", beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)
    for gradient, ours in zip(_gradients(), path, strict=True):
        reference.update_params([theirs], [gradient])
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("solver", "plan", "reference"),
    [
        ("sgd", {"momentum": 0.0}, lambda p: torch.optim.SGD(p, lr=0.05)),
        ("momentum", {}, lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9)),
        ("nesterov", {"momentum": 0.8}, lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, nesterov=True)),
        ("adagrad", {"epsilon": 1e-6}, lambda p: torch.optim.Adagrad(p, lr=0.05, eps=1e-6)),
        ("rmsprop", {"rho": 0.95}, lambda p: torch.optim.RMSprop(p, lr=0.05, alpha=0.95)),
        ("adadelta", {"epsilon": 1e-6}, lambda p: torch.optim.Adadelta(p, lr=0.05, rho=0.9, eps=1e-6)),
        ("adamw", {"epsilon": 1e-3}, lambda p: torch.optim.AdamW(p, lr=0.05, eps=1e-3, weight_decay=0)),
        ("nadam", {"epsilon": 1e-3, "beta_1": 0.8}, lambda p: torch.optim.NAdam(p, 0.05, (0.8, 0.999), 1e-3)),
    ],
)  # fmt: skip
def test_each_step_is_torchs(solver, plan, reference):
    rtol = 1e-6 if solver == "nadam" else 1e-11  # torch keeps nadam's product of momenta in float32
    for ours, theirs in zip(_path(solver, **plan), _torchs_path(reference), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=1e-13)


def test_each_step_of_adam_is_torchs_while_epsilon_is_tiny():
    theirs = _torchs_path(lambda p: torch.optim.Adam(p, lr=0.05, eps=1e-30))
    np.testing.assert_allclose(_path("adam", epsilon=1e-30), list(theirs), rtol=1e-9)


def test_averaged_momentum_follows_the_exponential_mean_of_the_gradients():
    gradients, theta = _gradients(), np.arange(7.0)
    for t, ours in enumerate(_path("averaged_momentum", momentum=0.7)):
        theta = theta - 0.05 * sum(0.3 * 0.7 ** (t - i) * gradients[i] for i in range(t + 1))
        np.testing.assert_allclose(ours, theta, rtol=1e-12)


def test_adam_without_correction_starts_with_steps_that_are_too_long():
    # m = 0.1 g and sqrt(v) = 0.0316 |g|: the first step is 3.16 rates long, where the corrected one is 1 long.
    first = _path("adam_uncorrected", epsilon=1e-30)[0] - np.arange(7.0)
    np.testing.assert_allclose(np.abs(first), 0.05 * 0.1 / np.sqrt(0.001), rtol=1e-12)
    corrected = _path("adam", epsilon=1e-30)[0] - np.arange(7.0)
    np.testing.assert_allclose(np.abs(corrected), 0.05, rtol=1e-12)


BOWL = {
    # The gradient of x^2 + 50 y^2 seen through noise: where the lecture decks' tables lead, after how many steps.
    "momentum": (0.0015, {}, {1: (-4.9849, -4.2572), 2: (-4.9563, -2.9417), 4: (-4.8654, 0.3028), 5: (-4.8053, 1.7149),
                              6: (-4.7371, 2.7480), 198: (-0.0071, -0.1289), 200: (-0.0068, -0.1577)}),
    "adagrad": (0.5, {}, {1: (-4.5, -4.5), 2: (-4.1642, -4.1615), 6: (-3.3299, -3.3157), 200: (-0.0083, -0.0196)}),
    "rmsprop": (0.0375, {"rho": 0.9}, {1: (-4.8814, -4.8814), 2: (-4.7961, -4.7955), 6: (-4.5558, -4.5527),
                                       199: (0.0235, -0.0782), 200: (0.0208, -0.0694)}),
    "adam": (0.075, {}, {1: (-4.9250, -4.9250), 2: (-4.8500, -4.8500), 6: (-4.5514, -4.5510), 200: (-0.0092, -0.0048)}),
    "sgd": (0.0015, {"momentum": 0.0}, {1: (-4.9849, -4.2572), 6: (-4.9116, -1.8969), 200: (-2.7401, -0.0585)}),
}  # fmt: skip


@pytest.mark.parametrize("solver", BOWL)
def test_the_steps_on_the_bowl_are_those_of_the_lecture_decks(solver):
    rate, plan, places = BOWL[solver]
    random_state, theta = np.random.RandomState(12345), np.array([-5.0, -5.0])
    descent = _Descent(solver, theta, **plan)
    for number in range(1, 201):
        theta = descent.step([2, 100] * (theta + 0.1 * random_state.randn(2)), rate)
        if number in places:
            np.testing.assert_allclose(theta, places[number], atol=5.001e-5)


@pytest.mark.parametrize("solver", OPTIMIZERS)
def test_torchs_arrays_take_the_same_steps_also_with_numbers_that_are_tensors(solver):
    ours, theirs = _Descent(solver, np.arange(7.0)), _Descent(solver, np.arange(7.0), TorchKernels)
    for gradient in _gradients():
        expected = ours.step(gradient, 0.05)
        theirs.flat.gradient[0] = torch.from_numpy(gradient)
        theirs.update(*torch.tensor(theirs.optimizer.coefficients(0.05), dtype=torch.float64))
        np.testing.assert_allclose(theirs.flat.theta[0], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("solver", OPTIMIZERS)
def test_blocks_make_no_difference(solver, monkeypatch):
    expected = _path(solver)
    monkeypatch.setattr(NumpyKernels, "block", 3)
    np.testing.assert_array_equal(_path(solver), expected)
