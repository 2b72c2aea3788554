"""How right the doctor is about stored runs."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from doctor_runs.cases import KnownCase
from doctor_runs.rules import RULES, Log
from doctor_runs.truth import LABELS
from planefold.doctor.diagnose import Diagnosis, diagnose_case
from planefold.doctor.finding import Finding

OTHER = "other"  # a verdict that belongs to no label
FEW_VAL, MANY_VAL = 13, 100

# The finding that is right for each label, and the flag that makes it true.
CODES = {
    "LC901": ("diverged", "diverged"),
    "LC701": ("oscillating", "oscillating"),
    "LC201": ("underfit_flat", "never_learned"),
    "LC301": ("underfit_improving", "improving"),
    "LC202": ("underfit_capacity", "capacity"),
    "LC101": ("overfit", "overfit"),
    "LC501": ("unrep_train", "gap"),
    "LC601": ("unrep_val_noisy", "val_noisy"),
    "LC602": ("unrep_val_easy", "val_easy"),
}
TITLES = {
    "diverged": "diverged",
    "oscillating": "oscillating",
    "hardly learned": "underfit_flat",
    "still improving": "underfit_improving",
    "too small": "underfit_capacity",
    "overfit": "overfit",
    "gap": "unrep_train",
    "validation too small": "unrep_val_noisy",
    "validation easier": "unrep_val_easy",
    "good fit": "good_fit",
}


@dataclass(frozen=True)
class Answer:
    """What the doctor said about one run."""

    known: KnownCase
    diagnosis: Diagnosis
    seconds: float

    @property
    def verdict(self) -> str:
        """The verdict as a label."""
        return TITLES.get(self.diagnosis.verdict, OTHER)

    @property
    def told(self) -> dict[str, Finding]:
        """Findings that are shown, by code."""
        return {finding.code: finding for finding in self.diagnosis.findings}

    @property
    def found(self) -> dict[str, Finding]:
        """Warnings and errors, with those that another one silences; what is for information is no alarm."""
        findings = {**self.told, **self.diagnosis.silenced}
        return {code: finding for code, finding in findings.items() if finding.severity != "info"}


def answers(cases: Iterable[KnownCase]) -> list[Answer]:
    """Ask the doctor about each case, and take the processor's time of it."""
    found = []
    for known in cases:
        started = time.process_time()
        diagnosis = diagnose_case(known.case)
        found.append(Answer(known, diagnosis, time.process_time() - started))
    return found


# ------------------------------------------------------------------------------------------------------- verdicts


def confusion(labels: Sequence[str], verdicts: Sequence[str]) -> np.ndarray[Any, Any]:
    """Count verdicts (columns, the last one is any other) for each label (rows)."""
    table = np.zeros((len(LABELS), len(LABELS) + 1), dtype=int)
    for label, verdict in zip(labels, verdicts, strict=True):
        table[LABELS.index(label), LABELS.index(verdict) if verdict in LABELS else len(LABELS)] += 1
    return table


