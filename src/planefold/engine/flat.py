"""One flat vector for all parameters, one for their gradients: an update is a few whole-vector operations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from planefold.networks.network import Network


@dataclass(frozen=True)
class Part:
    """Some members' windows of the arrays of :class:`FlatParameters`, whose attributes they are named after."""

    theta: Tensor
    gradient: Tensor
    statistics: Tensor
    n_weights: int
    n_biases: int


class FlatParameters:
    """View the parameters of ``net`` (and their gradients) as parts of one array each.

    While it is in use the parameters are windows into :attr:`theta`; :meth:`release` gives each its own
    memory again, so that the network can be copied and pickled tensor by tensor.

    Attributes
    ----------
    theta, gradient : Tensor of shape (n_members, n_parameters of a member)
        A member's parameters stand in one row: its weights, the biases, then what batch normalisation learns. So
        a penalty on the weights, or the length of a member's gradient, is one operation on a window of columns.
    statistics : Tensor of shape (n_members, n_statistics)
        The running means and variances of batch normalisation, likewise.
    n_weights, n_biases : int
        Columns of the weights (from the first on), and of the biases after them.
    """

    def __init__(self, net: Network) -> None:
        n_members = net.spec.n_members
        weights, biases = net.penalized(), net.biases()
        self.parameters: list[Tensor] = [*weights, *biases, *net.scales()]
        self.n_weights, self.n_biases = (sum(p.numel() for p in some) // n_members for some in (weights, biases))
        self.theta, windows = _lay_out(self.parameters, n_members)
        self.gradient = torch.zeros_like(self.theta)
        self._windows = {id(p): window for p, window in zip(self.parameters, windows, strict=True)}
        for p, window in zip(self.parameters, windows, strict=True):
            p.data = self.theta[:, window].view(p.shape)
            p.grad = self.gradient[:, window].view(p.shape)
        self.running = net.statistics()
        self.statistics, windows = _lay_out(self.running, n_members)
        for statistic, window in zip(self.running, windows, strict=True):
            statistic.data = self.statistics[:, window].view(statistic.shape)

    def part(self, members: slice) -> Part:
        """Return the windows of some members."""
        statistics = self.statistics[members] if self.running else self.statistics
        return Part(self.theta[members], self.gradient[members], statistics, self.n_weights, self.n_biases)

    def window(self, parameter: Tensor) -> slice:
        """Return in which columns a parameter stands."""
        return self._windows[id(parameter)]

    def windows(self, net: nn.Module) -> Iterator[tuple[str, slice]]:
        """Yield the name and the columns of each parameter of ``net``."""
        for name, p in net.named_parameters():
            yield name, self.window(p)

    def release(self) -> None:
        """Give each parameter its own memory again and drop the gradients."""
        for p in [*self.parameters, *self.running]:
            p.data = p.detach().clone(memory_format=torch.contiguous_format)
            p.grad = None


def _lay_out(tensors: list[Tensor], n_members: int) -> tuple[Tensor, list[slice]]:
    """Write tensors side by side, a row for each member; return them and where each went."""
    if not tensors:
        return torch.empty(0), []
    rows = torch.cat([t.detach().reshape(n_members, -1) for t in tensors], dim=1)
    windows, start = [], 0
    for t in tensors:
        windows.append(slice(start, start + t.numel() // n_members))
        start = windows[-1].stop
    return rows, windows
