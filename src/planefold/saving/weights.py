"""Weights as safetensors: a JSON header with every array's type, shape and place, then the raw numbers.

Written out here because the header must be checked against the size of the file before anything is
allocated, and because the summary of a model must not wait for NumPy. The files are what the
``safetensors`` library reads and writes; a test keeps it so.

References
----------
The format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planefold.saving.refusal import RefusalError, quoted
from planefold.saving.strict_json import parse_object, write_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NAME = "weights.safetensors"
MAX_HEADER = 2 * 2**20  # some 30,000 arrays
MAX_BYTES = 4 * 2**30
MAX_AXES = 32

# safetensors name: (NumPy name, bytes an item)
_TYPES = {
    "F64": ("<f8", 8),
    "F32": ("<f4", 4),
    "F16": ("<f2", 2),
    "I64": ("<i8", 8),
    "I32": ("<i4", 4),
    "I16": ("<i2", 2),
    "I8": ("|i1", 1),
    "U64": ("<u8", 8),
    "U32": ("<u4", 4),
    "U16": ("<u2", 2),
    "U8": ("|u1", 1),
    "BOOL": ("|b1", 1),
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one array lies: its type, its shape, and its first and last byte (exclusive) in the data."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def parse_header_length(first: bytes, n_bytes: int) -> int:
    """Read the length of the header from the first 8 bytes of a file of ``n_bytes``."""
    if len(first) != 8:
        raise RefusalError(f"{NAME}: shorter than 8 bytes")
    length: int = struct.unpack("<Q", first)[0]
    if length > n_bytes - 8:
        raise RefusalError(f"{NAME}: the header is said to have {length} bytes, the file has {n_bytes}")
    if length > MAX_HEADER:
        raise RefusalError(f"{NAME}: the header has {length} bytes; at most {MAX_HEADER} are read")
    return length


def parse_header(header: bytes, n_data: int) -> dict[str, Place]:
    """Check a safetensors header against the ``n_data`` bytes of numbers that follow it.

    Every array must have a known type, a size of exactly shape times bytes per item, and the arrays must
    fill the data from the first byte to the last, without gaps and without sharing a byte. Costs
    ``O(n log n)`` in the number of arrays, allocates nothing of their size and does not need NumPy.

    Raises
    ------
    RefusalError
        If any of this does not hold.
    """
    records = parse_object(header, f"{NAME} header")
    metadata = records.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise RefusalError(f"{NAME}: __metadata__ must hold text only")
    places = {name: _place(name, record) for name, record in records.items()}
    end = 0
    for name, place in sorted(places.items(), key=lambda item: (item[1].begin, item[1].end)):
        if place.begin != end:
            raise RefusalError(f"{NAME}: {quoted(name)} begins at byte {place.begin}, the one before ends at {end}")
        end = place.end
    if end != n_data:
        raise RefusalError(f"{NAME}: the arrays take {end} bytes, the file has {n_data} for them")
    return places


def _place(name: str, record: Any) -> Place:
    if not isinstance(record, dict) or set(record) != {"dtype", "shape", "data_offsets"}:
        raise RefusalError(f"{NAME}: {quoted(name)} must have dtype, shape and data_offsets")
    dtype, shape, offsets = record["dtype"], record["shape"], record["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _TYPES:
        raise RefusalError(f"{NAME}: {quoted(name)} has the unknown type {quoted(dtype)}")
    if not _is_sizes(shape) or len(shape) > MAX_AXES:
        raise RefusalError(f"{NAME}: {quoted(name)} has the impossible shape {quoted(shape)}")
    if not _is_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise RefusalError(f"{NAME}: {quoted(name)} has the impossible place {quoted(offsets)}")
    itemsize = _TYPES[dtype][1]
    # An axis of length 0 would hide another of length 2**62 from the product; NumPy could not make that array.
    if math.prod(max(axis, 1) for axis in shape) * itemsize > MAX_BYTES:
        raise RefusalError(f"{NAME}: {quoted(name)} has the shape {quoted(shape)}, which is too large")
    if math.prod(shape) * itemsize != offsets[1] - offsets[0]:
        raise RefusalError(
            f"{NAME}: {quoted(name)} of shape {quoted(shape)} needs {math.prod(shape) * itemsize} bytes, "
            f"its place has {offsets[1] - offsets[0]}"
        )
    return Place(dtype=dtype, shape=tuple(shape), begin=offsets[0], end=offsets[1])


def _is_sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 2**63 for value in values)


def build_arrays(places: Mapping[str, Place], data: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
    """Cut the numbers into arrays (views of ``data``, nothing is copied) and check that they are finite.

    Parameters
    ----------
    places : mapping
        From `parse_header`, which has checked them against the length of ``data``.
    data : array of uint8, shape (n_data,)
        The numbers, as bytes.
    """
    arrays = {}
    for name in sorted(places):
        place = places[name]
        piece = data[place.begin : place.end]
        if place.dtype == "BOOL" and piece.size and piece.max() > 1:
            raise RefusalError(f"{NAME}: {quoted(name)} has truth values that are neither 0 nor 1")
        arrays[name] = piece.view(_TYPES[place.dtype][0]).reshape(place.shape)
    check_finite(arrays)
    return arrays


def check_finite(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse arrays with nan or infinite values, and say how many there are."""
    import numpy as np

    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            n_bad = array.size - int(np.isfinite(array).sum())
            raise RefusalError(
                f"the weights {quoted(name)} have {n_bad} of {array.size} values that are nan or infinite",
                hint="train again with a lower learning rate, or restore the best epoch",
            )


