"""A fitted model as the doctor sees it: its run, and what can be measured on the rows that it was given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils.validation import check_is_fitted

from planefold.core.errors import DataError, ParameterError
from planefold.data.encoder import TableEncoder
from planefold.data.splits import split_rows
from planefold.data.tables import Table
from planefold.data.targets import read_target
from planefold.doctor import Case, Curves
from planefold.engine.objectives import OBJECTIVES
from planefold.estimators.inputs import is_sparse, n_rows_of, pick, read_groups, take_target

if TYPE_CHECKING:
    from planefold.doctor.reference import Reference
    from planefold.doctor.scan import Scan
    from planefold.doctor.scoring import Scores
    from planefold.estimators.base import BaseMLP
    from planefold.estimators.examining_pictures import PictureRows

Array = npt.NDArray[Any]
HELD_OUT = 0.2  # share of the rows that the reference is judged by, where the model's own split is not known


def case_of(
    model: BaseMLP,
    X: Any = None,
    y: Any = None,
    *,
    validation_data: tuple[Any, Any] | None = None,
    groups: Any = None,
    time: Any = None,
    reference: bool = True,
) -> Case:
    """Collect what the checks look at; see :meth:`Instruments.diagnose` for the parameters."""
    check_is_fitted(model, "run_")
    run = model.run_
    schema = model.encoder_.schema_ if isinstance(model.encoder_, TableEncoder) else None
    parts: dict[str, Any] = {}
    if X is not None:
        rows = _rows_of(model, X, y, validation_data, groups, time)
        parts["scan"] = rows.scan()
        parts["reference"] = rows.reference() if reference else None
        if validation_data is not None:
            parts["scores"] = rows.scores(parts["reference"])
    elif validation_data is not None or y is not None:
        raise ParameterError(
            "the rows that the model learned from are needed, too",
            hint="diagnose(X, y, validation_data=(X_val, y_val))",
        )
    return Case(run=run, curves=Curves.of_run(run), settings=run.settings, schema=schema, **parts)


def _rows_of(model: Any, X: Any, y: Any, validation_data: Any, groups: Any, time: Any) -> _Rows | PictureRows:
    if not hasattr(model, "_read_pictures"):
        return _Rows(model, X, y, validation_data, groups, time)
    from planefold.estimators.examining_pictures import PictureRows

    return PictureRows(model, X, y, validation_data, groups, time, HELD_OUT)


class _Rows:
    """Rows that a model learned from, and rows that it did not, raw and as the network receives them."""

    def __init__(self, model: BaseMLP, X: Any, y: Any, validation_data: Any, groups: Any, time: Any) -> None:
        self.model = model
        self.X, self.y, groups, time = self._read(X, y, groups, time)
        n_rows = n_rows_of(self.X)
        self.groups, self.time = read_groups(groups, n_rows), time
        self.is_separate = validation_data is not None
        self.is_own_split = False
        if self.is_separate:
            self.learn, self.held_out = (self.X, self.y), self._read(*_pair(validation_data))[:2]
            return
        held_out = getattr(model, "_held_out", None)
        if held_out is not None and held_out.max() < n_rows == model._n_rows:
            self.is_own_split = model.n_members == 1
            some = np.setdiff1d(np.arange(n_rows), held_out)
        else:
            some, held_out = split_rows(n_rows, test_size=HELD_OUT, groups=self.groups, random_state=0)
        self.learn = pick(self.X, some), self.y[some]
        self.held_out = pick(self.X, held_out), self.y[held_out]
        if self.is_own_split:  # the scan takes both sides, one below the other
            both = np.concatenate([some, held_out])
            self.groups = None if self.groups is None else self.groups[both]
            self.time = None if time is None else _of_rows(time, n_rows)[both]

    def _read(self, X: Any, y: Any, *named: Any) -> tuple[Any, ...]:
        """Read rows and targets, without the columns that the model does not know, and the columns that have a name."""
        from planefold.estimators.reporting import comparable

        X, y = take_target(X, y, self.model.encoder_)
        if y is None:
            raise ParameterError("the targets of the rows are needed, too", hint="diagnose(X, y)")
        X, y = self.model._read(X), comparable(self.model, read_target(y))
        if len(y) != n_rows_of(X):
            raise DataError(f"X has {n_rows_of(X):,} rows, y has {len(y):,}", hint="one target for each row of X")
        columns = [X[name] if isinstance(name, str) and isinstance(X, Table) else name for name in named]
        known = getattr(self.model, "feature_names_in_", None)
        if isinstance(X, Table) and X.named and known is not None:  # the target may still be among the columns
            X = X.select(name for name in X.names if name in set(known))
        return (X, y, *columns)

    def scan(self) -> Scan:
        """Look at the rows themselves: whole, or on both sides of a split that is known."""
        from planefold.doctor.scan import scan

        task = "classification" if hasattr(self.model, "classes_") else "regression"
        names = getattr(self.model, "feature_names_in_", None)
        how: dict[str, Any] = {"task": task, "names": names, "groups": self.groups, "time": self.time}
        if self.is_separate or self.is_own_split:
            (X, y), (X_val, y_val) = self.learn, self.held_out
            return scan(X, y, X_val=X_val, y_val=y_val, **how)
        return scan(self.X, self.y, **how)

    def reference(self) -> Reference:
        """Let trees learn from the same rows, in the same loss."""
        from planefold.doctor.reference import measure_reference

        (X, y), (X_val, y_val) = self.learn, self.held_out
        return measure_reference(
            self._inputs(X), self.model._encode_target(y), self._inputs(X_val), self.model._encode_target(y_val),
            objective=self.model.run_.objective, random_state=0,
        )  # fmt: skip

    def scores(self, reference: Reference | None) -> Scores:
        """Judge the predictions for the rows that were not learned from."""
        from planefold.doctor.scoring import measure_scores
        from planefold.estimators.reporting import task_of

        model, (rows, truth) = self.model, self.held_out
        objective = OBJECTIVES[model.run_.objective]
        with torch.inference_mode():
            members = model.net_(torch.as_tensor(self._inputs(rows), dtype=model.net_.coefs[0].dtype)).double()
            targets = torch.as_tensor(model._encode_target(truth), dtype=torch.float64)
            losses = objective.row_loss(members.mean(dim=0), targets).numpy()
            linked = objective.link(members).numpy()
        is_class = hasattr(model, "classes_")
        return measure_scores(
            truth,
            model.predict(rows),
            task=task_of(model),
            proba=model.predict_proba(rows) if is_class else None,
            classes=list(model.classes_) if is_class else None,
            losses=losses,
            baselines=None if reference is None else reference.baselines,
            columns=_columns(rows, model),
            members=linked if len(linked) > 1 else None,
        )

    def _inputs(self, rows: Any) -> Array:
        Z = self.model._encode(rows)
        return np.asarray(Z.toarray() if is_sparse(Z) else Z)


def _pair(validation_data: Any) -> tuple[Any, Any]:
    if not isinstance(validation_data, tuple | list) or len(validation_data) != 2:
        told = f"validation_data is a {type(validation_data).__name__} and no pair (X, y)"
        raise ParameterError(told, hint="validation_data=(X_val, y_val)")
    X_val, y_val = validation_data
    return X_val, y_val


def _of_rows(time: Any, n_rows: int) -> Array:
    values = np.asarray(time)
    if values.shape != (n_rows,):
        raise DataError(f"time has shape {values.shape}, expected ({n_rows},): one moment for each row of X")
    return values


def _columns(rows: Any, model: BaseMLP) -> dict[str, Any]:
    """Return the columns as the user knows them; none of a sparse matrix, whose columns are thousands of words."""
    if isinstance(rows, Table):
        return dict(rows.columns)
    if is_sparse(rows):
        return {}
    names = getattr(model, "feature_names_in_", [f"column {j}" for j in range(rows.shape[1])])
    return {str(name): rows[:, j] for j, name in enumerate(names)}
