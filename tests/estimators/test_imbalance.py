"""Rare classes: nothing leaks between the parts, probabilities are right, and decisions are where they should be."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import expit, logit, softmax
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import balanced_accuracy_score, f1_score, matthews_corrcoef
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.utils.class_weight import compute_class_weight

import planefold
from planefold.core.errors import DataError, ModelFileError, ParameterError
from planefold.data.imbalance import RESAMPLERS
from planefold.engine.sources import Rows
from planefold.estimators import imbalance
from planefold.estimators.imbalance import MEASURES, Evened, best_threshold, evened, move_outputs
from planefold.estimators.members import windows
from planefold.networks.mlp import MLPSpec
from planefold.saving import read_fold, write_fold

SCORES = {"f1": f1_score, "balanced_accuracy": balanced_accuracy_score, "matthews_corrcoef": matthews_corrcoef}
LINEAR = {"hidden_layer_sizes": (), "n_members": 1, "skip": None, "dropout": 0.0, "solver": "lbfgs", "alpha": 0.0,
          "preprocess": None, "max_iter": 500}  # fmt: skip
SMALL = {"hidden_layer_sizes": (4,), "n_members": 3, "max_iter": 2, "skip": None}


def rare(n_rows: int = 300, share: float = 0.1, seed: int = 0) -> tuple[Any, Any]:
    """Two classes that overlap, the second one rare."""
    random = np.random.RandomState(seed)
    y = (np.arange(n_rows) < share * n_rows).astype(int)
    X = random.randn(n_rows, 3) + 1.2 * y[:, None]
    order = random.permutation(n_rows)
    return X[order], y[order]


def three(n_rows: int = 400, seed: int = 0) -> tuple[Any, Any]:
    """Three classes, with 80, 15 and 5 % of the rows."""
    random = np.random.RandomState(seed)
    y = random.permutation(np.repeat([0, 1, 2], (np.array([0.8, 0.15, 0.05]) * n_rows).astype(int)))
    return random.randn(n_rows, 2) + np.array([[0, 0], [1.5, 0], [0, 1.5]])[y], np.array(["a", "b", "c"])[y]


def rows_of(codes: Any, *, weights: Any = None, n_members: int = 3, kind: Any = torch.from_numpy) -> tuple[Rows, Rows]:
    """Rows that can be told apart, row i being 1 at place i alone, as windows of members; the judges, too."""
    codes = np.asarray(codes)
    y = codes[:, None].astype(float) if codes.max() < 2 else np.eye(codes.max() + 1)[codes]
    data = Rows(
        X=kind(np.eye(len(codes))),
        y=torch.from_numpy(y),
        weights=None if weights is None else torch.from_numpy(np.asarray(weights, dtype=float)),
    )
    parts = np.empty(len(codes), dtype=int)
    parts[np.argsort(codes)] = np.arange(len(codes)) % n_members  # each class is spread evenly
    return windows(data, parts, n_members)


def seen_by(even: Evened, member: int) -> tuple[Any, Any, Any]:
    """Inputs, targets and weights of one member's rows."""
    assert even.learn.members is not None
    line = even.learn.members[member]
    X, y, w = even.learn.take(line[line >= 0])
    return X.numpy(), y.numpy(), None if w is None else w.numpy()


CODES = np.random.RandomState(0).permutation(np.repeat([0, 1, 2], [40, 14, 9]))


# ----------------------------------------------------------------------------------------- nothing leaks


@pytest.mark.parametrize("kind", [torch.from_numpy, sparse.csr_matrix])
@pytest.mark.parametrize("method", RESAMPLERS)
def test_no_member_sees_anything_of_the_rows_it_holds_out(method: str, kind: Any) -> None:
    learn, judge = rows_of(CODES, kind=kind)
    even = evened(learn, judge, method, np.random.RandomState(0), labels="abc")
    assert judge.members is not None
    for member, held_out in enumerate(judge.members):
        X, y, _ = seen_by(even, member)
        contains = X > 0  # a row that was made from others is above 0 at their places
        assert not contains[:, held_out[held_out >= 0]].any()
        for row, target in zip(contains, y, strict=True):  # and is made from rows of its own class
            assert set(CODES[row]) == {target.argmax()}
        assert set(contains.sum(axis=1)) == ({1} if method == "bootstrap" else {1, 2})


