"""Searches for points where the decision is another one: fast, and without a proof that none is nearer."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np
import numpy.typing as npt

from planefold.networks.affine import Floats, PiecewiseLinearNet

Norm = Literal["l1", "l2", "linf"]

N_STARTS = 8  # of DeepFool
N_STEPS = 30
OVERSHOOT = 1.05  # of a step: the border is where the plane says only if there is no crease before it
N_RAYS = 64  # of the wide search, for each distance
SHRINK = 0.8  # what a step of descent is multiplied by when it has not helped


def length(moves: Floats, norm: Norm) -> Floats:
    """Norms of rows."""
    return np.asarray(np.linalg.norm(moves, ord={"l1": 1, "l2": 2, "linf": np.inf}[norm], axis=-1))


def nearest_crossing(
    margins: PiecewiseLinearNet, x: Floats, norm: Norm, lower: Floats, upper: Floats, rng: np.random.Generator
) -> Floats | None:
    """Search for a point near ``x`` where some margin is 0 or negative; None when none was met.

    Parameters
    ----------
    margins : PiecewiseLinearNet
        Whose outputs are positive where the decision is that of ``x``.
    x, lower, upper : ndarray of shape (n_inputs,)
        The point, and the box to stay in; the box may be infinite.

    Notes
    -----
    DeepFool (Moosavi-Dezfooli, Fawzi and Frossard, CVPR 2016, algorithm 2, with the dual norms of its section 3.3) from
    ``x`` and from points around it; rays in random directions where it fails; then bisection from each point found back
    to ``x``, and steps along the border as long as they help.
    """
    width = np.where(np.isfinite(upper - lower), upper - lower, 1.0 + abs(x))
    starts = np.vstack([x, x + rng.normal(size=(N_STARTS - 1, x.size)) * (0.1 * width)])
    found = list(_deepfool(margins, np.clip(starts, lower, upper), norm, lower, upper))
    if not found:
        found = list(_rays(margins, x, lower, upper, rng))
    best: Floats | None = None
    for point in found:
        near = _back_to(margins, x, point)
        if best is None or length(near - x, norm) < length(best - x, norm):
            best = near
    return None if best is None else _along_the_border(margins, x, best, norm, lower, upper)


def _deepfool(
    margins: PiecewiseLinearNet, points: Floats, norm: Norm, lower: Floats, upper: Floats
) -> Iterator[Floats]:
    for _ in range(N_STEPS):
        values = margins.outputs(points)
        crossed = (values <= 0).any(axis=1)
        yield from points[crossed]
        points, values = points[~crossed], values[~crossed]
        if not len(points):
            return
        coefs, _ = margins.local_maps(margins.patterns(points))
        points = np.clip(points + OVERSHOOT * _shortest(coefs, values, norm), lower, upper)


def _shortest(coefs: Floats, values: Floats, norm: Norm) -> Floats:
    """Return for each point the shortest move that makes one of its margins 0, were the network a plane."""
    sizes = length(coefs, dual(norm))
    with np.errstate(divide="ignore", invalid="ignore"):
        far = np.where(sizes > 0, values / sizes, np.inf)
    rows = np.arange(len(coefs))
    rival = far.argmin(axis=1)
    gradient, way = coefs[rows, rival], far[rows, rival]
    way = np.where(np.isfinite(way), way, 0.0)[:, None]
    if norm == "linf":
        return np.asarray(-way * np.sign(gradient))
    if norm == "l2":
        return np.asarray(-way * gradient / np.maximum(length(gradient, "l2"), 1e-300)[:, None])
    steepest = abs(gradient).argmax(axis=1)
    moves = np.zeros(gradient.shape)
    moves[rows, steepest] = -way[:, 0] * np.sign(gradient[rows, steepest])
    return moves


def dual(norm: Norm) -> Norm:
    """Name the norm of gradients that belongs to a norm of moves."""
    return {"l1": "linf", "l2": "l2", "linf": "l1"}[norm]  # type: ignore[return-value]


def _rays(
    margins: PiecewiseLinearNet, x: Floats, lower: Floats, upper: Floats, rng: np.random.Generator
) -> Iterator[Floats]:
    """Look ever farther away, up to a million times the size of the point."""
    for far in np.geomspace(1e-2, 1e6, 17) * (1.0 + abs(x).max(initial=0.0)):
        points = np.clip(x + far * rng.normal(size=(N_RAYS, x.size)), lower, upper)
        crossed = (margins.outputs(points) <= 0).any(axis=1)
        if crossed.any():
            yield from points[crossed]
            return


def _back_to(margins: PiecewiseLinearNet, x: Floats, point: Floats) -> Floats:
    """Search between ``x`` and a point across the border for the first that is across, to the last digit."""
    near, far = 0.0, 1.0
    while True:
        shares = np.linspace(near, far, 17)[1:]  # sixteen places at once cost little more than one
        crossed = np.append((margins.outputs(x + shares[:-1, None] * (point - x)) <= 0).any(axis=1), True)
        first = int(crossed.argmax())
        if first:
            near = float(shares[first - 1])
        if shares[first] >= far and not first:
            break
        far = float(shares[first])
        if far - near <= math.ulp(far):
            break
    return point if far == 1.0 else np.asarray(x + far * (point - x))


def _along_the_border(
    margins: PiecewiseLinearNet, x: Floats, point: Floats, norm: Norm, lower: Floats, upper: Floats
) -> Floats:
    """Move a point on the border to where the border's plane is nearest to ``x``, as long as that helps."""
    for _ in range(N_STEPS):
        coefs, intercepts = margins.local_maps(margins.patterns(point[None]))
        values = coefs @ x + intercepts
        target = np.clip(x + OVERSHOOT * _shortest(coefs, np.maximum(values, 0.0), norm)[0], lower, upper)
        # The far end of the way from here to there that is still across.
        shares = np.linspace(1.0, 0.0, 12)[:-1]
        ways = point + shares[:, None] * (target - point)
        crossed = np.flatnonzero((margins.outputs(ways) <= 0).any(axis=1))
        nearer = [_back_to(margins, x, ways[place]) for place in crossed[:2]]
        best = min(nearer, key=lambda candidate: float(length(candidate - x, norm)), default=point)
        if length(best - x, norm) >= length(point - x, norm) * (1 - 1e-9):
            break
        point = best
    return point


