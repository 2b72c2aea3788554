"""1,000 pictures of 176 x 208 into one array: `read_pictures`, and rows appended one by one.

    python benchmarks/images.py [--data FOLDER] [--pictures 1000] [--rounds 5] [--json FILE]

Lectures often start with an empty array and append each picture as a row (`np.append`, `np.vstack`), which copies
all rows before it. An empty array of NumPy holds floats, and so do all that are appended to it: this is the way
measured first. The second has the type of the pixels. Both run whole; all sides read the same files, which are in the
system's cache, and must end with equal pixels.

Next to the time on the clock stands the processor's: other programs on the machine lengthen the first far more.

Memory is measured in processes of their own, as the highest resident memory less what it was before reading: that
counts what Pillow and threads take, too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import duration, interleaved, machine, ratio_text, seconds_of, show_machine, show_table, write_json
from PIL import Image

from planefold.data.images import read_pictures

SIZE = (208, 176)
N_PICTURES = 1000
APPENDED = {
    "`np.append`, floats": lambda row, X: np.append(X, row[None], axis=0),
    "`np.vstack`, bytes": lambda row, X: np.vstack([X, row]),
}


def files_of(data: Path, n: int) -> list[str]:
    """Return n paths; where there are fewer files, the first ones come again."""
    found = sorted(map(str, (data / "mri_alzheimer_small").glob("*/*/*.jpg")))
    return [found[place % len(found)] for place in range(n)]


def append_rows(files: list[str], append: Callable[..., np.ndarray], dtype: Any) -> np.ndarray:
    X = np.empty((0, SIZE[0] * SIZE[1]), dtype)
    for file in files:
        with Image.open(file) as image:
            X = append(np.array(image).flatten(), X)
    return X


def highest_memory() -> int:
    """Highest resident memory of this process so far, in bytes (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM")).split()[1])


def memory_of(options: dict[str, Any], data: Path, n: int) -> float:
    """Peak memory of one reading, in shares of the result, from a process of its own."""
    command = [sys.executable, __file__, "--data", str(data), "--pictures", str(n), "--memory", json.dumps(options)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    return float(ended.stdout)


def measure_memory(options: dict[str, Any], data: Path, n: int) -> float:
    files = files_of(data, n)
    read_pictures(files[:50], **options)  # what is imported and set up once
    Path("/proc/self/clear_refs").write_text("5")  # the highest so far becomes what is resident now
    before = highest_memory()
    pictures = read_pictures(files, **options)
    return (highest_memory() - before) / pictures.pixels.nbytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--pictures", type=int, default=N_PICTURES)
    parser.add_argument("--rounds", type=int, default=5, help="of reading; rows are appended in the first only")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--quick", action="store_true", help="shows that the script runs; its figures mean nothing")
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if not (options.data / "mri_alzheimer_small").is_dir():
        parser.exit(1, f"error: mri_alzheimer_small is not in {options.data}\n  hint: --data FOLDER with the data\n")
    if options.memory:
        print(measure_memory(json.loads(options.memory), options.data, options.pictures))
        return
    n, rounds = (100, 2) if options.quick else (options.pictures, options.rounds)
    facts = machine()
    show_machine(facts)
    files = files_of(options.data, n)
    pixels = read_pictures(files, size=None).pixels.reshape(n, -1)

    seconds: dict[str, np.ndarray] = {}
    processor: dict[str, list[float]] = {}

    def measured(name: str, work: Callable[[], Any]) -> float:
        started = time.process_time()
        taken = seconds_of(work)
        processor.setdefault(name, []).append(time.process_time() - started)
        return taken

    for name, dtype in (("`np.append`, floats", np.float64), ("`np.vstack`, bytes", np.uint8)):
        found: list[np.ndarray] = []
        seconds[name] = np.array([measured(name, lambda: found.append(append_rows(files, APPENDED[name], dtype)))])  # noqa: B023
        assert np.array_equal(found[0], pixels), "the pixels differ"
        found.clear()
    ways: dict[str, dict[str, Any]] = {
        "`read_pictures`": {"size": None},
        "the same, one thread": {"size": None, "n_jobs": 1},
        "the same, two threads": {"size": None, "n_jobs": 2},
        "`size='auto'` (64 x 54)": {},
    }
    sides = {
        name: lambda _, name=name, ask=ask: measured(name, lambda: read_pictures(files, **ask))
        for name, ask in ways.items()
    }
    seconds |= interleaved(sides, rounds)
    used = {name: np.array(values) for name, values in processor.items()}
    ours = "`read_pictures`"
    show_table(
        f"{n:,} pictures of 208 x 176; how many times slower than `read_pictures`, by the clock and by the processor",
        ["way", "median", "slower", "processor", "slower"],
        [[name, duration(float(np.median(values))), ratio_text(values, seconds[ours]),
          duration(float(np.median(used[name]))), ratio_text(used[name], used[ours])]
         for name, values in seconds.items()],
    )  # fmt: skip

    results: dict[str, Any] = {"machine": facts, "pictures": n, "seconds": seconds, "processor": used}
    if Path("/proc/self/status").exists():
        memory = {
            json.dumps(wanted): memory_of(wanted, options.data, n)
            for wanted in ({"size": None}, {"size": None, "n_jobs": 2}, {"size": None, "color": "rgb"})
        }
        show_table("peak memory while reading, in shares of the result", ["options", "peak"],
                   [[name, f"{share:.2f}"] for name, share in memory.items()])  # fmt: skip
        results["memory"] = memory
    write_json(options.json, results)


if __name__ == "__main__":
    main()
