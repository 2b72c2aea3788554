"""Small changes of pictures and spectrograms that leave their meaning as it is: each epoch sees other ones.

A change takes a batch, (n, n_channels, height, width), and a random state, and returns a new batch. Each row is changed
by its own chance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from planefold.core.errors import ParameterError, show, unknown_choice

Change = Callable[[Tensor, np.random.RandomState], Tensor]

SHIFT = 0.08  # of height and width, at most
ZOOM = 0.1
TURN = 10.0  # degrees
NOISE = 0.1  # deviation, in deviations of the pixels
MASK = 0.2  # of the bands, and of the time, at most


def _affine(X: Tensor, matrices: Tensor) -> Tensor:
    """Look up each pixel where a matrix of shape (n, 2, 3) says; beyond the edge the edge goes on."""
    grid = torch.nn.functional.affine_grid(matrices.to(X), list(X.shape), align_corners=False)
    return torch.nn.functional.grid_sample(X, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _eye(n: int) -> Tensor:
    return torch.eye(2, 3).repeat(n, 1, 1)


def shift(X: Tensor, random_state: np.random.RandomState) -> Tensor:
    """Move each picture by up to 8 % of its height and width, by whole pixels; what moves in repeats the edge."""
    n, _, height, width = X.shape
    down, right = (max(1, round(SHIFT * side)) for side in (height, width))
    rows = torch.arange(height) - torch.from_numpy(random_state.randint(-down, down + 1, n))[:, None]
    columns = torch.arange(width) - torch.from_numpy(random_state.randint(-right, right + 1, n))[:, None]
    rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    index = (rows[:, :, None] * width + columns[:, None, :]).flatten(1).to(X.device)
    return X.flatten(2).gather(2, index[:, None].expand(-1, X.shape[1], -1)).reshape(X.shape)


def flip(X: Tensor, random_state: np.random.RandomState) -> Tensor:
    """Turn each second picture, by chance, left to right."""
    turned = torch.from_numpy(random_state.uniform(size=len(X)) < 0.5).to(X.device)
    return torch.where(turned[:, None, None, None], X.flip(-1), X)


def zoom(X: Tensor, random_state: np.random.RandomState) -> Tensor:
    """Enlarge or reduce each picture by up to 10 %."""
    matrices = _eye(len(X))
    matrices[:, :, :2] *= torch.from_numpy(random_state.uniform(1 - ZOOM, 1 + ZOOM, len(X)))[:, None, None]
    return _affine(X, matrices)


def turn(X: Tensor, random_state: np.random.RandomState) -> Tensor:
    """Turn each picture by up to 10 degrees."""
    angles = torch.from_numpy(np.deg2rad(random_state.uniform(-TURN, TURN, len(X))))
    matrices, stretch = _eye(len(X)), X.shape[2] / X.shape[3]  # grids count height and width as 2
    matrices[:, 0, 0] = matrices[:, 1, 1] = torch.cos(angles).float()
    matrices[:, 0, 1], matrices[:, 1, 0] = -torch.sin(angles) * stretch, torch.sin(angles) / stretch
    return _affine(X, matrices)


def noise(X: Tensor, random_state: np.random.RandomState) -> Tensor:
    """Add normal noise with a tenth of the pixels' deviation."""
    return X + NOISE * torch.from_numpy(random_state.standard_normal(X.shape).astype(np.float32)).to(X)


def time_shift(X: Tensor, random_state: np.random.RandomState) -> Tensor:
    """Move each spectrogram in time, its last axis, by up to 10 %; silence, the lowest value, moves in."""
    n, _, _, width = X.shape
    most = max(1, round(0.1 * width))
    columns = torch.arange(width) - torch.from_numpy(random_state.randint(-most, most + 1, n))[:, None]
    index = columns.clamp(0, width - 1).to(X.device)
    moved = X.gather(3, index[:, None, None].expand(-1, *X.shape[1:3], -1))
    outside = ((columns < 0) | (columns >= width)).to(X.device)[:, None, None]
    return torch.where(outside, X.amin(dim=(1, 2, 3), keepdim=True), moved)


def mask(X: Tensor, random_state: np.random.RandomState) -> Tensor:
    """Blank out a band of frequencies and a stretch of time of each spectrogram, each up to a fifth.

    References
    ----------
    Park et al., "SpecAugment: A simple data augmentation method for automatic speech recognition", Interspeech 2019,
    section 2 (masks; without the warping).
    """
    blank = torch.zeros(len(X), 1, *X.shape[2:], dtype=torch.bool)
    for axis in (2, 3):
        size = X.shape[axis]
        width = random_state.randint(0, max(1, round(MASK * size)) + 1, len(X))
        first = (random_state.uniform(size=len(X)) * (size - width + 1)).astype(np.int64)
        places = torch.arange(size)[None]
        inside = (places >= torch.from_numpy(first)[:, None]) & (places < torch.from_numpy(first + width)[:, None])
        blank |= inside[:, None, :, None] if axis == 2 else inside[:, None, None, :]
    return torch.where(blank.to(X.device), X.mean(dim=(1, 2, 3), keepdim=True), X)


CHANGES: dict[str, Change] = {
    "shift": shift,
    "flip": flip,
    "zoom": zoom,
    "turn": turn,
    "noise": noise,
    "time_shift": time_shift,
    "mask": mask,
}


@dataclass(frozen=True)
class Augmentation:
    """Several changes, one after the other.

    Parameters
    ----------
    names : tuple of str
        In ``CHANGES``.

    Raises
    ------
    ParameterError
        If a name is not known.
    """

    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if isinstance(self.names, str):
            raise ParameterError(f"augment={show(self.names)} must be a list", hint=f"augment=[{self.names!r}]")
        for name in self.names:
            if name not in CHANGES:
                raise unknown_choice("augment", name, list(CHANGES))

    def __call__(self, X: Tensor, random_state: np.random.RandomState) -> Tensor:
        """Change each row of a batch."""
        for name in self.names:
            X = CHANGES[name](X, random_state)
        return X


def augmentation_of(augment: Sequence[str] | None) -> Augmentation | None:
    """Return what changes the batches; None where nothing does."""
    return Augmentation(tuple(augment)) if augment else None
