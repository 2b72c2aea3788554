"""Building the affine form: :class:`Builder` puts affine steps together, so that only folds become nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from planefold.core.errors import DataError
from planefold.core.records import Record
from planefold.networks.affine import Floats, Fold, Node, PiecewiseLinearNet
from planefold.networks.matrices import Blocks, Matrix, compact, dense, is_sparse, n_nonzero

# Products of matrices with more entries than this are not computed to see whether they are worth it.
ENTRIES_TO_TRY = 2**24


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Value(Record):
    """An affine combination of what nodes gave, while a network is built: sum of ``node @ matrix``, plus ``bias``.

    ``shape`` is that of one row, as the source library has it; the entries are flat in C order.
    """

    terms: Mapping[int, Matrix | None]
    bias: Floats
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many numbers it is."""
        return len(self.bias)


class Builder:
    """Builds a network step by step; affine steps are put together, so that only folds become nodes.

    Parameters
    ----------
    input_shape : sequence of int
        Shape of one row.

    Examples
    --------
    >>> builder = Builder((2,))
    >>> hidden = builder.fold(builder.affine(builder.input, np.eye(2), np.zeros(2)), layer="hidden 1")
    >>> net = builder.finish(builder.affine(hidden, np.ones((2, 1)), np.zeros(1)))
    >>> net.outputs([[1.0, -2.0]])
    array([[1.]])
    """

    def __init__(self, input_shape: Sequence[int]) -> None:
        self.input_shape = tuple(int(length) for length in input_shape)
        size = int(np.prod(self.input_shape))
        self.nodes: list[Node] = []
        self.input = Value(terms={0: None}, bias=np.zeros(size), shape=self.input_shape)
        self._depth = 0

    # ------------------------------------------------------------------------------------------------------- affine

    def affine(
        self, value: Value, matrix: Matrix, bias: npt.ArrayLike | None = None, shape: Sequence[int] | None = None
    ) -> Value:
        """Return ``value @ matrix + bias``; ``matrix`` is (size, n_units)."""
        with np.errstate(invalid="ignore"):  # weights that are not finite are refused at the end, by name
            apart = sum(n_nonzero(old) for old in value.terms.values() if old is not None) + n_nonzero(matrix)
            too_many = sum(_most_entries(old, matrix) for old in value.terms.values()) > max(apart, ENTRIES_TO_TRY)
            products = {} if too_many else _products(value, matrix)
            if too_many or apart < sum(map(n_nonzero, products.values())):
                value = self.node(value)  # a bottleneck: its two sides are less than their product
                products = _products(value, matrix)
            terms = {source: compact(product) for source, product in products.items()}
            moved = (value.bias[None] @ matrix)[0]
        n_units = matrix.shape[1]
        return Value(
            terms=terms,
            bias=moved if bias is None else moved + np.broadcast_to(np.asarray(bias, dtype=np.float64), n_units),
            shape=(n_units,) if shape is None else tuple(shape),
        )

    def scaled(self, value: Value, factor: npt.ArrayLike, shift: npt.ArrayLike = 0.0) -> Value:
        """Return ``value * factor + shift``, number by number; both broadcast against the value's shape."""
        factors = np.broadcast_to(np.asarray(factor, dtype=np.float64), value.shape).ravel()
        shifts = np.broadcast_to(np.asarray(shift, dtype=np.float64), value.shape).ravel()
        if (factors == 1).all():
            return replace(value, bias=value.bias + shifts)
        result = self.affine(value, sp.diags_array(factors, format="csr"), shifts)
        return replace(result, shape=value.shape)

    def selected(self, value: Value, places: npt.NDArray[np.int64]) -> Value:
        """Return entries of a value, in the shape of ``places``; -1 gives 0. Slices and paddings are selections."""
        flat = places.ravel()
        there = flat >= 0
        if flat.size == value.size and (flat == np.arange(value.size)).all():
            return replace(value, shape=places.shape)
        entries = (np.ones(int(there.sum())), (flat[there], np.flatnonzero(there)))
        matrix = sp.csr_array(entries, shape=(value.size, flat.size))
        return replace(self.affine(value, matrix), shape=places.shape)

    def reshaped(self, value: Value, shape: Sequence[int]) -> Value:
        """Return the same numbers in another shape."""
        return replace(value, shape=tuple(shape))

    def total(self, values: Iterable[Value]) -> Value:
        """Return the sum of values of one shape."""
        first, *others = values
        terms, bias = dict(first.terms), first.bias
        for other in others:
            bias = bias + other.bias
            for source, matrix in other.terms.items():
                terms[source] = _sum(terms[source], matrix, other.size) if source in terms else matrix
        return replace(first, terms=terms, bias=bias)

    def constant(self, numbers: npt.ArrayLike) -> Value:
        """Return numbers that do not depend on the input."""
        array = np.asarray(numbers, dtype=np.float64)
        return Value(terms={}, bias=array.ravel(), shape=array.shape)

    def concatenated(self, values: Sequence[Value], axis: int = 0) -> Value:
        """Join values along an axis of one row."""
        sizes = [value.size for value in values]
        starts = np.cumsum([0, *sizes])
        numbered = [
            np.arange(size).reshape(value.shape) + start
            for value, size, start in zip(values, sizes, starts[:-1], strict=True)
        ]
        order = np.concatenate(numbered, axis=axis)
        parts = []
        for value, start in zip(values, starts[:-1], strict=True):
            places = np.full(order.size, -1, dtype=np.int64)
            mine = (order.ravel() >= start) & (order.ravel() < start + value.size)
            places[mine] = order.ravel()[mine] - start
            parts.append(self.selected(value, places))
        return replace(self.total(parts), shape=order.shape)

    # -------------------------------------------------------------------------------------------------------- folds

    def new_depth(self) -> int:
        """Begin a layer of folds; folds that are made with the same depth count as one layer."""
        self._depth += 1
        return self._depth

    def node(self, value: Value, fold: Fold | None = None) -> Value:
        """Make a node of a value: compute it, fold it, and go on with the result."""
        is_node = not value.bias.any() and [matrix is None for matrix in value.terms.values()] == [True]
        if fold is None and (is_node or not value.terms):
            return value  # it is one already, or a constant
        self.nodes.append(
            Node(sources=tuple(value.terms), matrices=tuple(value.terms.values()), bias=value.bias, fold=fold)
        )
        return Value(terms={len(self.nodes): None}, bias=np.zeros(value.size), shape=value.shape)

    def fold(
        self,
        value: Value,
        *,
        layer: str,
        left: npt.ArrayLike = 0.0,
        right: npt.ArrayLike = 1.0,
        depth: int | None = None,
        units: tuple[str, ...] = (),
    ) -> Value:
        """Fold a value at 0, with slopes that broadcast against its shape: ReLU by default."""
        if not value.terms:  # a constant has no crease
            z = value.bias.reshape(value.shape)
            return self.constant(z * np.where(z > 0, right, left))
        slopes = [_slope(slope, value.shape) for slope in (left, right)]
        depth = self.new_depth() if depth is None else depth
        return self.node(value, Fold(layer=layer, left=slopes[0], right=slopes[1], depth=depth, units=units))

    def clipped(
        self,
        value: Value,
        low: npt.ArrayLike,
        high: npt.ArrayLike,
        *,
        layer: str,
        depth: int | None = None,
        units: tuple[str, ...] = (),
    ) -> Value:
        """Return ``clip(value, low, high)``, of two folds of one layer; an infinite bound is none."""
        depth = self.new_depth() if depth is None else depth
        bottom, top = (np.broadcast_to(np.asarray(bound, np.float64), value.shape) for bound in (low, high))
        has_bottom, has_top = np.isfinite(bottom), np.isfinite(top)
        parts = [value]
        if has_bottom.any():
            named = tuple(f"{unit}, lower end" for unit in units)
            bottom = np.where(has_bottom, bottom, 0.0)  # where there is none, the fold has slope 1 on both sides
            left = 0.0 if has_bottom.all() else np.where(has_bottom, 0.0, 1.0)
            risen = self.fold(self.scaled(value, 1.0, -bottom), left=left, layer=layer, depth=depth, units=named)
            parts = [self.scaled(risen, 1.0, bottom)]
        if has_top.any():
            named = tuple(f"{unit}, upper end" for unit in units)
            top = np.where(has_top, top, 0.0)
            right = 1.0 if has_top.all() else np.where(has_top, 1.0, 0.0)
            above = self.fold(self.scaled(value, 1.0, -top), right=right, layer=layer, depth=depth, units=named)
            parts.append(self.scaled(above, -1.0))
        return self.total(parts)

    def maximum(self, first: Value, second: Value, *, layer: str, depth: int | None = None) -> Value:
        """Return the larger of two values, number by number: ``second + relu(first - second)``."""
        difference = self.total([first, self.scaled(second, -1.0)])
        return self.total([second, self.fold(difference, layer=layer, depth=depth)])

    def largest(self, value: Value, places: npt.NDArray[np.int64], *, layer: str) -> Value:
        """Return maxima over windows, as a tournament of pairs.

        Parameters
        ----------
        places : int ndarray of shape (..., n_in_window)
            Which entries compete; -1 is none.
        """
        depth, value = self.new_depth(), self.node(value)  # so that what computes it is not taken apart by the windows
        *shape, n_window = places.shape
        table = places.reshape(-1, n_window).copy()
        # An absent competitor repeats one who is there: max(a, a) = a, whose crease is nowhere.
        table = np.where(table >= 0, table, table.max(axis=1, keepdims=True))
        rivals = [self.selected(value, table[:, k]) for k in range(n_window)]
        while len(rivals) > 1:
            pairs = [rivals[k : k + 2] for k in range(0, len(rivals), 2)]
            rivals = [
                self.node(self.maximum(*pair, layer=layer, depth=depth)) if len(pair) == 2 else pair[0]
                for pair in pairs
            ]
        return replace(rivals[0], shape=tuple(shape))

    # ---------------------------------------------------------------------------------------------------------- end

    def finish(
        self,
        value: Value,
        *,
        input_names: Sequence[str] = (),
        output_names: Sequence[str] = (),
        link: str = "identity",
        description: str = "network",
    ) -> PiecewiseLinearNet:
        """Return the network that gives ``value``.

        Raises
        ------
        DataError
            If a weight is not finite.
        """
        nodes = [*self.nodes, Node(sources=tuple(value.terms), matrices=tuple(value.terms.values()), bias=value.bias)]
        for number, node in enumerate(nodes):
            for array in (node.bias, *(_entries(matrix) for matrix in node.matrices if matrix is not None)):
                if not np.isfinite(array).all():
                    where = node.fold.layer if node.fold else "the output" if number == len(nodes) - 1 else "a layer"
                    raise DataError(
                        f"{description}: {where} has a weight or a bias that is not finite",
                        hint="a training that diverged leaves such weights; train again with a lower learning rate",
                    )
        return PiecewiseLinearNet(
            n_inputs=self.input.size,
            nodes=tuple(nodes),
            input_shape=self.input_shape,
            input_names=tuple(input_names),
            output_names=tuple(output_names),
            link=link,
            description=description,
        )


