"""Keras models, layer by layer against Keras itself."""

from __future__ import annotations

import json
import os
import zipfile

import numpy as np
import pytest

from planefold.core.errors import MissingExtraError, ModelFileError, NotPiecewiseLinearError, ParameterError
from planefold.reading.models import from_model

os.environ.setdefault("KERAS_BACKEND", "torch")  # the one that is always there
keras = pytest.importorskip("keras")
L = keras.layers

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of keras, when it saves
IMAGE, SERIES, ROW = (7, 6, 3), (10, 3), (4,)
RNG = np.random.default_rng(0)


def sequential(shape, *layers):
    model = keras.Sequential([keras.Input(shape), *layers])
    for variable in model.weights:
        drawn = RNG.normal(size=variable.shape) * 0.5
        if variable.dtype == "float32":
            variable.assign(abs(drawn) + 0.5 if "variance" in variable.path else drawn)
    return model


def agree(model, shape):
    net = from_model(model)
    X = RNG.normal(size=(5, *shape)).astype(np.float32)
    expected = np.asarray(keras.ops.convert_to_numpy(model(X, training=False))).reshape(5, -1)
    np.testing.assert_allclose(net.outputs(X), expected, rtol=1e-4, atol=1e-4)
    assert net.input_shape == shape
    return net


LAYERS = {
    "dense": (lambda: L.Dense(3, activation="relu"), ROW),
    "dense of a series": (lambda: L.Dense(2, use_bias=False), SERIES),
    "conv same": (lambda: L.Conv2D(4, 3, padding="same", activation="relu"), IMAGE),
    "conv same strided": (lambda: L.Conv2D(4, (3, 2), padding="same", strides=2), IMAGE),
    "conv valid": (lambda: L.Conv2D(4, 3, strides=(1, 2)), IMAGE),
    "conv dilated": (lambda: L.Conv2D(4, 2, dilation_rate=2, padding="same"), IMAGE),
    "conv grouped": (lambda: L.Conv2D(6, 2, groups=3), IMAGE),
    "conv causal": (lambda: L.Conv1D(4, 3, padding="causal", dilation_rate=2), SERIES),
    "depthwise": (lambda: L.DepthwiseConv2D(3, depth_multiplier=2, padding="same"), IMAGE),
    "separable": (lambda: L.SeparableConv2D(5, 3, depth_multiplier=2), IMAGE),
    "separable 1d": (lambda: L.SeparableConv1D(5, 3), SERIES),
    "transposed same": (lambda: L.Conv2DTranspose(4, 3, strides=2, padding="same"), IMAGE),
    "transposed valid": (lambda: L.Conv2DTranspose(4, 2, strides=3), IMAGE),
    "batch norm": (lambda: L.BatchNormalization(), IMAGE),
    "batch norm, plain": (lambda: L.BatchNormalization(center=False, scale=False), SERIES),
    "normalization": (lambda: L.Normalization(mean=[1, 2, 3], variance=[1, 4, 9]), SERIES),
    "rescaling": (lambda: L.Rescaling(1 / 255, offset=-0.5), IMAGE),
    "relu with all": (lambda: L.ReLU(3.0, negative_slope=0.1), SERIES),
    "relu capped": (lambda: L.ReLU(1.0), SERIES),
    "leaky relu": (lambda: L.LeakyReLU(0.3), SERIES),
    "prelu": (lambda: L.PReLU(shared_axes=[1]), SERIES),
    "activation": (lambda: L.Activation("leaky_relu"), SERIES),
    "hard sigmoid": (lambda: L.Activation("hard_sigmoid"), SERIES),
    "relu6": (lambda: L.Activation("relu6"), SERIES),
    "a layer as activation": (lambda: L.Dense(4, activation=L.LeakyReLU(0.1)), ROW),
    "max pool": (lambda: L.MaxPooling2D(3, strides=2, padding="same"), IMAGE),
    "max pool 1d": (lambda: L.MaxPooling1D(3), SERIES),
    "average pool": (lambda: L.AveragePooling2D(3, strides=2), IMAGE),
    "average pool 1d same": (lambda: L.AveragePooling1D(3, strides=1, padding="same"), SERIES),
    "global average": (lambda: L.GlobalAveragePooling2D(), IMAGE),
    "global max": (lambda: L.GlobalMaxPooling1D(keepdims=True), SERIES),
    "flatten": (lambda: L.Flatten(), IMAGE),
    "reshape": (lambda: L.Reshape((-1, 2)), IMAGE),
    "permute": (lambda: L.Permute((3, 1, 2)), IMAGE),
    "repeat": (lambda: L.RepeatVector(3), ROW),
    "zero padding": (lambda: L.ZeroPadding2D(((1, 0), (2, 1))), IMAGE),
    "cropping": (lambda: L.Cropping2D(((1, 0), (2, 1))), IMAGE),
    "upsampling": (lambda: L.UpSampling2D((2, 3)), IMAGE),
    "dropout and noise": (lambda: keras.Sequential([L.Dropout(0.5), L.GaussianNoise(1.0)]), ROW),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_agrees_with_keras(name):
    make, shape = LAYERS[name]
    agree(sequential(shape, make()), shape)


def functional():
    x = given = keras.Input((6, 6, 3))
    x = L.BatchNormalization()(L.Conv2D(4, 3, padding="same", activation="relu", name="stem")(x))
    y = L.Conv2D(4, 3, padding="same")(x)
    x = L.Add()([x, y])
    x = keras.ops.maximum(x, L.Maximum()([y, x * 0.5]))
    x = keras.ops.relu(2 - x / 3)
    x = L.Concatenate()([x, L.Subtract()([x, y]), L.Average()([x, y])])
    x = sequential((6, 6, 12), L.MaxPooling2D(), L.Flatten())(x)  # a model as a layer
    return keras.Model(given, L.Dense(3)(x))


def test_a_functional_model_with_branches_agrees_with_keras():
    net = agree(functional(), (6, 6, 3))
    assert net.unit_name(0) == "stem, unit 1"


def test_what_stands_at_the_very_end_is_left_out_and_said():
    X = RNG.normal(size=(4, 4))
    for layers, link in (
        ([L.Dense(3, activation="softmax")], "softmax"),
        ([L.Dense(3), L.Softmax()], "softmax"),
        ([L.Dense(1, activation="sigmoid"), L.Reshape((1, 1))], "logistic"),
    ):
        model = sequential(ROW, *layers)
        net = from_model(model)
        assert net.link == link
        kernel, bias = (np.asarray(weight, dtype=np.float64) for weight in model.get_weights())
        np.testing.assert_allclose(net.outputs(X), X @ kernel + bias, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: [L.Dense(3, activation="gelu", name="bent")], r"layer 'bent' \(Dense\).*its activation is 'gelu'"),
        (lambda: [L.LayerNormalization(name="norm")], r"layer 'norm' \(LayerNormalization\)"),
        (lambda: [L.Dense(3, activation="sigmoid"), L.Dense(2)], "computes a sigmoid.*goes on with it"),
        (lambda: [L.Lambda(lambda x: x)], "Lambda"),
        (lambda: [L.ReLU(threshold=1.0)], "jumps"),
        (lambda: [L.Dense(3, activation=lambda x: x)], "its activation is '<lambda>'"),
    ],
)
def test_what_bends_is_refused_by_name(make, said):
    with pytest.raises(NotPiecewiseLinearError, match=said) as caught:
        from_model(sequential(ROW, *make()))
    assert caught.value.hint


