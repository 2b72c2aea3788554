"""`planefold train`: from a table to a trained, judged, saved and reported model."""

from __future__ import annotations

import shlex
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from planefold.cli.options import json_option, note, print_json, reading_options, say


@click.command(context_settings={"show_default": True})
@click.argument("data", type=Path)
@click.option("--target", "-t", required=True, metavar="COLUMN", help="The column to predict.")
@click.option("--output", "-o", type=Path, help="Where the model goes; default: DATA with the ending .fold.")
@click.option("--report", "report_path", type=Path, help="Where the report goes; default: the model's name, .html.")
@click.option("--no-report", is_flag=True, help="Write no report.")
@click.option("--task", type=click.Choice(["auto", "regression", "classification"]), default="auto", help="What to learn.")
@click.option("--test-size", default=0.2, help="Share of the rows that are kept to judge the model by.")
@click.option("--group", metavar="COLUMN", help="Keep rows of one group (a patient, a house) on one side of the split.")
@click.option("--time", "time_", metavar="COLUMN", help="Judge by the latest rows in this column's order.")
@click.option("--type", "types", multiple=True, metavar="COLUMN=KIND",
              help="Read a column as number, category, boolean or date, whatever it looks like.")
@click.option("--drop", multiple=True, metavar="COLUMN", help="Leave a column out.")
@click.option("--missing", multiple=True, metavar="TEXT", help='A text that means "no value", besides the usual ones.')
@click.option("--hidden", metavar="SIZES", help="Units of each hidden layer, such as 64,64.")
@click.option("--members", type=int, help="Networks that are trained side by side.")
@click.option("--max-iter", type=int, help="Most epochs.")
@click.option("--learning-rate-init", type=float, help="The first learning rate.")
@click.option("--alpha", type=float, help="Strength of the L2 penalty.")
@click.option("--dropout", type=float, help="Share of units that a training step leaves out.")
@click.option("--class-weight", type=click.Choice(["balanced"]), help="Give each class the same weight in total.")
@click.option("--device", default="auto", help="cpu, cuda, ...")
@click.option("--seed", default=0, help="The same number gives the same model.")
@reading_options
@json_option
def train(data: Path, target: str, output: Path | None, report_path: Path | None, no_report: bool, as_json: bool,
          **options: Any) -> int:  # fmt: skip
    """Train a model on the table in the CSV file DATA.

    Nothing else has to be said: what each column is, the task, the split and the network's size are found,
    and told.
    """
    from planefold.core.errors import ParameterError, unknown_column
    from planefold.data import read_table

    table = read_table(data, delimiter=options["delimiter"], encoding=options["encoding"],
                       missing_values=options["missing"])  # fmt: skip
    for column in filter(None, [target, options["group"], options["time_"], *options["drop"]]):
        if column not in table.names:
            raise unknown_column(column, table.names, data.name, flag="--target " if column == target else "")
    if table.n_rows == 0 or len(table.names) < 2:
        raise ParameterError(f"{data.name} has only the target column", hint="nothing is left to predict it from")
    output = output or data.with_suffix(".fold")
    report_path = None if no_report else report_path or output.with_suffix(".html")
    _refuse_overwriting(data, output, report_path)

    from planefold.core.errors import PlanefoldError
    from planefold.data.encoder import TableEncoder
    from planefold.data.splits import split_rows
    from planefold.estimators.reporting import choose_estimator, judge, report

    types = dict(_types(options["types"], table.names, target, data.name)) | dict.fromkeys(options["drop"], "drop")
    model, task, why = choose_estimator(table, target, _parameters(options), task=options["task"])
    if types or options["missing"]:
        model.set_params(preprocess=TableEncoder(types=types or None, missing_values=options["missing"]))
    X, y = table.drop([target]), table[target]
    times = _times(table, options["time_"]) if options["time_"] else None
    groups = table[options["group"]] if options["group"] else None
    if groups is not None:  # who it was must not be what the network learns from
        X = X.drop([options["group"]])
    split = split_rows(table.n_rows, test_size=options["test_size"], random_state=options["seed"], groups=groups,
                       times=times, y=y if task == "classification" and groups is None and times is None else None)  # fmt: skip
    how = _how(options, task)
    if not as_json:
        _tell(f"{data.name}: {table.n_rows:,} rows, {len(table.names)} columns")
        _tell(f"{task}: {why}")
        _tell(f"{len(split[0]):,} rows to learn from, {len(split[1]):,} to judge by, {how}")
    learn, test = (X.take(split[0]), y[split[0]]), (X.take(split[1]), y[split[1]])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model.fit(*learn, groups=None if groups is None else groups[split[0]])
        except PlanefoldError as error:
            error.add_note(f"while training on {data.name}")
            raise
    for warning in caught:
        if issubclass(warning.category, UserWarning):
            note(str(warning.message))
    model.target_name_ = target
    notes = model.encoder_.schema_.notes()
    if not as_json:
        for sentence in notes:
            _tell(f"  note: {sentence}")
        _tell(_described(model))
    model.save(output)
    interrupted = model.run_.stopped_because == "interrupted"
    rows = (split[1] + 1).tolist()
    if report_path is not None:
        data_ = report(
            model, report_path, *test, train=learn, rows=rows, title=f"{target} from {data.name}", how_split=how,
            reproduce=_reproduce(data, target, output), model_path=output,
        )  # fmt: skip
        evaluation = data_.evaluation
        assert evaluation is not None
    else:
        evaluation = judge(model, *test, train=learn, rows=rows)
    findings = list(model.diagnose())
    if as_json:
        from planefold.reports.plain import plain

        print_json(plain({
            "model": str(output), "report": None if report_path is None else str(report_path), "task": task, "why": why,
            "rows": {"train": len(split[0]), "test": len(split[1]), "how": how}, "notes": notes,
            "evaluation": evaluation, "findings": findings,
            "run": {"epochs": model.run_.n_epochs, "seconds": model.run_.seconds, "device": model.run_.device,
                    "stopped_because": model.run_.stopped_because},
        }))  # fmt: skip
    else:
        _tell(evaluation.verdict)
        for finding in findings:
            if finding.severity != "info":
                _tell(str(finding))
        _tell(f"model:  {output}")
        if report_path is not None:
            _tell(f"report: {report_path}")
    return 130 if interrupted else 0


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()  # a person waits for the next step


