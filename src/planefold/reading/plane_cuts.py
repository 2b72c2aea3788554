"""Cutting a convex window of a plane at every crease, with nothing but signs at shared vertices.

A unit is affine on each region that the units before it leave, so its values at the vertices say all: where its sign
changes along an edge there is a new vertex, and a region with both signs is cut from the vertex where its border goes
up to the one where it goes down. No angle is measured and nothing is sorted; since regions share their vertices, what
one of them decides holds for its neighbours, so parallel, coincident and crowded creases need no special case.
"""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError
from planefold.networks.affine import Floats, PiecewiseLinearNet, Signs, n_entries
from planefold.reading.certificate import Certificate
from planefold.reading.polygons import grouped
from planefold.reading.rational import ExactNet, InconsistentSignsError, Line, Point, crossing, line_through
from planefold.reading.rounding import Rounding
from planefold.reading.signs import OFF, SignJudge

Ints = npt.NDArray[np.int64]
Number = TypeVar("Number", bound=np.generic)

# Rows of the table of edges: its ends a -> b, the region on the left and on the right (-1 outside), the unit whose
# crease it is (-1 - side for a side of the window), and the region that it lay in before that unit's fold.
A, B, LEFT, RIGHT, UNIT, WITHIN = range(6)
MOST_SUMS = 150_000_000  # at most so many sums of a fold at once, about 4 GB
ROWS = 4096  # vertices per block of evaluation
RECENT = 2048  # edges that are looked at one by one, before they are looked through for all units to come
TINY = 1e-300  # a sum that is not zero, and too small for a float
# A crease that meets an edge at so small an angle that rounding would move the vertex by more than 1e-11 of the window.
GRAZING = 1e-5
RATIONAL_WORK = 20_000_000  # multiplications in rationals at most, about two seconds
STEP_OF_WORK = 500  # what a pass costs besides, in multiplications


