"""How a command ends: 0 done, 1 wrong data, model or value, 2 wrong line, 70 our bug, 130 Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import planefold as pf

COMMANDS = ("train", "predict", "report", "read", "inspect", "examples", "lesson")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_asking_for_help_is_no_error(cli: Any, arguments: list[str]) -> None:
    ended = cli(*arguments)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out


def test_help_names_every_command(cli: Any) -> None:
    assert all(f"\n  {name} " in cli("--help").out for name in COMMANDS)


def test_no_command_at_all_shows_what_there_is(cli: Any) -> None:
    ended = cli()
    assert (ended.code, ended.out) == (2, "")
    assert "planefold train diabetes.csv" in ended.err
    assert "error" not in ended.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["trian", "x.csv"],
            [
                'error: "trian" is no command',
                "  commands: train, predict, report, doctor, read, inspect, prepare, examples, lesson",
                "  hint: did you mean planefold train?",
            ],
        ),
        (
            ["qwertz"],
            [
                'error: "qwertz" is no command',
                "  commands: train, predict, report, doctor, read, inspect, prepare, examples, lesson",
                "  hint: planefold --help says what each does",
            ],
        ),
        (
            ["train", "x.csv", "--targte", "y"],
            ["error: planefold train has no option --targte", "  hint: did you mean --target?"],
        ),
        (
            ["--verion"],
            ["error: planefold has no option --verion", "  hint: did you mean --version?"],
        ),
        (
            ["train", "x.csv", "--l1-ration", "1"],
            ["error: planefold train has no option --l1-ration", "  hint: did you mean --l1-ratio?"],
        ),
        (["train"], ["error: planefold train needs DATA", "  hint: planefold train --help lists what there is"]),
        (["inspect"], ["error: planefold inspect needs MODEL", "  hint: planefold inspect --help lists what there is"]),
        (
            ["train", "no.csv"],
            ["error: which column is to be predicted?", "  hint: say it, as in --target COLUMN"],
        ),
    ],
)  # fmt: skip
def test_a_wrong_line_ends_with_2_and_what_was_probably_meant(
    cli: Any, arguments: list[str], expected: list[str]
) -> None:
    ended = cli(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.error == expected


def test_without_a_target_the_columns_are_shown(cli: Any, houses: Path) -> None:
    ended = cli("train", houses)
    assert ended.code == 2
    assert ended.error == [
        "error: which column is to be predicted?",
        "  7 columns: area, town, built, garden, price, sold, kind",
        f"  hint: say it, as in planefold train {houses} --target kind",
    ]


@pytest.mark.parametrize("arguments", [["train", "a", "b"], ["train", "a", "--target"], ["examples", "-o", "x.csv"]])
def test_other_wrong_lines_end_with_2_too(cli: Any, arguments: list[str]) -> None:
    ended = cli(*arguments)
    assert ended.code == 2
    assert ended.error[-1].startswith("  hint: ")


@pytest.mark.parametrize("flags", [["--max-iter", "many"], ["--task", "guess"], ["--seed", "1.5"], ["--alpha", "x"]])
def test_a_wrong_value_ends_with_1(cli: Any, houses: Path, flags: list[str]) -> None:
    ended = cli("train", houses, "-t", "price", *flags)
    assert ended.code == 1
    assert flags[0] in ended.error[0]
    assert flags[1] in ended.error[0]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--solver", "adma"], ["--solver adma is not known", "'adamw'", "did you mean 'adam'?"]),
        (["--activation", "rleu"], ["--activation rleu is not known", "did you mean 'relu'?"]),
        (["--learning-rate", "cosin"], ["--learning-rate cosin is not known", "did you mean 'cosine'?"]),
        (["--learning-rate", "0.01"], ["--learning-rate 0.01 is a rate", "hint: --learning-rate-init 0.01"]),
        (["--loss", "hubert"], ["--loss hubert is not known", "did you mean 'huber'?"]),
        (["--batch-size", "0"], ["--batch-size 0 must be a whole number of at least 1"]),
        (["--l1-ratio", "1.5"], ["--l1-ratio 1.5 must be a number of at least 0 and at most 1"]),
        (["--class-weight", "balanced"], ["--class-weight balanced does not act on regression", "predicting price"]),
        (["--resample", "smote"], ["--resample smote does not act on regression", "numbers with decimals"]),
        (["-t", "sold", "--loss", "huber"], ["--loss huber does not act on classification", "predicting sold"]),
        (["-t", "sold", "--resample", "smoat"], ["--resample smoat is not known", "did you mean 'smote'?"]),
        (["-t", "sold", "--threshold", "2"], ["--threshold 2 must be a probability above 0 and below 1", "'f1'"]),
        (["-t", "sold", "--threshold", "nan"], ["--threshold nan must be a probability"]),
        (["-t", "kind", "--threshold", "0.4"], ["--threshold 0.4 is for two classes", "leave out --threshold"]),
        (["-t", "sold", "--resample", "smote", "--class-weight", "balanced"],
         ["--resample smote and --class-weight balanced each make the classes even", "take one of them"]),
    ],
    ids=lambda value: " ".join(value) if value[0].startswith("-") else "",
)  # fmt: skip
def test_a_training_that_cannot_be_is_refused_in_the_words_that_were_typed(
    cli: Any, houses: Path, flags: list[str], words: list[str]
) -> None:
    ended = cli("train", houses, "-t", "price", *flags)  # the last -t counts
    assert (ended.code, ended.out) == (1, "")
    assert all(word in "\n".join(ended.error) for word in words), ended.err
    assert not houses.with_suffix(".fold").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (["inspect", "no.fold"], 1, "MissingFileError"),
        (["inspect", "--josn"], 2, "PlanefoldError"),
        (["train", "no.csv", "-t", "y", "--max-iter", "x"], 1, "PlanefoldError"),
    ],
)
def test_with_json_an_error_is_json_too(cli: Any, arguments: list[str], code: int, kind: str) -> None:
    ended = cli(*arguments, "--json")
    assert ended.code == code
    told = ended.json
    assert told["exit_code"] == code
    assert told["error"]["type"] == kind
    assert f"error: {told['error']['what']}" == ended.error[0]


def test_what_a_terminal_would_obey_is_not_sent_to_it(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\x1b[2J,y\n1,2\n3,4\n")
    ended = cli("train", tmp_path / "a.csv", "-t", "z")
    assert ended.code == 1
    assert "\x1b" not in ended.err


# --------------------------------------------------------------------------------------------------------- our bugs


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of all things\nand more")

    monkeypatch.setattr("planefold.saving.read_summary", fail)


@pytest.mark.usefixtures("broken")
def test_a_bug_of_ours_ends_with_70_and_no_traceback(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLANEFOLD_DEBUG", raising=False)
    ended = cli("inspect", "m.fold")
    assert (ended.code, ended.out) == (70, "")
    assert ended.error == [
        "error: this is a bug in planefold: ZeroDivisionError: of all things",
        "  hint: please report it; PLANEFOLD_DEBUG=1 shows where it happened",
    ]


@pytest.mark.usefixtures("broken")
def test_with_planefold_debug_a_bug_shows_where_it_is(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANEFOLD_DEBUG", "1")
    ended = cli("inspect", "m.fold")
    assert ended.code == 70
    assert "Traceback (most recent call last)" in ended.err
    assert "test_exit_codes.py" in ended.err


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ...")]
)
def test_too_little_memory_is_no_bug(cli: Any, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("planefold.saving.read_summary", fail)
    ended = cli("inspect", "m.fold")
    assert ended.code == 1
    assert "memory" in ended.error[0]


# ----------------------------------------------------------------------------------------------------------- Ctrl-C

# Each epoch takes long enough to be interrupted, and the third one says that it is time.
SLOW = """
import sys, time
from planefold.core.progress import ProgressBar
def update(self, done, words=""):
    if done == 3:
        open(sys.argv[1], "w").close()
    time.sleep(0.05)
