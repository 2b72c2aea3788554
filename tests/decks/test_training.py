"""The slides' estimators train as torch and Keras do: the same weights after the same steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from planefold import decks
from planefold.core.errors import MissingExtraError
from planefold.core.extras import import_keras
from planefold.decks.estimators import _keras_optimizer
from planefold.decks.training import ClassifierOnSlides, Otherwise, RegressorOnSlides
from planefold.decks.translation import TORCH, translated
from planefold.networks import MLPSpec
from planefold.saving import keras_model, torch_module

try:
    keras = import_keras("comparing with Keras")
except MissingExtraError:
    keras = None
pytestmark = [  # what keras makes torch say
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad:UserWarning"),
]
needs_keras = pytest.mark.skipif(keras is None, reason="keras is not installed: pip install 'planefold[keras]'")

RNG = np.random.default_rng(1)
X = RNG.normal(size=(23, 3))
TARGETS = {
    "one number": X[:, 0] * X[:, 1],
    "two numbers": np.column_stack([X[:, 0] * X[:, 1], X[:, 2] + 1]),
    "two classes": (X[:, 0] > X[:, 1]).astype(int),
    "three classes": np.digitize(X[:, 0], [-0.3, 0.4]),
    "three labels": np.greater(X, X[:, [1, 2, 0]]).astype(int),
}
OPTIMIZERS = {
    "sgd": lambda p: torch.optim.SGD(p, 0.05),
    "momentum": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9),
    "nesterov": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9, nesterov=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, 0.05),
    "rmsprop": lambda p: torch.optim.RMSprop(p, 0.05),
    "adadelta": lambda p: torch.optim.Adadelta(p, 0.05),
    # Ours and Keras's add epsilon before the bias is corrected, torch's after: with next to none they agree.
    "adam": lambda p: torch.optim.Adam(p, 0.05, eps=1e-14),
    "nadam": lambda p: torch.optim.NAdam(p, 0.05),
}
# torch's own losses, of the outputs before the link.
LOSSES = {"number": nn.MSELoss(), "two classes": nn.BCEWithLogitsLoss(), "labels": nn.BCEWithLogitsLoss()}
LAMBDAS = {"nothing": (0.0, 0.0), "L1": (0.003, 0.0), "L2": (0.0, 0.02), "both": (0.003, 0.02)}


def first_net(n_outputs, init, dtype=torch.float64):
    spec = MLPSpec(n_features=3, hidden_layer_sizes=(5, 4), n_outputs=n_outputs, activation="tanh", init=init)
    return spec.build(np.random.RandomState(0), dtype=dtype)


def by_planefold(task, *, l1=0.0, l2=0.0, epochs=12, batch_size=5, **parameters):
    """Train in float64 with the rows in their order, for which the slides' estimators have no parameters."""
    is_regression = "number" in task
    cls = decks.PytorchMLPRegressor if is_regression else decks.PytorchMLPClassifier
    slides = cls(
        3, (5, 4), activation_function="tanh", learning_rate_init=0.05, epochs=epochs, batch_size=batch_size,
        l1_lambda=l1, l2_lambda=l2, random_state=0, **parameters,
    )  # fmt: skip
    trainer = (RegressorOnSlides if is_regression else ClassifierOnSlides)(
        **{**translated(slides.get_params(), TORCH), "dtype": "float64", "shuffle": False}
    )
    if trainer.solver == "adam":
        trainer.epsilon = 1e-14  # as in OPTIMIZERS
    trainer.otherwise = Otherwise(input_dim=3, validation_split=0.0, l1=l1, l2=l2)
    trainer.fit(X, TARGETS[task])
    return trainer.plain()


def by_torch(task, solver, *, l1, l2, init, epochs=12, batch_size=5):
    """Train the same network as any loop in torch does."""
    y = torch.tensor(TARGETS[task])
    n_outputs = 3 if task.startswith("three") else 2 if task == "two numbers" else 1
    net = torch_module(first_net(n_outputs, init))
    optimizer = OPTIMIZERS[solver](net.parameters())
    loss_of = next((loss for name, loss in LOSSES.items() if task.endswith(name)), LOSSES["number"])
    if task == "three classes":
        loss_of = nn.CrossEntropyLoss()
    else:
        y = y.double().reshape(len(X), -1)
    rows = torch.tensor(X)
    for _ in range(epochs):
        for start in range(0, len(X), batch_size):  # the last batch has fewer rows
            batch = slice(start, start + batch_size)
            penalty = sum(l1 * p.abs().sum() + l2 * p.square().sum() for p in net.parameters())
            optimizer.zero_grad()
            (loss_of(net(rows[batch]), y[batch]) + penalty).backward()
            optimizer.step()
    return net


def agree(model, net, atol):
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    for coef, intercept, layer in zip(model.coefs_, model.intercepts_, linear, strict=True):
        np.testing.assert_allclose(coef, layer.weight.detach().numpy().T, rtol=0, atol=atol)
        np.testing.assert_allclose(intercept, layer.bias.detach().numpy(), rtol=0, atol=atol)


