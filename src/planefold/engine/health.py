"""What the doctor needs to know of gradients, weights and units: measured once an epoch, on its last step."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from planefold.engine.flat import FlatParameters
from planefold.engine.sources import Rows
from planefold.networks.mlp import MLP

N_PROBE = 256  # rows on which units are watched: dead on that many is dead for practical purposes
PROBE_EVERY = 5  # epochs: dead units stay dead, and a pass of the probe in every epoch would cost a tenth of the time


class HealthFigures(TypedDict):
    """One number a layer."""

    gradient_norm: tuple[float, ...]
    weight_norm: tuple[float, ...]
    update_ratio: tuple[float, ...]
    dead_share: tuple[float, ...]


class Health:
    """Measure a network around the last step of an epoch."""

    def __init__(self, net: MLP, flat: FlatParameters, rows: Rows) -> None:
        self.net, self.flat = net, flat
        # Rows from the whole table, which may be sorted.
        places = np.linspace(0, len(rows.y) - 1, min(len(rows.y), N_PROBE))
        self.probe, _, _ = rows.take(places.astype(np.int64))
        self.before = torch.empty_like(flat.theta)
        self.windows = [flat.window(coef) for coef in net.coefs]
        self.dead_share: tuple[float, ...] = ()

    def before_step(self) -> None:
        """Remember the weights, to see how far the step goes."""
        self.before.copy_(self.flat.theta)

    def after_step(self, epoch: int) -> HealthFigures:
        """Measure the step that was made last in the epoch of that number."""
        gradient, after = self.flat.gradient, self.flat.theta
        figures = []
        for window in self.windows:
            old, new = self.before[window], after[window]
            ratio = _rms(new - old) / _rms(old).clamp_min(torch.finfo(old.dtype).tiny)
            figures.append(torch.stack([_rms(gradient[window]), _rms(new), ratio]))
        gradient_norm, weight_norm, update_ratio = torch.stack(figures, dim=1).tolist()
        if epoch == 1 or epoch % PROBE_EVERY == 0:
            self.dead_share = self._dead()
        return {
            "gradient_norm": tuple(gradient_norm),
            "weight_norm": tuple(weight_norm),
            "update_ratio": tuple(update_ratio),
            "dead_share": self.dead_share,
        }

    def _dead(self) -> tuple[float, ...]:
        if self.net.spec.activation != "relu" or not self.net.spec.hidden_layer_sizes:
            return ()
        with torch.inference_mode():
            shares = [(a.amax(dim=-2) <= 0).double().mean() for a in self.net.hidden(self.probe)]
            return tuple(torch.stack(shares).tolist())


def _rms(x: Tensor) -> Tensor:
    return x.square().mean().sqrt()
