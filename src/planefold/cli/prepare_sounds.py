"""`planefold prepare sounds`: from a folder of sounds to a table or an array of their pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from planefold.cli.options import check_outputs, json_option, notes, print_json, print_line, say

if TYPE_CHECKING:
    from planefold.data.sounds import SoundFeatures, Sounds


@click.command(short_help="Make a table or an array of pictures of sounds.", context_settings={"show_default": True})
@click.argument("source", type=Path)
@click.option("--output", "-o", type=Path, required=True, metavar="FILE",
              help="Where they go: .parquet or .csv (a column for each value), .npz or .npy (an array).")  # fmt: skip
@click.option("--feature", type=click.Choice(["mel", "spectrogram", "chroma"]), default="mel",
              help="Bands as wide as the ear's, all frequencies, or the twelve tones of the octave.")  # fmt: skip
@click.option("--size", default="32x256", metavar="SIZE",
              help="HEIGHTxWIDTH of each picture, or original: a row for each band.")  # fmt: skip
@click.option("--rate", default="22050", metavar="HZ", help="Samples a second, or auto: what most files have.")
@click.option("--seconds", default="auto", metavar="SECONDS", help="How long each sound is made, or auto.")
@click.option("--n-fft", type=int, default=2048, metavar="N", help="Samples of a frame.")
@click.option("--hop-length", type=int, default=512, metavar="N", help="Samples from one frame to the next.")
@click.option("--n-mels", type=int, default=128, metavar="N", help="Bands of mel.")
@click.option("--column", metavar="NAME", help="The column with the paths, where SOURCE is a table with several.")
@click.option("--skip-broken", is_flag=True, help="Leave files out that cannot be read, rather than stop.")
@json_option
def sounds(source: Path, output: Path, feature: str, size: str, rate: str, seconds: str, n_fft: int, hop_length: int,
           n_mels: int, column: str | None, skip_broken: bool, as_json: bool) -> None:  # fmt: skip
    """Make pictures of the sounds of SOURCE, in decibels below the loudest place of each, and write them to one file.

    SOURCE is a folder with one folder for each class, a folder of sounds, a sound, or a table with a column of paths.
    WAV files need nothing else; FLAC, OGG and MP3 need the package soundfile. A table has the columns label, file,
    pixel_0, pixel_1, ...: one row for each sound, the lowest band first.
    """
    from planefold.data.outputs import outputs_of
    from planefold.data.sounds import SoundFeatures, feature_pictures, read_sounds
    from planefold.data.sounds.writing import write_sounds

    outputs = outputs_of(output)
    check_outputs({"the pictures": outputs[0], "the labels": outputs[1] if len(outputs) > 1 else None},
                  {"the source": source if source.is_file() else None})  # fmt: skip
    wanted: dict[str, Any] = {"kind": feature, "n_fft": n_fft, "hop_length": hop_length, "n_mels": n_mels,
                              "size": read_size(size)}  # fmt: skip
    at = _number("--rate", rate, int)
    if at != "auto":
        SoundFeatures(**wanted, rate=at)  # what is wrong with the settings is said before anything is read
    found = read_sounds(source, rate=at, seconds=_number("--seconds", seconds, float), column=column,
                        errors="skip" if skip_broken else "raise")  # fmt: skip
    features = SoundFeatures(**wanted, rate=found.rate)
    pictures = feature_pictures(found, features)
    written = write_sounds(found, pictures, output)
    notes(found.notes)
    if as_json:
        print_json(_summary(found, features, pictures.shape[2:], written))
        return
    for path in written:
        print_line(str(path))
    say(_told(found, feature, pictures.shape[2:]))


def read_size(text: str) -> tuple[int, ...]:
    """Read --size as `SoundFeatures` takes it: () leaves pictures as they are."""
    from planefold.core.errors import ParameterError, show

    if text == "original":
        return ()
    parts = text.lower().replace("×", "x").replace(",", "x").split("x")
    if len(parts) != 2 or not all(part.strip().isdecimal() for part in parts):
        raise ParameterError(f"--size {show(text)} is no size",
                             hint="for example --size 32x256 (height x width), or original")  # fmt: skip
    return tuple(map(int, parts))


def _number(flag: str, text: str, kind: type[int] | type[float]) -> Any:
    from planefold.core.errors import ParameterError, show

    if text == "auto":
        return text
    try:
        return kind(text)
    except ValueError:
        raise ParameterError(f"{flag} {show(text)} is no number", hint=f"a number, or {flag} auto") from None


def _classes(found: Sounds) -> dict[str, int] | None:
    if found.labels is None:
        return None
    counts: dict[str, int] = {}
    for label in found.labels.tolist():
        counts[str(label)] = counts.get(str(label), 0) + 1
    return counts


def _summary(found: Sounds, features: SoundFeatures, shape: tuple[int, ...], written: tuple[Path, ...]) -> Any:
    return {
        "output": [str(path) for path in written],
        "sounds": len(found),
        "rate": found.rate,
        "seconds": found.seconds,
        "height": shape[0],
        "width": shape[1],
        "features": features.to_json(),
        "classes": _classes(found),
        "notes": list(found.notes),
        "skipped": [{"file": name, "reason": reason} for name, reason in found.skipped],
    }


def _told(found: Sounds, feature: str, shape: tuple[int, ...]) -> str:
    from planefold.core.errors import listed
    from planefold.core.records import counted

    told = (f"{counted(len(found), 'sound')} of {found.seconds:.4g} s at {found.rate:,} Hz: {feature}, "
            f"{shape[0]} x {shape[1]} (height x width)")  # fmt: skip
    classes = _classes(found)
    return told if classes is None else f"{told}: " + listed((f"{name} {n:,}" for name, n in classes.items()), 10)
