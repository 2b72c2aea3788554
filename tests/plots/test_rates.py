"""The picture of a learning-rate range test shows what its record holds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from planefold import plots
from planefold.engine.rate_finder import RateSweep


def make_sweep(losses, smoothed, suggestion=None):
    rates = tuple(float(rate) for rate in np.geomspace(1e-4, 1.0, len(losses)))
    return RateSweep(
        rates=rates,
        losses=tuple(losses),
        smoothed=tuple(smoothed),
        first_loss=2.0,
        steepest=suggestion,
        lowest=suggestion,
        suggestion=suggestion,
        reason="",
        objective="squared_error",
        solver="adam",
    )


FALLING = make_sweep([2.0, 1.9, 1.0, 0.8, 90.0], [2.0, 1.95, 1.5, 1.2, 30.0], suggestion=1e-2)


def test_the_steps_the_running_mean_and_the_suggestion_are_drawn(tmp_path):
    ax = plots.rates(FALLING)
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert tuple(lines["each step"].get_ydata()) == FALLING.losses
    assert tuple(lines["running mean"].get_ydata()) == FALLING.smoothed
    assert lines["each step"].get_alpha() < 1
    dot = lines["suggestion: 0.01"]
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (1e-2, 1.5)
    assert ax.get_xscale() == "log"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("Learning rate (adam)", "Loss (squared error)")
    ax.figure.savefig(tmp_path / "plot.png")


def test_a_loss_out_of_bounds_does_not_flatten_the_fall():
    low, high = plots.rates(FALLING).get_ylim()
    assert low < 1.2
    assert 2.0 < high < 3.0


@pytest.mark.parametrize("losses", [[2.0, 2.1, math.inf], [math.nan], [2.0, 2.0]])
def test_a_sweep_without_a_suggestion_says_so(losses, tmp_path):
    ax = plots.rates(make_sweep(losses, losses))
    assert "no suggestion" in [text.get_text() for text in ax.get_legend().get_texts()]
    ax.figure.savefig(tmp_path / "plot.png")


def test_it_draws_where_it_is_told_again_and_again():
    ax = Figure().subplots()
    assert plots.rates(FALLING, ax=ax) is ax
    assert plots.rates(FALLING, ax=ax) is ax
