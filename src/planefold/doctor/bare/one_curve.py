"""What a single curve can say: plain rules, each with a wide margin. That all is well, it never says.

The confidences are the shares of right answers on 479 labelled runs of which one curve was hidden.
"""

from __future__ import annotations

import numpy as np

from planefold.core.records import counted
from planefold.doctor.bare import words
from planefold.doctor.bare.statistics import MIN_POINTS, end_of, in_units, jitter, line, promised_gain, rate_of, unit_of
from planefold.doctor.case import Curve, Curves
from planefold.doctor.check import NotApplicableError
from planefold.doctor.finding import Action, Finding

WORSE = 0.12  # end over first loss
JUMPS, TURNS = 0.08, 0.4  # noise of the last half, share of the range; share of its steps that turn round
JUMPS_OF_LEVEL = {"training": 0.02, "validation": 0.10}  # and share of the loss: few rows make a validation loss jump
FLAT = 0.02  # fall of the loss, share of its first value
GAIN, TREND = 0.04, 6.0  # promised gain, share of the range; slope of the last third over its standard error
RISE = 0.25  # of a validation loss after its lowest value, share of the range


def judge(curves: Curves) -> dict[str, Finding]:
    """Judge by the only curve there is; see the module's constants for the rules.

    Raises
    ------
    NotApplicableError
        Without any curve, or with fewer than five epochs.
    """
    train = curves.train_eval if curves.train_loss is None else curves.train_loss
    loss = curves.val_loss if train is None else train
    if loss is None:
        raise NotApplicableError("there are no losses")
    later = curves.epoch > 0
    epoch, values = curves.epoch[later], loss[later]
    if np.isinf(values).any():
        return {"LC901": words.broken(float(epoch[np.isinf(values)][0]), rate_of(curves))}
    known = np.isfinite(values)
    if known.sum() < MIN_POINTS:
        raise NotApplicableError(f"{counted(int(known.sum()), 'epoch')} with a loss; a verdict needs {MIN_POINTS}")
    name = "validation" if train is None else "training"
    values = values[known]
    found = _first(epoch[known], in_units(values, unit_of(values)), name, rate_of(curves))
    return {} if found is None else {found.code: found}


def _first(epoch: Curve, values: Curve, name: str, rate: float | None) -> Finding | None:
    first, lowest, end = float(values[0]), float(values.min()), end_of(values)
    span, level = max(first - lowest, 1e-12), max(abs(first), 1e-12)
    worse = (end - first) / level
    noise, turns = _jumps(values, span, level)
    if worse > WORSE and name == "training":
        what = f"the training loss ends {worse:.0%} above where it began"
        why = "The steps were so long that each made things worse."
        return words.told("LC901", what, why, words.slower(rate), {"rise": worse}, 0.9, sure=True)
    risen = _risen(epoch, values, max(span, FLAT * level)) if name == "validation" else None
    if risen is not None:
        return risen
    if noise > JUMPS and turns > TURNS and words.level_noise(values) > JUMPS_OF_LEVEL[name]:
        what = f"the {name} loss jumps by {noise:.0%} of its range from one epoch to the next"
        why = "Steps that are too long leap over the minimum again and again."
        evidence = {"noise": noise, "turns": turns}
        sure = name == "training"
        return words.told("LC701", what, why, words.calmer(rate), evidence, 0.65 if sure else 0.4, sure=sure)
    if name == "validation":
        return _improving(epoch, values, span, name, rate)
    fall = (first - end) / level
    if fall < FLAT:
        what = f"the training loss fell by {max(fall, 0):.1%} in all"
        why = "Either the inputs say little about the target, or the training could not find it."
        return words.told("LC201", what, why, words.bolder(rate), {"fall": fall}, 0.9, sure=False)
    return _improving(epoch, values, span, name, rate)


def _jumps(values: Curve, span: float, level: float) -> tuple[float, float]:
    """Return the noise of the last half, share of the range, and the share of its steps that turn round."""
    half = values[len(values) // 2 :] if len(values) >= 10 else values
    steps = np.sign(np.diff(half))
    turns = float(np.mean(steps[1:] != steps[:-1])) if len(steps) > 1 else 0.0
    return jitter(half) / max(span, FLAT * level), turns


def _risen(epoch: Curve, values: Curve, span: float) -> Finding | None:
    turning = int(np.argmin(values))
    rise = (end_of(values) - float(values[turning])) / span
    noise = jitter(values) * 3 / span
    if rise < max(RISE, noise) or turning > 0.9 * len(values):
        return None
    what = (
        f"it may be that the network learned the training rows by heart after epoch {epoch[turning]:g}: from there "
        f"on the validation loss rose by {rise:.0%} of its range"
    )
    why = "Only the training loss, which is not there, could tell this from steps that are too long."
    advice = (
        Action(words="keep the weights of the best epoch", parameters={"early_stopping": True, "restore_best": True}),
    )
    evidence = {"turning_epoch": float(epoch[turning]), "rise": rise}
    return words.told("LC101", what, why, advice, evidence, 0.75, sure=False)


def _improving(epoch: Curve, values: Curve, span: float, name: str, rate: float | None) -> Finding | None:
    gain = promised_gain(values) / span
    slope, error = line(values[-max(len(values) // 3, 4) :])
    if gain < GAIN or -slope < TREND * error:
        return None
    what = f"the {name} loss was still falling at the end"
    why = "The training may have ended before it was done."
    evidence = {"promised_gain": gain, "epochs": float(epoch[-1])}
    return words.told("LC301", what, why, words.longer(float(epoch[-1]), rate), evidence, 0.6, sure=False)
