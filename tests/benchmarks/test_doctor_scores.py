"""That the benchmark of the doctor's scores runs, and that its truth is the truth."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sklearn.metrics import log_loss


@pytest.fixture(scope="session")
def scores(repository: Path) -> ModuleType:
    folder = str(repository / "benchmarks")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module("doctor_scores")


def test_it_runs(
    scores: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scores, "N_FRESH", 500)
    results = tmp_path / "results.json"
    scores.main(["--quick", "--half", "dev", "--json", str(results)])

    found = json.loads(results.read_text())
    assert "good models with a warning" in capsys.readouterr().out
    assert [row["code"] for row in found["checks"]] == ["SC101", "SC102", "SC103", "SC201", "SC301"]
    assert len(found["runs"]) == len(scores.MODELS)


def test_nobody_predicts_better_than_the_population_itself(scores: ModuleType) -> None:
    of = scores.problem("steps", "binary", 200, 100, 0)

    def loss(model):
        return scores.losses("binary", of.y, model(of, 1))[of.fresh].mean()

    best = loss(scores.ideal)
    assert best == pytest.approx(log_loss(of.y[of.fresh], of.best[of.fresh]))
    assert all(loss(model) > best for model in (scores.near, scores.bold, scores.timid, scores.shifted, scores.broken))


def test_the_words_of_a_segment_pick_its_rows(scores: ModuleType) -> None:
    X = np.array([[0.1, 2.0], [0.3, 2.0], [0.9, 1.0]])

    assert scores.picked(X, "x0 <= 0.3 and x1 is 2").tolist() == [True, True, False]
    assert scores.picked(X, "0.1 < x0 <= 0.9").tolist() == [False, True, True]
    assert scores.picked(X, "x0 > 0.3").tolist() == [False, False, True]


def test_the_halves_share_no_population(scores: ModuleType) -> None:
    one, other = (scores.problem("linear", "regression", 50, 50, seed) for seed in scores.SEEDS.values())

    assert not (one.X[:, :-1] == other.X[:, :-1]).any()
