"""Windows with more regions than memory has room for: tile by tile, and counted exactly all the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import ParameterError, show, unknown_choice
from planefold.networks.affine import Floats, Signs
from planefold.reading.certificate import Certificate, joined
from planefold.reading.models import from_model
from planefold.reading.slices.cuts import Subdivision
from planefold.reading.slices.estimates import estimate_regions, refuse_too_many, too_many
from planefold.reading.slices.fold_cuts import RegionLimitError
from planefold.reading.slices.plane_cuts import subdivide
from planefold.reading.slices.records import Planes
from planefold.reading.slices.restrictions import restriction_of
from planefold.reading.slices.windows import convex, polygon_area, window_corners

# A tile whose sums take more than this is cut in four: regions, times the units of the widest layer.
TILE = 6_000_000
SMALLEST_TILE = 1e-6  # of the window's width; where more regions meet than a tile may have, cutting does not help


@dataclass(frozen=True, kw_only=True)
class WindowCount:
    """How many activation regions a window has.

    Parameters
    ----------
    n_regions : int
        All of them; at least so many, where the certificate says that it is not exact.
    n_tiles : int
        In how many parts they were counted.
    certificate : Certificate
    """

    n_regions: int
    n_tiles: int
    certificate: Certificate

    def __str__(self) -> str:
        said = f"{self.n_regions:,} activation regions"
        return said if self.certificate.exact else f"at least {said}"


def tiled(
    model: Any,
    window: Any,
    *,
    origin: npt.ArrayLike | None = None,
    directions: Any = None,
    tiles: int | tuple[int, int] | None = None,
    snap: bool = False,
) -> Iterator[Planes]:
    """Cut a window tile by tile, so that only one tile is in memory at a time.

    Parameters
    ----------
    model, window, origin, directions, snap
        As for :func:`planefold.reading.planes`.
    tiles : int or pair of int, optional
        In how many parts to cut the window each way. By default as an estimate suggests, and where there are more
        regions than it says, a tile is cut again.

    Yields
    ------
    Planes
        Of a rectangle each (of a polygon's tiles, the part inside it). A region on the border of tiles is in several
        of them, with one and the same pattern.

    Notes
    -----
    About 100 to 200 MB at a time. The tiles of a polygon meet its slanted sides up to rounding.
    """
    restriction, corners = restriction_of(model, origin, directions), window_corners(window)
    net = restriction.net
    most = max(2_000, TILE // max([1, *(stop - first for _, first, stop in net.folds)]))
    if tiles is None:
        n = int(np.ceil(np.sqrt(1.2 * estimate_regions(net, corners) / most)))
        grid = (n, n) if n > 1 else (1, 1)
    else:
        grid = _grid(tiles)
    size = np.ptp(corners, axis=0)
    todo = _grid_of(corners, *grid)[::-1]
    while todo:
        tile = todo.pop()
        may_cut = tiles is None and bool((np.ptp(tile, axis=0) > SMALLEST_TILE * size).any())
        try:
            subdivision = subdivide(
                restriction,
                Subdivision.of_window(tile),
                max_regions=most if may_cut else 2**40,
                snap=snap,
            )
        except RegionLimitError as limit:
            if not may_cut:
                raise ParameterError(
                    f"a tile has more than {limit.args[0]:,} activation regions, for which there is no memory",
                    hint="give more tiles, or take a smaller window",
                ) from None
            todo += _grid_of(tile, 2, 2)[::-1]
            continue
        yield Planes(**vars(restriction), window=tile, subdivision=subdivision, snap=snap)


def count_in_window(
    model: Any,
    window: Any,
    *,
    origin: npt.ArrayLike | None = None,
    directions: Any = None,
    tiles: int | tuple[int, int] | None = None,
    max_regions: int = 10_000_000,
    on_limit: str = "raise",
    snap: bool = False,
) -> WindowCount:
    """Count the activation regions in a window, exactly, in little memory.

    Parameters
    ----------
    model, window, origin, directions, tiles, snap
        As for :func:`tiled`.
    max_regions : int
        Stop when there are more.
    on_limit : {"raise", "stop"}
        What to do then: raise an error, or return what is known, "at least".

    Raises
    ------
    ParameterError
        If there are more than ``max_regions``, or an estimate says that there are ten times as many.

    Notes
    -----
    A region is convex, so two parts of it in different tiles have the same pattern, and parts of different regions
    have not: the count is that of the different patterns, told by 64-bit hashes. (Among a million regions two have the
    same hash with a probability of 3e-8.)
    """
    if on_limit not in ("raise", "stop"):
        raise unknown_choice("on_limit", on_limit, ["raise", "stop"])
    source = from_model(model)
    if on_limit == "raise":
        refuse_too_many(restriction_of(source, origin, directions).net, window_corners(window), max_regions)
    known = np.zeros(0, dtype=np.uint64)
    certificates: list[Certificate] = []
    for part in tiled(source, window, origin=origin, directions=directions, tiles=tiles, snap=snap):
        known = np.union1d(known, hashes(part.patterns()))
        certificates.append(part.certificate)
        if len(known) > max_regions:
            if on_limit == "raise":
                raise too_many(max_regions, f"{len(known):,} were there when it stopped")
            stopped = Certificate(exact=False, why_not=f"counting stopped above max_regions={max_regions:,}")
            return WindowCount(
                n_regions=len(known), n_tiles=len(certificates), certificate=joined([stopped, *certificates])
            )
    return WindowCount(n_regions=len(known), n_tiles=len(certificates), certificate=joined(certificates))


def hashes(patterns: Signs) -> npt.NDArray[np.uint64]:
    """Return a 64-bit hash of each pattern, (n_regions,); units that are 0 all over count as not active."""
    bits = np.packbits(patterns > 0, axis=1)
    words = np.zeros((len(bits), -(-max(1, bits.shape[1]) // 8) * 8), dtype=np.uint8)
    words[:, : bits.shape[1]] = bits
    found = np.zeros(len(bits), dtype=np.uint64)
    for word in words.view(np.uint64).T:
        # The mixing step of splitmix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
        found = (found ^ word) + np.uint64(0x9E3779B97F4A7C15)
        found = (found ^ (found >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        found ^= found >> np.uint64(31)
    return found


def _grid(tiles: int | tuple[int, int]) -> tuple[int, int]:
    pair = (tiles, tiles) if isinstance(tiles, int | np.integer) else tuple(tiles)
    if len(pair) != 2 or not all(isinstance(n, int | np.integer) and n >= 1 for n in pair):
        raise ParameterError(f"tiles={show(tiles)} is no number of tiles each way", hint="give 8, or (8, 8)")
    return int(pair[0]), int(pair[1])


def _grid_of(corners: Floats, n_u: int, n_v: int) -> list[Floats]:
    """Cut a convex polygon by a grid over its bounding box."""
    low, high = corners.min(axis=0), corners.max(axis=0)
    us, vs = np.linspace(low[0], high[0], n_u + 1), np.linspace(low[1], high[1], n_v + 1)
    found = []
    for u0, u1 in pairwise(us):
        column = _clipped(_clipped(corners, 0, u0, 1), 0, u1, -1)
        for v0, v1 in pairwise(vs):
            part = _clipped(_clipped(column, 1, v0, 1), 1, v1, -1)
            if len(part) >= 3 and polygon_area(part) > 0:
                found.append(convex(part))
    return found


def _clipped(corners: Floats, axis: int, bound: float, sign: int) -> Floats:
    """Keep the part of a convex polygon where ``sign * (coordinate - bound) >= 0``."""
    kept: list[Floats] = []
    for here, before in zip(corners, np.roll(corners, 1, axis=0), strict=True):
        a, b = sign * (before[axis] - bound), sign * (here[axis] - bound)
        if a * b < 0:
            point = before + a / (a - b) * (here - before)
            point[axis] = bound
            kept.append(point)
        if b >= 0:
            kept.append(here)
    return np.array(kept).reshape(-1, 2)
