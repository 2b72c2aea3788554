"""What is known of a window while it is cut and afterwards: its corners, edges and regions, and how they came to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from planefold.core.records import Record
from planefold.networks.affine import Floats, Ints, Signs
from planefold.reading.certificate import Certificate

Number = TypeVar("Number", bound=np.generic)

# Rows of the table of edges: its ends a -> b, the region on the left and on the right (-1 outside), the unit whose
# crease it is (-1 - side for a side of the window), and the region that it lay in before that unit's fold.
A, B, LEFT, RIGHT, UNIT, WITHIN = range(6)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Cuts(Record):
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


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Subdivision(Record):
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


class Mesh:
    """The vertices and edges of a subdivision under way, with room to grow; see :class:`Subdivision` for the tables."""

    def __init__(self, start: Subdivision) -> None:
        self.corners = start.corners
        self.width = float(np.ptp(start.corners, axis=0).max())
        self.n_vertices, self.n_edges, self.n_regions = len(start.vertices), start.edges.shape[1], start.n_regions
        self.vertices, self.edges, self.lines = start.vertices.copy(), start.edges.copy(), start.lines.copy()
        self.cuts = list(start.cuts)

    def add_vertices(self, points: Floats, lines: Ints) -> None:
        """Append vertices, and which lines cross in them."""
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

    def finished(self, certificate: Certificate) -> Subdivision:
        """Return what there is now."""
        return Subdivision(
            vertices=self.vertices[: self.n_vertices].copy(),
            edges=self.edges[:, : self.n_edges].copy(),
            n_regions=self.n_regions,
            corners=self.corners,
            lines=self.lines[: self.n_vertices].copy(),
            cuts=tuple(self.cuts),
            certificate=certificate,
        )


def with_room(array: npt.NDArray[Number], stop: int) -> npt.NDArray[Number]:
    """Return an array that has room for rows up to ``stop``: itself, or a larger copy."""
    if stop <= len(array):
        return array
    grown = np.empty((2 * stop, *array.shape[1:]), dtype=array.dtype)
    grown[: len(array)] = array
    return grown
