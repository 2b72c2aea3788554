"""`MLPClassifier` and `MLPRegressor`: drop-in for scikit-learn's, with better defaults and more to say."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.metaestimators import available_if
from torch import Tensor

from planefold.core.errors import DataError, ParameterError, listed, show
from planefold.data import robust
from planefold.data.targets import ClassTarget, NumberTarget, class_target, number_target, read_target, to_numbers
from planefold.engine.objectives import OBJECTIVES, Objective, huber
from planefold.engine.run import Epoch
from planefold.engine.schedules import Schedule
from planefold.engine.sources import Rows
from planefold.estimators.base import Array, BaseMLP
from planefold.estimators.describe import documented
from planefold.estimators.imbalance import evened, move_outputs, refuse_one_sided, threshold_of, tuned_threshold
from planefold.estimators.inputs import take_target
from planefold.networks.initialization import Initialization

# With these values the estimators behave as scikit-learn's: one network, on the numbers as they are.
SKLEARN_DEFAULTS: Mapping[str, Any] = MappingProxyType({
    "hidden_layer_sizes": (100,),
    "learning_rate": "constant",
    "learning_rate_init": 0.001,
    "max_iter": 200,
    "tol": 1e-4,
    "n_iter_no_change": 10,
    "early_stopping": False,
    "n_members": 1,
    "skip": None,
    "dropout": 0.0,
    "preprocess": None,
})  # fmt: skip

ROBUST_LOSSES = ("absolute_error", "huber")  # those that a few giant targets do not rule


def _is_stochastic(model: BaseMLP) -> bool:
    return bool(model.solver != "lbfgs")


@documented
class MLPClassifier(ClassifierMixin, BaseMLP):  # type: ignore[misc]
    """Multilayer perceptrons that tell classes apart: two, more, or several labels at once.

    Every parameter and fitted attribute of scikit-learn's ``MLPClassifier`` is here with its name and
    meaning. The defaults are others: tables are prepared as they come, ``n_members`` small networks are
    trained side by side, each holding out other rows to know when to stop, and each starts from the
    linear solution. ``MLPClassifier(**SKLEARN_DEFAULTS)`` behaves as scikit-learn's.

    {parameters}

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> model = MLPClassifier(random_state=0).fit(X, y)
    >>> model.predict(X[:2])
    array([0, 0])
    >>> model.score(X, y) > 0.95
    True
    """

    loss = "log_loss"  # the only one: an attribute, as in scikit-learn, and no parameter

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (64, 64),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str | Schedule = "cosine",
        learning_rate_init: float = 0.01,
        power_t: float = 0.5,
        max_iter: int | None = None,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 0.0,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        rho: float = 0.9,
        n_iter_no_change: float = 30,
        max_fun: int = 15000,
        n_members: int = 8,
        skip: str | None = "linear",
        encoding: str = "auto",
        dropout: float | Sequence[float] = 0.3,
        batch_norm: bool = False,
        l1_ratio: float = 0.0,
        penalize_bias: bool = False,
        clip_norm: float | None = None,
        init: str | Initialization = "auto",
        class_weight: str | Mapping[Any, float] | None = None,
        resample: str | None = None,
        threshold: float | str | None = None,
        preprocess: Any = "auto",
        device: str = "auto",
        dtype: str = "auto",
        restore_best: bool = True,
        callbacks: Sequence[Callable[[Epoch], object]] | None = None,
    ) -> None:
        self._keep(locals())

    @available_if(_is_stochastic)  # type: ignore[untyped-decorator, unused-ignore]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> MLPClassifier:
        """Make one pass over the rows given, going on from where the weights are.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`. The preparation of the columns is learned from the first call's rows.
        classes : array-like of shape (n_classes,), optional
            All labels that will ever come; needed in the first call.
        """
        if classes is None and not hasattr(self, "net_"):
            raise ParameterError(
                "classes must be passed on the first call to partial_fit.", hint="classes=numpy.unique(all_labels)"
            )
        if isinstance(self.class_weight, str):
            raise ParameterError(
                f"class_weight={self.class_weight!r} is not supported for partial_fit: one part does not show how "
                "common the classes are",
                hint="give the weights as a dict",
            )
        if self.resample is not None:
            raise ParameterError(
                f"resample={self.resample!r} is not supported for partial_fit: one part does not show how common the "
                "classes are",
                hint="use fit (with warm_start=True it goes on), or class_weight as a dict",
            )
        self._fit_once(X, y, sample_weight, classes)
        return self

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

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of rows whose label is predicted (with several labels a row: all of them).

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.
        """
        X, y = take_target(X, y, getattr(self, "encoder_", None))
        return float(accuracy_score(read_target(y), self.predict(X), sample_weight=sample_weight))

    # ---------------------------------------------------------------- what the common part asks for

    _target: ClassTarget

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
                f"the target has one class only: {show(target.classes[0])}",
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

    # ------------------------------------------------------------------------------- rare classes

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

    def summary(self) -> str:
        """Return a table of the layers with the parameters of each, and where the classes part if not at one half."""
        text = super().summary()
        if self._is_binary and self.threshold_ != 0.5:
            second = show(self.classes_.tolist()[-1])
            text += f"\npredicts {second} where its probability is above {self.threshold_:.4g}"
        return text

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


@documented
class MLPRegressor(RegressorMixin, BaseMLP):  # type: ignore[misc]
    """Multilayer perceptrons that predict numbers, one or several a row.

    Every parameter and fitted attribute of scikit-learn's ``MLPRegressor`` is here with its name and
    meaning. The defaults are others: see :class:`MLPClassifier`. With ``preprocess`` the target is
    standardised inside, so ``loss_`` is in units of the target's variance. Of several outputs ``loss_`` is the
    sum, which is what the gradient belongs to; scikit-learn goes down the same gradient and shows the mean.

    {parameters}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = MLPRegressor(random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.5
    True
    """

    _losses = ("squared_error", "mean_squared_error", "absolute_error", "huber", "poisson")

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: int | Sequence[int] = (64, 64),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str | Schedule = "cosine",
        learning_rate_init: float = 0.01,
        power_t: float = 0.5,
        max_iter: int | None = None,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 0.0,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        rho: float = 0.9,
        n_iter_no_change: float = 30,
        max_fun: int = 15000,
        n_members: int = 8,
        skip: str | None = "linear",
        encoding: str = "auto",
        dropout: float | Sequence[float] = 0.3,
        batch_norm: bool = False,
        l1_ratio: float = 0.0,
        penalize_bias: bool = False,
        clip_norm: float | None = None,
        init: str | Initialization = "auto",
        huber_delta: float = 1.35,
        preprocess: Any = "auto",
        device: str = "auto",
        dtype: str = "auto",
        restore_best: bool = True,
        callbacks: Sequence[Callable[[Epoch], object]] | None = None,
    ) -> None:
        self._keep(locals())

    @available_if(_is_stochastic)  # type: ignore[untyped-decorator, unused-ignore]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Make one pass over the rows given, going on from where the weights are.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`. The preparation of the columns, and the scale of the target, are learned from
            the first call's rows.
        """
        self._fit_once(X, y, sample_weight)
        return self

    def predict(self, X: Any) -> Array:
        """Predict a number for each row (or one for each output).

        Parameters
        ----------
        X : data frame, path of a CSV file, mapping of columns, or array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        return self._decode(self._predictions(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the coefficient of determination R^2 (of several outputs their mean).

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.
        """
        X, y = take_target(X, y, getattr(self, "encoder_", None))
        return float(r2_score(read_target(y), self.predict(X), sample_weight=sample_weight))

    # ---------------------------------------------------------------- what the common part asks for

    _target: NumberTarget

    @property
    def _objective_name(self) -> str:
        return str(self.loss)

    @property
    def _objective(self) -> Objective:
        return huber(self.huber_delta) if self.loss == "huber" else OBJECTIVES[self._objective_name]

    def _learn_target(self, y: Array, label_names: list[str] | None, weights: Array | None, *, again: bool) -> None:
        if not again:
            self._learn_scale(y)
        elif _n_columns(y) != self._n_target_outputs():
            raise ParameterError(
                f"warm_start needs as many outputs as before: there were {self._n_target_outputs()}, now there are "
                f"{_n_columns(y)}",
                hint="set warm_start=False to train a new network",
            )

    def _learn_target_in_parts(
        self, y: Array, label_names: list[str] | None, weights: Array | None, classes: Any, *, first: bool
    ) -> None:
        if first:
            self._learn_scale(y)

    def _learn_scale(self, y: Array) -> None:
        """Find mean and scale of the target; later fits keep them, since the network's outputs are in their units."""
        if self.preprocess is None or self.loss == "poisson":  # counts keep their scale: the link needs it
            ones = np.ones(_n_columns(to_numbers(y)))
            self._target = NumberTarget(mean=0 * ones, scale=ones, one_dimensional=y.ndim == 1)
            return
        target = number_target(y)
        if self.loss in ROBUST_LOSSES:
            # A few giant targets would stretch the deviation, and huber_delta with it, until they are outliers no more.
            columns = to_numbers(y).reshape(len(y), -1).T
            # Not below what keeps the greatest target within float32.
            least = 1e-300 + np.abs(columns).max(axis=1) / 1e30
            target = NumberTarget(
                mean=np.array([robust.median(column) for column in columns]),
                scale=np.maximum([robust.spread(column) for column in columns], least),
                one_dimensional=target.one_dimensional,
            )
        self._target = target

    def _n_target_outputs(self) -> int:
        return len(self._target.mean)

    def _encode_target(self, y: Array) -> Array:
        z = self._target.encode(y)
        if self.loss == "poisson" and (z < 0).any():
            row = int(np.argmax((z < 0).any(axis=1)))
            raise DataError(
                f"loss='poisson' needs a target of at least 0, row {row + 1} has {show(z[row].min())}",
                hint="loss='squared_error' takes any number",
            )
        return z

    def _strata(self, y: Array) -> Array | None:
        return None

    def _weigh(self, y: Array, weights: Array | None) -> Array | None:
        return weights

    def _decode(self, p: Array) -> Array:
        values = self._target.decode(p)
        return values.astype(p.dtype) if self.encoder_ is None else values

    def _score(self, predictions: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        """Return R^2 of each member on its held-out rows, averaged over the outputs."""
        w = torch.ones_like(targets[..., 0]) if weights is None else weights
        w = w / w.sum(dim=-1, keepdim=True)
        mean = (targets * w[..., None]).sum(dim=-2, keepdim=True)
        unexplained = ((targets - predictions).square() * w[..., None]).sum(dim=-2)
        total = ((targets - mean).square() * w[..., None]).sum(dim=-2)
        return (1 - unexplained / total).mean(dim=-1)


def _n_columns(y: Array) -> int:
    return 1 if y.ndim == 1 else int(y.shape[1])


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
