"""Which activation regions rows lie in, and the affine map that the network is in each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from planefold.networks.affine import Floats, PiecewiseLinearNet, Signs
from planefold.reading.certificate import TOLERANCE, Certificate

Bytes = npt.NDArray[np.uint8]

VALUES_AT_ONCE = 2**23  # numbers per piece of rows or regions, 64 MiB
SAME = 1e-10  # maps that differ by less than this share of the largest number in them are one


def pieces(n_rows: int, width: int) -> Iterator[slice]:
    """Cut rows of so many numbers into pieces that fit into memory."""
    step = max(1, VALUES_AT_ONCE // max(1, width))
    return (slice(start, start + step) for start in range(0, n_rows, step))


def patterns_of(net: PiecewiseLinearNet, rows: Floats) -> tuple[Bytes, Floats, Certificate]:
    """Return which units are on in each row, eight to a byte, with the outputs and how sure it is.

    Returns
    -------
    packed : uint8 ndarray of shape (n_rows, n_bytes)
    outputs : ndarray of shape (n_rows, n_outputs)
    certificate : Certificate
    """
    packed = np.empty((len(rows), -(-net.n_units // 8)), dtype=np.uint8)
    outputs = np.empty((len(rows), net.n_outputs))
    places = {step: (start, stop) for step, start, stop in net.folds}
    largest, smallest = np.zeros(net.n_units), np.full(net.n_units, np.inf)
    for piece in pieces(len(rows), net.n_units + net.n_inputs):
        values = {0: rows[piece]}
        on = np.empty((len(rows[piece]), net.n_units), dtype=bool)
        for step, z in net.steps(values):
            start, stop = places[step]
            on[:, start:stop] = z > 0
            sizes = np.abs(z)
            largest[start:stop] = np.maximum(largest[start:stop], sizes.max(axis=0))
            sizes[sizes == 0] = np.inf
            smallest[start:stop] = np.minimum(smallest[start:stop], sizes.min(axis=0))
        packed[piece] = np.packbits(on, axis=1)
        outputs[piece] = values[len(net.nodes)]
    shares = np.divide(smallest, largest, out=np.full(net.n_units, np.inf), where=largest > 0)
    nearest = float(shares.min(initial=np.inf))
    unsure = nearest < TOLERANCE
    return (
        packed,
        outputs,
        Certificate(
            exact=not unsure,
            smallest_nonzero=nearest,
            why_not="a row lies so near a crease that rounding decides on which side it is; the value there is the same"
            if unsure
            else "",
        ),
    )


def unpacked(packed: Bytes, n_units: int) -> Signs:
    """Return patterns of +1 and -1, int8 of shape (n_regions, n_units), from packed ones."""
    on = np.unpackbits(packed, axis=1, count=n_units) if n_units else np.zeros((len(packed), 0), dtype=np.uint8)
    return np.where(on, np.int8(1), np.int8(-1))


def maps_of(net: PiecewiseLinearNet, packed: Bytes) -> tuple[Floats, Floats]:
    """Return the affine maps of regions by their packed patterns; see :meth:`PiecewiseLinearNet.local_maps`."""
    coefs = np.empty((len(packed), net.n_outputs, net.n_inputs))
    intercepts = np.empty((len(packed), net.n_outputs))
    for piece in pieces(len(packed), net.n_units):
        coefs[piece], intercepts[piece] = net.local_maps(unpacked(packed[piece], net.n_units))
    return coefs, intercepts


def alike(maps: Floats) -> npt.NDArray[np.int64]:
    """Number maps (n_maps, n_numbers) so that equal ones have the same number, (n_maps,), but for rounding."""
    size = float(np.abs(maps).max(initial=0.0))
    # Equal maps are next to each other where maps are sorted along a direction that means nothing.
    order = np.argsort(maps @ np.random.default_rng(0).normal(size=maps.shape[1]), kind="stable")
    changes = (np.abs(np.diff(maps[order], axis=0)) > SAME * size).any(axis=1)
    numbers = np.empty(len(maps), dtype=np.int64)
    numbers[order] = np.concatenate([[0], np.cumsum(changes)])
    return numbers