def _parameters(options: Mapping[str, Any]) -> dict[str, Any]:
    from planefold.core.errors import ParameterError

    parameters: dict[str, Any] = {"random_state": options["seed"], "device": options["device"]}
    if options["hidden"] is not None:
        try:
            sizes = tuple(int(size) for size in options["hidden"].replace("x", ",").split(",") if size.strip())
        except ValueError:
            raise ParameterError(f"--hidden {options['hidden']} must be whole numbers, such as 64,64") from None
        parameters["hidden_layer_sizes"] = sizes
    names = {"members": "n_members", "max_iter": "max_iter", "learning_rate_init": "learning_rate_init",
             "alpha": "alpha", "dropout": "dropout", "class_weight": "class_weight"}  # fmt: skip
    return parameters | {name: options[flag] for flag, name in names.items() if options[flag] is not None}


def _types(pairs: tuple[str, ...], columns: tuple[str, ...], target: str, source: str) -> Iterator[tuple[str, str]]:
    from planefold.core.errors import ParameterError, unknown_column

    for pair in pairs:
        column, separator, kind = pair.rpartition("=")
        if not separator:
            raise ParameterError(f"--type {pair} must be COLUMN=KIND", hint="for example --type zip=category")
        if column not in columns or column == target:
            raise unknown_column(column, [name for name in columns if name != target], source, flag="--type ")
        yield column, kind


def _times(table: Any, column: str) -> Any:
    from planefold.core.errors import DataError
    from planefold.data import find_schema

    only = table.select([column])
    schema = find_schema(only)
    if schema[column].kind not in ("date", "number"):
        raise DataError(
            f'--time: column "{column}" holds neither dates nor numbers', details=f"it was read as {schema[column].kind}"
        )
    return schema.align(only)[0][column]


def _how(options: Mapping[str, Any], task: str) -> str:
    if options["time_"]:
        return f"the latest by {options['time_']}"
    if options["group"]:
        return f"whole groups of {options['group']}, at random (seed {options['seed']})"
    shares = ", each class with its share" if task == "classification" else ""
    return f"at random (seed {options['seed']}){shares}"


def _described(model: Any) -> str:
    run, spec = model.run_, model.net_.spec
    sizes = "-".join(map(str, spec.layer_units))
    members = f"{spec.n_members} networks" if spec.n_members > 1 else "one network"
    best = f", best epoch {run.best_epoch}" if run.best_epoch is not None else ""
    return (
        f"{members} {sizes}, {spec.n_parameters:,} parameters: {model.n_iter_} epochs in {run.seconds:.1f} s on "
        f"{run.device}{best}"
    )


def _reproduce(data: Path, target: str, output: Path) -> dict[str, str]:
    arguments = sys.argv[1:] if sys.argv[1:2] == ["train"] else ["train", str(data), "--target", target]
    kind = "predict"
    return {
        "Command line": shlex.join(["planefold", *arguments]),
        "Predict new rows": shlex.join(["planefold", kind, str(output), "new.csv", "--output", "predictions.csv"]),
        "Python": f"import planefold as pf\n\nmodel = pf.load({str(output)!r})\nmodel.predict(\"new.csv\")",
    }


def _refuse_overwriting(data: Path, output: Path, report_path: Path | None) -> None:
    from planefold.core.errors import ParameterError

    places = [data.resolve(), output.resolve()] + ([report_path.resolve()] if report_path else [])
    if len(set(places)) < len(places):
        raise ParameterError("the data, the model and the report must be three different files",
                             details=f"data {data}, model {output}, report {report_path}")  # fmt: skip
    if not output.resolve().parent.is_dir() or (report_path and not report_path.resolve().parent.is_dir()):
        missing = output.parent if not output.resolve().parent.is_dir() else report_path.parent if report_path else ""
        # Said now, not after the training.
        raise ParameterError(f"there is no folder {missing}", hint="make it first, or choose another --output")
