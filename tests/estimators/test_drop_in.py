"""Changing the import is enough: with SKLEARN_DEFAULTS the numbers are scikit-learn's."""

from __future__ import annotations

import inspect
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.neural_network
from scipy import sparse
from sklearn.datasets import make_classification, make_multilabel_classification, make_regression
from sklearn.exceptions import ConvergenceWarning

import planefold
from planefold import SKLEARN_DEFAULTS

THEIRS = {name: getattr(sklearn.neural_network, name) for name in ("MLPClassifier", "MLPRegressor")}
OURS = {name: getattr(planefold, name) for name in THEIRS}
NAMES = list(THEIRS)


def both(name: str, **parameters: Any) -> tuple[Any, Any]:
    parameters = {"random_state": 3, "hidden_layer_sizes": (12, 7), "max_iter": 15, **parameters}
    return OURS[name](**{**SKLEARN_DEFAULTS, **parameters}), THEIRS[name](**parameters)


def data(name: str, n_classes: int = 3) -> tuple[Any, Any]:
    if name == "MLPRegressor":
        X, y = make_regression(250, 6, random_state=0)
        return X, y / y.std()
    return make_classification(250, 6, n_informative=4, n_classes=n_classes, random_state=0)


def quietly(function: Any, *arguments: Any, **keywords: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return function(*arguments, **keywords)


def check_equal(ours: Any, theirs: Any, X: Any, rtol: float = 1e-6) -> None:
    for left, right in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(left, right, rtol=rtol, atol=rtol)
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.n_layers_ == theirs.n_layers_
    assert ours.n_outputs_ == theirs.n_outputs_
    assert ours.out_activation_ == theirs.out_activation_
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=1e-5)
    if ours.solver != "lbfgs":
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=rtol)
        assert ours.t_ == theirs.t_
        assert ours.best_loss_ == pytest.approx(theirs.best_loss_, rel=rtol)
    if hasattr(theirs, "predict_proba"):
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=rtol, atol=rtol)
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
        np.testing.assert_array_equal(ours.classes_, theirs.classes_)
    else:
        np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("name", NAMES)
def test_the_weights_are_scikit_learns(name: str, solver: str, activation: str) -> None:
    X, y = data(name)
    ours, theirs = both(name, solver=solver, activation=activation, batch_size=40, alpha=0.01)
    quietly(ours.fit, X, y)
    quietly(theirs.fit, X, y)
    check_equal(ours, theirs, X, rtol=1e-4 if solver == "lbfgs" else 1e-6)


@pytest.mark.parametrize("options", [
    {"nesterovs_momentum": False, "momentum": 0.5},
    {"learning_rate": "invscaling", "power_t": 0.3, "learning_rate_init": 0.1},
    {"learning_rate": "adaptive", "learning_rate_init": 0.5, "tol": 0.05, "n_iter_no_change": 2, "max_iter": 40},
    {"shuffle": False, "hidden_layer_sizes": 5},
    {"hidden_layer_sizes": ()},
])  # fmt: skip
@pytest.mark.parametrize("name", NAMES)
def test_every_variant_of_gradient_descent_is_scikit_learns(name: str, options: dict[str, Any]) -> None:
    X, y = data(name)
    ours, theirs = both(name, solver="sgd", **options)
    check_equal(quietly(ours.fit, X, y), quietly(theirs.fit, X, y), X)


def test_binary_classification_is_scikit_learns() -> None:
    X, y = data("MLPClassifier", n_classes=2)
    words = np.array(["no", "yes"])[y]
    ours, theirs = both("MLPClassifier")
    check_equal(quietly(ours.fit, X, words), quietly(theirs.fit, X, words), X)


def test_several_labels_a_row_are_scikit_learns() -> None:
    X, y = make_multilabel_classification(150, 5, n_classes=3, random_state=0)
    ours, theirs = both("MLPClassifier")
    check_equal(quietly(ours.fit, X, y), quietly(theirs.fit, X, y), X)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
