"""The verdict in words: one sentence and three reasons, from intervals and never from a bare number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from planefold.reports.baselines import BOOSTING, TRIVIAL
from planefold.reports.details import ALL_OTHERS, MOST_CLASSES
from planefold.reports.numbers import counted, number, percent, together
from planefold.reports.records import CalibrationBin, ClassScore, Confusion, Difference, Metric, Residuals, WorstRow

_RULE = {"majority class": "the majority rule", "mean": "always predicting the mean"}
_LEAD = {
    "better": "Very good",
    "level": "Good",
    "worse": "Fair, but {rival} does better",
    "trivial": "Not shown to be useful",
    "unsure": "Too few rows to tell",
    "alone": "Not compared yet",
}


def side(difference: Difference, *, larger_is_better: bool) -> int:
    """Return 1 where the model is surely better, -1 where surely worse, 0 where it may be chance."""
    if difference.low is None or difference.high is None:
        return 0
    low, high = difference.low, difference.high
    if not larger_is_better:
        low, high = -high, -low
    return 1 if low > 0 else -1 if high < 0 else 0


def grade(differences: Mapping[str, Difference], *, larger_is_better: bool) -> str:
    """Grade the model against its baselines: "better", "level", "worse", "trivial", "unsure" or "alone"."""
    if not differences:
        return "alone"
    if all(difference.low is None for difference in differences.values()):
        return "unsure"
    sides = {name: side(found, larger_is_better=larger_is_better) for name, found in differences.items()}
    if any(found < 1 for name, found in sides.items() if name in TRIVIAL):
        return "trivial"
    least = min((found for name, found in sides.items() if name not in TRIVIAL), default=1)
    return {1: "better", 0: "level", -1: "worse"}[least]


def skill(headline: Metric, baselines: Mapping[str, Metric]) -> float | None:
    """Return the share of the way from the trivial rule to perfection: 0 is the rule, 1 is no error."""
    trivial = next((metric.value for name, metric in baselines.items() if name in TRIVIAL), None)
    best = 1.0 if headline.larger_is_better else 0.0
    return None if trivial is None or trivial == best else (headline.value - trivial) / (best - trivial)


def lead(grade: str, headline: Metric, baselines: Mapping[str, Metric]) -> str:
    """Return the first words of the verdict. A small gain stays a small gain, whoever else made no more."""
    has_strong = any(name not in TRIVIAL for name in baselines)
    found = skill(headline, baselines)
    faint = found is not None and found < (0.2 if headline.larger_is_better else 0.1)
    rival = _rival(baselines)
    if faint and grade == "level":
        return f"Weak, as is {rival}"
    if faint and grade in ("better", "worse"):
        return "Weak" if grade == "better" else f"Weak, and {rival} does better"
    if grade == "better" and not has_strong:
        return "Better than guessing"
    return _LEAD[grade].format(rival=rival)


def _rival(baselines: Mapping[str, Metric]) -> str:
    """Name the strongest baseline."""
    strong = {name: metric for name, metric in baselines.items() if name not in TRIVIAL}
    if BOOSTING in strong or not strong:
        return "boosting"
    return max(strong, key=lambda name: strong[name].value * (1 if strong[name].larger_is_better else -1))


def sentence(grade: str, headline: Metric, baselines: Mapping[str, Metric], n_rows: int, noun: str = "row") -> str:
    """Write the verdict."""
    written = iter(_compared(headline, baselines))
    text = f"{lead(grade, headline, baselines)}: {short(headline)} {next(written)}"
    if headline.low is not None:
        text += f" ({next(written)} to {next(written)})"
    text += f" on {counted(n_rows, noun)}"
    if not baselines:  # nobody said what the model learned from: these rows may be among them
        return f"{text}; there is no baseline to compare with."
    text += " it had not seen"
    first, *others = [_RULE.get(name, name) for name in baselines]
    rivals = [f"{first} has {next(written)}", *(f"{name} {next(written)}" for name in others)]
    return f"{text}; {', '.join(rivals)}."


def short(metric: Metric) -> str:
    """Return the metric's name as it is said in a sentence."""
    return "AUC" if metric.name == "ROC AUC" else metric.name


def _compared(headline: Metric, baselines: Mapping[str, Metric]) -> list[str]:
    """Write the headline, its interval and the baselines with one count of decimals."""
    own = [value for value in (headline.value, headline.low, headline.high) if value is not None]
    spread = None if headline.low is None or headline.high is None else headline.high - headline.low
    return together(*own, *(metric.value for metric in baselines.values()), spread=spread)


