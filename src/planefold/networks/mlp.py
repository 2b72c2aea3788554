"""The multilayer perceptron: `MLPSpec` says what to build, `MLP` is the torch module that comes out.

Several networks of one shape (the members of an ensemble) live in one module: each tensor has a
leading axis of length ``n_members``, and one batched product serves all of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from planefold.core.errors import ParameterError, show, unknown_choice
from planefold.networks.activations import ACTIVATIONS
from planefold.networks.initialization import Initialization
from planefold.networks.network import LayerRow, Network

NORM_EPSILON = 1e-5  # added to a variance before its root is taken, so that a constant unit becomes 0
NORM_MOMENTUM = 0.1  # the share of a batch in the running statistics, torch's meaning: new = 0.9 old + 0.1 batch


@dataclass(frozen=True, kw_only=True)
class MLPSpec:
    """What network to build.

    Parameters
    ----------
    n_features, n_outputs : int
        Width of the input and of the output.
    hidden_layer_sizes : tuple of int
        Units of each hidden layer; ``()`` is a linear model.
    activation : str
        A name in ``ACTIVATIONS``.
    dropout : tuple of float
        Share of the units of each hidden layer that a training step leaves out; ``()`` is none.
    n_members : int
        How many networks of this shape stand side by side.
    skip : bool
        Whether a linear path leads from the input straight to the output.
    batch_norm : bool
        Whether each hidden layer is normalised over the batch, between its weighted sums and its activation.
    init : Initialization
        How the first weights are drawn.

    Raises
    ------
    ParameterError
        When it is built, if the activation is not known or ``dropout`` does not fit the hidden layers.

    Examples
    --------
    >>> MLPSpec(n_features=2, hidden_layer_sizes=(3,), n_outputs=1).n_parameters
    13
    >>> MLPSpec(n_features=4, hidden_layer_sizes=(), n_outputs=3).n_parameters
    15
    """

    n_features: int
    n_outputs: int
    hidden_layer_sizes: tuple[int, ...] = (64, 64)
    activation: str = "relu"
    dropout: tuple[float, ...] = ()
    n_members: int = 1
    skip: bool = False
    batch_norm: bool = False
    init: Initialization = field(default_factory=Initialization)

    @property
    def layer_units(self) -> tuple[int, ...]:
        """Width of every layer, input and output included."""
        return (self.n_features, *self.hidden_layer_sizes, self.n_outputs)

    @property
    def largest_product(self) -> int:
        """Multiply-adds that a row takes in one member's largest layer: its weights."""
        return max(fan_in * fan_out for fan_in, fan_out in itertools.pairwise(self.layer_units))

    @property
    def widest(self) -> int:
        """Numbers that one member's widest layer holds of a row."""
        return max(self.layer_units)

    def settings(self) -> dict[str, Any]:
        """Say how the network is made, by the names of the estimators' parameters, as JSON data."""
        rates = self.dropout or (0.0,)
        return {
            "hidden_layer_sizes": [int(size) for size in self.hidden_layer_sizes],
            "activation": self.activation,
            "dropout": float(rates[0]) if len(set(rates)) == 1 else [float(rate) for rate in rates],
            "batch_norm": bool(self.batch_norm),
            "skip": "linear" if self.skip else None,
            "n_members": int(self.n_members),
            "init": self.init.kind,
        }

    @property
    def n_parameters(self) -> int:
        """Weights and biases of all members together, with the scales and shifts of batch normalisation."""
        return sum(row["n_parameters"] for row in self.layers())

    @property
    def n_statistics(self) -> int:
        """Running means and variances of all members together: measured in training, not trained."""
        return 2 * sum(self.hidden_layer_sizes) * self.n_members if self.batch_norm else 0

    def layers(self) -> Iterator[LayerRow]:
        """One row a layer, as a summary table shows it.

        Batch normalisation has a row of its own, which the activation stands in: it comes after it.
        """
        units = self.layer_units
        for number, (fan_in, fan_out) in enumerate(itertools.pairwise(units), start=1):
            last = number == len(units) - 1
            yield {
                "layer": "output" if last else f"hidden {number}",
                "units": fan_out,
                "activation": "" if last or self.batch_norm else self.activation,
                "n_parameters": (fan_in + 1) * fan_out * self.n_members,
            }
            if self.batch_norm and not last:
                yield {
                    "layer": f"batch norm {number}",
                    "units": fan_out,
                    "activation": self.activation,
                    "n_parameters": 2 * fan_out * self.n_members,
                }
        if self.skip:
            yield {
                "layer": "linear path",
                "units": self.n_outputs,
                "activation": "",
                "n_parameters": self.n_features * self.n_outputs * self.n_members,
            }

    def build(self, random_state: np.random.RandomState, *, dtype: torch.dtype = torch.float32) -> MLP:
        """Build the module; its first weights are drawn from ``random_state`` as :attr:`init` says.

        Members are drawn one after the other, each layer's weights and then its biases, in the order in which
        scikit-learn draws them: with the same ``random_state`` and ``Initialization("auto")`` both start from the
        same network. The linear path starts at zero, batch normalisation at scale 1 and shift 0.

        Returns
        -------
        MLP
            In evaluation mode: it predicts until ``net.train()`` is called.

        Notes
        -----
        ``init.bias`` goes where it acts: with batch normalisation, whose mean takes every bias off again, into the
        shifts that stand for the biases there (Ioffe and Szegedy, 2015, section 3.2).
        """
        net = MLP(self, dtype)
        with torch.no_grad():
            for member in range(self.n_members):
                for coef, intercept in zip(net.coefs, net.intercepts, strict=True):
                    fan_in, fan_out = coef.shape[1:]
                    weights, biases = self.init.draw(random_state, fan_in, fan_out, self.activation)
                    coef[member], intercept[member, 0] = torch.from_numpy(weights), torch.from_numpy(biases)
            if self.init.bias is not None:
                for biases_of_layer in net.norm_shifts if self.batch_norm else [*net.intercepts][:-1]:
                    biases_of_layer.fill_(self.init.bias)
        return net