@pytest.mark.parametrize("method", RESAMPLERS)
def test_held_out_rows_stay_as_they_are_and_count_as_the_even_classes_do(method: str) -> None:
    learn, judge = rows_of(CODES)
    even = evened(learn, judge, method, np.random.RandomState(0), labels="abc")
    assert even.judge is not None
    assert even.judge.X is judge.X
    np.testing.assert_array_equal(even.judge.members, judge.members)
    assert even.judge.weights is not None
    of_class = [set(even.judge.weights.numpy()[code == CODES]) for code in range(3)]
    assert [len(found) for found in of_class] == [1, 1, 1]
    wanted = compute_class_weight("balanced", classes=np.arange(3), y=CODES)
    found = np.array([next(iter(weights)) for weights in of_class])
    np.testing.assert_allclose(found / found[0], wanted / wanted[0], rtol=0.05 if method != "adasyn" else 0.3)


@pytest.mark.parametrize("method", RESAMPLERS)
def test_each_member_sees_the_classes_equally_often_and_all_its_own_rows(method: str) -> None:
    learn, _ = rows_of(CODES)
    even = evened(learn, None, method, np.random.RandomState(0), labels="abc")
    assert learn.members is not None
    for member, window in enumerate(learn.members):
        X, y, _ = seen_by(even, member)
        assert set(window[window >= 0]) <= set(np.flatnonzero((X == 1).any(axis=0)))
        counts = y.sum(axis=0)
        assert np.ptp(counts) <= (0 if method != "adasyn" else 10)
        own = np.bincount(CODES[window[window >= 0]])
        np.testing.assert_allclose(np.exp(even.log_growth[member]), counts / own)


@pytest.mark.parametrize("method", RESAMPLERS)
def test_a_new_row_weighs_what_its_class_does_on_average_and_rows_of_weight_0_are_not_built_upon(method: str) -> None:
    weights = np.random.RandomState(1).randint(0, 4, len(CODES)).astype(float)
    learn, judge = rows_of(CODES, weights=weights)
    even = evened(learn, judge, method, np.random.RandomState(0), labels="abc")
    assert learn.members is not None
    for member, window in enumerate(learn.members):
        own = window[(window >= 0) & (weights[window] > 0)]
        X, y, w = seen_by(even, member)
        assert w is not None
        made = (X > 0).sum(axis=1) > 1
        for row, target, weight in zip(X[made], y[made], w[made], strict=True):
            assert weights[row > 0].all()
            assert weight == pytest.approx(weights[own][CODES[own] == target.argmax()].mean())
        if method == "bootstrap":
            np.testing.assert_array_equal(w, weights[X.argmax(axis=1)])
        before = np.bincount(CODES[own], weights[own])
        np.testing.assert_allclose(np.exp(even.log_growth[member]), w @ y / before)


def test_repeating_rows_copies_none() -> None:
    learn, judge = rows_of(CODES)
    even = evened(learn, judge, "bootstrap", np.random.RandomState(0), labels="abc")
    assert even.learn.X is learn.X


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_new_rows_have_the_type_of_the_others(dtype: str) -> None:
    data = Rows(
        X=torch.rand(40, 3, dtype=getattr(torch, dtype)), y=(torch.arange(40) < 8).to(getattr(torch, dtype))[:, None]
    )
    even = evened(data, None, "smote", np.random.RandomState(0), labels="ab")
    assert (str(even.learn.X.dtype), str(even.learn.y.dtype)) == (f"torch.{dtype}",) * 2
    assert even.learn.n_rows == 64


