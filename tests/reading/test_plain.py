"""Plain data hold what the records hold, number for number, and JSON takes them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from planefold.core.errors import ParameterError
from planefold.reading.architectures import random_net, study
from planefold.reading.plain import FORMAT, as_data, plain
from planefold.reading.segments.lines import function, line
from planefold.reading.slices.boundaries import boundary, class_regions
from planefold.reading.slices.contours import contours
from planefold.reading.slices.planes import planes

NET = replace(random_net((2, 6, 5, 3), 0, init="normal"), link="softmax", output_names=("a", "b", "c"))
PLANES = planes(NET, ((-2, 2), (-2, 2)))


def through_json(record, **options):
    return json.loads(json.dumps(as_data(record, **options), allow_nan=False))


def test_planes_come_back_from_json_number_for_number():
    data = through_json(PLANES)
    assert (data["format"], data["kind"]) == (FORMAT, "planes")
    assert np.array_equal(data["vertices"], PLANES.vertices)
    assert np.array_equal(data["values"], PLANES.vertex_outputs)
    assert (data["n_regions"], data["n_pieces"]) == (PLANES.n_regions, PLANES.n_pieces)
    for region, corners in enumerate(data["polygons"]):
        assert np.array_equal(PLANES.vertices[corners], PLANES.polygon(region))
    assert data["network"]["units"][7] == {"name": "hidden 2, unit 2", "depth": 2}
    assert data["network"]["outputs"] == ["a", "b", "c"]
    assert data["network"]["inputs"] == ["x0", "x1"]
    assert data["certificate"]["exact"] is True


def test_few_regions_are_the_largest():
    data = through_json(PLANES, limit=5)
    assert np.allclose(sorted(data["areas"]), np.sort(PLANES.areas)[-5:])
    assert data["n_regions"] == PLANES.n_regions


def test_lines_come_back_and_may_be_endless():
    path = line(NET, [-2, -2], [2, 2])
    data = through_json(path)
    assert np.array_equal(data["ends"], path.ends)
    assert np.array_equal(data["slopes"], path.slopes)
    assert data["units"] == [list(units) for units in path.units]
    endless = through_json(function(random_net((1, 3, 1), 0)))
    assert (endless["ends"][0], endless["ends"][-1]) == ("-inf", "inf")


def test_borders_and_the_areas_of_classes_come_back():
    border, parts = boundary(PLANES), class_regions(PLANES)
    data = through_json(border)
    assert np.array_equal(np.reshape(data["segments"], (-1, 2, 2)), border.segments)
    assert (data["length"], data["n_curves"]) == (border.length, border.n_curves)
    areas = through_json(parts)
    assert areas["n_regions"] == parts.n_regions
    assert [len(corners) for corners in areas["polygons"]] == np.diff(parts.starts).tolist()
    assert np.isclose(sum(areas["area_shares"]), 1)


def test_contours_and_studies_come_back():
    (level,) = contours(PLANES, 0.5, output=1)
    assert np.array_equal(np.reshape(through_json(level)["segments"], (-1, 2, 2)), level.segments)
    found = study([(2, 3, 1), (1, 200, 200, 1)], seeds=range(2))
    one, other = through_json(found)["architectures"]
    assert (one["name"], one["upper"], one["n_pieces"]) == ("2-3-1", 7, found.counts[0].n_pieces.tolist())
    assert int(other["upper"]) == found.counts[1].bounds.upper


def test_what_json_does_not_know_becomes_text():
    assert plain(2**60) == "1152921504606846976"
    assert plain({"a": (np.float64("nan"), np.bool_(True)), "b": np.array([np.inf, 1])}) == {
        "a": ["nan", True],
        "b": ["inf", 1.0],
    }


def test_other_records_are_refused():
    with pytest.raises(ParameterError, match="PiecewiseLinearNet has no layout"):
        as_data(NET)
