"""What all estimators of networks share: hold rows out, train, remember what happened."""

from __future__ import annotations

import contextlib
import functools
import math
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_random_state
from torch import Tensor

from planefold.core.errors import DataError, ParameterError
from planefold.core.progress import ProgressBar
from planefold.data.splits import folds, split_rows
from planefold.doctor.live import NOTHING_TO_LEARN, Watchdog
from planefold.engine.devices import find_device
from planefold.engine.loop import Memory, train
from planefold.engine.objectives import OBJECTIVES, Objective
from planefold.engine.plan import Plan
from planefold.engine.recorder import trivial_losses
from planefold.engine.run import Epoch, Run
from planefold.engine.schedules import as_schedule
from planefold.engine.sources import Rows, Store
from planefold.estimators.inputs import (
    is_sparse,
    pick,
)
from planefold.estimators.members import windows, with_members

Array = npt.NDArray[Any]

MIN_FOLDS = 5  # fewer would take too many rows from a member


class BaseNetwork(BaseEstimator, ABC):  # type: ignore[misc]
    """Base of the estimators: everything but what the rows are and what the network is."""

    # max_iter=None: as many epochs as make this many steps, within these bounds.
    _enough_steps, _least_epochs, _most_epochs = 10_000, 20, 100

    n_members: int
    net_: Any
    _weigh: Any
    _strata: Any
    _score: Any
    _learn_target: Any
    _learn_scale: Any
    _encode_target: Any

    @classmethod
    @functools.cache
    def _get_param_names(cls) -> Any:
        # scikit-learn reads the signature of the constructor in each call, which takes longer than a row's prediction.
        return super()._get_param_names()

    def _keep(self, given: Mapping[str, Any]) -> None:
        """Keep the constructor's parameters as they were given, unchecked, as scikit-learn wants it."""
        for name in self._get_param_names():
            setattr(self, name, given[name])

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        validation_data: tuple[Any, Any] | None = None,
        groups: Any = None,
    ) -> Any:
        """Learn from rows and their targets. When it fails, the model stays as it was.

        Parameters
        ----------
        X : data frame, path of a CSV file, mapping of columns, or array-like of shape (n_samples, n_features)
            pandas, polars and pyarrow frames come as they are: numbers, categories, dates, missing values.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), or a column name
            A name takes that column out of the table X.
        sample_weight : array-like of shape (n_samples,), optional
            Not negative. With ``preprocess`` a row of weight 0 counts as absent.
        validation_data : (X, y), optional
            Rows to judge by, instead of rows held out from X.
        groups : array-like of shape (n_samples,), optional
            Rows of one group are held out together.

        Returns
        -------
        self

        Raises
        ------
        DataError
            If the rows or targets cannot be used, saying which and why.
        ParameterError
            If a parameter has a value that it cannot have.
        TrainingError
            If the training went out of all bounds.
        """
        self._check()
        self._check_judges(validation_data is not None or (self.early_stopping and self.solver != "lbfgs"))
        find_device(self.device)
        with self._unchanged_on_failure():
            random_state = check_random_state(self.random_state)
            self._began = random_state.get_state()
            learn, judge, judged = self._set_out(X, y, sample_weight, validation_data, groups, random_state)
            self._memory = Memory(n_seen=self.t_)
            self._train(learn, judged, random_state, self.max_iter, is_given=validation_data is not None)
            self._learn_threshold(judge)
        return self

    def _set_out(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation_data: tuple[Any, Any] | None,
        groups: Any,
        random_state: np.random.RandomState,
    ) -> tuple[Rows, Rows | None, Rows | None]:
        """Do all of :meth:`fit` before the first step; return what to learn from and what to judge by."""
        again = self.warm_start and hasattr(self, "net_")
        rows, y, weights, groups, label_names = self._read_all(X, y, sample_weight, groups, fresh=not again)
        self._learn_target(y, label_names, weights, again=again)
        weights = self._weigh(y, weights)
        learn, judge = self._prepare_all(rows, y, weights, groups, validation_data, random_state, again=again)
        learn, judged = self._evened(learn, judge, random_state)
        if again:
            self._take_up_network(learn)
        else:
            self._build(learn, judged, random_state)
        return learn, judge, judged

    def _check_judges(self, there: bool) -> None:
        """Refuse what needs rows to judge by where there are none: nothing here does."""

    def _evened(self, learn: Rows, judge: Rows | None, random_state: np.random.RandomState) -> tuple[Rows, Rows | None]:
        """Resample what is learned from, and weigh what is judged by accordingly: only classes can be uneven."""
        return learn, judge

    def _learn_threshold(self, judge: Rows | None) -> None:
        """Find out where to decide: numbers need no decision."""

    @contextlib.contextmanager
    def _unchanged_on_failure(self) -> Iterator[None]:
        before = dict(self.__dict__)
        try:
            yield
        except BaseException:
            self.__dict__.clear()
            self.__dict__.update(before)
            raise

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
        """Return what to learn from and what to judge by."""
        held_out = self.early_stopping and self.solver != "lbfgs" and validation_data is None
        judge, self._held_out, self._n_rows = None, None, len(y)
        if held_out and self.n_members == 1:
            some, others = self._split(y, groups, random_state)
            self._held_out = others
            if not again:
                self._learn_scale(y[some])
            learn = self._prepare(pick(rows, some), y[some], pick(weights, some), fit=not again)
            judge = self._prepare(pick(rows, others), y[others], pick(weights, others), dtype=learn.dtype)
        elif held_out:
            parts = self._folds(y, groups, random_state)
            self._held_out = np.flatnonzero(parts == 0)  # what the first member holds out
            data = self._prepare(rows, y, weights, fit=not again, folds=parts)
            learn, judge = windows(data, parts, self.n_members)
        else:
            learn = self._prepare(rows, y, weights, fit=not again)
            if self.n_members > 1:  # each member takes all rows, in an order of its own
                learn = with_members(learn, [np.arange(len(y))] * self.n_members)
        if validation_data is not None:
            judge = self._read_validation(validation_data, learn.dtype)
        return learn, judge

    def _split(self, y: Array, groups: Any, random_state: np.random.RandomState) -> tuple[Array, Array]:
        """Choose the rows that a single network holds out."""
        strata = self._strata(y)
        n_val = int(np.ceil(self.validation_fraction * len(y)))
        if n_val < 2 or len(y) - n_val < 1:
            raise DataError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset.",
                details=f"{self.validation_fraction:g} of {len(y)} rows are {n_val}, and at least 2 are needed",
                hint="or learn from all rows: early_stopping=False",
            )
        return split_rows(len(y), test_size=n_val, y=strata, groups=groups, random_state=random_state)

    def _folds(self, y: Array, groups: Any, random_state: np.random.RandomState) -> Array:
        """Deal the rows into folds, of which each member holds out one."""
        if len(y) < 2:
            raise DataError(
                "Found array with n_samples = 1: at least 2 rows are needed, one to learn from and one to judge by",
                hint="get more rows, or learn from all there are: early_stopping=False",
            )
        n_units = len(y) if groups is None else len(np.unique(groups))
        n_folds = min(max(self.n_members, MIN_FOLDS), n_units)
        return folds(len(y), n_folds, y=self._strata(y), groups=groups, random_state=random_state)

    def _rows(self, X: Any, y: Array, weights: Array | None, dtype: torch.dtype | None = None) -> Rows:
        """Bring inputs, targets and weights to the device, in the type of the weights."""
        dtype = self._dtype(X) if dtype is None else dtype
        device = find_device(self.device)
        return Rows(
            X=X if is_sparse(X) or isinstance(X, Store) else _tensor(X, dtype, device),
            y=_tensor(self._encode_target(y), dtype, device),
            weights=None if weights is None else _tensor(weights, dtype, device),
        )

    @property
    def _objective(self) -> Objective:
        return OBJECTIVES[self._objective_name]

    def _build(self, rows: Rows, validation: Rows | None, random_state: np.random.RandomState) -> None:
        self.net_ = self._new_net(rows, validation, random_state)
        self.t_ = 0
        self.loss_curve_: list[float] = []
        self.validation_scores_: list[float] | None = None
        self.__dict__.pop("_memory", None)

    def _automatic_batch_size(self, n_rows: int) -> int:
        """Choose the rows of a step."""
        return 200

    def _plan(self, rows: Rows, max_iter: int | None) -> Plan:
        automatic = self._automatic_batch_size(rows.n_rows)
        batch_size = min(automatic if self.batch_size == "auto" else int(self.batch_size), rows.n_rows)
        if max_iter is None:
            # In many rows an epoch has many steps, and fewer of them do.
            n_batches = math.ceil(rows.n_rows / batch_size)
            max_iter = min(max(self._enough_steps // n_batches, self._least_epochs), self._most_epochs)
        return Plan(
            solver=self.solver, learning_rate=self.learning_rate, learning_rate_init=self.learning_rate_init,
            power_t=self.power_t, alpha=self.alpha, batch_size=batch_size, max_iter=max_iter, shuffle=self.shuffle,
            tol=self.tol, n_iter_no_change=self.n_iter_no_change, momentum=self.momentum,
            nesterovs_momentum=self.nesterovs_momentum, beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon,
            max_fun=self.max_fun, restore_best=self.restore_best, l1_ratio=self.l1_ratio,
            penalize_bias=self.penalize_bias, clip_norm=self.clip_norm, rho=self.rho,
        )  # fmt: skip

    def _train(
        self,
        rows: Rows,
        validation: Rows | None,
        random_state: np.random.RandomState,
        max_iter: int | None,
        *,
        once: bool = False,
        is_given: bool = False,
    ) -> None:
        plan, device = self._plan(rows, max_iter), rows.y.device
        if self.solver != "lbfgs" and self.batch_size != "auto" and self.batch_size > rows.n_rows:
            warnings.warn(
                f"batch_size={self.batch_size} is more than the {rows.n_rows} rows there are to learn from: each step "
                "takes all of them",
                stacklevel=3,
            )
        self.net_.to(device)
        self._memory.to(device)
        watchdog = Watchdog(
            trivial_loss=trivial_losses(rows, self._objective)[0], max_iter=plan.max_iter,
            learning_rate=plan.learning_rate_init, from_nothing=not self.net_.spec.skip,
            steps=math.ceil(rows.n_rows / plan.batch_size),
        )  # fmt: skip
        with ProgressBar(plan.max_iter, "training", enabled=False if once or self.verbose else None) as bar:
            try:
                self.run_: Run = train(
                    self.net_, rows, self._objective, plan, random_state=random_state, validation=validation,
                    score=self._score, callbacks=list(self._watchers(bar, watchdog)), memory=self._memory,
                    settings={**self._settings(), "validation_data": is_given},
                )  # fmt: skip
            finally:
                self.net_.to("cpu")
                self._memory.to(torch.device("cpu"))
        self._remember_run(self._memory)
        self._warn_about_end(plan.max_iter, once=once)

    def _settings(self) -> dict[str, Any]:
        """Say of the parameters what the engine does not see."""
        own = self.preprocess is not None and not isinstance(self.preprocess, str)
        weight = getattr(self, "class_weight", None)
        return {
            "early_stopping": bool(self.early_stopping),
            "validation_fraction": float(self.validation_fraction),
            "preprocess": "custom" if own else self.preprocess,
            "class_weight": weight if weight is None or isinstance(weight, str) else "custom",
            "resample": getattr(self, "resample", None),
        }

    def _watchers(self, bar: ProgressBar, watchdog: Watchdog) -> Iterator[Callable[[Epoch], object]]:
        def show_progress(epoch: Epoch) -> None:
            words = f"loss {epoch.objective:.4g}"
            bar.update(epoch.epoch, words if epoch.val_loss is None else f"{words}, validation {epoch.val_loss:.4g}")

        def warn(epoch: Epoch) -> None:
            said = watchdog(epoch)
            if said is not None:
                warnings.warn(f"Training: {said}", ConvergenceWarning, stacklevel=2)

        yield show_progress
        yield warn
        if self.verbose:
            yield _print_epoch
        yield from self.callbacks or ()

    def _remember_run(self, memory: Memory) -> None:
        self.t_ = memory.n_seen
        epochs = [epoch for epoch in self.run_.epochs if epoch.epoch > 0]
        self.loss_curve_ = self.loss_curve_ + [epoch.objective for epoch in epochs]
        if self.run_.n_val and self.run_.solver != "lbfgs":
            scores = [float(epoch.val_score) for epoch in epochs if epoch.val_score is not None]
            self.validation_scores_ = (self.validation_scores_ or []) + scores
        self._sum_up()

    def _warn_about_end(self, max_iter: int, *, once: bool) -> None:
        run, category = self.run_, ConvergenceWarning
        kept = f"the weights of epoch {run.best_epoch}, which were best," if run.restored_best else "the last weights"
        if run.stopped_because == "interrupted":
            message, category = f"Training interrupted by user: {kept} are kept.", UserWarning
        elif run.stopped_because == "diverged":
            message = (
                f"The loss became {run.epochs[-1].objective} in epoch {run.epochs[-1].epoch}; {kept} are kept. "
                f"Try learning_rate_init={self.learning_rate_init / 10:g}."
            )
        elif run.stopped_because == "max_iter" and not once and self._could_go_on():
            message = (
                f"lbfgs stopped at its limit (max_iter={max_iter}, max_fun={self.max_fun}) before it converged."
                if self.solver == "lbfgs"
                else f"Stochastic Optimizer: Maximum iterations ({max_iter}) reached and the optimization hasn't "
                "converged yet."
            )
        else:
            return
        warnings.warn(message, category, stacklevel=4)

    def _could_go_on(self) -> bool:
        """Tell whether more epochs could help: not after a rate that fell to the end, nor with a constant target."""
        if self.solver == "lbfgs":
            return True
        is_constant = self.run_.trivial_loss is not None and self.run_.trivial_loss < NOTHING_TO_LEARN
        return not as_schedule(self.learning_rate).falls_to_the_end and not is_constant

    def _restore_curves(self, fitted: dict[str, Any]) -> None:
        """Set what scikit-learn's fitted attributes need, for a model that comes from a file."""
        self.t_ = int(fitted["n_seen"])
        self.loss_curve_ = [float("nan") if loss is None else float(loss) for loss in fitted["loss_curve"]]
        scores = fitted["validation_scores"]
        self.validation_scores_ = None if scores is None else [float("nan") if s is None else float(s) for s in scores]
        self._sum_up()

    def _sum_up(self) -> None:
        """Set the fitted attributes that follow from the network, the run and the curves."""
        self.n_iter_ = sum(epoch.epoch > 0 for epoch in self.run_.epochs)
        self.n_outputs_ = self.net_.spec.n_outputs
        self.n_layers_ = len(self.net_.layer_weights()) + 1
        self.out_activation_ = OBJECTIVES[self.run_.objective].out_activation
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else None
        if self.validation_scores_ is None:
            self.best_validation_score_ = None
            self.best_loss_: float | None = float(np.fmin.reduce(self.loss_curve_, initial=np.inf))
        else:
            self.best_validation_score_ = max(filter(np.isfinite, self.validation_scores_), default=None)
            self.best_loss_ = None

    def _predictions(self, X: Any) -> Array:
        """Predictions after the link, of shape (n_samples, n_outputs)."""
        outputs = torch.from_numpy(self.decision_outputs(X))
        with np.errstate(over="ignore"):
            # As it was trained: set_params(loss=...) is for the next fit.
            return np.asarray(OBJECTIVES[self.run_.objective].link(outputs).numpy())

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "net_")

    def _decision_in_words(self) -> str:
        """Say where the classes part, if that is not where it always is."""
        return ""

    # ------------------------------------------------------------------- what each estimator brings

    @property
    @abstractmethod
    def _objective_name(self) -> str:
        """Name of what is lowered."""

    @abstractmethod
    def _check(self) -> None:
        """Refuse parameters that have a value that they cannot have."""

    @abstractmethod
    def _read_all(
        self, X: Any, y: Any, sample_weight: Any, groups: Any, *, fresh: bool
    ) -> tuple[Any, Array, Array | None, Array | None, list[str] | None]:
        """Read rows, target, weights, groups and the names of the labels."""

    @abstractmethod
    def _pair(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Take rows and target apart where they came together."""

    @abstractmethod
    def _inputs_in_words(self) -> str:
        """Say what the network is given."""

    def _is_plain(self) -> bool:
        """Whether predictions are to be of the type that the network computes in."""
        return False

    @abstractmethod
    def _read_validation(self, validation_data: tuple[Any, Any], dtype: torch.dtype) -> Rows:
        """Read and prepare rows to judge by."""

    @abstractmethod
    def _prepare(
        self,
        rows: Any,
        y: Array,
        weights: Array | None,
        *,
        fit: bool = False,
        folds: Array | None = None,
        dtype: torch.dtype | None = None,
    ) -> Rows:
        """Turn rows and targets into what the engine takes; ``fit`` learns the preparation from them."""

    @abstractmethod
    def _dtype(self, X: Any) -> torch.dtype:
        """Say in which type to compute."""

    @abstractmethod
    def _new_net(self, rows: Rows, validation: Rows | None, random_state: np.random.RandomState) -> Any:
        """Build the network."""

    def _take_up_network(self, rows: Rows) -> None:
        """Go on with a copy of the network there is, which must be the one that is asked for."""
        raise ParameterError(f"{type(self).__name__} cannot go on with the network there is", hint="warm_start=False")

    @abstractmethod
    def decision_outputs(self, X: Any) -> Array:
        """Outputs of the network before the link (logits, or scaled values), (n_samples, n_outputs)."""


def _tensor(array: Array, dtype: torch.dtype, device: torch.device | None = None) -> Tensor:
    # torch warns of memory that cannot be written, such as that of a memory-mapped file, and has no other way in.
    return torch.as_tensor(array if array.flags.writeable else array.copy(), dtype=dtype, device=device)


def _print_epoch(epoch: Epoch) -> None:
    sys.stdout.write(f"Iteration {epoch.epoch}, loss = {epoch.objective:.8f}\n")
    if epoch.val_score is not None:
        sys.stdout.write(f"Validation score: {epoch.val_score:f}\n")
