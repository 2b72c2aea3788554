"""`MLPClassifier` and `MLPRegressor`: drop-in for scikit-learn's, with better defaults and more to say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from torch import Tensor

from planefold.core.errors import DataError, ParameterError, listed, show
from planefold.data.targets import ClassTarget, NumberTarget, class_target, number_target, read_target
from planefold.engine.run import Epoch
from planefold.estimators.base import Array, BaseMLP, take_target
from planefold.estimators.describe import documented

# With these values the estimators behave as scikit-learn's: one network, on the numbers as they are.
SKLEARN_DEFAULTS: Mapping[str, Any] = {
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
}


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
        learning_rate: str = "cosine",
        learning_rate_init: float = 0.01,
        power_t: float = 0.5,
        max_iter: int = 100,
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
        n_iter_no_change: float = 30,
        max_fun: int = 15000,
        n_members: int = 8,
        skip: str | None = "linear",
        encoding: str = "auto",
        dropout: float | Sequence[float] = 0.3,
        class_weight: str | Mapping[Any, float] | None = None,
        preprocess: Any = "auto",
        device: str = "auto",
        dtype: str = "auto",
        restore_best: bool = True,
        callbacks: Sequence[Callable[[Epoch], object]] | None = None,
    ) -> None:
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
            n_members=n_members,
            skip=skip,
            encoding=encoding,
            dropout=dropout,
            preprocess=preprocess,
            device=device,
            dtype=dtype,
            restore_best=restore_best,
            callbacks=callbacks,
        )
        self.class_weight = class_weight

    @available_if(_is_stochastic)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> MLPClassifier:
        """Make one pass over the rows given, going on from where the weights are.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`. The preparation of the columns is learned from the first call's rows.
        classes : array-like of shape (n_classes,), optional
            All labels that will ever come; needed in the first call.
        """
        first = not hasattr(self, "net_")
        if first:
            if classes is None:
                raise ParameterError("classes must be passed on the first call to partial_fit.")
            labels = class_target(y)
            self._target = labels if labels.multilabel else class_target(classes)
        elif classes is not None and not self._target.multilabel:
            if not np.array_equal(np.unique(np.asarray(classes)), self._target.classes):
                raise ParameterError(
                    f"`classes={classes}` is not the same as on last call to partial_fit, was: {self.classes_}"
                )
        return self._fit_once(X, y, sample_weight)

    def predict(self, X: Any) -> Array:
        """Predict a label for each row (with several labels a row: 0 or 1 for each).

        Parameters
        ----------
        X : data frame, path of a CSV file, or array-like of shape (n_samples, n_features)

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
        """Return the accuracy on rows whose target is known.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.
        """
        X, y = take_target(X, y)
        return float(accuracy_score(read_target(y), self.predict(X), sample_weight=sample_weight))

    # ---------------------------------------------------------------- what the common part asks for

    _target: ClassTarget

    @property
    def _is_binary(self) -> bool:
        return len(self._target.classes) <= 2 and not self._target.multilabel

    @property
    def _objective_name(self) -> str:
        return "binary_log_loss" if self._is_binary or self._target.multilabel else "log_loss"

    def _find_target(self, y: Any) -> ClassTarget:
        target = class_target(y)
        # scikit-learn fits a single class, too; where its behaviour is asked for, so do we.
        if not target.multilabel and len(target.classes) < 2 and self.preprocess is not None:
            raise DataError(
                f"the target has one class only: {show(target.classes[0])}",
                details="a classifier needs rows of at least two classes",
                hint="is it the right column, or were the rows filtered?",
            )
        return target

    def _check_same_target(self, target: ClassTarget) -> None:
        if not np.array_equal(target.classes, self._target.classes):
            raise ParameterError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                f"Previously got {self._target.classes}, `y` has {target.classes}"
            )

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
                hint="leave these rows out, get more of them, or train without holding rows out: "
                "early_stopping=False",
            )
        return y

    def _fit_weights(self, y: Array, sample_weight: Array | None) -> Array | None:
        if self.class_weight is None:
            return sample_weight
        if isinstance(self.class_weight, Mapping):
            unknown = [label for label in self.class_weight if label not in set(self._target.classes.tolist())]
            if unknown:
                raise ParameterError(f"class_weight has a weight for {show(unknown[0])}, which is no class of the "
                                     "target", details=f"classes: {listed(self._target.classes)}")
        weights = compute_sample_weight(self.class_weight, y)
        return weights if sample_weight is None else weights * sample_weight

    def _decode(self, p: Array) -> Array:
        if self._target.multilabel:
            return (p > 0.5).astype(int)
        codes = (p[:, 0] > 0.5).astype(int) if self._is_binary else p.argmax(axis=1)
        return self._target.classes[np.minimum(codes, len(self._target.classes) - 1)]

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
    standardised inside, so ``loss_`` is in units of the target's variance.

{parameters}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = MLPRegressor(random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.5
    True
    """

    _losses = ("squared_error", "poisson")

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: int | Sequence[int] = (64, 64),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "cosine",
        learning_rate_init: float = 0.01,
        power_t: float = 0.5,
        max_iter: int = 100,
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
        n_iter_no_change: float = 30,
        max_fun: int = 15000,
        n_members: int = 8,
        skip: str | None = "linear",
        encoding: str = "auto",
        dropout: float | Sequence[float] = 0.3,
        preprocess: Any = "auto",
        device: str = "auto",
        dtype: str = "auto",
        restore_best: bool = True,
        callbacks: Sequence[Callable[[Epoch], object]] | None = None,
    ) -> None:
        super().__init__(
            hidden_layer_sizes=hidden_layer_sizes,
            activation=activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            loss=loss,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
            n_members=n_members,
            skip=skip,
            encoding=encoding,
            dropout=dropout,
            preprocess=preprocess,
            device=device,
            dtype=dtype,
            restore_best=restore_best,
            callbacks=callbacks,
        )

    @available_if(_is_stochastic)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Make one pass over the rows given, going on from where the weights are.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`. The preparation of the columns, and the scale of the target, are learned from
            the first call's rows.
        """
        if not hasattr(self, "net_"):
            self._target = self._find_target(y)
        return self._fit_once(X, y, sample_weight)

    def predict(self, X: Any) -> Array:
        """Predict a number for each row (or one for each output).

        Parameters
        ----------
        X : data frame, path of a CSV file, or array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        return self._decode(self._predictions(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the coefficient of determination R^2 on rows whose target is known.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.
        """
        X, y = take_target(X, y)
        return float(r2_score(read_target(y), self.predict(X), sample_weight=sample_weight))

    # ---------------------------------------------------------------- what the common part asks for

    _target: NumberTarget

    @property
    def _objective_name(self) -> str:
        return self.loss

    def _find_target(self, y: Any) -> NumberTarget:
        target = number_target(y)
        if self.loss == "poisson":
            negative = np.flatnonzero(np.atleast_2d(np.asarray(y, dtype=float).T).min(axis=0) < 0)
            if len(negative):
                raise DataError(
                    f"loss='poisson' needs a target of at least 0, row {negative[0] + 1} has "
                    f"{show(np.asarray(y)[negative[0]])}",
                    hint="loss='squared_error' takes any number",
                )
        if self.preprocess is None or self.loss == "poisson":  # counts keep their scale: the link needs it
            ones = np.ones_like(target.mean)
            return NumberTarget(mean=0 * ones, scale=ones, one_dimensional=target.one_dimensional)
        return target

    def _check_same_target(self, target: NumberTarget) -> None:
        if target.mean.shape != self._target.mean.shape:
            raise ParameterError(
                f"warm_start needs as many outputs as before: there were {len(self._target.mean)}, "
                f"now there are {len(target.mean)}"
            )

    def _n_target_outputs(self) -> int:
        return len(self._target.mean)

    def _encode_target(self, y: Array) -> Array:
        return self._target.encode(y)

    def _strata(self, y: Array) -> Array | None:
        return None

    def _fit_weights(self, y: Array, sample_weight: Array | None) -> Array | None:
        return sample_weight

    def _decode(self, p: Array) -> Array:
        values = self._target.decode(p)
        return values.astype(p.dtype) if self.preprocess is None else values

    def _score(self, predictions: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        """Return R^2 of each member on its held-out rows, averaged over the outputs."""
        w = torch.ones_like(targets[..., 0]) if weights is None else weights
        w = w / w.sum(dim=-1, keepdim=True)
        mean = (targets * w[..., None]).sum(dim=-2, keepdim=True)
        unexplained = ((targets - predictions).square() * w[..., None]).sum(dim=-2)
        total = ((targets - mean).square() * w[..., None]).sum(dim=-2)
        return (1 - unexplained / total).mean(dim=-1)


def _mean(values: Tensor, weights: Tensor | None) -> Tensor:
    return values.mean(dim=-1) if weights is None else (values * weights).sum(dim=-1) / weights.sum(dim=-1)
