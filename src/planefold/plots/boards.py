"""What a picture for a slide stands on: panels side by side, large labels, and a file to put it into."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planefold.core.errors import ParameterError, show
from planefold.plots.style import INK, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE, LABEL, SMALL = 14, 12.5, 11  # points, on a figure 4 inches high: as large as a heading's half on a slide


def panels(n_columns: int = 1, n_rows: int = 1, *, size: tuple[float, float] | None = None) -> list[Axes]:
    """Return empty axes, side by side on one new figure, row after row.

    Parameters
    ----------
    n_columns, n_rows : int
        How many.
    size : (float, float), optional
        Width and height of the whole figure in inches; by default 5.2 x 4.2 for each, and 6.4 x 4.2 for a single one.

    Returns
    -------
    list of Axes
        To be given as ``ax`` to the other functions of this package.

    Raises
    ------
    ParameterError
        If there is nothing to return.
    """
    from matplotlib.figure import Figure

    for name, number in (("n_columns", n_columns), ("n_rows", n_rows)):
        if not (isinstance(number, int) and number > 0):
            raise ParameterError(f"{name}={show(number)} must be a whole number above 0")
    if size is None:
        size = (6.4, 4.2) if n_columns * n_rows == 1 else (5.2 * n_columns, 4.2 * n_rows)
    return list(Figure(figsize=size, layout="constrained").subplots(n_rows, n_columns, squeeze=False).flat)


def save(picture: Axes | Figure, path: str | Path, *, dpi: int = 200) -> Path:
    """Write a picture on white, sharp enough for a slide.

    Parameters
    ----------
    picture : Axes or Figure
        What a function of this package returned. Of an axes the whole figure is saved.
    path : str or Path
        Where to; the ending says the format: ``.png``, ``.svg``, ``.pdf``.
    dpi : int
        Dots per inch of a ``.png``.

    Returns
    -------
    Path

    Raises
    ------
    ParameterError
        If there is no such format.
    FileError
        If the file cannot be written. What was there before is then still there.
    """
    from planefold.core.files import atomic_write

    figure: Any = getattr(picture, "figure", None) or picture
    path = Path(path)
    written, known = path.suffix.lstrip(".").lower(), figure.canvas.get_supported_filetypes()
    if written not in known:
        raise ParameterError(f"{path} does not say a format of pictures", hint="end it with .png, .svg or .pdf")
    memory = io.BytesIO()
    figure.savefig(memory, format=written, dpi=dpi, facecolor="white")
    with atomic_write(path) as file:
        file.write(memory.getvalue())
    return path


def large(ax: Axes, *, x: str = "", y: str = "", title: str | None = None) -> Axes:
    """Name the axes in letters that are read from the last row."""
    quiet(ax, x=x, y=y)
    ax.xaxis.label.set_fontsize(LABEL)
    ax.yaxis.label.set_fontsize(LABEL)
    ax.tick_params(labelsize=SMALL)
    if title is not None:
        ax.set_title(title, fontsize=TITLE, color=INK)
    return ax
