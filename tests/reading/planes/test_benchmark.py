"""That the benchmark of planes runs, and says what it found."""

from __future__ import annotations

import importlib
import json
import sys


def test_the_benchmark_of_planes_runs(repository, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sys, "path", [*sys.path, str(repository / "benchmarks")])
    script = importlib.import_module("reading_planes")
    path = tmp_path / "results.json"
    # Without the part on scale, which starts a process that imports everything anew.
    assert script.main(["--quick", "--only", "counts", "speed", "decision", "peer", "--json", str(path)]) == 0
    said = capsys.readouterr().out
    assert "all counts are right" in said
    assert "112 segments, 1 curve of length 4.007, 2 decision regions" in said
    results = json.loads(path.read_text(encoding="utf-8"))
    assert results["speed"]["moons, trained"]["regions"] == 3148
