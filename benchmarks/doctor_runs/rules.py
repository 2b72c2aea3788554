"""What other tools would say about the same runs: short re-implementations of their documented rules for overfitting.

"Any epoch" is how these tools raise an alarm: once is enough.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from planefold.engine.run import Run

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Log:
    """Curves as these tools see them, one entry an epoch; scores are nan where they are not known."""

    train: Array
    val: Array
    train_score: Array
    val_score: Array

    @classmethod
    def of(cls, run: Run) -> Log:
        """Take the epochs out of a run, with the penalised running loss that most tools print."""
        later = run["epoch"] > 0
        return cls(*(run[name][later] for name in ("objective", "val_loss", "train_score", "val_score")))


def umlaut(log: Log) -> bool:
    """Validation loss rose while training loss did not.

    Schoop, Huang and Hartmann, "UMLAUT", CHI 2021, table 1 ("overfitting").
    """
    return bool(((np.diff(log.val) > 0) & (np.diff(log.train) <= 0)).any())


def sagemaker_overfit(log: Log) -> bool:
    """Validation loss more than a tenth above training loss.

    Amazon SageMaker Debugger, rule Overfit: ``ratio_threshold=0.1``, ``patience=1``.
    """
    return bool((log.val - log.train > 0.1 * np.abs(log.train)).any())


def sagemaker_overtraining(log: Log) -> bool:
    """Validation loss without an improvement of 0.01 for ten epochs.

    Amazon SageMaker Debugger, rule Overtraining: ``patience_validation=10``, ``delta=0.01``.
    """
    return _waited(log.val, 10, 0.01)


def keras_patience_5(log: Log) -> bool:
    """Keras' EarlyStopping(patience=5) would have stopped."""
    return _waited(log.val, 5, 0.0)


def keras_patience_10(log: Log) -> bool:
    """Keras' EarlyStopping(patience=10) would have stopped."""
    return _waited(log.val, 10, 0.0)


def autotrainer(log: Log) -> bool:
    """Training accuracy 0.1 above validation accuracy at the end (0.07 where it is above 0.9).

    Zhang et al., "AutoTrainer", ICSE 2021, its source: ``test_not_well`` of ``loss_issue``.
    """
    known = log.train_score[np.isfinite(log.train_score)]
    if not len(known):
        return False
    gap = known[-1] - log.val_score[-1]
    return bool(gap >= (0.1 if known[-1] <= 0.9 else 0.07))


def spearman(log: Log) -> bool:
    """Training and validation loss go opposite ways."""
    if len(log.val) < 3 or np.ptp(log.val) == 0 or np.ptp(log.train) == 0:
        return False
    return bool(spearmanr(log.train, log.val).statistic < 0)


def _waited(losses: Array, patience: int, delta: float) -> bool:
    """Tell whether so many epochs in a row were not better than the best before them."""
    best, waited = np.inf, 0
    for loss in losses:
        if loss < best - delta:
            best, waited = loss, 0
        else:
            waited += 1
            if waited >= patience:
                return True
    return False


RULES: dict[str, Callable[[Log], bool]] = {
    "UMLAUT, any epoch": umlaut,
    "SageMaker Overfit": sagemaker_overfit,
    "SageMaker Overtraining": sagemaker_overtraining,
    "Keras patience 5": keras_patience_5,
    "Keras patience 10": keras_patience_10,
    "AutoTrainer gap": autotrainer,
    "Spearman below 0": spearman,
}
