"""The thresholds of the checks of curves, and the rules that several of them share.

Each rule returns its strength: the evidence in units of its threshold, so that it holds from 1.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from planefold.doctor.case import Case, Curves
from planefold.doctor.check import NotApplicableError
from planefold.doctor.measures import Measures, measured

MIN_EPOCHS = 4  # fewer are no curve

# Shares of the learnable range, but for those that say otherwise; z are numbers of standard errors.
WORSE = 0.12  # share of the trivial loss above it
BROKEN = 20.0  # strength of what cannot be doubted
FAR = 1.5  # times the trivial loss: no choice of rows makes that of a network that is no worse
JUMPS, MIN_JUMPS = 0.055, 6  # epochs
SKILL, REFERENCE_SKILL = 0.10, 0.13  # shares of the trivial loss, and of what the reference learned
SLOW_GAIN = 0.04  # of the trivial loss: learning that has hardly begun
RISE, RISE_Z = 0.055, 2.0
STEADY_Z, STEADY_RISE_Z = 3.0, 1.0  # a loss that rises and rises needs less proof from its rows
STEEP = 0.94  # share of the epochs: a lowest loss after that is no turning point
GAIN, TREND_Z = 0.045, -1.65
SCHEDULED_GAIN, LOW_RATE = 0.065, 0.3  # where the rate ended below that share of its highest: less of the curve counts
BEHIND_GAIN = 0.02  # where a reference shows that there is more to learn
GAP, GAP_Z = 0.20, 4.0
BEGUN = 0.3  # share of the trivial loss that is gone, before a gap says more than a further fall
BELOW, BELOW_Z = 0.07, 2.0
NOISE = 0.075
SMALL, SMALL_Z = 0.15, 2.0
NARROW, DROPPED, STRONG_DROPOUT, SHRUNK = 3, 0.4, 0.5, 0.02
# With a layer of one unit; a penalty or strong dropout; whatever else holds back.
SINGLE_SKILL, FIRM_SKILL, HELD_SKILL = 0.62, 0.57, 0.47
PATIENT = ("no_improvement", "converged", "line_search")  # ends of trainings that had stopped falling


def measures_of(case: Case, *, n_epochs: int = MIN_EPOCHS, val: bool = False) -> Measures:
    """Return what was measured on the curves, where there is enough to measure."""
    if case.curves is None:
        raise NotApplicableError("there are no curves")
    measures = measured(case.curves, case.reference)
    if val and measures.val_loss is None:
        raise NotApplicableError("no rows were held out")
    if measures.learnable_range is None:
        raise NotApplicableError("no finite loss is known")
    if measures.n_epochs < n_epochs:
        raise NotApplicableError(f"{measures.n_epochs:.0f} epochs are too few; {n_epochs} are needed")
    return measures


def share(measures: Measures, name: str) -> float:
    """Return a number as a share of the learnable range, 0 where it is not known."""
    return measures.share(name) or 0.0


def ratio(value: float | None, error: float | None) -> float:
    """Return a difference in standard errors: 0 where it is unknown, infinite where there is no error."""
    if value is None or error is None:
        return 0.0
    return value / error if error > 0 else math.copysign(math.inf, value) if value else 0.0


def has_broken(curves: Curves, measures: Measures) -> bool:
    """Tell whether a loss is infinite or not a number."""
    return measures.broken_epoch is not None or curves.stopped_because == "diverged"


def diverged_strength(case: Case, measures: Measures) -> float:
    """Tell whether the training made things worse."""
    if case.curves is None or has_broken(case.curves, measures):
        return BROKEN
    return 0.0 if _by_chance(case.curves, measures) else (excess_of(case, measures) or 0.0) / WORSE


def excess_of(case: Case, measures: Measures) -> float | None:
    """Return by how much the training ended above the trivial loss and above its start, as a share of the former."""
    curves = case.curves
    if curves is None or not curves.trivial_loss or measures.last_train is None or curves.trivial_loss < 0:
        return None
    last = measures.last_train
    if measures.running and curves.val_loss is not None:
        last = min(last, float(curves.val_loss[-1]))
    excess = (last - max(curves.trivial_loss, _start(case, curves))) / curves.trivial_loss
    return excess if math.isfinite(excess) else None


def _start(case: Case, curves: Curves) -> float:
    """Return the loss of the training rows before the first step, minus infinity where it is not known.

    With batch norm the first means are those of no rows, and the loss with them says nothing: that of the first epoch
    stands for it.
    """
    known = [-math.inf]
    if curves.train_eval is not None and curves.epoch[0] == 0:
        known.append(float(curves.train_eval[0]))
    if case.settings.get("batch_norm") and curves.train_loss is not None:
        known.append(float(curves.train_loss[curves.epoch > 0][0]))
    return max(loss for loss in known if not math.isnan(loss))


def _by_chance(curves: Curves, measures: Measures) -> bool:
    """Tell whether the few training rows that were asked may make the difference."""
    trivial, last, se = curves.trivial_loss or 0.0, measures.last_train or 0.0, measures.train_se
    return se is not None and last - trivial < 2 * se and last < FAR * trivial


def gain_strength(measures: Measures, case: Case) -> float:
    """Tell whether more epochs would lower the loss."""
    if case.curves is None or case.curves.stopped_because in PATIENT or measures.promised_gain is None:
        return 0.0
    needed = SCHEDULED_GAIN if _was_slowed(case.curves) else GAIN
    if small_strength(measures, case) >= 1:
        needed = BEHIND_GAIN
    return share(measures, "promised_gain") / needed if (measures.trend or 0.0) < TREND_Z else 0.0


def _was_slowed(curves: Curves) -> bool:
    rates = curves.learning_rate
    return rates is not None and bool(rates[-1] < LOW_RATE * np.nanmax(rates))


def gap_strength(measures: Measures) -> float:
    """Tell whether held-out rows are predicted worse than training rows, beyond chance."""
    gap, z = share(measures, "gap"), ratio(measures.gap, measures.gap_se)
    promised = share(measures, "promised_gain")
    has_begun = measures.skill is None or measures.skill >= BEGUN or promised < GAIN
    if gap <= promised or not has_begun:  # it is early: what is missing is training
        return 0.0
    return min(gap / GAP, z / GAP_Z)


def flat_strength(measures: Measures, case: Case) -> float:
    """Tell whether hardly anything was learned on the training rows."""
    trivial = None if case.curves is None else case.curves.trivial_loss
    if measures.skill is None or measures.lowest_train is None or not trivial:
        return 0.0
    promised = measures.promised_gain or 0.0
    will_be = measures.lowest_train - promised
    if promised > SLOW_GAIN * trivial and will_be < FAR * trivial and gain_strength(measures, case) >= 1:
        return 0.0  # it has only begun
    strength = SKILL / max(measures.skill, 1e-3)
    if case.reference is not None:
        learnable = trivial - case.reference.loss
        if learnable > SKILL * trivial:
            learned = (trivial - measures.lowest_train) / learnable
            strength = max(strength, REFERENCE_SKILL / max(learned, 1e-3))
    return strength


def overfit_strength(measures: Measures) -> float:
    """Tell whether held-out rows are predicted worse again while training rows are predicted better."""
    if measures.turning_epoch is None or measures.rise_z is None or (measures.fall or 0.0) <= 0:
        return 0.0
    if measures.turning_epoch >= STEEP * measures.last_epoch:
        return 0.0
    needed = STEADY_RISE_Z if (measures.trend or 0.0) > STEADY_Z else RISE_Z
    return min(share(measures, "rise") / RISE, measures.rise_z / needed)


def memorises(measures: Measures, case: Case) -> bool:
    """Tell whether the weights that were kept are overfitted; where the best ones were put back, that is history."""
    return overfit_strength(measures) >= 1 and case.curves is not None and case.curves.kept_epoch is None


def small_strength(measures: Measures, case: Case) -> float:
    """Tell whether the reference predicts held-out rows better than the network its own training rows."""
    reference = case.reference
    if reference is None or measures.lowest_train is None or measures.running or measures.learnable_range is None:
        return 0.0
    behind = measures.lowest_train - reference.loss
    z = ratio(behind, math.hypot(reference.se, measures.train_se or 0.0))
    return min(behind / measures.learnable_range / SMALL, z / SMALL_Z)


def jumps_strength(measures: Measures) -> float:
    """Tell whether the loss jumps from epoch to epoch."""
    return share(measures, "jitter") / JUMPS if measures.n_epochs >= MIN_JUMPS else 0.0


def noise_strength(measures: Measures, case: Case) -> float:
    """Tell whether the held-out rows are too few to judge by."""
    if gap_strength(measures) >= 1 or memorises(measures, case):
        return 0.0  # beyond chance all the same
    return share(measures, "best_se") / NOISE / (1 + share(measures, "promised_gain"))


def easier_strength(measures: Measures, case: Case) -> float:
    """Tell whether held-out rows are predicted better than training rows, beyond chance."""
    below, z = -share(measures, "gap"), -ratio(measures.gap, measures.gap_se)
    if measures.running or (gain_strength(measures, case) >= 1 and z < 2 * BELOW_Z):
        return 0.0
    return min(below / BELOW, z / BELOW_Z)


def held_strength(measures: Measures, case: Case) -> float:
    """Tell whether a network that did not come far is held back by its settings."""
    if measures.skill is None or not held_back_by(case.settings):
        return 0.0
    if gain_strength(measures, case) >= 1 or gap_strength(measures) >= 1:
        return 0.0
    is_single = min(sizes_of(case.settings), default=1) == 1
    is_firm = shrinkage(case.settings) >= SHRUNK or dropout_of(case.settings) >= STRONG_DROPOUT
    needed = SINGLE_SKILL if is_single else FIRM_SKILL if is_firm else HELD_SKILL
    return needed / max(measures.skill, 0.05)


def strengths(case: Case) -> dict[str, float]:
    """Return the strength of every rule that may err, by the code of its check: what confidence is calibrated on."""
    measures = measures_of(case)
    falls = gain_strength(measures, case)
    small = small_strength(measures, case) if falls < 1 else 0.0
    return {
        "LC701": jumps_strength(measures),
        "LC201": flat_strength(measures, case),
        "LC101": overfit_strength(measures),
        "LC602": easier_strength(measures, case),
        "LC601": noise_strength(measures, case),
        "LC301": falls,
        "LC202": small,
        "LC202-settings": held_strength(measures, case) if case.reference is None else 0.0,
        "LC501": gap_strength(measures),
    }


def held_back_by(settings: Mapping[str, Any]) -> list[str]:
    """Return what keeps a network from learning more, by its settings."""
    found = []
    sizes = sizes_of(settings)
    if sizes and min(sizes) <= NARROW:
        found.append(f"{min(sizes)} units in a layer" if min(sizes) > 1 else "a layer of one unit")
    dropout = dropout_of(settings)
    if dropout >= DROPPED:
        found.append(f"dropout={dropout:g}")
    if shrinkage(settings) >= SHRUNK:
        found.append(f"alpha={settings['alpha']:g}")
    return found


def sizes_of(settings: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the hidden layers' sizes, also where one number stands for one layer."""
    sizes = settings.get("hidden_layer_sizes", ())
    return (int(sizes),) if isinstance(sizes, int) else tuple(int(size) for size in sizes)


def dropout_of(settings: Mapping[str, Any]) -> float:
    """Return the largest share of units that is dropped in a layer."""
    dropout = settings.get("dropout") or 0.0
    return float(dropout) if isinstance(dropout, int | float) else max((float(p) for p in dropout), default=0.0)


def shrinkage(settings: Mapping[str, Any]) -> float:
    """Return the share of the weights in the gradient of the mean loss that the penalty adds."""
    alpha, batch = settings.get("alpha"), settings.get("batch_size")
    if not isinstance(alpha, int | float) or isinstance(alpha, bool):
        return 0.0
    if settings.get("solver") == "adamw":
        return float(alpha)
    return float(alpha) / batch if isinstance(batch, int | float) and batch > 0 else 0.0
