"""`dense_network`: a fitted model as plain arrays, layer by layer, which is what other libraries are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg

from planefold.core.errors import ParameterError, show
from planefold.networks.mlp import MLP

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Norm:
    """Batch normalisation of one layer: four vectors of shape (n_units,)."""

    scale: Floats
    shift: Floats
    mean: Floats
    variance: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class DenseNetwork:
    """One network, from the columns that the model was given to its predictions.

    Parameters
    ----------
    coefs, intercepts : tuple of float64 array of shape (fan_in, fan_out) and (fan_out,)
    norms : tuple of Norm
        One a hidden layer, between its sums and its activation; empty without batch normalisation.
    dropout : tuple of float
        Of each hidden layer, after its activation.
    activation : str
        Of the hidden layers, a name in ``planefold.networks.activations.ACTIVATIONS``.
    link : {"identity", "logistic", "softmax", "exp"}
        What turns the outputs into predictions.
    skip : float64 array of shape (n_features, n_outputs) or None
        A path from the inputs straight to the outputs, before the link.
    dtype : {"float32", "float64"}
        Number type of the weights in the model.
    """

    coefs: tuple[Floats, ...]
    intercepts: tuple[Floats, ...]
    norms: tuple[Norm, ...]
    dropout: tuple[float, ...]
    activation: str
    link: str
    skip: Floats | None
    dtype: str

    @property
    def n_features(self) -> int:
        """Width of the input."""
        return len(self.coefs[0])


def dense_network(model: Any) -> DenseNetwork:
    """Write a fitted model as one network of dense layers.

    Several members become the one wider network whose outputs are their mean: the first layers side by side, the inner
    ones as blocks on a diagonal, the last ones below each other, divided by the number of members. A scaler of the
    columns is worked into the weights that leave the inputs, the scale of a regressor's target into the last layer.

    Parameters
    ----------
    model : MLPClassifier, MLPRegressor, or MLP
        Of the module ``MLP`` (``model.net_``) the outputs before the link are meant, from prepared inputs.

    Returns
    -------
    DenseNetwork

    Raises
    ------
    ParameterError
        If the columns are prepared by anything but a scaler of scikit-learn: no dense layer does that.
    """
    if isinstance(model, MLP):
        return _of_net(model, link="identity")
    found = _of_net(model.net_, link=model.out_activation_)
    coefs, intercepts, skip = list(found.coefs), list(found.intercepts), found.skip
    if found.link == "identity":  # a regressor's target is mean + scale * output
        mean, scale = model._target.mean, model._target.scale
        coefs[-1], intercepts[-1] = coefs[-1] * scale, intercepts[-1] * scale + mean
        skip = None if skip is None else skip * scale
    if model.encoder_ is not None:
        factor, constant = _scaling(model.encoder_)
        intercepts[0] = intercepts[0] + constant @ coefs[0]
        coefs[0] = coefs[0] * factor[:, None]
        if skip is not None:
            intercepts[-1] = intercepts[-1] + constant @ skip
            skip = skip * factor[:, None]
    return DenseNetwork(
        coefs=tuple(coefs), intercepts=tuple(intercepts), skip=skip, norms=found.norms, dropout=found.dropout,
        activation=found.activation, link=found.link, dtype=found.dtype,
    )  # fmt: skip


def _of_net(net: MLP, *, link: str) -> DenseNetwork:
    m, spec = net.spec.n_members, net.spec
    coefs = [_array(coef) for coef in net.coefs]
    intercepts = [_array(intercept)[:, 0] for intercept in net.intercepts]
    coefs[-1], intercepts[-1] = coefs[-1] / m, intercepts[-1] / m
    statistics = zip(net.norm_scales, net.norm_shifts, net.running_means, net.running_vars, strict=True)
    return DenseNetwork(
        coefs=_wide(coefs),
        intercepts=(*(layer.reshape(-1) for layer in intercepts[:-1]), intercepts[-1].sum(axis=0)),
        norms=tuple(
            Norm(**dict(zip(("scale", "shift", "mean", "variance"), (_array(t).reshape(-1) for t in of), strict=True)))
            for of in statistics
        ),
        dropout=spec.dropout or (0.0,) * len(spec.hidden_layer_sizes),
        activation=spec.activation,
        link=link,
        skip=None if net.skip_coef is None else _array(net.skip_coef).mean(axis=0),
        dtype=str(net.coefs[0].dtype).removeprefix("torch."),
    )


def _wide(coefs: Sequence[Floats]) -> tuple[Floats, ...]:
    """Write weights of shape (n_members, fan_in, fan_out), the last ones divided already, as one network's."""
    if len(coefs) == 1:  # no hidden layer: the members share the inputs
        return (coefs[0].sum(axis=0),)
    first, *inner, last = coefs
    return (np.hstack(list(first)), *(linalg.block_diag(*layer) for layer in inner), np.vstack(list(last)))


def _array(tensor: Any) -> Floats:
    return np.asarray(tensor.detach().cpu().double().numpy())


def _scaling(encoder: Any) -> tuple[Floats, Floats]:
    """Return ``factor`` and ``constant`` of a preparation that is ``factor * x + constant``."""
    from sklearn import preprocessing as p

    n = int(getattr(encoder, "n_features_in_", 0))
    is_scaler = isinstance(encoder, p.StandardScaler | p.RobustScaler | p.MinMaxScaler | p.MaxAbsScaler)
    if not is_scaler or getattr(encoder, "clip", False):
        raise ParameterError(
            f"the columns are prepared by {show(encoder)}, which is no part of a network of dense layers",
            details="StandardScaler, MinMaxScaler, MaxAbsScaler and RobustScaler, without clip=True, become part of it",
            hint="give model.net_: the network behind the preparation, for inputs from model.encoder_.transform(X)",
        )
    if isinstance(encoder, p.MinMaxScaler):
        return encoder.scale_, encoder.min_
    center, scale = (getattr(encoder, name, None) for name in ("center_", "scale_"))
    if isinstance(encoder, p.StandardScaler) and encoder.with_mean:
        center = encoder.mean_
    factor = np.ones(n) if scale is None else 1 / scale
    return factor, np.zeros(n) if center is None else -center * factor
