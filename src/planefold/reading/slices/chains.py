"""Segments that share their ends, put together: curves, polylines, connected areas."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from planefold.networks.affine import Floats, Ints


def connected(pairs: Ints, n: int) -> Ints:
    """Number the groups that pairs (2, n_pairs) of ``n`` things connect; return the group of each thing, (n,)."""
    table = sp.coo_array((np.ones(pairs.shape[1], dtype=np.int8), (pairs[0], pairs[1])), shape=(n, n))
    return np.asarray(connected_components(table, directed=False)[1], dtype=np.int64)


def curves_of(ends: Ints) -> Ints:
    """Number the curves that segments make which share an end; return the curve of each segment, (n_segments,)."""
    if not len(ends):
        return np.zeros(0, dtype=np.int64)
    points, numbers = np.unique(ends, return_inverse=True)
    numbers = numbers.reshape(ends.shape)
    return np.unique(connected(numbers.T, len(points))[numbers[:, 0]], return_inverse=True)[1]


def polylines_of(ends: Ints, segments: Floats) -> list[Floats]:
    """Chain segments (n, 2, 2) to polylines, cut where three or more meet; ``ends`` (n, 2) number their end points."""
    at: dict[int, list[int]] = {}
    for number, pair in enumerate(ends.tolist()):
        for point in pair:
            at.setdefault(point, []).append(number)
    pairs = ends.tolist()
    unused = [True] * len(pairs)

    def walk(number: int, start: int) -> Floats:
        corners, here = [], start
        while True:
            unused[number] = False
            side = pairs[number].index(here)
            corners.append(segments[number, side])
            here = pairs[number][1 - side]
            following = [other for other in at[here] if unused[other]]
            if len(at[here]) != 2 or not following:
                corners.append(segments[number, 1 - side])
                return np.array(corners)
            number = following[0]

    # From open ends and junctions first; what is left are loops.
    found = [walk(n, p) for p, numbers in at.items() if len(numbers) != 2 for n in numbers if unused[n]]
    found += [walk(number, pairs[number][0]) for number in range(len(pairs)) if unused[number]]
    return found
