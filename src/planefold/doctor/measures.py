"""What the learning curves of one training say in numbers; the checks of the curves share them.

Differences of losses are judged as shares of the *learnable range*: from the loss of always predicting the training
mean or the training shares of the classes, down to the lowest loss that is known to be reachable on these rows.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from planefold.core.records import Record
from planefold.doctor.case import Curve, Curves
from planefold.doctor.extrapolation import MIN_EPOCHS, mann_kendall, n_moving, promised_gain

if TYPE_CHECKING:
    from planefold.doctor.reference import Reference

LEAST_RANGE = 0.1  # of the trivial loss: where less was learned, the range is not known ...
UNKNOWN_RANGE = 0.5  # ... and half of the trivial loss stands for it
LEARNED_BY_HEART = 0.5  # share of what was learned on the training rows that more rows would have taught for all
LAST = 3  # epochs whose median is the end of a curve
SETTLED = 0.02  # share of the range within which a loss counts as the same
DENSE = 0.8  # share of the last half's epochs in which train_eval is known, for its jumps to be judged
CALM_RISE, MANY_ROWS = 0.3, 50  # held-out rows whose jumps are the network's, and not those of a few rows
SURE = 1e6
RESTART = 1.5  # a learning rate that grows by this factor starts afresh


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Measures(Record):
    """Numbers of one training, in units of its loss; None where they are not known.

    "The end" is the state whose weights were kept: the last epoch, or the one that was put back.

    Parameters
    ----------
    n_epochs, last_epoch : float
        Passes over the training rows whose losses are known, and the number of the last one.
    end_epoch : float
        The epoch at the end.
    broken_epoch : float or None
        First epoch whose loss is infinite, or not a number from there on.
    trivial_loss : float or None
        Loss of always predicting the same, over training and held-out rows.
    best_loss : float or None
        Lowest loss on held-out rows that is known: of this training or of the reference.
    learnable_range : float or None
        ``trivial_loss - best_loss``, at least a tenth of the trivial loss. Where the trivial loss is not known: the
        highest loss of the first epochs instead.
    train_loss, train_se : float or None
        Loss of the training rows at the end, dropout off, and its standard error; ``running`` is True where it is the
        mean over the epoch while the weights moved.
    last_train : float or None
        The same loss in the last epoch, whatever weights were kept.
    val_loss, val_se : float or None
        Loss of the held-out rows at the end. Its standard error is that of the held-out rows, or what the spread of the
        training rows' losses makes of as many rows, whichever is larger: few rows underestimate their own spread. One
        row more is counted, as bad as always predicting the same: where all rows are right, rare ones were not drawn.
    best_se : float or None
        The same standard error, without that row, in the epoch with the lowest validation loss.
    lowest_train : float or None
        Lowest loss of the training rows in any epoch.
    skill, val_skill : float or None
        Shares of the trivial loss by which the best losses of the training and of the held-out rows lie below it.
    gap, gap_se : float or None
        ``val_loss - train_loss`` and its standard error.
    turning_epoch : float or None
        Epoch with the lowest validation loss.
    rise, rise_z : float or None
        Rise of the validation loss from there to the median of the last epochs trained, and how many standard errors
        it is (best epoch chosen on one half of the rows, rise measured on the other; both ways).
    fall : float or None
        Fall of the training loss over the same epochs.
    score_fall : float or None
        Fall of the validation score over the same epochs.
    promised_gain : float or None
        Roughly by how much a training of twice the length would lower the loss further.
    trend : float or None
        Mann and Kendall's z of the last half of the loss: below -2 it still falls.
    jitter : float or None
        By how much the loss jumps from epoch to epoch in the last half, trend removed (root mean square).
    settled_epoch : float or None
        From here on the validation loss stayed within two hundredths of the range above its lowest.
    """

    n_epochs: float
    last_epoch: float
    end_epoch: float
    broken_epoch: float | None = None
    trivial_loss: float | None = None
    best_loss: float | None = None
    learnable_range: float | None = None
    train_loss: float | None = None
    train_se: float | None = None
    last_train: float | None = None
    running: bool = False
    val_loss: float | None = None
    val_se: float | None = None
    best_se: float | None = None
    lowest_train: float | None = None
    skill: float | None = None
    val_skill: float | None = None
    gap: float | None = None
    gap_se: float | None = None
    turning_epoch: float | None = None
    rise: float | None = None
    rise_z: float | None = None
    fall: float | None = None
    score_fall: float | None = None
    promised_gain: float | None = None
    trend: float | None = None
    jitter: float | None = None
    settled_epoch: float | None = None

    def share(self, name: str) -> float | None:
        """Return a number as a share of the learnable range."""
        value = getattr(self, name)
        return None if value is None or not self.learnable_range else float(value) / self.learnable_range


def measure(curves: Curves, reference: Reference | None = None) -> Mapping[str, float]:
    """Return what was measured on the curves, by name; what is not known is left out.

    Parameters
    ----------
    curves : Curves
    reference : Reference or None

    Returns
    -------
    mapping of str to float
        The numbers of :class:`Measures`, and ``gap_share``, ``rise_share``, ``promised_share``, ``jitter_share``,
        ``val_se_share`` and ``best_se_share``: the same as shares of the learnable range.
    """
    measures = measured(curves, reference)
    numbers = {f.name: getattr(measures, f.name) for f in dataclasses.fields(measures) if f.name != "running"}
    for name in ("gap", "rise", "promised_gain", "jitter", "val_se", "best_se"):
        numbers[f"{name.removesuffix('_gain')}_share"] = measures.share(name)
    return {name: float(value) for name, value in numbers.items() if value is not None and math.isfinite(value)}


_KNOWN: weakref.WeakKeyDictionary[Curves, tuple[Reference | None, Measures]] = weakref.WeakKeyDictionary()


def measured(curves: Curves, reference: Reference | None = None) -> Measures:
    """Measure curves once: the checks of one case share the record."""
    known = _KNOWN.get(curves)
    if known is None or known[0] is not reference:
        known = _KNOWN[curves] = (reference, _measure(curves, reference))
    return known[1]


def _measure(curves: Curves, reference: Reference | None) -> Measures:
    train, val = _Series.of(curves, "train"), _Series.of(curves, "val")
    main = _densest(curves, train) if val is None else val
    broken = _broken_epoch(curves)
    if main is None:
        n_epochs = float((curves.epoch > 0).sum())
        last = float(curves.epoch[-1]) if len(curves.epoch) else 0.0
        return Measures(n_epochs=n_epochs, last_epoch=last, end_epoch=last, broken_epoch=broken)
    with np.errstate(over="ignore", invalid="ignore"):
        end = float(main.epoch[-1]) if curves.kept_epoch is None else float(curves.kept_epoch)
        numbers = _levels(curves, reference, train, val, end)
        numbers |= _gap(numbers)
        numbers |= _movement(curves, main, numbers)
        if val is not None:
            numbers |= _turning(curves, val, train, numbers)
        numbers = {name: _finite(value) for name, value in numbers.items()}
    return Measures(
        n_epochs=float((main.epoch > 0).sum()),
        last_epoch=float(main.epoch[-1]),
        end_epoch=end,
        broken_epoch=broken,
        running=curves.train_eval is None,
        **numbers,
    )


# What is known, epoch by epoch --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, eq=False)
class _Series:
    """A loss where it is finite: numbers of its epochs, values and standard errors."""

    epoch: Curve
    loss: Curve
    se: Curve | None

    @classmethod
    def of(cls, curves: Curves, side: str) -> _Series | None:
        loss, se = (curves.val_loss, curves.val_se) if side == "val" else (curves.train_eval, curves.train_se)
        if loss is None and side == "train":
            loss, se = curves.train_loss, None
        if loss is None or not np.isfinite(loss).any():
            return None
        known = np.isfinite(loss)
        if se is not None:
            se = se[known] if np.isfinite(se[known]).any() else None
        return cls(epoch=curves.epoch[known], loss=loss[known], se=se)

    @classmethod
    def running(cls, curves: Curves) -> _Series | None:
        """Take the loss of the training rows while the weights moved."""
        if curves.train_loss is None:
            return None
        known = np.isfinite(curves.train_loss) & (curves.epoch > 0)
        return cls(epoch=curves.epoch[known], loss=curves.train_loss[known], se=None) if known.any() else None

    def at(self, epoch: float) -> float:
        """Return the loss at an epoch, between its neighbours where it was not measured."""
        return float(np.interp(epoch, self.epoch, self.loss))

    def se_at(self, epoch: float) -> float | None:
        if self.se is None:
            return None
        known = np.isfinite(self.se)
        return float(np.interp(epoch, self.epoch[known], self.se[known]))

    def trained(self) -> _Series:
        """Leave out the state before training."""
        after = self.epoch > 0
        return _Series(epoch=self.epoch[after], loss=self.loss[after], se=None if self.se is None else self.se[after])


def _densest(curves: Curves, train: _Series | None) -> _Series | None:
    """Return the loss of the training rows that is known in more epochs."""
    running = _Series.running(curves)
    if running is None or (train is not None and len(train.loss) >= len(running.loss)):
        return train
    return running


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _broken_epoch(curves: Curves) -> float | None:
    """Return the first epoch with an infinite loss, or from which on every loss is missing."""
    losses = [curve for curve in (curves.train_loss, curves.train_eval, curves.val_loss) if curve is not None]
    if not losses:
        return None
    for curve in losses:
        infinite = np.flatnonzero(np.isinf(curve))
        if len(infinite):
            return float(curves.epoch[infinite[0]])
    known = np.flatnonzero(np.isfinite(np.stack(losses)).any(axis=0))
    if not len(known) or known[-1] + 1 >= len(curves.epoch):
        return None
    return float(curves.epoch[known[-1] + 1])


# Levels --------------------------------------------------------------------------------------------------------------


def _levels(
    curves: Curves, reference: Reference | None, train: _Series | None, val: _Series | None, end: float
) -> dict[str, float | None]:
    """Return losses at the end, what was known before any training, and the range between."""
    trivial = _trivial(curves)
    reached = [float(val.loss.min())] if val is not None else [float(train.loss.min())] if train is not None else []
    reached += [reference.loss] if reference is not None and math.isfinite(reference.loss) else []
    best = min(reached)
    top = trivial
    if top is None:
        top = max(float(series.loss[:2].max()) for series in (train, val) if series is not None)
    whole = _Whole.of(curves)
    lowest = None if train is None else _lowest(curves, train, whole)
    least = LEAST_RANGE if best < (1 - LEAST_RANGE) * top else UNKNOWN_RANGE
    reach = max(top - best, least * abs(top), 0.0 if lowest is None else LEARNED_BY_HEART * (top - lowest))
    below = None if curves.trivial_loss is None or not curves.trivial_loss > 0 else curves.trivial_loss
    level = curves.trivial_val_loss or below
    kept = _kept(curves, train, whole, end)
    return {
        "trivial_loss": trivial,
        "best_loss": best,
        "learnable_range": reach if reach > 0 else None,
        "train_loss": None if kept is None else kept[0],
        "train_se": None if kept is None else kept[1],
        "last_train": None if train is None else _last_train(curves, train),
        "val_loss": None if val is None else val.at(end),
        "val_se": None if val is None else _rare_rows(curves, _val_se(curves, train, val, end)),
        "best_se": None if val is None else _val_se(curves, train, val, float(val.epoch[np.argmin(val.loss)])),
        "lowest_train": lowest,
        "skill": None if below is None or lowest is None else 1 - lowest / below,
        "val_skill": None if level is None or val is None else 1 - float(val.loss.min()) / level,
    }


def _trivial(curves: Curves) -> float | None:
    """Return the trivial loss over the training and the held-out rows, which together know it best."""
    train, val = curves.trivial_loss, curves.trivial_val_loss
    if train is None or not math.isfinite(train):
        return None
    if val is None or not math.isfinite(val) or not curves.n_train or not curves.n_val:
        return train
    return (curves.n_train * train + curves.n_val * val) / (curves.n_train + curves.n_val)


class _Whole(NamedTuple):
    """The loss of all training rows at the end of each epoch, as the running losses around it say.

    They are means over all rows, where ``train_eval`` is of a few; half of an epoch's fall is the difference.
    """

    epoch: Curve
    loss: Curve
    steps: Curve  # half of an epoch's change: how far off it may be

    @classmethod
    def of(cls, curves: Curves) -> _Whole | None:
        running = _Series.running(curves)
        if running is None or not curves.is_plain or curves.train_eval is None or len(running.loss) < 2:
            return None
        half = np.diff(running.loss) / 2
        half = np.append(half, min(half[-1], 0.0))
        return cls(epoch=running.epoch, loss=running.loss + half, steps=np.abs(half))

    def near(self, epoch: float, seen: tuple[float, float, int], n_train: int) -> tuple[float, float]:
        """Return it for one epoch and its standard error, as far from what was seen on some rows as chance allows."""
        place = np.flatnonzero(self.epoch == epoch)
        loss, se, n = seen
        if not len(place):
            return loss, se
        reach = 2 * se * math.sqrt(max(1 - n / n_train, 0.0))
        told = min(max(float(self.loss[place[0]]), loss - reach), loss + reach)
        return told, min(math.hypot(se * math.sqrt(n / n_train), float(self.steps[place[0]])), se)


def _kept(curves: Curves, train: _Series | None, whole: _Whole | None, end: float) -> tuple[float, float | None] | None:
    """Return the loss of the training rows with the kept weights, and its standard error."""
    if train is None:
        return None
    loss, se, n = curves.kept_train or (train.at(end), train.se_at(end), curves.n_eval)
    if whole is None or se is None or not n or not curves.n_train or n >= curves.n_train:
        return loss, se
    return whole.near(end, (loss, se, n), curves.n_train)


def _lowest(curves: Curves, train: _Series, whole: _Whole | None) -> float:
    """Return the lowest loss of the training rows, measured at the end of an epoch or over it."""
    running = _Series.running(curves)
    if whole is not None and (curves.n_eval or 0) < (curves.n_train or 0):
        return float(min(whole.loss.min(), train.loss[0]))
    # An uncertain loss, of a few rows of which one is far off, may be low by chance.
    lowest = float(train.loss[np.argmin(train.loss if train.se is None else train.loss + np.nan_to_num(train.se))])
    return lowest if running is None else min(lowest, float(running.loss.min()))


def _last_train(curves: Curves, train: _Series) -> float:
    """Return the loss of the training rows in the last epoch, whatever weights were kept."""
    running = curves.train_loss
    if train.epoch[-1] == curves.epoch[-1] or running is None or not math.isfinite(running[-1]):
        return float(train.loss[-1])
    return float(running[-1])


def _val_se(curves: Curves, train: _Series | None, val: _Series, epoch: float) -> float | None:
    own = val.se_at(epoch)
    spread, n = None if train is None else train.se_at(train.epoch[-1]), curves.n_eval
    if curves.kept_train is not None:
        _, spread, n = curves.kept_train
    if spread is None or n is None or curves.n_val is None:
        return own
    pooled = spread * math.sqrt(n / curves.n_val)
    return pooled if own is None else max(own, pooled)


def _rare_rows(curves: Curves, se: float | None) -> float | None:
    """Count one row more, as bad as always predicting the same: where all rows are right, rare ones were not drawn."""
    if se is None or not curves.n_val or curves.trivial_loss is None:
        return se
    return math.hypot(se, curves.trivial_loss / curves.n_val)


def _gap(numbers: Mapping[str, float | None]) -> dict[str, float | None]:
    val, train = numbers["val_loss"], numbers["train_loss"]
    if val is None or train is None:
        return {}
    val_se, train_se = numbers["val_se"], numbers["train_se"]
    known = val_se is not None
    return {"gap": val - train, "gap_se": math.hypot(val_se or 0.0, train_se or 0.0) if known else None}


# Movement ------------------------------------------------------------------------------------------------------------


def _movement(curves: Curves, main: _Series, numbers: Mapping[str, float | None]) -> dict[str, float | None]:
    """Return what the loss would gain, how steadily it falls, and how much it jumps."""
    trained = main.trained()
    if len(trained.loss) < MIN_EPOCHS:
        return {}
    gain = promised_gain(trained.loss, _rates(curves, trained.epoch))
    running = _Series.running(curves)
    if running is not None and curves.val_loss is not None:
        of_train = promised_gain(running.loss, _rates(curves, running.epoch))
        # What the training rows do not promise to learn, the held-out rows will not show.
        gain = gain if math.isnan(of_train) else min(gain, 1.5 * of_train)
    return {
        "promised_gain": gain,
        "trend": mann_kendall(_last_half(trained.loss, _rates(curves, trained.epoch))),
        "jitter": _jitter(curves, trained, numbers["learnable_range"] or 0.0),
    }


def _last_half(losses: Curve, rates: Curve | None) -> Curve:
    """Return the last half of the epochs whose steps were long enough to move anything."""
    moved = losses[: n_moving(rates, len(losses))]
    return moved[-max(len(moved) // 2, MIN_EPOCHS) :]


def _rates(curves: Curves, epochs: Curve) -> Curve | None:
    if curves.learning_rate is None:
        return None
    rates: Curve = curves.learning_rate[np.isin(curves.epoch, epochs)]
    return rates


def _jitter(curves: Curves, main: _Series, reach: float) -> float | None:
    """Return the jumps of the training loss; where it was not measured often enough, those all losses agree on."""
    evaluated = _Series.of(curves, "train") if curves.train_eval is not None else None
    first = main.epoch[-max(len(main.epoch) // 2, MIN_EPOCHS + 1) :][0]
    if evaluated is not None:
        evaluated = evaluated.trained()
        if (evaluated.epoch >= first).sum() >= DENSE * (main.epoch >= first).sum():
            return _jumps(curves, evaluated, first)
    jumps = _jumps(curves, main, first)
    if jumps is None:
        return None
    # An overfitted network's losses on held-out rows jump for the few rows it is surest and wrong about.
    rise = max(float(np.median(main.loss[-LAST:])) - float(main.loss.min()), 0.0) / reach if reach > 0 else 0.0
    jumps /= 1 + rise
    if curves.val_loss is None or (rise < CALM_RISE and (curves.n_val or 0) >= MANY_ROWS):
        return jumps
    seen = [None if evaluated is None else _jumps(curves, evaluated, first)]
    running = _Series.running(curves)
    if running is not None:
        seen.append(_jumps(curves, running, first))
    return min(jumps, max((other for other in seen if other is not None), default=jumps))


def _jumps(curves: Curves, series: _Series, first: float) -> float | None:
    """Return the root mean square of the second differences over sqrt(6): the noise of one epoch's loss."""
    late = series.epoch >= first
    if late.sum() < LAST + 2:
        return None
    seconds = np.diff(series.loss[late], 2)
    rates = _rates(curves, series.epoch[late])
    if rates is not None and len(rates) == len(seconds) + 2 and np.isfinite(rates).all():
        grown = rates[1:] > RESTART * rates[:-1]  # a warm restart is meant to jump
        seconds = seconds[~(grown[1:] | grown[:-1])]
    return float(np.sqrt(np.mean(seconds**2) / 6)) if len(seconds) else None


