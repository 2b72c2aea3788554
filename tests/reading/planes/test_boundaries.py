"""That the decision border and contours are where the network says, and that areas add up."""

from __future__ import annotations

import importlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planefold.core.errors import ParameterError
from planefold.reading.slices.boundaries import boundary, class_regions
from planefold.reading.slices.contours import contours
from planefold.reading.slices.planes import planes

exact = importlib.import_module("exact")
SQUARE = ((-1, 1), (-1, 1))


def at_outputs(*outputs):
    """A network without folds that gives rows ``(a, b, c)`` of a u + b v + c."""
    table = np.array(outputs, dtype=float)
    return exact.network([(table[:, :2].T, table[:, 2])])


def test_the_border_of_two_moons(moons):
    found = planes(moons[1], SQUARE)
    border = boundary(found)
    assert border.n_segments == 112
    assert border.n_curves == 1
    assert border.length == pytest.approx(4.007, abs=5e-4)
    assert np.abs(moons[1].outputs(border.segments.reshape(-1, 2))).max() < 1e-9
    assert border.certificate.exact
    (curve,) = border.polylines()
    assert len(curve) == 113
    regions = class_regions(found)
    assert regions.n_regions == 2
    assert regions.area_shares.sum() == pytest.approx(1, abs=1e-12)
    # Each segment runs through the region that it names, and the higher class lies on its right.
    middle = border.segments.mean(axis=1)
    np.testing.assert_array_equal(found.locate(middle), border.segment_regions)
    along = border.segments[:, 1] - border.segments[:, 0]
    right = np.stack([along[:, 1], -along[:, 0]], axis=1) / np.linalg.norm(along, axis=1)[:, None]
    assert (moons[1].outputs(middle + 1e-7 * right) > 0).all()
    np.testing.assert_array_equal(border.class_pairs, [[0, 1]] * 112)


def test_the_moons_border_is_the_contour_at_zero(moons):
    found = planes(moons[1], SQUARE)
    border = boundary(found)
    (contour,) = contours(found, 0.0)
    assert len(contour.segments) == 112
    lengths = np.linalg.norm(contour.segments[:, 1] - contour.segments[:, 0], axis=1)
    assert lengths.sum() == pytest.approx(border.length)
    low, high = contours(found, [-2.0, 2.0])
    for level in (low, high):
        assert np.abs(moons[1].outputs(level.segments.reshape(-1, 2)) - level.level).max() < 1e-9
        np.testing.assert_array_equal(found.locate(level.segments.mean(axis=1)), level.regions)
        assert sum(len(line) - 1 for line in level.polylines()) == len(level.segments)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_areas_are_those_of_random_points(n_classes):
    net = exact.network(exact.drawn((2, 12, 10, n_classes), 3))
    found = planes(net, ((-2, 2), (-2, 2)))
    regions = class_regions(found)
    points = np.random.default_rng(0).uniform(-2, 2, (100_000, 2))
    shares = np.bincount(net.outputs(points).argmax(axis=1), minlength=n_classes) / len(points)
    assert regions.area_shares.sum() == pytest.approx(1, abs=1e-12)
    np.testing.assert_allclose(regions.area_shares, shares, atol=4 * 0.5 / np.sqrt(len(points)))
    assert regions.areas.sum() == pytest.approx(16)
    assert regions.n_regions_of_class.sum() == regions.n_regions
    assert not regions.tied.any()
    # Each polygon lies in its region and has its class.
    for number in range(len(regions.classes)):
        centre = regions.polygon(number).mean(axis=0)
        assert net.outputs([centre])[0].argmax() == regions.classes[number]
        if regions.polygon_areas[number] > 1e-9:
            assert found.locate([centre])[0] == regions.regions[number]


@pytest.mark.parametrize("n_classes", [3, 5])
def test_at_the_border_the_two_largest_outputs_are_equal(n_classes):
    net = exact.network(exact.drawn((2, 12, 10, n_classes), 3))
    found = planes(net, ((-2, 2), (-2, 2)))
    border = boundary(found)
    outputs = net.outputs(border.segments.mean(axis=1))
    top = np.sort(np.argsort(outputs, axis=1)[:, -2:], axis=1)
    np.testing.assert_array_equal(top, border.class_pairs)
    largest = np.sort(outputs, axis=1)
    assert np.abs(largest[:, -1] - largest[:, -2]).max() < 1e-9
    # A segment for each region and pair: what other classes do below the largest leaves no trace.
    keys = np.column_stack([border.segment_regions, border.class_pairs])
    assert len(np.unique(keys, axis=0)) == border.n_segments
    assert border.curves.max() + 1 == border.n_curves
    assert sum(len(line) - 1 for line in border.polylines()) == border.n_segments


def test_three_classes_meet_in_a_point():
    net = at_outputs((0, 0, 0), (1, 0, 0), (0, 1, 0))
    border, regions = boundary(planes(net, SQUARE)), class_regions(planes(net, SQUARE))
    assert border.n_segments == 3
    assert border.n_curves == 1
    assert border.length == pytest.approx(2 + np.sqrt(2))
    np.testing.assert_allclose(regions.area_shares, [1 / 4, 3 / 8, 3 / 8])
    assert regions.n_regions == 3


