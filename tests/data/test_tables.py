from __future__ import annotations

import contextlib
import datetime
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planefold.core.errors import DataError, FileError, MissingFileError, ParameterError, PlanefoldError
from planefold.data import Table, is_frame, read_table
from planefold.data.csv_files import column_from_texts, find_delimiter


def test_importing_and_reading_imports_neither_torch_nor_pandas_nor_sklearn(write):
    path = write("a,b\n1,x\n2,y\n")
    code = (
        "import sys; from planefold.data import read_table, find_schema; "
        f"find_schema(read_table({str(path)!r})); "
        "print([name for name in ('torch', 'pandas', 'sklearn', 'narwhals') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"


@pytest.mark.parametrize("name", ["titanic/train.csv", "insurance/insurance.csv", "pima_diabetes/pima.csv"])
def test_numbers_of_real_files_are_those_that_pandas_reads(shared, name):
    path = shared(name)
    table, frame = read_table(path), pd.read_csv(path)
    assert list(table.names) == list(frame.columns)
    for column in frame.select_dtypes("number"):
        np.testing.assert_allclose(table[column], frame[column].to_numpy(), rtol=1e-15)
        assert table[column].dtype == frame[column].dtype
    assert table.source == path.name


def test_ames_is_read_like_pandas_reads_it(shared):
    path = shared("ames_house_prices/train.csv")
    table, frame = read_table(path), pd.read_csv(path)
    for column in frame.select_dtypes("number"):
        np.testing.assert_array_equal(table[column].astype(float), frame[column].to_numpy(float))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_and_quotes_are_respected(write, delimiter):
    text = f'name{delimiter}size\n"a{delimiter}b"{delimiter}1\n"say ""hi"""{delimiter}2\n"two\nlines"{delimiter}3\n'
    table = read_table(write(text))
    assert table["name"].tolist() == [f"a{delimiter}b", 'say "hi"', "two\nlines"]
    assert table["size"].tolist() == [1, 2, 3]


def test_decimal_commas_do_not_hide_the_semicolon(write):
    assert find_delimiter("a;b\n1,5;2,5\n3,5;4,5\n") == ";"
    assert read_table(write("a;b\n1,5;2\n3,5;4\n"))["a"].tolist() == ["1,5", "3,5"]


def test_a_byte_order_mark_is_no_part_of_the_first_name(write):
    assert read_table(write(b"\xef\xbb\xbfa,b\n1,2\n")).names == ("a", "b")


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1", "2"], [1, 2]),
        (["1", ""], [1.0, np.nan]),
        (["1.5", "NA", "?"], [1.5, np.nan, np.nan]),
        (["1e3", " 2 "], [1000.0, 2.0]),
        (["00501", "10001"], ["00501", "10001"]),
        (["1_000", "2"], ["1_000", "2"]),
        (["1,000", "2"], ["1,000", "2"]),
        (["a", ""], ["a", None]),
        (["9223372036854775807"], [9223372036854775807]),
        (["18446744073709551616"], [18446744073709551616.0]),
    ],
)
def test_a_column_of_fields_is_numbers_only_when_all_are(texts, expected):
    np.testing.assert_array_equal(column_from_texts(texts), np.array(expected, dtype=column_from_texts(texts).dtype))
    assert (column_from_texts(texts).dtype == object) == isinstance(expected[0], str)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", ["empty"]),
        ("\n\n", ["empty"]),
        ("a,b\n", ["no rows", "a, b"]),
        ("a,b,a\n1,2,3\n", ['"a"', "more than once", "columns 1, 3"]),
        ("a,b\n1,2\n3\n", ["line 3", "row 2", "1 field", "expected 2"]),
        ("a,b\n1,2\n\n3,4,5\n", ["line 4", "row 2", "3 fields", "expected 2"]),
        ('a,b\n1,"x\ny\n', ["line 2", "never closed"]),
        ('a,b\n1,"x"y\n', ["line 2", "after a closing quote"]),
        ("1.5,2\n3,4\n", ["no line of column names"]),
        (b"a,b\n1,\xe4\n", ["UTF-8", "line 2", "byte 3", "0xe4", "latin-1", "--encoding"]),
        (b"a,b\n1,\0\n", ["not a text file"]),
        (b"PK\x03\x04abc", ["zip archive", "not text"]),
        (b"\x89PNG\r\n\x1a\n", ["PNG"]),
        ("a,b\n1,2\n".encode("utf-16"), ["UTF-16"]),
    ],
)
def test_a_damaged_file_is_named_with_the_place(write, content, words):
    with pytest.raises(DataError) as caught:
        read_table(write(content))
    for word in ["house.csv", *words]:
        assert word in str(caught.value)
    assert caught.value.details or caught.value.hint


def test_latin_1_is_read_when_asked_for(write):
    path = write("town\nKöln\nTrier\n".encode("latin-1"))
    assert read_table(path, encoding="latin-1")["town"].tolist() == ["Köln", "Trier"]


