"""Fit how sure the checks of causes (GR, DA3, DA502) and of predictions (SC) are.

    python benchmarks/doctor_faults.py --half dev --seeds 6 --json faults.json
    python benchmarks/doctor_scores.py --half dev --json scores.json
    python tools/calibrate_causes.py faults.json scores.json [--write]

A cause is true where it names the fault that was injected and the fault did harm; it is false in a healthy twin, and
where a fault did none. (What a network or a loss plainly is, such as a softmax twice, is true without harm too.) What
a harmful fault shows besides its own codes counts for neither side. Whether a check of predictions is right, fresh
rows say.

False causes are so rare that no code has enough of them alone. So one ``sigmoid(slope * ln(strength) + offset)`` is
fitted to all codes of a kind together, and each code is then drawn from there as far as its own pairs go. ``--write``
puts the numbers into the table; those of other codes stay. Strengths are read back out of the confidences, so the
files must have been measured with the table as it is.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize

from planefold.doctor.confidence import OFFSET, SLOPE

TARGET = Path(__file__).resolve().parents[1] / "src/planefold/doctor/calibration.json"
FACTS = ("GR403", "GR601", "GR602", "GR603")
OWN = ("GR", "DA301", "DA302", "DA502", "SC")
MOST = 20.0  # a strength beyond says no more
LOOSE, TIGHT = 0.3, 1.0  # ridge of all codes together towards cautious numbers, and of each code towards those of all

Numbers = tuple[float, float]


class Told(NamedTuple):
    """One finding, and whether it is right."""

    code: str
    strength: float
    is_true: bool


def of_faults(trials: Iterable[dict[str, Any]], table: dict[str, Numbers]) -> Iterator[Told]:
    """Judge the findings of injected faults and of their healthy twins."""
    for trial in trials:
        for code, sure in trial["sure"].items():
            is_named = code in trial["codes"]
            if is_named or not trial["harmful"]:
                is_true = is_named and (trial["harmful"] or code in FACTS)
                yield Told(code, strength(code, sure, table), is_true)
        for code, sure in trial["twin sure"].items():
            yield Told(code, strength(code, sure, table), False)


def of_scores(runs: Iterable[dict[str, Any]], table: dict[str, Numbers]) -> Iterator[Told]:
    """Judge the findings of predictions by what fresh rows say; what lies in between is left out."""
    for run in runs:
        for code, sure in run["confidence"].items():
            truth = run["truth"].get(code)
            if truth is not None:
                yield Told(code, strength(code, sure, table), bool(truth))


def strength(code: str, sure: float, table: dict[str, Numbers]) -> float:
    """Return the strength behind a confidence that was stated."""
    slope, offset = table.get(code, (SLOPE, OFFSET))
    return math.exp((math.log(sure / (1 - sure)) - offset) / slope)


def calibrate(told: Iterable[Told]) -> dict[str, Numbers]:
    """Return slope and offset of each code."""
    told = [one for one in told if one.code.startswith(OWN)]
    found: dict[str, Numbers] = {}
    for is_score in (False, True):
        kind = [one for one in told if one.code.startswith("SC") is is_score]
        shared = fit(kind, (SLOPE, OFFSET), LOOSE)
        found |= {
            code: fit([one for one in kind if one.code == code], shared, TIGHT)
            for code in sorted({one.code for one in kind})
        }
    return found


def fit(told: list[Told], prior: Numbers, ridge: float) -> Numbers:
    """Fit a logistic curve over the logarithm of the strength, with a ridge towards other numbers."""
    x = np.log([min(one.strength, MOST) for one in told])
    y = np.array([one.is_true for one in told], dtype=float)

    def loss(numbers: np.ndarray[Any, Any]) -> float:
        z = numbers[0] * x + numbers[1]
        return float((np.logaddexp(0, z) - y * z).sum() + ridge * ((numbers - np.array(prior)) ** 2).sum() / 2)

    best = minimize(loss, prior, bounds=[(0, 20), (-5, 5)]).x
    return round(float(best[0]), 3), round(float(best[1]), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    table = {code: (slope, offset) for code, (slope, offset) in json.loads(TARGET.read_text(encoding="utf-8")).items()}
    told: list[Told] = []
    for file in chosen.files:
        content = json.loads(file.read_text(encoding="utf-8"))
        told += of_faults(content["trials"], table) if "trials" in content else of_scores(content["runs"], table)
    numbers = calibrate(told)
    for code, (slope, offset) in numbers.items():
        right = [one.is_true for one in told if one.code == code]
        at = [1 / (1 + math.exp(-slope * math.log(s) - offset)) for s in (1, 2)]
        print(
            f"{code}  true {sum(right):3d} of {len(right):3d}; at the threshold {at[0]:.2f}, at twice of it {at[1]:.2f}"
        )
    if chosen.write:
        TARGET.write_text(json.dumps(table | numbers, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
