"""Few planes for many: regions whose planes are almost equal, put together, and what that costs exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import ParameterError, show
from planefold.core.records import Record, counted
from planefold.networks.affine import Floats
from planefold.reading.tables.formulas import formula, number
from planefold.reading.tables.inhabited import patterns_of, unpacked
from planefold.reading.tables.k_planes import fit_planes
from planefold.reading.tables.outcomes import Ints

if TYPE_CHECKING:
    from planefold.reading.tables.records import Reading

MAX_REGIONS = 20_000  # which are compared with each other for a tolerance: 4e8 pairs
N_NEIGHBORS = 8
MAX_PLANES = 100  # that a search for a fidelity goes up to
VALUES_AT_ONCE = 2**23
MAX_TERMS, MAX_OUTPUTS = 6, 3  # of a formula and of a plane in a summary


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MergedPlanes(Record):
    """Planes that each stand for several regions, most rows first. Prints as a list of formulas.

    Parameters
    ----------
    reading : Reading
        What was merged.
    coefs : ndarray of shape (n_planes, n_outputs, n_coordinates)
    intercepts : ndarray of shape (n_planes, n_outputs)
        In the units of the columns.
    planes : int ndarray of shape (n_regions,)
        Which plane stands for each region.
    counts : int ndarray of shape (n_planes,)
        Rows of each.
    r2 : float
        Share of the variance of the network's outputs, over the rows, that the planes give; the mean of several
        outputs. 1 is all of it.
    agreement : float or None
        Share of the rows whose label stays the same; None where outputs decide nothing.
    cosine : float
        Of the angle between the coefficients of a region's own plane and of the one that stands for it, in scaled
        columns, the mean over the rows: near 1, coefficients say what the network does there.
    max_difference, mean_difference : ndarray of shape (n_outputs,)
        Between the planes and the network, over the rows: exact, row by row.
    """

    reading: Reading
    coefs: Floats
    intercepts: Floats
    planes: Ints
    counts: Ints
    r2: float
    agreement: float | None
    cosine: float
    max_difference: Floats
    mean_difference: Floats

    def __len__(self) -> int:
        return len(self.coefs)

    @property
    def row_planes(self) -> Ints:
        """Which plane stands for each of the rows that were read, shape (n_rows,)."""
        return self.planes[self.reading.regions]

    def outputs(self, X: Any = None) -> Floats:
        """Compute the planes' outputs, (n_rows, n_outputs); of the rows that were read by default.

        A row in a region that was not read takes the plane that is nearest to the network's output there.
        """
        reading = self.reading
        if X is None:
            return _values(reading.rows, self.coefs, self.intercepts, self.row_planes)
        rows = reading.columns.rows(X)
        packed, outputs, _ = patterns_of(reading.net, rows)
        known = {pattern.tobytes(): plane for pattern, plane in zip(reading.packed, self.planes, strict=True)}
        found = np.array([known.get(pattern.tobytes(), -1) for pattern in packed], dtype=np.int64)
        new = found < 0
        if new.any():
            found[new] = _squared_errors(rows[new], outputs[new], self.coefs, self.intercepts).argmin(axis=1)
        return _values(rows, self.coefs, self.intercepts, found)

    def formula(self, i: int, *, output: int = 0, max_terms: int | None = None) -> str:
        """Write a plane as a formula in the user's columns; see :meth:`Reading.formula`."""
        reading = self.reading
        coef, intercept = self.coefs[i, output], float(self.intercepts[i, output])
        return formula(reading.output_names[output], coef, intercept, reading.columns, reading.scales, max_terms)

    def __str__(self) -> str:
        n_rows = self.reading.n_rows
        same = "" if self.agreement is None else f", {100 * self.agreement:.1f} % of the labels stay"
        worst = ", ".join(map(number, self.max_difference.tolist()))
        planes = "1 plane stands" if len(self) == 1 else f"{len(self)} planes stand"
        lines = [
            f"{planes} for {counted(self.reading.n_regions, 'region')}: R2 {_not_quite_one(self.r2)}{same}; "
            f"differences at most {worst}, on average {', '.join(map(number, self.mean_difference.tolist()))}; "
            f"cosine of the coefficients {self.cosine:.2f}"
        ]
        for i, count in enumerate(self.counts.tolist()):
            lines.append(f"plane {i + 1}: {counted(count, 'row')} ({100 * count / n_rows:.1f} %)")
            shown = range(min(len(self.reading.output_names), MAX_OUTPUTS))
            lines += [f"  {self.formula(i, output=output, max_terms=MAX_TERMS)}" for output in shown]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the planes and what they cost as plain data."""
        return {
            "n_planes": len(self),
            "counts": self.counts.tolist(),
            "r2": self.r2,
            "agreement": self.agreement,
            "cosine": self.cosine,
            "max_difference": self.max_difference.tolist(),
            "mean_difference": self.mean_difference.tolist(),
            "coef": self.coefs.tolist(),
            "intercept": self.intercepts.tolist(),
            "formulas": [
                [self.formula(i, output=output) for output in range(self.coefs.shape[1])] for i in range(len(self))
            ],
        }


def _not_quite_one(r2: float) -> str:
    return "1" if r2 == 1 else f"{min(r2, 0.9999):.4f}"


def merged(
    reading: Reading,
    n_planes: int | None = None,
    *,
    tolerance: float | None = None,
    fidelity: float | None = None,
    around: float = 0.5,
    random_state: Any = 0,
) -> MergedPlanes:
    """Put regions whose planes are almost equal together.

    Parameters
    ----------
    reading : Reading
    n_planes : int, optional
        So many planes, fitted to the network's outputs; fewer where the regions have fewer different ones.
    tolerance : float, optional
        Or: let regions join a neighbour as long as its plane is nowhere further than this from the network on their
        rows, in units of the outputs. The planes are then some that the network has, and as many as it takes.
    fidelity : float, optional
        Or: the fewest planes whose R2 is at least this, up to 100.
    around : float
        How far around each row a plane is to be like the network's own, in spreads of the data. With 0 only the values
        at the rows count: R2 is highest, but coefficients may be anything.
    random_state : int or RandomState
        For the starting points of ``n_planes``.

    Returns
    -------
    MergedPlanes

    Raises
    ------
    ParameterError
        Unless exactly one of the three is given, with a value that it can have.

    Notes
    -----
    With ``n_planes``: k-means of the regions' planes, weighted by their rows. The distance of two planes is the root
    mean square of the difference of their values over all rows, so columns need no common unit. Then, in turns, each
    plane is fitted to its regions by least squares, and each region goes to the plane that errs least in it, until
    nothing moves (k-plane clustering: Bradley and Mangasarian, "k-Plane Clustering", Journal of Global Optimization 16,
    2000). The error in a region is the squared difference to the network's outputs at its rows, plus, for each row,
    ``around**2`` times the mean squared difference that the two planes' slopes make over all rows: the expected squared
    difference in a cloud around the row that is shaped like the data. A region always goes as a whole. The best of four
    starts is kept (of one beyond 20,000 rows). Costs ``O(n_rows * n_planes * n_coordinates)`` a turn. R2 is measured on
    the rows that the planes were fitted to.

    With ``tolerance``: the largest region is grown over its neighbours, then the largest that is left, and so on.
    Neighbours are the eight regions whose activation patterns differ in the fewest units, either way. Costs
    ``O(n_regions^2 * n_units)``, at most 20,000 regions.
    """
    asked = [name for name, value in (("n_planes", n_planes), ("tolerance", tolerance), ("fidelity", fidelity))
             if value is not None]  # fmt: skip
    if len(asked) != 1:
        raise ParameterError(
            f"merging needs one of n_planes, tolerance and fidelity, and got {' and '.join(asked) or 'none'}",
            hint="merged(10) gives ten planes",
        )
    if not is_size(around):
        raise ParameterError(f"around={show(around)} must be a number of at least 0, in spreads")
    if tolerance is not None:
        if not is_size(tolerance):
            raise ParameterError(f"tolerance={show(tolerance)} must be a number of at least 0")
        return _grown(reading, float(tolerance))
    if fidelity is not None:
        if not is_size(fidelity) or not 0 < fidelity <= 1:
            raise ParameterError(f"fidelity={show(fidelity)} must be above 0 and at most 1")
        return _faithful(reading, float(fidelity), float(around), random_state)
    if isinstance(n_planes, bool) or not isinstance(n_planes, int | np.integer) or n_planes < 1:
        raise ParameterError(f"n_planes={show(n_planes)} must be a whole number of at least 1")
    return _clustered(reading, min(int(n_planes), len(reading)), float(around), random_state)


def is_size(value: Any) -> bool:
    """Tell whether a value is a finite number of at least 0."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and 0 <= float(value) < np.inf


