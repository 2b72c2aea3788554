"""Pictures of sounds as a file for other programs: a table with a column for each value, or an array."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from planefold.core.errors import DataError, MissingExtraError
from planefold.core.files import atomic_write
from planefold.core.progress import ProgressBar
from planefold.data.outputs import outputs_of
from planefold.data.sounds.sounds import Sounds

Values = NDArray[np.float32]


def write_sounds(sounds: Sounds, pictures: Values, path: Path) -> tuple[Path, ...]:
    """Write pictures of sounds to a file, of the kind that its ending says.

    Parameters
    ----------
    sounds : Sounds
        Which they are pictures of: the labels and the files.
    pictures : float32 array of shape (n_sounds, 1, height, width)
        From :func:`feature_pictures`.
    path : Path
        ``.csv`` and ``.parquet``: a table with the columns "label", "file" and "pixel_0", "pixel_1", ... as
        :meth:`Sounds.to_table` makes it; decibels in CSV have four decimals. ``.npz``: the arrays ``pictures``,
        ``labels`` and ``files``. ``.npy``: the array (n_sounds, height, width), and labels and files in a table beside
        it.

    Returns
    -------
    tuple of Path
        What was written.

    Raises
    ------
    DataError
        If there is not one picture for each sound.
    MissingExtraError
        If Parquet is asked for and pyarrow is not there.
    FileError
        If the system refuses.
    """
    if len(pictures) != len(sounds):
        raise DataError(f"there are {len(pictures)} pictures of {len(sounds)} sounds")
    written, ending = outputs_of(path), path.suffix.lower()
    if ending == ".parquet":
        _write_parquet(sounds, pictures, path)
    elif ending == ".csv":
        with atomic_write(path, "w") as file:
            _write_rows(file, sounds, pictures)
    elif ending == ".npz":
        others = {"labels": sounds.labels, "files": sounds.files or None}
        # As texts of one length each: objects would need code to be run when they are read.
        arrays = {name: np.asarray(values).astype(str) for name, values in others.items() if values is not None}
        with atomic_write(path) as raw:
            np.savez_compressed(raw, allow_pickle=False, pictures=pictures[:, 0], **arrays)
    else:
        # The table first: an array without it looks complete and is not.
        with atomic_write(written[1], "w") as file:
            _write_rows(file, sounds, pictures[:, :, :0])
        with atomic_write(path) as raw:
            np.save(raw, pictures[:, 0], allow_pickle=False)
    return written


def _about(sounds: Sounds) -> dict[str, list[Any]]:
    found = {} if sounds.labels is None else {"label": sounds.labels.tolist()}
    return {**found, "file": list(sounds.files)} if sounds.files else found


def _write_rows(file: IO[str], sounds: Sounds, pictures: Values) -> None:
    about, n = _about(sounds), len(sounds)
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*about, *(f"pixel_{place}" for place in range(pictures[0].size))])
    with ProgressBar(n, "writing sounds") as bar:
        for row in range(n):
            values = pictures[row].reshape(-1).tolist()
            writer.writerow([*(column[row] for column in about.values()), *(f"{value:.4f}" for value in values)])
            bar.update(row + 1)


def _write_parquet(sounds: Sounds, pictures: Values, path: Path) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError.of("pyarrow", "arrow", "writing a Parquet file") from None
    columns = {name: pyarrow.array(values) for name, values in _about(sounds).items()}
    values = np.asfortranarray(pictures.reshape(len(pictures), -1))  # each column is one piece of memory
    columns |= {f"pixel_{place}": pyarrow.array(values[:, place]) for place in range(values.shape[1])}
    with atomic_write(path) as file:
        parquet.write_table(pyarrow.table(columns), file, compression="zstd")
