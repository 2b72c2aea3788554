"""A progress bar for long work: on a terminal only, on standard error, gone when the work is done."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE_SECONDS = 1.0  # shorter work shows no bar: it would only flicker


class ProgressBar:
    """Show how far work of ``total`` steps has come, with a few words beside the bar.

    Parameters
    ----------
    total : int
    what : str
        What is being done, for example ``"training"``.
    enabled : bool, optional
        Default: only where standard error is a terminal.
    """

    def __init__(self, total: int, what: str, *, enabled: bool | None = None) -> None:
        self.total, self.what = total, what
        self.enabled = _is_terminal(sys.stderr) if enabled is None else enabled
        self._started = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def update(self, done: int, words: str = "") -> None:
        """Show that ``done`` steps are done."""
        if not self.enabled or time.monotonic() - self._started < PATIENCE_SECONDS:
            return
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.fields[words]}"),
                TimeRemainingColumn(),
            )
            # rich sends what is printed meanwhile above the bar, that is to standard error: not what goes to a file.
            aside = _is_terminal(sys.stdout)
            self._bar = Progress(
                *columns, console=Console(stderr=True), transient=True, redirect_stdout=aside, redirect_stderr=True
            )
            self._bar.start()
            self._task = self._bar.add_task(self.what, total=self.total, words="")
        assert self._task is not None
        self._bar.update(self._task, completed=done, words=words)

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()  # a program without a console has no streams
