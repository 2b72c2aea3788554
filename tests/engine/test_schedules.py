"""Learning-rate schedules, number by number against torch's schedulers and scikit-learn's optimiser."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.neural_network._stochastic_optimizers import SGDOptimizer
from torch.optim import lr_scheduler

import planefold
from planefold.core.errors import ParameterError
from planefold.engine import Plan
from planefold.engine.plan import PROXIMAL_SOLVERS, SCHEDULES, STOCHASTIC_SOLVERS
from planefold.engine.schedules import OPTIONS, Rate, Schedule

FIRST = 0.4


def rate_of(schedule, solver="adam", **plan):
    return Rate(Plan(learning_rate=schedule, learning_rate_init=FIRST, solver=solver, **plan))


def torch_rates(make, n, losses=None):
    """The rates that a scheduler of torch gives to ``n`` steps (or epochs)."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=FIRST)
    scheduler = make(optimizer)
    rates = []
    for i in range(n):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(*([] if losses is None else [losses[i]]))
    return rates


def epoch_rates(rate, n, losses=None):
    """Our rates at the start of each of ``n`` epochs."""
    rates = []
    for i in range(n):
        rates.append(rate.at(i / n))
        rate.epoch_ends(10 * (i + 1), math.inf if losses is None else losses[i])
    return rates


# ------------------------------------------------------------------------------------------------- against torch


@pytest.mark.parametrize("final", [0.0, 0.05])
def test_cosine_is_torchs_in_every_step(final):
    n = 40
    theirs = torch_rates(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=n, eta_min=final * FIRST), n)
    ours = rate_of(Schedule(kind="cosine", final=final))
    np.testing.assert_allclose([ours.at(i / n) for i in range(n)], theirs, rtol=1e-9)


@pytest.mark.parametrize("every", [1, 4, 25])
def test_step_after_whole_epochs_is_torchs(every):
    theirs = torch_rates(lambda o: lr_scheduler.StepLR(o, step_size=every, gamma=0.3), 20)
    assert epoch_rates(rate_of(Schedule(kind="step", every=every, factor=0.3)), 20) == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("every", [(3, 11), (1,), [7, 12, 13], (0.15, 11)])
def test_step_at_milestones_is_torchs(every):
    milestones = [point if point >= 1 else round(point * 20) for point in every]
    theirs = torch_rates(lambda o: lr_scheduler.MultiStepLR(o, milestones, gamma=0.1), 20)
    assert epoch_rates(rate_of(Schedule(kind="step", every=every)), 20) == pytest.approx(theirs, rel=1e-12)


@given(n_parts=st.integers(2, 10), n_epochs_of_a_part=st.integers(1, 10))
def test_step_after_a_share_is_torchs_after_as_many_epochs(n_parts, n_epochs_of_a_part):
    n = n_parts * n_epochs_of_a_part
    theirs = torch_rates(lambda o: lr_scheduler.StepLR(o, step_size=n_epochs_of_a_part, gamma=0.5), n)
    ours = rate_of(Schedule(kind="step", every=1 / n_parts, factor=0.5))
    assert [ours.at(i / n) for i in range(n)] == pytest.approx(theirs, rel=1e-12)


def test_one_cycle_is_torchs_in_every_step():
    n, warmup = 101, 0.3
    # torch's cycle ends at its last step and not after it, so its n steps span our interval from 0 to 1.
    pct_start = (warmup * (n - 1) + 1) / n
    theirs = torch_rates(
        lambda o: lr_scheduler.OneCycleLR(o, FIRST, n, pct_start=pct_start, cycle_momentum=False), n - 1
    )
    ours = rate_of("one_cycle")
    assert [ours.at(i / (n - 1)) for i in range(n - 1)] == pytest.approx(theirs, rel=1e-9)
    assert ours.at(0.3) == FIRST
    assert ours.at(1.0) == pytest.approx(FIRST / 25 / 1e4)


def test_one_cycle_with_other_shares_is_torchs():
    n, warmup = 50, 0.5
    pct_start = (warmup * (n - 1) + 1) / n
    theirs = torch_rates(
        lambda o: lr_scheduler.OneCycleLR(
            o, FIRST, n, pct_start=pct_start, div_factor=10, final_div_factor=100, cycle_momentum=False
        ),
        n - 1,
    )
    ours = rate_of(Schedule(kind="one_cycle", warmup=warmup, start=1 / 10, final=1 / 1000))
    assert [ours.at(i / (n - 1)) for i in range(n - 1)] == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("kind", ["constant", "warmup"])
def test_a_warm_up_is_torchs_linear_one(kind):
    n, start = 50, 0.2
    theirs = torch_rates(lambda o: lr_scheduler.LinearLR(o, start_factor=start, total_iters=10), n)
    ours = rate_of(Schedule(kind=kind, warmup=0.2, start=start))
    assert [ours.at(i / n) for i in range(n)] == pytest.approx(theirs, rel=1e-9)


