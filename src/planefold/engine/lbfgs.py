"""L-BFGS on the whole objective at once: SciPy's solver, as scikit-learn uses it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize

from planefold.engine.flat import FlatParameters
from planefold.engine.objectives import Objective
from planefold.engine.plan import Plan
from planefold.engine.run import Epoch
from planefold.engine.sources import Rows
from planefold.networks.mlp import MLP


def minimize_lbfgs(
    net: MLP,
    flat: FlatParameters,
    rows: Rows,
    objective: Objective,
    plan: Plan,
    callbacks: Sequence[Callable[[Epoch], object]] = (),
) -> tuple[list[Epoch], str]:
    """Minimise loss and penalty over all rows; one "epoch" of the history is one iteration.

    Notes
    -----
    SciPy computes in float64 whatever the network's type is; the loss and the gradient are computed in
    the network's type. Several members are minimised together: their objectives are added up.

    References
    ----------
    Byrd, Lu, Nocedal and Zhu, "A limited memory algorithm for bound constrained optimization",
    SIAM J. Sci. Comput. 16(5), 1995.
    """
    X, y, weights = rows.all()
    total = float(y.shape[-2]) if weights is None else weights.sum(dim=-1)
    epochs: list[Epoch] = []
    last: dict[str, float] = {}
    clock = [time.perf_counter()]

    def value_and_gradient(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        flat.theta.copy_(torch.from_numpy(theta))
        flat.gradient.zero_()
        losses = objective.loss(net(X), y, weights)
        squares = sum(w.square().sum(dim=(1, 2)) for w in net.penalized())
        objectives = losses + 0.5 * plan.alpha * squares / total
        objectives.sum().backward()  # type: ignore[no-untyped-call]
        last["train_loss"], last["objective"] = float(losses.mean()), float(objectives.mean())
        return float(objectives.sum()), flat.gradient.cpu().numpy().astype(np.float64)

    def iteration_ends(theta: NDArray[np.float64]) -> None:
        now = time.perf_counter()
        epochs.append(Epoch(epoch=len(epochs) + 1, seconds=now - clock[0], **last))
        clock[0] = now
        if any(callback(epochs[-1]) is True for callback in callbacks):
            raise StopIteration

    start = flat.theta.cpu().numpy().astype(np.float64)
    try:
        result = minimize(
            value_and_gradient,
            start,
            method="L-BFGS-B",
            jac=True,
            callback=iteration_ends,
            options={"maxfun": plan.max_fun, "maxiter": plan.max_iter, "gtol": plan.tol},
        )
    except KeyboardInterrupt:
        return epochs, "interrupted"  # theta holds the last point that was tried
    flat.theta.copy_(torch.from_numpy(result.x))
    return epochs, {0: "converged", 1: "max_iter", 99: "callback"}.get(result.status, "line_search")
