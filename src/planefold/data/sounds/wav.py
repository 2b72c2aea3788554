"""WAV files: whole numbers of 8, 16, 24 and 32 bits, floating-point numbers of 32 and 64, any channels and rate."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
KNOWN = {PCM: (8, 16, 24, 32), FLOAT: (32, 64)}
UNKNOWN_SIZE = 0xFFFFFFFF  # what a program writes that does not know yet how long the recording becomes
MOST_CHANNELS = 64


class UnreadableSoundError(Exception):
    """Why a file cannot be read as a sound; whoever opened it adds its name."""


class ForeignWavError(UnreadableSoundError):
    """A WAV file whose samples are packed in a way that is not read here."""


@dataclass(frozen=True, kw_only=True)
class WavHeader:
    """What the head of a WAV file says.

    Parameters
    ----------
    rate : int
        Samples a second.
    n_channels : int
    n_frames : int
        Samples of each channel.
    is_float : bool
    bits : int
        Of one sample as it is stored.
    offset : int
        Where the samples start, in bytes.
    """

    rate: int
    n_channels: int
    n_frames: int
    is_float: bool
    bits: int
    offset: int


def is_wav(head: bytes) -> bool:
    """Tell whether a file that starts so is a WAV file (the usual one: RIFF, small end first)."""
    return head[:4] == b"RIFF" and head[8:12] == b"WAVE"


def read_header(file: BinaryIO) -> WavHeader:
    """Read the head of a WAV file.

    Raises
    ------
    UnreadableSoundError
        If the file is damaged: no format, no samples, or fewer samples than it says.
    ForeignWavError
        If its samples are compressed, or of a width that WAV files do not usually have.

    Notes
    -----
    "Multimedia Programming Interface and Data Specifications 1.0", IBM and Microsoft, 1991; extensible formats:
    "Multiple Channel Audio Data and WAVE Files", Microsoft, 2001. A recording that a program never finished says
    that it has 0 or 4,294,967,295 bytes: then everything up to the end of the file is taken.
    """
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    riff = file.read(12)
    if not is_wav(riff):
        raise UnreadableSoundError("it does not start as a WAV file does")
    promised = struct.unpack("<I", riff[4:8])[0] + 8
    layout: tuple[bool, int, int, int] | None = None
    while True:
        head = file.read(8)
        if len(head) < 8:
            missing = "says nothing of the format of its samples" if layout is None else "has no samples"
            raise UnreadableSoundError(f"its header is damaged: it {missing}")
        name, size = head[:4], struct.unpack("<I", head[4:])[0]
        start = file.tell()
        if name == b"fmt ":
            layout = _layout(file.read(min(size, 40)))
        elif name == b"data":
            break
        file.seek(start + size + size % 2)
    if layout is None:
        raise UnreadableSoundError("its header is damaged: it says nothing of the format of its samples")
    is_float, bits, n_channels, rate = layout
    there = length - start
    is_unfinished = size == UNKNOWN_SIZE or (size == 0 and there > 0 and promised <= start)
    size = there if is_unfinished else size
    width = n_channels * bits // 8
    if size > there:
        raise UnreadableSoundError(f"it is cut off: {size:,} bytes of samples are announced, {there:,} are there")
    if size < width:
        raise UnreadableSoundError("it holds no samples")
    return WavHeader(
        rate=rate, n_channels=n_channels, n_frames=size // width, is_float=is_float, bits=bits, offset=start
    )


def _layout(chunk: bytes) -> tuple[bool, int, int, int]:
    if len(chunk) < 16:
        raise UnreadableSoundError("its header is damaged: the description of the format is cut off")
    code, n_channels, rate, _, block, bits = struct.unpack("<HHIIHH", chunk[:16])
    if code == EXTENSIBLE and len(chunk) >= 26:
        code = struct.unpack("<H", chunk[24:26])[0]
    if not 1 <= n_channels <= MOST_CHANNELS:
        raise UnreadableSoundError(f"its header is wrong: {n_channels} channels")
    if code not in KNOWN:
        raise ForeignWavError(f"its samples are compressed (format {code:#06x})")
    stored = 8 * block // n_channels  # 12 bits may lie in 16, 20 in 24, at their upper end
    if 8 * block % n_channels or stored not in KNOWN[code] or not 0 < bits <= stored:
        raise UnreadableSoundError(
            f"its header is wrong: {bits} bits a sample, {block} bytes for {n_channels} channel{'s' * (n_channels > 1)}"
        )
    return code == FLOAT, stored, n_channels, rate


def read_samples(file: BinaryIO, header: WavHeader) -> NDArray[np.float32]:
    """Read the samples, the channels averaged.

    Returns
    -------
    float32 array of shape (n_frames,)
        Whole numbers between -1 and 1; floating-point numbers as they are.
    """
    file.seek(header.offset)
    width = header.bits // 8
    raw = file.read(header.n_frames * header.n_channels * width)
    if len(raw) < header.n_frames * header.n_channels * width:
        raise UnreadableSoundError("it is cut off")
    samples = _numbers(raw, header)
    return samples if header.n_channels == 1 else mono(samples.reshape(-1, header.n_channels))


def mono(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average the channels of samples of shape (n_frames, n_channels)."""
    means: NDArray[np.float32] = samples.mean(axis=1, dtype=np.float32)
    return means


def _numbers(raw: bytes, header: WavHeader) -> NDArray[np.float32]:
    if header.is_float:
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused as that
            return np.frombuffer(raw, f"<f{header.bits // 8}").astype(np.float32)
    if header.bits == 24:
        wide = np.zeros((len(raw) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        return scaled(wide.view("<i4")[:, 0])
    return scaled(np.frombuffer(raw, {8: "u1", 16: "<i2", 32: "<i4"}[header.bits]))


def scaled(numbers: NDArray[np.integer]) -> NDArray[np.float32]:
    """Bring whole numbers to -1 ... 1: by their type, so that quiet stays quiet.

    >>> scaled(np.array([-32768, 0, 16384], np.int16)).tolist()
    [-1.0, 0.0, 0.5]
    >>> scaled(np.array([0, 128, 192], np.uint8)).tolist()
    [-1.0, 0.0, 0.5]
    """
    half = 2.0 ** (8 * numbers.dtype.itemsize - 1)
    values: NDArray[np.float32] = np.multiply(numbers, np.float32(1 / half), dtype=np.float32)
    if numbers.dtype.kind == "u":
        values -= np.float32(1)
    return values
