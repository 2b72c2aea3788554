"""Deciding single signs without rounding: weights and corners are dyadic rationals, so Python's integers suffice."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError
from planefold.networks.affine import Floats, PiecewiseLinearNet, Signs
from planefold.networks.matrices import Matrix, dense, is_sparse

# Arrays of Python integers, and the power of two that they are divided by.
Dyadic = tuple[npt.NDArray[Any], int]
Line = tuple[int, int, int]
Point = tuple[int, int, int]


class InconsistentSignsError(Exception):
    """Signs that rounding has decided contradict each other; all of them are then decided in rationals."""


def dyadic(numbers: Floats) -> Dyadic:
    """Write floats as integers over one power of two, exactly.

    >>> dyadic(np.array([0.75, -2.0]))
    (array([3, -8], dtype=object), 2)
    """
    mantissas, exponents = np.frexp(np.asarray(numbers, dtype=np.float64))
    whole = np.ldexp(mantissas, 53).astype(np.int64)
    lowest = np.where(whole == 0, 1, whole & -whole)
    ends = exponents - 53 + np.round(np.log2(lowest.astype(np.float64))).astype(np.int64)
    shift = int(max(0, -ends[whole != 0].min(initial=0)))
    places = exponents - 53 + shift
    integers = np.empty(whole.shape, dtype=object)
    integers.ravel()[:] = [
        int(number) << int(place) if place >= 0 else int(number) >> -int(place)  # what falls off is zeros
        for number, place in zip(whole.ravel(), places.ravel(), strict=True)
    ]
    return integers, shift


def _shifted(numbers: npt.NDArray[Any], places: int) -> npt.NDArray[Any]:
    return numbers * (1 << places) if places else numbers


def _add(first: Dyadic | None, second: Dyadic) -> Dyadic:
    if first is None:
        return second
    shift = max(first[1], second[1])
    return _shifted(first[0], shift - first[1]) + _shifted(second[0], shift - second[1]), shift


class ExactNet:
    """A network on a slice of its inputs, in integers.

    Parameters
    ----------
    net : PiecewiseLinearNet
        The whole network.
    origin : ndarray of shape (n_inputs,)
    directions : ndarray of shape (n_directions, n_inputs)

    Notes
    -----
    Points are homogeneous: ``(X, Y, Q)`` stands for ``(X / Q, Y / Q)``, with ``Q > 0``. No step divides, and no
    greatest common divisor is sought on the way, so a pass costs one multiplication of integers per weight.
    """

    def __init__(self, net: PiecewiseLinearNet, origin: Floats, directions: Floats) -> None:
        self.net = net
        self.frame = dyadic(np.vstack([directions, origin]))
        self._matrices: dict[tuple[int, int], Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {}
        self._shifts: dict[tuple[int, int], int] = {}
        self._biases: dict[int, Dyadic] = {}
        self._slopes: dict[int, tuple[npt.NDArray[Any], npt.NDArray[Any], int]] = {}

    def sums_at(self, point: Point, number: int) -> npt.NDArray[Any]:
        """Return the sums of a node at a point, times one positive number: integers, whose signs are theirs."""
        return self.fractions_at(point, number)[0]

    def fractions_at(self, point: Point, number: int) -> tuple[npt.NDArray[Any], int]:
        """Return the sums of a node at a point: integers (n_units,), and the positive number that divides them."""
        numbers, shift = self._forward(np.array([point], dtype=object), point[2:], number, None)
        return numbers[0], point[2] << shift

    def maps_of(self, pattern: Signs, number: int) -> npt.NDArray[Any]:
        """Return the sums of a node as lines ``A u + B v + C``, (3, n_units), where earlier units have a pattern."""
        weights = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=object)
        return self._forward(weights, (0, 0, 1), number, pattern)[0]

    def _forward(
        self, weights: npt.NDArray[Any], constants: tuple[int, ...], last: int, pattern: Signs | None
    ) -> Dyadic:
        places = self.net.unit_slices
        column = np.array(constants, dtype=object)[:, None]
        values: dict[int, Dyadic] = {0: (weights.dot(self.frame[0]), self.frame[1])}
        for number in range(last + 1):
            node = self.net.nodes[number]
            bias, shift = self._bias(number)
            total: Dyadic | None = None
            for place, (source, matrix) in enumerate(zip(node.sources, node.matrices, strict=True)):
                numbers, scale = values[source]
                if matrix is not None:
                    multiply = self._matrix(number, place, matrix)
                    numbers, scale = multiply(numbers), scale + self._shifts[number, place]
                total = _add(total, (numbers, scale))
            total = _add(total, (column * bias[None], shift))
            if number == last:
                return total
            if node.fold is not None:
                is_right = (total[0][0] > 0) if pattern is None else pattern[places[number]] > 0
                left, right, scale = self._fold_slopes(number)
                slopes = np.where(is_right.astype(bool), right, left)
                total = (total[0] * slopes[None], total[1] + scale)
            values[number + 1] = total
        raise AssertionError("unreachable: the loop ends at the last node")

    def _bias(self, number: int) -> Dyadic:
        if number not in self._biases:
            self._biases[number] = dyadic(self.net.nodes[number].bias)
        return self._biases[number]

    def _fold_slopes(self, number: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any], int]:
        if number not in self._slopes:
            node = self.net.nodes[number]
            assert node.fold is not None
            both, shift = dyadic(
                np.array([np.broadcast_to(s, node.n_units) for s in (node.fold.left, node.fold.right)])
            )
            self._slopes[number] = both[0], both[1], shift
        return self._slopes[number]

    def _matrix(self, number: int, place: int, matrix: Matrix) -> Callable[[npt.NDArray[Any]], npt.NDArray[Any]]:
        key = number, place
        if key not in self._matrices:
            if is_sparse(matrix):
                self._matrices[key], self._shifts[key] = _sparse_product(matrix)
            else:
                integers, self._shifts[key] = dyadic(dense(matrix))
                self._matrices[key] = lambda rows: rows.dot(integers)
        return self._matrices[key]


def _sparse_product(matrix: Matrix) -> tuple[Callable[[npt.NDArray[Any]], npt.NDArray[Any]], int]:
    by_column = matrix.tocsc()
    integers, shift = dyadic(by_column.data)
    filled = np.flatnonzero(np.diff(by_column.indptr))
    starts, rows_of, n_columns = by_column.indptr[filled], by_column.indices, matrix.shape[1]

    def multiply(rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        result = np.zeros((len(rows), n_columns), dtype=object)
        if len(filled):
            result[:, filled] = np.add.reduceat(rows[:, rows_of] * integers, starts, axis=1)
        return result

    return multiply, shift


def sign(number: int) -> int:
    """Return -1, 0 or 1, of an integer of any size."""
    return (number > 0) - (number < 0)


def crossing(first: Line, second: Line) -> Point:
    """Return where two lines ``A u + B v + C = 0`` cross.

    Raises
    ------
    InconsistentSignsError
        If they are parallel.
    """
    x = first[1] * second[2] - first[2] * second[1]
    y = first[2] * second[0] - first[0] * second[2]
    q = first[0] * second[1] - first[1] * second[0]
    if q == 0:
        raise InconsistentSignsError
    divisor = math.gcd(x, y, q) * (1 if q > 0 else -1)
    return x // divisor, y // divisor, q // divisor


def line_through(first: Floats, second: Floats) -> Line:
    """Return the line through two points whose coordinates are floats."""
    ((x0, y0), (x1, y1)), shift = dyadic(np.array([first, second]))
    q = 1 << shift
    if (x0, y0) == (x1, y1):
        raise DataError(f"the points {first} and {second} are one, so there is no line through them")
    return q * (y0 - y1), q * (x1 - x0), x0 * y1 - x1 * y0
