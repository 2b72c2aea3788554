"""The page of a report: its sections in the order in which a reader asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any

from planefold.doctor.diagnose import UNKNOWN, WITHOUT_RANGE, Diagnosis
from planefold.doctor.finding import Finding
from planefold.engine.run import Run
from planefold.reports import charts
from planefold.reports.columns import columns_table
from planefold.reports.errors_section import errors_section
from planefold.reports.evaluation import Evaluation
from planefold.reports.markup import data, facts, plain_table, section
from planefold.reports.numbers import counted, number, percent, together
from planefold.reports.pictures_section import pictures_section
from planefold.reports.reading_section import reading_section
from planefold.reports.svg import both_widths, text

if TYPE_CHECKING:
    from planefold.reports.report import ReportData

_TASKS = {
    "regression": "Regression",
    "multioutput": "Regression of several outputs",
    "binary": "Classification in two classes",
    "multiclass": "Classification",
    "multilabel": "Classification with several labels",
}
_STOPPED = {
    "max_iter": "it had run all the epochs it was allowed",
    "no_improvement": "the held-out rows no longer gained from it",
    "converged": "the loss no longer changed",
    "interrupted": "someone stopped it",
    "diverged": "the loss ran away",
}
# What was measured on the curves, in shares of what can be learned; and which number is the standard error of which.
_NUMBERS = {
    "gap_share": "Held-out loss above that of training rows",
    "val_se_share": "Standard error of the held-out loss",
}
_DOUBTS = {"gap_share": ("gap", "gap_se")}
_SEVERITIES = {"error": ("◆", "Error"), "warning": ("▲", "Warning"), "info": ("●", "Note")}
_LONGEST_CODE = 3000


def page(report: ReportData, *, n_columns: int = 200, n_items: int = 40) -> str:
    """Return the whole page; ``n_columns`` limits the table of columns, ``n_items`` every other list."""
    style = resources.files("planefold.reports").joinpath("style.css").read_text(encoding="utf-8")
    found = () if report.diagnosis is None else report.diagnosis.findings
    about_data = [one for one in found if one.code.startswith("DA")][:n_items]
    about_scores = [one for one in found if one.code.startswith("SC")][:n_items]
    about_run = [one for one in found if not one.code.startswith(("DA", "SC"))][:n_items]
    kicker = " · ".join([_TASKS.get(report.task, report.task), f"target: {report.target}"])
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{text(report.title)}: model report</title>
<link rel="icon" href="data:,">
<style>
{style}</style>
</head>
<body>
<a class="skip" href="#verdict">Skip to the verdict</a>
<header>
<p class="kicker">{text(kicker)}</p>
<h1>{text(report.title)}</h1>
<p class="byline">{_byline(report)}</p>
</header>
<main>
{_verdict(report, about_scores)}
{_learning(report, about_run)}
{_data(report, about_data, n_columns, n_items)}
{errors_section(report.evaluation, noun=_noun(report))}
{pictures_section(report.pictures)}
{reading_section(report.reading)}
{_again(report, n_items)}
</main>
<footer><p>Made by planefold{_made(report)}. This file is complete: it loads nothing from anywhere.</p></footer>
</body>
</html>
"""


def _made(report: ReportData) -> str:
    version = report.versions.get("planefold")
    return (f" {text(version)}" if version else "") + (f" on {text(report.created)}" if report.created else "")


def _noun(report: ReportData) -> str:
    """Say what one row is."""
    return "row" if report.pictures is None else str(report.pictures["noun"])


def _byline(report: ReportData) -> str:
    parts = [text(report.model["estimator"])] if report.model.get("estimator") else []
    n_parameters = report.model.get("n_parameters", report.run.n_parameters)
    parts.append(f"{data(n_parameters, f'{n_parameters:,}')} weights and biases")
    if report.created:
        parts.append(text(report.created))
    return " · ".join(parts)


# -- 1 the verdict ---------------------------------------------------------------------------------------------------


def _verdict(report: ReportData, findings: Sequence[Finding]) -> str:
    found = report.evaluation
    if found is None:
        body = (
            '<p class="verdict"><b>Not judged:</b> no rows were kept aside, so nothing is known about rows that '
            "it has not seen.</p>"
        )
        return section("verdict", "The verdict", body)
    lead, colon, rest = found.verdict.partition(":")
    said = f"<b>{text(lead)}{colon}</b>{text(rest, 600)}"
    reasons = "".join(f"<li>{text(reason, 400)}</li>" for reason in found.reasons)
    chart = both_widths(lambda width: charts.intervals(found.headline, dict(found.baselines), width))
    resampled = f"Lines are 95% intervals from 500 bootstrap resamples of the test {_noun(report)}s."
    caption = resampled if _has_interval(found) else ""
    return section(
        "verdict",
        "The verdict",
        f'<p class="verdict {found.grade}">{said}</p>'
        f'<div class="split"><figure>{chart}<figcaption>{caption}</figcaption></figure>'
        f'<ol class="reasons">{reasons}</ol></div>{_measures(found)}{findings_list(findings)}',
    )


