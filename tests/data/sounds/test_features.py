"""Pictures of sound: librosa's numbers, stored and live; sizes, silence, pieces and bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from planefold.core.errors import DataError, ModelFileError, ParameterError
from planefold.data.sounds import KINDS, SoundFeatures, Sounds, chroma, feature_pictures, mel, spectrogram
from planefold.data.sounds.resizing import weights_of

FUNCTIONS = {"spectrogram": spectrogram, "mel": mel, "chroma": chroma}
NAMES = ("chirp", "noise", "chord")
NEAR = 1e-3  # decibels


@pytest.fixture(scope="module")
def stored() -> Any:
    with np.load(Path(__file__).with_name("librosa.npz"), allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope="module")
def waves(stored: Any) -> np.ndarray:
    return np.array([stored[name] for name in NAMES]).astype(np.float32) / 32768


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_those_that_librosa_gave(kind: str, stored: Any, waves: np.ndarray) -> None:
    expected = np.array([stored[f"{kind}_{name}"] for name in NAMES])
    found = FUNCTIONS[kind](waves)
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    assert np.abs(found - expected).max() < NEAR


def test_other_settings_give_the_numbers_that_librosa_gave(stored: Any, waves: np.ndarray) -> None:
    short = {"rate": 16_000, "n_fft": 512, "hop_length": 200}
    for i, name in enumerate(NAMES):
        found = mel(waves[i], n_mels=40, fmin=50, fmax=7_000, **short)
        assert np.abs(found - stored[f"other_mel_{name}"]).max() < NEAR
        assert np.abs(chroma(waves[i], tuning=0.3, **short) - stored[f"other_chroma_{name}"]).max() < NEAR


@pytest.mark.filterwarnings("ignore:n_fft=2048 is too large")  # librosa's, for sounds shorter than a frame
@pytest.mark.parametrize("n_samples", [1, 700, 2047, 22_050, 60_001])
@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100])
def test_numbers_are_those_of_librosa_itself(n_samples: int, rate: int) -> None:
    librosa = pytest.importorskip("librosa")
    n_mels = 40 if rate == 8_000 else 128
    random = np.random.default_rng(n_samples)
    clicks = random.normal(size=n_samples) * (random.random(n_samples) < 0.01) + 1e-3
    for y in (random.normal(0, 0.2, n_samples), np.cumsum(random.normal(0, 0.01, n_samples)), clicks):
        y = y.astype(np.float32)
        expected = {
            "spectrogram": librosa.amplitude_to_db(np.abs(librosa.stft(y)), ref=np.max),
            "mel": librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=rate, n_mels=n_mels), ref=np.max),
            "chroma": librosa.power_to_db(librosa.feature.chroma_stft(y=y, sr=rate, tuning=0.0), ref=np.max),
        }
        for kind, values in expected.items():
            more = {"n_mels": n_mels} if kind == "mel" else {}
            assert np.abs(FUNCTIONS[kind](y, rate, **more) - values).max() < NEAR, kind


def test_a_tone_is_where_it_is() -> None:
    y = np.sin(2 * np.pi * 3_000 * np.arange(22_050) / 22_050)
    picture = spectrogram(y)
    assert picture.shape == (1025, 44)
    assert picture[:, 20].argmax() == round(3_000 * 2048 / 22_050)
    assert picture.max() == 0
    assert picture.min() == -80


@pytest.mark.parametrize("kind", KINDS)
def test_loudness_changes_nothing(kind: str, waves: np.ndarray) -> None:
    assert np.abs(FUNCTIONS[kind](waves * 0.25) - FUNCTIONS[kind](waves)).max() < NEAR


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [None, (32, 256)])
def test_silence_is_quiet_everywhere(kind: str, size: Any) -> None:
    rows = np.zeros((3, 5_000), np.float32)
    if kind != "chroma":  # which makes the most of each frame, however quiet, as librosa's does
        rows[1] = 1e-9  # below librosa's least power
    rows[2, 100] = 0.5
    found = FUNCTIONS[kind](rows, size=size)
    assert np.isfinite(found).all()
    assert found.min() >= -80
    assert found.max() <= 0
    assert np.abs(found[:2] + 80).max() < 1e-4
    assert found[2].max() > -80


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_has_one_picture_whatever_it_is_read_with(kind: str, waves: np.ndarray) -> None:
    many = np.tile(waves, (40, 1))
    single = np.array([FUNCTIONS[kind](wave) for wave in waves])
    for n_jobs in (1, 3):
        found = FUNCTIONS[kind](many, n_jobs=n_jobs)
        assert np.abs(found - np.tile(single, (40, 1, 1))).max() < 1e-5


def test_a_long_sound_is_the_same_in_pieces() -> None:
    y = np.random.default_rng(0).normal(0, 0.1, 200_000).astype(np.float32)
    scale = np.abs(torch.stft(torch.from_numpy(y).double(), 2048, 512, window=torch.hann_window(2048).double(),
                              pad_mode="constant", return_complex=True).numpy())  # fmt: skip
    expected = np.maximum(20 * np.log10(scale / scale.max()), -80)
    assert np.abs(spectrogram(y) - expected).max() < NEAR


@given(n_in=st.integers(1, 70), n_out=st.integers(1, 70))
def test_resizing_is_that_of_torch(n_in: int, n_out: int) -> None:
    lines = torch.from_numpy(np.random.default_rng(n_in).normal(size=(1, 1, 3, n_in)))
    expected = torch.nn.functional.interpolate(lines, (3, n_out), mode="bilinear", antialias=True)[0, 0].numpy()
    assert np.allclose((weights_of(n_in, n_out) @ lines[0, 0].numpy().T).T, expected, atol=1e-5)


def test_sized_pictures_are_those_of_pillow(waves: np.ndarray) -> None:
    for kind in KINDS:
        whole, sized = FUNCTIONS[kind](waves), FUNCTIONS[kind](waves, size=(32, 256))
        assert sized.shape == (3, 32, 256)
        for picture, found in zip(whole, sized, strict=True):
            image = Image.fromarray(np.ascontiguousarray(picture))
            expected = np.asarray(image.resize((256, 32), Image.Resampling.BILINEAR))
            assert np.abs(found - expected).max() < NEAR


def test_pictures_for_a_network_have_a_channel(waves: np.ndarray) -> None:
    sounds = Sounds(waves=waves, rate=22_050, files=NAMES)
    assert feature_pictures(sounds).shape == (3, 1, 128, 7)
    sized = SoundFeatures(kind="chroma", size=(12, 20))
    assert feature_pictures(sounds, sized).shape == (3, 1, *sized.shape(waves.shape[1]))
    assert np.array_equal(feature_pictures(sounds, "mel")[:, 0], mel(waves))


def test_sounds_of_another_rate_are_refused(waves: np.ndarray) -> None:
    with pytest.raises(DataError, match="16,000 samples a second, not 22,050"):
        feature_pictures(Sounds(waves=waves, rate=16_000), SoundFeatures())


def test_a_sound_that_is_not_finite_is_refused_by_its_name(waves: np.ndarray) -> None:
    for bad in (np.nan, np.inf, 1e30):
        rows = waves.copy()
        rows[1, 1_000] = bad
        for kind in KINDS:
            with pytest.raises(DataError, match="noise has samples that are nan"):
                feature_pictures(Sounds(waves=rows, rate=22_050, files=NAMES), kind)
        with pytest.raises(DataError, match="sound 1 "):
            mel(rows)


def test_samples_must_be_numbers_between_one_and_minus_one() -> None:
    with pytest.raises(DataError, match="int16"):
        mel(np.zeros((2, 100), np.int16))
    for shape in ((0,), (2, 0), (1, 2, 3)):
        with pytest.raises(DataError, match="samples of shape"):
            mel(np.zeros(shape))


def test_no_sounds_have_no_pictures() -> None:
    assert mel(np.zeros((0, 4_000))).shape == (0, 128, 8)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"kind": "mell"}, "did you mean 'mel'"),
        ({"n_fft": 2047}, "even"),
        ({"n_fft": 0}, "n_fft=0"),
        ({"hop_length": 0}, "hop_length=0"),
        ({"hop_length": 2.5}, "hop_length=2.5"),
        ({"n_mels": True}, "n_mels=True"),
        ({"rate": 10}, "rate=10"),
        ({"size": (32,)}, "size"),
        ({"size": (32, 0)}, "a side of size=0"),
        ({"top_db": -80}, "top_db=-80"),
        ({"top_db": float("nan")}, "top_db=nan"),
        ({"fmax": 20_000}, "fmax=20000"),
        ({"fmin": 9_000, "fmax": 8_000}, "below fmax"),
        ({"rate": 8_000, "n_fft": 128}, "hold no frequency"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        SoundFeatures(**settings)


def test_settings_survive_a_file() -> None:
    for settings in (SoundFeatures(), SoundFeatures(kind="chroma", size=(12, 64), tuning=0.5, fmax=4_000.0)):
        assert SoundFeatures.from_json(settings.to_json()) == settings
    good = SoundFeatures().to_json()
    for bad in ({}, {**good, "n_fft": "2048"}, {**good, "n_fft": 10**9}, {**good, "size": [1]}, {**good, "more": 1}, 3):
        with pytest.raises(ModelFileError):
            SoundFeatures.from_json(bad)


def test_nothing_of_the_process_is_changed(waves: np.ndarray) -> None:
    before = torch.get_num_threads()
    mel(np.tile(waves, (9, 1)), size=(8, 8), n_jobs=2)
    assert torch.get_num_threads() == before
