"""The planes of a piecewise-linear network on a part of a plane: all of them, and exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import ParameterError, show
from planefold.reading.slices.cuts import Subdivision
from planefold.reading.slices.estimates import refuse_too_many, too_many
from planefold.reading.slices.fold_cuts import RegionLimitError
from planefold.reading.slices.plane_cuts import subdivide
from planefold.reading.slices.records import Planes
from planefold.reading.slices.restrictions import restriction_of
from planefold.reading.slices.windows import window_corners


def planes(
    model: Any,
    window: Any,
    *,
    origin: npt.ArrayLike | None = None,
    directions: Any = None,
    max_regions: int = 1_000_000,
    snap: bool = False,
) -> Planes:
    """Cut a part of a plane through the input space into the regions on which a network is affine.

    Parameters
    ----------
    model : estimator, torch module, path of a file, or PiecewiseLinearNet
        What :func:`planefold.reading.from_model` reads.
    window : ((u0, u1), (v0, v1)) or array-like of shape (n_corners, 2)
        A rectangle or a convex polygon, in the coordinates (u, v) of the plane.
    origin : array-like of shape (n_inputs,), optional
        The point of the input space where u = v = 0; zero by default.
    directions : array-like of shape (2, n_inputs), or two inputs by number or name
        Where u and v lead. They need not be orthonormal; lengths and areas are those of (u, v). With two inputs these
        by default.
    max_regions : int
        Give up when there are more.
    snap : bool
        Take creases for one that differ by no more than rounding (1e-12 of the unit's largest sum), as they do where
        0.1 + 0.2 should have met 0.3. By default they are two with a sliver between them, as the weights say exactly.

    Returns
    -------
    Planes

    Raises
    ------
    DataError
        If the window is empty, unbounded or not convex, or the plane is none or does not fit the model.
    ParameterError
        If there are more regions than ``max_regions``, or than memory has room for, or a plane is not chosen.
    NotPiecewiseLinearError
        If the model bends between its creases.

    Notes
    -----
    One pass of the network for each vertex, and otherwise work in proportion to what comes out: in the order of 100,000
    regions a second. Every region is there, however small: nothing is sampled. Sums that are 0 but for rounding are
    decided in rational arithmetic, by the model's own weights as they are. Where this would take more than seconds, as
    in wide networks with whole layers of coincident creases, creases that differ by rounding count as one;
    ``.certificate`` says how many signs were decided in rationals, and how far apart the others are.

    References
    ----------
    Berzins, "Polyhedral Complex Extraction from ReLU Networks using Edge Subdivision", ICML 2023. Humayun et al.,
    "SplineCam: Exact Visualization and Characterization of Deep Network Geometry and Decision Boundaries", CVPR 2023.

    Examples
    --------
    Two units cut a square along its diagonals:

    >>> from planefold.networks.affine_builder import Builder
    >>> builder = Builder((2,))
    >>> sums = builder.affine(builder.input, np.array([[1.0, 1.0], [1.0, -1.0]]))
    >>> net = builder.finish(builder.affine(builder.fold(sums, layer="hidden 1"), np.ones((2, 1))))
    >>> found = planes(net, ((-1, 1), (-1, 1)))
    >>> found.n_regions, found.areas.tolist()
    (4, [1.0, 1.0, 1.0, 1.0])
    """
    if not isinstance(max_regions, int | np.integer) or max_regions < 1:
        raise ParameterError(f"max_regions={show(max_regions)} is no number of regions", hint="give 1 or more")
    restriction, corners = restriction_of(model, origin, directions), window_corners(window)
    refuse_too_many(restriction.net, corners, int(max_regions))
    try:
        subdivision = subdivide(restriction, Subdivision.of_window(corners), max_regions=int(max_regions), snap=snap)
    except RegionLimitError as limit:
        if limit.args[0] > max_regions:
            raise too_many(int(max_regions), f"{limit.args[0]:,} were there when it stopped") from None
        raise ParameterError(
            f"the window has more than {limit.args[0]:,} activation regions, for which there is no memory",
            hint="take a smaller window; tiled cuts it part by part, and count_in_window counts so",
        ) from None
    return Planes(**vars(restriction), window=corners, subdivision=subdivision, snap=snap)
