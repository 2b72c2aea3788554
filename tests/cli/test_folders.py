"""`planefold train`, `predict`, `inspect` and `doctor` on folders of pictures and sounds."""

from __future__ import annotations

import csv
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

import planefold as pf
from planefold.cli import preparing_folder, train_folder
from planefold.core.errors import PlanefoldError
from planefold.data.images import read_pictures

QUICK = ("--max-iter", "3")
N = 12  # files of each class


def write_pictures(folder: Path, n: int = N, *, seed: int = 0, classes: tuple[str, ...] = ("dark", "light")) -> Path:
    """Pictures of 8 x 8, dark or light; two of each patient."""
    rng = np.random.default_rng(seed)
    for place, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            pixels = rng.integers(0, 60, (8, 8)) + 180 * place
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"p{i // 2}_{i}.png")
    return folder


def write_sounds(folder: Path, n: int = N) -> Path:
    """Tones of a tenth of a second, low or high."""
    rng, t = np.random.default_rng(0), np.arange(1600) / 16_000
    for name, pitch in (("high", 3000), ("low", 400)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            wave = 0.3 * np.sin(2 * np.pi * pitch * t + i) + rng.normal(0, 0.05, len(t))
            wavfile.write(folder / name / f"s{i // 2}_{i}.wav", 16_000, (wave * 32_000).astype(np.int16))
    return folder


@dataclass(frozen=True)
class Trained:
    """What the command line made of a folder."""

    folder: Path
    model: Path
    ended: Any


@pytest.fixture(scope="module")
def of_pictures(cli: Any, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = write_pictures(tmp_path_factory.mktemp("pictures") / "lamps")
    ended = cli("train", f"{folder}/", "--target", "folder", *QUICK)
    assert ended.code == 0, ended.err
    return Trained(folder, folder.with_name("lamps.fold"), ended)


@pytest.fixture(scope="module")
def of_sounds(cli: Any, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = write_sounds(tmp_path_factory.mktemp("sounds") / "tones")
    ended = cli("train", folder, "--no-report", *QUICK)
    assert ended.code == 0, ended.err
    return Trained(folder, folder.with_name("tones.fold"), ended)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "lamps")


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(text.splitlines()))


# ----------------------------------------------------------------------------------------------------------- train


def test_a_folder_of_pictures_becomes_a_model_and_a_report(of_pictures: Trained) -> None:
    ended, folder = of_pictures.ended, of_pictures.folder
    told = ended.err.splitlines()
    assert told[0] == f"{folder}: 24 pictures, 8 x 8 (height x width), grey: dark 12, light 12"
    assert "classification: the folders' names are the classes" in told
    assert "19 pictures to learn from, 5 to judge by: at random (seed 0), each class with its share" in told
    assert re.search(r"on grey pictures of 8 x 8 pixels: 3 epochs in .* s on \w+", ended.err)
    lines = ended.out.splitlines()
    assert "5 pictures it had not seen" in lines[0]
    assert lines[-2:] == [f"model:  {of_pictures.model}", f"report: {folder.with_name('lamps.html')}"]
    assert "--members" not in ended.out  # the model has none
    page = folder.with_name("lamps.html").read_text(encoding="utf-8")
    assert "planefold predict" in page


def test_a_folder_of_sounds_becomes_a_model(of_sounds: Trained) -> None:
    ended = of_sounds.ended
    assert ended.err.splitlines()[0] == f"{of_sounds.folder}: 24 sounds of 0.1 s at 16,000 Hz: high 12, low 12"
    assert "5 sounds it had not seen" in ended.out
    assert ended.out.splitlines()[-1] == f"model:  {of_sounds.model}"
    assert not of_sounds.folder.with_name("tones.html").exists()
    assert pf.load(of_sounds.model).classes_.tolist() == ["high", "low"]


def test_json_says_the_same(cli: Any, pictures: Path) -> None:
    (pictures / "light" / "bad.png").write_text("no picture")
    model = pictures.with_name("m.fold")
    ended = cli("train", pictures, "--json", "-o", model, "--no-report", "--skip-broken", "--size", "6x4", *QUICK)
    assert ended.code == 0, ended.err
    found = ended.json
    assert (found["model"], found["report"], found["task"]) == (str(model), None, "classification")
    assert (found["kind"], found["size"]) == ("pictures", [6, 4])
    assert found["rows"]["train"] == sum(found["classes"].values()) == 19
    assert found["rows"]["test"] == 5
    assert found["skipped"] == [{"file": "light/bad.png", "reason": "it is text, not a picture"}]
    assert any("1 of 25 pictures left out" in told for told in found["notes"])
    assert found["evaluation"]["n_rows"] == 5
    assert found["run"]["epochs"] == 3


def captured(cli: Any, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> preparing_folder.Job:
    """Return what would be trained."""
    jobs: list[preparing_folder.Job] = []

    def keep(job: preparing_folder.Job) -> list[str]:
        jobs.append(job)
        raise PlanefoldError("seen enough")

    monkeypatch.setattr(train_folder, "_fit", keep)
    ended = cli("train", *arguments)
    assert ended.error[0] == "error: seen enough", ended.err
    return jobs[0]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_files_of_one_group_stay_on_one_side(
    cli: Any, pictures: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    job = captured(cli, monkeypatch, pictures, "--group", r"p(\d+)_", "--seed", seed)
    sides = [{re.search(r"p(\d+)_", name)[1] for name in side.files} for side in (job.learn, job.test)]  # type: ignore[index]
    assert sides[0]
    assert sides[1]
    assert not sides[0] & sides[1]
    assert job.groups is not None
    assert set(job.groups.tolist()) == sides[0]
    assert len(job.learn) + len(job.test) == 24


def test_without_a_rule_each_class_has_its_share(cli: Any, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = captured(cli, monkeypatch, pictures, "--test-size", "0.25")
    assert sorted(job.test.labels.tolist()) == ["dark"] * 3 + ["light"] * 3
    assert not set(job.learn.files) & set(job.test.files)
    # The numbers are those of the whole folder's files, in their order.
    files = read_pictures(pictures).files
    assert job.numbers is not None
    assert [files[number - 1] for number in job.numbers] == list(job.test.files)


def test_another_folder_to_judge_by(cli: Any, pictures: Path) -> None:
    test = write_pictures(pictures.with_name("later"), 3, seed=1)
    ended = cli("train", pictures, "--test", test, "--group", "p[0-9]+", "--no-report", *QUICK)
    assert ended.code == 0, ended.err
    assert f"24 pictures to learn from, 6 to judge by: all of {test}" in ended.err
    assert "2 groups are in both folders (p0, p1)" in ended.err
    assert "6 pictures it had not seen" in ended.out


def test_options_reach_the_model(cli: Any, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = ("--batch-size", 8, "--learning-rate-init", 0.02, "--class-weight", "balanced", "--dropout", 0.3,
             "--seed", 7, "--device", "cpu", "--size", "6", "--activation", "tanh", "--no-batch-norm",
             *QUICK)  # fmt: skip
    model = captured(cli, monkeypatch, pictures, *flags).model
    expected = {"batch_size": 8, "learning_rate_init": 0.02, "class_weight": "balanced", "dropout": 0.3,
                "random_state": 7, "device": "cpu", "size": 6, "activation": "tanh", "batch_norm": False,
                "max_iter": 3}  # fmt: skip
    assert expected.items() <= model.get_params().items()


def test_ctrl_c_keeps_the_best_weights(cli: Any, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new_model = preparing_folder._new_model

    def interrupting(kind: Any, options: Any) -> Any:
        def stop(epoch: Any) -> None:
            if epoch.epoch == 2:
                raise KeyboardInterrupt

        return new_model(kind, options).set_params(callbacks=[stop])

    monkeypatch.setattr(preparing_folder, "_new_model", interrupting)
    ended = cli("train", pictures, "--max-iter", "50", "--no-report")
    assert ended.code == 130
    assert "interrupted" in ended.err
    assert pf.load(pictures.with_name("lamps.fold")).n_iter_ <= 3


def test_few_files_are_all_learned_from(cli: Any, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "few", 4)
    ended = cli("train", folder, "--no-report", *QUICK)
    assert ended.code == 0, ended.err
    assert "6 pictures are too few to hold some out" in ended.err


def test_a_class_with_one_file_is_left_out_with_a_note(cli: Any, pictures: Path) -> None:
    (pictures / "broken lamps").mkdir()
    shutil.copy(pictures / "dark" / "p0_0.png", pictures / "broken lamps" / "one [1].png")
    ended = cli("train", pictures, "--no-report", *QUICK)
    assert ended.code == 0, ended.err
    assert "1 class has one picture to learn from, which is too few, and will never be predicted: broken lamps" in (
        ended.err)  # fmt: skip
    assert pf.load(pictures.with_name("lamps.fold")).classes_.tolist() == ["dark", "light"]


def test_an_empty_class_is_told(cli: Any, pictures: Path) -> None:
    (pictures / "green").mkdir()
    ended = cli("train", pictures, "--no-report", *QUICK)
    assert ended.code == 0, ended.err
    assert "no pictures in the folder green; there is no such class" in ended.err


def test_the_class_of_a_single_group_is_not_judged(cli: Any, pictures: Path) -> None:
    (pictures / "odd").mkdir()
    for i in range(4):
        shutil.copy(pictures / "dark" / "p0_0.png", pictures / "odd" / f"p77_{i}.png")
    seen = set()
    for seed in range(8):
        ended = cli("train", pictures, "--group", "p[0-9]+", "--test-size", 0.5, "--seed", seed, "--no-report",
                    "--max-iter", 1)  # fmt: skip
        assert ended.code == 0, ended.err
        seen.add("of classes without any to learn from, and are left out: odd" in ended.err)
    assert seen == {True, False}


# ------------------------------------------------------------------------------------------------- train: bad input


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--hidden", "3"], "--hidden acts on tables"),
        (["--members", "2", "--drop", "x"], "--drop, --members act on tables"),
        (["--time", "x"], "--time acts on tables"),
        (["--fix"], "--fix acts on tables"),
        (["--delimiter", ";"], "--delimiter acts on tables"),
        (["--target", "kind"], "--target kind: of a folder of pictures the folders' names are predicted"),
        (["--size", "big"], "--size 'big' is no size"),
        (["--size", "0"], "size"),
        (["--max-iter", "0"], "--max-iter 0 must be a whole number of at least 1"),
        (["--dropout", "2"], "--dropout 2 must be a share"),
        (["--test-size", "1.5"], "--test-size 1.5 must be a share between 0 and 1"),
        (["--seed", "-1"], "--seed -1 must be a whole number"),
        (["--device", "abacus"], "abacus"),
        (["--activation", "rleu"], "Did you mean"),
        (["--group", "q([0-9]+)"], "--group q([0-9]+) does not match the name of dark/p0_0.png"),
        (["--group", "("], "--group ( is no regular expression"),
        (["--group", "png"], "--group png finds one group only: png"),
        (["--test", "nowhere"], "--test nowhere does not exist"),
        (["--test", "nowhere", "--test-size", "0.1"], "--test and --test-size cannot both decide"),
        (["-o", "nowhere/x.fold"], "there is no folder nowhere"),
    ],
)  # fmt: skip
def test_wrong_flags(cli: Any, pictures: Path, flags: list[str], told: str) -> None:
    ended = cli("train", pictures, *flags)
    assert (ended.code, ended.out) == (1, "")
    assert told.lower() in "\n".join(ended.error).lower()
    assert sorted(path.name for path in pictures.parent.iterdir()) == ["lamps"]


@pytest.mark.parametrize("flags", [["--size", "8"], ["--skip-broken"], ["--test", "x", "--size", "8"]])
def test_flags_for_folders_are_refused_for_tables(cli: Any, houses: Path, flags: list[str]) -> None:
    ended = cli("train", houses, "--target", "price", *flags)
    assert ended.code == 1
    assert "on folders of pictures and sounds" in ended.error[0]


def test_pictures_and_sounds_in_one_folder(cli: Any, pictures: Path) -> None:
    write_sounds(pictures, 2)
    ended = cli("train", pictures)
    assert ended.code == 1
    assert "holds 24 pictures and 4 sounds" in ended.error[0]


def test_neither_pictures_nor_sounds(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    assert "there are no files in it" in cli("train", tmp_path / "docs").error[1]
    (tmp_path / "docs" / "a.pdf").write_text("x")
    ended = cli("train", tmp_path / "docs")
    assert ended.code == 1
    assert "holds neither pictures nor sounds" in ended.error[0]
    assert "1 .pdf" in ended.error[1]


def test_a_folder_that_is_not_there(cli: Any, pictures: Path) -> None:
    ended = cli("train", pictures.with_name("lamp"))
    assert ended.code == 1
    assert ended.error == [
        f"error: there is no folder {pictures.with_name('lamp')}",
        f"  hint: did you mean {pictures}?",
    ]


def test_no_classes(cli: Any, pictures: Path) -> None:
    ended = cli("train", pictures / "dark")
    assert ended.code == 1
    assert "does not say what its pictures are" in ended.error[0]


def test_one_class(cli: Any, pictures: Path) -> None:
    shutil.rmtree(pictures / "light")
    ended = cli("train", pictures)
    assert ended.code == 1
    assert "has one class only: dark" in ended.error[0]


def test_a_text_that_is_called_like_a_picture(cli: Any, pictures: Path) -> None:
    (pictures / "dark" / "note.png").write_text("buy bulbs")
    ended = cli("train", pictures)
    assert ended.code == 1
    assert "1 of 25 pictures" in ended.error[0]
    assert "dark/note.png (it is text, not a picture)" in ended.error[1]
    assert ended.error[2] == "  hint: --skip-broken leaves them out"


def test_a_text_that_is_called_like_a_sound(cli: Any, tmp_path: Path) -> None:
    folder = write_sounds(tmp_path / "tones", 3)
    (folder / "low" / "note.wav").write_text("la la la")
    ended = cli("train", folder)
    assert ended.code == 1
    assert "low/note.wav" in ended.error[1]
    assert "--skip-broken" in ended.error[2]
    assert "errors=" not in ended.error[2]


def test_the_parts_of_a_data_set(cli: Any, tmp_path: Path) -> None:
    write_pictures(tmp_path / "all" / "train")
    write_pictures(tmp_path / "all" / "test")
    ended = cli("train", tmp_path / "all")
    assert ended.code == 1
    assert ended.error[2] == f"  hint: planefold train {tmp_path}/all/train --test {tmp_path}/all/test"


def test_a_test_folder_with_other_classes_or_inside(cli: Any, pictures: Path) -> None:
    other = write_pictures(pictures.with_name("other"), 2, classes=("dark", "blue"))
    ended = cli("train", pictures, "--test", other)
    assert ended.code == 1
    assert f"--test {other} has classes that {pictures} has not: blue" in ended.error[0]
    assert "lies in" in cli("train", pictures, "--test", pictures / "dark").error[0]
    assert "lies in" in cli("train", pictures, "--test", pictures).error[0]


# --------------------------------------------------------------------------------------------------------- predict


@pytest.mark.parametrize("name", ["of_pictures", "of_sounds"])
def test_predictions_of_a_folder_are_those_of_the_model(
    cli: Any, request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> None:
    trained: Trained = request.getfixturevalue(name)
    output = tmp_path / "out.csv"
    ended = cli("predict", trained.model, trained.folder, "-o", output)
    assert (ended.code, ended.out) == (0, f"24 predictions: {output}\n")
    assert re.search(r"compared with the folders' names in 24 \w+s: ROC AUC [01]", ended.err)
    found = rows_of(output.read_text(encoding="utf-8"))
    model = pf.load(trained.model)
    first, second = model.classes_.tolist()
    assert list(found[0]) == ["file", "prediction", f"probability of {first}", f"probability of {second}"]
    assert [row["prediction"] for row in found] == model.predict(trained.folder).tolist()
    shares = np.array([[float(row[f"probability of {label}"]) for label in (first, second)] for row in found])
    assert np.allclose(shares, model.predict_proba(trained.folder), atol=1e-6)
    assert found[0]["file"].startswith(f"{first}/")
    assert len({row["file"] for row in found}) == 24


def test_one_file_and_standard_output(cli: Any, of_pictures: Trained) -> None:
    ended = cli("predict", of_pictures.model, of_pictures.folder / "dark" / "p0_0.png")
    assert (ended.code, ended.err) == (0, "")
    assert [row["file"] for row in rows_of(ended.out)] == ["p0_0.png"]
    found = cli("predict", of_pictures.model, of_pictures.folder, "--json").json
    assert len(found) == 24
    assert set(found[0]) == {"file", "prediction", "probability of dark", "probability of light"}


def test_a_table_of_paths(cli: Any, of_pictures: Trained) -> None:
    table = of_pictures.folder / "list.csv"  # paths start where the table lies
    table.write_text("lamp;path\nold;light/p1_3.png\nnew;dark/p0_1.png\nodd;light/none.png\n", encoding="utf-8")
    try:
        ended = cli("predict", of_pictures.model, table, "--keep", "lamp")
        assert ended.code == 1
        assert "none.png" in "\n".join(ended.error)
        ended = cli("predict", of_pictures.model, table, "--keep", "lamp", "--skip-broken")
        wrong = cli("predict", of_pictures.model, table, "--keep", "size")
    finally:
        table.unlink()
    assert ended.code == 0, ended.err
    rows = rows_of(ended.out)
    assert [(row["file"], row["lamp"]) for row in rows] == [
        ("light/p1_3.png", "old"), ("dark/p0_1.png", "new"), ("light/none.png", "odd")]  # fmt: skip
    expected = pf.load(of_pictures.model).predict([of_pictures.folder / rows[i]["file"] for i in (0, 1)]).tolist()
    assert [row["prediction"] for row in rows] == [*expected, ""]
    assert wrong.code == 1
    assert wrong.error[0] == 'error: column "size" is not in list.csv'


def test_a_broken_file_stops_all_or_gets_an_empty_prediction(cli: Any, of_pictures: Trained, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "new", 3)
    (folder / "dark" / "p0_a.png").write_bytes(b"")
    output = tmp_path / "out.csv"
    ended = cli("predict", of_pictures.model, folder, "-o", output)
    assert (ended.code, ended.out) == (1, "")
    assert "dark/p0_a.png (the file is empty)" in ended.error[1]
    assert not output.exists()
    ended = cli("predict", of_pictures.model, folder, "-o", output, "--skip-broken", "--json")
    assert ended.code == 0, ended.err
    assert ended.json["rows"] == 6
    assert ended.json["skipped"] == [{"file": "dark/p0_a.png", "reason": "the file is empty"}]
    assert "dark/p0_a.png" in ended.err
    rows = rows_of(output.read_text(encoding="utf-8"))
    assert [row["file"] for row in rows if not row["prediction"]] == ["dark/p0_a.png"]
    assert len(rows) == 7
    for row in rows:
        assert (row["prediction"] == "") == (row["probability of dark"] == "")
    good = [row for row in rows if row["prediction"]]
    (folder / "dark" / "p0_a.png").unlink()
    assert [row["prediction"] for row in good] == pf.load(of_pictures.model).predict(folder).tolist()


def test_folders_that_are_no_classes_are_not_compared(cli: Any, of_pictures: Trained, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "new", 2, classes=("monday", "tuesday"))
    ended = cli("predict", of_pictures.model, folder)
    assert (ended.code, ended.err) == (0, "")
    mixed = write_pictures(tmp_path / "mixed", 2, classes=("dark", "tuesday"))
    ended = cli("predict", of_pictures.model, mixed)
    assert ended.code == 0
    assert "not compared with the folders' names: the model does not know all of them (tuesday)" in ended.err


def test_models_and_data_that_do_not_fit(
    cli: Any, of_pictures: Trained, of_sounds: Trained, regressor: Any, houses: Path, tmp_path: Path
) -> None:
    picture = of_pictures.folder / "dark" / "p0_0.png"
    cases = [
        ((regressor.model, of_pictures.folder), "is a folder, and"),
        ((regressor.model, picture), "is a picture, and"),
        ((regressor.model, houses, "--skip-broken"), "--skip-broken acts on pictures and sounds"),
        ((of_pictures.model, houses), "has no column with paths of pictures"),
        ((of_sounds.model, houses), "has no column with paths of sounds"),
        ((of_pictures.model, of_sounds.folder), "there are no pictures in"),
        ((of_sounds.model, picture), "is a picture, and"),
        ((of_pictures.model, tmp_path / "nowhere"), "there is no file or folder"),
        ((of_pictures.model, of_pictures.folder, "--keep", "x"), "--keep x acts on tables"),
        ((of_pictures.model, of_pictures.folder, "--delimiter", ";"), "--delimiter ; acts on tables"),
        ((of_pictures.model, tmp_path), "there are no pictures in"),
    ]
    for arguments, told in cases:
        ended = cli("predict", *arguments)
        assert (ended.code, ended.out) == (1, ""), arguments
        assert told in ended.error[0], ended.error


# ------------------------------------------------------------------------------------------------ inspect and doctor


@pytest.mark.parametrize(
    ("name", "takes"), [("of_pictures", "grey pictures of 8 x 8"), ("of_sounds", "sounds, as pictures of 40 x")]
)
def test_inspect_needs_no_torch(process: Any, request: pytest.FixtureRequest, name: str, takes: str) -> None:
    model = request.getfixturevalue(name).model
    code = (
        "import sys; from planefold.cli.main import run; "
        f"code = run(['inspect', {os.fspath(model)!r}]); assert 'torch' not in sys.modules; sys.exit(code)"
    )
    ended = process(code=code)
    assert ended.code == 0, ended.err
    assert takes in ended.out
    assert "predicts  the class: " in ended.out


def test_the_doctor_looks_at_the_folder(cli: Any, of_pictures: Trained, regressor: Any) -> None:
    ended = cli("doctor", of_pictures.model, of_pictures.folder, "--group", "p([0-9]+)")
    assert ended.code == 0, ended.err
    assert cli("doctor", of_pictures.model).code == 0
    assert "does not match the name" in cli("doctor", of_pictures.model, of_pictures.folder, "--group", "q").error[0]
    assert "--time x is for tables" in cli("doctor", of_pictures.model, of_pictures.folder, "--time", "x").error[0]
    assert "is a folder" in cli("doctor", regressor.model, of_pictures.folder).error[0]


# ------------------------------------------------------------------------------------------------- report and read


def test_reading_is_for_tables(cli: Any, of_pictures: Trained, of_sounds: Trained) -> None:
    for arguments in ((of_pictures.model,), (of_pictures.model, of_pictures.folder), (of_sounds.model,)):
        ended = cli("read", *arguments)
        assert (ended.code, ended.out) == (1, "")
        assert ended.error[0].endswith("and this reads models of tables")


def test_a_report_about_another_folder(cli: Any, of_pictures: Trained, tmp_path: Path) -> None:
    later = write_pictures(tmp_path / "later", 4, seed=3)
    output = tmp_path / "page.html"
    ended = cli("report", of_pictures.model, later, "--train", of_pictures.folder, "-o", output)
    assert ended.code == 0, ended.err
    assert "8 pictures it had not seen" in ended.out
    assert output.exists()
    ended = cli("report", of_pictures.model, later / "dark", "-o", output)
    assert ended.code == 1
    assert "does not say what the pictures show" in ended.error[0]
