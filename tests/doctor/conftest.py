"""Runs written by hand, for the checks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from planefold.engine.run import Epoch, Run


def _make_run(train, val=None, *, start=None, **changes):
    """Build a run from its curves; ``start`` is the held-out loss before training."""
    epochs = [
        Epoch(epoch=i, train_loss=float(t), objective=float(t), val_loss=None if val is None else float(val[i - 1]))
        for i, t in enumerate(train, start=1)
    ]
    if start is not None:
        epochs.insert(0, Epoch(epoch=0, train_loss=math.nan, objective=math.nan, val_loss=start))
    best = None if val is None else int(np.nanargmin(val)) + 1 if len(val) else None
    facts = {
        "objective": "squared_error", "solver": "adam", "device": "cpu", "stopped_because": "max_iter",
        "best_epoch": best, "restored_best": False, "n_train": 1000, "n_val": 0 if val is None else 200,
        "batch_size": 100, "iterations_per_epoch": 10, "n_parameters": 50, "trivial_loss": 1.0,
    }  # fmt: skip
    return Run(epochs=tuple(epochs), **facts | changes)


@pytest.fixture(scope="session")
def make_run():
    return _make_run
