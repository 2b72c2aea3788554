"""`measure_reference`: what a linear model, a kernel and quick trees reach on the same rows, in the same loss.

A curve alone cannot tell a network that is too small from rows that hold no more to learn. Another learner on the same
rows can: where it predicts unseen rows better than the network predicts those it was shown, the network is at fault.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planefold.core.errors import unknown_choice
from planefold.core.records import Record
from planefold.doctor.reference.models import TREES, calibrated, candidates
from planefold.doctor.reference.rows import ReferenceRows, standard_error
from planefold.doctor.reference.shift import shift_auc
from planefold.engine.objectives import OBJECTIVES

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Reference(Record):
    """What simple models reach on the held-out rows of a training.

    Parameters
    ----------
    loss : float
        Mean loss on the held-out rows of the model that was best on unseen training rows.
    se : float
        Its standard error over the rows.
    score : float
        Accuracy or R^2 of the same predictions.
    rows : array of shape (n_val,)
        Losses of the single rows, in the order in which they were given.
    model : {"linear", "kernel", "extra trees", "boosting", "constant"}
        Which of them it was.
    linear_loss, tree_loss : float
        Of the linear model, and of the better of the trees.
    linear_rows, tree_rows : array of shape (n_val,)
        Losses of the single rows of these two.
    trivial_rows : array of shape (n_val,)
        Losses of the one prediction that is best for all training rows.
    shift_auc, shift_se : float or None
        How well a forest tells training from held-out rows (0.5 is not at all), and the standard error of that
        number where the two do not differ. None where there are too few rows.
    n_train, n_val : int
        Rows that were learned from and judged on.
    """

    loss: float
    se: float
    score: float
    rows: Floats
    n_train: int
    n_val: int
    model: str = ""
    linear_loss: float = math.nan
    tree_loss: float = math.nan
    linear_rows: Floats | None = None
    tree_rows: Floats | None = None
    trivial_rows: Floats | None = None
    shift_auc: float | None = None
    shift_se: float | None = None

    @property
    def baselines(self) -> dict[str, Floats]:
        """Losses of the held-out rows of each baseline: what :func:`~planefold.doctor.scoring.measure_scores` takes."""
        named = {"trivial": self.trivial_rows, "linear": self.linear_rows, "trees": self.tree_rows}
        return {name: rows for name, rows in named.items() if rows is not None}


def measure_reference(
    X: Any,
    Y: Any,
    X_val: Any,
    Y_val: Any,
    *,
    objective: str,
    weights: Any = None,
    random_state: int = 0,
    max_rows: int = 3000,
    shift: bool = True,
) -> Reference:
    """Fit a linear model, a kernel and quick trees to the training rows, and judge them on the held-out ones.

    Parameters
    ----------
    X, X_val : array of shape (n_rows, n_features)
        Inputs as the network receives them, or raw numbers; nan is allowed.
    Y, Y_val : array of shape (n_rows, n_outputs)
        Targets as the objective takes them: scaled numbers, zeros and ones, or one column a class.
    objective : str
        A name in :data:`planefold.engine.OBJECTIVES`.
    weights : array of shape (n_rows,), optional
        Of the training rows.
    random_state : int, default=0
    max_rows : int, default=3000
        Training rows that are learned from at most.
    shift : bool, default=True
        Whether to measure how far training and held-out rows can be told apart.

    Returns
    -------
    Reference

    Raises
    ------
    DataError
        If shapes do not fit together, targets are missing, or there are no rows.

    Notes
    -----
    Every model predicts some training rows that it has not seen (the forest those outside of its bags, the others by
    cross-validation). From these its outputs are stretched or shrunk towards the best constant, so that no loss is
    ruined by leaves that are too sure, and which model is the reference is chosen by them too: the held-out rows
    choose nothing. ``python benchmarks/doctor_scores.py`` prints how near the reference comes to the best possible
    loss, and the time it takes.

    References
    ----------
    Geurts, Ernst and Wehenkel, "Extremely Randomized Trees", Machine Learning 63, 2006. Guo et al., "On Calibration of
    Modern Neural Networks", ICML 2017 (one temperature).
    """
    if objective not in OBJECTIVES:
        raise unknown_choice("objective", objective, list(OBJECTIVES))
    rows = ReferenceRows.of(X, Y, X_val, Y_val, weights, OBJECTIVES[objective], max_rows, random_state)
    constant = rows.constant_losses()
    found = [calibrated(candidate, rows) for candidate in candidates(rows, random_state)]
    linear = found[0]
    trees = min((c for c in found if c.name in TREES), key=lambda c: c.inner_loss, default=linear)
    best = min(found, key=lambda c: c.inner_loss)
    losses = {candidate.name: rows.losses(candidate.outer, rows.Y_val) for candidate in (linear, trees, best)}
    auc, se = shift_auc(X, X_val, random_state=random_state) if shift else (None, None)
    own = losses[best.name]
    return Reference(
        loss=float(own.mean()),
        se=standard_error(own),
        score=rows.score(best.outer),
        rows=own,
        n_train=len(rows.X),
        n_val=len(rows.X_val),
        model=best.name,
        linear_loss=float(losses[linear.name].mean()),
        tree_loss=float(losses[trees.name].mean()),
        linear_rows=losses[linear.name],
        tree_rows=losses[trees.name],
        trivial_rows=constant,
        shift_auc=auc,
        shift_se=se,
    )