def _has_interval(found: Evaluation) -> bool:
    return any(metric.low is not None for metric in (found.headline, *found.baselines.values()))


def _measures(found: Evaluation) -> str:
    cells = []
    for metric in found.metrics:
        if metric.low is None or metric.high is None:
            cells.append((charts.capital(metric.name), data(metric.value, number(metric.value)), "no interval"))
            continue
        written = together(metric.value, metric.low, metric.high, spread=metric.high - metric.low)
        span = f"{data(metric.low, written[1])} to {data(metric.high, written[2])}"
        cells.append((charts.capital(metric.name), data(metric.value, written[0]), span))
    items = "".join(
        f"<div><dt>{text(name)}</dt><dd>{value}<small>{span}</small></dd></div>" for name, value, span in cells
    )
    return f'<dl class="measures">{items}</dl>'


# -- 2 how it learned ------------------------------------------------------------------------------------------------


def _learning(report: ReportData, findings: Sequence[Finding]) -> str:
    run = report.run
    chart = both_widths(lambda width: charts.curves(run, width)) if run.epochs else ""
    figure = f"<figure>{chart}</figure>" if chart else '<p class="none">No epoch was recorded.</p>'
    rate = charts.learning_rate(run) if run.epochs else ""
    told = _diagnosed(report.diagnosis)
    said = findings_list(findings) or '<p class="none">The doctor found nothing wrong with the training.</p>'
    side = f'<div>{told}{said}<div class="rate">{rate}</div></div>'
    body = f'<div class="split">{figure}{side}</div>{_retrial(report)}'
    return section("learning", "How it learned", body, lede=_story(run, _noun(report)))


def _diagnosed(diagnosis: Diagnosis | None) -> str:
    """Say what the curves show, with the numbers that it rests on."""
    if diagnosis is None or diagnosis.verdict == UNKNOWN:
        return ""
    numbers = {} if diagnosis.verdict in WITHOUT_RANGE else diagnosis.numbers
    known = [(words, name, numbers[name]) for name, words in _NUMBERS.items() if abs(numbers.get(name, 2)) <= 1]
    items = "".join(
        f"<div><dt>{text(words)}</dt><dd>{data(value, percent(value))}{_doubt(numbers, name)}</dd></div>"
        for words, name, value in known
    )
    return f'<p class="diagnosed">The curves show: <b>{text(diagnosis.verdict_in_words)}</b></p>' + (
        f'<p class="unit">In shares of what can be learned</p><dl class="shares">{items}</dl>' if items else ""
    )


def _doubt(numbers: Mapping[str, float], name: str) -> str:
    """Write two standard errors behind a share, in the same unit."""
    value, error = _DOUBTS.get(name, ("", ""))
    if error not in numbers or not numbers.get(value):
        return ""
    doubt = 2 * numbers[error] * numbers[name] / numbers[value]
    return f" ± {data(doubt, percent(doubt))}"


def _retrial(report: ReportData) -> str:
    if not report.retrial:
        return ""
    rows = [[text(cell, 80) for cell in row] for row in report.retrial]
    table = plain_table("The advice, tried", ["", "before", "after"], rows, numbers=[1, 2])
    return f'<h3 class="tried">The doctor\'s advice, tried</h3><p>{text(report.retrial_outcome, 400)}</p>{table}'


def _story(run: Run, noun: str) -> str:
    why = _STOPPED.get(run.stopped_because, run.stopped_because).replace("rows", f"{noun}s")
    text_ = f"Training ended after {counted(run.n_epochs, 'epoch')} because {why}"
    if run.best_epoch == 0 and run.restored_best:
        text_ += "; no epoch was clearly better than the start, whose weights were kept"
    elif run.best_epoch is not None and run.restored_best:
        text_ += f"; the weights of epoch {run.best_epoch:,}, the best, were kept"
    elif run.best_epoch is not None:
        text_ += f"; the best epoch was {run.best_epoch:,}, the weights of the last were kept"
    held = f", {run.n_val:,} more told when to stop" if run.n_val else ""
    members = f" {run.n_members} networks were trained side by side." if run.n_members > 1 else ""
    took = f" It took {number(run.seconds, 2)} s" if run.seconds else " It ran"
    return text(
        f"{text_}. It learned from {counted(run.n_train, noun)}{held}, in batches of {run.batch_size:,}."
        f"{members}{took} with {run.solver} on {run.device}.",
        900,
    )


