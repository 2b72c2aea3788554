"""That regions fit together, and that the network is on each of them what is said."""

from __future__ import annotations

import importlib
import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from planefold.core.errors import ParameterError
from planefold.networks.affine_builder import Builder
from planefold.reading.slices.planes import planes

exact = importlib.import_module("exact")
SQUARE = ((-1, 1), (-1, 1))
numbers = st.one_of(st.floats(-2, 2, width=16), st.integers(-2, 2).map(float))


@st.composite
def networks(draw):
    """Networks of any weights, coarse ones too, so that creases meet, coincide and vanish."""
    widths = [2, *draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)), draw(st.integers(1, 2))]
    layers = [
        (draw(arrays.arrays(float, (a, b), elements=numbers)), draw(arrays.arrays(float, b, elements=numbers)))
        for a, b in pairwise(widths)
    ]
    return exact.network(layers, left=draw(st.sampled_from([0.0, 0.01, -1.0])))


@st.composite
def windows(draw):
    """Convex polygons with an area."""
    angles = np.sort(draw(st.lists(st.integers(0, 59), min_size=3, max_size=7, unique=True))) * np.pi / 30
    corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) * draw(st.sampled_from([0.5, 1.0, 3.0]))
    return corners + draw(arrays.arrays(float, 2, elements=st.floats(-1, 1)))


@settings(max_examples=50, deadline=None)
@given(networks(), windows(), st.integers(0, 2**16))
def test_regions_tile_the_window_and_are_affine(net, window, seed):
    found = planes(net, window)
    # They are as many as their corners and edges say (Euler), and fill the window.
    assert len(found.vertices) - len(found.edges) + found.n_regions == 1
    corners = found.window - found.window[0]
    area = np.sum(corners[:, 0] * np.roll(corners[:, 1], -1) - corners[:, 1] * np.roll(corners[:, 0], -1)) / 2
    assert found.areas.sum() == pytest.approx(area, rel=1e-9)
    assert found.areas.min() > -1e-12 * area
    # No two are alike, and each has at least three corners.
    assert len(np.unique(found.patterns(), axis=0)) == found.n_regions
    assert np.diff(found.polygon_starts).min() >= 3
    # At random points of each region, the network is that region's plane.
    random = np.random.default_rng(seed)
    for region in random.choice(found.n_regions, min(found.n_regions, 8), replace=False):
        polygon = found.polygon(region)
        points = random.dirichlet(np.ones(len(polygon)), 5) @ polygon
        said = points @ found.coefs[region].T + found.intercepts[region]
        outputs = net.outputs(points)
        assert np.abs(said - outputs).max() <= 1e-9 * max(1.0, np.abs(outputs).max())
        if found.areas[region] > 1e-6 * area:
            assert (found.locate(found.centroids[[region]]) == region).all()


@settings(max_examples=30, deadline=None)
@given(networks())
def test_neighbours_differ_in_the_units_of_their_crease(net):
    found = planes(net, SQUARE)
    patterns, depths = found.patterns(), net.depths()
    for (left, right), unit in zip(found.edge_regions, found.edge_units, strict=True):
        if unit < 0:
            assert min(left, right) == -1
            continue
        different = np.flatnonzero(patterns[left] != patterns[right])
        assert patterns[left, unit] * patterns[right, unit] == -1
        # Coincident creases of the same depth, or of deeper layers, may be shared; none before the unit's own.
        assert different.min() == unit
        assert (depths[different] >= depths[unit]).all()


def test_in_general_position_neighbours_differ_in_one_unit(initialised):
    net = initialised(2, 16, 16, 16, 1)
    found = planes(net, SQUARE)
    inner = found.edge_units >= 0
    patterns = found.patterns()
    left, right = found.edge_regions[inner].T
    np.testing.assert_array_equal((patterns[left] != patterns[right]).sum(axis=1), 1)
    different = (patterns[left] != patterns[right]).argmax(axis=1)
    np.testing.assert_array_equal(different, found.edge_units[inner])
    # On both ends of an edge, its unit is 0.
    sums = net.sums_of_units(found.vertices)
    on_crease = sums[found.edges[inner], found.edge_units[inner][:, None]]
    assert np.abs(on_crease).max() < 1e-12


def test_patterns_are_those_of_the_network_at_the_centroids(initialised):
    net = initialised(2, 64, 64, 1)
    found = planes(net, SQUARE)
    np.testing.assert_array_equal(found.patterns(), net.patterns(found.centroids))
    np.testing.assert_array_equal(found.locate(found.centroids), np.arange(found.n_regions))


def test_gradients_are_those_of_torch(moons):
    module, net = moons
    found = planes(net, SQUARE)
    points = torch.tensor(found.centroids, requires_grad=True)
    (gradients,) = torch.autograd.grad(module(points).sum(), points)
    size = np.abs(found.coefs).max()
    np.testing.assert_allclose(found.coefs[:, 0], gradients.numpy(), atol=1e-11 * size)
    steepest = found.lipschitz()
    assert steepest.slope == pytest.approx(gradients.norm(dim=1).max().item())
    assert steepest.slope == pytest.approx(271.338, abs=1e-2)


