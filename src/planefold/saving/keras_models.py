"""A fitted model as a Keras model; the package keras is imported when it is asked for."""

from __future__ import annotations

from typing import Any

from planefold.core.extras import import_keras
from planefold.networks.activations import LEAKY_SLOPE
from planefold.networks.mlp import NORM_EPSILON, NORM_MOMENTUM
from planefold.saving.dense import DenseNetwork, dense_network

# Keras's names of what ends a layer; leaky_relu has a layer of its own, which takes the slope.
ACTIVATIONS = {"identity": None, "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}
LINKS = {"identity": None, "logistic": "sigmoid", "softmax": "softmax", "exp": "exponential"}


def keras_model(model: Any, *, l1: float = 0.0, l2: float = 0.0) -> Any:
    """Write a fitted model as a Keras model that predicts the same.

    Parameters
    ----------
    model : MLPClassifier, MLPRegressor, or planefold.networks.MLP
        Several members become one wider network; batch normalisation becomes ``BatchNormalization``; a scaler of
        scikit-learn (``preprocess=StandardScaler()``) and the scale of a regressor's target are worked into the
        weights. Of a ``MLP`` (``model.net_``) the Keras model has the outputs before the link.
    l1, l2 : float
        Strengths of the penalties of every layer's weights and biases, for a later training in Keras; they change
        no output.

    Returns
    -------
    keras.Sequential, or a functional keras.Model where the network has a linear path (``skip="linear"``)
        Not compiled. The last ``Dense`` has the link as its activation ("sigmoid", "softmax", "exponential").

    Raises
    ------
    MissingExtraError
        If keras is not installed: ``pip install "planefold[keras]"``.
    ParameterError
        If the columns are prepared by anything but a scaler.

    Notes
    -----
    Shapes: (n_samples, n_features) to (n_samples, n_outputs). Two classes have one output, the probability of the
    second one. Keras rounds weights and inputs to float32 (``keras.config.set_floatx`` changes that); up to this
    rounding the predictions are equal. Needs Keras 3, which computes with TensorFlow, JAX or torch, as you have chosen
    (``KERAS_BACKEND``); with none chosen and no TensorFlow, with torch.
    """
    keras = import_keras("writing a Keras model")
    network = dense_network(model)
    # Zeros at first, which are written over: random ones would move Keras's generator of the whole process.
    kinds: dict[str, Any] = {"kernel_initializer": "zeros"}
    if l1 or l2:
        penalty = keras.regularizers.L1L2(l1=l1, l2=l2)
        kinds |= {"kernel_regularizer": penalty, "bias_regularizer": penalty}
    layers = _hidden_layers(keras, network, kinds)
    given = keras.Input((network.n_features,))
    n_outputs = network.coefs[-1].shape[1]
    if network.skip is None:
        last = keras.layers.Dense(n_outputs, activation=LINKS[network.link], name="output", **kinds)
        made = keras.Sequential([given, *layers, last])
        path = None
    else:
        last = keras.layers.Dense(n_outputs, name="output", **kinds)
        path = keras.layers.Dense(n_outputs, use_bias=False, name="linear_path", **kinds)
        value = given
        for layer in layers:
            value = layer(value)
        total = keras.layers.Add()([last(value), path(given)])
        link = keras.layers.Activation(LINKS[network.link] or "linear")
        made = keras.Model(given, link(total))
        path.set_weights([network.skip])
    _set_weights(made, network)
    return made


def _hidden_layers(keras: Any, network: DenseNetwork, kinds: dict[str, Any]) -> list[Any]:
    layers: list[Any] = []
    make = keras.layers
    for number, coef in enumerate(network.coefs[:-1]):
        is_leaky = network.activation == "leaky_relu"
        activation = None if is_leaky else ACTIVATIONS[network.activation]
        own = None if network.norms else activation
        layers.append(make.Dense(coef.shape[1], activation=own, name=f"hidden_{number + 1}", **kinds))
        if network.norms:  # Keras's momentum is the share of the past, ours (and torch's) that of the batch
            layers.append(make.BatchNormalization(epsilon=NORM_EPSILON, momentum=1 - NORM_MOMENTUM))
            if activation is not None:
                layers.append(make.Activation(activation))
        if is_leaky:
            layers.append(make.LeakyReLU(negative_slope=LEAKY_SLOPE))
        if network.dropout[number]:
            layers.append(make.Dropout(network.dropout[number]))
    return layers


def _set_weights(model: Any, network: DenseNetwork) -> None:
    for number, pair in enumerate(zip(network.coefs, network.intercepts, strict=True)):
        name = "output" if number == len(network.coefs) - 1 else f"hidden_{number + 1}"
        model.get_layer(name).set_weights(list(pair))
    norms = [layer for layer in model.layers if type(layer).__name__ == "BatchNormalization"]
    for layer, norm in zip(norms, network.norms, strict=True):
        layer.set_weights([norm.scale, norm.shift, norm.mean, norm.variance])
