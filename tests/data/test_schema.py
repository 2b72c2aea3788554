from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planefold.core.errors import DataError, ModelFileError, ParameterError, PlanefoldError
from planefold.data import Schema, Table, find_schema, read_table


def kind(values, **options):
    # A second column, so that a table whose first column is dropped still has one.
    n = len(values)
    return find_schema(read_table({"x": values, "rest": [float(i % 7) for i in range(n)]}), **options)["x"]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.5, 2.5, None], "number"),
        ([3, 1, 2], "number"),
        ([0, 1, 0], "number"),
        ([True, False, True], "boolean"),
        (["yes", "no", "yes"], "boolean"),
        (["TRUE", "false", None], "boolean"),
        (["y", "n", "y"], "category"),
        (["a", "b", "a"], "category"),
        (["1,234.5", "2", "3"], "number"),
        (["1,5", "2,5", "NA"], "number"),
        (["00501", "10001", "00501"], "category"),
        (["2020-01-01", "2021-01-01", "?"], "date"),
        (["31.12.2020", "01.01.2021", ""], "date"),
        (np.array(["2020-01-01", "2021-01-01", "NaT"], "datetime64[D]"), "date"),
        ([None, None, None], "drop"),
        ([5, 5, 5], "drop"),
        (["a", "a", "a"], "drop"),
        ([5, 5, None], "number"),
        (["1", "two", "2"], "category"),
        ([1, "a", None], "category"),
        (["None", "1", "2"], "number"),
        (["None", "a", "b"], "category"),
    ],
)
def test_the_kind_of_a_column_follows_from_its_values(values, expected):
    assert kind(values).kind == expected


def test_none_is_a_category_among_words_and_missing_among_numbers():
    assert kind(["None", "a", "b"]).n_missing == 0
    assert kind(["None", "1", "2"]).n_missing == 1


def test_a_few_stray_texts_count_as_missing_and_are_quoted():
    column = kind([str(i) for i in range(40)] + ["about 5"])
    assert (column.kind, column.n_missing, column.stray) == ("number", 1, ("about 5",))
    assert any("'about 5'" in note for note in column.notes)
    assert kind([str(i) for i in range(10)] + ["about 5"]).kind == "category"


def test_separators_are_told():
    column = kind(["1.234,50", "7,25"])
    assert (column.thousands, column.decimal, column.maximum) == (".", ",", 1234.5)
    assert "'1.234,50' is 1234.5" in column.notes[0]


@pytest.mark.parametrize("name", ["id", "Id", "PassengerId", "customer_id", "index", "unnamed_0", "key", "uuid", "nr"])
def test_different_whole_numbers_with_the_name_of_an_identifier_are_dropped(name):
    schema = find_schema(read_table({name: [17, 3, 99], "x": [1.0, 2.0, 2.0]}))
    assert schema[name].dropped_as == "id"


@pytest.mark.parametrize("name", ["humid", "period", "width", "price", "keys_per_day"])
def test_other_names_are_no_identifiers(name):
    assert find_schema(read_table({name: [17, 3, 99], "x": [1.0, 2.0, 2.0]}))[name].kind == "number"


def test_row_numbers_are_dropped_unless_they_are_all_there_is():
    assert kind(list(range(30))).dropped_as == "id"
    assert kind(list(range(1, 31))).dropped_as == "id"
    assert kind(list(range(2, 32))).kind == "number"
    assert find_schema(read_table({"x": list(range(30))}))["x"].kind == "number"
    assert find_schema(read_table(np.arange(60).reshape(30, 2)))["x0"].kind == "number"


def test_texts_that_are_mostly_different_are_dropped():
    assert kind([f"name {i}" for i in range(21)]).dropped_as == "id"
    assert kind([f"name {i}" for i in range(20)]).kind == "category"
    assert kind([f"name {i % 25}" for i in range(40)]).dropped_as == "high cardinality"
    assert kind([f"name {i % 25}" for i in range(60)]).kind == "category"
    assert kind([f"a long sentence about what happened on day {i}" for i in range(10)]).dropped_as == "free text"


