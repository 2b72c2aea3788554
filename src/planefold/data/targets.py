"""Targets: what a model predicts, as the numbers that training needs, and back.

Both records hold data only. They are made from the training target, written with the model, and turn what a
network computes back into labels or numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError, ModelFileError, listed, show
from planefold.data import jsonable, robust
from planefold.data.cells import Array, column_from, is_missing, text_of
from planefold.data.parsing import ENOUGH, number_text, read_numbers
from planefold.data.tables import Table, is_frame

# find_task calls whole numbers classes when there are few of them, and rows enough to learn each.
MAX_INTEGER_CLASSES = 20
MIN_ROWS_PER_CLASS = 10

_KINDS = {"b": "bool", "i": "int", "u": "int", "f": "float", "U": "str"}
_TYPES: dict[str, tuple[type, Any]] = {
    "bool": (bool, np.bool_),
    "int": (int, np.int64),
    "float": (float, np.float64),
    "str": (str, np.str_),
}


# --------------------------------------------------------------------------------------------------------- reading


def read_target(y: Any, *, name: str = "target") -> Array:
    """Read a target from a list, a series, an array, or one column of a frame.

    Parameters
    ----------
    y : array-like of shape (n_rows,), (n_rows, 1) or (n_rows, n_outputs)
        Numbers, truth values or texts.
    name : str
        What the messages call it.

    Returns
    -------
    ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Of int64, float64, bool or str. Objects that are numbers are numbers; one column is one-dimensional.

    Raises
    ------
    DataError
        If a value is missing or infinite (saying how many and the first row), or nothing is there at all.
    """
    array = _as_array(y, name)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array.ravel()
    if array.ndim not in (1, 2):
        raise DataError(f"{name} has shape {array.shape}; one value or one row of values for each sample is needed")
    if array.size == 0:
        raise DataError(f"{name} is empty", details="found 0 sample(s) while a minimum of 1 is required.")
    array = _plain(array, name)
    if array.dtype.kind == "f":
        _refuse_rows(np.isnan(array), name, "NaN", "has no value")
        _refuse_rows(np.isinf(array), name, "infinity", "is infinite")
    return array


def _as_array(y: Any, name: str) -> Array:
    if y is None:
        raise DataError(f"there is no {name}", hint="requires y to be passed, but the target y is None")
    if is_frame(y):
        import narwhals.stable.v1 as nw

        frame = nw.from_native(y, eager_only=True)
        columns = [_plain(column_from(frame[:, i].to_list(), name), name) for i in range(len(frame.columns))]
        return np.column_stack(columns)
    if isinstance(y, Table):
        return np.column_stack([_plain(column, name) for column in y.columns.values()])
    if isinstance(y, np.ndarray):
        return y
    if hasattr(y, "to_pylist"):
        y = y.to_pylist()  # a pyarrow array
    elif hasattr(y, "to_numpy"):
        return np.asarray(y.to_numpy())  # a series; its missing values become None or nan
    try:
        array = np.asarray(y)
        if array.dtype.kind in "USO":
            array = np.asarray(y, dtype=object)  # ["a", None] must not become the text "None"
    except ValueError as error:
        raise DataError(f"{name} is not one value or one row of values for each sample", details=str(error)) from error
    return array


def _plain(array: Array, name: str) -> Array:
    """Return bool, int64, float64 or str of the same shape."""
    kind = array.dtype.kind
    if kind == "c":
        raise DataError("Complex data not supported", details=f"{name} holds complex numbers")
    if kind == "O":
        flat = array.ravel()
        missing = np.array([is_missing(value) for value in flat], dtype=bool)
        _refuse_rows(missing.reshape(array.shape), name, "NaN", "has no value")
        column = column_from(flat, name)
        if column.dtype == object:
            _refuse_mixed(flat, name)
            column = np.array([str(text_of(value)) for value in column])
        return _plain(column, name).reshape(array.shape)
    if kind == "S":
        return np.char.decode(array, "utf-8", "replace")
    if kind in "Mm":
        if np.isnat(array).any():
            _refuse_rows(np.isnat(array), name, "NaN", "has no value")
        raise DataError(f"{name} holds {'dates' if kind == 'M' else 'durations'}, which no model here predicts",
                        hint="predict a number instead, such as the days until then")  # fmt: skip
    if kind == "u" and array.size and int(array.max()) > np.iinfo(np.int64).max:
        return array.astype(np.float64)
    return array.astype({"i": np.int64, "u": np.int64, "f": np.float64}.get(kind, array.dtype))


def _refuse_mixed(values: Array, name: str) -> None:
    kinds = sorted({type(value).__name__ for value in values})
    if len(kinds) > 1 and "str" in kinds and not set(kinds) <= {"str", "str_"}:
        raise DataError(
            f"{name} mixes texts with other values ({listed(kinds)})", hint="make all of them texts, or all numbers"
        )


def _refuse_rows(bad: Array, name: str, word: str, what: str) -> None:
    rows: Array = bad if bad.ndim == 1 else np.any(bad, axis=1)
    if rows.any():
        first, n_bad = int(np.argmax(rows)) + 1, int(rows.sum())
        raise DataError(
            f"Input {name} contains {word}: row {first} {what}",
            details=f"{n_bad} of {len(rows)} rows",
            hint=f"leave out the rows whose {name} is not known: nothing can be learned from them",
        )


# ------------------------------------------------------------------------------------------------------------ task


def find_task(y: Any) -> tuple[str, str]:
    """Guess from a raw target what is to be predicted.

    Returns
    -------
    task : {"regression", "binary", "multiclass"}
        Texts, truth values and few whole numbers are classes.
    why : str
        One sentence.

    Examples
    --------
    >>> find_task(["yes", "no", "yes"])
    ('binary', 'the target has 2 different texts: no, yes')
    >>> find_task([1.5, 2.25, 3.0])[0]
    'regression'
    """
    y = read_target(y)
    if y.ndim == 2:
        return "regression", f"the target has {y.shape[1]} columns"
    classes = np.unique(y)
    n_classes = len(classes)
    as_classes = "binary" if n_classes <= 2 else "multiclass"
    if y.dtype.kind == "U":
        share = _share_of_numbers(y)
        if share >= ENOUGH and n_classes > 2:
            return "regression", "the target is written as text, but its values are numbers"
        return as_classes, f"the target has {n_classes} different texts: {listed(classes, limit=5)}"
    if y.dtype.kind == "b":
        return "binary", "the target is true or false"
    if y.dtype.kind == "f" and np.any(y != np.floor(y)):
        return "regression", "the target has numbers with decimals"
    if n_classes <= 2:
        shown = [number_text(float(value)) for value in classes]
        return "binary", f"the target has {n_classes} different whole numbers: {listed(shown)}"
    if n_classes <= MAX_INTEGER_CLASSES and len(y) >= MIN_ROWS_PER_CLASS * n_classes:
        return "multiclass", f"the target has only {n_classes} different whole numbers in {len(y)} rows"
    return "regression", f"the target has {n_classes} different whole numbers in {len(y)} rows"


def _share_of_numbers(y: Array) -> float:
    texts, counts = np.unique(y, return_counts=True)
    return read_numbers(dict(zip(texts.tolist(), counts.tolist(), strict=True))).share


# --------------------------------------------------------------------------------------------------------- classes


@dataclass(frozen=True, kw_only=True, eq=False)
class ClassTarget:
    """The classes of a target.

    Parameters
    ----------
    classes : ndarray of shape (n_classes,)
        The labels in sorted order, of int64, float64, bool or str. With several labels for each row: the
        names of the labels.
    multilabel : bool
        Whether each row has any number of labels, not exactly one.
    """

    classes: Array
    multilabel: bool = False

    def encode(self, y: Any) -> Array:
        """Return codes: int64 of shape (n_rows,), or 0 and 1 as float64 of shape (n_rows, n_labels)."""
        y = read_target(y)
        if self.multilabel:
            y = y.reshape(len(y), -1)
            if y.shape[1] != len(self.classes) or y.dtype.kind == "U" or not np.isin(y, (0, 1)).all():
                raise DataError(f"the target must be 0 and 1 of shape (n_rows, {len(self.classes)}), it has {y.shape}")
            return np.asarray(y, dtype=np.float64)
        if y.ndim == 2:
            raise DataError(f"the target has shape {y.shape}, training had one label for each row")
        y = _like(y, self.classes)
        codes = np.searchsorted(self.classes, y)
        codes[codes == len(self.classes)] = 0
        new = self.classes[codes] != y
        if new.any():
            row = int(np.argmax(new))
            raise DataError(
                f"row {row + 1} has the class {show(y[row].tolist())}, which training never saw",
                details=f"classes: {listed(self.classes)}; {int(new.sum())} of {len(y)} rows are of no known class",
            )
        return np.asarray(codes, dtype=np.int64)

    def decode(self, codes: Any) -> Array:
        """Return labels for codes; with several labels, 0 or 1 (int64) for scores below or above one half."""
        codes = np.asarray(codes)
        if self.multilabel:
            return np.asarray(codes >= 0.5, dtype=np.int64)
        return np.asarray(self.classes[codes.astype(np.int64)])

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON data."""
        return {
            "kind": "classes",
            "dtype": _KINDS[self.classes.dtype.kind],
            "classes": self.classes.tolist(),
            "multilabel": self.multilabel,
        }

    @classmethod
    def from_json(cls, data: object) -> ClassTarget:
        """Build the record from JSON data, or raise ModelFileError."""
        where = "the target"
        entries = jsonable.a_dict(data, where)
        jsonable.one_of(jsonable.entry(entries, "kind", where), ["classes"], f"{where}, kind")
        name = jsonable.one_of(jsonable.entry(entries, "dtype", where), _TYPES, f"{where}, dtype")
        values = jsonable.a_list(jsonable.entry(entries, "classes", where), f"{where}, classes")
        multilabel = jsonable.entry(entries, "multilabel", where)
        wanted, dtype = _TYPES[name]
        if not values or not all(type(value) is wanted for value in values) or not isinstance(multilabel, bool):
            raise ModelFileError(f"{where} has classes that are not {name}: {listed(map(show, values), limit=5)}")
        if name == "int" and not all(-(2**63) <= value < 2**63 for value in values):
            raise ModelFileError(f"{where} has a class that is no 64-bit integer")
        classes = np.array(values, dtype=dtype)
        if len(np.unique(classes)) < len(classes) or (not multilabel and np.any(classes[1:] < classes[:-1])):
            raise ModelFileError(f"{where} has classes that are not sorted, or one twice")
        return cls(classes=classes, multilabel=multilabel)


