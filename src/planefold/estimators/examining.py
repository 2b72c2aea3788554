"""A fitted model as the doctor sees it: its run, and what can be measured on the rows that it was given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils.validation import check_is_fitted

from planefold.core.errors import ParameterError, show
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
        rows = _Rows(model, X, y, validation_data, groups)
        parts["scan"] = rows.scan(time)
        parts["reference"] = rows.reference() if reference else None
        if validation_data is not None:
            parts["scores"] = rows.scores(parts["reference"])
    elif validation_data is not None or y is not None:
        raise ParameterError(
            "the rows that the model learned from are needed, too",
            hint="diagnose(X, y, validation_data=(X_val, y_val))",
        )
    return Case(run=run, curves=Curves.of_run(run), settings=run.settings, schema=schema, **parts)


class _Rows:
    """Rows that a model learned from, and rows that it did not, raw and as the network receives them."""

    def __init__(self, model: BaseMLP, X: Any, y: Any, validation_data: Any, groups: Any) -> None:
        self.model = model
        self.X, self.y = self._read(X, y)
        n_rows = n_rows_of(self.X)
        self.groups = read_groups(groups, n_rows)
        self.is_separate = validation_data is not None
        self.is_own_split = False
        if self.is_separate:
            try:
                X_val, y_val = validation_data
            except (TypeError, ValueError):
                raise ParameterError(
                    f"validation_data={show(validation_data)} must be a pair (X, y)",
                    hint="validation_data=(X_val, y_val)",
                ) from None
            self.learn, self.held_out = (self.X, self.y), self._read(X_val, y_val)
            self.learn_groups = self.groups
            return
        held_out = getattr(model, "_held_out", None)
        if held_out is not None and held_out.max() < n_rows == model._n_rows:
            self.is_own_split = model.n_members == 1
            some = np.setdiff1d(np.arange(n_rows), held_out)
        else:
            some, held_out = split_rows(n_rows, test_size=HELD_OUT, groups=self.groups, random_state=0)
        self.learn = pick(self.X, some), self.y[some]
        self.held_out = pick(self.X, held_out), self.y[held_out]
        self.learn_groups = None if self.groups is None else self.groups[some]

    def _read(self, X: Any, y: Any) -> tuple[Any, Array]:
        from planefold.estimators.reporting import comparable

        X, y = take_target(X, y, self.model.encoder_)
        if y is None:
            raise ParameterError("the targets of the rows are needed, too", hint="diagnose(X, y)")
        return self.model._read(X), comparable(self.model, read_target(y))

    def scan(self, time: Any) -> Scan:
        """Look at the rows themselves: whole, or on both sides of a split that is known."""
        from planefold.doctor.scan import scan

        task = "classification" if hasattr(self.model, "classes_") else "regression"
        names = getattr(self.model, "feature_names_in_", None)
        how: dict[str, Any] = {"task": task, "names": names, "time": time}
        if self.is_separate or self.is_own_split:
            (X, y), (X_val, y_val) = self.learn, self.held_out
            return scan(X, y, X_val=X_val, y_val=y_val, groups=self.learn_groups, **how)
        return scan(self.X, self.y, groups=self.groups, **how)

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


def _columns(rows: Any, model: BaseMLP) -> dict[str, Any]:
    """Return the columns as the user knows them; none of a sparse matrix, whose columns are thousands of words."""
    if isinstance(rows, Table):
        return dict(rows.columns)
    if is_sparse(rows):
        return {}
    names = getattr(model, "feature_names_in_", [f"column {j}" for j in range(rows.shape[1])])
    return {str(name): rows[:, j] for j, name in enumerate(names)}
