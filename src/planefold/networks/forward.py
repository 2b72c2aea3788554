"""What a network answers to rows in memory: forward propagation for prediction, with nothing noted for gradients.

:meth:`MLP.forward` serves autograd, and every activation that it passes through is a tensor of all rows. Here rows go
through in pieces whose activations stay in the cache, batch normalisation is worked into the weights beforehand, and
few rows are left to NumPy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from planefold.networks.activations import ACTIVATIONS, NUMPY_ACTIVATIONS
from planefold.networks.mlp import MLP, MLPSpec

Array = npt.NDArray[Any]

# Multiply-adds up to which NumPy is asked. Its calls cost half of torch's. Above all, torch's
# threads wait for each other on a busy machine, a thousand times as long as ten rows take; one thread would do, but
# how many there are is a setting of the process, which calls from several threads of a server would fight over.
NUMPY_UP_TO = 5_000_000
# Numbers in the widest layer's activations of a piece: 2 MB in float32, the second-level caches of two cores.
VALUES_IN_CACHE = 2**19
LEAST_ROWS, MOST_ROWS = 256, 8192  # of a piece: with fewer, the weights are fetched anew for too little work
VALUES_AT_ONCE = 2**25  # in a piece, however wide the rows: a long table needs no more memory than a short one


def mean_outputs(net: MLP, X: Any, dtype: torch.dtype) -> Array:
    """Compute the outputs before the link function, as the network predicts: the mean of its members.

    Parameters
    ----------
    net : MLP
        On the CPU. Taken as in evaluation mode, whatever mode it is in.
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        Finite numbers. Sparse rows are made dense piece by piece.
    dtype : torch.dtype
        What to compute in, float32 or float64; weights and rows are brought to it.

    Returns
    -------
    ndarray of shape (n_samples, n_outputs)
        Of ``dtype``.

    Notes
    -----
    Sums are taken in an order that depends on how many rows there are, so a row's outputs may differ in the last
    bits from those that it gets among other rows.

    The weights are read anew in each call, so a change of them is never missed; in the type that they have, without
    batch normalisation, nothing is copied.
    """
    n_rows, spec = X.shape[0], net.spec
    layers = _Layers.of(net, dtype)
    is_small = n_rows * sum(coef.size for coef in layers.coefs) <= NUMPY_UP_TO
    compute = layers.by_numpy if is_small else layers.by_torch
    outputs = np.empty((n_rows, spec.n_outputs), layers.number)
    with np.errstate(over="ignore", invalid="ignore"):  # as torch does
        for rows in _pieces(n_rows, spec):
            piece = X[rows] if isinstance(X, np.ndarray) else X[rows].toarray()
            outputs[rows] = compute(np.ascontiguousarray(piece, layers.number))
    return outputs


def _pieces(n_rows: int, spec: MLPSpec) -> Iterator[slice]:
    units = spec.layer_units
    in_cache = VALUES_IN_CACHE // (max(units[1:]) * spec.n_members)
    in_memory = VALUES_AT_ONCE // (max(units) * spec.n_members)
    step = max(1, min(max(in_cache, LEAST_ROWS), MOST_ROWS, in_memory))
    return (slice(start, start + step) for start in range(0, n_rows, step))


@dataclass(frozen=True)
class _Layers:
    """Weights of shape (fan_in, fan_out) and biases of shape (1, fan_out); of several members with a leading axis."""

    coefs: list[Array]
    intercepts: list[Array]
    skip: Array | None
    activation: str
    number: type[np.floating[Any]]

    @classmethod
    def of(cls, net: MLP, dtype: torch.dtype) -> _Layers:
        """Look at the network's own memory where it can."""
        number = np.float32 if dtype == torch.float32 else np.float64

        def own(tensor: Tensor) -> Array:
            array = tensor.detach().numpy()
            if array.dtype != number:
                array = array.astype(number)
            return array[0] if len(array) == 1 else array  # products of matrices are faster than of stacks

        coefs, intercepts = net.folded(dtype)
        skip = None if net.skip_coef is None else own(net.skip_coef)
        return cls([own(coef) for coef in coefs], [own(bias) for bias in intercepts], skip, net.spec.activation, number)

    def by_numpy(self, X: Array) -> Array:
        activation = NUMPY_ACTIVATIONS[self.activation]
        a = X
        for number, (coef, intercept) in enumerate(zip(self.coefs, self.intercepts, strict=True), start=1):
            z = a @ coef
            z += intercept
            a = z if number == len(self.coefs) else activation(z)
        if self.skip is not None:
            a += X @ self.skip
        return a if a.ndim == 2 else np.asarray(a.mean(axis=0))

    @torch.inference_mode()
    def by_torch(self, X: Array) -> Array:
        # torch warns of memory that cannot be written, such as that of a memory-mapped file.
        rows = a = torch.from_numpy(X if X.flags.writeable else X.copy())
        for number, (coef, intercept) in enumerate(zip(self.coefs, self.intercepts, strict=True), start=1):
            activation = "identity" if number == len(self.coefs) else self.activation
            a = _dense(a, torch.from_numpy(coef), torch.from_numpy(intercept), activation)
        if self.skip is not None:
            a += torch.matmul(rows, torch.from_numpy(self.skip))
        return (a if a.ndim == 2 else a.mean(dim=0)).numpy()


def _dense(a: Tensor, coef: Tensor, intercept: Tensor, activation: str) -> Tensor:
    """Return ``g(a W + b)``."""
    if coef.ndim == 3:
        z = torch.matmul(a, coef).add_(intercept)
    elif _HAS_ONEDNN and coef.dtype == torch.float32:
        # oneDNN takes the weights as torch.nn.Linear keeps them, the transpose of ours, and does bias and ReLU in the
        # same go.
        inside, activation = ("relu", "identity") if activation == "relu" else ("none", activation)
        z = torch.ops.mkldnn._linear_pointwise(a, coef.T, intercept[0], inside, [], "")
    else:
        z = torch.addmm(intercept, a, coef)
    return ACTIVATIONS[activation](z)


_HAS_ONEDNN = hasattr(torch.ops.mkldnn, "_linear_pointwise")
