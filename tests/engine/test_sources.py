"""Batches: every row once an epoch, each member its own rows, nothing drawn from the process's random state."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from planefold.engine import OBJECTIVES, Rows, sources
from planefold.engine.sources import Shuffled


def _batches(source, random_state):
    for block in source.epoch(random_state):
        for span in block.spans:
            yield (
                block.X[..., span, :],
                block.y[..., span, :],
                None if block.weights is None else block.weights[..., span],
            )


def _numbered(n, members=None, weights=None):
    """Rows whose only feature and target are their number."""
    column = torch.arange(n, dtype=torch.float64)[:, None]
    return Rows(X=column, y=column.clone(), members=members, weights=weights)


@pytest.mark.parametrize("batch_size", [1, 3, 4, 15, 99])
@pytest.mark.parametrize("shuffle", [False, True])
def test_every_row_is_used_exactly_once_an_epoch(batch_size, shuffle):
    source, random_state = Shuffled(_numbered(15), batch_size, shuffle), np.random.RandomState(0)
    for _ in range(3):
        batches = list(_batches(source, random_state))
        assert len(batches) == source.n_batches == -(-15 // batch_size)
        seen = torch.cat([y for _, y, _ in batches]).ravel().tolist()
        assert sorted(seen) == list(range(15))
        assert (seen == list(range(15))) == (not shuffle)
        assert source.counts().ravel().tolist() == [len(y) for _, y, _ in batches]
        assert all(torch.equal(X, y) for X, y, _ in batches)


def test_blocks_of_any_length_hold_the_same_batches(monkeypatch):
    members = np.array([np.r_[0:9], np.r_[5:13, -1]])
    whole = list(_batches(Shuffled(_numbered(13, members), 2), np.random.RandomState(0)))
    monkeypatch.setattr(sources, "VALUES_AT_ONCE", 9)  # two batches of two members
    source = Shuffled(_numbered(13, members), 2)
    assert [len(block.spans) for block in source.epoch(np.random.RandomState(0))] == [2, 2, 1]
    source = Shuffled(_numbered(13, members), 2)
    for one, other in zip(whole, _batches(source, np.random.RandomState(0)), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one[:2], other[:2], strict=True))


def test_fifteen_rows_in_batches_of_three_are_five_iterations(engine, problem):
    _, run = engine.fit(engine.rows(problem.X[:15], problem.y[:15]), batch_size=3, max_iter=2)
    assert (run.batch_size, run.iterations_per_epoch, run.n_train) == (3, 5, 15)


def test_each_member_sees_its_own_rows_and_only_these():
    members = np.array([[0, 1, 2, 3], [3, 4, 5, -1], [9, -1, -1, -1]])
    source, random_state = Shuffled(_numbered(10, members), 2), np.random.RandomState(0)
    for _ in range(4):
        seen = [[], [], []]
        for _, y, weights in _batches(source, random_state):
            for member in range(3):
                present = torch.ones(2) if weights is None else weights[member]
                seen[member] += y[member, present > 0].ravel().tolist()
        assert [sorted(rows) for rows in seen] == [[0, 1, 2, 3], [3, 4, 5], [9]]
        assert source.counts().sum(axis=0).tolist() == [4, 3, 1]


def test_padding_weighs_nothing_and_other_rows_keep_their_weight():
    rows = _numbered(4, np.array([[0, 1], [3, -1]]), weights=torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64))
    assert rows.all()[2].tolist() == [[1, 2], [4, 0]]
    assert rows.all()[1][1].ravel().tolist() == [3, 3]  # a row of its own, not one that it may hold out
    assert _numbered(4, np.array([[0, 1], [3, -1]])).all()[2].tolist() == [[1, 1], [1, 0]]
    assert _numbered(4, np.array([[0, 1], [3, 2]])).all()[2] is None


def test_a_member_with_one_row_trains_beside_others_and_stays_finite(engine, problem):
    members = np.full((2, 7), -1)
    members[0], members[1, 0] = np.arange(7), 50
    rows = engine.rows(problem.X, problem.y, members=members)
    # Most batches hold nothing but padding for the second member; its loss is that of its one row.
    net, run = engine.fit(rows, spec={"n_members": 2}, batch_size=2, max_iter=3, learning_rate_init=1e-12, alpha=0.0)
    assert run.stopped_because == "max_iter"
    with torch.no_grad():
        losses = [
            float(OBJECTIVES["squared_error"].loss(net(rows.X[m])[k], rows.y[m], None))
            for k, m in enumerate(([0, 1, 2, 3, 4, 5, 6], [50]))
        ]
    assert run.epochs[-1].train_loss == pytest.approx(np.mean(losses), rel=1e-8)


@pytest.mark.parametrize("index", [slice(2, 5), np.array([4, 0, 4]), np.array([[1, 2], [3, -1]])])
def test_sparse_rows_equal_dense_rows(index):
    X = sparse.random_array((6, 8), density=0.4, rng=np.random.default_rng(0), format="csr")
    y = torch.arange(6, dtype=torch.float32)[:, None]
    dense = Rows(X=torch.as_tensor(X.toarray(), dtype=torch.float32), y=y)
    for ours, theirs in zip(Rows(X=X, y=y).take(index), dense.take(index), strict=True):
        assert (ours is None and theirs is None) or torch.equal(ours, theirs)


def test_training_on_sparse_rows_equals_training_on_dense_rows(engine, problem):
    X = np.where(np.abs(problem.X) > 0.7, problem.X, 0)
    dense, run = engine.fit(engine.rows(X, problem.y), max_iter=3)
    rows = engine.rows(X, problem.y)
    net, other = engine.fit(Rows(X=sparse.csr_matrix(X), y=rows.y), max_iter=3)
    for ours, theirs in zip(net.parameters(), dense.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    np.testing.assert_array_equal(run["train_loss"], other["train_loss"])


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_training_leaves_the_random_states_and_threads_of_the_process_alone(engine, problem, solver):
    numpys, torchs, threads = np.random.get_state()[1].copy(), torch.get_rng_state(), torch.get_num_threads()  # noqa: NPY002
    engine.fit(engine.rows(problem.X, problem.y), spec={"dropout": (0.5,)}, max_iter=2, solver=solver)
    np.testing.assert_array_equal(np.random.get_state()[1], numpys)  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), torchs)
    assert torch.get_num_threads() == threads


def test_the_same_random_state_gives_the_same_network_also_with_dropout(engine, problem):
    rows = engine.rows(problem.X, problem.y)
    first, second = (engine.fit(rows, spec={"dropout": (0.5,)}, max_iter=3)[0] for _ in range(2))
    other, _ = engine.fit(rows, spec={"dropout": (0.4,)}, max_iter=3)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.coefs[0], other.coefs[0])
