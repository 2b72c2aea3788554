"""What the commands share: options, ways to speak, and checks of the files that are named."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from planefold.core.errors import ParameterError, PlanefoldError, did_you_mean

F = TypeVar("F", bound=Callable[..., Any])

MAX_NOTES = 12  # more than a screen holds; --json has all of them
# Column names and texts come from files: what would move the cursor or ring the bell is shown as a sign instead.
_CONTROLS = {code: "\N{REPLACEMENT CHARACTER}" for code in [*range(32), *range(127, 160)] if chr(code) not in "\n\t"}

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


def reading_options(command: F) -> F:
    """Add how a table file is read."""
    command = click.option(
        "--encoding", metavar="NAME", default="utf-8", show_default=True, help="Text encoding of the file."
    )(command)
    return click.option("--delimiter", metavar="TEXT", help="What separates the fields; found by itself if not given.")(
        command
    )


# ------------------------------------------------------------------------------------------------------- speaking


def say(message: str) -> None:
    """Tell a person something that is no result."""
    sys.stdout.flush()  # where both go to one screen, the order is kept
    sys.stderr.write(printable(message) + "\n")
    sys.stderr.flush()  # a person waits for the next step


def note(message: str) -> None:
    """Tell a person what was noticed in the data."""
    say(f"  note: {message}")


def notes(messages: Iterable[str]) -> None:
    """Tell a person what was noticed in the data, as far as one screen holds it."""
    messages = list(messages)
    shown = messages if len(messages) <= MAX_NOTES + 1 else messages[:MAX_NOTES]
    for message in shown:
        note(message)
    if len(shown) < len(messages):
        note(f"and {len(messages) - len(shown)} more like these; --json shows all of them")


def write(text: str) -> None:
    """Print a part of the result."""
    try:
        sys.stdout.write(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        from planefold.core.files import file_error

        raise file_error(error, "standard output", "write") from error


def print_line(text: str) -> None:
    """Print one line of the result for a person."""
    write(printable(text) + "\n")


def print_json(value: Any) -> None:
    """Print a result for a program."""
    write(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def printable(text: str) -> str:
    """Replace what a terminal would obey rather than show."""
    return text.translate(_CONTROLS)


def command_line(*words: object) -> str:
    """Write a command as it can be typed."""
    return shlex.join(["planefold", *map(str, words)])


def show_usage(error: click.UsageError) -> PlanefoldError:
    """Put click's words for a wrong line into ours."""
    command = error.ctx.command_path if error.ctx is not None else "planefold"
    more = f"{command} --help lists what there is"
    if isinstance(error, click.NoSuchOption):
        near = did_you_mean(error.option_name, error.possibilities or ())
        # Newer versions of click say so in the message, too.
        return PlanefoldError(f"{command} has no option {error.option_name}",
                              hint=f"did you mean {near}?" if near else more)  # fmt: skip
    if isinstance(error, click.MissingParameter) and error.param is not None:
        return PlanefoldError(f"{command} needs {error.param.human_readable_name}", hint=more)
    what, *others = error.format_message().splitlines() or [""]
    told = [line.strip() for line in others]
    hints = [line.removeprefix("hint: ") for line in told if line.startswith("hint: ")]
    details = [line for line in told if not line.startswith("hint: ")]
    return PlanefoldError(what.removesuffix("."), details=" ".join(details) or None, hint=hints[0] if hints else more)


# ---------------------------------------------------------------------------------------------------------- files


def check_outputs(outputs: Mapping[str, Path | None], inputs: Mapping[str, Path | None]) -> None:
    """Refuse, before any work, a file that could not be written or would destroy one that is needed.

    Parameters
    ----------
    outputs, inputs : mapping of what the file is to its path
        ``{"the model": Path("house.fold")}``; None is a file that is not wanted.
    """
    taken = {path.resolve(): what for what, path in inputs.items() if path is not None}
    for what, path in outputs.items():
        if path is None:
            continue
        other = taken.setdefault(path.resolve(), what)
        if other is not what:
            raise ParameterError(f"{what} would overwrite {other}: both are {path}", hint="choose another name for one")
        _check_writable(what, path)


def _check_writable(what: str, path: Path) -> None:
    folder = path.resolve().parent
    if path.is_dir():
        raise ParameterError(f"{what} cannot be written to {path}: it is a folder", hint="name a file inside it")
    if not folder.is_dir():
        raise ParameterError(f"{what} cannot be written to {path}: there is no folder {path.parent}",
                             hint="make the folder first, or choose another place")  # fmt: skip
    if not os.access(folder, os.W_OK) and not (path.exists() and not path.is_file()):  # a pipe needs no folder
        raise ParameterError(
            f"{what} cannot be written to {path}: the folder is read-only", hint="choose another place"
        )
