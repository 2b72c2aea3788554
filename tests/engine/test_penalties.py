"""The elastic net, its exact zeros, clipping and decay, against autograd, scikit-learn, closed forms and torch."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet, Lasso, Ridge

from planefold.engine import OBJECTIVES, Plan
from planefold.engine.flat import FlatParameters
from planefold.engine.kernels import NumpyKernels, TorchKernels
from planefold.engine.penalties import Penalty
from planefold.engine.plan import PROXIMAL_SOLVERS
from planefold.engine.step import Step
from planefold.networks import MLPSpec


def _net(n_members=2, **spec):
    described = MLPSpec(n_features=3, n_outputs=2, hidden_layer_sizes=(4,), n_members=n_members, skip=True, **spec)
    net = described.build(np.random.RandomState(0), dtype=torch.float64)
    torch.nn.init.normal_(net.skip_coef, generator=torch.Generator().manual_seed(0))
    return net


@pytest.mark.parametrize("kernels", [NumpyKernels(), TorchKernels()])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("penalize_bias", [False, True])
@pytest.mark.parametrize("n_members", [1, 2])
def test_value_and_gradient_are_autograds(kernels, l1_ratio, penalize_bias, n_members):
    net, alpha = _net(n_members), 0.7
    tensors = [*net.coefs, net.skip_coef, *(net.intercepts if penalize_bias else [])]
    total = torch.arange(3.0, 3.0 + n_members, dtype=torch.float64)[:, None]
    rows = torch.cat([t.flatten(1) for t in tensors], dim=1)
    expected = alpha * ((1 - l1_ratio) / 2 * rows.square() + l1_ratio * rows.abs()).sum(dim=1, keepdim=True) / total
    gradients = torch.autograd.grad(expected.sum(), tensors)
    flat = FlatParameters(net)
    penalty = Penalty(flat, Plan(alpha=alpha, l1_ratio=l1_ratio, penalize_bias=penalize_bias), kernels)
    flat.gradient += 1.0  # it is added to what is there
    value = penalty.add_gradient(kernels.array(total))
    np.testing.assert_allclose(value, expected.detach(), rtol=1e-12)
    for tensor, gradient in zip(tensors, gradients, strict=True):
        np.testing.assert_allclose(flat.gradient[:, flat.window(tensor)] - 1, gradient.flatten(1), atol=1e-12)
    untouched = [] if penalize_bias else list(net.intercepts)
    assert all(bool((flat.gradient[:, flat.window(p)] == 1).all()) for p in untouched)


@pytest.mark.parametrize("kernels", [NumpyKernels(), TorchKernels()])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_with_penalty_rows_it_is_the_same_in_every_batch(kernels, solver):
    values, gradients, weights = [], [], []
    for total in (7.0, 2.0, kernels.array(torch.full((1, 1), 3.0, dtype=torch.float64))):
        net = _net(1)
        flat = FlatParameters(net)
        plan = Plan(solver=solver, alpha=0.7, l1_ratio=0.3, penalty_rows=7)
        penalty = Penalty(flat, plan, kernels)
        values.append(float(penalty.add_gradient(total)[0, 0]))
        gradients.append(flat.gradient.clone())
        penalty.after_step(total, 0.1)
        weights.append(flat.theta.clone())
    assert values[0] == values[1] == values[2] > 0
    torch.testing.assert_close(gradients[1:], [gradients[0]] * 2, rtol=0, atol=0)
    torch.testing.assert_close(weights[1:], [weights[0]] * 2, rtol=0, atol=0)
    alone = Penalty(FlatParameters(_net(1)), Plan(solver=solver, alpha=0.7, l1_ratio=0.3), kernels)
    assert float(alone.add_gradient(7.0)[0, 0]) == values[0]  # that of a batch of as many rows


def test_the_gradient_check_knows_penalty_rows():
    from planefold.engine.gradients import ObjectiveFunction
    from planefold.engine.sources import Rows

    random = np.random.RandomState(0)
    rows = Rows(X=torch.from_numpy(random.randn(9, 3)), y=torch.from_numpy(random.randn(9, 2)), weights=None)
    plan = Plan(alpha=0.7, l1_ratio=0.3, penalize_bias=True, penalty_rows=4.0)
    function = ObjectiveFunction(_net(1), rows, OBJECTIVES["squared_error"], plan)
    value, gradient = function.value_and_gradient(function.theta)
    assert value == pytest.approx(function.value(function.theta), rel=1e-12)
    step = 1e-6 * random.randn(len(gradient))
    difference = function.value(function.theta + step) - function.value(function.theta - step)
    assert difference / 2 == pytest.approx(gradient @ step, rel=1e-5)


def test_a_member_without_rows_is_not_penalised():
    net = _net()
    flat = FlatParameters(net)
    penalty = Penalty(flat, Plan(alpha=1.0, l1_ratio=0.5), NumpyKernels())
    value = penalty.add_gradient(np.array([[2.0], [np.inf]]))
    assert value[0] > 0 == value[1]
    assert flat.gradient[0].any()
    assert not flat.gradient[1].any()


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=20), st.floats(0, 2))
def test_the_proximal_step_minimises_half_the_square_plus_the_l1_norm(weights, by):
    w = np.array(weights)
    penalty = Penalty.__new__(Penalty)
    penalty.kernels, penalty.weights, penalty.scratch = NumpyKernels(), w.copy(), np.empty_like(w)
    penalty.shrink(by)
    # x = prox(w) exactly where w - x is a subgradient of by |x|: by sign(x), or within [-by, by] at 0.
    x = penalty.weights
    np.testing.assert_allclose((w - x)[x != 0], by * np.sign(x[x != 0]), atol=1e-12)
    assert np.all(np.abs(w - x)[x == 0] <= by + 1e-12)


def _linear_problem():
    rng = np.random.RandomState(0)
    X = rng.randn(80, 10)
    return X, (X[:, :3] @ [2.0, -1.0, 0.5])[:, None] + 0.1 * rng.randn(80, 1)


@pytest.mark.parametrize("solver", PROXIMAL_SOLVERS)
def test_l1_finds_the_zeros_of_the_lasso_and_the_run_counts_them(engine, solver):
    X, y = _linear_problem()
    net, run = engine.fit(
        engine.rows(X, y), hidden=(), solver=solver, alpha=0.2 * 80, l1_ratio=1.0, batch_size=80, max_iter=1500,
        learning_rate_init=0.02, momentum=0.5, tol=0.0, n_iter_no_change=10**6,
    )  # fmt: skip
    lasso = Lasso(alpha=0.2, tol=1e-12).fit(X, y.ravel())
    np.testing.assert_allclose(net.coefs[0].detach().ravel(), lasso.coef_, atol=1e-6)
    assert run.n_zero_weights == int((lasso.coef_ == 0).sum()) > 0


@pytest.mark.parametrize(
    ("solver", "l1_ratio", "theirs"),
    [("sgd", 0.5, ElasticNet(alpha=0.3, l1_ratio=0.5, tol=1e-12)), ("lbfgs", 0.0, Ridge(alpha=0.3 * 80))],
)
def test_the_elastic_net_is_scikit_learns(engine, solver, l1_ratio, theirs):
    X, y = _linear_problem()
    net, _ = engine.fit(
        engine.rows(X, y), hidden=(), solver=solver, alpha=0.3 * 80, l1_ratio=l1_ratio, batch_size=80, max_iter=1500,
        learning_rate_init=0.02, tol=1e-10 if solver == "lbfgs" else 0.0, n_iter_no_change=10**6,
    )  # fmt: skip
    np.testing.assert_allclose(net.coefs[0].detach().ravel(), theirs.fit(X, y.ravel()).coef_, atol=1e-5)


def test_adam_brings_weights_near_zero_but_not_to_it(engine):
    X, y = _linear_problem()
    net, run = engine.fit(
        engine.rows(X, y), hidden=(), solver="adam", alpha=0.2 * 80, l1_ratio=1.0, batch_size=80, max_iter=600,
        learning_rate_init=0.01, tol=0.0, n_iter_no_change=10**6,
    )  # fmt: skip
    lasso = Lasso(alpha=0.2, tol=1e-12).fit(X, y.ravel())
    assert run.n_zero_weights == 0
    assert np.abs(net.coefs[0].detach().numpy().ravel() - lasso.coef_).max() < 0.03


@pytest.mark.parametrize("penalize_bias", [False, True])
def test_adamw_decays_the_weights_as_torchs_does(engine, problem, penalize_bias):
    rows = engine.rows(problem.X, problem.y)
    plan = {"solver": "adamw", "alpha": 0.3, "batch_size": 60, "max_iter": 20, "learning_rate_init": 0.01}
    net, _ = engine.fit(rows, hidden=(5,), spec={"activation": "tanh"}, penalize_bias=penalize_bias, **plan)
    theirs = MLPSpec(n_features=3, n_outputs=1, hidden_layer_sizes=(5,), activation="tanh").build(
        np.random.RandomState(0), dtype=torch.float64
    )
    groups = [{"params": [*theirs.coefs]}, {"params": [*theirs.intercepts], "weight_decay": 0.3 * penalize_bias}]
    reference = torch.optim.AdamW(groups, lr=0.01, weight_decay=0.3)
    for _ in range(20):
        reference.zero_grad()
        OBJECTIVES["squared_error"].loss(theirs(rows.X), rows.y, None).sum().backward()
        reference.step()
    for ours, others in zip(net.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(ours.detach(), others.detach(), atol=1e-10)


@pytest.mark.parametrize("kernels", [NumpyKernels(), TorchKernels()])
@pytest.mark.parametrize("n_members", [1, 3])
def test_the_gradient_of_each_member_is_clipped_as_torch_clips(kernels, n_members):
    flat = FlatParameters(_net(n_members))
    lengths = [5.0, 0.5, 3.0][:n_members]
    plan = Plan(clip_norm=1.0, alpha=0.0)

    def gradient(batch, masks):
        flat.gradient.fill_(1.0)
        flat.gradient.mul_(torch.tensor(lengths, dtype=torch.float64)[:, None] / flat.theta.shape[1] ** 0.5)

    optimizer = SimpleNamespace(slots=[], rule=None, in_blocks=True)
    step = Step(gradient, optimizer, slice(None), flat.part(slice(None)), plan, kernels)
    gradient(None, None)
    expected = []
    for row in flat.gradient.clone():
        p = torch.nn.Parameter(torch.zeros_like(row))
        p.grad = row
        torch.nn.utils.clip_grad_norm_([p], 1.0)
        expected.append(p.grad)
    step.slope(SimpleNamespace(total=1.0), None)
    torch.testing.assert_close(flat.gradient, torch.stack(expected), rtol=1e-5, atol=0)
    assert float(flat.gradient.norm(dim=1).max()) <= 1 + 1e-12
