"""What is read along lines: their pieces, extremes, levels and classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from planefold.core.errors import ParameterError, show
from planefold.core.records import Record, counted
from planefold.networks.affine import Bools, Floats, Ints, PiecewiseLinearNet, Signs
from planefold.reading.certificate import Certificate
from planefold.reading.choices import check_output


class Extreme(NamedTuple):
    """Where a curve is lowest or highest, and its value there."""

    t: float
    value: float


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Classes(Record):
    """Which class a network names along a line.

    Parameters
    ----------
    ends : ndarray of shape (n_intervals + 1,)
        The inner ones are the decision borders.
    classes : int ndarray of shape (n_intervals,)
        The class in each interval; neighbours differ.
    """

    ends: Floats
    classes: Ints


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Line(Record):
    """A network along a line: between two neighbouring ``ends`` it is ``slopes * t + intercepts``.

    Parameters
    ----------
    origin, direction : ndarray of shape (n_inputs,)
        The line is ``origin + t * direction`` in the input space.
    ends : ndarray of shape (n_regions + 1,)
        Where the activation regions end, increasing. The outer two are the ends of the line, and may be infinite.
    values : ndarray of shape (n_regions + 1, n_outputs)
        The outputs there; at an infinite end their limits.
    slopes, intercepts : ndarray of shape (n_regions, n_outputs)
    units : tuple of tuple of int
        For each inner end the units that bend there, most often one.
    kinks : bool ndarray of shape (n_regions - 1,)
        Whether the slopes differ on both sides of an inner end. A unit that nothing reads bends without a kink.
    patterns : int8 ndarray of shape (n_regions, n_units)
        The side on which each unit is: +1 or -1; 0 where its sum is zero all along the piece.
    certificate : Certificate
        What the signs rest on.

    Notes
    -----
    *Activation regions* are told apart by their patterns (a line meets a region once, since regions are convex);
    *linear pieces* by their slopes, so there can be fewer.
    """

    origin: Floats
    direction: Floats
    ends: Floats
    values: Floats
    slopes: Floats
    intercepts: Floats
    units: tuple[tuple[int, ...], ...]
    kinks: Bools
    patterns: Signs
    certificate: Certificate

    def __str__(self) -> str:
        regions, pieces = counted(self.n_regions, "activation region"), counted(self.n_pieces, "linear piece")
        return f"{regions}, {pieces}; {self.certificate}"

    @property
    def n_regions(self) -> int:
        """Activation regions along the line."""
        return len(self.slopes)

    @property
    def n_pieces(self) -> int:
        """Linear pieces along the line: neighbours of equal slopes counted once."""
        return 1 + int(self.kinks.sum())

    def points(self, t: npt.ArrayLike) -> Floats:
        """Return the points of the input space at places ``t``, (n_places, n_inputs)."""
        places = np.atleast_1d(np.asarray(t, dtype=np.float64))
        return self.origin + places[:, None] * self.direction

    def __call__(self, t: npt.ArrayLike) -> Floats:
        """Evaluate the outputs at places on the line.

        Parameters
        ----------
        t : float or array-like of shape (n_places,)

        Returns
        -------
        ndarray of shape (n_outputs,) or (n_places, n_outputs)

        Raises
        ------
        ParameterError
            If a place is not on the line.
        """
        places = np.asarray(t, dtype=np.float64)
        if not ((places >= self.ends[0]) & (places <= self.ends[-1])).all():
            raise ParameterError(
                f"t={show(t)} is not on the line, which goes from {self.ends[0]:g} to {self.ends[-1]:g}"
            )
        piece = np.clip(np.searchsorted(self.ends, places, side="right") - 1, 0, self.n_regions - 1)
        return self.slopes[piece] * places[..., None] + self.intercepts[piece]

    def merged(self) -> Line:
        """Return the line with neighbouring regions of equal slopes made one; patterns are those of the first."""
        kept = np.concatenate([[True], self.kinks])
        bends = np.concatenate([[True], self.kinks, [True]])
        return Line(
            origin=self.origin,
            direction=self.direction,
            ends=self.ends[bends],
            values=self.values[bends],
            slopes=self.slopes[kept],
            intercepts=self.intercepts[kept],
            units=tuple(units for units, kink in zip(self.units, self.kinks, strict=True) if kink),
            kinks=self.kinks[self.kinks],
            patterns=self.patterns[kept],
            certificate=self.certificate,
        )

    def minimum(self, output: int = 0) -> Extreme:
        """Return the lowest value of an output and where it is, the first place of several."""
        place = int(np.argmin(self._values(output)))
        return Extreme(float(self.ends[place]), float(self.values[place, output]))

    def maximum(self, output: int = 0) -> Extreme:
        """Return the highest value of an output and where it is, the first place of several."""
        place = int(np.argmax(self._values(output)))
        return Extreme(float(self.ends[place]), float(self.values[place, output]))

    def crossings(self, output: int = 0, level: float = 0.0) -> Floats:
        """Return the places at which an output equals a level, increasing.

        Of a piece that lies on the level as a whole, the two ends are returned.
        """
        height = self._values(output) - level
        before, after = height[:-1], height[1:]
        pieces = np.flatnonzero(np.sign(before) * np.sign(after) < 0)
        # From a finite end, the one of the smaller value.
        from_left = np.abs(before[pieces]) <= np.abs(after[pieces])
        base = np.where(from_left, pieces, pieces + 1)
        finite = np.isfinite(height[base])
        slope = self.slopes[pieces, output]
        with np.errstate(invalid="ignore"):
            nearby = self.ends[base] - height[base] / slope
        t = np.where(finite, nearby, (level - self.intercepts[pieces, output]) / slope)
        t = np.clip(t, self.ends[pieces], self.ends[pieces + 1])
        return np.unique(np.concatenate([t, self.ends[(height == 0) & np.isfinite(self.ends)]]))

    def classes(self, level: float = 0.0) -> Classes:
        """Return the intervals of one predicted class: of the largest output, or above and below ``level`` for one.

        Notes
        -----
        At a border the classes on both sides tie. With one output, class 1 is where it is above ``level``.
        """
        slopes, intercepts = self.slopes, self.intercepts
        if slopes.shape[1] == 1:  # against a class 0 whose output is the level
            slopes = np.hstack([np.zeros_like(slopes), slopes])
            intercepts = np.hstack([np.full_like(intercepts, level), intercepts])
        ends: list[float] = [float(self.ends[0])]
        classes: list[int] = []
        for piece in range(self.n_regions):
            for leader, stop in _leaders(slopes[piece], intercepts[piece], self.ends[piece], self.ends[piece + 1]):
                if classes and classes[-1] == leader:
                    ends[-1] = stop
                else:
                    classes.append(leader)
                    ends.append(stop)
        return Classes(ends=np.array(ends), classes=np.array(classes))

    def _values(self, output: int) -> Floats:
        return self.values[:, check_output(output, self.values.shape[1])]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Lines(Record):
    """A network along many lines; ``lines[i]`` is the :class:`Line` number ``i``.

    Parameters
    ----------
    net : PiecewiseLinearNet
    origins, directions : ndarray of shape (n_lines, n_inputs)
    starts : int ndarray of shape (n_lines + 1,)
        Line ``i`` has the points ``starts[i]`` to ``starts[i + 1] - 1``, its two ends among them.
    t : ndarray of shape (n_points,)
    values : ndarray of shape (n_points, n_outputs)
    slopes, intercepts : ndarray of shape (n_points - n_lines, n_outputs)
        Of the activation regions, line after line.
    is_kink : bool ndarray of shape (n_points,)
        Whether the slopes differ on both sides; False at the ends.
    first_patterns : int8 ndarray of shape (n_lines, n_units)
        The patterns of the first regions.
    bend_points, bend_units, bend_steps : ndarray of shape (n_bends,)
        Which unit bends at which point, and by how much its side changes, sorted by point.
    certificate : Certificate
    """

    net: PiecewiseLinearNet
    origins: Floats
    directions: Floats
    starts: Ints
    t: Floats
    values: Floats
    slopes: Floats
    intercepts: Floats
    is_kink: Bools
    first_patterns: Signs
    bend_points: Ints
    bend_units: Ints
    bend_steps: Signs
    certificate: Certificate

    def __str__(self) -> str:
        return (
            f"{len(self):,} segments: {self.n_regions.mean():,.1f} activation regions each, "
            f"{self.n_pieces.mean():,.1f} linear pieces; {self.certificate}"
        )

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __iter__(self) -> Iterator[Line]:
        return (self[number] for number in range(len(self)))

    @property
    def n_regions(self) -> Ints:
        """Activation regions along each line, (n_lines,)."""
        return np.diff(self.starts) - 1

    @property
    def n_pieces(self) -> Ints:
        """Linear pieces along each line, (n_lines,)."""
        return 1 + np.add.reduceat(self.is_kink.astype(np.int64), self.starts[:-1])

    @cached_property
    def unit(self) -> Ints:
        """The unit that bends at each point, the first of several; -1 at the ends. Shape (n_points,)."""
        unit = np.full(len(self.t), -1)
        unit[self.bend_points[::-1]] = self.bend_units[::-1]
        return unit

    @property
    def piece_starts(self) -> Ints:
        """Line ``i`` has the regions ``piece_starts[i]`` to ``piece_starts[i + 1] - 1``; shape (n_lines + 1,)."""
        return self.starts - np.arange(len(self.starts))

    @property
    def lengths(self) -> Floats:
        """Lengths of the regions in ``t``, (n_points - n_lines,)."""
        inner = np.ones(len(self.t) - 1, dtype=bool)
        inner[self.starts[1:-1] - 1] = False
        return np.diff(self.t)[inner]

    def patterns(self, first: int = 0, last: int | None = None) -> Signs:
        """Return the patterns of all regions of lines ``first`` to ``last - 1``: (n_regions, n_units), int8."""
        last = len(self) if last is None else last
        begin, end = self.starts[first], self.starts[last]
        pieces = self.piece_starts[first : last + 1] - self.piece_starts[first]
        steps = np.zeros((pieces[-1], self.net.n_units), dtype=np.int8)
        mine = slice(*np.searchsorted(self.bend_points, [begin, end]))
        points = self.bend_points[mine]
        line = np.searchsorted(self.starts, points, side="right") - 1
        # A point of line i stands i places further on than the piece that begins there.
        steps[points - line - self.piece_starts[first], self.bend_units[mine]] = self.bend_steps[mine]
        # Sums along all pieces at once: at the beginning of each line the line before is taken off.
        lasts = self.first_patterns[first:last].copy()
        np.add.at(lasts, (line - first, self.bend_units[mine]), self.bend_steps[mine])
        steps[pieces[:-1]] = self.first_patterns[first:last]
        steps[pieces[1:-1]] -= lasts[:-1]
        return np.cumsum(steps, axis=0, dtype=np.int8)

    def __getitem__(self, number: int) -> Line:
        if not -len(self) <= number < len(self):
            raise IndexError(f"line {number} does not exist: there are {len(self)}, counted from 0")
        number %= len(self)
        begin, end = int(self.starts[number]), int(self.starts[number + 1])
        mine = slice(*np.searchsorted(self.bend_points, [begin, end]))
        points, units = self.bend_points[mine], self.bend_units[mine].tolist()
        cuts = np.searchsorted(points, np.arange(begin + 1, end)).tolist()
        regions = slice(begin - number, end - number - 1)
        return Line(
            origin=self.origins[number],
            direction=self.directions[number],
            ends=self.t[begin:end],
            values=self.values[begin:end],
            slopes=self.slopes[regions],
            intercepts=self.intercepts[regions],
            units=tuple(tuple(units[a:b]) for a, b in pairwise(cuts)),
            kinks=self.is_kink[begin + 1 : end - 1],
            patterns=self.patterns(number, number + 1),
            certificate=self.certificate,
        )


def _leaders(slopes: Floats, intercepts: Floats, start: float, stop: float) -> Iterator[tuple[int, float]]:
    """Walk along the upper envelope of straight lines: who leads, and until where."""
    if np.isinf(start):
        order = np.lexsort((intercepts, -slopes))  # far on the left the smallest slope leads, then the highest
    else:
        # Of those that are level at the start, the steepest leads; rounding of equal values must not decide.
        here = slopes * start + intercepts
        rounding = 4 * np.finfo(float).eps * (np.abs(slopes * start) + np.abs(intercepts))
        order = np.lexsort((slopes, here >= (here - rounding).max() - rounding))
    leader, place = int(order[-1]), start
    while True:
        steeper = np.flatnonzero(slopes > slopes[leader])
        overtaken = (intercepts[leader] - intercepts[steeper]) / (slopes[steeper] - slopes[leader])
        overtaken = np.maximum(overtaken, place)
        if not len(steeper) or overtaken.min() >= stop:
            yield leader, float(stop)
            return
        first = overtaken.min()
        if first > place:
            yield leader, float(first)
        rivals = steeper[overtaken == first]
        leader, place = int(rivals[np.argmax(slopes[rivals])]), float(first)
