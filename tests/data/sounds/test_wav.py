"""WAV files: every width against SciPy and the standard library, and every way in which one can be damaged."""

from __future__ import annotations

import io
import struct
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import wavfile

from planefold.core.errors import DataError, MissingExtraError
from planefold.data.sounds import read_sounds
from planefold.data.sounds.wav import UnreadableSoundError, read_header, read_samples

RATE = 8_000
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
GUID = b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"  # the end of every known format's long name


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(content) if size is None else size) + content + b"\0" * (len(content) % 2)


def fmt(code: int, n_channels: int, rate: int, bits: int, extra: bytes = b"") -> bytes:
    block = n_channels * bits // 8
    return struct.pack("<HHIIHH", code, n_channels, rate, rate * block % 2**32, block, bits) + extra


def wav(layout: bytes, data: bytes, *, size: int | None = None, before: bytes = b"", riff: int | None = None) -> bytes:
    return chunk(b"RIFF", b"WAVE" + chunk(b"fmt ", layout) + before + chunk(b"data", data, size), riff)


def read(content: bytes) -> np.ndarray:
    file = io.BytesIO(content)
    return read_samples(file, read_header(file))


TONE = (0.5 * np.sin(np.arange(RATE) / 7)).astype(np.float32)
NUMBERS = (TONE * 32768).astype("<i2")
GOOD = wav(fmt(PCM, 1, RATE, 16), NUMBERS.tobytes())


# ------------------------------------------------------------------------------------------- against other readers


@pytest.mark.parametrize("n_channels", [1, 2, 6])
@pytest.mark.parametrize("kind", ["uint8", "int16", "int32", "float32", "float64"])
def test_every_width_is_read_as_scipy_wrote_it(kind: str, n_channels: int, tmp_path: Path) -> None:
    random, path = np.random.default_rng(0), tmp_path / "a.wav"
    dtype = np.dtype(kind)
    if dtype.kind == "f":
        values = random.normal(0, 0.3, (999, n_channels)).astype(dtype)
        scaled = values
    else:
        values = random.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, (999, n_channels), dtype, endpoint=True)
        half = 2.0 ** (8 * dtype.itemsize - 1)
        scaled = values / half - (1 if dtype.kind == "u" else 0)
    wavfile.write(path, 11_025, values[:, 0] if n_channels == 1 else values)
    sounds = read_sounds(path, rate="auto")
    assert sounds.rate == 11_025
    assert sounds.lengths is not None
    assert sounds.lengths.tolist() == [999]
    assert sounds.waves.dtype == np.float32
    assert np.abs(sounds.waves[0] - scaled.mean(axis=1)).max() < 1e-6


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_every_width_is_read_as_the_standard_library_wrote_it(width: int) -> None:
    raw, file = np.random.default_rng(0).bytes(width * 2 * 500), io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(width)
        out.setframerate(44_100)
        out.writeframes(raw)
    numbers = [int.from_bytes(raw[i : i + width], "little", signed=width > 1) for i in range(0, len(raw), width)]
    expected = np.array(numbers, float).reshape(-1, 2) / 2 ** (8 * width - 1) - (width == 1)
    assert np.abs(read(file.getvalue()) - expected.mean(axis=1)).max() < 1e-6


