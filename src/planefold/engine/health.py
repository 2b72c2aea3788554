"""What the doctor needs to know of gradients, weights and units: measured on some of the steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from planefold.engine.batches import Batch
from planefold.engine.budget import CLOCK
from planefold.engine.fast import Masks
from planefold.engine.flat import FlatParameters
from planefold.engine.kernels import Array
from planefold.engine.probes import EQUAL, EXTREME, UnitFigures, duplicate_share, unit_figures
from planefold.engine.step import Step
from planefold.networks.mlp import MLP

N_STEPS = 6  # of an epoch that are watched at most
STEPS_FOR_ONE = 4  # of so many steps at most one is watched: watching takes about as long as a step


class StepFigures(TypedDict):
    """One number a layer."""

    gradient_norm: tuple[float, ...]
    weight_norm: tuple[float, ...]
    update_ratio: tuple[float, ...]


class Health:
    """Watch some steps of an epoch.

    Parameters
    ----------
    net : MLP
    flat : FlatParameters
        Of ``net``.
    n_steps : int
        Steps of an epoch.
    clock : function () -> float

    Attributes
    ----------
    steps : tuple of int
        Which of them are watched: up to six, spread over the epoch, the last among them.
    seconds : float
        What watching them took.
    """

    def __init__(self, net: MLP, flat: FlatParameters, n_steps: int, clock: Callable[[], float] = CLOCK) -> None:
        self.net, self.flat, self.clock = net, flat, clock
        n_watched = min(N_STEPS, -(-n_steps // STEPS_FOR_ONE))
        self.steps = tuple(n_steps * (k + 1) // n_watched - 1 for k in range(n_watched))
        self.windows = [flat.window(coef) for coef in net.coefs]
        self.before = torch.zeros_like(flat.theta)
        # Sums of squares of the gradient, of the weights before the step, and of the step.
        self.squares: NDArray[np.float64] = np.zeros((3, len(self.steps), len(self.windows), net.spec.n_members))
        self.seconds = 0.0

    def watch(
        self, number: int, step: Step, batch: Batch, masks: Masks, numbers: Sequence[float], members: slice
    ) -> Array:
        """Make the step of that number for some members, as it would be made, and take its measures."""
        kernels, slot = step.kernels, self.steps.index(number)
        before, theta = kernels.array(self.before[members]), kernels.array(step.flat.theta)
        times = [self.clock()]
        kernels.copy(before, theta)
        self._sum_up(before, 1, slot, members)
        times.append(self.clock())
        value = step.uphill(batch, masks)
        times.append(self.clock())
        self._sum_up(step.flat_gradient, 0, slot, members)  # which the step may overwrite
        times.append(self.clock())
        step.clip()
        step.move(batch.total, *numbers)
        times.append(self.clock())
        kernels.xp.subtract(theta, before, out=before)
        self._sum_up(before, 2, slot, members)
        times.append(self.clock())
        if not members.start:  # groups of members work side by side, and it is the time of one of them that passes
            self.seconds += times[1] - times[0] + times[3] - times[2] + times[5] - times[4]
        return value

    def _sum_up(self, values: Array, kind: int, slot: int, members: slice) -> None:
        xp = torch if isinstance(values, Tensor) else np
        for layer, window in enumerate(self.windows):
            part = values[:, window]
            total = xp.einsum("mp,mp->m", part, part)
            self.squares[kind, slot, layer, members] = total.cpu() if isinstance(total, Tensor) else total

    def figures(self) -> StepFigures:
        """Return what was measured in this epoch, of several steps the median; and forget the time."""
        self.seconds = 0.0
        sizes = np.array([self.net.spec.n_members * (window.stop - window.start) for window in self.windows])
        gradient, before, step = self.squares.sum(axis=-1)
        ratio = np.sqrt(step / np.maximum(before, np.finfo(float).tiny))
        self._sum_up(self.flat.theta if self.flat.theta.is_cuda else self.flat.theta.numpy(), 1, -1, slice(None))
        return {
            "gradient_norm": tuple(np.median(np.sqrt(gradient / sizes), axis=0).tolist()),
            "weight_norm": tuple(np.sqrt(self.squares[1, -1].sum(axis=-1) / sizes).tolist()),
            "update_ratio": tuple(np.median(ratio, axis=0).tolist()),
        }


class UnitsOfLayers(TypedDict):
    """One number a hidden layer."""

    activation_mean: tuple[float, ...]
    activation_std: tuple[float, ...]
    dead_share: tuple[float, ...]
    saturated_share: tuple[float, ...]


def look_through(net: MLP, X: Tensor, *, at_units: bool) -> tuple[Tensor, UnitsOfLayers | None]:
    """Compute the outputs of some rows, and on the way look at the units of the hidden layers if they are wanted."""
    kind, last, found = net.spec.activation, X, list[UnitFigures]()
    with torch.inference_mode():
        for last in net.hidden(X):
            if at_units:
                found.append(unit_figures(last, kind))
        outputs = net.output(X, last)
    if not at_units:
        return outputs, None
    return outputs, {
        "activation_mean": tuple(figures["mean"] for figures in found),
        "activation_std": tuple(figures["std"] for figures in found),
        "dead_share": tuple(figures["dead_share"] for figures in found) if kind == "relu" else (),
        "saturated_share": tuple(figures["saturated_share"] for figures in found) if kind in EXTREME else (),
    }


def duplicate_shares(net: MLP) -> tuple[float, ...]:
    """Return the share of equal units of each hidden layer."""
    with torch.inference_mode():
        return tuple(
            0.0 if _differ_at_once(coef) else duplicate_share(coef.mT, intercept.squeeze(-2))
            for coef, intercept in zip([*net.coefs][:-1], [*net.intercepts][:-1], strict=True)
        )


def _differ_at_once(coef: Tensor) -> bool:
    """Tell whether no two units are alike in their weights of the first input: that is quickly seen of few units."""
    first = coef[:, 0].sort(dim=-1).values
    return bool((first.diff(dim=-1) > 2 * EQUAL * coef.abs().max()).all())
