"""The contract of `SoundClassifier`. None of scikit-learn's estimator checks apply: their tables are no sounds."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.io import wavfile
from sklearn.base import clone

from planefold import ImageClassifier, ImageRegressor, SoundClassifier
from planefold.core.errors import DataError, ParameterError, PlanefoldError
from planefold.data.sounds import read_sounds

RATE, N = 8000, 32
QUICK = {"rate": RATE, "max_iter": 2, "channels": (4,), "random_state": 0}
Y = np.arange(N) % 2
NAMES = np.array(["high", "low"])[1 - Y]


def make_waves(n_samples=1600):
    """Low and high tones in noise."""
    noise = np.random.default_rng(0).normal(0, 0.05, (N, n_samples))
    tones = np.sin(2 * np.pi * np.where(Y, 300, 1500)[:, None] * np.arange(n_samples) / RATE)
    return (0.5 * tones + noise).astype(np.float32)


X = make_waves()


def classifier(**parameters):
    return SoundClassifier(**{**QUICK, **parameters})


@pytest.fixture(scope="module")
def model():
    return classifier(max_iter=12, batch_size=8).fit(X, NAMES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("tones")
    paths = [f"wav/{name}/s{number // 4}_{number}.wav" for number, name in enumerate(NAMES)]
    for wave, path in zip(X, paths, strict=True):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        wavfile.write(root / path, RATE, wave)
    pd.DataFrame({"file": paths, "tone": NAMES}).to_csv(root / "tones.csv", index=False)
    return root


def test_it_learns(model):
    assert model.score(X, NAMES) > 0.9
    assert model.classes_.tolist() == ["high", "low"]


def test_folders_paths_tables_and_arrays_give_the_same_model(folder):
    by_folder = classifier().fit(folder / "wav")
    sounds = read_sounds(folder / "wav", rate=RATE)
    paths = [str(folder / "wav" / name) for name in sounds.files]
    expected = by_folder.decision_outputs(X)
    for twin in (
        classifier().fit(sounds),
        classifier().fit(sounds.waves, sounds.labels),
        classifier().fit(paths, sounds.labels),
        classifier().fit(pd.DataFrame({"file": paths, "tone": sounds.labels}), "tone"),
    ):
        assert np.array_equal(twin.decision_outputs(X), expected)
    assert by_folder.score(folder / "wav") == by_folder.score(folder / "tones.csv", "tone")
    with pytest.raises(DataError, match="X is no table"):
        classifier().fit(folder / "wav", "tone")


@pytest.mark.parametrize("feature", ["mel", "spectrogram", "chroma"])
def test_every_picture_of_sound_will_do(feature):
    model = classifier(feature=feature).fit(X, np.arange(N) % 3)
    assert model.predict_proba(X).shape == (N, 3)
    assert feature in model.summary()
    assert classifier(feature=feature, size=(16, 20)).fit(X, Y).size_ == (16, 20)


def test_sounds_of_other_lengths_and_rates_are_brought_to_the_model_s(model):
    assert model.seconds_ == 0.2
    assert (model.predict(make_waves(2400)) == NAMES).mean() > 0.9
    assert model.predict(X[:, :900]).shape == (N,)
    fast = read_sounds(np.repeat(X, 2, axis=1), rate=2 * RATE)
    assert (model.predict(fast) == NAMES).mean() > 0.9


def test_a_sound_is_answered_alike_alone_and_among_others(model):
    together = model.decision_outputs(X)
    alone = np.concatenate([model.decision_outputs(X[i : i + 1]) for i in range(N)])
    assert np.abs(together - alone).max() < 1e-5


def test_the_same_seed_gives_the_same_model():
    first, second, other = (classifier(random_state=seed).fit(X, Y).decision_outputs(X) for seed in (0, 0, 1))
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other)


def test_speakers_are_held_out_together(folder):
    names = read_sounds(folder / "wav", rate=RATE).files
    owner = np.array([name.split("/")[1].split("_")[0] for name in names])
    model = classifier(validation_fraction=0.3).fit(folder / "wav", groups=r"(s\d+)_")
    held = np.isin(np.arange(N), model._held_out)
    assert 0 < held.sum() < N
    assert not set(owner[held]) & set(owner[~held])


def test_validation_data_may_be_a_folder(folder):
    assert classifier().fit(X, NAMES, validation_data=folder / "wav").run_.n_val == N


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"feature": "mell"}, "did you mean 'mel'"),
        ({"rate": "fast"}, "rate='fast'"),
        ({"rate": 10}, "from 1,000"),
        ({"seconds": -1}, "seconds=-1"),
        ({"size": "auto"}, r"must be \(height, width\)"),
        ({"size": 16}, r"must be \(height, width\)"),
        ({"augment": "mask"}, r"augment=\['mask'\]"),
        ({"channels": (4,) * 9}, "which leaves nothing"),
    ],
)
def test_parameters_that_cannot_be_say_so(parameters, words):
    with pytest.raises(ParameterError, match=words):
        classifier(**parameters).fit(X, Y)


@pytest.mark.parametrize(
    ("sounds", "y", "words"),
    [
        (X, None, "does not say what"),
        (X, Y[:3], "y has 3"),
        (X, np.zeros(N), "one class only"),
        (X * np.nan, Y, "are nan"),
        (X.astype(np.int64), Y, "loudest value nobody knows"),
        (X[:, :20], Y, r"too small(.|\n)*size=\(40, 2\) enlarges"),
        ("missing", None, "missing does not exist"),
    ],
)
def test_data_that_cannot_be_used_say_so(sounds, y, words):
    with pytest.raises(PlanefoldError, match=words):
        classifier(channels="auto").fit(sounds, y)


def test_what_is_too_short_can_be_enlarged():
    assert classifier(channels="auto", size=(40, 2)).fit(X[:, :20], Y).size_ == (40, 2)


def test_silence_is_answered():
    assert classifier().fit(X * 0, Y).predict(X).shape == (N,)


def test_a_fit_that_fails_leaves_the_model_as_it_was():
    model = classifier().fit(X, NAMES)
    expected = model.decision_outputs(X)
    with pytest.raises(DataError):
        model.fit(make_waves(800), np.zeros(N))
    assert model.seconds_ == 0.2
    assert np.array_equal(model.decision_outputs(X), expected)


def test_clones_and_copies(model):
    assert clone(model).get_params() == model.get_params()
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert np.array_equal(twin.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize("estimator", [ImageClassifier, ImageRegressor, SoundClassifier])
def test_each_parameter_is_in_the_docstring(estimator):
    text = estimator.__doc__.split("Attributes\n---")[0]
    named = {word.strip() for line in text.splitlines() if not line.startswith(" ") for word in
             line.split(" : ")[0].split(",")}  # fmt: skip
    assert set(estimator().get_params()) - named <= {"validation_fraction"}
    assert "{" + "own}" not in estimator.__doc__
