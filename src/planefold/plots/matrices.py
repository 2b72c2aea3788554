"""A table of numbers as coloured cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError
from planefold.plots.boards import SMALL, TINY, large, points_of, wrapped
from planefold.plots.palette import value_shades
from planefold.plots.style import INK, axes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def matrix(
    values: npt.ArrayLike,
    *,
    rows: list[str] | None = None,
    columns: list[str] | None = None,
    title: str | None = None,
    digits: int = 2,
    numbers: bool | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a table of numbers as coloured cells: orange below 0, blue above.

    Parameters
    ----------
    values : array-like of shape (n_rows, n_columns)
        nan is an empty cell.
    rows, columns : list of str, optional
        Their names.
    title : str, optional
    digits : int
        Digits after the point.
    numbers : bool, optional
        Whether the numbers stand in their cells; by default where they have room there.
    ax : Axes, optional
        Where to draw; without it, a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If the table has another number of axes, or nothing in it, or another number of names.
    """
    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or not table.size:
        raise DataError(f"a table of shape {table.shape} has no rows and columns to draw")
    n_rows, n_columns = table.shape
    for what, names, n in (("rows", rows, n_rows), ("columns", columns, n_columns)):
        if names is not None and len(names) != n:
            raise DataError(f"{len(names)} names were given for {n} {what}")
    written_cells = [[f"{value:,.{digits}f}" for value in row] for row in table + 0.0]
    most = max(len(text) for row in written_cells for text in row)
    names_beside = max(map(len, rows), default=0) if rows else 0
    ax = axes_of(ax, size=(min(9.6, max(3.8, max(0.62, 0.12 * most) * n_columns + 0.1 * names_beside + 0.8)),
                           min(8.0, max(2.4, 0.42 * n_rows + 1.1))))  # fmt: skip
    width, height = points_of(ax)
    if numbers is None:
        numbers = table.size <= 160 and width / n_columns > 0.6 * TINY * min(most, 8) and height / n_rows > TINY
    size = max(7.0, min(SMALL, 0.95 * width / n_columns / (0.62 * most), 0.8 * height / n_rows))
    shades, spread = value_shades(table[np.isfinite(table)])
    ax.imshow(np.ma.masked_invalid(table), cmap=shades, norm=spread, aspect="auto", interpolation="nearest")
    for (i, j), value in np.ndenumerate(table):
        if not numbers or np.isnan(value):
            continue
        red, green, blue = shades(spread(value))[:3] if np.isfinite(value) else (1, 1, 1)
        ink = INK if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else "white"
        text = written_cells[i][j] if float(written_cells[i][j].replace(",", "")) else f"{0:.{digits}f}"
        ax.text(j, i, text.replace("-", "−"), ha="center", va="center", fontsize=size, color=ink)
    room = width / n_columns
    ax.set_xticks(range(n_columns) if columns else [], [wrapped(name, 0.8 * room, SMALL) for name in columns or []])
    ax.set_yticks(range(n_rows) if rows else [], rows or [])
    ax.xaxis.tick_top()  # before the title, which then stands above the names
    large(ax, title=title)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax
