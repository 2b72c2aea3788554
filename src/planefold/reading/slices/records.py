"""What is known of a network on a part of a plane: its regions, their maps, and what follows from these."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import ParameterError, show
from planefold.core.records import Record, counted
from planefold.networks.affine import Floats, Ints, Signs
from planefold.reading.capacity import Bounds, bounds
from planefold.reading.certificate import Certificate
from planefold.reading.choices import check_output
from planefold.reading.slices.chains import connected
from planefold.reading.slices.cuts import LEFT, RIGHT, UNIT, Subdivision
from planefold.reading.slices.polygons import areas_and_centroids, rings
from planefold.reading.slices.restrictions import View
from planefold.reading.slices.windows import contains

# Two maps whose coefficients differ by less than this share of the largest coefficient are one.
SAME_MAP = 1e-10


@dataclass(frozen=True, kw_only=True)
class ValueRange:
    """Smallest and largest value of an output in the window, and points ``(u, v)`` where it takes them."""

    low: float
    high: float
    low_at: tuple[float, float]
    high_at: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Steepest:
    """The steepest region: the exact Lipschitz constant of an output on the slice, and the region that has it."""

    slope: float
    region: int


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Creases(Record):
    """All creases: segments (n, 2, 2), the unit that folds there (n,), and the depth of its layer (n,)."""

    segments: Floats
    units: Ints
    depths: Ints


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Planes(View):
    """The activation regions of a network in a window of a plane; made by :func:`planes`.

    Points, lengths and areas are in the coordinates ``(u, v)`` of the plane ``origin + u * directions[0] + v *
    directions[1]``; they are those of the input space if the directions are orthonormal.

    Parameters
    ----------
    net : PiecewiseLinearNet
        The network on the plane, of the two inputs u and v.
    source : PiecewiseLinearNet
        The whole network.
    origin : ndarray of shape (n_inputs,)
    directions : ndarray of shape (2, n_inputs)
    window : ndarray of shape (n_corners, 2)
        Counter-clockwise.
    subdivision : Subdivision
        What the regions are known from.
    snap : bool
        Whether creases that differ by no more than rounding were taken for one.
    """

    subdivision: Subdivision = field(repr=False)
    snap: bool = False

    def __str__(self) -> str:
        regions, pieces = counted(self.n_regions, "activation region"), counted(self.n_pieces, "linear piece")
        return f"{regions}, {pieces}; {self.certificate}"

    # -------------------------------------------------------------------------------------------------- geometry

    @property
    def certificate(self) -> Certificate:
        """How sure the signs are that all this rests on."""
        return self.subdivision.certificate

    @property
    def n_regions(self) -> int:
        """How many activation regions there are: sets of points where the same units are active."""
        return self.subdivision.n_regions

    @cached_property
    def bounds(self) -> Bounds:
        """How many regions the network could have on a plane at most, and how many are to be expected."""
        return bounds(self.net)

    @property
    def vertices(self) -> Floats:
        """Corners of regions, (n_vertices, 2)."""
        return self.subdivision.vertices

    @cached_property
    def edges(self) -> Ints:
        """Vertex numbers a -> b, (n_edges, 2)."""
        return np.ascontiguousarray(self.subdivision.edges[:LEFT].T)

    @cached_property
    def edge_regions(self) -> Ints:
        """The region on the left and on the right of a -> b, (n_edges, 2); -1 outside the window."""
        return np.ascontiguousarray(self.subdivision.edges[LEFT : RIGHT + 1].T)

    @cached_property
    def edge_units(self) -> Ints:
        """Which unit's crease an edge is, (n_edges,): the first of those that share it; -1 on the window's sides."""
        return np.asarray(np.maximum(self.subdivision.edges[UNIT], -1), dtype=np.int64)

    @cached_property
    def _rings(self) -> tuple[Ints, Ints, Ints]:
        edges = self.subdivision.edges
        return rings(edges[:LEFT], edges[LEFT : RIGHT + 1], self.n_regions, len(self.vertices))

    @property
    def polygon_starts(self) -> Ints:
        """Where each region's corners begin in :attr:`polygon_vertices`, (n_regions + 1,)."""
        return self._rings[0]

    @property
    def polygon_vertices(self) -> Ints:
        """Vertex numbers of all regions' corners, counter-clockwise, one region after the other."""
        return self._rings[1]

    @property
    def polygon_edges(self) -> Ints:
        """The edge that leads from each corner to the next one; of the length of :attr:`polygon_vertices`."""
        return self._rings[2]

    def polygon(self, region: int) -> Floats:
        """Return the corners of a region, counter-clockwise, (n_corners, 2)."""
        return self.vertices[self.polygon_vertices[self._places(region)]]

    def neighbours(self, region: int) -> Ints:
        """Return the regions that share an edge with one, in the order of its edges; corners do not count."""
        around = self.edge_regions[self.polygon_edges[self._places(region)]].ravel()
        return np.array(list(dict.fromkeys(r for r in around.tolist() if r not in (-1, region))), dtype=np.int64)

    def _places(self, region: int) -> slice:
        if not 0 <= region < self.n_regions:
            raise ParameterError(f"region {region} does not exist: there are {self.n_regions}, counted from 0")
        return slice(self.polygon_starts[region], self.polygon_starts[region + 1])

    @cached_property
    def _areas_and_centroids(self) -> tuple[Floats, Floats]:
        return areas_and_centroids(self.vertices[self.polygon_vertices], self.polygon_starts)

    @property
    def areas(self) -> Floats:
        """Areas of the regions, (n_regions,)."""
        return self._areas_and_centroids[0]

    @property
    def centroids(self) -> Floats:
        """Centres of the regions, (n_regions, 2)."""
        return self._areas_and_centroids[1]

    def to_input(self, points: npt.ArrayLike) -> Floats:
        """Return the points of the input space, (n_points, n_inputs), that points (u, v) stand for."""
        return np.asarray(self.origin + np.asarray(points, dtype=np.float64) @ self.directions)

    def locate(self, points: npt.ArrayLike) -> Ints:
        """Return the region of each point (u, v), (n_points,); -1 outside the window.

        A point on a crease counts to the region where the unit is not positive. The cost is one pass of the network,
        and for each point the length of its path down the trees of cuts.
        """
        rows = self.net.rows(points)
        result = np.full(len(rows), -1, dtype=np.int64)
        inside = np.flatnonzero(contains(self.window, rows))
        step = max(1, 2**23 // max(1, self.net.n_units))
        for start in range(0, len(inside), step):
            piece = inside[start : start + step]
            result[piece] = self.subdivision.locate(self.net.sums_of_units(rows[piece]))
        return result

    # ---------------------------------------------------------------------------------------------- affine maps

    def patterns(self) -> Signs:
        """Return the activation pattern of every region: int8 of shape (n_regions, n_units).

        +1 where the unit's sum is positive in the region, -1 where negative, and 0 where it is 0 all over.
        """
        return self.subdivision.patterns()

    @cached_property
    def _maps(self) -> tuple[Floats, Floats]:
        return self.net.local_maps(self.patterns())

    @property
    def coefs(self) -> Floats:
        """Slopes in each region, (n_regions, n_outputs, 2): the outputs are ``coefs @ (u, v) + intercepts``."""
        return self._maps[0]

    @property
    def intercepts(self) -> Floats:
        """Outputs that each region's plane has at u = v = 0, (n_regions, n_outputs)."""
        return self._maps[1]

    @cached_property
    def vertex_outputs(self) -> Floats:
        """Outputs at the vertices, (n_vertices, n_outputs)."""
        return self.net.outputs(self.vertices)

    @cached_property
    def piece_of_region(self) -> Ints:
        """The number of the linear piece that each region is part of, (n_regions,).

        Neighbours whose affine maps agree (slopes to 1e-10 of the largest slope of that output) are of one piece.
        """
        sides = self.edge_regions[(self.edge_regions >= 0).all(axis=1)]
        tolerance = SAME_MAP * np.abs(self.coefs).max(axis=(0, 2), initial=0.0)[:, None]
        same = sides[(np.abs(self.coefs[sides[:, 0]] - self.coefs[sides[:, 1]]) <= tolerance).all(axis=(1, 2))]
        return connected(same.T, self.n_regions)

    @property
    def n_pieces(self) -> int:
        """How many linear pieces there are: neighbouring activation regions with the same affine map count once."""
        return int(self.piece_of_region.max()) + 1

    # -------------------------------------------------------------------------------------------- what follows

    def value_range(self, output: int = 0) -> ValueRange:
        """Return the smallest and the largest value of an output in the window: both lie at vertices."""
        values = self.vertex_outputs[:, check_output(output, self.net.n_outputs)]
        low, high = int(values.argmin()), int(values.argmax())
        at = [(float(u), float(v)) for u, v in self.vertices[[low, high]]]
        return ValueRange(low=float(values[low]), high=float(values[high]), low_at=at[0], high_at=at[1])

    def steepness(self, output: int = 0) -> Floats:
        """Return how steep an output is in each region, (n_regions,), per unit of distance between inputs."""
        # The slope along a unit vector of the input space; the directions need not be orthonormal.
        slopes = self.coefs[:, check_output(output, self.net.n_outputs)]
        squares = (slopes * np.linalg.solve(self.directions @ self.directions.T, slopes.T).T).sum(axis=1)
        return np.asarray(np.sqrt(squares))

    def lipschitz(self, output: int = 0) -> Steepest:
        """Return by how much an output changes at most per unit of distance between inputs on this plane."""
        steepness = self.steepness(output)
        region = int(steepness.argmax())
        return Steepest(slope=float(steepness[region]), region=region)

    def integral(self, output: int = 0) -> float:
        """Return the integral of an output over the window, in u and v: the area times the value at the centre."""
        chosen = check_output(output, self.net.n_outputs)
        at_centre = (self.coefs[:, chosen] * self.centroids).sum(axis=1) + self.intercepts[:, chosen]
        return float(self.areas @ at_centre)

    @cached_property
    def bending(self) -> npt.NDArray[np.bool_]:
        """Which units have a crease inside the window, (n_units,)."""
        bends = np.zeros(self.net.n_units, dtype=bool)
        for cut in self.subdivision.cuts:
            bends[cut.units[cut.units >= 0]] = True
        return bends

    @property
    def dead_units(self) -> Ints:
        """Units whose sum is nowhere in the window positive: of ReLU they give 0 all over it."""
        return np.flatnonzero(~self.bending & ~(self.patterns() > 0).any(axis=0))

    @property
    def linear_units(self) -> Ints:
        """Units whose sum is nowhere in the window negative, and somewhere positive: they bend nothing there."""
        return np.flatnonzero(~self.bending & (self.patterns() > 0).any(axis=0))

    def creases(self) -> Creases:
        """Return all creases in the window, edge by edge."""
        inner = self.edge_units >= 0
        units = self.edge_units[inner]
        return Creases(segments=self.vertices[self.edges[inner]], units=units, depths=self.net.depths()[units])

    def as_dict(self, limit: int = 20_000) -> dict[str, Any]:
        """Return what a picture needs as lists and numbers that JSON knows.

        Parameters
        ----------
        limit : int
            How many regions at most, the largest first; ``n_regions`` counts all.
        """
        if limit < 1:
            raise ParameterError(f"limit={show(limit)} leaves nothing", hint="give 1 or more")
        chosen = np.sort(np.argsort(-self.areas, kind="stable")[:limit])
        shown = np.zeros(self.n_regions + 1, dtype=bool)  # the last place is the outside
        shown[chosen] = True
        edges = np.flatnonzero(shown[self.edge_regions].any(axis=1))
        places = np.full(len(self.vertices), -1)
        used = np.unique(self.edges[edges])
        places[used] = np.arange(len(used))
        numbers = np.full(self.n_regions + 1, -1)
        numbers[chosen] = np.arange(len(chosen))
        ring = places[self.polygon_vertices]
        return {
            "n_regions": self.n_regions,
            "n_pieces": self.n_pieces,
            "window": self.window.tolist(),
            "origin": self.origin.tolist(),
            "directions": self.directions.tolist(),
            "vertices": self.vertices[used].tolist(),
            "values": self.vertex_outputs[used].tolist(),
            "polygons": [ring[self._places(region)].tolist() for region in chosen],
            "areas": self.areas[chosen].tolist(),
            "coefs": self.coefs[chosen].tolist(),
            "intercepts": self.intercepts[chosen].tolist(),
            "pieces": self.piece_of_region[chosen].tolist(),
            "edges": places[self.edges[edges]].tolist(),
            "edge_regions": numbers[self.edge_regions[edges]].tolist(),
            "edge_units": self.edge_units[edges].tolist(),
            "units": {str(u): self.net.unit_name(u) for u in np.unique(self.edge_units[edges]).tolist() if u >= 0},
            "certificate": str(self.certificate),
        }


def check_planes(given: object) -> None:
    """Refuse anything but planes: a model has to be cut in some window before."""
    if not isinstance(given, Planes):
        raise ParameterError(
            f"a {type(given).__name__} is no part of a plane that was cut into regions",
            hint="planefold.reading.planes(model, window) cuts one",
        )
