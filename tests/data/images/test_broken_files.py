"""Files that cannot be read: named with the reason, counted, and skipped or refused as asked."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from planefold.core.errors import DataError, ParameterError
from planefold.data.images import read_pictures


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _bomb(side: int = 50_000) -> bytes:
    """A PNG of a few hundred bytes whose header asks for gigabytes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


GOOD = _png(Image.fromarray(np.arange(2000, dtype=np.uint32).astype(np.uint8).reshape(50, 40)))
BROKEN = {
    "empty.png": (b"", "the file is empty"),
    "text.png": (b"this is not a picture at all\n", "it is text, not a picture"),
    "other.png": (b"\x00\x01\x02\x03" * 20, "it is no picture of a known format"),
    "short.png": (GOOD[:60], "truncated"),
    "header.png": (GOOD[:20], "damaged PNG"),
    "bomb.png": (_bomb(), "50,000 x 50,000 pixels are more than 100,000,000"),
    "script.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it is text, not a picture"),
    "page.png": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it is text, not a picture"),
}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Two good pictures of each of two classes, and all that is broken beside them."""
    folder = tmp_path / "mixed"
    for name in ("cat/1.png", "dog/1.png", "dog/zz.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(GOOD)
    for name, (raw, _) in BROKEN.items():
        (folder / "cat" / name).write_bytes(raw)
    return folder


@pytest.mark.parametrize("name", BROKEN)
def test_each_is_refused_by_name_with_its_reason(tmp_path: Path, name: str) -> None:
    raw, reason = BROKEN[name]
    path = tmp_path / name
    path.write_bytes(raw)
    for size in ("auto", None, (8, 8)):
        with pytest.raises(DataError, match="is no picture that can be read") as caught:
            read_pictures(path, size=size)
        assert name in caught.value.what
        assert reason in str(caught.value.details)


def test_all_are_counted_before_any_is_refused(mixed: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_pictures(mixed)
    assert f"{len(BROKEN)} of {len(BROKEN) + 3} pictures in {mixed} cannot be read" in caught.value.what
    assert "cat/bomb.png (50,000 x 50,000 pixels" in str(caught.value.details)
    assert "skip" in str(caught.value.hint)


@pytest.mark.parametrize("size", ["auto", None, 20, (7, 9)])
@pytest.mark.parametrize("n_jobs", [1, 3])
def test_all_are_skipped_when_asked_and_the_others_stay_in_place(mixed: Path, size: Any, n_jobs: int) -> None:
    with pytest.warns(UserWarning, match=rf"^{len(BROKEN)} of {len(BROKEN) + 3} pictures left out: cat/"):
        pictures = read_pictures(mixed, errors="skip", size=size, n_jobs=n_jobs)
    assert pictures.files == ("cat/1.png", "dog/1.png", "dog/zz.png")
    assert pictures.labels is not None
    assert pictures.labels.tolist() == ["cat", "dog", "dog"]
    assert {name.removeprefix("cat/") for name, _ in pictures.skipped} == set(BROKEN)
    expected = read_pictures([GOOD], size=size).pixels[0]
    assert all(np.array_equal(pixels, expected) for pixels in pictures.pixels)


def test_a_folder_with_nothing_but_broken_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "b.png").write_bytes(b"x")
    with pytest.raises(DataError, match="2 of 2 pictures") as caught:
        read_pictures(tmp_path, errors="skip")
    assert caught.value.hint is None


def test_a_bomb_takes_no_memory(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(_bomb())
    (tmp_path / "b.png").write_bytes(GOOD)
    tracemalloc.start()
    with pytest.raises(DataError, match="50,000 x 50,000"):
        read_pictures(tmp_path, size=(10, 10))
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_the_limit_is_ours_and_can_be_moved(tmp_path: Path) -> None:
    raw = _png(Image.new("1", (10_000, 9_000)))  # more than Pillow warns of
    with pytest.raises(DataError, match="9,000 x 10,000 pixels are more than 1,000,000"):
        read_pictures([raw], max_pixels=1_000_000)
    assert read_pictures([raw]).shape == (1, 86, 96, 1)


def test_pipes_and_folders_in_a_list_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="it is a folder"):
        read_pictures([tmp_path])
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        with pytest.raises(DataError, match="not a regular file"):
            read_pictures(tmp_path)
    with pytest.raises(DataError, match="there is no such file"):
        read_pictures([tmp_path / "missing.png"])
    with pytest.raises(DataError, match="null"):
        read_pictures(["a\0b.png"])


def test_no_program_is_started_for_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    # Pillow reads EPS by Ghostscript; a picture's name says nothing about what is in it.
    import subprocess

    monkeypatch.setattr(subprocess, "Popen", None)
    raw = b"\xc5\xd0\xd3\xc6" + bytes(26) + b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    with pytest.raises(DataError, match="no picture of a known format"):
        read_pictures([raw])


@settings(max_examples=150)
@given(
    kind=st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000"]),
    cut=st.integers(0, 3000),
    damage=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=6),
)
def test_damage_of_any_kind_is_a_picture_or_an_error_of_ours(kind: str, cut: int, damage: list[Any]) -> None:
    file = io.BytesIO()
    Image.fromarray(np.arange(27 * 33 * 3, dtype=np.uint32).astype(np.uint8).reshape(27, 33, 3)).save(file, kind)
    raw = bytearray(file.getvalue())
    for place, byte in damage:
        raw[place % len(raw)] = byte
    try:
        pictures = read_pictures([bytes(raw[: len(raw) - cut % len(raw)])], max_pixels=10**6)
    except DataError:
        return
    assert pictures.pixels.dtype == np.uint8
    assert len(pictures) == 1


def test_different_sizes_are_refused_where_sizes_shall_stay(save: Any, tmp_path: Path) -> None:
    save("a.png", size=(4, 5)), save("b.png", size=(4, 5)), save("c.png", size=(5, 4))
    with pytest.raises(DataError, match=r"c.png is 5 x 4, a.png is 4 x 5 \(height x width\)"):
        read_pictures(tmp_path, size=None)


def test_a_late_picture_of_another_size_is_found_although_few_are_looked_at_first(save: Any, tmp_path: Path) -> None:
    for i in range(40):
        save(f"{i}.png", size=(4, 5) if i != 30 else (9, 5))
    with pytest.raises(DataError, match=r"30.png is 9 x 5"):
        read_pictures(tmp_path, size=None)
    assert read_pictures(tmp_path).shape == (40, 4, 5, 1)


def test_the_commonest_size_counts_although_others_are_looked_at_first(save: Any, tmp_path: Path) -> None:
    for i in range(50):  # 16 of them are looked at first, evenly spaced
        save(f"{i}.png", size=(8, 8) if i in np.linspace(0, 49, 16).astype(int) else (4, 5))
    assert read_pictures(tmp_path).shape == (50, 4, 5, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "a side has 1 to"),
        ({"size": "big"}, "is no size"),
        ({"size": (3, 4, 5)}, "is no size"),
        ({"size": (3,)}, "has one number"),
        ({"size": True}, "is no size"),
        ({"size": 2.5}, "is no size"),
        ({"color": "gray"}, r"choose one of: 'auto', 'grey', 'rgb'\n  hint: did you mean 'grey'\?"),
        ({"errors": "ignore"}, "choose one of: 'raise', 'skip'"),
        ({"n_jobs": 0}, "must be a number of threads"),
        ({"cache": 3}, "must be True or a folder"),
        ({"white": -1}, "must be a number above 0"),
    ],
)
def test_parameters_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        read_pictures([GOOD], **options)


def test_more_than_the_machine_has_is_refused_before(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"GB of memory\n  hint: a smaller size="):
        read_pictures([GOOD] * 10_000, size=(10_000, 10_000))


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_ctrl_c_stops_at_once(monkeypatch: pytest.MonkeyPatch, n_jobs: int) -> None:
    from planefold.data.images import formats

    done: list[int] = []
    plain = formats.plain

    def interrupted(image: Image.Image) -> Image.Image:
        done.append(1)
        if len(done) == 20:
            raise KeyboardInterrupt
        return plain(image)

    monkeypatch.setattr(formats, "plain", interrupted)
    with pytest.raises(KeyboardInterrupt):
        read_pictures([GOOD] * 1000, n_jobs=n_jobs)
    assert len(done) < 1000  # the other threads end what they are at
