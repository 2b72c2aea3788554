"""Steps of a GPU, captured once and replayed: a small network's step is otherwise bound by starting its kernels.

What a step reads from outside (its rows, masks, rate) is copied into memory that stays, and the captured work is
started as one. How work is captured is a function of its own, so that all but the capture itself also runs where
there is no GPU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from planefold.engine.batches import Batch
from planefold.engine.fast import Masks
from planefold.engine.flat import FlatParameters
from planefold.engine.kernels import Array
from planefold.engine.step import Step

Work = Callable[[], None]
N_WARM_UPS = 3  # libraries choose and load their kernels in the first calls, which must not be captured


def capture_on_gpu(work: Work) -> Work:
    """Capture ``work`` as a CUDA graph; what is returned replays it."""
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


class CapturedStep(Step):
    """A :class:`Step` that does its work by replaying it, captured anew for each length of batch (there are two).

    Parameters
    ----------
    step : Step
        With torch's kernels.
    flat : FlatParameters
    capture : function of a function
        Takes the work of a step and returns what does it again.
    """

    def __init__(self, step: Step, flat: FlatParameters, capture: Callable[[Work], Work] = capture_on_gpu) -> None:
        vars(self).update(vars(step))
        self.flat, self.capture = flat, capture
        self._captured: dict[int, _Captured] = {}

    def __call__(self, batch: Batch, masks: Masks, rate: float) -> Array | float:
        """Make a step at ``rate``; return the penalty's value for each member before it."""
        numbers = [rate, *self.optimizer.coefficients(rate)]
        captured = self._captured.get(batch.X.shape[-2])
        if captured is None:
            captured = self._captured[batch.X.shape[-2]] = _Captured(self, batch, masks, numbers)
        return captured(batch, masks, numbers)


class _Captured:
    """The memory and the work of the steps of one length."""

    def __init__(self, step: CapturedStep, batch: Batch, masks: Any, numbers: list[float]) -> None:
        self.batch = Batch(*(_copy(part) for part in (batch.X, batch.y, batch.share, batch.total, batch.outputs)))
        self.masks: Masks = None if masks is None else [_copy(mask) for mask in masks]
        self.numbers = torch.tensor(numbers, dtype=step.flat.theta.dtype, device=step.flat.theta.device)
        self.value: Array | float = 0.0
        rate, *coefficients = self.numbers.unbind()

        def work() -> None:
            self.value = step.slope(self.batch, self.masks)
            step.move(self.batch.total, rate, coefficients)

        # Capturing may do the work some times; none of them counts.
        changed = [step.flat.theta, step.flat.statistics, step.optimizer.slots]
        before = [tensor.clone() for tensor in changed]
        self.replay = step.capture(work)
        for tensor, kept in zip(changed, before, strict=True):
            tensor.copy_(kept)

    def __call__(self, batch: Batch, masks: Any, numbers: list[float]) -> Array | float:
        given = [batch.X, batch.y, batch.share, batch.total, *(masks or ())]
        own = [self.batch.X, self.batch.y, self.batch.share, self.batch.total, *(self.masks or ())]
        for kept, new in zip(own, given, strict=True):
            if isinstance(kept, Tensor):
                kept.copy_(new)
        self.numbers.copy_(torch.tensor(numbers, dtype=self.numbers.dtype))
        self.replay()
        batch.outputs.copy_(self.batch.outputs)
        return self.value.clone() if isinstance(self.value, Tensor) else self.value


def _copy(part: Any) -> Any:
    return part.clone() if isinstance(part, Tensor) else part