@pytest.mark.parametrize("method", RESAMPLERS)
def test_the_same_random_state_gives_the_same_model(quick: Any, method: str) -> None:
    X, y = rare()
    first, again, other = (
        quick(**SMALL, resample=method, random_state=seed).fit(X, y).predict_proba(X) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


@pytest.mark.parametrize("method", ["bootstrap", "smote"])
def test_losses_are_compared_with_guessing_between_equally_frequent_classes(quick: Any, method: str) -> None:
    model = quick(**SMALL, resample=method).fit(*rare())
    assert model.run_.trivial_loss == pytest.approx(np.log(2), abs=0.01)


def test_sparse_inputs_give_what_dense_ones_give(quick: Any) -> None:
    X, y = rare(150)
    X[np.abs(X) < 0.7] = 0
    models = [
        quick(preprocess=None, n_members=2, skip=None, resample="smote").fit(kind(X), y)
        for kind in (np.asarray, sparse.csr_matrix)
    ]
    np.testing.assert_allclose(models[0].predict_proba(X), models[1].predict_proba(X), atol=1e-9)


# ------------------------------------------------------------------------------- probabilities put right


@pytest.mark.parametrize("n_classes", [2, 4])
def test_the_correction_is_the_formula_of_saerens_and_others(n_classes: int) -> None:
    random = np.random.RandomState(0)
    spec = MLPSpec(n_features=3, hidden_layer_sizes=(5,), n_outputs=1 if n_classes == 2 else n_classes, n_members=2)
    net = spec.build(random, dtype=torch.float64)
    X = torch.from_numpy(random.randn(50, 3))
    before, growth = random.uniform(1, 9, (2, n_classes)), random.uniform(1, 30, (2, n_classes))
    after = before * growth

    def probabilities() -> Any:
        with torch.no_grad():
            z = net(X).numpy()
        return softmax(z, axis=-1) if n_classes > 2 else np.concatenate([expit(-z), expit(z)], axis=-1)

    resampled = probabilities()
    move_outputs(net, np.log(growth), -1)
    prior, of_resampled = (totals / totals.sum(axis=1, keepdims=True) for totals in (before, after))
    wanted = resampled * (prior / of_resampled)[:, None]
    wanted /= wanted.sum(axis=-1, keepdims=True)  # their eq. 4
    np.testing.assert_allclose(probabilities(), wanted)
    move_outputs(net, np.log(growth), 1)
    np.testing.assert_allclose(probabilities(), resampled)


def test_probabilities_are_those_of_the_data_and_not_of_the_even_classes(quick: Any) -> None:
    X, y = rare(4000, share=0.05)
    model = quick(**LINEAR, resample="bootstrap").fit(X, y)
    p = model.predict_proba(X)[:, 1]
    # Two normal distributions that differ in their mean: Bayes' rule gives log p(1 | x) - log p(0 | x).
    truth = expit(np.log(0.05 / 0.95) + 1.2 * X.sum(axis=1) - 3 * 1.2**2 / 2)
    assert np.abs(p - truth).mean() < 0.01
    assert p.mean() == pytest.approx(y.mean(), abs=0.005)
    uncorrected = expit(model.decision_outputs(X)[:, 0] + np.log(19))
    assert np.abs(uncorrected - truth).mean() > 0.1


def test_of_three_classes_each_mean_probability_is_the_share_of_the_class(quick: Any) -> None:
    X, y = three(4000)
    model = quick(**LINEAR, resample="bootstrap").fit(X, y)
    np.testing.assert_allclose(model.predict_proba(X).mean(axis=0), [0.8, 0.15, 0.05], atol=0.01)


def test_weights_of_rows_are_part_of_the_prior(quick: Any) -> None:
    X, y = rare(2000)
    weights = np.where(y == 1, 3.0, 1.0)  # as if 200 rows in 2,000 were 600 in 2,400
    model = quick(**LINEAR, resample="bootstrap").fit(X, y, weights)
    assert np.average(model.predict_proba(X)[:, 1], weights=weights) == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("first", [None, "bootstrap"])
def test_going_on_does_not_correct_twice(quick: Any, first: str | None) -> None:
    X, y = rare()
    model = quick(**SMALL, early_stopping=False, resample=first, solver="sgd").fit(X, y)
    before = model.decision_outputs(X)
    # With so small a rate nothing is learned, and nothing may change.
    model.set_params(warm_start=True, resample="bootstrap", learning_rate_init=1e-12, max_iter=1, dropout=0.0)
    for _ in range(2):
        np.testing.assert_allclose(model.fit(X, y).decision_outputs(X), before, atol=1e-5)
    assert model.threshold_ == pytest.approx(0.1)


# ------------------------------------------------------------------------------------ where to decide


def test_without_resampling_the_classes_part_in_the_middle(quick: Any) -> None:
    assert quick(**SMALL).fit(*rare()).threshold_ == 0.5
    X, y = three()
    model = quick(**SMALL).fit(X, y)
    np.testing.assert_array_equal(model.threshold_, np.full(3, 1 / 3))
    np.testing.assert_array_equal(model.predict(X), model.classes_[model.predict_proba(X).argmax(axis=1)])


@pytest.mark.parametrize("method", ["bootstrap", "smote"])
def test_decisions_are_those_of_the_even_classes(quick: Any, method: str) -> None:
    X, y = rare()
    model = quick(**SMALL, early_stopping=False, resample=method).fit(X, y)
    assert model.threshold_ == pytest.approx(0.1)  # the share of the rare class
    uncorrected = model.decision_outputs(X)[:, 0] + np.log(270 / 30)
    np.testing.assert_array_equal(model.predict(X), uncorrected > 0)

    X, y = three()
    model = quick(**SMALL, early_stopping=False, resample=method).fit(X, y)
    np.testing.assert_allclose(model.threshold_, [0.8, 0.15, 0.05])
    uncorrected = model.decision_outputs(X) + np.log(320 / np.array([320, 60, 20]))
    np.testing.assert_array_equal(model.predict(X), model.classes_[uncorrected.argmax(axis=1)])


def test_more_of_the_rare_class_is_found(quick: Any) -> None:
    X, y = rare(600, share=0.05)
    plain, even = (quick(**{**LINEAR, "resample": r}).fit(X, y).predict(X)[y == 1].mean() for r in (None, "smote"))
    assert even > plain + 0.3


def test_a_number_decides_and_travels_with_the_file(quick: Any, tmp_path: Path) -> None:
    X, y = rare()
    y = np.where(y == 1, "yes", "no")
    model = quick(**SMALL, threshold=0.07).fit(X, y)
    np.testing.assert_array_equal(model.predict(X) == "yes", model.predict_proba(X)[:, 1] > 0.07)
    assert model.summary().splitlines()[-1] == "predicts 'yes' where its probability is above 0.07"
    twin = planefold.load(model.save(tmp_path / "model.fold"))
    assert (twin.threshold_, twin.threshold) == (0.07, 0.07)
    np.testing.assert_array_equal(twin.predict(X), model.predict(X))


@pytest.mark.parametrize(
    ("task", "parameters"),
    [(rare, {"resample": "smote"}), (rare, {"threshold": "f1"}), (three, {"resample": "bootstrap"})],
)
def test_what_was_found_travels_with_the_file(quick: Any, tmp_path: Path, parameters: Any, task: Any) -> None:
    X, y = task()
    model = quick(**SMALL, **parameters).fit(X, y)
    twin = planefold.load(model.save(tmp_path / "model.fold"))
    np.testing.assert_array_equal(twin.threshold_, model.threshold_)
    np.testing.assert_array_equal(twin.predict(X), model.predict(X))
    np.testing.assert_array_equal(twin.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("threshold", [0, 1.0, -3, "f1", [0.5], [0.5, 0.5], {}, True])
def test_a_file_with_an_impossible_threshold_is_refused(quick: Any, tmp_path: Path, threshold: Any) -> None:
    path = quick(**SMALL).fit(*rare()).save(tmp_path / "model.fold")
    fold = read_fold(path)
    fold.manifest["fitted"]["threshold"] = threshold
    write_fold(path, fold)
    with pytest.raises(ModelFileError):
        planefold.load(path)


def test_a_file_that_says_nothing_of_thresholds_decides_in_the_middle(quick: Any, tmp_path: Path) -> None:
    for task, wanted in ((rare, 0.5), (three, [1 / 3] * 3)):
        path = quick(**SMALL).fit(*task()).save(tmp_path / "model.fold")
        fold = read_fold(path)
        del fold.manifest["fitted"]["threshold"]
        write_fold(path, fold)
        np.testing.assert_array_equal(planefold.load(path).threshold_, wanted)


def test_the_report_says_where_the_classes_part(quick: Any, tmp_path: Path) -> None:
    X, y = rare()
    model = quick(**SMALL, threshold=0.07).fit(X, y)
    assert planefold.report(model, tmp_path / "report.html", X, y).model["parameters"]["threshold_"] == "0.07"


# ------------------------------------------------------------------------------------ tuned thresholds


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.3, 0.5, 1.0])), st.booleans(), st.integers(1, 3)),
        min_size=2,
        max_size=7,
    ).filter(lambda rows: len({truth for _, truth, _ in rows}) == 2),
    st.sampled_from(list(MEASURES)),
    st.booleans(),
    st.floats(0.01, 0.99),
)
def test_no_threshold_is_better(
    rows: list[tuple[float, bool, int]], measure: str, weighted: bool, start: float
) -> None:
    p, truth, weights = (np.array(column) for column in zip(*rows, strict=True))
    w = weights if weighted else None
    found = best_threshold(p, truth, w, measure, start=start)
    assert 0 < found < 1

    def value(threshold: float) -> float:
        return float(SCORES[measure](truth, p > threshold, sample_weight=w))

    ends = [0.0, *p, 1.0]
    everywhere = [start, *p, *((a + b) / 2 for a, b in itertools.combinations(ends, 2))]
    assert value(found) >= max(value(t) for t in everywhere if 0 < t < 1) - 1e-6
    if value(start) >= value(found) - 1e-9:
        assert found == start  # not moved without a reason