def test_both_losses_of_the_regressor_are_scikit_learns(loss: str) -> None:
    X, y = data("MLPRegressor")
    ours, theirs = both("MLPRegressor", loss=loss)
    check_equal(quietly(ours.fit, X, np.abs(y)), quietly(theirs.fit, X, np.abs(y)), X)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_several_outputs_get_scikit_learns_weights_and_the_loss_is_summed_over_them(solver: str) -> None:
    X, y = make_regression(150, 5, n_targets=3, random_state=0)
    ours, theirs = both("MLPRegressor", alpha=0.0, solver=solver)
    quietly(ours.fit, X, y / 100)
    quietly(theirs.fit, X, y / 100)
    for left, right in zip(ours.coefs_ + ours.intercepts_, theirs.coefs_ + theirs.intercepts_, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(ours.loss_curve_, 3 * np.array(theirs.loss_curve_))


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("name", NAMES)
def test_sample_weights_are_scikit_learns(name: str, solver: str) -> None:
    X, y = data(name)
    weights = np.random.RandomState(0).uniform(0.1, 3, len(y))
    ours, theirs = both(name, solver=solver)
    ours, theirs = quietly(ours.fit, X, y, weights), quietly(theirs.fit, X, y, weights)
    check_equal(ours, theirs, X, rtol=1e-4 if solver == "lbfgs" else 1e-6)
    assert ours.score(X, y, weights) == pytest.approx(theirs.score(X, y, weights))


@pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_matrix, sparse.coo_matrix, sparse.csr_array])
@pytest.mark.parametrize("name", NAMES)
def test_sparse_matrices_are_as_dense_ones(name: str, form: Any) -> None:
    X, y = data(name)
    X[X < 0] = 0
    ours, theirs = both(name)
    check_equal(quietly(ours.fit, form(X), y), quietly(theirs.fit, X, y), X)
    np.testing.assert_allclose(ours.predict(form(X)), ours.predict(X))


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("name", NAMES)
def test_partial_fit_is_scikit_learns(name: str, solver: str) -> None:
    X, y = data(name)
    ours, theirs = both(name, solver=solver)
    first = {"classes": np.unique(y)} if name == "MLPClassifier" else {}
    for start in (0, 100, 150, 0):
        some = slice(start, start + 100)
        ours.partial_fit(X[some], y[some], **first)
        theirs.partial_fit(X[some], y[some], **first)
    check_equal(ours, theirs, X)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("name", NAMES)
def test_partial_fit_after_fit_goes_on_with_the_optimiser_of_fit_as_in_scikit_learn(name: str, solver: str) -> None:
    X, y = data(name)
    models = both(name, solver=solver)
    for model in models:
        quietly(model.fit, X, y).partial_fit(X[:100], y[:100])
    check_equal(*models, X)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("name", NAMES)
def test_warm_starts_are_scikit_learns(name: str, solver: str) -> None:
    X, y = data(name)
    models = both(name, solver=solver, warm_start=True, max_iter=6)
    for model in models:
        for _ in range(3):
            quietly(model.fit, X, y)
    check_equal(*models, X, rtol=1e-4 if solver == "lbfgs" else 1e-6)


def test_float32_stays_float32_as_in_scikit_learn() -> None:
    X, y = data("MLPRegressor")
    ours, theirs = both("MLPRegressor", max_iter=3)
    quietly(ours.fit, X.astype(np.float32), y)
    quietly(theirs.fit, X.astype(np.float32), y)
    assert {array.dtype for array in ours.coefs_} == {array.dtype for array in theirs.coefs_} == {np.dtype("float32")}
    assert ours.predict(X.astype(np.float32)).dtype == theirs.predict(X.astype(np.float32)).dtype
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-3, atol=1e-4)


def test_rows_of_the_other_float_type_are_taken_later() -> None:
    X, y = data("MLPRegressor")
    ours, _ = both("MLPRegressor", max_iter=2, warm_start=True)
    quietly(ours.fit, X, y, validation_data=(X[:50].astype(np.float32), y[:50]))
    quietly(ours.fit, X.astype(np.float32), y)
    ours.partial_fit(X.astype(np.float32), y)
    assert ours.coefs_[0].dtype == np.float64


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_of_scikit_learn_is_there_in_its_place(name: str) -> None:
    theirs, ours = (inspect.signature(cls[name]).parameters for cls in (THEIRS, OURS))
    assert set(theirs) <= set(ours)
    by_position = [p.name for p in theirs.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert by_position == [p.name for p in ours.values() if p.kind is p.POSITIONAL_OR_KEYWORD]


@pytest.mark.parametrize("name", NAMES)
def test_sklearn_defaults_are_scikit_learns_defaults(name: str) -> None:
    theirs, ours = THEIRS[name]().get_params(), OURS[name](**SKLEARN_DEFAULTS).get_params()
    assert {parameter: ours[parameter] for parameter in theirs} == theirs


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("name", NAMES)
def test_every_fitted_attribute_of_scikit_learn_is_there(name: str, solver: str, early_stopping: bool) -> None:
    X, y = data(name)
    ours, theirs = both(name, solver=solver, early_stopping=early_stopping)
    quietly(ours.fit, X, y)
    quietly(theirs.fit, X, y)
    fitted = [a for a in dir(theirs) if a.endswith("_") and not a.startswith("_")]
    assert len(fitted) > 8
    for attribute in fitted:
        assert hasattr(ours, attribute), attribute
        # None where theirs is None: nobody reads a score that was never taken.
        assert (getattr(ours, attribute) is None) == (getattr(theirs, attribute) is None), attribute


@pytest.mark.parametrize("name", NAMES)
def test_nothing_looks_fitted_before_fit(name: str) -> None:
    model = OURS[name]()
    assert not [a for a in dir(model) if a.endswith("_") and not a.startswith("_") and hasattr(model, a)]


@pytest.mark.slow
def test_scikit_learns_own_tests_of_its_networks_pass(repository: Path) -> None:
    tool = repository / "tools" / "run_sklearn_mlp_tests.py"
    done = subprocess.run([sys.executable, str(tool)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert " 0 failed" in done.stdout
