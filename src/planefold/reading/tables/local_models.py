"""The planes that data live in: each a linear model in the user's own columns and units."""

from __future__ import annotations

from typing import Any

import numpy as np

from planefold.core.errors import DataError, ParameterError, show
from planefold.data import robust
from planefold.networks.affine import Floats
from planefold.reading.models import from_model
from planefold.reading.tables.columns import columns_of, is_estimator
from planefold.reading.tables.inhabited import maps_of, patterns_of, pieces
from planefold.reading.tables.outcomes import Ints, outcome
from planefold.reading.tables.records import MANY, Agreement, LocalModel, Reading

__all__ = ["MANY", "Agreement", "LocalModel", "Reading", "local_models"]

MAX_COEFS = 2**27  # numbers that the coefficients of all planes may take, 1 GiB


def local_models(model: Any, X: Any, y: Any = None, *, output: Any = None, max_models: int | None = None) -> Reading:
    """Find the planes that rows live in, each a linear model in the user's own columns and units.

    Parameters
    ----------
    model : estimator, PiecewiseLinearNet, or whatever :func:`planefold.reading.from_model` reads
    X : data frame, path of a CSV file, mapping of columns, or array-like of shape (n_rows, n_features)
        As the model takes it for a prediction.
    y : array-like of shape (n_rows,) or (n_rows, n_outputs), optional
        The targets of these rows: then each plane says what its rows are and how well they are predicted.
    output : None, str, int, or a pair of classes, optional
        Which output. All by default: of a regressor its numbers, of two classes the logit of the second, of more
        classes the logit of each *less the mean of all*, since only differences of logits count. A class by its name,
        and a pair ``("setosa", "virginica")`` for the logit of the one against the other.
    max_models : int, optional
        Keep the coefficients of so many planes, those with most rows. By default all, as long as they take less than
        1 GiB.

    Returns
    -------
    Reading
        The planes, most rows first. Prints as a summary.

    Raises
    ------
    NotPiecewiseLinearError
        If the network bends between its creases.
    DataError
        If the rows or the targets cannot be used.

    Notes
    -----
    Each row is passed through the network once; which units are on, creases of the preparation included, is its
    activation pattern, and the rows of one pattern share an affine map, which is composed backwards through the layers
    (Sudjianto et al., "Unwrapping the Black Box of Deep ReLU Networks", arXiv 2011.04041). Exact in float64: the
    largest difference between outputs and planes is kept. Costs ``O(n_rows * n_weights)``, and as
    much again for each output.

    Examples
    --------
    >>> from planefold import MLPRegressor
    >>> X = {"area": [50, 80, 65, 120, 95, 70], "age": [30, 5, 12, 1, 40, 22]}
    >>> y = [150, 300, 230, 480, 280, 215]
    >>> model = MLPRegressor(n_members=1, early_stopping=False, activation="identity", random_state=0).fit(X, y)
    >>> reading = local_models(model, X, y)
    >>> len(reading), reading[0].n_rows
    (1, 6)
    >>> reading[0].coef_.shape
    (2,)
    """
    if max_models is not None and (isinstance(max_models, bool) or max_models < 1):
        raise ParameterError(f"max_models={show(max_models)} must be a whole number of at least 1")
    whole = from_model(model)
    columns = columns_of(model if is_estimator(model) else whole)
    rows = columns.rows(X)
    if not len(rows):
        raise DataError("there are no rows to read", hint="pass at least one row")
    asked = outcome(model, whole, output, y)
    net = asked.net(whole)
    target = None if y is None else asked.target(y, len(rows))
    packed, all_outputs, certificate = patterns_of(whole, rows)
    outputs = all_outputs @ asked.matrix
    kinds, first, regions, counts = np.unique(
        packed.view(f"V{packed.shape[1]}").ravel() if packed.shape[1] else np.zeros(len(rows)),
        return_index=True, return_inverse=True, return_counts=True,
    )  # fmt: skip
    order = np.lexsort((first, -counts))  # most rows first, then the order of the rows
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    size = len(asked.names) * net.n_inputs
    n_models = min(len(kinds), max_models or len(kinds), max(1, MAX_COEFS // size))
    patterns = packed[first[order]]
    coefs, intercepts = maps_of(net, patterns[:n_models])
    regions = rank[regions.ravel()]
    return Reading(
        whole=whole,
        net=net,
        columns=columns,
        rows=rows,
        outputs=outputs,
        regions=regions,
        counts=counts[order],
        packed=patterns,
        coefs=coefs,
        intercepts=intercepts,
        scales=_spreads(rows) if columns.scales is None else columns.scales,
        reference=rows.mean(axis=0),
        predictions=asked.predictions(all_outputs),
        predicted=asked.labels(all_outputs),
        target=target,
        outcome=asked,
        largest_residual=_largest_residual(rows, outputs, regions, coefs, intercepts),
        certificate=certificate,
    )


def _spreads(rows: Floats) -> Floats:
    return np.array([robust.spread(column) for column in rows.T])


def _largest_residual(rows: Floats, outputs: Floats, regions: Ints, coefs: Floats, intercepts: Floats) -> float:
    largest = 0.0
    for piece in pieces(len(rows), coefs[0].size):
        here = regions[piece]
        kept = here < len(coefs)
        here = here[kept]
        values = np.einsum("rod,rd->ro", coefs[here], rows[piece][kept]) + intercepts[here]
        largest = max(largest, float(np.abs(values - outputs[piece][kept]).max(initial=0.0)))
    return largest
