"""Forward and backward propagation of multilayer perceptrons, written out.

With rows in a matrix ``a[0]``, weights ``W[l]``, biases ``b[l]`` and activation ``g``::

    forward    z[l] = a[l-1] W[l] + b[l]                    a[l] = g(z[l])
    backward   delta[L] = dJ / dz[L]                        (a[L] - y, for squares and cross-entropies)
               delta[l] = (delta[l+1] W[l+1]^T) * g'(z[l])
               dW[l] = a[l-1]^T delta[l]                    db[l] = 1^T delta[l]

where the rows of ``delta[L]`` carry their shares of the mean loss (1 / m each, without weights). Batch normalisation
stands between z and g, dropout's mask after g. Nearly everything is computed into memory that is taken once; nothing is
recorded for autograd, which gives the same gradients (the tests compare them) in several times the time.

References
----------
Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", Nature 323, 1986.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch.nn import Parameter

from planefold.engine.flat import FlatParameters
from planefold.engine.kernels import Array, Kernels
from planefold.engine.objectives import Objective
from planefold.networks.activations import LEAKY_SLOPE
from planefold.networks.mlp import MLP, NORM_EPSILON, NORM_MOMENTUM

Masks = Sequence[Array] | None  # of each hidden layer: an array like its activations, or None


class Propagation:
    """The gradient of a mean loss with respect to all parameters of a network.

    Parameters
    ----------
    net : MLP
    flat : FlatParameters
        Of ``net``; gradients are written into it.
    objective : Objective
    kernels : NumpyKernels or TorchKernels
        What to compute with; arrays below are its arrays.
    members : slice
        Those whose gradient is computed, all by default.
    norm_momentum : float
        Weight of a batch in the running means of batch normalisation.
    """

    def __init__(
        self,
        net: MLP,
        flat: FlatParameters,
        objective: Objective,
        kernels: Kernels,
        members: slice = slice(None),
        *,
        norm_momentum: float = NORM_MOMENTUM,
    ) -> None:
        self.kernels, self.objective, self.like = kernels, objective, flat.theta
        self.n_members = len(flat.theta[members])
        self.activation = ACTIVATIONS[net.spec.activation]
        self.has_norms = net.spec.batch_norm

        def both(p: Parameter) -> tuple[Array, Array]:
            assert p.grad is not None
            return kernels.own(p.data[members]), kernels.own(p.grad[members])

        norms: list[_Norm | None] = [None] * len(net.coefs)
        for k, (scale, shift, mean, var) in enumerate(
            zip(net.norm_scales, net.norm_shifts, net.running_means, net.running_vars, strict=True)
        ):
            running = (kernels.own(mean[members]), kernels.own(var[members]))
            norms[k] = _Norm(*both(scale), *both(shift), *running, norm_momentum)
        self.layers = [
            _Dense(*both(coef), *both(bias), norm)
            for coef, bias, norm in zip(net.coefs, net.intercepts, norms, strict=True)
        ]
        self.skip = None if net.skip_coef is None else both(net.skip_coef)
        self._spaces: dict[int, _Space] = {}

    def gradient(self, X: Array, y: Array, share: Array | float, masks: Masks, outputs: Array) -> None:
        """Write the outputs of a batch, and the gradient of its loss into the flat gradient.

        Parameters
        ----------
        X : array of shape (n, n_features) or (n_members, n, n_features)
        y : array of shape (n, n_outputs) or (n_members, n, n_outputs)
        share : float, or array of shape (n, 1) or (n_members, n, 1)
            Share of each row in the loss: ``1 / n``, or its weight over the sum of weights.
        masks : sequence, or None
            One a hidden layer, of the shape of its activations; see :meth:`MLP.forward`.
        outputs : array of shape (n, n_outputs) or (n_members, n, n_outputs)
            Where the outputs are written.
        """
        kernels, xp = self.kernels, self.kernels.xp
        space = self._spaces.get(X.shape[-2]) or self._make_space(X.shape[-2])
        # Rows that weigh nothing only fill up a member's batch; they must not count in its statistics.
        counts = self.has_norms and not isinstance(share, float)
        present = kernels.do(xp.sign, share, out=space.present) if counts else None
        inputs = self._forward(X, masks, outputs, space, present)
        kernels.run(self.objective.gradient, outputs, y, space.last, xp)
        kernels.do(xp.multiply, space.last, share, out=space.last)
        self._backward(inputs, masks, space, present)

    def _forward(self, X: Array, masks: Masks, outputs: Array, space: _Space, present: Array | None) -> list[Array]:
        """Return what each layer takes in."""
        kernels, xp = self.kernels, self.kernels.xp
        inputs = [X]
        for index, (layer, room) in enumerate(zip(self.layers[:-1], space.layers, strict=True)):
            z = kernels.dense(inputs[-1], layer.weights, layer.bias, room.a)
            if layer.norm is not None:
                kernels.run(layer.norm.forward, z, room, xp, present)
            room.a = a = self.activation.forward(kernels, z, room)
            if masks is not None and masks[index] is not None:
                a = kernels.do(xp.multiply, a, masks[index], out=room.masked)
            inputs.append(a)
        last = self.layers[-1]
        kernels.write_product(inputs[-1], last.weights, outputs)
        kernels.do(xp.add, outputs, last.bias, out=outputs)
        if self.skip is not None:
            kernels.write_product(X, self.skip[0], space.path)
            kernels.do(xp.add, outputs, space.path, out=outputs)
        return inputs

    def _backward(self, inputs: list[Array], masks: Masks, space: _Space, present: Array | None) -> None:
        kernels, xp = self.kernels, self.kernels.xp
        delta = space.last
        for index in reversed(range(len(self.layers))):
            layer, a = self.layers[index], inputs[index]
            kernels.write_product(a.swapaxes(-1, -2), delta, layer.d_weights)
            if layer.norm is None:
                kernels.write_product(space.ones, delta, layer.d_bias)
            else:  # the batch's mean, which holds the bias, is taken off again
                kernels.do(xp.multiply, layer.bias, 0.0, out=layer.d_bias)
            if index == 0:
                break
            room, norm = space.layers[index - 1], self.layers[index - 1].norm
            delta = kernels.product(delta, layer.weights.swapaxes(-1, -2), room.delta)
            if masks is not None and masks[index - 1] is not None:
                kernels.do(xp.multiply, delta, masks[index - 1], out=delta)
            self.activation.backward(kernels, room.a, delta, room)
            if norm is not None:
                kernels.run(norm.backward, delta, room, space.ones, xp, present)
        if self.skip is not None:
            kernels.write_product(inputs[0].swapaxes(-1, -2), space.last, self.skip[1])

    def _make_space(self, n_rows: int) -> _Space:
        """Take the memory for batches of ``n_rows``, of which a training has two: whole ones and the last."""
        leading = () if self.n_members == 1 else (self.n_members,)

        def empty(*shape: int) -> Array:
            return self.kernels.empty((*leading, *shape), self.like)

        units = [int(layer.bias.shape[-1]) for layer in self.layers]
        ones = self.kernels.empty((1, n_rows), self.like)
        ones[...] = 1
        # The layers share what they need for a moment only: less memory is faster memory.
        spare: dict[int, tuple[Array, Array]] = {}
        for u in units:
            spare.setdefault(u, (empty(n_rows, u), empty(n_rows, u)))[0][...] = 0
        space = _Space(
            layers=[
                _Room(
                    a=empty(n_rows, u),
                    delta=empty(n_rows, u),
                    zeros=spare[u][0],
                    scratch=spare[u][1],
                    masked=empty(n_rows, u),
                    normal=empty(n_rows, u) if self.has_norms else None,
                    deviation=empty(1, u),
                )
                for u in units[:-1]
            ],
            last=empty(n_rows, units[-1]),
            path=empty(n_rows, units[-1]),
            present=empty(n_rows, 1),
            ones=ones,
        )
        self._spaces[n_rows] = space
        return space


@dataclass
class _Dense:
    """Weights and biases of a layer, and the windows of the flat gradient that belong to them."""

    weights: Array
    d_weights: Array
    bias: Array
    d_bias: Array
    norm: _Norm | None


@dataclass
class _Room:
    """Memory of a hidden layer for a batch."""

    a: Array  # z, then the activations
    delta: Array
    zeros: Array
    scratch: Array
    masked: Array  # the activations that dropout leaves
    normal: Array  # the standardised z of batch normalisation
    deviation: Array
    n: Array | int = 0  # rows that count in its batch


@dataclass
class _Space:
    layers: list[_Room]
    last: Array  # delta of the outputs
    path: Array  # the linear path's part of the outputs
    present: Array  # 1 for rows that count, 0 for others
    ones: Array


@dataclass
class _Norm:
    """Batch normalisation: ``x = (z - mean) / sqrt(var + e)``, ``scale x + shift``.

    References
    ----------
    Ioffe and Szegedy, "Batch normalization", ICML 2015, algorithm 1 and the gradients of its section 3.
    """

    scale: Array
    d_scale: Array
    shift: Array
    d_shift: Array
    running_mean: Array
    running_var: Array
    momentum: float

    def forward(self, z: Array, room: _Room, xp: Any, present: Array | None) -> None:
        """Normalise ``z`` in place by its batch and remember the batch's mean and variance.

        Rows where ``present``, of shape (..., n, 1), is 0 only fill up a member's batch: they count for nothing.
        """
        n = z.shape[-2] if present is None else present.sum(-2)[..., None, :].clip(1)
        room.n = n
        mean = (z if present is None else z * present).sum(-2)[..., None, :] / n
        xp.subtract(z, mean, out=room.normal)
        xp.multiply(room.normal, room.normal, out=room.scratch)
        if present is not None:
            room.scratch *= present
        var = room.scratch.sum(-2)[..., None, :] / n
        xp.sqrt(var + NORM_EPSILON, out=room.deviation)
        room.normal /= room.deviation
        xp.multiply(room.normal, self.scale, out=z)
        z += self.shift
        # One row has no variance to tell of. In prediction the variance stands for that of all rows, of which a
        # batch's is too low by (n - 1) / n.
        share = self.momentum * (n > 1)
        others = max(n - 1, 1) if present is None else (n - 1).clip(1)
        self.running_mean += share * (mean - self.running_mean)
        self.running_var += share * (var * (n / others) - self.running_var)

    def backward(self, delta: Array, room: _Room, ones: Array, xp: Any, present: Array | None) -> None:
        """Turn ``delta`` of the outputs into that of ``z``, in place."""
        xp.multiply(delta, room.normal, out=room.scratch)
        xp.matmul(ones, room.scratch, out=self.d_scale)
        xp.matmul(ones, delta, out=self.d_shift)
        # delta - mean(delta) - x mean(delta x), times scale / deviation
        xp.multiply(room.normal, self.d_scale / room.n, out=room.scratch)
        delta -= room.scratch
        delta -= self.d_shift / room.n
        delta *= self.scale / room.deviation
        if present is not None:
            delta *= present


# ---------------------------------------------------------------------------------------------- activations


@dataclass(frozen=True)
class _Activation:
    """``forward`` turns z into a in place and returns it; ``backward`` multiplies delta by ``g'(z)``, told from a."""

    forward: Callable[[Kernels, Array, _Room], Array]
    backward: Callable[[Kernels, Array, Array, _Room], None]


