"""Batch normalisation in the estimators: what predicts, what is shown, what is kept in a file."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

import planefold
from planefold.core.errors import ModelFileError, ParameterError
from planefold.saving import read_fold, write_fold

X = np.random.RandomState(0).randn(80, 4)
TARGETS = {"MLPRegressor": X[:, 0] ** 2, "MLPClassifier": np.digitize(X[:, 0], [-0.5, 0.5])}
ACTIVATIONS = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh}


def fit(quick: Any, name: str = "MLPRegressor", **parameters: Any) -> Any:
    # Without early stopping, which might go back to the start, where nothing has been measured yet.
    given = {"batch_norm": True, "max_iter": 4, "hidden_layer_sizes": (6,), "early_stopping": False, **parameters}
    return quick(name, **given).fit(X, TARGETS[name])


def statistics_of(model: Any) -> list[Any]:
    return [tensor.numpy().copy() for tensor in (*model.net_.running_means, *model.net_.running_vars)]


def test_training_measures_the_statistics_and_leaves_a_network_that_predicts(quick: Any) -> None:
    model = fit(quick, n_members=3, hidden_layer_sizes=(6, 5))
    assert not model.net_.training
    for mean, var in zip(model.net_.running_means, model.net_.running_vars, strict=True):
        assert mean.shape[0] == 3
        assert float(mean.abs().min()) > 0
        assert float((var - 1).abs().min()) > 0
    before = statistics_of(model)
    alone = np.concatenate([model.predict(X[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(alone, model.predict(X)[:20], rtol=1e-9)
    model.net_.train()  # someone who plays with the module does not change what the model says
    np.testing.assert_array_equal(model.predict(X[:20]), model.predict(X)[:20])
    np.testing.assert_equal(statistics_of(model), before)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize(
    ("sizes", "n_members", "skip", "activation"),
    [
        ((7,), 1, None, "relu"),
        ((6, 5, 4), 1, "linear", "tanh"),
        ((6, 5), 3, "linear", "relu"),
        ((), 2, "linear", "relu"),
    ],
)
def test_the_weights_alone_reproduce_the_outputs(
    quick: Any, name: str, sizes: Any, n_members: int, skip: Any, activation: str
) -> None:
    model = fit(
        quick, name, hidden_layer_sizes=sizes, n_members=n_members, skip=skip, activation=activation, dtype="float64"
    )
    Z = a = model.encoder_.transform(X).astype(float)
    for coef, intercept in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        a = ACTIVATIONS[activation](a @ coef + intercept)
    outputs = a @ model.coefs_[-1] + model.intercepts_[-1]
    if skip is not None:
        outputs = outputs + Z @ model.skip_coef_
    np.testing.assert_allclose(model.decision_outputs(X), outputs, rtol=1e-9, atol=1e-9)


def test_folded_weights_are_copies_and_cannot_be_written(quick: Any) -> None:
    model = fit(quick, n_members=1)
    for array in (*model.coefs_, *model.intercepts_):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0
    assert np.abs(model.predict(X)).max() > 0


def test_the_summary_counts_it(quick: Any) -> None:
    model = fit(quick, n_members=3, hidden_layer_sizes=(6, 5), skip=None)
    assert model.n_parameters_ == 3 * (4 * 6 + 6 + 2 * 6 + 6 * 5 + 5 + 2 * 5 + 5 + 1)
    lines = model.summary().splitlines()
    assert lines[2].split() == ["batch", "norm", "1", "6", "relu", "36"]
    assert lines[-2:] == [
        "4 inputs, 279 parameters, 3 members together",
        "and 66 running statistics, which are measured and not trained",
    ]
    assert "running" not in quick(batch_norm=False).fit(X, TARGETS["MLPClassifier"]).summary()


def test_copies_of_the_model_predict_the_same(quick: Any) -> None:
    model = fit(quick)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(twin.predict(X), model.predict(X))
    assert clone(model).batch_norm is True


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_it_is_true_or_false(quick: Any, value: Any) -> None:
    with pytest.raises(ParameterError, match=f"batch_norm={value!r} must be True or False"):
        quick(batch_norm=value).fit(X, TARGETS["MLPClassifier"])


def test_going_back_to_the_best_epoch_goes_back_to_its_statistics(quick: Any) -> None:
    model = fit(quick, early_stopping=True, n_members=2, skip=None, max_iter=30, learning_rate_init=0.1)
    assert 0 < model.run_.best_epoch < 30
    losses = {epoch.epoch: epoch.val_loss for epoch in model.run_.epochs}
    until_then = fit(
        quick, early_stopping=True, n_members=2, skip=None, max_iter=30, learning_rate_init=0.1,
        callbacks=[lambda epoch: epoch.epoch == model.run_.best_epoch],
    )  # fmt: skip
    assert until_then.run_.epochs[-1].val_loss == losses[model.run_.best_epoch]
    np.testing.assert_equal(statistics_of(model), statistics_of(until_then))
    np.testing.assert_array_equal(model.predict(X), until_then.predict(X))


# ---------------------------------------------------------------------------------------------------- going on


@pytest.mark.parametrize("now", [True, False])
def test_warm_start_goes_on_with_the_network_there_is(quick: Any, now: bool) -> None:
    model = fit(quick, batch_norm=not now, warm_start=True)
    with pytest.raises(ParameterError, match=f"has batch_norm={not now}, now it is {now}"):
        model.set_params(batch_norm=now).fit(X, TARGETS["MLPRegressor"])
    model.set_params(batch_norm=not now)
    before, outputs = statistics_of(model), model.decision_outputs(X)
    again = copy.deepcopy(model).fit(X, TARGETS["MLPRegressor"])
    assert again.net_.spec.batch_norm is not now
    assert len(again.loss_curve_) > len(model.loss_curve_)
    np.testing.assert_equal(statistics_of(model), before)  # the deep copy went its own way
    np.testing.assert_array_equal(model.decision_outputs(X), outputs)


def test_partial_fit_moves_weights_and_statistics(quick: Any) -> None:
    model = quick("MLPRegressor", batch_norm=True, early_stopping=False)
    model.partial_fit(X[:40], TARGETS["MLPRegressor"][:40])
    first, outputs = statistics_of(model), model.decision_outputs(X)
    model.partial_fit(X[40:], TARGETS["MLPRegressor"][40:])
    assert not any(np.array_equal(now, then) for now, then in zip(statistics_of(model), first, strict=True))
    assert not np.array_equal(model.decision_outputs(X), outputs)
    assert np.isfinite(model.predict(X)).all()


# ------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("parameters", [{}, {"n_members": 1, "dtype": "float64"}, {"hidden_layer_sizes": ()}])
def test_a_file_keeps_everything_to_the_last_bit(quick: Any, tmp_path: Path, name: str, parameters: Any) -> None:
    model = fit(quick, name, **parameters)
    twin = planefold.load(model.save(tmp_path / "model.fold"))
    assert twin.batch_norm is True
    assert twin.net_.spec == model.net_.spec
    assert not twin.net_.training
    state, read = model.net_.state_dict(), twin.net_.state_dict()
    assert {key: tensor.numpy().tobytes() for key, tensor in state.items()} == {
        key: tensor.numpy().tobytes() for key, tensor in read.items()
    }
    assert twin.decision_outputs(X).tobytes() == model.decision_outputs(X).tobytes()
    assert twin.summary() == model.summary()
    further = twin.partial_fit(X, TARGETS[name])
    assert np.isfinite(further.decision_outputs(X)).all()


def test_a_file_that_knows_nothing_of_it_is_read(quick: Any, tmp_path: Path) -> None:
    model = fit(quick, batch_norm=False)
    fold = read_fold(model.save(tmp_path / "new.fold"))
    for part, names in (("network", ("batch_norm", "init")), ("parameters", ("batch_norm", "init"))):
        for name in names:
            del fold.manifest[part][name]
    twin = planefold.load(write_fold(tmp_path / "old.fold", fold))
    assert twin.net_.spec == model.net_.spec
    assert twin.decision_outputs(X).tobytes() == model.decision_outputs(X).tobytes()


def _turned(weights: dict[str, Any], name: str) -> dict[str, Any]:
    return {**weights, name: weights[name].reshape(weights[name].shape[::-1])}


MEDDLED = {
    "a statistic is missing": lambda w: {k: v for k, v in w.items() if k != "running_mean_0"},
    "a statistic has another name": lambda w: {k.replace("mean_0", "mean"): v for k, v in w.items()},
    "there is one too many": lambda w: {**w, "running_mean_9": w["running_mean_0"]},
    "scales of another shape": lambda w: _turned(w, "norm_scales.0"),
    "variances of another shape": lambda w: _turned(w, "running_var_0"),
    "a negative variance": lambda w: {**w, "running_var_0": w["running_var_0"] - 1e6},
    "shifts of another type": lambda w: {**w, "norm_shifts.0": w["norm_shifts.0"].astype(np.float64)},
}  # fmt: skip


@pytest.mark.parametrize("how", MEDDLED)
def test_a_file_whose_statistics_cannot_be_is_refused(quick: Any, tmp_path: Path, how: str) -> None:
    fold = read_fold(fit(quick).save(tmp_path / "honest.fold"))
    write_fold(tmp_path / "meddled.fold", dataclasses.replace(fold, weights=MEDDLED[how](fold.weights)))
    with pytest.raises(ModelFileError, match="negative variance" if how == "a negative variance" else None):
        planefold.load(tmp_path / "meddled.fold")


@pytest.mark.parametrize("batch_norm", [True, False])
def test_a_file_that_says_otherwise_than_its_weights_is_refused(quick: Any, tmp_path: Path, batch_norm: bool) -> None:
    fold = read_fold(fit(quick, batch_norm=batch_norm).save(tmp_path / "honest.fold"))
    fold.manifest["network"]["batch_norm"] = not batch_norm
    write_fold(tmp_path / "meddled.fold", fold)
    with pytest.raises(ModelFileError, match="describes a network of"):
        planefold.load(tmp_path / "meddled.fold")
