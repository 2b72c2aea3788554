"""What is known of one column, and the values of a column in the form that its kind asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from planefold.core.errors import DataError, ModelFileError, show
from planefold.data import jsonable
from planefold.data.cells import Array, text_of
from planefold.data.parsing import (
    DATE_FORMATS,
    MISSING_AMONG_NUMBERS,
    MISSING_MARKERS,
    NUMBER_STYLES,
    number_text,
    parse_date,
    parse_number,
)

KINDS = ("number", "category", "boolean", "date", "drop")

# Why a column is left out, for programs; ``Column.why`` says it in words.
DROP_REASONS = ("empty", "constant", "id", "high cardinality", "free text", "user")

# More categories than this are neither shown nor encoded one by one.
MAX_LISTED_CATEGORIES = 1000

_ISO = "year-month-day"


@dataclass(frozen=True, kw_only=True)
class Column:
    """What is known of one column of the training table.

    Parameters
    ----------
    name : str
        As in the table.
    kind : {"number", "category", "boolean", "date", "drop"}
        How it is used.
    why : str
        Why it has this kind, in words; "" when it is obvious.
    n_missing, n_unique : int
        Rows without a value; different values among the others.
    categories : tuple of str
        The texts of a category or boolean column, most frequent first, at most 1000.
    minimum, median, maximum : float or None
        Of a number column.
    whole : bool
        Whether all numbers are integers.
    decimal, thousands : str
        The separators of numbers that are written as text.
    date_format : str or None
        One of ``planefold.data.parsing.DATE_FORMATS`` when the dates are written as text.
    date_minimum, date_maximum : str or None
        The first and the last date, as ISO 8601.
    stray : tuple of str
        Texts in a number or date column that count as missing.
    dropped_as : str
        Why it is dropped, in one of a few words (``DROP_REASONS``); "" when it is used.
    notes : tuple of str
        Sentences that the user should read.
    """

    name: str
    kind: str
    why: str = ""
    n_missing: int = 0
    n_unique: int = 0
    categories: tuple[str, ...] = ()
    minimum: float | None = None
    median: float | None = None
    maximum: float | None = None
    whole: bool = False
    decimal: str = "."
    thousands: str = ""
    date_format: str | None = None
    date_minimum: str | None = None
    date_maximum: str | None = None
    stray: tuple[str, ...] = ()
    dropped_as: str = ""
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the column as JSON data."""
        return jsonable.to_json(self)

    @classmethod
    def from_json(cls, data: object) -> Column:
        """Build a column from JSON data, or raise ModelFileError."""
        column = jsonable.from_json(cls, data, "a column of the schema")
        where = f"column {show(column.name)} of the schema"
        jsonable.one_of(column.kind, KINDS, f"{where}, kind")
        jsonable.one_of(column.dropped_as, ("", *DROP_REASONS), f"{where}, dropped_as")
        if (column.thousands, column.decimal) not in NUMBER_STYLES:
            raise ModelFileError(f"{where} has separators {show(column.thousands)} and {show(column.decimal)}")
        if column.date_format is not None:
            jsonable.one_of(column.date_format, DATE_FORMATS, f"{where}, date_format")
        for day in (column.date_minimum, column.date_maximum):
            moment = parse_date(day, _ISO) if day is not None else None
            if day is not None and (moment is None or date_text(np.datetime64(moment, "ns")) != day):
                raise ModelFileError(f"{where} has the date {show(day)}")
        if column.kind == "date" and None in (column.date_minimum, column.date_maximum):
            raise ModelFileError(f"{where} has no first or last date")
        if column.kind == "number" and None in (column.minimum, column.median, column.maximum):
            raise ModelFileError(f"{where} has no minimum, median or maximum")
        if min(column.n_missing, column.n_unique) < 0:
            raise ModelFileError(f"{where} has negative counts")
        n_listed = min(column.n_unique, MAX_LISTED_CATEGORIES)
        names = column.categories
        if column.kind in ("category", "boolean") and not len(set(names)) == len(names) == n_listed > 0:
            raise ModelFileError(f"{where} has {len(names)} categories and {column.n_unique} different values")
        return column


