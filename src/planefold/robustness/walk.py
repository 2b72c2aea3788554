"""A walk through the linear regions around a point, nearest first, until the border cannot be any nearer."""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from planefold.networks.affine import Floats, Fold, PiecewiseLinearNet, Signs
from planefold.robustness.attacks import direction, length, push_across
from planefold.robustness.projection import SLACK, Found, shortest_move

# All of these are shares of the distance that is searched.
INSIDE = (1e-5, 1e-7, 1e-9)  # how far inside a facet one crosses it; thinner facets are passed by
REACH = 1e8  # times the size of the point: farther away no border is looked for
ZERO_ROW = 1e-13  # of the largest: coefficients that only rounding made


@dataclass(frozen=True, kw_only=True, eq=False)
class _Region:
    """Rows ``G @ y >= h`` of a region, in moves ``y`` from the point, of unit length; the units' come first."""

    signs: Signs
    G: Floats
    h: Floats
    units: npt.NDArray[np.int64]


def walk(
    margins: PiecewiseLinearNet,
    x: Floats,
    lower: Floats,
    upper: Floats,
    *,
    witness: Floats | None,
    within: float = math.inf,
    deadline: float,
) -> Found:
    """Find the nearest point, in Euclid's distance, where some margin is 0 or negative.

    Parameters
    ----------
    margins : PiecewiseLinearNet
        Whose outputs are positive at ``x``.
    x, lower, upper : ndarray of shape (n_inputs,)
    witness : ndarray of shape (n_inputs,), optional
        A point across the border, for an upper bound to begin with.
    within : float
        Stop as soon as the distance is known to be larger, or known to be no larger.
    deadline : float
        Of ``time.perf_counter()``.

    Notes
    -----
    Regions are visited in the order of their distance (Jordan, Lewis and Dimakis, "Provable Certificates for
    Adversarial Examples: Fitting a Ball in the Union of Polytopes", NeurIPS 2019), so the distance of the next facet
    is a lower bound at any time. A region that does not hold ``x`` is entered through a facet that ``x`` is on the
    inner side of: only those are crossed. Distances to facets and to the border within a region are projections onto
    polyhedra, least-distance programming of Lawson and Hanson, "Solving Least Squares Problems" (1974), chapter 23,
    by non-negative least squares; most facets are ruled out by the distance of their plane alone.

    What lies behind a facet is read from the network at a point behind it, so that any number of creases may coincide.
    """
    return _Walk(margins, x, lower, upper, witness, within, deadline).run()