class MLP(Network):
    """Multilayer perceptrons of one shape, side by side.

    A new network is in evaluation mode (``training`` is False). The mode matters to batch normalisation alone.

    Attributes
    ----------
    coefs : list of Parameter of shape (n_members, fan_in, fan_out)
    intercepts : list of Parameter of shape (n_members, 1, fan_out)
    skip_coef : Parameter of shape (n_members, n_features, n_outputs), or None
    norm_scales, norm_shifts : list of Parameter of shape (n_members, 1, n_units)
        Of batch normalisation, one a hidden layer; empty without it.

    Notes
    -----
    Batch normalisation replaces each hidden layer's sums ``z``, unit by unit and member by member, by
    ``gamma * (z - mean) / sqrt(var + epsilon) + beta``; the scale ``gamma`` and the shift ``beta`` are trained. In
    training mode mean and (biased) variance are those of the batch, and the running statistics move towards them; in
    evaluation mode they are the running statistics, so that a row's prediction does not depend on other rows. It is
    then an affine function of ``z``, which :meth:`folded` works into the weights. The biases before it are without
    effect, as the mean takes them off again; they are there because every layer has them. Formulas and constants are
    those of ``torch.nn.BatchNorm1d``, which refuses a batch of one row; here such a row becomes
    the shift, and the running statistics stay as they are.

    References
    ----------
    Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing Internal Covariate
    Shift", ICML 2015, algorithms 1 and 2.
    """

    spec: MLPSpec

    def __init__(self, spec: MLPSpec, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        if spec.activation not in ACTIVATIONS:
            raise unknown_choice("activation", spec.activation, list(ACTIVATIONS))
        if spec.dropout and len(spec.dropout) != len(spec.hidden_layer_sizes):
            raise ParameterError(
                f"dropout={show(spec.dropout)} does not fit hidden_layer_sizes={show(spec.hidden_layer_sizes)}",
                hint="one number for each hidden layer, or () for none",
            )
        if not all(0 <= rate < 1 for rate in spec.dropout):
            raise ParameterError(f"dropout={show(spec.dropout)} must be shares, each from 0 to below 1")
        self.spec = spec
        m, units = spec.n_members, spec.layer_units
        shapes = list(itertools.pairwise(units))
        self.coefs = nn.ParameterList(torch.zeros(m, fan_in, fan_out, dtype=dtype) for fan_in, fan_out in shapes)
        self.intercepts = nn.ParameterList(torch.zeros(m, 1, fan_out, dtype=dtype) for _, fan_out in shapes)
        self.skip_coef = (
            nn.Parameter(torch.zeros(m, spec.n_features, spec.n_outputs, dtype=dtype)) if spec.skip else None
        )
        normed = spec.hidden_layer_sizes if spec.batch_norm else ()
        self.norm_scales = nn.ParameterList(torch.ones(m, 1, n_units, dtype=dtype) for n_units in normed)
        self.norm_shifts = nn.ParameterList(torch.zeros(m, 1, n_units, dtype=dtype) for n_units in normed)
        for layer, n_units in enumerate(normed):
            self.register_buffer(f"running_mean_{layer}", torch.zeros(m, 1, n_units, dtype=dtype))
            self.register_buffer(f"running_var_{layer}", torch.ones(m, 1, n_units, dtype=dtype))
        self._activation = ACTIVATIONS[spec.activation]
        self.eval()  # torch's modules start in training mode, in which asking this one would change its statistics

    @property
    def running_means(self) -> list[Tensor]:
        """Mean of each hidden unit's sums over the training batches, (n_members, 1, n_units) a layer.

        The tensors themselves, to be changed in place; ``.to`` and ``.double`` replace them.
        """
        return [self.get_buffer(f"running_mean_{layer}") for layer in range(len(self.norm_scales))]

    @property
    def running_vars(self) -> list[Tensor]:
        """Variance (unbiased) of each hidden unit's sums, as :attr:`running_means`."""
        return [self.get_buffer(f"running_var_{layer}") for layer in range(len(self.norm_scales))]

    def forward(self, X: Tensor, masks: Sequence[Tensor | None] | None = None, present: Tensor | None = None) -> Tensor:
        """Compute the outputs before the link function.

        Parameters
        ----------
        X : Tensor of shape (n_samples, n_features) or (n_members, n_samples, n_features)
            The same rows for every member, or rows of its own for each.
        masks : sequence of Tensor of shape (n_members, n_samples, n_units) or None, optional
            One a hidden layer, which its activations are multiplied by: for dropout 0 or ``1 / (1 - rate)``, the
            inverted scaling that keeps the expected activation, so that prediction needs no correction.
        present : bool Tensor of shape (n_samples,) or (n_members, n_samples), optional
            Which rows count in the batch's statistics; rows that only fill up a member's batch must not. A member
            without two such rows leaves its running statistics as they are.

        Returns
        -------
        Tensor of shape (n_members, n_samples, n_outputs)
        """
        *_, last = itertools.chain([X], self.hidden(X, masks, present))
        return self.output(X, last)

    def output(self, X: Tensor, last: Tensor) -> Tensor:
        """Compute the outputs from the last hidden layer's activations, and from the inputs for the linear path."""
        z = torch.matmul(last, self.coefs[-1]).add_(self.intercepts[-1])
        return z if self.skip_coef is None else z.add_(torch.matmul(X, self.skip_coef))

    def hidden(
        self, X: Tensor, masks: Sequence[Tensor | None] | None = None, present: Tensor | None = None
    ) -> Iterator[Tensor]:
        """Yield each hidden layer's activations, of shape (n_members, n_samples, n_units)."""
        a = X
        # Lists first: a slice of a ParameterList would build another one.
        layers = zip([*self.coefs][:-1], [*self.intercepts][:-1], strict=True)
        for number, ((coef, intercept), mask) in enumerate(itertools.zip_longest(layers, masks or ())):
            # The product is nobody else's: bias and activation may write into it.
            z = torch.matmul(a, coef).add_(intercept)
            a = self._activation(self._normalized(z, number, present) if self.spec.batch_norm else z)
            if mask is not None:
                a = a * mask
            yield a

    def _normalized(self, z: Tensor, layer: int, present: Tensor | None) -> Tensor:
        if self.training:
            mean, var, n_rows = _mean_and_variance(z, present)
            self._remember(mean, var, n_rows, layer)
        else:
            mean, var = self.running_means[layer], self.running_vars[layer]
        standardized = (z - mean) * torch.rsqrt(var + NORM_EPSILON)
        return torch.addcmul(self.norm_shifts[layer], self.norm_scales[layer], standardized)

    @torch.no_grad()
    def _remember(self, mean: Tensor, var: Tensor, n_rows: Tensor, layer: int) -> None:
        """Move the running statistics towards those of a batch, the variance without its bias: by n / (n - 1)."""
        share = NORM_MOMENTUM * (n_rows > 1).to(mean)
        self.running_means[layer].lerp_(mean, share)
        self.running_vars[layer].lerp_(var * (n_rows / (n_rows - 1).clamp(min=1)), share)

    def folded(self, dtype: torch.dtype | None = None) -> tuple[list[Tensor], list[Tensor]]:
        """Weights and biases of the network without batch normalisation that predicts the same.

        With the running statistics batch normalisation is affine, so each hidden layer takes it in:
        ``W' = W * f`` and ``b' = (b - mean) * f + beta`` with ``f = gamma / sqrt(var + epsilon)``.

        Parameters
        ----------
        dtype : torch.dtype, optional
            What to compute in, and to return; by default the type of the weights.

        Returns
        -------
        coefs : list of Tensor of shape (n_members, fan_in, fan_out)
        intercepts : list of Tensor of shape (n_members, 1, fan_out)
            Where nothing is folded and the type is that of the weights, the parameters themselves.

        Notes
        -----
        Exact up to rounding in ``dtype``.
        """
        # Not by iterating over the lists, which takes twice as long: a single row's prediction would notice.
        coefs: list[Tensor] = list(self.coefs.parameters(recurse=False))
        intercepts: list[Tensor] = list(self.intercepts.parameters(recurse=False))
        if dtype not in (None, coefs[0].dtype):
            coefs, intercepts = ([tensor.to(dtype) for tensor in tensors] for tensors in (coefs, intercepts))
        if not self.spec.batch_norm:
            return coefs, intercepts
        statistics = zip(self.norm_scales, self.norm_shifts, self.running_means, self.running_vars, strict=True)
        for layer, of_layer in enumerate(statistics):
            scale, shift, mean, var = (tensor.to(dtype) for tensor in of_layer)
            factor = scale * torch.rsqrt(var + NORM_EPSILON)
            coefs[layer] = coefs[layer] * factor
            intercepts[layer] = (intercepts[layer] - mean) * factor + shift
        return coefs, intercepts

    def penalized(self) -> list[nn.Parameter]:
        """The tensors that weight penalties act on: all weights, no bias, and nothing of batch normalisation."""
        skip = [] if self.skip_coef is None else [self.skip_coef]
        return [*self.coefs, *skip]

    def biases(self) -> list[nn.Parameter]:
        """The biases of each layer."""
        return list(self.intercepts)

    def scales(self) -> list[nn.Parameter]:
        """What batch normalisation learns."""
        return [*self.norm_scales, *self.norm_shifts]

    def statistics(self) -> list[Tensor]:
        """The running means and variances of batch normalisation."""
        return [*self.running_means, *self.running_vars]

    def layer_weights(self) -> list[nn.Parameter]:
        """The weights of each layer; the linear path is none."""
        return list(self.coefs)

    def look(self, X: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return outputs, and of each hidden layer the activations, (n_members, n_samples, n_units)."""
        hidden = list(self.hidden(X))
        return self.output(X, hidden[-1] if hidden else X), hidden

    def incoming(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield of each hidden layer the weights that lead to each unit, and the biases."""
        for coef, intercept in zip([*self.coefs][:-1], [*self.intercepts][:-1], strict=True):
            yield coef.mT, intercept.squeeze(-2)


def _mean_and_variance(z: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean and biased variance of each unit, (n_members, 1, n_units), and the number of rows in them."""
    if present is None:
        var, mean = torch.var_mean(z, dim=-2, correction=0, keepdim=True)
        return mean, var, torch.full_like(mean[0, 0, 0], z.shape[-2])
    counted = present.reshape(-1, z.shape[-2], 1).to(z)  # (n_members or 1, n_samples, 1)
    n_rows = counted.sum(dim=-2, keepdim=True)
    mean = (z * counted).sum(dim=-2, keepdim=True) / n_rows.clamp(min=1)
    var = ((z - mean).square() * counted).sum(dim=-2, keepdim=True) / n_rows.clamp(min=1)
    return mean, var, n_rows
