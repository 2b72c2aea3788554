"""What the checks of the optimisation read out of a case: figures of layers at the start, and what was learned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planefold.doctor.case import Case
from planefold.doctor.check import NotApplicableError
from planefold.doctor.finding import Action
from planefold.doctor.measures import measured
from planefold.engine.run import Run

Floats = NDArray[np.float64]

NO_LEARNING = ("LC201", "LC202", "LC203", "LC301")  # what curves show of a training that does not get on

TINY = 1e-12
REFERENCE_SKILL = 0.1  # a reference that knows less than that says nothing about what there is to learn
WORSE_THAN_TRIVIAL = 1.12  # times the trivial loss: beyond any noise of a network that merely learned nothing
ENOUGH = 6  # losses with dropout off, for them to stand for the whole curve


def run_of(case: Case) -> Run:
    """Return the run, which most checks of the optimisation cannot do without."""
    if case.run is None:
        raise NotApplicableError("nothing is known of the layers: only the curves are there")
    return case.run


def at_start(run: Run, name: str, *, latest: int = 1) -> Floats:
    """Return a figure of each layer when it was first measured, at the end of epoch ``latest`` at the latest.

    Batch normalisation knows nothing of the rows before the first epoch, so that its units are only seen after it.
    """
    for epoch in run.epochs:
        if epoch.epoch == 0 and run.settings.get("batch_norm") and name != "duplicate_share":
            continue
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
        if len(known) >= min(ENOUGH, int((case.curves.epoch > 0).sum())) and len(known):
            return known
    raise NotApplicableError("the losses of the training rows are not known")


def trivial_loss(case: Case) -> float:
    """Return the loss of always predicting the same."""
    loss = None if case.curves is None else case.curves.trivial_loss
    if loss is None or not loss > TINY:
        raise NotApplicableError("the loss of always predicting the same is not known, or there is nothing to learn")
    return loss


def learned(case: Case) -> float:
    """Return the share of what can be learned that the training rows showed at their best: 0 nothing, 1 all.

    Without a reference all of the trivial loss counts as learnable. With one that learned something, what lies
    beyond its loss does not.
    """
    trivial = trivial_loss(case)
    assert case.curves is not None
    lowest = measured(case.curves, case.reference).lowest_train
    if lowest is None:
        raise NotApplicableError("the losses of the training rows are not known")
    return (trivial - lowest) / (trivial * _reachable(case))


def _reachable(case: Case) -> float:
    """Return the share of the trivial loss that can be learned away, as far as it is known."""
    level = case.curves.trivial_val_loss if case.curves is not None else None
    if case.reference is None or not level:
        return 1.0
    share = 1 - max(case.reference.loss, 0.0) / level
    return share if share > REFERENCE_SKILL else 1.0


def has_diverged(case: Case) -> bool:
    """Tell whether training ended with a loss that is not finite, or far above that of always predicting the same."""
    if case.curves is not None and case.curves.stopped_because == "diverged":
        return True
    last = training_losses(case)[-1]
    return bool(not np.isfinite(last) or last > WORSE_THAN_TRIVIAL * trivial_loss(case))


def jitter(case: Case) -> float:
    """Return how far the loss jumps from epoch to epoch, as a share of the learnable range; 0 where it is not known."""
    if case.curves is None:
        raise NotApplicableError("there are no curves")
    return measured(case.curves, case.reference).share("jitter") or 0.0


def dead_units(run: Run) -> tuple[Floats, Floats]:
    """Return the share of each hidden layer's units that were zero on every row at the start, and in the kept state."""
    kept = run.best_epoch if run.restored_best and run.best_epoch is not None else np.inf
    known = [epoch for epoch in run.epochs if len(epoch.dead_share)]
    if not known:
        raise NotApplicableError("dead_share was not measured: the units are no relu units, or the run is too short")
    last = max((epoch for epoch in known if epoch.epoch <= kept), key=lambda epoch: epoch.epoch, default=known[0])
    return np.asarray(known[0].dead_share, dtype=float), np.asarray(last.dead_share, dtype=float)


def share_that_died(run: Run) -> float:
    """Return the largest share of a layer's units that died during the training; 0 where it is not known.

    Beside a linear path it is 0 too: units that are not needed there die without harm.
    """
    if has_linear_path(run):
        return 0.0
    try:
        before, after = dead_units(run)
    except NotApplicableError:
        return 0.0
    return max(0.0, float(np.max(after - before, initial=0.0)))


def has_linear_path(run: Run) -> bool:
    """Tell whether a path leads from the inputs straight to the output, which does without hidden units."""
    return bool(run.settings.get("skip"))


def without_zeros(run: Run, values: Floats) -> Floats:
    """Leave out the last layer where its weights start at zero, as beside a linear path: any step is long then.

    Parameters
    ----------
    values : array of shape (..., n_layers)
    """
    return values[..., :-1] if has_linear_path(run) and values.shape[-1] > 1 else values


def layer(index: int) -> str:
    """Name a layer as people count."""
    return f"layer {index + 1}"


def scaled_rate(case: Case, factor: float) -> Action:
    """Return the advice to multiply the learning rate by a factor."""
    how = f"{1 / factor:g} times lower" if factor < 1 else f"{factor:g} times higher"
    rate = case.settings.get("learning_rate_init")
    if rate is None:
        return Action(words=f"a learning rate {how}")
    new = float(f"{float(rate) * factor:.6g}")
    return Action(words=f"learning_rate_init {how}", parameters={"learning_rate_init": new})


def fresh_start(case: Case) -> Action:
    """Return the advice to draw the first weights so that they suit the activation."""
    kind = "he_normal" if case.settings.get("activation", "relu") in ("relu", "leaky_relu") else "glorot_uniform"
    return Action(words="an init that suits the activation", parameters={"init": kind})


def usual_start(case: Case) -> bool:
    """Tell whether the first weights were drawn by a rule that suits the width of the layers."""
    kind = getattr(case.settings.get("init", "auto"), "kind", case.settings.get("init", "auto"))
    kind = kind.get("kind", "auto") if isinstance(kind, dict) else kind
    return kind == "auto" or str(kind).startswith(("glorot", "he"))


def on_one_scale(case: Case, what: str) -> Action:
    """Return the advice to let the estimator prepare the numbers, or else to do it oneself."""
    if "preprocess" in case.settings and case.settings["preprocess"] is None:
        return Action(words=f"{what} (preprocess)", parameters={"preprocess": "auto"})
    return Action(words=what)
