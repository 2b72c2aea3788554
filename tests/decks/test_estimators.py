"""The slides' estimators: their parameters are ours, and what comes out is a planefold model."""

from __future__ import annotations

import inspect
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_iris, make_classification
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import shuffle

import planefold as pf
from planefold.core.errors import DataError, MissingExtraError, ParameterError
from planefold.core.extras import import_keras
from planefold.decks import KerasMLPClassifier, KerasMLPRegressor, PytorchMLPClassifier, PytorchMLPRegressor
from planefold.decks.translation import ACTIVATIONS, KERAS, TORCH, TRANSLATION

try:
    keras = import_keras("comparing with Keras")
except MissingExtraError:
    keras = None
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # of keras
    pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad:UserWarning"),
]
needs_keras = pytest.mark.skipif(keras is None, reason="keras is not installed: pip install 'planefold[keras]'")

X, y = shuffle(*load_iris(return_X_y=True), random_state=0)
X = StandardScaler().fit_transform(X)
REGRESSORS = (KerasMLPRegressor, PytorchMLPRegressor)
CLASSIFIERS = (KerasMLPClassifier, PytorchMLPClassifier)
ALL = (*REGRESSORS, *CLASSIFIERS)
QUICK = {"hidden_layer_sizes": (6,), "epochs": 3, "random_state": 0}


def fitted(cls, **parameters):
    return cls(**{**QUICK, **parameters}).fit(X, X[:, 0] * X[:, 1] if cls in REGRESSORS else y)


# The parameters that the slides' classes have.
OF_ALL = {
    "input_dim", "hidden_layer_sizes", "activation_function", "learning_rate_init", "epochs", "validation_split",
    "use_gpu", "l1_lambda", "l2_lambda", "dropout_rate", "solver", "batch_size",
}  # fmt: skip
OF_CLASSIFIERS = {"class_weight", "classes"}


@pytest.mark.parametrize("cls", ALL)
def test_the_parameters_are_those_of_the_slides(cls):
    names = set(inspect.signature(cls).parameters)
    assert names == OF_ALL | (OF_CLASSIFIERS if cls in CLASSIFIERS else set()) | {"random_state", "verbose"}
    assert names <= set(TRANSLATION)
    for name in names:
        assert name in cls.__doc__


@pytest.mark.parametrize("cls", ALL)
def test_parameters_arrive_in_the_planefold_model(cls):
    model = fitted(
        cls, hidden_layer_sizes=[8, 4], activation_function="LeakyReLU", learning_rate_init=0.02, epochs=4,
        validation_split=0.2, dropout_rate=[0.1, 0.2], solver="RMSProp", batch_size=10, l2_lambda=0.01, l1_lambda=0.005,
    )  # fmt: skip
    inner, run = model.model_, model.run_
    assert type(inner) is (pf.MLPRegressor if cls in REGRESSORS else pf.MLPClassifier)
    assert inner.net_.spec.hidden_layer_sizes == (8, 4)
    assert inner.net_.spec.activation == "leaky_relu"
    assert inner.net_.spec.dropout == (0.1, 0.2)
    assert inner.net_.spec.n_members == 1
    assert not inner.net_.spec.skip
    assert inner.encoder_ is None
    assert (run.solver, run.batch_size, run.n_epochs, run.n_val, run.n_train) == ("rmsprop", 10, 4, 30, 120)
    assert run.stopped_because == "max_iter"
    assert not run.restored_best
    assert {epoch.learning_rate for epoch in run.epochs if epoch.epoch} == {0.02}
    assert inner.rho == (0.9 if cls.__name__.startswith("Keras") else 0.99)
    # alpha ((1 - r) / 2 w^2 + r |w|) / 10 rows = 0.01 w^2 + 0.005 |w|
    assert inner.alpha * (1 - inner.l1_ratio) / 2 / 10 == pytest.approx(0.01)
    assert inner.alpha * inner.l1_ratio / 10 == pytest.approx(0.005)
    assert inner.penalize_bias


