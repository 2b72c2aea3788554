"""What training lowers: a loss, the link that turns outputs into predictions, and its trivial value.

Each objective works on raw outputs (before the link), so that log-sum-exp stays exact where a
probability would round to 0 or 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Objective:
    """A loss for the rows of a batch.

    Parameters
    ----------
    name : str
    row_loss : function (outputs, targets) -> Tensor of shape (..., n_samples)
        Loss of each row from the raw outputs and the targets, both (..., n_samples, n_outputs).
    link : function (outputs) -> Tensor
        Raw outputs to predictions: identity, exp, sigmoid or softmax.
    inverse_link : function (mean target) -> Tensor
        The raw output whose prediction is the given mean: the best constant.
    out_activation : str
        scikit-learn's name of the link.
    """

    name: str
    row_loss: Callable[[Tensor, Tensor], Tensor]
    link: Callable[[Tensor], Tensor]
    inverse_link: Callable[[Tensor], Tensor]
    out_activation: str

    def loss(self, outputs: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        """Weighted mean loss of each member, shape (n_members,); 0 where all rows of a member weigh 0."""
        rows = self.row_loss(outputs, targets)
        if weights is None:
            return rows.mean(dim=-1)
        # Not 0 / 0: a member that has fewer rows than others meets batches of nothing but padding.
        return (rows * weights).sum(dim=-1) / weights.sum(dim=-1).clamp_min(torch.finfo(rows.dtype).tiny)

    def trivial_loss(self, targets: Tensor, weights: Tensor | None) -> float:
        """Loss of the best constant prediction for ``targets`` of shape (n_samples, n_outputs)."""
        weights = torch.ones_like(targets[:, 0]) if weights is None else weights
        mean = (targets * weights[:, None]).sum(dim=0) / weights.sum()
        constant = self.inverse_link(mean).expand_as(targets)
        return float(self.loss(constant, targets, weights))


def _half_squares(outputs: Tensor, targets: Tensor) -> Tensor:
    return 0.5 * (outputs - targets).square().sum(dim=-1)


def _half_poisson_deviance(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs.exp() - targets * outputs + torch.xlogy(targets, targets) - targets).sum(dim=-1)


def _binary_cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    # log(1 + e^z) - y z; torch's own function refuses targets that are to be repeated for each member.
    return (torch.logaddexp(outputs, outputs.new_zeros(())) - targets * outputs).sum(dim=-1)


def _cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    return -(targets * functional.log_softmax(outputs, dim=-1)).sum(dim=-1)


def _identity(z: Tensor) -> Tensor:
    return z


def _softmax(z: Tensor) -> Tensor:
    return torch.softmax(z, dim=-1)


def _safe_log(mean: Tensor) -> Tensor:
    return mean.clamp_min(torch.finfo(mean.dtype).tiny).log()


def _safe_logit(mean: Tensor) -> Tensor:
    return torch.logit(mean, eps=torch.finfo(mean.dtype).eps)


OBJECTIVES: dict[str, Objective] = {
    o.name: o
    for o in (
        Objective("squared_error", _half_squares, _identity, _identity, "identity"),
        Objective("poisson", _half_poisson_deviance, torch.exp, _safe_log, "exp"),
        Objective("binary_log_loss", _binary_cross_entropy, torch.sigmoid, _safe_logit, "logistic"),
        Objective("log_loss", _cross_entropy, _softmax, _safe_log, "softmax"),
    )
}
