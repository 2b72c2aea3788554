"""Pictures that are numbers already: arrays, tables with a column for each pixel, files of NumPy."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from planefold.core.errors import DataError, FileError, ParameterError, listed, show
from planefold.core.files import file_error
from planefold.data.folders import LABEL_NAMES, labels_of
from planefold.data.images.formats import brought_to
from planefold.data.images.pictures import Pictures
from planefold.data.images.sizes import choose_shape
from planefold.data.tables import Table
from planefold.data.work import for_each

Array = NDArray[Any]

_CHUNK_BYTES = 1 << 22
# "pixel_0", "pixel12", "px 3", "p7", "0"; and "1x28" or "pixel_0_27", row and column.
_PIXEL = re.compile(r"(?:pixel|pix|px|p|x)?[ _.-]?(\d+)(?:[x_](\d+))?", re.IGNORECASE)
_LEAST_BRIGHT = 128  # fractions that end below are neither shares of full brightness nor 0 to 255


def from_array(
    values: Array, *, shape: Any, size: Any, color: str, white: Any, source: str, labels: Array | None = None,
    files: tuple[str, ...] = (), n_threads: int = 1,
) -> Pictures:  # fmt: skip
    """Make pictures of an array of shape (n, height, width), (n, height, width, channels) or (n, pixels)."""
    values = _with_channels(_in_rows(values, shape, size, source), source)
    whole, found_white = _in_bytes(values, white, source)
    if labels is not None and len(labels) != len(whole):
        raise DataError(f"{source} has {len(whole):,} pictures and {len(labels):,} labels")
    pictures = Pictures(pixels=whole, files=files, labels=labels, source=source, white=found_white)
    if color == "auto":
        color = "grey" if _all_grey(whole) else "rgb"
    n = len(whole)
    wanted = choose_shape(size, [whole.shape[1:3]], ["the array"])
    return brought(pictures, wanted, color, n_threads) if n else pictures


def brought(pictures: Pictures, shape: tuple[int, int], color: str, n_threads: int) -> Pictures:
    """Return pictures in this (height, width), "grey" or "rgb"; the same ones where nothing is to be done."""
    pixels = pictures.pixels
    n, height, width, n_channels = pixels.shape
    wanted = 1 if color == "grey" else 3
    if (height, width) == shape and n_channels == wanted:
        return pictures
    if (height, width) == shape and wanted == 3:
        made = np.repeat(pixels, 3, axis=3)
    else:
        made = np.empty((n, *shape, wanted), np.uint8)

        def work(place: int) -> None:
            one = pixels[place, :, :, 0] if n_channels == 1 else pixels[place]
            made[place] = np.asarray(brought_to(Image.fromarray(one), shape, color)).reshape(made.shape[1:])

        for_each(n, work, n_threads=n_threads, what="resizing pictures")
    return Pictures(pixels=made, files=pictures.files, labels=pictures.labels, source=pictures.source,
                    skipped=pictures.skipped, white=pictures.white)  # fmt: skip


# ----------------------------------------------------------------------------------------------------------- shape


def _in_rows(values: Array, shape: Any, size: Any, source: str) -> Array:
    """Give flattened pictures their height and width."""
    if values.ndim == 1 or values.ndim > 4 or values.ndim == 0:
        raise DataError(f"{source} has shape {values.shape}, pictures are (n, height, width) or with channels at last",
                        hint="one picture is X[None]; flattened ones are (n, height * width)")  # fmt: skip
    if 0 in values.shape:
        raise DataError(f"{source} has shape {values.shape}: there is no picture in it")
    if values.ndim > 2:
        if shape is not None and tuple(values.shape[1:]) != _checked_shape(shape):
            raise ParameterError(f"shape={show(shape)} does not fit pictures of shape {values.shape[1:]}")
        return values
    n_pixels = values.shape[1]
    if shape is not None:
        wanted = _checked_shape(shape)
        if math.prod(wanted) != n_pixels:
            raise ParameterError(
                f"shape={show(shape)} makes {math.prod(wanted):,} numbers, and a row of {source} has {n_pixels:,}"
            )
        return values.reshape(len(values), *wanted)
    if isinstance(size, tuple) and n_pixels in (math.prod(size), 3 * math.prod(size)):
        return values.reshape(len(values), *size, n_pixels // math.prod(size))
    side = math.isqrt(n_pixels)
    if side * side != n_pixels:
        raise DataError(f"a row of {source} has {n_pixels:,} numbers, which is no square picture",
                        hint="size=(height, width), or shape=(height, width, 3), says what they are")  # fmt: skip
    return values.reshape(len(values), side, side)


def _checked_shape(shape: Any) -> tuple[int, ...]:
    try:
        entries = tuple(int(entry) for entry in shape)
    except (TypeError, ValueError):
        entries = ()
    if len(entries) not in (2, 3) or min(entries) < 1:
        raise ParameterError(f"shape={show(shape)} must be (height, width) or (height, width, channels)")
    return entries


def _with_channels(values: Array, source: str) -> Array:
    if values.ndim == 3:
        return values[..., None]
    if values.shape[3] in (1, 3, 4):
        return values
    order = ""
    if values.shape[1] in (1, 3, 4):
        order = "; if the channels come first: X.transpose(0, 2, 3, 1)"
    raise DataError(f"{source} has shape {values.shape}: the last number, of channels, must be 1, 3 or 4",
                    hint=f"grey, red-green-blue, or with opacity{order}")  # fmt: skip


# ------------------------------------------------------------------------------------------------------ brightness


def _in_bytes(values: Array, white: Any, source: str) -> tuple[NDArray[np.uint8], float | None]:
    """Return 0 to 255, and what stood for white where that had to be decided."""
    kind = values.dtype.kind
    if values.dtype == np.uint8:
        return _opaque(values), None
    if kind == "b":
        return _opaque(values.astype(np.uint8) * np.uint8(255)), None
    if kind not in "iuf":
        raise DataError(f"{source} has entries of type {values.dtype}, pictures are numbers",
                        hint="uint8, or fractions from 0 to 1")  # fmt: skip
    low, high, are_whole = _range(values, source)
    if kind != "f":
        # 12 bits in 16 would be next to black: whoever has them knows what is white.
        is_sixteen = values.dtype.itemsize == 2 and 2**15 <= high <= 65535
        if white is not None and white > 255:  # as the model was told, or found in brighter pictures
            top = _white(white, low, high, True, source)
            return _opaque(_scaled(values, 255 / top)), top
        if low < 0 or (high > 255 and not is_sixteen):
            raise _range_error(source, low, high)
        if is_sixteen:
            return _opaque(_scaled(values, 1 / 257)), 65535.0
        return _opaque(_scaled(values, 1.0)), None
    top = _white(white, low, high, are_whole, source)
    return _opaque(_scaled(values, 255 / top)), top


def _white(white: Any, low: float, high: float, are_whole: bool, source: str) -> float:
    if white is not None:
        if high > white or low < 0:
            raise DataError(f"{source} has values from {low:g} to {high:g}, and white is {white:g}",
                            hint="the model was given values on another scale")  # fmt: skip
        return float(white)
    if low < 0 or high > 255 or (high > 1 and not are_whole and high < _LEAST_BRIGHT):
        raise _range_error(source, low, high)
    return 1.0 if high <= 1 else 255.0


def _range_error(source: str, low: float, high: float) -> DataError:
    return DataError(
        f"{source} has values from {low:g} to {high:g}: what is black and what is white is not clear",
        details="pictures are whole numbers from 0 to 255, or fractions from 0 to 1 or from 0 to 255",
        hint="for example (X - X.min()) / (X.max() - X.min()), with the numbers of the training pictures",
    )


def _chunks(values: Array) -> list[slice]:
    step = max(1, _CHUNK_BYTES // (8 * max(1, math.prod(values.shape[1:]))))
    return [slice(start, start + step) for start in range(0, len(values), step)]


def _range(values: Array, source: str) -> tuple[float, float, bool]:
    low, high, are_whole = math.inf, -math.inf, True
    for part in _chunks(values):
        some = values[part]
        low, high = min(low, float(some.min())), max(high, float(some.max()))
        if math.isnan(low) or math.isnan(high) or math.isinf(low) or math.isinf(high):
            raise DataError(f"{source} has pixels that are no numbers (nan or infinite)",
                            hint="leave such pictures out, or fill the gaps")  # fmt: skip
        if values.dtype.kind == "f" and are_whole:
            are_whole = bool((some == np.rint(some)).all())
    return low, high, are_whole


def _scaled(values: Array, factor: float) -> NDArray[np.uint8]:
    made = np.empty(values.shape, np.uint8)
    for part in _chunks(values):
        np.copyto(made[part], np.rint(values[part] * factor), casting="unsafe")
    return made


def _opaque(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Show white behind what is transparent, as for files."""
    if values.shape[3] != 4:
        return values
    made = np.empty((*values.shape[:3], 3), np.uint8)
    for part in _chunks(values):
        opacity = values[part][..., 3:].astype(np.float32) / 255
        made[part] = np.rint(values[part][..., :3] * opacity + 255 * (1 - opacity))
    return made


