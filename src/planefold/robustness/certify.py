"""How far an input can be moved before the decision changes: exact distances, and proofs of robustness."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError, ParameterError, show, unknown_choice
from planefold.core.records import Record
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.robustness.attacks import Norm, direction, dual, length, nearest_crossing, push_across
from planefold.robustness.bounds import linear_bounds
from planefold.robustness.branching import branch
from planefold.robustness.domains import Domain
from planefold.robustness.milp import TOLERANCE, distance_by_milp
from planefold.robustness.projection import Found
from planefold.robustness.verify import check_net, positive, verify
from planefold.robustness.walk import walk

NORMS = ("l2", "linf", "l1")
METHODS = ("auto", "branch", "walk", "milp")
EXACT = 1e-9  # of the distance: what rounding leaves between the two bounds
HEAD_START = 0.3  # of the time, for branch and bound over units before an integer program takes over
N_RADII = 16  # that are tried at once for a first lower bound


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Distance(Record):
    """How near the nearest point is where the decision is another one: ``lower <= distance <= upper``.

    Parameters
    ----------
    lower, upper : float
        Both infinite when the decision is the same everywhere.
    exact : bool
        Whether the two agree: to a share of 1e-9, and of 2e-6 with method "milp", which are the tolerances of what
        has found them.
    witness : ndarray of shape (n_inputs,) or None
        The nearest point found where the network itself, in float64, decides otherwise (a tie counts); ``upper`` is its
        distance.
    norm : str
    label : int
        The decision that was left: the sign of a single output as 0 or 1, else the number of the largest.
    rival : int or None
        The decision at the witness.
    method : str
    n_nodes : int
        Linear regions visited ("walk"), or nodes of the tree.
    seconds : float
        Wall-clock.
    why_not : str
        Why it is not exact; "" when it is.
    """

    lower: float
    upper: float
    exact: bool
    witness: Floats | None
    norm: str
    label: int
    rival: int | None
    method: str
    n_nodes: int
    seconds: float
    why_not: str = ""

    def __str__(self) -> str:
        if self.exact and math.isinf(self.upper):
            return "the decision is the same everywhere"
        if self.exact:
            return f"the decision changes at distance {self.upper:.6g} ({self.norm})"
        return (
            f"the decision changes at a distance of {self.lower:.6g} to {self.upper:.6g} ({self.norm}): {self.why_not}"
        )


def distance(
    net: PiecewiseLinearNet,
    x: npt.ArrayLike,
    *,
    norm: Norm = "l2",
    label: int | None = None,
    lower: npt.ArrayLike | None = None,
    upper: npt.ArrayLike | None = None,
    time_limit: float = 10.0,
    method: str = "auto",
    within: float = math.inf,
    random_state: int = 0,
) -> Distance:
    """Return the distance from a point to the nearest one where the network decides otherwise.

    Parameters
    ----------
    net : PiecewiseLinearNet
        With one output, whose sign decides, or several, of which the largest does; less ``net.offsets``, which a
        classifier with a threshold of its own has.
    x : array-like of shape (n_inputs,)
    norm : {"l2", "linf", "l1"}
        Euclid's distance, the largest move of one input, or the sum of all moves.
    label : int, optional
        The decision to be left; that of the network at ``x`` by default. When ``x`` is decided otherwise already, the
        distance is 0.
    lower, upper : array-like of shape (n_inputs,) or (), optional
        A box to stay in, such as what a column can be; ``x`` must lie in it.
    time_limit : float
        Seconds, after which the bounds that hold so far are returned.
    method : {"auto", "branch", "walk", "milp"}
        "branch" is branch and bound over units. "walk" (through linear regions) finds l2 distances and "milp"
        (mixed-integer linear programs) the other two, independently of it. "auto" takes "branch", for linf and l1
        "milp" where three tenths of the time were not enough, and "walk" first where no border was met.
    within : float
        Stop as soon as the distance is known to be larger than this, or known not to be.
    random_state : int
        For the search that the upper bound begins with; the result does not depend on it, but the time does.

    Returns
    -------
    Distance

    Raises
    ------
    DataError
        If the point or the box is not finite or does not fit, or the point lies outside the box.
    ParameterError
        If a parameter has a value that it cannot have.

    Notes
    -----
    Finding it is NP-hard (Katz et al., CAV 2017): time grows with the number of units that bend within the distance,
    from milliseconds for a dozen to seconds for a hundred. Lower bounds hold up to rounding, see :class:`Distance`;
    borders farther than 1e8 times the size of the point are taken for none, and with "walk" regions thinner than 1e-9
    of the distance may be passed by.

    Examples
    --------
    >>> from planefold.networks.affine_builder import Builder
    >>> builder = Builder((2,))
    >>> hidden = builder.fold(builder.affine(builder.input, np.eye(2), np.zeros(2)), layer="hidden 1")
    >>> net = builder.finish(builder.affine(hidden, np.ones((2, 1)), [-1.0]))  # relu(a) + relu(b) = 1
    >>> print(distance(net, [2.0, 1.0]))
    the decision changes at distance 1.41421 (l2)
    >>> print(distance(net, [2.0, 1.0], norm="linf"))
    the decision changes at distance 1 (linf)
    """
    started = time.perf_counter()
    check_net(net)
    if norm not in NORMS:
        raise unknown_choice("norm", norm, NORMS)
    if method not in METHODS:
        raise unknown_choice("method", method, METHODS)
    if method == ("milp" if norm == "l2" else "walk"):
        raise ParameterError(f"method={method!r} does not find distances in norm={norm!r}", hint="use method='auto'")
    positive("time_limit", time_limit)
    point, low, high = point_in_box(net, x, lower, upper)
    margins, label, rivals = margins_of(net, point, label)
    used = "branch" if method == "auto" else method
    # Inputs that cannot move are no part of the search.
    whole, ends, free = point, (low, high), high > low
    if not free.all():
        margins = margins.restricted(np.where(free, 0.0, whole), np.eye(whole.size)[free])
        point, low, high = whole[free], low[free], high[free]

    def record(found: Found, exact: bool, why_not: str = "") -> Distance:
        rival = None
        if found.witness is not None:
            rival = rivals[int(margins.outputs(found.witness[None])[0].argmin())]
            witness = whole.copy()
            witness[free] = found.witness
            witness = confirmed(net, label, whole, witness, *ends)
            most = max(found.upper, float(length(witness - whole, norm)))
            found = replace(found, witness=witness, upper=most)
        return Distance(
            lower=min(found.lower, found.upper),
            upper=found.upper,
            exact=exact,
            witness=found.witness,
            norm=norm,
            label=label,
            rival=rival,
            method=used,
            n_nodes=found.n_steps,
            seconds=time.perf_counter() - started,
            why_not=why_not,
        )

    if (margins.outputs(point[None]) <= 0).any():
        return record(Found(lower=0.0, upper=0.0, witness=point, n_steps=0, finished=True), True)
    deadline = started + time_limit
    if not margins.n_outputs or not free.any():  # one class alone, or nothing that can move
        return record(Found(lower=math.inf, upper=math.inf, witness=None, n_steps=0, finished=True), True)
    witness = nearest_crossing(margins, point, norm, low, high, np.random.default_rng(random_state))
    if witness is not None:
        witness = push_across(margins, point, witness, low, high)
    limits = {"within": within, "deadline": deadline}
    if used == "walk" or witness is None:
        found = walk(margins, point, low, high, witness=witness, **limits if norm == "l2" else {"deadline": deadline})
        if found.witness is None or norm == "l2":
            used = "walk"
            if norm == "linf":  # no move is less than its share of that in Euclid's norm
                found = replace(found, lower=found.lower / math.sqrt(point.size))
        witness = found.witness
    if used != "walk":
        assert witness is not None
        first = certified_radius(margins, point, low, high, norm, float(length(witness - point, norm)))
        if used == "branch":
            until = deadline if method == "branch" or norm == "l2" else started + HEAD_START * time_limit
            found = branch(margins, point, low, high, norm=norm, witness=witness, within=within, deadline=until)
            first, witness = max(first, found.lower), found.witness
        if used == "milp" or (not found.finished and time.perf_counter() < deadline):
            assert witness is not None
            used = "milp"
            found = distance_by_milp(margins, point, low, high, norm=norm, witness=witness, **limits)
        found = replace(found, lower=min(max(found.lower, first), found.upper))
    tolerance = 2 * TOLERANCE if used == "milp" else EXACT
    exact = found.upper == found.lower or found.upper - found.lower <= tolerance * found.upper
    why_not = ""
    if not exact:
        why_not = f"{time_limit:g} s were over"
        if found.finished:
            why_not = "the border is touched and not crossed there, or the two bounds differ by rounding"
            why_not = why_not if within == math.inf else "it was only asked whether it is within a limit"
    return record(found, bool(exact), why_not)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Robustness(Record):
    """Whether a decision stays the same within a distance.

    Parameters
    ----------
    verdict : {"robust", "not robust", "unknown"}
        "robust" is proved, up to the tolerance of :class:`Distance` or of
        :class:`~planefold.robustness.verify.Verdict`.
    epsilon : float
    norm : str
    counterexample : ndarray of shape (n_inputs,) or None
        A point no farther away where the network decides otherwise (a tie counts), in float64.
    lower, upper : float
        The distance to the border lies between them; ``lower`` is what was proved.
    method : str
    seconds : float
    why_not : str
        Why the verdict is unknown; "" when it is known.
    """

    verdict: str
    epsilon: float
    norm: str
    counterexample: Floats | None
    lower: float
    upper: float
    method: str
    seconds: float
    why_not: str = ""

    def __str__(self) -> str:
        return f"{self.verdict} within {self.epsilon:g} ({self.norm})" + (f": {self.why_not}" if self.why_not else "")


def robust(
    net: PiecewiseLinearNet,
    x: npt.ArrayLike,
    epsilon: float,
    *,
    norm: Norm = "linf",
    label: int | None = None,
    lower: npt.ArrayLike | None = None,
    upper: npt.ArrayLike | None = None,
    time_limit: float = 10.0,
    random_state: int = 0,
) -> Robustness:
    """Tell whether a decision stays the same, wherever a point is moved by no more than ``epsilon``.

    Parameters
    ----------
    net, x, norm, label, lower, upper, time_limit, random_state
        As in :func:`distance`.
    epsilon : float
        In the units of the network's inputs.

    Returns
    -------
    Robustness

    Raises
    ------
    DataError, ParameterError
        As :func:`distance`.

    Notes
    -----
    A search for a counterexample, then linear bounds, both in thousandths of a second, then an exact method: that of
    :func:`~planefold.robustness.verify.verify` for linf, that of :func:`distance` for the others.
    """
    started = time.perf_counter()
    check_net(net)
    if norm not in NORMS:
        raise unknown_choice("norm", norm, NORMS)
    positive("epsilon", epsilon)
    positive("time_limit", time_limit)
    point, low, high = point_in_box(net, x, lower, upper)
    margins, label, _ = margins_of(net, point, label)

    def record(verdict: str, at: Floats | None, least: float, method: str, why_not: str = "") -> Robustness:
        at = None if at is None else confirmed(net, label, point, at, low, high)
        return Robustness(
            verdict=verdict,
            epsilon=epsilon,
            norm=norm,
            counterexample=at,
            lower=least,
            upper=math.inf if at is None else float(length(at - point, norm)),
            method=method,
            seconds=time.perf_counter() - started,
            why_not=why_not,
        )

    if (margins.outputs(point[None]) <= 0).any():
        return record("not robust", point, 0.0, "the point itself")
    if certified_radius(margins, point, low, high, norm, epsilon) >= epsilon:
        return record("robust", None, epsilon, "bounds")
    witness = nearest_crossing(margins, point, norm, low, high, np.random.default_rng(random_state))
    witness = None if witness is None else push_across(margins, point, witness, low, high)
    if witness is not None and length(witness - point, norm) <= epsilon:
        return record("not robust", witness, 0.0, "search")
    left = max(time_limit - (time.perf_counter() - started), 1e-3)
    if norm == "linf":
        ball = np.maximum(low, point - epsilon), np.minimum(high, point + epsilon)
        each = [(np.eye(margins.n_outputs)[[rival]], np.zeros(1)) for rival in range(margins.n_outputs)]
        found = verify(margins, *ball, each, time_limit=left)
        word = {"sat": "not robust", "unsat": "robust", "unknown": "unknown"}[found.verdict]
        least = epsilon if word == "robust" else 0.0
        return record(word, found.counterexample, least, found.method, found.why_not)
    exact = distance(net, point, norm=norm, label=label, lower=low, upper=high, time_limit=left, within=epsilon)
    if exact.upper <= epsilon:
        return record("not robust", exact.witness, exact.lower, exact.method)
    if exact.lower > epsilon:
        return record("robust", None, exact.lower, exact.method)
    return record("unknown", exact.witness, exact.lower, exact.method, f"{time_limit:g} s were over")


def certified_radius(
    margins: PiecewiseLinearNet, x: Floats, lower: Floats, upper: Floats, norm: Norm, largest: float
) -> float:
    """Return the largest of some radii up to ``largest`` in which linear bounds prove all margins positive.

    0 when that is none. One round of bounds for all radii.
    """
    radii = largest * np.linspace(1.0, 0.0, N_RADII + 1)[:-1]
    low, high = np.maximum(lower, x - radii[:, None]), np.minimum(upper, x + radii[:, None])
    bounds = linear_bounds(margins, Domain(lower=low, upper=high))
    least = bounds.output_lower
    if norm != "linf":
        steepest = length(bounds.coefs, dual(norm))
        least = np.maximum(least, bounds.coefs @ x + bounds.intercepts - radii[:, None] * steepest)
    size = abs(bounds.intercepts) + abs(bounds.coefs) @ np.maximum(abs(x), 1e-300)
    proved = (least > 1e-9 * size).all(axis=1)
    return float(radii[proved.argmax()]) if proved.any() else 0.0


def confirmed(net: PiecewiseLinearNet, label: int, x: Floats, witness: Floats, lower: Floats, upper: Floats) -> Floats:
    """Move a witness by a few units in its last place, where the network itself still sees it on this side."""

    def is_across(point: Floats) -> bool:
        outputs = net.outputs(point[None])[0]
        if net.n_outputs == 1:
            return bool(outputs[0] <= 0 if label else outputs[0] >= 0)
        return bool(np.delete(outputs, label).max() >= outputs[label])

    if is_across(witness):
        return witness
    margins, _, _ = margins_of(net, x, label)
    values = margins.outputs(witness[None])[0]
    gradient = margins.local_maps(margins.patterns(witness[None]), [int(values.argmin())])[0][0, 0]
    size = float(length(witness - x, "l2"))
    for share in np.geomspace(1e-16, 1e-9, 22):
        for way in (direction(witness - x), -direction(gradient)):
            moved = np.clip(witness + share * size * way, lower, upper)
            if is_across(moved):
                return np.asarray(moved)
    return witness


def margins_of(net: PiecewiseLinearNet, x: Floats, label: int | None) -> tuple[PiecewiseLinearNet, int, list[int]]:
    """Return the network whose outputs are positive where the decision is ``label``, the label, and its rivals."""
    offsets = np.array(net.offsets)
    outputs = net.outputs(x[None])[0] - offsets
    if net.n_outputs == 1:
        n_labels, found = 2, int(outputs[0] > 0)
    else:
        n_labels, found = net.n_outputs, int(outputs.argmax())
    if label is None:
        label = found
    elif isinstance(label, bool) or not isinstance(label, int | np.integer) or not 0 <= label < n_labels:
        raise ParameterError(f"label={show(label)} is no decision of this network", details=f"0 to {n_labels - 1} are")
    rivals = [rival for rival in range(n_labels) if rival != label]
    eye = np.eye(net.n_outputs)
    against = np.array([[1.0 if label else -1.0]]) if net.n_outputs == 1 else (eye[[label]] - eye[rivals]).T
    return net.with_outputs(against, -offsets @ against), int(label), rivals


def point_in_box(
    net: PiecewiseLinearNet, x: npt.ArrayLike, lower: npt.ArrayLike | None, upper: npt.ArrayLike | None
) -> tuple[Floats, Floats, Floats]:
    """Return one point and the ends of its box as arrays of shape (n_inputs,)."""
    try:
        array = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"the point {show(x)} is not made of numbers") from None
    if array.size != net.n_inputs:
        raise DataError(
            f"a point of shape {array.shape} does not fit {net.description} with {net.n_inputs} inputs",
            hint="give one point at a time",
        )
    point = net.rows(array.reshape(1, -1) if len(net.input_shape) == 1 else array.reshape(1, *net.input_shape))[0]
    low = _end("lower", lower, -math.inf, net.n_inputs)
    high = _end("upper", upper, math.inf, net.n_inputs)
    outside = np.flatnonzero((point < low) | (point > high))
    if outside.size:
        place = int(outside[0])
        raise DataError(
            f"input {place} of the point is {show(point[place])}, outside its box from {show(low[place])} "
            f"to {show(high[place])}",
            hint="the box must hold the point",
        )
    return point, low, high


def _end(name: str, given: npt.ArrayLike | None, default: float, n_inputs: int) -> Floats:
    array = np.asarray(default if given is None else given, dtype=np.float64)
    if array.size not in (1, n_inputs) or np.isnan(array).any():
        raise DataError(
            f"{name} of shape {array.shape} is no end of a box of {n_inputs} inputs",
            hint="give one number or one for each input, none of them nan",
        )
    return np.broadcast_to(array.ravel(), n_inputs).copy()
