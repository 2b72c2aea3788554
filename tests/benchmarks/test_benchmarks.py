"""That the benchmarks run, and that what they say about work and fairness is true. No test asserts a duration."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode


@pytest.fixture
def problem(peers: ModuleType) -> Any:
    return peers.Problem(hidden=(20,), batch=50, n_rows=520, n_features=6, epochs=12)


# ------------------------------------------------------------------------------------------------------- measuring


def test_every_side_runs_once_a_round_and_each_begins_in_turn(common: ModuleType) -> None:
    calls: list[tuple[int, str]] = []

    def side(name: str, values: list[float]) -> Any:
        return lambda number: calls.append((number, name)) or values[number]

    found = common.interleaved({"a": side("a", [1, 2, 3]), "b": side("b", [4, 5, 6])}, 3)

    assert calls == [(0, "a"), (0, "b"), (1, "b"), (1, "a"), (2, "a"), (2, "b")]
    assert found["a"].tolist() == [1, 2, 3]
    assert found["b"].tolist() == [4, 5, 6]


def test_a_ratio_is_the_median_of_the_rounds_ratios_not_the_ratio_of_the_medians(common: ModuleType) -> None:
    theirs, ours = np.array([2.0, 30.0, 10.0]), np.array([1.0, 10.0, 1.0])

    assert common.ratio(theirs, ours) == (3.0, 2.0, 10.0)
    assert np.median(theirs) / np.median(ours) == 10.0


def test_the_facts_of_the_machine_name_versions_cores_and_threads(common: ModuleType) -> None:
    facts = common.machine()

    assert facts["versions"]["torch"] == torch.__version__
    assert facts["torch threads"] == torch.get_num_threads()
    assert 1 <= facts["cores"] <= (os.cpu_count() or 1)


@pytest.mark.parametrize(("units", "n_rows"), [((7, 1), 3), ((5, 11, 1), 8), ((20, 30, 17, 1), 64)])
def test_operations_are_counted_as_torch_counts_them(
    training: ModuleType, peers: ModuleType, units: tuple[int, ...], n_rows: int
) -> None:
    net = peers.torch_network(units, 0)
    counter = FlopCounterMode(display=False)
    with counter:
        F.mse_loss(net(torch.ones(n_rows, units[0])), torch.ones(n_rows, 1)).backward()

    assert training.training_flops(units, n_rows) == counter.get_total_flops()


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="needs Linux's marks of memory")
def test_a_copy_of_the_data_is_seen_in_the_memory(training: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    table = dataclasses.replace(training.TABLE, n_rows=200_000, batch=10)
    growth = {}
    for n_copies in (0, 1):
        learn = lambda problem, X, y, seed, n=n_copies: [X.copy() for _ in range(n)]  # noqa: E731
        monkeypatch.setitem(training.LEARNERS, "planefold", learn)
        growth[n_copies] = training.memory_of("planefold", table)["growth"]

    assert growth[1] - growth[0] == pytest.approx(200_000 * 50 * 4, rel=0.1)


def test_without_the_health_record_the_same_training_happens(training: ModuleType) -> None:
    import planefold as pf

    X, y = training.SMALL.data()
    model = pf.MLPRegressor(**pf.SKLEARN_DEFAULTS | {"max_iter": 3, "learning_rate": "cosine", "random_state": 0})
    recorded = model.fit(X[:200], y[:200]).run_
    with training.without_health():
        bare = model.fit(X[:200], y[:200]).run_

    assert recorded["objective"][1:].tolist() == bare["objective"][1:].tolist()
    assert np.isfinite(recorded["update_ratio"][1]).all()
    assert bare["update_ratio"].size == 0


# -------------------------------------------------------------------------------------------------------- fairness


def test_all_sides_start_from_the_weights_that_scikit_learn_draws(peers: ModuleType, problem: Any) -> None:
    from sklearn.neural_network import MLPRegressor

    X, y = problem.data()
    settings = {"hidden_layer_sizes": problem.hidden, "max_iter": 1, "learning_rate_init": 1e-30, "random_state": 3}
    with pytest.warns(match="Maximum iterations"):
        expected = MLPRegressor(**settings).fit(X, y).predict(X)

    net = peers.torch_network(problem.units, 3)

    np.testing.assert_allclose(peers.torch_predict(net)(X)[:, 0], expected, rtol=1e-5, atol=1e-6)


def test_sides_that_do_the_same_work_reach_the_same_loss(training: ModuleType, problem: Any) -> None:
    with training.made(["planefold", "scikit-learn", "torch", "torch-fused", "skorch"]) as sides:
        losses = {name: side(problem, 0).loss for name, side in sides.items()}

    assert losses["planefold"] == pytest.approx(losses["scikit-learn"], rel=1e-3)  # they even take the same batches
    assert training.standing_out(losses) == []


def test_who_makes_half_of_the_epochs_stands_out(training: ModuleType, problem: Any) -> None:
    with training.made(["planefold", "scikit-learn", "torch"]) as sides:
        losses = {name: side(problem, 0).loss for name, side in sides.items()}
        losses["cheat"] = sides["torch"](dataclasses.replace(problem, epochs=6), 0).loss

    assert training.standing_out(losses | {"broken": np.nan}) == ["cheat", "broken"]


@pytest.mark.parametrize("backend", ["jax", pytest.param("torch", marks=pytest.mark.slow)])
def test_keras_starts_over_in_each_fit(common: ModuleType, peers: ModuleType, problem: Any, backend: str) -> None:
    if not common.installed("keras", backend):
        pytest.skip("Keras or its back end is not installed")
    worker = peers.KerasWorker(backend)
    try:
        losses = [worker(problem, seed).loss for seed in (0, 0, 1)]
    finally:
        worker.close()

    expected = peers.local(peers.learn_torch, fused=False)(problem, 0).loss
    assert losses[:2] == pytest.approx([expected, expected], rel=0.1)  # but for the order of the rows
    assert losses[2] != pytest.approx(losses[0], rel=1e-3)


def test_a_side_that_predicts_something_else_is_named(inference: ModuleType) -> None:
    model, sides = inference.make_sides(list(inference.PEERS))
    X = np.random.default_rng(0).standard_normal((50, 20), dtype=np.float32)

    assert len(sides) >= 3
    assert inference.differing(sides, inference.layers_of(model), X) == []
    wrong = sides | {"wrong": lambda X: sides["planefold"](X) + 1e-3 * (X[:, 0] > 0)}
    assert inference.differing(wrong, inference.layers_of(model), X) == ["wrong"]


# ------------------------------------------------------------------------------------------------------ the scripts


def test_training_runs(training: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "results.json"
    parts = ["fits", "peak", "ensemble", "health"]
    training.main(["--quick", "--only", *parts, "--problems", "10x10", "--peers", "scikit-learn", "torch",
                   "--json", str(results)])  # fmt: skip
    printed = capsys.readouterr().out
    found = json.loads(results.read_text())

    assert set(parts) < set(found)
    assert set(found["fits"][next(iter(found["fits"]))]) == {"planefold", "scikit-learn", "torch"}
    assert "scikit-learn" in printed
    assert "GFLOP/s" in printed


def test_inference_runs(inference: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "results.json"
    inference.main(["--quick", "--json", str(results)])

    assert "reading and checking" in capsys.readouterr().out
    assert set(json.loads(results.read_text())) == {"machine", "rounds", "1 rows", "100 rows"}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_script_says_so_and_succeeds(gpu: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    gpu.main(["--quick"])

    assert capsys.readouterr().out.startswith("no GPU")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_all_sides_reach_the_same_loss(gpu: ModuleType, training: ModuleType, problem: Any) -> None:
    losses = {name: side(problem, 0).loss for name, side in gpu.make_sides().items()}

    assert training.standing_out(losses) == []
