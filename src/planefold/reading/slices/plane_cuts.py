"""Cutting a convex window of a plane at every crease, with nothing but signs at shared vertices.

A unit is affine on each region that the units before it leave, so its values at the vertices say all: where its sign
changes along an edge there is a new vertex, and a region with both signs is cut from the vertex where its border goes
up to the one where it goes down. No angle is measured and nothing is sorted; since regions share their vertices, what
one of them decides holds for its neighbours, so parallel, coincident and crowded creases need no special case.
"""

from __future__ import annotations

import math
from contextlib import suppress

import numpy as np

from planefold.core.errors import DataError
from planefold.networks.affine import Floats, PiecewiseLinearNet, Signs
from planefold.reading.certificate import joined
from planefold.reading.rational import ExactNet, InconsistentSignsError
from planefold.reading.slices.cuts import Mesh, Subdivision
from planefold.reading.slices.exact_vertices import ExactVertices
from planefold.reading.slices.fold_cuts import FoldCutter
from planefold.reading.slices.restrictions import Restriction
from planefold.reading.slices.rounding import Rounding
from planefold.reading.slices.signs import OFF, OutOfWorkError, SignJudge

ROWS = 4096  # vertices per block of evaluation
RATIONAL_WORK = 20_000_000  # multiplications in rationals at most, about two seconds


def subdivide(restriction: Restriction, start: Subdivision, *, max_regions: int, snap: bool = False) -> Subdivision:
    """Cut a window into the regions on which a network is affine.

    Parameters
    ----------
    restriction : Restriction
        The network on the plane; doubtful signs are decided by the numbers of its ``source``.
    start : Subdivision
        The window, or what the first folds of the same network have made of it already.
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
    net, exact = restriction.net, ExactNet(restriction.source, restriction.origin, restriction.directions)
    # So many zeros that there is no time for all of them are no accident: the tolerance decides then, and the
    # certificate says by which gap. Should the signs that it gives contradict each other, time is no object.
    for as_one, work in ((True, RATIONAL_WORK),) if snap else ((False, RATIONAL_WORK), (True, RATIONAL_WORK)):
        with suppress(OutOfWorkError, InconsistentSignsError):
            return _Cutter(net, start, exact, max_regions, snap=as_one, work=work).run()
    try:
        return _Cutter(net, start, exact, max_regions, snap=False, work=math.inf).run()
    except InconsistentSignsError:
        raise DataError(
            f"{net.description}: its numbers are of such different sizes that rounding hides where its creases are",
            hint="bring inputs and weights to similar sizes, or look at a smaller window",
        ) from None


class _Cutter:
    """Evaluates the network at the vertices, and cuts at one fold after the other."""

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
        self.net, self.max_regions, self.before = net, max_regions, start.certificate
        self.mesh = Mesh(start)
        self.exact = ExactVertices(exact, self.mesh, work)
        self.judge = SignJudge(self.exact.sums, snap=snap)
        self.rounding = Rounding(net, np.abs(start.corners).max(axis=0))
        self.buffers: dict[str, Floats] = {}

    def run(self) -> Subdivision:
        """Cut at all folds that have not cut yet."""
        # The vertices are evaluated in blocks: each block keeps the values that later nodes read.
        blocks: list[dict[int, Floats]] = []
        n_seen, done = 0, 0
        for number, first, stop in self.net.folds[len(self.mesh.cuts) :]:
            fold = self.net.nodes[number].fold
            assert fold is not None
            self._begin_blocks(blocks, n_seen, done)
            n_seen = self.mesh.n_vertices
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
        return self.mesh.finished(joined([self.judge.certificate(), self.before]))

    def _begin_blocks(self, blocks: list[dict[int, Floats]], start: int, done: int) -> None:
        """Evaluate the vertices from ``start`` on, up to node ``done``."""
        for begin in range(start, self.mesh.n_vertices, ROWS):
            values = {0: self.mesh.vertices[begin : min(begin + ROWS, self.mesh.n_vertices)].copy()}
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
        n = self.mesh.n_vertices
        signs = self.judge.of_vertices(z[:n], scale, first)
        low, high = signs.min(axis=0), signs.max(axis=0)
        active = np.flatnonzero(low < high)
        if 0 < len(active) < len(low):
            chosen = self._buffer("active", n, len(active))
            np.take(z[:n], active, axis=1, out=chosen[:n])
            z, signs = chosen, signs[:, active]
        room: Signs = np.empty((len(z), len(active)), dtype=np.int8)
        room[:n] = signs[:, : len(active)]
        units, judge = first + active, self.judge
        fold = FoldCutter(self.mesh, judge, self.exact, z, room, scale[active], units, self.max_regions)
        fold.run()
        self.mesh.cuts.append(fold.finish(first, np.sign(low + high), active))
