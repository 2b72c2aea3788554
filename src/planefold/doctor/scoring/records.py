"""What is measured on predictions: comparisons with others, calibration, weak segments."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from planefold.core.records import Record


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The model's losses minus those of another one, row by row.

    Parameters
    ----------
    difference : float
        Mean loss of the model minus that of the other; negative where the model is better.
    se : float
        Its standard error: the rows are paired.
    other : float
        Mean loss of the other.
    """

    difference: float
    se: float
    other: float

    @property
    def z(self) -> float:
        """Standard errors by which the model is worse."""
        return self.difference / self.se if self.se > 0 else math.copysign(math.inf, self.difference)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Whether predictions can be taken at their word.

    Parameters
    ----------
    error : float
        Classes: expected calibration error, the mean distance between probability and frequency over groups of rows of
        equal size. Numbers: share of the squared error that a straight line through truth over prediction takes away.
    by_chance : float
        What that would be on average, on as many rows, if the predictions were right.
    p : float
        Probability of an error as large as this by chance.
    slope, slope_se : float
        Classes: by how much log odds should be multiplied, numbers: by how much distances from the mean: below 1
        predictions are too bold, above 1 too timid.
    bias, bias_se : float
        Mean of the predictions minus mean of the truth; for several classes, of the highest probability minus the share
        of rows in which that class is right.
    said, seen : float
        The two means whose difference is the bias.
    n_rows : int
    """

    error: float
    by_chance: float
    p: float
    slope: float
    slope_se: float
    bias: float
    bias_se: float
    said: float
    seen: float
    n_rows: int

    @property
    def excess(self) -> float:
        """The error beyond what chance alone gives."""
        return max(self.error - self.by_chance, 0.0)


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Rows that one or two columns pick out, where the model is worse than elsewhere.

    Parameters
    ----------
    where : str
        ``"age <= 30 and city is 'Berlin'"``.
    n_rows : int
    error, rest : float
        Share of wrong rows, or root mean squared error, in the segment and in all other rows.
    z : float
        Difference of the mean ranks of the rows' errors, in standard errors.
    p : float
        Corrected for the number of segments that were looked at (Benjamini and Hochberg).
    behind, behind_z : float or None
        Mean loss of the model minus that of the baseline ``"trees"`` in the segment, and in standard errors; None where
        there is none.
    """

    where: str
    n_rows: int
    error: float
    rest: float
    z: float
    p: float
    behind: float | None = None
    behind_z: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Scores(Record):
    """What predictions on held-out rows are worth.

    Parameters
    ----------
    task : {"regression", "multioutput", "binary", "multiclass", "multilabel"}
    n_rows : int
    score : float
        Accuracy or R^2.
    loss : float
        Mean of the rows' losses.
    comparisons : mapping of str to Comparison
        By the name of the baseline: ``"trivial"``, ``"linear"``, ``"trees"``.
    beats_majority_z : float or None
        Standard errors by which more rows are right than if the most frequent class was always said; classes only.
    calibration : Calibration or None
        None with few rows, without probabilities, and for several labels or outputs.
    segments : tuple of Segment
        At most three, the surest first.
    n_segments : int
        How many were looked at.
    agreement : float or None
        Mean rank correlation of the predictions of two members.
    """

    task: str
    n_rows: int
    score: float
    loss: float
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    beats_majority_z: float | None = None
    calibration: Calibration | None = None
    segments: tuple[Segment, ...] = ()
    n_segments: int = 0
    agreement: float | None = None

    @property
    def learnable(self) -> float | None:
        """Loss of the trivial rule minus the lowest loss known, at least a tenth of the former."""
        if "trivial" not in self.comparisons:
            return None
        trivial = self.comparisons["trivial"].other
        lowest = min(self.loss, *(comparison.other for comparison in self.comparisons.values()))
        return max(trivial - lowest, 0.1 * abs(trivial), 1e-12)


def compare(losses: Any, others: Any) -> Comparison:
    """Compare two models by their losses on the same rows.

    Parameters
    ----------
    losses, others : array of shape (n_rows,)

    Examples
    --------
    >>> found = compare([1.0, 2.0, 3.0], [1.0, 1.0, 2.0])
    >>> round(found.difference, 3), round(found.se, 3)
    (0.667, 0.333)
    """
    own, rows = np.asarray(losses, dtype=float), np.asarray(others, dtype=float)
    differences = own - rows
    se = float(differences.std(ddof=1) / math.sqrt(len(rows))) if len(rows) > 1 else math.inf
    return Comparison(difference=float(differences.mean()), se=se, other=float(rows.mean()))
