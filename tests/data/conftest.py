"""What several tests of planefold.data need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def shared(data_dir: Path) -> Callable[[str], Path]:
    """Find a file of real data, or skip."""

    def find(name: str) -> Path:
        path = data_dir / name
        if not path.exists():
            pytest.skip(f"needs {path}, which is not here")
        return path

    return find


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write text or bytes to a file, and return its path."""

    def write_file(content: str | bytes, name: str = "house.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file
