"""Tables: one record of named columns, read from a file, a data frame, an array, or a mapping."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError, listed, unknown_column
from planefold.data.cells import Array, column_from, integers_of, texts_of

FRAME_LIBRARIES = ("pandas", "polars", "pyarrow", "modin", "cudf")


@dataclass(frozen=True, eq=False)
class Table:
    """Named columns of equal length.

    Parameters
    ----------
    columns : mapping of str to ndarray of shape (n_rows,)
        In order. Numbers are float64 (missing is nan) or int64, truth values bool, dates datetime64[ns],
        everything else object: str, with None for missing.
    source : str
        Where the table is from, for messages: "house.csv", "DataFrame".
    named : bool
        False when the names are made up ("x0", "x1") because the source had none; such a table is
        matched to a schema by position.
    categorical : frozenset of str
        Columns that the source declares to be categories, whatever their values look like.
    texts : mapping of str to ndarray of shape (n_rows,)
        What the file says in columns whose numbers could also be read in another way: "1.234" is 1.234 here,
        and may be 1234 for a schema that knows more rows.
    """

    columns: Mapping[str, Array]
    source: str = "table"
    named: bool = True
    categorical: frozenset[str] = frozenset()
    texts: Mapping[str, Array] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {name: np.shape(values) for name, values in self.columns.items()}
        for name, shape in lengths.items():
            if len(shape) != 1:
                raise DataError(f'column "{name}" has shape {shape}, a column has one dimension')
        if len(set(lengths.values())) > 1:
            raise DataError(
                f"the columns of {self.source} have different lengths",
                details=listed(f"{name}: {shape[0]}" for name, shape in lengths.items()),
            )

    @property
    def names(self) -> tuple[str, ...]:
        """The column names, in order."""
        return tuple(self.columns)

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def __getitem__(self, name: str) -> Array:
        """The values of one column."""
        if name not in self.columns:
            raise unknown_column(name, self.names, self.source)
        return self.columns[name]

    def take(self, rows: npt.ArrayLike) -> Table:
        """Keep the rows with these indices (or where a mask is true), in this order."""
        index = np.asarray(rows)
        if index.size == 0:
            index = index.astype(np.int64)  # np.asarray([]) would be floats
        columns = {name: values[index] for name, values in self.columns.items()}
        return self._with(columns, {name: values[index] for name, values in self.texts.items()})

    def select(self, names: Iterable[str]) -> Table:
        """Keep these columns, in this order."""
        return self._with({name: self[name] for name in names})

    def drop(self, names: Iterable[str]) -> Table:
        """Keep all columns but these."""
        without = set(names)
        for name in without:
            self[name]  # a wrong name is an error, not nothing
        return self._with({name: values for name, values in self.columns.items() if name not in without})

    def _with(self, columns: dict[str, Array], texts: Mapping[str, Array] | None = None) -> Table:
        texts = self.texts if texts is None else texts
        return Table(
            columns,
            self.source,
            self.named,
            self.categorical & frozenset(columns),
            {name: values for name, values in texts.items() if name in columns},
        )


def is_frame(X: object) -> bool:
    """Tell whether X is a data frame of pandas, polars or pyarrow, without importing any of them."""
    # A frame can only exist when its library is loaded; narwhals takes a moment to import, and another to look.
    if isinstance(X, np.ndarray) or not any(name in sys.modules for name in FRAME_LIBRARIES):
        return False
    from narwhals.stable.v1.dependencies import is_into_dataframe

    return bool(is_into_dataframe(X))


def read_table(
    source: Any,
    *,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    missing_values: Sequence[str] = (),
) -> Table:
    r"""Read a table from whatever holds one.

    Parameters
    ----------
    source : path, data frame, array of shape (n_rows, n_columns), mapping, list of rows, or Table
        A path is a text file with a line of column names (CSV, TSV). A frame is one of pandas, polars or
        pyarrow. A mapping gives the columns by name; a list of mappings gives rows, as JSON does.
    delimiter : str, optional
        What separates the fields of a file. By default it is found among ``, ; \t |``.
    encoding : str
        How the bytes of a file become letters; "latin-1" is the usual other one.
    missing_values : sequence of str
        Further texts that mean "no value".

    Raises
    ------
    DataError, FileError, MissingFileError
        Naming the file, the row, the column, and what to do.

    Notes
    -----
    Dates outside of 1678 to 2261, such as 9999-12-31 for "never", count as missing: they do not fit
    datetime64[ns]. Times with a zone become UTC. Durations become seconds.

    Examples
    --------
    >>> read_table({"area": [50, 80], "town": ["Trier", None]}).columns["town"]
    array(['Trier', None], dtype=object)
    """
    if isinstance(source, Table):
        return source
    if isinstance(source, str | os.PathLike):
        from planefold.data.csv_files import read_csv

        return read_csv(
            Path(os.fspath(source)), delimiter=delimiter, encoding=encoding, missing_values=tuple(missing_values)
        )
    if isinstance(source, Mapping):
        return _from_columns(source, "dict")
    if is_frame(source):
        return _from_frame(source)
    if _is_lazy(source):
        raise DataError(f"a {type(source).__name__} has not been computed yet", hint="pass X.collect() instead of X")
    if isinstance(source, list | tuple) and source and all(isinstance(row, Mapping) for row in source):
        return _from_records(source)
    return _from_array(source)


def _is_lazy(source: object) -> bool:
    return type(source).__name__ == "LazyFrame"


def _unique_names(names: Iterable[object], source: str) -> list[str]:
    texts = [str(name) for name in names]
    seen: set[str] = set()
    twice = [name for name in texts if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
    if twice:
        raise DataError(
            f'{source} has the column name "{twice[0]}" more than once',
            details=f"repeated: {listed(dict.fromkeys(twice))}" if len(set(twice)) > 1 else None,
            hint="rename one of them, or remove it",
        )
    return texts


def _from_columns(columns: Mapping[Any, Any], source: str) -> Table:
    names = _unique_names(columns, source)
    _needs_shape(-1, len(names))
    values = {name: column_from(column, name) for name, column in zip(names, columns.values(), strict=True)}
    table = Table(values, source)
    _needs_shape(table.n_rows, len(names))
    return table


def _from_records(rows: Sequence[Mapping[Any, Any]]) -> Table:
    names = dict.fromkeys(name for row in rows for name in row)
    return _from_columns({name: [row.get(name) for row in rows] for name in names}, "rows")


def _needs_shape(n_rows: int, n_columns: int) -> None:
    # The words in brackets are scikit-learn's, whose users (and whose tests) look for them.
    if n_columns == 0:
        raise DataError("the table has no columns", details="found 0 feature(s) while a minimum of 1 is required.")
    if n_rows == 0:
        raise DataError("the table has no rows", details="found 0 sample(s) while a minimum of 1 is required.")


def _from_array(X: Any) -> Table:
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        raise DataError("X is a sparse matrix, which planefold does not read", hint="pass X.toarray()")
    try:
        array = np.asarray(X)
    except ValueError as error:
        raise DataError(f"cannot make a table of a {type(X).__name__}", details=str(error)) from error
    if array.dtype.kind in "US" and not isinstance(X, np.ndarray):
        array = np.asarray(X, dtype=object)  # [[1, "a"]] must not become texts
    if array.dtype.kind == "c":
        raise DataError("Complex data not supported", hint="pass the real and the imaginary parts as columns")
    if array.ndim != 2:
        raise DataError(
            f"X has shape {array.shape}, a table has rows and columns",
            hint="Reshape your data: X.reshape(-1, 1) makes one column, X.reshape(1, -1) one row",
        )
    n_rows, n_columns = array.shape
    if min(n_rows, n_columns) == 0:
        kind, least = ("sample", n_rows) if n_rows == 0 else ("feature", n_columns)
        raise DataError(f"Found array with {least} {kind}(s) (shape={array.shape}) while a minimum of 1 is required.")
    names = [f"x{i}" for i in range(n_columns)]
    return Table({name: column_from(array[:, i], name) for i, name in enumerate(names)}, type(X).__name__, named=False)


def _from_frame(X: Any) -> Table:
    import narwhals.stable.v1 as nw

    source = type(X).__name__
    native_names = getattr(X, "column_names", None)
    if native_names is None:
        native_names = X.columns
    names = _unique_names(native_names, source)
    frame = nw.from_native(X, eager_only=True)
    _needs_shape(len(frame), len(names))
    columns: dict[str, Array] = {}
    categorical = set()
    for i, name in enumerate(names):
        series = frame[:, i]
        columns[name] = _from_series(series, name)
        if series.dtype in (nw.Categorical, nw.Enum):
            categorical.add(name)
    return Table(columns, source, categorical=frozenset(categorical))


def _from_series(series: Any, name: str) -> Array:
    import narwhals.stable.v1 as nw

    dtype = series.dtype
    if dtype.is_nested():
        raise DataError(f'column "{name}" holds lists or records', hint="give each of their parts its own column")
    if dtype in (nw.Categorical, nw.Enum):
        # Categories that are numbers stay texts: the column was declared not to be a quantity.
        return texts_of(series.to_list())
    if dtype == nw.Datetime and dtype.time_zone is not None:
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if dtype in (nw.Datetime, nw.Date):
        values = np.asarray(series.to_numpy())
        return column_from(values if values.dtype.kind == "M" else series.to_list(), name)
    n_missing = int(series.null_count())
    if dtype.is_integer() and n_missing == 0:
        return integers_of(series.to_numpy())
    if (dtype.is_numeric() and not dtype.is_decimal()) or (dtype == nw.Boolean and n_missing == 0):
        if n_missing:
            series = series.cast(nw.Float64)
        values = np.asarray(series.to_numpy())
        if values.dtype != object:
            return column_from(values, name)
    return column_from(series.to_list(), name)
