"""The facade: models with ``fit`` and ``predict`` that compose everything below."""

from planefold.estimators.loading import load
from planefold.estimators.mlp import SKLEARN_DEFAULTS, MLPClassifier, MLPRegressor
from planefold.estimators.reporting import judge, report

__all__ = ["SKLEARN_DEFAULTS", "MLPClassifier", "MLPRegressor", "judge", "load", "report"]
