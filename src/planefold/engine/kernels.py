"""What the hand-written path computes with: NumPy's arrays where networks are small, torch's where they are large.

Both libraries offer most functions under one name, with the same ``out=``; so the equations stand only once, in
:mod:`planefold.engine.fast`, and these classes hold the rest. On the CPU both see the same memory.

A call of NumPy costs less than half of what one of torch costs, and small networks are bound by calls; torch's work
on large arrays is shared by the cores, and so is oneDNN's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torch import Tensor

# A NumPy array or a torch tensor.
Array = Any
FloatArray = NDArray[np.float64]
Work = Callable[[], None]

# Numbers in the widest layer's activations of a batch from which torch's calls pay, if several threads share them.
TORCH_FROM = 100_000
# Multiply-adds of one product from which oneDNN pays.
ONEDNN_FROM = 10_000_000
SIGN_BELOW = 4096  # numbers, up to which NumPy's sign beats its comparison
N_WARM_UPS = 3  # libraries choose and load their kernels in the first calls, which must not be captured


class NumpyKernels:
    """NumPy on the CPU.

    Python's part of a small network's step, function upon function, takes a good part of its time. It is paid once:
    :meth:`capture` notes what a step calls (every call goes through :meth:`do` or :meth:`run`), and the notes are
    played back.
    """

    xp: Any = np
    block = 16_384  # numbers of a vector at a time: what Adam needs of so many fits into the second-level cache
    captures = True

    def __init__(self) -> None:
        self._tape: list[Callable[[], object]] | None = None

    def do(self, function: Callable[..., Any], *arguments: Any, out: Array) -> Array:
        """Call a function that writes into ``out``, and return that."""
        function(*arguments, out=out)
        if self._tape is not None:
            # As an array without axes, a number need not be turned into one in each call, which takes as long again.
            kept = [np.asarray(a, dtype=out.dtype) if isinstance(a, float) else a for a in arguments]
            # By position is quicker than by name; of maximum, NumPy would warn of it.
            by_name = function is np.maximum
            self._tape.append(partial(function, *kept, out=out) if by_name else partial(function, *kept, out))
        return out

    def run(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call a function that does all its work on the arrays it is given."""
        function(*arguments)
        if self._tape is not None:
            self._tape.append(partial(function, *arguments))

    def capture(self, work: Work) -> Work:
        """Do ``work`` once and return what does it again."""
        tape: list[Callable[[], object]] = []
        self._tape = tape
        try:
            work()
        finally:
            self._tape = None

        def replay() -> None:
            for call in tape:
                call()

        return replay

    def array(self, tensor: Tensor) -> Array:
        """Return the same memory as an array of this library."""
        return tensor.detach().numpy()

    def own(self, tensor: Tensor | None) -> Array:
        """Return :meth:`array` of a tensor; that of a single network without its member axis, which costs time."""
        return _own(self, tensor)

    def empty(self, shape: tuple[int, ...], like: Tensor) -> Array:
        """Allocate an array with the number type of ``like``, where ``like`` is."""
        return self.array(torch.empty(shape, dtype=like.dtype, device=like.device))

    copy = staticmethod(np.copyto)  # (out, array)

    def fill(self, numbers: Array, values: Sequence[float]) -> None:
        """Write some values into an array."""
        numbers[:] = values

    def scalars(self, numbers: Array) -> list[Array]:
        """Return each of some numbers as an array without axes, of the same memory."""
        return [numbers[i : i + 1].reshape(()) for i in range(len(numbers))]

    def product(self, a: Array, b: Array, out: Array) -> Array:
        """Write the matrix product of the last two axes into ``out`` and return it."""
        if out.ndim == 2:
            return self.do(np.dot, a, b, out=out)
        # Many outer products: by matmul they take ten times as long.
        return self.do(np.multiply if a.shape[-1] == 1 else np.matmul, a, b, out=out)

    write_product = product

    def dense(self, a: Array, weights: Array, bias: Array, out: Array) -> Array:
        """Return ``a W + b``, possibly in ``out``."""
        return self.do(np.add, self.product(a, weights, out), bias, out=out)

    def relu(self, z: Array, zeros: Array) -> Array:
        """Cut ``z`` off at 0, in place."""
        # Against an array of zeros: against the number 0, NumPy takes three times as long.
        return self.do(np.maximum, z, zeros, out=z)

    def relu_back(self, a: Array, delta: Array, zeros: Array, scratch: Array) -> None:
        """Set ``delta`` to 0 where ``a``, which is not negative, is 0."""
        # Both give 1 where a > 0 and else 0. A comparison turns truths into numbers, for which NumPy needs a buffer;
        # the sign takes longer a number.
        if a.size < SIGN_BELOW:
            self.do(np.sign, a, out=scratch)
        else:
            self.do(np.greater, a, zeros, out=scratch)
        self.do(np.multiply, delta, scratch, out=delta)

    def add_scaled(self, x: Array, factor: Array | float, out: Array, scratch: Array) -> None:
        """Add ``factor x`` to ``out``."""
        self.do(np.multiply, x, factor, out=scratch)
        self.do(np.add, out, scratch, out=out)

    def row_squares(self, rows: Array, out: Array) -> Array:
        """Sum the squares of each row into ``out`` of shape (n_rows, 1)."""
        if len(rows) == 1:
            self.do(np.dot, rows[0], rows[0], out=out.reshape(()))
        else:
            self.do(np.matmul, rows[:, None, :], rows[:, :, None], out=out[:, None])
        return out

    def row_sums(self, rows: Array, out: Array) -> Array:
        """Sum each row into ``out`` of shape (n_rows, 1)."""
        self.run(partial(np.sum, rows, axis=1, keepdims=True, out=out))
        return out

    def sigmoid(self, z: Array, out: Array) -> Array:
        """Write ``1 / (1 + exp(-z))`` into ``out``."""
        return self.do(expit, z, out=out)


