"""What fit looks at, what it leaves alone, and what it does when it is stopped."""

from __future__ import annotations

import copy
import pickle
import random
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_diabetes
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from planefold import SKLEARN_DEFAULTS, MLPClassifier, MLPRegressor
from planefold.core.errors import DataError, ParameterError, TrainingError

X = np.random.RandomState(0).randn(100, 3)
Y = X[:, 0] + 0.3 * np.random.RandomState(1).randn(100)
LABELS = np.where(Y > 0.4, "high", "low")


def held_out_rows(model: Any, random_state: int = 0) -> Any:
    """The rows that a single regressor holds out: the first draw from its stream."""
    return model._split(Y, None, np.random.RandomState(random_state))[1]


# ------------------------------------------------------------------------------------------------------------- leakage


def test_a_single_network_learns_nothing_from_the_rows_it_holds_out(quick: Any) -> None:
    model = quick("MLPRegressor", n_members=1, validation_fraction=0.2).fit(X, Y)
    held = held_out_rows(model)
    assert len(held) == 20
    assert model.run_.n_val == 20
    wild_X, wild_y = X.copy(), Y.copy()
    wild_X[held] = 1e6 * (1 + wild_X[held])
    wild_y[held] = -1e6
    other = quick("MLPRegressor", n_members=1, validation_fraction=0.2).fit(wild_X, wild_y)
    assert other.encoder_.inputs_ == model.encoder_.inputs_
    np.testing.assert_array_equal(other._target.mean, model._target.mean)
    np.testing.assert_array_equal(other._target.scale, model._target.scale)
    assert other.run_["val_loss"][0] > 1000 * model.run_["val_loss"][0]


def test_validation_data_is_only_looked_at(quick: Any) -> None:
    parameters = {"skip": None, "restore_best": False, "n_iter_no_change": float("inf"), "max_iter": 5}
    other = (1e3 * X[:30], Y[:30] - 50)
    models = [
        quick("MLPRegressor", **parameters).fit(X, Y, validation_data=validation) for validation in ((X, Y), other)
    ]
    for left, right in zip(models[0].coefs_, models[1].coefs_, strict=True):
        np.testing.assert_array_equal(left, right)
    assert models[0].encoder_.inputs_ == models[1].encoder_.inputs_
    assert [model.run_.n_val for model in models] == [100, 30]
    assert models[0].run_.n_train == 100


def test_validation_data_may_have_the_target_as_a_column(quick: Any, frame: Any) -> None:
    train, judge = frame.iloc[:80], frame.iloc[80:]
    by_name = quick("MLPRegressor").fit(train, "price", validation_data=(judge, "price"))
    by_hand = quick("MLPRegressor").fit(
        train.drop(columns="price"), train["price"], validation_data=(judge.drop(columns="price"), judge["price"])
    )
    np.testing.assert_array_equal(by_name.predict(judge), by_hand.predict(judge))


