"""What the two multilayer perceptrons share: tables read and prepared, and the network built."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted, check_random_state

from planefold.core.errors import ParameterError, show
from planefold.data.encoder import TableEncoder
from planefold.data.sketch import sketch
from planefold.engine.devices import find_device
from planefold.engine.linear_start import LinearStart
from planefold.engine.loop import Memory
from planefold.engine.sources import Rows
from planefold.estimators.encoding import fit_preparation
from planefold.estimators.inputs import (
    check_transformed,
    n_rows_of,
    name_of_target,
    names_of_labels,
    pick,
    read_groups,
    read_rows,
    read_target_values,
    read_weights,
    take_target,
)
from planefold.estimators.mlp_instruments import MLPInstruments
from planefold.estimators.parameters import check_parameters, dropout_rates, hidden_layers, refuse_too_large
from planefold.estimators.training import Array, BaseNetwork
from planefold.networks.forward import mean_outputs
from planefold.networks.initialization import Initialization
from planefold.networks.mlp import MLP, MLPSpec


class BaseMLP(MLPInstruments, BaseNetwork):
    """Base of the MLP estimators; see :class:`MLPClassifier` for the parameters."""

    _losses: tuple[str, ...] = ()

    def _fit_once(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Any:
        """Make one pass over the rows; the first call prepares and builds."""
        self._check()
        self._check_judges(False)
        find_device(self.device)
        if self.early_stopping and self.n_members == 1 and hasattr(self, "run_") and self.run_.n_val:
            # Of several members each row is learned from anyway; one network would learn from its judges.
            raise ParameterError(
                "partial_fit does not support early_stopping=True",
                details="fit held rows out to judge this network by, which later passes would learn from",
                hint="set early_stopping=False, or start with partial_fit",
            )
        with self._unchanged_on_failure():
            first = not hasattr(self, "net_")
            rows, y, weights, _, label_names = self._read_all(X, y, sample_weight, None, fresh=first)
            self._learn_target_in_parts(y, label_names, weights, classes, first=first)
            random_state = check_random_state(self.random_state)
            data = self._prepare(rows, y, self._weigh(y, weights), fit=first)
            if first:
                self._build(data, None, random_state)
            if not hasattr(self, "_memory"):  # a loaded model's optimiser starts anew
                self._memory = Memory(n_seen=self.t_)
            self._train(data, None, random_state, 1, once=True)
            self._learn_threshold(None)
        return self

    def _read(self, X: Any, *, reset: bool = False) -> Any:
        return read_rows(self, X, reset=reset)

    def _check(self) -> None:
        check_parameters(self.get_params(deep=False), self._losses)

    def _read_all(
        self, X: Any, y: Any, sample_weight: Any, groups: Any, *, fresh: bool
    ) -> tuple[Any, Array, Array | None, Array | None, list[str] | None]:
        """Read rows, target, weights, groups and the names of the labels."""
        target_name = name_of_target(y)
        X, y = take_target(X, y, self.preprocess if fresh else self.encoder_)
        rows = self._read(X, reset=fresh)
        n_rows = n_rows_of(rows)
        values = read_target_values(y, n_rows, type(self).__name__)
        weights, groups = read_weights(sample_weight, n_rows), read_groups(groups, n_rows)
        if fresh:
            self.target_name_ = target_name
        if weights is not None and self.preprocess is not None and not weights.all():
            # Out before anything is learned from them; scikit-learn's way (preprocess=None) keeps them in the batches.
            there = np.flatnonzero(weights)
            rows, values, weights = pick(rows, there), values[there], weights[there]
            groups = None if groups is None else read_groups(groups[there], len(there))
        return rows, values, weights, groups, names_of_labels(y)

    def _pair(self, X: Any, y: Any) -> tuple[Any, Any]:
        return take_target(X, y, getattr(self, "encoder_", None))

    def _inputs_in_words(self) -> str:
        return f"{self.net_.spec.n_features} inputs"

    def _is_plain(self) -> bool:
        return self.encoder_ is None

    def _read_validation(self, validation_data: tuple[Any, Any], dtype: torch.dtype) -> Rows:
        try:
            X, y = validation_data
        except (TypeError, ValueError):
            raise ParameterError(
                f"validation_data={show(validation_data)} must be a pair (X, y)", hint="validation_data=(X_val, y_val)"
            ) from None
        try:
            X, y = take_target(X, y, self.encoder_)
            rows = self._read(X)
            values = read_target_values(y, n_rows_of(rows), type(self).__name__)
            return self._prepare(rows, values, self._weigh(values, None), dtype=dtype)
        except ValueError as error:
            error.add_note("while reading validation_data")
            raise

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
        if fit:
            self.encoder_ = fit_preparation(self, rows, y, weights, folds)
            self._reference = sketch(rows, self.encoder_.schema_) if isinstance(self.encoder_, TableEncoder) else {}
        elif dtype is None:
            dtype = self.net_.coefs[0].dtype
        return self._rows(self._encode(rows), y, weights, dtype)

    def _encode(self, rows: Any) -> Any:
        if self.encoder_ is None:
            return rows
        Z = self.encoder_.transform(rows)
        return Z if isinstance(self.encoder_, TableEncoder) else check_transformed(Z, self.encoder_)

    def _dtype(self, X: Any) -> torch.dtype:
        if self.dtype != "auto":
            return torch.float64 if self.dtype == "float64" else torch.float32
        if self.preprocess is None and X.dtype == np.float64:
            return torch.float64
        return torch.float32

    def _take_up_network(self, rows: Rows) -> None:
        """Go on with a copy of the network there is, which must be the one that is asked for."""
        old, new = self.net_.spec, self._new_spec(rows)
        for name in ("hidden_layer_sizes", "activation", "n_members", "skip", "batch_norm", "n_features", "n_outputs"):
            before, now = getattr(old, name), getattr(new, name)
            if before != now:
                raise ParameterError(
                    f"warm_start goes on with the network there is, which has {name}={show(before)}, now it is "
                    f"{show(now)}",
                    hint="set warm_start=False to train a new one",
                )
        self.net_ = copy.deepcopy(self.net_)
        self.net_.spec = dataclasses.replace(old, dropout=new.dropout)

    def _new_spec(self, rows: Rows) -> MLPSpec:
        sizes = hidden_layers(self.hidden_layer_sizes)
        return MLPSpec(
            n_features=rows.X.shape[1],
            n_outputs=rows.y.shape[1],
            hidden_layer_sizes=sizes,
            activation=self.activation,
            dropout=dropout_rates(self.dropout, len(sizes)),
            n_members=int(self.n_members),
            skip=self.skip is not None,
            batch_norm=bool(self.batch_norm),
            init=self.init if isinstance(self.init, Initialization) else Initialization(self.init),
        )

    def _new_net(self, rows: Rows, validation: Rows | None, random_state: np.random.RandomState) -> MLP:
        spec = self._new_spec(rows)
        refuse_too_large(spec.n_parameters, self.hidden_layer_sizes, self.n_members)
        net = spec.build(random_state, dtype=rows.dtype)
        if spec.skip:
            LinearStart(self._objective, rows, validation, n_members=spec.n_members).into(net)
        return net

    def decision_outputs(self, X: Any) -> Array:
        """Outputs of the network before the link (logits, or scaled values), the mean of the members.

        Parameters
        ----------
        X : data frame, path of a CSV file, mapping of columns, or array-like of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
        """
        check_is_fitted(self, "net_")
        Z = self._encode(self._read(X))
        is_plain = self.encoder_ is None and self._is_float32()
        if is_plain and Z.dtype == np.float32:  # as scikit-learn does, at more than twice the speed
            return mean_outputs(self.net_, Z, torch.float32)
        # Otherwise in float64, whatever the weights are: so a row's prediction does not depend on the rows around it.
        # Where columns are prepared, that takes longer than this.
        outputs = mean_outputs(self.net_, Z, torch.float64)
        return outputs.astype(np.float32) if is_plain else outputs

    def _is_float32(self) -> bool:
        return bool(self.net_.coefs[0].dtype == torch.float32)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = self.preprocess is not None
        return tags
