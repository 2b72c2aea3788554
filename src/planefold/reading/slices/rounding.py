"""How far rounding may have moved the sums of a network: an estimate for each unit, carried along with the values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.networks.matrices import entrywise

EPSILON = float(np.finfo(np.float64).eps)


class Rounding:
    """The size of rounding errors, node by node.

    Parameters
    ----------
    net : PiecewiseLinearNet
    width : ndarray of shape (n_inputs,)
        The largest size of each input, which is off by a rounding itself.

    Notes
    -----
    Errors add up as independent ones do, by their squares (Higham, "Accuracy and Stability of Numerical Algorithms",
    2002, sec. 2.8): a sum of ``w_j h_j`` is off by about ``sqrt(sum (w_j e_j)^2 + eps^2 sum (w_j h_j)^2)``, where
    ``e_j`` is by how much ``h_j`` is off. A bound for the worst case would grow by a factor with each layer, and say
    nothing of a deep network.
    """

    def __init__(self, net: PiecewiseLinearNet, width: Floats) -> None:
        self.net = net
        self.squares: dict[int, Floats] = {0: (EPSILON * width) ** 2}

    def after(self, number: int, blocks: Sequence[Mapping[int, Floats]]) -> Floats:
        """Return by how much the sums of a node are off, (n_units,); ``blocks`` hold the values that it reads."""
        node = self.net.nodes[number]
        total = (EPSILON * node.bias) ** 2
        for source, matrix in zip(node.sources, node.matrices, strict=True):
            largest = np.max([np.maximum(v[source].max(axis=0), -v[source].min(axis=0)) for v in blocks], axis=0)
            errors = self.squares[source] + (EPSILON * largest) ** 2
            total = total + (errors if matrix is None else (errors[None] @ entrywise(np.square, matrix))[0])
        steepest = 1.0 if node.fold is None else np.maximum(np.abs(node.fold.left), np.abs(node.fold.right))
        self.squares[number + 1] = total * steepest**2
        return np.asarray(np.sqrt(total))
