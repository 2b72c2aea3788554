"""What training lowers: a loss, its gradient, the link that turns outputs into predictions, its trivial value.

Each objective works on raw outputs (before the link), so that log-sum-exp stays exact where a
probability would round to 0 or 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from planefold.core.errors import ParameterError, show

# A gradient serves both libraries: its arrays are NumPy's or torch's, and the last argument is the module.
Gradient = Callable[[Any, Any, Any, Any], None]

# 95 % of the efficiency of least squares where the errors are normal with deviation 1 (Huber 1981, section 4.5).
HUBER_DELTA = 1.35


def _weighted_mean(targets: Tensor, weights: Tensor) -> Tensor:
    return (targets * weights[:, None]).sum(dim=0) / weights.sum()


@dataclass(frozen=True)
class Objective:
    """A loss for the rows of a batch.

    Parameters
    ----------
    name : str
    row_loss : function (outputs, targets) -> Tensor of shape (..., n_samples)
        Loss of each row from the raw outputs and the targets, both (..., n_samples, n_outputs).
    gradient : function (outputs, targets, out, xp) -> None
        Write the derivative of each row's loss by its outputs into ``out``. All three are arrays of ``xp``, which is
        the module ``numpy`` or ``torch``, and of shape (..., n_samples, n_outputs); the targets may lack the leading
        axes. Only ``out`` is written to. No autograd is needed, and rows are neither weighted nor averaged. That of
        poisson overflows to infinity where the loss does, of which NumPy warns unless the caller tells it not to.
    link : function (outputs) -> Tensor
        Raw outputs to predictions: identity, exp, sigmoid or softmax.
    inverse_link : function (prediction) -> Tensor
        The raw output that gives a prediction.
    out_activation : str
        scikit-learn's name of the link.
    best_constant : function (targets, weights) -> Tensor of shape (n_outputs,)
        The one prediction for all rows that has the lowest loss: the mean, unless the loss is robust.
    delta : float or None
        Of ``"huber"``: the residual where squares give way.
    """

    name: str
    row_loss: Callable[[Tensor, Tensor], Tensor]
    gradient: Gradient
    link: Callable[[Tensor], Tensor]
    inverse_link: Callable[[Tensor], Tensor]
    out_activation: str
    best_constant: Callable[[Tensor, Tensor], Tensor] = _weighted_mean
    delta: float | None = None

    def loss(self, outputs: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        """Weighted mean loss of each member, shape (n_members,); 0 where all rows of a member weigh 0."""
        return self.mean(self.row_loss(outputs, targets), weights)

    def mean(self, rows: Tensor, weights: Tensor | None) -> Tensor:
        """Average the losses of rows, as :meth:`loss` does."""
        if weights is None:
            return rows.mean(dim=-1)
        # Not 0 / 0: a member that has fewer rows than others meets batches of nothing but padding.
        return (rows * weights).sum(dim=-1) / weights.sum(dim=-1).clamp_min(torch.finfo(rows.dtype).tiny)

    def trivial_loss(self, targets: Tensor, weights: Tensor | None) -> float:
        """Loss of the best constant prediction for ``targets`` of shape (n_samples, n_outputs)."""
        return float(self.loss(self.trivial_output(targets, weights).expand_as(targets), targets, weights))

    def trivial_output(self, targets: Tensor, weights: Tensor | None) -> Tensor:
        """Return the raw outputs of that prediction, (n_outputs,)."""
        weights = torch.ones_like(targets[:, 0]) if weights is None else weights
        return self.inverse_link(self.best_constant(targets, weights))


# ------------------------------------------------------------------------------------ losses of a row


def _half_squares(outputs: Tensor, targets: Tensor) -> Tensor:
    return 0.5 * (outputs - targets).square().sum(dim=-1)


def _mean_squares(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square().mean(dim=-1)


def _absolutes(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).abs().sum(dim=-1)


def _huber(outputs: Tensor, targets: Tensor, *, delta: float) -> Tensor:
    residuals = outputs - targets
    clipped = residuals.clamp(-delta, delta)
    # r^2 / 2 where nothing was clipped, delta |r| - delta^2 / 2 elsewhere.
    return (clipped * (residuals - 0.5 * clipped)).sum(dim=-1)


def _half_poisson_deviance(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs.exp() - targets * outputs + torch.xlogy(targets, targets) - targets).sum(dim=-1)


def _binary_cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    # log(1 + e^z) - y z; torch's own function refuses targets that are to be repeated for each member.
    return (torch.logaddexp(outputs, outputs.new_zeros(())) - targets * outputs).sum(dim=-1)


def _cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    return -(targets * functional.log_softmax(outputs, dim=-1)).sum(dim=-1)


# --------------------------------------------------------------- their derivatives by the outputs
# A small network's step takes 20 microseconds, so each call counts, and so does each temporary array. Only calls
# that NumPy and torch spell alike.


def _residuals(outputs: Any, targets: Any, out: Any, xp: Any) -> None:
    xp.subtract(outputs, targets, out=out)


def _scaled_residuals(outputs: Any, targets: Any, out: Any, xp: Any) -> None:
    xp.subtract(outputs, targets, out=out)
    out *= 2.0 / out.shape[-1]


def _signs(outputs: Any, targets: Any, out: Any, xp: Any) -> None:
    xp.subtract(outputs, targets, out=out)
    xp.sign(out, out=out)


def _clipped_residuals(outputs: Any, targets: Any, out: Any, xp: Any, *, delta: float) -> None:
    xp.subtract(outputs, targets, out=out)
    xp.clip(out, -delta, delta, out=out)


def _exp_minus_targets(outputs: Any, targets: Any, out: Any, xp: Any) -> None:
    xp.exp(outputs, out=out)
    out -= targets


def _sigmoid_minus_targets(outputs: Any, targets: Any, out: Any, xp: Any) -> None:
    # 1 / (1 + e^-z) = (1 + tanh(z / 2)) / 2, which overflows nowhere.
    xp.multiply(outputs, 0.5, out=out)
    xp.tanh(out, out=out)
    out += 1.0
    out *= 0.5
    out -= targets


def _softmax_minus_targets(outputs: Any, targets: Any, out: Any, xp: Any) -> None:
    """Derivative of the cross-entropy where each row's targets sum to 1."""
    xp.subtract(outputs, xp.amax(outputs, axis=-1, keepdims=True), out=out)
    xp.exp(out, out=out)
    out /= xp.sum(out, axis=-1, keepdims=True)
    out -= targets


