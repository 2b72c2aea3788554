"""One step of the training: the gradient of a batch, its penalties, the move of the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch

from planefold.engine.batches import Batch, Batches
from planefold.engine.fast import Masks, Propagation
from planefold.engine.flat import FlatParameters, Part
from planefold.engine.kernels import Array, FloatArray, Kernels, kernels_for
from planefold.engine.objectives import Objective
from planefold.engine.optimizers import Optimizer, Update
from planefold.engine.penalties import Penalty
from planefold.engine.plan import Plan
from planefold.engine.sources import Block, Rows
from planefold.networks.mlp import MLP
from planefold.networks.network import Network


class Gradient(Protocol):
    """What computes the outputs and the gradient of the loss of a batch: by hand, or by autograd."""

    def __call__(self, batch: Batch, masks: Masks) -> None:
        """Write both."""


class ByHand:
    """The gradient as :mod:`planefold.engine.fast` writes it out."""

    def __init__(
        self, net: MLP, flat: FlatParameters, objective: Objective, kernels: Kernels, members: slice = slice(None)
    ) -> None:
        self.propagation = Propagation(net, flat, objective, kernels, members)

    def __call__(self, batch: Batch, masks: Masks) -> None:
        """Write outputs and gradient."""
        self.propagation.gradient(batch.X, batch.y, batch.share, masks, batch.outputs)


class ByAutograd:
    """The same by torch's automatic differentiation.

    For networks whose gradient is not written out, and to compare with: it is several times slower on small ones.
    """

    def __init__(self, net: Network, flat: FlatParameters, objective: Objective, kernels: Kernels) -> None:
        self.net, self.flat, self.objective, self.kernels = net, flat, objective, kernels
        self.parameters = flat.parameters

    def __call__(self, batch: Batch, masks: Masks) -> None:
        """Write outputs and gradient."""
        self.kernels.run(self._compute, batch, masks)

    def _compute(self, batch: Batch, masks: Masks) -> None:
        kept = None if masks is None else [None if mask is None else torch.as_tensor(mask) for mask in masks]
        present = None if isinstance(batch.share, float) else torch.as_tensor(batch.share)[..., 0] > 0
        self.net.train()
        try:
            outputs = self.net(torch.as_tensor(batch.X), kept, present)
        finally:
            self.net.eval()
        losses = self.objective.row_loss(outputs, torch.as_tensor(batch.y))
        share = torch.as_tensor(batch.share, dtype=losses.dtype, device=losses.device)
        total = (losses * (share if share.ndim == 0 else share[..., 0])).sum()
        gradients = torch.autograd.grad(total, self.parameters, materialize_grads=True)
        for p, gradient in zip(self.parameters, gradients, strict=True):
            self.flat.gradient[:, self.flat.window(p)] = gradient.reshape(len(self.flat.theta), -1)
        torch.as_tensor(batch.outputs).copy_(outputs.detach().reshape(batch.outputs.shape))


class Step:
    """Everything that a step does, in the order in which it does it."""

    def __init__(
        self, gradient: Gradient, optimizer: Optimizer, members: slice, flat: Part, plan: Plan, kernels: Kernels
    ) -> None:
        self.gradient, self.kernels, self.flat, self.max_norm = gradient, kernels, flat, plan.clip_norm
        self.penalty = Penalty(flat, plan, kernels)
        self.update = Update(optimizer, members, flat, kernels)
        self.flat_gradient = kernels.array(flat.gradient)

    def __call__(self, batch: Batch, masks: Masks, numbers: Sequence[float]) -> Array:
        """Make a step.

        Parameters
        ----------
        batch : Batch
        masks : sequence of array, or None
        numbers : sequence of float
            The rate, then the optimiser's coefficients.

        Returns
        -------
        array of shape (n_members, 1)
            The penalty's value before the step, for each member; the next step writes over it.
        """
        value = self.slope(batch, masks)
        self.move(batch.total, *numbers)
        return value

    def slope(self, batch: Batch, masks: Masks) -> Array:
        """Compute the gradient of the objective, as it is gone down; return the penalty's value."""
        value = self.uphill(batch, masks)
        self.clip()
        return value

    def uphill(self, batch: Batch, masks: Masks) -> Array:
        """Compute the gradient of the objective, however long it is; return the penalty's value."""
        self.gradient(batch, masks)
        return self.penalty.add_gradient(batch.total)

    def clip(self) -> None:
        """Shorten the gradient where the plan says so."""
        if self.max_norm is not None:
            self.kernels.run(self._clip, self.max_norm)

    def move(self, total: Array | float, rate: Array | float, *coefficients: Array | float) -> None:
        """Move the weights along the gradient."""
        self.penalty.before_step(rate)
        self.update(*coefficients)
        self.penalty.after_step(total, rate)

    def _clip(self, max_norm: float) -> None:
        """Shorten the gradient of each member to ``max_norm``, where it is longer.

        References
        ----------
        Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013,
        algorithm 1.
        """
        xp, gradient = self.kernels.xp, self.flat_gradient
        length = xp.sqrt((gradient * gradient).sum(-1))[:, None]
        gradient *= (max_norm / (length + 1e-30)).clip(max=1.0)


class WholeObjective:
    """The objective of all rows at once, and its gradient: what lbfgs lowers and a gradient check checks."""

    def __init__(self, net: MLP, flat: FlatParameters, rows: Rows, objective: Objective, plan: Plan) -> None:
        X, y, weights = rows.all()
        n_rows, spec = y.shape[-2], net.spec
        kernels = kernels_for(flat.theta, n_rows * spec.n_members * max(spec.layer_units))
        self.batches = Batches(Block(X, y, weights, [slice(0, n_rows)]), spec, objective)
        (self.batch,) = self.batches.of(slice(None), kernels)
        # The batch is all there is, and its means and variances are those that prediction takes.
        self.gradient = Propagation(net, flat, objective, kernels, norm_momentum=1.0)
        self.penalty = Penalty(flat.part(slice(None)), plan, kernels)

    def __call__(self) -> tuple[FloatArray, FloatArray]:
        """Write the gradient into the flat one; return loss and penalty, each (n_members,)."""
        batch = self.batch
        self.gradient.gradient(batch.X, batch.y, batch.share, None, batch.outputs)
        penalty = torch.as_tensor(self.penalty.add_gradient(batch.total))
        return self.batches.losses()[0], np.asarray(penalty.flatten().cpu().double())
