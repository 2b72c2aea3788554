"""From an example to a model, predictions, a report: what a new user types."""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import planefold as pf
from planefold.cli.flags import PARAMETERS
from planefold.cli.train import PARTS
from planefold.data.examples import EXAMPLES
from planefold.data.imbalance import RESAMPLERS
from planefold.engine.plan import SCHEDULES, SOLVERS
from planefold.estimators.imbalance import MEASURES
from planefold.estimators.parameters import ACTIVATION_NAMES


def read(path: Path | str) -> list[dict[str, str]]:
    lines = path.read_text(encoding="utf-8") if isinstance(path, Path) else path
    return list(csv.DictReader(lines.splitlines()))


def drop_column(path: Path, column: str, goal: Path) -> Path:
    rows = read(path)
    kept = [name for name in rows[0] if name != column]
    lines = [",".join(kept)] + [",".join(row[name] for name in kept) for row in rows]
    goal.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return goal


# -------------------------------------------------------------------------------------------------------- examples


def test_examples_lists_every_table(cli: Any) -> None:
    ended = cli("examples")
    assert ended.code == 0
    assert all(name in ended.out and example.target in ended.out for name, example in EXAMPLES.items())


def test_examples_as_json_lists_every_table(cli: Any) -> None:
    ended = cli("examples", "--json")
    assert ended.err == ""
    assert list(ended.json) == list(EXAMPLES)
    assert ended.json["iris"]["target"] == "species"


def test_examples_writes_a_table_and_a_holdout(cli: Any, tmp_path: Path) -> None:
    ended = cli("examples", "iris", "--output", tmp_path / "iris.csv", "--holdout", tmp_path / "new.csv")
    assert ended.code == 0
    assert ended.out.splitlines() == [str(tmp_path / "iris.csv"), str(tmp_path / "new.csv")]
    assert (len(read(tmp_path / "iris.csv")), len(read(tmp_path / "new.csv"))) == (120, 30)
    assert f"planefold train {tmp_path / 'iris.csv'} --target species" in ended.err


def test_examples_as_json_names_the_files_and_the_target(cli: Any, tmp_path: Path) -> None:
    ended = cli("examples", "wine", "--output", tmp_path, "--json")
    assert ended.json == {"target": "grower", "files": [str(tmp_path / "wine.csv")]}
    assert ended.err == ""


