"""Members trained side by side are the members trained one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from planefold.networks import MLPSpec

WINDOWS = np.array([np.r_[0:40], np.r_[10:50], np.r_[20:60]])


def _alone(net, member, **changes):
    spec = MLPSpec(n_features=3, n_outputs=1, hidden_layer_sizes=(6, 5), **changes)
    one = spec.build(np.random.RandomState(0), dtype=torch.float64)
    with torch.no_grad():
        for mine, all_members in zip(one.parameters(), net.parameters(), strict=True):
            mine.copy_(all_members[member : member + 1])
    return one


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_side_by_side_equals_one_by_one(engine, problem, solver, skip, weighted):
    spec = MLPSpec(n_features=3, n_outputs=1, hidden_layer_sizes=(6, 5), n_members=3, skip=skip)
    together = spec.build(np.random.RandomState(1), dtype=torch.float64)
    alone = [_alone(together, member, skip=skip) for member in range(3)]
    weights = np.random.RandomState(2).rand(60) if weighted else None
    plan = {"solver": solver, "shuffle": False, "batch_size": 16, "max_iter": 8, "alpha": 0.5}
    rows = engine.rows(problem.X, problem.y, weights, members=WINDOWS)
    net, run = engine.fit(rows, net=together, **plan)
    runs = []
    for member, one in enumerate(alone):
        mine = WINDOWS[member]
        _, run_alone = engine.fit(
            engine.rows(problem.X[mine], problem.y[mine], None if weights is None else weights[mine]), net=one, **plan
        )
        runs.append(run_alone)
        for all_members, p in zip(net.parameters(), one.parameters(), strict=True):
            torch.testing.assert_close(all_members[member], p[0], rtol=1e-10, atol=1e-12)
    for column in ("train_loss", "objective"):
        np.testing.assert_allclose(run[column], np.mean([r[column] for r in runs], axis=0), rtol=1e-10)


def test_each_member_is_judged_on_its_own_held_out_rows(engine, problem):
    held = np.array([np.setdiff1d(np.arange(60), window) for window in WINDOWS])
    rows, judge = (engine.rows(problem.X, problem.y, members=m) for m in (WINDOWS, held))
    net, run = engine.fit(rows, spec={"n_members": 3}, max_iter=2, more={"validation": judge}, restore_best=False)
    with torch.no_grad():
        losses = [0.5 * (net(judge.X[held[m]])[m] - judge.y[held[m]]).square().mean() for m in range(3)]
    assert run.epochs[-1].val_loss == pytest.approx(float(np.mean(losses)), rel=1e-12)
    assert (run.n_train, run.n_val, run.n_members) == (40, 20, 3)


def test_the_trivial_loss_is_that_of_the_rows_that_members_see_with_their_weights(engine, problem):
    weights = np.random.RandomState(2).rand(60)
    windows = np.array([[0, 1, 2, 3], [2, 3, 4, -1]])
    _, run = engine.fit(engine.rows(problem.X, problem.y, weights, members=windows), spec={"n_members": 2}, max_iter=1)
    y, w = problem.y[:5, 0], weights[:5] * [1, 1, 2, 2, 1]  # as often as members see a row
    assert run.trivial_loss == pytest.approx(
        0.5 * np.average((y - np.average(y, weights=w)) ** 2, weights=w), rel=1e-12
    )