def test_the_user_knows_better():
    values = [1, 2, 3]
    assert kind(values, types={"x": "category"}).categories == ("1", "2", "3")
    assert kind(values, types={"x": "drop"}).kind == "drop"
    assert kind([5, 5, 5], types={"x": "number"}).kind == "number"
    assert kind(["1", "two", "2"], types={"x": "number"}).n_missing == 1
    with pytest.raises(DataError, match="did you mean"):
        kind(values, types={"rst": "drop"})
    with pytest.raises(ParameterError, match="number"):
        kind(values, types={"x": "numbr"})
    with pytest.raises(DataError, match="boolean has two"):
        kind(values, types={"x": "boolean"})
    with pytest.raises(DataError, match="reads as a date"):
        kind(["a", "b", "c"], types={"x": "date"})


def test_values_that_mean_missing_can_be_named():
    assert kind([-999, 1, 2], missing_values=[-999]).n_missing == 1
    assert kind(["unknown", "a", "b"], missing_values=["unknown"]).n_missing == 1
    with pytest.raises(ParameterError):
        kind([1, 2], missing_values="unknown")


def test_infinity_is_refused_with_its_place():
    with pytest.raises(DataError, match='column "x", row 2'):
        kind([1.0, np.inf, 2.0])
    with pytest.raises(DataError, match='column "x", row 2'):
        kind(["1.0", "inf", "2.0"])


def test_a_table_without_a_usable_column_says_why_for_each():
    with pytest.raises(DataError, match="a: it is 1 in every row; b: it has no value") as caught:
        find_schema(read_table({"a": [1, 1], "b": [None, None]}))
    assert "n_samples=2" in str(caught.value)


def test_titanic_is_understood(shared):
    schema = find_schema(read_table(shared("titanic/train.csv")))
    assert [column.name for column in schema.columns if column.kind == "drop"] == [
        "PassengerId", "Name", "Ticket", "Cabin",
    ]  # fmt: skip
    assert schema["Embarked"].categories == ("S", "C", "Q")
    assert schema["Age"].median == 28
    assert len(schema.notes()) == 4


def test_numbers_agree_with_pandas(shared):
    path = shared("ames_house_prices/train.csv")
    schema, frame = find_schema(read_table(path)), pd.read_csv(path)
    for column in schema.columns:
        if column.kind == "number":
            series = frame[column.name]
            found = (column.minimum, column.median, column.maximum, column.n_unique, column.n_missing)
            assert found == (series.min(), series.median(), series.max(), series.nunique(), series.isna().sum())


TRAINING = read_table(
    {
        "price": ["1.200,5", "980", "700,5"],
        "town": ["Trier", "Bonn", "Trier"],
        "day": ["31.12.2020", "01.02.2021", "05.06.2021"],
        "area": [50.0, 80.0, 65.0],
        "same": [1, 1, 1],
    }
)
SCHEMA = find_schema(TRAINING)


