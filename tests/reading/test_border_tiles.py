"""Borders found in tiles are those of the whole window, and networks without their stable units are the same."""

from __future__ import annotations

import numpy as np
import pytest

from planefold.networks.affine import Floats, PiecewiseLinearNet
from planefold.networks.affine_builder import Builder
from planefold.reading.slices import border_tiles as module
from planefold.reading.slices.border_tiles import NO_LEVEL, UNDECIDED, border_tiles, without_stable_units
from planefold.reading.slices.boundaries import boundary, class_regions, contours
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
