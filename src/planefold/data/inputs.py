"""Inputs: what each number that a network reads means, and how it comes out of its column.

The list of inputs is found once, from the training table. After that an input is plain data: computing it, and
going back from it to the column, needs nothing but its record.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from planefold.core.errors import ModelFileError, show
from planefold.data import jsonable, robust
from planefold.data.cells import Array
from planefold.data.columns import Column
from planefold.data.schema import Schema
from planefold.data.tables import Table

INPUT_KINDS = ("value", "bin", "category", "missing", "date part")
DATE_PARTS = ("days", "month", "weekday", "hour")

# Fewer rows than this say nothing about what it means that a value is missing.
MIN_MISSING = 5
MIN_MISSING_SHARE = 0.005
# A dropped column tells whether its value is known: only when both cases are common.
KNOWN_SHARES = (0.05, 0.95)

_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, kw_only=True)
class Input:
    """One input of the network.

    Parameters
    ----------
    name : str
        In words: "Age", "Fare, 3rd of 8 bins", "Sex = female", "Age is missing", "sold: month".
    column : str
        The column it is computed from.
    kind : {"value", "bin", "category", "missing", "date part"}
        "value" and "date part" are ``clip((x - center) / scale, -limit, limit)``, "bin" is
        ``clip((x - center) / scale, 0, 1)``, "category" and "missing" are 0 or 1.
    category : str or None
        The category; None in a category input for all that have no input of their own ("other").
    part : {"days", "month", "weekday", "hour"} or None
        The part of a date: whole days since the first date of the training table, month 1 to 12, weekday
        0 (Monday) to 6, hour of the day with its fraction. A bin of a date has a part, too.
    center, scale, limit : float
        In the unit of the column, or of the part; scale is positive.
    low, high : float or None
        The edges of a bin, or the values beyond which a value is clipped.
    fill : float
        What a missing x is replaced by: the median of the training table.
    covers : tuple of str
        For "missing": all columns that were missing in the same rows of the training table.
    """

    name: str
    column: str
    kind: str
    category: str | None = None
    part: str | None = None
    center: float = 0.0
    scale: float = 1.0
    limit: float = 1.0
    low: float | None = None
    high: float | None = None
    fill: float = 0.0
    covers: tuple[str, ...] = field(default=())

    def encode(self, x: Array) -> Array:
        """Compute a value, date part or bin input from the values of its column, float64 of shape (n_rows,)."""
        x = np.where(np.isnan(x), self.fill, x)
        with np.errstate(over="ignore"):
            z = (x - self.center) / self.scale
            lost = ~np.isfinite(z)
            if lost.any():  # the difference of two huge numbers overflowed; that of their halves does not
                z[lost] = 2 * ((x[lost] / 2 - self.center / 2) / self.scale)
        return np.clip(z, 0.0 if self.kind == "bin" else -self.limit, self.limit)

    def decode(self, z: Array) -> Array:
        """Go back from a value or date part input to the values of its column, clipped ones excepted."""
        with np.errstate(over="ignore"):
            return np.clip(self.center + self.scale * z, -_LARGEST, _LARGEST)

    def to_json(self) -> dict[str, Any]:
        """Return the input as JSON data."""
        return jsonable.to_json(self)

    @classmethod
    def from_json(cls, data: object) -> Input:
        """Build an input from JSON data, or raise ModelFileError."""
        found = jsonable.from_json(cls, data, "an input")
        where = f"input {show(found.name)}"
        jsonable.one_of(found.kind, INPUT_KINDS, f"{where}, kind")
        if found.part is not None:
            jsonable.one_of(found.part, DATE_PARTS, f"{where}, part")
        if found.scale <= 0 or found.limit <= 0:
            raise ModelFileError(f"{where} has scale {found.scale} and limit {found.limit}; both must be positive")
        if (found.kind == "date part") != (found.part is not None) and found.kind != "bin":
            raise ModelFileError(f"{where} is a {found.kind} with the date part {show(found.part)}")
        return found


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a table is encoded; see :class:`planefold.data.TableEncoder`."""

    encoding: str = "linear"
    n_bins: int = 8
    max_categories: int = 30
    min_frequency: float | None = None
    clip: float = 10.0


