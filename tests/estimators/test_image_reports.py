"""`judge` and `report` of models of pictures and sounds: what they take, what they say, what they refuse."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import planefold
from planefold.core.errors import DataError, ParameterError
from planefold.data.images import read_pictures
from planefold.estimators import judge, report
from planefold.estimators.images import ImageClassifier, ImageRegressor
from planefold.reports import to_json
from planefold.reports.pixel_baselines import fit_pixel_baselines, small_pixels

DIGITS = load_digits()
X, Y = (DIGITS.images * 15.9).astype(np.uint8), DIGITS.target


@pytest.fixture(scope="module")
def model():
    return ImageClassifier(channels=(8, 16), max_iter=5, random_state=0).fit(X[:900], Y[:900])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Three classes of digits in colour, some in test; with names that a page must not take for its own."""
    root = tmp_path_factory.mktemp("folders")
    for part, rows in (("train", slice(0, 120)), ("test", slice(120, 180))):
        for number, (picture, label) in enumerate(zip(X[rows], Y[rows] % 3, strict=True)):
            folder = root / part / f"class {label}"
            folder.mkdir(parents=True, exist_ok=True)
            coloured = np.stack([picture, picture // (1 + label), picture // 2], axis=-1).astype(np.uint8)
            Image.fromarray(coloured).save(folder / f"<b>{number}&.png")
    return root


def test_a_classifier_is_judged_against_what_fits_pictures(model):
    found = judge(model, X[1200:], Y[1200:], train=(X[:900], Y[:900]))
    assert found.task == "multiclass"
    assert found.n_rows == len(X) - 1200
    assert next(iter(found.baselines)) == "majority class"
    assert set(found.baselines) == {"majority class", "logistic regression on pixels", "nearest neighbour on pixels"}
    assert found.headline.value == pytest.approx(model.score(X[1200:], Y[1200:]))
    strong = list(found.baselines)[1]
    assert max(metric.value for metric in found.baselines.values()) == found.baselines[strong].value
    assert "pictures it had not seen" in found.verdict
    assert "on pixels" in found.reasons[1]
    assert "row" not in found.verdict + " ".join(found.reasons)
    assert "boosting" not in found.verdict


def test_baselines_agree_with_scikit_learn_on_the_same_pixels():
    from sklearn.neighbors import KNeighborsClassifier

    found = fit_pixel_baselines(task="multiclass", X_train=X[:500], y_train=Y[:500], X_test=X[1000:])
    scale = np.where(X[:500].std(axis=0) > 0, X[:500].std(axis=0), 1)
    flat = (X.astype(float) - X[:500].mean(axis=0)) / scale
    nearest = KNeighborsClassifier(1).fit(flat[:500].reshape(500, -1), Y[:500])
    said = nearest.predict(flat[1000:].reshape(len(X) - 1000, -1))
    assert (found["nearest neighbour on pixels"][0] == said).mean() > 0.995  # float32 may break a tie otherwise
    linear, proba = found["logistic regression on pixels"]
    assert (linear == Y[1000:]).mean() > 0.85
    assert np.allclose(proba.sum(axis=1), 1)


def test_small_pixels_are_means_of_what_they_cover():
    picture = np.random.default_rng(0).integers(0, 256, (2, 32, 64, 3), dtype=np.uint8)
    by_hand = picture.reshape(2, 16, 2, 16, 4, 3).mean(axis=(2, 4)).transpose(0, 3, 1, 2).reshape(2, -1)
    assert np.allclose(small_pixels(picture), by_hand, atol=1e-3)
    assert small_pixels(X[:3]).shape == (3, 64)


def test_a_baseline_of_one_class_is_the_trivial_rule_alone():
    found = fit_pixel_baselines(task="binary", X_train=X[:9], y_train=np.zeros(9, int), X_test=X[:3])
    assert set(found) == {"majority class"}


def test_a_report_holds_its_pictures_and_its_twin_does_not(model, tmp_path):
    data = report(model, tmp_path / "digits.html", X[1200:], Y[1200:], train=(X[:900], Y[:900]))
    html = (tmp_path / "digits.html").read_text("utf-8")
    n_wrong = int((model.predict(X[1200:]) != Y[1200:]).sum())
    assert data.pictures["n_wrong"] == n_wrong
    assert len(data.pictures["wrong"]) == min(24, n_wrong)
    sources = re.findall(r'<img src="([^"]*)"', html)
    assert len(sources) > 30
    assert all(source.startswith(("data:image/png;base64,", "data:image/jpeg;base64,")) for source in sources)
    assert sum(map(len, sources)) <= 300_000
    text = json.dumps(to_json(data))
    assert "base64" not in text
    assert '"truth"' in text
    assert "seen" in html
    for heading in ("The pictures", "What the first layer looks for", "One picture, read exactly"):
        assert heading in html
    assert "gradient boosting" not in html


def test_the_worst_errors_come_first_and_are_the_models_own(model, tmp_path):
    data = report(model, tmp_path / "digits.html", X[1200:], Y[1200:], rows=np.arange(1200, len(X)))
    proba = model.predict_proba(X[1200:])
    truth = proba[np.arange(len(proba)), Y[1200:]]
    wrong = np.flatnonzero(model.predict(X[1200:]) != Y[1200:])
    order = wrong[np.argsort(truth[wrong], kind="stable")][:24]
    assert [one["name"] for one in data.pictures["wrong"]] == [f"number {1200 + row}" for row in order]
    for one, row in zip(data.pictures["wrong"], order, strict=True):
        assert one["truth"] == str(Y[1200 + row])
        assert one["probability"] == pytest.approx(proba[row].max())
    assert all(one["truth"] == one["prediction"] for one in data.pictures["right"])
    assert {one["truth"] for one in data.pictures["right"]} == {str(digit) for digit in range(10)}


def test_folders_need_no_target_and_their_names_are_escaped(folders, tmp_path):
    model = ImageClassifier(channels=(4, 6), max_iter=2, random_state=0).fit(folders / "train")
    (folders / "test" / "class 0" / "empty.png").write_bytes(b"")
    with pytest.warns(UserWarning, match="left out"):
        pictures = read_pictures(folders / "test", errors="skip")
    data = report(model, tmp_path / "page.html", pictures, train=folders / "train")
    html = (tmp_path / "page.html").read_text("utf-8")
    assert data.pictures["n_skipped"] == 1
    assert "empty.png" in html
    assert "<b>1&" not in html
    assert "&lt;b&gt;" in html
    assert data.rows["train"] == 120
    assert data.rows["test"] == 60
    assert any("class 0" in note for note in data.notes)
    (folders / "test" / "class 0" / "empty.png").unlink()
    assert judge(model, folders / "test").n_rows == 60


def test_two_classes_and_numbers_have_reports(tmp_path):
    binary = ImageClassifier(channels=(4, 6), max_iter=2, random_state=0).fit(X[:300], Y[:300] > 4)
    data = report(binary, tmp_path / "binary.html", X[300:400], Y[300:400] > 4, train=(X[:300], Y[:300] > 4))
    assert data.task == "binary"
    assert data.evaluation.headline.name == "ROC AUC"
    target = X.mean(axis=(1, 2))
    numbers = ImageRegressor(channels=(4, 6), max_iter=2, random_state=0).fit(X[:300], target[:300])
    data = report(numbers, tmp_path / "numbers.html", X[300:400], target[300:400], train=(X[:300], target[:300]))
    assert set(data.evaluation.baselines) == {"mean", "ridge regression on pixels", "nearest neighbours on pixels"}
    assert data.pictures["n_wrong"] is None
    off = [abs(one["truth"] - one["prediction"]) for one in data.pictures["wrong"]]
    assert off == sorted(off, reverse=True)
    assert "Furthest off" in (tmp_path / "numbers.html").read_text("utf-8")


def test_a_network_without_planes_has_a_report_that_says_so(tmp_path):
    model = ImageClassifier(channels=(4, 6), activation="tanh", max_iter=1, random_state=0).fit(X[:200], Y[:200])
    report(model, tmp_path / "tanh.html", X[200:300], Y[200:300])
    html = (tmp_path / "tanh.html").read_text("utf-8")
    assert "cannot be read" in html
    assert "tanh" in html


def test_a_model_from_a_file_has_the_same_report(model, tmp_path):
    saved = model.save(tmp_path / "digits.fold")
    loaded = planefold.load(saved)
    ours = report(model, tmp_path / "a.html", X[1500:], Y[1500:])
    theirs = report(loaded, tmp_path / "b.html", X[1500:], Y[1500:], model_path=saved)
    assert theirs.evaluation.headline == ours.evaluation.headline
    assert [one["name"] for one in theirs.pictures["wrong"]] == [one["name"] for one in ours.pictures["wrong"]]
    assert list(theirs.hashes) == ["digits.fold"]


def test_sounds_have_reports(tmp_path):
    from planefold.estimators.sounds import SoundClassifier

    rng = np.random.default_rng(0)
    t = np.arange(4000) / 8000
    label = np.arange(60) % 3
    waves = np.sin(2 * np.pi * np.array([300, 900, 2000])[label][:, None] * t) + rng.normal(0, 1.5, (60, 4000))
    waves = waves.astype(np.float32)
    model = SoundClassifier(rate=8000, channels=(4, 6), max_iter=2, random_state=0).fit(waves[:40], label[:40])
    data = report(model, tmp_path / "sounds.html", waves[40:], label[40:], train=(waves[:40], label[:40]))
    assert data.pictures["noun"] == "sound"
    html = (tmp_path / "sounds.html").read_text("utf-8")
    assert "The sounds" in html
    assert "One sound, read exactly" in html
    assert "sounds it had not seen" in data.evaluation.verdict
    from planefold.reading import between, from_model, local_picture

    pictures = model._read_pictures(waves)
    plane = local_picture(model, pictures.values[0])
    outputs = model.decision_outputs(pictures)[0]
    assert plane.output == pytest.approx(outputs.max(), abs=1e-4)
    assert abs(plane.contributions.sum() + plane.intercept - plane.output) < 1e-6
    assert between(model, pictures.values[0], pictures.values[1]).line.certificate.exact
    assert np.allclose(from_model(model).outputs(pictures.values[:3]), model.decision_outputs(pictures)[:3], atol=1e-4)


def test_what_cannot_be_judged_is_refused(model, tmp_path):
    with pytest.raises(DataError, match="does not say"):
        judge(model, X[:5])
    with pytest.raises(DataError, match="5 pictures and 4 targets"):
        judge(model, X[:5], Y[:4])
    table = planefold.MLPClassifier(max_iter=1).fit(X[:90].reshape(90, -1), Y[:90])
    with pytest.raises(ParameterError, match="targets of the rows are needed"):
        judge(table, X[:90].reshape(90, -1))
