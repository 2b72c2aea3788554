"""That the benchmark of sounds runs; what it measures is not judged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path


def test_the_benchmark_runs_without_data_and_without_librosa(repository: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    command = [sys.executable, repository / "benchmarks" / "sounds.py", "--quick", "--sounds", tmp_path / "none"]
    ended = subprocess.run([*command, "--json", out], capture_output=True, encoding="utf-8", timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "noise (no data here)" in ended.stdout
    assert {"mel", "spectrogram", "chroma"} < set(json.loads(out.read_text()))
