"""One table: what each parameter of the slides' estimators is called here, and what its values mean."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from planefold.core.errors import ParameterError, show, unknown_choice
from planefold.estimators.parameters import CHECKS, dropout_rates, hidden_layers

Parameters = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Library:
    """What is Keras's or torch's own about a training.

    Parameters
    ----------
    name : str
    init : str
        How the first weights are drawn.
    solvers : mapping of str to mapping
        What our parameters are for each optimiser with the library's own constants.
    """

    name: str
    init: str
    solvers: Mapping[str, Parameters]


_STEPS: dict[str, Parameters] = {
    "sgd": {"solver": "sgd", "momentum": 0.0},
    "momentum": {"solver": "momentum", "momentum": 0.9},
    "nesterov": {"solver": "nesterov", "momentum": 0.9},
}
KERAS = Library(
    name="Keras",
    init="glorot_uniform",  # with biases of 0, as keras.layers.Dense
    solvers={
        **_STEPS,
        "adagrad": {"solver": "adagrad", "epsilon": 1e-7},
        "rmsprop": {"solver": "rmsprop", "rho": 0.9, "epsilon": 1e-7},
        "adadelta": {"solver": "adadelta", "rho": 0.95, "epsilon": 1e-7},
        "adam": {"solver": "adam", "epsilon": 1e-7},
    },
)
TORCH = Library(
    name="PyTorch",
    init="auto",  # uniform weights and biases, as torch.nn.Linear, whose bound is another
    solvers={
        **_STEPS,
        "adagrad": {"solver": "adagrad", "epsilon": 1e-10},
        "rmsprop": {"solver": "rmsprop", "rho": 0.99, "epsilon": 1e-8},
        "adadelta": {"solver": "adadelta", "rho": 0.9, "epsilon": 1e-6},
        "adam": {"solver": "adam", "epsilon": 1e-8},
        "nadam": {"solver": "nadam", "epsilon": 1e-8},
    },
)

# As Keras, torch and scikit-learn spell them, in small letters and without marks between words.
ACTIVATIONS: Mapping[str, str] = MappingProxyType({
    "relu": "relu",
    "leakyrelu": "leaky_relu",
    "tanh": "tanh",
    "sigmoid": "logistic",
    "logistic": "logistic",
    "linear": "identity",
    "identity": "identity",
})  # fmt: skip
ACTIVATION_NAMES = ("relu", "leaky_relu", "tanh", "sigmoid", "linear")

# The same in every one: plain networks, trained for as many epochs as are asked for, on numbers as they are.
PLAIN: Parameters = MappingProxyType({
    "n_members": 1,
    "skip": None,
    "preprocess": None,
    "learning_rate": "constant",
    "early_stopping": False,
    "tol": 0.0,
    "n_iter_no_change": float("inf"),
    "restore_best": False,
    "penalize_bias": True,
    "dtype": "float32",
})  # fmt: skip


def _activation(name: str, value: Any, library: Library) -> Parameters:
    word = "".join(c for c in value.lower() if c not in "_- ") if isinstance(value, str) else ""
    if word not in ACTIVATIONS:
        raise unknown_choice(name, value, ACTIVATION_NAMES)
    return {"activation": ACTIVATIONS[word]}


def _solver(name: str, value: Any, library: Library) -> Parameters:
    word = value.lower() if isinstance(value, str) else ""
    if word not in library.solvers:
        raise unknown_choice(name, value, tuple(library.solvers))
    return library.solvers[word]


def _device(name: str, value: Any, library: Library) -> Parameters:
    if not isinstance(value, bool | np.bool_):
        raise ParameterError(f"{name}={show(value)} must be True or False")
    if value and not torch.cuda.is_available():
        warnings.warn(f"{name}=True, and torch finds no GPU here: the CPU is used", stacklevel=5)
    return {"device": "auto" if value else "cpu"}


def _dropout(name: str, value: Any, library: Library) -> Parameters:
    return {"dropout": value}  # how many there must be, the hidden layers say: see `translated`


def _renamed(ours: str) -> Callable[[str, Any, Library], Parameters]:
    def translate(name: str, value: Any, library: Library) -> Parameters:
        CHECKS[ours](name, value)
        return {ours: value}

    return translate


def _number(ours: str) -> Callable[[str, Any, Library], Parameters]:
    """Check a number that is ours under another form: what it becomes depends on the rows, see `training`."""

    def translate(name: str, value: Any, library: Library) -> Parameters:
        CHECKS[ours](name, value)
        return {}

    return translate


def _input_dim(name: str, value: Any, library: Library) -> Parameters:
    if value is not None and (not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1):
        raise ParameterError(f"{name}={show(value)} must be the number of columns of X, or None")
    return {}


def _classes(name: str, value: Any, library: Library) -> Parameters:
    if value is not None and (isinstance(value, str) or not hasattr(value, "__len__") or not len(value)):
        raise ParameterError(f"{name}={show(value)} must be a list of all labels, or None", hint=f"{name}=[0, 1, 2]")
    return {}


# The one table. Each entry checks a value, under its name on the slides, and says what it is here.
TRANSLATION: Mapping[str, Callable[[str, Any, Library], Parameters]] = MappingProxyType({
    "input_dim": _input_dim,  # checked in fit
    "hidden_layer_sizes": _renamed("hidden_layer_sizes"),
    "activation_function": _activation,
    "learning_rate_init": _renamed("learning_rate_init"),
    "epochs": lambda name, value, library: {"max_iter": _whole(name, value)},
    "validation_split": _number("validation_fraction"),  # the last rows, see `training`
    "use_gpu": _device,
    "class_weight": _renamed("class_weight"),
    "classes": _classes,
    "l1_lambda": _number("alpha"),  # alpha and l1_ratio, see `training`
    "l2_lambda": _number("alpha"),
    "dropout_rate": _dropout,
    "solver": _solver,
    "batch_size": lambda name, value, library: {"batch_size": _whole(name, value)},
    "random_state": _renamed("random_state"),
    "verbose": _renamed("verbose"),
})  # fmt: skip


def _whole(name: str, value: Any) -> int:
    CHECKS["max_fun"](name, value)  # a whole number of at least 1
    return int(value)


def translated(given: Parameters, library: Library) -> dict[str, Any]:
    """Turn the parameters of a slide's estimator into ours.

    Parameters
    ----------
    given : mapping
        By their names on the slides.
    library : Library
        Whose constants the optimiser has.

    Raises
    ------
    ParameterError
        For the first one that is wrong, under the name that it has on the slides.
    """
    ours: dict[str, Any] = {**PLAIN, "init": library.init}
    if "class_weight" not in given:  # a regressor; classifiers have one loss
        ours["loss"] = "mean_squared_error"
    for name, value in given.items():
        ours |= TRANSLATION[name](name, value, library)
    try:
        dropout_rates(ours["dropout"], len(hidden_layers(ours["hidden_layer_sizes"])))
    except ParameterError as error:
        what = error.what.replace("dropout=", "dropout_rate=", 1)
        raise ParameterError(what, details=error.details, hint=error.hint) from None
    return ours
