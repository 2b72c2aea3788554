"""The units of a network one by one: before and after they fold, and how they add up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import ParameterError, show
from planefold.core.records import Record
from planefold.networks.affine import Floats, Ints, PiecewiseLinearNet
from planefold.networks.matrices import dense
from planefold.reading.choices import check_output
from planefold.reading.models import from_model
from planefold.reading.segments.curves import Curve
from planefold.reading.segments.lines import function


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
        places = net.unit_slices
        if unit is None:
            number, column = len(net.nodes) - 1, check_output(output, net.n_outputs)
        else:
            _, column = net.fold_of(unit)
            number = next(number for number, units in places.items() if unit < units.stop)
        node = net.nodes[number]
        names: list[str] = []
        numbers, weights, values = [], [], []
        for source, matrix in zip(node.sources, node.matrices, strict=True):
            if source == 0:
                value, read = self.X, np.full(net.n_inputs, -1)
                names += net.input_names or [f"input {k + 1}" for k in range(net.n_inputs)]
            elif source - 1 in places:
                read = np.arange(net.n_units)[places[source - 1]]
                value = self.after[:, read]
                names += map(net.unit_name, read.tolist())
            else:
                value = self._plain[source - 1]
                read = np.full(value.shape[1], -1)
                names += [f"step {source}, sum {k + 1}" for k in range(value.shape[1])]
            unit_vector = np.zeros((node.n_units, 1))
            unit_vector[column] = 1.0
            weight = unit_vector[:, 0] if matrix is None else dense(matrix @ unit_vector)[:, 0]
            numbers.append(read)
            weights.append(weight)
            values.append(value * weight)
        return Terms(
            names=tuple(names),
            units=np.concatenate(numbers) if numbers else np.zeros(0, dtype=np.int64),
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
    for row, bent in enumerate(found.units, start=1):
        fields["before"][row, list(bent)] = 0.0  # it bends here, so only rounding can have kept it off
    for number, units in net.unit_slices.items():
        fold = net.nodes[number].fold
        assert fold is not None
        fields["after"][:, units] = fold(fields["before"][:, units])
    return UnitCurves(net=net, **fields)


def _fields(net: PiecewiseLinearNet, rows: Floats) -> dict[str, Any]:
    before, after = np.empty((len(rows), net.n_units)), np.empty((len(rows), net.n_units))
    places = net.unit_slices
    values, plain = {0: rows}, {}
    for number, node in enumerate(net.nodes):
        z = net.sums(values, number)
        values[number + 1] = z
        if node.fold is not None:
            before[:, places[number]] = z
            after[:, places[number]] = values[number + 1] = node.fold(z)
        elif number < len(net.nodes) - 1:
            plain[number] = z
    return {"X": rows, "before": before, "after": after, "outputs": values[len(net.nodes)], "_plain": plain}
