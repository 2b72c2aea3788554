"""The warnings during a training: rare, certain, and told once."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

from planefold import MLPClassifier, MLPRegressor
from planefold.doctor.live import Watchdog
from planefold.engine.run import Epoch


def _said(losses, *, trivial_loss=1.0, max_iter=100, steps=10, from_nothing=True):
    dog = Watchdog(
        trivial_loss=trivial_loss, max_iter=max_iter, learning_rate=0.1, steps=steps, from_nothing=from_nothing
    )
    return [
        (number, words)
        for number, loss in enumerate(losses, start=1)
        if (words := dog(Epoch(epoch=number, train_loss=loss, objective=loss)))
    ]


def test_a_loss_far_out_for_five_epochs_is_told_once():
    ((number, words),) = _said([11.0] * 30)
    assert number == 5
    assert "10 times that of always predicting the same for 5 epochs" in words
    assert "learning_rate_init=0.01" in words


@pytest.mark.parametrize(
    "losses",
    [
        [50.0, 40.0, 30.0, 20.0, 15.0, 5.0, 0.9] + [0.5] * 30,  # a bad start that recovers
        [9.9] * 5 + [0.5] * 20,
        [20.0, 20.0, 20.0, 20.0, 0.9] + [0.5] * 30,
        list(1.1 * np.exp(-np.arange(60) / 30)),
        [1.0] * 19 + [0.99] + [0.9] * 10,  # slow to start
        [0.994] + [1.2] * 40,  # has learned something once
        [math.nan] * 30,  # ends by itself
    ],
)
def test_what_may_still_go_well_is_left_alone(losses):
    assert _said(losses) == []


def test_nothing_learned_is_told_after_twenty_epochs_or_a_fifth_of_all():
    assert [number for number, _ in _said([1.0] * 100, max_iter=50)] == [20]
    assert [number for number, _ in _said([1.0] * 100, max_iter=300)] == [60]
    assert [number for number, _ in _said([1.0] * 250, steps=1)] == [200]


def test_one_that_began_at_a_solution_may_have_nothing_to_gain():
    assert _said([1.0] * 100, from_nothing=False) == []


@pytest.mark.parametrize("trivial_loss", [0.0, math.nan, math.inf])
def test_a_target_without_a_scale_is_not_judged(trivial_loss):
    assert _said([100.0] * 50, trivial_loss=trivial_loss) == []


@pytest.mark.parametrize("load", [load_iris, load_breast_cancer, load_diabetes])
def test_healthy_trainings_say_nothing(load):
    X, y = load(return_X_y=True)
    estimator = MLPRegressor if load is load_diabetes else MLPClassifier
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator(hidden_layer_sizes=(16,), n_members=2, max_iter=30, random_state=0).fit(X, y)


def test_a_training_that_cannot_learn_says_so_while_it_runs():
    X, y = load_breast_cancer(return_X_y=True)
    model = MLPClassifier(
        (8, 8), n_members=1, skip=None, dropout=0.0, learning_rate_init=1e-12, batch_size=20, learning_rate="constant",
        early_stopping=False, max_iter=25, tol=0.0, n_iter_no_change=1000, random_state=0,
    )  # fmt: skip
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    assert sum("nothing has been learned yet" in str(warning.message) for warning in caught) == 1
