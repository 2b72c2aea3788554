"""Each loss against torch's and scikit-learn's own, its gradient against autograd and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize
from sklearn.metrics import mean_poisson_deviance
from torch.nn import functional as F

from planefold.core.errors import ParameterError
from planefold.engine import OBJECTIVES, huber

N_OUTPUTS = 3
OF_NUMBERS = ("squared_error", "mean_squared_error", "absolute_error", "huber")


def _targets(name, n=20):
    rng = np.random.RandomState(3)
    if name in OF_NUMBERS:
        y = 2 * rng.randn(n, N_OUTPUTS)
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
    if name == "mean_squared_error":
        return F.mse_loss(z, y)
    if name == "absolute_error":
        return F.l1_loss(z, y) * N_OUTPUTS
    if name == "huber":
        return F.huber_loss(z, y, delta=1.35) * N_OUTPUTS
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


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if name != "absolute_error"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_trivial_loss_is_that_of_the_best_constant(name, weighted):
    y = _targets(name)
    weights = torch.from_numpy(np.random.RandomState(6).rand(20)) if weighted else None

    def loss(constant):
        z = torch.from_numpy(constant).expand(20, N_OUTPUTS)
        return float(OBJECTIVES[name].loss(z, y, weights))

    best = minimize(loss, np.zeros(N_OUTPUTS), method="BFGS", options={"gtol": 1e-7})
    assert OBJECTIVES[name].trivial_loss(y, weights) == pytest.approx(best.fun, rel=1e-9)


CONTINUOUS = st.integers(1, 12).flatmap(
    lambda n: st.tuples(
        arrays(np.float64, (n, 2), elements=st.floats(-100, 100, width=32)),
        arrays(np.float64, n, elements=st.sampled_from([0.0, 0.5, 1.0, 3.0])),
    )
)


@given(CONTINUOUS)
def test_no_constant_has_a_lower_absolute_error_than_the_weighted_median(rows):
    y, weights = rows
    weights[0] = 1.0
    # The loss is piecewise linear, so one of the targets is a best constant: try them all.
    tried = [np.average(np.abs(y[:, [k]] - y[:, k]), axis=0, weights=weights).min() for k in range(2)]
    ours = OBJECTIVES["absolute_error"].trivial_loss(torch.from_numpy(y), torch.from_numpy(weights))
    assert ours == pytest.approx(sum(tried), rel=1e-12, abs=1e-12)


@settings(max_examples=50)
@given(CONTINUOUS, st.sampled_from([1e-3, 0.5, 1.35, 20.0, 1e4]))
def test_no_constant_has_a_lower_huber_loss_than_ours(rows, delta):
    y, weights = rows
    weights[0] = 1.0
    ours = huber(delta).trivial_loss(torch.from_numpy(y), torch.from_numpy(weights))

    def loss(constant, column):
        r = np.abs(y[:, column] - constant)
        return np.average(np.where(r <= delta, r**2 / 2, delta * (r - delta / 2)), weights=weights)

    best = 0.0
    for k in range(2):  # the loss is convex: a ternary search cannot miss
        low, high = y[:, k].min(), y[:, k].max()
        for _ in range(100):
            third = (high - low) / 3
            low, high = (low, high - third) if loss(low + third, k) < loss(high - third, k) else (low + third, high)
        best += loss((low + high) / 2, k)
    assert ours == pytest.approx(best, rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("name", ["poisson", "binary_log_loss", "log_loss"])
def test_the_trivial_loss_is_finite_where_the_best_constant_is_not(name):
    y = torch.zeros(5, 2, dtype=torch.float32)
    if name == "log_loss":
        y[:, 0] = 1  # the other class is not there
    assert OBJECTIVES[name].trivial_loss(y, None) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if name != "poisson"])
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


# ---------------------------------------------------------------- the gradient that needs no autograd


def _with_autograd(objective, z, y):
    z = torch.from_numpy(z).requires_grad_()
    objective.row_loss(z, torch.from_numpy(y)).sum().backward()
    return z.grad.numpy()


def _by_hand(objective, z, y, xp):
    z, y = (z, y) if xp is np else (torch.from_numpy(z), torch.from_numpy(y))
    out = xp.full_like(z, np.nan)
    before = z + 0, y + 0
    assert objective.gradient(z, y, out, xp) is None
    assert bool((z == before[0]).all() and (y == before[1]).all())  # only `out` is written to
    return np.asarray(out)


LOGITS = st.floats(-5, 5) | st.sampled_from([-1000.0, -40.0, 0.0, 40.0, 1000.0])


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("xp", [np, torch], ids=["numpy", "torch"])
@settings(max_examples=20)
@given(z=arrays(np.float64, (2, 4, 3), elements=LOGITS), seed=st.integers(0, 2**31))
def test_the_gradient_written_out_is_that_of_autograd(name, xp, z, seed):
    rng = np.random.RandomState(seed)
    if name == "poisson":
        z = np.minimum(z, 40.0)  # the loss itself is infinite at 1000
        y = rng.poisson(1.0, (4, 3)).astype(float)
    elif name == "binary_log_loss":
        y = rng.randint(0, 2, (4, 3)).astype(float)
    elif name == "log_loss":
        y = rng.dirichlet(np.ones(3), 4)
    else:
        y = rng.randn(4, 3)
    # Targets without the members' axis, as batches that all members share have them.
    ours, theirs = _by_hand(OBJECTIVES[name], z, y, xp), _with_autograd(OBJECTIVES[name], z, y)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("delta", [0.1, 5.0])
@pytest.mark.parametrize("xp", [np, torch], ids=["numpy", "torch"])
def test_huber_takes_its_delta_from_the_caller(delta, xp):
    z, y = _outputs(), _targets("huber")
    torch.testing.assert_close(
        huber(delta).loss(z, y, None), F.huber_loss(z, y, delta=delta) * N_OUTPUTS, rtol=1e-12, atol=0
    )
    ours = _by_hand(huber(delta), z.numpy(), y.numpy(), xp)
    np.testing.assert_allclose(ours, _with_autograd(huber(delta), z.numpy(), y.numpy()), rtol=1e-14)


def test_huber_lies_between_squares_and_absolute_values():
    z, y = _outputs(), _targets("huber")
    torch.testing.assert_close(huber(1e6).row_loss(z, y), OBJECTIVES["squared_error"].row_loss(z, y))
    torch.testing.assert_close(
        huber(1e-6).row_loss(z, y) / 1e-6, OBJECTIVES["absolute_error"].row_loss(z, y), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("delta", [0, -1.0, float("nan"), float("inf")])
def test_a_delta_that_cannot_be_is_refused(delta):
    with pytest.raises(ParameterError, match="must be a positive number"):
        huber(delta)
