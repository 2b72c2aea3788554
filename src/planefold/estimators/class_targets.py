"""Targets that are classes: how they are read, weighed, predicted and decided, whatever the network is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score
from torch import Tensor

from planefold.core.errors import DataError, ParameterError, listed, show
from planefold.data.targets import ClassTarget, class_target, read_target
from planefold.engine.sources import Rows
from planefold.estimators.imbalance import evened, move_outputs, refuse_one_sided, threshold_of, tuned_threshold
from planefold.estimators.training import Array, BaseNetwork


class ClassTargets(BaseNetwork):
    """What classifiers do; beside :class:`BaseNetwork`'s, a network of any kind."""

    class_weight: Any
    resample: str | None
    threshold: Any
    preprocess: Any
    _target: ClassTarget

    def predict(self, X: Any) -> Array:
        """Predict a label for each row (with several labels a row: 0 or 1 for each).

        Parameters
        ----------
        X : data frame, path of a CSV file, mapping of columns, or array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_labels)
        """
        return self._decode(self._predictions(X))

    def predict_proba(self, X: Any) -> Array:
        """Probability of each class, in the order of ``classes_``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Each row adds up to 1, except with several labels a row, where each column stands alone.
        """
        p = self._predictions(X)
        return np.hstack([1 - p, p])[:, : len(self._target.classes)] if self._is_binary else p

    def predict_log_proba(self, X: Any) -> Array:
        """Logarithm of :meth:`predict_proba`."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the share of rows whose label is predicted (with several labels a row: all of them).

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.
        """
        X, y = self._pair(X, y)
        return float(accuracy_score(read_target(y), self.predict(X), sample_weight=sample_weight))

    @property
    def _is_binary(self) -> bool:
        return len(self._target.classes) <= 2 and not self._target.multilabel

    @property
    def _objective_name(self) -> str:
        return "binary_log_loss" if self._is_binary or self._target.multilabel else "log_loss"

    def _learn_target(self, y: Array, label_names: list[str] | None, weights: Array | None, *, again: bool) -> None:
        target = _class_target(y, label_names)
        # scikit-learn fits a single class, too; where its behaviour is asked for, so do we.
        if not target.multilabel and len(target.classes) < 2 and self.preprocess is not None:
            raise DataError(
                f"the target has one class only: {show(target.classes.tolist()[0])}",
                details="a classifier needs rows of at least two classes",
                hint="is it the right column, or were the rows filtered?",
            )
        if not again:
            self._target = target
        elif not _same_classes(target, self._target):
            raise ParameterError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self._target.classes}, `y` has {target.classes}",
                hint="set warm_start=False to train a new network",
            )
        self._check_for_classes()
        self._learn_class_weights(y, weights)

    def _learn_target_in_parts(
        self, y: Array, label_names: list[str] | None, weights: Array | None, classes: Any, *, first: bool
    ) -> None:
        several = y.ndim == 2
        if first:
            self._target = _class_target(y, label_names) if several else class_target(classes, name="classes")
        elif classes is not None and not several and not _same_classes(class_target(classes), self._target):
            raise ParameterError(
                f"`classes={classes}` is not the same as on last call to partial_fit, was: {self.classes_}"
            )
        self._check_for_classes()
        self._learn_class_weights(y, weights)

    def _learn_scale(self, y: Array) -> None:
        """Classes have none."""

    def _learn_class_weights(self, y: Array, weights: Array | None) -> None:
        """Find the weight of each class, or of the 0 and the 1 of each label, from the rows there are."""
        self._class_weights: Array | None = None
        if self.class_weight is None:
            return
        if isinstance(self.class_weight, Mapping):
            self._class_weights = self._chosen_class_weights(self.class_weight)
            return
        # As scikit-learn's compute_class_weight: a row of weight 2 is two rows.
        w = np.ones(len(y)) if weights is None else weights
        if self._target.multilabel:
            ones = w @ y
            totals = np.column_stack([w.sum() - ones, ones])
        else:
            totals = np.bincount(self._target.encode(y), w, minlength=len(self._target.classes))
        even = np.full_like(totals, w.sum() / totals.shape[-1], dtype=float)
        self._class_weights = np.divide(even, totals, out=np.ones_like(even), where=totals > 0)

    def _chosen_class_weights(self, weights: Mapping[Any, float]) -> Array:
        labels = self._target.classes.tolist()
        if self._target.multilabel:
            raise ParameterError(
                f"class_weight={show(dict(weights))} gives each row the weight of its class, and here each row has "
                "several labels",
                hint="use class_weight='balanced', or sample_weight in fit",
            )
        unknown = [label for label in weights if label not in labels]
        if unknown:
            raise ParameterError(
                f"class_weight has a weight for {show(unknown[0])}, which is no class of the target",
                details=f"classes: {listed(map(show, labels))}",
                hint="a class that is left out has the weight 1",
            )
        return np.array([weights.get(label, 1.0) for label in labels], dtype=float)

    def _check_judges(self, there: bool) -> None:
        if isinstance(self.threshold, str) and not there:
            raise ParameterError(
                f"threshold={self.threshold!r} is tuned on rows that are held out, and none are",
                hint="fit with early_stopping=True or validation_data, or give the threshold as a number",
            )

    def _check_for_classes(self) -> None:
        """Refuse parameters that do not fit the kind of target, as soon as that is known."""
        if self.resample is not None and self._target.multilabel:
            raise ParameterError(
                f"resample={self.resample!r} makes classes equally frequent, and here each row has several labels",
                hint="class_weight='balanced' weighs the 0 and the 1 of each label",
            )
        if self.threshold is not None and not self._is_binary:
            what = "several labels a row" if self._target.multilabel else f"{len(self._target.classes)} classes"
            raise ParameterError(
                f"threshold={show(self.threshold)} is for two classes, the target has {what}",
                hint="leave threshold=None; predict_proba gives the probabilities to decide by",
            )

    def _evened(self, learn: Rows, judge: Rows | None, random_state: np.random.RandomState) -> tuple[Rows, Rows | None]:
        if isinstance(self.threshold, str) and judge is not None:
            refuse_one_sided(judge, self.classes_.tolist(), self.threshold)
        self._log_growth: Array | None = None
        if self.resample is None:
            return learn, judge
        even = evened(learn, judge, self.resample, random_state, labels=self.classes_.tolist())
        self._log_growth = even.log_growth
        return even.learn, even.judge

    def _take_up_network(self, rows: Rows) -> None:
        super()._take_up_network(rows)
        if self._log_growth is not None:  # it was put right for the data, and goes on among equally frequent classes
            move_outputs(self.net_, self._log_growth, 1)

    def _learn_threshold(self, judge: Rows | None) -> None:
        """Put the probabilities right, and find out where to decide."""
        n_classes = len(self._target.classes)
        one_number = self._is_binary or self._target.multilabel
        self.threshold_: float | Array = 0.5 if one_number else np.full(n_classes, 1 / n_classes)
        growth = self.__dict__.pop("_log_growth", None)
        if growth is not None:
            move_outputs(self.net_, growth, -1)
            self.threshold_ = threshold_of(growth)
        if isinstance(self.threshold, str) and judge is not None:
            self.threshold_ = tuned_threshold(
                self.net_, judge, self.threshold, class_weights=self._class_weights, start=float(self.threshold_)
            )
        elif self.threshold is not None:
            self.threshold_ = float(self.threshold)

    def _decision_in_words(self) -> str:
        if self._is_binary and self.threshold_ != 0.5:
            second = show(self.classes_.tolist()[-1])
            return f"predicts {second} where its probability is above {self.threshold_:.4g}"
        return ""

    def _n_target_outputs(self) -> int:
        return 1 if self._is_binary else len(self._target.classes)

    def _encode_target(self, y: Array) -> Array:
        codes = self._target.encode(y)
        if self._target.multilabel:
            return codes
        if self._is_binary:
            return codes[:, None].astype(float)
        return np.eye(len(self._target.classes))[codes]

    def _strata(self, y: Array) -> Array | None:
        """Classes that both sides of a split must have; rows with several labels have none."""
        if self._target.multilabel:
            return None
        counts = np.unique(y, return_counts=True)[1]
        alone = self._target.classes[np.isin(self._target.classes, np.unique(y)[counts < 2])]
        if len(alone):
            # The words, and the name True of the second of two classes, are scikit-learn's: its users look for them.
            names = [str(label == self._target.classes[-1]) if self._is_binary else str(label) for label in alone]
            raise DataError(
                "The least populated classes in y have only 1 member, which is too few. The minimum number of "
                "groups for any class cannot be less than 2. Classes with too few members are: " + str(names),
                details=f"rows of class {listed(alone)} cannot be both learned from and held out",
                hint="leave these rows out, get more of them, or train without holding rows out: early_stopping=False",
            )
        return y

    def _weigh(self, y: Array, weights: Array | None) -> Array | None:
        """Multiply the weights of rows by those of their classes."""
        if self._class_weights is None:
            return weights
        codes = self._target.encode(y)
        if self._target.multilabel:
            of_class = np.where(codes > 0, self._class_weights[:, 1], self._class_weights[:, 0]).prod(axis=1)
        else:
            of_class = self._class_weights[codes]
        weighted = of_class if weights is None else of_class * weights
        if not weighted.any():
            raise ParameterError(
                f"class_weight={show(self.class_weight)} gives every row the weight 0",
                hint="at least one class needs a positive weight",
            )
        return np.asarray(weighted)

    def _decode(self, p: Array) -> Array:
        if self._target.multilabel:
            return (p > 0.5).astype(int)
        if self._is_binary:
            codes = (p[:, 0] > self.threshold_).astype(int)
        else:  # the largest beside its threshold; equal thresholds divide by exactly 1
            codes = (p / (self.threshold_ / np.max(self.threshold_))).argmax(axis=1)
        return np.asarray(self._target.classes[np.minimum(codes, len(self._target.classes) - 1)])

    def _score(self, predictions: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        """Accuracy of each member on its held-out rows."""
        if targets.shape[-1] == 1 or self._target.multilabel:
            right = ((predictions > 0.5) == (targets > 0.5)).all(dim=-1)
        else:
            right = predictions.argmax(dim=-1) == targets.argmax(dim=-1)
        return _mean(right.to(targets.dtype), weights)

    @property
    def classes_(self) -> Array:
        """The labels, in the order of the columns of ``predict_proba``."""
        if not hasattr(self, "_target"):
            raise AttributeError(f"{type(self).__name__} has no classes_ before it is fitted")
        return self._target.classes

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _class_target(y: Array, label_names: list[str] | None) -> ClassTarget:
    target = class_target(y)
    if target.multilabel and label_names and len(set(label_names)) == len(target.classes):
        return dataclasses.replace(target, classes=np.array(label_names))
    return target


def _same_classes(new: ClassTarget, old: ClassTarget) -> bool:
    if new.multilabel or old.multilabel:  # names matter to people only
        return new.multilabel == old.multilabel and len(new.classes) == len(old.classes)
    return np.array_equal(new.classes, old.classes)


def _mean(values: Tensor, weights: Tensor | None) -> Tensor:
    return values.mean(dim=-1) if weights is None else (values * weights).sum(dim=-1) / weights.sum(dim=-1)
