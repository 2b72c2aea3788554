"""Faults in real small trainings are found and named, and their healthy twins are left alone."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import planefold as pf
from planefold.networks import Initialization

HEALTHY = {
    "hidden_layer_sizes": (24, 24), "solver": "adam", "learning_rate_init": 0.005, "learning_rate": "constant",
    "batch_size": 32, "max_iter": 20, "n_iter_no_change": 99, "n_members": 1, "skip": None, "dropout": 0.0,
    "preprocess": None, "restore_best": False, "random_state": 0,
}  # fmt: skip
OWN = ("GR", "DA3", "DA502")


def rows(n=400, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.randn(n, 4)
    return X, np.sin(2 * X[:, 0]) + np.abs(X[:, 1]) + 0.1 * rng.randn(n) - 0.8


def told(**changes):
    """Codes of the warnings and errors about a training; ``X`` and ``y`` may be functions of the rows."""
    change_X, change_y = changes.pop("X", lambda X: X), changes.pop("y", lambda y: y)
    X, y = rows()
    X, y = change_X(X), change_y(y)
    kind = pf.MLPClassifier if y.dtype.kind in "iub" else pf.MLPRegressor
    model = kind(**HEALTHY | changes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X[:300], y[:300], validation_data=(X[300:], y[300:]))
    return [f.code for f in model.diagnose() if f.severity != "info" and f.code.startswith(OWN)]


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("GR403", {"init": "zeros"}),
        ("GR301", {"init": Initialization("normal", scale=1e-4), "hidden_layer_sizes": (24, 24, 24)}),
        ("GR301", {"activation": "logistic", "hidden_layer_sizes": (16,) * 8}),
        ("GR402", {"activation": "tanh", "init": Initialization("normal", scale=8.0)}),
        ("GR401", {"init": Initialization("he_normal", bias=-12.0)}),
        ("GR201", {"learning_rate_init": 0.5}),
        ("GR202", {"learning_rate_init": 5e-6}),
        ("GR203", {"solver": "sgd", "learning_rate_init": 0.03, "clip_norm": 1e-4}),
        ("GR701", {"dropout": 0.9}),
        ("GR702", {"alpha": 300.0}),
        ("DA301", {"X": lambda X: X * [1000, 1, 1, 1]}),
        ("DA301", {"X": lambda X: X + 200}),
        ("DA302", {"y": lambda y: 500 * y + 3000}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_a_fault_of_a_real_training_is_named_first(code, changes):
    assert told(**changes)[:1] == [code]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"activation": "tanh"},
        {"activation": "logistic", "learning_rate_init": 0.02},
        {"hidden_layer_sizes": (24,) * 5},
        {"solver": "sgd", "learning_rate_init": 0.05},
        {"dropout": 0.3},
        {"batch_norm": True, "X": lambda X: X * [1000, 1, 1, 1]},
        {"batch_size": 8, "learning_rate_init": 0.001},
        {"learning_rate": "cosine", "learning_rate_init": 0.01},
        {"learning_rate": "one_cycle", "learning_rate_init": 0.01},
        {"y": lambda y: (y > 0).astype(int)},
        {"y": lambda y: np.digitize(y, [-0.5, 0.5])},
        {"solver": "lbfgs"},
        {"y": lambda y: np.random.RandomState(1).permutation(y)},  # nothing to learn is no fault of the training
        {"clip_norm": 1.0},
        {"preprocess": "auto", "X": lambda X: 1000 * X + 50, "y": lambda y: 500 * y + 3000},
    ],
    ids=lambda changes: "-".join(changes) or "plain",
)
def test_a_healthy_training_is_left_alone(changes):
    assert told(**changes) == []


def test_steps_over_all_rows_that_are_too_long_raise_the_cost():
    plain = {"solver": "sgd", "momentum": 0.0, "batch_size": 300, "hidden_layer_sizes": (8,), "max_iter": 40}
    model = pf.MLPRegressor(**HEALTHY | plain | {"learning_rate_init": 1.5})
    X, y = rows()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X[:300], y[:300], validation_data=(X[300:], y[300:]))
        long = model.diagnose()
        short = model.set_params(learning_rate_init=0.05).fit(X[:300], y[:300], validation_data=(X[300:], y[300:]))
    every = [*long, *long.silenced.values()]
    assert "GR101" in [finding.code for finding in every]
    assert "GR101" not in [finding.code for finding in short.diagnose()]


def test_the_advice_applied_to_a_sick_training_heals_it():
    X, y = rows()
    model = pf.MLPRegressor(**HEALTHY | {"learning_rate_init": 5e-6})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sick = model.fit(X[:300], y[:300], validation_data=(X[300:], y[300:])).score(X[300:], y[300:])
        first = next(finding for finding in model.diagnose() if finding.code == "GR202")
        model.set_params(**first.advice[0].parameters).fit(X[:300], y[:300], validation_data=(X[300:], y[300:]))
    assert model.score(X[300:], y[300:]) > sick + 0.5
