"""Fit how sure the checks of the curves are, on trainings whose truth was measured.

    python tools/calibrate_doctor.py FOLDER [FOLDER ...] [--store FOLDER] [--write]

For each rule, ``sigmoid(slope * ln(strength) + offset)`` is fitted to pairs of its strength and whether the fault is
there (borderline ones are left out), with a ridge towards cautious numbers, so that few runs do not make it certain.
The error of calibration is printed for populations that were not fitted. ``--store`` adds the development half of what
``benchmarks/doctor.py --make`` trained, ``--write`` keeps the numbers.

Any other source of trainings will do: :func:`calibrate` takes (case, label, flags, population) tuples, of which the
label is not used, and flags say "yes", "no" or "borderline" for each name in ``FLAGS``.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from labelled_runs import read_labelled_runs
from scipy.optimize import minimize

from planefold.doctor import NotApplicableError, diagnose_case
from planefold.doctor.case import Case
from planefold.doctor.confidence import OFFSET, SLOPE
from planefold.doctor.curves.rules import strengths

FLAGS = {
    "LC701": "oscillating",
    "LC201": "never_learned",
    "LC101": "overfit",
    "LC602": "val_easy",
    "LC601": "val_noisy",
    "LC301": "improving",
    "LC202": "capacity",
    "LC202-settings": "capacity",
    "LC501": "gap",
}
NEAR = 0.8  # strengths from here on say where the border lies, though only those from 1 are told
RIDGE = 0.03
OWN = 3.0  # times that a run of our own engine counts: it is what will be diagnosed
FOLDS = 5
ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "src/planefold/doctor/calibration.json"


class Pair(NamedTuple):
    """One rule on one training."""

    code: str
    strength: float
    is_true: bool
    population: str
    weight: float = 1.0


def pairs_of(runs: Iterable[tuple[Case, str | None, Mapping[str, str], str]], *, weight: float = 1.0) -> list[Pair]:
    """Return the rules that were told, or came near, and whether they are right."""
    pairs = []
    for case, _, flags, population in runs:
        try:
            found = strengths(case)
        except NotApplicableError:
            continue
        told = {finding.code for finding in diagnose_curves(case)}
        for code, strength in found.items():
            flag = flags.get(FLAGS[code], "borderline")
            is_told = code.split("-")[0] in told
            if flag == "borderline" or strength < NEAR or is_told != (strength >= 1):
                continue
            pairs.append(Pair(code, strength, flag == "yes", population, weight))
    return pairs


def cases_of_store(folder: Path, *, reference: bool) -> Iterator[tuple[Case, str | None, Mapping[str, str], str]]:
    """Yield the development half of the benchmark's own runs."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from doctor_runs.cases import cases

    for known in cases(folder, "dev", 3 if reference else 2):
        yield known.case, known.label, known.flags, f"store {known.population}"


def diagnose_curves(case: Case) -> Any:
    """Return what is warned of on the curves; what is for information is history, or a guess."""
    return [finding for finding in diagnose_case(case).at_least("warning") if finding.code.startswith("LC")]


def calibrate(pairs: Iterable[Pair]) -> dict[str, tuple[float, float]]:
    """Return slope and offset of each code."""
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(pair.code, []).append(pair)
    return {code: _fit(groups[code]) for code in sorted(groups)}


def _fit(pairs: list[Pair]) -> tuple[float, float]:
    x = np.log(np.minimum([pair.strength for pair in pairs], 20.0))
    y = np.array([pair.is_true for pair in pairs], dtype=float)
    weights = np.array([pair.weight for pair in pairs])

    def loss(parameters: np.ndarray[Any, Any]) -> float:
        slope, offset = parameters
        z = slope * x + offset
        cost = np.logaddexp(0, z) - y * z
        return float((weights * cost).sum() + RIDGE * ((slope - SLOPE) ** 2 + (offset - OFFSET) ** 2) / 2)

    best = minimize(loss, [SLOPE, OFFSET], bounds=[(0, 20), (-5, 5)]).x
    return round(float(best[0]), 3), round(float(best[1]), 3)


def certainty(numbers: Mapping[str, tuple[float, float]], pair: Pair) -> float:
    slope, offset = numbers.get(pair.code, (SLOPE, OFFSET))
    return min(max(1 / (1 + math.exp(-slope * math.log(min(pair.strength, 20.0)) - offset)), 0.02), 0.995)


def expected_error(stated: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> float:
    """Return the mean distance of what was stated from what was right, over ten bins."""
    bins = np.minimum((stated * 10).astype(int), 9)
    gaps = [abs(stated[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)]
    return float(sum(gaps))


def report(pairs: list[Pair]) -> None:
    """Print what unseen populations say, and then the numbers of all."""
    populations = sorted({pair.population for pair in pairs})
    order = np.random.default_rng(0).permutation(len(populations))
    fold = {populations[i]: int(rank) % FOLDS for rank, i in enumerate(order)}
    stated, kept = [], []
    for k in range(FOLDS):
        numbers = calibrate([pair for pair in pairs if fold[pair.population] != k])
        unseen = [pair for pair in pairs if fold[pair.population] == k and pair.strength >= 1]
        stated += [certainty(numbers, pair) for pair in unseen]
        kept += unseen
    said, right = np.array(stated), np.array([pair.is_true for pair in kept], dtype=float)
    sure = said > 0.8
    print(f"told: {len(said)}, true {right.mean():.3f}; expected calibration error {expected_error(said, right):.3f}")
    print(f"stated above 0.8: {sure.sum()}, true {right[sure].mean():.3f}")
    for code in FLAGS:
        mine = np.array([pair.code == code for pair in kept])
        if mine.any():
            print(f"  {code:15} told {mine.sum():4d}  stated {said[mine].mean():.3f}  true {right[mine].mean():.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    pairs = []
    for reference in (True, False):
        for folder in chosen.folders:
            runs = read_labelled_runs(folder, reference=reference)
            pairs += pairs_of((run.case, run.label, run.flags, run.population) for run in runs)
        if chosen.store:
            pairs += pairs_of(cases_of_store(chosen.store, reference=reference), weight=OWN)
    report(pairs)
    numbers = calibrate(pairs)
    print(json.dumps(numbers))
    if chosen.write:
        kept = json.loads(TARGET.read_text(encoding="utf-8"))  # of causes and scores: tools/calibrate_causes.py
        TARGET.write_text(json.dumps(kept | numbers, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
