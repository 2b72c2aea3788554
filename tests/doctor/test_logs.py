"""Anyone's training log, in the words of each tool, read into curves."""

from __future__ import annotations

import base64
import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planefold.core.errors import DataError, MissingFileError, ParameterError
from planefold.doctor.logs import LogCurves, read_log
from planefold.engine.run import Epoch, Run

N = 8
FALLING = [round(1 / i, 4) for i in range(1, N + 1)]
ABOVE = [round(1 / i + 0.1, 4) for i in range(1, N + 1)]


@pytest.fixture
def read(tmp_path):
    """Write a text to a file and read its runs."""

    def written(text, name="log.csv", **options):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_log(path, **options)

    return written


def lines(names, rows, by=","):
    return "\n".join([names, *(by.join(map(str, row)) for row in rows)]) + "\n"


def one(found, *, train=FALLING, val=ABOVE):
    """Check that there is one run with these curves, and return it."""
    (curves,) = found
    for curve, wanted in ((curves.train_loss, train), (curves.val_loss, val)):
        if wanted is None:
            assert curve is None
        else:
            np.testing.assert_allclose(curve, wanted, atol=1e-6)
    assert (np.diff(curves.epoch) > 0).all()
    return curves


# ------------------------------------------------------------------------------------------------- the words of each


def test_keras_csv_logger_counts_its_first_epoch_as_0(read):
    rows = [(i, 0.5 + i / 20, t, 0.4 + i / 20, v) for i, (t, v) in enumerate(zip(FALLING, ABOVE, strict=True))]
    curves = one(read(lines("epoch,accuracy,loss,val_accuracy,val_loss", rows)))
    assert curves.epoch.tolist() == list(range(1, N + 1))
    assert curves.val_score[0] == 0.4
    assert curves.train_score[0] == 0.5
    assert curves.rounded
    assert any("first epoch as 0" in note for note in curves.notes)
    assert 'training loss: "loss"' in curves.notes


def test_lightning_writes_train_and_validation_in_different_rows(read):
    rows = []
    for i in range(N):
        rows += [(i, i * 100 + 49, "", FALLING[i] + 0.3, ""), (i, i * 100 + 99, "", FALLING[i] - 0.2, "")]
        rows += [(i, i * 100 + 99, "", "", ABOVE[i]), (i, i * 100 + 99, FALLING[i], "", "")]
    curves = one(read(lines("epoch,step,train_loss_epoch,train_loss_step,val_loss", rows)))
    assert curves.epoch.tolist() == list(range(1, N + 1))


def test_without_an_epoch_mean_the_steps_of_an_epoch_are_averaged(read):
    rows = [row for i in range(N) for row in ((i, FALLING[i] + 0.1, ""), (i, FALLING[i] - 0.1, ""), (i, "", ABOVE[i]))]
    one(read(lines("epoch,train_loss_step,val_loss", rows)))


def test_hugging_face_state_has_fractional_epochs_and_one_total_at_the_end(read):
    history = []
    for i in range(N):
        history += [
            {"epoch": i + 0.5, "step": 10 * i + 5, "loss": FALLING[i] + 0.05, "learning_rate": 1e-4, "grad_norm": 3.0},
            {"epoch": i + 1.0, "step": 10 * i + 10, "loss": FALLING[i] - 0.05, "learning_rate": 1e-4},
            {"epoch": i + 1.0, "step": 10 * i + 10, "eval_loss": ABOVE[i], "eval_accuracy": 0.5, "eval_runtime": 9.0},
        ]
    history.append({"epoch": 8.0, "step": 80, "train_loss": 0.33, "train_runtime": 100.0})
    curves = one(read(json.dumps({"best_metric": None, "log_history": history}), "trainer_state.json"))
    assert curves.epoch.tolist() == list(range(1, N + 1))
    assert curves.learning_rate[0] == 1e-4
    assert curves.val_score[0] == 0.5
    one(read("\n".join(map(str, history)), "stdout.txt"))  # what it prints: dicts of Python


