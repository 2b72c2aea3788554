"""Whether the rows that are held out look like those to learn from, in their inputs and in their target."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2_contingency, kstwo, rankdata

from planefold.core.records import Record
from planefold.doctor.scan.columns import is_id
from planefold.doctor.scan.forest import unseen_chances
from planefold.doctor.scan.looks import looks_of
from planefold.doctor.scan.names import keys_of, rule_of_names
from planefold.doctor.scan.near import MIN_ROWS as ENOUGH_ROWS
from planefold.doctor.scan.neighbours import K, chance_of_nearness, components, nearest, spread_points
from planefold.doctor.scan.repeats import row_hashes, twins
from planefold.doctor.scan.sheet import Floats, Sheet

MIN_ROWS = 30  # of the smaller side
RATHER_NEAR = 0.02  # of rows whose neighbour chance puts so near this share of times, one is left out
MAX_ROWS = 1000  # of either
MAX_FOLLOWING = 5000  # rows whose likeness to the row before is looked at
N_TREES = 40


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Shift(Record):
    """How well the two sides can be told apart by their inputs, equal and near rows counted once.

    Parameters
    ----------
    n_train, n_val : int
        Rows that were compared.
    auc : float
        Of trees that did not see the row they judge: 0.5 is chance.
    z : float
        Standard errors above 0.5.
    columns : tuple of str
        Columns whose distribution differs, the most different first; of pictures "brightness" (of
        sounds "level") and "contrast".
    distances : tuple of float
        Greatest difference of their two distribution functions (numbers) or half the sum of the differences of the
        shares (categories).
    p : float
        Probability of such a difference in the most different column by chance, times the number of columns.
    """

    n_train: int
    n_val: int
    auc: float
    z: float
    columns: tuple[str, ...]
    distances: tuple[float, ...]
    p: float


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LabelShift(Record):
    """How the target of the held-out rows differs from that of the rows to learn from.

    Parameters
    ----------
    distance : float
        Kolmogorov's distance of numbers, total variation of classes.
    p : float
        Probability of such a difference by chance.
    shares : tuple of (str, float, float)
        The classes whose shares differ most, with both shares; medians of numbers.
    only_val : tuple of str
        Classes that the training part does not have.
    """

    distance: float
    p: float
    shares: tuple[tuple[str, float, float], ...]
    only_val: tuple[str, ...] = ()


def measure_shift(sheet: Sheet, random: np.random.RandomState) -> Shift | None:
    """Let trees tell the held-out rows from the others; None without a split, or with few rows."""
    if min(sheet.n_val, sheet.n_train) < MIN_ROWS:
        return None
    worth = _worth_of_rows(sheet)
    sheet = _thinned(_comparable(sheet).sample(MAX_ROWS, MAX_ROWS, random), random)
    if min(sheet.n_val, sheet.n_train) < MIN_ROWS or not sheet.names:
        return None
    values = components(sheet.values, sheet.n_rows, random) if sheet.is_pictures else sheet.filled()
    side = np.arange(sheet.n_rows) >= sheet.n_train
    auc = _unseen_auc(values, side, random)
    error = np.sqrt((sheet.n_rows + 1) / (12 * sheet.n_train * sheet.n_val) / worth)
    seen = _with_looks(sheet) if sheet.is_pictures else sheet
    found = sorted(_columns(seen, worth), key=lambda entry: entry[2]) if seen is not None else []
    return Shift(
        n_train=sheet.n_train,
        n_val=sheet.n_val,
        auc=auc,
        z=float((auc - 0.5) / error),
        columns=tuple(name for name, _, p in found if p < 1e-3),
        distances=tuple(distance for _, distance, p in found if p < 1e-3),
        p=min(1.0, found[0][2] * len(found)) if found else 1.0,
    )


def _thinned(sheet: Sheet, random: np.random.RandomState) -> Sheet:
    """Keep one of equal or near rows: those that trees have seen would give away the side of the others."""
    hashes = row_hashes(sheet.identity)
    kept = np.ones(sheet.n_rows, dtype=bool)
    for side in (slice(0, sheet.n_train), slice(sheet.n_train, sheet.n_rows)):
        first = twins(hashes[side])
        kept[side] = first == np.arange(len(first))
    points = spread_points(sheet, random) if sheet.n_train >= ENOUGH_ROWS else None
    if points is not None:
        own = np.arange(len(points))
        distances, places = nearest(points, points, K, own)
        kept &= (chance_of_nearness(distances) >= RATHER_NEAR) | (places[:, 0] > own)
    rows = np.flatnonzero(kept)
    return sheet.take(rows[rows < sheet.n_train], rows[rows >= sheet.n_train])


def _with_looks(sheet: Sheet) -> Sheet | None:
    """Put what can be seen of single pictures into the columns; None where a row is no picture, but a wide one."""
    if sheet.small is None:
        return None
    looks = looks_of(sheet.small, sheet.kind)
    values = np.column_stack(list(looks.values()))
    return replace(sheet, names=tuple(looks), numeric=np.ones(len(looks), dtype=bool), values=values)


def _comparable(sheet: Sheet) -> Sheet:
    """Leave out times and row numbers: that later rows are later is no shift."""
    if sheet.is_pictures:
        return sheet
    train = sheet.values[: sheet.n_train]
    kept = [j for j, name in enumerate(sheet.names) if name != sheet.time_name and not is_id(train[:, j])]
    return replace(
        sheet, names=tuple(sheet.names[j] for j in kept), numeric=sheet.numeric[kept], values=sheet.values[:, kept]
    )


def _worth_of_rows(sheet: Sheet) -> float:
    r"""Return how much a row counts for as evidence: less than 1 where rows that follow each other are alike.

    :math:`(1 - r) / (1 + r)`, with :math:`r` the greatest correlation of a numeric column with itself a row before.

    References
    ----------
    Bartlett, "Some Aspects of the Time-Correlation Problem", Journal of the Royal Statistical Society 1935.
    """
    if sheet.is_pictures:
        return _worth_of_pictures(sheet)
    some = np.arange(min(sheet.n_train, MAX_FOLLOWING))
    values = sheet.values[some][:, sheet.numeric]
    if not values.shape[1]:
        return 1.0
    ranks = rankdata(np.nan_to_num(values), axis=0) - (len(some) + 1) / 2
    variance = np.sum(ranks * ranks, axis=0)
    following = np.sum(ranks[1:] * ranks[:-1], axis=0) / np.where(variance > 0, variance, 1.0)
    # Below what chance gives rows in no order, they are taken to be in none.
    r = float(following.max()) if following.max() > 4 / np.sqrt(len(some)) else 0.0
    return max((1 - r) / (1 + r), 0.01)


def _worth_of_pictures(sheet: Sheet) -> float:
    """Count groups, not the pictures in them, where groups are given or the names of files show them."""
    keys: npt.NDArray[Any] | None = sheet.groups
    if keys is None and sheet.files:
        rule = rule_of_names(sheet.files, len(sheet.classes))
        keys = None if rule is None else keys_of(sheet.files, rule)
    return 1.0 if keys is None else len(np.unique(keys)) / len(keys)


def _unseen_auc(values: Floats, side: npt.NDArray[np.bool_], random: np.random.RandomState) -> float:
    chances = unseen_chances(values, side.astype(np.int64), random, n_trees=N_TREES, min_samples_leaf=5, balanced=True)
    n_val = int(side.sum())
    return float((rankdata(chances[:, 1])[side].sum() - n_val * (n_val + 1) / 2) / (n_val * (len(side) - n_val)))


def _columns(sheet: Sheet, worth: float) -> list[tuple[str, float, float]]:
    """Compare each column: its name, the distance, and how probable that is by chance."""
    values = sheet.filled()
    n_train = sheet.n_train
    found = []
    for j, name in enumerate(sheet.names):
        compare = _numbers_differ if sheet.numeric[j] else _codes_differ
        found.append((name, *compare(values[:n_train, j], values[n_train:, j], worth)))
    return found


def _numbers_differ(some: Floats, others: Floats, worth: float = 1.0) -> tuple[float, float]:
    """Return Kolmogorov's distance and its p-value, from the limit distribution."""
    both = np.sort(np.concatenate([some, others]))
    shares = [np.searchsorted(np.sort(side), both, side="right") / len(side) for side in (some, others)]
    distance = float(np.abs(shares[0] - shares[1]).max())
    size = round(worth * len(some) * len(others) / len(both))
    return distance, float(kstwo.sf(distance, max(size, 1)))


