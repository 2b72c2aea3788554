"""The sketch that is saved with a model describes the training rows."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from planefold.data import find_schema, read_table
from planefold.data.sketch import MAX_COUNTED, sketch


def _sketch(columns):
    table = read_table(columns)
    return sketch(table, find_schema(table))


def test_numbers_have_the_quantiles_that_pandas_has():
    values = np.random.RandomState(0).lognormal(size=500)
    values[:30] = np.nan
    found = _sketch({"x": values, "y": np.arange(500) % 7})["columns"]["x"]
    expected = pd.Series(values).quantile(np.linspace(0, 1, 21))
    np.testing.assert_allclose(found["quantiles"], expected)
    assert found["missing"] == 30


def test_categories_are_counted_and_the_rare_ones_are_added_up():
    texts = [f"town {i % 80}" for i in range(1000)] + [None] * 5
    found = _sketch({"town": texts, "x": np.arange(1005) % 3})["columns"]["town"]
    assert len(found["counts"]) == MAX_COUNTED
    assert sum(count for _, count in found["counts"]) + found["others"] + found["missing"] == 1005


def test_dates_run_from_the_first_to_the_last():
    days = pd.date_range("2020-01-01", periods=100)
    found = _sketch({"sold": days.to_numpy(), "x": np.arange(100) % 3})["columns"]["sold"]
    assert (found["quantiles"][0][:10], found["quantiles"][-1][:10]) == ("2020-01-01", "2020-04-09")


def test_dropped_columns_are_left_out_and_everything_is_json():
    found = _sketch({"id": [f"k{i}" for i in range(50)], "x": [1e308, -1e308] * 25, "new": [True, False] * 25})
    assert set(found["columns"]) == {"x", "new"}
    assert json.loads(json.dumps(found, allow_nan=False)) == found
