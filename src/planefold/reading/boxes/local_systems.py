"""Where regions begin and end: each unit's sum as an affine function within a region, and sides told at a crease."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError
from planefold.core.records import Record
from planefold.networks.affine import Floats, PiecewiseLinearNet, Signs
from planefold.networks.matrices import Matrix, entrywise

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

# A sum counts as 0 below this share of what rounding works on: the terms of all sums on the way to it, without signs.
TOLERANCE = 1e-13
# A unit whose sum varies by less than this share of its terms is constant.
CONSTANT = 1e-12
VALUES_AT_ONCE = 2**22


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Sides(Record):
    """On which side of every crease points lie.

    Parameters
    ----------
    signs : int8 ndarray of shape (n_points, n_units)
        0 only where the unit's sum is 0 at the point and, as far as directions were given, all around it.
    n_zeros : int ndarray of shape (n_points,)
        Of each point's sums (and changes) how many were taken for 0, those not counted whose terms are all 0.
    largest_zero, smallest_nonzero : ndarray of shape (n_points,)
        Of each point's sums that were taken for 0, and not, as shares of their terms.
    """

    signs: Signs
    n_zeros: Ints
    largest_zero: Floats
    smallest_nonzero: Floats


class LocalSystems:
    """The inequalities that bound the regions of a network.

    Parameters
    ----------
    net : PiecewiseLinearNet
    """

    def __init__(self, net: PiecewiseLinearNet) -> None:
        self.net = net
        self._last = net.folds[-1][0] + 1 if net.folds else 0
        self._places = {number: (start, stop) for number, start, stop in net.folds}
        absolute = [
            replace(node, matrices=tuple(map(_absolute, node.matrices)), bias=np.abs(node.bias))
            for node in net.nodes[: self._last]
        ]
        self._absolute = replace(net, nodes=(*absolute, *net.nodes[self._last :]))

    def of(self, patterns: Signs) -> tuple[Floats, Floats, Bools]:
        """Return all units' sums as affine functions within regions.

        Parameters
        ----------
        patterns : int8 ndarray of shape (n_regions, n_units)

        Returns
        -------
        coefs : ndarray of shape (n_regions, n_units, n_inputs)
        intercepts : ndarray of shape (n_regions, n_units)
        varies : bool ndarray of shape (n_regions, n_units)
            Whether the sum is not constant in the region. Where it is, the coefficients are exactly 0.
        """
        net, d, n_regions = self.net, self.net.n_inputs, len(patterns)
        coefs = np.empty((n_regions, net.n_units, d))
        intercepts = np.empty((n_regions, net.n_units))
        varies = np.empty((n_regions, net.n_units), dtype=np.bool_)
        widest = max([d, *(node.n_units for node in net.nodes)])
        step = max(1, VALUES_AT_ONCE // (widest * d))
        for start in range(0, n_regions, step):
            here = slice(start, start + step)
            for (first, stop), gradient, constant, moves in self._forward(patterns[here]):
                coefs[here, first:stop] = gradient.transpose(0, 2, 1)
                intercepts[here, first:stop] = constant
                varies[here, first:stop] = moves
        return coefs, intercepts, varies

    def _forward(self, patterns: Signs) -> Iterator[tuple[tuple[int, int], Floats, Floats, Bools]]:
        d = self.net.n_inputs
        # Gradient (n or 1, d, width), constant (n or 1, width) and length of the gradient; 1 until a fold tells
        # the regions apart.
        values: dict[int, tuple[Floats, Floats, Floats]] = {0: (np.eye(d)[None], np.zeros((1, d)), np.ones((1, d)))}
        for number in range(self._last):
            node = self.net.nodes[number]
            gradient, constant = np.zeros((1, d, node.n_units)), node.bias[None].copy()
            terms = np.zeros((1, node.n_units))
            for source, matrix, magnitude in zip(
                node.sources, node.matrices, self._absolute.nodes[number].matrices, strict=True
            ):
                slope, offset, length = values[source]
                gradient = gradient + _times(slope.reshape(-1, slope.shape[-1]), matrix).reshape(len(slope), d, -1)
                constant = constant + _times(offset, matrix)
                terms = terms + _times(length, magnitude)
            lengths = np.sqrt(np.einsum("rdk,rdk->rk", gradient, gradient))
            moves = lengths > CONSTANT * terms
            gradient = gradient * moves[:, None]
            lengths = lengths * moves
            if node.fold is not None:
                start, stop = self._places[number]
                yield (start, stop), gradient, constant, moves
                slopes = node.fold.slopes(patterns[:, start:stop] > 0)
                gradient, constant = gradient * slopes[:, None], constant * slopes
                lengths = lengths * np.abs(slopes)
            values[number + 1] = gradient, constant, lengths
            self.net.forget(values, number)  # type: ignore[arg-type]

    def sides(self, X: Floats, directions: Floats | None = None, size: float = 0.0) -> Sides:
        """Tell on which side of every crease points lie, or the points next to them.

        Parameters
        ----------
        X : ndarray of shape (n_points, n_inputs)
        directions : ndarray of shape (n_points, n_directions, n_inputs), optional
            On a crease, the side is that of a point infinitely little further in the first direction; where that runs
            along the crease, infinitely less in the second, and so on.
        size : float
            How large the numbers were that the points were computed from: rounding left as much in each coordinate as
            in one of this size. 0 for points that are exact.
        """
        n_points, d = X.shape
        moves = np.zeros((n_points, 0, d)) if directions is None else directions
        n_moves = moves.shape[1]
        signs = np.zeros((n_points, self.net.n_units), dtype=np.int8)
        n_zeros = np.zeros(n_points, dtype=np.int64)
        largest_zero, smallest = np.zeros(n_points), np.full(n_points, math.inf)
        # The value, its derivatives, and for both the sum of terms without signs; (n, 1 + n_moves, width).
        first = np.concatenate([X[:, None], moves], axis=1)
        values: dict[int, tuple[Floats, Floats]] = {0: (first, np.maximum(np.abs(first), size))}
        for number in range(self._last):
            node = self.net.nodes[number]
            z, scale = (np.zeros((n_points, 1 + n_moves, node.n_units)) for _ in range(2))
            z[:, 0], scale[:, 0] = node.bias, np.abs(node.bias)
            for source, matrix, magnitude in zip(
                node.sources, node.matrices, self._absolute.nodes[number].matrices, strict=True
            ):
                value, terms = values[source]
                z += _times(value.reshape(-1, value.shape[-1]), matrix).reshape(z.shape)
                scale += _times(terms.reshape(-1, terms.shape[-1]), magnitude).reshape(z.shape)
            is_zero = np.abs(z) <= TOLERANCE * scale
            if node.fold is not None:
                share = np.divide(np.abs(z), scale, out=np.zeros_like(z), where=scale > 0)
                # A derivative matters only where the value and the derivatives before it are 0.
                asked = np.logical_and.accumulate(is_zero, axis=1)
                asked = np.concatenate([np.ones_like(asked[:, :1]), asked[:, :-1]], axis=1)
                n_zeros += (asked & is_zero & (scale > 0)).sum(axis=(1, 2))
                largest_zero = np.maximum(largest_zero, np.where(asked & is_zero, share, 0.0).max(axis=(1, 2)))
                smallest = np.minimum(smallest, np.where(asked & ~is_zero, share, np.inf).min(axis=(1, 2)))
                z = np.where(is_zero, 0.0, z)
                deciding = np.argmin(is_zero, axis=1)  # the first that is not 0
                start, stop = self._places[number]
                side = np.sign(np.take_along_axis(z, deciding[:, None], axis=1)[:, 0])
                signs[:, start:stop] = side
                slopes = node.fold.slopes(side > 0)[:, None]
                z, scale = z * slopes, scale * np.abs(slopes)
            values[number + 1] = z, scale
            self.net.forget(values, number)  # type: ignore[arg-type]
        return Sides(signs=signs, n_zeros=n_zeros, largest_zero=largest_zero, smallest_nonzero=smallest)


def _absolute(matrix: Matrix | None) -> Matrix | None:
    return None if matrix is None else entrywise(np.abs, matrix)


def _times(rows: Floats, matrix: Matrix | None) -> Floats:
    return rows if matrix is None else np.asarray(rows @ matrix)


def inequalities(signs: Signs, coefs: Floats, intercepts: Floats, varies: Bools) -> tuple[Floats, Floats]:
    """Turn units' sums into rows ``A x <= b`` of length 1, of shape (..., n_units, n_inputs) and (..., n_units).

    Rows of units that do not bend in the region are 0, with an infinite ``b``.
    """
    lengths = np.sqrt(np.einsum("...d,...d->...", coefs, coefs))
    lengths[~varies] = 1.0
    factors = np.where(varies, signs, 0) / lengths
    return -factors[..., None] * coefs, np.where(varies, factors * intercepts, np.inf)


def as_box(box: Any, n_inputs: int) -> tuple[Floats, Floats]:
    """Read a box given as ``(lower, upper)``, each a number or one for every input.

    Raises
    ------
    DataError
        If it does not fit, or is empty, or not finite.
    """
    try:
        low, high = box
        lower, upper = (np.array(np.broadcast_to(np.asarray(side, np.float64), (n_inputs,))) for side in (low, high))
    except (TypeError, ValueError):
        raise DataError(
            f"box={box!r} is no box for {n_inputs} inputs",
            hint="give two numbers, or two arrays with one number for each input: (lower, upper)",
        ) from None
    bad = np.flatnonzero(~(np.isfinite(lower) & np.isfinite(upper) & (lower < upper)))
    if len(bad):
        raise DataError(f"the box goes from {lower[bad[0]]} to {upper[bad[0]]} in input {bad[0]}, counted from 0")
    return lower, upper


def box_rows(lower: Floats, upper: Floats) -> tuple[Floats, Floats, Ints]:
    """Rows ``A x <= b`` of a box, and their names as units: -1 for the lower end of input 0, -2 for its upper end."""
    d = len(lower)
    A = np.zeros((2 * d, d))
    A[np.arange(0, 2 * d, 2), np.arange(d)] = -1.0
    A[np.arange(1, 2 * d, 2), np.arange(d)] = 1.0
    return A, np.column_stack([-lower, upper]).ravel(), -1 - np.arange(2 * d)
