"""What holds for all checks: codes, titles, pages; and how a diagnosis puts their findings together."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from planefold.data.schema import find_schema
from planefold.data.tables import read_table
from planefold.doctor import CHECKS, Finding, diagnose
from planefold.doctor.catalogue import ORDER
from planefold.engine import OBJECTIVES, Plan, Rows
from planefold.engine.loop import train
from planefold.networks import MLPSpec

EPOCHS = np.arange(1, 31)
FALLING = 0.1 + 0.9 * np.exp(-EPOCHS / 4)  # and flat at the end
RISING = FALLING + 0.02 * np.maximum(EPOCHS - 12, 0)  # turns about epoch 12
SLOW = 1 - 0.02 * EPOCHS


def _schema(n_columns, n_dropped=0):
    column = SimpleNamespace(name="a", kind="number", why="")
    dropped = [SimpleNamespace(name=f"id{i}", kind="drop", why="an id") for i in range(n_dropped)]
    return SimpleNamespace(columns=[column] * n_columns + dropped)


def _codes(run, schema=None):
    return [finding.code for finding in diagnose(run, schema=schema)]


def _warned(run, schema=None):
    return [finding.code for finding in diagnose(run, schema=schema) if finding.severity != "info"]


def test_every_code_has_one_place_in_the_order():
    assert len(set(ORDER)) == len(ORDER)
    assert list(CHECKS) == [code for code in ORDER if code in CHECKS]


def test_titles_are_short_and_unique():
    titles = [check.title for check in CHECKS.values()]
    assert len(set(titles)) == len(titles)
    assert all(0 < len(title) <= 40 for title in titles)


@pytest.mark.parametrize("code", CHECKS)
def test_a_check_only_silences_checks_that_there_are(code):
    check = CHECKS[code]
    assert check.code == code
    assert set(check.silences) <= set(ORDER)
    assert code not in check.silences
    assert check.__doc__.strip()


def test_what_silences_each_other_does_so_one_way_only():
    pairs = {(code, other) for code, check in CHECKS.items() for other in check.silences}
    assert not {(a, b) for a, b in pairs if (b, a) in pairs}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"restored_best": True, "stopped_because": "no_improvement"},
        {"stopped_because": "callback"},
        {"trivial_loss": None},
    ],
)
def test_a_run_that_fell_and_levelled_out_gets_no_warning(make_run, changes):
    noise = np.random.RandomState(0).randn(30) * 0.01
    assert _warned(make_run(FALLING, FALLING + 0.05 + noise, start=1.2, **changes), _schema(10)) == []
    assert _warned(make_run(FALLING, **changes), _schema(10)) == []


def test_runs_without_the_losses_of_rows_are_judged_by_the_noise_of_their_curves(make_run):
    assert _codes(make_run(FALLING - 0.002 * EPOCHS, RISING)) == ["LC101"]
    assert "LC101" not in _codes(make_run(FALLING, FALLING + 0.001 * np.maximum(EPOCHS - 12, 0)))
    assert "LC101" not in _codes(make_run(RISING, RISING))  # both rise: that is not learning by heart
    bump = FALLING.copy()
    bump[-3] += 1.0
    assert "LC101" not in _codes(make_run(FALLING - 0.002 * EPOCHS, bump))  # one odd epoch
    assert _warned(make_run(SLOW, SLOW)) == ["LC301"]
    assert "LC301" not in _codes(make_run(SLOW, SLOW, stopped_because="no_improvement"))
    assert "LC301" not in _codes(make_run(SLOW[:3], SLOW[:3]))  # too short to tell


def test_the_epoch_in_which_it_turned_may_be_the_start(make_run):
    finding = next(iter(diagnose(make_run(FALLING, 0.5 + 0.01 * EPOCHS, start=0.4))))
    assert finding.code == "LC101"
    assert finding.evidence["turning_epoch"] == 0


def test_a_run_that_broke_says_what_was_kept(make_run):
    broken = make_run([1.0, math.inf], [0.9, math.nan], stopped_because="diverged", restored_best=True)
    first = next(iter(diagnose(broken)))
    assert first.code == "LC901"
    assert "the loss became inf in epoch 2; the weights of epoch 1 were kept" in first.what


def test_warnings_come_before_what_is_for_information(make_run):
    diagnosis = diagnose(make_run(SLOW, SLOW, n_train=40), schema=_schema(10, n_dropped=1))
    severities = [finding.severity for finding in diagnosis]
    assert severities == sorted(severities, key=lambda severity: severity == "info")
    assert {"LC301", "DA101", "DA201"} <= {finding.code for finding in diagnosis}
    assert diagnosis.verdict == "still improving"
    assert "LC301 still improving" in str(diagnosis)
    assert diagnosis[0].code == "LC301"


def test_a_run_without_epochs_is_no_crash(make_run):
    assert _codes(make_run([], stopped_because="interrupted")) == ["LC902"]
    assert _codes(make_run([])) == []
    assert diagnose(make_run([])).verdict == "unknown"
    assert _codes(make_run(FALLING, np.full(30, math.inf))) == ["LC901"]


def test_a_schema_of_a_real_table_names_the_columns_that_are_left_out(make_run):
    rows = 40
    table = read_table({"id": [f"person-{i}" for i in range(rows)], "age": list(np.linspace(20, 60, rows))})
    left_out = [f for f in diagnose(make_run(FALLING, FALLING), schema=find_schema(table)) if f.code == "DA201"]
    assert len(left_out) == 1
    assert "id" in left_out[0].what


@pytest.mark.parametrize("objective", ["squared_error", "binary_log_loss"])
def test_a_healthy_real_training_gets_no_warning(objective):
    import torch

    rng = np.random.RandomState(0)
    X = torch.from_numpy(rng.randn(600, 3))
    y = X[:, :1].abs() + 0.5 * X[:, 1:2]
    y = y + 0.05 * torch.from_numpy(rng.randn(600, 1)) if objective == "squared_error" else (y > 0.7).double()
    net = MLPSpec(n_features=3, n_outputs=1, hidden_layer_sizes=(20,)).build(rng, dtype=torch.float64)
    plan = Plan(max_iter=60, batch_size=50, learning_rate="cosine", learning_rate_init=0.02, n_iter_no_change=60)
    judge = Rows(X=X[450:], y=y[450:])
    run = train(net, Rows(X=X[:450], y=y[:450]), OBJECTIVES[objective], plan, random_state=rng, validation=judge)
    diagnosis = diagnose(run, schema=_schema(3))
    assert diagnosis.healthy
    assert diagnosis.verdict == "good fit"


def test_a_finding_is_a_record_that_cannot_be_changed(make_run):
    finding = next(iter(diagnose(make_run(SLOW, SLOW))))
    assert isinstance(finding, Finding)
    with pytest.raises(AttributeError):
        finding.code = "XX"
