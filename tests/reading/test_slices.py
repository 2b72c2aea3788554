"""A slice through two columns holds the others at what is usual, and the network on it is the network."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from planefold import MLPClassifier
from planefold.core.errors import DataError, ParameterError
from planefold.reading.architectures import random_net
from planefold.reading.models import from_model
from planefold.reading.slices import columns
from planefold.reading.slices.boundaries import decisions
from planefold.reading.slices.columns import around, slice_of, usual_window
from planefold.reading.slices.planes import planes
from planefold.reading.tables.columns import columns_of


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    n = 200
    frame = pd.DataFrame(
        {
            "age": rng.uniform(18, 80, n),
            "fare": np.where(rng.random(n) < 0.2, np.nan, rng.exponential(30, n)),
            "town": rng.choice(["Bonn", "Trier", "Ulm"], n, p=[0.2, 0.5, 0.3]),
            "rooms": rng.integers(1, 9, n),
        }
    )
    target = (frame["age"] + 10 * frame["rooms"] + 20 * (frame["town"] == "Ulm") > 90).astype(int)
    model = MLPClassifier(hidden_layer_sizes=(8,), n_members=2, max_iter=10, random_state=0).fit(frame, target)
    return frame, model


def test_the_other_columns_are_held_at_medians_and_most_frequent_values(table):
    frame, model = table
    cut = slice_of(model, "age", "rooms", frame)
    assert dict(cut.fixed) == {"fare": float(f"{frame['fare'].median():.6g}"), "town": "Trier"}
    assert cut.labels == ("age", "rooms")
    assert np.array_equal(cut.points, frame[["age", "rooms"]])
    assert cut.held() == f"fare = {frame['fare'].median():.6g}, town = Trier"


def test_the_network_on_the_slice_predicts_as_the_model_does(table):
    frame, model = table
    cut = slice_of(model, "age", "rooms", frame)
    found = planes(cut.net, cut.window, origin=cut.origin, directions=cut.directions)
    points = np.random.default_rng(1).uniform([20, 1], [78, 8], (40, 2))
    rows = pd.DataFrame({"age": points[:, 0], "fare": frame["fare"].median(), "town": "Trier", "rooms": points[:, 1]})
    logits = found.net.outputs(points)[:, 0]
    assert np.allclose(1 / (1 + np.exp(-logits)), model.predict_proba(rows)[:, 1], atol=1e-5)


def test_columns_of_a_network_go_by_place_or_name():
    net = random_net((4, 5, 1), 0)
    rows = np.random.default_rng(0).normal(size=(31, 4))
    cut = slice_of(net, 3, "x1", rows)
    middle = np.median(rows, axis=0)
    assert np.array_equal(cut.origin, [middle[0], 0, middle[2], 0])
    assert np.array_equal(cut.directions, np.eye(4)[[3, 1]])
    assert cut.net is from_model(net)


def test_windows_hold_the_rows_and_do_not_vanish():
    assert around(np.array([[0.0, 5.0], [20.0, 5.0]])) == ((-1.0, 21.0), (4.0, 6.0))
    points = np.column_stack([np.r_[np.arange(100.0), 1e6], np.zeros(101)])
    (low, high), (bottom, top) = usual_window(points)
    assert low == 0
    assert 95 < high < 110
    assert (bottom, top) == (-1, 1)


@pytest.mark.parametrize("values", [np.r_[np.zeros(99), 5.0], np.r_[np.zeros(50), np.ones(50)], [0.0, 0.0, 1.0]])
def test_the_usual_window_has_an_area_whatever_the_rows_are(values):
    (low, high), _ = usual_window(np.column_stack([values, values]))
    assert low < high
    assert min(values) <= low
    assert high <= max(values)


@pytest.mark.parametrize(
    ("x", "y", "error", "said"),
    [
        ("age", "age", ParameterError, "are not two columns"),
        ("age", None, ParameterError, "are not two columns"),
        ("age", "prize", DataError, "prize"),
        ("age", "town", DataError, "town"),
        ("age", "town = Ulm", ParameterError, "is 0 or 1"),
    ],
)
def test_columns_that_span_no_plane_are_refused(table, x, y, error, said):
    frame, model = table
    with pytest.raises(error, match=said):
        slice_of(model, x, y, frame)


def test_without_rows_nothing_is_usual(table):
    _, model = table
    with pytest.raises(DataError, match="without data"):
        slice_of(model, "age", "rooms", None)
    with pytest.raises(DataError, match="no rows"):
        slice_of(random_net((3, 2, 1), 0), 0, 1, np.empty((0, 3)))


@pytest.mark.parametrize("few", [30_000, 0], ids=["all regions", "tiles"])
def test_decisions_are_those_of_the_model_with_its_moved_threshold(table, monkeypatch, few):
    frame, model = table
    monkeypatch.setattr(columns, "FEW_REGIONS", few)
    moved = MLPClassifier(hidden_layer_sizes=(8,), n_members=2, max_iter=10, random_state=0, threshold=0.99)
    cut = slice_of(moved.fit(frame, model.predict(frame)), "age", "rooms", frame)
    (u0, u1), (v0, v1) = cut.window
    u, v = np.meshgrid(np.linspace(u0, u1, 200), np.linspace(v0, v1, 200))
    rows = pd.DataFrame({"age": u.ravel(), "fare": frame["fare"].median(), "town": "Trier", "rooms": v.ravel()})
    found = cut.decisions()
    share = moved.predict(rows).mean()
    assert found.regions.area_shares[1] == pytest.approx(share, abs=0.01)
    assert decisions(cut.planes()).regions.area_shares[1] == pytest.approx(found.regions.area_shares[1], abs=1e-12)
    assert abs(share - (moved.predict_proba(rows)[:, 1] > 0.5).mean()) > 0.02  # it does make a difference
    even = cut.decisions(threshold=0.5).regions.area_shares[1]
    assert even == pytest.approx((moved.predict_proba(rows)[:, 1] > 0.5).mean(), abs=0.01)


def test_dates_are_held_at_one_date_that_there_is():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": rng.normal(size=61), "b": rng.normal(size=61)})
    frame["sold"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.permutation(1500)[:61], unit="D")
    model = MLPClassifier((4,), n_members=1, max_iter=3, random_state=0).fit(frame, frame["a"] > 0)
    cut = slice_of(model, "a", "b", frame)
    middle = frame["sold"].sort_values().iloc[30]
    assert cut.held() == f"sold = {middle.date()}"
    row = columns_of(model).rows(frame[frame["sold"] == middle])[0]
    assert np.array_equal(cut.origin[2:], row[2:])  # its days, month and weekday
