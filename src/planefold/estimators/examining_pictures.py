"""Pictures and sounds as the doctor sees them: those a model learned from, those it did not, and their files."""

from __future__ import annotations

import dataclasses
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from planefold.core.errors import DataError, ParameterError
from planefold.data.groups import groups_of
from planefold.data.splits import split_rows
from planefold.data.targets import read_target
from planefold.engine.objectives import OBJECTIVES
from planefold.estimators.inputs import read_groups

if TYPE_CHECKING:
    from planefold.doctor.reference import Reference
    from planefold.doctor.scan import Scan
    from planefold.doctor.scoring import Scores
    from planefold.estimators.images import BaseImages

Array = npt.NDArray[Any]


class PictureRows:
    """Pictures that a model learned from, and pictures that it did not, of the size that the network receives.

    Parameters
    ----------
    model : ImageClassifier, ImageRegressor or SoundClassifier
        Fitted.
    X, y, validation_data, groups, time
        As in :meth:`planefold.estimators.instruments.Instruments.diagnose`; y may be absent where folders say it.
    held_out : float
        Share of the pictures that a reference is judged by, where the model's own split is not known.
    """

    def __init__(
        self, model: BaseImages, X: Any, y: Any, validation_data: Any, groups: Any, time: Any, held_out: float
    ) -> None:
        self.model: Any = model
        self.rows, self.y = self._read(X, y)
        n = len(self.rows)
        self.groups = read_groups(groups_of(self.rows, groups), n)
        self.time = None if time is None else np.asarray(time)
        if self.time is not None and self.time.shape != (n,):
            raise DataError(f"time has shape {self.time.shape}, expected ({n},): one moment for each picture of X")
        self.is_separate, self.is_own_split = validation_data is not None, False
        if validation_data is not None:
            self.learn, self.held_out = (self.rows, self.y), self._read(*pair_of(validation_data))
            return
        others = getattr(model, "_held_out", None)
        if others is not None and others.max() < n == self.model._n_rows:
            self.is_own_split = True
            some = np.setdiff1d(np.arange(n), others)
        else:
            some, others = split_rows(n, test_size=held_out, groups=self.groups, random_state=0)
        self.learn = self.rows[some], self.y[some]
        self.held_out = self.rows[others], self.y[others]
        if self.is_own_split:  # the scan takes both sides, one below the other
            both = np.concatenate([some, others])
            self.groups = None if self.groups is None else self.groups[both]
            self.time = None if self.time is None else self.time[both]

    def _read(self, X: Any, y: Any) -> tuple[Any, Array]:
        from planefold.estimators.reporting import comparable

        rows = self.model._read_pictures(X)
        values = comparable(self.model, read_target(self.model._labels(rows, y)))
        if len(values) != len(rows):
            raise DataError(f"X has {len(rows):,} rows, y has {len(values):,}", hint="one target for each row of X")
        return rows, np.asarray(values)

    @property
    def kind(self) -> str:
        """What a row is."""
        return "pictures" if hasattr(self.rows, "pixels") else "sounds"

    def scan(self) -> Scan:
        """Look at the pictures themselves: whole, or on both sides of a split that is known."""
        from planefold.doctor.scan import scan

        task = "classification" if hasattr(self.model, "classes_") else "regression"
        how: dict[str, Any] = {"task": task, "groups": self.groups, "time": self.time, "kind": self.kind}
        if not (self.is_separate or self.is_own_split):
            return scan(_values(self.rows), self.y, files=self.rows.files or None, **how)
        (rows, y), (others, y_val) = self.learn, self.held_out
        files = (*rows.files, *others.files) if rows.files and others.files else None
        found = scan(_values(rows), y, X_val=_values(others), y_val=y_val, files=files, **how)
        return dataclasses.replace(found, files=_named(rows, others)) if found.files else found

    def reference(self) -> Reference:
        """Let simple models learn from the main parts of the same pictures, in the same loss."""
        from planefold.doctor.reference import measure_reference
        from planefold.doctor.scan.looks import coarse_pixels
        from planefold.doctor.scan.neighbours import components

        (rows, y), (others, y_val) = self.learn, self.held_out
        pixels = np.concatenate([coarse_pixels(_values(side)) for side in (rows, others)])
        parts = components(pixels, len(rows), np.random.RandomState(0))
        return measure_reference(
            parts[: len(rows)], self.model._encode_target(y), parts[len(rows) :], self.model._encode_target(y_val),
            objective=self.model.run_.objective, random_state=0,
        )  # fmt: skip

    def scores(self, reference: Reference | None) -> Scores:
        """Judge the predictions for the pictures that were not learned from."""
        from planefold.doctor.scan.looks import looks_of, small_pictures
        from planefold.doctor.scoring import measure_scores
        from planefold.estimators.reporting import task_of

        model, (rows, truth) = self.model, self.held_out
        raw = torch.from_numpy(np.asarray(model.decision_outputs(rows), dtype=np.float64))
        targets = torch.as_tensor(model._encode_target(truth), dtype=torch.float64)
        is_class = hasattr(model, "classes_")
        return measure_scores(
            truth,
            model.predict(rows),
            task=task_of(model),
            proba=model.predict_proba(rows) if is_class else None,
            classes=list(model.classes_) if is_class else None,
            losses=OBJECTIVES[model.run_.objective].row_loss(raw, targets).numpy(),
            baselines=None if reference is None else reference.baselines,
            columns=looks_of(small_pictures(_values(rows)), self.kind),
        )


def pair_of(validation_data: Any) -> tuple[Any, Any]:
    """Take pictures and what they show apart; folders alone say it themselves."""
    if not isinstance(validation_data, tuple | list):
        return validation_data, None
    if len(validation_data) != 2:
        told = f"validation_data is a {type(validation_data).__name__} of {len(validation_data)} and no pair (X, y)"
        raise ParameterError(told, hint="validation_data=(X_val, y_val), or a folder with one folder for each class")
    return validation_data[0], validation_data[1]


def _values(rows: Any) -> Array:
    """Return the numbers of pictures or of pictures of sounds."""
    return np.asarray(rows.pixels if hasattr(rows, "pixels") else rows.values)


def _named(rows: Any, others: Any) -> tuple[str, ...]:
    """Name the files of both sides, with the name of the folder that was read where these differ."""
    names = [PurePath(side.source).name for side in (rows, others)]
    if str(rows.source) == str(others.source) or not all(names) or names[0] == names[1]:
        return (*rows.files, *others.files)
    return tuple(f"{name}/{file}" for name, side in zip(names, (rows, others), strict=True) for file in side.files)
