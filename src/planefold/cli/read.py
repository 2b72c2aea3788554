"""`planefold read`: the exact planes of a model, on its own, for the rows of a table, for one row, on a slice."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from planefold.cli.options import check_outputs, json_option, print_json, print_line, reading_options
from planefold.cli.pictures import check_picture, save_picture
from planefold.core.errors import ParameterError, PlanefoldError, unknown_column

_FLAGS = {"max_regions": "--max-regions", "output": "--of", "window": "--window", "n_planes": "--merge",
          "limit": "--max-regions", "time_limit": "--time-limit"}  # fmt: skip
_PARAMETER = re.compile(rf"\b({'|'.join(_FLAGS)})=('[^']*'|[^\s,;:]+(?:,\d{{3}})*)")


@click.command(short_help="Read a model's exact planes.", context_settings={"show_default": True})
@click.argument("model", type=Path)
@click.argument("data", type=Path, required=False)
@click.option("--target", "-t", metavar="COLUMN", help="The column of DATA with the truth; known for models of ours.")
@click.option("--of", metavar="NAME", help="Which output or class; default: all, or the predicted class.")
@click.option("--top", metavar="N", type=click.IntRange(min=1), default=3, help="How many planes are written out.")
@click.option("--merge", metavar="K", type=click.IntRange(min=1), help="Put the planes of DATA together to so many.")
@click.option("--row", metavar="N", type=int, help="Why is row N of DATA predicted so? Counted from 1.")
@click.option("--x", metavar="COLUMN", help="With --y: the exact slice through two columns of DATA.")
@click.option("--y", metavar="COLUMN", help="With --x: the exact slice through two columns of DATA.")
@click.option("--window", metavar="X0,X1,Y0,Y1", help="Which part of the plane; for two inputs, or --x and --y.")
@click.option("--low", metavar="NUMBERS", help="The box of inputs, from below: one number, or one for each.")
@click.option("--high", metavar="NUMBERS", help="The box of inputs, from above.")
@click.option("--shape", metavar="NUMBERS", help="Shape of one row, for files that leave it open: 1,28,28.")
@click.option("--max-regions", metavar="N", type=click.IntRange(min=1),
              help="Count all regions, up to so many; else windows of above 30,000 are estimated.")  # fmt: skip
@click.option("--time-limit", metavar="SECONDS", type=click.FloatRange(min=0, min_open=True), default=60.0,
              help="Stop a count after so long, with what is known then.")  # fmt: skip
@click.option("--output", "-o", type=Path, metavar="FILE", help="A picture of it: .png, .svg or .pdf.")
@reading_options
@json_option
def read(model: Path, data: Path | None, delimiter: str | None, encoding: str, as_json: bool, **asked: Any) -> None:
    """Read the exact planes of MODEL: a .fold, .onnx, .nnet or .keras file.

    Alone, it says what the network is, and counts its planes as far as that can be done. With the CSV file DATA it
    says which planes the rows lie on, as formulas in the table's own units; --row explains one prediction; --x and
    --y cut the model along two columns. Nothing in MODEL is run.
    """
    _check(data, asked)
    check_outputs({"the picture": asked["output"]}, {"the model": model, "the data": data})
    _refuse_files(model)
    table = None
    if data is not None:
        from planefold.data import read_table

        table = read_table(data, delimiter=delimiter, encoding=encoding)

    from planefold.cli.reading_model import load_model, rows_of, with_box

    with _errors_in_flags():
        found = with_box(load_model(model, asked["shape"]), asked["low"], asked["high"])
        from planefold.cli import reading_parts as parts

        made = [parts.network(found)]
        if table is None:
            made.append(parts.alone(found, asked))
        else:
            rows = rows_of(found, table, asked["target"])
            made += _with_rows(rows, asked)
    if asked["output"] is not None:
        draw = made[-1].draw
        if draw is None:
            raise ParameterError(
                "there is no picture of a network of many inputs on its own",
                hint="name the CSV file DATA, or DATA with two of its columns: --x COLUMN --y COLUMN",
            )
        with _errors_in_flags():
            save_picture(draw, asked["output"])
    if as_json:
        from planefold.reports.plain import plain

        whole = {part.key: part.data for part in made}
        print_json(plain(whole | ({"picture": str(asked["output"])} if asked["output"] else {})))
        return
    for number, part in enumerate(made):
        for line in ["", *part.lines] if number else part.lines:
            print_line(line)
    if asked["output"] is not None:
        print_line("")
        print_line(f"picture: {asked['output']}")


def _refuse_files(model: Path) -> None:
    """Refuse models of pictures and sounds: their planes are more than anybody counts, and Python shows single ones."""
    from planefold.cli.predict_folder import kind_of_model

    what = kind_of_model(model) if model.suffix == ".fold" and model.is_file() else None
    if what is not None:
        raise ParameterError(
            f"{model} predicts {what}, and this reads models of tables",
            hint="in Python, planefold.reading.local_picture(model, picture) shows what counts" if what == "pictures"
            else "planefold inspect says what the network is",
        )  # fmt: skip


def _with_rows(rows: Any, asked: dict[str, Any]) -> list[Any]:
    """Read what was asked of some rows; all of them, unless it is one row or a slice."""
    from planefold.cli import reading_parts as parts

    if asked["x"] is not None:
        from planefold.cli.reading_windows import slice_through

        return [slice_through(rows, asked)]
    reading = parts.reading_of(rows, asked["of"])
    if asked["row"] is not None:
        return [parts.one_row(reading, rows, asked)]
    return [parts.all_rows(reading, rows, asked)]


def _check(data: Path | None, asked: dict[str, Any]) -> None:
    """Refuse what cannot be together before anything is loaded."""
    if (asked["x"] is None) != (asked["y"] is None):
        given, other = ("--x", "--y") if asked["y"] is None else ("--y", "--x")
        raise ParameterError(f"{given} needs {other} as well: a slice goes through two columns")
    if asked["row"] is not None and asked["x"] is not None:
        raise ParameterError("--row and --x cannot both be read at once", hint="leave one of them out")
    if asked["of"] is not None and (asked["x"] is not None or data is None):
        raise ParameterError(f"--of {asked['of']} is for rows: a window or a slice shows all outputs",
                             hint="leave it out")  # fmt: skip
    if math.isnan(asked["time_limit"]):
        raise ParameterError("--time-limit nan must be a number of seconds")
    for flag in ("target", "row", "x", "merge"):
        if data is None and asked[flag] is not None:
            raise ParameterError(
                f"--{flag} {asked[flag]} needs rows", hint="planefold read MODEL DATA, with a CSV file"
            )
    check_picture(asked["output"])


def column_of(name: str, names: list[str], source: str, flag: str) -> str:
    """Return a column, or say which one was probably meant."""
    if name not in names:
        raise unknown_column(name, names, source, flag=f"{flag} ")
    return name


@contextlib.contextmanager
def _errors_in_flags() -> Iterator[None]:
    """Let errors speak of flags and not of parameters."""

    def told(text: str | None) -> str | None:
        return text and _PARAMETER.sub(lambda found: f"{_FLAGS[found[1]]} {found[2].strip(chr(39))}", text)

    try:
        yield
    except PlanefoldError as error:
        error.what, error.details, error.hint = told(error.what) or "", told(error.details), told(error.hint)
        raise
