"""Pictures that show the same: one is another one but for its brightness, its contrast, a pixel's shift or a codec."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from planefold.core.records import Record
from planefold.doctor.scan.looks import BLANK, Small, averages, is_blank
from planefold.doctor.scan.neighbours import K, components, nearest
from planefold.doctor.scan.sheet import Sheet

Places = npt.NDArray[np.int64]

COARSE = 16  # of a side of what candidates are looked for by
MIN_SIDE = 12  # pixels of a side: in smaller pictures a shift by a pixel makes another thing
MIN_PICTURES = 40  # to learn from
MAX_QUERIES = 1000  # of either side
N_SHIFTED = 4  # of the 20 nearest ones, which are shifted to and fro
# What gain, offset and shift leave unexplained of a picture, against what they leave with the middle one of the 20
# nearest. Copies through a codec, brighter and shifted by a pixel, leave less than 0.12, other things more than 0.19,
# and so do neighbouring slices of one head (python benchmarks/doctor_pictures.py --only ratios).
SAME = 0.15


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Alike(Record):
    """Pictures that show what another one shows, though their pixels are not equal.

    Parameters
    ----------
    n_looked_at : int
        Pictures for which a likeness was looked for.
    n_alike : int
        Those that have one.
    pairs : tuple of pairs of int
        Each with its likeness, the most alike first.
    """

    n_looked_at: int
    n_alike: int = 0
    pairs: tuple[tuple[int, int], ...] = ()

    @property
    def share(self) -> float:
        """Of the pictures that were looked at."""
        return self.n_alike / max(self.n_looked_at, 1)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Looks(Record):
    """What can be seen of single pictures.

    Parameters
    ----------
    n_blank : int
        Pictures to learn from with hardly any contrast.
    blank : tuple of int
        The first few, counted from 0.
    """

    n_blank: int = 0
    blank: tuple[int, ...] = ()


def measure_looks(sheet: Sheet) -> Looks | None:
    """Look at single pictures to learn from; None where the rows are none."""
    if sheet.small is None:
        return None
    blank = np.flatnonzero(is_blank(sheet.small)[: sheet.n_train])
    return Looks(n_blank=len(blank), blank=tuple(blank[:5].tolist()))


# ----------------------------------------------------------------------------------------------------------- likeness


def alike_inside(sheet: Sheet, same: Places, random: np.random.RandomState) -> Alike | None:
    """Find pictures to learn from that show what an earlier one shows.

    Parameters
    ----------
    sheet : Sheet
    same : int array of shape (n_train,)
        For each the first one whose pixels are equal: of equal pictures only that one is looked at.
    """
    if not _is_enough(sheet):
        return None
    assert sheet.small is not None
    different = np.flatnonzero(same == np.arange(sheet.n_train))
    if len(different) < MIN_PICTURES:
        return None
    small = sheet.small[different]
    own = np.sort(random.permutation(len(small))[:MAX_QUERIES])
    other = _likenesses(small[own], small, own, random)
    found = np.flatnonzero(other >= 0)
    pairs = {(max(a, b), min(a, b)) for a, b in zip(own[found].tolist(), other[found].tolist(), strict=True)}
    named = sorted((int(different[again]), int(different[first])) for again, first in pairs)
    return Alike(n_looked_at=len(own), n_alike=len({again for again, _ in named}), pairs=tuple(named))


def alike_across(sheet: Sheet, copied: npt.NDArray[np.bool_], random: np.random.RandomState) -> Alike | None:
    """Find held-out pictures that show what one to learn from shows; those that equal one are left aside."""
    if not _is_enough(sheet) or not sheet.n_val:
        return None
    assert sheet.small is not None
    rows = np.sort(random.permutation(sheet.n_val)[:MAX_QUERIES])
    rows = rows[~copied[rows]]
    if not len(rows):
        return Alike(n_looked_at=0)
    other = _likenesses(sheet.small[sheet.n_train + rows], sheet.small[: sheet.n_train], None, random)
    found = np.flatnonzero(other >= 0)
    pairs = tuple(zip(rows[found].tolist(), other[found].tolist(), strict=True))
    return Alike(n_looked_at=len(rows), n_alike=len(pairs), pairs=pairs)


def _is_enough(sheet: Sheet) -> bool:
    return sheet.small is not None and sheet.n_train >= MIN_PICTURES and min(sheet.small.shape[1:]) >= MIN_SIDE


def _likenesses(queries: Small, others: Small, own: Places | None, random: np.random.RandomState) -> Places:
    """Return for each query the place of the one that shows the same, or -1."""
    blurred, reference = _blurred(queries), _blurred(others)
    points = _coarse_points(reference, blurred, random)
    k = min(K, len(others) // 2)
    _, candidates = nearest(points[len(others) :], points[: len(others)], k, own)
    left = _unexplained(blurred, reference, candidates.astype(np.int64))
    best = left.argmin(axis=1)
    queried = np.arange(len(queries))
    # Nothing is like a blank picture, and a blank one is like nothing: the equal ones are known already.
    blank = is_blank(np.concatenate([others, queries]))[len(others) :]
    is_same = (left[queried, best] < SAME * np.median(left, axis=1)) & ~blank
    return np.where(is_same, candidates[queried, best], -1)


def _blurred(small: Small) -> Small:
    """Weigh each pixel with its neighbours, 1 to 2 to 1 either way: then a shift is nearly what the slopes say."""
    for axis in (1, 2):
        n = small.shape[axis]
        places = np.arange(n)
        before, after = np.maximum(places - 1, 0), np.minimum(places + 1, n - 1)
        small = (small.take(before, axis) + 2 * small + small.take(after, axis)) / 4
    return small


def _coarse_points(reference: Small, queries: Small, random: np.random.RandomState) -> npt.NDArray[np.float64]:
    """Place pictures, those of reference first, where brightness and contrast do not matter."""
    both = np.concatenate([reference, queries])
    down, across = (averages(size, COARSE) for size in both.shape[1:])
    coarse = _blurred(down @ both @ across.T)
    flat = coarse.reshape(len(both), -1).astype(np.float64)
    flat -= flat.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(flat, axis=1)
    flat /= np.maximum(norms, BLANK * np.median(norms) + 1e-12)[:, None]
    return components(flat, len(flat), random)


def _unexplained(queries: Small, others: Small, candidates: Places) -> npt.NDArray[np.float64]:
    """Return what each candidate leaves unexplained, (n_queries, k): at its place, and shifted if it is a near one."""
    used, places = np.unique(candidates, return_inverse=True)
    others, places = others[used], places.reshape(candidates.shape)
    left = _left(queries, others, places, 0, 0)
    rows = np.arange(len(queries))[:, None]
    nearest_ones = np.argsort(left, axis=1, kind="stable")[:, :N_SHIFTED]
    for down, across in itertools.product((-1, 0, 1), repeat=2):
        if down or across:
            shifted = _left(queries, others, places[rows, nearest_ones], down, across)
            left[rows, nearest_ones] = np.minimum(left[rows, nearest_ones], shifted)
    return left


def _left(queries: Small, others: Small, places: Places, down: int, across: int) -> npt.NDArray[np.float64]:
    r"""Return what a candidate leaves unexplained of each query, as a share of the query's deviation.

    Parameters
    ----------
    queries : array of shape (n_queries, height, width)
    others : array of shape (n_others, height, width)
    places : int array of shape (n_queries, k)
        The candidates of each query.
    down, across : int
        Pixels by which they are shifted.

    Returns
    -------
    array of shape (n_queries, k)
        0 where gain, offset and a shift turn the candidate into the query, 1 where they do not help.

    Notes
    -----
    Least squares of the query on the candidate, its two slopes and a constant. The slopes are the parts of a pixel
    beside the whole ones: a picture that is shifted by a little is the picture plus its slopes times the shift.

    References
    ----------
    Simard, LeCun and Denker, "Efficient Pattern Recognition Using a New Transformation Distance", NeurIPS 1993.
    """
    height, width = queries.shape[1:]
    scale = float(np.abs(others).max()) or 1.0
    parts = np.stack([others, *np.gradient(others, axis=(1, 2))], axis=1) / scale
    a = (queries[:, _inner(height, down), _inner(width, across)] / scale).reshape(len(queries), -1)
    a = a - a.mean(axis=1, keepdims=True)
    F = parts[:, :, _inner(height, -down), _inner(width, -across)].reshape(len(others), 3, -1)
    F = F - F.mean(axis=2, keepdims=True)
    gram = (F @ F.transpose(0, 2, 1)).astype(np.float64)
    ridge = 1e-6 * np.trace(gram, axis1=1, axis2=2) + 1e-12
    inverse = np.linalg.inv(gram + ridge[:, None, None] * np.eye(3))
    total = np.maximum(np.sum(a * a, axis=1, dtype=np.float64), 1e-12)
    left = np.empty(places.shape)
    for k, chosen in enumerate(places.T):
        b = (F[chosen] @ a[:, :, None])[:, :, 0].astype(np.float64)
        explained = np.einsum("qi,qij,qj->q", b, inverse[chosen], b)
        left[:, k] = np.sqrt(np.clip(1 - explained / total, 0, 1))
    return left


def _inner(size: int, shift: int) -> slice:
    """Take what is left after a shift, without the border, where slopes are one-sided."""
    return slice(max(shift, 0) + 1, size + min(shift, 0) - 1)
