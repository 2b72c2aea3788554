"""Distances to the border: against enumeration of all patterns, closed forms, and each other."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize

from planefold.core.errors import DataError, ParameterError
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.networks.affine_builder import Builder
from planefold.robustness import distance, robust

Nets = Callable[..., PiecewiseLinearNet]
ORDER = {"l1": 1, "l2": 2, "linf": np.inf}


def by_enumeration(net: PiecewiseLinearNet, x: Floats, norm: str) -> float:
    """Distance to where the only output has the other sign: one program for each of all patterns of units."""
    sign = 1.0 if net.outputs(x[None])[0, 0] > 0 else -1.0
    best = math.inf
    for pattern in itertools.product((-1, 1), repeat=net.n_units):
        signs = np.array(pattern, dtype=np.int8)
        coefs, intercepts = net.maps_of_units(signs)
        (gradient,), (constant,) = (part[0] for part in net.local_maps(signs[None]))
        A = np.vstack([-signs[:, None] * coefs, sign * gradient])
        b = np.append(signs * intercepts, -sign * constant)
        best = min(best, _polyhedron_distance(A, b - A @ x, norm))
    return best


def _polyhedron_distance(A: Floats, b: Floats, norm: str) -> float:
    """Size of the smallest y with A y <= b."""
    n = A.shape[1]
    n_lengths = 1 if norm == "linf" else n
    lengths = np.ones((n, 1)) if norm == "linf" else np.eye(n)
    rows = [np.hstack([A, np.zeros((len(A), n_lengths))])]
    rows += [np.hstack([side * np.eye(n), -lengths]) for side in (1, -1)]
    limits = np.concatenate([b, np.zeros(2 * n)])
    cost = np.append(np.zeros(n), np.ones(n_lengths))
    found = linprog(cost, A_ub=np.vstack(rows), b_ub=limits, bounds=[(None, None)] * n + [(0, None)] * n_lengths)
    if found.status != 0:
        return math.inf
    if norm != "l2":
        return float(found.fun)
    solved = minimize(
        lambda y: y @ y,
        found.x[:n],
        jac=lambda y: 2 * y,
        constraints={"type": "ineq", "fun": lambda y: b - A @ y, "jac": lambda y: -A},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 200},
    )
    return math.sqrt(max(solved.fun, 0.0))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), left=st.sampled_from([0.0, 0.1, -0.5]), grain=st.sampled_from([0.0, 0.5]))
def test_euclids_distance_is_that_of_all_patterns(random_net: Nets, seed: int, left: float, grain: float) -> None:
    net = random_net(seed, (2, 5, 1), left, grain)
    x = np.random.default_rng(seed).normal(size=2)
    if net.outputs(x[None])[0, 0] == 0:
        return
    truth = by_enumeration(net, x, "l2")
    for method in ("auto", "walk"):
        found = distance(net, x, method=method)
        # Where all weights are multiples of a half, the border is at times one point, which no float64 is across of.
        assert found.exact or "touched" in found.why_not, found
        assert found.lower == pytest.approx(truth, rel=1e-6, abs=1e-7)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), norm=st.sampled_from(["linf", "l1"]), left=st.sampled_from([0.0, 0.2]))
def test_the_other_norms_are_those_of_all_patterns(random_net: Nets, seed: int, norm: str, left: float) -> None:
    net = random_net(seed, (3, 4, 2, 1), left)
    x = np.random.default_rng(seed).normal(size=3)
    found = distance(net, x, norm=norm)
    assert found.exact, found
    assert found.upper == pytest.approx(by_enumeration(net, x, norm), rel=3e-6)


@pytest.mark.parametrize("seed", range(6))
def test_walk_and_branches_agree_to_the_last_digits(random_net: Nets, seed: int) -> None:
    net = random_net(seed, (4, 12, 8, 3))
    x = np.random.default_rng(seed).normal(size=4)
    walked, branched = distance(net, x, method="walk"), distance(net, x, method="branch")
    assert walked.exact
    assert branched.exact
    assert walked.upper == pytest.approx(branched.upper, rel=1e-10)
    assert walked.witness == pytest.approx(branched.witness, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("norm", ["l2", "linf", "l1"])
@pytest.mark.parametrize("seed", range(3))
def test_the_witness_is_across_and_at_the_distance(random_net: Nets, norm: str, seed: int) -> None:
    net = random_net(seed, (5, 10, 8, 3))
    x = np.random.default_rng(seed + 9).normal(size=5)
    found = distance(net, x, norm=norm)
    assert found.exact
    assert found.witness is not None
    outputs = net.outputs(found.witness[None])[0]
    assert outputs[found.rival] >= outputs[found.label]
    assert found.upper == pytest.approx(np.linalg.norm(found.witness - x, ord=ORDER[norm]), rel=1e-12)
    # Nothing nearer is across, as far as a million points can tell.
    moves = np.random.default_rng(0).normal(size=(20_000, 5))
    moves *= (0.999 * found.lower / np.linalg.norm(moves, ord=ORDER[norm], axis=1))[:, None]
    assert (net.outputs(x + moves).argmax(axis=1) == found.label).all()


def test_norms_are_in_their_order(random_net: Nets) -> None:
    net, x = random_net(4, (4, 10, 6, 1)), np.full(4, 0.3)
    linf, l2, l1 = (distance(net, x, norm=norm).upper for norm in ("linf", "l2", "l1"))
    assert linf <= l2 * (1 + 1e-6)
    assert l2 <= l1 * (1 + 1e-6)


@pytest.mark.parametrize("norm", ["l2", "linf", "l1"])
def test_folds_of_every_kind_and_several_sources(peculiar_net: Nets, norm: str) -> None:
    for seed in range(4):
        net = peculiar_net(seed)
        x = np.random.default_rng(seed).uniform(-1, 1, size=3)
        found = distance(net, x, norm=norm, lower=-4.0, upper=4.0)
        assert found.exact, (seed, found)
        grid = np.random.default_rng(1).uniform(-4, 4, size=(100_000, 3))
        across = grid[net.outputs(grid).argmax(axis=1) != found.label]
        nearest = np.linalg.norm(across - x, ord=ORDER[norm], axis=1).min(initial=math.inf)
        assert found.lower <= nearest
        assert (found.upper < math.inf) or not len(across)


def test_a_plane_is_as_far_as_its_normal_says(build: Nets) -> None:
    net = build([(np.array([[3.0], [4.0]]), np.array([-5.0]))])  # no fold at all
    x = [3.0, 4.0]  # 20 above the border
    assert distance(net, x).upper == pytest.approx(20 / 5, abs=1e-14)
    assert distance(net, x, norm="linf").upper == pytest.approx(20 / 7, abs=1e-9)
    assert distance(net, x, norm="l1").upper == pytest.approx(20 / 4, abs=1e-9)
    assert distance(net, x, method="walk").upper == pytest.approx(4, abs=1e-14)


def test_a_box_can_make_the_border_farther_or_unreachable(build: Nets) -> None:
    net = build([(np.array([[1.0], [1.0]]), np.array([0.0]))])
    x = [1.0, 1.0]
    assert distance(net, x).upper == pytest.approx(math.sqrt(2))
    kept = distance(net, x, lower=[0.5, -10], upper=10)  # the first input must not go below 0.5
    assert kept.upper == pytest.approx(math.hypot(0.5, 1.5))
    for norm in ("l2", "linf", "l1"):
        never = distance(net, x, lower=0.25, upper=10, norm=norm)
        assert never.exact
        assert math.isinf(never.lower)
        assert never.witness is None


@pytest.mark.parametrize("norm", ["l2", "linf", "l1"])
def test_a_constant_network_has_no_border(build: Nets, norm: str) -> None:
    dead = build([(np.zeros((2, 3)), -np.ones(3)), (np.ones((3, 1)), np.array([2.0]))])
    found = distance(dead, [0.0, 0.0], norm=norm)
    assert found.exact
    assert found.lower == found.upper == math.inf
    assert str(found) == "the decision is the same everywhere"


def test_on_the_border_the_distance_is_nothing(build: Nets) -> None:
    net = build([(np.array([[1.0], [0.0]]), np.array([0.0]))])
    assert distance(net, [0.0, 3.0]).upper == 0
    assert distance(net, [1.0, 3.0], label=0).upper == 0  # it is decided otherwise already
    three = build([(np.eye(3), np.zeros(3))])
    assert distance(three, [1.0, 1.0, 0.0]).upper == 0
    assert distance(three, [1.0, 0.5, 0.0]).rival == 1


def test_on_a_crease_and_with_opposite_and_equal_units(build: Nets) -> None:
    W = np.array([[1.0, -1.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    net = build([(W, np.zeros(4)), (np.array([[1.0], [1.0], [-0.5], [1.0]]), np.array([-1.0]))])
    # f = |a| - relu(a) / 2 + relu(b) - 1: from the origin, the border is nearest on b - a = 1.
    for method in ("branch", "walk"):
        found = distance(net, [0.0, 0.0], method=method)
        assert found.exact
        assert found.upper == pytest.approx(math.sqrt(0.5), abs=1e-9)


@pytest.mark.parametrize("method", ["branch", "walk"])
def test_zero_biases_put_all_creases_through_one_point(build: Nets, method: str) -> None:
    rng = np.random.default_rng(3)
    net = build([(rng.normal(size=(2, 12)), np.zeros(12)), (rng.normal(size=(12, 1)), np.zeros(1))])
    x = np.array([0.9, 0.4])
    found = distance(net, x, method=method)
    turned = np.linspace(0, 2 * np.pi, 20_001)
    ring = x + 0.999 * found.lower * np.column_stack([np.cos(turned), np.sin(turned)])
    assert found.exact
    assert (np.sign(net.outputs(ring)) == np.sign(net.outputs(x[None]))).all()


@pytest.mark.parametrize(("norm", "method"), [("l2", "branch"), ("l2", "walk"), ("linf", "auto"), ("l1", "auto")])
def test_bounds_hold_when_time_is_over(random_net: Nets, norm: str, method: str) -> None:
    net = random_net(7, (6, 12, 10, 1))
    x = np.full(6, 0.2)
    truth = distance(net, x, norm=norm, time_limit=20).upper
    for limit in (1e-6, 0.02):
        hurried = distance(net, x, norm=norm, method=method, time_limit=limit)
        assert hurried.lower <= truth * (1 + 1e-6)
        assert truth * (1 - 1e-6) <= hurried.upper
        assert hurried.exact or "over" in hurried.why_not


@pytest.mark.parametrize("norm", ["l2", "linf", "l1"])
def test_robust_says_what_the_distance_says(random_net: Nets, norm: str) -> None:
    for seed in range(4):
        net = random_net(seed, (4, 10, 8, 3))
        x = np.random.default_rng(seed).normal(size=4)
        far = distance(net, x, norm=norm).upper
        for share in (0.5, 0.99):
            assert robust(net, x, share * far, norm=norm).verdict == "robust"
        over = robust(net, x, 1.01 * far, norm=norm)
        assert over.verdict == "not robust"
        outputs = net.outputs(over.counterexample[None])[0]
        label = int(net.outputs(x[None])[0].argmax())
        assert np.delete(outputs, label).max() >= outputs[label]
        assert np.linalg.norm(over.counterexample - x, ord=ORDER[norm]) <= 1.01 * far * (1 + 1e-12)


def test_what_does_not_fit_is_refused(random_net: Nets) -> None:
    net = random_net(0, (2, 4, 1))
    with pytest.raises(DataError, match="outside its box"):
        distance(net, [2.0, 0.0], upper=1.0)
    with pytest.raises(DataError, match="no finite number"):
        distance(net, [math.nan, 0.0])
    with pytest.raises(DataError, match="one point at a time"):
        distance(net, np.zeros((2, 2)))
    with pytest.raises(ParameterError, match="norm='l3'"):
        distance(net, [0.0, 0.0], norm="l3")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="method='milp'"):
        distance(net, [0.0, 0.0], method="milp")
    with pytest.raises(ParameterError, match="time_limit=0"):
        distance(net, [0.0, 0.0], time_limit=0)
    with pytest.raises(ParameterError, match="epsilon=-1"):
        robust(net, [0.0, 0.0], -1.0)
    with pytest.raises(ParameterError, match="label=2"):
        distance(net, [0.0, 0.0], label=2)


def test_a_threshold_moves_the_border() -> None:
    builder = Builder((1,))
    net = replace(builder.finish(builder.affine(builder.input, np.array([[2.0]]))), link="logistic", offsets=(3.0,))
    assert distance(net, [0.0]).upper == pytest.approx(1.5)
    assert distance(net, [2.0]).label == 1
    assert robust(net, [0.0], 1.4).verdict == "robust"
    several = builder.finish(builder.affine(builder.input, np.array([[1.0, -1.0]])))
    several = replace(several, link="softmax", offsets=(0.0, -2.0))  # x against -x + 2
    assert distance(several, [0.0], norm="linf").upper == pytest.approx(1.0)


def test_points_that_are_no_numbers_are_refused() -> None:
    builder = Builder((1,))
    with pytest.raises(DataError, match="not made of numbers"):
        distance(builder.finish(builder.input), ["a"])
