"""`planefold predict`: a saved model's answers for new rows, pictures or sounds."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from planefold.cli.options import (
    check_outputs,
    json_option,
    note,
    notes,
    print_json,
    print_line,
    reading_options,
    say,
    write,
)

if TYPE_CHECKING:
    from planefold.data import Table
    from planefold.reports import Evaluation

Columns = Mapping[str, Sequence[Any]]


@click.command(short_help="Predict new rows, pictures or sounds.", context_settings={"show_default": True})
@click.argument("model", type=Path)
@click.argument("data", type=Path)
@click.option("--output", "-o", type=Path, metavar="FILE", help="Where the predictions go; default: standard output.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="A column of DATA to write beside the predictions.")
@click.option("--skip-broken", is_flag=True,
              help="Files that cannot be read get an empty prediction, rather than stop it all.")  # fmt: skip
@reading_options
@json_option
def predict(model: Path, data: Path, output: Path | None, keep: tuple[str, ...], skip_broken: bool,
            delimiter: str | None, encoding: str, as_json: bool) -> None:  # fmt: skip
    """Predict the rows of the CSV file DATA with the model file MODEL.

    Writes CSV: the row's number, the prediction, and for classes the probability of each. If DATA has the
    target column, too, it says how near the predictions come.

    For a model of pictures or sounds DATA is a folder, one file, or a table with a column of paths; the CSV has a row
    for each file. If the files lie in folders that are called like the classes, it says how near the predictions come.
    """
    from planefold.cli.predict_folder import kind_of_model, predict_files, refuse_files
    from planefold.core.errors import unknown_column
    from planefold.data import read_table

    what = kind_of_model(model)
    if what is not None:
        predict_files(model, data, what, output=output, keep=keep, delimiter=delimiter, encoding=encoding,
                      skip_broken=skip_broken, as_json=as_json)  # fmt: skip
        return
    refuse_files(model, data, skip_broken=skip_broken)
    table = read_table(data, delimiter=delimiter, encoding=encoding)
    for column in keep:
        if column not in table.names:
            raise unknown_column(column, table.names, data.name, flag="--keep ")
    check_outputs({"the predictions": output}, {"the data": data, "the model": model})

    from planefold.estimators import load
    from planefold.reports.plain import plain

    fitted = load(model)
    target = getattr(fitted, "target_name_", None) or "prediction"
    known = target in table.names
    X = table.drop([target]) if known else table
    told = [] if fitted.encoder_ is None else fitted.encoder_.transform_with_notes(X)[1]
    notes(told)
    columns = _columns(fitted, X, table, target, keep)
    evaluation = _judged(fitted, X, table[target]) if known else None
    if output is None:
        if as_json:
            print_json(plain([dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]))
        else:
            write(as_csv(columns))
    else:
        from planefold.core.files import atomic_write

        with atomic_write(output, "w") as file:
            file.write(as_csv(columns))
    if evaluation is not None:
        say(compared(evaluation, target))
    if output is not None and as_json:
        print_json(plain({"output": str(output), "rows": table.n_rows, "notes": told, "evaluation": evaluation}))
    elif output is not None:
        print_line(f"{table.n_rows:,} predictions: {output}")


def _columns(fitted: Any, X: Table, table: Table, target: str, keep: Sequence[str]) -> Columns:
    """What is written: the rows' numbers, the columns that are kept, predictions, probabilities."""
    columns: dict[str, Sequence[Any]] = {"row": range(1, table.n_rows + 1)}
    columns |= {name: table[name].tolist() for name in keep}
    predicted = fitted.predict(X)
    if predicted.ndim == 1:
        columns[free(target, columns)] = predicted.tolist()
    else:
        labels = getattr(fitted, "classes_", range(predicted.shape[1]))
        for label, values in zip(labels, predicted.T, strict=True):
            columns[free(f"{target} {label}", columns)] = values.tolist()
    if hasattr(fitted, "predict_proba"):
        for label, shares in zip(fitted.classes_.tolist(), fitted.predict_proba(X).T, strict=True):
            columns[free(f"probability of {label}", columns)] = [round(share, 6) for share in shares.tolist()]
    return columns


def free(name: str, columns: Columns) -> str:
    """Change a column's name until there is no other with it."""
    while name in columns:
        name = f"predicted {name}"
    return name


def as_csv(columns: Columns) -> str:
    """Write columns as the text of a CSV file."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow(["" if value != value else value for value in row])  # nan: a number that is not known
    return file.getvalue()


# -------------------------------------------------------------------------------------------- where the truth is known


def _judged(fitted: Any, X: Table, truth: Any) -> Evaluation | None:
    import numpy as np

    from planefold.core.errors import PlanefoldError
    from planefold.data.cells import is_missing
    from planefold.estimators.reporting import judge

    there = np.flatnonzero([not is_missing(value) for value in truth.tolist()])
    if not len(there):
        return None
    try:
        return judge(fitted, X.take(there), truth[there], rows=(there + 1).tolist())
    except PlanefoldError as error:  # the predictions are made all the same
        note(f"the predictions are not compared with the target column: {error.what}")
        return None


def compared(evaluation: Evaluation, target: str, noun: str = "row") -> str:
    """Say how near the predictions come to what is known."""
    # Not the verdict: nobody knows here whether the model has learned from these very rows.
    from planefold.reports.numbers import counted, together

    found = evaluation.headline
    if found.low is None or found.high is None:
        return f"compared with {target} in {counted(evaluation.n_rows, noun)}: {found.name} {together(found.value)[0]}"
    value, low, high = together(found.value, found.low, found.high, spread=found.high - found.low)
    return f"compared with {target} in {counted(evaluation.n_rows, noun)}: {found.name} {value} ({low} to {high})"
