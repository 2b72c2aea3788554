"""Runs and cases written by hand, for the checks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from planefold.doctor.case import Case, Curves
from planefold.doctor.reference import Reference
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


def _make_case(
    train, val=None, *, start=None, train_start=None, spread=0.2, n_train=1000, n_val=400, trivial=1.0,
    thin=1, rows=True, settings=None, reference=None, seed=0, **changes,
):  # fmt: skip
    """Build a case from the two losses at the end of each epoch; ``spread`` is the deviation of a row's loss.

    Each row keeps most of its own deviation over the epochs, and the mean of the rows is the curve.
    """
    rng = np.random.default_rng(seed)
    train = np.asarray(train, dtype=float)
    epoch = np.arange(1, len(train) + 1, dtype=float)
    val = None if val is None else np.asarray(val, dtype=float)
    if start is not None:
        epoch = np.append(0.0, epoch)
        val = None if val is None else np.append(start, val)
        train = np.append(start if train_start is None else train_start, train)
    seen = (epoch <= 1) | (epoch % thin == 0) | (epoch == epoch[-1])
    n_rows = min(n_val, 200)
    noise = spread * (0.95 * rng.standard_normal(n_rows) + 0.3 * rng.standard_normal((len(epoch), n_rows)))
    table = None if val is None else val[:, None] + noise - noise.mean(axis=1, keepdims=True)
    columns = {
        "train_loss": np.where(epoch > 0, train, np.nan),
        "train_eval": np.where(seen, train, np.nan),
        "train_se": np.where(seen, spread / np.sqrt(n_train), np.nan),
        "val_loss": val,
        "val_se": None if val is None else np.full(len(epoch), spread / np.sqrt(n_val)),
        "val_rows": table if rows else None,
        "trivial_loss": trivial, "trivial_val_loss": trivial, "n_train": n_train, "n_eval": n_train,
        "n_val": None if val is None else n_val, "stopped_because": "max_iter",
    }  # fmt: skip
    return Case(curves=Curves(epoch=epoch, **columns | changes), settings=settings or {}, reference=reference)


@pytest.fixture(scope="session")
def make_case():
    return _make_case


def _make_reference(loss, se=0.01, **changes):
    return Reference(loss=loss, se=se, score=0.0, rows=np.zeros(0), n_train=1000, n_val=400, **changes)


@pytest.fixture(scope="session")
def make_reference():
    return _make_reference
