"""scikit-learn's own checks of an estimator, on planefold's defaults and on scikit-learn's."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from sklearn.utils.estimator_checks import check_dataframe_column_names_consistency, parametrize_with_checks

from planefold import SKLEARN_DEFAULTS, MLPClassifier, MLPRegressor

QUICK = {"max_iter": 5, "hidden_layer_sizes": (16,)}  # the linear start alone passes what asks for accuracy
SKLEARN = {**SKLEARN_DEFAULTS, "max_iter": 60}

DEALT = "a row of weight 2 is one row, dealt to one fold and one batch at random; two rows are dealt one by one"


def expected_failures(estimator: Any) -> dict[str, str]:
    """With scikit-learn's defaults there are none: all rows of these small tables are in one batch."""
    if not estimator.early_stopping:
        return {}
    return {
        "check_sample_weight_equivalence_on_dense_data": DEALT,
        "check_sample_weight_equivalence_on_sparse_data": DEALT,
    }


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [MLPClassifier(**QUICK), MLPClassifier(**SKLEARN), MLPRegressor(**QUICK), MLPRegressor(**SKLEARN)],
    expected_failed_checks=expected_failures,
)
def test_scikit_learns_check_passes(estimator: Any, check: functools.partial[Any]) -> None:
    check(estimator)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_without_preprocessing_column_names_must_agree_as_in_scikit_learn(cls: Any) -> None:
    # With preprocess="auto" columns are found by their names, and another order is fine: see test_tables.py.
    check_dataframe_column_names_consistency(cls.__name__, cls(**SKLEARN_DEFAULTS).set_params(max_iter=2))
