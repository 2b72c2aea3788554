"""Pictures kept on the disk: the same pixels, read anew when files change or the copy is damaged."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planefold.core.errors import FileError, ParameterError
from planefold.data.images import Pictures, formats, read_pictures


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each picture that is decoded."""
    done: list[int] = []
    plain = formats.plain
    monkeypatch.setattr(formats, "plain", lambda image: (done.append(1), plain(image))[1])
    return done


def _entries(folder: Path) -> list[str]:
    return sorted(path.suffix for path in folder.iterdir())


def _equal(one: Pictures, other: Pictures) -> None:
    assert np.array_equal(one.pixels, other.pixels)
    assert (one.files, one.skipped, one.source) == (other.files, other.skipped, other.source)
    assert one.labels is not None
    assert other.labels is not None
    assert one.labels.tolist() == other.labels.tolist()


def test_the_second_time_nothing_is_decoded(animals: Path, tmp_path: Path, reads: list[int]) -> None:
    plain = read_pictures(animals)
    first = read_pictures(animals, cache=tmp_path / "c")
    n = len(reads)
    again = read_pictures(animals, cache=str(tmp_path / "c"))
    assert len(reads) == n
    _equal(plain, first), _equal(plain, again)
    assert not again.pixels.flags.writeable
    assert type(again.pixels) is np.ndarray
    assert _entries(tmp_path / "c") == [".json", ".npy"]
    (kept,) = (tmp_path / "c").glob("*.npy")
    assert np.array_equal(np.load(kept, allow_pickle=False), plain.pixels)


def test_size_and_color_have_entries_of_their_own(animals: Path, tmp_path: Path) -> None:
    for options in ({}, {"size": (3, 3)}, {"color": "rgb"}, {"size": 9}):
        _equal(read_pictures(animals, cache=tmp_path / "c", **options), read_pictures(animals, **options))
    assert len(list((tmp_path / "c").glob("*.npy"))) == 4


def test_a_changed_folder_replaces_its_entry(animals: Path, tmp_path: Path, save: Any) -> None:
    cache = tmp_path / "c"
    read_pictures(animals, cache=cache)
    save("animals/dog/3.png")
    assert len(read_pictures(animals, cache=cache)) == 6
    before = os.stat(animals / "dog" / "3.png")
    save("animals/dog/3.png", np.full((6, 5), 9, np.uint8), compress_level=0)
    os.utime(animals / "dog" / "3.png", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (read_pictures(animals, cache=cache).pixels[-1] == 9).all()
    (animals / "dog" / "1.png").unlink()
    assert len(read_pictures(animals, cache=cache)) == 5
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize(
    "damage", ["cut", "flip", "longer", "empty", "gone", "no json", "bad json", "other json", "objects"]
)
def test_a_damaged_entry_is_built_anew(animals: Path, tmp_path: Path, reads: list[int], damage: str) -> None:
    expected = read_pictures(animals, cache=tmp_path / "c")
    expected = Pictures(
        pixels=expected.pixels.copy(), files=expected.files, labels=expected.labels, source=expected.source
    )
    (array,), (about,) = (tmp_path / "c").glob("*.npy"), (tmp_path / "c").glob("*.json")
    raw = bytearray(array.read_bytes())
    if damage in ("cut", "flip", "longer", "empty"):
        raw[-1] ^= damage == "flip"
        array.write_bytes({"cut": raw[:-1], "empty": b"", "longer": raw.replace(b"(5, 6", b"(6, 6")}.get(damage, raw))
    elif damage == "objects":
        np.save(array, np.array([{}], dtype=object), allow_pickle=True)
    elif damage == "gone":
        array.unlink()
    elif damage == "no json":
        about.unlink()
    else:
        about.write_text("{" if damage == "bad json" else json.dumps([1]), encoding="utf-8")
    n = len(reads)
    _equal(read_pictures(animals, cache=tmp_path / "c"), expected)
    assert len(reads) > n
    n = len(reads)
    _equal(read_pictures(animals, cache=tmp_path / "c"), expected)
    assert len(reads) == n


def test_what_was_skipped_is_told_each_time(animals: Path, tmp_path: Path) -> None:
    (animals / "cat" / "a1.png").write_bytes(b"")
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"1 of 6 pictures left out: cat/a1.png \(the file is empty\)"):
            pictures = read_pictures(animals, cache=tmp_path / "c", errors="skip")
        assert (len(pictures), pictures.skipped) == (5, (("cat/a1.png", "the file is empty"),))


def test_nothing_is_left_when_reading_is_stopped(
    animals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(image: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(formats, "plain", stopped)
        with pytest.raises(KeyboardInterrupt):
            read_pictures(animals, cache=tmp_path / "c")
    assert list((tmp_path / "c").iterdir()) == []
    _equal(read_pictures(animals, cache=tmp_path / "c"), read_pictures(animals))


def test_a_cache_that_cannot_be_is_an_error(animals: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileError, match=r"cannot write .*file"):
        read_pictures(animals, cache=tmp_path / "file" / "c")
    with pytest.raises(ParameterError, match="for pictures in files"):
        read_pictures([(animals / "dog" / "1.png").read_bytes()], cache=tmp_path)


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="needs a system that promises room")
def test_a_full_disk_is_an_error_and_leaves_nothing(
    animals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(FileError, match="no space left on the disk"):
        read_pictures(animals, cache=tmp_path / "c")
    assert list((tmp_path / "c").iterdir()) == []


def test_the_usual_place_is_the_users(animals: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("sys.platform", "linux")
    read_pictures(animals, cache=True)
    assert _entries(tmp_path / "home" / "planefold" / "images") == [".json", ".npy"]


def test_lists_of_the_same_files_in_another_order_differ(animals: Path, tmp_path: Path) -> None:
    paths = sorted(animals.glob("dog/[12].png"))
    for order in (paths, paths[::-1], paths):
        found = read_pictures(order, cache=tmp_path / "c")
        assert np.array_equal(found.pixels, read_pictures(order).pixels)
        assert found.files == tuple(map(str, order))


def test_a_file_named_twice_keeps_both_labels(animals: Path, tmp_path: Path) -> None:
    table = {"file": [str(animals / "dog" / "1.png")] * 2, "label": ["good", "bad"]}
    for _ in range(2):
        assert read_pictures(table, cache=tmp_path / "c").labels.tolist() == ["good", "bad"]  # type: ignore[union-attr]
