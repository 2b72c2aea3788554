"""Polyhedra ``A x <= b`` with a point inside: their facets, centre, box, corners and volume, by NumPy and SciPy alone.

Everything is done around the point that lies strictly inside. A row's *polar point* is its normal divided by its slack
there; a row bounds the polyhedron (is a *facet*) where its polar point is a corner of the hull of all of them and 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog, nnls
from scipy.spatial import ConvexHull, QhullError

from planefold.core.errors import DataError, ParameterError
from planefold.core.records import Record
from planefold.networks.affine import Floats

Rows = npt.NDArray[np.int64]

# Up to here the hull of the polar points is the fastest: it grows as n ** (d // 2).
HULL_UP_TO = 5
# A polar point nearer to the hull of the others than this share of its length is taken to be in it.
IN_HULL = 1e-10
# Turns of the rays that find most facets, how far beyond a half-space each goes, and how many in a row may find none.
N_TURNS, OVER, PATIENCE = 60, 1.7, 2
# Directions that a sum over corners is tried in.
N_DIRECTIONS = 32
# Two normalised rows closer than this are one hyperplane.
SAME_ROW = 1e-10


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Facets(Record):
    """The rows that bound a polyhedron.

    Parameters
    ----------
    rows : int ndarray of shape (n_facets,)
        Increasing; of rows that describe the same facet, one.
    points : ndarray of shape (n_facets, n_inputs)
        A point in the relative interior of each.
    largest_zero, smallest_nonzero : float
        How near to the hull of the others the polar points were that were taken to be in it, and that were not (shares
        of their lengths). Rows that a ray hit first are certain, and are not counted here.
    """

    rows: Rows
    points: Floats
    largest_zero: float = 0.0
    smallest_nonzero: float = math.inf


def normalised(A: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Divide rows by their lengths, so that ``b - A x`` is a distance; rows of zeros stay as they are."""
    lengths = np.sqrt(np.einsum("ij,ij->i", A, A))
    lengths[lengths == 0] = 1.0
    return A / lengths[:, None], b / lengths


def facets(A: Floats, b: Floats, inside: Floats) -> Facets:
    """Find the rows that are facets: those that cannot be left out.

    Parameters
    ----------
    A : ndarray of shape (m, n_inputs)
        Rows of length 1.
    b : ndarray of shape (m,)
    inside : ndarray of shape (n_inputs,)
        Strictly inside. The nearer it is to a facet, compared with the others, the less accurate is the answer.

    Returns
    -------
    Facets

    Notes
    -----
    Up to 5 dimensions by the convex hull of the polar points (Qhull). Above that, rays find most facets: what a ray
    hits first, and alone, is certainly one. Every other row is tested by nonnegative least squares against the facets
    known so far, whose residual is a ray to a new facet if the row is not redundant (Clarkson, "More output-sensitive
    geometric algorithms", FOCS 1994).
    """
    if not len(A):
        return Facets(rows=np.zeros(0, dtype=np.int64), points=np.zeros((0, A.shape[1])))
    slack = b - A @ inside
    if not slack.min() > 0:
        raise DataError(f"the point is not strictly inside: its distance to row {slack.argmin()} is {slack.min():.3g}")
    unit = slack.min()  # the nearest facet is at distance 1
    polar = A * (unit / slack)[:, None]
    found = _by_hull(polar) if 1 < A.shape[1] <= HULL_UP_TO and len(A) > A.shape[1] else None
    rows, rays, zero, nonzero = _by_least_squares(polar) if found is None else found
    order = np.argsort(rows)
    return Facets(rows=rows[order], points=inside + unit * rays[order], largest_zero=zero, smallest_nonzero=nonzero)


Found = tuple[Rows, Floats, float, float]


def _hull(polar: Floats) -> ConvexHull | None:
    """The hull of polar points and 0, which is the last one; None where they lie in a plane."""
    try:
        return ConvexHull(np.vstack([polar, np.zeros((1, polar.shape[1]))]))
    except QhullError:
        return None


