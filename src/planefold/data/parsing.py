"""Read numbers and dates out of text: which style a column is written in, and each value in that style.

A column is written in *one* style: "1,234.50" and "1.234,50" never stand in the same column, so the style is
chosen for the whole column, by which style reads most of its rows.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Generic, TypeVar

# Texts that stand for "no value" in the tables people have. "None" is not among them: in house prices it is a
# kind of masonry. It counts as missing only in a column that otherwise holds numbers or dates.
MISSING_MARKERS = frozenset(
    ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "nan", "NaN", "NAN", "NaT", "null", "NULL", "?", "-")
)
MISSING_AMONG_NUMBERS = MISSING_MARKERS | {"None", "none", "na", "--", "."}

# At least this share of the rows that hold a value must be readable before a text column becomes numbers or dates.
ENOUGH = 0.95
# More different unreadable texts than this are no slips of the pen: the column holds text.
MAX_STRAY = 100

# Thousands and decimal separators, in order of preference when several read the column equally well.
NUMBER_STYLES: tuple[tuple[str, str], ...] = (
    ("", "."),
    (",", "."),
    ("", ","),
    (".", ","),
    (" ", "."),
    (" ", ","),
    ("'", "."),
    ("'", ","),
)

_CURRENCY = "$€£¥฿₹₽₩"
_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2212": "-", "\u2019": "'"})


def _number_pattern(thousands: str, decimal: str) -> re.Pattern[str]:
    point = re.escape(decimal)
    whole = r"\d+"
    if thousands:
        # A group of three never follows a leading zero: "0,125" is an eighth, not a hundred and twenty-five.
        whole = rf"(?:[1-9]\d{{0,2}}(?:{re.escape(thousands)}\d{{3}})+|\d+)"
    return re.compile(
        rf"([+-]?)\s*[{_CURRENCY}]?\s*([+-]?)((?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?)"
        rf"\s*[%{_CURRENCY}]?"
    )


_NUMBERS = {style: _number_pattern(*style) for style in NUMBER_STYLES}
_INFINITE = re.compile(r"[+-]?inf(?:inity)?", re.IGNORECASE)


def parse_number(text: str, thousands: str = "", decimal: str = ".") -> float | None:
    """Read one number written with these separators, or None when the text is something else.

    A leading currency sign and a trailing percent sign are ignored.

    >>> parse_number("$1,234.50", ","), parse_number("12 %"), parse_number("3,14", decimal=","), parse_number("x")
    (1234.5, 12.0, 3.14, None)
    """
    text = text.strip().translate(_SPACES)
    match = _NUMBERS[thousands, decimal].fullmatch(text)
    if match is None:
        return float(text) if _INFINITE.fullmatch(text) else None
    sign, second_sign, body = match.groups()
    if sign and second_sign:
        return None
    if thousands:
        body = body.replace(thousands, "")
    value = float(body.replace(decimal, "."))
    return -value if "-" in (sign, second_sign) else value


def looks_like_codes(texts: Sequence[str]) -> bool:
    """Tell whether digits are names, as post codes are: one length, and leading zeros that mean something.

    >>> looks_like_codes(["00501", "10001"]), looks_like_codes(["1", "10001"])
    (True, False)
    """
    lengths = {len(text) for text in texts}
    return (
        len(lengths) == 1
        and lengths != {1}
        and any(text.startswith("0") for text in texts)
        and all(text.isdecimal() for text in texts)
    )


Style = TypeVar("Style")
Value = TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Reading(Generic[Style, Value]):
    """How a text column reads as numbers or dates.

    ``values`` has the value of every text that could be read, ``stray`` the texts that could not,
    ``share`` is the share of rows that could. ``also`` names another style that reads the column as well
    and gives other values.
    """

    values: Mapping[str, Value]
    stray: tuple[str, ...]
    share: float
    style: Style
    also: Style | None = None


def _read(
    counts: Mapping[str, int],
    parse: Callable[[str], Value | None],
    style: Style,
    max_stray: float = math.inf,
) -> Reading[Style, Value]:
    values: dict[str, Value] = {}
    stray: list[str] = []
    n_read = 0
    for text, count in counts.items():
        value = parse(text)
        if value is None:
            stray.append(text)
            if len(stray) > max_stray:  # most text columns end here, after a hundred texts
                return Reading(values={}, stray=tuple(stray), share=0.0, style=style)
        else:
            values[text] = value
            n_read += count
    n_rows = sum(counts.values())
    return Reading(values=values, stray=tuple(stray), share=n_read / n_rows if n_rows else 0.0, style=style)


def read_numbers(counts: Mapping[str, int], max_stray: float = math.inf) -> Reading[tuple[str, str], float]:
    """Read a column of texts as numbers, in the style that reads most rows.

    When "1,234" can be both 1234 and 1.234 (every comma of the column is followed by exactly three digits and
    no number starts with 0), the comma separates thousands: three decimals in every single row are rare.
    "1.234" alone is 1.234, as in every programming language; a second point in one row makes it thousands.

    Parameters
    ----------
    counts : mapping of text to number of rows
        The texts of the column without the missing ones.
    max_stray : int, optional
        A style that leaves more different texts unread is given up, with share 0.

    Notes
    -----
    Costs one regular expression for each different text and style that is tried.
    """
    best = _read(counts, _number_parser("", "."), ("", "."), max_stray)
    if best.share == 1.0:
        return best
    rest = [(style, _read(counts, _number_parser(*style), style, max_stray)) for style in NUMBER_STYLES[1:]]
    for _, reading in rest:
        if reading.share > best.share:
            best = reading
    for style, reading in rest:
        if style != best.style and reading.share == best.share and dict(reading.values) != dict(best.values):
            return replace(best, also=style)
    return best


def _number_parser(thousands: str, decimal: str) -> Callable[[str], float | None]:
    return lambda text: parse_number(text, thousands, decimal)


# ----------------------------------------------------------------------------------------------------------- dates

_YEAR, _SHORT_YEAR = r"(?P<year>[12]\d{3})", r"(?P<short>\d\d)"
_MONTH, _DAY, _NAME = r"(?P<month>\d{1,2})", r"(?P<day>\d{1,2})", r"(?P<name>[A-Za-z]{3,9})\.?"
_TIME = (
    r"(?:[T ,]\s*(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d{1,9}))?)?"
    r"\s*(?P<half>[AaPp][Mm])?\s*(?P<zone>Z|[+-]\d\d:?\d\d)?)?"
)

# In order of preference when several read the column equally well.
_DATES: dict[str, re.Pattern[str]] = {
    name: re.compile(pattern + _TIME)
    for name, pattern in {
        "year-month-day": rf"{_YEAR}-{_MONTH}-{_DAY}",
        "year/month/day": rf"{_YEAR}/{_MONTH}/{_DAY}",
        "year.month.day": rf"{_YEAR}\.{_MONTH}\.{_DAY}",
        "day.month.year": rf"{_DAY}\.{_MONTH}\.{_YEAR}",
        "day/month/year": rf"{_DAY}/{_MONTH}/{_YEAR}",
        "month/day/year": rf"{_MONTH}/{_DAY}/{_YEAR}",
        "day-month-year": rf"{_DAY}-{_MONTH}-{_YEAR}",
        "month-day-year": rf"{_MONTH}-{_DAY}-{_YEAR}",
        "day Month year": rf"{_DAY}[ -]{_NAME}[ ,-]\s*{_YEAR}",
        "Month day year": rf"{_NAME} {_DAY},? {_YEAR}",
        "Month year": rf"{_NAME}[ -]{_YEAR}",
        "year-month": rf"{_YEAR}-(?P<month>\d\d)",
        "day.month.yy": rf"{_DAY}\.{_MONTH}\.{_SHORT_YEAR}",
        "day/month/yy": rf"{_DAY}/{_MONTH}/{_SHORT_YEAR}",
        "month/day/yy": rf"{_MONTH}/{_DAY}/{_SHORT_YEAR}",
    }.items()
}
DATE_FORMATS = tuple(_DATES)

# Not from the calendar module, which speaks the language of the process.
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
           "november", "december")  # fmt: skip
_EPOCH = datetime.datetime(1970, 1, 1)
# datetime64[ns] reaches from 1677 to 2262; dates outside, such as 9999-12-31 for "never", are not dates.
FIRST_YEAR, LAST_YEAR = 1678, 2261


def parse_date(text: str, date_format: str) -> int | None:
    """Read one date as nanoseconds since 1970-01-01 (UTC when it names a zone), or None.

    >>> parse_date("2 Jan 1970", "day Month year") == 86_400 * 10**9
    True
    >>> parse_date("31/02/2020", "day/month/year") is None
    True
    """
    match = _DATES[date_format].fullmatch(text.strip())
    if match is None:
        return None
    parts = match.groupdict()
    try:
        moment = datetime.datetime(
            _year(parts),
            _month(parts),
            int(parts.get("day") or 1),
            _hour(parts),
            int(parts["minute"] or 0),
            int(parts["second"] or 0),
        )
        seconds = round((moment - _EPOCH).total_seconds()) - _offset(parts["zone"])
    except ValueError:  # there is no 31 February, and no hour 25
        return None
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        return None
    return seconds * 10**9 + int((parts["fraction"] or "0").ljust(9, "0"))


def _year(parts: Mapping[str, str | None]) -> int:
    year, short = parts.get("year"), parts.get("short")
    if year:
        return int(year)
    # The rule of POSIX: 69 to 99 are the last century.
    return int(short or 0) + (1900 if int(short or 0) >= 69 else 2000)


def _month(parts: Mapping[str, str | None]) -> int:
    name = parts.get("name")
    if not name:
        return int(parts.get("month") or 1)
    name = "sep" if name.lower() == "sept" else name.lower()
    for month, full in enumerate(_MONTHS, start=1):
        if name in (full, full[:3]):
            return month
    raise ValueError("not a month")


def _hour(parts: Mapping[str, str | None]) -> int:
    hour, half = int(parts["hour"] or 0), parts["half"]
    if not half:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError("not an hour of a clock with twelve")
    return hour % 12 + (12 if half.lower() == "pm" else 0)


def _offset(zone: str | None) -> int:
    if not zone or zone == "Z":
        return 0
    sign = -1 if zone[0] == "-" else 1
    return sign * (int(zone[1:3]) * 3600 + int(zone[-2:]) * 60)


def read_dates(counts: Mapping[str, int], max_stray: float = math.inf) -> Reading[str, int]:
    """Read a column of texts as dates, in the format that reads most rows.

    "03/04/2020" is day first unless the column has a row that only reads month first; when no row decides,
    ``also`` names the other order.

    Parameters
    ----------
    counts : mapping of text to number of rows
        The texts of the column without the missing ones.
    max_stray : int, optional
        A format that leaves more different texts unread is given up, with share 0.
    """
    # A few texts decide which formats are worth a try: most columns are no dates at all.
    few = list(islice(counts, 50))
    tried = [name for name in DATE_FORMATS if any(parse_date(text, name) is not None for text in few)]
    readings = [_read(counts, _date_parser(name), name, max_stray) for name in tried]
    if not readings:
        return Reading(values={}, stray=tuple(counts), share=0.0, style=DATE_FORMATS[0])
    best = max(readings, key=lambda reading: reading.share)  # the first of equals
    for other in readings:
        if other.style != best.style and other.share == best.share and dict(other.values) != dict(best.values):
            return replace(best, also=other.style)
    return best


def _date_parser(name: str) -> Callable[[str], int | None]:
    return lambda text: parse_date(text, name)


def number_text(value: float) -> str:
    """Write a number as a category: without ".0" when it is whole.

    >>> number_text(3.0), number_text(2.5)
    ('3', '2.5')
    """
    if math.isfinite(value) and value == int(value) and abs(value) < 2**63:
        return str(int(value))
    return repr(float(value))
