"""The distance to the border as a mixed-integer linear program, for the maximum norm and the sum norm."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from scipy.optimize import Bounds, LinearConstraint, milp

from planefold.networks.affine import Floats, PiecewiseLinearNet, Signs
from planefold.robustness.attacks import Norm, length
from planefold.robustness.bounds import BoxBounds, linear_bounds
from planefold.robustness.domains import Domain
from planefold.robustness.projection import Found, polish

# HiGHS keeps its constraints and its gap up to 1e-6; everything here is scaled to 1, so that is a share of the best
# distance that was known before.
TOLERANCE = 1e-6
TIGHTEN_UP_TO = 80  # units that bend: more linear programs than twice that cost more than they save
TIGHTEN_FROM = 12  # and fewer make an integer program that is solved at once


def distance_by_milp(
    margins: PiecewiseLinearNet,
    x: Floats,
    lower: Floats,
    upper: Floats,
    *,
    norm: Norm,
    witness: Floats,
    within: float = math.inf,
    deadline: float,
) -> Found:
    """Find the nearest point, in the norm "linf" or "l1", where some margin is 0 or negative.

    Parameters
    ----------
    margins : PiecewiseLinearNet
        Whose outputs are positive at ``x``.
    x, lower, upper : ndarray of shape (n_inputs,)
    witness : ndarray of shape (n_inputs,)
        A point across the border: nothing farther away than that matters.
    within : float
        Stop as soon as the distance is known to be larger, or known to be no larger.
    deadline : float
        Of ``time.perf_counter()``.

    Notes
    -----
    Units that may bend within the distance of the witness get a binary variable each (Tjeng, Xiao and Tedrake,
    "Evaluating Robustness of Neural Networks with Mixed Integer Programming", ICLR 2019, eq. 6); the others are put
    into the sums of what follows. Their bounds are linear ones, made tighter by linear programs where there are few.
    One program for each margin that could reach 0; a point that a program finds is made exact within its region.
    """
    near = polish(margins, x, witness, norm, lower, upper)
    point = witness if near is None else near
    best = float(length(point - x, norm))
    least, n_nodes, late = math.inf, 0, False
    for rival in _rivals(margins, x, lower, upper, norm, best):
        if best <= within < math.inf:
            break
        if late := time.perf_counter() > deadline:
            least = 0.0
            break
        single = margins.with_outputs(np.eye(margins.n_outputs)[:, [rival]])
        solved, signs = _solve(single, x, lower, upper, norm, best, deadline)
        n_nodes += solved.n_steps
        for start in (signs, None):
            if solved.witness is None:
                break
            found = polish(single, x, solved.witness, norm, lower, upper, start)
            if found is not None and float(length(found - x, norm)) < best:
                point, best = found, float(length(found - x, norm))
        least = min(least, solved.lower)
        late |= not solved.finished
    finished = not late or least > within or best <= within < math.inf
    return Found(lower=min(least, best), upper=best, witness=point, n_steps=n_nodes, finished=finished)


def _domain(x: Floats, lower: Floats, upper: Floats, norm: Norm, radius: float) -> Domain:
    low, high = np.maximum(lower, x - radius)[None], np.minimum(upper, x + radius)[None]
    return Domain(lower=low, upper=high, center=x, radius=radius, norm=norm)


def _rivals(margins: PiecewiseLinearNet, x: Floats, lower: Floats, upper: Floats, norm: Norm, best: float) -> list[int]:
    """Return the margins that could reach 0 within the best distance, the most likely first."""
    least = linear_bounds(margins, _domain(x, lower, upper, norm, best)).output_lower[0]
    return [int(rival) for rival in np.argsort(least) if least[rival] <= 0]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Program:
    """Rows ``low <= A @ v <= high`` in variables ``v = (t, z, r, b)``: inputs, sums, positive parts, binaries.

    All are scaled to lie in [-1, 1]: ``x = middle + half * t``, and sums and positive parts by their largest value.
    """

    A: sp.csr_array
    low: Floats
    high: Floats
    low_v: Floats
    high_v: Floats
    bends: npt.NDArray[np.int64]
    target: Floats  # margin as a function of the variables, and its constant
    constant: float
    sums: Floats  # the bent units' sums as rows of the same kind, before z is put for them
    constants: Floats


def _program(net: PiecewiseLinearNet, bounds: BoxBounds, domain: Domain) -> _Program:
    low, high = bounds.lower[0], bounds.upper[0]
    bends = np.flatnonzero((low < 0) & (high > 0) & ~_straight(net))
    n, m = net.n_inputs, len(bends)
    scale = np.maximum(-low[bends], high[bends])
    number_of = {int(unit): number for number, unit in enumerate(bends)}
    # Rows that go forward: the images of the inputs and of the positive parts, and the constant.
    scaled = np.vstack([np.diag(domain.half[0]), np.zeros((m, n)), domain.middle[0]])
    values: dict[int, Floats] = {0: scaled}
    sums, constants = np.zeros((m, n + m)), np.zeros(m)
    places = {number: (start, stop) for number, start, stop in net.folds}
    for number, node in enumerate(net.nodes):
        z = net.sums(values, number)
        z[:-1] -= node.bias
        if node.fold is not None:
            start, stop = places[number]
            mine = [unit for unit in range(start, stop) if unit in number_of]
            rows = [number_of[unit] for unit in mine]
            here = [unit - start for unit in mine]
            sums[rows], constants[rows] = z[:-1, here].T, z[-1, here]
            slopes = node.fold.slopes(low[start:stop] >= 0)
            jump = np.broadcast_to(np.asarray(node.fold.right - node.fold.left), slopes.shape)
            left = np.broadcast_to(np.asarray(node.fold.left), slopes.shape)
            slopes[here] = left[here]
            z = z * slopes
            z[[n + row for row in rows], here] += jump[here] * scale[rows]
        values[number + 1] = z
        net.forget(values, number)
    final = values[len(net.nodes)][:, 0]
    eye, zero = sp.eye_array(m), sp.csr_array((m, m))
    least, most = low[bends] / scale, high[bends] / scale
    inputs, parts = sp.csr_array(sums[:, :n] / scale[:, None]), sp.csr_array(sums[:, n:] / scale[:, None])
    A = sp.block_array(
        [
            [inputs, -eye, parts, zero],  # z is the sum
            [None, -eye, eye, zero],  # r >= z
            [None, zero, eye, -sp.diags_array(most)],  # r <= u b
            [None, -eye, eye, -sp.diags_array(least)],  # r <= z - l (1 - b)
        ],
        format="csr",
    )
    fixed, none = -constants / scale, np.full(m, -np.inf)
    return _Program(
        A=A,
        low=np.concatenate([fixed, np.zeros(m), none, none]),
        high=np.concatenate([fixed, np.full(m, np.inf), np.zeros(m), -least]),
        low_v=np.concatenate([-np.ones(n), least, np.zeros(2 * m)]),
        high_v=np.concatenate([np.ones(n), most, most, np.ones(m)]),
        bends=bends,
        target=np.concatenate([final[:n], np.zeros(m), final[n:-1], np.zeros(m)]),
        constant=float(final[-1]),
        sums=sums,
        constants=constants,
    )


def _straight(net: PiecewiseLinearNet) -> npt.NDArray[np.bool_]:
    folds = [(net.nodes[number].fold, stop - start) for number, start, stop in net.folds]
    parts = [np.broadcast_to(np.asarray(fold.left == fold.right), size) for fold, size in folds if fold is not None]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=bool)


def _moves(
    x: Floats, domain: Domain, norm: Norm, best: float, n_variables: int
) -> tuple[sp.csr_array, Floats, Floats, int]:
    """Rows that tie one variable (or one for each input) to how far the inputs move, in units of ``best``."""
    n = len(x)
    n_lengths = 1 if norm == "linf" else n
    moves = sp.diags_array(domain.half[0] / best, format="csr")
    moves = sp.hstack([moves, sp.csr_array((n, n_variables - n))])
    lengths = sp.csr_array(np.ones((n, 1))) if norm == "linf" else sp.eye_array(n)
    A = sp.vstack([sp.hstack([moves, -lengths]), sp.hstack([moves, lengths])], format="csr")
    shift = (x - domain.middle[0]) / best
    low = np.concatenate([np.full(n, -np.inf), shift])
    high = np.concatenate([shift, np.full(n, np.inf)])
    return A, low, high, n_lengths


def _solve(
    net: PiecewiseLinearNet,
    x: Floats,
    lower: Floats,
    upper: Floats,
    norm: Norm,
    best: float,
    deadline: float,
) -> tuple[Found, Signs | None]:
    """Solve the program of one margin; return what it proved, and the pattern of its solution."""
    domain = _domain(x, lower, upper, norm, best)
    bounds = linear_bounds(net, domain)
    program = _program(net, bounds, domain)
    if TIGHTEN_FROM <= len(program.bends) <= TIGHTEN_UP_TO:
        bounds = _tightened(net, bounds, program, domain, x, norm, best, deadline)
        program = _program(net, bounds, domain)
    rows, low, high, n_lengths = _moves(x, domain, norm, best, len(program.low_v))
    # The margin, scaled to 1, is 0 or less.
    size = float(abs(program.target).sum() + abs(program.constant))
    target = sp.csr_array(np.concatenate([program.target, np.zeros(n_lengths)])[None] / size)
    A = sp.vstack([sp.hstack([program.A, sp.csr_array((len(program.low), n_lengths))]), rows, target], format="csr")
    n_variables = len(program.low_v)
    cost = np.concatenate([np.zeros(n_variables), np.ones(n_lengths)])
    integral = np.zeros(n_variables + n_lengths, dtype=np.int64)
    integral[n_variables - len(program.bends) : n_variables] = 1
    result = milp(
        cost,
        integrality=integral,
        bounds=Bounds(
            np.concatenate([program.low_v, np.zeros(n_lengths)]), np.concatenate([program.high_v, np.ones(n_lengths)])
        ),
        constraints=LinearConstraint(
            A,
            np.concatenate([program.low, low, [-np.inf]]),
            np.concatenate([program.high, high, [-program.constant / size]]),
        ),
        options={"time_limit": max(deadline - time.perf_counter(), 0.01), "mip_rel_gap": 0.0},
    )
    witness = None if result.x is None else domain.middle[0] + domain.half[0] * result.x[: len(x)]
    dual = getattr(result, "mip_dual_bound", None)
    bound = 0.0 if dual is None or not math.isfinite(dual) else float(dual)
    if result.status == 2:  # nothing nearer than the best
        bound = 1.0
    elif result.status == 0 and not len(program.bends):  # a linear program, whose value is its bound
        bound = float(result.fun)
    proved = max(bound - TOLERANCE, 0.0) * best
    n_steps = int(getattr(result, "mip_node_count", None) or 1)
    signs = None
    if result.x is not None:
        signs = bounds.signs[0]
        binaries = result.x[n_variables - len(program.bends) : n_variables]
        signs[program.bends] = np.where(binaries > 0.5, 1, -1)
    found = Found(lower=proved, upper=best, witness=witness, n_steps=n_steps, finished=result.status in (0, 2))
    return found, signs


def _tightened(
    net: PiecewiseLinearNet,
    bounds: BoxBounds,
    program: _Program,
    domain: Domain,
    x: Floats,
    norm: Norm,
    best: float,
    deadline: float,
) -> BoxBounds:
    """Bound the units that bend by linear programs, in the relaxation where binaries may be anything from 0 to 1."""
    low, high = bounds.lower.copy(), bounds.upper.copy()
    bends = np.flatnonzero((low[0] < 0) & (high[0] > 0) & ~_straight(net))
    depth = net.depths()[bends]
    n, m = net.n_inputs, len(program.bends)
    rows, row_low, row_high, n_lengths = _moves(x, domain, norm, best, len(program.low_v))
    A = sp.vstack([sp.hstack([program.A, sp.csr_array((len(program.low), n_lengths))]), rows], format="csr")
    A_low, A_high = np.concatenate([program.low, row_low]), np.concatenate([program.high, row_high])
    if norm == "l1":
        A = sp.vstack([A, sp.csr_array(np.append(np.zeros(A.shape[1] - n_lengths), np.ones(n_lengths))[None])])
        A_low, A_high = np.append(A_low, -np.inf), np.append(A_high, 1.0)
    at_bounds = Bounds(
        np.concatenate([program.low_v, np.zeros(n_lengths)]), np.concatenate([program.high_v, np.ones(n_lengths)])
    )
    half_time = time.perf_counter() + 0.3 * (deadline - time.perf_counter())
    for row in np.flatnonzero(depth > depth.min(initial=0)):
        cost = np.concatenate([program.sums[row, :n], np.zeros(m), program.sums[row, n:], np.zeros(m + n_lengths)])
        size = float(abs(cost).sum())
        for sign, target in ((1.0, low), (-1.0, high)):
            if time.perf_counter() > half_time or size == 0:
                break
            result = milp(sign * cost / size, bounds=at_bounds, constraints=LinearConstraint(A, A_low, A_high))
            if result.status == 0:
                value = sign * float(result.fun) * size + program.constants[row]
                margin = sign * TOLERANCE * (size + abs(program.constants[row]))
                better = max if sign > 0 else min
                target[0, bends[row]] = better(target[0, bends[row]], value - margin)
    return BoxBounds(**{**vars(bounds), "lower": low, "upper": high})
