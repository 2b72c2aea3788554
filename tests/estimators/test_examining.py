"""`model.diagnose(X, y)`: rows of any kind, split as the model split them, with what is known of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from planefold import MLPClassifier, MLPRegressor, load
from planefold.core.errors import DataError, ParameterError
from planefold.estimators.examining import case_of

N = 150


@pytest.fixture(scope="module")
def rows():
    rng = np.random.RandomState(0)
    X = rng.randn(N, 4)
    return X, X[:, 0] + np.abs(X[:, 1]) + 0.1 * rng.randn(N)


def _fit(X, y, kind=MLPRegressor, **given):
    return kind(**{"hidden_layer_sizes": (8,), "max_iter": 6, "n_members": 1, "random_state": 0} | given).fit(X, y)


def test_times_and_groups_follow_the_rows_of_the_models_own_split(rows):
    X, y = rows
    model = _fit(X, y)
    time = np.arange(N, dtype=float)
    scan = case_of(model, X, y, time=time, groups=np.arange(N) // 2, reference=False).scan
    assert (scan.n_train, scan.n_val) == (N - len(model._held_out), len(model._held_out))
    shared = set(model._held_out // 2) & set(np.setdiff1d(time, model._held_out) // 2)
    assert scan.overlap.n_shared_groups == len(shared)
    for given in (time.tolist(), pd.date_range("2020", periods=N), pd.Series(time)):
        assert case_of(model, X, y, time=given, reference=False).scan.n_val == len(model._held_out)


@pytest.mark.parametrize("n_members", [1, 3])
def test_times_and_groups_go_with_other_rows_as_well(rows, tmp_path, n_members):
    X, y = rows
    model = _fit(X, y, n_members=n_members)
    known = {"time": np.arange(100), "groups": np.arange(100) // 2}
    assert len(model.diagnose(X[:100], y[:100], validation_data=(X[100:], y[100:]), **known).not_applicable) < 40
    model.save(tmp_path / "model.fold")
    again = load(tmp_path / "model.fold")
    assert again.diagnose(X[:100], y[:100], **known, reference=False).verdict == model.diagnose().verdict


def test_columns_that_the_model_does_not_know_are_not_scanned(rows):
    X, y = rows
    table = pd.DataFrame(X, columns=list("abcd"))
    model = _fit(table, y)
    whole = table.assign(price=y, day=np.arange(N))
    told = model.diagnose(whole, y, time="day", groups=None, reference=False)
    assert "DA401" not in [finding.code for finding in told]
    assert case_of(model, whole, "price", time="day", reference=False).scan.n_columns == 4


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"y": "short"}, DataError, "X has 150 rows, y has 10"),
        ({"time": [1, 2]}, DataError, "one moment for each row of X"),
        ({"groups": [1, 2]}, DataError, "one group for each row of X"),
        ({"validation_data": "X"}, ParameterError, "is a ndarray and no pair"),
        ({"validation_data": "triple"}, ParameterError, "is a tuple and no pair"),
        ({"y": None}, ParameterError, "the targets of the rows are needed"),
    ],
)
def test_what_does_not_fit_is_said_in_one_message(rows, given, error, said):
    X, y = rows
    model = _fit(X, y)
    words = {"short": y[:10], "X": X, "triple": (X, y, y)}
    given = {name: words.get(value, value) if isinstance(value, str) else value for name, value in given.items()}
    with pytest.raises(error, match=said):
        model.diagnose(X, **{"y": y} | given)


def test_all_kinds_of_models_and_rows_are_diagnosed(rows):
    X, y = rows
    two, label = np.column_stack([y, X[:, 2]]), np.array(["no", "yes"])[(y > 0).astype(int)]
    both = np.column_stack([y > 0, X[:, 2] > 0]).astype(int)
    S = sparse.csr_matrix(np.where(X > 0.5, X, 0))
    dated = pd.DataFrame(X, columns=list("abcd")).assign(when=pd.date_range("2020", periods=N))
    dated.loc[::7, "a"] = np.nan
    models = [
        (_fit(X, two), X, two),
        (_fit(X, both, MLPClassifier), X, both),
        (_fit(X, label, MLPClassifier, class_weight="balanced"), X, label),
        (_fit(S, label, MLPClassifier), S, label),
        (_fit(X, y, preprocess=None), X, y),
        (_fit(X, y, solver="lbfgs", max_iter=500), X, y),
        (_fit(X[:, :1], y), X[:, :1], y),
        (_fit(dated, y), dated, y),
        (MLPClassifier(random_state=0).partial_fit(X, label, classes=["no", "yes"]), X, label),
    ]
    for model, some, target in models:
        first = str(model.diagnose(some, target, reference=False)).splitlines()[0]
        assert first.startswith(("learning curves: ", "nothing is wrong", "1 "))
