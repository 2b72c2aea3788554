"""Compute pictures of sound with librosa, for tests that run where it is not installed.

    python tools/make_sound_references.py [tests/data/sounds/librosa.npz]

Made with librosa 0.11.0 and NumPy 2.4.6. The file holds a few short sounds, as 16-bit numbers, and what librosa makes
of them: {kind}_{sound}, in decibels below the maximum, float32.
"""

from __future__ import annotations

import sys
from pathlib import Path

import librosa
import numpy as np

RATE, N_SAMPLES = 22_050, 3_500
PLACE = Path(__file__).resolve().parents[1] / "tests" / "data" / "sounds" / "librosa.npz"
OTHER = {"sr": 16_000, "n_fft": 512, "hop_length": 200, "n_mels": 40, "fmin": 50.0, "fmax": 7_000.0}


def sounds() -> dict[str, np.ndarray]:
    """A rising tone, noise, and a chord that fades out into silence."""
    t = np.arange(N_SAMPLES) / RATE
    random = np.random.default_rng(0)
    chord = sum(np.sin(2 * np.pi * f * t) for f in (261.63, 329.63, 392.0)) * np.exp(-40 * t) / 4
    chord[2_500:] = 0
    waves = {"chirp": 0.5 * np.sin(2 * np.pi * (200 * t + 20_000 * t**2)), "noise": random.normal(0, 0.1, N_SAMPLES),
             "chord": chord}  # fmt: skip
    return {name: np.round(wave * 32767).astype(np.int16) for name, wave in waves.items()}


def pictures(y: np.ndarray) -> dict[str, np.ndarray]:
    """What the deck does, with librosa's own defaults, but for the tuning: it is not estimated."""
    other = {name: value for name, value in OTHER.items() if name not in ("sr", "n_mels", "fmin", "fmax")}
    power = {
        "mel": librosa.feature.melspectrogram(y=y, sr=RATE),
        "chroma": librosa.feature.chroma_stft(y=y, sr=RATE, tuning=0.0),
        "other_mel": librosa.feature.melspectrogram(y=y, **OTHER),
        "other_chroma": librosa.feature.chroma_stft(y=y, sr=OTHER["sr"], tuning=0.3, **other),
    }
    found = {kind: librosa.power_to_db(values, ref=np.max) for kind, values in power.items()}
    found["spectrogram"] = librosa.amplitude_to_db(np.abs(librosa.stft(y)), ref=np.max)
    return found


def main(path: Path) -> None:
    found: dict[str, np.ndarray] = {}
    for name, wave in sounds().items():
        found[name] = wave
        made = pictures(wave.astype(np.float32) / 32768)
        found |= {f"{kind}_{name}": values.astype(np.float32) for kind, values in made.items()}
    np.savez_compressed(path, **found)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PLACE)
