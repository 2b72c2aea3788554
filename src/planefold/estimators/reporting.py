"""From a fitted model and rows to judge it by: its evaluation, and the report about it."""

from __future__ import annotations

import datetime
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from planefold.core.errors import DataError, NotPiecewiseLinearError, ParameterError, listed, show
from planefold.data.cells import is_missing, text_of
from planefold.data.encoder import TableEncoder
from planefold.data.tables import Table
from planefold.data.targets import find_task, read_target, to_numbers
from planefold.doctor import Diagnosis
from planefold.engine.devices import find_device
from planefold.estimators.advice import Retrial
from planefold.estimators.base import BaseMLP
from planefold.estimators.class_targets import ClassTargets
from planefold.estimators.images import BaseImages
from planefold.estimators.inputs import is_sparse, n_rows_of, pick, take_target
from planefold.estimators.loading import versions
from planefold.estimators.mlp import MLPClassifier, MLPRegressor
from planefold.reports import Evaluation, ReportData, evaluate, fit_baselines, write_report

N_HISTOGRAM_BINS = 24
MAX_ROWS_READ = 5_000
MAX_CATEGORIES_SHOWN = 6
UNTOLD = ("random_state", "verbose", "warm_start", "callbacks", "device", "dtype", "preprocess")


def task_of(model: Any) -> str:
    """Name what a fitted model predicts, in one of ``planefold.reports.TASKS``."""
    target = model._target
    if isinstance(model, ClassTargets):
        if target.multilabel:
            return "multilabel"
        return "binary" if len(target.classes) <= 2 else "multiclass"
    return "regression" if model.n_outputs_ == 1 else "multioutput"


def judge(model: Any, X: Any, y: Any = None, *, train: Any = None, rows: Any = None) -> Evaluation:
    """Judge a fitted model on rows it has not seen.

    Parameters
    ----------
    model : MLPClassifier, MLPRegressor, ImageClassifier, ImageRegressor or SoundClassifier
    X, y
        The rows and their targets, as in ``fit``. Of pictures and sounds in folders the folders' names are the targets.
    train : (X, y), optional
        The rows that the model learned from: a trivial rule and gradient boosting learn from the same ones; of pictures
        a linear model and the nearest neighbour on small pixels, and X alone may say what they show.
    rows : sequence of int, optional
        The number of each row in its file, for the list of the worst ones.

    Returns
    -------
    planefold.reports.Evaluation

    Notes
    -----
    Costs one prediction of the rows and, with ``train``, one gradient boosting on the model's own inputs.
    """
    if isinstance(model, BaseImages):
        from planefold.estimators.picture_reporting import judge_pictures

        return judge_pictures(model, X, y, train=train, rows=rows)
    _refuse_missing(y)
    X, y = take_target(X, y, model.encoder_)
    truth = comparable(model, read_target(y))
    task = task_of(model)
    predicted = model.predict(X)
    proba = model.predict_proba(X) if isinstance(model, MLPClassifier) else None
    baselines = {}
    if train is not None:
        X_train, y_train = take_target(train[0], train[1], model.encoder_)
        inputs = [np.asarray(_dense(model._encode(model._read(part, reset=False)))) for part in (X_train, X)]
        baselines = fit_baselines(
            task=task, X_train=inputs[0], y_train=comparable(model, read_target(y_train)), X_test=inputs[1],
            random_state=0,
        )  # fmt: skip
    classes = list(model.classes_) if isinstance(model, MLPClassifier) else None
    return evaluate(
        task=task, y_true=truth, y_pred=predicted, proba=proba, classes=classes, baselines=baselines, row_numbers=rows
    )


