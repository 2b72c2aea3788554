"""The rows that a reference learns from and is judged on, and the loss that it is judged by."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from planefold.core.errors import DataError
from planefold.engine.objectives import Objective

Floats = NDArray[np.float64]

N_FOLDS = 3


@dataclass(frozen=True, eq=False)
class ReferenceRows:
    """The training rows that are learned from, the held-out rows, and the loss that both are judged by."""

    X: Floats
    Y: Floats
    X_val: Floats
    Y_val: Floats
    weights: Floats
    objective: Objective

    @classmethod
    def of(
        cls, X: Any, Y: Any, X_val: Any, Y_val: Any, weights: Any, objective: Objective, max_rows: int, seed: int
    ) -> ReferenceRows:
        """Check the rows, and draw those that are learned from."""
        Y, Y_val = _targets(Y, "Y"), _targets(Y_val, "Y_val")
        n_rows = len(Y)
        weights = np.ones(n_rows) if weights is None else np.asarray(weights, dtype=float).reshape(-1)
        for name, part, targets in (("X", X, Y), ("X_val", X_val, Y_val), ("X", weights, Y)):
            if part.shape[0] != len(targets):
                raise DataError(f"{name} has {part.shape[0]} rows", details=f"its targets have {len(targets)}")
        if not n_rows or not len(Y_val):
            raise DataError("there are no rows", hint="a reference needs rows to learn from and others to be judged on")
        if X.shape[1:] != X_val.shape[1:] or Y.shape[1] != Y_val.shape[1]:
            raise DataError("the held-out rows have other columns", details=f"{X.shape[1:]} and {X_val.shape[1:]}")
        kept = np.flatnonzero(weights > 0)
        if len(kept) > max_rows:
            kept = np.sort(np.random.default_rng(seed).choice(kept, max_rows, replace=False))
        if not len(kept):
            raise DataError("all rows weigh nothing")
        weights = weights[kept] / weights[kept].mean()
        return cls(matrix_of(X[kept], "X"), Y[kept], matrix_of(X_val, "X_val"), Y_val, weights, objective)

    def losses(self, raw: Floats, targets: Floats) -> Floats:
        """Loss of each row from raw outputs."""
        return np.asarray(self.objective.row_loss(torch.from_numpy(raw), torch.from_numpy(targets)))

    def raw(self, predictions: Floats) -> Floats:
        """Turn predictions (means, probabilities) into raw outputs."""
        return np.asarray(self.objective.inverse_link(torch.from_numpy(np.ascontiguousarray(predictions))))

    def inner_loss(self, raw: Floats) -> float:
        """Weighted mean loss of the training rows."""
        return float(np.average(self.losses(raw, self.Y), weights=self.weights))

    def best_constant(self, targets: Floats | None = None) -> Floats:
        """The one prediction that is best for all training rows, as an output."""
        targets = self.Y if targets is None else targets
        best = np.asarray(self.objective.best_constant(torch.from_numpy(targets), torch.from_numpy(self.weights)))
        # A class, or an event, that these rows lack may still come: it counts as half a row.
        least = 0.5 / (len(targets) + 1)
        return best if self.objective.out_activation == "identity" else np.clip(best, least, self._most(least))

    def _most(self, least: float) -> float:
        return math.inf if self.objective.out_activation == "exp" else 1 - least

    def constant_losses(self) -> Floats:
        """Losses of the held-out rows if always the best constant is predicted."""
        raw = self.raw(self.best_constant()[None])
        return self.losses(np.repeat(raw, len(self.Y_val), axis=0), self.Y_val)

    def score(self, raw: Floats) -> float:
        """Accuracy of classes, R^2 of numbers; several outputs are averaged."""
        if self.objective.name == "log_loss":
            return float((raw.argmax(axis=1) == self.Y_val.argmax(axis=1)).mean())
        if self.objective.name == "binary_log_loss":
            return float(((raw > 0) == (self.Y_val > 0.5)).all(axis=1).mean())
        predicted = np.asarray(self.objective.link(torch.from_numpy(raw)))
        spread = ((self.Y_val - self.Y_val.mean(axis=0)) ** 2).sum(axis=0)
        errors = ((self.Y_val - predicted) ** 2).sum(axis=0)
        return float(np.mean(1 - errors / np.where(spread > 0, spread, np.nan)))

    def folds(self) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Cut the training rows into parts that are alike: rows in the order of their targets are dealt out."""
        order = np.lexsort(np.vstack([np.arange(len(self.Y)), self.Y.T[: self.Y.shape[1]]]))
        part = np.empty(len(order), dtype=np.intp)
        part[order] = np.arange(len(order)) % N_FOLDS
        for fold in range(N_FOLDS):
            yield np.flatnonzero(part != fold), np.flatnonzero(part == fold)


def _targets(values: Any, name: str) -> Floats:
    found = np.ascontiguousarray(values, dtype=np.float64)
    found = found[:, None] if found.ndim == 1 else found
    if found.ndim != 2:
        raise DataError(f"{name} has shape {found.shape}", details="a row and a column for each output are needed")
    if not np.isfinite(found).all():
        raise DataError(f"{name} has a missing or infinite value")
    return found


def matrix_of(values: Any, name: str) -> Floats:
    """Return dense float64 of shape (n_rows, n_features)."""
    dense = values.toarray() if hasattr(values, "toarray") else np.asarray(values)
    try:
        found = np.array(dense, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(
            f"{name} has values that are not numbers", hint="give the rows as the network gets them"
        ) from None
    if found.ndim != 2:
        raise DataError(f"{name} has shape {found.shape}", details="rows and columns are needed")
    found[np.isinf(found)] = np.nan
    return found


def sample(rows: Floats, most: int, rng: np.random.Generator) -> Floats:
    """Draw that many rows, in their order; all where there are no more."""
    return rows if len(rows) <= most else rows[np.sort(rng.choice(len(rows), most, replace=False))]


def standard_error(rows: Floats) -> float:
    """Standard error of a mean over rows; infinite of a single one."""
    return float(rows.std(ddof=1) / math.sqrt(len(rows))) if len(rows) > 1 else math.inf
