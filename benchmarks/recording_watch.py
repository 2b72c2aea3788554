"""What watching a training loop in torch costs: processor time with and without, on an MLP, a CNN and a GRU.

    python benchmarks/recording_watch.py
    python benchmarks/recording_watch.py --rounds 15 --cases cnn
    python benchmarks/recording_watch.py --hooks

Each round trains the same network with and without a watch, in turn, and notes the processor time of both; the
ratio is the median over the rounds. ``--hooks`` prints what the hooks alone take of a step.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from common import interleaved, ratio
from torch import nn

from planefold.doctor.watch import Watch


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


# Training rows, epochs: the sizes of the prototype's runs.
CASES: dict[str, tuple[Callable[[int], Any], int, int]] = {
    "mlp": (mlp, 2000, 30),
    "mlp, small": (mlp, 300, 100),
    "mlp, large": (mlp, 10_000, 15),
    "cnn": (cnn, 1000, 20),
    "cnn, large": (cnn, 3000, 20),
    "gru": (gru, 1000, 20),
}
N_VAL, BATCH = 400, 32


def train(make: Callable[[int], Any], n_rows: int, n_epochs: int, watched: bool, say: bool = False) -> float:
    """Return the processor time of a training, in seconds."""
    torch.manual_seed(0)
    net, X, y, loss = make(n_rows + N_VAL)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.003)
    train_rows, val_rows = (X[:n_rows], y[:n_rows]), (X[n_rows:], y[n_rows:])
    started = time.process_time()
    watch = Watch(net, loss, train=train_rows, val=val_rows, optimizer=optimizer) if watched else None
    for _ in range(n_epochs):
        for batch in torch.randperm(n_rows).split(BATCH):
            optimizer.zero_grad()
            loss(net(X[batch]), y[batch]).backward()
            optimizer.step()
        if watch is not None:
            watch.epoch()
    run = None if watch is None else watch.run()
    seconds = time.process_time() - started
    if run is not None and say:
        looks = [epoch.epoch for epoch in run.epochs if epoch.train_eval is not None]
        print(f"  looks at {run.n_eval} + {run.n_val} rows after epochs {looks}, {watch._cost * 1e3:.2f} ms each;")
        print(f"  its own clock says {run.recording_seconds / run.seconds:.1%}")
    if watch is not None:
        watch.close()
    return seconds


def hooks(n_steps: int = 300, rounds: int = 25) -> None:
    """Print what the hooks take of a step that is not looked at."""
    found = []
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
        make, n_rows, n_epochs = CASES[name]
        print(f"{name}: {n_rows} rows, {n_epochs} epochs")
        train(make, n_rows, n_epochs, watched=True, say=True)
        sides = {
            "bare": lambda _, c=(make, n_rows, n_epochs): train(*c, watched=False),
            "watched": lambda _, c=(make, n_rows, n_epochs): train(*c, watched=True),
        }
        times = interleaved(sides, options.rounds)
        middle, low, high = ratio(times["watched"], times["bare"])
        print(f"  {np.median(times['bare']):.2f} s; watched {middle - 1:+.1%} ({low - 1:+.1%} to {high - 1:+.1%})")


if __name__ == "__main__":
    main()
