"""The verdict never says more than the intervals do."""

from __future__ import annotations

import numpy as np
import pytest

from planefold.reports import Metric, evaluate
from planefold.reports.numbers import number, percent, together
from planefold.reports.records import Difference
from planefold.reports.verdict import grade, sentence

ABOVE, AROUND, BELOW = (
    Difference(value=0.1, low=0.05, high=0.15),
    Difference(value=0.01, low=-0.02, high=0.04),
    Difference(value=-0.1, low=-0.15, high=-0.05),
)


@pytest.mark.parametrize(
    ("trivial", "boosting", "expected"),
    [
        (ABOVE, ABOVE, "better"),
        (ABOVE, AROUND, "level"),
        (ABOVE, BELOW, "worse"),
        (AROUND, AROUND, "trivial"),
        (BELOW, BELOW, "trivial"),
        (AROUND, ABOVE, "trivial"),
    ],
)
def test_grades_follow_the_intervals(trivial, boosting, expected):
    differences = {"majority class": trivial, "gradient boosting": boosting}
    assert grade(differences, larger_is_better=True) == expected


def test_grades_turn_round_where_less_is_better():
    assert grade({"mean": BELOW, "gradient boosting": BELOW}, larger_is_better=False) == "better"
    assert grade({"mean": BELOW, "gradient boosting": ABOVE}, larger_is_better=False) == "worse"


def test_the_sentence_of_the_design():
    headline = Metric(name="ROC AUC", value=0.8712, low=0.8201, high=0.9144)
    baselines = {
        "majority class": Metric(name="ROC AUC", value=0.5),
        "gradient boosting": Metric(name="ROC AUC", value=0.8571, low=0.81, high=0.9),
    }
    assert sentence("level", headline, baselines, 179) == (
        "Good: AUC 0.87 (0.82 to 0.91) on 179 rows it had not seen; the majority rule has 0.50, gradient boosting 0.86."
    )


def test_a_small_gain_stays_small_whoever_else_made_no_more():
    headline = Metric(name="ROC AUC", value=0.56, low=0.53, high=0.59)
    baselines = {"majority class": Metric(name="ROC AUC", value=0.5), "gradient boosting": headline}
    assert sentence("level", headline, baselines, 2000).startswith("Weak, as is boosting: AUC 0.56")


def test_a_good_model_is_graded_against_both(make):
    found = evaluate(**make("binary"))
    assert found.grade == "level"
    assert found.reasons[0].startswith("Better than the majority rule: its AUC is")
    assert found.reasons[1].startswith("Level with gradient boosting")
    assert len(found.reasons) == 3


def test_noise_is_not_called_useful(make):
    case = make("binary")
    case["proba"] = np.random.default_rng(5).random(300)
    found = evaluate(**case)
    assert found.grade == "trivial"
    assert found.verdict.startswith("Not shown to be useful")
    assert found.reasons[0].startswith("Not shown to be better than the majority rule")


def test_a_model_that_is_the_rule_itself_is_no_better_than_it():
    y = np.tile(["a", "b", "b"], 20)
    always = np.full(60, "b")
    found = evaluate(task="multiclass", y_true=y, y_pred=always, baselines={"majority class": (always, None)})
    assert found.grade == "trivial"
    assert found.reasons[0] == "No different from the majority rule: the accuracy is the same."


def test_a_few_rows_prove_nothing():
    y = np.array([1.0, 2.0, 3.0, 4.0])
    found = evaluate(task="regression", y_true=y, y_pred=y, baselines={"mean": (y * 0 + 2.5, None)})
    assert found.grade == "unsure"
    assert found.headline.low is None
    assert found.verdict.startswith("Too few rows to tell")


def test_without_baselines_it_says_so(make):
    case = make("regression")
    del case["baselines"]
    found = evaluate(**case)
    assert found.grade == "alone"
    assert found.verdict.endswith("there is no baseline to compare with.")
    assert len(found.reasons) == 3


def test_a_baseline_without_probabilities_is_left_out_of_an_auc(make):
    case = make("binary")
    case["baselines"]["gradient boosting"] = (case["y_pred"], None)
    found = evaluate(**case)
    assert set(found.baselines) == {"majority class"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0, "0"),
        (-3.14159, "−3.14"),
        (1234567.8, "1,234,568"),
        (999.96, "1,000"),
        (0.00001234, "1.23×10⁻⁵"),
        (-2.5e15, "−2.50×10¹⁵"),
        (None, "–"),
        (float("nan"), "–"),
        (float("inf"), "∞"),
        (-float("inf"), "−∞"),
        (True, "1"),
    ],
)
def test_numbers_are_written_for_readers(value, text):
    assert number(value) == text


def test_decimals_follow_the_uncertainty():
    assert together(56.4565, 49.0798, 63.56, spread=14.5) == ["56", "49", "64"]
    assert together(0.99140, 0.97633, 0.99978, spread=0.0234) == ["0.991", "0.976", "1.000"]
    assert together(0.37, 0.19, 0.55, spread=0.36) == ["0.37", "0.19", "0.55"]
    assert together(1e-9, 2e-9) == ["1.00×10⁻⁹", "2.00×10⁻⁹"]
    assert together(float("nan"), 1.0) == ["–", "1.00"]


def test_none_and_all_are_kept_for_none_and_all():
    assert [percent(share) for share in (0, 0.00001, 0.5, 0.9999, 1)] == ["0%", "<0.1%", "50%", "99.9%", "100%"]