def _codes_differ(some: Floats, others: Floats, worth: float = 1.0) -> tuple[float, float]:
    """Return total variation and the p-value of the chi-squared test; rare values are taken together."""
    _, codes = np.unique(np.concatenate([some, others]), return_inverse=True)
    counts = np.array(
        [np.bincount(part, minlength=codes.max() + 1) for part in (codes[: len(some)], codes[len(some) :])]
    )
    expected = counts.sum(axis=0) * min(len(some), len(others)) / len(codes)
    rare = expected < 5
    if rare.any():
        counts = np.column_stack([counts[:, ~rare], counts[:, rare].sum(axis=1)])
    if counts.shape[1] < 2:
        return 0.0, 1.0
    shares = counts / counts.sum(axis=1, keepdims=True)
    p = chi2_contingency(worth * counts, correction=False).pvalue
    return float(np.abs(shares[0] - shares[1]).sum() / 2), float(p)


def measure_label_shift(sheet: Sheet) -> LabelShift | None:
    """Compare the target of both sides; None without a split or a target, or with few rows."""
    if sheet.target is None or min(sheet.n_val, sheet.n_train) < 10:
        return None
    some, others = sheet.target[: sheet.n_train], sheet.target[sheet.n_train :]
    if not sheet.is_classes:
        distance, p = _numbers_differ(
            some, others, _worth_of_rows(replace(sheet, values=sheet.target[:, None], numeric=np.array([True])))
        )
        medians = (("the median", float(np.median(some)), float(np.median(others))),)
        return LabelShift(distance=distance, p=p, shares=medians)
    distance, p = _codes_differ(some, others)
    n_classes = len(sheet.classes)
    shares = [np.bincount(side.astype(np.int64), minlength=n_classes) / len(side) for side in (some, others)]
    order = np.argsort(-np.abs(shares[0] - shares[1]), kind="stable")[:3]
    return LabelShift(
        distance=distance,
        p=p,
        shares=tuple((sheet.classes[i], float(shares[0][i]), float(shares[1][i])) for i in order),
        only_val=tuple(sheet.classes[i] for i in np.flatnonzero((shares[0] == 0) & (shares[1] > 0))),
    )
