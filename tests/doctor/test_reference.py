"""The reference: near the best possible loss, never ruined, and chosen without a look at the held-out rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.special import expit
from sklearn.metrics import accuracy_score, r2_score

from planefold.core.errors import DataError, ParameterError
from planefold.doctor.reference import measure_reference, shift_auc
from planefold.engine.objectives import OBJECTIVES

N, N_VAL = 300, 200


def _problem(seed=0, n=N, n_val=N_VAL, n_columns=5):
    random = np.random.default_rng(seed)
    X = random.standard_normal((n + n_val, n_columns))
    return X, random


def _measure(X, Y, n=N, **options):
    return measure_reference(X[:n], Y[:n], X[n:], Y[n:], **{"shift": False, **options})


def _targets(objective, X, random):
    score = X[:, 0] + np.sin(2 * X[:, 1])
    if objective == "poisson":
        return random.poisson(np.exp(0.7 * score))[:, None].astype(float)
    if objective == "binary_log_loss":
        return (random.random(len(X)) < expit(3 * score))[:, None].astype(float)
    if objective == "log_loss":
        return np.eye(3)[np.digitize(score + 0.3 * random.standard_normal(len(X)), [-0.5, 0.7])]
    return ((score - score.mean()) / score.std() + 0.3 * random.standard_normal(len(X)))[:, None]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_it_beats_the_best_constant_in_every_loss(objective):
    X, random = _problem()
    Y = _targets(objective, X, random)

    found = _measure(X, Y, objective=objective)

    trivial = OBJECTIVES[objective].trivial_loss(torch.from_numpy(Y[:N]), None)
    assert found.loss < 0.75 * trivial
    assert found.loss == pytest.approx(found.rows.mean())
    assert found.se == pytest.approx(found.rows.std(ddof=1) / np.sqrt(N_VAL))
    assert (found.n_train, found.n_val, found.rows.shape) == (N, N_VAL, (N_VAL,))


def test_the_loss_of_the_constant_is_that_of_the_training_mean():
    X, random = _problem()
    Y = _targets("squared_error", X, random)

    found = _measure(X, Y, objective="squared_error")

    np.testing.assert_allclose(found.trivial_rows, (Y[N:, 0] - Y[:N].mean()) ** 2 / 2)
    assert set(found.baselines) == {"trivial", "linear", "trees"}


def test_a_straight_target_is_left_to_the_linear_model():
    X, random = _problem(1)
    Y = (X @ [1.0, -1, 0.5, 0, 0] + 0.5 * random.standard_normal(len(X)))[:, None]

    found = _measure(X, Y, objective="squared_error")

    assert found.linear_loss < found.tree_loss
    assert found.loss == pytest.approx(0.125, rel=0.25)  # half of the noise's variance


def test_a_product_of_columns_is_left_to_the_trees():
    X, random = _problem(2, n=800, n_val=500)
    share = np.where(X[:, 0] * X[:, 1] > 0, 0.95, 0.05)
    Y = (random.random(len(X)) < share)[:, None].astype(float)

    found = _measure(X, Y, 800, objective="binary_log_loss")

    best = -(0.95 * np.log(0.95) + 0.05 * np.log(0.05))
    assert found.model in ("boosting", "extra trees")
    assert found.loss - best < 0.35 * (np.log(2) - best)
    assert found.linear_loss > 0.95 * np.log(2)
    assert found.score > 0.85


@pytest.mark.parametrize("objective", ["binary_log_loss", "squared_error"])
@pytest.mark.parametrize("n", [20, 60, 150])
def test_of_noise_alone_it_says_the_constant_and_no_leaf_ruins_the_loss(objective, n):
    ratios = []
    for seed in range(8 if n == 20 else 3):
        X, random = _problem(seed, n=n)
        Y = (
            (random.random((len(X), 1)) < 0.3).astype(float)
            if "log" in objective
            else random.standard_normal((len(X), 1))
        )
        found = _measure(X, Y, n, objective=objective)
        ratios.append(found.loss / found.trivial_rows.mean())
    assert np.mean(ratios) < 1.12


def test_the_held_out_rows_choose_nothing():
    X, random = _problem(3)
    Y = _targets("squared_error", X, random)
    changed = Y.copy()
    changed[N + 10 :] = random.standard_normal((N_VAL - 10, 1)) * 5

    one, other = (_measure(X, targets, objective="squared_error") for targets in (Y, changed))

    assert one.model == other.model
    np.testing.assert_array_equal(one.rows[:10], other.rows[:10])
    np.testing.assert_array_equal(one.tree_rows[:10], other.tree_rows[:10])


def test_the_score_is_accuracy_or_r2():
    X, _ = _problem(4)
    classes = np.eye(3)[np.digitize(X[:, 0], [-0.5, 0.5])]
    numbers = 2 * X[:, :1] + 1

    assert _measure(X, classes, objective="log_loss").score > 0.9
    found = _measure(X, numbers, objective="squared_error")
    assert found.score == pytest.approx(1 - 2 * found.loss / numbers[N:].var())
    assert found.score > 0.99
    # The formulas themselves:
    assert accuracy_score([0, 1, 1], [0, 1, 0]) == pytest.approx(2 / 3)
    assert r2_score([0.0, 1.0], [0.0, 1.0]) == 1


def test_rows_that_weigh_nothing_might_as_well_be_absent():
    X, random = _problem(5)
    Y = _targets("binary_log_loss", X, random)
    weights = np.ones(N)
    weights[200:] = 0

    one = _measure(X, Y, objective="binary_log_loss", weights=weights)
    other = measure_reference(X[:200], Y[:200], X[N:], Y[N:], objective="binary_log_loss", shift=False)

    np.testing.assert_array_equal(one.rows, other.rows)


@pytest.mark.parametrize("n", [1, 2, 5, 11])
def test_of_a_handful_of_rows_only_the_constant_is_learned(n):
    X, random = _problem(6, n=n, n_val=3)
    Y = random.standard_normal((len(X), 1))

    found = _measure(X, Y, n, objective="squared_error")

    assert found.model == "constant"
    np.testing.assert_allclose(found.rows, found.trivial_rows)


def test_a_class_that_the_training_rows_lack_costs_a_finite_loss():
    X, _ = _problem(7)
    codes = np.digitize(X[:, 0], [-0.5, 0.5])
    codes[:N] = np.minimum(codes[:N], 1)

    found = _measure(X, np.eye(3)[codes], objective="log_loss")

    assert np.isfinite(found.rows).all()
    assert found.rows.max() < 12


def test_one_class_alone_leaves_the_constant():
    X, _ = _problem(8)

    found = _measure(X, np.ones((len(X), 1)), objective="binary_log_loss")

    assert found.model == "constant"
    assert found.loss < 0.01


def test_missing_values_constant_columns_and_sparse_tables_are_taken():
    X, random = _problem(9)
    Y = _targets("binary_log_loss", X, random)
    X[:, 3] = 1.0
    X[::3, 2] = np.nan
    X[:, 4] = np.nan

    assert _measure(X, Y, objective="binary_log_loss").loss < 0.6
    full = np.nan_to_num(X)
    dense = _measure(full, Y, objective="binary_log_loss")
    thin = sparse.csr_matrix(full)
    assert (
        measure_reference(thin[:N], Y[:N], thin[N:], Y[N:], objective="binary_log_loss", shift=False).loss == dense.loss
    )


def test_several_labels_and_several_numbers_are_one_loss_a_row():
    X, random = _problem(10)
    labels = (X[:, :2] + 0.3 * random.standard_normal((len(X), 2)) > 0).astype(float)

    found = _measure(X, labels, objective="binary_log_loss")

    assert found.rows.shape == (N_VAL,)
    assert found.loss < 2 * 0.5
    assert _measure(X, X[:, :2] * 2, objective="mean_squared_error").score > 0.95


def test_it_is_the_same_each_time_and_takes_no_more_rows_than_allowed():
    X, random = _problem(11)
    Y = _targets("squared_error", X, random)

    one, two = (_measure(X, Y, objective="squared_error", max_rows=150) for _ in range(2))

    np.testing.assert_array_equal(one.rows, two.rows)
    assert one.n_train == 150


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"objective": "log_los"}, ParameterError, "did you mean 'log_loss'"),
        ({"Y": np.zeros((3, 1))}, DataError, "its targets have 3"),
        ({"X_val": np.zeros((N_VAL, 2))}, DataError, "other columns"),
        ({"Y_val": np.full((N_VAL, 1), np.nan)}, DataError, "missing or infinite"),
        ({"weights": np.zeros(N)}, DataError, "weigh nothing"),
        ({"X": np.full((N, 5), "a")}, DataError, "not numbers"),
        ({"X": np.zeros((0, 5)), "Y": np.zeros((0, 1))}, DataError, "no rows"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(changes, error, words):
    X, random = _problem()
    Y = _targets("squared_error", X, random)
    given = {"X": X[:N], "Y": Y[:N], "X_val": X[N:], "Y_val": Y[N:], "objective": "squared_error", **changes}
    parts = [given.pop(name) for name in ("X", "Y", "X_val", "Y_val")]

    with pytest.raises(error, match=words):
        measure_reference(*parts, **given, shift=False)


# ----------------------------------------------------------------------------------------------------------- the shift


def test_rows_of_one_source_cannot_be_told_apart():
    z = []
    for seed in range(3):
        X, _ = _problem(seed)
        auc, se = shift_auc(X[:N], X[N:])
        z.append((auc - 0.5) / se)

    assert np.abs(z).max() < 3.5
    assert abs(np.mean(z)) < 1.5


def test_rows_of_another_source_can():
    X, _ = _problem()
    X[N:, 0] += 1.5

    auc, se = shift_auc(X[:N], X[N:])

    assert auc > 0.75
    assert (auc - 0.5) / se > 6


def test_rows_that_are_there_several_times_give_nothing_away():
    X, random = _problem()
    X[:N] = X[random.integers(0, 60, N)]

    auc, se = shift_auc(X[:N], X[N:])

    assert abs(auc - 0.5) / se < 3


def test_sets_with_hardly_a_row_of_their_own_are_not_compared():
    X, _ = _problem()

    assert shift_auc(X[:N], X[:N]) == (None, None)
    assert shift_auc(X[:N], X[N : N + 5]) == (None, None)
    assert shift_auc(np.ones((N, 2)), np.ones((N, 2))) == (None, None)
