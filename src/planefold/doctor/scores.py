"""The checks of the predictions (SC...). Each is one function of a case: a finding, or None.

Differences of losses are told as shares of the learnable range: from the loss of always predicting the mean or the
shares of the classes, down to the lowest loss that is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from planefold.doctor.case import Case
from planefold.doctor.check import NotApplicableError, check
from planefold.doctor.confidence import confidence
from planefold.doctor.finding import Action, Finding
from planefold.doctor.scoring import Calibration, Comparison, Scores, Segment

# Shares of the learnable range and standard errors; `python benchmarks/doctor_scores.py` prints what they find.
SURE = 2.5  # standard errors
LINEAR_IS_BETTER, LINEAR_IS_AS_GOOD = 0.03, 0.06
TREES_TOLD, TREES_MATTER = 0.04, 0.12
CHANCE = 0.002  # of an error of the calibration as large
CALIBRATION_TOLD, CALIBRATION_MATTERS = 0.025, 0.06  # of classes: mean distance beyond that by chance
LINE_TOLD, LINE_MATTERS = 0.02, 0.08  # of numbers: share of the squared error
WEAKER, WORSE_BY = 1.4, 0.08  # of a segment: ratio of the errors, and difference of the shares of wrong rows
EARLY, FEWEST_EPOCHS, LOSS_FELL, LEARNED, AT_THE_TOP = 0.1, 20, 0.08, 0.1, 0.995
ENOUGH_ROWS, MOST_NOISE = 100, 0.02
UNSTABLE, FEWEST_MEMBER_ROWS = 0.6, 30


@check(
    "SC101", "worse than a baseline", silences=("SC102", "SC103", "SC201", "SC301"),
    source="paired z test over the held-out rows",
)  # fmt: skip
def check_worse_than_baseline(case: Case) -> Finding | None:
    """Report predictions that are worse than those of a rule that looks at no column.

    Notes
    -----
    **Rule.** On the held-out rows the mean loss is above that of always predicting the training mean (the shares of the
    classes), by more than 2.5 standard errors of the paired difference and 2 % of that loss. Where more rows are right
    than if the most frequent class was always said (z > 2), only the probabilities are at fault: that is SC201's.

    **Fires on** a network that was trained on other units of the target, or learned its rows by heart.

    **Silent on** a network that is as good as the rule (LC201 says so), and few rows.

    **Limits.** With fewer than about 20 rows hardly anything is sure.
    """
    scores = _scores(case)
    found = _compared(scores, "trivial")
    worse = found.difference / max(abs(found.other), 1e-12)
    if found.z < SURE or worse < 0.02 or (scores.beats_majority_z or 0.0) > 2:
        return None
    return Finding(
        severity="error",
        what=f"on {scores.n_rows} held-out rows the loss is {worse:.0%} above that of always predicting the same",
        why="Whoever uses these predictions would do better without looking at any column.",
        advice=(
            *_change(case, "early_stopping", True, "keep the weights of the best epoch"),
            *_change(case, "learning_rate_init", _times(case, "learning_rate_init", 0.1), "a tenth of the steps"),
            Action(words="see whether the held-out rows have the same units and the same source as the others"),
        ),
        evidence={"loss": scores.loss, "trivial_loss": found.other, "z": found.z},
        confidence=confidence("SC101", found.z / SURE),
    )


@check("SC102", "no better than linear", source="paired z test over the held-out rows")
def check_no_better_than_linear(case: Case) -> Finding | None:
    """Report a network that predicts no better than a linear model of the same columns.

    Notes
    -----
    **Rule.** The linear model's loss is lower by 3 % of the learnable range and 2.5 standard errors (a warning from
    12 % on); or the rows exclude that the network is better by more than 6 % of it (upper end of the 95 % interval).

    **Fires on** columns that act each for itself and straight, where a network only adds noise.

    **Silent on** few rows, where the interval is wide; a network that has learned nothing, as the linear model: LC201.

    **Limits.** The linear model is ridge or logistic regression with a quickly chosen penalty, on the columns as the
    network gets them: where these are pieces of columns already, it is far from straight.
    """
    scores = _scores(case)
    found, reach = _compared(scores, "linear"), _reach(scores)
    worse, most_gain = found.difference / reach, max(1.96 * found.se - found.difference, 0.0) / reach
    nothing_learned = "trivial" in scores.comparisons and scores.comparisons["trivial"].z > -SURE
    if worse > LINEAR_IS_BETTER and found.z > SURE:
        severity = "warning" if worse > TREES_MATTER else "info"
        what = f"a linear model is better: its loss is lower by {worse:.0%} of what can be learned"
        strength = found.z / SURE
    elif most_gain < LINEAR_IS_AS_GOOD and not nothing_learned:
        severity, strength = "info", LINEAR_IS_AS_GOOD / max(most_gain, 0.2 * LINEAR_IS_AS_GOOD)
        what = f"a linear model is as good: the network gains {most_gain:.0%} of what can be learned at the very most"
    else:
        return None
    return Finding(
        severity=severity,
        what=what,
        why="A linear model is quicker, and can be read by everybody.",
        advice=(
            *_change(case, "skip", "linear", "start from the linear solution and learn what it misses"),
            Action(words="the linear model itself, which hidden_layer_sizes=() is; or columns that say more"),
        ),
        evidence={"worse": worse, "z": found.z, "loss": scores.loss, "linear_loss": found.other},
        confidence=confidence("SC102", strength),
    )


@check("SC103", "boosting is better", silences=("SC102",), source="Grinsztajn, Oyallon and Varoquaux, NeurIPS 2022")
def check_boosting_is_better(case: Case) -> Finding | None:
    """Report that quick trees predict the same held-out rows better.

    Notes
    -----
    **Rule.** Their loss is lower by more than 4 % of the learnable range and 2.5 standard errors of the paired
    difference. From 12 % on it is a warning, below for information.

    **Fires on** targets that jump where a column passes a value, or depend on products of columns, and networks that
    are too small or were trained too shortly for them.

    **Silent on** smooth targets, where networks are better, and rows so few that it may be chance.

    **Limits.** The trees are quick, not tuned: what they reach can be reached, and more may be possible.
    """
    scores = _scores(case)
    found, reach = _compared(scores, "trees"), _reach(scores)
    worse = found.difference / reach
    if worse < TREES_TOLD or found.z < SURE:
        return None
    return Finding(
        severity="warning" if worse >= TREES_MATTER else "info",
        what=f"trees predict the held-out rows better: their loss is lower by {worse:.0%} of what can be learned",
        why="The columns say more than the network has found.",
        advice=(
            *_found_more(case, scores),
            Action(words="use the trees, if nothing has to be read out of the network"),
        ),
        evidence={"worse": worse, "z": found.z, "loss": scores.loss, "tree_loss": found.other},
        confidence=confidence("SC103", min(worse / TREES_TOLD, found.z / SURE)),
    )


@check("SC201", "miscalibrated", source="Guo et al., ICML 2017; Broecker and Smith, Weather and Forecasting 22, 2007")
def check_miscalibrated(case: Case) -> Finding | None:
    """Report probabilities that are no frequencies, or numbers that are wrong on average.

    Notes
    -----
    **Rule.** Classes: the expected calibration error is larger than in 99.8 % of draws from the probabilities
    themselves, and by 0.025 than their mean (a warning from 0.06 on). Numbers: a straight line through truth over
    prediction takes away 2 % of the squared error beyond chance (a warning from 8 % on), and is not y = x (p < 0.002).

    **Fires on** networks that were trained long after the validation loss turned; class weights and resampling, which
    change the shares of the classes on purpose; strong dropout, which makes timid.

    **Silent on** a perfect model with 100 rows, whose calibration error is about 0.07 by chance.

    **Limits.** Of several classes only the highest probability of each row is judged.
    """
    found = _scores(case).calibration
    if found is None:
        raise NotApplicableError("probabilities (or numbers) of at least 40 held-out rows are needed")
    classes = _scores(case).task != "regression"
    told, matters = (CALIBRATION_TOLD, CALIBRATION_MATTERS) if classes else (LINE_TOLD, LINE_MATTERS)
    if found.p > CHANCE or found.excess < told:
        return None
    direction = _direction(found)
    advised = "too bold" if direction == "too timid" and _memorises(_scores(case)) else direction
    return Finding(
        severity="warning" if found.excess >= matters else "info",
        what=_miscalibrated_words(found, direction, classes=classes),
        why="The predictions cannot be taken at their word; the order in which they put the rows can.",
        advice=(*_calibration_advice(case, advised), Action(words="calibrate on rows that were kept aside for it")),
        evidence={
            "error": found.error, "by_chance": found.by_chance, "p": found.p, "slope": found.slope, "bias": found.bias,
            "rows": found.n_rows,
        },
        confidence=confidence("SC201", found.excess / told),
    )  # fmt: skip


def _direction(found: Calibration) -> str:
    bold = (1 - found.slope) / found.slope_se if found.slope_se > 0 else 0.0
    shifted = found.bias / found.bias_se if found.bias_se > 0 else 0.0
    if not math.isfinite(bold) or abs(shifted) > abs(bold):
        return "too high" if found.bias > 0 else "too low"
    return "too bold" if bold > 0 else "too timid"


def _miscalibrated_words(found: Calibration, direction: str, *, classes: bool) -> str:
    if not classes:
        if direction in ("too high", "too low"):
            return (
                f"the predictions are {direction}: their mean is {found.said:.4g}, that of the truth {found.seen:.4g}"
            )
        way = "too far from" if direction == "too bold" else "too near to"
        return f"the predictions lie {way} their mean: distances should be {found.slope:.2f} times as large"
    start = f"the probabilities are off by {found.error:.2f} on average ({found.by_chance:.2f} would be chance)"
    if direction in ("too high", "too low"):
        return (
            f"{start}: they are {direction}, {found.said:.2f} on average where {found.seen:.2f} of the rows are right"
        )
    return f"{start}: they are {direction}, log odds should be {found.slope:.2f} times as large"


def _calibration_advice(case: Case, direction: str) -> tuple[Action, ...]:
    weighted = case.settings.get("class_weight") is not None or case.settings.get("resample") is not None
    if weighted and direction in ("too high", "too low"):
        return (
            Action(
                words="no class weights and no resampling, which shift the probabilities; a threshold instead",
                parameters={
                    name: value
                    for name, value in (("class_weight", None), ("resample", None), ("threshold", "f1"))
                    if name in case.settings
                },
            ),
        )
    if direction == "too timid":
        return (
            *_change(case, "dropout", 0.0, "no dropout"),
            *_change(case, "max_iter", _times(case, "max_iter", 3, whole=True), "three times the epochs"),
        )
    return _memorise_less(case)


@check("SC301", "weak segment", source="Chung et al., Slice Finder, ICDE 2019; Benjamini and Hochberg 1995")
def check_weak_segment(case: Case) -> Finding | None:
    """Report rows, picked out by one or two columns, that are predicted worse than the others.

    Notes
    -----
    **Rule.** At least 25 held-out rows and at most 60 %; their errors are larger than those of the others (ranks,
    corrected for the number of segments that were looked at, 0.2 % false ones); the share of wrong rows is 1.4 times as
    large and 0.08 higher, or the root mean squared error 1.4 times as large. A warning where trees are better there
    (paired z > 2.5 and 10 % of the learnable range), for information where the rows may simply be harder.

    **Fires on** a city, an age, missing cells that the network handles badly.

    **Silent on** the many segments that are a little worse by chance.

    **Limits.** Quarters of numbers, categories, missing cells, and pairs of these; no other shapes. A rare class is
    no segment: DA502.
    """
    scores = _scores(case)
    if not scores.n_segments:
        raise NotApplicableError("the table's columns and at least 50 held-out rows are needed")
    told = [part for part in scores.segments if _is_weak(part, scores.task)]
    if not told:
        return None
    reach = scores.learnable
    mended = [part for part in told if _trees_do_better(part, reach)]
    first = (mended or told)[0]
    others = [part.where for part in told if part is not first]
    is_classes = scores.task not in ("regression", "multioutput")
    within, rest = (
        f"{1 - e:.0%} are right" if is_classes else f"the error is {e:.3g}" for e in (first.error, first.rest)
    )
    what = f"where {first.where} ({first.n_rows} rows) {within}, elsewhere {rest}"
    return Finding(
        severity="warning" if mended else "info",
        what=what + (f"; also where {'; where '.join(others)}" if others else ""),
        why="Trees are better there: it is the network that fails on these rows."
        if mended
        else "A good mean hides rows for which the predictions are of less use; they may also be harder.",
        advice=(
            *(_found_more(case, scores) if mended else ()),
            Action(words="more rows like these, or a column that tells what is different about them"),
            Action(words="say to the users of the model for which rows it is less sure"),
        ),
        evidence={"rows": first.n_rows, "error": first.error, "rest": first.rest, "z": first.z, "p": first.p},
        confidence=confidence("SC301", first.z / 4),
        where=first.where,
    )


def _is_weak(part: Segment, task: str) -> bool:
    large = part.error >= WEAKER * part.rest
    return large and (task in ("regression", "multioutput") or part.error - part.rest >= WORSE_BY)


def _trees_do_better(part: Segment, reach: float | None) -> bool:
    if part.behind is None or part.behind_z is None or reach is None:
        return False
    return part.behind > 0.1 * reach and part.behind_z > SURE


@check("SC401", "early best", source="Guo et al., ICML 2017, figure 3: loss and error go different ways")
def check_early_best(case: Case) -> Finding | None:
    """Report a score that was as good after the first epochs as ever, although the loss went on falling.

    Notes
    -----
    **Rule.** At least 20 epochs and 100 held-out rows; the score (accuracy, R^2) of their first tenth is not
    exceeded by a standard error (0.02 at most) afterwards, while the validation loss fell by 8 % of the learnable
    range. Information only.

    **Fires on** classes that are found at once, while the probabilities are still being worked out; a score that
    always says the most frequent class.

    **Silent on** losses that rise or stand still (LC101, LC401, LC402 tell of them), runs that learned next to nothing
    (LC201), and scores that are perfect.

    **Limits.** About the score that was recorded; another one may still have improved.
    """
    curves = case.curves
    if curves is None or curves.val_score is None or curves.val_loss is None:
        raise NotApplicableError("loss and score of held-out rows in every epoch are needed")
    known = np.isfinite(curves.val_score) & np.isfinite(curves.val_loss) & (curves.epoch > 0)
    epoch, score, loss = curves.epoch[known], curves.val_score[known], curves.val_loss[known]
    if len(epoch) < FEWEST_EPOCHS:
        raise NotApplicableError(f"at least {FEWEST_EPOCHS} epochs are needed")
    if (curves.n_val or 0) < ENOUGH_ROWS:
        raise NotApplicableError(f"at least {ENOUGH_ROWS} held-out rows are needed for a score to be known well enough")
    assert curves.n_val is not None
    n_early = max(int(EARLY * len(epoch)), 2)
    # The middle of three neighbours: one lucky epoch sets no record.
    smooth = np.median(np.stack([score[:-2], score[1:-1], score[2:]]), axis=0)
    early = float(smooth[:n_early].max())
    later = float(smooth[n_early:].max())
    noise = min(math.sqrt(max(early * (1 - early), 0.01) / curves.n_val), MOST_NOISE)
    trivial = curves.trivial_val_loss or curves.trivial_loss or float(loss.max())
    reach = max(trivial - float(loss.min()), 1e-12)
    fell = (float(loss[:n_early].min()) - float(loss[n_early:].min())) / reach
    learned = reach >= LEARNED * abs(trivial)
    if not learned or early >= AT_THE_TOP or later > early + noise or fell < LOSS_FELL:
        return None
    return Finding(
        severity="info",
        what=f"the held-out rows had a score of {early:.3g} within {epoch[n_early - 1]:.0f} epochs, and {later:.3g} "
        f"in the best of the {len(epoch) - n_early} after them, while their loss fell by {fell:.0%}",
        why="The later epochs made the probabilities better, not the answers.",
        advice=(
            Action(words="nothing, where probabilities matter; where only the answers do, fewer epochs"),
            Action(words="look at a score that sees what improved: log loss, ROC AUC"),
        ),
        evidence={"early_score": early, "later_score": later, "loss_fell": fell},
        confidence=confidence("SC401", fell / LOSS_FELL),
    )


@check("SC501", "unstable", source="Fort, Hu and Lakshminarayanan, arXiv:1912.02757")
def check_unstable(case: Case) -> Finding | None:
    """Report members that put the same rows into different orders.

    Notes
    -----
    **Rule.** On at least 30 rows that were held out, the mean rank correlation of the predictions of two members is
    below 0.6.

    **Fires on** few rows and large networks, where chance (start, batches, rows) decides what is learned; columns
    that say nothing.

    **Silent on** members that differ in size but agree on the order.

    **Limits.** Needs several members, or runs with several seeds.
    """
    scores = _scores(case)
    if scores.agreement is None or scores.n_rows < FEWEST_MEMBER_ROWS:
        raise NotApplicableError("predictions of several members for at least 30 held-out rows are needed")
    if scores.agreement >= UNSTABLE:
        return None
    n_members = case.settings.get("n_members")
    more = max(8, 3 * n_members) if isinstance(n_members, int) else None
    return Finding(
        severity="warning",
        what=f"two members agree little about the order of the held-out rows: rank correlation {scores.agreement:.2f}",
        why="Another start would give other answers.",
        advice=(
            *_change(case, "n_members", more, "the mean of more members"),
            *_change(case, "alpha", _times(case, "alpha", 10), "ten times the penalty"),
            Action(words="more rows, or fewer columns"),
        ),
        evidence={"agreement": scores.agreement, "rows": scores.n_rows},
        confidence=confidence("SC501", (1 - scores.agreement) / (1 - UNSTABLE)),
    )


# -------------------------------------------------------------------------------------------------------------- shared


def _scores(case: Case) -> Scores:
    if case.scores is None:
        raise NotApplicableError("no predictions of held-out rows were measured")
    return case.scores


def _compared(scores: Scores, name: str) -> Comparison:
    if name not in scores.comparisons:
        raise NotApplicableError(f"losses of the baseline {name!r} on the same rows are needed")
    return scores.comparisons[name]


def _reach(scores: Scores) -> float:
    if scores.learnable is None:
        raise NotApplicableError("losses of the trivial rule on the same rows are needed")
    return scores.learnable


def _memorises(scores: Scores) -> bool:
    """Whether chance decides what is predicted: too bold, or members that disagree. More units would make it worse."""
    found = scores.calibration
    bold = found is not None and found.p <= CHANCE and (1 - found.slope) > SURE * found.slope_se
    return bold or (scores.agreement is not None and scores.agreement < UNSTABLE)


def _memorise_less(case: Case) -> tuple[Action, ...]:
    return (
        *_change(case, "early_stopping", True, "keep the weights of the best epoch"),
        *_change(case, "n_members", 8, "a mean of several members", unless=lambda now: now >= 8),
        *_change(case, "dropout", 0.3, "some dropout", unless=lambda now: np.max(now) >= 0.3),
        *_change(case, "alpha", _times(case, "alpha", 10), "ten times the penalty"),
    )


def _found_more(case: Case, scores: Scores) -> tuple[Action, ...]:
    """What lets a network find more in the same columns."""
    if _memorises(scores):
        return _memorise_less(case)
    return (
        *_change(
            case, "encoding", "piecewise_linear", "columns of numbers in pieces, as trees cut them",
            unless=lambda now: now == "auto",
        ),
        *_change(case, "hidden_layer_sizes", _wider(case), "a larger network"),
        *_change(case, "max_iter", _times(case, "max_iter", 3, whole=True), "three times the epochs"),
    )  # fmt: skip


def _change(
    case: Case, name: str, value: Any, words: str, *, unless: Callable[[Any], Any] = lambda now: False
) -> tuple[Action, ...]:
    """Advise a parameter, where the model has it and it is not so already."""
    settings: Mapping[str, Any] = case.settings
    if value is None or name not in settings or settings[name] == value or unless(settings[name]):
        return ()
    return (Action(words=words, parameters={name: value}),)


def _times(case: Case, name: str, factor: float, *, whole: bool = False) -> float | int | None:
    """Return a parameter of the model times a factor; None where it is no number, or 0."""
    now = case.settings.get(name)
    if isinstance(now, bool) or not isinstance(now, int | float) or not now:
        return None
    return round(now * factor) if whole else float(f"{now * factor:.3g}")


def _wider(case: Case) -> tuple[int, ...] | None:
    """Return twice the units of each hidden layer, at least 64."""
    now = case.settings.get("hidden_layer_sizes")
    if now is None:
        return None
    sizes = (now,) if isinstance(now, int) else tuple(now)
    return tuple(max(2 * int(size), 64) for size in sizes) or (64, 64)
