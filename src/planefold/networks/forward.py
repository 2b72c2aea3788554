"""What a network answers to rows in memory: forward propagation for prediction, with nothing noted for gradients.

:meth:`MLP.forward` serves autograd, and every activation that it passes through is a tensor of all rows. Here rows go
through in pieces whose activations stay in the cache, batch normalisation is worked into the weights beforehand, and
few rows are left to NumPy.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from planefold.networks.activations import ACTIVATIONS, NUMPY_ACTIVATIONS
from planefold.networks.mlp import MLP, MLPSpec

Array = npt.NDArray[Any]

# Multiply-adds up to which NumPy is asked, in the caller's thread: handing pieces to others takes longer than them.
NUMPY_UP_TO = 50_000_000
BYTES_IN_CACHE = 2**20  # of the widest layer's activations in a piece: a core's second-level cache
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
    outputs = np.empty((n_rows, spec.n_outputs), layers.number)

    def write(rows: slice) -> None:
        piece = X[rows] if isinstance(X, np.ndarray) else X[rows].toarray()
        outputs[rows] = layers.by_numpy(piece) if is_small else layers.by_torch(piece)

    if is_small:
        for rows in _pieces(n_rows, spec, outputs.itemsize):
            write(rows)
    else:
        _share(write, _pieces(n_rows, spec, outputs.itemsize, n_workers=torch.get_num_threads()))
    return outputs


def _share(work: Callable[[slice], None], pieces: Sequence[slice]) -> None:
    """Let as many threads as torch has take one piece after the other.

    torch's own threads share each product and wait for each other at its end: on a busy machine for the scheduler's
    slices of time, again and again. Here they meet once. The limit is OpenMP's, which each thread has for itself, so
    that nothing of the process changes, and several threads of a server may predict at once.
    """
    remaining = iter(pieces)

    def work_off() -> None:
        torch.get_num_threads()  # torch sets a new thread's number when it is first asked: not after us
        with _openmp().limit(limits=1):
            for rows in remaining:
                work(rows)

    n_others = min(torch.get_num_threads(), len(pieces)) - 1
    with ThreadPoolExecutor(max(1, n_others)) as pool:  # which starts no thread before it is given work
        others = [pool.submit(work_off) for _ in range(n_others)]
        work_off()
        for other in others:
            other.result()


@functools.cache
def _openmp() -> ThreadpoolController:
    """Find torch's threads: once, as it takes milliseconds."""
    return ThreadpoolController().select(user_api="openmp")


def _pieces(n_rows: int, spec: MLPSpec, itemsize: int, n_workers: int = 1) -> list[slice]:
    units = spec.layer_units
    in_cache = BYTES_IN_CACHE // (max(units[1:]) * spec.n_members * itemsize)
    in_memory = VALUES_AT_ONCE // (max(units) * spec.n_members)
    each = max(LEAST_ROWS, -(-n_rows // n_workers))  # a few rows are shared, too, as long as that pays
    step = max(1, min(max(in_cache, LEAST_ROWS), MOST_ROWS, in_memory, each))
    return [slice(start, start + step) for start in range(0, n_rows, step)]


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

    @np.errstate(over="ignore", invalid="ignore")  # torch does not warn either
    def by_numpy(self, X: Array) -> Array:
        activation = NUMPY_ACTIVATIONS[self.activation]
        a = X = np.ascontiguousarray(X, self.number)
        for number, (coef, intercept) in enumerate(zip(self.coefs, self.intercepts, strict=True), start=1):
            z = a @ coef
            z += intercept
            a = z if number == len(self.coefs) else activation(z)
        if self.skip is not None:
            a += X @ self.skip
        return a if a.ndim == 2 else np.asarray(a.mean(axis=0))

    @torch.inference_mode()
    def by_torch(self, X: Array) -> Array:
        # A copy, as torch takes neither memory that cannot be written, such as a mapped file's, nor rows backwards.
        rows = a = torch.from_numpy(np.array(X, self.number, order="C"))
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