# ------------------------------------------------------------------------------------------- texts and their codes


def factorize(values: Array, missing: frozenset[str]) -> tuple[Array, list[str]]:
    """Number the different texts of a column.

    Returns
    -------
    codes : ndarray of shape (n_rows,), int64
        The place of each row's text in ``texts``, or -1 when it is missing.
    texts : list of str
        Stripped, in the order in which they first appear.
    """
    if values.dtype.kind in "iuf":
        # Through numpy: a million numbers have few different ones only sometimes, but never cost a Python loop then.
        different, codes = np.unique(values, return_inverse=True)
        raw: list[Any] = [number_text(value) if value == value else None for value in different.tolist()]
    elif values.dtype.kind == "M":
        different, codes = np.unique(values, return_inverse=True)
        raw = [None if np.isnat(value) else date_text(value) for value in different]
    else:
        items = values.tolist()
        try:
            place = {item: i for i, item in enumerate(dict.fromkeys(items))}
        except TypeError as error:
            raise DataError("a table cell holds a list or a record, not a single value") from error
        codes = np.fromiter(map(place.__getitem__, items), np.int64, len(items))
        raw = list(place)
    found: dict[str, int] = {}
    recode = np.full(len(raw), -1, dtype=np.int64)
    for i, item in enumerate(raw):
        text = text_of(item)
        if text is not None and (text := text.strip()) not in missing:
            recode[i] = found.setdefault(text, len(found))
    return recode[codes] if len(raw) else codes.astype(np.int64), list(found)


def spread_out(codes: Array, values: Sequence[Any], nothing: Any, dtype: Any) -> Array:
    """Give each row the value of its code, and ``nothing`` where the code is -1."""
    table = np.empty(len(values) + 1, dtype=dtype)
    table[:-1] = values
    table[-1] = nothing  # code -1 is the last entry
    result: Array = table[codes]
    return result


def date_text(moment: Any) -> str:
    """Write a datetime64 as ISO 8601, without the time when it is midnight, exactly.

    >>> date_text(np.datetime64("2020-02-03")), date_text(np.datetime64("2020-02-03T04:05:06.5"))
    ('2020-02-03', '2020-02-03T04:05:06.500000000')
    """
    day = moment.astype("datetime64[D]")
    if day == moment:
        return str(day)
    second = moment.astype("datetime64[s]")
    return str(second) if second == moment else str(moment.astype("datetime64[ns]"))


def first_row(mask: Array) -> int:
    """Return the number of the first row where the mask is true; the first data row is 1."""
    return int(np.argmax(mask)) + 1


# ------------------------------------------------------------------------------- values as the kind of a column asks


def missing_texts(column: Column, missing_values: Sequence[str]) -> frozenset[str]:
    """The texts that mean "no value" in this column."""
    if column.kind in ("number", "date"):
        return MISSING_AMONG_NUMBERS | frozenset(missing_values) | frozenset(column.stray)
    return MISSING_MARKERS | frozenset(missing_values)


def refuse_infinite(values: Array, name: str, source: str) -> None:
    """Raise DataError when a number is infinite, and say which."""
    infinite = np.isinf(values)
    if infinite.any():
        row = first_row(infinite)
        raise DataError(
            f'{source}, column "{name}", row {row}: the value is infinite ({values[row - 1]})',
            details=f"infinite values in this column: {infinite.sum()}; a network cannot compute with infinity",
            hint="replace it by a finite number, or leave the cell empty when the value is not known",
        )


