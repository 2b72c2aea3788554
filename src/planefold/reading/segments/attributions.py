"""Exact explanations from lines: integrated gradients, individual curves (ICE) and partial dependence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError, ParameterError, show
from planefold.core.records import Record
from planefold.networks.affine import VALUES_AT_ONCE, Floats, Ints, PiecewiseLinearNet
from planefold.reading.certificate import Certificate
from planefold.reading.choices import check_output, input_number
from planefold.reading.models import from_model
from planefold.reading.segments.curves import Curve, Curves
from planefold.reading.segments.cuts import cut
from planefold.reading.segments.lines import lines
from planefold.reading.segments.records import Lines


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Attributions(Record):
    """How an output's change from a baseline to each row is shared among the inputs.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_inputs)
        In units of the output; each row sums to ``outputs - baseline_outputs``.
    baseline : ndarray of shape (n_inputs,) or (n_rows, n_inputs)
    outputs, baseline_outputs : ndarray of shape (n_rows,)
        The output at the rows and at the baselines.
    n_regions : int ndarray of shape (n_rows,)
        Activation regions between baseline and row; 1 for a row that is its baseline.
    input_names : tuple of str
    certificate : Certificate
    """

    values: Floats
    baseline: Floats
    outputs: Floats
    baseline_outputs: Floats
    n_regions: Ints
    input_names: tuple[str, ...]
    certificate: Certificate

    def __str__(self) -> str:
        n_rows, n_inputs = self.values.shape
        return f"attributions of {n_rows:,} rows to {n_inputs:,} inputs; their sums are right to {self.error:.0e}"

    @property
    def error(self) -> float:
        """The largest amount by which a row's sum misses the change of the output: rounding, for it is exact."""
        missed = self.values.sum(axis=1) - (self.outputs - self.baseline_outputs)
        return float(np.abs(missed).max(initial=0.0))


def integrated_gradients(
    model: Any, X: npt.ArrayLike, baseline: npt.ArrayLike | None = None, *, output: int = 0
) -> Attributions:
    r"""Share an output's change from a baseline among the inputs, by the exact integral of its gradient.

    Parameters
    ----------
    model : PiecewiseLinearNet or any model that :func:`planefold.reading.from_model` reads
    X : array-like of shape (n_rows, n_inputs)
    baseline : array-like of shape (n_inputs,) or (n_rows, n_inputs), optional
        What each row is compared with; by default the mean of ``X``. Zeros, the usual default for pictures, are no
        neutral value for the columns of a table, and often lie where no data are.
    output : int
        Which output, before the link: for a classifier the score of the class.

    Returns
    -------
    Attributions

    Raises
    ------
    DataError
        If shapes do not fit, or there is no baseline and only one row, whose mean is itself.
    ParameterError
        If there is no such output.

    Notes
    -----
    .. math:: a_i = (x_i - x'_i) \sum_k (t_{k+1} - t_k) \, \partial f / \partial x_i |_k

    over the pieces of the segment from :math:`x'` to :math:`x`: there is no number of steps to choose. Where a
    segment runs within a crease, the gradient is that of the crease's left side; the sum of a row does not depend on
    it. A thousand rows of 20 inputs through 128 hidden units take 0.25 s of one core
    (``python benchmarks/reading_lines.py``).

    References
    ----------
    Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", ICML 2017, equation 1.
    Sotoudeh and Thakur, "Computing Linear Restrictions of Neural Networks", NeurIPS 2019, section 4.

    Examples
    --------
    >>> from planefold.networks.affine_builder import Builder
    >>> builder = Builder((2,))
    >>> hidden = builder.fold(builder.affine(builder.input, np.array([[1.0], [1.0]]), [-1.0]), layer="hidden 1")
    >>> net = builder.finish(builder.affine(hidden, np.ones((1, 1)), [0.0]))
    >>> integrated_gradients(net, [[1, 1]], baseline=[0, 0]).values
    array([[0.5, 0.5]])
    """
    net = from_model(model)
    check_output(output, net.n_outputs)
    rows = net.rows(X)
    if not len(rows):
        raise DataError("there are no rows to attribute", hint="pass at least one")
    if baseline is None:
        if len(rows) == 1:
            raise DataError(
                "one row has no mean but itself to be compared with",
                hint="give baseline=, such as the mean of the training data",
            )
        base = rows.mean(axis=0, keepdims=True)
    else:
        base = net.rows(np.reshape(np.asarray(baseline, np.float64), (-1, *net.input_shape)))
    if len(base) not in (1, len(rows)):
        raise DataError(
            f"{len(base)} baselines do not belong to {len(rows)} rows", hint="give one, or one for each row"
        )
    starts = np.broadcast_to(base, rows.shape)
    gradients = np.zeros_like(rows)
    n_regions = np.ones(len(rows), dtype=np.int64)
    moved = np.flatnonzero((rows != starts).any(axis=1))
    certificate = Certificate()
    if len(moved):
        found = lines(net, starts[moved], rows[moved])
        certificate = found.certificate
        n_regions[moved] = found.n_regions
        for chosen, means in _mean_gradients(found, output):
            gradients[moved[chosen]] = means
    return Attributions(
        values=(rows - starts) * gradients,
        baseline=base[0] if len(base) == 1 else base,
        outputs=net.outputs(rows)[:, output],
        baseline_outputs=np.broadcast_to(net.outputs(base)[:, output], len(rows)),
        n_regions=n_regions,
        input_names=net.input_names,
        certificate=certificate,
    )


