"""Every check has a case that triggers it and healthy cases that do not; no two findings contradict."""

from __future__ import annotations

import itertools
import math
import re
from types import SimpleNamespace

import numpy as np
import pytest

from planefold.data.schema import find_schema
from planefold.data.tables import read_table
from planefold.doctor import CHECKS, Finding, diagnose
from planefold.doctor.finding import SEVERITIES
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


@pytest.fixture(scope="module")
def sick(make_run):
    """A run (and schema) for each code, of which that check is the first to speak."""
    broken = np.append(FALLING[:5], math.inf)
    return {
        "LC901": (make_run(broken, np.append(FALLING[:5], math.nan), stopped_because="diverged"), None),
        "LC902": (make_run(FALLING, FALLING, stopped_because="interrupted"), None),
        "LC201": (make_run(np.full(30, 0.99), np.full(30, 0.97)), None),
        "LC101": (make_run(FALLING - 0.002 * EPOCHS, RISING), None),
        "LC401": (make_run(FALLING, np.full(30, 0.3), start=0.29, best_epoch=0, restored_best=True), None),
        "LC301": (make_run(SLOW, SLOW), None),
        "DA101": (make_run(FALLING, FALLING, n_train=40), _schema(10)),
        "DA201": (make_run(FALLING, FALLING), _schema(3, n_dropped=2)),
    }


def _codes(run, schema=None):
    return [finding.code for finding in diagnose(run, schema=schema)]


@pytest.mark.parametrize("code", CHECKS)
def test_each_check_speaks_in_its_case(sick, code):
    assert _codes(*sick[code]) == [code]


@pytest.mark.parametrize("code", CHECKS)
def test_each_finding_carries_the_code_of_its_place_in_the_table(sick, code):
    check, silences = CHECKS[code]
    finding = check(*sick[code])
    assert finding.code == code
    assert finding.severity in SEVERITIES
    assert set(silences) <= set(CHECKS)
    assert all(np.isfinite(value) for value in finding.evidence.values())
    for words in (finding.title, finding.what, finding.why, finding.try_):
        assert words.strip()
    assert not re.search(r"np\.|nan%|inf%", finding.what + finding.try_)


def test_titles_are_unique(sick):
    titles = [CHECKS[code][0](*case).title for code, case in sick.items()]
    assert len(set(titles)) == len(CHECKS)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"restored_best": True, "stopped_because": "no_improvement"},
        {"stopped_because": "callback"},
        {"trivial_loss": None},
    ],
)
def test_a_run_that_fell_and_levelled_out_gets_no_finding(make_run, changes):
    rng = np.random.RandomState(0)
    noise = rng.randn(30) * 0.01
    assert _codes(make_run(FALLING, FALLING + 0.05 + noise, start=1.2, **changes), _schema(10)) == []
    assert _codes(make_run(FALLING, **changes), _schema(10)) == []


def test_healthy_neighbours_of_each_case_stay_silent(make_run):
    assert "LC201" not in _codes(make_run(FALLING * 0.5, np.full(30, 0.85)))  # 15 % below trivial
    assert "LC101" not in _codes(make_run(FALLING, FALLING + 0.001 * np.maximum(EPOCHS - 12, 0)))  # 2 % of the range
    assert "LC101" not in _codes(make_run(RISING, RISING))  # both rise: that is not learning by heart
    bump = FALLING.copy()
    bump[-3] += 1.0
    assert "LC101" not in _codes(make_run(FALLING - 0.002 * EPOCHS, bump))  # one odd epoch
    assert "LC301" not in _codes(make_run(SLOW, SLOW, stopped_because="no_improvement"))
    assert "LC301" not in _codes(make_run(SLOW[:7], SLOW[:7]))  # too short to tell
    assert _codes(make_run(FALLING, FALLING, n_train=50), _schema(10)) == []


def test_the_numbers_of_the_evidence_are_those_of_the_curves(make_run, sick):
    overfit = CHECKS["LC101"][0](sick["LC101"][0])
    assert overfit.evidence["turning_epoch"] == np.argmin(RISING) + 1
    assert overfit.evidence["rise"] == pytest.approx(RISING[-1] - np.sort(RISING)[1])  # median of three at the minimum
    assert overfit.evidence["learnable_range"] == pytest.approx(1 - np.sort(RISING)[1])
    assert f"after epoch {np.argmin(RISING) + 1} " in overfit.what

    never = CHECKS["LC201"][0](sick["LC201"][0])
    assert never.evidence == {"skill": pytest.approx(0.03), "trivial_loss": 1.0, "loss": pytest.approx(0.97)}
    assert "3% below" in never.what

    improving = CHECKS["LC301"][0](sick["LC301"][0])
    assert improving.evidence["gain"] == pytest.approx(5 * 0.02)  # halves of the last ten epochs are five apart
    assert "last 10 of 30 epochs" in improving.what
    assert "max_iter=90" in improving.try_

    assert CHECKS["LC901"][0](sick["LC901"][0]).evidence == {"epoch": 6}
    assert CHECKS["DA101"][0](*sick["DA101"]).evidence == {"rows": 40, "columns": 10}
    assert CHECKS["DA201"][0](*sick["DA201"]).evidence == {"dropped": 2}
    interrupted = make_run(FALLING[:4], FALLING[:4], start=1.2, stopped_because="interrupted")
    assert CHECKS["LC902"][0](interrupted).evidence == {"epochs": 4}  # the start is no epoch


