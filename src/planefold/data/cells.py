"""Cells: from whatever values a column holds to one of the few types that a table has."""

from __future__ import annotations

import datetime
import decimal
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError
from planefold.data.parsing import FIRST_YEAR, LAST_YEAR, number_text

Array = npt.NDArray[Any]


def column_from(values: Any, name: str) -> Array:
    """Make a column of a table from a list, an array or a series of anything.

    Returns
    -------
    ndarray of shape (n_rows,)
        Of one of the types that :class:`Table` lists.
    """
    if not isinstance(values, np.ndarray):
        if hasattr(values, "to_list"):  # a series of pandas or polars
            values = values.to_list()
        if isinstance(values, str | bytes) or not isinstance(values, Iterable):
            raise DataError(f'column "{name}" is not a list of values', hint=f'pass {{"{name}": [...]}}')
        items = list(values)
        # Not np.array(items), which looks into lists and turns [1, "a"] into texts.
        array = np.fromiter(items, dtype=object, count=len(items))
    else:
        array = values
    kind = array.dtype.kind
    if kind == "b":
        return array.astype(bool)
    if kind in "iu":
        return integers_of(array)
    if kind == "f":
        return array.astype(np.float64)
    if kind == "M":
        return _dates(array)
    if kind == "m":
        return _seconds(array)
    if kind == "c":
        raise DataError("Complex data not supported", details=f'column "{name}" holds complex numbers')
    return _from_objects(array.tolist(), name)


def integers_of(array: Array) -> Array:
    """Return integers as int64, or as float64 when they are too large for that."""
    if array.dtype.kind == "u" and array.size and int(array.max()) > np.iinfo(np.int64).max:
        return array.astype(np.float64)
    return array.astype(np.int64)


def _dates(array: Array) -> Array:
    years = array.astype("datetime64[Y]").astype(np.int64) + 1970
    inside = (years >= FIRST_YEAR) & (years <= LAST_YEAR) & ~np.isnat(array)
    result = np.full(array.shape, np.datetime64("NaT"), dtype="datetime64[ns]")
    result[inside] = array[inside].astype("datetime64[ns]")
    return result


def _seconds(array: Array) -> Array:
    seconds = array.astype("timedelta64[ns]").astype(np.int64) / 1e9
    return np.where(np.isnat(array), np.nan, seconds)


def is_missing(value: object) -> bool:
    """Tell whether a value is one of the many ways to say that there is none."""
    if value is None:
        return True
    if isinstance(value, float | np.floating):
        return math.isnan(value)
    if isinstance(value, decimal.Decimal):
        return value.is_nan()  # math.isnan raises for a signalling one
    if isinstance(value, np.datetime64 | np.timedelta64):
        return bool(np.isnat(value))
    return type(value).__name__ in ("NAType", "NaTType")  # pandas, without importing it


_MOMENTS = (datetime.date, np.datetime64)  # a datetime is a date, a pandas Timestamp is a datetime


def _from_objects(values: list[Any], name: str) -> Array:
    kinds = {type(value) for value in values if not is_missing(value)}
    if not kinds or kinds <= {str, np.str_}:
        # nothing at all is nan: an empty column has no text either
        return texts_of(values) if kinds else np.full(len(values), np.nan)
    if all(issubclass(kind, bool | np.bool_) for kind in kinds):
        if not any(is_missing(value) for value in values):
            return np.array(values, dtype=bool)
        return texts_of(values)
    numbers = (int, float, np.integer, np.floating, decimal.Decimal)
    if all(issubclass(kind, numbers) and not issubclass(kind, bool) for kind in kinds):
        return _from_numbers(values)
    if all(issubclass(kind, _MOMENTS) for kind in kinds):
        return _from_moments(values)
    if all(issubclass(kind, datetime.timedelta | np.timedelta64) for kind in kinds):
        return _seconds(np.array([None if is_missing(value) else value for value in values], "timedelta64[ns]"))
    for row, value in enumerate(values, start=1):
        if isinstance(value, complex):
            raise DataError("Complex data not supported", details=f'column "{name}" holds complex numbers')
        if isinstance(value, list | tuple | dict | set | np.ndarray):
            raise DataError(
                f'column "{name}", row {row}: a {type(value).__name__} is not a single value; '
                "argument must be a string or a number",
                hint="give each part its own column",
            )
    return texts_of(values)


def _from_numbers(values: list[Any]) -> Array:
    try:
        floats = np.array([math.nan if is_missing(value) else float(value) for value in values])
    except OverflowError:  # an integer of more than 308 digits
        return texts_of(values)
    if all(isinstance(value, int | np.integer) for value in values) and np.all(np.abs(floats) < 2.0**63):
        return np.array([int(value) for value in values], dtype=np.int64)
    return floats


def _from_moments(values: list[Any]) -> Array:
    def moment(value: Any) -> Any:
        if is_missing(value):
            return np.datetime64("NaT")
        if isinstance(value, np.datetime64):
            return value.astype("datetime64[us]")
        if isinstance(value, datetime.datetime):
            if value.tzinfo is not None:
                value = value.astimezone(datetime.UTC)
            # Rebuilt from its fields: numpy warns about zones, and a pandas Timestamp has a nanosecond too many.
            value = datetime.datetime(
                value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond
            )
        return np.datetime64(value, "us")

    return _dates(np.array([moment(value) for value in values], dtype="datetime64[us]"))


def text_of(value: object) -> str | None:
    """Write one value as a category: str, whole floats without ".0", None for missing."""
    if type(value) is str:
        return value
    if is_missing(value):
        return None
    if isinstance(value, float | np.floating):
        return number_text(float(value))
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return str(value)


def texts_of(values: list[Any]) -> Array:
    """Return values as an object array of str, None for missing."""
    result = np.empty(len(values), dtype=object)
    result[:] = [text_of(value) for value in values]
    return result