@pytest.mark.parametrize("spelled", ["relu", "ReLU", "tanh", "Tanh", "sigmoid", "leaky_relu", "LeakyReLU", "linear"])
def test_activations_in_every_spelling(spelled):
    model = fitted(PytorchMLPClassifier, activation_function=spelled)
    assert model.net_.spec.activation in set(ACTIVATIONS.values())


@pytest.mark.parametrize("library", [KERAS, TORCH], ids=["keras", "torch"])
def test_every_solver_trains(library):
    cls = KerasMLPClassifier if library is KERAS else PytorchMLPClassifier
    for solver in library.solvers:
        losses = fitted(cls, solver=solver.upper(), learning_rate_init=0.02, epochs=10).history_["loss"]
        assert losses[-1] < losses[0]
        assert f'"{solver}"' in cls.__doc__


WRONG = {
    "input_dim": (2.5, r"input_dim=2\.5"),
    "hidden_layer_sizes": ((4, 0), "hidden_layer_sizes"),
    "activation_function": ("rleu", r"(?s)activation_function='rleu'.*did you mean 'relu'"),
    "learning_rate_init": (0, "learning_rate_init=0"),
    "epochs": (0, "epochs=0 must be a whole number"),
    "validation_split": (1.0, r"validation_split=1\.0"),
    "use_gpu": ("yes", "use_gpu='yes' must be True or False"),
    "l1_lambda": (-1, "l1_lambda=-1"),
    "l2_lambda": (-1, "l2_lambda=-1"),
    "dropout_rate": ((0.1, 0.2), r"dropout_rate=\(0\.1, 0\.2\) has 2 rates, there are 1 hidden"),
    "solver": ("adm", r"(?s)solver='adm'.*did you mean 'adam'"),
    "batch_size": ("auto", "batch_size='auto' must be a whole number"),
    "class_weight": ("equal", "class_weight='equal'"),
    "classes": ([], r"classes=\[\] must be a list"),
    "random_state": ("seed", "random_state='seed'"),
    "verbose": (-1, "verbose=-1"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_a_wrong_value_is_named_as_on_the_slides(cls, name):
    value, said = WRONG[name]
    with pytest.raises(ParameterError, match=said):
        fitted(cls, **{name: value})


@pytest.mark.parametrize("cls", ALL)
def test_input_dim_must_be_the_number_of_columns(cls):
    assert fitted(cls, input_dim=4).n_features_in_ == 4
    with pytest.raises(ParameterError, match="input_dim=8, and X has 4 columns"):
        fitted(cls, input_dim=8)


def test_a_failed_fit_leaves_the_model_as_it_was():
    model = fitted(KerasMLPClassifier)
    before = model.predict_proba(X)
    with pytest.raises(ParameterError):
        model.set_params(input_dim=7).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), before)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_a_warning_says_so_and_the_cpu_trains():
    with pytest.warns(UserWarning, match=r"use_gpu=True.*no GPU.*the CPU is used"):
        model = fitted(KerasMLPClassifier, use_gpu=True)
    assert model.run_.device == "cpu"


# ------------------------------------------------------------------------------------------------ validation


def test_the_last_rows_are_held_out_as_in_keras():
    model = fitted(KerasMLPClassifier, validation_split=0.3, l2_lambda=0.01)
    n_train = int(150 * 0.7)
    assert (model.run_.n_train, model.run_.n_val) == (n_train, 150 - n_train)
    proba = model.predict_proba(X[n_train:])
    assert model.history_["val_loss"][-1] == pytest.approx(log_loss(y[n_train:], proba, labels=[0, 1, 2]), rel=1e-5)
    assert model.history_["val_accuracy"][-1] == pytest.approx(model.score(X[n_train:], y[n_train:]))
    # The others alone are learned from: with the same rows given as validation_data it is the same network.
    alone = KerasMLPClassifier(**QUICK, l2_lambda=0.01)
    alone.fit(X[:n_train], y[:n_train], validation_data=(X[n_train:], y[n_train:]))
    np.testing.assert_array_equal(alone.coefs_[0], model.coefs_[0])
    assert alone.history_ == model.history_


