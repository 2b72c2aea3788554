"""The multilayer perceptron against counting by hand, NumPy, torch's own layers and scikit-learn."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from scipy.special import expit
from sklearn.neural_network import MLPClassifier, MLPRegressor
from torch import nn

from planefold.core.errors import ParameterError
from planefold.networks import MLPSpec
from planefold.networks.activations import ACTIVATIONS

NUMPY = {
    "identity": lambda z: z,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
}


def _spec(**changes):
    return MLPSpec(**{"n_features": 4, "hidden_layer_sizes": (5, 3), "n_outputs": 2, **changes})


def _build(seed=0, dtype=torch.float64, **changes):
    return _spec(**changes).build(np.random.RandomState(seed), dtype=dtype)


@pytest.mark.parametrize(
    ("units", "n_members", "skip", "expected"),
    [
        ((2, 3, 1), 1, False, 13),  # 2*3 + 3 + 3*1 + 1
        ((4, 3), 1, False, 15),  # softmax regression
        ((2, 3, 1), 5, False, 65),
        ((2, 3, 1), 1, True, 15),  # and 2*1 of the linear path
        ((784, 100, 10), 1, False, 79_510),
    ],
)
def test_parameters_are_counted_as_by_hand_and_as_torch_counts_them(units, n_members, skip, expected):
    n_features, *hidden, n_outputs = units
    spec = MLPSpec(
        n_features=n_features, hidden_layer_sizes=tuple(hidden), n_outputs=n_outputs, n_members=n_members, skip=skip
    )
    net = spec.build(np.random.RandomState(0))
    assert spec.n_parameters == expected == sum(p.numel() for p in net.parameters())


def test_the_summary_has_a_row_for_each_layer():
    rows = list(_spec(activation="tanh", n_members=2, skip=True).layers())
    assert [(row["layer"], row["units"], row["activation"], row["n_parameters"]) for row in rows] == [
        ("hidden 1", 5, "tanh", 50),
        ("hidden 2", 3, "tanh", 36),
        ("output", 2, "", 16),
        ("linear path", 2, "", 16),
    ]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("skip", [False, True])
def test_the_outputs_are_those_of_plain_numpy_layer_by_layer(activation, skip):
    net = _build(activation=activation, n_members=3, skip=skip)
    X = np.random.RandomState(1).randn(7, 4)
    if skip:
        nn.init.normal_(net.skip_coef, generator=torch.Generator().manual_seed(0))
    outputs = net(torch.from_numpy(X)).detach().numpy()
    for member in range(3):
        a = X
        for coef, intercept in zip(net.coefs, net.intercepts, strict=True):
            z = a @ coef[member].detach().numpy() + intercept[member].detach().numpy()
            a = NUMPY[activation](z)
        if skip:
            z = z + X @ net.skip_coef[member].detach().numpy()
        np.testing.assert_allclose(outputs[member], z, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("activation", "module"),
    [("relu", nn.ReLU), ("tanh", nn.Tanh), ("logistic", nn.Sigmoid), ("leaky_relu", nn.LeakyReLU)],
)
def test_outputs_and_gradients_are_those_of_torchs_own_layers(activation, module):
    net = _build(activation=activation)
    layers = []
    for coef, intercept in zip(net.coefs, net.intercepts, strict=True):
        linear = nn.Linear(*coef.shape[1:], dtype=torch.float64)
        linear.weight.data, linear.bias.data = coef[0].detach().T.clone(), intercept[0, 0].detach().clone()
        layers += [linear, module()]
    torchs = nn.Sequential(*layers[:-1])
    X = torch.randn(7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(net(X)[0], torchs(X), rtol=1e-12, atol=1e-14)

    net(X).square().sum().backward()
    torchs(X).square().sum().backward()
    for coef, intercept, linear in zip(net.coefs, net.intercepts, torchs[::2], strict=True):
        torch.testing.assert_close(coef.grad[0], linear.weight.grad.T, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(intercept.grad[0, 0], linear.bias.grad, rtol=1e-12, atol=1e-14)


def test_the_input_is_not_written_into():
    net = _build(hidden_layer_sizes=(), activation="identity", skip=True)
    X = torch.ones(3, 4, dtype=torch.float64)
    net(X)
    assert torch.equal(X, torch.ones(3, 4, dtype=torch.float64))


def test_members_do_not_touch_each_other():
    net = _build(n_members=3)
    X = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    before = net(X).detach().clone()
    net(X)[1].square().sum().backward()
    for p in net.parameters():
        assert p.grad[1].abs().sum() > 0
        assert p.grad[0].abs().sum() == p.grad[2].abs().sum() == 0
    with torch.no_grad():
        for p in net.parameters():
            p[1] = 7.0
    torch.testing.assert_close(net(X)[[0, 2]], before[[0, 2]])
    assert not torch.equal(net(X)[1], before[1])


def test_each_member_may_have_rows_of_its_own():
    net = _build(n_members=3)
    X = torch.randn(3, 6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for member in range(3):
        torch.testing.assert_close(net(X)[member], net(X[member])[member], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("estimator", [MLPClassifier, MLPRegressor])
def test_the_first_weights_are_those_of_scikit_learn(activation, estimator):
    X, y = np.random.RandomState(1).randn(30, 4), np.arange(30) % 3
    # A rate of nearly 0: after one epoch the weights still are the first ones.
    theirs = estimator(
        hidden_layer_sizes=(5, 3), activation=activation, solver="sgd", learning_rate_init=1e-300, max_iter=1,
        alpha=0, random_state=42,
    )  # fmt: skip
    theirs.partial_fit(X, y, **({"classes": [0, 1, 2]} if estimator is MLPClassifier else {}))
    net = _build(42, activation=activation, n_outputs=3 if estimator is MLPClassifier else 1)
    for coef, intercept, W, b in zip(net.coefs, net.intercepts, theirs.coefs_, theirs.intercepts_, strict=True):
        np.testing.assert_array_equal(coef[0].detach(), W)
        np.testing.assert_array_equal(intercept[0, 0].detach(), b)


def test_building_leaves_the_random_states_of_the_process_alone():
    numpys, torchs = np.random.get_state()[1].copy(), torch.get_rng_state().clone()  # noqa: NPY002
    _build(n_members=3, skip=True)
    np.testing.assert_array_equal(np.random.get_state()[1], numpys)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torchs)


def test_masks_multiply_the_activations_of_their_layer():
    net = _build(activation="logistic", n_members=2)
    X = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mask = torch.rand(2, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    first, second = net.hidden(X, [mask, None])
    torch.testing.assert_close(first, next(net.hidden(X)) * mask, rtol=1e-12, atol=0)
    weights, biases = net.coefs[1], net.intercepts[1]
    torch.testing.assert_close(second, torch.sigmoid(first @ weights + biases), rtol=1e-12, atol=0)
    torch.testing.assert_close(net(X, [mask, None]), second @ net.coefs[2] + net.intercepts[2], rtol=1e-12, atol=1e-14)


def test_there_is_no_dropout_without_masks():
    with_rate, without = _build(dropout=(0.5, 0.5)), _build()
    X = torch.ones(4, 4, dtype=torch.float64)
    for net in (with_rate, with_rate.train()):
        assert torch.equal(net(X), without(X))


def test_a_network_can_be_copied_and_its_copy_goes_its_own_way():
    net = _build(dropout=(0.1, 0.1), skip=True)
    other = copy.deepcopy(net).double()
    with torch.no_grad():
        other.coefs[0].zero_()
    assert net.coefs[0].abs().sum() > 0
    assert other(torch.ones(1, 4, dtype=torch.float64)).shape == (1, 1, 2)


def test_a_spec_that_cannot_be_built_says_what_it_needs():
    with pytest.raises(ParameterError, match="did you mean 'relu'"):
        _build(activation="rleu")
    with pytest.raises(ParameterError, match=r"dropout=\(0.1,\) does not fit hidden_layer_sizes=\(5, 3\)"):
        _build(dropout=(0.1,))
    with pytest.raises(ParameterError, match="from 0 to below 1"):
        _build(dropout=(0.1, 1.0))
