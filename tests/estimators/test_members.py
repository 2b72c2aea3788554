"""Several members are one wider network: its weights, in NumPy, give what the model gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import expit, softmax

X = np.random.RandomState(0).randn(80, 4)
TARGETS = {
    "binary": X[:, 0] > 0,
    "multiclass": np.digitize(X[:, 0], [-0.5, 0.5]),
    "multilabel": (X[:, :2] > 0).astype(int),
    "regression": X[:, 0] ** 2,
    "multioutput": X[:, :3] * [1, 10, 100],
}
ACTIVATIONS = {
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "tanh": np.tanh,
    "logistic": expit,
    "identity": lambda z: z,
}


def by_hand(model: Any, Z: Any) -> Any:
    """Outputs before the link, from coefs_, intercepts_ and skip_coef_ alone."""
    a = Z
    for coef, intercept in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        a = ACTIVATIONS[model.activation](a @ coef + intercept)
    outputs = a @ model.coefs_[-1] + model.intercepts_[-1]
    return outputs if model.skip_coef_ is None else outputs + Z @ model.skip_coef_


@pytest.mark.parametrize("sizes", [(), (7,), (6, 5, 4)])
@pytest.mark.parametrize("skip", ["linear", None])
@pytest.mark.parametrize("n_members", [1, 4])
@pytest.mark.parametrize("task", TARGETS)
def test_the_weights_alone_reproduce_the_outputs(quick: Any, task: str, n_members: int, skip: Any, sizes: Any) -> None:
    name = "MLPRegressor" if task in ("regression", "multioutput") else "MLPClassifier"
    model = quick(name, hidden_layer_sizes=sizes, n_members=n_members, skip=skip).fit(X, TARGETS[task])
    outputs = by_hand(model, model.encoder_.transform(X))
    np.testing.assert_allclose(model.decision_outputs(X), outputs, rtol=1e-5, atol=1e-5)
    assert [coef.shape[0] for coef in model.coefs_[1:]] == [n_members * size for size in sizes]
    if task == "binary":
        np.testing.assert_allclose(model.predict_proba(X)[:, 1], expit(outputs[:, 0]), atol=1e-5)
    elif task == "multiclass":
        np.testing.assert_allclose(model.predict_proba(X), softmax(outputs, axis=1), atol=1e-5)
    elif task == "multilabel":
        np.testing.assert_allclose(model.predict_proba(X), expit(outputs), atol=1e-5)
    else:
        y = TARGETS[task]
        values = outputs * model._target.scale + model._target.mean
        np.testing.assert_allclose(model.predict(X), values.reshape(y.shape), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_is_its_formula(quick: Any, activation: str) -> None:
    model = quick("MLPRegressor", activation=activation, n_members=3).fit(X, TARGETS["regression"])
    np.testing.assert_allclose(model.decision_outputs(X), by_hand(model, model.encoder_.transform(X)), atol=1e-5)


def test_the_arrays_of_several_members_are_copies_and_cannot_be_written(quick: Any) -> None:
    model = quick(n_members=3).fit(X, TARGETS["binary"])
    for array in (*model.coefs_, *model.intercepts_, model.skip_coef_):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0


def test_the_arrays_of_a_single_network_are_the_network(quick: Any) -> None:
    model = quick("MLPRegressor", n_members=1).fit(X, TARGETS["regression"])
    for array in (*model.coefs_, *model.intercepts_, model.skip_coef_):
        array[:] = 0
    np.testing.assert_array_equal(model.decision_outputs(X), 0)
    np.testing.assert_allclose(model.predict(X), model._target.mean[0])


def test_members_hold_out_other_rows_and_together_learn_from_all(quick: Any) -> None:
    model = quick("MLPRegressor", n_members=4).fit(X, TARGETS["regression"])
    assert model.run_.n_members == 4
    assert model.run_.n_train == 64  # 4 of 5 folds
    assert model.run_.n_val == 16
    wide = model.coefs_[0]
    blocks = [wide[:, 8 * m : 8 * m + 8] for m in range(4)]
    assert not any(np.array_equal(blocks[0], block) for block in blocks[1:])


def test_the_mean_of_the_members_errs_less_than_they_do_on_average(quick: Any) -> None:
    y = np.sin(2 * X[:, 0]) + 0.3 * np.random.RandomState(1).randn(80)
    grid = np.random.RandomState(2).randn(400, 4)
    truth = np.sin(2 * grid[:, 0])
    together = quick("MLPRegressor", n_members=6, max_iter=60, hidden_layer_sizes=(32,)).fit(X, y)
    Z, scale, mean = together.encoder_.transform(grid), together._target.scale, together._target.mean
    errors = []
    for m in range(6):
        hidden = np.maximum(
            Z @ together.coefs_[0][:, 32 * m : 32 * m + 32] + together.intercepts_[0][32 * m : 32 * m + 32], 0
        )
        net = together.net_
        output = (
            hidden @ net.coefs[-1][m].detach().numpy()
            + net.intercepts[-1][m].detach().numpy()
            + Z @ net.skip_coef[m].detach().numpy()
        )
        errors.append(np.mean((output[:, 0] * scale + mean - truth) ** 2))
    assert np.mean((together.predict(grid) - truth) ** 2) < np.mean(errors)


def test_a_row_gets_the_same_prediction_alone_and_among_others(quick: Any) -> None:
    model = quick("MLPRegressor").fit(X, TARGETS["regression"])
    alone = np.concatenate([model.predict(X[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(alone, model.predict(X)[:20], rtol=1e-12)


def test_a_long_table_is_predicted_in_pieces(quick: Any, monkeypatch: Any) -> None:
    model = quick("MLPRegressor").fit(X, TARGETS["regression"])
    expected = model.predict(X)
    monkeypatch.setattr("planefold.networks.forward.VALUES_AT_ONCE", 8 * 8 * 7)  # seven rows of 8 members of 8 units
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-12)
