"""What a curve does over the epochs: LC701, LC101, LC102, LC301."""

from __future__ import annotations

from planefold.doctor.case import Case
from planefold.doctor.check import NotApplicableError, check
from planefold.doctor.confidence import confidence
from planefold.doctor.curves.advice import calmer, keep_best, longer, regularise
from planefold.doctor.curves.rules import (
    MIN_JUMPS,
    SKILL,
    gain_strength,
    gap_strength,
    jumps_strength,
    measures_of,
    overfit_strength,
    share,
)
from planefold.doctor.finding import Action, Finding
from planefold.doctor.measures import Measures

HALF = 0.5  # share of the trivial loss: training rows that are not even half learned need no others to prove it
SCORE_LOST = 0.01  # fall of the accuracy that counts as none


@check(
    "LC701",
    "oscillating",
    silences=(
        "LC101", "LC102", "LC201", "LC202", "LC203", "LC301", "LC401", "LC402", "LC501", "LC601", "LC602", "GR101",
        "SC103", "SC501",
    ),
    source='Bengio, "Practical Recommendations for Gradient-Based Training of Deep Architectures", 2012',
)  # fmt: skip
def check_oscillating(case: Case) -> Finding | None:
    """Report a loss that jumps from epoch to epoch instead of settling.

    Notes
    -----
    **Rule.** In the last half of the epochs the second differences of the training loss (dropout off), over the square
    root of 6, have a root mean square of more than 5.5 % of the learnable range. For a smooth curve with independent
    noise that is the noise of one epoch. Where the training loss was measured in few epochs, the validation loss takes
    its place; of few rows, or of a network that overfits, only as far as the training loss jumps as well.

    **Fires on** a learning rate ten times too high: 0.3, 0.6, 0.2, 0.7, 0.4.

    **Silent on** the small steps up and down of small batches, a few held-out rows that make the validation loss rough
    while the training loss is smooth, and warm restarts, where the learning rate is meant to grow.

    **Limits.** Fewer than six epochs are not judged. A slow wave over many epochs is not a jump.

    References
    ----------
    Bengio, "Practical Recommendations for Gradient-Based Training of Deep Architectures", 2012, section 3.1.1.
    """
    measures = measures_of(case, n_epochs=MIN_JUMPS)
    if measures.jitter is None:
        raise NotApplicableError("the loss is known in too few epochs")
    jumps, strength = share(measures, "jitter"), jumps_strength(measures)
    if strength < 1:
        return None
    return Finding(
        severity="warning",
        what=f"the loss jumps by {jumps:.0%} of what can be learned from epoch to epoch",
        why="The steps are too long to settle in the valley, and where the training ends is chance.",
        advice=calmer(case),
        evidence={"jitter": measures.jitter or 0.0, "jitter_share": jumps},
        confidence=confidence("LC701", strength),
    )


@check(
    "LC101",
    "overfit",
    silences=("LC202", "LC203", "LC301", "LC402", "LC602", "GR202"),
    source='Prechelt, "Early Stopping - But When?", 1998; Goodfellow et al., "Deep Learning", 7.8',
)
def check_overfit(case: Case) -> Finding | None:
    """Report a validation loss that rose after its minimum while the training loss fell.

    A training that kept the weights of its best epoch has repaired this: the finding is then for information, unless
    what was kept is hardly better than always predicting the same.

    Notes
    -----
    **Rule.** The validation loss ends (median of the last three epochs) more than 5.5 % of the learnable range above
    its minimum, and the rise is more than two standard errors: the best epoch is chosen on one half of the held-out
    rows and the rise of each row is measured on the other, both ways. One standard error is enough where the last half
    of the curve rises steadily (Mann and Kendall's z above 3): a few rows that are ever more surely wrong make a large
    error, but no doubt. The minimum lies before the last 6 % of the
    epochs, and the training loss fell since. The turning point is the raw minimum: smoothing makes it worse.

    **Fires on** training loss 0.5, 0.2, 0.05, 0.01 with validation loss 0.6, 0.4, 0.5, 0.8.

    **Silent on** one odd epoch, a rise that few rows make, and both losses rising together.

    **Limits.** Without the losses of single rows, the rise is compared with the noise of the curve. A loss may rise
    while the accuracy does not fall: LC102 tells that.

    References
    ----------
    Prechelt, "Early Stopping - But When?", in "Neural Networks: Tricks of the Trade", 1998.
    Goodfellow, Bengio and Courville, "Deep Learning", 7.8, "Early Stopping".
    """
    measures = measures_of(case, n_epochs=5, val=True)
    if measures.rise_z is None or measures.fall is None:
        raise NotApplicableError("too little is known of the losses to tell a rise from noise")
    strength = overfit_strength(measures)
    if strength < 1:
        return None
    turn, rise = measures.turning_epoch or 0.0, share(measures, "rise")
    severity, advice, what, why = _what_was_kept(case, measures)
    return Finding(
        severity=severity,
        what=f"the validation loss rose by {rise:.0%} of what can be learned after epoch {turn:.0f} of "
        f"{measures.last_epoch:.0f} while the training loss fell{what}",
        why=f"From there on the network learned the training rows by heart.{why}",
        advice=advice,
        evidence={
            "turning_epoch": turn,
            "rise": measures.rise or 0.0,
            "rise_share": rise,
            "z": measures.rise_z,
            "learnable_range": measures.learnable_range or 0.0,
        },
        confidence=confidence("LC101", strength),
        where=f"epoch {turn:.0f}",
    )


