"""Cutting many lines at the creases of a network at once: the algorithm behind :mod:`planefold.reading.lines`.

Between neighbouring points of a line every unit is affine, so the signs of a fold's sums at the points say everything:
where two neighbours have opposite signs, the unit bends between them and a new point is put there. Fold by fold, all
lines and all units together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.records import Record
from planefold.networks.affine import Floats, PiecewiseLinearNet, Signs
from planefold.reading.certificate import Certificate
from planefold.reading.segments.signs import Bools, Ints, NetOnLines, Points, Rationals

# Numbers per layer of the lines that are cut together: 4 MiB, which stays near the processor.
VALUES_AT_ONCE = 2**19
# Slopes that differ by less than this share of their terms are the same: rounding leaves about 1e-15.
SAME_SLOPE = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Cuts(Record):
    """Lines after cutting, one after the other; see :class:`planefold.reading.Lines` for the fields."""

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


def cut(net: PiecewiseLinearNet, origins: Floats, directions: Floats, low: Floats, high: Floats) -> Cuts:
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
    return _joined(parts, rationals)


def joined_certificate(certificates: list[Certificate], n_rational: int = 0) -> Certificate:
    """Say what several readings rest on together."""
    return Certificate(
        exact=all(one.exact for one in certificates),
        largest_zero=max((one.largest_zero for one in certificates), default=0.0),
        smallest_nonzero=min((one.smallest_nonzero for one in certificates), default=math.inf),
        n_rational=n_rational,
        why_not=next((one.why_not for one in certificates if one.why_not), ""),
    )


def _joined(parts: list[Cuts], rationals: Rationals) -> Cuts:
    shifts = np.cumsum([0, *(part.starts[-1] for part in parts)])

    def joined(name: str) -> npt.NDArray[np.generic]:
        return np.concatenate([getattr(part, name) for part in parts])

    starts = [part.starts[:-1] + shift for part, shift in zip(parts, shifts[:-1], strict=True)]
    bends = [part.bend_points + shift for part, shift in zip(parts, shifts[:-1], strict=True)]
    names = ("t", "values", "slopes", "intercepts", "is_kink", "first_patterns", "bend_units", "bend_steps")
    return Cuts(
        starts=np.concatenate([*starts, shifts[-1:]]),
        bend_points=np.concatenate(bends),
        certificate=joined_certificate([part.certificate for part in parts], rationals.n_decided),
        **{name: joined(name) for name in names},  # type: ignore[arg-type]
    )


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

    def _crossings(self, z: Floats, signs: Signs, slopes: Floats, left: Ints) -> tuple[Ints, Ints, Floats]:
        """Pieces on which a unit bends, the units and the places; places that rounding puts on an end go there."""
        right = left + 1
        above, below = signs > 0, signs < 0
        pieces, units = np.nonzero((above[left] & below[right]) | (below[left] & above[right]))
        a, b = left[pieces], right[pieces]
        t_a, t_b, z_a, z_b = self.points.t[a], self.points.t[b], z[a, units], z[b, units]
        # From the nearer end, whose sum the slope has to make up for: no digits are lost on long pieces.
        from_a = np.where(np.isinf(t_a) | np.isinf(t_b), np.isinf(t_b), np.abs(z_a) <= np.abs(z_b))
        near_t, near_z = np.where(from_a, t_a, t_b), np.where(from_a, z_a, z_b)
        with np.errstate(divide="ignore"):
            t = near_t - near_z / slopes[pieces, units]
        lost = ~((t > t_a) & (t < t_b))
        if lost.any():
            ends = np.where(from_a, a, b)[lost]
            z[ends, units[lost]] = 0.0
            signs[ends, units[lost]] = 0
            self.on_lines.why_not = self.on_lines.why_not or "creases lie nearer together than numbers can tell"
        order = np.lexsort((t[~lost], pieces[~lost]))
        return pieces[~lost][order], units[~lost][order], t[~lost][order]

    def _fold(self, number: int) -> None:
        node, points = self.net.nodes[number], self.points
        assert node.fold is not None
        left = points.left
        z = self.on_lines.sums(self.values, number, points)
        slopes = self.on_lines.slopes(self.tangents, number, points.line[left])
        signs = self.on_lines.signs(z, number, points, self.values)
        pieces, units, t = self._crossings(z, signs, slopes, left)
        if len(pieces):
            z, slopes, signs = self._inserted(number, z, slopes, signs, left, pieces, units, t)
            points = self.points
            left = points.left
        # Between neighbours no unit changes sign any more: a piece is on the side on which its ends are.
        sides = np.sign(signs[left] + signs[left + 1])
        self._record(number, sides, left)
        self.values[number + 1] = node.fold(z)
        self.tangents[number + 1] = slopes * node.fold.slopes(sides > 0)

    def _inserted(
        self,
        number: int,
        z: Floats,
        slopes: Floats,
        signs: Signs,
        left: Ints,
        pieces: Ints,
        units: Ints,
        t: Floats,
    ) -> tuple[Floats, Floats, Signs]:
        old = self.points
        a = left[pieces]
        made = Points(
            line=old.line[a],
            t=t,
            maker=self.on_lines.first_unit[number] + units,
            identity=self.n_made + np.arange(len(t)),
        )
        rows = np.arange(len(t))
        fresh, z_new = self.on_lines.evaluated(made, number)
        z_new[rows, units] = 0.0
        signs_new = self.on_lines.signs(z_new, number, made, fresh, (old.t[a], old.t[a + 1]))
        # Creases that meet in one point, or units that are multiples of one another.
        same = pieces[:-1] == pieces[1:]
        same &= (signs_new[rows[:-1], units[1:]] == 0) | (signs_new[rows[1:], units[:-1]] == 0)
        group = np.cumsum(np.concatenate([[0], ~same]))
        kept = np.flatnonzero(np.concatenate([[True], ~same]))
        signs_new, z_new = signs_new[kept], z_new[kept]
        signs_new[group, units] = 0
        z_new[group, units] = 0.0
        n_new = np.bincount(pieces[kept], minlength=len(left))
        self.n_made += len(t)
        # Each new point stands behind the left end of its piece, and behind the new points before it.
        where_new = a[kept] + 1 + np.arange(len(kept))
        is_old = np.ones(len(old) + len(kept), dtype=bool)
        is_old[where_new] = False
        where_old = np.flatnonzero(is_old)

        def merged(ours: npt.NDArray[Any], theirs: npt.NDArray[Any]) -> npt.NDArray[Any]:
            result = np.empty((len(is_old), *ours.shape[1:]), dtype=ours.dtype)
            result[where_old], result[where_new] = ours, theirs
            return result

        self.points = Points(
            line=merged(old.line, made.line[kept]),
            t=merged(old.t, made.t[kept]),
            maker=merged(old.maker, made.maker[kept]),
            identity=merged(old.identity, made.identity[kept]),
        )
        self.net.forget(self.values, number)  # what this fold alone has read needs no new points
        self.net.forget(self.tangents, number)
        self.values = {source: merged(value, fresh[source][kept]) for source, value in self.values.items()}
        self.tangents = {source: np.repeat(value, n_new + 1, axis=0) for source, value in self.tangents.items()}
        return merged(z, z_new), np.repeat(slopes, n_new + 1, axis=0), merged(signs, signs_new)

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

    def run(self) -> Cuts:
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
        return self._cuts()

    def _cuts(self) -> Cuts:
        last, points = len(self.net.nodes) - 1, self.points
        left = points.left
        values = self.on_lines.sums(self.values, last, points)
        slopes = self.on_lines.slopes(self.tangents, last, points.line[left])
        # Intercepts from the end nearer to 0, where they lose least.
        from_left = np.abs(points.t[left]) <= np.abs(points.t[left + 1])
        base = np.where(from_left, left, left + 1)
        intercepts = values[base] - slopes * points.t[base][:, None]
        tangents = {source: np.abs(value) for source, value in self.tangents.items()}
        inputs = np.abs(self.directions[points.line[left]])
        terms = self.on_lines.magnitudes(last, inputs, tangents, np.zeros(len(left)))
        is_kink = np.zeros(len(points), dtype=bool)
        inner = np.flatnonzero(left[1:] == left[:-1] + 1)  # piece and the next one share the point between them
        differs = np.abs(slopes[inner + 1] - slopes[inner]) > SAME_SLOPE * np.maximum(terms[inner], terms[inner + 1])
        is_kink[left[inner + 1]] = differs.any(axis=1)

        far = np.isinf(points.t)
        if far.any():
            with np.errstate(invalid="ignore"):
                ends = values[far] * np.inf
            beside = np.where(points.t[far] > 0, np.flatnonzero(far) - 1, np.flatnonzero(far))
            its_piece = np.searchsorted(left, beside)
            values[far] = np.where(
                np.abs(slopes[its_piece]) > SAME_SLOPE * terms[its_piece], ends, intercepts[its_piece]
            )

        identities = [one[0] for one in self.bends]
        bend_ids = np.concatenate(identities) if identities else np.zeros(0, dtype=np.int64)
        position = np.zeros(self.n_made, dtype=np.int64)
        position[points.identity] = np.arange(len(points))
        bend_points = position[bend_ids]
        bend_units = np.concatenate([one[1] for one in self.bends]) if self.bends else np.zeros(0, dtype=np.int64)
        bend_steps = np.concatenate([one[2] for one in self.bends]) if self.bends else np.zeros(0, dtype=np.int8)
        # The points that only gave an endless line a place to start from.
        is_end = np.ones(len(points), dtype=bool)
        is_end[left[inner + 1]] = False
        kept = is_end.copy()
        kept[bend_points] = True
        first = np.concatenate([[True], points.line[1:] != points.line[:-1]])
        moved = np.cumsum(kept) - 1
        order = np.lexsort((bend_units, bend_points))
        starts = np.concatenate([np.flatnonzero(first[kept]), [int(kept.sum())]])
        return Cuts(
            starts=starts,
            t=points.t[kept],
            values=values[kept],
            slopes=slopes[kept[left]],
            intercepts=intercepts[kept[left]],
            is_kink=is_kink[kept],
            first_patterns=self.first_patterns,
            bend_points=moved[bend_points[order]],
            bend_units=bend_units[order],
            bend_steps=bend_steps[order],
            certificate=self.on_lines.certificate(),
        )
