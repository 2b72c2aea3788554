"""The affine form of a piecewise-linear network: affine maps and folds, and nothing else.

Between its creases a ReLU network is a plane, so all that its geometry needs is where the folds are and which affine
maps lie between them. Convolutions, batch normalisation, average pooling, residual sums and whatever else is affine
become matrices; LeakyReLU, absolute value, clipping and maxima become folds::

    |z|          = fold of z with slopes -1 and 1
    clip(z, a, b) = a + relu(z - a) - relu(z - b)
    max(u, v)    = v + relu(u - v)

All numbers are float64; the weights of a float32 network are represented exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError, ParameterError
from planefold.core.records import Record
from planefold.networks.matrices import Matrix, dense, n_entries

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Signs = npt.NDArray[np.int8]

VALUES_AT_ONCE = 2**22  # numbers per piece of rows, 32 MiB; with larger pieces sparse matrices are slower


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Fold(Record):
    """What becomes of a sum ``z``: ``right * z`` where it is positive, ``left * z`` where it is not.

    Parameters
    ----------
    layer : str
        Which layer folds, as people know it: "hidden 1", "features.3", "preparation".
    left, right : float or ndarray of shape (n_units,)
        The slopes: 0 and 1 for ReLU.
    depth : int
        Which layer of folds this is, counted from 1 in the order of computation; folds of one layer (the two ends of a
        clip, the rounds of a maximum) share it. 0 is the preparation of the columns.
    units : tuple of str
        What the units are called; empty when they are only numbered.
    """

    layer: str
    left: float | Floats = 0.0
    right: float | Floats = 1.0
    depth: int = 1
    units: tuple[str, ...] = ()

    def __call__(self, z: Floats) -> Floats:
        """Fold sums, an array of shape (..., n_units)."""
        if isinstance(self.left, float) and isinstance(self.right, float) and 0 <= self.left <= self.right == 1:
            return np.maximum(z, self.left * z if self.left else 0.0)
        return z * self.slopes(z > 0)

    def slopes(self, is_right: npt.NDArray[np.bool_]) -> Floats:
        """The slope of each unit on the side where it is; of the shape of ``is_right``."""
        return np.where(is_right, self.right, self.left)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Node(Record):
    """One step: the sum of affine maps of earlier values, and possibly a fold.

    Parameters
    ----------
    sources : tuple of int
        Which values it reads; 0 is the input of the network, ``i`` is what node ``i - 1`` gave.
    matrices : tuple of matrix of shape (n_of_source, n_units), or None for the identity
    bias : ndarray of shape (n_units,)
    fold : Fold or None
    """

    sources: tuple[int, ...]
    matrices: tuple[Matrix | None, ...]
    bias: Floats
    fold: Fold | None = None

    @property
    def n_units(self) -> int:
        """Length of its value."""
        return len(self.bias)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PiecewiseLinearNet(Record):
    """A network of affine maps and folds.

    Parameters
    ----------
    n_inputs : int
    nodes : tuple of Node
        In the order of computation; the last one gives the outputs, and does not fold.
    input_shape : tuple of int
        As the network takes one row, such as (3, 32, 32); rows are flat here, in C order.
    input_names, output_names : tuple of str
        As people know them; empty when they have no names.
    link : str
        What the model does with the outputs and is left out here: "identity", "logistic" or "softmax", which are
        increasing, so borders stay where they are.
    offsets : tuple of float
        What each output is compared with where a class is decided, 0 by default: one output decides for class 1 above
        its offset, of several the one wins that is furthest above its own.
    description : str
        What it was made of, for messages.

    Notes
    -----
    *Units* are numbered through all folds in order of computation; :attr:`folds` says which fold has which. A *pattern*
    says for each unit on which side of its crease a point lies: +1 where its sum is positive, -1 where negative, 0 on
    the crease.
    """

    n_inputs: int
    nodes: tuple[Node, ...]
    input_shape: tuple[int, ...] = ()
    input_names: tuple[str, ...] = ()
    output_names: tuple[str, ...] = ()
    link: str = "identity"
    offsets: tuple[float, ...] = ()
    description: str = "network"
    #: Node number, first unit and last unit + 1 of each fold, in order of computation.
    folds: tuple[tuple[int, int, int], ...] = field(init=False)
    _last_use: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        first, folds = 0, []
        last_use = [0] * (len(self.nodes) + 1)
        for number, node in enumerate(self.nodes):
            if node.fold is not None:
                folds.append((number, first, first + node.n_units))
                first += node.n_units
            for source in node.sources:
                last_use[source] = number
        object.__setattr__(self, "folds", tuple(folds))
        object.__setattr__(self, "_last_use", tuple(last_use))
        object.__setattr__(self, "input_shape", self.input_shape or (self.n_inputs,))
        object.__setattr__(self, "offsets", self.offsets or (0.0,) * self.n_outputs)

    def __str__(self) -> str:
        layers = ", ".join(f"{width:,}" for width in self.widths) or "no"
        said = f"{self.description}: {self.n_inputs:,} inputs, {layers} units that fold, {self.n_outputs:,} outputs"
        return said + (f" before the {self.link} link" if self.link != "identity" else "")

    # ------------------------------------------------------------------------------------------------ what there is

    @property
    def n_outputs(self) -> int:
        """Outputs before the link."""
        return self.nodes[-1].n_units

    @property
    def n_units(self) -> int:
        """Creases that the network can make: units of all folds together."""
        return self.folds[-1][2] if self.folds else 0

    @property
    def widths(self) -> tuple[int, ...]:
        """Units of each layer of folds (folds of one depth counted together), in order."""
        found: dict[int, int] = {}
        for number, start, stop in self.folds:
            depth = self._fold(number).depth
            found[depth] = found.get(depth, 0) + stop - start
        return tuple(found.values())

    @property
    def n_multiplications(self) -> int:
        """Weights that a row is multiplied by, the identity's not counted."""
        return sum(n_entries(matrix) for node in self.nodes for matrix in node.matrices)

    def _fold(self, number: int) -> Fold:
        fold = self.nodes[number].fold
        assert fold is not None
        return fold

    def fold_of(self, unit: int) -> tuple[Fold, int]:
        """Return the fold that a unit belongs to, and its number in there."""
        for number, start, stop in self.folds:
            if start <= unit < stop:
                return self._fold(number), unit - start
        raise ParameterError(f"unit={unit} does not exist: there are {self.n_units}, counted from 0")

    def unit_name(self, unit: int) -> str:
        """Name a unit in words: "hidden 2, unit 17", counted from 1."""
        fold, place = self.fold_of(unit)
        return f"{fold.layer}, {fold.units[place] if fold.units else f'unit {place + 1}'}"

    @property
    def unit_slices(self) -> dict[int, slice]:
        """The units of each node that folds: their places among all units, by the node's number."""
        return {number: slice(start, stop) for number, start, stop in self.folds}

    def depths(self) -> npt.NDArray[np.int64]:
        """Depth of each unit's fold, shape (n_units,)."""
        parts = [np.full(stop - start, self._fold(number).depth) for number, start, stop in self.folds]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    # ------------------------------------------------------------------------------------------------- computing it

    def rows(self, X: npt.ArrayLike) -> Floats:
        """Bring rows of any shape that fits to (n_rows, n_inputs), float64.

        Raises
        ------
        DataError
            If they do not fit, or a number is not finite.
        """
        try:
            array = np.asarray(X, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"points for {self.description} are not made of numbers: {error}",
                hint="columns_of(model).rows(table) brings the rows of a table to numbers",
            ) from None
        if array.ndim == len(self.input_shape) and array.size == self.n_inputs and array.shape == self.input_shape:
            array = array[None]
        if array.ndim < 2 or int(np.prod(array.shape[1:])) != self.n_inputs:
            raise DataError(
                f"points of shape {np.shape(X)} do not fit {self.description} with {self.n_inputs} inputs",
                hint=f"give an array of shape (n_points, {', '.join(map(str, self.input_shape))})",
            )
        if not np.isfinite(array).all():
            place = np.argwhere(~np.isfinite(array))[0]
            raise DataError(f"point {place[0]} holds {array[tuple(place)]}, which is no finite number")
        return np.ascontiguousarray(array.reshape(len(array), self.n_inputs))

    def sums(self, values: Mapping[int, Floats], number: int) -> Floats:
        """Compute the affine part of one node, (n_rows, n_units), from the values that it reads."""
        node = self.nodes[number]
        total: Floats | None = None
        for source, matrix in zip(node.sources, node.matrices, strict=True):
            part = values[source] if matrix is None else values[source] @ matrix
            if total is None:
                total = part + node.bias if matrix is None else np.add(part, node.bias, out=part)
            else:
                total += part
        if total is None:
            n_rows = len(next(iter(values.values())))
            total = np.broadcast_to(node.bias, (n_rows, node.n_units)).copy()
        return total

    def steps(self, values: dict[int, Floats], first: int = 0, last: int | None = None) -> Iterator[tuple[int, Floats]]:
        """Compute nodes ``first`` to ``last - 1``; after each sum that is folded, yield the node's number and the sum.

        Parameters
        ----------
        values : dict
            Value number -> array of shape (n_rows, n). Read and written: what no later node reads is taken out.
        """
        for number in range(first, len(self.nodes) if last is None else last):
            node = self.nodes[number]
            z = self.sums(values, number)
            if node.fold is not None:
                yield number, z
                z = node.fold(z)
            values[number + 1] = z
            self.forget(values, number)

    def forget(self, values: dict[int, Floats], number: int) -> None:
        """Take out what no node after ``number`` reads."""
        for source in [source for source in values if source <= number and self._last_use[source] <= number]:
            del values[source]

    def outputs(self, X: npt.ArrayLike) -> Floats:
        """Compute the outputs before the link, (n_rows, n_outputs)."""
        rows = self.rows(X)
        result = np.empty((len(rows), self.n_outputs))
        for piece in self._pieces(len(rows)):
            values = {0: rows[piece]}
            for _ in self.steps(values):
                pass
            result[piece] = values[len(self.nodes)]
        return result

    def sums_of_units(self, X: npt.ArrayLike) -> Floats:
        """Compute every unit's sum before it is folded, (n_rows, n_units)."""
        rows = self.rows(X)
        result = np.empty((len(rows), self.n_units))
        for piece, units, z in self._sums_by_fold(rows):
            result[piece, units] = z
        return result

    def patterns(self, X: npt.ArrayLike) -> Signs:
        """Say for each row and unit on which side of the crease it is: an int8 array of shape (n_rows, n_units)."""
        rows = self.rows(X)
        result = np.empty((len(rows), self.n_units), dtype=np.int8)
        for piece, units, z in self._sums_by_fold(rows):
            result[piece, units] = np.sign(z)
        return result

    def _sums_by_fold(self, rows: Floats) -> Iterator[tuple[slice, slice, Floats]]:
        places = self.unit_slices
        for piece in self._pieces(len(rows)):
            for number, z in self.steps({0: rows[piece]}):
                yield piece, places[number], z

    def _pieces(self, n_rows: int, per_row: int = 1) -> Iterator[slice]:
        widest = max([self.n_inputs, *(node.n_units for node in self.nodes)])
        step = max(1, VALUES_AT_ONCE // (4 * widest * per_row))
        return (slice(start, start + step) for start in range(0, n_rows, step))

    # ---------------------------------------------------------------------------------------------- the planes of it

    def local_maps(self, patterns: Signs, outputs: Sequence[int] | None = None) -> tuple[Floats, Floats]:
        """Return the affine map that the network is in regions given by their patterns.

        Parameters
        ----------
        patterns : int8 ndarray of shape (n_regions, n_units)
            A unit on its crease (0) counts as on the left of it.
        outputs : sequence of int, optional
            Of which outputs; all by default.

        Returns
        -------
        coefs : ndarray of shape (n_regions, n_outputs, n_inputs)
        intercepts : ndarray of shape (n_regions, n_outputs)
            ``f(x) = coefs @ x + intercepts`` in each region. By backpropagation: one pass for all regions and outputs.
        """
        chosen = np.arange(self.n_outputs) if outputs is None else np.asarray(outputs)
        n_regions, n_chosen = len(patterns), len(chosen)
        coefs = np.empty((n_regions, n_chosen, self.n_inputs))
        intercepts = np.empty((n_regions, n_chosen))
        places = self.unit_slices
        for regions in self._pieces(n_regions, max(1, n_chosen)):
            here = patterns[regions]
            gradients: dict[int, Floats] = {len(self.nodes): np.tile(np.eye(self.n_outputs)[chosen], (len(here), 1))}
            constant = np.zeros(len(here) * n_chosen)
            for number in reversed(range(len(self.nodes))):
                node = self.nodes[number]
                gradient = gradients.pop(number + 1, None)
                if gradient is None:
                    continue
                if node.fold is not None:
                    slopes = node.fold.slopes(here[:, places[number]] > 0)
                    gradient = (gradient.reshape(len(here), n_chosen, -1) * slopes[:, None]).reshape(gradient.shape)
                constant += gradient @ node.bias
                for source, matrix in zip(node.sources, node.matrices, strict=True):
                    part = gradient if matrix is None else gradient @ matrix.T
                    gradients[source] = gradients[source] + part if source in gradients else part
            found = gradients.get(0)
            coefs[regions] = 0.0 if found is None else found.reshape(len(here), n_chosen, self.n_inputs)
            intercepts[regions] = constant.reshape(len(here), n_chosen)
        return coefs, intercepts

    def maps_of_units(self, pattern: Signs) -> tuple[Floats, Floats]:
        """Return each unit's sum as an affine function of the input, within one region.

        Parameters
        ----------
        pattern : int8 ndarray of shape (n_units,)

        Returns
        -------
        coefs : ndarray of shape (n_units, n_inputs)
        intercepts : ndarray of shape (n_units,)
            The region is where ``pattern * (coefs @ x + intercepts) >= 0``.
        """
        coefs, intercepts = np.empty((self.n_units, self.n_inputs)), np.empty(self.n_units)
        places = self.unit_slices
        # The rows that go forward: the images of the unit vectors, which take no bias, and of the origin, which does.
        values: dict[int, Floats] = {0: np.vstack([np.eye(self.n_inputs), np.zeros((1, self.n_inputs))])}
        last = self.folds[-1][0] if self.folds else -1
        for number in range(last + 1):
            node = self.nodes[number]
            z = self.sums(values, number)
            z[:-1] -= node.bias
            if node.fold is not None:
                units = places[number]
                coefs[units], intercepts[units] = z[:-1].T, z[-1]
                z = z * node.fold.slopes(pattern[units] > 0)
            values[number + 1] = z
            self.forget(values, number)
        return coefs, intercepts

    # -------------------------------------------------------------------------------------------- other nets from it

    def restricted(self, origin: npt.ArrayLike, directions: npt.ArrayLike) -> PiecewiseLinearNet:
        """Return the network on a line, a plane or a flat of higher dimension through its input space.

        Parameters
        ----------
        origin : array-like of shape (n_inputs,)
        directions : array-like of shape (n_directions, n_inputs)
            The new network reads ``t`` where this one reads ``origin + t @ directions``.
        """
        start = self.rows(np.asarray(origin, dtype=np.float64).reshape(1, -1))[0]
        spanned = self.rows(np.asarray(directions, dtype=np.float64).reshape(-1, start.size))
        return self.after_affine(spanned, start, input_names=())

    def after_affine(self, matrix: Floats, bias: Floats, *, input_names: tuple[str, ...] = ()) -> PiecewiseLinearNet:
        """Return the network that reads ``x`` where this one reads ``x @ matrix + bias``."""
        nodes = tuple(
            replace(
                node,
                matrices=tuple(
                    (matrix if old is None else matrix @ old) if source == 0 else old
                    for source, old in zip(node.sources, node.matrices, strict=True)
                ),
                bias=node.bias
                + sum(
                    (bias if old is None else (bias[None] @ old)[0])
                    for source, old in zip(node.sources, node.matrices, strict=True)
                    if source == 0
                ),
            )
            for node in self.nodes
        )
        return replace(self, n_inputs=len(matrix), nodes=nodes, input_shape=(len(matrix),), input_names=input_names)

    def after(self, first: PiecewiseLinearNet) -> PiecewiseLinearNet:
        """Return the network that reads the outputs of ``first``: preparation and network in one."""
        shift = len(first.nodes)
        moved = (replace(node, sources=tuple(source + shift for source in node.sources)) for node in self.nodes)
        return replace(
            self,
            n_inputs=first.n_inputs,
            nodes=(*first.nodes, *moved),
            input_shape=first.input_shape,
            input_names=first.input_names,
        )

    def with_outputs(
        self, matrix: npt.ArrayLike, bias: npt.ArrayLike | None = None, *, output_names: tuple[str, ...] = ()
    ) -> PiecewiseLinearNet:
        """Return the network with other outputs, ``outputs @ matrix + bias``: one class against another, say.

        These are compared with 0: they have no names but those given, and no offsets.
        """
        combined = np.asarray(matrix, dtype=np.float64)
        last = self.nodes[-1]
        bias = np.zeros(combined.shape[1]) if bias is None else np.asarray(bias, dtype=np.float64)
        node = replace(
            last,
            matrices=tuple(combined if old is None else dense(old) @ combined for old in last.matrices),
            bias=last.bias @ combined + bias,
        )
        return replace(self, nodes=(*self.nodes[:-1], node), output_names=output_names, offsets=())
