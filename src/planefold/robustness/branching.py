"""Branch and bound over units for the distance to the border: linear bounds say how near it can be."""

from __future__ import annotations

import heapq
import math
import time
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from planefold.networks.affine import Floats, PiecewiseLinearNet, Signs
from planefold.robustness.attacks import Norm, length, push_across
from planefold.robustness.bounds import BoxBounds, linear_bounds, unit_length
from planefold.robustness.domains import Domain
from planefold.robustness.projection import SLACK, Found, nearest_in_region, polish

NODES_AT_ONCE = 32
SIDES = np.array([-1, 1], dtype=np.int8)
N_ASCENTS = 30  # steps of ascent for the bound of a node


def branch(
    margins: PiecewiseLinearNet,
    x: Floats,
    lower: Floats,
    upper: Floats,
    *,
    norm: Norm,
    witness: Floats,
    within: float = math.inf,
    deadline: float,
) -> Found:
    """Find the nearest point where some margin is 0 or negative.

    Parameters
    ----------
    margins : PiecewiseLinearNet
        Whose outputs are positive at ``x``.
    x, lower, upper : ndarray of shape (n_inputs,)
    norm : {"l2", "linf", "l1"}
    witness : ndarray of shape (n_inputs,)
        A point across the border: nothing farther away than that matters.
    within : float
        Stop as soon as the distance is known to be larger, or known to be no larger.
    deadline : float
        Of ``time.perf_counter()``.

    Notes
    -----
    A node of the tree is a margin and the sides of some units. In the ball up to the best witness the margin and the
    sums of those units have linear bounds (:func:`~planefold.robustness.bounds.linear_bounds`), so the border can only
    be where certain linear inequalities hold. Any weighted sum of them says how near that can be; multipliers
    (:meth:`~planefold.robustness.domains.Domain.ascend`) look for one that says much. The same inequalities, the
    margin's own among them, make the bounds of the units tighter in the parts of the node: only the cap of the ball
    that can hold the border matters, as in Kotha et al., "Provably Bounding Neural Network Preimages", NeurIPS 2023.
    The unit that the bound of the margin lacks most because of is decided next, left and right of its crease; where all
    are decided the node is one region, and its nearest point a small program. The node with the smallest bound comes
    first, so its bound is one of the distance at any time.
    """
    return _Tree(margins, x, lower, upper, norm, witness).run(within, deadline)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Node:
    """One margin, and what is known and was decided of the units; ordered by its bound of the distance.

    At the border's points in the node the units' sums lie between ``lower`` and ``upper``, and
    ``rows @ x + sides <= 0``.
    """

    key: float
    rival: int
    lower: Floats
    upper: Floats
    decided: Signs
    rows: Floats
    sides: Floats

    def __lt__(self, other: _Node) -> bool:
        return self.key < other.key


