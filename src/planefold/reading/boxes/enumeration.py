"""All regions of a box in any number of dimensions, or how many there are."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from planefold.core.errors import ParameterError, show, unknown_choice
from planefold.core.records import Record, counted
from planefold.networks.affine import Floats, PiecewiseLinearNet, Signs
from planefold.reading.boxes.density import count_along_lines
from planefold.reading.boxes.local_systems import Ints, LocalSystems, as_box
from planefold.reading.boxes.regions import Region, region
from planefold.reading.boxes.subdivision import BoxComplex, NotGenericError, subdivide
from planefold.reading.boxes.walk import Walk, walk
from planefold.reading.capacity import Bounds, bounds
from planefold.reading.certificate import SAFE_GAP, Certificate
from planefold.reading.models import from_model
from planefold.reading.slices.chains import connected
from planefold.reading.slices.tiles import count_in_window

METHODS = ("auto", "subdivision", "walk")
# Beyond, a region has so many corners (13 of its own in 8 dimensions) that walking is the better way.
SUBDIVISION_UP_TO = 8
# Room for corners and edges; while these are cut, some four times as much is needed.
BYTES_AT_MOST = 2**29
# Affine maps that differ by less than this share of the largest coefficients are one.
SAME_MAP = 1e-9


@dataclass(frozen=True, kw_only=True)
class RegionCount:
    """How many activation regions there are in a box.

    Parameters
    ----------
    n_regions : int
        Exactly so many when ``complete``; otherwise there are at least so many.
    complete : bool
    method : str
        "window" (of two inputs), "subdivision" or "walk".
    expected : float
        What the creases on random lines led to expect, before anything was counted.
    certificate : Certificate
    """

    n_regions: int
    complete: bool
    method: str
    expected: float
    certificate: Certificate

    def __str__(self) -> str:
        if self.complete:
            return f"{self.n_regions:,} activation regions ({self.certificate})"
        return f"at least {self.n_regions:,} activation regions; about {self.expected:.2g} are expected"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Regions(Record):
    """The activation regions of a box.

    Parameters
    ----------
    net : PiecewiseLinearNet
    box : tuple of ndarrays (lower, upper)
    patterns : int8 ndarray of shape (n_regions, n_units)
        Each region's sides of all creases; no two are equal.
    witnesses : ndarray of shape (n_regions, n_inputs)
        A point strictly inside each region.
    adjacency : int ndarray of shape (n_walls, 2)
        Pairs of regions that share a facet, each pair once.
    wall_units : int ndarray of shape (n_walls,)
        A unit whose crease the facet lies on.
    complete : bool
        Whether these are all regions of the box.
    method : str
        "subdivision" or "walk".
    expected : float
        What the creases on random lines led to expect, before anything was enumerated.
    certificate : Certificate
    """

    net: PiecewiseLinearNet
    box: tuple[Floats, Floats]
    patterns: Signs
    witnesses: Floats
    adjacency: Ints
    wall_units: Ints
    complete: bool
    method: str
    expected: float
    certificate: Certificate

    @cached_property
    def bounds(self) -> Bounds:
        """How many regions the network could have at most."""
        return bounds(self.net)

    @property
    def n_regions(self) -> int:
        """How many activation regions were found."""
        return len(self.patterns)

    @cached_property
    def _maps(self) -> tuple[Floats, Floats]:
        return self.net.local_maps(self.patterns)

    @property
    def coefs(self) -> Floats:
        """What the outputs change by per unit of each input, (n_regions, n_outputs, n_inputs)."""
        return self._maps[0]

    @property
    def intercepts(self) -> Floats:
        """Outputs are ``coefs @ x + intercepts`` in each region, (n_regions, n_outputs)."""
        return self._maps[1]

    @cached_property
    def pieces(self) -> Ints:
        """Which linear piece each region belongs to, (n_regions,): neighbours with equal affine maps are one piece."""
        coefs, intercepts = self._maps
        maps = np.concatenate([coefs.reshape(self.n_regions, -1), intercepts], axis=1)
        size = np.abs(maps).max(initial=0.0)
        first, second = self.adjacency.T
        same = np.abs(maps[first] - maps[second]).max(axis=1, initial=0.0) <= SAME_MAP * size
        return connected(self.adjacency[same].T, self.n_regions)

    @property
    def n_pieces(self) -> int:
        """How many linear pieces the regions make up."""
        return int(self.pieces.max(initial=-1)) + 1

    def region(self, number: int) -> Region:
        """Return one of the regions with its inequalities, those of the box among them."""
        return region(self.net, self.witnesses[number], box=self.box)

    def __str__(self) -> str:
        found = f"{counted(self.n_regions, 'activation region')}, {counted(self.n_pieces, 'linear piece')}"
        if self.complete:
            return f"{found} ({self.certificate})"
        return f"at least {found}; about {self.expected:.2g} regions are expected"


def regions(
    model: Any,
    box: Any,
    *,
    max_regions: int = 100_000,
    time_limit: float | None = None,
    method: str = "auto",
) -> Regions:
    """Find all activation regions of a network in a box.

    Parameters
    ----------
    model : estimator, PiecewiseLinearNet or whatever ``from_model`` reads
    box : (lower, upper)
        Numbers, or arrays of one for each input.
    max_regions : int
        How many regions to find at most.
    time_limit : float, optional
        Seconds after which what has been found is returned.
    method : {"auto", "subdivision", "walk"}
        "subdivision" cuts the edges of the box at all creases, which is fast up to eight inputs but needs creases in
        general position. "walk" goes from region to region; it needs no general position and works with any number of
        inputs, with some thousand regions a second in few dimensions and some hundred in eight. "auto" subdivides where
        it can.

    Returns
    -------
    Regions
        When the limit or the time is reached, what the walk has found by then, with ``complete=False``.

    Raises
    ------
    ParameterError
        If ``method="subdivision"`` is asked for and cannot work.

    Notes
    -----
    The number of regions grows with the number of units to the power of the number of inputs. What random lines let
    expect is known within milliseconds and is in the result as ``expected``.
    """
    task = _Task(model, box, max_regions=max_regions, time_limit=time_limit, method=method)
    found = task.complex_of()
    if found is not None and found.finished:
        n_cells = found.n_cells()
        if n_cells <= max_regions:
            return _of_complex(task, found)
        if method == "subdivision":
            raise ParameterError(
                f"there are {n_cells:,} activation regions in the box",
                details=f"max_regions={max_regions:,}",
                hint=f"give max_regions={n_cells}, or count_regions, which lists none of them",
            )
    if found is not None and method == "subdivision":
        raise ParameterError(
            f"there was no room or no time for all creases; at least {found.n_cells():,} activation regions are there",
            details=f"about {task.expected:.2g} are expected",
            hint="give a smaller box or a longer time_limit, or method='walk' for a part of them",
        )
    return _of_walk(task, task.walked())


def count_regions(
    model: Any, box: Any, *, max_regions: int = 1_000_000, time_limit: float | None = None, method: str = "auto"
) -> RegionCount:
    r"""Count the activation regions of a network in a box, without building any.

    Parameters
    ----------
    model, box, method
        As in :func:`regions`.
    max_regions : int
        How many to count, roughly; a bit more may be found.
    time_limit : float, optional
        Seconds after which "at least so many" is returned.

    Returns
    -------
    RegionCount

    Notes
    -----
    Every region of a box is a convex polyhedron, and has one lowest corner with respect to a direction in general
    position. In general position, a corner of ``d`` creases is the lowest of as many regions as there are ways to take
    one rising edge that leaves each of its creases, so that

    .. math:: R = \sum_{v} \prod_{j=1}^{d} u_j(v),

    where ``u_j(v)`` is 0, 1 or 2: how many edges at ``v`` leave its crease ``j`` and rise. Zaslavsky's theorem can be
    proved by this argument for hyperplanes in general position. That creases bend at each other changes nothing in it,
    since near a corner they part the space as hyperplanes do.

    Examples
    --------
    >>> import numpy as np
    >>> from planefold.networks.affine_builder import Builder
    >>> builder = Builder((3,))
    >>> hidden = builder.fold(builder.affine(builder.input, np.eye(3), [0.1, 0.2, 0.3]), layer="hidden 1")
    >>> net = builder.finish(builder.affine(hidden, np.ones((3, 1))))
    >>> count_regions(net, (-1, 1)).n_regions
    8
    """
    task = _Task(model, box, max_regions=max_regions, time_limit=time_limit, method=method)
    if method == "auto" and task.net.n_inputs == 2 and time_limit is None:
        return _in_window(task, max_regions)
    found = task.complex_of()
    if found is not None:
        return RegionCount(
            n_regions=found.n_cells(),
            complete=found.finished,
            method="subdivision",
            expected=task.expected,
            certificate=_certificate(task.net, found),
        )
    walked = task.walked()
    return RegionCount(
        n_regions=walked.n_known,
        complete=walked.complete,
        method="walk",
        expected=task.expected,
        certificate=_finished(walked.certificate, walked.complete),
    )


def _in_window(task: _Task, max_regions: int) -> RegionCount:
    """Count as a window of the plane, which is faster, and where more than two creases may cross in one point.

    As everywhere in boxes, creases that differ by no more than rounding are one.
    """
    lower, upper = task.box
    counted = count_in_window(
        task.net, ((lower[0], upper[0]), (lower[1], upper[1])), max_regions=max_regions, on_limit="stop", snap=True
    )
    return RegionCount(
        n_regions=counted.n_regions,
        complete=counted.n_regions <= max_regions,
        method="window",
        expected=task.expected,
        certificate=counted.certificate,
    )


class _Task:
    """What is asked for, checked, and what can be expected."""

    def __init__(self, model: Any, box: Any, *, max_regions: int, time_limit: float | None, method: str) -> None:
        if method not in METHODS:
            raise unknown_choice("method", method, METHODS)
        if max_regions < 1:
            raise ParameterError(f"max_regions={show(max_regions)} must be at least 1")
        if time_limit is not None and not time_limit > 0:
            raise ParameterError(f"time_limit={show(time_limit)} must be positive, or None")
        self.net = from_model(model)
        self.box = as_box(box, self.net.n_inputs)
        self.max_regions, self.method = max_regions, method
        self.deadline = None if time_limit is None else time.monotonic() + time_limit
        self.expected = count_along_lines(self.net, self.box, n_lines=64).expected_regions

    def complex_of(self) -> BoxComplex | None:
        """Subdivide the box, unless walking is asked for or needed."""
        d = self.net.n_inputs
        if self.method == "walk" or (self.method == "auto" and d > SUBDIVISION_UP_TO):
            return None
        # About as many corners as the limit allows: measured are 1 for each region in 2 dimensions, up to 13 in 8.
        wanted = self.max_regions * 2 ** (d / 2)
        # A corner has d coordinates and d creases, a fold's sums, and about d / 2 + 2 edges of d - 1 creases.
        widest = max((stop - start for _, start, stop in self.net.folds), default=0)
        room = BYTES_AT_MOST // (10 * d + 8 + 8 * widest + (d / 2 + 2) * (2 * d + 16))
        room = min(room, wanted)
        if 2**d > room:
            if self.method == "auto":
                return None
            raise ParameterError(
                f"a box of {d} inputs has 2**{d} corners, too many to subdivide",
                details=f"there is room for {int(room):,}",
                hint="method='walk' works with any number of inputs",
            )
        try:
            return subdivide(self.net, *self.box, max_corners=int(room), deadline=self.deadline)
        except NotGenericError:
            if self.method == "auto":
                return None
            raise ParameterError(
                "method='subdivision' needs creases in general position, and here some coincide or too many cross in "
                "one point",
                hint="method='walk' reads such networks too; method='auto' does so by itself",
            ) from None

    def walked(self) -> Walk:
        """Walk through the box from its middle."""
        centre = (self.box[0] + self.box[1]) / 2
        start = region(self.net, centre, box=self.box)
        return walk(
            LocalSystems(self.net),
            start,
            limit=self.max_regions,
            deadline=self.deadline,
            expected=min(self.max_regions, math.ceil(min(self.expected, 1e15))),
        )


def _certificate(net: PiecewiseLinearNet, found: BoxComplex) -> Certificate:
    certificate = Certificate(largest_zero=found.residual(net), smallest_nonzero=found.smallest_nonzero)
    if certificate.gap < SAFE_GAP:
        why = f"sums that are 0 and sums that are not differ by a factor of {certificate.gap:.0f} only"
        return replace(certificate, exact=False, why_not=why)
    return _finished(certificate, found.finished)


def _finished(certificate: Certificate, complete: bool) -> Certificate:
    if complete or not certificate.exact:
        return certificate
    return replace(certificate, exact=False, why_not="the limit was reached before all regions were found")


def _of_walk(task: _Task, walked: Walk) -> Regions:
    return Regions(
        net=task.net,
        box=task.box,
        patterns=walked.patterns,
        witnesses=walked.points,
        adjacency=walked.pairs,
        wall_units=walked.units,
        complete=walked.complete,
        method="walk",
        expected=task.expected,
        certificate=_finished(walked.certificate, walked.complete),
    )


def _of_complex(task: _Task, found: BoxComplex) -> Regions:
    points, hashes = found.cells()
    pairs, units = found.walls(hashes)
    patterns = LocalSystems(task.net).sides(points).signs
    certificate = _certificate(task.net, found)
    n_distinct = len(np.unique(np.packbits(patterns > 0, axis=1), axis=0))
    if n_distinct < len(patterns) and not (patterns == 0).any():
        why = f"{len(patterns) - n_distinct} regions are too thin to tell their patterns in double precision"
        certificate = replace(certificate, exact=False, why_not=why)
    return Regions(
        net=task.net,
        box=task.box,
        patterns=patterns,
        witnesses=points,
        adjacency=pairs,
        wall_units=units,
        complete=True,
        method="subdivision",
        expected=task.expected,
        certificate=certificate,
    )
