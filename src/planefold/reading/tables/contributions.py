"""What the predictions for many rows are made of: one contribution for each column, which add up exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from planefold.core.errors import DataError, ParameterError, listed, show
from planefold.core.records import Record
from planefold.networks.affine import Floats
from planefold.reading.tables.columns import Columns
from planefold.reading.tables.inhabited import Bytes, maps_of, patterns_of, pieces
from planefold.reading.tables.outcomes import Ints, place_of_output

if TYPE_CHECKING:
    from planefold.reading.tables.records import Reading


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Contributions(Record):
    """What the predictions of many rows are made of: ``base + values.sum(axis=1)`` is ``outputs``.

    Parameters
    ----------
    columns : tuple of str
    values : ndarray of shape (n_rows, n_columns)
    base : ndarray of shape (n_rows,)
        Each row's linear model at the reference.
    outputs : ndarray of shape (n_rows,)
        Of the network.
    which : int ndarray of shape (n_rows,)
        The output that is explained: of classes the one that is predicted, unless one was asked for.
    """

    columns: tuple[str, ...]
    values: Floats
    base: Floats
    outputs: Floats
    which: Ints


def contributions(
    reading: Reading, X: Any = None, *, output: int | str | None = None, baseline: Any = None
) -> Contributions:
    """Return the contribution of each column to the outputs of many rows.

    Parameters
    ----------
    reading : Reading
    X : table, optional
        By default the rows that were read.
    output, baseline
        As in :func:`planefold.reading.tables.explain.explain`.

    Returns
    -------
    Contributions
        Exact: ``base + values.sum(axis=1)`` is the output.
    """
    if X is None:
        rows, packed, outputs = reading.rows, reading.packed[reading.regions], reading.outputs
    else:
        rows = reading.columns.rows(X)
        packed, outputs, _ = patterns_of(reading.net, rows)
    which = asked_outputs(reading, outputs, output)
    reference = reading.reference if baseline is None else one_row(reading.columns, baseline)
    owners, groups = owners_of(reading.columns)
    values, base = np.empty((len(rows), len(owners))), np.empty(len(rows))
    for piece in pieces(len(rows), reading.net.n_units + outputs.shape[1] * reading.net.n_inputs):
        coefs, intercepts = _row_maps(reading, packed[piece])
        chosen = which[piece, None, None]
        coef = np.take_along_axis(coefs, chosen, axis=1)[:, 0]
        values[piece] = (coef * (rows[piece] - reference)) @ groups
        base[piece] = coef @ reference + np.take_along_axis(intercepts, which[piece, None], axis=1)[:, 0]
    own = np.take_along_axis(outputs, which[:, None], axis=1)[:, 0]
    return Contributions(columns=owners, values=values, base=base, outputs=own, which=which)


def _row_maps(reading: Reading, packed: Bytes) -> tuple[Floats, Floats]:
    kinds, places = np.unique(packed, axis=0, return_inverse=True)
    coefs, intercepts = maps_of(reading.net, kinds)
    return coefs[places.ravel()], intercepts[places.ravel()]


def owners_of(columns: Columns) -> tuple[tuple[str, ...], Floats]:
    """Return the columns of the table, and which coordinates are added up for each, (n_coordinates, n_columns)."""
    owners = tuple(dict.fromkeys(columns.owners))
    groups = np.zeros((len(columns.owners), len(owners)))
    groups[np.arange(len(columns.owners)), [owners.index(owner) for owner in columns.owners]] = 1.0
    return owners, groups


def asked_outputs(reading: Reading, outputs: Floats, output: int | str | None) -> Ints:
    """Return the output that is explained for each row: of classes the one that is predicted."""
    if output is not None:
        return np.full(len(outputs), place_of_output(output, reading.outcome.keys))
    if outputs.shape[1] == 1:
        return np.zeros(len(outputs), dtype=np.int64)
    if reading.outcome.decides != "largest":
        raise ParameterError(
            f"there are {outputs.shape[1]} outputs; which one is to be explained?",
            details=f"outputs: {listed(reading.outcome.keys)}",
            hint=f"output={show(reading.outcome.keys[0])}",
        )
    return np.asarray((outputs - reading.outcome.offsets).argmax(axis=1))


def one_row(columns: Columns, row: Any) -> Floats:
    """Bring one row to its coordinates, (n_coordinates,): a record, an array, or a table of one row."""
    if hasattr(row, "to_dict") and getattr(row, "ndim", 0) == 1:  # a row of a frame of pandas
        row = row.to_dict()
    if isinstance(row, Mapping):
        row = {name: value if _is_column(value) else [value] for name, value in row.items()}
    elif isinstance(row, list | tuple | np.ndarray) and np.ndim(row) == 1:
        row = np.asarray(row)[None]
    rows = columns.rows(row)
    if len(rows) != 1:
        raise DataError(f"one row is explained at a time, got {len(rows)}", hint="contributions(X) takes many")
    found: Floats = rows[0]
    return found


def _is_column(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, str | bytes)
