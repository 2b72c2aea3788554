"""`planefold prepare images`: folders of pictures to tables and arrays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i, name in enumerate(("cat/a 1.png", "cat/b [2].png", "dog/c.png")):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 3), 10 * i, np.uint8)).save(path)
    return tmp_path / "pictures"


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_has_label_file_and_pixels(cli: Any, folder: Path, ending: str) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    output = folder.parent / f"out.{ending}"
    ended = cli("prepare", "images", folder, "-o", output)
    assert (ended.code, ended.out) == (0, f"{output}\n")
    assert ended.err == "3 pictures, 4 x 3 (height x width), grey: cat 2, dog 1\n"
    table = pd.read_csv(output) if ending == "csv" else pd.read_parquet(output)
    assert list(table) == ["label", "file", *(f"pixel_{i}" for i in range(12))]
    assert table["label"].tolist() == ["cat", "cat", "dog"]
    assert table["file"].tolist() == ["cat/a 1.png", "cat/b [2].png", "dog/c.png"]
    assert table["pixel_11"].tolist() == [0, 10, 20]


def test_an_array_comes_with_its_labels_beside_it(cli: Any, folder: Path) -> None:
    output = folder.parent / "out.npy"
    ended = cli("prepare", "images", folder, "-o", output, "--color", "rgb", "--size", "8x6", "--json")
    assert ended.code == 0
    labels = folder.parent / "out.labels.csv"
    assert ended.json == {
        "output": [str(output), str(labels)], "pictures": 3, "height": 8, "width": 6, "channels": 3,
        "classes": {"cat": 2, "dog": 1}, "skipped": [],
    }  # fmt: skip
    assert np.load(output, allow_pickle=False).shape == (3, 8, 6, 3)
    assert pd.read_csv(labels)["label"].tolist() == ["cat", "cat", "dog"]


@pytest.mark.parametrize(("size", "shape"), [("auto", (4, 3)), ("original", (4, 3)), ("8", (8, 6)), ("5X7", (5, 7))])
def test_sizes(cli: Any, folder: Path, size: str, shape: tuple[int, int]) -> None:
    output = folder.parent / "out.npz"
    assert cli("prepare", "images", folder, "-o", output, "--size", size).code == 0
    with np.load(output, allow_pickle=False) as found:
        assert found["pixels"].shape == (3, *shape)
        assert found["labels"].tolist() == ["cat", "cat", "dog"]


@pytest.mark.filterwarnings("default")  # a note for people
def test_broken_files_are_an_error_or_left_out(cli: Any, folder: Path) -> None:
    (folder / "dog" / "no.png").write_text("no picture", encoding="utf-8")
    output = folder.parent / "out.csv"
    ended = cli("prepare", "images", folder, "-o", output)
    assert (ended.code, ended.out, output.exists()) == (1, "", False)
    assert ended.error == [
        f"error: 1 of 4 pictures in {folder} cannot be read",
        "  dog/no.png (it is text, not a picture)",
        '  hint: errors="skip" (--skip-broken) leaves them out',
    ]
    ended = cli("prepare", "images", folder, "-o", output, "--skip-broken", "--json")
    assert (ended.code, ended.json["pictures"]) == (0, 3)
    assert ended.json["skipped"] == [{"file": "dog/no.png", "reason": "it is text, not a picture"}]
    assert "note: 1 of 4 pictures left out: dog/no.png (it is text, not a picture)" in ended.err


@pytest.mark.filterwarnings("default")
def test_an_empty_class_is_named(cli: Any, folder: Path) -> None:
    (folder / "bird").mkdir()
    ended = cli("prepare", "images", folder, "-o", folder.parent / "out.csv")
    assert ended.code == 0
    assert "note: " in ended.err
    assert "no pictures in the folder bird" in ended.err


def test_a_table_of_paths_is_read(cli: Any, folder: Path) -> None:
    table = folder / "t.csv"
    table.write_text("file,thumb,label\ndog/c.png,cat/a 1.png,x\n", encoding="utf-8")
    output = folder.parent / "out.csv"
    ended = cli("prepare", "images", table, "-o", output)
    assert "has 2 columns with paths of pictures: file, thumb" in ended.error[0]
    assert cli("prepare", "images", table, "-o", output, "--column", "file").code == 0
    assert pd.read_csv(output)["pixel_0"].tolist() == [20]
    ended = cli("prepare", "images", table, "-o", table)
    assert (ended.code, "would overwrite the source" in ended.error[0]) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-o", "x.xlsx"], 1, "does not say by its ending what is to be written"),
        (["-o", "x.parqet"], 1, "does not say by its ending"),
        (["-o", "no/where/x.csv"], 1, "there is no folder"),
        (["-o", "x.csv", "--size", "big"], 1, "--size 'big' is no size"),
        (["-o", "x.csv", "--size", "0"], 1, "a side has 1 to"),
        (["-o", "x.csv", "--color", "gray"], 1, "gray"),
        ([], 2, "needs output"),
        (["-o", "x.csv", "--sise", "3"], 2, "has no option --sise"),
    ],
)
def test_wrong_lines_are_told(
    cli: Any, folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(folder.parent)
    ended = cli("prepare", "images", folder, *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert message in ended.error[0]
    assert sorted(path.name for path in folder.parent.iterdir()) == ["pictures"]


def test_places_without_pictures_are_told(cli: Any, folder: Path) -> None:
    output = folder.parent / "out.csv"
    assert "no file or folder" in cli("prepare", "images", folder / "mouse", "-o", output).error[0]
    (folder.parent / "empty").mkdir()
    assert "there are no pictures in" in cli("prepare", "images", folder.parent / "empty", "-o", output).error[0]
    (folder.parent / "file").write_bytes(b"")
    assert "is no picture that can be read" in cli("prepare", "images", folder.parent / "file", "-o", output).error[0]
    assert not output.exists()


def test_a_forgotten_word_is_guessed(cli: Any, folder: Path) -> None:
    ended = cli("prepare", folder)
    assert ended.code == 2
    assert ended.error[2] == f"  hint: did you mean planefold prepare images {folder}?"
    assert "did you mean planefold prepare images?" in cli("prepare", "imges").error[2]


def test_pictures_are_prepared_without_torch(folder: Path, repository: Path) -> None:
    program = (
        "import sys; from planefold.cli.main import run\n"
        f"code = run(['prepare', 'images', {str(folder)!r}, '-o', {str(folder.parent / 'o.csv')!r}])\n"
        "sys.exit(code or 10 * ('torch' in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], env={"PYTHONPATH": str(repository / "src")}).returncode == 0
