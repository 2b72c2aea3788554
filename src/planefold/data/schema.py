"""Schemas: what the columns of a training table are, and whether another table has the same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from planefold.core.errors import (
    DataError,
    ModelFileError,
    ParameterError,
    did_you_mean,
    listed,
    show,
    unknown_choice,
    unknown_column,
)
from planefold.data import jsonable
from planefold.data.cells import Array, text_of
from planefold.data.columns import (
    DROP_REASONS,
    KINDS,
    MAX_LISTED_CATEGORIES,
    Column,
    dates_of,
    labels_of,
    numbers_of,
)
from planefold.data.kinds import find_column
from planefold.data.tables import Table

__all__ = ["DROP_REASONS", "KINDS", "Column", "Schema", "find_schema"]


@dataclass(frozen=True)
class Schema:
    """What the columns of a training table are.

    Parameters
    ----------
    columns : tuple of Column
        In the order of the table, dropped ones included.
    n_rows : int
        How many rows the training table had.
    source : str
        Where it was from.
    named : bool
        False when the columns had no names of their own (an array).
    missing_values : tuple of str
        Further texts that mean "no value".
    """

    columns: tuple[Column, ...]
    n_rows: int
    source: str = "table"
    named: bool = True
    missing_values: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all columns, dropped ones included."""
        return tuple(column.name for column in self.columns)

    @property
    def used(self) -> tuple[Column, ...]:
        """The columns that are not dropped."""
        return tuple(column for column in self.columns if column.kind != "drop")

    def __getitem__(self, name: str) -> Column:
        """One column by its name."""
        for column in self.columns:
            if column.name == name:
                return column
        raise unknown_column(name, self.names, self.source)

    def notes(self) -> list[str]:
        """Say in one sentence each what the user should know about how the table was read."""
        dropped: dict[str, list[str]] = {}
        for column in self.columns:
            if column.kind == "drop" and column.dropped_as != "user":
                dropped.setdefault(column.why, []).append(column.name)
        sentences = [
            f'Column "{names[0]}" is left out: {why}.'
            if len(names) == 1
            else f"{len(names)} columns are left out, for each of them: {why}: {listed(names)}."
            for why, names in dropped.items()
        ]
        return sentences + [note for column in self.columns for note in column.notes]

    def align(self, table: Table, *, with_dropped: bool = False) -> tuple[Table, list[str]]:
        """Bring another table into the form of the training table, or say why that is impossible.

        Parameters
        ----------
        table : Table
            In any order of columns. Columns that training did not have are ignored. A table without names
            (an array) is matched by position.
        with_dropped : bool
            Whether the result also has the dropped columns that the table has.

        Returns
        -------
        table : Table
            The columns of the schema in its order: numbers as float64, dates as datetime64[ns], categories
            and booleans as texts.
        notes : list of str
            What was ignored, and categories that training never saw.

        Raises
        ------
        DataError
            If a column that is needed is missing, or has a value that is not of its kind (naming the
            column, the row, and the value).
        """
        table = self._matched(table)
        self._refuse_missing_columns(table)
        notes = []
        extra = [name for name in table.names if name not in set(self.names)]
        if extra:
            notes.append(f"{_columns(len(extra))} of {table.source} that training did not have, ignored: "
                         f"{listed(extra)}.")  # fmt: skip
        columns: dict[str, Array] = {}
        for column in self.columns:
            if column.kind == "drop" and not (with_dropped and column.name in table.columns):
                continue
            columns[column.name] = self._values(table, column)
            notes += _unknown_categories(columns[column.name], column)
        return Table(columns, table.source), notes

    def _values(self, table: Table, column: Column) -> Array:
        values = table.columns[column.name]
        if column.kind == "number":
            # A file in which every "1.234" stands for 1234 looks like plain decimals, when it has no "1.234.567".
            if column.thousands == ".":
                values = table.texts.get(column.name, values)
            return numbers_of(values, column, self.missing_values, table.source)
        if column.kind == "date":
            return dates_of(values, column, self.missing_values, table.source)
        return labels_of(values, column, self.missing_values)

    def _matched(self, table: Table) -> Table:
        same_number = len(table.columns) == len(self.columns)
        if not table.named and not same_number:
            raise DataError(
                f"X has {len(table.columns)} features, "
                f"but this model is expecting {len(self.columns)} features as input",
                details=f"columns in training: {listed(self.names)}",
            )
        by_position = not table.named or (not self.named and not set(self.names) <= set(table.names))
        if not (by_position and same_number):
            return table
        names = dict(zip(table.names, self.names, strict=True))
        return replace(
            table,
            columns={names[name]: values for name, values in table.columns.items()},
            texts={names[name]: values for name, values in table.texts.items()},
            categorical=frozenset(names[name] for name in table.categorical),
        )

    def _refuse_missing_columns(self, table: Table) -> None:
        missing = [column.name for column in self.used if column.name not in table.columns]
        if not missing:
            return
        extra = [name for name in table.names if name not in set(self.names)]
        near = {name: did_you_mean(name, extra) for name in missing}
        pairs = [f'"{found}" for "{name}"' for name, found in near.items() if found]
        written = f"did you write {listed(pairs, limit=3)}?" if pairs else None
        raise DataError(
            f"{table.source} lacks {_columns(len(missing))} that training had",
            details=f"missing: {listed(missing)}; unexpected: {listed(extra) or 'none'}",
            hint=written or "the names must be those of the training table",
        )

    def to_json(self) -> dict[str, Any]:
        """Return the schema as JSON data."""
        return {
            "columns": [column.to_json() for column in self.columns],
            "n_rows": self.n_rows,
            "source": self.source,
            "named": self.named,
            "missing_values": list(self.missing_values),
        }

    @classmethod
    def from_json(cls, data: object) -> Schema:
        """Build a schema from JSON data, or raise ModelFileError."""
        entries = jsonable.a_dict(data, "the schema")
        raw = jsonable.a_list(jsonable.entry(entries, "columns", "the schema"), "columns of the schema")
        columns = tuple(Column.from_json(column) for column in raw)
        # The other fields are plain; the generic reader checks them with an empty tuple for the columns.
        rest = jsonable.from_json(cls, {**entries, "columns": []}, "the schema")
        names = [column.name for column in columns]
        if len(set(names)) != len(names) or not names or rest.n_rows < 0:
            raise ModelFileError("the schema has no columns, two of one name, or a negative number of rows")
        return replace(rest, columns=columns)


