"""`MLPClassifier` and `MLPRegressor`: drop-in for scikit-learn's, with better defaults and more to say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if

from planefold.core.errors import ParameterError
from planefold.engine.run import Epoch
from planefold.engine.schedules import Schedule
from planefold.estimators.base import BaseMLP
from planefold.estimators.class_targets import ClassTargets
from planefold.estimators.describe import documented
from planefold.estimators.number_targets import NumberTargets
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


def _is_stochastic(model: BaseMLP) -> bool:
    return bool(model.solver != "lbfgs")


@documented
class MLPClassifier(ClassTargets, ClassifierMixin, BaseMLP):  # type: ignore[misc]
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


@documented
class MLPRegressor(NumberTargets, RegressorMixin, BaseMLP):  # type: ignore[misc]
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
