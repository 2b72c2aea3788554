"""What draws plain numbers draws them as they are, and says what it cannot draw."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from planefold import plots
from planefold.core.errors import DataError, ParameterError
from planefold.plots.palette import CURVES
from planefold.plots.points_and_borders import cut


def drawn(ax):
    """Drawing finds what building does not: a missing glyph, a bad position."""
    ax.figure.draw_without_rendering()
    return ax


def texts(ax):
    return [text.get_text() for text in ax.texts]


def names_in_legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def box_of(ax, text):
    return next(found for found in ax.texts if found.get_text() == text).get_window_extent()


# --- lines


def test_lines_hold_the_numbers():
    x = np.linspace(-1, 1, 7)
    ax = drawn(plots.lines({"square": (x, x**2), "plain": [3, 1, 2]}, x="x", y="y", title="t", zero=True))
    curves = {line.get_label(): line for line in ax.lines}
    assert np.array_equal(curves["square"].get_xydata(), np.stack([x, x**2], axis=1))
    assert np.array_equal(curves["plain"].get_xydata(), [[0, 3], [1, 1], [2, 2]])
    assert curves["square"].get_linestyle() != curves["plain"].get_linestyle()
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("x", "y", "t")


def test_names_that_begin_with_an_underline_stay_out_of_the_legend():
    ax = plots.lines({"a": [1, 2], "": [2, 3], "_b": [3, 4]})
    assert names_in_legend(ax) == ["a"]
    assert plots.lines({"": [1, 2]}).get_legend() is None
    assert drawn(plots.lines({})).get_legend() is None


def test_dots_only_have_no_lines():
    both, only = plots.lines({"a": [1, 2]}, dots=True), plots.lines({"a": [1, 2]}, dots="only")
    assert both.lines[0].get_marker() == only.lines[0].get_marker() == "o"
    assert both.lines[0].get_linestyle() == "-"
    assert only.lines[0].get_linestyle() == "None"


def test_curves_look_like_the_paths_of_a_landscape_beside_them():
    walks = {name: np.zeros((2, 2)) + place for place, name in enumerate("abcde")}
    paths = plots.landscape(lambda p: p[0] + p[1], ((0, 5), (0, 5)), paths=walks).lines
    curves = plots.lines({name: [1, 2] for name in walks}, like_paths=True).lines
    expected = {line.get_label(): (line.get_color(), line.get_linestyle()) for line in paths}
    assert {line.get_label(): (line.get_color(), line.get_linestyle()) for line in curves} == {
        name: expected[name] for name in walks
    }


def test_a_single_number_and_gaps_are_drawn():
    ax = drawn(plots.lines({"one": [5.0], "gap": [1, np.nan, 2, np.inf]}))
    assert ax.lines[0].get_marker() == "o"


def test_marks_have_their_names_above_and_apart():
    ax = drawn(plots.lines({"a": np.arange(30)}, marks={"best epoch": 14, "stopped here": 16}, title="title"))
    uprights = [line.get_xdata()[0] for line in ax.lines if len(set(line.get_xdata())) == 1]
    assert uprights == [14, 16]
    first, second = box_of(ax, "best epoch"), box_of(ax, "stopped here")
    assert not first.overlaps(second)
    assert min(first.y0, second.y0) > ax.get_window_extent().y1
    assert ax.title.get_window_extent().y0 > max(first.y1, second.y1)


def test_logarithmic_axes_have_plain_numbers():
    ax = drawn(plots.lines({"a": ([1, 10, 1000], [0.01, 1, 20])}, log="xy"))
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert {"1", "10", "100", "1,000"} <= {label.get_text() for label in ax.get_xticklabels()}
    few = drawn(plots.lines({"a": ([2, 3, 7], [1, 2, 3])}, log="x"))
    assert {"2", "5"} <= {label.get_text() for label in few.get_xticklabels(which="minor")}


def test_powers_of_ten_are_written_in_one_way():
    ax = drawn(plots.lines({"a": [1, 1e-2, 1e-8]}, log="y"))
    ticks = {label.get_text() for label in ax.get_yticklabels()}
    assert {"1", "10⁻²", "10⁻⁸"} <= ticks
    assert "0.01" not in ticks


def test_whole_numbers_get_whole_ticks():
    ax = drawn(plots.lines({"loss": [3.0, 2, 1]}, x="epoch"))
    low, high = ax.get_xlim()
    ticks = [tick for tick in ax.get_xticks() if low <= tick <= high]
    assert ticks == [0, 1, 2]


@pytest.mark.parametrize("wrong", [([1, 2], [1, 2, 3]), np.ones((2, 2)), ([1, 2, 3], 4)])
def test_curves_of_unequal_length_are_an_error(wrong):
    with pytest.raises(DataError, match="curve 'bad'"):
        plots.lines({"bad": wrong})


def test_unknown_choices_are_an_error():
    with pytest.raises(ParameterError, match="log='z'"):
        plots.lines({"a": [1]}, log="z")
    with pytest.raises(ParameterError, match="dots='none'"):
        plots.lines({"a": [1]}, dots="none")


def lightness(colour):
    """Return CIE 1976 L*, from 0 (black) to 100 (white)."""
    linear = np.array([c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)])
    y = linear @ [0.2126, 0.7152, 0.0722]
    return 116 * np.cbrt(y) - 16 if y > 216 / 24389 else 24389 / 27 * y


def test_neighbouring_curves_differ_in_lightness():
    shades = [lightness(colour) for colour in CURVES]
    assert np.abs(np.diff(shades)).min() > 20
    assert max(shades) < 70  # seen on white


# --- bars and tables


def test_bars_are_as_high_as_their_numbers():
    ax = drawn(plots.bars({"plain": 0.5, "momentum": -1234, "broken": float("nan")}, y="loss"))
    assert [bar.get_height() for bar in ax.patches] == [0.5, -1234, 0]
    assert texts(ax) == ["0.5", "−1,234", "nan"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["plain", "momentum", "broken"]


def test_numbers_of_bars_stay_off_the_title():
    ax = drawn(plots.bars({"a": -9, "b": 0}, title="none above 0"))
    assert box_of(ax, "0").y1 < ax.title.get_window_extent().y0


@pytest.mark.parametrize("n", [3, 9])
def test_long_names_of_bars_do_not_touch(n):
    ax = drawn(plots.bars({f"{word} of the house": 1 for word in "abcdefghi"[:n]}))
    boxes = [label.get_window_extent() for label in ax.get_xticklabels()]
    slanted = ax.get_xticklabels()[0].get_rotation() > 0
    assert slanted or not any(a.overlaps(b) for a, b in itertools.pairwise(boxes))


@pytest.mark.parametrize("nothing", [{}, {"a": float("nan")}])
def test_no_bars_are_an_error(nothing):
    with pytest.raises(DataError, match="no bar"):
        plots.bars(nothing)


def test_a_table_shows_each_number_in_its_cell():
    table = np.array([[1.5, -2, np.nan], [-0.001, 1000, np.inf]])
    ax = drawn(plots.matrix(table, rows=["r", "s"], columns=["a", "b", "c"], digits=1))
    cells = {text.get_position(): text.get_text() for text in ax.texts}
    assert cells == {(0, 0): "1.5", (1, 0): "−2.0", (0, 1): "0.0", (1, 1): "1,000.0", (2, 1): "inf"}
    assert np.array_equal(ax.images[0].get_array().filled(np.nan)[:, :2], table[:, :2])
    blue, orange = ax.images[0].to_rgba([1000.0, -1000.0])
    assert blue[2] > blue[0]
    assert orange[0] > orange[2]


def test_the_title_of_a_table_stands_above_the_names():
    ax = drawn(plots.matrix([[1, 2]], columns=["first", "second"], title="weights"))
    names = ax.get_xticklabels()[0].get_window_extent()
    assert ax.title.get_window_extent().y0 >= names.y1
    assert names.y0 >= ax.get_window_extent().y1


def test_numbers_stay_out_of_cells_without_room():
    assert not plots.matrix(np.ones((40, 40))).texts
    assert len(plots.matrix(np.ones((5, 40)), numbers=True).texts) == 200
    assert not plots.matrix(np.ones((2, 2)), numbers=False).texts


@pytest.mark.parametrize("wrong", [[1, 2], np.ones((0, 3)), np.ones((2, 2, 2))])
def test_what_is_no_table_is_an_error(wrong):
    with pytest.raises(DataError, match="shape"):
        plots.matrix(wrong)


def test_names_must_be_as_many_as_rows_and_columns():
    with pytest.raises(DataError, match="2 names were given for 1 rows"):
        plots.matrix([[1, 2]], rows=["a", "b"])


# --- landscapes

BOWL = ((-2, 2), (-2, 2))


def bowl(p):
    return p[0] ** 2 + 2 * p[1] ** 2


def test_contour_lines_lie_at_their_heights_with_labels_inside_of_the_frame():
    ax = drawn(plots.landscape(bowl, BOWL, levels=[1, 4, 9]))
    (lines,) = [found for found in ax.collections if not found.get_facecolor().size]
    for height, path in zip([1, 4, 9], lines.get_paths(), strict=True):
        assert np.allclose(bowl(path.vertices.T), height, atol=0.01)
    labels = [text for text in ax.texts if text.get_text()]
    assert {text.get_text() for text in labels} <= {"1", "4", "9"}
    assert labels
    for text in labels:
        x, y = text.get_position()
        assert bowl((x, y)) == pytest.approx(float(text.get_text()), abs=0.05)
        assert max(abs(x), abs(y)) < 1.9


def test_paths_begin_with_a_ring_and_end_with_a_star():
    way = [[-1, -1], [0.5, 0], [0, 0]]
    ax = drawn(plots.landscape(bowl, BOWL, paths={"descent": way}))
    path, ring, star = ax.lines
    assert np.array_equal(path.get_xydata(), way)
    assert ring.get_xydata().tolist() == [[-1, -1]]
    assert (star.get_marker(), star.get_xydata().tolist()) == ("*", [[0, 0]])
    assert names_in_legend(ax) == ["descent"]


def test_arrows_have_their_tips_where_the_vectors_end_and_fit_in():
    ax = drawn(plots.landscape(bowl, BOWL, arrows={"gradient": ((1, 1), (2, 4)), "none": ((0, 0), (0, 0))}))
    (arrow,) = [text for text in ax.texts if getattr(text, "arrow_patch", None) is not None]
    assert arrow.xy == (3, 5)
    assert arrow.xyann == (1, 1)
    assert ax.get_xlim()[1] > 3
    assert ax.get_ylim()[1] > 5
    assert ax.get_xlim()[0] == -2  # only the side that needs it
    assert arrow.arrow_patch.get_window_extent().width > 10


def test_landscapes_with_holes_and_plains_are_drawn():
    with np.errstate(invalid="ignore"):
        drawn(plots.landscape(lambda p: np.sqrt(p[0]), BOWL))
    drawn(plots.landscape(lambda p: 0 * p[0], BOWL))
    drawn(plots.landscape(lambda p: p[0] + np.inf, BOWL, paths={"a": [[0, 0], [1, np.nan]]}))


def test_functions_and_paths_of_other_shapes_are_an_error():
    with pytest.raises(DataError, match="whole arrays"):
        plots.landscape(lambda p: 1.0, BOWL)
    with pytest.raises(DataError, match="path 'a' has the shape"):
        plots.landscape(bowl, BOWL, paths={"a": [1, 2, 3]})
    with pytest.raises(DataError, match="no finite points"):
        plots.landscape(bowl, BOWL, paths={"a": [[np.nan, 1]]})


# --- points and borders

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])


def test_points_are_drawn_by_class():
    ax = drawn(plots.points(CORNERS, [0, 0, 0, 1.0], names={1: "yes"}))
    by_name = {found.get_label(): np.asarray(found.get_offsets()) for found in ax.collections}
    assert np.array_equal(by_name["class 0"], CORNERS[:3])
    assert np.array_equal(by_name["yes"], CORNERS[3:])
    assert drawn(plots.points(CORNERS)).get_legend() is None


@pytest.mark.parametrize("w", [(2, 1), (-2, -1), (0, 3), (-1, 0), (1e-3, -1e-3)])
def test_normals_start_on_the_border_and_point_to_the_positive_side(w):
    b = -0.5 * sum(w)
    ax = drawn(plots.points(CORNERS, [0, 1, 1, 0], borders={"line": (w, b)}, normals=True))
    (line,) = [found for found in ax.lines if found.get_label() == "line"]
    assert np.allclose(line.get_xydata() @ w + b, 0)
    (arrow,) = [text for text in ax.texts if text.get_text() == "" and text.arrow_patch is not None]
    foot, tip = np.array(arrow.xyann), np.array(arrow.xy)
    assert foot @ w + b == pytest.approx(0, abs=1e-9)
    assert tip @ w + b > 0
    assert np.cross([*w, 0], [*(tip - foot), 0])[2] == pytest.approx(0, abs=1e-9)  # along w: at a right angle
    assert arrow.arrowprops["arrowstyle"] == "-|>"  # the head is at the tip
    label = next(text for text in ax.texts if text.get_text() == "w")
    assert label.xy == tuple(tip)
    frame = ax.get_window_extent()
    assert frame.x0 < label.get_window_extent().x0 < frame.x1
    assert frame.y0 < label.get_window_extent().y0 < frame.y1


def test_borders_outside_of_the_window_and_without_direction_draw_nothing():
    ax = drawn(plots.points(CORNERS, borders={"far": ((1, 1), 50), "none": ((0, 0), 1)}, normals=True))
    assert {line.get_label(): len(line.get_xydata()) for line in ax.lines} == {"far": 0}
    assert not ax.texts


def test_lines_are_cut_at_the_frame():
    frame = np.array([[0.0, 0.0], [2.0, 1.0]])
    assert cut(np.array([1.0, 0.0]), -0.5, frame).tolist() == [[0.5, 0], [0.5, 1]]
    assert cut(np.array([1.0, -1.0]), 0.0, frame).tolist() == [[0, 0], [1, 1]]
    assert not len(cut(np.array([1.0, 1.0]), 1.0, frame))


def test_one_point_none_and_unknown_ones_are_drawn():
    low, high = drawn(plots.points([[3, 4]])).get_xlim()
    assert low < 3 < high
    drawn(plots.points([[0, 0], [np.nan, 1], [0, 2]], [0, 1, 1]))
    drawn(plots.points(np.zeros((0, 2)), window=((0, 1), (0, 1)), borders={"a": ((1, 1), -1)}, normals=True))
    with pytest.raises(DataError, match="no point to draw"):
        plots.points(np.zeros((0, 2)))


def test_axes_of_other_units_are_not_forced_to_one_scale():
    rows = np.column_stack([np.arange(5.0), 1000 * np.arange(5.0)])
    assert plots.points(rows).get_aspect() == "auto"
    assert plots.points(CORNERS).get_aspect() == 1


def test_points_of_other_shapes_are_an_error():
    with pytest.raises(DataError, match="two numbers"):
        plots.points([[1, 2, 3]])
    with pytest.raises(DataError, match="y has the shape"):
        plots.points(CORNERS, [0, 1])


# --- diagrams


def circles(ax):
    return [line for line in ax.lines if line.get_marker() == "o"]


def links(ax):
    return [line for line in ax.lines if len(line.get_xdata()) == 2]


def test_a_diagram_has_a_circle_for_each_unit_and_a_line_for_each_weight():
    ax = drawn(plots.diagram([2, 3, 1], names=["inputs", "hidden", "output"], title="2-3-1"))
    assert len(circles(ax)) == 6
    assert len(links(ax)) == 9
    assert texts(ax) == ["inputs", "hidden", "output"]


def test_weights_stand_on_their_lines_and_say_their_sign():
    first = np.array([[1.5, 0.0, -2.0], [0.25, 3.0, -0.5]])
    ax = drawn(plots.diagram([2, 3, 1], weights=[first, np.array([[1], [2], [4]])], biases=[[0, -1, 2], [0.5]]))
    assert len(links(ax)) == 8  # 0 is no line
    assert [text for text in texts(ax) if "b" not in text] == ["1.5", "−2", "0.25", "3", "−0.5", "1", "2", "4"]
    assert [text for text in texts(ax) if "b" in text] == ["b = 0", "b = −1", "b = 2", "b = 0.5"]
    dashed = [line.get_color() for line in links(ax) if line.get_linestyle() == "--"]
    assert len(dashed) == 2
    assert len(set(dashed)) == 1
    widths = [line.get_linewidth() for line in links(ax)]
    assert np.argmax(widths) == 7


@pytest.mark.parametrize("sizes", [(2, 3, 1), (3, 3, 2), (2, 2, 2), (4, 3, 2), (2, 4, 1)])
def test_numbers_on_crossing_lines_do_not_touch(sizes):
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=pair).round(2) for pair in itertools.pairwise(sizes)]
    ax = drawn(plots.diagram(sizes, weights=weights))
    boxes = [text.get_window_extent() for text in ax.texts]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_units_that_are_off_have_no_lines():
    ax = drawn(plots.diagram([2, 3, 1], off=[(1, 0)], values=[["a", "b"], [1, 2, 3], ["y"]]))
    assert len(links(ax)) == 6
    assert texts(ax) == ["a", "b", "2", "3", "y"]


def test_names_stand_under_the_circles_and_in_the_figure():
    ax = drawn(plots.diagram([8, 12, 8, 1], names=["inputs", "first hidden layer", "second hidden layer", "output"]))
    lowest = min(line.get_window_extent().y0 for line in circles(ax))
    for text in ax.texts:
        box = text.get_window_extent()
        assert 0 <= box.y0 < box.y1 <= lowest
        assert 0 <= box.x0 < box.x1 <= ax.figure.bbox.x1


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"weights": [np.ones((3, 2))]}, "weights of shapes"),
        ({"biases": [[1, 2]]}, "biases do not fit"),
        ({"values": [[1], [2, 3, 4]]}, "values do not fit"),
        ({"names": ["a"]}, "1 names do not fit 2 layers"),
    ],
)
def test_what_does_not_fit_the_layers_is_an_error(wrong, message):
    with pytest.raises(DataError, match=message):
        plots.diagram([2, 3], **wrong)


@pytest.mark.parametrize("sizes", [[], [2, 0, 1]])
def test_no_network_is_an_error(sizes):
    with pytest.raises(DataError, match="cannot be drawn"):
        plots.diagram(sizes)