def test_polygons_are_convex_and_go_counter_clockwise(initialised):
    found = planes(initialised(2, 24, 24, 1), SQUARE)
    for region in range(found.n_regions):
        polygon = found.polygon(region)
        before, after = polygon - np.roll(polygon, 1, axis=0), np.roll(polygon, -1, axis=0) - polygon
        assert (before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0] >= -1e-12).all()


def test_neighbours_share_an_edge(initialised):
    found = planes(initialised(2, 16, 16, 1), SQUARE)
    pairs = {tuple(sorted(pair)) for pair in found.edge_regions.tolist() if min(pair) >= 0}
    listed = {tuple(sorted((r, other))) for r in range(found.n_regions) for other in found.neighbours(r).tolist()}
    assert listed == pairs
    with pytest.raises(ParameterError, match="region 127 does not exist: there are 127"):
        found.neighbours(127)


def test_extremes_lie_at_vertices(initialised):
    net = initialised(2, 16, 16, 2)
    found = planes(net, SQUARE)
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, 201)] * 2), axis=-1).reshape(-1, 2)
    for output in range(2):
        values = net.outputs(grid)[:, output]
        extremes = found.value_range(output)
        assert extremes.low <= values.min() < extremes.low + 1e-2
        assert extremes.high >= values.max() > extremes.high - 1e-2
        assert net.outputs([extremes.low_at])[0, output] == pytest.approx(extremes.low)
        assert net.outputs([extremes.high_at])[0, output] == pytest.approx(extremes.high)
        cell = 4 / 200**2
        weights = np.outer(*[np.r_[0.5, np.ones(199), 0.5]] * 2).ravel()
        assert found.integral(output) == pytest.approx(cell * (weights @ values), abs=1e-4)
    with pytest.raises(ParameterError, match="output=2 does not exist: there are 2"):
        found.value_range(2)


def test_units_that_never_bend(initialised):
    net = initialised(2, 32, 32, 1)
    found = planes(net, SQUARE)
    random = np.random.default_rng(0).uniform(-1, 1, (20_000, 2))
    seen = net.patterns(random) > 0
    assert not seen[:, found.dead_units].any()
    assert seen[:, found.linear_units].all()
    assert set(np.flatnonzero(seen.any(axis=0) & ~seen.all(axis=0))) <= set(np.flatnonzero(found.bending))
    assert len(found.dead_units) + len(found.linear_units) + found.bending.sum() == 64


def test_creases_know_their_unit_and_layer(initialised):
    net = initialised(2, 12, 12, 1)
    found = planes(net, SQUARE)
    creases = found.creases()
    middle = net.sums_of_units(creases.segments.mean(axis=1))
    assert np.abs(middle[np.arange(len(middle)), creases.units]).max() < 1e-13
    np.testing.assert_array_equal(creases.depths, np.where(creases.units < 12, 1, 2))
    # Of the first layer, together they are the whole lines.
    assert set(creases.units[creases.depths == 1]) == set(np.flatnonzero(found.bending[:12]))


def test_a_plane_through_many_inputs(initialised):
    net = initialised(7, 20, 20, 3)
    random = np.random.default_rng(0)
    origin, directions = random.normal(size=7), random.normal(size=(2, 7))
    found = planes(net, ((-2, 2), (-1, 3)), origin=origin, directions=directions)
    points = random.uniform([-2, -1], [2, 3], (500, 2))
    regions = found.locate(points)
    said = np.einsum("noi,ni->no", found.coefs[regions], points) + found.intercepts[regions]
    np.testing.assert_allclose(said, net.outputs(found.to_input(points)), atol=1e-11)
    np.testing.assert_array_equal(found.patterns()[regions], net.patterns(origin + points @ directions))
    assert (found.locate([[5.0, 0.0], [0.0, -1.5]]) == -1).all()
    # The steepest slope is one per distance in the input space, however long the directions are.
    stretched = planes(net, ((-1, 1), (-0.5, 1.5)), origin=origin, directions=2 * directions)
    assert stretched.n_regions == found.n_regions
    assert stretched.lipschitz(1).slope == pytest.approx(found.lipschitz(1).slope)


def test_two_inputs_by_name_or_number(initialised):
    builder = Builder((3,))
    value = builder.affine(builder.input, np.random.default_rng(0).normal(size=(3, 8)), np.zeros(8))
    net = builder.finish(builder.fold(value, layer="hidden 1"), input_names=("age", "height", "weight"))
    found = planes(net, SQUARE, origin=[0.1, 0.2, 0.3], directions=("weight", "age"))
    np.testing.assert_array_equal(found.directions, [[0, 0, 1], [1, 0, 0]])
    same = planes(net, SQUARE, origin=[0.1, 0.2, 0.3], directions=(2, 0))
    np.testing.assert_array_equal(found.vertices, same.vertices)


