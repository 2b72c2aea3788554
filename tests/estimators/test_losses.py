"""What each loss of the regressor is for, and that it stays what it was in a file."""

from __future__ import annotations

import numpy as np
import pytest

import planefold as pf
from planefold.core.errors import ParameterError

QUICK = {"hidden_layer_sizes": (8,), "n_members": 2, "max_iter": 30, "random_state": 0}


@pytest.fixture(scope="module")
def table():
    """Six hundred rows of a bent line with skewed noise: its mean is 1 above the curve, its median 0.69."""
    rng = np.random.RandomState(0)
    X = rng.uniform(-2, 2, (600, 2))
    curve = 3 * np.abs(X[:, 0]) + X[:, 1]
    return X, curve, curve + rng.exponential(size=600)


@pytest.mark.parametrize("loss", ["absolute_error", "huber"])
def test_gross_outliers_spoil_squares_and_no_robust_loss(table, loss):
    X, _, y = table
    wrong = y.copy()
    wrong[::20] *= 300  # 5 %, such as prices in another currency
    errors = {
        name: np.abs(pf.MLPRegressor(name, **QUICK).fit(X[:400], wrong[:400]).predict(X[400:]) - y[400:]).mean()
        for name in (loss, "squared_error")
    }
    clean = np.abs(pf.MLPRegressor(**QUICK).fit(X[:400], y[:400]).predict(X[400:]) - y[400:]).mean()
    assert errors[loss] < 1.25 * clean
    assert errors["squared_error"] > 5 * clean


@pytest.mark.parametrize(
    ("loss", "location"), [("squared_error", 1.0), ("mean_squared_error", 1.0), ("absolute_error", np.log(2))]
)
def test_squares_learn_the_mean_and_absolute_errors_the_median(table, loss, location):
    X, curve, y = table
    above = pf.MLPRegressor(loss, **QUICK).fit(X, y).predict(X) - curve
    assert above.mean() == pytest.approx(location, abs=0.1)


def test_of_two_outputs_the_mean_of_squares_is_half_their_sum(table):
    X, curve, y = table
    both = np.column_stack([y, curve])
    models = [pf.MLPRegressor(loss, **QUICK).fit(X, both) for loss in ("mean_squared_error", "squared_error")]
    np.testing.assert_allclose(models[0].predict(X), models[1].predict(X), rtol=1e-4, atol=1e-4)
    assert models[0].loss_ == pytest.approx(models[1].loss_, rel=1e-4)


def test_a_huge_delta_makes_huber_squares_and_a_tiny_one_absolute_values(table):
    X, curve, y = table
    options = {**QUICK, "preprocess": None, "skip": None, "solver": "sgd", "dropout": 0.0, "dtype": "float64"}
    square = pf.MLPRegressor("squared_error", **options).fit(X, y).predict(X)
    huge = pf.MLPRegressor("huber", huber_delta=1e9, **options).fit(X, y).predict(X)
    np.testing.assert_allclose(huge, square, rtol=1e-9)
    median = pf.MLPRegressor("huber", huber_delta=0.01, **QUICK).fit(X, y).predict(X) - curve
    assert median.mean() == pytest.approx(np.log(2), abs=0.1)


@pytest.mark.parametrize("loss", ["mean_squared_error", "absolute_error", "huber"])
def test_a_saved_model_predicts_and_learns_with_the_loss_it_had(table, loss, tmp_path):
    X, _, y = table
    options = {**QUICK, "max_iter": 3, "huber_delta": 0.4}
    model = pf.MLPRegressor(loss, **options).fit(X, y)
    again = pf.load(model.save(tmp_path / "model.fold"))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert (again.loss, again.huber_delta, again.run_.objective) == (loss, 0.4, loss)
    np.testing.assert_array_equal(again.fit(X, y).predict(X), model.predict(X))


def test_one_giant_target_does_not_overflow_a_robust_loss(table):
    X, _, y = table
    y = y.copy()
    y[3] = 1e300
    for loss in ("absolute_error", "huber"):
        assert np.isfinite(pf.MLPRegressor(loss, **{**QUICK, "max_iter": 2}).fit(X, y).predict(X)).all()


def test_an_unknown_loss_is_answered_with_those_there_are():
    with pytest.raises(ParameterError, match="did you mean 'huber'"):
        pf.MLPRegressor("hubr").fit([[0.0], [1.0]], [0.0, 1.0])


@pytest.mark.parametrize("delta", [0, -1, float("nan"), "1"])
def test_a_delta_that_cannot_be_is_refused_before_any_work(delta):
    with pytest.raises(ParameterError, match="huber_delta="):
        pf.MLPRegressor("huber", huber_delta=delta).fit([[0.0], [1.0]], [0.0, 1.0])