def _identity(kernels: Kernels, z: Array, room: _Room) -> Array:
    return z


def _identity_back(kernels: Kernels, a: Array, delta: Array, room: _Room) -> None:
    """Leave ``delta``: the derivative is 1."""


def _relu(kernels: Kernels, z: Array, room: _Room) -> Array:
    return kernels.relu(z, room.zeros)


def _relu_back(kernels: Kernels, a: Array, delta: Array, room: _Room) -> None:
    kernels.relu_back(a, delta, room.zeros, room.scratch)


def _leaky_relu(kernels: Kernels, z: Array, room: _Room) -> Array:
    kernels.do(kernels.xp.multiply, z, LEAKY_SLOPE, out=room.scratch)
    return kernels.do(kernels.xp.maximum, z, room.scratch, out=z)


def _leaky_relu_back(kernels: Kernels, a: Array, delta: Array, room: _Room) -> None:
    """``slope + (1 - slope) [a > 0]``."""
    do, xp = kernels.do, kernels.xp
    do(xp.greater, a, room.zeros, out=room.scratch)
    do(xp.multiply, room.scratch, 1 - LEAKY_SLOPE, out=room.scratch)
    do(xp.add, room.scratch, LEAKY_SLOPE, out=room.scratch)
    do(xp.multiply, delta, room.scratch, out=delta)


