"""So many planes for all regions: k-means of their maps, then fits and new deals in turns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from sklearn.cluster import kmeans_plusplus
from sklearn.utils import check_random_state

from planefold.networks.affine import Floats
from planefold.reading.tables.outcomes import Ints

if TYPE_CHECKING:
    from planefold.reading.tables.records import Reading

MAX_TURNS = 30
RIDGE = 1e-3  # in columns of variance 1: for directions in which the rows do not differ
N_STARTS, MANY_ROWS = 4, 20_000  # more rows than that find their planes from one start as well


@dataclass(frozen=True, kw_only=True, eq=False)
class _Problem:
    """What planes are fitted to: rows about their mean, in columns of variance 1, with a last column of ones."""

    rows: Floats
    outputs: Floats
    regions: Ints
    n_regions: int
    own: Floats  # (n_models, n_outputs, n_columns + 1), the maps of the regions
    weights: Floats
    moments: Floats  # second moments of the rows
    root: Floats  # moments == root @ root.T: the length of map @ root is that of its values on the rows
    around: float

    def errors(self, maps: Floats) -> Floats:
        """Return what each plane costs in each region, (n_regions, n_planes)."""
        errors = np.empty((self.n_regions, len(maps)))
        for k, plane in enumerate(maps):
            of_rows = ((self.outputs - self.rows @ plane.T) ** 2).sum(axis=1)
            errors[:, k] = np.bincount(self.regions, of_rows, minlength=self.n_regions)
        if self.around:
            own, others = self._slopes(self.own), self._slopes(maps)
            apart = (own**2).sum(axis=1)[:, None] + (others**2).sum(axis=1) - 2 * own @ others.T
            errors[: len(own)] += self.around**2 * self.weights[:, None] * np.maximum(apart, 0)
        return errors

    def _slopes(self, maps: Floats) -> Floats:
        return (maps[:, :, :-1] @ self.root[:-1]).reshape(len(maps), -1)

    def fitted(self, planes: Ints, before: Floats) -> Floats:
        """Fit each plane to its regions: a change of the mean of their maps, and none where the rows say nothing."""
        means = _means(self.own, self.weights, planes[: len(self.own)], len(before))
        result = np.where(np.isnan(means), before, means)
        row_planes = planes[self.regions]
        order = np.argsort(row_planes, kind="stable")
        ends = np.searchsorted(row_planes[order], np.arange(len(result) + 1))
        for k in range(len(result)):
            here, outputs = (array[order[ends[k] : ends[k + 1]]] for array in (self.rows, self.outputs))
            gram = here.T @ here + RIDGE * len(here) * np.eye(here.shape[1])
            gram[:-1, :-1] += self.around**2 * len(here) * self.moments[:-1, :-1]
            result[k] += np.linalg.solve(gram, here.T @ (outputs - here @ result[k].T)).T
        return result


def fit_planes(reading: Reading, n_planes: int, around: float, random_state: Any) -> tuple[Floats, Floats, Ints]:
    """Find planes that stand for all regions; see :func:`planefold.reading.tables.merging.merged`.

    Returns
    -------
    coefs : ndarray of shape (n_planes, n_outputs, n_coordinates)
    intercepts : ndarray of shape (n_planes, n_outputs)
    planes : int ndarray of shape (n_regions,)
    """
    random = check_random_state(random_state)
    n_models, means = len(reading), reading.rows.mean(axis=0)
    centered = reading.rows - means
    spreads = np.where(centered.any(axis=0), np.sqrt((centered**2).mean(axis=0)), 1.0)
    rows = np.column_stack([centered / spreads, np.ones(len(centered))])
    moments = rows.T @ rows / len(rows)
    variances, vectors = np.linalg.eigh(moments)
    levels = reading.intercepts + reading.coefs @ means
    problem = _Problem(
        rows=rows,
        outputs=reading.outputs,
        regions=reading.regions,
        n_regions=reading.n_regions,
        own=np.concatenate([reading.coefs * spreads, levels[:, :, None]], axis=2),
        weights=reading.counts[:n_models].astype(np.float64),
        moments=moments,
        root=vectors * np.sqrt(np.maximum(variances, 0)),
        around=around,
    )
    points = (problem.own @ problem.root).reshape(n_models, -1)
    best: tuple[float, Floats, Ints] | None = None
    for _ in range(N_STARTS if n_planes > 1 and len(rows) <= MANY_ROWS else 1):
        start = _k_means(points, problem.weights, n_planes, random)
        found = _alternated(problem, _means(problem.own, problem.weights, start, n_planes))
        if best is None or found[0] < best[0]:
            best = found
    assert best is not None
    _, maps, planes = best
    coefs = maps[:, :, :-1] / spreads
    return coefs, maps[:, :, -1] - coefs @ means, planes


def _means(maps: Floats, weights: Floats, planes: Ints, n_planes: int) -> Floats:
    """Mean map of each plane's regions; nan where a plane has none."""
    members: Any = sp.csr_array((weights, (planes, np.arange(len(maps)))), shape=(n_planes, len(maps)))
    totals = np.bincount(planes, weights, minlength=n_planes)
    with np.errstate(invalid="ignore"):
        means = (members @ maps.reshape(len(maps), -1)) / totals[:, None]
    return np.asarray(means.reshape(n_planes, *maps.shape[1:]))


def _k_means(points: Floats, weights: Floats, k: int, random: np.random.RandomState) -> Ints:
    """Return the cluster of each point; a centre that loses all its points stays where it is."""
    centers, _ = kmeans_plusplus(points, k, sample_weight=weights, random_state=random)
    nearest = np.full(len(points), -1)
    for _ in range(MAX_TURNS):
        before, nearest = nearest, ((centers**2).sum(axis=1) - 2 * points @ centers.T).argmin(axis=1)
        if (nearest == before).all():
            break
        means = _means(points, weights, nearest, k)
        centers = np.where(np.isnan(means), centers, means)
    return nearest


def _alternated(problem: _Problem, maps: Floats) -> tuple[float, Floats, Ints]:
    """Deal out regions and fit planes in turns; return what it costs, the planes, and which each region has."""
    maps = np.where(np.isnan(maps), problem.own[0], maps)
    planes, error = np.zeros(problem.n_regions, dtype=np.int64), np.inf
    for _ in range(MAX_TURNS):
        errors = problem.errors(maps)
        chosen = errors.argmin(axis=1)
        _give_to_the_empty(chosen, errors, len(maps))
        now = float(errors[np.arange(len(chosen)), chosen].sum())
        if not now < error * (1 - 1e-4):
            break
        planes, error, maps = chosen, now, problem.fitted(chosen, maps)
    return error, maps, planes


def _give_to_the_empty(chosen: Ints, errors: Floats, n_planes: int) -> None:
    """Give each plane without regions the one that errs most among those that can be spared."""
    sizes = np.bincount(chosen, minlength=n_planes)
    for plane in np.flatnonzero(sizes == 0):
        own = errors[np.arange(len(chosen)), chosen]
        worst = int(np.where(sizes[chosen] > 1, own, -1.0).argmax())
        sizes[chosen[worst]] -= 1
        chosen[worst], sizes[plane] = plane, 1
