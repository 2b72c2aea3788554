"""Which units a training step leaves out."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from planefold.networks.mlp import MLPSpec

LEVELS = 2**16  # a unit's chance is a multiple of 1 / 65,536: sixteen random bits a unit, not a whole number


class Masks:
    """Draw the masks of each step's hidden layers from a stream of their own.

    Of its own, so that a training without dropout draws the same batches from ``random_state`` as one with it.

    References
    ----------
    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: A simple way to prevent neural networks
    from overfitting", JMLR 15, 2014; scaled at training time ("inverted") as its section 10 describes.
    """

    def __init__(self, spec: MLPSpec, like: Tensor, random_state: np.random.RandomState) -> None:
        self.spec, self.like = spec, like
        # The share left out, in levels; what stays is scaled by exactly that share, so its mean is right.
        self.levels = [min(round(rate * LEVELS), LEVELS - 1) for rate in spec.dropout]
        self.active = any(self.levels)
        self._room: dict[int, list[Tensor | None]] = {}
        if not self.active:  # nothing is drawn, and `draw` is not called
            return
        seed = int(random_state.randint(2**31))
        if like.device.type == "cpu":
            self.bits = np.random.SFC64(seed)
        else:
            self.generator = torch.Generator(like.device)
            self.generator.manual_seed(seed)

    def draw(self, n_rows: int) -> list[Tensor | None]:
        """Return a mask of 0 and ``1 / (1 - rate)`` for each hidden layer, (n_members, n_rows, n_units).

        Those of one ``n_rows`` lie in the same memory each time: the next ones are written over them.
        """
        if n_rows not in self._room:
            shapes = [(self.spec.n_members, n_rows, units) for units in self.spec.hidden_layer_sizes]
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
        if mask.device.type == "cpu":
            size = mask.numel()
            bits = self.bits.random_raw(-(-size // 4)).view(np.uint16)[:size]  # four units of each number
            np.greater_equal(bits.reshape(mask.shape), level, out=mask.numpy())
        else:
            chances = torch.rand(mask.shape, generator=self.generator, device=mask.device)
            torch.ge(chances, level / LEVELS, out=mask)
        mask.mul_(LEVELS / (LEVELS - level))
