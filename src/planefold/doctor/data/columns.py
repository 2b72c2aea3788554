"""The checks of single columns: those that give the target away, say nothing, say it twice, or hold wild values."""

from __future__ import annotations

from planefold.core.errors import listed
from planefold.core.records import counted
from planefold.data.parsing import number_text
from planefold.doctor.case import Case
from planefold.doctor.check import NotApplicableError, check
from planefold.doctor.confidence import confidence
from planefold.doctor.data.words import (
    columns_of,
    counting,
    have,
    left_out_by_itself,
    named,
    percent,
    scan_of,
    schema_of,
)
from planefold.doctor.finding import Action, Finding
from planefold.doctor.scan import Outliers, Scan


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
    scan = scan_of(case)
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
        what=f"{named(names)} alone {alone} {percent(skill)} of the target, the next best {percent(leak.next_best)}",
        why="A column that knows the target before it is predicted will not be there, or not be right, for new rows.",
        advice=(Action(words=f"leave out {listed(names, limit=3)}, unless it is known before the target is"),),
        evidence={"told": skill, "next_best": leak.next_best, "columns": len(names)},
        confidence=confidence("DA401", strength),
        where=f"column {names[0]}",
    )


@check("DA202", "constant columns", source="one value in every row")
def check_constant_columns(case: Case) -> Finding | None:
    """Tell which columns have the same value, or none, in every row.

    Notes
    -----
    **Rule.** One value and no gaps, or no value at all. Gaps beside one value do say something.

    **Fires on** ``country = "DE"`` in every row. **Silent on** a flag that is set in one row.

    **Limits.** ``preprocess="auto"`` leaves such columns out by itself; nothing has to be done then.
    """
    columns = columns_of(case)
    if not columns.constant:
        return None
    return Finding(
        severity="info",
        what=f"{named(columns.constant)} {have(columns.constant)} one value in every row, or none",
        why="What is the same everywhere tells nothing apart.",
        advice=left_out_by_itself(case, "such columns"),
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
    columns = columns_of(case)
    if not columns.same:
        return None
    say = "says" if len(columns.same) == 1 else "say"
    pairs = listed((f"{again} repeats {first}" for first, again in columns.same), limit=4)
    return Finding(
        severity="info",
        what=f"{counted(len(columns.same), 'column')} {say} what another one says: {pairs}",
        why="The penalty is weaker on a column that is there twice, and reports divide its importance between the two.",
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
    columns = columns_of(case)
    if not columns.ids:
        return None
    used = [name for name in columns.ids if name not in columns.ids_left_out]
    what = f"{named(columns.ids)} {'tells' if len(columns.ids) == 1 else 'tell'} rows apart and nothing else"
    advice: tuple[Action, ...]
    if used:
        advice = (Action(words=f"leave out {listed(used, limit=4)}; if rows of one thing repeat, give it as groups="),)
    else:
        advice = left_out_by_itself(case, "identifiers")
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
    scan = scan_of(case)
    columns = columns_of(case)
    found = [*([scan.target_outliers] if scan.target_outliers else []), *columns.outliers]
    if not found:
        return None
    raw = "preprocess" in case.settings and case.settings["preprocess"] is None
    first = found[0]
    shown = "; ".join(_outlier_text(entry) for entry in found[:3])
    more = f" and {len(found) - 3} more columns" if len(found) > 3 else ""
    strength = max(min(entry.deviations / 12, entry.deviations / (4 * entry.limit)) for entry in found)
    return Finding(
        severity="warning" if raw or scan.target_outliers else "info",
        what=f"values far from all others: {shown}{more}{counting(scan)}",
        why="One such value outweighs hundreds of others in a squared error or a mean.",
        advice=_for_outliers(case, scan, first),
        evidence={"columns": len(found), "rows": sum(entry.n_rows for entry in found), "deviations": first.deviations},
        confidence=confidence("DA303", strength),
        where=f"column {first.column}" if len(found) == 1 and not scan.target_outliers else "",
    )


def _outlier_text(found: Outliers) -> str:
    value = number_text(found.values[0])
    more = f" and {found.n_rows - 1} more" if found.n_rows > 1 else ""
    return f"{found.column} = {value} in row {found.rows[0] + 1}{more}"


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
    columns = columns_of(case)
    names = [name for name in columns.mostly_missing if name not in columns.constant]
    if not names:
        return None
    shares = listed((f"{name} {percent(columns.missing[name])}" for name in names), limit=4)
    return Finding(
        severity="info",
        what=f"{counted(len(names), 'column')} {have(names)} hardly a value; rows without one: {shares}",
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
    schema = schema_of(case)
    told = ("constant", "empty", "id") if case.scan is not None and case.scan.columns is not None else ()
    dropped = [column for column in schema.columns if column.kind == "drop"]
    dropped = [column for column in dropped if getattr(column, "dropped_as", "") not in told]
    if not dropped:
        return None
    names = ", ".join(f"{column.name} ({column.why})" for column in dropped[:5])
    more = f" and {len(dropped) - 5} more" if len(dropped) > 5 else ""
    are = "is" if len(dropped) == 1 else "are"
    return Finding(
        severity="info",
        what=f"{len(dropped)} of {counted(len(schema.columns), 'column')} {are} not used: {names}{more}",
        why="A network cannot learn from ids, constants or free text as they are.",
        advice=(
            Action(words=f"preprocess=TableEncoder(types={{{dropped[0].name!r}: 'category'}}) if one should be used"),
        ),
        evidence={"dropped": len(dropped)},
    )
