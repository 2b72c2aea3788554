"""A diagnosis as a whole: its first line, its verdict, which findings it shows, and the pages of the checks."""

from __future__ import annotations

import dataclasses
import itertools
import sys

import numpy as np
import pandas as pd
import pytest

from planefold import MLPRegressor
from planefold.core.errors import DataError, ParameterError
from planefold.doctor import CHECKS, Action, Case, Diagnosis, Finding, diagnose, diagnose_case
from planefold.doctor.agreement import pulls

EPOCHS = np.arange(1, 31)
FALLING = 0.1 + 0.9 * np.exp(-EPOCHS / 4)


def _finding(code, severity="warning", **changes):
    return Finding(severity=severity, what="it is so", why="So.", code=code, title="a title", **changes)


def _first_line(diagnosis):
    return str(diagnosis).splitlines()[0]


@pytest.mark.parametrize("code", CHECKS)
@pytest.mark.parametrize("part", ["**Rule", "**Fires on**", "**Silent on**", "**Limits"])
def test_the_page_of_a_check_says_when_it_fires_and_when_it_does_not(code, part):
    page = CHECKS[code].__doc__
    assert part in page
    assert page.startswith(("Report ", "Tell "))


# ------------------------------------------------------------------------------------------------- the first line


def test_the_first_line_names_the_verdict_and_the_gap(make_run):
    noise = np.random.RandomState(0).randn(30) * 0.01
    line = _first_line(diagnose(make_run(FALLING, FALLING + 0.05 + noise, start=1.2)))
    assert line.startswith("learning curves: good fit, the gap between training and held-out rows is ")


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({"gap_share": 0.12, "gap": 0.24, "gap_se": 0.02}, ", the gap between training and held-out rows is 12%"),
        ({"gap_share": 0.12, "gap": 0.24, "gap_se": 0.2}, "what can be learned, give or take 20%"),
        ({"gap_share": -0.12, "gap": -0.24, "gap_se": 0.0}, ", the held-out loss is the lower one by 12%"),
        ({"gap_share": 0.001, "gap": 0.002}, ", no gap between training and held-out rows"),
        ({}, "good fit; nothing is wrong"),
        ({"gap_share": 18.5, "gap": 0.3}, "good fit; nothing is wrong"),  # a share of hardly anything
    ],
)
def test_the_gap_is_told_with_its_sign_and_its_doubt(numbers, said):
    assert said in _first_line(Diagnosis(findings=(), verdict="good fit", numbers=numbers))


def test_where_nothing_was_learned_no_share_of_it_is_told():
    numbers = {"gap_share": 0.6, "gap": 0.1, "gap_se": 0.01}
    line = _first_line(Diagnosis(findings=(_finding("LC201"),), verdict="hardly learned", numbers=numbers))
    assert line.startswith("learning curves: hardly learned (")


def test_without_curves_the_findings_are_counted():
    found = (_finding("DA401", "error"), _finding("DA501"), _finding("DA301"), _finding("DA204", "info"))
    assert _first_line(Diagnosis(findings=found)).startswith("1 error, 2 warnings, 1 note (")
    assert _first_line(Diagnosis(findings=())).startswith("nothing is wrong that the checks know of (")


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ({"loss": [1, 0.5, 0.4], "val_loss": [1, 0.6, 0.5]}, "3 epochs"),
        ({"loss": list(FALLING)}, "no validation loss"),
    ],
)
def test_what_cannot_be_judged_is_never_called_well(log, why):
    diagnosis = diagnose(log=log)
    assert diagnosis.verdict == "unknown"
    assert why in diagnosis.why_unknown
    assert diagnosis.why_unknown == diagnosis.to_dict()["why_unknown"]
    assert why in _first_line(diagnosis)
    assert "nothing is wrong that" not in str(diagnosis)


def test_a_verdict_needs_held_out_rows_and_more_than_a_few_epochs(make_run):
    assert diagnose(make_run(FALLING)).verdict == "unknown"
    assert diagnose(make_run(FALLING[:3], FALLING[:3])).verdict == "unknown"
    assert diagnose(make_run(FALLING, FALLING)).verdict == "good fit"


def test_a_finding_without_advice_ends_with_its_reason():
    assert str(_finding("DA202", "info")).splitlines()[-1] == "  why: So."
    advised = _finding("LC101", advice=(Action(words="more rows"), Action(words="less", parameters={"alpha": 1.0})))
    assert str(advised).splitlines()[-1] == "  try: more rows; or less (alpha=1.0)"


# ------------------------------------------------------------------------------------------------- which are shown


