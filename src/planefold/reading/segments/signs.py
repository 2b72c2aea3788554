"""A network at the points of many lines: its sums there, and their signs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from planefold.networks.affine import Floats, Ints, PiecewiseLinearNet, Signs
from planefold.networks.matrices import Matrix, entrywise
from planefold.reading.certificate import SAFE_GAP, TOLERANCE, Certificate
from planefold.reading.segments.rational_signs import Place, Rationals

Pieces = tuple[Floats, Floats]


@dataclass(eq=False)
class Points:
    """Points of lines, sorted by line and place. At infinity ``h`` is 0 and ``tau`` the sense; else 1 and ``t``."""

    line: Ints
    t: Floats
    maker: Ints  # the unit on whose crease the point lies, -1 at the ends
    identity: Ints  # for the record of bends, since the order changes

    def __post_init__(self) -> None:
        infinite = np.isinf(self.t)
        self.h: Floats | None = np.where(infinite, 0.0, 1.0) if infinite.any() else None
        self.tau = np.where(infinite, np.sign(self.t), self.t) if self.h is not None else self.t

    def __len__(self) -> int:
        return len(self.t)

    def chosen(self, places: Ints) -> Points:
        """Return some of the points."""
        return Points(self.line[places], self.t[places], self.maker[places], self.identity[places])

    @property
    def left(self) -> Ints:
        """The left point of each piece; the right one is the next."""
        return np.flatnonzero(self.line[:-1] == self.line[1:])


class NetOnLines:
    """A network on the lines ``origins + t * directions``, and what its signs rest on."""

    def __init__(self, net: PiecewiseLinearNet, origins: Floats, directions: Floats, rationals: Rationals) -> None:
        self.net, self.origins, self.directions, self.rationals = net, origins, directions, rationals
        self.first_unit = {number: start for number, start, _ in net.folds}
        # An input is read by few nodes; its images there are affine in t, so that no point of the input is ever formed.
        self.images: dict[tuple[int, int], tuple[Floats, Floats]] = {}
        self.largest_zero, self.smallest_nonzero, self.n_rational, self.why_not = 0.0, math.inf, 0, ""

    # ------------------------------------------------------------------------------------------------------ the net

    def _terms(self, number: int) -> Iterator[tuple[int, int, Matrix | None]]:
        node = self.net.nodes[number]
        for place, (source, matrix) in enumerate(zip(node.sources, node.matrices, strict=True)):
            yield place, source, matrix

    def _image(self, number: int, place: int, matrix: Matrix | None) -> tuple[Floats, Floats]:
        if (number, place) not in self.images:
            pair = self.origins, self.directions
            self.images[number, place] = pair if matrix is None else (pair[0] @ matrix, pair[1] @ matrix)
        return self.images[number, place]

    def sums(self, values: dict[int, Floats], number: int, points: Points) -> Floats:
        """Sums of one node at points; at infinity their slopes in the sense in which the line goes there."""
        bias = self.net.nodes[number].bias
        total = np.empty((len(points), len(bias)))
        total[:] = bias if points.h is None else points.h[:, None] * bias
        for place, source, matrix in self._terms(number):
            if source == 0:
                start, step = self._image(number, place, matrix)
                total += start[points.line] if points.h is None else points.h[:, None] * start[points.line]
                total += points.tau[:, None] * step[points.line]
            else:
                total += values[source] if matrix is None else values[source] @ matrix
        return total

    def slopes(self, tangents: dict[int, Floats], number: int, piece_line: Ints) -> Floats:
        """Slopes of one node's sums along each piece."""
        total = np.zeros((len(piece_line), self.net.nodes[number].n_units))
        for place, source, matrix in self._terms(number):
            if source == 0:
                total += self._image(number, place, matrix)[1][piece_line]
            else:
                total += tangents[source] if matrix is None else tangents[source] @ matrix
        return total

    def evaluated(self, points: Points, number: int) -> tuple[dict[int, Floats], Floats]:
        """Values of new points from their coordinates: what later nodes read, and the sums of one node."""
        values: dict[int, Floats] = {}
        for step in range(number):
            z = self.sums(values, step, points)
            fold = self.net.nodes[step].fold
            values[step + 1] = z if fold is None else fold(z)
            self.net.forget(values, step)
        return values, self.sums(values, number, points)

    # ---------------------------------------------------------------------------------------------------- the signs

    def magnitudes(self, number: int, inputs: Floats, values: dict[int, Floats], h: Floats | None) -> Floats:
        """Sums of the absolute terms, which rounding is relative to."""
        bias = np.abs(self.net.nodes[number].bias)
        total = np.broadcast_to(bias if h is None else h[:, None] * bias, (len(inputs), len(bias))).copy()
        for _, source, matrix in self._terms(number):
            rows = inputs if source == 0 else values[source]
            total += rows if matrix is None else rows @ entrywise(np.abs, matrix)
        return total

    def signs(
        self, z: Floats, number: int, points: Points, values: dict[int, Floats], pieces: Pieces | None = None
    ) -> Signs:
        """Signs of sums, -1, 0 or 1; the sums that are zero become it.

        ``pieces`` has the ends of the pieces that new points lie on; the others lie beside one another in ``points``.
        """
        tau = np.abs(points.tau).max(initial=0.0)
        inputs = np.abs(self.origins).max(axis=0) + tau * np.abs(self.directions).max(axis=0)
        highest = {source: _highest(value) for source, value in values.items()}
        reach = self.magnitudes(number, inputs[None], highest, None)[0]
        sizes = np.abs(z)
        near = sizes <= TOLERANCE * SAFE_GAP * reach
        near &= sizes > 0
        rows, units = np.nonzero(near)
        if len(rows):
            self._decide(z, rows, units, number, points, values, pieces)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.where((sizes == 0) | near, np.inf, sizes).min(axis=0, initial=np.inf) / reach
        self.smallest_nonzero = min(self.smallest_nonzero, float(np.nanmin(shares, initial=np.inf)))
        return (z > 0).astype(np.int8) - (z < 0).astype(np.int8)

    def _decide(
        self,
        z: Floats,
        rows: Ints,
        units: Ints,
        number: int,
        points: Points,
        values: dict[int, Floats],
        pieces: Pieces | None,
    ) -> None:
        those, place = np.unique(rows, return_inverse=True)
        h = None if points.h is None else points.h[those]
        line, tau = points.line[those], np.abs(points.tau[those])[:, None]
        inputs = np.abs(self.origins[line]) * (1.0 if h is None else h[:, None]) + tau * np.abs(self.directions[line])
        sizes = self.magnitudes(number, inputs, {k: np.abs(value[those]) for k, value in values.items()}, h)
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = np.abs(z[rows, units]) / sizes[place, units]
        shares[np.isnan(shares)] = 0.0
        is_zero = shares <= TOLERANCE
        doubtful = (shares > TOLERANCE / SAFE_GAP) & (shares < TOLERANCE * SAFE_GAP)
        for entry in np.flatnonzero(doubtful):
            row, unit = int(rows[entry]), int(units[entry])
            sign = self.rationals.sign(self._exact_place(points, row, pieces), self.first_unit[number] + unit)
            if sign is None:
                self.why_not = self.why_not or "more signs are near zero than can be decided in rationals"
                doubtful[entry] = False
                continue
            self.n_rational += 1
            is_zero[entry] = sign == 0
            z[row, unit] = sign * abs(z[row, unit])
        z[rows[is_zero], units[is_zero]] = 0.0
        sure = shares[~doubtful]
        self.largest_zero = max(self.largest_zero, float(sure[is_zero[~doubtful]].max(initial=0.0)))
        self.smallest_nonzero = min(self.smallest_nonzero, float(sure[~is_zero[~doubtful]].min(initial=np.inf)))

    def _exact_place(self, points: Points, row: int, pieces: Pieces | None) -> Place:
        line = points.line[row]
        if pieces is None:
            beside = [k for k in (row - 1, row + 1) if 0 <= k < len(points) and points.line[k] == line]
            far = max(beside, key=lambda k: abs(points.t[k] - points.t[row]))
            within = _between(points.t[row], points.t[far])
        else:
            within = _between(pieces[0][row], pieces[1][row])
        return Place(
            origin=self.origins[line],
            direction=self.directions[line],
            inside=float(within),
            t=float(points.t[row]),
            maker=int(points.maker[row]),
        )

    def certificate(self) -> Certificate:
        """Say how sure the signs were so far."""
        return Certificate(
            exact=not self.why_not,
            largest_zero=self.largest_zero,
            smallest_nonzero=self.smallest_nonzero,
            n_rational=self.n_rational,
            why_not=self.why_not,
        )


def _highest(value: Floats) -> Floats:
    highest: Floats = np.maximum(value.max(axis=0, initial=0.0), -value.min(axis=0, initial=0.0))
    return highest[None]


def _between(one: float, other: float) -> float:
    """Return a finite place between two, of which one may be infinite."""
    if math.isinf(one) and math.isinf(other):
        return 0.0
    if math.isinf(one) or math.isinf(other):
        finite, far = (other, one) if math.isinf(one) else (one, other)
        return finite + math.copysign(1.0 + abs(finite), far)
    return one + (other - one) / 2
