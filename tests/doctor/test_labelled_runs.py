"""The checks of the curves on 690 real trainings whose truth was measured (`pytest -s` prints the tables)."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import sys
import time

import numpy as np
import pandas as pd
import pytest

from planefold.doctor import diagnose_case
from planefold.doctor.measures import measure


@pytest.fixture(scope="module")
def tool(repository):
    """The reader of labelled runs, which lies in the folder of tools."""
    path = repository / "tools" / "labelled_runs.py"
    if not path.is_file():
        pytest.skip("the tools are not here")
    spec = importlib.util.spec_from_file_location("labelled_runs", path)
    sys.modules["labelled_runs"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["labelled_runs"]


@pytest.fixture(scope="module")
def folder(data_dir):
    folder = data_dir / "training_runs_dev"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    return folder


class Results:
    """Verdicts of labelled runs, and how right they are."""

    def __init__(self, tool, runs):
        self.names = list(tool.VERDICTS.values())
        self.runs = runs
        started = time.process_time()
        self.diagnoses = [diagnose_case(run.case) for run in runs]
        self.seconds_each = (time.process_time() - started) / len(runs)
        rows = [
            (tool.VERDICTS[run.label], diagnosis.verdict)
            for run, diagnosis in zip(runs, self.diagnoses, strict=True)
            if run.label is not None
        ]
        self.table = pd.DataFrame(rows, columns=["truth", "verdict"])
        self.f1 = {name: self._f1(name) for name in self.names}

    def _f1(self, name):
        truth, verdict = self.table.truth == name, self.table.verdict == name
        return 2 * (truth & verdict).sum() / (truth.sum() + verdict.sum())

    @property
    def macro(self):
        return np.mean(list(self.f1.values()))

    @property
    def healthy_alarmed(self):
        return (self.table[self.table.truth == "good fit"].verdict != "good fit").mean()

    def show(self, title):
        counts = pd.crosstab(self.table.truth, self.table.verdict).reindex(
            index=self.names, columns=self.names, fill_value=0
        )
        counts["F1"] = pd.Series(self.f1).round(3)
        print(f"\n{title}: macro F1 {self.macro:.3f}, healthy runs alarmed {self.healthy_alarmed:.3f}")
        print(counts.to_string())


@pytest.fixture(scope="module")
def with_reference(tool, folder):
    results = Results(tool, list(tool.read_labelled_runs(folder)))
    results.show("what the engine records, and a reference")
    return results


@pytest.fixture(scope="module")
def without_reference(tool, with_reference):
    results = Results(tool, _blinded(with_reference.runs))
    results.show("what the engine records")
    return results


def _blinded(runs):
    """Take the reference away."""
    return [run._replace(case=dataclasses.replace(run.case, reference=None)) for run in runs]


def test_verdicts_are_right_with_a_reference(with_reference):
    assert len(with_reference.table) == 479
    assert with_reference.macro >= 0.94  # measured: 0.961
    assert with_reference.f1["overfit"] >= 0.95  # measured: 0.975
    assert min(with_reference.f1.values()) >= 0.80  # measured: 0.857, too small
    assert with_reference.healthy_alarmed <= 0.02  # measured: 0.012


def test_verdicts_are_right_without_a_reference(without_reference):
    assert without_reference.macro >= 0.91  # measured: 0.935
    assert without_reference.f1["overfit"] >= 0.94  # measured: 0.967
    assert without_reference.healthy_alarmed <= 0.02  # measured: 0.019


@pytest.mark.slow
def test_verdicts_stand_where_the_training_loss_is_measured_in_few_epochs_on_256_rows(tool, folder):
    runs = list(tool.read_labelled_runs(folder, every=5))
    for title, told, least in (("a reference", runs, 0.91), ("no reference", _blinded(runs), 0.89)):
        results = Results(tool, told)
        results.show(f"the training loss measured in every fifth epoch, {title}")
        assert results.macro >= least  # measured: 0.930 and 0.914
        assert results.f1["overfit"] >= 0.92  # measured: 0.949 and 0.941
        assert results.healthy_alarmed <= 0.025  # measured: 0.012 and 0.019


def test_stated_confidence_is_how_often_findings_are_true(with_reference):
    flags = {
        "LC701": "oscillating", "LC201": "never_learned", "LC101": "overfit", "LC602": "val_easy",
        "LC601": "val_noisy", "LC301": "improving", "LC202": "capacity", "LC501": "gap",
    }  # fmt: skip
    told = [
        (finding.confidence, run.flags[flags[finding.code]] == "yes")
        for run, diagnosis in zip(with_reference.runs, with_reference.diagnoses, strict=True)
        for finding in diagnosis
        if finding.code in flags and run.flags[flags[finding.code]] != "borderline"
    ]
    stated, true = (np.array(column, dtype=float) for column in zip(*told, strict=True))
    bins = np.minimum((10 * stated).astype(int), 9)
    error = sum(abs((stated - true)[bins == b].sum()) for b in set(bins)) / len(stated)
    print(f"\n{len(stated)} findings, true {true.mean():.3f}; calibration error {error:.3f}")
    assert error <= 0.04
    assert true[stated > 0.8].mean() >= 0.95


def _numbers(runs):
    """Return a row a run that has a truth: what was measured, and what is true."""
    rows = []
    for run in runs:
        truth = run.truth
        clear = run.flags["diverged"] == "no" and run.flags["val_easy"] == "no"
        if not (clear and truth["finite"] and truth["R"] > 0.05):
            continue
        numbers = measure(run.case.curves, run.case.reference)
        losses = run.case.curves.val_loss
        population = run.case.curves.train_eval[-1] + truth["gap"] * truth["R"]
        rows.append(
            {
                "gap_error": abs(numbers["gap"] / truth["R"] - truth["gap"]),
                "covers": abs(numbers["val_loss"] - population) <= 2 * numbers["val_se"],
                "n_val": run.case.curves.n_val,
                "noisy": run.flags["val_noisy"],
                "is_lowest": numbers["turning_epoch"] == run.case.curves.epoch[np.nanargmin(losses)],
                "gain": numbers.get("promised_share", math.nan),
                "cont": truth["cont"],
            }
        )
    return pd.DataFrame(rows)


def test_the_printed_numbers_are_near_the_truth(with_reference):
    table = _numbers(with_reference.runs)
    clear = table[table.noisy == "no"]
    few = table[table.n_val < 13]
    print(
        f"\ngap: mean error {clear.gap_error.mean():.4f} R over {len(clear)} runs; two standard errors cover the "
        f"population's loss in {table.covers.mean():.3f}, of {len(few)} runs with fewer than 13 rows in "
        f"{few.covers.mean():.3f}; promised gain: rank correlation {table.gain.corr(table.cont, method='spearman'):.2f}"
    )
    assert clear.gap_error.mean() <= 0.035  # measured: 0.027
    assert table.covers.mean() >= 0.88  # measured: 0.90
    assert few.covers.mean() >= 0.88  # measured: 0.98
    assert table.is_lowest.all()
    assert table.gain.corr(table.cont, method="spearman") >= 0.6  # measured: 0.66


def test_a_diagnosis_takes_milliseconds(with_reference):
    print(f"\n{1e3 * with_reference.seconds_each:.1f} ms a run")
    assert with_reference.seconds_each < 0.05  # measured: 0.002
