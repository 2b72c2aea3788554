"""Losses, standard errors and samples of rows that a network is judged by, against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import sem

from planefold.engine import OBJECTIVES
from planefold.engine.judge import Judge, spread
from planefold.networks import MLPSpec

WINDOWS = np.array([[0, 3, 6, 9, 12], [1, 4, 7, 10, -1], [2, 5, 8, -1, -1]])


def _judge(engine, problem, *, weights=None, members=None, n_members=1, n_rows=None):
    net = MLPSpec(n_features=3, n_outputs=1, hidden_layer_sizes=(4,), n_members=n_members).build(
        np.random.RandomState(0), dtype=torch.float64
    )
    rows = engine.rows(problem.X, problem.y, weights, members)
    judge = Judge(OBJECTIVES["squared_error"], rows, None, n_rows)
    loss, _ = judge(net)
    with torch.no_grad():
        errors = 0.5 * (net(rows.X) - rows.y)[..., 0].square().numpy()  # (n_members, 60)
    return judge, loss, errors


def test_of_one_network_the_standard_error_is_that_of_a_mean(engine, problem):
    judge, loss, errors = _judge(engine, problem)
    assert loss == pytest.approx(errors.mean())
    assert judge.standard_error() == pytest.approx(sem(errors[0]))


def test_of_members_on_the_same_rows_it_is_that_of_their_mean_loss_of_a_row(engine, problem):
    judge, loss, errors = _judge(engine, problem, n_members=3)
    assert loss == pytest.approx(errors.mean())
    assert judge.standard_error() == pytest.approx(sem(errors.mean(axis=0)))


def _by_loops(errors, weights, members):
    """The loss and the moves of each row, member by member, and row by row."""
    losses = []
    for m, own in enumerate(members):
        own = [r for r in own if r >= 0]
        losses.append(sum(weights[r] * errors[m, r] for r in own) / sum(weights[r] for r in own))
    moves = {}
    for m, own in enumerate(members):
        own = [r for r in own if r >= 0]
        for r in own:
            share = weights[r] / sum(weights[s] for s in own) / len(members)
            moves[r] = moves.get(r, 0.0) + share * (errors[m, r] - losses[m])
    n = sum(weights[r] > 0 for r in moves)
    return np.mean(losses), np.sqrt(n / (n - 1) * sum(move**2 for move in moves.values()))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("members", [WINDOWS, WINDOWS % 4, np.tile(np.arange(60), (3, 1))])
def test_of_members_with_rows_of_their_own_it_is_the_loop_over_distinct_rows(engine, problem, weighted, members):
    weights = np.ones(60)
    if weighted:
        weights = np.random.RandomState(1).randint(0, 4, 60).astype(float)
        weights[:4] += 1  # no member without weight
    judge, loss, errors = _judge(engine, problem, weights=weights if weighted else None, members=members, n_members=3)
    expected, error = _by_loops(errors, weights, members)
    assert loss == pytest.approx(expected)
    assert judge.standard_error() == pytest.approx(error)


def test_rows_of_whole_weights_have_the_error_that_a_bootstrap_finds(engine, problem):
    weights = np.random.RandomState(1).randint(1, 4, 60).astype(float)
    judge, _, errors = _judge(engine, problem, weights=weights)
    picks = np.random.RandomState(2).randint(0, 60, (4000, 60))
    means = (weights[picks] * errors[0][picks]).sum(axis=1) / weights[picks].sum(axis=1)
    assert judge.standard_error() == pytest.approx(means.std(), rel=0.1)


def test_one_row_has_no_standard_error(engine, problem):
    judge, _, _ = _judge(engine, problem, n_rows=1)
    assert judge.standard_error() is None


def test_a_sample_is_spread_over_the_rows_and_the_same_each_time(engine, problem):
    judge, _, errors = _judge(engine, problem)
    for _ in range(2):
        found = judge.sampled(judge.row_losses[None], 7)
        np.testing.assert_allclose(found[0], errors[0, [0, 9, 19, 29, 39, 49, 59]])
    assert judge.sampled(judge.row_losses[None], 512).shape == (1, 60)


def test_a_sample_of_members_rows_takes_some_of_each_and_no_padding(engine, problem):
    judge, _, errors = _judge(engine, problem, members=WINDOWS, n_members=3)
    everything = [errors[m, r] for m, own in enumerate(WINDOWS) for r in own if r >= 0]
    np.testing.assert_allclose(judge.sampled(judge.row_losses[None], 512)[0], everything)
    few = judge.sampled(judge.row_losses[None], 4)[0]  # of twelve, the first, ..., the last
    np.testing.assert_allclose(few, [everything[place] for place in (0, 3, 7, 11)])


@pytest.mark.parametrize("n", [1, 2, 255, 256, 257, 100_000])
def test_numbers_that_are_spread_are_distinct_and_reach_both_ends(n):
    places = spread(n, 256)
    assert len(np.unique(places)) == len(places) == min(n, 256)
    assert places[0] == 0
    assert places[-1] == n - 1


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("members", [None, WINDOWS])
def test_scores_of_several_answers_are_those_of_each(engine, problem, weighted, members):
    def score(predictions, targets, weights):
        near = ((predictions - targets).abs() < 0.5).double()[..., 0]
        return near.mean(dim=-1) if weights is None else (near * weights).sum(dim=-1) / weights.sum(dim=-1)

    weights = np.random.RandomState(1).rand(60) if weighted else None
    judge = Judge(OBJECTIVES["squared_error"], engine.rows(problem.X, problem.y, weights, members), score)
    rng = np.random.RandomState(2)
    outputs = torch.from_numpy(rng.randn(4, 3, judge.n_rows, 1))
    each = [judge.take(answer)[1] for answer in outputs]
    assert judge.scores(outputs) == pytest.approx(each)
    assert len(set(each)) > 1
