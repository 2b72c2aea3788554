"""Several members side by side: which rows each of them sees, and the one wider network that is their mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg
from torch import nn

from planefold.engine.sources import Rows

Array = npt.NDArray[Any]


def windows(rows: Rows, parts: Array, n_members: int) -> tuple[Rows, Rows]:
    """Let member k hold out fold k and learn from the others (round again when there are more members)."""
    n_folds = int(parts.max()) + 1
    index = np.arange(len(parts))
    held = [parts == k % n_folds for k in range(n_members)]
    return with_members(rows, [index[~h] for h in held]), with_members(rows, [index[h] for h in held])


def with_members(rows: Rows, members: list[Array]) -> Rows:
    """Give each member its rows; who has fewer than others gets places that stay empty (-1)."""
    longest = max(map(len, members))
    table = np.full((len(members), longest), -1, dtype=np.int64)
    for line, member in zip(table, members, strict=True):
        line[: len(member)] = member
    return Rows(X=rows.X, y=rows.y, weights=rows.weights, members=table)


def wide_coefs(layers: Any) -> list[Array]:
    """Write weights of shape (n_members, fan_in, fan_out) as those of one network whose output is the mean.

    The first layers stand side by side, the inner ones as blocks on a diagonal, the last ones on top of each
    other, divided by the number of members. One member's parameters are views: what is changed there changes the
    network. Where some are no parameters but computed (batch normalisation folded in), all are copies.
    """
    return _wide(layers, linalg.block_diag, lambda last: np.vstack(list(last)))


def wide_intercepts(layers: Any) -> list[Array]:
    """Write biases of shape (n_members, 1, fan_out) as those of the one wider network."""
    found = _wide(layers, lambda *members: np.hstack(members), lambda last: np.asarray(last.sum(axis=0)))
    return [array.reshape(-1) for array in found]


def wide_skip(layer: Any) -> Array:
    """Write the linear paths, of shape (n_members, n_inputs, n_outputs), as the one of the wider network."""
    array = layer.detach().numpy()
    return np.asarray(array[0]) if len(array) == 1 else _read_only(array.mean(axis=0))


def _wide(layers: Any, inner: Callable[..., Array], last_of: Callable[[Array], Array]) -> list[Array]:
    arrays = [layer.detach().numpy() for layer in layers]
    if len(arrays[0]) == 1:
        are_views = all(isinstance(layer, nn.Parameter) for layer in layers)
        return [array[0] if are_views else _read_only(array[0].copy()) for array in arrays]
    last = arrays[-1] / len(arrays[-1])
    if len(arrays) == 1:  # no hidden layer: the members share the inputs, and their weights add up
        return [_read_only(last.sum(axis=0))]
    wide = [np.hstack(list(arrays[0])), *(inner(*array) for array in arrays[1:-1]), last_of(last)]
    return [_read_only(array) for array in wide]


def _read_only(array: Array) -> Array:
    array.flags.writeable = False  # a copy: changing it would change nothing, so it must not look possible
    return array
