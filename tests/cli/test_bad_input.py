"""Bad input, through the command line and through Python: a message that helps, no traceback, nothing half-written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import planefold as pf
from planefold.core.errors import DataError, FileError, MissingFileError, ParameterError, PlanefoldError

GOOD = "x,town,y\n" + "".join(f"{i % 7}.5,{'ab'[i % 2]},{i % 5 * 3.5}\n" for i in range(40))


@dataclass(frozen=True)
class Bad:
    """A table that cannot be learned from, the error that it gives, and words that the message must have."""

    name: str
    content: bytes | str
    error: type[PlanefoldError]
    words: tuple[str, ...]
    target: str = "y"

    def write(self, folder: Path) -> Path:
        path = folder / "data.csv"
        path.write_bytes(self.content if isinstance(self.content, bytes) else self.content.encode())
        return path


def edited(row: int, *fields: str) -> str:
    lines = GOOD.splitlines()
    lines[row] = ",".join(fields)
    return "\n".join(lines) + "\n"


TABLES = [
    Bad("empty", "", DataError, ("data.csv is empty", "line of column names")),
    Bad("blank lines", "\n \n\n", DataError, ("data.csv is empty",)),
    Bad("header only", "x,y\n", DataError, ("data.csv has column names and no rows", "x, y")),
    Bad("no header", "7,2\n3,4\n5,6\n", DataError, ("data.csv has no line of column names", "7, 2")),
    Bad("wrong target", GOOD, DataError, ('column "yy" is not in data.csv', "x, town, y", "did you mean"), "yy"),
    Bad("target gaps", edited(3, "1", "a", ""), DataError, ("no value", "row 3", "1 of 40")),
    Bad("target NA", edited(3, "1", "a", "NA"), DataError, ("no value", "row 3", "1 of 40")),
    Bad("target infinite", edited(3, "1", "a", "inf"), DataError, ("row 3", "infinit", "1 of 40")),
    Bad("one class", "x,y\n" + "".join(f"{i}.5,yes\n" for i in range(20)), DataError, ("one class only", "'yes'")),
    Bad("only free text", "note,y\n" + "".join(f"a long story that only {i} would tell,{i}.5\n" for i in range(26)),
        DataError, ("no column", "note")),
    Bad("infinite value", edited(4, "inf", "a", "1.5"), DataError, ('"x"', "row 4", "infinit")),
    Bad("one row", "x,z,y\n1,2,3.5\n", DataError, ("row", "at least 2")),
    Bad("columns twice", "x,x,y\n1,2,3\n4,5,6\n", DataError, ('"x" more than once', "columns 1, 2", "rename")),
    Bad("latin-1", GOOD.replace(",a,", ",\xe4,").encode("latin-1"), DataError, ("UTF-8", "line 2", "0xe4", "latin-1")),
    Bad("utf-16", GOOD.encode("utf-16"), DataError, ("UTF-16", "--encoding utf-16")),
    Bad("zip archive", b"PK\x03\x04" + bytes(range(256)), DataError, ("data.csv is a zip archive", "CSV")),
    Bad("binary", bytes(range(256)) * 4, DataError, ("data.csv is not", "text")),
    Bad("ragged", edited(5, "1", "a"), DataError, ("data.csv, line 6 (row 5): 2 fields, expected 3",)),
    Bad("open quote", edited(5, "1", '"a', "2"), DataError, ("opens in line 6 is never closed",)),
    Bad("one column", "y\n" + "".join(f"{i}.5\n" for i in range(20)), DataError, ("column",)),
    Bad("all constant", "x,y\n" + "".join(f"1,{i}.5\n" for i in range(20)), DataError, ("no column", "x: it is 1")),
]  # fmt: skip


@pytest.fixture
def unchanged(tmp_path: Path) -> Iterator[None]:
    """Nothing is written, half or whole, and nothing is changed."""
    yield
    left = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert not {name for name in left if name.endswith((".fold", ".html", ".tmp"))}, left


def fitted(X: Any, y: Any = "y", *, classify: bool = False, **parameters: Any) -> Any:
    model = (pf.MLPClassifier if classify else pf.MLPRegressor)(**{"max_iter": 5, "n_members": 2, **parameters})
    return model.fit(X, y)


def one_line(ended: Any) -> str:
    return "\n".join(ended.error)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("bad", TABLES, ids=lambda bad: bad.name)
def test_a_bad_table_is_refused_at_the_command_line(cli: Any, quick: Any, tmp_path: Path, bad: Bad) -> None:
    ended = cli("train", bad.write(tmp_path), "--target", bad.target, *quick)
    assert (ended.code, ended.out) == (1, "")
    assert all(words in one_line(ended) for words in bad.words), ended.err


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("bad", TABLES, ids=lambda bad: bad.name)
def test_a_bad_table_is_refused_in_python(tmp_path: Path, bad: Bad) -> None:
    model = pf.MLPClassifier if bad.name == "one class" else pf.MLPRegressor
    with pytest.raises(bad.error) as caught:
        model(max_iter=5, n_members=2).fit(bad.write(tmp_path), bad.target)
    assert isinstance(caught.value, ValueError)
    if bad.name not in ("one row", "one column"):  # scikit-learn's words
        told = str(caught.value).replace("NaN", "no value")
        assert all(words.removeprefix("--") in told for words in bad.words if words != "did you mean"), told


@pytest.mark.parametrize(
    ("X", "y", "words"),
    [
        (pd.DataFrame({"x": [1.0, np.inf, 3.0, 4.0]}), [1.5, 2, 3, 4], ("x", "infinit")),
        (pd.DataFrame({"x": [1.0, 2, 3, 4]}), [1.5, None, 3, 4], ("NaN", "row 2")),
        (pd.DataFrame({"x": [1.0, 2, 3, 4]}), [1.5, 2], ("4", "2")),
        (pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]), [1.5, 2], ('"a"', "more than once")),
        (pd.DataFrame({"x": [[1], [2]]}), [1.5, 2], ("x",)),
        (pd.DataFrame({"x": [None, None, None]}), [1.5, 2, 3], ("no column",)),
        (pd.DataFrame(), [], ("",)),
        (np.zeros((3, 0)), [1.5, 2, 3], ("0 feature",)),
        (np.zeros(3), [1.5, 2, 3], ("Reshape",)),
    ],
    ids=["infinite", "target gap", "lengths", "names twice", "lists", "all missing", "empty", "no columns", "1-D"],
)
def test_a_bad_frame_or_array_is_refused_in_python(X: Any, y: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(PlanefoldError) as caught:
        fitted(X, y)
    assert isinstance(caught.value, ValueError)
    assert all(word in str(caught.value) for word in words), str(caught.value)


# ---------------------------------------------------------------------------------------------- unusual, and read right


def test_an_empty_column_and_free_text_are_left_out_with_a_word(cli: Any, quick: Any, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    rows = [f"{i % 7}.5,,a remark that is long and unlike any of the others {i * i},{i % 5}.25\n" for i in range(30)]
    data.write_text("x,nothing,remark,y\n" + "".join(rows))
    ended = cli("train", data, "-t", "y", *quick)
    assert ended.code == 0
    assert 'Column "nothing" is left out: it has no value in any row.' in ended.err
    assert 'Column "remark" is left out: it looks like free text' in ended.err
    model = fitted(data)
    assert [column.kind for column in model.encoder_.schema_.columns] == ["number", "drop", "drop"]


@pytest.mark.parametrize(
    ("content", "x", "z"),
    [
        (["1,5;1.234", "2,5;5.678.901", "4,25;12.345", "0,5;7.000"], (0.5, 4.25), (1234, 5678901)),
        (["1.5;1,234", "2.5;5,678,901", "4.25;12,345", "0.5;7,000"], (0.5, 4.25), (1234, 5678901)),
        (["1.5;1 234", "2.5;5 678 901", "4.25;12 345", "0.5;7 000"], (0.5, 4.25), (1234, 5678901)),
    ],
    ids=["decimal comma", "thousands comma", "thousands space"],
)  # fmt: skip
def test_numbers_of_other_countries_are_read_right(
    cli: Any, quick: Any, tmp_path: Path, content: list[str], x: Any, z: Any
) -> None:
    data = tmp_path / "data.csv"
    data.write_text("x;z;y\n" + "".join(f"{row};{i % 5}\n" for i, row in enumerate(content * 10)))
    ended = cli("train", data, "-t", "y", *quick, "--test-size", "0.1", "--task", "regression")
    assert ended.code == 0, ended.err
    for model in (pf.load(tmp_path / "data.fold"), fitted(data)):
        schema = model.encoder_.schema_
        assert (schema["x"].minimum, schema["x"].maximum) == x
        assert (schema["z"].minimum, schema["z"].maximum) == z


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.replace(",a,", ',"a\nb, c",').encode(),
        GOOD.replace(",", "\t").encode(),
    ],
    ids=["BOM", "CRLF", "quotes with newlines", "tabs"],
)
def test_files_of_every_program_are_read_alike(cli: Any, quick: Any, tmp_path: Path, raw: bytes) -> None:
    data = tmp_path / "data.csv"
    data.write_bytes(raw)
    ended = cli("train", data, "-t", "y", *quick)
    assert ended.code == 0, ended.err
    assert "data.csv: 40 rows, 3 columns" in ended.err
    schema = pf.load(tmp_path / "data.fold").encoder_.schema_
    assert schema.names == ("x", "town")
    assert (schema["x"].minimum, schema["x"].maximum) == (0.5, 6.5)
    assert len(schema["town"].categories) == 2


def test_latin_1_is_read_where_it_is_said(cli: Any, quick: Any, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_bytes(GOOD.replace(",a,", ",Köln,").encode("latin-1"))
    assert cli("train", data, "-t", "y", *quick, "--encoding", "latin-1").code == 0
    assert set(pf.load(tmp_path / "data.fold").encoder_.schema_["town"].categories) == {"Köln", "b"}
    ended = cli("train", data, "-t", "y", "--encoding", "klingon")
    assert ended.code == 1
    assert "klingon" in ended.error[0]


def test_a_constant_number_can_be_learned(cli: Any, quick: Any, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("x,y\n" + "".join(f"{i % 7}.5,2.5\n" for i in range(40)))
    assert cli("train", data, "-t", "y", *quick).code == 0
    rows = cli("predict", tmp_path / "data.fold", data).out.splitlines()[1:]
    assert [float(row.split(",")[1]) for row in rows] == pytest.approx([2.5] * 40, abs=0.05)
    assert fitted(data).predict(data) == pytest.approx(2.5, abs=0.05)


# ------------------------------------------------------------------------------------------------------- parameters

FLAGS = [
    (["--max-iter", "-1"], {"max_iter": -1}),
    (["--max-iter", "0"], {"max_iter": 0}),
    (["--hidden", "10000000000"], {"hidden_layer_sizes": 10**10}),
    (["--hidden", "1000000,1000000"], {"hidden_layer_sizes": (10**6, 10**6)}),
    (["--hidden", "0"], {"hidden_layer_sizes": 0}),
    (["--hidden", "many"], {"hidden_layer_sizes": "many"}),
    (["--dropout", "1.5"], {"dropout": 1.5}),
    (["--alpha", "nan"], {"alpha": float("nan")}),
    (["--alpha", "-1"], {"alpha": -1}),
    (["--learning-rate-init", "0"], {"learning_rate_init": 0}),
    (["--seed", "-1"], {"random_state": -1}),
    (["--seed", "99999999999999999999"], {"random_state": 99999999999999999999}),
    (["--members", "0"], {"n_members": 0}),
    (["--members", "1000000"], {"n_members": 1000000}),
    (["--device", "toaster"], {"device": "toaster"}),
]


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.csv"
    path.write_text(GOOD)
    return path


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("flags", [flags for flags, _ in FLAGS], ids=" ".join)
def test_an_absurd_flag_is_refused_in_the_words_that_were_typed(cli: Any, good: Path, flags: list[str]) -> None:
    ended = cli("train", good, "-t", "y", *flags)
    assert (ended.code, ended.out) == (1, "")
    assert flags[0] in ended.error[0]
    assert flags[1].split(",")[0] in ended.error[0]
    assert not any(name in one_line(ended) for name in ("random_state", "hidden_layer_sizes", "n_members", "max_iter"))


@pytest.mark.parametrize("parameters", [parameters for _, parameters in FLAGS], ids=str)
def test_an_absurd_parameter_is_refused_in_python(good: Path, parameters: dict[str, Any]) -> None:
    with pytest.raises(ParameterError) as caught:
        fitted(good, **parameters)
    assert isinstance(caught.value, ValueError)
    assert next(iter(parameters)) in str(caught.value)


def test_a_device_that_is_not_there_is_refused(cli: Any, good: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    ended = cli("train", good, "-t", "y", "--device", "cuda")
    assert ended.code == 1
    assert ended.error[0] == "error: --device cuda cannot be used"
    with pytest.raises(ParameterError, match="device='cuda'"):
        fitted(good, device="cuda")


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--test-size", "2"], "--test-size 2 must be a share between 0 and 1"),
        (["--test-size", "0"], "--test-size 0 must be"),
        (["--test-size", "nan"], "--test-size nan must be"),
        (["--type", "town"], "--type town must be COLUMN=KIND"),
        (["--type", "twon=category"], "did you mean --type town?"),
        (["--type", "town=categry"], "--type town=categry is not known"),
        (["--type", "town=number"], "no value of column"),
        (["--type", "y=number"], 'column "y" is the target'),
        (["--drop", "twon"], "did you mean --drop town?"),
        (["--drop", "y"], 'column "y" is the target'),
        (["--drop", "x", "--drop", "town"], "nothing is left"),
        (["--group", "y"], 'column "y" is the target'),
        (["--group", "tonw"], "did you mean --group town?"),
        (["--group", "town", "--time", "x"], "--group and --time cannot both"),
        (["--time", "town"], 'column "town" of good.csv holds neither dates nor numbers'),
        (["--delimiter", "abc"], "delimiter='abc' is not one character"),
        (["--task", "classification"], "numbers with decimals"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_flag_that_does_not_fit_the_table_is_refused(cli: Any, good: Path, flags: list[str], words: str) -> None:
    ended = cli("train", good, "-t", "y", *flags)
    assert (ended.code, ended.out) == (1, "")
    assert words in one_line(ended)


@pytest.mark.parametrize("flag", ["--group", "--time"])
def test_a_split_by_a_column_with_gaps_is_refused(cli: Any, good: Path, flag: str) -> None:
    good.write_text(edited(3, "", "a", "1.5"))
    ended = cli("train", good, "-t", "y", flag, "x")
    assert ended.code == 1
    assert ended.error[0] == f'error: {flag}: column "x" of good.csv has no value in row 3'


@pytest.mark.parametrize("row", range(1, 41, 6))
def test_an_infinite_value_is_named_with_its_row_in_the_file(cli: Any, good: Path, row: int) -> None:
    # Not with its row among those to learn from, and not after the training when it is among the others.
    good.write_text(edited(row, "inf", "a", "1.5"))
    assert f'column "x", row {row}: the value is infinite' in cli("train", good, "-t", "y").error[0]


@pytest.mark.parametrize("row", range(1, 60, 8))
def test_one_odd_text_among_numbers_counts_as_missing_wherever_it_stands(
    cli: Any, quick: Any, tmp_path: Path, row: int
) -> None:
    data = tmp_path / "data.csv"
    lines = ["x,z,y", *(f"{i % 7}.5,{i % 3},{i % 5 * 3.5}" for i in range(60))]
    lines[row] = "seven,1,3.5"
    data.write_text("\n".join(lines) + "\n")
    ended = cli("train", data, "-t", "y", *quick, "--no-report")
    assert ended.code == 0, ended.err
    assert """Column "x": 1 row is no number and counts as missing: 'seven'.""" in ended.err
    assert pf.load(tmp_path / "data.fold").encoder_.schema_["x"].maximum == 6.5


def test_a_column_of_names_is_no_target(cli: Any, tmp_path: Path) -> None:
    data = tmp_path / "names.csv"
    data.write_text("x,name\n" + "".join(f"{i % 5},name {i}\n" for i in range(200)))
    ended = cli("train", data, "-t", "name")
    assert ended.code == 1
    assert "a different value in every row" in ended.error[0]
    assert len(one_line(ended)) < 400


def test_a_target_of_which_most_classes_have_one_row_is_refused(cli: Any, tmp_path: Path) -> None:
    data = tmp_path / "tickets.csv"
    data.write_text("x,ticket\n" + "".join(f"{i % 5},ticket {max(i, 20)}\n" for i in range(200)))
    ended = cli("train", data, "-t", "ticket")
    assert ended.code == 1
    assert "too few classes of tickets.csv" in ended.error[0]
    assert len(one_line(ended)) < 400


# ------------------------------------------------------------------------------------------------------------- places


def test_a_missing_file_is_named_with_what_was_meant(cli: Any, good: Path) -> None:
    ended = cli("train", good.with_name("godo.csv"), "-t", "y")
    assert ended.code == 1
    assert ended.error == [f"error: there is no file {good.with_name('godo.csv')}", f"  hint: did you mean {good}?"]
    with pytest.raises(MissingFileError) as caught:
        fitted(good.with_name("godo.csv"))
    assert isinstance(caught.value, FileNotFoundError)


def test_a_folder_is_no_table(cli: Any, good: Path) -> None:
    ended = cli("train", good.parent, "-t", "y")
    assert ended.code == 1
    assert ended.error == [f"error: {good.parent} is a folder, not a file", "  hint: tables in it: good.csv"]
    with pytest.raises(FileError) as caught:
        fitted(good.parent)
    assert isinstance(caught.value, OSError)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["-o", "{folder}/no/m.fold"], "there is no folder"),
        (["--report", "{folder}/no/r.html"], "there is no folder"),
        (["-o", "{folder}/good.csv"], "the model would overwrite the data"),
        (["--report", "{folder}/good.csv"], "the report would overwrite the data"),
        (["-o", "{folder}/m", "--report", "{folder}/m"], "the report would overwrite the model"),
        (["-o", "{folder}"], "it is a folder"),
    ],
)
def test_a_place_that_will_not_do_is_refused_before_the_training(
    cli: Any, good: Path, monkeypatch: pytest.MonkeyPatch, flags: list[str], words: str
) -> None:
    monkeypatch.setattr("planefold.estimators.MLPRegressor.fit", lambda *_, **__: pytest.fail("it was trained"))
    ended = cli("train", good, "-t", "y", *[flag.format(folder=good.parent) for flag in flags])
    assert ended.code == 1
    assert words in ended.error[0]
    assert good.read_text() == GOOD


@pytest.mark.parametrize("place", ["new", "model"])
def test_predict_does_not_overwrite_what_it_reads(cli: Any, regressor: Any, place: str) -> None:
    path = getattr(regressor, place)
    before = path.read_bytes()
    ended = cli("predict", regressor.model, regressor.new, "-o", path)
    assert ended.code == 1
    assert "the predictions would overwrite" in ended.error[0]
    assert path.read_bytes() == before


# ------------------------------------------------------------------------------------------------------- new rows


def lines_of(path: Path) -> list[list[str]]:
    return [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]


def write_lines(path: Path, lines: list[list[str]]) -> Path:
    path.write_text("\n".join(map(",".join, lines)) + "\n", encoding="utf-8")
    return path


def both_fail(cli: Any, model: Path, data: Path, *words: str) -> None:
    ended = cli("predict", model, data)
    assert (ended.code, ended.out) == (1, "")
    assert all(word in one_line(ended) for word in words), ended.err
    with pytest.raises(PlanefoldError) as caught:
        pf.load(model).predict(data)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_missing_column_is_named(cli: Any, regressor: Any, tmp_path: Path) -> None:
    lines = [row[1:] for row in lines_of(regressor.new)]
    lines[0][0] = "twon"
    both_fail(
        cli,
        regressor.model,
        write_lines(tmp_path / "n.csv", lines),
        "lacks 2 columns",
        "missing: area, town",
        '"twon" for "town"',
    )


def test_an_extra_column_is_ignored_with_a_word(cli: Any, regressor: Any, tmp_path: Path) -> None:
    lines = [[*row, "extra" if i == 0 else str(i)] for i, row in enumerate(lines_of(regressor.new))]
    ended = cli("predict", regressor.model, write_lines(tmp_path / "n.csv", lines))
    assert "1 column of n.csv that training did not have, ignored: extra" in ended.err
    assert ended.out == cli("predict", regressor.model, regressor.new).out


def test_the_order_of_the_columns_does_not_matter(cli: Any, regressor: Any, tmp_path: Path) -> None:
    lines = [row[::-1] for row in lines_of(regressor.new)]
    ended = cli("predict", regressor.model, write_lines(tmp_path / "n.csv", lines))
    assert ended.out == cli("predict", regressor.model, regressor.new).out


def test_an_unknown_category_is_told(cli: Any, regressor: Any, tmp_path: Path) -> None:
    lines = lines_of(regressor.new)
    lines[1][1] = "Berlin"
    ended = cli("predict", regressor.model, write_lines(tmp_path / "n.csv", lines))
    assert ended.code == 0
    assert """Column "town": 1 row has a category that training never saw: 'Berlin' (1).""" in ended.err


def test_a_text_among_numbers_is_named_with_row_and_value(cli: Any, regressor: Any, tmp_path: Path) -> None:
    lines = lines_of(regressor.new)
    lines[4][0] = "large"
    both_fail(cli, regressor.model, write_lines(tmp_path / "n.csv", lines), '"area"', "row 4", "'large'")


def test_an_infinite_number_is_named_with_its_row(cli: Any, regressor: Any, tmp_path: Path) -> None:
    lines = lines_of(regressor.new)
    lines[4][0] = "inf"
    both_fail(cli, regressor.model, write_lines(tmp_path / "n.csv", lines), '"area"', "row 4", "infinit")


@pytest.mark.parametrize(("content", "words"), [("", "is empty"), ("area,town\n", "no rows"), ("area\n1\n", "lacks")])
def test_rows_that_are_none_are_refused(cli: Any, regressor: Any, tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "n.csv").write_text(content)
    both_fail(cli, regressor.model, tmp_path / "n.csv", "n.csv", words)


def test_only_the_target_column_is_too_little(cli: Any, regressor: Any, tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("price\n1\n2\n")
    both_fail(cli, regressor.model, tmp_path / "n.csv", "missing: area")


def test_a_column_to_keep_must_be_there(cli: Any, regressor: Any) -> None:
    ended = cli("predict", regressor.model, regressor.new, "--keep", "twon")
    assert ended.code == 1
    assert ended.error[-1] == "  hint: did you mean --keep town?"


def test_report_needs_the_target(cli: Any, regressor: Any, tmp_path: Path) -> None:
    lines = [row[:4] for row in lines_of(regressor.new)]
    ended = cli("report", regressor.model, write_lines(tmp_path / "n.csv", lines))
    assert ended.code == 1
    assert ended.error[0] == 'error: column "price" is not in n.csv'
    assert not list(tmp_path.glob("*.html"))
