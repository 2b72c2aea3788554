"""`planefold report`: a page about a saved model, judged by rows it has not seen."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from planefold.cli.options import json_option, print_json, reading_options


@click.command(context_settings={"show_default": True})
@click.argument("model", type=Path)
@click.argument("data", type=Path)
@click.option("--train", type=Path, help="The rows the model learned from: baselines learn from them, too.")
@click.option("--output", "-o", type=Path, help="Where the page goes; default: the model's name, .html.")
@reading_options
@json_option
def report(model: Path, data: Path, train: Path | None, output: Path | None, delimiter: str | None, encoding: str,
           as_json: bool) -> None:  # fmt: skip
    """Judge the model file MODEL by the rows of DATA, which have the target, and write a page about it."""
    from planefold.core.errors import ParameterError, unknown_column
    from planefold.data import read_table

    tables = [read_table(path, delimiter=delimiter, encoding=encoding) for path in (data, train) if path is not None]
    output = output or model.with_suffix(".html")
    if output.resolve() in {path.resolve() for path in (model, data, train) if path is not None}:
        raise ParameterError(f"--output {output} would overwrite a file that is read")

    from planefold.estimators import load
    from planefold.estimators.reporting import report as write
    from planefold.reports import to_json

    fitted = load(model)
    target = getattr(fitted, "target_name_", None)
    if target is None:
        raise ParameterError(f"{model.name} does not say which column it predicts",
                             hint="models trained by `planefold train` do")  # fmt: skip
    for table in tables:
        if target not in table.names:
            raise unknown_column(target, table.names, table.source)
    parts = [(table.drop([target]), table[target]) for table in tables]
    written = write(
        fitted, output, *parts[0], train=parts[1] if train is not None else None,
        rows=range(1, tables[0].n_rows + 1), title=f"{target} in {data.name}", how_split=f"all rows of {data.name}",
        reproduce={"Command line": shlex.join(["planefold", "report", str(model), str(data)])}, model_path=model,
    )  # fmt: skip
    if as_json:
        print_json(to_json(written))
        return
    assert written.evaluation is not None
    sys.stdout.write(f"{written.evaluation.verdict}\nreport: {output}\n")
