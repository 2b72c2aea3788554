"""Layers that people use, as sparse matrices: convolutions, pooling, sums along an axis.

Where a layer looks is found by arithmetic on entry numbers; no layer is probed with unit vectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from planefold.core.errors import ParameterError, listed
from planefold.networks.affine import Floats, Ints
from planefold.networks.affine_builder import Builder, Value
from planefold.networks.matrices import Matrix

Lengths = Sequence[int]
Paddings = Sequence[tuple[int, int]]

# All matrices of one network together; a sparse entry takes a number of 8 bytes and a place of 4.
MEMORY_LIMIT = 2 * 2**30
BYTES_PER_ENTRY = 12
# Numbers of one value, and places of one table of windows.
MAX_NUMBERS = 2**23


def limited(n_numbers: int, what: str) -> None:
    """Refuse arrays that no network has which can be read, before they are made.

    Raises
    ------
    ParameterError
        If there are more than ``MAX_NUMBERS`` numbers.
    """
    if n_numbers > MAX_NUMBERS:
        raise ParameterError(f"{what} needs {n_numbers:,} numbers at once; the limit is {MAX_NUMBERS:,}")


def n_windows(
    length: int, kernel: int, stride: int, padding: tuple[int, int], dilation: int, ceil_mode: bool = False
) -> int:
    """Count the windows along one axis; with ``ceil_mode`` the last one may reach beyond the padding."""
    room = length + sum(padding) - dilation * (kernel - 1) - 1
    count = (-(-room // stride) if ceil_mode else room // stride) + 1
    if ceil_mode and (count - 1) * stride >= length + padding[0]:
        count -= 1  # a window must begin within the values or the padding on the left
    return count


def windows(
    shape: Lengths,
    kernel: Lengths,
    *,
    stride: Lengths,
    padding: Paddings,
    dilation: Lengths,
    ceil_mode: bool = False,
    n_out: Lengths | None = None,
) -> Ints:
    """Say which entries of an array of this shape each window of a convolution or a pooling sees.

    Returns
    -------
    int64 ndarray of shape (*n_windows_per_axis, n_in_window)
        Entry numbers in C order; -1 is padding.
    """
    by_axis = []
    for axis, length in enumerate(shape):
        count = (
            n_out[axis]
            if n_out
            else n_windows(length, kernel[axis], stride[axis], padding[axis], dilation[axis], ceil_mode)
        )
        if count < 1:
            raise ParameterError(
                f"a window of {listed(kernel)} does not fit values of shape {tuple(shape)}",
                hint="give a larger input_shape",
            )
        limited(count * kernel[axis], "a table of windows")
        starts = np.arange(count)[:, None] * stride[axis] - padding[axis][0]
        by_axis.append(starts + np.arange(kernel[axis])[None] * dilation[axis])
    return _table(shape, by_axis)


def adaptive_windows(shape: Lengths, n_out: Lengths) -> Ints:
    """Say which entries each window of an adaptive pooling sees, -1 where it is smaller than the largest."""
    by_axis = []
    for length, count in zip(shape, n_out, strict=True):
        starts, stops = np.arange(count) * length // count, -(-(np.arange(count) + 1) * length // count)
        places = starts[:, None] + np.arange((stops - starts).max())
        by_axis.append(np.where(places < stops[:, None], places, -1))
    return _table(shape, by_axis)


def _table(shape: Lengths, by_axis: Sequence[Ints]) -> Ints:
    """Combine the places along each axis, (n_windows, n_in_window) each, to places in the whole array."""
    limited(math.prod(places.size for places in by_axis), "a table of windows")
    n_axes = len(shape)
    numbers, outside = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.bool_)
    for axis, (length, places) in enumerate(zip(shape, by_axis, strict=True)):
        broad = [1] * (2 * n_axes)
        broad[axis], broad[n_axes + axis] = places.shape
        numbers = numbers * length + places.reshape(broad)
        outside = outside | ((places < 0) | (places >= length)).reshape(broad)
    table = np.where(outside, -1, numbers)
    return table.reshape(*table.shape[:n_axes], -1)


class LayerBuilder(Builder):
    """A builder that knows the layers of other libraries.

    Values have the shapes that they have there, the axis of the batch included, which is 1 long. Matrices beyond
    ``MEMORY_LIMIT`` are refused before they are made.
    """

    def __init__(self, input_shape: Lengths) -> None:
        limited(math.prod(input_shape), f"an input of shape {tuple(input_shape)}")
        super().__init__(input_shape)
        self._bytes = 0

    def reserve(self, n_entries: int, what: str, *, is_dense: bool = False, hint: str | None = None) -> None:
        """Account for a matrix that is about to be made.

        Raises
        ------
        ParameterError
            If all matrices together would take more than ``MEMORY_LIMIT``.
        """
        needed = n_entries * (8 if is_dense else BYTES_PER_ENTRY)
        self._bytes += needed
        if self._bytes > MEMORY_LIMIT:
            raise ParameterError(
                f"{what} needs a matrix of {n_entries:,} entries, {needed / 2**30:.1f} GiB",
                details=f"with what came before it that is {self._bytes / 2**30:.1f} GiB; the limit is "
                f"{MEMORY_LIMIT / 2**30:.1f} GiB",
                hint=hint or "read the part of the network behind this layer, or a smaller network",
            )

    # ------------------------------------------------------------------------------------------------- along an axis

    def along_axis(
        self, value: Value, matrix: Floats, axis: int, bias: npt.ArrayLike | None = None, *, what: str = "this layer"
    ) -> Value:
        """Multiply along one axis by a matrix of shape (n_of_axis, n_new), and add a bias of shape (n_new,)."""
        axis %= len(value.shape)
        before, after = math.prod(value.shape[:axis]), math.prod(value.shape[axis + 1 :])
        n_old, n_new = matrix.shape
        shape = (*value.shape[:axis], n_new, *value.shape[axis + 1 :])
        self.reserve(before * n_old * n_new * after, what, is_dense=before * after == 1)
        whole: Matrix = matrix
        if before * after > 1:
            whole = sp.csr_array(sp.kron(sp.kron(sp.eye_array(before), sp.csr_array(matrix)), sp.eye_array(after)))
        shift = None if bias is None else np.tile(np.repeat(np.asarray(bias, np.float64), after), before)
        return self.affine(value, whole, shift, shape)

    def product(self, first: Value | Floats, second: Value | Floats, *, what: str = "a layer") -> Value:
        """Multiply matrices as NumPy's ``@`` does; one of the two is a constant of one or two axes."""
        if isinstance(first, Value):
            matrix: Floats = np.asarray(second)
            found = self.along_axis(first, matrix[:, None] if matrix.ndim == 1 else matrix, -1, what=what)
            return self.reshaped(found, found.shape[:-1]) if matrix.ndim == 1 else found
        assert isinstance(second, Value)
        axis = max(0, len(second.shape) - 2)
        found = self.along_axis(second, (first[None] if first.ndim == 1 else first).T, axis, what=what)
        if first.ndim == 1:
            return self.reshaped(found, (*found.shape[:axis], *found.shape[axis + 1 :]))
        return found

    def averaged(self, value: Value, axes: Lengths, *, keepdims: bool, is_sum: bool = False) -> Value:
        """Return means, or sums, over some axes."""
        for axis in axes:
            length = value.shape[axis]
            value = self.along_axis(value, np.full((length, 1), 1.0 if is_sum else 1.0 / length), axis, what="a mean")
        return value if keepdims else self._without(value, axes)

    def largest_along(
        self, value: Value, axes: Lengths, *, keepdims: bool, layer: str, smallest: bool = False
    ) -> Value:
        """Return maxima, or minima, over some axes."""
        axes = [axis % len(value.shape) for axis in axes]
        others = [axis for axis in range(len(value.shape)) if axis not in axes]
        kept = tuple(1 if axis in axes else length for axis, length in enumerate(value.shape))
        places = np.arange(value.size).reshape(value.shape).transpose(*others, *axes)
        found = self.largest_of(value, places.reshape(*(value.shape[axis] for axis in others), -1), layer, smallest)
        return replace(found, shape=kept if keepdims else found.shape)

    def largest_of(self, value: Value, places: Ints, layer: str, smallest: bool = False) -> Value:
        """Return maxima or minima over windows."""
        if not smallest:
            return self.largest(value, places, layer=layer)
        return self.scaled(self.largest(self.scaled(value, -1.0), places, layer=layer), -1.0)

    def _without(self, value: Value, axes: Lengths) -> Value:
        dropped = {axis % len(value.shape) for axis in axes}
        return replace(value, shape=tuple(n for axis, n in enumerate(value.shape) if axis not in dropped))

    # -------------------------------------------------------------------------------------------- broadcasting, gates

    def broadcast(self, value: Value, shape: Lengths) -> Value:
        """Repeat a value as arrays are repeated when they are added."""
        if value.shape == tuple(shape):
            return value
        limited(math.prod(shape), f"a value of shape {tuple(shape)}")
        return self.selected(value, np.broadcast_to(np.arange(value.size).reshape(value.shape), shape))

    def added(self, first: Value, second: Value, factor: float = 1.0) -> Value:
        """Return ``first + factor * second``, repeating the smaller."""
        shape = np.broadcast_shapes(first.shape, second.shape)
        return self.total([self.broadcast(first, shape), self.scaled(self.broadcast(second, shape), factor)])

    def times(self, value: Value, factor: npt.ArrayLike, shift: npt.ArrayLike = 0.0) -> Value:
        """Return ``value * factor + shift``, of the shape that all three have together."""
        shape = np.broadcast_shapes(value.shape, np.shape(factor), np.shape(shift))
        return self.scaled(self.broadcast(value, shape), factor, shift)

    def pairwise_largest(self, first: Value, second: Value, *, layer: str, smallest: bool = False) -> Value:
        """Return the larger, or the smaller, of two values, repeating the smaller shape."""
        shape = np.broadcast_shapes(first.shape, second.shape)
        sign = -1.0 if smallest else 1.0
        pair = [self.scaled(self.broadcast(value, shape), sign) for value in (first, second)]
        return self.scaled(self.maximum(pair[0], pair[1], layer=layer), sign)

    def rearranged(
        self, values: Sequence[Value], how: Callable[[list[Floats]], Sequence[npt.ArrayLike]], fill: float = 0.0
    ) -> list[Value]:
        """Return what a rearrangement gives, which is told by what it does to the numbers of entries.

        Parameters
        ----------
        how : callable
            Gets arrays that hold 1, 2, 3, ... through all values, float64; where it gives 0, the result is ``fill``.
        """
        limited(sum(value.size for value in values), "a joined value")
        starts = np.cumsum([1, *(value.size for value in values)])
        numbered = [
            np.arange(start, stop, dtype=np.float64).reshape(value.shape)
            for value, (start, stop) in zip(values, pairwise(starts), strict=True)
        ]
        found = []
        for numbers in how(numbered):
            places = np.asarray(numbers).astype(np.int64)
            parts = [
                self.selected(value, np.where((places >= start) & (places < stop), places - start, -1))
                for value, (start, stop) in zip(values, pairwise(starts), strict=True)
            ]
            chosen = self.total(parts)
            found.append(self.scaled(chosen, 1.0, fill * (places == 0)) if fill else chosen)
        return found

    # --------------------------------------------------------------------------------------------- windows of an image

    def convolution(
        self,
        value: Value,
        weight: Floats,
        bias: npt.ArrayLike | None = None,
        *,
        stride: Lengths,
        padding: Paddings,
        dilation: Lengths,
        groups: int = 1,
        what: str = "a convolution",
    ) -> Value:
        """Convolve (n, n_channels, *lengths) with a weight of shape (n_out, n_channels / groups, *kernel)."""
        n, _, *lengths = value.shape
        places = windows(lengths, weight.shape[2:], stride=stride, padding=padding, dilation=dilation)
        matrix = self._filters(places, math.prod(lengths), weight, groups, n, f"{what} on values of {tuple(lengths)}")
        shift = None if bias is None else np.tile(np.repeat(np.asarray(bias, np.float64), places[..., 0].size), n)
        return self.affine(value, matrix, shift, (n, len(weight), *places.shape[:-1]))

    def convolution_transposed(
        self,
        value: Value,
        weight: Floats,
        bias: npt.ArrayLike | None = None,
        *,
        stride: Lengths,
        padding: Paddings,
        dilation: Lengths,
        output_padding: Lengths,
        groups: int = 1,
        what: str = "a transposed convolution",
    ) -> Value:
        """Apply the transpose of a convolution; ``weight`` is (n_channels, n_out / groups, *kernel)."""
        n, _, *lengths = value.shape
        kernel = weight.shape[2:]
        grown = [
            (length - 1) * stride[k] - sum(padding[k]) + dilation[k] * (kernel[k] - 1) + output_padding[k] + 1
            for k, length in enumerate(lengths)
        ]
        places = windows(grown, kernel, stride=stride, padding=padding, dilation=dilation, n_out=lengths)
        matrix = self._filters(places, math.prod(grown), weight, groups, n, f"{what} to values of {tuple(grown)}")
        shift = None if bias is None else np.tile(np.repeat(np.asarray(bias, np.float64), math.prod(grown)), n)
        return self.affine(value, sp.csr_array(matrix.T), shift, (n, weight.shape[1] * groups, *grown))

    def _filters(self, places: Ints, n_places: int, weight: Floats, groups: int, n: int, what: str) -> Matrix:
        """The matrix of a convolution, (n * n_in * n_places, n * n_out * n_windows), row by row."""
        flat = places.reshape(-1, places.shape[-1])
        n_out, n_group_in = weight.shape[:2]
        n_windows_, n_group_out = len(flat), n_out // groups
        window, tap = np.nonzero(flat >= 0)
        entries = n * len(window) * n_out * n_group_in
        share = max(0.0, MEMORY_LIMIT - self._bytes) / max(1, entries * BYTES_PER_ENTRY)
        side = math.floor((share * n_places) ** (1 / (places.ndim - 1)))
        fits = f"values of about {' x '.join([str(side)] * (places.ndim - 1))} would fit, " if side > 3 else ""
        self.reserve(entries, what, hint=f"{fits}or read the part of the network behind the first layers")
        # Rows are (group, channel, place); in each row stand the windows that see the place, each for all outputs.
        order = np.argsort(flat[window, tap], kind="stable")
        window, tap = window[order], tap[order]
        seen = np.bincount(flat[window, tap], minlength=n_places) * n_group_out
        filters = weight.reshape(groups, n_group_out, n_group_in, -1).transpose(0, 2, 3, 1)
        data = filters[:, :, tap, :].ravel()
        columns = window[:, None] + np.arange(n_group_out, dtype=np.int64) * n_windows_
        starts = np.arange(groups, dtype=np.int64) * n_group_out * n_windows_
        size = n_out * n_windows_
        index = np.int32 if max(size, entries) < 2**31 else np.int64
        in_group = (starts[:, None, None, None] + columns).astype(index)
        indices = np.repeat(in_group, n_group_in, axis=1).ravel()
        indptr = np.concatenate([[0], np.cumsum(np.tile(seen, groups * n_group_in))]).astype(index)
        matrix = sp.csr_array((data, indices, indptr), shape=(groups * n_group_in * n_places, size))
        return matrix if n == 1 else sp.csr_array(sp.block_diag([matrix] * n))

    def pooled(
        self, value: Value, places: Ints, divisors: Floats | None, *, layer: str, what: str = "a pooling"
    ) -> Value:
        """Pool values of shape (..., *lengths): averages with divisors, the largest without.

        Parameters
        ----------
        places : int64 ndarray of shape (*n_windows_per_axis, n_in_window)
            From :func:`windows`.
        divisors : ndarray that broadcasts to (*n_windows_per_axis,), or None
        """
        n_axes = places.ndim - 1
        lead, n_places = value.shape[:-n_axes], math.prod(value.shape[-n_axes:])
        shape = (*lead, *places.shape[:-1])
        limited(math.prod(lead) * places.size, what)
        flat = places.reshape(-1, places.shape[-1])
        n_maps = math.prod(lead)
        if divisors is None:
            shift = np.arange(n_maps)[:, None, None] * n_places
            return replace(self.largest(value, np.where(flat >= 0, flat + shift, -1), layer=layer), shape=shape)
        window, tap = np.nonzero(flat >= 0)
        self.reserve(len(window) * n_maps, what)
        shares = 1.0 / np.broadcast_to(divisors, places.shape[:-1]).ravel()[window]
        one = sp.csr_array((shares, (flat[window, tap], window)), shape=(n_places, len(flat)))
        return self.affine(value, sp.csr_array(sp.kron(sp.eye_array(n_maps), one)), shape=shape)


def divisors(
    shape: Lengths,
    kernel: Lengths,
    *,
    stride: Lengths,
    padding: Paddings,
    places: Ints,
    count_padding: bool,
) -> Floats:
    """Count what an average pooling divides by: the entries of each window, with or without the padding."""
    if not count_padding:
        return np.asarray((places >= 0).sum(axis=-1), dtype=np.float64)
    counts = np.ones((), dtype=np.float64)
    for axis, count in enumerate(places.shape[:-1]):
        starts = np.arange(count) * stride[axis] - padding[axis][0]
        stops = np.minimum(starts + kernel[axis], shape[axis] + padding[axis][1])
        counts = np.multiply(counts[..., None], stops - starts)
    return counts


def same_padding(shape: Lengths, kernel: Lengths, stride: Lengths, dilation: Lengths) -> list[tuple[int, int]]:
    """Return the padding with which as many windows fit as strides: what Keras and ONNX call "same"."""
    result = []
    for length, size, step, gap in zip(shape, kernel, stride, dilation, strict=True):
        missing = max(0, (-(-length // step) - 1) * step + gap * (size - 1) + 1 - length)
        result.append((missing // 2, missing - missing // 2))
    return result
