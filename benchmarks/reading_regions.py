"""Regions in many dimensions: how fast one is read, how fast all are counted, and that two methods agree.

    python benchmarks/reading_regions.py [--only point count walk degenerate expected] [--rounds 3] [--quick]
                                         [--json results.json]

point       The shortest list of inequalities for the region of a point, beside a linear programme for each row (HiGHS).
count       All regions of the box from -1 to 1: counted by subdivision, and listed by it.
walk        The same regions from region to region, and whether they are the same.
degenerate  Zero biases, doubled units and weights of few digits, beside a slow splitting by linear programmes.
expected    What random lines let expect, beside the exact count.

Networks are initialised as PyTorch does by default, from seed 0, and read in float64. Times are of the processor, on
one thread, the best of the rounds. The script ends with code 1 where we are slower than our bars, or counts differ.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is loaded: steps are small, and threads would wait

import math
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import duration, machine, show_machine, show_table, write_json
from scipy.optimize import linprog
from torch import nn

from planefold.networks.affine import PiecewiseLinearNet
from planefold.networks.affine_builder import Builder
from planefold.reading.boxes.density import count_along_lines
from planefold.reading.boxes.enumeration import count_regions, regions
from planefold.reading.boxes.regions import region

# Inputs and layers, and at most so many seconds.
POINTS = (
    ((8, 64, 64, 1), math.inf),
    ((20, 64, 64, 1), 0.05),
    ((20, 128, 1), 0.05),
    ((50, 100, 100, 1), 0.5),
    ((64, 192, 192, 10), math.inf),
    ((100, 228, 228, 1), math.inf),
)
# How many regions there are, and at most so many seconds to count them.
COUNTS = (
    ((2, 64, 64, 1), 2_943, math.inf),
    ((3, 16, 16, 1), 1_276, math.inf),
    ((3, 32, 32, 1), 11_512, 0.2),
    ((4, 16, 16, 1), 6_658, 0.1),
    ((8, 12, 12, 1), 21_880, 5.0),
)
WALKS = ((2, 16, 16, 1), (2, 64, 64, 1), (3, 16, 16, 1), (4, 16, 16, 1), (8, 12, 12, 1))
WALK_AT_LEAST = 600  # regions a second
MOST_BY_PROGRAMMES = 200  # rows
KINDS = ("zero biases", "whole numbers", "quarters", "tenths", "doubled units")


def layers_of(widths: tuple[int, ...], seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    steps: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        steps += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    return nn.Sequential(*steps[:-1])


def built(layers: list[tuple[np.ndarray, np.ndarray]]) -> PiecewiseLinearNet:
    builder = Builder((len(layers[0][0]),))
    value = builder.input
    for number, (coef, intercept) in enumerate(layers, start=1):
        value = builder.affine(value, coef, intercept)
        if number < len(layers):
            value = builder.fold(value, layer=f"hidden {number}")
    return builder.finish(value)


def initialised(widths: tuple[int, ...], seed: int = 0) -> PiecewiseLinearNet:
    linear = [layer for layer in layers_of(widths, seed) if isinstance(layer, nn.Linear)]
    return built([(one.weight.detach().double().numpy().T, one.bias.detach().double().numpy()) for one in linear])


def best(work: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    """Seconds of the processor, and the answer."""
    seconds, answer = math.inf, None
    for _ in range(rounds):
        started = time.process_time()
        answer = work()
        seconds = min(seconds, time.process_time() - started)
    return seconds, answer


def facets_by_programmes(A: np.ndarray, b: np.ndarray) -> list[int]:
    found = []
    for row in range(len(A)):
        relaxed = b.copy()
        relaxed[row] += 1
        answer = linprog(-A[row], A_ub=A, b_ub=relaxed, bounds=[(None, None)] * A.shape[1], method="highs")
        if -answer.fun > b[row] + 1e-7:
            found.append(row)
    return found


def points(rounds: int, quick: bool) -> tuple[list[dict[str, Any]], bool]:
    rows, found, fine = [], [], True
    for widths, bar in POINTS[: 3 if quick else None]:
        net = initialised(widths)
        x = np.random.default_rng(1).uniform(-1, 1, widths[0])
        seconds, short = best(lambda net=net, x=x: region(net, x).irredundant(), rounds)
        whole = region(net, x)
        ours = [whole.units.tolist().index(unit) for unit in short.units]
        slow, theirs = math.nan, None
        if len(whole.units) <= MOST_BY_PROGRAMMES:
            slow, theirs = best(lambda whole=whole: facets_by_programmes(whole.A, whole.b), 1)
            fine &= ours == theirs
        fine &= seconds <= bar
        agree = "-" if theirs is None else "yes" if ours == theirs else "NO"
        beside = "-" if theirs is None else f"{duration(slow)} ({slow / seconds:.0f}x)"
        limit = "-" if math.isinf(bar) else duration(bar)
        rows.append([name(widths), str(len(whole.units)), str(len(ours)), duration(seconds), limit, beside, agree])
        found.append(
            {"net": widths, "rows": len(whole.units), "facets": len(ours), "seconds": seconds, "linprog": slow}
        )
    header = ["network", "rows", "facets", "ours", "bar", "linprog each row", "same facets"]
    show_table("Region of a point, shortest list of inequalities", header, rows)
    return found, fine


def counts(rounds: int, quick: bool) -> tuple[list[dict[str, Any]], bool]:
    rows, found, fine = [], [], True
    for widths, expected, bar in COUNTS[: 4 if quick else None]:
        net = initialised(widths)
        seconds, counted = best(lambda net=net: count_regions(net, (-1, 1)), rounds)
        listing, listed = best(lambda net=net: regions(net, (-1, 1)), 1)
        good = counted.n_regions == listed.n_regions == expected and counted.complete and counted.certificate.exact
        fine &= good and seconds <= bar
        limit = "-" if math.isinf(bar) else duration(bar)
        rows.append(
            [
                name(widths),
                f"{counted.n_regions:,}",
                duration(seconds),
                limit,
                duration(listing),
                str(counted.certificate),
            ]
        )
        found.append({"net": widths, "regions": counted.n_regions, "seconds": seconds, "listing": listing})
    header = ["network", "regions", "counted in", "bar", "listed in", "certificate"]
    show_table("All regions of the box, by subdivision", header, rows)
    return found, fine


def walks(rounds: int, quick: bool) -> tuple[list[dict[str, Any]], bool]:
    rows, found, fine = [], [], True
    for widths in WALKS[: 3 if quick else None]:
        net = initialised(widths)
        seconds, walked = best(lambda net=net: regions(net, (-1, 1), method="walk"), 1 if widths[0] > 4 else rounds)
        divided = regions(net, (-1, 1), method="subdivision")
        same = {p.tobytes() for p in walked.patterns} == {p.tobytes() for p in divided.patterns}
        rate = walked.n_regions / seconds
        fine &= same and rate >= WALK_AT_LEAST
        rows.append(
            [
                name(widths),
                f"{walked.n_regions:,}",
                duration(seconds),
                f"{rate:,.0f} (bar {WALK_AT_LEAST})",
                "yes" if same else "NO",
            ]
        )
        found.append({"net": widths, "regions": walked.n_regions, "seconds": seconds})
    header = ["network", "regions", "walked in", "regions a second", "same as subdivided"]
    show_table("The same regions, by walking", header, rows)
    return found, fine


def degenerate(kind: str, widths: tuple[int, ...], seed: int) -> PiecewiseLinearNet:
    rng = np.random.default_rng(seed)
    layers = []
    for fan_in, fan_out in pairwise(widths):
        coef, intercept = rng.normal(size=(fan_in, fan_out)), rng.normal(size=fan_out) / 2
        if kind == "zero biases":
            intercept[:] = 0
        elif kind == "doubled units":
            for copy in range(1, min(3, fan_out)):
                coef[:, copy], intercept[copy] = (-2) ** copy * coef[:, 0], (-2) ** copy * intercept[0]
        else:
            parts = {"whole numbers": 1, "quarters": 4, "tenths": 10}[kind]
            coef, intercept = np.round(coef * parts) / parts, np.round(intercept * parts) / parts
        layers.append((coef, intercept))
    return built(layers)


def split_cells(net: PiecewiseLinearNet) -> set[bytes]:
    """Patterns in the box, one unit after the other: a cell is split where both sides have room for a ball."""
    d = net.n_inputs
    cells = [(np.vstack([np.eye(d), -np.eye(d)]), np.ones(2 * d), np.zeros(net.n_units, dtype=np.int8))]
    for unit in range(net.n_units):
        parts = []
        for A, b, pattern in cells:
            coefs, intercepts = net.maps_of_units(pattern)
            length = np.linalg.norm(coefs[unit])
            for side in (-1, 0, 1):
                at = pattern.copy()
                at[unit] = side
                if length < 1e-12:
                    if side == (0 if abs(intercepts[unit]) < 1e-12 else np.sign(intercepts[unit])):
                        parts.append((A, b, at))
                elif side:
                    rows = np.vstack([A, -side * coefs[unit] / length])
                    ends = np.append(b, side * intercepts[unit] / length)
                    ball = np.column_stack([rows, np.linalg.norm(rows, axis=1)])
                    goal = np.append(np.zeros(d), -1)
                    answer = linprog(goal, A_ub=ball, b_ub=ends, bounds=[(None, None)] * (d + 1), method="highs")
                    if answer.x is not None and answer.x[-1] > 1e-7:
                        parts.append((rows, ends, at))
        cells = parts
    return {pattern.tobytes() for _, _, pattern in cells}


def degenerates(_rounds: int, quick: bool) -> tuple[list[dict[str, Any]], bool]:
    rows, found, fine = [], [], True
    for kind in KINDS:
        right, n_nets, ours, theirs = 0, 0, 0.0, 0.0
        for widths in ((2, 6, 6, 1), (3, 5, 4, 1)):
            for seed in range(1 if quick else 4):
                net = degenerate(kind, widths, seed)
                seconds, listed = best(lambda net=net: regions(net, (-1, 1)), 1)
                slow, patterns = best(lambda net=net: split_cells(net), 1)
                ours, theirs, n_nets = ours + seconds, theirs + slow, n_nets + 1
                right += {pattern.tobytes() for pattern in listed.patterns} == patterns and listed.certificate.exact
        fine &= right == n_nets
        rows.append([kind, f"{right} of {n_nets}", duration(ours), duration(theirs)])
        found.append({"kind": kind, "right": right, "networks": n_nets})
    show_table("Networks not in general position", ["networks with", "right", "ours", "splitting by linprog"], rows)
    return found, fine


def expectations(_rounds: int, quick: bool) -> tuple[list[dict[str, Any]], bool]:
    rows, found = [], []
    for widths, _, _ in COUNTS[: 4 if quick else None]:
        for seed in (0, 1, 2):
            net = initialised(widths, seed)
            seconds, lines = best(lambda net=net: count_along_lines(net, (-1, 1), 500), 1)
            exact = count_regions(net, (-1, 1)).n_regions
            ratio = lines.expected_regions / exact
            density = f"{lines.density:.1f} ± {lines.density_error:.1f}"
            rows.append([name(widths), str(seed), density, f"{lines.expected_regions:,.0f}", f"{exact:,}"])
            rows[-1] += [f"{ratio:.2f}", duration(seconds)]
            found.append({"net": widths, "seed": seed, "expected": lines.expected_regions, "exact": exact})
    header = ["network", "seed", "creases per side", "expected regions", "exact", "ratio", "500 lines in"]
    show_table("What random lines let expect", header, rows)
    return found, True


def name(widths: tuple[int, ...]) -> str:
    return "-".join(map(str, widths))


PARTS = {"point": points, "count": counts, "walk": walks, "degenerate": degenerates, "expected": expectations}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    facts = machine()
    show_machine(facts)
    results: dict[str, Any] = {"machine": facts}
    fine = True
    for part in asked.only:
        results[part], good = PARTS[part](asked.rounds, asked.quick)
        fine &= good
    write_json(asked.json, results)
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
