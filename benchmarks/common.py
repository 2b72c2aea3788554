"""What the benchmarks share: interleaved rounds, medians of ratios, tables, and the facts of the machine.

    python benchmarks/common.py

prints those facts alone.
"""

from __future__ import annotations

import gc
import importlib.metadata
import importlib.util
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = ("planefold", "numpy", "scipy", "scikit-learn", "torch", "skorch", "keras", "jax", "onnxruntime")
BUSY = 0.25  # of the cores


def installed(*modules: str) -> bool:
    """Tell whether modules can be imported, without importing them."""
    return all(importlib.util.find_spec(module) is not None for module in modules)


def seconds_of(work: Callable[[], Any]) -> float:
    """Wall-clock time of one call."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def interleaved(sides: Mapping[str, Callable[[int], float]], rounds: int) -> dict[str, np.ndarray]:
    """Let every side run once in each round, and return what each answered, one number a round.

    What a machine does besides (other programs, its clock) then meets all sides alike. Each round begins with
    another side, so that none always follows the same one.

    Parameters
    ----------
    sides : mapping of name to function (round) -> float
        Most often seconds. The caller has warmed them up.
    """
    names = list(sides)
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            gc.collect()  # nobody pays for what the side before has left
            found[name].append(sides[name](number))
    return {name: np.array(values) for name, values in found.items()}


def ratio(numbers: np.ndarray, others: np.ndarray) -> tuple[float, float, float]:
    """Median of the ratios of the single rounds, and the lowest and highest of them."""
    ratios = numbers / others
    return float(np.median(ratios)), float(ratios.min()), float(ratios.max())


def ratio_text(numbers: np.ndarray, others: np.ndarray) -> str:
    """Write a ratio as ``2.3x (2.1 to 2.5)``."""
    middle, low, high = ratio(numbers, others)
    return f"{middle:.2f}x ({low:.2f} to {high:.2f})"


def duration(seconds: float) -> str:
    """Write a time with a unit that suits it."""
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.0f} ns"


def show_table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table whose columns are also aligned on a terminal."""
    lines = [list(header), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    print(f"\n{title}\n")
    for number, line in enumerate(lines):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    sys.stdout.flush()


def machine() -> dict[str, Any]:
    """Facts without which a time means little."""
    import torch

    return {
        "command": " ".join([Path(sys.executable).name, *map(_shown, sys.argv)]),
        "cpu": _cpu_name(),
        "cores": _cores(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES if _has_version(name)},
        "torch threads": torch.get_num_threads(),
        "environment": {
            name: value for name, value in sorted(os.environ.items()) if name.endswith("_NUM_THREADS") and value
        },
        "load before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def show_machine(facts: Mapping[str, Any]) -> None:
    """Print what :func:`machine` found."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{key} {version}" for key, version in value.items()) or "nothing set"
        print(f"{name}: {value}")
    if (facts["load before"] or 0) > BUSY * facts["cores"]:
        print("note: other programs keep this machine busy; several threads that share a core wait for each other,")
        print("      and libraries that start them for small steps then look far slower than they are")


def write_json(path: Path | None, results: Mapping[str, Any]) -> None:
    """Write results where they were asked for; arrays become lists."""
    if path is not None:
        path.write_text(json.dumps(results, indent=2, default=lambda array: array.tolist()) + "\n", encoding="utf-8")


def _shown(argument: str) -> str:
    """Name a script as one types it in the root of the source."""
    path = Path(argument)
    return f"benchmarks/{path.name}" if path.suffix == ".py" and path.is_file() else argument


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def _has_version(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


if __name__ == "__main__":
    show_machine(machine())
