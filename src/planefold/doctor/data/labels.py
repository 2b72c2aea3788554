"""The checks of classes: wrong and contradicting labels, rare classes."""

from __future__ import annotations

from typing import Any

from planefold.core.records import counted
from planefold.doctor.case import Case
from planefold.doctor.check import NotApplicableError, check
from planefold.doctor.confidence import confidence
from planefold.doctor.data.words import counting, noun_of, percent, row_named, rows_named, scan_of
from planefold.doctor.finding import Action, Finding
from planefold.doctor.scan import Scan

CONTRADICTING = 0.02  # share of the rows
RARE = 0.25  # of an even share
FEW_OF_A_CLASS = 10  # rows
WRONG, WRONG_RATIO, SURE_RATIO = 0.04, 2.0, 10.0  # share of wrong labels; twice the log likelihood ratio, for a warning
NOISY, OF_ALL, LEARNED = 0.04, 0.5, 0.95  # error of the surest quarter; of the error of all; of guessing
SURE_NOISE = 0.10  # error of the surest quarter, for a warning


@check(
    "DA601",
    "label noise",
    silences=("LC203",),
    source="errors of a model that did not see the row, against its margin; Northcutt, Jiang and Chuang, JAIR 2021",
)
def check_label_noise(case: Case) -> Finding | None:
    """Report labels that contradict each other, or classes that overlap: from the table these look much the same.

    Notes
    -----
    **Rule.** A kernel model judges each row from all others. Overlapping classes are called rightly where the model is
    sure, wrong labels nowhere. Two signs: a share of wrong labels above 4 % explains the errors better than overlap
    does (twice the log likelihood ratio above 2); of the quarter of the rows that are surest more than 4 % are
    labelled otherwise (lower 95 % bound), at least half of the rate among all rows, in a problem that the model solves
    with less than 95 % of the errors of guessing. Either is told for information. The first is a warning with a
    ratio above 10, or together with a bound above 10 %; the second alone is none, since classes that overlap everywhere
    show it, too.

    **Fires on** a table in which one label in seven was entered wrongly. **Silent on** classes that touch, and on
    rare ones.

    **Limits.** Outcomes that are random everywhere, as of a dice, cannot be told from wrong labels. Needs 100 rows
    and classes. Of pictures and sounds only the first sign counts, as a warning: a kernel on pixels that errs where it
    is sure says more of itself than of the labels.

    References
    ----------
    Northcutt, Jiang and Chuang, "Confident Learning", JAIR 2021.
    """
    scan = scan_of(case)
    noise = scan.noise
    if noise is None:
        raise NotApplicableError("there are no classes, or fewer than 100 different rows")
    if noise.error == 0:
        return None
    by_share = min(noise.wrong / WRONG, noise.ratio / WRONG_RATIO)
    has_learned = noise.error < LEARNED * noise.trivial_error
    by_error = min(noise.lower / NOISY, noise.confident_error / noise.error / OF_ALL) if has_learned else 0.0
    if max(by_share, by_error) < 1:
        return None
    is_sure = noise.ratio >= SURE_RATIO or (by_error >= 1 and noise.lower >= SURE_NOISE)
    if scan.is_pictures and (by_share < 1 or not is_sure):
        return None
    rows = rows_named(scan, noise.rows[:5])
    share = f", as about {percent(noise.wrong)} wrong labels would give" if by_share >= 1 else ""
    return Finding(
        severity="warning" if by_share >= 1 and is_sure else "info",
        what=f"labels contradict each other or classes overlap: of the quarter of the {scan.kind} that are surest, "
        f"{percent(noise.confident_error)} are labelled otherwise (of all rows {percent(noise.error)}){share}; "
        f"least believed are {rows}{counting(scan)}",
        why=f"A network can only learn such {scan.kind} by heart, and no score can be better than the labels.",
        advice=(
            Action(words="keep such labels from being learned by heart", parameters=_calmer(case)),
            Action(words=f"look at the {scan.kind} named; correct labels that are wrong"),
        ),
        evidence={
            "confident_error": noise.confident_error, "lower_bound": noise.lower, "error": noise.error,
            "wrong_labels": noise.wrong, "likelihood_ratio": noise.ratio, "rows": noise.n_rows,
        },
        confidence=confidence("DA601", by_share if by_share >= 1 else by_error**0.5),
    )  # fmt: skip


def _calmer(case: Case) -> dict[str, Any]:
    alpha = case.settings.get("alpha")
    stronger = {} if alpha is None else {"alpha": max(10 * float(alpha), 1e-3)}
    return {**stronger, "early_stopping": True}