def test_examples_does_not_replace_a_file_that_was_not_named(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wine.csv").write_text("my own wines\n")
    ended = cli("examples", "wine")
    assert ended.code == 1
    assert ended.error == ["error: wine.csv is already there", "  hint: to replace it: --output wine.csv"]
    assert (tmp_path / "wine.csv").read_text() == "my own wines\n"


def test_examples_refuses_one_file_for_both_parts(cli: Any, tmp_path: Path) -> None:
    ended = cli("examples", "iris", "-o", tmp_path / "a.csv", "--holdout", tmp_path / "a.csv")
    assert ended.code == 1
    assert "would overwrite" in ended.error[0]
    assert not list(tmp_path.iterdir())


def test_examples_writes_nothing_when_one_of_two_places_is_not_there(cli: Any, tmp_path: Path) -> None:
    ended = cli("examples", "iris", "-o", tmp_path / "a.csv", "--holdout", tmp_path / "no" / "b.csv")
    assert ended.code == 1
    assert "there is no folder" in ended.error[0]
    assert not list(tmp_path.iterdir())


def test_examples_knows_what_a_misspelt_name_meant(cli: Any) -> None:
    assert cli("examples", "irsi").error[-1] == "  hint: did you mean iris?"


# ----------------------------------------------------------------------------------------------------------- train


def test_train_tells_a_short_story_and_prints_the_result(regressor: Any) -> None:
    story, result = regressor.ended.err.splitlines(), regressor.ended.out.splitlines()
    assert story[0] == "houses.csv: 60 rows, 7 columns"
    assert story[1] == "regression: the target has numbers with decimals"
    assert story[2] == "48 rows to learn from, 12 to judge by: at random (seed 0)"
    assert "2 networks" in story[-1]
    assert "RMSE" in result[0]
    assert result[-2:] == [f"model:  {regressor.model}", f"report: {regressor.report}"]


def test_each_task_has_its_metric(trained: Any) -> None:
    assert any(metric in trained.ended.out for metric in ("RMSE", "AUC", "accuracy"))


def test_progress_is_silent_when_nobody_watches(trained: Any) -> None:
    assert "\r" not in trained.ended.err
    assert "\x1b" not in trained.ended.err + trained.ended.out


def test_train_as_json_says_all_and_nothing_else(cli: Any, quick: Any, houses: Path) -> None:
    ended = cli("train", houses, "-t", "sold", *quick, "--json")
    result = ended.json
    assert ended.err == ""
    assert result["task"] == "classification"
    assert result["rows"] == {"train": 48, "test": 12, "how": "at random (seed 0), each class with its share"}
    assert result["model"] == str(houses.with_suffix(".fold"))
    assert Path(result["report"]).is_file()
    assert result["evaluation"]["n_rows"] == 12
    assert result["run"]["epochs"] == 5


def test_train_without_a_report_writes_none(cli: Any, quick: Any, houses: Path) -> None:
    ended = cli("train", houses, "-t", "price", *quick, "--no-report", "-o", houses.with_name("m.fold"))
    assert ended.code == 0
    assert sorted(path.name for path in houses.parent.iterdir()) == ["houses.csv", "m.fold"]
    assert "report:" not in ended.out


def test_the_same_seed_gives_the_same_predictions_and_another_seed_others(
    cli: Any, quick: Any, houses: Path, tmp_path: Path
) -> None:
    predictions = []
    for seed in (3, 3, 4):
        assert cli("train", houses, "-t", "price", *quick, "--seed", seed, "--no-report").code == 0
        predictions.append(cli("predict", tmp_path / "houses.fold", houses).out)
    assert predictions[0] == predictions[1] != predictions[2]


def test_the_network_is_the_one_that_was_asked_for(cli: Any, quick: Any, houses: Path) -> None:
    flags = ("--hidden", "7x3", "--alpha", "0.5", "--dropout", "0.1", "--learning-rate-init", "0.02")
    assert cli("train", houses, "-t", "price", *quick, *flags, "--no-report", "--device", "cpu").code == 0
    model = pf.load(houses.with_suffix(".fold"))
    assert model.net_.spec.hidden_layer_sizes == (7, 3)
    assert (model.n_members, model.max_iter, model.alpha, model.dropout) == (2, 5, 0.5, 0.1)
    assert model.learning_rate_init == 0.02


def test_class_weight_is_passed_on(cli: Any, quick: Any, houses: Path) -> None:
    assert cli("train", houses, "-t", "sold", *quick, "--class-weight", "balanced", "--no-report").code == 0
    assert pf.load(houses.with_suffix(".fold")).class_weight == "balanced"


def test_the_training_is_the_one_that_was_asked_for(cli: Any, quick: Any, houses: Path) -> None:
    flags = "--solver momentum --learning-rate plateau --batch-size 16 --activation tanh --alpha 0.5 --l1-ratio 0.25"
    ended = cli("train", houses, "-t", "price", *quick, *flags.split(), "--batch-norm", "--loss", "huber")
    assert ended.code == 0, ended.err
    model = pf.load(houses.with_suffix(".fold"))
    assert (model.solver, model.learning_rate, model.batch_size, model.l1_ratio) == ("momentum", "plateau", 16, 0.25)
    assert (model.activation, model.loss, model.batch_norm) == ("tanh", "huber", True)
    assert (model.run_.solver, model.run_.objective, model.run_.batch_size) == ("momentum", "huber", 16)
    assert model.net_.spec.batch_norm


@pytest.mark.parametrize(("typed", "threshold"), [("0.3", 0.3), ("f1", "f1")])
def test_rare_classes_have_flags(cli: Any, quick: Any, houses: Path, typed: str, threshold: float | str) -> None:
    flags = ("--resample", "bootstrap", "--threshold", typed, "--no-batch-norm", "--no-report")
    ended = cli("train", houses, "-t", "sold", *quick, *flags)
    assert ended.code == 0, ended.err
    model = pf.load(houses.with_suffix(".fold"))
    assert (model.resample, model.threshold, model.batch_norm) == ("bootstrap", threshold, False)
    assert threshold == "f1" or model.threshold_ == threshold


def test_the_help_of_train_names_every_choice_under_a_heading(cli: Any) -> None:
    told = cli("train", "--help").out
    losses = pf.MLPRegressor._losses
    for name in (*SOLVERS, *SCHEDULES, *ACTIVATION_NAMES, *RESAMPLERS, *MEASURES, *losses):
        assert re.search(rf"\b{name}\b", told), name
    flags = {f"--{flag.replace('_', '-')}" for flag in PARAMETERS}
    assert {flag for flag in flags if re.search(rf"^  {flag}\b", told, re.MULTILINE)} == flags
    headings = [line for line in told.splitlines() if re.fullmatch(r"[A-Z].*:", line)]
    assert headings == [f"{heading}:" for heading in PARTS.values()]


def test_task_makes_numbers_of_classes(cli: Any, quick: Any, tmp_path: Path) -> None:
    data = tmp_path / "grades.csv"
    data.write_text("x,grade\n" + "".join(f"{i % 9}.5,{i % 3}\n" for i in range(60)))
    assert cli("train", data, "-t", "grade", *quick, "--json").json["task"] == "classification"
    asked = cli("train", data, "-t", "grade", *quick, "--json", "--task", "regression").json
    assert (asked["task"], asked["why"]) == ("regression", "as asked for")
    assert asked["evaluation"]["headline"]["name"] == "RMSE"


def test_time_judges_by_the_latest_rows(cli: Any, quick: Any, tmp_path: Path) -> None:
    data = tmp_path / "days.csv"
    rows = [f"{1 + i % 28:02d}.{1 + i // 28:02d}.2024,{i},{3 * i + 0.5}\n" for i in range(50)]
    data.write_text("day,x,y\n" + "".join(reversed(rows)))
    result = cli("train", data, "-t", "y", "--time", "day", *quick, "--json").json
    assert result["rows"] == {"train": 40, "test": 10, "how": "the latest by day"}
    assert {worst["row"] for worst in result["evaluation"]["worst_rows"]} == set(range(1, 11))


def test_time_takes_a_column_of_numbers_that_would_be_left_out_as_an_id(cli: Any, quick: Any, tmp_path: Path) -> None:
    data = tmp_path / "steps.csv"
    data.write_text("id,x,y\n" + "".join(f"{i},{i % 7},{i % 5 + 0.5}\n" for i in range(1, 51)))
    result = cli("train", data, "-t", "y", "--time", "id", *quick, "--json").json
    assert {worst["row"] for worst in result["evaluation"]["worst_rows"]} == set(range(41, 51))


def test_group_keeps_groups_together_and_out_of_the_columns(cli: Any, quick: Any, tmp_path: Path) -> None:
    data = tmp_path / "visits.csv"
    data.write_text("patient,x,y\n" + "".join(f"p{i // 5},{i % 5},{i % 5 + i / 100}\n" for i in range(60)))
    flags = ("--group", "patient", "--type", "patient=category")
    result = cli("train", data, "-t", "y", *flags, *quick, "--json").json
    assert result["rows"]["test"] == 10  # 2 of 10 groups with 5 rows would be a fifth of 60: 12 has no whole groups
    tested = {(worst["row"] - 1) // 5 for worst in result["evaluation"]["worst_rows"]}
    assert len(tested) == 2
    assert pf.load(tmp_path / "visits.fold").encoder_.schema_.names == ("x",)


def test_type_and_drop_and_missing_decide_how_columns_are_read(cli: Any, quick: Any, houses: Path) -> None:
    text = houses.read_text(encoding="utf-8").replace("Bonn", "unknown")
    houses.write_text(text, encoding="utf-8")
    flags = ("--type", "area=category", "--drop", "built", "--drop", "kind", "--missing", "unknown")
    ended = cli("train", houses, "-t", "price", *flags, *quick, "--no-report")
    assert ended.code == 0, ended.err
    schema = pf.load(houses.with_suffix(".fold")).encoder_.schema_
    assert schema.names == ("area", "town", "garden", "sold")
    assert schema["area"].kind == "category"
    assert set(schema["town"].categories) == {"Trier", "Köln"}
    assert schema["town"].n_missing > 0


def test_drop_leaves_all_other_decisions_as_they_are(cli: Any, quick: Any, houses: Path) -> None:
    # Not by an encoder of its own, with which the model would not choose the encoding of numbers.
    assert cli("train", houses, "-t", "price", "--drop", "kind", *quick, "--no-report").code == 0
    assert pf.load(houses.with_suffix(".fold")).preprocess == "auto"


def test_a_class_with_one_row_is_left_out_and_told(cli: Any, quick: Any, houses: Path) -> None:
    with houses.open("a", encoding="utf-8") as file:
        file.write("70,Trier,2012-03-04,1.0,180.0,no,castle\n")
    ended = cli("train", houses, "-t", "kind", *quick, "--no-report")
    assert ended.code == 0, ended.err
    assert "1 class has one row to learn from, which is too few, and will never be predicted: castle" in ended.err
    assert "castle" not in pf.load(houses.with_suffix(".fold")).classes_


def test_a_class_that_may_mean_not_known_is_told(cli: Any, quick: Any, houses: Path) -> None:
    houses.write_text(houses.read_text(encoding="utf-8").replace(",hut\n", ",NA\n"), encoding="utf-8")
    ended = cli("train", houses, "-t", "kind", *quick, "--no-report")
    assert '"NA" (' in ended.err
    ended = cli("train", houses, "-t", "kind", *quick, "--no-report", "--missing", "NA")
    assert ended.code == 1
    assert 'column "kind" of houses.csv has no value in row' in ended.error[0]


# --------------------------------------------------------------------------------------------------------- predict


def test_predict_writes_a_row_for_each_row(cli: Any, trained: Any, tmp_path: Path) -> None:
    ended = cli("predict", trained.model, trained.new, "-o", tmp_path / "p.csv")
    rows = read(tmp_path / "p.csv")
    assert ended.out == f"10 predictions: {tmp_path / 'p.csv'}\n"
    assert [row["row"] for row in rows] == [str(i) for i in range(1, 11)]
    shares = [[float(row[name]) for name in row if name.startswith("probability of ")] for row in rows]
    assert not shares[0] or np.allclose(np.sum(shares, axis=1), 1, atol=1e-5)


def test_predictions_are_those_of_the_python_api(cli: Any, trained: Any) -> None:
    rows = read(cli("predict", trained.model, trained.new).out)
    model = pf.load(trained.model)
    expected = model.predict(trained.new).tolist()
    target = model.target_name_
    assert [row[target] for row in rows] == [str(value) for value in expected]


def test_predict_as_json_is_the_same(cli: Any, trained: Any) -> None:
    found = cli("predict", trained.model, trained.new, "--json").json
    rows = read(cli("predict", trained.model, trained.new).out)
    assert [{name: str(value) for name, value in row.items()} for row in found] == rows


def test_predict_as_json_into_a_file_says_what_was_done(cli: Any, trained: Any, tmp_path: Path) -> None:
    found = cli("predict", trained.model, trained.new, "--json", "-o", tmp_path / "p.csv").json
    assert (found["rows"], found["output"]) == (10, str(tmp_path / "p.csv"))
    assert found["evaluation"]["n_rows"] == 10
    assert len(read(tmp_path / "p.csv")) == 10


def test_kept_columns_stand_beside_the_predictions(cli: Any, regressor: Any) -> None:
    rows = read(cli("predict", regressor.model, regressor.new, "--keep", "town", "--keep", "garden").out)
    assert list(rows[0]) == ["row", "town", "garden", "price"]
    given = read(regressor.new)
    assert [row["town"] for row in rows] == [row["town"] for row in given]
    assert [row["garden"] for row in rows] == [row["garden"] for row in given]


def test_a_kept_gap_is_null_in_json(cli: Any, regressor: Any) -> None:
    assert cli("predict", regressor.model, regressor.new, "--keep", "garden", "--json").json[3]["garden"] is None


def test_a_kept_target_stands_beside_its_prediction(cli: Any, binary: Any) -> None:
    rows = read(cli("predict", binary.model, binary.new, "--keep", "sold").out)
    assert list(rows[0]) == ["row", "sold", "predicted sold", "probability of no", "probability of yes"]
    assert [row["sold"] for row in rows] == [row["sold"] for row in read(binary.new)]


def test_predict_needs_no_target(cli: Any, trained: Any, tmp_path: Path) -> None:
    target = pf.load(trained.model).target_name_
    bare = drop_column(trained.new, target, tmp_path / "bare.csv")
    without = cli("predict", trained.model, bare)
    assert without.err == ""
    with_target = cli("predict", trained.model, trained.new)
    assert without.out == with_target.out
    assert f"compared with {target} in 10 rows: " in with_target.err


def test_predict_does_not_claim_that_the_rows_are_new(cli: Any, regressor: Any) -> None:
    assert "not seen" not in cli("predict", regressor.model, regressor.data).err


def test_where_some_targets_are_known_these_are_compared(cli: Any, regressor: Any, tmp_path: Path) -> None:
    lines = regressor.new.read_text(encoding="utf-8").splitlines()
    place = lines[0].split(",").index("price")
    for i in (1, 2, 3):
        fields = lines[i].split(",")
        lines[i] = ",".join([*fields[:place], "", *fields[place + 1 :]])
    (tmp_path / "some.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    ended = cli("predict", regressor.model, tmp_path / "some.csv")
    assert len(read(ended.out)) == 10
    assert "in 7 rows" in ended.err


def test_classes_are_compared_as_what_they_mean_not_as_they_are_written(cli: Any, quick: Any, tmp_path: Path) -> None:
    data, new = tmp_path / "a.csv", tmp_path / "b.csv"
    data.write_text("x,y\n" + "".join(f"{i % 2}.{i},{i % 2}\n" for i in range(60)))
    new.write_text("x,y\n0.1,0\n1.3,1\n0.2,0\n1.1,other\n")  # one text makes the column texts
    assert cli("train", data, "-t", "y", *quick, "--no-report", "--hidden", "").code == 0
    found = cli("predict", tmp_path / "a.fold", new, "-o", tmp_path / "p.csv", "--json").json["evaluation"]
    accuracy = next(metric["value"] for metric in found["metrics"] if metric["name"] == "accuracy")
    assert accuracy == 0.75


def test_a_saved_model_predicts_the_same_bits_in_a_fresh_process(cli: Any, process: Any, trained: Any) -> None:
    code = (
        "import sys, json, planefold as pf; m = pf.load(sys.argv[1]);"
        "print(json.dumps([float(v).hex() for v in m.decision_outputs(sys.argv[2]).ravel()]))"
    )
    model = pf.load(trained.model)
    here = [float(value).hex() for value in model.decision_outputs(trained.new).ravel()]
    assert json.loads(process(trained.model, trained.new, code=code).out) == here


# ------------------------------------------------------------------------------------------------ report and inspect


def test_report_writes_a_page_with_the_verdict(cli: Any, trained: Any, tmp_path: Path) -> None:
    ended = cli("report", trained.model, trained.new, "--train", trained.data, "-o", tmp_path / "r.html")
    verdict, place = ended.out.splitlines()
    assert place == f"report: {tmp_path / 'r.html'}"
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert verdict.split(": ", 1)[1] in page
    assert "boosting" in verdict


def test_report_without_the_training_rows_says_what_it_lacks(cli: Any, trained: Any, tmp_path: Path) -> None:
    ended = cli("report", trained.model, trained.new, "-o", tmp_path / "r.html")
    assert "no baseline" in ended.out
    assert "--train" in ended.err


def test_report_does_not_replace_the_page_of_the_training(cli: Any, trained: Any) -> None:
    before = trained.report.read_bytes()
    ended = cli("report", trained.model, trained.new)
    assert f"report: {trained.model.with_name('houses-new.html')}" in ended.out
    assert trained.report.read_bytes() == before


def test_report_as_json_has_the_numbers(cli: Any, trained: Any, tmp_path: Path) -> None:
    ended = cli("report", trained.model, trained.new, "--train", trained.data, "-o", tmp_path / "r.html", "--json")
    assert ended.err == ""
    assert ended.json["rows"]["train"] == 60
    assert ended.json["evaluation"]["n_rows"] == 10
    assert ended.json["report"] == str(tmp_path / "r.html")


def test_report_refuses_to_judge_by_the_rows_of_the_training(cli: Any, trained: Any) -> None:
    ended = cli("report", trained.model, trained.data, "--train", trained.data)
    assert ended.code == 1
    assert "cannot judge the model" in ended.error[0]


def test_the_report_of_a_training_is_small_and_needs_no_network(trained: Any) -> None:
    page = trained.report.read_text(encoding="utf-8")
    assert trained.report.stat().st_size < 1_000_000
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page
    assert "<script src" not in page
    verdict = trained.ended.out.splitlines()[0]
    assert verdict.split(": ", 1)[1] in page


def test_the_report_says_how_it_was_made(cli: Any, quick: Any, houses: Path) -> None:
    cli("train", houses, "-t", "price", *quick, "--test-size", "0.3")
    page = houses.with_suffix(".html").read_text(encoding="utf-8")
    assert f"planefold train {houses} -t price --max-iter 5 --members 2 --test-size 0.3" in page


def test_inspect_shows_what_a_model_is(cli: Any, multiclass: Any) -> None:
    ended = cli("inspect", multiclass.model)
    assert ended.err == ""
    for words in ("MLPClassifier", "kind: house, hut, villa", "2 networks", "area", "number, 4", "town", "category: "):
        assert words in ended.out


def test_inspect_as_json_is_the_summary(cli: Any, trained: Any) -> None:
    found = cli("inspect", trained.model, "--json").json
    assert found["manifest"]["target"]["name"] == pf.load(trained.model).target_name_
    assert len(found["schema"]["columns"]) == 6


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"], ["inspect"]])
def test_help_and_version_and_inspect_load_no_heavy_library(process: Any, trained: Any, arguments: list[str]) -> None:
    if arguments == ["inspect"]:
        arguments = ["inspect", str(trained.model)]
    code = (
        "import sys; from planefold.cli.main import run; code = run(sys.argv[1:]);"
        "heavy = {'torch', 'sklearn', 'pandas', 'numpy', 'scipy'} & set(sys.modules);"
        "sys.stderr.write(','.join(sorted(heavy))); sys.exit(code)"
    )
    ended = process(*arguments, code=code)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out


# ---------------------------------------------------------------------------------------------- other people's tables


def test_titanic_is_learned_and_predicted(cli: Any, quick: Any, data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "titanic"
    ended = cli("train", folder / "train.csv", "-t", "Survived", *quick, "-o", tmp_path / "t.fold")
    assert ended.code == 0, ended.err
    assert "AUC" in ended.out
    assert '"PassengerId" is left out' in ended.err
    predicted = cli("predict", tmp_path / "t.fold", folder / "test.csv", "--keep", "PassengerId")
    rows = read(predicted.out)
    assert len(rows) == 418
    assert {row["Survived"] for row in rows} == {"0", "1"}
    assert rows[0]["PassengerId"] == "892"


def test_ames_is_learned_and_predicted(cli: Any, quick: Any, data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "ames_house_prices"
    lines = (folder / "train.csv").read_text().splitlines()[:400]
    (tmp_path / "train.csv").write_text("\n".join(lines) + "\n")
    ended = cli("train", tmp_path / "train.csv", "-t", "SalePrice", *quick)
    assert ended.code == 0, ended.err
    predicted = cli("predict", tmp_path / "train.fold", folder / "test.csv")
    prices = [float(row["SalePrice"]) for row in read(predicted.out)]
    assert len(prices) == 1459
    assert 100_000 < np.median(prices) < 250_000
    assert len(predicted.err.splitlines()) <= 13  # many columns have something to say; not all of it at once


def test_a_wide_table_of_few_rows_is_no_problem(cli: Any, quick: Any, tmp_path: Path) -> None:
    random = np.random.RandomState(0)
    values = random.normal(size=(20, 3000))
    data = tmp_path / "wide.csv"
    names = ",".join([f"gene{i}" for i in range(3000)] + ["y"])
    rows = [",".join(f"{value:.3f}" for value in [*row, row[0]]) for row in values]
    data.write_text("\n".join([names, *rows]) + "\n")
    ended = cli("train", data, "-t", "y", *quick, "--hidden", "8")
    assert ended.code == 0, ended.err
    assert len(ended.err.splitlines()) < 20
    assert (tmp_path / "wide.html").stat().st_size < 1_000_000


def test_stories_are_in_utf8_wherever_they_go(process: Any, multiclass: Any) -> None:
    ended = process("predict", multiclass.model, multiclass.new, "--keep", "town", PYTHONIOENCODING="ascii")
    assert ended.code == 0, ended.err
    assert "Köln" in ended.out


@pytest.mark.skipif(sys.platform == "win32", reason="no such pipes")
def test_a_reader_that_leaves_is_no_error(process: Any, multiclass: Any) -> None:
    code = (
        "import os, subprocess, sys; r, w = os.pipe(); os.close(r);"
        "line = [sys.executable, '-m', 'planefold.cli.main', *sys.argv[1:]];"
        "sys.exit(subprocess.run(line, stdout=w).returncode)"
    )
    ended = process("inspect", multiclass.model, code=code)
    assert (ended.code, ended.err) == (0, "")
