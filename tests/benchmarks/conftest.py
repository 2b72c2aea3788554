from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _script(repository: Path, name: str) -> ModuleType:
    """Import a script as it imports its siblings: from the folder that it lies in."""
    folder = str(repository / "benchmarks")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)


@pytest.fixture(scope="session")
def common(repository: Path) -> ModuleType:
    return _script(repository, "common")


@pytest.fixture(scope="session")
def peers(repository: Path) -> ModuleType:
    return _script(repository, "peers")


@pytest.fixture(scope="session")
def training(repository: Path) -> ModuleType:
    return _script(repository, "training")


@pytest.fixture(scope="session")
def inference(repository: Path) -> ModuleType:
    return _script(repository, "inference")


@pytest.fixture(scope="session")
def gpu(repository: Path) -> ModuleType:
    return _script(repository, "gpu")
