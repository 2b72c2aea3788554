"""Cutting all regions of a window at the creases of one fold's units."""

from __future__ import annotations

import numpy as np

from planefold.networks.affine import Floats, Ints, Signs
from planefold.reading.rational import InconsistentSignsError
from planefold.reading.slices.cuts import LEFT, RIGHT, UNIT, WITHIN, A, B, Cuts, Mesh, with_room
from planefold.reading.slices.exact_vertices import TINY, ExactVertices
from planefold.reading.slices.polygons import grouped
from planefold.reading.slices.signs import SignJudge

RECENT = 2048  # edges that are looked at one by one, before they are looked through for all units to come
MOST_SUMS = 150_000_000  # at most so many sums of a fold at once, about 4 GB
# A crease that meets an edge at so small an angle that rounding would move the vertex by more than 1e-11 of the window.
GRAZING = 1e-5


class RegionLimitError(Exception):
    """There are more regions than allowed; holds how many there were when it was noticed."""


class FoldCutter:
    """Cuts the regions of a subdivision at the creases of one fold's units, one unit after the other.

    Which region an edge borders is kept as a node of the tree of cuts, and is brought up to date only when the edge is
    met again: a unit then costs what it crosses, not what there is.

    Parameters
    ----------
    mesh, judge, exact
        What is cut, and who decides signs and places vertices.
    z : ndarray of shape (>= n_vertices, n_units)
        Sums at the vertices that there are, and room for those that will be.
    signs : int8 ndarray of shape (>= n_vertices, n_units)
    scale : ndarray of shape (n_units,)
        What a sum is measured by, to be told from 0.
    units : int ndarray of shape (n_units,)
        Their numbers in the network.
    max_regions : int
    """

    def __init__(
        self,
        mesh: Mesh,
        judge: SignJudge,
        exact: ExactVertices,
        z: Floats,
        signs: Signs,
        scale: Floats,
        units: Ints,
        max_regions: int,
    ) -> None:
        self.mesh, self.judge, self.exact, self.max_regions = mesh, judge, exact, max_regions
        self.scale, self.units = scale, units
        self.z, self.signs = z, signs
        self.n_before = self.n_nodes = mesh.n_regions
        # In each array over the nodes the last place stands for the outside, node -1, which is never cut.
        room = 2 * self.n_nodes + 64
        self.node_units: Ints = np.full(room, -1)
        self.children: Ints = np.full((room, 2), -1)
        self.roots: Ints = np.arange(room)
        self.down: Ints = np.full(room, -1)
        self.has_negative = np.zeros(room, dtype=bool)

    def run(self) -> None:
        """Cut at all units."""
        mesh = self.mesh
        looked_through, lists = 0, []
        for unit in range(len(self.units)):
            # Which edges may cross: those found when all were looked through, and the recent ones.
            if looked_through == 0 or mesh.n_edges - looked_through > RECENT:
                lists.append((unit, *self._changes(looked_through, mesh.n_edges, unit)))
                looked_through = mesh.n_edges
            found = [edges[starts[unit - base] : starts[unit - base + 1]] for base, starts, edges in lists]
            self._cut_at(unit, np.concatenate([*found, np.arange(looked_through, mesh.n_edges)]))
            if mesh.n_regions > self.max_regions or mesh.n_vertices * len(self.units) > MOST_SUMS:
                raise RegionLimitError(mesh.n_regions)

    def _changes(self, start: int, stop: int, unit: int) -> tuple[Ints, Ints]:
        """Find for every unit from ``unit`` on the edges along which its sign changes."""
        n_left = len(self.units) - unit
        step = max(1, 2**22 // n_left)
        rows, columns = [], []
        for begin in range(start, stop, step):
            a, b = self.mesh.edges[: B + 1, begin : min(begin + step, stop)]
            row, column = np.nonzero(self.signs[a, unit:] != self.signs[b, unit:])
            rows.append(row + begin)
            columns.append(column)
        column = np.concatenate(columns)
        # A stable sort of 16-bit numbers is a radix sort.
        order = np.argsort(column.astype(np.uint16 if n_left < 2**16 else np.int64), kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(column, minlength=n_left))])
        return starts, np.concatenate(rows)[order]

    def _cut_at(self, unit: int, candidates: Ints) -> None:
        # Here and below `.nonzero()[0]`, since `np.flatnonzero` takes a quarter of the time in small networks.
        mesh = self.mesh
        ends = mesh.edges[: B + 1, candidates]
        s = self.signs[ends, unit]
        changing = (s[0] != s[1]).nonzero()[0]
        if not len(changing):
            return
        edges, ends, (sa, sb) = candidates[changing], ends[:, changing], s[:, changing]
        sides = mesh.edges[LEFT : RIGHT + 1, edges] = self._resolved(mesh.edges[LEFT : RIGHT + 1, edges], ends)

        crossed = (sa * sb < 0).nonzero()[0]
        zeros = np.where(sa == 0, ends[0], ends[1])  # where the unit is 0 on the edge
        split = mesh.edges[:, edges[crossed]]
        if len(crossed):
            zeros[crossed] = split[A] = self._add_vertices(unit, split)
            mesh.edges[B, edges[crossed]] = split[A]

        # Walking around a region counter-clockwise, along an edge on its left and against one on its right, there is
        # one place where the unit becomes positive, and one where it ceases to be.
        rising, falling = sb > 0, sa > 0
        regions = np.concatenate([sides[0, rising], sides[1, falling]])
        up = np.concatenate([zeros[rising], zeros[falling]])
        ceasing = np.concatenate([sides[0, falling], sides[1, rising]])
        self.down[ceasing] = np.concatenate([zeros[falling], zeros[rising]])
        negative = sides[:, (sa < 0) | (sb < 0)].ravel()
        self.has_negative[negative] = True
        is_cut = (self.has_negative[regions] & (regions >= 0)).nonzero()[0]
        regions, up = regions[is_cut], up[is_cut]
        down = self.down[regions]
        self.down[ceasing], self.has_negative[negative] = -1, False

        created = np.empty((6, len(regions)), dtype=np.int64)
        created[A], created[B] = down, up
        created[RIGHT], created[LEFT] = self._add_nodes(unit, regions)
        created[UNIT], created[WITHIN] = self.units[unit], self.roots[regions]
        if (down < 0).any() or (down == up).any():
            raise InconsistentSignsError
        mesh.add_edges(np.concatenate([split, created], axis=1))
        mesh.n_regions += len(regions)

    def _resolved(self, nodes: Ints, ends: Ints) -> Ints:
        """Return the nodes on both sides of edges, (2, n), up to date; ``ends`` are the edges' vertices."""
        nodes = nodes.copy()
        side, place = (self.node_units[nodes] >= 0).nonzero()
        while len(side):
            here = nodes[side, place]
            unit = self.node_units[here]
            s = self.signs[ends[0, place], unit]
            on_it = (s == 0).nonzero()[0]
            s[on_it] = self.signs[ends[1, place[on_it]], unit[on_it]]
            here = nodes[side, place] = self.children[here, (s > 0).astype(np.int64)]
            again = (self.node_units[here] >= 0).nonzero()[0]
            side, place = side[again], place[again]
        return nodes

    def _add_vertices(self, unit: int, edges: Ints) -> Ints:
        """Put a vertex on each of some edges, columns of their table, where a unit is 0; return their numbers."""
        mesh, (a, b) = self.mesh, edges[: B + 1]
        start, stop = mesh.n_vertices, mesh.n_vertices + len(a)
        new = np.arange(start, stop)
        z = self.z[a, unit:]
        t = (z[:, 0] / (z[:, 0] - self.z[b, unit]))[:, None]
        points, along = mesh.vertices[a], mesh.vertices[b] - mesh.vertices[a]
        steepness = np.abs(z[:, 0] - self.z[b, unit]) / np.maximum(np.hypot(*along.T), TINY)
        within = self.roots[np.where(edges[LEFT] >= 0, edges[LEFT], edges[RIGHT])]
        lines = [edges[UNIT], edges[WITHIN], np.full(len(a), self.units[unit]), within]
        mesh.add_vertices(points + t * along, np.stack(lines, axis=1))
        grazing = (steepness * mesh.width < GRAZING * self.scale[unit]).nonzero()[0]
        if len(grazing) and self.exact.place(new[grazing]):
            moved = ((mesh.vertices[new[grazing]] - points[grazing]) * along[grazing]).sum(axis=1)
            t[grazing, 0] = np.clip(moved / np.maximum((along[grazing] ** 2).sum(axis=1), TINY), 0.0, 1.0)
        z += t * (self.z[b, unit:] - z)
        # Where an end is 0 or both are alike, so is what lies between; only opposite ends leave a question.
        signs_a, signs_b = self.signs[a], self.signs[b]
        signs = np.sign(signs_a + signs_b)
        signs[:, unit], z[:, 0] = 0, 0.0
        rows, columns = (signs_a[:, unit + 1 :] * signs_b[:, unit + 1 :] < 0).nonzero()
        if len(rows):
            asked = columns + unit + 1
            sums = z[rows, columns + 1]
            z[rows, columns + 1] = sums = self.judge.of_pairs(sums, self.scale[asked], new[rows], self.units[asked])
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
        mesh = self.mesh
        edges = mesh.edges[:, : mesh.n_edges]
        sides = self._resolved(edges[LEFT : RIGHT + 1], edges[: B + 1])
        units = self.node_units[: self.n_nodes]
        is_leaf = units < 0
        leaves = np.where(is_leaf, np.cumsum(is_leaf) - 1, -1)
        edges[LEFT : RIGHT + 1] = np.append(leaves, -1)[sides]
        patterns = self._patterns(edges)
        if len(active) < len(constant):
            everywhere = np.tile(constant, (mesh.n_regions, 1))
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
        vertices, starts = corners_of_regions(edges, self.mesh.n_regions)
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


def corners_of_regions(edges: Ints, n_regions: int) -> tuple[Ints, Ints]:
    """Return the vertices of all regions, in no order, and where those of each begin, (n_regions + 1,)."""
    regions = np.concatenate([edges[LEFT], edges[RIGHT]])
    vertices = np.concatenate([edges[A], edges[B]])  # where an edge begins, when the region is on its left
    inside = np.flatnonzero(regions >= 0)
    order, starts = grouped(regions[inside], n_regions)
    return vertices[inside[order]], starts
