"""The budget of measuring, with a clock that is turned by hand."""

from __future__ import annotations

import math
import sys
import time

import pytest

from planefold.engine.budget import Budget


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def _spend(budget, clock, seconds):
    with budget.spending():
        clock.now += seconds


def _fail(clock):
    clock.now += 2.0
    return 1 / 0


def test_nothing_is_allowed_before_any_time_has_passed(clock):
    budget = Budget(share=0.1, clock=clock)
    assert budget.allows()  # nothing of nothing
    assert not budget.allows(1e-9)


def test_a_measurement_is_allowed_as_soon_as_its_share_of_the_time_has_passed(clock):
    budget = Budget(share=0.1, clock=clock)
    clock.now += 9.99
    assert not budget.allows(1.0)
    clock.now += 0.02
    assert budget.allows(1.0)


def test_what_was_spent_counts_and_its_own_time_is_time_passed(clock):
    budget = Budget(share=0.5, clock=clock)
    _spend(budget, clock, 3.0)
    assert budget.spent == 3.0
    assert not budget.allows()
    clock.now += 3.0
    assert budget.allows()
    assert not budget.allows(0.1)


def test_a_measurement_that_fails_is_counted(clock):
    budget = Budget(clock=clock)
    with pytest.raises(ZeroDivisionError), budget.spending():
        _fail(clock)
    assert budget.spent == 2.0
    _spend(budget, clock, 1.0)
    assert budget.spent == 3.0


def test_a_measurement_within_another_is_not_counted_twice(clock):
    budget = Budget(clock=clock)
    with budget.spending():
        clock.now += 1.0
        _spend(budget, clock, 2.0)
        clock.now += 4.0
    assert budget.spent == 7.0


def test_a_pause_is_no_time_of_the_training(clock):
    budget = Budget(share=0.1, clock=clock)
    clock.now += 10.0
    budget.pause()
    clock.now += 1000.0
    assert budget.elapsed == 10.0
    budget.resume()
    clock.now += 5.0
    assert budget.elapsed == 15.0
    assert budget.allows(1.5)
    assert not budget.allows(1.6)


def test_beginning_anew_forgets(clock):
    budget = Budget(share=0.1, clock=clock)
    _spend(budget, clock, 5.0)
    clock.now += 1000.0
    budget.begin()
    assert budget.spent == 0.0
    assert not budget.allows(1e-9)


@pytest.mark.parametrize("share", [0.01, 0.025, 0.2])
def test_measurements_that_always_ask_stay_within_the_share(clock, share):
    budget = Budget(share=share, clock=clock)
    made = 0
    for _ in range(2000):
        clock.now += 0.01
        if budget.allows(0.003):
            made += 1
            _spend(budget, clock, 0.003)
    total = clock.now - 100.0
    assert budget.spent <= share * total
    assert budget.spent == pytest.approx(share * total, abs=0.004)
    assert made == round(budget.spent / 0.003)


def test_a_share_of_zero_allows_nothing_and_of_infinity_everything(clock):
    nothing, everything = Budget(share=0.0, clock=clock), Budget(share=math.inf, clock=clock)
    clock.now += 10.0
    assert not nothing.allows(1e-9)
    assert everything.allows(1e9)


def test_it_says_how_long_to_wait(clock):
    budget = Budget(share=0.1, clock=clock)
    clock.now += 2.0
    _spend(budget, clock, 1.0)
    assert budget.needs(0.5) == 15.0
    clock.now = 100.0 + 14.9
    assert not budget.allows(0.5)
    clock.now += 0.2
    assert budget.allows(0.5)
    assert Budget(share=0.0).needs(1.0) == math.inf


def test_the_real_clock_runs():
    budget = Budget()
    with budget.spending():
        sum(range(200_000))
    assert 0.0 < budget.spent < 1.0


def test_time_that_other_programs_take_is_not_counted():
    budget = Budget()
    with budget.spending():
        time.sleep(0.05)
    assert budget.spent < 0.05 or sys.platform == "win32"


def test_half_of_the_share_is_left_to_choice_however_much_had_to_be_spent():
    now = [0.0]
    budget = Budget(share=0.02, clock=lambda: now[0])
    with budget.spending(must=True):
        now[0] += 10.0
    budget.spend(1.0, must=True)
    assert (budget.spent, budget.must) == (11.0, 11.0)
    now[0] = 100.0
    assert budget.left == pytest.approx(1.0)
    assert budget.allows(0.99)
    assert not budget.allows(1.01)
    with budget.spending():
        now[0] += 0.5
    assert budget.must == 11.0
    assert budget.left == pytest.approx(0.01 * 100.5 - 0.5)
    now[0] = 10_000.0  # what had to be spent is a small part now
    assert budget.left == pytest.approx(200 - 11.5)
    assert budget.allows(188)
    assert not budget.allows(189)


def test_a_measurement_within_one_that_must_be_made_must_be_made():
    now = [0.0]
    budget = Budget(clock=lambda: now[0])
    with budget.spending(must=True), budget.spending():
        now[0] += 1.0
    assert (budget.spent, budget.must) == (1.0, 1.0)
