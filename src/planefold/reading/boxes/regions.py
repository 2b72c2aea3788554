"""The region of a point: within it the network is one plane. Its inequalities, facets, neighbours and size."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError
from planefold.core.records import Record
from planefold.networks.affine import Floats, PiecewiseLinearNet, Signs
from planefold.networks.matrices import n_entries
from planefold.reading.boxes import polyhedra
from planefold.reading.boxes.local_systems import (
    VALUES_AT_ONCE,
    Ints,
    LocalSystems,
    as_box,
    box_rows,
    inequalities,
)
from planefold.reading.certificate import Certificate
from planefold.reading.models import from_model
from planefold.reading.rational import ExactNet

# Weights of a network whose signs are still worth deciding in rationals: about a second for each fold.
RATIONAL_UP_TO = 300_000
# A point counts as near to the border of its region when it is nearer than this share of what is usual in there.
NEAR = 1e-6
# Room that rounding may feign, as a share of how far out the point is.
ROUNDING = 1e-12


class Neighbour(NamedTuple):
    """A region on the other side of a facet.

    Parameters
    ----------
    unit : int
        A unit whose crease lies between.
    point : ndarray of shape (n_inputs,)
        Strictly inside the neighbour; ``region(model, point)`` reads it.
    """

    unit: int
    point: Floats


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Region(Record):
    """An activation region: the points where every unit is on the same side of its crease as at one point.

    Parameters
    ----------
    net : PiecewiseLinearNet
    point : ndarray of shape (n_inputs,)
        The point that was asked for, in the region or on its border.
    pattern : int8 ndarray of shape (n_units,)
        The side of each unit. 0 where the unit's sum is 0 throughout the region.
    A, b : ndarrays of shapes (m, n_inputs), (m,)
        The region is where ``A @ x <= b``. Rows have length 1, so that ``b - A @ x`` are distances to the creases.
    units : int ndarray of shape (m,)
        Whose crease each row is. For the sides of the box -1, -2, ...: -1 the lower end of the first input, -2 its
        upper end, -3 the lower end of the second.
    shared : tuple of int ndarrays
        All units whose creases are the row's, the one in ``units`` among them.
    box : tuple of ndarrays (lower, upper), or None
    facet_points : ndarray of shape (m, n_inputs) or None
        A point in the relative interior of each facet, when the rows are irredundant; None before.
    certificate : Certificate
    """

    net: PiecewiseLinearNet
    point: Floats
    pattern: Signs
    A: Floats
    b: Floats
    units: Ints
    shared: tuple[Ints, ...]
    box: tuple[Floats, Floats] | None = None
    facet_points: Floats | None = None
    certificate: Certificate

    def __str__(self) -> str:
        creases, sides = int((self.units >= 0).sum()), int((self.units < 0).sum())
        said = f"a region behind {creases:,} creases" + (f" and {sides:,} sides of the box" if sides else "")
        return f"{said}, the nearest at distance {self.distance:.4g}; {self.certificate}"

    # ------------------------------------------------------------------------------------------------ what holds in it

    @cached_property
    def coefs(self) -> Floats:
        """What the outputs change by per unit of each input, (n_outputs, n_inputs), throughout the region."""
        coefs: Floats = self._map[0][0]
        return coefs

    @cached_property
    def intercepts(self) -> Floats:
        """Outputs are ``coefs @ x + intercepts`` in the region, (n_outputs,)."""
        intercepts: Floats = self._map[1][0]
        return intercepts

    @cached_property
    def _map(self) -> tuple[Floats, Floats]:
        return self.net.local_maps(self.pattern[None])

    def contains(self, X: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Tell which points lie in the region, its border included; (n_points,)."""
        rows = self.net.rows(X)
        scale = 1 + np.abs(self.b) + np.abs(rows) @ np.abs(self.A).T
        return np.asarray((rows @ self.A.T - self.b <= 1e-13 * scale).all(axis=1))

    # -------------------------------------------------------------------------------------------- how far it goes

    @cached_property
    def distance(self) -> float:
        """Distance from the point to the nearest crease, in units of the input; infinite when there is none."""
        return self._nearest[0]

    @cached_property
    def nearest_unit(self) -> int | None:
        """The unit whose crease is nearest to the point; None when the region has no crease."""
        return self._nearest[1]

    @cached_property
    def _nearest(self) -> tuple[float, int | None]:
        rows = np.flatnonzero(self.units >= 0)
        if not len(rows):
            return math.inf, None
        # The nearest of all creases is always a facet, so no redundant row need be removed.
        slack = self.b[rows] - self.A[rows] @ self.point
        return max(0.0, float(slack.min())), int(self.units[rows[slack.argmin()]])

    @cached_property
    def interior_point(self) -> Floats:
        """A point well inside: the one asked for, or the centre of the largest ball when that is on the border.

        Raises
        ------
        DataError
            If the region is too thin for double precision to find a point in it.
        """
        slack = self.b - self.A @ self.point
        if not len(slack) or slack.min() > NEAR * min(float(np.median(slack)), 1e3 + np.abs(self.point).max()):
            return self.point
        # A ball of limited size, since the region may have room for any.
        room = float(np.abs(slack).max()) + 1.0
        A, b = np.vstack([self.A, np.eye(len(self.point)), -np.eye(len(self.point))]), self.b
        b = np.concatenate([b, self.point + room, room - self.point])
        centre, radius = polyhedra.chebyshev(A, b)
        if centre is None or (self.b - self.A @ centre).min() <= 0:
            if slack.min() > 0:
                return self.point
            raise DataError(
                f"the region at the point is thinner than {max(radius, 0.0):.1g}, too thin for double precision",
                hint="ask for a point further from the creases",
            )
        return centre

    def irredundant(self) -> Region:
        """Return the region with its facets alone: the shortest list of inequalities.

        Returns
        -------
        Region
            ``shared`` has all units whose creases coincide at a facet, ``units`` the first of them; a side of the box
            goes before any crease.

        Notes
        -----
        Exact up to rounding; the certificate says how clear it was. The method is that of
        :func:`planefold.reading.boxes.polyhedra.facets`; ``python benchmarks/reading_regions.py`` measured 14 ms with
        20 inputs and 128 units, and 41 ms with 50 inputs and 200 units.
        """
        if self.facet_points is not None:
            return self
        inside = self.interior_point
        found = polyhedra.facets(self.A, self.b, inside)
        scale = np.abs(self.A) @ np.abs(inside) + np.abs(self.b)
        which, row = polyhedra.twins(self.A, self.b, found.rows, scale)
        shared = tuple(self.units[row[which == place]] for place in range(len(found.rows)))
        return replace(
            self,
            A=self.A[found.rows],
            b=self.b[found.rows],
            units=np.array([units.min() for units in shared], dtype=np.int64),
            shared=shared,
            facet_points=found.points,
            certificate=replace(
                self.certificate,
                largest_zero=max(self.certificate.largest_zero, found.largest_zero),
                smallest_nonzero=min(self.certificate.smallest_nonzero, found.smallest_nonzero),
            ),
        )

    def chebyshev(self) -> tuple[Floats | None, float]:
        """Centre and radius of the largest ball inside; ``(None, inf)`` when the region has room for any ball."""
        return polyhedra.chebyshev(self.A, self.b)

    def bounding_box(self) -> tuple[Floats, Floats]:
        """The smallest box around the region, ``(lower, upper)``; infinite where the region is unbounded."""
        return polyhedra.bounding_box(self.A, self.b)

    def vertices(self, limit: int = 1_000_000) -> Floats:
        """Corners of the region, (n_corners, n_inputs); none when it contains a line.

        Raises
        ------
        ParameterError
            If there may be more than ``limit``: their number grows exponentially with the dimension.
        """
        whole = self.irredundant()
        return polyhedra.vertices(whole.A, whole.b, self.interior_point, limit=limit)[0]

    @property
    def is_bounded(self) -> bool:
        """Whether the region ends in every direction."""
        lower, upper = self.bounding_box()
        return bool(np.isfinite(lower).all() and np.isfinite(upper).all())

    def volume(self, limit: int = 1_000_000) -> float:
        """Volume of the region, from its corners; infinite when it is unbounded.

        Raises
        ------
        ParameterError
            If there may be more than ``limit`` corners: with many inputs volumes cannot be computed in acceptable time,
            by any known method.
        DataError
            If rounding leaves less than six digits.
        """
        whole = self.irredundant()
        return polyhedra.volume(whole.A, whole.b, self.interior_point, limit=limit)

    # --------------------------------------------------------------------------------------------------- what is next

    def neighbours(self) -> list[Neighbour]:
        """The regions on the other side of each facet, none beyond the sides of the box.

        Returns
        -------
        list of Neighbour
            In the order of the facets. Only the units of that facet, ``irredundant().shared``, change sides there; a
            unit whose sum is 0 on all of this region may wake up as well.
        """
        whole = self.irredundant()
        assert whole.facet_points is not None
        facets = np.flatnonzero(whole.units >= 0)
        if not len(facets):
            return []
        systems = LocalSystems(self.net)
        size = float(np.abs(np.vstack([whole.facet_points, self.interior_point])).max())
        found = []
        step = max(1, VALUES_AT_ONCE // (self.net.n_units * self.net.n_inputs))
        for start in range(0, len(facets), step):
            rows = facets[start : start + step]
            points, normals = whole.facet_points[rows], whole.A[rows]
            signs = systems.sides(points, towards(normals), size).signs
            A, b, _ = with_box(*inequalities(signs, *systems.of(signs)), self.box)
            places = step_inside(A, b, points, normals)
            found += [
                Neighbour(int(whole.units[row]), place)
                for row, place in zip(rows.tolist(), places, strict=True)
                if np.isfinite(place).all()
            ]
        return found


def region(model: Any, x: npt.ArrayLike, *, box: Any = None, direction: npt.ArrayLike | None = None) -> Region:
    """Read the activation region of a point: where the network is the same plane as there.

    Parameters
    ----------
    model : estimator, PiecewiseLinearNet or whatever ``from_model`` reads
    x : array-like of shape (n_inputs,)
    box : (lower, upper), optional
        Numbers, or arrays of one for each input. The region ends at the box's sides too.
    direction : array-like of shape (n_inputs,), optional
        A point on a crease belongs to several regions. The one is read into which a step in this direction leads; by
        default into the box, or where there is none in a direction that is always the same and along no axis.

    Returns
    -------
    Region
        With one row for each unit whose sum varies in the region; most are redundant when there are few inputs, and
        hardly any when there are many. :meth:`Region.irredundant` removes them.

    Raises
    ------
    DataError
        If the point does not fit, or lies outside the box.

    Examples
    --------
    >>> import numpy as np
    >>> from planefold.networks.affine_builder import Builder
    >>> builder = Builder((2,))
    >>> hidden = builder.fold(builder.affine(builder.input, np.eye(2), [0.0, -1.0]), layer="hidden 1")
    >>> net = builder.finish(builder.affine(hidden, np.ones((2, 1))))
    >>> here = region(net, [3.0, 5.0])
    >>> here.pattern, here.distance, here.nearest_unit
    (array([1, 1], dtype=int8), 3.0, 0)
    >>> here.coefs, here.intercepts
    (array([[1., 1.]]), array([-1.]))

    References
    ----------
    Montufar, Pascanu, Cho and Bengio, "On the Number of Linear Regions of Deep Neural Networks", NeurIPS 2014.
    """
    net = from_model(model)
    point = net.rows(np.asarray(x, dtype=np.float64).reshape(1, -1))[0]
    limits = None if box is None else as_box(box, net.n_inputs)
    if limits is not None:
        outside = np.flatnonzero((point < limits[0]) | (point > limits[1]))
        if len(outside):
            i = int(outside[0])
            raise DataError(
                f"the point lies outside the box: input {i}, counted from 0, is {point[i]:g}",
                details=f"the box goes from {limits[0][i]:g} to {limits[1][i]:g} there",
            )
    if direction is not None:
        ahead = net.rows(np.asarray(direction, dtype=np.float64).reshape(1, -1))[0]
    else:
        ahead = np.zeros(net.n_inputs) if limits is None else (limits[0] + limits[1]) / 2 - point
    systems = LocalSystems(net)
    pattern, certificate = _pattern(systems, point, towards(ahead[None])[0])
    A, b, units = with_box(*inequalities(pattern[None], *systems.of(pattern[None])), limits)
    rows = np.flatnonzero(np.isfinite(b[0]))
    return Region(
        net=net,
        point=point,
        pattern=pattern,
        A=A[0, rows],
        b=b[0, rows],
        units=units[rows],
        shared=tuple(units[rows, None]),
        box=limits,
        certificate=certificate,
    )


def towards(directions: Floats) -> Floats:
    """Directions to look in from creases, (n, 2, n_inputs): the given ones, and one that runs along none of them."""
    generic = np.random.default_rng(20).normal(size=directions.shape[-1])
    return np.stack([directions, np.broadcast_to(generic, directions.shape)], axis=-2)


def _pattern(systems: LocalSystems, point: Floats, directions: Floats) -> tuple[Signs, Certificate]:
    """Sides of one point; in rationals where one of its sums was too small to tell from 0."""
    net = systems.net
    sides = systems.sides(point[None], directions[None])
    pattern = sides.signs[0]
    certificate = Certificate(
        largest_zero=float(sides.largest_zero[0]), smallest_nonzero=float(sides.smallest_nonzero[0])
    )
    if not sides.n_zeros[0]:
        return pattern, certificate
    if sum(n_entries(matrix) for node in net.nodes for matrix in node.matrices) > RATIONAL_UP_TO:
        why = "a sum is too near to zero to tell, and the network too large for rational arithmetic"
        return pattern, replace(certificate, exact=False, why_not=why)
    exact = ExactNet(net, point, directions)
    for number, start, stop in net.folds:
        lines = exact.maps_of(pattern, number)[[2, 0, 1]]  # the value, then the change in the directions
        for place, unit in enumerate(range(start, stop)):
            deciding = next((value for value in lines[:, place] if value != 0), 0)
            pattern[unit] = (deciding > 0) - (deciding < 0)
    return pattern, replace(certificate, n_rational=int(sides.n_zeros[0]))


def with_box(A: Floats, b: Floats, box: tuple[Floats, Floats] | None) -> tuple[Floats, Floats, Ints]:
    """Add the sides of a box to systems of rows, (n, m, d) and (n, m); also return what unit each row is of."""
    units = np.arange(A.shape[1])
    if box is None:
        return A, b, units
    sides, ends, names = box_rows(*box)
    n = len(A)
    A = np.concatenate([A, np.broadcast_to(sides, (n, *sides.shape))], axis=1)
    b = np.concatenate([b, np.broadcast_to(ends, (n, len(ends)))], axis=1)
    return A, b, np.concatenate([units, names])


def step_inside(A: Floats, b: Floats, points: Floats, directions: Floats) -> Floats:
    """Step from points on facets into the regions behind them, half of the way to the next crease.

    Parameters
    ----------
    A, b : ndarrays of shapes (n, m, n_inputs), (n, m)
        One region's rows for each point.

    Returns
    -------
    ndarray of shape (n, n_inputs)
        Strictly inside; not a number where nothing is strictly inside, up to rounding.
    """
    rates = np.einsum("nmd,nd->nm", A, directions)
    slack = b - np.einsum("nmd,nd->nm", A, points)
    times = np.divide(slack, rates, out=np.full_like(rates, np.inf), where=rates > 1e-9)
    step = times.min(axis=1, initial=np.inf)
    step = np.where(np.isfinite(step), step, 2.0 * (1.0 + np.abs(points).max(axis=1)))
    places: Floats = points + 0.5 * step[:, None] * directions
    room = (b - np.einsum("nmd,nd->nm", A, places)).min(axis=1, initial=np.inf)
    for place in np.flatnonzero(room <= ROUNDING * (1.0 + np.abs(places).max(axis=1))):
        rows = np.isfinite(b[place])
        centre, radius = polyhedra.chebyshev(A[place, rows], b[place, rows])
        slack_there = math.inf if centre is None else (b[place, rows] - A[place, rows] @ centre).min(initial=math.inf)
        places[place] = centre if centre is not None and radius > 0 and slack_there > 0 else np.nan
    return places
