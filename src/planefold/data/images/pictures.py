"""`Pictures`: what was read, all of one size, in one array; and the same rows as a network takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

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
    """

    pixels: NDArray[np.uint8]
    files: tuple[str, ...] = ()
    labels: Array | None = None
    source: str = "array"
    skipped: tuple[tuple[str, str], ...] = ()

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
        )


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
        some = self.pixels[index]
        values = np.multiply(some, 1 / (255 * self.scale), dtype=np.float32)
        values -= self.mean / self.scale
        # The memory stays as it lies, with the channels last: convolutions are quicker on it.
        return torch.from_numpy(values).permute(0, 3, 1, 2)
