"""scikit-learn's own checks of an estimator, on the four of the slides."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from planefold.decks import KerasMLPClassifier, KerasMLPRegressor, PytorchMLPClassifier, PytorchMLPRegressor

QUICK = {"hidden_layer_sizes": (32,), "epochs": 60, "learning_rate_init": 0.01}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [
        KerasMLPClassifier(**QUICK),
        KerasMLPRegressor(**QUICK),
        PytorchMLPClassifier(**QUICK),
        PytorchMLPRegressor(**QUICK),
    ]
)
def test_scikit_learns_check_passes(estimator: Any, check: functools.partial[Any]) -> None:
    if check.func.__name__.startswith("check_sample_weight_equivalence"):
        pytest.skip("asks for seven equal digits, which sums of float32 do not keep: see test_estimators.py")
    check(estimator)
