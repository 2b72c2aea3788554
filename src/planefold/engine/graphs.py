"""Steps that are captured once and replayed.

A small network's step is many short calls, and what stands between them takes its time, too: Python's part on the CPU,
the start of each kernel on a GPU. So what a step calls is noted (on the CPU) or captured as a CUDA graph, and
then only repeated. What it reads from outside (its rows, its rate) is copied into memory that stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from planefold.engine.batches import Batch
from planefold.engine.fast import Masks
from planefold.engine.kernels import Array
from planefold.engine.step import Step


class CapturedStep(Step):
    """A :class:`Step` that replays its work, captured anew for each length of batch (there are two).

    Masks must lie in the same memory from step to step, as those of :class:`planefold.engine.dropout.Masks` do.
    """

    def __init__(self, step: Step) -> None:
        vars(self).update(vars(step))
        self._captured: dict[int, _Captured] = {}

    def __call__(self, batch: Batch, masks: Masks, numbers: Sequence[float]) -> Array:
        """Make a step; see :meth:`Step.__call__`."""
        captured = self._captured.get(batch.X.shape[-2])
        if captured is None:
            captured = self._captured[batch.X.shape[-2]] = _Captured(self, batch, masks, len(numbers))
        return captured(batch, numbers)


class _Captured:
    """The memory and the work of the steps of one length."""

    def __init__(self, step: CapturedStep, batch: Batch, masks: Masks, n_numbers: int) -> None:
        kernels = step.kernels
        self.copy, self.fill, empty_like = kernels.copy, kernels.fill, kernels.xp.empty_like
        self.X, self.y, self.outputs = (empty_like(part) for part in (batch.X, batch.y, batch.outputs))
        self.is_weighted = not isinstance(batch.share, float)
        self.share: Any = batch.share
        self.total: Any = batch.total
        if self.is_weighted:
            self.share, self.total = empty_like(batch.share), empty_like(batch.total)
        own = Batch(self.X, self.y, self.share, self.total, self.outputs)
        self.numbers = kernels.empty((n_numbers,), step.flat.theta)
        scalars = kernels.scalars(self.numbers)

        def work() -> None:
            self.value = step.slope(own, masks)
            step.move(own.total, *scalars)

        self._take_in(batch, (0.0,) * n_numbers)
        # Capturing does the work, perhaps several times; none of them counts.
        changed = [step.flat.theta, step.flat.statistics, *step.update.slots]
        before = [tensor.clone() for tensor in changed]
        self.replay = kernels.capture(work)
        for tensor, kept in zip(changed, before, strict=True):
            tensor.copy_(kept)

    def _take_in(self, batch: Batch, numbers: Sequence[float]) -> None:
        copy = self.copy
        copy(self.X, batch.X)
        copy(self.y, batch.y)
        if self.is_weighted:
            share: Any = batch.share
            total: Any = batch.total
            copy(self.share, share)
            copy(self.total, total)
        self.fill(self.numbers, numbers)

    def __call__(self, batch: Batch, numbers: Sequence[float]) -> Array:
        self._take_in(batch, numbers)
        self.replay()
        self.copy(batch.outputs, self.outputs)
        return self.value
