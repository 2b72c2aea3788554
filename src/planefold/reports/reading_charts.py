"""The charts of the reading: rows by planes, the map of two columns, and exact effects of one column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from planefold.reports.charts import capital, padded
from planefold.reports.numbers import number, percent
from planefold.reports.svg import (
    Frame,
    Scale,
    closed,
    dots,
    label,
    line,
    marker,
    path,
    rect,
    roomy_ticks,
    svg,
    tick_texts,
)

N_COLOURS = 8  # of classes in style.css; more take the same ones again
LETTER = 8.6  # pixels of a wide letter of an axis
_MOST_KINKS_MARKED = 40


def coverage(points: Sequence[Sequence[float]], n_rows: int, width: int) -> str:
    """Draw the share of rows that the largest planes hold together; points are (planes, share)."""
    height, last = 250, points[-1][0]
    log = last > 20
    x = Scale(low=1 if log else 0, high=last, start=46, stop=width - 16, log=log)
    y = Scale(low=0, high=1.02, start=height - 46, stop=34)
    y_ticks = [0.0, 0.25, 0.5, 0.75, 1.0]
    left, bottom = x.start, y.start
    parts = [line(left, y(tick), x.stop, y(tick), "rule") for tick in y_ticks]
    parts += [label(left - 8, y(tick) + 4, percent(tick), "tick", anchor="end") for tick in y_ticks]
    ticks = [tick for tick in roomy_ticks(x, 5) if float(tick).is_integer()]
    for tick, written in zip(ticks, tick_texts(ticks, log=log), strict=True):
        parts.append(line(x(tick), bottom, x(tick), bottom + 4, "base"))
        parts.append(label(x(tick), bottom + 18, written, "tick", anchor="middle"))
    parts.append(line(left, bottom, x.stop, bottom, "base"))
    places = [(x(n), y(share)) for n, share in points]
    parts.append(path(places if log else [(x(0), y(0)), *places], "curve held"))
    if last <= 20:
        parts += [marker(px, py, "circle", "mark model", 4) for px, py in places]
    parts.append(label((left + x.stop) / 2, bottom + 38, f"Largest planes{', log scale' if log else ''}", "axis",
                       anchor="middle"))  # fmt: skip
    parts.append(label(0, 14, "Rows that they hold", "axis"))
    half, share = next(((int(n), share) for n, share in points if share >= 0.5), (int(last), 1.0))
    desc = f"{n_rows:,} rows; the {half:,} largest planes hold {percent(share)} of them."
    return svg(width, height, "".join(parts), title="Share of rows that the largest planes hold", desc=desc)


def plane_map(found: Mapping[str, Any], width: int) -> str:
    """Draw the areas of each class with the border between them, or lines of equal height, over two columns."""
    (u0, u1), (v0, v1) = found["window"]
    height = round(min(width, 520) * 0.86)
    x = Scale(low=u0, high=u1, start=58, stop=width - 14)
    y = Scale(low=v0, high=v1, start=height - 46, stop=34)
    across, up = (_fitting(name, width - 60) for name in found["labels"])
    parts = [rect(x.start, y.stop, x.stop - x.start, y.start - y.stop, "ground")]
    for area in found["areas"]:
        loops = [[(x(u), y(v)) for u, v in loop] for loop in area["loops"]]
        parts.append(closed(loops, f"area k{area['class'] % N_COLOURS}"))
    for level in found["levels"]:
        parts += [path([(x(u), y(v)) for u, v in own], f"level l{level['shade']}") for own in level["lines"]]
    parts += [path([(x(u), y(v)) for u, v in own], "border") for own in found["border"]]
    for kind in sorted({point[2] for point in found["points"]}):
        own = [(x(u), y(v)) for u, v, other in found["points"] if other == kind]
        parts.append(dots(own, "lies" if kind < 0 else f"lies k{int(kind) % N_COLOURS}", layers=1))
    parts += [_named(level["at"], number(level["level"]), x, y) for level in found["levels"] if level["at"]]
    parts += [_named(area["at"], area["name"], x, y, "strong") for area in found["areas"] if area["at"]]
    x_ticks = roomy_ticks(x, 6 if width > 450 else 4)
    parts.append(Frame(x=x, y=y).axes(x_label=across, y_label=up, x_ticks=x_ticks, y_ticks=y.ticks(5), rules=False))
    return svg(width, height, "".join(parts), title=f"{up} against {across}: {found['says']}", desc=_map_desc(found))


def _fitting(name: str, width: float) -> str:
    """Cut a name that is longer than a picture is wide."""
    most = int(width / LETTER)
    return name if len(name) <= most else name[: most - 1] + "…"


def _named(at: Sequence[float], what: str, x: Scale, y: Scale, css: str = "") -> str:
    what = _fitting(what, (x.stop - x.start) / 2)
    half = LETTER / 2 * len(what)
    return label(min(max(x(at[0]), x.start + half), x.stop - half), y(at[1]) + 5, what, f"tick {css}".strip(),
                 anchor="middle")  # fmt: skip


def _map_desc(found: Mapping[str, Any]) -> str:
    if found["areas"]:
        return "; ".join(f"{area['name']}: {percent(area['share'])} of the area" for area in found["areas"])
    return "Lines of equal height at " + ", ".join(number(level["level"]) for level in found["levels"])


def effect(found: Mapping[str, Any], width: int) -> str:
    """Draw the mean output along one column, with its kinks where there are few, and where the rows lie."""
    points = found["points"]
    height = 190
    low, high = padded(min(value for _, value in points), max(value for _, value in points), 0.06)
    low, high = min(low, found["low"]), max(high, found["high"])
    x = Scale(low=points[0][0], high=points[-1][0], start=54, stop=width - 14)
    y = Scale(low=low, high=high, start=height - 46, stop=30)
    ticks = roomy_ticks(x, 5 if width > 400 else 4)
    name = _fitting(f"{found['column']}{' (' + found['unit'] + ')' if found['unit'] else ''}", width - 60)
    up = _fitting(capital(found["output"]), width)
    frame = Frame(x=x, y=y)
    parts = [frame.axes(x_label=name, y_label=up, x_ticks=ticks, y_ticks=y.ticks(3))]
    parts += [line(x(t), y.start - 7, x(t), y.start, "rug") for t in found["deciles"]]
    places = [(x(t), y(value)) for t, value in points]
    parts.append(path(places, "curve effect"))
    if found["n_kinks"] <= _MOST_KINKS_MARKED:
        parts += [marker(px, py, "circle", "mark model", 3) for px, py in places[1:-1]]
    desc = f"From {number(points[0][1])} to {number(points[-1][1])}, with {found['n_kinks']:,} kinks."
    return svg(width, height, "".join(parts), title=f"{capital(found['output'])} along {found['column']}", desc=desc)


def push(value: float, largest: float) -> str:
    """Draw a bar to the left or the right of a line, as long as the value."""
    width, height, middle = 72, 14, 36.0
    length = (middle - 1) * min(abs(value) / largest, 1.0) if largest else 0.0
    way = "down" if value < 0 else "up"
    bar = rect(middle - length if value < 0 else middle, 2, max(length, 0.5), height - 4, f"push {way}")
    axis = line(middle, 0, middle, height, "base")
    return svg(width, height, bar + axis, title=f"pushes {way} by {number(abs(value))}", css="small")
