"""Speed and memory of training beside the peers, and as a share of what the machine can do.

    python benchmarks/training.py [--only fits peak ensemble health memory] [--problems 10x10 128x128]
                                  [--peers scikit-learn torch] [--rounds 7] [--quick] [--json results.json]

fits      Whole `fit` calls on arrays: same network, rows, batch size, epochs and Adam for all (see peers.py).
          Every library uses the cores as it does by default. Everybody makes the same number of epochs; the
          loss that each one reaches is printed beside, and one that stands out ends the script with code 1.
peak      Arithmetic rate of a training with large layers, counting matrix products only, as a share of the
          fastest float32 product of large squares that NumPy, torch or oneDNN make on this machine.
ensemble  Eight members trained at once against one, and against eight trained one after the other.
health    What recording the health of the layers costs.
memory    How much memory grows while a table of 200 MB is learned from, in processes of their own.

Sides take turns within each round, after a warm-up of each with the same shapes; a ratio is the median of the
ratios of the rounds (with the lowest and the highest), a time the median of the times. `--quick` only shows that
everything runs: its problems are cut down, and its figures mean nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from common import (
    duration,
    installed,
    interleaved,
    machine,
    ratio,
    ratio_text,
    seconds_of,
    show_machine,
    show_table,
    write_json,
)
from peers import SIDES, Fit, KerasWorker, Problem, Side, learn_planefold, learn_sklearn, learn_torch, local

OURS = "planefold"
# Epochs such that a fit of ours takes between a tenth of a second and three.
PROBLEMS = (
    Problem(hidden=(10, 10), batch=64, n_rows=2_000, n_features=10, epochs=100),
    Problem(hidden=(100,), batch=200, n_rows=5_000, n_features=20, epochs=80),
    Problem(hidden=(128, 128), batch=128, n_rows=20_000, n_features=20, epochs=10),
    Problem(hidden=(512, 512), batch=256, n_rows=50_000, n_features=50, epochs=3),
)
LARGE = Problem(hidden=(1024, 1024), batch=1024, n_rows=20_480, n_features=50, epochs=5)
SMALL = Problem(hidden=(64, 64), batch=200, n_rows=5_000, n_features=20, epochs=40)
TABLE = Problem(hidden=(64, 64), batch=1_000, n_rows=1_000_000, n_features=50, epochs=2)
N_MEMBERS = 8
MOST_LOSS = 1.2  # times the median of all sides: other orders of the rows give up to a tenth, half the epochs more


def quick(problem: Problem) -> Problem:
    """Cut a problem down to a few small steps."""
    hidden, batch = tuple(min(width, 64) for width in problem.hidden), min(problem.batch, 64)
    return dataclasses.replace(problem, hidden=hidden, batch=batch, n_rows=3 * batch + 1, epochs=2)


def warm_up(side: Side, problem: Problem) -> None:
    """Load libraries, compile and fill caches: the same shapes, the last short batch included."""
    side(dataclasses.replace(problem, epochs=1), 0)


# -------------------------------------------------------------------------------------------------------------- fits


def compare_fits(problem: Problem, sides: Mapping[str, Side], rounds: int) -> dict[str, dict[str, np.ndarray]]:
    """Train with every side in every round; the round is the seed. Returns seconds and losses by side."""
    losses: dict[str, list[float]] = {name: [] for name in sides}

    def timed(name: str) -> Callable[[int], float]:
        def once(number: int) -> float:
            fit: Fit = sides[name](problem, number)
            losses[name].append(fit.loss)
            return fit.seconds

        return once

    for side in sides.values():
        warm_up(side, problem)
    seconds = interleaved({name: timed(name) for name in sides}, rounds)
    return {name: {"seconds": seconds[name], "loss": np.array(losses[name])} for name in sides}


def standing_out(losses: Mapping[str, float]) -> list[str]:
    """Name the sides that reached much less than the others: they have not done the same work."""
    most = MOST_LOSS * float(np.nanmedian(list(losses.values())))
    return [name for name, loss in losses.items() if not loss <= most]


def faster_torch(results: Mapping[str, Any]) -> dict[str, Any]:
    """Keep of the two torch loops the one with the lower median: that is the peer."""
    loops = [name for name in ("torch", "torch-fused") if name in results]
    slower = sorted(loops, key=lambda name: float(np.median(results[name]["seconds"])))[1:]
    return {name: result for name, result in results.items() if name not in slower}


def show_fits(problem: Problem, results: Mapping[str, Any]) -> list[str]:
    """Print a table of one problem; return who stands out by the loss."""
    losses = {name: float(np.median(result["loss"])) for name, result in results.items()}
    rows = []
    for name, result in faster_torch(results).items():
        seconds = result["seconds"]
        steps = problem.epochs * -(-problem.n_rows // problem.batch)
        slower = "" if name == OURS else ratio_text(seconds, results[OURS]["seconds"])
        middle = float(np.median(seconds))
        rows.append([name, duration(middle), duration(middle / steps), slower, f"{losses[name]:.4f}"])
    header = ["library", "fit", "a step", f"time / {OURS}'s (lowest to highest)", "training loss"]
    show_table(problem.title, header, rows)
    return standing_out(losses)


@contextlib.contextmanager
def made(names: list[str]) -> Iterator[dict[str, Side]]:
    """Make the sides that are installed, and end their processes afterwards."""
    sides: dict[str, Side] = {}
    try:
        for name in names:
            modules, make = SIDES[name]
            if installed(*modules):
                sides[name] = make()
            else:
                print(f'{name}: not installed, left out (pip install "planefold[bench]" gets it)')
        yield sides
    finally:
        for side in sides.values():
            if isinstance(side, KerasWorker):
                side.close()


def run_fits(options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    found, out = {}, []
    with made([OURS, *options.peers]) as sides:
        for problem in chosen_problems(options):
            results = compare_fits(problem, sides, options.rounds)
            out += [f"{name} at {problem.name}" for name in show_fits(problem, results)]
            found[problem.title] = results
    return found, out


# -------------------------------------------------------------------------------------------------------------- peak


def training_flops(units: tuple[int, ...], n_rows: int) -> int:
    """Count the floating-point operations of the matrix products in one training step.

    A product of (n, k) and (k, m) has ``2 n k m``. Each layer has one forward and one for the gradient of its
    weights, and each but the first one for the gradient of its inputs.
    """
    sizes = [fan_in * fan_out for fan_in, fan_out in itertools.pairwise(units)]
    return 2 * n_rows * (2 * sum(sizes) + sum(sizes[1:]))


def product_rates(width: int, repeats: int = 3) -> dict[str, float]:
    """Operations a second of each library's float32 product of two squares, the best of some tries."""
    import torch

    random = np.random.default_rng(0)
    A, B = (random.standard_normal((width, width), dtype=np.float32) for _ in range(2))
    out = np.empty_like(A)
    a, b, c = torch.from_numpy(A), torch.from_numpy(B), torch.empty(width, width)
    products: dict[str, Callable[[], Any]] = {
        "NumPy": lambda: np.matmul(A, B, out=out),
        "torch": lambda: torch.mm(a, b, out=c),
    }
    if torch.backends.mkldnn.is_available():
        # The one way to oneDNN's float32 product that needs no setting of the whole process.
        products["oneDNN"] = lambda: torch.ops.mkldnn._linear_pointwise(a, b, None, "none", [], "")
    rates = {}
    with torch.inference_mode():
        for name, product in products.items():
            product()
            rates[name] = 2 * width**3 / min(seconds_of(product) for _ in range(repeats))
    return rates