def _clustered(reading: Reading, n_planes: int, around: float, random_state: Any) -> MergedPlanes:
    # No more than there are: the same plane twice says nothing.
    return _finished(reading, *fit_planes(reading, min(n_planes, reading.n_formulas), around, random_state))


def _faithful(reading: Reading, fidelity: float, around: float, random_state: Any) -> MergedPlanes:
    """Double the number of planes until they are faithful enough, then halve the interval."""
    most = min(MAX_PLANES, len(reading))
    low, high, found = 0, 1, _clustered(reading, 1, around, random_state)
    while found.r2 < fidelity and high < most:
        low, high = high, min(2 * high, most)
        found = _clustered(reading, high, around, random_state)
    if found.r2 < fidelity:
        raise ParameterError(
            f"fidelity={show(fidelity)} is not reached: {most} planes have R2 {found.r2:.4f}",
            hint="ask for less, or for merged(tolerance=...)",
        )
    while high - low > 1:
        middle = (low + high) // 2
        trial = _clustered(reading, middle, around, random_state)
        if trial.r2 >= fidelity:
            high, found = middle, trial
        else:
            low = middle
    return found


# --------------------------------------------------------------------------------------------------- so many planes


# ------------------------------------------------------------------------------------------------ within a tolerance


def _grown(reading: Reading, tolerance: float) -> MergedPlanes:
    n_regions = reading.n_regions
    if n_regions > MAX_REGIONS or len(reading) < n_regions:
        raise ParameterError(
            f"tolerance={show(tolerance)} compares all of {n_regions:,} regions with each other; "
            f"{MAX_REGIONS:,} are the limit",
            hint="merged(10) merges any number, or read a sample of the rows",
        )
    neighbors = _neighbors(reading)
    order = np.argsort(reading.regions, kind="stable")
    ends = np.concatenate([[0], np.cumsum(reading.counts)])
    planes = np.full(n_regions, -1, dtype=np.int64)
    leaders: list[int] = []
    for leader in range(n_regions):  # most rows first
        if planes[leader] >= 0:
            continue
        planes[leader] = len(leaders)
        tried, front = {leader}, [leader]
        while front:
            beside = {int(k) for region in front for k in neighbors[region] if planes[k] < 0} - tried
            tried |= beside
            front = []
            for region in sorted(beside):
                mine = order[ends[region] : ends[region + 1]]
                values = reading.rows[mine] @ reading.coefs[leader].T + reading.intercepts[leader]
                if (np.abs(values - reading.outputs[mine]) <= tolerance).all():
                    planes[region] = len(leaders)
                    front.append(region)
        leaders.append(leader)
    return _finished(reading, reading.coefs[leaders], reading.intercepts[leaders], planes)


