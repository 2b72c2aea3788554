"""Branch and bound over units for verification: boxes of many inputs, in which only the units can be split."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

from planefold.networks.affine import Floats, PiecewiseLinearNet, Signs
from planefold.robustness.bounds import linear_bounds
from planefold.robustness.domains import Domain

NODES_AT_ONCE = 24
N_ASCENTS = 25  # steps that make the multipliers of the decided units better
LP_SAFE = 1e-6  # of the sizes of the terms: HiGHS keeps its constraints to 1e-7

Checked = Callable[[Floats], Floats | None]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Node:
    bound: float
    known: Signs
    decided: Signs

    def __lt__(self, other: _Node) -> bool:
        return self.bound < other.bound


def search_units(
    excess: PiecewiseLinearNet,
    groups: npt.NDArray[np.int64],
    low: Floats,
    high: Floats,
    is_unsafe: Checked,
    safe: float,
    deadline: float,
) -> tuple[float, Floats | None, int]:
    """Prove that each set of outputs has one above 0 everywhere in the box, or find a point where one has not.

    Parameters
    ----------
    excess : PiecewiseLinearNet
    groups : int ndarray of shape (n_groups,)
        Number of each set's first output.
    low, high : ndarray of shape (n_inputs,)
    is_unsafe : function from points to one of them or None
    safe : float
        Share of the sizes of its terms by which a bound must be above 0.
    deadline : float
        Of ``time.perf_counter()``.

    Returns
    -------
    bound : float
        What was proved; positive when there is no such point.
    point : ndarray of shape (n_inputs,) or None
    n_nodes : int

    Notes
    -----
    The linear bound of an output is least at a corner of the box; that the decided units' sums have their signs there
    comes in by multipliers, one for each, which any nonnegative numbers may be (Wang et al., "Beta-CROWN: Efficient
    Bound Propagation with Per-neuron Split Constraints", NeurIPS 2021, eq. 4 to 8, with the constraints' own linear
    bounds); a few steps of ascent look for good ones. The unit that the bound lacks most because of is decided next.
    """
    stops = np.append(groups[1:], excess.n_outputs)
    bound, n_nodes = math.inf, 0
    for first, stop in zip(groups, stops, strict=True):
        chosen = excess.with_outputs(np.eye(excess.n_outputs)[:, first:stop])
        proved, point, n = _Tree(chosen, low, high, is_unsafe, safe).run(deadline)
        bound, n_nodes = min(bound, proved), n_nodes + n
        if point is not None or proved <= 0:
            return bound, point, n_nodes
    return bound, None, n_nodes


class _Tree:
    def __init__(self, net: PiecewiseLinearNet, low: Floats, high: Floats, is_unsafe: Checked, safe: float) -> None:
        self.net, self.low, self.high, self.is_unsafe, self.safe = net, low, high, is_unsafe, safe
        none = np.zeros(net.n_units, dtype=np.int8)
        self.heap = [_Node(bound=-math.inf, known=none, decided=none)]
        self.proved = math.inf
        self.n_nodes = 0

    def run(self, deadline: float) -> tuple[float, Floats | None, int]:
        while self.heap:
            if time.perf_counter() > deadline:
                return min(self.heap[0].bound, self.proved, 0.0), None, self.n_nodes
            taken = [heapq.heappop(self.heap) for _ in range(min(NODES_AT_ONCE, len(self.heap)))]
            self.n_nodes += len(taken)
            point = self._expand(taken)
            if point is not None:
                return -math.inf, point, self.n_nodes
        return self.proved, None, self.n_nodes

    def _expand(self, nodes: list[_Node]) -> Floats | None:
        n = len(nodes)
        domain = Domain(lower=np.tile(self.low, (n, 1)), upper=np.tile(self.high, (n, 1)))
        bounds = linear_bounds(self.net, domain, np.array([node.known for node in nodes]))
        row = bounds.output_lower.argmax(axis=1)
        decided = np.array([node.decided for node in nodes])
        rows, sides = bounds.inequalities(decided)
        each = np.arange(n)
        coefs, intercepts = bounds.coefs[each, row], bounds.intercepts[each, row]
        found = replace(domain, rows=rows, sides=sides).ascend(coefs, intercepts, each, N_ASCENTS)
        least, points = found.least, found.points
        # How large what was added up is, which is what rounding is a share of.
        steep = abs(coefs) + np.matmul(found.weights[:, None], abs(rows))[:, 0]
        size = abs(intercepts) + (found.weights * abs(sides)).sum(axis=1)
        size += steep @ np.maximum(abs(self.low), abs(self.high))
        least = np.maximum(least, bounds.output_lower.max(axis=1))
        done = bounds.is_empty | (least > self.safe * size)
        self.proved = min(self.proved, float(least[done & ~bounds.is_empty].min(initial=math.inf)))
        live = np.flatnonzero(~done)
        if not live.size:
            return None
        point = self.is_unsafe(points[live])
        if point is not None:
            return point
        gaps = bounds.gaps(points[live], live, -1, row[live], np.ones(live.size))
        signs = bounds.signs
        widths = np.minimum(-bounds.lower, bounds.upper)
        for place, gap in zip(live, gaps, strict=True):
            node = nodes[place]
            undecided = signs[place] == 0
            if not undecided.any():
                point = self._leaf(signs[place])
                if point is not None:
                    return point
                continue
            unit = int(np.where(undecided, gap, -math.inf).argmax())
            if gap[unit] <= 1e-12 * abs(gap).max():  # it is the decided units' own bounds that lack: tell more units
                unit = int(np.where(undecided, widths[place], -math.inf).argmax())
            for side in (-1, 1):
                known, split = signs[place].copy(), node.decided.copy()
                known[unit] = split[unit] = side
                heapq.heappush(self.heap, _Node(bound=max(node.bound, float(least[place])), known=known, decided=split))
        return None

    def _leaf(self, signs: Signs) -> Floats | None:
        """Decide a region as a whole, by a linear program: the least of the set's largest excess."""
        coefs, intercepts = self.net.maps_of_units(signs)
        maps, constants = (part[0] for part in self.net.local_maps(signs[None]))
        sides = np.where(signs > 0, 1.0, -1.0)[:, None]
        size = float((abs(maps) @ np.maximum(abs(self.low), abs(self.high)) + abs(constants)).max()) or 1.0
        A = np.vstack(
            [np.hstack([-sides * coefs, np.zeros((len(signs), 1))]), np.hstack([maps / size, -np.ones((len(maps), 1))])]
        )
        b = np.concatenate([sides[:, 0] * intercepts, -constants / size])
        result = linprog(
            np.append(np.zeros(len(self.low)), 1.0),
            A_ub=A,
            b_ub=b,
            bounds=[*zip(self.low, self.high, strict=True), (None, None)],
        )
        if result.status == 0 and result.fun is not None and result.fun > LP_SAFE:
            self.proved = min(self.proved, float(result.fun) * size)
            return None
        if result.status == 2:  # no such region in the box
            return None
        self.proved = min(self.proved, -0.0)
        return None if result.x is None else self.is_unsafe(np.clip(result.x[:-1], self.low, self.high)[None])