def class_target(y: Any, *, name: str = "target") -> ClassTarget:
    """Find the classes of a training target.

    Parameters
    ----------
    y : array-like of shape (n_rows,), or 0 and 1 of shape (n_rows, n_labels)
        The second form gives each row any number of labels; a frame's column names are the labels' names.

    Raises
    ------
    DataError
        If the values are numbers with decimals, which are no classes.
    """
    values = read_target(y, name=name)
    if values.ndim == 2:
        if values.dtype.kind == "U" or not np.isin(values, (0, 1)).all():
            raise DataError(
                f"Unknown label type: {name} has shape {values.shape} and values other than 0 and 1",
                hint="give each row one label, or one 0 or 1 for each label",
            )
        names = [str(column) for column in y.columns] if is_frame(y) and hasattr(y, "columns") else None
        labels = np.array(names) if names and len(set(names)) == values.shape[1] else np.arange(values.shape[1])
        return ClassTarget(classes=labels, multilabel=True)
    if values.dtype.kind == "f" and np.any(values != np.floor(values)):
        example = show(values[values != np.floor(values)][0])
        raise DataError(
            f"Unknown label type: {name} has numbers with decimals, such as {example}",
            hint="use a regressor, or cut the numbers into classes first",
        )
    return ClassTarget(classes=np.unique(values))


