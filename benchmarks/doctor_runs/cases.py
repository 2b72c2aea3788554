"""Stored runs as cases of the doctor, with as much as each tier knows."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from doctor_runs.store import LabelledRun, load
from doctor_runs.trials import estimator_of, rows_of
from planefold.doctor import Case, Curves
from planefold.doctor.reference import Reference, measure_reference
from planefold.engine.run import Run

TIERS = {
    3: "what the engine records, and simple models on the same rows",
    2: "what the engine records",
    1: "two bare curves",
}
HELD_OUT = 0.2  # of the rows of a model that held some out itself: the reference is judged by as many


class KnownCase(NamedTuple):
    """A case with its truth; ``run`` is the stored run that it was made of."""

    case: Case
    label: str | None
    flags: Mapping[str, str]
    truth: Mapping[str, float]
    population: str
    run: LabelledRun


def cases(folder: Path, half: str, tier: int) -> Iterator[KnownCase]:
    """Yield the runs of a half of the store as cases.

    Parameters
    ----------
    folder : Path
        Where the runs were stored.
    half : {"dev", "test"}
    tier : {1, 2, 3}
        A key of ``TIERS``. References of tier 3 are measured when they are first asked for, and kept.
    """
    for known in load(folder, half):
        yield KnownCase(
            case_of(known, tier, folder / half), known.label, known.flags, known.truth, known.population, known
        )


def bare_cases(folder: Path, half: str) -> Iterator[tuple[Curves, str | None]]:
    """Yield the two bare curves of each run of a half, and its label."""
    for known in load(folder, half):
        yield bare_curves(known.run), known.label


def case_of(known: LabelledRun, tier: int, folder: Path) -> Case:
    """Return what a tier knows of a run."""
    if tier == 1:
        return Case(curves=bare_curves(known.run))
    reference = reference_of(known, folder) if tier == 3 else None
    return Case(run=known.run, curves=Curves.of_run(known.run), settings=known.run.settings, reference=reference)


def bare_curves(run: Run) -> Curves:
    """Return the two curves that most tools print: running training loss with penalties, and validation loss."""
    later = run["epoch"] > 0
    return Curves(epoch=run["epoch"][later], train_loss=run["objective"][later], val_loss=run["val_loss"][later])


def reference_of(known: LabelledRun, folder: Path) -> Reference:
    """Return the reference of a run, measured when it is first asked for."""
    path = folder / "references" / f"{known.name}.npz"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        measured = _measure(known)
        values = {field.name: getattr(measured, field.name) for field in dataclasses.fields(measured)}
        np.savez_compressed(path, **{name: value for name, value in values.items() if value is not None})
    names = {field.name for field in dataclasses.fields(Reference)}
    with np.load(path) as stored:
        return Reference(**{name: _plain(stored[name]) for name in stored.files if name in names})


def _plain(array: Any) -> Any:
    return array.item() if array.ndim == 0 else array


def _measure(known: LabelledRun) -> Reference:
    """Measure it on the rows of the run, in its units."""
    rows = rows_of(known.recipe)
    X, y, X_val, y_val = rows.X, rows.y, rows.X_val, rows.y_val
    if X_val is None or y_val is None:
        n_held_out = int(HELD_OUT * len(y))
        X, y, X_val, y_val = X[n_held_out:], y[n_held_out:], X[:n_held_out], y[:n_held_out]
    model = estimator_of(known.recipe)
    if model.preprocess is not None and not hasattr(model, "predict_proba"):
        mean, scale = rows.y.mean(), rows.y.std()
        y, y_val = (y - mean) / scale, (y_val - mean) / scale
    Y, Y_val = _targets(y, known.run.objective, rows.y), _targets(y_val, known.run.objective, rows.y)
    return measure_reference(X, Y, X_val, Y_val, objective=known.run.objective, random_state=0)


def _targets(y: Any, objective: str, everything: Any) -> Any:
    """Return targets as the objective takes them: one column, or one a class."""
    return np.eye(int(everything.max()) + 1)[y] if objective == "log_loss" else y.reshape(-1, 1).astype(float)
