"""Plots: records in, matplotlib axes out. Nothing touches pyplot or a setting of the whole process.

``curves(run).figure.savefig("curves.png")`` saves one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planefold.plots.learning import curves
    from planefold.plots.learning_rates import rates
    from planefold.plots.outcomes import confusion, predictions

__all__ = ["confusion", "curves", "predictions", "rates"]

_HOMES = {"curves": "learning", "predictions": "outcomes", "confusion": "outcomes", "rates": "learning_rates"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