def run_peak(options: argparse.Namespace) -> dict[str, Any]:
    problem = quick(LARGE) if options.quick else LARGE
    widths = (256,) if options.quick else (1024, 2048)
    kernels: dict[str, float] = {}

    def peak(_: int) -> float:
        best = 0.0
        for width in widths:
            for name, rate in product_rates(width).items():
                kernels[f"{name} {width}"] = max(rate, kernels.get(f"{name} {width}", 0.0))
                best = max(best, rate)
        return best

    full, rest = divmod(problem.n_rows, problem.batch)
    flops = problem.epochs * (full * training_flops(problem.units, problem.batch) + training_flops(problem.units, rest))

    def rate_of(side: Side) -> Callable[[int], float]:
        return lambda number: flops / side(problem, number).seconds

    with made([OURS, *(name for name in ("scikit-learn", "torch-fused") if name in options.peers)]) as sides:
        for side in sides.values():
            warm_up(side, problem)
        rates = interleaved({"peak": peak} | {name: rate_of(side) for name, side in sides.items()}, options.rounds)
    rows = [[name, f"{rate / 1e9:,.0f} GFLOP/s", ""] for name, rate in kernels.items()]
    for name in rates:
        share = "" if name == "peak" else f"{100 * ratio(rates[name], rates['peak'])[0]:.0f} %"
        what = "peak, median of the rounds" if name == "peak" else f"training with {name}"
        rows.append([what, f"{float(np.median(rates[name])) / 1e9:,.0f} GFLOP/s", share])
    show_table(f"Arithmetic rate, products only: {problem.title}", ["what", "rate", "share of the peak"], rows)
    return {"kernels": kernels, "rates": rates}


