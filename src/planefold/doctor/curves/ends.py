"""How a training ended: LC901, LC902, LC401, LC402."""

from __future__ import annotations

import math

from planefold.doctor.case import Case, Curves
from planefold.doctor.check import NotApplicableError, check
from planefold.doctor.confidence import confidence
from planefold.doctor.curves.advice import best_kept, slower
from planefold.doctor.curves.rules import (
    MIN_EPOCHS,
    SKILL,
    diverged_strength,
    excess_of,
    gain_strength,
    has_broken,
    measures_of,
    overfit_strength,
)
from planefold.doctor.finding import Action, Finding
from planefold.doctor.measures import measured

WASTED = 0.5  # share of the epochs by which the loss had settled
MIN_WASTED = 20  # epochs; fewer are no waste worth a word

_REST = ("LC101", "LC102", "LC201", "LC202", "LC203", "LC301", "LC401", "LC402", "LC501", "LC601", "LC602", "LC701")


@check(
    "LC901",
    "diverged",
    silences=(*_REST, "DA502", "SC101", "SC102", "SC103", "SC201", "SC401", "SC501"),
    source='Keras, "TerminateOnNaN"; Goodfellow et al., "Deep Learning", 8.2.4',
)
def check_diverged(case: Case) -> Finding | None:
    """Report a training that made the network worse than always predicting the same, or broke its numbers.

    Notes
    -----
    **Rule.** A loss is infinite or not a number, or the training stopped for that reason; or the loss of the training
    rows in the last epoch, dropout off, is more than 12 % above that of always predicting the same (and two standard
    errors, up to 50 %), and as much above that of the first weights.

    **Fires on** a loss of 0.4, 0.5, 1.9, 8e3, nan: each step overshoots the valley and lands higher on the other side.

    **Silent on** a bad start that recovers (the last epoch counts), on first weights that are worse than the mean and
    hardly move (LC201 tells that), and on an overfitted network whose loss explodes on held-out rows alone.

    **Limits.** Without the trivial loss, only broken numbers are seen. Where only the running training loss is known,
    the held-out rows must agree, since dropout and penalties lift it.

    References
    ----------
    Goodfellow, Bengio and Courville, "Deep Learning", 8.2.4, "Cliffs and Exploding Gradients".
    """
    if case.curves is None:
        raise NotApplicableError("there are no curves")
    curves, measures = case.curves, measured(case.curves, case.reference)
    is_broken = has_broken(curves, measures)
    excess = excess_of(case, measures)
    if not is_broken and excess is None:
        raise NotApplicableError("the loss of always predicting the same is not known")
    if not is_broken and diverged_strength(case, measures) < 1:
        return None
    kept = "" if curves.kept_epoch is None else f"; the weights of epoch {curves.kept_epoch} were kept"
    epoch = float(curves.epoch[-1]) if measures.broken_epoch is None else measures.broken_epoch
    if is_broken:
        what = f"the loss became {_broken_loss(curves)} in epoch {epoch:.0f}"
    else:
        what = (
            f"after {measures.n_epochs:.0f} epochs the training loss is {excess:.0%} above always predicting the same"
        )
    return Finding(
        severity="error" if is_broken or not kept else "warning",
        what=what + kept,
        why="The steps were so long that each made things worse.",
        advice=(
            best_kept(case, slower(case, 0.1)),
            Action(words="shorten long gradients", parameters={"clip_norm": 1.0}),
            Action(words="bring the columns to one scale", parameters={"preprocess": "auto"}),
        ),
        evidence={"epoch": epoch} if is_broken or excess is None else {"epoch": epoch, "excess": excess},
        confidence=confidence("LC901", diverged_strength(case, measures)),
        where=f"epoch {epoch:.0f}",
    )


def _broken_loss(curves: Curves) -> str:
    losses = [curve[-1] for curve in (curves.train_loss, curves.train_eval, curves.val_loss) if curve is not None]
    broken = [value for value in losses if math.isinf(value)]
    return f"{broken[0]}" if broken else "nan"


