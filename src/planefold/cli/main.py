"""The entry point: the group of commands, and how errors leave it.

Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 the data, the model
or an option's value is wrong, 2 an unknown flag or command, 70 a bug of ours, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any

import click

import planefold
from planefold.cli.options import note, print_json, printable, say, show_usage
from planefold.core.errors import FileError, PlanefoldError, did_you_mean

EXIT_WRONG, EXIT_USAGE, EXIT_BUG, EXIT_INTERRUPTED = 1, 2, 70, 130

# Name of each command -> module and function; imported when the command runs, so that --help is instant.
COMMANDS = {
    "train": ("planefold.cli.train", "train"),
    "predict": ("planefold.cli.predict", "predict"),
    "report": ("planefold.cli.report", "report"),
    "doctor": ("planefold.cli.doctor", "doctor"),
    "read": ("planefold.cli.read", "read"),
    "inspect": ("planefold.cli.inspect", "inspect"),
    "prepare": ("planefold.cli.prepare", "prepare"),
    "examples": ("planefold.cli.examples", "examples"),
    "lesson": ("planefold.cli.lesson", "lesson"),
}
# \b keeps click from filling the lines below it.
HELP = """Neural networks on tables: trained in one line, told when something is wrong, read exactly.

\b
a table to try:         planefold examples diabetes --holdout new.csv
train, judge, report:   planefold train diabetes.csv --target progression
predict new rows:       planefold predict diabetes.fold new.csv
see why, exactly:       planefold read diabetes.fold new.csv --row 1
pictures or sounds:     planefold train FOLDER, with one folder for each class
"""


class Commands(click.Group):
    """A group that imports a command when it is needed, and knows what a misspelt one meant."""

    def list_commands(self, context: click.Context) -> list[str]:
        """All names, in the order in which people meet them."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import one command."""
        if name not in COMMANDS:
            return None
        import importlib

        module, function = COMMANDS[name]
        return getattr(importlib.import_module(module), function)  # type: ignore[no-any-return]

    def resolve_command(self, context: click.Context, args: list[str]) -> Any:
        """Find the command, or say which one was probably meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = did_you_mean(args[0], COMMANDS)
            raise click.UsageError(
                f'"{args[0]}" is no command\n  commands: {", ".join(COMMANDS)}\n  hint: '
                + (f"did you mean planefold {near}?" if near else "planefold --help says what each does")
            )
        return super().resolve_command(context, args)


@click.group(
    cls=Commands,
    help=HELP,
    invoke_without_command=True,
    subcommand_metavar="COMMAND ...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(planefold.__version__, prog_name="planefold", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Say what there is, when no command is named."""
    if context.invoked_subcommand is None:
        say(context.get_help())
        context.exit(EXIT_USAGE)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    if "_PLANEFOLD_COMPLETE" in os.environ:  # the shell asks how a line could go on
        cli.main(prog_name="planefold")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file or a pipe gets UTF-8, as --output does; a terminal that lacks a letter shows its code.
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code."""
    as_json = "--json" in arguments
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            # Not cli.main: it has ways of its own with Ctrl-C and with pipes that nobody reads.
            with cli.make_context("planefold", list(arguments), obj=list(arguments)) as context:
                code = cli.invoke(context)
        _flush()
        return code if isinstance(code, int) else 0
    except BrokenPipeError:
        _give_up_output()  # the reader (head, less) has seen enough: nobody is left to tell
        return 0
    except click.exceptions.Exit as exit_:
        _flush()
        return int(exit_.exit_code)
    except Exception as error:
        if os.environ.get("PLANEFOLD_DEBUG") and not isinstance(error, PlanefoldError | click.ClickException):
            traceback.print_exc()
        wrong, code = _explained(error)
    except (KeyboardInterrupt, click.Abort) as error:
        wrong, code = PlanefoldError(f"stopped by Ctrl-C{f': {error}' if str(error) else ''}"), EXIT_INTERRUPTED
    return _tell(wrong, code, as_json=as_json)


def _explained(error: Exception) -> tuple[PlanefoldError, int]:
    """Say in three lines what went wrong, and whose fault it is."""
    if isinstance(error, PlanefoldError):
        return error, EXIT_WRONG
    if isinstance(error, click.UsageError):
        is_value = isinstance(error, click.BadParameter) and not isinstance(error, click.MissingParameter)
        return show_usage(error), EXIT_WRONG if is_value else EXIT_USAGE
    if isinstance(error, click.ClickException):
        return PlanefoldError(error.format_message()), EXIT_WRONG
    if isinstance(error, MemoryError) or "allocate memory" in str(error) or "out of memory" in str(error):
        return PlanefoldError("the memory of this machine is not enough",
                              hint="take fewer rows, or a smaller network"), EXIT_WRONG  # fmt: skip
    first = next(iter(str(error).splitlines()), "")
    shown = "" if os.environ.get("PLANEFOLD_DEBUG") else "; PLANEFOLD_DEBUG=1 shows where it happened"
    bug = f"this is a bug in planefold: {type(error).__name__}{': ' if first else ''}{first}"
    return PlanefoldError(bug, hint=f"please report it{shown}"), EXIT_BUG


def _tell(error: PlanefoldError, code: int, *, as_json: bool) -> int:
    # Where the error passed through on its way up, as in "while training on house.csv".
    details = "; ".join([*filter(None, [error.details]), *getattr(error, "__notes__", [])]) or None
    if as_json:
        told = {"type": type(error).__name__, "what": error.what, "details": details, "hint": error.hint}
        with contextlib.suppress(FileError, BrokenPipeError):
            print_json({"error": told, "exit_code": code})
    if not _can_flush():
        _give_up_output()
    say(printable(f"error: {PlanefoldError(error.what, details=details, hint=error.hint)}"))
    return code


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    if issubclass(category, UserWarning):  # others are for programmers
        note(str(message))


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        from planefold.core.files import file_error

        raise file_error(error, "standard output", "write") from error


def _can_flush() -> bool:
    try:
        sys.stdout.flush()
    except OSError:
        return False
    return True


def _give_up_output() -> None:
    """Let what could not be written go nowhere, or Python would try once more at the very end."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