def test_a_prediction_table_may_have_other_order_and_more_columns():
    table = Table({name: TRAINING[name] for name in reversed(TRAINING.names) if name != "same"} | {"z": np.arange(3)})
    aligned, notes = SCHEMA.align(table)
    assert aligned.names == ("price", "town", "day", "area")
    np.testing.assert_array_equal(aligned["price"], [1200.5, 980, 700.5])
    days = np.array(["2020-12-31", "2021-02-01", "2021-06-05"], "datetime64[ns]")
    np.testing.assert_array_equal(aligned["day"], days)
    assert len(notes) == 1
    assert "z" in notes[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"area": None}, ["lacks 1 column", "missing: area"]),
        ({"area": None, "aera": [1.0]}, ["missing: area", "unexpected: aera", '"aera" for "area"']),
        ({"area": ["50", "abc", "70"]}, ['"area"', "row 2", "'abc'"]),
        ({"area": [1.0, np.inf]}, ['"area"', "row 2", "infinite"]),
        ({"area": np.array(["2020-01-01"], "datetime64[D]")}, ['"area"', "dates"]),
        ({"day": ["31.12.2020", "soon"]}, ['"day"', "row 2", "'soon'"]),
        ({"day": [5]}, ['"day"', "numbers"]),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_the_place(changes, words):
    n = max((len(values) for values in changes.values() if values is not None), default=1)
    columns = {"price": ["1,5"] * n, "town": ["Bonn"] * n, "day": ["01.01.2020"] * n, "area": [1.0] * n} | changes
    with pytest.raises(DataError) as caught:
        SCHEMA.align(read_table({name: values for name, values in columns.items() if values is not None}))
    for word in words:
        assert word in str(caught.value)


def test_numbers_as_text_and_iso_dates_are_understood():
    table = read_table({"price": [3.5], "town": ["Bonn"], "day": ["2021-02-01"], "area": ["12"]})
    aligned, _ = SCHEMA.align(table)
    assert aligned["area"].tolist() == [12.0]
    assert aligned["price"].tolist() == [3.5]
    assert aligned["day"][0] == np.datetime64("2021-02-01")


def test_new_categories_are_counted():
    table = read_table({"price": ["1"] * 3, "town": ["Ulm", "Bonn", "Ulm"], "day": ["1.1.2020"] * 3, "area": [1.0] * 3})
    _, notes = SCHEMA.align(table)
    assert notes == ["Column \"town\": 2 rows have categories that training never saw: 'Ulm' (2)."]


def test_thousands_with_points_survive_a_file_that_has_only_one_point_each(write):
    schema = find_schema(read_table(write("p,q\n1.234.567,1\n5.000,2\n")))
    assert schema["p"].maximum == 1234567
    aligned, _ = schema.align(read_table(write("p,q\n1.234,1\n5.678,2\n")).take([1, 0]))
    assert aligned["p"].tolist() == [5678, 1234]


def test_a_category_is_recognised_however_it_is_written():
    schema = find_schema(read_table({"x": ["1.50", "A", "7"], "b": [True, False, True]}))
    aligned, notes = schema.align(read_table({"x": [1.5, 7.0], "b": ["TRUE", "0"]}))
    assert aligned["x"].tolist() == ["1.50", "7"]
    assert aligned["b"].tolist() == ["True", "False"]
    assert notes == []


def test_arrays_are_matched_by_position():
    schema = find_schema(read_table(pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 5.0]})))
    aligned, _ = schema.align(read_table(np.array([[7.0, 8.0]])))
    assert (aligned["a"][0], aligned["b"][0]) == (7, 8)
    with pytest.raises(DataError, match="expecting 2 features"):
        schema.align(read_table(np.array([[7.0]])))


@pytest.mark.parametrize(
    "name", ["titanic/train.csv", "ames_house_prices/train.csv", "airline_passengers/airline-passengers.csv"]
)
def test_a_schema_survives_json(shared, name):
    schema = find_schema(read_table(shared(name)))
    assert Schema.from_json(json.loads(json.dumps(schema.to_json(), allow_nan=False))) == schema


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(json_values)
def test_nonsense_is_no_schema(data):
    with pytest.raises(ModelFileError):
        Schema.from_json(data)


@given(st.data())
def test_one_wrong_value_in_a_schema_is_refused_or_harmless(data):
    record = json.loads(json.dumps(SCHEMA.to_json()))
    column = data.draw(st.sampled_from(record["columns"]))
    column[data.draw(st.sampled_from(sorted(column)))] = data.draw(json_values)
    try:
        schema = Schema.from_json(record)
        schema.align(TRAINING)
    except PlanefoldError:
        return
    assert Schema.from_json(schema.to_json()) == schema