def test_of_equally_good_thresholds_the_one_nearest_to_the_start_is_taken() -> None:
    p = np.array([0.1, 0.2, 0.6, 0.7])
    assert best_threshold(
        p, np.array([False, True, False, True]), None, "balanced_accuracy", start=0.9
    ) == pytest.approx(0.65)


@pytest.mark.parametrize("measure", MEASURES)
def test_it_is_tuned_on_validation_rows_at_least_as_well_as_by_scikit_learn(quick: Any, measure: str) -> None:
    X, y = rare(400, share=0.1)
    learned, held = slice(0, 250), slice(250, None)
    model = quick(**SMALL, threshold=measure).fit(X[learned], y[learned], validation_data=(X[held], y[held]))
    theirs = TunedThresholdClassifierCV(
        FrozenEstimator(model), scoring=measure, cv="prefit", refit=False, thresholds=50
    ).fit(X[held], y[held])
    score = SCORES[measure]
    assert score(y[held], model.predict(X[held])) >= score(y[held], theirs.predict(X[held])) - 1e-9
    p = model.predict_proba(X[held])[:, 1]
    best = max(score(y[held], p > t) for t in [0.5, *p])
    assert score(y[held], model.predict(X[held])) == pytest.approx(best)


@pytest.mark.parametrize("n_members", [1, 3, 7])
@pytest.mark.parametrize("parameters", [{}, {"resample": "bootstrap"}, {"class_weight": "balanced"}])
def test_each_row_is_judged_by_the_members_that_held_it_out(
    quick: Any, monkeypatch: pytest.MonkeyPatch, n_members: int, parameters: Any
) -> None:
    seen = {}

    def spy(net: Any, judge: Rows, *arguments: Any, **named: Any) -> float:
        seen["judge"], seen["net"] = judge, net
        return imbalance.tuned_threshold(net, judge, *arguments, **named)

    monkeypatch.setattr("planefold.estimators.class_targets.tuned_threshold", spy)
    X, y = rare(120)
    model = quick(**{**SMALL, "n_members": n_members, "skip": "linear"}, threshold="f1", **parameters).fit(X, y)
    judge = seen["judge"]
    Z = judge.X.double().numpy()
    held_out = [np.arange(len(Z))] if judge.members is None else [line[line >= 0] for line in judge.members]
    total, asked = np.zeros(len(Z)), np.zeros(len(Z))
    net = model.net_  # each member by its own weights, in NumPy
    coefs, intercepts = ([t.detach().double().numpy() for t in part] for part in (net.coefs, net.intercepts))
    for member, rows in enumerate(held_out):
        hidden = np.maximum(Z[rows] @ coefs[0][member] + intercepts[0][member], 0)
        outputs = hidden @ coefs[1][member] + intercepts[1][member]
        total[rows] += (outputs + Z[rows] @ net.skip_coef[member].detach().double().numpy())[:, 0]
        asked[rows] += 1
    there = asked > 0
    assert there.sum() == {1: 12, 3: 72, 7: 120}[n_members]  # of a tenth, of 3 of 5 folds, of all 7
    p, truth = expit(total[there] / asked[there]), judge.y.numpy()[there, 0] == 1
    best = max(f1_score(truth, p > t) for t in [0.5, 1e-9, *p])
    assert f1_score(truth, p > model.threshold_) == pytest.approx(best, abs=1e-6)


