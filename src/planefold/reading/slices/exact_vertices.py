"""Where the vertices of a subdivision are exactly, and what the sums of units are there, by rational arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.networks.affine import Floats, Ints, Signs
from planefold.networks.matrices import n_entries
from planefold.reading.rational import ExactNet, Line, Point, crossing, line_through, sign
from planefold.reading.slices.cuts import Mesh

TINY = 1e-300  # a sum that is not zero, and too small for a float
STEP_OF_WORK = 500  # what a pass costs besides, in multiplications


class ExactVertices:
    """Answers about vertices, as long as there is time; what was computed once is kept.

    Parameters
    ----------
    exact : ExactNet
    mesh : Mesh
        A vertex is where two lines cross: sides of the window, or creases, which follow from the network and from the
        pattern of the region that they lie in.
    work : float
        How many multiplications there is time for.
    """

    def __init__(self, exact: ExactNet, mesh: Mesh, work: float) -> None:
        self.net, self.exact, self.mesh, self.work_left = exact.net, exact, mesh, work
        self.costs = np.cumsum([sum(map(n_entries, node.matrices)) for node in exact.net.nodes])
        self._points: dict[int, Point] = {}
        self._lines: dict[tuple[int, int], Line] = {}
        self._maps: dict[tuple[int, int], npt.NDArray[Any]] = {}
        self._sums: dict[tuple[int, int], tuple[npt.NDArray[Any], int]] = {}

    def place(self, vertices: Ints) -> bool:
        """Move vertices to where they are but for one rounding; False where there is no time for it."""
        if self.work_left <= 0:
            return False
        for vertex in vertices.tolist():
            x, y, q = self._point(vertex)
            self.mesh.vertices[vertex] = x / q, y / q
        return True

    def sums(self, vertices: Ints, units: Ints) -> Floats:
        """Return sums of units at vertices as floats with the right signs: of as many as there is time for."""
        found: list[float] = []
        for vertex, unit in zip(vertices.tolist(), units.tolist(), strict=True):
            if self.work_left <= 0:
                break
            found.append(self._sum(vertex, unit))
        return np.array(found)

    def _fold_of(self, unit: int) -> tuple[int, int, int]:
        return next((i, number, first) for i, (number, first, stop) in enumerate(self.net.folds) if unit < stop)

    def _sum(self, vertex: int, unit: int) -> float:
        fold, number, first = self._fold_of(unit)
        key = vertex, fold
        if key not in self._sums:
            self._sums[key] = self.exact.fractions_at(self._point(vertex), number)
            self.work_left -= STEP_OF_WORK + self.costs[number]
        numbers, divisor = self._sums[key]
        found = numbers[unit - first]
        return found / divisor or sign(found) * TINY

    def _point(self, vertex: int) -> Point:
        if vertex not in self._points:
            one, within_one, other, within_other = map(int, self.mesh.lines[vertex])
            self._points[vertex] = crossing(self._line(one, within_one), self._line(other, within_other))
        return self._points[vertex]

    def _line(self, unit: int, within: int) -> Line:
        if unit < 0:
            side = -1 - unit
            corners = self.mesh.corners
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
        for cut in reversed(self.mesh.cuts[:fold]):
            parts.insert(1, cut.patterns[region])
            region = int(cut.parents[region])
        return np.concatenate(parts)
