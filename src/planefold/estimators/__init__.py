"""The facade: models with ``fit`` and ``predict`` that compose everything below."""

from planefold.estimators.images import ImageClassifier, ImageRegressor
from planefold.estimators.loading import load
from planefold.estimators.mlp import SKLEARN_DEFAULTS, MLPClassifier, MLPRegressor
from planefold.estimators.reporting import judge, report
from planefold.estimators.sounds import SoundClassifier

__all__ = [
    "SKLEARN_DEFAULTS",
    "ImageClassifier",
    "ImageRegressor",
    "MLPClassifier",
    "MLPRegressor",
    "SoundClassifier",
    "judge",
    "load",
    "report",
]