def _corners_of_hull(hull: ConvexHull) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Corner of the polyhedron for each simplex of the polar hull; or, where that is at infinity, the direction."""
    normals, offsets = hull.equations[:, :-1], hull.equations[:, -1]
    finite = offsets < -1e-12
    return normals / np.where(finite, -offsets, 1.0)[:, None], finite


def _by_hull(polar: Floats) -> Found | None:
    hull = _hull(polar)
    if hull is None:
        return None
    m, d = polar.shape
    corners, finite = _corners_of_hull(hull)
    members = hull.simplices.ravel()
    # The mean of a facet's corners lies within it, and so does a step from there in directions that lead to infinity.
    sums, counts = np.zeros((m + 1, d)), np.zeros(m + 1)
    is_finite = finite.repeat(d)
    np.add.at(sums, members[is_finite], corners.repeat(d, axis=0)[is_finite])
    counts += np.bincount(members[is_finite], minlength=m + 1)
    if not is_finite.all() and (counts[np.unique(members)][:-1] == 0).any():
        return None  # a facet without corners: the polyhedron contains a line
    points = sums / np.maximum(counts, 1)[:, None]
    if not is_finite.all():
        np.add.at(points, members[~is_finite], corners.repeat(d, axis=0)[~is_finite])
    rows = np.unique(members)
    rows = rows[rows < m]
    return rows.astype(np.int64), points[rows], 0.0, math.inf


@lru_cache(maxsize=8)
def _turns(d: int) -> Floats:
    """Directions that are the same every time: (12, d), of length 1."""
    turns = np.random.default_rng(0).normal(size=(12, d))
    turns /= np.linalg.norm(turns, axis=1, keepdims=True)
    return turns


def _by_least_squares(polar: Floats) -> Found:
    """Rows ``polar @ y <= 1`` that are facets, with a point of each."""
    rays = _by_relaxation(polar)
    known = list(rays)
    zero, nonzero = 0.0, math.inf
    m, d = polar.shape
    lengths = np.linalg.norm(polar, axis=1)
    stack = np.empty((d + 1, m + 1), order="F")
    stack[:-1, 0] = 0.0
    stack[:-1, 1 : len(known) + 1] = polar[known].T
    stack[-1] = 1.0
    goal = np.ones(d + 1)
    # A row far out is more likely a facet, and the sooner facets are known, the fewer rays are needed.
    for row in np.argsort(-lengths).tolist():
        while row not in rays:
            # Rows count in units of the goal, so that the residual is a share of its length.
            columns = stack[:, : len(known) + 1].copy(order="F")
            columns[:-1] *= 1 / lengths[row]
            goal[:-1] = polar[row] / lengths[row]
            residual = goal - columns @ nnls(columns, goal, maxiter=100 * (len(known) + 2))[0]
            share = math.sqrt(residual @ residual / 2)
            if share <= IN_HULL:
                zero = max(zero, share)
                break
            nonzero = min(nonzero, share)
            hit, ray = _first_hit(polar, residual[:-1], rays)
            if hit < 0:
                break
            rays[hit] = ray
            stack[:-1, len(known) + 1] = polar[hit]
            known.append(hit)
    rows = np.array(sorted(rays), dtype=np.int64)
    hits = np.array([rays[row] for row in rows.tolist()]).reshape(-1, d)
    hits = hits / np.einsum("ij,ij->i", hits, polar[rows])[:, None]
    return rows, _centred(polar, rows, hits), zero, nonzero


def _by_relaxation(polar: Floats) -> dict[int, Floats]:
    """Find most facets, with a ray that hits each first, by turning rays until they do.

    The ray ``y`` of row ``i`` must have ``y @ (polar[i] - polar[j]) > 0`` for all other rows. Each step projects it
    beyond the most violated of these half-spaces (Agmon, "The relaxation method for linear inequalities", 1954).
    """
    m = len(polar)
    is_found, found = np.zeros(m, dtype=np.bool_), np.zeros_like(polar)
    todo = np.arange(m)
    rays = polar / np.sqrt(np.einsum("ij,ij->i", polar, polar))[:, None]
    n_found = idle = 0
    for _ in range(N_TURNS):
        rates = polar @ rays.T
        hits = rates.argmax(axis=0)
        new = ~is_found[hits]
        found[hits[new]] = rays[new]
        is_found[hits[new]] = True
        n_before, n_found = n_found, int(np.count_nonzero(is_found))
        idle = 0 if n_found > n_before else idle + 1
        keep = np.flatnonzero(~is_found[todo])
        if not len(keep) or idle > PATIENCE:
            break
        rows, hits = todo[keep], hits[keep]
        differences = polar[rows] - polar[hits]
        squares = np.einsum("ij,ij->i", differences, differences)
        factors = OVER * (rates[hits, keep] - rates[rows, keep]) / np.where(squares > 0, squares, np.inf)
        rays, todo = rays[keep] + factors[:, None] * differences, rows
        rays /= np.sqrt(np.einsum("ij,ij->i", rays, rays))[:, None] + 1e-300
    # Where rows are hit at once rounding may favour any, so what counts is what is hit clearly before all others.
    rows = np.flatnonzero(is_found)
    rates = polar @ found[rows].T
    best = rates[rows, np.arange(len(rows))]
    alone = (best > 0) & (np.count_nonzero(rates > best * (1 - 1e-9), axis=0) == 1)
    return {int(row): found[row] for row in rows[alone]}


def _first_hit(polar: Floats, ray: Floats, known: dict[int, Floats]) -> tuple[int, Floats]:
    """The facet that a ray hits first, and the ray.

    Where several rows are hit at once the ray is turned a little: many creases pass through one corner. Row -1 when
    all facets there are known.
    """
    ray = ray / np.linalg.norm(ray)
    for attempt, turn in enumerate(_turns(len(ray))):
        turned = ray if attempt == 0 else ray + 10.0 ** -(1 + attempt // 2) * turn
        rates = polar @ turned
        hit = int(rates.argmax())
        rivals = np.flatnonzero(rates > rates[hit] * (1 - 1e-9))
        same = np.abs(polar[rivals] - polar[hit]).max(axis=1) <= 1e-9 * np.abs(polar[hit]).max()
        if same.all() and rates[hit] > 0 and not any(rival in known for rival in rivals.tolist()):
            return hit, turned
    return -1, ray


def _centred(polar: Floats, rows: Rows, points: Floats) -> Floats:
    """Move points of facets away from the facets' rims, by halving chords within each facet."""
    if polar.shape[1] == 1:
        return points
    normals = polar[rows] / np.linalg.norm(polar[rows], axis=1, keepdims=True)
    own = (rows, np.arange(len(rows)))
    for turn in _turns(polar.shape[1])[:3]:
        directions = turn - (normals @ turn)[:, None] * normals
        rates, slack = polar @ directions.T, 1.0 - polar @ points.T
        rates[own] = 0.0
        times = np.divide(slack, rates, out=np.zeros_like(rates), where=np.abs(rates) > 1e-9)
        high = np.where(rates > 1e-9, times, np.inf).min(axis=0)
        low = np.where(rates < -1e-9, times, -np.inf).max(axis=0)
        high, low = np.where(np.isfinite(high), high, 1.0), np.where(np.isfinite(low), low, -1.0)
        points = points + (0.5 * (low + high))[:, None] * directions
    return points


