"""The promised gain against closed forms, and the trend against SciPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import kendalltau

from planefold.doctor.extrapolation import mann_kendall, promised_gain

EPOCHS = np.arange(1, 41, dtype=float)


@pytest.mark.parametrize(("decay", "floor"), [(15.0, 0.1), (30.0, 0.2), (60.0, 0.0)])
def test_an_exponential_is_continued(decay, floor):
    def curve(t):
        return floor + np.exp(-t / decay)

    gain = curve(40.0) - curve(80.0)
    assert promised_gain(curve(EPOCHS)) == pytest.approx(gain, rel=0.25)


def test_a_power_law_is_continued():
    def curve(t):
        return 0.1 + t**-0.5

    assert promised_gain(curve(EPOCHS)) == pytest.approx(curve(40.0) - curve(80.0), rel=0.45)


def test_a_plateau_promises_nothing_however_noisy():
    rng = np.random.default_rng(0)
    flat = 0.5 + 0.4 * np.exp(-EPOCHS / 3)
    assert promised_gain(flat) < 0.002
    gains = [promised_gain(flat + 0.01 * rng.standard_normal(40)) for _ in range(50)]
    assert np.median(gains) < 0.005
    assert promised_gain(0.5 + 0.01 * EPOCHS) == 0.0


def test_a_schedule_is_the_same_curve_on_another_clock():
    rates = 0.5 * (1 + np.cos(np.pi * (EPOCHS - 1) / 40))
    time = np.cumsum(rates)

    def curve(t):
        return 0.1 + np.exp(-t / 12)

    assert promised_gain(curve(time), rates) == pytest.approx(curve(time[-1]) - curve(2 * time[-1]), rel=0.3)
    assert promised_gain(curve(time), 100 * rates) == pytest.approx(promised_gain(curve(time), rates))


def test_a_loss_is_not_promised_to_fall_below_zero():
    line = np.linspace(1, 0.1, 40)
    assert promised_gain(line) <= 0.1 + 1e-9


def test_too_few_epochs_promise_nothing_that_is_known():
    assert math.isnan(promised_gain(EPOCHS[:3]))


@pytest.mark.parametrize("seed", range(5))
def test_the_trend_is_kendalls(seed):
    values = np.random.default_rng(seed).standard_normal(12) - 0.1 * np.arange(12)
    s = kendalltau(np.arange(12), values).statistic * 12 * 11 / 2
    sd = math.sqrt(12 * 11 * 29 / 18)
    assert mann_kendall(values) == pytest.approx((s - np.sign(s)) / sd)
    assert mann_kendall(np.ones(6)) == 0.0