def _all_grey(values: NDArray[np.uint8]) -> bool:
    return values.shape[3] == 1 or all(
        bool((values[part][..., 1:] == values[part][..., :1]).all()) for part in _chunks(values)
    )


# ---------------------------------------------------------------------------------------------------------- tables


def from_table(table: Table, *, target: str | None, **options: Any) -> Pictures:
    """Make pictures of a table with a column for each pixel, in the order of their numbers."""
    labels = labels_of(table, target, set())
    others = {target} if target else {name for name in table.names if name.strip().casefold() in LABEL_NAMES}
    names = _pixel_columns(table, others)
    values = np.empty((table.n_rows, len(names)), np.result_type(*(table[name].dtype for name in names)))
    for place, name in enumerate(names):
        values[:, place] = table[name]
    files = table["file"].tolist() if "file" in table.names and table["file"].dtype == object else ()
    return from_array(values, labels=labels, files=tuple(map(str, files)), source=table.source, **options)


def _pixel_columns(table: Table, others: set[str]) -> list[str]:
    numeric = [name for name, values in table.columns.items() if values.dtype.kind in "iufb" and name not in others]
    matches = {name: _PIXEL.fullmatch(name.strip()) for name in numeric}
    numbered = {name: (int(match[1]), int(match[2] or 0)) for name, match in matches.items() if match is not None}
    if len(numbered) < 2:
        raise DataError(
            f"{table.source} has neither a column with paths of pictures nor columns of pixels",
            details=f"{len(table.names)} columns: {listed(table.names)}",
            hint='paths end in .png, .jpg and the like (column="..." names theirs); pixels are pixel_0, pixel_1, ...',
        )
    rest = [name for name in table.names if name not in numbered and name not in others]
    texts = [name for name in rest if _PIXEL.fullmatch(name.strip())]
    if texts:
        raise DataError(f'column "{texts[0]}" of {table.source} has entries that are no numbers')
    names = sorted(numbered, key=lambda name: numbered[name])
    numbers = [numbered[name] for name in names]
    if not any(matches[name][2] for name in names):  # type: ignore[index]
        first = numbers[0][0]
        missing = next((first + i for i, (number, _) in enumerate(numbers) if number != first + i), None)
        if missing is not None or first > 1:
            gap = missing if missing is not None else 0
            raise DataError(f"{table.source} lacks the column of pixel {gap}, or has it twice",
                            details=f"columns of pixels: {listed(names, 6)}")  # fmt: skip
    return names