def _like(y: Array, classes: Array) -> Array:
    """Bring labels to the type of the classes, where that loses nothing: 1.0 is the class 1, "1" is not."""
    if (y.dtype.kind == "U") == (classes.dtype.kind == "U"):
        return y
    raise DataError(
        f"the target holds {'texts' if y.dtype.kind == 'U' else 'numbers'}, the classes are "
        f"{'texts' if classes.dtype.kind == 'U' else 'numbers'}: {listed(classes, limit=5)}"
    )


# --------------------------------------------------------------------------------------------------------- numbers


@dataclass(frozen=True, kw_only=True, eq=False)
class NumberTarget:
    """The location and scale of a target of numbers.

    Parameters
    ----------
    mean, scale : ndarray of shape (n_outputs,)
        Mean and standard deviation of the training target; scale is 1 where the target is constant.
    one_dimensional : bool
        Whether the target had shape (n_rows,), and predictions shall have, too.
    """

    mean: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]
    one_dimensional: bool = True

    def encode(self, y: Any) -> Array:
        """Return ``(y - mean) / scale`` as float64 of shape (n_rows, n_outputs)."""
        numbers = to_numbers(y)
        numbers = numbers.reshape(len(numbers), -1)
        if numbers.shape[1] != len(self.mean):
            raise DataError(f"the target has {numbers.shape[1]} columns, training had {len(self.mean)}")
        # Halves, because the difference of two huge numbers overflows.
        return np.asarray((numbers / 2 - self.mean / 2) / (self.scale / 2))

    def decode(self, z: Any) -> Array:
        """Return ``mean + scale * z``, of shape (n_rows,) when the training target was."""
        array = np.asarray(z, dtype=np.float64)
        with np.errstate(over="ignore"):
            numbers = 2 * (self.mean / 2 + self.scale / 2 * array.reshape(len(array), -1))
        return np.asarray(numbers[:, 0] if self.one_dimensional else numbers)

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON data."""
        return {
            "kind": "numbers",
            "mean": self.mean.tolist(),
            "scale": self.scale.tolist(),
            "one_dimensional": self.one_dimensional,
        }

    @classmethod
    def from_json(cls, data: object) -> NumberTarget:
        """Build the record from JSON data, or raise ModelFileError."""
        where = "the target"
        entries = dict(jsonable.a_dict(data, where))
        jsonable.one_of(entries.pop("kind", None), ["numbers"], f"{where}, kind")
        plain = jsonable.from_json(_Numbers, entries, where)
        if len(plain.mean) != len(plain.scale) or not plain.mean or min(plain.scale) <= 0:
            raise ModelFileError(f"{where} needs a mean and a positive scale for each output")
        if plain.one_dimensional and len(plain.mean) > 1:
            raise ModelFileError(f"{where} is one-dimensional with {len(plain.mean)} outputs")
        return cls(mean=np.array(plain.mean), scale=np.array(plain.scale), one_dimensional=plain.one_dimensional)


@dataclass(frozen=True)
class _Numbers:
    """What a NumberTarget is in a file."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    one_dimensional: bool


