"""How many harmful faults the doctor finds, whether it names the cause first, and how often it alarms at healthy runs.

    python benchmarks/doctor_faults.py [--half dev|test] [--seeds 12] [--only zero_init rate_low] [--json FILE]

Injects one fault after the other into healthy trainings. Each is trained beside its twin, which has the same data,
the same seed and the same settings but for the fault. What is harmful is measured: on a large fresh sample the
sick network explains clearly less than its twin (by a tenth of what there is to explain). A fault is *found* when the
diagnosis has a warning or an error, and its cause is *named* when the first of them has one of the codes that the
fault may go by. A training that breaks in its first epoch ends with an error that names the learning rate and the
scales: that counts as found, and as named where one of these is the cause. A twin is *alarmed* by a warning of the
optimisation or of the scales, which is what these faults are about; warnings of its curves are counted beside.

Rules are tuned on the half ``dev`` alone; ``test`` has other data sets, other seeds and other sizes.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from common import show_table, write_json

import planefold as pf
from planefold.core.errors import PlanefoldError
from planefold.doctor import Diagnosis
from planefold.networks import Initialization

HARM = 0.1  # share of what there is to explain
BARS = {"found": 0.95, "named": 0.90, "alarms": 0.02}
N_FRESH = 4000
OF_INTERNALS = ("GR", "DA3", "DA502")
REFUSED = "error"  # what stands for the codes where training ends with an error

Rows = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Rows to learn from, to judge by, and a large fresh sample; inputs and a numeric target on one scale."""

    name: str
    learn: Rows
    judge: Rows
    fresh: Rows
    n_classes: int  # 0: a number is predicted


# Data ----------------------------------------------------------------------------------------------------------------


def _teacher(rng: np.random.Generator, n: int) -> Rows:
    """A random tanh network with a little noise."""
    fixed = np.random.default_rng(5)
    W, v = fixed.normal(size=(6, 12)) / 2, fixed.normal(size=12)
    X = rng.normal(size=(n, 6))
    return X, np.tanh(X @ W) @ v + 0.2 * rng.normal(size=n)


def _waves(rng: np.random.Generator, n: int) -> Rows:
    X = rng.uniform(-1.7, 1.7, size=(n, 4))
    return X, np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + 0.5 * np.abs(X[:, 3]) + 0.1 * rng.normal(size=n)


def _moons(rng: np.random.Generator, n: int) -> Rows:
    angle, label = rng.uniform(0, np.pi, n), rng.integers(0, 2, n)
    arcs = np.where(label, [1 - np.cos(angle), 0.5 - np.sin(angle)], [np.cos(angle), np.sin(angle)])
    return np.column_stack([arcs.T + 0.2 * rng.normal(size=(n, 2)), rng.normal(size=(n, 2))]), label


def _mixture(rng: np.random.Generator, n: int) -> Rows:
    """Four classes of two clouds each."""
    centres = np.random.default_rng(3).normal(size=(8, 5)) * 2.2
    cloud = rng.integers(0, 8, n)
    return centres[cloud] + rng.normal(size=(n, 5)), cloud % 4


def _friedman(rng: np.random.Generator, n: int) -> Rows:
    X = rng.uniform(size=(n, 8))
    y = 10 * np.sin(np.pi * X[:, 0] * X[:, 1]) + 20 * (X[:, 2] - 0.5) ** 2 + 10 * X[:, 3] + 5 * X[:, 4]
    return X, y + rng.normal(size=n)


def _product(rng: np.random.Generator, n: int) -> Rows:
    X = rng.normal(size=(n, 5))
    return X, X[:, 0] * X[:, 1] + np.maximum(X[:, 2], 0) - 0.5 * X[:, 3] + 0.2 * rng.normal(size=n)


def _rings(rng: np.random.Generator, n: int) -> Rows:
    label, angle = rng.integers(0, 3, n), rng.uniform(0, 2 * np.pi, n)
    radius = 1.0 + 1.2 * label + 0.2 * rng.normal(size=n)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle), rng.normal(size=n)]), label


