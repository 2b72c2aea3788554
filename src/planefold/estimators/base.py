"""What the classifier and the regressor share: read, prepare, split, build, train, predict."""

from __future__ import annotations

import copy
import dataclasses
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import linalg, sparse
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, check_random_state, validate_data
from torch import Tensor

from planefold.core.errors import DataError, ParameterError, show
from planefold.core.progress import ProgressBar
from planefold.data.encoder import TableEncoder
from planefold.data.splits import folds, split_rows
from planefold.data.tables import Table, is_frame, read_table
from planefold.data.targets import read_target
from planefold.engine.devices import find_device
from planefold.engine.linear_start import LinearStart
from planefold.engine.objectives import OBJECTIVES, Objective
from planefold.engine.plan import Plan
from planefold.engine.run import Epoch, Run
from planefold.engine.sources import Rows
from planefold.engine.train import Memory, train
from planefold.estimators.parameters import check_parameters, dropout_rates, hidden_layers
from planefold.networks.mlp import MLP, MLPSpec

Array = npt.NDArray[Any]

MIN_FOLDS = 5  # fewer would take too many rows from a member
ROWS_AT_ONCE = 8192  # predictions are made in pieces, so that a long table needs no more memory than a short one
# "auto" tries the piecewise-linear encoding only where there are rows to place the bends and few enough inputs.
MIN_ROWS_FOR_BINS, MAX_INPUTS_WITH_BINS = 500, 2000
PROBE_ROWS, PROBE_EPOCHS = 4000, 30  # what the two encodings are compared on: enough to see which is better
MAX_DENSE_VALUES = 50_000_000


