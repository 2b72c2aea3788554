"""First weights against their formulas, torch's own initialisers and scikit-learn; and why zeros cannot learn."""

from __future__ import annotations

import copy
import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.neural_network import MLPRegressor
from torch import nn

from planefold.core.errors import ParameterError
from planefold.networks import INITIALIZATIONS, Initialization, MLPSpec
from planefold.networks.activations import ACTIVATIONS, GAINS

TORCHS_NAMES = {"identity": "linear", "logistic": "sigmoid", "leaky_relu": "leaky_relu", "tanh": "tanh", "relu": "relu"}
DRAWN = [kind for kind in INITIALIZATIONS if kind != "zeros"]


def _build(init, *, seed=0, **changes):
    spec = {"n_features": 300, "hidden_layer_sizes": (200, 100), "n_outputs": 50, "init": init, **changes}
    return MLPSpec(**spec).build(np.random.RandomState(seed), dtype=torch.float64)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_gains_are_torchs(activation):
    assert GAINS[activation] == pytest.approx(nn.init.calculate_gain(TORCHS_NAMES[activation], 0.01), rel=1e-15)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("kind", "initialise"),
    [
        ("glorot_uniform", nn.init.xavier_uniform_),
        ("glorot_normal", nn.init.xavier_normal_),
        ("he_uniform", nn.init.kaiming_uniform_),
        ("he_normal", nn.init.kaiming_normal_),
    ],
)
def test_weights_come_from_the_distribution_that_torch_draws_from(kind, initialise, activation):
    net = _build(Initialization(kind), activation=activation)
    options = {"generator": torch.Generator().manual_seed(0)}
    if kind.startswith("he_"):
        options |= {"nonlinearity": TORCHS_NAMES[activation], "a": 0.01}
    for coef in net.coefs:
        theirs = initialise(torch.empty(coef.shape[1:], dtype=torch.float64).T, **options)
        ours = coef.detach().numpy().ravel()
        # The same distribution: by its deviation to within the error of both, and in shape by Kolmogorov and Smirnov.
        assert ours.std() == pytest.approx(float(theirs.std()), rel=4 / np.sqrt(ours.size))
        assert stats.ks_2samp(ours, theirs.numpy().ravel()).pvalue > 1e-3
        if kind.endswith("uniform"):
            assert np.abs(ours).max() <= np.abs(theirs.numpy()).max() * (1 + 20 / ours.size)