# Turning point -------------------------------------------------------------------------------------------------------


def _turning(
    curves: Curves, val: _Series, train: _Series | None, numbers: Mapping[str, float | None]
) -> dict[str, float | None]:
    """Return where the validation loss turned, how far it rose since, and what the training loss did meanwhile."""
    turn = int(np.argmin(val.loss))
    rise = float(np.median(val.loss[-LAST:])) - float(val.loss[turn])
    at, last = float(val.epoch[turn]), float(val.epoch[-1])
    reach = numbers["learnable_range"] or 0.0
    far = np.flatnonzero(val.loss > val.loss[turn] + SETTLED * reach)
    settled = far[-1] + 1 if len(far) else 0
    return {
        "turning_epoch": at,
        "rise": max(rise, 0.0),
        "rise_z": _rise_z(curves, val, rise),
        "fall": _fall(curves, train, at, last),
        "score_fall": _score_fall(curves, at),
        "settled_epoch": float(val.epoch[settled]) if settled < len(val.epoch) else None,
    }


def _fall(curves: Curves, train: _Series | None, start: float, stop: float) -> float | None:
    """Return how far the training loss fell, by the curve that says it best."""
    falls = [] if train is None else [train.at(max(start, train.epoch[0])) - train.at(stop)]
    running = _Series.running(curves)
    if running is not None:
        falls.append(running.at(start) - running.at(stop))
    return max(falls) if falls else None