# ---------------------------------------------------------------------------------------------------- finding them


def find_inputs(table: Table, schema: Schema, options: Options) -> tuple[Input, ...]:
    """Find the inputs of a training table.

    Parameters
    ----------
    table : Table
        Aligned with the schema, with the dropped columns.
    """
    indicators = _indicators(table, schema)
    inputs: list[Input] = []
    for column in schema.columns:
        values = table.columns[column.name]
        covered = any(column.name in found.covers for found in indicators.values())
        if column.kind == "number":
            inputs += _number_inputs(column, values, options)
        elif column.kind == "date":
            inputs += _date_inputs(column, values, options)
        elif column.kind in ("category", "boolean"):
            inputs += _category_inputs(column, values, options, covered)
        if column.name in indicators:
            inputs.append(indicators[column.name])
    return tuple(_with_own_names(inputs))


def missing_rows(values: Array) -> Array:
    """Return where a column has no value, as bool of shape (n_rows,)."""
    if values.dtype.kind == "M":
        return np.isnat(values)
    if values.dtype.kind == "f":
        return np.isnan(values)
    # A comparison with None is elementwise on object arrays, and False everywhere on the others.
    found: Array = np.equal(values, np.array(None)) if values.dtype == object else np.zeros(values.shape, dtype=bool)
    return found.astype(bool)


def _indicators(table: Table, schema: Schema) -> dict[str, Input]:
    """Find the "is missing" inputs, by the column that each is named after."""
    first: dict[bytes, str] = {}
    covers: dict[str, list[str]] = {}
    for column in schema.columns:
        missing = missing_rows(table.columns[column.name])
        if _tells_something(column, int(missing.sum()), len(missing)):
            name = first.setdefault(np.packbits(missing).tobytes(), column.name)
            covers.setdefault(name, []).append(column.name)
    return {
        name: Input(name=f"{name} is missing", column=name, kind="missing", covers=tuple(names))
        for name, names in covers.items()
    }


def _tells_something(column: Column, n_missing: int, n_rows: int) -> bool:
    if column.kind == "drop":
        if column.dropped_as not in ("id", "high cardinality", "free text"):
            return False
        low, high = KNOWN_SHARES
        return n_missing >= MIN_MISSING and low <= n_missing / n_rows <= high
    if n_missing == n_rows:
        return False
    if column.kind in ("category", "boolean"):
        return n_missing >= MIN_MISSING
    return n_missing >= max(MIN_MISSING, MIN_MISSING_SHARE * n_rows)


def _number_inputs(column: Column, values: Array, options: Options) -> Iterator[Input]:
    if column.n_unique == 1 and column.n_missing:
        return  # whether it is known is all it says
    yield from _inputs_of_numbers(Input(name=column.name, column=column.name, kind="value"), values, options)


def _inputs_of_numbers(template: Input, values: Array, options: Options) -> Iterator[Input]:
    present = values[~np.isnan(values)]
    center, scale = robust.median(present), robust.spread(present)
    with np.errstate(over="ignore"):
        low, high = np.clip([center - options.clip * scale, center + options.clip * scale], -_LARGEST, _LARGEST)
    yield replace(
        template, center=center, scale=scale, limit=options.clip, low=float(low), high=float(high), fill=center
    )
    if options.encoding != "piecewise_linear":
        return
    edges = bin_edges(present, options.n_bins)
    for i, (low, high) in enumerate(itertools.pairwise(edges), start=1):
        yield replace(
            template,
            name=f"{template.name}, {_ordinal(i)} of {len(edges) - 1} bins",
            kind="bin",
            center=float(low),
            scale=float(high - low),
            low=float(low),
            high=float(high),
            fill=center,
        )


def bin_edges(present: Array, n_bins: int) -> Array:
    """Find the edges of the bins: quantiles, or the values themselves when there are few different ones.

    Returns
    -------
    ndarray of shape (n_edges,)
        Increasing; empty when a column has no more than one bin, which would repeat its value.
    """
    different = np.unique(present)
    if len(different) <= n_bins:
        edges = different
    else:
        edges = np.unique(robust.quantiles(present, np.linspace(0, 1, n_bins + 1)))
    with np.errstate(over="ignore"):
        too_wide = not np.all(np.isfinite(np.diff(edges)))
    return edges[:0] if len(edges) < 3 or too_wide else edges