def without_markers(values: Array, missing_values: Sequence[str]) -> Array:
    """Return numbers as float64, with nan where the number is one that means "no value", such as -999."""
    numbers = values.astype(np.float64)
    markers = [number for text in missing_values if (number := parse_number(text)) is not None]
    if markers:
        numbers[np.isin(numbers, markers)] = np.nan
    return numbers


def numbers_of(values: Array, column: Column, missing_values: Sequence[str], source: str) -> Array:
    """Return the values of a number column as float64 of shape (n_rows,), nan for missing."""
    kind = values.dtype.kind
    if kind == "M":
        raise DataError(f'{source}: column "{column.name}" holds dates; in training it held numbers')
    if kind in "iufb":
        numbers = without_markers(values, missing_values)
    else:
        codes, texts = factorize(values, missing_texts(column, missing_values))
        parsed = [parse_number(text, column.thousands, column.decimal) for text in texts]
        _refuse_unreadable(codes, texts, parsed, column, source, "a number")
        numbers = spread_out(codes, parsed, np.nan, np.float64)
    refuse_infinite(numbers, column.name, source)
    return numbers


def dates_of(values: Array, column: Column, missing_values: Sequence[str], source: str) -> Array:
    """Return the values of a date column as datetime64[ns] of shape (n_rows,), NaT for missing."""
    kind = values.dtype.kind
    if kind == "M":
        return values.astype("datetime64[ns]")
    if kind in "iub" or (kind == "f" and not np.isnan(values).all()):
        raise DataError(f'{source}: column "{column.name}" holds numbers; in training it held dates')
    codes, texts = factorize(values, missing_texts(column, missing_values))
    formats = dict.fromkeys((column.date_format or _ISO, _ISO))  # ISO 8601 means one day in every country
    parsed = [next((day for name in formats if (day := parse_date(text, name)) is not None), None) for text in texts]
    _refuse_unreadable(codes, texts, parsed, column, source, f"a date ({column.date_format or _ISO})")
    days = [np.datetime64(day, "ns") for day in parsed if day is not None]
    return spread_out(codes, days, np.datetime64("NaT"), "datetime64[ns]")


def _refuse_unreadable(
    codes: Array, texts: Sequence[str], parsed: Sequence[object], column: Column, source: str, wanted: str
) -> None:
    bad = [i for i, value in enumerate(parsed) if value is None]
    if bad:
        rows = np.isin(codes, bad)
        row = first_row(rows)
        text = texts[int(codes[row - 1])]
        raise DataError(
            f'{source}, column "{column.name}", row {row}: {show(text)} is not {wanted}',
            details=f"{rows.sum()} of {len(codes)} rows in this column are not" if rows.sum() > 1 else None,
            hint=f"correct it, or leave the cell empty when the value is not known; missing_values=[{show(text)}] "
            "in training makes it mean missing",
        )


def labels_of(values: Array, column: Column, missing_values: Sequence[str]) -> Array:
    """Return the values of a category or boolean column as texts of shape (n_rows,), None for missing.

    A value is recognised however it arrives: the number 1.5 is the category "1.50" of a file, True is "yes"
    only if it is spelled so, but "TRUE" and 1 are the category "True" of a boolean column.
    """
    codes, texts = factorize(values, missing_texts(column, missing_values))
    known = dict(zip(column.categories, column.categories, strict=True))
    other = _spellings(column, numeric=values.dtype.kind in "iuf")
    names = [text if text in known else other.get(text.casefold(), text) for text in texts]
    return spread_out(codes, names, None, object)


def _spellings(column: Column, *, numeric: bool) -> Mapping[str, str]:
    spellings: dict[str, str] = {}
    if column.kind == "boolean":
        spellings = {category.casefold(): category for category in column.categories}
        spellings |= {digit: spellings[word] for digit, word in (("0", "false"), ("1", "true")) if word in spellings}
    elif numeric:
        numbers = {category: parse_number(category) for category in column.categories}
        spellings = {
            number_text(number).casefold(): category for category, number in numbers.items() if number is not None
        }
    return spellings
