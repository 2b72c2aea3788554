"""Labels and targets of every kind, and those that cannot be learned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import DataConversionWarning

from planefold import SKLEARN_DEFAULTS, MLPClassifier, PlanefoldError
from planefold.core.errors import DataError, ParameterError

X = np.random.RandomState(0).randn(60, 3)
HIGH = X[:, 0] > 0


@pytest.mark.parametrize(("low", "high", "kind"), [
    ("no", "yes", "U"), (False, True, "b"), (3, 7, "i"), (-1.0, 1.0, "f"), (0, 1, "i"), ("1", "2", "U"),
])  # fmt: skip
def test_labels_come_back_as_they_went_in(quick: Any, low: Any, high: Any, kind: str) -> None:
    y = [high if is_high else low for is_high in HIGH]
    model = quick(max_iter=20).fit(X, y)
    assert model.classes_.tolist() == [low, high]
    assert model.predict(X).dtype.kind == kind
    assert model.score(X, y) > 0.9
    assert (model.predict_proba(X)[:, 1] > 0.5).tolist() == (model.predict(X) == high).tolist()


def test_the_columns_of_probabilities_are_in_the_order_of_the_sorted_classes(quick: Any) -> None:
    y = np.select([X[:, 0] > 0.5, X[:, 0] < -0.5], ["warm", "cold"], "mild")
    model = quick(max_iter=30).fit(X, y)
    assert model.classes_.tolist() == ["cold", "mild", "warm"]
    p = model.predict_proba(X)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    np.testing.assert_array_equal(model.classes_[p.argmax(axis=1)], model.predict(X))
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), p)
    assert model.score(X, y) > 0.8


@pytest.mark.parametrize("as_frame", [False, True])
def test_several_labels_a_row_are_zeros_and_ones(quick: Any, as_frame: bool) -> None:
    y: Any = (X > 0).astype(int)
    if as_frame:
        y = pd.DataFrame(y, columns=["red", "round", "ripe"])
    model = quick(max_iter=30).fit(X, y)
    assert model.classes_.tolist() == (["red", "round", "ripe"] if as_frame else [0, 1, 2])
    assert model.predict(X).shape == model.predict_proba(X).shape == (60, 3)
    assert set(np.unique(model.predict(X))) == {0, 1}
    assert np.mean(model.predict(X) == np.asarray(y)) > 0.9
    assert model.out_activation_ == "logistic"


def test_several_outputs_each_have_their_scale(quick: Any) -> None:
    y = np.column_stack([X[:, 0], 1e6 * X[:, 1] + 5e6])
    model = quick("MLPRegressor", max_iter=30).fit(X, y)
    assert model.predict(X).shape == (60, 2)
    assert model.score(X, y) > 0.9
    assert np.abs(model.predict(X)[:, 1] - y[:, 1]).mean() < 5e5


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_one_column_is_one_target_and_scikit_learns_warning_is_given(quick: Any, name: str) -> None:
    y = HIGH.astype(int)
    with pytest.warns(DataConversionWarning, match="ravel") as caught:
        model = quick(name).fit(X, y[:, None])
    assert caught[0].filename == __file__
    assert model.predict(X).shape == (60,)
    np.testing.assert_array_equal(model.predict(X), quick(name).fit(X, y).predict(X))


def test_numbers_written_as_text_are_numbers_to_a_regressor(quick: Any) -> None:
    numbers = np.round(1000 + 100 * X[:, 0])
    texts = [f"{number:,.2f}" for number in numbers]
    left, right = (quick("MLPRegressor", loss=loss).fit(X, texts) for loss in ("squared_error", "poisson"))
    np.testing.assert_array_equal(left.predict(X), quick("MLPRegressor").fit(X, numbers).predict(X))
    assert (right.predict(X) > 0).all()


# ---------------------------------------------------------------------------------------------- what cannot be learned


@pytest.mark.parametrize(("name", "y", "words"), [
    ("MLPClassifier", np.zeros(60), "one class only: 0"),
    ("MLPClassifier", [0] * 59 + [1], "only 1 member"),
    ("MLPClassifier", [0.5] * 30 + [1.5] * 30, "decimals"),
    ("MLPClassifier", [np.nan] + [0, 1] * 29 + [1], "NaN.*row 1"),
    ("MLPClassifier", [None] + ["a", "b"] * 29 + ["a"], "NaN.*row 1"),
    ("MLPClassifier", np.arange(180).reshape(60, 3), "other than 0 and 1"),
    ("MLPClassifier", ["a", 1] * 30, "mixes texts"),
    ("MLPRegressor", [np.nan] * 2 + [1.0] * 58, "NaN.*row 1"),
    ("MLPRegressor", [1.0, np.inf] * 30, "infinity.*row 2"),
    ("MLPRegressor", ["a"] * 60, "not a number"),
    ("MLPRegressor", [], "0 sample"),
    ("MLPRegressor", None, "requires y"),
    ("MLPRegressor", np.zeros((60, 2, 2)), "shape"),
])  # fmt: skip
def test_a_target_that_cannot_be_learned_is_an_error_with_a_way_out(quick: Any, name: str, y: Any, words: str) -> None:
    with pytest.raises(PlanefoldError, match=f"(?s){words}") as caught:
        quick(name).fit(X, y)
    assert isinstance(caught.value, ValueError)
    assert caught.value.hint or caught.value.details or "is needed" in caught.value.what


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
@pytest.mark.parametrize("n_members", [1, 8])
def test_one_row_is_too_few(quick: Any, name: str, n_members: int) -> None:
    with pytest.raises(DataError) as caught:
        quick(name, n_members=n_members).fit(X[:1], [1])
    assert caught.value.hint


def test_two_rows_are_enough(quick: Any) -> None:
    assert quick("MLPRegressor").fit([[0.0], [1.0]], [0.0, 1.0]).predict([[0.5]]).shape == (1,)


def test_a_class_with_one_row_is_learned_when_no_rows_are_held_out(quick: Any) -> None:
    model = quick(early_stopping=False).fit(X, [0] * 59 + [1])
    assert model.classes_.tolist() == [0, 1]


def test_scikit_learns_defaults_take_one_class_as_scikit_learn_does() -> None:
    model = MLPClassifier(**{**SKLEARN_DEFAULTS, "max_iter": 100}).fit(X, ["a"] * 60)
    assert model.predict(X).tolist() == ["a"] * 60
    assert model.predict_proba(X).shape == (60, 1)


@pytest.mark.parametrize("held_out", ["fit", "partial_fit", "validation_data"])
def test_poisson_needs_counts_wherever_they_come_from(quick: Any, held_out: str) -> None:
    y = np.abs(X[:, 0])
    wrong = y.copy()
    wrong[4] = -2.0
    model = quick("MLPRegressor", loss="poisson")
    learn = {
        "fit": lambda: model.fit(X, wrong),
        "partial_fit": lambda: model.partial_fit(X, y).partial_fit(X, wrong),
        "validation_data": lambda: model.fit(X, y, validation_data=(X, wrong)),
    }
    with pytest.raises(DataError, match=r"row 5 has -2\.0"):
        learn[held_out]()


# ------------------------------------------------------------------------------------------------------------ in parts


def test_partial_fit_knows_the_classes_from_the_first_call(quick: Any) -> None:
    y = np.where(HIGH, "yes", "no")
    model = quick()
    with pytest.raises(ParameterError, match="classes must be passed"):
        model.partial_fit(X, y)
    model.partial_fit(X[HIGH], y[HIGH], classes=["yes", "no", "maybe"])
    assert model.classes_.tolist() == ["maybe", "no", "yes"]
    model.partial_fit(X, y).partial_fit(X, y, classes=["no", "yes", "maybe"])
    with pytest.raises(ParameterError, match="not the same as on last call"):
        model.partial_fit(X, y, classes=["yes", "no"])
    with pytest.raises(DataError, match=r"'never'.*training never saw"):
        model.partial_fit(X, np.where(HIGH, "never", "no"))


def test_partial_fit_takes_the_target_from_the_table(quick: Any, frame: Any) -> None:
    model = quick().partial_fit(frame.drop(columns="price"), "sold", classes=["yes", "no"])
    assert set(model.predict(frame)) <= {"yes", "no"}
    model = quick("MLPRegressor").partial_fit(frame.drop(columns="sold"), "price")
    for _ in range(30):
        model.partial_fit(frame.drop(columns="sold"), "price")
    assert model.score(frame, "price") > 0.8


def test_many_passes_of_partial_fit_learn_as_fit_does(quick: Any) -> None:
    model = quick(n_members=3)
    for _ in range(40):
        model.partial_fit(X, HIGH, classes=[False, True])
    assert model.score(X, HIGH) > 0.9
    assert model.t_ == 40 * 60
    assert len(model.loss_curve_) == 40
