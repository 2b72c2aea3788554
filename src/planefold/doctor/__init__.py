"""The doctor: findings about a run and its data, each with its evidence and what to try."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from planefold.doctor.case import Case, Curves
from planefold.doctor.catalogue import CHECKS
from planefold.doctor.check import Check, NotApplicableError
from planefold.doctor.diagnose import Diagnosis, diagnose, diagnose_case
from planefold.doctor.finding import Action, Finding

if TYPE_CHECKING:
    from planefold.doctor.logs import read_log
    from planefold.doctor.watch import Watch

__all__ = [
    "CHECKS",
    "Action",
    "Case",
    "Check",
    "Curves",
    "Diagnosis",
    "Finding",
    "NotApplicableError",
    "Watch",
    "diagnose",
    "diagnose_case",
    "read_log",
]

# Loaded when first used: these need torch or pandas, the rest of the doctor does not.
_HOMES = {"Watch": "watch", "read_log": "logs"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