@check("LC902", "interrupted", silences=("LC301", "LC401", "LC402"))
def check_interrupted(case: Case) -> Finding | None:
    """Tell that a training was stopped by hand: its end says nothing about where it would have gone.

    Notes
    -----
    **Rule.** The training says so itself.

    **Fires on** Ctrl-C during ``fit``.

    **Silent on** early stopping, a callback that ended the training, and logs that just end.

    **Limits.** A log of somebody else's training does not say why it ended.
    """
    if case.curves is None or not case.curves.stopped_because:
        raise NotApplicableError("why the training ended is not known")
    if case.curves.stopped_because != "interrupted":
        return None
    n_epochs = int((case.curves.epoch > 0).sum())
    return Finding(
        severity="info",
        what=f"the training was stopped by hand after {n_epochs} epochs",
        why="It may have gone on improving.",
        advice=(Action(words="if the loss was still falling: fit again, or warm_start=True to go on from here"),),
        evidence={"epochs": n_epochs},
    )


@check("LC401", "the start was best", silences=("LC101", "LC102", "LC301", "LC402", "LC501"))
def check_start_kept(case: Case) -> Finding | None:
    """Tell that a training kept the weights it started from: no epoch was better on the held-out rows.

    Notes
    -----
    **Rule.** The best weights were put back and are those of epoch 0, whose loss on the held-out rows is at least 10 %
    below that of always predicting the same.

    **Fires on** ``skip="linear"``, where the start is the linear solution, and rows that show nothing beyond it.

    **Silent on** a start that knows nothing (LC201 speaks), and trainings that kept a later epoch.

    **Limits.** With few held-out rows, an epoch that is a little better than the start may be missed.
    """
    curves = case.curves
    if curves is None or curves.kept_epoch is None:
        raise NotApplicableError("the last weights were kept")
    if curves.kept_epoch != 0:
        return None
    measures = measures_of(case, n_epochs=1, val=True)
    if measures.val_skill is None or measures.val_skill < SKILL:
        return None
    return Finding(
        severity="info",
        what=f"none of {measures.n_epochs:.0f} epochs was better on the held-out rows than the start, which was kept",
        why="If the start is the linear solution (skip='linear'), these rows show nothing beyond it.",
        advice=(
            Action(
                words="more rows, if there are any; otherwise a linear model says as much, and is easier to explain"
            ),
        ),
        evidence={"epochs": measures.n_epochs, "loss": measures.val_loss or 0.0},
        where="epoch 0",
    )


@check("LC402", "wasted epochs", source='Prechelt, "Early Stopping - But When?", 1998')
def check_wasted(case: Case) -> Finding | None:
    """Tell that the loss had settled long before the training ended.

    Notes
    -----
    **Rule.** From less than half of the epochs on (and at least 20 before the end) the validation loss stayed within
    2 % of the learnable range above its lowest, and nothing promises a further gain.

    **Fires on** 200 epochs of which the last 150 changed nothing.

    **Silent on** trainings that overfit, still improve, or stop by themselves when nothing is gained.

    **Limits.** A late second descent cannot be foreseen. It costs time only: the network is as good as it gets.
    """
    measures = measures_of(case, n_epochs=max(MIN_WASTED, MIN_EPOCHS), val=True)
    stopped = case.curves.stopped_because if case.curves is not None else ""
    if stopped not in ("max_iter", "") or measures.settled_epoch is None:
        return None
    saved = measures.last_epoch - measures.settled_epoch
    if measures.settled_epoch >= WASTED * measures.last_epoch or saved < MIN_WASTED:
        return None
    if gain_strength(measures, case) >= 1 or overfit_strength(measures) >= 1:
        return None
    enough = max(int(1.2 * measures.settled_epoch), MIN_WASTED)
    return Finding(
        severity="info",
        what=f"after epoch {measures.settled_epoch:.0f} of {measures.last_epoch:.0f} nothing more was gained",
        why="The same network would have been ready sooner.",
        advice=(
            Action(words="stop when nothing is gained", parameters={"early_stopping": True, "restore_best": True}),
            Action(words="fewer epochs", parameters={"max_iter": enough}),
        ),
        evidence={"settled_epoch": measures.settled_epoch, "epochs": measures.last_epoch},
        confidence=confidence("LC402", WASTED * measures.last_epoch / max(measures.settled_epoch, 1.0)),
        where=f"epoch {measures.settled_epoch:.0f}",
    )
