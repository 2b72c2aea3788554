"""Models of pictures read exactly: against torch's derivatives, the matrices' reader, and brute force."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

import planefold.reading.picture_paths as paths
from planefold.core.errors import DataError, NotPiecewiseLinearError, ParameterError
from planefold.estimators.images import ImageClassifier, ImageRegressor
from planefold.networks.cnn import CNNSpec
from planefold.reading import between, from_model, line, local_picture


def digits():
    data = load_digits()
    return (data.images * 15.9).astype(np.uint8), data.target


X, Y = digits()


@pytest.fixture(scope="module")
def tiny():
    return ImageClassifier(channels=(4, 6), max_iter=2, random_state=0).fit(X[:400], Y[:400])


def own(model, pictures):
    """The model's outputs in float64, by its own module, not by anything of the reading."""
    pixels = np.asarray(pictures, dtype=np.float64).reshape(-1, *model.size_, len(model.mean_))
    rows = (pixels / 255 - model.mean_.astype(float)) / model.scale_.astype(float)
    module = copy.deepcopy(model.net_.module).double().eval()
    with torch.no_grad():
        return module(torch.from_numpy(rows).permute(0, 3, 1, 2)).numpy()


def variant(model, **how):
    """The same model with another network, of random weights and running statistics."""
    made = copy.copy(model)
    channels = len(model.mean_)
    spec = {"input_shape": (channels, *model.size_), "n_outputs": 10, "channels": (4, 6)} | how
    made.net_ = CNNSpec(**spec).build(np.random.RandomState(3))
    generator = torch.Generator().manual_seed(0)
    for layer in made.net_.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.3, generator=generator)
            layer.running_var.uniform_(0.5, 2, generator=generator)
            layer.bias.data.normal_(0, 0.3, generator=generator)
    return made


VARIANTS = {
    "default": {},
    "leaky": {"activation": "leaky_relu"},
    "no batch norm": {"batch_norm": False},
    "average": {"pool": "average"},
    "global max": {"global_pool": "max"},
    "leaky, global max": {"activation": "leaky_relu", "global_pool": "max", "convolutions": (1, 2)},
    "one block": {"channels": (5,), "convolutions": 2, "kernel_size": 5},
}


# ------------------------------------------------------------------------------------------------------ the whole


