"""Plots: records in, matplotlib axes out. Nothing touches pyplot or a setting of the whole process.

``save(curves(run), "curves.png")`` writes one to a file. ``lines``, ``bars``, ``matrix``, ``points``, ``landscape`` and
``diagram`` draw plain numbers; ``panels`` sets several side by side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planefold.plots.boards import panels, save
    from planefold.plots.curves_and_bars import bars, lines
    from planefold.plots.diagrams import diagram
    from planefold.plots.galleries import feature_maps, filters, local_picture, picture_path, pictures
    from planefold.plots.geometry_1d import ice_curves, pieces_along
    from planefold.plots.geometry_2d import creases, decision_map, regions
    from planefold.plots.geometry_models import explanation, local_models
    from planefold.plots.geometry_studies import nodes_against_layers
    from planefold.plots.geometry_surfaces import surface, surface_grid
    from planefold.plots.geometry_units import unit_grid
    from planefold.plots.landscapes import landscape
    from planefold.plots.learning import curves
    from planefold.plots.learning_rates import rates
    from planefold.plots.matrices import matrix
    from planefold.plots.outcomes import confusion, predictions
    from planefold.plots.points_and_borders import points

__all__ = [
    "bars",
    "confusion",
    "creases",
    "curves",
    "decision_map",
    "diagram",
    "explanation",
    "feature_maps",
    "filters",
    "ice_curves",
    "landscape",
    "lines",
    "local_models",
    "local_picture",
    "matrix",
    "nodes_against_layers",
    "panels",
    "picture_path",
    "pictures",
    "pieces_along",
    "points",
    "predictions",
    "rates",
    "regions",
    "save",
    "surface",
    "surface_grid",
    "unit_grid",
]

_HOMES = {
    "bars": "curves_and_bars",
    "confusion": "outcomes",
    "creases": "geometry_2d",
    "curves": "learning",
    "decision_map": "geometry_2d",
    "diagram": "diagrams",
    "explanation": "geometry_models",
    "feature_maps": "galleries",
    "filters": "galleries",
    "ice_curves": "geometry_1d",
    "landscape": "landscapes",
    "lines": "curves_and_bars",
    "local_models": "geometry_models",
    "local_picture": "galleries",
    "matrix": "matrices",
    "nodes_against_layers": "geometry_studies",
    "panels": "boards",
    "picture_path": "galleries",
    "pictures": "galleries",
    "pieces_along": "geometry_1d",
    "points": "points_and_borders",
    "predictions": "outcomes",
    "rates": "learning_rates",
    "regions": "geometry_2d",
    "save": "boards",
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
