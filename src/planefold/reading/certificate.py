"""How sure a reading is: which signs were zero, which were not, and how far the two lie apart."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

# Sums below this share of the unit's largest are taken for 0. Rounding leaves about 1e-15, and genuine sums were never
# seen below 1e-9.
TOLERANCE = 1e-12
# Between what was taken for 0 and what was not must lie this factor; else the signs near it are decided in rationals
# (lines), or the reading says that it is not exact (boxes). Slices decide every sign near 0 in rationals.
SAFE_GAP = 100.0


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What a reading rests on.

    Parameters
    ----------
    exact : bool
        Whether every sign was certain and nothing was left out.
    largest_zero : float
        The largest sum that was taken for zero, as a share of its unit's largest sum; 0 when none was.
    smallest_nonzero : float
        The smallest sum that was taken for not zero, as a share of its unit's largest; infinite when none was.
    n_rational : int
        How many signs were too close to tell and were decided in exact rational arithmetic.
    why_not : str
        Why the reading is not exact; "" when it is.
    """

    exact: bool = True
    largest_zero: float = 0.0
    smallest_nonzero: float = math.inf
    n_rational: int = 0
    why_not: str = ""

    @property
    def gap(self) -> float:
        """Factor between the smallest sum that counts and the largest that does not; infinite when it is clear."""
        return math.inf if self.largest_zero == 0 else self.smallest_nonzero / self.largest_zero

    def __str__(self) -> str:
        if not self.exact:
            return f"not exact: {self.why_not}"
        said = "exact: every sign was clear"
        if self.largest_zero > 0:
            said = f"exact: zeros up to {self.largest_zero:.0e}, others from {self.smallest_nonzero:.0e}"
        return said + (f", {self.n_rational:,} signs decided in rationals" if self.n_rational else "")


def joined(certificates: Iterable[Certificate]) -> Certificate:
    """Say what several readings rest on together."""
    parts = list(certificates)
    return Certificate(
        exact=all(one.exact for one in parts),
        largest_zero=max((one.largest_zero for one in parts), default=0.0),
        smallest_nonzero=min((one.smallest_nonzero for one in parts), default=math.inf),
        n_rational=sum(one.n_rational for one in parts),
        why_not=next((one.why_not for one in parts if one.why_not), ""),
    )
