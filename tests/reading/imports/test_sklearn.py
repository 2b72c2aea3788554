"""Networks of scikit-learn, against predict and predict_proba."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, softmax
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_selection import VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)

from planefold.core.errors import NotPiecewiseLinearError, ParameterError
from planefold.reading.models import from_model

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 4)) * [1, 100, 1e4, 1e-3] + [0, 1e3, 1e5, 1]  # columns in very different units
Y = (X - X.mean(axis=0)) / X.std(axis=0) @ [1.0, -2.0, 0.5, 3.0]
CLASSES = np.array(["cat", "dog", "owl"])[np.digitize(Y, [-1.5, 1.5])]
SETTINGS = {"hidden_layer_sizes": (8, 6), "random_state": 0, "max_iter": 3000, "tol": 1e-2}


def scaled():
    return (X - X.mean(axis=0)) / X.std(axis=0)


@pytest.mark.parametrize("activation", ["relu", "identity"])
def test_a_regressor_is_read(activation):
    model = MLPRegressor(activation=activation, **SETTINGS).fit(scaled(), np.c_[Y, -Y])
    net = from_model(model)
    np.testing.assert_allclose(net.outputs(scaled()), model.predict(scaled()), rtol=1e-9, atol=1e-9)
    assert net.link == "identity"
    assert net.widths == ((8, 6) if activation == "relu" else ())


def test_classifiers_are_read_with_their_link_and_names():
    several = MLPClassifier(**SETTINGS).fit(scaled(), CLASSES)
    net = from_model(several)
    assert (net.link, net.output_names) == ("softmax", ("cat", "dog", "owl"))
    np.testing.assert_allclose(
        softmax(net.outputs(scaled()), axis=1), several.predict_proba(scaled()), rtol=1e-8, atol=1e-12
    )
    two = MLPClassifier(**SETTINGS).fit(scaled(), Y > 0)
    net = from_model(two)
    assert (net.link, net.output_names, net.n_outputs) == ("logistic", ("True",), 1)
    np.testing.assert_allclose(expit(net.outputs(scaled())[:, 0]), two.predict_proba(scaled())[:, 1], rtol=1e-8)
    labels = MLPClassifier(**SETTINGS).fit(scaled(), np.c_[Y > 0, Y > 1])
    net = from_model(labels)
    assert (net.link, net.n_outputs) == ("logistic", 2)
    np.testing.assert_allclose(expit(net.outputs(scaled())), labels.predict_proba(scaled()), rtol=1e-8)


@pytest.mark.parametrize(
    "step",
    [
        StandardScaler(),
        StandardScaler(with_mean=False),
        MinMaxScaler((-1, 2)),
        MinMaxScaler(clip=True),
        MaxAbsScaler(),
        RobustScaler(),
        make_pipeline(StandardScaler(), PCA(3)),
        make_pipeline(StandardScaler(), PCA(3, whiten=True)),
        make_pipeline(StandardScaler(), TruncatedSVD(2)),
        make_pipeline(VarianceThreshold(1e-3), StandardScaler()),
        make_pipeline("passthrough", SimpleImputer(), FunctionTransformer(None), StandardScaler()),
    ],
    ids=lambda step: str(step).replace("\n", ""),
)
def test_a_pipeline_reads_the_columns_as_they_are(step):
    table = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    model = make_pipeline(step, MLPRegressor(**SETTINGS)).fit(table, Y)
    net = from_model(model)
    assert net.input_names == ("a", "b", "c", "d")
    far = table * 1.5  # beyond what was seen, where clipping matters
    np.testing.assert_allclose(net.outputs(far.to_numpy())[:, 0], model.predict(far), rtol=1e-7, atol=1e-7)


def test_clipping_makes_folds_of_the_preparation():
    model = make_pipeline(MinMaxScaler(clip=True), MLPRegressor(**SETTINGS)).fit(X, Y)
    net = from_model(model)
    assert net.widths == (8, 8, 6)  # two ends for each of four columns
    assert (net.depths()[:8] == 0).all()


def test_a_scaled_target_comes_back_in_its_unit():
    model = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), MLPRegressor(**SETTINGS)), transformer=MinMaxScaler()
    ).fit(X, 1e5 + 1e4 * Y)
    np.testing.assert_allclose(from_model(model).outputs(X)[:, 0], model.predict(X), rtol=1e-9)


def test_a_search_gives_its_best_model():
    search = GridSearchCV(
        make_pipeline(StandardScaler(), MLPRegressor(**SETTINGS)), {"mlpregressor__alpha": [1e-3, 1]}, cv=2
    )
    with pytest.raises(ParameterError, match="not fitted"):
        from_model(search)
    search.fit(X, Y)
    np.testing.assert_allclose(from_model(search).outputs(X)[:, 0], search.predict(X), rtol=1e-8)


def test_float32_weights_are_read():
    model = MLPRegressor(**SETTINGS).fit(scaled().astype(np.float32), Y.astype(np.float32))
    assert model.coefs_[0].dtype == np.float32
    np.testing.assert_allclose(from_model(model).outputs(scaled())[:, 0], model.predict(scaled()), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (MLPRegressor(activation="tanh", **SETTINGS), "activation='tanh' is not piecewise linear"),
        (MLPClassifier(activation="logistic", **SETTINGS), "activation='logistic'"),
        (make_pipeline(PolynomialFeatures(), StandardScaler(), MLPRegressor(**SETTINGS)), "PolynomialFeatures"),
        (make_pipeline(StandardScaler(), FunctionTransformer(np.tanh), MLPRegressor(**SETTINGS)), "with tanh"),
        (
            TransformedTargetRegressor(MLPRegressor(**SETTINGS), func=np.arctan, inverse_func=np.tan),
            "FunctionTransformer with arctan, whose inverse is not affine",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_bends_is_refused_by_name(model, said):
    model.fit(scaled(), Y > 0 if isinstance(model, MLPClassifier) else Y)
    with pytest.raises(NotPiecewiseLinearError, match=said) as caught:
        from_model(model)
    assert caught.value.hint


def test_what_is_not_fitted_is_said_so():
    for model in (MLPRegressor(), make_pipeline(StandardScaler(), MLPRegressor())):
        with pytest.raises(ParameterError, match="not fitted"):
            from_model(model)
