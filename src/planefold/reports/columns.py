"""The table of columns: what each is, what is missing, how its values lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from planefold.reports.charts import capital, small_bars
from planefold.reports.markup import data, scroller
from planefold.reports.numbers import MISSING, counted, number, percent
from planefold.reports.plain import plain
from planefold.reports.svg import text

_DROPPED = {"drop", "dropped", "ignored"}
_HEAD = ("Column", "Type", "Missing", "Unique", "Distribution", "Values")
_MOST_OPEN = 20  # the others wait behind a word that opens them, without a script
_MOST_LABELS = 3
_MOST_BARS = 24


def columns_table(columns: Sequence[Mapping[str, Any]], n_rows: int, n_columns: int) -> str:
    """Return a row for each column, those that are used first; beyond ``n_columns`` a word says how many are left."""
    if not columns:
        return ""
    # Plain first: a histogram may come as an array, a median as nan.
    ordered = sorted((plain(column) for column in columns), key=_is_dropped)
    shown = ordered[:n_columns]
    head = "".join(f'<th scope="col"{_right(name)}>{name}</th>' for name in _HEAD)
    left = len(ordered) - len(shown)
    word = f'<p class="cut">{left:,} more columns are not shown here; the JSON twin of this report has them all.</p>'
    first, others = shown[:_MOST_OPEN], shown[_MOST_OPEN:]
    if len(others) <= 5:
        first, others = shown, []

    def table(part: Sequence[Mapping[str, Any]], caption: str) -> str:
        body = "".join(_row(column, n_rows) for column in part)
        heads = f"<caption>{caption}</caption><thead><tr>{head}</tr></thead>"
        return scroller(caption, f'<table class="columns">{heads}<tbody>{body}</tbody></table>')

    tables = table(first, _caption(columns)) if first else ""
    if others:
        more = f"{counted(len(others), 'more column')}"
        tables += f"<details><summary>{more}</summary>{table(others, capital(more))}</details>"
    return tables + (word if left else "")


def _caption(columns: Sequence[Mapping[str, Any]]) -> str:
    n_dropped = sum(map(_is_dropped, columns))
    used = f"{n_dropped:,} of them left out" if n_dropped else "all in use"
    return f"{counted(len(columns), 'column')}, {used}"


def _is_dropped(column: Mapping[str, Any]) -> bool:
    return bool(column.get("dropped")) or str(column.get("kind") or "").lower() in _DROPPED


def _right(name: str) -> str:
    return ' class="n"' if name == "Unique" else ""


def _row(column: Mapping[str, Any], n_rows: int) -> str:
    dropped = _is_dropped(column)
    why = f"<small>{text(column['why'], 160)}</small>" if column.get("why") else ""
    kind = str(column.get("kind") or "")
    if dropped:
        kind = "left out"
    n_unique = column.get("n_unique")
    unique = data(n_unique, number(n_unique)) if n_unique is not None else MISSING
    return (
        f"<tr{' class=dropped' if dropped else ''}>"
        f'<th scope="row"><bdi>{text(column.get("name", ""), 120)}</bdi>{why}</th>'
        f"<td>{text(kind, 40)}</td><td>{_missing(column.get('n_missing'), n_rows)}</td>"
        f'<td class="n">{unique}</td><td>{_distribution(column)}</td><td>{_values(column)}</td></tr>'
    )


def _missing(n_missing: int | None, n_rows: int) -> str:
    if n_missing is None:
        return MISSING
    if not n_missing:
        return '<span class="zero">none</span>'
    if not n_rows:
        return data(n_missing, number(n_missing))
    share = min(n_missing / n_rows, 1.0)
    bar = f'<span class="meter" aria-hidden="true"><i style="width:{100 * share:.0f}%"></i></span>'
    return f"{bar} {data(n_missing, percent(share))}"


def _distribution(column: Mapping[str, Any]) -> str:
    histogram, categories = column.get("histogram"), column.get("categories")
    if histogram:
        return small_bars([float(count) for count in histogram[:60]], title=f"Histogram of {column.get('name', '')}")
    if categories:
        counts = [float(count) for _, count in categories[:_MOST_BARS]]
        return small_bars(counts, title=f"Most frequent values of {column.get('name', '')}", gaps=True)
    return ""


def _values(column: Mapping[str, Any]) -> str:
    low, middle, high = column.get("minimum"), column.get("median"), column.get("maximum")
    categories = column.get("categories")
    if low is not None and high is not None and not categories:
        ends = f"{_value(low)} to {_value(high)}"
        return ends if middle is None else f"{ends}<small>median {_value(middle)}</small>"
    if not categories:
        return ""
    said = ", ".join(
        f"<bdi>{text(label, 40)}</bdi> {data(int(count), f'{int(count):,}')}"
        for label, count in categories[:_MOST_LABELS]
    )
    left = max(len(categories), int(column.get("n_unique") or 0)) - _MOST_LABELS
    return said + (f"<small>and {left:,} more</small>" if left > 0 else "")


def _value(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return data(value, number(value))
    return text(value, 40)  # a date, for example