@pytest.mark.parametrize(("validation", "words"), [
    (X, "must be a pair"), (3, "must be a pair"), ((X, Y, Y), "must be a pair"), ((X[:, :2], LABELS), "features"),
    ((X, LABELS[:3]), "inconsistent"), ((X, ["unheard"] * 100), "never saw"),
])  # fmt: skip
def test_wrong_validation_data_is_an_error_that_says_so(quick: Any, validation: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        quick().fit(X, LABELS, validation_data=validation)
    said = str(caught.value) + "".join(getattr(caught.value, "__notes__", []))
    assert "validation_data" in said


@pytest.mark.parametrize("n_members", [1, 4])
def test_rows_of_a_group_are_held_out_together(quick: Any, n_members: int) -> None:
    # Every row is one of 10 patients, whose labels are random but each patient's own: a network that has seen
    # a patient knows the answer, one that has not cannot.
    rng = np.random.RandomState(0)
    patients = np.repeat(np.arange(10), 20)
    P = rng.randn(10, 5)[patients] + 0.01 * rng.randn(200, 5)
    labels = rng.permutation(np.arange(10) % 2)[patients]
    parameters = {"n_members": n_members, "max_iter": 40, "validation_fraction": 0.2, "hidden_layer_sizes": (32,),
                  "n_iter_no_change": float("inf"), "dropout": 0.0}  # fmt: skip
    mixed = quick(**parameters).fit(P, labels)
    apart = quick(**parameters).fit(P, labels, groups=patients)
    assert mixed.run_["val_score"][-1] > 0.95
    assert apart.run_["val_score"][-1] < 0.9


def test_no_group_is_on_both_sides(quick: Any) -> None:
    groups = np.array([f"patient {row // 10}" for row in range(100)])
    learn, judge = quick("MLPRegressor", n_members=1)._split(Y, groups, np.random.RandomState(0))
    assert not set(groups[learn]) & set(groups[judge])
    folds = quick("MLPRegressor", n_members=4)._folds(Y, groups, np.random.RandomState(0))
    assert all(len(set(folds[groups == group])) == 1 for group in groups)


@pytest.mark.parametrize(("groups", "words"), [
    (np.zeros(100), "one group only"), (np.arange(99), r"shape \(99,\)"), ([None] + ["a"] * 99, "no value"),
])  # fmt: skip
def test_groups_that_cannot_be_held_out_are_an_error(quick: Any, groups: Any, words: str) -> None:
    with pytest.raises(DataError, match=f"groups.*{words}"):
        quick().fit(X, LABELS, groups=groups)


# ------------------------------------------------------------------------------------------------------------- weights


def test_balanced_is_the_formula(quick: Any) -> None:
    counts = {label: int(np.sum(label == LABELS)) for label in ("high", "low")}
    formula = {label: 100 / (2 * count) for label, count in counts.items()}
    for weight in (formula, {**formula, "high": np.float64(formula["high"])}):
        np.testing.assert_array_equal(
            quick(class_weight="balanced").fit(X, LABELS).predict_proba(X),
            quick(class_weight=weight).fit(X, LABELS).predict_proba(X),
        )
    by_row = quick().fit(X, LABELS, sample_weight=compute_sample_weight("balanced", LABELS))
    np.testing.assert_allclose(
        by_row.predict_proba(X), quick(class_weight="balanced").fit(X, LABELS).predict_proba(X), rtol=1e-6
    )


def test_balanced_weights_of_several_labels_are_scikit_learns(quick: Any) -> None:
    several = (X > 0.5).astype(int)
    np.testing.assert_allclose(
        quick(class_weight="balanced").fit(X, several).predict_proba(X),
        quick().fit(X, several, sample_weight=compute_sample_weight("balanced", several)).predict_proba(X),
        rtol=1e-6,
    )


def test_class_weights_and_row_weights_are_multiplied(quick: Any) -> None:
    rows = np.random.RandomState(0).uniform(0.5, 2, 100)
    both = quick(class_weight={"high": 3}).fit(X, LABELS, sample_weight=rows)
    by_hand = quick().fit(X, LABELS, sample_weight=rows * np.where(LABELS == "high", 3, 1))
    np.testing.assert_array_equal(both.predict_proba(X), by_hand.predict_proba(X))


def test_a_heavy_class_is_predicted_more_often(quick: Any) -> None:
    shares = [
        np.mean(quick(class_weight={"high": w}, max_iter=20).fit(X, LABELS).predict(X) == "high") for w in (0.1, 10)
    ]
    assert shares[0] < shares[1]


def test_validation_data_is_judged_with_the_weights_of_the_classes(quick: Any) -> None:
    losses = [
        quick(class_weight=w, skip=None).fit(X, LABELS, validation_data=(X, LABELS)).run_["val_loss"][0]
        for w in (None, {"high": 1e9}, {"low": 1e9})
    ]
    n_high = np.sum(LABELS == "high")
    assert losses[0] == pytest.approx((n_high * losses[1] + (100 - n_high) * losses[2]) / 100, rel=1e-4)


@pytest.mark.parametrize(("weight", "target", "words"), [
    ({"hgih": 2}, LABELS, "'hgih', which is no class.*\n.*'high', 'low'"),
    ({1: 2}, LABELS, "1, which is no class"),
    ({"high": 0, "low": 0}, LABELS, "every row the weight 0"),
    ({0: 2}, (X > 0).astype(int), "several labels"),
])  # fmt: skip
def test_class_weights_that_do_not_fit_the_classes_are_an_error(
    quick: Any, weight: Any, target: Any, words: str
) -> None:
    with pytest.raises(ParameterError, match=words):
        quick(class_weight=weight).fit(X, target)


def test_class_weights_act_in_parts_too(quick: Any) -> None:
    model = quick(class_weight={"high": 5})
    model.partial_fit(X[LABELS == "low"], LABELS[LABELS == "low"], classes=["high", "low", "never"])
    model.partial_fit(X, LABELS)
    with pytest.raises(ParameterError, match="'balanced' is not supported for partial_fit"):
        quick(class_weight="balanced").partial_fit(X, LABELS, classes=["high", "low"])


def test_a_row_of_weight_zero_is_absent(quick: Any) -> None:
    weights = np.ones(100)
    weights[::3] = 0
    wild = np.where((weights == 0)[:, None], 1e6, X)
    groups = np.arange(100) // 5
    with_zeros = quick("MLPRegressor").fit(wild, np.where(weights == 0, -1e6, Y), weights, groups=groups)
    without = quick("MLPRegressor").fit(
        X[weights > 0], Y[weights > 0], weights[weights > 0], groups=groups[weights > 0]
    )
    np.testing.assert_array_equal(with_zeros.predict(X), without.predict(X))


@pytest.mark.parametrize(("weights", "words"), [
    (-np.ones(100), "negative value: row 1 has -1.0"), (np.zeros(100), "0 in every row|one non-zero"),
    (np.ones(99), "(99,)"), (np.full(100, np.nan), "NaN"), (["a"] * 100, "convert"), (np.ones((100, 2)), "1D|2D"),
])  # fmt: skip
def test_weights_that_weigh_nothing_are_an_error(quick: Any, weights: Any, words: str) -> None:
    with pytest.raises(DataError, match=words.replace("(99,)", r"\(99,\)")):
        quick().fit(X, LABELS, weights)


# ----------------------------------------------------------------------------------------------- watching and stopping


def test_callbacks_see_every_epoch_and_can_end_the_training(quick: Any) -> None:
    seen: list[int] = []

    def enough(epoch: Any) -> bool:
        seen.append(epoch.epoch)
        return epoch.epoch == 4

    model = quick(max_iter=50, callbacks=[enough, lambda epoch: None]).fit(X, LABELS)
    assert seen == [1, 2, 3, 4]
    assert model.run_.stopped_because == "callback"
    assert model.n_iter_ == 4


def test_verbose_prints_scikit_learns_lines_and_silence_prints_nothing(quick: Any, capsys: Any) -> None:
    quick().fit(X, LABELS)
    assert capsys.readouterr() == ("", "")
    model = quick(verbose=True).fit(X, LABELS)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Iteration 1, loss = {model.loss_curve_[0]:.8f}"
    assert lines[1] == f"Validation score: {model.validation_scores_[0]:f}"
    assert len(lines) == 6


@pytest.mark.parametrize("n_members", [1, 3])
def test_early_stopping_keeps_the_best_weights(quick: Any, n_members: int) -> None:
    noise = np.random.RandomState(0).permutation(Y)  # nothing to learn: the validation loss only rises
    parameters = {"n_members": n_members, "skip": None, "dropout": 0.0, "hidden_layer_sizes": (64,), "max_iter": 60,
                  "n_iter_no_change": 8, "validation_fraction": 0.3}  # fmt: skip
    model = quick("MLPRegressor", **parameters).fit(X, noise)
    losses = model.run_["val_loss"]
    assert model.run_.stopped_because == "no_improvement"
    assert model.n_iter_ < 60
    assert model.run_.restored_best
    assert np.argmin(losses) == model.run_.best_epoch < len(losses) - 1
    again = quick("MLPRegressor", **{**parameters, "restore_best": False}).fit(X, noise)
    assert np.abs(again.coefs_[0]).mean() > np.abs(model.coefs_[0]).mean()
    if n_members == 1:
        held = held_out_rows(model)
        scaled = ((model.predict(X[held]) - noise[held]) / model._target.scale) ** 2
        assert 0.5 * scaled.mean() == pytest.approx(losses.min(), rel=1e-5)


def test_ctrl_c_keeps_the_best_weights_and_warns(quick: Any) -> None:
    def stop(epoch: Any) -> None:
        if epoch.epoch == 3:
            raise KeyboardInterrupt

    model = quick("MLPRegressor", max_iter=50, callbacks=[stop])
    with pytest.warns(UserWarning, match=r"interrupted by user.*epoch [0-3].*are kept") as caught:
        model.fit(X, Y)
    assert caught[0].filename == __file__
    assert model.run_.stopped_because == "interrupted"
    assert model.run_.restored_best
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_ctrl_c_without_held_out_rows_keeps_the_last_weights(quick: Any, solver: str) -> None:
    def stop(epoch: Any) -> None:
        if epoch.epoch == 3:
            raise KeyboardInterrupt

    model = quick("MLPRegressor", max_iter=50, callbacks=[stop], early_stopping=False, solver=solver, n_members=1)
    with pytest.warns(UserWarning, match="the last weights are kept"):
        model.fit(X, Y)
    assert np.isfinite(model.predict(X)).all()


def test_a_fit_that_fails_leaves_the_model_as_it_was(quick: Any) -> None:
    model = quick("MLPRegressor").fit(X, Y)
    before, state = model.predict(X), set(vars(model))

    def fail(epoch: Any) -> None:
        raise RuntimeError("of the callback")

    for problem in ({"callbacks": [fail]}, {"learning_rate": "rose"}):
        with pytest.raises((RuntimeError, ValueError)):
            clone(model).set_params(**problem).fit(X, Y)
        model.set_params(warm_start="callbacks" in problem, **problem)
        with pytest.raises((RuntimeError, ValueError)):
            model.fit(X[:50, :3], 5 * Y[:50])
        np.testing.assert_array_equal(model.predict(X), before)
        model.set_params(callbacks=None, learning_rate="cosine")
    with pytest.raises(DataError):
        model.set_params(warm_start=False).fit(pd.DataFrame({"a": [1, 2]}), [1, np.nan])
    np.testing.assert_array_equal(model.predict(X), before)
    assert set(vars(model)) == state


def test_a_first_fit_that_fails_leaves_no_half_fitted_model() -> None:
    model = MLPRegressor(**SKLEARN_DEFAULTS, solver="sgd").set_params(learning_rate_init=1e300)
    with pytest.raises(TrainingError, match=r"(?s)non-finite.*learning rate ten times lower"):
        model.fit(X, 1e100 * Y)
    assert not [attribute for attribute in vars(model) if attribute.endswith("_")]


def test_the_limit_of_epochs_is_warned_of_where_more_would_help() -> None:
    parameters = {**SKLEARN_DEFAULTS, "max_iter": 2}
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\) reached") as caught:
        MLPRegressor(**parameters).fit(X, Y)
    assert caught[0].filename == __file__
    with pytest.warns(ConvergenceWarning, match=r"lbfgs.*max_iter=2"):
        MLPRegressor(**parameters, solver="lbfgs").fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MLPRegressor(**{**parameters, "learning_rate": "cosine"}).fit(X, Y)
        MLPRegressor(**parameters).fit(X, np.ones(100))  # a constant: there is nothing left to learn