def test_cosine_after_a_warm_up_is_torchs_sequence_of_both():
    def both(optimizer):
        rise = lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=10)
        return lr_scheduler.SequentialLR(optimizer, [rise, lr_scheduler.CosineAnnealingLR(optimizer, 40)], [10])

    ours = rate_of(Schedule(kind="cosine", warmup=0.2, start=0.1))
    assert [ours.at(i / 50) for i in range(50)] == pytest.approx(torch_rates(both, 50), rel=1e-9)


LOSSES = st.lists(st.floats(0.1, 2.0) | st.sampled_from([1.0, 0.99995, 0.9998, math.nan]), min_size=1, max_size=40)


@given(
    losses=LOSSES,
    factor=st.sampled_from([0.1, 0.5]),
    patience=st.integers(0, 4),
    threshold=st.sampled_from([0.0, 1e-4, 0.1]),
    final=st.sampled_from([0.0, 0.02]),
)
def test_plateau_is_torchs_for_any_course_of_the_loss(losses, factor, patience, threshold, final):
    def make(o):
        return lr_scheduler.ReduceLROnPlateau(
            o, factor=factor, patience=patience, threshold=threshold, min_lr=final * FIRST, eps=0
        )

    schedule = Schedule(kind="plateau", factor=factor, patience=patience, threshold=threshold, final=final)
    theirs = torch_rates(make, len(losses), losses)
    assert epoch_rates(rate_of(schedule), len(losses), losses) == pytest.approx(theirs, rel=1e-9)


def test_a_loss_below_zero_must_fall_to_be_an_improvement():
    rate = rate_of(Schedule(kind="plateau", patience=2, threshold=0.01))
    rising = [-1.0, -0.999, -0.998, -0.997]  # each above the one before, by less than the threshold
    assert epoch_rates(rate, 4, rising) == [FIRST] * 4
    assert rate.at(0.9) == pytest.approx(0.1 * FIRST)


# ------------------------------------------------------------------------------------------ against scikit-learn


@pytest.mark.parametrize("kind", ["invscaling", "adaptive", "constant"])
def test_the_rate_is_scikit_learns_after_every_epoch(kind):
    ours = rate_of(kind, solver="sgd", power_t=0.4)
    theirs = SGDOptimizer([np.zeros(1)], FIRST, kind, power_t=0.4)
    for epoch in range(1, 12):
        ours.epoch_ends(60 * epoch)
        theirs.iteration_ends(60 * epoch)
        assert ours.at(0.3) == theirs.learning_rate
        assert ours.stops_at_no_improvement() == theirs.trigger_stopping("", False)
        assert ours.at(0.3) == theirs.learning_rate


@pytest.mark.parametrize("solver", STOCHASTIC_SOLVERS)
@pytest.mark.parametrize("kind", ["invscaling", "adaptive"])
def test_scikit_learns_two_steer_the_rules_that_step_along_the_gradient_and_no_other(kind, solver):
    rate = rate_of(kind, solver=solver)
    rate.epoch_ends(1000)
    stops = rate.stops_at_no_improvement()
    steers = solver in PROXIMAL_SOLVERS
    assert stops == (kind == "invscaling" or not steers)
    assert (rate.at(0.9) < FIRST) == steers


# ---------------------------------------------------------------------------------------------- all kinds


def test_every_name_of_the_plan_has_its_options():
    assert tuple(OPTIONS) == SCHEDULES


@pytest.mark.parametrize("kind", SCHEDULES)
def test_every_kind_warms_up_and_then_has_the_rate_that_was_asked_for(kind):
    rate = rate_of(Schedule(kind=kind, warmup=0.2, start=0.0), solver="sgd")
    rates = [rate.at(p) for p in np.linspace(0, 0.2, 21)]
    assert rates[0] == 0
    assert rates == sorted(rates)
    assert rates[-1] == FIRST
    if kind != "one_cycle":
        assert rates[10] == pytest.approx(FIRST / 2)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_the_rate_stays_between_nothing_and_the_one_that_was_asked_for(kind):
    rate = rate_of(kind, solver="sgd")
    assert all(0 <= rate.at(p) <= FIRST * (1 + 1e-12) for p in np.linspace(0, 0.999, 500))


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_cosine_is_counted_over_all_steps_of_all_epochs(engine, problem, solver):
    plan = {"solver": solver, "learning_rate": "cosine", "learning_rate_init": 0.01, "max_iter": 4, "batch_size": 20}
    _, run = engine.fit(engine.rows(problem.X, problem.y), **plan)
    last_steps = [(epoch * 3 + 2) / 12 for epoch in range(4)]  # three steps an epoch
    expected = [0.005 * (1 + math.cos(math.pi * p)) for p in last_steps]
    np.testing.assert_allclose(run["learning_rate"][1:], expected, rtol=1e-12)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_a_training_runs_with_every_kind(engine, problem, kind):
    plan = {"solver": "sgd", "learning_rate_init": 0.02, "max_iter": 12, "batch_size": 20}
    _, run = engine.fit(engine.rows(problem.X, problem.y), learning_rate=kind, **plan)
    assert run["train_loss"][-1] < 0.9 * run["train_loss"][1]


