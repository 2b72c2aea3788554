"""`planefold doctor`: what is wrong with a model, with a table, or in anyone's training log, and what to try."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from planefold.cli.options import check_outputs, json_option, print_json, print_line, reading_options, say
from planefold.cli.pictures import check_picture, save_picture
from planefold.core.errors import DataError, ParameterError, PlanefoldError, unknown_choice, unknown_column

if TYPE_CHECKING:
    from planefold.data import Table
    from planefold.doctor import Curves, Diagnosis
    from planefold.engine.run import Run

EXIT_GATE = 3
# How advice is written for Python -> what is typed at the command line.
_TYPED = {"model.diagnose(X, y, reference=True)": "planefold doctor MODEL DATA", "groups=": "--group COLUMN"}


@click.command(short_help="Say what is wrong, and what to try.", context_settings={"show_default": True})
@click.argument("file", type=Path, required=False)
@click.argument("data", type=Path, required=False)
@click.option("--target", "-t", metavar="COLUMN", help="FILE is a table, and this is the column to predict.")
@click.option("--validation", type=Path, metavar="FILE", help="Rows that are not learned from, with the target.")
@click.option("--group", metavar="COLUMN", help="Rows of one group (a patient, a house) belong together.")
@click.option("--time", "time_", metavar="COLUMN", help="When each row was taken.")
@click.option("--train-column", metavar="NAME", help="FILE is a log, and this is its training loss.")
@click.option("--val-column", metavar="NAME", help="FILE is a log, and this is its held-out loss.")
@click.option("--epoch-column", metavar="NAME", help="FILE is a log, and this counts its epochs.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "info"]),
    help="End with exit code 3 if there is a finding as bad as that.",
)
@click.option("--all", "everything", is_flag=True, help="Also what was not told, and why.")
@click.option("--output", "-o", type=Path, metavar="FILE", help="A picture of the curves: .png, .svg or .pdf.")
@click.option("--explain", metavar="CODE", help="Say what a check looks at, such as LC101; nothing else is done.")
@reading_options
@json_option
def doctor(file: Path | None, data: Path | None, explain: str | None, fail_on: str | None, everything: bool,
           as_json: bool, **asked: Any) -> int:  # fmt: skip
    """Look for what is wrong with FILE, and say what to try.

    FILE is a model (.fold), best with DATA, the CSV file that it learned from; or a table, with --target; or a training
    log of any tool: CSV, JSON lines, Trainer's JSON, or TensorBoard's files.
    """
    if explain is not None:
        _explain(explain)
        return 0
    if file is None:
        raise click.UsageError("what is to be looked at?\n  hint: planefold doctor FILE, a model, a table or a log")
    _check(file, data, asked)
    found, shown, taken = _diagnosed(file, data, asked)
    if asked["output"] is not None:
        _draw(shown, asked["output"])
    if as_json:
        from planefold.reports.plain import plain

        runs = {name: one.to_dict() | {"taken": taken[name]} for name, one in found.items()}
        print_json(plain({"file": str(file), "runs": runs}))
    else:
        _print(found, taken, everything)
    fails = fail_on is not None and any(one.at_least(fail_on) for one in found.values())
    return EXIT_GATE if fails else 0


def _check(file: Path, data: Path | None, asked: Mapping[str, Any]) -> None:
    """Refuse what does not go together."""
    check_picture(asked["output"])
    check_outputs({"the picture": asked["output"]}, {"the file": file, "the data": data})
    is_model = file.suffix == ".fold"
    if data is not None and not is_model:
        raise ParameterError(f"{file} is no .fold file, so {data} cannot be what it learned from",
                             hint="--validation FILE names further rows of a table")  # fmt: skip
    for_logs = [name for name in ("train_column", "val_column", "epoch_column") if asked[name] is not None]
    if for_logs and (is_model or asked["target"] is not None):
        flag = "--" + for_logs[0].replace("_", "-")
        raise ParameterError(f"{flag} {asked[for_logs[0]]} is for training logs", hint="leave it out")
    reads_rows = data is not None or asked["target"] is not None
    for_tables = [name for name, usual in (("delimiter", None), ("encoding", "utf-8")) if asked[name] != usual]
    if for_tables and not reads_rows:
        raise ParameterError(f"--{for_tables[0]} {asked[for_tables[0]]} is for tables", hint="leave it out")
    needs_rows = [name for name in ("validation", "group", "time_") if asked[name] is not None]
    if needs_rows and ((is_model and data is None) or (not is_model and asked["target"] is None)):
        flag = "--" + needs_rows[0].removesuffix("_")
        raise ParameterError(
            f"{flag} {asked[needs_rows[0]]} needs rows",
            hint="planefold doctor MODEL DATA" if is_model else "say what to predict: --target COLUMN",
        )


# ------------------------------------------------------------------------------------------------ what is looked at


def _diagnosed(
    file: Path, data: Path | None, asked: Mapping[str, Any]
) -> tuple[dict[str, Diagnosis], Run | Curves | None, dict[str, tuple[str, ...]]]:
    """Return the diagnosis of each run, the curves of the last one, and which columns of a log were taken for what."""
    if file.suffix == ".fold":
        from planefold.estimators import load

        model = load(file)
        return {str(file): _of_model(model, data, asked)}, model.run_, {str(file): ()}
    if asked["target"] is not None:
        return {str(file): _of_table(file, asked)}, None, {str(file): ()}
    return _of_log(file, asked)


def _draw(shown: Run | Curves | None, path: Path) -> None:
    if shown is None:
        raise ParameterError(f"--output {path}: a table has no curves to draw", hint="leave it out")
    from planefold.plots import curves

    save_picture(lambda: curves(shown), path)


def _of_model(model: Any, data: Path | None, asked: Mapping[str, Any]) -> Diagnosis:
    if data is None:
        return model.diagnose()  # type: ignore[no-any-return]
    if hasattr(model, "size_"):
        return _of_files(model, data, asked)
    for path in (data, asked["validation"]):
        if path is not None and path.is_dir():
            raise DataError(f"{path} is a folder, and the model learned from a table", hint="name a CSV file")
    target = asked["target"] or model.target_name_
    learned = _read(data, asked)
    parts = {name: _column(learned, asked[flag], f"--{name}") for name, flag in (("group", "group"), ("time", "time_"))}
    held_out = None
    if asked["validation"] is not None:
        judged = _read(asked["validation"], asked)
        held_out = _apart(judged, target)
    found: Diagnosis = model.diagnose(
        *_apart(learned, target), validation_data=held_out, groups=parts["group"], time=parts["time"]
    )
    return found


def _of_files(model: Any, data: Path, asked: Mapping[str, Any]) -> Diagnosis:
    """Look at a model of pictures or sounds, and at the folder that it learned from."""
    from planefold.cli.folders import errors_of_files

    for flag, name in (("--target", "target"), ("--time", "time_")):
        if asked[name] is not None and (flag, asked[name]) != ("--target", "folder"):
            raise ParameterError(f"{flag} {asked[name]} is for tables, and the model learned from files",
                                 hint="leave it out")  # fmt: skip
    with errors_of_files(asked["group"]):
        found: Diagnosis = model.diagnose(data, validation_data=asked["validation"], groups=asked["group"])
        return found


def _of_table(file: Path, asked: Mapping[str, Any]) -> Diagnosis:
    from planefold.doctor import diagnose

    table = _read(file, asked)
    for flag in ("target", "group", "time_"):
        _column(table, asked[flag], f"--{flag.removesuffix('_')}")
    validation = None
    if asked["validation"] is not None:
        validation = _read(asked["validation"], asked)
        _column(validation, asked["target"], "--target")
    return diagnose(
        data=table, target=asked["target"], validation=validation, groups=asked["group"], time=asked["time_"]
    )


def _of_log(file: Path, asked: Mapping[str, Any]) -> tuple[dict[str, Diagnosis], Curves, dict[str, tuple[str, ...]]]:
    from planefold.doctor import Case, diagnose_case
    from planefold.doctor.logs import read_log

    try:
        runs = read_log(file, train=asked["train_column"], val=asked["val_column"], epoch=asked["epoch_column"])
    except DataError as error:
        hint = (error.hint or "").replace("train=, val=, epoch=", "--train-column, --val-column, --epoch-column")
        error.hint = "; ".join(filter(None, [hint, "of a table, say what to predict: --target COLUMN"]))
        raise
    found = {curves.source: diagnose_case(Case(curves=curves)) for curves in runs}
    return found, runs[-1], {curves.source: getattr(curves, "notes", ()) for curves in runs}


def _read(path: Path, asked: Mapping[str, Any]) -> Table:
    from planefold.data import read_table

    return read_table(path, delimiter=asked["delimiter"], encoding=asked["encoding"])


def _column(table: Table, name: str | None, flag: str) -> Any:
    if name is None:
        return None
    if name not in table.names:
        raise unknown_column(name, table.names, table.source, flag=f"{flag} ")
    return table[name]


def _apart(table: Table, target: str | None) -> tuple[Table, Any]:
    """Return the columns without the target, and the target."""
    if target is None:
        raise PlanefoldError("the file does not say which column was predicted", hint="say it: --target COLUMN")
    return table.drop([target] if target in table.names else []), _column(table, target, "--target")


# ------------------------------------------------------------------------------------------------------- the story


def _print(found: Mapping[str, Diagnosis], taken: Mapping[str, tuple[str, ...]], everything: bool) -> None:
    for number, (name, diagnosis) in enumerate(found.items()):
        if number:
            print_line("")
        if len(found) > 1:
            print_line(f"{name}:")
        if taken[name]:
            say(f"{name}: {'; '.join(taken[name])}")
        for line in _told(diagnosis, ours=not taken[name]).splitlines():
            print_line(line)
        if everything:
            _print_rest(diagnosis)


def _told(diagnosis: Diagnosis, *, ours: bool) -> str:
    """Tell the findings; flags and parameters of planefold would be no help with another tool's log."""
    from planefold.cli.flags import in_flags

    if ours:
        told = in_flags(str(diagnosis))
        for python, typed in _TYPED.items():
            told = told.replace(python, typed)
        return told
    wordy = [
        replace(finding, advice=tuple(replace(action, parameters={}) for action in finding.advice))
        for finding in diagnosis
    ]
    return str(replace(diagnosis, findings=tuple(wordy)))


