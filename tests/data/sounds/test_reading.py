"""Reading sounds: from every kind of source, to one rate and one length."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import wavfile
from scipy.signal import resample_poly

from planefold.core.errors import DataError, MissingFileError, ParameterError
from planefold.data.sounds import SoundFeatures, Sounds, feature_pictures, read_sounds
from planefold.data.sounds.decoding import resample

Write = Callable[..., Path]
RATE = 8_000


def tone(n: int = RATE, rate: int = RATE, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(n) / rate)).astype(np.float32)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a WAV file of float32 below the test's folder: ``write("yes/1.wav", wave, rate=8000)``."""

    def to(name: str, samples: Any = None, rate: int = RATE) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        wavfile.write(path, rate, tone() if samples is None else np.asarray(samples))
        return path

    return to


# ---------------------------------------------------------------------------------------------------------- sources


def test_folders_are_classes_and_names_are_in_the_order_of_people(write: Write, tmp_path: Path) -> None:
    for name in ("yes/clip10.wav", "yes/clip9.WAV", "no/b [1].wav", "no/a b.wav", ".hidden/x.wav", "no/._b.wav"):
        write(name)
    (tmp_path / "no" / "notes.txt").write_text("nothing")
    (tmp_path / "maybe").mkdir()
    sounds = read_sounds(tmp_path, rate=RATE)
    assert sounds.files == ("no/a b.wav", "no/b [1].wav", "yes/clip9.WAV", "yes/clip10.wav")
    assert sounds.labels is not None
    assert sounds.labels.tolist() == ["no", "no", "yes", "yes"]
    assert sounds.waves.shape == (4, RATE)
    assert np.abs(sounds.waves - tone()).max() < 1e-7
    assert len(sounds.notes) == 1
    assert "maybe" in sounds.notes[0]


def test_a_flat_folder_a_file_and_a_list_have_no_labels(write: Write, tmp_path: Path) -> None:
    paths = [write("b.wav"), write("a.wav", tone(hertz=500))]
    for source, files in [(tmp_path, ("a.wav", "b.wav")), (paths[0], ("b.wav",)), (paths, tuple(map(str, paths)))]:
        sounds = read_sounds(source, rate=RATE)
        assert sounds.files == files
        assert sounds.labels is None
        assert len(sounds) == len(files)


def test_tables_name_files_and_labels(write: Write, tmp_path: Path) -> None:
    write("s/1.wav")
    write("s/2.wav", tone(hertz=300))
    frame = pd.DataFrame({"who": ["x", "y"], "path": ["s/2.wav", "s/1.wav"], "label": ["no", "yes"]})
    frame.to_csv(tmp_path / "table.csv", index=False)
    for source, more in [
        (tmp_path / "table.csv", {}),
        (frame, {"folder": tmp_path}),
        (frame.to_dict("records"), {"folder": tmp_path}),
        (frame.to_dict("list"), {"folder": tmp_path, "column": "path", "target": "label"}),
    ]:
        sounds = read_sounds(source, rate=RATE, **more)
        assert sounds.files == ("s/2.wav", "s/1.wav")
        assert sounds.labels is not None
        assert sounds.labels.tolist() == ["no", "yes"]
        assert np.abs(sounds.waves[1] - tone()).max() < 1e-7
    with pytest.raises(DataError, match="no column with paths"):
        read_sounds(frame[["who", "label"]])
    with pytest.raises(DataError, match="2 columns with paths"):
        read_sounds({"a": ["1.wav"], "b": ["2.wav"]})
    with pytest.raises(DataError, match="row 2"):
        read_sounds({"a": ["1.wav", None]}, column="a")


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32, np.float64])
def test_arrays_of_every_type_are_read(dtype: Any) -> None:
    wave = np.array([-1, -0.5, 0, 0.5])
    half = 2.0 ** (8 * np.dtype(dtype).itemsize - 1)
    X = wave if np.dtype(dtype).kind == "f" else wave * half + (half if dtype is np.uint8 else 0)
    sounds = read_sounds(np.tile(X, (3, 1)).astype(dtype), rate=RATE)
    assert sounds.waves.tolist() == [wave.tolist()] * 3
    assert read_sounds(X.astype(dtype), rate=RATE).waves.tolist() == [wave.tolist()]


def test_arrays_must_be_sounds() -> None:
    with pytest.raises(ParameterError, match="do not say how many samples"):
        read_sounds(np.zeros((2, 9)))
    for bad, words in [
        (np.zeros((2, 3, 4)), r"shape \(2, 3, 4\)"),
        (np.zeros((0, 9)), "no sounds"),
        (np.zeros((2, 0)), "sound 0 has shape"),
        (np.zeros((2, 9), np.int64), "int64"),
        (np.zeros((2, 9), bool), "bool"),
        (np.full((2, 9), np.nan), "sound 0 cannot be used"),
        ([np.zeros(3), np.array([0, np.inf])], "sound 1 cannot be used"),
        ([np.zeros(3), np.zeros((2, 2))], "sound 1 has shape"),
    ]:
        with pytest.raises(DataError, match=words):
            read_sounds(bad, rate=RATE)


