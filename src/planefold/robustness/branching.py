"""Branch and bound over units for the distance in Euclid's norm: linear bounds say how near the border can be."""

from __future__ import annotations

import heapq
import math
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from planefold.networks.affine import Floats, PiecewiseLinearNet, Signs
from planefold.robustness.attacks import length, push_across
from planefold.robustness.bounds import BoxBounds, Domain, linear_bounds
from planefold.robustness.projection import SLACK, Found, shortest_move

NODES_AT_ONCE = 32
NOTHING = 1e-10  # of the margin at the point: what a bound lacks because of rounding alone


def branch(
    margins: PiecewiseLinearNet,
    x: Floats,
    lower: Floats,
    upper: Floats,
    *,
    witness: Floats,
    within: float = math.inf,
    deadline: float,
) -> Found:
    """Find the nearest point, in Euclid's distance, where some margin is 0 or negative.

    Parameters
    ----------
    margins : PiecewiseLinearNet
        Whose outputs are positive at ``x``.
    x, lower, upper : ndarray of shape (n_inputs,)
    witness : ndarray of shape (n_inputs,)
        A point across the border: nothing farther away than that matters.
    within : float
        Stop as soon as the distance is known to be larger, or known to be no larger.
    deadline : float
        Of ``time.perf_counter()``.

    Notes
    -----
    A node of the tree is a margin and the sides of some units. In the ball up to the best witness, the margin and the
    sums of those units have linear bounds (:func:`~planefold.robustness.bounds.linear_bounds`), so the border can only
    be where certain linear inequalities hold; how far their nearest point to ``x`` is (least-distance programming, see
    :func:`~planefold.robustness.projection.shortest_move`) is a lower bound. What the bound of the margin lacks at that
    point is the sum of what the units lack; the unit that lacks most is decided next, left and right of
    its crease. Where nothing is lacking, that point is on the border. The node with the smallest bound comes first,
    so its bound is one of the distance at any time.
    """
    return _Tree(margins, x, lower, upper, witness).run(within, deadline)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Node:
    """One margin, and what is known and what was decided of the units; ordered by its bound of the distance."""

    key: float
    rival: int
    known: Signs
    decided: Signs

    def __lt__(self, other: _Node) -> bool:
        return self.key < other.key


