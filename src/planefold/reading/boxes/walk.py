"""Walking from region to region through their facets: any network, any number of inputs, coincident creases too."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass

import numpy as np

from planefold.core.errors import DataError
from planefold.core.progress import ProgressBar
from planefold.core.records import Record
from planefold.networks.affine import Floats, Signs
from planefold.reading.boxes import polyhedra
from planefold.reading.boxes.local_systems import Ints, LocalSystems, inequalities
from planefold.reading.boxes.regions import Region, step_inside, towards, with_box
from planefold.reading.certificate import Certificate

# Regions that are expanded together: their systems are one pass through the network.
AT_ONCE = 64


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Walk(Record):
    """Regions that a walk found.

    Parameters
    ----------
    patterns : int8 ndarray of shape (n_regions, n_units)
    points : ndarray of shape (n_regions, n_inputs)
        Inside.
    pairs : int ndarray of shape (n_walls, 2)
        Regions that share a facet, the smaller number first.
    units : int ndarray of shape (n_walls,)
        A unit whose crease the facet lies on.
    n_known : int
        Regions of which it is known that they are there; more than were visited when the time was up.
    complete : bool
    certificate : Certificate
    """

    patterns: Signs
    points: Floats
    pairs: Ints
    units: Ints
    n_known: int
    complete: bool
    certificate: Certificate


def walk(
    systems: LocalSystems,
    start: Region,
    *,
    limit: int,
    deadline: float | None = None,
    expected: int = 0,
) -> Walk:
    """Find regions of a box, breadth first.

    Parameters
    ----------
    start : Region
        The first, with its box.
    limit : int
        How many regions to find at most.
    deadline : float, optional
        Of ``time.monotonic()``.
    expected : int
        Roughly how many there are, for the progress bar.
    """
    assert start.box is not None
    return _Walker(systems, start.box, limit).run(start, deadline, expected)


class _Walker:
    def __init__(self, systems: LocalSystems, box: tuple[Floats, Floats], limit: int) -> None:
        self.systems, self.box, self.limit = systems, box, limit
        self.names = with_box(np.zeros((1, systems.net.n_units, systems.net.n_inputs)), np.zeros((1, 1)), box)[2]
        self.numbers: dict[bytes, int] = {}
        self.patterns: list[Signs] = []
        # How each region that waits was reached: from a point of its border, in a direction.
        self.doors: deque[tuple[Floats, Floats]] = deque()
        self.points: list[Floats] = []
        self.pairs: list[tuple[int, int, int]] = []
        self.size = float(np.abs(box).max())
        self.refused = self.lost = 0
        self.largest_zero, self.smallest_nonzero = 0.0, math.inf

    def run(self, start: Region, deadline: float | None, expected: int) -> Walk:
        inside = start.interior_point
        self._number(start.pattern, inside, np.zeros_like(inside))  # no door: it is inside already
        done = 0
        with ProgressBar(max(expected, 1), "walking through regions") as bar:
            while done < len(self.patterns):
                if deadline is not None and time.monotonic() > deadline and done:
                    break
                stop = min(done + AT_ONCE, len(self.patterns))
                self._expand(done, stop)
                done = stop
                bar.update(min(done, expected), f"{len(self.patterns):,} regions")
        return self._result(done)

    def _number(self, pattern: Signs, point: Floats, direction: Floats) -> int:
        """The number of a region, a new one if it is; -1 when there is no room for more."""
        key = pattern.tobytes()
        number = self.numbers.get(key)
        if number is not None:
            return number
        if len(self.patterns) >= self.limit:
            self.refused += 1
            return -1
        self.numbers[key] = len(self.patterns)
        self.patterns.append(pattern)
        self.doors.append((point, direction))
        return len(self.patterns) - 1

    def _expand(self, first: int, stop: int) -> None:
        signs = np.array(self.patterns[first:stop])
        A, b, _ = with_box(*inequalities(signs, *self.systems.of(signs)), self.box)
        doors = np.array([self.doors.popleft() for _ in signs])
        places = step_inside(A, b, doors[:, 0], doors[:, 1])
        for place, number in enumerate(range(first, stop)):
            self._cross(number, signs[place], A[place], b[place], places[place])

    def _cross(self, number: int, pattern: Signs, A: Floats, b: Floats, inside: Floats) -> None:
        """Find a region's facets, and number the regions behind them."""
        rows = np.flatnonzero(np.isfinite(b))
        A, b = A[rows], b[rows]
        try:
            found = polyhedra.facets(A, b, inside)
        except DataError:
            self.lost += 1
            self.points.append(inside)
            return
        self.largest_zero = max(self.largest_zero, found.largest_zero)
        self.smallest_nonzero = min(self.smallest_nonzero, found.smallest_nonzero)
        centre = found.points.mean(axis=0)
        self.points.append(centre)
        units = self.names[rows]
        scale = np.abs(A) @ np.abs(centre) + np.abs(b)
        which, row = polyhedra.twins(A, b, found.rows, scale)
        alone = np.bincount(which, minlength=len(found.rows)) == 1
        if (pattern == 0).any():  # a unit whose sum is 0 here may wake up behind any facet
            alone[:] = False
        inner = np.ones(len(found.rows), dtype=np.bool_)
        inner[which[units[row] < 0]] = False  # a side of the box, even if it is a crease as well
        for place in np.flatnonzero(inner & alone).tolist():
            unit = units[found.rows[place]]
            behind = pattern.copy()
            behind[unit] = -behind[unit]
            self._join(number, behind, int(unit), found.points[place], A[found.rows[place]])
        shared = np.flatnonzero(inner & ~alone)
        if len(shared):
            points, normals = found.points[shared], A[found.rows[shared]]
            sides = self.systems.sides(points, towards(normals), self.size)
            self.largest_zero = max(self.largest_zero, float(sides.largest_zero.max()))
            self.smallest_nonzero = min(self.smallest_nonzero, float(sides.smallest_nonzero.min()))
            for place, behind in zip(shared.tolist(), sides.signs, strict=True):
                self._join(number, behind, int(units[found.rows[place]]), found.points[place], A[found.rows[place]])

    def _join(self, number: int, behind: Signs, unit: int, point: Floats, direction: Floats) -> None:
        other = self._number(behind, point, direction)
        if other > number:  # each wall is met from both sides
            self.pairs.append((number, other, unit))

    def _result(self, done: int) -> Walk:
        walls = np.array(self.pairs, dtype=np.int64).reshape(-1, 3)
        walls = walls[walls[:, 1] < done]
        complete = done == len(self.patterns) and not self.refused
        why = ""
        if self.lost:
            why = f"{self.lost} regions are too thin for double precision, and what lies behind them may be missing"
        # Regions that have no room for a point are left out, and the others numbered again.
        points = np.array(self.points)
        there = np.atleast_1d(np.isfinite(points).all(axis=1))
        walls = walls[there[walls[:, :2]].all(axis=1)]
        return Walk(
            patterns=np.array(self.patterns[:done])[there],
            points=points[there],
            pairs=(np.cumsum(there) - 1)[walls[:, :2]],
            units=walls[:, 2],
            n_known=len(self.patterns) - self.lost,
            complete=complete,
            certificate=Certificate(
                exact=not self.lost,
                largest_zero=self.largest_zero,
                smallest_nonzero=self.smallest_nonzero,
                why_not=why,
            ),
        )