def test_nothing_held_out_leaves_the_loss_alone():
    assert set(fitted(KerasMLPRegressor).history_) == {"loss"}
    assert set(fitted(KerasMLPRegressor, validation_split=0.2).history_) == {"loss", "val_loss", "val_r2"}


def test_training_goes_on_while_the_held_out_loss_rises_and_keeps_the_last_weights():
    rng = np.random.default_rng(0)
    noise, labels = rng.normal(size=(60, 5)), rng.integers(0, 2, 60)
    model = KerasMLPClassifier(5, (50,), learning_rate_init=0.02, epochs=150, validation_split=0.4, random_state=0).fit(
        noise, labels
    )
    losses = model.history_["val_loss"]
    assert len(losses) == 150
    assert losses[-1] > 2 * min(losses)
    z = model.model_.decision_outputs(noise[36:])[:, 0].astype(float)
    assert losses[-1] == pytest.approx(np.mean(np.logaddexp(0, z) - labels[36:] * z), rel=1e-4)
    assert any(finding.code == "LC101" for finding in model.diagnose())


def test_a_label_in_the_held_out_rows_alone_is_refused():
    order = np.argsort(y, kind="stable")
    with pytest.raises(DataError, match=r"(?s)last 52 rows, and the label 2 stands in these alone.*shuffle"):
        KerasMLPClassifier(**QUICK, validation_split=0.34).fit(X[order], y[order])
    with pytest.raises(DataError, match="leaves none to learn from"):
        KerasMLPClassifier(**QUICK, validation_split=0.9).fit(X[:1], y[:1])


# ------------------------------------------------------------------------------------------------ classes, weights


def test_classes_give_each_label_an_output():
    some = y < 2
    model = KerasMLPClassifier(**QUICK, classes=[2, 0, 1]).fit(X[some], y[some])
    assert model.classes_.tolist() == [0, 1, 2]
    assert model.predict_proba(X).shape == (150, 3)
    assert KerasMLPClassifier(**QUICK).fit(X[some], y[some]).predict_proba(X).shape == (150, 2)
    with pytest.raises(ParameterError, match=r"classes=\[0, 1\] lacks the label 2, which y has"):
        fitted(KerasMLPClassifier, classes=[0, 1])
    named = KerasMLPClassifier(**QUICK, classes=["a", "b"]).fit(X, (X[:, :2] > 0).astype(int))
    assert named.classes_.tolist() == ["a", "b"]
    with pytest.raises(ParameterError, match="3 labels, and y has 2 columns"):
        KerasMLPClassifier(**QUICK, classes=["a", "b", "c"]).fit(X, (X[:, :2] > 0).astype(int))


def test_balanced_weights_are_those_of_the_slides_26_points():
    grid = np.array([(i, j) for i in range(5) for j in range(5)], dtype=float)
    points, labels = np.vstack([grid, [(-4, -4)]]), np.array([1] * 25 + [0])
    options = {**QUICK, "hidden_layer_sizes": (3,), "epochs": 30}
    balanced = KerasMLPClassifier(**options, class_weight="balanced").fit(points, labels)
    by_hand = KerasMLPClassifier(**options, class_weight={0: 13.0, 1: 0.52}).fit(points, labels)
    by_row = KerasMLPClassifier(**options).fit(points, labels, sample_weight=np.where(labels, 0.52, 13.0))
    np.testing.assert_allclose(balanced.coefs_[0], by_hand.coefs_[0], rtol=1e-5)
    np.testing.assert_allclose(balanced.coefs_[0], by_row.coefs_[0], rtol=1e-5)