class RegionLimitError(Exception):
    """There are more regions than allowed; holds how many there were when it was noticed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cuts:
    """How one fold cut the regions that it found: a binary tree below each of them.

    Parameters
    ----------
    first : int
        Number of the fold's first unit.
    units : int ndarray of shape (n_nodes,)
        Which unit cuts a node of the trees; -1 for leaves. The first nodes are the regions before the fold.
    children : int ndarray of shape (n_nodes, 2)
        The nodes where the unit is negative and where it is positive.
    leaves : int ndarray of shape (n_nodes,)
        The number of the region that a leaf is after the fold; -1 for nodes that are cut.
    parents : int ndarray of shape (n_regions_after,)
        Which region before the fold each one was part of.
    patterns : int8 ndarray of shape (n_regions_after, n_units_of_fold)
        On which side of each unit's crease the regions are; 0 where its sum is 0 all over.
    """

    first: int
    units: Ints
    children: Ints
    leaves: Ints
    parents: Ints
    patterns: Signs


@dataclass(frozen=True, kw_only=True, eq=False)
class Subdivision:
    """Vertices, edges and regions of a window, and how they came to be.

    Parameters
    ----------
    vertices : ndarray of shape (n_vertices, 2)
    edges : int ndarray of shape (6, n_edges)
        Ends, left and right region, unit, and the region before the unit's fold; see the module.
    n_regions : int
    corners : ndarray of shape (n_corners, 2)
        Of the window, counter-clockwise.
    lines : int ndarray of shape (n_vertices, 4)
        Which two lines cross in each vertex: unit and region before the unit's fold, as in ``edges``, twice.
    cuts : tuple of Cuts
        One per fold of the network.
    certificate : Certificate
    """

    vertices: Floats
    edges: Ints
    n_regions: int
    corners: Floats
    lines: Ints
    cuts: tuple[Cuts, ...] = ()
    certificate: Certificate = field(default_factory=Certificate)

    @classmethod
    def of_window(cls, corners: Floats) -> Subdivision:
        """Return a window that nothing has cut yet; its corners are counter-clockwise."""
        n = len(corners)
        sides, none = np.arange(n), np.full(n, -1)
        return cls(
            vertices=np.array(corners, dtype=np.float64),
            edges=np.stack([sides, (sides + 1) % n, np.zeros(n, dtype=np.int64), none, -1 - sides, none]),
            n_regions=1,
            corners=corners,
            lines=np.stack([-1 - sides, none, -1 - (sides - 1) % n, none], axis=1),
        )

    def patterns(self) -> Signs:
        """Return the pattern of every region, int8 of shape (n_regions, n_units)."""
        parts, regions = [], np.arange(self.n_regions)
        for cut in reversed(self.cuts):
            parts.append(cut.patterns[regions])
            regions = cut.parents[regions]
        return np.hstack(parts[::-1]) if parts else np.zeros((self.n_regions, 0), dtype=np.int8)

    def locate(self, sums: Floats) -> Ints:
        """Return the region of points inside the window, of which the sums of all units are given."""
        regions = np.zeros(len(sums), dtype=np.int64)
        for cut in self.cuts:
            nodes = regions
            todo = np.flatnonzero(cut.units[nodes] >= 0)
            while len(todo):
                here = nodes[todo]
                nodes[todo] = cut.children[here, (sums[todo, cut.units[here]] > 0).astype(np.int64)]
                todo = todo[cut.units[nodes[todo]] >= 0]
            regions = cut.leaves[nodes]
        return regions


def subdivide(
    net: PiecewiseLinearNet,
    start: Subdivision,
    *,
    source: tuple[PiecewiseLinearNet, Floats, Floats] | None = None,
    max_regions: int,
    snap: bool = False,
) -> Subdivision:
    """Cut a window into the regions on which a network is affine.

    Parameters
    ----------
    net : PiecewiseLinearNet
        Of two inputs.
    start : Subdivision
        The window, or what the first folds of the same network have made of it already.
    source : (net, origin, directions), optional
        Of what ``net`` is the restriction; doubtful signs are decided by these numbers.
    max_regions : int
        More regions than this raise :class:`RegionLimitError`.
    snap : bool
        Take creases that differ by no more than rounding for one.

    Raises
    ------
    RegionLimitError
        If there are more regions than allowed, or than there is memory for.
    DataError
        If the network's numbers are of such different sizes that nothing can be told in floating point.

    Notes
    -----
    Each vertex is evaluated from its coordinates once; along an edge, values are interpolated within one fold only, so
    errors do not add up from layer to layer. Besides the evaluation the work is in proportion to the pairs of an edge
    and a unit that cross.

    The scheme is that of Berzins, "Polyhedral Complex Extraction from ReLU Networks using Edge Subdivision", ICML 2023
    (a new vertex wherever the sign changes along an edge), in two dimensions, with three signs in place of two and
    with regions on both sides of the edges.
    """
    whole = source if source is not None else (net, np.zeros(2), np.eye(2))
    exact = ExactNet(*whole)
    # So many zeros that there is no time for all of them are no accident: the tolerance decides then, and the
    # certificate says by which gap. Should the signs that it gives contradict each other, time is no object.
    for as_one, work in ((True, RATIONAL_WORK),) if snap else ((False, RATIONAL_WORK), (True, RATIONAL_WORK)):
        with suppress(_OutOfWorkError, InconsistentSignsError):
            return _Cutter(net, start, exact, max_regions, snap=as_one, work=work).run()
    try:
        return _Cutter(net, start, exact, max_regions, snap=False, work=math.inf).run()
    except InconsistentSignsError:
        raise DataError(
            f"{net.description}: its numbers are of such different sizes that rounding hides where its creases are",
            hint="bring inputs and weights to similar sizes, or look at a smaller window",
        ) from None


class _OutOfWorkError(Exception):
    """More signs were to be decided in rationals than there is time for."""


class _Cutter:
    """The state of a subdivision under way."""

    def __init__(
        self,
        net: PiecewiseLinearNet,
        start: Subdivision,
        exact: ExactNet,
        max_regions: int,
        *,
        snap: bool,
        work: float,
    ) -> None:
        self.net, self.start, self.exact, self.max_regions = net, start, exact, max_regions
        self.n_vertices, self.n_edges, self.n_regions = len(start.vertices), start.edges.shape[1], start.n_regions
        self.vertices, self.edges, self.lines = start.vertices.copy(), start.edges.copy(), start.lines.copy()
        self.cuts = list(start.cuts)
        self.buffers: dict[str, Floats] = {}
        self.judge = SignJudge(self.exact_sums, snap=snap)
        self.work_left = work
        # Multiplications up to each node, in rationals.
        self.costs = np.cumsum([sum(map(n_entries, node.matrices)) for node in exact.net.nodes])
        self.width = float(np.ptp(start.corners, axis=0).max())
        self.rounding = Rounding(net, np.abs(start.corners).max(axis=0))
        # What is known in rationals.
        self._points: dict[int, Point] = {}
        self._lines: dict[tuple[int, int], Line] = {}
        self._maps: dict[tuple[int, int], npt.NDArray[Any]] = {}
        self._sums: dict[tuple[int, int], tuple[npt.NDArray[Any], int]] = {}

    def run(self) -> Subdivision:
        """Cut at all folds that have not cut yet."""
        try:
            return self._run()
        finally:
            self.buffers.clear()  # the judge knows this object and it the judge: they wait for the garbage collector

    def _run(self) -> Subdivision:
        # The vertices are evaluated in blocks: each block keeps the values that later nodes read.
        blocks: list[dict[int, Floats]] = []
        n_seen, done = 0, 0
        for number, first, stop in self.net.folds[len(self.cuts) :]:
            fold = self.net.nodes[number].fold
            assert fold is not None
            self._begin_blocks(blocks, n_seen, done)
            n_seen = self.n_vertices
            z = self._buffer("sums", n_seen, stop - first)
            for node in range(done, number):
                self.rounding.after(node, blocks)
                for values in blocks:
                    for _ in self.net.steps(values, node, node + 1):
                        pass
            off, row = self.rounding.after(number, blocks), 0
            for values in blocks:
                sums = self.net.sums(values, number)
                z[row : row + len(sums)] = sums
                row += len(sums)
                values[number + 1] = fold(sums)
                self.net.forget(values, number)
            done = number + 1
            largest = np.maximum(z[:n_seen].max(axis=0), -z[:n_seen].min(axis=0))
            self._cut(z, np.maximum(largest, OFF * off), first)
        return Subdivision(
            vertices=self.vertices[: self.n_vertices].copy(),
            edges=self.edges[:, : self.n_edges].copy(),
            n_regions=self.n_regions,
            corners=self.start.corners,
            lines=self.lines[: self.n_vertices].copy(),
            cuts=tuple(self.cuts),
            certificate=self.judge.certificate(self.start.certificate),
        )

    def _begin_blocks(self, blocks: list[dict[int, Floats]], start: int, done: int) -> None:
        """Evaluate the vertices from ``start`` on, up to node ``done``."""
        for begin in range(start, self.n_vertices, ROWS):
            values = {0: self.vertices[begin : min(begin + ROWS, self.n_vertices)].copy()}
            for _ in self.net.steps(values, 0, done):
                pass
            blocks.append(values)

    def _buffer(self, name: str, n_rows: int, n_units: int) -> Floats:
        """Return room for the sums of one fold, at all vertices that there are and will be; the same in each fold."""
        room = 2 * n_rows * n_units + n_units**3 // 2  # what is never touched costs nothing
        buffer = self.buffers.get(name, np.empty(0))
        if len(buffer) < room:
            buffer = self.buffers[name] = np.empty(room)
        return buffer[: len(buffer) // n_units * n_units].reshape(-1, n_units)

    def _cut(self, z: Floats, scale: Floats, first: int) -> None:
        """Cut every region at the creases of one fold's units; ``z`` (>= n_vertices, n_units) are their sums."""
        n = self.n_vertices
        signs = self.judge.of_vertices(z[:n], scale, first)
        low, high = signs.min(axis=0), signs.max(axis=0)
        active = np.flatnonzero(low < high)
        if 0 < len(active) < len(low):
            chosen = self._buffer("active", n, len(active))
            np.take(z[:n], active, axis=1, out=chosen[:n])
            z, signs = chosen, signs[:, active]
        room: Signs = np.empty((len(z), len(active)), dtype=np.int8)
        room[:n] = signs[:, : len(active)]
        fold = _FoldCutter(self, z, room, scale[active], first + active)
        fold.run()
        self.cuts.append(fold.finish(first, np.sign(low + high), active))

    def add_vertices(self, points: Floats, lines: Ints) -> None:
        stop = self.n_vertices + len(points)
        self.vertices = with_room(self.vertices, stop)
        self.lines = with_room(self.lines, stop)
        self.vertices[self.n_vertices : stop] = points
        self.lines[self.n_vertices : stop] = lines
        self.n_vertices = stop

    def add_edges(self, block: Ints) -> None:
        """Append edges, columns of the table."""
        stop = self.n_edges + block.shape[1]
        if stop > self.edges.shape[1]:
            grown = np.empty((6, 2 * stop), dtype=np.int64)
            grown[:, : self.n_edges] = self.edges[:, : self.n_edges]
            self.edges = grown
        self.edges[:, self.n_edges : stop] = block
        self.n_edges = stop

    # ------------------------------------------------------------------------------------------- in rationals

    def placed_exactly(self, vertices: Ints) -> bool:
        """Compute where vertices are in rationals, and round only then; False where there is no time for it."""
        if self.work_left <= 0:
            return False
        for vertex in vertices.tolist():
            x, y, q = self._point(vertex)
            self.vertices[vertex] = x / q, y / q
        return True

    def exact_sums(self, vertices: Ints, units: Ints) -> Floats:
        """Return the sums of units at vertices, one by one, as the nearest floats that have their signs."""
        found: list[float] = []
        for vertex, unit in zip(vertices.tolist(), units.tolist(), strict=True):
            if self.work_left <= 0:
                if self.judge.snap:
                    break
                raise _OutOfWorkError
            found.append(self._exact_sum(vertex, unit))
        return np.array(found)

    def _fold_of(self, unit: int) -> tuple[int, int, int]:
        return next((i, number, first) for i, (number, first, stop) in enumerate(self.net.folds) if unit < stop)

    def _exact_sum(self, vertex: int, unit: int) -> float:
        fold, number, first = self._fold_of(unit)
        key = vertex, fold
        if key not in self._sums:
            self._sums[key] = self.exact.fractions_at(self._point(vertex), number)
            self.work_left -= STEP_OF_WORK + self.costs[number]
        numbers, divisor = self._sums[key]
        found = numbers[unit - first]
        return found / divisor or float((found > 0) - (found < 0)) * TINY

    def _point(self, vertex: int) -> Point:
        if vertex not in self._points:
            one, within_one, other, within_other = map(int, self.lines[vertex])
            self._points[vertex] = crossing(self._line(one, within_one), self._line(other, within_other))
        return self._points[vertex]

    def _line(self, unit: int, within: int) -> Line:
        if unit < 0:
            side = -1 - unit
            corners = self.start.corners
            return line_through(corners[side], corners[(side + 1) % len(corners)])
        key = unit, within
        if key not in self._lines:
            fold, number, first = self._fold_of(unit)
            if (fold, within) not in self._maps:
                self._maps[fold, within] = self.exact.maps_of(self._pattern(within, fold), number)
                self.work_left -= 3 * (STEP_OF_WORK + self.costs[number])
            a, b, c = self._maps[fold, within][:, unit - first]
            self._lines[key] = a, b, c
        return self._lines[key]

    def _pattern(self, region: int, fold: int) -> Signs:
        """Return the pattern of a region as it was before a fold."""
        parts: list[Signs] = [np.zeros(0, dtype=np.int8)]
        for cut in reversed(self.cuts[:fold]):
            parts.insert(1, cut.patterns[region])
            region = int(cut.parents[region])
        return np.concatenate(parts)


