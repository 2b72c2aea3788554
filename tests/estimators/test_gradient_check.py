"""The gradients of the estimators are those of their objectives; where one is made wrong, the check says which."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
from sklearn.metrics import log_loss

import planefold as pf
from planefold.core.errors import DataError
from planefold.engine import gradients

RNG = np.random.RandomState(0)
X = RNG.randn(60, 4)
LATENT = np.tanh(X @ RNG.randn(4, 3)) + 0.3 * RNG.randn(60, 3)
WEIGHTS = RNG.rand(60)
SMALL = {"hidden_layer_sizes": (6, 5), "n_members": 2, "random_state": 0}
PENALTY = {"alpha": 0.5, "l1_ratio": 0.3, "penalize_bias": True}

TASKS = {
    "two classes": ("MLPClassifier", {"class_weight": "balanced"}, LATENT[:, 0] > 0.3),
    "three classes": ("MLPClassifier", {}, LATENT.argmax(axis=1)),
    "several labels": ("MLPClassifier", {}, (LATENT > 0).astype(int)),
    "squared_error": ("MLPRegressor", {"loss": "squared_error"}, LATENT),
    "mean_squared_error": ("MLPRegressor", {"loss": "mean_squared_error"}, LATENT),
    "absolute_error": ("MLPRegressor", {"loss": "absolute_error"}, LATENT[:, 0]),
    "huber": ("MLPRegressor", {"loss": "huber", "huber_delta": 0.5}, LATENT[:, 0]),
    "poisson": ("MLPRegressor", {"loss": "poisson"}, np.round(np.exp(LATENT[:, 0]))),
}


def _model(task, **parameters):
    name, own, y = TASKS[task]
    return getattr(pf, name)(**{**SMALL, **own, **parameters}), y


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])
@pytest.mark.parametrize("task", TASKS)
def test_the_gradient_of_every_objective_is_right(task, batch_norm):
    model, y = _model(task, batch_norm=batch_norm, **PENALTY)
    report = model.check_gradients(X, y, WEIGHTS)
    assert report.passed, str(report)
    assert report.error <= 1e-6


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu", "leaky_relu"])
@pytest.mark.parametrize("fitted", [False, True], ids=["new", "fitted"])
def test_the_gradient_of_every_activation_is_right(activation, fitted):
    model, y = _model("squared_error", activation=activation, max_iter=2)
    if fitted:
        model.fit(X, y)
    report = model.check_gradients(X, y)
    assert report.passed, str(report)
    assert report.error <= 1e-6


@pytest.mark.parametrize("solver", ["sgd", "adamw", "lbfgs"])
@pytest.mark.parametrize("n_members", [1, 3])
def test_the_penalty_is_in_the_gradient_of_every_kind_of_solver(solver, n_members):
    model, y = _model("three classes", solver=solver, **{**PENALTY, "n_members": n_members})
    assert model.check_gradients(X, y, WEIGHTS).passed


def _wrong_where(monkeypatch, name, index, factor):
    """Make part of the gradient wrong, as a slip in the backward pass would."""
    right = gradients.value_and_gradient

    def wrong(*given):
        value, gradient, windows = right(*given)
        gradient[windows[name]][index] *= factor  # the slice is a view
        return value, gradient, windows

    monkeypatch.setattr(gradients, "value_and_gradient", wrong)


@pytest.mark.parametrize("name", ["coefs.0", "coefs.1", "coefs.2", "skip_coef", "norm_scales.0"])
def test_a_layer_that_is_5_percent_off_is_named(monkeypatch, name):
    _wrong_where(monkeypatch, name, slice(None), 1.05)
    model, y = _model("three classes", batch_norm=True)
    report = model.check_gradients(X, y)
    assert report.wrong == [name]
    assert report.error >= 2e-2


@pytest.mark.parametrize("name", ["intercepts.0", "intercepts.2"])
def test_a_wrong_sign_in_one_bias_has_the_error_1(monkeypatch, name):
    _wrong_where(monkeypatch, name, 2, -1)
    model, y = _model("squared_error")
    report = model.check_gradients(X, y, n_coordinates=None)
    assert report.wrong == [name]
    assert report.error == pytest.approx(1.0)


def test_a_forgotten_penalty_on_the_biases_is_named(monkeypatch):
    right = gradients.value_and_gradient

    def forgetful(net, rows, objective, plan):
        value, _, windows = right(net, rows, objective, plan)
        return value, right(net, rows, objective, dataclasses.replace(plan, penalize_bias=False))[1], windows

    monkeypatch.setattr(gradients, "value_and_gradient", forgetful)
    model, y = _model("squared_error", **PENALTY)
    assert model.check_gradients(X, y).wrong == ["intercepts.0", "intercepts.1", "intercepts.2"]


def test_the_parts_are_the_networks_tensors():
    model, y = _model("three classes", batch_norm=True, max_iter=2)
    report = model.fit(X, y).check_gradients(X, y)
    expected = [(name, p.numel()) for name, p in model.net_.named_parameters()]
    assert [(part.name, part.n_parameters) for part in report.parts] == expected
    assert str(report).count(" ok\n") == len(expected)


def test_the_objective_is_the_one_that_the_model_states():
    y = LATENT[:, 0] > 0.3
    model = pf.MLPClassifier((6,), alpha=0.3, n_members=1, skip=None, preprocess=None, dropout=0.5, max_iter=5)
    model.fit(X, y)
    squares = sum((coef**2).sum() for coef in model.coefs_)
    expected = log_loss(y, model.predict_proba(X), sample_weight=WEIGHTS) + 0.3 / 2 * squares / WEIGHTS.sum()
    assert model.check_gradients(X, y, WEIGHTS).value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("fitted", [False, True], ids=["new", "fitted"])
def test_the_check_leaves_the_model_as_it_was(fitted):
    model, y = _model("two classes", batch_norm=True, max_iter=2, random_state=np.random.RandomState(5))
    if fitted:
        model.fit(X, y)
    before = copy.deepcopy(vars(model))
    model.check_gradients(X, y)
    assert vars(model).keys() == before.keys()
    assert str(model.random_state.get_state()) == str(before["random_state"].get_state())
    if fitted:
        then = before["net_"].state_dict()
        assert all(bool((value == then[name]).all()) for name, value in model.net_.state_dict().items())
        assert not model.net_.training


def test_a_loaded_model_and_a_long_table_can_be_checked(tmp_path):
    model, y = _model("two classes", max_iter=1)
    table, target = np.tile(X, (5, 1)), np.tile(y, 5)
    loaded = pf.load(model.fit(table, target).save(tmp_path / "model.fold"))
    assert loaded.check_gradients(table, target).passed


def test_rows_that_cannot_be_used_are_refused_as_in_fit():
    model, y = _model("two classes")
    with pytest.raises(DataError, match="rows"):
        model.check_gradients(X, y[:10])
