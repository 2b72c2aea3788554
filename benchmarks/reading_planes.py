"""Exact regions of a plane: counts against rational arithmetic, processor time and memory against their bars, a peer.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/reading_planes.py [--rounds 5] [--quick]
                                   [--only counts speed decision scale peer] [--json results.json]

Networks with PyTorch's initialisation (`torch.manual_seed(k)`, `nn.Linear` layers in order, ReLU between, as float64),
in the window from -1 to 1 both ways; "moons" is trained on two moons. Times are processor seconds of one process.

- counts: a public set of networks, most of them degenerate (creases that coincide, are parallel or meet in one point),
  whose activation regions are counted in exact rational arithmetic too, by clipping polygons with Python's fractions;
- speed: all regions with polygons, areas and local affine maps;
- decision: border, contour and class regions of the trained network;
- scale: 358,790 regions counted in tiles, with the memory that this takes besides;
- peer: relucent, where it is installed, on small networks (it takes minutes for thousands of regions).

The script ends with code 1 if a count is not the known one.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from common import duration, installed, interleaved, machine, ratio_text, show_machine, show_table, write_json

TESTS = Path(__file__).resolve().parents[1] / "tests" / "reading"
SQUARE = ((-1.0, 1.0), (-1.0, 1.0))
PARTS = ("counts", "speed", "decision", "scale", "peer")
# Hidden layers, regions of the seeds 0, 1, 2, and processor seconds allowed.
SPEED: tuple[tuple[tuple[int, ...], tuple[int, ...], float], ...] = (
    ((16, 16), (127, 88, 185), 0.1),
    ((64, 64), (2_943, 2_703, 2_137), 0.1),
    ((64, 64, 64), (6_668, 4_479, 4_630), 0.1),
    ((128, 128, 128), (20_714, 22_136, 18_209), 0.5),
    ((256, 256, 256), (79_783, 89_012), 2.0),
)
MOONS, MOONS_BAR = 3_148, 0.1
SCALE = ((512, 512, 512), 358_790)
MEGABYTES = 500


def torch_module(hidden: Sequence[int], seed: int) -> Any:
    """Stack linear layers and ReLUs with PyTorch's initialisation."""
    import torch
    from torch import nn

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [nn.Linear(*sizes) for sizes in pairwise((2, *hidden, 1))]
    modules = [module for layer in layers for module in (layer, nn.ReLU())]
    return nn.Sequential(*modules[:-1]).double()


def net_of(module: Any) -> Any:
    """Bring a stack of linear layers to the affine form."""
    from planefold.reading.models import from_model

    return from_model(module)


def moons() -> Any:
    """Return the network for two moons whose weights the tests keep; :func:`train_moons` made them."""
    with np.load(TESTS / "planes" / "moons.npz") as file:
        layers = [(file[f"w{number}"], file[f"b{number}"]) for number in range(3)]
    module = torch_module((64, 64), 0)
    import torch

    with torch.no_grad():
        for linear, (coef, intercept) in zip(module[::2], layers, strict=True):
            linear.weight.copy_(torch.from_numpy(coef.T.copy()))
            linear.bias.copy_(torch.from_numpy(intercept))
    return module


def train_moons(seed: int = 0) -> Any:
    """Train a network on two moons: Adam on all rows at once; the last digits depend on the machine."""
    import torch
    from sklearn.datasets import make_moons

    X, y = make_moons(1000, noise=0.15, random_state=seed)
    X = X - X.mean(axis=0)
    rows, labels = torch.tensor(X / np.abs(X).max()), torch.tensor(y, dtype=torch.float64)
    module = torch_module((64, 64), seed)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-2)
    for _ in range(1500):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(module(rows)[:, 0], labels).backward()
        optimizer.step()
    return module


