"""Distances against exact border segments, and bounds of ensembles and convolutions, whose matrices are not dense."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from sklearn.datasets import make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from planefold.core.errors import ParameterError
from planefold.networks import MLP
from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.networks.affine_mlp import affine_form
from planefold.networks.matrices import Blocks, is_sparse
from planefold.networks.mlp import MLPSpec
from planefold.reading import boundary, from_model, planes
from planefold.robustness import distance, robust, verify
from planefold.robustness.bounds import linear_bounds
from planefold.robustness.domains import Domain


@pytest.fixture(scope="module")
def moons() -> tuple[MLPClassifier, Floats]:
    X, y = make_moons(300, noise=0.15, random_state=0)
    with pytest.warns(ConvergenceWarning):  # it need not be good
        return MLPClassifier((24, 24), random_state=0, max_iter=150).fit(X, y), X


@pytest.fixture(scope="module")
def ensemble() -> PiecewiseLinearNet:
    spec = MLPSpec(n_features=2, n_outputs=1, hidden_layer_sizes=(5, 4), n_members=3)
    model = MLP(spec)
    rng = np.random.default_rng(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.as_tensor(rng.normal(size=parameter.shape)))
    net = affine_form(model)
    assert any(isinstance(matrix, Blocks) for node in net.nodes for matrix in node.matrices)
    return net


@pytest.fixture(scope="module")
def convolutions() -> PiecewiseLinearNet:
    torch.manual_seed(1)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.AvgPool2d(2),
        torch.nn.Conv2d(2, 4, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(144, 2),
    )
    net = from_model(model, input_shape=(1, 12, 12))
    assert any(is_sparse(matrix) for node in net.nodes for matrix in node.matrices)
    return net


def to_segments(x: Floats, segments: Floats, norm: str) -> float:
    """Distance from a point of the plane to the nearest of some segments."""
    start, way = segments[:, 0], segments[:, 1] - segments[:, 0]
    if norm == "l2":
        share = np.clip(((x - start) * way).sum(axis=1) / np.maximum((way**2).sum(axis=1), 1e-300), 0, 1)
        return float(np.linalg.norm(start + share[:, None] * way - x, axis=1).min())
    # Convex and piecewise linear along a segment: least at an end, or where a coordinate's move, or the sum or the
    # difference of the two, is 0.
    shares = [np.zeros(len(way)), np.ones(len(way))]
    for combination in ((1, 0), (0, 1), (1, 1), (1, -1)):
        slope = way @ combination
        at = ((x - start) @ combination) / np.where(slope == 0, 1.0, slope)
        shares.append(np.clip(np.where(slope == 0, 0.0, at), 0, 1))
    order = {"linf": np.inf, "l1": 1}[norm]
    return float(min(np.linalg.norm(start + at[:, None] * way - x, ord=order, axis=1).min() for at in shares))


@pytest.mark.parametrize("norm", ["l2", "linf", "l1"])
def test_the_distance_is_that_of_the_exact_border_segments(moons: tuple[MLPClassifier, Floats], norm: str) -> None:
    model, X = moons
    net = from_model(model)
    segments = boundary(planes(net, ((-4.0, 5.0), (-4.0, 5.0)))).segments
    for x in X[:8]:
        truth = to_segments(x, segments, norm)
        for method in ("branch", "walk") if norm == "l2" else ("branch", "milp"):
            found = distance(net, x, norm=norm, method=method)
            assert found.exact, found
            assert found.upper == pytest.approx(truth, abs=1e-9 if method != "milp" else 1e-6)


def assert_sound(net: PiecewiseLinearNet, domain: Domain, points: Floats) -> None:
    """Bounds of one box hold at points of it."""
    bounds = linear_bounds(net, domain)
    sums, outputs = net.sums_of_units(points), net.outputs(points)
    assert (sums >= bounds.lower - 1e-9).all()
    assert (sums <= bounds.upper + 1e-9).all()
    assert (outputs >= bounds.output_lower - 1e-9).all()
    bent = bounds.bent_at(points[:1])
    for lines in (bounds, bent):
        assert (outputs >= points @ lines.coefs[0].T + lines.intercepts[0] - 1e-9).all()


@pytest.mark.parametrize("kind", ["ensemble", "convolutions"])
def test_bounds_hold_whatever_the_matrices_are(kind: str, request: pytest.FixtureRequest) -> None:
    net: PiecewiseLinearNet = request.getfixturevalue(kind)
    rng = np.random.default_rng(0)
    for half in (0.01, 0.3, 2.0):
        center = rng.normal(size=net.n_inputs)
        box = {"lower": center[None] - half, "upper": center[None] + half}
        moves = rng.uniform(-half, half, size=(400, net.n_inputs))
        assert_sound(net, Domain(**box), center + moves)
        inside = moves * rng.random((400, 1)) * half / np.linalg.norm(moves, axis=1, keepdims=True)
        assert_sound(net, Domain(**box, center=center, radius=half), center + inside)


def test_bounds_with_inequalities_hold_where_they_hold(ensemble: PiecewiseLinearNet) -> None:
    rng = np.random.default_rng(2)
    for norm in ("l2", "linf", "l1"):
        center = rng.normal(size=2)
        rows, sides = rng.normal(size=(1, 3, 2)), rng.uniform(-0.5, 0.1, size=(1, 3))
        sides = sides - rows @ center
        points = center + rng.uniform(-1, 1, size=(4000, 2))
        order = {"l2": 2, "linf": np.inf, "l1": 1}[norm]
        points = points[(np.linalg.norm(points - center, ord=order, axis=1) <= 1)]
        points = points[(points @ rows[0].T + sides[0] <= 0).all(axis=1)]
        assert len(points) > 20
        box = {"lower": center[None] - 1, "upper": center[None] + 1}
        domain = Domain(**box, center=center, radius=1.0, norm=norm, rows=rows, sides=sides)
        assert_sound(ensemble, domain, points)


def test_multipliers_come_near_to_the_linear_program() -> None:
    rng = np.random.default_rng(5)
    rows, sides, coefs = rng.normal(size=(1, 4, 6)), rng.uniform(-0.3, 0.3, size=(1, 4)), rng.normal(size=(8, 6))
    domain = Domain(lower=-np.ones((1, 6)), upper=np.ones((1, 6)), rows=rows, sides=sides)
    found = domain.ascend(coefs, np.zeros(8), np.zeros(8, dtype=np.int64), 300)
    for least, cost in zip(found.least, coefs, strict=True):
        truth = linprog(cost, A_ub=rows[0], b_ub=-sides[0], bounds=[(-1, 1)] * 6).fun
        assert least <= truth + 1e-9
        assert least >= truth - 0.1 * abs(truth)


@pytest.mark.parametrize("norm", ["l2", "linf", "l1"])
def test_distances_of_an_ensemble(ensemble: PiecewiseLinearNet, norm: str) -> None:
    segments = boundary(planes(ensemble, ((-6.0, 6.0), (-6.0, 6.0)))).segments
    for x in np.random.default_rng(1).uniform(-1, 1, size=(4, 2)):
        found = distance(ensemble, x, norm=norm)
        assert found.exact, found
        truth = to_segments(x, segments, norm)
        assert truth < 4  # the window holds all that is nearer
        assert found.upper == pytest.approx(truth, abs=1e-8)


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_distances_of_convolutions_where_two_pixels_may_change(convolutions: PiecewiseLinearNet, norm: str) -> None:
    rng = np.random.default_rng(4)
    x, pixels = rng.normal(size=144), [65, 67]
    values = convolutions.outputs(x[None])[0]
    # A border nearby: the two classes almost tie at the point.
    net = convolutions.with_outputs(np.eye(2), [0.0, values[0] - values[1] - 0.003])
    directions = np.zeros((2, 144))
    directions[[0, 1], pixels] = 1.0
    segments = boundary(planes(net, ((-5.0, 5.0), (-5.0, 5.0)), origin=x, directions=directions)).segments
    lower, upper = x.copy(), x.copy()
    lower[pixels] -= 5.0
    upper[pixels] += 5.0
    found = distance(net, x, norm=norm, lower=lower, upper=upper)
    assert found.exact, found
    assert found.upper == pytest.approx(to_segments(np.zeros(2), segments, norm), abs=1e-9)


def test_what_is_no_network_is_refused_with_a_way_to_read_it(moons: tuple[MLPClassifier, Floats]) -> None:
    model, X = moons
    calls = (
        lambda: distance(model, X[0]),
        lambda: robust(model, X[0], 0.1),
        lambda: verify(model, X[0], X[0], [([[1.0]], [0.0])]),
    )
    for call in calls:
        with pytest.raises(ParameterError, match=r"PiecewiseLinearNet[\s\S]*reading\.from_model\(model\)"):
            call()


def test_all_methods_agree_on_corners_of_a_cube() -> None:
    """Where the nearest points are many, by symmetry, the distance is still one."""
    signs = np.array(list(product((-1.0, 1.0), repeat=3))).T  # |a| + |b| + |c| is the largest of eight planes
    from planefold.networks.affine_builder import Builder

    builder = Builder((3,))
    both = np.hstack([np.eye(3), -np.eye(3)])
    folded = builder.fold(builder.affine(builder.input, both, np.zeros(6)), layer="hidden 1")
    net = builder.finish(builder.affine(folded, np.ones((6, 1)), [-1.0]))
    assert net.outputs(signs.T / 3) == pytest.approx(0.0, abs=1e-12)
    for norm, method, truth in (
        ("l2", "branch", 3**-0.5),
        ("l2", "walk", 3**-0.5),
        ("linf", "branch", 1 / 3),
        ("linf", "milp", 1 / 3),
        ("l1", "branch", 1.0),
        ("l1", "milp", 1.0),
    ):
        found = distance(net, np.zeros(3), norm=norm, method=method)
        assert found.exact, (norm, method, found)
        assert found.upper == pytest.approx(truth, abs=1e-9)
