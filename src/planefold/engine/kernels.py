"""What the hand-written path computes with: NumPy's arrays where networks are small, torch's where they are large.

Both libraries offer most functions under one name, with the same ``out=``; so the equations stand only once, in
:mod:`planefold.engine.fast`, and these classes hold the rest. On the CPU both see the same memory.

A call of NumPy costs about half of what one of torch costs, and small networks are bound by calls; torch's work on
large arrays is shared by the cores, and so is oneDNN's. ``benchmarks/training.py`` measures both sides.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

# A NumPy array or a torch tensor.
Array = Any
FloatArray = NDArray[np.float64]

# Numbers in the widest layer's activations of a batch from which torch's calls pay.
TORCH_FROM = 100_000
# Multiply-adds of one product from which oneDNN pays.
ONEDNN_FROM = 10_000_000


class NumpyKernels:
    """NumPy on the CPU."""

    xp: Any = np
    block = 16_384  # numbers of a vector at a time: what Adam needs of so many fits into the second-level cache

    def array(self, tensor: Tensor) -> Array:
        """Return the same memory as an array of this library."""
        return tensor.detach().numpy()

    def own(self, tensor: Tensor | None) -> Array:
        """Return :meth:`array` of a tensor; that of a single network without its member axis, which costs time."""
        if tensor is None:
            return None
        array = self.array(tensor)
        return array[0] if array.ndim == 3 and len(array) == 1 else array

    def empty(self, shape: tuple[int, ...], like: Tensor) -> Array:
        """Allocate an array with the number type of ``like``, where ``like`` is."""
        return self.array(torch.empty(shape, dtype=like.dtype, device=like.device))

    def product(self, a: Array, b: Array, out: Array) -> Array:
        """Write the matrix product of the last two axes into ``out`` and return it."""
        if a.shape[-1] == 1:  # an outer product: BLAS would take several times as long
            return np.multiply(a, b, out=out)
        return np.dot(a, b, out) if out.ndim == 2 else np.matmul(a, b, out=out)

    write_product = product

    def dense(self, a: Array, weights: Array, bias: Array, out: Array) -> Array:
        """Return ``a W + b``, possibly in ``out``."""
        z = self.product(a, weights, out)
        z += bias
        return z

    def row_squares(self, rows: Array) -> Array:
        """Sum the squares of each row: shape (n_rows, 1), of a single row a number."""
        if len(rows) == 1:
            return np.dot(rows[0], rows[0])
        return np.einsum("ij,ij->i", rows, rows)[:, None]

    def collect(self, values: list[Array | float]) -> FloatArray:
        """Return numbers, or arrays of shape (n_members, 1), as one array on the CPU: (n_values, n_members or 1)."""
        return np.array(values, dtype=float).reshape(len(values), -1)

    def sigmoid(self, z: Array, out: Array) -> Array:
        """Write ``1 / (1 + exp(-z))`` into ``out``."""
        return expit(z, out=out)


class TorchKernels:
    """torch, on the CPU or a GPU."""

    xp: Any = torch
    block = 0  # whole vectors, which the cores share

    def array(self, tensor: Tensor) -> Array:
        """Return the tensor."""
        return tensor.detach()

    def own(self, tensor: Tensor | None) -> Array:
        """Return :meth:`array` of a tensor; that of a single network without its member axis, which costs time."""
        if tensor is None:
            return None
        array = self.array(tensor)
        return array[0] if array.ndim == 3 and len(array) == 1 else array

    def empty(self, shape: tuple[int, ...], like: Tensor) -> Array:
        """Allocate a tensor with the number type of ``like``, where ``like`` is."""
        return torch.empty(shape, dtype=like.dtype, device=like.device)

    def product(self, a: Tensor, b: Tensor, out: Tensor) -> Tensor:
        """Return the matrix product of the last two axes, possibly in ``out``."""
        if a.shape[-1] == 1:
            return torch.mul(a, b, out=out)
        if _suits_onednn(a, b) and a.is_contiguous():
            # oneDNN takes the weights as torch.nn.Linear keeps them, which is the transpose of ours.
            return _linear(a, b.T, None)
        return torch.matmul(a, b, out=out)

    def write_product(self, a: Tensor, b: Tensor, out: Tensor) -> None:
        """Write the matrix product of the last two axes into ``out``."""
        torch.matmul(a, b, out=out)

    def dense(self, a: Tensor, weights: Tensor, bias: Tensor, out: Tensor) -> Tensor:
        """Return ``a W + b``, possibly in ``out``."""
        if _suits_onednn(a, weights):
            return _linear(a, weights.T, bias.reshape(-1))
        if out.ndim == 2:
            return torch.addmm(bias, a, weights, out=out)
        return torch.matmul(a, weights, out=out).add_(bias)

    def row_squares(self, rows: Tensor) -> Tensor:
        """Sum the squares of each row: shape (n_rows, 1)."""
        return rows.square().sum(dim=1, keepdim=True)

    def collect(self, values: list[Tensor | float]) -> FloatArray:
        """Return numbers, or tensors of shape (n_members, 1), as one array on the CPU: (n_values, n_members or 1)."""
        if isinstance(values[0], Tensor):
            return np.asarray(torch.stack([v for v in values if isinstance(v, Tensor)]).flatten(1).cpu().double())
        return np.array(values, dtype=float)[:, None]

    def sigmoid(self, z: Tensor, out: Tensor) -> Tensor:
        """Write ``1 / (1 + exp(-z))`` into ``out``."""
        return torch.sigmoid(z, out=out)


Kernels = NumpyKernels | TorchKernels


def kernels_for(like: Tensor, n_values: int) -> Kernels:
    """Choose by size: ``n_values`` is how many numbers the activations of the widest layer are."""
    small = like.device.type == "cpu" and n_values < TORCH_FROM
    return NumpyKernels() if small else TorchKernels()


def _suits_onednn(a: Tensor, b: Tensor) -> bool:
    is_plain = a.ndim == b.ndim == 2 and a.device.type == "cpu" and a.dtype == torch.float32
    return is_plain and a.shape[0] * b.numel() >= ONEDNN_FROM and _HAS_ONEDNN


def _linear(a: Tensor, weights: Tensor, bias: Tensor | None) -> Tensor:
    result: Tensor = torch.ops.mkldnn._linear_pointwise(a, weights, bias, "none", [], "")
    return result


_HAS_ONEDNN = hasattr(torch.ops.mkldnn, "_linear_pointwise")
