"""Bounds hold, verdicts are right, and counterexamples are counterexamples."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planefold.core.errors import DataError, ParameterError
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.robustness import verify
from planefold.robustness.bounds import Domain, linear_bounds, steepness
from planefold.robustness.unit_tree import search_units

Nets = Callable[..., PiecewiseLinearNet]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), is_peculiar=st.booleans(), left=st.sampled_from([0.0, 0.1, -1.0, 1.5]))
def test_linear_bounds_hold(random_net: Nets, peculiar_net: Nets, seed: int, is_peculiar: bool, left: float) -> None:
    net = peculiar_net(seed) if is_peculiar else random_net(seed, (3, 7, 6, 2), left)
    rng = np.random.default_rng(seed)
    lower = rng.normal(size=(4, 3))
    upper = lower + rng.exponential(size=(4, 3)) * [0, 0.1, 1]
    bounds = linear_bounds(net, Domain(lower=lower, upper=upper))
    steep = steepness(net, bounds.signs)
    for box in range(4):
        X = rng.uniform(lower[box], upper[box], size=(500, 3))
        sums, outputs = net.sums_of_units(X), net.outputs(X)
        assert (sums >= bounds.lower[box] - 1e-9).all()
        assert (sums <= bounds.upper[box] + 1e-9).all()
        assert (outputs >= X @ bounds.coefs[box].T + bounds.intercepts[box] - 1e-9).all()
        assert (outputs >= bounds.output_lower[box] - 1e-9).all()
        assert (abs(net.local_maps(net.patterns(X))[0]) <= steep[box] + 1e-9).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), norm=st.sampled_from(["l2", "l1"]))
def test_linear_bounds_hold_in_a_ball(random_net: Nets, seed: int, norm: str) -> None:
    net, rng = random_net(seed, (4, 8, 6, 1)), np.random.default_rng(seed)
    center = rng.normal(size=4)
    box = {"lower": center[None] - 0.7, "upper": center[None] + 0.7}
    bounds = linear_bounds(net, Domain(**box, center=center, radius=0.7, norm=norm))
    moves = rng.normal(size=(500, 4))
    moves *= (0.7 * rng.random(500) / np.linalg.norm(moves, ord=2 if norm == "l2" else 1, axis=1))[:, None]
    sums = net.sums_of_units(center + moves)
    assert (sums >= bounds.lower - 1e-9).all()
    assert (sums <= bounds.upper + 1e-9).all()
    assert (net.outputs(center + moves) >= bounds.output_lower - 1e-9).all()


def test_the_gap_of_a_bound_is_the_sum_of_what_units_lack(peculiar_net: Nets) -> None:
    net, rng = peculiar_net(1), np.random.default_rng(1)
    lower, upper = -np.ones((3, 3)), np.ones((3, 3))
    bounds = linear_bounds(net, Domain(lower=lower, upper=upper))
    points, row = rng.uniform(-1, 1, size=(3, 3)), np.array([0, 1, 0])
    gaps = bounds.gaps(points, np.arange(3), -1, row, np.ones(3))
    at = np.arange(3)
    bound = np.einsum("bj,bj->b", bounds.coefs[at, row], points) + bounds.intercepts[at, row]
    assert gaps.sum(axis=1) == pytest.approx(net.outputs(points)[at, row] - bound)
    assert (gaps >= -1e-12).all()


def _least_on_grid(net: PiecewiseLinearNet, lower: Floats, upper: Floats) -> float:
    axes = [np.linspace(low, high, 300) for low, high in zip(lower, upper, strict=True)]
    return float(net.outputs(np.column_stack([part.ravel() for part in np.meshgrid(*axes)])).min())


@pytest.mark.parametrize("way", ["boxes", "units"])
@pytest.mark.parametrize("seed", range(5))
def test_verdicts_on_both_sides_of_the_least_output(random_net: Nets, seed: int, way: str) -> None:
    net = random_net(seed, (2, 10, 8, 1))
    lower, upper = np.full(2, -1.0), np.full(2, 1.0)
    least = _least_on_grid(net, lower, upper)
    if way == "boxes":
        assert verify(net, lower, upper, [([[1.0]], [least])]).verdict == "sat"
        # The grid's least is above the true one by no more than the steepest plane across one cell.
        steepest = abs(net.local_maps(net.patterns(np.random.default_rng(0).uniform(-1, 1, (5000, 2))))[0]).max()
        assert verify(net, lower, upper, [([[1.0]], [least - steepest * 2 / 299])]).verdict == "unsat"
    else:
        below = net.with_outputs([[1.0]], [-(least - 0.05)])
        bound, point, _ = search_units(below, np.array([0]), lower, upper, lambda points: None, 1e-9, np.inf)
        assert 0 < bound <= 0.05 + 1e-9
        assert point is None


def test_a_counterexample_is_one_bound_for_bound(random_net: Nets) -> None:
    for seed in range(5):
        net = random_net(seed, (4, 12, 12, 3))
        lower, upper = np.full(4, -0.3), np.full(4, 0.7)
        unsafe = [(np.array([[1.0, -1, 0], [1, 0, -1]]), np.zeros(2)), (np.array([[0, 1.0, -1]]), np.array([-0.2]))]
        found = verify(net, lower, upper, unsafe, time_limit=20)
        assert found.verdict in {"sat", "unsat"}
        X = np.random.default_rng(0).uniform(lower, upper, size=(20_000, 4))
        hits = np.any([(net.outputs(X) @ A.T <= b).all(axis=1) for A, b in unsafe])
        assert found.verdict == "sat" or not hits
        if found.counterexample is not None:
            assert (found.counterexample >= lower).all()
            assert (found.counterexample <= upper).all()
            y = net.outputs(found.counterexample[None])[0]
            assert y == pytest.approx(found.outputs)
            assert any((A @ y <= b + 1e-12).all() for A, b in unsafe)


def test_many_inputs_are_decided_by_units(random_net: Nets) -> None:
    net = random_net(2, (30, 12, 8, 2))
    x = np.random.default_rng(2).normal(size=30)
    label = int(net.outputs(x[None])[0].argmax())
    A = np.array([[1.0, -1.0]]) * (1 if label == 0 else -1)
    narrow = verify(net, x - 1e-3, x + 1e-3, [(A, [0.0])])
    assert narrow.verdict == "unsat"
    assert narrow.method == "units"
    assert verify(net, x - 5, x + 5, [(A, [0.0])]).verdict == "sat"


def test_an_unsafe_set_that_is_only_touched_is_no_proof(build: Nets) -> None:
    # |a| is 0 at one point alone, a third, which no float64 hits by halving.
    net = build([(np.array([[1.0, -1.0]]), np.array([-1 / 3, 1 / 3])), (np.ones((2, 1)), np.zeros(1))])
    assert verify(net, [-1.0], [1.0], [([[1.0]], [0.0])], time_limit=1.0).verdict in {"sat", "unknown"}
    assert verify(net, [-1.0], [1.0], [([[1.0]], [-1e-6])]).verdict == "unsat"


def test_when_time_is_over_the_verdict_is_unknown(random_net: Nets) -> None:
    net = random_net(1, (6, 40, 40, 40, 1))
    least = net.outputs(np.random.default_rng(0).uniform(-1, 1, (20_000, 6))).min()
    found = verify(net, -np.ones(6), np.ones(6), [([[1.0]], [least - 5.0])], time_limit=0.001)
    assert found.verdict == "unsat" or (found.verdict == "unknown" and "over" in found.why_not)


def test_a_box_of_no_width_is_a_point(random_net: Nets) -> None:
    net = random_net(0, (3, 5, 1))
    y = float(net.outputs(np.zeros((1, 3)))[0, 0])
    assert verify(net, np.zeros(3), np.zeros(3), [([[1.0]], [y])]).verdict == "sat"
    assert verify(net, np.zeros(3), np.zeros(3), [([[1.0]], [y - 1e-3])]).verdict == "unsat"


def test_what_does_not_fit_is_refused(random_net: Nets) -> None:
    net = random_net(0, (2, 4, 1))
    with pytest.raises(DataError, match="the box is empty"):
        verify(net, [0, 1], [1, 0], [([[1.0]], [0.0])])
    with pytest.raises(DataError, match="finite"):
        verify(net, [0, -np.inf], [1, 0], [([[1.0]], [0.0])])
    with pytest.raises(DataError, match="constraint 0"):
        verify(net, [0, 0], [1, 1], [([[1.0, 2.0]], [0.0])])
    with pytest.raises(ParameterError, match="constraints is empty"):
        verify(net, [0, 0], [1, 1], [])


# ------------------------------------------------------------------------------------------------ published problems


def _nnet(build: Nets, path: Path) -> tuple[PiecewiseLinearNet, Floats, Floats]:
    """Read a file in the format .nnet whose inputs are not scaled."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("//")]
    numbers = [np.array([float(part) for part in line.split(",") if part.strip()]) for line in lines]
    sizes, rest = numbers[1].astype(int), numbers[7:]
    layers = []
    for fan_out in sizes[1:]:
        matrix, bias, rest = np.array(rest[:fan_out]), np.concatenate(rest[fan_out : 2 * fan_out]), rest[2 * fan_out :]
        layers.append((matrix.T, bias))
    return build(layers), numbers[3], numbers[4]


