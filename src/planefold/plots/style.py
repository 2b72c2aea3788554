"""What all plots share: an axes when none is given, colours that differ in lightness too, quiet spines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREY, INK = "#0072B2", "#D55E00", "#767676", "#222222"  # after Okabe and Ito


def axes_of(ax: Axes | None, *, size: tuple[float, float] = (6.4, 4.0)) -> Axes:
    """Return ``ax``, or the axes of a new figure that pyplot does not know of."""
    if ax is not None:
        return ax
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained").subplots()


def quiet(ax: Axes, *, x: str, y: str) -> None:
    """Name the axes, and take away lines that say nothing."""
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.spines[["top", "right"]].set_visible(False)


def plain_log(ax: Axes, axis: str) -> None:
    """Make the "x" or "y" axis logarithmic, with numbers as people write them: 1, 10, 1,000."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    (ax.set_xscale if axis == "x" else ax.set_yscale)("log")
    found = ax.xaxis if axis == "x" else ax.yaxis
    found.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    found.set_minor_formatter(NullFormatter())
