"""Training: the loop, its rules and schedules, and the record of what happened in it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planefold.engine.descent import Descent, descend
    from planefold.engine.loop import train
    from planefold.engine.objectives import OBJECTIVES, Objective, huber
    from planefold.engine.optimizers import OPTIMIZERS
    from planefold.engine.plan import Plan
    from planefold.engine.rate_finder import RateSweep, find_learning_rate
    from planefold.engine.run import Epoch, Run
    from planefold.engine.schedules import Schedule
    from planefold.engine.sources import Rows

# Loaded on first use: a Run is read by programs that have no need of torch.
_HOME = {
    "OBJECTIVES": "objectives",
    "OPTIMIZERS": "optimizers",
    "Descent": "descent",
    "Epoch": "run",
    "Objective": "objectives",
    "Plan": "plan",
    "RateSweep": "rate_finder",
    "Rows": "sources",
    "Run": "run",
    "Schedule": "schedules",
    "descend": "descent",
    "find_learning_rate": "rate_finder",
    "huber": "objectives",
    "train": "loop",
}

__all__ = [
    "OBJECTIVES",
    "OPTIMIZERS",
    "Descent",
    "Epoch",
    "Objective",
    "Plan",
    "RateSweep",
    "Rows",
    "Run",
    "Schedule",
    "descend",
    "find_learning_rate",
    "huber",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'planefold.engine' has no attribute {name!r}")
    return getattr(importlib.import_module(f"planefold.engine.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
