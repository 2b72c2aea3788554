from __future__ import annotations

import datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planefold.data.parsing import DATE_FORMATS, parse_date, parse_number, read_dates, read_numbers


def once(*texts):
    return dict.fromkeys(texts, 1)


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["1,234.50", "12"], [1234.5, 12]),
        (["1.234,50", "12"], [1234.5, 12]),
        (["1 234", "1\u202f234\u202f567"], [1234, 1234567]),
        (["3,14", "2"], [3.14, 2]),
        (["1,234", "5"], [1234, 5]),
        (["1,234", "5,5"], [1.234, 5.5]),
        (["0,125", "1,250"], [0.125, 1.25]),
        (["1.234", "5"], [1.234, 5]),
        (["1.234.567", "1.234"], [1234567, 1234]),
        (["1'234.5", "7"], [1234.5, 7]),
        (["$5", "-$1,000.25"], [5, -1000.25]),
        (["12 %", "3%"], [12, 3]),
        (["\u22125"], [-5]),
        (["1e-3", "2E5"], [0.001, 2e5]),
    ],
)
def test_the_style_is_that_of_the_whole_column(texts, values):
    reading = read_numbers(once(*texts))
    assert [reading.values[text] for text in texts] == values
    assert not reading.stray


def test_doubt_about_a_style_is_told():
    assert read_numbers(once("1,234", "5,678")).also is not None
    assert read_numbers(once("1,234", "5,678.5")).also is None


@pytest.mark.parametrize("text", ["1_000", "abc", "1,23,4", "1-2", "--5", "+-5", "1.2.3", "0x10", "½", ""])
def test_what_is_no_number_is_none(text):
    assert all(parse_number(text, *style) is None for style in [("", "."), (",", "."), ("", ",")])


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_python_floats_are_read_exactly(value):
    assert parse_number(repr(value)) == value


@given(st.integers(-(10**12), 10**12), st.integers(0, 99))
def test_python_formatting_is_read_back(whole, cents):
    text = f"{whole:,}.{cents:02}"
    assert parse_number(text, ",", ".") == float(text.replace(",", ""))
    swapped = text.translate(str.maketrans(",.", ".,"))
    assert parse_number(swapped, ".", ",") == float(text.replace(",", ""))


moments = st.datetimes(datetime.datetime(1970, 1, 1), datetime.datetime(2068, 12, 31)).map(
    lambda moment: moment.replace(microsecond=0)
)
WRITTEN = {
    "year-month-day": "%Y-%m-%d %H:%M:%S",
    "year/month/day": "%Y/%m/%d",
    "year.month.day": "%Y.%m.%d",
    "day.month.year": "%d.%m.%Y %H:%M",
    "day/month/year": "%d/%m/%Y",
    "month/day/year": "%m/%d/%Y %I:%M %p",
    "day-month-year": "%d-%m-%Y",
    "month-day-year": "%m-%d-%Y",
    "day Month year": "%d %b %Y",
    "Month day year": "%B %d, %Y",
    "Month year": "%b %Y",
    "year-month": "%Y-%m",
    "day.month.yy": "%d.%m.%y",
    "day/month/yy": "%d/%m/%y",
    "month/day/yy": "%m/%d/%y",
}


def test_every_format_is_tested():
    assert set(WRITTEN) == set(DATE_FORMATS)


@pytest.mark.parametrize("name", DATE_FORMATS)
@given(moments)
def test_a_date_is_read_as_strptime_reads_it(name, moment):
    text = moment.strftime(WRITTEN[name])
    expected = datetime.datetime.strptime(text, WRITTEN[name])
    assert np.datetime64(parse_date(text, name), "ns") == np.datetime64(expected)


def test_zones_become_utc():
    assert parse_date("2020-01-01T02:00:00+02:00", "year-month-day") == parse_date("2020-01-01", "year-month-day")
    assert parse_date("2020-01-01T00:00:00Z", "year-month-day") == parse_date("2020-01-01", "year-month-day")


def test_one_row_decides_between_day_first_and_month_first():
    assert read_dates(once("03/04/2020", "25/12/2020")).style == "day/month/year"
    assert read_dates(once("03/04/2020", "12/25/2020")).style == "month/day/year"
    doubtful = read_dates(once("03/04/2020", "05/06/2020"))
    assert doubtful.style == "day/month/year"
    assert doubtful.also == "month/day/year"


@pytest.mark.parametrize("text", ["2020-02-30", "2020-13-01", "9999-12-31", "1 Foo 2020", "2020-01-01 25:00", "x"])
def test_what_is_no_date_is_none(text):
    assert all(parse_date(text, name) is None for name in DATE_FORMATS)


@given(st.text(max_size=12))
def test_no_text_breaks_the_parsers(text):
    for name in DATE_FORMATS:
        parse_date(text, name)
    read_numbers({text: 1})
