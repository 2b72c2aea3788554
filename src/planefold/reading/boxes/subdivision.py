"""All regions of a box by cutting its edges: creases in general position, up to about eight dimensions.

A network's creases cut a box into cells, these into faces, down to edges and corners. Of all these only corners and
edges are kept. Each edge knows the creases that it lies on, and a hash of the sides on which it lies of all others; two
edges belong to one face where their hashes agree after one crease each is left. Cells are never built: each has one
lowest corner, where its edges all go up.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.records import Record
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.reading.certificate import TOLERANCE

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]
Names = npt.NDArray[Any]  # numbers of creases: int16, or int32 when there are many
Hashes = npt.NDArray[np.uint64]


class NotGenericError(Exception):
    """More creases than dimensions pass through a point, which this algorithm cannot tell apart."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BoxComplex(Record):
    """The corners and edges of all regions of a box.

    Parameters
    ----------
    points : ndarray of shape (n_corners, d)
    edges : int ndarray of shape (n_edges, 2)
        Corner numbers.
    corner_zeros, edge_zeros : int ndarrays of shape (n_corners, d), (n_edges, d - 1)
        The creases that each lies on; sides of the box count on from ``n_units``.
    corner_hashes, edge_hashes : uint64 ndarrays
        Sums of ``keys[crease, side]`` over the creases on which they do not lie.
    keys : uint64 ndarray of shape (n_units + 2 * d, 2)
    smallest_nonzero : float
        Smallest sum at a corner that is not on the unit's crease, as a share of the unit's largest.
    finished : bool
        False when there was no room or no time for the last creases.
    """

    points: Floats
    edges: Numbers
    corner_zeros: Names
    edge_zeros: Names
    corner_hashes: Hashes
    edge_hashes: Hashes
    keys: Hashes
    smallest_nonzero: float
    finished: bool

    def _rising_places(self) -> Ints:
        """Where each edge goes up from: ``d`` times the corner, plus which of its creases it leaves."""
        d = self.points.shape[1]
        # A direction in which no two corners of an edge are equally high.
        heights = self.points @ np.random.default_rng(0).normal(size=d)
        lowest = np.where(heights[self.edges[:, 0]] < heights[self.edges[:, 1]], self.edges[:, 0], self.edges[:, 1])
        left = self.corner_zeros.sum(axis=1, dtype=np.int32)[lowest] - self.edge_zeros.sum(axis=1, dtype=np.int32)
        slot = (self.corner_zeros[lowest] == left[:, None]).argmax(axis=1)
        places: Ints = lowest.astype(np.int64) * d + slot
        return places

    def n_cells(self) -> int:
        """Count the regions: each has one lowest corner, and one edge up from there for each crease of the corner."""
        n_up = np.bincount(self._rising_places(), minlength=self.points.size).astype(np.int16)
        return int(n_up.reshape(self.points.shape).prod(axis=1, dtype=np.int64).sum())

    def _rising(self) -> tuple[Ints, Ints]:
        """Edges that go up from each corner by which of its creases they leave, (n_corners, d, 2), and how many."""
        places = self._rising_places()
        n_up = np.bincount(places, minlength=self.points.size)
        order = np.argsort(places, kind="stable")
        up = np.full((self.points.size, 2), -1, dtype=np.int64)
        up[places[order], np.arange(len(order)) - (np.cumsum(n_up) - n_up)[places[order]]] = order
        return up.reshape(*self.points.shape, 2), n_up.reshape(self.points.shape)

    def cells(self) -> tuple[Floats, Hashes]:
        """A point inside each region (n_regions, d), and the hash of its sides."""
        up, counts = self._rising()
        corners, edges = _choices(up, counts, range(self.points.shape[1]))
        inside = (self.points[corners] + sum(self._far_end(corners, edge) for edge in edges)) / (len(edges) + 1)
        return inside, self._hash_of(corners, edges)

    def walls(self, hashes: Hashes) -> tuple[Ints, Ints]:
        """Walls between regions, given the regions' hashes: pairs of regions (n_walls, 2), and the units between."""
        up, counts = self._rising()
        n_units = len(self.keys) - 2 * self.points.shape[1]
        order = np.argsort(hashes)
        pairs, units = [], []
        d = self.points.shape[1]
        for slot in range(d):
            unit = self.corner_zeros[:, slot]
            corners, edges = _choices(up, counts, [other for other in range(d) if other != slot], unit < n_units)
            base, between = self._hash_of(corners, edges), unit[corners].astype(np.int64)
            sides = [
                order[
                    np.minimum(np.searchsorted(hashes, base + self.keys[between, side], sorter=order), len(order) - 1)
                ]
                for side in (0, 1)
            ]
            pairs.append(np.column_stack(sides))
            units.append(between)
        return np.concatenate(pairs), np.concatenate(units)

    def residual(self, net: PiecewiseLinearNet) -> float:
        """Largest sum of a unit at a corner on its crease, as a share of its largest: what rounding does."""
        worst = 0.0
        for number, z in net.steps({0: self.points}):
            start, stop = next(fold[1:] for fold in net.folds if fold[0] == number)
            corner, slot = np.nonzero((self.corner_zeros >= start) & (self.corner_zeros < stop))
            unit = self.corner_zeros[corner, slot] - start
            worst = max(worst, float((np.abs(z[corner, unit]) / np.abs(z).max(axis=0)[unit]).max(initial=0.0)))
        return worst

    def _far_end(self, corners: Ints, edges: Ints) -> Floats:
        ends = self.edges[edges]
        return self.points[np.where(ends[:, 0] == corners, ends[:, 1], ends[:, 0])]

    def _hash_of(self, corners: Ints, edges: list[Ints]) -> Hashes:
        total = self.corner_hashes[corners].copy()
        for edge in edges:
            total += self.edge_hashes[edge] - self.corner_hashes[corners]
        return total