def test_hugging_face_with_few_epochs_is_cut_at_its_evaluations(read):
    history = []
    for i in range(N):
        at = (i + 1) / 4
        history += [{"epoch": at - 0.1, "step": 50 * i + 25, "loss": FALLING[i]}]
        history += [{"epoch": at, "step": 50 * i + 50, "eval_loss": ABOVE[i]}]
    curves = one(read("\n".join(map(json.dumps, history)), "log.jsonl"))
    assert curves.by_steps


@pytest.mark.parametrize(
    ("names", "order"),
    [
        ("epoch,train_loss,eval_loss,eval_top1,eval_top5", "etvss"),  # timm
        ("epoch,train_loss,valid_loss,accuracy,time", "etvsx"),  # fastai
        ("epoch,train_loss,train_loss_best,valid_loss,valid_loss_best,dur", "etxvxx"),  # skorch
        ("epoch,test_cost,test_accuracy,train_cost,train_accuracy", "evsts"),  # Nielsen
        ("iteration,training's l2,valid_0's l2", "etv"),  # LightGBM
        ("iter,validation_0-logloss,validation_1-logloss", "etv"),  # XGBoost
        (",train-rmse-mean,train-rmse-std,test-rmse-mean,test-rmse-std", "etxvx"),  # xgb.cv
        ("Epoch,Training Loss,Validation Loss", "etv"),
        ("epoch,trainLoss,valLoss", "etv"),
        ("epoch,Loss/train,Loss/test", "etv"),
        ("epochs,MSE,val_MSE", "etv"),
        ("epoch,tr_loss,dev_loss", "etv"),
        ("epoch,loss,val_loss,test_loss", "etvx"),  # a test set is looked at last
        ("epoch,train error,test error", "etv"),
        ("epoch,mae,val_mae,loss", "etvx"),  # the figure that both have
        ("epoch,train_nll,val_nll", "etv"),
        ("epoch,total_loss,val_total_loss,kl_loss,val_kl_loss", "etvxx"),
        ("lr,epoch,objective,val_objective", "xetv"),
    ],
)
def test_names_of_many_tools(read, names, order):
    values = {"t": FALLING, "v": ABOVE, "s": [0.5] * N, "x": [0.125] * N, "e": range(1, N + 1)}
    one(read(lines(names, zip(*(values[letter] for letter in order), strict=True))))


def test_ultralytics_parts_of_a_loss_are_added_up(read):
    names = "   epoch,  train/box_loss,  train/cls_loss,  metrics/mAP50(B), val/box_loss,  val/cls_loss,  lr/pg0"
    rows = [(i + 1, FALLING[i] - 0.05, 0.05, 0.3, ABOVE[i] - 0.05, 0.05, 0.01) for i in range(N)]
    curves = one(read(lines(names, rows, by=",      ")))
    assert 'validation loss: "val/box_loss" + "val/cls_loss"' in curves.notes
    assert curves.val_score[0] == 0.3


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"loss": FALLING, "val_loss": ABOVE}, "a Keras history"),
        ({"history": {"loss": FALLING, "val_loss": ABOVE}, "params": {"epochs": 8}}, "with its parameters"),
        ([{"epoch": i + 1, "loss": FALLING[i], "val_loss": ABOVE[i]} for i in range(N)], "a list of rows"),
        ({"train": {"rmse": FALLING}, "valid": {"rmse": ABOVE}}, "evals_result"),
        ({"validation_0": {"logloss": FALLING}, "validation_1": {"logloss": ABOVE}}, "evals_result of XGBoost"),
        ({"loss": dict(enumerate(FALLING)), "val_loss": dict(enumerate(ABOVE))}, "a frame of pandas"),
        ([{"epoch": i + 1, "train": {"loss": FALLING[i]}, "val": {"loss": ABOVE[i]}} for i in range(N)], "nested"),
    ],
)
def test_json_in_its_usual_shapes(read, value, name):
    one(read(json.dumps(value), "log.json"))


