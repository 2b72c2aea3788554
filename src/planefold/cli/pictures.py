"""Pictures that commands write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from planefold.core.errors import ParameterError

PICTURES = (".png", ".svg", ".pdf")


def check_picture(path: Path | None) -> None:
    """Refuse a name whose ending is no kind of picture, before anything is drawn."""
    if path is not None and path.suffix.lower() not in PICTURES:
        raise ParameterError(
            f"{path} is no picture that can be drawn", hint=f"let the name end with {', '.join(PICTURES)}"
        )


def save_picture(draw: Callable[[], Any], path: Path) -> None:
    """Draw, and write the file in one step; ``draw`` returns axes or a figure."""
    import io

    from planefold.core.files import atomic_write

    drawn = draw()
    figure = getattr(drawn, "figure", drawn)
    picture = io.BytesIO()
    figure.savefig(picture, format=path.suffix[1:].lower(), dpi=160, bbox_inches="tight")
    with atomic_write(path, "wb") as file:
        file.write(picture.getvalue())
