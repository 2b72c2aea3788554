"""`write_report`: one offline HTML page about a trained model, and `to_json`: the same numbers for a program."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from planefold.core.files import atomic_write
from planefold.doctor.diagnose import Diagnosis
from planefold.engine.run import Run
from planefold.reports.evaluation import Evaluation
from planefold.reports.plain import plain, without_pictures

MOST_BYTES = 1_000_000


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """Everything that a report says.

    Parameters
    ----------
    title : str
    task : str
        One of :data:`~planefold.reports.evaluation.TASKS`.
    target : str
        Name of the column (or columns) that is predicted.
    model : mapping
        ``estimator`` (name), ``parameters`` (name -> text), ``layers`` (rows: mappings with the same keys, or
        sequences of text), ``n_parameters``. Any may be absent.
    evaluation : Evaluation or None
        None when no rows were kept aside.
    run : Run
    diagnosis : Diagnosis or None
        Findings about the data (DA) stand with the data, those about the predictions (SC) with the verdict, the
        others beside the learning curves.
    retrial : sequence of (what, before, after)
        Two trainings side by side, where the doctor's advice was tried; with ``retrial_outcome`` in words.
    columns : tuple of mapping
        In the table's order, each with ``name``, ``kind``, ``why``, ``n_missing``, ``n_unique``, ``minimum``,
        ``median``, ``maximum``, ``categories`` (list of (label, count)), ``histogram`` (list of counts, or None);
        any but the name may be None or absent. A column is shown as left out when ``dropped`` is true, or the kind
        is "drop".
    notes : tuple of str
        About the data, one sentence each.
    rows : mapping
        ``train`` and ``test`` (counts), ``how`` (how they were split, in words). ``described``: the rows that
        ``n_missing`` is counted in; else train and test together.
    reproduce : mapping of str to str
        Label -> code, such as "Command line", "Python".
    versions, hashes : mapping of str to str
    created : str
        When, as it is to be shown.
    reading : mapping or None
        What :func:`~planefold.reports.reading_data.reading_data` gives, or ``{"why_not": a sentence}``; None where
        the planes were not read.
    pictures : mapping or None
        What :func:`~planefold.reports.pictures_data.pictures_data` gives, where the rows are pictures or sounds.
    """

    title: str
    task: str
    target: str
    model: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Evaluation | None = None
    run: Run
    diagnosis: Diagnosis | None = None
    retrial: tuple[tuple[str, str, str], ...] = ()
    retrial_outcome: str = ""
    columns: tuple[Mapping[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    rows: Mapping[str, Any] = field(default_factory=dict)
    reproduce: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)
    created: str = ""
    reading: Mapping[str, Any] | None = None
    pictures: Mapping[str, Any] | None = None


def to_json(data: ReportData) -> dict[str, Any]:
    """Return the report as plain dicts, lists, numbers and text; nan and infinity become None.

    Every number on the page is one of these, rounded: the page holds it in full as ``<data value="...">``. Embedded
    pictures stay in the page.
    """
    found = {item.name: plain(getattr(data, item.name)) for item in dataclasses.fields(data)}
    return found | {"pictures": without_pictures(found["pictures"])}


def write_report(path: str | os.PathLike[str], data: ReportData) -> Path:
    """Write the page: one HTML file of at most 1 MB that asks nothing of any host.

    Parameters
    ----------
    path : path-like
        Where it goes; an older file is replaced in one step.
    data : ReportData

    Returns
    -------
    Path

    Raises
    ------
    FileError
        If the file cannot be written.

    Notes
    -----
    What would pass the limit is cut: 200 columns, 2,000 points, 20 classes, 40 items of a list. `to_json`
    holds all columns.
    """
    from planefold.reports.page import page

    for n_columns, n_items in ((200, 40), (60, 40), (20, 20), (0, 8)):
        html = page(data, n_columns=n_columns, n_items=n_items).encode("utf-8", errors="replace")
        if len(html) <= MOST_BYTES:
            break
    with atomic_write(path, "wb") as file:
        file.write(html)
    return Path(path)
