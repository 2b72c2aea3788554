"""What the checks of the data take from a case, and how they name columns and shares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from planefold.core.errors import listed
from planefold.doctor.case import Case
from planefold.doctor.check import NotApplicableError
from planefold.doctor.finding import Action
from planefold.doctor.scan import Columns, Scan


def scan_of(case: Case) -> Scan:
    """Return what was measured on the rows."""
    if case.scan is None:
        raise NotApplicableError("the rows were not looked at")
    return case.scan


def columns_of(case: Case) -> Columns:
    """Return what was measured on the columns."""
    columns = scan_of(case).columns
    if columns is None:
        raise NotApplicableError("the rows are pictures or sounds, or there are fewer than three")
    return columns


def schema_of(case: Case) -> Any:
    """Return what the columns are: in the training, or else in the table that was scanned."""
    if case.schema is not None:
        return case.schema
    if case.scan is None or case.scan.schema is None:
        raise NotApplicableError("the table's columns are not known")
    return case.scan.schema


def size_of(case: Case) -> tuple[int, int]:
    """Count the rows to learn from and the columns that are used."""
    if case.scan is not None:
        if case.scan.is_pictures:
            raise NotApplicableError("the rows are pictures or sounds")
        return case.scan.n_train, case.scan.n_columns
    if case.schema is None or case.run is None:
        raise NotApplicableError("neither the table's columns nor the run are known")
    return case.run.n_train, sum(column.kind != "drop" for column in case.schema.columns)


def left_out_by_itself(case: Case, what: str) -> tuple[Action, ...]:
    """Advise to let the columns be prepared, where they are not: then nothing has to be done."""
    if "preprocess" in case.settings and case.settings["preprocess"] is None:
        return (Action(words=f"leave {what} out", parameters={"preprocess": "auto"}),)
    return ()


def noun_of(scan: Scan) -> str:
    """Return what to call a row: "row", "picture" or "sound"."""
    return scan.kind.removesuffix("s")


def row_named(scan: Scan, row: int, *, held_out: bool = False) -> str:
    """Name a row, counted from 0 within its side: by its file where that is known, else by its number from 1 on."""
    if scan.files:
        return scan.files[row + (scan.n_train if held_out else 0)]
    return f"{noun_of(scan)} {row + 1}"


def rows_named(scan: Scan, rows: Sequence[int]) -> str:
    """Name rows to learn from."""
    if scan.files:
        return listed(row_named(scan, row) for row in rows)
    return f"{scan.kind} {listed(row + 1 for row in rows)}"


def counting(scan: Scan) -> str:
    """Say in brackets where the numbers of rows begin; nothing where files have names."""
    if scan.files:
        return ""
    noun = noun_of(scan)
    of = " to learn from" if scan.n_val else " of the table" if noun == "row" else ""
    return f" (the first {noun}{of} is {noun} 1)"


def named(names: Sequence[str], noun: str = "column", nouns: str = "columns") -> str:
    """Name one thing, or count several and name some.

    >>> named(["age"]), named(["red", "blue"], "class", "classes")
    ('column age', '2 classes (red, blue)')
    """
    return f"{noun} {names[0]}" if len(names) == 1 else f"{len(names)} {nouns} ({listed(names, limit=4)})"


def have(names: Sequence[str]) -> str:
    """Return the verb for one or several."""
    return "has" if len(names) == 1 else "have"


def percent(share: float) -> str:
    """Write a share so that what is not whole does not look so.

    >>> percent(0.5), percent(0.9996), percent(0.002), percent(1.0)
    ('50 %', '99.96 %', '0.2 %', '100 %')
    """
    for digits in range(4):
        text = f"{100 * share:.{digits}f}"
        if float(text) not in (0.0, 100.0) or share in (0.0, 1.0):
            return f"{text} %"
    return f"{100 * share:.3g} %"
