"""Folders of small pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write a picture below the folder of this test: random, unless pixels or a picture are given."""

    def write(
        name: str, pixels: Any = None, *, size: tuple[int, int] = (6, 5), mode: str = "L", **options: Any
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if pixels is None:
            random = np.random.RandomState(sum(name.encode()))
            shape = size if mode == "L" else (*size, len(mode))
            pixels = random.randint(0, 256, shape).astype(np.uint8)
        image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels))
        image.save(path, **options)
        return path

    return write


@pytest.fixture
def animals(save: Save, tmp_path: Path) -> Path:
    """Three cats and two dogs, and what lies around in folders."""
    for name in ("cat/a10.png", "cat/a9.png", "cat/deep/er/b.png", "dog/1.png", "dog/2.png"):
        save(f"animals/{name}")
    for name in ("cat/Thumbs.db", "cat/notes.txt", "dog/.hidden.png", ".git/x.png", "__MACOSX/y.png"):
        path = tmp_path / "animals" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"no picture")
    return tmp_path / "animals"
