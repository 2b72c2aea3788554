"""Recipes: how a network is trained, drawn at random with one of fourteen things in mind.

What a recipe has in mind decides nothing but what is likely to happen; the label comes from what was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from doctor_runs.populations import Population

Rng = np.random.Generator
Settings = dict[str, Any]

# One network on the numbers as they are, trained to the end and kept as it is then.
PLAIN: Mapping[str, Any] = {
    "preprocess": None,
    "skip": None,
    "encoding": "linear",
    "n_members": 1,
    "dropout": 0.0,
    "learning_rate": "constant",
    "early_stopping": True,
    "restore_best": False,
    "n_iter_no_change": 100_000,
    "tol": 0.0,
    "alpha": 0.0,
}
KEPT: Mapping[str, Any] = {"restore_best": True}
PATIENT: Mapping[str, Any] = {"restore_best": True, "n_iter_no_change": 10}
HABITS = (("plain", 0.83), ("kept", 0.09), ("patient", 0.03), ("default", 0.05))
MOST_DEFAULT_ROWS = 500  # eight members, watched on fresh rows, take their time


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train, and on what.

    Parameters
    ----------
    family, seed : str, int
        The population.
    intent, detail : str
        What it has in mind.
    habit : str
        A name in ``HABITS``: ``"plain"``, with the best epoch ``"kept"``, ``"patient"`` (kept and stopped early), or
        ``"default"``, the library's own settings and own held-out rows.
    data_seed : int
    n_train, n_val : int
    settings : mapping
        Parameters of the estimator; ``init`` as the arguments of an ``Initialization``.
    easy : float
        Share of the population's rows, the easiest ones, that may be validation rows.
    region : float
        Share of the population's rows, on one side of a plane, that may be training rows.
    no_signal : bool
        The targets belong to other rows, everywhere.
    """

    family: str
    seed: int
    intent: str
    detail: str
    habit: str
    data_seed: int
    n_train: int
    n_val: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    easy: float = 1.0
    region: float = 1.0
    no_signal: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return JSON data, from which ``Recipe(**data)`` makes an equal one."""
        return asdict(self)


@dataclass
class _Draft:
    """A recipe while an intent works on it."""

    rng: Rng
    n_train: int
    n_val: int
    settings: Settings
    detail: str = ""
    easy: float = 1.0
    region: float = 1.0
    no_signal: bool = False

    def pick(self, *values: Any) -> Any:
        return values[int(self.rng.integers(len(values)))]

    def set(self, **settings: Any) -> None:
        self.settings.update(settings)

    def scale_rate(self, low: float, high: float) -> None:
        self.set(learning_rate_init=self.settings["learning_rate_init"] * log_uniform(self.rng, low, high))

    def penalty(self, strength: float) -> None:
        """Set a penalty that is as strong for every batch size, or what decays as fast with adamw."""
        decoupled = self.settings["solver"] == "adamw"
        self.set(alpha=10 * strength if decoupled else strength * self.settings["batch_size"])


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """Draw a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


# The rates at which each solver does well on such tables.
RATES = {
    "adam": (5e-4, 6e-3),
    "adamw": (5e-4, 6e-3),
    "nadam": (5e-4, 5e-3),
    "rmsprop": (3e-4, 2.5e-3),
    "momentum": (5e-3, 5e-2),
    "nesterov": (5e-3, 5e-2),
    "sgd": (3e-2, 2e-1),
}
SOLVERS = ("adam", "adam", "adam", "adam", "momentum", "momentum", "adamw", "rmsprop", "nesterov", "nadam", "sgd")


def _base(rng: Rng) -> _Draft:
    pick = lambda *values: values[int(rng.integers(len(values)))]  # noqa: E731
    solver, width = pick(*SOLVERS), pick(16, 24, 32, 48, 64)
    settings = {
        "hidden_layer_sizes": [width] * pick(1, 2, 2, 3),
        "activation": pick("relu", "relu", "relu", "leaky_relu", "tanh", "logistic" if rng.random() < 0.3 else "tanh"),
        "solver": solver,
        "learning_rate_init": log_uniform(rng, *RATES[solver]),
        "learning_rate": pick(*["constant"] * 9, "cosine", "step"),
        "batch_size": pick(32, 64, 64, 128, 128),
        "max_iter": pick(15, 22, 30, 40, 60),
        "dropout": pick(0.0, 0.0, 0.0, 0.1, 0.2),
        "batch_norm": bool(rng.random() < 0.15),
        "alpha": pick(0.0, 1e-4, 1e-3),
    }
    return _Draft(rng, n_train=pick(800, 1200, 2000, 2500, 3000), n_val=pick(400, 700, 1200), settings=settings)


