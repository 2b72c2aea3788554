"""The learning-rate range test: its suggestion trains well, and looking for it changes nothing."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest
import torch

from planefold import MLPClassifier
from planefold.core.errors import ParameterError, TrainingError
from planefold.engine import OBJECTIVES, Plan, find_learning_rate
from planefold.networks import MLPSpec

SQUARED = OBJECTIVES["squared_error"]


def sweep_of(rows, *, hidden=(20,), seed=0, options=None, n_members=1, dropout=(), net=None, **plan):
    random_state = np.random.RandomState(seed)
    if net is None:
        spec = MLPSpec(
            n_features=rows.X.shape[1], n_outputs=1, hidden_layer_sizes=hidden, n_members=n_members, dropout=dropout
        )
        net = spec.build(random_state, dtype=rows.dtype)
    return find_learning_rate(
        net, rows, SQUARED, Plan(**{"batch_size": 20, **plan}), random_state=random_state, **(options or {})
    )


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_training_at_the_suggestion_beats_rates_ten_times_lower_and_higher(engine, problem, solver):
    rows = engine.rows(problem.X, problem.y)
    best = sweep_of(rows, solver=solver).suggestion

    def final_loss(rate):
        try:
            net, _ = engine.fit(rows, hidden=(20,), solver=solver, learning_rate_init=rate, batch_size=20, max_iter=30)
        except TrainingError:  # diverged
            return np.inf
        with torch.no_grad():
            return float(SQUARED.loss(net(rows.X), rows.y, None))

    assert final_loss(best) < min(final_loss(best / 10), final_loss(best * 10))


def test_the_curve_of_a_quadratic_turns_where_theory_says(engine):
    # Full batches, no momentum, a linear model: w moves by the rate times the curvature's eigenvalue, and a step
    # above 2 / eigenvalue goes further from the minimum than it was.
    random = np.random.RandomState(0)
    x = random.randn(50, 1)
    x = (x - x.mean()) / x.std()
    rows = engine.rows(x, 3 * x)
    options = {"low": 1e-4, "high": 100.0}
    sweep = sweep_of(rows, hidden=(), solver="sgd", momentum=0, nesterovs_momentum=False, batch_size=50, alpha=0,
                     options=options)  # fmt: skip
    eigenvalue = 1.0  # of the mean of x x', intercept included
    losses = np.array(sweep.losses[:60])
    theory = sweep.first_loss * np.cumprod((1 - np.array(sweep.rates[:60]) * eigenvalue) ** 2)
    np.testing.assert_allclose(losses, theory, rtol=1e-9)
    assert sweep.suggestion < 2 / eigenvalue


def test_the_running_mean_is_the_weighted_mean_of_the_losses_so_far(engine, problem):
    sweep = sweep_of(engine.rows(problem.X, problem.y))
    for n in (1, 2, 7, 50):
        weights = 0.8 ** np.arange(n)[::-1]
        assert sweep.smoothed[n - 1] == pytest.approx(np.average(sweep.losses[:n], weights=weights))


def test_the_suggestion_is_where_the_running_mean_falls_fastest(engine, problem):
    sweep = sweep_of(engine.rows(problem.X, problem.y))
    best, falls = sweep.first_loss, []
    for value in sweep.smoothed:
        falls.append(max(best - value, 0.0))
        best = min(best, value)
    assert sweep.suggestion == sweep.rates[int(np.argmax(falls))]
    assert sweep.lowest == sweep.rates[int(np.argmin(sweep.smoothed))]
    assert sweep.suggestion <= sweep.lowest
    assert str(sweep).startswith(f"learning_rate_init={sweep.suggestion:.2g}")


def test_rates_rise_by_one_factor_and_the_test_ends_when_the_loss_is_out_of_bounds(engine, problem):
    rows = engine.rows(problem.X, problem.y)
    sweep = sweep_of(rows, solver="sgd", options={"high": 1e6})
    ratios = np.array(sweep.rates[1:]) / np.array(sweep.rates[:-1])
    np.testing.assert_allclose(ratios, ratios[0])
    assert 20 < len(sweep.rates) < 100
    assert not sweep.smoothed[-1] <= 4 * min(sweep.first_loss, *sweep.smoothed)
    assert all(value <= 4 * sweep.first_loss for value in sweep.smoothed[:-1])


def test_nothing_is_suggested_where_the_loss_cannot_fall(engine, problem):
    rows = engine.rows(problem.X, np.zeros((60, 1)))
    random_state = np.random.RandomState(0)
    net = MLPSpec(n_features=3, n_outputs=1, hidden_layer_sizes=()).build(random_state, dtype=rows.dtype)
    with torch.no_grad():
        for p in net.parameters():
            p.zero_()
    sweep = sweep_of(rows, net=net)
    assert sweep.suggestion is sweep.steepest is sweep.lowest is None
    assert "falls at no rate" in sweep.reason
    assert str(sweep).startswith("no learning rate to suggest")


def test_a_fall_that_has_not_ended_asks_for_higher_rates(engine, problem):
    sweep = sweep_of(engine.rows(problem.X, problem.y), solver="sgd", options={"low": 1e-6, "high": 1e-3})
    assert sweep.suggestion == sweep.rates[-1]
    assert "try a higher" in sweep.reason


def numpy_state():
    """State of the stream that the whole process shares."""
    return np.random.mtrand._rand.get_state()[1].tolist()


@pytest.mark.parametrize("options", [{}, {"n_members": 3, "dropout": (0.3,)}])
def test_the_network_and_the_random_state_of_the_process_stay_as_they_are(engine, problem, options):
    rows = engine.rows(problem.X, problem.y)
    spec = MLPSpec(n_features=3, n_outputs=1, hidden_layer_sizes=(20,), **options)
    net = spec.build(np.random.RandomState(0), dtype=rows.dtype)
    before, process = copy.deepcopy(net.state_dict()), (numpy_state(), torch.get_rng_state())
    sweep_of(rows, net=net)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert numpy_state() == process[0]
    assert torch.equal(torch.get_rng_state(), process[1])


def test_the_same_random_state_gives_the_same_sweep(engine, problem):
    rows = engine.rows(problem.X, problem.y)
    assert sweep_of(rows, seed=3) == sweep_of(rows, seed=3) != sweep_of(rows, seed=4)


def test_members_see_their_own_rows_and_no_other(engine, problem):
    # Rows that no member sees are nan: one look at them would make the loss nan.
    X = np.vstack([problem.X, np.full((5, 3), np.nan)])
    y = np.vstack([problem.y, np.full((5, 1), np.nan)])
    windows = np.stack([np.arange(0, 40), np.r_[20:58, -1, -1]])
    rows = engine.rows(X, y, members=windows)
    sweep = sweep_of(rows, n_members=2)
    assert sweep.suggestion is not None
    assert np.isfinite(sweep.first_loss)
    assert np.isfinite(sweep.losses[:50]).all()


@pytest.mark.parametrize(("solver", "options", "what"), [
    ("lbfgs", {}, "solver='lbfgs' has no learning rate"),
    ("adam", {"low": 0.0}, "low=0.0"),
    ("adam", {"low": 1.0, "high": 0.1}, "low=1.0 and high=0.1"),
    ("adam", {"high": np.inf}, "high=inf"),
    ("adam", {"low": "1e-6"}, "low='1e-6'"),
    ("adam", {"n_steps": 5}, "n_steps=5"),
    ("adam", {"n_steps": 50.0}, "n_steps=50.0"),
])  # fmt: skip
def test_what_cannot_be_looked_for_is_refused(engine, problem, solver, options, what):
    with pytest.raises(ParameterError) as caught:
        sweep_of(engine.rows(problem.X, problem.y), solver=solver, options=options)
    assert what in caught.value.what


# -------------------------------------------------------------------------------------------- the estimator's


def model_and_rows(**parameters):
    random = np.random.RandomState(0)
    X = random.randn(120, 3)
    model = MLPClassifier(**{"hidden_layer_sizes": (8,), "n_members": 2, "skip": None, "random_state": 0, **parameters})
    return model, X, (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int)


def test_an_estimator_that_is_not_fitted_stays_so():
    model, X, y = model_and_rows()
    before = dict(vars(model))
    sweep = model.find_learning_rate(X, y)
    assert vars(model) == before
    assert 1e-4 < sweep.suggestion < 1
    assert model.find_learning_rate(X, y) == sweep


@pytest.mark.parametrize("warm_start", [False, True])
def test_a_fitted_estimator_predicts_as_before(warm_start):
    model, X, y = model_and_rows(max_iter=5, warm_start=warm_start)
    model.fit(X, y)
    before = model.predict_proba(X)
    model.find_learning_rate(X, y)
    assert np.array_equal(model.predict_proba(X), before)


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(5)])
def test_no_random_state_of_others_moves(random_state):
    model, X, y = model_and_rows(random_state=random_state)
    states = [np.random.mtrand._rand, *([] if random_state is None else [random_state])]
    before = [state.get_state()[1].tolist() for state in states]
    model.find_learning_rate(X, y, n_steps=20)
    assert [state.get_state()[1].tolist() for state in states] == before


def test_lbfgs_is_refused_before_any_work():
    model, _, _ = model_and_rows(solver="lbfgs")
    with pytest.raises(ParameterError, match="has no learning rate"):
        model.find_learning_rate("no such file.csv", "no such column")


def test_a_sweep_is_a_value(engine, problem):
    sweep = sweep_of(engine.rows(problem.X, problem.y))
    assert hash(sweep) == hash(dataclasses.replace(sweep))
