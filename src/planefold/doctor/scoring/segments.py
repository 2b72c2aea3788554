"""Where a model fails: rows that one or two columns pick out, and whose errors are larger than those of the rest."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from planefold.core.errors import DataError
from planefold.doctor.scoring.records import Segment, compare

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FEWEST_IN_SEGMENT = 25
MOST_IN_SEGMENT = 0.6  # of the rows: the rest must be the rule, not the exception
MOST_SEGMENTS = 3
MOST_SINGLE = 240  # slices by one column
MOST_SEGMENT_ROWS = 5_000
FALSE_SEGMENTS = 0.002  # share of the segments found that may be chance (Benjamini and Hochberg)
MOST_CATEGORIES = 12
N_PARTS = 4  # of a column of numbers


@dataclass(frozen=True, eq=False)
class _Slice:
    """Some rows, by one column."""

    column: str
    words: str
    rows: Bools


def _slices(columns: Mapping[str, Any]) -> list[_Slice]:
    """Cut every column into its categories, or its numbers into quarters, and the missing ones."""
    found: list[_Slice] = []
    for name, values in columns.items():
        column = np.asarray(values)
        numbers = column.astype(float) if column.dtype.kind in "biuf" else None
        if numbers is None:
            missing = np.array([value is None or value != value for value in column.tolist()])
            labels = np.array([str(value) for value in column.tolist()])
            found += _categories(name, labels, ~missing)
        else:
            missing = np.isnan(numbers)
            known = numbers[~missing]
            if len(np.unique(known)) <= MOST_CATEGORIES:
                found += [_Slice(name, f"{name} is {value:g}", numbers == value) for value in np.unique(known)]
            else:
                found += _parts(name, numbers, known)
        if missing.any():
            found.append(_Slice(name, f"{name} is missing", missing))
    n_rows = len(next(iter(columns.values()))) if columns else 0
    large = [part for part in found if FEWEST_IN_SEGMENT <= part.rows.sum() <= n_rows - FEWEST_IN_SEGMENT]
    return large[:MOST_SINGLE]


def _categories(name: str, labels: Any, known: Bools) -> list[_Slice]:
    values, counts = np.unique(labels[known], return_counts=True)
    common = values[np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]]
    return [_Slice(name, f"{name} is {str(value)!r}", known & (labels == value)) for value in common]


def _parts(name: str, numbers: Floats, known: Floats) -> list[_Slice]:
    cuts = np.unique(np.quantile(known, np.linspace(0, 1, N_PARTS + 1)[1:-1]))
    with np.errstate(invalid="ignore"):
        part = np.where(np.isnan(numbers), -1, np.searchsorted(cuts, numbers, side="left"))
    low, high = f"{name} <= {cuts[0]:.3g}", f"{name} > {cuts[-1]:.3g}"
    between = [f"{below:.3g} < {name} <= {above:.3g}" for below, above in itertools.pairwise(cuts)]
    return [_Slice(name, words, part == i) for i, words in enumerate([low, *between, high])]


def weak_segments(
    columns: Mapping[str, Any], errors: Floats, losses: Floats, strong: Floats | None, task: str
) -> tuple[tuple[Segment, ...], int]:
    """Find where the errors are larger than elsewhere: the weakest segments, and how many were looked at.

    The ranks of the errors are compared (Mann and Whitney), so that one far error makes no segment. All slices and all
    pairs of them are two products of matrices.
    """
    columns = {name: np.asarray(values) for name, values in columns.items()}
    for name, values in columns.items():
        if len(values) != len(errors):
            raise DataError(f"column {name!r} has {len(values)} entries", details=f"there are {len(errors)} rows")
    if len(errors) > MOST_SEGMENT_ROWS:  # evenly spread: enough to see any segment worth a word
        kept = np.linspace(0, len(errors) - 1, MOST_SEGMENT_ROWS).astype(int)
        columns = {name: values[kept] for name, values in columns.items()}
        errors, losses, strong = errors[kept], losses[kept], None if strong is None else strong[kept]
    slices = _slices(columns)
    if not slices or np.ptp(errors) == 0:
        return (), 0
    z, wanted = _compared(slices, errors)
    first, second = np.nonzero(wanted)
    p = corrected(norm.sf(z[first, second]))
    order = np.argsort(-z[first, second], kind="stable")
    chosen: list[tuple[int, int, float]] = []
    for i in order[:200]:
        a, b = int(first[i]), int(second[i])
        if p[i] > FALSE_SEGMENTS or len(chosen) == MOST_SEGMENTS:
            break
        if not _repeats(a, b, chosen, slices):
            chosen.append((a, b, float(p[i])))
    found = tuple(_segment(slices, a, b, float(z[a, b]), q, errors, losses, strong, task) for a, b, q in chosen)
    return found, len(first)


def _compared(slices: Sequence[_Slice], errors: Floats) -> tuple[Floats, Bools]:
    """Compare the ranks of the errors in every pair of slices with all others; say which pairs are worth a word."""
    n_rows = len(errors)
    inside = np.stack([part.rows for part in slices]).astype(np.float64)
    ranks = rankdata(errors)
    ranks -= ranks.mean()
    counts, sums = inside @ inside.T, (inside * ranks) @ inside.T
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(ranks.var(ddof=1) * counts * (n_rows - counts) / n_rows)
        z = sums / spread  # a sum of ranks drawn without replacement
    names = np.array([part.column for part in slices])
    own = np.eye(len(slices), dtype=bool)
    wanted = (np.triu(names[:, None] != names[None, :]) | own) & (counts >= FEWEST_IN_SEGMENT)
    wanted &= counts <= MOST_IN_SEGMENT * n_rows
    # Two columns must say more than either of them: else their segment is a part of a plainer one.
    single = np.where(counts.diagonal() <= MOST_IN_SEGMENT * n_rows, z.diagonal(), -np.inf)
    wanted &= own | (z > np.maximum.outer(single, single) + 1)
    return z, wanted


def corrected(p: Floats) -> Floats:
    """Correct p-values for their number, after Benjamini and Hochberg (1995).

    >>> corrected(np.array([0.01, 0.04, 0.5])).round(3).tolist()
    [0.03, 0.06, 0.5]
    """
    order = np.argsort(p, kind="stable")
    steps = p[order] * len(p) / np.arange(1, len(p) + 1)
    found = np.empty_like(steps)
    found[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return found


def _repeats(a: int, b: int, chosen: Sequence[tuple[int, int, float]], slices: Sequence[_Slice]) -> bool:
    """Whether a segment says little beyond those chosen: half of its rows are theirs, or half of theirs are its."""
    rows = slices[a].rows & slices[b].rows
    for other, another, _ in chosen:
        theirs = slices[other].rows & slices[another].rows
        shared = (rows & theirs).sum()
        if shared > 0.5 * min(rows.sum(), theirs.sum()):
            return True
    return False


def _segment(
    slices: Sequence[_Slice], a: int, b: int, z: float, p: float, errors: Floats, losses: Floats,
    strong: Floats | None, task: str,
) -> Segment:  # fmt: skip
    rows = slices[a].rows & slices[b].rows
    within, rest = float(errors[rows].mean()), float(errors[~rows].mean())
    if task in ("regression", "multioutput"):
        within, rest = math.sqrt(within), math.sqrt(rest)
    behind = None if strong is None else compare(losses[rows], strong[rows])
    return Segment(
        where=slices[a].words if a == b else f"{slices[a].words} and {slices[b].words}", n_rows=int(rows.sum()),
        error=within, rest=rest, z=z, p=p, behind=None if behind is None else behind.difference,
        behind_z=None if behind is None else behind.z,
    )  # fmt: skip
