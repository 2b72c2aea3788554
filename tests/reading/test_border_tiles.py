"""Borders found in tiles are those of the whole window, and networks without their stable units are the same."""

from __future__ import annotations

import numpy as np
import pytest

from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.networks.affine_builder import Builder
from planefold.reading.slices import border_tiles as module
from planefold.reading.slices.border_tiles import NO_LEVEL, UNDECIDED, border_tiles, without_stable_units
from planefold.reading.slices.boundaries import boundary, class_regions, decisions
from planefold.reading.slices.contours import contours
from planefold.reading.slices.decision_tiles import decisions_in_tiles
from planefold.reading.slices.overviews import sampled_count, value_ranges
from planefold.reading.slices.planes import planes

WINDOW = ((-1.0, 1.5), (-0.75, 1.0))
AREA = 2.5 * 1.75


def random_net(n_outputs: int, seed: int = 0, *, skip: bool = False) -> PiecewiseLinearNet:
    random = np.random.default_rng(seed)
    builder = Builder((2,))
    value = builder.input
    for number, width in enumerate((24, 24), start=1):
        fan_in = value.size
        weights = random.normal(size=(fan_in, width)) * np.sqrt(2 / fan_in)
        value = builder.affine(value, weights, 0.3 * random.normal(size=width))
        value = builder.fold(value, layer=f"hidden {number}", left=0.1 if skip else 0.0)
    value = builder.affine(value, random.normal(size=(24, n_outputs)), 0.2 * random.normal(size=n_outputs))
    if skip:
        value = builder.total([value, builder.affine(builder.input, random.normal(size=(2, n_outputs)))])
    return builder.finish(value, link="softmax" if n_outputs > 1 else "logistic")


@pytest.fixture(autouse=True)
def always_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FEW_UNITS", 6)
    monkeypatch.setattr(module, "DEPTH", 4)


def size(window: tuple[tuple[float, float], tuple[float, float]]) -> float:
    return float(np.prod([high - low for low, high in window]))


@pytest.mark.parametrize(("n_outputs", "seed"), [(1, 0), (1, 1), (3, 2), (5, 3)])
def test_tiles_have_the_border_of_the_window(n_outputs: int, seed: int) -> None:
    net = random_net(n_outputs, seed)
    whole = planes(net, WINDOW)
    shares, length, area = np.zeros(max(2, n_outputs)), 0.0, 0.0
    kinds = set()
    for tile in border_tiles(net, WINDOW):
        area += size(tile.window)
        kinds.add(tile.decided)
        if tile.decided != UNDECIDED:
            shares[tile.decided] += size(tile.window)
            continue
        part = planes(tile.net, tile.window)
        shares += class_regions(part).area_shares * size(tile.window)
        length += boundary(part).length
    assert area == pytest.approx(AREA, rel=1e-12)
    assert kinds >= {UNDECIDED, 0} or kinds >= {UNDECIDED, 1}
    np.testing.assert_allclose(shares / AREA, class_regions(whole).area_shares, atol=1e-10)
    assert length == pytest.approx(boundary(whole).length, rel=1e-9)


def test_tiles_have_the_levels_of_the_window() -> None:
    net = random_net(1, 4, skip=True)
    whole = planes(net, WINDOW)
    values = whole.value_range()
    levels = np.linspace(values.low, values.high, 4)[1:-1].tolist()
    lengths = np.zeros(len(levels))
    decided = set()
    for tile in border_tiles(net, WINDOW, levels):
        decided.add(tile.decided)
        if tile.decided == UNDECIDED:
            found = contours(planes(tile.net, tile.window), levels)
            lengths += [length_of(contour.segments) for contour in found]
    assert decided == {UNDECIDED, NO_LEVEL}
    expected = [length_of(contour.segments) for contour in contours(whole, levels)]
    np.testing.assert_allclose(lengths, expected, rtol=1e-9)


def length_of(segments: Floats) -> float:
    return float(np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1).sum())


@pytest.mark.parametrize("skip", [False, True])
def test_a_network_without_its_stable_units_is_the_same(skip: bool) -> None:
    net = random_net(3, 5, skip=skip)
    random = np.random.default_rng(0)
    points = random.uniform([-0.1, 0.2], [0.1, 0.4], size=(200, 2))
    signs = net.patterns(points)
    stable = np.where((signs > 0).all(axis=0), 1, np.where((signs < 0).all(axis=0), -1, 0)).astype(np.int8)
    small = without_stable_units(net, stable)
    assert small.n_units == (stable == 0).sum() < net.n_units
    np.testing.assert_allclose(small.outputs(points), net.outputs(points), rtol=1e-12, atol=1e-13)
    linear = without_stable_units(net, np.where(stable == 0, 1, stable).astype(np.int8))
    assert linear.n_units == 0


