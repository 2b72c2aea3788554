"""The losses of an epoch's batches, kept on their device until they are needed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

KEPT = 1024  # losses that wait on the device


class BatchLosses:
    """Collect the losses of the batches that are learned from."""

    def __init__(self) -> None:
        self._pending: list[Tensor] = []  # still on the device
        self._values: list[float] = []

    def __len__(self) -> int:
        return len(self._pending) + len(self._values)

    def take(self, loss: Any) -> None:
        """Keep the loss of a batch."""
        if not isinstance(loss, Tensor):
            self._values.append(float(loss))
        elif loss.is_cpu and not loss.dim():
            self._values.append(loss.item())
        else:  # no number yet: that would wait for the device
            self._pending.append(loss.detach())
            if len(self._pending) >= KEPT:
                self._collect()

    def clear(self) -> None:
        """Forget them."""
        self._pending.clear()
        self._values.clear()

    def mean(self, n_rows: int, batch_size: int, *, is_sum: bool) -> float | None:
        """Average over the rows of an epoch, and begin anew; None where there was no loss.

        Parameters
        ----------
        n_rows, batch_size : int
            Rows that are learned from, and of a batch; the last batch is what is left.
        is_sum : bool
            Whether the loss of a batch is the sum over its rows.
        """
        self._collect()
        values, self._values = self._values, []
        if not values:
            return None
        counts = [float(batch_size)] * len(values)
        rest = n_rows - sum(counts[:-1])
        if 0 < rest <= counts[-1]:
            counts[-1] = rest
        if is_sum:
            return sum(values) / sum(counts)
        return sum(value * count for value, count in zip(values, counts, strict=True)) / sum(counts)

    def _collect(self) -> None:
        if self._pending:
            self._values += torch.stack([p.mean() if p.dim() else p for p in self._pending]).tolist()
            self._pending.clear()
