"""Rows that stand in an order: sorted by the target, or one after the other in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from planefold.core.records import Record
from planefold.doctor.scan.sheet import Floats, Sheet

MIN_ROWS = 30


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Order(Record):
    """What the order of the rows tells.

    Parameters
    ----------
    sortedness : float
        1 where the rows are sorted by the target, 0 where they are in no order: for classes, how much fewer changes
        from row to row there are than in a random order; for numbers, the absolute rank correlation with the row's
        number.
    alike : float
        Rank correlation of the target with that of the row before (for classes, as ``sortedness``), in the order of
        time where a time is known.
    z : float
        The same in standard errors.
    time : str
        The column of times; ``""`` where the rows are taken as they stand.
    is_mixed : bool or None
        Whether held-out rows lie between those to learn from; None where that is not known.
    held_out_is_end : bool
        Whether the rows are sorted by the target and the held-out ones look like their end.
    """

    sortedness: float
    alike: float
    z: float
    time: str = ""
    is_mixed: bool | None = None
    held_out_is_end: bool = False


def measure_order(sheet: Sheet) -> Order | None:
    """Look at the order of the rows; None without a target, or with few rows."""
    if sheet.target is None or sheet.n_train < MIN_ROWS or np.ptp(sheet.target[: sheet.n_train]) == 0:
        return None
    train, is_timed = _in_time(sheet)
    likeness = _changes if sheet.is_classes else _correlation
    as_they_stand = sheet.target[: sheet.n_train]
    sortedness = likeness(as_they_stand)[0] if sheet.is_classes else _trend(as_they_stand)
    alike, z = likeness(train)
    return Order(
        sortedness=sortedness,
        alike=alike,
        z=z,
        time=sheet.time_name if is_timed else "",
        is_mixed=_mixed(sheet, is_timed),
        held_out_is_end=_is_end(sheet),
    )


def _in_time(sheet: Sheet) -> tuple[Floats, bool]:
    assert sheet.target is not None
    target = sheet.target[: sheet.n_train]
    time = None if sheet.time is None else sheet.time[: sheet.n_train]
    if time is None or np.isnan(time).any() or len(np.unique(time)) < MIN_ROWS:
        return target, False
    return target[np.argsort(time, kind="stable")], True


def _changes(codes: Floats) -> tuple[float, float]:
    """Compare changes from row to row with those of a random order.

    References
    ----------
    Wald and Wolfowitz, "On a Test Whether Two Samples are from the Same Population", 1940 (of two classes; here for
    any number of them, Barton and David 1957).
    """
    n = len(codes)
    shares = np.unique(codes, return_counts=True)[1] / n
    expected = (n - 1) * (1 - np.sum(shares**2)) * n / (n - 1)
    changes = np.sum(codes[1:] != codes[:-1])
    # The variance of the number of changes, for large n.
    second, third = np.sum(shares**2), np.sum(shares**3)
    variance = n * max(second + second**2 - 2 * third, 1e-12)
    return float(1 - changes / expected), float((expected - changes) / np.sqrt(variance))


def _correlation(target: Floats) -> tuple[float, float]:
    ranks = rankdata(target)
    alike = float(np.corrcoef(ranks[1:], ranks[:-1])[0, 1])
    return alike, alike * float(np.sqrt(len(target)))


def _trend(target: Floats) -> float:
    return abs(float(np.corrcoef(rankdata(target), np.arange(len(target)))[0, 1]))


def _mixed(sheet: Sheet, is_timed: bool) -> bool | None:
    if sheet.n_val < 5:
        return None
    if is_timed:
        assert sheet.time is not None
        train, val = sheet.time[: sheet.n_train], sheet.time[sheet.n_train :]
        if np.isnan(val).all():
            return None
        inside = (val > np.quantile(train, 0.02)) & (val < np.quantile(train, 0.98))
        return bool(np.mean(inside) > 0.5)
    return _follows(sheet) if sheet.n_val >= MIN_ROWS else None


def _follows(sheet: Sheet) -> bool | None:
    """Tell whether held-out rows, in their order, go along with the rows to learn from at the same share of the way.

    That is how a split looks that drew rows at random and left them in their order. None where it cannot be seen.
    """
    assert sheet.target is not None
    train, val = sheet.target[: sheet.n_train], sheet.target[sheet.n_train :]
    places = np.clip(((np.arange(sheet.n_val) + 0.5) / sheet.n_val * sheet.n_train).astype(int), 0, sheet.n_train - 1)
    if sheet.is_classes:
        agree = np.mean(train[places] == val)
        by_chance = np.sum([np.mean(train == label) * np.mean(val == label) for label in np.unique(val)])
        z = (agree - by_chance) / np.sqrt(max(by_chance * (1 - by_chance), 1e-9) / sheet.n_val)
    else:
        width = max(1, sheet.n_train // (20 * sheet.n_val) + 1)
        smooth = np.convolve(rankdata(train), np.ones(width) / width, mode="same")[places]
        if np.ptp(smooth) == 0 or np.ptp(val) == 0:
            return None
        z = float(np.corrcoef(smooth, rankdata(val))[0, 1]) * np.sqrt(sheet.n_val)
    return True if z > 5 else None


def _is_end(sheet: Sheet) -> bool:
    """Tell whether the rows are sorted by the target and the split cut off their end (or their beginning)."""
    if sheet.n_val < 5 or sheet.target is None:
        return False
    train, val = sheet.target[: sheet.n_train], sheet.target[sheet.n_train :]
    if sheet.is_classes:
        both = _changes(np.concatenate([train, val]))
        back = _changes(np.concatenate([val, train]))
        distance = 0.5 * sum(
            abs(np.mean(train == label) - np.mean(val == label)) for label in range(len(sheet.classes))
        )
        return max(both[0], back[0]) > 0.9 and distance > 0.4
    below = np.mean(train < np.median(val))
    return bool(_trend(train) > 0.9 and not 0.05 <= below <= 0.95)
