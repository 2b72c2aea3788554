"""What the doctor says of predictions, against what fresh rows say; and how near its quick reference comes to the best.

    OMP_NUM_THREADS=1 python benchmarks/doctor_scores.py [--half dev|test] [--runs N] [--quick] [--json FILE]

First: models of many kinds, good and spoiled on purpose, predict a few hundred held-out rows. The checks SC... see
these alone; whether they are right is measured on 10,000 fresh rows, and runs that lie in between count for neither
side. Then: the reference's loss on populations whose best possible loss is known, as shares of the learnable range (0
is the best possible, 1 the best constant), and its CPU time. The two halves differ in their seeds.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import duration, machine, show_machine, show_table, write_json
from scipy.special import expit, logit
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from planefold.doctor import Case, diagnose_case
from planefold.doctor.reference import measure_reference
from planefold.doctor.scoring import Scores, calibration_of_classes, calibration_of_numbers, compare, measure_scores

N_FRESH = 10_000
SEEDS = {"dev": 0, "test": 1_000_000}
OBJECTIVE = {"binary": "binary_log_loss", "regression": "squared_error"}
Array = np.ndarray


# ---------------------------------------------------------------------------------------------------------- populations


def _linear(X: Array, random: np.random.Generator) -> Array:
    return X @ random.standard_normal(X.shape[1])


def _teacher(X: Array, random: np.random.Generator) -> Array:
    W = random.standard_normal((X.shape[1], 8)) / np.sqrt(X.shape[1]) * 2
    return np.maximum(X @ W, 0) @ random.standard_normal(8)


def _products(X: Array, random: np.random.Generator) -> Array:
    return 2 * np.sign(X[:, 0] * X[:, 1]) + X[:, 2] * random.choice([-1, 1])


def _steps(X: Array, random: np.random.Generator) -> Array:
    return 2.0 * (X[:, 0] > random.uniform(-0.5, 0.5)) + 1.0 * (X[:, 1] < -0.2) * (X[:, 3] > 0)


def _rings(X: Array, random: np.random.Generator) -> Array:
    return np.sin(random.uniform(2, 3) * np.sqrt((X[:, :2] ** 2).sum(axis=1)))


def _friedman(X: Array, random: np.random.Generator) -> Array:
    U = (np.tanh(X) + 1) / 2
    return 10 * np.sin(np.pi * U[:, 0] * U[:, 1]) + 20 * (U[:, 2] - 0.5) ** 2 + 10 * U[:, 3] + 5 * U[:, 4]


POPULATIONS: dict[str, Callable[[Array, np.random.Generator], Array]] = {
    "linear": _linear,
    "teacher": _teacher,
    "products": _products,
    "steps": _steps,
    "rings": _rings,
    "friedman": _friedman,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """Rows to learn from, held-out rows, fresh rows, and what is best for each: a probability or a mean."""

    task: str
    X: Array
    y: Array
    best: Array
    n_train: int
    n_val: int

    @property
    def train(self) -> slice:
        return slice(0, self.n_train)

    @property
    def val(self) -> slice:
        return slice(self.n_train, self.n_train + self.n_val)

    @property
    def fresh(self) -> slice:
        return slice(self.n_train + self.n_val, None)


def problem(kind: str, task: str, n_train: int, n_val: int, seed: int, *, n_columns: int = 12) -> Problem:
    """Draw rows; the noise leaves about three quarters of the variance, or of the certainty, to be learned."""
    random = np.random.default_rng(seed)
    X = random.standard_normal((n_train + n_val + N_FRESH, n_columns))
    X[:, -1] = random.integers(0, 5, len(X))  # says nothing
    score = POPULATIONS[kind](X[:, :-1], random)
    score = (score - score.mean()) / score.std()
    if task == "regression":
        noisy = score + 0.5 * random.standard_normal(len(X))
        mean, spread = noisy[:n_train].mean(), noisy[:n_train].std()
        y, best = (noisy - mean) / spread, (score - mean) / spread
    else:
        best = expit(2.5 * score)
        y = (random.random(len(X)) < best).astype(float)
    return Problem(task=task, X=X, y=y, best=best, n_train=n_train, n_val=n_val)


def losses(task: str, y: Array, predicted: Array) -> Array:
    """Loss of each row, as the reference measures it."""
    if task == "regression":
        return (y - predicted) ** 2 / 2
    sure = np.clip(predicted, 1e-9, 1 - 1e-9)
    return -(y * np.log(sure) + (1 - y) * np.log(1 - sure))


# --------------------------------------------------------------------------------------------------------------- models


def _net(of: Problem, units: tuple[int, ...], seed: int, **options: Any) -> Array:
    make = MLPRegressor if of.task == "regression" else MLPClassifier
    net = make(hidden_layer_sizes=units, random_state=seed, **options).fit(of.X[of.train], of.y[of.train])
    return net.predict(of.X) if of.task == "regression" else net.predict_proba(of.X)[:, 1]


def ideal(of: Problem, seed: int) -> Array:
    """What nobody can do better."""
    return of.best


def near(of: Problem, seed: int) -> Array:
    """A good network: the best, and a little noise that depends on the columns."""
    random = np.random.default_rng(seed)
    wave = 0.15 * np.sin(of.X @ random.standard_normal(of.X.shape[1]))
    return of.best + wave if of.task == "regression" else expit(logit(np.clip(of.best, 1e-6, 1 - 1e-6)) + wave)


def net(of: Problem, seed: int) -> Array:
    """A network as people train it."""
    return _net(of, (32,), seed, early_stopping=of.n_train >= 300, alpha=0.01, max_iter=200)


def overfit(of: Problem, seed: int) -> Array:
    """A large network that learned its rows by heart."""
    return _net(of, (128,), seed, alpha=0.0, learning_rate_init=0.01, max_iter=150, tol=0.0, n_iter_no_change=150)


def tiny(of: Problem, seed: int) -> Array:
    """A network of two units."""
    return _net(of, (2,), seed, max_iter=300)


def bold(of: Problem, seed: int) -> Array:
    """Too sure: log odds, or distances from the mean, times 1.5 to 3."""
    return _stretched(of, np.random.default_rng(seed).uniform(1.5, 3), 0.0)


def timid(of: Problem, seed: int) -> Array:
    """Too unsure."""
    return _stretched(of, np.random.default_rng(seed).uniform(0.3, 0.6), 0.0)


def shifted(of: Problem, seed: int) -> Array:
    """Too high."""
    return _stretched(of, 1.0, np.random.default_rng(seed).uniform(0.4, 1))


def _stretched(of: Problem, by: float, shift: float) -> Array:
    if of.task == "regression":
        return by * of.best + 0.5 * shift
    return expit(by * logit(np.clip(of.best, 1e-6, 1 - 1e-6)) + shift)


def blind(of: Problem, seed: int) -> Array:
    """Good but for one category, about which it knows nothing."""
    rows = of.X[:, -1] == 2
    return np.where(rows, 0.5 if of.task == "binary" else 0.0, of.best)


def broken(of: Problem, seed: int) -> Array:
    """Predictions of other rows."""
    return np.random.default_rng(seed).permutation(of.best)


MODELS = (ideal, near, net, overfit, tiny, bold, timid, shifted, blind, broken)
GOOD = (ideal, near)


# ---------------------------------------------------------------------------------------------------------- the checks


def measured(of: Problem, predicted: Array, rows: slice, baselines: dict[str, Array] | None) -> Scores:
    """Measure predictions on some rows."""
    y, its = of.y[rows], predicted[rows]
    return measure_scores(
        y, its if of.task == "regression" else (its > 0.5).astype(float), task=of.task,
        proba=None if of.task == "regression" else its, classes=None if of.task == "regression" else (0.0, 1.0),
        losses=losses(of.task, y, its), baselines=baselines,
        columns={f"x{j}": of.X[rows, j] for j in range(of.X.shape[1])},
    )  # fmt: skip


def truths(of: Problem, predicted: Array, baselines: dict[str, Array]) -> dict[str, bool | None]:
    """What fresh rows say of each code: True, False, or None in between."""
    y, its = of.y[of.fresh], predicted[of.fresh]
    own = losses(of.task, y, its)
    trivial = losses(of.task, y, np.full(len(y), y.mean() if of.task == "binary" else 0.0))
    best = losses(of.task, y, of.best[of.fresh]).mean()
    reach = trivial.mean() - best
    right = ((its > 0.5) == (y > 0.5)).mean() if of.task == "binary" else 0.0
    useful = of.task == "binary" and right > max(y.mean(), 1 - y.mean()) + 0.05
    worse = compare(own, trivial).difference / trivial.mean()
    behind = (own.mean() - baselines["trees"].mean()) / reach
    linear = (own.mean() - baselines["linear"].mean()) / reach
    if of.task == "regression":
        found, told, matters = calibration_of_numbers(y, its), 0.01, 0.08
    else:
        found, told, matters = calibration_of_classes(y.astype(int), np.column_stack([1 - its, its])), 0.015, 0.06
    return {
        "SC101": _flag(worse, 0.0, 0.1) if not useful else (False if worse < 0.05 else None),
        "SC102": _flag(linear, -0.03, 0.06),
        "SC103": _flag(behind, 0.04, 0.15),
        "SC201": _flag(found.excess, told, matters),
    }


def truth_of_segments(of: Problem, predicted: Array, scores: Scores, spoiled: bool, told: bool) -> bool | None:
    """Whether a segment that was told is weak on fresh rows; untold ones are there where one was planted.

    Of good predictions of numbers no segment is weak: the noise is alike everywhere. Classes are harder near a border.
    """
    if not told:
        enough = (of.X[of.val, -1] == 2).sum() >= 25
        return True if spoiled and enough else False if not spoiled and of.task == "regression" else None
    y, its = of.y[of.fresh], predicted[of.fresh]
    errors = (y - its) ** 2 if of.task == "regression" else ((its > 0.5) != (y > 0.5)).astype(float)
    rows = picked(of.X[of.fresh], scores.segments[0].where)
    ratio = errors[rows].mean() / errors[~rows].mean()
    return bool((np.sqrt(ratio) if of.task == "regression" else ratio) >= 1.15)


def picked(X: Array, where: str) -> Array:
    """Read the words of a segment: ``"x0 <= 0.2 and x11 is 2"``."""
    rows = np.ones(len(X), dtype=bool)
    for part in where.split(" and "):
        words = part.split()
        column = X[:, int(next(word for word in words if word.startswith("x"))[1:])]
        if len(words) == 5:
            rows &= (float(words[0]) < column) & (column <= float(words[4]))
        elif words[1] == "is":
            rows &= column == float(words[2])
        else:
            rows &= column <= float(words[2]) if words[1] == "<=" else column > float(words[2])
    return rows


def _flag(value: float, low: float, high: float) -> bool | None:
    return False if value <= low else True if value >= high else None


def one_run(number: int, seed: int) -> dict[str, Any]:
    """Make one model, let the doctor see its predictions of held-out rows, and ask fresh rows."""
    random = np.random.default_rng(seed + number)
    model = MODELS[number % len(MODELS)]
    task = ("binary", "regression")[number // len(MODELS) % 2]
    kind = str(random.choice(list(POPULATIONS)))
    n_train, n_val = int(random.choice([200, 600, 1500])), int(random.choice([60, 150, 400, 1000]))
    of = problem(kind, task, n_train, n_val, seed + number)
    predicted = model(of, number)
    Y = of.y[:, None]
    unseen = slice(of.n_train, None)
    reference = measure_reference(
        of.X[of.train], Y[of.train], of.X[unseen], Y[unseen], objective=OBJECTIVE[task], shift=False
    )
    scores = measured(of, predicted, of.val, {name: rows[:n_val] for name, rows in reference.baselines.items()})
    diagnosis = diagnose_case(Case(scores=scores))
    found = {finding.code: finding for finding in (*diagnosis.findings, *diagnosis.silenced.values())}
    truth = truths(of, predicted, {name: rows[n_val:] for name, rows in reference.baselines.items()})
    truth["SC301"] = truth_of_segments(of, predicted, scores, model is blind, "SC301" in found)
    return {
        "model": model.__name__, "population": kind, "task": task, "n_train": n_train, "n_val": n_val,
        "truth": truth,
        "found": {code: finding.severity for code, finding in found.items()},
        "told": {finding.code: finding.severity for finding in diagnosis.findings},
        "what": {code: finding.what for code, finding in found.items()},
        "confidence": {code: finding.confidence for code, finding in found.items()},
    }  # fmt: skip


def judged(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Count what each check found and what it should have."""
    table = []
    for code in ("SC101", "SC102", "SC103", "SC201", "SC301"):
        there = [run for run in runs if run["truth"][code] is True]
        absent = [run for run in runs if run["truth"][code] is False]
        table.append(
            {
                "code": code,
                "there": len(there),
                "found": sum(code in run["found"] for run in there),
                "absent": len(absent),
                "said anyway": sum(code in run["found"] for run in absent),
                "as a warning": sum(run["found"].get(code, "info") != "info" for run in absent),
            }
        )
    return table


