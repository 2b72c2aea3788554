"""A captured step does what the step does. Here the capture runs the work anew, as there is no GPU to replay it."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from planefold.engine import OBJECTIVES, OPTIMIZERS, Plan, kernels, loop
from planefold.engine.graphs import CapturedStep
from planefold.networks import MLPSpec


def _run_three_times_and_again(work):
    """Stand in for the capture: it, too, does the work some times before it hands out what repeats it."""
    for _ in range(3):
        work()
    return work


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("solver", OPTIMIZERS)
def test_a_training_of_captured_steps_is_the_training(engine, problem, monkeypatch, solver, weighted):
    spec = MLPSpec(
        n_features=3, n_outputs=1, hidden_layer_sizes=(5, 4), n_members=2, batch_norm=True, dropout=(0.2, 0.0)
    )
    net = spec.build(np.random.RandomState(0), dtype=torch.float64)
    members = np.array([np.r_[0:40], np.r_[20:58, -1, -1]])
    rows = engine.rows(problem.X, problem.y, np.linspace(0.5, 2, 60) if weighted else None, members)
    plan = Plan(solver=solver, batch_size=16, max_iter=5, alpha=0.5, l1_ratio=0.5, clip_norm=1.0)
    monkeypatch.setattr(kernels, "TORCH_FROM", 0)
    plain = copy.deepcopy(net)
    expected = loop.train(plain, rows, OBJECTIVES["squared_error"], plan, random_state=np.random.RandomState(1))

    captures = []

    class Replayed(CapturedStep):
        def __init__(self, *parts):
            super().__init__(*parts, capture=lambda work: captures.append(work) or _run_three_times_and_again(work))

    plain_step = loop.Step
    monkeypatch.setattr(loop, "Step", lambda *parts: Replayed(plain_step(*parts), parts[2]))
    run = loop.train(net, rows, OBJECTIVES["squared_error"], plan, random_state=np.random.RandomState(1))
    assert len(captures) == 2  # whole batches, and the last
    for ours, theirs in zip(net.state_dict().values(), plain.state_dict().values(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-12)
    np.testing.assert_allclose(run["objective"], expected["objective"], atol=1e-12)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_on_a_gpu_captured_steps_give_the_weights_of_the_cpu(engine, problem):
    spec = MLPSpec(n_features=3, n_outputs=1, hidden_layer_sizes=(5, 4), n_members=2)
    nets = []
    for device in ("cpu", "cuda"):
        net = spec.build(np.random.RandomState(0), dtype=torch.float64).to(device)
        rows = engine.rows(problem.X, problem.y)
        rows = type(rows)(X=rows.X.to(device), y=rows.y.to(device))
        plan = Plan(batch_size=16, max_iter=5)
        loop.train(net, rows, OBJECTIVES["squared_error"], plan, random_state=np.random.RandomState(1))
        nets.append(net.cpu())
    for ours, theirs in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        np.testing.assert_allclose(ours.detach(), theirs.detach(), atol=1e-9)
