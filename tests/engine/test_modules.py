"""Any torch module in the same loop: trained as the multilayer perceptron is, and into the same record."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from planefold.core.errors import ParameterError
from planefold.engine import OBJECTIVES, Plan, Rows, train
from planefold.networks import MLPSpec, ModuleNet


def table(n=200, seed=0):
    rng = np.random.default_rng(seed)
    X = torch.from_numpy(rng.normal(size=(n, 5)))
    y = torch.from_numpy(np.eye(3)[rng.integers(0, 3, n)])
    return Rows(X=X, y=y)


def twin(net):
    """The same network as torch's own layers."""
    layers, spec = [], net.spec
    for number, (coef, bias) in enumerate(zip(net.coefs, net.intercepts, strict=True)):
        linear = nn.Linear(*coef.shape[1:], dtype=torch.float64)
        linear.weight.data, linear.bias.data = coef.data[0].T.clone(), bias.data[0, 0].clone()
        layers.append(linear)
        if number < len(net.coefs) - 1:
            if spec.batch_norm:
                layers.append(nn.BatchNorm1d(coef.shape[2], dtype=torch.float64))
            layers.append({"relu": nn.ReLU, "tanh": nn.Tanh, "logistic": nn.Sigmoid}[spec.activation]())
    return nn.Sequential(*layers)


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "rmsprop"])
@pytest.mark.parametrize(("activation", "batch_norm"), [("relu", False), ("tanh", False), ("relu", True)])
def test_a_module_learns_what_the_written_gradient_learns(solver, activation, batch_norm):
    rows = table()
    spec = MLPSpec(n_features=5, n_outputs=3, hidden_layer_sizes=(7, 6), activation=activation, batch_norm=batch_norm)
    mlp = spec.build(np.random.RandomState(0), dtype=torch.float64)
    module = ModuleNet(twin(mlp), rows.X)
    plan = Plan(solver=solver, alpha=0.01, batch_size=32, max_iter=5, n_iter_no_change=np.inf)
    judge = table(60, seed=1)
    for net in (mlp, module):
        run = train(net, rows, OBJECTIVES["log_loss"], plan, random_state=np.random.RandomState(1), validation=judge)
        net.history = [(epoch.train_loss, epoch.val_loss) for epoch in run.epochs[1:]]
        net.run = run
    # The module takes a random number each epoch for its own chance: the order of the rows differs from epoch 2 on.
    assert np.allclose(mlp.history[0], module.history[0], rtol=0, atol=1e-10)
    assert np.allclose(mlp.run.epochs[1].gradient_norm, module.run.epochs[1].gradient_norm, rtol=1e-9, atol=0)
    assert np.allclose(mlp.run.epochs[1].update_ratio, module.run.epochs[1].update_ratio, rtol=1e-9, atol=0)
    assert np.allclose(mlp.run.epochs[1].activation_std, module.run.epochs[1].activation_std, rtol=1e-9, atol=0)
    assert mlp.run.n_parameters == module.run.n_parameters == module.spec.n_parameters


def test_all_of_a_training_without_shuffling_is_equal():
    rows = table()
    mlp = MLPSpec(n_features=5, n_outputs=3, hidden_layer_sizes=(8,)).build(
        np.random.RandomState(0), dtype=torch.float64
    )
    module = ModuleNet(twin(mlp), rows.X)
    plan = Plan(solver="adam", alpha=0.1, l1_ratio=0.3, penalize_bias=True, clip_norm=0.5, shuffle=False, batch_size=50,
                max_iter=20, n_iter_no_change=np.inf)  # fmt: skip
    for net in (mlp, module):
        train(net, rows, OBJECTIVES["log_loss"], plan, random_state=np.random.RandomState(1))
    first, last = module.module[0], module.module[2]
    assert torch.allclose(mlp.coefs[0][0].T, first.weight, rtol=0, atol=1e-10)
    assert torch.allclose(mlp.intercepts[1][0, 0], last.bias, rtol=0, atol=1e-10)


def picture_rows(n=160, seed=0):
    """Pictures with a bright bar, upright or lying."""
    rng = np.random.default_rng(seed)
    X = rng.normal(0, 0.3, size=(n, 1, 12, 12)).astype(np.float32)
    kinds = rng.integers(0, 2, n)
    for picture, kind, place in zip(X, kinds, rng.integers(0, 12, n), strict=True):
        if kind:
            picture[0, place] += 2
        else:
            picture[0, :, place] += 2
    return Rows(X=torch.from_numpy(X), y=torch.from_numpy(kinds[:, None].astype(np.float32)))


def small_cnn(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, padding=1),
            nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(8, 1),
        )  # fmt: skip


