"""Rows that a watched module is judged on: chosen once, kept on its device, seen without disturbing the training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from planefold.core.errors import DataError, ParameterError, show

# Numbers of the inputs that go through a module at once: 224 images of 16 x 16 take half as long again in one piece as
# in two, as their activations leave the processor's cache.
CHUNK, FEWEST = 2**15, 8  # and rows


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Inputs and targets.

    Parameters
    ----------
    inputs : tuple of Tensor of shape (n_rows, ...)
        What the module is called with.
    y : Tensor of shape (n_rows, ...)
    """

    inputs: tuple[Tensor, ...]
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)

    @classmethod
    def read(cls, data: Any, name: str) -> Rows:
        """Take what the user calls ``train`` or ``val``: a pair ``(X, y)``, of which X may be a tuple."""
        data = getattr(data, "tensors", data)  # of a TensorDataset
        if not isinstance(data, tuple | list) or len(data) < 2:
            raise ParameterError(
                f"{name}={show(type(data).__name__)} is not a pair (X, y)",
                hint=f"pass {name}=(X, y), or ((X1, X2), y) for a module that takes several inputs",
            )
        *inputs, y = data
        if len(inputs) == 1 and isinstance(inputs[0], tuple | list):
            inputs = list(inputs[0])
        rows = cls(inputs=tuple(_tensor(part, name) for part in inputs), y=_tensor(y, name))
        lengths = [len(part) if part.dim() else 0 for part in (*rows.inputs, rows.y)]
        if len(set(lengths)) > 1 or not lengths[0]:
            raise DataError(f"X and y of {name} must have the same number of rows, at least one, not {lengths}")
        return rows

    def choose(self, n_rows: int, rng: np.random.Generator) -> Rows:
        """Draw rows at random, in the order of the table; all of them where there are no more."""
        if len(self) <= n_rows:
            return self
        places = torch.as_tensor(np.sort(rng.choice(len(self), n_rows, replace=False)))
        inputs = tuple(part[places.to(part.device)] for part in self.inputs)
        return Rows(inputs=inputs, y=self.y[places.to(self.y.device)])

    def first(self, n_rows: int) -> Rows:
        """Return the first of the rows."""
        return Rows(inputs=tuple(part[:n_rows] for part in self.inputs), y=self.y[:n_rows])

    def followed_by(self, others: Rows) -> Rows:
        """Put other rows behind these."""
        inputs = tuple(torch.cat(pair) for pair in zip(self.inputs, others.inputs, strict=True))
        return Rows(inputs=inputs, y=torch.cat([self.y, others.y]))

    def beside(self, module: nn.Module) -> Rows:
        """Bring the rows to the module's device, and numbers of the inputs to its precision."""
        home = next((p for p in module.parameters() if p.is_floating_point()), None)
        if home is None:
            return self
        return Rows(
            inputs=tuple(
                part.to(home.device, home.dtype if part.is_floating_point() else part.dtype) for part in self.inputs
            ),
            y=self.y.to(home.device),
        )

    def chunks(self) -> Iterator[tuple[Tensor, ...]]:
        """Cut the inputs into parts that a module can take at once."""
        width = sum(part[0].numel() for part in self.inputs)
        size = max(FEWEST, CHUNK // max(width, 1))
        if size >= len(self):
            yield self.inputs
            return
        for start in range(0, len(self), size):
            yield tuple(part[start : start + size] for part in self.inputs)


def _tensor(values: Any, name: str) -> Tensor:
    if isinstance(values, Tensor):
        return values.detach()
    try:
        return torch.as_tensor(np.asarray(values))
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} holds something that is no tensor of numbers", details=str(error)) from None


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Look at a module in evaluation mode; its modes, its buffers and the random state are then as before."""
    modes = [(part, part.training) for part in module.modules()]
    buffers = [(buffer, buffer._version, buffer.clone()) for buffer in module.buffers()]
    with _same_random_state(module), torch.no_grad():
        # Not eval(), which some modules use to do more than this.
        for part, _ in modes:
            part.training = False
        try:
            yield
        finally:
            for part, mode in modes:
                part.training = mode
            for buffer, version, before in buffers:
                if buffer._version != version:
                    buffer.copy_(before)


@contextmanager
def _same_random_state(module: nn.Module) -> Iterator[None]:
    devices = {p.device for p in module.parameters() if p.device.type not in ("cpu", "meta")}
    if devices:
        with torch.random.fork_rng(devices=list(devices), device_type=next(iter(devices)).type):
            yield
        return
    state = torch.get_rng_state()
    try:
        yield
    finally:
        torch.set_rng_state(state)
