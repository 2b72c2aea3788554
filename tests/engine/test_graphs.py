"""A step that is replayed does what the step does. Where there is no GPU to capture it, its work is run anew."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from planefold.engine import OBJECTIVES, OPTIMIZERS, Plan, loop
from planefold.engine.kernels import NumpyKernels, TorchKernels
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
    captures = []

    class Eager(TorchKernels):
        def capture(self, work):
            captures.append(work)
            return _run_three_times_and_again(work)

    trained = []
    for kernels in (TorchKernels(), Eager(captures=True), NumpyKernels()):
        monkeypatch.setattr(loop, "kernels_for", lambda *_, made=kernels: made)
        one = copy.deepcopy(net)
        run = loop.train(one, rows, OBJECTIVES["squared_error"], plan, random_state=np.random.RandomState(1))
        trained.append((one.state_dict(), run["objective"]))
    assert len(captures) == 2  # whole batches, and the last
    (plain, objective), *others = trained
    for state, other in others:
        np.testing.assert_allclose(other, objective, atol=1e-12)
        for name, tensor in plain.items():
            np.testing.assert_allclose(state[name], tensor, atol=1e-12, err_msg=name)


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