# -------------------------------------------------------------------------------------------------------- the reference


def reference_row(kind: str, task: str, n_train: int, seeds: range) -> dict[str, Any]:
    """How near the reference comes to the best possible loss."""
    excess, linear, trees, seconds = [], [], [], []
    for seed in seeds:
        of = problem(kind, task, n_train, 300, seed, n_columns=20)
        Y = of.y[:, None]
        parts = of.X[of.train], Y[of.train]
        started = time.process_time()
        measure_reference(*parts, of.X[of.val], Y[of.val], objective=OBJECTIVE[task], shift=False)
        seconds.append(time.process_time() - started)
        found = measure_reference(*parts, of.X[of.fresh], Y[of.fresh], objective=OBJECTIVE[task], shift=False)
        best = losses(task, of.y[of.fresh], of.best[of.fresh]).mean()
        reach = found.baselines["trivial"].mean() - best
        for values, loss in ((excess, found.loss), (linear, found.linear_loss), (trees, found.tree_loss)):
            values.append((loss - best) / reach)
    return {
        "population": kind, "task": task, "n_train": n_train, "reference": float(np.mean(excess)),
        "linear": float(np.mean(linear)), "trees": float(np.mean(trees)), "cpu seconds": float(np.median(seconds)),
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=list(SEEDS), default="test")
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--quick", action="store_true", help="few runs, to see that it works")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore", ConvergenceWarning)
    facts = machine()
    show_machine(facts)
    seed = SEEDS[options.half]
    runs = [one_run(number, seed) for number in range(len(MODELS) if options.quick else options.runs)]
    counts = judged(runs)
    show_table(
        f"The checks of scores, {len(runs)} runs of the {options.half} half",
        ["code", "there", "found", "absent", "said anyway", "as a warning"],
        [[str(value) for value in row.values()] for row in counts],
    )
    good = [run for run in runs if run["model"] in {model.__name__ for model in GOOD}]
    alarmed = [run for run in good if any(severity != "info" for severity in run["told"].values())]
    print(f"\ngood models with a warning or an error: {len(alarmed)} of {len(good)}")
    sizes = (200,) if options.quick else (60, 200, 1000, 2000)
    reach = [
        reference_row(kind, task, n_train, range(seed + 7, seed + (8 if options.quick else 10)))
        for kind in list(POPULATIONS)[: 2 if options.quick else None] for task in OBJECTIVE for n_train in sizes
    ]  # fmt: skip
    show_table(
        "The reference: loss above the best possible, as a share of what can be learned",
        ["population", "task", "rows", "reference", "linear", "trees", "CPU time"],
        [
            [
                row["population"], row["task"], f"{row['n_train']:,}", f"{row['reference']:.3f}",
                f"{row['linear']:.3f}", f"{row['trees']:.3f}", duration(row["cpu seconds"]),
            ]
            for row in reach
        ],
    )  # fmt: skip
    write_json(options.json, {"machine": facts, "runs": runs, "checks": counts, "reference": reach})


if __name__ == "__main__":
    main()
