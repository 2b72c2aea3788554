"""Pictures of sound beside librosa: time for each clip, and how far the numbers are apart.

    python benchmarks/sounds.py [--sounds FOLDER] [--clips 200] [--rounds 9] [--quick] [--json results.json]

The clips are those of speech_commands_4 (or of FOLDER), of one second, brought to 22,050 samples a second by planefold;
both sides get the same arrays in memory, and settings of librosa's defaults (n_fft 2048, hop 512, 128 mel bands). Noise
takes their place where the data are absent.

- *planefold*: all clips in one call, `mel(waves)`; on all cores, and on one.
- *librosa*: `power_to_db(melspectrogram(y))` and the like, a call for each clip, as it is used.

Sides take turns within each round after a warm-up; ratios are medians of the rounds' ratios. The script ends with
code 1 if the numbers are more than 0.001 dB apart.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import (
    duration,
    installed,
    interleaved,
    machine,
    ratio_text,
    seconds_of,
    show_machine,
    show_table,
    write_json,
)

OURS, RATE, NEAR = "planefold", 22_050, 1e-3
DATA = Path(os.environ.get("PLANEFOLD_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))

Make = Callable[[np.ndarray], np.ndarray]


def clips(folder: Path, n: int) -> tuple[np.ndarray, str]:
    """Clips of one second, spread over the folder."""
    from planefold.data.sounds import read_sounds

    if not folder.is_dir():
        return np.random.default_rng(0).normal(0, 0.1, (n, RATE)).astype(np.float32), "noise (no data here)"
    sounds = read_sounds(folder, rate=RATE, seconds=1.0)
    places = np.unique(np.linspace(0, len(sounds) - 1, min(n, len(sounds))).astype(int))
    return sounds.waves[places], f"{folder.parent.name}/{folder.name}"


def librosa_sides() -> dict[str, Make]:
    import librosa

    def each(make: Make) -> Make:
        return lambda waves: np.array([make(wave) for wave in waves])

    def mel(y: np.ndarray) -> np.ndarray:
        return librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=RATE), ref=np.max)

    def chroma(y: np.ndarray) -> np.ndarray:
        return librosa.power_to_db(librosa.feature.chroma_stft(y=y, sr=RATE, tuning=0.0), ref=np.max)

    def spectrogram(y: np.ndarray) -> np.ndarray:
        return librosa.amplitude_to_db(np.abs(librosa.stft(y)), ref=np.max)

    return {"mel": each(mel), "spectrogram": each(spectrogram), "chroma": each(chroma)}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sounds", type=Path, default=DATA / "speech_commands_4" / "test", help="a folder of sounds")
    parser.add_argument("--clips", type=int, help="default: 200, with --quick 4")
    parser.add_argument("--rounds", type=int, help="default: 9, with --quick 1")
    parser.add_argument("--quick", action="store_true", help="only see that everything runs")
    parser.add_argument("--json", type=Path, help="write every single measurement there")
    options = parser.parse_args(arguments)
    options.clips = options.clips or (4 if options.quick else 200)
    options.rounds = options.rounds or (1 if options.quick else 9)
    return options


def main(arguments: list[str] | None = None) -> None:
    """Compare each kind of picture."""
    from planefold.data.sounds import chroma, mel, spectrogram

    options = parse(arguments)
    found: dict[str, Any] = {"machine": machine(), "rounds": options.rounds}
    show_machine(found["machine"])
    waves, named = clips(options.sounds, options.clips)
    print(f"clips: {len(waves)} of {named}; rounds: {options.rounds}")
    peers = librosa_sides() if installed("librosa") else {}
    if not peers:
        print("librosa: not installed, left out")
    rows, wrong = [], []
    for make in (mel, spectrogram, chroma):
        kind = make.__name__
        sides: dict[str, Callable[[], Any]] = {
            OURS: lambda make=make: make(waves),
            f"{OURS}, one core": lambda make=make: make(waves, n_jobs=1),
        }
        apart = float("nan")
        if kind in peers:
            sides["librosa"] = lambda kind=kind: peers[kind](waves)
            apart = float(np.abs(make(waves) - peers[kind](waves)).max())
            wrong += [kind] if not apart <= NEAR else []
        for side in sides.values():
            side()
        timed = {name: lambda _, side=side: seconds_of(side) / len(waves) for name, side in sides.items()}
        times = interleaved(timed, options.rounds)
        found[kind] = {"seconds a clip": times, "decibels apart": apart}
        for name, seconds in times.items():
            against = ratio_text(times["librosa"], seconds) if "librosa" in times and name != "librosa" else ""
            rows.append([kind, name, duration(float(np.median(seconds))), against,
                         f"{apart:.1e} dB" if name == "librosa" else ""])  # fmt: skip
    show_table("time for each clip", ["picture", "side", "a clip", "librosa's time / its own", "apart at most"], rows)
    write_json(options.json, found)
    if wrong:
        sys.exit(f"more than {NEAR} dB from librosa's: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
