"""How the columns of a training table are prepared, and whether its numbers get bins."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone

from planefold.data.encoder import TableEncoder
from planefold.engine.loop import train
from planefold.estimators.inputs import number_types, pick, reads_tables
from planefold.estimators.members import windows

Array = npt.NDArray[Any]

# "auto" tries the piecewise-linear encoding only where there are rows to place the bends and few enough inputs.
MIN_ROWS_FOR_BINS, MAX_INPUTS_WITH_BINS = 500, 2000
PROBE_ROWS, PROBE_EPOCHS = 4000, 30  # what the two encodings are compared on: enough to see which is better


def fit_preparation(model: Any, rows: Any, y: Array, weights: Array | None, folds: Array | None) -> Any:
    """Learn from training rows what ``preprocess`` and ``encoding`` ask for.

    Parameters
    ----------
    model : estimator
        With its target known: the choice between two encodings is made by training on both for a short while.
    rows, y, weights
        The training rows, as :func:`planefold.estimators.inputs.read_rows` gives them.
    folds : ndarray of shape (n_rows,), optional
        The fold of each row. Without folds there are no held-out rows to choose by, and no bins.

    Returns
    -------
    TableEncoder, transformer or None
    """
    if model.preprocess is None:
        return None
    if not reads_tables(model.preprocess):
        return clone(model.preprocess).fit(rows, y)
    if isinstance(model.preprocess, TableEncoder):
        chosen, encoding = model.preprocess, model.preprocess.encoding
    else:
        dtype = "float64" if model.dtype == "float64" else "float32"
        chosen, encoding = TableEncoder(types=number_types(rows), dtype=dtype), model.encoding
    if encoding != "auto":
        return clone(chosen).set_params(encoding=encoding).fit(rows)
    plain = clone(chosen).set_params(encoding="linear")
    binned = clone(chosen).set_params(encoding="piecewise_linear")
    plain.fit(rows)
    if len(y) < MIN_ROWS_FOR_BINS or folds is None or model.skip is None:
        return plain
    binned.fit(rows)
    if len(binned.inputs_) > MAX_INPUTS_WITH_BINS or len(binned.inputs_) == len(plain.inputs_):
        return plain
    return min((plain, binned), key=lambda encoder: _probe_loss(model, encoder, rows, y, weights, folds))


def _probe_loss(model: Any, encoder: TableEncoder, rows: Any, y: Array, weights: Array | None, folds: Array) -> float:
    """Held-out loss of a short training on the inputs of an encoder."""
    if len(y) > PROBE_ROWS:
        some = np.random.RandomState(0).permutation(len(y))[:PROBE_ROWS]
        rows, y, weights = rows.take(some), y[some], pick(weights, some)
        folds = np.unique(folds[some], return_inverse=True)[1]  # of large groups a fold may be left out
    data = model._rows(encoder.transform(rows), y, weights)
    learn, judge = windows(data, folds, model.n_members)
    random_state = np.random.RandomState(0)  # an own stream: the choice shall not move the training's
    net = model._new_net(learn, judge, random_state).to(data.y.device)
    plan = dataclasses.replace(model._plan(learn, PROBE_EPOCHS), n_iter_no_change=PROBE_EPOCHS // 3)
    run = train(net, learn, model._objective, plan, random_state=random_state, validation=judge, record=False)
    if run.stopped_because == "interrupted":
        raise KeyboardInterrupt
    losses = run["val_loss"]
    return float(np.min(losses[np.isfinite(losses)], initial=np.inf))
