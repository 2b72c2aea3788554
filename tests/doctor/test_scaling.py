"""The checks of scales: what they find, what they leave alone, and that they know who scales."""

from __future__ import annotations

import math

import pytest

from planefold.doctor import CHECKS
from planefold.doctor.case import Case, Curves
from planefold.doctor.check import NotApplicableError

FINE = {"input_scale_ratio": 3.0, "input_scale": 2.0, "input_offset": 1.0, "target_scale": 1.0, "target_offset": 0.2}


def finding(make_run, code, facts, **settings):
    run = make_run([1.0, 0.5], facts=facts, settings={"preprocess": None, "batch_norm": False} | settings)
    objective = settings.pop("objective", None)
    if objective:
        run = make_run([1.0, 0.5], facts=facts, objective=objective)
    return CHECKS[code](Case(run=run, curves=Curves.of_run(run), settings=run.settings))


@pytest.mark.parametrize(
    ("code", "facts", "words"),
    [
        ("DA301", {"input_scale_ratio": 1000.0}, "1e+03 times apart"),
        ("DA301", {"input_scale": 200.0}, "deviation of 200"),
        ("DA301", {"input_offset": 40.0}, "40 deviations from zero"),
        ("DA302", {"target_scale": 50_000.0}, "deviation of 5e+04"),
        ("DA302", {"target_scale": 1e-4}, "deviation of 0.0001"),
        ("DA302", {"target_offset": 30.0}, "30 deviations from zero"),
    ],
)
def test_what_is_worst_is_said_and_the_estimator_is_told_to_scale(make_run, code, facts, words):
    found = finding(make_run, code, FINE | facts)
    assert words in found.what
    assert found.severity == "warning"
    assert found.advice[0].parameters == {"preprocess": "auto"}
    assert found.confidence > 0.7
    assert all(math.isfinite(value) for value in found.evidence.values())


def test_the_column_that_is_furthest_off_is_named_by_its_place(make_run):
    columns = {"input_scale_column": 2, "input_offset_column": 0}
    assert finding(make_run, "DA301", FINE | columns | {"input_scale": 500.0}).where == "input 3"
    assert finding(make_run, "DA301", FINE | columns | {"input_offset": 500.0}).where == "input 1"
    assert finding(make_run, "DA301", FINE | {"input_offset": 500.0}).where == ""


@pytest.mark.parametrize("code", ["DA301", "DA302"])
def test_numbers_on_one_scale_are_left_alone(make_run, code):
    assert finding(make_run, code, FINE) is None
    wide = {
        "input_scale_ratio": 20.0,
        "input_scale": 10.0,
        "input_offset": 8.0,
        "target_scale": 5.0,
        "target_offset": 3.0,
    }
    assert finding(make_run, code, wide) is None


def test_batch_normalisation_makes_up_for_the_inputs_and_not_for_the_target(make_run):
    facts = FINE | {"input_scale_ratio": 1000.0, "target_scale": 1000.0}
    assert finding(make_run, "DA301", facts, batch_norm=True) is None
    assert finding(make_run, "DA302", facts, batch_norm=True) is not None


def test_counts_keep_their_scale(make_run):
    assert finding(make_run, "DA302", FINE | {"target_scale": 100.0}, objective="poisson") is None


def test_what_the_estimator_prepared_is_left_alone(make_run):
    # Pieces of a column that are 0 or 1 nearly everywhere have odd deviations, and are as they should be.
    facts = FINE | {"input_scale_ratio": 300.0, "input_offset": 250.0}
    assert finding(make_run, "DA301", facts, preprocess="auto") is None
    assert finding(make_run, "DA301", facts, preprocess="custom") is None
    assert finding(make_run, "DA301", facts) is not None


def test_who_prepares_columns_with_a_transformer_of_their_own_is_only_told_so(make_run):
    found = finding(make_run, "DA301", FINE | {"input_scale": 500.0}, preprocess="custom")
    assert dict(found.advice[0].parameters) == {}


@pytest.mark.parametrize(("code", "facts"), [("DA301", {"target_scale": 1.0}), ("DA302", {"input_scale": 1.0})])
def test_without_the_facts_there_is_no_answer(make_run, code, facts):
    with pytest.raises(NotApplicableError):
        finding(make_run, code, facts)


def test_a_wrong_scale_is_told_before_what_it_does_to_units_and_steps():
    places = list(CHECKS)
    for code in ("DA301", "DA302"):
        for other in CHECKS[code].silences:
            assert other not in CHECKS or places.index(code) < places.index(other)
