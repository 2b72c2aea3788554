"""Held-out rows that lie nearer to rows to learn from than rows of other things do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from planefold.doctor.scan.neighbours import K, chance_of_nearness, has_target, nearest, spread_points
from planefold.doctor.scan.sheet import Floats, Sheet

MIN_ROWS = 40  # to learn from: fewer have no 20 neighbours that are near
MAX_QUERIES = 500  # of either side
# A neighbour that chance puts so near in one row of a thousand, or in three of a hundred. Where rows do not lie
# evenly it happens more often: tables without copies have less than SOME of the first, and than MANY of the second.
NEAR, SOME = 1e-3, 0.01
RATHER_NEAR, MANY = 0.03, 0.1
CERTAIN = 1e-7  # chance puts no neighbour so near
RARE = 1e-4  # as a normal deviate of nearly 4
SAME_TARGET = 0.05  # of the rows
FAR_LESS = 5.0  # times as often the nearest row has the same target as rows ten places further


@dataclass(frozen=True, kw_only=True)
class Near:
    """How near held-out rows lie to those to learn from.

    Parameters
    ----------
    n_looked_at : int
        Held-out rows whose neighbours were looked for.
    n_near, n_rather_near, n_certain : int
        Those whose nearest is nearer than chance puts it in one row of 1,000, in three of 100, in one of ten million.
    n_same_target : int
        Those whose nearest has the very same target, a number; rows with a copy do not count.
    same_target_by_chance : float
        Share of the 11th to the 20th nearest that have.
    reach : float
        How many times as far these are as the nearest, in the median.
    pairs : tuple of pairs of int
        The nearest of the near: held-out row and row to learn from.
    """

    n_looked_at: int
    n_near: int
    n_rather_near: int
    n_certain: int
    n_same_target: int = 0
    same_target_by_chance: float = 0.0
    reach: float = 1.0
    pairs: tuple[tuple[int, int], ...] = ()

    @property
    def strength_of_few(self) -> float:
        """Evidence of the very near rows alone."""
        return _frequent(self.n_near, self.n_looked_at, SOME, 1.5)

    @property
    def strength(self) -> float:
        """Evidence of distances in units of what is enough."""
        found = [self.strength_of_few, _frequent(self.n_rather_near, self.n_looked_at, MANY, 2.0)]
        if self.n_certain >= max(2, SOME * self.n_looked_at):
            found.append(float(self.n_certain))
        return max(found)

    @property
    def strength_of_targets(self) -> float:
        """Evidence of equal targets in units of what is enough.

        A target that is rounded is shared by near rows, too: at most as much more often as they are nearer.
        """
        if not self.n_same_target:
            return 0.0
        chance = self.same_target_by_chance * max(FAR_LESS, 2 * self.reach)
        return _frequent(self.n_same_target, self.n_looked_at, max(SAME_TARGET, chance), 1.0)

    @property
    def n_found(self) -> int:
        """Rows that the evidence stands on; without enough of it, the very near ones."""
        n_near = self.n_rather_near if self.strength_of_few < 1 <= self.strength else self.n_near
        return max(n_near, self.n_same_target if self.strength_of_targets >= 1 else 0)


def _frequent(n: int, n_rows: int, usual: float, times: float) -> float:
    """Compare a share with a usual one: it is surely above that, and so many times as large."""
    if not n or usual >= 1:
        return 0.0
    sure = np.log(max(float(binom.sf(n - 1, n_rows, usual)), 1e-30)) / np.log(RARE)
    return min(float(sure), n / n_rows / usual / times)


def measure_near(
    sheet: Sheet, copied: npt.NDArray[np.bool_], random: np.random.RandomState
) -> tuple[Near, Near] | tuple[None, None]:
    """Look for the neighbours of held-out rows among those to learn from.

    Parameters
    ----------
    sheet : Sheet
    copied : bool array of shape (n_val,)
        Held-out rows whose inputs equal those of a row to learn from.

    Returns
    -------
    pair of Near
        Of all held-out rows, and of those that are not copied; a pair of None where there are too few rows or columns.
    """
    points = spread_points(sheet, random) if sheet.n_train >= MIN_ROWS else None
    if points is None:
        return None, None
    train, val = points[: sheet.n_train], points[sheet.n_train :]
    k = min(K, sheet.n_train // 4)
    own = np.sort(random.permutation(sheet.n_train)[:MAX_QUERIES])
    rows = np.sort(random.permutation(sheet.n_val)[:MAX_QUERIES])
    inside, _ = nearest(train[own], train, k, own)
    across, places = nearest(val[rows], train, k)
    chance = chance_of_nearness(across, same_as=inside)
    found = np.column_stack([rows, places[:, 0]])
    is_other = ~copied[rows]
    targets = _same_targets(sheet, points, rows[is_other], k)
    return _count(chance, found, {}), _count(np.where(is_other, chance, 1.0), found, targets)


def _count(chance: Floats, pairs: npt.NDArray[np.int64], targets: dict[str, float]) -> Near:
    n_rather_near = int(np.sum(chance < RATHER_NEAR))
    shown = pairs[np.argsort(chance, kind="stable")[: min(5, n_rather_near)]]
    return Near(
        n_looked_at=len(chance),
        n_near=int(np.sum(chance < NEAR)),
        n_rather_near=n_rather_near,
        n_certain=int(np.sum(chance < CERTAIN)),
        pairs=tuple((int(row), int(other)) for row, other in shown),
        **targets,  # type: ignore[arg-type]
    )


def _same_targets(sheet: Sheet, points: Floats, rows: npt.NDArray[np.int64], k: int) -> dict[str, float]:
    """Compare how often the nearest row, and how often one further away, has the same number as target."""
    if sheet.is_pictures or not has_target(sheet) or points.shape[1] < 3 or not len(rows):
        return {}
    assert sheet.target is not None
    known, wanted = sheet.target[: sheet.n_train], sheet.target[sheet.n_train + rows]
    if np.mean(np.isin(wanted, known)) < SAME_TARGET:
        return {}
    inputs = points[:, :-1]
    distances, places = nearest(inputs[sheet.n_train + rows], inputs[: sheet.n_train], k)
    same = known[places] == wanted[:, None]
    nearer, further = distances[:, 0], distances[:, k // 2 :]
    return {
        "n_same_target": int(same[:, 0].sum()),
        "same_target_by_chance": float(same[:, k // 2 :].mean()),
        "reach": float(np.median(further) / max(float(np.median(nearer)), 1e-300)),
    }
