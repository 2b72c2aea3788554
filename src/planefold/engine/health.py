"""What the doctor needs to know of gradients, weights and units: measured once an epoch, on its last step."""

from __future__ import annotations

from typing import TypedDict

import torch
from torch import Tensor

from planefold.engine.flat import FlatParameters
from planefold.engine.sources import Rows
from planefold.networks.mlp import MLP

N_PROBE = 256  # rows on which units are watched: dead on that many is dead for practical purposes


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
        self.probe, _, _ = rows.take(slice(0, N_PROBE))
        self.before = torch.empty_like(flat.theta)
        self.weights = [p.data for p in net.coefs]
        places = {p.data_ptr(): start for p, start in zip(flat.parameters, _starts(flat), strict=True)}
        self.windows = [slice(places[w.data_ptr()], places[w.data_ptr()] + w.numel()) for w in self.weights]

    def before_step(self) -> None:
        """Remember the weights, to see how far the step goes."""
        self.before.copy_(self.flat.theta)

    def after_step(self) -> HealthFigures:
        """Measure the step that was made."""
        gradients, sizes, ratios = [], [], []
        for window in self.windows:
            weight, old = self.flat.theta[window], self.before[window]
            size = old.norm()
            gradients.append(_rms(self.flat.gradient[window]))
            sizes.append(_rms(weight))
            ratios.append((weight - old).norm() / size.clamp_min(torch.finfo(size.dtype).tiny))
        return {
            "gradient_norm": _floats(gradients),
            "weight_norm": _floats(sizes),
            "update_ratio": _floats(ratios),
            "dead_share": self._dead(),
        }

    def _dead(self) -> tuple[float, ...]:
        if self.net.spec.activation != "relu":
            return ()
        with torch.inference_mode():
            return _floats([(a <= 0).all(dim=-2).to(a.dtype).mean() for a in self.net.hidden(self.probe)])


def _starts(flat: FlatParameters) -> list[int]:
    starts, total = [], 0
    for p in flat.parameters:
        starts.append(total)
        total += p.numel()
    return starts


def _rms(x: Tensor) -> Tensor:
    return x.square().mean().sqrt()


def _floats(values: list[Tensor]) -> tuple[float, ...]:
    return tuple(torch.stack(values).tolist()) if values else ()
