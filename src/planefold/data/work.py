"""Work on many files by a few threads: shown while it lasts, and stopped at once by Ctrl-C."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

from planefold.core.errors import ParameterError, show
from planefold.core.progress import ProgressBar

_BLOCK = 8  # files that a thread takes at a time
_MOST_THREADS = 8
_SECONDS_BETWEEN = 0.1


class Stopped(Exception):  # noqa: N818 - no error: the work has answered early
    """Raised in ``work`` to end all of it."""


def threads_of(n_jobs: Any) -> int:
    """Read ``n_jobs``: a number of threads; None, or -1, one for each core.

    Raises
    ------
    ParameterError
        If it is something else.
    """
    if n_jobs is None or (n_jobs == -1 and not isinstance(n_jobs, bool)):
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(cores, _MOST_THREADS)
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs < 1:
        raise ParameterError(f"n_jobs={show(n_jobs)} must be a number of threads", hint="None takes one for each core")
    return n_jobs


def for_each(n: int, work: Callable[[int], None], *, n_threads: int, what: str) -> bool:
    """Call ``work(0), ..., work(n - 1)``, and return whether none of them raised ``Stopped``.

    Decoders work outside of Python's lock: threads gain where files are large.
    """
    blocks = iter(range(0, n, _BLOCK))
    lock, stop = threading.Lock(), threading.Event()
    done = 0

    def some() -> None:
        nonlocal done
        while not stop.is_set():
            with lock:
                start = next(blocks, None)
            if start is None:
                return
            for place in range(start, min(start + _BLOCK, n)):
                if stop.is_set():
                    return
                work(place)
                done += 1  # only shown

    with ProgressBar(n, what) as bar:
        try:
            if min(n_threads, n) <= 1:
                for place in range(n):
                    work(place)
                    bar.update(place + 1, f"{place + 1:,} of {n:,}")
                return True
            with ThreadPoolExecutor(min(n_threads, -(-n // _BLOCK)), "planefold-files") as pool:
                try:
                    pending = {pool.submit(some) for _ in range(n_threads)}
                    while pending:
                        ended, pending = wait(pending, _SECONDS_BETWEEN, FIRST_EXCEPTION)
                        for future in ended:
                            future.result()
                        bar.update(done, f"{done:,} of {n:,}")
                finally:
                    stop.set()  # Ctrl-C, or an error: the others end after the file that they are at
        except Stopped:
            return False
    return True