def test_what_is_no_source_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "readme.txt").write_text("no sounds")
    with pytest.raises(DataError, match=r"there are no sounds(.|\n)*1 \.txt"):
        read_sounds(tmp_path / "empty")
    with pytest.raises(MissingFileError, match="does not exist"):
        read_sounds(tmp_path / "missing")
    with pytest.raises(DataError, match=r"missing\.wav(.|\n)*no such file"):
        read_sounds([str(tmp_path / "missing.wav")])
    for bad in ([], [1, 2], 3, None, [None]):
        with pytest.raises((DataError, ParameterError)):
            read_sounds(bad)


def test_parts_of_a_data_set_are_no_classes(write: Write, tmp_path: Path) -> None:
    for name in ("train/yes/1.wav", "train/no/1.wav", "test/yes/1.wav", "test/no/1.wav"):
        write(name)
    with pytest.raises(DataError, match="parts of a data set"):
        read_sounds(tmp_path)
    assert len(read_sounds(tmp_path / "train")) == 2


# ---------------------------------------------------------------------------------------------------------- lengths


def test_one_long_sound_among_short_ones_is_cut_and_told(write: Write, tmp_path: Path) -> None:
    for i in range(3):
        write(f"{i}.wav")
    write("3.wav", np.concatenate([np.zeros(RATE), tone(), np.zeros(RATE)]).astype(np.float32))
    write("4.wav", tone(RATE // 2))
    sounds = read_sounds(tmp_path, rate=RATE)
    assert sounds.waves.shape == (5, RATE)
    assert sounds.seconds == 1
    assert sounds.lengths is not None
    assert sounds.lengths.tolist() == [RATE, RATE, RATE, 3 * RATE, RATE // 2]
    assert np.abs(sounds.waves[3] - tone()).max() < 1e-7  # the middle
    assert np.abs(sounds.waves[4, RATE // 4 : -RATE // 4] - tone(RATE // 2)).max() < 1e-7
    assert not sounds.waves[4, : RATE // 4].any()
    assert sounds.notes == (
        "1 of 5 sounds was shorter than 1 s, and got silence at both ends",
        "1 of 5 sounds was longer than 1 s (up to 3 s), and lost both ends",
    )


def test_without_a_common_length_nine_of_ten_are_whole(write: Write, tmp_path: Path) -> None:
    for i in range(1, 11):
        write(f"{i}.wav", tone(i * 400))
    sounds = read_sounds(tmp_path, rate=RATE)
    assert sounds.waves.shape == (10, 9 * 400)


def test_nearly_equal_lengths_are_one() -> None:
    sounds = read_sounds([tone(n) for n in (1000, 1001, 1002, 999, 500)], rate=RATE)
    assert sounds.waves.shape == (5, 1002)


@given(n=st.integers(1, 30), seconds=st.integers(1, 30))
def test_padding_and_cutting_keep_the_middle(n: int, seconds: int) -> None:
    wave = np.arange(1, n + 1, dtype=np.float32)
    found = read_sounds(wave, rate=1000, seconds=seconds / 1000).waves[0]
    assert len(found) == seconds
    kept = found[found != 0]
    assert len(kept) == min(n, seconds)
    assert np.array_equal(np.diff(kept), np.ones(len(kept) - 1))
    ends = (n - kept[-1]) - (kept[0] - 1) if n > seconds else np.flatnonzero(found[::-1])[0] - np.flatnonzero(found)[0]
    assert abs(ends) <= 1


def test_silence_is_read_and_told(write: Write, tmp_path: Path) -> None:
    write("a.wav")
    write("b.wav", np.zeros(RATE, np.int16))
    sounds = read_sounds(tmp_path, rate=RATE)
    assert sounds.notes == ("1 of 2 sounds was silent throughout: b.wav",)
    assert np.isfinite(feature_pictures(sounds, SoundFeatures(rate=RATE, n_mels=40))).all()


def test_more_than_the_memory_is_refused_before_it_is_taken(write: Write) -> None:
    with pytest.raises(DataError, match="GB of memory"):
        read_sounds(write("a.wav"), seconds=1e9)


# ------------------------------------------------------------------------------------------------------------ rates


def test_rates_that_differ_are_brought_to_one(write: Write, tmp_path: Path) -> None:
    for rate in (8_000, 16_000, 44_100, 48_000):
        write(f"{rate}.wav", tone(rate, rate), rate)
    write("another.wav", tone(16_000, 16_000), 16_000)
    usual = read_sounds(tmp_path)
    assert (usual.rate, usual.waves.shape) == (22_050, (5, 22_050))
    expected = tone(22_050, 22_050)
    assert np.abs(usual.waves - expected)[:, 400:-400].max() < 2e-3
    assert "5 of 5 sounds were brought to 22,050 Hz: 1 from 8,000 Hz, 2 from 16,000 Hz" in usual.notes[0]
    assert read_sounds(tmp_path, rate="auto").rate == 16_000


@pytest.mark.parametrize(
    ("rate_from", "rate_to"), [(16_000, 22_050), (44_100, 16_000), (8_000, 8_001), (48_000, 8_000)]
)
def test_resampling_is_that_of_scipy(rate_from: int, rate_to: int) -> None:
    wave = np.random.default_rng(0).normal(size=3_001).astype(np.float32)
    divisor = int(np.gcd(rate_from, rate_to))
    expected = resample_poly(wave, rate_to // divisor, rate_from // divisor)
    found = resample(wave, rate_from, rate_to)
    assert found.dtype == np.float32
    assert len(found) == -(-3_001 * rate_to // rate_from)
    assert np.abs(found - expected).max() < 1e-5


def test_what_the_lower_rate_cannot_hold_is_taken_away() -> None:
    above = tone(48_000, 48_000, 9_000)  # would come back as a tone of 1,000 Hz at 8,000 a second
    assert np.abs(resample(above, 48_000, 8_000)[200:-200]).max() < 2e-3


# ------------------------------------------------------------------------------------------------------------- more


@pytest.mark.parametrize("rate", [0, 10, 2.5, "fast", True, 10**7])
def test_rates_that_cannot_be_are_refused(rate: Any) -> None:
    with pytest.raises(ParameterError, match="rate="):
        read_sounds(np.zeros(9), rate=rate)


@pytest.mark.parametrize("seconds", [0, -1, "long", None, float("nan"), float("inf"), True])
def test_lengths_that_cannot_be_are_refused(seconds: Any) -> None:
    with pytest.raises(ParameterError, match="seconds="):
        read_sounds(np.zeros(9), rate=RATE, seconds=seconds)


def test_other_parameters_that_cannot_be_are_refused() -> None:
    with pytest.raises(ParameterError, match="errors="):
        read_sounds(np.zeros(9), rate=RATE, errors="ignore")
    with pytest.raises(ParameterError, match="n_jobs="):
        read_sounds(np.zeros(9), rate=RATE, n_jobs=0)


def test_threads_change_nothing(write: Write, tmp_path: Path) -> None:
    for i in range(20):
        write(f"{i}.wav", tone(RATE + 10 * i, hertz=100 + 50 * i))
    one, four = (read_sounds(tmp_path, n_jobs=n_jobs) for n_jobs in (1, 4))
    assert np.array_equal(one.waves, four.waves)
    assert one.files == four.files
    assert one.notes == four.notes


def test_a_part_of_the_sounds_keeps_what_belongs_to_it(write: Write, tmp_path: Path) -> None:
    for name in ("a/1.wav", "a/2.wav", "b/1.wav"):
        write(name)
    sounds = read_sounds(tmp_path, rate=RATE)
    some = sounds[np.array([False, True, True])]
    assert some.files == ("a/2.wav", "b/1.wav")
    assert some.labels is not None
    assert some.labels.tolist() == ["a", "b"]
    assert len(some) == 2


def test_sounds_that_were_read_are_taken_as_they_are_or_changed() -> None:
    sounds = Sounds(waves=np.tile(tone(), (2, 1)), rate=RATE, files=("a", "b"))
    assert read_sounds(sounds) is sounds
    assert read_sounds(sounds, rate=RATE, seconds=1) is sounds
    changed = read_sounds(sounds, rate=16_000, seconds=0.5)
    assert changed.waves.shape == (2, 8_000)
    assert changed.files == ("a", "b")


def test_a_table_has_a_row_for_each_sound(write: Write, tmp_path: Path) -> None:
    for name in ("a/1.wav", "b/1.wav"):
        write(name)
    sounds = read_sounds(tmp_path)
    table = sounds.to_table()
    assert table.names[:3] == ("label", "file", "pixel_0")
    assert len(table.names) == 2 + 32 * 256
    small = SoundFeatures(size=(4, 5))
    pixels = np.array([sounds.to_table(small)[f"pixel_{i}"] for i in range(20)]).T
    assert np.array_equal(pixels, feature_pictures(sounds, small).reshape(2, 20))


def test_real_recordings_are_read(data_dir: Path) -> None:
    sounds = read_sounds(data_dir / "speech_commands_4" / "test", rate="auto")
    assert sounds.rate == 16_000
    assert sounds.waves.shape == (136, 16_000)
    assert sounds.labels is not None
    assert sorted(set(sounds.labels)) == ["go", "no", "stop", "yes"]
    _, first = wavfile.read(data_dir / "speech_commands_4" / "test" / sounds.files[0])
    assert np.array_equal(sounds.waves[0], first.astype(np.float32) / 32768)
