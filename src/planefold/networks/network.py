"""What the engine trains: a torch module that can say of itself what the engine must know.

The multilayer perceptron is one such network, whose gradient is written out. Any other torch module is wrapped in a
:class:`ModuleNet` and trained by automatic differentiation, in the same loop and into the same record.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol, TypedDict

import torch
from torch import Tensor, nn

from planefold.core.errors import ParameterError

VALUES_AT_ONCE = 2**24  # numbers of the widest layer that a prediction holds at a time: 64 MiB


class LayerRow(TypedDict):
    """One row of a summary table."""

    layer: str
    units: int
    activation: str
    n_parameters: int


class Spec(Protocol):
    """What a record that describes a network says of it."""

    @property
    def n_members(self) -> int:
        """How many networks stand side by side."""

    @property
    def n_outputs(self) -> int:
        """Numbers that a row is answered with."""

    @property
    def n_parameters(self) -> int:
        """Trained numbers of all members together."""

    @property
    def activation(self) -> str:
        """Name of the activation of the hidden layers, ``"other"`` where there is none for all."""

    @property
    def largest_product(self) -> int:
        """Multiply-adds that a row takes in one member's largest layer."""

    @property
    def widest(self) -> int:
        """Numbers that one member's widest layer holds of a row."""

    @property
    def skip(self) -> bool:
        """Whether it sets out from the linear solution."""

    def settings(self) -> dict[str, Any]:
        """Say how the network is made, as JSON data."""


class Network(nn.Module, ABC):
    """A module that the engine can train.

    ``forward(X, masks, present)`` answers with outputs before the link, of shape (n_members, n_samples, n_outputs).
    Each parameter has a leading axis of ``n_members``, or none where there is one member.

    Attributes
    ----------
    spec : Spec
    """

    spec: Any

    @abstractmethod
    def penalized(self) -> list[nn.Parameter]:
        """The tensors that weight penalties act on."""

    @abstractmethod
    def biases(self) -> list[nn.Parameter]:
        """The tensors that are shifts of a layer."""

    @abstractmethod
    def scales(self) -> list[nn.Parameter]:
        """All other parameters, such as what normalisation learns."""

    @abstractmethod
    def statistics(self) -> list[Tensor]:
        """What is measured in training and used in prediction, such as running means: floating point buffers."""

    @abstractmethod
    def layer_weights(self) -> list[nn.Parameter]:
        """The weights of each layer from the first to the last: what the health of the training is told from."""

    @abstractmethod
    def look(self, X: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return outputs, and what each hidden layer answers: (..., n_rows, n_units), images or sequences."""

    @abstractmethod
    def incoming(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield of each hidden layer the weights that lead to each unit, (..., n_units, n_inputs), and the biases."""


@dataclass(frozen=True, kw_only=True)
class ModuleSpec:
    """What there is to say of a torch module that was built elsewhere.

    Parameters
    ----------
    n_outputs, n_parameters, largest_product, widest : int
        See :class:`Spec`.
    activation : str
    described : dict
        How the network is made.
    rows : tuple of LayerRow
        Its layers.
    """

    n_outputs: int
    n_parameters: int
    largest_product: int
    widest: int
    activation: str = "other"
    described: dict[str, Any] = field(default_factory=dict)
    rows: tuple[LayerRow, ...] = ()
    n_members: int = 1
    skip: bool = False

    def layers(self) -> Iterator[LayerRow]:
        """One row a layer, as a summary table shows it."""
        yield from self.rows

    def settings(self) -> dict[str, Any]:
        """Say how the network is made, as JSON data."""
        return {"network": "module", "activation": self.activation, "n_members": 1} | self.described


_ACTIVATIONS: tuple[tuple[str, tuple[type[nn.Module], ...]], ...] = (
    ("relu", (nn.ReLU, nn.ReLU6)),
    ("leaky_relu", (nn.LeakyReLU,)),
    ("tanh", (nn.Tanh,)),
    ("logistic", (nn.Sigmoid,)),
    ("other", (nn.GELU, nn.SiLU, nn.ELU, nn.Hardswish, nn.Softplus)),
)
_NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)


