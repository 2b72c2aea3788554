"""Prediction: what a network answers, in whichever way it is computed, against plain float64 NumPy."""

from __future__ import annotations

import itertools
import threading
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import expit

from planefold import MLPClassifier, MLPRegressor
from planefold.core.errors import DataError
from planefold.estimators.base import BaseMLP
from planefold.networks import forward
from planefold.networks.mlp import MLP, MLPSpec

Array = npt.NDArray[Any]
PLAIN = {"preprocess": None, "n_members": 1, "skip": None, "early_stopping": False, "max_iter": 2, "dropout": 0.0}
FUNCTIONS = {
    "identity": lambda z: z,
    "logistic": expit,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
}


def data(n_rows: int, n_features: int = 6, dtype: Any = np.float32) -> tuple[Array, Array]:
    X = np.random.default_rng(0).standard_normal((n_rows, n_features)).astype(dtype)
    return X, (X[:, 0] - X[:, 1] * X[:, 2]).astype(dtype)


def fitted(**parameters: Any) -> MLPRegressor:
    return MLPRegressor(**{**PLAIN, "hidden_layer_sizes": (16, 16), "random_state": 0, **parameters}).fit(*data(200))


def by_hand(coefs: list[Array], intercepts: list[Array], skip: Array | None, activation: str, X: Array) -> Array:
    """The textbook's forward propagation, in float64."""
    a = X = np.asarray(X, dtype=np.float64)
    for coef, intercept in zip(coefs[:-1], intercepts[:-1], strict=True):
        a = FUNCTIONS[activation](a @ coef.astype(np.float64) + intercept)
    outputs = a @ coefs[-1].astype(np.float64) + intercepts[-1]
    return outputs if skip is None else outputs + X @ skip.astype(np.float64)


def some_net(spec: MLPSpec, seed: int, dtype: torch.dtype) -> MLP:
    """A network all of whose tensors are random, running statistics included."""
    random = torch.Generator().manual_seed(seed)
    net = spec.build(np.random.RandomState(seed), dtype=dtype)
    with torch.no_grad():
        for tensor in (*net.intercepts, *net.norm_shifts, *net.running_means, *net.penalized()):
            tensor.copy_(torch.randn(tensor.shape, generator=random) / tensor.shape[-2] ** 0.5)
        for tensor in (*net.norm_scales, *net.running_vars):
            tensor.copy_(0.5 + torch.rand(tensor.shape, generator=random))
    return net


def each_member(net: MLP, X: Array) -> list[Array]:
    """Every member by hand, with batch normalisation as its own affine step."""
    n_hidden, results = len(net.spec.hidden_layer_sizes), []
    for m in range(net.spec.n_members):
        take = lambda tensor, m=m: tensor.detach()[m].double().numpy()  # noqa: E731
        coefs, intercepts = [take(coef) for coef in net.coefs], [take(bias) for bias in net.intercepts]
        for k in range(n_hidden if net.spec.batch_norm else 0):
            factor = take(net.norm_scales[k]) / np.sqrt(take(net.running_vars[k]) + 1e-5)
            intercepts[k] = (intercepts[k] - take(net.running_means[k])) * factor + take(net.norm_shifts[k])
            coefs[k] = coefs[k] * factor
        skip = None if net.skip_coef is None else take(net.skip_coef)
        results.append(by_hand(coefs, intercepts, skip, net.spec.activation, X))
    return results


SPECS = st.builds(
    MLPSpec,
    n_features=st.integers(1, 9),
    n_outputs=st.integers(1, 3),
    hidden_layer_sizes=st.lists(st.integers(1, 12), max_size=3).map(tuple),
    activation=st.sampled_from(sorted(FUNCTIONS)),
    n_members=st.integers(1, 3),
    skip=st.booleans(),
    batch_norm=st.booleans(),
)


@given(
    spec=SPECS,
    seed=st.integers(0, 1000),
    n_rows=st.integers(1, 40),
    weights=st.sampled_from([torch.float32, torch.float64]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    kind=st.sampled_from(["C", "F", "backwards", "read-only", "sparse"]),
    up_to=st.sampled_from([0, 10**9]),  # all by torch, or all by NumPy
    at_once=st.sampled_from([1, 100, 10**6]),  # pieces of one row, of several, and all rows
)
def test_every_network_answers_what_it_does_by_hand(
    spec: MLPSpec, seed: int, n_rows: int, weights: Any, dtype: Any, kind: str, up_to: int, at_once: int
) -> None:
    net = some_net(spec, seed, weights)
    X = np.random.default_rng(seed).standard_normal((n_rows, spec.n_features)).astype(np.float32)
    expected = np.mean(each_member(net, X), axis=0)
    rows: Any = {"F": np.asfortranarray(X), "backwards": X[::-1].copy()[::-1], "sparse": sparse.csr_array(X)}.get(
        kind, X
    )
    if kind == "read-only":
        rows = X.copy()
        rows.flags.writeable = False
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forward, "NUMPY_UP_TO", up_to)
        patch.setattr(forward, "VALUES_AT_ONCE", at_once)
        found = forward.mean_outputs(net, rows, dtype)
    assert found.dtype == (np.float32 if dtype == torch.float32 else np.float64)
    assert found.shape == (n_rows, spec.n_outputs)
    is_exact = dtype == torch.float64
    scale = 1 + np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=(1e-12 if is_exact else 2e-5) * scale)
    assert net.coefs[0].dtype == weights