def _mean_gradients(found: Lines, output: int) -> Iterator[tuple[slice, Floats]]:
    """Means of the gradient along segments, some lines at a time."""
    pieces, lengths = found.piece_starts, found.lengths
    step = max(1, VALUES_AT_ONCE // (8 * (found.net.n_inputs + found.net.n_units)))
    first = 0
    while first < len(found):
        last = max(first + 1, int(np.searchsorted(pieces, pieces[first] + step, side="right")) - 1)
        coefs, _ = found.net.local_maps(found.patterns(first, last), [output])
        weighted = coefs[:, 0] * lengths[pieces[first] : pieces[last], None]
        yield slice(first, last), np.add.reduceat(weighted, pieces[first:last] - pieces[first])
        first = last


def ice(
    model: Any,
    X: npt.ArrayLike,
    feature: int | str,
    *,
    low: float | None = None,
    high: float | None = None,
    output: int = 0,
) -> Curves:
    """Follow an output along one feature for each row, the others kept: exact individual conditional expectations.

    Parameters
    ----------
    model : PiecewiseLinearNet or any model that :func:`planefold.reading.from_model` reads
    X : array-like of shape (n_rows, n_inputs)
    feature : int or str
        Number or name of an input. For networks that carry the preparation of their columns, in the user's units.
    low, high : float, optional
        From where to where; by default the smallest and the largest value of the feature in ``X``.
    output : int
        Which output, before the link.

    Returns
    -------
    Curves
        Curve ``i`` is the one of row ``i``; its ``t`` are values of the feature: both ends and every crease between.

    Raises
    ------
    ParameterError
        If there is no such feature or output, or ``low`` is not below ``high``.

    Notes
    -----
    A thousand curves through 128 hidden units take 0.15 s of one core (``python benchmarks/reading_lines.py``).

    References
    ----------
    Goldstein, Kapelner, Bleich and Pitkin, "Peeking Inside the Black Box: Visualizing Statistical Learning with Plots
    of Individual Conditional Expectation", 2015.
    """
    found = _along(from_model(model), X, feature, low, high, output)
    return Curves(starts=found.starts, t=found.t, values=np.ascontiguousarray(found.values[:, output]))


def partial_dependence(
    model: Any,
    X: npt.ArrayLike,
    feature: int | str,
    *,
    low: float | None = None,
    high: float | None = None,
    output: int = 0,
) -> Curve:
    """Return the mean of the curves of all rows along one feature: exact partial dependence, with every kink.

    Parameters
    ----------
    model, X, feature, low, high, output
        As in :func:`ice`.

    Returns
    -------
    Curve
        With the kinks of all rows, so often with tens of thousands of points; ``thinned()`` has few for a picture, and
        says how far it is off.

    Notes
    -----
    The mean of piecewise-linear curves is one, whose slope changes at each of their kinks by its share of the change.

    References
    ----------
    Friedman, "Greedy Function Approximation: A Gradient Boosting Machine", 2001, section 8.2.
    """
    found = _along(from_model(model), X, feature, low, high, output)
    n_lines = len(found)
    slopes, pieces = found.slopes[:, output], found.piece_starts
    kinks = np.flatnonzero(found.is_kink)
    left = kinks - (np.searchsorted(found.starts, kinks, side="right") - 1) - 1  # the piece that ends there
    order = np.argsort(found.t[kinks], kind="stable")
    places, changes = found.t[kinks][order], (slopes[left + 1] - slopes[left])[order] / n_lines
    t, where = np.unique(places, return_inverse=True)
    change = np.bincount(where, changes, minlength=len(t))
    ends = found.t[found.starts[:1]], found.t[found.starts[-1:] - 1]
    t = np.concatenate([ends[0], t, ends[1]])
    slope = np.cumsum(np.concatenate([[slopes[pieces[:-1]].mean()], change]))
    rises = np.concatenate([[0.0], np.cumsum(slope * np.diff(t))])
    first, last = (float(found.values[place, output].mean()) for place in (found.starts[:-1], found.starts[1:] - 1))
    # Rounding of the many sums is made up for along the way, so that both ends are the means of the rows.
    missed = last - (first + rises[-1])
    return Curve(t=t, values=first + rises + missed * (t - t[0]) / (t[-1] - t[0]))


def _along(
    net: PiecewiseLinearNet, X: npt.ArrayLike, feature: int | str, low: float | None, high: float | None, output: int
) -> Lines:
    check_output(output, net.n_outputs)
    place = input_number(net, feature)
    rows = net.rows(X).copy()
    if not len(rows):
        raise DataError("there is no row to follow")
    column = rows[:, place]
    bottom = float(column.min()) if low is None else float(low)
    top = float(column.max()) if high is None else float(high)
    if not -np.inf < bottom < top < np.inf:
        raise ParameterError(
            f"feature {show(feature)} would go from {bottom:g} to {top:g}",
            hint="give finite low= and high=, low below high; a constant column has no range of its own",
        )
    rows[:, place] = 0.0  # so that t is the value of the feature
    directions = np.zeros_like(rows)
    directions[:, place] = 1.0
    return cut(net, rows, directions, np.full(len(rows), bottom), np.full(len(rows), top))