def findings_list(findings: Sequence[Finding]) -> str:
    """List findings with their sign and word for severity, and what to try."""
    items = []
    for found in findings:
        sign, word = _SEVERITIES.get(found.severity, ("●", found.severity.capitalize()))
        items.append(
            f'<li class="{text(found.severity)}"><p class="what"><span aria-hidden="true">{sign}</span> '
            f"<b>{text(word)}: {text(found.title)}</b> <code>{text(found.code)}</code>{_sure(found)}</p>"
            f"<p>{text(_sentence(found.what), 600)} {text(_sentence(found.why), 600)}</p>"
            f"{_advice(found)}</li>"
        )
    return f'<ul class="findings">{"".join(items)}</ul>' if items else ""


def _sure(found: Finding) -> str:
    if found.severity == "info" or found.confidence >= 0.995:
        return ""
    return f' <span class="sure">confidence {data(found.confidence, percent(found.confidence))}</span>'


def _advice(found: Finding) -> str:
    if not found.advice:
        return ""
    items = []
    for action in found.advice[:4]:
        code = ", ".join(f"{name}={value!r}" for name, value in action.parameters.items())
        items.append(text(action.words, 300) + (f" <code>{text(code, 200)}</code>" if code else ""))
    return f'<p class="try"><b>Try</b> {"; or ".join(items)}</p>'


def _sentence(said: str) -> str:
    said = said.strip()
    if not said:
        return ""
    return said[0].upper() + said[1:] + ("" if said[-1] in ".!?" else ".")


# -- 3 the data ------------------------------------------------------------------------------------------------------


def _data(report: ReportData, findings: Sequence[Finding], n_columns: int, n_items: int) -> str:
    rows = report.rows
    parts = [f"{counted(int(rows['train']), _noun(report))} to learn from" if rows.get("train") is not None else ""]
    parts.append(f"{int(rows['test']):,} kept aside to test" if rows.get("test") is not None else "")
    lede = ", ".join(part for part in parts if part)
    how = str(rows.get("how") or "")
    lede = f"{lede}: {how}." if lede and how else f"{lede or how}." if lede or how else ""
    described = rows.get("described")
    if described is None:
        described = int(rows.get("train") or 0) + int(rows.get("test") or 0)
    notes = "".join(f"<li>{text(note, 400)}</li>" for note in report.notes[:n_items])
    left = len(report.notes) - n_items
    notes += f"<li>… and {counted(left, 'more note')}.</li>" if left > 0 else ""
    body = columns_table(report.columns, int(described), n_columns) + findings_list(findings)
    body += f'<ul class="notes">{notes}</ul>' if notes else ""
    return section("data", "The data", body, lede=text(lede, 600))


# -- 6 again ---------------------------------------------------------------------------------------------------------


def _again(report: ReportData, n_items: int) -> str:
    def some(pairs: Mapping[str, object] | None) -> dict[str, str]:
        """Return the first items, escaped."""
        return {name: text(value, 200) for name, value in list((pairs or {}).items())[:n_items]}

    blocks = "".join(
        f'<h3>{text(name)}</h3><pre tabindex="0"><code>{text(code, _LONGEST_CODE)}</code></pre>'
        for name, code in list(report.reproduce.items())[: min(n_items, 12)]
    )
    model = report.model
    side = facts("Parameters in use", some(model.get("parameters")))
    side += _layers(list(model.get("layers") or ())[:n_items])
    side += facts("Versions", some(report.versions))
    side += facts("Fingerprints", {name: f"<code>{value}</code>" for name, value in some(report.hashes).items()})
    body = f'<div class="split even"><div>{blocks}</div><div>{side}</div></div>'
    return section("again", "Make it again, put it to use", body)


def _layers(shown: Sequence[Any]) -> str:
    if not shown:
        return ""
    if all(isinstance(row, Mapping) for row in shown):
        head = [str(key) for key in shown[0]]
        cells = [[row.get(key, "") for key in shown[0]] for row in shown]
    else:
        head, cells = [], [[row] if isinstance(row, str) else list(row) for row in shown]
    written = [[text(_cell(value), 120) for value in row] for row in cells]
    right = [j for j in range(len(cells[0])) if all(len(row) > j and _is_number(row[j]) for row in cells)]
    return f"<h3>Layers</h3>{plain_table('Layers', head, written, numbers=right)}"


def _cell(value: Any) -> str:
    return number(value) if _is_number(value) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
