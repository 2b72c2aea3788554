"""What really happened in a run, measured on fresh rows and by other trainings; the flags and the label that follow.

Unit of all shares: ``R = L0 - L*``, the learnable range. ``L0`` is the population loss of predicting the mean, or the
shares of the classes; ``L*`` the best population loss that is known, of oracles trained on 6,000 fresh rows, of the run
and of the other trainings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from doctor_runs.populations import Population
from doctor_runs.recipes import Recipe
from doctor_runs.trials import (
    Meter,
    Rows,
    Watched,
    easy_rows,
    estimator_of,
    fit,
    fresh_rows,
    known_population,
    unit_of,
    watch,
)

Array = np.ndarray[Any, Any]

ORACLE_ROWS, ORACLE_SEED = 6_000, 2**31 - 11
DEFAULT_EPOCHS = 100  # of the estimators on tables as small as these
LABELS = (
    "diverged",
    "oscillating",
    "underfit_flat",
    "underfit_improving",
    "underfit_capacity",
    "overfit",
    "unrep_train",
    "unrep_val_noisy",
    "unrep_val_easy",
    "good_fit",
)


# ---------------------------------------------------------------------------------------------- the population


def trivial_loss(y: Array, n_classes: int) -> float:
    """Loss of the best constant prediction: half the variance, or the entropy of the classes."""
    if not n_classes:
        return 0.5 * float(np.var(y))
    shares = np.bincount(y, minlength=n_classes) / len(y)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def oracle_loss(source: Population) -> float:
    """Population loss of the best of a wide ensemble and gradient boosting, each on 6,000 fresh rows."""
    X, y = source.draw(ORACLE_ROWS, ORACLE_SEED)
    fresh = fresh_rows(source.family, source.seed)
    return min(_network_loss(source, X, y, *fresh), _boosting_loss(source, X, y, *fresh))


def _network_loss(source: Population, X: Array, y: Array, X_fresh: Array, y_fresh: Array) -> float:
    import planefold as pf

    kind = pf.MLPRegressor if source.is_regression else pf.MLPClassifier
    model = kind(hidden_layer_sizes=(96, 96), n_members=4, dropout=0.1, max_iter=40, batch_size=128,
                 learning_rate_init=0.004, encoding="linear", random_state=0)  # fmt: skip
    fit(model, Rows(X=X, y=y, X_val=None, y_val=None))
    return ensemble_loss(model, X_fresh, y_fresh)


def ensemble_loss(model: Any, X: Array, y: Array) -> float:
    """Loss of what a fitted estimator predicts, in the units of the population."""
    import torch

    target = torch.as_tensor(np.asarray(model._encode_target(y)), dtype=torch.float64)
    outputs = torch.as_tensor(model.decision_outputs(X), dtype=torch.float64)
    return float(model._objective.row_loss(outputs, target).mean()) * unit_of(model)


def _boosting_loss(source: Population, X: Array, y: Array, X_fresh: Array, y_fresh: Array) -> float:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.metrics import log_loss

    settings: dict[str, Any] = {"early_stopping": True, "max_iter": 300, "learning_rate": 0.08, "random_state": 0}
    if source.is_regression:
        model = HistGradientBoostingRegressor(**settings).fit(X, y)
        return 0.5 * float(np.mean((model.predict(X_fresh) - y_fresh) ** 2))
    model = HistGradientBoostingClassifier(**settings).fit(X, y)
    return float(log_loss(y_fresh, model.predict_proba(X_fresh), labels=model.classes_))


# ----------------------------------------------------------------------------------------------------- the run


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What was measured; shares are of the learnable range ``R``.

    Parameters
    ----------
    L0, Lstar, R : float
        See the module; in the units of the population (``unit`` of them are 1 in those of the run).
    finite : bool
        Whether every loss was a number.
    end : int
        Epoch whose weights the user has.
    best_epoch : int
        Epoch with the lowest population loss.
    rise : float
        Population loss at the end minus the lowest one.
    train_fall : float
        By how much the training loss fell from the best epoch to the end.
    cont : float
        Population loss that training twice as long removes.
    gap : float
        Population minus training loss at the end.
    skill, skill_end, train_skill, train_skill_best : float
        Share of ``R`` that the population loss (best, end) and the training loss (end, best) have removed.
    val_sd : float
        Standard deviation of the loss of as many validation rows.
    val_bias : float
        Population loss under the validation rows' distribution, minus the population loss.
    val_below_train : float
        Training loss minus the population loss under the validation rows' distribution.
    osc : float
        Jumps from epoch to epoch of the noise-free curves in the second half.
    div : float
        Training loss above ``L0`` at the end, and above what it was at the start: first weights can be worse than
        always predicting the same, and a training that has hardly begun has not diverged.
    fresh_end, fresh_best, val_end : float
        Population losses at the end and lowest; population loss under the validation distribution at the end.
    """

    L0: float
    Lstar: float
    R: float
    unit: float
    finite: bool
    end: int
    best_epoch: int
    rise: float
    train_fall: float
    cont: float
    gap: float
    skill: float
    skill_end: float
    train_skill: float
    train_skill_best: float
    val_sd: float
    val_bias: float
    val_below_train: float
    osc: float
    div: float
    fresh_end: float
    fresh_best: float
    train_end: float
    val_end: float

    def to_json(self) -> dict[str, Any]:
        """Return JSON data, with None for what is not finite."""
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in asdict(self).items()}


