"""Bounds of every unit and every output over boxes: intervals, and linear bounds that go back to the input.

Many boxes are bounded at once, so that the work is a few large matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from planefold.core.records import Record
from planefold.networks.affine import Floats, Fold, PiecewiseLinearNet, Signs
from planefold.networks.matrices import Matrix, entrywise, is_sparse
from planefold.robustness.domains import Domain

__all__ = ["BoxBounds", "Domain", "linear_bounds", "steepness", "unit_length"]

ROWS_AT_ONCE = 8192  # of a back-substitution: what is multiplied stays in the cache


@dataclass(frozen=True, kw_only=True, eq=False)
class _Relaxation:
    """Lines below and above a fold, arrays of shape (n_boxes, n_units); None for intercepts that are all 0."""

    below: Floats
    below_intercept: Floats | None
    above: Floats
    above_intercept: Floats | None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BoxBounds(Record):
    """What is known of a network over boxes.

    Parameters
    ----------
    lower, upper : ndarray of shape (n_boxes, n_units)
        Of each unit's sum before it is folded. A unit whose two bounds have one sign is *stable*: it does not bend
        inside the box.
    coefs : ndarray of shape (n_boxes, n_outputs, n_inputs)
    intercepts : ndarray of shape (n_boxes, n_outputs)
        ``coefs @ x + intercepts`` is no more than the outputs, everywhere in the box.
    output_lower : ndarray of shape (n_boxes, n_outputs)
        The least that the outputs can be in the box.
    is_empty : bool ndarray of shape (n_boxes,)
        Whether the signs that were given cannot hold together anywhere in the box.
    """

    net: PiecewiseLinearNet
    lower: Floats
    upper: Floats
    coefs: Floats
    intercepts: Floats
    output_lower: Floats
    is_empty: npt.NDArray[np.bool_]
    relaxed: dict[int, _Relaxation]

    @property
    def signs(self) -> Signs:
        """Where each unit is in the whole box: +1 not left of its crease, -1 not right of it, 0 on both sides."""
        return np.where(self.lower >= 0, 1, np.where(self.upper <= 0, -1, 0)).astype(np.int8)

    def inequalities(self, decided: Signs) -> tuple[Floats, Floats]:
        """Return functions that are 0 or less where units are on the sides given.

        Parameters
        ----------
        decided : int8 ndarray of shape (n_boxes, n_units)
            -1 and +1; 0 for units that are not asked for.

        Returns
        -------
        rows : ndarray of shape (n_boxes, n_rows, n_inputs)
        sides : ndarray of shape (n_boxes, n_rows)
            ``rows @ x + sides``, with rows of length 1, and of zeros where a box has fewer.
        """
        boxes, units = np.nonzero(decided)
        counts = np.bincount(boxes, minlength=len(decided))
        places = np.arange(boxes.size) - np.repeat(np.cumsum(counts) - counts, counts)
        rows = np.zeros((len(decided), int(counts.max(initial=0)), self.net.n_inputs))
        sides = np.zeros(rows.shape[:2])
        rows[boxes, places], sides[boxes, places] = self.inequalities_of(boxes, units, decided[boxes, units])
        return rows, sides

    def inequalities_of(
        self, boxes: npt.NDArray[np.int64], units: npt.NDArray[np.int64], sides: Signs
    ) -> tuple[Floats, Floats]:
        """Return the same for single units in single boxes: arrays of shape (n_pairs, n_inputs) and (n_pairs,)."""
        coefs, intercepts = np.empty((len(boxes), self.net.n_inputs)), np.empty(len(boxes))
        for number, start, stop in self.net.folds:
            mine = (units >= start) & (units < stop)
            if mine.any():
                there = boxes[mine], units[mine] - start, -sides[mine].astype(np.float64)
                coefs[mine], intercepts[mine] = _back(self.net, number, *there, self.relaxed)
        return unit_length(coefs, intercepts)

    def bent_at(self, points: Floats) -> BoxBounds:
        """Return the same with other lines: those that are exact, of each fold's flat side, at one point for each box.

        A fold that may bend is held on one side by its chord, and on the other by any line between its two own: which
        is best depends on where a bound shall be large (Xu et al., "Fast and Complete: Enabling Complete Verification
        with Rapid and Massively Parallel Incomplete Verifiers", ICLR 2021, optimise it). ``output_lower`` is kept.
        """
        is_right = self.net.sums_of_units(points) > 0
        relaxed = {}
        for number, start, stop in self.net.folds:
            fold, mine = self.net.nodes[number].fold, slice(start, stop)
            assert fold is not None
            relaxed[number] = _relaxation(fold, self.lower[:, mine], self.upper[:, mine], is_right[:, mine])
        coefs, intercepts = _of_outputs(self.net, len(points), relaxed)
        return replace(self, relaxed=relaxed, coefs=coefs, intercepts=intercepts)

    def gaps(
        self, points: Floats, boxes: npt.NDArray[np.int64], number: int, units: npt.NDArray[np.int64], factors: Floats
    ) -> Floats:
        """Say which units a linear bound owes its distance to, at one point for each bound.

        Parameters
        ----------
        points : ndarray of shape (n_pairs, n_inputs)
        boxes : int ndarray of shape (n_pairs,)
        number : int
            Of a node; -1 for the outputs.
        units : int ndarray of shape (n_pairs,)
            Which sums of that node are bounded, times ``factors`` of shape (n_pairs,).

        Returns
        -------
        ndarray of shape (n_pairs, n_units)
            What each unit contributes: the rows add up to what is bounded minus its linear bound.
        """
        rows: dict[int, Floats] = {}
        _back(self.net, number % len(self.net.nodes), boxes, units, factors, self.relaxed, rows)
        sums = self.net.sums_of_units(points)
        found = np.zeros_like(sums)
        for step, start, stop in self.net.folds:
            fold = self.net.nodes[step].fold
            if step not in rows or fold is None:
                continue
            line, z, row = self.relaxed[step], sums[:, start:stop], rows[step]
            below, above = line.below[boxes] * z, line.above[boxes] * z
            below += 0.0 if line.below_intercept is None else line.below_intercept[boxes]
            above += 0.0 if line.above_intercept is None else line.above_intercept[boxes]
            found[:, start:stop] = np.maximum(row, 0.0) * (fold(z) - below) + np.minimum(row, 0.0) * (fold(z) - above)
        return found


def linear_bounds(
    net: PiecewiseLinearNet,
    domain: Domain,
    signs: Signs | None = None,
    within: tuple[Floats, Floats] | None = None,
) -> BoxBounds:
    r"""Bound a network over boxes by linear functions of the input.

    Parameters
    ----------
    domain : Domain
        Finite boxes, with or without a ball and inequalities.
    signs : int8 ndarray of shape (n_boxes, n_units), optional
        What is known already of the units: +1 or -1 holds in the whole box (of a part of a box, what held in the
        whole). The bounds are then those of the points of the box where it holds.
    within : pair of ndarray of shape (n_boxes, n_units), optional
        Bounds of the units' sums that are known already, in the same sense.

    Returns
    -------
    BoxBounds

    Notes
    -----
    Each fold is ``left * z + (right - left) * max(z, 0)``. A unit that may bend in the box, with bounds
    ``l < 0 < u``, is held between two lines, for ReLU::

        max(z, 0) <= u * (z - l) / (u - l)        max(z, 0) >= a * z,  a = 1 if u > -l else 0

    and the lines are put into each other, from the layer that is bounded back to the input (theorem 3.2 of Zhang et
    al.; the same relaxation as in Singh et al.). Units that are stable by intervals, or by ``signs``, cost nothing:
    only the others are followed back. For ``m`` of them in layers of ``n`` units the cost is ``O(m * depth * n^2)``
    a box.

    The bounds hold up to rounding, some 1e-14 of the sums' size.

    References
    ----------
    Zhang, Weng, Chen, Hsieh and Daniel, "Efficient Neural Network Robustness Certification with General Activation
    Functions" (CROWN), NeurIPS 2018.
    Singh, Gehr, Pueschel and Vechev, "An Abstract Domain for Certifying Neural Networks" (DeepPoly), POPL 2019.
    """
    n_boxes = len(domain.lower)
    lows, highs = np.empty((n_boxes, net.n_units)), np.empty((n_boxes, net.n_units))
    is_empty = np.zeros(n_boxes, dtype=bool)
    places = net.unit_slices
    relaxed: dict[int, _Relaxation] = {}
    ranges: dict[int, tuple[Floats, Floats]] = {0: (domain.middle, domain.half)}  # of values: middle and half width
    last = len(net.nodes) - 1
    for number, node in enumerate(net.nodes):
        low, high = _interval(net, ranges, number)
        if node.fold is not None:
            mine = places[number]
            size = np.maximum(abs(low), abs(high))
            if within is not None:
                low, high = np.maximum(low, within[0][:, mine]), np.minimum(high, within[1][:, mine])
            if set(node.sources) != {0} or domain.center is not None:
                known = 0 if signs is None else signs[:, mine]
                boxes, units = np.nonzero((low < 0) & (high > 0) & (known == 0))
                tighter = _back_bounds(net, number, boxes, units, relaxed, domain)
                low[boxes, units] = np.maximum(low[boxes, units], tighter[0])
                high[boxes, units] = np.minimum(high[boxes, units], tighter[1])
            if signs is not None:
                low = np.where(signs[:, mine] > 0, np.maximum(low, 0.0), low)
                high = np.where(signs[:, mine] < 0, np.minimum(high, 0.0), high)
            # Rounding alone can make them cross, by next to nothing; signs that contradict each other, by more.
            is_empty |= (low > high + 1e-9 * size).any(axis=1)
            np.minimum(low, high, out=low)
            lows[:, mine], highs[:, mine] = low, high
            relaxed[number] = _relaxation(node.fold, low, high)
            low, high = _folded(node.fold, low, high)
        if number < last:
            ranges[number + 1] = (low + high) / 2, (high - low) / 2
    coefs, intercepts = _of_outputs(net, n_boxes, relaxed)
    boxes = np.repeat(np.arange(n_boxes), net.n_outputs)
    least = domain.least(coefs.reshape(-1, net.n_inputs), intercepts.ravel(), boxes).reshape(intercepts.shape)
    return BoxBounds(
        net=net,
        lower=lows,
        upper=highs,
        coefs=coefs,
        intercepts=intercepts,
        output_lower=np.maximum(least, low),
        is_empty=is_empty,
        relaxed=relaxed,
    )


def _of_outputs(net: PiecewiseLinearNet, n_boxes: int, relaxed: dict[int, _Relaxation]) -> tuple[Floats, Floats]:
    """Find linear functions below all outputs in all boxes."""
    boxes, outputs = (part.ravel() for part in np.indices((n_boxes, net.n_outputs)))
    coefs, intercepts = _back(net, len(net.nodes) - 1, boxes, outputs, np.ones(boxes.size), relaxed)
    shape = (n_boxes, net.n_outputs)
    return coefs.reshape(*shape, net.n_inputs), intercepts.reshape(shape)


def unit_length(coefs: Floats, intercepts: Floats) -> tuple[Floats, Floats]:
    """Scale functions to gradients of length 1; a constant, which has none, says nothing and becomes 0."""
    sizes = np.sqrt(np.einsum("ij,ij->i", coefs, coefs))
    scale = np.where(sizes > 1e-13 * abs(intercepts), sizes, np.inf)
    return coefs / scale[:, None], intercepts / scale


def steepness(net: PiecewiseLinearNet, signs: Signs) -> Floats:
    """Bound how fast each output can change with each input, in boxes where units' signs are known in part.

    Parameters
    ----------
    signs : int8 ndarray of shape (n_boxes, n_units)
        As :attr:`BoxBounds.signs`.

    Returns
    -------
    ndarray of shape (n_boxes, n_outputs, n_inputs)
        No entry of a gradient in the box is larger in absolute value: the weights' absolute values are multiplied,
        along all paths that can be open.
    """
    n_boxes = len(signs)
    places = net.unit_slices
    rows: dict[int, Floats] = {len(net.nodes): np.tile(np.eye(net.n_outputs), (n_boxes, 1))}
    for number in range(len(net.nodes) - 1, -1, -1):
        row, node = rows.pop(number + 1, None), net.nodes[number]
        if row is None:
            continue
        if node.fold is not None:
            mine = signs[:, places[number]]
            least = np.where(mine >= 0, abs(node.fold.slopes(np.ones(mine.shape, dtype=bool))), 0.0)
            most = np.maximum(least, np.where(mine <= 0, abs(node.fold.slopes(np.zeros(mine.shape, dtype=bool))), 0.0))
            row = (row.reshape(n_boxes, net.n_outputs, -1) * most[:, None]).reshape(row.shape)
        for source, matrix in zip(node.sources, node.matrices, strict=True):
            _add(rows, source, row if matrix is None else row @ entrywise(np.abs, matrix).T)
    found = rows.get(0, np.zeros((n_boxes * net.n_outputs, net.n_inputs)))
    return found.reshape(n_boxes, net.n_outputs, net.n_inputs)


def _interval(net: PiecewiseLinearNet, ranges: dict[int, tuple[Floats, Floats]], number: int) -> tuple[Floats, Floats]:
    """Bound the sums of one node by interval arithmetic."""
    node = net.nodes[number]
    middle = net.sums({source: ranges[source][0] for source in node.sources} or {0: ranges[0][0]}, number)
    radius = np.zeros_like(middle)
    for source, matrix in zip(node.sources, node.matrices, strict=True):
        radius += ranges[source][1] if matrix is None else ranges[source][1] @ entrywise(np.abs, matrix)
    return middle - radius, middle + radius


def _folded(fold: Fold, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Range of a fold over ranges of its sums."""
    ends = fold(low), fold(high)
    bends = (low < 0) & (high > 0)
    least, most = np.minimum(*ends), np.maximum(*ends)
    return np.where(bends, np.minimum(least, 0.0), least), np.where(bends, np.maximum(most, 0.0), most)


def _relaxation(fold: Fold, low: Floats, high: Floats, is_right: npt.NDArray[np.bool_] | None = None) -> _Relaxation:
    """Hold a fold between lines; the one that is not the chord is its own on one side, by default the longer one."""
    bends = (low < 0) & (high > 0)
    slopes = fold.slopes(low >= 0)
    jump = np.broadcast_to(np.asarray(fold.right - fold.left), slopes.shape)
    share = np.where(bends, high / np.where(bends, high - low, 1.0), 0.0)
    chord = slopes + jump * share
    chord_intercept = -jump * share * np.where(bends, low, 0.0)
    flat = slopes + jump * (bends & (high > -low if is_right is None else is_right))
    convex = jump >= 0  # the chord is above a convex fold, and below a concave one
    if convex.all():
        return _Relaxation(below=flat, below_intercept=None, above=chord, above_intercept=chord_intercept)
    return _Relaxation(
        below=np.where(convex, flat, chord),
        below_intercept=np.where(convex, 0.0, chord_intercept),
        above=np.where(convex, chord, flat),
        above_intercept=np.where(convex, chord_intercept, 0.0),
    )


def _back_bounds(
    net: PiecewiseLinearNet,
    number: int,
    boxes: npt.NDArray[np.int64],
    units: npt.NDArray[np.int64],
    relaxed: dict[int, _Relaxation],
    domain: Domain,
) -> tuple[Floats, Floats]:
    """Bound the sums of some units of a node in some boxes, (n_pairs,) each."""
    found = np.empty((2, boxes.size))
    for first in range(0, boxes.size, ROWS_AT_ONCE // 2):
        piece = slice(first, first + ROWS_AT_ONCE // 2)
        both = np.concatenate([boxes[piece], boxes[piece]])
        factors = np.repeat([1.0, -1.0], len(both) // 2)
        coefs, intercepts = _back(net, number, both, np.tile(units[piece], 2), factors, relaxed)
        found[:, piece] = domain.least(coefs, intercepts, both).reshape(2, -1)
    return found[0], -found[1]


def _back(
    net: PiecewiseLinearNet,
    number: int,
    boxes: npt.NDArray[np.int64],
    units: npt.NDArray[np.int64],
    factors: Floats,
    relaxed: dict[int, _Relaxation],
    at_folds: dict[int, Floats] | None = None,
) -> tuple[Floats, Floats]:
    """Find linear functions of the input below ``factor * sum of a unit``, for units of one node in some boxes.

    What the functions are in terms of each fold's values is left in ``at_folds``, where that is given.
    """
    node = net.nodes[number]
    intercepts = factors * node.bias[units]
    rows: dict[int, Floats] = {}
    for source, matrix in zip(node.sources, node.matrices, strict=True):
        _add(rows, source, factors[:, None] * _columns(matrix, units, node.n_units))
    for before in range(number - 1, -1, -1):
        row = rows.pop(before + 1, None)
        if row is None:
            continue
        node = net.nodes[before]
        if node.fold is not None:
            if at_folds is not None:
                at_folds[before] = row.copy()
            line = relaxed[before]
            positive = np.maximum(row, 0.0)
            row -= positive  # what is left is negative
            if line.above_intercept is not None:
                intercepts += np.einsum("ij,ij->i", row, line.above_intercept[boxes])
            if line.below_intercept is not None:
                intercepts += np.einsum("ij,ij->i", positive, line.below_intercept[boxes])
            row *= line.above[boxes]
            positive *= line.below[boxes]
            row += positive
        intercepts += row @ node.bias
        for source, matrix in zip(node.sources, node.matrices, strict=True):
            _add(rows, source, row.copy() if matrix is None else row @ matrix.T)
    found = rows.get(0)
    return np.zeros((len(boxes), net.n_inputs)) if found is None else found, intercepts


def _add(rows: dict[int, Floats], source: int, part: Floats) -> None:
    rows[source] = rows[source] + part if source in rows else part


def _columns(matrix: Matrix | None, units: npt.NDArray[np.int64], n_units: int) -> Floats:
    """Columns of a matrix, as rows of an array."""
    if isinstance(matrix, np.ndarray):
        return matrix.T[units]
    if matrix is not None and is_sparse(matrix):
        columns: Floats = matrix.T.tocsr()[units].toarray()
        return columns
    single = np.zeros((len(units), n_units))
    single[np.arange(len(units)), units] = 1.0
    return single if matrix is None else np.asarray(single @ matrix.T)
