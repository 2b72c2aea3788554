"""`Pictures`: what was read, all of one size, in one array; and the same rows as a network takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from planefold.data.tables import Table

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Pictures:
    """Pictures of one size.

    Parameters
    ----------
    pixels : uint8 array of shape (n_pictures, height, width, n_channels)
        0 is dark, 255 bright; one channel (grey) or three (red, green, blue). In memory, or mapped from a file.
    files : tuple of str
        Where each came from, relative to the source; empty for arrays.
    labels : array of shape (n_pictures,), optional
        The folder that each lay in.
    source : str
        What was read, for messages.
    skipped : tuple of (str, str)
        Files that could not be read, each with the reason.
    white : float, optional
        What stood for full brightness in an array of fractions, 1 or 255, or of 16 bits, 65535. None where nothing had
        to be decided.
    """

    pixels: NDArray[np.uint8]
    files: tuple[str, ...] = ()
    labels: Array | None = None
    source: str = "array"
    skipped: tuple[tuple[str, str], ...] = ()
    white: float | None = None

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_pictures, height, width, n_channels)."""
        return tuple(self.pixels.shape)

    def __getitem__(self, index: Array) -> Pictures:
        """Return some of them: by whole numbers, or by a mask."""
        places = np.arange(len(self))[index]
        return Pictures(
            pixels=self.pixels[places],
            files=tuple(self.files[place] for place in places) if self.files else (),
            labels=None if self.labels is None else self.labels[places],
            source=self.source,
            white=self.white,
        )

    def to_table(self) -> Table:
        """Return a table with a row for each picture, as lectures make one.

        Its columns are "label" and "file", where they are known, and "pixel_0", "pixel_1", ...: row by row from the
        top, in each row from the left; of a pixel with colours red, green and blue follow each other.

        Notes
        -----
        Tables hold whole numbers in 8 bytes, so this takes eight times the memory of the pictures.

        Examples
        --------
        >>> import numpy as np
        >>> pixels = np.arange(8, dtype=np.uint8).reshape(2, 2, 2, 1)
        >>> table = Pictures(pixels=pixels, labels=np.array(["cat", "dog"], dtype=object)).to_table()
        >>> table.names, table["pixel_3"].tolist()
        (('label', 'pixel_0', 'pixel_1', 'pixel_2', 'pixel_3'), [3, 7])
        """
        from planefold.data.cells import column_from
        from planefold.data.tables import Table

        columns: dict[str, Array] = {}
        if self.labels is not None:
            columns["label"] = column_from(self.labels, "label")
        if self.files:
            columns["file"] = column_from(list(self.files), "file")
        # In Fortran's order each column is one piece of memory.
        values = self.pixels.reshape(len(self), -1).astype(np.int64, order="F")
        columns |= {f"pixel_{place}": values[:, place] for place in range(values.shape[1])}
        return Table(columns, self.source)


@dataclass(frozen=True, eq=False)
class PictureStore:
    """Pictures as a network takes them: channels first, ``(pixel / 255 - mean) / scale``; made when they are asked for.

    Parameters
    ----------
    pixels : uint8 array of shape (n_pictures, height, width, n_channels)
    mean, scale : array of shape (n_channels,)
    """

    pixels: NDArray[np.uint8]
    mean: NDArray[np.float32]
    scale: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_pictures, n_channels, height, width)."""
        n, height, width, n_channels = self.pixels.shape
        return n, n_channels, height, width

    def take_rows(self, index: NDArray[np.int64] | slice) -> Tensor:
        """Return some of them, (n, n_channels, height, width), in float32."""
        import torch  # not above: folders are prepared without it

        some = self.pixels[index]
        values = np.multiply(some, 1 / (255 * self.scale), dtype=np.float32)
        values -= self.mean / self.scale
        # The memory stays as it lies, with the channels last: convolutions are quicker on it.
        return torch.from_numpy(values).permute(0, 3, 1, 2)