def pack_arrays(weights: Mapping[str, NDArray[Any]]) -> tuple[bytes, list[NDArray[np.uint8]]]:
    """Check arrays and lay them out as safetensors.

    Returns
    -------
    header : bytes
        The length and the JSON header, padded so that the numbers begin at a multiple of 8.
    pieces : list of array of uint8
        The numbers as bytes, in the order of the file: wide types first, so that every array is aligned.
        Views where the arrays are little-endian and in C order, copies where not.
    """
    import numpy as np

    names = {np.dtype(numpy_name): name for name, (numpy_name, _) in _TYPES.items()}
    arrays = {}
    unchecked: Mapping[Any, Any] = weights
    for name, given in unchecked.items():
        if not isinstance(name, str) or name == "__metadata__":
            raise RefusalError(f"{quoted(name)} cannot be the name of weights")
        if not isinstance(given, np.ndarray) or given.dtype.newbyteorder("<") not in names:
            kind = given.dtype if isinstance(given, np.ndarray) else type(given).__name__
            raise RefusalError(f"the weights {quoted(name)} are {kind}", hint="use NumPy arrays of numbers or bool")
        arrays[name] = given.astype(given.dtype.newbyteorder("<"), order="C", copy=False)
    check_finite(arrays)

    header: dict[str, Any] = {}
    pieces: list[NDArray[np.uint8]] = []
    begin = 0
    for name, array in sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])):
        end = begin + array.nbytes
        header[name] = {"dtype": names[array.dtype], "shape": list(array.shape), "data_offsets": [begin, end]}
        pieces.append(array.reshape(-1).view(np.uint8))
        begin = end
    text = write_json(header, f"{NAME} header")
    text += b" " * (-len(text) % 8)
    if begin + len(text) + 8 > MAX_BYTES or len(text) > MAX_HEADER:
        raise RefusalError(f"the weights take {begin} bytes; a .fold file holds at most {MAX_BYTES}")
    # What is written must be readable: shapes and names go through the reader's own checks.
    parse_header(text, begin)
    return struct.pack("<Q", len(text)) + text, pieces


def chunks(pieces: list[NDArray[np.uint8]], size: int = 2**20) -> Iterator[memoryview]:
    """Hand out the numbers in pieces of at most ``size`` bytes."""
    for piece in pieces:
        for start in range(0, piece.size, size):
            yield piece[start : start + size].data
