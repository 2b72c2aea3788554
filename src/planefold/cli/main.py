"""The entry point: the group of commands, and how errors leave it.

Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 the data, the model
or an option's value is wrong, 2 an unknown flag or command, 70 a bug of ours, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

import planefold
from planefold.core.errors import PlanefoldError, did_you_mean

EXIT_WRONG, EXIT_USAGE, EXIT_BUG, EXIT_INTERRUPTED = 1, 2, 70, 130

# Name of each command -> module and function; imported when the command runs, so that --help is instant.
COMMANDS = {
    "train": ("planefold.cli.train", "train"),
    "predict": ("planefold.cli.predict", "predict"),
    "report": ("planefold.cli.report", "report"),
    "inspect": ("planefold.cli.inspect", "inspect"),
    "examples": ("planefold.cli.examples", "examples"),
}


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
            hint = f"\n  hint: did you mean planefold {near}?" if near else ""
            raise click.UsageError(f'"{args[0]}" is no command\n  commands: {", ".join(COMMANDS)}{hint}')
        return super().resolve_command(context, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(planefold.__version__, prog_name="planefold", message="%(prog)s %(version)s")
def cli() -> None:
    """Neural networks on tables: trained in one line, told when something is wrong.

    \b
    tables to try:          planefold examples
    train, judge, report:   planefold train house.csv --target price
    predict new rows:       planefold predict house.fold new.csv
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(run(list(sys.argv[1:] if arguments is None else arguments)))


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code."""
    try:
        code = cli.main(args=arguments, prog_name="planefold", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as exit_:
        return int(exit_.exit_code)
    except click.UsageError as error:
        return _say(_of_click(error), EXIT_USAGE)
    except click.ClickException as error:
        return _say(error.format_message(), EXIT_WRONG)
    except PlanefoldError as error:
        if "--json" in arguments:
            content = {"what": error.what, "details": error.details, "hint": error.hint}
            sys.stdout.write(json.dumps({"error": {"type": type(error).__name__, **content}}) + "\n")
        return _say(str(error), EXIT_WRONG)
    except (KeyboardInterrupt, click.Abort):
        return _say("stopped by Ctrl-C", EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader (head, less) has seen enough: nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError:
        return _say("the memory of this machine is not enough\n  hint: fewer rows, or a smaller network", EXIT_WRONG)
    except Exception as error:
        if os.environ.get("PLANEFOLD_DEBUG"):
            raise
        return _say(
            f"this is a bug in planefold: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}\n"
            "  hint: please report it; PLANEFOLD_DEBUG=1 shows where it happened",
            EXIT_BUG,
        )


def _of_click(error: click.UsageError) -> str:
    message = error.format_message()
    command = error.ctx.command_path if error.ctx is not None else "planefold"
    return message if "hint:" in message else f"{message}\n  hint: {command} --help lists what there is"


def _say(message: str, code: int) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"error: {message}\n")
    return code


if __name__ == "__main__":
    main()