def report(
    model: Any,
    path: str | Path,
    X: Any,
    y: Any = None,
    *,
    train: Any = None,
    rows: Any = None,
    title: str | None = None,
    how_split: str = "as given",
    reproduce: Mapping[str, str] | None = None,
    model_path: str | Path | None = None,
    diagnosis: Diagnosis | None = None,
    retrial: Retrial | None = None,
) -> ReportData:
    """Write one HTML page about a fitted model, judged on rows it has not seen.

    Parameters
    ----------
    model : MLPClassifier, MLPRegressor, ImageClassifier, ImageRegressor or SoundClassifier
    path : str or Path
        Where the page goes.
    X, y, train, rows
        As in :func:`judge`.
    title, how_split : str, optional
        Words for the page.
    reproduce : mapping of label to code, optional
        How to get this model again.
    model_path : str or Path, optional
        The file of the model, whose hash the page then shows.
    diagnosis : Diagnosis, optional
        What the doctor found, if it has been asked already; else it is asked now, with all these rows.
    retrial : planefold.estimators.advice.Retrial, optional
        A training with the doctor's advice beside the one before it.

    Returns
    -------
    planefold.reports.ReportData
        Everything that the page says.
    """
    if isinstance(model, BaseImages):
        from planefold.estimators.picture_reporting import report_pictures

        return report_pictures(
            model, path, X, y, train=train, rows=rows, title=title, how_split=how_split, reproduce=reproduce,
            model_path=model_path, diagnosis=diagnosis, retrial=retrial,
        )  # fmt: skip
    _refuse_missing(y)
    X, y = take_target(X, y, model.encoder_)
    target = getattr(model, "target_name_", None) or "target"
    schema = model.encoder_.schema_ if isinstance(model.encoder_, TableEncoder) else None
    parameters = {k: str(v) for k, v in model.get_params(deep=False).items() if k not in UNTOLD}
    if isinstance(model, MLPClassifier) and task_of(model) == "binary":
        parameters["threshold_"] = f"{model.threshold_:.4g}"
    described = model._read(X if train is None else take_target(train[0], train[1], model.encoder_)[0])
    hashes = {}
    if model_path is not None:
        hashes[Path(model_path).name] = hashlib.sha256(Path(model_path).read_bytes()).hexdigest()
    evaluation = judge(model, X, y, train=train, rows=rows)
    data = ReportData(
        title=title or f"{target}: {type(model).__name__}",
        task=task_of(model),
        target=str(target),
        model={
            "estimator": type(model).__name__,
            "parameters": parameters,
            "layers": list(model.net_.spec.layers()),
            "n_parameters": model.n_parameters_,
        },
        evaluation=evaluation,
        run=model.run_,
        diagnosis=diagnosis or diagnosed(model, X, y, train),
        retrial=() if retrial is None else tuple(retrial.rows()),
        retrial_outcome="" if retrial is None else f"{retrial.headline}. The one {retrial.kept} was kept.",
        columns=tuple(_columns(schema, described)) if schema is not None else (),
        # Why columns are left out stands beside each of them already.
        notes=tuple(note for column in schema.columns for note in column.notes) if schema is not None else (),
        rows={
            "train": model.run_.n_train if train is None else n_rows_of(described),
            "test": len(read_target(y)),
            "how": how_split,
            "described": n_rows_of(described),
        },
        reproduce=dict(reproduce or {}),
        versions=versions(),
        hashes=hashes,
        created=datetime.datetime.now().astimezone().strftime("%d %B %Y, %H:%M"),
        reading=_read(model, X, y, evaluation, rows),
    )
    write_report(path, data)
    return data


def _refuse_missing(y: Any) -> None:
    if y is None:
        raise ParameterError("the targets of the rows are needed, too", hint="give y, or the name of its column")


def diagnosed(model: Any, X: Any, y: Any, train: tuple[Any, Any] | None, *, groups: Any = None) -> Diagnosis:
    """Ask the doctor, with all the rows there are: those in ``train`` were learned from, X and y were not."""
    found: Diagnosis = (
        model.diagnose() if train is None else model.diagnose(*train, validation_data=(X, y), groups=groups)
    )
    return found


def _read(model: BaseMLP, X: Any, y: Any, evaluation: Evaluation, rows: Any) -> Mapping[str, Any]:
    """Read the planes that the judged rows live in; of very many, evenly spaced ones and the worst."""
    from planefold.reports.reading_data import reading_data

    numbers = np.arange(1, evaluation.n_rows + 1) if rows is None else np.asarray(rows)
    worst = np.flatnonzero(numbers == evaluation.worst_rows[0].row)[:1] if evaluation.worst_rows else np.empty(0, int)
    spaced = np.linspace(0, len(numbers) - 1, min(len(numbers), MAX_ROWS_READ)).round().astype(np.int64)
    chosen = np.union1d(spaced, worst).astype(np.int64)
    try:
        read = reading_data(
            model,
            pick(model._read(X), chosen),
            comparable(model, read_target(y))[chosen],
            numbers=numbers[chosen].tolist(),
            worst=int(np.searchsorted(chosen, worst[0])) if len(worst) else None,
        )
    except NotPiecewiseLinearError as error:
        return {"why_not": f"How it decides cannot be read: {error.what}."}
    return read | {"n_judged": evaluation.n_rows}


def comparable(model: Any, y: Any) -> Any:
    """Bring targets to the type of the model's own, where another file has them in a different one.

    A column of 0 and 1 is read as whole numbers, as decimals where one is written 1.0, and as texts where one
    says "unknown": the 1 among them is the model's class 1 all the same.
    """
    if not isinstance(model, ClassTargets):
        return to_numbers(y)
    if model._target.multilabel or y.dtype.kind == model.classes_.dtype.kind:
        return y
    by_text = {_text(label): label for label in model.classes_.tolist()}
    labels = [by_text.get(_text(value), value) for value in y.tolist()]
    same = {type(label) for label in labels} == {type(label) for label in by_text.values()}
    return np.array(labels, dtype=None if same else object)


def _text(label: Any) -> str:
    return str(text_of(label)).strip()


