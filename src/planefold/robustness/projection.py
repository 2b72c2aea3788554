"""The nearest point of a polyhedron, and the record of a search for the border."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import nnls

from planefold.networks.affine import Floats
from planefold.robustness.attacks import length

# By which share of the distance that is searched constraints are loosened where a wrong "there is none" would lose
# a part of the border.
SLACK = 1e-11


@dataclass(frozen=True, kw_only=True)
class Found:
    """Where a search for the border stands: ``lower <= distance <= upper``."""

    lower: float
    upper: float
    witness: Floats | None
    n_steps: int
    finished: bool


def shortest_move(G: Floats, h: Floats, limit: float) -> Floats | None:
    """Return the shortest ``y`` with ``G @ y >= h``; None when there is none, or none shorter than ``limit``.

    Lawson and Hanson's problem LDP: with ``u >= 0`` that minimises ``|E u - f|``, ``E = [G^T; h^T]``, ``f`` the last
    unit vector, and ``r = E u - f``, it is ``-r[:-1] / r[-1]``, and ``-r[-1] = |r|^2 = 1 / (1 + |y|^2)``. In units of
    ``limit`` the latter is a half or more for all that is wanted, far from the 0 that would mean there is none.
    """
    if (h <= 0).all():
        return np.zeros(G.shape[1])
    while True:
        E = np.vstack([G.T, h / limit])
        f = np.zeros(len(E))
        f[-1] = 1.0
        try:
            weights, _ = nnls(E, f, maxiter=20 * E.shape[1])
        except RuntimeError:  # it went in circles: the nearest point of the most violated plane is a bound in any case
            worst = int(h.argmax())
            return np.asarray(G[worst] * h[worst]) if h[worst] < limit else None
        rest = E @ weights - f
        if -rest[-1] < 0.5 - 1e-9:
            return None
        move = np.asarray(limit * rest[:-1] / -rest[-1])
        size = float(length(move, "l2"))
        if size > 1e-3 * limit or size == 0.0:
            return move
        limit = 2 * size  # once more in its own units, where it is exact to the last digits
