"""Which units a training step leaves out."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from planefold.networks.mlp import MLPSpec

LEVELS = 2**16  # a unit's chance is a multiple of 1 / 65,536: sixteen random bits a unit, not a whole number


class Masks:
    """Draw the masks of each step's hidden layers from a stream of their own.

    Of its own, one for each member, so that a member's masks depend on nothing but the seed and its own steps.

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: A simple way to prevent neural networks
    from overfitting", JMLR 15, 2014; scaled at training time ("inverted") as its section 10 describes.
    """

    def __init__(self, spec: MLPSpec, like: Tensor, seed: int, members: slice = slice(None)) -> None:
        self.spec, self.like = spec, like
        self.levels = levels(spec)
        self._room: dict[int, list[Tensor | None]] = {}
        numbers = range(spec.n_members)[members]
        self.n_members = len(numbers)
        if like.device.type == "cpu":  # a stream for each member: its masks are the same whoever stands beside it
            self.streams = [np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(m,))) for m in numbers]
        else:
            self.generator = torch.Generator(like.device)
            self.generator.manual_seed(seed)

    def draw(self, n_rows: int) -> list[Tensor | None]:
        """Return a mask of 0 and ``1 / (1 - rate)`` for each hidden layer, (n_members, n_rows, n_units).

        Those of one ``n_rows`` lie in the same memory each time: the next ones are written over them.
        """
        if n_rows not in self._room:
            shapes = [(self.n_members, n_rows, units) for units in self.spec.hidden_layer_sizes]
            self._room[n_rows] = [
                torch.empty(shape, dtype=self.like.dtype, device=self.like.device) if level else None
                for shape, level in zip(shapes, self.levels, strict=True)
            ]
        masks = self._room[n_rows]
        for mask, level in zip(masks, self.levels, strict=True):
            if mask is not None:
                self._draw_into(mask, level)
        return masks

    def _draw_into(self, mask: Tensor, level: int) -> None:
        scale = LEVELS / (LEVELS - level)
        if mask.device.type == "cpu":
            size = mask[0].numel()
            for stream, own in zip(self.streams, mask.numpy(), strict=True):
                bits = stream.random_raw(-(-size // 4)).view(np.uint16)[:size]  # four units of each number
                np.greater_equal(bits.reshape(own.shape), level, out=own)
                own *= scale
        else:
            chances = torch.rand(mask.shape, generator=self.generator, device=mask.device)
            torch.ge(chances, level / LEVELS, out=mask)
            mask.mul_(scale)


def levels(spec: MLPSpec) -> list[int]:
    """Return the share that each hidden layer leaves out, in levels; what stays is scaled by exactly that share."""
    return [min(round(rate * LEVELS), LEVELS - 1) for rate in spec.dropout]
