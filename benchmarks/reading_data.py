"""The planes that data live in: how long they take to find, and how few can stand for them.

    OMP_NUM_THREADS=1 python benchmarks/reading_data.py [--quick] [--json FILE]

First: 100,000 rows x 20 columns through networks of 64 and 64 units, one and eight of them, in CPU seconds, the best of
a few runs. Then: the share of the variance of the network's outputs, and of its labels, that K merged planes keep, on
three data sets, measured on the rows that were read; and how like the network's own coefficients the planes' are.
"""

from __future__ import annotations

import argparse
import itertools
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import duration, machine, show_machine, show_table, write_json
from sklearn.datasets import load_breast_cancer, make_moons
from sklearn.exceptions import ConvergenceWarning

import planefold as pf
from planefold.reading.tables.local_models import local_models

PLAIN: dict[str, Any] = {"n_members": 1, "skip": None, "dropout": 0.0, "early_stopping": False, "random_state": 0}
FEW = (1, 2, 5, 10, 50)


def cpu_seconds(work: Callable[[], Any], runs: int) -> float:
    """CPU time of the fastest of some runs: other programs do not slow it down."""
    found = []
    for _ in range(runs):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


def synthetic(n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Twenty columns of noise; the target bends in four of ten that matter."""
    random = np.random.RandomState(0)
    X, w = random.randn(n_rows, 20), random.randn(10)
    y = X[:, :10] @ w / 4 + np.sin(2 * X[:, 0]) * X[:, 1] + X[:, 2] * X[:, 3] + 0.3 * random.randn(n_rows)
    return X, y


def times(n_rows: int, runs: int) -> list[dict[str, Any]]:
    """What each part of a reading takes."""
    X, y = synthetic(n_rows)
    labels = (y > 0).astype(int)
    found = []
    for n_members in (1, 8):
        model = pf.MLPClassifier((64, 64), n_members=n_members, max_iter=2, encoding="linear", random_state=0)
        model.fit(X[:20_000], labels[:20_000])
        reading = local_models(model, X, labels)
        parts = {
            "read": lambda model=model: local_models(model, X, labels),
            "summary of planes": lambda reading=reading: [str(reading[i]) for i in range(10)],
            "contributions of all rows": reading.contributions,
            "merged to 10": lambda reading=reading: reading.merged(10),
            "one explanation": lambda reading=reading: reading.explain(0),
        }
        found += [
            {"members": n_members, "regions": reading.n_regions, "part": part, "cpu seconds": cpu_seconds(work, runs)}
            for part, work in parts.items()
        ]
    return found


def fidelity(n_rows: int) -> list[dict[str, Any]]:
    """How much of a network few planes keep."""
    cancer = load_breast_cancer(return_X_y=True)
    problems = {
        "breast cancer 569x30": (pf.MLPClassifier((64, 64), **PLAIN), *cancer),
        "moons 1000x2": (pf.MLPClassifier((64, 64), **PLAIN), *make_moons(1000, noise=0.15, random_state=0)),
        f"synthetic {n_rows}x20": (pf.MLPRegressor(hidden_layer_sizes=(64, 64), **PLAIN), *synthetic(n_rows)),
    }
    found = []
    for name, (model, X, y) in problems.items():
        reading = local_models(model.fit(X, y), X, y)
        for n_planes, around in itertools.product(FEW, (0.5, 0.0)):
            merged = reading.merged(n_planes, around=around)
            found.append(
                {
                    "data": name,
                    "regions": reading.n_regions,
                    "planes": n_planes,
                    "around": around,
                    "R2": merged.r2,
                    "cosine": merged.cosine,
                    "labels kept": merged.agreement,
                    "largest difference": merged.max_difference.tolist(),
                    "deviation of the outputs": reading.outputs.std(axis=0).tolist(),
                }
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few rows, to see that it runs")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    facts = machine()
    show_machine(facts)
    timed = times(2_000 if options.quick else 100_000, 1 if options.quick else 3)
    show_table(
        "CPU time",
        ["members", "regions", "part", "CPU time"],
        [[str(t["members"]), f"{t['regions']:,}", t["part"], duration(t["cpu seconds"])] for t in timed],
    )
    kept = fidelity(1_000 if options.quick else 20_000)
    show_table(
        "What few planes keep",
        [
            "data",
            "regions",
            "planes",
            "around",
            "R2",
            "cosine",
            "labels kept",
            "largest difference",
            "deviation of the output",
        ],
        [
            [
                row["data"],
                f"{row['regions']:,}",
                str(row["planes"]),
                f"{row['around']:g}",
                f"{row['R2']:.4f}",
                f"{row['cosine']:.2f}",
                "" if row["labels kept"] is None else f"{row['labels kept']:.4f}",
                f"{row['largest difference'][0]:.3g}",
                f"{row['deviation of the outputs'][0]:.3g}",
            ]
            for row in kept
        ],
    )
    write_json(options.json, {"machine": facts, "times": timed, "fidelity": kept})


if __name__ == "__main__":
    main()
