"""What sums the frequencies of a spectrum into bands: mel filters and pitch classes, as librosa has them."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import ArrayLike, NDArray

from planefold.core.errors import ParameterError

Filters = NDArray[np.float32]

LINEAR_STEP = 200 / 3  # Hz to a mel, up to
LINEAR_UP_TO = 1000.0  # Hz; from there on a mel is a factor
LOG_STEP = np.log(6.4) / 27
N_CHROMA = 12
OCTAVE_CENTRE, OCTAVE_WIDTH = 5.0, 2.0  # octaves above 27.5 Hz that count most, and how wide the bell is


def mel_of(hertz: ArrayLike) -> NDArray[np.float64]:
    """Convert frequencies to mels on Slaney's scale: linear up to 1,000 Hz, then logarithmic.

    >>> mel_of([0, 1000, 6400]).round(6).tolist()
    [0.0, 15.0, 42.0]
    """
    hertz = np.asarray(hertz, np.float64)
    above = np.log(np.maximum(hertz, LINEAR_UP_TO) / LINEAR_UP_TO) / LOG_STEP
    return np.where(hertz < LINEAR_UP_TO, hertz / LINEAR_STEP, LINEAR_UP_TO / LINEAR_STEP + above)


def hertz_of(mel: ArrayLike) -> NDArray[np.float64]:
    """Convert mels on Slaney's scale to frequencies.

    >>> hertz_of([0, 15, 42]).round(6).tolist()
    [0.0, 1000.0, 6400.0]
    """
    mel = np.asarray(mel, np.float64)
    corner = LINEAR_UP_TO / LINEAR_STEP
    return np.where(mel < corner, mel * LINEAR_STEP, LINEAR_UP_TO * np.exp(LOG_STEP * np.maximum(mel - corner, 0)))


@functools.lru_cache(maxsize=32)
def mel_filters(rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> Filters:
    """Triangles over the frequencies, each from its left neighbour's top to its right neighbour's.

    Parameters
    ----------
    rate : int
        Samples a second.
    n_fft : int
        Samples of a frame.
    n_mels : int
        Number of bands.
    fmin, fmax : float
        Lowest and highest frequency, in Hz.

    Returns
    -------
    float32 array of shape (n_mels, 1 + n_fft // 2)
        Each triangle has the area 1 over frequency in Hz (Slaney's norm), but for the rounding to frequencies that
        there are.

    Raises
    ------
    ParameterError
        If a triangle is so narrow that no frequency of the spectrum lies in it.

    References
    ----------
    Slaney, "Auditory Toolbox", Interval Research, 1998. librosa.filters.mel.
    """
    tops = hertz_of(np.linspace(mel_of(fmin), mel_of(fmax), n_mels + 2))
    frequencies = np.arange(1 + n_fft // 2) * (rate / n_fft)
    left, top, right = tops[:-2, None], tops[1:-1, None], tops[2:, None]
    triangles = np.minimum((frequencies - left) / (top - left), (right - frequencies) / (right - top))
    filters = np.maximum(triangles, 0) * (2 / (right - left))
    n_empty = int((filters.max(axis=1) == 0).sum())
    if n_empty:
        raise ParameterError(
            f"n_mels={n_mels} bands are too narrow: {n_empty} of them hold no frequency",
            details=f"{rate} samples a second and n_fft={n_fft} tell frequencies {rate / n_fft:.4g} Hz apart",
            hint="fewer bands, a larger n_fft, or a higher fmin",
        )
    found = filters.astype(np.float32)
    found.flags.writeable = False  # everybody gets the same array
    return found


@functools.lru_cache(maxsize=32)
def chroma_filters(rate: int, n_fft: int, tuning: float) -> Filters:
    """Bells over the frequencies that belong to one of the twelve pitch classes, in every octave.

    Parameters
    ----------
    rate, n_fft : int
        As in :func:`mel_filters`.
    tuning : float
        How far the instrument's A lies above 440 Hz, in semitones.

    Returns
    -------
    float32 array of shape (12, 1 + n_fft // 2)
        From C upwards. Columns have the length 1, times a bell over octaves around the fifth one above 27.5 Hz.

    References
    ----------
    Ellis, "Chroma feature analysis and synthesis", 2007. librosa.filters.chroma.
    """
    a_440 = 440 * 2 ** (tuning / N_CHROMA)
    pitches = N_CHROMA * np.log2(np.arange(1, n_fft) * (rate / n_fft) / (a_440 / 16))
    pitches = np.concatenate([pitches[:1] - 1.5 * N_CHROMA, pitches])  # the constant part: far below everything
    widths = np.append(np.maximum(np.diff(pitches), 1), 1)
    half = N_CHROMA / 2
    distances = (pitches - np.arange(N_CHROMA)[:, None] + half) % N_CHROMA - half
    filters = np.exp(-0.5 * (2 * distances / widths) ** 2)
    filters /= np.sqrt((filters**2).sum(axis=0))
    filters *= np.exp(-0.5 * ((pitches / N_CHROMA - OCTAVE_CENTRE) / OCTAVE_WIDTH) ** 2)
    found = np.ascontiguousarray(np.roll(filters, -3, axis=0)[:, : 1 + n_fft // 2], np.float32)  # from A to C
    found.flags.writeable = False
    return found
