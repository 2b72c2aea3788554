"""`planefold examples`: tables to try everything on."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from planefold.cli.options import json_option, print_json, say


@click.command()
@click.argument("name", required=False)
@click.option("--output", "-o", type=Path, help="Where the CSV file goes; default NAME.csv.")
@click.option("--holdout", type=Path, help="Keep a fifth of the rows out and write them to this file.")
@json_option
def examples(name: str | None, output: Path | None, holdout: Path | None, as_json: bool) -> None:
    """List the example tables, or write one as a CSV file.

    The tables come with scikit-learn: nothing is downloaded.
    """
    from planefold.data.examples import EXAMPLES, save_example

    if name is None:
        if as_json:
            print_json({n: {"description": e.description, "task": e.task, "target": e.target} for n, e in EXAMPLES.items()})
            return
        for key, example in EXAMPLES.items():
            sys.stdout.write(f"{key:<15}{example.description} ({example.task}, target {example.target})\n")
        say("\nWrite one with: planefold examples iris --output iris.csv")
        return
    output = output or Path(f"{name}.csv")
    target = EXAMPLES[name].target if name in EXAMPLES else ""
    written = save_example(name, output, holdout=holdout)
    if as_json:
        print_json({"target": target, "files": [str(path) for path in written]})
        return
    for path in written:
        sys.stdout.write(f"{path}\n")
    say(f"Train on it with: planefold train {output} --target {target}")
