"""Targets that are numbers: their scale, their losses and their score, whatever the network is."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.metrics import r2_score
from torch import Tensor

from planefold.core.errors import DataError, ParameterError, show
from planefold.data import robust
from planefold.data.targets import NumberTarget, number_target, read_target, to_numbers
from planefold.engine.objectives import OBJECTIVES, Objective, huber
from planefold.estimators.training import Array, BaseNetwork

ROBUST_LOSSES = ("absolute_error", "huber")  # those that a few giant targets do not rule


class NumberTargets(BaseNetwork):
    """What regressors do; beside :class:`BaseNetwork`'s, a network of any kind."""

    loss: str
    huber_delta: float
    preprocess: Any
    _target: NumberTarget

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

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the coefficient of determination R^2 (of several outputs their mean).

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.
        """
        X, y = self._pair(X, y)
        return float(r2_score(read_target(y), self.predict(X), sample_weight=sample_weight))

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
        return values.astype(p.dtype) if self._is_plain() else values

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