def _entries(matrix: Matrix) -> Floats:
    if isinstance(matrix, Blocks):
        return matrix.blocks
    return np.asarray(matrix.data if is_sparse(matrix) else matrix)


def _most_entries(first: Matrix | None, second: Matrix) -> int:
    """Bound the entries of a product from above, without computing it."""
    if first is None:
        return n_nonzero(second)
    most = int(first.shape[0] * second.shape[1])
    if is_sparse(first) and is_sparse(second):
        # Each entry of a column meets each of the row: their number is the entries of the product, sums not merged.
        meeting = np.bincount(first.indices, minlength=second.shape[0]) @ np.diff(second.indptr).astype(np.int64)
        return min(most, int(meeting))
    return most


def _products(value: Value, matrix: Matrix) -> dict[int, Matrix]:
    return {source: matrix if old is None else _product(old, matrix) for source, old in value.terms.items()}


def _product(first: Matrix, second: Matrix) -> Matrix:
    if isinstance(first, Blocks) or isinstance(second, Blocks):
        return dense(first) @ dense(second)
    return first @ second


def _sum(first: Matrix | None, second: Matrix | None, size: int) -> Matrix:
    added: list[Matrix] = [sp.eye_array(size, format="csr") if matrix is None else matrix for matrix in (first, second)]
    if all(map(is_sparse, added)):
        return compact(added[0] + added[1])
    return dense(added[0]) + dense(added[1])


def _slope(slope: npt.ArrayLike, shape: tuple[int, ...]) -> float | Floats:
    array = np.asarray(slope, dtype=np.float64)
    return float(array) if array.ndim == 0 else np.broadcast_to(array, shape).ravel().copy()