def jumps(curve: Array) -> float:
    """Standard deviation of one epoch's noise in the second half: that of the differences over the root of 2.

    A straight trend has none; curves with fewer than three points there neither.
    """
    steps = np.diff(curve[len(curve) // 2 :])
    return float(steps.std() / math.sqrt(2)) if len(steps) > 1 else 0.0


def measure(recipe: Recipe, model: Any, rows: Rows, oracle: float) -> tuple[Truth, Watched]:
    """Measure the truth of a run that a fitted model made.

    The same training is repeated under watch, and goes on for as long again: where the rate does not follow a
    schedule, in the same training.

    Raises
    ------
    ValueError
        If the training under watch ends in another network.
    """
    X, y = fresh_rows(recipe.family, recipe.seed)
    if recipe.no_signal:
        y = np.random.default_rng(0).permutation(y)
    n_epochs, run = model.run_.n_epochs, model.run_
    planned = n_epochs if model.learning_rate == "constant" else model.max_iter or DEFAULT_EPOCHS
    longer = _try_watch(estimator_of(recipe, max_iter=2 * planned, n_iter_no_change=100_000), rows, (X, y), n_epochs)
    if model.learning_rate == "constant" and longer is not None:
        seen, after = longer, longer.fresh[n_epochs:]
    else:
        seen, after = watch(estimator_of(recipe), rows, (X, y)), [] if longer is None else longer.fresh
    seen = Watched(model, seen.fresh[:n_epochs], seen.train[:n_epochs])
    L0 = trivial_loss(y, known_population(recipe.family, recipe.seed).n_classes)
    rows_end, train_end = Meter(model, X, y).rows(), float(Meter(model, rows.X, rows.y).rows().mean())
    if not run.restored_best and not np.isclose(train_end, seen.train[-1], rtol=1e-3, atol=1e-6, equal_nan=True):
        raise ValueError(f"not the same training: loss {train_end}, watched {seen.train[-1]}")
    return truth_of(
        fresh=np.array(seen.fresh),
        train=np.array(seen.train),
        after=np.array(after),
        rows_end=rows_end,
        train_end=train_end,
        easy=easy_rows(recipe, X, y),
        L0=L0,
        start=_start(recipe, rows) if not seen.train[-1] < L0 else L0,
        oracle=oracle,
        end=run.best_epoch if run.restored_best else n_epochs,
        n_val=recipe.n_val or len(rows.y),
        unit=unit_of(model),
        diverged=run.stopped_because == "diverged",
    ), seen


def _start(recipe: Recipe, rows: Rows) -> float:
    """Training loss of the first weights: after an epoch of steps of no length."""
    model = estimator_of(recipe, max_iter=1, learning_rate_init=1e-30)
    return float(Meter(fit(model, rows), rows.X, rows.y).rows().mean())


def _try_watch(model: Any, rows: Rows, fresh: tuple[Array, Array], n_train_epochs: int) -> Watched | None:
    from planefold.core.errors import TrainingError

    try:
        return watch(model, rows, fresh, n_train_epochs)
    except TrainingError:
        return None


def truth_of(
    *,
    fresh: Array,
    train: Array,
    after: Array,
    rows_end: Array,
    train_end: float,
    easy: Array,
    L0: float,
    oracle: float,
    end: int,
    n_val: int,
    start: float = -math.inf,
    unit: float = 1.0,
    diverged: bool = False,
) -> Truth:
    """Work the truth out of noise-free curves.

    Parameters
    ----------
    fresh, train : arrays of shape (n_epochs,)
        Population and training loss after each epoch.
    after : array
        Population losses of the training that goes on.
    rows_end : array of shape (n_fresh,)
        Population loss of single rows with the weights that were kept.
    train_end : float
        Training loss with these weights.
    easy : bool array of shape (n_fresh,)
        Which of them could be validation rows.
    L0, oracle : float
    end : int
        Epoch whose weights were kept; 0 is the start.
    n_val : int
    start : float
        Training loss before the first epoch.
    """
    finite = bool(np.isfinite(fresh).all() and np.isfinite(train).all()) and not diverged
    known_losses = np.concatenate([fresh, after])
    Lstar = float(np.fmin.reduce(known_losses[np.isfinite(known_losses)], initial=oracle))
    R = max(L0 - Lstar, 1e-9)
    best, fresh_end = int(np.argmin(np.where(np.isfinite(fresh), fresh, np.inf))), float(rows_end.mean())
    later = float(np.fmin.reduce(after[np.isfinite(after)], initial=np.inf))
    val_end = float(rows_end[easy].mean())
    with np.errstate(all="ignore"):
        return Truth(
            L0=L0,
            Lstar=Lstar,
            R=R,
            unit=unit,
            finite=finite,
            end=end,
            best_epoch=best + 1,
            rise=(fresh_end - float(fresh[best])) / R,
            train_fall=(float(train[best]) - train_end) / R,
            cont=float(fresh[best] - later) / R if math.isfinite(later) else 0.0,
            gap=(fresh_end - train_end) / R,
            skill=(L0 - float(fresh[best])) / R,
            skill_end=(L0 - fresh_end) / R,
            train_skill=(L0 - train_end) / R,
            train_skill_best=(L0 - float(np.fmin.reduce(train))) / R,
            val_sd=float(rows_end[easy].std()) / math.sqrt(n_val) / R,
            val_bias=(val_end - fresh_end) / R,
            val_below_train=(train_end - val_end) / R,
            osc=max(jumps(fresh / R), jumps(train / R)),
            div=max(0.0, (float(train[-1]) - max(L0, start)) / R),
            fresh_end=fresh_end,
            fresh_best=float(fresh[best]),
            train_end=train_end,
            val_end=val_end,
        )


# ------------------------------------------------------------------------------------------------ flags and label


def flags_of(t: Truth) -> dict[str, str]:
    """Answer each question by ``"yes"`` or ``"no"``, or by ``"borderline"`` between the two."""
    flags = {
        "diverged": _flag(t.div, yes=0.3, no=0.03) if t.finite else "yes",
        "oscillating": _flag(t.osc, yes=0.07, no=0.03),
        "overfit": _flag(t.rise, yes=0.08, no=0.03),
        "improving": _flag(t.cont, yes=0.10, no=0.03),
        "never_learned": _flag(-t.train_skill_best, yes=-0.12, no=-0.30),
        "gap": _flag(t.gap, yes=0.30, no=0.12),
        "val_noisy": _flag(t.val_sd, yes=0.10, no=0.05),
        "val_easy": _flag(-t.val_bias, yes=0.15, no=0.05),
        "capacity": _flag(-t.train_skill, yes=-0.70, no=-0.85),
    }
    if flags["overfit"] == "yes" and t.train_fall <= 0:
        flags["overfit"] = "borderline"
    if flags["val_easy"] == "yes" and t.val_below_train <= 0:
        flags["val_easy"] = "borderline"
    if not t.finite:
        flags |= {name: "borderline" for name in flags if name != "diverged"}
    return flags


def _flag(value: float, *, yes: float, no: float) -> str:
    return "yes" if value >= yes else "no" if value <= no else "borderline"


# Of each label: the flag that must be "yes", those that must be "no", and those that must not be "yes".
_RULES: Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "diverged": ("diverged", (), ()),
    "oscillating": ("oscillating", ("diverged", "val_easy"), ("never_learned", "improving", "val_noisy")),
    "underfit_flat": (
        "never_learned",
        ("improving", "val_easy"),
        ("diverged", "oscillating", "overfit", "gap", "val_noisy"),
    ),
    "overfit": ("overfit", ("diverged", "oscillating", "improving"), ("val_easy", "never_learned", "val_noisy")),
    "unrep_val_noisy": (
        "val_noisy",
        ("diverged", "oscillating", "overfit", "never_learned", "val_easy"),
        ("improving", "gap", "capacity"),
    ),
    "unrep_val_easy": (
        "val_easy",
        ("diverged", "oscillating", "overfit", "never_learned"),
        ("improving", "gap", "capacity", "val_noisy"),
    ),
    "underfit_improving": ("improving", ("diverged", "oscillating", "overfit", "val_noisy", "val_easy"), ("gap",)),
    "unrep_train": (
        "gap",
        ("diverged", "oscillating", "overfit", "never_learned", "val_noisy", "val_easy"),
        ("improving",),
    ),
    "underfit_capacity": (
        "capacity",
        ("diverged", "oscillating", "overfit", "improving", "gap", "val_noisy", "val_easy"),
        ("never_learned",),
    ),
}


def label_of(t: Truth, flags: Mapping[str, str]) -> str | None:
    """Return the one label of a run; None where it is mixed or near a border."""
    for label, (yes, no, not_yes) in _RULES.items():
        if flags[yes] == "yes":
            clear = all(flags[name] == "no" for name in no) and all(flags[name] != "yes" for name in not_yes)
            if clear:
                return label
    healthy = t.train_skill > 0.85 and t.skill_end > 0.80 and all(answer == "no" for answer in flags.values())
    return "good_fit" if healthy else None