def _print_rest(diagnosis: Diagnosis) -> None:
    """Print what was silenced, and which checks had too little to go by, reason by reason."""
    for code, finding in diagnosis.silenced.items():
        print_line(f"also true, but not told: {code} {finding.title}: {finding.what}")
    reasons: dict[str, list[str]] = {}
    for code, why in diagnosis.not_applicable.items():
        reasons.setdefault(why, []).append(code)
    for why, codes in reasons.items():
        print_line(f"not looked at: {', '.join(codes)}: {why}")


def _explain(code: str) -> None:
    import inspect

    from planefold.doctor import CHECKS

    check = CHECKS.get(code.upper())
    if check is None:
        raise unknown_choice("check", code, sorted(CHECKS))
    print_line(f"{check.code} {check.title}")
    print_line("")
    print_line(_plain(inspect.cleandoc(check.__doc__ or "")))
    if check.source:
        print_line("")
        print_line(f"Source: {check.source}")


def _plain(page: str) -> str:
    r"""Take the marks out of a page of the docs.

    >>> print(_plain("Report it.\n\nNotes\n-----\n**Rule.** More than ``x``, see :func:`~a.b`."))
    Report it.
    <BLANKLINE>
    Rule. More than x, see a.b.
    """
    page = re.sub(r"^Notes\n-+\n", "", page, flags=re.MULTILINE)
    page = re.sub(r"^(\w+)\n-{3,}\n", r"\1\n", page, flags=re.MULTILINE)
    return re.sub(r":\w+:`~?([^`]*)`", r"\1", page).replace("**", "").replace("``", "")
