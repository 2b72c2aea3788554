"""Nearest rows, and whether they are nearer than chance puts them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from planefold.data import robust
from planefold.doctor.scan.sheet import Floats, Sheet

# The 20th neighbour tells how densely rows lie around one. More reach too far in small tables, fewer say too little.
K = 20
MIN_VALUES = 10  # of a column: with fewer, distances are but equal or not
MAX_PARTS = 50  # principal components that stand for a picture
CELLS = 4_000_000  # of distances at a time: 16 MB


def spread_points(sheet: Sheet, random: np.random.RandomState) -> Floats | None:
    """Place the rows in a space where distances mean something, and no two rows coincide for being rounded.

    Numbers are smeared over the step to which they are rounded, then brought to one scale; a numeric target is one
    more of them. Categories and numbers with few values are left out. Pictures are given by principal components.

    Returns
    -------
    float array of shape (n_rows, n_dimensions), or None
        None where there are fewer than two such columns.
    """
    if sheet.is_pictures:
        seen = sheet.values[:, np.ptp(sheet.values, axis=0) > 0]
        return components(seen, sheet.n_rows, random) if seen.shape[1] > 1 else None
    columns = [sheet.values[:, j] for j in np.flatnonzero(sheet.numeric)]
    if sheet.target is not None and has_target(sheet):
        columns.append(sheet.target)
    placed = [_smeared(column, random) for column in columns if _n_values(column) >= MIN_VALUES]
    return np.column_stack(placed) if len(placed) >= 2 else None


def has_target(sheet: Sheet) -> bool:
    """Tell whether the last coordinate of a row is its target."""
    return sheet.target is not None and not sheet.is_classes and _n_values(sheet.target) >= MIN_VALUES


def _n_values(column: Floats) -> int:
    return len(np.unique(column[~np.isnan(column)]))


def _smeared(column: Floats, random: np.random.RandomState) -> Floats:
    present = column[~np.isnan(column)]
    scale = robust.spread(present)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.clip((column - robust.median(present)) / scale, -8.0, 8.0)
    known = scaled[~np.isnan(scaled)]
    gaps = np.diff(np.unique(known))
    step = float(np.quantile(gaps, 0.1)) if len(gaps) else 0.0
    # A gap is filled with a value like any other, so that rows do not come together for what is not known of them.
    filled = np.where(np.isnan(scaled), random.choice(known, len(scaled)), scaled)
    filled = filled + step * random.uniform(-0.5, 0.5, len(filled))
    return np.asarray(filled / (np.std(filled) or 1.0))


def components(values: Floats, n_rows: int, random: np.random.RandomState) -> Floats:
    """Project rows on the first 50 principal components of the first n_rows."""
    centred = values - values[:n_rows].mean(axis=0)
    some = centred[random.permutation(n_rows)[:1000]]
    n_parts = min(MAX_PARTS, *some.shape)
    # The eigenvectors of the smaller of the two Gram matrices.
    if some.shape[0] < some.shape[1]:
        _, left = np.linalg.eigh(some @ some.T)
        axes = some.T @ left[:, -n_parts:]
        axes /= np.maximum(np.linalg.norm(axes, axis=0), 1e-300)
    else:
        axes = np.linalg.eigh(some.T @ some)[1][:, -n_parts:]
    return np.asarray(centred @ axes)


def nearest(
    queries: Floats, reference: Floats, k: int, own: npt.NDArray[np.int64] | None = None
) -> tuple[Floats, Floats]:
    """Find the k nearest rows of each query.

    Parameters
    ----------
    queries : array of shape (n_queries, n_dimensions)
    reference : array of shape (n_reference, n_dimensions)
    k : int
        Fewer than there are rows of reference.
    own : int array of shape (n_queries,), optional
        The place of each query in ``reference``, which is then none of its neighbours.

    Returns
    -------
    distances : array of shape (n_queries, k), rising along a row
    rows : int array of shape (n_queries, k)

    Notes
    -----
    Candidates by float32 products, their distances anew in float64: products lose the small differences.
    """
    rows32, norms = reference.astype(np.float32), np.sum(reference * reference, axis=1).astype(np.float32)
    step = max(1, CELLS // len(reference))
    distances, places = [], []
    for start in range(0, len(queries), step):
        some = queries[start : start + step]
        closeness = norms - 2 * (some.astype(np.float32) @ rows32.T)  # squared distance but for the query's own norm
        if own is not None:
            closeness[np.arange(len(some)), own[start : start + step]] = np.inf
        found = np.argpartition(closeness, k - 1, axis=1)[:, :k]
        exact = np.linalg.norm(reference[found] - some[:, None, :], axis=2)
        order = np.argsort(exact, axis=1, kind="stable")
        distances.append(np.take_along_axis(exact, order, axis=1))
        places.append(np.take_along_axis(found, order, axis=1))
    return np.concatenate(distances), np.concatenate(places)


def chance_of_nearness(distances: Floats, *, same_as: Floats | None = None) -> Floats:
    r"""Return how probable it is that a row's nearest neighbour is as near as it is, or nearer.

    Parameters
    ----------
    distances : array of shape (n_queries, k)
        To the k nearest rows, rising.
    same_as : array of shape (n_others, k), optional
        Distances of further rows from which to estimate the dimension.

    Returns
    -------
    array of shape (n_queries,)

    Notes
    -----
    Where rows lie evenly around one, in :math:`m` dimensions, the other :math:`k-1` of the k nearest are spread over
    the ball of radius :math:`d_k`, so :math:`P(d_1 \le r) = 1 - (1 - (r / d_k)^m)^{k-1}`. Only the outer half of the
    neighbours tells the dimension, so that copies do not; of the row's own dimension and the median of all, the
    smaller counts.

    References
    ----------
    Levina and Bickel, "Maximum Likelihood Estimation of Intrinsic Dimension", NeurIPS 2004.
    """
    k = distances.shape[1]
    everything = distances if same_as is None else np.concatenate([distances, same_as])
    typical = float(np.median(_dimensions(everything)))
    dimension = np.minimum(_dimensions(distances), typical)
    ratio = distances[:, 0] / np.maximum(distances[:, -1], 1e-300)
    inside = np.where(distances[:, -1] > 0, ratio**dimension, 1.0)
    return np.asarray(-np.expm1((k - 1) * np.log1p(-np.minimum(inside, 1 - 1e-16))))


def _dimensions(distances: Floats) -> Floats:
    k = distances.shape[1]
    outer = np.arange(k // 2, k)  # places, from 1, of the neighbours before the last that count
    logs = np.log(np.maximum(distances[:, -1:], 1e-300) / np.maximum(distances[:, outer - 1], 1e-300))
    # -log of the j-th of k - 1 ordered uniforms is on average 1/j + ... + 1/(k-1).
    expected = np.cumsum(1 / np.arange(1, k)[::-1])[::-1][outer - 1]
    return np.asarray(expected.sum() / np.maximum(logs.sum(axis=1), 1e-12))