def push_across(margins: PiecewiseLinearNet, x: Floats, point: Floats, lower: Floats, upper: Floats) -> Floats | None:
    """Move a point that is on the border up to rounding so far that the network itself says it is across.

    Returns None when a share of 1e-9 of the way is not enough.
    """
    point = np.clip(point, lower, upper)
    outputs = margins.outputs(point[None])[0]
    if (outputs <= 0).any():
        return point
    coefs, _ = margins.local_maps(margins.patterns(point[None]), [int(outputs.argmin())])
    size = max(float(length(point - x, "l2")), 1e-3 * float(abs(x).max(initial=0.0)), math.ulp(1.0))
    for share in size * np.geomspace(1e-16, 1e-9, 22):
        for way in (point - x, -coefs[0, 0]):
            moved = np.clip(point + share * direction(way), lower, upper)
            # One row at a time: products of many rows are rounded otherwise.
            if (margins.outputs(moved[None]) <= 0).any():
                return np.asarray(moved)
    return None


def direction(move: Floats) -> Floats:
    """Return a move of length 1 the same way."""
    return np.asarray(move / max(float(length(move, "l2")), 1e-300))


def unsafe_point(
    excess: PiecewiseLinearNet,
    groups: npt.NDArray[np.int64],
    lower: Floats,
    upper: Floats,
    points: Floats,
    n_steps: int = N_STEPS,
) -> Floats | None:
    """Search a box for a point where all outputs of one group are 0 or negative; None when none was met.

    Parameters
    ----------
    groups : int ndarray of shape (n_groups,)
        Number of each group's first output.
    points : ndarray of shape (n_points, n_inputs)
        Where to start from.

    Notes
    -----
    Steps of one size in the direction of the signs of the gradient of the largest output of the group (projected
    gradient descent: Madry et al., ICLR 2018); the size shrinks for a point whenever a step does not help.
    """
    stops = np.append(groups[1:], excess.n_outputs)
    step = np.full(len(points), 0.25)
    best, best_score = points, np.full(len(points), np.inf)
    for _ in range(n_steps + 1):
        values = excess.outputs(points)
        scores = np.maximum.reduceat(values, groups, axis=1)
        score = scores.min(axis=1)
        if (score <= 0).any():
            return np.asarray(points[int(score.argmin())])
        better = score < best_score
        best, best_score = np.where(better[:, None], points, best), np.where(better, score, best_score)
        step = np.where(better, step, step * SHRINK**2)
        group = np.maximum.reduceat(excess.outputs(best), groups, axis=1).argmin(axis=1)
        values = excess.outputs(best)
        numbers = np.arange(excess.n_outputs)
        mine = (numbers >= groups[group][:, None]) & (numbers < stops[group][:, None])
        row = np.where(mine, values, -np.inf).argmax(axis=1)
        gradient = _gradients(excess, best, row)
        points = np.clip(best - step[:, None] * (upper - lower) * np.sign(gradient), lower, upper)
    return None


def _gradients(net: PiecewiseLinearNet, points: Floats, outputs: npt.NDArray[np.int64]) -> Floats:
    """Gradients of one output at each point."""
    patterns = net.patterns(points)
    gradients = np.empty_like(points)
    for output in np.unique(outputs):
        mine = outputs == output
        gradients[mine] = net.local_maps(patterns[mine], [int(output)])[0][:, 0]
    return gradients
