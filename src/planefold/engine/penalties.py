"""What training adds to the loss so that weights stay small."""

from __future__ import annotations

import torch
from torch import Tensor

from planefold.networks.mlp import MLP


class L2:
    """``alpha / 2 * sum(w^2)`` of each member over the weight of its batch, as scikit-learn has it.

    The gradient is ``alpha * w`` over that weight: written down here, as autograd would need five times
    the calls for it.
    """

    def __init__(self, net: MLP, alpha: float) -> None:
        self.weights, self.alpha = net.penalized(), alpha

    @torch.no_grad()
    def add_gradient(self, total: Tensor | float) -> Tensor | float:
        """Add the penalty's gradient to the weights' ``grad`` and return its value for each member.

        Parameters
        ----------
        total : float, or Tensor of shape () or (n_members,)
            Weight of the rows of the batch. A member that has no rows in it is not penalised for it.
        """
        if self.alpha == 0:
            return 0.0
        squares = torch.stack([torch.linalg.vector_norm(w, dim=(1, 2)) for w in self.weights]).square().sum(dim=0)
        if isinstance(total, Tensor):
            strengths = torch.where(total > 0, self.alpha / total, 0.0).reshape(-1)
            for w in self.weights:
                _gradient(w).addcmul_(w, strengths[:, None, None])
            return 0.5 * strengths * squares
        for w in self.weights:
            _gradient(w).add_(w, alpha=self.alpha / total)
        return 0.5 * self.alpha / total * squares


def _gradient(w: Tensor) -> Tensor:
    assert w.grad is not None
    return w.grad
