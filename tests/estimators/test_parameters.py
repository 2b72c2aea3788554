"""Every parameter is checked before any work, and the message has its name and the value as typed."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from planefold import Initialization, MLPClassifier, MLPRegressor
from planefold.core.errors import ParameterError
from planefold.estimators.parameters import CHECKS

NO_NUMBERS = ["0.1", None, True, float("nan"), (0.1,)]
NO_WHOLE_NUMBERS = [*NO_NUMBERS, 1.5, 2.0]
NO_BOOLEANS = ["yes", None, 1, 0.0]

WRONG: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["100", None, 1.5, 0, -3, True, (10, 0), (10, "a"), (10**9,), 10**7, [[3, 4]],
                           {5: 6}, (1,) * 2000, np.nan, iter([3]), np.ones((2, 2), dtype=int), (10**6, 10**6)],
    "activation": ["rleu", "", None, 3, ("relu",), np.array(["relu", "tanh"])],
    "solver": ["Adam", "adamW", "rms", None, 1],
    "alpha": [*NO_NUMBERS, -0.1, np.inf],
    "batch_size": [0, -1, 1.5, "all", None, True, np.nan, np.inf],
    "learning_rate": ["cosin", 0.1, None],
    "learning_rate_init": [*NO_NUMBERS, 0, -0.01, np.inf, np.float64("nan"), 1j],
    "power_t": [*NO_NUMBERS, -1],
    "max_iter": [*(value for value in NO_WHOLE_NUMBERS if value is not None), 0, -1, np.inf],
    "shuffle": NO_BOOLEANS,
    "random_state": ["0", -1, 1.5, 2**32, np.random.default_rng(0), True],
    "tol": [*NO_NUMBERS, -1e-9],
    "verbose": ["yes", -1, 0.5, None],
    "warm_start": NO_BOOLEANS,
    "momentum": [*NO_NUMBERS, -0.1, 1.1],
    "nesterovs_momentum": NO_BOOLEANS,
    "early_stopping": NO_BOOLEANS,
    "validation_fraction": [*NO_NUMBERS, -0.1, 1.0, 20],
    "beta_1": [*NO_NUMBERS, -0.1, 1.0],
    "beta_2": [*NO_NUMBERS, -0.1, 1.0],
    "epsilon": [*NO_NUMBERS, 0, -1e-8],
    "rho": [*NO_NUMBERS, -0.1, 1.0],
    "n_iter_no_change": [*NO_WHOLE_NUMBERS, 0, -np.inf],
    "max_fun": [*NO_WHOLE_NUMBERS, 0],
    "n_members": [*NO_WHOLE_NUMBERS, 0, -8, 10**6],
    "skip": ["linaer", True, 1],
    "encoding": ["piecewise", None, 3],
    "batch_norm": NO_BOOLEANS,
    "l1_ratio": [*NO_NUMBERS, -0.1, 1.1],
    "penalize_bias": NO_BOOLEANS,
    "clip_norm": ["1", True, 0, -1.0, np.inf, np.nan],
    "init": ["he_norml", None, 0.1, Initialization],
    "dropout": ["0.3", None, 1.0, -0.1, 2, (0.1,), (0.1, 1.0), (0.1, 0.2, 0.3), np.nan, [None, 0.1]],
    "resample": ["smotte", "Bootstrap", True, 3],
    "threshold": [0, 1.0, -0.2, True, np.nan, "f_1", [0.5], "0.5"],
    "class_weight": ["balance", 3, ["a"], {0: -1}, {0: "2"}, {0: np.nan}],
    "preprocess": ["Auto", 3, StandardScaler, True],
    "device": [None, 3, "gpu9", "cuda:99"],
    "dtype": ["float16", None, np.float32, 32],
    "restore_best": NO_BOOLEANS,
    "callbacks": [print, "print", [1], 3, (print, None), iter([print])],
}  # fmt: skip


def test_the_table_of_wrong_values_has_every_parameter() -> None:
    of_classes, of_numbers = {"class_weight", "resample", "threshold"}, {"huber_delta"}
    assert set(WRONG) | of_numbers == set(CHECKS)
    assert set(MLPClassifier().get_params()) == set(CHECKS) - of_numbers
    assert set(MLPRegressor().get_params()) == set(CHECKS) - of_classes | {"loss"}


@pytest.mark.parametrize("value", [*NO_NUMBERS, 0, -1.0, np.inf])
def test_a_wrong_delta_is_refused(value: Any) -> None:
    with pytest.raises(ParameterError, match="huber_delta"):
        MLPRegressor(loss="huber", huber_delta=value).fit([[0.0], [1.0]], [0.0, 1.0])


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_refused_before_any_work(name: str, value: Any) -> None:
    model = MLPClassifier(**{name: value})  # the constructor takes anything, so that a search may clone it
    started = time.perf_counter()
    with pytest.raises(ParameterError) as caught:
        model.fit("no such file.csv", "no such column")  # which would be the next error
    assert time.perf_counter() - started < 1
    assert name in caught.value.what
    for shown in (entry for entry in _shown(value) if len(entry) < 70):
        assert shown in caught.value.what, f"{shown} is not in: {caught.value.what}"
    assert "np." not in caught.value.what
    assert not [attribute for attribute in vars(model) if attribute.endswith("_")]


def _shown(value: Any) -> list[str]:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict):
        return [str(entry) for entry in value.values() if not isinstance(entry, str)]
    if isinstance(value, type):
        return [value.__name__]
    return [repr(value)] if isinstance(value, int | float | str | tuple | list | None) else []


@pytest.mark.parametrize(("parameters", "hint"), [
    ({"activation": "rleu"}, "did you mean 'relu'?"),
    ({"solver": "Adam"}, "did you mean 'adam'?"),
    ({"learning_rate": "cosin"}, "did you mean 'cosine'?"),
    ({"learning_rate": 0.1}, "learning_rate_init=0.1"),
    ({"class_weight": "balance"}, "did you mean 'balanced'?"),
    ({"skip": "linaer"}, "did you mean 'linear'?"),
    ({"preprocess": StandardScaler}, "preprocess=StandardScaler()"),
    ({"callbacks": print}, "callbacks=[print]"),
    ({"hidden_layer_sizes": 0}, "hidden_layer_sizes=() is a linear model"),
    ({"n_iter_no_change": -1}, "float('inf') never stops early"),
])  # fmt: skip
def test_a_near_miss_gets_the_right_word(parameters: dict[str, Any], hint: str) -> None:
    with pytest.raises(ParameterError) as caught:
        MLPClassifier(**parameters).fit(np.eye(4), [0, 1, 0, 1])
    assert caught.value.hint == hint


@pytest.mark.parametrize("loss", ["poison", None, 3, "log_loss"])
def test_a_wrong_loss_is_refused(loss: Any) -> None:
    with pytest.raises(ParameterError, match="loss="):
        MLPRegressor(loss=loss).fit(np.eye(4), np.arange(4))


@pytest.mark.parametrize("parameters", [
    {"hidden_layer_sizes": 5}, {"hidden_layer_sizes": [5, np.int64(3)]}, {"hidden_layer_sizes": np.array([4, 4])},
    {"hidden_layer_sizes": ()}, {"alpha": 0}, {"alpha": np.float32(0.1)}, {"batch_size": np.int64(5)},
    {"n_iter_no_change": float("inf")}, {"n_iter_no_change": np.inf}, {"random_state": np.random.RandomState(0)},
    {"random_state": np.int64(3)}, {"random_state": None}, {"verbose": 0}, {"verbose": np.False_},
    {"shuffle": np.True_},
    {"momentum": 1, "solver": "sgd"}, {"dropout": 0}, {"dropout": [0.1, np.float64(0.2)], "hidden_layer_sizes": (4, 4)},
    {"dropout": 0.3, "hidden_layer_sizes": ()}, {"callbacks": ()}, {"callbacks": None}, {"device": "cpu"},
    {"class_weight": {0: 1, 1: 3}}, {"class_weight": {np.int64(0): np.float64(2)}}, {"validation_fraction": 0.5},
    {"max_iter": np.int32(2)}, {"tol": 0}, {"n_members": np.int64(2)}, {"dtype": "float64"}, {"skip": None},
    {"batch_norm": np.True_}, {"init": "zeros"}, {"init": Initialization("uniform", scale=1)},
])  # fmt: skip
def test_every_honest_way_to_write_a_value_is_taken(parameters: dict[str, Any]) -> None:
    X = np.random.RandomState(0).randn(24, 2)
    y = (X[:, 0] > 0).astype(int)
    model = MLPClassifier(**{"max_iter": 2, "hidden_layer_sizes": (4,), "random_state": 0, **parameters}).fit(X, y)
    assert np.isfinite(model.predict_proba(X)).all()
    for name, value in parameters.items():
        assert model.get_params()[name] is value  # and stays as it was written


def test_a_network_too_large_for_this_table_is_refused_before_its_memory_is_taken() -> None:
    X = np.ones((20, 2000))
    X[:, 0] = np.arange(20)
    with pytest.raises(ParameterError, match=r"hidden_layer_sizes=\(1000000,\).*2,00.*parameters"):
        MLPClassifier(hidden_layer_sizes=(10**6,), n_members=1, preprocess=None).fit(X, np.arange(20) % 2)


def test_clipping_is_refused_where_it_would_do_nothing() -> None:
    with pytest.raises(ParameterError, match=r"clip_norm=1\.0 does nothing with solver='lbfgs'"):
        MLPClassifier(solver="lbfgs", clip_norm=1.0).fit([[0.0], [1.0]], [0, 1])
