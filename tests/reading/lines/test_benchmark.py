"""The benchmark of lines runs, and checks its answers."""

from __future__ import annotations

import importlib
import json
import sys


def test_the_benchmark_runs(repository, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(repository / "benchmarks")])
    script = importlib.import_module("reading_lines")
    results = tmp_path / "results.json"
    assert script.main(["--quick", "--json", str(results)]) == 0
    assert "all answers agree" in capsys.readouterr().out
    assert json.loads(results.read_text())["completeness error"] < 1e-10