@pytest.mark.parametrize(
    ("kind", "distribution"), [("uniform", stats.uniform(-0.2, 0.4)), ("normal", stats.norm(0, 0.2))]
)
def test_uniform_and_normal_take_their_scale_whatever_the_layer(kind, distribution):
    for coef in _build(Initialization(kind, scale=0.2)).coefs:
        values = coef.detach().numpy().ravel()
        assert stats.kstest(values, distribution.cdf).pvalue > 1e-3
        assert abs(values.mean()) < 4 * 0.2 / np.sqrt(values.size)


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_he_keeps_the_power_of_the_signal_through_twenty_layers(activation):
    def power(kind):
        net = _build(Initialization(kind), hidden_layer_sizes=(200,) * 20, activation=activation)
        X = torch.randn(50, 300, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            return float([*net.hidden(X)][-1].square().mean())

    # A layer of width 200 errs by about sqrt(5 / 200) = 16 % in power, twenty of them by 70 %.
    assert 0.25 < power("he_normal") < 4
    assert power("glorot_normal") < 1e-5  # which loses half the power in each layer: 2^-20


@pytest.mark.parametrize("kind", DRAWN)
def test_members_and_layers_are_drawn_apart_and_the_same_seed_gives_the_same(kind):
    net = _build(kind_of := Initialization(kind), n_members=2, hidden_layer_sizes=(300, 300))
    assert not torch.equal(net.coefs[0][0], net.coefs[0][1])
    assert not torch.equal(net.coefs[0][0], net.coefs[1][0])
    again = _build(kind_of, n_members=2, hidden_layer_sizes=(300, 300))
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("kind", INITIALIZATIONS)
def test_biases_are_zero_but_for_auto_whose_are_scikit_learns(kind):
    net = _build(Initialization(kind))
    if kind != "auto":
        assert all(float(intercept.detach().abs().max()) == 0 for intercept in net.intercepts)
        return
    theirs = MLPRegressor(
        hidden_layer_sizes=(200, 100), solver="sgd", learning_rate_init=1e-300, max_iter=1, alpha=0, random_state=0
    )
    theirs.partial_fit(np.random.RandomState(1).randn(5, 300), np.zeros((5, 50)))
    for coef, intercept, W, b in zip(net.coefs, net.intercepts, theirs.coefs_, theirs.intercepts_, strict=True):
        np.testing.assert_array_equal(coef[0].detach(), W)
        np.testing.assert_array_equal(intercept[0, 0].detach(), b)


@pytest.mark.parametrize("kind", INITIALIZATIONS)
def test_a_bias_is_that_of_every_hidden_unit_and_changes_nothing_else(kind):
    with_bias, without = (_build(Initialization(kind, bias=bias), n_members=2) for bias in (0.1, None))
    for intercept in [*with_bias.intercepts][:-1]:
        torch.testing.assert_close(intercept.detach(), torch.full_like(intercept, 0.1))
    assert torch.equal(with_bias.intercepts[-1], without.intercepts[-1])
    assert all(torch.equal(a, b) for a, b in zip(with_bias.coefs, without.coefs, strict=True))


def test_with_batch_normalisation_the_bias_goes_where_it_acts():
    net = _build(Initialization("he_normal", bias=0.1), batch_norm=True, activation="identity").train()
    first = next(net.hidden(torch.randn(64, 300, dtype=torch.float64, generator=torch.Generator().manual_seed(1))))
    torch.testing.assert_close(first.mean(dim=1).detach(), torch.full((1, 200), 0.1, dtype=torch.float64))
    assert all(float(intercept.detach().abs().max()) == 0 for intercept in net.intercepts)


# --------------------------------------------------------------------------------------- zeros break no symmetry


def _trained_from_zeros(activation, bias=None, *, rate, n_steps):
    """Train by plain gradient descent on all rows."""
    init = Initialization("zeros", bias=bias)
    net = _build(init, n_features=3, hidden_layer_sizes=(5, 4), n_outputs=1, activation=activation)
    X = torch.randn(40, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    y = torch.sin(X).sum(dim=1, keepdim=True) + 1
    for _ in range(n_steps):
        gradients = torch.autograd.grad((net(X)[0] - y).square().mean(), [*net.parameters()])
        with torch.no_grad():
            for p, gradient in zip(net.parameters(), gradients, strict=True):
                p -= rate * gradient
    return net, y


def test_from_zeros_a_relu_network_learns_its_output_bias_and_nothing_else():
    net, y = _trained_from_zeros("relu", rate=0.5, n_steps=5)  # at this rate the first step reaches the mean
    assert all(float(coef.detach().abs().max()) == 0 for coef in net.coefs)
    assert all(float(intercept.detach().abs().max()) == 0 for intercept in [*net.intercepts][:-1])
    assert float(net.intercepts[-1].detach()) == pytest.approx(float(y.mean()), rel=1e-12)  # the best constant


@pytest.mark.parametrize(("activation", "bias"), [("logistic", None), ("tanh", 0.1), ("relu", 0.1)])
def test_from_zeros_the_units_of_a_layer_move_and_stay_one_unit(activation, bias):
    net, _ = _trained_from_zeros(activation, bias, rate=0.2, n_steps=25)
    for coef, intercept in zip([*net.coefs][:-1], [*net.intercepts][:-1], strict=True):
        units = torch.cat([coef[0], intercept[0]]).detach()  # a column a unit
        torch.testing.assert_close(units, units[:, :1].expand_as(units), rtol=1e-9, atol=1e-12)
        assert float(units.abs().max()) > 1e-6  # and they did move


def test_random_weights_break_the_symmetry():
    net = _build(Initialization("normal"), n_features=3, hidden_layer_sizes=(5, 4), n_outputs=1)
    assert float(net.coefs[0].detach().std(dim=2).min()) > 0.01


# -------------------------------------------------------------------------------------------------- the record


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"kind": "he_norml"}, "did you mean 'he_normal'"),
        ({"kind": None}, "kind=None is not known"),
        ({"kind": ["auto"]}, "choose one of: 'auto'"),
        ({"scale": 0}, "scale=0 of the first weights must be a number above 0"),
        ({"scale": -1.0}, "scale=-1.0"),
        ({"scale": float("nan")}, "scale=nan"),
        ({"scale": float("inf")}, "scale=inf"),
        ({"scale": 10**400}, "must be a number above 0"),
        ({"scale": True}, "scale=True"),
        ({"scale": "wide"}, "scale='wide'"),
        ({"bias": float("inf")}, "bias=inf of the first biases must be a number, or None"),
        ({"bias": "small"}, "bias='small'"),
    ],
)
def test_a_record_that_means_nothing_cannot_be_made(parameters, message):
    with pytest.raises(ParameterError, match=message):
        Initialization(**parameters)


@given(
    kind=st.sampled_from(INITIALIZATIONS),
    scale=st.one_of(st.integers(1, 10**9), st.floats(1e-300, 1e300), st.floats(0.125, 4, width=32).map(np.float32)),
    bias=st.one_of(st.none(), st.integers(-5, 5), st.floats(-1e300, 1e300)),
)
def test_a_record_is_equal_to_its_copies_and_to_what_json_gives_back(kind, scale, bias):
    init = Initialization(kind, scale=scale, bias=bias)
    for other in (copy.deepcopy(init), Initialization(**json.loads(json.dumps(dataclasses.asdict(init))))):
        assert other == init
        assert hash(other) == hash(init)
    assert eval(repr(init)) == init


@given(
    kind=st.sampled_from(INITIALIZATIONS),
    fan_in=st.integers(1, 40),
    fan_out=st.integers(1, 40),
    activation=st.sampled_from([*ACTIVATIONS]),
)
def test_every_layer_gets_finite_weights_of_its_shape(kind, fan_in, fan_out, activation):
    weights, biases = Initialization(kind).draw(np.random.RandomState(0), fan_in, fan_out, activation)
    assert (weights.shape, biases.shape) == ((fan_in, fan_out), (fan_out,))
    assert np.isfinite(weights).all()
    assert np.isfinite(biases).all()