def test_a_batch_larger_than_the_table_is_warned_of(quick: Any) -> None:
    with pytest.warns(UserWarning, match="batch_size=5000 is more than the"):
        model = quick(batch_size=5000).fit(X, LABELS)
    assert model.run_.iterations_per_epoch == 1


# ---------------------------------------------------------------------------------------------------- chance and state


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_the_same_seed_gives_the_same_bits_and_another_seed_others(quick: Any, name: str) -> None:
    y = LABELS if name == "MLPClassifier" else Y
    outputs = [quick(name, random_state=seed).fit(X, y).decision_outputs(X) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    assert not np.array_equal(outputs[0], outputs[2])
    stream = np.random.RandomState(1)
    np.testing.assert_array_equal(quick(name, random_state=stream).fit(X, y).decision_outputs(X), outputs[0])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_fit_touches_nothing_of_the_whole_process(quick: Any) -> None:
    def state() -> Any:
        return (
            pickle.dumps(np.random.get_state()),  # noqa: NPY002
            torch.get_rng_state().tolist(), random.getstate(),
            torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled(), np.geterr(),
            warnings.filters[:],
        )  # fmt: skip

    before = state()
    for model in (quick(), quick(solver="lbfgs", early_stopping=False)):
        model.fit(X, LABELS).predict(X)
        assert state() == before


@pytest.mark.parametrize("n_threads", [1, 2])
def test_fit_leaves_the_number_of_threads_alone(quick: Any, n_threads: int) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(n_threads)
        quick().fit(X, LABELS)
        assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)


