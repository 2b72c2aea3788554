"""The progress bar: silent where nobody watches, and gone when the work is done."""

from __future__ import annotations

import io
import re
import sys
import time
from types import SimpleNamespace

import pytest

from planefold.core import progress
from planefold.core.progress import ProgressBar


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


def _terminal(monkeypatch):
    """Put a terminal in the place of standard error. No fixture: pytest puts its own there when the test starts."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    return stream


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_nothing_is_written_where_standard_error_is_no_terminal(monkeypatch, clock):
    for stream in (io.StringIO(), None):
        monkeypatch.setattr(sys, "stderr", stream)
        with ProgressBar(10, "training") as bar:
            clock[0] += 100
            bar.update(5, "loss 0.5")
        assert stream is None or stream.getvalue() == ""


def test_short_work_shows_no_bar(clock, monkeypatch):
    terminal = _terminal(monkeypatch)
    with ProgressBar(10, "training") as bar:
        clock[0] += progress.PATIENCE_SECONDS * 0.9
        bar.update(9)
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("ends_by", [None, KeyboardInterrupt])
def test_a_bar_appears_after_the_patience_and_is_gone_at_the_end(clock, monkeypatch, ends_by):
    terminal = _terminal(monkeypatch)

    def work():
        with ProgressBar(10, "training") as bar:
            clock[0] += progress.PATIENCE_SECONDS * 1.1
            bar.update(5, "loss 0.5")
            deadline = time.monotonic() + 10
            while "loss 0.5" not in terminal.getvalue() and time.monotonic() < deadline:
                time.sleep(0.01)  # it is drawn ten times a second
            assert re.search(r"training .*loss 0\.5", terminal.getvalue())
            if ends_by:
                raise ends_by

    if ends_by:
        with pytest.raises(ends_by):
            work()
    else:
        work()
    # The last thing written: up to the bar's line, erase it, show the cursor.
    assert terminal.getvalue().endswith("\x1b[1A\x1b[2K")
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h") == 1


def test_what_is_printed_meanwhile_still_goes_to_standard_output(clock, monkeypatch):
    terminal = _terminal(monkeypatch)
    file = io.StringIO()  # standard output goes to a file, as in `planefold ... --json > out.json`
    monkeypatch.setattr(sys, "stdout", file)
    with ProgressBar(10, "training") as bar:
        clock[0] += 100
        bar.update(5)
        assert sys.stderr is not terminal  # rich stands before it
        sys.stdout.write("a result\n")
    assert file.getvalue() == "a result\n"
    assert "a result" not in terminal.getvalue()


def test_a_bar_can_be_switched_off(clock, monkeypatch):
    terminal = _terminal(monkeypatch)
    with ProgressBar(10, "training", enabled=False) as bar:
        clock[0] += 100
        bar.update(5)
    assert terminal.getvalue() == ""
