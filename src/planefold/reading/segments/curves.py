"""Piecewise-linear curves, and the curves of single units: before and after they fold, and how they add up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import ParameterError, show
from planefold.core.records import Record
from planefold.networks.affine import Floats, PiecewiseLinearNet, dense
from planefold.reading.models import from_model
from planefold.reading.segments.lines import function
from planefold.reading.segments.signs import Ints


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Curve(Record):
    """A piecewise-linear curve, given by its values at its kinks and at its ends; straight between.

    Parameters
    ----------
    t : ndarray of shape (n_points,)
        Increasing.
    values : ndarray of shape (n_points,)
    error : float
        By how much it may be off anywhere: 0 for an exact curve, more for one that was thinned.
    """

    t: Floats
    values: Floats
    error: float = 0.0

    def __call__(self, t: npt.ArrayLike) -> Floats:
        """Evaluate the curve at places within its ends; outside it stays at its ends' values."""
        return np.asarray(np.interp(np.asarray(t, dtype=np.float64), self.t, self.values))

    @property
    def slopes(self) -> Floats:
        """Slope of each piece, (n_points - 1,)."""
        return np.diff(self.values) / np.diff(self.t)

    def thinned(self, tolerance: float | None = None) -> Curve:
        """Return a curve of fewer points that is nowhere further off than ``tolerance``.

        Parameters
        ----------
        tolerance : float, optional
            In units of the values; by default a thousandth of the range of the values, less than a pixel.

        Returns
        -------
        Curve
            Its ``error`` is what it really is off by, added to the error of this one.

        References
        ----------
        Ramer, "An iterative procedure for the polygonal approximation of plane curves", 1972; here all stretches are
        divided at once, and distances are vertical.
        """
        if tolerance is None:
            tolerance = float(np.ptp(self.values)) / 1000
        if not tolerance >= 0:
            raise ParameterError(f"tolerance={show(tolerance)} is not 0 or more")
        kept = np.zeros(len(self.t), dtype=bool)
        kept[[0, -1]] = True
        while True:
            off = np.abs(np.interp(self.t, self.t[kept], self.values[kept]) - self.values)
            firsts = np.flatnonzero(kept)[:-1]
            worst = np.maximum.reduceat(off, firsts)
            if (worst <= tolerance).all():
                return Curve(t=self.t[kept], values=self.values[kept], error=self.error + float(off.max()))
            # In each stretch that is too far off, the first point that is worst.
            stretch = np.cumsum(kept) - 1
            stretch[-1] = len(firsts) - 1
            is_worst = np.flatnonzero((off == worst[stretch]) & (off > tolerance))
            _, first = np.unique(stretch[is_worst], return_index=True)
            kept[is_worst[first]] = True


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Curves(Record):
    """Many piecewise-linear curves, one after the other; ``curves[i]`` is the :class:`Curve` number ``i``.

    Parameters
    ----------
    starts : int ndarray of shape (n_curves + 1,)
        Curve ``i`` has the points ``starts[i]`` to ``starts[i + 1] - 1``.
    t, values : ndarray of shape (n_points,)
    """

    starts: Ints
    t: Floats
    values: Floats

    def __str__(self) -> str:
        return f"{len(self):,} curves"

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, number: int) -> Curve:
        if not -len(self) <= number < len(self):
            raise IndexError(f"curve {number} does not exist: there are {len(self)}, counted from 0")
        number %= len(self)
        mine = slice(self.starts[number], self.starts[number + 1])
        return Curve(t=self.t[mine], values=self.values[mine])

    def __iter__(self) -> Iterator[Curve]:
        return (self[number] for number in range(len(self)))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Terms(Record):
    """What an output, or a unit's sum, is the sum of: weight times value of everything that it reads, and a bias.

    Parameters
    ----------
    names : tuple of str
        Of what it reads.
    units : int ndarray of shape (n_terms,)
        The numbers of the units that it reads; -1 for an input of the network, or a sum that is not folded.
    weights : ndarray of shape (n_terms,)
    values : ndarray of shape (n_points, n_terms)
        Weights times values.
    bias : float
    """

    names: tuple[str, ...]
    units: Ints
    weights: Floats
    values: Floats
    bias: float

    @property
    def sums(self) -> Floats:
        """How they add up, (n_points, n_terms + 1): first the bias, then a term more in each column."""
        start = np.full((len(self.values), 1), self.bias)
        return np.cumsum(np.hstack([start, self.values]), axis=1)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Units(Record):
    """Every unit of a network at some points, before and after it folds.

    Parameters
    ----------
    net : PiecewiseLinearNet
    X : ndarray of shape (n_points, n_inputs)
    before, after : ndarray of shape (n_points, n_units)
        The sums, and what their folds make of them.
    outputs : ndarray of shape (n_points, n_outputs)
    """

    net: PiecewiseLinearNet
    X: Floats
    before: Floats
    after: Floats
    outputs: Floats
    _plain: Mapping[int, Floats] = field(repr=False)  # what nodes without folds gave, by node

    def terms(self, output: int = 0, *, unit: int | None = None) -> Terms:
        """Take an output apart into what each unit adds to it, or instead a unit's sum into what it reads.

        Raises
        ------
        ParameterError
            If there is no such output or unit.
        """
        net = self.net
        places = {number: (start, stop) for number, start, stop in net.folds}
        if unit is None:
            if not 0 <= output < net.n_outputs:
                raise ParameterError(f"output={show(output)} does not exist: there are {net.n_outputs}")
            number, column = len(net.nodes) - 1, output
        else:
            net.fold_of(unit)
            number = next(number for number, (_, stop) in places.items() if unit < stop)
            column = unit - places[number][0]
        node = net.nodes[number]
        names: list[str] = []
        units, weights, values = [], [], []
        for source, matrix in zip(node.sources, node.matrices, strict=True):
            if source == 0:
                value, numbers = self.X, np.full(net.n_inputs, -1)
                names += net.input_names or [f"input {k + 1}" for k in range(net.n_inputs)]
            elif source - 1 in places:
                start, stop = places[source - 1]
                value, numbers = self.after[:, start:stop], np.arange(start, stop)
                names += [net.unit_name(k) for k in range(start, stop)]
            else:
                value = self._plain[source - 1]
                numbers = np.full(value.shape[1], -1)
                names += [f"step {source}, sum {k + 1}" for k in range(value.shape[1])]
            unit_vector = np.zeros((node.n_units, 1))
            unit_vector[column] = 1.0
            weight = unit_vector[:, 0] if matrix is None else dense(matrix @ unit_vector)[:, 0]
            units.append(numbers)
            weights.append(weight)
            values.append(value * weight)
        return Terms(
            names=tuple(names),
            units=np.concatenate(units) if units else np.zeros(0, dtype=np.int64),
            weights=np.concatenate(weights) if weights else np.zeros(0),
            values=np.hstack(values) if values else np.zeros((len(self.X), 0)),
            bias=float(node.bias[column]),
        )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class UnitCurves(Units):
    """Every unit of a network of one input as a piecewise-linear curve; all have their values at the same places ``t``.

    The rows are the kinks of the whole network and the ends of the interval, increasing: between two rows everything
    is straight.
    """

    @property
    def t(self) -> Floats:
        """The input at the rows, (n_points,)."""
        return self.X[:, 0]

    def curve(self, unit: int, *, folded: bool = True) -> Curve:
        """Return the curve of one unit after its fold, or before it, with its own kinks alone."""
        self.net.fold_of(unit)
        values = (self.after if folded else self.before)[:, unit]
        exact = Curve(t=self.t, values=values).thinned(1e-13 * float(np.abs(values).max()))
        return Curve(t=exact.t, values=exact.values)