class BaseMLP(BaseEstimator):  # type: ignore[misc]
    """Base of the MLP estimators; see :class:`MLPClassifier` for the parameters."""

    _losses: tuple[str, ...] = ()

    def __init__(self, **parameters: Any) -> None:
        for name, value in parameters.items():
            setattr(self, name, value)

    # ------------------------------------------------------------------------------------------ fit

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        validation_data: tuple[Any, Any] | None = None,
        groups: Any = None,
    ) -> Any:
        """Learn from rows and their targets.

        Parameters
        ----------
        X : data frame, path of a CSV file, or array-like of shape (n_samples, n_features)
            pandas, polars and pyarrow frames come as they are: numbers, categories, dates, missing values.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), or a column name
            A name takes that column out of the table X.
        sample_weight : array-like of shape (n_samples,), optional
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
        X, y = take_target(X, y)
        again = self.warm_start and hasattr(self, "net_")
        rows = self._read(X, reset=not again)
        y, weights = self._read_target(y, rows, sample_weight)
        target = self._find_target(y)
        if again:
            self._check_same_target(target)
        self._target = target
        random_state = check_random_state(self.random_state)
        weights = self._fit_weights(y, weights)
        held_out = self.early_stopping and self.solver != "lbfgs" and validation_data is None

        if held_out and self.n_members == 1:
            learn, judge = self._split(y, groups, random_state)
            train_rows = self._prepare(_pick(rows, learn), y[learn], _pick(weights, learn), fit=not again)
            val_rows = self._prepare(_pick(rows, judge), y[judge], _pick(weights, judge), fit=False)
        else:
            parts = self._folds(y, groups, random_state) if held_out else None
            train_rows = self._prepare(rows, y, weights, fit=not again, folds=parts)
            val_rows = None
            if parts is not None:
                train_rows, val_rows = _windows(train_rows, parts, self.n_members)
            elif self.n_members > 1:  # each member takes all rows, in an order of its own
                train_rows = _with_members(train_rows, [np.arange(len(y))] * self.n_members)
        if validation_data is not None:
            val_rows = self._read_validation(validation_data)
        if not again:
            self._build(train_rows, val_rows, random_state)
        self._train(train_rows, val_rows, random_state, Memory(n_seen=self.t_ if again else 0), self.max_iter)
        return self

    def _fit_once(self, X: Any, y: Any, sample_weight: Any) -> Any:
        """Make one pass over the rows; the first call prepares and builds."""
        self._check()
        if self.early_stopping and self.n_members == 1 and hasattr(self, "run_") and self.run_.n_val:
            # Of several members each row is learned from anyway; one network would learn from its judges.
            raise ParameterError(
                "partial_fit does not support early_stopping=True",
                details="fit held rows out to judge this network by, which later passes would learn from",
                hint="set early_stopping=False, or start with partial_fit",
            )
        X, y = take_target(X, y)
        first = not hasattr(self, "net_")
        rows = self._read(X, reset=first)
        y, weights = self._read_target(y, rows, sample_weight)
        random_state = check_random_state(self.random_state)
        data = self._prepare(rows, y, self._fit_weights(y, weights), fit=first)
        if first:
            self._build(data, None, random_state)
        if not hasattr(self, "_memory"):
            self._memory = Memory(n_seen=self.t_)
        self._train(data, None, random_state, self._memory, 1)
        return self

    def _check(self) -> None:
        check_parameters(self.get_params(deep=False), self._losses)

    def _read(self, X: Any, *, reset: bool) -> Any:
        """Turn X into a Table (columns as they come), or a matrix of numbers (dense or sparse)."""
        if isinstance(X, str | Path):
            X = read_table(X)
        if self.preprocess is None and isinstance(X, Table):
            raise DataError("preprocess=None takes numbers as they are, not a table", hint="preprocess='auto'")
        if isinstance(X, Table) or (is_frame(X) and self.preprocess is not None):
            if self._prepares_tables:
                table = read_table(X, missing_values=self._missing_values())
                self._remember_names(X if is_frame(X) else table, reset=reset)
                return table
        elif self._prepares_tables and _holds_text(X):
            table = read_table(np.asarray(X, dtype=object))
            self._remember_names(table, reset=reset)
            return table
        prepares = self.preprocess is not None
        X = validate_data(
            self, X, reset=reset, accept_sparse=["csr", "csc"], dtype=(np.float64, np.float32),
            ensure_all_finite="allow-nan" if prepares else True,
        )  # fmt: skip
        if not self._prepares_tables or X.shape[1] == 0:
            return X
        if sparse.issparse(X):
            if X.shape[0] * X.shape[1] > MAX_DENSE_VALUES:
                raise DataError(
                    f"a sparse matrix of {X.shape[0]:,} x {X.shape[1]:,} is too large to be prepared",
                    hint="preprocess=None keeps it sparse",
                )
            X = X.toarray()
        _refuse_infinite(X)
        names = getattr(self, "feature_names_in_", None)
        labels = [f"x{i}" for i in range(X.shape[1])] if names is None else [str(name) for name in names]
        columns = {name: np.asarray(X[:, i], dtype=np.float64) for i, name in enumerate(labels)}
        return Table(columns=columns, source="X", named=names is not None)

    @property
    def _prepares_tables(self) -> bool:
        return isinstance(self.preprocess, str) or isinstance(self.preprocess, TableEncoder)

    def _missing_values(self) -> Sequence[object]:
        return self.preprocess.missing_values if isinstance(self.preprocess, TableEncoder) else ()

    def _remember_names(self, X: Any, *, reset: bool) -> None:
        """Keep names and number of the columns; in prediction the encoder matches them by name."""
        if not reset:
            return
        if isinstance(X, Table):
            self.n_features_in_ = len(X.names)
            if X.named:
                self.feature_names_in_ = np.array(X.names, dtype=object)
            elif hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
        else:
            validate_data(self, X, skip_check_array=True, reset=True)

    def _read_target(self, y: Any, rows: Any, sample_weight: Any) -> tuple[Array, Array | None]:
        if y is None:
            raise DataError(
                f"This {type(self).__name__} estimator requires y to be passed, but the target y is None.",
                hint="fit(X, y) with the values to predict, or the name of their column in X",
            )
        values = read_target(y)
        if np.asarray(y).ndim == 2 and values.ndim == 1:
            from sklearn.exceptions import DataConversionWarning

            warnings.warn(
                "A column-vector y was passed when a 1d array was expected. Please change the shape of y to "
                "(n_samples,), for example using ravel().",
                DataConversionWarning,
                stacklevel=4,
            )
        n_rows = _length(rows)
        if len(values) != n_rows:
            raise DataError(
                f"Found input variables with inconsistent numbers of samples: {[n_rows, len(values)]}",
                details=f"X has {n_rows} rows, y has {len(values)}",
            )
        if sample_weight is None:
            return values, None
        matrix = np.empty((n_rows, 1))
        return values, _check_sample_weight(sample_weight, matrix, dtype=np.float64)

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
                "Found array with n_samples = 1: a network needs at least 2 rows, one to learn from and one to judge by",
                hint="get more rows, or learn from all there are: early_stopping=False",
            )
        n_units = len(y) if groups is None else len(np.unique(np.asarray(groups)))
        n_folds = min(max(self.n_members, MIN_FOLDS), n_units)
        return folds(len(y), n_folds, y=self._strata(y), groups=groups, random_state=random_state)

    def _prepare(
        self, rows: Any, y: Array, weights: Array | None, *, fit: bool, folds: Array | None = None
    ) -> Rows:
        """Turn rows and targets into what the engine takes; ``fit`` learns the preparation from them."""
        if fit:
            self.encoder_ = self._fit_encoder(rows, y, weights, folds)
        return self._rows(self._encode(rows), y, weights)

    def _rows(self, X: Any, y: Array, weights: Array | None) -> Rows:
        """Bring inputs, targets and weights to the device, in the type of the weights."""
        dtype = self._dtype(X)
        device = find_device(self.device)
        return Rows(
            X=X if sparse.issparse(X) else torch.as_tensor(X, dtype=dtype, device=device),
            y=torch.as_tensor(self._encode_target(y), dtype=dtype, device=device),
            weights=None if weights is None else torch.as_tensor(weights, dtype=dtype, device=device),
        )

    def _fit_encoder(self, rows: Any, y: Array, weights: Array | None, folds: Array | None) -> Any:
        if self.preprocess is None:
            return None
        if not self._prepares_tables:
            return clone(self.preprocess).fit(rows, y)
        if isinstance(self.preprocess, TableEncoder):
            return clone(self.preprocess).fit(rows)
        # Columns without names are numbers that somebody chose: none is taken for an id.
        types = None if rows.named else {name: "number" for name in rows.names if _varies(rows.columns[name])}
        dtype = "float64" if self.dtype == "float64" else "float32"
        plain = TableEncoder(types=types, encoding="linear", dtype=dtype)
        binned = TableEncoder(types=types, encoding="piecewise_linear", dtype=dtype)
        if self.encoding != "auto":
            return (plain if self.encoding == "linear" else binned).fit(rows)
        plain.fit(rows)
        if len(y) < MIN_ROWS_FOR_BINS or folds is None or self.skip is None:
            return plain
        binned.fit(rows)
        if len(binned.inputs_) > MAX_INPUTS_WITH_BINS or len(binned.inputs_) == len(plain.inputs_):
            return plain
        return min((plain, binned), key=lambda encoder: self._probe_loss(encoder, rows, y, weights, folds))

    def _probe_loss(self, encoder: TableEncoder, rows: Any, y: Array, weights: Array | None, folds: Array) -> float:
        """Held-out loss of a short training on the inputs of an encoder."""
        if len(y) > PROBE_ROWS:
            some = np.random.RandomState(0).permutation(len(y))[:PROBE_ROWS]
            rows, y, weights, folds = rows.take(some), y[some], _pick(weights, some), folds[some]
        data = self._rows(encoder.transform(rows), y, weights)
        learn, judge = _windows(data, folds, self.n_members)
        random_state = np.random.RandomState(0)  # an own stream: the choice shall not move the training's
        net = self._new_net(learn, judge, random_state).to(data.y.device)
        plan = dataclasses.replace(self._plan(learn, PROBE_EPOCHS), n_iter_no_change=PROBE_EPOCHS // 3)
        run = train(net, learn, self._objective, plan, random_state=random_state, validation=judge)
        return float(np.nanmin(run["val_loss"]))

    def _encode(self, rows: Any) -> Any:
        if self.encoder_ is None:
            return rows
        Z = self.encoder_.transform(rows)
        if not self._prepares_tables and not sparse.issparse(Z):
            Z = np.asarray(Z, dtype=np.float32 if self.dtype == "float32" else np.float64)
            _refuse_infinite(Z)
        return Z

    def _dtype(self, X: Any) -> torch.dtype:
        if self.dtype != "auto":
            return torch.float64 if self.dtype == "float64" else torch.float32
        if self.preprocess is None and X.dtype == np.float64:
            return torch.float64
        return torch.float32

    @property
    def _objective(self) -> Objective:
        return OBJECTIVES[self._objective_name]

    def _read_validation(self, validation_data: tuple[Any, Any]) -> Rows:
        try:
            X, y = validation_data
        except (TypeError, ValueError):
            raise ParameterError(
                f"validation_data={show(validation_data)} must be a pair (X, y)", hint="validation_data=(X_val, y_val)"
            ) from None
        X, y = take_target(X, y)
        rows = self._read(X, reset=False)
        values, _ = self._read_target(y, rows, None)
        return self._prepare(rows, values, None, fit=False)

    def _build(self, rows: Rows, validation: Rows | None, random_state: np.random.RandomState) -> None:
        self.net_ = self._new_net(rows, validation, random_state)
        self.t_ = 0
        self.loss_curve_: list[float] = []
        self.validation_scores_: list[float] | None = None
        if hasattr(self, "_memory"):
            del self._memory

    def _new_net(self, rows: Rows, validation: Rows | None, random_state: np.random.RandomState) -> MLP:
        sizes = hidden_layers(self.hidden_layer_sizes)
        spec = MLPSpec(
            n_features=rows.X.shape[1],
            n_outputs=rows.y.shape[1],
            hidden_layer_sizes=sizes,
            activation=self.activation,
            dropout=dropout_rates(self.dropout, len(sizes)),
            n_members=self.n_members,
            skip=self.skip is not None,
        )
        net = spec.build(random_state, dtype=rows.dtype)
        if spec.skip:
            LinearStart(self._objective, rows, validation, n_members=spec.n_members).into(net)
        return net

    def _plan(self, rows: Rows, max_iter: int) -> Plan:
        batch_size = min(200, rows.n_rows) if self.batch_size == "auto" else int(self.batch_size)
        if batch_size > rows.n_rows and self.solver != "lbfgs":
            warnings.warn(
                f"batch_size={batch_size} is more than the {rows.n_rows} rows there are to learn from: each step takes "
                "all of them",
                stacklevel=4,
            )
            batch_size = rows.n_rows
        return Plan(
            solver=self.solver, learning_rate=self.learning_rate, learning_rate_init=self.learning_rate_init,
            power_t=self.power_t, alpha=self.alpha, batch_size=batch_size, max_iter=max_iter, shuffle=self.shuffle,
            tol=self.tol, n_iter_no_change=self.n_iter_no_change, momentum=self.momentum,
            nesterovs_momentum=self.nesterovs_momentum, beta_1=self.beta_1, beta_2=self.beta_2, epsilon=self.epsilon,
            max_fun=self.max_fun, restore_best=self.restore_best,
        )  # fmt: skip

    def _train(
        self, rows: Rows, validation: Rows | None, random_state: np.random.RandomState, memory: Memory, max_iter: int
    ) -> None:
        plan = self._plan(rows, max_iter)
        self.net_.to(rows.y.device)
        with ProgressBar(max_iter, "training", enabled=None if max_iter > 1 and not self.verbose else False) as bar:
            try:
                self.run_: Run = train(
                    self.net_, rows, self._objective, plan, random_state=random_state, validation=validation,
                    score=self._score, callbacks=list(self._watchers(bar)), memory=memory,
                )  # fmt: skip
            finally:
                self.net_.to("cpu")
        self._remember_run(memory)
        self._warn_about_end(max_iter)

    def _watchers(self, bar: ProgressBar) -> Iterator[Callable[[Epoch], object]]:
        def show_progress(epoch: Epoch) -> None:
            words = f"loss {epoch.objective:.4g}"
            bar.update(epoch.epoch, words if epoch.val_loss is None else f"{words}, validation {epoch.val_loss:.4g}")

        yield show_progress
        if self.verbose:
            yield _print_epoch
        yield from self.callbacks or ()

    def _remember_run(self, memory: Memory) -> None:
        self.t_ = memory.n_seen
        epochs = [epoch for epoch in self.run_.epochs if epoch.epoch > 0]
        self.loss_curve_ += [epoch.objective for epoch in epochs]
        if self.run_.n_val and self.run_.solver != "lbfgs":
            scores = [float(epoch.val_score) for epoch in epochs if epoch.val_score is not None]
            self.validation_scores_ = (self.validation_scores_ or []) + scores
        self._sum_up()

    def _warn_about_end(self, max_iter: int) -> None:
        reason = self.run_.stopped_because
        if reason == "interrupted":
            kept = "the best weights so far are kept" if self.run_.restored_best else "the last weights are kept"
            warnings.warn(f"Training interrupted by user: {kept}.", stacklevel=4)
        elif reason == "diverged":
            warnings.warn(
                f"The loss became {self.run_.epochs[-1].objective} in epoch {self.run_.epochs[-1].epoch}; the weights of "
                f"epoch {self.run_.best_epoch} are kept. Try learning_rate_init={self.learning_rate_init / 10:g}.",
                ConvergenceWarning,
                stacklevel=4,
            )
        elif reason == "max_iter" and max_iter > 1 and self.learning_rate != "cosine":
            warnings.warn(
                f"Stochastic Optimizer: Maximum iterations ({max_iter}) reached and the optimization hasn't converged "
                "yet."
                if self.solver != "lbfgs"
                else f"lbfgs stopped at its limit (max_iter={self.max_iter}, max_fun={self.max_fun}) before it converged.",
                ConvergenceWarning,
                stacklevel=4,
            )

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
        self.n_layers_ = len(self.net_.spec.layer_units)
        self.out_activation_ = self._objective.out_activation
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else None
        if self.validation_scores_ is None:
            self.best_validation_score_ = None
            self.best_loss_ = float(np.fmin.reduce(self.loss_curve_, initial=np.inf))
        else:
            self.best_validation_score_ = max(filter(np.isfinite, self.validation_scores_), default=None)
            self.best_loss_ = None

    # -------------------------------------------------------------------------------------- predict

    def _predictions(self, X: Any) -> Array:
        """Predictions after the link, of shape (n_samples, n_outputs)."""
        outputs = torch.from_numpy(self.decision_outputs(X))
        with np.errstate(over="ignore"):
            return np.asarray(self._objective.link(outputs).numpy())

    def decision_outputs(self, X: Any) -> Array:
        """Outputs of the network before the link (logits, or scaled values), the mean of the members.

        Parameters
        ----------
        X : data frame, path of a CSV file, or array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
        """
        check_is_fitted(self, "net_")
        Z = self._encode(self._read(X, reset=False))
        # In float64, whatever the weights are: so a row's prediction does not depend on the rows around it.
        net = copy.deepcopy(self.net_).double()
        pieces = []
        with torch.inference_mode():
            for start in range(0, Z.shape[0], ROWS_AT_ONCE):
                piece = Z[start : start + ROWS_AT_ONCE]
                piece = piece.toarray() if sparse.issparse(piece) else piece
                pieces.append(net(torch.as_tensor(piece, dtype=torch.float64)).mean(dim=0))
        outputs = torch.cat(pieces).numpy()
        return outputs.astype(np.float32) if self.preprocess is None and self._is_float32() else outputs

    def _is_float32(self) -> bool:
        return next(self.net_.parameters()).dtype == torch.float32

    # ------------------------------------------------------------------------------- look, and keep

    def summary(self) -> str:
        """Return a table of the layers with the parameters of each."""
        check_is_fitted(self, "net_")
        spec = self.net_.spec
        lines = [f"{'layer':<12}{'units':>8}  {'activation':<12}{'parameters':>12}"]
        lines += [
            f"{row['layer']:<12}{row['units']:>8}  {row['activation']:<12}{row['n_parameters']:>12,}"
            for row in spec.layers()
        ]
        members = f", {spec.n_members} members together" if spec.n_members > 1 else ""
        lines.append(f"{spec.n_features} inputs, {spec.n_parameters:,} parameters{members}")
        return "\n".join(lines)

    @property
    def n_parameters_(self) -> int:
        """Weights and biases of all members together."""
        check_is_fitted(self, "net_")
        return self.net_.spec.n_parameters

    @property
    def coefs_(self) -> list[Array]:
        """Weights of each layer, (fan_in, fan_out); several members stand side by side in one wider network."""
        return _side_by_side(self._fitted_net().coefs, linalg.block_diag)

    @property
    def intercepts_(self) -> list[Array]:
        """Biases of each layer, (fan_out,); several members stand side by side in one wider network."""
        rows = _side_by_side(self._fitted_net().intercepts, lambda *members: np.hstack(members))
        return [row.reshape(-1) for row in rows]

    @property
    def skip_coef_(self) -> Array | None:
        """Weights of the linear path, (n_inputs, n_outputs); None without one."""
        skip = self._fitted_net().skip_coef
        return None if skip is None else np.asarray(skip.detach().mean(dim=0).numpy())

    def _fitted_net(self) -> MLP:
        if not hasattr(self, "net_"):  # an AttributeError, as for any attribute that is not there yet
            raise AttributeError(f"this {type(self).__name__} has no weights before it is fitted")
        return self.net_

    def diagnose(self) -> Any:
        """Say what is wrong with the training or the data, and what to try.

        Returns
        -------
        planefold.doctor.Diagnosis
            Prints as text; iterating gives the findings.
        """
        from planefold.doctor import diagnose

        check_is_fitted(self, "run_")
        schema = self.encoder_.schema_ if isinstance(self.encoder_, TableEncoder) else None
        return diagnose(self.run_, schema=schema)

    def plot_curves(self, ax: Any = None) -> Any:
        """Draw the learning curves; returns the matplotlib axes."""
        from planefold.plots import curves

        check_is_fitted(self, "run_")
        return curves(self.run_, ax=ax)

    def save(self, path: str | Path) -> Path:
        """Write the model to a ``.fold`` file, which holds data only and runs nothing when it is read.

        Parameters
        ----------
        path : str or Path

        Returns
        -------
        Path

        Raises
        ------
        FileError
            If the file cannot be written; an older file of that name stays as it was.
        ParameterError
            If a transformer of your own prepares the columns: only its code could say what it does.
        """
        from planefold.estimators.loading import save

        return save(self, path)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self.preprocess is not None
        return tags


def _side_by_side(layers: Any, middle: Callable[..., Array]) -> list[Array]:
    """Write members of shape (n_members, ...) as the layers of one network whose output is their mean."""
    arrays = [layer.detach().numpy() for layer in layers]
    if len(arrays[0]) == 1:
        return [array[0] for array in arrays]  # a view: what is changed here changes the network
    last = arrays[-1] / len(arrays[-1])
    if len(arrays) == 1:
        wide = [last.sum(axis=0)]
    else:
        is_bias = arrays[0].shape[1] == 1 and middle is not linalg.block_diag
        wide = [np.hstack(list(arrays[0])), *(middle(*array) for array in arrays[1:-1])]
        wide.append(last.sum(axis=0) if is_bias else np.vstack(list(last)))
    for array in wide:
        array.flags.writeable = False  # a copy: changing it would change nothing, so it must not look possible
    return wide


def take_target(X: Any, y: Any) -> tuple[Any, Any]:
    """Read ``y="price"`` as the column of that name in the table X."""
    if not isinstance(y, str):
        return X, y
    table = read_table(X)
    return table.drop([y]), table[y]


def _holds_text(X: Any) -> bool:
    if sparse.issparse(X) or not hasattr(X, "__len__"):
        return False
    try:
        array = np.asarray(X)
    except ValueError:
        return False
    if array.ndim != 2 or array.dtype.kind not in "OUS":
        return False
    return array.dtype.kind in "US" or any(isinstance(value, str) for value in array.ravel())


def _refuse_infinite(X: Array) -> None:
    infinite = np.isinf(X)
    if infinite.any():
        row, column = np.argwhere(infinite)[0]
        raise DataError(
            f"Input X contains infinity: row {row + 1}, column {column}",
            details=f"{int(infinite.sum())} infinite values",
            hint="replace them by numbers, or by nan where the value is not known",
        )


def _varies(values: Array) -> bool:
    known = values[~np.isnan(values)]
    return bool(len(known) and known.min() < known.max())


def _length(rows: Any) -> int:
    return int(rows.n_rows if isinstance(rows, Table) else rows.shape[0])


def _pick(rows: Any, index: Array) -> Any:
    if rows is None:
        return None
    return rows.take(index) if isinstance(rows, Table) else rows[index]


def _windows(rows: Rows, parts: Array, n_members: int) -> tuple[Rows, Rows]:
    """Let member k hold out fold k and learn from the others (round again when there are more members)."""
    n_folds = int(parts.max()) + 1
    index = np.arange(len(parts))
    held = [parts == k % n_folds for k in range(n_members)]
    return _with_members(rows, [index[~h] for h in held]), _with_members(rows, [index[h] for h in held])


def _with_members(rows: Rows, members: list[Array]) -> Rows:
    longest = max(map(len, members))
    table = np.full((len(members), longest), -1, dtype=np.int64)
    for line, member in zip(table, members, strict=True):
        line[: len(member)] = member
    return Rows(X=rows.X, y=rows.y, weights=rows.weights, members=table)


def _print_epoch(epoch: Epoch) -> None:
    sys.stdout.write(f"Iteration {epoch.epoch}, loss = {epoch.objective:.8f}\n")
    if epoch.val_score is not None:
        sys.stdout.write(f"Validation score: {epoch.val_score:f}\n")
