"""Colours of the geometry: classes, units, layers, values; lightness tells them apart too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from planefold.plots.style import BLUE, GREY, INK, ORANGE

if TYPE_CHECKING:
    from matplotlib.colors import Colormap, Normalize

    from planefold.networks.affine import Floats

# After Okabe and Ito, without the yellow that white swallows; the first two as in the picture of the lone point.
CLASSES = (ORANGE, BLUE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A4E12", GREY)
MARKERS = ("^", "o", "s", "D", "v", "P", "X", "*")
UNITS = (
    BLUE, ORANGE, "#009E73", "#B0508A", "#B87900", "#2E93CC", "#7A4E12", "#5B5B5B", "#332288", "#8A8A1F", "#882255",
    "#2A9D9D",
)  # fmt: skip

# Curves on white and paths on pale blue: neighbours differ in lightness by 20 of 100, and so on a grey print, too.
CURVES = ("#00508C", "#E07B00", "#6A2C70", "#009E73", "#333333", "#3A9BD9")
PATHS = ("#D55E00", "#3B1C5A", "#B87900", "#00604A", "#CC5F9D", INK)


def tint(colour: str, share: float = 0.3) -> tuple[float, ...]:
    """Mix ``share`` of a colour with white."""
    from matplotlib.colors import to_rgb

    return tuple(1 - share * (1 - part) for part in to_rgb(colour))


def class_colour(number: int) -> str:
    """Colour of a class by its number; they come again after eight."""
    return CLASSES[number % len(CLASSES)]


def class_marker(number: int) -> str:
    """Marker of a class by its number."""
    return MARKERS[number % len(MARKERS)]


def unit_colour(number: int) -> str:
    """Colour of a unit by its number within its layer."""
    return UNITS[number % len(UNITS)]


def depth_colours(depths: Sequence[int]) -> dict[int, tuple[float, ...] | str]:
    """One colour per layer: dark for the first, brighter with depth; grey for the preparation of the columns (0)."""
    from matplotlib import colormaps

    layers = sorted({int(depth) for depth in depths} - {0})
    shades = colormaps["plasma"](np.linspace(0.03, 0.72, max(len(layers), 2)))
    found: dict[int, tuple[float, ...] | str] = {0: GREY}
    return found | {layer: tuple(map(float, shade)) for layer, shade in zip(layers, shades, strict=False)}


def value_shades(values: Floats) -> tuple[Colormap, Normalize]:
    """Return a colour map and its range: from orange over white at 0 to blue, or one hue where no sign changes."""
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    if low < 0 < high:
        most = max(-low, high)
        shades = ["#A63D00", "#E9A273", "#F8F6F3", "#7FB6DA", "#00517F"]
        return LinearSegmentedColormap.from_list("sides", shades), Normalize(-most, most)
    shades = ["#F6F7F3", "#C5E0E0", "#7DBBCB", "#3E8DB3", "#1C5F92"]
    return LinearSegmentedColormap.from_list("values", shades), Normalize(low, high if high > low else low + 1)