def _logistic(kernels: Kernels, z: Array, room: _Room) -> Array:
    return kernels.sigmoid(z, z)


def _logistic_back(kernels: Kernels, a: Array, delta: Array, room: _Room) -> None:
    """``a (1 - a) = a - a^2``."""
    do, xp = kernels.do, kernels.xp
    do(xp.multiply, a, a, out=room.scratch)
    do(xp.subtract, a, room.scratch, out=room.scratch)
    do(xp.multiply, delta, room.scratch, out=delta)


def _tanh(kernels: Kernels, z: Array, room: _Room) -> Array:
    return kernels.do(kernels.xp.tanh, z, out=z)


def _tanh_back(kernels: Kernels, a: Array, delta: Array, room: _Room) -> None:
    """``1 - a^2``: delta less delta a^2."""
    do, xp = kernels.do, kernels.xp
    do(xp.multiply, a, a, out=room.scratch)
    do(xp.multiply, room.scratch, delta, out=room.scratch)
    do(xp.subtract, delta, room.scratch, out=delta)


ACTIVATIONS = {
    "identity": _Activation(_identity, _identity_back),
    "logistic": _Activation(_logistic, _logistic_back),
    "tanh": _Activation(_tanh, _tanh_back),
    "relu": _Activation(_relu, _relu_back),
    "leaky_relu": _Activation(_leaky_relu, _leaky_relu_back),
}