def test_touching_corners_do_not_connect():
    # |u| - |v| is positive left and right of a cross, negative above and below it.
    net = exact.network(
        [(np.array([[1.0, 0.0], [0.0, 1.0]]), np.zeros(2)), (np.array([[1.0], [-1.0]]), [0.0])], left=-1
    )
    found = planes(net, SQUARE)
    regions = class_regions(found)
    assert regions.n_regions == 4
    np.testing.assert_array_equal(regions.n_regions_of_class, [2, 2])
    np.testing.assert_allclose(regions.areas, 1.0)
    assert boundary(found).n_curves == 1
    assert boundary(found).n_segments == 4


def test_a_border_along_a_crease():
    # relu(u) - relu(-u) + v * 0: 0 exactly on the crease u = 0.
    net = exact.network([(np.array([[1.0, -1.0], [0.0, 0.0]]), np.zeros(2)), (np.array([[1.0], [-1.0]]), [0.0])])
    border = boundary(planes(net, SQUARE))
    assert border.n_segments == 1
    assert border.length == pytest.approx(2)
    np.testing.assert_allclose(border.segments[..., 0], 0)


def test_ties_go_to_the_lower_class():
    # relu(u) against 0: equal on the whole left half.
    net = exact.network([(np.array([[1.0], [0.0]]), [0.0]), (np.array([[0.0, 1.0]]), [0.0, 0.0])])
    found = planes(net, SQUARE)
    regions = class_regions(found)
    np.testing.assert_allclose(regions.area_shares, [0.5, 0.5])
    np.testing.assert_array_equal(regions.tied, regions.classes == 0)
    border = boundary(found)
    np.testing.assert_allclose(border.segments[..., 0], 0)
    single = exact.network([(np.array([[1.0], [0.0]]), [0.0]), (np.array([[1.0]]), [0.0])])
    assert class_regions(planes(single, SQUARE)).tied.sum() == 1
    (contour,) = contours(planes(single, SQUARE), 0.0)
    np.testing.assert_allclose(contour.segments[..., 0], 0)


def test_one_class_alone_has_no_border():
    net = at_outputs((0, 0, 1))
    found = planes(net, SQUARE)
    border = boundary(found)
    assert (border.n_segments, border.n_curves, border.length) == (0, 0, 0.0)
    assert border.polylines() == []
    np.testing.assert_array_equal(class_regions(found).area_shares, [0, 1])
    assert contours(found, [5.0])[0].segments.shape == (0, 2, 2)


def test_thresholds():
    net = at_outputs((1, 0, 0))
    assert boundary(planes(net, SQUARE), threshold=0.5).segments[0, :, 0] == pytest.approx(0.5)
    logit = replace(net, link="logistic")
    assert boundary(planes(logit, SQUARE), threshold=0.6).segments[0, :, 0] == pytest.approx(np.log(1.5))
    pair = replace(at_outputs((0, 0, 0), (1, 0, 0)), link="softmax")
    assert boundary(planes(pair, SQUARE), threshold=0.6).segments[0, :, 0] == pytest.approx(np.log(1.5))
    with pytest.raises(ParameterError, match=r"threshold=1.5 is not a probability"):
        boundary(planes(logit, SQUARE), threshold=1.5)
    with pytest.raises(ParameterError, match="the largest one decides"):
        boundary(planes(at_outputs((0, 0, 0), (1, 0, 0), (0, 1, 0)), SQUARE), threshold=0.5)
    with pytest.raises(ParameterError, match="no value that an output takes"):
        contours(planes(net, SQUARE), [np.nan])


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(exact.DEGENERATE), st.integers(0, 50), st.integers(1, 3))
def test_degenerate_networks_are_divided_too(kind, seed, n_outputs):
    net = exact.degenerate(kind, (2, 6, 5, n_outputs), seed)
    found = planes(net, SQUARE)
    regions, border = class_regions(found), boundary(found)
    assert regions.area_shares.sum() == pytest.approx(1, abs=1e-12)
    assert regions.polygon_areas.min() > -1e-12
    outputs = net.outputs(border.segments.reshape(-1, 2))
    size = np.abs(found.vertex_outputs).max()
    if n_outputs > 1:
        outputs = np.take_along_axis(outputs, np.repeat(border.class_pairs, 2, axis=0), axis=1)
        outputs = outputs[:, :1] - outputs[:, 1:]
    assert np.abs(outputs).max(initial=0.0) <= 1e-9 * size


def test_a_model_in_the_place_of_planes_is_refused_with_what_to_do(initialised):
    net = initialised(2, 4, 1)
    for ask in (boundary, class_regions, lambda given: contours(given, 0.0)):
        with pytest.raises(ParameterError, match=r"planefold\.reading\.planes"):
            ask(net)


def test_planes_say_how_many_there_could_be(initialised):
    found = planes(initialised(2, 4, 1), ((-1, 1), (-1, 1)))
    assert found.bounds.zaslavsky == 11 >= found.n_regions
