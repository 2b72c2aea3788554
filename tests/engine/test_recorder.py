"""What a training records of itself: when, of which rows, and within which time."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import scipy.sparse
import torch
from scipy.stats import sem

from planefold.core.errors import ModelFileError
from planefold.engine import OBJECTIVES, Rows, Run
from planefold.engine.budget import Budget
from planefold.engine.facts import found_classes, given, scale_of_inputs
from planefold.engine.judge import Judge
from planefold.engine.loop import Memory
from planefold.networks import MLPSpec

EVERYTHING = math.inf
fold = np.arange(60) % 5
LEARN = np.array([np.flatnonzero(fold != k) for k in range(3)])
HELD = np.array([np.flatnonzero(fold == k) for k in range(3)])


class Clock:
    """A clock that goes on by the same step each time it is read."""

    def __init__(self, step=1e-3):
        self.now, self.step = 0.0, step

    def __call__(self):
        self.now += self.step
        return self.now


def _halves(engine, problem):
    return engine.rows(problem.X[:40], problem.y[:40]), engine.rows(problem.X[40:], problem.y[40:])


def _weights_of(net):
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def _followed(engine, rows, more, *, spec=None, n_rows=3, **plan):
    """Train and keep the network of every epoch."""
    net = MLPSpec(n_features=n_rows, n_outputs=rows.y.shape[1], hidden_layer_sizes=(6,), **(spec or {})).build(
        np.random.RandomState(0), dtype=torch.float64
    )
    states = {0: _weights_of(net)}
    more = {"callbacks": [lambda epoch: states.update({epoch.epoch: _weights_of(net)})]} | more
    net, run = engine.fit(rows, net=net, more=more, **plan)
    return net, run, states


def _losses(net, state, X, y):
    other = net.spec.build(np.random.RandomState(0), dtype=torch.float64)
    other.load_state_dict(state)
    with torch.no_grad():
        return 0.5 * (other(X) - y)[..., 0].square().numpy()


def test_the_figures_of_every_epoch_are_those_of_its_network(engine, problem):
    rows, judge = _halves(engine, problem)
    more = {
        "validation": judge,
        "record": Budget(share=EVERYTHING),
        "score": lambda p, y, w: (p > 0).double().mean((1, 2)),
    }
    net, run, states = _followed(engine, rows, more, max_iter=5, batch_size=8, restore_best=False)
    assert list(run["epoch"]) == [0, 1, 2, 3, 4, 5]
    assert run.n_eval == 40
    for number, epoch in enumerate(run.epochs):
        train, val = (_losses(net, states[number], part.X, part.y)[0] for part in (rows, judge))
        assert epoch.train_eval == pytest.approx(train.mean(), rel=1e-10)
        assert epoch.train_se == pytest.approx(sem(train), rel=1e-10)
        assert epoch.val_loss == pytest.approx(val.mean(), rel=1e-10)
        assert epoch.val_se == pytest.approx(sem(val), rel=1e-10)
        np.testing.assert_allclose(run.val_rows[number], val.astype(np.float16))
        with torch.no_grad():
            state = states[number]
            a = torch.relu(rows.X @ state["coefs.0"] + state["intercepts.0"])
        assert epoch.activation_mean[0] == pytest.approx(float(a.mean()), rel=1e-10)
        assert epoch.activation_std[0] == pytest.approx(float(a.std(correction=0)), rel=1e-10)
        assert epoch.train_score is not None


def test_of_members_each_is_judged_on_its_own_rows(engine, problem):
    rows, judge = (engine.rows(problem.X, problem.y, members=members) for members in (LEARN, HELD))
    more = {"validation": judge, "record": Budget(share=EVERYTHING)}
    net, run, states = _followed(engine, rows, more, spec={"n_members": 3}, max_iter=3, restore_best=False)
    for number, epoch in enumerate(run.epochs):
        losses = _losses(net, states[number], rows.X, rows.y)
        train = np.array([losses[m, own] for m, own in enumerate(LEARN)])
        val = np.array([losses[m, own] for m, own in enumerate(HELD)])
        assert epoch.train_eval == pytest.approx(train.mean(), rel=1e-10)
        assert epoch.val_loss == pytest.approx(val.mean(), rel=1e-10)
        moved = (val - val.mean(axis=1, keepdims=True)) / 36
        assert epoch.val_se == pytest.approx(np.sqrt(36 / 35 * (moved**2).sum()), rel=1e-10)
        np.testing.assert_allclose(run.val_rows[number], val.ravel().astype(np.float16))


def test_weights_of_rows_count_in_the_losses_and_not_in_the_losses_of_single_rows(engine, problem):
    weights = np.linspace(0, 2, 60)
    rows, judge = (engine.rows(problem.X[s], problem.y[s], weights[s]) for s in (slice(0, 40), slice(40, 60)))
    net, run, states = _followed(engine, rows, {"validation": judge}, max_iter=1)
    train, val = (_losses(net, states[0], part.X, part.y)[0] for part in (rows, judge))
    start = run.epochs[0]
    assert start.train_eval == pytest.approx(np.average(train, weights=weights[:40]))
    assert start.val_loss == pytest.approx(np.average(val, weights=weights[40:]))
    np.testing.assert_allclose(run.val_rows[0], val.astype(np.float16))


def test_sparse_rows_are_recorded_as_dense_ones(engine, problem):
    X = np.where(np.abs(problem.X) > 0.5, problem.X, 0.0)
    runs = []
    for table in (torch.as_tensor(X), scipy.sparse.csr_matrix(X)):
        rows = Rows(X=table, y=torch.as_tensor(problem.y))
        runs.append(engine.fit(rows, max_iter=2, more={"record": Budget(share=EVERYTHING), "validation": rows})[1])
    dense, sparse = runs
    for name in ("train_eval", "train_se", "val_se", "activation_std"):
        np.testing.assert_allclose(sparse[name], dense[name], rtol=1e-9)
    assert sparse.facts == pytest.approx(dense.facts, rel=1e-9)


def test_without_held_out_rows_there_is_a_start_on_record_and_no_row_of_its_own(engine, problem):
    _, run = engine.fit(engine.rows(problem.X, problem.y), max_iter=2)
    assert [epoch.epoch for epoch in run.epochs] == [0, 1, 2]
    assert run.n_epochs == 2
    start = run.epochs[0]
    assert math.isnan(start.train_loss)
    assert (start.val_loss, start.val_se, run.val_rows, run.trivial_val_loss) == (None, None, None, None)
    assert start.train_eval > 0
    assert len(start.activation_std) == len(start.duplicate_share) == 1


def test_without_recording_the_losses_remain(engine, problem):
    rows, judge = _halves(engine, problem)
    _, run = engine.fit(rows, max_iter=2, more={"record": False, "validation": judge})
    assert np.isfinite(run["val_loss"]).all()
    assert run.val_rows is None
    assert run.facts == {}
    assert run.settings["solver"] == "adam"
    for name in ("train_eval", "val_se", "train_se"):
        assert np.isnan(run[name]).all()
    assert run["update_ratio"].size == run["activation_mean"].size == 0


def test_what_must_be_known_is_measured_whatever_the_budget_and_no_more(engine, problem):
    rows, judge = _halves(engine, problem)
    _, run = engine.fit(
        rows, hidden=(30,), max_iter=40, batch_size=10, learning_rate_init=0.03,
        more={"record": Budget(share=0.0), "validation": judge},
    )  # fmt: skip
    assert 1 < run.best_epoch < run.n_epochs
    measured = [epoch.epoch for epoch in run.epochs if epoch.train_eval is not None]
    assert measured == [0, 1, run.best_epoch, run.n_epochs]
    assert [epoch.epoch for epoch in run.epochs if epoch.activation_mean] == [0, 1, run.n_epochs]
    assert [epoch.epoch for epoch in run.epochs if epoch.update_ratio] == [1]
    assert np.isfinite(run["val_se"]).all()


def test_a_budget_thins_out_the_measurements_and_is_kept(engine, problem):
    counts, shares = [], (0.02, 0.1, 0.5)
    for share in shares:
        clock = Clock()
        budget = Budget(share=share, clock=clock)
        ticks = [lambda epoch, clock=clock: setattr(clock, "now", clock.now + 0.05)]  # an epoch takes fifty readings
        rows = engine.rows(problem.X, problem.y)
        plan = {"max_iter": 300, "n_iter_no_change": math.inf, "batch_size": 30, "tol": 0.0}
        _, run = engine.fit(rows, more={"record": budget, "callbacks": ticks}, **plan)
        assert run.recording_seconds == budget.spent <= share * clock.now + 0.02
        measured = np.flatnonzero(np.isfinite(run["train_eval"]))
        counts.append(len(measured))
        assert np.diff(measured[2:-1]).max() <= 3 * np.median(np.diff(measured[2:-1])) + 10  # evenly
    assert counts == sorted(counts)
    assert 5 < counts[0] < counts[-1] <= 301
    assert counts[-1] > 200


def test_layers_are_looked_at_in_epochs_that_lie_further_and_further_apart(engine, problem):
    plan = {"max_iter": 60, "n_iter_no_change": math.inf, "batch_size": 30}
    _, run = engine.fit(engine.rows(problem.X, problem.y), more={"record": Budget(share=EVERYTHING)}, **plan)
    looked = [epoch.epoch for epoch in run.epochs if epoch.update_ratio]
    assert looked[:5] == [1, 2, 3, 4, 5]
    assert 15 < len(looked) < 25
    gaps = np.diff(looked)
    assert (np.diff(gaps) >= 0).all()
    assert np.isfinite(run["train_eval"]).all()


def test_the_last_epoch_is_complete_however_the_training_ends(engine, problem):
    rows, judge = _halves(engine, problem)
    for more in ({"callbacks": [lambda epoch: epoch.epoch == 7]}, {"validation": judge}):
        _, run = engine.fit(rows, max_iter=30, n_iter_no_change=3, more=more | {"record": Budget(share=0.0)})
        last = run.epochs[-1]
        assert last.train_eval is not None
        assert last.activation_std


def test_a_training_that_diverges_has_a_record(engine, problem):
    rows, judge = _halves(engine, problem)
    plan = {"solver": "sgd", "learning_rate_init": 1e30, "momentum": 0.0, "max_iter": 5}
    _, run = engine.fit(rows, more={"validation": judge}, **plan)
    assert run.stopped_because == "diverged"
    assert run.restored_best
    assert np.isfinite(run.facts["kept_train_loss"])
    read = Run.from_lines(run.to_lines())
    np.testing.assert_array_equal(read.val_rows, run.val_rows)


def test_ctrl_c_leaves_a_record_of_what_was_reached(engine, problem):
    rows, judge = _halves(engine, problem)

    def interrupt(epoch):
        if epoch.epoch == 3:
            raise KeyboardInterrupt

    for solver in ("adam", "lbfgs"):
        _, run = engine.fit(rows, max_iter=9, solver=solver, more={"validation": judge, "callbacks": [interrupt]})
        assert run.stopped_because == "interrupted"
        assert run.val_rows.shape == (4, 20)
        assert np.isfinite(run["val_se"]).all()


def test_the_same_up_to_512_held_out_rows_are_kept_in_every_epoch(engine):
    rng = np.random.RandomState(0)
    X, y = rng.randn(1200, 2), rng.randn(1200, 1)
    rows, judge = engine.rows(X[:100], y[:100]), engine.rows(X[100:], y[100:])
    net, run, states = _followed(engine, rows, {"validation": judge}, n_rows=2, max_iter=2)
    assert run.val_rows.shape == (3, 512)
    assert run.val_rows.dtype == np.float16
    places = np.linspace(0, 1099, 512).astype(int)
    for number in range(3):
        losses = _losses(net, states[number], judge.X, judge.y)[0]
        np.testing.assert_allclose(run.val_rows[number], losses[places].astype(np.float16))
        assert run.epochs[number].val_se == pytest.approx(sem(losses))


def test_losses_that_no_half_float_holds_are_cut(engine, problem):
    y = 1e6 * problem.y
    _, run = engine.fit(engine.rows(problem.X, y), max_iter=1, more={"validation": engine.rows(problem.X, y)})
    assert np.isfinite(run.val_rows).all()
    assert run.val_rows.max() == np.finfo(np.float16).max


def test_very_many_held_out_values_are_taken_stock_of_on_the_way(engine, problem, monkeypatch):
    from planefold.engine import recorder

    rows, judge = _halves(engine, problem)
    plan = {"max_iter": 9, "more": {"validation": judge}}
    _, at_once = engine.fit(rows, **plan)
    monkeypatch.setattr(recorder, "VALUES_AT_ONCE", 70)
    _, in_parts = engine.fit(rows, **plan)
    np.testing.assert_array_equal(in_parts.val_rows, at_once.val_rows)
    np.testing.assert_array_equal(in_parts["val_se"], at_once["val_se"])
    monkeypatch.setattr(recorder, "MAX_VAL_VALUES", 100)
    _, thinned = engine.fit(rows, **plan)
    np.testing.assert_array_equal(thinned.val_rows, at_once.val_rows[:, ::2])


def test_of_long_trainings_a_file_holds_every_so_many_th_row_with_its_exact_bits(engine, problem, monkeypatch):
    from planefold.engine import run as of_runs

    rows, judge = _halves(engine, problem)
    _, run = engine.fit(rows, max_iter=9, learning_rate_init=0.5, more={"validation": judge})
    strange = run.val_rows.copy()
    strange[3, :4] = [np.inf, -np.inf, -0.0, 6e-8]
    run = dataclasses.replace(run, val_rows=strange)
    whole = Run.from_lines(run.to_lines())
    np.testing.assert_array_equal(whole.val_rows.view(np.uint16), strange.view(np.uint16))
    monkeypatch.setattr(of_runs, "MAX_WRITTEN_VALUES", 70)
    np.testing.assert_array_equal(Run.from_lines(run.to_lines()).val_rows, strange[:, ::3])


def test_the_kept_weights_are_judged_by_as_many_rows_as_there_is_time_for(engine):
    rng = np.random.RandomState(0)
    X = rng.randn(3000, 2)
    rows = engine.rows(X, X[:, :1])
    counts = [
        engine.fit(rows, max_iter=1, more={"record": Budget(share=share)})[1].facts["kept_train_rows"]
        for share in (0.0, EVERYTHING)
    ]
    assert counts == [256, 2000]


def test_looks_that_are_put_off_are_told_as_if_taken_stock_of_at_once(engine, problem, monkeypatch):
    from planefold.engine import recorder

    rows, judge = _halves(engine, problem)
    more = {"validation": judge, "score": lambda p, y, w: (p > y).double().mean((1, 2))}
    runs = []
    for values in (recorder.VALUES_AT_ONCE, 1, 90):
        monkeypatch.setattr(recorder, "VALUES_AT_ONCE", values)
        runs.append(engine.fit(rows, max_iter=7, more=more | {"record": Budget(share=EVERYTHING)})[1])
    for name in ("train_eval", "train_se", "train_score", "val_se"):
        assert np.isfinite(runs[0][name]).all()
        for run in runs[1:]:
            np.testing.assert_allclose(run[name], runs[0][name], rtol=1e-12)


def test_lbfgs_has_a_start_an_end_and_every_row(engine, problem):
    rows, judge = _halves(engine, problem)
    more = {"validation": judge, "record": Budget(share=0.0)}
    net, run, states = _followed(engine, rows, more, solver="lbfgs", max_iter=6)
    assert [epoch.epoch for epoch in run.epochs if epoch.train_eval is not None] == [0, 1, 6]
    for number in (0, 6):
        train = _losses(net, states[number], rows.X, rows.y)[0]
        assert run.epochs[number].train_eval == pytest.approx(train.mean(), rel=1e-10)
    np.testing.assert_allclose(run.val_rows[6], _losses(net, states[6], judge.X, judge.y)[0].astype(np.float16))
    assert run.settings["solver"] == "lbfgs"
    assert run.facts["kept_train_loss"] == pytest.approx(run.epochs[-1].train_eval)


def test_a_later_instalment_measures_only_what_the_budget_allows(engine, problem):
    rows, memory = engine.rows(problem.X, problem.y), Memory()
    more = {"memory": memory, "record": Budget(share=0.0)}
    net, first = engine.fit(rows, max_iter=1, more=more)
    _, later = engine.fit(rows, net=net, max_iter=1, more={"memory": memory})
    assert np.isfinite(first["train_eval"]).all()
    assert np.isnan(later["train_eval"]).all()
    assert later.facts == {}
    memory.budget.share = EVERYTHING
    _, last = engine.fit(rows, net=net, max_iter=1, more={"memory": memory})
    assert np.isfinite(last["train_eval"]).all()
    assert last.facts


# ------------------------------------------------------------------------------------------ trivial losses


def test_the_trivial_rule_of_the_training_rows_is_also_tried_on_the_held_out_ones(engine, problem):
    rows, judge = _halves(engine, problem)
    _, run = engine.fit(rows, max_iter=1, more={"validation": judge})
    mean = problem.y[:40].mean()
    assert run.trivial_loss == pytest.approx(0.5 * problem.y[:40].var())
    assert run.trivial_val_loss == pytest.approx(0.5 * np.mean((problem.y[40:] - mean) ** 2))


def test_of_classes_the_trivial_rule_is_the_shares_of_the_training_rows(engine):
    codes = np.array([0] * 20 + [1] * 10 + [2] * 10)
    rng = np.random.RandomState(0)
    rows = engine.rows(rng.randn(40, 2), np.eye(3)[codes])
    judge = engine.rows(rng.randn(9, 2), np.eye(3)[[0, 1, 2] * 3])
    _, run = engine.fit(rows, "log_loss", max_iter=1, more={"validation": judge})
    assert run.trivial_val_loss == pytest.approx(-np.mean(np.log([0.5, 0.25, 0.25])))


# ------------------------------------------------------------------------------------------------- facts


def test_the_scales_of_numeric_inputs_are_told_and_those_of_flags_are_not(engine):
    rng = np.random.RandomState(0)
    X = np.column_stack([rng.randn(5000), 1000 * rng.randn(5000) + 7000, 1e6 * (rng.rand(5000) > 0.5), np.ones(5000)])
    facts = given(engine.rows(X, rng.randn(5000, 1) * 30 + 90), OBJECTIVES["squared_error"])
    assert facts["input_scale"] == pytest.approx(1000, rel=0.2)
    assert facts["input_scale_ratio"] == pytest.approx(1000, rel=0.3)
    assert facts["input_offset"] == pytest.approx(7, rel=0.2)
    assert (facts["input_scale_column"], facts["input_offset_column"]) == (1, 1)
    assert facts["target_scale"] == pytest.approx(30, rel=0.2)
    assert facts["target_offset"] == pytest.approx(3, rel=0.2)


@pytest.mark.parametrize("X", [np.zeros((40, 2)), np.eye(4)[np.arange(40) % 4], np.ones((1, 3)), np.zeros((5, 0))])
def test_inputs_without_a_number_have_no_scale(X):
    assert scale_of_inputs(X) == {}


def test_a_column_that_is_mostly_zero_is_measured_by_its_other_values():
    X = np.zeros((100, 1))
    X[::5, 0] = np.arange(20)
    assert scale_of_inputs(X)["input_scale"] == pytest.approx(X.std(), rel=0.1)


@pytest.mark.parametrize("value", [1e300, 1e-300, 1e38])
def test_facts_are_finite_numbers_whatever_the_inputs(engine, value):
    X = np.array([[value * (k % 7), k] for k in range(50)])
    for fact in given(engine.rows(X, X[:, :1]), OBJECTIVES["squared_error"]).values():
        assert np.isfinite(fact)


def test_very_wide_rows_are_few(engine, monkeypatch):
    from planefold.engine import facts

    monkeypatch.setattr(facts, "N_VALUES", 70 * 1000)
    X = scipy.sparse.random(3000, 1000, density=0.01, format="csr", random_state=0)
    taken = []
    monkeypatch.setattr(facts, "scale_of_inputs", lambda X: taken.append(X.shape) or {})
    given(Rows(X=X, y=torch.zeros(3000, 1)), OBJECTIVES["squared_error"])
    assert taken == [(70, 1000)]


@pytest.mark.parametrize(("name", "y", "share"), [
    ("poisson", [[-1.0], [2.0], [0.0], [5.0]], 0.25), ("binary_log_loss", [[0.0], [1.0], [2.0], [-1.0]], 0.5),
    ("log_loss", [[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [1.0, 0.0]], 0.0), ("squared_error", [[-9.0]] * 4, None),
])  # fmt: skip
def test_targets_outside_of_what_the_output_can_give_are_counted(engine, name, y, share):
    assert given(engine.rows(np.zeros((4, 1)), y), OBJECTIVES[name]).get("targets_outside") == share


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_classes_are_counted_and_found_by_the_weights_that_are_kept(engine, n_members, n_classes):
    rng = np.random.RandomState(0)
    codes = rng.choice(n_classes, 60, p=[0.2, 0.8] if n_classes == 2 else [0.2, 0.5, 0.3])
    X = rng.randn(60, 3) + codes[:, None]
    y = codes[:, None] if n_classes == 2 else np.eye(3)[codes]
    members, held = (LEARN, HELD) if n_members == 3 else (None, None)
    rows, judge = (engine.rows(X, y, members=table) for table in (members, held))
    name = "binary_log_loss" if n_classes == 2 else "log_loss"
    net, run = engine.fit(
        rows, name, hidden=(20,), max_iter=30, learning_rate_init=0.05, spec={"n_members": n_members},
        more={"validation": judge},
    )  # fmt: skip
    with torch.no_grad():
        outputs = net(judge.X).numpy()
    assert run.facts["class_counts"] == np.bincount(codes, minlength=n_classes).tolist()
    right, counts = np.zeros(n_classes), np.zeros(n_classes)
    for m in range(n_members):
        for row in range(60) if held is None else held[m]:
            decided = int(outputs[m, row, 0] > 0) if n_classes == 2 else outputs[m, row].argmax()
            right[codes[row]] += decided == codes[row]
            counts[codes[row]] += 1
    assert run.facts["class_support"] == counts.astype(int).tolist()
    np.testing.assert_allclose(run.facts["class_recall"], right / counts)
    assert run.facts["targets_outside"] == 0.0


def test_members_that_hold_out_the_same_rows_decide_together(engine):
    judge = Judge(OBJECTIVES["binary_log_loss"], engine.rows(np.zeros((3, 1)), [[0.0], [1.0], [1.0]]))
    judge.take(torch.tensor([[[-1.0], [3.0], [1.0]], [[-1.0], [-2.0], [-2.0]]], dtype=torch.float64))
    assert found_classes(judge) == {"class_recall": [1.0, 0.5], "class_support": [1, 2]}


def test_rows_of_weight_zero_and_padding_support_no_class(engine):
    members = np.array([[0, 1], [2, -1]])
    judge = Judge(
        OBJECTIVES["binary_log_loss"], engine.rows(np.zeros((3, 1)), [[0.0], [1.0], [1.0]], [1.0, 0.0, 1.0], members)
    )
    judge.take(torch.full((2, 2, 1), 5.0, dtype=torch.float64))
    assert found_classes(judge) == {"class_recall": [0.0, 1.0], "class_support": [1, 1]}


def test_resampled_rows_are_counted_once(engine):
    members = np.array([[0, 1, 2, 3, 3, 3, 3]])
    rows = engine.rows(np.arange(5.0)[:, None], [[0.0], [0.0], [0.0], [1.0], [1.0]], members=members)
    assert given(rows, OBJECTIVES["binary_log_loss"])["class_counts"] == [3, 1]


def test_the_kept_weights_are_judged_by_up_to_2000_rows(engine):
    rng = np.random.RandomState(0)
    X = rng.randn(5000, 2)
    rows = engine.rows(X, X[:, :1] + rng.randn(5000, 1))
    net, run = engine.fit(rows, max_iter=2, more={"record": Budget(share=EVERYTHING)})
    with torch.no_grad():
        losses = 0.5 * (net(rows.X) - rows.y)[0, :, 0].square().numpy()
    places = np.linspace(0, 4999, 2000).astype(int)
    assert run.n_eval == 256
    assert run.facts["kept_train_rows"] == 2000
    assert run.facts["kept_train_loss"] == pytest.approx(losses[places].mean())
    assert run.facts["kept_train_se"] == pytest.approx(sem(losses[places]))
    assert run.facts["lowest_loss"] == pytest.approx(losses[places].min())


# ---------------------------------------------------------------------------------------------- settings


def test_the_settings_are_those_in_force(engine, problem):
    plan = {"batch_size": 500, "max_iter": 2, "alpha": 0.3, "clip_norm": 2.0, "n_iter_no_change": math.inf}
    _, run = engine.fit(
        engine.rows(problem.X, problem.y), hidden=(5, 4), spec={"dropout": (0.2, 0.2), "skip": True},
        more={"settings": {"preprocess": "auto"}}, **plan,
    )  # fmt: skip
    expected = {
        "batch_size": 60, "max_iter": 2, "alpha": 0.3, "clip_norm": 2.0, "n_iter_no_change": None, "dropout": 0.2,
        "hidden_layer_sizes": [5, 4], "skip": "linear", "preprocess": "auto", "solver": "adam", "early_stopping": False,
        "learning_rate": "constant", "learning_rate_init": 0.001, "loss": "squared_error", "init": "auto",
    }  # fmt: skip
    assert {name: run.settings[name] for name in expected} == expected


# -------------------------------------------------------------------------------- written and read again


@pytest.fixture(scope="module")
def recorded():
    rng = np.random.RandomState(0)
    rows = Rows(X=torch.as_tensor(rng.randn(60, 2)), y=torch.as_tensor(rng.randn(60, 1)))
    from planefold.engine import Plan, train

    net = MLPSpec(n_features=2, n_outputs=1, hidden_layer_sizes=(3,)).build(rng, dtype=torch.float64)
    return train(net, rows, OBJECTIVES["squared_error"], Plan(max_iter=3), random_state=rng, validation=rows)


def test_a_record_is_read_as_it_was_written(recorded):
    read = Run.from_lines(recorded.to_lines())
    np.testing.assert_array_equal(read.val_rows, recorded.val_rows)
    assert read.val_rows.dtype == np.float16
    assert read.settings == recorded.settings
    assert read.facts == recorded.facts
    for field in dataclasses.fields(Run):
        if field.name not in ("epochs", "val_rows"):
            assert getattr(read, field.name) == getattr(recorded, field.name)


def _changed(run, **changes):
    import json

    whole, *epochs = run.to_lines()
    return [json.dumps(json.loads(whole) | changes), *epochs]


def _packed(run):
    import json

    return json.loads(next(iter(run.to_lines())))["val_rows"]


@pytest.mark.parametrize("change", [
    lambda n, m, text: [n, m, text[:-9]], lambda n, m, text: [n, m, "!!" + text], lambda n, m, text: [n, 10 * m, text],
    lambda n, m, text: [n, m - 1, text], lambda n, m, text: [n - 1, m, text], lambda n, m, text: [10**12, m, text],
    lambda n, m, text: [n, 10**12, text], lambda n, m, text: [n, 0, text], lambda n, m, text: [n, -m, text],
    lambda n, m, text: [n, m], lambda n, m, text: text, lambda n, m, text: {"n": n}, lambda n, m, text: [n, m, None],
    lambda n, m, text: [str(n), str(m), text], lambda n, m, text: [n, m, "é"], lambda n, m, text: [n, float(m), text],
    lambda n, m, text: [n, True, text], lambda n, m, text: 7,
])  # fmt: skip
def test_rows_that_are_damaged_are_refused(recorded, change):
    with pytest.raises(ModelFileError, match="held-out rows"):
        Run.from_lines(_changed(recorded, val_rows=change(*_packed(recorded))))


def test_a_bomb_is_not_unpacked(recorded):
    import base64
    import tracemalloc
    import zlib

    bomb = base64.b64encode(zlib.compress(bytes(200_000_000), 9)).decode()
    lines = _changed(recorded, val_rows=[4, 60, bomb])
    tracemalloc.start()
    with pytest.raises(ModelFileError):
        Run.from_lines(lines)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize("name", ["settings", "facts"])
@pytest.mark.parametrize("value", [[1], "x", None, 3])
def test_settings_and_facts_must_be_mappings(recorded, name, value):
    with pytest.raises(ModelFileError, match=name):
        Run.from_lines(_changed(recorded, **{name: value}))


def test_a_file_of_before_these_fields_is_read(recorded):
    import json

    whole, *epochs = recorded.to_lines()
    new = {"trivial_val_loss", "val_rows", "n_eval", "settings", "facts", "recording_seconds"}
    new_of_epochs = {"duplicate_share", "val_se", "train_eval", "train_se", "train_score"}
    old = [json.dumps({k: v for k, v in json.loads(whole).items() if k not in new})]
    old += [json.dumps({k: v for k, v in json.loads(line).items() if k not in new_of_epochs}) for line in epochs]
    read = Run.from_lines(old)
    assert (read.val_rows, read.facts, read.settings, read.n_eval) == (None, {}, {}, 0)
    assert read["val_loss"].tolist() == recorded["val_loss"].tolist()