@check("DA602", "contradicting labels", silences=("LC203",), source="rows with equal inputs")
def check_contradicting_labels(case: Case) -> Finding | None:
    """Report rows whose inputs are equal and whose classes are not.

    Notes
    -----
    **Rule.** At least 2 % of the rows (and four) have a twin with another class. A warning where the twins are copies
    (see DA403) and at least 1 % of all rows must come out wrong; otherwise for information: it is a bound on every
    model's accuracy.

    **Fires on** a questionnaire that was filled in twice with different answers. **Silent on** tables whose rows
    differ.

    Of pictures and sounds also, for information, where at least two pairs that show the same (see DA402) have different
    classes.

    **Limits.** Ids count as no input, texts do.
    """
    scan = scan_of(case)
    found = scan.contradictions
    if found is None:
        raise NotApplicableError("there are no classes")
    if len(scan.alike_classes) >= 2 and found.share < CONTRADICTING:
        return _alike_of_two_classes(scan)
    if found.n_rows < 4 or found.share < CONTRADICTING:
        return None
    n_rows = round(found.n_rows / found.share)
    best = 1 - found.n_wrong / n_rows
    pairs = ", ".join(_two(scan, some, other) for some, other in found.examples[:3])
    return Finding(
        severity="warning" if found.copied >= 0.7 and best < 0.99 else "info",
        what=f"{counted(found.n_rows, noun_of(scan))} ({percent(found.share)}) have a twin with another class, such as "
        f"{pairs}{counting(scan)}; no model can be right about more than {100 * best:.1f} % of all {scan.kind}",
        why="Equal inputs give equal predictions.",
        advice=(_for_contradictions(scan),),
        evidence={"rows": found.n_rows, "share": found.share, "best_accuracy": best},
        confidence=confidence("DA602", found.share / CONTRADICTING),
    )


def _two(scan: Scan, some: int, other: int) -> str:
    if scan.files:
        return f"{row_named(scan, some)} and {row_named(scan, other)}"
    return f"{scan.kind} {some + 1} and {other + 1}"


def _for_contradictions(scan: Scan) -> Action:
    if scan.is_pictures:
        return Action(words="look at them; correct the labels, or leave them out")
    return Action(words="add a column that tells them apart, or correct the labels")


def _alike_of_two_classes(scan: Scan) -> Finding:
    """Tell of pictures that show the same and have different classes."""
    pairs = scan.alike_classes
    shown = ", ".join(_two(scan, first, again) for again, first in pairs[:3])
    return Finding(
        severity="info",
        what=f"{len(pairs)} pairs of {scan.kind} show the same and have different classes, such as {shown}"
        f"{counting(scan)}",
        why="Nearly equal inputs give nearly equal predictions.",
        advice=(_for_contradictions(scan),),
        evidence={"pairs": len(pairs)},
        confidence=confidence("DA602", len(pairs) / 2),
    )


@check("DA501", "imbalance", source="share of the rarest class against an even share")
def check_imbalance(case: Case) -> Finding | None:
    """Report a class that has less than a quarter of an even share of the rows.

    Rare alone is no harm: whether the class is found is for DA502 to say. A warning only where fewer than ten rows are
    left to learn it from.

    Notes
    -----
    **Rule.** Rows of the rarest class < 0.25 / (number of classes) of all.

    **Fires on** 2 frauds in 100 payments. **Silent on** three classes with 20 % and more.

    **Limits.** Says nothing of targets of numbers.
    """
    counts = {name: count for name, count in scan_of(case).class_counts.items() if count}
    if len(counts) < 2:
        raise NotApplicableError("there are no classes")
    total, rarest = sum(counts.values()), min(counts, key=lambda name: counts[name])
    share = counts[rarest] / total
    strength = RARE / len(counts) / share
    if strength <= 1:
        return None
    return Finding(
        severity="warning" if counts[rarest] < FEW_OF_A_CLASS else "info",
        what=f"the class {rarest} has {counts[rarest]} of {total} {scan_of(case).kind} ({percent(share)})",
        why="A model that never says so is right nearly always; accuracy says little.",
        advice=_for_rare_classes(case, len(counts)),
        evidence={"share": share, "rows": counts[rarest], "classes": len(counts)},
        confidence=0.995,
    )


def _for_rare_classes(case: Case, n_classes: int) -> tuple[Action, ...]:
    settings = case.settings
    if any(settings.get(name) is not None for name in ("class_weight", "resample", "threshold")):
        return (Action(words="judge by average precision or balanced accuracy, not by accuracy"),)
    weigh = Action(words="give each class the same weight in total", parameters={"class_weight": "balanced"})
    if n_classes > 2:
        return (weigh, Action(words="judge by balanced accuracy, not by accuracy"))
    decide = Action(words="choose where to decide by the F1 score", parameters={"threshold": "f1"})
    return (decide, weigh, Action(words="judge by average precision, not by accuracy"))