def test_a_convolutional_network_learns_and_is_recorded():
    rows, judge = picture_rows(), picture_rows(80, seed=1)
    net = ModuleNet(small_cnn(), rows.X, {"network": "cnn"})
    before = torch.random.get_rng_state()
    plan = Plan(solver="adamw", learning_rate_init=0.01, batch_size=32, max_iter=15, n_iter_no_change=np.inf)
    run = train(net, rows, OBJECTIVES["binary_log_loss"], plan, random_state=np.random.RandomState(0), validation=judge)
    assert torch.equal(torch.random.get_rng_state(), before)
    found = torch.sigmoid(net(judge.X))[0] > 0.5
    assert float((found == judge.y).double().mean()) > 0.95
    assert len(run.epochs[1].gradient_norm) == 3  # of its three layers with weights
    assert len(run.epochs[1].activation_mean) == len(run.epochs[1].dead_share) == 2
    assert len(run.epochs[0].duplicate_share) == 2
    assert run.settings["network"] == "cnn"
    assert run.settings["activation"] == "relu"
    assert 0 < run.facts["input_scale"] < 2
    assert run.n_parameters == sum(p.numel() for p in net.parameters())
    assert all(p.grad is None and p.is_contiguous() for p in net.parameters())


def test_the_same_chance_gives_the_same_network():
    rows, nets = picture_rows(), []
    for _ in range(2):
        net = ModuleNet(small_cnn(), rows.X)
        plan = Plan(max_iter=2, batch_size=32)
        train(net, rows, OBJECTIVES["binary_log_loss"], plan, random_state=np.random.RandomState(3))
        torch.rand(3)  # what others draw changes nothing
        nets.append(net)
    for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(one, other)


def test_batches_are_augmented_and_judged_rows_are_not():
    rows, seen = picture_rows(64), []

    def shift(X, random_state):
        seen.append(len(X))
        return torch.roll(X, int(random_state.randint(3)), dims=-1)

    net = ModuleNet(small_cnn(), rows.X)
    plan = Plan(max_iter=3, batch_size=16)
    with_it = dataclasses.replace(rows, augment=shift)
    train(net, with_it, OBJECTIVES["binary_log_loss"], plan, random_state=np.random.RandomState(0), validation=rows)
    assert sum(seen) == 3 * 64


def test_rows_may_lie_in_a_store():
    rows = picture_rows(64)

    class Bytes:
        def __init__(self, X):
            self.scale = float(X.abs().max()) / 127
            self.X = (X / self.scale).round().to(torch.int8)

        @property
        def shape(self):
            return tuple(self.X.shape)

        def take_rows(self, index):
            return self.X[index if isinstance(index, slice) else torch.from_numpy(index)].float() * self.scale

    stored = Bytes(rows.X)
    as_floats = dataclasses.replace(rows, X=stored.take_rows(slice(None)))
    nets = []
    for some in (as_floats, dataclasses.replace(rows, X=stored)):
        net = ModuleNet(small_cnn(), rows.X)
        plan = Plan(max_iter=2, batch_size=16)
        train(net, some, OBJECTIVES["binary_log_loss"], plan, random_state=np.random.RandomState(0), validation=some)
        nets.append(net)
    for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(one, other)


def test_frozen_and_unused_parameters_stay_as_they_are():
    rows = picture_rows(64)
    module = small_cnn()
    module[0].weight.requires_grad_(False)
    module.spare = nn.Linear(3, 3)  # in the list of layers: never called
    frozen, spare = module[0].weight.clone(), None

    class Body(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.spare = module[:10], nn.Linear(3, 3)

        def forward(self, X):
            return self.body(X)

    body = Body()
    spare = body.spare.weight.clone()
    net = ModuleNet(body, rows.X)
    plan = Plan(max_iter=2, batch_size=16, alpha=0)
    train(net, rows, OBJECTIVES["binary_log_loss"], plan, random_state=np.random.RandomState(0))
    assert torch.equal(module[0].weight, frozen)
    assert torch.equal(body.spare.weight, spare)


def test_predictions_in_pieces_are_those_of_all_rows_at_once(monkeypatch):
    rows = picture_rows(50)
    net = ModuleNet(small_cnn(), rows.X)
    with torch.inference_mode():
        whole = net(rows.X)
        monkeypatch.setattr("planefold.networks.network.VALUES_AT_ONCE", net.spec.widest * 7)
        pieces = net(rows.X)
    assert torch.allclose(whole, pieces, rtol=0, atol=1e-6)


def test_a_module_that_does_not_answer_rows_with_rows_is_refused():
    with pytest.raises(ParameterError, match=r"answers one row of shape \(5,\) with \(1, 5, 1\)"):
        ModuleNet(nn.Unflatten(1, (5, 1)), torch.zeros(1, 5))


def test_lbfgs_is_for_multilayer_perceptrons():
    rows = picture_rows(20)
    net = ModuleNet(small_cnn(), rows.X)
    with pytest.raises(ParameterError, match="lbfgs"):
        train(net, rows, OBJECTIVES["binary_log_loss"], Plan(solver="lbfgs"), random_state=np.random.RandomState(0))