def _dense(Z: Any) -> Any:
    return Z.toarray() if is_sparse(Z) else Z


def _columns(schema: Any, table: Table) -> Iterator[dict[str, Any]]:
    """Describe each column as the report shows it."""
    values = schema.align(table, with_dropped=True)[0].columns
    for column in schema.columns:
        described: dict[str, Any] = {
            "name": column.name, "kind": column.kind, "why": column.why, "n_missing": column.n_missing,
            "n_unique": column.n_unique, "minimum": column.minimum, "median": column.median,
            "maximum": column.maximum,
        }  # fmt: skip
        if column.kind == "date":
            described["minimum"], described["maximum"] = column.date_minimum, column.date_maximum
        elif column.kind == "number":
            described["histogram"] = _histogram(values[column.name])
        elif column.kind in ("category", "boolean"):
            described["categories"] = _most_frequent(values[column.name])
        yield described


def _histogram(numbers: Any) -> list[int]:
    present = numbers[np.isfinite(numbers)]
    # The outer hundredths would leave one bar and a long way of nothing.
    low, high = np.quantile(present, [0.01, 0.99]) if len(present) else (0.0, 0.0)
    counts: list[int] = np.histogram(present.clip(low, high), N_HISTOGRAM_BINS)[0].tolist() if low < high else []
    return counts


def _most_frequent(categories: Any) -> list[list[Any]]:
    found = Counter(text for text in categories.tolist() if text is not None)
    return [list(pair) for pair in sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_CATEGORIES_SHOWN]]


def choose_estimator(
    table: Table, target: str, parameters: Mapping[str, Any], *, task: str = "auto"
) -> tuple[BaseMLP, str, str]:
    """Choose the estimator for a target column, without fitting it.

    Parameters
    ----------
    table : Table
    target : str
        Name of the column to predict.
    parameters : mapping
        For the constructor.
    task : {"auto", "regression", "classification"}

    Returns
    -------
    model : MLPClassifier or MLPRegressor
    task : str
        "regression" or "classification".
    why : str
        One sentence.

    Raises
    ------
    DataError
        If the column is not there, has missing values, or nothing can be learned from it.
    ParameterError
        If a parameter has a value that it cannot have, or the device is not there.
    """
    values = _target_values(table, target)
    found, why = find_task(values)
    if task == "auto":
        task = "regression" if found == "regression" else "classification"
    else:
        why = "as asked for"
    estimator, other = (MLPRegressor, MLPClassifier) if task == "regression" else (MLPClassifier, MLPRegressor)
    for name in set(other._get_param_names()).difference(estimator._get_param_names()).intersection(parameters):
        told = f"{name}={show(parameters[name])} does not act on {task}"
        raise ParameterError(told, details=f"predicting {target} is {task}: {why}")
    model: BaseMLP = estimator(**parameters)
    model._check()
    find_device(model.device)
    if task == "classification":
        _refuse_classes(values, table, target)
    return model, task, why


def _target_values(table: Table, target: str) -> Any:
    column = table[target]
    if len(column) < 2:
        raise DataError(
            f"{table.source} has one row, and at least 2 are needed",
            hint="one row can neither be learned from nor be judged by",
        )
    missing = np.array([is_missing(value) for value in column.tolist()])
    infinite = np.isinf(column) if column.dtype.kind == "f" else np.zeros(len(column), dtype=bool)
    for wrong, what in ((missing, "has no value"), (infinite, "is infinite")):
        if wrong.any():
            raise DataError(
                f'column "{target}" of {table.source} {what} in row {int(np.argmax(wrong)) + 1}',
                details=f"{int(wrong.sum()):,} of {len(column):,} rows",
                hint="leave these rows out: nothing can be learned from a row whose target is not known",
            )
    return read_target(column, name=f'column "{target}"')


def _refuse_classes(values: Any, table: Table, target: str) -> None:
    """Refuse numbers with decimals, a target of one class, and one in which every row is a class of its own."""
    classes, counts = np.unique(values, return_counts=True)
    if values.dtype.kind == "f" and np.any(classes != np.floor(classes)):
        raise DataError(
            f'column "{target}" of {table.source} has numbers with decimals, which are no classes',
            details=f"such as {listed(classes[classes != np.floor(classes)], limit=3)}",
            hint="choose the task regression, or cut the numbers into classes first",
        )
    if len(classes) == 1:
        raise DataError(
            f'column "{target}" of {table.source} has one class only: {show(classes[0].item())}',
            details=f"all {len(values):,} rows are of it",
            hint="is it the right column, or were the rows filtered?",
        )
    if counts.max() == 1:
        raise DataError(
            f'column "{target}" of {table.source} has a different value in every row: these are no classes',
            details=f"{len(values):,} rows, such as {listed(map(show, classes.tolist()), limit=3)}",
            hint="predict another column",
        )
