"""`planefold predict`: a saved model's answers for new rows."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import click

from planefold.cli.options import json_option, note, print_json, reading_options, say


@click.command(context_settings={"show_default": True})
@click.argument("model", type=Path)
@click.argument("data", type=Path)
@click.option("--output", "-o", type=Path, help="Where the predictions go; default: standard output.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="Columns of DATA to write beside the predictions.")
@reading_options
@json_option
def predict(model: Path, data: Path, output: Path | None, keep: tuple[str, ...], delimiter: str | None, encoding: str,
            as_json: bool) -> None:  # fmt: skip
    """Predict the rows of the CSV file DATA with the model file MODEL.

    Writes CSV: the row's number, the prediction, and for classes the probability of each. If DATA has the
    target column, too, the model is judged by it.
    """
    from planefold.core.errors import ParameterError, unknown_column
    from planefold.data import read_table

    table = read_table(data, delimiter=delimiter, encoding=encoding)
    for column in keep:
        if column not in table.names:
            raise unknown_column(column, table.names, data.name, flag="--keep ")
    if output is not None and output.resolve() in (data.resolve(), model.resolve()):
        raise ParameterError(f"--output {output} would overwrite the {'data' if output.resolve() == data.resolve() else 'model'}")

    from planefold.estimators import load

    fitted = load(model)
    target = getattr(fitted, "target_name_", None) or "prediction"
    known = target in table.names
    X = table.drop([target]) if known else table
    if fitted.encoder_ is not None:
        for sentence in fitted.encoder_.transform_with_notes(X)[1]:
            note(sentence)
    columns: dict[str, Any] = {"row": range(1, table.n_rows + 1)} | {name: table[name].tolist() for name in keep}
    predicted = fitted.predict(X)
    if predicted.ndim == 1:
        columns[_free(target if not known or target not in keep else f"predicted {target}", columns)] = predicted.tolist()
    else:
        labels = getattr(fitted, "classes_", range(predicted.shape[1]))
        columns |= {f"{target} {label}": values.tolist() for label, values in zip(labels, predicted.T, strict=True)}
    if hasattr(fitted, "predict_proba"):
        for label, p in zip(fitted.classes_.tolist(), fitted.predict_proba(X).T, strict=True):
            columns[_free(f"probability of {label}", columns)] = [round(value, 6) for value in p.tolist()]

    if as_json and output is None:
        print_json([dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)])
    elif output is None:
        _write(sys.stdout, columns)
    else:
        from planefold.core.files import atomic_write

        with atomic_write(output, "w") as file:
            _write(file, columns)
    judged = _judged(fitted, X, table[target]) if known else None
    if judged is not None:
        say(judged.verdict)
    if output is not None:
        if as_json:
            from planefold.reports.plain import plain

            print_json(plain({"output": str(output), "rows": table.n_rows, "evaluation": judged}))
        else:
            sys.stdout.write(f"{table.n_rows:,} predictions: {output}\n")


def _judged(fitted: Any, X: Any, y: Any) -> Any:
    from planefold.core.errors import PlanefoldError
    from planefold.estimators.reporting import judge

    try:
        return judge(fitted, X, y)
    except PlanefoldError as error:  # the predictions are made all the same
        note(f"the predictions are not compared with the target column: {error.what}")
        return None


def _free(name: str, columns: dict[str, Any]) -> str:
    while name in columns:
        name += " (predicted)"
    return name


def _write(file: Any, columns: dict[str, Any]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
