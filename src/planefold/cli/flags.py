"""The flags of `planefold train`, and the words that errors about them are told in.

The estimators speak of their parameters (``max_iter=0``), people at the command line typed ``--max-iter 0``.
"""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from planefold.core.errors import ParameterError, PlanefoldError

# Flag, as click passes it -> parameter of the estimators.
PARAMETERS = {
    "hidden": "hidden_layer_sizes",
    "activation": "activation",
    "batch_norm": "batch_norm",
    "members": "n_members",
    "loss": "loss",
    "solver": "solver",
    "learning_rate_init": "learning_rate_init",
    "learning_rate": "learning_rate",
    "batch_size": "batch_size",
    "max_iter": "max_iter",
    "alpha": "alpha",
    "l1_ratio": "l1_ratio",
    "dropout": "dropout",
    "class_weight": "class_weight",
    "resample": "resample",
    "threshold": "threshold",
    "device": "device",
    "seed": "random_state",
}
_FLAGS = {parameter: "--" + flag.replace("_", "-") for flag, parameter in PARAMETERS.items()}
_WITH_VALUE = re.compile(rf"\b({'|'.join(_FLAGS)})=(\([^)]*\)|'[^']*'|[^\s,:;]+)")
# The others are words that a column may have for its name.
_ALONE = re.compile(rf"\b({'|'.join(name for name in _FLAGS if '_' in name)})\b")
_GROUPS = re.compile(r'\bgroups=r?"([^"]*)"')
_TYPES = re.compile(r"types\[(['\"])(.*?)\1\]='(.*?)'|types=\{(['\"])(.*?)\4: '(.*?)'\}")


def in_flags(text: str) -> str:
    """Say parameters as flags.

    >>> in_flags("max_iter=0 must be a whole number of at least 1")
    '--max-iter 0 must be a whole number of at least 1'
    >>> in_flags("hidden_layer_sizes=(64, 0) with n_members=2; see device='cuda', types={'zip': 'category'}")
    '--hidden 64,0 with --members 2; see --device cuda, --type zip=category'
    >>> in_flags("batch_norm=True; leave threshold=None")
    '--batch-norm; leave out --threshold'
    >>> in_flags('split by groups=r"p(.+)_"')
    'split by --group "p(.+)_"'
    """
    text = _GROUPS.sub(lambda found: f'--group "{found[1]}"', text)
    text = _TYPES.sub(lambda found: f"--type {found[2] or found[5]}={found[3] or found[6]}", text)
    text = _WITH_VALUE.sub(lambda found: _typed(_FLAGS[found[1]], found[2]), text)
    return _ALONE.sub(lambda found: _FLAGS[found[1]], text).replace(", or None", "")  # which is to leave the flag out


def _typed(flag: str, value: str) -> str:
    if value in ("True", "False"):
        return flag if value == "True" else flag.replace("--", "--no-")
    if value == "None":
        return f"out {flag}"
    if value.startswith("("):
        return f"{flag} {value.strip('()').replace(' ', '').removesuffix(',')}"
    return f"{flag} {value.strip(chr(39)).removesuffix('.0')}"  # click has made a float of --alpha 1


def messages(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    """Return what users are warned of, once each, in flags."""
    told = [in_flags(str(warning.message)) for warning in caught if issubclass(warning.category, UserWarning)]
    return list(dict.fromkeys(told))


@contextlib.contextmanager
def errors_in_flags() -> Iterator[None]:
    """Let errors of the body speak of flags."""
    try:
        yield
    except PlanefoldError as error:
        error.what = in_flags(error.what)
        error.details = error.details and in_flags(error.details)
        error.hint = error.hint and in_flags(error.hint)
        raise


def read_parameters(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the estimator's parameters for the flags that were given."""
    if not 0 <= options["seed"] < 2**32:
        raise ParameterError(f"--seed {options['seed']} must be a whole number from 0 to {2**32 - 1}")
    given = {flag: options[flag] for flag in PARAMETERS if options[flag] is not None}
    if "hidden" in given:
        given["hidden"] = _sizes(given["hidden"])
    for flag in ("threshold", "learning_rate"):  # a number, or a word; a rate that is a number gets a hint of its own
        if flag in given:
            given[flag] = _number_or_word(given[flag])
    return {PARAMETERS[flag]: value for flag, value in given.items()}


def _number_or_word(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _sizes(text: str) -> tuple[int, ...]:
    parts = text.replace("x", ",").split(",") if text.strip() else []  # no layer at all is a linear model
    try:
        sizes = tuple(int(part) for part in parts)
    except ValueError:
        sizes = (0,)
    if min(sizes, default=1) < 1:
        raise ParameterError(f"--hidden {text} must be whole numbers above 0",
                             hint='for example --hidden 64,64; --hidden "" is a linear model')  # fmt: skip
    return sizes
