"""What is decided in a window of a large network, put together from tiles: regions are cut only along the border."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from planefold.networks.affine import Bools, Floats, Ints, PiecewiseLinearNet
from planefold.reading.certificate import Certificate, joined
from planefold.reading.slices.border_tiles import UNDECIDED, Tile, Window, border_tiles
from planefold.reading.slices.boundaries import Boundary, ClassRegions, Decisions, decisions
from planefold.reading.slices.chains import connected
from planefold.reading.slices.decisions import offsets_of
from planefold.reading.slices.planes import planes
from planefold.reading.slices.windows import polygon_area, window_corners

SAME_PLACE = 1e-9  # as a share of the window: what is nearer on two sides of a tile's edge is one point
ROUNDED = Certificate(
    exact=False, why_not="put together from tiles, whose maps are rounded to some 1e-12 of their size"
)


def decisions_in_tiles(
    net: PiecewiseLinearNet, window: Window, *, threshold: float | None = None, max_regions: int = 1_000_000
) -> Decisions:
    """Return the areas of the classes and the border between them, without cutting the whole window into regions.

    Parameters
    ----------
    net : PiecewiseLinearNet
        Of two inputs.
    window : ((u0, u1), (v0, v1))
    threshold : float, optional
        As for :func:`planefold.reading.boundary`.
    max_regions : int
        Give up when more regions than this lie along the border.

    Returns
    -------
    Decisions
        Regions are numbered tile by tile, -1 for a tile of one class that was not cut. Segments end where tiles do.

    Raises
    ------
    ParameterError
        If there are more than ``max_regions``, or a threshold where there can be none.

    Notes
    -----
    What is certain of a tile is proved (see :func:`~planefold.reading.slices.border_tiles.border_tiles`), and the
    others are cut as a whole window would be, so nothing is sampled: all is right but for rounding. Parts of one class
    on two sides of a tile's edge are connected where they share more than 1e-9 of the window's width.
    """
    offsets = offsets_of(net, threshold)
    # The tiles' networks decide at 0.
    decisive = net.with_outputs(np.eye(net.n_outputs), -offsets) if offsets.any() else replace(net, offsets=())
    parts, left = [], max_regions
    for tile in border_tiles(decisive, window):
        if tile.decided == UNDECIDED:
            found = planes(tile.net, tile.window, max_regions=left)
            left = max(1, left - found.n_regions)
            parts.append(_Part(tile=tile, found=decisions(found), n_regions=found.n_regions))
        else:
            parts.append(_Part(tile=tile, found=_of_one_class(tile, net.n_outputs), n_regions=0))
    return parts[0].found if len(parts) == 1 else _Seams(parts, window).joined()


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    tile: Tile
    found: Decisions
    n_regions: int


def _of_one_class(tile: Tile, n_outputs: int) -> Decisions:
    corners, one = window_corners(tile.window), np.zeros(1, dtype=np.int64)
    regions = ClassRegions(
        points=corners, starts=np.array([0, 4]), classes=one + tile.decided, regions=one - 1, component=one,
        polygon_areas=np.array([polygon_area(corners)]), tied=np.zeros(1, dtype=bool), n_classes=max(2, n_outputs),
        certificate=Certificate(),
    )  # fmt: skip
    pairs = np.zeros((0, 2), dtype=np.int64)
    border = Boundary(
        segments=np.zeros((0, 2, 2)), class_pairs=pairs, segment_regions=one[:0], ends=pairs, certificate=Certificate()
    )
    return Decisions(regions=regions, border=border)


class _Seams:
    """Joins what tiles hold at their edges. Points there have the very coordinate of the edge, so nothing is sought."""

    def __init__(self, parts: Sequence[_Part], window: Window) -> None:
        self.parts, self.low, self.size = parts, np.array(window)[:, 0], np.ptp(window, axis=1)
        sides = np.array([part.tile.window for part in parts])  # (n_tiles, 2, 2)
        self.edges = [np.unique(sides[:, axis]) for axis in (0, 1)]
        areas, borders = [part.found.regions for part in parts], [part.found.border for part in parts]
        self.points = np.concatenate([own.points for own in areas])
        self.starts = np.concatenate([[0], np.cumsum(np.concatenate([np.diff(own.starts) for own in areas]))])
        self.classes = np.concatenate([own.classes for own in areas])
        self.tile_of = np.repeat(np.arange(len(parts)), [len(own.classes) for own in areas])
        self.component = _numbered([own.component for own in areas], [own.n_regions for own in areas])
        n_regions = [part.n_regions for part in parts]
        self.regions = _numbered([own.regions for own in areas], n_regions)
        self.segments = np.concatenate([own.segments for own in borders])
        self.class_pairs = np.concatenate([own.class_pairs for own in borders])
        self.segment_regions = _numbered([own.segment_regions for own in borders], n_regions)
        self.ends = _numbered([own.ends for own in borders], [int(own.ends.max(initial=-1)) + 1 for own in borders])

    def joined(self) -> Decisions:
        """Return all as one."""
        areas = [part.found.regions for part in self.parts]
        pairs = np.hstack([self._met(axis) for axis in (0, 1)])
        alike = pairs[:, self.classes[pairs[0]] == self.classes[pairs[1]]]
        n = int(self.component.max()) + 1
        certificate = joined([ROUNDED, *(own.certificate for own in areas)])
        regions = ClassRegions(
            points=self.points, starts=self.starts, classes=self.classes, regions=self.regions,
            component=connected(self.component[alike], n)[self.component],
            polygon_areas=np.concatenate([own.polygon_areas for own in areas]),
            tied=np.concatenate([own.tied for own in areas]), n_classes=areas[0].n_classes, certificate=certificate,
        )  # fmt: skip
        border = Boundary(
            segments=self.segments, class_pairs=self.class_pairs, segment_regions=self.segment_regions,
            ends=self._one_number_a_place(), certificate=certificate,
        )  # fmt: skip
        return Decisions(regions=regions, border=border)

    def _met(self, axis: int) -> Ints:
        """Return pairs of polygons (2, n_pairs) that share a part of a tile's edge across an axis.

        Where they are of different classes and tiles, the border runs along that edge, and neither tile knows of it.
        """
        other = 1 - axis
        following = np.arange(1, len(self.points) + 1)
        following[self.starts[1:] - 1] = self.starts[:-1]
        here, there = self.points, self.points[following]
        on = np.flatnonzero((here[:, axis] == there[:, axis]) & np.isin(here[:, axis], self.edges[axis]))
        owners = np.repeat(np.arange(len(self.classes)), np.diff(self.starts))[on]
        # A place on an edge is the number of the edge, and a share of the window along it.
        lines = 2.0 * np.searchsorted(self.edges[axis], here[on, axis])
        places = np.stack([here[on, other], there[on, other]])
        shares = lines + (places - self.low[other]) / self.size[other]
        ahead = shares[1] > shares[0]
        low, high = shares.min(axis=0), shares.max(axis=0)
        one, two = np.flatnonzero(ahead), np.flatnonzero(~ahead)  # polygons on one side, and on the other
        two = two[np.argsort(low[two], kind="stable")]
        first = np.searchsorted(high[two], low[one] + SAME_PLACE, side="right")
        counts = np.maximum(np.searchsorted(low[two], high[one] - SAME_PLACE) - first, 0)
        one = np.repeat(one, counts)
        two = two[np.repeat(first - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())]
        pairs = owners[np.stack([one, two])]
        hidden = (self.classes[pairs[0]] != self.classes[pairs[1]]) & (self.tile_of[pairs[0]] != self.tile_of[pairs[1]])
        self._add_border(axis, on[one[hidden]], np.stack([one, two])[:, hidden], pairs[:, hidden], places)
        return np.asarray(pairs)

    def _add_border(self, axis: int, points: Ints, sides: Ints, pairs: Ints, places: Floats) -> None:
        """Add segments along an edge; going up or to the left, the first polygon of a pair is on the left."""
        n, other = len(points), 1 - axis
        low = np.maximum(*places[:, sides].min(axis=0))
        high = np.minimum(*places[:, sides].max(axis=0))
        segments = np.empty((n, 2, 2))
        segments[:, :, axis] = self.points[points, axis][:, None]
        segments[:, 0, other], segments[:, 1, other] = low, high
        classes = self.classes[pairs]
        # The sides of polygons go counter-clockwise: the first one's side leads from low to high.
        flipped = classes[0] > classes[1]
        segments[flipped] = segments[flipped, ::-1]
        n_ends = int(self.ends.max(initial=-1)) + 1
        self.segments = np.concatenate([self.segments, segments])
        self.class_pairs = np.concatenate([self.class_pairs, np.sort(classes, axis=0).T])
        self.segment_regions = np.concatenate([self.segment_regions, self.regions[pairs.max(axis=0)]])
        self.ends = np.concatenate([self.ends, n_ends + np.arange(2 * n).reshape(n, 2)])

    def _one_number_a_place(self) -> Ints:
        """Return the ends of segments with one number for the points where two tiles' segments meet."""
        numbers, first = np.unique(self.ends, return_index=True)
        points = self.segments.reshape(-1, 2)[first]
        at_edge: Bools = np.any([np.isin(points[:, axis], self.edges[axis]) for axis in (0, 1)], axis=0)
        chosen = np.flatnonzero(at_edge)
        if not len(chosen):
            return self.ends
        tree = cKDTree((points[chosen] - self.low) / self.size)
        pairs = chosen[tree.query_pairs(SAME_PLACE, output_type="ndarray").T]
        return np.asarray(connected(pairs, len(numbers))[np.searchsorted(numbers, self.ends)])


def _numbered(parts: Sequence[Ints], counts: Sequence[int]) -> Ints:
    """Number things of several parts one after the other; -1 stays."""
    starts = np.cumsum([0, *counts])[:-1]
    return np.concatenate([np.where(own < 0, own, own + start) for own, start in zip(parts, starts, strict=True)])
