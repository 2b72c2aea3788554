"""Where a network changes its decision on a plane: exact segments and areas."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from planefold.core.records import Record
from planefold.networks.affine import Floats, Ints
from planefold.reading.certificate import Certificate
from planefold.reading.slices.chains import connected, curves_of, polylines_of
from planefold.reading.slices.cuts import LEFT, RIGHT
from planefold.reading.slices.decisions import Decided
from planefold.reading.slices.polygons import areas_and_centroids, rings
from planefold.reading.slices.records import Planes


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Boundary(Record):
    """The decision border in a window.

    Parameters
    ----------
    segments : ndarray of shape (n_segments, 2, 2)
        In (u, v); the first class of the pair lies on the left.
    class_pairs : int ndarray of shape (n_segments, 2)
        The classes on both sides, the lower number first.
    segment_regions : int ndarray of shape (n_segments,)
        Which activation region each segment crosses; one of the two, where it runs along a crease.
    ends : int ndarray of shape (n_segments, 2)
        Numbers of the end points; segments that meet share them.
    certificate : Certificate
    """

    segments: Floats
    class_pairs: Ints
    segment_regions: Ints
    ends: Ints
    certificate: Certificate = field(repr=False)

    def __str__(self) -> str:
        return f"a border of {self.n_segments:,} segments in {self.n_curves:,} curves, {self.length:.6g} long"

    @property
    def n_segments(self) -> int:
        """How many straight pieces the border has."""
        return len(self.segments)

    @property
    def length(self) -> float:
        """Length of the whole border, in (u, v)."""
        return float(np.linalg.norm(self.segments[:, 1] - self.segments[:, 0], axis=1).sum())

    @cached_property
    def curves(self) -> Ints:
        """The number of the curve that each segment is part of, (n_segments,): segments that meet are of one curve."""
        return curves_of(self.ends)

    @property
    def n_curves(self) -> int:
        """How many curves there are that do not touch each other."""
        return int(self.curves.max(initial=-1)) + 1

    def polylines(self) -> list[Floats]:
        """Return the border as polylines (n_points, 2), cut where three or more segments meet; loops are closed."""
        return polylines_of(self.ends, self.segments)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ClassRegions(Record):
    """The window as the network divides it into classes.

    Parameters
    ----------
    points : ndarray of shape (n_points, 2)
        Corners of all polygons, one after another, counter-clockwise.
    starts : int ndarray of shape (n_polygons + 1,)
        Where each polygon begins: the part of one activation region that is of one class.
    classes : int ndarray of shape (n_polygons,)
    regions : int ndarray of shape (n_polygons,)
        The activation region that a polygon is part of.
    component : int ndarray of shape (n_polygons,)
        The decision region that it is part of: polygons of one class that share more than a corner.
    polygon_areas : ndarray of shape (n_polygons,)
    tied : bool ndarray of shape (n_polygons,)
        Where the two largest outputs are equal all over (or the only output is at its threshold). The lower class gets
        such a polygon, as ``np.argmax`` would have it.
    n_classes : int
    certificate : Certificate
    """

    points: Floats = field(repr=False)
    starts: Ints = field(repr=False)
    classes: Ints = field(repr=False)
    regions: Ints = field(repr=False)
    component: Ints = field(repr=False)
    polygon_areas: Floats = field(repr=False)
    tied: npt.NDArray[np.bool_] = field(repr=False)
    n_classes: int
    certificate: Certificate

    def __str__(self) -> str:
        shares = ", ".join(f"{share:.1%}" for share in self.area_shares)
        return f"{self.n_regions:,} decision regions; the classes have {shares} of the area"

    def polygon(self, number: int) -> Floats:
        """Return the corners of a polygon, counter-clockwise."""
        return self.points[self.starts[number] : self.starts[number + 1]]

    @property
    def n_regions(self) -> int:
        """How many decision regions there are: connected areas of one class. Touching corners do not connect."""
        return int(self.component.max()) + 1

    @cached_property
    def areas(self) -> Floats:
        """Areas of the decision regions, (n_regions,), in (u, v)."""
        return np.asarray(np.bincount(self.component, weights=self.polygon_areas), dtype=np.float64)

    @cached_property
    def component_classes(self) -> Ints:
        """The class of each decision region, (n_regions,)."""
        found = np.empty(self.n_regions, dtype=np.int64)
        found[self.component] = self.classes
        return found

    @property
    def n_regions_of_class(self) -> Ints:
        """How many decision regions each class has, (n_classes,)."""
        return np.bincount(self.component_classes, minlength=self.n_classes)

    @property
    def area_shares(self) -> Floats:
        """Share of the window that each class has, (n_classes,)."""
        areas = np.bincount(self.classes, weights=self.polygon_areas, minlength=self.n_classes)
        return np.asarray(areas / self.polygon_areas.sum())


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Decisions(Record):
    """What is decided in a window: the areas of the classes, and the border between them."""

    regions: ClassRegions
    border: Boundary

    def __str__(self) -> str:
        return f"{self.regions}; {self.border}"


def decisions(planes: Planes, *, threshold: float | None = None) -> Decisions:
    """Return the areas of the classes and the border between them, in the time of one of them.

    Parameters
    ----------
    planes : Planes
    threshold : float, optional
        As for :func:`boundary`.
    """
    cut = Decided.of(planes, threshold)
    return Decisions(regions=_class_regions(cut, planes.net.n_outputs), border=_boundary(cut))


def boundary(planes: Planes, *, threshold: float | None = None) -> Boundary:
    """Return where the decision changes, exactly.

    Parameters
    ----------
    planes : Planes
    threshold : float, optional
        Of a model with one output: the value above which a row is of class 1. For a classifier it is a probability, by
        default that by which the model decides (``threshold_``, mostly 0.5); else a value of the output, 0 by default.
        For a classifier with two outputs it is the probability of class 1. With more classes the largest output
        decides, and there is no threshold.

    Raises
    ------
    ParameterError
        If there is a threshold where there can be none, or a probability that is not between 0 and 1.

    Notes
    -----
    Sigmoid and softmax are increasing, so the border is where the logit is at the logit of the threshold, or where the
    two largest logits are equal. It is found as one more crease is, up to the same certificate. Where two classes are
    equal on an area, the border runs around this area on the side of the higher class.

    References
    ----------
    Humayun et al., "SplineCam: Exact Visualization and Characterization of Deep Network Geometry and Decision
    Boundaries", CVPR 2023.
    """
    return _boundary(Decided.of(planes, threshold))


def class_regions(planes: Planes, *, threshold: float | None = None) -> ClassRegions:
    """Return the areas where the network decides for each class, exactly.

    Parameters
    ----------
    planes : Planes
    threshold : float, optional
        As for :func:`boundary`.
    """
    return _class_regions(Decided.of(planes, threshold), planes.net.n_outputs)


def _boundary(cut: Decided) -> Boundary:
    sides, ends = cut.subdivision.edges[LEFT : RIGHT + 1], cut.subdivision.edges[:LEFT]
    pairs = cut.classes[sides]
    on_border = np.flatnonzero((sides[0] >= 0) & (sides[1] >= 0) & (pairs[0] != pairs[1]))
    pairs, ends, regions = pairs[:, on_border], ends[:, on_border], cut.regions[sides[:, on_border]]
    flipped = pairs[0] > pairs[1]
    pairs[:, flipped], ends[:, flipped], regions[:, flipped] = (
        table[::-1, flipped] for table in (pairs, ends, regions)
    )
    pairs, ends, regions = _joined(pairs, ends, regions)
    return Boundary(
        segments=cut.subdivision.vertices[ends.T],
        class_pairs=np.ascontiguousarray(pairs.T),
        segment_regions=regions[0],
        ends=np.ascontiguousarray(ends.T),
        certificate=cut.subdivision.certificate,
    )


def _class_regions(cut: Decided, n_outputs: int) -> ClassRegions:
    edges, n_polygons, numbers = cut.subdivision.edges, *_merged(cut)
    sides = numbers[edges[LEFT : RIGHT + 1]]
    inner = sides[0] != sides[1]
    starts, ring, _ = rings(edges[:LEFT, inner], sides[:, inner], n_polygons, len(cut.subdivision.vertices))
    points = cut.subdivision.vertices[ring]
    classes, regions = np.empty(n_polygons, dtype=np.int64), np.empty(n_polygons, dtype=np.int64)
    tied = np.zeros(n_polygons, dtype=bool)
    classes[numbers[:-1]], regions[numbers[:-1]], tied[numbers[:-1]] = cut.classes[:-1], cut.regions[:-1], cut.tied
    both = sides[:, (sides >= 0).all(axis=0)]
    alike = both[:, classes[both[0]] == classes[both[1]]]
    return ClassRegions(
        points=points,
        starts=starts,
        classes=classes,
        regions=regions,
        component=connected(alike, n_polygons),
        polygon_areas=areas_and_centroids(points, starts)[0],
        tied=tied,
        n_classes=max(2, n_outputs),
        certificate=cut.subdivision.certificate,
    )


def _merged(cut: Decided) -> tuple[int, Ints]:
    """Number the parts of one class within one activation region together: with many classes there may be several."""
    keys = cut.regions[:-1] * (int(cut.classes.max()) + 1) + cut.classes[:-1]
    found, numbers = np.unique(keys, return_inverse=True)
    return len(found), np.append(numbers, -1)


def _joined(pairs: Ints, ends: Ints, regions: Ints) -> tuple[Ints, Ints, Ints]:
    """Join the segments between the same two classes in the same region: they lie on one line, one after another."""
    keys = np.concatenate([pairs, np.sort(regions, axis=0)])
    _, first, numbers, counts = np.unique(keys, axis=1, return_index=True, return_inverse=True, return_counts=True)
    if (counts == 1).all():
        return pairs, ends, regions
    joined = ends[:, first]
    for group in np.flatnonzero(counts > 1):
        members = ends[:, numbers.ravel() == group]
        begins = np.setdiff1d(members[0], members[1])
        stops = np.setdiff1d(members[1], members[0])
        joined[:, group] = begins[0], stops[0]
    return pairs[:, first], joined, regions[:, first]
