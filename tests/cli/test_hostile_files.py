"""Model files that are damaged or hostile, and disks that are full."""

from __future__ import annotations

import errno
import json
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import planefold as pf
from planefold.core.errors import FileError, MissingFileError, ModelFileError


def entries_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewritten(path: Path, goal: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """A copy of a model file with other contents, whose sizes and hashes are right."""
    import hashlib

    entries = entries_of(path)
    change(entries)
    manifest = json.loads(entries["manifest.json"])
    for name in manifest["entries"]:
        manifest["entries"][name] = {"sha256": hashlib.sha256(entries[name]).hexdigest(), "size": len(entries[name])}
    entries["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(goal, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return goal


def edit_json(name: str, edit: Callable[[Any], None]) -> Callable[[dict[str, bytes]], None]:
    def change(entries: dict[str, bytes]) -> None:
        content = json.loads(entries[name])
        edit(content)
        entries[name] = json.dumps(content).encode()

    return change


def huge_shape(path: Path, goal: Path) -> Path:
    def change(entries: dict[str, bytes]) -> None:
        raw = entries["weights.safetensors"]
        length = int.from_bytes(raw[:8], "little")
        header = json.loads(raw[8 : 8 + length])
        name = next(name for name in header if name != "__metadata__")
        header[name]["shape"] = [50_000, 25_000]
        text = json.dumps(header).encode()
        entries["weights.safetensors"] = len(text).to_bytes(8, "little") + text + raw[8 + length :]

    return rewritten(path, goal, change)


def huge_network(path: Path, goal: Path) -> Path:
    return rewritten(
        path,
        goal,
        edit_json("manifest.json", lambda manifest: manifest["network"].update(hidden_layer_sizes=[50_000, 25_000])),
    )


def bomb(path: Path, goal: Path) -> Path:
    entries = entries_of(path)
    with zipfile.ZipFile(goal, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            stored = zipfile.ZIP_STORED if name == "weights.safetensors" else zipfile.ZIP_DEFLATED
            archive.writestr(name, b" " * 50_000_000 if name == "schema.json" else data, stored)
    return goal


def cut(path: Path, goal: Path) -> Path:
    raw = path.read_bytes()
    goal.write_bytes(raw[: len(raw) // 2])
    return goal


def empty(path: Path, goal: Path) -> Path:
    goal.write_bytes(b"")
    return goal


def flipped(path: Path, goal: Path) -> Path:
    raw = bytearray(path.read_bytes())
    place = raw.index(b"PK\x01\x02") // 2
    raw[place] ^= 0xFF
    goal.write_bytes(raw)
    return goal


def newer(path: Path, goal: Path) -> Path:
    return rewritten(path, goal, edit_json("manifest.json", lambda manifest: manifest.update(format_version=[99, 0])))


def unknown_kind(path: Path, goal: Path) -> Path:
    return rewritten(path, goal, edit_json("manifest.json", lambda manifest: manifest.update(estimator="os.system")))


def a_table(path: Path, goal: Path) -> Path:
    goal.write_text("a,b\n1,2\n")
    return goal


@pytest.mark.parametrize(
    "spoil", [huge_shape, huge_network, bomb, cut, empty, flipped, newer, unknown_kind, a_table]
)  # fmt: skip
def test_a_spoilt_model_file_is_refused(cli: Any, regressor: Any, tmp_path: Path, spoil: Any) -> None:
    path = spoil(regressor.model, tmp_path / "m.fold")
    ended = cli("predict", path, regressor.new, "-o", tmp_path / "p.csv")
    assert (ended.code, ended.out) == (1, "")
    assert ended.error[0].isprintable()
    with pytest.raises(ModelFileError) as caught:
        pf.load(path)
    assert isinstance(caught.value, ValueError)
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.fold"]
    assert cli("report", path, regressor.new).code == 1


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("spoil", [huge_shape, huge_network, bomb])
def test_a_hostile_file_takes_no_memory(process: Any, regressor: Any, tmp_path: Path, spoil: Any) -> None:
    path = spoil(regressor.model, tmp_path / "m.fold")
    code = (
        "import sys, resource; from planefold.cli.main import run; import planefold.estimators as e; e.MLPRegressor;"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; code = run(sys.argv[1:]);"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before); sys.exit(code)"
    )
    ended = process("predict", path, regressor.new, code=code)
    assert ended.code == 1, ended.err
    assert int(ended.out) < 100_000  # kilobytes


@pytest.mark.parametrize("spoil", [bomb, cut, empty, newer, a_table])
def test_inspect_refuses_them_too(cli: Any, regressor: Any, tmp_path: Path, spoil: Any) -> None:
    ended = cli("inspect", spoil(regressor.model, tmp_path / "m.fold"))
    assert (ended.code, ended.out) == (1, "")
    assert ended.error


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("manifest.json", lambda manifest: manifest.update(network="none")),
        ("manifest.json", lambda manifest: manifest.update(target=[1])),
        ("manifest.json", lambda manifest: manifest["network"].update(hidden_layer_sizes=None)),
        ("schema.json", lambda schema: schema.update(columns=[{"name": 1}])),
        ("schema.json", lambda schema: schema.update(columns=7)),
        ("schema.json", lambda schema: schema["columns"][0].update(minimum="low")),
    ],
)
def test_inspect_of_a_file_that_says_nonsense_is_no_bug(
    cli: Any, regressor: Any, tmp_path: Path, name: str, edit: Any
) -> None:
    path = rewritten(regressor.model, tmp_path / "m.fold", edit_json(name, edit))
    ended = cli("inspect", path)
    assert (ended.code, ended.out) == (1, "")
    assert "does not describe a model" in ended.error[0]
    assert cli("predict", path, regressor.new).code == 1


def test_a_missing_model_is_named_with_what_was_meant(cli: Any, regressor: Any) -> None:
    for command in (["inspect"], ["predict", regressor.new], ["report", regressor.new]):
        ended = cli(command[0], regressor.model.with_name("huoses.fold"), *command[1:])
        assert ended.code == 1
        assert "huoses.fold" in ended.error[0]
    with pytest.raises(MissingFileError):
        pf.load(regressor.model.with_name("huoses.fold"))


# ----------------------------------------------------------------------------------------------------------- full disks


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_the_older_model_as_it_was(cli: Any, quick: Any, houses: Path) -> None:
    older = houses.with_suffix(".fold")
    older.write_bytes(b"an older model")
    ended = cli("train", houses, "-t", "price", *quick)
    assert ended.code == 1
    assert ended.error[:2] == [f"error: cannot write {older}", "  no space left on the disk"]
    assert older.read_bytes() == b"an older model"
    assert sorted(path.name for path in houses.parent.iterdir()) == ["houses.csv", "houses.fold"]


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_no_half_predictions(cli: Any, regressor: Any, tmp_path: Path) -> None:
    ended = cli("predict", regressor.model, regressor.new, "-o", tmp_path / "p.csv")
    assert ended.code == 1
    assert "no space left on the disk" in ended.error[1]
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileError) as caught:
        pf.load(regressor.model).save(tmp_path / "m.fold")
    assert isinstance(caught.value, OSError)
    assert not list(tmp_path.iterdir())


def test_a_report_that_cannot_be_written_does_not_cost_the_model(
    cli: Any, quick: Any, houses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise FileError("cannot write the report", details="no space left on the disk")

    monkeypatch.setattr("planefold.estimators.reporting.write_report", fail)
    ended = cli("train", houses, "-t", "price", *quick)
    model = houses.with_suffix(".fold")
    assert ended.code == 1
    assert ended.error[1] == f"  no space left on the disk; the model is saved in {model}"
    assert cli("inspect", model).code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_file_that_may_not_grow_is_an_error_in_words(process: Any, regressor: Any, tmp_path: Path) -> None:
    code = (
        "import sys, signal, resource; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); from planefold.cli.main import main; main(sys.argv[1:])"
    )
    ended = process("predict", regressor.model, regressor.new, "-o", tmp_path / "p.csv", code=code)
    assert ended.code == 1
    assert ended.error[1] == "  the file would be larger than this system allows"
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_a_full_standard_output_is_an_error_in_words(process: Any, regressor: Any, flags: list[str]) -> None:
    code = (
        "import subprocess, sys; p = subprocess.run([sys.executable, '-m', 'planefold.cli.main', *sys.argv[1:]],"
        "stdout=open('/dev/full', 'w')); sys.exit(p.returncode)"
    )
    ended = process("inspect", regressor.model, *flags, code=code)
    assert ended.code == 1
    assert ended.error[:2] == ["error: cannot write standard output", "  no space left on the disk"]
