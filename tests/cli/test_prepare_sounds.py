"""`planefold prepare sounds`: the files it writes, what it says, and how it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.io import wavfile

from planefold.data.sounds import SoundFeatures, feature_pictures, read_sounds

Call = Callable[..., Any]
RATE = 8_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i, name in enumerate(("no/1.wav", "no/2.wav", "yes/1.wav")):
        path = tmp_path / "sounds" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        wavfile.write(path, RATE, (0.5 * np.sin(np.arange(RATE + 800 * i) / (5 + i))).astype(np.float32))
    return tmp_path / "sounds"


def expected(folder: Path, **settings: Any) -> np.ndarray:
    return feature_pictures(read_sounds(folder), SoundFeatures(**settings))


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_has_a_row_for_each_sound(cli: Call, folder: Path, tmp_path: Path, ending: str) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    out = tmp_path / f"out.{ending}"
    ended = cli("prepare", "sounds", folder, "-o", out, "--feature", "mel", "--size", "4x6")
    assert ended.code == 0, ended.err
    assert ended.out == f"{out}\n"
    assert "3 sounds of 1.2 s at 22,050 Hz: mel, 4 x 6 (height x width): no 2, yes 1" in ended.err
    assert "brought to 22,050 Hz" in ended.err
    table = pd.read_csv(out) if ending == "csv" else pd.read_parquet(out)
    assert list(table.columns) == ["label", "file", *(f"pixel_{i}" for i in range(24))]
    assert table["label"].tolist() == ["no", "no", "yes"]
    assert table["file"].tolist() == ["no/1.wav", "no/2.wav", "yes/1.wav"]
    assert np.abs(table.iloc[:, 2:].to_numpy() - expected(folder, size=(4, 6)).reshape(3, -1)).max() < 1e-4


def test_arrays_have_their_labels_with_them_or_beside_them(cli: Call, folder: Path, tmp_path: Path) -> None:
    pictures = expected(folder, kind="chroma")[:, 0]
    ended = cli("prepare", "sounds", folder, "-o", tmp_path / "out.npy", "--feature", "chroma", "--size", "original")
    assert ended.code == 0, ended.err
    assert np.array_equal(np.load(tmp_path / "out.npy", allow_pickle=False), pictures)
    assert pd.read_csv(tmp_path / "out.labels.csv")["label"].tolist() == ["no", "no", "yes"]
    ended = cli("prepare", "sounds", folder, "-o", tmp_path / "out.npz", "--feature", "chroma", "--size", "original")
    assert ended.code == 0, ended.err
    with np.load(tmp_path / "out.npz", allow_pickle=False) as found:
        assert np.array_equal(found["pictures"], pictures)
        assert found["labels"].tolist() == ["no", "no", "yes"]
        assert found["files"].tolist() == ["no/1.wav", "no/2.wav", "yes/1.wav"]


def test_the_summary_is_for_programs(cli: Call, folder: Path, tmp_path: Path) -> None:
    (folder / "yes" / "broken.wav").write_text("no sound at all")
    ended = cli("prepare", "sounds", folder, "-o", tmp_path / "o.npz", "--skip-broken", "--rate", "auto", "--seconds",
                "0.5", "--n-mels", "20", "--json")  # fmt: skip
    assert ended.code == 0, ended.err
    told = ended.json
    assert (told["sounds"], told["rate"], told["seconds"], told["height"], told["width"]) == (3, RATE, 0.5, 32, 256)
    assert told["classes"] == {"no": 2, "yes": 1}
    assert [skipped["file"] for skipped in told["skipped"]] == ["yes/broken.wav"]
    assert SoundFeatures.from_json(told["features"]).n_mels == 20


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["-o", "out.txt"], "ending"),
        (["-o", "out"], "ending"),
        (["-o", "missing/out.csv"], "no folder"),
        (["-o", "out.csv", "--size", "32"], "--size"),
        (["-o", "out.csv", "--size", "0x9"], "size=0"),
        (["-o", "out.csv", "--rate", "fast"], "--rate"),
        (["-o", "out.csv", "--rate", "5"], "rate=5"),
        (["-o", "out.csv", "--seconds", "-1"], "seconds=-1"),
        (["-o", "out.csv", "--n-fft", "1001"], "even"),
        (["-o", "out.csv", "--feature", "mfcc"], "mfcc"),
        (["-o", "out.csv", "--rate", "8000", "--n-fft", "64"], "hold no frequency"),
    ],
)
def test_what_cannot_be_is_said_in_three_lines(
    cli: Call, folder: Path, tmp_path: Path, flags: list[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = cli("prepare", "sounds", folder, *flags)
    assert ended.code == 1
    assert words in "\n".join(ended.error)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sounds"]


def test_broken_files_and_missing_folders_are_named(cli: Call, folder: Path, tmp_path: Path) -> None:
    (folder / "yes" / "broken.wav").write_text("no sound at all")
    for source, words in [(folder, "yes/broken.wav: it is a text"), (tmp_path / "missing", "does not exist")]:
        ended = cli("prepare", "sounds", source, "-o", tmp_path / "out.csv")
        assert ended.code == 1
        assert words in "\n".join(ended.error)
        assert not (tmp_path / "out.csv").exists()
