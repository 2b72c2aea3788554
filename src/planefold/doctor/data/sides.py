"""The checks of the split: rows on both sides, sides that differ, an order that was ignored."""

from __future__ import annotations

import math
from collections.abc import Sequence

from planefold.core.errors import listed
from planefold.core.records import counted
from planefold.data.parsing import number_text
from planefold.doctor.case import Case
from planefold.doctor.check import NotApplicableError, check
from planefold.doctor.confidence import confidence
from planefold.doctor.data.words import named, noun_of, percent, row_named, scan_of
from planefold.doctor.finding import Action, Finding
from planefold.doctor.scan import Overlap, Scan

SHARED_ROWS = 0.02  # share of the held-out rows from which a leak makes the score wrong, not only flattered
SHIFT_AUC, SHIFT_Z = 0.05, 3.5  # above one half; standard errors
COLUMN_DISTANCE, COLUMN_P = 0.10, 1e-4
LABEL_DISTANCE, LABEL_P = 0.05, 1e-3
SORTED, ALIKE, ALIKE_Z = 0.9, 0.3, 5.0


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
    **Rule.** Any of these: a group (``groups=``) has rows on both sides; at least 1 % and two of the held-out rows
    equal a training row (inputs and target) and columns agreeing by chance do not explain it; held-out rows have an
    equal training row more often than training rows have, by 4.5 standard errors. Or, of up to 500 held-out rows,
    so many have a nearest training row that is nearer than chance puts it, given how densely rows lie around it: 1.5 %
    nearer than in one row of a thousand (significant against 1 %), 20 % nearer than in three of a hundred
    (significant against 10 %), or 1 % nearer than in one of ten million. Or 5 % of them have the very target of their
    nearest training row, a number, five times as often as of rows ten places further, and twice as often as these are
    further away. Or, of up to 1,000 held-out pictures or sounds, two and 1 % show what a training one shows: gain,
    offset and a shift by up to a pixel and a half leave 0.15 of what they leave with the middle one of the 20 nearest,
    or less.

    An error from 2 % of the held-out rows, but a warning where copies (rows with equal inputs) are most of what is
    on both sides and are no more frequent there than inside the training part, by three standard errors: the table
    has copies then, and a random split dealt them. Without a split the rows
    that a random one would hold out are looked at, for a warning.

    **Fires on** slices of one head in the training and in the test pictures; measurements repeated on one house;
    training rows that were appended to the test file; a table in which every fifth row was entered twice.

    **Silent on** tables of few coarse columns, in which rows coincide by chance; mixtures, long tails, curved
    surfaces; copies that all lie on one side.

    **Limits.** Near copies are looked for among numbers (and pictures) only, and need two columns with ten different
    values and 40 rows to learn from. Rows of one thing that lie no nearer to each other than to those of other things
    cannot be seen where classes are predicted: say ``groups=``.

    References
    ----------
    Levina and Bickel, "Maximum Likelihood Estimation of Intrinsic Dimension", NeurIPS 2004.
    Simard, LeCun and Denker, "Efficient Pattern Recognition Using a New Transformation Distance", NeurIPS 1993.
    Kapoor and Narayanan, "Leakage and the reproducibility crisis in machine-learning-based science", Patterns 2023.
    """
    scan = scan_of(case)
    found = scan.overlap
    if found is None:
        raise NotApplicableError("no rows are held out, and there are too few to try a split")
    if not found.is_leak:
        return None
    is_given = scan.n_val > 0
    is_error = is_given and found.is_beyond_copies and (found.share >= SHARED_ROWS or found.n_shared_groups > 0)
    what = "; ".join(_shared(found, f"held-out {scan.kind}"))
    example = _examples(scan, found.examples[:3])
    things = "person, picture, house" if scan.kind == "rows" else "patient, speaker, place"
    apart = Action(words=f"split so that {scan.kind} of one thing ({things}) stay on one side: {_groups(scan)}")
    once = Action(words="leave out copies before the split")
    return Finding(
        severity="error" if is_error else "warning",
        what=what + example if is_given else f"of a random split, {what}",
        why="What was learned by heart passes for what was understood: new rows will be predicted worse than these.",
        advice=(apart, once) if found.is_beyond_copies else (once, apart),
        evidence={
            "equal_rows": found.n_equal, "near_rows": found.n_near, "share": found.share, "held_out": found.n_val,
            "same_target": found.near.n_same_target if found.near else 0, "shared_groups": found.n_shared_groups,
            "looked_at": found.near.n_looked_at if found.near else 0,
            "alike": found.alike.n_alike if found.alike else 0,
        },
        confidence=confidence("DA402", found.strength),
    )  # fmt: skip


def _examples(scan: Scan, pairs: Sequence[tuple[int, int]]) -> str:
    """Name some held-out rows with those that were learned from; of a split that was only tried they say nothing."""
    if not pairs or not scan.n_val:
        return ""
    if scan.files:
        told = (f"{row_named(scan, row, held_out=True)} and {row_named(scan, other)}" for row, other in pairs)
        return f" (such as {', '.join(told)})"
    numbers = ", ".join(f"{row + 1} and {other + 1}" for row, other in pairs)
    return f" (such as held-out and training {noun_of(scan)} {numbers}, each counted from 1)"


def _groups(scan: Scan) -> str:
    """Say how groups are given, where the names of files show them."""
    groups = scan.name_groups
    return "groups=" if groups is None or groups.strength < 1 else f'groups=r"{groups.rule}"'


def _shared(found: Overlap, rows: str) -> list[str]:
    """Tell what is on both sides."""
    texts = []
    if found.n_shared_groups:
        have = "has" if found.n_shared_groups == 1 else "have"
        texts.append(f"{counted(found.n_shared_groups, 'group')} {have} rows on both sides")
    if found.n_twins:
        aside = f" ({found.n_twins} if the target is left aside)" if found.n_twins > found.n_equal else ""
        inside = "" if found.is_beyond_copies else ", no more than a random split of a table with copies gives"
        texts.append(f"{found.n_equal} of {found.n_val} {rows} equal one that was learned from{aside}{inside}")
    if found.alike is not None and found.alike.n_alike:
        texts.append(
            f"{found.alike.n_alike} of {found.alike.n_looked_at} {rows} show what one learned from shows, brighter, "
            "shifted or written anew"
        )
    near = found.near
    if near is None:
        return texts
    looked_at = f"of {near.n_looked_at} {rows}"
    if near.strength_of_few >= 1 or (near.strength >= 1 and near.n_certain):
        texts.append(f"{near.n_near} {looked_at} lie nearer to one learned from than chance puts one in 1,000")
    elif near.strength >= 1:
        texts.append(f"{near.n_rather_near} {looked_at} lie nearer to one learned from than chance puts 3 in 100")
    if near.strength_of_targets >= 1:
        texts.append(
            f"{near.n_same_target} {looked_at} have the very target of the nearest one learned from, and only "
            f"{percent(near.same_target_by_chance)} that of one ten places further"
        )
    return texts


@check(
    "DA404",
    "one thing on both sides",
    silences=("LC602",),
    source="names of files, and how often the nearest one of the same class is of the same group",
)
def check_groups_in_names(case: Case) -> Finding | None:
    """Report files of one patient, speaker or place on both sides of the split, as their names show them.

    A network that has seen a patient knows the next picture of him. What is asked for is most often a new patient.

    Notes
    -----
    **Rule.** The folder inside the folder of the class, or the first, the first two or the first three words of a name
    (parted by ``_``, ``-`` or a blank) group the files: all have one, there are at least six groups and two for each
    class, none has more than 40 % of the files, and half of the files are not alone. Groups have files on both
    sides. And what a group holds is alike: of up to 500 held-out files of such groups, the nearest training file of
    the same class is of the same group twice as often as one drawn at random would be, by four standard errors.
    An error from 2 % of the held-out files. Without a split a random one is tried, for a warning.

    **Fires on** words of one speaker in training and test, by ``ab12_go_1.wav``. **Silent on** names that only count;
    on splits between speakers; on prefixes that say nothing about what is in the file, such as a date.

    **Limits.** Not asked where ``groups=`` is given. Groups whose files are no more alike than others are not seen;
    prefixes that name a kind of thing (a breed of dogs) look like groups.
    """
    scan = scan_of(case)
    if not scan.files:
        raise NotApplicableError("the names of files are not known")
    groups = scan.name_groups
    if groups is None:
        raise NotApplicableError("the names of files show no groups, or groups are given")
    if not groups.n_shared or groups.strength < 1:
        return None
    n_val = scan.n_val or (scan.overlap.n_val if scan.overlap is not None else 0)
    share = groups.n_val_shared / max(n_val, groups.n_val_shared)
    has = "has" if groups.n_shared == 1 else "have"
    what = (
        f"{groups.n_shared} of {groups.n_groups} groups that the names show (such as {listed(groups.examples[:3])}) "
        f"{has} {scan.kind} on both sides{_examples(scan, groups.pairs[:2])}; the nearest {noun_of(scan)} learned from "
        f"is of the same group for {percent(groups.nearest_share)}, by chance {percent(groups.by_chance)}"
    )
    return Finding(
        severity="error" if scan.n_val and share >= SHARED_ROWS else "warning",
        what=what if scan.n_val else f"of a random split, {what}",
        why="What was learned of a patient or speaker is not there for a new one: the score promises too much.",
        advice=(Action(words=f"keep each group on one side: {_groups(scan)} in fit, and in the split"),),
        evidence={
            "shared_groups": groups.n_shared, "groups": groups.n_groups, "held_out": groups.n_val_shared,
            "nearest": groups.nearest_share, "by_chance": groups.by_chance, "z": groups.z,
        },
        confidence=confidence("DA404", groups.strength),
    )  # fmt: skip


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
    copies would give a side away. The columns of pictures and sounds are their brightness and their contrast, and
    where groups are given or the names of files show them (DA404), groups are counted and not files.

    **Fires on** rows of another year, another device, another unit. **Silent on** random splits, and on splits by
    group of many groups.

    **Limits.** Needs 30 rows on either side. A small difference that many columns share may be missed.
    """
    scan = scan_of(case)
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
    trees = f"trees tell them apart (AUC {shift.auc:.2f}, z = {shift.z:.1f}), " if by_trees >= 1 else ""
    none = "not in how bright or full of contrast they are" if scan.kind == "pictures" else "in no single column"
    none = "not in how loud they are" if scan.kind == "sounds" else none
    where = f"most in {columns}" if columns else none
    return Finding(
        severity="warning",
        what=f"held-out {scan.kind} differ from those learned from: {trees}{where}",
        why=f"The score speaks of other {scan.kind} than those that were learned; new ones may be like either.",
        advice=(
            Action(
                words=f"find out what changed (time, place, device); learn from {scan.kind} like those to be predicted"
            ),
            Action(words="if it is an accident of the split, split at random"),
        ),
        evidence={"auc": shift.auc, "z": shift.z, "p_column": shift.p, "columns": len(shift.columns)},
        confidence=confidence("DA701", strength),
        where=f"column {shift.columns[0]}" if shift.columns and not scan.is_pictures else "",
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
    shift = scan_of(case).label_shift
    if shift is None:
        raise NotApplicableError("no rows are held out, or there is no target")
    strength = min(shift.distance / LABEL_DISTANCE, _log_ratio(shift.p, LABEL_P))
    if strength < 1 and not shift.only_val:
        return None
    name, before, after = shift.shares[0]
    is_class = bool(scan_of(case).class_counts)
    numbers = (percent(before), percent(after)) if is_class else (number_text(before), number_text(after))
    what = f"the share of {name}" if is_class else name
    new = f"; {named(shift.only_val, 'class', 'classes')} occur only among the held-out rows" if shift.only_val else ""
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
    scan = scan_of(case)
    order = scan.order
    if order is None:
        raise NotApplicableError("there is no target, or there are fewer than 30 rows")
    if order.held_out_is_end:
        return _sorted_finding(
            order.sortedness, "warning", "the rows are sorted by the target, and those held out are one end"
        )
    if order.sortedness > SORTED and not order.time:
        # With a split that took its rows from everywhere, sorted rows are no harm; and folders are always sorted.
        what = "the rows are sorted by the target"
        return None if scan.n_val or scan.files else _sorted_finding(order.sortedness, "info", what)
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


def _log_ratio(p: float, limit: float) -> float:
    return math.log(max(p, 1e-300)) / math.log(limit)