def test_fit_does_not_change_what_it_is_given(quick: Any, frame: Any) -> None:
    rows, weights, labels, table = X.copy(), np.arange(100.0), LABELS.copy(), frame.copy()
    quick(class_weight="balanced").fit(rows, labels, weights)
    quick(preprocess=None, activation="identity").fit(rows, labels, weights).predict(rows)
    quick("MLPRegressor").fit(frame, "price").predict(frame)
    np.testing.assert_array_equal(rows, X)
    np.testing.assert_array_equal(weights, np.arange(100.0))
    np.testing.assert_array_equal(labels, LABELS)
    pd.testing.assert_frame_equal(frame, table)


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_copies_predict_bit_for_bit_the_same(quick: Any, frame: Any, tmp_path: Path, name: str) -> None:
    target = "sold" if name == "MLPClassifier" else "price"
    model = quick(name).fit(frame, target)
    joblib.dump(model, tmp_path / "model.joblib")
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model.joblib")):
        np.testing.assert_array_equal(twin.decision_outputs(frame), model.decision_outputs(frame))
        assert twin.loss_curve_ == model.loss_curve_
        twin.partial_fit(frame, target)
        assert not np.array_equal(twin.decision_outputs(frame), model.decision_outputs(frame))
    fresh = clone(model)
    assert not hasattr(fresh, "net_")
    np.testing.assert_array_equal(fresh.fit(frame, target).decision_outputs(frame), model.decision_outputs(frame))


