"""A network along lines: every crease, every piece and every slope, exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError, ParameterError, show
from planefold.reading.models import from_model
from planefold.reading.segments.cuts import cut
from planefold.reading.segments.records import Line, Lines


def line(model: Any, start: npt.ArrayLike, stop: npt.ArrayLike) -> Line:
    """Cut the segment from one point to another at every crease that it crosses.

    Parameters
    ----------
    model : PiecewiseLinearNet or any model that :func:`planefold.reading.from_model` reads
    start, stop : array-like of shape (n_inputs,)

    Returns
    -------
    Line
        ``t`` goes from 0 at ``start`` to 1 at ``stop``.

    Raises
    ------
    DataError
        If a point has another length, a number is not finite, or the two points are the same.

    See Also
    --------
    lines : many segments at once.

    Notes
    -----
    Exact up to rounding of the places; which piece follows which is decided by signs, and the certificate says how
    sure these are. The cost is a few forward passes for each piece.

    References
    ----------
    Sotoudeh and Thakur, "Computing Linear Restrictions of Neural Networks", NeurIPS 2019.

    Examples
    --------
    >>> from planefold.networks.affine_builder import Builder
    >>> builder = Builder((2,))
    >>> hidden = builder.fold(builder.affine(builder.input, np.eye(2), [0.0, -0.5]), layer="hidden 1")
    >>> net = builder.finish(builder.affine(hidden, np.ones((2, 1)), [0.0]))
    >>> path = line(net, [-1, 0], [1, 1])
    >>> path.ends, path.units
    (array([0. , 0.5, 1. ]), ((0, 1),))
    """
    first, last = (np.asarray(point, dtype=np.float64) for point in (start, stop))
    return lines(model, first.reshape(1, -1), last.reshape(1, -1))[0]


def lines(model: Any, starts: npt.ArrayLike, stops: npt.ArrayLike) -> Lines:
    """Cut many segments at every crease that they cross, all at once.

    Parameters
    ----------
    model : PiecewiseLinearNet or any model that :func:`planefold.reading.from_model` reads
    starts, stops : array-like of shape (n_lines, n_inputs)
        Either may be a single point, which then belongs to all lines.

    Raises
    ------
    DataError
        If shapes do not fit, a number is not finite, or a segment has no length.

    Notes
    -----
    See :func:`line`. A thousand segments through 128 hidden units, 51,000 regions, take 0.15 s of one core
    (``python benchmarks/reading_lines.py``).
    """
    net = from_model(model)
    first, last = net.rows(starts), net.rows(stops)
    if len(first) != len(last) and 1 not in (len(first), len(last)):
        raise DataError(
            f"{len(first)} starts and {len(last)} stops do not belong together", hint="give as many of each"
        )
    first, last = (np.ascontiguousarray(points) for points in np.broadcast_arrays(first, last))
    with np.errstate(over="ignore"):
        directions = last - first
    if not np.isfinite(directions).all():
        raise DataError("the ends of a segment lie further apart than numbers can tell")
    still = ~directions.any(axis=1)
    if still.any():
        raise DataError(
            f"segment {int(np.flatnonzero(still)[0])} starts and stops at the same point, so it has no direction",
            hint="leave such rows out; one point is a matter for local_maps",
        )
    n_lines = len(first)
    return cut(net, first, directions, np.zeros(n_lines), np.ones(n_lines))


def function(model: Any, low: float = -np.inf, high: float = np.inf) -> Line:
    """Read a network of one input as the piecewise-linear function that it is.

    Parameters
    ----------
    model : PiecewiseLinearNet or any model that :func:`planefold.reading.from_model` reads
        With one input, which is ``t``.
    low, high : float
        On which interval; all numbers by default.

    Raises
    ------
    DataError
        If the network has more than one input.
    ParameterError
        If ``low`` is not below ``high``.

    Notes
    -----
    One hidden layer of ``n`` ReLU units gives at most ``n + 1`` linear pieces. On an unbounded interval the outer
    pieces are followed to infinity by the signs of their slopes, so nothing depends on a range that is large enough.

    Examples
    --------
    >>> from planefold.networks.affine_builder import Builder
    >>> builder = Builder((1,))
    >>> hidden = builder.fold(builder.affine(builder.input, np.ones((1, 2)), [0.0, -1.0]), layer="hidden 1")
    >>> hat = function(builder.finish(builder.affine(hidden, np.array([[1.0], [-2.0]]), [0.0])))
    >>> hat.ends, hat.slopes.ravel()
    (array([-inf,   0.,   1.,  inf]), array([ 0.,  1., -1.]))
    """
    net = from_model(model)
    if net.n_inputs != 1:
        raise DataError(
            f"{net.description} has {net.n_inputs} inputs, so it is no function of one number",
            hint="line(model, start, stop) reads it along a segment, ice(...) along one feature",
        )
    if not low < high:
        raise ParameterError(f"low={show(low)} is not below high={show(high)}")
    return cut(net, np.zeros((1, 1)), np.ones((1, 1)), np.array([float(low)]), np.array([float(high)]))[0]
