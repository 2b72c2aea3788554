"""What the checks of the data take from a case, and how they name columns and shares."""

from __future__ import annotations

from collections.abc import Sequence

from planefold.core.errors import listed
from planefold.data.schema import Schema
from planefold.doctor.case import Case
from planefold.doctor.check import NotApplicableError
from planefold.doctor.finding import Action
from planefold.doctor.scan import Columns, Scan


def scan_of(case: Case) -> Scan:
    if case.scan is None:
        raise NotApplicableError("the rows were not looked at")
    return case.scan


def columns_of(case: Case) -> Any:
    columns = scan_of(case).columns
    if columns is None:
        raise NotApplicableError("the rows are pictures, or there are fewer than three")
    return columns


def schema_of(case: Case) -> Any:
    if case.schema is not None:
        return case.schema
    if case.scan is None or case.scan.schema is None:
        raise NotApplicableError("the table's columns are not known")
    return case.scan.schema


def size_of(case: Case) -> tuple[int, int]:
    """Rows to learn from and columns that are used."""
    if case.scan is not None:
        if case.scan.is_pictures:
            raise NotApplicableError("the rows are pictures")
        return case.scan.n_train, case.scan.n_columns
    if case.schema is None or case.run is None:
        raise NotApplicableError("neither the table's columns nor the run are known")
    return case.run.n_train, sum(column.kind != "drop" for column in case.schema.columns)


def already_left_out(case: Case, what: str) -> tuple[Action, ...]:
    if "preprocess" in case.settings and case.settings["preprocess"] is None:
        return (Action(words=f"leave {what} out", parameters={"preprocess": "auto"}),)
    return ()


def named(names: Sequence[str], noun: str = "column", *, named: bool = True) -> str:
    plural = {"class": "classes"}.get(noun, noun + "s")
    if len(names) == 1:
        return f"{noun} {names[0]}" if named else f"1 {noun}"
    return f"{len(names)} {plural}" + (f" ({_first(names)})" if named else "")


def _first(names: Iterable[str]) -> str:
    return listed(names, limit=4)


def have(names: Sequence[str]) -> str:
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
