"""Statistics of two bare learning curves: what a log of anyone's training says without anything else.

All of them are shares or logarithms of ratios, so that neither the unit of the loss nor the number of epochs matters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planefold.core.records import Record, counted
from planefold.doctor.case import Curve, Curves
from planefold.doctor.check import NotApplicableError

MIN_POINTS = 5
# Longer curves are thinned: none that the scorecard was fitted to was longer.
_MAX_POINTS = 120
_TINY = 1e-12
# Farther than this nothing more is learned from a logarithm of a ratio.
_FAR = 4.0

# What each statistic says. "End" is the median of the last three epochs, "range" the distance from the higher of the
# two first losses (or the loss before training) down to the lowest loss of all.
STATISTICS = {
    "broken": "1 where a loss is infinite or not a number at the end",
    "epochs": "log of the number of epochs",
    "fall_train": "log of first over lowest training loss",
    "fall_val": "log of first over lowest validation loss",
    "end_train": "log of end over first training loss",
    "end_val": "log of end over first validation loss",
    "worse_train": "log of end over lowest training loss",
    "rise_root": "root of the rise of the validation loss from its lowest to its end, share of the range",
    "turning": "place of the lowest validation loss, share of the epochs",
    "turning_train": "place of the lowest training loss, share of the epochs",
    "gap": "validation minus training loss at the end, share of the range",
    "gap_ratio": "log of validation over training loss at the end",
    "gap_best": "log of validation over training loss where the validation loss is lowest",
    "gap_first": "log of validation over training loss in the first epoch",
    "gap_middle": "log of validation over training loss halfway",
    "below_end": "the gap_ratio where it is negative, else 0",
    "below_best": "the gap_best where it is negative, else 0",
    "below": "share of the epochs with the validation loss below the training loss",
    "slope_val": "fall of a straight line through the last third of the validation loss, share of its level",
    "slope_train": "fall of a straight line through the last third of the training loss, share of its level",
    "slope_train_range": "fall of that line, share of the range",
    "trend_train": "slope_train over its standard error, squashed",
    "late_train": "log of the mean training loss of the last fifth but one over that of the last fifth",
    "gain_val": "fall of the validation loss that as many epochs more would bring, share of the range",
    "gain_train_ratio": "that fall of the training loss, as log(1 + share of its end)",
    "jitter_val": "log of the noise of the last half of the validation loss (second differences), share of the range",
    "jitter_val_level": "log of that noise, share of the loss",
    "jitter_train_level": "log of the noise of the training loss, share of the loss",
    "jitter_ratio": "jitter_val_level minus jitter_train_level",
    "jump_val": "largest step up of the validation loss, share of the range",
    "jump_train": "largest step up of the training loss, share of the range",
}
# With the loss before training (epoch 0), which few logs have.
START_STATISTICS = {
    "start_first": "log of the loss before training over the first validation loss",
    "start_val": "log of the loss before training over the lowest validation loss",
    "start_train": "log of the loss before training over the lowest training loss",
    "skill_val": "share of the loss before training that is gone from the validation loss at the end",
    "skill_train": "share of the loss before training that is gone from the training loss at the end",
    "flat": "what skill_train lacks to 0.15, else 0",
}
# With a score of which higher is better: accuracy, R^2 ...
SCORE_STATISTICS = {
    "score_end": "validation score at the end",
    "score_best": "best validation score",
    "score_drop": "best minus end",
    "score_gain": "best minus first",
    "score_late": "end minus the score halfway",
    "score_rows": "log of the fewest held-out rows whose shares can be these scores, at most 1000",
    "score_error": "standard error of the best score with that many rows",
    "score_jitter": "noise of the score in the last half",
    "score_gap": "training minus validation score at the end; 0 where there is no training score",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Pair(Record):
    """Two curves with a value in every entry, from the first epoch on, in units of their median.

    Parameters
    ----------
    epoch, train, val : array of shape (n,)
        Epochs in which both losses are known, and finite.
    start : float or None
        Validation loss before training.
    train_score, val_score : array of shape (n,) or None
    of_scores : bool
        Whether the losses are scores turned round, which move otherwise.
    broken : bool
        Whether a loss became infinite or not a number.
    broken_epoch : float
        The first such epoch; nan where there is none.
    """

    epoch: Curve
    train: Curve
    val: Curve
    start: float | None = None
    train_score: Curve | None = None
    val_score: Curve | None = None
    of_scores: bool = False
    broken: bool = False
    broken_epoch: float = np.nan


def pair_of(curves: Curves) -> Pair:
    """Take the epochs in which both losses are known.

    Raises
    ------
    NotApplicableError
        Without both curves, or with fewer than five such epochs (a loss that became infinite needs none).
    """
    train = curves.train_eval if curves.train_loss is None else curves.train_loss
    if train is None or curves.val_loss is None:
        raise NotApplicableError(f"there is no {'training' if train is None else 'validation'} loss")
    later = curves.epoch > 0
    epoch, train, val = curves.epoch[later], train[later], curves.val_loss[later]
    bad = np.isinf(train) | np.isinf(val)
    both = np.isfinite(train) & np.isfinite(val)
    if both.sum() < MIN_POINTS and not bad.any():
        raise NotApplicableError(f"{counted(int(both.sum()), 'epoch')} with both losses; a verdict needs {MIN_POINTS}")
    start = curves.val_loss[curves.epoch == 0][:1]
    train, val, score = train[both], val[both], _known(curves.val_score, later, both)
    unit = unit_of(np.concatenate([train, val]))
    return Pair(
        epoch=epoch[both],
        train=in_units(train, unit),
        val=in_units(val, unit),
        start=float(in_units(start, unit)[0]) if np.isfinite(start).any() else None,
        train_score=_known(curves.train_score, later, both),
        val_score=score,
        of_scores=score is not None and bool(np.allclose(val, 1 - score, rtol=0, atol=1e-9)),
        broken=bool(bad.any()),
        broken_epoch=float(epoch[bad][0]) if bad.any() else np.nan,
    )


def rate_of(curves: Curves) -> float | None:
    """Return the highest learning rate of a log; None where it has none."""
    rates = curves.learning_rate
    return None if rates is None or not np.isfinite(rates).any() else float(np.nanmax(rates))


def unit_of(values: Curve) -> float:
    """Return the median size of the values that are not zero."""
    sizes = np.abs(values[values != 0])
    return float(np.median(sizes)) if len(sizes) else 1.0


def in_units(values: Curve, unit: float) -> Curve:
    """Divide by the unit; what is 1e12 times as large counts as that, so that nothing overflows."""
    most = 1e12 * unit
    scaled: Curve = np.clip(values, -most, most) / unit
    return scaled


def _known(score: Curve | None, later: NDArray[np.bool_], both: NDArray[np.bool_]) -> Curve | None:
    """Return the score in those epochs, gaps filled from their neighbours; None where it is mostly unknown."""
    if score is None:
        return None
    values = score[later][both]
    known = np.isfinite(values)
    if known.sum() < max(len(values) / 2, MIN_POINTS):
        return None
    places = np.arange(len(values))
    filled: Curve = np.interp(places, places[known], values[known])
    return filled


def statistics(pair: Pair) -> dict[str, float]:
    """Compute every statistic that this pair of curves allows.

    Returns
    -------
    dict of str to float
        The keys of ``STATISTICS``; those of ``START_STATISTICS`` with a loss before training, those of
        ``SCORE_STATISTICS`` with a validation score. All are finite.
    """
    if len(pair.val) < MIN_POINTS:  # it broke at once: what there is says nothing else
        flat = np.ones(MIN_POINTS)
        pair = Pair(epoch=np.arange(1.0, MIN_POINTS + 1), train=flat, val=flat, broken=True)
    pair = _thinned(pair)
    train, val, start = _positive(pair)
    now = _shifted(pair.epoch, train)
    top = max(train[0], val[0], 0.0 if start is None else min(start, 3 * max(train[0], val[0])))
    span = max(top - min(train.min(), val.min()), 1e-9 * abs(top), _TINY)
    found = {"broken": float(pair.broken), "epochs": float(np.log(len(val)))}
    found |= _levels(train, val, span) | _gaps(now, val, span) | _slopes(train, val, span) | _noises(train, val, span)
    if start is not None:
        found |= _from_start(train, val, start)
    if pair.val_score is not None:
        found |= _scores(pair.val_score, pair.train_score)
    return found


def _thinned(pair: Pair) -> Pair:
    n = len(pair.val)
    if n <= _MAX_POINTS:
        return pair
    kept = np.unique(np.linspace(0, n - 1, _MAX_POINTS).round().astype(int))
    return replace(
        pair,
        epoch=pair.epoch[kept],
        train=pair.train[kept],
        val=pair.val[kept],
        train_score=None if pair.train_score is None else pair.train_score[kept],
        val_score=None if pair.val_score is None else pair.val_score[kept],
    )


def _positive(pair: Pair) -> tuple[Curve, Curve, float | None]:
    """Lift losses that fall below zero (densities), as ratios are taken."""
    low = min(pair.train.min(), pair.val.min())
    if low > 0:
        return pair.train, pair.val, pair.start if pair.start is not None and pair.start > 0 else None
    lift = 0.02 * (float(np.median(np.concatenate([pair.train, pair.val]))) - low) + 1e-9 - low
    return pair.train + lift, pair.val + lift, None if pair.start is None else max(pair.start + lift, _TINY)


def _shifted(epoch: Curve, train: Curve) -> Curve:
    """Return the training loss at the end of each epoch: a running mean is half an epoch behind."""
    halves: Curve = np.interp(epoch + 0.5, epoch, train)
    step = (train[-1] - train[-2]) / max(epoch[-1] - epoch[-2], 1) / 2
    halves[-1] += np.clip(step, -0.2 * train[-1], 0.0)
    return halves


def end_of(values: Curve) -> float:
    """Return the median of the last three values (of fewer in a short curve)."""
    return float(np.median(values[-max(min(3, len(values) // 4), 1) :]))


def _log_ratio(above: float, below: float, low: float = -_FAR, high: float = _FAR) -> float:
    return float(np.clip(np.log(max(above, _TINY)) - np.log(max(below, _TINY)), low, high))


def _levels(train: Curve, val: Curve, span: float) -> dict[str, float]:
    """Where the curves begin, turn and end."""
    last, end_train = len(val) - 1, end_of(train)
    rise = min((end_of(val) - val.min()) / span, 1.5)
    return {
        "fall_train": _log_ratio(train[0], train.min(), high=14),
        "fall_val": _log_ratio(val[0], val.min(), high=14),
        "end_train": _log_ratio(end_train, train[0], low=-5),
        "end_val": _log_ratio(end_of(val), val[0], low=-5),
        "worse_train": _log_ratio(end_train, train.min()),
        "rise_root": float(np.sqrt(max(rise, 0))),
        "turning": int(np.argmin(val)) / last,
        "turning_train": int(np.argmin(train)) / last,
    }


def _gaps(now: Curve, val: Curve, span: float) -> dict[str, float]:
    """How far the validation loss lies above the training loss, at several places."""
    middle, turning = len(val) // 2, int(np.argmin(val))
    end, best = _log_ratio(end_of(val), end_of(now), -1.5, 3), _log_ratio(val.min(), now[turning], -1.5, 3)
    halfway = _log_ratio(
        float(np.median(val[middle : middle + 3])), float(np.median(now[middle : middle + 3])), -1.5, 3
    )
    return {
        "gap": float(np.clip((end_of(val) - end_of(now)) / span, -1, 2)),
        "gap_ratio": end,
        "gap_best": best,
        "gap_first": _log_ratio(val[0], now[0], -1.5, 1.5),
        "gap_middle": halfway,
        "below_end": min(end, 0.0),
        "below_best": min(best, 0.0),
        "below": float(np.mean(val < now)),
    }


def _slopes(train: Curve, val: Curve, span: float) -> dict[str, float]:
    """What the ends of the curves promise."""
    n, fifth = len(val), max(len(val) // 5, 1)
    fall_val, _, share_val = _late_fall(val)
    fall_train, error, share_train = _late_fall(train)
    trend = fall_train / error if error > 0 else 9.0 * np.sign(fall_train)
    gain = promised_gain(train) / max(end_of(train), _TINY)
    return {
        "slope_val": float(np.clip(fall_val / share_val, -2, 2)),
        "slope_train": float(np.clip(fall_train / share_train, -2, 2)),
        "slope_train_range": float(np.clip(fall_train / span, -2, 2)),
        "trend_train": float(np.arctan(trend / 6)),
        "late_train": _log_ratio(float(np.mean(train[n - 2 * fifth : n - fifth])), float(train[-fifth:].mean()), -1, 1),
        "gain_val": float(np.clip(promised_gain(val) / span, 0, 1)),
        "gain_train_ratio": float(np.log1p(np.clip(gain, 0, 3))),
    }


def _late_fall(values: Curve) -> tuple[float, float, float]:
    """Fit a line to the last third; return its fall in the whole time, the standard error, and the level there."""
    last = values[-max(len(values) // 3, 4) :]
    slope, error = line(last)
    steps = len(values) - 1
    return -slope * steps, error * steps, max(float(np.median(last)), _TINY)


def line(values: Curve) -> tuple[float, float]:
    """Fit a straight line; return its slope for each entry and the standard error of it."""
    places = np.arange(len(values)) - (len(values) - 1) / 2
    spread = float(places @ places)
    slope = float(places @ values) / spread
    rest = values - values.mean() - slope * places
    return slope, float(np.sqrt(rest @ rest / max(len(values) - 2, 1) / spread))


def promised_gain(values: Curve) -> float:
    """Return by how much the curve would fall in as many epochs again, if each quarter falls by the same factor."""
    n, quarter = len(values), max(len(values) // 4, 2)
    if n < 6:
        return 0.0
    first = values[-3 * quarter : -2 * quarter] if n >= 3 * quarter else values[:quarter]
    before, last = float(values[-2 * quarter : -quarter].mean()), float(values[-quarter:].mean())
    fell_before, fell = float(first.mean()) - before, before - last
    if fell <= 0:
        return 0.0
    factor = min(fell / fell_before, 0.9) if fell_before > 0 else 0.9
    return fell * sum(factor**i for i in range(1, n // quarter + 1))


def jitter(values: Curve) -> float:
    """Return the noise of a curve: root mean square of its second differences over the square root of 6."""
    return float(np.sqrt(np.mean(np.diff(values, 2) ** 2) / 6)) if len(values) >= 3 else 0.0


def _noises(train: Curve, val: Curve, span: float) -> dict[str, float]:
    """How much the curves jump."""
    noise, level = _late_noise(val)
    other, other_level = _late_noise(train)
    in_val, in_train = _log_ratio(noise, level, -9, 1), _log_ratio(other, other_level, -9, 1)
    return {
        "jitter_val": _log_ratio(noise, span, -9, 1),
        "jitter_val_level": in_val,
        "jitter_train_level": in_train,
        "jitter_ratio": float(np.clip(in_val - in_train, -_FAR, _FAR)),
        "jump_val": float(np.clip(np.diff(val).max() / span, 0, 1.5)),
        "jump_train": float(np.clip(np.diff(train).max() / span, 0, 1.5)),
    }


def _late_noise(values: Curve) -> tuple[float, float]:
    half = values[len(values) // 2 :] if len(values) >= 8 else values
    return jitter(half), max(float(np.median(half)), _TINY)


def _from_start(train: Curve, val: Curve, start: float) -> dict[str, float]:
    skill_train = float(np.clip(1 - end_of(train) / start, -1, 1))
    return {
        "start_first": _log_ratio(start, val[0], -2, 3),
        "start_val": _log_ratio(start, val.min(), -1, 5),
        "start_train": _log_ratio(start, train.min(), -1, 5),
        "skill_val": float(np.clip(1 - end_of(val) / start, -1, 1)),
        "skill_train": skill_train,
        "flat": max(0.0, 0.15 - skill_train),
    }


def _scores(val: Curve, train: Curve | None) -> dict[str, float]:
    best, end, rows = float(val.max()), end_of(val), rows_behind(val)
    share = float(np.clip(best, 0, 1))
    figures = {
        "score_end": end,
        "score_best": best,
        "score_drop": best - end,
        "score_gain": best - float(val[0]),
        "score_late": end - float(np.median(val[len(val) // 2 : len(val) // 2 + 3])),
        "score_rows": float(np.log(rows)),
        "score_error": float(np.sqrt((share * (1 - share) + 0.25 / rows) / rows)),
        "score_jitter": jitter(val[len(val) // 2 :]),
        "score_gap": 0.0 if train is None else end_of(train) - end,
    }
    return {name: float(np.clip(value, -1, 7)) for name, value in figures.items()}


def rows_behind(scores: Curve, most: int = 1000) -> int:
    """Return the fewest rows whose shares can be these scores.

    An accuracy is a whole number of rows over all of them: 0.9333 and 0.8667 can come from 15 rows, not from fewer.

    >>> rows_behind(np.array([0.8667, 0.9333, 0.8667])), rows_behind(np.array([0.5, 0.75]))
    (15, 4)
    """
    values = np.unique(scores[np.isfinite(scores)])
    if not len(values) or values[0] < 0 or values[-1] > 1:
        return most
    rounding = 0.5 * 10.0 ** -min(max(len(f"{value:.7g}".partition(".")[2]) for value in values), 7)
    rows = np.arange(1, most + 1)[:, None]
    counts = rows * values
    fits = (np.abs(counts - np.round(counts)) <= rows * rounding * 1.01 + 1e-9).all(axis=1)
    return int(np.argmax(fits)) + 1 if fits.any() else most