def _what_was_kept(case: Case, measures: Measures) -> tuple[str, tuple[Action, ...], str, str]:
    """Return severity, advice, and what to add to what was seen and why: the rise may be history."""
    better = regularise(case.settings)
    if case.curves is None or case.curves.kept_epoch is None:
        return "warning", (keep_best(), *better), "", ""
    told = "; the weights of the best epoch were kept"
    if measures.val_skill is None or measures.val_skill >= SKILL:
        return "info", (Action(words="nothing has to be done"), *better), told, ""
    useless = " What was kept is hardly better than always predicting the same."
    return "warning", (*better, Action(words="more rows, or other columns")), told, useless


@check(
    "LC102",
    "over-confident",
    silences=("SC201",),
    source='Guo et al., "On Calibration of Modern Neural Networks", 2017',
)
def check_over_confident(case: Case) -> Finding | None:
    """Tell that the loss on held-out rows rose while their score did not fall: only the certainty is overdone.

    Notes
    -----
    **Rule.** LC101 holds, the last weights were kept, and the score (accuracy) of the held-out rows at the end is at
    most 0.01 below that of the epoch with the lowest loss.

    **Fires on** a log loss that rises from 0.3 to 0.6 while the accuracy stays at 0.90.

    **Silent on** overfitting that costs accuracy, and where no score was recorded.

    **Limits.** For squared errors loss and R^2 say the same, so it never fires there.

    References
    ----------
    Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
    """
    measures = measures_of(case, n_epochs=5, val=True)
    if measures.score_fall is None:
        raise NotApplicableError("no score of the held-out rows is known")
    if case.curves is None or case.curves.kept_epoch is not None or overfit_strength(measures) < 1:
        return None
    if measures.score_fall > SCORE_LOST:
        return None
    return Finding(
        severity="info",
        what=f"since epoch {measures.turning_epoch:.0f} the validation loss rose, but the score did not fall",
        why="The classes are still told apart as well; the probabilities are too sure of themselves.",
        advice=(keep_best(), *regularise(case.settings), Action(words="calibrate the probabilities")),
        evidence={"score_fall": measures.score_fall, "rise_share": share(measures, "rise")},
        confidence=confidence("LC102", overfit_strength(measures)),
    )


@check(
    "LC301",
    "still improving",
    silences=("LC202", "LC203", "LC402", "LC501", "DA502", "SC102", "SC103"),
    source='Domhan et al., "Speeding up Automatic Hyperparameter Optimization", 2015',
)
def check_still_improving(case: Case) -> Finding | None:
    """Report a loss that was still falling when the epochs ran out.

    Notes
    -----
    **Rule.** Twice the training would lower the loss by more than 4.5 % of the learnable range (6.5 % where a schedule
    slowed the steps down, 2 % where a reference shows that there is more to learn), as far as the curve can tell (see
    :func:`planefold.doctor.extrapolation.promised_gain`; at most 1.5 times what the training loss promises), and the
    last half falls steadily (Mann and Kendall's z below -1.65). Time counts in learning rates: a curve that is flat
    because a schedule took the rate to zero is judged by how it fell before.

    **Fires on** twenty epochs of 1.0, 0.97, 0.94, ...

    **Silent on** a plateau with noise, a schedule that ended after all was learned, and trainings that stopped because
    nothing was gained for a while.

    **Limits.** Good as a yes or no, rough as a number. A plateau before a second descent looks like the end. Where the
    gap between training and held-out rows is larger than the promise, the gap is told instead (LC501). Without
    held-out rows the training loss is judged, which falls on while a network learns by heart: then it is for
    information, unless not even half of the trivial loss is gone.

    References
    ----------
    Domhan, Springenberg and Hutter, "Speeding up Automatic Hyperparameter Optimization of Deep Neural Networks by
    Extrapolation of Learning Curves", IJCAI 2015.
    Mann, "Nonparametric Tests Against Trend", 1945.
    """
    measures = measures_of(case)
    if measures.promised_gain is None or measures.trend is None:
        raise NotApplicableError("the loss is known in too few epochs")
    strength = gain_strength(measures, case)
    if strength < 1 or gap_strength(measures) >= 1 or overfit_strength(measures) >= 1:
        return None
    gain = share(measures, "promised_gain")
    n_epochs = int(measures.n_epochs)
    is_judged = measures.val_loss is not None
    why = "" if is_judged else " Whether other rows would gain as well is not known: none were held out."
    return Finding(
        severity="warning" if is_judged or (measures.skill or 0.0) < HALF else "info",
        what=f"the {'' if is_judged else 'training '}loss was still falling: as many epochs again would gain roughly "
        f"{_rough(gain)} of what can be learned",
        why=f"The training ended after {n_epochs} epochs, before it was done.{why}",
        advice=longer(case, n_epochs, is_judged=is_judged),
        evidence={"promised_gain": measures.promised_gain, "promised_share": gain, "trend": measures.trend},
        confidence=confidence("LC301", strength),
    )


def _rough(gain: float) -> str:
    """Write a share without pretending to know it."""
    return "all" if gain >= 0.95 else f"{max(round(20 * gain) * 5, 5)} %"
