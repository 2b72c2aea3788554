"""The lecture slides' estimators: their names and parameters, trained by planefold, and back to Keras or torch.

Each is a thin cover: :mod:`planefold.decks.translation` says what each parameter is called here, ``model_`` is the
planefold estimator that comes out.
"""

from planefold.decks.estimators import (
    KerasMLPClassifier,
    KerasMLPRegressor,
    PytorchMLPClassifier,
    PytorchMLPRegressor,
)

__all__ = ["KerasMLPClassifier", "KerasMLPRegressor", "PytorchMLPClassifier", "PytorchMLPRegressor"]
