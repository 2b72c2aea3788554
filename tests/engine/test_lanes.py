"""Groups of members on cores of their own learn what they learn together, and stop together."""

from __future__ import annotations

import copy
import threading
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from planefold.core.errors import TrainingError
from planefold.engine import OBJECTIVES, OPTIMIZERS, Plan, loop
from planefold.engine.lanes import Lane, groups
from planefold.networks import MLPSpec


@given(st.integers(1, 40), st.integers(1, 12))
def test_every_member_is_in_one_group_and_groups_differ_by_one_at_most(n_members, n_lanes):
    found = groups(n_members, n_lanes)
    assert [m for members in found for m in range(n_members)[members]] == list(range(n_members))
    sizes = [members.stop - members.start for members in found]
    assert len(sizes) == min(n_members, n_lanes)
    assert max(sizes) - min(sizes) <= 1


def _problem(engine, problem, *, weighted=True, **spec):
    described = MLPSpec(
        n_features=3, n_outputs=1, hidden_layer_sizes=(5, 4), n_members=5, dropout=(0.2, 0.3), skip=True, **spec
    )
    members = np.stack([np.random.RandomState(m).permutation(60)[:40] for m in range(5)])
    members[2, 30:] = -1
    rows = engine.rows(problem.X, problem.y, np.linspace(0.5, 2, 60) if weighted else None, members)
    return described.build(np.random.RandomState(0), dtype=torch.float64), rows


def _train(net, rows, plan, monkeypatch, n_threads):
    monkeypatch.setattr(loop, "LANES_FROM", 0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: n_threads)
    one = copy.deepcopy(net)
    run = loop.train(one, rows, OBJECTIVES["squared_error"], plan, random_state=np.random.RandomState(1))
    return one.state_dict(), run


@pytest.mark.parametrize("solver", OPTIMIZERS)
@pytest.mark.parametrize("weighted", [False, True])
def test_lanes_give_every_member_the_same_weights(engine, problem, monkeypatch, solver, weighted):
    net, rows = _problem(engine, problem, weighted=weighted, batch_norm=True)
    plan = Plan(solver=solver, batch_size=16, max_iter=4, alpha=0.5, l1_ratio=0.5, clip_norm=1.0)
    expected, whole = _train(net, rows, plan, monkeypatch, 1)
    for n_threads in (2, 5):
        state, run = _train(net, rows, plan, monkeypatch, n_threads)
        for name, tensor in expected.items():
            assert torch.equal(state[name], tensor), name
        for column in ("objective", "gradient_norm", "update_ratio"):
            np.testing.assert_array_equal(run[column], whole[column])


def test_a_diverging_training_warns_of_nothing_in_any_lane(engine, problem, monkeypatch):
    net, rows = _problem(engine, problem, activation="identity")
    plan = Plan(solver="sgd", learning_rate_init=20.0, max_iter=90, batch_size=8, n_iter_no_change=1000)
    warnings.simplefilter("error")  # pytest puts the filters back
    with pytest.raises(TrainingError):
        _train(net, rows, plan, monkeypatch, 3)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_ends_one_lane_ends_all_of_them_and_leaves_no_thread(engine, problem, monkeypatch, error):
    net, rows = _problem(engine, problem)
    run_of, made = Lane.run, []

    def fails(self, batches, numbers, penalties, health, watched, stop):
        if self.members.start == 0 and len(made) == 3:
            raise error
        run_of(self, batches, numbers, penalties, health, watched, stop)
        if self.members.start == 0:
            made.append(self)

    monkeypatch.setattr(Lane, "run", fails)
    before = threading.active_count()
    if error is KeyboardInterrupt:
        _, run = _train(net, rows, Plan(max_iter=50), monkeypatch, 2)
        assert run.stopped_because == "interrupted"
        assert run.n_epochs == 3
    else:
        with pytest.raises(RuntimeError):
            _train(net, rows, Plan(max_iter=50), monkeypatch, 2)
    assert threading.active_count() == before
