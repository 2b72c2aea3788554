"""The figures of gradients, weights and units against autograd's own numbers."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from scipy.special import expit

from planefold.engine import OBJECTIVES
from planefold.engine.budget import Budget
from planefold.engine.flat import FlatParameters
from planefold.engine.health import Health, Passage
from planefold.networks import MLPSpec


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
    epoch = run.epochs[1]
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
    assert run.epochs[1].dead_share == (3 / 16, 0.5)


def test_rows_that_are_sorted_do_not_make_units_look_dead(engine):
    X = np.repeat([[-1.0], [1.0]], 500, axis=0)  # the first half alone would not reach the unit
    net, _ = engine.fit(engine.rows(X, X), hidden=(1,), max_iter=1)
    with torch.no_grad():
        net.coefs[0].fill_(1.0)
        net.intercepts[0].fill_(0.0)
    _, run = engine.fit(engine.rows(X, X), net=net, max_iter=1, learning_rate_init=1e-9)
    assert run.epochs[1].dead_share == (0.0,)


@pytest.mark.parametrize(("activation", "hidden"), [("tanh", (5,)), ("relu", ())])
def test_there_is_no_dead_share_without_relu_units(engine, problem, activation, hidden):
    _, run = engine.fit(engine.rows(problem.X, problem.y), hidden=hidden, spec={"activation": activation}, max_iter=1)
    assert run.epochs[1].dead_share == ()
    assert len(run.epochs[1].weight_norm) == len(hidden) + 1


@pytest.mark.parametrize("changes", [
    {}, {"clip_norm": 0.05}, {"solver": "sgd", "l1_ratio": 0.5}, {"spec": {"dropout": (0.3,), "n_members": 3}},
    {"spec": {"batch_norm": True}},
])  # fmt: skip
@pytest.mark.parametrize("record", [False, Budget(share=math.inf), Budget(share=0.0)])
def test_measuring_changes_nothing_of_the_training(engine, problem, changes, record):
    rows, judge = engine.rows(problem.X[:50], problem.y[:50]), engine.rows(problem.X[50:], problem.y[50:])
    changes = {"max_iter": 6, "batch_size": 7} | changes
    measured, run = engine.fit(rows, more={"validation": judge}, **changes)
    other, other_run = engine.fit(rows, more={"validation": judge, "record": record}, **changes)
    for name, tensor in measured.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name])
    for name in ("train_loss", "objective", "val_loss"):
        np.testing.assert_array_equal(run[name], other_run[name])


def test_the_norm_of_the_gradient_is_that_before_it_was_clipped(engine, problem):
    found = []
    for clip_norm in (None, 1e-3):
        plan = {"solver": "sgd", "momentum": 0.0, "max_iter": 1, "batch_size": 60, "clip_norm": clip_norm}
        found.append(engine.fit(engine.rows(problem.X, problem.y), **plan)[1].epochs[1])
    free, clipped = found
    assert clipped.gradient_norm == free.gradient_norm
    assert max(clipped.update_ratio) < 0.1 * max(free.update_ratio)


@pytest.mark.parametrize(
    ("n_steps", "watched"), [(1, (0,)), (5, (1, 4)), (9, (2, 5, 8)), (600, (99, 199, 299, 399, 499, 599))]
)
def test_up_to_six_steps_of_an_epoch_are_watched_and_the_last_is_one_of_them(engine, problem, n_steps, watched):
    net, _ = engine.fit(engine.rows(problem.X, problem.y), max_iter=1)
    assert Health(net, FlatParameters(net), n_steps).steps == watched


def test_of_the_steps_that_are_watched_the_median_is_kept(engine, problem):
    """The same epoch in steps of our own: with plain gradient descent a step is the rate times the gradient."""
    rows = engine.rows(problem.X, problem.y)
    net, _ = engine.fit(rows, hidden=(4,), max_iter=1)
    ours = copy.deepcopy(net)
    plan = {
        "solver": "sgd",
        "momentum": 0.0,
        "learning_rate_init": 0.05,
        "alpha": 0.0,
        "batch_size": 5,
        "shuffle": False,
    }
    _, run = engine.fit(rows, net=net, max_iter=1, **plan)
    ratios, norms = [], []
    for start in range(0, 60, 5):
        part = slice(start, start + 5)
        ours.zero_grad()
        OBJECTIVES["squared_error"].loss(ours(rows.X[part]), rows.y[part], None).sum().backward()
        if start // 5 in (3, 7, 11):  # three of twelve
            ratios.append([0.05 * float(c.grad.norm() / c.detach().norm()) for c in ours.coefs])
            norms.append([float(c.grad.square().mean().sqrt()) for c in ours.coefs])
        with torch.no_grad():
            for p in ours.parameters():
                p -= 0.05 * p.grad
    np.testing.assert_allclose(run.epochs[1].update_ratio, np.median(ratios, axis=0), rtol=1e-8)
    np.testing.assert_allclose(run.epochs[1].gradient_norm, np.median(norms, axis=0), rtol=1e-8)


@pytest.mark.parametrize("n_members", [1, 2])
def test_units_with_the_same_weights_are_counted_at_the_start(engine, problem, n_members):
    net, _ = engine.fit(engine.rows(problem.X, problem.y), hidden=(6, 4), spec={"n_members": n_members}, max_iter=1)
    with torch.no_grad():
        net.coefs[0][0, :, 1] = net.coefs[0][0, :, 4]
        net.intercepts[0][0, 0, 1] = net.intercepts[0][0, 0, 4]
        net.coefs[1][:, 0] = 0.5  # alike in the first input only
        net.coefs[1][0, :, 2] = net.coefs[1][0, :, 3]  # with another bias
    _, run = engine.fit(engine.rows(problem.X, problem.y), net=net, max_iter=1)
    assert run.epochs[0].duplicate_share == (pytest.approx(2 / 6 / n_members), 0.0)
    assert run.epochs[1].duplicate_share == ()


@pytest.mark.parametrize("activation", ["tanh", "logistic"])
def test_saturated_is_the_share_of_the_activations_near_their_bounds(engine, problem, activation):
    rows = engine.rows(problem.X, problem.y)
    net, _ = engine.fit(rows, hidden=(6,), spec={"activation": activation}, max_iter=1)
    with torch.no_grad():
        net.coefs[0][0, 0] = torch.tensor([0.1, 1.0, 10.0, 100.0, 1000.0, 0.0])
        net.coefs[0][0, 1:] = 0
        net.intercepts[0].zero_()
        net.intercepts[0][0, 0, 5] = 20.0
    _, run = engine.fit(rows, net=net, max_iter=1, learning_rate_init=1e-12)
    z = problem.X[:, :1] * [0.1, 1.0, 10.0, 100.0, 1000.0, 0.0] + [0, 0, 0, 0, 0, 20]
    a = np.tanh(z) if activation == "tanh" else expit(z)
    expected = np.mean(np.abs(a) > 0.98 if activation == "tanh" else np.abs(a - 0.5) > 0.48)
    assert 0 < expected < 1
    assert run.epochs[1].saturated_share == (pytest.approx(expected),)
    assert run.epochs[1].activation_mean[0] == pytest.approx(a.mean(), rel=1e-6)
    assert run.epochs[1].activation_std[0] == pytest.approx(a.std(), rel=1e-6)


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("changes", [
    {}, {"activation": "tanh"}, {"activation": "logistic"}, {"activation": "leaky_relu"}, {"activation": "identity"},
    {"skip": True}, {"hidden_layer_sizes": ()}, {"hidden_layer_sizes": (), "skip": True}, {"batch_norm": True},
])  # fmt: skip
def test_a_passage_computes_what_the_network_does_also_after_its_weights_have_moved(n_members, each, changes):
    spec = MLPSpec(**{"n_features": 3, "n_outputs": 2, "hidden_layer_sizes": (6, 4), "n_members": n_members} | changes)
    net = spec.build(np.random.RandomState(0), dtype=torch.float64)
    flat = FlatParameters(net)
    X = torch.from_numpy(np.random.RandomState(1).randn(*([n_members] if each else []), 20, 3))
    passage = Passage(net, X)
    for _ in range(2):
        with torch.inference_mode():
            outputs, hidden = passage()
            expected = list(net.hidden(X))
            np.testing.assert_allclose(outputs, net(X), rtol=1e-12, atol=1e-12)
        assert len(hidden) == len(expected)
        for ours, theirs in zip(hidden, expected, strict=True):
            np.testing.assert_allclose(ours.reshape(theirs.shape), theirs, rtol=1e-12, atol=1e-12)
        flat.theta += 0.1
        flat.statistics += 0.5
