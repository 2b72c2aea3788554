"""Cutting planes once more, where the decision may change."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from planefold.core.errors import ParameterError, show
from planefold.core.records import Record
from planefold.networks.affine import Floats, Fold, Ints, Node, PiecewiseLinearNet
from planefold.reading.slices.cuts import Subdivision
from planefold.reading.slices.plane_cuts import subdivide
from planefold.reading.slices.records import Planes, check_planes
from planefold.reading.slices.restrictions import Restriction


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Decided(Record):
    """The planes, cut once more where the decision may change.

    ``classes`` and ``regions`` give for each part its class and the activation region that it is part of; their last
    place stands for the outside, -1.
    """

    subdivision: Subdivision
    classes: Ints
    regions: Ints
    tied: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, planes: Planes, threshold: float | None) -> Decided:
        """Cut where an output is at its offset, or where one output exceeds the largest of those before it."""
        check_planes(planes)
        offsets = offsets_of(planes.net, threshold)
        subdivision = subdivide(
            Restriction(
                net=deciding(planes.net, offsets),
                source=deciding(planes.source, offsets),
                origin=planes.origin,
                directions=planes.directions,
            ),
            planes.subdivision,
            max_regions=2**31,
            snap=planes.snap,
        )
        first = len(planes.subdivision.cuts)
        n_parts = subdivision.n_regions
        regions = np.arange(n_parts)
        classes = np.zeros(n_parts, dtype=np.int64)
        undecided, tied = np.ones(n_parts, dtype=bool), np.zeros(n_parts, dtype=bool)
        # From the last class down: the first that beats all before it is the largest of all.
        for number in range(len(subdivision.cuts) - 1, first - 1, -1):
            signs = subdivision.cuts[number].patterns[regions, 0]
            wins = undecided & (signs > 0)
            tied |= undecided & (signs == 0)
            classes[wins] = number - first + 1
            undecided &= ~wins
            regions = subdivision.cuts[number].parents[regions]
        return cls(subdivision=subdivision, classes=np.append(classes, -1), regions=np.append(regions, -1), tied=tied)


def offsets_of(net: PiecewiseLinearNet, threshold: float | None) -> Floats:
    """Return what the outputs are compared with, (n_outputs,): the network's own offsets unless there is a threshold.

    Raises
    ------
    ParameterError
        If there is a threshold where there can be none, or a probability that is not between 0 and 1.
    """
    if threshold is None:
        return np.array(net.offsets)
    is_probability = net.link != "identity"
    if net.n_outputs > 2 or (net.n_outputs == 2 and not is_probability):
        raise ParameterError(
            f"threshold={show(threshold)} has no meaning with {net.n_outputs} outputs: the largest one decides",
            hint="leave it out",
        )
    is_number = isinstance(threshold, int | float | np.number)
    if not is_number or not (0 < threshold < 1 if is_probability else math.isfinite(threshold)):
        allowed = "a probability between 0 and 1" if is_probability else "a finite value of the output"
        raise ParameterError(f"threshold={show(threshold)} is not {allowed}")
    level = math.log(threshold / (1 - threshold)) if is_probability else float(threshold)
    return np.array([level] if net.n_outputs == 1 else [0.0, level])


def deciding(net: PiecewiseLinearNet, offsets: Floats) -> PiecewiseLinearNet:
    """Add folds at ``output - offset``, or at how far output c is above the largest of those before, c = 1, 2, ...

    Of several, each counts from its own offset.
    """
    n, end = net.n_outputs, len(net.nodes)
    nodes = list(net.nodes)
    for chosen in range(1, max(2, n)):
        against = np.zeros((n, 1))
        if n == 1:
            against[0] = 1.0
        else:
            # max(z_0, .., z_c) = z_0 + relu(z_1 - z_0) + ... + relu(z_c - max(z_0, .., z_(c-1)))
            against[chosen], against[0] = 1.0, -1.0
        earlier = tuple(range(end + 1, end + chosen))
        nodes.append(
            Node(
                sources=(end, *earlier),
                matrices=(against, *(-np.ones((1, 1)) for _ in earlier)),
                bias=-offsets @ against,
                fold=Fold(layer="decision"),
            )
        )
    nodes.append(Node(sources=(len(nodes),), matrices=(None,), bias=np.zeros(1)))
    return replace(net, nodes=tuple(nodes), output_names=(), offsets=())
