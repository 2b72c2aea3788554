"""Whether a network can be unsafe anywhere in a box: a counterexample, or a proof that there is none."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError, ParameterError, show
from planefold.core.records import Record
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.robustness.attacks import unsafe_point
from planefold.robustness.bounds import BoxBounds, linear_bounds, steepness
from planefold.robustness.domains import Domain
from planefold.robustness.unit_tree import search_units

SAFE = 1e-9  # of the sizes of a bound's terms: a bound no farther above 0 proves nothing
BOXES_AT_ONCE = 256
N_RANDOM = 2000
N_DESCENTS = 64
WIDE_INPUTS = 12  # with more inputs that vary, units are split and not boxes
VALUES_AT_ONCE = 2**20  # numbers of a batch's bounds

Constraint = tuple[npt.ArrayLike, npt.ArrayLike]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Verdict(Record):
    """Whether an unsafe point exists.

    Parameters
    ----------
    verdict : {"sat", "unsat", "unknown"}
        "sat": here is one. "unsat": it is proved that there is none. "unknown": time was over.
    counterexample : ndarray of shape (n_inputs,) or None
        Within the box, bound for bound, and unsafe, inequality for inequality, as the network computes it in float64.
    outputs : ndarray of shape (n_outputs,) or None
        Of the network, at the counterexample.
    lower_bound : float
        What was proved of the largest excess ``A @ y - b``, the least over the box and over the unsafe sets:
        "unsat" when it is positive.
    n_boxes : int
        How many parts of the box were bounded.
    method : str
        What decided: "search", "boxes" or "units".
    seconds : float
    why_not : str
        Why the verdict is unknown; "" when it is known.
    """

    verdict: str
    counterexample: Floats | None
    outputs: Floats | None
    lower_bound: float
    n_boxes: int
    method: str
    seconds: float
    why_not: str = ""

    def __str__(self) -> str:
        return self.verdict + (f": {self.why_not}" if self.why_not else "")


def verify(
    net: PiecewiseLinearNet,
    lower: npt.ArrayLike,
    upper: npt.ArrayLike,
    constraints: Sequence[Constraint],
    *,
    time_limit: float = 60.0,
    random_state: int = 0,
) -> Verdict:
    """Tell whether some input in a box leads to an unsafe output.

    Parameters
    ----------
    net : PiecewiseLinearNet
    lower, upper : array-like of shape (n_inputs,)
        The box, in what the network reads: where a file scales its inputs, scaled.
    constraints : sequence of (A, b)
        Each an unsafe set of outputs ``y``, namely where ``A @ y <= b``; A of shape (n_rows, n_outputs), b of shape
        (n_rows,). The output is unsafe when it lies in any of them.
    time_limit : float
        Seconds.
    random_state : int
        For the search that comes first; a verdict does not depend on it, but the time does.

    Returns
    -------
    Verdict

    Raises
    ------
    DataError
        If the box or a constraint is not finite, does not fit or is empty.
    ParameterError
        If ``net`` is not a PiecewiseLinearNet, there is no constraint, or the time limit is not positive.

    Notes
    -----
    First a search: random points, corners, descent. Then branch and bound with linear bounds
    (:func:`~planefold.robustness.bounds.linear_bounds`), many parts at once. With few inputs that vary, boxes are
    cut in two, in the direction that matters most: for the linear bounds themselves, and for the products of the
    weights along the paths that can be open. With many inputs units are cut at their crease instead.

    A proof needs bounds above 0 by 1e-9 of the size of their terms; rounding is a hundred thousand times smaller. So
    where an unsafe set is only just touched the verdict stays unknown.

    References
    ----------
    Wang, Pei, Whitehouse, Yang and Jana, "Formal Security Analysis of Neural Networks using Symbolic Intervals",
    USENIX Security 2018 (boxes are cut along their steepest input, section 5).
    Bunel et al., "Branch and Bound for Piecewise Linear Neural Network Verification", JMLR 2020.

    Examples
    --------
    >>> from planefold.networks.affine_builder import Builder
    >>> builder = Builder((2,))
    >>> hidden = builder.fold(builder.affine(builder.input, np.eye(2), np.zeros(2)), layer="hidden 1")
    >>> net = builder.finish(builder.affine(hidden, np.ones((2, 1)), [0.0]))
    >>> print(verify(net, [-1, -1], [1, 1], [([[1.0]], [-0.1])]))  # can relu(a) + relu(b) be -0.1 or less?
    unsat
    >>> print(verify(net, [-1, -1], [1, 1], [([[-1.0]], [-1.9])]))  # can it be 1.9 or more?
    sat
    """
    started = time.perf_counter()
    check_net(net)
    positive("time_limit", time_limit)
    low, high = _box(net, lower, upper)
    excess, groups = _excess(net, constraints)
    return _Search(net, excess, groups, low, high, started, time_limit).run(np.random.default_rng(random_state))


def check_net(net: Any) -> None:
    """Refuse what is not the affine form of a network.

    Raises
    ------
    ParameterError
        If it is not.
    """
    if not isinstance(net, PiecewiseLinearNet):
        raise ParameterError(
            f"net={show(net)} is not a PiecewiseLinearNet",
            hint="give planefold.reading.from_model(model), which reads estimators, modules and files",
        )


def positive(name: str, value: Any) -> None:
    """Refuse what is not a positive number.

    Raises
    ------
    ParameterError
        If it is not.
    """
    is_number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not is_number or not value > 0:
        raise ParameterError(f"{name}={show(value)} is not a positive number")


def _box(net: PiecewiseLinearNet, lower: npt.ArrayLike, upper: npt.ArrayLike) -> tuple[Floats, Floats]:
    ends = [np.asarray(end, dtype=np.float64).ravel() for end in (lower, upper)]
    for name, end in zip(("lower", "upper"), ends, strict=True):
        if end.size != net.n_inputs or not np.isfinite(end).all():
            raise DataError(
                f"{name} with {end.size} numbers is no finite end of a box of {net.n_inputs} inputs",
                hint="give one finite number for each input",
            )
    empty = np.flatnonzero(ends[0] > ends[1])
    if empty.size:
        place = int(empty[0])
        raise DataError(
            f"the box is empty: input {place} from {show(ends[0][place])} to {show(ends[1][place])}",
            hint="lower must not be above upper",
        )
    return ends[0], ends[1]


def _excess(
    net: PiecewiseLinearNet, constraints: Sequence[Constraint]
) -> tuple[PiecewiseLinearNet, npt.NDArray[np.int64]]:
    """Return the network of all ``A @ y - b``, and the number of each set's first row."""
    if not len(constraints):
        raise ParameterError("constraints is empty, so nothing is unsafe", hint="give at least one pair (A, b)")
    rows: list[Floats] = []
    sides: list[Floats] = []
    groups: list[int] = []
    for number, (matrix, ends) in enumerate(constraints):
        A, b = np.atleast_2d(np.asarray(matrix, dtype=np.float64)), np.atleast_1d(np.asarray(ends, dtype=np.float64))
        if A.shape != (b.size, net.n_outputs) or not b.size or not np.isfinite(A).all() or not np.isfinite(b).all():
            raise DataError(
                f"constraint {number} with A of shape {A.shape} and b of shape {b.shape} does not fit "
                f"{net.n_outputs} outputs, or is not finite",
                hint="A is (n_rows, n_outputs) and b is (n_rows,), for A @ y <= b",
            )
        groups.append(sum(len(side) for side in sides))
        rows.append(A)
        sides.append(b)
    return net.with_outputs(np.vstack(rows).T, -np.concatenate(sides)), np.array(groups)


