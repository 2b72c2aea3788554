"""Rows on both sides of a split: copies, near copies, and rows of one thing that a random split tears apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from planefold.core.records import Record
from planefold.doctor.scan.near import Near, measure_near
from planefold.doctor.scan.pictures import Alike, alike_across
from planefold.doctor.scan.repeats import COPIED, Hashes, cells_of, copied_share, row_hashes
from planefold.doctor.scan.sheet import Sheet

LEAST = 0.01  # of the held-out rows have an equal row: fewer do not change a score
# Standard errors by which held-out rows have an equal one more often than training rows have: for a finding, and for
# telling where a finding comes from.
EXCESS, SOME_EXCESS = 4.5, 3.0


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Overlap(Record):
    """Held-out rows that are in the training part as well, or nearly.

    Parameters
    ----------
    n_val : int
        Held-out rows; where none were given, the rows that a random split would hold out.
    n_equal : int
        Held-out rows with an equal row to learn from.
    n_twins : int
        Held-out rows whose inputs, the target aside, equal those of a row to learn from.
    copied : float
        How little chance explains the equal rows, see :func:`planefold.doctor.scan.repeats.copied_share`.
    equal_excess : float
        Standard errors by which held-out rows have an equal row more often than training rows do.
    near : Near or None
        Of the held-out rows whose inputs equal those of no row to learn from.
    alike : Alike or None
        Of pictures: held-out ones that show what one to learn from shows, and do not equal it.
    n_shared_groups : int
        Groups with rows on both sides, where groups are known.
    strength : float
        Evidence in units of what is enough; from 1 rows are on both sides.
    is_beyond_copies : bool
        Whether more is on both sides than a random split of a table with copies puts there.
    examples : tuple of pairs of int
        Held-out row and the training row that is equal or near, both counted from 0 within their side.
    """

    n_val: int
    n_equal: int = 0
    n_twins: int = 0
    copied: float = 0.0
    equal_excess: float = 0.0
    near: Near | None = None
    alike: Alike | None = None
    n_shared_groups: int = 0
    strength: float = 0.0
    is_beyond_copies: bool = False
    examples: tuple[tuple[int, int], ...] = ()

    @property
    def n_near(self) -> int:
        """Held-out rows that are nearer to one to learn from than chance puts them, and not equal."""
        return 0 if self.near is None else self.near.n_near

    @property
    def share(self) -> float:
        """Share of the held-out rows that are equal or near to a row to learn from."""
        near = 0.0 if self.near is None else self.near.n_found / self.near.n_looked_at
        alike = 0.0 if self.alike is None else self.alike.n_alike / self.n_val
        return min(1.0, max(near, alike) + self.n_twins / self.n_val)

    @property
    def is_leak(self) -> bool:
        """Whether the held-out rows are not new."""
        return self.strength >= 1


def measure_overlap(sheet: Sheet, random: np.random.RandomState) -> Overlap | None:
    """Look for held-out rows among those to learn from; None where there is no split or too few rows."""
    if sheet.n_val == 0 or sheet.n_train < 2:
        return None
    cells = cells_of(sheet)
    equal, excess = _equal_rows(row_hashes(cells), sheet.n_train)
    twin, excess_of_twins = _equal_rows(row_hashes(sheet.identity), sheet.n_train)
    everything, others = measure_near(sheet, twin >= 0, random)
    alike = alike_across(sheet, twin >= 0, random)
    n_equal, n_twins, n_shared = int(np.sum(equal >= 0)), int(np.sum(twin >= 0)), _shared_groups(sheet)
    copied = copied_share(cells, sheet.n_train) if n_equal else 0.0
    of_groups = 10.0 * bool(n_shared)
    of_copies = n_equal / 2 if n_equal >= max(2, LEAST * sheet.n_val) and copied >= COPIED else 0.0
    of_excess = excess / EXCESS if n_equal > 0.02 * sheet.n_val else 0.0
    of_near = 0.0 if others is None else max(others.strength, others.strength_of_targets)
    of_any = 0.0 if everything is None else everything.strength
    of_alike = _strength_of_alike(alike)
    # A few near rows beside many equal ones are of the same kind: things that are in the table several times.
    mostly_near = others is not None and others.n_found / others.n_looked_at > n_twins / sheet.n_val
    mostly_alike = alike is not None and alike.share > n_twins / sheet.n_val
    beyond_copies = (
        of_groups,
        excess_of_twins / SOME_EXCESS,
        of_near if mostly_near else 0.0,
        of_alike if mostly_alike else 0.0,
    )
    pairs = [(int(row), int(equal[row])) for row in np.flatnonzero(equal >= 0)[:5]]
    pairs += alike.pairs if alike is not None and of_alike >= 1 else ()
    pairs += others.pairs if others is not None and others.strength >= 1 else ()
    return Overlap(
        n_val=sheet.n_val,
        n_equal=n_equal,
        n_twins=n_twins,
        copied=copied,
        equal_excess=excess,
        near=others,
        alike=alike,
        n_shared_groups=n_shared,
        strength=max(of_groups, of_copies, of_excess, of_near, of_any, of_alike),
        is_beyond_copies=max(beyond_copies) >= 1,
        examples=tuple(dict.fromkeys(pairs))[:5],
    )


def _strength_of_alike(alike: Alike | None) -> float:
    """Two pictures, and one in a hundred, are enough, as of equal rows: hardly any is like another one by chance."""
    if alike is None or alike.n_alike < max(2, LEAST * alike.n_looked_at):
        return 0.0
    return float(alike.n_alike)


def _equal_rows(hashes: Hashes, n_train: int) -> tuple[npt.NDArray[np.int64], float]:
    """Find for each held-out row an equal one to learn from (or -1), and by how much that is more than inside."""
    where = _first_places(hashes, n_train)
    return where, _excess(hashes, n_train, int(np.sum(where >= 0)))


def _first_places(hashes: Hashes, n_train: int) -> npt.NDArray[np.int64]:
    """Return for each held-out row where an equal one stands among those to learn from, or -1."""
    different, first = np.unique(hashes[:n_train], return_index=True)
    others = hashes[n_train:]
    place = np.minimum(np.searchsorted(different, others), len(different) - 1)
    return np.where(different[place] == others, first[place], -1)


def _excess(hashes: Hashes, n_train: int, n_equal: int) -> float:
    """Compare the share of held-out rows with an equal one with that of training rows, in standard errors."""
    counts = np.unique(hashes[:n_train], return_counts=True)[1]
    n_val = len(hashes) - n_train
    inside = counts[counts > 1].sum()
    # A training row has one row fewer to be equal to; with many rows that is no difference.
    share, share_inside = n_equal / n_val, inside / n_train
    both = (n_equal + inside + 1) / (len(hashes) + 2)
    return float((share - share_inside) / np.sqrt(both * (1 - both) * (1 / n_val + 1 / n_train)))


def _shared_groups(sheet: Sheet) -> int:
    if sheet.groups is None:
        return 0
    sides = sheet.groups[: sheet.n_train], sheet.groups[sheet.n_train :]
    return len(np.setdiff1d(np.intersect1d(*sides), [-1]))
