"""Boards: panels, letters, legends in free places, and files that are whole or not there."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from matplotlib.image import imread

from planefold import plots
from planefold.core.errors import FileError, ParameterError
from planefold.plots.boards import wrapped
from planefold.plots.style import written


def test_panels_share_a_figure_and_come_row_after_row():
    found = plots.panels(3, 2)
    assert len(found) == 6
    assert len({ax.figure for ax in found}) == 1
    found[0].figure.draw_without_rendering()
    lefts = [ax.get_position().x0 for ax in found]
    assert lefts[0] < lefts[1] < lefts[2]
    assert lefts[3] == pytest.approx(lefts[0])
    assert found[0].get_position().y0 > found[3].get_position().y0


@pytest.mark.parametrize("wrong", [{"n_columns": 0}, {"n_rows": -1}, {"n_columns": 1.5}])
def test_no_panels_are_an_error(wrong):
    with pytest.raises(ParameterError, match="whole number above 0"):
        plots.panels(**wrong)


@pytest.mark.parametrize("ending", ["png", "svg", "pdf"])
def test_pictures_of_each_format_are_written(tmp_path, ending):
    path = plots.save(plots.lines({"a": [1, 2]}), tmp_path / f"picture.{ending}")
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    assert path.read_bytes().startswith(starts[ending])


def test_a_saved_picture_is_white_and_as_large_as_asked_for(tmp_path):
    ax = plots.lines({"a": [1, 2]})
    ax.figure.set_facecolor("black")
    pixels = imread(plots.save(ax, tmp_path / "picture.png", dpi=50))
    assert pixels.shape[:2] == (210, 320)  # 6.4 x 4.2 inches
    assert (pixels[0, :, :3] == 1).all()
    assert (pixels[..., 3] == 1).all()


def test_figures_and_axes_are_saved_alike(tmp_path):
    ax = plots.bars({"a": 1})
    one, other = plots.save(ax, tmp_path / "1.png"), plots.save(ax.figure, tmp_path / "2.png")
    assert one.read_bytes() == other.read_bytes()


def test_a_failed_save_leaves_what_was_there(tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b"before")
    ax = plots.lines({"a": [1, 2]})
    ax.set_title(r"$\nosuchthing$")  # cannot be drawn
    with pytest.raises(ValueError, match="nosuchthing"):
        plots.save(ax, path)
    assert path.read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["picture.png"]


def test_what_cannot_be_saved_says_why(tmp_path):
    ax = plots.lines({"a": [1, 2]})
    with pytest.raises(ParameterError, match=r"end it with \.png"):
        plots.save(ax, tmp_path / "picture.docx")
    with pytest.raises(ParameterError, match="a list is not a picture"):
        plots.save(plots.panels(2), tmp_path / "picture.png")
    with pytest.raises(FileError):
        plots.save(ax, tmp_path / "no" / "such" / "folder.png")


def overlap(ax):
    """Return how many drawn points lie under the legend."""
    ax.figure.draw_without_rendering()
    box = ax.get_legend().get_window_extent()
    spots = np.concatenate([ax.transData.transform(line.get_xydata()) for line in ax.lines])
    return int(((spots > box.min) & (spots < box.max)).all(axis=1).sum())


def test_the_legend_lies_inside_where_there_is_room():
    x = np.linspace(0, 1, 500)
    ax = plots.lines({"down": (x, 1 - x)})
    assert overlap(ax) == 0
    assert ax.get_legend().get_window_extent().y0 > ax.get_window_extent().y0


def test_a_legend_without_a_free_place_is_below():
    x = np.linspace(0, 1, 5000)
    ax = plots.lines({"all over the place": (x, np.sin(400 * x))}, x="time (s)")
    assert overlap(ax) == 0
    assert ax.get_legend().get_window_extent().y1 < ax.xaxis.label.get_window_extent().y0
    assert ax.get_legend().get_window_extent().y0 > 0  # and within the figure


def test_letters_are_large_enough():
    ax = plots.lines({"a": [1, 2]}, x="time", y="loss", title="title")
    sizes = [ax.title.get_fontsize(), ax.xaxis.label.get_fontsize(), ax.get_xticklabels()[0].get_fontsize()]
    shrunk = 13 / 2.54 / ax.figure.get_figwidth()
    assert min(sizes) * shrunk > 7


def test_long_titles_go_on_in_the_next_line_and_stay_in_the_figure():
    ax = plots.panels(2)[0]
    plots.lines({"a": [1, 2]}, title="many words about what can be seen in this picture of two curves", ax=ax)
    assert "\n" in ax.get_title()
    ax.figure.draw_without_rendering()
    box = ax.title.get_window_extent()
    assert box.x0 >= 0
    assert box.y1 <= ax.figure.bbox.y1
    assert wrapped(r"$a long formula$ of words", 20, 10) == r"$a long formula$ of words"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"), (-0.0, "0"), (1, "1"), (-1.5, "−1.5"), (1234, "1,234"), (1234.5678, "1,235"),
        (0.00012345, "0.000123"), (9.996, "10"), (99.96, "100"), (0.1 + 0.2, "0.3"),
        (1e-7, "10⁻⁷"), (-2.5e-7, "−2.5·10⁻⁷"), (4e12, "4·10¹²"),
        (float("nan"), "nan"), (float("-inf"), "−inf"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_people_write_them(value, text):
    assert written(value) == text


def test_large_numbers_stand_in_full_at_the_axis():
    ax = plots.lines({"price": [0, 20_000, 40_000]})
    ax.figure.draw_without_rendering()
    assert "20,000" in [label.get_text() for label in ax.get_yticklabels()]
    assert not ax.yaxis.get_offset_text().get_text()


def test_pyplot_stays_out():
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