def test_models_without_a_graph_weights_or_shape_are_refused():
    class Own(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ParameterError, match="neither Sequential nor functional"):
        from_model(Own())
    with pytest.raises(ParameterError, match="not built"):
        from_model(keras.Sequential([L.Dense(3)]))
    model = sequential((None, 3), L.Conv1D(2, 3), L.GlobalMaxPooling1D())
    with pytest.raises(ParameterError, match="leaves the shape of its input open"):
        from_model(model)
    assert from_model(model, input_shape=(6, 3)).n_inputs == 18


def test_a_file_is_read(tmp_path):
    for model in (functional(), sequential(ROW, L.Dense(4, activation="relu"), L.Dense(2))):
        path = tmp_path / "model.keras"
        model.save(path)
        net, X = from_model(path), None
        X = RNG.normal(size=(3, net.n_inputs))
        np.testing.assert_allclose(net.outputs(X), from_model(model).outputs(X))


def test_a_file_that_names_anything_else_is_not_given_to_keras(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    monkeypatch.setattr(keras.saving, "load_model", lambda *_, **__: pytest.fail("it was loaded"))
    sequential(ROW, L.Lambda(lambda x: x)).save(path)
    with pytest.raises(ModelFileError, match=r"keras\.layers\.Lambda, which is not loaded"):
        from_model(path)
    harmful = {"module": "os", "class_name": "system", "config": {"command": "echo"}}
    for config in (harmful, {"module": "keras.layers", "class_name": "Dense", "config": {"activation": harmful}}):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", json.dumps(config))
        with pytest.raises(ModelFileError, match=r"holds os\.system"):
            from_model(path)


@pytest.mark.parametrize("content", [b"", b"no zip", None])
def test_damaged_files_are_refused(content, tmp_path):
    path = tmp_path / "model.keras"
    if content is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", "[" * 100_000)
    else:
        path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"no \.keras file"):
        from_model(path)


def test_without_keras_a_file_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
    monkeypatch.setitem(__import__("sys").modules, "keras", None)
    with pytest.raises(MissingExtraError, match="needs the package keras"):
        from_model(path)
