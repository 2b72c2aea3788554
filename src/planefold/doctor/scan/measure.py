"""`scan`: measure what can be wrong with the rows of a table, before or after training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from planefold.core.records import Record
from planefold.data.schema import Schema
from planefold.data.splits import random_stream, split_rows
from planefold.doctor.scan.columns import Columns, Outliers, find_outliers, measure_columns
from planefold.doctor.scan.leaks import Leak, measure_leaks
from planefold.doctor.scan.names import NameGroups, measure_name_groups
from planefold.doctor.scan.noise import Noise, measure_noise
from planefold.doctor.scan.order import Order, measure_order
from planefold.doctor.scan.overlap import Overlap, measure_overlap
from planefold.doctor.scan.pictures import Alike, Looks, alike_inside, measure_looks
from planefold.doctor.scan.repeats import (
    Contradictions,
    Repeats,
    first_equal,
    measure_contradictions,
    measure_repeats,
)
from planefold.doctor.scan.sheet import Sheet, read_sheet
from planefold.doctor.scan.shift import LabelShift, Shift, measure_label_shift, measure_shift

HELD_OUT = 0.2  # of a random split that is tried out


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Scan(Record):
    """What was measured on the rows of a table. A part is None where it could not be measured.

    Parameters
    ----------
    n_train, n_val, n_columns : int
        Rows to learn from, rows that were held out (0 where none were given), columns that a network would see.
    task : {"classification", "regression", "none"}
    is_pictures : bool
        Whether the rows are pictures.
    schema : Schema or None
    class_counts : mapping of str to int
        Rows to learn from of each class; empty in a regression.
    columns : Columns or None
    target_outliers : Outliers or None
        Of a target of numbers.
    leak : Leak or None
    repeats : Repeats
    contradictions : Contradictions or None
    overlap : Overlap or None
        Of the held-out rows; of those that a random split would hold out where ``n_val`` is 0.
    noise : Noise or None
    shift : Shift or None
    label_shift : LabelShift or None
    order : Order or None
    kind : {"rows", "pictures", "sounds"}
    files : tuple of str
        Where the rows came from, those to learn from first; empty where that is not known.
    looks : Looks or None
        Of single pictures.
    alike : Alike or None
        Pictures to learn from that show what an earlier one shows, and do not equal it.
    alike_classes : tuple of pairs of int
        Of these pairs, those with two different classes.
    name_groups : NameGroups or None
        Groups that the names of files show; None where they show none, or groups were given.
    """

    n_train: int
    n_val: int
    n_columns: int
    task: str
    is_pictures: bool = False
    schema: Schema | None = None
    class_counts: dict[str, int]
    columns: Columns | None = None
    target_outliers: Outliers | None = None
    leak: Leak | None = None
    repeats: Repeats
    contradictions: Contradictions | None = None
    overlap: Overlap | None = None
    noise: Noise | None = None
    shift: Shift | None = None
    label_shift: LabelShift | None = None
    order: Order | None = None
    kind: str = "rows"
    files: tuple[str, ...] = ()
    looks: Looks | None = None
    alike: Alike | None = None
    alike_classes: tuple[tuple[int, int], ...] = ()
    name_groups: NameGroups | None = None


def scan(
    X: Any,
    y: Any = None,
    *,
    X_val: Any = None,
    y_val: Any = None,
    task: str = "auto",
    names: Sequence[str] | None = None,
    groups: Any = None,
    time: Any = None,
    files: Sequence[str] | None = None,
    kind: str = "auto",
    random_state: int | np.random.RandomState | None = 0,
) -> Scan:
    """Measure what can be wrong with the rows of a table.

    Parameters
    ----------
    X : anything that :func:`planefold.data.read_table` reads, `Pictures`, or array
        The rows to learn from, without the target. An array of shape (n, height, width[, channels]) holds pictures, or
        what can be looked at like them: spectrograms of sounds.
    y : array-like of shape (n_rows,), optional
        The target. Without it less can be measured; of several targets a row nothing about them is.
    X_val, y_val : optional
        The rows that are held out. Without them the scan says what a random split of ``X`` would do.
    task : {"auto", "classification", "regression"}
    names : sequence of str, optional
        Names of the columns of an array.
    groups : array-like of shape (n_train,) or (n_train + n_val,), optional
        What belongs together: patients, houses. With both sides, held-out rows after the others.
    time : str or array-like of shape (n_train,) or (n_train + n_val,), optional
        The column that says when a row was made, or its values. A column of dates is found by itself.
    files : sequence of str of length n_train or n_train + n_val, optional
        Names of the files that the rows came from, with the folders inside what was read; those of `Pictures` are
        known. Findings then name files, and the names are searched for groups.
    kind : {"auto", "rows", "pictures", "sounds"}
        What to call a row in findings.
    random_state : int, RandomState or None

    Returns
    -------
    Scan
        The checks of the data (DA...) turn it into findings: ``diagnose_case(Case(scan=...))``.

    Raises
    ------
    DataError
        If the table cannot be read, or both sides do not have the same columns.

    Notes
    -----
    Trees look at 2,000 rows at most, and neighbours are looked for from 500 rows of either side among all rows, so
    that a scan of 2,000 rows and 20 columns takes less than a second of one core, one of 100,000 rows and 30 columns
    less than five (``python benchmarks/doctor_data.py --only time``).

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.RandomState(0).randn(200, 4)
    >>> found = scan(X, X[:, 0] > 0, X_val=X[:20], y_val=X[:20, 0] > 0)
    >>> found.overlap.n_equal, found.overlap.is_leak
    (20, True)
    """
    random = random_stream(random_state)
    sheet = read_sheet(
        X, y, X_val=X_val, y_val=y_val, task=task, names=names, groups=groups, time=time, files=files, kind=kind
    )
    leak = measure_leaks(sheet, random)
    split = sheet if sheet.n_val else _split(sheet, random)
    alike = alike_inside(sheet, first_equal(sheet), random)
    return Scan(
        n_train=sheet.n_train,
        n_val=sheet.n_val,
        n_columns=len(sheet.names),
        task="none" if sheet.target is None else "classification" if sheet.is_classes else "regression",
        is_pictures=sheet.is_pictures,
        schema=sheet.schema,
        class_counts=_class_counts(sheet),
        columns=measure_columns(sheet),
        target_outliers=_target_outliers(sheet),
        leak=leak,
        repeats=measure_repeats(sheet),
        contradictions=measure_contradictions(sheet),
        overlap=measure_overlap(split, random),
        noise=measure_noise(sheet, random),
        shift=measure_shift(sheet, random),
        label_shift=measure_label_shift(sheet),
        order=measure_order(sheet),
        kind=sheet.kind,
        files=sheet.files,
        looks=measure_looks(sheet),
        alike=alike,
        alike_classes=_of_two_classes(sheet, alike),
        name_groups=_name_groups(split, random),
    )


def _of_two_classes(sheet: Sheet, alike: Alike | None) -> tuple[tuple[int, int], ...]:
    target = sheet.train_target
    if alike is None or target is None or not sheet.is_classes:
        return ()
    return tuple((again, first) for again, first in alike.pairs if target[again] != target[first])


def _name_groups(sheet: Sheet, random: np.random.RandomState) -> NameGroups | None:
    if sheet.groups is not None or not sheet.files or not sheet.n_val:
        return None
    return measure_name_groups(sheet, random)


def _class_counts(sheet: Sheet) -> dict[str, int]:
    target = sheet.train_target
    if target is None or not sheet.is_classes:
        return {}
    counts = np.bincount(target.astype(np.int64), minlength=len(sheet.classes))
    return dict(zip(sheet.classes, counts.tolist(), strict=True))


def _target_outliers(sheet: Sheet) -> Outliers | None:
    target = sheet.train_target
    return None if target is None or sheet.is_classes else find_outliers("the target", target)


def _split(sheet: Sheet, random: np.random.RandomState) -> Sheet:
    """Hold out rows as a training would that was told nothing but the groups."""
    n_groups = 0 if sheet.groups is None else len(np.unique(sheet.groups))
    if sheet.n_rows < 10 or n_groups == 1:
        return sheet
    return sheet.take(*split_rows(sheet.n_rows, test_size=HELD_OUT, groups=sheet.groups, random_state=random))
