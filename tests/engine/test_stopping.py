"""When training stops, and which weights it leaves."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from planefold.core.errors import TrainingError
from planefold.engine import Plan
from planefold.engine.loop import Memory
from planefold.engine.stopping import BestWeights, Patience
from planefold.networks import MLPSpec

LOSSES = st.lists(st.one_of(st.floats(0, 5), st.sampled_from([math.nan, math.inf])), max_size=30)


def _stops_at(losses, tol, limit):
    """Scikit-learn's rule, with a loop over all that came before instead of a counter."""
    for last in range(len(losses)):
        count = 0
        for index in range(last, -1, -1):
            before = [loss for loss in losses[:index] if not math.isnan(loss)]
            best = min(before, default=math.inf)
            if losses[index] < math.inf and losses[index] <= best - tol:
                break
            count += 1
        if count > limit:
            return last
    return None


@given(losses=LOSSES, tol=st.sampled_from([0.0, 0.1, 1.0]), limit=st.integers(1, 5))
def test_patience_runs_out_where_a_plain_count_says(losses, tol, limit):
    patience = Patience(Plan(tol=tol, n_iter_no_change=limit))
    stopped = next((index for index, loss in enumerate(losses) if patience.offer(loss)), None)
    assert stopped == _stops_at(losses, tol, limit)


def _halves(engine, problem):
    return engine.rows(problem.X[:30], problem.y[:30]), engine.rows(problem.X[30:], problem.y[30:])


def _recorder(engine, kept):
    """A callback cannot see the network: it is handed over here."""

    def record(epoch):
        kept["weights"].append(engine.weights(kept["net"]))

    return record


def _watched_fit(engine, problem, callback=None, **plan):
    """Train with held-out rows on a problem that overfits, and keep the weights of every epoch."""
    rows, judge = _halves(engine, problem)
    net, _ = engine.fit(rows, hidden=(30,), max_iter=1, learning_rate_init=1e-12)
    kept = {"net": net, "weights": [engine.weights(net)]}
    callbacks = [_recorder(engine, kept), *([callback] if callback else [])]
    plan = {"learning_rate_init": 0.03, "n_iter_no_change": 15, "max_iter": 150, "batch_size": 10} | plan
    _, run = engine.fit(rows, net=net, more={"validation": judge, "callbacks": callbacks}, **plan)
    return net, run, kept["weights"]


def _same(net, weights):
    return all(torch.equal(a, b) for a, b in zip(net.parameters(), weights, strict=True))


def test_the_weights_of_the_best_epoch_are_restored(engine, problem):
    net, run, weights = _watched_fit(engine, problem)
    best = int(np.argmin(run["val_loss"]))  # the first epoch on record is number 0
    assert 0 < best < run.n_epochs
    assert run.best_epoch == best
    assert run.restored_best
    assert run.stopped_because == "no_improvement"
    assert _same(net, weights[best])
    assert [epoch.epoch for epoch in run.epochs] == list(range(run.n_epochs + 1))


def test_the_last_weights_stay_where_that_is_wanted_and_the_best_epoch_is_still_known(engine, problem):
    net, run, weights = _watched_fit(engine, problem, restore_best=False)
    assert run.best_epoch == int(np.argmin(run["val_loss"])) < run.n_epochs
    assert not run.restored_best
    assert _same(net, weights[-1])


def test_the_start_is_kept_where_training_only_does_harm(engine, problem):
    net, run, weights = _watched_fit(engine, problem, solver="sgd", learning_rate_init=5.0, max_iter=3)
    assert run.best_epoch == 0
    assert _same(net, weights[0])


