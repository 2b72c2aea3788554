"""What recording for the doctor costs: the same training with and without it, in processor time.

    python benchmarks/recording.py

Both sides take turns on the same rows from the same weights, and must end with the same weights; short trainings are
repeated within a round, and the cost is the median of the rounds' ratios. It is that of the training alone: a whole
fit, which also prepares the table, takes longer. The bar is for trainings of 0.3 seconds or more, as what must be
measured takes about two milliseconds of any. The table also tells in how many epochs the loss of the training rows
was measured, and by how many of them the kept weights were judged.
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from common import duration, machine, show_machine, show_table, write_json

BAR = 0.03  # of the time without recording
LEAST_SECONDS = 0.3  # of a training that the bar is for
SECONDS_OF_A_ROUND = 0.5  # of each side, at least
LEAST_STEPS, LEAST_EPOCHS, MOST_EPOCHS = 10_000, 20, 100  # as the estimators choose the number of epochs

Weights = list[np.ndarray]


class Trained(NamedTuple):
    """Processor time in seconds, what was reached, and the record."""

    seconds: float
    weights: Weights
    run: Any


class Case(NamedTuple):
    """A training that can be made with and without recording.

    Parameters
    ----------
    title : str
    train : function (record, quick) -> Trained
        Each call starts from the same weights.
    """

    title: str
    train: Callable[[bool, bool], Trained]


def mlp(n_rows: int, n_features: int, hidden: tuple[int, ...], batch_size: int) -> Case:
    """Return a training of our own engine."""
    import torch

    from planefold.engine import OBJECTIVES, Plan, Rows, train
    from planefold.networks import MLPSpec

    def run(record: bool, quick: bool) -> Trained:
        rng = np.random.RandomState(0)
        X = rng.randn(n_rows + n_rows // 10, n_features).astype(np.float32)
        y = (X[:, :1] + np.abs(X[:, 1:2]) + 0.5 * rng.randn(len(X), 1) > 0.5).astype(np.float32)
        learn, judge = (
            Rows(X=torch.from_numpy(X[part]), y=torch.from_numpy(y[part]))
            for part in (slice(0, n_rows), slice(n_rows, None))
        )
        net = MLPSpec(n_features=n_features, n_outputs=1, hidden_layer_sizes=hidden).build(rng)
        max_iter = min(max(LEAST_STEPS // -(-n_rows // batch_size), LEAST_EPOCHS), MOST_EPOCHS)
        plan = Plan(
            batch_size=batch_size, max_iter=2 if quick else max_iter, n_iter_no_change=float("inf"),
            learning_rate_init=0.001,
        )  # fmt: skip
        started = time.process_time()
        recorded = train(
            net, learn, OBJECTIVES["binary_log_loss"], plan, random_state=rng, validation=judge, record=record
        )
        seconds = time.process_time() - started
        return Trained(seconds, [p.detach().numpy() for p in net.parameters()], recorded)

    return Case(f"{n_rows:,} x {n_features}, {hidden}, batches of {batch_size}", run)


SIZES = ((1_000, 10, (16,)), (2_000, 20, (64, 64)), (10_000, 30, (128, 128)))


def cases() -> list[Case]:
    """Return what is measured. Trainings that are not ours come after our own."""
    return [mlp(*size, batch_size) for size in SIZES for batch_size in (32, 200)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and say whether the bar is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="rounds of each case")
    parser.add_argument("--only", default="", help="cases whose title holds this")
    parser.add_argument("--quick", action="store_true", help="two epochs and two rounds: only whether it runs")
    parser.add_argument("--json", type=Path, default=None, help="where to write every measurement")
    given = parser.parse_args(arguments)
    rounds = 2 if given.quick else given.rounds
    facts = machine()
    show_machine(facts)
    rows, found, costs = [], {}, []
    for case in (case for case in cases() if given.only in case.title):
        bare = check_weights(case, quick=given.quick)
        runs: list[Any] = []
        n_times = 1 if given.quick else max(1, round(SECONDS_OF_A_ROUND / bare))
        seconds = found[case.title] = take_turns(case, rounds, n_times, runs, quick=given.quick)
        cost, low, high = (value - 1 for value in quartiles(seconds["with"], seconds["without"]))
        without = float(np.median(seconds["without"])) / n_times
        if without >= LEAST_SECONDS:
            costs.append(cost)
        known = np.median([np.isfinite(run["train_eval"]).mean() for run in runs])
        kept = np.median([run.facts["kept_train_rows"] for run in runs])
        said = np.median([run.recording_seconds for run in runs])
        rows.append([
            case.title, duration(without), f"{100 * cost:+.1f} %", f"{100 * low:+.1f} to {100 * high:+.1f}",
            duration(said), f"{100 * known:.0f} %", f"{kept:.0f}",
        ])  # fmt: skip
    header = ["training", "without", "cost (median)", "middle half", "it says", "epochs with train_eval", "kept rows"]
    show_table("Recording, processor time", header, rows)
    met = max(costs, default=0.0) <= BAR
    if costs and not given.quick:
        print(f"\nat most {100 * max(costs):.1f} %, bar {100 * BAR:.0f} %: {'met' if met else 'MISSED'}")
    write_json(given.json, {"machine": facts, "seconds": found})
    return 0 if met or given.quick else 1


def take_turns(case: Case, rounds: int, n_times: int, runs: list[Any], *, quick: bool) -> dict[str, np.ndarray]:
    """Return the seconds of each side, a round a number: of ``n_times`` trainings, one of the other after each."""
    order = ("with", "without")
    found: dict[str, list[float]] = {name: [] for name in order}
    for _ in range(rounds):
        spent = dict.fromkeys(order, 0.0)
        for _ in range(n_times):
            order = order[::-1]
            for name in order:
                gc.collect()  # nobody pays for what the side before has left
                trained = case.train(name == "with", quick)
                spent[name] += trained.seconds
                if name == "with":
                    runs.append(trained.run)
        for name, seconds in spent.items():
            found[name].append(seconds)
    return {name: np.array(values) for name, values in found.items()}


def quartiles(numbers: np.ndarray, others: np.ndarray) -> tuple[float, float, float]:
    """Median and quartiles of the ratios of the single rounds: of busy machines the extremes say nothing."""
    low, middle, high = np.quantile(numbers / others, [0.25, 0.5, 0.75])
    return float(middle), float(low), float(high)


def check_weights(case: Case, *, quick: bool) -> float:
    """Warm up, see that recording changes nothing, and return how long a training takes without it."""
    ours, bare = case.train(True, quick), case.train(False, quick)
    if not all(np.array_equal(a, b) for a, b in zip(ours.weights, bare.weights, strict=True)):
        raise RuntimeError(f"{case.title}: with recording the training ends elsewhere")
    return bare.seconds


if __name__ == "__main__":
    sys.exit(main())
