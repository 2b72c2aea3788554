"""The linear start against scikit-learn's linear models."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression, PoissonRegressor, QuantileRegressor, Ridge

from planefold.engine import OBJECTIVES, huber
from planefold.engine import linear_start as module
from planefold.engine.linear_start import LinearStart
from planefold.networks import MLPSpec

RNG = np.random.RandomState(0)
X = RNG.randn(80, 4)
LATENT = X @ RNG.randn(4, 3) + RNG.randn(80, 3)
CODES = LATENT.argmax(axis=1)
TARGETS = {
    "squared_error": LATENT[:, :2],
    "mean_squared_error": LATENT[:, :2],
    "huber": LATENT[:, :2],
    "poisson": RNG.poisson(np.exp(0.3 * LATENT[:, :1])).astype(float),
    "binary_log_loss": (LATENT > 0).astype(float),
    "log_loss": np.eye(3)[CODES],
}
TRAIN, HELD = np.arange(50), np.arange(50, 80)


def _theirs(name, strength, A, y, w=None):
    """Fit scikit-learn's model at one strength: (coef, intercept) as ours."""
    if name in ("squared_error", "mean_squared_error"):
        model = Ridge(alpha=strength).fit(A, y, w)
        return model.coef_.T, model.intercept_
    if name == "huber":
        return _minimized_huber(A, y, w, strength)
    if name == "poisson":
        model = PoissonRegressor(alpha=strength, max_iter=300, tol=1e-7).fit(A, y[:, 0], w)
        return model.coef_[:, None], model.intercept_
    if name == "log_loss":
        model = LogisticRegression(C=strength, tol=1e-7, max_iter=2000).fit(A, y.argmax(axis=1), w)
        return model.coef_.T, model.intercept_
    models = [LogisticRegression(C=strength, tol=1e-7, max_iter=2000).fit(A, column, w) for column in y.T]
    return np.hstack([m.coef_.T for m in models]), np.hstack([m.intercept_ for m in models])


def _minimized_huber(A, y, w, strength, delta=1.35):
    """Huber's loss and the ridge penalty, handed to SciPy as they stand (scikit-learn's HuberRegressor also scales)."""
    w = np.ones(len(A)) if w is None else w

    def objective(theta, column):
        r = np.abs(A @ theta[1:] + theta[0] - column)
        return w @ np.where(r <= delta, r**2 / 2, delta * (r - delta / 2)) + strength / 2 * theta[1:] @ theta[1:]

    thetas = [minimize(objective, np.zeros(A.shape[1] + 1), (column,), "BFGS").x for column in y.T]
    return np.column_stack(thetas)[1:], np.array([theta[0] for theta in thetas])


def _strengths(name):
    if name in ("squared_error", "mean_squared_error", "huber"):
        return module.RIDGE_STRENGTHS
    return module.POISSON_STRENGTHS if name == "poisson" else module.LOGISTIC_STRENGTHS


