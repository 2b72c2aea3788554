"""Exact lines through a network: integrated gradients, individual curves and functions, against their bars and a peer.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/reading_lines.py [--rows 1000] [--rounds 5]
                                   [--steps 50 200] [--quick] [--json results.json]

One network of 20 inputs and two hidden layers of 64 ReLU units with PyTorch's initialisation, and normal rows. Times
are processor seconds of one process, the median of the rounds. The bars, for 1,000 rows on one thread:

- segments from the mean to each row: every crease (no bar);
- integrated gradients: 0.5 s, and each row's sum off by 1e-10 at most;
- individual curves along one feature, each with all its kinks: 0.5 s.

Captum, where it is installed, approximates the same integrals by gradients at some steps; the table shows how far its
attributions are off. The script ends with code 1 if a sum is off by more than 1e-10, or a curve leaves the network's
outputs by more than 1e-9.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from common import duration, installed, interleaved, machine, show_machine, show_table, write_json

SIZES = (20, 64, 64, 1)
BAR = 0.5  # processor seconds for 1,000 rows
COMPLETE, ON_THE_NETWORK = 1e-10, 1e-9


def torch_module() -> Any:
    """Stack linear layers and ReLUs with PyTorch's initialisation."""
    import torch
    from torch import nn

    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [nn.Linear(*sizes) for sizes in pairwise(SIZES)]
    modules = [module for layer in layers for module in (layer, nn.ReLU())]
    return nn.Sequential(*modules[:-1]).double()


def processor_seconds(work: Callable[[], Any]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def captum_attributions(module: Any, X: np.ndarray, steps: int) -> np.ndarray:
    import torch
    from captum.attr import IntegratedGradients

    rows = torch.from_numpy(X)
    baselines = rows.mean(dim=0, keepdim=True)
    return IntegratedGradients(module).attribute(rows, baselines, n_steps=steps).detach().numpy()


def largest_error_of_curves(net: Any, X: np.ndarray, curves: Any) -> float:
    """Compare some curves with the network on a grid."""
    grid, worst = np.linspace(-3, 3, 301), 0.0
    for row, curve in list(zip(X, curves, strict=True))[:20]:
        rows = np.tile(row, (len(grid), 1))
        rows[:, 0] = grid
        worst = max(worst, float(np.abs(curve(grid) - net.outputs(rows)[:, 0]).max()))
    return worst


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say whether the answers are right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, nargs="+", default=[50, 200], help="of captum's sums")
    parser.add_argument("--quick", action="store_true", help="50 rows, one round")
    parser.add_argument("--json", type=Path, help="write every measurement here")
    given = parser.parse_args(arguments)
    if given.quick:
        given.rows, given.rounds = 50, 1

    from planefold.reading.models import from_model
    from planefold.reading.segments.attributions import ice, integrated_gradients, partial_dependence
    from planefold.reading.segments.lines import lines

    facts = machine()
    show_machine(facts)
    module = torch_module()
    net = from_model(module)
    X = np.random.default_rng(0).normal(size=(given.rows, SIZES[0]))
    mean = X.mean(axis=0, keepdims=True)
    works: dict[str, Callable[[], Any]] = {
        "segments": lambda: lines(net, mean, X),
        "integrated gradients": lambda: integrated_gradients(net, X),
        "individual curves": lambda: ice(net, X, 0, low=-3, high=3),
        "partial dependence": lambda: partial_dependence(net, X, 0, low=-3, high=3),
    }
    if installed("captum"):
        for steps in given.steps:
            works[f"captum, {steps} steps"] = lambda steps=steps: captum_attributions(module, X, steps)
    else:
        print("captum is not installed, and is left out")
    found = {name: work() for name, work in works.items()}  # and everybody is warm
    times = interleaved(
        {name: lambda _, work=work: processor_seconds(work) for name, work in works.items()}, given.rounds
    )
    exact = found["integrated gradients"]
    error_of_curves = largest_error_of_curves(net, X, found["individual curves"])
    said = {
        "segments": f"{int(found['segments'].n_regions.sum()):,} regions; {found['segments'].certificate}",
        "integrated gradients": f"sums off by {exact.error:.0e} at most",
        "individual curves": f"{len(found['individual curves'].t):,} kinks and ends; off by {error_of_curves:.0e}",
        "partial dependence": f"{len(found['partial dependence'].t):,} kinks and ends",
    }
    for steps in given.steps if installed("captum") else ():
        theirs = found[f"captum, {steps} steps"]
        off, change = np.abs(theirs - exact.values).max(), exact.outputs - exact.baseline_outputs
        missed = np.abs(theirs.sum(axis=1) - change).max()
        said[f"captum, {steps} steps"] = f"attributions off by {off:.1g}, sums by {missed:.1g}"
    rows = [
        [name, duration(float(np.median(numbers))), duration(float(numbers.min())), said[name]]
        for name, numbers in times.items()
    ]
    show_table(
        f"{given.rows:,} rows, network {'-'.join(map(str, SIZES))}, processor time",
        ["work", "median", "best", "answer"],
        rows,
    )
    if given.rows == 1000:
        for name in ("integrated gradients", "individual curves"):
            seconds = float(times[name].min())
            print(f"{name}: {duration(seconds)}, bar {BAR} s: {'met' if seconds <= BAR else 'MISSED'}")
    right = exact.error <= COMPLETE and error_of_curves <= ON_THE_NETWORK
    print("\nall answers agree" if right else "\nAN ANSWER IS WRONG")
    results = {"completeness error": exact.error, "error of curves": error_of_curves}
    write_json(given.json, {"machine": facts, "seconds": times, **results})
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