def _score_fall(curves: Curves, turn: float) -> float | None:
    scores = curves.val_score
    if scores is None:
        return None
    known = np.isfinite(scores)
    if not known.any():
        return None
    return float(np.interp(turn, curves.epoch[known], scores[known]) - np.median(scores[known][-LAST:]))


def _rise_z(curves: Curves, val: _Series, rise: float) -> float | None:
    """Return how many standard errors the rise is."""
    rows = curves.val_rows
    if rows is None or rows.shape[0] != len(curves.epoch) or rows.shape[1] < 4:
        return _rise_z_of_curve(curves, val, rise)
    known = np.isin(curves.epoch, val.epoch) & np.isfinite(rows).all(axis=1)
    table = rows[known].astype(np.float64)
    if len(table) < MIN_EPOCHS:
        return _rise_z_of_curve(curves, val, rise)
    last = table[-LAST:].mean(axis=0)
    rises = []
    for chosen in _halves(table.shape[1]):
        best = table[np.argmin(table[:, chosen].mean(axis=1))]
        rises.append((last - best)[~chosen].mean())
    paired = last - table[np.argmin(table.mean(axis=1))]
    # The curve is the mean of all rows, of which these may be a part; the luck of the choice shrinks as the error does.
    part = math.sqrt(min(len(paired) / curves.n_val, 1.0)) if curves.n_val else 1.0
    se = part * float(paired.std(ddof=1)) / math.sqrt(len(paired))
    luck = part * (float(paired.mean()) - float(np.mean(rises)))
    return _in_errors(rise - luck, se)


def _halves(n: int) -> list[np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return six halves of the rows: three cuts, both ways."""
    place = np.arange(n)
    cuts = [place % 2 == 0, place // 2 % 2 == 0, place < n // 2]
    return list(itertools.chain.from_iterable((cut, ~cut) for cut in cuts))


def _rise_z_of_curve(curves: Curves, val: _Series, rise: float) -> float | None:
    """Compare the rise with what an epoch differs from its neighbours by: all that is known without the rows."""
    if len(val.loss) < MIN_EPOCHS + 2:
        return None
    noise = float(np.sqrt(np.mean(np.diff(val.loss[1:], 2) ** 2) / 6))
    if curves.rounded:
        steps = np.abs(np.diff(val.loss))
        noise = max(noise, float(steps[steps > 0].min(initial=math.inf)) if (steps > 0).any() else 0.0)
    return _in_errors(rise, noise)


def _in_errors(difference: float, error: float) -> float:
    """Return a difference in standard errors, of which a million are as good as certain."""
    if error <= 0:
        return SURE if difference > 0 else 0.0
    return min(difference / error, SURE)