def test_searches_pipelines_and_cross_validation_work(quick: Any, frame: Any, houses: Any) -> None:
    search = GridSearchCV(
        quick(), {"hidden_layer_sizes": [(4,), (8, 8)], "alpha": [0.0, 0.1]}, cv=2, error_score="raise"
    )
    search.fit(houses, frame["sold"])
    assert set(search.best_params_) == {"hidden_layer_sizes", "alpha"}
    assert len(cross_val_score(quick("MLPRegressor"), houses, frame["price"], cv=3, error_score="raise")) == 3
    pipeline = make_pipeline(StandardScaler(), quick(preprocess=None, max_iter=20)).fit(X, LABELS)
    assert pipeline.score(X, LABELS) > 0.8
    assert pipeline.set_params(mlpclassifier__alpha=0.5).get_params()["mlpclassifier__alpha"] == 0.5


def test_a_transformers_own_parameters_can_be_searched(quick: Any) -> None:
    model = quick(preprocess=StandardScaler())
    assert model.set_params(preprocess__with_mean=False).preprocess.with_mean is False
    model.fit(X, LABELS)
    assert not hasattr(model.preprocess, "scale_")
    np.testing.assert_allclose(model.encoder_.transform(X), X / X.std(axis=0))


# --------------------------------------------------------------------------------------------------------- warm starts


