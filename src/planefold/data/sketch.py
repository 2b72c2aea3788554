"""A sketch of a table's columns, small enough to be saved with a model: what new rows are compared with later."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from planefold.data.schema import Schema
from planefold.data.tables import Table

N_STEPS = 20  # quantiles in steps of 5 %
MAX_COUNTED = 50


def sketch(table: Table, schema: Schema) -> dict[str, Any]:
    """Describe the values of each used column.

    Parameters
    ----------
    table : Table
        The training rows.
    schema : Schema
        Found in the same table.

    Returns
    -------
    dict
        JSON data: ``n_rows``, and for each column ``missing`` (rows without a value) and either ``quantiles`` (the
        minimum, every 5 %, the maximum; dates as ISO 8601) or ``counts`` (pairs of category and rows, the 50 most
        frequent ones) with ``others`` (rows of the other categories).

    Examples
    --------
    >>> from planefold.data import find_schema, read_table
    >>> table = read_table({"town": ["Bonn", "Trier", "Bonn", None], "area": [50, 80, 65, 120]})
    >>> found = sketch(table, find_schema(table))["columns"]
    >>> found["town"]
    {'missing': 1, 'counts': [['Bonn', 2], ['Trier', 1]], 'others': 0}
    >>> found["area"]["quantiles"][::10]
    [50.0, 72.5, 120.0]
    """
    aligned, _ = schema.align(table)
    columns: dict[str, dict[str, Any]] = {}
    for column in schema.used:
        values = aligned.columns[column.name]
        if column.kind == "number":
            present = values[~np.isnan(values)]
            # The difference of two huge numbers overflows, that of their halves does not.
            quantiles = (2 * np.quantile(present / 2, np.linspace(0, 1, N_STEPS + 1))).tolist() if len(present) else []
            columns[column.name] = {"missing": len(values) - len(present), "quantiles": quantiles}
        elif column.kind == "date":
            present = np.sort(values[~np.isnat(values)])
            places = np.rint(np.linspace(0, max(len(present) - 1, 0), N_STEPS + 1)).astype(int)
            quantiles = np.datetime_as_string(present[places], unit="s").tolist() if len(present) else []
            columns[column.name] = {"missing": len(values) - len(present), "quantiles": quantiles}
        else:
            counts = Counter(values.tolist())
            missing = counts.pop(None, 0)
            frequent = counts.most_common(MAX_COUNTED)
            columns[column.name] = {
                "missing": missing,
                "counts": [[text, count] for text, count in frequent],
                "others": counts.total() - sum(count for _, count in frequent),
            }
    return {"n_rows": table.n_rows, "columns": columns}