def units_at(model: Any, X: npt.ArrayLike) -> Units:
    """Compute every unit before and after it folds, and the outputs, at points of any dimension.

    Parameters
    ----------
    model : PiecewiseLinearNet or any model that :func:`planefold.reading.from_model` reads
    X : array-like of shape (n_points, n_inputs)

    Notes
    -----
    On a grid of two inputs these are the surfaces of the units; their terms are what adds up to the output.
    """
    net = from_model(model)
    return Units(net=net, **_fields(net, net.rows(X)))


def unit_curves(model: Any, low: float | None = None, high: float | None = None) -> UnitCurves:
    """Read every unit of a network of one input as a curve, before and after it folds.

    Parameters
    ----------
    model : PiecewiseLinearNet or any model that :func:`planefold.reading.from_model` reads
        With one input and any number of hidden layers.
    low, high : float, optional
        On which interval; by default one that holds every kink, with a margin of a fifth.

    Returns
    -------
    UnitCurves
        With ``terms()``, the terms ``v_j h_j`` of the output, whose ``sums`` show how they add up to it.

    Examples
    --------
    >>> from planefold.networks.affine_builder import Builder
    >>> builder = Builder((1,))
    >>> hidden = builder.fold(builder.affine(builder.input, np.ones((1, 2)), [0.0, -1.0]), layer="hidden 1")
    >>> hat = unit_curves(builder.finish(builder.affine(hidden, np.array([[1.0], [-2.0]]), [0.5])), -1, 2)
    >>> hat.t
    array([-1.,  0.,  1.,  2.])
    >>> hat.terms().sums
    array([[0.5, 0.5, 0.5],
           [0.5, 0.5, 0.5],
           [0.5, 1.5, 1.5],
           [0.5, 2.5, 0.5]])
    """
    net = from_model(model)
    if low is None or high is None:
        inner = function(net).ends[1:-1]
        first, last = (inner[0], inner[-1]) if len(inner) else (-1.0, 1.0)
        margin = (last - first) / 5 or 1.0
        low = float(first - margin) if low is None else low
        high = float(last + margin) if high is None else high
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ParameterError(f"low={show(low)}, high={show(high)}: curves of units need finite ends")
    found = function(net, low, high)
    fields = _fields(net, found.ends[:, None])
    for row, units in enumerate(found.units, start=1):
        fields["before"][row, list(units)] = 0.0  # it bends here, so only rounding can have kept it off
    for number, start, stop in net.folds:
        fold = net.nodes[number].fold
        assert fold is not None
        fields["after"][:, start:stop] = fold(fields["before"][:, start:stop])
    return UnitCurves(net=net, **fields)


def _fields(net: PiecewiseLinearNet, rows: Floats) -> dict[str, Any]:
    before, after = np.empty((len(rows), net.n_units)), np.empty((len(rows), net.n_units))
    places = {number: (start, stop) for number, start, stop in net.folds}
    values, plain = {0: rows}, {}
    for number, node in enumerate(net.nodes):
        z = net.sums(values, number)
        values[number + 1] = z
        if node.fold is not None:
            start, stop = places[number]
            before[:, start:stop] = z
            after[:, start:stop] = values[number + 1] = node.fold(z)
        elif number < len(net.nodes) - 1:
            plain[number] = z
    return {"X": rows, "before": before, "after": after, "outputs": values[len(net.nodes)], "_plain": plain}
