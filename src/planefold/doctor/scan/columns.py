"""What single columns are: constant, equal to another, an identifier, mostly empty, with values far from all others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from planefold.core.records import Record
from planefold.data import robust
from planefold.data.schema import Schema
from planefold.doctor.scan.sheet import Floats, Sheet

MIN_ROWS = 20
SAME = 1 - 1e-6  # absolute correlation
# All values of a column are different; the number of equal pairs that chance would have given if they were not ids.
EXPECTED_PAIRS = 8.0
FAR_AWAY = 12.0  # robust standard deviations from the median
LONELY = 4.0  # so many times as far from the median as the farthest of the others
CHANCE = 1e-4  # that a tail such as this column's has such a gap
FEW = 0.02  # share of the rows
SOME = 2000  # rows that tell whether a column has few values
MOSTLY = 0.9  # of the rows have no value


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Outliers(Record):
    """Values of one column that lie far from all others.

    Parameters
    ----------
    column : str
    rows : tuple of int
        The first few, counted from 0.
    n_rows : int
    values : tuple of float
        Of these rows.
    deviations : float
        How far the nearest of them is from the median, in robust standard deviations.
    limit : float
        How far the farthest of the other values is.
    n_equal : int
        How many of them are the same number, as a code for "not known" would be.
    """

    column: str
    rows: tuple[int, ...]
    n_rows: int
    values: tuple[float, ...]
    deviations: float
    limit: float
    n_equal: int


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Columns(Record):
    """What was found about single columns; names throughout.

    Parameters
    ----------
    constant : tuple of str
        Columns with one value, or none.
    same : tuple of pairs of str
        Columns that say what an earlier one says: equal, on another scale, or with other names for the categories.
    ids : tuple of str
        Columns that only tell rows apart.
    ids_left_out : tuple of str
        Those of them that the network does not receive.
    missing : mapping of str to float
        Share of the rows without a value, where there are such rows.
    outliers : tuple of Outliers
    """

    constant: tuple[str, ...] = ()
    same: tuple[tuple[str, str], ...] = ()
    ids: tuple[str, ...] = ()
    ids_left_out: tuple[str, ...] = ()
    missing: dict[str, float]
    outliers: tuple[Outliers, ...] = ()

    @property
    def mostly_missing(self) -> tuple[str, ...]:
        """Columns that hardly have a value."""
        return tuple(name for name, share in self.missing.items() if share >= MOSTLY)


def measure_columns(sheet: Sheet) -> Columns | None:
    """Look at each column of the rows to learn from; None of pictures and of tables of very few rows."""
    if sheet.schema is None or sheet.is_pictures or sheet.n_train < 3:
        return None
    sheet = sheet.train()
    schema = sheet.schema
    assert schema is not None
    left_out = tuple(column.name for column in schema.columns if column.dropped_as == "id")
    missing = {column.name: column.n_missing / sheet.n_rows for column in schema.columns if column.n_missing}
    if sheet.n_rows < MIN_ROWS:
        return Columns(missing=missing, constant=_constant(schema), ids=left_out, ids_left_out=left_out)
    found = [name for j, name in enumerate(sheet.names) if schema[name].kind == "number" and is_id(sheet.values[:, j])]
    return Columns(
        constant=_constant(schema),
        same=_same(sheet),
        ids=(*left_out, *found),
        ids_left_out=left_out,
        missing=missing,
        outliers=tuple(
            wild
            for j, name in enumerate(sheet.names)
            if sheet.numeric[j] and name not in left_out and (wild := find_outliers(name, sheet.values[:, j]))
        ),
    )


def _constant(schema: Schema) -> tuple[str, ...]:
    return tuple(column.name for column in schema.columns if column.dropped_as in ("constant", "empty"))


# -------------------------------------------------------------------------------------------------------------- ids


def is_id(column: Floats) -> bool:
    """Tell whether whole numbers are all different although chance would have made some of them equal."""
    if np.isnan(column).any() or np.any(column != np.floor(column)):
        return False
    ordered = np.sort(column)
    if np.any(ordered[1:] == ordered[:-1]):
        return False
    return _expected_equal_pairs(ordered) >= EXPECTED_PAIRS


def _expected_equal_pairs(ordered: Floats) -> float:
    """How many pairs would be equal, were the numbers drawn from the smooth distribution that they seem to have.

    The density around a number is that of its ten nearest in order.
    """
    n = len(ordered)
    reach = min(10, n // 4)
    width = ordered[reach:] - ordered[:-reach]
    density = reach / np.maximum(width, 1.0) / n  # probability of each whole number there
    return float(np.mean(density) * n * (n - 1) / 2)


# ------------------------------------------------------------------------------------------------------ same columns


def _same(sheet: Sheet) -> tuple[tuple[str, str], ...]:
    pairs = {**_same_numbers(sheet), **_same_codes(sheet)}
    return tuple((sheet.names[first], sheet.names[again]) for again, first in sorted(pairs.items()))


def _same_numbers(sheet: Sheet) -> dict[int, int]:
    """Find numeric columns that are linear functions of an earlier one, by their correlation."""
    places = np.flatnonzero(sheet.numeric)
    places = places[[len(np.unique(sheet.values[:200, j])) > 2 for j in places]] if len(places) else places
    if len(places) < 2:
        return {}
    values = sheet.values[:, places]
    missing = np.isnan(values)
    centred = np.where(missing, 0.0, values - _means(values, missing))
    largest = np.maximum(np.abs(centred).max(axis=0), 1e-300)
    centred /= largest
    norms = np.linalg.norm(centred, axis=0)
    unit = centred / np.where(norms > 0, norms, 1.0)
    alike = np.abs(unit.T @ unit) >= SAME
    found: dict[int, int] = {}
    for i, j in zip(*np.nonzero(np.triu(alike, 1)), strict=True):
        if np.array_equal(missing[:, i], missing[:, j]):
            found.setdefault(int(places[j]), int(places[i]))
    return found


def _means(values: Floats, missing: npt.NDArray[np.bool_]) -> Floats:
    n_known = np.maximum((~missing).sum(axis=0), 1)
    return np.asarray(np.where(missing, 0.0, values / n_known).sum(axis=0))


def _same_codes(sheet: Sheet) -> dict[int, int]:
    """Find columns with few values that are one to one with an earlier one."""
    seen: dict[bytes, int] = {}
    found: dict[int, int] = {}
    for j in range(len(sheet.names)):
        some = sheet.values[:SOME, j]
        if 2 * len(np.unique(some)) > max(len(some), MIN_ROWS):
            continue
        codes, n_codes = _by_first_appearance(sheet.values[:, j])
        counts = np.sort(np.bincount(codes))
        # With nearly all values different, or all but a few rows alike, being one to one says nothing.
        if n_codes < 2 or 2 * n_codes > len(codes) or counts[:-1].sum() < 5:
            continue
        first = seen.setdefault(codes.astype(np.int64).tobytes(), j)
        if first != j:
            found[j] = first
    return found


def _by_first_appearance(column: Floats) -> tuple[npt.NDArray[np.int64], int]:
    """Number the values of a column in the order in which they appear; what is missing is one of them."""
    _, first, codes = np.unique(column, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[codes], len(first)


# ---------------------------------------------------------------------------------------------------------- outliers


def find_outliers(name: str, column: Floats) -> Outliers | None:
    r"""Find values that are far from the median and far beyond all others; None where there are none.

    Notes
    -----
    Long tails have gaps, too. In one that falls with the power :math:`a` of the distance, the k-th farthest value is
    :math:`g` times as far as the next with the probability :math:`g^{-ak}`; Hill's estimate of :math:`a` is from the
    values below the gap.

    References
    ----------
    Hill, "A Simple General Approach to Inference About the Tail of a Distribution", Annals of Statistics 1975.
    """
    known = np.flatnonzero(~np.isnan(column))
    if len(known) < MIN_ROWS:
        return None
    present = column[known]
    middle, scale = robust.median(present), robust.spread(present)
    with np.errstate(over="ignore"):
        away = np.minimum(np.abs(present / 2 - middle / 2) / (scale / 2), 1e300)
    if away.max() < FAR_AWAY:
        return None
    order = np.argsort(-away, kind="stable")
    n_out = _n_beyond_a_gap(away[order], max(1, int(FEW * len(present))))
    if n_out == 0:
        return None
    rows = known[order[:n_out]]
    values = column[rows]
    return Outliers(
        column=name,
        rows=tuple(np.sort(rows)[:5].tolist()),
        n_rows=n_out,
        values=tuple(float(column[row]) for row in np.sort(rows)[:5]),
        deviations=float(away[order[n_out - 1]]),
        limit=float(away[order[n_out]]),
        n_equal=int(np.unique(values, return_counts=True)[1].max()),
    )


def _n_beyond_a_gap(falling: Floats, n_most: int) -> int:
    """Count the values before the last gap among the first ones that their tail does not explain."""
    for n_out in range(n_most, 0, -1):
        gap = falling[n_out - 1] / max(falling[n_out], 1e-300)
        if gap < LONELY or falling[n_out - 1] < FAR_AWAY or falling[n_out] < 1:
            continue
        tail = falling[n_out : n_out + max(10, len(falling) // 20) + 1]
        tail = np.maximum(tail, 1e-300)  # of values that are all at the middle
        power = (len(tail) - 1) / max(float(np.sum(np.log(tail[:-1] / tail[-1]))), 1e-12)
        if gap ** (-power * n_out) < CHANCE:
            return n_out
    return 0
