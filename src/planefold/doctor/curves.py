"""The checks of learning curves (LC...). Each is one function of a case: a finding, or None.

Losses are judged as shares of the learnable range: from the loss of always predicting the mean or the
shares of the classes, down to the lowest loss that this run has reached.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planefold.doctor.case import Case
from planefold.doctor.check import NotApplicableError, check
from planefold.doctor.finding import Action, Finding
from planefold.engine.run import Run

# Shares of the learnable range, chosen on 690 labelled real runs; `pytest -s tests/doctor/test_labelled_runs.py`
# prints how many healthy and sick runs they find there.
RISE, FALL, GAIN = 0.055, 0.03, 0.035
SKILL = 0.10  # a share of the trivial loss, as the learnable range is not known where nothing was learned
NOISE = 2.0  # a change counts from so many times the noise of the curve

Curve = NDArray[np.float64]


@check("LC901", "diverged", silences=("LC101", "LC201", "LC301", "LC401"))
def check_diverged(case: Case) -> Finding | None:
    """Report a loss that became infinite or not a number, so that training ended early."""
    run = _run(case)
    if run.stopped_because != "diverged":
        return None
    return Finding(
        severity="error",
        what=f"the loss became {_broken_loss(run)} in epoch {run.epochs[-1].epoch}"
        + (f"; the weights of epoch {run.best_epoch} were kept" if run.restored_best else ""),
        why="The steps were so long that each made things worse.",
        advice=(
            Action(
                words="learning_rate_init ten times lower; preprocess='auto' if the columns are on different scales"
            ),
        ),
        evidence={"epoch": run.epochs[-1].epoch},
    )


@check("LC902", "interrupted", silences=("LC301", "LC401"))
def check_interrupted(case: Case) -> Finding | None:
    """Report a training that somebody stopped: its end says nothing about where it would have gone."""
    run = _run(case)
    if run.stopped_because != "interrupted":
        return None
    return Finding(
        severity="info",
        what=f"the training was stopped by hand after {run.n_epochs} epochs",
        why="It may have gone on improving.",
        advice=(Action(words="if the loss was still falling: fit again, or warm_start=True to go on from here"),),
        evidence={"epochs": run.n_epochs},
    )


@check("LC201", "hardly learned", silences=("LC301",))
def check_never_learned(case: Case) -> Finding | None:
    """Report a run whose loss is hardly below that of always predicting the mean or the shares of the classes."""
    run = _run(case)
    loss = _best_loss(run)
    if loss is None or not run.trivial_loss:
        return None
    skill = 1 - loss / run.trivial_loss
    if skill >= SKILL:
        return None
    return Finding(
        severity="warning",
        what=f"the loss is {max(skill, 0):.0%} below that of always predicting the same",
        why="Either the columns say little about the target, or the training could not find it.",
        advice=(
            Action(
                words="see whether gradient boosting does better on the same rows (the report says); if so, "
                "a higher learning_rate_init or more units; if not, other columns"
            ),
        ),
        evidence={"skill": skill, "trivial_loss": run.trivial_loss, "loss": loss},
    )


@check("LC101", "overfit", silences=("LC201", "LC301"))
def check_overfit(case: Case) -> Finding | None:
    """Report a validation loss that rose after its minimum while the training loss fell.

    A run that kept the weights of its best epoch has repaired this: the finding is then for information,
    unless what was kept is hardly better than always predicting the same.
    """
    run = _run(case)
    val, train = _curve(run, "val_loss"), _curve(run, "train_loss")
    if val is None or train is None or len(train) < 4:
        return None
    train = np.concatenate([np.full(len(val) - len(train), train[0]), train])  # the start has no training loss
    smooth = _smooth(val)
    best, turning = int(np.argmin(smooth)), int(np.argmin(val))
    rise, fall, reach = smooth[-1] - smooth[best], train[best] - train[-1], _learnable(run, smooth[best])
    # The noise of the curve itself: what one epoch differs from its neighbours by.
    noise = float(np.std(np.diff(val[best:]))) / np.sqrt(2) if len(val) - best > 2 else np.inf
    if fall < FALL * reach or rise < max(RISE * reach, NOISE * noise):
        return None
    turning += run.epochs[0].epoch
    learned = run.trivial_loss is None or val.min() < (1 - SKILL) * run.trivial_loss
    share = rise / max(val.min(), 1e-12)
    what = f"the validation loss rose {share:.0%} after epoch {turning} while the training loss fell"
    why = "From there on the network learned the training rows by heart."
    if not run.restored_best:
        severity, try_ = "warning", "early_stopping=True, or a higher dropout or alpha, or more rows"
    elif learned:
        severity, try_ = "info", "nothing has to be done; a higher dropout or alpha may lower the minimum itself"
    else:
        severity, try_ = "warning", "other columns, or more rows: what these say holds for the training rows alone"
        why += " What was kept is hardly better than always predicting the same."
    return Finding(
        severity=severity,
        what=what + ("; the weights of the best epoch were kept" if run.restored_best else ""),
        why=why,
        advice=(Action(words=try_),),
        evidence={"turning_epoch": turning, "rise": float(rise), "learnable_range": float(reach)},
    )


@check("LC401", "the start was best", silences=("LC101", "LC301"))
def check_start_kept(case: Case) -> Finding | None:
    """Report a run that kept the weights it started from: no epoch was clearly better on the held-out rows.

    With ``skip="linear"`` the start is the linear solution, and this says that the table shows nothing beyond it.
    """
    run = _run(case)
    loss = _best_loss(run)
    kept_start = run.restored_best and run.best_epoch == 0 and run.n_epochs > 0
    if not kept_start or loss is None or not run.trivial_loss or 1 - loss / run.trivial_loss < SKILL:
        return None
    return Finding(
        severity="info",
        what=f"none of {run.n_epochs} epochs was clearly better on the held-out rows than the start, which was kept",
        why="If the start is the linear solution (skip='linear'), these rows show nothing beyond it.",
        advice=(
            Action(
                words="more rows, if there are any; otherwise a linear model says as much, and is easier to explain"
            ),
        ),
        evidence={"epochs": run.n_epochs, "loss": loss},
    )


@check("LC301", "still improving")
def check_still_improving(case: Case) -> Finding | None:
    """Report a loss that was still falling when the epochs ran out."""
    run = _run(case)
    if run.stopped_because != "max_iter":
        return None
    losses = _curve(run, "val_loss", start=False)
    losses = _curve(run, "train_loss") if losses is None else losses
    if losses is None or len(losses) < 8:
        return None
    tail = losses[-max(len(losses) // 3, 4) :]
    gain = float(np.mean(tail[: len(tail) // 2]) - np.mean(tail[len(tail) // 2 :]))
    reach = _learnable(run, float(np.min(losses)))
    noise = float(np.std(np.diff(tail))) / np.sqrt(len(tail))
    if gain < max(GAIN * reach, NOISE * noise):
        return None
    return Finding(
        severity="warning",
        what=f"the last {len(tail)} of {len(losses)} epochs still lowered the loss by {gain:.3g}",
        why="The training ended before it was done.",
        advice=(Action(words=f"max_iter={3 * len(losses)}, or learning_rate_init three times higher"),),
        evidence={"gain": gain, "learnable_range": reach},
    )


def _run(case: Case) -> Run:
    if case.run is None:
        raise NotApplicableError("nothing is known about the run")
    return case.run


def _curve(run: Run, name: str, *, start: bool = True) -> Curve | None:
    """Return a loss of every epoch where it is known; None when it never is, or is not finite.

    The state before training (epoch 0) has a validation loss and no training loss; ``start=False`` leaves it out.
    """
    first = 0 if start and name == "val_loss" else 1
    values = np.array([getattr(epoch, name) for epoch in run.epochs if epoch.epoch >= first], dtype=float)
    return values if len(values) and bool(np.isfinite(values).all()) else None


def _broken_loss(run: Run) -> float | None:
    last = run.epochs[-1]
    return last.val_loss if np.isfinite(last.objective) else last.objective


def _best_loss(run: Run) -> float | None:
    """Return the lowest loss, the start included: a linear start may be the best there is."""
    losses = run["val_loss"]
    losses = losses if np.isfinite(losses).any() else run["train_loss"]
    losses = losses[np.isfinite(losses)]
    return float(losses.min()) if len(losses) else None


def _learnable(run: Run, reached: float) -> float:
    """Return the learnable range, at least a fifth of the trivial loss: else any wiggle of a bad run looks large."""
    trivial = run.trivial_loss if run.trivial_loss is not None else float(np.nanmax(run["train_loss"]))
    return max(trivial - reached, 0.2 * trivial, 1e-12)


def _smooth(values: Curve) -> Curve:
    """Return the median of three neighbours: one odd epoch makes no turning point."""
    padded = np.concatenate([values[:1], values, values[-1:]])
    smooth: Curve = np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0)
    return smooth
