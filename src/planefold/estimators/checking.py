"""The objective of an estimator as a function of its parameters, and its gradients held against differences."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from sklearn.utils.validation import check_random_state

from planefold.calculus.gradient_check import GradientReport, gradient_check
from planefold.engine.devices import threads_for
from planefold.engine.gradients import ObjectiveFunction
from planefold.engine.sources import Rows

if TYPE_CHECKING:
    from planefold.estimators.base import BaseMLP

# A wrong gradient is as wrong on these as on all rows, and each row more brings kinks that a step may cross.
MAX_ROWS = 200


def check_gradients(model: BaseMLP, X: Any, y: Any, sample_weight: Any, n_coordinates: int | None) -> GradientReport:
    """Do what :meth:`BaseMLP.check_gradients` says, and leave ``model`` as it is."""
    function = objective_function(model, X, y, sample_weight, max_rows=MAX_ROWS)
    with threads_for(function.of[0].n_rows * function.net.spec.largest_product):
        return gradient_check(
            function.value_and_gradient,
            function.theta,
            names=function.windows,
            value=function.value,
            n_coordinates=n_coordinates,
        )


def objective_function(
    model: BaseMLP, X: Any, y: Any, sample_weight: Any, *, max_rows: int | None = None
) -> ObjectiveFunction:
    """Do what :meth:`BaseMLP.objective_function` says, with at most ``max_rows`` rows, and leave ``model`` as it is."""
    is_fitted = hasattr(model, "net_")
    model = copy.copy(model)  # what is learned below goes into the copy
    model._check()
    model.device = "cpu"  # not every other device computes in float64
    table, target, weights, _, labels = model._read_all(X, y, sample_weight, None, fresh=not is_fitted)
    if is_fitted:
        model._learn_target_in_parts(target, labels, weights, None, first=False)
    else:
        model._learn_target(target, labels, weights, again=False)
    weights = model._weigh(target, weights)
    prepared = model._prepare(table, target, weights, fit=not is_fitted, dtype=torch.float64)
    rows = _some(prepared, max_rows)
    if is_fitted:
        net = copy.deepcopy(model.net_).double()
    else:
        # Not the linear start, whose silent hidden layers have no gradient that could be wrong.
        random_state = check_random_state(copy.deepcopy(model.random_state))
        net = model._new_spec(rows).build(random_state, dtype=torch.float64)
    net.train()  # batch normalisation by the statistics of these rows, as in a training step
    return ObjectiveFunction(net, rows, model._objective, model._plan(rows, 1))


def _some(rows: Rows, max_rows: int | None) -> Rows:
    """Return at most ``max_rows`` rows, dense, none of them without weight."""
    weighing = np.arange(rows.n_rows) if rows.weights is None else np.flatnonzero(rows.weights.numpy() > 0)
    if max_rows is not None and len(weighing) > max_rows:
        weighing = np.sort(np.random.RandomState(0).permutation(weighing)[:max_rows])
    X, y, weights = rows.take(weighing)
    return Rows(X=X, y=y, weights=weights)