def reasons(
    headline: Metric,
    baselines: Mapping[str, Metric],
    differences: Mapping[str, Difference],
    n_rows: int,
    *,
    task: str,
    confusion: Confusion | None = None,
    per_class: Sequence[ClassScore] = (),
    residuals: Sequence[Residuals] = (),
    calibration: Sequence[CalibrationBin] = (),
    worst_rows: Sequence[WorstRow] = (),
    noun: str = "row",
) -> tuple[str, ...]:
    """Write three reasons: against the trivial rule, against boosting, and where the errors are."""
    compared = [_against(name, differences[name], headline) for name in baselines][:2]
    errors = [*_class_errors(confusion, per_class, noun), *_value_errors(residuals, worst_rows, task, noun)]
    found = [
        *compared,
        *errors,
        _certainty(headline, n_rows, noun),
        *_trust(calibration, noun),
        "No baseline was fitted, so it is not known whether a simple rule would do as well.",
    ]
    return tuple(found[:3])


def _against(name: str, difference: Difference, headline: Metric) -> str:
    rival, metric = _RULE.get(name, name), short(headline)
    if difference.value == 0 and difference.low == difference.high:
        return f"No different from {rival}: the {metric} is the same."
    if difference.low is None or difference.high is None:
        size = number(abs(difference.value))
        way = "higher" if difference.value > 0 else "lower"
        return f"Its {metric} is {size} {way} than that of {rival}, with too few rows to say how sure that is."
    low, high = difference.low, difference.high
    found = side(difference, larger_is_better=headline.larger_is_better)
    if found == 0:
        value, low_, high_ = together(difference.value, low, high, spread=high - low)
        start = f"Not shown to be better than {rival}" if name in TRIVIAL else f"Level with {rival}"
        return f"{start}: the difference of {value} in {metric} ({low_} to {high_}) may be chance."
    sizes = abs(difference.value), *sorted((abs(low), abs(high)))
    value, low_, high_ = together(*sizes, spread=high - low)
    between = f" ({low_} to {high_})" if low < high else ""
    better = "Better" if found > 0 else "Worse"
    way = "higher" if difference.value > 0 else "lower"
    return f"{better} than {rival}: its {metric} is {value} {way}{between}."


def _class_errors(confusion: Confusion | None, per_class: Sequence[ClassScore], noun: str) -> list[str]:
    known = [score for score in per_class if score.recall is not None]
    if not known:
        return []
    least = min(known, key=lambda score: score.recall or 0.0)
    found = f"it finds {percent(least.recall or 0.0)} of the {noun}s that are “{least.name}”"
    if confusion is None:
        return [f"Its weakest label is “{least.name}”: {found}."]
    merged = len(confusion.classes) > MOST_CLASSES
    cells = [
        (count, truth, called)
        for truth, row in zip(confusion.classes, confusion.matrix, strict=True)
        for called, count in zip(confusion.classes, row, strict=True)
        if truth != called and not (merged and ALL_OTHERS in (truth, called))
    ]
    n_wrong = confusion.n_wrong
    if n_wrong == 0:
        return [f"It made no error on these {noun}s."]
    most, truth, called = max(cells, key=lambda cell: cell[0])
    if n_wrong == 1:
        return [f"Its only error takes “{truth}” for “{called}”."]
    if 4 * most < n_wrong:
        return [f"Its {n_wrong:,} errors are of many kinds; “{least.name}” is missed most: {found}."]
    takes = "takes" if most == 1 else "take"
    return [f"Of its {n_wrong:,} errors, {most:,} {takes} “{truth}” for “{called}”; {found}."]


def _value_errors(residuals: Sequence[Residuals], worst_rows: Sequence[WorstRow], task: str, noun: str) -> list[str]:
    if not residuals:
        return []
    first = residuals[0]
    low, high = together(first.quartile_1, first.quartile_3, spread=(first.quartile_3 - first.quartile_1) / 4)
    of = f" for {first.output}" if first.output else ""
    text = f"Half of its errors{of} lie between {low} and {high}"
    if worst_rows and task == "regression":
        worst = worst_rows[0]
        text += f"; the largest, {number(worst.how_wrong)}, is in {noun} {worst.row}"
    return [text + "."]


def _trust(calibration: Sequence[CalibrationBin], noun: str) -> list[str]:
    if len(calibration) < 2:
        return []
    off = [found for found in calibration if not found.low <= found.predicted <= found.high]
    if not off:
        return [f"Its probabilities can be taken at their word, as far as these {noun}s can tell."]
    return [f"Its probabilities are off in {len(off)} of {len(calibration)} groups of {noun}s."]


def _certainty(headline: Metric, n_rows: int, noun: str) -> str:
    if headline.low is None or headline.high is None:
        return f"With {counted(n_rows, f'test {noun}')} no interval can be given."
    low, high = together(headline.low, headline.high, spread=headline.high - headline.low)
    return f"With other test {noun}s of the same kind the {short(headline)} would mostly fall between {low} and {high}."