def test_calls_of_partial_fit_warm_up_once_and_count_epochs_over_all_calls():
    rate = rate_of(Schedule(kind="step", every=2, warmup=0.5), max_iter=1)
    seen = []
    for _ in range(4):
        seen.append([rate.at(p) for p in (0.0, 0.25, 0.5)])
        rate.epoch_ends(0)
    assert seen[0] == [0, FIRST / 2, FIRST]
    assert seen[1] == [FIRST] * 3
    assert seen[2] == seen[3] == pytest.approx([0.1 * FIRST] * 3)


# ---------------------------------------------------------------------------------------------- the record


def test_options_that_are_not_given_have_the_values_of_their_kind():
    assert Schedule(kind="one_cycle") == Schedule(kind="one_cycle", warmup=0.3, start=1 / 25, final=1 / 25e4)
    assert Schedule(kind="warmup").warmup == 0.1
    assert Schedule(kind="cosine").factor is None


WRONG = [
    ({"kind": "cosin"}, "kind='cosin'", "did you mean 'cosine'?"),
    ({"kind": 3}, "kind=3", None),
    ({"warmup": 1.0}, "warmup=1.0", None),
    ({"warmup": -0.1}, "warmup=-0.1", None),
    ({"warmup": "0.1"}, "warmup='0.1'", None),
    ({"warmup": math.nan}, "warmup=nan", None),
    ({"start": 1.5}, "start=1.5", None),
    ({"final": np.float64(2)}, "final=2.0", None),
    ({"factor": 0.5}, "factor=0.5 does not act on kind='cosine'", None),
    ({"kind": "constant", "every": 3}, "every=3 does not act", None),
    ({"kind": "step", "factor": 0}, "factor=0", None),
    ({"kind": "step", "factor": 1}, "factor=1", None),
    ({"kind": "step", "every": 0}, "every=0", "every=30, every=0.25 or every=(0.5, 0.75)"),
    ({"kind": "step", "every": 2.5}, "every=2.5", "every=30, every=0.25 or every=(0.5, 0.75)"),
    ({"kind": "step", "every": ()}, "every=()", "every=30, every=0.25 or every=(0.5, 0.75)"),
    ({"kind": "step", "every": (0.5, True)}, "every=(0.5, True)", "every=30, every=0.25 or every=(0.5, 0.75)"),
    ({"kind": "plateau", "patience": -1}, "patience=-1", None),
    ({"kind": "plateau", "patience": 2.0}, "patience=2.0", None),
    ({"kind": "plateau", "threshold": 1}, "threshold=1", None),
]


@pytest.mark.parametrize(("options", "what", "hint"), WRONG)
def test_what_cannot_be_is_refused_when_the_record_is_made(options, what, hint):
    with pytest.raises(ParameterError) as caught:
        Schedule(**options)
    assert what in caught.value.what
    assert "np." not in caught.value.what
    assert caught.value.hint == hint


SOME = [
    *(Schedule(kind=kind) for kind in SCHEDULES),
    Schedule(kind="step", every=[0.5, np.int64(9)], factor=np.float32(0.5)),
    Schedule(kind="plateau", patience=np.int64(3), final=0.01, warmup=0.05),
]


@pytest.mark.parametrize("schedule", SOME, ids=repr)
def test_a_schedule_is_a_value(schedule):
    assert Schedule(**json.loads(json.dumps(schedule.to_json()))) == schedule
    assert eval(repr(schedule), {"Schedule": Schedule}) == schedule
    assert len({schedule, dataclasses.replace(schedule)}) == 1
    model = planefold.MLPClassifier(learning_rate=schedule)
    assert clone(model).learning_rate == schedule
    assert clone(model).get_params()["learning_rate"] == schedule


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("schedule", ["warmup", *SOME[-2:]], ids=repr)
def test_a_saved_model_has_an_equal_schedule(schedule, problem, tmp_path):
    model = planefold.MLPRegressor(
        learning_rate=schedule, hidden_layer_sizes=(4,), n_members=1, skip=None, max_iter=3, random_state=0
    )
    path = model.fit(problem.X, problem.y.ravel()).save(tmp_path / "model.fold")
    assert planefold.load(path).learning_rate == schedule


def test_schedules_are_known_without_torch():
    code = "import sys, planefold.engine.schedules; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