@pytest.mark.parametrize("name", ["0.429164886475s_UNSAT", "1.07929301262s_UNSAT", "1.27101492882s_SAT"])
def test_collision_avoidance(build: Nets, data_dir: Path, name: str) -> None:
    net, lower, upper = _nnet(build, data_dir / "coav" / f"reluBenchmark{name}.nnet")
    found = verify(net, lower, upper, [([[1.0]], [0.0])])
    assert found.verdict == name.split("_")[1].lower()
    if found.counterexample is not None:
        assert net.outputs(found.counterexample[None])[0, 0] <= 0


@pytest.mark.parametrize(("name", "number", "verdict"), [("3_3", 4, "unsat"), ("1_7", 2, "unsat"), ("1_7", 3, "sat")])
def test_acas_xu(build: Nets, data_dir: Path, name: str, number: int, verdict: str) -> None:
    folder = data_dir / "acasxu"
    weights = np.load(folder / "npz" / f"ACASXU_run2a_{name}_batch_2000.npz")
    net = build([(weights[f"W{layer}"].T, weights[f"b{layer}"]) for layer in range(7)])
    prop = json.loads((folder / "properties.json").read_text())[f"prop_{number}"]
    (box,), unsafe = np.array(prop["input_boxes"]), []
    for rows in prop["unsafe_if_any_of_all"]:
        pairs = [re.fullmatch(r"Y_(\d) <= Y_(\d)", row).groups() for row in rows]  # type: ignore[union-attr]
        unsafe.append((np.array([np.eye(5)[int(low)] - np.eye(5)[int(high)] for low, high in pairs]), np.zeros(4)))
    found = verify(net, box[:, 0], box[:, 1], unsafe)
    assert found.verdict == verdict
    if found.counterexample is not None:
        y = net.outputs(found.counterexample[None])[0]
        assert any((A @ y <= b).all() for A, b in unsafe)
