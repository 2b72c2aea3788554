"""The objective of a network as a function of one vector, with its gradient: what calculus looks at."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from planefold.calculus.carried import Carried
from planefold.core.errors import DataError
from planefold.engine.flat import FlatParameters
from planefold.engine.objectives import Objective
from planefold.engine.plan import PROXIMAL_SOLVERS, Plan
from planefold.engine.sources import Rows
from planefold.engine.step import WholeObjective
from planefold.networks.mlp import MLP

Floats = NDArray[np.float64]


def value_and_gradient(
    net: MLP, rows: Rows, objective: Objective, plan: Plan
) -> tuple[float, Floats, dict[str, slice]]:
    """Compute loss and penalty over all rows, and their gradient, as training does.

    Parameters
    ----------
    net : MLP
        Batch normalisation takes the statistics of these rows, which become its running ones. Dropout is off.
    rows : Rows
    objective : Objective
    plan : Plan
        Says the penalty. That of ``solver="adamw"`` is a decay of the weights and no part of the objective.

    Returns
    -------
    value : float
        Of several members the sum.
    gradient : ndarray of shape (n_parameters,)
        In the order of ``net.named_parameters()``.
    windows : dict of str to slice
        Where each parameter stands in it.
    """
    if plan.solver in PROXIMAL_SOLVERS:
        # They keep L1 out of the gradient and deal with it after the step; here it is wanted in it, as for the others.
        plan = dataclasses.replace(plan, solver="adam")
    flat = FlatParameters(net)
    try:
        losses, penalties = WholeObjective(net, flat, rows, objective, plan)()
        gradient = _joined(flat.gradient[:, window] for _, window in flat.windows(net))
    finally:
        flat.release()
    return float((losses + penalties).sum()), gradient, _windows(net)


class ObjectiveFunction:
    """The objective of a network as a function of one vector of all its parameters, in float64.

    Called with an array it gives a number, with a tensor a tensor that torch can differentiate. The functions of
    :mod:`planefold.calculus` take it, too: ``hessian(function, function.theta)``.

    Parameters
    ----------
    net : MLP
        ``value`` and ``value_and_gradient`` write the parameters that they are given into it. In training mode batch
        normalisation takes the statistics of the rows.
    rows, objective, plan
        As in :func:`value_and_gradient`.

    Attributes
    ----------
    theta : ndarray of shape (n_parameters,)
        The parameters when this was made.
    windows : dict of str to slice
        Where each tensor stands in it.
    """

    def __init__(self, net: MLP, rows: Rows, objective: Objective, plan: Plan) -> None:
        self.net, self.of = net, (rows, objective, plan)
        self.theta, self.windows = _joined(net.parameters()), _windows(net)
        self._total = _Total(net, rows, objective, plan)

    @property
    def names(self) -> list[str]:
        """The tensors of the network, in the order in which they stand in ``theta``."""
        return [*self.windows]

    def __call__(self, theta: Any) -> Any:
        """Compute the objective, of several members their sum.

        Parameters
        ----------
        theta : array-like or Tensor of shape (n_parameters,)
            A tensor leaves a graph; so does what the functions of :mod:`planefold.calculus` pass.

        Returns
        -------
        float, or Tensor of shape ()

        Raises
        ------
        DataError
            If there are not as many numbers as parameters.
        """
        if isinstance(theta, Carried):
            return theta.apply(self._of_tensor)
        return self._of_tensor(theta) if isinstance(theta, Tensor) else self.value(theta)

    def value(self, theta: Floats) -> float:
        """Compute the objective: by the forward pass that predicts, and the penalty as its formula stands.

        In no part by what the gradient is computed with, so that the two cannot err alike.
        """
        self._go_to(theta)
        with torch.no_grad():
            return float(self._total())

    def value_and_gradient(self, theta: Floats) -> tuple[float, Floats]:
        """Compute the objective and the gradient that training goes down."""
        self._go_to(theta)
        return value_and_gradient(self.net, *self.of)[:2]

    def _of_tensor(self, theta: Tensor) -> Tensor:
        self._check(tuple(theta.shape))
        parts = zip(self.net.named_parameters(), self.windows.values(), strict=True)
        tensors = {f"net.{name}": theta[window].double().view_as(p) for (name, p), window in parts}
        # Copies, as batch normalisation writes into its statistics, which are no part of the function.
        tensors |= {f"net.{name}": statistics.clone() for name, statistics in self.net.named_buffers()}
        value: Tensor = functional_call(self._total, tensors, ())
        return value

    @torch.no_grad()
    def _go_to(self, theta: Floats) -> None:
        theta = np.ascontiguousarray(theta, dtype=np.float64)
        self._check(theta.shape)
        for p, window in zip(self.net.parameters(), self.windows.values(), strict=True):
            p.copy_(torch.from_numpy(theta[window]).view_as(p))

    def _check(self, shape: tuple[int, ...]) -> None:
        if shape != self.theta.shape:
            raise DataError(f"theta has the shape {shape}, the network has {self.theta.size} parameters")


class _Total(nn.Module):
    """Loss and penalty over all rows, of all members together, as a module, so that its tensors can be exchanged."""

    def __init__(self, net: MLP, rows: Rows, objective: Objective, plan: Plan) -> None:
        super().__init__()
        self.net, self.objective, self.plan = net, objective, plan
        self.train(net.training)
        self.taken = rows.all()

    def forward(self) -> Tensor:
        X, y, weights = self.taken
        total: Tensor | float = float(y.shape[-2]) if weights is None else weights.sum(dim=-1)
        total = total if self.plan.penalty_rows is None else self.plan.penalty_rows
        return (self.objective.loss(self.net(X), y, weights) + _penalty(self.net, self.plan) / total).sum()


def _joined(tensors: Iterable[Tensor]) -> Floats:
    return torch.cat([t.detach().reshape(-1) for t in tensors]).cpu().numpy().astype(np.float64)


def _windows(net: MLP) -> dict[str, slice]:
    windows, start = {}, 0
    for name, p in net.named_parameters():
        windows[name] = slice(start, start + p.numel())
        start += p.numel()
    return windows


def _penalty(net: MLP, plan: Plan) -> Tensor:
    """``alpha * ((1 - l1_ratio) / 2 * sum(w^2) + l1_ratio * sum(|w|))`` of each member, shape (n_members,)."""
    l2 = 0.0 if plan.solver == "adamw" else plan.alpha * (1 - plan.l1_ratio)
    l1 = plan.alpha * plan.l1_ratio
    tensors = [*net.penalized(), *(net.intercepts if plan.penalize_bias else ())]
    each = [0.5 * l2 * w.square().sum(dim=(1, 2)) + l1 * w.abs().sum(dim=(1, 2)) for w in tensors]
    return torch.stack(each).sum(dim=0)
