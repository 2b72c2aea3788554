"""Pictures as a file for other programs: a table with a column for each pixel, or an array."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import IO, Any

import numpy as np

from planefold.core.errors import MissingExtraError
from planefold.core.files import atomic_write
from planefold.core.progress import ProgressBar
from planefold.data.images.pictures import Pictures
from planefold.data.outputs import outputs_of


def write_pictures(pictures: Pictures, path: Path) -> tuple[Path, ...]:
    """Write pictures to a file, of the kind that its ending says.

    Parameters
    ----------
    pictures : Pictures
    path : Path
        ``.csv`` and ``.parquet``: a table with the columns "label", "file" and "pixel_0", "pixel_1", ... as
        :meth:`Pictures.to_table` makes it. ``.npz``: the arrays ``pixels``, ``labels`` and ``files``. ``.npy``: the
        array (n, height, width), or with three channels at last, and the labels and files in a table beside it.

    Returns
    -------
    tuple of Path
        What was written.

    Raises
    ------
    MissingExtraError
        If Parquet is asked for and pyarrow is not there.
    FileError
        If the system refuses.
    """
    written = outputs_of(path)
    ending = path.suffix.lower()
    if ending == ".parquet":
        _write_parquet(pictures, path)
        return written
    if ending == ".npy":
        # The table first: an array without it looks complete and is not.
        with atomic_write(written[1], "w") as file:
            _write_rows(file, pictures, with_pixels=False)
    if ending == ".csv":
        with atomic_write(path, "w") as file:
            _write_rows(file, pictures, with_pixels=True)
    else:
        with atomic_write(path) as raw:
            _write_arrays(raw, pictures, ending)
    return written


def _about(pictures: Pictures) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if pictures.labels is not None:
        found["label"] = pictures.labels.tolist()
    if pictures.files:
        found["file"] = list(pictures.files)
    return found


def _write_rows(file: IO[Any], pictures: Pictures, *, with_pixels: bool) -> None:
    about = _about(pictures)
    n_pixels = int(np.prod(pictures.shape[1:])) if with_pixels else 0
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*about, *(f"pixel_{place}" for place in range(n_pixels))])
    with ProgressBar(len(pictures), "writing pictures") as bar:
        for row in range(len(pictures)):
            pixels = pictures.pixels[row].reshape(-1).tolist() if with_pixels else ()
            writer.writerow([*(values[row] for values in about.values()), *pixels])
            bar.update(row + 1)


def _write_arrays(file: IO[bytes], pictures: Pictures, ending: str) -> None:
    pixels = pictures.pixels[..., 0] if pictures.shape[3] == 1 else pictures.pixels
    if ending == ".npy":
        np.save(file, pixels, allow_pickle=False)
        return
    others = {"labels": pictures.labels, "files": pictures.files or None}
    arrays = {name: _texts(values) for name, values in others.items() if values is not None}
    np.savez_compressed(file, allow_pickle=False, pixels=pixels, **arrays)


def _texts(values: Any) -> Any:
    found = np.asarray(values)
    # As texts of one length each: objects would need code to be run when they are read.
    return found.astype(str) if found.dtype == object else found


def _write_parquet(pictures: Pictures, path: Path) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError.of("pyarrow", "arrow", "writing a Parquet file") from None
    columns = {name: pyarrow.array(values) for name, values in _about(pictures).items()}
    values = np.asfortranarray(pictures.pixels.reshape(len(pictures), -1))  # each column is one piece of memory
    columns |= {f"pixel_{place}": pyarrow.array(values[:, place]) for place in range(values.shape[1])}
    with atomic_write(path) as file:
        parquet.write_table(pyarrow.table(columns), file, compression="zstd")
