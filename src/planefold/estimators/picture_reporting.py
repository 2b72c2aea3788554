"""From a fitted model of pictures, or of sounds, to its evaluation and the report about it."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from planefold.core.errors import DataError, show
from planefold.data.targets import read_target
from planefold.doctor import Diagnosis
from planefold.estimators.class_targets import ClassTargets
from planefold.estimators.images import BaseImages
from planefold.estimators.loading import versions
from planefold.estimators.reporting import UNTOLD, comparable, diagnosed, task_of
from planefold.reports import Evaluation, ReportData, evaluate, write_report
from planefold.reports.pictures_data import pictures_data
from planefold.reports.pixel_baselines import fit_pixel_baselines


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """Pictures with the truth about them, and what a model says.

    Parameters
    ----------
    pictures : Pictures or SoundPictures
    truth, predicted : ndarray of shape (n_pictures,) or (n_pictures, n_outputs)
    proba : ndarray of shape (n_pictures, n_classes), or None
    """

    pictures: Any
    truth: Any
    predicted: Any
    proba: Any = None


def noun_of(model: BaseImages) -> str:
    """Say what one row of a model is: a picture or a sound."""
    return "sound" if hasattr(model, "features_") else "picture"


def read_pair(model: BaseImages, X: Any, y: Any) -> tuple[Any, Any]:
    """Read pictures and the truth about them, of which there must be as many."""
    pictures, labels = model._pair(X, y)
    truth = comparable(model, read_target(labels))
    if len(truth) != len(pictures):
        raise DataError(f"there are {len(pictures):,} {noun_of(model)}s and {len(truth):,} targets",
                        hint=f"one target for each {noun_of(model)}")  # fmt: skip
    return pictures, truth


def judged(model: BaseImages, X: Any, y: Any) -> Judged:
    """Predict pictures whose truth is known."""
    pictures, truth = read_pair(model, X, y)
    is_class = isinstance(model, ClassTargets)
    return Judged(
        pictures=pictures,
        truth=truth,
        predicted=model.predict(pictures),
        proba=model.predict_proba(pictures) if is_class else None,
    )


def evaluation_of(model: BaseImages, found: Judged, train: tuple[Any, Any] | None, rows: Any) -> Evaluation:
    """Compare predictions with the truth, and with what baselines say that learned from the same pictures."""
    task, baselines = task_of(model), {}
    if train is not None:
        baselines = fit_pixel_baselines(
            task=task, X_train=_values(train[0]), y_train=train[1], X_test=_values(found.pictures),
            of="pixels" if noun_of(model) == "picture" else "loudness",
        )  # fmt: skip
    names = list(model.classes_) if isinstance(model, ClassTargets) else None
    how: dict[str, Any] = {
        "task": task, "y_true": found.truth, "y_pred": found.predicted, "proba": found.proba, "classes": names,
        "row_numbers": rows, "noun": noun_of(model),
    }  # fmt: skip
    # Behind the trivial rule the strongest stands first: the reasons speak of it.
    strong = sorted(list(baselines)[1:], key=lambda name: _wrongness(found.truth, baselines[name][0]))
    return evaluate(baselines={name: baselines[name] for name in [*list(baselines)[:1], *strong]}, **how)


def _wrongness(truth: Any, said: Any) -> float:
    if truth.dtype.kind == "f":
        return float(np.square(np.asarray(said, float) - truth).mean())
    return float((np.asarray(said) != truth).mean())


def _values(pictures: Any) -> Any:
    return pictures.pixels if hasattr(pictures, "pixels") else pictures.values


def train_pair(model: BaseImages, train: Any) -> tuple[Any, Any] | None:
    """Read ``train``: (X, y), or X alone where the folders say what the pictures show."""
    if train is None:
        return None
    X, y = train if isinstance(train, tuple | list) and len(train) == 2 else (train, None)
    try:
        return read_pair(model, X, y)
    except ValueError as error:
        error.add_note("while reading train")
        raise


def judge_pictures(model: BaseImages, X: Any, y: Any, *, train: Any, rows: Any) -> Evaluation:
    """Judge a model of pictures; :func:`planefold.judge` calls it."""
    return evaluation_of(model, judged(model, X, y), train_pair(model, train), rows)


def report_pictures(
    model: BaseImages,
    path: str | Path,
    X: Any,
    y: Any,
    *,
    train: Any,
    rows: Any,
    title: str | None,
    how_split: str,
    reproduce: Mapping[str, str] | None,
    model_path: str | Path | None,
    diagnosis: Diagnosis | None,
    retrial: Any,
) -> ReportData:
    """Write the page about a model of pictures; :func:`planefold.report` calls it."""
    noun = noun_of(model)
    found, learned = judged(model, X, y), train_pair(model, train)
    evaluation = evaluation_of(model, found, learned, rows)
    parameters = {k: str(v) for k, v in model.get_params(deep=False).items() if k not in UNTOLD}
    if task_of(model) == "binary":
        parameters["threshold_"] = f"{model.threshold_:.4g}"
    hashes = {}
    if model_path is not None:
        hashes[Path(model_path).name] = hashlib.sha256(Path(model_path).read_bytes()).hexdigest()
    skipped = list(dict.fromkeys([*model.skipped_, *found.pictures.skipped, *(learned[0].skipped if learned else ())]))
    target = model.target_name_ or ("class" if isinstance(model, ClassTargets) else "number")
    data = ReportData(
        title=title or f"{_source(found.pictures, noun)}: {type(model).__name__}",
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
        diagnosis=diagnosis or diagnosed(model, found.pictures, found.truth, learned),
        retrial=() if retrial is None else tuple(retrial.rows()),
        retrial_outcome="" if retrial is None else f"{retrial.headline}. The one {retrial.kept} was kept.",
        notes=_notes(model, found, learned),
        rows={
            "train": model.run_.n_train if learned is None else len(learned[0]),
            "test": len(found.pictures),
            "how": how_split,
        },
        reproduce=dict(reproduce or {}),
        versions=versions(),
        hashes=hashes,
        created=datetime.datetime.now().astimezone().strftime("%d %B %Y, %H:%M"),
        pictures=pictures_data(
            model, found.pictures, truth=found.truth, predicted=found.predicted, proba=found.proba, numbers=rows,
            training=None if learned is None else learned[0], skipped=skipped, noun=noun,
        ),
    )  # fmt: skip
    write_report(path, data)
    return data


def _source(pictures: Any, noun: str) -> str:
    source = str(pictures.source)
    return f"{noun.capitalize()}s" if source in ("array", "") else Path(source).name or source


def _notes(model: BaseImages, found: Judged, learned: tuple[Any, Any] | None) -> tuple[str, ...]:
    """Say in sentences what the pictures are, and how many of each class."""
    notes = [f"The model reads {model._inputs_in_words()}."]
    if isinstance(model, ClassTargets) and found.truth.ndim == 1:
        for words, labels in (("learned from", None if learned is None else learned[1]), ("judged by", found.truth)):
            if labels is None:
                continue
            names, counts = np.unique(labels.astype(str), return_counts=True)
            order = np.argsort(-counts, kind="stable")[:20]
            listed = ", ".join(f"{names[i]} {counts[i]:,}" for i in order)
            notes.append(f"Of each class it {words}: {listed}{', …' if len(names) > 20 else ''}.")
    known = {show(note) for note in getattr(found.pictures, "notes", ())}
    return (*notes, *(note.strip("'") for note in sorted(known)))