def test_a_warm_start_goes_on_in_the_units_of_the_first_target(quick: Any) -> None:
    model = quick("MLPRegressor", warm_start=True, max_iter=20).fit(X, Y)
    scale = model._target.scale.copy()
    model.fit(X[:50], 3 * Y[:50] + 7)
    np.testing.assert_array_equal(model._target.scale, scale)
    for _ in range(15):
        model.fit(X, 3 * Y + 7)
    assert model.score(X, 3 * Y + 7) > 0.8
    assert len(model.loss_curve_) > model.n_iter_


@pytest.mark.parametrize(
    "other", [{"hidden_layer_sizes": (9,)}, {"n_members": 3}, {"activation": "tanh"}, {"skip": None}]
)
def test_a_warm_start_into_another_network_is_an_error(quick: Any, other: dict[str, Any]) -> None:
    model = quick("MLPRegressor", warm_start=True).fit(X, Y)
    with pytest.raises(ParameterError, match=f"warm_start goes on.*{next(iter(other))}="):
        model.set_params(**other).fit(X, Y)


def test_a_warm_start_needs_the_same_classes_and_outputs(quick: Any) -> None:
    with pytest.raises(ParameterError, match="same classes"):
        quick(warm_start=True).fit(X, LABELS).fit(X, np.where(Y > 0, "big", "small"))
    with pytest.raises(ParameterError, match="as many outputs"):
        quick("MLPRegressor", warm_start=True).fit(X, Y).fit(X, X[:, :2])
    assert quick(warm_start=True).fit(X, X > 0).fit(X, pd.DataFrame(X > 0)).n_outputs_ == 3


def test_one_network_does_not_learn_from_its_own_judges(quick: Any) -> None:
    model = quick(n_members=1).fit(X, LABELS)
    with pytest.raises(ParameterError, match="partial_fit does not support early_stopping=True"):
        model.partial_fit(X, LABELS)
    quick(n_members=4).fit(X, LABELS).partial_fit(X, LABELS)


# ------------------------------------------------------------------------------------------------------- looking at it


def test_what_a_model_says_of_itself_agrees(quick: Any) -> None:
    model = quick(n_members=3, hidden_layer_sizes=(8, 4)).fit(X, LABELS)
    counted = sum(p.numel() for p in model.net_.parameters())
    assert model.n_parameters_ == counted
    assert f"{counted:,} parameters, 3 members together" in model.summary()
    assert list(model.diagnose()) is not None
    assert model.plot_curves() is not None


def test_the_shortest_call_does_well_on_a_table_of_numbers() -> None:
    features, target = load_diabetes(return_X_y=True, as_frame=True)
    learn, judge = np.arange(len(target)) % 4 > 0, np.arange(len(target)) % 4 == 0
    model = MLPRegressor(random_state=0, max_iter=30).fit(features[learn], target[learn])
    assert model.score(features[judge], target[judge]) > 0.4


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_the_documentation_has_every_parameter(cls: Any) -> None:
    documented = cls.__doc__
    assert "{" + "parameters}" not in documented
    for name in cls().get_params():
        if name != "loss":
            assert name in documented, name