def _hastie(rng: np.random.Generator, n: int) -> Rows:
    """Two classes by the length of a row (Hastie, Tibshirani and Friedman, 2009, example 10.2)."""
    X = rng.normal(size=(n, 6))
    return X, ((X**2).sum(axis=1) > 5.35).astype(int)


def _of_sklearn(load: str) -> Callable[[np.random.Generator, int], Rows]:
    """Rows of a set of scikit-learn in random order, all of them: the fresh sample is what is left."""

    def draw(rng: np.random.Generator, n: int) -> Rows:
        from sklearn import datasets

        X, y = getattr(datasets, load)(return_X_y=True)
        order = rng.permutation(len(y))
        return X[order], y[order]

    return draw


SETS: dict[str, dict[str, tuple[Callable[[np.random.Generator, int], Rows], bool]]] = {
    "dev": {
        "teacher": (_teacher, False), "waves": (_waves, False), "moons": (_moons, True), "mixture": (_mixture, True),
        "breast cancer": (_of_sklearn("load_breast_cancer"), True),
    },
    "test": {
        "friedman": (_friedman, False), "product": (_product, False), "rings": (_rings, True),
        "hastie": (_hastie, True), "digits": (_of_sklearn("load_digits"), True),
    },
}  # fmt: skip
FIRST_SEED = {"dev": 0, "test": 10_000}


