"""`planefold doctor`: models, tables and anyone's logs, in words that help, with exit codes for gates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import planefold as pf

EPOCHS = np.arange(1, 41)


@pytest.fixture
def overfit_log(tmp_path: Path) -> Path:
    """Keras's CSVLogger, of a training that turned at epoch 10."""
    path = tmp_path / "log.csv"
    train = 0.05 + np.exp(-EPOCHS / 6)
    val = 0.3 + 0.8 * np.exp(-EPOCHS / 4) + 0.02 * np.maximum(EPOCHS - 10, 0)
    rows = [f"{e - 1},{t:.5f},{v:.5f}" for e, t, v in zip(EPOCHS, train, val, strict=True)]
    path.write_text("\n".join(["epoch,loss,val_loss", *rows]) + "\n")
    return path


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of two classes, one column of which is the target in other words."""
    rng = np.random.RandomState(0)
    x = rng.randn(300, 3)
    y = (x[:, 0] + 0.7 * rng.randn(300) > 0).astype(int)
    path = tmp_path / "table.csv"
    lines = [f"{a:.4f},{b:.4f},{c:.4f},{'paid' if t else 'due'},{t}" for (a, b, c), t in zip(x, y, strict=True)]
    path.write_text("\n".join(["a,b,c,state,bought", *lines]) + "\n")
    return path


def told(ended: Any) -> tuple[int, str, str]:
    return ended.code, ended.out, ended.err


def test_a_log_is_diagnosed_with_its_turning_point(cli: Any, overfit_log: Path) -> None:
    code, out, _ = told(cli("doctor", overfit_log))
    assert code == 0
    assert "learning curves: overfit" in out
    assert "LC101" in out
    assert "try:" in out


def test_a_gate_ends_with_exit_code_three(cli: Any, overfit_log: Path) -> None:
    assert cli("doctor", overfit_log, "--fail-on", "warning").code == 3
    assert cli("doctor", overfit_log, "--fail-on", "error").code == 0


def test_json_holds_the_diagnosis_of_each_run(cli: Any, overfit_log: Path) -> None:
    code, out, _ = told(cli("doctor", overfit_log, "--json"))
    result = json.loads(out)
    assert code == 0
    (diagnosis,) = result["runs"].values()
    assert diagnosis["verdict"] == "overfit"
    assert diagnosis["findings"][0]["code"] == "LC101"
    assert diagnosis["not_applicable"]


def test_a_table_is_scanned_for_what_gives_the_target_away(cli: Any, table: Path) -> None:
    code, out, _ = told(cli("doctor", table, "--target", "bought", "--fail-on", "warning"))
    assert code == 3
    assert "DA401" in out
    assert "state" in out


def test_a_model_is_diagnosed_alone_and_with_its_rows(cli: Any, table: Path, tmp_path: Path) -> None:
    frame = pf.read_table(table).drop(["state"])
    model = pf.MLPClassifier((8,), n_members=2, max_iter=15, random_state=0)
    model.fit(frame, "bought").save(tmp_path / "m.fold")
    code, out, _ = told(cli("doctor", tmp_path / "m.fold"))
    assert code == 0
    assert out.startswith("learning curves: ")
    code, out, _ = told(cli("doctor", tmp_path / "m.fold", table, "--all"))
    assert code == 0
    assert "not looked at: SC101" in out  # no rows that it has not learned from


def test_a_picture_of_a_log_is_drawn(cli: Any, overfit_log: Path, tmp_path: Path) -> None:
    assert cli("doctor", overfit_log, "-o", tmp_path / "curves.png").code == 0
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_check_is_explained(cli: Any) -> None:
    code, out, _ = told(cli("doctor", "--explain", "lc101"))
    assert code == 0
    assert out.startswith("LC101 overfit")
    code, _, err = told(cli("doctor", "--explain", "LC999"))
    assert code == 1
    assert "LC999" in err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "what is to be looked at?"),
        (["gone.csv"], 1, "gone.csv"),
        (["{log}", "{log}"], 1, "is no .fold file"),
        (["{log}", "--group", "a"], 1, "--group a needs rows"),
        (["{log}", "--validation", "{table}"], 1, "needs rows"),
        (["{table}", "--target", "bougth"], 1, "bougth"),
        (["{table}", "--target", "bought", "--val-column", "a"], 1, "is for training logs"),
        (["{table}"], 1, "--target COLUMN"),
        (["{table}", "--target", "bought", "-o", "x.png"], 1, "no curves to draw"),
        (["{log}", "-o", "x.txt"], 1, "is no picture"),
        (["{log}", "--delimiter", ";"], 1, "is for tables"),
        (["{table}", "--target", "bought", "--group", "gone"], 1, "gone"),
        (["{table}", "--target", "bought", "--validation", "{log}"], 1, "bought"),
        (["{log}", "--train-column", "gone"], 1, "gone"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_message(
    cli: Any, overfit_log: Path, table: Path, arguments: list[str], code: int, said: str
) -> None:
    named = [word.format(log=overfit_log, table=table) for word in arguments]
    found, out, err = told(cli("doctor", *named))
    assert found == code
    assert said in err
    assert "Traceback" not in err
    assert out == ""


def test_what_was_taken_for_the_curves_is_told_beside_the_result(cli: Any, overfit_log: Path) -> None:
    _, out, err = told(cli("doctor", overfit_log))
    assert 'validation loss: "val_loss"' in err
    assert "val_loss" not in out
    runs = json.loads(cli("doctor", overfit_log, "--json").out)["runs"]
    assert 'validation loss: "val_loss"' in runs["log.csv"]["taken"]


def test_advice_about_another_tools_log_names_no_parameter_of_ours(cli: Any, overfit_log: Path) -> None:
    _, out, _ = told(cli("doctor", overfit_log))
    assert "keep the weights of epoch 10" in out
    assert "early_stopping" not in out
    assert "--" not in out


def test_a_log_that_is_too_short_is_not_called_well(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("epoch,loss,val_loss\n1,1,1.1\n2,.8,.9\n3,.7,.8\n")
    _, out, _ = told(cli("doctor", tmp_path / "log.csv"))
    assert out.startswith("learning curves: no verdict: 3 epochs")
    assert "nothing is wrong" not in out


def test_a_table_with_the_target_in_it_is_no_leak(cli: Any, tmp_path: Path) -> None:
    rng = np.random.RandomState(0)
    x = rng.randn(200, 3)
    lines = [",".join(f"{value:.4f}" for value in (*row, 3 * row[0] + rng.randn())) for row in x]
    (tmp_path / "homes.csv").write_text("\n".join(["a,b,c,price", *lines]) + "\n")
    assert cli("train", tmp_path / "homes.csv", "-t", "price", "--max-iter", "5", "--no-report").code == 0
    for further in ([], ["--time", "a"], ["--validation", tmp_path / "homes.csv"]):
        code, out, _ = told(cli("doctor", tmp_path / "homes.fold", tmp_path / "homes.csv", *further))
        assert code == 0
        assert "DA401" not in out


def test_what_could_not_be_looked_at_is_told_reason_by_reason(cli: Any, overfit_log: Path) -> None:
    _, out, _ = told(cli("doctor", overfit_log, "--all"))
    reasons = [line.rpartition(": ")[2] for line in out.splitlines() if line.startswith("not looked at: ")]
    assert reasons
    assert len(set(reasons)) == len(reasons)


@pytest.mark.parametrize("code", pf.doctor.CHECKS)
def test_the_page_of_every_check_reads_as_plain_text(cli: Any, code: str) -> None:
    ended, out, _ = told(cli("doctor", "--explain", code))
    assert ended == 0
    assert "**" not in out
    assert "----" not in out
    assert "Rule" in out


def test_training_again_as_advised_speaks_in_flags(cli: Any, table: Path) -> None:
    code, out, err = told(
        cli("train", table, "-t", "bought", "--drop", "state", "--members", "1", "--no-report", "--fix",
            "--learning-rate-init", "10", "--max-iter", "12", "--batch-size", "20")
    )  # fmt: skip
    assert code == 0
    assert "learning_rate_init=" not in err
    assert "kept: the one " in out or "not trained again: " in err


def test_a_healthy_training_is_not_trained_again(cli: Any, tmp_path: Path) -> None:
    cli("examples", "iris", "--output", tmp_path / "iris.csv")
    _, out, err = told(cli("train", tmp_path / "iris.csv", "-t", "species", "--no-report", "--fix"))
    assert "not trained again: the doctor finds nothing wrong" in err
    assert "kept:" not in out
