"""A whole training against scikit-learn's: the same random state must give the same weights and loss curve."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier, MLPRegressor

from planefold.engine import OBJECTIVES, Plan
from planefold.engine.loop import Memory, train
from planefold.networks import MLPSpec

RNG = np.random.RandomState(0)
X = RNG.randn(70, 4)
LATENT = X @ RNG.randn(4, 3) + 0.5 * np.abs(X[:, :3])
CODES = LATENT.argmax(axis=1)

# target for scikit-learn, target for the engine, objective
PROBLEMS = {
    "binary": ((LATENT[:, 0] > 0).astype(int), (LATENT[:, :1] > 0).astype(float), "binary_log_loss"),
    "multiclass": (CODES, np.eye(3)[CODES], "log_loss"),
    "multilabel": ((LATENT > 0).astype(int), (LATENT > 0).astype(float), "binary_log_loss"),
    "regression": (LATENT[:, 0], LATENT[:, :1], "squared_error"),
    "two targets": (LATENT[:, :2], LATENT[:, :2], "squared_error"),
    "poisson": (RNG.poisson(np.exp(0.3 * LATENT[:, 0])), None, "poisson"),
}
PROBLEMS["poisson"] = (PROBLEMS["poisson"][0], PROBLEMS["poisson"][0][:, None].astype(float), "poisson")
WEIGHTS = RNG.rand(70) + 0.1


def _both(engine, problem, *, weights=None, **parameters):
    theirs_y, ours_y, objective = PROBLEMS[problem]
    settings = {"hidden_layer_sizes": (6, 4), "max_iter": 12, "batch_size": 16, "learning_rate_init": 0.02} | parameters
    is_classifier = objective.endswith("log_loss")
    theirs = (MLPClassifier if is_classifier else MLPRegressor)(
        **settings, random_state=7, **({} if is_classifier else {"loss": objective})
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it did not converge: it was not asked to
        theirs.fit(X, theirs_y, sample_weight=weights)
    plan = {k: v for k, v in settings.items() if k not in ("hidden_layer_sizes", "activation")}
    spec = {"activation": settings.get("activation", "relu")}
    rows = engine.rows(X, ours_y, weights)
    net, run = engine.fit(rows, objective, seed=7, hidden=settings["hidden_layer_sizes"], spec=spec, **plan)
    return theirs, net, run


def _assert_same_weights(net, theirs, rtol=1e-7):
    for ours, coef in zip(net.coefs, theirs.coefs_, strict=True):
        np.testing.assert_allclose(ours[0].detach(), coef, rtol=rtol, atol=1e-9)
    for ours, intercept in zip(net.intercepts, theirs.intercepts_, strict=True):
        np.testing.assert_allclose(ours[0, 0].detach(), intercept, rtol=rtol, atol=1e-9)


SOLVERS = {
    "sgd": {"solver": "sgd", "momentum": 0.0},
    "momentum": {"solver": "sgd", "nesterovs_momentum": False},
    "nesterov": {"solver": "sgd"},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 1, "max_iter": 25},
    "adam": {"solver": "adam"},
}


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("problem", ["binary", "multiclass", "multilabel", "regression", "poisson"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["", "weighted"])
def test_training_gives_scikit_learns_weights_and_loss_curve(engine, problem, solver, weights):
    theirs, net, run = _both(engine, problem, weights=weights, **SOLVERS[solver])
    _assert_same_weights(net, theirs)
    np.testing.assert_allclose(run["objective"][1:], theirs.loss_curve_, rtol=1e-7)
    assert run.n_epochs == theirs.n_iter_


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_every_activation_and_penalty_trains_as_in_scikit_learn(engine, activation, solver, alpha):
    theirs, net, run = _both(engine, "multiclass", activation=activation, solver=solver, alpha=alpha)
    _assert_same_weights(net, theirs)
    np.testing.assert_allclose(run["objective"][1:], theirs.loss_curve_, rtol=1e-7)


@pytest.mark.parametrize("changes", [{"shuffle": False}, {"batch_size": 70}, {"batch_size": 1}, {"batch_size": 69}])
def test_every_way_to_cut_the_rows_trains_as_in_scikit_learn(engine, changes):
    theirs, net, run = _both(engine, "regression", **{"solver": "adam", "max_iter": 4} | changes)
    _assert_same_weights(net, theirs)
    np.testing.assert_allclose(run["objective"][1:], theirs.loss_curve_, rtol=1e-7)


@pytest.mark.parametrize("learning_rate", ["constant", "adaptive"])
def test_training_stops_in_the_epoch_in_which_scikit_learn_stops(engine, learning_rate):
    changes = {"solver": "sgd", "learning_rate": learning_rate, "tol": 0.01, "n_iter_no_change": 2, "max_iter": 300}
    theirs, net, run = _both(engine, "regression", **changes)
    assert run.n_epochs == theirs.n_iter_ < 300
    assert run.stopped_because == "no_improvement"
    _assert_same_weights(net, theirs)


@pytest.mark.parametrize("problem", ["binary", "multiclass", "multilabel", "regression", "poisson"])
@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["", "weighted"])
def test_lbfgs_goes_scikit_learns_way(engine, problem, weights):
    changes = {"solver": "lbfgs", "max_iter": 15, "activation": "tanh", "alpha": 0.1, "tol": 1e-9}
    theirs, net, run = _both(engine, problem, weights=weights, **changes)
    # Rounding grows along a path of L-BFGS, and no further than this in fifteen iterations.
    assert run.epochs[-1].objective == pytest.approx(theirs.loss_, rel=1e-7)
    _assert_same_weights(net, theirs, rtol=1e-5)
    assert run.n_epochs == theirs.n_iter_
    assert run.stopped_because == "max_iter"


def test_lbfgs_ends_where_the_gradient_vanishes(engine):
    _, net, run = _both(engine, "regression", solver="lbfgs", hidden_layer_sizes=(), alpha=1.0, tol=1e-9, max_iter=500)
    assert run.stopped_because == "converged"
    # Ridge regression in closed form, the intercept free of penalty.
    y = PROBLEMS["regression"][1]
    A, b = X - X.mean(axis=0), y - y.mean()
    coef = np.linalg.solve(A.T @ A + np.eye(4), A.T @ b)
    np.testing.assert_allclose(net.coefs[0][0].detach(), coef, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_several_targets_give_scikit_learns_weights(engine, solver):
    # Its steps follow the gradient of the sum over the targets, its curve shows the mean: ours shows what is lowered.
    theirs, net, run = _both(engine, "two targets", solver=solver, alpha=0.0, tol=0.0, n_iter_no_change=np.inf)
    _assert_same_weights(net, theirs)
    np.testing.assert_allclose(run["objective"][1:], 2 * np.array(theirs.loss_curve_), rtol=1e-7)


def test_training_in_instalments_is_partial_fit(engine):
    y, ours_y, objective = PROBLEMS["binary"]
    random_state = np.random.RandomState(7)
    theirs = MLPClassifier((5,), solver="adam", random_state=random_state, batch_size=16)
    ours_state = np.random.RandomState(7)
    net = MLPSpec(n_features=4, n_outputs=1, hidden_layer_sizes=(5,)).build(
        ours_state, dtype=engine.rows(X, ours_y).dtype
    )
    memory = Memory()
    for _ in range(4):
        theirs.partial_fit(X, y, classes=[0, 1])
        plan = Plan(batch_size=16, max_iter=1)
        train(net, engine.rows(X, ours_y), OBJECTIVES[objective], plan, random_state=ours_state, memory=memory)
        _assert_same_weights(net, theirs)
    assert memory.n_seen == theirs.t_ == 280
