"""Members in groups, each on a core of its own: nothing of one member's steps depends on another's.

A group goes through all steps of a block before it waits for the others, so cores that are lent to other programs cost
their time and no more, where threads that share each product would wait for each other in every call. What a member
learns does not depend on its group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from functools import partial
from threading import Event
from types import MappingProxyType

import numpy as np

from planefold.engine.batches import Batches
from planefold.engine.dropout import Masks
from planefold.engine.health import Health
from planefold.engine.kernels import Array
from planefold.engine.step import Step

# Multiply-adds of a forward pass from which a second lane pays: handing the interpreter over takes its time, too.
LANES_FROM = 4_000_000

NONE_WATCHED: Mapping[int, int] = MappingProxyType({})


def groups(n_members: int, n_lanes: int) -> list[slice]:
    """Deal members into contiguous groups of nearly one size.

    >>> groups(8, 3)
    [slice(0, 3, None), slice(3, 6, None), slice(6, 8, None)]
    """
    stops = np.cumsum([len(part) for part in np.array_split(np.arange(n_members), min(n_lanes, n_members))]).tolist()
    return [slice(start, stop) for start, stop in zip([0, *stops], stops, strict=False)]


class Lane:
    """The steps of some members.

    Parameters
    ----------
    members : slice
    step : Step
        Of these members alone.
    masks : Masks or None
        Where their masks come from; None without dropout.
    """

    def __init__(self, members: slice, step: Step, masks: Masks | None) -> None:
        self.members, self.step, self.masks = members, step, masks

    def run(
        self,
        batches: Batches,
        numbers: Sequence[tuple[float, ...]],
        penalties: Array,
        health: Health | None,
        watched: Mapping[int, int],
        stop: Event,
    ) -> None:
        """Make the steps of a block.

        Parameters
        ----------
        batches : Batches
        numbers : sequence of tuple
            Of each step its rate and the optimiser's coefficients.
        penalties : array of shape (n_steps, n_members of all lanes)
            Where the penalties' values are written.
        health : Health or None
            What makes those steps that are watched; None where there are none.
        watched : mapping of int to int
            Their places in the block, and their numbers in the epoch.
        stop : Event
            Once it is set, no further step is made.
        """
        step, masks, own = self.step, self.masks, self.step.kernels.own
        for index, batch in enumerate(batches.of(self.members, self.step.kernels)):
            if stop.is_set():
                return
            kept = None if masks is None else [own(mask) for mask in masks.draw(batch.X.shape[-2])]
            if health is not None and index in watched:
                value = health.watch(watched[index], step, batch, kept, numbers[index], self.members)
            else:
                value = step(batch, kept, numbers[index])
            penalties[index, self.members] = value[:, 0]


class Lanes:
    """Lanes side by side, the first of them in the caller's thread."""

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self.first, *self.others = lanes
        self._pool = ThreadPoolExecutor(len(self.others)) if self.others else None

    def run(
        self,
        batches: Batches,
        numbers: Sequence[tuple[float, ...]],
        penalties: Array,
        health: Health | None = None,
        watched: Mapping[int, int] = NONE_WATCHED,
    ) -> None:
        """Make the steps of a block in all lanes; an interruption ends all of them."""
        stop = Event()
        task = (batches, numbers, penalties, health, watched, stop)
        if self._pool is None:
            self.first.run(*task)
            return
        # With the caller's context, which holds NumPy's ways with overflow.
        running = [self._pool.submit(partial(copy_context().run, lane.run, *task)) for lane in self.others]
        try:
            self.first.run(*task)
            for future in running:
                future.result()
        except BaseException:
            stop.set()
            wait(running)
            raise

    def close(self) -> None:
        """Let the threads go."""
        if self._pool is not None:
            self._pool.shutdown()
