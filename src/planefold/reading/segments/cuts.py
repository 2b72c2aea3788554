"""Cutting many lines at the creases of a network at once: the algorithm behind :func:`planefold.reading.lines`.

Between neighbouring points of a line every unit is affine, so the signs of a fold's sums at the points say everything:
where two neighbours have opposite signs, the unit bends between them and a new point is put there. Fold by fold, all
lines and all units together.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from planefold.networks.affine import Floats, Ints, PiecewiseLinearNet, Signs
from planefold.reading.certificate import joined
from planefold.reading.segments.rational_signs import Rationals
from planefold.reading.segments.records import Lines
from planefold.reading.segments.signs import NetOnLines, Points

# Numbers per layer of the lines that are cut together: 4 MiB, which stays near the processor.
VALUES_AT_ONCE = 2**19
# Slopes that differ by less than this share of their terms are the same: rounding leaves about 1e-15.
SAME_SLOPE = 1e-12


def cut(net: PiecewiseLinearNet, origins: Floats, directions: Floats, low: Floats, high: Floats) -> Lines:
    """Cut the lines ``origins + t * directions``, ``low <= t <= high``, at every crease.

    Parameters
    ----------
    origins, directions : ndarray of shape (n_lines, n_inputs)
    low, high : ndarray of shape (n_lines,)
        May be infinite.
    """
    widest = max([net.n_inputs, *(node.n_units for node in net.nodes)])
    step = max(1, VALUES_AT_ONCE // (widest * (2 + net.n_units // 2)))
    parts = []
    rationals = Rationals(net)
    for start in range(0, len(origins), step):
        chosen = slice(start, start + step)
        parts.append(_Cutter(net, origins[chosen], directions[chosen], low[chosen], high[chosen], rationals).run())
    return _joined(parts)


def _joined(parts: list[Lines]) -> Lines:
    shifts = np.cumsum([0, *(part.starts[-1] for part in parts)])

    def together(name: str) -> npt.NDArray[np.generic]:
        return np.concatenate([getattr(part, name) for part in parts])

    starts = [part.starts[:-1] + shift for part, shift in zip(parts, shifts[:-1], strict=True)]
    bends = [part.bend_points + shift for part, shift in zip(parts, shifts[:-1], strict=True)]
    names = (
        "origins", "directions", "t", "values", "slopes", "intercepts", "is_kink", "first_patterns", "bend_units",
        "bend_steps",
    )  # fmt: skip
    return Lines(
        net=parts[0].net,
        starts=np.concatenate([*starts, shifts[-1:]]),
        bend_points=np.concatenate(bends),
        certificate=joined(part.certificate for part in parts),
        **{name: together(name) for name in names},  # type: ignore[arg-type]
    )


class _Sums(NamedTuple):
    """Sums of one fold at the points, their signs, and their slopes along the pieces."""

    z: Floats
    signs: Signs
    slopes: Floats


class _Crossings(NamedTuple):
    """Where units are 0 within pieces, sorted by piece and place."""

    pieces: Ints
    units: Ints
    t: Floats


class _NewPoints(NamedTuple):
    """Points that a fold makes, the pieces that they lie in, and the network there."""

    points: Points
    pieces: Ints
    values: dict[int, Floats]
    z: Floats
    signs: Signs


class _Cutter:
    def __init__(
        self,
        net: PiecewiseLinearNet,
        origins: Floats,
        directions: Floats,
        low: Floats,
        high: Floats,
        rationals: Rationals,
    ) -> None:
        self.net, self.origins, self.directions = net, origins, directions
        self.on_lines = NetOnLines(net, origins, directions, rationals)
        n_lines = len(origins)
        endless = np.isinf(low) & np.isinf(high)  # their maps have no point to start from; 0 is one, and goes again
        line = np.concatenate([np.arange(n_lines), np.flatnonzero(endless), np.arange(n_lines)])
        t = np.concatenate([low, np.zeros(int(endless.sum())), high])
        order = np.lexsort((t, line))
        ends = np.full(len(t), -1)
        self.points = Points(line=line[order], t=t[order], maker=ends, identity=np.arange(len(t)))
        self.n_made = len(t)
        self.values: dict[int, Floats] = {}
        self.tangents: dict[int, Floats] = {}
        self.bends: list[tuple[Ints, Ints, Signs]] = []

    # ------------------------------------------------------------------------------------------------- the new points

    def _crossings(self, sums: _Sums, left: Ints) -> _Crossings:
        """Find where units bend within pieces; places that rounding puts on an end go there."""
        z, signs, right = sums.z, sums.signs, left + 1
        above, below = signs > 0, signs < 0
        pieces, units = np.nonzero((above[left] & below[right]) | (below[left] & above[right]))
        a, b = left[pieces], right[pieces]
        t_a, t_b, z_a, z_b = self.points.t[a], self.points.t[b], z[a, units], z[b, units]
        # From the nearer end, whose sum the slope has to make up for: no digits are lost on long pieces.
        from_a = np.where(np.isinf(t_a) | np.isinf(t_b), np.isinf(t_b), np.abs(z_a) <= np.abs(z_b))
        near_t, near_z = np.where(from_a, t_a, t_b), np.where(from_a, z_a, z_b)
        with np.errstate(divide="ignore"):
            t = near_t - near_z / sums.slopes[pieces, units]
        lost = ~((t > t_a) & (t < t_b))
        if lost.any():
            ends = np.where(from_a, a, b)[lost]
            z[ends, units[lost]] = 0.0
            signs[ends, units[lost]] = 0
            self.on_lines.why_not = self.on_lines.why_not or "creases lie nearer together than numbers can tell"
        order = np.lexsort((t[~lost], pieces[~lost]))
        return _Crossings(pieces[~lost][order], units[~lost][order], t[~lost][order])

    def _fold(self, number: int) -> None:
        node, left = self.net.nodes[number], self.points.left
        assert node.fold is not None
        z = self.on_lines.sums(self.values, number, self.points)
        signs = self.on_lines.signs(z, number, self.points, self.values)
        sums = _Sums(z, signs, self.on_lines.slopes(self.tangents, number, self.points.line[left]))
        found = self._crossings(sums, left)
        if len(found.t):
            sums = self._inserted(number, sums, left, self._new_points(number, left, found))
            left = self.points.left
        # Between neighbours no unit changes sign any more: a piece is on the side on which its ends are.
        sides = np.sign(sums.signs[left] + sums.signs[left + 1])
        self._record(number, sides, left)
        self.values[number + 1] = node.fold(sums.z)
        self.tangents[number + 1] = sums.slopes * node.fold.slopes(sides > 0)

    def _new_points(self, number: int, left: Ints, found: _Crossings) -> _NewPoints:
        """Make points of crossings, one where creases meet in one point or units are multiples of one another."""
        pieces, units, t = found
        old, a, rows = self.points, left[pieces], np.arange(len(t))
        made = Points(
            line=old.line[a],
            t=t,
            maker=self.on_lines.first_unit[number] + units,
            identity=self.n_made + rows,
        )
        self.n_made += len(t)
        values, z = self.on_lines.evaluated(made, number)
        z[rows, units] = 0.0
        signs = self.on_lines.signs(z, number, made, values, (old.t[a], old.t[a + 1]))
        same = pieces[:-1] == pieces[1:]
        same &= (signs[rows[:-1], units[1:]] == 0) | (signs[rows[1:], units[:-1]] == 0)
        if same.any():
            group = np.cumsum(np.concatenate([[0], ~same]))
            kept = np.flatnonzero(np.concatenate([[True], ~same]))
            made, pieces, z, signs = made.chosen(kept), pieces[kept], z[kept], signs[kept]
            values = {source: value[kept] for source, value in values.items()}
            z[group, units] = 0.0
            signs[group, units] = 0
        return _NewPoints(made, pieces, values, z, signs)

    def _inserted(self, number: int, sums: _Sums, left: Ints, new: _NewPoints) -> _Sums:
        """Put new points between the old ones: each behind the left end of its piece, and the new ones before it."""
        n_new = np.bincount(new.pieces, minlength=len(left))
        where_new = left[new.pieces] + 1 + np.arange(len(new.pieces))
        is_old = np.ones(len(self.points) + len(where_new), dtype=bool)
        is_old[where_new] = False
        where_old = np.flatnonzero(is_old)

        def merged(ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> npt.NDArray[Any]:
            result = np.empty((len(is_old), *ours.shape[1:]), dtype=ours.dtype)
            result[where_old], result[where_new] = ours, theirs
            return result

        old, those = self.points, new.points
        self.points = Points(
            line=merged(old.line, those.line),
            t=merged(old.t, those.t),
            maker=merged(old.maker, those.maker),
            identity=merged(old.identity, those.identity),
        )
        self.net.forget(self.values, number)  # what this fold alone has read needs no new points
        self.net.forget(self.tangents, number)
        self.values = {source: merged(value, new.values[source]) for source, value in self.values.items()}
        self.tangents = {source: np.repeat(value, n_new + 1, axis=0) for source, value in self.tangents.items()}
        slopes = np.repeat(sums.slopes, n_new + 1, axis=0)
        return _Sums(merged(sums.z, new.z), merged(sums.signs, new.signs), slopes)

    def _record(self, number: int, sides: Signs, left: Ints) -> None:
        start = self.on_lines.first_unit[number]
        line = self.points.line[left]
        first = np.flatnonzero(np.concatenate([[True], line[1:] != line[:-1]]))
        self.first_patterns[:, start : start + sides.shape[1]] = sides[first]
        steps = sides[1:] - sides[:-1]
        steps[first[1:] - 1] = 0
        pieces, units = np.nonzero(steps)
        self.bends.append((self.points.identity[left[pieces] + 1], start + units, steps[pieces, units]))

    # --------------------------------------------------------------------------------------------------------- the end

    def run(self) -> Lines:
        net = self.net
        self.first_patterns = np.zeros((len(self.origins), net.n_units), dtype=np.int8)
        for number, node in enumerate(net.nodes):
            if node.fold is not None:
                self._fold(number)
            elif number < len(net.nodes) - 1:
                self.values[number + 1] = self.on_lines.sums(self.values, number, self.points)
                self.tangents[number + 1] = self.on_lines.slopes(
                    self.tangents, number, self.points.line[self.points.left]
                )
            if number < len(net.nodes) - 1:
                net.forget(self.values, number)
                net.forget(self.tangents, number)
        return self._lines()

    def _lines(self) -> Lines:
        last, points = len(self.net.nodes) - 1, self.points
        left = points.left
        values = self.on_lines.sums(self.values, last, points)
        slopes = self.on_lines.slopes(self.tangents, last, points.line[left])
        # Intercepts from the end nearer to 0, where they lose least.
        from_left = np.abs(points.t[left]) <= np.abs(points.t[left + 1])
        base = np.where(from_left, left, left + 1)
        intercepts = values[base] - slopes * points.t[base][:, None]
        # Below this a slope, or a difference of two, is rounding.
        tangents = {source: np.abs(value) for source, value in self.tangents.items()}
        inputs = np.abs(self.directions[points.line[left]])
        rounding = SAME_SLOPE * self.on_lines.magnitudes(last, inputs, tangents, np.zeros(len(left)))
        inner = np.flatnonzero(left[1:] == left[:-1] + 1)  # piece and the next one share the point between them
        is_kink, is_end = np.zeros(len(points), dtype=bool), np.ones(len(points), dtype=bool)
        differs = np.abs(slopes[inner + 1] - slopes[inner]) > np.maximum(rounding[inner], rounding[inner + 1])
        is_kink[left[inner + 1]] = differs.any(axis=1)
        is_end[left[inner + 1]] = False
        self._go_to_infinity(values, slopes, intercepts, rounding)

        bend_points, bend_units, bend_steps = self._bends()
        kept = is_end  # the others only gave an endless line a place to start from, unless a unit bends there
        kept[bend_points] = True
        first = np.concatenate([[True], points.line[1:] != points.line[:-1]])
        return Lines(
            net=self.net,
            origins=self.origins,
            directions=self.directions,
            starts=np.concatenate([np.flatnonzero(first[kept]), [int(kept.sum())]]),
            t=points.t[kept],
            values=values[kept],
            slopes=slopes[kept[left]],
            intercepts=intercepts[kept[left]],
            is_kink=is_kink[kept],
            first_patterns=self.first_patterns,
            bend_points=(np.cumsum(kept) - 1)[bend_points],
            bend_units=bend_units,
            bend_steps=bend_steps,
            certificate=self.on_lines.certificate(),
        )

    def _go_to_infinity(self, values: Floats, slopes: Floats, intercepts: Floats, rounding: Floats) -> None:
        """Put limits in the place of slopes at the points at infinity."""
        t, left = self.points.t, self.points.left
        far = np.flatnonzero(np.isinf(t))
        piece = np.searchsorted(left, np.where(t[far] > 0, far - 1, far))
        with np.errstate(invalid="ignore"):
            limits = values[far] * np.inf
        values[far] = np.where(np.abs(slopes[piece]) > rounding[piece], limits, intercepts[piece])

    def _bends(self) -> tuple[Ints, Ints, Signs]:
        """Return at which points which units bend, and by how much their sides change, sorted by point."""
        none = np.zeros(0, dtype=np.int64)
        identities, units, steps = zip(*self.bends, strict=True) if self.bends else ((none,), (none,), (none,))
        position = np.empty(self.n_made, dtype=np.int64)
        position[self.points.identity] = np.arange(len(self.points))
        points, unit = position[np.concatenate(identities)], np.concatenate(units)
        order = np.lexsort((unit, points))
        return points[order], unit[order], np.concatenate(steps).astype(np.int8)[order]