def _neighbors(reading: Reading) -> list[Ints]:
    """Return for each region those that differ from it in the fewest units, either way."""
    n_regions = reading.n_regions
    patterns = unpacked(reading.packed, reading.net.n_units).astype(np.float32)
    k = min(N_NEIGHBORS, n_regions - 1)
    lists: list[set[int]] = [set() for _ in range(n_regions)]
    step = max(1, VALUES_AT_ONCE // n_regions)
    for start in range(0, n_regions, step):
        alike = patterns[start : start + step] @ patterns.T  # n_units - 2 * how many differ
        own = np.arange(len(alike))
        alike[own, start + own] = -np.inf
        near = np.argsort(-alike, axis=1, kind="stable")[:, :k] if n_regions <= 1000 else _top(alike, k)
        for i, places in enumerate(near.tolist(), start):
            lists[i].update(places)
            for j in places:
                lists[j].add(i)
    return [np.array(sorted(places), dtype=np.int64) for places in lists]


def _top(alike: npt.NDArray[np.float32], k: int) -> Ints:
    return np.asarray(np.argpartition(-alike, k, axis=1)[:, :k], dtype=np.int64)


# ---------------------------------------------------------------------------------------------------- what it costs


def _finished(reading: Reading, coefs: Floats, intercepts: Floats, planes: Ints) -> MergedPlanes:
    counts = np.bincount(planes[reading.regions], minlength=len(coefs))
    order = np.argsort(-counts, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    coefs, intercepts, planes = coefs[order], intercepts[order], rank[planes]
    values = _values(reading.rows, coefs, intercepts, planes[reading.regions])
    differences = np.abs(values - reading.outputs)
    total = ((reading.outputs - reading.outputs.mean(axis=0)) ** 2).sum(axis=0)
    left = (differences**2).sum(axis=0)
    # A constant output is given in full or not at all.
    r2 = np.where(total > 0, 1 - left / np.where(total > 0, total, 1.0), np.where(left <= 1e-18, 1.0, 0.0))
    labels, new_labels = reading.labels(), reading.labels(values)
    return MergedPlanes(
        reading=reading,
        coefs=coefs,
        intercepts=intercepts,
        planes=planes,
        counts=counts[order],
        r2=float(r2.mean()),
        agreement=None if labels is None else float(np.mean(new_labels == labels)),
        cosine=_cosine(reading, coefs, planes),
        max_difference=differences.max(axis=0),
        mean_difference=differences.mean(axis=0),
    )


def _cosine(reading: Reading, coefs: Floats, planes: Ints) -> float:
    own = (reading.coefs * reading.scales).reshape(len(reading), -1)
    others = (coefs * reading.scales).reshape(len(coefs), -1)[planes[: len(reading)]]
    lengths = np.linalg.norm(own, axis=1) * np.linalg.norm(others, axis=1)
    level = (np.abs(own).max(axis=1, initial=0) == 0) & (np.abs(others).max(axis=1, initial=0) == 0)  # these agree
    products = (own * others).sum(axis=1)
    cosines = np.divide(products, lengths, out=level.astype(np.float64), where=lengths > 0)
    return float(np.average(np.clip(cosines, -1, 1), weights=reading.counts[: len(reading)]))


def _values(rows: Floats, coefs: Floats, intercepts: Floats, planes: Ints) -> Floats:
    result = np.empty((len(rows), coefs.shape[1]))
    for k in range(len(coefs)):
        mine = planes == k
        result[mine] = rows[mine] @ coefs[k].T + intercepts[k]
    return result


def _squared_errors(rows: Floats, outputs: Floats, coefs: Floats, intercepts: Floats) -> Floats:
    values = np.stack([rows @ coef.T + intercept for coef, intercept in zip(coefs, intercepts, strict=True)], axis=1)
    return np.asarray(((values - outputs[:, None]) ** 2).sum(axis=2))
