"""Numbers as a reader wants them: three or four digits that carry meaning, thousands apart, a true minus."""

from __future__ import annotations

import math
from decimal import Decimal

MINUS = "\u2212"
MISSING = "\u2013"  # an en dash
_TIMES = "\u00d7"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | int | None, digits: int = 3) -> str:
    """Write a number with ``digits`` significant digits, whole parts in full up to a million millions.

    >>> number(0.87346), number(12345.678), number(1e6), number(0.001)
    ('0.873', '12,346', '1,000,000', '0.00100')
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if isinstance(value, float) and math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    size = abs(value)
    if float(value).is_integer() and size < 1e12:
        text = f"{int(size):,}"
    elif size >= 1e12 or size < 1e-4:
        mantissa, exponent = f"{size:.{digits - 1}e}".split("e")
        text = f"{mantissa}{_TIMES}10{str(int(exponent)).translate(_SUPERSCRIPT)}"
    else:
        decimals = max(0, digits - 1 - math.floor(math.log10(size)))
        text = f"{round(Decimal(repr(float(size))), decimals):,}"
    return MINUS + text if value < 0 and any(digit in text for digit in "123456789") else text


def fixed(value: float, decimals: int) -> str:
    """Write a number with so many decimals.

    >>> fixed(0.5, 2), fixed(1234.5, 1)
    ('0.50', '1,234.5')
    """
    text = f"{abs(value):,.{decimals}f}"
    return MINUS + text if value < 0 and any(digit in text for digit in "123456789") else text


def together(*values: float, spread: float | None = None) -> list[str]:
    """Write numbers that are compared with one count of decimals: as many as their uncertainty leaves a meaning.

    Parameters
    ----------
    *values : float
    spread : float, optional
        Width of the interval around the first; without it the first number has three digits.

    >>> together(0.8734, 0.8213, 0.9144, spread=0.0931)
    ['0.87', '0.82', '0.91']
    >>> together(54.123, 49.2, 1060.0)
    ['54.1', '49.2', '1,060.0']
    """
    first = next((abs(value) for value in values if math.isfinite(value) and value), 1.0)
    if spread and math.isfinite(spread):
        decimals = math.ceil(0.25 - math.log10(spread / 2))
        decimals = max(decimals, 2) if first < 1 else decimals  # shares and scores never have one digit
    else:
        decimals = 2 - math.floor(math.log10(first))
    if decimals > 6 or max((abs(value) for value in values if math.isfinite(value)), default=0.0) >= 1e12:
        return [number(value) for value in values]
    return [fixed(value, max(decimals, 0)) if math.isfinite(value) else number(value) for value in values]


def percent(share: float) -> str:
    """Write a share in per cent, with a decimal only near 0 and 100, which are kept for none and all.

    >>> percent(0.1234), percent(0.0567), percent(0.9999), percent(1.0), percent(0.00001)
    ('12%', '5.7%', '99.9%', '100%', '<0.1%')
    """
    value = 100 * share
    if 0 < value < 0.05:
        return "<0.1%"
    if 99 < value < 100:
        return f"{min(value, 99.9):.1f}%"
    return f"{value:.1f}%" if 0 < value < 9.95 else f"{value:.0f}%"


def counted(n: int, thing: str, things: str | None = None) -> str:
    """Write a count with its noun.

    >>> counted(1, "row"), counted(1234, "row"), counted(2, "class", "classes")
    ('1 row', '1,234 rows', '2 classes')
    """
    return f"{n:,} {thing if n == 1 else things or thing + 's'}"
