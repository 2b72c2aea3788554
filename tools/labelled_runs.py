"""Real trainings whose truth was measured on fresh rows, as cases of the doctor.

The folder holds ``runs_*.csv.gz`` (a row a training: how it was made, its label, flags and truth),
``curves_*.csv.gz`` (a row an epoch) and ``valrows_*.npz`` (losses of single held-out rows).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from planefold.doctor import Case, Curves
from planefold.doctor.reference import Reference
from planefold.engine.run import Epoch, Run

# The verdict that is right for each label.
VERDICTS = {
    "diverged": "diverged",
    "oscillating": "oscillating",
    "underfit_flat": "hardly learned",
    "underfit_improving": "still improving",
    "underfit_capacity": "too small",
    "overfit": "overfit",
    "unrep_train": "gap",
    "unrep_val_noisy": "validation too small",
    "unrep_val_easy": "validation easier",
    "good_fit": "good fit",
}
N_EVAL = 2000  # training rows behind the recorded train_eval
N_PROBE = 256  # and behind a thinned one


class LabelledRun(NamedTuple):
    """A training, what is wrong with it (None: mixed or borderline), and yes, no or borderline for each flag."""

    case: Case
    label: str | None
    flags: Mapping[str, str]
    truth: Mapping[str, float]
    population: str
    name: str


def read_labelled_runs(
    folder: Path, *, reference: bool = True, every: int = 1, random_state: int = 0
) -> Iterator[LabelledRun]:
    """Yield every run of a folder.

    Parameters
    ----------
    folder : Path
    reference : bool
        Whether to tell what the trees reached on the same rows.
    every : int
        Above 1: leave the training loss with dropout off in epochs 0, 1, each ``every``-th and the last, and give it
        the noise of 256 rows, the same ones in each epoch.
    random_state : int
        Of that noise.
    """
    (facts_path,) = folder.glob("runs_*.csv.gz")
    facts = pd.read_csv(facts_path).set_index("rid", drop=False)
    curves = pd.read_csv(next(folder.glob("curves_*.csv.gz")))
    rng = np.random.default_rng(random_state)
    with np.load(next(folder.glob("valrows_*.npz"))) as rows:
        for rid, curve in curves.groupby("rid"):
            fact = facts.loc[rid]
            run = _run(fact, curve, rows[rid], every, rng)
            trees = _reference(fact) if reference else None
            yield LabelledRun(
                case=Case(run=run, curves=_curves(run, fact), settings=run.settings, reference=trees),
                label=None if pd.isna(fact.label) else str(fact.label),
                flags={name.removeprefix("flag_"): fact[name] for name in facts if name.startswith("flag_")},
                truth={name.removeprefix("truth_"): float(fact[name]) for name in facts if name.startswith("truth_")},
                population=str(fact.task),
                name=str(rid),
            )


def _curves(run: Run, fact: Any) -> Curves:
    """Take the curves of a run; here the running loss has the penalty in it, which that of the engine has not."""
    curves = Curves.of_run(run)
    return curves if pd.isna(fact.l2_penalty) or not fact.l2_penalty else replace(curves, is_plain=False)


def _run(fact: Any, curve: Any, rows: Any, every: int, rng: np.random.Generator) -> Run:
    n_train = int(fact.n_train)
    n_eval = min(n_train, N_EVAL)
    if every > 1:
        curve, n_eval = _thinned(curve, n_eval, every, rng), min(n_train, N_PROBE)
    epochs = tuple(
        Epoch(
            epoch=int(row.epoch), train_loss=row.train_loss, objective=row.train_loss,
            val_loss=row.val_loss, val_se=row.val_se, val_score=row.val_metric, learning_rate=row.lr,
            train_eval=row.train_eval, train_se=None if np.isnan(row.train_eval) else row.train_se,
        )
        for row in curve.itertuples()
    )  # fmt: skip
    with np.errstate(over="ignore"):
        rows = rows.astype(np.float16)
    finite = bool(np.isfinite(curve[["train_loss", "val_loss"]].iloc[1:]).all(axis=None))
    return Run(
        epochs=epochs, objective="", solver=fact.optimizer, device="cpu",
        stopped_because="max_iter" if finite else "diverged", best_epoch=None, restored_best=False,
        n_train=n_train, n_val=int(fact.n_val), n_eval=n_eval, batch_size=int(fact.batch_size),
        iterations_per_epoch=int(fact.steps_per_epoch), n_parameters=int(fact.n_params),
        trivial_loss=float(fact.l0_train), trivial_val_loss=float(fact.l0_val), val_rows=rows,
        settings=_settings(fact),
    )  # fmt: skip


def _thinned(curve: Any, n_eval: int, every: int, rng: np.random.Generator) -> Any:
    """Change the training loss into what a recorder with little time would have measured."""
    epoch = curve.epoch.to_numpy()
    measured = (epoch <= 1) | (epoch % every == 0) | (epoch == epoch.max())
    coarser = np.sqrt(max(n_eval / N_PROBE, 1.0))
    noise = 0.95 * rng.standard_normal() + 0.31 * rng.standard_normal(len(epoch))
    spread = curve.train_se.to_numpy() * np.sqrt(coarser**2 - 1)
    return curve.assign(
        train_eval=np.where(measured, np.maximum(curve.train_eval + noise * spread, 0), np.nan),
        train_se=curve.train_se * coarser,
    )


def _settings(fact: Any) -> dict[str, Any]:
    """Name how it was trained as the estimator does.

    Its ``alpha`` is divided by the rows of a batch (but for adamw); the recorded penalties are not.
    """
    sizes = ast.literal_eval(str(fact.hidden))
    penalty = 0.0 if pd.isna(fact.l2_penalty) else 2 * float(fact.l2_penalty)
    decay = float(fact.weight_decay)
    alpha = decay if fact.optimizer == "adamw" else (decay + penalty) * int(fact.batch_size)
    return {
        "hidden_layer_sizes": tuple(sizes) if isinstance(sizes, list) else (sizes,), "activation": fact.activation,
        "solver": fact.optimizer, "learning_rate_init": float(fact.lr), "batch_size": int(fact.batch_size),
        "learning_rate": {"const": "constant"}.get(fact.schedule, fact.schedule), "max_iter": int(fact.epochs),
        "dropout": float(fact.dropout), "alpha": alpha,
        "batch_norm": bool(fact.batch_norm), "early_stopping": False, "restore_best": False, "clip_norm": None,
    }  # fmt: skip


def _reference(fact: Any) -> Reference:
    known = not pd.isna(fact.adv_auc)
    return Reference(
        loss=float(fact.ref_loss), se=float(fact.ref_se), score=float(fact.ref_metric), rows=np.zeros(0),
        shift_auc=float(fact.adv_auc) if known else None,
        shift_se=float(np.sqrt((2 * fact.adv_k + 1) / (12 * fact.adv_k**2))) if known else None,
        n_train=int(fact.n_train), n_val=int(fact.n_val),
    )  # fmt: skip
