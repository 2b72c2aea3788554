"""About how many regions a window has: to plan with, and to refuse what would never end."""

from __future__ import annotations

import numpy as np

from planefold.core.errors import ParameterError, show
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.reading.slices.windows import polygon_area

LINES, POINTS = 24, 256  # on which the estimate rests


def refuse_too_many(net: PiecewiseLinearNet, corners: Floats, max_regions: int) -> None:
    """Raise an error before any work if there are clearly more regions than allowed."""
    if net.n_units**2 / 2 <= max_regions:
        return  # more than that were never seen in a network that was not made for it
    about = estimate_regions(net, corners)
    if about > 10 * max_regions:
        raise too_many(max_regions, f"there are about {float(f'{about:.1g}'):,.0f}, by the creases along a few lines")


def too_many(max_regions: int, details: str) -> ParameterError:
    """Build the error for more regions than allowed."""
    return ParameterError(
        f"the window has more than max_regions={show(max_regions)} activation regions",
        details=details,
        hint="take a smaller window, or allow more; count_in_window counts them tile by tile in little memory",
    )


def estimate_regions(net: PiecewiseLinearNet, corners: Floats) -> float:
    """Say about how many regions there are in a window: often within a factor of two, from a few thousand points.

    Notes
    -----
    Counts the creases along random lines. By Crofton's formula these give the length of all creases per area, and if
    the creases lay like random lines, this would give how often they cross (Santalo, "Integral Geometry and Geometric
    Probability", 1976, ch. 3). Only to plan with; it is exact for nothing.
    """
    if net.n_units == 0:
        return 1.0
    random = np.random.default_rng(0)
    low, high = corners.min(axis=0), corners.max(axis=0)
    ends = low + (high - low) * random.random((2, LINES, 2))
    steps = np.linspace(0.0, 1.0, POINTS)[None, :, None]
    points = ends[0][:, None] + steps * (ends[1] - ends[0])[:, None]
    patterns = (net.patterns(points.reshape(-1, 2)) > 0).reshape(LINES, POINTS, -1)
    n_crossed = np.count_nonzero(patterns[:, 1:] != patterns[:, :-1])
    density = np.pi / 2 * n_crossed / np.linalg.norm(ends[1] - ends[0], axis=1).sum()
    perimeter = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1).sum()
    return float(1 + density * perimeter / np.pi + polygon_area(corners) * density**2 / np.pi)