class TorchKernels:
    """torch, on the CPU or a GPU. On a GPU steps are captured as CUDA graphs."""

    xp: Any = torch
    block = 0  # whole vectors, which the cores share

    def __init__(self, *, captures: bool = False) -> None:
        self.captures = captures

    def do(self, function: Callable[..., Any], *arguments: Any, out: Tensor) -> Tensor:
        """Call a function that writes into ``out``, and return that."""
        function(*arguments, out=out)
        return out

    def run(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call a function that does all its work on the tensors it is given."""
        function(*arguments)

    def capture(self, work: Work) -> Work:
        """Do ``work`` a few times, capture it as a CUDA graph, and return what replays it."""
        stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(N_WARM_UPS):
                work()
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            work()
        return graph.replay

    def array(self, tensor: Tensor) -> Array:
        """Return the tensor."""
        return tensor.detach()

    def own(self, tensor: Tensor | None) -> Array:
        """Return :meth:`array` of a tensor; that of a single network without its member axis."""
        return _own(self, tensor)

    def empty(self, shape: tuple[int, ...], like: Tensor) -> Array:
        """Allocate a tensor with the number type of ``like``, where ``like`` is."""
        return torch.empty(shape, dtype=like.dtype, device=like.device)

    def copy(self, out: Tensor, array: Tensor) -> None:
        """Write what ``array`` holds into ``out``."""
        out.copy_(array)

    def fill(self, numbers: Tensor, values: Sequence[float]) -> None:
        """Write some values into a tensor."""
        numbers.copy_(torch.tensor(values, dtype=numbers.dtype))

    def scalars(self, numbers: Tensor) -> list[Array]:
        """Return each of some numbers as a tensor without axes, of the same memory."""
        return list(numbers.unbind())

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

    def relu(self, z: Tensor, zeros: Tensor) -> Tensor:
        """Cut ``z`` off at 0, in place."""
        return torch.relu_(z)

    def relu_back(self, a: Tensor, delta: Tensor, zeros: Tensor, scratch: Tensor) -> None:
        """Set ``delta`` to 0 where ``a``, which is not negative, is 0."""
        torch.ops.aten.threshold_backward.grad_input(delta, a, 0.0, grad_input=delta)

    def add_scaled(self, x: Tensor, factor: Tensor | float, out: Tensor, scratch: Tensor) -> None:
        """Add ``factor x`` to ``out``."""
        if isinstance(factor, Tensor):
            out.addcmul_(x, factor)
        else:
            out.add_(x, alpha=factor)

    def row_squares(self, rows: Tensor, out: Tensor) -> Tensor:
        """Sum the squares of each row into ``out`` of shape (n_rows, 1)."""
        torch.linalg.vector_norm(rows, dim=1, keepdim=True, out=out)
        return out.square_()

    def row_sums(self, rows: Tensor, out: Tensor) -> Tensor:
        """Sum each row into ``out`` of shape (n_rows, 1)."""
        return torch.sum(rows, dim=1, keepdim=True, out=out)

    def sigmoid(self, z: Tensor, out: Tensor) -> Tensor:
        """Write ``1 / (1 + exp(-z))`` into ``out``."""
        return torch.sigmoid(z, out=out)


Kernels = NumpyKernels | TorchKernels


def kernels_for(like: Tensor, n_values: int) -> Kernels:
    """Choose by size: ``n_values`` is how many numbers the activations of the widest layer are."""
    if like.is_cuda:
        return TorchKernels(captures=True)
    return TorchKernels() if n_values >= TORCH_FROM and torch.get_num_threads() > 1 else NumpyKernels()


def _own(kernels: Kernels, tensor: Tensor | None) -> Array:
    if tensor is None:
        return None
    array = kernels.array(tensor)
    return array[0] if array.ndim == 3 and len(array) == 1 else array


def _suits_onednn(a: Tensor, b: Tensor) -> bool:
    is_plain = a.ndim == b.ndim == 2 and a.device.type == "cpu" and a.dtype == torch.float32
    return is_plain and a.shape[0] * b.numel() >= ONEDNN_FROM and _HAS_ONEDNN


def _linear(a: Tensor, weights: Tensor, bias: Tensor | None) -> Tensor:
    result: Tensor = torch.ops.mkldnn._linear_pointwise(a, weights, bias, "none", [], "")
    return result


_HAS_ONEDNN = hasattr(torch.ops.mkldnn, "_linear_pointwise")