def _choices(
    up: Ints, counts: Ints, slots: range | list[int], usable: npt.NDArray[np.bool_] | None = None
) -> tuple[Ints, list[Ints]]:
    """All ways to take one rising edge for each slot: the corners, and for each slot the edges."""
    chosen = list(slots)
    possible = (counts[:, chosen] > 0).all(axis=1)
    corners = np.flatnonzero(possible if usable is None else possible & usable)
    edges: list[Ints] = []
    for slot in chosen:
        n_ways = counts[corners, slot]
        way = np.arange(n_ways.sum()) - np.repeat(np.cumsum(n_ways) - n_ways, n_ways)
        corners = np.repeat(corners, n_ways)
        edges = [np.repeat(edge, n_ways) for edge in edges]
        edges.append(up[corners, slot, way])
    return corners, edges


def subdivide(
    net: PiecewiseLinearNet, lower: Floats, upper: Floats, *, max_corners: int, deadline: float | None = None
) -> BoxComplex:
    """Cut a box at all creases.

    Parameters
    ----------
    max_corners : int
        Where there are more, the creases so far are returned.
    deadline : float, optional
        Of ``time.monotonic()``; the same.

    Raises
    ------
    NotGenericError
        If creases are not in general position.

    References
    ----------
    Berzins, "Polyhedral Complex Extraction from ReLU Networks using Edge Subdivision", ICML 2023. Edges are matched by
    hashes here (Zobrist, 1970), in float64, and corners on creases are told by a tolerance.
    """
    cutter = _Cutter(net, lower, upper)
    finished = True
    for number, start, _stop in net.folds:
        values = {0: cutter.points}
        for at, z in net.steps(values, last=number + 1):
            if at == number:
                finished = cutter.fold(z, start, max_corners, deadline)
        if not finished:
            break
    return cutter.result(finished)


