"""A fitted model as a module of torch's own layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt
import torch
from torch import nn

from planefold.core.errors import ParameterError
from planefold.networks.activations import LEAKY_SLOPE
from planefold.networks.mlp import NORM_EPSILON, NORM_MOMENTUM
from planefold.saving.dense import DenseNetwork, Norm, dense_network

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "identity": nn.Identity,
    "logistic": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(LEAKY_SLOPE),
}
LINKS: dict[str, Callable[[], nn.Module]] = {"logistic": nn.Sigmoid, "softmax": lambda: nn.Softmax(dim=-1)}


def torch_module(model: Any) -> nn.Sequential:
    """Write a fitted model as a ``torch.nn.Sequential`` that predicts the same.

    Parameters
    ----------
    model : MLPClassifier, MLPRegressor, or planefold.networks.MLP
        Several members become one wider network; batch normalisation becomes ``BatchNorm1d``; a scaler of
        scikit-learn (``preprocess=StandardScaler()``) and the scale of a regressor's target are worked into the
        weights. Of a ``MLP`` (``model.net_``) the module has the outputs before the link.

    Returns
    -------
    torch.nn.Sequential
        ``Linear``, ``BatchNorm1d`` (if there is one), activation, ``Dropout`` (if there is one), and so on; after
        the last ``Linear`` a classifier has ``Sigmoid`` or ``Softmax``, so that the module gives probabilities:
        ``module[:-1]`` gives the logits, which torch's losses for training take. The weights are copies of the model's,
        of its number type, on the CPU; the module is in evaluation mode (``module.train()`` turns dropout on).

    Raises
    ------
    ParameterError
        If there is a linear path beside the layers (``skip="linear"``), which a sequence has no place for; if the
        columns are prepared by anything but a scaler; or for ``loss="poisson"``, as torch has no module for exp.

    Notes
    -----
    Shapes: (n_samples, n_features) to (n_samples, n_outputs). Two classes have one output, the probability of the
    second one: ``predict_proba(X)[:, 1:]``. Equal to the model's predictions up to rounding in its number type.

    Examples
    --------
    >>> import planefold as pf
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = pf.MLPClassifier((8,), n_members=1, skip=None, dropout=0, preprocess=None, random_state=0)
    >>> torch_module(model.fit(X, y))
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): ReLU()
      (2): Linear(in_features=8, out_features=3, bias=True)
      (3): Softmax(dim=-1)
    )
    """
    network = dense_network(model)
    if network.skip is not None:
        raise ParameterError(
            "the network has a linear path from its inputs straight to its outputs, which torch.nn.Sequential has no "
            "place for",
            hint="train with skip=None, or write it for Keras: planefold.saving.keras_model(model)",
        )
    if network.link not in ("identity", *LINKS):
        raise ParameterError(
            f"torch has no module for the link {network.link!r} of this model's outputs",
            hint="give model.net_, whose outputs are those before the link",
        )
    module = nn.Sequential(*_modules(network)).eval()
    return module.to(torch.float64 if network.dtype == "float64" else torch.float32)


def _modules(network: DenseNetwork) -> list[nn.Module]:
    modules: list[nn.Module] = []
    layers = list(zip(network.coefs, network.intercepts, strict=True))
    for number, (coef, intercept) in enumerate(layers):
        modules.append(_linear(coef, intercept))
        if number == len(layers) - 1:
            break
        if network.norms:
            modules.append(_batch_norm(network.norms[number]))
        modules.append(ACTIVATIONS[network.activation]())
        if network.dropout[number]:
            modules.append(nn.Dropout(network.dropout[number]))
    if network.link in LINKS:
        modules.append(LINKS[network.link]())
    return modules


def _linear(coef: npt.NDArray[Any], intercept: npt.NDArray[Any]) -> nn.Linear:
    # skip_init: the first weights that Linear would draw come from the generator of the whole process.
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, *coef.shape, dtype=torch.float64)  # type: ignore[no-untyped-call]
    _write(layer.weight, coef.T)
    _write(layer.bias, intercept)
    return layer


def _batch_norm(norm: Norm) -> nn.BatchNorm1d:
    layer = nn.BatchNorm1d(len(norm.scale), eps=NORM_EPSILON, momentum=NORM_MOMENTUM, dtype=torch.float64)
    _write(layer.weight, norm.scale)
    _write(layer.bias, norm.shift)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    _write(layer.running_mean, norm.mean)
    _write(layer.running_var, norm.variance)
    return layer


@torch.no_grad()
def _write(tensor: torch.Tensor, array: npt.NDArray[Any]) -> None:
    tensor.copy_(torch.from_numpy(array.copy()))
