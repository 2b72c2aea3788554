"""Blocks of rows, cut into the batches of the steps, as the arrays that the kernels compute with."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from planefold.engine.kernels import Array, FloatArray, Kernels
from planefold.engine.objectives import Objective
from planefold.engine.sources import Block
from planefold.networks.network import Spec


class Batch(NamedTuple):
    """Rows of one step, as the kernels' arrays.

    Parameters
    ----------
    X : array of shape (n, n_features) or (n_members, n, n_features)
    y : array of shape (n, n_outputs) or (n_members, n, n_outputs)
    share : float, or array of shape (n, 1) or (n_members, n, 1)
        Share of each row in the mean loss: ``1 / n``, or its weight over the sum of weights.
    total : float, or array of shape (n_members, 1)
        Weight of all rows; infinite where there are none.
    outputs : array of shape (n, n_outputs) or (n_members, n, n_outputs)
        Where the network's outputs are to be written.
    """

    X: Array
    y: Array
    share: Array | float
    total: Array | float
    outputs: Array


class Batches:
    """The batches of a block. After their steps, :meth:`losses` tells the loss of each from the outputs they left.

    Losses are taken of a block at once: a step has no need of them.
    """

    def __init__(self, block: Block, spec: Spec, objective: Objective) -> None:
        self.block, self.objective = block, objective
        shape = (spec.n_members, block.y.shape[-2], spec.n_outputs)
        self.outputs = torch.empty(shape, dtype=block.y.dtype, device=block.y.device)
        self.share, self.totals = _shares(block)

    def of(self, members: slice, kernels: Kernels) -> Iterator[Batch]:
        """Yield the batches of some members, as arrays of ``kernels``."""

        def own(tensor: Tensor) -> tuple[Array, bool]:
            array = kernels.own(tensor[members] if tensor.ndim == 3 else tensor)
            return array, array.ndim == 3

        (X, X_each), (y, y_each), (outputs, each) = own(self.block.X), own(self.block.y), own(self.outputs)
        share, share_each = (None, False) if self.share is None else own(self.share[..., None])
        for index, span in enumerate(self.block.spans):
            deep = (slice(None), span)  # behind the member axis
            parts = X[deep if X_each else span], y[deep if y_each else span]
            if share is None:
                n = span.stop - span.start
                yield Batch(*parts, 1.0 / n, float(n), outputs[deep if each else span])
            else:
                total = self.totals[index]
                total = kernels.array(total[members] if len(total) > 1 else total)
                yield Batch(*parts, share[deep if share_each else span], total, outputs[deep if each else span])

    def losses(self) -> FloatArray:
        """Mean loss of each batch, (n_batches, n_members)."""
        with torch.no_grad():
            of_rows = self.objective.row_loss(self.outputs, self.block.y)
            values = (of_rows if self.share is None else of_rows * self.share).cpu().numpy()
        starts = [span.start for span in self.block.spans]
        sums: FloatArray = np.add.reduceat(values, starts, axis=-1, dtype=float).T
        counts = [1 if self.share is not None else span.stop - span.start for span in self.block.spans]
        return np.asarray(sums / np.array(counts)[:, None])


def _shares(block: Block) -> tuple[Tensor | None, list[Tensor]]:
    """Return the share of each row, like the weights, and the weight of each batch, (n_members or 1, 1)."""
    if block.weights is None:
        return None, []
    share, totals = torch.empty_like(block.weights), []
    for span in block.spans:
        some = block.weights[..., span]
        total = some.sum(dim=-1, keepdim=True)
        # Not 0 / 0: a member that has fewer rows than others meets batches of nothing but padding.
        share[..., span] = some / total.clamp_min(torch.finfo(some.dtype).tiny)
        totals.append(torch.where(total > 0, total, math.inf).reshape(-1, 1))
    return share, totals
