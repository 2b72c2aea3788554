"""The rules of the learning curves on 690 real trainings whose truth was measured (`pytest -s` prints the table)."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from planefold.doctor import diagnose
from planefold.engine.run import Epoch, Run

CODES = ("LC901", "LC101", "LC201", "LC301")


def _run(facts, curve):
    epochs = tuple(
        Epoch(
            epoch=int(row.epoch),
            train_loss=float(row.train_loss),
            objective=float(row.train_loss),
            val_loss=None if math.isnan(row.val_loss) else float(row.val_loss),
            learning_rate=float(row.lr),
        )
        for row in curve.itertuples()
    )
    finite = all(math.isfinite(epoch.objective) for epoch in epochs[1:])
    return Run(
        epochs=epochs, objective="", solver=facts.optimizer, device="cpu",
        stopped_because="max_iter" if finite else "diverged", best_epoch=None, restored_best=False,
        n_train=int(facts.n_train), n_val=int(facts.n_val), batch_size=int(facts.batch_size),
        iterations_per_epoch=int(facts.steps_per_epoch), n_parameters=int(facts.n_params),
        trivial_loss=float(facts.l0_train),
    )  # fmt: skip


@pytest.fixture(scope="module")
def found(data_dir):
    """A row for each run: its label and flags, and which of the checks spoke."""
    folder = data_dir / "training_runs_dev"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    facts = pd.read_csv(folder / "runs_dev.csv.gz").set_index("rid")
    curves = pd.read_csv(folder / "curves_dev.csv.gz")
    columns = ["epoch", "train_loss", "val_loss", "lr"]
    spoke = {
        rid: {code: code in {f.code for f in diagnose(_run(facts.loc[rid], curve))} for code in CODES}
        for rid, curve in curves.groupby("rid")[columns]
    }
    table = facts[["label", "flag_overfit"]].join(pd.DataFrame.from_dict(spoke, orient="index"))
    shares = table.groupby("label")[list(CODES)].mean().assign(runs=table.groupby("label").size())
    print("\n" + shares.round(3).to_string())
    return table


def test_healthy_runs_are_left_alone(found):
    healthy = found[found.label == "good_fit"]
    assert len(healthy) == 161
    assert healthy[list(CODES)].any(axis=1).mean() <= 0.05  # measured: 0.031, all of it LC301
    assert healthy["LC101"].sum() == healthy["LC201"].sum() == healthy["LC901"].sum() == 0


@pytest.mark.parametrize(
    ("label", "codes", "at_least"),
    [
        ("overfit", ["LC101"], 0.95),  # measured: 1.00
        ("underfit_flat", ["LC201"], 0.90),  # measured: 0.93
        ("underfit_improving", ["LC301"], 0.60),  # measured: 0.65
        ("underfit_improving", ["LC301", "LC201"], 0.78),  # measured: 0.82
    ],
)
def test_sick_runs_are_found(found, label, codes, at_least):
    assert found[found.label == label][codes].any(axis=1).mean() >= at_least


def test_runs_that_do_not_overfit_are_not_said_to(found):
    # Over all 690 runs, those without a single label included. Measured: 0.023 of the clear noes, 0.87 of the yeses.
    assert found[found.flag_overfit == "no"]["LC101"].mean() <= 0.03
    assert found[found.flag_overfit == "yes"]["LC101"].mean() >= 0.85
