"""The activations of any module, as modules or as functions: seen from within torch, while some rows pass through."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from planefold.engine.probes import by_unit, duplicate_share, unit_figures

# torch's functions, which its modules call too, by the kind of their units.
KINDS = {
    "relu": "relu", "relu6": "relu", "tanh": "tanh", "sigmoid": "logistic", "leaky_relu": "leaky_relu", "elu": "elu",
    "selu": "selu", "celu": "celu", "gelu": "gelu", "silu": "silu", "mish": "mish", "softplus": "softplus",
    "prelu": "prelu", "rrelu": "rrelu", "hardtanh": "hardtanh", "hardswish": "hardswish",
    "hardsigmoid": "hardsigmoid", "softsign": "softsign", "glu": "glu",
}  # fmt: skip
RECURRENT = {"gru": "tanh", "lstm": "tanh", "rnn_tanh": "tanh", "rnn_relu": "relu"}
LAYERS = {"linear": -1, "conv1d": 1, "conv2d": 1, "conv3d": 1}  # the axis of their units
LAYERS |= {f"conv_transpose{n}d": 1 for n in (1, 2, 3)}
# What the output can be, by what was applied last.
RANGES = {
    "logistic": (0.0, 1.0), "softmax": (0.0, 1.0), "hardsigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0),
    "hardtanh": (-1.0, 1.0), "softsign": (-1.0, 1.0), "relu": (0.0, float("inf")), "softplus": (0.0, float("inf")),
    "log_softmax": (float("-inf"), 0.0),
}  # fmt: skip


class Activations(TorchFunctionMode):
    """While active, keep what each activation function gives; of images and sequences some positions.

    Attributes
    ----------
    kinds : list of str
        Of the hidden layers, in the order of their calls.
    first_axis : int or None
        The axis of the inputs' features: 1 in front of a convolution, -1 in front of another layer.
    output_kind : str
        What was applied last, where that is the output; ``""`` where the output is a weighted sum.
    """

    def __init__(self) -> None:
        super().__init__()
        self.chunks: list[list[tuple[str, Tensor]]] = []
        self.first_axis: int | None = None
        self.output_kind = ""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Let torch work, and look at what comes out."""
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "").rstrip("_")
        if name in KINDS or name in RECURRENT or name in LAYERS or name in RANGES:
            self._keep(name, result)
        return result

    def begin(self) -> None:
        """Expect a chunk of rows."""
        self._layers: list[tuple[str, Tensor]] = []
        self._sums: list[tuple[str, Tensor]] = []
        self._axis = -1
        self._last: tuple[str, Any, bool] = ("", None, False)

    def end(self, output: Any) -> None:
        """Close a chunk: what is the output is no hidden layer."""
        kind, last, is_layer = self._last
        is_output = isinstance(output, Tensor) and last is not None and output.data_ptr() == last.data_ptr()
        self.output_kind = kind if is_output else ""
        layers = self._layers[:-1] if is_output and is_layer else self._layers
        # A module of weighted sums alone, or of activations that are not known by name.
        self.chunks.append(layers or self._sums[:-1])
        self._last = ("", None, False)

    def _keep(self, name: str, result: Any) -> None:
        if name in LAYERS:
            self._axis = LAYERS[name]
            self.first_axis = self._axis if self.first_axis is None else self.first_axis
            self._add(self._sums, "identity", result)
            self._last = ("", None, False)
            return
        if name in RECURRENT:
            self._axis, result = -1, result[0]
            self.first_axis = -1 if self.first_axis is None else self.first_axis
        kind = KINDS.get(name) or RECURRENT.get(name) or name
        is_layer = name in KINDS or name in RECURRENT
        if is_layer:
            is_layer = self._add(self._layers, kind, result)
        self._last = ("" if name in RECURRENT else kind, result, is_layer)

    def _add(self, layers: list[tuple[str, Tensor]], kind: str, result: Tensor) -> bool:
        if result.dim() < 2 or not result.is_floating_point() or result.is_complex():
            return False
        few = by_unit(result, axis=self._axis)
        # Not a view: a later operation may write into the tensor.
        layers.append((kind, few.clone() if few.data_ptr() == result.data_ptr() else few))
        return True

    @property
    def kinds(self) -> list[str]:
        """The kinds of the hidden layers."""
        return [kind for kind, _ in self.chunks[0]] if self.chunks else []

    def figures(self) -> dict[str, tuple[float, ...]]:
        """Summarise each hidden layer, by the names of :class:`planefold.engine.Epoch`."""
        layers = [layer for layer in zip(*self.chunks, strict=False) if len({a.shape[1] for _, a in layer}) == 1]
        found = [unit_figures(torch.cat([a for _, a in layer]), layer[0][0]) for layer in layers]
        if not found:
            return {}
        kinds = {layer[0][0] for layer in layers}
        return {
            "activation_mean": tuple(one["mean"] for one in found),
            "activation_std": tuple(one["std"] for one in found),
            "dead_share": tuple(one["dead_share"] for one in found) if "relu" in kinds else (),
            "saturated_share": tuple(one["saturated_share"] for one in found) if kinds & {"tanh", "logistic"} else (),
        }


def incoming(module: nn.Module) -> list[tuple[Tensor, Tensor | None]]:
    """Return the weights and the bias that lead to each layer's units, a row a unit, in the module's order."""
    found: list[tuple[Tensor, Tensor | None]] = []
    for part in module.modules():
        if isinstance(part, nn.RNNBase):
            found += _recurrent(part)
        elif isinstance(part, nn.Linear):
            found.append((part.weight.detach(), None if part.bias is None else part.bias.detach()))
        elif isinstance(part, nn.Conv1d | nn.Conv2d | nn.Conv3d):
            found.append((part.weight.detach().flatten(1), None if part.bias is None else part.bias.detach()))
    return found


def _recurrent(part: nn.RNNBase) -> list[tuple[Tensor, Tensor | None]]:
    """Put all gates' weights of a unit into one row."""
    found: list[tuple[Tensor, Tensor | None]] = []
    for layer in range(part.num_layers):
        for end in ("", "_reverse") if part.bidirectional else ("",):
            names = ["weight_ih", "weight_hh"] + (["bias_ih", "bias_hh"] if part.bias else [])
            gates = [getattr(part, f"{name}_l{layer}{end}").detach() for name in names]
            rows = [gate.reshape(-1, part.hidden_size, gate[0].numel()).movedim(0, 1).flatten(1) for gate in gates]
            found.append((torch.cat(rows, dim=1), None))
    return found


def duplicate_shares(module: nn.Module) -> tuple[float, ...]:
    """Tell the share of units with equal incoming weights, of each hidden layer."""
    return tuple(duplicate_share(weights, bias) for weights, bias in incoming(module)[:-1])
