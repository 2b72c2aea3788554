"""Reports: records in, one offline HTML page out, in the order in which a reader asks.

How good is it, and against what? How did it learn, and what to try next? What were the data? Where does it err?
How is it made again? :func:`evaluate` answers the first with intervals, :func:`write_report` writes the page,
:func:`to_json` gives the same numbers to a program.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planefold.reports.evaluation import TASKS, Evaluation, Metric, evaluate, fit_baselines
    from planefold.reports.report import ReportData, to_json, write_report

__all__ = [
    "TASKS",
    "Evaluation",
    "Metric",
    "ReportData",
    "evaluate",
    "fit_baselines",
    "to_json",
    "write_report",
]

_HOMES = {
    **dict.fromkeys(("TASKS", "Evaluation", "Metric", "evaluate", "fit_baselines"), "evaluation"),
    **dict.fromkeys(("ReportData", "to_json", "write_report"), "report"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
