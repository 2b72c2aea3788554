"""Pictures, filters, feature maps, planes and ways: figures of the right parts, and refusals in words."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from planefold import plots
from planefold.core.errors import DataError, ParameterError
from planefold.estimators.images import ImageClassifier, ImageRegressor
from planefold.plots.galleries import filters_of, maps_of
from planefold.reading import between, local_picture

DIGITS = load_digits()
X = (DIGITS.images * 15.9).astype(np.uint8)


@pytest.fixture(scope="module")
def model():
    return ImageClassifier(channels=(4, 6), max_iter=1, random_state=0).fit(X[:200], DIGITS.target[:200])


@pytest.fixture(scope="module")
def colours():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (40, 8, 12, 3), dtype=np.uint8)
    target = pictures.mean(axis=(1, 2, 3))
    return ImageRegressor(channels=(3, 4), max_iter=1, random_state=0).fit(pictures, target), pictures


def shown(ax):
    return np.asarray(ax.images[0].get_array())


@pytest.mark.parametrize("n", [1, 2, 7])
def test_each_picture_has_a_place_and_its_title(n, tmp_path):
    figure = plots.pictures(X[:n], titles=[f"digit {k}" for k in DIGITS.target[:n]], title="Digits")
    assert len(figure.axes) == n
    assert [ax.get_title() for ax in figure.axes] == [f"digit {k}" for k in DIGITS.target[:n]]
    for ax, picture in zip(figure.axes, X[:n], strict=True):
        assert np.array_equal(shown(ax), picture)
        assert ax.images[0].get_clim() == (0, 255)
    assert plots.save(figure, tmp_path / "digits.png").stat().st_size > 1000


def test_pictures_may_be_coloured_fractions_or_one_alone(colours):
    assert shown(plots.pictures(colours[1][:3]).axes[0]).shape == (8, 12, 3)
    fractions = shown(plots.pictures(X[0] / 255.0).axes[0])
    assert fractions.min() == 0
    assert fractions.max() == 255


def test_what_are_no_pictures_is_refused():
    with pytest.raises(DataError, match=r"\(5,\)"):
        plots.pictures(np.zeros(5))
    with pytest.raises(DataError, match="titles"):
        plots.pictures(X[:3], titles=["a"])
    with pytest.raises(ParameterError, match="more than can be seen"):
        plots.pictures(X[:500])
    with pytest.raises(ParameterError, match="columns=0"):
        plots.pictures(X[:3], columns=0)


def test_filters_are_the_weights_of_the_first_convolution(model, colours):
    weights = model.net_.module[0].weight.detach().numpy()
    figure = plots.filters(model)
    assert len(figure.axes) == 4
    for ax, weight in zip(figure.axes, weights, strict=True):
        assert np.allclose(shown(ax), weight[0])
    assert filters_of(colours[0]).shape == (3, 3, 3, 3)
    assert shown(plots.filters(colours[0]).axes[0]).shape == (3, 3, 3)
    with pytest.raises(ParameterError, match="no fitted model"):
        plots.filters(ImageClassifier())


def test_feature_maps_are_what_the_engine_sees_of_a_block(model, colours):
    found = maps_of(model, X[7])
    assert [(name, maps.shape) for name, maps in found] == [("block 1", (4, 8, 8)), ("block 2", (6, 4, 4))]
    from planefold.data.images.pictures import PictureStore

    row = PictureStore(X[7:8, ..., None], model.mean_, model.scale_).take_rows(slice(None))
    looked = model.net_.look(row)[1]  # one for each activation: of block 2 the second of two convolutions
    assert np.allclose(found[0][1], looked[0][0].detach().numpy(), atol=1e-6)
    assert np.allclose(found[1][1], looked[2][0].detach().numpy(), atol=1e-6)
    figure = plots.feature_maps(model, X[7], n_maps=3)
    visible = [ax for ax in figure.axes if ax.get_visible()]
    assert len(visible) == 1 + 2 * 3
    assert len(plots.feature_maps(colours[0], colours[1][0]).axes) == 2 * (1 + 4)
    with pytest.raises(DataError, match="8 x 8"):
        plots.feature_maps(model, np.zeros((5, 5), np.uint8))
    with pytest.raises(ParameterError, match="n_maps"):
        plots.feature_maps(model, X[0], n_maps=0)


def test_a_plane_is_drawn_as_picture_weights_and_parts(model, colours, tmp_path):
    local = local_picture(model, X[3])
    figure = plots.local_picture(local)
    drawn = [shown(ax) for ax in figure.axes if ax.get_title()]
    assert np.array_equal(drawn[0], X[3])
    assert np.allclose(drawn[1], local.weights)
    assert np.allclose(drawn[2], local.contributions)
    of_colours = plots.local_picture(local_picture(colours[0], colours[1][0]))
    plots.save(of_colours, tmp_path / "plane.svg")


def test_a_way_is_drawn_with_its_borders(model, colours):
    path = between(model, X[0], X[1])
    figure = plots.picture_path(path)
    curve = figure.axes[-1]
    assert len(figure.axes) == 6
    assert np.array_equal(shown(figure.axes[0]), X[0])
    assert np.array_equal(shown(figure.axes[4]), X[1])
    dashed = [line.get_xdata()[0] for line in curve.lines if line.get_linestyle() == "--"]
    assert dashed == [border.t for border in path.borders]
    with pytest.raises(ParameterError, match="output 12"):
        plots.picture_path(path, outputs=[12])
    of_numbers = between(colours[0], colours[1][0], colours[1][1])
    assert len(plots.picture_path(of_numbers).axes) == 6