@pytest.mark.parametrize("activation", sorted(FUNCTIONS))
def test_the_estimator_predicts_what_its_weights_say(activation: str) -> None:
    model = fitted(activation=activation, n_members=3, skip="linear", batch_norm=True)
    X, _ = data(300)
    expected = by_hand(model.coefs_, model.intercepts_, model.skip_coef_, activation, X)[:, 0]
    found = model.predict(X)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_float64_rows_are_computed_in_float64_as_scikit_learn_does() -> None:
    model = fitted(dtype="float32")
    X, _ = data(50, dtype=np.float64)
    expected = by_hand(model.coefs_, model.intercepts_, None, "relu", X)[:, 0]
    np.testing.assert_array_equal(model.predict(X), expected.astype(np.float32))


@pytest.mark.parametrize("n_rows", [1, 2, 50, 20_000])
def test_a_row_alone_and_among_many_differ_by_rounding_only(n_rows: int) -> None:
    model = fitted(hidden_layer_sizes=(64, 64))
    X, _ = data(20_000)
    np.testing.assert_allclose(model.predict(X[:n_rows])[-1], model.predict(X)[n_rows - 1], atol=2e-6)


def test_a_change_of_the_weights_is_noticed_wherever_it_is_made() -> None:
    model = fitted()
    X, y = data(100)
    seen = [model.predict(X)]
    model.coefs_[-1][:] *= 2  # a view
    seen.append(model.predict(X))
    with torch.no_grad():
        model.net_.intercepts[-1].data = model.net_.intercepts[-1].data + 1  # another piece of memory
    seen.append(model.predict(X))
    np.testing.assert_allclose(seen[-1], seen[-2] + 1, atol=1e-5)
    model.partial_fit(X, y)
    seen.append(model.predict(X))
    model.set_params(warm_start=True).fit(X, y)
    seen.append(model.predict(X))
    assert all(not np.allclose(before, after) for before, after in itertools.pairwise(seen))


def test_predicting_changes_neither_the_weights_nor_the_rows_nor_the_mode() -> None:
    model = fitted(batch_norm=True)
    X, _ = data(500)
    rows, state = X.copy(), {name: tensor.clone() for name, tensor in model.net_.state_dict().items()}
    model.net_.train()
    before = model.predict(X)
    assert model.net_.training
    np.testing.assert_array_equal(before, model.predict(X))
    np.testing.assert_array_equal(X, rows)
    for name, tensor in model.net_.state_dict().items():
        assert torch.equal(tensor, state[name])


def test_without_hidden_layers_the_prediction_is_not_the_weights_memory() -> None:
    model = fitted(hidden_layer_sizes=())
    X, _ = data(3)
    expected = model.predict(X).copy()
    model.predict(X)[:] = 0
    np.testing.assert_array_equal(model.predict(X), expected)


def test_outputs_that_overflow_do_so_without_a_warning(recwarn: Any) -> None:
    model = fitted()
    X, _ = data(4)
    model.coefs_[0][:] *= np.float32(1e30)
    assert not np.isfinite(model.predict(X * np.float32(1e10))).all()
    assert not [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)]


def test_many_threads_may_ask_at_once_and_leave_the_process_as_it_was() -> None:
    model = fitted()
    X, _ = data(64)
    long, n_threads, wrong = np.tile(X, (400, 1)), torch.get_num_threads(), []
    expected = model.predict(X)

    def ask() -> None:
        for n in range(1, 60):
            if not np.allclose(model.predict(X[:n]), expected[:n], atol=1e-5):
                wrong.append(n)
        if not np.allclose(model.predict(long).reshape(400, -1), expected, atol=1e-5):
            wrong.append(len(long))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert torch.get_num_threads() == n_threads


# ------------------------------------------------------------------------------------------ reading the rows


def spoiled(X: Array, value: float) -> Array:
    X = X.copy()
    X[3, 1] = value
    return X


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda X: spoiled(X, np.nan), "NaN"),
        (lambda X: spoiled(X, np.inf), "infinity"),
        (lambda X: X[:, :-1], "6 features"),
        (lambda X: X[0], "1D array"),
        (lambda X: X[:0], "0 sample"),
        (lambda X: X.astype(complex), "Complex"),
    ],
)
def test_rows_that_cannot_be_used_are_refused_in_scikit_learns_words(spoil: Any, words: str) -> None:
    X, _ = data(10)
    with pytest.raises(DataError, match=words):
        fitted().predict(spoil(X))


def test_finite_numbers_whose_sum_is_not_finite_are_taken() -> None:
    model = fitted(activation="tanh", hidden_layer_sizes=(4,))
    X = np.full((5, 6), 3e38, dtype=np.float32)
    assert model.predict(X).shape == (5,)


def test_an_array_for_a_model_of_named_columns_gets_the_usual_warning(frame: Any) -> None:
    numbers = frame[["rooms", "garden"]].astype(np.float32)
    model = MLPClassifier(**{**PLAIN, "hidden_layer_sizes": (4,)}).fit(numbers, frame["sold"])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(numbers.to_numpy())


def test_parameters_are_those_of_the_class_that_is_asked() -> None:
    class Other(MLPRegressor):
        def __init__(self, own: int = 1) -> None:
            self.own = own

    assert Other().get_params() == {"own": 1}
    assert "class_weight" in MLPClassifier().get_params()
    assert "class_weight" not in MLPRegressor().get_params()
    assert BaseMLP._get_param_names() == []
