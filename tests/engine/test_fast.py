"""The hand-written path against autograd: every combination of what a network can have, and whole trainings."""

from __future__ import annotations

import copy
import itertools
import math

import numpy as np
import pytest
import torch

from planefold.engine import OBJECTIVES, OPTIMIZERS, Plan, loop
from planefold.engine.batches import Batches
from planefold.engine.budget import Budget
from planefold.engine.dropout import Masks
from planefold.engine.flat import FlatParameters
from planefold.engine.kernels import NumpyKernels, TorchKernels, kernels_for
from planefold.engine.sources import Shuffled
from planefold.engine.step import ByAutograd, ByHand
from planefold.networks import MLPSpec
from planefold.networks.activations import ACTIVATIONS

WINDOWS = np.array([np.r_[0:23], np.r_[2:24, -1], np.r_[1:20, [-1] * 4]])  # 24 rows; two members see fewer than 23


def _targets(objective, rng, n=24):
    if objective == "log_loss":
        return np.eye(3)[rng.randint(3, size=n)]
    if objective == "binary_log_loss":
        return rng.randint(2, size=(n, 2))
    return rng.poisson(2.0, (n, 2)) if objective == "poisson" else rng.randn(n, 2)


def _rows(engine, objective, n_members, *, weighted):
    rng = np.random.RandomState(0)
    X, y = rng.randn(24, 4), _targets(objective, rng)
    return engine.rows(X, y, rng.rand(24) if weighted else None, WINDOWS if n_members > 1 else None)


def _gradient(way, kernels, net, rows, objective):
    """Outputs, gradient and running statistics after one batch, from a copy of the network."""
    net = copy.deepcopy(net).train()
    flat = FlatParameters(net)
    (block,) = Shuffled(rows, 24, shuffle=False).epoch(np.random.RandomState(0))
    batches = Batches(block, net.spec, OBJECTIVES[objective])
    masks = None
    if net.spec.dropout:
        masks = [kernels.own(mask) for mask in Masks(net.spec, flat.theta, seed=3).draw(rows.n_rows)]
    way(net, flat, OBJECTIVES[objective], kernels)(next(batches.of(slice(None), kernels)), masks)
    return batches.outputs, flat.gradient, flat.statistics, batches.losses()


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_gradient_is_autograds(engine, objective, activation):
    for batch_norm, n_members, weighted, dropout, skip in itertools.product(
        (False, True), (1, 3), *[(False, True)] * 3
    ):
        spec = MLPSpec(
            n_features=4, n_outputs=3 if objective == "log_loss" else 2, hidden_layer_sizes=(5, 3),
            activation=activation, batch_norm=batch_norm, n_members=n_members, skip=skip,
            dropout=(0.3, 0.1) if dropout else (),
        )  # fmt: skip
        kernels = TorchKernels() if weighted != skip else NumpyKernels()
        _compare(engine, spec, objective, kernels, weighted=weighted)


@pytest.mark.parametrize("hidden", [(), (1,), (1, 4), (4, 1, 1)])
@pytest.mark.parametrize("kernels", [NumpyKernels(), TorchKernels()])
@pytest.mark.parametrize("n_members", [1, 3])
def test_layers_of_one_unit_and_none_at_all_have_autograds_gradient(engine, hidden, kernels, n_members):
    spec = MLPSpec(n_features=4, n_outputs=2, hidden_layer_sizes=hidden, n_members=n_members, batch_norm=True)
    _compare(engine, spec, "squared_error", kernels, weighted=False)


def _compare(engine, spec, objective, kernels, *, weighted):
    net = spec.build(np.random.RandomState(1), dtype=torch.float64)
    if spec.skip:
        torch.nn.init.uniform_(net.skip_coef, generator=torch.Generator().manual_seed(0))
    rows = _rows(engine, objective, spec.n_members, weighted=weighted)
    expected = _gradient(ByAutograd, NumpyKernels(), net, rows, objective)
    for ours, theirs in zip(_gradient(ByHand, kernels, net, rows, objective), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12, err_msg=str(spec))


def _both_ways(net, rows, plan, objective="squared_error"):
    """Train copies of a network both ways, and compare."""
    results = []
    for gradients in ("by_hand", "autograd"):
        one = copy.deepcopy(net)
        run = loop.train(
            one, rows, OBJECTIVES[objective], plan, random_state=np.random.RandomState(2), gradients=gradients,
            record=Budget(share=math.inf),
        )  # fmt: skip
        results.append((one.state_dict(), run))
    (ours, our_run), (theirs, their_run) = results
    assert sum(epoch.epoch > 0 for epoch in our_run.epochs) * our_run.iterations_per_epoch >= 50
    for name, tensor in theirs.items():
        np.testing.assert_allclose(ours[name], tensor, atol=1e-9, err_msg=name)
    for name in ("train_loss", "objective", "learning_rate", "gradient_norm", "weight_norm"):
        np.testing.assert_allclose(our_run[name], their_run[name], atol=1e-9, err_msg=name)
    np.testing.assert_allclose(our_run["update_ratio"], their_run["update_ratio"], rtol=1e-6, atol=1e-9)
    assert our_run.n_zero_weights == their_run.n_zero_weights