def test_the_epoch_in_which_it_turned_may_be_the_start(make_run):
    run = make_run(FALLING, 0.5 + 0.01 * EPOCHS, start=0.4)
    finding = next(iter(diagnose(run)))
    assert finding.code == "LC101"
    assert finding.evidence["turning_epoch"] == 0


def test_a_run_that_kept_its_best_weights_is_told_so(make_run):
    (finding,) = diagnose(make_run(FALLING - 0.002 * EPOCHS, RISING, restored_best=True))
    assert finding.severity == "info"
    assert "the weights of the best epoch were kept" in finding.what
    assert finding.try_.startswith("nothing has to be done")

    (useless,) = diagnose(make_run(FALLING, 0.97 + 0.05 * EPOCHS, restored_best=True))
    assert useless.severity == "warning"
    assert "hardly better than always predicting the same" in useless.why

    broken = make_run([1.0, math.inf], [0.9, math.nan], stopped_because="diverged", restored_best=True)
    assert "the weights of epoch 1 were kept" in next(iter(diagnose(broken))).what


def test_a_finding_silences_those_that_would_contradict_it(sick):
    for code, (_, silences) in CHECKS.items():
        assert not set(silences) & set(_codes(*sick[code]))
    overfit_and_useless = sick["LC901"][0]
    assert _codes(overfit_and_useless) == ["LC901"]


UP = ("higher learning_rate_init", "learning_rate_init three times higher", "more units", "max_iter=")
DOWN = ("learning_rate_init ten times lower", "higher dropout or alpha", "early_stopping=True", "higher alpha")


def test_no_two_findings_of_one_diagnosis_advise_opposite_things(sick, make_run):
    curves = [FALLING, FALLING - 0.002 * EPOCHS, RISING, SLOW, np.full(30, 0.97), 0.97 + 0.05 * EPOCHS, 2 * RISING]
    reasons = ["max_iter", "no_improvement", "interrupted", "diverged"]
    for train_loss, val, reason, n_train, kept in itertools.product(curves, curves, reasons, (30, 1000), (False, True)):
        run = make_run(train_loss, val, stopped_because=reason, n_train=n_train, restored_best=kept)
        advice = " | ".join(finding.try_ for finding in diagnose(run, schema=_schema(10, 1)))
        assert not (any(word in advice for word in UP) and any(word in advice for word in DOWN)), advice


def test_a_diagnosis_prints_the_worst_first_with_what_to_try(make_run):
    diagnosis = diagnose(make_run(SLOW, SLOW, n_train=40), schema=_schema(10, n_dropped=1))
    assert [finding.severity for finding in diagnosis] == ["warning", "warning", "info"]
    lines = str(diagnosis).splitlines()
    assert lines[0].startswith("LC301 still improving: the last 10 of 30 epochs")
    assert lines[1].startswith("  try: max_iter=90")
    assert len(diagnosis) == 3
    healthy = str(diagnose(make_run(FALLING, FALLING)))
    assert healthy == "Nothing is wrong that the checks know of: " + ", ".join(CHECKS)


def test_a_run_without_epochs_or_finite_losses_is_no_crash(make_run):
    assert _codes(make_run([], stopped_because="interrupted")) == ["LC902"]
    assert _codes(make_run([])) == []
    assert _codes(make_run(FALLING, np.full(30, math.inf))) == []


def test_a_schema_of_a_real_table_names_the_columns_that_are_left_out(make_run):
    rows = 40
    table = read_table({"id": [f"person-{i}" for i in range(rows)], "age": list(np.linspace(20, 60, rows))})
    (finding,) = diagnose(make_run(FALLING, FALLING), schema=find_schema(table))
    assert finding.code == "DA201"
    assert finding.what.startswith("1 of 2 columns are not used: id (")


@pytest.mark.parametrize("objective", ["squared_error", "binary_log_loss"])
def test_a_healthy_real_training_gets_no_finding(objective):
    import torch

    rng = np.random.RandomState(0)
    X = torch.from_numpy(rng.randn(600, 3))
    y = X[:, :1].abs() + 0.5 * X[:, 1:2]
    y = y + 0.05 * torch.from_numpy(rng.randn(600, 1)) if objective == "squared_error" else (y > 0.7).double()
    net = MLPSpec(n_features=3, n_outputs=1, hidden_layer_sizes=(20,)).build(rng, dtype=torch.float64)
    plan = Plan(max_iter=60, batch_size=50, learning_rate="cosine", learning_rate_init=0.02, n_iter_no_change=60)
    judge = Rows(X=X[450:], y=y[450:])
    run = train(net, Rows(X=X[:450], y=y[:450]), OBJECTIVES[objective], plan, random_state=rng, validation=judge)
    assert list(diagnose(run, schema=_schema(3))) == []


def test_a_finding_is_a_record_that_cannot_be_changed(sick):
    finding = next(iter(diagnose(sick["LC301"][0])))
    assert isinstance(finding, Finding)
    with pytest.raises(AttributeError):
        finding.code = "XX"


def test_the_start_is_only_said_to_be_best_where_it_was_kept_and_had_learned_something(make_run):
    kept = {"start": 0.29, "best_epoch": 0}
    assert "LC401" in _codes(make_run(FALLING, np.full(30, 0.3), restored_best=True, **kept))
    assert "LC401" not in _codes(make_run(FALLING, np.full(30, 0.3), restored_best=False, **kept))
    assert "LC401" not in _codes(make_run(FALLING, FALLING, start=0.9, restored_best=True))
    nothing = make_run(FALLING, np.full(30, 0.99), start=0.98, best_epoch=0, restored_best=True)
    assert "LC401" not in _codes(nothing)