def number_target(y: Any, *, name: str = "target") -> NumberTarget:
    """Find the location and scale of a training target of numbers.

    Parameters
    ----------
    y : array-like of shape (n_rows,) or (n_rows, n_outputs)
        Numbers, or texts that are numbers in one style ("1,200.50").
    """
    numbers = to_numbers(y, name=name)
    columns = numbers.reshape(len(numbers), -1)
    moments = [robust.mean_and_deviation(column) for column in columns.T]
    return NumberTarget(
        mean=np.array([mean for mean, _ in moments]),
        # Below the normal floats a division by the scale would not be exact, and may be one by zero.
        scale=np.array([deviation if deviation > 1e-300 else 1.0 for _, deviation in moments]),
        one_dimensional=numbers.ndim == 1,
    )


def to_numbers(y: Any, *, name: str = "target") -> Array:
    """Return a target as float64; every text must be a number, all in one style.

    >>> to_numbers(["1,200.50", "980"])
    array([1200.5,  980. ])
    """
    values = read_target(y, name=name)
    if values.dtype.kind != "U":
        return values.astype(np.float64)
    flat = values.ravel()
    texts, codes, counts = np.unique(flat, return_inverse=True, return_counts=True)
    reading = read_numbers(dict(zip(texts.tolist(), counts.tolist(), strict=True)))
    if reading.stray:
        row = int(np.argmax(np.isin(flat, reading.stray))) // (values.shape[1] if values.ndim == 2 else 1) + 1
        raise DataError(
            f"{name}, row {row}: {show(reading.stray[0])} is not a number",
            details=f"texts that are no numbers: {listed(map(show, reading.stray), limit=5)}",
            hint="use a classifier for classes, or leave out the rows that have no number",
        )
    numbers = np.array([reading.values[text] for text in texts.tolist()], dtype=np.float64)[codes]
    _refuse_rows(np.isinf(numbers), name, "infinity", "is infinite")
    return numbers.reshape(values.shape)