def f1_of(table: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """F1 of each label; nan where there is neither such a label nor such a verdict."""
    right = np.diag(table).astype(float)
    said, true = table[:, : len(LABELS)].sum(axis=0), table.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return np.asarray(2 * right / (said + true))


def macro_f1(labels: Sequence[str], verdicts: Sequence[str]) -> float:
    """Mean F1 over the labels that occur."""
    return float(np.nanmean(f1_of(confusion(labels, verdicts))))


def interval(
    score: Callable[[list[Answer]], float], found: Sequence[Answer], *, repeats: int = 400, seed: int = 0
) -> tuple[float, float]:
    """Return the 90 % interval of a score by drawing populations again."""
    rng = np.random.default_rng(seed)
    groups: dict[str, list[Answer]] = {}
    for answer in found:
        groups.setdefault(answer.known.population, []).append(answer)
    names = list(groups)
    scores = []
    for _ in range(repeats):
        drawn = [answer for name in rng.choice(names, len(names)) for answer in groups[name]]
        scores.append(score(drawn))
    low, high = np.nanquantile(scores, [0.05, 0.95])
    return float(low), float(high)


def labelled(found: Iterable[Answer]) -> list[Answer]:
    """Return the answers about runs with one clear label."""
    return [answer for answer in found if answer.known.label is not None]


def macro_f1_of(found: Sequence[Answer]) -> float:
    """Macro F1 of answers."""
    return macro_f1([str(a.known.label) for a in found], [a.verdict for a in found])


def healthy_alarmed(found: Iterable[Answer]) -> tuple[int, int, Counter[str]]:
    """Return the healthy runs with any warning or error, the healthy runs, and the codes of the alarms."""
    healthy = [answer for answer in found if answer.known.label == "good_fit"]
    codes: Counter[str] = Counter()
    for answer in healthy:
        codes.update(f.code for f in answer.diagnosis.findings if f.severity != "info")
    return sum(not answer.diagnosis.healthy for answer in healthy), len(healthy), codes


# ----------------------------------------------------------------------------------------------------- yes or no


def precision_recall(fired: Sequence[bool], true: Sequence[bool]) -> tuple[float, float, float]:
    """Return precision, recall and F1; nan where nothing fired or nothing is true."""
    hits = sum(f and t for f, t in zip(fired, true, strict=True))
    precision = hits / sum(fired) if any(fired) else math.nan
    recall = hits / sum(true) if any(true) else math.nan
    return precision, recall, 2 * hits / max(sum(fired) + sum(true), 1)


def per_finding(found: Iterable[Answer]) -> dict[str, tuple[float, float, float, int, float]]:
    """Return precision, recall, F1 and the number of true cases for each code, over clear cases of its flag.

    A finding that another one silences counts: it was made. A flag may be true of a run where something else matters
    more (a run that overfits has a gap as well), so the last number is the recall of the runs with its label alone.
    """
    table = {}
    answered = list(found)
    for code, (label, flag) in CODES.items():
        clear = [a for a in answered if a.known.flags[flag] != "borderline"]
        true = [a.known.flags[flag] == "yes" for a in clear]
        own = [code in a.found for a in answered if a.known.label == label]
        of_label = float(np.mean(own)) if own else math.nan
        table[code] = (*precision_recall([code in a.found for a in clear], true), sum(true), of_label)
    return table


@dataclass
class Peer:
    """How a rule does: precision, recall and F1 for overfitting, and healthy runs with an alarm."""

    overfit: tuple[float, float, float]
    alarmed: float


def peers(found: Sequence[Answer]) -> dict[str, Peer]:
    """Judge other tools' rules on the same runs, those of the doctor among them."""
    clear = [a for a in found if a.known.flags["overfit"] != "borderline"]
    healthy = [a for a in found if a.known.label == "good_fit"]
    true = [a.known.flags["overfit"] == "yes" for a in clear]
    table = {}
    rules: dict[str, Callable[[Answer], bool]] = {
        name: lambda a, rule=rule: rule(Log.of(a.known.run.run))  # type: ignore[misc]
        for name, rule in RULES.items()
    }
    rules["the doctor"] = lambda a: "LC101" in a.found
    for name, rule in rules.items():
        alarms = [rule(a) for a in healthy]
        table[name] = Peer(precision_recall([rule(a) for a in clear], true), float(np.mean(alarms or [math.nan])))
    return table


# ---------------------------------------------------------------------------------------------------- confidences


@dataclass
class Calibration:
    """How far stated confidences can be believed.

    Parameters
    ----------
    ece : float
        Expected calibration error: mean distance of stated from measured shares over ten bins of confidence.
    sure, sure_true : int
        Findings above 0.8, and the true ones among them.
    stated, true : list
        Of every finding.
    """

    ece: float
    sure: int
    sure_true: int
    stated: list[float] = field(repr=False)
    true: list[bool] = field(repr=False)


def calibration(found: Iterable[Answer]) -> Calibration:
    """Compare the confidences of the findings that are shown with their flags, borderline ones left out."""
    stated, true = [], []
    for answer in found:
        for code, finding in answer.told.items():
            flag = answer.known.flags.get(CODES[code][1]) if code in CODES else None
            if flag in ("yes", "no") and finding.severity != "info":
                stated.append(float(finding.confidence))
                true.append(flag == "yes")
    sure = [t for s, t in zip(stated, true, strict=True) if s > 0.8]
    return Calibration(calibration_error(stated, true), len(sure), sum(sure), stated, true)


def calibration_error(stated: Sequence[float], true: Sequence[bool], *, bins: int = 10) -> float:
    """Mean distance of stated from measured shares, weighted by the findings in each of ``bins`` equal bins."""
    if not stated:
        return math.nan
    p, t = np.array(stated), np.array(true, dtype=float)
    place = np.minimum((p * bins).astype(int), bins - 1)
    return float(sum(abs((p - t)[place == b].sum()) for b in range(bins)) / len(p))


# -------------------------------------------------------------------------------------------------------- numbers


def printed_numbers(found: Iterable[Answer]) -> Mapping[str, tuple[float, int]]:
    """Return the errors of the numbers that are printed, and the runs behind each.

    - gap: mean absolute error of the printed gap, in shares of the learnable range, of runs that learned something on
      fair validation rows; of all of them and of those with many validation rows. The share that is printed also has
      the error of the range, which the doctor can only estimate.
    - covered: how often the loss is within two standard errors, with few validation rows and with more.
    - regret: mean population loss that the epoch with the lowest validation loss costs, in shares of the range.
    """
    gaps: list[tuple[float, int]] = []
    covered: dict[bool, list[bool]] = {True: [], False: []}
    shares, regrets = [], []
    for answer in found:
        known, numbers = answer.known, answer.diagnosis.numbers
        truth, run = known.truth, known.run.run
        if not truth["finite"] or known.flags["diverged"] != "no":
            continue
        n_val = run.n_val
        if "val_loss" in numbers and "val_se" in numbers and np.isfinite(truth["val_end"]):
            off = abs(numbers["val_loss"] - truth["val_end"] / truth["unit"])
            covered[n_val < FEW_VAL].append(off <= 2 * numbers["val_se"])
        learned = known.flags["never_learned"] == "no" and known.flags["val_easy"] == "no"
        if learned and "gap" in numbers:
            gaps.append((abs(numbers["gap"] * truth["unit"] / truth["R"] - truth["gap"]), n_val))
            shares.append(abs(numbers.get("gap_share", math.nan) - truth["gap"]))
        if learned:
            regrets.append(kept_epoch_regret(run["val_loss"][run["epoch"] > 0], known.run.fresh, truth["R"]))
    many = [error for error, n in gaps if n >= MANY_VAL]
    return {
        "gap, mean error (R)": _mean([error for error, _ in gaps]),
        f"gap, mean error (R), {MANY_VAL} or more validation rows": _mean(many),
        "gap as a share of the range that the doctor knows, mean error": _mean(shares),
        f"+-2 SE of the loss covers, fewer than {FEW_VAL} validation rows": _mean(covered[True]),
        "+-2 SE of the loss covers, more": _mean(covered[False]),
        "regret of the epoch with the lowest validation loss (R)": _mean(regrets),
    }


def kept_epoch_regret(val: np.ndarray[Any, Any], fresh: Sequence[float], R: float) -> float:
    """Population loss at the lowest validation loss above the lowest population loss, as a share of ``R``."""
    return (fresh[int(np.nanargmin(val))] - min(fresh)) / R


def _mean(values: Sequence[float] | Sequence[bool]) -> tuple[float, int]:
    return (float(np.mean(values)) if len(values) else math.nan), len(values)


def milliseconds(found: Sequence[Answer]) -> tuple[float, float]:
    """Median and 95 % quantile of the processor's time of one diagnosis."""
    middle, high = np.quantile([1e3 * answer.seconds for answer in found], [0.5, 0.95])
    return float(middle), float(high)
