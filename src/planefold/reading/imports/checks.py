"""What every import is held to: the affine form gives what the model itself gives, and ends where bends begin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax

from planefold.core.errors import NotPiecewiseLinearError
from planefold.core.records import Record
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.networks.affine_builder import Value

N_POINTS = 16

#: What a model may do with its last sums, and which link of a PiecewiseLinearNet that is.
ENDS: dict[str, tuple[str, Callable[[Floats], Floats]]] = {
    "": ("identity", lambda z: z),
    "sigmoid": ("logistic", expit),
    "log_sigmoid": ("logistic", log_expit),
    "softmax": ("softmax", lambda z: np.asarray(softmax(z, axis=1))),
    "log_softmax": ("softmax", lambda z: np.asarray(log_softmax(z, axis=1))),
}

WHAT_NOW = (
    "it can still be used, diagnosed and reported; to read it exactly, train it with ReLU there, or read the layers "
    "before it, as a model of their own"
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Ended(Record):
    """Sums to which a sigmoid or softmax (``end``) was applied: nothing may follow but another shape.

    Where ``end`` is none of :data:`ENDS`, nothing may come of it at all: the places of maxima, for example.
    """

    value: Value
    end: str
    where: str

    def after(self, found: Any, here: str) -> Ended:
        """Go on with the numbers in another shape; ``found`` is what became of the sums.

        Raises
        ------
        NotPiecewiseLinearError
            If the numbers are no longer the same ones.
        """
        if isinstance(found, Value) and found.terms is self.value.terms:
            return replace(self, value=found)
        raise NotPiecewiseLinearError(
            f"{self.where} computes a {self.end}, which is not piecewise linear, and {here} goes on with it",
            details=f"a {self.end} can be read only as the very last step of a model" if self.end in ENDS else None,
            hint=WHAT_NOW,
        )


def points(n_inputs: int, center: Floats | float = 0.0, scale: Floats | float = 1.0) -> Floats:
    """Return points near and far, the same every time."""
    rng = np.random.default_rng(0)
    reach = np.geomspace(0.1, 10.0, N_POINTS)[:, None]
    return np.asarray(center + scale * reach * rng.standard_normal((N_POINTS, n_inputs)))


def check(net: PiecewiseLinearNet, X: Floats, expected: Floats, *, tolerance: float, end: str = "") -> None:
    """Compare outputs with the model's own.

    Parameters
    ----------
    tolerance : float
        Largest difference, as a share of the largest number.
    end : str
        What of :data:`ENDS` the model does at last and the affine form leaves out.

    Raises
    ------
    NotPiecewiseLinearError
        If they differ.
    """
    sums = net.outputs(X)
    found = ENDS[end][1](sums)
    expected = np.asarray(expected, dtype=np.float64).reshape(len(X), -1)
    if not np.isfinite(expected).all():
        return  # beyond the range of numbers there is nothing to compare
    if found.shape == expected.shape:
        # A saturated link is as exact as the sums that it is made of.
        size = max(np.abs(expected).max(initial=1e-300), np.abs(sums).max(initial=0.0) if end else 0.0)
        difference = np.abs(found - expected).max(initial=0.0) / size
        if difference <= tolerance:
            return
        what = f"on {len(X)} random points they differ by {difference:.1e} of the largest output"
    else:
        what = f"it gives {expected.shape[1]} outputs for a row, and its affine form {found.shape[1]}"
    raise NotPiecewiseLinearError(
        f"{net.description} does not compute what its layers say, so it is not read",
        details=what,
        hint="layers that depend on chance, on the other rows of a batch, on stored state, or that change a tensor "
        "in place while a slice of it is used elsewhere cannot be read; rewrite these",
    )