ProgressBar.update = update
from planefold.cli.main import main
main(sys.argv[2:])
"""


def interrupt(repository: Path, marker: Path, *arguments: str) -> tuple[int, str, str]:
    running = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(marker), *arguments],
        env={**os.environ, "PYTHONPATH": str(repository / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        for _ in range(600):
            if marker.exists() or running.poll() is not None:
                break
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
    return running.returncode, out, err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT to send")
def test_ctrl_c_ends_the_training_with_130_and_saves_the_best_weights(
    cli: Any, repository: Path, houses: Path, tmp_path: Path
) -> None:
    code, out, err = interrupt(
        repository, tmp_path / "now", "train", str(houses), "-t", "price", "--members", "2", "--max-iter", "100000"
    )
    assert code == 130, err
    assert "Traceback" not in err
    assert "Training interrupted by user" in err
    assert f"model:  {tmp_path / 'houses.fold'}" in out
    model = pf.load(tmp_path / "houses.fold")
    assert model.run_.stopped_because == "interrupted"
    losses = {epoch.epoch: epoch.val_loss for epoch in model.run_.epochs}
    assert model.run_.best_epoch == min(losses, key=lambda epoch: losses[epoch])
    assert cli("predict", tmp_path / "houses.fold", houses).code == 0


def test_ctrl_c_before_the_training_saves_nothing(cli: Any, houses: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("planefold.estimators.MLPRegressor.fit", stop)
    ended = cli("train", houses, "-t", "price")
    assert ended.code == 130
    assert ended.error == ["error: stopped by Ctrl-C: the training had not begun, no model was saved"]
    assert [path.name for path in houses.parent.iterdir()] == ["houses.csv"]


def test_ctrl_c_after_the_training_keeps_the_model(
    cli: Any, quick: Any, houses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("planefold.estimators.reporting.judge", stop)
    ended = cli("train", houses, "-t", "price", *quick)
    assert ended.code == 130
    assert ended.error[0].endswith(f"the model is saved in {houses.with_suffix('.fold')}, it has not been judged")
    assert cli("inspect", houses.with_suffix(".fold")).code == 0
