"""One sound file: its head, its samples with the channels averaged, and the same samples at another rate."""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from planefold.core.errors import MissingExtraError
from planefold.core.files import file_error
from planefold.data.folders import Kind
from planefold.data.sounds.wav import (
    ForeignWavError,
    UnreadableSoundError,
    is_wav,
    mono,
    read_header,
    read_samples,
)

Wave = NDArray[np.float32]

SOUND = Kind(
    singular="sound",
    plural="sounds",
    usual=(".wav", ".flac", ".ogg", ".mp3"),
    endings=frozenset(
        (
            ".wav",
            ".wave",
            ".flac",
            ".ogg",
            ".oga",
            ".opus",
            ".mp3",
            ".aif",
            ".aiff",
            ".aifc",
            ".au",
            ".snd",
            ".caf",
            ".w64",
        )
    ),
)
LEAST_RATE, MOST_RATE = 1_000, 768_000  # samples a second; what lies outside is a damaged header
LOUDEST = 1e9  # samples lie between -1 and 1; whole numbers that were stored as floats reach 2e9 at most
HALF_WIDTH = 10  # samples of the slower side at each end of the filter, as SciPy has it
KAISER = 5.0
# How files start that soundfile reads.
_FOREIGN = (b"fLaC", b"OggS", b"ID3", b"FORM", b"RIFX", b"RF64", b"riff", b".snd", b"caff")


def probe_sound(path: str, name: str) -> tuple[int, int]:
    """Return rate and number of samples of a file, as its head gives them.

    Raises
    ------
    UnreadableSoundError
        With the reason, without the name.
    MissingExtraError
        If the file is of a kind that soundfile reads, and that is not installed.
    """
    with _opened(path) as file:
        try:
            if is_wav(_head(file)):
                header = read_header(file)
                return _sane_rate(header.rate), header.n_frames
        except ForeignWavError as error:
            soundfile = _soundfile(name, error)
        else:
            soundfile = _soundfile(name)
        file.seek(0)
        with _explained(soundfile), soundfile.SoundFile(file) as sound:
            rate, n_frames = sound.samplerate, sound.frames
    if n_frames <= 0:
        raise UnreadableSoundError("it holds no samples")
    return _sane_rate(rate), int(n_frames)


def read_sound(path: str, name: str, rate: int) -> Wave:
    """Read a file: channels averaged, at a rate.

    Parameters
    ----------
    path, name : str
        Where it is, and what it is called in messages.
    rate : int
        Samples a second of the result.

    Returns
    -------
    float32 array of shape (n_samples,)

    Raises
    ------
    UnreadableSoundError, MissingExtraError
        As :func:`probe_sound`, and where samples are not finite.
    """
    with _opened(path) as file:
        if is_wav(_head(file)):
            try:
                header = read_header(file)
                found, samples = header.rate, read_samples(file, header)
            except ForeignWavError as error:
                found, samples = _read_foreign(file, _soundfile(name, error))
        else:
            found, samples = _read_foreign(file, _soundfile(name))
    if not len(samples):
        raise UnreadableSoundError("it holds no samples")
    check_samples(samples)
    return resample(samples, _sane_rate(found), rate)


def check_samples(samples: Wave) -> None:
    """Refuse what is no sound: nan, infinite, or beyond any loudness."""
    # Both ends at once tell of nan and of infinity without a third array.
    low, high = float(samples.min()), float(samples.max())
    if math.isnan(low) or math.isnan(high):
        n = int(np.isnan(samples).sum())
        raise UnreadableSoundError(f"{n:,} of its {samples.size:,} samples are nan")
    if math.isinf(low) or math.isinf(high):
        raise UnreadableSoundError("it has samples that are infinite, or beyond what float32 holds")
    if max(-low, high) > LOUDEST:
        raise UnreadableSoundError(f"a sample of {max(-low, high):.3g} is no loudness: samples lie between -1 and 1")


def resample(samples: Wave, rate_from: int, rate_to: int) -> Wave:
    """Bring samples to another rate, exactly.

    Parameters
    ----------
    samples : float32 array of shape (n_samples,)
    rate_from, rate_to : int
        Samples a second.

    Returns
    -------
    float32 array of shape (ceil(n_samples * rate_to / rate_from),)

    Notes
    -----
    :func:`scipy.signal.resample_poly`: the rates' exact ratio is a fraction of whole numbers, up/down; the samples
    are filtered (a Kaiser window of beta 5 over 10 samples to each side, which takes away what the lower of the two
    rates cannot hold) and every down-th of the up-fold samples is computed. librosa resamples with soxr: near the
    highest frequencies the two differ.
    """
    if rate_from == rate_to:
        return samples
    from scipy.signal import resample_poly

    common = math.gcd(rate_from, rate_to)
    up, down = rate_to // common, rate_from // common
    window: Any = _low_pass(max(up, down))  # SciPy's types do not know that float32 stays float32
    return np.asarray(resample_poly(samples, up, down, window=window), np.float32)


@functools.lru_cache(maxsize=16)
def _low_pass(most: int) -> NDArray[np.float32]:
    """SciPy's own filter, made once for each ratio: it costs more than to filter a second of sound."""
    from scipy.signal import firwin

    return np.asarray(firwin(2 * HALF_WIDTH * most + 1, 1 / most, window=("kaiser", KAISER)), np.float32)


# -------------------------------------------------------------------------------------------------- opening, foreign


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    try:
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            raise UnreadableSoundError("there is no such file") from None
        raise UnreadableSoundError(str(file_error(error, path, "read").details)) from None


def _head(file: BinaryIO) -> bytes:
    """Read how a file starts, and refuse what starts as no sound does."""
    head = file.read(12)
    file.seek(0)
    if not head:
        raise UnreadableSoundError("it is empty: 0 bytes")
    is_mp3 = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2  # a frame of MPEG audio, layer 3
    if is_wav(head) or is_mp3 or head.startswith(_FOREIGN):
        return head
    if head[:4] == b"RIFF":
        raise UnreadableSoundError("its header is damaged, or it is no WAV file")
    is_text = all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head)
    raise UnreadableSoundError("it is a text, not a sound" if is_text else "it is no sound of a kind that is read here")


def _sane_rate(rate: int) -> int:
    if not LEAST_RATE <= rate <= MOST_RATE:
        raise UnreadableSoundError(f"its header is wrong: {rate:,} samples a second")
    return int(rate)


def _soundfile(name: str, reason: Exception | None = None) -> Any:
    try:
        return importlib.import_module("soundfile")
    except (ImportError, OSError):  # an OSError where the package is there and its library is not
        error = MissingExtraError.of("soundfile", "sound", f"reading {name}")
        error.details = None if reason is None else str(reason)
        raise error from None


@contextmanager
def _explained(soundfile: Any) -> Iterator[None]:
    try:
        yield
    except soundfile.SoundFileError as error:
        told = str(getattr(error, "error_string", None) or error)
        raise UnreadableSoundError(f"it is damaged or of an unknown kind ({told.rstrip('.')})") from None


def _read_foreign(file: BinaryIO, soundfile: Any) -> tuple[int, Wave]:
    file.seek(0)
    with _explained(soundfile), soundfile.SoundFile(file) as sound:
        samples = sound.read(dtype="float32", always_2d=True)
        return int(sound.samplerate), mono(samples)
