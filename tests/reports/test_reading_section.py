"""The reading in the report: numbers of the JSON on the page, sums that add up, a border where the model changes."""

from __future__ import annotations

import dataclasses
import json
import time
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import planefold as pf
from planefold.reports import ReportData, outlines, to_json, write_report
from planefold.reports.reading_section import adding_up, reading_section

HOSTILE = "<script>alert(1)</script> & \"quotes\" 'too'"
ROWS = 160


class Texts(HTMLParser):
    """Reads the values of numbers and all text; fails where tags do not close in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.values: set[float] = set()
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "data":
            self.values.add(float(dict(attrs)["value"] or "nan"))
        self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data + " "


def table(kind: str, n_rows: int = ROWS, seed: int = 0) -> tuple[dict[str, Any], Any]:
    random = np.random.RandomState(seed)
    a, b, c = random.normal(10, 3, n_rows), random.normal(size=n_rows), random.choice(["u", "v", HOSTILE], n_rows)
    X = {
        "a": a,
        "b": b,
        HOSTILE: c,
        "gaps": np.where(random.uniform(size=n_rows) < 0.2, np.nan, random.normal(size=n_rows)),
    }
    score = (a - 10) / 3 + np.abs(b) + (c == "u") - 0.5
    if kind == "regression":
        return X, 100 * score + random.normal(size=n_rows)
    if kind == "binary":
        return X, np.where(score > 0.5, "yes", "no")
    if kind == "labels":
        return X, np.column_stack([score > 0.5, b > 0]).astype(int)
    return X, np.select([score < 0, score < 1], ["low", HOSTILE], "high")


def trained(kind: str, **parameters: Any) -> Any:
    model = pf.MLPRegressor if kind == "regression" else pf.MLPClassifier
    return model(**{"n_members": 2, "max_iter": 30, "hidden_layer_sizes": (16,), "random_state": 0} | parameters)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Any, ReportData, str]]:
    """A fitted model, its report, and the page, of each kind."""
    from planefold.estimators.reporting import report

    found = {}
    folder = tmp_path_factory.mktemp("reading")
    for kind in ("binary", "regression", "multiclass", "labels"):
        model = trained(kind).fit(*table(kind))
        data = report(model, folder / f"{kind}.html", *table(kind, 90, seed=1))
        found[kind] = (model, data, (folder / f"{kind}.html").read_text("utf-8"))
    return found


KINDS = ["binary", "regression", "multiclass", "labels"]


def section_of(html: str) -> Texts:
    start = html.index('<section id="reading"')
    return Texts(html[start : html.index("</section>", start) + len("</section>")])


@pytest.mark.parametrize("kind", KINDS)
def test_the_section_stands_between_errors_and_reproduction(kind: str, made: Any) -> None:
    html = made[kind][2]
    assert html.index('id="errors"') < html.index('id="reading"') < html.index('id="again"')
    assert "<script" not in html


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_holds_the_numbers_of_its_json(kind: str, made: Any) -> None:
    twin = json.loads(json.dumps(to_json(made[kind][1]), allow_nan=False))["reading"]
    page = section_of(made[kind][2])
    numbers = [twin["n_rows"], twin["n_planes"]]
    planes = (twin["merged"] or twin)["planes"]
    for plane in planes:
        formula = plane["formula"]
        numbers += [plane["n_rows"], plane["share"], formula["intercept"], *(term["coef"] for term in formula["terms"])]
    for row in twin["rows"]:
        numbers += [row["row"], row["base"], row["value"], *(part["contribution"] for part in row["contributions"])]
    numbers += [effect["n_kinks"] for effect in twin["effects"]]
    numbers += [area["share"] for area in twin["map"]["areas"]] + [twin["map"]["n_segments"]]
    assert not set(map(float, numbers)) - page.values
    assert planes
    assert len(twin["rows"]) == 3


@pytest.mark.parametrize("kind", ["binary", "regression", "multiclass"])
def test_formulas_and_contributions_are_the_models_own(kind: str, made: Any) -> None:
    model, data, _ = made[kind]
    X, y = table(kind, 90, seed=1)
    reading = model.read(X, y)
    twin = data.reading
    assert (twin["n_rows"], twin["n_regions"]) == (90, reading.n_regions)
    for row in twin["rows"]:
        parts = [*row["contributions"], *([row["others"]] if row["others"] else [])]
        total = row["base"] + sum(part["contribution"] for part in parts)
        assert total == pytest.approx(row["value"], abs=1e-9 * max(1, abs(row["value"])))
        index = row["row"] - 1
        predicted = model.predict(X)[index]
        if kind == "regression":
            assert row["value"] == pytest.approx(predicted, rel=1e-5)
            assert row["truth"] == y[index]
        else:
            assert (row["label"], row["truth"]) == (predicted, y[index])
            assert min(abs(model.predict_proba(X)[index] - row["prediction"])) < 1e-5
    worst = data.evaluation.worst_rows[0].row
    assert [row["row"] for row in twin["rows"] if row["which"] == "worst"] == [worst]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_adds_up(kind: str, made: Any) -> None:
    from planefold.reports import reading_section as module

    for row in made[kind][1].reading["rows"]:
        parts = [row["base"], *(part["contribution"] for part in module._parts(row))]
        written = adding_up(parts, row["value"], 3)
        numbers = [float(text.replace("−", "-").replace(",", "")) for text in written]
        assert sum(numbers) == pytest.approx(round(row["value"], 3), abs=1e-9)
        assert max(abs(number - part) for number, part in zip(numbers, parts, strict=True)) < 1e-3


def test_numbers_that_are_written_add_up_for_any_parts() -> None:
    random = np.random.default_rng(0)
    for n in (1, 2, 7, 30):
        for decimals in (0, 2, 5):
            parts = random.normal(size=n) * 10.0 ** random.integers(-3, 4)
            written = [float(t.replace("−", "-").replace(",", "")) for t in adding_up(parts, parts.sum(), decimals)]
            assert sum(written) == pytest.approx(round(parts.sum(), decimals), abs=1e-7)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "labels"])
def test_the_border_is_where_the_prediction_changes(kind: str, made: Any) -> None:
    """A dense grid of predictions has the shares of the areas, and the outlines hold the points of their class."""
    from matplotlib.path import Path as Outline

    model, data, _ = made[kind]
    X, _ = table(kind, 90, seed=1)
    found = data.reading["map"]
    (u0, u1), (v0, v1) = found["window"]
    u, v = np.meshgrid(np.linspace(u0, u1, 153)[1:-1], np.linspace(v0, v1, 153)[1:-1])
    held = {one["column"]: one["value"] for one in found["fixed"]}
    columns = {found["labels"][0]: u.ravel(), found["labels"][1]: v.ravel(), HOSTILE: [held[HOSTILE]] * u.size}
    others = {name for name in X if name not in columns}
    for name in others:
        columns[name] = np.full(u.size, np.nanmedian(X[name]))
    predicted = model.predict(columns)
    codes = predicted[:, 0] if kind == "labels" else np.searchsorted(model.classes_, predicted)
    shares = {area["class"]: area["share"] for area in found["areas"]}
    assert sum(shares.values()) == pytest.approx(1, abs=1e-12)
    points = np.column_stack([u.ravel(), v.ravel()])
    for area in found["areas"]:
        mine = codes == area["class"]
        assert area["share"] == pytest.approx(mine.mean(), abs=0.01)
        inside = np.zeros(len(points), dtype=bool)
        for loop in area["loops"]:
            inside ^= Outline([*loop, loop[0]], closed=True).contains_points(points)
        assert (inside == mine).mean() > 0.995


def test_lines_of_equal_prediction_are_at_their_levels(made: Any) -> None:
    model, data, _ = made["regression"]
    X, _ = table("regression", 90, seed=1)
    found = data.reading["map"]
    assert found["levels"]
    held = {one["column"]: one["value"] for one in found["fixed"]}
    (u0, u1), (v0, v1) = found["window"]
    rows = model.read(X).columns.rows(X)
    names = list(model.read(X).columns.names)
    spread = 0.0
    for level in found["levels"]:
        corners = np.concatenate(level["lines"])
        columns = {found["labels"][0]: corners[:, 0], found["labels"][1]: corners[:, 1]}
        columns[HOSTILE] = [held[HOSTILE]] * len(corners)
        for name in set(X) - set(columns):
            columns[name] = np.full(len(corners), np.median(rows[:, names.index(name)]))
        values = model.predict(columns)
        spread = max(spread, float(abs(values - level["level"]).max()))
        assert (corners >= [u0 - 1e-9, v0 - 1e-9]).all()
        assert (corners <= [u1 + 1e-9, v1 + 1e-9]).all()
    assert spread < 0.005 * np.ptp(model.predict(X))  # corners are rounded to the grid of the drawing


def test_effects_are_the_means_of_predictions(made: Any) -> None:
    model, data, _ = made["regression"]
    X, _ = table("regression", 90, seed=1)
    order = np.argsort(model.predict(X), kind="stable")
    for effect in data.reading["effects"]:
        chosen = order[np.linspace(0, 89, effect["n_rows"]).round().astype(int)]
        for t, value in effect["points"][:: max(1, len(effect["points"]) // 5)]:
            columns = {name: np.asarray(values)[chosen] for name, values in X.items()}
            if effect["column"] == "gaps":
                continue  # a missing value keeps its mark
            columns[effect["column"]] = np.full(len(chosen), t)
            assert value == pytest.approx(model.predict(columns).mean(), abs=effect["error"] + 1e-3)


def test_one_and_the_same_plane_for_all_is_said_so(tmp_path: Any) -> None:
    from planefold.estimators.reporting import report

    model = trained("regression", activation="identity").fit(*table("regression"))
    data = report(model, tmp_path / "r.html", *table("regression", 60, seed=1))
    assert data.reading["n_planes"] >= 1  # numbers are cut off far outside
    assert data.reading["merged"] is None
    page = section_of((tmp_path / "r.html").read_text("utf-8"))
    assert "linear model" in page.text


@pytest.mark.parametrize("activation", ["tanh", "logistic"])
def test_a_model_that_has_no_planes_has_a_sentence(activation: str, tmp_path: Any) -> None:
    from planefold.estimators.reporting import report

    model = trained("binary", activation=activation).fit(*table("binary"))
    data = report(model, tmp_path / "r.html", *table("binary", 60, seed=1))
    html = (tmp_path / "r.html").read_text("utf-8")
    assert 'id="reading"' not in html
    assert "not piecewise linear" in html
    assert list(data.reading) == ["why_not"]


def test_one_column_and_one_row_have_a_section(tmp_path: Any) -> None:
    from planefold.estimators.reporting import report

    X, y = {"a": np.arange(40.0)}, np.abs(np.arange(40.0) - 20)
    model = trained("regression").fit(X, y)
    data = report(model, tmp_path / "r.html", {"a": np.array([3.0])}, np.array([17.0]))
    assert data.reading["map"] is None
    section_of((tmp_path / "r.html").read_text("utf-8"))


def test_arrays_and_sparse_matrices_are_read_too(tmp_path: Any) -> None:
    import scipy.sparse as sp

    from planefold.estimators.reporting import report

    random = np.random.default_rng(0)
    X = random.normal(size=(80, 5)) * (random.uniform(size=(80, 5)) < 0.5)
    y = X @ np.arange(5) + np.abs(X[:, 0])
    for rows, options in ((X, {}), (sp.csr_matrix(X), {"preprocess": None})):
        data = report(trained("regression", **options).fit(rows, y), tmp_path / "r.html", rows, y)
        assert data.reading["n_rows"] == 80


def test_nothing_is_there_where_nothing_was_read(make: Any) -> None:
    assert reading_section(make("report", make("binary")).reading) == ""


def test_a_page_of_many_rows_is_small_and_quick(tmp_path: Any) -> None:
    """Of 20,000 rows 5,000 are read, and the page says so; the worst is among them."""
    from planefold.estimators.reporting import report

    X, y = table("binary", 20_000)
    model = trained("binary", hidden_layer_sizes=(64, 64), n_members=4, max_iter=2).fit(X, y)
    started = time.process_time()
    data = report(model, tmp_path / "r.html", X, y)
    with_reading = time.process_time() - started
    assert 5_000 <= data.reading["n_rows"] <= 5_001
    assert data.evaluation.worst_rows[0].row in [row["row"] for row in data.reading["rows"]]
    html = (tmp_path / "r.html").read_text("utf-8")
    assert "Of 20,000 rows, 5,00" in html
    assert len(html) < 600_000
    assert with_reading < 60  # CPU seconds, of which about five are the reading: only to notice what runs away
    bare = dataclasses.replace(data, reading=None)
    path = write_report(tmp_path / "bare.html", bare)
    assert len(html) - path.stat().st_size < 300_000


# ---------------------------------------------------------------------------------------------------------- outlines


def area_of(loops: list[list[tuple[float, float]]]) -> float:
    total = 0.0
    for loop in loops:
        x, y = np.array(loop).T
        total += float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    return total


def test_outlines_have_the_area_of_what_they_surround() -> None:
    """Triangles of a random classification: areas add up, holes are taken off."""
    random = np.random.default_rng(0)
    n = 24
    side = np.linspace(0, 1, n + 1)
    corners = []
    for u0, u1 in pairwise(side):
        for v0, v1 in pairwise(side):
            corners += [[u0, v0], [u1, v0], [u1, v1], [u0, v0], [u1, v1], [u0, v1]]
    points = np.array(corners)
    kinds = random.integers(3, size=len(points) // 3)
    starts = np.arange(0, len(points) + 1, 3)
    found = outlines.areas(points, starts, kinds, ((0, 1), (0, 1)))
    for kind, loops in found.items():
        assert area_of(loops) == pytest.approx((kinds == kind).mean(), abs=0.01)


def test_tiles_with_other_corners_on_their_sides_leave_no_seam() -> None:
    square = [[0, 0], [1, 0], [1, 1], [0, 1]]
    halves = [[1, 0], [2, 0], [2, 0.5], [1, 0.5], [1, 0.5], [2, 0.5], [2, 1], [1, 1]]
    points, starts = np.array([*square, *halves], dtype=float), np.array([0, 4, 8, 12])
    found = outlines.areas(points, starts, np.zeros(3, dtype=int), ((0, 2), (0, 1)))
    assert [len(loops) for loops in found.values()] == [1]
    assert len(found[0][0]) <= 5
    assert area_of(found[0]) == pytest.approx(2)


def test_lines_fork_and_close() -> None:
    angles = np.linspace(0, 2 * np.pi, 201)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    segments = np.stack([circle[:-1], circle[1:]], axis=1)
    (loop,) = outlines.lines(segments[np.random.default_rng(0).permutation(200)], ((-1, 1), (-1, 1)))
    assert loop[0] == loop[-1]
    assert 20 < len(loop) < 150
    assert max(abs(np.hypot(*corner) - 1) for corner in loop) < 2e-3
    fork = np.array([[[0, 0], [1, 0]], [[1, 0], [2, 1]], [[1, 0], [2, -1]]], dtype=float)
    assert sorted(map(len, outlines.lines(fork, ((0, 2), (-1, 1))))) == [2, 2, 2]