def test_soundfile_reads_the_same_24_bits(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    for subtype in ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"):
        for container in ("WAV", "WAVEX"):
            path = tmp_path / f"{subtype}.wav"
            soundfile.write(path, np.stack([TONE, -0.2 * TONE], axis=1), RATE, subtype, format=container)
            expected = soundfile.read(path, dtype="float32")[0].mean(axis=1)
            assert np.abs(read(path.read_bytes()) - expected).max() < 1e-6


@pytest.mark.parametrize(("code", "bits"), [(PCM, 16), (PCM, 24), (FLOAT, 32)])
def test_extensible_headers_say_their_format_at_the_end(code: int, bits: int) -> None:
    extra = struct.pack("<HHIH", 22, bits, 4, code) + GUID
    data = {16: NUMBERS.tobytes(), 24: b"\1\2\3" * 10, 32: TONE.tobytes()}[bits]
    assert np.array_equal(
        read(wav(fmt(EXTENSIBLE, 1, RATE, bits, extra), data)), read(wav(fmt(code, 1, RATE, bits), data))
    )


def test_chunks_of_any_name_and_odd_length_are_passed_over() -> None:
    before = chunk(b"LIST", b"odd") + chunk(b"junk", b"")
    assert np.array_equal(read(wav(fmt(PCM, 1, RATE, 16), NUMBERS.tobytes(), before=before)), read(GOOD))
    assert np.array_equal(read(GOOD + chunk(b"LIST", b"after")), read(GOOD))


def test_twelve_bits_lie_at_the_upper_end_of_sixteen() -> None:
    layout = struct.pack("<HHIIHH", PCM, 1, RATE, 2 * RATE, 2, 12)
    assert np.array_equal(read(wav(layout, NUMBERS.tobytes())), read(GOOD))


@pytest.mark.parametrize(("size", "riff"), [(0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, None), (0, 0), (0, 36)])
def test_a_recording_that_was_never_finished_is_read_to_its_end(size: int, riff: int | None) -> None:
    assert np.array_equal(read(wav(fmt(PCM, 1, RATE, 16), NUMBERS.tobytes(), size=size, riff=riff)), read(GOOD))


def test_half_a_frame_at_the_end_is_left_away() -> None:
    assert len(read(wav(fmt(PCM, 2, RATE, 16), NUMBERS[:9].tobytes()))) == 4


# ----------------------------------------------------------------------------------------------------- damaged files

DAMAGED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty: 0 bytes"),
    "text": (b"Dear Sir or Madam, hear this.", "it is a text"),
    "short_text": (b"hi", "it is a text"),
    "picture": (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "no sound of a kind"),
    "other_riff": (chunk(b"RIFF", b"AVI " + b"\0" * 20), "header is damaged, or it is no WAV"),
    "only_riff": (GOOD[:12], "says nothing of the format"),
    "no_data": (chunk(b"RIFF", b"WAVE" + chunk(b"fmt ", fmt(PCM, 1, RATE, 16))), "has no samples"),
    "no_fmt": (chunk(b"RIFF", b"WAVE" + chunk(b"data", b"\0" * 8)), "says nothing of the format"),
    "short_fmt": (wav(fmt(PCM, 1, RATE, 16)[:10], b"\0" * 8), "is cut off"),
    "zero_length": (wav(fmt(PCM, 1, RATE, 16), b""), "no samples"),
    "less_than_a_frame": (wav(fmt(PCM, 4, RATE, 16), b"\0" * 6), "no samples"),
    "cut_off": (GOOD[:5_000], r"cut off: 16,000 bytes of samples are announced, 4,956 are there"),
    "no_channels": (wav(fmt(PCM, 0, RATE, 16), b"\0" * 8), "0 channels"),
    "many_channels": (wav(fmt(PCM, 60_000, RATE, 8), b"\0" * 8), "60000 channels"),
    "no_rate": (wav(fmt(PCM, 1, 0, 16), b"\0" * 8), "0 samples a second"),
    "huge_rate": (wav(fmt(PCM, 1, 2**32 - 1, 16), b"\0" * 8), "4,294,967,295 samples a second"),
    "odd_bits": (wav(fmt(PCM, 1, RATE, 13), b"\0" * 8), "13 bits a sample"),
    "no_bits": (wav(fmt(PCM, 1, RATE, 0), b"\0" * 8), "0 bits a sample"),
    "float_of_16_bits": (wav(fmt(FLOAT, 1, RATE, 16), b"\0" * 8), "16 bits a sample"),
    "endless_chunk": (GOOD[:12] + b"LIST" + b"\xff" * 4 + GOOD[12:], "says nothing of the format"),
    "nan": (wav(fmt(FLOAT, 1, RATE, 32), np.array([0, np.nan], "<f4").tobytes()), "1 of its 2 samples are nan"),
    "inf": (wav(fmt(FLOAT, 1, RATE, 32), np.array([0, -np.inf], "<f4").tobytes()), "infinite"),
    "beyond_float32": (wav(fmt(FLOAT, 1, RATE, 64), np.array([0, 1e300], "<f8").tobytes()), "infinite"),
    "no_loudness": (wav(fmt(FLOAT, 1, RATE, 32), np.array([0, 1e20], "<f4").tobytes()), "no loudness"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused_by_its_name(name: str, tmp_path: Path) -> None:
    content, words = DAMAGED[name]
    path = tmp_path / f"{name}.wav"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words) as caught:
        read_sounds(path)
    assert f"{name}.wav" in caught.value.what


def test_damaged_files_among_good_ones_are_named_or_left_out(tmp_path: Path) -> None:
    for name, (content, _) in DAMAGED.items():
        (tmp_path / f"{name}.wav").write_bytes(content)
    (tmp_path / "good.wav").write_bytes(GOOD)
    with pytest.raises(DataError, match=f"of the {len(DAMAGED) + 1} sounds of .* cannot be read") as caught:
        read_sounds(tmp_path)
    assert caught.value.hint is not None
    assert 'errors="skip"' in caught.value.hint
    sounds = read_sounds(tmp_path, errors="skip")
    assert sounds.files == ("good.wav",)
    assert {name for name, _ in sounds.skipped} == {f"{name}.wav" for name in DAMAGED}
    assert any(f"{len(DAMAGED)} of {len(DAMAGED) + 1} sounds were left out" in note for note in sounds.notes)
    (tmp_path / "good.wav").unlink()
    with pytest.raises(DataError, match="cannot be read"):
        read_sounds(tmp_path, errors="skip")


@given(at=st.integers(0, 43), value=st.integers(0, 255))
def test_a_wrong_byte_in_the_header_is_refused_or_read(at: int, value: int) -> None:
    content = bytearray(GOOD[:400])
    content[40:44] = struct.pack("<I", 356)
    content[at] = value
    try:
        samples = read(bytes(content))
    except UnreadableSoundError:
        return
    assert samples.dtype == np.float32
    assert 0 < len(samples) <= 356


@given(content=st.binary(max_size=120))
def test_any_bytes_behind_the_first_twelve_are_refused_or_read(content: bytes) -> None:
    try:
        samples = read(GOOD[:12] + content)
    except UnreadableSoundError:
        return
    assert len(samples)


# ------------------------------------------------------------------------------------------------------ the extra


@pytest.fixture
def without_soundfile(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "soundfile", None)


MADE: dict[str, Callable[[], bytes]] = {
    "a.flac": lambda: b"fLaC" + b"\0" * 30,
    "a.ogg": lambda: b"OggS" + b"\0" * 30,
    "a.mp3": lambda: b"\xff\xfb\x90\x00" + b"\0" * 30,
    "tagged.mp3": lambda: b"ID3" + b"\0" * 30,
    "compressed.wav": lambda: wav(fmt(2, 1, RATE, 4), b"\0" * 30),
    "mu_law.wav": lambda: wav(fmt(7, 1, RATE, 8), b"\0" * 30),
}


@pytest.mark.usefixtures("without_soundfile")
@pytest.mark.parametrize("name", MADE)
def test_what_needs_the_extra_names_it_and_the_file(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(MADE[name]())
    (tmp_path / "good.wav").write_bytes(GOOD)
    for errors in ("raise", "skip"):  # a whole kind of files is not silently left out
        with pytest.raises(MissingExtraError, match="soundfile") as caught:
            read_sounds(tmp_path, errors=errors)
        assert name in caught.value.what
        assert caught.value.hint == 'pip install "planefold[sound]"'


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.flac", {}),
        ("a.ogg", {}),
        ("a.mp3", {}),
        ("a.aiff", {}),
        ("mu_law.wav", {"subtype": "ULAW"}),
        ("big_end.wav", {"endian": "BIG"}),
        ("a.au", {}),
        ("a.w64", {}),
    ],
)
def test_other_formats_are_read_with_the_extra(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / name
    soundfile.write(path, np.stack([TONE, TONE], axis=1), RATE, **options)
    sounds = read_sounds(path, rate=RATE)
    assert sounds.waves.shape[0] == 1
    expected = soundfile.read(path, dtype="float32")[0].mean(axis=1)
    assert np.abs(sounds.waves[0] - expected).max() < 1e-6


def test_a_damaged_file_of_another_format_is_refused_by_its_name(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "a.flac"
    soundfile.write(path, TONE, RATE)
    path.write_bytes(path.read_bytes()[:20] + b"\1\2\3" * 9)
    with pytest.raises(DataError, match=r"a\.flac"):
        read_sounds(path)