class _Tree:
    def __init__(
        self, margins: PiecewiseLinearNet, x: Floats, lower: Floats, upper: Floats, norm: Norm, witness: Floats
    ) -> None:
        self.margins, self.x, self.low, self.high, self.norm = margins, x, lower, upper, norm
        self.witness, self.best = witness, float(length(witness - x, norm))
        self._improve(polish(margins, x, witness, norm, lower, upper))
        self.n_nodes, self.leftover = 0, math.inf
        root = _Node(
            key=0.0,
            rival=0,
            lower=np.full(margins.n_units, -math.inf),
            upper=np.full(margins.n_units, math.inf),
            decided=np.zeros(margins.n_units, dtype=np.int8),
            rows=np.zeros((0, x.size)),
            sides=np.zeros(0),
        )
        self.heap = [replace(root, rival=rival) for rival in range(margins.n_outputs)]

    def run(self, within: float, deadline: float) -> Found:
        late = False
        self.within = within * (1 + SLACK)
        while self.heap and self.heap[0].key < self.limit and not self.best <= within < math.inf:
            if late := time.perf_counter() > deadline:
                break
            taken = [heapq.heappop(self.heap) for _ in range(min(NODES_AT_ONCE, len(self.heap)))]
            self._expand([node for node in taken if node.key < self.limit])
        lower = min(self.heap[0].key if self.heap else math.inf, self.leftover, self.best, self.within)
        return Found(lower=lower, upper=self.best, witness=self.witness, n_steps=self.n_nodes, finished=not late)

    @property
    def limit(self) -> float:
        """Where the border is no nearer than this, it does not matter."""
        return min(self.best * (1 - SLACK), self.within)

    def _expand(self, nodes: list[_Node]) -> None:
        n = len(nodes)
        self.n_nodes += n
        each, rivals = np.arange(n), np.array([node.rival for node in nodes])
        decided = np.array([node.decided for node in nodes])
        radius = min(self.best, self.within)
        domain = Domain(
            lower=np.tile(np.maximum(self.low, self.x - radius), (n, 1)),
            upper=np.tile(np.minimum(self.high, self.x + radius), (n, 1)),
            center=self.x,
            radius=radius,
            norm=self.norm,
            rows=_padded([node.rows for node in nodes]),
            sides=_padded([node.sides for node in nodes]),
        )
        within = np.array([node.lower for node in nodes]), np.array([node.upper for node in nodes])
        bounds = linear_bounds(self.margins, domain, within=within)
        rows, sides = _inequalities(bounds, rivals, decided)
        domain = replace(domain, rows=rows[:, 1:], sides=sides[:, 1:])
        found = domain.ascend(bounds.coefs[each, rivals], bounds.intercepts[each, rivals], each, N_ASCENTS)
        # Once more with lines that are exact about where the bound was met.
        bent = bounds.bent_at(found.points)
        new_rows, new_sides = _inequalities(bent, rivals, decided)
        rows, sides = np.concatenate([new_rows, rows], axis=1), np.concatenate([new_sides, sides], axis=1)
        domain = replace(domain, rows=rows[:, 1:], sides=sides[:, 1:])
        again = domain.ascend(bent.coefs[each, rivals], bent.intercepts[each, rivals], each, N_ASCENTS)
        nearest = np.maximum(found.nearest, again.nearest)
        is_over = bounds.is_empty | (np.maximum(found.least, again.least) > 0)
        live = np.flatnonzero(~is_over & (nearest < self.limit))
        if not live.size:
            return
        points = np.clip(again.points[live], self.low, self.high)
        across = (self.margins.outputs(points) <= 0).any(axis=1)
        # Points across come first, the nearest of them; else the one that the smallest bound was met at.
        self._look_at(points[np.where(across, length(points - self.x, self.norm) - self.best, nearest[live]).argmin()])
        gaps = bent.gaps(points, live, -1, rivals[live], np.ones(live.size))
        signs = bounds.signs
        widths = np.minimum(-bounds.lower, bounds.upper)
        for place, gap in zip(live, gaps, strict=True):
            node, key = nodes[place], max(nodes[place].key, float(nearest[place]) * (1 - SLACK))
            if key >= self.limit:
                continue
            undecided = signs[place] == 0
            if not undecided.any():
                self._look_in_region(signs[place], node.rival)
                continue
            unit = int(np.where(undecided, gap, -math.inf).argmax())
            if gap[unit] <= 1e-12 * abs(gap).max():  # what lacks are the decided units' own bounds: tell more units
                unit = int(np.where(undecided, widths[place], -math.inf).argmax())
            n_kept = new_rows.shape[1] + 1  # the new lines, and the margin's old one
            more, more_sides = bent.inequalities_of(np.full(2, place), np.full(2, unit), SIDES)
            for number, side in enumerate(SIDES):
                low, high, split = bounds.lower[place].copy(), bounds.upper[place].copy(), node.decided.copy()
                (high if side < 0 else low)[unit] = 0.0
                split[unit] = side
                child = _Node(
                    key=key,
                    rival=node.rival,
                    lower=low,
                    upper=high,
                    decided=split,
                    rows=np.vstack([more[number], rows[place, :n_kept]]),
                    sides=np.append(more_sides[number], sides[place, :n_kept]),
                )
                heapq.heappush(self.heap, child)

    def _look_at(self, point: Floats) -> None:
        """Look for a nearer witness in the region that a point is in."""
        signs = self.margins.patterns(point[None])[0]
        moved = nearest_in_region(self.margins, self.x, signs, self.best, self.norm, self.low, self.high)
        across = None if moved is None else push_across(self.margins, self.x, moved, self.low, self.high)
        if across is not None and length(across - self.x, self.norm) < self.best:
            self._improve(polish(self.margins, self.x, across, self.norm, self.low, self.high))

    def _look_in_region(self, signs: Signs, rival: int) -> None:
        """Decide a node that is one region."""
        moved = nearest_in_region(self.margins, self.x, signs, self.best, self.norm, self.low, self.high, rival)
        if moved is None or length(moved - self.x, self.norm) >= self.best:
            return
        across = push_across(self.margins, self.x, moved, self.low, self.high)
        if across is None:  # the border is touched there and not crossed
            self.leftover = min(self.leftover, float(length(moved - self.x, self.norm)) * (1 - SLACK))
        self._improve(across)

    def _improve(self, point: Floats | None) -> None:
        if point is not None and (near := float(length(point - self.x, self.norm))) < self.best:
            self.best, self.witness = near, point


def _inequalities(bounds: BoxBounds, rivals: npt.NDArray[np.int64], decided: Signs) -> tuple[Floats, Floats]:
    """Return functions that are 0 or less at the border's points in each node: of the margin, then of decided units."""
    each = np.arange(len(rivals))
    margin, constant = unit_length(bounds.coefs[each, rivals], bounds.intercepts[each, rivals])
    rows, sides = bounds.inequalities(decided)
    return np.concatenate([margin[:, None], rows], axis=1), np.concatenate([constant[:, None], sides], axis=1)


def _padded(parts: list[Floats]) -> Floats:
    """Stack arrays of different lengths, with zeros at the end."""
    stacked = np.zeros((len(parts), max(len(part) for part in parts), *parts[0].shape[1:]))
    for place, part in enumerate(parts):
        stacked[place, : len(part)] = part
    return stacked