def test_class_weights_do_not_change_what_the_measure_counts(quick: Any) -> None:
    # The weights move the probabilities; the rows that the measure is about stay what they are.
    X, y = rare(600, share=0.2)
    weighted = quick(**{**SMALL, "skip": "linear"}, class_weight={1: 50}, threshold="f1").fit(X, y)
    assert weighted.threshold_ > 0.6
    assert abs(weighted.predict(X).mean() - 0.2) < 0.15


# --------------------------------------------------------------------------------------- class weights


def test_balanced_weights_take_a_row_of_weight_2_for_two_rows(quick: Any) -> None:
    X, y = rare()
    rows = np.random.RandomState(0).randint(1, 5, len(y)).astype(float)
    theirs = compute_class_weight("balanced", classes=np.array([0, 1]), y=y, sample_weight=rows)
    balanced = quick(**SMALL, class_weight="balanced").fit(X, y, rows)
    by_hand = quick(**SMALL, class_weight=dict(enumerate(theirs))).fit(X, y, rows)
    np.testing.assert_allclose(balanced.predict_proba(X), by_hand.predict_proba(X), rtol=1e-4)


# ------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"resample": "smoote"}, "did you mean 'smote'"),
        ({"resample": "SMOTE"}, "did you mean 'smote'"),
        ({"resample": True}, "resample=True is not known"),
        ({"threshold": "f_1"}, "did you mean 'f1'"),
        ({"threshold": 0}, "threshold=0 must be a probability above 0 and below 1"),
        ({"threshold": 1.0}, "threshold=1.0 must be"),
        ({"threshold": np.nan}, "threshold=nan must be"),
        ({"threshold": [0.5]}, r"threshold=\[0.5\] must be"),
        ({"threshold": "f1", "early_stopping": False}, "tuned on rows that are held out, and none are"),
        ({"threshold": "f1", "solver": "lbfgs"}, "tuned on rows that are held out, and none are"),
        ({"resample": "smote", "class_weight": "balanced"}, "take one of them"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(parameters: Any, words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        planefold.MLPClassifier(**parameters).fit("no such file.csv", "no such column")


def test_parameters_that_do_not_fit_the_target_are_refused(quick: Any) -> None:
    X, y = three()
    several = (X > 0).astype(int)
    for threshold in (0.3, "f1"):
        with pytest.raises(ParameterError, match="is for two classes, the target has 3 classes"):
            quick(threshold=threshold).fit(X, y)
        with pytest.raises(ParameterError, match="the target has several labels a row"):
            quick(threshold=threshold).fit(X, several)
    with pytest.raises(ParameterError, match=r"resample='smote'.*each row has several labels"):
        quick(resample="smote").fit(X, several)


def test_parts_are_not_resampled_and_have_no_rows_to_tune_by(quick: Any) -> None:
    X, y = rare()
    with pytest.raises(ParameterError, match="resample='smote' is not supported for partial_fit"):
        quick(resample="smote").partial_fit(X, y, classes=[0, 1])
    with pytest.raises(ParameterError, match="none are"):
        quick(threshold="f1").partial_fit(X, y, classes=[0, 1])
    model = quick(threshold=0.2).partial_fit(X, y, classes=[0, 1])
    np.testing.assert_array_equal(model.predict(X) == 1, model.predict_proba(X)[:, 1] > 0.2)


def test_validation_rows_of_one_class_are_refused_before_training(quick: Any) -> None:
    X, y = rare()
    with pytest.raises(DataError, match="threshold='f1' is tuned on the held-out rows, and none of them is of class 1"):
        quick(threshold="f1", callbacks=[lambda epoch: pytest.fail("it trained")]).fit(
            X, y, validation_data=(X[y == 0], y[y == 0])
        )


def test_a_class_without_neighbours_is_named(quick: Any) -> None:
    X, y = rare(60)
    y = np.where(y == 1, "fraud", "fine")
    one = np.concatenate([np.flatnonzero(y == "fine"), np.flatnonzero(y == "fraud")[:2]])
    # Two rows, of which some members hold one out.
    five = {**SMALL, "n_members": 5}
    with pytest.raises(DataError, match="a single row of class 'fraud' to learn from"):
        quick(**five, resample="smote").fit(X[one], y[one])
    assert quick(**five, resample="smote", early_stopping=False).fit(X[one], y[one]).threshold_ == pytest.approx(2 / 56)
    quick(**five, resample="bootstrap").fit(X[one], y[one])


def test_more_new_rows_than_memory_are_refused(quick: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = rare()
    monkeypatch.setattr(imbalance, "MAX_SYNTHETIC_VALUES", 3 * 3 * 192 - 1)  # members x columns x rows
    with pytest.raises(DataError, match="resample='smote' would make 576 new rows of 3 inputs"):
        quick(**SMALL, resample="smote").fit(X, y)
    quick(**SMALL, resample="bootstrap").fit(X, y)


def test_a_member_that_has_one_class_only_stays_as_it_is(quick: Any) -> None:
    X, y = rare(120)
    groups = np.where(y == 1, 0, 1 + np.arange(len(y)) % 4)  # who holds out group 0 sees nothing of class 1
    model = quick(**{**SMALL, "n_members": 5}, resample="smote").fit(X, y, groups=groups)
    assert np.isfinite(model.predict_proba(X)).all()


# ------------------------------------------------------------- the lectures' 25 points and the lone one


GRID = np.array([*itertools.product(range(5), range(5)), (-4, -4)], dtype=float)
ONE_SIDE = np.array([1] * 25 + [0])
# One row cannot be both learned from and held out; 16 units are enough for any straight or bent border.
LECTURE = {"early_stopping": False, "n_members": 1, "skip": None, "hidden_layer_sizes": (16,), "dropout": 0.0,
           "max_iter": 200}  # fmt: skip


def crossing(model: Any) -> float:
    """Where the border crosses the straight line from the lone point to the nearest corner of the grid."""
    way = np.linspace(-4, 0, 401)
    return float(way[model.predict(np.column_stack([way, way])) == 0].max(initial=-4))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("parameters", [{"class_weight": "balanced"}, {"resample": "bootstrap"}])
def test_the_lone_point_is_on_its_own_side(quick: Any, parameters: Any, seed: int) -> None:
    model = quick(**LECTURE, **parameters, random_state=seed).fit(GRID, ONE_SIDE)
    np.testing.assert_array_equal(model.predict(GRID), ONE_SIDE)
    plain = quick(**LECTURE, random_state=seed).fit(GRID, ONE_SIDE)
    assert crossing(model) > crossing(plain) + 0.3  # which keeps far from the many


def test_its_share_is_2_percent_without_weights_and_a_half_with_them(quick: Any) -> None:
    weights = compute_class_weight("balanced", classes=np.array([0, 1]), y=ONE_SIDE)
    np.testing.assert_allclose(weights, [13.0, 0.52])
    balanced = quick(**LECTURE, class_weight="balanced").fit(GRID, ONE_SIDE)
    by_hand = quick(**LECTURE, class_weight={0: 13.0, 1: 0.52}).fit(GRID, ONE_SIDE)
    np.testing.assert_allclose(balanced.predict_proba(GRID), by_hand.predict_proba(GRID), rtol=1e-5)
    # Where nothing can be told apart, the prediction is the share: 1 of 26 of the points, 13 of 26 of the weight.
    blind = np.zeros((26, 1))
    for class_weight, share in ((None, 1 / 26), ("balanced", 0.5)):
        model = quick(**LINEAR, class_weight=class_weight).fit(blind, ONE_SIDE)
        assert model.predict_proba(blind)[0, 0] == pytest.approx(share, abs=1e-3)


def test_the_lone_point_cannot_be_held_out(quick: Any) -> None:
    with pytest.raises(DataError, match="early_stopping=False"):
        quick(class_weight="balanced").fit(GRID, ONE_SIDE)
    assert logit(quick(**LECTURE, resample="bootstrap").fit(GRID, ONE_SIDE).threshold_) == pytest.approx(np.log(25))