# Ridge is exact; the others stop as soon as a start is good enough.
TOLERANCE = {
    "squared_error": 1e-9,
    "mean_squared_error": 1e-9,
    "huber": 3e-3,
    "poisson": 1e-2,
    "binary_log_loss": 1e-2,
    "log_loss": 1e-2,
}


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("weighted", [False, True])
def test_without_held_out_rows_it_is_scikit_learns_model_at_the_middle_strength(engine, name, weighted):
    w = 0.1 + np.random.RandomState(1).rand(80) if weighted else None
    start = LinearStart(OBJECTIVES[name], engine.rows(X, TARGETS[name], w))
    middle = _strengths(name)[len(_strengths(name)) // 2]
    for ours, theirs in zip(start.models[0], _theirs(name, middle, X, TARGETS[name], w), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE[name], atol=TOLERANCE[name])
    assert np.isnan(start.loss)


@pytest.mark.parametrize("name", TARGETS)
def test_with_held_out_rows_it_takes_the_strength_with_the_lowest_loss_there(engine, name):
    y = TARGETS[name]
    start = LinearStart(OBJECTIVES[name], engine.rows(X[TRAIN], y[TRAIN]), engine.rows(X[HELD], y[HELD]))

    def loss(model):
        outputs = torch.from_numpy(X[HELD] @ model[0] + model[1])
        return float(OBJECTIVES[name].loss(outputs, torch.from_numpy(y[HELD]), None))

    models = {s: _theirs(name, s, X[TRAIN], y[TRAIN]) for s in _strengths(name)}
    best = min(models, key=lambda s: loss(models[s]))
    assert start.loss == pytest.approx(loss(models[best]), rel=1e-2)
    np.testing.assert_allclose(start.models[0][0], models[best][0], rtol=2e-2, atol=2e-2)


def test_ridge_has_more_columns_than_rows_too(engine):
    wide = np.random.RandomState(2).randn(20, 50)
    y = TARGETS["squared_error"][:20]
    (coef, intercept), *_ = LinearStart(OBJECTIVES["squared_error"], engine.rows(wide, y)).models
    theirs = Ridge(alpha=1.0).fit(wide, y)
    np.testing.assert_allclose(coef, theirs.coef_.T, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(intercept, theirs.intercept_, rtol=1e-9)


@pytest.mark.parametrize("name", TARGETS)
def test_a_weight_is_that_many_rows(engine, name):
    counts = np.random.RandomState(3).randint(0, 4, 80)
    y = TARGETS[name]
    weighted = LinearStart(OBJECTIVES[name], engine.rows(X, y, counts))
    repeated = LinearStart(OBJECTIVES[name], engine.rows(X.repeat(counts, 0), y.repeat(counts, 0)))
    for ours, theirs in zip(weighted.models[0], repeated.models[0], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=TOLERANCE[name], atol=TOLERANCE[name])


@pytest.mark.parametrize("name", ["binary_log_loss", "log_loss"])
def test_a_class_that_a_member_never_sees_gives_a_finite_model(engine, name):
    members = np.array([np.flatnonzero(CODES != 2), np.flatnonzero(CODES == 2).repeat(10)[: (CODES != 2).sum()]])
    y = np.eye(3)[CODES]
    start = LinearStart(OBJECTIVES[name], engine.rows(X, y, members=members))
    assert len(start.models) == 2
    for coef, intercept in start.models:
        assert coef.shape == (4, 3)
        assert intercept.shape == (3,)
        assert np.isfinite(coef).all()
        assert np.isfinite(intercept).all()
    z = X @ start.models[0][0] + start.models[0][1]
    assert (z[CODES != 2].argmax(axis=1) != 2).all()  # the class is there, and improbable


def test_rows_with_one_label_each_are_still_several_questions(engine):
    y = np.eye(3)[CODES]
    several = LinearStart(OBJECTIVES["binary_log_loss"], engine.rows(X, y)).models[0]
    for ours, theirs in zip(several, _theirs("binary_log_loss", 1.0, X, y), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-2, atol=1e-2)


def test_softmax_of_two_classes_gives_the_probabilities_of_one_logit(engine):
    codes = (LATENT[:, 0] > 0).astype(int)
    coef, intercept = LinearStart(OBJECTIVES["log_loss"], engine.rows(X, np.eye(2)[codes])).models[0]
    ours = torch.softmax(torch.from_numpy(X @ coef + intercept), dim=1)[:, 1]
    theirs = LogisticRegression(C=1.0, tol=1e-10).fit(X, codes).predict_proba(X)[:, 1]
    np.testing.assert_allclose(ours, theirs, atol=3e-3)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("hidden", [(), (6, 5)])
def test_the_network_starts_as_the_linear_model_exactly(engine, name, hidden):
    y = TARGETS[name]
    members = np.array([np.r_[0:60], np.r_[20:80]])
    start = LinearStart(OBJECTIVES[name], engine.rows(X, y, members=members))
    spec = MLPSpec(n_features=4, n_outputs=y.shape[1], hidden_layer_sizes=hidden, n_members=2, skip=True)
    net = spec.build(np.random.RandomState(0), dtype=torch.float64)
    start.into(net)
    outputs = net(torch.from_numpy(X)).detach().numpy()
    for member, (coef, intercept) in enumerate(start.models):
        np.testing.assert_allclose(outputs[member], X @ coef + intercept, rtol=1e-12, atol=1e-12)
    assert not np.array_equal(*(model[0] for model in start.models))


def test_members_that_see_the_same_rows_share_one_model(engine):
    rows = engine.rows(X, TARGETS["squared_error"])
    assert len(LinearStart(OBJECTIVES["squared_error"], rows, n_members=5).models) == 5
    assert len(LinearStart(OBJECTIVES["squared_error"], rows, rows, n_members=5).models) == 5


def test_a_long_table_is_thinned_evenly(engine, monkeypatch):
    monkeypatch.setattr(module, "MAX_ROWS", 20)
    y = TARGETS["squared_error"]
    (coef, _), *_ = LinearStart(OBJECTIVES["squared_error"], engine.rows(X, y)).models
    some = np.linspace(0, 79, 20).astype(int)
    np.testing.assert_allclose(coef, Ridge(alpha=1.0).fit(X[some], y[some]).coef_.T, rtol=1e-9)


# ------------------------------------------------------------------------------------ robust starts


def _with_outliers(n_features=4, n=400):
    rng = np.random.RandomState(7)
    A = rng.randn(n, n_features)
    y = (A[:, 0] - 2 * A[:, 1] + 0.3 * rng.randn(n))[:, None]
    wrong = y.copy()
    wrong[:20] += 1000 * (1 + rng.rand(20, 1))
    return A, y, wrong


@pytest.mark.parametrize("objective", [OBJECTIVES["absolute_error"], OBJECTIVES["huber"], huber(0.1)])
def test_gross_outliers_do_not_move_a_robust_start(engine, objective):
    A, _, wrong = _with_outliers()
    learn, judge = engine.rows(A[:300], wrong[:300]), engine.rows(A[300:], wrong[300:])
    coef, intercept = LinearStart(objective, learn, judge).models[0]
    np.testing.assert_allclose(coef.ravel(), [1, -2, 0, 0], atol=0.1)
    np.testing.assert_allclose(intercept, 0, atol=0.15)  # all outliers lie above: a few hundredths are theirs
    coef, intercept = LinearStart(OBJECTIVES["squared_error"], learn, judge).models[0]
    assert abs(intercept) > 50


def test_the_start_of_absolute_error_is_nearly_the_median_regression(engine):
    A, _, wrong = _with_outliers()
    rows = engine.rows(A, wrong)
    (coef, intercept), *_ = LinearStart(OBJECTIVES["absolute_error"], rows).models
    theirs = QuantileRegressor(quantile=0.5, alpha=0).fit(A, wrong.ravel())
    ours = np.abs(A @ coef + intercept - wrong).mean()
    assert ours == pytest.approx(np.abs(theirs.predict(A) - wrong.ravel()).mean(), rel=1e-3)


@pytest.mark.parametrize("name", ["absolute_error", "huber"])
def test_a_target_in_great_units_has_a_robust_start_all_the_same(engine, name):
    A, y, _ = _with_outliers()  # where delta is far below every residual
    rows = engine.rows(A, 1e6 * y)
    (coef, _), *_ = LinearStart(OBJECTIVES[name], rows, rows).models
    np.testing.assert_allclose(coef.ravel() / 1e6, [1, -2, 0, 0], atol=0.1)


@pytest.mark.parametrize("name", ["absolute_error", "huber"])
def test_a_target_that_is_mostly_one_value_has_a_finite_start(engine, name):
    y = np.zeros((80, 2))
    y[:8, 0] = 1.0
    y[:, 1] = 7.0
    (coef, intercept), *_ = LinearStart(OBJECTIVES[name], engine.rows(X, y), engine.rows(X, y)).models
    assert np.isfinite(coef).all()
    assert intercept[1] == pytest.approx(7.0)
