"""The nearest points of polyhedra and of the border in a region, and the record of a search for the border."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog, nnls

from planefold.networks.affine import Floats, PiecewiseLinearNet, Signs
from planefold.robustness.attacks import Norm, dual, length, push_across

# By which share of the distance that is searched constraints are loosened where a wrong "there is none" would lose
# a part of the border.
SLACK = 1e-11
POLISH = 20  # regions, each the one that the one before has ended in


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


def polish(
    margins: PiecewiseLinearNet,
    x: Floats,
    point: Floats,
    norm: Norm,
    lower: Floats,
    upper: Floats,
    signs: Signs | None = None,
) -> Floats | None:
    """Move a point at the border to the nearest one across in its region, and on, as long as that helps.

    ``signs`` is the pattern of the region to begin with, where it is known better than from the point. None when
    nothing across was met.
    """
    best: Floats | None = point if (margins.outputs(point[None]) <= 0).any() else None
    signs = margins.patterns(point[None])[0] if signs is None else signs
    for _ in range(POLISH):
        moved = nearest_in_region(margins, x, signs, float(length(point - x, norm)) or 1.0, norm, lower, upper)
        across = None if moved is None else push_across(margins, x, moved, lower, upper)
        if across is None:
            break
        gained = math.inf if best is None else float(length(best - x, norm)) - float(length(across - x, norm))
        if gained > 0:
            best = across
        if gained <= 1e-9 * float(length(across - x, norm)):
            break
        # A little farther on the way lies the next region, if the border goes on there.
        signs = margins.patterns((across + 1e-6 * (across - point))[None])[0]
        point = across
    return best


def nearest_in_region(
    margins: PiecewiseLinearNet,
    x: Floats,
    signs: Signs,
    scale: float,
    norm: Norm,
    lower: Floats,
    upper: Floats,
    rival: int | None = None,
) -> Floats | None:
    """Return the nearest point of a region where a margin is 0 or less; None when there is none.

    Parameters
    ----------
    signs : int8 ndarray of shape (n_units,)
        The region's pattern.
    scale : float
        About how far it is; with "l2", nothing farther is looked for.
    rival : int, optional
        Which margin; by default the one that comes nearest, were the network the same plane everywhere.
    """
    coefs, intercepts = margins.maps_of_units(signs)
    gradient, constant = (part[0] for part in margins.local_maps(signs[None]))
    values = gradient @ x + constant
    if rival is None:
        with np.errstate(divide="ignore", invalid="ignore"):
            rival = int(np.nan_to_num(values / length(gradient, dual(norm)), nan=np.inf, posinf=np.inf).argmin())
    # In moves y from x: sides * (coefs @ (x + y) + intercepts) >= 0 and margin <= 0.
    sides = np.where(signs > 0, 1.0, -1.0)
    G = np.vstack([sides[:, None] * coefs, -gradient[rival]])
    h = np.append(-sides * (coefs @ x + intercepts), values[rival])
    sizes = length(G, "l2")
    there = sizes > 1e-13 * sizes.max(initial=0.0)
    if (h[~there] > 1e-9 * abs(h).max(initial=0.0)).any():  # a constant of the wrong sign
        return None
    G, h = G[there] / sizes[there, None], h[there] / sizes[there]
    move = (
        _shortest_l2(G, h, scale, lower - x, upper - x)
        if norm == "l2"
        else _shortest(G, h, scale, norm, lower - x, upper - x)
    )
    return None if move is None else x + move


def _shortest_l2(G: Floats, h: Floats, scale: float, lower: Floats, upper: Floats) -> Floats | None:
    low, high = lower > -scale, upper < scale
    eye = np.eye(len(lower))
    G, h = np.vstack([G, eye[low], -eye[high]]), np.concatenate([h, lower[low], -upper[high]])
    move = shortest_move(G, h, scale)
    return shortest_move(G, h - SLACK * scale, scale) if move is None else move


def _shortest(G: Floats, h: Floats, scale: float, norm: Norm, lower: Floats, upper: Floats) -> Floats | None:
    n = G.shape[1]
    n_lengths = 1 if norm == "linf" else n
    lengths = np.ones((n, 1)) if norm == "linf" else np.eye(n)
    A = np.vstack(
        [
            np.hstack([-G, np.zeros((len(G), n_lengths))]),
            np.hstack([np.eye(n), -lengths]),
            np.hstack([-np.eye(n), -lengths]),
        ]
    )
    result = linprog(
        np.append(np.zeros(n), np.ones(n_lengths)),
        A_ub=A,
        b_ub=np.concatenate([-h / scale, np.zeros(2 * n)]),
        bounds=[*zip(lower / scale, upper / scale, strict=True), *[(0, None)] * n_lengths],
        method="highs-ds",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    return None if result.x is None else np.asarray(scale * result.x[:n])