def _good(d: _Draft) -> None:
    d.n_train = d.pick(2000, 3000, 3000)
    d.set(max_iter=d.pick(30, 40, 60, 80), learning_rate=d.pick("constant", "constant", "cosine"))


def _good_drop(d: _Draft) -> None:
    _good(d)
    d.set(dropout=d.pick(0.3, 0.4, 0.5))


def _good_reg(d: _Draft) -> None:
    _good(d)
    d.penalty(d.pick(3e-4, 1e-3, 3e-3))


def _improving(d: _Draft) -> None:
    d.set(max_iter=int(d.rng.integers(5, 16)), learning_rate="constant")
    d.scale_rate(0.04, 0.25)


def _improving_slow(d: _Draft) -> None:
    d.set(max_iter=d.pick(15, 22, 30, 60), learning_rate=d.pick("constant", "constant", "cosine", "step"))
    d.scale_rate(0.01, 0.08)


def _flat(d: _Draft) -> None:
    d.detail = d.pick("no_signal", "vanish", "zeros", "dead", "saturated", "rate", "rate", "dropout", "penalty")
    if d.detail == "no_signal":
        d.no_signal = True
        d.n_train, d.n_val = 3000, 1200
        d.set(max_iter=d.pick(15, 22), hidden_layer_sizes=[d.pick(8, 16)], batch_size=128)
        d.scale_rate(0.1, 0.5)
    elif d.detail == "vanish":
        depth = int(d.rng.integers(6, 12))
        d.set(activation="logistic", hidden_layer_sizes=[d.pick(16, 32)] * depth, solver="momentum",
              learning_rate_init=0.05, batch_norm=False, dropout=0.0, max_iter=d.pick(15, 22, 30))  # fmt: skip
    elif d.detail == "zeros":
        d.set(init={"kind": "zeros"}, activation=d.pick("relu", "leaky_relu", "tanh"))
    elif d.detail == "dead":
        d.set(activation="relu", init={"kind": "he_normal", "bias": -d.pick(6.0, 12.0)}, batch_norm=False)
    elif d.detail == "saturated":
        d.set(activation=d.pick("tanh", "logistic"), init={"kind": "normal", "scale": d.pick(10.0, 30.0)},
              batch_norm=False)  # fmt: skip
        d.scale_rate(0.003, 0.05)
    elif d.detail == "rate":
        d.scale_rate(1e-5, 1e-3)
        d.set(max_iter=d.pick(15, 22, 30))
    elif d.detail == "dropout":
        d.set(dropout=d.pick(0.9, 0.95, 0.97))
    else:
        d.penalty(log_uniform(d.rng, 0.3, 3.0))


def _capacity(d: _Draft) -> None:
    d.n_train = d.pick(1200, 2000, 3000)
    d.detail = d.pick("tiny", "tiny", "linear", "penalty", "penalty")
    d.set(max_iter=d.pick(60, 90, 120), learning_rate="constant")
    if d.detail == "tiny":
        d.set(hidden_layer_sizes=[d.pick(1, 1, 2)], dropout=0.0, batch_norm=False)
        d.scale_rate(2, 5)
    elif d.detail == "linear":
        d.set(hidden_layer_sizes=[], dropout=0.0, batch_norm=False)
        d.scale_rate(1.5, 4)
    else:
        d.penalty(log_uniform(d.rng, 2e-2, 3e-1))


