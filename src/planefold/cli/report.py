"""`planefold report`: a page about a saved model, judged by rows it has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from planefold.cli.options import check_outputs, command_line, json_option, print_json, print_line, reading_options, say

if TYPE_CHECKING:
    from planefold.reports import ReportData


@click.command(short_help="Judge a saved model by further rows.", context_settings={"show_default": True})
@click.argument("model", type=Path)
@click.argument("data", type=Path)
@click.option(
    "--train",
    type=Path,
    metavar="FILE",
    help="The rows the model learned from, so that simple rules can learn from them, too.",
)
@click.option("--output", "-o", type=Path, metavar="FILE", help="Where the page goes; default: MODEL-DATA.html.")
@reading_options
@json_option
@click.pass_context
def report(context: click.Context, /, model: Path, data: Path, train: Path | None, output: Path | None,
           delimiter: str | None, encoding: str, as_json: bool) -> None:  # fmt: skip
    """Judge the model file MODEL by the CSV file DATA, and write a page about it.

    DATA has the target column, and rows that the model has not learned from. With --train the model is compared
    with always saying the same, and with gradient boosting. For a model of pictures or sounds both are folders.
    """
    from planefold.cli.predict_folder import kind_of_model
    from planefold.core.errors import ParameterError, unknown_column
    from planefold.data import read_table

    if train is not None and train.resolve() == data.resolve():
        raise ParameterError(f"{data} cannot judge the model and be what it learned from",
                             hint="DATA needs rows that are not in the file of --train")  # fmt: skip
    if kind_of_model(model) is not None:
        _report_files(context, model, data, train, output, as_json=as_json)
        return
    tables = [read_table(path, delimiter=delimiter, encoding=encoding) for path in (data, train) if path is not None]
    output = output or model.with_name(f"{model.stem}-{data.stem}.html")  # MODEL.html is of the training
    check_outputs({"the page": output}, {"the model": model, "the data": data, "the file of --train": train})

    from planefold.estimators import load
    from planefold.estimators.reporting import report as write_page

    fitted = load(model)
    target = getattr(fitted, "target_name_", None)
    if target is None:
        raise ParameterError(f"{model} does not say which column it predicts",
                             hint="train it with planefold train, or in Python with fit(table, \"name\")")  # fmt: skip
    for table in tables:
        if target not in table.names:
            raise unknown_column(target, table.names, table.source)
    parts = [(table.drop([target]), table[target]) for table in tables]
    written = write_page(
        fitted, output, *parts[0], train=parts[1] if train is not None else None,
        rows=range(1, tables[0].n_rows + 1), title=f"{target} in {data.name}", how_split=f"all rows of {data.name}",
        reproduce={"Command line": command_line(*(context.find_root().obj or ["report", model, data]))},
        model_path=model,
    )  # fmt: skip
    _print(written, output, train, as_json=as_json)


def _report_files(
    context: click.Context, model: Path, data: Path, train: Path | None, output: Path | None, *, as_json: bool
) -> None:
    """Judge a model of pictures or sounds by a folder whose folders say what is in them."""
    from planefold.cli.folders import errors_of_files

    output = output or model.with_name(f"{model.stem}-{data.resolve().stem}.html")
    check_outputs({"the page": output}, {"the model": model, "the data": data, "the folder of --train": train})

    from planefold.estimators import load
    from planefold.estimators.reporting import report as write_page

    fitted = load(model)
    with errors_of_files():
        written = write_page(
            fitted, output, data, train=train, title=data.resolve().name, how_split=f"all of {data}",
            reproduce={"Command line": command_line(*(context.find_root().obj or ["report", model, data]))},
            model_path=model,
        )  # fmt: skip
    _print(written, output, train, as_json=as_json)


def _print(written: ReportData, output: Path, train: Path | None, *, as_json: bool) -> None:
    from planefold.reports import to_json

    if as_json:
        print_json(to_json(written) | {"report": str(output)})
        return
    assert written.evaluation is not None
    if train is None:
        say("  note: --train FILE, with the rows that the model learned from, compares it with simple rules")
    print_line(written.evaluation.verdict)
    print_line(f"report: {output}")
