"""Cutting planes once more, where the decision may change."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from planefold.core.errors import ParameterError, show
from planefold.core.records import Record
from planefold.networks.affine import Fold, Node, PiecewiseLinearNet
from planefold.reading.slices.cuts import Ints, Subdivision
from planefold.reading.slices.plane_cuts import subdivide
from planefold.reading.slices.planes import Planes


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
        """Cut where an output is at the threshold, or where one output exceeds the largest of those before it."""
        level = level_of(planes.net, threshold)
        subdivision = subdivide(
            deciding(planes.net, level),
            planes.subdivision,
            source=(deciding(planes.source, level), planes.origin, planes.directions),
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


def level_of(net: PiecewiseLinearNet, threshold: float | None) -> float:
    """Return the value of the output, or difference of two outputs, above which a row is of class 1."""
    if threshold is None:
        return 0.0
    is_probability = net.link != "identity"
    if net.n_outputs > 2 or (net.n_outputs == 2 and not is_probability):
        raise ParameterError(
            f"threshold={show(threshold)} has no meaning with {net.n_outputs} outputs: the largest one decides",
            hint="leave it out",
        )
    if not (0 < threshold < 1 if is_probability else math.isfinite(threshold)):
        allowed = "a probability between 0 and 1" if is_probability else "a finite value of the output"
        raise ParameterError(f"threshold={show(threshold)} is not {allowed}")
    return math.log(threshold / (1 - threshold)) if is_probability else float(threshold)


def deciding(net: PiecewiseLinearNet, level: float) -> PiecewiseLinearNet:
    """Add folds at ``output - level``, or at ``output c - largest of the outputs before``, for c = 1, 2, ..."""
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
                bias=np.array([-level]),
                fold=Fold(layer="decision"),
            )
        )
    nodes.append(Node(sources=(len(nodes),), matrices=(None,), bias=np.zeros(1)))
    return replace(net, nodes=tuple(nodes), output_names=())