# ---------------------------------------------------------------------------------------------------------- ensemble


def run_ensemble(options: argparse.Namespace) -> dict[str, Any]:
    problem = quick(SMALL) if options.quick else SMALL
    one, many = local(learn_planefold), local(learn_planefold, n_members=N_MEMBERS)

    def one_by_one(number: int) -> float:
        return sum(one(problem, N_MEMBERS * number + member).seconds for member in range(N_MEMBERS))

    for side in (one, many):
        warm_up(side, problem)
    seconds = interleaved(
        {
            "one": lambda number: one(problem, number).seconds,
            f"{N_MEMBERS} members": lambda number: many(problem, number).seconds,
            f"{N_MEMBERS} fits, one after the other": one_by_one,
        },
        options.rounds,
    )
    rows = [
        [name, duration(float(np.median(times))), "" if name == "one" else ratio_text(times, seconds["one"])]
        for name, times in seconds.items()
    ]
    show_table(f"Members of an ensemble: {problem.title}", ["what", "fit", "time / one's"], rows)
    return dict(seconds)


# ------------------------------------------------------------------------------------------------------------ health


@contextlib.contextmanager
def without_health() -> Iterator[None]:
    """Train without the record of gradients, weights and units. Estimators have no switch for it."""
    from planefold.estimators import training as estimators

    recorded, estimators.train = estimators.train, functools.partial(estimators.train, record=False)
    try:
        yield
    finally:
        estimators.train = recorded


def run_health(options: argparse.Namespace) -> dict[str, Any]:
    found, rows, side = {}, [], local(learn_planefold)

    for problem in chosen_problems(options):

        def bare(number: int, problem: Problem = problem) -> float:
            with without_health():
                return side(problem, number).seconds

        warm_up(side, problem)
        recorded = {"with": lambda number, problem=problem: side(problem, number).seconds, "without": bare}
        seconds = interleaved(recorded, 2 * options.rounds)  # a small difference needs more rounds
        middle, low, high = (100 * (value - 1) for value in ratio(seconds["with"], seconds["without"]))
        times = [duration(float(np.median(seconds[name]))) for name in ("with", "without")]
        rows.append([problem.title, *times, f"{middle:+.1f} % ({low:+.1f} to {high:+.1f})"])
        found[problem.title] = seconds
    show_table("The health record", ["problem", "with", "without", "cost (lowest to highest)"], rows)
    return found


# ------------------------------------------------------------------------------------------------------------ memory


STATUS = Path("/proc/self/status")
LEARNERS = {
    OURS: learn_planefold,
    "scikit-learn": learn_sklearn,
    "torch-fused": lambda *given: learn_torch(*given, fused=True),
}