@pytest.mark.parametrize("penalty", LAMBDAS)
@pytest.mark.parametrize("solver", OPTIMIZERS)
def test_weights_and_penalties_are_those_of_torchs_optimizers(solver, penalty):
    l1, l2 = LAMBDAS[penalty]
    if l1 and solver in ("sgd", "momentum", "nesterov"):
        pytest.skip("L1 is dealt with after the step there, so that weights become exactly 0")
    model = by_planefold("one number", solver=solver, l1=l1, l2=l2)
    assert model.run_.iterations_per_epoch == 5  # of 5, 5, 5, 5 and 3 rows
    net = by_torch("one number", solver, l1=l1, l2=l2, init=model.net_.spec.init)
    agree(model, net, atol=1e-8 if solver == "nadam" else 1e-9)  # torch keeps a product of rates in float32
    started = first_net(1, model.net_.spec.init)
    assert np.abs(model.coefs_[0] - started.coefs[0][0].detach().numpy()).max() > 0.005  # it has trained


@pytest.mark.parametrize("task", TARGETS)
def test_losses_are_torchs(task):
    # Several labels: our loss is their sum, torch's their mean, which Adam's steps do not feel.
    model = by_planefold(task, solver="Adam", l1=0.003, l2=0.02)
    agree(model, by_torch(task, "adam", l1=0.003, l2=0.02, init=model.net_.spec.init), atol=1e-9)


def test_l1_with_plain_steps_ends_at_the_same_minimum_with_exact_zeros():
    l1, l2 = 0.05, 0.001
    model = by_planefold("one number", solver="sgd", l1=l1, l2=l2, epochs=3000, batch_size=23)
    net = by_torch("one number", "sgd", l1=l1, l2=l2, init=model.net_.spec.init, epochs=3000, batch_size=23)
    y, rows = torch.tensor(TARGETS["one number"])[:, None], torch.tensor(X)

    @torch.no_grad()
    def objective(net):
        penalty = sum(l1 * p.abs().sum() + l2 * p.square().sum() for p in net.parameters())
        return float((net(rows) - y).square().mean() + penalty)

    assert model.run_.n_zero_weights > 0
    assert objective(torch_module(model)) <= objective(net) + 1e-3


def test_the_estimator_itself_trains_so_in_float32():
    model = decks.PytorchMLPRegressor(
        3, (5, 4), activation_function="tanh", learning_rate_init=0.05, epochs=40, batch_size=23, l1_lambda=0.003,
        l2_lambda=0.02, solver="RMSprop", random_state=0,
    ).fit(X, TARGETS["one number"])  # fmt: skip
    assert model.coefs_[0].dtype == np.float32
    net = by_torch("one number", "rmsprop", l1=0.003, l2=0.02, init=model.net_.spec.init, epochs=40, batch_size=23)
    agree(model, net, atol=2e-5)
    # The loss of the last epoch is that before its step, with the penalties.
    assert model.history_["loss"][-1] == pytest.approx(model.run_.epochs[-1].objective)


@needs_keras
@pytest.mark.parametrize("solver", ["sgd", "momentum", "nesterov", "adadelta", "adam"])
def test_weights_and_penalties_are_keras_own(solver):
    l1, l2 = (0.003 if solver in ("adam", "adadelta") else 0.0), 0.02
    model = decks.KerasMLPRegressor(
        3, (5, 4), activation_function="tanh", learning_rate_init=0.05, epochs=15, batch_size=64, l1_lambda=l1,
        l2_lambda=l2, solver=solver, random_state=0,
    ).fit(X, TARGETS["one number"])  # fmt: skip
    first = first_net(1, model.net_.spec.init, torch.float32)
    assert float(first.intercepts[0].abs().sum()) == 0  # as Keras begins
    theirs = keras_model(first, l1=l1, l2=l2)
    theirs.compile(optimizer=_keras_optimizer(solver, 0.05), loss="mean_squared_error")
    trained = theirs.fit(X, TARGETS["one number"], epochs=15, batch_size=64, verbose=0)
    for ours, weights in zip(model.coefs_, theirs.get_weights()[::2], strict=True):
        np.testing.assert_allclose(ours, weights, rtol=0, atol=2e-5)
    for ours, biases in zip(model.intercepts_, theirs.get_weights()[1::2], strict=True):
        np.testing.assert_allclose(ours, biases, rtol=0, atol=2e-5)
    np.testing.assert_allclose(model.history_["loss"], trained.history["loss"], rtol=1e-4)


@needs_keras
@pytest.mark.parametrize("solver", ["adagrad", "rmsprop"])
def test_where_keras_puts_epsilon_under_the_root_little_changes(solver):
    model = decks.KerasMLPRegressor(
        3, (5, 4), activation_function="tanh", learning_rate_init=0.01, epochs=15, batch_size=64, solver=solver,
        random_state=0,
    ).fit(X, TARGETS["one number"])  # fmt: skip
    theirs = keras_model(first_net(1, model.net_.spec.init, torch.float32))
    theirs.compile(optimizer=_keras_optimizer(solver, 0.01), loss="mean_squared_error")
    trained = theirs.fit(X, TARGETS["one number"], epochs=15, batch_size=64, verbose=0)
    np.testing.assert_allclose(model.history_["loss"], trained.history["loss"], rtol=0.01)