class _Tree:
    def __init__(self, margins: PiecewiseLinearNet, x: Floats, lower: Floats, upper: Floats, witness: Floats) -> None:
        self.margins, self.x, self.low, self.high = margins, x, lower, upper
        self.best, self.witness = float(length(witness - x, "l2")), witness
        self.n_nodes, self.leftover = 0, math.inf
        self.size = float(abs(margins.outputs(x[None])).max())
        none = np.zeros(margins.n_units, dtype=np.int8)
        self.heap = [_Node(key=0.0, rival=rival, known=none, decided=none) for rival in range(margins.n_outputs)]

    def run(self, within: float, deadline: float) -> Found:
        late = False
        while self.heap and self.heap[0].key < self.best and self.heap[0].key <= within:
            if self.best <= within < math.inf:
                break
            if late := time.perf_counter() > deadline:
                break
            taken = [heapq.heappop(self.heap) for _ in range(min(NODES_AT_ONCE, len(self.heap)))]
            self._expand([node for node in taken if node.key < self.best])
        lower = min(self.heap[0].key if self.heap else math.inf, self.leftover, self.best)
        return Found(lower=lower, upper=self.best, witness=self.witness, n_steps=self.n_nodes, finished=not late)

    def _expand(self, nodes: list[_Node]) -> None:
        n = len(nodes)
        self.n_nodes += n
        domain = Domain(
            lower=np.tile(np.maximum(self.low, self.x - self.best), (n, 1)),
            upper=np.tile(np.minimum(self.high, self.x + self.best), (n, 1)),
            center=self.x,
            radius=self.best,
        )
        bounds = linear_bounds(self.margins, domain, np.array([node.known for node in nodes]))
        systems = self._systems(bounds, nodes)
        moves = [None if system is None else _loose(system, self.best) for system in systems]
        live = np.array([place for place in range(n) if moves[place] is not None], dtype=np.int64)
        if not live.size:
            return
        points = np.clip(self.x + np.array([moves[place] for place in live]), self.low, self.high)
        rivals = np.array([nodes[place].rival for place in live])
        gaps = bounds.gaps(points, live, -1, rivals, np.ones(live.size))
        values = self.margins.outputs(points)
        signs = bounds.signs
        for place, point, gap, value in zip(live, points, gaps, values, strict=True):
            node, system = nodes[place], systems[place]
            assert system is not None
            key = max(node.key, float(length(point - self.x, "l2")) * (1 - SLACK))
            undecided = signs[place] == 0
            unit = _largest(gap, undecided, NOTHING * self.size)
            if unit is None or value.min() <= NOTHING * self.size:
                # Nothing is lacking: the point is on the border, and its exact place is that of the tight system.
                exact = shortest_move(system[0], system[1], self.best)
                self._meet(point if exact is None else self.x + exact)
            if key >= self.best * (1 - SLACK):
                continue
            if unit is None:
                unit = self._unit_behind(bounds, int(place), point, node, undecided)
            if unit is None:
                self.leftover = min(self.leftover, key)
                continue
            for side in (-1, 1):
                known, decided = signs[place].copy(), node.decided.copy()
                known[unit] = decided[unit] = side
                heapq.heappush(self.heap, _Node(key=key, rival=node.rival, known=known, decided=decided))

    def _meet(self, point: Floats) -> None:
        across = push_across(self.margins, self.x, point, self.low, self.high)
        if across is not None and (distance := float(length(across - self.x, "l2"))) < self.best:
            self.best, self.witness = distance, across

    def _unit_behind(
        self, bounds: BoxBounds, place: int, point: Floats, node: _Node, undecided: npt.NDArray[np.bool_]
    ) -> int | None:
        """Find a unit to decide where the margin lacks nothing: a decided unit is on its other side at the point.

        Its linear bound allowed that, so what this bound lacks leads to the unit.
        """
        wrong = -node.decided * self.margins.sums_of_units(point[None])[0]
        for unit in np.argsort(-wrong)[: np.count_nonzero(wrong > 0)]:
            number, start = next((number, start) for number, start, stop in self.margins.folds if start <= unit < stop)
            pair = np.array([place]), number, np.array([unit - start]), np.array([-float(node.decided[unit])])
            found = _largest(bounds.gaps(point[None], *pair)[0], undecided, 0.0)
            if found is not None:
                return found
        return int(undecided.argmax()) if undecided.any() else None

    def _systems(self, bounds: BoxBounds, nodes: list[_Node]) -> list[tuple[Floats, Floats] | None]:
        """Return for each node rows ``G @ y >= h`` that the border's points fulfil; None where they cannot."""
        decided = np.array([node.decided for node in nodes])
        boxes, units = np.nonzero(decided)
        coefs, intercepts = bounds.below_units(boxes, units, -decided[boxes, units].astype(np.float64))
        values = coefs @ self.x + intercepts
        starts = np.searchsorted(boxes, np.arange(len(nodes) + 1))
        tight_low, tight_high = self.low > self.x - self.best, self.high < self.x + self.best
        eye = np.eye(self.x.size)
        box_G = np.vstack([eye[tight_low], -eye[tight_high]])
        box_h = np.concatenate([(self.low - self.x)[tight_low], (self.x - self.high)[tight_high]])
        systems: list[tuple[Floats, Floats] | None] = []
        for row, node in enumerate(nodes):
            if bounds.is_empty[row] or bounds.output_lower[row, node.rival] > 0:
                systems.append(None)
                continue
            mine = slice(starts[row], starts[row + 1])
            margin = bounds.coefs[row, node.rival]
            # coefs @ (x + y) + intercepts <= 0, of the margin and of minus side times each decided sum
            G = np.vstack([-margin, -coefs[mine]])
            h = np.append(margin @ self.x + bounds.intercepts[row, node.rival], values[mine])
            sizes = np.sqrt(np.einsum("ij,ij->i", G, G))
            flat = sizes <= 1e-13 * sizes.max(initial=0.0)
            if (h[flat] > 1e-9 * abs(h).max()).any():  # a constant of the wrong sign
                systems.append(None)
                continue
            sizes = sizes[~flat]
            G = np.vstack([G[~flat] / sizes[:, None], box_G])
            systems.append((G, np.concatenate([h[~flat] / sizes, box_h])))
        return systems


def _loose(system: tuple[Floats, Floats], best: float) -> Floats | None:
    G, h = system
    return shortest_move(G, h - SLACK * best, best)


def _largest(gaps: Floats, allowed: npt.NDArray[np.bool_], nothing: float) -> int | None:
    """Return the allowed unit that lacks most; None when no allowed one lacks more than nothing."""
    if not allowed.any():
        return None
    unit = int(np.where(allowed, gaps, -np.inf).argmax())
    return unit if gaps[unit] > nothing else None
