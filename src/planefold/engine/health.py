"""What the doctor needs to know of gradients, weights and units: measured on some of the steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from planefold.engine.batches import Batch
from planefold.engine.budget import CLOCK
from planefold.engine.fast import Masks
from planefold.engine.flat import FlatParameters
from planefold.engine.kernels import Array, NumpyKernels, kernels_for
from planefold.engine.probes import EQUAL, EXTREME, by_unit, duplicate_share, unit_figures
from planefold.engine.step import Step
from planefold.networks.activations import NUMPY_ACTIVATIONS
from planefold.networks.mlp import MLP
from planefold.networks.network import Network

N_STEPS = 6  # of an epoch that are watched at most
STEPS_FOR_ONE = 4  # of so many steps at most one is watched: watching takes about as long as a step


class StepFigures(TypedDict):
    """One number a layer."""

    gradient_norm: tuple[float, ...]
    weight_norm: tuple[float, ...]
    update_ratio: tuple[float, ...]


class Health:
    """Watch some steps of an epoch.

    Parameters
    ----------
    net : Network
    flat : FlatParameters
        Of ``net``.
    n_steps : int
        Steps of an epoch.
    clock : function () -> float

    Attributes
    ----------
    steps : tuple of int
        Which of them are watched: up to six, spread over the epoch, the last among them.
    seconds : float
        What watching them took.
    """

    def __init__(self, net: Network, flat: FlatParameters, n_steps: int, clock: Callable[[], float] = CLOCK) -> None:
        self.net, self.flat, self.clock = net, flat, clock
        n_watched = min(N_STEPS, -(-n_steps // STEPS_FOR_ONE))
        self.steps = tuple(n_steps * (k + 1) // n_watched - 1 for k in range(n_watched))
        self.windows = [flat.window(weights) for weights in net.layer_weights()]
        self.before = torch.zeros_like(flat.theta)
        # Sums of squares of the gradient, of the weights before the step, and of the step.
        self.squares: NDArray[np.float64] = np.zeros((3, len(self.steps), len(self.windows), net.spec.n_members))
        self.seconds = 0.0

    def watch(
        self, number: int, step: Step, batch: Batch, masks: Masks, numbers: Sequence[float], members: slice
    ) -> Array:
        """Make the step of that number for some members, as it would be made, and take its measures."""
        kernels, slot = step.kernels, self.steps.index(number)
        before, theta = kernels.array(self.before[members]), kernels.array(step.flat.theta)
        times = [self.clock()]
        kernels.copy(before, theta)
        self._sum_up(before, 1, slot, members)
        times.append(self.clock())
        value = step.uphill(batch, masks)
        times.append(self.clock())
        self._sum_up(step.flat_gradient, 0, slot, members)  # which the step may overwrite
        times.append(self.clock())
        step.clip()
        step.move(batch.total, *numbers)
        times.append(self.clock())
        kernels.xp.subtract(theta, before, out=before)
        self._sum_up(before, 2, slot, members)
        times.append(self.clock())
        if not members.start:  # groups of members work side by side, and it is the time of one of them that passes
            self.seconds += times[1] - times[0] + times[3] - times[2] + times[5] - times[4]
        return value

    def _sum_up(self, values: Array, kind: int, slot: int, members: slice) -> None:
        self.squares[kind, slot, :, members] = self._squares(values)

    def _squares(self, values: Array) -> NDArray[np.float64]:
        """Sum the squares of each layer's weights, (n_layers, n_members)."""
        # Decided by the network, not by the lane: the sums of a member must not depend on who shares its lane.
        if self.net.spec.n_members == 1 and isinstance(values, np.ndarray):
            parts = [values[0, window] for window in self.windows]
            return np.array([[np.dot(part, part)] for part in parts])
        xp = torch if isinstance(values, Tensor) else np
        sums = [xp.einsum("mp,mp->m", values[:, window], values[:, window]) for window in self.windows]
        return np.array([total.cpu().numpy() if isinstance(total, Tensor) else total for total in sums])

    def figures(self) -> StepFigures:
        """Return what was measured in this epoch, of several steps the median; and forget the time."""
        self.seconds = 0.0
        sizes = np.array([self.net.spec.n_members * (window.stop - window.start) for window in self.windows])
        gradient, before, step = self.squares.sum(axis=-1)
        ratio = np.sqrt(step / np.maximum(before, np.finfo(float).tiny))
        now = self._squares(self.flat.theta if self.flat.theta.is_cuda else self.flat.theta.numpy())
        return {
            "gradient_norm": _median(np.sqrt(gradient / sizes)),
            "weight_norm": tuple(np.sqrt(now.sum(axis=-1) / sizes).tolist()),
            "update_ratio": _median(ratio),
        }


