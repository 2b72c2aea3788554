"""Options that several commands share."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def reading_options(command: F) -> F:
    """Add how a table file is read."""
    command = click.option("--encoding", default="utf-8", show_default=True, help="Text encoding of the file.")(command)
    return click.option("--delimiter", help="What separates the fields; found by itself if not given.")(command)


json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def say(message: str) -> None:
    """Tell a person something that is no result."""
    sys.stderr.write(message + "\n")


def print_json(value: Any) -> None:
    """Print a result for a program."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def note(message: str) -> None:
    """Tell a person what was noticed in the data."""
    say(f"  note: {message}")
