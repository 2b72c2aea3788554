"""That the benchmark of the scan plants what it says, and runs."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="module")
def doctor_data(repository: Path) -> ModuleType:
    folder = str(repository / "benchmarks")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module("doctor_data")


def _rows(module: ModuleType, family: str, *, is_classes: bool | None = None) -> object:
    for seed in range(1000):
        rows = module.healthy(seed)
        if rows.family == family and is_classes in (None, rows.is_classes):
            return rows
    raise AssertionError(family)


def test_the_halves_share_no_table(doctor_data: ModuleType) -> None:
    some, others = (doctor_data.tables(half, 6) for half in ("dev", "test"))
    assert [rows.defect for rows in some[::3]] == ["none", "none"]
    assert all(rows.defect != "none" for place, rows in enumerate(some) if place % 3)
    assert not any(len(a.y) == len(b.y) and np.array_equal(a.y, b.y) for a in some for b in others)


def test_no_family_is_always_healthy_or_never(doctor_data: ModuleType) -> None:
    for half in ("dev", "test"):
        tables = doctor_data.tables(half, 120)
        for is_healthy in (True, False):
            families = {rows.family for rows in tables if (rows.defect == "none") == is_healthy}
            assert len(families) >= 7  # of nine, in 40 draws; taken in turn there would be three


def test_the_same_seed_makes_the_same_table(doctor_data: ModuleType) -> None:
    for seed in range(len(doctor_data.FAMILIES)):
        some, again = doctor_data.healthy(seed), doctor_data.healthy(seed)
        pd.testing.assert_frame_equal(
            pd.DataFrame(np.reshape(some.X, (len(some.y), -1)) if some.family == "pictures" else some.X),
            pd.DataFrame(np.reshape(again.X, (len(some.y), -1)) if some.family == "pictures" else again.X),
        )


@pytest.mark.parametrize("family", ["normal", "mixed", "tails", "pictures"])
def test_every_defect_that_a_family_can_have_keeps_rows_targets_and_split_together(
    doctor_data: ModuleType, family: str
) -> None:
    rows = _rows(doctor_data, family, is_classes=True)
    for name, (plant, *_) in doctor_data.DEFECTS.items():
        planted = plant(rows, np.random.RandomState(0))
        if planted is not None:
            assert len(planted.X) == len(planted.y) == len(planted.held_out), name
            assert planted.held_out.any(), name
            assert not planted.held_out.all(), name


def test_copied_rows_lie_on_the_other_side(doctor_data: ModuleType) -> None:
    rows = _rows(doctor_data, "normal")
    for seed in range(20):
        parts = doctor_data.leak_rows(rows, np.random.RandomState(seed)).sides()
        train, val = (np.asarray(parts[side]) for side in ("X", "X_val"))
        nearest = np.array([np.min(np.linalg.norm(train - row, axis=1)) for row in val])
        assert (
            np.mean(nearest < 0.05 * np.median(nearest)) >= 0.02 or np.mean(nearest < 0.5 * np.median(nearest)) >= 0.02
        )


def test_the_script_runs(doctor_data: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "results.json"
    doctor_data.main(["--tables", "12", "--only", "found", "--json", str(results)])
    assert "rows on both sides" in capsys.readouterr().out
    found = json.loads(results.read_text())
    assert found["DA402"]["alarms"] == 0
    assert len(found["seconds"]) == 12
    assert {one["code"] for one in found["told"] if one["true"]} >= {"DA402"}


def test_numbers_on_a_wrong_scale_are_found_and_scaled_ones_are_not(
    doctor_data: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    found = doctor_data.show_scales("dev", 8)["scale"]
    assert "scales, dev half" in capsys.readouterr().out
    assert found["n"] == 4
    assert found["recall"] == 1
    assert found["false alarms"] == 0


def test_unscaled_columns_differ_by_more_than_their_units_allow(doctor_data: ModuleType) -> None:
    X = np.random.RandomState(0).randn(200, 6)
    for seed in range(20):
        other = doctor_data.unscaled(X, np.random.RandomState(seed))
        changed = np.flatnonzero((other != X).any(axis=0))
        assert 0 < len(changed) < 6
        scale = other[:, changed].std(axis=0)
        far = np.abs(other[:, changed].mean(axis=0)) / scale
        assert np.all((scale > 50) | (scale < 0.02) | (far > 50))
