"""The multilayer perceptron: `MLPSpec` says what to build, `MLP` is the torch module that comes out.

Several networks of one shape (the members of an ensemble) live in one module: each tensor has a
leading axis of length ``n_members``, and one batched product serves all of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor, nn

from planefold.core.errors import ParameterError, show, unknown_choice
from planefold.networks.activations import ACTIVATIONS


class LayerRow(TypedDict):
    """One row of a summary table."""

    layer: str
    units: int
    activation: str
    n_parameters: int


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

    @property
    def layer_units(self) -> tuple[int, ...]:
        """Width of every layer, input and output included."""
        return (self.n_features, *self.hidden_layer_sizes, self.n_outputs)

    @property
    def n_parameters(self) -> int:
        """Weights and biases of all members together."""
        return sum(row["n_parameters"] for row in self.layers())

    def layers(self) -> Iterator[LayerRow]:
        """One row a layer, as a summary table shows it."""
        units = self.layer_units
        for number, (fan_in, fan_out) in enumerate(itertools.pairwise(units), start=1):
            last = number == len(units) - 1
            yield {
                "layer": "output" if last else f"hidden {number}",
                "units": fan_out,
                "activation": "" if last else self.activation,
                "n_parameters": (fan_in + 1) * fan_out * self.n_members,
            }
        if self.skip:
            yield {
                "layer": "linear path",
                "units": self.n_outputs,
                "activation": "",
                "n_parameters": self.n_features * self.n_outputs * self.n_members,
            }

    def build(self, random_state: np.random.RandomState, *, dtype: torch.dtype = torch.float32) -> MLP:
        """Build the module; its first weights are drawn from ``random_state``.

        Notes
        -----
        Uniform on ``[-b, b]`` with ``b = sqrt(6 / (fan_in + fan_out))`` (2 instead of 6 for the logistic
        function), for weights and biases alike, in the order in which scikit-learn draws them: with the
        same ``random_state`` both start from the same network. The linear path starts at zero.

        References
        ----------
        Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks",
        AISTATS 2010, eq. 16.
        """
        net = MLP(self, dtype)
        factor = 2.0 if self.activation == "logistic" else 6.0
        with torch.no_grad():
            for member in range(self.n_members):
                for coef, intercept in zip(net.coefs, net.intercepts, strict=True):
                    fan_in, fan_out = coef.shape[1:]
                    bound = np.sqrt(factor / (fan_in + fan_out))
                    coef[member] = torch.from_numpy(random_state.uniform(-bound, bound, (fan_in, fan_out)))
                    intercept[member, 0] = torch.from_numpy(random_state.uniform(-bound, bound, fan_out))
        return net


class MLP(nn.Module):
    """Multilayer perceptrons of one shape, side by side.

    Attributes
    ----------
    coefs : list of Parameter of shape (n_members, fan_in, fan_out)
    intercepts : list of Parameter of shape (n_members, 1, fan_out)
    skip_coef : Parameter of shape (n_members, n_features, n_outputs), or None
    """

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
        self._activation = ACTIVATIONS[spec.activation]

    def forward(self, X: Tensor, masks: Sequence[Tensor | None] | None = None) -> Tensor:
        """Compute the outputs before the link function.

        Parameters
        ----------
        X : Tensor of shape (n_samples, n_features) or (n_members, n_samples, n_features)
            The same rows for every member, or rows of its own for each.
        masks : sequence of Tensor of shape (n_members, n_samples, n_units) or None, optional
            One a hidden layer, which its activations are multiplied by: for dropout 0 or ``1 / (1 - rate)``, the
            inverted scaling that keeps the expected activation, so that prediction needs no correction.

        Returns
        -------
        Tensor of shape (n_members, n_samples, n_outputs)
        """
        *_, last = itertools.chain([X], self.hidden(X, masks))
        z = torch.matmul(last, self.coefs[-1]).add_(self.intercepts[-1])
        return z if self.skip_coef is None else z.add_(torch.matmul(X, self.skip_coef))

    def hidden(self, X: Tensor, masks: Sequence[Tensor | None] | None = None) -> Iterator[Tensor]:
        """Yield each hidden layer's activations, of shape (n_members, n_samples, n_units)."""
        a = X
        # Lists first: a slice of a ParameterList would build another one.
        layers = zip([*self.coefs][:-1], [*self.intercepts][:-1], strict=True)
        for (coef, intercept), mask in itertools.zip_longest(layers, masks or ()):
            # The product is nobody else's: bias and activation may write into it.
            a = self._activation(torch.matmul(a, coef).add_(intercept))
            if mask is not None:
                a = a * mask
            yield a

    def penalized(self) -> list[nn.Parameter]:
        """The tensors that weight penalties act on: all weights, no bias."""
        skip = [] if self.skip_coef is None else [self.skip_coef]
        return [*self.coefs, *skip]