def test_what_a_silenced_finding_explains_stays_silent(monkeypatch):
    """A cause silences the symptom, and what that symptom would have silenced does not come back."""
    from planefold.doctor.check import Check

    def found(severity):
        return lambda case: Finding(severity=severity, what="it is so", why="So.")

    checks = {
        "GR302": Check("GR302", "exploding", found("warning"), ("LC901",), ""),
        "LC901": Check("LC901", "diverged", found("error"), ("LC101",), ""),
        "LC101": Check("LC101", "overfit", found("warning"), (), ""),
    }
    module = sys.modules[diagnose_case.__module__]  # the package has a function of the same name
    monkeypatch.setattr(module, "CHECKS", checks)
    diagnosis = diagnose_case(Case())
    assert [finding.code for finding in diagnosis] == ["GR302"]
    assert list(diagnosis.silenced) == ["LC901", "LC101"]
    assert diagnosis.verdict == "diverged"


SICK = {
    "rate too large": {"learning_rate_init": 5.0},
    "rate too small": {"learning_rate_init": 1e-6},
    "too small": {"hidden_layer_sizes": (1,), "max_iter": 60},
    "dropout": {"dropout": 0.9},
    "penalty": {"alpha": 30.0},
    "deep": {"hidden_layer_sizes": (8,) * 10, "activation": "logistic"},
    "single rows": {"batch_size": 1, "max_iter": 5},
    "by heart": {"hidden_layer_sizes": (64, 64), "dropout": 0.0, "alpha": 0.0, "max_iter": 80, "restore_best": False},
    "unscaled": {"preprocess": None},
}


@pytest.mark.parametrize("sickness", SICK)
@pytest.mark.filterwarnings("ignore")  # of what the doctor tells afterwards
def test_no_two_findings_of_a_sick_training_advise_opposite_things(sickness):
    rng = np.random.RandomState(0)
    X = rng.randn(150, 4) * [1, 1, 50, 1]
    y = np.sin(2 * X[:, 0]) + X[:, 1] ** 2 + 0.3 * rng.randn(150)
    given = {"n_members": 1, "skip": None, "max_iter": 20, "random_state": 0} | SICK[sickness]
    model = MLPRegressor(**given).fit(X, y)
    diagnosis = model.diagnose(X, y, reference=False)
    for one, other in itertools.permutations(diagnosis.findings, 2):
        for a, b in itertools.product(one.advice, other.advice):
            first, second = pulls(a, model.run_.settings), pulls(b, model.run_.settings)
            assert all(second.get(what, way) == way for what, way in first.items()), (one.code, other.code)
    for finding in diagnosis:
        for action in finding.advice:
            now = model.get_params()
            assert not action.parameters or any(now[name] != new for name, new in action.parameters.items())
    assert {"diverged", "overfit"} > {diagnosis.verdict} or "LC101" not in [finding.code for finding in diagnosis]


# ------------------------------------------------------------------------------------------------------ given data


@pytest.fixture(scope="module")
def frame():
    rng = np.random.RandomState(0)
    table = pd.DataFrame(rng.randn(120, 3), columns=["a", "b", "c"])
    return table.assign(house=np.arange(120) // 2, price=table.a + 0.5 * rng.randn(120))


def test_validation_rows_may_be_a_path_a_frame_or_a_pair(frame, tmp_path):
    some, other = frame[:80], frame[80:]
    other.to_csv(tmp_path / "other.csv", index=False)
    X, y = other.drop(columns="price"), other["price"]
    told = [
        str(diagnose(data=some, target="price", groups="house", validation=validation))
        for validation in (tmp_path / "other.csv", str(tmp_path / "other.csv"), other, (X, y), (X, y.to_numpy()))
    ]
    assert len(set(told)) == 1


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({}, ParameterError, "nothing to diagnose"),
        ({"target": "prize"}, DataError, "did you mean price"),
        ({"target": "price", "groups": "home"}, DataError, "home"),
        ({"target": "price", "validation": (1, 2, 3)}, ParameterError, "3 parts"),
        ({"target": np.ones(3)}, DataError, "3 values for 120 rows"),
    ],
)
def test_data_that_cannot_be_used_is_refused_in_one_message(frame, given, error, said):
    with pytest.raises(error, match=said):
        diagnose(data=frame if given else None, **given)


def test_a_table_of_the_target_alone_has_nothing_to_learn_from(frame):
    with pytest.raises(DataError, match="no column but 'price'"):
        diagnose(data=frame[["price"]], target="price")


def test_a_verdict_that_rests_on_a_doubtful_finding_says_perhaps():
    doubtful = Finding(severity="info", what="", why="", title="gap", code="LC501", confidence=0.3)
    assert Diagnosis(findings=(doubtful,), verdict="gap").verdict_in_words == "perhaps gap"
    assert Diagnosis(findings=(doubtful,), verdict="good fit").verdict_in_words == "good fit"
    sure = dataclasses.replace(doubtful, severity="warning")
    assert Diagnosis(findings=(sure,), verdict="gap").verdict_in_words == "gap"
