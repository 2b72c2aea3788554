"""`planefold examples`: tables to try everything on."""

from __future__ import annotations

from pathlib import Path

import click

from planefold.cli.options import check_outputs, command_line, json_option, print_json, print_line, say


@click.command(short_help="Write a table to try everything on.")
@click.argument("name", required=False)
@click.option("--output", "-o", type=Path, metavar="FILE", help="Where the table goes; default: NAME.csv.")
@click.option("--holdout", type=Path, metavar="FILE", help="Keep a fifth of the rows out, and write them to this file.")
@json_option
@click.pass_context
def examples(context: click.Context, /, name: str | None, output: Path | None, holdout: Path | None,
             as_json: bool) -> None:  # fmt: skip
    """List the example tables, or write the one called NAME as a CSV file.

    The tables come with scikit-learn: nothing is downloaded.
    """
    from planefold.core.errors import ParameterError, did_you_mean
    from planefold.data.examples import EXAMPLES, save_example

    if name is None:
        if output is not None or holdout is not None:
            raise click.UsageError(f"which example?\n  there are: {', '.join(EXAMPLES)}", context)
        _list(as_json)
        return
    if name not in EXAMPLES:
        near = did_you_mean(name, EXAMPLES)
        raise ParameterError(f'no example is called "{name}"', details="there are: " + ", ".join(EXAMPLES),
                             hint=f"did you mean {near}?" if near else None)  # fmt: skip
    path = _place(name, output)
    check_outputs({"the table": path, "the table of --holdout": holdout}, {})
    written = save_example(name, path, holdout=holdout)
    target = EXAMPLES[name].target
    if as_json:
        print_json({"target": target, "files": [str(path) for path in written]})
        return
    for path in written:
        print_line(str(path))
    say(f"train on it: {command_line('train', written[0], '--target', target)}")


def _place(name: str, output: Path | None) -> Path:
    from planefold.core.errors import ParameterError

    if output is not None:
        return output / f"{name}.csv" if output.is_dir() else output
    path = Path(f"{name}.csv")
    if path.exists():  # somebody may have a wine.csv of their own
        raise ParameterError(f"{path} is already there", hint=f"to replace it: --output {path}")
    return path


def _list(as_json: bool) -> None:
    from planefold.data.examples import EXAMPLES

    if as_json:
        print_json(
            {
                name: {"description": example.description, "task": example.task, "target": example.target}
                for name, example in EXAMPLES.items()
            }
        )
        return
    width = max(map(len, EXAMPLES))
    for name, example in EXAMPLES.items():
        print_line(f"{name:<{width}}  {example.description}")
        print_line(f"{'':<{width}}  {example.task}, target {example.target}")
    say("write one: planefold examples iris")
