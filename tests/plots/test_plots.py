"""Plots draw what the records hold, and leave pyplot alone."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from planefold import plots
from planefold.core.errors import DataError
from planefold.engine.run import Epoch, Run


def make_run(losses, val=None, best_epoch=None):
    epochs = tuple(
        Epoch(epoch=i + 1, train_loss=loss, objective=loss, val_loss=None if val is None else val[i])
        for i, loss in enumerate(losses)
    )
    return Run(
        epochs=epochs,
        objective="squared_error",
        solver="adam",
        device="cpu",
        stopped_because="max_iter",
        best_epoch=best_epoch,
        restored_best=False,
        n_train=80,
        n_val=20,
        batch_size=20,
        iterations_per_epoch=4,
        n_parameters=7,
        trivial_loss=1.0,
    )


def save(ax: Axes, tmp_path) -> None:
    """Drawing finds what building does not: a missing glyph, a bad position."""
    ax.figure.savefig(tmp_path / "plot.png")


def test_curves_draw_both_losses_and_mark_the_best_epoch(tmp_path):
    run = make_run([1.0, 0.5, 0.3], [1.1, 0.6, 0.7], best_epoch=2)
    ax = plots.curves(run)
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert np.array_equal(lines["training"].get_ydata(), run["train_loss"])
    assert np.array_equal(lines["validation"].get_ydata(), run["val_loss"])
    assert list(lines["best: epoch 2"].get_xdata()) == [2, 2]
    assert lines["training"].get_linestyle() != lines["validation"].get_linestyle()
    assert ax.get_xlabel() == "Epoch"
    assert ax.get_ylabel() == "Loss (squared error)"
    save(ax, tmp_path)


@pytest.mark.parametrize("losses", [[], [0.5], [1e6, 1.0, 1e-3], [1.0, float("nan"), 2.0], [float("nan")]])
def test_odd_runs_are_drawn(losses, tmp_path):
    save(plots.curves(make_run(losses)), tmp_path)


def test_a_wide_range_of_losses_is_drawn_on_a_log_scale():
    assert plots.curves(make_run([1e6, 1.0])).get_yscale() == "log"
    assert plots.curves(make_run([2.0, 1.0])).get_yscale() == "linear"


def test_predictions_draw_every_row_and_the_diagonal(tmp_path):
    rng = np.random.default_rng(0)
    y, p = rng.normal(size=50), rng.normal(size=50)
    ax = plots.predictions(y, p)
    (dots,) = ax.collections
    assert np.allclose(dots.get_offsets(), np.column_stack([y, p]))
    (ideal,) = ax.get_lines()
    assert np.array_equal(ideal.get_xdata(), ideal.get_ydata())
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("True value", "Predicted value")
    save(ax, tmp_path)


def test_predictions_of_different_lengths_are_refused():
    with pytest.raises(DataError, match="y_true has 3 values"):
        plots.predictions([1, 2, 3], [1, 2])


def test_confusion_writes_every_count(tmp_path):
    matrix = np.array([[10, 2], [0, 1234]])
    ax = plots.confusion(matrix, ["no", "yes"])
    assert [text.get_text() for text in ax.texts] == ["10", "2", "0", "1,234"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["no", "yes"]
    save(ax, tmp_path)


def test_confusion_of_a_wrong_shape_is_refused():
    with pytest.raises(DataError, match="matrix has shape"):
        plots.confusion([[1, 2]], ["a"])


def test_plots_draw_where_they_are_told_and_leave_pyplot_alone():
    before = "matplotlib.pyplot" in sys.modules
    ax = Figure().subplots()
    assert plots.curves(make_run([1.0, 0.5]), ax=ax) is ax
    assert plots.predictions([1, 2], [1, 2], ax=Figure().subplots()) is not ax
    assert plots.confusion([[1]], ["a"]).figure is not ax.figure
    assert ("matplotlib.pyplot" in sys.modules) == before
