"""The record of a training: written and read again, column by column."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planefold.core.errors import ParameterError
from planefold.engine.run import Epoch, Run

NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
LAYERS = st.lists(NUMBERS, max_size=3).map(tuple)
EPOCHS = st.builds(
    Epoch, epoch=st.integers(0, 10**6), train_loss=NUMBERS, objective=NUMBERS, val_loss=st.none() | NUMBERS,
    val_score=st.none() | NUMBERS, learning_rate=NUMBERS, seconds=NUMBERS, gradient_norm=LAYERS, weight_norm=LAYERS,
    update_ratio=LAYERS, dead_share=LAYERS, saturated_share=LAYERS, activation_mean=LAYERS,
    activation_std=LAYERS,
)  # fmt: skip
RUNS = st.builds(
    Run, epochs=st.lists(EPOCHS, max_size=5).map(tuple), objective=st.text(), solver=st.text(), device=st.text(),
    stopped_because=st.text(), best_epoch=st.none() | st.integers(), restored_best=st.booleans(),
    n_train=st.integers(), n_val=st.integers(), batch_size=st.integers(), iterations_per_epoch=st.integers(),
    n_members=st.integers(), n_parameters=st.integers(), trivial_loss=st.none() | NUMBERS,
)  # fmt: skip


def _run(*epochs):
    return Run(
        epochs=epochs, objective="squared_error", solver="adam", device="cpu", stopped_because="max_iter",
        best_epoch=None, restored_best=False, n_train=10, n_val=0, batch_size=5, iterations_per_epoch=2, n_parameters=3,
    )  # fmt: skip


@given(RUNS)
def test_what_is_written_is_read_again(run):
    assert repr(Run.from_lines(run.to_lines()).epochs) == repr(run.epochs)  # by repr: nan is not equal to nan
    assert repr(Run.from_lines([*run.to_lines(), "", "\n"])) == repr(run)


def test_a_null_of_strict_json_is_read_as_nan_where_a_number_must_be():
    whole, epoch = _run(Epoch(epoch=0, train_loss=math.nan, objective=math.nan, gradient_norm=(math.nan,))).to_lines()
    strict = json.dumps({k: [None] if k == "gradient_norm" else v for k, v in json.loads(epoch).items()})
    read = Run.from_lines([whole, strict.replace("NaN", "null")]).epochs[0]
    assert math.isnan(read.train_loss)
    assert math.isnan(read.objective)
    assert math.isnan(read.gradient_norm[0])
    assert read.val_loss is None


def test_a_column_has_a_row_for_each_epoch_and_nan_where_nothing_is_known():
    run = _run(
        Epoch(epoch=0, train_loss=math.nan, objective=math.nan, val_loss=3.0),
        Epoch(epoch=1, train_loss=2.0, objective=2.5, gradient_norm=(0.1, 0.2)),
    )
    np.testing.assert_array_equal(run["train_loss"], [np.nan, 2.0])
    np.testing.assert_array_equal(run["val_loss"], [3.0, np.nan])
    np.testing.assert_array_equal(run["epoch"], [0, 1])
    np.testing.assert_array_equal(run["gradient_norm"], [[np.nan, np.nan], [0.1, 0.2]])
    assert run["dead_share"].shape == (2, 0)
    with pytest.raises(ParameterError, match="did you mean 'val_loss'"):
        run["valloss"]


def test_the_state_before_training_is_no_epoch():
    run = _run(
        Epoch(epoch=0, train_loss=math.nan, objective=math.nan, seconds=0.0),
        Epoch(epoch=1, train_loss=1.0, objective=1.0, seconds=0.25),
        Epoch(epoch=2, train_loss=1.0, objective=1.0, seconds=0.5),
    )
    assert run.n_epochs == 2
    assert run.seconds == 0.75


def test_a_run_is_read_without_torch_and_train_is_the_function():
    program = (
        "import sys; from planefold.engine import Run; assert 'torch' not in sys.modules; "
        "from planefold.engine import OBJECTIVES, Plan, Rows, train; assert callable(train)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_unknown_name_is_an_attribute_error():
    import planefold.engine

    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        planefold.engine.nothing  # noqa: B018
