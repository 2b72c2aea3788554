"""What every test may use, and what keeps the tests from depending on the machine or on chance."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Before any test imports matplotlib or a library with threads of its own. Child processes inherit both.
os.environ.setdefault("MPLBACKEND", "Agg")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # the workers share the cores already

# No deadline, since a busy machine is not a bug; the same examples every time, since a test that fails for
# somebody else's change helps nobody. `--hypothesis-profile=search` looks for new ones.
settings.register_profile("planefold", deadline=None, derandomize=True, database=None)
settings.register_profile("search", deadline=None, max_examples=1000)
settings.load_profile("planefold")

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the source: where pyproject.toml lies."""
    return REPOSITORY


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of data sets that are too large for the repository; the test is skipped where it is absent."""
    named = os.environ.get("PLANEFOLD_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        what = (
            f"PLANEFOLD_DATA={named} is no folder" if named else "the data sets are not here; PLANEFOLD_DATA is unset"
        )
        pytest.skip(what)
    return folder
