"""Positive, negative or zero: the one question that a subdivision asks, and how sure the answers are."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from planefold.networks.affine import Floats, Signs
from planefold.reading.certificate import TOLERANCE, Certificate

# Rounding leaves about 1e-15 of a sum that is zero, and genuine sums were never seen below 1e-9 of the unit's size.
# What lies between these two shares is therefore in doubt, and decided in rationals.
SURELY_ZERO, SURELY_NOT = 1e-13, 1e-10
# A unit whose sums cancel (huge weights, a window far from the origin) is measured by this times its rounding error, so
# that the error is below the tolerance.
OFF = 5e13
VALUES_AT_ONCE = 2**18  # numbers per piece of rows, which stays in the cache

# Sums of unit numbers at vertex numbers, with exact signs: of as many as there is time for, the first ones.
Exact = Callable[[npt.NDArray[np.int64], npt.NDArray[np.int64]], Floats]


class OutOfWorkError(Exception):
    """More signs were to be decided in rationals than there is time for."""


class SignJudge:
    """Decides signs, and keeps what a :class:`Certificate` says.

    Parameters
    ----------
    exact : callable (vertices, units) -> ndarray
        Computes sums in rationals.
    snap : bool
        Whether sums below the tolerance are taken for zero, and only those in doubt are decided in rationals; else all
        are that might be zero.
    """

    def __init__(self, exact: Exact, *, snap: bool) -> None:
        self.exact = exact
        self.snap = snap
        self.largest_zero = 0.0
        self.smallest_nonzero = math.inf
        self.n_rational = 0
        self.n_undecided = 0

    def of_vertices(self, z: Floats, scale: Floats, first: int) -> Signs:
        """Return the signs of sums (n_vertices, n_units) of the units from ``first`` on; sums near 0 are corrected."""
        signs = np.empty(z.shape, dtype=np.int8)
        step = max(1, VALUES_AT_ONCE // max(1, z.shape[1]))
        usable = np.where(scale > 0, scale, 1.0)
        for start in range(0, len(z), step):
            piece = z[start : start + step]
            share = np.abs(piece)
            share /= usable
            smallest = float(share.min(initial=math.inf))
            if smallest <= SURELY_NOT:
                rows, columns = np.nonzero(share <= SURELY_NOT)
                near = share[rows, columns]
                piece[rows, columns] = self._near(piece[rows, columns], near, rows + start, columns + first)
                share[rows, columns] = math.inf
                smallest = float(share.min(initial=math.inf))
                signs[start : start + step] = np.sign(piece)
            else:
                signs[start : start + step] = (piece > 0) * np.int8(2) - np.int8(1)
            self.smallest_nonzero = min(self.smallest_nonzero, smallest)
        return signs

    def of_pairs(
        self, z: Floats, scale: Floats, vertices: npt.NDArray[np.int64], units: npt.NDArray[np.int64]
    ) -> Floats:
        """Return single sums whose signs are right; ``scale``, ``vertices`` and ``units`` are as long as ``z``."""
        share = np.abs(z) / scale
        near = np.flatnonzero(share <= SURELY_NOT)
        if len(near):
            z = z.copy()
            z[near] = self._near(z[near], share[near], vertices[near], units[near])
            share[near] = math.inf
        self.smallest_nonzero = min(self.smallest_nonzero, float(share.min(initial=math.inf)))
        return z

    def _near(self, z: Floats, share: Floats, vertices: npt.NDArray[np.int64], units: npt.NDArray[np.int64]) -> Floats:
        decided = np.where(share <= TOLERANCE, 0.0, z)
        doubtful = np.flatnonzero(share > (SURELY_ZERO if self.snap else -1.0))
        found = self.exact(vertices[doubtful], units[doubtful]) if len(doubtful) else np.zeros(0)
        told = doubtful[: len(found)]
        if len(told) < len(doubtful) and not self.snap:
            raise OutOfWorkError
        decided[told] = found
        self.n_rational += len(told)
        self.n_undecided += len(doubtful) - len(told)
        snapped = np.ones(len(share), dtype=bool)
        snapped[told] = False  # what was decided in rationals needs no gap
        zeros, others = share[snapped & (decided == 0)], share[snapped & (decided != 0)]
        self.largest_zero = max(self.largest_zero, float(zeros.max(initial=0.0)))
        self.smallest_nonzero = min(self.smallest_nonzero, float(others.min(initial=math.inf)))
        return decided

    def certificate(self) -> Certificate:
        """Say what the signs so far rest on."""
        why_not = ""
        if self.n_undecided:
            why_not = (
                f"{self.n_rational + self.n_undecided:,} signs were too close to tell, and there was time to decide "
                f"{self.n_rational:,} of them in rational arithmetic"
            )
        return Certificate(
            exact=not why_not,
            largest_zero=self.largest_zero,
            smallest_nonzero=self.smallest_nonzero,
            n_rational=self.n_rational,
            why_not=why_not,
        )
