"""Imports point down only, and nothing heavy is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "sklearn", "pandas")

# The program runs in a fresh process; what it imported is told on the last line of stderr, whatever it printed.
TELL = "print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
IMPORT = "import sys, planefold"
HELP = """\
import sys
from planefold.cli.main import main

sys.argv = ["planefold", "--help"]
try:
    code = main()
except SystemExit as stop:
    code = stop.code
assert not code, code
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=120)


def test_imports_point_down_only(repository: Path) -> None:
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", lint, "--no-cache"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("program", [IMPORT, HELP], ids=["import planefold", "planefold --help"])
def test_nothing_heavy_is_imported_by(program: str) -> None:
    done = run(f"{program}\n{TELL.format(heavy=HEAVY)}")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "[]"


def test_the_help_of_the_program_is_printed() -> None:
    done = run(HELP)
    assert done.returncode == 0, done.stderr
    assert "Usage" in done.stdout


def test_heavy_imports_would_be_seen() -> None:
    done = run(f"import sys, sklearn\n{TELL.format(heavy=HEAVY)}")
    assert "sklearn" in done.stderr.splitlines()[-1]
