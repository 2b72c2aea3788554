"""The rules by which a column becomes a number, a category, a boolean, a date, or is left out."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from planefold.core.errors import DataError, listed, show
from planefold.data import robust
from planefold.data.cells import Array
from planefold.data.columns import (
    MAX_LISTED_CATEGORIES,
    Column,
    date_text,
    factorize,
    refuse_infinite,
    spread_out,
    without_markers,
)
from planefold.data.parsing import (
    ENOUGH,
    MAX_STRAY,
    MISSING_AMONG_NUMBERS,
    MISSING_MARKERS,
    Reading,
    looks_like_codes,
    number_text,
    read_dates,
    read_numbers,
)

# Below this many values "all different" says little: twenty people have twenty heights.
MANY = 20
# Free text has sentences; names, codes and categories are shorter.
LONG_TEXT = 40

_ID_NAME = re.compile(
    r"(?i:id|index|idx|key|uuid|guid|row|rowid|rownames|row[ _]?(?:number|nr|no)|nr|unnamed[:_ ]*\d+_*)"
    r"|.*[a-z0-9]I[dD]|.*(?i:[_ .-]id)"
)
_SEPARATORS = {",": "a comma", ".": "a point", " ": "a space", "'": "an apostrophe"}
_WORDS = ({"yes", "no"}, {"true", "false"})


def find_column(
    name: str,
    values: Array,
    *,
    source: str = "table",
    kind: str | None = None,
    categorical: bool = False,
    named: bool = True,
    missing_values: Sequence[str] = (),
) -> Column:
    """Find out what one column of a training table is.

    Parameters
    ----------
    name, values, source
        The column, an array of shape (n_rows,) as in a Table, and where it is from.
    kind : str, optional
        What the user says it is.
    categorical : bool
        Whether the data frame declares it to hold categories.
    named : bool
        False in an array without column names: its integers are features, no row numbers.
    missing_values : sequence of str
        Further texts that mean "no value".
    """
    if kind == "drop":
        why = "you asked for it"
        return Column(name=name, kind="drop", why=why, dropped_as="user", n_missing=_n_missing(values, missing_values))
    if values.dtype.kind in "iuf" and kind in (None, "number"):
        return _number_column(name, values, source, missing_values, forced=kind is not None, named=named)
    if values.dtype.kind == "M" and kind in (None, "date"):
        return _date_column(name, values, source, forced=kind is not None)
    if values.dtype.kind in "iufbM":
        if kind in ("number", "date") and values.dtype.kind != "b":
            raise DataError(f'{source}: column "{name}" holds {values.dtype}, which is no {kind}')
        if kind == "number":
            return _number_column(name, values.astype(np.int64), source, missing_values, forced=True, named=named)
    return _text_column(name, values, source, kind, categorical, missing_values)


def _n_missing(values: Array, missing_values: Sequence[str]) -> int:
    codes, _ = factorize(values, MISSING_MARKERS | frozenset(missing_values))
    return int(np.sum(codes < 0))


def _dropped(column: Column, reason: str, why: str) -> Column:
    return replace(column, kind="drop", dropped_as=reason, why=why)


# --------------------------------------------------------------------------------------------------------- numbers


def _number_column(
    name: str, values: Array, source: str, missing_values: Sequence[str], *, forced: bool, named: bool
) -> Column:
    numbers = without_markers(values, missing_values)
    refuse_infinite(numbers, name, source)
    present = numbers[~np.isnan(numbers)]
    n_missing = len(numbers) - len(present)
    if not len(present):
        return _empty(name, n_missing, source, forced)
    column = Column(name=name, kind="number", n_missing=n_missing, **_number_facts(present))  # type: ignore[arg-type]
    if forced:
        return column
    if column.n_unique == 1 and not n_missing:
        return _dropped(column, "constant", f"it is {number_text(present[0])} in every row")
    if named and column.whole and not n_missing and column.n_unique == len(present):
        if _ID_NAME.fullmatch(name) and len(present) > 2:
            return _dropped(column, "id", "its name and its values, all different, are those of an identifier")
        if len(present) > MANY and present[0] in (0, 1) and np.all(np.diff(present) == 1):
            return _dropped(column, "id", "it counts the rows")
    return column


def _number_facts(present: Array) -> dict[str, object]:
    return {
        "n_unique": len(np.unique(present)),
        "minimum": float(present.min()),
        "median": robust.median(present),
        "maximum": float(present.max()),
        "whole": bool(np.all(present == np.floor(present))),
    }


def _empty(name: str, n_missing: int, source: str, forced: bool) -> Column:
    if forced:
        raise DataError(
            f'{source}: column "{name}" has no value in any row', hint=f"leave it out: types={{{show(name)}: 'drop'}}"
        )
    return Column(name=name, kind="drop", dropped_as="empty", why="it has no value in any row", n_missing=n_missing)


# ----------------------------------------------------------------------------------------------------------- dates


def _date_column(name: str, values: Array, source: str, *, forced: bool) -> Column:
    present = values[~np.isnat(values)]
    n_missing = len(values) - len(present)
    if not len(present):
        return _empty(name, n_missing, source, forced)
    first, last = date_text(present.min()), date_text(present.max())
    column = Column(
        name=name,
        kind="date",
        n_missing=n_missing,
        n_unique=len(np.unique(present)),
        date_minimum=first,
        date_maximum=last,
    )
    if first == last and not n_missing and not forced:
        return _dropped(column, "constant", f"it is {first} in every row")
    return column


# ----------------------------------------------------------------------------------------------------------- texts


def _text_column(
    name: str, values: Array, source: str, kind: str | None, categorical: bool, missing_values: Sequence[str]
) -> Column:
    missing = MISSING_MARKERS | frozenset(missing_values)
    codes, texts = factorize(values, missing)
    if not texts:
        return _empty(name, len(codes), source, kind is not None)
    counts = dict(zip(texts, np.bincount(codes[codes >= 0], minlength=len(texts)).tolist(), strict=True))
    if kind in ("number", "date") or (kind is None and not categorical and values.dtype.kind == "O"):
        found = _read_texts(name, codes, counts, source, kind)
        if found is not None:
            return found
    n_missing = int(np.sum(codes < 0))
    ranked = sorted(counts, key=lambda text: (-counts[text], text))
    is_boolean = values.dtype.kind == "b" or {text.casefold() for text in texts} in _WORDS
    if kind == "boolean" and len(texts) > 2:
        raise DataError(
            f'{source}: column "{name}" has {len(texts)} different values, a boolean has two',
            details=f"values: {listed(ranked, limit=6)}",
            hint=f"types={{{show(name)}: 'category'}}",
        )
    column = Column(
        name=name,
        kind=kind or ("boolean" if is_boolean and len(texts) == 2 else "category"),
        n_missing=n_missing,
        n_unique=len(texts),
        categories=tuple(ranked[:MAX_LISTED_CATEGORIES]),
    )
    return column if kind is not None else _useful_category(column, counts)


def _useful_category(column: Column, counts: Mapping[str, int]) -> Column:
    n_present, n_unique = sum(counts.values()), column.n_unique
    if n_unique == 1 and not column.n_missing:
        return _dropped(column, "constant", f"it is {show(column.categories[0])} in every row")
    mean_length = sum(len(text) * count for text, count in counts.items()) / n_present
    mostly_different = 2 * n_unique > n_present
    if mean_length > LONG_TEXT and mostly_different and n_unique > 4:
        return _dropped(column, "free text", f"it looks like free text: {mean_length:.0f} letters on average")
    if n_unique == n_present and n_present > MANY:
        return _dropped(column, "id", "every value is different")
    if mostly_different and n_unique > MANY:
        return _dropped(column, "high cardinality", f"{n_unique} different values in {n_present} rows are too many")
    return column


def _read_texts(name: str, codes: Array, counts: Mapping[str, int], source: str, kind: str | None) -> Column | None:
    """Read texts as numbers or dates; None when they are neither."""
    present = {text: count for text, count in counts.items() if text not in MISSING_AMONG_NUMBERS}
    if not present:
        return None
    max_stray = MAX_STRAY if kind is None else math.inf
    if kind in (None, "number") and not (kind is None and looks_like_codes(list(present))):
        numbers = read_numbers(present, max_stray)
        if _is_good(numbers, kind):
            return _number_from_texts(name, codes, counts, numbers, source, forced=kind is not None)
    if kind in (None, "date"):
        dates = read_dates(present, max_stray)
        if _is_good(dates, kind):
            return _date_from_texts(name, codes, counts, dates, source, forced=kind is not None)
    if kind is not None:
        raise DataError(
            f'{source}: no value of column "{name}" reads as a {kind}',
            details=f"values: {listed(map(show, counts), limit=6)}",
        )
    return None


def _is_good(reading: Reading[Any, Any], kind: str | None) -> bool:
    if kind is not None:  # the user knows; one readable value is enough
        return reading.share > 0
    return reading.share >= ENOUGH and len(reading.stray) <= MAX_STRAY


def _stray_note(name: str, stray: Sequence[str], counts: Mapping[str, int], wanted: str) -> tuple[str, ...]:
    if not stray:
        return ()
    n_rows = sum(counts[text] for text in stray)
    rows = f"1 row is no {wanted} and counts" if n_rows == 1 else f"{n_rows} rows are no {wanted} and count"
    return (f'Column "{name}": {rows} as missing: {listed(map(show, stray), limit=5)}.',)


def _number_from_texts(
    name: str,
    codes: Array,
    counts: Mapping[str, int],
    reading: Reading[tuple[str, str], float],
    source: str,
    *,
    forced: bool,
) -> Column:
    values = spread_out(codes, [reading.values.get(text, np.nan) for text in counts], np.nan, np.float64)
    # named=False: numbers that need cleaning are no row numbers
    column = _number_column(name, values, source, (), forced=forced, named=False)
    if column.kind == "drop":
        return replace(column, stray=reading.stray)
    thousands, decimal = reading.style
    notes = _stray_note(name, reading.stray, counts, "number")
    why = ""
    if (thousands, decimal) != ("", "."):
        example = next((text for text in reading.values if (thousands or decimal) in text), next(iter(reading.values)))
        value = number_text(reading.values[example])
        why = f"{_style_words(thousands, decimal)}: {show(example)} is {value}"
        doubt = f"; it would also be possible that {_style_words(*reading.also)}" if reading.also else ""
        notes = (f'Column "{name}" is read as numbers, {why}{doubt}.', *notes)
    return replace(column, decimal=decimal, thousands=thousands, why=why, stray=reading.stray, notes=notes)


def _style_words(thousands: str, decimal: str) -> str:
    words = [f"{_SEPARATORS[thousands]} separates thousands"] if thousands else []
    if decimal == "," or not thousands:
        words.append(f"{_SEPARATORS[decimal]} separates decimals")
    return " and ".join(words)


def _date_from_texts(
    name: str, codes: Array, counts: Mapping[str, int], reading: Reading[str, int], source: str, *, forced: bool
) -> Column:
    nothing = np.datetime64("NaT")
    days = [np.datetime64(day, "ns") if (day := reading.values.get(text)) is not None else nothing for text in counts]
    values = spread_out(codes, days, nothing, "datetime64[ns]")
    column = _date_column(name, values, source, forced=forced)
    notes = _stray_note(name, reading.stray, counts, "date")
    if reading.also is not None and column.kind != "drop":
        doubt = f"every date would also fit {reading.also}"
        notes = (f'Column "{name}" is read as {reading.style}; {doubt}.', *notes)
    return replace(
        column, date_format=reading.style, why=column.why or f"dates as {reading.style}", stray=reading.stray,
        notes=notes,
    )  # fmt: skip
