"""That every region is found, and none that is not there."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from planefold.reading.slices.planes import planes

exact = importlib.import_module("exact")
SQUARE = ((-1, 1), (-1, 1))


@pytest.mark.parametrize(("name", "net"), exact.public_set(), ids=[name for name, _ in exact.public_set()])
def test_regions_are_those_of_exact_rational_arithmetic(name, net):
    expected = {region.pattern: region for region in exact.exact_regions(net, exact.SQUARE)}
    found = planes(net, SQUARE)
    assert found.certificate.exact
    assert found.n_regions == len(expected)
    assert {tuple(pattern) for pattern in found.patterns().tolist()} == set(expected)
    for pattern, area, coefs, intercepts in zip(
        found.patterns().tolist(), found.areas, found.coefs, found.intercepts, strict=True
    ):
        region = expected[tuple(pattern)]
        outputs = region.outputs.astype(np.float64)
        size = 1e-12 * max(1.0, np.abs(outputs).max())
        assert area == pytest.approx(float(region.area), abs=1e-12)
        np.testing.assert_allclose(coefs.T, outputs[:2], atol=1e3 * size, rtol=1e-9)
        np.testing.assert_allclose(intercepts, outputs[2], atol=1e3 * size, rtol=1e-9)


def test_the_public_set_is_large_and_mostly_degenerate():
    names = [name.split(",")[0] for name, _ in exact.public_set()]
    assert len(names) >= 60
    assert sum(name in exact.DEGENERATE for name in names) >= 30


@pytest.mark.parametrize(
    ("widths", "counts"),
    [
        ((2, 16, 16, 1), (127, 88, 185)),
        ((2, 64, 64, 1), (2943, 2703, 2137)),
        ((2, 64, 64, 64, 1), (6668, 4479, 4630)),
        ((2, 128, 128, 128, 1), (20714,)),
    ],
)
def test_known_counts(initialised, widths, counts):
    for seed, count in enumerate(counts):
        found = planes(initialised(*widths, seed=seed), SQUARE)
        assert found.n_regions == found.n_pieces == count
        assert len(np.unique(found.patterns(), axis=0)) == count
        assert found.certificate.exact
        assert found.certificate.gap > 100


def test_a_trained_network_has_its_known_count(moons):
    assert planes(moons[1], SQUARE).n_regions == 3148


@pytest.mark.parametrize(("n_units", "count"), [(2, 4), (3, 7), (4, 11), (5, 16)])
def test_one_hidden_layer_attains_the_largest_count(n_units, count):
    # Tangents of a circle: any two cross, no three in one point.
    angles = np.pi * (np.arange(n_units) + 0.3) / n_units
    directions = np.stack([np.cos(angles), np.sin(angles)])
    net = exact.network([(directions, np.full(n_units, -1.0)), (np.ones((n_units, 1)), np.zeros(1))])
    found = planes(net, ((-50, 50), (-50, 50)))
    assert found.n_regions == (n_units**2 + n_units + 2) // 2 == count


@pytest.mark.parametrize("seed", range(5))
def test_creases_in_general_position_give_zaslavskys_count(seed):
    # In a window regions are 1 + creases + crossings inside; far enough out that is 1 + n + n (n - 1) / 2.
    n = 20
    net = exact.network(exact.drawn((2, n, 1), seed))
    assert planes(net, ((-1e5, 1e5), (-1e5, 1e5))).n_regions == 1 + n + n * (n - 1) // 2


def test_a_grid_never_sees_a_region_that_is_not_there(initialised):
    net = initialised(2, 32, 32, 1)
    found = planes(net, SQUARE)
    axis = np.linspace(-1, 1, 300)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    seen = {pattern.tobytes() for pattern in net.patterns(grid)}
    assert seen <= {pattern.tobytes() for pattern in found.patterns()}
    assert 0.8 * found.n_regions < len(seen) <= found.n_regions


def test_more_pieces_than_meet_the_eye_are_merged():
    # A bottleneck that is dead in half the window hides the creases before it: regions differ, the planes do not.
    net = exact.network(
        [(np.eye(2), np.zeros(2)), (np.array([[1.0], [1.0]]), np.array([-0.5])), (np.ones((1, 1)), np.zeros(1))]
    )
    found = planes(net, SQUARE)
    assert found.n_regions == 7  # the quadrants, three of which are cut where the sum is 0.5
    assert found.n_pieces == 4  # below 0.5 all is flat; above: u, v, and both
    assert len(np.unique(found.piece_of_region)) == 4


def test_snapping_takes_creases_for_one_that_differ_by_rounding():
    third = 0.1 + 0.2  # is not 0.3
    net = exact.network([(np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([-third, -0.3])), (np.ones((2, 1)), [0.0])])
    assert planes(net, SQUARE).n_regions == 3
    assert planes(net, SQUARE, snap=True).n_regions == 2
    sliver = planes(net, SQUARE).areas.min()
    assert 0 < sliver < 1e-15


def test_too_much_rational_work_falls_back_to_the_tolerance(monkeypatch):
    net = exact.degenerate("duplicates", (2, 8, 8, 1), 0)
    expected = planes(net, SQUARE)
    monkeypatch.setattr("planefold.reading.slices.plane_cuts.RATIONAL_WORK", 0)
    found = planes(net, SQUARE)
    assert found.n_regions == expected.n_regions
    assert found.certificate.exact
    assert found.certificate.n_rational == 0
    assert found.certificate.largest_zero < 1e-14
    # Creases in doubt, and no time to decide: what comes out is said not to be exact.
    close = exact.network([(np.array([[1.0, 1.0], [0.0, 1e-11]]), np.zeros(2)), (np.ones((2, 1)), np.zeros(1))])
    doubtful = planes(close, SQUARE)
    assert not doubtful.certificate.exact
    assert "too close to tell" in str(doubtful.certificate)
    monkeypatch.undo()
    assert planes(close, SQUARE).n_regions == 4
    assert planes(close, SQUARE).certificate.exact


def test_a_network_without_folds_is_one_plane():
    net = exact.network([(np.array([[2.0], [1.0]]), np.array([3.0]))])
    found = planes(net, SQUARE)
    assert found.n_regions == found.n_pieces == 1
    assert found.patterns().shape == (1, 0)
    np.testing.assert_allclose(found.coefs, [[[2.0, 1.0]]])
    assert found.integral() == pytest.approx(12.0)
    assert found.creases().segments.shape == (0, 2, 2)
