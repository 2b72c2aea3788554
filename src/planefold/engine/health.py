"""What the doctor needs to know of gradients, weights and units: measured on some of the steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from planefold.engine.batches import Batch
from planefold.engine.fast import Masks
from planefold.engine.flat import FlatParameters
from planefold.engine.kernels import Array
from planefold.engine.sources import Shuffled
from planefold.engine.step import Step
from planefold.networks.mlp import MLP

N_PROBE = 256  # rows on which units are watched: dead on that many is dead for practical purposes
# Measuring costs about as much as some steps do; so many steps lie between two measurements.
STEPS_BETWEEN = 1000
SATURATED_ROWS = 0.9  # share of the probe rows on which a saturated unit's slope is nearly gone


class HealthFigures(TypedDict, total=False):
    """One number a layer."""

    gradient_norm: tuple[float, ...]
    weight_norm: tuple[float, ...]
    update_ratio: tuple[float, ...]
    activation_mean: tuple[float, ...]
    activation_std: tuple[float, ...]
    dead_share: tuple[float, ...]
    saturated_share: tuple[float, ...]


class Health:
    """Measure a network around the last step of some epochs: the first, and then one in every ``every``."""

    def __init__(self, net: MLP, flat: FlatParameters, batches: Shuffled) -> None:
        self.net, self.flat = net, flat
        rows = batches.rows
        # Rows from the whole table, which may be sorted.
        places = np.linspace(0, len(rows.y) - 1, min(len(rows.y), N_PROBE))
        self.probe, _, _ = rows.take(places.astype(np.int64))
        self.windows = [flat.window(coef) for coef in net.coefs]
        self.every = -(-STEPS_BETWEEN // batches.n_batches)
        self.before, self.gradient = torch.zeros_like(flat.theta), torch.zeros_like(flat.theta)

    def is_due(self, epoch: int) -> bool:
        """Tell whether to measure in the epoch of that number."""
        return (epoch - 1) % self.every == 0

    def watch(self, step: Step, batch: Batch, masks: Masks, numbers: Sequence[float], members: slice) -> Array:
        """Make a step of some members, as it would be made, and keep what it began with."""
        self.before[members] = self.flat.theta[members]
        value = step.slope(batch, masks)
        self.gradient[members] = self.flat.gradient[members]  # which the step may overwrite
        step.move(batch.total, *numbers)
        return value

    def figures(self, epoch: int) -> HealthFigures:
        """Return what was measured in the epoch of that number; nothing where it was not due."""
        return {**self._layers(), **self._units()} if self.is_due(epoch) else {}

    def _layers(self) -> HealthFigures:
        """Compare the weights with what the step that was watched began with."""
        figures = []
        for window in self.windows:
            old, new = self.before[:, window], self.flat.theta[:, window]
            ratio = _rms(new - old) / _rms(old).clamp_min(torch.finfo(old.dtype).tiny)
            figures.append(torch.stack([_rms(self.gradient[:, window]), _rms(new), ratio]))
        gradient_norm, weight_norm, update_ratio = torch.stack(figures, dim=1).tolist()
        return {
            "gradient_norm": tuple(gradient_norm),
            "weight_norm": tuple(weight_norm),
            "update_ratio": tuple(update_ratio),
        }

    def _units(self) -> HealthFigures:
        """Look at each hidden layer's activations on the probe."""
        is_extreme = _EXTREME.get(self.net.spec.activation)
        figures: list[Tensor] = []
        with torch.inference_mode():
            for a in self.net.hidden(self.probe):
                dead = (a.amax(dim=-2) <= 0).to(a).mean() if self.net.spec.activation == "relu" else a.new_zeros(())
                far = is_extreme(a).to(a).mean(dim=-2) >= SATURATED_ROWS if is_extreme else a.new_zeros(1)
                figures.append(torch.stack([a.mean(), a.std(correction=0), dead, far.to(a).mean()]))
        if not figures:
            return {}
        mean, std, dead_share, saturated_share = torch.stack(figures, dim=1).tolist()
        return {
            "activation_mean": tuple(mean),
            "activation_std": tuple(std),
            "dead_share": tuple(dead_share) if self.net.spec.activation == "relu" else (),
            "saturated_share": tuple(saturated_share) if is_extreme else (),
        }


# Where the slope of an activation is below a twentieth of its greatest: of tanh 1 - a^2, of the logistic 4 a (1 - a).
_EXTREME: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": lambda a: a.square() > 0.95,
    "logistic": lambda a: 4 * a * (1 - a) < 0.05,
}


def _rms(x: Tensor) -> Tensor:
    return x.square().mean().sqrt()