def problem_of(half: str, seed: int, *, classes: bool | None = None, only: tuple[str, ...] = ()) -> Problem:
    """Draw the problem of a seed: the sets take turns, the number of rows varies."""
    sets = {
        name: made
        for name, made in SETS[half].items()
        if (classes is None or made[1] == classes) and (not only or name in only)
    }
    name = list(sets)[seed % len(sets)]
    draw, has_classes = sets[name]
    rng = np.random.default_rng(FIRST_SEED[half] + seed)
    n_learn = int(rng.integers(250, 701) if half == "dev" else rng.integers(300, 901))
    n_judge = n_learn // 3
    X, y = draw(rng, n_learn + n_judge + N_FRESH)
    n_learn = min(n_learn, len(y) // 2)
    n_judge = min(n_judge, len(y) // 6)
    mean, scale = X[:n_learn].mean(axis=0), X[:n_learn].std(axis=0)
    X = (X - mean) / np.where(scale > 0, scale, 1)
    if not has_classes:
        y = (y - y[:n_learn].mean()) / y[:n_learn].std()
    parts = np.split(np.arange(len(y)), [n_learn, n_learn + n_judge])
    learn, judge, fresh = ((X[part], y[part]) for part in parts)
    n_classes = int(y.max()) + 1 if has_classes else 0
    return Problem(name=name, learn=learn, judge=judge, fresh=fresh, n_classes=n_classes)


def healthy_settings(half: str, seed: int) -> dict[str, Any]:
    """Draw settings of a training that works: sizes, activation, solver and batch vary from seed to seed."""
    rng = np.random.default_rng(777 + FIRST_SEED[half] + seed)
    sizes = [(32,), (32, 32), (48, 24), (24, 24, 24)] if half == "dev" else [(40,), (64, 32), (20, 20), (32, 24, 16)]
    solver, rate = [("adam", 0.003), ("adam", 0.01), ("sgd", 0.02), ("sgd", 0.05)][int(rng.integers(4))]
    return {
        "hidden_layer_sizes": sizes[int(rng.integers(len(sizes)))],
        "activation": str(rng.choice(["relu", "relu", "tanh"])),
        "solver": solver,
        "learning_rate_init": rate,
        "learning_rate": "constant",
        "batch_size": int(rng.choice([16, 32, 64])),
        "max_iter": 40,
        "n_iter_no_change": 40,
        "n_members": 1,
        "skip": None,
        "dropout": 0.0,
        "preprocess": None,
        "restore_best": False,
    }


# Faults --------------------------------------------------------------------------------------------------------------

Spoil = Callable[[Problem, np.random.Generator], Problem]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One kind of fault.

    Parameters
    ----------
    codes : tuple of str
        What its cause may be called.
    both, sick : mapping
        Settings of the sick training and its twin, and of the sick one alone.
    spoil : function (Problem, rng) -> Problem
        What is done to the data of the sick one.
    weights : function (network) -> None
        What is done to the first weights of the sick one.
    classes : bool or None
        Whether it needs classes (True) or a number (False).
    sets : tuple of str
        Names of the sets it is for, if not all.
    before : function (Problem, rng) -> Problem
        What is done to the data of both.
    balanced : bool
        Whether all classes count alike in the score.
    torch : str
        How a training loop of one's own does it wrong; ``""`` for the estimators.
    """

    codes: tuple[str, ...]
    both: Mapping[str, Any] = field(default_factory=dict)
    sick: Mapping[str, Any] = field(default_factory=dict)
    spoil: Spoil | None = None
    weights: Callable[[Any], None] | None = None
    classes: bool | None = None
    before: Spoil | None = None
    balanced: bool = False
    torch: str = ""


def _with_inputs(problem: Problem, change: Callable[[np.ndarray], np.ndarray]) -> Problem:
    return replace(problem, **{part: (change(X), y) for part, (X, y) in _parts(problem)})


def _with_targets(problem: Problem, change: Callable[[np.ndarray], np.ndarray]) -> Problem:
    return replace(problem, **{part: (X, change(y)) for part, (X, y) in _parts(problem)})


def _parts(problem: Problem) -> list[tuple[str, Rows]]:
    return [(part, getattr(problem, part)) for part in ("learn", "judge", "fresh")]


def _unscaled_column(problem: Problem, rng: np.random.Generator) -> Problem:
    n = problem.learn[0].shape[1]
    factors = np.ones(n)
    factors[rng.integers(n)] = 10 ** rng.uniform(2, 4)
    return _with_inputs(problem, lambda X: X * factors)


def _offset_columns(problem: Problem, rng: np.random.Generator) -> Problem:
    offset = rng.uniform(50, 500)
    return _with_inputs(problem, lambda X: X + offset)


def _unscaled_target(problem: Problem, rng: np.random.Generator) -> Problem:
    scale = 10 ** rng.uniform(2, 4)
    return _with_targets(problem, lambda y: scale * (y + 3))


def _two_classes(problem: Problem, rng: np.random.Generator) -> Problem:
    return replace(_with_targets(problem, lambda y: y % 2), n_classes=2)


def _rare_class(problem: Problem, rng: np.random.Generator) -> Problem:
    """Keep few rows of the last class, and let its rows lie among the others."""

    def thin(rows: Rows, share: float) -> Rows:
        X, y = rows
        rare = y == y.max()
        kept = ~rare | (rng.uniform(size=len(y)) < share * (~rare).sum() / max(rare.sum(), 1))
        return X[kept], rare[kept].astype(int)

    spread = 0.6
    noisy = _with_inputs(problem, lambda X: X + spread * rng.normal(size=X.shape))
    share = float(rng.uniform(0.03, 0.06))
    return replace(
        noisy, learn=thin(noisy.learn, share), judge=thin(noisy.judge, 2 * share), fresh=thin(noisy.fresh, share),
        n_classes=2,
    )  # fmt: skip


def _constant(net: Any) -> None:
    import torch

    with torch.no_grad():
        for tensor in (*net.coefs, *net.intercepts):
            tensor.fill_(0.1)


SYMMETRIC, SCALE = ("GR403",), ("DA301",)
RATE_HIGH, RATE_LOW = ("GR201", "GR501"), ("GR202",)
ADAM = {"solver": "adam", "learning_rate_init": 0.005}
DEEP = ADAM | {"hidden_layer_sizes": (24,) * 8, "activation": "relu"}
THREE = {"hidden_layer_sizes": (24, 24, 24)}
FAULTS: dict[str, Fault] = {
    "zero_init": Fault(codes=SYMMETRIC, sick={"init": "zeros"}),
    "constant_init": Fault(codes=SYMMETRIC, weights=_constant),
    "tiny_init": Fault(codes=("GR301",), both=THREE, sick={"init": Initialization("normal", scale=1e-4)}),
    "exploding_init": Fault(codes=("GR102", "GR302"), both=THREE | ADAM | {"activation": "relu"},
                            sick={"init": Initialization("normal", scale=3.0)}),
    "deep_logistic": Fault(codes=("GR301",), both=DEEP, sick={"activation": "logistic"}),
    "saturated_tanh": Fault(codes=("GR402", "GR102"), both={"activation": "tanh"},
                            sick={"init": Initialization("normal", scale=8.0)}),
    "dead_by_bias": Fault(codes=("GR401",), both={"activation": "relu"},
                          sick={"init": Initialization("he_normal", bias=-12.0)}),
    "dead_by_rate": Fault(codes=("GR401", "GR201"), both=THREE | ADAM | {"activation": "relu"},
                          sick={"learning_rate_init": 0.5}),
    "rate_high": Fault(codes=RATE_HIGH, both=ADAM,
                       sick={"learning_rate_init": 0.2}),
    "rate_far_too_high": Fault(codes=(*RATE_HIGH, "GR302", "GR401"), both={"solver": "sgd", "learning_rate_init": 0.02},
                               sick={"learning_rate_init": 3.0}),
    "rate_low": Fault(codes=RATE_LOW, both=ADAM,
                      sick={"learning_rate_init": 5e-6}),
    "rate_low_sgd": Fault(codes=RATE_LOW, both={"solver": "sgd", "learning_rate_init": 0.03},
                          sick={"learning_rate_init": 3e-6}),
    "clip_tight": Fault(codes=("GR203",), both={"solver": "sgd", "learning_rate_init": 0.03}, sick={"clip_norm": 1e-4}),
    "unscaled_column": Fault(codes=SCALE, spoil=_unscaled_column),
    "offset_columns": Fault(codes=SCALE, spoil=_offset_columns),
    "unscaled_target": Fault(codes=("DA302",), spoil=_unscaled_target, classes=False),
    "dropout_high": Fault(codes=("GR701",), both=ADAM, sick={"dropout": 0.9}),
    "imbalance": Fault(codes=("DA502", "DA501"), classes=True, before=_rare_class, balanced=True,
                       both=ADAM | {"class_weight": "balanced", "restore_best": True}, sick={"class_weight": None}),
    "single_rows": Fault(codes=RATE_HIGH, both=ADAM,
                         sick={"batch_size": 1, "learning_rate_init": 0.05, "max_iter": 20}),
    "strong_penalty": Fault(codes=("GR702",), sick={"alpha": 300.0}),
    "softmax_twice": Fault(codes=("GR601",), classes=True, torch="softmax_twice"),
    "sigmoid_output": Fault(codes=("GR602",), classes=False, torch="sigmoid_output"),
    "relu_output": Fault(codes=("GR602",), classes=False, torch="relu_output"),
    "tanh_output": Fault(codes=("GR602", "DA302"), classes=False, torch="tanh_output"),
    "labels_of_two_signs": Fault(codes=("GR602", "GR603"), classes=True, before=_two_classes,
                                 torch="labels_of_two_signs"),
    "wrong_sign": Fault(codes=("GR603",), classes=True, torch="wrong_sign"),
}  # fmt: skip


# Training ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a training: what there is to explain and was explained of the fresh sample, and the diagnosis."""

    score: float
    diagnosis: Diagnosis | None
    refused: str = ""

    def alarms(self) -> list[str]:
        """Return the codes of warnings and errors, in the order in which they are told."""
        if self.diagnosis is None:
            return [self.refused]
        return [finding.code for finding in self.diagnosis if finding.severity != "info"]

    def confidences(self) -> dict[str, float]:
        """Return how sure each warning and error is, those that others silence included."""
        if self.diagnosis is None:
            return {}
        told = (*self.diagnosis, *self.diagnosis.silenced.values())
        return {finding.code: finding.confidence for finding in told if finding.severity != "info"}


def train(problem: Problem, settings: Mapping[str, Any], seed: int, fault: Fault | None, *, balanced: bool) -> Outcome:
    """Train an estimator, spoiled by a fault or not."""
    kind = pf.MLPClassifier if problem.n_classes else pf.MLPRegressor
    model = kind(**settings, random_state=seed)
    if fault is not None and fault.weights is not None:
        model = _spoiled(kind, fault.weights)(**settings, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model.fit(*problem.learn, validation_data=problem.judge)
        except PlanefoldError as error:
            # It broke in the first epoch, and there is no model. The error names the learning rate and the scales.
            named = "learning rate" in str(error) and "scale" in str(error)
            return Outcome(score=-1.0, diagnosis=None, refused=REFUSED if named else "?")
        return Outcome(
            score=explained(problem, model.predict(problem.fresh[0]), balanced=balanced), diagnosis=model.diagnose()
        )


def _train_torch(problem: Problem, settings: Mapping[str, Any], seed: int, wrong: str) -> Outcome:
    import doctor_faults_torch as loops

    predicted, diagnosis = loops.train(problem, dict(settings), seed, wrong)
    return Outcome(score=explained(problem, predicted), diagnosis=diagnosis)


def _spoiled(kind: type, change: Callable[[Any], None]) -> type:
    """Make an estimator whose first weights are changed before training."""

    class Spoiled(kind):  # type: ignore[misc]
        def _new_net(self, *rows: Any) -> Any:
            net = super()._new_net(*rows)
            change(net)
            return net

    return Spoiled


def explained(problem: Problem, predicted: np.ndarray, *, balanced: bool = False) -> float:
    """Return R^2, or the share of errors of always naming the most frequent class that are avoided; at least -1.

    Of probabilities (n_rows, n_classes) the share of the log loss of the classes' shares that is avoided.
    """
    y = problem.fresh[1]
    if predicted.ndim == 2:
        shares = np.bincount(y) / len(y)
        trivial = -np.log(shares[y]).mean()
        return max(float(1 + np.log(np.maximum(predicted[np.arange(len(y)), y], 1e-12)).mean() / trivial), -1.0)
    if not problem.n_classes:
        bad = float(np.mean((np.clip(predicted, -1e9, 1e9) - y) ** 2) / np.var(y))
        return max(1 - bad, -1.0) if np.isfinite(bad) else -1.0
    labels, counts = np.unique(y, return_counts=True)
    if balanced:
        recall = np.mean([np.mean(predicted[y == label] == label) for label in labels])
        return float(1 - (1 - recall) / (1 - 1 / len(labels)))
    return max(float(1 - np.mean(predicted != y) / (1 - counts.max() / len(y))), -1.0)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A sick training and its twin."""

    fault: str
    seed: int
    set: str
    sick: Outcome
    twin: Outcome

    @property
    def harmful(self) -> bool:
        return self.twin.score - self.sick.score > HARM

    @property
    def found(self) -> bool:
        return bool(self.sick.alarms())

    @property
    def named(self) -> bool:
        codes = FAULTS[self.fault].codes
        first = self.sick.alarms()[0] if self.found else ""
        return first in codes or (first == REFUSED and bool({"GR201", "DA301", "DA302"} & set(codes)))

    @property
    def false_alarms(self) -> list[str]:
        return [code for code in self.twin.alarms() if code.startswith(OF_INTERNALS)]


def try_fault(name: str, half: str, seed: int) -> Trial:
    """Train a fault and its twin."""
    fault = FAULTS[name]
    rng = np.random.default_rng([FIRST_SEED[half], seed, list(FAULTS).index(name)])
    problem = problem_of(half, seed, classes=fault.classes)
    if fault.before is not None:
        problem = fault.before(problem, rng)
    settings = healthy_settings(half, seed) | dict(fault.both)
    if fault.torch:
        twin, sick = (_train_torch(problem, settings, seed, how) for how in ("", fault.torch))
    else:
        twin = train(problem, settings, seed, None, balanced=fault.balanced)
        spoiled = problem if fault.spoil is None else fault.spoil(problem, rng)
        sick = train(spoiled, settings | dict(fault.sick), seed, fault, balanced=fault.balanced)
    return Trial(fault=name, seed=seed, set=problem.name, sick=sick, twin=twin)


# What it says --------------------------------------------------------------------------------------------------------


def summary(trials: list[Trial]) -> dict[str, Any]:
    """Count."""
    harmful = [trial for trial in trials if trial.harmful]
    found = [trial for trial in harmful if trial.found]
    return {
        "trials": len(trials),
        "harmful": len(harmful),
        "found": len(found),
        "named": sum(trial.named for trial in found),
        "twins alarmed": sum(bool(trial.false_alarms) for trial in trials),
        "twins with a warning of their curves": sum(
            any(code.startswith("LC") for code in trial.twin.alarms()) for trial in trials
        ),
    }


def show(trials: list[Trial], *, details: bool) -> None:
    """Print a row for each kind of fault, and the totals beside the bars."""
    rows = []
    for name in dict.fromkeys(trial.fault for trial in trials):
        own = [trial for trial in trials if trial.fault == name]
        counts = summary(own)
        missed = [" ".join(t.sick.alarms()[:2]) or "nothing" for t in own if t.harmful and not t.named]
        rows.append([
            name, *(str(counts[key]) for key in ("trials", "harmful", "found", "named", "twins alarmed")),
            ", ".join(sorted(set(missed))),
        ])  # fmt: skip
    show_table("Faults", ["fault", "trials", "harmful", "found", "named first", "twins alarmed", "told instead"], rows)
    total = summary(trials)
    n_harmful, n_found = max(total["harmful"], 1), max(total["found"], 1)
    print(
        f"\nharmful faults found {total['found']}/{total['harmful']} = {total['found'] / n_harmful:.3f} "
        f"(bar {BARS['found']}); cause named first {total['named']}/{total['found']} = {total['named'] / n_found:.3f} "
        f"(bar {BARS['named']}); healthy twins alarmed {total['twins alarmed']}/{total['trials']} = "
        f"{total['twins alarmed'] / len(trials):.3f} (bar {BARS['alarms']}); "
        f"with a warning of their curves {total['twins with a warning of their curves']}"
    )
    if details:
        for trial in trials:
            odd = trial.false_alarms or (trial.harmful and not trial.named)
            if odd:
                print(
                    f"{trial.fault} seed {trial.seed} {trial.set}: {trial.twin.score:.2f} -> {trial.sick.score:.2f}; "
                    f"told {trial.sick.alarms()}; twin {trial.twin.alarms()}"
                )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=("dev", "test"), default="dev")
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--only", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--details", action="store_true", help="also say which trials were missed")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    started = time.process_time()
    trials = [try_fault(name, options.half, seed) for name in options.only for seed in range(options.seeds)]
    show(trials, details=options.details)
    print(f"{time.process_time() - started:.0f} s of processor time")
    write_json(options.json, {
        "half": options.half,
        "total": summary(trials),
        "trials": [
            {"fault": t.fault, "seed": t.seed, "set": t.set, "scores": [t.twin.score, t.sick.score],
             "harmful": t.harmful, "codes": FAULTS[t.fault].codes, "told": t.sick.alarms(), "twin": t.twin.alarms(),
             "sure": t.sick.confidences(), "twin sure": t.twin.confidences()}
            for t in trials
        ],
    })  # fmt: skip


if __name__ == "__main__":
    main()
