"""The pictures of exact geometry draw what the reading says, and leave pyplot alone."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection, PolyCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Poly3DCollection

from planefold import MLPClassifier, plots
from planefold.core.errors import DataError, ParameterError
from planefold.networks.affine_builder import Builder
from planefold.plots import geometry_2d
from planefold.plots.palette import class_colour, depth_colours, tint, value_shades
from planefold.plots.patches import halved, patchwork, triangles_of
from planefold.reading.architectures import random_net, study
from planefold.reading.segments.attributions import ice, partial_dependence
from planefold.reading.segments.lines import function, line
from planefold.reading.slices import columns
from planefold.reading.slices.boundaries import class_regions
from planefold.reading.slices.columns import slice_of
from planefold.reading.slices.planes import planes
from planefold.reading.tables.local_models import local_models

SQUARE = ((-2.0, 2.0), (-2.0, 2.0))


def given(*layers, **names):
    builder = Builder((len(layers[0][0]),))
    value = builder.input
    for number, (matrix, bias) in enumerate(layers[:-1], start=1):
        value = builder.fold(builder.affine(value, np.array(matrix, dtype=float), bias), layer=f"hidden {number}")
    return builder.finish(builder.affine(value, np.array(layers[-1][0], dtype=float), layers[-1][1]), **names)


CURVE = given(([[1, 1, -1]], [1, -1, 0.5]), ([[1], [-2], [0.8]], [0.5]))
SURFACE = given(([[1, -0.6, 0.3], [0.4, 1, -1]], [0.3, 0.5, 0.4]), ([[1], [-1.2], [0.8]], [0.2]))
DEEP = random_net((2, 6, 5, 1), 3, init="normal")
BINARY = replace(random_net((2, 8, 8, 1), 1, init="normal"), link="logistic", output_names=("yes",))
MANY = replace(random_net((2, 8, 8, 3), 2, init="normal"), link="softmax", output_names=("a", "b", "c"))


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.uniform(18, 80, 120).round(),
            "fare": rng.exponential(30, 120),
            "town": rng.choice(["Bonn", "Trier", "Ulm"], 120, p=[0.6, 0.2, 0.2]),
        }
    )
    score = frame["age"] / 60 + frame["fare"] / 50 + (frame["town"] == "Bonn") + rng.normal(0, 0.3, 120)
    target = (score > 2).astype(int)
    model = MLPClassifier(hidden_layer_sizes=(8,), n_members=1, max_iter=20, early_stopping=False, random_state=0).fit(
        frame, target
    )
    return frame, target, model


@pytest.fixture(scope="module")
def reading(table):
    frame, target, model = table
    return local_models(model, frame, target)


def save(drawn, tmp_path) -> None:
    """Drawing finds what building does not: a missing glyph, a layout that collapses."""
    (drawn if isinstance(drawn, Figure) else drawn.figure).savefig(tmp_path / "plot.png", dpi=50)


def segments_of(ax):
    found = [collection for collection in ax.collections if isinstance(collection, LineCollection)]
    return [collection.get_segments() for collection in found], found


def texts(figure_or_axes):
    return [text.get_text() for text in figure_or_axes.texts]


# --------------------------------------------------------------------------------------------------------- one input


def test_a_grid_of_units_shows_bends_where_the_weights_put_them(tmp_path):
    figure = plots.unit_grid(CURVE, -3, 3)
    output = figure.axes[-1]
    (bends,) = (part for part in output.collections if isinstance(part, PathCollection))
    assert np.allclose(np.asarray(bends.get_offsets())[:, 0], [-1, 0.5, 1])
    assert [text for text in texts(output) if text.isdigit()] == ["1", "2", "3", "4"]
    assert output.get_title(loc="left") == "output: 4 pieces, 3 bends"
    save(figure, tmp_path)


def test_the_last_running_total_is_the_output():
    for net in (CURVE, random_net((1, 10, 1), 0), random_net((1, 5, 4, 1), 0), random_net((1, 20, 1), 1)):
        figure = plots.unit_grid(net, -3, 3)
        curve = figure.axes[-1].get_lines()[1]
        x, y = curve.get_xdata(), curve.get_ydata()
        assert np.allclose(y, net.outputs(x[:, None])[:, 0])
        totals = [ax for ax in figure.axes if len(ax.get_lines()) and ax is not figure.axes[-1]][-1]
        assert any(np.allclose(one.get_ydata(), y) for one in totals.get_lines() if len(one.get_ydata()) == len(y))


def test_a_grid_has_a_row_for_each_unit_or_for_each_layer(tmp_path):
    assert len(plots.unit_grid(random_net((1, 10, 1), 0), -1, 1).axes) == 10 * 4 + 1
    deep = plots.unit_grid(random_net((1, 5, 4, 1), 0), -1, 1)
    assert len(deep.axes) == 2 * 2 + 2 + 1
    save(deep, tmp_path)


def test_a_straight_path_has_a_row_of_its_own(tmp_path):
    builder = Builder((1,))
    bent = builder.fold(builder.affine(builder.input, np.array([[1.0]]), [0.0]), layer="hidden 1")
    straight = builder.affine(builder.input, np.array([[3.0]]))
    both = builder.total([builder.affine(bent, np.array([[2.0]]), [1.0]), straight])
    figure = plots.unit_grid(builder.finish(both), -1, 1)
    shown = [ax.get_ylabel() for ax in figure.axes if ax.get_ylabel() and ax.axison]
    assert shown == ["straight path", "unit 1", "output"]
    save(figure, tmp_path)


def test_units_without_a_crease_and_networks_without_units_are_drawn(tmp_path):
    save(plots.unit_grid(given(([[0.0, 1.0]], [1, 50]), ([[0.0], [0.0]], [0])), -1, 1), tmp_path)
    save(plots.unit_grid(given(([[2.0]], [1.0])), -1, 1), tmp_path)


def test_a_line_shows_outputs_kinks_creases_and_decisions(tmp_path):
    path = line(MANY, [-2, -2], [2, 2])
    ax = plots.pieces_along(path, model=MANY)
    curves = {one.get_label(): one for one in ax.get_lines()}
    for output, name in enumerate(MANY.output_names):
        t = curves[f"logit of {name}"].get_xdata()
        assert np.allclose(curves[f"logit of {name}"].get_ydata(), MANY.outputs(path.points(t))[:, output])
    marks = [place for label, one in curves.items() if label.startswith("creases of") for place in one.get_xdata()]
    assert sorted(marks) == path.ends[1:-1].tolist()
    borders = [one.get_xdata()[0] for one in ax.get_lines() if one.get_linestyle() == "--"]
    assert np.allclose(borders, path.classes().ends[1:-1])
    save(ax, tmp_path)


def test_a_line_along_one_input_is_in_its_unit():
    net = replace(BINARY, input_names=("age", "fare"))
    ax = plots.pieces_along(line(net, [-2, 1], [3, 1]), model=net)
    assert ax.get_xlabel() == "age"
    assert ax.get_xlim() == (-2, 3)
    assert ax.get_ylabel() == "logit of yes"
    assert {"not yes", "yes"} >= set(texts(ax)) != set()
    assert plots.pieces_along(line(net, [0, 0], [1, 1])).get_xlabel() == "share of the way from start to stop"


def test_curves_of_rows_and_their_mean_are_drawn_as_they_are(tmp_path):
    rows = np.random.default_rng(0).normal(size=(30, 2))
    curves, mean = ice(DEEP, rows, 0), partial_dependence(DEEP, rows, 0)
    ax = plots.ice_curves(curves, mean, data=rows[:, 0], name="age", output="price")
    ((drawn,), _) = segments_of(ax)
    assert len(drawn) == 30
    for number, points in enumerate(drawn):
        assert np.array_equal(points, np.column_stack([curves[number].t, curves[number].values]))
    thick = next(one for one in ax.get_lines() if one.get_label() == "mean of all rows")
    places = np.linspace(rows[:, 0].min(), rows[:, 0].max(), 50)
    wanted = np.mean([DEEP.outputs(np.column_stack([np.full(30, t), rows[:, 1]]))[:, 0] for t in places], axis=1)
    assert np.allclose(np.interp(places, thick.get_xdata(), thick.get_ydata()), wanted)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("age", "price")
    save(ax, tmp_path)


# -------------------------------------------------------------------------------------------------------- two inputs


def test_creases_lie_where_their_layer_folds_and_have_its_colour(tmp_path):
    ax = plots.creases(DEEP, SQUARE)
    drawn, collections = segments_of(ax)
    colours = depth_colours([1, 2])
    assert len(drawn) == 2
    for depth, segments, collection in zip((1, 2), drawn, collections, strict=True):
        units = DEEP.depths() == depth
        sums = DEEP.sums_of_units(np.mean(segments, axis=1))[:, units]
        assert np.abs(sums).min(axis=1).max() < 1e-12
        assert np.allclose(collection.get_color()[0][:3], colours[depth][:3])
    found = planes(DEEP, SQUARE)
    assert sum(map(len, drawn)) == (found.edge_units >= 0).sum()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["hidden 1 (6 units)", "hidden 2 (5 units)"]
    save(ax, tmp_path)


def test_a_badge_lies_on_the_crease_of_its_unit():
    ax = plots.creases(SURFACE, SQUARE, shade=True)
    badges = {text.get_text(): text.get_position() for text in ax.texts}
    assert sorted(badges) == ["1", "2", "3"]
    for name, place in badges.items():
        assert abs(SURFACE.sums_of_units([place])[0, int(name) - 1]) < 1e-12


def test_many_layers_have_a_bar_in_the_place_of_a_legend(tmp_path):
    ax = plots.creases(random_net((2, *[6] * 8, 1), 0, init="normal"), SQUARE)
    assert ax.get_legend() is None
    assert ax.figure.axes[-1].get_ylabel() == "layer"
    save(ax, tmp_path)


def test_creases_of_planes_that_are_known_and_of_data(tmp_path):
    found = planes(DEEP, [(-1, -1), (1, -1), (0, 1)])
    rows = np.random.default_rng(0).normal(size=(20, 2))
    save(plots.creases(found, data=rows), tmp_path)
    ax = plots.creases(DEEP, data=rows)
    low, high = rows[:, 0].min(), rows[:, 0].max()
    assert np.allclose(ax.get_xlim(), [low - 0.05 * (high - low), high + 0.05 * (high - low)])


def test_a_slice_through_two_columns_of_a_table(table, tmp_path):
    frame, _, model = table
    ax = plots.creases(model, x="age", y="fare", data=frame)
    assert ax.get_xlabel() == "age\nheld: town = Bonn"
    assert ax.get_ylabel() == "fare"
    (dots,) = [one for one in ax.get_lines() if len(one.get_xdata()) == 120]
    assert np.array_equal(dots.get_xdata(), frame["age"])
    save(ax, tmp_path)


def test_shading_by_value_is_exact_at_every_corner(tmp_path):
    found = planes(DEEP, SQUARE)
    values = found.vertex_outputs[:, 0]
    corners = triangles_of(found)
    points, heights = halved(found.vertices[corners], values[corners], np.ptp(values) / 24)
    assert np.allclose(heights.ravel(), DEEP.outputs(points.reshape(-1, 2))[:, 0])
    assert np.ptp(heights, axis=1).max() <= np.ptp(values) / 24
    sides = points[:, 1:] - points[:, :1]
    assert np.isclose(np.abs(np.linalg.det(sides)).sum() / 2, 16)
    ax = plots.regions(found)
    assert ax.get_title(loc="left").startswith(f"{found.n_regions} activation regions")
    save(ax, tmp_path)


def test_a_level_network_is_shaded(tmp_path):
    level = given(([[1.0], [1.0]], [0]), ([[0.0]], [3.0]))
    for by in ("output", "slope", "random"):
        save(plots.regions(planes(level, SQUARE), by=by), tmp_path)


def test_the_shade_of_a_region_is_the_length_of_its_gradient():
    found = planes(DEEP, SQUARE)
    (fills,) = (part for part in plots.regions(found, by="slope").collections if isinstance(part, PolyCollection))
    step = 1e-7 * np.eye(2)
    # Differences at centroids of regions that are large enough for them.
    large = np.flatnonzero(found.areas > 1e-3)
    ahead, here = (DEEP.outputs((found.centroids[large][:, None] + move).reshape(-1, 2)) for move in (step, 0 * step))
    steepness = np.linalg.norm((ahead - here).reshape(-1, 2) / 1e-7, axis=1)
    cmap, norm = value_shades(np.linalg.norm(found.coefs[:, 0], axis=1))
    assert np.allclose(fills.get_facecolor()[large], cmap(norm(steepness)), atol=0.02)


def test_neighbours_differ_in_a_patchwork():
    found = planes(DEEP, SQUARE)
    colours = patchwork(found)
    sides = found.edge_regions[(found.edge_regions >= 0).all(axis=1)]
    assert (colours[sides[:, 0]] != colours[sides[:, 1]]).any(axis=1).mean() > 0.99


@pytest.mark.parametrize("net", [BINARY, MANY], ids=["two classes", "three classes"])
def test_a_decision_map_is_filled_as_the_network_decides(net, tmp_path):
    found = planes(net, SQUARE)
    rows = np.random.default_rng(0).uniform(-2, 2, (60, 2))
    outputs = net.outputs(rows)
    decided = outputs.argmax(axis=1) if net.n_outputs > 1 else (outputs[:, 0] > 0).astype(int)
    ax = plots.decision_map(found, X=rows, y=decided)
    fills = next(part for part in ax.collections if isinstance(part, PolyCollection))
    for path, colour in zip(fills.get_paths(), fills.get_facecolor(), strict=True):
        at = net.outputs([path.vertices[:-1].mean(axis=0)])[0]
        code = int(at.argmax() if net.n_outputs > 1 else at[0] > 0)
        assert np.allclose(colour, to_rgba(tint(class_colour(code))))
    segments = np.array(next(part for part in ax.collections if isinstance(part, LineCollection)).get_segments())
    ends = np.sort(net.outputs(segments.reshape(-1, 2)), axis=1)
    assert np.abs(ends[:, -1] - (ends[:, -2] if net.n_outputs > 1 else 0)).max() < 1e-12
    parts = class_regions(found)
    assert ax.get_title(loc="left").split()[0] == str(parts.n_regions)
    said = [text.get_text() for text in ax.get_legend().get_texts()]
    assert len(said) == parts.n_classes
    assert all("% of the area" in text for text in said)
    save(ax, tmp_path)


def test_classes_are_told_by_name_or_by_number():
    found = planes(BINARY, SQUARE)
    rows = np.zeros((2, 2))
    named = plots.decision_map(found, X=rows, y=["no", "yes"], classes=["no", "yes"])
    numbered = plots.decision_map(found, X=rows, y=[0, 1], classes=["no", "yes"])
    for ax in (named, numbered):
        assert sum(isinstance(part, PathCollection) for part in ax.collections) == 2


def test_points_of_the_input_space_are_projected_onto_the_slice(tmp_path):
    net = replace(random_net((4, 6, 1), 0), link="logistic")
    found = planes(net, SQUARE, origin=[0, 0, 1, 1], directions=[[1, 0, 0, 0], [0, 1, 0, 0]])
    rows = np.random.default_rng(0).normal(size=(5, 4))
    ax = plots.decision_map(found, X=rows)
    (dots,) = (part for part in ax.collections if isinstance(part, PathCollection))
    assert np.allclose(dots.get_offsets(), rows[:, :2])
    assert ax.get_xlabel() == "$u$"
    save(ax, tmp_path)


@pytest.mark.parametrize("few", [30_000, 0], ids=["all regions", "only the border"])
def test_maps_of_a_slice_choose_what_is_cut(table, monkeypatch, tmp_path, few):
    frame, _, model = table
    cut = slice_of(model, "age", "fare", frame)
    for module in (columns, geometry_2d):
        monkeypatch.setattr(module, "FEW_REGIONS", few)
    ax = plots.decision_map(cut, X=cut.points)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("age", "fare")
    whole = plots.decision_map(cut.planes(), X=cut.points)
    assert ax.get_title(loc="left") == whole.get_title(loc="left")
    texts, expected = ([text.get_text() for text in one.get_legend().get_texts()] for one in (ax, whole))
    assert texts == expected
    shaded = plots.regions(cut)
    assert bool(shaded.images) == (few == 0)
    assert shaded.get_xlim() == pytest.approx(cut.window[0])
    save(ax, tmp_path)
    save(shaded, tmp_path)


# ------------------------------------------------------------------------------------------------------------- space


def test_a_surface_is_made_of_the_planes_of_the_network(tmp_path, monkeypatch):
    handed, take = [], Poly3DCollection.set_verts

    def keep(self, verts, closed=True):
        handed.extend(verts)
        take(self, verts, closed)

    monkeypatch.setattr(Poly3DCollection, "set_verts", keep)
    found = planes(SURFACE, SQUARE)
    ax = plots.surface(found)
    assert len(handed) == found.n_regions
    for region, corners in enumerate(handed):
        repeated = (corners == np.roll(corners, 1, axis=0)).all(axis=1)
        assert np.array_equal(corners[~repeated, :2], found.polygon(region))
        assert np.allclose(corners[:, 2], SURFACE.outputs(corners[:, :2])[:, 0])
    assert ax.get_title().endswith(f"{found.n_pieces} planes")
    save(ax, tmp_path)


@pytest.mark.parametrize("net", [SURFACE, random_net((2, 3, 2, 1), 0)], ids=["one layer", "two layers"])
def test_a_grid_of_surfaces_has_a_row_for_each_unit(net, tmp_path):
    figure = plots.surface_grid(net, SQUARE)
    assert len(figure.axes) == 4 * net.n_units + 3
    save(figure, tmp_path)


def test_a_crease_that_two_units_share_is_drawn_for_both():
    twins = given(([[1, -2], [1, -2]], [0.5, -1]), ([[1], [1]], [0]))
    figure = plots.surface_grid(twins, SQUARE)
    for ax in (figure.axes[2], figure.axes[6]):
        ((segments,), _) = segments_of(ax)
        assert np.allclose(np.sum(segments, axis=2), -0.5)
        assert np.isclose(np.linalg.norm(np.diff(segments, axis=1), axis=2).sum(), 3.5 * np.sqrt(2))


# ------------------------------------------------------------------------------------------------- studies and models


def test_nodes_against_layers_shows_every_network_and_the_bound(tmp_path):
    found = study([(2, 4, 1), (2, 3, 3, 1)], seeds=range(5))
    ax = plots.nodes_against_layers(found)
    dots = [np.asarray(part.get_offsets())[:, 1] for part in ax.collections if isinstance(part, PathCollection)]
    assert [sorted(one) for one in dots] == [sorted(one.n_pieces) for one in found.counts]
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["2-4-1\n12", "2-3-3-1\n18"]
    assert texts(ax) == [str(one.bounds.upper) for one in found.counts]
    save(ax, tmp_path)


def test_coefficients_are_shown_in_the_units_of_the_columns(reading, tmp_path):
    figure = plots.local_models(reading, n_planes=3)
    rows, table = figure.axes[:2]
    moves = np.asarray(table.images[0].get_array())
    names = [tick.get_text() for tick in table.get_yticklabels()]
    for row, name in enumerate(names):
        place = reading.columns.names.index(name)
        assert np.allclose(moves[row], reading.coefs[:3, 0, place] * reading.scales[place])
    assert rows.get_title() == f"120 rows in {reading.n_regions} planes"
    save(figure, tmp_path)


def test_the_bars_of_an_explanation_end_at_the_output(reading, tmp_path):
    found = reading.explain(3)
    for n_columns in (1, 2, 12):
        ax = plots.explanation(found, n_columns=n_columns)
        bars = ax.patches
        assert np.isclose(bars[0].get_x() if bars[0].get_width() >= 0 else bars[0].get_x() + 0, found.base)
        assert np.isclose(bars[-1].get_x() + bars[-1].get_width(), found.value)
        assert np.isclose(sum(bar.get_width() for bar in bars), found.contributions.sum())
        save(ax, tmp_path)


# --------------------------------------------------------------------------------------------------------- all of them


def test_pictures_draw_where_they_are_told_and_leave_pyplot_alone(reading):
    before = "matplotlib.pyplot" in sys.modules
    ax = Figure().subplots()
    found = planes(BINARY, SQUARE)
    assert plots.creases(found, ax=ax) is ax
    assert plots.regions(found, ax=ax) is ax
    assert plots.decision_map(found, ax=ax) is ax
    assert plots.pieces_along(line(BINARY, [0, 0], [1, 1]), ax=ax) is ax
    assert plots.explanation(reading.explain(0), ax=ax) is ax
    figure = Figure()
    assert plots.unit_grid(CURVE, -1, 1, figure=figure) is figure
    assert ("matplotlib.pyplot" in sys.modules) == before


@pytest.mark.parametrize(
    ("draw", "error", "said"),
    [
        (lambda: plots.unit_grid(SURFACE, -1, 1), DataError, "has 2 inputs"),
        (lambda: plots.unit_grid(CURVE, 1, -1), DataError, "low=1 and high=-1"),
        (lambda: plots.unit_grid(CURVE, -1, 1, output=1), ParameterError, "output=1 does not exist"),
        (lambda: plots.surface_grid(CURVE, SQUARE), DataError, "has 1 inputs"),
        (lambda: plots.surface_grid(DEEP, SQUARE), ParameterError, "has 11 units"),
        (lambda: plots.surface(planes(DEEP, SQUARE), output=-1), ParameterError, "output=-1"),
        (lambda: plots.creases(DEEP), DataError, "without a window"),
        (lambda: plots.creases(CURVE, SQUARE), DataError, "a top view shows two"),
        (lambda: plots.creases(DEEP, x=0, data=np.eye(2)), ParameterError, "are not two columns"),
        (lambda: plots.creases(DEEP, x=0, y=1), DataError, "without data"),
        (lambda: plots.regions(planes(DEEP, SQUARE), by="height"), ParameterError, "by='height'"),
        (lambda: plots.regions(planes(DEEP, SQUARE), output=1), ParameterError, "output=1"),
        (lambda: plots.decision_map(planes(BINARY, SQUARE), X=np.eye(2), y=[1]), DataError, "X has 2 rows"),
        (lambda: plots.decision_map(planes(BINARY, SQUARE), X=np.eye(2), y=["a", "b"]), DataError, "none of the"),
        (lambda: plots.decision_map(planes(BINARY, SQUARE), classes=["a"]), DataError, "classes has 1 names"),
        (lambda: plots.pieces_along(function(CURVE)), DataError, "without ends"),
        (lambda: plots.pieces_along(line(DEEP, [0, 0], [1, 1]), model=CURVE), DataError, "not cut from this"),
        (lambda: plots.pieces_along(line(DEEP, [0, 0], [1, 1]), outputs=[2]), ParameterError, "output=2"),
        (lambda: plots.pieces_along(line(DEEP, [0, 0], [1, 1]), classes=["a"]), DataError, "classes has 1"),
        (lambda: plots.ice_curves([]), DataError, "no curve"),
        (lambda: plots.nodes_against_layers(study([(2, 2, 1)], seeds=[0]), count="x"), ParameterError, "count='x'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, error, said):
    with pytest.raises(error, match=said):
        draw()


def test_local_models_and_explanations_of_nothing_are_refused(reading):
    for draw in (lambda: plots.local_models(reading, n_planes=0), lambda: plots.local_models(reading, output=3)):
        with pytest.raises(ParameterError):
            draw()
    with pytest.raises(ParameterError, match="n_columns=0"):
        plots.explanation(reading.explain(0), n_columns=0)
