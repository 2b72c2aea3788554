"""What is measured on predictions, against scikit-learn, SciPy, brute force and planted truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit, softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, log_loss, r2_score

from planefold.core.errors import DataError, ParameterError
from planefold.doctor.scoring import (
    agreement,
    calibration_of_classes,
    calibration_of_numbers,
    compare,
    expected_calibration_error,
    measure_scores,
    probability_groups,
)
from planefold.doctor.scoring.segments import corrected

SHARES = arrays.arrays(float, st.integers(1, 300), elements=st.floats(0, 1))


def _binary(n, seed=0, by=1.0, shift=0.0):
    """Draw a truth from probabilities, and what a model says of them."""
    random = np.random.default_rng(seed)
    best = expit(1.5 * random.standard_normal(n))
    return (random.random(n) < best).astype(int), expit(by * logit(best) + shift)


def _two(share):
    return np.column_stack([1 - share, share])


# --------------------------------------------------------------------------------------------- against other models


def test_a_comparison_is_the_paired_t_statistic():
    random = np.random.default_rng(0)
    own, other = random.random(50), random.random(50)

    found = compare(own, other)

    assert found.z == pytest.approx(stats.ttest_rel(own, other).statistic)
    assert found.difference == pytest.approx(own.mean() - other.mean())


@given(arrays.arrays(float, (2, 12), elements=st.floats(-100, 100)))
def test_a_comparison_the_other_way_round_has_the_other_sign(rows):
    one, other = compare(rows[0], rows[1]), compare(rows[1], rows[0])

    assert one.difference == pytest.approx(-other.difference, abs=1e-9)
    assert one.se == pytest.approx(other.se, abs=1e-9)


def test_score_and_loss_are_those_of_scikit_learn():
    truth, share = _binary(200)
    numbers = np.random.default_rng(1).standard_normal((200, 2))

    classes = measure_scores(truth, share > 0.5, task="binary", proba=share, classes=(0, 1))
    straight = measure_scores(numbers[:, 0], numbers[:, 1], task="regression")

    assert classes.score == accuracy_score(truth, share > 0.5)
    assert classes.loss == pytest.approx(log_loss(truth, share))
    assert straight.score == pytest.approx(r2_score(numbers[:, 0], numbers[:, 1]))


def test_the_learnable_range_goes_from_the_trivial_to_the_lowest_loss():
    truth = np.zeros(4)

    found = measure_scores(
        truth,
        truth,
        task="regression",
        losses=np.full(4, 0.5),
        baselines={"trivial": np.ones(4), "trees": np.full(4, 0.2)},
    )

    assert found.learnable == pytest.approx(0.8)
    assert measure_scores(truth, truth, task="regression").learnable is None


def test_a_class_of_text_that_was_never_learned_is_only_wrong():
    found = measure_scores(
        np.array(["a", "b", "c"]), np.array(["a", "b", "b"]), task="multiclass",
        proba=[[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], classes=["a", "b"],
    )  # fmt: skip

    assert found.score == pytest.approx(2 / 3)
    assert np.isfinite(found.loss)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"task": "classes"}, ParameterError, "is not known"),
        ({"y_pred": [1, 0]}, DataError, "y_pred has shape"),
        ({"y_true": [], "y_pred": []}, DataError, "no rows"),
        ({"proba": np.zeros((3, 5))}, DataError, "proba has shape"),
        ({"losses": [1.0]}, DataError, "losses has 1 entries"),
        ({"baselines": {"trees": [1.0]}}, DataError, "trees has 1 entries"),
        ({"columns": {"age": [1.0]}}, DataError, "column 'age' has 1 entries"),
    ],
)
def test_what_does_not_fit_together_is_refused_in_words(changes, error, words):
    given_ = {"y_true": [0, 1, 1], "y_pred": [0, 1, 0], "task": "binary", **changes}
    with pytest.raises(error, match=words):
        measure_scores(given_.pop("y_true"), given_.pop("y_pred"), **given_)


# ------------------------------------------------------------------------------------------------------- calibration


@given(SHARES)
def test_groups_are_in_order_and_equal_probabilities_stay_together(share):
    group = probability_groups(share)

    order = np.argsort(share, kind="stable")
    assert (np.diff(group[order]) >= 0).all()
    assert all(len(set(group[share == value])) == 1 for value in np.unique(share))
    assert len(np.unique(group)) <= 10


def test_the_calibration_error_is_the_area_of_scikit_learns_curve():
    truth, share = _binary(400, by=2.0)

    observed, said = calibration_curve(truth, share, n_bins=10, strategy="quantile")

    # 400 different probabilities make ten groups of 40.
    assert expected_calibration_error(truth, share) == pytest.approx(np.abs(observed - said).mean(), abs=1e-9)


def test_right_probabilities_are_not_accused_even_of_the_error_that_few_rows_have():
    found = [calibration_of_classes(truth, _two(share)) for truth, share in (_binary(100, seed) for seed in range(60))]

    assert np.mean([f.error for f in found]) > 0.05
    assert np.mean([f.error for f in found]) == pytest.approx(np.mean([f.by_chance for f in found]), abs=0.01)
    assert np.mean([f.p < 0.1 for f in found]) < 0.2
    assert min(f.p for f in found) > 0.001
    assert np.mean([abs(f.slope - 1) < 2 * f.slope_se for f in found]) > 0.85


@pytest.mark.parametrize(("by", "shift"), [(2.5, 0.0), (0.4, 0.0), (1.0, 1.0)])
def test_wrong_probabilities_are_found_with_their_direction(by, shift):
    truth, share = _binary(500, by=by, shift=shift)

    found = calibration_of_classes(truth, _two(share))

    assert found.p < 0.001
    assert found.excess > 0.03
    if shift:
        assert found.bias / found.bias_se > 4
    else:
        assert found.slope == pytest.approx(1 / by, abs=3 * found.slope_se)


def test_the_slope_is_the_one_that_lowers_the_log_loss_most():
    random = np.random.default_rng(0)
    logits = 2 * random.standard_normal((200, 4))
    codes = np.array([random.choice(4, p=p) for p in softmax(0.5 * logits, axis=1)])

    found = calibration_of_classes(codes, softmax(logits, axis=1))

    best = minimize_scalar(
        lambda s: log_loss(codes, softmax(s * logits, axis=1), labels=range(4)), bounds=(0.05, 5), method="bounded"
    )
    assert found.slope == pytest.approx(best.x, abs=1e-3)
    assert found.slope + 3 * found.slope_se < 1  # the logits were twice too large


def test_certain_probabilities_have_no_slope_and_no_chance():
    truth = np.array([0, 1] * 30)

    found = calibration_of_classes(truth, np.eye(2)[truth])

    assert found.error == 0
    assert found.p == 1


def test_the_line_through_numbers_is_that_of_scipy():
    random = np.random.default_rng(0)
    predicted = random.standard_normal(300)
    truth = 0.7 * predicted + 0.2 + 0.5 * random.standard_normal(300)

    found = calibration_of_numbers(truth, predicted)

    line = stats.linregress(predicted, truth)
    left = truth - line.intercept - line.slope * predicted
    assert found.slope == pytest.approx(line.slope)
    assert found.slope_se == pytest.approx(line.stderr, rel=0.2)  # the noise is alike everywhere, so both hold
    assert found.error == pytest.approx(1 - (left**2).mean() / ((truth - predicted) ** 2).mean())
    assert found.p < 1e-6
    assert found.bias == pytest.approx((predicted - truth).mean())


def test_right_numbers_are_accused_no_more_often_than_the_p_value_says():
    random = np.random.default_rng(0)
    means = random.standard_normal((300, 80))
    found = [calibration_of_numbers(mean + random.standard_t(5, 80), mean).p for mean in means]

    assert np.mean(np.array(found) < 0.05) < 0.1
    assert stats.kstest(found, "uniform").statistic < 0.12


def test_a_constant_prediction_has_no_line():
    found = calibration_of_numbers(np.arange(50.0), np.full(50, 24.5))

    assert (found.slope, found.p) == (1.0, 1.0)


def test_few_rows_and_several_labels_have_no_calibration():
    truth, share = _binary(20)
    labels = np.zeros((60, 2))

    assert measure_scores(truth, share > 0.5, task="binary", proba=share, classes=(0, 1)).calibration is None
    assert measure_scores(labels, labels, task="multilabel").calibration is None


# ---------------------------------------------------------------------------------------------------------- segments


def _table(n=600, seed=0):
    random = np.random.default_rng(seed)
    return random, {
        "age": random.uniform(18, 80, n),
        "city": random.choice(["Rome", "Oslo", "Bern"], n),
        "income": np.where(random.random(n) < 0.2, np.nan, random.lognormal(size=n)),
        "rooms": random.integers(1, 5, n),
    }


@pytest.mark.parametrize(
    ("pick", "words"),
    [
        (lambda t: t["city"] == "Oslo", "city is 'Oslo'"),
        (lambda t: np.isnan(t["income"]), "income is missing"),
        (lambda t: t["age"] <= np.quantile(t["age"], 0.25), "age <= "),
        (lambda t: t["age"] > np.quantile(t["age"], 0.75), "age > "),
        (lambda t: t["rooms"] == 3, "rooms is 3"),
        (lambda t: (t["rooms"] == 2) & (t["city"] == "Bern"), "city is 'Bern' and rooms is 2"),
    ],
)
def test_a_planted_segment_is_named(pick, words):
    random, table = _table()
    rows = pick(table)
    wrong = (random.random(600) < np.where(rows, 0.7, 0.08)).astype(int)

    found = measure_scores(np.zeros(600, dtype=int), wrong, task="binary", columns=table)

    first = found.segments[0]
    assert first.where.startswith(words)
    assert first.n_rows == rows.sum()
    assert first.error == pytest.approx(wrong[rows].mean())
    assert first.rest == pytest.approx(wrong[~rows].mean())
    assert first.p < 1e-6


def test_the_evidence_of_a_segment_is_mann_and_whitneys():
    random, table = _table()
    rows = table["city"] == "Oslo"
    errors = random.standard_normal(600) * np.where(rows, 2.0, 1.0)

    found = measure_scores(errors, np.zeros(600), task="regression", columns={"city": table["city"]}).segments[0]

    p = stats.mannwhitneyu(
        errors[rows] ** 2, errors[~rows] ** 2, alternative="greater", method="asymptotic", use_continuity=False
    ).pvalue
    assert stats.norm.sf(found.z) == pytest.approx(p, rel=0.02)
    assert found.error == pytest.approx(np.sqrt((errors[rows] ** 2).mean()))


def test_segments_by_chance_are_rare():
    n_found = 0
    for seed in range(40):
        random, table = _table(300, seed)
        errors = random.standard_t(3, 300)
        n_found += len(measure_scores(errors, np.zeros(300), task="regression", columns=table).segments)

    assert n_found <= 1


def test_where_trees_are_better_is_measured_within_the_segment():
    random, table = _table()
    rows = table["city"] == "Oslo"
    errors = random.standard_normal(600) * np.where(rows, 3.0, 1.0)

    found = measure_scores(
        errors, np.zeros(600), task="regression", losses=errors**2, baselines={"trees": np.ones(600)},
        columns={"city": table["city"]},
    ).segments[0]  # fmt: skip

    assert found.behind == pytest.approx((errors[rows] ** 2 - 1).mean())
    assert found.behind_z > 3


def test_a_segment_is_not_told_twice_under_other_names():
    random, table = _table()
    table["town"] = table["city"]
    wrong = (random.random(600) < np.where(table["city"] == "Oslo", 0.7, 0.08)).astype(int)

    found = measure_scores(np.zeros(600, dtype=int), wrong, task="binary", columns=table)

    assert len(found.segments) == 1


def test_tables_without_segments_have_none():
    same = {"x": np.ones(100), "name": np.array([f"row {i}" for i in range(100)])}

    for errors in (np.arange(100.0), np.zeros(100)):
        assert measure_scores(errors, np.zeros(100), task="regression", columns=same).segments == ()


@given(arrays.arrays(float, st.integers(1, 40), elements=st.floats(0, 1)))
def test_p_values_are_corrected_as_scipy_does(p):
    np.testing.assert_allclose(corrected(p), stats.false_discovery_control(p))


# ----------------------------------------------------------------------------------------------------------- members


def test_the_agreement_of_members_is_spearmans():
    random = np.random.default_rng(0)
    members = random.standard_normal(40) + random.standard_normal((3, 40))

    pairs = [stats.spearmanr(members[i], members[j]).statistic for i, j in ((0, 1), (0, 2), (1, 2))]

    assert agreement(members) == pytest.approx(np.mean(pairs))


def test_members_that_say_nothing_have_no_agreement():
    assert agreement(np.ones((3, 40))) is None
    assert agreement(np.random.default_rng(0).random((1, 40))) is None
    assert agreement(np.random.default_rng(0).random((3, 5))) is None
