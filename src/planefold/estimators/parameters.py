"""What each parameter may be. Checked before any work starts, with a message that says what would do."""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from planefold.core.errors import ParameterError, show, unknown_choice
from planefold.data.encoder import ENCODINGS
from planefold.data.imbalance import RESAMPLERS
from planefold.engine.plan import SCHEDULES, SOLVERS
from planefold.engine.schedules import Schedule
from planefold.estimators.imbalance import MEASURES
from planefold.networks.initialization import INITIALIZATIONS, Initialization

ACTIVATION_NAMES = ("identity", "logistic", "tanh", "relu", "leaky_relu")
MAX_UNITS = 1_000_000  # a layer wider than this is a slip of the finger: its weights alone need gigabytes
MAX_LAYERS = 1000
MAX_PARAMETERS = 500_000_000  # 2 GB of float32; training needs four times that, and a file holds no more

Check = Callable[[str, Any], None]


def _is_real(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _number(
    low: float,
    high: float = math.inf,
    *,
    whole: bool = False,
    open_low: bool = False,
    open_high: bool = False,
    or_infinite: bool = False,
    hint: str | None = None,
) -> Check:
    kind = "a whole number" if whole else "a number"
    least = f"above {low:g}" if open_low else f"of at least {low:g}"
    most = "" if high == math.inf else f" and {'below' if open_high else 'at most'} {high:g}"

    def check(name: str, value: Any) -> None:
        if or_infinite and _is_real(value) and value == math.inf:
            return
        if not (_is_whole(value) if whole else _is_real(value)) or not _is_within(value):
            raise ParameterError(f"{name}={show(value)} must be {kind} {least}{most}", hint=hint)

    def _is_within(value: Any) -> bool:
        # An int may be too large for a float; it is compared as it is.
        if not whole and not (abs(value) <= np.finfo(np.float64).max):
            return False
        low_enough = value < high if open_high else value <= high
        return bool(low_enough and (value > low if open_low else value >= low))

    return check


def _choice(*choices: str) -> Check:
    def check(name: str, value: Any) -> None:
        if not isinstance(value, str) or value not in choices:
            raise unknown_choice(name, value, choices)

    return check


def _boolean(name: str, value: Any) -> None:
    if not isinstance(value, bool | np.bool_):
        raise ParameterError(f"{name}={show(value)} must be True or False")


def _verbose(name: str, value: Any) -> None:
    if not isinstance(value, bool | np.bool_):
        _number(0, whole=True)(name, value)


def _optional(check: Check) -> Check:
    def optional(name: str, value: Any) -> None:
        if value is None:
            return
        try:
            check(name, value)
        except ParameterError as error:
            raise _or(error, "None") from None

    return optional


def _auto_or(check: Check) -> Check:
    def auto_or(name: str, value: Any) -> None:
        if isinstance(value, str) and value == "auto":
            return
        try:
            check(name, value)
        except ParameterError as error:
            raise _or(error, "'auto'") from None

    return auto_or


def _or(error: ParameterError, also: str) -> ParameterError:
    if error.details:
        return ParameterError(error.what, details=f"{error.details}, or {also}", hint=error.hint)
    return ParameterError(f"{error.what}, or {also}", hint=error.hint)


def _several(value: Any) -> tuple[Any, ...] | None:
    """Return the entries of a list, tuple or vector; None for anything else (an iterator could be read only once)."""
    if isinstance(value, list | tuple) or (isinstance(value, np.ndarray) and value.ndim == 1):
        return tuple(value)
    return None


def _layers(name: str, value: Any) -> None:
    hidden_layers(value)


def hidden_layers(value: Any) -> tuple[int, ...]:
    """Read ``hidden_layer_sizes``: one number, or one for each layer.

    >>> hidden_layers(10), hidden_layers([64, 32])
    ((10,), (64, 32))
    """
    entries = _several(value)
    sizes = (value,) if entries is None else entries
    for size in sizes:
        if not _is_whole(size):
            raise ParameterError(
                f"hidden_layer_sizes={show(value)} must be whole numbers", hint="such as 100, (64, 64) or ()"
            )
        if size <= 0:  # the words "must be > 0, got" are scikit-learn's
            raise ParameterError(
                f"hidden_layer_sizes must be > 0, got {show(value)}", hint="hidden_layer_sizes=() is a linear model"
            )
        if size > MAX_UNITS:
            raise ParameterError(
                f"hidden_layer_sizes={show(value)}: a layer of {size:,} units is too wide",
                details=f"at most {MAX_UNITS:,} units a layer",
            )
    if len(sizes) > MAX_LAYERS:
        raise ParameterError(f"hidden_layer_sizes={show(value)} has {len(sizes):,} layers, at most {MAX_LAYERS:,}")
    return tuple(int(size) for size in sizes)


def dropout_rates(value: Any, n_layers: int) -> tuple[float, ...]:
    """Read ``dropout``: one rate for all hidden layers, or one for each.

    >>> dropout_rates(0.2, 2), dropout_rates((0.1, 0.5), 2)
    ((0.2, 0.2), (0.1, 0.5))
    """
    entries = _several(value)
    for rate in (value,) if entries is None else entries:
        if not _is_real(rate) or not 0 <= rate < 1:
            raise ParameterError(
                f"dropout={show(value)} must be a number of at least 0 and below 1, or one for each hidden layer",
                hint="the share of units that a training step leaves out",
            )
    rates = (value,) * n_layers if entries is None else entries
    if len(rates) != n_layers:
        raise ParameterError(f"dropout={show(value)} has {len(rates)} rates, there are {n_layers} hidden layers")
    return tuple(float(rate) for rate in rates)


def refuse_too_large(n_parameters: int, hidden_layer_sizes: Any, n_members: Any) -> None:
    """Raise ParameterError for a network that no memory holds, before any of it is taken."""
    if n_parameters > MAX_PARAMETERS:
        raise ParameterError(
            f"hidden_layer_sizes={show(hidden_layer_sizes)} with n_members={show(n_members)} makes a network of "
            f"{n_parameters:,} parameters",
            details=f"at most {MAX_PARAMETERS:,}",
            hint="take narrower layers, fewer members, or fewer columns",
        )


def _class_weight(name: str, value: Any) -> None:
    if isinstance(value, str):
        if value != "balanced":
            raise unknown_choice(name, value, ("balanced",))
    elif not isinstance(value, Mapping):
        raise ParameterError(f"{name}={show(value)} must be 'balanced' or a dict of class to weight")
    else:
        for label, weight in value.items():
            _number(0)(f"{name}[{show(label)}]", weight)


def _threshold(name: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, str):
        if value not in MEASURES:
            raise unknown_choice(name, value, list(MEASURES))
    elif not _is_real(value) or not 0 < value < 1:
        raise ParameterError(
            f"{name}={show(value)} must be a probability above 0 and below 1, or None",
            details="or a measure to tune it by: " + ", ".join(map(repr, MEASURES)),
        )


def _preprocess(name: str, value: Any) -> None:
    if isinstance(value, str):
        if value != "auto":
            raise unknown_choice(name, value, ("auto",))
    elif inspect.isclass(value):
        raise ParameterError(
            f"{name}={value.__name__} is a class, a transformer is needed", hint=f"{name}={value.__name__}()"
        )
    elif not hasattr(value, "fit") or not hasattr(value, "transform"):
        raise ParameterError(f"{name}={show(value)} must be 'auto' or a transformer with fit and transform")


def _random_state(name: str, value: Any) -> None:
    is_seed = _is_whole(value) and 0 <= value <= 2**32 - 1
    if not (value is None or is_seed or value is np.random or isinstance(value, np.random.RandomState)):
        raise ParameterError(
            f"{name}={show(value)} is no seed",
            details="a whole number from 0 to 4294967295, a numpy.random.RandomState, or None",
        )


def _device(name: str, value: Any) -> None:
    # Whether it is there is found out in fit: a model from another machine predicts without it.
    if not isinstance(value, str | torch.device):
        raise ParameterError(f"{name}={show(value)} must be 'auto', or the name of a device such as 'cpu' or 'cuda'")


def _callbacks(name: str, value: Any) -> None:
    if not isinstance(value, list | tuple) or not all(callable(callback) for callback in value):
        raise ParameterError(
            f"{name}={show(value)} must be a list of functions of an epoch",
            hint=f"{name}=[{getattr(value, '__name__', 'function')}]" if callable(value) else None,
        )


def _schedule(name: str, value: Any) -> None:
    if _is_real(value):
        raise ParameterError(
            f"{name}={show(value)} is a rate, and this is how the rate changes",
            hint=f"learning_rate_init={show(value)}",
        )
    if not isinstance(value, Schedule):
        _choice(*SCHEDULES)(name, value)


def _init(name: str, value: Any) -> None:
    if not isinstance(value, Initialization):
        _choice(*INITIALIZATIONS)(name, value)


def _checked_below(name: str, value: Any) -> None:
    """Leave it to `dropout_rates`, which knows the number of layers."""


CHECKS: dict[str, Check] = {
    "hidden_layer_sizes": _layers,
    "activation": _choice(*ACTIVATION_NAMES),
    "solver": _choice(*SOLVERS),
    "alpha": _number(0),
    "batch_size": _auto_or(_number(1, whole=True)),
    "learning_rate": _schedule,
    "learning_rate_init": _number(0, open_low=True),
    "power_t": _number(0),
    "max_iter": _optional(_number(1, whole=True)),
    "shuffle": _boolean,
    "random_state": _random_state,
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
    "rho": _number(0, 1, open_high=True),
    "n_iter_no_change": _number(1, whole=True, or_infinite=True, hint="float('inf') never stops early"),
    "max_fun": _number(1, whole=True),
    "n_members": _number(1, 1000, whole=True),
    "skip": _optional(_choice("linear")),
    "encoding": _choice("auto", *ENCODINGS),
    "dropout": _checked_below,
    "batch_norm": _boolean,
    "l1_ratio": _number(0, 1),
    "penalize_bias": _boolean,
    "clip_norm": _optional(_number(0, open_low=True)),
    "init": _init,
    "resample": _optional(_choice(*RESAMPLERS)),
    "threshold": _threshold,
    "huber_delta": _number(0, open_low=True),
    "class_weight": _optional(_class_weight),
    "preprocess": _optional(_preprocess),
    "device": _device,
    "dtype": _choice("auto", "float32", "float64"),
    "restore_best": _boolean,
    "callbacks": _optional(_callbacks),
}


def check_some(parameters: Mapping[str, Any]) -> None:
    """Check those parameters of an estimator that mean the same in all of them.

    Raises
    ------
    ParameterError
        For the first one that is wrong.
    """
    for name, value in parameters.items():
        if name in CHECKS and name not in ("loss", "dropout"):
            CHECKS[name](name, value)


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
    sizes = hidden_layers(parameters["hidden_layer_sizes"])
    dropout_rates(parameters["dropout"], len(sizes))
    # Already too many between the hidden layers alone, whatever the table is.
    n_members = int(parameters["n_members"])
    inner = sum(fan_in * fan_out for fan_in, fan_out in itertools.pairwise(sizes))
    refuse_too_large(n_members * (inner + sum(sizes)), parameters["hidden_layer_sizes"], n_members)
    if parameters.get("resample") is not None and parameters["class_weight"] == "balanced":
        raise ParameterError(
            f"resample={parameters['resample']!r} and class_weight='balanced' each make the classes even: with both, "
            "rare ones would count for more than the others",
            hint="take one of them",
        )
    if parameters["clip_norm"] is not None and parameters["solver"] == "lbfgs":
        raise ParameterError(
            f"clip_norm={show(parameters['clip_norm'])} does nothing with solver='lbfgs', whose line search sets the "
            "length of each step",
            hint="clip_norm=None, or another solver",
        )
    if parameters["encoding"] == "piecewise_linear" and parameters["preprocess"] != "auto":
        raise ParameterError(
            f"encoding='piecewise_linear' acts with preprocess='auto' only, it is {show(parameters['preprocess'])}",
            hint="preprocess=planefold.TableEncoder(encoding='piecewise_linear') has options of its own",
        )