class _Walk:
    def __init__(
        self,
        margins: PiecewiseLinearNet,
        x: Floats,
        lower: Floats,
        upper: Floats,
        witness: Floats | None,
        within: float,
        deadline: float,
    ) -> None:
        self.margins, self.x, self.low, self.high = margins, x, lower, upper
        # As the last fold, the margins come with the units' sums and maps in one pass.
        last = replace(margins.nodes[-1], fold=Fold(layer="margins"))
        self.net = replace(margins, nodes=(*margins.nodes[:-1], last))
        self.n_units = margins.n_units
        slopes = [(margins.nodes[number].fold, stop - start) for number, start, stop in margins.folds]
        bends = [np.broadcast_to(np.asarray(fold.left != fold.right), size) for fold, size in slopes if fold]
        self.bends = np.concatenate(bends) if bends else np.zeros(0, dtype=bool)
        self.within, self.deadline = within, deadline
        self.witness = witness
        self.best = math.inf if witness is None else float(length(witness - x, "l2"))
        self.reach = REACH * (1.0 + float(abs(x).max(initial=0.0)))
        self.size = 1.0 + float(abs(x).max(initial=0.0))
        box_rows = np.vstack([np.eye(x.size)[np.isfinite(lower)], -np.eye(x.size)[np.isfinite(upper)]])
        self.box = box_rows, np.concatenate([(lower - x)[np.isfinite(lower)], (x - upper)[np.isfinite(upper)]])
        self.seen: set[bytes] = set()
        self.heap: list[tuple[float, int, bool, _Region, int]] = []
        self.n_entries = 0
        self.touched = math.inf  # where the border is met, up to rounding, and nothing is across

    @property
    def limit(self) -> float:
        """No point farther than this matters."""
        return min(self.best, self.reach)

    def run(self) -> Found:
        for signs in self._first():
            self._visit(signs, 0.0)
        while self.heap:
            key, _, is_exact, region, row = self.heap[0]
            if key >= self.best or key > self.within or self.best <= self.within < math.inf:
                break
            if time.perf_counter() > self.deadline:
                return Found(
                    lower=min(key, self.touched),
                    upper=self.best,
                    witness=self.witness,
                    n_steps=len(self.seen),
                    finished=False,
                )
            heapq.heappop(self.heap)
            if is_exact:
                for signs in self._behind(region, row):
                    self._visit(signs, key)
            else:
                exact = self._facet(region, row)
                if exact < self.limit:
                    self._push(max(key, exact), True, region, row)
        top = self.heap[0][0] if self.heap else math.inf
        return Found(
            lower=min(top, self.best, self.touched),
            upper=self.best,
            witness=self.witness,
            n_steps=len(self.seen),
            finished=True,
        )

    def _push(self, key: float, is_exact: bool, region: _Region, row: int) -> None:
        self.n_entries += 1
        heapq.heappush(self.heap, (key, self.n_entries, is_exact, region, row))

    # ------------------------------------------------------------------------------------------------------ regions

    def _first(self) -> Iterator[Signs]:
        """Yield the pattern of a region that holds ``x``; of a point next to it where ``x`` itself is on creases."""
        sums = self.margins.sums_of_units(self.x[None])[0]
        signs = np.sign(sums).astype(np.int8)
        near = abs(sums) <= 1e-12 * max(1.0, float(abs(sums).max(initial=0.0)))
        if near.any():
            rng = np.random.default_rng(0)
            for scale in (1e-6, 1e-8, 1e-10):
                point = self.x + scale * self.size * direction(rng.normal(size=self.x.size))
                beside = self.margins.patterns(point[None])[0]
                if (beside[~near] == signs[~near]).all():
                    yield beside
                    return
        yield signs

    def _visit(self, signs: Signs, key: float) -> None:
        """Look for the border in a region, and note the facets that lead out of it."""
        code = np.packbits(signs > 0).tobytes()
        if code in self.seen:
            return
        self.seen.add(code)
        coefs, intercepts = self.net.maps_of_units(np.append(signs, np.ones(self.margins.n_outputs, dtype=np.int8)))
        values = coefs @ self.x + intercepts
        sizes = np.sqrt(np.einsum("ij,ij->i", coefs, coefs))
        there = sizes > ZERO_ROW * sizes.max(initial=0.0)
        sizes = np.where(there, sizes, 1.0)
        units = np.flatnonzero(there[: self.n_units] & self.bends)
        sides = np.where(signs[units] > 0, 1.0, -1.0)
        slack = sides * values[units] / sizes[units]
        near = slack < self.limit  # the others cannot bind where it matters
        units, sides, slack = units[near], sides[near], slack[near]
        G = (sides / sizes[units])[:, None] * coefs[units]
        box_G, box_h = self.box
        region = _Region(signs=signs, G=np.vstack([G, box_G]), h=np.concatenate([-slack, box_h]), units=units)
        for rival in range(self.n_units, self.n_units + self.margins.n_outputs):
            if there[rival]:
                self._border(region, coefs[rival] / sizes[rival], values[rival] / sizes[rival])
            elif values[rival] <= 0:
                self._border(region, np.zeros(self.x.size), 0.0)
        for row in np.flatnonzero(slack >= -SLACK * self.size):
            bound = max(key, float(slack[row]))
            if bound < self.limit:
                self._push(bound, False, region, int(row))

    def _border(self, region: _Region, gradient: Floats, value: float) -> None:
        """Look for a point of the region where the margin ``gradient @ y + value`` is 0, nearer than the best."""
        if value >= self.limit:
            return
        G, h = np.vstack([region.G, -gradient]), np.append(region.h, value)
        move = shortest_move(G, h, self.limit)
        if move is None:
            move = shortest_move(G, h - SLACK * min(self.limit, self.size), self.limit)
        if move is None:
            return
        point = push_across(self.margins, self.x, self.x + move, self.low, self.high)
        if point is None:
            self.touched = min(self.touched, float(length(move, "l2")))
        elif (distance := float(length(point - self.x, "l2"))) < self.best:
            self.witness, self.best = point, distance

    def _facet(self, region: _Region, row: int) -> float:
        """Return a lower bound of the distance to a facet; infinite where it is too far, or is none."""
        G = np.vstack([region.G, -region.G[row]])
        h = np.append(region.h, -region.h[row]) - SLACK * min(self.limit, self.size)
        move = shortest_move(G, h, self.limit)
        return math.inf if move is None else float(length(move, "l2"))

    def _behind(self, region: _Region, row: int) -> Iterator[Signs]:
        """Yield the pattern behind a facet, read at a point a little behind a point well inside the facet."""
        normal, offset = region.G[row], region.h[row]
        n_rows = len(region.units)
        parallel = abs(region.G[:n_rows] @ normal)
        same = parallel > 1 - 1e-10
        same &= abs(region.h[:n_rows] - np.sign(region.G[:n_rows] @ normal) * offset) <= 1e-9 * self.size
        others = np.append(~same, np.ones(len(region.h) - n_rows, dtype=bool))
        scale = min(self.limit, self.size)
        for inside in INSIDE:
            inner = np.where(np.arange(len(region.h)) < n_rows, inside * scale, 0.0)
            G = np.vstack([region.G[others], normal, -normal])
            h = np.concatenate([(region.h + inner)[others], [offset, -offset]])
            move = shortest_move(G, h, self.limit * (1 + inside) + inside * scale)
            if move is None:
                continue
            for beyond in (0.1, 1e-2, 1e-3):
                point = self.x + move - beyond * inside * scale * normal
                signs = self.margins.patterns(point[None])[0]
                changed = (signs > 0) != (region.signs > 0)
                changed[region.units[same]] = False
                if not changed[region.units].any():
                    yield signs
                    return
            yield signs
            return