@pytest.mark.parametrize("solver", OPTIMIZERS)
@pytest.mark.parametrize(
    "penalty",
    [
        {"alpha": 0.3},
        {"alpha": 0.3, "l1_ratio": 0.5},
        {"alpha": 0.2, "l1_ratio": 1.0, "penalize_bias": True},
        {"alpha": 0.0},
    ],
)
def test_fifty_steps_are_autograds_for_every_optimiser_and_penalty(engine, solver, penalty):
    n_members = 1 if penalty["alpha"] == 0.3 else 3
    spec = MLPSpec(
        n_features=4, n_outputs=2, hidden_layer_sizes=(5, 3), n_members=n_members, activation="tanh",
        dropout=(0.25, 0.0), skip=True,
    )  # fmt: skip
    net = spec.build(np.random.RandomState(1), dtype=torch.float64)
    rows = _rows(engine, "squared_error", n_members, weighted=n_members > 1)
    plan = Plan(
        solver=solver, batch_size=7, max_iter=13, learning_rate_init=0.01, tol=0.0, n_iter_no_change=100,
        clip_norm=0.5 if "l1_ratio" in penalty else None, **penalty,
    )  # fmt: skip
    _both_ways(net, rows, plan)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_fifty_steps_are_autograds_for_every_loss_and_activation(engine, objective, activation):
    batch_norm = activation in ("relu", "tanh")
    spec = MLPSpec(
        n_features=4, n_outputs=3 if objective == "log_loss" else 2, hidden_layer_sizes=(5, 3),
        activation=activation, batch_norm=batch_norm, dropout=(0.25, 0.1), n_members=3,
    )  # fmt: skip
    net = spec.build(np.random.RandomState(1), dtype=torch.float64)
    plan = Plan(batch_size=8, max_iter=17, learning_rate_init=0.01, alpha=0.1, tol=0.0, n_iter_no_change=100)
    _both_ways(net, _rows(engine, objective, 3, weighted=True), plan, objective)


def test_torchs_kernels_train_to_the_same_weights(engine, monkeypatch):
    spec = MLPSpec(n_features=4, n_outputs=2, hidden_layer_sizes=(5, 3), n_members=3, dropout=(0.2, 0.2))
    net = spec.build(np.random.RandomState(1), dtype=torch.float64)
    rows = _rows(engine, "squared_error", 3, weighted=True)
    plan = Plan(batch_size=7, max_iter=13, alpha=0.3, l1_ratio=0.3, clip_norm=1.0)
    trained = []
    for kernels in (NumpyKernels, TorchKernels):
        monkeypatch.setattr(loop, "kernels_for", lambda *_, made=kernels: made())
        one = copy.deepcopy(net)
        loop.train(one, rows, OBJECTIVES["squared_error"], plan, random_state=np.random.RandomState(2))
        trained.append(one)
    for ours, theirs in zip(*(one.parameters() for one in trained), strict=True):
        np.testing.assert_allclose(ours.detach(), theirs.detach(), atol=1e-12)


def test_torchs_kernels_are_for_large_networks_and_several_threads(monkeypatch):
    like = torch.zeros(1)
    for n_threads, n_values, kernels in [
        (2, 1000, NumpyKernels),
        (2, 10**6, TorchKernels),
        (1, 10**6, NumpyKernels),
    ]:
        monkeypatch.setattr(torch, "get_num_threads", lambda n=n_threads: n)
        assert isinstance(kernels_for(like, n_values), kernels)


@pytest.mark.parametrize(("n", "k", "m"), [(256, 512, 512), (64, 700, 300)])
def test_large_products_are_exact_to_the_last_bits_of_float32(n, k, m):
    """oneDNN is allowed to be quick, not to round its factors to half their digits."""
    rng = np.random.RandomState(0)
    a, b, bias = rng.randn(n, k), rng.randn(k, m), rng.randn(1, m)
    tensors = [torch.tensor(x, dtype=torch.float32) for x in (a, b, bias)]
    exact, out = tensors[0].double() @ tensors[1].double(), torch.empty(n, m)
    # Rounding in float32 is 6e-8 of what is added up; factors cut to bfloat16 would show as 4e-3.
    bound = 1e-6 * (tensors[0].abs() @ tensors[1].abs())
    assert bool(((TorchKernels().product(tensors[0], tensors[1], out) - exact).abs() < bound).all())
    dense = TorchKernels().dense(*tensors, out)
    assert bool(((dense - exact - tensors[2].double()).abs() < bound + 1e-6).all())
