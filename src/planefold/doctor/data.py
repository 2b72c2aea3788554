"""The checks of the data (DA...). Each is one function of a case: a finding, or None."""

from __future__ import annotations

from planefold.doctor.case import Case
from planefold.doctor.check import NotApplicableError, check
from planefold.doctor.finding import Action, Finding

ROWS_A_COLUMN = 5


@check("DA101", "few rows")
def check_few_rows(case: Case) -> Finding | None:
    """Report a table with hardly more rows than columns."""
    if case.schema is None or case.run is None:
        raise NotApplicableError("neither the table's columns nor the run are known")
    run = case.run
    n_columns = sum(column.kind != "drop" for column in case.schema.columns)
    if run.n_train >= ROWS_A_COLUMN * n_columns:
        return None
    return Finding(
        severity="warning",
        what=f"{run.n_train} rows to learn from for {n_columns} columns",
        why="With so few rows, many columns fit the target by chance.",
        advice=(Action(words="leave out columns that cannot matter, or get more rows"),),
        evidence={"rows": run.n_train, "columns": n_columns},
    )


@check("DA201", "columns left out")
def check_dropped_columns(case: Case) -> Finding | None:
    """Tell which columns of the table the network does not see, and why."""
    if case.schema is None:
        raise NotApplicableError("the table's columns are not known")
    dropped = [column for column in case.schema.columns if column.kind == "drop"]
    if not dropped:
        return None
    names = ", ".join(f"{column.name} ({column.why})" for column in dropped[:5])
    more = f" and {len(dropped) - 5} more" if len(dropped) > 5 else ""
    return Finding(
        severity="info",
        what=f"{len(dropped)} of {len(case.schema.columns)} columns are not used: {names}{more}",
        why="A network cannot learn from ids, constants or free text as they are.",
        advice=(
            Action(words=f"preprocess=TableEncoder(types={{{dropped[0].name!r}: 'category'}}) if one should be used"),
        ),
        evidence={"dropped": len(dropped)},
    )
