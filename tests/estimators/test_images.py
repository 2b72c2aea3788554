"""The contract of `ImageClassifier` and `ImageRegressor`: what they take, what they refuse, and what stays as it was.

None of scikit-learn's estimator checks apply: they give tables, and these take pictures, of three or four axes.
"""

from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from planefold import ImageClassifier, ImageRegressor
from planefold.core.errors import DataError, ParameterError, PlanefoldError
from planefold.data.images import read_pictures
from planefold.estimators.images import automatic_channels

QUICK = {"max_iter": 2, "channels": (4,), "random_state": 0}
N = 40
Y = np.arange(N) % 2
NAMES = np.array(["cat", "dog"])[Y]


def make_pixels(side=8):
    """Noise; those of the second class are bright on the left."""
    X = np.random.default_rng(0).integers(0, 100, (N, side, side)).astype(np.uint8)
    X[Y == 1, :, : side // 2] += 120
    return X


X = make_pixels()


def classifier(**parameters):
    return ImageClassifier(**{**QUICK, **parameters})


def regressor(**parameters):
    return ImageRegressor(**{**QUICK, **parameters})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Forty pictures of ten animals, four of each, in a folder for each kind; and a table that names them."""
    root = tmp_path_factory.mktemp("animals")
    paths = [f"pics/{name}/p{number // 4}_{number}.png" for number, name in enumerate(NAMES)]
    for pixels, path in zip(X, paths, strict=True):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / path)
    table = pd.DataFrame({"file": paths, "kind": NAMES, "age": Y * 2.5})
    table.to_csv(root / "animals.csv", index=False)
    return root


@pytest.fixture(scope="module")
def model():
    return classifier(max_iter=6).fit(X, NAMES)


# ------------------------------------------------------------------------------------------------------- what it takes


def test_parameters_are_kept_as_given_and_cloned():
    made = classifier(channels=[4, 8], class_weight={"cat": 2})
    assert clone(made).get_params() == made.get_params()
    assert made.set_params(dropout=0.3).get_params()["dropout"] == 0.3
    assert clone(regressor(loss="huber")).loss == "huber"


@pytest.mark.parametrize(
    "given", [X, X[..., None], X.astype(float), X / 255.0, X.reshape(N, -1), X.astype(np.int64), X.tolist()],
    ids=["uint8", "channel", "0..255", "0..1", "flat", "int64", "lists"],
)  # fmt: skip
def test_arrays_of_every_kind_give_the_same_model(given, model):
    twin = classifier(max_iter=6).fit(given, NAMES)
    assert np.array_equal(twin.decision_outputs(X), model.decision_outputs(X))


def test_folders_paths_tables_and_pictures_give_the_same_model(folder):
    by_folder = classifier().fit(folder / "pics")
    read = read_pictures(folder / "pics")
    paths = [folder / "pics" / name for name in read.files]
    frame = pd.DataFrame({"file": [str(path) for path in paths], "kind": read.labels})
    expected = by_folder.decision_outputs(X)
    for twin in (
        classifier().fit(read),
        classifier().fit(str(folder / "pics"), read.labels),
        classifier().fit(paths, read.labels),
        classifier().fit(frame, "kind"),
        classifier().fit(read.pixels, read.labels),
    ):
        assert np.array_equal(twin.decision_outputs(X), expected)
    assert by_folder.classes_.tolist() == ["cat", "dog"]
    assert by_folder.score(folder / "pics") == by_folder.score(X, NAMES)
    assert by_folder.score(folder / "animals.csv", "kind") == by_folder.score(X, NAMES)


def test_a_column_that_is_named_is_the_target(folder):
    model = regressor().fit(folder / "animals.csv", "age")
    assert model.predict(folder / "animals.csv").shape == (N,)
    with pytest.raises(DataError, match="colour"):
        regressor().fit(folder / "animals.csv", "colour")
    for source in (folder / "pics", X):
        with pytest.raises(DataError, match="name of a column, and X is no table"):
            classifier().fit(source, "kind")


def test_classes_are_two_or_several_and_labels_of_any_kind():
    for y in (Y, NAMES, Y == 1, np.arange(N) % 3, np.array(["a", "b", "c"])[np.arange(N) % 3]):
        model = classifier().fit(X, y)
        p = model.predict_proba(X)
        assert p.shape == (N, len(np.unique(y)))
        assert np.allclose(p.sum(axis=1), 1, atol=1e-6)
        assert np.array_equal(model.classes_, np.unique(y))
        assert set(model.predict(X)) <= set(np.unique(y))


def test_several_labels_of_a_picture():
    model = classifier().fit(X, np.column_stack([Y, 1 - Y, Y]))
    assert model.predict(X).shape == (N, 3)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "poisson"])
def test_numbers_are_told_one_or_several_a_picture(loss):
    one = regressor(loss=loss, max_iter=20, batch_size=8).fit(X, Y * 4.0)
    assert one.predict(X).shape == (N,)
    assert one.score(X, Y * 4.0) > 0.3
    several = regressor(loss=loss).fit(X, np.column_stack([Y, 2.0 - Y]))
    assert several.predict(X).shape == (N, 2)


def test_it_learns(model):
    assert classifier(max_iter=12, batch_size=8).fit(X, NAMES).score(X, NAMES) > 0.9


def test_colours_are_used_and_made_grey_where_the_model_is():
    colours = np.zeros((N, 8, 8, 3), np.uint8)
    colours[Y == 0, ..., 0] = colours[Y == 1, ..., 2] = 200
    model = classifier(max_iter=12, batch_size=8).fit(colours, Y)
    assert model.color_ == "rgb"
    assert model.score(colours, Y) == 1
    assert model.predict(X).shape == (N,)  # grey ones as well
    grey = classifier(color="grey").fit(colours, Y)
    assert grey.mean_.shape == (1,)
    as_rgb = np.repeat(X[..., None], 3, axis=3)
    assert np.array_equal(grey.decision_outputs(as_rgb), grey.decision_outputs(X))


@pytest.mark.parametrize("side", [2, 3, 4, 5, 6, 7, 9])
def test_small_pictures_have_a_network_that_fits(side):
    model = ImageClassifier(max_iter=1, random_state=0).fit(make_pixels(9)[:, :side, :], Y)
    assert model.predict_proba(make_pixels(9)[:3, :side]).shape == (3, 2)
    assert automatic_channels((1, side, 9))


# ------------------------------------------------------------------------------------------------------------- weights


def test_class_weights_act_as_weights_of_rows():
    more = {"early_stopping": False, "batch_size": 1000, "dropout": 0.0, "batch_norm": False, "alpha": 0.0}
    y = np.where(np.arange(N) < 30, "many", "few")
    with pytest.warns(UserWarning, match="batch_size"):
        weighted = classifier(**more, class_weight={"few": 2}).fit(X, y)
    with pytest.warns(UserWarning, match="batch_size"):
        by_rows = classifier(**more).fit(X, y, sample_weight=np.where(y == "few", 2, 1))
    with pytest.warns(UserWarning, match="batch_size"):
        plain = classifier(**more).fit(X, y)
    assert np.allclose(weighted.decision_outputs(X), by_rows.decision_outputs(X), atol=1e-6)
    assert (weighted.predict_proba(X)[:, 0] > plain.predict_proba(X)[:, 0]).mean() > 0.9  # "few" comes first


def test_the_loss_of_weighted_classes_is_that_of_repeated_rows():
    still = {"batch_size": N, "early_stopping": False, "dropout": 0.0, "batch_norm": False, "alpha": 0.0, "max_iter": 1,
             "learning_rate_init": 1e-12}  # fmt: skip
    y = np.where(np.arange(N) < 30, "many", "few")
    model = classifier(**still, class_weight={"few": 2}).fit(X, y)
    again = np.concatenate([np.arange(N), np.flatnonzero(y == "few")])
    p = model.predict_proba(X)[np.arange(N), (y == "many").astype(int)]
    assert model.run_.epochs[-1].train_loss == pytest.approx(-np.log(p[again]).mean(), rel=1e-5)


def test_balanced_weights_make_classes_count_alike():
    y = np.arange(N) < 30
    model = classifier(class_weight="balanced").fit(X, y)
    assert np.allclose(model._class_weights, [N / 2 / 10, N / 2 / 30])


def test_a_picture_of_weight_0_is_not_learned_from():
    y = Y.copy()
    wrong = np.arange(N) % 5 == 0
    y[wrong] = 1 - y[wrong]
    model = classifier(max_iter=12, batch_size=8, batch_norm=False, early_stopping=False).fit(
        X, y, sample_weight=1.0 - wrong
    )
    assert (model.predict(X) == Y).mean() > 0.9


# -------------------------------------------------------------------------------------------------- held out, and given


@pytest.mark.parametrize("groups", [np.arange(N) // 4, [f"p{n // 4}" for n in range(N)]], ids=["numbers", "texts"])
def test_no_group_is_on_both_sides(groups):
    model = classifier(validation_fraction=0.3).fit(X, Y, groups=groups)
    held = {groups[row] for row in model._held_out}
    learned = {groups[row] for row in range(N) if row not in set(model._held_out.tolist())}
    assert held
    assert not held & learned


@pytest.mark.parametrize("rule", [r"p(\d+)_", r"p\d+_", lambda name: name.split("/")[1].split("_")[0]])
def test_groups_are_found_in_the_names_of_files(folder, rule):
    pictures = read_pictures(folder / "pics")
    owner = np.array([name.split("/")[1].split("_")[0] for name in pictures.files])
    model = classifier(validation_fraction=0.3).fit(folder / "pics", groups=rule)
    held = np.zeros(N, bool)
    held[model._held_out] = True
    assert 0 < held.sum() < N
    assert not set(owner[held]) & set(owner[~held])


@pytest.mark.parametrize(
    ("groups", "words"),
    [(r"q(\d+)_", "does not match the name of cat/p0_0.png"), ("q((", "no regular expression"), ([1, 2], "shape"),
     ([1] * N, "one group only")],
)  # fmt: skip
def test_groups_that_cannot_be_used(folder, groups, words):
    with pytest.raises(PlanefoldError, match=words):
        classifier().fit(folder / "pics", groups=groups)
    with pytest.raises(DataError, match="rule on the names of files, and these rows have none"):
        classifier().fit(X, Y, groups="p")


def test_validation_data_may_be_a_pair_or_a_folder(folder):
    pair = classifier().fit(folder / "pics", validation_data=(X, NAMES))
    alone = classifier().fit(folder / "pics", validation_data=folder / "pics")
    assert pair.run_.n_val == alone.run_.n_val == N
    assert pair.run_.n_train == N
    assert pair.validation_scores_ == alone.validation_scores_
    with pytest.raises(ParameterError, match="no pair"):
        classifier().fit(X, Y, validation_data=(X, Y, Y))
    with pytest.raises(DataError) as caught:
        classifier().fit(X, Y, validation_data=(X, Y[:3]))
    assert "while reading validation_data" in caught.value.__notes__


# ------------------------------------------------------------------------------------------------------------- chance


@pytest.mark.parametrize("augment", [None, ("shift", "flip", "zoom", "turn", "noise")])
def test_the_same_seed_gives_the_same_model_and_nothing_else_changes(augment):
    torch_state, numpy_state = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, second, other = (classifier(random_state=seed, augment=augment).fit(X, Y) for seed in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    assert np.array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert np.array_equal(first.decision_outputs(X), second.decision_outputs(X))
    assert not np.array_equal(first.decision_outputs(X), other.decision_outputs(X))


def test_what_is_given_is_not_changed():
    mine, labels = X.copy(), NAMES.copy()
    classifier(augment=("shift", "noise", "turn")).fit(mine, labels).predict(mine)
    assert np.array_equal(mine, X)
    assert np.array_equal(labels, NAMES)


# ---------------------------------------------------------------------------------------------------------- prediction


def test_a_picture_is_answered_alike_alone_and_among_others(model):
    together = model.decision_outputs(X)
    alone = np.concatenate([model.decision_outputs(X[i : i + 1]) for i in range(N)])
    assert np.abs(together - alone).max() < 1e-6
    many = model.decision_outputs(np.tile(X, (15, 1, 1)))  # in pieces
    assert np.abs(many.reshape(15, N, -1) - together).max() < 1e-6


@pytest.mark.parametrize("top", [1.0, 255.0])
def test_what_is_white_was_said_by_the_training_pictures(top):
    model = classifier(max_iter=4).fit(X * (top / 255), Y)
    assert model.white_ == top
    dark = np.full((1, 8, 8), 1.0)
    dark[0, 0, 0] = 0.0
    expected = model.decision_outputs((dark * 255 / top).astype(np.uint8))
    assert np.array_equal(model.decision_outputs(dark), expected)
    if top == 1:
        with pytest.raises(DataError, match="another scale"):
            model.predict(X.astype(float))


def test_sixteen_bits_stay_sixteen_bits():
    model = classifier().fit(X.astype(np.uint16) * 257, Y)
    assert model.white_ == 65535
    dark = X[:1] // 20
    assert np.array_equal(model.decision_outputs(dark.astype(np.uint16) * 257), model.decision_outputs(dark))


def test_pictures_of_another_size_are_brought_to_the_model_s(model):
    large = np.kron(X, np.ones((1, 2, 2), np.uint8))
    assert np.array_equal(model.decision_outputs(large), model.decision_outputs(read_pictures(large, size=(8, 8))))
    assert (model.predict(large) == model.predict(X)).mean() > 0.9


def test_before_it_is_fitted():
    with pytest.raises(NotFittedError):
        classifier().predict(X)
    with pytest.raises(DataError, match="no picture in it"):
        classifier().fit(X, Y).predict(X[:0])


# --------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"channels": "large"}, "channels='large' must be 'auto' or whole numbers"),
        ({"channels": 7}, "one for each block"),
        ({"channels": ()}, "one for each block"),
        ({"channels": (4, 0)}, "above 0"),
        ({"channels": (4, 4.5)}, "whole numbers"),
        ({"channels": (4, 4, 4, 4)}, r"halves pictures of 8 x 8 4 times(.|\n)*at most 3 blocks"),
        ({"channels": (10**9,)}, r"makes a network of .* parameters"),
        ({"convolutions": "many"}, "convolutions='many'"),
        ({"convolutions": (1, 2)}, "does not fit channels"),
        ({"convolutions": 10**9}, "more than 1,000 layers"),
        ({"kernel_size": "3"}, "odd whole number"),
        ({"kernel_size": 4}, "must be odd"),
        ({"kernel_size": 10001}, "reaches beyond pictures"),
        ({"dropout": "some"}, "dropout='some'"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"activation": "logistic"}, "choose one of: 'relu', 'leaky_relu', 'tanh'"),
        ({"size": "big"}, "size='big' is no size"),
        ({"color": "gray"}, "did you mean 'grey'"),
        ({"augment": "shift"}, r"must be a list of changes(.|\n)*augment=\['shift'\]"),
        ({"augment": ["trun"]}, "did you mean 'turn'"),
        ({"solver": "lbfgs"}, "adamw"),
        ({"max_iter": 0}, "max_iter=0"),
        ({"class_weight": {"cow": 1}}, "no class of the target"),
    ],
)
def test_parameters_that_cannot_be_say_so(parameters, words):
    with pytest.raises(ParameterError, match=words):
        classifier(**parameters).fit(X, NAMES)


def test_losses_that_are_none():
    with pytest.raises(ParameterError, match="did you mean 'huber'"):
        regressor(loss="hubre").fit(X, Y)


@pytest.mark.parametrize(
    ("pictures", "y", "words"),
    [
        (X, None, "does not say what the pictures show"),
        (X, Y[:5], r"X has 40 rows, y has 5"),
        (X, np.where(Y == 1, np.nan, 0.0), "NaN"),
        (X, np.zeros(N), "one class only"),
        (X[:2], Y[:2], "too few"),
        (X, np.arange(N) == 3, "too few"),
        (X[:, :1, :1], Y, r"pictures of 1 x 1 pixels are too small(.|\n)*size=\(2, 2\) enlarges"),
        (X[0, 0], Y, "shape"),
        (X * np.nan, Y, "no numbers"),
        (X[:0], Y[:0], "no picture"),
        (object(), Y, "is no pictures"),
        ("missing/folder", None, "there is no missing/folder"),
    ],
)
def test_data_that_cannot_be_used_say_so(pictures, y, words):
    channels = "auto" if "too small" in words else (4,)
    with pytest.raises(PlanefoldError, match=words):
        classifier(channels=channels).fit(pictures, y)


def test_numbers_that_are_none():
    with pytest.raises(DataError, match="'cat' is not a number"):
        regressor().fit(X, NAMES)
    with pytest.raises(DataError, match="at least 0"):
        regressor(loss="poisson").fit(X, Y - 1.0)
    with pytest.raises(DataError, match="NaN"):
        regressor().fit(X, np.where(Y == 1, np.nan, 0.0))


def test_an_empty_folder_and_folders_of_one_class(folder, tmp_path):
    for name in ("cat", "dog", "cow"):
        (tmp_path / "pics" / name).mkdir(parents=True)
    with pytest.raises(DataError, match="3 folders are empty"):
        classifier().fit(tmp_path / "pics")
    Image.fromarray(X[0]).save(tmp_path / "pics" / "cat" / "1.png")
    Image.fromarray(X[1]).save(tmp_path / "pics" / "cat" / "2.png")
    with (
        pytest.warns(UserWarning, match="no pictures in the folders cow, dog"),
        pytest.raises(DataError, match="one class only: 'cat'"),
    ):
        classifier().fit(tmp_path / "pics")
    (tmp_path / "pics" / "cow" / "bad.png").write_text("no picture")
    with (
        pytest.warns(UserWarning, match="no pictures in the folder dog"),
        pytest.raises(DataError, match=r"cow/bad\.png"),
    ):
        classifier().fit(tmp_path / "pics")


def test_a_fit_that_fails_leaves_the_model_as_it_was():
    model = classifier().fit(X, NAMES)
    expected, kept = model.decision_outputs(X), sorted(model.__dict__)
    large = np.zeros((4, 20, 20, 3), np.uint8)
    large[..., 0] = 7
    for y in (np.zeros(4), [1, 2], None):
        with pytest.raises(DataError):
            model.fit(large, y)
    assert sorted(model.__dict__) == kept
    assert model.size_ == (8, 8)
    assert np.array_equal(model.decision_outputs(X), expected)


# ------------------------------------------------------------------------------------------------------------ training


def test_a_second_fit_forgets_the_first():
    model = classifier().fit(make_pixels(12), Y)
    model.fit(X, NAMES)
    assert np.array_equal(model.decision_outputs(X), classifier().fit(X, NAMES).decision_outputs(X))
    assert len(model.loss_curve_) == 2


def test_epochs_callbacks_and_words(capsys):
    seen = []
    model = classifier(max_iter=3, verbose=True, callbacks=[seen.append]).fit(X, Y)
    assert [epoch.epoch for epoch in seen if epoch.epoch] == [1, 2, 3]
    assert model.n_iter_ == len(model.loss_curve_) == len(model.validation_scores_) == 3
    assert "Iteration 3, loss = " in capsys.readouterr().out
    classifier().fit(X, Y)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("n_pictures", "n_epochs"), [(50, 60), (64 * 40, 30), (64 * 10_000, 10)])
def test_epochs_are_chosen_by_the_number_of_pictures(n_pictures, n_epochs):
    rows = SimpleNamespace(n_rows=n_pictures)
    assert ImageClassifier()._plan(rows, None).max_iter == n_epochs


def test_ctrl_c_keeps_what_was_reached():
    def interrupt(epoch):
        if epoch.epoch == 2:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted by user"):
        model = classifier(max_iter=5, callbacks=[interrupt]).fit(X, Y)
    assert model.run_.stopped_because == "interrupted"
    assert model.n_iter_ == 2
    assert model.predict(X).shape == (N,)


def test_a_rate_that_is_too_high_says_so():
    with pytest.warns(ConvergenceWarning) as told:
        classifier(learning_rate_init=1e20, solver="sgd", learning_rate="constant", batch_norm=False, max_iter=5).fit(
            X, Y
        )
    assert any("learning_rate_init" in str(warning.message) for warning in told)


def test_copies_answer_alike(model):
    expected = model.predict_proba(X)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert np.array_equal(twin.predict_proba(X), expected)
        assert twin.run_.n_train == model.run_.n_train


def test_it_says_what_is_wrong_and_what_it_is(model, folder):
    assert "grey pictures of 8 x 8 pixels" in model.summary()
    assert str(model.diagnose())
    assert str(classifier().fit(folder / "pics").diagnose(folder / "pics"))
    assert f"{model.n_parameters_:,} parameters" in model.summary()
