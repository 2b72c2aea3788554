"""`Sheet`: the rows of a table as the measurements want them, numbers and codes in one matrix."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError, ParameterError, show, unknown_choice
from planefold.core.records import Record
from planefold.data.cells import Array
from planefold.data.columns import Column, factorize
from planefold.data.images.pictures import Pictures
from planefold.data.inputs import missing_rows
from planefold.data.schema import Schema, find_schema
from planefold.data.tables import Table, is_frame, read_table
from planefold.data.targets import find_task, read_target
from planefold.doctor.scan.looks import Small, small_pictures

Floats = npt.NDArray[np.float64]
TASKS = ("auto", "classification", "regression")
KINDS = ("auto", "rows", "pictures", "sounds")
N_PARTS = 8  # of a picture, which are compared one by one
MAX_PIXELS = 2600  # of a picture, after neighbouring pixels were averaged
# An array with more columns than this is looked at as a whole, like a picture, and not column by column.
MAX_COLUMNS = 400
CHUNK = 256  # pictures that are brought to floats at a time


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Sheet(Record):
    """The rows of a table, those to learn from first and the held-out ones after them.

    Parameters
    ----------
    schema : Schema or None
        What the columns are; None of pictures.
    names : tuple of str
        The columns of ``values``.
    numeric : bool array of shape (n_columns,)
        Whether a column holds a quantity, not the codes of categories.
    values : float array of shape (n_rows, n_columns)
        Of the columns that a network would see. Dates are days, categories are codes; nan is missing.
    identity : uint64 array of shape (n_rows, n_fields)
        A pseudo-random number for each cell, those of left-out columns included, ids and constants not. Rows are
        equal where the sums over them are.
    n_train : int
    target : float array of shape (n_rows,) or None
        Numbers, or the codes of classes.
    classes : tuple of str
        What the codes stand for; empty in a regression.
    is_pictures : bool
        Whether a row is a picture (or otherwise too wide to be looked at column by column).
    groups : int array of shape (n_rows,) or None
        Codes of what belongs together.
    time : float array of shape (n_rows,) or None
    time_name : str
    kind : {"rows", "pictures", "sounds"}
        What to call a row.
    files : tuple of str
        Where each row came from; empty where that is not known.
    small : float32 array of shape (n_rows, height, width) or None
        The pictures in grey and small; None where the rows are none.
    """

    schema: Schema | None
    names: tuple[str, ...]
    numeric: npt.NDArray[np.bool_]
    values: Floats
    identity: npt.NDArray[np.uint64]
    n_train: int
    target: Floats | None = None
    classes: tuple[str, ...] = ()
    is_pictures: bool = False
    groups: npt.NDArray[np.int64] | None = None
    time: Floats | None = None
    time_name: str = ""
    kind: str = "rows"
    files: tuple[str, ...] = ()
    small: Small | None = None

    @property
    def n_rows(self) -> int:
        """Rows of both sides."""
        return len(self.values)

    @property
    def n_val(self) -> int:
        """Held-out rows."""
        return self.n_rows - self.n_train

    @property
    def is_classes(self) -> bool:
        """Whether classes are to be predicted."""
        return self.target is not None and bool(self.classes)

    @property
    def train_target(self) -> Floats | None:
        """The target of the rows to learn from."""
        return None if self.target is None else self.target[: self.n_train]

    def take(self, train: npt.NDArray[np.int64], val: npt.NDArray[np.int64] | None = None) -> Sheet:
        """Keep some rows to learn from and some held-out ones, in these orders."""
        rows = train if val is None else np.concatenate([train, val])

        def of(array: Any) -> Any:
            return None if array is None else array[rows]

        return replace(
            self, values=self.values[rows], identity=self.identity[rows], target=of(self.target),
            groups=of(self.groups), time=of(self.time), n_train=len(train), small=of(self.small),
            files=tuple(self.files[row] for row in rows) if self.files else (),
        )  # fmt: skip

    def train(self) -> Sheet:
        """Keep the rows to learn from alone."""
        return self.take(np.arange(self.n_train)) if self.n_val else self

    def sample(self, n_train: int, n_val: int, random: np.random.RandomState) -> Sheet:
        """Keep at most so many rows of either side, drawn at random, in their order."""
        if self.n_train <= n_train and self.n_val <= n_val:
            return self
        train = np.sort(random.permutation(self.n_train)[:n_train])
        val = np.sort(random.permutation(self.n_val)[:n_val]) + self.n_train
        return self.take(train, val)

    def filled(self) -> Floats:
        """Return the values with a number below all others where one is missing, as trees want them."""
        values = self.values
        missing = np.isnan(values)
        if not missing.any():
            return values
        known = np.where(missing, np.inf, values)
        lowest = np.where(np.isinf(known.min(axis=0)), 0.0, known.min(axis=0))
        highest = np.where(missing, -np.inf, values).max(axis=0)
        width = np.where(np.isfinite(highest), highest / 2 - lowest / 2, 0.0)
        return np.where(missing, lowest - width - 1.0, values)


def read_sheet(
    X: Any,
    y: Any = None,
    *,
    X_val: Any = None,
    y_val: Any = None,
    task: str = "auto",
    names: Sequence[str] | None = None,
    groups: Any = None,
    time: Any = None,
    files: Sequence[str] | None = None,
    kind: str = "auto",
) -> Sheet:
    """Read the rows of both sides; the parameters are those of :func:`planefold.doctor.scan.scan`."""
    if task not in TASKS:
        raise unknown_choice("task", task, TASKS)
    if kind not in KINDS:
        raise unknown_choice("kind", kind, KINDS)
    X, y, files = _of_pictures(X, y, X_val, files)
    X_val, y_val, _ = _of_pictures(X_val, y_val, None, None)
    pictures, pictures_val = _pictures(X), _pictures(X_val)
    if pictures is not None or pictures_val is not None:
        sheet = _sheet_of_pictures(pictures, pictures_val, X, X_val)
    else:
        sheet = _sheet_of_tables(_table(X, names), None if X_val is None else _table(X_val, names), time)
    sheet = _with_names(sheet, files, kind)
    sheet = _with_target(sheet, y, y_val, task)
    if time is not None and not isinstance(time, str):
        sheet = replace(sheet, time=_both_sides(time, sheet, "time"), time_name="time")
    if groups is not None:
        sheet = replace(sheet, groups=_codes(groups, sheet))
    return sheet


# ---------------------------------------------------------------------------------------------------------- tables


def _table(X: Any, names: Sequence[str] | None) -> Table:
    if hasattr(X, "toarray") and hasattr(X, "nnz"):
        X = X.toarray()
    table = read_table(X)
    if names is None or table.named:
        return table
    if len(names) != len(table.columns):
        raise ParameterError(f"names has {len(names)} entries, X has {len(table.columns)} columns")
    return Table(dict(zip(map(str, names), table.columns.values(), strict=True)), table.source, named=False)


def _sheet_of_tables(table: Table, other: Table | None, time: Any) -> Sheet:
    schema = find_schema(table)
    sides = [schema.align(side, with_dropped=True)[0] for side in (table, other) if side is not None]
    columns = {
        column.name: np.concatenate([side.columns[column.name] for side in sides])
        for column in schema.columns
        if all(column.name in side.columns for side in sides)
    }
    used = [column for column in schema.used if column.name in columns]
    values = np.column_stack([_values(columns[column.name], column) for column in used])
    kept = [c.name for c in schema.columns if c.dropped_as not in ("id", "constant", "empty") and c.name in columns]
    sheet = Sheet(
        schema=schema,
        names=tuple(column.name for column in used),
        numeric=np.array([column.kind in ("number", "date") for column in used]),
        values=values,
        identity=_identity([columns[name] for name in kept]),
        n_train=table.n_rows,
    )
    if len(used) > MAX_COLUMNS and bool(sheet.numeric.all()):
        sheet = replace(sheet, is_pictures=True, values=np.nan_to_num(_as_pixels(values)))
    name = time if isinstance(time, str) else next((c.name for c in used if c.kind == "date"), "")
    if isinstance(time, str) and name not in columns:
        schema[name]  # an error that lists the columns there are
    return replace(sheet, time=_moments(columns[name]), time_name=name) if name else sheet


def _values(column: Array, known: Column) -> Floats:
    """Write a column as numbers; the codes of categories go by frequency, as far as they were listed."""
    if known.kind == "number":
        return column.astype(np.float64)
    if known.kind == "date":
        return _moments(column)
    codes, _ = factorize(column, frozenset())
    return np.where(codes < 0, np.nan, codes)


def _moments(column: Array) -> Floats:
    """Return times as numbers: days of dates, numbers as they are, ranks of texts."""
    if column.dtype.kind == "M":
        days = column.astype("datetime64[s]").astype(np.float64) / 86400
        return np.where(np.isnat(column), np.nan, days)
    if column.dtype.kind in "iufb":
        return column.astype(np.float64)
    missing = missing_rows(column)
    codes = np.unique(np.where(missing, "", column).astype(str), return_inverse=True)[1].astype(np.float64)
    return np.where(missing, np.nan, codes)


# -------------------------------------------------------------------------------------------------------- pictures


def _of_pictures(X: Any, y: Any, X_val: Any, files: Sequence[str] | None) -> tuple[Any, Any, Sequence[str] | None]:
    """Take pixels, labels and the names of files out of `Pictures`; leave anything else as it is."""
    if not isinstance(X, Pictures):
        return X, y, files
    sides = [side for side in (X, X_val) if isinstance(side, Pictures)]
    if files is None and all(side.files for side in sides):
        files = [name for side in sides for name in side.files]
    return X.pixels, X.labels if y is None else y, files


def _with_names(sheet: Sheet, files: Sequence[str] | None, kind: str) -> Sheet:
    if files is not None and len(files) not in (sheet.n_rows, sheet.n_train):
        raise ParameterError(
            f"files has {len(files)} names for {sheet.n_train} rows to learn from and {sheet.n_val} held-out ones"
        )
    if kind == "auto":
        kind = "rows" if sheet.small is None else "pictures"
    # Names of one side alone could not be put beside those of the other.
    named = tuple(map(str, files)) if files is not None and len(files) == sheet.n_rows else ()
    return replace(sheet, files=named, kind=kind)


def _pictures(X: Any) -> Array | None:
    if X is None or isinstance(X, str | Table) or is_frame(X) or not hasattr(X, "ndim") or X.ndim not in (3, 4):
        return None
    array = np.asarray(X)
    if array.dtype.kind not in "iufb":
        raise DataError(f"pictures hold {array.dtype}, numbers are needed")
    return array


def _sheet_of_pictures(pictures: Array | None, others: Array | None, X: Any, X_val: Any) -> Sheet:
    sides = [side for side, given in ((pictures, X), (others, X_val)) if given is not None]
    shapes = {None if side is None else side.shape[1:] for side in sides}
    if len(shapes) > 1:
        raise DataError("X and X_val do not hold pictures of one shape", details=f"{np.shape(X)} and {np.shape(X_val)}")
    array = np.concatenate([side for side in sides if side is not None])
    if array.size == 0:
        raise DataError("there are no pictures", details=f"X has shape {np.shape(X)}")
    flat = array.reshape(len(array), -1)
    if flat.dtype.kind == "f" and not np.isfinite(flat).all():
        raise DataError("pictures hold values that are missing or infinite")
    values = _as_pixels(_shrunk(array))
    return Sheet(
        schema=None,
        names=tuple(f"pixel {i}" for i in range(values.shape[1])),
        numeric=np.ones(values.shape[1], dtype=bool),
        values=values,
        identity=_identity_of_pixels(flat),
        n_train=0 if pictures is None else len(pictures),
        is_pictures=True,
        small=small_pictures(array),
    )


def _shrunk(pictures: Array) -> Floats:
    """Average neighbouring pixels until a picture has at most ``MAX_PIXELS``."""
    starts = range(0, len(pictures), CHUNK)
    return np.concatenate([_some_shrunk(pictures[start : start + CHUNK]) for start in starts])


def _some_shrunk(pictures: Array) -> Floats:
    small = np.asarray(pictures, dtype=np.float64)
    while int(np.prod(small.shape[1:])) > MAX_PIXELS and min(small.shape[1:3]) > 1:
        height, width = small.shape[1] // 2 * 2, small.shape[2] // 2 * 2
        even = small[:, :height, :width]
        small = (even[:, ::2, ::2] + even[:, 1::2, ::2] + even[:, ::2, 1::2] + even[:, 1::2, 1::2]) / 4
    return small


def _as_pixels(pictures: Floats) -> Floats:
    return pictures.reshape(len(pictures), -1)


# ------------------------------------------------------------------------------------------------ target, time, groups


def _with_target(sheet: Sheet, y: Any, y_val: Any, task: str) -> Sheet:
    if y is None:
        return sheet
    sides = [read_target(side) for side in (y, y_val if sheet.n_val else None) if side is not None]
    for side, n_rows, name in zip(sides, (sheet.n_train, sheet.n_val), ("y", "y_val"), strict=False):
        if len(side) != n_rows:
            raise DataError(f"{name} has {len(side)} values for {n_rows} rows")
    if any(side.ndim == 2 for side in sides):
        return sheet  # several targets: what is measured needs one
    target = _joined(sides) if len(sides) == 1 + (sheet.n_val > 0) else None
    if target is None:
        return sheet
    is_regression = task == "regression" or (task == "auto" and find_task(sides[0])[0] == "regression")
    if is_regression and target.dtype.kind in "iufb":
        return replace(sheet, target=target.astype(np.float64))
    classes, codes = np.unique(target, return_inverse=True)
    return replace(sheet, target=codes.astype(np.float64), classes=tuple(str(label) for label in classes))


def _joined(sides: list[Array]) -> Array:
    kinds = {side.dtype.kind == "U" for side in sides}
    if len(kinds) > 1:
        raise DataError("y holds numbers and y_val texts, or the other way round")
    return np.concatenate(sides)


def _both_sides(values: Any, sheet: Sheet, name: str) -> Floats:
    column = read_table({name: values}).columns[name]
    if len(column) not in (sheet.n_rows, sheet.n_train):
        raise ParameterError(
            f"{name} has {len(column)} values for {sheet.n_train} rows to learn from and {sheet.n_val} held-out ones",
            hint=f"give the name of a column, or the values of X and then those of X_val: {show(sheet.n_rows)}",
        )
    numbers = _moments(column)
    return np.concatenate([numbers, np.full(sheet.n_rows - len(numbers), np.nan)])


def _codes(groups: Any, sheet: Sheet) -> npt.NDArray[np.int64]:
    column = read_table({"groups": groups}).columns["groups"]
    if len(column) not in (sheet.n_rows, sheet.n_train):
        raise ParameterError(f"groups has {len(column)} values for {sheet.n_rows} rows")
    codes = np.unique(column.astype(str), return_inverse=True)[1].astype(np.int64)
    return np.concatenate([codes, np.full(sheet.n_rows - len(codes), -1)])


# ---------------------------------------------------------------------------------------------------------- identity


def _identity(columns: Sequence[Array]) -> npt.NDArray[np.uint64]:
    """Give each cell a pseudo-random number, the same one for equal values of one column."""
    cells = [scrambled(_bits(column), place) for place, column in enumerate(columns)]
    return np.column_stack(cells) if cells else np.zeros((0, 0), dtype=np.uint64)


def _bits(column: Array) -> npt.NDArray[np.uint64]:
    if column.dtype.kind == "f":
        clean = np.where(np.isnan(column), np.nan, column + 0.0)  # one nan, and no minus zero
        return clean.view(np.uint64)
    if column.dtype.kind in "iubM":
        return column.astype(np.int64).view(np.uint64)
    return factorize(column, frozenset())[0].view(np.uint64)


def _identity_of_pixels(flat: Array) -> npt.NDArray[np.uint64]:
    """Give each of eight parts of a picture a pseudo-random number."""
    edges = np.linspace(0, flat.shape[1], min(N_PARTS, flat.shape[1]) + 1).astype(int)
    parts = [np.ascontiguousarray(flat[:, start:end]) for start, end in itertools.pairwise(edges)]
    whole = [part.view(np.dtype((np.void, part.dtype.itemsize * part.shape[1]))).ravel() for part in parts]
    codes = [np.unique(part, return_inverse=True)[1].astype(np.uint64) for part in whole]
    return np.column_stack([scrambled(part, place) for place, part in enumerate(codes)])


def scrambled(bits: npt.NDArray[np.uint64], salt: int) -> npt.NDArray[np.uint64]:
    """Mix bits so that sums over the cells of a row tell rows apart.

    References
    ----------
    Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014 (the mixer of SplitMix64).
    """
    with np.errstate(over="ignore"):
        z = bits + np.uint64(0x9E3779B97F4A7C15) * np.uint64(2 * salt + 1)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)), dtype=np.uint64)