def _columns(n: int) -> str:
    return "1 column" if n == 1 else f"{n} columns"


def _unknown_categories(values: Array, column: Column) -> list[str]:
    # When there were more categories than are listed, nobody can tell whether one is new.
    if column.kind not in ("category", "boolean") or column.n_unique > MAX_LISTED_CATEGORIES:
        return []
    known = set(column.categories)
    different = [text for text in dict.fromkeys(values.tolist()) if text is not None and text not in known]
    if not different:
        return []
    counts = {text: int(np.sum(values == text)) for text in different[:5]}
    n_rows = int(np.sum(~np.isin(values.astype(str), [*known, "None"]))) if len(different) > 5 else sum(counts.values())
    examples = [f"{show(text)} ({count})" for text, count in counts.items()]
    more = f" and {len(different) - 5} others" if len(different) > 5 else ""
    rows = "1 row has a category" if n_rows == 1 else f"{n_rows} rows have categories"
    return [f'Column "{column.name}": {rows} that training never saw: {", ".join(examples)}{more}.']


def find_schema(
    table: Table, *, types: Mapping[str, str] | None = None, missing_values: Sequence[object] = ()
) -> Schema:
    """Find out what the columns of a training table are.

    Parameters
    ----------
    table : Table
        The training table, without the target.
    types : mapping of column name to kind, optional
        What the user knows better: "number", "category", "boolean", "date", or "drop".
    missing_values : sequence of str or number
        Further values that mean "no value", such as "unknown" or -999.

    Raises
    ------
    DataError
        If a value is infinite, or no column is left.

    Notes
    -----
    A text column becomes numbers or dates when 95 % of its values read as such in one style. Left out are
    columns that are empty or constant, identifiers, and texts of which most are different: they
    tell rows apart and nothing that holds for new rows.

    Examples
    --------
    >>> from planefold.data import read_table
    >>> schema = find_schema(read_table({"price": ["1,200", "980"], "town": ["Trier", "Bonn"]}))
    >>> [column.kind for column in schema.columns], schema["price"].maximum
    (['number', 'category'], 1200.0)
    """
    wanted = dict(types or {})
    for name, kind in wanted.items():
        if name not in table.columns:
            raise unknown_column(name, table.names, table.source)
        if kind not in KINDS:
            raise unknown_choice(f"types[{show(name)}]", kind, KINDS)
    missing = missing_texts_of(missing_values)
    columns = [
        find_column(
            name,
            values,
            source=table.source,
            kind=wanted.get(name),
            categorical=name in table.categorical,
            named=table.named,
            missing_values=missing,
        )
        for name, values in table.columns.items()
    ]
    schema = Schema(tuple(columns), table.n_rows, table.source, table.named, missing)
    return schema if schema.used else _keep_row_numbers(schema, table, missing)


def missing_texts_of(missing_values: Sequence[object]) -> tuple[str, ...]:
    """Write the values that mean "no value" as the texts they would be in a file."""
    if isinstance(missing_values, str):
        raise ParameterError(
            f"missing_values={show(missing_values)} is one text", hint=f"pass [{show(missing_values)}]"
        )
    return tuple(text.strip() for value in missing_values if (text := text_of(value)) is not None)


def _keep_row_numbers(schema: Schema, table: Table, missing: tuple[str, ...]) -> Schema:
    # range(100) alone is no identifier but the x of a lesson, or time.
    columns = tuple(
        find_column(column.name, table.columns[column.name], source=table.source, kind="number", missing_values=missing)
        if column.why == "it counts the rows"
        else column
        for column in schema.columns
    )
    kept = replace(schema, columns=columns)
    if kept.used:
        return kept
    raise DataError(
        f"no column of {table.source} can be used (n_samples={table.n_rows}, {_columns(len(schema.columns))})",
        details="; ".join(f"{column.name}: {column.why}" for column in schema.columns[:6])
        + (f"; ... ({len(schema.columns)} in all)" if len(schema.columns) > 6 else ""),
        hint=f"to use one all the same, say its kind: types={{{show(schema.columns[0].name)}: 'category'}}",
    )
