"""What a record says beside its epochs: how the training was set, and what the network was given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from planefold.data import robust
from planefold.engine.judge import Judge, spread
from planefold.engine.objectives import Objective
from planefold.engine.plan import Plan
from planefold.engine.schedules import as_schedule
from planefold.engine.sources import Rows
from planefold.networks.network import Spec

Floats = NDArray[np.float64]
Facts = dict[str, Any]

N_ROWS = 256  # rows that scales are told from
N_VALUES = 2**21  # of their inputs at most, however wide the rows are
LEAST_ROWS = 64
CLASSIFICATION = ("binary_log_loss", "log_loss")
# What a prediction can be, by the activation of the output.
RANGES = {"exp": (0.0, math.inf), "logistic": (0.0, 1.0), "softmax": (0.0, 1.0)}


def settings_of(plan: Plan, spec: Spec, objective: Objective, *, batch_size: int, judged: bool) -> dict[str, Any]:
    """Say how a training is set, by the names of the estimators' parameters, as JSON data.

    Parameters
    ----------
    plan : Plan
    spec : Spec
    objective : Objective
    batch_size : int
        The one in use.
    judged : bool
        Whether there are held-out rows.
    """
    patience = float(plan.n_iter_no_change)
    return {
        "loss": objective.name,
        "solver": plan.solver,
        "learning_rate_init": float(plan.learning_rate_init),
        "learning_rate": as_schedule(plan.learning_rate).kind,
        "batch_size": int(batch_size),
        "max_iter": int(plan.max_iter),
        "alpha": float(plan.alpha),
        "l1_ratio": float(plan.l1_ratio),
        "penalize_bias": bool(plan.penalize_bias),
        "clip_norm": None if plan.clip_norm is None else float(plan.clip_norm),
        "momentum": float(plan.momentum),
        "tol": float(plan.tol),
        "n_iter_no_change": patience if math.isfinite(patience) else None,
        "early_stopping": bool(judged),
        "restore_best": bool(plan.restore_best),
        **spec.settings(),
        "preprocess": None,
        "class_weight": None,
    }


def present_rows(rows: Rows) -> NDArray[np.int64]:
    """Return the numbers of the rows that any member sees."""
    if rows.members is None:
        return np.arange(len(rows.y))
    seen = np.zeros(len(rows.y) + 1, dtype=bool)  # with a place for -1
    seen[rows.members] = True
    return np.flatnonzero(seen[:-1])


def given(rows: Rows, objective: Objective) -> Facts:
    """Measure what the network is given: scales of inputs and targets, the classes."""
    present = present_rows(rows)
    n_rows = min(N_ROWS, max(LEAST_ROWS, N_VALUES // max(1, rows.n_values)))
    X, y, _ = rows.take(present[spread(len(present), n_rows)])
    facts = scale_of_inputs(_floats(X)) if X.ndim == 2 else scale_of_pictures(_floats(X))
    all_y = rows.y if len(present) == len(rows.y) else rows.y[torch.from_numpy(present).to(rows.y.device)]
    facts |= classes_of(all_y) if objective.name in CLASSIFICATION else scale_of_targets(_floats(y))
    if "class_counts" in facts:
        facts["targets_outside"] = 0.0
    elif objective.out_activation in RANGES:
        low, high = RANGES[objective.out_activation]
        facts["targets_outside"] = float(((y < low) | (y > high)).any(dim=-1).double().mean())
    return {name: fact for name, fact in facts.items() if np.isfinite(fact).all()}


def scale_of_inputs(X: Floats) -> Facts:
    """Compare the deviations of the numeric columns.

    Columns of two values (or one) are no numbers: what is yes or no, and the columns of categories.

    Notes
    -----
    A deviation is the interquartile range over 1.349, as that of normal data (quartiles are values that occur); where
    half of the values are equal, it is :func:`planefold.data.robust.spread`'s.
    """
    X = np.sort(X.T, axis=1)
    # Two values or one, sorted: they change where the last begins, or nowhere.
    columns = np.flatnonzero((np.diff(X, axis=1) > 0).sum(axis=1) > 1)
    if not len(columns):
        return {}
    X = X[columns]
    with np.errstate(all="ignore"):
        first, median, third = (X[:, round(share * (X.shape[1] - 1))] for share in (0.25, 0.5, 0.75))
        deviation = (third - first) / robust.IQR_OF_NORMAL
        for column in np.flatnonzero(~((deviation > 0) & np.isfinite(deviation))):
            deviation[column] = robust.spread(X[column])
        offset = np.abs(median) / deviation
        ratio = deviation.max() / deviation.min()
    return {
        "input_scale": float(deviation.max()),
        "input_scale_ratio": float(ratio),
        "input_offset": float(offset.max()),
        "input_scale_column": int(columns[deviation.argmax()]),
        "input_offset_column": int(columns[offset.argmax()]),
    }


def scale_of_pictures(X: Floats) -> Facts:
    """Return deviation, and absolute mean in deviations, of all numbers together: pixels are on one scale."""
    with np.errstate(all="ignore"):
        deviation, mean = float(X.std()), abs(float(X.mean()))
    return {"input_scale": deviation} | ({"input_offset": mean / deviation} if deviation > 0 else {})


def scale_of_targets(y: Floats) -> Facts:
    """Return deviation, and absolute mean in deviations, of a numeric target; of several the largest."""
    if not len(y):
        return {}
    with np.errstate(all="ignore"):
        deviation, mean = y.std(axis=0), np.abs(y.mean(axis=0))
        facts = {"target_scale": float(deviation.max())}
        if (deviation > 0).all():
            facts["target_offset"] = float((mean / deviation).max())
    return facts


def classes_of(y: Tensor) -> Facts:
    """Count the rows of each class of a one-hot target, or of a column of 0 and 1; nothing of any other."""
    codes = y.cpu().numpy()
    ones = codes == 1
    # What is not 1 must be 0; NumPy counts in a fraction of torch's time for small tables.
    if np.count_nonzero(codes) != np.count_nonzero(ones):
        return {}
    counts = ones.sum(axis=0)
    if y.shape[1] == 1:
        return {"class_counts": [len(codes) - int(counts[0]), int(counts[0])]}
    return {"class_counts": counts.tolist()} if (ones.sum(axis=1) == 1).all() else {}


def found_classes(judge: Judge) -> Facts:
    """Tell which share of the held-out rows of each class the network that was judged last finds.

    It decides for the most probable class. Rows that all members hold out are decided by the mean of their outputs,
    others by the member that holds them out. Weights play no part, but for rows of weight 0, which are left out.
    """
    outputs, y = judge.outputs, judge.y
    if outputs.ndim > y.ndim:  # the same rows for all members
        outputs = outputs.mean(dim=0)
    outputs, y = outputs.reshape(-1, outputs.shape[-1]), y.reshape(-1, y.shape[-1])
    if judge.weights is not None:
        there = judge.weights.reshape(-1) > 0
        outputs, y = outputs[there], y[there]
    counts = classes_of(y).get("class_counts")
    if counts is None or not len(y):
        return {}
    given_outputs, codes = outputs.cpu().numpy(), y.cpu().numpy()
    two = codes.shape[1] == 1
    truth = codes[:, 0].astype(int) if two else codes.argmax(axis=1)
    decided = (given_outputs[:, 0] > 0).astype(int) if two else given_outputs.argmax(axis=1)
    found = np.bincount(truth[truth == decided], minlength=len(counts)).tolist()
    recall = [hits / n if n else 0.0 for hits, n in zip(found, counts, strict=True)]
    return {"class_recall": recall, "class_support": counts}


def _floats(values: Tensor) -> Floats:
    return values.detach().double().cpu().numpy()
