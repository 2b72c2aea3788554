"""The encoder: rows of a table in, inputs of a network out, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from planefold.core.errors import DataError, ModelFileError, ParameterError, listed, show, unknown_choice
from planefold.data import jsonable
from planefold.data.cells import Array
from planefold.data.inputs import Input, Options, decode_table, encode_table, find_inputs, missing_rows
from planefold.data.schema import Schema, find_schema, missing_texts_of
from planefold.data.tables import Table, read_table

ENCODINGS = ("linear", "piecewise_linear")
DTYPES = ("float32", "float64")
# The version of what to_json writes.
FORMAT = 1


class TableEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc, unused-ignore]
    """Turn tables with numbers, categories, dates and gaps into the inputs of a network.

    It learns from the training table alone and never sees the target.

    Parameters
    ----------
    types : mapping of column name to kind, optional
        What you know better than the table shows: "number", "category", "boolean", "date", or "drop".
    encoding : {"auto", "linear", "piecewise_linear"}
        "linear" gives each number one input. "piecewise_linear" adds ``n_bins`` inputs that each rise from
        0 to 1 over one bin between quantiles, so that a network can bend there at once.
        "auto" is "linear", and in a model whichever does better there.
    n_bins : int
        Eight bins hold an eighth of the rows each; the 2022 paper finds little between 5 and 30.
    max_categories : int
        A category column gets at most so many inputs, for the most frequent ones; the others share one.
    min_frequency : int or float, optional
        A category that has fewer rows (or, below 1, a smaller share) has no input of its own. By default
        0.5 % of the rows, but at least 2 and at most 10: less is too little to learn from.
    clip : float
        Scaled numbers are cut off at +-clip. Beyond three deviations there are few rows to learn from, and a
        network that goes on in a straight line there errs; measured in docs/log.md.
    missing_values : sequence of str or number
        Further values that mean "no value", such as "unknown" or -999.
    dtype : {"float32", "float64"}
        Of the result. Networks compute in float32; all arithmetic before is in float64.

    Attributes
    ----------
    schema_ : Schema
        What the columns are; ``schema_.notes()`` says in words what was decided.
    inputs_ : tuple of Input
        What each column of the result means.
    n_features_in_ : int
        How many columns the training table had.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        What they are called.

    Notes
    -----
    Numbers are centred on the median and divided by the interquartile range over 1.349, which one giant value
    does not move. A missing number becomes the median, and an indicator input says that it was missing when
    that happened in 5 rows and 0.5 % of the rows; columns missing in the same rows share one indicator.
    Costs ``O(n_rows)`` for a column, and a sort for its quantiles.

    References
    ----------
    Gorishniy, Rubachev and Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning",
    NeurIPS 2022 (the piecewise-linear encoding).

    Examples
    --------
    >>> X = {"area": [50, 80, 65, 120], "town": ["Bonn", "Trier", "Bonn", "Trier"]}
    >>> encoder = TableEncoder().fit(X)
    >>> [str(name) for name in encoder.get_feature_names_out()]
    ['area', 'town = Trier']
    >>> encoder.transform(X)[:, 1]
    array([0., 1., 0., 1.], dtype=float32)
    """

    def __init__(
        self,
        *,
        types: Mapping[str, str] | None = None,
        encoding: str = "auto",
        n_bins: int = 8,
        max_categories: int = 30,
        min_frequency: float | None = None,
        clip: float = 3.0,
        missing_values: Sequence[object] = (),
        dtype: str = "float32",
    ) -> None:
        self.types = types
        self.encoding = encoding
        self.n_bins = n_bins
        self.max_categories = max_categories
        self.min_frequency = min_frequency
        self.clip = clip
        self.missing_values = missing_values
        self.dtype = dtype

    def fit(self, X: Any, y: object = None) -> TableEncoder:
        """Learn the kinds of the columns and the inputs from a training table.

        Parameters
        ----------
        X : anything that :func:`planefold.data.read_table` reads
            Without the target.
        y : ignored
            The target must not leak into the inputs.
        """
        options = self._checked_options()
        table = self._read(X, missing_texts_of(self.missing_values))
        schema = find_schema(table, types=self.types, missing_values=self.missing_values)
        aligned, _ = schema.align(table, with_dropped=True)
        inputs = find_inputs(aligned, schema, options)
        if not inputs:
            raise DataError(
                f"no column of {table.source} gives an input: each has one value only, and gaps",
                details=f"columns: {listed(schema.names)}",
            )
        self._remember(schema, inputs, self.dtype)
        return self

    def _remember(self, schema: Schema, inputs: tuple[Input, ...], dtype: str) -> None:
        self.schema_ = schema
        self.inputs_ = inputs
        self.n_features_in_ = len(schema.columns)
        self.feature_names_in_ = np.array(schema.names, dtype=object)
        self._dtype = dtype  # as fitted: set_params must not change what transform does

    def _checked_options(self) -> Options:
        if self.encoding not in ("auto", *ENCODINGS):
            raise unknown_choice("encoding", self.encoding, ("auto", *ENCODINGS))
        if self.dtype not in DTYPES:
            raise unknown_choice("dtype", self.dtype, DTYPES)
        _needs_int("n_bins", self.n_bins, 2)
        _needs_int("max_categories", self.max_categories, 1)
        _needs_positive("clip", self.clip)
        if self.clip > 1e6:  # float32 would no longer resolve the values next to zero
            raise ParameterError(f"clip={show(self.clip)} must be at most 1000000, in standard deviations")
        if self.min_frequency is not None:
            _needs_positive("min_frequency", self.min_frequency)
        return Options(
            encoding="linear" if self.encoding == "auto" else self.encoding,
            n_bins=int(self.n_bins),
            max_categories=int(self.max_categories),
            min_frequency=self.min_frequency,
            clip=float(self.clip),
        )

    def _read(self, X: Any, missing: Sequence[str]) -> Table:
        return read_table(X, missing_values=missing)

    def transform(self, X: Any) -> Array:
        """Compute the inputs, C-contiguous of shape (n_rows, n_inputs)."""
        return self.transform_with_notes(X)[0]

    def transform_with_notes(self, X: Any) -> tuple[Array, list[str]]:
        """Compute the inputs, and say what in the table was unlike the training table.

        Returns
        -------
        Z : ndarray of shape (n_rows, n_inputs)
            C-contiguous, of ``dtype``.
        notes : list of str
            Ignored columns, categories that training never saw, values missing for the first time.
        """
        check_is_fitted(self)
        table = self._read(X, self.schema_.missing_values)
        if not table.named and len(table.columns) != self.n_features_in_:
            # In scikit-learn's words, which its tests and its users know.
            raise DataError(
                f"X has {len(table.columns)} features, but {type(self).__name__} is expecting "
                f"{self.n_features_in_} features as input",
                details=f"columns in training: {listed(self.schema_.names)}",
            )
        aligned, notes = self.schema_.align(table, with_dropped=True)
        notes += _new_gaps(aligned, self.schema_, self.inputs_)
        return encode_table(aligned, self.schema_, self.inputs_, self._dtype), notes

    def get_feature_names_out(self, input_features: object = None) -> Array:
        """Return the names of the inputs, an object array of shape (n_inputs,)."""
        check_is_fitted(self)
        return np.array([found.name for found in self.inputs_], dtype=object)

    def inverse_transform(self, Z: Any) -> dict[str, Array]:
        """Go back from inputs to raw values.

        Parameters
        ----------
        Z : array-like of shape (n_rows, n_inputs)
            As :meth:`transform` makes it; for categories the largest input wins.

        Returns
        -------
        dict of column name to ndarray of shape (n_rows,)
            For the columns that are used. Numbers within the clip range up to rounding, and nan where the
            indicator says missing. Categories as texts, "other" for the rare ones, None for missing or never
            seen. Dates as datetime64[ns], to the day.
        """
        check_is_fitted(self)
        array = np.asarray(Z, dtype=np.float64)
        if array.ndim != 2 or array.shape[1] != len(self.inputs_):
            raise DataError(f"Z has shape {array.shape}, expected (n_rows, {len(self.inputs_)})")
        return decode_table(array, self.schema_, self.inputs_)

    def to_json(self) -> dict[str, Any]:
        """Return all that :meth:`fit` learned, as JSON data."""
        check_is_fitted(self)
        return {
            "format": FORMAT,
            "encoding": "piecewise_linear" if any(found.kind == "bin" for found in self.inputs_) else "linear",
            "dtype": self._dtype,
            "schema": self.schema_.to_json(),
            "inputs": [found.to_json() for found in self.inputs_],
        }

    @classmethod
    def from_json(cls, data: object) -> TableEncoder:
        """Build a fitted encoder from JSON data, or raise ModelFileError.

        It transforms bit for bit like the one that was written. Parameters that only matter in
        :meth:`fit` have their defaults.
        """
        where = "the encoder"
        entries = jsonable.a_dict(data, where)
        version = jsonable.entry(entries, "format", where)
        if version != FORMAT:
            raise ModelFileError(f"{where} has format {show(version)}, this planefold reads format {FORMAT}")
        encoding = jsonable.one_of(jsonable.entry(entries, "encoding", where), ENCODINGS, f"{where}, encoding")
        dtype = jsonable.one_of(jsonable.entry(entries, "dtype", where), DTYPES, f"{where}, dtype")
        schema = Schema.from_json(jsonable.entry(entries, "schema", where))
        raw = jsonable.a_list(jsonable.entry(entries, "inputs", where), f"{where}, inputs")
        inputs = tuple(Input.from_json(found) for found in raw)
        _refuse_strangers(schema, inputs)
        encoder = cls(encoding=encoding, dtype=dtype, missing_values=schema.missing_values)
        encoder._remember(schema, inputs, dtype)
        return encoder

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = []  # it is a parameter, and does not follow the table
        return tags


def _needs_int(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ParameterError(f"{name}={show(value)} must be a whole number of at least {least}")


def _needs_positive(name: str, value: Any) -> None:
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not number or not 0 < value < math.inf:
        raise ParameterError(f"{name}={show(value)} must be a positive number")


def _new_gaps(table: Table, schema: Schema, inputs: tuple[Input, ...]) -> list[str]:
    notes = []
    for name in dict.fromkeys(found.column for found in inputs):
        column, values = schema[name], table.columns.get(name)
        if values is None:
            notes.append(f'Column "{name}" is not in {table.source}; its values count as missing.')
            continue
        n_missing = int(missing_rows(values).sum())
        if n_missing and not column.n_missing and column.kind != "drop":
            fills = {"number": f"the median {column.median}", "date": "the median date"}
            instead = fills.get(column.kind, "no category")
            rows = "1 row has" if n_missing == 1 else f"{n_missing} rows have"
            notes.append(f'Column "{name}": {rows} no value, which never happened in training; {instead} is used.')
    return notes


_KINDS_OF_COLUMN = {
    "number": {"value", "bin", "missing"},
    "date": {"date part", "bin", "missing"},
    "category": {"category", "missing"},
    "boolean": {"category", "missing"},
    "drop": {"missing"},
}


def _refuse_strangers(schema: Schema, inputs: tuple[Input, ...]) -> None:
    """Raise ModelFileError unless every input can be computed from the schema."""
    columns = {column.name: column for column in schema.columns}
    if not inputs or len({found.name for found in inputs}) != len(inputs):
        raise ModelFileError("the encoder has no inputs, or two of one name")
    # What a decoder looks up must be there once.
    single = [(found.column, found.kind, found.category, found.part) for found in inputs if found.kind != "bin"]
    covered = [name for found in inputs for name in found.covers]
    if len(set(single)) < len(single) or len(set(covered)) < len(covered):
        raise ModelFileError("the encoder has one input twice, or two indicators for one column")
    for found in inputs:
        where = f"input {show(found.name)}"
        if not {found.column, *found.covers} <= set(columns):
            raise ModelFileError(f"{where} is of a column that the schema does not have")
        column = columns[found.column]
        if found.kind not in _KINDS_OF_COLUMN[column.kind]:
            raise ModelFileError(f"{where} is a {found.kind}, which a {column.kind} column does not have")
        if found.kind == "bin" and (found.part is None) != (column.kind == "number"):
            raise ModelFileError(f"{where} has the part {show(found.part)}, its column is a {column.kind}")
        if found.kind == "category" and found.category is not None and found.category not in column.categories:
            raise ModelFileError(f"{where} is of a category that the schema does not have")
