"""Do what a recipe says: its rows, its estimator, and a training that is watched on fresh rows."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

import planefold as pf
from doctor_runs.populations import Population, population
from doctor_runs.recipes import Recipe
from planefold.networks.initialization import Initialization

Array = np.ndarray[Any, Any]

N_FRESH = 3_000
FRESH_SEED, VAL_STREAM = 2**31 - 7, 1


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of one recipe: to learn from, and to judge by unless the estimator holds some out itself."""

    X: Array
    y: Array
    X_val: Array | None
    y_val: Array | None

    @property
    def validation(self) -> tuple[Array, Array] | None:
        """What ``fit`` takes as ``validation_data``."""
        return None if self.X_val is None else (self.X_val, self.y_val)


@functools.lru_cache(maxsize=4)
def known_population(family: str, seed: int) -> Population:
    """Return a population, made once."""
    return population(family, seed)


@functools.lru_cache(maxsize=4)
def fresh_rows(family: str, seed: int) -> tuple[Array, Array]:
    """Return the rows on which every run of a population is measured."""
    return known_population(family, seed).draw(N_FRESH, FRESH_SEED)


def rows_of(recipe: Recipe) -> Rows:
    """Draw the rows of a recipe; every class is among those to learn from."""
    source = known_population(recipe.family, recipe.seed)
    X, y = _enough(source, recipe, recipe.n_train, recipe.data_seed, _in_region, recipe.region)
    if recipe.no_signal:
        y = np.random.default_rng(recipe.data_seed).permutation(y)
    if not recipe.n_val:
        return Rows(X=X, y=y, X_val=None, y_val=None)
    X_val, y_val = _enough(source, recipe, recipe.n_val, recipe.data_seed + 1, _is_easy, recipe.easy)
    if recipe.no_signal:
        y_val = np.random.default_rng(recipe.data_seed + 1).permutation(y_val)
    return Rows(X=X, y=y, X_val=X_val, y_val=y_val)


def _enough(source: Population, recipe: Recipe, n: int, seed: int, keep: Any, share: float) -> tuple[Array, Array]:
    """Draw rows until enough are kept, with every class among those to learn from."""
    for attempt in range(20):
        X, y = source.draw(int(n / share * 1.3) + 40 if share < 1 else n, seed + 7_919 * attempt)
        if share < 1:
            kept = np.flatnonzero(keep(source, recipe, X, y))[:n]
            X, y = X[kept], y[kept]
        if len(y) == n and (keep is _is_easy or len(np.unique(y)) >= source.n_classes):
            return X, y
    raise ValueError(f"{source.name} has no {n} such rows")


def _in_region(source: Population, recipe: Recipe, X: Array, y: Array) -> Array:
    direction = np.random.default_rng([recipe.data_seed, 5]).standard_normal(X.shape[1])
    edge = np.quantile(fresh_rows(recipe.family, recipe.seed)[0] @ direction, recipe.region)
    return np.asarray(X @ direction <= edge)


def _is_easy(source: Population, recipe: Recipe, X: Array, y: Array) -> Array:
    return np.asarray(source.easiness(X, y) >= 1 - recipe.easy)


def easy_rows(recipe: Recipe, X: Array, y: Array) -> Array:
    """Tell which rows could be validation rows."""
    return (
        _is_easy(known_population(recipe.family, recipe.seed), recipe, X, y)
        if recipe.easy < 1
        else np.ones(len(y), bool)
    )


def estimator_of(recipe: Recipe, **changes: Any) -> Any:
    """Make the estimator of a recipe, with some parameters changed."""
    settings = dict(recipe.settings)
    if isinstance(settings.get("init"), Mapping):
        settings["init"] = Initialization(**settings["init"])
    if "hidden_layer_sizes" in settings:
        settings["hidden_layer_sizes"] = tuple(settings["hidden_layer_sizes"])
    kind = pf.MLPRegressor if known_population(recipe.family, recipe.seed).is_regression else pf.MLPClassifier
    return kind(**settings).set_params(**changes)


def fit(model: Any, rows: Rows) -> Any:
    """Train as a user does; what the library warns of is for users."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(rows.X, rows.y, validation_data=rows.validation)


class Meter:
    """Losses of a model's network on given rows, in the units of the population.

    With several members the mean of their losses, as their curves show it.
    """

    def __init__(self, model: Any, X: Array, y: Array) -> None:
        self.model = model
        dtype = model.net_.coefs[0].dtype
        encoded = model._rows(model._encode(model._read(X)), y, None, dtype)
        self.X, self.y = torch.as_tensor(np.asarray(encoded.X)), encoded.y
        self.unit = unit_of(model)

    def rows(self) -> Array:
        """Loss of each row."""
        with torch.inference_mode():
            losses = self.model._objective.row_loss(self.model.net_(self.X), self.y)
        return np.asarray(losses.double().mean(dim=0).numpy()) * self.unit


def unit_of(model: Any) -> float:
    """Return what the engine's loss is multiplied by to be in the population's units: the target may be scaled."""
    scale = getattr(model._target, "scale", None)
    return 1.0 if scale is None else float(np.mean(np.square(scale)))


@dataclass
class Watched:
    """A training that was measured after each epoch; losses are in the units of the population.

    Parameters
    ----------
    model : estimator
    fresh : list of float
        Mean loss of the fresh rows after epochs 1, 2, ...
    train : list of float
        The same of the training rows, dropout off.
    """

    model: Any
    fresh: list[float] = field(default_factory=list)
    train: list[float] = field(default_factory=list)


def watch(model: Any, rows: Rows, fresh: tuple[Array, Array], n_train_epochs: float = float("inf")) -> Watched:
    """Train and measure; the measuring moves nothing, so the training is the same one as without.

    The loss of the training rows is measured in the first ``n_train_epochs`` epochs only.
    """
    seen = Watched(model)
    meters: list[Meter] = []

    def measure(epoch: Any) -> None:
        if not meters:
            meters.extend([Meter(model, *fresh), Meter(model, rows.X, rows.y)])
        seen.fresh.append(float(meters[0].rows().mean()))
        if epoch.epoch <= n_train_epochs:
            seen.train.append(float(meters[1].rows().mean()))

    model.set_params(callbacks=[measure])
    with np.errstate(over="ignore", invalid="ignore"):
        fit(model, rows)
    return seen
