"""Training loops in plain torch, right and wrong, for ``doctor_faults.py``: what our estimators cannot express."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from planefold.doctor import Diagnosis
from planefold.doctor.watch import Watch

if TYPE_CHECKING:
    from doctor_faults import Problem

N_EPOCHS = 40


def train(problem: Problem, settings: dict[str, Any], seed: int, wrong: str) -> tuple[np.ndarray, Diagnosis]:
    """Train a loop that is watched, which does wrong what ``wrong`` names; return predictions and diagnosis."""
    generator = torch.Generator().manual_seed(seed)
    two_signs = wrong == "labels_of_two_signs"
    net = _network(problem, settings, wrong, 1 if two_signs else max(problem.n_classes, 1), generator)
    loss: Any = nn.BCEWithLogitsLoss() if two_signs else nn.CrossEntropyLoss() if problem.n_classes else nn.MSELoss()
    if wrong == "wrong_sign":
        loss = lambda outputs, targets: -functional.cross_entropy(outputs, targets)  # noqa: E731
    learn, judge = (_tensors(rows, problem, two_signs) for rows in (problem.learn, problem.judge))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.005)
    with Watch(net, loss, train=learn, val=judge, optimizer=optimizer, n_epochs=N_EPOCHS) as watch:
        for _ in range(N_EPOCHS):
            for rows in torch.randperm(len(learn[0]), generator=generator).split(settings["batch_size"]):
                optimizer.zero_grad()
                loss(net(learn[0][rows]), learn[1][rows]).backward()
                optimizer.step()
            watch.epoch()
    with torch.no_grad():
        outputs = net(torch.as_tensor(problem.fresh[0], dtype=torch.float32))
    return _predict(problem, outputs), watch.diagnose()


def _network(problem: Problem, settings: dict[str, Any], wrong: str, n_outputs: int, generator: Any) -> nn.Sequential:
    activation = {"relu": nn.ReLU, "tanh": nn.Tanh}[settings["activation"]]
    sizes = [problem.learn[0].shape[1], *settings["hidden_layer_sizes"]]
    layers: list[nn.Module] = []
    for fan_in, fan_out in itertools.pairwise(sizes):
        layers += [nn.Linear(fan_in, fan_out), activation()]
    layers.append(nn.Linear(sizes[-1], n_outputs))
    with torch.no_grad():
        for layer in layers[::2]:
            layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) / layer.in_features**0.5)
            layer.bias.zero_()
    last = {
        "softmax_twice": nn.Softmax(dim=-1), "sigmoid_output": nn.Sigmoid(), "relu_output": nn.ReLU(),
        "tanh_output": nn.Tanh(),
    }  # fmt: skip
    return nn.Sequential(*layers, *([last[wrong]] if wrong in last else []))


def _tensors(rows: Any, problem: Problem, two_signs: bool) -> tuple[torch.Tensor, torch.Tensor]:
    X, y = torch.as_tensor(rows[0], dtype=torch.float32), torch.as_tensor(np.asarray(rows[1]))
    if problem.n_classes and not two_signs:
        return X, y.long()
    return X, 2 * y.float()[:, None] - 1 if two_signs else y.float()[:, None]


def _predict(problem: Problem, outputs: torch.Tensor) -> np.ndarray:
    """Return numbers, or probabilities as the loss understands the outputs."""
    if not problem.n_classes:
        return outputs[:, 0].numpy()
    if outputs.shape[1] > 1:
        return outputs.softmax(dim=1).numpy()
    p = outputs.sigmoid()
    return torch.cat([1 - p, p], dim=1).numpy()
