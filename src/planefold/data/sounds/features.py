"""Pictures of sound: spectrogram, mel spectrogram and chroma, in decibels below the loudest moment of each sound."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from planefold.core.errors import DataError, ModelFileError, ParameterError, show, unknown_choice
from planefold.core.progress import ProgressBar
from planefold.data.jsonable import from_json, to_json
from planefold.data.sounds.decoding import LEAST_RATE, MOST_RATE
from planefold.data.sounds.filters import N_CHROMA, chroma_filters, mel_filters
from planefold.data.sounds.resizing import Resize
from planefold.data.sounds.sounds import Sounds
from planefold.data.work import threads_of

Values = NDArray[np.float32]

KINDS = ("spectrogram", "mel", "chroma")
LEAST_POWER = 1e-10  # librosa's: what is quieter counts as this
FRAMES_AT_ONCE = 96  # 1.5 MB of samples: they stay in a core's cache
BANDS_AT_ONCE = 16
MOST_N_FFT, MOST_BANDS, MOST_SIDE = 2**18, 2**12, 2**12


@dataclass(frozen=True, kw_only=True)
class SoundFeatures:
    """How a sound becomes a picture; what a model keeps, so that new sounds go through the same.

    Parameters
    ----------
    kind : {"mel", "spectrogram", "chroma"}
        "spectrogram" is the strength of each frequency over time. "mel" sums it into bands that are narrow where the
        ear tells frequencies apart, and wide elsewhere. "chroma" sums it into the twelve pitch classes, from C.
    rate : int
        Samples a second of the sounds.
    n_fft : int
        Samples of a frame; even. 2,048 at 22,050 a second are 93 ms, and tell frequencies 10.8 Hz apart.
    hop_length : int
        Samples from one frame to the next.
    n_mels : int
        Bands of "mel".
    fmin : float
        Lowest frequency of "mel", in Hz.
    fmax : float, optional
        Highest frequency of "mel", in Hz; default: half the rate, the highest that there is.
    size : (int, int) or ()
        Height and width that pictures are brought to, linearly, and smoothed where they shrink. () leaves them as they
        are: a row for each band, a column for each frame.
    top_db : float
        Decibels below the loudest value at which the picture ends: what is quieter is as quiet as that.
    tuning : float
        For "chroma": how far the instrument's A lies above 440 Hz, in semitones.
    """

    kind: str = "mel"
    rate: int = 22_050
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    fmin: float = 0.0
    fmax: float | None = None
    size: tuple[int, ...] = ()
    top_db: float = 80.0
    tuning: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown_choice("kind", self.kind, KINDS)
        _check_whole("rate", self.rate, LEAST_RATE, MOST_RATE)
        _check_whole("n_fft", self.n_fft, 16, MOST_N_FFT)
        if self.n_fft % 2:
            raise ParameterError(f"n_fft={self.n_fft} must be even", hint="a power of two is quickest")
        _check_whole("hop_length", self.hop_length, 1, MOST_N_FFT)
        _check_whole("n_mels", self.n_mels, 1, MOST_BANDS)
        if not isinstance(self.size, tuple) or len(self.size) not in (0, 2):
            raise ParameterError(f"size={show(self.size)} must be (height, width), or () for pictures as they are")
        for side in self.size:
            _check_whole("a side of size", side, 1, MOST_SIDE)
        _check_number("top_db", self.top_db, 1e-3, 1e3)
        _check_number("tuning", self.tuning, -12, 12)
        highest = self.rate / 2 if self.fmax is None else self.fmax
        _check_number("fmax", highest, 0, self.rate / 2)
        _check_number("fmin", self.fmin, 0, self.rate / 2)
        if self.fmin >= highest:
            raise ParameterError(f"fmin={show(self.fmin)} must be below fmax={show(highest)}")
        if self.kind == "mel":
            self.filters()  # which refuses bands that hold no frequency

    @property
    def n_bands(self) -> int:
        """Rows of a picture that is left as it is."""
        return {"spectrogram": 1 + self.n_fft // 2, "mel": self.n_mels, "chroma": N_CHROMA}[self.kind]

    def n_frames(self, n_samples: int) -> int:
        """Columns of the picture of so many samples, if it is left as it is."""
        return 1 + n_samples // self.hop_length

    def shape(self, n_samples: int) -> tuple[int, int]:
        """Height and width of the picture of so many samples."""
        return (self.size[0], self.size[1]) if self.size else (self.n_bands, self.n_frames(n_samples))

    def filters(self) -> Values | None:
        """Weights of each frequency in each band, (n_bands, 1 + n_fft // 2); None for a spectrogram."""
        if self.kind == "mel":
            highest = self.rate / 2 if self.fmax is None else self.fmax
            return mel_filters(self.rate, self.n_fft, self.n_mels, float(self.fmin), float(highest))
        return chroma_filters(self.rate, self.n_fft, float(self.tuning)) if self.kind == "chroma" else None

    def to_json(self) -> dict[str, Any]:
        """Write the settings as plain data."""
        return to_json(self)

    @classmethod
    def from_json(cls, data: object) -> SoundFeatures:
        """Read them back.

        Raises
        ------
        ModelFileError
            If they are not what :meth:`to_json` writes.

        Examples
        --------
        >>> settings = SoundFeatures(kind="chroma", size=(12, 64))
        >>> SoundFeatures.from_json(settings.to_json()) == settings
        True
        """
        try:
            return from_json(cls, data, "features of sounds")
        except ParameterError as error:
            raise ModelFileError("features of sounds are damaged", details=error.what) from None


def _check_whole(name: str, value: Any, low: int, high: int) -> None:
    is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_whole or not low <= value <= high:
        raise ParameterError(f"{name}={show(value)} must be a whole number from {low:,} to {high:,}")


def _check_number(name: str, value: Any, low: float, high: float) -> None:
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:  # nan is not, either
        raise ParameterError(f"{name}={show(value)} must be a number from {low:g} to {high:g}")


# ------------------------------------------------------------------------------------------------------- functions


def spectrogram(
    waves: Any,
    rate: int = 22_050,
    *,
    n_fft: int = 2048,
    hop_length: int = 512,
    size: tuple[int, int] | None = None,
    top_db: float = 80.0,
    n_jobs: int | None = None,
) -> Values:
    """Strength of each frequency over time, in decibels below the strongest of each sound.

    Parameters
    ----------
    waves : array of shape (n_sounds, n_samples) or (n_samples,)
    rate, n_fft, hop_length, size, top_db
        As in :class:`SoundFeatures`; ``size=None`` leaves pictures as they are.
    n_jobs : int, optional
        Threads; None takes one for each core.

    Returns
    -------
    float32 array of shape (n_sounds, 1 + n_fft // 2, n_frames), or (n_sounds, *size); without n_sounds for one sound
        From the lowest frequency to the highest, -top_db to 0. Silence is -top_db everywhere.

    Raises
    ------
    DataError, ParameterError

    Notes
    -----
    ``librosa.amplitude_to_db(abs(librosa.stft(y)), ref=np.max)`` to 1e-3 dB, but for silence, which is 0 dB there:
    frames of a Hann window, centred on every ``hop_length``-th sample, with zeros beyond both ends. Transforms are
    computed in float64: in float32 they would be up to 5e-3 dB off near -80 dB.

    A picture that is left as it is lies in memory frame by frame, as in librosa.

    Examples
    --------
    >>> t = np.arange(22_050) / 22_050
    >>> picture = spectrogram(np.sin(2 * np.pi * 1000 * t))
    >>> picture.shape, int(picture[:, 20].argmax() * 22_050 / 2048)
    ((1025, 44), 1001)
    """
    wanted = SoundFeatures(kind="spectrogram", rate=rate, n_fft=n_fft, hop_length=hop_length, size=size or (),
                           top_db=top_db)  # fmt: skip
    return _pictures(waves, wanted, n_jobs)


def mel(
    waves: Any,
    rate: int = 22_050,
    *,
    n_mels: int = 128,
    fmin: float = 0.0,
    fmax: float | None = None,
    n_fft: int = 2048,
    hop_length: int = 512,
    size: tuple[int, int] | None = None,
    top_db: float = 80.0,
    n_jobs: int | None = None,
) -> Values:
    """Power in mel bands over time, in decibels below the strongest of each sound.

    Parameters
    ----------
    waves : array of shape (n_sounds, n_samples) or (n_samples,)
    rate, n_mels, fmin, fmax, n_fft, hop_length, size, top_db
        As in :class:`SoundFeatures`.
    n_jobs : int, optional
        Threads; None takes one for each core.

    Returns
    -------
    float32 array of shape (n_sounds, n_mels, n_frames), or (n_sounds, *size); without n_sounds for one sound
        From the lowest band to the highest, -top_db to 0. Silence is -top_db everywhere.

    Raises
    ------
    DataError, ParameterError

    Notes
    -----
    ``librosa.power_to_db(librosa.feature.melspectrogram(y=y, sr=rate), ref=np.max)`` to 1e-3 dB, but for silence; see
    :func:`spectrogram`.

    Examples
    --------
    >>> mel(np.random.default_rng(0).normal(size=(3, 22_050)), size=(32, 256)).shape
    (3, 32, 256)
    """
    wanted = SoundFeatures(kind="mel", rate=rate, n_mels=n_mels, fmin=fmin, fmax=fmax, n_fft=n_fft,
                           hop_length=hop_length, size=size or (), top_db=top_db)  # fmt: skip
    return _pictures(waves, wanted, n_jobs)


def chroma(
    waves: Any,
    rate: int = 22_050,
    *,
    tuning: float = 0.0,
    n_fft: int = 2048,
    hop_length: int = 512,
    size: tuple[int, int] | None = None,
    top_db: float = 80.0,
    n_jobs: int | None = None,
) -> Values:
    """Power of the twelve pitch classes over time, in decibels below the strongest of each frame.

    Parameters
    ----------
    waves : array of shape (n_sounds, n_samples) or (n_samples,)
    rate, tuning, n_fft, hop_length, size, top_db
        As in :class:`SoundFeatures`. The tuning is not estimated, as librosa does by default: one that changes from
        sound to sound would make the same note look different.
    n_jobs : int, optional
        Threads; None takes one for each core.

    Returns
    -------
    float32 array of shape (n_sounds, 12, n_frames), or (n_sounds, *size); without n_sounds for one sound
        C, C sharp, ..., B; -top_db to 0. Frames of silence are -top_db.

    Raises
    ------
    DataError, ParameterError

    Notes
    -----
    ``librosa.power_to_db(librosa.feature.chroma_stft(y=y, sr=rate, tuning=0.0), ref=np.max)`` to 1e-3 dB, but for
    silence: each frame is divided by its strongest class first, so that quiet frames count as loud ones do.

    Examples
    --------
    >>> t = np.arange(22_050) / 22_050
    >>> int(chroma(np.sin(2 * np.pi * 440 * t))[:, 20].argmax())  # C C# D D# E F F# G G# A
    9
    """
    wanted = SoundFeatures(kind="chroma", rate=rate, n_fft=n_fft, hop_length=hop_length, size=size or (),
                           top_db=top_db, tuning=tuning)  # fmt: skip
    return _pictures(waves, wanted, n_jobs)


def feature_pictures(sounds: Sounds, features: SoundFeatures | str = "mel", *, n_jobs: int | None = None) -> Values:
    """Make pictures of sounds, as a network takes them.

    Parameters
    ----------
    sounds : Sounds
    features : SoundFeatures or str
        The settings, or only their kind.
    n_jobs : int, optional
        Threads; None takes one for each core.

    Returns
    -------
    float32 array of shape (n_sounds, 1, height, width)
        Decibels, -top_db to 0; the lowest band first.

    Raises
    ------
    DataError
        If the sounds have another rate than the features are made for.

    Examples
    --------
    >>> from planefold.data.sounds import read_sounds
    >>> feature_pictures(read_sounds(np.ones((2, 8000), np.float32), rate=22_050)).shape
    (2, 1, 128, 16)
    """
    if isinstance(features, str):
        features = SoundFeatures(kind=features, rate=sounds.rate)
    if features.rate != sounds.rate:
        raise DataError(f"the sounds of {sounds.source} have {sounds.rate:,} samples a second, not {features.rate:,}",
                        hint=f"read_sounds(..., rate={features.rate})")  # fmt: skip
    return _pictures(sounds.waves, features, n_jobs, sounds.files)[:, None]


# --------------------------------------------------------------------------------------------------------- the work


def _pictures(waves: Any, features: SoundFeatures, n_jobs: int | None, files: tuple[str, ...] = ()) -> Values:
    rows = np.asarray(waves)
    if rows.dtype.kind != "f":
        raise DataError(f"the samples are {rows.dtype}, not floating-point numbers",
                        hint="read_sounds(X, rate=...) scales whole numbers; for 16 bits it is X / 32768")  # fmt: skip
    if rows.ndim not in (1, 2) or not rows.shape[-1]:
        raise DataError(f"samples of shape {rows.shape} are not (n_sounds, n_samples) or (n_samples,)")
    single, rows = rows.ndim == 1, np.atleast_2d(rows)
    n, n_samples = rows.shape
    n_frames = features.n_frames(n_samples)
    if features.size:
        found = memory = np.empty((n, *features.size), np.float32)
    else:  # a transform answers frame by frame; to turn them would cost a quarter of the time
        memory = np.empty((n, n_frames, features.n_bands), np.float32)
        found = memory.transpose(0, 2, 1)
    step = max(1, FRAMES_AT_ONCE // n_frames)
    pieces = [slice(start, min(start + step, n)) for start in range(0, n, step)]
    with ProgressBar(n, f"{features.kind} of sounds") as bar:
        _share(pieces, lambda: _Worker(features, rows, memory, files).work, threads_of(n_jobs), bar)
    return found[0] if single else found


class _Worker:
    """What one thread needs to make pictures of a few sounds at a time: its own memory, which stays in the cache."""

    def __init__(self, features: SoundFeatures, rows: NDArray[Any], memory: Values, files: tuple[str, ...]) -> None:
        self.features, self.rows, self.memory, self.files = features, rows, memory, files
        n_samples, half = rows.shape[1], features.n_fft // 2
        n_frames = features.n_frames(n_samples)
        n_sounds = min(len(rows), max(1, FRAMES_AT_ONCE // n_frames))
        self.padded = torch.zeros(n_sounds, n_samples + 2 * half, dtype=torch.float64)
        self.samples = self.padded.numpy()[:, half : half + n_samples]
        self.frames = self.padded.unfold(1, features.n_fft, features.hop_length)  # (n_sounds, n_frames, n_fft)
        self.n_at_once = min(n_frames, FRAMES_AT_ONCE)
        self.windowed = torch.empty(n_sounds, self.n_at_once, features.n_fft, dtype=torch.float64)
        self.window = torch.hann_window(features.n_fft, dtype=torch.float64)
        self.bands = _bands(features.filters())
        n_kept = 1 + half
        self.power = torch.empty(n_sounds * self.n_at_once if self.bands else 0, n_kept)
        self.values = self.resize = None
        if features.size:
            self.values = np.empty((n_sounds, n_frames, features.n_bands), np.float32)
            self.resize = Resize((features.n_bands, n_frames), features.size)

    def work(self, piece: slice) -> None:
        n = piece.stop - piece.start
        self.samples[:n] = self.rows[piece]
        values = self.memory[piece] if self.values is None else self.values[:n]
        for start in range(0, values.shape[1], self.n_at_once):
            self._transform(self.frames[:n, start : start + self.n_at_once], values[:, start : start + self.n_at_once])
        if self.features.kind == "chroma":
            strongest = values.max(axis=2, keepdims=True)
            with np.errstate(invalid="ignore"):
                np.divide(values, strongest, out=values, where=strongest > np.finfo(np.float32).tiny)
        self._to_decibels(values, piece.start)
        if self.resize is not None:
            self.resize(values, self.memory[piece])
            np.clip(self.memory[piece], -self.features.top_db, 0, out=self.memory[piece])  # rounding passes the ends

    def _transform(self, frames: torch.Tensor, values: Values) -> None:
        """Fill values, (n_sounds, n_frames, n_bands), with the power in each band."""
        n, n_frames = frames.shape[:2]
        windowed = torch.mul(frames, self.window, out=self.windowed[:n, :n_frames])
        parts = torch.view_as_real(torch.fft.rfft(windowed)).numpy()
        np.square(parts, out=parts)
        flat = self.power[: n * n_frames]
        power = flat.numpy().reshape(n, n_frames, -1) if self.bands else values
        with np.errstate(over="ignore", invalid="ignore"):  # told of below, by its name
            np.add(parts[..., 0], parts[..., 1], out=power, casting="same_kind")
        for bands, frequencies, weights in self.bands:
            values[..., bands] = torch.mm(flat[:, frequencies], weights).numpy().reshape(n, n_frames, -1)

    def _to_decibels(self, values: Values, first: int) -> None:
        loudest = values.reshape(len(values), -1).max(axis=1)
        if not np.isfinite(loudest).all():
            place = first + int(np.argmin(np.isfinite(loudest)))
            name = self.files[place] if self.files else f"sound {place}"
            raise DataError(f"{name} has samples that are nan, infinite, or beyond any loudness",
                            hint="samples lie between -1 and 1")  # fmt: skip
        reference = (10 * np.log10(np.maximum(loudest, LEAST_POWER), dtype=np.float32))[:, None, None]
        tensor = torch.from_numpy(values)
        tensor.clamp_(min=LEAST_POWER)  # torch's is five times as fast as NumPy's, whose logarithm is so in turn
        np.log10(values, out=values)
        values *= np.float32(10)
        values -= reference
        tensor.clamp_(min=-self.features.top_db)
        values[loudest <= LEAST_POWER] = -self.features.top_db  # librosa makes silence as loud as can be


Band = tuple[slice, slice, torch.Tensor]


def _bands(filters: Values | None) -> list[Band]:
    """Cut the filters into groups of neighbours, each with the frequencies that it looks at.

    A mel filter looks at few frequencies: in groups, the product has a sixth of the multiplications.
    """
    if filters is None:
        return []
    found = []
    for start in range(0, len(filters), BANDS_AT_ONCE):
        some = filters[start : start + BANDS_AT_ONCE]
        used = np.flatnonzero(some.any(axis=0))
        frequencies = slice(int(used[0]), int(used[-1]) + 1)
        weights = torch.from_numpy(np.ascontiguousarray(some[:, frequencies].T))
        found.append((slice(start, start + len(some)), frequencies, weights))
    return found


def _share(
    pieces: list[slice], worker: Callable[[], Callable[[slice], None]], n_threads: int, bar: ProgressBar
) -> None:
    """Let threads work off the pieces, each with the libraries' own threads off.

    The transform of a few frames is too little work to be shared by threads that meet after each step. The limit is
    OpenMP's, which each thread has for itself, so that nothing of the process changes.
    """
    remaining, stop = iter(pieces), threading.Event()

    def work_off() -> Iterator[int]:
        torch.get_num_threads()  # torch sets a new thread's number when it is first asked: not after us
        with _openmp().limit(limits=1), torch.inference_mode():
            work = worker()
            for piece in remaining:
                if stop.is_set():
                    return
                work(piece)
                yield piece.stop

    n_others = min(n_threads, len(pieces)) - 1
    with ThreadPoolExecutor(max(1, n_others), "planefold-sounds") as pool:  # starts no thread before it is given work
        others = [pool.submit(lambda: [*work_off()]) for _ in range(n_others)]
        try:
            for done in work_off():
                bar.update(done)
            for other in others:
                other.result()
        finally:
            stop.set()  # Ctrl-C, or an error: the others end after the piece that they are at


@functools.cache
def _openmp() -> ThreadpoolController:
    """Find torch's threads: once, as it takes milliseconds."""
    return ThreadpoolController().select(user_api="openmp")
