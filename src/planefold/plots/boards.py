"""What a picture for a slide stands on: panels side by side, large letters, legends in free places, and a file."""

from __future__ import annotations

import io
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from planefold.core.errors import ParameterError, show
from planefold.plots.style import INK, plain_ticks, quiet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Points. A picture of 6.4 inches shown 13 cm wide is shrunk to 0.8: the smallest letters are then as high as print.
TITLE, LABEL, SMALL, TINY = 15, 13.5, 12, 10.5
LETTER = 0.56  # width of a letter, in heights of its font, on average
SINGLE, LANDSCAPE = (6.4, 4.2), (6.4, 4.8)  # inches


def panels(n_columns: int = 1, n_rows: int = 1, *, size: tuple[float, float] | None = None) -> list[Axes]:
    """Return empty axes, side by side on one new figure, row after row.

    Parameters
    ----------
    n_columns, n_rows : int
        How many.
    size : (float, float), optional
        Width and height of the whole figure in inches; by default 6.4 x 4.2 for a single one, else 4.5 x 3.9 for each:
        small enough for letters that are still read when a figure of two is 13 cm wide.

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
        size = SINGLE if n_columns * n_rows == 1 else (4.5 * n_columns, 3.9 * n_rows)
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
        If there is no such format, or ``picture`` is none.
    FileError
        If the file cannot be written. What was there before is then still there.
    """
    from planefold.core.files import atomic_write

    figure: Any = getattr(picture, "figure", None)
    if figure is None:
        raise ParameterError(f"a {type(picture).__name__} is not a picture", hint="pass one axes or figure")
    path = Path(path)
    written, known = path.suffix.lstrip(".").lower(), figure.canvas.get_supported_filetypes()
    if written not in known:
        raise ParameterError(f"{path} does not say a format of pictures", hint="end it with .png, .svg or .pdf")
    memory = io.BytesIO()
    # Told in the file, so that `planefold lesson` replaces pictures of ours, and never another file.
    told = {"Creator": "planefold"} if written in ("png", "svg", "pdf") else None
    figure.savefig(memory, format=written, dpi=dpi, facecolor="white", transparent=False, metadata=told)
    with atomic_write(path) as file:
        file.write(memory.getvalue())
    return path


def large(ax: Axes, *, x: str = "", y: str = "", title: str | None = None, pad: float = 6.0) -> Axes:
    """Name the axes in letters that are read from the last row; long names go on in the next line."""
    across, up = points_of(ax)
    quiet(ax, x=wrapped(x, across, LABEL), y=wrapped(y, up, LABEL))
    ax.xaxis.label.set_fontsize(LABEL)
    ax.yaxis.label.set_fontsize(LABEL)
    ax.tick_params(labelsize=SMALL, which="both")
    plain_ticks(ax)
    if title is not None:
        ax.set_title(wrapped(title, across, TITLE), fontsize=TITLE, color=INK, pad=pad)
    return ax


def legend(ax: Axes) -> None:
    """Name what has a label: where nothing is drawn, or else below the axes."""
    labels = ax.get_legend_handles_labels()[1]
    if not labels:
        return
    looks: dict[str, Any] = {"fontsize": SMALL, "framealpha": 0.85, "edgecolor": "#DDDDDD", "borderpad": 0.35}
    found = ax.legend(loc="best", **looks)
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]
    if not _covers(found.get_window_extent().padded(3), ax):
        return
    from matplotlib.transforms import ScaledTranslation

    across = points_of(ax)[0]
    columns = int(across // (LETTER * SMALL * (max(map(len, labels)) + 6)))
    down = (1.6 * SMALL + (1.3 * LABEL * (ax.get_xlabel().count("\n") + 1) if ax.get_xlabel() else 0)) / 72
    under = ax.transAxes + ScaledTranslation(0, -down, ax.figure.dpi_scale_trans)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=under, borderaxespad=0.2,
              ncols=max(1, min(columns, len(labels))), **looks | {"framealpha": 0, "edgecolor": "none"})  # fmt: skip


def _covers(box: Any, ax: Axes) -> bool:
    """Tell whether a box in pixels lies on a curve or a point."""
    for line in ax.lines:
        path, corners = line.get_path(), np.asarray(line.get_path().vertices)
        if not len(corners) or line.get_transform() is not ax.transData:
            continue  # lines across the whole axes may be covered
        drawn = line.get_transform().transform(corners)
        drawn = drawn[np.isfinite(drawn).all(axis=1)]
        if line.get_marker() not in ("None", "", None) and _inside(drawn, box):
            return True
        if line.get_linestyle() != "None" and len(drawn) > 1 and type(path)(drawn).intersects_bbox(box, filled=False):
            return True
    return any(
        _inside(np.asarray(ax.transData.transform(found.get_offsets())), box)
        for found in ax.collections
        if type(found).__name__ == "PathCollection"
    )


def _inside(points: Any, box: Any) -> bool:
    return bool(((points >= box.min) & (points <= box.max)).all(axis=1).any())


def points_of(ax: Axes) -> tuple[float, float]:
    """Return width and height of an axes in points, as far as known before it is drawn."""
    place, (width, height) = ax.get_position(original=True), ax.figure.get_size_inches()  # type: ignore[union-attr]
    return 72 * width * place.width, 72 * height * place.height


def wrapped(text: str, room: float, size: float) -> str:
    """Break a text where it is longer than the room for it, in points; formulas stay whole."""
    if "$" in text:
        return text
    letters = max(8, int(1.15 * room / (LETTER * size)))  # the margins hold some letters, too
    return "\n".join("\n".join(textwrap.wrap(line, letters, break_long_words=False)) for line in text.split("\n"))
