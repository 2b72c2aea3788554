"""Networks of given weights, against scikit-learn, torch and plain arithmetic."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from sklearn.neural_network import MLPRegressor
from torch import nn

from planefold.core.errors import DataError, NotPiecewiseLinearError, ParameterError
from planefold.networks import from_weights


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_weights_of_scikit_learn_give_its_predictions():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    model = MLPRegressor(hidden_layer_sizes=(5, 4), max_iter=20, solver="lbfgs", random_state=0)
    model.fit(X, X[:, 0] * X[:, 1])
    net = from_weights(model.coefs_, model.intercepts_)
    np.testing.assert_allclose(net.outputs(X)[:, 0], model.predict(X), rtol=1e-12, atol=1e-12)
    assert (net.n_inputs, net.widths, net.n_outputs) == (3, (5, 4), 1)
    assert "3-5-4-1" in str(net)


@pytest.mark.parametrize(
    ("activation", "module"), [("relu", nn.ReLU()), ("leaky_relu", nn.LeakyReLU()), ("identity", nn.Identity())]
)
def test_activations_are_those_of_torch(activation, module):
    rng = np.random.default_rng(1)
    coefs, intercepts = [rng.normal(size=(2, 6)), rng.normal(size=(6, 2))], [rng.normal(size=6), rng.normal(size=2)]
    X = rng.normal(size=(20, 2))
    net = from_weights(coefs, intercepts, activation=activation)
    value = torch.from_numpy(X)
    value = module(value @ torch.from_numpy(coefs[0]) + torch.from_numpy(intercepts[0]))
    expected = value @ torch.from_numpy(coefs[1]) + torch.from_numpy(intercepts[1])
    np.testing.assert_allclose(net.outputs(X), expected.numpy(), rtol=1e-12, atol=1e-12)
    assert net.n_units == (0 if activation == "identity" else 6)


def test_the_weights_are_copied():
    coefs, intercepts = [np.array([[2.0]]), np.array([[3.0]])], [np.array([1.0]), np.array([0.0])]
    net = from_weights(coefs, intercepts)
    for array in (*coefs, *intercepts):
        array[...] = 0
    assert net.outputs([[1.0]]).tolist() == [[9.0]]


@pytest.mark.parametrize(
    ("coefs", "intercepts", "error", "said"),
    [
        ([], [], ParameterError, "coefs has 0 layers"),
        ([[[1]]], [], ParameterError, "coefs has 1 layers and intercepts 0"),
        ([[1, 2]], [[0, 0]], DataError, "coefs[0] has shape (2,)"),
        ([[[1, 2]], [[1]]], [[0, 0], [0]], DataError, "coefs[1] has 1 rows, but the layer before has 2 units"),
        ([[[1, 2]]], [[0]], DataError, "intercepts[0] has shape (1,), but coefs[0] leads to 2 units"),
        ([[[1, 2], [3]]], [[0]], DataError, "coefs[0] is not made of numbers"),
        ([[["one"]]], [[0]], DataError, "coefs[0] is not made of numbers"),
        ([[[np.nan]]], [[0]], DataError, "not finite"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(coefs, intercepts, error, said):
    with pytest.raises(error, match=re.escape(said)):
        from_weights(coefs, intercepts)


def test_other_activations_are_refused():
    with pytest.raises(NotPiecewiseLinearError, match="tanh"):
        from_weights([[[1]]], [[0]], activation="tanh")
    with pytest.raises(ParameterError, match="did you mean 'relu'"):
        from_weights([[[1]]], [[0]], activation="rleu")
