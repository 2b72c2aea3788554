"""Columns that give the target away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from planefold.core.records import Record
from planefold.data.splits import folds
from planefold.doctor.scan.sheet import Floats, Sheet

MIN_ROWS = 40
MAX_ROWS = 2000
MAX_CELLS = 50_000  # of rows times columns; more columns are looked at on fewer rows
LEAVES = 32
# Share of the target that one column tells: of the classes (0 is guessing), of the variance of the ranks.
ENOUGH_CLASSES, ENOUGH_NUMBERS = 0.98, 0.99
FAR = 4.0  # the best of the other columns leaves at least so many times as much open
OPEN = 0.12  # and at least this


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Leak(Record):
    """How much of the target single columns tell, each alone, on rows that were not used for that.

    Parameters
    ----------
    names : tuple of str
        The columns, the most telling first; ``"a is missing"`` stands for whether there is a value.
    skills : tuple of float
        1 is everything, 0 is guessing.
    n_leaks : int
        So many of the first columns give the target away.
    """

    names: tuple[str, ...]
    skills: tuple[float, ...]
    n_leaks: int

    @property
    def next_best(self) -> float:
        """What the best of the other columns tells."""
        return self.skills[self.n_leaks]


def measure_leaks(sheet: Sheet, random: np.random.RandomState) -> Leak | None:
    """Let a small tree predict the target from each column; None without a target, or with few rows or columns."""
    n_columns = len(sheet.names)
    if sheet.target is None or sheet.is_pictures or n_columns < 3:
        return None
    sheet = sheet.train().sample(min(MAX_ROWS, max(500, MAX_CELLS // n_columns)), 0, random)
    target = sheet.train_target
    if target is None or sheet.n_rows < MIN_ROWS or np.ptp(target) == 0:
        return None
    judge = _of_classes if sheet.is_classes else _of_numbers
    target = target if sheet.is_classes else rankdata(target)
    fold = folds(sheet.n_rows, 2, y=target if sheet.is_classes else None, random_state=random)
    told = {name: judge(column, target, fold) for name, column in _columns(sheet)}
    names = sorted(told, key=lambda name: -told[name])
    skills = tuple(told[name] for name in names)
    enough = ENOUGH_CLASSES if sheet.is_classes else ENOUGH_NUMBERS
    return Leak(names=tuple(names), skills=skills, n_leaks=_n_leaks(skills, enough))


def _columns(sheet: Sheet) -> list[tuple[str, Floats]]:
    values, missing = sheet.filled(), np.isnan(sheet.values)
    columns = []
    for j, name in enumerate(sheet.names):
        columns.append((name, values[:, j]))
        if missing[:, j].any():
            columns.append((f"{name} is missing", missing[:, j].astype(np.float64)))
    return columns


def _n_leaks(skills: tuple[float, ...], enough: float) -> int:
    """Count columns that tell nearly all while the others are far behind."""
    n_leaks = int(np.sum(np.array(skills) >= enough))
    if n_leaks == 0 or 2 * n_leaks > len(skills):
        return 0
    left_open = 1 - skills[n_leaks]
    return n_leaks if left_open >= max(OPEN, FAR * (1 - skills[0])) else 0


def _of_classes(column: Floats, target: Floats, fold: npt.NDArray[np.int64]) -> float:
    """Return balanced accuracy, brought to 0 for guessing."""
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(max_leaf_nodes=LEAVES, min_samples_leaf=2, class_weight="balanced", random_state=0)
    called = np.empty_like(target)
    for number in (0, 1):
        called[fold == number] = tree.fit(column[fold != number, None], target[fold != number]).predict(
            column[fold == number, None]
        )
    # A class of one or two rows cannot be learned from one half.
    classes = [label for label in np.unique(target) if np.sum(target == label) >= 4]
    if len(classes) < 2:
        return 0.0
    recall = np.mean([np.mean(called[target == label] == label) for label in classes])
    return float(max(0.0, (recall * len(classes) - 1) / (len(classes) - 1)))


def _of_numbers(column: Floats, ranks: Floats, fold: npt.NDArray[np.int64]) -> float:
    """Return R^2."""
    from sklearn.tree import DecisionTreeRegressor

    tree = DecisionTreeRegressor(max_leaf_nodes=LEAVES, min_samples_leaf=3, random_state=0)
    called = np.empty_like(ranks)
    for number in (0, 1):
        called[fold == number] = tree.fit(column[fold != number, None], ranks[fold != number]).predict(
            column[fold == number, None]
        )
    return max(0.0, 1 - float(np.mean((called - ranks) ** 2) / np.var(ranks)))
