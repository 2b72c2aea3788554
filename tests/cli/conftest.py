"""Run the command line in this process, and small tables to run it on."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planefold.cli.main import run

QUICK = ("--max-iter", "5", "--members", "2")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> list[str]:
        """The lines of the error: what, and below it details and a hint, if any."""
        lines = self.err.splitlines()
        starts = [i for i, line in enumerate(lines) if line.startswith("error: ")]
        assert len(starts) == 1, self.err
        told = lines[starts[0] :]
        assert len(told) <= 3, self.err
        assert all(line.startswith("  ") for line in told[1:]), self.err
        assert "Traceback" not in self.err
        return told


Call = Callable[..., Ended]


def call(*arguments: object) -> Ended:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    return Ended(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def cli() -> Call:
    """Run a command in this process: ``cli("inspect", path)``."""
    return call


@pytest.fixture(scope="session")
def quick() -> tuple[str, ...]:
    """Flags for a training that takes no time."""
    return QUICK


@pytest.fixture(scope="session")
def process(repository: Path) -> Call:
    """Run a command in a process of its own."""

    def start(*arguments: object, code: str = "", **environment: str) -> Ended:
        program = ["-c", code] if code else ["-m", "planefold.cli.main"]
        ended = subprocess.run(
            [sys.executable, *program, *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(repository / "src"), **environment},
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return start


def write_houses(path: Path, n_rows: int = 60, *, seed: int = 0) -> Path:
    """A table with numbers, categories, dates and gaps; price, sold (yes or no) and kind (three texts) follow them."""
    random = np.random.RandomState(seed)
    lines = ["area,town,built,garden,price,sold,kind"]
    for i in range(n_rows):
        area, town = random.randint(40, 200), ("Trier", "Bonn", "Köln")[random.randint(3)]
        garden = "" if i % 7 == 3 else f"{random.uniform(0, 9):.1f}"
        price = 2.5 * area + 50 * (town == "Köln") + random.normal() + 0.25
        kind = "hut" if area < 90 else "house" if area < 150 else "villa"
        day = f"20{10 + i % 10}-03-{1 + i % 28:02d}"
        lines.append(f"{area},{town},{day},{garden},{price:.2f},{'yes' if price > 280 else 'no'},{kind}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def houses(tmp_path: Path) -> Path:
    return write_houses(tmp_path / "houses.csv")


@dataclass(frozen=True)
class Trained:
    """A model that the command line trained, with its table and ten further rows."""

    data: Path
    new: Path
    model: Path
    report: Path
    ended: Ended


def _trained(folder: Path, target: str) -> Trained:
    data, new = write_houses(folder / "houses.csv"), write_houses(folder / "new.csv", 10, seed=1)
    ended = call("train", data, "--target", target, *QUICK)
    assert ended.code == 0, ended.err
    return Trained(data, new, folder / "houses.fold", folder / "houses.html", ended)


@pytest.fixture(scope="session")
def regressor(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return _trained(tmp_path_factory.mktemp("price"), "price")


@pytest.fixture(scope="session")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return _trained(tmp_path_factory.mktemp("sold"), "sold")


@pytest.fixture(scope="session")
def multiclass(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return _trained(tmp_path_factory.mktemp("kind"), "kind")


@pytest.fixture(params=["regressor", "binary", "multiclass"])
def trained(request: pytest.FixtureRequest) -> Trained:
    found: Trained = request.getfixturevalue(request.param)
    return found
