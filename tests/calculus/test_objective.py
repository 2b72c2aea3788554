"""The objective of a network is a function like any other: its derivatives against those of the training's backward."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import planefold as pf
from planefold.calculus import central_difference, directional_derivative, gradient, hessian, taylor
from planefold.core.errors import DataError, ParameterError

RNG = np.random.RandomState(0)
X = RNG.randn(60, 3)
LATENT = np.tanh(X @ RNG.randn(3)) + 0.3 * RNG.randn(60)
WEIGHTS = RNG.rand(60)
# The linear path would start at 0, where an L1 penalty has a kink.
SMALL = {"hidden_layer_sizes": (4,), "activation": "tanh", "n_members": 1, "skip": None, "random_state": 0}
CASES = {
    "plain": {"alpha": 0.0},
    "l2": {"alpha": 5.0},
    "elastic net": {"alpha": 5.0, "l1_ratio": 0.3, "penalize_bias": True},
    "two members": {"alpha": 1.0, "n_members": 2},
    "two layers": {"alpha": 1.0, "hidden_layer_sizes": (3, 3), "activation": "logistic"},
    "batch norm": {"alpha": 1.0, "batch_norm": True},
    "relu": {"alpha": 1.0, "activation": "relu"},
    "linear path": {"alpha": 1.0, "skip": "linear"},
}


def _function(case, task="MLPRegressor"):
    model = getattr(pf, task)(**{**SMALL, **CASES[case]})
    return model.objective_function(X, LATENT if task == "MLPRegressor" else LATENT > 0, WEIGHTS)


@pytest.mark.parametrize("task", ["MLPRegressor", "MLPClassifier"])
@pytest.mark.parametrize("case", CASES)
def test_gradient_and_hessian_are_those_of_the_training(case, task):
    function = _function(case, task)
    theta = function.theta + 0.1 * np.random.RandomState(1).randn(len(function.theta))
    value, slopes = function.value_and_gradient(theta)
    assert function(theta) == pytest.approx(value, rel=1e-13)
    assert float(function(torch.tensor(theta))) == pytest.approx(value, rel=1e-13)
    np.testing.assert_allclose(gradient(function, theta), slopes, atol=1e-13)
    bends = hessian(function, theta)
    np.testing.assert_array_equal(bends, bends.T)
    rows = [
        (function.value_and_gradient(theta + step)[1] - function.value_and_gradient(theta - step)[1]) / 2e-6
        for step in 1e-6 * np.eye(len(theta))
    ]
    np.testing.assert_allclose(bends, rows, atol=1e-7)
    assert np.abs(bends).max() > 0.01


def test_the_l2_penalty_is_in_the_hessian():
    without, with_it = (_function(case) for case in ("plain", "l2"))
    more = hessian(with_it, with_it.theta) - hessian(without, without.theta)
    weights = [name.startswith("coefs") for name, window in with_it.windows.items() for _ in range(*window.indices(99))]
    # alpha / 2 w^2 over the sum of the weights of the rows, which are scaled to the mean 1.
    expected = more[np.flatnonzero(weights)[0], np.flatnonzero(weights)[0]]
    np.testing.assert_allclose(more, np.diag(np.where(weights, expected, 0.0)), atol=1e-12)
    penalty = with_it(with_it.theta) - without(without.theta)
    assert penalty == pytest.approx(0.5 * expected * np.square(with_it.theta[weights]).sum(), rel=1e-9)
    assert expected > 0.01


# torch.func looks for functions compiled in a way that torch itself warns of.
@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_it_is_a_function_of_torch_too():
    function = _function("two members")
    theta = torch.tensor(function.theta)
    np.testing.assert_allclose(torch.func.grad(function)(theta), gradient(function, function.theta), rtol=1e-12)
    np.testing.assert_allclose(
        torch.func.hessian(function)(theta), hessian(function, function.theta), rtol=1e-10, atol=1e-13
    )


def test_expansions_along_a_line():
    function = _function("l2")
    direction = np.random.RandomState(2).randn(len(function.theta))
    direction /= np.linalg.norm(direction)
    line = taylor(lambda t: function(function.theta + t * direction), 0.0, 4)
    found = [directional_derivative(function, function.theta, direction, order=k) for k in (1, 2, 3)]
    np.testing.assert_allclose(found, line.derivatives[1:4], rtol=1e-10)
    assert found[0] == pytest.approx(gradient(function, function.theta) @ direction, rel=1e-12)
    assert found[1] == pytest.approx(direction @ hessian(function, function.theta) @ direction, rel=1e-11)
    assert abs(line.remainder(0.01)) < 1e-8
    third = central_difference(
        lambda t: directional_derivative(function, function.theta + t * direction, direction, order=2), 0.0, 1e-5
    )
    assert found[2] == pytest.approx(third, rel=1e-6)


def test_names_and_windows_say_where_each_tensor_stands():
    model = pf.MLPRegressor(**{**SMALL, "max_iter": 3}).fit(X, LATENT)
    function = model.objective_function(X, LATENT)
    assert function.names == [name for name, _ in model.net_.named_parameters()] == [*function.windows]
    for name, p in model.net_.named_parameters():
        np.testing.assert_array_equal(function.theta[function.windows[name]], p.detach().numpy().ravel())


@pytest.mark.parametrize("case", ["l2", "batch norm", "two members"])
@pytest.mark.parametrize("fitted", [False, True])
def test_neither_model_nor_theta_is_changed(case, fitted):
    model = pf.MLPRegressor(**{**SMALL, **CASES[case], "max_iter": 3})
    if fitted:
        model.fit(X, LATENT)
        before = {name: t.clone() for name, t in model.net_.state_dict().items()}
        answers = model.predict(X)
    function = model.objective_function(X, LATENT)
    theta = function.theta.copy()
    value = function(theta)
    function.value_and_gradient(theta + 1)
    function(theta + 2)
    statistics = [s.clone() for s in function.net.buffers()]
    hessian(function, theta)
    assert all(torch.equal(a, b) for a, b in zip(statistics, function.net.buffers(), strict=True))
    np.testing.assert_array_equal(function.theta, theta)
    assert function(theta) == pytest.approx(value, rel=1e-14)
    assert hasattr(model, "net_") == fitted
    if fitted:
        assert all(torch.equal(before[name], t) for name, t in model.net_.state_dict().items())
        np.testing.assert_array_equal(model.predict(X), answers)


def test_all_rows_count():
    many = np.tile(X, (5, 1))
    y = np.tile(LATENT, 5) + np.repeat([0.0, 1, 2, 3, 4], 60)
    function = pf.MLPRegressor(**SMALL, loss="squared_error", alpha=0, preprocess=None).objective_function(many, y)
    assert function.of[0].n_rows == 300  # the check of gradients looks at 200


@pytest.mark.parametrize("theta", [np.ones(3), torch.ones(3), np.ones((2, 2))])
def test_another_number_of_parameters_is_refused(theta):
    function = _function("plain")
    with pytest.raises(DataError, match=r"theta has the shape .*, the network has 21 parameters"):
        function(theta)
    with pytest.raises(DataError, match=r"theta has the shape .*, the network has 21 parameters"):
        function.value_and_gradient(np.asarray(theta))


def test_orders_have_a_limit():
    function = _function("plain")
    with pytest.raises(ParameterError, match="order=9 is too high"):
        directional_derivative(function, function.theta, np.ones(21), order=9)
