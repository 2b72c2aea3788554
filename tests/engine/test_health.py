"""The figures of gradients, weights and units against autograd's own numbers."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from scipy.special import expit

from planefold.engine import OBJECTIVES


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_members", [1, 3])
def test_the_figures_of_a_one_batch_epoch_are_autograds(engine, problem, dtype, n_members):
    rows = engine.rows(problem.X, problem.y, dtype=dtype)
    spec = {"n_members": n_members, "skip": True}
    net, _ = engine.fit(rows, hidden=(6, 5), spec=spec, max_iter=1, batch_size=60)
    before = copy.deepcopy(net)
    OBJECTIVES["squared_error"].loss(before(rows.X), rows.y, None).sum().backward()
    rate, alpha = 0.01, 0.3
    _, run = engine.fit(
        rows, net=net, solver="sgd", momentum=0.0, learning_rate_init=rate, alpha=alpha, max_iter=1, batch_size=60
    )
    epoch = run.epochs[0]
    rtol = 1e-5 if dtype == torch.float32 else 1e-10
    for layer, (old, new) in enumerate(zip(before.coefs, net.coefs, strict=True)):
        gradient = old.grad + alpha / 60 * old
        assert epoch.gradient_norm[layer] == pytest.approx(float(gradient.detach().square().mean().sqrt()), rel=rtol)
        assert epoch.weight_norm[layer] == pytest.approx(float(new.detach().square().mean().sqrt()), rel=rtol)
        ratio = rate * gradient.detach().norm() / old.detach().norm()
        assert epoch.update_ratio[layer] == pytest.approx(float(ratio), rel=1e-3 if dtype == torch.float32 else 1e-8)


def test_the_dead_share_counts_units_that_are_never_above_zero(engine, problem):
    rows = engine.rows(problem.X, problem.y)
    net, _ = engine.fit(rows, hidden=(8, 4), spec={"n_members": 2}, max_iter=1)
    with torch.no_grad():
        for intercept in net.intercepts[:-1]:
            intercept.fill_(1.0)
        net.coefs[0].mul_(0.1)
        net.coefs[1].mul_(0.1)
        net.intercepts[0][0, 0, :3] = -1e6  # three of the first member's eight units
        net.intercepts[1][1] = -1e6  # all of the second member's second layer
    _, run = engine.fit(rows, net=net, max_iter=1, learning_rate_init=1e-9)
    assert run.epochs[0].dead_share == (3 / 16, 0.5)


def test_rows_that_are_sorted_do_not_make_units_look_dead(engine):
    X = np.repeat([[-1.0], [1.0]], 500, axis=0)  # the first half alone would not reach the unit
    net, _ = engine.fit(engine.rows(X, X), hidden=(1,), max_iter=1)
    with torch.no_grad():
        net.coefs[0].fill_(1.0)
        net.intercepts[0].fill_(0.0)
    _, run = engine.fit(engine.rows(X, X), net=net, max_iter=1, learning_rate_init=1e-9)
    assert run.epochs[0].dead_share == (0.0,)


@pytest.mark.parametrize(("activation", "hidden"), [("tanh", (5,)), ("relu", ())])
def test_there_is_no_dead_share_without_relu_units(engine, problem, activation, hidden):
    _, run = engine.fit(engine.rows(problem.X, problem.y), hidden=hidden, spec={"activation": activation}, max_iter=1)
    assert run.epochs[0].dead_share == ()
    assert len(run.epochs[0].weight_norm) == len(hidden) + 1


def test_measuring_changes_nothing_of_the_training(engine, problem, monkeypatch):
    from planefold.engine.health import Health

    rows = engine.rows(problem.X, problem.y)
    measured, _ = engine.fit(rows, max_iter=6, batch_size=7)
    monkeypatch.setattr(Health, "is_due", lambda self, epoch: False)
    unmeasured, _ = engine.fit(rows, max_iter=6, batch_size=7)
    for a, b in zip(measured.parameters(), unmeasured.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(("activation", "slope"), [
    ("tanh", lambda z: 1 - np.tanh(z) ** 2), ("logistic", lambda z: 4 * expit(z) * expit(-z)),
])  # fmt: skip
def test_saturated_units_are_those_whose_slope_is_gone_on_most_rows(engine, problem, activation, slope):
    rows = engine.rows(problem.X, problem.y)
    net, _ = engine.fit(rows, hidden=(6,), spec={"activation": activation}, max_iter=1)
    with torch.no_grad():
        net.coefs[0][0, 0] = torch.tensor([0.1, 1.0, 10.0, 100.0, 1000.0, 0.0])
        net.coefs[0][0, 1:] = 0
        net.intercepts[0].zero_()
        net.intercepts[0][0, 0, 5] = 20.0
    _, run = engine.fit(rows, net=net, max_iter=1, learning_rate_init=1e-12)
    z = problem.X[:, :1] * [0.1, 1.0, 10.0, 100.0, 1000.0, 0.0] + [0, 0, 0, 0, 0, 20]
    expected = np.mean(np.mean(slope(z) < 0.05, axis=0) >= 0.9)
    assert 0 < expected < 1
    assert run.epochs[0].saturated_share == (pytest.approx(expected),)
    a = np.tanh(z) if activation == "tanh" else expit(z)
    assert run.epochs[0].activation_mean[0] == pytest.approx(a.mean(), rel=1e-6)
    assert run.epochs[0].activation_std[0] == pytest.approx(a.std(), rel=1e-6)


def test_a_thousand_steps_lie_between_two_measurements(engine, problem):
    _, run = engine.fit(engine.rows(problem.X, problem.y), batch_size=6, max_iter=105, tol=0.0, n_iter_no_change=999)
    measured = [epoch.epoch for epoch in run.epochs if epoch.update_ratio]
    assert measured == [1, 101]  # ten steps an epoch
    assert [epoch.epoch for epoch in run.epochs if epoch.activation_mean] == measured
