"""The learning rate over time: cosine's ends, invscaling and adaptive as in scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.neural_network._stochastic_optimizers import SGDOptimizer

from planefold.engine import Plan
from planefold.engine.schedules import Rate


def test_cosine_falls_from_the_first_rate_to_nothing():
    schedule = Rate(Plan(learning_rate="cosine", learning_rate_init=0.4))
    assert schedule.at(0.0) == pytest.approx(0.4)
    assert schedule.at(0.5) == pytest.approx(0.2)
    assert schedule.at(1.0) == pytest.approx(0.0, abs=1e-15)
    rates = [schedule.at(p) for p in np.linspace(0, 1, 20)]
    assert rates == sorted(rates, reverse=True)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_cosine_is_counted_over_all_steps_of_all_epochs(engine, problem, solver):
    plan = {"solver": solver, "learning_rate": "cosine", "learning_rate_init": 0.01, "max_iter": 4, "batch_size": 20}
    _, run = engine.fit(engine.rows(problem.X, problem.y), **plan)
    last_steps = [(epoch * 3 + 2) / 12 for epoch in range(4)]  # three steps an epoch
    expected = [0.005 * (1 + math.cos(math.pi * p)) for p in last_steps]
    np.testing.assert_allclose(run["learning_rate"], expected, rtol=1e-12)


@pytest.mark.parametrize("kind", ["invscaling", "adaptive", "constant"])
def test_the_rate_is_scikit_learns_after_every_epoch(kind):
    plan = Plan(solver="sgd", learning_rate=kind, learning_rate_init=0.1, power_t=0.4)
    ours, theirs = Rate(plan), SGDOptimizer([np.zeros(1)], 0.1, kind, power_t=0.4)
    for epoch in range(1, 12):
        ours.epoch_ends(60 * epoch)
        theirs.iteration_ends(60 * epoch)
        assert ours.at(0.3) == theirs.learning_rate
        assert ours.stops_at_no_improvement() == theirs.trigger_stopping("", False)
        assert ours.at(0.3) == theirs.learning_rate


@pytest.mark.parametrize("kind", ["invscaling", "adaptive"])
def test_adam_keeps_its_rate_as_in_scikit_learn(kind):
    schedule = Rate(Plan(solver="adam", learning_rate=kind))
    schedule.epoch_ends(1000)
    assert schedule.stops_at_no_improvement()
    assert schedule.at(0.9) == 0.001
