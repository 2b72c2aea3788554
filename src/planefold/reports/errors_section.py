"""The section about errors: what is taken for what, how far off, how honest the probabilities are, worst rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from planefold.reports import charts
from planefold.reports.details import ALL_OTHERS, MOST_CLASSES
from planefold.reports.evaluation import Evaluation
from planefold.reports.markup import data, plain_table, scroller, section
from planefold.reports.numbers import MISSING, number, percent, together
from planefold.reports.records import ClassScore, Confusion, Residuals, WorstRow
from planefold.reports.svg import both_widths, text

_MOST_SCORES = 30
_HOW_WRONG = {
    "regression": "Off by",
    "multioutput": "Off by, in standard deviations",
    "multilabel": "Wrong labels",
}


def errors_section(found: Evaluation | None, *, noun: str = "row") -> str:
    """Return the section, or nothing where the model was not judged; ``noun`` says what one row is."""
    if found is None:
        return ""
    body = _residuals(found.residuals)
    single = found.residuals[0] if len(found.residuals) == 1 else None
    parts = [_confusion(found.confusion) if found.confusion else "", _calibration(found)]
    parts += [_scores(found.per_class, noun)]
    # Pictures are shown themselves.
    parts += [_worst(found.worst_rows, found.task)] if noun == "row" else []
    parts += [f"<div><h3>Its errors in numbers</h3>{_error_table(single)}</div>"] if single else []
    body += f'<div class="pair">{"".join(parts)}</div>' if any(parts) else ""
    if not found.worst_rows:
        body += f'<p class="none">No {noun} was wrong.</p>'
    return section("errors", "Where it errs", body, lede=_lede(found, noun))


def _lede(found: Evaluation, noun: str) -> str:
    rows = f"{data(found.n_rows, f'{found.n_rows:,}')} test {noun}s"
    if found.confusion:
        n_wrong = found.confusion.n_wrong
        return f"Of {rows}, {data(n_wrong, f'{n_wrong:,}')} were put in the wrong class."
    middle = next((metric.value for metric in found.metrics if metric.name == "median absolute error"), None)
    if middle is not None and len(found.residuals) == 1:
        return f"On {rows}, half of the predictions are off by less than {data(middle, number(middle, 2))}."
    return f"On {rows}."


def _confusion(found: Confusion) -> str:
    classes = found.classes
    merged = len(classes) > MOST_CLASSES
    head = "".join(f'<th scope="col"><span>{text(name, 24)}</span></th>' for name in classes)
    rows = []
    for i, (name, counts) in enumerate(zip(classes, found.matrix, strict=True)):
        total = sum(counts) or 1
        cells = []
        for j, count in enumerate(counts):
            # The root lets a share of a few per cent be seen.
            css = f"h{math.ceil(10 * math.sqrt(count / total))}" + (
                " hit" if i == j and not (merged and name == ALL_OTHERS) else ""
            )
            share = f"<small>{percent(count / total)}</small>" if len(classes) <= 6 else ""
            cells.append(f'<td class="{css}">{data(count, f"{count:,}")}{share}</td>')
        rows.append(f'<tr><th scope="row">{text(name, 24)}</th>{"".join(cells)}</tr>')
    dense = len(classes) > 6
    upright = (" dense" if dense else "") + (" upright" if dense and max(map(len, classes)) > 4 else "")
    table = (
        f'<table class="confusion{upright}"><thead><tr><td></td><th class="over" colspan="{len(classes)}" '
        f'scope="colgroup">predicted as</th></tr><tr><th scope="col" class="corner">truly</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
    note = "Shade: share of the row. Blue and outlined: right. Orange: wrong."
    box = scroller("Confusion table", table)
    full = ' class="full"' if len(classes) > 10 else ""
    return f"<figure{full}><h3>What is taken for what</h3>{box}<figcaption>{note}</figcaption></figure>"


def _calibration(found: Evaluation) -> str:
    if not found.calibration:
        return ""
    positive = found.confusion.classes[1] if found.confusion and len(found.confusion.classes) > 1 else "positive"
    chart = both_widths(lambda width: charts.calibration(found.calibration, positive, width), wide=440)
    note = "Each dot is a group of rows with near probabilities; a dot on the dashed line keeps its word. Lines: 95%."
    return f"<figure><h3>Do its probabilities keep their word?</h3>{chart}<figcaption>{note}</figcaption></figure>"


def _residuals(found: Sequence[Residuals]) -> str:
    return "".join(_one_output(one, with_table=len(found) > 1) for one in found)


def _one_output(one: Residuals, *, with_table: bool) -> str:
    scatter = both_widths(lambda width: charts.predicted_against_true(one, width), wide=500)
    histogram = both_widths(lambda width: charts.residual_histogram(one, width), wide=500)
    table = _error_table(one) if with_table else ""
    heading = f'<h3 class="output">{text(one.output)}</h3>' if one.output else ""
    return (
        f'{heading}<div class="pair"><figure>{scatter}<figcaption>{len(one.points):,} rows, as dots. '
        f"Dashed: perfect.</figcaption></figure><div><figure>{histogram}</figure>{table}</div></div>"
    )


def _error_table(one: Residuals) -> str:
    spread = (one.quartile_3 - one.quartile_1) / 4
    names = ("Smallest", "Lower quartile", "Median", "Upper quartile", "Largest", "Mean", "Standard deviation")
    values = (one.minimum, one.quartile_1, one.median, one.quartile_3, one.maximum, one.mean, one.standard_deviation)
    written = together(*values, spread=spread)
    rows = [[text(name), data(value, shown)] for name, value, shown in zip(names, values, written, strict=True)]
    return plain_table("Errors in numbers", ("Predicted minus true", "Value"), rows, numbers=(1,))


def _scores(found: Sequence[ClassScore], noun: str) -> str:
    if not found:
        return ""
    rows = [
        [
            f"<bdi>{text(score.name, 60)}</bdi>",
            data(score.n_rows, f"{score.n_rows:,}"),
            *(
                MISSING if value is None else data(value, percent(value))
                for value in (score.precision, score.recall, score.f1)
            ),
        ]
        for score in found[:_MOST_SCORES]
    ]
    head = ("Class", f"{noun.capitalize()}s", "Right when said", "Found", "F1")
    left = len(found) - _MOST_SCORES
    cut = f'<p class="cut">{left:,} more classes are not shown.</p>' if left > 0 else ""
    table = plain_table("Scores of each class", head, rows, numbers=(1, 2, 3, 4))
    note = '<p class="note">“Right when said” is the precision, “found” the recall.</p>'
    return f"<div><h3>Class by class</h3>{table}{cut}{note}</div>"


def _worst(found: Sequence[WorstRow], task: str) -> str:
    if not found:
        return ""
    is_share = task in ("binary", "multiclass")

    def how_wrong(value: float) -> str:
        return percent(1 - value) if is_share else number(value)

    rows = [
        [
            data(row.row, str(row.row)),
            _shown(row.truth, found[0].how_wrong),
            _shown(row.prediction, found[0].how_wrong),
            data(row.how_wrong, how_wrong(row.how_wrong)),
        ]
        for row in found
    ]
    last = "Chance it gave the truth" if is_share else _HOW_WRONG[task]
    numbers = (0, 3) if isinstance(found[0].truth, str) else (0, 1, 2, 3)
    table = plain_table("Worst rows", ("Row", "Truth", "Prediction", last), rows, numbers=numbers)
    return f"<div><h3>Its worst rows</h3>{table}</div>"


def _shown(value: str | float, largest_error: float) -> str:
    """Write a value with the decimals that matter beside errors of that size."""
    if isinstance(value, str):
        return f"<bdi>{text(value, 60)}</bdi>"
    return data(value, together(value, spread=largest_error / 50)[0])
