"""From what users pass (frames, arrays, files, sparse matrices) to rows that a model can prepare."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _check_sample_weight, _num_samples, validate_data

from planefold.core.errors import DataError, PlanefoldError, show, unknown_column
from planefold.data.encoder import TableEncoder
from planefold.data.schema import missing_texts_of
from planefold.data.tables import Table, is_frame, read_table
from planefold.data.targets import read_target

Array = npt.NDArray[Any]

MAX_DENSE_VALUES = 50_000_000


def reads_tables(preparation: Any) -> bool:
    """Tell whether ``preprocess``, or what was fitted from it, takes columns as they come."""
    return (isinstance(preparation, str) and preparation == "auto") or isinstance(preparation, TableEncoder)


def missing_texts(preparation: Any) -> tuple[str, ...]:
    """Return the texts that mean "no value" besides the usual ones."""
    if not isinstance(preparation, TableEncoder):
        return ()
    if hasattr(preparation, "schema_"):
        return tuple(preparation.schema_.missing_values)
    return missing_texts_of(preparation.missing_values)


def take_target(X: Any, y: Any, preparation: Any = None) -> tuple[Any, Any]:
    """Read ``y="price"`` as the column of that name in X; a frame without it stays a frame of its library."""
    if not isinstance(y, str):
        return X, y
    if not is_frame(X):
        table = _table(X, preparation)
        return table.drop([y]), table[y]
    import narwhals.stable.v1 as nw

    names = [str(name) for name in (X.column_names if hasattr(X, "column_names") else X.columns)]
    if y not in names:
        raise unknown_column(y, names, type(X).__name__)
    if names.count(y) > 1:
        raise DataError(f'{type(X).__name__} has the column name "{y}" more than once', hint="rename one of them")
    frame = nw.from_native(X, eager_only=True)
    return frame.drop(y).to_native(), frame[y].to_native()


def name_of_target(y: Any) -> str | None:
    """Return the name that a target brings along: that of its column, or of a series."""
    name = y if isinstance(y, str) else getattr(y, "name", None)
    return name if isinstance(name, str) and name else None


def names_of_labels(y: Any) -> list[str] | None:
    """Return the column names of a target that is a frame."""
    if not is_frame(y):
        return None
    return [str(name) for name in (y.column_names if hasattr(y, "column_names") else y.columns)]


# -------------------------------------------------------------------------------------------------- the columns


def read_rows(model: Any, X: Any, *, reset: bool) -> Any:
    """Turn X into rows that the preparation of a model takes.

    Parameters
    ----------
    model : estimator
        Its ``preprocess`` decides when it learns (``reset``), afterwards what was fitted from it. Learning, it
        gets ``n_features_in_`` and, where the columns have names, ``feature_names_in_``.
    X : data frame, path of a CSV file, mapping of columns, array-like, or sparse matrix

    Returns
    -------
    Table, frame, ndarray or CSR matrix
        A Table for the preparations of planefold; a frame as it came for other transformers; numbers in a
        matrix otherwise.
    """
    preparation = model.preprocess if reset else model.encoder_
    if preparation is None and not reset and _is_as_learned(model, X):
        return X
    if isinstance(X, Table | str | Path | Mapping) or _is_records(X):
        table = _table(X, preparation)
        if reads_tables(preparation):
            _remember_table(model, table, reset=reset)
            return table
        X = _pandas(table)
    if reads_tables(preparation):
        return _read_for_tables(model, X, preparation, reset=reset)
    if preparation is not None:
        return _read_for_transformer(model, X, reset=reset)
    if is_frame(X) and not hasattr(X, "iloc"):
        X = _pandas(read_table(X))
    return _numbers(model, X, reset=reset, allow_nan=False)


def _read_for_tables(model: Any, X: Any, preparation: Any, *, reset: bool) -> Table:
    if is_frame(X):
        table = _table(X, preparation)
        _remember_frame(model, X, reset=reset)
        return table
    if _holds_more_than_numbers(X):
        table = read_table(np.asarray(X, dtype=object))
        _remember_table(model, table, reset=reset)
        return table
    X = _numbers(model, X, reset=reset, allow_nan=True)
    if is_sparse(X):
        if X.shape[0] * X.shape[1] > MAX_DENSE_VALUES:
            raise DataError(
                f"a sparse matrix of {X.shape[0]:,} x {X.shape[1]:,} is too large to be prepared",
                hint="preprocess=None keeps it sparse",
            )
        X = X.toarray()
    refuse_infinite(X)
    names = getattr(model, "feature_names_in_", None)
    labels = [f"x{i}" for i in range(X.shape[1])] if names is None else [str(name) for name in names]
    columns = {name: np.asarray(X[:, i], dtype=np.float64) for i, name in enumerate(labels)}
    return Table(columns=columns, source="X", named=names is not None)


def _read_for_transformer(model: Any, X: Any, *, reset: bool) -> Any:
    """Keep frames and texts as they are: only the transformer knows what it takes."""
    if is_frame(X):
        _remember_frame(model, X, reset=reset, in_order=True)
        return X
    if _holds_more_than_numbers(X):
        X = np.asarray(X, dtype=object)
        _validated(model, X, reset=reset, skip_check_array=True)
        return X
    return _numbers(model, X, reset=reset, allow_nan=True)


def _numbers(model: Any, X: Any, *, reset: bool, allow_nan: bool) -> Any:
    return _validated(
        model,
        X,
        reset=reset,
        accept_sparse="csr",
        dtype=(np.float64, np.float32),
        ensure_all_finite="allow-nan" if allow_nan else True,
    )


def _is_as_learned(model: Any, X: Any) -> bool:
    """Tell whether X is finite numbers like those learned from, of which scikit-learn's checks would take note only.

    They take longer than a small network for a row. What is not so is left to them, and to their words.
    """
    if type(X) is not np.ndarray or X.dtype not in (np.float32, np.float64):
        return False
    if X.ndim != 2 or len(X) == 0 or X.shape[1] != model.n_features_in_ or hasattr(model, "feature_names_in_"):
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(X.sum()))  # a sum that overflows is left to them, too


def _validated(model: Any, X: Any, **options: Any) -> Any:
    """Let scikit-learn check X; what it refuses becomes an error of ours in the words that its users know."""
    try:
        return validate_data(model, X, **options)
    except ValueError as error:
        if isinstance(error, PlanefoldError):
            raise
        words, hint = str(error), None
        if "NaN" in words:
            words, hint = words.splitlines()[0], "preprocess='auto' takes missing values as they are"
        elif "convert string" in words:
            hint = "preprocess='auto' reads texts and categories"
        elif "infinity" in words:
            hint = "replace infinite values by numbers"
        raise DataError(words, hint=hint) from error


def _remember_frame(model: Any, X: Any, *, reset: bool, in_order: bool = False) -> None:
    # Later the encoder matches columns by name: another order, or more of them, is fine.
    if reset or in_order:
        _validated(model, X, skip_check_array=True, reset=reset)


def _remember_table(model: Any, table: Table, *, reset: bool) -> None:
    if not reset:
        return
    model.n_features_in_ = len(table.names)
    if table.named:
        model.feature_names_in_ = np.array(table.names, dtype=object)
    elif hasattr(model, "feature_names_in_"):
        del model.feature_names_in_


def _table(X: Any, preparation: Any) -> Table:
    return read_table(X, missing_values=missing_texts(preparation))


def _pandas(table: Table) -> Any:
    import pandas as pd

    return pd.DataFrame(dict(table.columns))


def _is_records(X: Any) -> bool:
    return isinstance(X, list | tuple) and len(X) > 0 and all(isinstance(row, Mapping) for row in X)


def _holds_more_than_numbers(X: Any) -> bool:
    """Tell whether an array holds texts or dates, which scikit-learn's checks would refuse."""
    if is_sparse(X) or not hasattr(X, "__len__"):
        return False
    try:
        array = np.asarray(X)
    except ValueError:
        return False
    if array.ndim != 2 or array.dtype.kind not in "OUSM":
        return False
    kinds = (str, datetime.date, np.datetime64)
    return array.dtype.kind != "O" or any(isinstance(value, kinds) for value in array.ravel())