@pytest.mark.parametrize("cls", ALL)
def test_a_row_of_weight_2_counts_twice(cls):
    target = X[:40, 0] if cls in REGRESSORS else y[:40]
    options = {**QUICK, "epochs": 20, "batch_size": 100, "l2_lambda": 0.01}
    weights = np.arange(40) % 3
    weighted = cls(**options).fit(X[:40], target, sample_weight=weights)
    repeated = cls(**options).fit(np.repeat(X[:40], weights, axis=0), np.repeat(target, weights))
    np.testing.assert_allclose(weighted.coefs_[0], repeated.coefs_[0], atol=1e-5)


# ------------------------------------------------------------------------------------------------ a planefold model


@pytest.mark.parametrize("cls", ALL)
def test_a_saved_one_comes_back_as_the_planefold_model_that_it_is(cls, tmp_path):
    model = fitted(cls, validation_split=0.2, dropout_rate=0.1)
    back = pf.load(model.save(tmp_path / "model.fold"))
    assert type(back) is type(model.model_)
    np.testing.assert_array_equal(back.predict(X), model.predict(X))
    assert back.run_.n_epochs == 3


@pytest.mark.parametrize("cls", ALL)
def test_it_is_diagnosed_read_drawn_and_summed_up(cls):
    model = fitted(cls, validation_split=0.2)
    assert str(model.diagnose())
    reading = model.read(X)
    assert reading.n_rows == 150
    row = reading.explain(0)
    assert row.base + row.contributions.sum() == pytest.approx(row.value)
    assert model.plot_curves() is not None
    n_outputs = 1 if cls in REGRESSORS else 3
    assert f"{(4 + 1) * 6 + (6 + 1) * n_outputs} parameters" in model.summary()
    assert model.n_parameters_ == (4 + 1) * 6 + (6 + 1) * n_outputs


@pytest.mark.parametrize("cls", ALL)
def test_before_it_is_fitted_it_says_so(cls):
    from sklearn.exceptions import NotFittedError

    for ask in (lambda m: m.predict(X), lambda m: m.summary(), lambda m: m.diagnose(), lambda m: m.save("x.fold")):
        with pytest.raises(NotFittedError):
            ask(cls())
    for name in ("run_", "history_", "coefs_"):
        with pytest.raises(AttributeError, match="before it is fitted"):
            getattr(cls(), name)
    with pytest.raises(AttributeError):
        getattr(fitted(cls), "nothing_like_it_")  # noqa: B009
    other = "to_keras" if hasattr(cls, "to_torch") else "to_torch"
    with pytest.raises(AttributeError, match=f"has no {other}$"):  # fitting would not help
        getattr(cls(), other)


def test_no_advice_names_a_parameter_that_it_does_not_have():
    missing = np.where(np.eye(len(X), 4) > 0, np.nan, X)
    with pytest.raises(DataError, match=r"hint: a planefold\.TableEncoder before it in a pipeline takes"):
        KerasMLPClassifier(**QUICK).fit(missing, y)
    pipe = make_pipeline(pf.TableEncoder(), KerasMLPClassifier(epochs=30, learning_rate_init=0.01, random_state=0))
    assert pipe.fit(missing, y).score(missing, y) > 0.8


def test_columns_of_a_frame_keep_their_names():
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    model = KerasMLPClassifier(**QUICK).fit(frame, y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "d"]


def test_pipelines_searches_and_clones():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), KerasMLPClassifier(epochs=10, learning_rate_init=0.02, random_state=0)),
        {"kerasmlpclassifier__hidden_layer_sizes": [(2,), (16,)], "kerasmlpclassifier__dropout_rate": [0.0, 0.2]},
        cv=3,
    ).fit(X, y)
    assert search.best_score_ > 0.8
    copy = clone(search.best_estimator_[-1])
    assert copy.get_params() == search.best_estimator_[-1].get_params()
    assert not hasattr(copy, "model_")
    assert cross_val_score(copy, X, y, cv=3).mean() > 0.8


# ------------------------------------------------------------------------------------------------ back to the libraries


