"""The section about the reading: planes in use, their formulas, rows explained, a map of two columns, exact effects."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from planefold.reports import reading_charts
from planefold.reports.markup import data, plain_table, section
from planefold.reports.numbers import MINUS, counted, fixed, number, percent
from planefold.reports.svg import both_widths, text

Plain = Mapping[str, Any]

_WHICH = {
    "middle": "A typical row",
    "highest": "The highest prediction",
    "lowest": "The lowest prediction",
    "surest": "The most certain row",
    "least sure": "The least certain row",
    "worst": "The worst row",
}
_SCALES = {"logistic": "a log-odds", "softmax": "a log-odds", "exp": "a logarithm"}
_MOST_DIGITS = 6
_FEW_PLANES = 3


def reading_section(found: Plain | None) -> str:
    """Return the section; a sentence where the model cannot be read, and nothing where nobody tried."""
    if found is None:
        return ""
    if "why_not" in found:
        return f'<p class="none unread">{text(found["why_not"], 400)}</p>'
    body = _planes(found) + _rows(found) + _pictures(found)
    note = f'<p class="note last">{text(_sure(found), 600)}</p>'
    return section("reading", "How it decides", body + note, lede=_lede(found))


def _lede(found: Plain) -> str:
    rows, planes, regions = found["n_rows"], found["n_planes"], found["n_regions"]
    opening = "Between its creases the network is a plane, so what it does can be read off exactly. "
    if planes == 1:
        among = f", though they lie in {_whole(regions)} activation regions" if regions > 1 else ""
        return f"{opening}For all {_whole(rows)} rows it is one and the same linear model{among}."
    among = f" ({_whole(regions)} activation regions)" if regions > planes else ""
    units = f"{_whole(found['n_units'])} units can each make a crease"
    return f"{opening}{_whole(rows)} rows lie on {_whole(planes)} planes{among}; {units}."


def _whole(number_: int) -> str:
    return data(number_, f"{number_:,}")


def _sure(found: Plain) -> str:
    scale = _SCALES.get(found["link"])
    said = f"“{found['outputs'][0]}” is {scale}: what a formula adds up before it is turned back. " if scale else ""
    spread = "A spread is how far a column’s values usually lie apart. "
    count = "In an activation region the same units are on; regions with the same linear model are one plane here. "
    judged = found.get("n_judged") or 0
    some = f"Of {judged:,} rows, {found['n_rows']:,} were read, evenly spaced. " if judged > found["n_rows"] else ""
    return said + count + spread + some + f"The signs that this rests on: {found['certificate']}."


# ----------------------------------------------------------------------------------------------------------- planes


def _planes(found: Plain) -> str:
    merged = found["merged"]
    shown = merged["planes"] if merged else found["planes"]
    if merged:
        title = f"{counted(merged['n_planes'], 'plane')} that stand for all"
        said = (
            "Hardly two rows share a plane, so planes that are nearly equal were put together. "
            f"{_kept(merged)}; on average they are off by {_differences(merged['mean_difference'])}."
        )
    else:
        title = "The planes with most rows" if found["n_planes"] > len(shown) else "The planes"
        said = ""
    items = "".join(_plane(plane, found) for plane in shown)
    brackets = any(not term["is_number"] for plane in shown for term in plane["formula"]["terms"])
    said += " In brackets: 1 where it holds, otherwise 0." if brackets else ""
    formulas = f'<div><h3>{text(title)}</h3><ol class="planes">{items}</ol><p class="note">{said.strip()}</p></div>'
    if found["n_planes"] <= _FEW_PLANES:  # a curve of them would say less than the list
        return f'<div class="reading one">{formulas}</div>'
    chart = both_widths(lambda width: reading_charts.coverage(found["coverage"], found["n_rows"], width), 430, 346)
    return f'<div class="reading">{formulas}<figure>{chart}</figure></div>'


def _kept(merged: Plain) -> str:
    same = merged["agreement"]
    share = f"They give {data(merged['r2'], percent(merged['r2']))} of the variance of the network’s outputs"
    return share + (f" and {data(same, percent(same))} of its decisions" if same is not None else "")


def _differences(values: Sequence[float]) -> str:
    return ", ".join(data(value, number(value, 2)) for value in values[:4]) + (", …" if len(values) > 4 else "")


def _plane(plane: Plain, found: Plain) -> str:
    rows = f"{_whole(plane['n_rows'])} {'row' if plane['n_rows'] == 1 else 'rows'}"
    said = f"{rows}, {data(plane['share'], percent(plane['share']))}"
    if plane["wrong"] is not None:
        said += f"; {data(plane['wrong'], percent(plane['wrong']))} of them wrong"
    elif len(plane["mean_prediction"]) == 1 and plane["n_rows"]:
        said += f"; mean prediction {data(plane['mean_prediction'][0], number(plane['mean_prediction'][0]))}"
    return f"<li><p>{said}</p>{_formula(plane['formula'])}</li>"


def _formula(formula: Plain) -> str:
    intercept = formula["intercept"]
    parts = [f"<span><b>{text(formula['output'], 60)}</b> = {data(intercept, number(intercept))}</span>"]
    for term in formula["terms"]:
        name = f"<bdi>{text(term['name'], 60)}</bdi>"
        name = name if term["is_number"] else f"[{name}]"
        sign = MINUS if term["coef"] < 0 else "+"
        parts.append(f"<span>{sign} {data(term['coef'], number(abs(term['coef'])))} × {name}</span>")
    if formula["n_more"]:
        parts.append(f"<span>+ {formula['n_more']:,} smaller terms</span>")
    return f'<p class="formula">{" ".join(parts)}</p>'


# ------------------------------------------------------------------------------------------------------------- rows


def _rows(found: Plain) -> str:
    if not found["rows"]:
        return ""
    largest = max((abs(part["contribution"]) for row in found["rows"] for part in _parts(row)), default=0.0)
    decimals = _decimals(found["rows"])
    cards = "".join(_row(row, found["link"], largest, decimals) for row in found["rows"])
    said = (
        "What each column adds by being where it is and not at the mean of all rows: the coefficients of the row’s own "
        "plane times the differences. They add up exactly."
    )
    return f'<h3 class="apart">Why these rows</h3><p class="note lead">{said}</p><div class="trio">{cards}</div>'


def _parts(row: Plain) -> list[Plain]:
    return [*row["contributions"], *([row["others"]] if row["others"] else [])]


def _decimals(rows: Sequence[Plain]) -> int:
    """As many decimals as show two digits of a contribution that matters."""
    sizes = sorted(abs(part["contribution"]) for row in rows for part in _parts(row))
    middle = sizes[len(sizes) // 2] if sizes else 1.0
    if not middle or middle >= 1e12:
        return 2
    return min(max(1 - math.floor(math.log10(middle)), 0), _MOST_DIGITS)


def _row(row: Plain, link: str, largest: float, decimals: int) -> str:
    parts = _parts(row)
    written = adding_up([row["base"], *(part["contribution"] for part in parts)], row["value"], decimals)
    lines = [["The mean row", "", "", data(row["base"], written[0])]]
    for part, said in zip(row["contributions"], written[1:], strict=False):
        value = part["contribution"]
        shown = said if said.startswith(MINUS) else f"+{said}"
        lines.append([
            f"<bdi>{text(part['column'], 40)}</bdi>", f"<bdi>{text(part['value'], 24)}</bdi>",
            reading_charts.push(value, largest), data(value, shown),
        ])  # fmt: skip
    if row["others"]:
        value, said = row["others"]["contribution"], written[-1]
        shown = said if said.startswith(MINUS) else f"+{said}"
        lines.append([f"{row['others']['n']:,} others", "", reading_charts.push(value, largest), data(value, shown)])
    total = fixed(row["value"], decimals)
    lines.append([f"<b>{text(row['output'], 40)}</b>", "", "", f"<b>{data(row['value'], total)}</b>"])
    table = plain_table(_WHICH[row["which"]], ("Column", "Value", "", "Adds"), lines, numbers=(1, 3))
    return f"<div><h4>{_WHICH[row['which']]}</h4><p>{_outcome(row, link)}</p>{table}{_holds(row)}</div>"


def _outcome(row: Plain, link: str) -> str:
    said = f"Row {data(row['row'], str(row['row']))}"
    if row["label"] is not None:
        of = "" if link == "softmax" else f" of {text(row['output'].removeprefix('logit of '), 30)}:"
        said += f": says <b>{text(row['label'], 40)}</b>"
        said += f" (probability{of} {data(row['prediction'], percent(row['prediction']))})"
    else:
        said += f": predicts <b>{data(row['prediction'], number(row['prediction'], 4))}</b>"
    truth = row["truth"]
    if truth is None:
        return said + "."
    return f"{said}; truly {text(truth, 40) if isinstance(truth, str) else data(truth, number(truth, 4))}."


def _holds(row: Plain) -> str:
    far = row["distance"]
    if far is None:
        said = "There is no crease to cross."
    elif far == 0:
        said = "The row lies on a crease: this holds on one side of it."
    else:
        said = f"The nearest crease is {data(far, number(far, 2))} spreads away."
    return f'<p class="note">{said}</p>'


def adding_up(parts: Sequence[float], total: float, decimals: int) -> list[str]:
    """Write numbers with so many decimals that what is written adds up to the total as it is written.

    Each is off by less than one unit of the last decimal: those are raised that lose most by rounding down.

    >>> adding_up([0.4, 0.4, 0.4], 1.2, 0)
    ['1', '0', '0']
    """
    unit = 10.0**-decimals
    floors = [math.floor(part / unit) for part in parts]
    missing = round(total / unit) - sum(floors)
    by_loss = sorted(range(len(parts)), key=lambda k: floors[k] - parts[k] / unit)
    for k in by_loss[: max(0, min(missing, len(parts)))]:
        floors[k] += 1
    return [fixed(whole * unit, decimals) for whole in floors]


# ---------------------------------------------------------------------------------------------- the map and effects


def _pictures(found: Plain) -> str:
    parts = [_map(found["map"])] if found["map"] else []
    if found["effects"]:
        shown = "".join(_effect(effect) for effect in found["effects"])
        rows = found["effects"][0]["n_rows"]
        said = (
            f"Exact means over {_whole(rows)} rows, spread evenly from the lowest to the highest prediction. "
            "Ticks: tenths of all rows."
        )
        parts.append(f'<div><h3>What its strongest columns do</h3>{shown}<p class="note">{said}</p></div>')
    return f'<div class="pair">{"".join(parts)}</div>' if parts else ""


def _map(found: Plain) -> str:
    is_border = bool(found["areas"])
    title = "The border, in its two strongest columns" if is_border else "Lines of equal prediction"
    named = {**found, "says": "areas of the classes" if is_border else "lines of equal prediction"}
    chart = both_widths(lambda width: reading_charts.plane_map(named, width), 520, 346)
    if is_border:
        shares = "".join(
            f'<li><i class="swatch k{area["class"] % reading_charts.N_COLOURS}"></i>'
            f"<bdi>{text(area['name'], 40)}</bdi>: {data(area['share'], percent(area['share']))} of the area</li>"
            for area in found["areas"]
        )
        key = f'<ul class="key">{shares}</ul>'
        n_segments = found["n_segments"]
        what = (
            f"The border has {_whole(n_segments)} straight pieces here. "
            if n_segments
            else "Here it says the same everywhere. "
        )
    else:
        key = ""
        what = f"Lines of {_whole(found['n_segments'])} straight pieces in all. "
    held = ", ".join(f"{one['column']} {one['value']}" for one in found["fixed"])
    held += f" and {counted(found['n_fixed_more'], 'more column')}" if found["n_fixed_more"] else ""
    said = (
        f"Computed, not sampled. All else is held at what is usual: {text(held, 500)}. "
        if held
        else "Computed, not sampled. "
    )
    outside = f"{found['n_outside']:,} rows lie outside. " if found["n_outside"] else ""
    dots = "Dots are rows; their other columns differ. " if found["points"] else ""
    return f"<figure><h3>{title}</h3>{chart}{key}<figcaption>{what}{said}{dots}{outside}</figcaption></figure>"


def _effect(found: Plain) -> str:
    chart = both_widths(lambda width: reading_charts.effect(found, width), 520, 346)
    kinks = f"{_whole(found['n_kinks'])} {'kink' if found['n_kinks'] == 1 else 'kinks'}"
    return f'<figure class="effect">{chart}<figcaption>{text(found["column"], 60)}: {kinks}.</figcaption></figure>'
