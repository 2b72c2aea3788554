"""That counting tile by tile counts the same, whatever the tiles."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from planefold.core.errors import ParameterError
from planefold.reading.slices import tiles as module
from planefold.reading.slices.estimates import estimate_regions
from planefold.reading.slices.planes import planes
from planefold.reading.slices.tiles import count_in_window, hashes, tiled
from planefold.reading.slices.windows import window_corners

exact = importlib.import_module("exact")
SQUARE = ((-1, 1), (-1, 1))


@pytest.mark.parametrize("tiles", [None, 1, 3, (2, 5)])
def test_tiles_do_not_change_the_count(initialised, tiles):
    counted = count_in_window(initialised(2, 32, 32, 1), SQUARE, tiles=tiles)
    assert counted.n_regions == planes(initialised(2, 32, 32, 1), SQUARE).n_regions
    assert counted.certificate.exact
    assert str(counted) == f"{counted.n_regions:,} activation regions"


@pytest.mark.parametrize("kind", exact.DEGENERATE)
def test_tiles_do_not_change_the_count_of_degenerate_networks(kind):
    net = exact.degenerate(kind, (2, 7, 6, 1), 7)
    assert count_in_window(net, SQUARE, tiles=2).n_regions == len(exact.exact_regions(net, exact.SQUARE))


def test_crowded_tiles_are_cut_again(initialised, monkeypatch):
    net = initialised(2, 64, 64, 1)
    monkeypatch.setattr(module, "estimate_regions", lambda *_: 1.0)
    monkeypatch.setattr(module, "TILE", 64)
    parts = list(tiled(net, SQUARE))
    assert len(parts) > 1
    assert max(part.n_regions for part in parts) <= 2_000
    assert sum(part.areas.sum() for part in parts) == pytest.approx(4)
    assert count_in_window(net, SQUARE).n_regions == 2943


def test_a_polygon_in_tiles(initialised):
    net, window = initialised(2, 32, 32, 1), [(-1, -1), (1, -0.5), (0.25, 1)]
    assert count_in_window(net, window, tiles=4).n_regions == planes(net, window).n_regions
    area = sum(part.areas.sum() for part in tiled(net, window, tiles=4))
    assert area == pytest.approx(planes(net, window).areas.sum())


def test_a_slice_in_tiles(initialised):
    net = initialised(5, 16, 16, 1)
    random = np.random.default_rng(0)
    slice_ = {"origin": random.normal(size=5), "directions": random.normal(size=(2, 5))}
    assert count_in_window(net, SQUARE, tiles=3, **slice_).n_regions == planes(net, SQUARE, **slice_).n_regions


def test_counting_stops_where_it_is_told_to(initialised):
    net = initialised(2, 64, 64, 1)
    stopped = count_in_window(net, SQUARE, tiles=4, max_regions=1000, on_limit="stop")
    assert 1000 < stopped.n_regions < 2943
    assert not stopped.certificate.exact
    assert str(stopped).startswith("at least 1,")
    with pytest.raises(ParameterError, match="more than max_regions=1000"):
        count_in_window(net, SQUARE, tiles=4, max_regions=1000)
    with pytest.raises(ParameterError, match="about 3,000"):
        count_in_window(net, SQUARE, max_regions=100)
    with pytest.raises(ParameterError, match="on_limit='continue' is not known"):
        count_in_window(net, SQUARE, on_limit="continue")
    with pytest.raises(ParameterError, match="tiles=0"):
        count_in_window(net, SQUARE, tiles=0)


@pytest.mark.parametrize("widths", [(2, 16, 16, 1), (2, 64, 64, 1), (2, 64, 64, 64, 1), (2, 300, 1)])
def test_the_estimate_is_about_right(initialised, widths):
    net = initialised(*widths)
    true = planes(net, SQUARE).n_regions
    assert true / 2 < estimate_regions(net, window_corners(SQUARE)) < 2 * true


def test_different_patterns_have_different_hashes():
    patterns = np.random.default_rng(0).choice(np.array([-1, 1], dtype=np.int8), (2000, 130))
    patterns[1000:] = patterns[:1000]
    patterns[1000:, 129] *= -1
    assert len(np.unique(hashes(patterns))) == 2000
    np.testing.assert_array_equal(hashes(patterns), hashes(patterns.copy()))
    assert len(hashes(np.zeros((3, 0), dtype=np.int8))) == 3