def test_the_affine_form_takes_pixels_and_gives_the_models_outputs(tiny):
    net = from_model(tiny)
    assert net.input_shape == (8, 8)
    assert net.link == "softmax"
    assert net.output_names == tuple("0123456789")
    assert np.abs(net.outputs(X[:50]) - tiny.decision_outputs(X[:50])).max() < 1e-4
    assert np.allclose(net.outputs(X[:50]), own(tiny, X[:50]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_way_is_what_the_reader_of_matrices_finds(tiny, name):
    model = variant(tiny, **VARIANTS[name])
    path, exact = between(model, X[3], X[8]), line(model, X[3], X[8]).merged()
    merged = path.line.merged()
    assert path.line.certificate.exact
    assert merged.n_pieces == exact.n_pieces
    assert np.allclose(merged.ends, exact.ends, rtol=0, atol=1e-11)
    assert np.allclose(merged.values, exact.values, rtol=0, atol=1e-11)
    assert np.allclose(path.line.classes().ends, exact.classes().ends, rtol=0, atol=1e-10)


def test_between_breaks_the_network_is_affine(tiny):
    path = between(tiny, X[3], X[8])
    ends = path.ends
    pieces = np.flatnonzero(np.diff(ends) > 1e-7)
    for share in (0.1, 0.5, 0.9):
        t = ends[pieces] * (1 - share) + ends[pieces + 1] * share
        shown = np.stack([path.picture(float(place)) for place in t])
        straight = path.values[pieces] * (1 - share) + path.values[pieces + 1] * share
        assert np.abs(own(tiny, shown) - straight).max() < 1e-9
        assert np.abs(path(t) - straight).max() < 1e-9


def test_brute_force_finds_no_bend_that_is_not_listed(tiny):
    path = between(tiny, X[3], X[8])
    t = np.linspace(0, 1, 4001)
    values = own(tiny, X[3] + t[:, None, None] * (X[8].astype(float) - X[3]))
    bent = np.abs(np.diff(values, 2, axis=0)).max(axis=1) > 1e-10
    listed = np.searchsorted(t, path.ends[1:-1])  # the first place behind each
    near = np.zeros(len(t) + 1, dtype=bool)
    near[listed] = near[listed - 1] = True
    assert bent.sum() > 50
    assert near[1:-1][: len(bent)][bent].all()


@pytest.mark.parametrize(("a", "b"), [(0, 1), (3, 8), (10, 22)])
def test_borders_are_where_the_class_changes(tiny, a, b):
    path = between(tiny, X[a], X[b])
    t = np.linspace(0, 1, 2001)
    said = tiny.classes_[path(t).argmax(axis=1)]
    changes = np.flatnonzero(said[1:] != said[:-1])
    assert len(path.borders) >= len(changes)
    for place in changes:
        assert any(t[place] - 1e-9 <= border.t <= t[place + 1] + 1e-9 for border in path.borders)
    for border in path.borders:
        outputs = own(tiny, path.picture(border.t)[None])[0]
        tie = np.sort(outputs)[-2:]
        assert tie[1] - tie[0] < 1e-9
        assert {border.before, border.after} <= set(tiny.classes_.tolist())


def test_a_way_is_the_same_in_few_and_in_many_parts(tiny, monkeypatch):
    whole = between(tiny, X[3], X[8])
    monkeypatch.setattr(paths, "NUMBERS_AT_ONCE", 2000)
    parts = between(tiny, X[3], X[8])
    assert np.allclose(whole.ends, parts.ends, rtol=0, atol=1e-12)
    assert np.allclose(whole.values, parts.values, rtol=0, atol=1e-12)
    assert np.array_equal(whole.layers, parts.layers)


def test_even_pictures_make_no_breaks_out_of_rounding(tiny):
    # Of an even grey that grows, all inner units of a channel are equal: ties everywhere.
    path = between(tiny, np.zeros((8, 8)), np.full((8, 8), 255.0)).line
    other = line(tiny, np.zeros((8, 8)), np.full((8, 8), 255.0)).merged()  # which may count a break twice here
    t = np.linspace(0, 1, 5001)
    assert np.allclose(path(t), other(t), rtol=0, atol=1e-12)
    assert path.merged().n_pieces == path.n_regions <= other.n_pieces
    assert all(np.abs(path.ends - end).min() < 1e-11 for end in other.ends)


def test_coloured_pictures_are_read(tmp_path):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (60, 9, 12, 3), dtype=np.uint8)
    labels = np.where(pictures[..., 0].mean(axis=(1, 2)) > 127, "red", "not")
    model = ImageClassifier(channels=(3, 4), max_iter=1, random_state=0).fit(pictures, labels)
    net = from_model(model)
    assert net.input_shape == (9, 12, 3)
    assert np.abs(net.outputs(pictures[:9]) - model.decision_outputs(pictures[:9])).max() < 1e-4
    path = between(model, pictures[0], pictures[1])
    assert path.picture(0.5).shape == (9, 12, 3)
    exact = line(model, pictures[0], pictures[1]).merged()
    assert np.allclose(path.line.merged().ends, exact.ends, rtol=0, atol=1e-11)
    said = model.predict(np.stack([pictures[0], pictures[1]]))
    assert len(path.borders) % 2 == (said[0] != said[1])
    plane = local_picture(model, pictures[0], "red")
    assert plane.output == pytest.approx((2 * (model.classes_[1] == "red") - 1) * own(model, pictures[:1])[0, 0])


def test_numbers_are_read_in_their_unit():
    target = 1000 + 50 * X[:300].mean(axis=(1, 2))
    model = ImageRegressor(channels=(4, 4), max_iter=3, random_state=0).fit(X[:300], target)
    assert np.allclose(from_model(model).outputs(X[:9])[:, 0], model.predict(X[:9]), rtol=1e-5)
    assert local_picture(model, X[5]).output == pytest.approx(model.predict(X[5:6])[0], rel=1e-5)
    path = between(model, X[5], X[6])
    assert path.borders == ()
    assert path.values[[0, -1], 0] == pytest.approx(model.predict(X[5:7]), rel=1e-5)


# ------------------------------------------------------------------------------------------------------- one plane


def test_a_plane_is_the_derivative_and_adds_up(tiny):
    picture = np.random.default_rng(0).uniform(0, 255, (8, 8))
    plane = local_picture(tiny, picture, 4)
    there = torch.from_numpy(picture).requires_grad_(True)
    module = copy.deepcopy(tiny.net_.module).double().eval()
    outputs = module(((there / 255 - float(tiny.mean_[0])) / float(tiny.scale_[0]))[None, None])
    outputs[0, 4].backward()
    assert np.abs(plane.weights - there.grad.numpy()).max() < 1e-12
    assert not plane.on_crease
    assert abs((plane.weights * picture).sum() + plane.intercept - float(outputs[0, 4].detach())) < 1e-9


@pytest.mark.parametrize("number", range(6))
def test_weights_times_pixels_add_up_to_the_output(tiny, number):
    plane = local_picture(tiny, X[number])
    outputs = own(tiny, X[number : number + 1])[0]
    assert plane.name == f"logit of {tiny.predict(X[number : number + 1])[0]}"
    assert abs(plane.contributions.sum() + plane.intercept - outputs.max()) < 1e-6
    assert plane.output == pytest.approx(outputs.max(), abs=1e-9)


def test_the_plane_of_a_picture_on_a_crease_is_one_that_meets_it(tiny):
    black = np.zeros((8, 8))  # even areas tie in each pooling
    plane = local_picture(tiny, black, 0)
    assert plane.on_crease
    assert plane.output == pytest.approx(own(tiny, black[None])[0, 0], abs=1e-12)
    # It is the network itself on a short way in one direction.
    net = from_model(tiny)
    direction = np.random.default_rng(0).uniform(0.5, 1.0, (8, 8))
    direction *= np.random.default_rng(1).choice([-1.0, 1.0], (8, 8))
    near = black + 1e-5 * direction
    assert abs(net.outputs(near[None])[0, 0] - (plane.weights * near).sum() - plane.intercept) < 1e-9


def test_one_class_against_another(tiny):
    outputs = own(tiny, X[:1])[0]
    plane = local_picture(tiny, X[0], 3, against=8)
    assert plane.output == pytest.approx(outputs[3] - outputs[8], abs=1e-9)
    assert plane.name == "logit of 3 minus that of 8"


# -------------------------------------------------------------------------------------------------------- refusals


def test_tanh_is_refused_by_name():
    model = ImageClassifier(channels=(4, 6), activation="tanh", max_iter=1, random_state=0).fit(X[:100], Y[:100])
    for read in (lambda: from_model(model), lambda: between(model, X[0], X[1]), lambda: local_picture(model, X[0])):
        with pytest.raises(NotPiecewiseLinearError, match="tanh"):
            read()


def test_bad_pictures_are_refused(tiny):
    with pytest.raises(DataError, match=r"shape \(9, 8\)"):
        local_picture(tiny, np.zeros((9, 8)))
    with pytest.raises(DataError, match="stop has the shape"):
        between(tiny, X[0], np.zeros((8, 8, 3)))
    with pytest.raises(DataError, match="not finite"):
        local_picture(tiny, np.full((8, 8), np.nan))
    with pytest.raises(DataError, match="the same"):
        between(tiny, X[0], X[0])
    with pytest.raises(ParameterError, match="output=17"):
        local_picture(tiny, X[0], 17)
    with pytest.raises(ParameterError, match="no fitted model"):
        local_picture(ImageClassifier(), X[0])
    with pytest.raises(ParameterError, match="not fitted"):
        from_model(ImageClassifier())
    with pytest.raises(ParameterError, match="not on the way"):
        between(tiny, X[0], X[1]).picture(2.0)


def test_too_many_pieces_are_refused_with_what_would_do(tiny):
    with pytest.raises(ParameterError, match=r"has about [\d,]+ pieces") as caught:
        between(tiny, X[3], X[8], most_pieces=10)
    assert "fewer channels" in str(caught.value.hint)


# ------------------------------------------------------------------------------------------------------------ parts


@settings(max_examples=60)
@given(st.integers(1, 6), st.integers(1, 4), st.integers(0, 10_000), st.booleans())
def test_breaks_are_those_of_the_largest(n_compared, n_units, seed, whole):
    rng = np.random.default_rng(seed)
    compared = rng.normal(size=(2, n_compared, n_units))
    if whole:  # with ties
        compared = np.rint(compared * 2)
    pieces, shares = paths._breaks(compared)
    assert (pieces == 0).all()
    t = np.linspace(0, 1, 1001)
    for unit in range(n_units):
        heights = compared[0, :, unit] + t[:, None] * (compared[1, :, unit] - compared[0, :, unit])
        bent = np.flatnonzero(np.abs(np.diff(heights.max(axis=1), 2)) > 1e-12) + 1
        for place in bent:
            assert (np.abs(shares - t[place]) <= 0.0011).any()
    for share in shares:  # each is a bend of some unit
        around = np.array([-1e-4, 0, 1e-4]) + share
        heights = compared[0] + around[:, None, None] * (compared[1] - compared[0])
        assert np.abs(np.diff(heights.max(axis=1), 2, axis=0)).max() > 1e-9


def test_the_default_network_on_28_pixels(data_dir):
    with np.load(data_dir / "mnist_12k" / "mnist_12k.npz") as held:
        pictures, labels = held["X_train"][:300], held["y_train"][:300]
    model = ImageClassifier(max_iter=1, random_state=0).fit(pictures, labels)
    path = between(model, pictures[0], pictures[1])
    assert path.line.certificate.exact
    assert path.n_pieces > 1000
    plane = local_picture(model, pictures[0])
    assert abs(plane.contributions.sum() + plane.intercept - own(model, pictures[:1]).max()) < 1e-6
