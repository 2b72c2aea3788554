"""`planefold predict`: what a saved model says of new pictures or sounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planefold.cli.flags import in_flags
from planefold.cli.folders import OF_FILES, errors_of_files, kinds, read_files
from planefold.cli.options import check_outputs, note, notes, print_json, print_line, say, write
from planefold.core.errors import DataError, MissingFileError, ParameterError, PlanefoldError, listed, unknown_column

if TYPE_CHECKING:
    from planefold.data import Table
    from planefold.data.folders import Kind
    from planefold.reports import Evaluation

TABLES = (".csv", ".tsv", ".txt")


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is to be predicted.

    Parameters
    ----------
    readable : Any
        As `read_pictures` and `read_sounds` take it.
    names : tuple of str
        What each file is called for the person, with those that cannot be read; empty where there are no files.
    read_as : tuple of str
        What each is called when it is read: paths of a table start at the table.
    table : Table, optional
        The table that names the files.
    """

    readable: Any
    names: tuple[str, ...] = ()
    read_as: tuple[str, ...] = ()
    table: Table | None = field(default=None)


def kind_of_model(model: Path) -> str | None:
    """Say which files a model's file predicts, "pictures" or "sounds", or None where it predicts rows of tables."""
    from planefold.saving import read_summary

    return OF_FILES.get(str(read_summary(model)["manifest"].get("estimator")))


def refuse_files(model: Path, data: Path, *, skip_broken: bool = False) -> None:
    """Refuse a folder, a picture or a sound for a model of tables."""
    told = f"{model} predicts rows of tables"
    if skip_broken:
        raise ParameterError(f"--skip-broken acts on pictures and sounds, and {told}", hint="leave it out")
    if data.is_dir():
        raise DataError(f"{data} is a folder, and {told}", hint="name a CSV file")
    kind = next((kind for kind in kinds().values() if kind.fits(data.name)), None)
    if kind is not None and data.exists():
        raise DataError(f"{data} is a {kind.singular}, and {told}", hint="name a CSV file")


def predict_files(
    model: Path, data: Path, what: str, *, output: Path | None, keep: Sequence[str], delimiter: str | None,
    encoding: str, skip_broken: bool, as_json: bool,
) -> None:  # fmt: skip
    """Do what `planefold predict` does, for pictures and sounds."""
    from planefold.cli.predict import as_csv, compared

    kind = kinds()[what]
    check_outputs({"the predictions": output}, {"the data": data, "the model": model})
    source = _source(data, kind, model, delimiter, encoding)
    _check_kept(source, data, keep)

    from planefold.estimators import load
    from planefold.reports.plain import plain

    fitted = load(model)
    how: dict[str, Any] = {"errors": "skip" if skip_broken else "raise"}
    if what == "pictures":
        how |= {"size": fitted.size_, "color": fitted.color_}
    else:
        how |= {"rate": fitted.features_.rate, "seconds": fitted.seconds_}
    with errors_of_files():
        rows, told = read_files(kind, source.readable, **how)
    notes(told)
    columns = _columns(fitted, rows, source, keep)
    evaluation = _judged(fitted, rows, source)
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
        say(compared(evaluation, "the folders' names" if source.table is None else "the labels", kind.singular))
    if output is not None and as_json:
        skipped = [{"file": name, "reason": reason} for name, reason in rows.skipped]
        print_json(plain({"output": str(output), "rows": len(rows), "skipped": skipped, "notes": told,
                          "evaluation": evaluation}))  # fmt: skip
    elif output is not None:
        print_line(f"{len(rows):,} predictions: {output}")


# ------------------------------------------------------------------------------------------------------ what is read


def _source(data: Path, kind: Kind, model: Path, delimiter: str | None, encoding: str) -> Source:
    """Find the files; nothing is opened but a table."""
    from planefold.data.folders import list_folder, readable

    is_table = data.suffix.lower() in TABLES
    if not is_table and (delimiter is not None or encoding != "utf-8"):
        flag = f"--delimiter {delimiter}" if delimiter is not None else f"--encoding {encoding}"
        raise ParameterError(f"{flag} acts on tables, and {data} is none", hint="leave it out")
    if not data.exists():
        raise MissingFileError(f"there is no file or folder {data}",
                               hint=f"name a folder of {kind.plural}, or one {kind.singular}")  # fmt: skip
    if data.is_dir():
        names = list_folder(str(data), kind).names
        return Source(readable=data, names=names, read_as=names)
    if is_table:
        return _in_table(data, kind, model, delimiter, encoding)
    other = next((other for other in kinds().values() if other is not kind and other.fits(data.name)), None)
    if other is not None:
        raise DataError(f"{data} is a {other.singular}, and {model} predicts {kind.plural}",
                        hint=f"name a folder of {kind.plural}, a {kind.singular}, or a table of paths")  # fmt: skip
    if kind.plural == "pictures" and data.suffix.lower() in (".npy", ".npz", ".parquet"):
        return Source(readable=data)
    names = (readable(data.name),)
    return Source(readable=data, names=names, read_as=names)


