"""That the benchmark of injected faults counts what it says, and keeps its halves apart."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from planefold.doctor import Diagnosis, Finding
from planefold.doctor.catalogue import ORDER


@pytest.fixture(scope="module")
def faults(repository: Path) -> ModuleType:
    folder = str(repository / "benchmarks")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module("doctor_faults")


def outcome(faults: ModuleType, score: float, *codes: str) -> Any:
    findings = tuple(Finding(severity="warning", what="x", why="x", code=code) for code in codes)
    return faults.Outcome(score=score, diagnosis=Diagnosis(findings=findings))


def test_the_halves_share_neither_sets_nor_seeds_nor_sizes(faults: ModuleType) -> None:
    assert not set(faults.SETS["dev"]) & set(faults.SETS["test"])
    assert faults.FIRST_SEED["test"] - faults.FIRST_SEED["dev"] > 1000
    assert all(len(sets) >= 4 for sets in faults.SETS.values())
    dev, test = (
        {faults.healthy_settings(half, seed)["hidden_layer_sizes"] for seed in range(9)} for half in ("dev", "test")
    )
    assert not dev & test


@pytest.mark.parametrize("half", ["dev", "test"])
@pytest.mark.parametrize("seed", range(5))
def test_a_problem_is_the_same_each_time_on_one_scale_and_fresh_rows_are_fresh(
    faults: ModuleType, half: str, seed: int
) -> None:
    problem, again = (faults.problem_of(half, seed) for _ in range(2))
    np.testing.assert_array_equal(problem.learn[0], again.learn[0])
    assert problem.learn[0].std(axis=0).max() == pytest.approx(1)
    assert len(problem.fresh[1]) >= 150
    if not problem.n_classes:
        assert problem.learn[1].std() == pytest.approx(1)
    shared = {row.tobytes() for row in problem.learn[0]} & {row.tobytes() for row in problem.fresh[0]}
    assert len(shared) <= 2  # scikit-learn's sets hold a few rows twice


def test_there_are_22_kinds_of_faults_and_their_names_are_codes_of_the_doctor(faults: ModuleType) -> None:
    assert len(faults.FAULTS) >= 22
    for fault in faults.FAULTS.values():
        assert set(fault.codes) <= set(ORDER)
        assert fault.sick or fault.spoil or fault.weights or fault.torch


def test_what_is_explained_is_r_squared_or_the_share_of_avoided_errors(faults: ModuleType) -> None:
    numbers = faults.problem_of("dev", 0)
    y = numbers.fresh[1]
    assert faults.explained(numbers, y) == 1
    assert faults.explained(numbers, np.full_like(y, y.mean())) == pytest.approx(0)
    assert faults.explained(numbers, y * np.nan) == -1
    classes = faults.problem_of("dev", 2)
    labels = classes.fresh[1]
    often = np.full_like(labels, np.bincount(labels).argmax())
    assert faults.explained(classes, labels) == faults.explained(classes, labels, balanced=True) == 1
    assert faults.explained(classes, often) == 0
    assert faults.explained(classes, often, balanced=True) == pytest.approx(0)
    shares = np.bincount(labels) / len(labels)
    assert faults.explained(classes, np.tile(shares, (len(labels), 1))) == pytest.approx(0)


def test_only_harmful_faults_count_and_the_first_warning_must_name_them(faults: ModuleType) -> None:
    def trial(sick: Any, twin: Any = None) -> Any:
        twin = outcome(faults, 0.9) if twin is None else twin
        return faults.Trial(fault="rate_low", seed=0, set="", sick=sick, twin=twin)

    trials = [
        trial(outcome(faults, 0.1, "GR202", "GR301")),
        trial(outcome(faults, 0.1, "LC301", "GR202")),  # found, not named
        trial(outcome(faults, 0.1)),  # missed
        trial(outcome(faults, 0.85)),  # did no harm
        trial(outcome(faults, 0.1, "GR202"), outcome(faults, 0.9, "GR401", "LC101")),
    ]
    counts = faults.summary(trials)
    assert [counts[key] for key in ("trials", "harmful", "found", "named", "twins alarmed")] == [5, 4, 3, 2, 1]
    assert counts["twins with a warning of their curves"] == 1


def test_the_script_runs(faults: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "results.json"
    only = ["zero_init", "unscaled_column", "sigmoid_output"]
    faults.main(["--seeds", "1", "--only", *only, "--details", "--json", str(results)])
    found = json.loads(results.read_text())
    assert "harmful faults found" in capsys.readouterr().out
    assert [trial["fault"] for trial in found["trials"]] == only
    assert found["total"]["named"] == 3