def test_json_lines_with_a_broken_last_line(read):
    rows = [json.dumps({"epoch": i + 1, "loss": FALLING[i], "val_loss": ABOVE[i]}) for i in range(N)]
    one(read("\n".join([*rows, '{"epoch": 9, "lo']), "log.jsonl"))


def test_what_keras_prints(read):
    text = "".join(
        f"Epoch {i + 1}/8\n32/32 [=====] - 1s 3ms/step - loss: {FALLING[i]} - accuracy: 0.5 - val_loss: {ABOVE[i]}\n"
        for i in range(N)
    )
    one(read(text, "out.log"))


def test_what_people_print(read):
    text = "".join(f"[epoch {i + 1:03d}] train_loss={FALLING[i]:.4f}, val loss={ABOVE[i]:.4f}\n" for i in range(N))
    one(read("starting\n" + text, "out.txt"))


def test_columns_apart_by_spaces(read):
    one(read(lines("epoch   train loss   valid loss", zip(range(1, N + 1), FALLING, ABOVE, strict=True), by="   ")))


def test_our_own_history(read):
    epochs = tuple(Epoch(epoch=i + 1, train_loss=FALLING[i], objective=FALLING[i], val_loss=ABOVE[i]) for i in range(N))
    run = Run(
        epochs=epochs, objective="log_loss", solver="adam", device="cpu", stopped_because="max_iter", best_epoch=8,
        restored_best=False, n_train=100, n_val=20, batch_size=10, iterations_per_epoch=10, n_parameters=5,
    )  # fmt: skip
    curves = one(read("\n".join(run.to_lines()), "history.jsonl"))
    assert (curves.n_train, curves.n_val, curves.stopped_because) == (100, 20, "max_iter")


def test_histories_in_memory():
    keras = SimpleNamespace(history={"loss": FALLING, "val_loss": [np.float32(value) for value in ABOVE]})
    one(read_log(keras))
    one(read_log({"loss": np.array(FALLING), "val_loss": ABOVE}))
    one(read_log([{"loss": t, "val_loss": v} for t, v in zip(FALLING, ABOVE, strict=True)]))
    pd = pytest.importorskip("pandas")
    one(read_log(pd.DataFrame({"loss": FALLING, "val_loss": ABOVE})))
    for nothing in (None, 3, [], {}, object(), {"a": 1}, [1, 2]):
        with pytest.raises(DataError):
            read_log(nothing)


# ------------------------------------------------------------------------------------------------------- event files

