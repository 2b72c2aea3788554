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

from planefold.core.errors import ParameterError, listed, show, unknown_choice

Change = Callable[[Tensor, np.random.RandomState], Tensor]

SHIFT = 0.08  # of height and width, at most
ZOOM = 0.1
TURN = 10.0  # degrees
NOISE = 0.1  # deviation, in deviations of the pixels
MASK = 0.2  # of the bands, and of the time, at most


def _affine(X: Tensor, matrices: Tensor) -> Tensor:
    """Look up each pixel where a matrix of shape (n, 2, 2) says; beyond the edge the edge goes on.

    By cubic interpolation, within the range of each picture: a linear one would take a quarter of the finest detail
    away, and a network that learns from blurred pictures fails on sharp ones.
    """
    around_middle = torch.nn.functional.pad(matrices, (0, 1)).to(X)
    grid = torch.nn.functional.affine_grid(around_middle, list(X.shape), align_corners=False)
    found = torch.nn.functional.grid_sample(X, grid, mode="bicubic", padding_mode="border", align_corners=False)
    return found.clamp(X.amin(dim=(2, 3), keepdim=True), X.amax(dim=(2, 3), keepdim=True))


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


def _zooms(n: int, stretch: float, random_state: np.random.RandomState) -> Tensor:
    factors = torch.from_numpy(random_state.uniform(1 - ZOOM, 1 + ZOOM, n)).float()
    return factors[:, None, None] * torch.eye(2)


def _turns(n: int, stretch: float, random_state: np.random.RandomState) -> Tensor:
    angles = torch.from_numpy(np.deg2rad(random_state.uniform(-TURN, TURN, n))).float()
    cos, sin = torch.cos(angles), torch.sin(angles)
    # Grids count height and width as 2, however long they are.
    return torch.stack([cos, -sin * stretch, sin / stretch, cos], dim=1).reshape(n, 2, 2)


def zoom(X: Tensor, random_state: np.random.RandomState) -> Tensor:
    """Enlarge or reduce each picture by up to 10 %."""
    return _affine(X, _zooms(len(X), X.shape[2] / X.shape[3], random_state))


def turn(X: Tensor, random_state: np.random.RandomState) -> Tensor:
    """Turn each picture by up to 10 degrees."""
    return _affine(X, _turns(len(X), X.shape[2] / X.shape[3], random_state))


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
# Those that look pixels up between others: what follows one another is done at once, as each time takes detail away.
MATRICES = {"zoom": _zooms, "turn": _turns}


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
        for name in self.names:
            if not isinstance(name, str) or name not in CHANGES:
                raise unknown_choice("augment", name, list(CHANGES))

    def __call__(self, X: Tensor, random_state: np.random.RandomState) -> Tensor:
        """Change each row of a batch."""
        matrices: Tensor | None = None
        for name in self.names:
            if name in MATRICES:
                found = MATRICES[name](len(X), X.shape[2] / X.shape[3], random_state)
                # A pixel of the last picture is looked up in the one before, and that place in the one before that.
                matrices = found if matrices is None else matrices @ found
                continue
            if matrices is not None:
                X, matrices = _affine(X, matrices), None
            X = CHANGES[name](X, random_state)
        return X if matrices is None else _affine(X, matrices)


def augmentation_of(augment: Sequence[str] | None) -> Augmentation | None:
    """Return what changes the batches; None where nothing does.

    Raises
    ------
    ParameterError
        If it is no list, or a name is not known.
    """
    if augment is None:
        return None
    if isinstance(augment, str) or not isinstance(augment, Sequence):
        hint = f"augment=[{show(augment)}]" if augment in CHANGES else "augment=('shift', 'flip'), or None"
        raise ParameterError(f"augment={show(augment)} must be a list of changes", details=listed(CHANGES), hint=hint)
    return Augmentation(tuple(augment)) if augment else None
