"""Metrics against scikit-learn, intervals against SciPy, the rest against what can be counted by hand."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from planefold.core.errors import DataError, ParameterError
from planefold.reports import TASKS, evaluate, fit_baselines


def values(found: Any) -> dict[str, float]:
    return {metric.name: metric.value for metric in found.metrics}


@pytest.mark.parametrize("ties", [False, True])
def test_binary_metrics_agree_with_scikit_learn(ties, make):
    case = make("binary")
    if ties:
        case["proba"] = np.round(case["proba"], 1)
    y, p, s = case["y_true"], case["y_pred"], case["proba"][:, 1]
    found = values(evaluate(**case))
    assert found == pytest.approx(
        {
            "ROC AUC": sk.roc_auc_score(y, s),
            "average precision": sk.average_precision_score(y, s, pos_label="yes"),
            "accuracy": sk.accuracy_score(y, p),
            "balanced accuracy": sk.balanced_accuracy_score(y, p),
            "macro F1": sk.f1_score(y, p, average="macro"),
            "log loss": sk.log_loss(y, case["proba"]),
        }
    )


def test_multiclass_metrics_agree_with_scikit_learn(make):
    case = make("multiclass", n_classes=7)
    y, p = case["y_true"], case["y_pred"]
    assert values(evaluate(**case)) == pytest.approx(
        {
            "accuracy": sk.accuracy_score(y, p),
            "balanced accuracy": sk.balanced_accuracy_score(y, p),
            "macro F1": sk.f1_score(y, p, average="macro"),
            "log loss": sk.log_loss(y, case["proba"]),
        }
    )


def test_regression_metrics_agree_with_scikit_learn(make):
    case = make("regression", n_rows=301)
    y, p = case["y_true"], case["y_pred"]
    assert values(evaluate(**case)) == pytest.approx(
        {
            "RMSE": sk.root_mean_squared_error(y, p),
            "mean absolute error": sk.mean_absolute_error(y, p),
            "median absolute error": sk.median_absolute_error(y, p),
            "R²": sk.r2_score(y, p),
        }
    )


def test_an_even_count_of_rows_has_the_median_between_the_two_middle_ones():
    found = values(evaluate(task="regression", y_true=[0, 0, 0, 0], y_pred=[1, 2, 4, 9]))
    assert found["median absolute error"] == 3.0


def test_metrics_of_several_outputs_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(90, 3)) * [1, 10, 100]
    p = y + rng.normal(size=(90, 3))
    found = evaluate(task="multioutput", y_true=y, y_pred=p, classes=["a", "b", "c"])
    assert values(found) == pytest.approx(
        {
            "RMSE": sk.root_mean_squared_error(y, p),
            "mean absolute error": sk.mean_absolute_error(y, p),
            "median absolute error": sk.median_absolute_error(y, p),
            "R²": sk.r2_score(y, p),
        }
    )
    assert [one.output for one in found.residuals] == ["a", "b", "c"]


def test_metrics_of_labels_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=(90, 3))
    share = np.clip(0.5 + 0.2 * (y - 0.5) + 0.2 * rng.normal(size=y.shape), 0.01, 0.99)
    p = (share > 0.5).astype(int)
    found = values(evaluate(task="multilabel", y_true=y, y_pred=p, proba=share))
    assert found == pytest.approx(
        {
            "accuracy": sk.accuracy_score(y, p),
            "accuracy per label": (y == p).mean(),
            "macro F1": sk.f1_score(y, p, average="macro"),
            "log loss": np.mean([sk.log_loss(y[:, j], share[:, j]) for j in range(3)]),
            "ROC AUC": sk.roc_auc_score(y, share),
        }
    )


def test_intervals_agree_with_scipy(make):
    case = make("regression")
    errors = case["y_pred"] - case["y_true"]
    found = {metric.name: metric for metric in evaluate(**case).metrics}
    for name, statistic in (
        ("RMSE", lambda e, axis: np.sqrt((e**2).mean(axis=axis))),
        ("mean absolute error", lambda e, axis: np.abs(e).mean(axis=axis)),
    ):
        theirs = stats.bootstrap((errors,), statistic, method="percentile", n_resamples=4000, rng=0)
        low, high = theirs.confidence_interval
        width = high - low
        assert found[name].low == pytest.approx(low, abs=0.15 * width)
        assert found[name].high == pytest.approx(high, abs=0.15 * width)


def test_the_interval_of_the_auc_agrees_with_scipy(make):
    case = make("binary", n_rows=200)
    positive, score = case["y_true"] == "yes", case["proba"][:, 1]

    def auc(y: Any, s: Any) -> float:
        return float(sk.roc_auc_score(y, s))

    theirs = stats.bootstrap(
        (positive, score), auc, paired=True, vectorized=False, method="percentile", n_resamples=400, rng=0
    ).confidence_interval
    found = evaluate(**case).headline
    assert found.low == pytest.approx(theirs.low, abs=0.02)
    assert found.high == pytest.approx(theirs.high, abs=0.02)


def test_a_sample_of_the_rows_gives_the_interval_of_all_rows(monkeypatch, make):
    from planefold.reports import metrics

    case = make("regression", n_rows=4000)
    whole = evaluate(**case)
    monkeypatch.setattr(metrics, "MOST_ROWS", 1000)
    part = evaluate(**case)
    assert part.headline.value == whole.headline.value
    assert part.headline.low == pytest.approx(whole.headline.low, abs=0.8)  # the interval is 2.6 wide
    assert part.headline.high == pytest.approx(whole.headline.high, abs=0.8)
    assert part.grade == whole.grade


def test_no_error_at_all_does_not_claim_certainty():
    found = evaluate(task="multiclass", y_true=["a", "b", "c"] * 15, y_pred=["a", "b", "c"] * 15)
    assert found.headline.value == found.headline.high == 1.0
    assert found.headline.low == pytest.approx(stats.binomtest(45, 45).proportion_ci(method="wilson").low)
    assert "no error" in " ".join(found.reasons)


def test_twenty_thousand_rows_take_about_a_second(make):
    case = make("binary", n_rows=20_000)
    start = time.process_time()
    evaluate(**case)
    seconds = time.process_time() - start
    print(f"20,000 rows, two baselines: {seconds:.2f} s of processor time")
    assert seconds < 6  # a shared and busy machine; alone it is below one


def test_one_class_in_the_test_rows_is_judged_by_accuracy():
    found = evaluate(
        task="binary", y_true=["no"] * 20, y_pred=["no"] * 19 + ["yes"], proba=np.full(20, 0.3), classes=["no", "yes"]
    )
    assert found.headline.name == "accuracy"
    assert found.headline.value == 0.95
    assert "average precision" not in values(found)


def test_a_class_that_was_never_learned_counts_as_an_error():
    found = evaluate(
        task="multiclass",
        y_true=["a", "b", "new", "a"] * 5,
        y_pred=["a", "b", "a", "a"] * 5,
        proba=np.tile([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1], [0.9, 0.1]], (5, 1)),
        classes=["a", "b"],
    )
    assert found.headline.value == 0.75
    assert found.confusion.classes == ("a", "b", "new")
    assert found.confusion.matrix[2] == (5, 0, 0)


def test_confusion_is_that_of_scikit_learn(make):
    case = make("multiclass", n_classes=5)
    found = evaluate(**case).confusion
    assert np.array_equal(found.matrix, sk.confusion_matrix(case["y_true"], case["y_pred"]))


def test_many_classes_keep_their_counts_in_a_small_table(make):
    case = make("multiclass", n_rows=2000, n_classes=60)
    found = evaluate(**case).confusion
    assert len(found.classes) == 21
    assert found.classes[-1] == "all others"
    assert np.sum(found.matrix) == 2000
    assert found.n_wrong == np.sum(case["y_true"] != case["y_pred"])


def test_scores_of_a_class_agree_with_scikit_learn(make):
    case = make("multiclass")
    theirs = sk.precision_recall_fscore_support(case["y_true"], case["y_pred"])
    for score, precision, recall, f1, n in zip(evaluate(**case).per_class, *theirs, strict=True):
        assert (score.precision, score.recall, score.f1, score.n_rows) == pytest.approx((precision, recall, f1, n))


def test_calibration_agrees_with_scikit_learn(make):
    case = make("binary")
    positive, share = case["y_true"] == "yes", case["proba"][:, 1]
    share = share + np.arange(len(share)) * 1e-9  # no ties, which the two cut differently
    case["proba"] = share
    bins = evaluate(**case).calibration
    observed, predicted = calibration_curve(positive, share, n_bins=len(bins), strategy="quantile")
    assert [b.observed for b in bins] == pytest.approx(observed, abs=0.06)
    assert [b.predicted for b in bins] == pytest.approx(predicted, abs=0.02)
    assert sum(b.n_rows for b in bins) == 300
    for b in bins:
        theirs = stats.binomtest(round(b.observed * b.n_rows), b.n_rows).proportion_ci(method="wilson")
        assert (b.low, b.high) == pytest.approx((theirs.low, theirs.high))


def test_the_worst_rows_are_the_worst(make):
    case = make("regression")
    size = np.abs(case["y_pred"] - case["y_true"])
    found = evaluate(**case, row_numbers=range(1000, 1300)).worst_rows
    assert [row.row - 1000 for row in found] == np.argsort(-size)[:10].tolist()
    assert [row.how_wrong for row in found] == pytest.approx(np.sort(size)[::-1][:10])


def test_only_wrong_rows_are_worst_rows(make):
    found = evaluate(**make("binary")).worst_rows
    assert all(row.truth != row.prediction for row in found)
    assert [row.how_wrong for row in found] == sorted((row.how_wrong for row in found), reverse=True)


def test_residuals_count_every_row(make):
    case = make("regression", n_rows=5000)
    case["y_pred"] = case["y_pred"].copy()
    case["y_pred"][0] += 1e6  # one far error must not squeeze the others into one bar
    (found,) = evaluate(**case).residuals
    assert sum(found.counts) == 5000
    assert max(found.counts) < 1500
    assert len(found.points) <= 2000
    assert max(prediction - truth for truth, prediction in found.points) == pytest.approx(found.maximum)


@pytest.mark.parametrize("error", [0.0, 5.0])
def test_residuals_that_are_all_alike_still_make_a_histogram(error):
    (found,) = evaluate(task="regression", y_true=np.arange(20.0), y_pred=np.arange(20.0) + error).residuals
    assert sum(found.counts) == 20
    assert found.edges[0] < error < found.edges[-1]


def test_positive_class_and_proba_may_be_given_in_several_forms(make):
    case = make("binary")
    one_column = {**case, "proba": case["proba"][:, 1], "classes": None}
    assert evaluate(**case).headline == evaluate(**one_column).headline
    as_lists = {**case, "y_true": case["y_true"].tolist(), "y_pred": case["y_pred"].tolist()}
    assert evaluate(**case) == evaluate(**as_lists)


def test_the_same_seed_gives_the_same_evaluation(make):
    case = make("binary")
    assert evaluate(**case, random_state=3) == evaluate(**case, random_state=3)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"task": "ranking"}, ParameterError, "task='ranking' is not known"),
        ({"y_true": [1.0, np.nan, 2.0]}, DataError, "the first is in row 1"),
        ({"y_true": []}, DataError, "no rows"),
        ({"y_pred": [1.0, 2.0]}, DataError, "y_pred has 2 rows"),
        ({"y_true": ["a", "b", "c"]}, DataError, "not numbers"),
        ({"row_numbers": [1]}, DataError, "row_numbers has 1"),
        ({"task": "multioutput"}, DataError, "shape"),
        ({"task": "binary", "classes": ["no", "yes"]}, DataError, "no value of y_true is one of the classes"),
        ({"task": "binary", "y_pred": [1.0, 2.0, 7.0], "classes": [1.0, 2.0]}, DataError, "y_pred has the class 7.0"),
        ({"task": "multiclass", "proba": [[0.5, 0.5]] * 3}, DataError, "proba has shape (3, 2)"),
    ],
)
def test_what_cannot_be_judged_is_said(changes, error, says):
    case = {"task": "regression", "y_true": [1.0, 2.0, 3.0], "y_pred": [1.0, 2.0, 3.0], **changes}
    with pytest.raises(error) as caught:
        evaluate(**case)
    assert says in str(caught.value)


@pytest.mark.parametrize("task", TASKS)
def test_baselines_of_every_task_can_be_evaluated(task):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3))
    X[0, 0] = np.nan
    y = {
        "regression": X[:, 1] * 3,
        "multioutput": X[:, 1:] * 3,
        "binary": np.where(X[:, 1] > 0, "yes", "no"),
        "multiclass": np.digitize(X[:, 1], [-0.5, 0.5]),
        "multilabel": np.column_stack([X[:, 1:] > 0, np.ones(120)]).astype(int),  # the last label is always there
    }[task]
    found = fit_baselines(task=task, X_train=X[:80], y_train=y[:80], X_test=X[80:], random_state=0)
    trivial = "mean" if task in ("regression", "multioutput") else "majority class"
    assert list(found) == [trivial, "gradient boosting"]
    y_pred, proba = found["gradient boosting"]
    judged = evaluate(task=task, y_true=y[80:], y_pred=y_pred, proba=proba, baselines=found)
    assert set(judged.baselines) == set(found)
    assert judged.baselines["gradient boosting"] == judged.headline
    assert judged.differences["gradient boosting"].value == 0
    assert judged.verdict.endswith(".")
    assert len(judged.reasons) == 3


def test_a_target_of_one_class_has_no_booster():
    X = np.arange(20.0)[:, None]
    found = fit_baselines(task="binary", X_train=X, y_train=np.zeros(20), X_test=X, random_state=0)
    assert list(found) == ["majority class"]
