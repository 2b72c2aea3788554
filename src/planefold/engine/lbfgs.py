"""L-BFGS on the whole objective at once: SciPy's solver, as scikit-learn uses it."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from planefold.engine.flat import FlatParameters
from planefold.engine.judge import Judge
from planefold.engine.objectives import Objective
from planefold.engine.plan import Plan
from planefold.engine.recorder import Recorder
from planefold.engine.run import Epoch
from planefold.engine.sources import Rows
from planefold.engine.step import WholeObjective
from planefold.engine.stopping import diverged
from planefold.networks.mlp import MLP

Floats = NDArray[np.float64]

# How SciPy's solver says why it ended; anything else is a line search that found no lower point.
_REASONS = {0: "converged", 1: "max_iter", 99: "callback"}


def minimize_lbfgs(
    net: MLP,
    flat: FlatParameters,
    rows: Rows,
    objective: Objective,
    plan: Plan,
    callbacks: Sequence[Callable[[Epoch], object]] = (),
    judge: Judge | None = None,
    recorder: Recorder | None = None,
) -> tuple[list[Epoch], str]:
    """Minimise loss and penalty over all rows; one "epoch" of the history is one iteration.

    Notes
    -----
    SciPy computes in float64 whatever the network's type is; the loss and the gradient are computed in
    the network's type. Several members are minimised together: their objectives are added up. Held-out
    rows are judged for the record and decide nothing. There are no steps along a batch's gradient to watch.

    References
    ----------
    Byrd, Lu, Nocedal and Zhu, "A limited memory algorithm for bound constrained optimization",
    SIAM J. Sci. Comput. 16(5), 1995.
    """
    objective_of_all = WholeObjective(net, flat, rows, objective, plan)
    epochs = [_judged(0, (math.nan, math.nan), net, judge, recorder)]
    tried = (0.0, 0.0)  # loss and objective at the point that was tried last
    reached = flat.theta.clone()  # the point of the last iteration
    started = time.perf_counter()

    def value_and_gradient(theta: Floats) -> tuple[float, Floats]:
        nonlocal tried
        flat.theta.copy_(torch.from_numpy(theta).view_as(flat.theta))
        losses, penalties = objective_of_all()
        tried = float(losses.mean()), float((losses + penalties).mean())
        return float((losses + penalties).sum()), flat.gradient.cpu().numpy().astype(np.float64).ravel()

    def iteration_ends(theta: Floats) -> None:
        # The point that a line search tries last is the one that it takes: `tried` and the network belong to it.
        nonlocal started
        reached.copy_(torch.from_numpy(theta).view_as(reached))
        epoch = _judged(len(epochs), tried, net, judge, recorder)
        now = time.perf_counter()
        epochs.append(dataclasses.replace(epoch, seconds=now - started))
        started = now
        answers = [callback(epochs[-1]) for callback in callbacks]
        if any(answer is True for answer in answers):
            raise StopIteration

    start = flat.theta.cpu().numpy().astype(np.float64).ravel()
    options = {"maxfun": plan.max_fun, "maxiter": plan.max_iter, "gtol": plan.tol}
    more: Any = {"callback": iteration_ends, "options": options}  # the stubs know neither
    try:
        result = minimize(value_and_gradient, start, method="L-BFGS-B", jac=True, **more)
    except KeyboardInterrupt:
        flat.theta.copy_(reached)
        return _completed(epochs, recorder), "interrupted"
    if not math.isfinite(result.fun):  # already at the start: no step was made
        raise diverged(epochs, plan)
    flat.theta.copy_(torch.from_numpy(result.x).view_as(flat.theta))
    return _completed(epochs, recorder), _REASONS.get(result.status, "line_search")


def _judged(
    number: int, losses: tuple[float, float], net: MLP, judge: Judge | None, recorder: Recorder | None
) -> Epoch:
    """Record a point: its loss and objective, and what is measured of it."""
    val_loss, val_score = (None, None) if judge is None else judge(net)
    found = {} if recorder is None else recorder.epoch_ends(number) if number else recorder.start()
    train_loss, objective = losses
    return Epoch(
        epoch=number, train_loss=train_loss, objective=objective, val_loss=val_loss, val_score=val_score, **found
    )


def _completed(epochs: list[Epoch], recorder: Recorder | None) -> list[Epoch]:
    """Measure what is missing of the last epoch."""
    return epochs if recorder is None else [*epochs[:-1], recorder.complete(epochs[-1])]