def _overfit(d: _Draft) -> None:
    d.n_train, d.n_val = d.pick(90, 120, 200, 300, 500), d.pick(700, 1200)
    d.set(hidden_layer_sizes=[d.pick(64, 96, 128, 192)] * d.pick(1, 2, 3), batch_size=d.pick(8, 16, 32), dropout=0.0,
          alpha=0.0, max_iter=d.pick(40, 60, 90, 120), learning_rate="constant")  # fmt: skip


def _few_rows(d: _Draft) -> None:
    d.n_train = d.pick(25, 40, 60, 90, 130, 200)
    d.set(batch_size=16, dropout=d.pick(0.0, 0.1, 0.3, 0.5), max_iter=d.pick(20, 30, 50, 80))
    d.penalty(d.pick(1e-4, 3e-3, 1e-2, 3e-2))
    if d.rng.random() < 0.5:  # the best epoch kept: no rise is left, the gap is
        d.set(**KEPT)


def _shifted(d: _Draft) -> None:
    d.region = float(d.rng.uniform(0.35, 0.65))


def _val_noisy(d: _Draft) -> None:
    d.n_val = d.pick(5, 5, 8, 8, 12, 20, 30)
    d.n_train = d.pick(1200, 2000, 3000)


def _val_easy(d: _Draft) -> None:
    d.easy = d.pick(0.3, 0.4, 0.5, 0.6)
    d.n_train = d.pick(1200, 2000, 3000)


def _osc(d: _Draft) -> None:
    d.detail = d.pick("batch", "rate", "rate")
    d.n_train = d.pick(500, 900, 1200)
    d.set(learning_rate="constant", batch_norm=False, max_iter=d.pick(20, 30, 45))
    if d.detail == "batch":
        d.set(batch_size=d.pick(4, 8))
        d.scale_rate(6, 25)
    else:
        d.set(batch_size=d.pick(16, 32))
        d.scale_rate(20, 90)


def _diverge(d: _Draft) -> None:
    d.set(learning_rate="constant", batch_norm=False, max_iter=d.pick(10, 22, 30, 40))
    d.scale_rate(40, 400)
    if d.rng.random() < 0.3:
        d.set(init={"kind": "normal", "scale": 2.0})


INTENTS: dict[str, tuple[Callable[[_Draft], None], float]] = {
    "good": (_good, 0.19),
    "good_drop": (_good_drop, 0.05),
    "good_reg": (_good_reg, 0.05),
    "improving": (_improving, 0.07),
    "improving_slow": (_improving_slow, 0.06),
    "flat": (_flat, 0.10),
    "capacity": (_capacity, 0.13),
    "overfit": (_overfit, 0.09),
    "unrep_train_few": (_few_rows, 0.09),
    "unrep_train_shift": (_shifted, 0.03),
    "val_noisy": (_val_noisy, 0.07),
    "val_easy": (_val_easy, 0.05),
    "osc": (_osc, 0.08),
    "diverge": (_diverge, 0.05),
}


def draw_recipe(population: Population, number: int) -> Recipe:
    """Draw a recipe for a population; the same one for the same number."""
    rng = np.random.default_rng([population.seed, number, 4, *population.family.encode()])
    weights = np.array([weight for _, weight in INTENTS.values()])
    intent = str(rng.choice(list(INTENTS), p=weights / weights.sum()))
    habit = str(rng.choice([name for name, _ in HABITS], p=[share for _, share in HABITS]))
    if habit == "default":
        intent = str(rng.choice(["good", "good", "unrep_train_few", "unrep_train_shift"]))
    draft = _base(rng)
    INTENTS[intent][0](draft)
    if habit == "default":
        draft.n_train = min(draft.n_train, MOST_DEFAULT_ROWS)
    if habit == "default":
        settings: Settings = {}
    else:
        settings = dict(PLAIN) | draft.settings | {"kept": KEPT, "patient": PATIENT}.get(habit, {})
    settings["random_state"] = int(rng.integers(2**31))
    return Recipe(
        family=population.family, seed=population.seed, intent=intent, detail=draft.detail, habit=habit,
        data_seed=int(rng.integers(2**31)), n_train=draft.n_train, n_val=0 if habit == "default" else draft.n_val,
        settings=settings, easy=draft.easy, region=draft.region, no_signal=draft.no_signal,
    )  # fmt: skip