# Two files that TensorBoard 2.21 wrote: tag epoch_loss of six steps, as tensors (half of them packed), as Keras does.
TRAIN_EVENTS = (
    "SAAAAAAAAAD+kkidCZARj9d6wNpBGg1icmFpbi5FdmVudDoyUi4KLHRlbnNvcmJvYXJkLnN1bW1hcnkud3JpdGVyLmV2ZW50X2ZpbGVfd3Jp"
    "dGVyZ8BtHhoAAAAAAAAAEpvYLSoYChYKCmVwb2NoX2xvc3NCCAgBIgQAAIA/hCZBiyUAAAAAAAAA6rw28wkAAAAAAADwPxABKhgKFgoKZXBv"
    "Y2hfbG9zc0IICAEqBAAAAD+xLsQcJQAAAAAAAADqvDbzCQAAAAAAAABAEAIqGAoWCgplcG9jaF9sb3NzQggIASIEq6qqPrggieElAAAAAAAA"
    "AOq8NvMJAAAAAAAACEAQAyoYChYKCmVwb2NoX2xvc3NCCAgBKgQAAIA+xGsrWCUAAAAAAAAA6rw28wkAAAAAAAAQQBAEKhgKFgoKZXBvY2hf"
    "bG9zc0IICAEiBM3MTD7imjgYJQAAAAAAAADqvDbzCQAAAAAAABRAEAUqGAoWCgplcG9jaF9sb3NzQggIASoEq6oqPoIY5cs="
)
VAL_EVENTS = (
    "SAAAAAAAAAD+kkidCS43j9d6wNpBGg1icmFpbi5FdmVudDoyUi4KLHRlbnNvcmJvYXJkLnN1bW1hcnkud3JpdGVyLmV2ZW50X2ZpbGVfd3Jp"
    "dGVynswWTBoAAAAAAAAAEpvYLSoYChYKCmVwb2NoX2xvc3NCCAgBIgTNzIw/GQaaTCUAAAAAAAAA6rw28wkAAAAAAADwPxABKhgKFgoKZXBv"
    "Y2hfbG9zc0IICAEqBM3MDD8MTmvbJQAAAAAAAADqvDbzCQAAAAAAAABAEAIqGAoWCgplcG9jaF9sb3NzQggIASIEvLu7PvkQb8MlAAAAAAAA"
    "AOq8NvMJAAAAAAAACEAQAyoYChYKCmVwb2NoX2xvc3NCCAgBKgTNzIw+2YqEmSUAAAAAAAAA6rw28wkAAAAAAAAQQBAEKhgKFgoKZXBvY2hf"
    "bG9zc0IICAEiBK5HYT5vK1nzJQAAAAAAAADqvDbzCQAAAAAAABRAEAUqGAoWCgplcG9jaF9sb3NzQggIASoEvLs7PkMpC9k="
)


def test_event_files_of_keras_are_two_folders_of_one_run(tmp_path):
    for part, packed in (("train", TRAIN_EVENTS), ("validation", VAL_EVENTS)):
        (tmp_path / part).mkdir()
        (tmp_path / part / "events.out.tfevents.1").write_bytes(base64.b64decode(packed))
    (curves,) = read_log(tmp_path)
    np.testing.assert_allclose(curves.train_loss, [1 / i for i in range(1, 7)], rtol=1e-6)
    np.testing.assert_allclose(curves.val_loss, [1.1 / i for i in range(1, 7)], rtol=1e-6)


