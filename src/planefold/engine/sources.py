"""Where the batches come from. A source has ``epoch(random_state)``, which yields batches of rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Taken = tuple[Tensor, Tensor, Tensor | None]
Augment = Callable[[Tensor, np.random.RandomState], Tensor]

# Numbers of X that are brought into an epoch's order at a time: few calls for small tables, little memory for large.
VALUES_AT_ONCE = 2**22


@runtime_checkable
class Store(Protocol):
    """Rows that are not in memory as the network wants them: pictures of small whole numbers, or on the disk."""

    @property
    def shape(self) -> tuple[int, ...]:
        """As if they were an array, (n_rows, ...)."""

    def take_rows(self, index: NDArray[np.int64] | slice) -> Tensor:
        """Return some rows as the network wants them."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows in memory, possibly seen by each member through a window of its own.

    Parameters
    ----------
    X : Tensor of shape (n_rows, ...), a SciPy CSR matrix, or a Store
        A sparse matrix stays sparse, and a store keeps its rows where they are; one batch at a time is made dense.
    y : Tensor of shape (n_rows, n_outputs)
    weights : Tensor of shape (n_rows,) or None
    members : int64 array of shape (n_members, n_rows_of_a_member), or None
        The rows that each member sees; None means that the members see all rows in one order.
        ``-1`` fills up the members that see fewer rows than others.
    augment : function (X, random_state) -> Tensor, optional
        What training batches go through, and only they: pictures that are shifted a little, for example.
    """

    X: Any
    y: Tensor
    weights: Tensor | None = None
    members: NDArray[np.int64] | None = None
    augment: Augment | None = None

    @property
    def n_values(self) -> int:
        """Numbers of a row's inputs."""
        return math.prod(self.X.shape[1:])

    @property
    def n_rows(self) -> int:
        """Rows that one member sees; where they see unequally many, the most."""
        return int(self.y.shape[0] if self.members is None else self.members.shape[1])

    @property
    def n_distinct(self) -> int:
        """Rows that any member sees."""
        return self.n_rows if self.members is None else len(np.unique(self.members[self.members >= 0]))

    @property
    def dtype(self) -> torch.dtype:
        """The number type of the targets and of every batch."""
        return self.y.dtype

    def take(self, index: NDArray[np.int64] | slice) -> Taken:
        """Return the rows at ``index`` of shape (n,) or (n_members, n); ``-1`` gets the weight 0."""
        if isinstance(index, slice):
            weights = None if self.weights is None else self.weights[index]
            return self._dense(index), self.y[index], weights
        absent = index < 0
        if absent.any():
            # Filled up with a row of the member's own: what the network sees is never what the member holds out.
            index = np.where(absent, 0 if self.members is None else self.members[:, :1], index)
        rows = torch.from_numpy(index).to(self.y.device)
        weights = None if self.weights is None else _picked(self.weights, rows)
        if absent.any():
            present = torch.from_numpy(~absent).to(self.y)
            weights = present if weights is None else weights * present
        return self._dense(rows), _picked(self.y, rows), weights

    def _dense(self, rows: Tensor | slice) -> Tensor:
        if isinstance(self.X, Tensor):
            return self.X[rows] if isinstance(rows, slice) else _picked(self.X, rows)
        if isinstance(self.X, Store):
            found = self.X.take_rows(rows if isinstance(rows, slice) else rows.cpu().numpy().ravel())
            found = found.to(dtype=self.dtype, device=self.y.device)
            return found if isinstance(rows, slice) else found.reshape(*rows.shape, *found.shape[1:])
        picked = self.X[rows if isinstance(rows, slice) else rows.cpu().numpy().ravel()].toarray()
        dense = torch.as_tensor(picked, dtype=self.dtype, device=self.y.device)
        return dense if isinstance(rows, slice) else dense.reshape(*rows.shape, -1)

    def all(self) -> Taken:
        """Return every row at once."""
        return self.take(slice(None) if self.members is None else self.members)


def _picked(values: Tensor, rows: Tensor) -> Tensor:
    """Return ``values[rows]``: on the CPU by NumPy, which takes a fifth of the time for small tables."""
    if values.device.type == "cpu":
        return torch.from_numpy(values.numpy().take(rows.numpy(), axis=0))
    return values[rows]


@dataclass(frozen=True)
class Block:
    """Rows of several batches, one after the other in memory.

    Parameters
    ----------
    X, y, weights : Tensor
        As :meth:`Rows.take` returns them.
    spans : list of slice
        Where each batch lies.
    """

    X: Tensor
    y: Tensor
    weights: Tensor | None
    spans: list[slice]


class Shuffled:
    """Passes over the rows in batches, in a new order each time, so that each row is used equally often."""

    def __init__(self, rows: Rows, batch_size: int, shuffle: bool = True) -> None:
        self.rows, self.batch_size, self.shuffle = rows, batch_size, shuffle
        self._order = np.arange(rows.n_rows) if rows.members is None else rows.members.copy()
        n_values = rows.n_values * (1 if rows.members is None else len(rows.members))
        self._starts = range(0, rows.n_rows, batch_size)
        self.n_batches = len(self._starts)  # iterations of one epoch
        self._counts: NDArray[np.int64] | None = None
        if (self._order >= 0).all():  # the same in every epoch
            self._counts = np.diff([*self._starts, rows.n_rows])[:, None]
        self._n_at_once = batch_size * max(1, VALUES_AT_ONCE // max(1, batch_size * n_values))

    def counts(self) -> NDArray[np.int64]:
        """Return how many rows, without padding, each batch of the last epoch held: (n_batches, n_members or 1)."""
        if self._counts is None:
            present = np.atleast_2d(self._order >= 0).astype(np.int64)
            return np.add.reduceat(present, self._starts, axis=1).T
        return self._counts

    def epoch(self, random_state: np.random.RandomState) -> Iterator[Block]:
        """Yield the batches of one pass, some at a time.

        The order of an epoch is a shuffle of the order before, as scikit-learn draws it: from the same
        ``random_state`` both take the same batches.
        """
        if self.shuffle:
            for line in self._order[None] if self._order.ndim == 1 else self._order:
                places = np.arange(self.rows.n_rows)
                random_state.shuffle(places)
                line[:] = line[places]
        for start in range(0, self.rows.n_rows, self._n_at_once):
            stop = min(start + self._n_at_once, self.rows.n_rows)
            X, y, weights = self.rows.take(self._order[..., start:stop])
            if self.rows.augment is not None:
                X = self.rows.augment(X, random_state)
            yield Block(X, y, weights, self._spans(stop - start))

    def _spans(self, n_rows: int) -> list[slice]:
        return [slice(start, min(start + self.batch_size, n_rows)) for start in range(0, n_rows, self.batch_size)]