class _Cutter:
    """The corners and edges of a box while creases are added."""

    def __init__(self, net: PiecewiseLinearNet, lower: Floats, upper: Floats) -> None:
        d = net.n_inputs
        self.d, self.n_units = d, net.n_units
        self.keys = np.random.default_rng(0).integers(0, 2**64, size=(net.n_units + 2 * d, 2), dtype=np.uint64)
        bits = (np.arange(2**d)[:, None] >> np.arange(d)) & 1
        self.points = np.where(bits, upper, lower)
        # Corner zeros: the side of the box in each input.
        kind = np.int16 if net.n_units + 2 * d < 2**15 else np.int32
        self.corner_zeros: Names = (net.n_units + 2 * np.arange(d) + bits).astype(kind)
        edges, zeros = [], []
        for axis in range(d):
            low = np.flatnonzero(bits[:, axis] == 0)
            edges.append(np.column_stack([low, low | 1 << axis]))
            zeros.append(np.delete(self.corner_zeros[low], axis, axis=1))
        self.edges = np.concatenate(edges).astype(np.int32)
        self.edge_zeros: Names = np.concatenate(zeros).reshape(len(self.edges), d - 1)
        inside = self.keys[net.n_units :, 1].sum(dtype=np.uint64)
        self.corner_hashes = inside - self.keys[self.corner_zeros, 1].sum(axis=1, dtype=np.uint64)
        self.edge_hashes = inside - self.keys[self.edge_zeros, 1].sum(axis=1, dtype=np.uint64)
        self.smallest_nonzero = np.inf

    def result(self, finished: bool) -> BoxComplex:
        return BoxComplex(
            points=self.points,
            edges=self.edges,
            corner_zeros=self.corner_zeros,
            edge_zeros=self.edge_zeros,
            corner_hashes=self.corner_hashes,
            edge_hashes=self.edge_hashes,
            keys=self.keys,
            smallest_nonzero=float(self.smallest_nonzero),
            finished=finished,
        )

    def fold(self, sums: Floats, first: int, max_corners: int, deadline: float | None) -> bool:
        """Add the creases of one fold, whose sums at the corners are given; say whether there was room and time."""
        crossing = np.flatnonzero((sums.min(axis=0) < 0) & (sums.max(axis=0) > 0))
        sums = np.ascontiguousarray(sums[:, crossing].T)  # by unit
        for unit in crossing + first:
            z, sums = sums[0], sums[1:]
            size = np.abs(z)
            largest, smallest = size.max(), size.min()
            if not ((z > TOLERANCE * largest).any() and (z < -TOLERANCE * largest).any()):
                continue  # it touches the box from outside
            if smallest <= TOLERANCE * largest:
                raise NotGenericError
            self.smallest_nonzero = min(self.smallest_nonzero, smallest / largest)
            n_cut = int(np.count_nonzero((z > 0)[self.edges[:, 0]] != (z > 0)[self.edges[:, 1]]))
            if len(self.points) + n_cut > max_corners or (deadline is not None and time.monotonic() > deadline):
                return False
            sums = self._cut(int(unit), z, sums)
        return True

    def _cut(self, unit: int, z: Floats, sums: Floats) -> Floats:
        is_right = z > 0
        ends_right = is_right[self.edges]
        cut = np.flatnonzero(ends_right[:, 0] != ends_right[:, 1])
        n_before = len(self.points)
        a, b = self.edges[cut, 0], self.edges[cut, 1]
        t = z[a] / (z[a] - z[b])
        new = np.arange(n_before, n_before + len(cut), dtype=np.int32)
        hashes = self.edge_hashes[cut]
        zeros = self.edge_zeros[cut]

        # The new corners.
        self.points = np.concatenate([self.points, self.points[a] + t[:, None] * (self.points[b] - self.points[a])])
        self.corner_zeros = np.concatenate([self.corner_zeros, _with(zeros, unit)])
        self.corner_hashes += self.keys[unit, is_right.astype(np.int8)]
        self.corner_hashes = np.concatenate([self.corner_hashes, hashes])
        sums = np.concatenate([sums, sums[:, a] + t * (sums[:, b] - sums[:, a])], axis=1)

        # Edges that are cut end at the new corner, and the rest of them is new; so are the cuts through faces.
        ends, cut_zeros, cut_hashes = self._through_faces(new, hashes, zeros, unit)
        self.edge_hashes += self.keys[unit, ends_right[:, 0].astype(np.int8)]
        self.edges[cut, 1] = new
        rest = np.column_stack([new, b])
        rest_hashes = hashes + self.keys[unit, is_right[b].astype(np.int8)]
        self.edges = np.concatenate([self.edges, rest, ends])
        self.edge_zeros = np.concatenate([self.edge_zeros, zeros, cut_zeros])
        self.edge_hashes = np.concatenate([self.edge_hashes, rest_hashes, cut_hashes])
        return sums

    def _through_faces(self, new: Numbers, hashes: Hashes, zeros: Names, unit: int) -> tuple[Numbers, Names, Hashes]:
        """Pair the cut edges of each face; each face that is cut has two of them."""
        n_cut, n_slots = zeros.shape
        if not n_slots:
            return np.zeros((0, 2), np.int32), zeros[:0], hashes[:0]
        # From an edge, a face is reached by leaving one of its creases to one side; the box is left inwards only.
        faces = np.stack([hashes[:, None] + self.keys[zeros, side] for side in (0, 1)])
        exists = np.stack([zeros < self.n_units, np.ones_like(zeros, dtype=np.bool_)])
        place = np.flatnonzero(exists.ravel())
        faces = faces.ravel()[place]
        order = np.argsort(faces)
        first, second = order[0::2], order[1::2]
        if len(order) % 2 or (faces[first] != faces[second]).any() or (faces[first][1:] == faces[first][:-1]).any():
            raise NotGenericError
        edge_and_slot = place % (n_cut * n_slots)
        edge, slot = edge_and_slot // n_slots, edge_and_slot % n_slots
        ends = np.column_stack([new[edge[first]], new[edge[second]]])
        left = zeros[edge[first]]
        left[np.arange(len(left)), slot[first]] = unit
        return ends, left, faces[first]


def _with(zeros: Names, unit: int) -> Names:
    return np.concatenate([zeros, np.full((len(zeros), 1), unit, dtype=zeros.dtype)], axis=1)
