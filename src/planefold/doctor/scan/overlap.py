"""Rows on both sides of a split: copies, near copies, and rows of one thing that a random split tears apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from planefold.core.records import Record
from planefold.doctor.scan.neighbours import K, chance_of_nearness, nearest, spread_points
from planefold.doctor.scan.repeats import COPIED, cells_of, copied_share, row_hashes
from planefold.doctor.scan.sheet import Sheet

MIN_ROWS = 40  # to learn from: fewer have no 20 neighbours that are near
MAX_QUERIES = 500  # of either side
# A neighbour that chance puts so near in one row of a thousand. Where rows do not lie evenly it happens more often:
# tables without copies have less than SOME of such rows.
NEAR = 1e-3
SOME = 0.01
LEAST = 0.01  # of the held-out rows have an equal row: fewer do not change a score
CERTAIN = 1e-7  # chance puts no neighbour so near


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Overlap(Record):
    """Held-out rows that are in the training part as well, or nearly.

    Parameters
    ----------
    n_val : int
        Held-out rows; where none were given, the rows that a random split would hold out.
    n_equal : int
        Held-out rows with an equal row to learn from.
    copied : float
        How little chance explains the equal rows, see :func:`planefold.doctor.scan.repeats.copied_share`.
    equal_excess : float
        Standard errors by which held-out rows have an equal row more often than training rows do.
    n_looked_at, n_near : int
        Held-out rows whose neighbours were looked for, and those whose nearest is nearer than chance puts it.
    near_inside : float
        Share of such rows inside the training part.
    n_certain : int
        Rows whose neighbour chance puts so near in one row of ten million.
    n_shared_groups : int
        Groups with rows on both sides, where groups are known.
    strength : float
        Evidence in units of what is enough; from 1 rows are on both sides.
    examples : tuple of pairs of int
        Held-out row and the training row that is equal or near, both counted from 0 within their side.
    """

    n_val: int
    n_equal: int = 0
    copied: float = 0.0
    equal_excess: float = 0.0
    n_looked_at: int = 0
    n_near: int = 0
    near_inside: float = 0.0
    n_certain: int = 0
    n_shared_groups: int = 0
    strength: float = 0.0
    examples: tuple[tuple[int, int], ...] = ()

    @property
    def share(self) -> float:
        """Share of the held-out rows that are equal or near to a row to learn from."""
        near = self.n_near / self.n_looked_at if self.n_looked_at else 0.0
        return max(near, self.n_equal / self.n_val)

    @property
    def is_leak(self) -> bool:
        """Whether the held-out rows are not new."""
        return self.strength >= 1


def measure_overlap(sheet: Sheet, random: np.random.RandomState) -> Overlap | None:
    """Look for held-out rows among those to learn from; None where there is no split or too few rows."""
    if sheet.n_val == 0 or sheet.n_train < 2:
        return None
    cells = cells_of(sheet)
    hashes = row_hashes(cells)
    where = _first_places(hashes[: sheet.n_train], hashes[sheet.n_train :])
    equal = np.flatnonzero(where >= 0)
    facts: dict[str, float] = {
        "n_equal": len(equal),
        "copied": copied_share(cells, sheet.n_train) if len(equal) else 0.0,
        "equal_excess": _excess(hashes, sheet.n_train, len(equal)),
        "n_shared_groups": _shared_groups(sheet),
    }
    pairs = [(int(row), int(where[row])) for row in equal[:5]]
    near = _measure_near(sheet, random)
    if near is not None:
        facts |= near.facts
        pairs += [pair for pair in near.pairs if pair not in pairs]
    return Overlap(n_val=sheet.n_val, strength=_strength(facts, sheet.n_val), examples=tuple(pairs[:5]), **facts)  # type: ignore[arg-type]


def _first_places(some: npt.NDArray[np.uint64], others: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Return for each of the others where an equal one stands among some, or -1."""
    different, first = np.unique(some, return_index=True)
    place = np.minimum(np.searchsorted(different, others), len(different) - 1)
    return np.where(different[place] == others, first[place], -1)


def _excess(hashes: npt.NDArray[np.uint64], n_train: int, n_equal: int) -> float:
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


@dataclass(frozen=True)
class _Near:
    facts: dict[str, float]
    pairs: list[tuple[int, int]]


def _measure_near(sheet: Sheet, random: np.random.RandomState) -> _Near | None:
    points = spread_points(sheet, random) if sheet.n_train >= MIN_ROWS else None
    if points is None:
        return None
    train, val = points[: sheet.n_train], points[sheet.n_train :]
    k = min(K, sheet.n_train // 4)
    own = np.sort(random.permutation(sheet.n_train)[:MAX_QUERIES])
    rows = np.sort(random.permutation(sheet.n_val)[:MAX_QUERIES])
    inside, _ = nearest(train[own], train, k, own)
    across, places = nearest(val[rows], train, k)
    chance_inside, chance = (chance_of_nearness(d, same_as=inside) for d in (inside, across))
    near = chance < NEAR
    order = np.argsort(chance, kind="stable")[: min(5, int(near.sum()))]
    return _Near(
        {
            "n_looked_at": len(rows),
            "n_near": int(near.sum()),
            "near_inside": float(np.mean(chance_inside < NEAR)),
            "n_certain": int(np.sum(chance < CERTAIN)),
        },
        [(int(rows[i]), int(places[i, 0])) for i in order],
    )


def _strength(facts: dict[str, float], n_val: int) -> float:
    """Return the strongest of the kinds of evidence, each in units of what is enough."""
    found = [0.0]
    if facts["n_shared_groups"]:
        found.append(10.0)
    if facts["n_equal"] >= max(2, LEAST * n_val) and facts["copied"] >= COPIED:
        found.append(facts["n_equal"] / 2)
    if facts["equal_excess"] > 0 and facts["n_equal"] > 0.02 * n_val:
        found.append(facts["equal_excess"] / 4.5)
    looked_at = facts.get("n_looked_at", 0)
    if looked_at and facts["n_certain"] >= max(2, SOME * looked_at):
        found.append(float(facts["n_certain"]))
    if looked_at and facts["n_near"]:
        # As sure as a normal deviate of 4, and enough of them to matter.
        rare = -np.log10(max(float(binom.sf(facts["n_near"] - 1, int(looked_at), SOME)), 1e-30)) / 4
        found.append(min(float(rare), facts["n_near"] / looked_at / SOME / 1.5))
    return max(found)