def processor_seconds(work: Callable[[], Any]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def everything(net: Any) -> Any:
    """Compute regions, polygons, areas and local maps."""
    from planefold.reading.slices.planes import planes

    found = planes(net, SQUARE)
    _ = found.polygon_vertices, found.areas, found.coefs, found.intercepts
    return found


# ---------------------------------------------------------------------------------------------------- the parts


def counts(given: argparse.Namespace) -> tuple[bool, Any]:
    """Compare counts and patterns with rational arithmetic."""
    sys.path.append(str(TESTS))
    exact = importlib.import_module("exact")
    found: dict[str, list[bool]] = {}
    n_rational = 0
    for name, net in exact.public_set()[:: 12 if given.quick else 1]:
        expected = {region.pattern for region in exact.exact_regions(net, exact.SQUARE)}
        ours = everything(net)
        patterns = {tuple(pattern) for pattern in ours.patterns().tolist()}
        n_rational += ours.certificate.n_rational
        kind = "degenerate" if name.split(",")[0] in exact.DEGENERATE else "general position"
        found.setdefault(kind, []).append(ours.n_regions == len(expected) and patterns == expected)
    rows = [[kind, str(len(right)), str(sum(right))] for kind, right in found.items()]
    show_table("Activation regions equal to those of exact rational arithmetic", ["networks", "all", "equal"], rows)
    print(f"{n_rational:,} signs were decided in rationals on the way")
    return all(map(all, found.values())), {kind: [len(right), sum(right)] for kind, right in found.items()}


def speed(given: argparse.Namespace) -> tuple[bool, Any]:
    """Measure the networks of the bars."""
    cases = [("moons, trained", moons(), MOONS, MOONS_BAR)]
    for hidden, expected, bar in SPEED[: 3 if given.quick else None]:
        for seed, count in enumerate(expected[:1] if given.quick else expected):
            cases.append((f"2-{'-'.join(map(str, hidden))}-1, seed {seed}", torch_module(hidden, seed), count, bar))
    rows, right, results = [], True, {}
    for name, module, count, bar in cases:
        net = net_of(module)
        found = everything(net)
        numbers = np.array([processor_seconds(lambda net=net: everything(net)) for _ in range(given.rounds)])
        right &= found.n_regions == count
        middle, best = float(np.median(numbers)), float(numbers.min())
        met = "met" if best <= bar else "MISSED"
        rows.append([name, f"{found.n_regions:,}", f"{count:,}", duration(middle), duration(best), f"{bar} s, {met}"])
        results[name] = {"regions": found.n_regions, "seconds": numbers, "bar": bar}
    header = ["network", "regions", "known", "median", "best", "bar for the best"]
    show_table("Regions, polygons, areas and local maps, processor time", header, rows)
    return right, results


def decision(given: argparse.Namespace) -> tuple[bool, Any]:
    """Measure border, class regions and a contour of the trained network."""
    from planefold.reading.slices.boundaries import boundary, class_regions
    from planefold.reading.slices.contours import contours
    from planefold.reading.slices.planes import planes

    found = planes(net_of(moons()), SQUARE)
    works = {
        "border": lambda: boundary(found),
        "class regions": lambda: class_regions(found),
        "contour at 1": lambda: contours(found, 1.0),
    }
    times = {name: [processor_seconds(work) for _ in range(given.rounds)] for name, work in works.items()}
    border, regions = boundary(found), class_regions(found)
    rows = [[name, duration(float(np.median(numbers))), duration(min(numbers))] for name, numbers in times.items()]
    show_table("Decision of the network for two moons, processor time", ["work", "median", "best"], rows)
    off = abs(regions.area_shares.sum() - 1)
    print(f"{border.n_segments} segments, {border.n_curves} curve of length {border.length:.3f},", end=" ")
    print(f"{regions.n_regions} decision regions; area shares sum to 1 within {off:.0e}")
    right = (border.n_segments, border.n_curves, regions.n_regions) == (112, 1, 2) and off < 1e-12
    return right, {"seconds": times, "length": border.length}


def scale(given: argparse.Namespace) -> tuple[bool, Any]:
    """Count in a process of its own, whose largest memory is then that of the count."""
    hidden, count = ((128, 128, 128), 20_714) if given.quick else SCALE
    program = (
        "import sys, time; sys.path.append(sys.argv[1]); import reading_planes as here\n"
        "from training import memory_mark\n"
        "from planefold.reading.slices.tiles import count_in_window\n"
        "net = here.net_of(here.torch_module(list(map(int, sys.argv[2:])), 0))\n"
        "count_in_window(here.net_of(here.torch_module((8,), 0)), here.SQUARE)\n"
        "before, started = memory_mark('VmHWM'), time.process_time()\n"
        "found = count_in_window(net, here.SQUARE)\n"
        "print(found.n_regions, found.n_tiles, time.process_time() - started, memory_mark('VmHWM') - before)\n"
    )
    if not Path("/proc/self/status").is_file():
        print("\nscale: left out, this system has no /proc/self/status")
        return True, None
    command = [sys.executable, "-c", program, str(Path(__file__).parent), *map(str, hidden)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    megabytes = int(answer[3]) / 1e6
    met = "met" if megabytes <= MEGABYTES else "MISSED"
    row = [f"2-{'-'.join(map(str, hidden))}-1", f"{int(answer[0]):,}", f"{count:,}", answer[1]]
    row += [duration(float(answer[2])), f"{megabytes:.0f} MB", f"{MEGABYTES} MB, {met}"]
    header = ["network", "regions", "known", "tiles", "processor time", "memory besides", "bar"]
    show_table("Counting in tiles", header, [row])
    return int(answer[0]) == count, {"seconds": float(answer[2]), "megabytes": megabytes}


def peer(given: argparse.Namespace) -> tuple[bool, Any]:
    """Let relucent find the same regions, on the same weights, where its solver is licensed for them."""
    if not installed("relucent"):
        print("\nrelucent is not installed, and is left out")
        return True, None
    rows, right, results = [], True, {}
    for hidden in ((8, 8), (16, 16))[: 1 if given.quick else 2]:
        module = torch_module(hidden, 0)
        net, answers = net_of(module), {}
        sides = {
            "planefold": lambda net=net: everything(net).n_regions,
            "relucent": lambda module=module: relucent_regions(module),
        }

        def measure(name: str, sides: Any = sides, answers: Any = answers) -> float:
            started = time.process_time()
            answers[name] = sides[name]()
            return time.process_time() - started

        times = interleaved({name: lambda _, name=name: measure(name) for name in sides}, min(3, given.rounds))
        right &= len(set(answers.values())) == 1
        name = f"2-{'-'.join(map(str, hidden))}-1"
        rows.append(
            [
                name,
                *(f"{answers[side]:,}" for side in sides),
                *(duration(float(np.median(times[side]))) for side in sides),
                ratio_text(times["relucent"], times["planefold"]),
            ]
        )
        results[name] = times
    show_table(
        "Beside relucent, processor time of this process",
        ["network", "our regions", "its regions", "our time", "its time", "ratio"],
        rows,
    )
    return right, results


def relucent_regions(module: Any) -> int:
    """Count the regions of the square by relucent's search from facet to facet; without its costlier check."""
    import relucent

    complex_ = relucent.Complex(relucent.convert(module))
    complex_.bfs(nworkers=1, cube_radius=1.0, cube_mode="intersect", verify=False, verbose=0)
    return len(complex_)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and say whether the counts are right."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="small networks, one round")
    parser.add_argument("--json", type=Path, help="write every measurement here")
    given = parser.parse_args(arguments)
    if given.quick:
        given.rounds = 1
    facts = machine()
    show_machine(facts)
    parts = {"counts": counts, "speed": speed, "decision": decision, "scale": scale, "peer": peer}
    found = {name: parts[name](given) for name in given.only}
    right = all(is_right for is_right, _ in found.values())
    print("\nall counts are right" if right else "\nA COUNT IS WRONG")
    write_json(given.json, {"machine": facts, **{name: result for name, (_, result) in found.items()}})
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
