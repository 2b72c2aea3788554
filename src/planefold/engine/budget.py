"""`Budget`: how much time measuring may take, kept by the measurements' own clock."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable

# The thread's own processor time: on a busy machine a training is interrupted often and a short measurement hardly
# ever, so that by the clock on the wall measurements would look cheaper than they are. On Windows it is too coarse.
CLOCK: Callable[[], float] = time.perf_counter if sys.platform == "win32" else time.thread_time

BY_CHOICE = 0.5  # of the share, for measurements that need not be made, however long the others took


class Budget:
    """A share of the time since :meth:`begin` that measurements may take.

    Measurements that must be made are made and counted; the others ask :meth:`allows` first. So what must be made
    is paid for by leaving out others, but not by all of them: half of the share is theirs in any case.

    Parameters
    ----------
    share : float
        0.025 lets one second in forty be spent. 0 allows nothing, infinity everything.
    clock : function () -> float
        Seconds from any start; by default the processor time of the thread that asks.

    Attributes
    ----------
    spent : float
        Seconds that measurements took so far.
    must : float
        Seconds of these that had to be spent.

    Examples
    --------
    >>> now = 0.0
    >>> budget = Budget(share=0.025, clock=lambda: now)
    >>> with budget.spending():
    ...     now = 1.0
    >>> budget.spent, budget.allows()
    (1.0, False)
    >>> now = 60.0  # of which 1.5 may be spent
    >>> budget.allows(0.4), budget.allows(0.6)
    (True, False)
    """

    def __init__(self, share: float = 0.025, clock: Callable[[], float] = CLOCK) -> None:
        self.share, self.clock = share, clock
        self.spent = 0.0
        self.begin()

    def begin(self) -> None:
        """Start the clock, with nothing spent."""
        self.spent, self.must, self._depth, self._started, self._has_to = 0.0, 0.0, 0, 0.0, False
        self._passed, self._begun = 0.0, self.clock()

    def pause(self) -> None:
        """Stop the clock until :meth:`resume`: what happens meanwhile is no training."""
        self._passed = self.elapsed
        self._begun = math.inf

    def resume(self) -> None:
        """Let the clock run again."""
        self._begun = self.clock()

    @property
    def elapsed(self) -> float:
        """Seconds since :meth:`begin`, without the pauses."""
        return self._passed + max(0.0, self.clock() - self._begun)

    def spending(self, *, must: bool = False) -> Budget:
        """Time a measurement, also one that fails: ``with budget.spending(): ...``. One within another counts once."""
        if self._depth == 0:
            self._has_to = must
        return self

    def spend(self, seconds: float, *, must: bool = False) -> None:
        """Count a measurement that was timed elsewhere."""
        self.spent += seconds
        if must:
            self.must += seconds

    def __enter__(self) -> None:
        if self._depth == 0:
            self._started = self.clock()
        self._depth += 1

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            self.spend(self.clock() - self._started, must=self._has_to)

    def needs(self, expected: float = 0.0) -> float:
        """Return how many seconds must have passed before a measurement of ``expected`` seconds is allowed."""
        all_of_it, by_choice = self.spent + expected, self.spent - self.must + expected
        if not self.share:
            return math.inf if all_of_it else 0.0
        return min(all_of_it, by_choice / BY_CHOICE) / self.share

    def allows(self, expected: float = 0.0) -> bool:
        """Tell whether a measurement that takes ``expected`` seconds keeps within the share of the time so far."""
        return self.needs(expected) <= self.elapsed

    @property
    def left(self) -> float:
        """Seconds that a measurement may take now."""
        income = self.share * self.elapsed
        return max(0.0, income - self.spent, BY_CHOICE * income - (self.spent - self.must))