def _ordinal(i: int) -> str:
    """Write a place in words.

    >>> [_ordinal(i) for i in (1, 2, 3, 4, 11, 21)]
    ['1st', '2nd', '3rd', '4th', '11th', '21st']
    """
    ending = "th" if 10 <= i % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(i % 10, "th")
    return f"{i}{ending}"


def _date_inputs(column: Column, values: Array, options: Options) -> Iterator[Input]:
    for part in DATE_PARTS:
        numbers = part_of_dates(values, part, column)
        if len(np.unique(numbers[~np.isnan(numbers)])) > 1:
            words = f"days since {(column.date_minimum or '')[:10]}" if part == "days" else part
            template = Input(name=f"{column.name}: {words}", column=column.name, kind="date part", part=part)
            yield from _inputs_of_numbers(template, numbers, options)


def part_of_dates(values: Array, part: str, column: Column) -> Array:
    """Return one part of dates as float64 of shape (n_rows,), nan where there is no date."""
    days = values.astype("datetime64[D]")
    if part == "days":
        numbers = (days - np.datetime64((column.date_minimum or "1970-01-01")[:10])).astype(np.int64)
    elif part == "month":
        numbers = values.astype("datetime64[M]").astype(np.int64) % 12 + 1
    elif part == "weekday":
        numbers = (days.astype(np.int64) + 3) % 7  # 1970-01-01 was a Thursday
    else:
        numbers = (values - days).astype("timedelta64[ns]").astype(np.int64) / 3.6e12
    return np.where(np.isnat(values), np.nan, numbers)


def _category_inputs(column: Column, values: Array, options: Options, covered: bool) -> Iterator[Input]:
    def one(category: str) -> Input:
        return Input(name=f"{column.name} = {category}", column=column.name, kind="category", category=category)

    if column.n_unique == 2 and not column.n_missing:
        yield one(max(column.categories))
        return
    if column.n_unique == 1 and covered:
        return  # the indicator says it already
    kept = _kept_categories(column, values, options)
    yield from map(one, kept)
    if len(kept) < column.n_unique:
        yield Input(name=f"{column.name} = other", column=column.name, kind="category")


def _kept_categories(column: Column, values: Array, options: Options) -> list[str]:
    place = {category: i for i, category in enumerate(column.categories)}
    codes = np.fromiter((place.get(text, -1) for text in values.tolist()), np.int64, len(values))
    counts = np.bincount(codes[codes >= 0], minlength=len(place))
    least = options.min_frequency
    if least is None:
        least = min(max(2.0, 0.005 * len(values)), 10.0)
    elif least < 1:
        least *= len(values)
    kept = [category for category, count in zip(column.categories, counts, strict=True) if count >= least]
    # All rare: the most frequent one is at least told from the others.
    return kept[: options.max_categories] or list(column.categories[:1])


def _with_own_names(inputs: list[Input]) -> Iterator[Input]:
    taken: set[str] = set()
    for found in inputs:
        name, i = found.name, 2
        while name in taken:  # a column may be called "Sex = female", and a category "other"
            name, i = f"{found.name} ({i})", i + 1
        taken.add(name)
        yield replace(found, name=name)


# -------------------------------------------------------------------------------------------------- computing them


def groups_of(inputs: tuple[Input, ...]) -> dict[str, list[int]]:
    """Return the places of the inputs of each column."""
    groups: dict[str, list[int]] = {}
    for place, found in enumerate(inputs):
        groups.setdefault(found.column, []).append(place)
    return groups


