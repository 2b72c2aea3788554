"""`Judge`: rows that a network is asked about again and again, held out or learned from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from planefold.engine.objectives import Objective
from planefold.engine.sources import Rows
from planefold.networks.network import Network

Score = Callable[[Tensor, Tensor, Tensor | None], Tensor]
Floats = NDArray[np.float64]
Places = NDArray[np.int64]


class Judge:
    """Loss and score of some rows: each member's on its own rows, then the mean.

    Parameters
    ----------
    objective : Objective
    rows : Rows
    score : function (predictions, targets, weights) -> Tensor of shape (n_members,), optional
    n_rows : int, optional
        Of each member so many rows, spread evenly over its own; all of them by default.

    Attributes
    ----------
    X, y, weights : Tensor
        The rows, as :meth:`Rows.take` returns them.
    outputs, row_losses, losses : Tensor
        Of the network that was asked last, before the link: (n_members, n_rows, n_outputs), (n_members, n_rows) and
        (n_members,).
    """

    outputs: Tensor
    row_losses: Tensor
    losses: Tensor

    def __init__(self, objective: Objective, rows: Rows, score: Score | None = None, n_rows: int | None = None) -> None:
        self.objective, self.score = objective, score
        self.index = rows.members
        if n_rows is None or n_rows >= rows.n_rows:
            self.X, self.y, self.weights = rows.all()
        else:
            places = spread(rows.n_rows, n_rows)
            self.index = None if rows.members is None else rows.members[:, places]
            self.X, self.y, self.weights = rows.take(places if self.index is None else self.index)
        self.n_rows = self.y.shape[-2]
        self._shares: Floats | None = None
        self._owner: Places | None = None
        self._n_distinct = 0

    def __call__(self, net: Network) -> tuple[float, float | None]:
        """Ask a network; return the loss and the score."""
        with torch.inference_mode():
            return self.take(net(self.X))

    def take(self, outputs: Tensor) -> tuple[float, float | None]:
        """Judge the outputs of a network, (n_members, n_rows, n_outputs)."""
        loss = self.loss(outputs)
        return loss, self.scores(outputs[None])[0]

    def loss(self, outputs: Tensor) -> float:
        """Return the loss of such outputs alone."""
        self.outputs = outputs
        self.row_losses = self.objective.row_loss(outputs, self.y)
        self.losses = self.objective.mean(self.row_losses, self.weights)
        return float(self.losses.mean())

    def scores(self, outputs: Tensor) -> list[float | None]:
        """Return the scores of several answers, (n, n_members, n_rows, n_outputs), as if each were more members."""
        if self.score is None:
            return [None] * len(outputs)
        n, n_members = outputs.shape[:2]
        y, weights = self.y, self.weights
        if n > 1:  # what each member has of its own comes again for each answer
            y = y.repeat(n, 1, 1) if y.ndim == 3 else y
            weights = weights.repeat(n, 1) if weights is not None and weights.ndim == 2 else weights
        of_all = self.score(self.objective.link(outputs.flatten(0, 1)), y, weights)
        return [float(score) for score in of_all.reshape(n, n_members).mean(dim=1)]

    def standard_error(self) -> float | None:
        """Return :meth:`standard_errors` of the answer that was judged last."""
        return self.standard_errors(self.row_losses[None], self.losses[None])[0]

    def standard_errors(self, row_losses: Tensor, losses: Tensor) -> list[float | None]:
        r"""Return the standard errors of losses of these rows, over the choice of the rows.

        Parameters
        ----------
        row_losses : Tensor of shape (n, n_members, n_rows)
            Of ``n`` answers.
        losses : Tensor of shape (n, n_members)

        Returns
        -------
        list of float or None
            None of a single row.

        Notes
        -----
        The loss is the mean over the ``M`` members of ratios ``sum_i w_i l_i / sum_i w_i``. To first order row ``r``
        moves it by ``e_r = sum_m w_mr (l_mr - L_m) / (M W_m)``, added up over the members that see the row, whose
        errors on it are not independent. The standard error is the root of ``n / (n - 1) sum_r e_r^2`` over the ``n``
        distinct rows that weigh something; for one network and without weights it is the deviation of the losses over
        the root of ``n``.

        References
        ----------
        Cochran, "Sampling Techniques", 3rd edition, 1977, sections 2.11 (ratios) and 9A.2 (clusters).
        """
        if self._shares is None:
            self._shares, self._owner, self._n_distinct = self._set_out(row_losses.shape[1])
        if self._n_distinct < 2:
            return [None] * len(losses)
        moved = np.subtract(row_losses.cpu().numpy(), losses.cpu().numpy()[..., None], dtype=float)
        moved *= self._shares
        if self._owner is not None:
            moved = np.array([np.bincount(self._owner, of_one.ravel()) for of_one in moved])
        elif self.index is None and moved.shape[1] > 1:
            moved = moved.sum(axis=1)
        moved = moved.reshape(len(losses), -1)
        errors = np.sqrt(self._n_distinct / (self._n_distinct - 1) * np.einsum("er,er->e", moved, moved))
        return [float(error) for error in errors]

    def _set_out(self, n_members: int) -> tuple[Floats, Places | None, int]:
        """Return each row's share in the loss, whose row it is if rows come several times, and how many there are."""
        if self.weights is None:
            shares = np.full((1, 1), 1 / self.n_rows)
        else:
            weights = np.atleast_2d(self.weights.double().cpu().numpy())
            shares = weights / np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        shares = shares / n_members
        if self.index is None:
            return shares, None, self.n_rows if self.weights is None else int((shares > 0).sum())
        counts = np.broadcast_to(shares > 0, self.index.shape)
        n_distinct = len(np.unique(self.index[counts]))
        # Of rows that come once there is nothing to add up.
        owner = np.unique(self.index, return_inverse=True)[1].ravel() if n_distinct < counts.sum() else None
        return shares, owner, n_distinct

    def sampled(self, row_losses: Tensor, n_rows: int) -> Floats:
        """Choose up to ``n_rows`` of the rows, the same ones in every call, and return their losses, (n, n_sampled).

        Parameters
        ----------
        row_losses : Tensor of shape (n, n_members, n_rows)
            Of ``n`` answers.
        n_rows : int
            Spread evenly over the rows, or over the rows of all members one after the other. Of rows that all members
            see, the mean of the members is returned. Weights play no part.
        """
        losses: Floats = row_losses.cpu().numpy()
        if self.index is None:
            return np.asarray(losses.mean(axis=1)[:, spread(self.n_rows, n_rows)])
        there = np.flatnonzero(self.index >= 0)
        return losses.reshape(len(losses), -1)[:, there[spread(len(there), n_rows)]]


def spread(n: int, most: int) -> Any:
    """Return up to ``most`` of the numbers below ``n``, evenly spread and with both ends: rows may be sorted.

    >>> spread(10, 4).tolist(), spread(3, 4).tolist()
    ([0, 3, 6, 9], [0, 1, 2])
    """
    return np.linspace(0, n - 1, min(n, most)).astype(np.int64)
