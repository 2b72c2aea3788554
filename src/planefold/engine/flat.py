"""One flat vector for all parameters, one for their gradients: an update is a few whole-vector operations."""

from __future__ import annotations

import torch
from torch import nn


class FlatParameters:
    """View the parameters of ``net`` (and their gradients) as parts of one vector each.

    While it is in use the parameters are windows into :attr:`theta`; :meth:`release` gives each its own
    memory again, so that the network can be copied and pickled tensor by tensor.
    """

    def __init__(self, net: nn.Module) -> None:
        self.parameters = [p for p in net.parameters() if p.requires_grad]
        first = self.parameters[0]
        self.theta = torch.empty(sum(p.numel() for p in self.parameters), dtype=first.dtype, device=first.device)
        self.gradient = torch.zeros_like(self.theta)
        self._windows: dict[int, slice] = {}
        start = 0
        for p in self.parameters:
            window = slice(start, start + p.numel())
            self._windows[id(p)] = window
            self.theta[window] = p.detach().reshape(-1)
            p.data = self.theta[window].view_as(p)
            p.grad = self.gradient[window].view_as(p)
            start = window.stop

    def window(self, parameter: nn.Parameter) -> slice:
        """Return where in the vectors a parameter lies."""
        return self._windows[id(parameter)]

    def release(self) -> None:
        """Give each parameter its own memory again and drop the gradients."""
        for p in self.parameters:
            p.data = p.detach().clone()
            p.grad = None