def twins(A: Floats, b: Floats, rows: Rows, scale: Floats) -> tuple[Rows, Rows]:
    """Find the rows that are the same hyperplane as given rows, themselves among them.

    Parameters
    ----------
    A, b : ndarrays of shapes (m, n_inputs), (m,)
        Normalised.
    rows : int ndarray of shape (n,)
    scale : ndarray of shape (m,)
        How large the numbers were that ``b`` is the sum of.

    Returns
    -------
    which, row : int ndarrays of shape (n_pairs,)
        Place in ``rows``, and a row that equals it.
    """
    pairs: list[tuple[Rows, Rows]] = []
    step = max(1, 2**22 // max(1, A.size))
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        near = np.abs(b[some, None] - b[None]) <= SAME_ROW * scale
        which, row = np.nonzero(near)
        same = np.abs(A[some[which]] - A[row]).max(axis=1, initial=0.0) <= SAME_ROW
        pairs.append((which[same] + start, row[same]))
    return np.concatenate([pair[0] for pair in pairs] or [rows]), np.concatenate([pair[1] for pair in pairs] or [rows])


def chebyshev(A: Floats, b: Floats) -> tuple[Floats | None, float]:
    """Find the largest ball within: its centre and radius.

    Returns
    -------
    centre : ndarray of shape (n_inputs,), or None when no point is inside or balls of any size are
    radius : float
        Negative or 0 when nothing is strictly inside, infinite when there is room for any ball.
    """
    m, d = A.shape
    lengths = np.linalg.norm(A, axis=1)
    answer = linprog(
        np.append(np.zeros(d), -1.0),
        A_ub=np.column_stack([A, lengths]),
        b_ub=b,
        bounds=[(None, None)] * (d + 1),
        method="highs",
    )
    if answer.status == 3 or m == 0:
        return None, math.inf
    if answer.x is None:
        return None, -math.inf
    return np.asarray(answer.x[:-1]), float(answer.x[-1])


def bounding_box(A: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Find the smallest box around it, ``(lower, upper)``; infinite where it has no end. By linear programmes."""
    d = A.shape[1]
    sides = np.empty((2, d))
    for axis in range(d):
        for end, sign in enumerate((1.0, -1.0)):
            goal = np.zeros(d)
            goal[axis] = sign
            answer = linprog(goal, A_ub=A, b_ub=b, bounds=[(None, None)] * d, method="highs") if len(A) else None
            found = None if answer is None or answer.status else answer.x
            sides[end, axis] = -sign * math.inf if found is None else found[axis]
    return sides[0], sides[1]


def most_vertices(n_facets: int, d: int) -> int:
    """Most corners that a polyhedron can have (McMullen, "The maximum numbers of faces of a convex polytope", 1970)."""
    if n_facets < d:
        return 0
    return math.comb(n_facets - (d + 1) // 2, d // 2) + math.comb(n_facets - d // 2 - 1, (d - 1) // 2)


def vertices(A: Floats, b: Floats, inside: Floats, *, limit: int = 1_000_000) -> tuple[Floats, bool]:
    """Find all corners, by the hull of the polar points.

    Parameters
    ----------
    A, b
        Best irredundant; rows of length 1.
    limit : int
        The work is refused where there may be more corners than this.

    Returns
    -------
    corners : ndarray of shape (n_corners, n_inputs)
    bounded : bool

    Raises
    ------
    ParameterError
        If there may be too many.
    """
    m, d = A.shape
    if most_vertices(m, d) > limit:
        raise ParameterError(
            f"a polyhedron with {m} facets in {d} dimensions may have {most_vertices(m, d):,} corners",
            details=f"limit={limit:,}",
            hint="read a slice of fewer dimensions, or give a higher limit; the hull of so many may take long",
        )
    if m == 0 or np.linalg.matrix_rank(A) < d:
        return np.zeros((0, d)), False  # it contains a line, so it has no corner
    slack = b - A @ inside
    unit = slack.min()
    if d == 1:
        ends = [slack[A[:, 0] * side > 0].min(initial=math.inf) for side in (-1, 1)]
        finite = np.isfinite(ends)
        return (inside + np.array([[-ends[0]], [ends[1]]]))[finite], bool(finite.all())
    hull = _hull(A * (unit / slack)[:, None])
    if hull is None:
        raise DataError("the corners cannot be told: the region is too thin for the precision of its numbers")
    corners, finite = _corners_of_hull(hull)
    found = inside + unit * corners[finite]
    return _distinct(found), bool(finite.all())


def _distinct(points: Floats) -> Floats:
    """Leave one of each group of points that differ by rounding alone."""
    if not len(points):
        return points
    near = 1e-9 * max(float(np.ptp(points, axis=0).max()), 1e-9 * float(np.abs(points).max()))
    # Sorted along a generic direction equal points are neighbours, and so are few others.
    along = points @ np.random.default_rng(0).normal(size=points.shape[1])
    order = np.argsort(along)
    keep: list[int] = []
    for place in order:
        for other in reversed(keep):
            if along[place] - along[other] > near * 10 * math.sqrt(points.shape[1]):
                keep.append(int(place))
                break
            if np.abs(points[place] - points[other]).max() <= near:
                break
        else:
            keep.append(int(place))
    distinct: Floats = points[np.sort(keep)]
    return distinct


def volume(A: Floats, b: Floats, inside: Floats, *, limit: int = 1_000_000) -> float:
    """Compute the volume, infinite where it is unbounded.

    Raises
    ------
    ParameterError
        If there may be more corners than ``limit``.
    DataError
        If rounding leaves less than six digits.

    Notes
    -----
    Up to 4 dimensions by the hull of the corners. Above, by a signed sum over the corners (Lawrence, "Polytope volume
    computation", Mathematics of Computation 57, 1991). Its terms cancel, so of many directions that it may be taken in
    those are used in which the least is lost; they left ten digits in 6 to 8 dimensions, and eight in 9.
    """
    corners, bounded = vertices(A, b, inside, limit=limit)
    if not bounded:
        return math.inf
    if A.shape[1] == 1:
        return float(np.ptp(corners))
    if A.shape[1] > 4:
        return _signed_sum(A, b, inside)
    # Qhull takes flat bodies for planes, so the body is measured where it is as wide in all directions.
    centred = corners - corners.mean(axis=0)
    _, widths, axes = np.linalg.svd(centred, full_matrices=False)
    return float(ConvexHull(centred @ axes.T / widths).volume * np.prod(widths))


def _signed_sum(A: Floats, b: Floats, inside: Floats) -> float:
    """Volume as the sum over corners ``v`` of ``(c @ v) ** d / (d! |det A_v| prod(g))``, where ``A_v.T @ g = c``."""
    d = A.shape[1]
    slack = b - A @ inside
    hull = _hull(A * (slack.min() / slack)[:, None])
    assert hull is not None  # or there would be no corners
    rows, corners = A[hull.simplices], slack.min() * _corners_of_hull(hull)[0]
    determinants = np.abs(np.linalg.det(rows))
    there = determinants > 1e-12  # where many creases pass through a corner, parts of its cone may be empty
    rows, corners, determinants = rows[there], corners[there], determinants[there]
    directions = np.random.default_rng(0).normal(size=(d, N_DIRECTIONS))
    parts = np.linalg.solve(rows.transpose(0, 2, 1), np.broadcast_to(directions, (len(rows), d, N_DIRECTIONS)))
    terms = (corners @ directions) ** d / (determinants[:, None] * parts.prod(axis=1) * math.factorial(d))
    best = np.argsort(np.abs(terms).max(axis=0))[:3]
    sums = terms[:, best].sum(axis=0)
    if not np.ptp(sums) <= 1e-6 * np.abs(sums).max():
        raise DataError("the volume cannot be told to six digits: rounding leaves less of the sum over all corners")
    return float(sums[0])
