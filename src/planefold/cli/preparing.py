"""From a table and the flags of `planefold train` to what is trained and what it is judged by."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from planefold.cli.flags import read_parameters
from planefold.core.errors import DataError, ParameterError, listed, show, unknown_column

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from planefold.data import Table
    from planefold.estimators.base import BaseMLP


@dataclass(frozen=True, kw_only=True)
class Job:
    """A model that is not trained yet, with the rows to learn from and those to judge by.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
    task, why : str
        "regression" or "classification", and one sentence.
    X, y
        All rows and their targets.
    learn, test : ndarray of int64
        Which rows are learned from, and which the model is judged by.
    groups : ndarray of shape (n_rows,), optional
    how : str
        How the rows were split, in words.
    notes : tuple of str
        What a person should know.
    """

    model: BaseMLP
    task: str
    why: str
    X: Table
    y: NDArray[Any]
    learn: NDArray[np.int64]
    test: NDArray[np.int64]
    groups: NDArray[Any] | None
    how: str
    notes: tuple[str, ...] = field(default=())

    def part(self, rows: NDArray[np.int64]) -> tuple[Table, NDArray[Any]]:
        """Rows and their targets."""
        return self.X.take(rows), self.y[rows]


def prepare(table: Table, target: str, options: Mapping[str, Any]) -> Job:
    """Choose the model, the columns and the split; everything that can be wrong is said here."""
    from planefold.data.encoder import TableEncoder
    from planefold.estimators.reporting import choose_estimator

    group = options["group"]
    left_out = [*options["drop"], *([group] if group else [])]  # who it was must not be what is learned
    _refuse_columns(table, target, options)
    check_test_size(options["test_size"], "keeps a fifth of the rows")
    model, task, why = choose_estimator(table, target, read_parameters(options), task=options["task"])
    types = dict(_types(options["types"], table, target))
    types = {column: kind for column, kind in types.items() if column not in left_out}
    if types or options["missing"]:
        model.set_params(preprocess=TableEncoder(types=types or None, missing_values=options["missing"]))
    X, stray = _without_stray(table.drop([target, *left_out]), types, options["missing"])
    job = Job(
        model=model,
        task=task,
        why=why,
        X=X,
        y=table[target],
        groups=_groups(table, group) if group else None,
        how=_how(options, task),
        notes=(*stray, *_doubtful_classes(table, target, task)),
        **_split(table, target, task, options),
    )
    return _without_single_rows(job) if task == "classification" else job


def check_test_size(share: float, a_fifth: str) -> None:
    """Refuse a --test-size that is no share; ``a_fifth`` says what 0.2 would do."""
    if not 0 < share < 1:
        raise ParameterError(f"--test-size {share:g} must be a share between 0 and 1", hint=f"0.2 {a_fifth}")


# --------------------------------------------------------------------------------------------------------- columns


def _refuse_columns(table: Table, target: str, options: Mapping[str, Any]) -> None:
    named = [("--target", target), ("--group", options["group"]), ("--time", options["time_"])]
    named += [("--drop", column) for column in options["drop"]]
    for flag, column in named:
        if column is None:
            continue
        if column not in table.names:
            raise unknown_column(column, table.names, table.source, flag=f"{flag} ")
        if flag != "--target" and column == target:
            raise ParameterError(f'{flag} {column}: column "{column}" is the target', hint="name another column")
    if options["group"] and options["time_"]:
        raise ParameterError("--group and --time cannot both decide which rows are kept to judge by",
                             hint="leave one of them out")  # fmt: skip
    left_out = {target, options["group"], *options["drop"]}
    if not set(table.names) - left_out:
        raise DataError(f"nothing is left of {table.source} to predict {target} from",
                        details=f"columns: {listed(table.names)}",
                        hint="a model needs at least one other column")  # fmt: skip


def _without_stray(X: Table, types: Mapping[str, str], missing: Sequence[str]) -> tuple[Table, list[str]]:
    """Take the few texts among numbers or dates as missing in all rows, and tell of them.

    The model makes up its mind from the rows to learn from; one such text among the rows to judge by would be an
    error when the training is done. What is wrong with a column is found here, too, while rows have their
    numbers of the file.
    """
    from planefold.data import find_schema

    schema = find_schema(X, types=types, missing_values=missing)
    columns = dict(X.columns)
    for column in schema.used:
        if column.stray:
            columns[column.name] = columns[column.name].copy()
            columns[column.name][[value in column.stray for value in columns[column.name].tolist()]] = None
    return replace(X, columns=columns), [told for column in schema.used if column.stray for told in column.notes[-1:]]


def _types(pairs: Sequence[str], table: Table, target: str) -> Iterator[tuple[str, str]]:
    others = [name for name in table.names if name != target]
    for pair in pairs:
        column, separator, kind = pair.rpartition("=")
        if not separator:
            raise ParameterError(f"--type {pair} must be COLUMN=KIND", hint="for example --type zip=category")
        if column == target:
            raise ParameterError(f'--type {pair}: column "{target}" is the target',
                                 hint="--task says whether it is a number or a class")  # fmt: skip
        if column not in others:
            raise unknown_column(column, others, table.source, flag="--type ")
        yield column, kind


def _doubtful_classes(table: Table, target: str, task: str) -> Iterator[str]:
    """Point out classes that may stand for "not known"."""
    from planefold.data.parsing import MISSING_MARKERS

    values = table[target]
    if task == "classification" and values.dtype == object:
        for text in sorted(MISSING_MARKERS.intersection(values.tolist())):
            count = int((values == text).sum())
            yield f'Target "{target}": "{text}" ({count:,} rows) counts as a class; --missing "{text}" says it is none.'


# ----------------------------------------------------------------------------------------------------------- split


def _split(table: Table, target: str, task: str, options: Mapping[str, Any]) -> dict[str, Any]:
    from planefold.data.splits import split_rows

    group, time = options["group"], options["time_"]
    by_class = task == "classification" and not group and not time
    learn, test = split_rows(
        table.n_rows,
        test_size=options["test_size"],
        random_state=options["seed"],
        groups=_groups(table, group) if group else None,
        times=_times(table, time) if time else None,
        y=table[target] if by_class else None,
    )
    return {"learn": learn, "test": test}


def _groups(table: Table, column: str) -> NDArray[Any]:
    import numpy as np

    values = table[column]
    _refuse_gaps(table, column, "--group")
    if len(np.unique(values)) < 2:
        raise DataError(f'--group: column "{column}" of {table.source} has one group only: {show(values[0])}',
                        hint="a split needs at least two groups")  # fmt: skip
    return values


def _times(table: Table, column: str) -> NDArray[Any]:
    from planefold.data import find_schema
    from planefold.data.kinds import find_column

    values, only = table[column], table.select([column])
    _refuse_gaps(table, column, "--time")
    if values.dtype.kind in "iuf":
        return values
    found = find_column(column, values, source=table.source)
    if not found.date_minimum and found.minimum is None:
        raise DataError(
            f'--time: column "{column}" of {table.source} holds neither dates nor numbers',
            details=f"such as {listed(map(show, values[:3]), limit=3)}",
        )
    kind = "date" if found.date_minimum else "number"
    times: NDArray[Any] = find_schema(only, types={column: kind}).align(only)[0][column]
    return times


def _refuse_gaps(table: Table, column: str, flag: str) -> None:
    from planefold.data.cells import is_missing

    missing = [row for row, value in enumerate(table[column].tolist(), start=1) if is_missing(value)]
    if missing:
        raise DataError(
            f'{flag}: column "{column}" of {table.source} has no value in row {missing[0]}',
            details=f"{len(missing):,} of {table.n_rows:,} rows have none",
            hint="fill them in, or leave these rows out",
        )


def _how(options: Mapping[str, Any], task: str) -> str:
    if options["time_"]:
        return f"the latest by {options['time_']}"
    if options["group"]:
        return f"whole groups of {options['group']}, at random (seed {options['seed']})"
    shares = ", each class with its share" if task == "classification" else ""
    return f"at random (seed {options['seed']}){shares}"


def _without_single_rows(job: Job) -> Job:
    """Leave out the classes that have one row to learn from: it cannot be held out as well."""
    import numpy as np

    classes, counts = np.unique(job.y[job.learn].astype(str), return_counts=True)
    single = classes[counts == 1]
    if not len(single):
        return job
    learn = job.learn[~np.isin(job.y[job.learn].astype(str), single)]
    if len(classes) - len(single) < 2 or 2 * len(learn) < len(job.learn):
        raise DataError(
            f"too few classes of {job.X.source} have two rows or more to learn from: "
            f"{len(classes) - len(single)} of {len(classes)}",
            details=f"one row each: {listed(single, limit=5)}",
            hint="is it the right target? If so, get more rows of each class, or keep fewer to judge by (--test-size)",
        )
    rows = "1 class has one row" if len(single) == 1 else f"{len(single)} classes have one row each"
    told = f"{rows} to learn from, which is too few, and will never be predicted: {listed(single)}."
    return replace(job, learn=learn, notes=(*job.notes, re.sub(r"\s+", " ", told)))