def is_sparse(X: Any) -> bool:
    """Tell whether X is a sparse matrix of SciPy."""
    return bool(sparse.issparse(X))


def refuse_infinite(X: Array) -> None:
    """Raise DataError, naming row and column, if a value is infinite."""
    infinite = np.isinf(X)
    if infinite.any():
        row, column = np.argwhere(infinite)[0]
        raise DataError(
            f"Input X contains infinity: row {row + 1}, column {column}",
            details=f"infinite values: {int(infinite.sum())}",
            hint="replace them by numbers, or by nan where the value is not known",
        )


def check_transformed(Z: Any, transformer: Any) -> Any:
    """Return what a user's transformer made as a matrix of finite numbers (CSR where it is sparse)."""
    who = f"preprocess={show(transformer)}"
    try:
        Z = Z.tocsr() if is_sparse(Z) else np.asarray(Z)
        Z = Z.astype(np.float32 if Z.dtype == np.float32 else np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{who} made something other than numbers", details=str(error).splitlines()[0]) from error
    if Z.ndim != 2:
        raise DataError(f"{who} made an array of shape {Z.shape}, the network needs rows and columns")
    values = Z.data if is_sparse(Z) else Z
    if not np.isfinite(values).all():
        raise DataError(
            f"{who} made NaN or infinity, which a network cannot take",
            hint="add an imputer to it, or take preprocess='auto'",
        )
    return Z


# ---------------------------------------------------------------------------------------- targets and weights


def read_target_values(y: Any, n_rows: int, who: str) -> Array:
    """Read a target that has one row for each row of X."""
    if y is None:
        raise DataError(
            f"This {who} estimator requires y to be passed, but the target y is None.",
            hint="fit(X, y) with the values to predict, or the name of their column in X",
        )
    values = read_target(y)
    if values.ndim == 1 and not is_frame(y) and np.asarray(y).ndim == 2:
        warnings.warn(
            "A column-vector y was passed when a 1d array was expected. Please change the shape of y to "
            "(n_samples,), for example using ravel().",
            DataConversionWarning,
            stacklevel=5,
        )
    if len(values) != n_rows:
        raise DataError(
            f"Found input variables with inconsistent numbers of samples: {[n_rows, len(values)]}",
            details=f"X has {n_rows} rows, y has {len(values)}",
            hint="are both from the same table?",
        )
    return values


def read_weights(sample_weight: Any, n_rows: int) -> Array | None:
    """Read weights of rows: finite, not negative, and not all zero."""
    if sample_weight is None:
        return None
    try:
        weights: Array = _check_sample_weight(sample_weight, np.empty((n_rows, 1)), dtype=np.float64)
    except ValueError as error:
        raise DataError(str(error).splitlines()[0], hint="sample_weight needs one number for each row") from error
    if (weights < 0).any():
        row = int(np.argmax(weights < 0))
        raise DataError(
            f"sample_weight has a negative value: row {row + 1} has {show(weights[row])}",
            hint="a row of weight 0 counts as absent; less than that is not possible",
        )
    if not weights.any():
        raise DataError("sample_weight is 0 in every row: there is nothing to learn from")
    return weights


def read_groups(groups: Any, n_rows: int) -> Array | None:
    """Read the group of each row; at least two groups."""
    if groups is None:
        return None
    values = read_target(groups, name="groups")
    if values.shape != (n_rows,):
        raise DataError(f"groups has shape {values.shape}, expected ({n_rows},): one group for each row of X")
    if len(np.unique(values)) < 2:
        raise DataError(
            "groups has one group only: none could be held out",
            details=f"all {n_rows} rows are of group {show(values[0])}",
            hint="train without holding rows out: early_stopping=False",
        )
    return values


# ----------------------------------------------------------------------------------------------- kinds of rows


def n_rows_of(rows: Any) -> int:
    """Count rows of any kind."""
    return int(rows.n_rows if isinstance(rows, Table) else _num_samples(rows))


def pick(rows: Any, index: Array) -> Any:
    """Take some rows of any kind."""
    if rows is None:
        return None
    if isinstance(rows, Table):
        return rows.take(index)
    return rows[index] if isinstance(rows, np.ndarray) or is_sparse(rows) else _safe_indexing(rows, index)


def number_types(table: Table) -> dict[str, str] | None:
    """Say that columns without names are numbers that somebody chose: none of them is taken for an id."""
    if table.named:
        return None
    return {name: "number" for name, values in table.columns.items() if _varies(values)}


def _varies(values: Array) -> bool:
    if values.dtype.kind not in "fiub":
        return False
    known = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    return bool(len(known) and known.min() < known.max())
