"""What single pictures look like: small and grey, how bright, how much contrast, blank."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Small = npt.NDArray[np.float32]

SIDE = 48  # pixels of a side of what is compared: more cost time, fewer make different things alike
BLANK = 0.01  # of the contrast of the middle picture
CHUNK = 256  # pictures that are brought to floats at a time


def small_pictures(pictures: npt.NDArray[Any]) -> Small:
    """Bring pictures to grey ones of at most 48 x 48 pixels, each the mean of those that it stands for.

    Parameters
    ----------
    pictures : array of shape (n, height, width) or (n, height, width, n_channels)

    Returns
    -------
    float32 array of shape (n, min(height, 48), min(width, 48))
    """
    down, across = (averages(size, SIDE) for size in pictures.shape[1:3])
    small = np.empty((len(pictures), len(down), len(across)), np.float32)
    for start in range(0, len(pictures), CHUNK):
        some = pictures[start : start + CHUNK]
        grey = some.mean(axis=3, dtype=np.float32) if some.ndim == 4 else some.astype(np.float32)
        small[start : start + CHUNK] = down @ grey @ across.T
    return small


def coarse_pixels(pictures: npt.NDArray[Any], side: int = 16) -> npt.NDArray[np.float64]:
    """Bring pictures to at most 16 x 16 pixels with their colours; each becomes a row of numbers."""
    down, across = (averages(size, side) for size in pictures.shape[1:3])
    rows = []
    for start in range(0, len(pictures), CHUNK):
        some = pictures[start : start + CHUNK].astype(np.float32)
        some = some.reshape(*some.shape[:3], -1)  # the channels apart, one where there are none
        small = np.stack([down @ some[..., channel] @ across.T for channel in range(some.shape[3])], axis=3)
        rows.append(small.reshape(len(small), -1))
    return np.concatenate(rows).astype(np.float64)


def averages(size: int, side: int) -> Small:
    """Return the matrix that averages ``size`` pixels to at most ``side``; a pixel on an edge counts in part."""
    n = min(size, side)
    edges = np.linspace(0, size, n + 1)
    pixels = np.arange(size)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.asarray(np.clip(covered, 0, None) * (n / size), dtype=np.float32)


def looks_of(small: Small, kind: str = "pictures") -> dict[str, npt.NDArray[np.float64]]:
    """Return brightness (of sounds: level) and contrast of each picture, (n,) each."""
    flat = small.reshape(len(small), -1)
    return {
        "level" if kind == "sounds" else "brightness": flat.mean(axis=1, dtype=np.float64),
        "contrast": flat.std(axis=1, dtype=np.float64),
    }


def is_blank(small: Small) -> npt.NDArray[np.bool_]:
    """Tell which pictures have hardly any contrast."""
    contrast = looks_of(small)["contrast"]
    return np.asarray(contrast <= BLANK * np.median(contrast))
