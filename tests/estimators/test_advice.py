"""Advice is applied to a copy, retrained on the same rows, and judged by their held-out losses."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes

from planefold import MLPClassifier, MLPRegressor
from planefold.core.errors import ParameterError
from planefold.doctor import Action, Finding
from planefold.estimators.advice import kept_epoch


def _finding(*advice, code="LC701"):
    actions = tuple(advice)
    return Finding(severity="warning", what="it jumps", why="Steps.", advice=actions, code=code, title="oscillating")


SLOWER = Action(words="a lower rate", parameters={"learning_rate_init": 0.001})
MORE_ROWS = Action(words="more rows")


@pytest.fixture(scope="module")
def table():
    X, y = load_breast_cancer(return_X_y=True)
    return X[:300], y[:300]


def _model(**changes):
    parameters = {
        "hidden_layer_sizes": (8,), "n_members": 1, "skip": None, "dropout": 0.0, "max_iter": 12,
        "random_state": 0,
    }  # fmt: skip
    return MLPClassifier(**parameters | changes)


def test_advice_is_applied_to_an_unfitted_copy(table):
    model = _model().fit(*table)
    changed = model.apply(_finding(SLOWER))
    assert changed.learning_rate_init == 0.001
    assert model.learning_rate_init == 0.01
    assert not hasattr(changed, "net_")
    assert changed.get_params() | {"learning_rate_init": 0.01} == model.get_params()


def test_the_first_action_that_is_a_parameter_of_the_estimator_counts():
    foreign = Action(words="another optimiser", parameters={"amsgrad": True})
    present = Action(words="as it is", parameters={"learning_rate_init": 0.01})
    wider = Action(words="more units", parameters={"hidden_layer_sizes": (32,)})
    changed = _model().apply(_finding(MORE_ROWS, foreign, present, wider))
    assert changed.hidden_layer_sizes == (32,)
    assert changed.apply([_finding(MORE_ROWS), _finding(SLOWER)]).learning_rate_init == 0.001


@pytest.mark.parametrize(("finding", "words"), [(_finding(MORE_ROWS), "more rows"), ([], "no finding")])
def test_advice_that_no_parameter_follows_is_refused_in_words(finding, words):
    with pytest.raises(ParameterError, match=words):
        _model().apply(finding)


def test_a_retrial_holds_out_the_same_rows_and_compares_what_was_kept(table):
    model = _model(random_state=None).fit(*table)
    before = kept_epoch(model.run_)
    retrial = model.retrain(_finding(SLOWER), *table)
    assert retrial.changed == {"learning_rate_init": (0.01, 0.001)}
    assert retrial.before is model.run_
    np.testing.assert_array_equal(model._held_out, retrial.model._held_out)
    after = kept_epoch(retrial.after)
    unit = model.run_.trivial_val_loss
    reach = unit - min(before.val_loss, after.val_loss)
    assert retrial.gain == pytest.approx((before.val_loss - after.val_loss) / reach, rel=1e-3)
    assert retrial.model.random_state is None
    assert ["learning_rate_init", "0.01", "0.001"] in [line.split() for line in str(retrial).splitlines()]
    assert "held-out loss" in str(retrial)


def test_the_same_parameters_again_are_no_clear_difference(table):
    model = _model().fit(*table)
    again = model.retrain(_finding(Action(words="more epochs allowed", parameters={"n_iter_no_change": 11})), *table)
    assert again.gain == pytest.approx(0, abs=0.05)
    assert again.outcome == "no clear difference"


def test_a_cure_is_better_and_its_opposite_worse(table):
    sick = _model(learning_rate_init=1e-6, early_stopping=True).fit(*table)
    cure = Action(words="longer steps", parameters={"learning_rate_init": 0.01})
    retrial = sick.retrain(_finding(cure), *table)
    assert retrial.outcome == "better"
    assert retrial.gain > 0.3
    harm = Action(words="tiny steps", parameters={"learning_rate_init": 1e-6})
    assert retrial.model.retrain(_finding(harm), *table).outcome == "worse"


def test_losses_in_other_units_are_compared_as_shares_of_the_trivial_loss():
    X, y = load_diabetes(return_X_y=True)
    model = MLPRegressor(hidden_layer_sizes=(8,), n_members=1, preprocess=None, max_iter=10, random_state=0)
    model.fit(X, y)  # in squared units of the target
    prepared = Action(words="prepare", parameters={"preprocess": "auto"})
    retrial = model.retrain(_finding(prepared), X, y)
    assert -2 < retrial.gain < 2
    assert retrial.se < 1


def test_without_held_out_rows_there_is_nothing_to_compare_by(table):
    model = _model(early_stopping=False).fit(*table)
    with pytest.raises(ParameterError, match="no held-out rows"):
        model.retrain(_finding(SLOWER), *table)


def test_shares_of_hardly_anything_are_not_told():
    """Two trainings that are no better than the mean differ by noise, and not by many times what can be learned."""
    rng = np.random.RandomState(0)
    X, y = rng.randn(120, 3), rng.randn(120)
    model = MLPRegressor(hidden_layer_sizes=(8,), n_members=1, skip=None, max_iter=6, random_state=0).fit(X, y)
    harm = Action(words="longer steps", parameters={"learning_rate_init": 0.5})
    retrial = model.retrain(_finding(harm), X, y)
    unit = model.run_.trivial_val_loss
    differ = kept_epoch(model.run_).val_loss - kept_epoch(retrial.after).val_loss
    assert abs(retrial.gain) <= abs(differ) / unit / 0.05 + 1e-6
    assert retrial.kept == ("after" if retrial.outcome == "better" else "before")
    far = dataclasses.replace(retrial, gain=-18.0, se=1.0)
    assert "worse (higher by more than all that can be learned)" in far.headline
