"""Linear models as people write them: ``price = 12,400 + 310 * area - 5,200 * age``."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from planefold.networks.affine import Floats
from planefold.reading.tables.columns import NUMBERS, Columns

ROUNDING = 1e-13


def number(value: float, digits: int = 4) -> str:
    """Write a number with so many significant digits, thousands apart, without zeros at the end.

    >>> number(12400.0), number(-0.051234), number(2.5), number(3.2e-7), number(-1e9)
    ('12,400', '-0.05123', '2.5', '3.2e-07', '-1e+09')
    """
    if not math.isfinite(value):
        return {math.inf: "infinite", -math.inf: "-infinite"}.get(value, "unknown")
    size = abs(value)
    if size == 0:
        return "0"
    if not 1e-4 <= size < 1e8:
        mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{exponent}"
    text = f"{value:,.{max(0, digits - 1 - math.floor(math.log10(size)))}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def formula(
    output: str, coef: Floats, intercept: float, columns: Columns, scales: Floats, max_terms: int | None = None
) -> str:
    """Write one linear model in words.

    Parameters
    ----------
    output : str
        What it computes.
    coef : ndarray of shape (n_coordinates,)
    intercept : float
    columns : Columns
        Coordinates that are 0 or 1 stand in brackets.
    scales : ndarray of shape (n_coordinates,)
        The terms that move most come first: a coefficient times the spread of its column. What moves less than 1e-13
        of the first one is what rounding left of 0, and stays out.
    max_terms : int, optional
        How many terms are written out; the others are counted.
    """
    sizes = np.abs(coef * scales)
    least = ROUNDING * float(sizes.max(initial=0.0))
    order = [int(place) for place in np.argsort(-sizes, kind="stable") if sizes[place] > least]
    shown = order if max_terms is None or len(order) <= max_terms + 1 else order[:max_terms]
    text = f"{output} = {number(intercept)}"
    for place in shown:
        name = columns.names[place] if columns.kinds[place] in NUMBERS else f"[{columns.names[place]}]"
        text += f" {'-' if coef[place] < 0 else '+'} {number(abs(float(coef[place])))} * {name}"
    left_out = len(order) - len(shown)
    return text + (f" ... ({left_out} smaller terms more)" if left_out else "")


def table(rows: Sequence[Sequence[str]], align: str) -> list[str]:
    """Lay out cells in columns; ``align`` has one of "<" and ">" for each.

    >>> table([["plane", "rows"], ["1", "120"]], "<>")
    ['plane  rows', '1       120']
    """
    widths = [max(len(row[i]) for row in rows) for i in range(len(align))]
    return [
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, align, widths, strict=True)).rstrip()
        for row in rows
    ]
