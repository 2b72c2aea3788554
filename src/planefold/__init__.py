"""planefold: neural networks for everyday data, told when something is wrong, read exactly.

Public names are loaded when they are first used, so that ``import planefold`` is quick and does not
import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planefold import calculus, data, decks, doctor, engine, networks, plots, reading, robustness
    from planefold.core.errors import PlanefoldError
    from planefold.data import TableEncoder, load_example, read_table
    from planefold.doctor import diagnose
    from planefold.engine.schedules import Schedule
    from planefold.estimators import (
        SKLEARN_DEFAULTS,
        ImageClassifier,
        ImageRegressor,
        MLPClassifier,
        MLPRegressor,
        SoundClassifier,
        judge,
        load,
        report,
    )
    from planefold.networks import Initialization

__version__ = "0.1.0"

_HOME = {
    "MLPClassifier": "planefold.estimators",
    "MLPRegressor": "planefold.estimators",
    "ImageClassifier": "planefold.estimators",
    "ImageRegressor": "planefold.estimators",
    "SoundClassifier": "planefold.estimators",
    "SKLEARN_DEFAULTS": "planefold.estimators",
    "judge": "planefold.estimators",
    "load": "planefold.estimators",
    "report": "planefold.estimators",
    "diagnose": "planefold.doctor",
    "doctor": "planefold.doctor",
    "Initialization": "planefold.networks",
    "Schedule": "planefold.engine.schedules",
    "TableEncoder": "planefold.data",
    "read_table": "planefold.data",
    "load_example": "planefold.data",
    "PlanefoldError": "planefold.core.errors",
    "calculus": "planefold.calculus",
    "data": "planefold.data",
    "decks": "planefold.decks",
    "engine": "planefold.engine",
    "networks": "planefold.networks",
    "plots": "planefold.plots",
    "reading": "planefold.reading",
    "robustness": "planefold.robustness",
}

__all__ = [
    "SKLEARN_DEFAULTS",
    "ImageClassifier",
    "ImageRegressor",
    "Initialization",
    "MLPClassifier",
    "MLPRegressor",
    "PlanefoldError",
    "Schedule",
    "SoundClassifier",
    "TableEncoder",
    "__version__",
    "calculus",
    "data",
    "decks",
    "diagnose",
    "doctor",
    "engine",
    "judge",
    "load",
    "load_example",
    "networks",
    "plots",
    "read_table",
    "reading",
    "report",
    "robustness",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'planefold' has no attribute {name!r}")
    module = importlib.import_module(_HOME[name])
    value = module if _HOME[name] == f"planefold.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
