"""From a fitted model and rows to judge it by: its evaluation, and the report about it."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from planefold.core.errors import DataError
from planefold.data.encoder import TableEncoder
from planefold.data.tables import Table, read_table
from planefold.data.targets import find_task, read_target
from planefold.estimators.base import BaseMLP
from planefold.estimators.inputs import take_target
from planefold.estimators.loading import versions
from planefold.estimators.mlp import MLPClassifier
from planefold.reports import Evaluation, ReportData, evaluate, fit_baselines, write_report

N_HISTOGRAM_BINS = 24
MAX_CATEGORIES_SHOWN = 6
UNTOLD = ("random_state", "verbose", "warm_start", "callbacks", "device", "dtype", "preprocess")


def task_of(model: BaseMLP) -> str:
    """Name what a fitted model predicts, in one of ``planefold.reports.TASKS``."""
    target = model._target
    if isinstance(model, MLPClassifier):
        if target.multilabel:
            return "multilabel"
        return "binary" if len(target.classes) <= 2 else "multiclass"
    return "regression" if model.n_outputs_ == 1 else "multioutput"


def judge(model: BaseMLP, X: Any, y: Any, *, train: tuple[Any, Any] | None = None, rows: Any = None) -> Evaluation:
    """Judge a fitted model on rows it has not seen.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
    X, y
        The rows and their targets, as in ``fit``.
    train : (X, y), optional
        The rows that the model learned from: a trivial rule and gradient boosting learn from the same ones.
    rows : sequence of int, optional
        The number of each row in its file, for the list of the worst ones.

    Returns
    -------
    planefold.reports.Evaluation
    """
    X, y = take_target(X, y, model.preprocess)
    truth = _comparable(model, read_target(y))
    task = task_of(model)
    predicted = model.predict(X)
    proba = model.predict_proba(X) if isinstance(model, MLPClassifier) else None
    baselines = {}
    if train is not None:
        X_train, y_train = take_target(*train, model.preprocess)
        inputs = [np.asarray(_dense(model._encode(model._read(part, reset=False)))) for part in (X_train, X)]
        baselines = fit_baselines(
            task=task, X_train=inputs[0], y_train=_comparable(model, read_target(y_train)), X_test=inputs[1],
            random_state=0,
        )  # fmt: skip
    classes = list(model.classes_) if isinstance(model, MLPClassifier) else None
    return evaluate(
        task=task, y_true=truth, y_pred=predicted, proba=proba, classes=classes, baselines=baselines, row_numbers=rows
    )


def report(
    model: BaseMLP,
    path: str | Path,
    X: Any,
    y: Any,
    *,
    train: tuple[Any, Any] | None = None,
    rows: Any = None,
    title: str | None = None,
    how_split: str = "as given",
    reproduce: Mapping[str, str] | None = None,
    model_path: str | Path | None = None,
) -> ReportData:
    """Write one HTML page about a fitted model, judged on rows it has not seen.

    Parameters
    ----------
    model : MLPClassifier or MLPRegressor
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

    Returns
    -------
    planefold.reports.ReportData
        Everything that the page says.
    """
    X, y = take_target(X, y, model.preprocess)
    target = getattr(model, "target_name_", None) or "target"
    schema = model.encoder_.schema_ if isinstance(model.encoder_, TableEncoder) else None
    described = X if train is None else take_target(*train, model.preprocess)[0]
    n_test = int(len(read_target(y)))
    hashes = {}
    if model_path is not None:
        hashes[Path(model_path).name] = hashlib.sha256(Path(model_path).read_bytes()).hexdigest()
    data = ReportData(
        title=title or f"{target}: {type(model).__name__}",
        task=task_of(model),
        target=str(target),
        model={
            "estimator": type(model).__name__,
            "parameters": {k: str(v) for k, v in model.get_params(deep=False).items() if k not in UNTOLD},
            "layers": list(model.net_.spec.layers()),
            "n_parameters": model.n_parameters_,
        },
        evaluation=judge(model, X, y, train=train, rows=rows),
        run=model.run_,
        findings=tuple(model.diagnose()),
        columns=tuple(_columns(schema, described)) if schema is not None else (),
        notes=tuple(schema.notes()) if schema is not None else (),
        rows={"train": _n_learned(model), "test": n_test, "how": how_split, "described": _length(described)},
        reproduce=dict(reproduce or {}),
        versions=versions(),
        hashes=hashes,
        created=datetime.datetime.now().astimezone().strftime("%d %B %Y, %H:%M"),
    )
    write_report(path, data)
    return data


def _n_learned(model: BaseMLP) -> int:
    run = model.run_
    # Several members hold out other rows each: together they learn from all.
    return run.n_train if run.n_members == 1 or not run.n_val else max(run.n_train, run.n_train + run.n_val)


def _comparable(model: BaseMLP, y: Any) -> Any:
    """Bring targets to the type of the model's labels, where a file has them in another one: 1.0 for 1."""
    if isinstance(model, MLPClassifier) and not model._target.multilabel:
        labels = model.classes_
        if labels.dtype.kind == "U" and y.dtype.kind != "U":
            return y.astype(str)
        if labels.dtype.kind in "if" and y.dtype.kind in "if":
            return y.astype(labels.dtype) if np.all(y == np.floor(y)) else y
    elif not isinstance(model, MLPClassifier) and y.dtype.kind == "U":
        from planefold.data.targets import to_numbers

        return to_numbers(y)
    return y


def _dense(Z: Any) -> Any:
    return Z.toarray() if hasattr(Z, "toarray") else Z


def _length(X: Any) -> int:
    return int(X.n_rows if isinstance(X, Table) else len(X))


def _columns(schema: Any, X: Any) -> Any:
    """Describe each column as the report shows it."""
    table = read_table(X) if not isinstance(X, np.ndarray) else None
    values = {} if table is None else dict(schema.align(table, with_dropped=True)[0].columns)
    for column in schema.columns:
        described: dict[str, Any] = {
            "name": column.name, "kind": column.kind, "why": column.why, "n_missing": column.n_missing,
            "n_unique": column.n_unique, "minimum": column.minimum, "median": column.median,
            "maximum": column.maximum,
        }  # fmt: skip
        if column.kind == "date":
            described["minimum"], described["maximum"] = column.date_minimum, column.date_maximum
        found = values.get(column.name)
        if found is not None and column.kind == "number":
            present = found[np.isfinite(found)]
            # The outer hundredths would leave one bar and a long way of nothing.
            low, high = np.quantile(present, [0.01, 0.99]) if len(present) else (0.0, 0.0)
            if low < high:
                described["histogram"] = np.histogram(present.clip(low, high), N_HISTOGRAM_BINS)[0].tolist()
        elif found is not None and column.kind in ("category", "boolean"):
            texts, counts = np.unique([text for text in found.tolist() if text is not None], return_counts=True)
            order = np.argsort(-counts, kind="stable")[:MAX_CATEGORIES_SHOWN]
            described["categories"] = [[str(texts[i]), int(counts[i])] for i in order]
        yield described


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
        If the column is not there or has missing values.
    """
    from planefold.estimators.mlp import MLPRegressor

    values = read_target(table[target], name=f'column "{target}"')
    if len(values) < 2:
        raise DataError(
            f"{table.source} has {len(values)} row of data, and at least 2 are needed",
            hint="one row can neither be learned from nor be judged by",
        )
    found, why = find_task(values)
    if task == "auto":
        task = "regression" if found == "regression" else "classification"
    else:
        why = "as asked for"
    model: BaseMLP = MLPRegressor(**parameters) if task == "regression" else MLPClassifier(**parameters)
    return model, task, why
