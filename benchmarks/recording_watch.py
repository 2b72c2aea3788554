"""What watching a training loop in torch costs: processor time with and without, on an MLP, a CNN and a GRU.

    python benchmarks/recording_watch.py
    python benchmarks/recording_watch.py --rounds 15 --cases cnn
    python benchmarks/recording_watch.py --hooks

Each round trains the same network with and without a watch, an epoch of the one after an epoch of the other, and
compares the processor time of both: everything from ``Watch(...)`` to ``watch.run()`` counts. ``--hooks`` prints
what the hooks alone take of a step.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from common import interleaved
from torch import nn

from planefold.doctor.watch import Watch
from planefold.engine.run import Run


class Recurrent(nn.Module):
    """The last state of a GRU, and a line from it."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.out = nn.GRU(4, 32, batch_first=True), nn.Linear(32, 1)

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        return self.out(self.gru(X)[0][:, -1])


def mlp(n_rows: int) -> tuple[nn.Module, torch.Tensor, torch.Tensor, Any]:
    X = torch.randn(n_rows, 20)
    net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
    return net, X, X[:, :1].abs() - X[:, 1:2] * X[:, 2:3], nn.MSELoss()


def cnn(n_rows: int) -> tuple[nn.Module, torch.Tensor, torch.Tensor, Any]:
    X = torch.randn(n_rows, 1, 16, 16)
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 16, 32), nn.ReLU(), nn.Linear(32, 3),
    )  # fmt: skip
    y = (X[:, 0, :8].mean(dim=(1, 2)) > 0).long() + (X[:, 0, 8:].mean(dim=(1, 2)) > 0).long()
    return net, X, y, nn.CrossEntropyLoss()


def gru(n_rows: int) -> tuple[nn.Module, torch.Tensor, torch.Tensor, Any]:
    X = torch.randn(n_rows, 24, 4)
    return Recurrent(), X, X[:, -5:, :1].mean(dim=1), nn.MSELoss()


# Training rows, epochs: the sizes of everyday small trainings.
CASES: dict[str, tuple[Callable[[int], Any], int, int]] = {
    "mlp": (mlp, 2000, 30),
    "mlp, small": (mlp, 300, 100),
    "mlp, large": (mlp, 10_000, 15),
    "cnn": (cnn, 1000, 20),
    "cnn, large": (cnn, 3000, 20),
    "gru": (gru, 1000, 20),
}
N_VAL, BATCH = 400, 32


class Side:
    """One of two trainings that take turns, epoch by epoch."""

    def __init__(self, make: Callable[[int], Any], n_rows: int, is_watched: bool) -> None:
        torch.manual_seed(0)
        self.net, self.X, self.y, self.loss = make(n_rows + N_VAL)
        self.n_rows, self.is_watched, self.seconds = n_rows, is_watched, 0.0
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=0.003)
        self.order = torch.Generator().manual_seed(1)
        self.watch: Watch | None = None

    def begin(self) -> None:
        if self.is_watched:
            n, started = self.n_rows, time.process_time()
            rows, held_out = (self.X[:n], self.y[:n]), (self.X[n:], self.y[n:])
            self.watch = Watch(self.net, self.loss, train=rows, val=held_out, optimizer=self.optimizer)
            self.seconds += time.process_time() - started
            self.watch.budget.pause()

    def epoch(self) -> None:
        if self.watch is not None:
            self.watch.budget.resume()
        started = time.process_time()
        for batch in torch.randperm(self.n_rows, generator=self.order).split(BATCH):
            self.optimizer.zero_grad()
            self.loss(self.net(self.X[batch]), self.y[batch]).backward()
            self.optimizer.step()
        if self.watch is not None:
            self.watch.epoch()
        self.seconds += time.process_time() - started
        if self.watch is not None:
            self.watch.budget.pause()

    def end(self) -> Run | None:
        if self.watch is None:
            return None
        started = time.process_time()
        run = self.watch.run()
        self.seconds += time.process_time() - started
        self.watch.close()
        return run


def compare(make: Callable[[int], Any], n_rows: int, n_epochs: int) -> tuple[float, float, Run]:
    """Train twice, epochs in turn; return both processor times, without and with, and the run."""
    bare, watched = Side(make, n_rows, is_watched=False), Side(make, n_rows, is_watched=True)
    watched.begin()
    for number in range(n_epochs):
        for side in (bare, watched) if number % 2 else (watched, bare):
            side.epoch()
    run = watched.end()
    assert run is not None
    same = zip(bare.net.parameters(), watched.net.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in same), "watching has changed the training"
    return bare.seconds, watched.seconds, run


def hooks(n_steps: int = 300, rounds: int = 25) -> None:
    """Print what the hooks take of a step that is not looked at."""
    net, X, y, loss = mlp(32)
    optimizer = torch.optim.Adam(net.parameters())

    def steps(_: int) -> float:
        started = time.process_time()
        for _ in range(n_steps):
            optimizer.zero_grad()
            loss(net(X), y).backward()
            optimizer.step()
        return (time.process_time() - started) / n_steps

    def watched(number: int) -> float:
        watch = Watch(net, loss, train=(X, y), optimizer=optimizer)
        watch.steps.expect(1)
        seconds = steps(number)
        watch.close()
        return seconds

    steps(0)
    times = interleaved({"bare": steps, "hooks": watched}, rounds)
    found = np.median(times["hooks"] - times["bare"])
    print(f"a step {np.median(times['bare']) * 1e6:.0f} us, the hooks {found * 1e6:.1f} us")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--hooks", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.hooks:
        hooks()
        return
    for name in options.cases:
        case = CASES[name]
        compare(*case)
        pairs = [compare(*case) for _ in range(options.rounds)]
        shares = np.array([watched / bare - 1 for bare, watched, _ in pairs])
        run = pairs[-1][2]
        looks = [epoch.epoch for epoch in run.epochs if epoch.train_eval is not None]
        print(f"{name}: {case[1]} rows, {case[2]} epochs, {np.median([bare for bare, _, _ in pairs]):.2f} s")
        print(f"  watched: {np.median(shares):+.1%} ({shares.min():+.1%} to {shares.max():+.1%})")
        print(f"  {len(looks)} looks at {run.n_eval} + {run.n_val} rows, after epochs {looks}")


if __name__ == "__main__":
    main()
