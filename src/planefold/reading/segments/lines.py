"""A network along lines: every crease, every piece and every slope, exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError, ParameterError, show
from planefold.core.records import Record
from planefold.networks.affine import Floats, PiecewiseLinearNet, Signs
from planefold.reading.certificate import Certificate
from planefold.reading.models import from_model
from planefold.reading.segments.cuts import Cuts, cut
from planefold.reading.segments.records import Line
from planefold.reading.segments.signs import Bools, Ints

__all__ = ["Line", "Lines", "cut_lines", "function", "line", "lines"]


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


def line(model: Any, start: npt.ArrayLike, stop: npt.ArrayLike) -> Line:
    """Cut the segment from one point to another at every crease that it crosses.

    Parameters
    ----------
    model : PiecewiseLinearNet or any model that :func:`planefold.reading.from_model` reads
    start, stop : array-like of shape (n_inputs,)

    Returns
    -------
    Line
        ``t`` goes from 0 at ``start`` to 1 at ``stop``.

    Raises
    ------
    DataError
        If a point has another length, a number is not finite, or the two points are the same.

    See Also
    --------
    lines : many segments at once.

    Notes
    -----
    Exact up to rounding of the places; which piece follows which is decided by signs, and the certificate says how
    sure these are. The cost is a few forward passes for each piece.

    References
    ----------
    Sotoudeh and Thakur, "Computing Linear Restrictions of Neural Networks", NeurIPS 2019.

    Examples
    --------
    >>> from planefold.networks.affine_builder import Builder
    >>> builder = Builder((2,))
    >>> hidden = builder.fold(builder.affine(builder.input, np.eye(2), [0.0, -0.5]), layer="hidden 1")
    >>> net = builder.finish(builder.affine(hidden, np.ones((2, 1)), [0.0]))
    >>> path = line(net, [-1, 0], [1, 1])
    >>> path.ends, path.units
    (array([0. , 0.5, 1. ]), ((0, 1),))
    """
    first, last = (np.asarray(point, dtype=np.float64) for point in (start, stop))
    return lines(model, first.reshape(1, -1), last.reshape(1, -1))[0]


def lines(model: Any, starts: npt.ArrayLike, stops: npt.ArrayLike) -> Lines:
    """Cut many segments at every crease that they cross, all at once.

    Parameters
    ----------
    model : PiecewiseLinearNet or any model that :func:`planefold.reading.from_model` reads
    starts, stops : array-like of shape (n_lines, n_inputs)
        Either may be a single point, which then belongs to all lines.

    Raises
    ------
    DataError
        If shapes do not fit, a number is not finite, or a segment has no length.

    Notes
    -----
    See :func:`line`. A thousand segments through 128 hidden units, 51,000 regions, take 0.15 s of one core
    (``python benchmarks/reading_lines.py``).
    """
    net = from_model(model)
    first, last = net.rows(starts), net.rows(stops)
    if len(first) != len(last) and 1 not in (len(first), len(last)):
        raise DataError(
            f"{len(first)} starts and {len(last)} stops do not belong together", hint="give as many of each"
        )
    first, last = (np.ascontiguousarray(points) for points in np.broadcast_arrays(first, last))
    with np.errstate(over="ignore"):
        directions = last - first
    if not np.isfinite(directions).all():
        raise DataError("the ends of a segment lie further apart than numbers can tell")
    still = ~directions.any(axis=1)
    if still.any():
        raise DataError(
            f"segment {int(np.flatnonzero(still)[0])} starts and stops at the same point, so it has no direction",
            hint="leave such rows out; one point is a matter for local_maps",
        )
    n_lines = len(first)
    return cut_lines(net, first, directions, np.zeros(n_lines), np.ones(n_lines))


def function(model: Any, low: float = -np.inf, high: float = np.inf) -> Line:
    """Read a network of one input as the piecewise-linear function that it is.

    Parameters
    ----------
    model : PiecewiseLinearNet or any model that :func:`planefold.reading.from_model` reads
        With one input, which is ``t``.
    low, high : float
        On which interval; all numbers by default.

    Raises
    ------
    DataError
        If the network has more than one input.
    ParameterError
        If ``low`` is not below ``high``.

    Notes
    -----
    One hidden layer of ``n`` ReLU units gives at most ``n + 1`` linear pieces. On an unbounded interval the outer
    pieces are followed to infinity by the signs of their slopes, so nothing depends on a range that is large enough.

    Examples
    --------
    >>> from planefold.networks.affine_builder import Builder
    >>> builder = Builder((1,))
    >>> hidden = builder.fold(builder.affine(builder.input, np.ones((1, 2)), [0.0, -1.0]), layer="hidden 1")
    >>> hat = function(builder.finish(builder.affine(hidden, np.array([[1.0], [-2.0]]), [0.0])))
    >>> hat.ends, hat.slopes.ravel()
    (array([-inf,   0.,   1.,  inf]), array([ 0.,  1., -1.]))
    """
    net = from_model(model)
    if net.n_inputs != 1:
        raise DataError(
            f"{net.description} has {net.n_inputs} inputs, so it is no function of one number",
            hint="line(model, start, stop) reads it along a segment, ice(...) along one feature",
        )
    if not low < high:
        raise ParameterError(f"low={show(low)} is not below high={show(high)}")
    return cut_lines(net, np.zeros((1, 1)), np.ones((1, 1)), np.array([float(low)]), np.array([float(high)]))[0]


def cut_lines(net: PiecewiseLinearNet, origins: Floats, directions: Floats, low: Floats, high: Floats) -> Lines:
    """Cut the lines ``origins + t * directions`` from ``low`` to ``high``, which may be infinite: see :func:`lines`."""
    found: Cuts = cut(net, origins, directions, low, high)
    return Lines(net=net, origins=origins, directions=directions, **vars(found))
