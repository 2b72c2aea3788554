"""The few HTML pieces that every section of a report uses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from planefold.reports.svg import text


def section(name: str, title: str, body: str, *, lede: str = "") -> str:
    """Return a section with its heading; ``lede`` and ``body`` are HTML already."""
    opening = f'<p class="lede">{lede}</p>' if lede else ""
    heading = f'<h2 id="{name}-h">{text(title)}</h2>'
    return f'<section id="{name}" aria-labelledby="{name}-h">{heading}{opening}{body}</section>'


def data(value: float | int | None, shown: str) -> str:
    """Return a number as it is shown, with its full value for programs and for those who copy it."""
    if value is None or not math.isfinite(value):
        return text(shown)
    return f'<data value="{value!r}">{text(shown)}</data>'


def scroller(name: str, inside: str) -> str:
    """Return a box in which a wide table scrolls, so that the page does not; the keyboard reaches it."""
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{text(name)}">{inside}</div>'


def plain_table(name: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Sequence[int] = ()) -> str:
    """Return a table of cells that are HTML already; ``numbers`` are the columns to align right."""

    def css(column: int) -> str:
        return ' class="n"' if column in numbers else ""

    top = "".join(f'<th scope="col"{css(j)}>{text(cell)}</th>' for j, cell in enumerate(head))
    body = "".join("<tr>" + "".join(f"<td{css(j)}>{cell}</td>" for j, cell in enumerate(row)) + "</tr>" for row in rows)
    thead = f"<thead><tr>{top}</tr></thead>" if head else ""
    return scroller(name, f"<table>{thead}<tbody>{body}</tbody></table>")


def facts(title: str, pairs: Mapping[str, str]) -> str:
    """Return names and values as a list of facts; the values are HTML already."""
    if not pairs:
        return ""
    items = "".join(f"<div><dt>{text(name, 120)}</dt><dd>{value}</dd></div>" for name, value in pairs.items())
    return f'<h3>{text(title)}</h3><dl class="facts">{items}</dl>'