def memory_of(name: str, problem: Problem) -> dict[str, float]:
    """Measure in this process, which has done nothing else, how much its memory grows while it trains, in bytes."""
    tiny = dataclasses.replace(problem, n_rows=2 * problem.batch, epochs=1)
    LEARNERS[name](tiny, *tiny.data(), 0)  # what libraries keep for themselves is no memory of the training
    random = np.random.default_rng(0)
    X = np.empty((problem.n_rows, problem.n_features), dtype=np.float32)
    y = np.empty(problem.n_rows, dtype=np.float32)
    random.standard_normal(out=X, dtype=np.float32)
    random.standard_normal(out=y, dtype=np.float32)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # forgets the highest mark of the libraries' loading
    before = memory_mark("VmRSS")
    LEARNERS[name](problem, X, y, 0)
    return {"data": X.nbytes + y.nbytes, "growth": memory_mark("VmHWM") - before}


def memory_mark(name: str) -> int:
    """Bytes of this process in memory: now (VmRSS), or the most there have been at once (VmHWM).

    Not `getrusage`: its highest mark also knows the process that this one was started by.
    """
    lines = STATUS.read_text(encoding="utf-8").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def run_memory(options: argparse.Namespace) -> dict[str, Any]:
    if not STATUS.is_file():
        print(f"\nmemory: left out, this system has no {STATUS}")
        return {}
    problem = quick(TABLE) if options.quick else TABLE
    found, rows = {}, []
    for name in [name for name in LEARNERS if name == OURS or name in options.peers]:
        command = [sys.executable, __file__, "--memory-of", name, *(["--quick"] if options.quick else [])]
        answer = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        share = f"{answer['growth'] / answer['data']:.2f}"
        rows.append([name, f"{answer['data'] / 1e6:,.0f} MB", f"{answer['growth'] / 1e6:,.0f} MB", share])
        found[name] = answer
    header = ["library", "data (X and y)", "growth while training", "growth / data"]
    show_table(f"Memory of training: {problem.title}", header, rows)
    return found


# -------------------------------------------------------------------------------------------------------------- main


PARTS: Mapping[str, Callable[[argparse.Namespace], Any]] = {
    "fits": run_fits,
    "peak": run_peak,
    "ensemble": run_ensemble,
    "health": run_health,
    "memory": run_memory,
}


def chosen_problems(options: argparse.Namespace) -> list[Problem]:
    some = [problem for problem in PROBLEMS if problem.name in options.problems]
    return [quick(problem) for problem in some] if options.quick else some


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    peers, problems = [name for name in SIDES if name != OURS], [problem.name for problem in PROBLEMS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), help="parts to run")
    parser.add_argument("--problems", nargs="+", choices=problems, default=problems, help="of fits and health")
    parser.add_argument("--peers", nargs="*", choices=peers, default=peers, help="sides besides planefold")
    parser.add_argument("--rounds", type=int, help="default: 7, with --quick 1")
    parser.add_argument("--quick", action="store_true", help="only see that everything runs")
    parser.add_argument("--json", type=Path, help="write every single measurement there")
    parser.add_argument("--memory-of", choices=list(LEARNERS), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.rounds = options.rounds or (1 if options.quick else 7)
    return options


def main(arguments: list[str] | None = None) -> None:
    """Run the parts that are asked for."""
    options = parse(arguments)
    if options.memory_of:
        print(json.dumps(memory_of(options.memory_of, quick(TABLE) if options.quick else TABLE)))
        return
    found: dict[str, Any] = {"machine": machine(), "rounds": options.rounds}
    show_machine(found["machine"])
    print(f"rounds: {options.rounds}{' (quick: the figures mean nothing)' if options.quick else ''}")
    out: list[str] = []
    for part in options.only:
        if part == "fits":
            found[part], out = run_fits(options)
        else:
            found[part] = PARTS[part](options)
    write_json(options.json, found)
    if out and not options.quick:
        print(f"\nerror: the loss stands out, so this is not the same work: {', '.join(out)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
