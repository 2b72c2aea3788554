"""Pictures of sound brought to a size: linear between the points where they grow, a triangle's mean where they shrink.

What Pillow and ``torch.nn.functional.interpolate(antialias=True)`` do, as two products: a spectrogram has a thousand
rows and few columns, of which those compute a wide picture with a thousand rows first.
"""

from __future__ import annotations

import functools

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

Values = NDArray[np.float32]


class Resize:
    """Bring pictures of one shape, (n_bands, n_frames), to a size.

    Parameters
    ----------
    shape : (int, int)
        Bands and frames.
    size : (int, int)
        Height and width.
    """

    def __init__(self, shape: tuple[int, int], size: tuple[int, ...]) -> None:
        self.rows = torch.from_numpy(np.ascontiguousarray(weights_of(shape[0], size[0]).toarray().T))
        self.columns = weights_of(shape[1], size[1])

    def __call__(self, values: Values, out: Values) -> None:
        """Fill out, (n, height, width), from values, (n, n_frames, n_bands)."""
        n, n_frames, n_bands = values.shape
        lower = torch.mm(torch.from_numpy(values).reshape(-1, n_bands), self.rows).numpy().reshape(n, n_frames, -1)
        for picture, frames in zip(out, lower, strict=True):
            picture[:] = (self.columns @ frames).T


@functools.lru_cache(maxsize=32)
def weights_of(n_in: int, n_out: int) -> csr_array[np.float32]:
    """Weights of n_in points in each of n_out points, (n_out, n_in).

    >>> weights_of(2, 4).toarray().tolist()
    [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    >>> (weights_of(4, 2).toarray() * 7).round().tolist()
    [[3.0, 3.0, 1.0, 0.0], [0.0, 1.0, 3.0, 3.0]]
    """
    step = n_in / n_out
    reach = max(step, 1.0)  # half of the triangle's base, in points
    centres = (np.arange(n_out) + 0.5) * step
    first = np.maximum(np.floor(centres - reach + 0.5), 0).astype(np.int64)
    last = np.minimum(np.floor(centres + reach + 0.5), n_in).astype(np.int64)
    counts = last - first
    starts = np.concatenate([[0], np.cumsum(counts)])
    points = np.arange(starts[-1]) + np.repeat(first - starts[:-1], counts)
    heights = np.maximum(1 - np.abs(points + 0.5 - np.repeat(centres, counts)) / reach, 0)
    sums = np.add.reduceat(heights, starts[:-1])
    return csr_array(((heights / np.repeat(sums, counts)).astype(np.float32), points, starts), shape=(n_out, n_in))