def test_half_an_event_file_gives_what_is_there(read):
    raw = base64.b64decode(TRAIN_EVENTS)
    whole, half = (read(part, "events.out.tfevents.1")[0] for part in (raw, raw[: len(raw) * 3 // 4]))
    np.testing.assert_array_equal(half.train_loss, whole.train_loss[: len(half.train_loss)])


def test_event_files_agree_with_tensorboard(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    file = tmp_path / "events.out.tfevents.1"
    file.write_bytes(base64.b64decode(TRAIN_EVENTS))
    events = accumulator.EventAccumulator(str(file), size_guidance={"tensors": 0}).Reload()
    assert events.Tags()["tensors"] == ["epoch_loss"]
    assert len(events.Tensors("epoch_loss")) == len(read_log(file)[0].epoch)


def test_a_folder_without_event_files_says_so(tmp_path):
    with pytest.raises(DataError, match="without TensorBoard event files"):
        read_log(tmp_path)


# --------------------------------------------------------------------------------------------------- how it is written


def test_semicolons_decimal_commas_and_percent_signs(read):
    rows = [
        (i + 1, str(FALLING[i]).replace(".", ","), str(ABOVE[i]).replace(".", ","), f"{50 + i},5 %") for i in range(N)
    ]
    curves = one(read(lines("epoch;loss;val_loss;val_acc", rows, by=";")))
    np.testing.assert_allclose(curves.val_score, [0.505 + 0.01 * i for i in range(N)])


def test_thousands_separators_and_quoted_numbers(read):
    rows = [(i + 1, f'"{12345.5 / (i + 1):,.2f}"', f'"{23456.5 / (i + 1):,.2f}"') for i in range(N)]
    curves = one(
        read(lines("epoch,loss,val_loss", rows)),
        train=[round(12345.5 / i, 2) for i in range(1, 9)],
        val=[round(23456.5 / i, 2) for i in range(1, 9)],
    )
    assert curves.train_loss[0] == 12345.5


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16", "latin-1"])
def test_encodings(read, coding):
    text = lines("epoch,loss,val_loss,größe", zip(range(1, N + 1), FALLING, ABOVE, "abcdefgh", strict=True))
    one(read(text.encode(coding)))


def test_comments_repeated_headers_and_a_cut_last_line(read):
    names = "epoch,loss,val_loss"
    rows = [f"{i + 1},{FALLING[i]},{ABOVE[i]}" for i in range(N)]
    curves = one(read("\n".join(["# my run", names, *rows[:4], "", names, *rows[4:], "9"])))
    assert "1 repeated headers left out" in curves.notes


def test_a_header_in_a_comment(read):
    rows = [f"{i + 1} {FALLING[i]} {ABOVE[i]}" for i in range(N)]
    one(read("\n".join(["# epoch loss val_loss", *rows])))


def test_the_second_of_two_columns_of_one_name_is_not_mixed_in(read):
    one(read(lines("epoch,loss,loss,val_loss", zip(range(1, N + 1), FALLING, ABOVE, ABOVE, strict=True))))


def test_tensors_written_as_python_shows_them(read):
    rows = [(i + 1, f"\"tensor({FALLING[i]}, device='cuda:0')\"", f"[{ABOVE[i]}]") for i in range(N)]
    one(read(lines("epoch,loss,val_loss", rows)))


def test_rows_that_name_their_phase(read):
    rows = [row for i in range(N) for row in ((i + 1, "train", FALLING[i], 0.5), (i + 1, "val", ABOVE[i], 0.4))]
    curves = one(read(lines("epoch,phase,loss,acc", rows)))
    assert curves.val_score[0] == 0.4


def test_rows_that_name_their_figure(read):
    rows = [row for i in range(N) for row in ((i + 1, "train_loss", FALLING[i]), (i + 1, "val_loss", ABOVE[i]))]
    one(read(lines("step,key,value", rows)))


# ------------------------------------------------------------------------------------------------------- missing things


def test_missing_epochs_stay_missing(read):
    rows = [(i + 1, FALLING[i], ABOVE[i]) for i in range(N) if i not in (2, 5)]
    assert read(lines("epoch,loss,val_loss", rows))[0].epoch.tolist() == [1, 2, 4, 5, 7, 8]


def test_nan_rows_inside_are_missing_and_nan_to_the_end_is_a_loss_that_broke(read):
    inside = [(i + 1, "nan" if i == 3 else FALLING[i], "nan" if i == 3 else ABOVE[i]) for i in range(N)]
    (curves,) = read(lines("epoch,loss,val_loss", inside))
    assert not np.isinf(curves.train_loss).any()
    broken = [(i + 1, "nan" if i > 4 else FALLING[i], "nan" if i > 4 else ABOVE[i]) for i in range(N)]
    (curves,) = read(lines("epoch,loss,val_loss", broken))
    assert np.isinf(curves.train_loss).tolist() == [i > 4 for i in range(N)]
    blank = [(i + 1, "" if i > 4 else FALLING[i], "" if i > 4 else ABOVE[i]) for i in range(N)]
    assert not np.isinf(read(lines("epoch,loss,val_loss", blank))[0].train_loss).any()


def test_nan_as_a_sign_for_blank_does_not_break_a_run(read):
    rows = [(i + 1, FALLING[i], ABOVE[i] if i % 3 == 0 else "nan") for i in range(N)]
    (curves,) = read(lines("epoch,loss,val_loss", rows))
    assert np.isfinite(curves.train_loss).all()
    assert not np.isinf(curves.val_loss).any()


def test_only_a_validation_at_epoch_0_is_the_state_before_training(read):
    rows = [(0, "", 2.0), *((i + 1, FALLING[i], ABOVE[i]) for i in range(N))]
    (curves,) = read(lines("epoch,loss,val_loss", rows))
    assert curves.epoch[0] == 0
    assert math.isnan(curves.train_loss[0])


def test_one_curve_only(read):
    one(read(lines("epoch,loss", zip(range(1, N + 1), FALLING, strict=True))), val=None)
    one(read(lines("epoch,val_loss", zip(range(1, N + 1), ABOVE, strict=True))), train=None)


def test_scores_alone_become_a_curve_and_it_says_so(read):
    rows = [(i + 1, 50 + i, 40 + i) for i in range(N)]
    curves = one(
        read(lines("epoch,acc,val_acc", rows)),
        train=[0.5 - i / 100 for i in range(N)],
        val=[0.6 - i / 100 for i in range(N)],
    )
    assert any("1 minus the score" in note for note in curves.notes)


def test_perplexity_is_taken_by_its_logarithm_and_negative_scores_are_turned_round(read):
    rows = [(i + 1, math.exp(FALLING[i]), math.exp(ABOVE[i])) for i in range(N)]
    one(read(lines("epoch,train_ppl,val_ppl", rows)))
    rows = [(i + 1, -FALLING[i], -ABOVE[i]) for i in range(N)]
    one(read(lines("epoch,train_neg_mean_squared_error,val_neg_mean_squared_error", rows)))


def test_a_loss_is_never_compared_with_an_error_rate(read):
    (curves,) = read(lines("epoch,loss,val_error", zip(range(1, N + 1), FALLING, ABOVE, strict=True)))
    assert curves.val_loss is None
    assert any("not the same figure" in note for note in curves.notes)


# -------------------------------------------------------------------------------------------------------- several runs


def test_runs_that_a_column_names(read):
    rows = [(fold, i + 1, FALLING[i] * fold, ABOVE[i] * fold) for fold in (1, 2, 3) for i in range(N)]
    found = read(lines("fold,epoch,loss,val_loss", rows))
    assert [curves.name for curves in found] == ["1", "2", "3"]
    assert found[2].train_loss[0] == 3.0


def test_runs_one_below_the_other(read):
    rows = [(i, FALLING[i] * run, ABOVE[i] * run) for run in (1, 2) for i in range(N)]
    found = read(lines("epoch,loss,val_loss", rows))
    assert [len(curves.epoch) for curves in found] == [N, N]
    assert [curves.name for curves in found] == ["run 1", "run 2"]
    (second,) = read(lines("epoch,loss,val_loss", rows), run="run 2")
    assert second.train_loss[0] == 2.0
    assert read(lines("epoch,loss,val_loss", rows), run=-1)[0].name == "run 2"
    with pytest.raises(ParameterError, match="run 3"):
        read(lines("epoch,loss,val_loss", rows), run="run 3")


def test_a_resumed_training_is_one_run(read):
    rows = [(i + 1, 9.0, 9.0) if i > 4 else (i + 1, FALLING[i], ABOVE[i]) for i in range(7)]
    rows += [(i + 1, FALLING[i], ABOVE[i]) for i in range(5, N)]
    one(read(lines("epoch,loss,val_loss", rows)))


def test_all_training_rows_above_all_validation_rows_are_one_run(read):
    rows = [(i + 1, FALLING[i], "") for i in range(N)] + [(i + 1, "", ABOVE[i]) for i in range(N)]
    one(read(lines("epoch,loss,val_loss", rows)))


def test_rows_in_any_order_are_one_run(read):
    rows = [(i + 1, FALLING[i], ABOVE[i]) for i in range(N)]
    one(read(lines("epoch,loss,val_loss", rows[::-1])))
    one(read(lines("epoch,loss,val_loss", [rows[i] for i in (3, 0, 6, 2, 7, 1, 5, 4)])))


def test_runs_side_by_side(read):
    rows = [(i + 1, FALLING[i], ABOVE[i]) for i in range(N)]
    found = read(lines("epoch,train_cost_eta_0.1,train_cost_eta_0.5", rows))
    assert [curves.name for curves in found] == ["eta 0.1", "eta 0.5"]


def test_runs_of_a_json_file(read):
    value = {"wide": {"loss": FALLING, "val_loss": ABOVE}, "narrow": {"loss": ABOVE, "val_loss": ABOVE}}
    assert [curves.name for curves in read(json.dumps(value), "runs.json")] == ["wide", "narrow"]


# -------------------------------------------------------------------------------------------------- steps, not epochs


def test_steps_become_at_most_a_hundred_points(read):
    rows = [(step, 1 / (1 + step / 1000)) for step in range(10, 20_010, 10)]
    (curves,) = read(lines("step,loss", rows))
    assert len(curves.epoch) == 100
    assert curves.by_steps
    assert (np.diff(curves.train_loss) < 0).all()


def test_steps_with_a_rare_validation_are_cut_there(read):
    rows = []
    for step in range(1, 801):
        place = (step - 1) // 100
        rows.append((step, FALLING[place], ABOVE[place] if step % 100 == 0 else ""))
    assert one(read(lines("step,loss,val_loss", rows))).by_steps


def test_rows_that_take_turns_are_paired(read):
    rows = [row for i in range(N) for row in ((FALLING[i], ""), ("", ABOVE[i]))]
    one(read(lines("train_loss,val_loss", rows)))


# ------------------------------------------------------------------------------------------------- names from the user


def test_columns_can_be_named(read):
    text = lines("n,a,b", zip(range(1, N + 1), FALLING, ABOVE, strict=True))
    one(read(text, train="a", val="b", epoch="n"))
    with pytest.raises(DataError, match='column "c" is not in'):
        read(text, train="c")
    with pytest.raises(DataError, match="no column whose name says") as error:
        read(text)
    assert "train=, val=" in str(error.value)


# ------------------------------------------------------------------------------------------------------------ bad files


@pytest.mark.parametrize(
    "content",
    [b"", b"\n \n", b"hi", b"{}", b"[]", b"[1, 2, 3]", b"\0\1\2" * 50, b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4,
     b"epoch,loss,val_loss\n", b"[" * 100_000, b'{"loss": "high"}', b"epoch\n1\n2\n", b"loss,val_loss\n,\n,\n",
     b"1,2,3\n4,5,6\n", b"name,town\nann,york\n", b"PK\x03\x04aaaa", b"null", b'"text"', b"\xff\xfe\x00"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["log.csv", "log.json", "log.jsonl", "events.out.tfevents.1"])
def test_what_is_no_log_is_refused_with_what_was_expected(read, content, name):
    with pytest.raises(DataError) as error:
        read(content, name)
    assert error.value.hint


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(MissingFileError):
        read_log(tmp_path / "nothing.csv")


NAMES = st.sampled_from(
    ["epoch", "step", "loss", "val_loss", "train_loss", "accuracy", "val_accuracy", "lr", "run", "phase", "x",
     "test mse", "val/box_loss", "train/box_loss", "loss_1", "cost_eta_2", "fold", "time", "",
     "eval_loss", "ppl", "mAP50(B)"]
)  # fmt: skip
CELLS = st.one_of(
    st.integers(-3, 300).map(str),
    st.floats().map(str),
    st.sampled_from(
        ["", "nan", "inf", "50%", "1,5", "train", "val", "1e308", "-1e308", "#", "None", '"', "tensor(1.)"]
    ),
)


@given(st.lists(NAMES, min_size=1, max_size=6), st.lists(st.lists(CELLS, min_size=1, max_size=6), max_size=14))
def test_any_table_is_read_or_refused(tmp_path_factory, names, rows):
    path = tmp_path_factory.mktemp("any") / "log.csv"
    path.write_text(lines(";".join(names), rows, by=";"))
    try:
        found = read_log(path)
    except DataError:
        return
    for curves in found:
        assert isinstance(curves, LogCurves)
        assert (np.diff(curves.epoch) > 0).all()
        assert len(curves.epoch)