# ------------------------------------------------------------------------------------------------------ NumPy's own


def load_arrays(path: Path, column: str | None, target: str | None) -> tuple[Array, Array | None, tuple[str, ...]]:
    """Read pictures, labels and names from a .npy or .npz file.

    Raises
    ------
    DataError, FileError
        If the file is damaged, holds objects, or does not say which of its arrays are the pictures.
    """
    try:
        if path.suffix.lower() == ".npy":
            return np.lib.format.open_memmap(path, mode="r"), None, ()
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as found:
            return _from_archive(found, path, column, target)
    except (FileError, DataError):
        raise
    except OSError as error:
        raise file_error(error, path, "read") from error
    except MemoryError:
        raise
    except Exception as error:  # a damaged archive can make its reader raise anything
        raise DataError(f"{path.name} is no file of NumPy that can be read", details=str(error)) from error


def _from_archive(
    found: Mapping[str, Array], path: Path, column: str | None, target: str | None
) -> tuple[Array, Array | None, tuple[str, ...]]:
    names = list(found)
    for name in filter(None, (column, target)):
        if name not in names:
            raise DataError(f'there is no array "{name}" in {path.name}', details=f"arrays: {listed(names)}")
    usual = [name for name in names if name.casefold() in ("pixels", "x", "images", "data", "arr_0")]
    chosen = column or (usual[0] if len(usual) == 1 else names[0] if len(names) == 1 else None)
    if chosen is None:
        raise DataError(f"{path.name} does not say which of its arrays are the pictures",
                        details=f"arrays: {listed(names)}",
                        hint=f'column="{[*names, "X"][0]}" names it, and target="..." the labels')  # fmt: skip
    labels = [name for name in names if name.casefold() in (*LABEL_NAMES, "labels")]
    label = target or (labels[0] if len(labels) == 1 else None)
    files = tuple(map(str, found["files"].tolist())) if "files" in names else ()
    return found[chosen], None if label is None else found[label], files