def kinds_of_target():
    labels = make_classification(n_samples=150, random_state=0)[1]
    several = np.column_stack([labels, y > 0]).astype(int)
    yield from [(REGRESSORS, X[:, 0]), (REGRESSORS, X[:, :2] * [1, 30]), (CLASSIFIERS, labels), (CLASSIFIERS, several)]
    yield CLASSIFIERS, np.array(["red", "green", "blue"])[y]


def expected(model, target):
    if not hasattr(model, "predict_proba"):
        return model.predict(X).reshape(150, -1)
    proba = model.predict_proba(X)
    return proba[:, 1:] if target.ndim == 1 and len(model.classes_) == 2 else proba


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "sigmoid", "linear"])
def test_to_torch_gives_the_real_thing(activation):
    for (_, cls), target in kinds_of_target():
        model = cls(**QUICK, activation_function=activation, dropout_rate=0.2).fit(X, target)
        module = model.to_torch()
        assert type(module) is torch.nn.Sequential
        with torch.no_grad():
            outputs = module(torch.tensor(X, dtype=torch.float32)).numpy()
        np.testing.assert_allclose(outputs, expected(model, target), rtol=1e-5, atol=1e-6)
        assert not hasattr(model, "to_keras")


@needs_keras
@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "tanh", "sigmoid", "linear"])
def test_to_keras_gives_the_real_thing(activation):
    for (cls, _), target in kinds_of_target():
        model = cls(**QUICK, activation_function=activation, dropout_rate=0.2).fit(X, target)
        made = model.to_keras()
        assert isinstance(made, keras.Sequential)
        np.testing.assert_allclose(made.predict(X, verbose=0), expected(model, target), rtol=1e-5, atol=2e-6)
        assert not hasattr(model, "to_torch")


@needs_keras
@pytest.mark.parametrize("solver", KERAS.solvers)
def test_the_keras_model_goes_on_training(solver):
    model = fitted(KerasMLPClassifier, solver=solver.title(), learning_rate_init=0.02, l1_lambda=1e-3, l2_lambda=1e-3)
    made = model.to_keras()
    # Its loss is ours: the mean cross-entropy and the penalties of what there is.
    penalty = sum(1e-3 * np.abs(w).sum() + 1e-3 * np.square(w).sum() for w in (*model.coefs_, *model.intercepts_))
    loss, accuracy = made.evaluate(X, y, verbose=0)
    assert loss == pytest.approx(log_loss(y, model.predict_proba(X)) + penalty, rel=1e-4)
    assert accuracy == pytest.approx(model.score(X, y))
    history = made.fit(X, y, epochs=2, batch_size=32, verbose=0).history
    assert history["loss"][-1] < loss
    assert type(made.optimizer).__name__.lower() == (
        solver if solver in ("adam", "rmsprop", "adagrad", "adadelta") else "sgd"
    )
    assert float(made.optimizer.learning_rate) == pytest.approx(0.02)


@needs_keras
@pytest.mark.parametrize(("sizes", "n_inputs", "count"), [((3,), 2, 13), ((12, 8), 8, 221)])
def test_kerass_summary_counts_as_the_slides_do(sizes, n_inputs, count):
    rng = np.random.default_rng(0)
    model = KerasMLPRegressor(n_inputs, sizes, epochs=1).fit(rng.normal(size=(20, n_inputs)), rng.normal(size=20))
    lines: list[str] = []
    model.to_keras().summary(print_fn=lines.append)
    assert f"Total params: {count} " in "\n".join(lines)


@needs_keras
def test_softmax_on_four_inputs_has_15_parameters():
    assert fitted(KerasMLPClassifier, hidden_layer_sizes=()).to_keras().count_params() == 15


def test_without_keras_the_extra_is_named(monkeypatch):
    model = fitted(KerasMLPClassifier)
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(MissingExtraError, match=r"(?s)needs the package keras.*planefold\[keras\]"):
        model.to_keras()