def _in_table(data: Path, kind: Kind, model: Path, delimiter: str | None, encoding: str) -> Source:
    from planefold.data import read_table
    from planefold.data.folders import list_table, path_column, readable

    table = read_table(data, delimiter=delimiter, encoding=encoding)
    has_pixels = kind.plural == "pictures" and {"pixel_0", "pixel_1"} <= set(table.names)
    column = None if has_pixels else path_column(table, None, kind)
    if column is None:
        if has_pixels:
            return Source(readable=table, table=table)
        raise DataError(
            f"{data} has no column with paths of {kind.plural}, and {model} predicts {kind.plural}",
            details=f"columns: {listed(table.names)}",
            hint=f"name a folder of {kind.plural}, a {kind.singular}, or a table of paths",
        )
    listing = list_table(table, column, None, data.parent, kind)
    found = replace(table, columns={**table.columns, column: _texts(listing.items)})
    read_as = tuple(readable(str(item)) for item in listing.items)
    return Source(readable=found, names=listing.names, read_as=read_as, table=table)


def _texts(items: Sequence[Any]) -> Any:
    import numpy as np

    values = np.empty(len(items), dtype=object)
    values[:] = [str(item) for item in items]
    return values


def _check_kept(source: Source, data: Path, keep: Sequence[str]) -> None:
    if keep and source.table is None:
        raise ParameterError(f"--keep {keep[0]} acts on tables, and {data} is none", hint="leave it out")
    for column in keep:
        if source.table is not None and column not in source.table.names:
            raise unknown_column(column, source.table.names, data.name, flag="--keep ")


# --------------------------------------------------------------------------------------------------- what is written


def _columns(fitted: Any, rows: Any, source: Source, keep: Sequence[str]) -> Mapping[str, Sequence[Any]]:
    """Return what is written of each file: its name, what is kept, prediction, probabilities.

    A file that cannot be read has a row, too, in its place and without a prediction: so there are as many as files.
    """
    from planefold.cli.predict import free

    places = _places(source.read_as, rows.files) if source.names else range(len(rows))
    n = len(source.names) or len(rows)

    def spread(values: Sequence[Any]) -> list[Any]:
        found: list[Any] = [None] * n
        for place, value in zip(places, values, strict=True):
            found[place] = value
        return found

    columns: dict[str, Sequence[Any]] = {"file": source.names} if source.names else {"row": range(1, n + 1)}
    for name in keep:
        assert source.table is not None
        columns[free(name, columns)] = source.table[name].tolist()
    predicted = fitted.predict(rows)
    target = fitted.target_name_ or "prediction"
    many = predicted.T if predicted.ndim == 2 else predicted[None]
    for place, values in enumerate(many):
        name = target if predicted.ndim == 1 else f"{target} {place}"
        columns[free(name, columns)] = spread(values.tolist())
    if hasattr(fitted, "predict_proba"):
        for label, shares in zip(fitted.classes_.tolist(), fitted.predict_proba(rows).T, strict=True):
            columns[free(f"probability of {label}", columns)] = spread([round(share, 6) for share in shares.tolist()])
    return columns


def _places(names: Sequence[str], read: Sequence[str]) -> list[int]:
    """Find the place of each file that was read among all; the order is the same.

    >>> _places(["a", "b", "b", "c"], ["a", "b", "b"])
    [0, 1, 2]
    """
    if len(names) == len(read):
        return list(range(len(names)))
    places, start = [], 0
    for name in read:
        start = names.index(name, start) + 1
        places.append(start - 1)
    return places


# ------------------------------------------------------------------------------------------ where the truth is known


def _judged(fitted: Any, rows: Any, source: Source) -> Evaluation | None:
    """Compare with the names of the folders where these are classes of the model."""
    from planefold.estimators.reporting import judge

    if rows.labels is None:
        return None
    if hasattr(fitted, "classes_"):
        known, named = set(map(str, fitted.classes_.tolist())), sorted(set(map(str, rows.labels.tolist())))
        strange = [name for name in named if name not in known]
        if strange and len(strange) < len(named):
            where = "the folders' names" if source.table is None else "the labels"
            note(f"not compared with {where}: the model does not know all of them ({listed(strange, 5)})")
        if strange:
            return None
    elif source.table is None:
        return None  # a number in a folder's name may be anything
    try:
        return judge(fitted, rows, rows.labels)
    except PlanefoldError as error:  # the predictions are made all the same
        note(f"the predictions are not compared with what is known: {in_flags(error.what)}")
        return None