def test_a_small_convolutional_network():
    # Convolution, maximum pooling, a residual sum: as torch computes them, on a slice of images.
    torch.manual_seed(0)
    first, second = (torch.nn.Conv2d(a, 2, 3, padding=1).double() for a in (1, 2))
    last = torch.nn.Linear(8, 2).double()

    def network(images):
        hidden = torch.relu(first(images))
        hidden = torch.relu(second(hidden)) + hidden
        return last(torch.nn.functional.max_pool2d(hidden, 2).flatten(1))

    builder = Builder((1, 4, 4))
    convolved = builder.affine(builder.input, *_unrolled(first, (1, 4, 4)))
    hidden = builder.fold(convolved, layer="conv 1")
    again = builder.fold(builder.affine(hidden, *_unrolled(second, (2, 4, 4))), layer="conv 2")
    pooled = np.arange(32).reshape(2, 2, 2, 2, 2).transpose(0, 1, 3, 2, 4).reshape(8, 4)
    value = builder.largest(builder.total([again, hidden]), pooled, layer="pool")
    net = builder.finish(
        builder.affine(value, last.weight.detach().numpy().T.copy(), last.bias.detach().numpy()), description="a CNN"
    )
    random = np.random.default_rng(0)
    origin, directions = random.normal(size=16), random.normal(size=(2, 16))
    found = planes(net, SQUARE, origin=origin, directions=directions)
    assert found.n_regions > 100
    points = random.uniform(-1, 1, (300, 2))
    regions = found.locate(points)
    said = np.einsum("noi,ni->no", found.coefs[regions], points) + found.intercepts[regions]
    images = torch.tensor(found.to_input(points)).reshape(-1, 1, 4, 4)
    np.testing.assert_allclose(said, network(images).detach().numpy(), atol=1e-12)
    assert found.areas.sum() == pytest.approx(4)


def _unrolled(convolution, shape):
    size = int(np.prod(shape))
    with torch.no_grad():
        bias = convolution(torch.zeros(1, *shape, dtype=torch.float64)).flatten()
        rows = convolution(torch.eye(size, dtype=torch.float64).reshape(size, *shape)).flatten(1) - bias
    return rows.numpy(), bias.numpy()


def test_a_deep_zoom_keeps_its_regions(initialised):
    # Around a corner of regions, whatever the zoom, there are the regions that meet in this corner.
    net = initialised(2, 64, 64, 1)
    found = planes(net, SQUARE)
    inner = np.flatnonzero((np.abs(found.vertices) < 0.9).all(axis=1))[:20]
    for vertex in inner:
        n_around = np.unique(found.edge_regions[(found.edges == vertex).any(axis=1)]).size
        u, v = found.vertices[vertex]
        counts = [planes(net, ((u - r, u + r), (v - r, v + r))).n_regions for r in (1e-7, 1e-9, 1e-11)]
        assert counts == [n_around] * 3


def test_what_a_picture_needs_is_plain_data(initialised):
    found = planes(initialised(2, 16, 16, 1), SQUARE)
    plain = json.loads(json.dumps(found.as_dict()))
    assert plain["n_regions"] == len(plain["polygons"]) == 127
    corners = np.array(plain["vertices"])
    area = sum(_area(corners[polygon]) for polygon in plain["polygons"])
    assert area == pytest.approx(4)
    assert all(name.startswith("hidden") for name in plain["units"].values())
    few = found.as_dict(limit=5)
    assert len(few["polygons"]) == 5
    assert min(few["areas"]) >= np.sort(found.areas)[-5]
    assert max(map(max, few["polygons"])) < len(few["vertices"])
    with pytest.raises(ParameterError, match="limit=0"):
        found.as_dict(limit=0)


def _area(corners):
    u, v = corners.T
    return (u @ np.roll(v, -1) - v @ np.roll(u, -1)) / 2


def test_more_regions_than_allowed_are_refused(initialised, monkeypatch):
    net = initialised(2, 64, 64, 1)
    with pytest.raises(ParameterError, match=r"more than max_regions=100 .*\n.*there are about 3,000"):
        planes(net, SQUARE, max_regions=100)
    with pytest.raises(ParameterError, match=r"more than max_regions=2000 .*\n.*2,\d+ were there when it stopped"):
        planes(net, SQUARE, max_regions=2000)
    with pytest.raises(ParameterError, match="max_regions=0"):
        planes(net, SQUARE, max_regions=0)
    monkeypatch.setattr("planefold.reading.slices.fold_cuts.MOST_SUMS", 10_000)
    with pytest.raises(ParameterError, match=r"(?s)no memory.*count_in_window"):
        planes(net, SQUARE)