def test_without_held_out_rows_no_epoch_is_best(engine, problem):
    _, run = engine.fit(engine.rows(problem.X, problem.y), max_iter=2)
    assert (run.best_epoch, run.restored_best, run.n_val) == (None, False, 0)
    assert np.isnan(run["val_loss"]).all()


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_ctrl_c_keeps_what_was_reached(engine, problem, solver):
    def interrupt(epoch):
        if epoch.epoch == 6:
            raise KeyboardInterrupt

    net, run, weights = _watched_fit(engine, problem, interrupt, solver=solver)
    assert run.stopped_because == "interrupted"
    assert run.n_epochs == 6
    assert _same(net, weights[run.best_epoch if solver == "adam" else 6])


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_a_callback_that_returns_true_stops_and_one_that_returns_something_else_does_not(engine, problem, solver):
    _, run, _ = _watched_fit(engine, problem, lambda epoch: epoch.epoch == 4 or "yes", solver=solver)
    assert run.stopped_because == "callback"
    assert run.n_epochs == 4


def test_every_callback_is_called_also_after_one_that_stops(engine, problem):
    seen = []
    more = {"callbacks": [lambda epoch: True, lambda epoch: seen.append(epoch.epoch)]}
    for solver in ("adam", "lbfgs"):
        engine.fit(engine.rows(problem.X, problem.y), more=more, solver=solver)
    assert seen == [1, 1]


DIVERGES = {"solver": "sgd", "learning_rate_init": 1e30, "momentum": 0.0, "n_iter_no_change": np.inf}


def test_a_loss_that_is_no_number_ends_the_training_and_the_best_weights_are_kept(engine, problem):
    net, run, weights = _watched_fit(engine, problem, **DIVERGES)
    assert run.stopped_because == "diverged"
    assert not math.isfinite(run.epochs[-1].objective) or math.isnan(run.epochs[-1].val_loss)
    assert run.restored_best
    assert _same(net, weights[run.best_epoch])
    assert all(bool(torch.isfinite(p).all()) for p in net.parameters())


def test_a_last_step_that_destroys_the_weights_is_seen_before_training_ends(engine, problem):
    _, run, _ = _watched_fit(engine, problem, **DIVERGES | {"max_iter": 1, "learning_rate_init": 1e200})
    assert run.stopped_because == "diverged"


def test_without_validation_a_diverging_training_keeps_the_weights_of_its_lowest_objective(engine, problem):
    weights = {}
    net = MLPSpec(n_features=3, n_outputs=1, hidden_layer_sizes=()).build(np.random.RandomState(0), dtype=torch.float64)
    # Of a linear model, at a rate that rises: first it learns, then every step multiplies the error.
    rising = DIVERGES | {"learning_rate": "one_cycle", "learning_rate_init": 3.0, "batch_size": 10, "max_iter": 500}
    keep = lambda epoch: weights.update({epoch.epoch: [p.detach().clone() for p in net.parameters()]})  # noqa: E731
    _, run = engine.fit(engine.rows(problem.X, problem.y), net=net, more={"callbacks": [keep]}, **rising)
    assert run.stopped_because == "diverged"
    assert run.restored_best
    assert run.best_epoch == min(run.epochs[1:], key=lambda epoch: epoch.objective).epoch - 1 > 0
    assert _same(net, weights[run.best_epoch])


def test_where_nothing_can_be_kept_an_error_says_what_to_try(engine, problem):
    with pytest.raises(TrainingError, match="learning rate ten times lower") as caught:
        engine.fit(engine.rows(problem.X, problem.y), **DIVERGES | {"learning_rate_init": 1e200})
    assert "learning_rate_init=1e+200" in str(caught.value)
    with pytest.raises(TrainingError) as caught, np.errstate(all="ignore"):
        engine.fit(engine.rows(1e200 * problem.X, 1e200 * problem.y), solver="lbfgs", max_iter=3)
    assert "learning" not in str(caught.value)


def test_lbfgs_records_the_held_out_loss_and_lets_it_decide_nothing(engine, problem):
    rows, judge = _halves(engine, problem)
    net, run = engine.fit(rows, solver="lbfgs", max_iter=5, more={"validation": judge})
    with torch.no_grad():
        loss = float(0.5 * (net(judge.X)[0] - judge.y).square().mean())
    assert run.epochs[-1].val_loss == pytest.approx(loss, rel=1e-12)
    assert not run.restored_best
    assert run.best_epoch == int(np.argmin(run["val_loss"]))


