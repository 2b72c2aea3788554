"""Where a network is bounded: boxes, of which a ball and linear inequalities may keep only a part."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from planefold.core.records import Record
from planefold.networks.affine import Floats
from planefold.robustness.attacks import Norm, dual, length

FIRST_REACH = 1.0  # of a bound: how much more the first step of ascent aims at
SHRINK = 0.7  # of that, after a step that has not helped
N_STEPS = 8  # of ascent for each bound of a unit
VALUES_AT_ONCE = 2**20  # numbers of the inequalities that one piece of functions is bounded with


@dataclass(frozen=True, kw_only=True, eq=False)
class Ascent:
    """What multipliers have made of lower bounds of functions.

    Parameters
    ----------
    least : ndarray of shape (n_functions,)
        No function is less than this in its part of the domain.
    nearest : ndarray of shape (n_functions,)
        No point where a function is 0 or less, of those that fulfil the inequalities, is nearer to the center than
        this; zeros without a center.
    weights : ndarray of shape (n_functions, n_rows)
        The multipliers that ``least`` was found with.
    points : ndarray of shape (n_functions, n_inputs)
        The mean of the points where the bounds were met: near to where the function is least.
    """

    least: Floats
    nearest: Floats
    weights: Floats
    points: Floats


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Domain(Record):
    """Boxes of inputs, and what is known of the points in them that matter.

    Parameters
    ----------
    lower, upper : ndarray of shape (n_boxes, n_inputs)
    center : ndarray of shape (n_inputs,), optional
    radius : float
        Only points whose distance from ``center`` is no more than this, in the norm.
    norm : {"l2", "l1", "linf"}
        With "linf" the boxes must lie in the ball already.
    rows : ndarray of shape (n_boxes, n_rows, n_inputs), optional
    sides : ndarray of shape (n_boxes, n_rows), optional
        Only points where ``rows @ x + sides <= 0``. Rows of zeros say nothing; the others should have gradients of
        about one length.
    """

    lower: Floats
    upper: Floats
    center: Floats | None = None
    radius: float = 0.0
    norm: Norm = "l2"
    rows: Floats | None = None
    sides: Floats | None = None
    middle: Floats = field(init=False)
    half: Floats = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "middle", (self.lower + self.upper) / 2)
        object.__setattr__(self, "half", (self.upper - self.lower) / 2)

    def least(self, coefs: Floats, intercepts: Floats, boxes: npt.NDArray[np.int64]) -> Floats:
        """Return lower bounds of functions ``coefs @ x + intercepts``, each in its box; exact in a box alone."""
        if self.rows is not None and self.rows.shape[1]:
            found = np.empty(len(boxes))
            step = max(1, VALUES_AT_ONCE // (self.rows.shape[1] * self.rows.shape[2]))
            for first in range(0, len(boxes), step):
                piece = slice(first, first + step)
                found[piece] = self.ascend(coefs[piece], intercepts[piece], boxes[piece], N_STEPS).least
            return found
        sizes = abs(coefs)
        found = intercepts + np.einsum("ij,ij->i", coefs, self.middle[boxes])
        found -= np.einsum("ij,ij->i", sizes, self.half[boxes])
        if self.center is not None and self.norm != "linf":
            spread = np.sqrt(np.einsum("ij,ij->i", sizes, sizes)) if self.norm == "l2" else sizes.max(axis=1, initial=0)
            found = np.maximum(found, intercepts + coefs @ self.center - self.radius * spread)
        return np.asarray(found)

    def ascend(self, coefs: Floats, intercepts: Floats, boxes: npt.NDArray[np.int64], n_steps: int) -> Ascent:
        """Bound functions with multipliers for the inequalities, found by a few steps of projected subgradient ascent.

        Notes
        -----
        Where ``a(x) <= 0``, a function is no less than ``function + weight * a`` for any weight of 0 or more: Lagrange
        multipliers, as in Wang et al., "Beta-CROWN: Efficient Bound Propagation with Per-neuron Split Constraints",
        NeurIPS 2021, eq. 4 to 8. Any weights give a bound that holds. Steps are Polyak's, towards 0 or, where that
        is reached, a little more than the best.
        """
        least, points = self._lowest(coefs, intercepts, boxes)
        weights = np.zeros((len(boxes), 0 if self.rows is None else self.rows.shape[1]))
        nearest = self._nearest(coefs, intercepts)
        if self.rows is None or self.sides is None or not weights.size:
            return Ascent(least=least, nearest=nearest, weights=weights, points=points)
        rows, sides = self.rows[boxes], self.sides[boxes]
        reach = FIRST_REACH * abs(least)
        now, best, best_weights, mean = least, least, weights, points
        for step in range(n_steps):
            slope = sides + np.matmul(rows, points[:, :, None])[:, :, 0]
            slope[(weights <= 0) & (slope < 0)] = 0.0
            steepness = np.maximum(np.einsum("ij,ij->i", slope, slope), 1e-300)
            goal = best + reach
            weights = np.maximum(weights + ((goal - now) / steepness)[:, None] * slope, 0.0)
            total = coefs + np.matmul(weights[:, None], rows)[:, 0]
            constant = intercepts + np.einsum("ij,ij->i", weights, sides)
            now, points = self._lowest(total, constant, boxes)
            better = now > best
            reach = np.where(better, reach, SHRINK * reach)
            best = np.where(better, now, best)
            best_weights = np.where(better[:, None], weights, best_weights)
            nearest = np.maximum(nearest, self._nearest(total, constant))
            mean = mean + 2 / (step + 3) * (points - mean)
        return Ascent(least=best, nearest=nearest, weights=best_weights, points=mean)

    def _lowest(self, coefs: Floats, intercepts: Floats, boxes: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Return the least of functions without regard to the inequalities, and where they are that."""
        points = self.middle[boxes] - np.sign(coefs) * self.half[boxes]
        found = intercepts + np.einsum("ij,ij->i", coefs, points)
        if self.center is None or self.norm == "linf":
            return found, points
        if self.norm == "l2":
            moves = coefs / np.maximum(length(coefs, "l2"), 1e-300)[:, None]
        else:
            each = np.arange(len(coefs))
            steepest = abs(coefs).argmax(axis=1)
            moves = np.zeros_like(coefs)
            moves[each, steepest] = np.sign(coefs[each, steepest])
        in_ball = self.center - self.radius * moves
        least = intercepts + np.einsum("ij,ij->i", coefs, in_ball)
        is_ball = least > found
        return np.where(is_ball, least, found), np.where(is_ball[:, None], in_ball, points)

    def _nearest(self, coefs: Floats, intercepts: Floats) -> Floats:
        """Return how near to the center functions can be 0 or less, by their value and slope there."""
        if self.center is None:
            return np.zeros(len(coefs))
        values = intercepts + coefs @ self.center
        slopes = length(coefs, dual(self.norm))
        flat = slopes <= 1e-13 * abs(values)
        return np.where(
            flat, np.where(values > 0, math.inf, 0.0), np.maximum(values, 0.0) / np.where(flat, 1.0, slopes)
        )