# ------------------------------------------------------------------------------------------------- put together again


def classes_at(net: PiecewiseLinearNet, points: Floats) -> np.ndarray:
    outputs = net.outputs(points) - net.offsets
    return (outputs[:, 0] > 0).astype(int) if net.n_outputs == 1 else outputs.argmax(axis=1)


@pytest.mark.parametrize(("n_outputs", "seed"), [(1, 0), (1, 1), (1, 6), (3, 2), (5, 3)])
def test_what_is_put_together_from_tiles_is_the_whole(n_outputs: int, seed: int) -> None:
    net = random_net(n_outputs, seed)
    whole, found = decisions(planes(net, WINDOW)), decisions_in_tiles(net, WINDOW)
    assert found.regions.n_regions == whole.regions.n_regions
    np.testing.assert_allclose(np.sort(found.regions.areas), np.sort(whole.regions.areas), rtol=1e-9)
    np.testing.assert_array_equal(found.regions.n_regions_of_class, whole.regions.n_regions_of_class)
    assert found.border.n_curves == whole.border.n_curves
    assert found.border.length == pytest.approx(whole.border.length, rel=1e-9)
    assert len(found.border.polylines()) == len(whole.border.polylines())
    assert not found.regions.certificate.exact


@pytest.mark.parametrize(("n_outputs", "seed"), [(1, 0), (4, 2)])
def test_the_first_class_of_a_segment_lies_on_its_left(n_outputs: int, seed: int) -> None:
    net = random_net(n_outputs, seed)
    border = decisions_in_tiles(net, WINDOW).border
    way = border.segments[:, 1] - border.segments[:, 0]
    size = np.linalg.norm(way, axis=1)
    long = size > 1e-6
    left = np.stack([-way[:, 1], way[:, 0]], axis=1)[long] / size[long, None] * 1e-8
    middle = border.segments[long].mean(axis=1)
    np.testing.assert_array_equal(classes_at(net, middle + left), border.class_pairs[long, 0])
    np.testing.assert_array_equal(classes_at(net, middle - left), border.class_pairs[long, 1])


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_border_along_the_edge_of_tiles_is_found(axis: int, sign: float) -> None:
    builder = Builder((2,))
    sums = builder.affine(builder.input, np.ones((2, 8)), np.linspace(-0.5, 0.5, 8))
    bent = builder.affine(builder.fold(sums, layer="hidden 1"), np.zeros((8, 1)))
    straight = np.zeros((2, 1))
    straight[axis] = sign
    net = builder.finish(builder.total([bent, builder.affine(builder.input, straight)]), link="logistic")
    found = decisions_in_tiles(net, ((-1, 1), (-1, 1)))
    assert found.border.length == pytest.approx(2)
    assert found.border.n_curves == 1
    assert (found.border.class_pairs == [0, 1]).all()
    np.testing.assert_allclose(found.border.segments[:, :, axis], 0)
    way = (found.border.segments[:, 1] - found.border.segments[:, 0])[:, 1 - axis]
    assert (np.sign(way) == (sign if axis == 0 else -sign)).all()
    assert found.regions.areas.tolist() == pytest.approx([2, 2])


def test_a_threshold_moves_the_border_of_the_tiles() -> None:
    net = random_net(1, 1)
    whole = decisions(planes(net, WINDOW), threshold=0.7)
    found = decisions_in_tiles(net, WINDOW, threshold=0.7)
    np.testing.assert_allclose(found.regions.area_shares, whole.regions.area_shares, atol=1e-12)
    assert found.border.length == pytest.approx(whole.border.length, rel=1e-9)


@pytest.mark.parametrize(("n_outputs", "seed"), [(1, 0), (3, 2)])
def test_extremes_are_those_of_all_vertices(n_outputs: int, seed: int) -> None:
    net = random_net(n_outputs, seed, skip=True)
    values = planes(net, WINDOW).vertex_outputs
    np.testing.assert_allclose(value_ranges(net, WINDOW), [values.min(axis=0), values.max(axis=0)], rtol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_an_estimate_lies_within_its_error(seed: int) -> None:
    net = random_net(1, seed)
    about, error = sampled_count(net, WINDOW)
    assert abs(about - planes(net, WINDOW).n_regions) < 4 * error
    assert error < about
