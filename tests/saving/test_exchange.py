"""Our networks as torch modules and Keras models: the outputs are the same."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler
from torch import nn

from planefold import MLPClassifier, MLPRegressor
from planefold.core.errors import MissingExtraError, ParameterError
from planefold.core.extras import import_keras
from planefold.networks import MLPSpec
from planefold.saving import keras_model, torch_module

try:
    keras = import_keras("comparing with Keras")
except MissingExtraError:
    keras = None
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of keras
needs_keras = pytest.mark.skipif(keras is None, reason="keras is not installed: pip install 'planefold[keras]'")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)) * [1, 2, 3, 0.5] + [0, 1, -5, 2]
SUM = X[:, 0] - X[:, 1] * X[:, 3]
MIDDLE = np.median(SUM)
TASKS = {
    "one number": SUM,
    "two numbers": np.column_stack([SUM, 3 * X[:, 2] - 40]),
    "two classes": np.where(SUM > MIDDLE, "yes", "no"),
    "three classes": np.digitize(SUM, np.quantile(SUM, [1 / 3, 2 / 3])),
    "three labels": (np.column_stack([SUM, X[:, 2], X[:, 0]]) > [0, -5, 0]).astype(int),
}
ACTIVATIONS = ("identity", "logistic", "tanh", "relu", "leaky_relu")
PLAIN = {"hidden_layer_sizes": (6, 5), "max_iter": 3, "n_members": 1, "skip": None, "preprocess": None}


def fitted(task: str, **parameters):
    cls = MLPRegressor if "number" in task else MLPClassifier
    model = cls(**{**PLAIN, **parameters, "random_state": 0, "early_stopping": False})
    return model.fit(X, TASKS[task])


def expected(model, rows=X):
    """What the model predicts, of the shape (n_samples, n_outputs)."""
    if isinstance(model, MLPRegressor):
        return model.predict(rows).reshape(len(rows), -1)
    probabilities = model.predict_proba(rows)
    return probabilities[:, 1:] if model.out_activation_ == "logistic" and len(model.classes_) == 2 else probabilities


def by_torch(module, rows=X):
    with torch.no_grad():
        return module(torch.tensor(rows, dtype=next(module.parameters()).dtype)).numpy()


def by_keras(model, rows=X):
    return keras.ops.convert_to_numpy(model(rows.astype(np.float32), training=False))


def agree_in_float32(made, model, rows=X):
    wanted = expected(model, rows)
    np.testing.assert_allclose(by_keras(made, rows), wanted, rtol=1e-5, atol=2e-6 * max(1, np.abs(wanted).max()))


VARIANTS = {
    "plain": {"dropout": 0.0},
    "dropout": {"dropout": (0.2, 0.5)},
    "batch norm": {"dropout": 0.0, "batch_norm": True},
    "both": {"dropout": 0.3, "batch_norm": True},
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("task", TASKS)
def test_a_torch_module_has_the_same_outputs(task, activation, variant):
    model = fitted(task, activation=activation, **VARIANTS[variant])
    module = torch_module(model)
    np.testing.assert_allclose(by_torch(module), expected(model), rtol=1e-10, atol=1e-10)  # both in float64
    # Also in training mode nothing but dropout and the statistics of the batch is another.
    kinds = [type(part).__name__ for part in module]
    assert kinds.count("Linear") == 3
    assert kinds.count("Dropout") == (2 if "dropout" in variant or variant == "both" else 0)
    assert kinds.count("BatchNorm1d") == (2 if "batch_norm" in VARIANTS[variant] else 0)
    assert not module.training


@needs_keras
@pytest.mark.parametrize("variant", ["plain", "both"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("task", TASKS)
def test_a_keras_model_has_the_same_outputs(task, activation, variant):
    model = fitted(task, activation=activation, dtype="float32", **VARIANTS[variant])
    made = keras_model(model)
    assert isinstance(made, keras.Sequential)
    agree_in_float32(made, model)
    kinds = [type(layer).__name__ for layer in made.layers]
    assert kinds.count("Dense") == 3
    assert kinds.count("Dropout") == kinds.count("BatchNormalization") == (2 if variant == "both" else 0)


@pytest.mark.parametrize("sizes", [(), (6,), (6, 5, 4)])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("task", ["two numbers", "three classes"])
def test_members_become_one_wider_network(task, batch_norm, sizes):
    model = fitted(task, hidden_layer_sizes=sizes, n_members=3, batch_norm=batch_norm, dropout=0.1)
    module = torch_module(model)
    np.testing.assert_allclose(by_torch(module), expected(model), rtol=1e-10, atol=1e-10)
    if sizes:
        assert module[0].out_features == 3 * sizes[0]


@pytest.mark.parametrize(
    "scaler", [StandardScaler(), StandardScaler(with_mean=False), StandardScaler(with_std=False), MinMaxScaler(),
               RobustScaler(), RobustScaler(with_centering=False), MaxAbsScaler()],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("skip", [None, "linear"])
def test_a_scaler_becomes_part_of_the_weights(scaler, skip):
    model = fitted("two numbers", preprocess=scaler, skip=skip, dropout=0.0, dtype="float64")
    if skip is None:
        np.testing.assert_allclose(by_torch(torch_module(model)), expected(model), rtol=1e-9, atol=1e-9)
    elif keras is not None:
        agree_in_float32(keras_model(model), model)


@needs_keras
@pytest.mark.parametrize("sizes", [(), (6, 5)])
@pytest.mark.parametrize("task", TASKS)
def test_a_linear_path_makes_a_functional_keras_model(task, sizes):
    model = fitted(task, hidden_layer_sizes=sizes, skip="linear", n_members=2, dropout=0.2)
    made = keras_model(model)
    assert not isinstance(made, keras.Sequential)
    agree_in_float32(made, model)


@needs_keras
def test_counts_end_in_exp_in_keras_alone():
    model = MLPRegressor("poisson", **{**PLAIN, "random_state": 0, "early_stopping": False, "dropout": 0.0})
    model.fit(X / 5, np.arange(60))
    agree_in_float32(keras_model(model), model, X / 5)
    with pytest.raises(ParameterError, match="no module for the link 'exp'"):
        torch_module(model)
    outputs = by_torch(torch_module(model.net_), X / 5)
    np.testing.assert_allclose(np.exp(outputs), expected(model, X / 5), rtol=1e-9)


def test_what_a_sequence_cannot_hold_is_refused_by_name():
    with pytest.raises(ParameterError, match=r"(?s)linear path.*skip=None"):
        torch_module(fitted("one number", skip="linear"))
    prepared = fitted("one number", preprocess="auto")
    with pytest.raises(ParameterError, match=r"(?s)TableEncoder.*StandardScaler.*model\.net_") as caught:
        torch_module(prepared)
    assert "net_" in caught.value.hint
    # As it says there: the network behind the preparation, whose target is standardised.
    outputs = by_torch(torch_module(prepared.net_), prepared.encoder_.transform(X))
    np.testing.assert_allclose(outputs, prepared.decision_outputs(X), rtol=1e-4, atol=1e-5)
    with pytest.raises(ParameterError, match="MinMaxScaler"):
        torch_module(fitted("one number", preprocess=MinMaxScaler(clip=True)))


def test_the_module_and_the_model_share_nothing():
    model = fitted("one number", dropout=0.0)
    before = model.predict(X)
    module = torch_module(model)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    state = torch.random.get_rng_state()
    nn.MSELoss()(module(torch.tensor(X)), torch.tensor(SUM[:, None])).backward()
    optimizer.step()
    assert torch.equal(torch.random.get_rng_state(), state)
    np.testing.assert_array_equal(model.predict(X), before)
    assert np.abs(by_torch(module)[:, 0] - before).max() > 1e-3


def test_nothing_is_drawn_from_the_generator_of_the_process():
    model = fitted("one number", dropout=0.0, batch_norm=True)
    state = torch.random.get_rng_state()
    torch_module(model)
    assert torch.equal(torch.random.get_rng_state(), state)


# The numbers of parameters that the lecture slides count.
COUNTS = {(2, 3, 1): 13, (4, 3): 15, (8, 12, 8, 1): 221}


@needs_keras
@pytest.mark.parametrize("units", COUNTS, ids=str)
def test_kerass_own_summary_has_the_slides_numbers_of_parameters(units):
    spec = MLPSpec(n_features=units[0], hidden_layer_sizes=units[1:-1], n_outputs=units[-1])
    made = keras_model(spec.build(np.random.RandomState(0)))
    lines: list[str] = []
    made.summary(print_fn=lines.append)
    assert f"Total params: {COUNTS[units]} " in "\n".join(lines)
    assert made.count_params() == COUNTS[units] == spec.n_parameters


@needs_keras
@pytest.mark.parametrize(
    ("chosen", "backend"),
    [(None, "torch"), ("torch", "torch"), ("jax", "jax")],
)
def test_keras_computes_with_torch_where_what_it_is_set_to_is_missing(chosen, backend, tmp_path):
    program = """
import importlib.util, os, sys
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "tensorflow" else found(name, *rest)
import planefold.core.extras as extras
extras.find_spec = importlib.util.find_spec
before = os.environ.get("KERAS_BACKEND")
keras = extras.import_keras("a test")
assert os.environ.get("KERAS_BACKEND") == before
print(keras.backend.backend())
"""
    pytest.importorskip(backend)
    environment = {"PATH": "", "KERAS_HOME": str(tmp_path), "PYTHONPATH": ":".join(filter(None, sys.path))}
    if chosen:
        environment["KERAS_BACKEND"] = chosen
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == backend


def test_without_keras_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(MissingExtraError, match=r"needs the package keras.*\n.*planefold\[keras\]"):
        keras_model(fitted("one number"))
