"""Piecewise-linear curves of one number: an output along a feature, or a unit along the input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from planefold.core.errors import ParameterError, show
from planefold.core.records import Record
from planefold.networks.affine import Floats, Ints


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Curve(Record):
    """A piecewise-linear curve, given by its values at its kinks and at its ends; straight between.

    Parameters
    ----------
    t : ndarray of shape (n_points,)
        Increasing.
    values : ndarray of shape (n_points,)
    error : float
        By how much it may be off anywhere: 0 for an exact curve, more for one that was thinned.
    """

    t: Floats
    values: Floats
    error: float = 0.0

    def __call__(self, t: npt.ArrayLike) -> Floats:
        """Evaluate the curve at places within its ends; outside it stays at its ends' values."""
        return np.asarray(np.interp(np.asarray(t, dtype=np.float64), self.t, self.values))

    @property
    def slopes(self) -> Floats:
        """Slope of each piece, (n_points - 1,)."""
        return np.diff(self.values) / np.diff(self.t)

    def thinned(self, tolerance: float | None = None) -> Curve:
        """Return a curve of fewer points that is nowhere further off than ``tolerance``.

        Parameters
        ----------
        tolerance : float, optional
            In units of the values; by default a thousandth of the range of the values, less than a pixel.

        Returns
        -------
        Curve
            Its ``error`` is what it really is off by, added to the error of this one.

        References
        ----------
        Ramer, "An iterative procedure for the polygonal approximation of plane curves", 1972; here all stretches are
        divided at once, and distances are vertical.
        """
        if tolerance is None:
            tolerance = float(np.ptp(self.values)) / 1000
        if not tolerance >= 0:
            raise ParameterError(f"tolerance={show(tolerance)} is not 0 or more")
        kept = np.zeros(len(self.t), dtype=bool)
        kept[[0, -1]] = True
        while True:
            off = np.abs(np.interp(self.t, self.t[kept], self.values[kept]) - self.values)
            firsts = np.flatnonzero(kept)[:-1]
            worst = np.maximum.reduceat(off, firsts)
            if (worst <= tolerance).all():
                return Curve(t=self.t[kept], values=self.values[kept], error=self.error + float(off.max()))
            # In each stretch that is too far off, the first point that is worst.
            stretch = np.cumsum(kept) - 1
            stretch[-1] = len(firsts) - 1
            is_worst = np.flatnonzero((off == worst[stretch]) & (off > tolerance))
            _, first = np.unique(stretch[is_worst], return_index=True)
            kept[is_worst[first]] = True


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Curves(Record):
    """Many piecewise-linear curves, one after the other; ``curves[i]`` is the :class:`Curve` number ``i``.

    Parameters
    ----------
    starts : int ndarray of shape (n_curves + 1,)
        Curve ``i`` has the points ``starts[i]`` to ``starts[i + 1] - 1``.
    t, values : ndarray of shape (n_points,)
    """

    starts: Ints
    t: Floats
    values: Floats

    def __str__(self) -> str:
        return f"{len(self):,} curves"

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, number: int) -> Curve:
        if not -len(self) <= number < len(self):
            raise IndexError(f"curve {number} does not exist: there are {len(self)}, counted from 0")
        number %= len(self)
        mine = slice(self.starts[number], self.starts[number + 1])
        return Curve(t=self.t[mine], values=self.values[mine])

    def __iter__(self) -> Iterator[Curve]:
        return (self[number] for number in range(len(self)))