class ModuleNet(Network):
    """A torch module as a network of one member.

    Parameters
    ----------
    module : torch.nn.Module
        Takes (n_samples, ...) and answers with outputs before the link, (n_samples, n_outputs).
    example : Tensor of shape (1 or more, ...)
        Rows like those to come, to measure the layers with.
    described : dict, optional
        How the module is made, as JSON data, for the record.
    layers : iterable of LayerRow, optional
        What a summary shows; by default a row for each part with parameters.

    Raises
    ------
    ParameterError
        If the module answers with anything but a row of numbers for each row.

    Notes
    -----
    A new network is in evaluation mode. Rows are predicted in pieces whose activations fit into 64 MiB. Weights of
    normalisation layers and vectors are no weights to be penalised; what is frozen (``requires_grad=False``) stays.
    """

    def __init__(
        self,
        module: nn.Module,
        example: Tensor,
        described: dict[str, Any] | None = None,
        layers: Iterable[LayerRow] | None = None,
    ) -> None:
        super().__init__()
        self.module = module
        self.eval()
        rows = _listed(module) if layers is None else tuple(layers)
        self.spec = dataclasses.replace(_measured(module, example), described=described or {}, rows=rows)

    def forward(self, X: Tensor, masks: Any = None, present: Tensor | None = None) -> Tensor:
        """Compute the outputs before the link; masks and present rows are the multilayer perceptron's affair."""
        n_rows = len(X) if self.training else max(1, VALUES_AT_ONCE // self.spec.widest)
        if len(X) <= n_rows:
            whole: Tensor = self.module(X)
            return whole[None]
        return torch.cat([self.module(piece) for piece in torch.split(X, n_rows)])[None]

    def penalized(self) -> list[nn.Parameter]:
        """The weights of dense and convolutional layers."""
        return [p for _, name, p in self._owned() if name == "weight"]

    def biases(self) -> list[nn.Parameter]:
        """Their biases."""
        return [p for _, name, p in self._owned() if name == "bias"]

    def scales(self) -> list[nn.Parameter]:
        """All else that is trained."""
        return [p for _, name, p in self._owned() if name == "other"]

    def statistics(self) -> list[Tensor]:
        """Running means and variances."""
        return [buffer for buffer in self.module.buffers() if buffer.is_floating_point()]

    def layer_weights(self) -> list[nn.Parameter]:
        """The same weights as are penalised."""
        return self.penalized()

    def incoming(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield the weights that lead to each unit or channel, of all layers but the last."""
        layers = [(m, p) for m, name, p in self._owned() if name == "weight"]
        for layer, weight in layers[:-1]:
            bias = getattr(layer, "bias", None)
            yield weight.detach().flatten(1), bias.detach() if isinstance(bias, Tensor) else None

    def look(self, X: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return outputs and activations as they are: (n_rows, n_units), images (channels first) or sequences."""
        hidden: list[Tensor] = []

        def note(_: nn.Module, __: Any, answer: Tensor) -> None:
            hidden.append(answer)

        hooks = [layer.register_forward_hook(note) for layer in self.module.modules() if _activation_of(layer)]
        try:
            # Not in pieces: a layer's activations of all rows belong together, and it is asked about few rows.
            return self.module(X)[None], hidden
        finally:
            for hook in hooks:
                hook.remove()

    def _owned(self) -> Iterator[tuple[nn.Module, str, nn.Parameter]]:
        """Yield each trained parameter once, with its layer and its part."""
        seen: set[int] = set()
        for layer in self.module.modules():
            for name, p in layer.named_parameters(recurse=False):
                if not p.requires_grad or id(p) in seen:
                    continue
                seen.add(id(p))
                if isinstance(layer, _NORMS) or (p.ndim < 2 and not name.startswith("bias")):
                    yield layer, "other", p
                else:
                    yield layer, "bias" if p.ndim < 2 else "weight", p


def _activation_of(layer: nn.Module) -> str | None:
    return next((name for name, types in _ACTIVATIONS if isinstance(layer, types)), None)


def _listed(module: nn.Module) -> tuple[LayerRow, ...]:
    """List the parts that have parameters of their own."""
    rows: list[LayerRow] = []
    for name, part in module.named_modules():
        own = [p for p in part.parameters(recurse=False) if p.requires_grad]
        if own:
            rows.append({
                "layer": f"{type(part).__name__} {name}".strip(), "units": own[0].shape[0], "activation": "",
                "n_parameters": sum(p.numel() for p in own),
            })  # fmt: skip
    return tuple(rows)


@torch.no_grad()
def _measured(module: nn.Module, example: Tensor) -> ModuleSpec:
    """Let one row through and look at each layer's size."""
    widest, product, kinds = [example[:1].numel()], [1], []

    def note(layer: nn.Module, given: Any, answer: Any) -> None:
        if not isinstance(answer, Tensor):
            return
        widest.append(answer.numel())
        weight = getattr(layer, "weight", None)
        if isinstance(weight, Tensor) and weight.ndim >= 2:
            positions = math.prod(answer.shape[2:]) if weight.ndim > 2 else math.prod(answer.shape[1:-1])
            product.append(weight.numel() * max(1, positions))
        kind = _activation_of(layer)
        if kind is not None:
            kinds.append(kind)

    hooks = [layer.register_forward_hook(note) for layer in module.modules() if not list(layer.children())]
    try:
        answer = module(example[:1])
    finally:
        for hook in hooks:
            hook.remove()
    if not isinstance(answer, Tensor) or answer.ndim != 2 or len(answer) != 1:
        shape = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
        raise ParameterError(
            f"the module answers one row of shape {tuple(example.shape[1:])} with {shape}",
            details="it must answer (n_samples, ...) with (n_samples, n_outputs)",
        )
    return ModuleSpec(
        n_outputs=answer.shape[1],
        n_parameters=sum(p.numel() for p in module.parameters() if p.requires_grad),
        largest_product=max(product),
        widest=max(widest),
        activation=kinds[0] if len(set(kinds)) == 1 else "other",
    )
