"""What all plots share: an axes when none is given, colours that differ in lightness too, quiet spines."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREY, INK = "#0072B2", "#D55E00", "#767676", "#222222"  # after Okabe and Ito
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


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
    from matplotlib.ticker import FuncFormatter

    (ax.set_xscale if axis == "x" else ax.set_yscale)("log")
    found = ax.xaxis if axis == "x" else ax.yaxis

    def between(value: float, _: object) -> str:
        """Name 2 and 5, too, where one power of ten or two would stand alone."""
        low, high = sorted(found.get_view_interval())
        few = low > 0 and high / low < 100
        return written(value) if few and f"{value:e}"[0] in "25" else ""

    def power(value: float, _: object) -> str:
        """Write 0.01 as 10⁻² where smaller numbers have to be written so."""
        exponent = round(math.log10(value)) if value > 0 else 0
        small = min(found.get_view_interval()) < 1e-5
        return f"10{str(exponent).translate(_RAISED)}" if small and exponent not in (0, 1) else written(value)

    found.set_major_formatter(FuncFormatter(power))
    found.set_minor_formatter(FuncFormatter(between))


def plain_ticks(ax: Axes) -> None:
    """Write large and small numbers on linear axes in full, rather than as "1e6" in a corner."""
    from matplotlib.ticker import ScalarFormatter

    class Plain(ScalarFormatter):
        def __call__(self, value: float, pos: int | None = None) -> str:
            most = max(map(abs, self.axis.get_view_interval()))  # type: ignore[union-attr]
            return super().__call__(value, pos) if 1e-3 <= most < 1e4 else written(value, 6)

        def get_offset(self) -> str:
            return ""

    for axis in (ax.xaxis, ax.yaxis):
        if type(axis.get_major_formatter()) is ScalarFormatter:
            plain = Plain(useOffset=False)
            plain.set_scientific(False)
            axis.set_major_formatter(plain)


def written(value: float, digits: int = 3) -> str:
    """Write a number with significant digits as people do; what stands before the point is never rounded away.

    Examples
    --------
    >>> [written(value) for value in (3_200_000, -0.05, 12.3456, 2e-7, 0)]
    ['3,200,000', '−0.05', '12.3', '2·10⁻⁷', '0']
    """
    if not math.isfinite(value) or value == 0:
        return "0" if value == 0 else f"{value}".replace("-", "−")
    power = int(f"{value:.{digits - 1}e}".partition("e")[2])  # after rounding: 9.996 is 10.0
    if -5 < power < 9:
        text = f"{value:,.{max(0, digits - 1 - power)}f}"
        return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")
    factor = f"{value / 10.0**power:.{digits}g}".replace("-", "−")
    raised = str(power).translate(_RAISED)
    return f"{factor}·10{raised}" if factor not in ("1", "−1") else f"{factor[:-1]}10{raised}"
