"""Figures of units: what the activations of some rows, and the weights that lead to them, say about a layer.

Shared by the engine's own recording and by :class:`planefold.doctor.Watch`, so that both mean the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

N_POSITIONS = 16  # places of an image or time steps of a sequence that are looked at, of each row
EQUAL = 1e-5  # difference of two units' weights, relative to the largest, that is rounding
GOLDEN = 0.6180339887498949  # its multiples modulo 1 never lie on a line or a grid of an image

# Where a unit no longer answers: values of activations from where on their slope is nearly gone.
EXTREME: dict[str, Callable[[Any], Any]] = {
    "tanh": lambda a: abs(a) > 0.98,
    "logistic": lambda a: abs(a - 0.5) > 0.48,
}


class UnitFigures(TypedDict):
    """What there is to say about the activations of a layer."""

    mean: float
    std: float
    dead_share: float
    saturated_share: float


def unit_figures(activations: Tensor | NDArray[Any], kind: str) -> UnitFigures:
    """Summarise the activations of a layer.

    Parameters
    ----------
    activations : Tensor or ndarray of shape (..., n_rows, n_units)
        Leading axes are networks side by side, whose units all count. See :func:`by_unit` for images and sequences.
    kind : str
        ``"relu"``, ``"tanh"``, ``"logistic"`` or any other word, of which only the mean and the deviation are known.

    Returns
    -------
    dict
        ``mean`` and ``std`` over rows and units; ``dead_share``, share of the units that are zero on every row (0
        unless relu); ``saturated_share``, share of the values beyond 0.98 in size (tanh), below 0.02 or above 0.98
        (logistic), 0 of other kinds.

    Examples
    --------
    >>> a = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    >>> unit_figures(a, "relu")
    {'mean': 0.25, 'std': 0.4330..., 'dead_share': 0.5, 'saturated_share': 0.0}

    Notes
    -----
    Values are counted rather than units that are saturated on most rows: weights drawn 12 times too large saturate 85 %
    of the values of a tanh layer, and 3 % of its units on nine rows of ten.
    """
    figures: UnitFigures = {"mean": 0.0, "std": 0.0, "dead_share": 0.0, "saturated_share": 0.0}
    a, xp = _plain(activations)
    size = math.prod(a.shape)
    if not size:
        return figures
    with np.errstate(over="ignore", invalid="ignore"):  # torch does not warn either
        mean = a.mean()
        off = (a - mean).reshape(-1)
        figures["mean"], figures["std"] = float(mean), math.sqrt(float(xp.dot(off, off)) / size)
        if kind == "relu":
            dead = xp.amax(a, axis=-2) <= 0
            figures["dead_share"] = int(xp.count_nonzero(dead)) / math.prod(dead.shape)
        if kind in EXTREME:
            figures["saturated_share"] = int(xp.count_nonzero(EXTREME[kind](a))) / size
    return figures


def _plain(values: Tensor | NDArray[Any]) -> tuple[Any, Any]:
    """Return values in at least single precision, as an array where they are on the CPU, and their module.

    Of few values NumPy takes a third of torch's time.
    """
    if isinstance(values, Tensor):
        values = values.detach()
        values = values.float() if values.dtype.itemsize < torch.float32.itemsize else values
        if values.device.type != "cpu":
            return values, torch
        values = values.numpy()
    return values, np


def by_unit(activations: Tensor, *, axis: int = -1, n_positions: int = N_POSITIONS) -> Tensor:
    """Bring the activations of images or sequences into the shape (n_rows * n_positions, n_units).

    Parameters
    ----------
    activations : Tensor of shape (n_rows, ...)
    axis : int
        Of the units: 1 for the channels of images, -1 for the units of a layer that sees sequences (n_rows, n_steps,
        n_units).
    n_positions : int
        Positions that are kept of each row, the same ones in every call, spread over all.
    """
    if activations.dim() <= 2:
        return activations.reshape(len(activations), -1)
    flat = activations.movedim(axis, 1).flatten(2)  # (n_rows, n_units, all positions)
    total = flat.shape[2]
    if total > n_positions:
        places = sorted({int(total * (i * GOLDEN % 1)) for i in range(n_positions)})
        flat = flat[:, :, places]
    return flat.movedim(1, 2).flatten(0, 1)


def duplicate_share(weights: Tensor, bias: Tensor | None = None) -> float:
    """Tell the share of the units whose incoming weights, and bias, are those of another unit: they learn the same.

    Parameters
    ----------
    weights : Tensor of shape (..., n_units, n_inputs)
        A row a unit, as in ``nn.Linear.weight``; leading axes are networks side by side, whose mean is returned.
    bias : Tensor of shape (..., n_units), optional

    Examples
    --------
    >>> duplicate_share(torch.tensor([[1.0, 2.0], [1.0, 2.0], [2.0, 1.0]]))
    0.666...

    Notes
    -----
    Rows that are equal up to a hundred-thousandth of their largest entry come to lie next to each other when sorted by
    one fixed projection, so the cost is ``O(n_units * n_inputs)``.
    """
    rows = weights if bias is None else torch.cat([weights, bias.unsqueeze(-1)], dim=-1)
    if rows.shape[-2] < 2:
        return 0.0
    steps = torch.arange(1, rows.shape[-1] + 1, dtype=torch.float64)
    direction = (0.5 + steps * GOLDEN % 1).to(rows)
    order = (rows @ direction).argsort(dim=-1)
    rows = rows.take_along_dim(order.unsqueeze(-1), dim=-2)
    tolerance = EQUAL * rows.abs().amax(dim=-1)[..., 1:]
    same = (rows[..., 1:, :] - rows[..., :-1, :]).abs().amax(dim=-1) <= tolerance
    no = same.new_zeros((*same.shape[:-1], 1))
    return float((torch.cat([no, same], dim=-1) | torch.cat([same, no], dim=-1)).double().mean())