def encode_table(table: Table, schema: Schema, inputs: tuple[Input, ...], dtype: str) -> Array:
    """Compute all inputs of an aligned table, C-contiguous of shape (n_rows, n_inputs)."""
    Z = np.zeros((table.n_rows, len(inputs)), dtype=dtype)
    covered = {name for found in inputs for name in found.covers}
    for name, places in groups_of(inputs).items():
        column = schema[name]
        values = table.columns.get(name)
        parts: dict[str | None, Array] = {}
        for place in places:
            found = inputs[place]
            if found.kind == "missing":
                # A dropped column need not be there; then its value is not known.
                Z[:, place] = 1 if values is None else missing_rows(values)
            elif found.kind != "category" and values is not None:
                if found.part not in parts:
                    parts[found.part] = part_of_dates(values, found.part, column) if found.part else values
                Z[:, place] = found.encode(parts[found.part])
        categories = {inputs[place].category: place for place in places if inputs[place].kind == "category"}
        if categories and values is not None:
            _encode_categories(Z, values, categories, binary=_is_binary(column, categories), covered=name in covered)
    return Z


def _is_binary(column: Column, categories: Mapping[str | None, int]) -> bool:
    return column.n_unique == 2 and len(categories) == 1 and None not in categories


def _encode_categories(
    Z: Array, values: Array, places: Mapping[str | None, int], *, binary: bool, covered: bool
) -> None:
    other = places.get(None, -1)
    lookup = {text: places.get(text, other) for text in dict.fromkeys(values.tolist())}
    if None in lookup and (covered or binary):
        lookup[None] = -1
    target = np.fromiter(map(lookup.__getitem__, values.tolist()), np.int64, len(values))
    rows = np.flatnonzero(target >= 0)
    Z[rows, target[rows]] = 1


def decode_table(Z: Array, schema: Schema, inputs: tuple[Input, ...]) -> dict[str, Array]:
    """Go back from inputs to the columns that are used; see :meth:`TableEncoder.inverse_transform`."""
    indicator = {name: place for place, found in enumerate(inputs) for name in found.covers}
    groups = groups_of(inputs)
    columns: dict[str, Array] = {}
    for column in schema.used:
        places = [place for place in groups.get(column.name, []) if inputs[place].kind != "missing"]
        missing: Array = np.zeros(len(Z), dtype=bool)
        if column.name in indicator:
            missing = Z[:, indicator[column.name]] > 0.5
        if column.kind == "number":
            values = _decode_numbers(Z, column, inputs, places)
            columns[column.name] = np.where(missing, np.nan, values)
        elif column.kind == "date":
            days = _decode_dates(Z, column, inputs, places)
            days[missing] = np.datetime64("NaT")
            columns[column.name] = days
        else:
            texts = _decode_categories(Z, column, inputs, places)
            texts[missing] = None
            columns[column.name] = texts
    return columns


def _decode_numbers(Z: Array, column: Column, inputs: tuple[Input, ...], places: list[int]) -> Array:
    for place in places:
        if inputs[place].kind == "value":
            return inputs[place].decode(Z[:, place].astype(np.float64))
    return np.full(len(Z), column.median)


def _decode_dates(Z: Array, column: Column, inputs: tuple[Input, ...], places: list[int]) -> Array:
    first = np.datetime64((column.date_minimum or "1970-01-01")[:10], "ns")
    for place in places:
        if inputs[place].kind == "date part" and inputs[place].part == "days":
            days = np.rint(inputs[place].decode(Z[:, place].astype(np.float64)))
            found: Array = first + days.astype(np.int64) * np.timedelta64(86_400 * 10**9, "ns")
            return found
    return np.full(len(Z), first)


def _decode_categories(Z: Array, column: Column, inputs: tuple[Input, ...], places: list[int]) -> Array:
    texts = np.empty(len(Z), dtype=object)
    categories = {inputs[place].category: place for place in places}
    if not places:  # one category, and an indicator that says whether it is known
        texts[:] = column.categories[0]
    elif _is_binary(column, categories):
        second = next(iter(categories))
        texts[:] = next(category for category in column.categories if category != second)
        texts[Z[:, places[0]] > 0.5] = second
    else:
        names = np.array(["other" if category is None else category for category in categories], dtype=object)
        block = Z[:, places]
        known = block.max(axis=1) > 0.5
        texts[known] = names[block[known].argmax(axis=1)]
    return texts
