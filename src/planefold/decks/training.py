"""What the slides' estimators do otherwise in a training: which rows are held out, and what penalties mean."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.errors import DataError, ParameterError, listed, show
from planefold.data.targets import class_target
from planefold.engine.plan import Plan
from planefold.engine.sources import Rows
from planefold.estimators.base import BaseMLP
from planefold.estimators.inputs import pick
from planefold.estimators.mlp import MLPClassifier, MLPRegressor

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Otherwise:
    """What planefold's estimators have no parameter for.

    Parameters
    ----------
    input_dim : int or None
        Columns that X must have.
    validation_split : float
        Share of the rows, the last ones, that is held out.
    l1, l2 : float
        The objective is the mean loss ``+ l1 sum(|w|) + l2 sum(w^2)``, over all weights and biases.
    classes : sequence or None
        All labels, those included that these rows do not have.
    """

    input_dim: int | None
    validation_split: float
    l1: float
    l2: float
    classes: Sequence[Any] | None = None


class AsOnSlides(BaseMLP):
    """Mixed into an estimator of planefold, for the time of one ``fit``."""

    otherwise: Otherwise
    batch_size: int

    def _prepare_all(
        self,
        rows: Any,
        y: Array,
        weights: Array | None,
        groups: Array | None,
        validation_data: tuple[Any, Any] | None,
        random_state: np.random.RandomState,
        *,
        again: bool,
    ) -> tuple[Rows, Rows | None]:
        self._check_width()
        n_rows = len(y)
        n_train = int(n_rows * (1 - self.otherwise.validation_split))  # Keras's rounding
        if validation_data is not None or n_train == n_rows:
            learn, judge = super()._prepare_all(rows, y, weights, groups, validation_data, random_state, again=again)
        else:
            some, others = np.arange(n_train), np.arange(n_train, n_rows)
            self._check_split(y, n_train)
            learn = self._prepare(pick(rows, some), y[some], pick(weights, some), fit=True)
            judge = self._prepare(pick(rows, others), y[others], pick(weights, others), dtype=learn.dtype)
            self._held_out, self._n_rows = others, n_rows
        self.batch_size = min(self.batch_size, learn.n_rows)  # fewer rows than a batch are one batch
        return learn, judge

    def _check_width(self) -> None:
        wanted = self.otherwise.input_dim
        if wanted is not None and wanted != self.n_features_in_:
            raise ParameterError(
                f"input_dim={show(wanted)}, and X has {self.n_features_in_} columns",
                hint=f"input_dim={self.n_features_in_}, or leave it out: fit counts the columns",
            )

    def _check_split(self, y: Array, n_train: int) -> None:
        if n_train < 1:
            raise DataError(
                f"validation_split={show(self.otherwise.validation_split)} of {len(y)} rows leaves none to learn from",
                hint="a smaller share, or more rows",
            )

    def _plan(self, rows: Rows, max_iter: int | None) -> Plan:
        """Turn the slides' penalties into ours: ``alpha ((1 - r) / 2 sum(w^2) + r sum(|w|)) / rows``."""
        plan: Plan = super()._plan(rows, max_iter)
        l1, l2 = self.otherwise.l1, 2 * self.otherwise.l2
        # Several labels: our loss is their sum, Keras's and torch's their mean. The penalty keeps its share in it.
        n_losses = rows.y.shape[-1] if self._objective.name == "binary_log_loss" else 1
        self.alpha = plan.batch_size * n_losses * (l1 + l2)
        self.l1_ratio = l1 / (l1 + l2) if l1 + l2 > 0 else 0.0
        return dataclasses.replace(plan, alpha=self.alpha, l1_ratio=self.l1_ratio, penalty_rows=plan.batch_size)

    def _could_go_on(self) -> bool:
        return False  # so many epochs were asked for, and no more

    def plain(self) -> Any:
        """Return what came out, as the planefold estimator that it is."""
        model = object.__new__(MLPClassifier if isinstance(self, MLPClassifier) else MLPRegressor)
        model.__dict__.update({name: value for name, value in self.__dict__.items() if name != "otherwise"})
        return model


class RegressorOnSlides(AsOnSlides, MLPRegressor):
    """`MLPRegressor`, trained as the slides' estimators are."""


class ClassifierOnSlides(AsOnSlides, MLPClassifier):
    """`MLPClassifier`, trained as the slides' estimators are."""

    def _learn_target(self, y: Array, label_names: list[str] | None, weights: Array | None, *, again: bool) -> None:
        classes = self.otherwise.classes
        if classes is None:
            super()._learn_target(y, label_names, weights, again=again)
        elif y.ndim == 2:
            if len(set(classes)) != y.shape[1]:
                raise ParameterError(
                    f"classes={show(list(classes))} are {len(set(classes))} labels, and y has {y.shape[1]} columns"
                )
            super()._learn_target(y, [str(label) for label in classes], weights, again=again)
        else:
            self._check_classes(y, class_target(classes, name="classes").classes)
            self._learn_target_in_parts(y, label_names, weights, classes, first=True)

    def _check_classes(self, y: Array, classes: Array) -> None:
        there = np.unique(y)
        strange = [label for label in there.tolist() if label not in classes.tolist()]
        if strange:
            raise ParameterError(
                f"classes={show(classes.tolist())} lacks the label {show(strange[0])}, which y has",
                details=f"labels in y: {listed(map(show, there.tolist()))}",
                hint="leave classes out, and fit finds them",
            )

    def _check_split(self, y: Array, n_train: int) -> None:
        super()._check_split(y, n_train)
        if y.ndim == 2:
            return
        missing = np.setdiff1d(y[n_train:], y[:n_train]).tolist()
        if missing:
            raise DataError(
                f"validation_split={show(self.otherwise.validation_split)} holds out the last {len(y) - n_train} rows, "
                f"and the label {show(missing[0])} stands in these alone",
                details="as in Keras, the rows are cut in their order, before they are shuffled for training",
                hint="shuffle the rows first: sklearn.utils.shuffle(X, y, random_state=0)",
            )
