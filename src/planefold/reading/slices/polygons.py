"""Polygons of the regions of a subdivision: their corners in order, areas and centroids."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from planefold.networks.affine import Floats, Ints


def grouped(keys: Ints, n_keys: int) -> tuple[Ints, Ints]:
    """Sort by small numbers, keeping the order of equals: return the order, and where each key begins.

    >>> grouped(np.array([1, 0, 1]), 2)
    (array([1, 0, 2]), array([0, 1, 3]))
    """
    # From coordinates to rows is a counting sort, several times as fast as a comparing one.
    places = np.arange(len(keys))
    table = sp.coo_array((places, (keys, places)), shape=(n_keys, len(keys))).tocsr()
    return table.data.astype(np.int64), table.indptr.astype(np.int64)


def rings(ends: Ints, sides: Ints, n_regions: int, n_vertices: int) -> tuple[Ints, Ints, Ints]:
    """Walk around every region.

    Parameters
    ----------
    ends : int ndarray of shape (2, n_edges)
        Vertices a -> b.
    sides : int ndarray of shape (2, n_edges)
        Regions on the left and on the right of it, -1 for none.

    Returns
    -------
    starts : int ndarray of shape (n_regions + 1,)
        Where each region begins in the other two.
    vertices : int ndarray
        Corners, counter-clockwise.
    edges : int ndarray
        The edge from each corner to the next one.

    Notes
    -----
    The order follows from which edge ends where the next one begins, not from angles, which fail on slivers.
    """
    n_edges = ends.shape[1]
    regions = np.concatenate([sides[0], sides[1]])
    used = np.flatnonzero(regions >= 0)
    regions = regions[used]
    begin, end = np.concatenate([ends[0], ends[1]])[used], np.concatenate([ends[1], ends[0]])[used]
    by_begin = grouped(begin, n_vertices)[0]
    inner, starts = grouped(regions[by_begin], n_regions)
    by_begin = by_begin[inner]
    by_end = grouped(end, n_vertices)[0]
    by_end = by_end[grouped(regions[by_end], n_regions)[0]]
    following = np.empty(len(used), dtype=np.int64)
    following[by_end] = by_begin  # in each region, as many edges end at a vertex as begin there: one

    order = np.empty(len(used), dtype=np.int64)
    walking = np.arange(n_regions)
    sizes, here = np.diff(starts), by_begin[starts[:-1]]
    for step in range(int(sizes.max(initial=0))):
        order[starts[walking] + step] = here
        going = np.flatnonzero(sizes[walking] > step + 1)
        walking, here = walking[going], following[here[going]]
    return starts, begin[order], used[order] % n_edges


def areas_and_centroids(points: Floats, starts: Ints) -> tuple[Floats, Floats]:
    """Return areas (n,) and centroids (n, 2) of polygons whose corners ``points`` stand one after another.

    Positive areas go counter-clockwise. The mean of the corners stands in for the centroid of a polygon without area.
    """
    sizes = np.diff(starts)
    first = np.repeat(points[starts[:-1]], sizes, axis=0)
    here = points - first  # near the origin nothing cancels
    after = here[next_in_ring(starts)]
    cross = here[:, 0] * after[:, 1] - here[:, 1] * after[:, 0]
    twice = np.add.reduceat(cross, starts[:-1])
    moments = np.add.reduceat(cross[:, None] * (here + after), starts[:-1], axis=0)
    means = np.add.reduceat(here, starts[:-1], axis=0) / sizes[:, None]
    has_area = twice != 0
    inner = np.where(has_area[:, None], moments / np.where(has_area, 3 * twice, 1.0)[:, None], means)
    # The centroid of a sliver may suffer from rounding, and must not leave it.
    low = np.minimum.reduceat(here, starts[:-1], axis=0)
    high = np.maximum.reduceat(here, starts[:-1], axis=0)
    inner = np.where((inner >= low) & (inner <= high), inner, means)
    return twice / 2, points[starts[:-1]] + inner


def next_in_ring(starts: Ints) -> Ints:
    """Return for every corner of polygons where the next corner of the same one stands."""
    following = np.arange(1, starts[-1] + 1)
    following[starts[1:] - 1] = starts[:-1]
    return following
