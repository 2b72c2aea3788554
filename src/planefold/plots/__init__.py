"""Plots: records in, matplotlib axes out. Nothing touches pyplot or a setting of the whole process.

``curves(run).figure.savefig("curves.png")`` saves one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planefold.plots.geometry_1d import ice_curves, pieces_along
    from planefold.plots.geometry_2d import creases, decision_map, regions
    from planefold.plots.geometry_models import explanation, local_models
    from planefold.plots.geometry_studies import nodes_against_layers
    from planefold.plots.geometry_surfaces import surface, surface_grid
    from planefold.plots.geometry_units import unit_grid
    from planefold.plots.learning import curves
    from planefold.plots.learning_rates import rates
    from planefold.plots.outcomes import confusion, predictions

__all__ = [
    "confusion",
    "creases",
    "curves",
    "decision_map",
    "explanation",
    "ice_curves",
    "local_models",
    "nodes_against_layers",
    "pieces_along",
    "predictions",
    "rates",
    "regions",
    "surface",
    "surface_grid",
    "unit_grid",
]

_HOMES = {
    "confusion": "outcomes",
    "creases": "geometry_2d",
    "curves": "learning",
    "decision_map": "geometry_2d",
    "explanation": "geometry_models",
    "ice_curves": "geometry_1d",
    "local_models": "geometry_models",
    "nodes_against_layers": "geometry_studies",
    "pieces_along": "geometry_1d",
    "predictions": "outcomes",
    "rates": "learning_rates",
    "regions": "geometry_2d",
    "surface": "geometry_surfaces",
    "surface_grid": "geometry_surfaces",
    "unit_grid": "geometry_units",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
