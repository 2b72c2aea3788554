"""Saving: the ``.fold`` file, which holds a trained model as data and never as code, and other libraries' models.

A ``.fold`` file is a zip of JSON files and one safetensors file, so that any tool of any language can
look inside. Reading one never runs code, checks everything, and needs neither torch nor NumPy until the
weights are asked for. :func:`torch_module` and :func:`keras_model` write a fitted model as a network of torch or
Keras with the same outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planefold.saving.fold import FORMAT_VERSION as FORMAT_VERSION
    from planefold.saving.fold import Fold as Fold
    from planefold.saving.fold import read_fold as read_fold
    from planefold.saving.fold import read_summary as read_summary
    from planefold.saving.fold import write_fold as write_fold
    from planefold.saving.keras_models import keras_model as keras_model
    from planefold.saving.strict_json import finite_json as finite_json
    from planefold.saving.torch_modules import torch_module as torch_module

_HOMES = {
    "FORMAT_VERSION": "fold",
    "Fold": "fold",
    "finite_json": "strict_json",
    "keras_model": "keras_models",
    "read_fold": "fold",
    "read_summary": "fold",
    "torch_module": "torch_modules",
    "write_fold": "fold",
}

__all__ = [
    "FORMAT_VERSION",
    "Fold",
    "finite_json",
    "keras_model",
    "read_fold",
    "read_summary",
    "torch_module",
    "write_fold",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
