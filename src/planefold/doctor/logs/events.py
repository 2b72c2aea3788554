"""TensorBoard event files: the scalars in them, read without TensorBoard.

A file is a row of records, each with its length; a record is a message of protocol buffers (``event.proto`` and
``summary.proto`` of TensorFlow), of which the step, the tag and the value are read. Check sums are not checked: a
training that is still running ends in half a record.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

MARK = "tfevents"
_HEADER, _FOOTER = 12, 4  # length and its check sum; check sum of the message


def read_scalars(data: bytes) -> Iterator[tuple[int, str, float]]:
    """Yield step, tag and value of every scalar of an event file."""
    at = 0
    while at + _HEADER <= len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        record = data[at + _HEADER : at + _HEADER + length]
        if len(record) < length:
            return
        try:
            yield from _scalars_of(record)
        except (ValueError, IndexError, struct.error):
            return  # damaged from here on
        at += _HEADER + length + _FOOTER


def is_event_file(path: Path, head: bytes = b"") -> bool:
    """Tell an event file by its name, or by its first record, which says which version it is."""
    return MARK in path.name or b"brain.Event:" in head[:64]


def _scalars_of(record: bytes) -> Iterator[tuple[int, str, float]]:
    fields = dict(_fields(record))
    step = _signed(int(fields.get(2, 0)))
    for number, value in _fields(fields.get(5, b"")):
        if number == 1:
            entry = dict(_fields(value))
            scalar = _scalar(entry)
            if scalar is not None and 1 in entry:
                yield step, entry[1].decode("utf-8", "replace"), scalar


def _scalar(entry: dict[int, bytes]) -> float | None:
    if 2 in entry:  # simple_value, of the first kind of summaries
        return float(struct.unpack("<f", entry[2])[0])
    tensor = dict(_fields(entry.get(8, b"")))
    if any(number == 2 and size for number, size in _fields(tensor.get(2, b""))):
        return None  # it has dimensions
    form, size = {1: ("<f", 5), 2: ("<d", 6)}.get(int(tensor.get(1, 0)), ("", 0))
    packed = tensor.get(4) or tensor.get(size)
    return float(struct.unpack(form, packed)[0]) if form and packed and len(packed) == struct.calcsize(form) else None


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and content of each field of a message; numbers come as bytes of their decimal digits."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield key >> 3, str(value).encode()
            continue
        length = {1: 8, 5: 4}.get(kind)
        if kind == 2:
            length, at = _varint(message, at)
        if length is None or at + length > len(message):
            raise ValueError("not a message")
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("not a number")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value