# -------------------------------------------------------------------------- links and best constants


def _identity(z: Tensor) -> Tensor:
    return z


def _softmax(z: Tensor) -> Tensor:
    return torch.softmax(z, dim=-1)


def _safe_log(mean: Tensor) -> Tensor:
    return mean.clamp_min(torch.finfo(mean.dtype).tiny).log()


def _safe_logit(mean: Tensor) -> Tensor:
    return torch.logit(mean, eps=torch.finfo(mean.dtype).eps)


def weighted_median(targets: Tensor, weights: Tensor) -> Tensor:
    """Return the smallest value of each column that has half of the weight at or below it."""
    values, order = targets.sort(dim=0)
    below = weights.double()[order].cumsum(dim=0)
    return values.gather(0, (below < 0.5 * below[-1]).sum(dim=0, keepdim=True))[0]


def _huber_location(targets: Tensor, weights: Tensor, *, delta: float) -> Tensor:
    """Return the root of ``sum_i w_i clip(c - y_i, -delta, delta)`` in c for each column, exactly.

    The sum is a rising piecewise-linear function of c: row i adds the slope ``w_i`` at ``y_i - delta`` and takes
    it away at ``y_i + delta``. So its values at all these breaks come from one sort, and the root lies on a
    straight piece between two of them.
    """
    y, w = targets.double(), weights.double()[:, None].expand_as(targets)
    breaks, order = torch.cat([y - delta, y + delta]).sort(dim=0)
    slopes = torch.cat([w, -w]).gather(0, order).cumsum(dim=0)[:-1]
    rises = (slopes * breaks.diff(dim=0)).cumsum(dim=0) - delta * w.sum(dim=0)
    # The sum is negative at the first break and positive at the last, whatever rounding says.
    right = (rises < 0).sum(dim=0, keepdim=True).clamp_max(len(rises) - 1)
    step = rises.gather(0, right) / slopes.gather(0, right).clamp_min(torch.finfo(y.dtype).tiny)
    root = breaks.gather(0, right + 1) - step
    return torch.clamp(root, breaks.gather(0, right), breaks.gather(0, right + 1))[0].to(targets)


def huber(delta: float = HUBER_DELTA) -> Objective:
    r"""Return the objective ``"huber"``: squared near the target, absolute far from it.

    Parameters
    ----------
    delta : float
        Where squares give way, in units of the target (which the estimators standardise): a residual ``r`` costs
        ``r^2 / 2`` if ``|r| <= delta``, and ``delta (|r| - delta / 2)`` otherwise, so no row pulls with more than
        ``delta``. 1.35 keeps 95 % of the efficiency of least squares where the errors are normal with deviation 1.

    Raises
    ------
    ParameterError
        If ``delta`` is not a positive finite number.

    Notes
    -----
    The form is that of ``torch.nn.HuberLoss``, summed over the outputs. For a large ``delta`` it is
    ``"squared_error"``; for a small one it is ``delta`` times ``"absolute_error"``.

    References
    ----------
    Huber, "Robust Estimation of a Location Parameter", Ann. Math. Statist. 35(1), 1964; "Robust Statistics", 1981.

    Examples
    --------
    >>> outputs, targets = torch.tensor([[0.5], [10.0]]), torch.zeros(2, 1)
    >>> huber(delta=1.0).row_loss(outputs, targets).tolist()
    [0.125, 9.5]
    """
    if not 0 < delta < math.inf:
        raise ParameterError(f"delta={show(delta)} must be a positive number", hint=f"{HUBER_DELTA} is the usual one")
    delta = float(delta)
    return Objective(
        "huber",
        partial(_huber, delta=delta),
        partial(_clipped_residuals, delta=delta),
        _identity,
        _identity,
        "identity",
        partial(_huber_location, delta=delta),
        delta,
    )


# Of several outputs the losses add up, except in mean_squared_error, which is Keras's and torch's.
OBJECTIVES: dict[str, Objective] = {
    o.name: o
    for o in (
        Objective("squared_error", _half_squares, _residuals, _identity, _identity, "identity"),
        Objective("mean_squared_error", _mean_squares, _scaled_residuals, _identity, _identity, "identity"),
        Objective("absolute_error", _absolutes, _signs, _identity, _identity, "identity", weighted_median),
        huber(),
        Objective("poisson", _half_poisson_deviance, _exp_minus_targets, torch.exp, _safe_log, "exp"),
        Objective(
            "binary_log_loss", _binary_cross_entropy, _sigmoid_minus_targets, torch.sigmoid, _safe_logit, "logistic"
        ),
        Objective("log_loss", _cross_entropy, _softmax_minus_targets, _softmax, _safe_log, "softmax"),
    )
}
