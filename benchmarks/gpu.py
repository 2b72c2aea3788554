"""Speed of training on a GPU: planefold's `device="cuda"` beside torch loops, plain and as a CUDA graph.

    python benchmarks/gpu.py [--problems 10x10 64x64 1024x1024] [--rounds 7] [--quick] [--json results.json]

Without a GPU it says so and ends with code 0.

Small networks are bound by the launches of their kernels: a step is some thirty of them, and the GPU waits for most.
A CUDA graph launches all of a step at once. Large ones are bound by arithmetic. Whole fits on arrays in the memory of
the host, the way to the GPU included; the clock stops when the GPU has finished. All in float32 and with torch's
defaults, that is without TF32.

- *torch*, *torch-fused*: the loop of peers.py with the rows on the GPU from the start.
- *CUDA graph*: one step with fused Adam, captured once a fit (the capture counts: a user pays it, too) and replayed.
  The rows left over from whole batches make one plain step an epoch.
- *planefold on the CPU*: at how small a network the GPU does not pay.

Sides take turns within each round after a warm-up; ratios are medians of the rounds' ratios.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import machine, show_machine, write_json
from peers import (
    BETA_1,
    BETA_2,
    EPSILON,
    LEARNING_RATE,
    Array,
    Predict,
    Problem,
    Side,
    learn_planefold,
    learn_torch,
    local,
    torch_network,
    torch_predict,
)
from torch.nn import functional as F
from training import compare_fits, quick, show_fits

PROBLEMS = (
    Problem(hidden=(10, 10), batch=64, n_rows=2_000, n_features=10, epochs=100),
    Problem(hidden=(64, 64), batch=256, n_rows=20_000, n_features=20, epochs=30),
    Problem(hidden=(1024, 1024), batch=1024, n_rows=200_000, n_features=50, epochs=10),
)
SIDE_STREAM_STEPS = 3  # before a capture: what is made lazily (gradients, workspaces) must be there


def finished(learn: Callable[..., Predict]) -> Callable[..., Predict]:
    """Wait for the GPU before a training begins and before it counts as done."""

    def synchronized(*given: Any, **options: Any) -> Predict:
        torch.cuda.synchronize()
        predict = learn(*given, **options)
        torch.cuda.synchronize()
        return predict

    return synchronized


def learn_graph(problem: Problem, X: Array, y: Array, seed: int) -> Predict:
    """Capture one step on fixed memory, then copy each batch there and replay."""
    torch.manual_seed(seed)
    net = torch_network(problem.units, seed).to("cuda")
    optimizer = torch.optim.Adam(
        net.parameters(), lr=LEARNING_RATE, betas=(BETA_1, BETA_2), eps=EPSILON, fused=True, capturable=True
    )
    inputs, targets = torch.from_numpy(X).to("cuda"), torch.from_numpy(y).to("cuda")[:, None]
    batch_X, batch_y = inputs[: problem.batch].clone(), targets[: problem.batch].clone()

    def step(some_X: torch.Tensor, some_y: torch.Tensor) -> None:
        # The gradients are overwritten in place, since the graph has their addresses.
        optimizer.zero_grad(set_to_none=False)
        F.mse_loss(net(some_X), some_y).backward()
        optimizer.step()

    graph = captured(lambda: step(batch_X, batch_y), net, optimizer)
    for _ in range(problem.epochs):
        for rows in torch.randperm(len(inputs), device="cuda").split(problem.batch):
            if len(rows) == len(batch_X):
                torch.index_select(inputs, 0, rows, out=batch_X)
                torch.index_select(targets, 0, rows, out=batch_y)
                graph.replay()
            else:
                step(inputs[rows], targets[rows])
    return torch_predict(net, "cuda")


def captured(step: Callable[[], None], net: torch.nn.Module, optimizer: torch.optim.Optimizer) -> torch.cuda.CUDAGraph:
    """Capture a step, and undo the steps that prepare the capture.

    References
    ----------
    "CUDA semantics", section "CUDA Graphs", of PyTorch's documentation: the warm-up on a side stream.
    """
    first = [parameter.detach().clone() for parameter in net.parameters()]
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(SIDE_STREAM_STEPS):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):  # this records the step, and does not make it
        step()
    with torch.no_grad():
        for parameter, value in zip(net.parameters(), first, strict=True):
            parameter.copy_(value)
            for moment in optimizer.state[parameter].values():
                moment.zero_()
    return graph


def make_sides() -> dict[str, Side]:
    return {
        "planefold": local(finished(learn_planefold), device="cuda"),
        "torch": local(finished(learn_torch), fused=False, device="cuda"),
        "torch-fused": local(finished(learn_torch), fused=True, device="cuda"),
        "CUDA graph": local(finished(learn_graph)),
        "planefold on the CPU": local(learn_planefold, device="cpu"),
    }


def main(arguments: list[str] | None = None) -> None:
    """Compare on each problem, if there is a GPU."""
    names = [problem.name for problem in PROBLEMS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", nargs="+", choices=names, default=names)
    parser.add_argument("--rounds", type=int, help="default: 7, with --quick 1")
    parser.add_argument("--quick", action="store_true", help="only see that everything runs")
    parser.add_argument("--json", type=Path, help="write every single measurement there")
    options = parser.parse_args(arguments)
    if not torch.cuda.is_available():
        print("no GPU: torch finds no CUDA device on this machine, so there is nothing to measure")
        return
    rounds = options.rounds or (1 if options.quick else 7)
    gpu = {"gpu": torch.cuda.get_device_name(), "CUDA of torch": torch.version.cuda}
    found: dict[str, Any] = {"machine": machine() | gpu, "rounds": rounds}
    show_machine(found["machine"])
    sides = make_sides()
    for problem in PROBLEMS:
        if problem.name in options.problems:
            problem = quick(problem) if options.quick else problem
            results = compare_fits(problem, sides, rounds)
            out = show_fits(problem, results)
            if out and not options.quick:
                print(f"note: the loss of {', '.join(out)} stands out, so this is not the same work")
            found[problem.title] = results
    write_json(options.json, found)


if __name__ == "__main__":
    main()