def test_a_missing_file_says_which_one_may_be_meant(write, tmp_path):
    write("a\n1\n", "houses.csv")
    with pytest.raises(MissingFileError, match=r"houses\.csv\?") as caught:
        read_table(tmp_path / "hoses.csv")
    assert isinstance(caught.value, FileNotFoundError)
    with pytest.raises(FileError, match="is a folder"):
        read_table(tmp_path)
    with pytest.raises(FileError, match="not even a folder"):
        read_table(tmp_path / "nowhere" / "x.csv")


def test_wrong_options_are_parameter_errors(write):
    path = write("a,b\n1,2\n")
    with pytest.raises(ParameterError, match="delimiter"):
        read_table(path, delimiter="::")
    with pytest.raises(ParameterError, match="encoding"):
        read_table(path, encoding="utf8000")


def test_blank_names_are_given_and_trailing_blank_rows_dropped(write):
    table = read_table(write(",b\n0,x\n1,y\n,\n"))
    assert table.names == ("unnamed_0", "b")
    assert table.n_rows == 2


FRAME = {
    "whole": [1, 2, 3],
    "gap": [1.5, None, 2.5],
    "flag": [True, False, True],
    "text": ["a", None, "b"],
    "day": [datetime.datetime(2020, 1, 1), None, datetime.datetime(2021, 2, 3, 4, 5)],
}


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, dict])
def test_every_kind_of_frame_gives_the_same_table(make):
    source = make(FRAME)
    table = read_table(source)
    assert is_frame(source) == (make is not dict)
    assert {name: values.dtype.str for name, values in table.columns.items()} == {
        "whole": "<i8", "gap": "<f8", "flag": "|b1", "text": "|O", "day": "<M8[ns]",
    }  # fmt: skip
    np.testing.assert_array_equal(table["gap"], [1.5, np.nan, 2.5])
    assert table["text"].tolist() == ["a", None, "b"]
    assert np.isnat(table["day"][1])
    assert table["day"][2] == np.datetime64("2021-02-03T04:05")


def test_unusual_columns_of_frames_are_read():
    frame = pd.DataFrame(
        {
            "nullable": pd.array([1, None], dtype="Int64"),
            "truth": pd.array([True, None], dtype="boolean"),
            "grade": pd.Categorical([1, 2]),
            "mixed": [1.0, "a"],
            7: [1, 2],
        }
    )
    table = read_table(frame)
    np.testing.assert_array_equal(table["nullable"], [1, np.nan])
    assert table["truth"].tolist() == ["True", None]
    assert table["grade"].tolist() == ["1", "2"]
    assert table.categorical == {"grade"}
    assert table["mixed"].tolist() == ["1", "a"]
    assert table.names[-1] == "7"


@pytest.mark.parametrize(
    "source",
    [
        pd.DataFrame([[1, 2]], columns=["a", "a"]),
        pa.table([[1], [2]], names=["a", "a"]),
        pl.DataFrame({"a": [[1], [2]]}),
        pl.LazyFrame({"a": [1]}),
        {"a": [1], "b": [1, 2]},
        {"a": [[1], [2, 3]]},
        {"a": 3},
        {1: [1], "1": [2]},
        {},
        [[1, 2], [3]],
        np.zeros(3),
        np.zeros((0, 3)),
        None,
        np.array([[1j]]),
    ],
    ids=range(14),
)
def test_what_is_no_table_is_refused(source):
    with pytest.raises(DataError):
        read_table(source)


def test_an_array_has_made_up_names():
    table = read_table(np.array([[1, "a"], [2, "b"]], dtype=object))
    assert table.names == ("x0", "x1")
    assert not table.named
    assert table["x0"].dtype == np.int64


def test_rows_as_json_give_a_table():
    table = read_table([{"a": 1, "b": "x"}, {"a": 2}])
    assert table["b"].tolist() == ["x", None]


def test_rows_and_columns_can_be_taken():
    table = Table({"a": np.arange(4), "b": np.arange(4.0)})
    assert table.take([2, 0])["a"].tolist() == [2, 0]
    assert table.take(table["a"] > 1).n_rows == 2
    assert table.take([]).n_rows == 0
    assert table.select(["b"]).names == ("b",)
    assert table.drop(["b"]).names == ("a",)
    with pytest.raises(DataError, match="did you mean"):
        Table({"price": np.arange(2)}).drop(["prize"])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_table_or_a_planefold_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "any.csv"
    path.write_bytes(content)
    with contextlib.suppress(PlanefoldError):
        assert read_table(path).n_rows > 0


cells = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=8), st.sampled_from(",;\t|"))
def test_what_pandas_writes_is_read_back(tmp_path_factory, rows, delimiter):
    path = tmp_path_factory.mktemp("pandas") / "any.csv"
    rows = [(f"x{first}", f"y{second}") for first, second in rows]
    pd.DataFrame(rows, columns=["a", "b"]).to_csv(path, index=False, sep=delimiter)
    table = read_table(path, delimiter=delimiter)
    assert list(zip(table["a"], table["b"], strict=True)) == [(a.strip(), b.strip()) for a, b in rows]