class _FoldCutter:
    """Cuts the regions of a subdivision at the creases of one fold's units, one unit after the other.

    Which region an edge borders is kept as a node of the tree of cuts, and is brought up to date only when the edge is
    met again: a unit then costs what it crosses, not what there is.
    """

    def __init__(self, whole: _Cutter, z: Floats, signs: Signs, scale: Floats, units: Ints) -> None:
        self.whole, self.scale, self.units = whole, scale, units
        self.z, self.signs = z, signs
        self.n_before = self.n_nodes = whole.n_regions
        # In each array over the nodes the last place stands for the outside, node -1, which is never cut.
        room = 2 * self.n_nodes + 64
        self.node_units: Ints = np.full(room, -1)
        self.children: Ints = np.full((room, 2), -1)
        self.roots: Ints = np.arange(room)
        self.down: Ints = np.full(room, -1)
        self.has_negative = np.zeros(room, dtype=bool)

    def run(self) -> None:
        """Cut at all units."""
        whole = self.whole
        looked_through, lists = 0, []
        for unit in range(len(self.units)):
            # Which edges may cross: those found when all were looked through, and the recent ones.
            if looked_through == 0 or whole.n_edges - looked_through > RECENT:
                lists.append((unit, *self._changes(looked_through, whole.n_edges, unit)))
                looked_through = whole.n_edges
            found = [edges[starts[unit - base] : starts[unit - base + 1]] for base, starts, edges in lists]
            self._cut_at(unit, np.concatenate([*found, np.arange(looked_through, whole.n_edges)]))
            if whole.n_regions > whole.max_regions or whole.n_vertices * len(self.units) > MOST_SUMS:
                raise RegionLimitError(whole.n_regions)

    def _changes(self, start: int, stop: int, unit: int) -> tuple[Ints, Ints]:
        """Find for every unit from ``unit`` on the edges along which its sign changes."""
        n_left = len(self.units) - unit
        step = max(1, 2**22 // n_left)
        rows, columns = [], []
        for begin in range(start, stop, step):
            a, b = self.whole.edges[: B + 1, begin : min(begin + step, stop)]
            row, column = np.nonzero(self.signs[a, unit:] != self.signs[b, unit:])
            rows.append(row + begin)
            columns.append(column)
        column = np.concatenate(columns)
        # A stable sort of 16-bit numbers is a radix sort.
        order = np.argsort(column.astype(np.uint16 if n_left < 2**16 else np.int64), kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(column, minlength=n_left))])
        return starts, np.concatenate(rows)[order]

    def _cut_at(self, unit: int, candidates: Ints) -> None:
        whole = self.whole
        ends = whole.edges[: B + 1, candidates]
        s = self.signs[ends, unit]
        changing = np.flatnonzero(s[0] != s[1])
        if not len(changing):
            return
        edges, ends, (sa, sb) = candidates[changing], ends[:, changing], s[:, changing]
        sides = whole.edges[LEFT : RIGHT + 1, edges] = self._resolved(whole.edges[LEFT : RIGHT + 1, edges], ends)

        crossed = np.flatnonzero(sa * sb < 0)
        zeros = np.where(sa == 0, ends[0], ends[1])  # where the unit is 0 on the edge
        split = whole.edges[:, edges[crossed]]
        if len(crossed):
            zeros[crossed] = split[A] = self._add_vertices(unit, split)
            whole.edges[B, edges[crossed]] = split[A]

        # Walking around a region counter-clockwise, along an edge on its left and against one on its right, there is
        # one place where the unit becomes positive, and one where it ceases to be.
        rising, falling = sb > 0, sa > 0
        regions = np.concatenate([sides[0, rising], sides[1, falling]])
        up = np.concatenate([zeros[rising], zeros[falling]])
        ceasing = np.concatenate([sides[0, falling], sides[1, rising]])
        self.down[ceasing] = np.concatenate([zeros[falling], zeros[rising]])
        negative = sides[:, (sa < 0) | (sb < 0)].ravel()
        self.has_negative[negative] = True
        is_cut = np.flatnonzero(self.has_negative[regions] & (regions >= 0))
        regions, up = regions[is_cut], up[is_cut]
        down = self.down[regions]
        self.down[ceasing], self.has_negative[negative] = -1, False

        created = np.empty((6, len(regions)), dtype=np.int64)
        created[A], created[B] = down, up
        created[RIGHT], created[LEFT] = self._add_nodes(unit, regions)
        created[UNIT], created[WITHIN] = self.units[unit], self.roots[regions]
        if (down < 0).any() or (down == up).any():
            raise InconsistentSignsError
        whole.add_edges(np.concatenate([split, created], axis=1))
        whole.n_regions += len(regions)

    def _resolved(self, nodes: Ints, ends: Ints) -> Ints:
        """Return the nodes on both sides of edges, (2, n), up to date; ``ends`` are the edges' vertices."""
        nodes = nodes.copy()
        side, place = np.nonzero(self.node_units[nodes] >= 0)
        while len(side):
            here = nodes[side, place]
            unit = self.node_units[here]
            s = self.signs[ends[0, place], unit]
            on_it = np.flatnonzero(s == 0)
            s[on_it] = self.signs[ends[1, place[on_it]], unit[on_it]]
            here = nodes[side, place] = self.children[here, (s > 0).astype(np.int64)]
            again = np.flatnonzero(self.node_units[here] >= 0)
            side, place = side[again], place[again]
        return nodes

    def _add_vertices(self, unit: int, edges: Ints) -> Ints:
        """Put a vertex on each of some edges, columns of their table, where a unit is 0; return their numbers."""
        whole, (a, b) = self.whole, edges[: B + 1]
        start, stop = whole.n_vertices, whole.n_vertices + len(a)
        new = np.arange(start, stop)
        z = self.z[a, unit:]
        t = (z[:, 0] / (z[:, 0] - self.z[b, unit]))[:, None]
        points, along = whole.vertices[a], whole.vertices[b] - whole.vertices[a]
        steepness = np.abs(z[:, 0] - self.z[b, unit]) / np.maximum(np.hypot(*along.T), TINY)
        within = self.roots[np.where(edges[LEFT] >= 0, edges[LEFT], edges[RIGHT])]
        lines = [edges[UNIT], edges[WITHIN], np.full(len(a), self.units[unit]), within]
        whole.add_vertices(points + t * along, np.stack(lines, axis=1))
        grazing = np.flatnonzero(steepness * whole.width < GRAZING * self.scale[unit])
        if len(grazing) and whole.placed_exactly(new[grazing]):
            moved = ((whole.vertices[new[grazing]] - points[grazing]) * along[grazing]).sum(axis=1)
            t[grazing, 0] = np.clip(moved / np.maximum((along[grazing] ** 2).sum(axis=1), TINY), 0.0, 1.0)
        z += t * (self.z[b, unit:] - z)
        # Where an end is 0 or both are alike, so is what lies between; only opposite ends leave a question.
        signs_a, signs_b = self.signs[a], self.signs[b]
        signs = np.sign(signs_a + signs_b)
        signs[:, unit], z[:, 0] = 0, 0.0
        rows, columns = np.nonzero(signs_a[:, unit + 1 :] * signs_b[:, unit + 1 :] < 0)
        if len(rows):
            asked = columns + unit + 1
            sums = z[rows, columns + 1]
            z[rows, columns + 1] = sums = whole.judge.of_pairs(sums, self.scale[asked], new[rows], self.units[asked])
            signs[rows, asked] = np.sign(sums)
        self.z, self.signs = with_room(self.z, stop), with_room(self.signs, stop)
        self.z[start:stop, unit:] = z
        self.signs[start:stop] = signs
        return new

    def _add_nodes(self, unit: int, regions: Ints) -> tuple[Ints, Ints]:
        """Cut regions in two; return the parts where the unit is negative, and where it is positive."""
        n, start = len(regions), self.n_nodes
        if start + 2 * n >= len(self.node_units):
            self._make_room(2 * (start + 2 * n) + 1)
        self.n_nodes += 2 * n
        negative = np.arange(start, start + n)
        positive = negative + n
        if (self.node_units[regions] >= 0).any():
            raise InconsistentSignsError
        self.node_units[regions] = unit
        self.children[regions, 0], self.children[regions, 1] = negative, positive
        if (self.children[regions, 0] != negative).any():  # one of them came twice
            raise InconsistentSignsError
        self.roots[negative] = self.roots[positive] = self.roots[regions]
        return negative, positive

    def _make_room(self, room: int) -> None:
        for name, empty in (("node_units", -1), ("children", -1), ("roots", 0), ("down", -1), ("has_negative", 0)):
            old = getattr(self, name)
            new = np.full((room, *old.shape[1:]), empty, dtype=old.dtype)
            new[: self.n_nodes] = old[: self.n_nodes]
            setattr(self, name, new)

    def finish(self, first: int, constant: Signs, active: Ints) -> Cuts:
        """Number the regions that there are now, and say how they came to be.

        ``constant`` are the signs of all the fold's units, which hold where a unit is not among the ``active``.
        """
        whole = self.whole
        edges = whole.edges[:, : whole.n_edges]
        sides = self._resolved(edges[LEFT : RIGHT + 1], edges[: B + 1])
        units = self.node_units[: self.n_nodes]
        is_leaf = units < 0
        leaves = np.where(is_leaf, np.cumsum(is_leaf) - 1, -1)
        edges[LEFT : RIGHT + 1] = np.append(leaves, -1)[sides]
        patterns = self._patterns(edges)
        if len(active) < len(constant):
            everywhere = np.tile(constant, (whole.n_regions, 1))
            everywhere[:, active] = patterns
            patterns = everywhere
        return Cuts(
            first=first,
            units=np.append(self.units, -1)[units],
            children=self.children[: self.n_nodes].copy(),
            leaves=leaves,
            parents=self.roots[: self.n_nodes][is_leaf],
            patterns=patterns,
        )

    def _patterns(self, edges: Ints) -> Signs:
        """Return the signs of the units within the regions: those at any of its vertices that is not on the crease."""
        vertices, starts = corners_of_regions(edges, self.whole.n_regions)
        sizes = np.diff(starts)
        patterns = self.signs[vertices[starts[:-1]]]
        regions, units = np.nonzero(patterns == 0)
        for place in range(1, int(sizes.max())):
            there = sizes[regions] > place
            regions, units = regions[there], units[there]
            found = self.signs[vertices[starts[regions] + place], units]
            patterns[regions, units] = found
            still = found == 0
            regions, units = regions[still], units[still]
            if not len(regions):
                break
        return patterns


def with_room(array: npt.NDArray[Number], stop: int) -> npt.NDArray[Number]:
    """Return an array that has room for rows up to ``stop``: itself, or a larger copy."""
    if stop <= len(array):
        return array
    grown = np.empty((2 * stop, *array.shape[1:]), dtype=array.dtype)
    grown[: len(array)] = array
    return grown


def corners_of_regions(edges: Ints, n_regions: int) -> tuple[Ints, Ints]:
    """Return the vertices of all regions, in no order, and where those of each begin, (n_regions + 1,)."""
    regions = np.concatenate([edges[LEFT], edges[RIGHT]])
    vertices = np.concatenate([edges[A], edges[B]])  # where an edge begins, when the region is on its left
    inside = np.flatnonzero(regions >= 0)
    order, starts = grouped(regions[inside], n_regions)
    return vertices[inside[order]], starts