def _median(values: NDArray[np.float64]) -> tuple[float, ...]:
    """Return the median of each column; NumPy's takes ten times as long for few numbers."""
    ordered, n = np.sort(values, axis=0), len(values)
    return tuple((0.5 * (ordered[(n - 1) // 2] + ordered[n // 2])).tolist())


class UnitsOfLayers(TypedDict):
    """One number a hidden layer."""

    activation_mean: tuple[float, ...]
    activation_std: tuple[float, ...]
    dead_share: tuple[float, ...]
    saturated_share: tuple[float, ...]


class Passage:
    """Forward propagation of the same rows, again and again.

    Parameters
    ----------
    net : Network
        In evaluation mode, whose parameters stay where they are.
    X : Tensor of shape (n_rows, n_features) or (n_members, n_rows, n_features)

    Notes
    -----
    NumPy goes through few rows of a multilayer perceptron in a quarter of torch's time; what is large, on another
    device, or another network, is left to the network itself. The activations lie in memory that the next call writes
    over.
    """

    def __init__(self, net: Network, X: Tensor) -> None:
        self.net, self.X = net, X
        self.layers: list[tuple[Array, Array]] | None = None
        if isinstance(net, MLP):
            self._prepare(net, X)

    def _prepare(self, net: MLP, X: Tensor) -> None:
        spec, like = net.spec, next(net.parameters())
        if isinstance(kernels_for(like, X.shape[-2] * spec.widest * spec.n_members), NumpyKernels):
            self.layers = _arrays(net)
            own, leading = (_of_one, ()) if spec.n_members == 1 else (_as_array, (spec.n_members,))
            self.inputs = own(X)
            self.skip = None if net.skip_coef is None else own(net.skip_coef)
            shapes = [(*leading, X.shape[-2], units) for units in spec.hidden_layer_sizes]
            self.rooms = [np.empty(shape, self.inputs.dtype) for shape in shapes]

    def __call__(self) -> tuple[Tensor, list[Any]]:
        """Return the outputs, (n_members, n_rows, n_outputs), and the activations of each hidden layer."""
        net, hidden = self.net, list[Any]()
        if not isinstance(net, MLP):
            outputs, answers = net.look(self.X)
            return outputs, [by_unit(answer, axis=1 if answer.ndim == 4 else -1) for answer in answers]
        if self.layers is None:
            return net.look(self.X)
        *layers, (coef, intercept) = _arrays(net) if net.spec.batch_norm else self.layers
        activation, a = NUMPY_ACTIVATIONS[net.spec.activation], self.inputs
        for (weights, bias), room in zip(layers, self.rooms, strict=True):
            z = np.matmul(a, weights, out=room)
            z += bias
            a = activation(z)
            hidden.append(a)
        outputs = np.matmul(a, coef)
        outputs += intercept
        if self.skip is not None:
            outputs += np.matmul(self.inputs, self.skip)
        return torch.from_numpy(outputs if outputs.ndim == 3 else outputs[None]), hidden


def _arrays(net: MLP) -> list[tuple[Array, Array]]:
    """Return weights and biases, those of a single network without the member axis."""
    own = _of_one if net.spec.n_members == 1 else _as_array
    coefs, intercepts = net.folded()
    return [(own(coef), own(intercept)) for coef, intercept in zip(coefs, intercepts, strict=True)]


def _as_array(tensor: Tensor) -> Array:
    return tensor.detach().numpy()


def _of_one(tensor: Tensor) -> Array:
    """Return an array without the member axis of a single network: products of matrices are faster than of stacks."""
    array = tensor.detach().numpy()
    return array.reshape(array.shape[-2:])


def units_of(hidden: Sequence[Any], kind: str) -> UnitsOfLayers:
    """Summarise the activations of the hidden layers."""
    found = [unit_figures(activations, kind) for activations in hidden]
    return {
        "activation_mean": tuple(figures["mean"] for figures in found),
        "activation_std": tuple(figures["std"] for figures in found),
        "dead_share": tuple(figures["dead_share"] for figures in found) if kind == "relu" else (),
        "saturated_share": tuple(figures["saturated_share"] for figures in found) if kind in EXTREME else (),
    }


def duplicate_shares(net: Network) -> tuple[float, ...]:
    """Return the share of equal units of each hidden layer."""
    with torch.inference_mode():
        return tuple(
            0.0 if _differ_at_once(weights) else duplicate_share(weights, bias) for weights, bias in net.incoming()
        )


def _differ_at_once(incoming: Tensor) -> bool:
    """Tell whether no two units are alike in their weights of the first input: that is quickly seen of few units."""
    if incoming.is_cuda:
        return False
    weights = _as_array(incoming)
    first = np.sort(weights[..., 0], axis=-1)
    largest = max(weights.max(), -weights.min()) if weights.size else 0.0
    return bool((first[..., 1:] - first[..., :-1] > 2 * EQUAL * largest).all())
