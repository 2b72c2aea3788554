"""What each parameter may be. Checked before any work starts, with a message that says what would do."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

from planefold.core.errors import ParameterError, show, unknown_choice
from planefold.data.encoder import ENCODINGS
from planefold.engine.plan import SCHEDULES, SOLVERS

ACTIVATION_NAMES = ("identity", "logistic", "tanh", "relu", "leaky_relu")
MAX_UNITS = 1_000_000  # a layer wider than this is a slip of the finger: its weights alone need gigabytes

Check = Callable[[str, Any], None]


def _number(low: float, high: float = math.inf, *, whole: bool = False, open_low: bool = False,
            open_high: bool = False, or_infinite: bool = False, what: str = "") -> Check:
    kind = "a whole number" if whole else "a number"
    least = f"above {low:g}" if open_low else f"of at least {low:g}"
    most = "" if high == math.inf else f" and {'below' if open_high else 'at most'} {high:g}"

    def check(name: str, value: Any) -> None:
        wrong = ParameterError(f"{name}={show(value)} must be {kind} {least}{most}", hint=what or None)
        if isinstance(value, bool) or not isinstance(value, Real):
            raise wrong
        if or_infinite and value == math.inf:
            return
        if (whole and not isinstance(value, Integral)) or not math.isfinite(value):
            raise wrong
        too_low = value <= low if open_low else value < low
        too_high = value >= high if open_high else value > high
        if too_low or too_high:
            raise wrong

    return check


def _choice(*choices: str) -> Check:
    def check(name: str, value: Any) -> None:
        if value not in choices:
            raise unknown_choice(name, value, choices)

    return check


def _boolean(name: str, value: Any) -> None:
    if not isinstance(value, bool | np.bool_):
        raise ParameterError(f"{name}={show(value)} must be True or False")


def _verbose(name: str, value: Any) -> None:
    if isinstance(value, bool):
        return
    _number(0, whole=True)(name, value)


def _optional(check: Check) -> Check:
    def optional(name: str, value: Any) -> None:
        if value is not None:
            check(name, value)

    return optional


def _auto_or(check: Check) -> Check:
    def auto_or(name: str, value: Any) -> None:
        if isinstance(value, str) and value == "auto":
            return
        try:
            check(name, value)
        except ParameterError as error:
            raise ParameterError(f"{error.what}, or 'auto'", hint=error.hint) from None

    return auto_or


def _layers(name: str, value: Any) -> None:
    hidden_layers(value)


def hidden_layers(value: Any) -> tuple[int, ...]:
    """Read ``hidden_layer_sizes``: one number, or one for each layer.

    >>> hidden_layers(10), hidden_layers([64, 32])
    ((10,), (64, 32))
    """
    sizes = tuple(value) if hasattr(value, "__iter__") and not isinstance(value, str) else (value,)
    for size in sizes:
        if isinstance(size, bool) or not isinstance(size, Integral):
            raise ParameterError(f"hidden_layer_sizes={show(value)} must be whole numbers, such as 100 or (64, 64)")
        if size <= 0:
            raise ParameterError(f"hidden_layer_sizes must be > 0, got {show(value)}")
        if size > MAX_UNITS:
            raise ParameterError(f"hidden_layer_sizes={show(value)}: a layer of {size:,} units is too wide",
                                 details=f"at most {MAX_UNITS:,} units a layer")
    return tuple(int(size) for size in sizes)


def dropout_rates(value: Any, n_layers: int) -> tuple[float, ...]:
    """Read ``dropout``: one rate for all hidden layers, or one for each.

    >>> dropout_rates(0.2, 2), dropout_rates((0.1, 0.5), 2)
    ((0.2, 0.2), (0.1, 0.5))
    """
    rates = tuple(value) if hasattr(value, "__iter__") and not isinstance(value, str) else (value,) * n_layers
    for rate in rates:
        _number(0, 1, open_high=True, what="the share of units that a training step leaves out")("dropout", rate)
    if len(rates) != n_layers:
        raise ParameterError(f"dropout={show(value)} has {len(rates)} rates, there are {n_layers} hidden layers")
    return tuple(float(rate) for rate in rates)


def _class_weight(name: str, value: Any) -> None:
    if isinstance(value, str):
        if value != "balanced":
            raise unknown_choice(name, value, ("balanced",))
    elif not isinstance(value, Mapping):
        raise ParameterError(f"{name}={show(value)} must be 'balanced' or a dict of class to weight")
    else:
        for label, weight in value.items():
            _number(0)(f"{name}[{show(label)}]", weight)


def _preprocess(name: str, value: Any) -> None:
    if isinstance(value, str):
        if value != "auto":
            raise unknown_choice(name, value, ("auto",))
    elif not hasattr(value, "fit") or not hasattr(value, "transform"):
        raise ParameterError(f"{name}={show(value)} must be 'auto', None, or a transformer with fit and transform")


def _anything(name: str, value: Any) -> None:
    """Take it as it is; whoever uses the value checks it."""


CHECKS: dict[str, Check] = {
    "hidden_layer_sizes": _layers,
    "activation": _choice(*ACTIVATION_NAMES),
    "solver": _choice(*SOLVERS),
    "alpha": _number(0),
    "batch_size": _auto_or(_number(1, whole=True)),
    "learning_rate": _choice(*SCHEDULES),
    "learning_rate_init": _number(0, open_low=True),
    "power_t": _number(0),
    "max_iter": _number(1, whole=True),
    "shuffle": _boolean,
    "random_state": _anything,
    "tol": _number(0),
    "verbose": _verbose,
    "warm_start": _boolean,
    "momentum": _number(0, 1),
    "nesterovs_momentum": _boolean,
    "early_stopping": _boolean,
    "validation_fraction": _number(0, 1, open_high=True),
    "beta_1": _number(0, 1, open_high=True),
    "beta_2": _number(0, 1, open_high=True),
    "epsilon": _number(0, open_low=True),
    "n_iter_no_change": _number(1, whole=True, or_infinite=True),
    "max_fun": _number(1, whole=True),
    "n_members": _number(1, 1000, whole=True),
    "skip": _optional(_choice("linear")),
    "encoding": _choice("auto", *ENCODINGS),
    "dropout": _anything,  # depends on the number of layers: see dropout_rates
    "class_weight": _optional(_class_weight),
    "preprocess": _optional(_preprocess),
    "device": _anything,  # see find_device
    "dtype": _choice("auto", "float32", "float64"),
    "restore_best": _boolean,
    "callbacks": _anything,
}


def check_parameters(parameters: Mapping[str, Any], losses: tuple[str, ...]) -> None:
    """Check every parameter of an estimator.

    Raises
    ------
    ParameterError
        For the first one that is wrong.
    """
    for name, value in parameters.items():
        if name == "loss":
            _choice(*losses)(name, value)
        else:
            CHECKS[name](name, value)
    dropout_rates(parameters["dropout"], len(hidden_layers(parameters["hidden_layer_sizes"])))
    callbacks = parameters["callbacks"] or ()
    if not hasattr(callbacks, "__iter__") or not all(callable(callback) for callback in callbacks):
        raise ParameterError(f"callbacks={show(callbacks)} must be a list of functions of an epoch")
