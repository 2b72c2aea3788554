"""Examples: tables that come with scikit-learn, with readable names, to try everything on."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from planefold.core.errors import unknown_choice
from planefold.core.files import atomic_write
from planefold.data.cells import Array
from planefold.data.splits import split_rows
from planefold.data.tables import Table


@dataclass(frozen=True, kw_only=True)
class Example:
    """One example: what it is about, what is predicted, and how its columns are called."""

    description: str
    task: str
    target: str
    source: str
    rename: Callable[[str], str]
    labels: tuple[str, ...] = ()


def _with_underscores(name: str) -> str:
    return name.replace(" (cm)", "").replace("/", "_per_").replace(" ", "_")


_DIABETES = {
    "bmi": "body_mass_index",
    "bp": "blood_pressure",
    "s1": "total_cholesterol",
    "s2": "ldl",
    "s3": "hdl",
    "s4": "cholesterol_per_hdl",
    "s5": "log_triglycerides",
    "s6": "blood_sugar",
}

EXAMPLES: dict[str, Example] = {
    "iris": Example(
        description="150 irises of three species, by the sizes of their petals and sepals",
        task="multiclass",
        target="species",
        source="load_iris",
        rename=_with_underscores,
        labels=("setosa", "versicolor", "virginica"),
    ),
    "wine": Example(
        description="178 wines of three growers, by 13 chemical measurements",
        task="multiclass",
        target="grower",
        source="load_wine",
        rename=_with_underscores,
        labels=("first", "second", "third"),
    ),
    "breast_cancer": Example(
        description="569 breast tumours, malignant or benign, by 30 measurements of their cell nuclei",
        task="binary",
        target="diagnosis",
        source="load_breast_cancer",
        rename=_with_underscores,
        labels=("malignant", "benign"),
    ),
    "diabetes": Example(
        description="442 patients: how their diabetes went on within a year, by ten measurements",
        task="regression",
        target="progression",
        source="load_diabetes",
        rename=lambda name: _DIABETES.get(name, name),
    ),
    "digits": Example(
        description="1,797 handwritten digits of 8 x 8 pixels",
        task="multiclass",
        target="digit",
        source="load_digits",
        rename=lambda name: name.replace("pixel_", "row").replace("_", "_column"),
        labels=("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    ),
}


def load_example(name: str) -> tuple[Table, str]:
    """Load an example; nothing is downloaded.

    Parameters
    ----------
    name : str
        One of ``EXAMPLES``.

    Returns
    -------
    table : Table
        The features, and the target as the last column: class labels as texts.
    target : str
        The name of the target column.

    Examples
    --------
    >>> table, target = load_example("iris")
    >>> table.n_rows, target, table["species"][0]
    (150, 'species', 'setosa')
    """
    if name not in EXAMPLES:
        raise unknown_choice("name", name, list(EXAMPLES))
    from sklearn import datasets

    example = EXAMPLES[name]
    # The raw measurements of the patients, not the ones that scikit-learn has scaled.
    options: dict[str, Any] = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(datasets, example.source)(**options)
    columns: dict[str, Array] = {}
    for feature, values in zip(bunch.feature_names, np.asarray(bunch.data).T, strict=True):
        columns[example.rename(str(feature))] = np.ascontiguousarray(values, dtype=np.float64)
    target = np.asarray(bunch.target)
    labels = np.array(example.labels, dtype=object)
    columns[example.target] = labels[target] if example.labels else target.astype(np.float64)
    return Table(columns, name), example.target


def save_example(
    name: str, path: str | os.PathLike[str], *, holdout: str | os.PathLike[str] | None = None
) -> tuple[Path, ...]:
    """Write an example as a CSV file, whole or not at all.

    Parameters
    ----------
    name : str
        One of ``EXAMPLES``.
    path : path
        The file, or a folder that shall hold ``<name>.csv``.
    holdout : path, optional
        A second file for a fifth of the rows, which the first then lacks; always the same rows, each class
        with its share.

    Returns
    -------
    tuple of Path
        What was written.
    """
    table, target = load_example(name)
    goal = Path(path)
    if goal.is_dir():
        goal = goal / f"{name}.csv"
    if holdout is None:
        _write(table, goal)
        return (goal,)
    classes = None if EXAMPLES[name].task == "regression" else table[target]
    train, kept = split_rows(table.n_rows, test_size=0.2, y=classes, random_state=0)
    _write(table.take(train), goal)
    _write(table.take(kept), Path(holdout))
    return goal, Path(holdout)


def _write(table: Table, goal: Path) -> None:
    with atomic_write(goal, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.names)
        writer.writerows(zip(*(column.tolist() for column in table.columns.values()), strict=True))
