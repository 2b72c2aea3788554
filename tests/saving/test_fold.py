"""A model file gives back what was saved, refuses what cannot be saved, and keeps reading old versions."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from planefold.core.errors import FileError, MissingFileError, ModelFileError
from planefold.saving import Fold, finite_json, read_fold, read_summary, weights, write_fold

GOLDEN = Path(__file__).parent / "golden"


def test_what_is_written_is_read_back_to_the_last_bit(known_fold, same, tmp_path):
    same(read_fold(write_fold(tmp_path / "a.fold", known_fold)), known_fold)


def test_the_golden_file_of_version_1_is_still_read(known_fold, same):
    fold = read_fold(GOLDEN / "v1.fold")
    same(fold, known_fold)
    assert fold.manifest["format_version"] == [1, 0]
    assert fold.weights["layers.0.weight"][0, 1] == -1.25


def test_any_tool_can_read_the_entries_and_their_hashes(known_fold, tmp_path):
    with zipfile.ZipFile(write_fold(tmp_path / "a.fold", known_fold)) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        assert archive.namelist()[0] == "manifest.json"
        assert set(archive.namelist()) == {"manifest.json", *manifest["entries"]}
        for name, entry in manifest["entries"].items():
            data = archive.read(name)
            assert entry == {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            stored = archive.getinfo(name).compress_type == zipfile.ZIP_STORED
            assert stored == (name == "weights.safetensors")
        assert "อายุ" in archive.read("schema.json").decode()  # people may look inside


def test_equal_content_gives_equal_bytes(known_fold, tmp_path):
    first = write_fold(tmp_path / "a.fold", known_fold).read_bytes()
    shuffled = replace(
        known_fold,
        manifest=dict(reversed(known_fold.manifest.items())),
        weights=dict(reversed(known_fold.weights.items())),
    )
    assert write_fold(tmp_path / "b.fold", shuffled).read_bytes() == first
    assert write_fold(tmp_path / "c.fold", read_fold(tmp_path / "a.fold")).read_bytes() == first


def test_arrays_of_any_layout_are_saved_by_value(tmp_path):
    square = np.arange(6.0).reshape(2, 3)
    given = {"turned": square.T, "strided": square[:, ::2], "big-endian": square.astype(">f4"), "fortran": square.T[:2]}
    fold = read_fold(write_fold(tmp_path / "a.fold", Fold(manifest={}, weights=given)))
    for name, array in given.items():
        np.testing.assert_array_equal(fold.weights[name], array)
        assert fold.weights[name].dtype.isnative
        assert fold.weights[name].flags.aligned
        assert fold.weights[name].flags.writeable


def test_a_model_of_many_megabytes_is_read_back(tmp_path):
    weights = {"w": np.random.default_rng(0).normal(size=(700, 701)), "v": np.ones(1_000_003, dtype=np.int8)}
    fold = read_fold(write_fold(tmp_path / "a.fold", Fold(manifest={}, weights=weights)))
    for name, array in weights.items():
        np.testing.assert_array_equal(fold.weights[name], array)


def test_monotonous_content_is_not_taken_for_a_bomb(tmp_path):
    fold = Fold(manifest={}, card="=" * 5_000_000, reference={"zeros": [0] * 900_000})
    assert read_fold(write_fold(tmp_path / "a.fold", fold)).reference == fold.reference


def test_half_a_surrogate_pair_from_a_broken_table_survives(tmp_path):
    fold = read_fold(write_fold(tmp_path / "a.fold", Fold(manifest={}, schema={"caf\udce9": ["\udce9"]})))
    assert fold.schema == {"caf\udce9": ["\udce9"]}


def test_a_history_that_diverged_is_saved_with_null_for_nan(tmp_path):
    lines = ('{"epoch": 1, "train_loss": NaN}', '{"epoch": 2, "train_loss": -Infinity, "rates": [1e999, 1.0]}', "{}")
    history = read_fold(write_fold(tmp_path / "a.fold", Fold(manifest={}, history=lines))).history
    assert [json.loads(line) for line in history] == [
        {"epoch": 1, "train_loss": None},
        {"epoch": 2, "train_loss": None, "rates": [None, 1.0]},
        {},
    ]


def test_finite_json_replaces_only_what_json_lacks():
    assert finite_json({"a": (1, float("inf")), "b": {"c": np.float64("nan")}, "d": "nan", "e": True}) == {
        "a": [1, None],
        "b": {"c": None},
        "d": "nan",
        "e": True,
    }


# ------------------------------------------------------------------------------------- refused before writing

NESTED: list[object] = []
NESTED.append(NESTED)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"weights": {"w": np.array([1.0, np.nan, np.inf])}}, "'w' have 2 of 3 values"),
        ({"weights": {"w": np.array(["a"])}}, "'w' are <U1"),
        ({"weights": {"w": np.array([None])}}, "'w' are object"),
        ({"weights": {"w": [1.0]}}, "'w' are list"),
        ({"weights": {"__metadata__": np.ones(1)}}, "__metadata__"),
        ({"weights": {1: np.ones(1)}}, "1 cannot be the name"),
        ({"weights": {"w": np.ones((1,) * 33)}}, "shape"),
        ({"schema": {"columns": [{"low": np.int64(3)}]}}, "schema['columns'][0]['low'] is a numpy.int64"),
        ({"prep": {"medians": np.ones(2)}}, "prep['medians'] is a numpy.ndarray"),
        ({"prep": {"scale": float("nan")}}, "prep['scale'] is nan"),
        ({"reference": {"a": {3: 1}}}, "reference['a']: the key 3 is int"),
        ({"reference": {"a": {1, 2}}}, "reference['a'] is a builtins.set"),
        ({"manifest": {"a": NESTED}}, "nested deeper than"),
        ({"manifest": {"a": 10**5000}}, "manifest: cannot be written"),
        ({"manifest": {"a": [0] * 1_000_001}}, "manifest.json has about"),
        ({"schema": ["a"]}, "schema must be a dict, not list"),
        ({"history": ("[1]",)}, "line 1 of history: must be a JSON object, not a list"),
        ({"history": ("{}", "{")}, "line 2 of history: not JSON"),
        ({"history": ("{}\n{}",)}, "line 1 of history: holds a line break"),
        ({"history": ({"epoch": 1},)}, "line 1 of history: must be text, not dict"),
        ({"history": ("[" * 100_000,)}, "line 1 of history: not JSON"),
        ({"history": ("{}",) * 300_001}, "history.jsonl has 300001 lines"),
        ({"card": None}, "card must be text, not NoneType"),
    ],
)
def test_what_cannot_be_saved_is_named_before_any_file_is_touched(change, says, known_fold, tmp_path):
    path = tmp_path / "a.fold"
    path.write_bytes(b"older")
    with pytest.raises(ModelFileError) as caught:
        write_fold(path, replace(known_fold, **change))
    assert says in caught.value.details
    assert "cannot be saved as" in caught.value.what
    assert os.listdir(tmp_path) == ["a.fold"]
    assert path.read_bytes() == b"older"


# ------------------------------------------------------------------------------------------- the disk refuses


def test_a_full_disk_leaves_the_older_model_and_nothing_else(known_fold, tmp_path, monkeypatch):
    path = write_fold(tmp_path / "a.fold", known_fold)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError) as caught:
        write_fold(path, replace(known_fold, card="newer"))
    assert caught.value.details == "no space left on the disk"
    assert caught.value.hint is not None
    assert os.listdir(tmp_path) == ["a.fold"]
    assert path.read_bytes() == before


def test_an_interrupt_in_the_middle_of_the_weights_leaves_the_older_model(known_fold, tmp_path, monkeypatch):
    path = write_fold(tmp_path / "a.fold", known_fold)
    before = path.read_bytes()
    honest, calls = weights.chunks, []

    def interrupted(pieces):
        calls.append(1)
        for number, chunk in enumerate(honest(pieces)):
            if len(calls) == 2 and number == 1:  # the first call only hashes
                raise KeyboardInterrupt
            yield chunk

    monkeypatch.setattr(weights, "chunks", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_fold(path, known_fold)
    assert len(calls) == 2
    assert os.listdir(tmp_path) == ["a.fold"]
    assert path.read_bytes() == before


FILE_LIMIT = """\
import os, resource, signal, sys
import numpy as np
from planefold.core.errors import FileError
from planefold.saving import Fold, write_fold
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_fold(sys.argv[1], Fold(manifest={}, weights={"w": np.ones(int(sys.argv[2]))}))
except FileError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
@pytest.mark.parametrize("n_weights", [12_400, 1_000_000])  # the limit comes in the last entries, or in the weights
def test_a_limit_that_the_system_really_enforces_leaves_the_older_model(n_weights, known_fold, tmp_path):
    path = write_fold(tmp_path / "a.fold", known_fold)
    before = path.read_bytes()
    arguments = [sys.executable, "-W", "error", "-c", FILE_LIMIT, str(path), str(n_weights)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert "larger than this system allows" in done.stdout
    assert done.stderr == ""  # nothing is complained about when Python cleans up
    assert os.listdir(tmp_path) == ["a.fold"]
    assert path.read_bytes() == before


def test_a_folder_that_does_not_exist_is_said_with_a_hint(known_fold, tmp_path):
    with pytest.raises(MissingFileError, match=r'models" does not exist(.|\n)*mkdir'):
        write_fold(tmp_path / "models" / "a.fold", known_fold)


# -------------------------------------------------------------------------------------------------- versions


def test_a_newer_minor_version_is_read(make):
    assert read_fold(make({"format_version": [1, 7], "new": 1})).manifest["new"] == 1


def test_a_newer_major_version_is_refused_by_name_whatever_else_it_holds(make):
    entries = make.entries({"format_version": [2, 0], "versions": {"planefold": "9.1"}, "entries": 3})
    entries["new.bin"] = b""
    del entries["prep.json"]
    make.path.write_bytes(make.pack(entries))
    with pytest.raises(ModelFileError) as caught:
        read_fold(make.path)
    assert "newer planefold ('9.1'), in format 2.0; this one reads up to 1.x" in caught.value.details
    assert caught.value.hint == "pip install --upgrade planefold"


@pytest.mark.parametrize("version", [None, "1.0", [1], [1, 0, 0], [1.0, 0], [True, 0], [0, 9], [-1, 0], [1, 10**400]])
def test_a_version_that_is_none_is_refused(version, make):
    with pytest.raises(ModelFileError, match="format_version"):
        read_fold(make({"format_version": version}))


# --------------------------------------------------------------------------------------- summary, missing file

SUMMARY = """\
import sys
from planefold.saving import read_summary
summary = read_summary(sys.argv[1])
print(summary["manifest"]["estimator"], sorted({"numpy", "torch", "safetensors", "pandas"} & set(sys.modules)))
"""


def test_a_summary_needs_neither_numpy_nor_the_weights():
    arguments = [sys.executable, "-W", "error", "-c", SUMMARY, str(GOLDEN / "v1.fold")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout == "MLPClassifier []\n"


def test_a_summary_tells_columns_shapes_and_sizes(known_fold):
    path = GOLDEN / "v1.fold"
    summary = read_summary(path)
    assert summary["schema"] == known_fold.schema
    assert summary["tensors"]["layers.0.weight"] == {"dtype": "F32", "shape": [2, 2]}
    assert summary["file_size"] == path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        assert summary["sizes"] == {info.filename: info.file_size for info in archive.infolist()}


@pytest.mark.parametrize("read", [read_fold, read_summary])
def test_a_missing_file_is_answered_with_the_nearest_name(read, known_fold, tmp_path):
    write_fold(tmp_path / "titanic.fold", known_fold)
    for typed in ("titanik.fold", "titanic"):
        with pytest.raises(MissingFileError) as caught:
            read(tmp_path / typed)
        assert caught.value.hint == f"did you mean {tmp_path / 'titanic.fold'}?"
    with pytest.raises(MissingFileError, match="does not exist or cannot be listed"):
        read(tmp_path / "models" / "titanic.fold")


@pytest.mark.parametrize(("name", "says"), [("", "it is a folder"), ("x" * 300, "too long"), ("a\0b", "zero byte")])
def test_a_path_that_is_no_file_is_an_error_of_ours(name, says, tmp_path):
    with pytest.raises(FileError, match=says):
        read_fold(f"{tmp_path}/{name}")


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_a_pipe_is_refused_rather_than_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.fold")
    with pytest.raises(FileError, match="not a regular file"):
        read_fold(tmp_path / "pipe.fold")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pipe with a name")
def test_a_model_written_to_a_pipe_is_read_back(known_fold, same, tmp_path):
    program = "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())"
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "pipe")], stdout=subprocess.PIPE) as reader:
        write_fold(tmp_path / "pipe", known_fold)
        assert reader.stdout is not None
        (tmp_path / "a.fold").write_bytes(reader.stdout.read())
    same(read_fold(tmp_path / "a.fold"), known_fold)


def test_unknown_public_names_are_attribute_errors():
    import planefold.saving

    assert "read_fold" in dir(planefold.saving)
    with pytest.raises(AttributeError, match="no attribute 'pickle'"):
        _ = planefold.saving.pickle


def test_weights_above_the_limit_are_refused_before_anything_is_written(monkeypatch, tmp_path):
    monkeypatch.setattr("planefold.saving.weights.MAX_BYTES", 1000)
    with pytest.raises(ModelFileError, match="at most 1000"):
        write_fold(tmp_path / "a.fold", Fold(manifest={}, weights={"w": np.ones(100), "v": np.ones(100)}))


def test_files_above_two_gibibytes_are_laid_out_so_that_they_can_be_read(known_fold, same, tmp_path, monkeypatch):
    # Lowering zipfile's own limit gives the 64-bit layout without writing gigabytes.
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 200)
    path = write_fold(tmp_path / "a.fold", known_fold)
    monkeypatch.undo()
    assert b"PK\6\7" in path.read_bytes()
    same(read_fold(path), known_fold)
    assert zipfile.ZipFile(io.BytesIO(path.read_bytes())).testzip() is None