class _Search:
    def __init__(
        self,
        net: PiecewiseLinearNet,
        excess: PiecewiseLinearNet,
        groups: npt.NDArray[np.int64],
        low: Floats,
        high: Floats,
        started: float,
        time_limit: float,
    ) -> None:
        self.net, self.excess, self.groups, self.low, self.high = net, excess, groups, low, high
        self.started, self.deadline, self.time_limit = started, started + time_limit, time_limit
        self.n_boxes = 0

    def run(self, rng: np.random.Generator) -> Verdict:
        found = self._first_look(rng)
        if found is not None:
            return self._sat(found, "search")
        if np.count_nonzero(self.high > self.low) <= WIDE_INPUTS:
            return self._cut_boxes()
        bound, point, self.n_boxes = search_units(
            self.excess, self.groups, self.low, self.high, self.is_unsafe, SAFE, self.deadline
        )
        if point is not None:
            return self._sat(point, "units")
        return self._unsat("units", bound) if bound > 0 else self._unknown("units", bound)

    def is_unsafe(self, points: Floats) -> Floats | None:
        """Return one of some points that is unsafe, checked by itself with the network as it was given."""
        values = np.maximum.reduceat(self.excess.outputs(points), self.groups, axis=1).min(axis=1)
        for place in np.flatnonzero(values <= 0)[:8]:
            point = np.clip(points[place], self.low, self.high)
            single = np.maximum.reduceat(self.excess.outputs(point[None])[0], self.groups)
            if single.min() <= 0:
                return np.asarray(point)
        return None

    def _first_look(self, rng: np.random.Generator) -> Floats | None:
        width = self.high - self.low
        points = self.low + width * rng.random((N_RANDOM, len(width)))
        points[: N_RANDOM // 4] = np.where(points[: N_RANDOM // 4] * 2 > self.low + self.high, self.high, self.low)
        points = np.clip(np.vstack([(self.low + self.high) / 2, points]), self.low, self.high)
        found = self.is_unsafe(points)
        if found is None:
            values = np.maximum.reduceat(self.excess.outputs(points), self.groups, axis=1).min(axis=1)
            best = points[np.argsort(values)[:N_DESCENTS]]
            point = unsafe_point(self.excess, self.groups, self.low, self.high, best)
            found = None if point is None else self.is_unsafe(point[None])
        return found

    def _cut_boxes(self) -> Verdict:
        n_inputs, n_units = self.excess.n_inputs, self.excess.n_units
        batch = max(8, min(BOXES_AT_ONCE, VALUES_AT_ONCE // max(1, n_units * 8)))
        low, high = self.low[None], self.high[None]
        signs = np.zeros((1, n_units), dtype=np.int8)
        bound = np.full(1, -math.inf)  # what is known of each box on the stack
        proved = math.inf  # of what is no longer on the stack
        while len(low):
            if time.perf_counter() > self.deadline:
                return self._unknown("boxes", min(float(bound.min()), proved))
            # From the top of the stack, where the boxes are small: those of one branch share their stable units.
            kept = max(0, len(low) - batch)
            boxes = low[kept:], high[kept:]
            known, above = signs[kept:], bound[kept:]
            low, high, signs, bound = low[:kept], high[:kept], signs[:kept], bound[:kept]
            self.n_boxes += len(known)
            found = linear_bounds(self.excess, Domain(lower=boxes[0], upper=boxes[1]), known)
            scores, safe = proofs(found, self.groups, np.maximum(abs(boxes[0]), abs(boxes[1])), SAFE)
            scores = np.maximum(scores, above)
            proved = min(proved, float(scores[safe].min(initial=math.inf)))
            still = np.flatnonzero(~safe)
            if not still.size:
                continue
            still = still[np.argsort(-scores[still], kind="stable")]  # the worst on top
            left, right = boxes[0][still], boxes[1][still]
            point = self.is_unsafe(
                np.vstack([np.where(self._worst(found, still) > 0, left, right), (left + right) / 2])
            )
            if point is not None:
                return self._sat(point, "boxes")
            ways = self._ways(found, still, right - left)
            rows, way = np.arange(len(left)), ways.argmax(axis=1)
            middle = (left[rows, way] + right[rows, way]) / 2
            if (ways[rows, way] <= 0).any() or ((middle <= left[rows, way]) | (middle >= right[rows, way])).any():
                return self._unknown("boxes", float(scores[still].min()), "the bounds only touch 0")
            first, second = right.copy(), left.copy()
            first[rows, way] = second[rows, way] = middle
            low = np.concatenate([low, np.stack([left, second], axis=1).reshape(-1, n_inputs)])
            high = np.concatenate([high, np.stack([first, right], axis=1).reshape(-1, n_inputs)])
            signs = np.concatenate([signs, np.repeat(found.signs[still], 2, axis=0)])
            bound = np.concatenate([bound, np.repeat(scores[still], 2)])
        return self._unsat("boxes", proved)

    def _worst(self, found: BoxBounds, still: npt.NDArray[np.int64]) -> Floats:
        """Coefs of the row that holds off its set best, of the set that is held off worst."""
        lower = found.output_lower[still]
        group = np.maximum.reduceat(lower, self.groups, axis=1).argmin(axis=1)
        stops = np.append(self.groups[1:], lower.shape[1])
        numbers = np.arange(lower.shape[1])
        mine = (numbers >= self.groups[group][:, None]) & (numbers < stops[group][:, None])
        return np.asarray(found.coefs[still, np.where(mine, lower, -math.inf).argmax(axis=1)])

    def _ways(self, found: BoxBounds, still: npt.NDArray[np.int64], width: Floats) -> Floats:
        """Say how much each input matters in each box.

        Neither the linear bounds' slopes, which are 0 where everything is uncertain, nor the products of weights, which
        are blind to what cancels, cut well alone: their sum, each as a share of its largest, needs fewest boxes.
        """
        slopes = abs(found.coefs[still]).max(axis=1) * width
        paths = steepness(self.excess, found.signs[still]).max(axis=1) * width
        shares = [part / np.maximum(part.max(axis=1, keepdims=True), 1e-300) for part in (slopes, paths)]
        total: Floats = shares[0] + shares[1]
        # Where nothing is steep, rounding alone is left: the widest input is as good as any.
        return np.where((total > 0).any(axis=1, keepdims=True), total, width)

    # ---------------------------------------------------------------------------------------------------- verdicts

    def _sat(self, point: Floats, method: str) -> Verdict:
        return Verdict(
            verdict="sat",
            counterexample=point,
            outputs=self.net.outputs(point[None])[0],
            lower_bound=-math.inf,
            n_boxes=self.n_boxes,
            method=method,
            seconds=time.perf_counter() - self.started,
        )

    def _unsat(self, method: str, bound: float) -> Verdict:
        return self._none("unsat", method, bound, "")

    def _unknown(self, method: str, bound: float, why_not: str = "") -> Verdict:
        return self._none("unknown", method, bound, why_not or f"{self.time_limit:g} s were over")

    def _none(self, verdict: str, method: str, bound: float, why_not: str) -> Verdict:
        return Verdict(
            verdict=verdict,
            counterexample=None,
            outputs=None,
            lower_bound=bound,
            n_boxes=self.n_boxes,
            method=method,
            seconds=time.perf_counter() - self.started,
            why_not=why_not,
        )


def proofs(
    found: BoxBounds, groups: npt.NDArray[np.int64], largest: Floats, safe: float
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return for each box the least of the sets' largest bounds, and whether all sets are ruled out for certain.

    ``largest`` is the largest absolute value of each input in each box.
    """
    size = abs(found.intercepts) + np.einsum("bij,bj->bi", abs(found.coefs), largest)
    certain = np.maximum.reduceat(found.output_lower - safe * size, groups, axis=1).min(axis=1) > 0
    return np.maximum.reduceat(found.output_lower, groups, axis=1).min(axis=1), certain
