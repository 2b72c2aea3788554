"""Each loss against torch's and scikit-learn's own, its gradient against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.metrics import mean_poisson_deviance
from torch.nn import functional as F

from planefold.engine import OBJECTIVES

N_OUTPUTS = 3


def _targets(name, n=20):
    rng = np.random.RandomState(3)
    if name == "squared_error":
        y = rng.randn(n, N_OUTPUTS)
    elif name == "poisson":
        y = rng.poisson(1.5, (n, N_OUTPUTS))
    elif name == "binary_log_loss":
        y = rng.rand(n, N_OUTPUTS) < 0.3
    else:
        y = np.eye(N_OUTPUTS)[rng.randint(N_OUTPUTS, size=n)]
    return torch.from_numpy(np.asarray(y, dtype=float))


def _outputs(n=20):
    return torch.from_numpy(np.random.RandomState(4).randn(n, N_OUTPUTS))


def _torchs(name, z, y):
    if name == "squared_error":
        return 0.5 * F.mse_loss(z, y) * N_OUTPUTS
    if name == "poisson":
        return F.poisson_nll_loss(z, y, log_input=True) * N_OUTPUTS + (torch.xlogy(y, y) - y).sum() / len(y)
    if name == "binary_log_loss":
        return F.binary_cross_entropy_with_logits(z, y) * N_OUTPUTS
    return F.cross_entropy(z, y)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_loss_is_torchs(name):
    z, y = _outputs(), _targets(name)
    torch.testing.assert_close(OBJECTIVES[name].loss(z, y, None), _torchs(name, z, y), rtol=1e-12, atol=0)


def test_the_poisson_loss_is_half_of_scikit_learns_deviance():
    z, y = _outputs(), _targets("poisson")
    theirs = sum(mean_poisson_deviance(y[:, k], z[:, k].exp()) / 2 for k in range(N_OUTPUTS))
    assert float(OBJECTIVES["poisson"].loss(z, y, None)) == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_agrees_with_finite_differences(name, weighted):
    y = _targets(name, 5)
    weights = torch.tensor([1.0, 0.0, 2.0, 0.5, 1.0], dtype=torch.float64) if weighted else None
    z = _outputs(5).requires_grad_()
    assert torch.autograd.gradcheck(lambda z: OBJECTIVES[name].loss(z, y, weights), z)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_a_weight_is_that_many_rows(name):
    z, y = _outputs(), _targets(name)
    counts = torch.from_numpy(np.random.RandomState(5).randint(0, 4, 20))
    weighted = OBJECTIVES[name].loss(z, y, counts.double())
    repeated = OBJECTIVES[name].loss(z.repeat_interleave(counts, 0), y.repeat_interleave(counts, 0), None)
    torch.testing.assert_close(weighted, repeated, rtol=1e-12, atol=0)
    scaled = OBJECTIVES[name].loss(z, y, 17.0 * counts.double())
    torch.testing.assert_close(weighted, scaled, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_rows_without_weight_give_no_loss_and_no_gradient(name):
    z = _outputs().requires_grad_()
    loss = OBJECTIVES[name].loss(z, _targets(name), torch.zeros(20, dtype=torch.float64))
    loss.backward()
    assert loss.item() == 0
    assert float(z.grad.abs().sum()) == 0


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_trivial_loss_is_that_of_the_best_constant(name, weighted):
    y = _targets(name)
    weights = torch.from_numpy(np.random.RandomState(6).rand(20)) if weighted else None

    def loss(constant):
        z = torch.from_numpy(constant).expand(20, N_OUTPUTS)
        return float(OBJECTIVES[name].loss(z, y, weights))

    best = minimize(loss, np.zeros(N_OUTPUTS), method="BFGS", options={"gtol": 1e-7})
    assert OBJECTIVES[name].trivial_loss(y, weights) == pytest.approx(best.fun, rel=1e-9)


@pytest.mark.parametrize("name", ["poisson", "binary_log_loss", "log_loss"])
def test_the_trivial_loss_is_finite_where_the_best_constant_is_not(name):
    y = torch.zeros(5, 2, dtype=torch.float32)
    if name == "log_loss":
        y[:, 0] = 1  # the other class is not there
    assert OBJECTIVES[name].trivial_loss(y, None) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("name", ["squared_error", "binary_log_loss", "log_loss"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_outputs_have_a_finite_loss_and_gradient(name, dtype):
    y = _targets(name, 4).to(dtype)
    z = torch.tensor([[1000.0, -1000, 0], [-1000, 1000, 1000], [-1000, -1000, -1000], [1000, 0, 0]], dtype=dtype)
    z.requires_grad_()
    loss = OBJECTIVES[name].loss(z, y, None)
    loss.backward()
    assert bool(torch.isfinite(loss))
    assert bool(torch.isfinite(z.grad).all())
    if name == "binary_log_loss":  # log(1 + e^z) - y z, where torch is exact, too
        torch.testing.assert_close(loss, _torchs(name, z, y))


def test_a_poisson_rate_of_nearly_nothing_is_finite():
    z = torch.full((2, 1), -1000.0, requires_grad=True)
    loss = OBJECTIVES["poisson"].loss(z, torch.tensor([[0.0], [3.0]]), None)
    loss.backward()
    assert bool(torch.isfinite(loss))
    assert bool(torch.isfinite(z.grad).all())


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_inverse_link_undoes_the_link(name):
    mean = torch.tensor([0.2, 0.3, 0.5], dtype=torch.float64)
    objective = OBJECTIVES[name]
    torch.testing.assert_close(objective.link(objective.inverse_link(mean)), mean)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_targets_serve_all_members(name):
    z = torch.stack([_outputs(), -_outputs()])
    y = _targets(name)
    losses = OBJECTIVES[name].loss(z, y, None)
    assert losses.shape == (2,)
    torch.testing.assert_close(losses[1], OBJECTIVES[name].loss(z[1], y, None))
