"""What the checks of the optimisation read out of a case: figures of layers at the start, and what was learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planefold.doctor.case import Case
from planefold.doctor.check import NotApplicableError
from planefold.doctor.finding import Action
from planefold.engine.run import Run

Floats = NDArray[np.float64]

TINY = 1e-12
REFERENCE_SKILL = 0.1  # a reference that knows less than that says nothing about what there is to learn
WORSE_THAN_TRIVIAL = 1.12  # times the trivial loss: beyond any noise of a network that merely learned nothing
N_JITTER = 6  # losses that are needed to tell jumps from a trend


def run_of(case: Case) -> Run:
    """Return the run, which most checks of the optimisation cannot do without."""
    if case.run is None:
        raise NotApplicableError("nothing is known of the layers: only the curves are there")
    return case.run


def at_start(run: Run, name: str, *, latest: int = 1) -> Floats:
    """Return a figure of each layer when it was first measured, at the end of epoch ``latest`` at the latest."""
    for epoch in run.epochs:
        values = np.asarray(getattr(epoch, name), dtype=float)
        if epoch.epoch <= latest and len(values) and bool(np.isfinite(values).all()):
            return values
    raise NotApplicableError(f"{name} was not measured at the start")


def through_time(run: Run, name: str, *, until: float = 1.0) -> Floats:
    """Return a figure of each layer in the epochs in which it was measured, shape (n_measured, n_layers).

    Parameters
    ----------
    until : float
        Share of the run from its beginning; the first measurement always counts.
    """
    last = until * max((epoch.epoch for epoch in run.epochs), default=0)
    rows = [getattr(epoch, name) for epoch in run.epochs if len(getattr(epoch, name))]
    numbers = [epoch.epoch for epoch in run.epochs if len(getattr(epoch, name))]
    kept = [row for row, number in zip(rows, numbers, strict=True) if number <= max(last, numbers[0])]
    table = np.array(kept, dtype=float)
    table = table[np.isfinite(table).all(axis=1)] if len(table) else table
    if not len(table):
        raise NotApplicableError(f"{name} was not measured")
    return table


def training_losses(case: Case) -> Floats:
    """Return the losses of the training rows, epoch by epoch: dropout off where that was measured often enough."""
    if case.curves is None:
        raise NotApplicableError("there are no curves")
    for curve in (case.curves.train_eval, case.curves.train_loss):
        known = np.zeros(0) if curve is None else curve[~np.isnan(curve)]
        if len(known) >= min(N_JITTER, int((case.curves.epoch > 0).sum())) and len(known):
            return known
    raise NotApplicableError("the losses of the training rows are not known")


def trivial_loss(case: Case) -> float:
    """Return the loss of always predicting the same."""
    loss = case.curves.trivial_loss if case.curves is not None else None
    if loss is None or not loss > TINY:
        raise NotApplicableError("the loss of always predicting the same is not known, or there is nothing to learn")
    return loss


def learned(case: Case) -> float:
    """Return the share of what can be learned that the training rows show at the end: 0 nothing, 1 all.

    Without a reference all of the trivial loss counts as learnable. With one that learned something, what lies
    beyond its loss does not.
    """
    trivial, losses = trivial_loss(case), training_losses(case)
    reachable = trivial
    reference = case.reference
    if reference is not None and case.curves is not None:
        level = case.curves.trivial_val_loss or trivial
        if reference.loss < (1 - REFERENCE_SKILL) * level:
            reachable = trivial * (1 - max(reference.loss, 0.0) / level)
    last = losses[-1]
    return float((trivial - last) / reachable) if np.isfinite(last) else -np.inf


def has_diverged(case: Case) -> bool:
    """Tell whether training ended with a loss that is not finite, or far above that of always predicting the same."""
    if case.curves is not None and case.curves.stopped_because == "diverged":
        return True
    last = training_losses(case)[-1]
    return bool(not np.isfinite(last) or last > WORSE_THAN_TRIVIAL * trivial_loss(case))


def jitter(case: Case) -> float:
    """Return how far the training loss jumps from epoch to epoch in the second half, as a share of the learnable range.

    The root mean square of the second differences over sqrt(6), which is the deviation of independent noise around
    any straight line. 0 where there are too few epochs to tell.
    """
    losses, trivial = training_losses(case), trivial_loss(case)
    tail = losses[len(losses) // 2 :]
    if len(tail) < N_JITTER or not np.isfinite(losses).all():
        return 0.0
    reach = max(trivial - float(losses.min()), 0.05 * trivial)
    return float(np.sqrt(np.mean(np.diff(tail, 2) ** 2) / 6) / reach)


def layer(index: int) -> str:
    """Name a layer as people count."""
    return f"layer {index + 1}"


def change(words: str, parameters: Mapping[str, Any] | None = None) -> Action:
    """Return an action whose words end with nothing but what the parameters do not say already."""
    return Action(words=words, parameters=dict(parameters or {}))


def scaled_rate(case: Case, factor: float) -> Action:
    """Return the advice to multiply the learning rate by a factor."""
    how = f"{1 / factor:g} times lower" if factor < 1 else f"{factor:g} times higher"
    rate = case.settings.get("learning_rate_init")
    if rate is None:
        return Action(words=f"a learning rate {how}")
    new = float(f"{float(rate) * factor:.6g}")
    return Action(words=f"learning_rate_init={new:g}, {how}", parameters={"learning_rate_init": new})


def fresh_start(case: Case) -> Action:
    """Return the advice to draw the first weights so that they suit the activation."""
    kind = "he_normal" if case.settings.get("activation", "relu") in ("relu", "leaky_relu") else "glorot_uniform"
    return Action(words=f"init={kind!r}, which suits the activation", parameters={"init": kind})
