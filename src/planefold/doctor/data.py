"""The checks of the data (DA...). Each is one function of a case: a finding, or None.

What they judge was measured by :func:`planefold.doctor.scan.scan`. Rows in messages are counted from 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from planefold.core.errors import listed
from planefold.core.records import counted
from planefold.data.parsing import number_text
from planefold.doctor.case import Case
from planefold.doctor.check import NotApplicableError, check
from planefold.doctor.confidence import confidence
from planefold.doctor.finding import Action, Finding
from planefold.doctor.scan import Outliers, Scan

ROWS_A_COLUMN = 5
PARAMETERS_A_ROW = 50
SHARED_ROWS = 0.02  # share of the held-out rows from which a leak makes the score wrong, not only flattered
COPIES, MANY_COPIES = 0.01, 0.05  # shares of the rows
CONTRADICTING = 0.02  # share of the rows
RARE = 0.25  # of an even share
FEW_OF_A_CLASS = 10  # rows
WRONG, WRONG_RATIO, SURE_RATIO = 0.04, 2.0, 10.0  # share of wrong labels; twice the log likelihood ratio, for a warning
NOISY, OF_ALL, LEARNED = 0.04, 0.5, 0.9  # error of the surest quarter; of the error of all; of guessing
SHIFT_AUC, SHIFT_Z = 0.05, 3.5  # above one half; standard errors
COLUMN_DISTANCE, COLUMN_P = 0.10, 1e-4
LABEL_DISTANCE, LABEL_P = 0.05, 1e-3
SORTED, ALIKE, ALIKE_Z = 0.9, 0.3, 5.0


# ----------------------------------------------------------------------------------------- results that are worthless


@check(
    "DA402",
    "rows on both sides",
    silences=("DA403", "LC602"),
    source="neighbour distances against the local density of the rows; Levina and Bickel, NeurIPS 2004",
)
def check_rows_on_both_sides(case: Case) -> Finding | None:
    """Report held-out rows that are, exactly or nearly, among the rows that were learned from.

    A network that has seen a row gets its copy right without having learned anything; the score then promises what
    new rows will not keep.

    Notes
    -----
    **Rule.** Any of these, where a split is given: at least 1 % and two of the held-out rows equal a training row
    (inputs and target) and columns agreeing by chance do not explain it; held-out rows have an equal training row
    more often than training rows have, by 4.5 standard errors; more than 1.5 % of up to 500 held-out rows have a
    nearest training row that is nearer than chance puts it in one row of a thousand, given how densely rows lie
    around it (significant against 1 %); 1 % have one that chance puts there in one of ten million; a group
    (``groups=``) has rows on both sides. Without a split the rows that a random one would hold out are looked at,
    and the finding is a warning.

    **Fires on** slices of one head in the training and in the test pictures; a table in which every fifth
    row was entered twice and the copies were dealt at random; measurements repeated on one wine.

    **Silent on** tables of few coarse columns, in which rows coincide by chance; mixtures, long tails, curved
    surfaces; copies that all lie on one side.

    **Limits.** Near copies are looked for among numbers (and pictures) only, and need two columns with ten different
    values and 40 rows to learn from. Groups whose rows are as far apart as any two rows cannot be seen: say
    ``groups=``.

    References
    ----------
    Levina and Bickel, "Maximum Likelihood Estimation of Intrinsic Dimension", NeurIPS 2004.
    Kapoor and Narayanan, "Leakage and the reproducibility crisis in machine-learning-based science", Patterns 2023.
    """
    scan = _scan(case)
    found = scan.overlap
    if found is None:
        raise NotApplicableError("no rows are held out, and there are too few to try a split")
    if not found.is_leak:
        return None
    is_given = scan.n_val > 0
    kinds = []
    if found.n_shared_groups:
        kinds.append(f"{counted(found.n_shared_groups, 'group')} have rows on both sides")
    if found.n_equal:
        kinds.append(f"{found.n_equal} of {found.n_val} held-out rows equal a row that was learned from")
    if found.n_near:
        seen = "held-out pictures" if scan.is_pictures else "held-out rows"
        kinds.append(
            f"{found.n_near} of {found.n_looked_at} {seen} lie nearer to one learned from than chance puts them"
        )
    what = "; ".join(kinds)
    pairs = ", ".join(f"{row + 1} and {other + 1}" for row, other in found.examples[:3])
    example = f" (held-out and training row {pairs})" if pairs and is_given else ""
    return Finding(
        severity="error" if is_given and (found.share >= SHARED_ROWS or found.n_shared_groups) else "warning",
        what=what + example if is_given else f"of a random split, {what}",
        why="What was learned by heart passes for what was understood: new rows will be predicted worse than these.",
        advice=(
            Action(words="split so that rows of one thing (person, picture, house) stay on one side: groups="),
            Action(words="leave out copies before the split"),
        ),
        evidence={
            "equal_rows": found.n_equal, "near_rows": found.n_near, "looked_at": found.n_looked_at,
            "shared_groups": found.n_shared_groups, "share": found.share, "held_out": found.n_val,
        },
        confidence=confidence("DA402", found.strength),
    )  # fmt: skip


@check("DA401", "target leak", source="one column alone, judged by a small tree on rows that it did not see")
def check_target_leak(case: Case) -> Finding | None:
    """Report a column that gives the target away, by its values or by where it has none.

    Such a column is most often the target under another name, or was written after the target was known. It will
    not be there when the model is used.

    Notes
    -----
    **Rule.** A tree of at most 32 leaves on one column alone predicts halves of the rows that it did not see: 98 % of
    the way from guessing to perfect balanced accuracy, or 99 % of the variance of the ranks of a target of numbers;
    and the best of the other columns leaves at least four times as much open, and 12 %.

    **Fires on** the target in another unit; ``status = "closed"`` where the target is ``resolved``; a date of
    discharge that is missing for those who stayed.

    **Silent on** iris, where two petal columns are nearly as good as each other; a price that mostly follows the area.

    **Limits.** A target that truly is a function of one column looks the same; tables of less than three columns or
    40 rows are not judged. A leak that takes two columns together is not seen.
    """
    scan = _scan(case)
    leak = scan.leak
    if leak is None:
        raise NotApplicableError("there is no target, or there are fewer than 40 rows or three columns")
    if leak.n_leaks == 0:
        return None
    names, skill = leak.names[: leak.n_leaks], leak.skills[0]
    alone = "tells" if len(names) == 1 else "each tell"
    strength = (1 - leak.next_best) / max(4 * (1 - skill), 0.12)
    return Finding(
        severity="error",
        what=f"{_columns(names)} alone {alone} {_percent(skill)} of the target, "
        f"the next best {_percent(leak.next_best)}",
        why="A column that knows the target before it is predicted will not be there, or not be right, for new rows.",
        advice=(Action(words=f"leave out {listed(names, limit=3)}, unless it is known before the target is"),),
        evidence={"told": skill, "next_best": leak.next_best, "columns": len(names)},
        confidence=confidence("DA401", strength),
        where=f"column {names[0]}",
    )


# ---------------------------------------------------------------------------------------------------- rows and labels


@check("DA403", "duplicated rows", source="equal rows against rows that are equal but for one cell")
def check_duplicated_rows(case: Case) -> Finding | None:
    """Report rows that are in the table several times, and not because its columns are coarse.

    Copies count double in training, and a random split puts them on both sides.

    Notes
    -----
    **Rule.** At least 1 % of the rows (and two) repeat an earlier one, target included, and the share of pairs that
    agree everywhere among those that agree everywhere but in one column cannot come from columns that agree by
    chance (0.7 of the way from chance to copies, on a scale of logarithms). A warning from 5 %.

    **Fires on** red wines, of which 240 of 1,599 rows are copies. **Silent on** passengers of one class, age and fare.

    **Limits.** Columns that depend strongly on each other make chance look like copying.
    """
    repeats = _scan(case).repeats
    if not repeats.are_copies or repeats.n_surplus < 2 or repeats.share < COPIES:
        return None
    pairs = ", ".join(f"row {again + 1} = row {first + 1}" for again, first in repeats.examples[:3])
    return Finding(
        severity="warning" if repeats.share >= MANY_COPIES else "info",
        what=f"{counted(repeats.n_surplus, 'row')} ({repeats.share:.0%}) repeat an earlier one: {pairs}",
        why="Copies count double in training, and a random split puts them on both sides.",
        advice=(
            Action(
                words="leave out the copies, or give sample_weight; if they are repeated measurements, split by groups="
            ),
        ),
        evidence={"repeats": repeats.n_surplus, "share": repeats.share, "copied": repeats.copied},
        confidence=confidence("DA403", repeats.copied / 0.7 * min(repeats.share / COPIES, 2.0)),
    )


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
    sure, wrong labels nowhere. It speaks where a share of wrong labels above 4 % explains the errors better than
    overlap does (twice the log likelihood ratio above 2; a warning from 10); or, for information, where of the
    quarter of the rows that are surest more than 4 % are labelled otherwise (lower 95 % bound), at least half of the
    rate among all rows, in a problem that the model solves with at most nine tenths of the errors of guessing.

    **Fires on** a table in which one label in seven was entered wrongly. **Silent on** classes that touch, and on
    rare ones.

    **Limits.** Outcomes that are random everywhere, as of a dice, cannot be told from wrong labels. Needs 100 rows
    and classes.

    References
    ----------
    Northcutt, Jiang and Chuang, "Confident Learning", JAIR 2021.
    """
    noise = _scan(case).noise
    if noise is None:
        raise NotApplicableError("there are no classes, or fewer than 100 different rows")
    if noise.error == 0:
        return None
    by_share = min(noise.wrong / WRONG, noise.ratio / WRONG_RATIO)
    has_learned = noise.error < LEARNED * noise.trivial_error
    by_error = min(noise.lower / NOISY, noise.confident_error / noise.error / OF_ALL) if has_learned else 0.0
    if max(by_share, by_error) < 1:
        return None
    rows = listed((row + 1 for row in noise.rows), limit=5)
    share = f", as about {noise.wrong:.0%} wrong labels would give" if by_share >= 1 else ""
    return Finding(
        severity="warning" if by_share >= 1 and noise.ratio >= SURE_RATIO else "info",
        what="labels contradict each other or classes overlap: of the quarter of the rows that are surest, "
        f"{noise.confident_error:.0%} are labelled otherwise (of all rows {noise.error:.0%}){share}; "
        f"least believed are rows {rows}",
        why="A network can only learn such rows by heart, and no score can be better than the labels.",
        advice=(
            Action(words="keep such labels from being learned by heart", parameters=_calmer(case)),
            Action(words="look at the rows named; correct labels that are wrong"),
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

    **Limits.** Ids count as no input, texts do.
    """
    found = _scan(case).contradictions
    if found is None:
        raise NotApplicableError("there are no classes")
    if found.n_rows < 4 or found.share < CONTRADICTING:
        return None
    n_rows = round(found.n_rows / found.share)
    best = 1 - found.n_wrong / n_rows
    pairs = ", ".join(f"rows {some + 1} and {other + 1}" for some, other in found.examples[:3])
    return Finding(
        severity="warning" if found.copied >= 0.7 and best < 0.99 else "info",
        what=f"{counted(found.n_rows, 'row')} ({found.share:.0%}) have a twin with another class, such as {pairs}; "
        f"no model can be right about more than {best:.1%} of these rows",
        why="Equal inputs give equal predictions.",
        advice=(Action(words="add a column that tells them apart, or correct the labels"),),
        evidence={"rows": found.n_rows, "share": found.share, "best_accuracy": best},
        confidence=confidence("DA602", found.share / CONTRADICTING),
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
    counts = {name: count for name, count in _scan(case).class_counts.items() if count}
    if len(counts) < 2:
        raise NotApplicableError("there are no classes")
    total, rarest = sum(counts.values()), min(counts, key=lambda name: counts[name])
    share = counts[rarest] / total
    strength = RARE / len(counts) / share
    if strength <= 1:
        return None
    return Finding(
        severity="warning" if counts[rarest] < FEW_OF_A_CLASS else "info",
        what=f"the class {rarest} has {counts[rarest]} of {total} rows ({_percent(share)})",
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


# --------------------------------------------------------------------------------------------------------- the split


@check(
    "DA701",
    "inputs shifted",
    silences=("LC501", "LC602"),
    source="Rabanser, Guennemann and Lipton, 'Failing Loudly', NeurIPS 2019: classifier and univariate tests",
)
def check_inputs_shifted(case: Case) -> Finding | None:
    """Report held-out rows whose inputs are distributed otherwise than those to learn from.

    Notes
    -----
    **Rule.** Trees that did not see a row tell its side with an area under the curve above 0.55 and 3.5 standard
    errors above 0.5; or a column differs: Kolmogorov's distance (categories: total variation) above 0.1 with a
    probability below 1e-4 by chance, times the number of columns. Of equal and nearly equal rows one is kept: their
    copies would give a side away.

    **Fires on** rows of another year, another device, another unit. **Silent on** random splits, and on splits by
    group of many groups.

    **Limits.** Needs 30 rows on either side. A small difference that many columns share may be missed.
    """
    scan = _scan(case)
    shift = scan.shift
    if shift is None:
        raise NotApplicableError("no rows are held out, or fewer than 30 on one side")
    by_trees = min((shift.auc - 0.5) / SHIFT_AUC, shift.z / SHIFT_Z)
    by_column = 0.0
    if shift.columns:
        by_column = min(max(shift.distances) / COLUMN_DISTANCE, _log_ratio(shift.p, COLUMN_P))
    strength = max(by_trees, by_column)
    if strength < 1:
        return None
    columns = listed(
        (f"{name} ({distance:.2f})" for name, distance in zip(shift.columns, shift.distances, strict=True)), limit=3
    )
    where = f"most in {columns}" if columns else "in no single column"
    return Finding(
        severity="warning",
        what=f"held-out rows differ from those learned from: trees tell them apart "
        f"(AUC {shift.auc:.2f}, z = {shift.z:.1f}), {where}",
        why="The score then speaks of other rows than those that were learned, and of which will new rows be?",
        advice=(
            Action(words="find out what changed (time, place, device); learn from rows like those to be predicted"),
            Action(words="if it is an accident of the split, split at random"),
        ),
        evidence={"auc": shift.auc, "z": shift.z, "p_column": shift.p, "columns": len(shift.columns)},
        confidence=confidence("DA701", strength),
        where=f"column {shift.columns[0]}" if shift.columns else "",
    )


@check(
    "DA702",
    "labels shifted",
    silences=("LC501", "LC602"),
    source="chi-squared and Kolmogorov-Smirnov tests of the target",
)
def check_labels_shifted(case: Case) -> Finding | None:
    """Report a target that is distributed otherwise in the held-out rows.

    Notes
    -----
    **Rule.** Total variation of the classes (Kolmogorov's distance of numbers) above 0.05 with a probability below
    0.001 by chance; or a class that the rows to learn from do not have.

    **Fires on** the last rows of a table that is sorted by price. **Silent on** stratified and random splits.

    **Limits.** Needs ten rows on either side.
    """
    shift = _scan(case).label_shift
    if shift is None:
        raise NotApplicableError("no rows are held out, or there is no target")
    strength = min(shift.distance / LABEL_DISTANCE, _log_ratio(shift.p, LABEL_P))
    if strength < 1 and not shift.only_val:
        return None
    name, before, after = shift.shares[0]
    is_class = bool(_scan(case).class_counts)
    numbers = (_percent(before), _percent(after)) if is_class else (number_text(before), number_text(after))
    what = f"the share of {name}" if is_class else name
    new = f"; {_columns(shift.only_val, 'class')} occur only among the held-out rows" if shift.only_val else ""
    return Finding(
        severity="warning",
        what=f"the target differs between the sides: {what} is {numbers[0]} in training and {numbers[1]} held out{new}",
        why="Part of the error is then the split's, not the network's.",
        advice=(Action(words="split at random and, with classes, stratified; or keep the order of time on purpose"),),
        evidence={"distance": shift.distance, "p": shift.p, "new_classes": len(shift.only_val)},
        confidence=confidence("DA702", max(strength, 1.0)),
    )


@check(
    "DA801",
    "order ignored",
    silences=("DA701", "DA702", "LC501", "LC602"),
    source="Wald and Wolfowitz, 1940 (runs); lag-1 rank correlation",
)
def check_order_ignored(case: Case) -> Finding | None:
    """Report rows that stand in an order which the split ignores.

    Two mistakes: rows sorted by the target, of which the last are held out; and rows that follow each other in time,
    dealt at random, so that the rows before and after a held-out one were learned.

    Notes
    -----
    **Rule.** Sorted: for classes, nine tenths fewer changes from row to row than in a random order; for numbers, a rank
    correlation above 0.9 with the row's number. A warning where the held-out rows are that table's end; for
    information where no split is given. In time: the target's rank correlation with the row before (as the rows
    stand, or by ``time=`` or a column of dates) above 0.3 and five standard errors. A warning where held-out rows
    lie between those to learn from, or where no split is given (a random one would do that); nothing where the last
    rows are held out.

    **Fires on** a file with all reds before all blues; a daily series split at random. **Silent on** shuffled rows;
    on a series whose last rows are held out.

    **Limits.** Of a random split whose order of rows is lost, only ``time=`` or a column of dates tells.
    """
    scan = _scan(case)
    order = scan.order
    if order is None:
        raise NotApplicableError("there is no target, or there are fewer than 30 rows")
    if order.held_out_is_end:
        return _sorted_finding(
            order.sortedness, "warning", "rows are sorted by the target, and the held-out ones are an end"
        )
    if order.sortedness > SORTED and not order.time:
        # With a split that took its rows from everywhere, sorted rows are no harm.
        what = "the rows are sorted by the target"
        return None if scan.n_val else _sorted_finding(order.sortedness, "info", what)
    strength = min(order.alike / ALIKE, order.z / ALIKE_Z)
    if strength < 1 or order.is_mixed is False or (order.is_mixed is None and scan.n_val):
        return None
    by = f"in the order of {order.time}, " if order.time else ""
    mixed = "held-out rows lie between those learned from" if order.is_mixed else "a random split would mix them"
    return Finding(
        severity="warning",
        what=f"{by}rows that follow each other are alike (correlation of the target {order.alike:.2f}), and {mixed}",
        why="Between two rows that were learned, a row is easy to guess; what comes after the last one is not.",
        advice=(Action(words="hold out the latest rows: split_rows(..., times=), or pass them as validation_data"),),
        evidence={"alike": order.alike, "z": order.z},
        confidence=confidence("DA801", strength),
        where=f"column {order.time}" if order.time and order.time != "time" else "",
    )


def _sorted_finding(sortedness: float, severity: str, what: str) -> Finding:
    return Finding(
        severity=severity,
        what=what,
        why="The last rows of such a table are of other classes or sizes than the rest.",
        advice=(Action(words="shuffle the rows before the split, as train_test_split and early_stopping=True do"),),
        evidence={"sortedness": sortedness},
        confidence=confidence("DA801", max(sortedness / SORTED, 1.0) ** 8),
    )


# -------------------------------------------------------------------------------------------------------- the columns


@check("DA202", "constant columns", source="one value in every row")
def check_constant_columns(case: Case) -> Finding | None:
    """Tell which columns have the same value, or none, in every row.

    Notes
    -----
    **Rule.** One value and no gaps, or no value at all. Gaps beside one value do say something.

    **Fires on** ``country = "DE"`` in every row. **Silent on** a flag that is set in one row.

    **Limits.** ``preprocess="auto"`` leaves such columns out by itself; nothing has to be done then.
    """
    columns = _columns_of(case)
    if not columns.constant:
        return None
    return Finding(
        severity="info",
        what=f"{_columns(columns.constant)} {_have(columns.constant)} one value in every row, or none",
        why="What is the same everywhere tells nothing apart.",
        advice=_already_left_out(case, "such columns"),
        evidence={"columns": len(columns.constant)},
        confidence=0.995,
        where=f"column {columns.constant[0]}" if len(columns.constant) == 1 else "",
    )


@check("DA203", "duplicate columns", source="correlation 1, or categories that are one to one")
def check_duplicate_columns(case: Case) -> Finding | None:
    """Tell which columns say the same as an earlier one: equal, in another unit, or with other names.

    Notes
    -----
    **Rule.** Numbers: an absolute correlation of 1 up to one in a million, gaps in the same rows. Few values: one to
    one with those of an earlier column.

    **Fires on** a weight in kilograms and in pounds; a town and its postcode, where each town has one. **Silent on**
    columns that are merely correlated, however strongly.

    **Limits.** Columns in which fewer than five rows differ from the rest are not compared.
    """
    columns = _columns_of(case)
    if not columns.same:
        return None
    pairs = listed((f"{again} repeats {first}" for first, again in columns.same), limit=4)
    return Finding(
        severity="info",
        what=f"{counted(len(columns.same), 'column')} say what another one says: {pairs}",
        why="A column twice is one that the penalty counts for less and that reports divide its importance between.",
        advice=(Action(words=f"leave out {listed((again for _, again in columns.same), limit=4)}"),),
        evidence={"columns": len(columns.same)},
        confidence=0.99,
        where=f"column {columns.same[0][1]}" if len(columns.same) == 1 else "",
    )


@check("DA204", "id-like columns", source="all values different where chance would repeat some")
def check_id_columns(case: Case) -> Finding | None:
    """Tell which columns only number or name the rows.

    Notes
    -----
    **Rule.** Texts that are all different; whole numbers that are all different and have the name of an identifier, or
    among which chance would have made eight equal pairs. A warning where the network receives such a column.

    **Fires on** customer numbers, shuffled or not. **Silent on** a year or a price that happens not to repeat.

    **Limits.** An identifier that repeats (a customer with five rows) is a group: say ``groups=``.
    """
    columns = _columns_of(case)
    if not columns.ids:
        return None
    used = [name for name in columns.ids if name not in columns.ids_left_out]
    what = f"{_columns(columns.ids)} {'tells' if len(columns.ids) == 1 else 'tell'} rows apart and nothing else"
    advice: tuple[Action, ...]
    if used:
        advice = (Action(words=f"leave out {listed(used, limit=4)}; if rows of one thing repeat, give it as groups="),)
    else:
        advice = _already_left_out(case, "identifiers")
    return Finding(
        severity="warning" if used else "info",
        what=what,
        why="What is learned from the number of a row holds for no other row.",
        advice=advice,
        evidence={"columns": len(columns.ids), "used": len(used)},
        confidence=confidence("DA204", 2.0 if used else 4.0),
        where=f"column {columns.ids[0]}" if len(columns.ids) == 1 else "",
    )


@check("DA303", "outliers", source="gaps in robustly scaled columns")
def check_outliers(case: Case) -> Finding | None:
    """Report values that lie far beyond all others of their column, or of the target.

    Notes
    -----
    **Rule.** At most 2 % of a column's values are at least twelve robust standard deviations (interquartile range
    over 1.349) from the median and four times as far as the farthest of the others, a gap that a tail such as this
    column's has with a probability below 1e-4 (Hill's estimate).
    For information where ``preprocess="auto"`` cuts columns off at three deviations; a warning with
    ``preprocess=None``, and for the target, which nothing cuts off.

    **Fires on** 999 among ages; a price in cents among euros. **Silent on** incomes, log-normal and
    t-distributed columns.

    **Limits.** More than 2 % of such values are a second kind of rows, not outliers.
    """
    scan = _scan(case)
    columns = _columns_of(case)
    found = [*columns.outliers, *([scan.target_outliers] if scan.target_outliers else [])]
    if not found:
        return None
    raw = "preprocess" in case.settings and case.settings["preprocess"] is None
    first = found[-1]
    shown = "; ".join(_outlier_text(entry) for entry in found[:3])
    strength = max(min(entry.deviations / 12, entry.deviations / (4 * entry.limit)) for entry in found)
    return Finding(
        severity="warning" if raw or scan.target_outliers else "info",
        what=f"values far from all others: {shown}" + (f" and {len(found) - 3} more columns" if len(found) > 3 else ""),
        why="One such value outweighs hundreds of others in a squared error or a mean.",
        advice=_for_outliers(case, scan, first),
        evidence={"columns": len(found), "rows": sum(entry.n_rows for entry in found), "deviations": first.deviations},
        confidence=confidence("DA303", strength),
        where=f"column {first.column}" if len(found) == 1 and not scan.target_outliers else "",
    )


def _outlier_text(found: Outliers) -> str:
    value = number_text(found.values[0])
    rows = f"row {found.rows[0] + 1}" if found.n_rows == 1 else f"{found.n_rows} rows, the first is {found.rows[0] + 1}"
    return f"{found.column} = {value} ({rows})"


def _for_outliers(case: Case, scan: Scan, found: Outliers) -> tuple[Action, ...]:
    look = Action(words="see whether they are errors; correct them or leave the cells empty")
    if scan.target_outliers and case.settings.get("loss", "squared_error") in ("squared_error", "mean_squared_error"):
        return (Action(words="a loss that few gross errors do not draw", parameters={"loss": "huber"}), look)
    if found.n_equal > 1 and not scan.target_outliers:
        value = number_text(found.values[0])
        return (Action(words=f"if {value} stands for 'not known': TableEncoder(missing_values=[{value}])"), look)
    if "preprocess" in case.settings and case.settings["preprocess"] is None:
        return (Action(words="scale columns robustly", parameters={"preprocess": "auto"}), look)
    return (look,)


@check("DA901", "missing values", source="columns that are almost wholly empty")
def check_missing_values(case: Case) -> Finding | None:
    """Tell which columns have a value in at most one row in ten.

    Notes
    -----
    **Rule.** At least 90 % of the rows have no value. For information: whether there is one may say more than which.

    **Fires on** the quality of the pool in a table of houses. **Silent on** an age that is missing in a fifth.

    **Limits.** Codes such as -999 for "not known" count as values: see DA303.
    """
    columns = _columns_of(case)
    names = [name for name in columns.mostly_missing if name not in columns.constant]
    if not names:
        return None
    shares = listed((f"{name} ({_percent(columns.missing[name])})" for name in names), limit=4)
    return Finding(
        severity="info",
        what=f"{_columns(names, named=False)} {_have(names)} hardly a value, missing in: {shares}",
        why="Little can be learned from the few values; a gap is used as information of its own.",
        advice=(),
        evidence={"columns": len(names), "most": max(columns.missing[name] for name in names)},
        confidence=0.995,
        where=f"column {names[0]}" if len(names) == 1 else "",
    )


@check("DA201", "columns left out", source="the schema of the table")
def check_dropped_columns(case: Case) -> Finding | None:
    """Tell which columns of the table the network does not see, and why.

    Notes
    -----
    **Rule.** Columns that the schema drops; constants and identifiers only where no scan tells them (DA202, DA204).

    **Fires on** names, remarks and other texts of which most are different. **Silent on** tables that are used as a
    whole.

    **Limits.** Says nothing with ``preprocess=None``.
    """
    schema = _schema(case)
    told = ("constant", "empty", "id") if case.scan is not None and case.scan.columns is not None else ()
    dropped = [column for column in schema.columns if column.kind == "drop"]
    dropped = [column for column in dropped if getattr(column, "dropped_as", "") not in told]
    if not dropped:
        return None
    names = ", ".join(f"{column.name} ({column.why})" for column in dropped[:5])
    more = f" and {len(dropped) - 5} more" if len(dropped) > 5 else ""
    return Finding(
        severity="info",
        what=f"{len(dropped)} of {len(schema.columns)} columns are not used: {names}{more}",
        why="A network cannot learn from ids, constants or free text as they are.",
        advice=(
            Action(words=f"preprocess=TableEncoder(types={{{dropped[0].name!r}: 'category'}}) if one should be used"),
        ),
        evidence={"dropped": len(dropped)},
    )


# ---------------------------------------------------------------------------------------------------------- few rows


@check("DA101", "few rows", source="five rows a column")
def check_few_rows(case: Case) -> Finding | None:
    """Report a table with hardly more rows than columns.

    Notes
    -----
    **Rule.** Fewer than five rows to learn from for each column that is used.

    **Fires on** 40 rows of 10 columns. **Silent on** 47 houses with three columns; on pictures, whose
    pixels are no columns.

    **Limits.** Many columns that say the same are fewer than they look.
    """
    n_train, n_columns = _size(case)
    if n_train >= ROWS_A_COLUMN * n_columns:
        return None
    return Finding(
        severity="warning",
        what=f"{n_train} rows to learn from for {n_columns} columns",
        why="With so few rows, many columns fit the target by chance.",
        advice=(Action(words="leave out columns that cannot matter, or get more rows"),),
        evidence={"rows": n_train, "columns": n_columns},
        confidence=confidence("DA101", ROWS_A_COLUMN * n_columns / max(n_train, 1)),
    )


@check("DA102", "few rows for the parameters", source="weights and biases a row")
def check_few_rows_for_the_parameters(case: Case) -> Finding | None:
    """Tell that a network has far more weights than rows.

    That is no harm in itself: penalties, early stopping and the way the steps are taken keep such networks smooth. It
    says that the training loss means nothing and the held-out loss everything.

    Notes
    -----
    **Rule.** More than 50 weights and biases of one member for each row to learn from.

    **Fires on** two layers of 64 units and 40 rows. **Silent on** the same network and 500 rows.

    **Limits.** Counts rows, not what they say.

    References
    ----------
    Belkin, Hsu, Ma and Mandal, "Reconciling modern machine-learning practice and the bias-variance trade-off", 2019.
    """
    run = case.run
    if run is None or not run.n_train:
        raise NotApplicableError("the run is not known")
    ratio = run.n_parameters / run.n_members / run.n_train
    if ratio <= PARAMETERS_A_ROW:
        return None
    early = Action(words="keep the weights that are best on held-out rows", parameters={"early_stopping": True})
    advice = () if case.settings.get("early_stopping") else (early,)
    return Finding(
        severity="info",
        what=f"{ratio:.0f} weights for each of {run.n_train} rows to learn from",
        why="The network can learn every row by heart, so its loss on them says nothing.",
        advice=advice,
        evidence={"parameters_a_row": ratio, "rows": run.n_train},
        confidence=confidence("DA102", ratio / PARAMETERS_A_ROW),
    )


# ------------------------------------------------------------------------------------------------------------ helpers


def _scan(case: Case) -> Scan:
    if case.scan is None:
        raise NotApplicableError("the rows were not looked at")
    return case.scan


def _columns_of(case: Case) -> Any:
    columns = _scan(case).columns
    if columns is None:
        raise NotApplicableError("the rows are pictures, or there are fewer than three")
    return columns


def _schema(case: Case) -> Any:
    if case.schema is not None:
        return case.schema
    if case.scan is None or case.scan.schema is None:
        raise NotApplicableError("the table's columns are not known")
    return case.scan.schema


def _size(case: Case) -> tuple[int, int]:
    """Rows to learn from and columns that are used."""
    if case.scan is not None:
        if case.scan.is_pictures:
            raise NotApplicableError("the rows are pictures")
        return case.scan.n_train, case.scan.n_columns
    if case.schema is None or case.run is None:
        raise NotApplicableError("neither the table's columns nor the run are known")
    return case.run.n_train, sum(column.kind != "drop" for column in case.schema.columns)


def _already_left_out(case: Case, what: str) -> tuple[Action, ...]:
    if "preprocess" in case.settings and case.settings["preprocess"] is None:
        return (Action(words=f"leave {what} out", parameters={"preprocess": "auto"}),)
    return ()


def _columns(names: Sequence[str], noun: str = "column", *, named: bool = True) -> str:
    plural = {"class": "classes"}.get(noun, noun + "s")
    if len(names) == 1:
        return f"{noun} {names[0]}" if named else f"1 {noun}"
    return f"{len(names)} {plural}" + (f" ({_first(names)})" if named else "")


def _first(names: Iterable[str]) -> str:
    return listed(names, limit=4)


def _have(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _percent(share: float) -> str:
    """Write a share so that what is not whole does not look so.

    >>> _percent(0.5), _percent(0.9996), _percent(0.002), _percent(1.0)
    ('50 %', '99.96 %', '0.2 %', '100 %')
    """
    for digits in range(4):
        text = f"{100 * share:.{digits}f}"
        if float(text) not in (0.0, 100.0) or share in (0.0, 1.0):
            return f"{text} %"
    return f"{100 * share:.3g} %"


def _log_ratio(p: float, limit: float) -> float:
    return math.log(max(p, 1e-300)) / math.log(limit)