def test_the_score_is_recorded_beside_the_loss(engine, problem):
    rows, judge = _halves(engine, problem)

    def score(predictions, targets, weights):
        return -(predictions - targets).square().mean(dim=(1, 2))

    _, run = engine.fit(rows, max_iter=3, more={"validation": judge, "score": score})
    np.testing.assert_allclose(run["val_score"], -2 * run["val_loss"], rtol=1e-12)


def test_a_second_instalment_does_not_count_its_start_as_an_epoch_without_improvement(engine, problem):
    rows, judge = _halves(engine, problem)
    memory = Memory()
    net, _ = engine.fit(rows, max_iter=1, more={"validation": judge, "memory": memory}, restore_best=False)
    for _ in range(5):
        engine.fit(rows, net=net, max_iter=1, more={"validation": judge, "memory": memory}, restore_best=False)
    assert memory.patience.count == 0  # the loss fell each time


@given(
    losses=st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=1, max_size=12),
)
def test_members_leave_the_start_only_for_a_gain_above_its_standard_error(losses):
    theta = torch.zeros(1)
    best = BestWeights(SimpleNamespace(theta=theta, statistics=torch.zeros(0)))
    for number, members in enumerate(losses):
        theta.fill_(number)
        best.offer(number, torch.tensor(members, dtype=torch.float64))
    start = np.array(losses[0])
    clear = {0: start.mean()}
    for number, members in enumerate(losses[1:], start=1):
        gain = start - np.array(members)
        error = gain.std(ddof=1) / 2  # the root of four members
        assume(abs(gain.mean() - error) > 1e-6 * error or error == gain.mean() == 0)
        if gain.mean() > error:
            clear[number] = np.mean(members)
    assert best.loss == pytest.approx(min(clear.values()), abs=1e-9)
    best.restore()
    assert theta.item() == best.epoch


def test_the_run_names_the_epoch_whose_weights_were_kept(engine):
    """Noise alone: an epoch may be lowest by chance, and the start is kept all the same."""
    rng = np.random.RandomState(3)
    X, y = rng.randn(60, 3), rng.randn(60, 1)
    fold = np.arange(60) % 5
    members = np.array([np.flatnonzero(fold != k) for k in range(5)])
    held = np.array([np.flatnonzero(fold == k) for k in range(5)])
    rows, judge = engine.rows(X, y, members=members), engine.rows(X, y, members=held)
    kept = []
    for seed in range(6):
        seen = {}
        spec = {"n_members": 5, "skip": True}
        net = engine.fit(rows, spec=spec, seed=seed, max_iter=1, learning_rate_init=1e-9)[0]
        with torch.no_grad():  # start at the best constant, as a linear start does where there is nothing to learn
            for tensor in (net.coefs[-1], net.intercepts[-1], net.skip_coef):
                tensor.zero_()
        seen[0] = engine.weights(net)
        net, run = engine.fit(
            rows, net=net, seed=seed, max_iter=15, learning_rate_init=0.003, batch_size=12,
            more={"validation": judge, "callbacks": [lambda e, n=net, s=seen: s.update({e.epoch: engine.weights(n)})]},
        )  # fmt: skip
        assert all(torch.equal(a, b) for a, b in zip(seen[run.best_epoch], net.parameters(), strict=True))
        kept.append(run.best_epoch == int(np.argmin(run["val_loss"])))
    assert not all(kept)  # the rule was at work at least once


def test_the_gain_of_one_member_alone_is_not_clear():
    best = BestWeights(SimpleNamespace(theta=torch.zeros(1), statistics=torch.zeros(0)))
    best.offer(0, torch.tensor([0.5, 1e-6, 0.0, 0.0]))
    best.offer(1, torch.tensor([1e-6, 1e-6, 0.0, 0.0]))
    assert best.epoch == 0
