"""Rows that are there several times: by chance, as in a table of few coarse columns, or because they were copied."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from planefold.core.records import Record
from planefold.doctor.scan.sheet import Sheet, scrambled

Hashes = npt.NDArray[np.uint64]
# Between 0, as many equal rows as columns that know nothing of each other give, and 1, rows equal as a whole.
COPIED = 0.7


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Repeats(Record):
    """Rows that are equal in all columns, the target included.

    Parameters
    ----------
    n_surplus : int
        Rows that could be left out without losing a different one.
    share : float
        Of all rows.
    copied : float
        How little chance explains: 0 where the columns, each for itself, give as many equal rows; 1 where rows are
        equal as a whole. See :func:`copied_share`.
    examples : tuple of pairs of int
        The first few rows and the earlier row that each is equal to, counted from 0.
    """

    n_surplus: int = 0
    share: float = 0.0
    copied: float = 0.0
    examples: tuple[tuple[int, int], ...] = ()

    @property
    def are_copies(self) -> bool:
        """Whether the rows are equal for a reason."""
        return self.n_surplus > 0 and self.copied >= COPIED


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Contradictions(Record):
    """Rows with equal inputs and different classes.

    Parameters
    ----------
    n_rows : int
        Rows whose inputs occur with more than one class.
    share : float
        Of all rows.
    n_wrong : int
        Rows that every model gets wrong: those that are not of the most frequent class of their inputs.
    copied : float
        As in :class:`Repeats`, of the inputs alone.
    examples : tuple of pairs of int
        Rows with equal inputs and different classes, counted from 0.
    """

    n_rows: int = 0
    share: float = 0.0
    n_wrong: int = 0
    copied: float = 0.0
    examples: tuple[tuple[int, int], ...] = ()


def cells_of(sheet: Sheet) -> Hashes:
    """Return the identity of each cell, with the target as the last column."""
    if sheet.target is None:
        return sheet.identity
    return np.column_stack([sheet.identity, scrambled(sheet.target.view(np.uint64), 1_000_003)])


def row_hashes(cells: Hashes) -> Hashes:
    """Return one number a row; equal rows have equal ones."""
    return np.asarray(cells.sum(axis=1, dtype=np.uint64))


def copied_share(cells: Hashes, n_train: int | None = None) -> float:
    r"""Tell copied rows from coincidences: 1 where rows are equal as a whole, 0 where columns agree by chance.

    Parameters
    ----------
    cells : uint64 array of shape (n_rows, n_fields)
    n_train : int, optional
        Count only pairs of a row before this one and a row from it on.

    Returns
    -------
    float
        0 as well where no rows are equal.

    Notes
    -----
    Among pairs of rows that agree in all columns but the j-th, a share :math:`q_j` agrees there, too. Columns that
    know nothing of each other make :math:`\prod_j q_j` the chance that a pair is equal, which is then what is seen.
    Copied rows make every :math:`q_j` nearly 1: a row that is equal to another but for one cell hardly occurs. The
    result is where the logarithm lies between the two. Columns that depend on each other reach 0.5.
    """
    hashes = row_hashes(cells)
    n_equal = _n_pairs(hashes, n_train)
    if n_equal == 0:
        return 0.0
    n_rows = len(hashes)
    n_all = n_rows * (n_rows - 1) / 2 if n_train is None else n_train * (n_rows - n_train)
    if n_equal >= n_all:
        return 0.0  # every row is the same
    q = [n_equal / _n_pairs(hashes - cells[:, j], n_train) for j in range(cells.shape[1])]
    bits = np.log(n_all / n_equal)
    return float(np.clip(1 + np.sum(np.log(q)) / bits, 0.0, 1.0))


def _n_pairs(hashes: Hashes, n_train: int | None) -> float:
    if n_train is None:
        counts = np.unique(hashes, return_counts=True)[1].astype(np.float64)
        return float(np.sum(counts * (counts - 1) / 2))
    _, codes = np.unique(hashes, return_inverse=True)
    n_codes = int(codes.max()) + 1
    sides = [np.bincount(part, minlength=n_codes).astype(np.float64) for part in (codes[:n_train], codes[n_train:])]
    return float(sides[0] @ sides[1])


def twins(hashes: Hashes) -> npt.NDArray[np.int64]:
    """Return for each row the first row that is equal to it: itself where there is no earlier one."""
    _, first, codes = np.unique(hashes, return_index=True, return_inverse=True)
    return np.asarray(first[codes], dtype=np.int64)


def first_equal(sheet: Sheet) -> npt.NDArray[np.int64]:
    """Return for each row to learn from the first one with equal inputs, whatever their targets are."""
    return twins(row_hashes(sheet.identity[: sheet.n_train]))


def measure_repeats(sheet: Sheet) -> Repeats:
    """Count equal rows among those to learn from."""
    cells = cells_of(sheet.train())
    first = twins(row_hashes(cells))
    again = np.flatnonzero(first != np.arange(len(first)))
    if not len(again):
        return Repeats()
    return Repeats(
        n_surplus=len(again),
        share=len(again) / len(first),
        copied=copied_share(cells),
        examples=tuple((int(row), int(first[row])) for row in again[:5]),
    )


def measure_contradictions(sheet: Sheet) -> Contradictions | None:
    """Count rows with equal inputs and different classes among those to learn from; None without classes."""
    target = sheet.train_target
    if target is None or not sheet.is_classes:
        return None
    inputs = sheet.identity[: sheet.n_train]
    codes = np.unique(row_hashes(inputs), return_inverse=True)[1]
    labels = target.astype(np.int64)
    counts = np.zeros((int(codes.max()) + 1, len(sheet.classes)), dtype=np.int64)
    np.add.at(counts, (codes, labels), 1)
    mixed = (counts > 0).sum(axis=1) > 1
    rows = np.flatnonzero(mixed[codes])
    if not len(rows):
        return Contradictions()
    return Contradictions(
        n_rows=len(rows),
        share=len(rows) / len(labels),
        n_wrong=int((counts.sum(axis=1) - counts.max(axis=1)).sum()),
        copied=copied_share(inputs),
        examples=_contradicting_pairs(rows, codes, labels),
    )


def _contradicting_pairs(
    rows: npt.NDArray[np.int64], codes: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]
) -> tuple[tuple[int, int], ...]:
    seen: dict[int, int] = {}
    pairs: dict[int, tuple[int, int]] = {}
    for row in rows.tolist():
        code = int(codes[row])
        earlier = seen.setdefault(code, row)
        if labels[earlier] != labels[row]:
            pairs.setdefault(code, (earlier, row))
        if len(pairs) == 5:
            break
    return tuple(pairs.values())
