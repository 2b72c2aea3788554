"""`diagnose` of models of pictures and sounds: folders, arrays, groups and splits, with the files in what is told."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from planefold import ImageClassifier, ImageRegressor, load
from planefold.core.errors import DataError, ParameterError
from planefold.estimators.examining import case_of
from planefold.estimators.sounds import SoundClassifier

COLUMN_CHECKS = ("DA202", "DA203", "DA204", "DA201", "DA301", "DA303", "DA401", "DA901", "DA101")


def _patients(rng, n_patients=24, n_each=5, side=24):
    """Slices of patients, half of whom are ill: bright in the middle."""
    own = gaussian_filter(rng.standard_normal((n_patients, side, side)), (0, 2, 2))[
        np.repeat(range(n_patients), n_each)
    ]
    each = gaussian_filter(rng.standard_normal((n_patients * n_each, side, side)), (0, 1.5, 1.5))
    X = 128 + 300 * own + 120 * each
    ill = np.repeat(np.arange(n_patients) % 2, n_each)
    X[ill == 1, 8:16, 8:16] += 40
    names = [f"p{patient:02}_{number}.png" for patient in range(n_patients) for number in range(n_each)]
    return np.clip(X, 0, 255).astype(np.uint8), np.array(["healthy", "ill"])[ill], names


def _write(folder, X, labels, names):
    for pixels, label, name in zip(X, labels, names, strict=True):
        (folder / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / label / name)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder to learn from, one of other patients, and one of the same patients."""
    rng = np.random.default_rng(0)
    X, labels, names = _patients(rng)
    root = tmp_path_factory.mktemp("pictures")
    is_same = np.array([name.endswith("_4.png") for name in names])
    is_other = np.array([name < "p20" for name in names])
    parts = {"train": ~is_same & is_other, "other": ~is_other, "same": is_same & is_other}
    for name, some in parts.items():
        _write(root / name, X[some], labels[some], [names[i] for i in np.flatnonzero(some)])
    return root


@pytest.fixture(scope="module")
def model(folders):
    return ImageClassifier(max_iter=3, channels=(4,), random_state=0).fit(folders / "train", groups=r"(p\d+)_")


def _told(diagnosis):
    return {finding.code: finding for finding in (*diagnosis.findings, *diagnosis.silenced.values())}


def test_patients_on_both_sides_are_told_with_their_files_and_the_rule(model, folders):
    told = _told(model.diagnose(folders / "train", validation_data=folders / "same"))
    assert told["DA404"].severity == "error"
    assert "train/healthy/p00_0.png" in told["DA404"].what
    assert "same/healthy/p00_4.png" in told["DA404"].what
    assert 'groups=r"([^/_]+)_[^/]*$"' in told["DA404"].try_


def test_other_patients_are_no_leak_and_columns_are_not_spoken_of(model, folders):
    diagnosis = model.diagnose(folders / "train", validation_data=folders / "other")
    told = _told(diagnosis)
    assert not {"DA402", "DA403", "DA404", "DA602", *COLUMN_CHECKS} & set(told)
    assert "pixel" not in str(diagnosis)
    assert "SC101" not in diagnosis.not_applicable  # predictions were judged, beside the reference


def test_the_models_own_split_is_looked_at_and_the_groups_of_fit_keep_it_clean(folders, model):
    case = case_of(model, folders / "train", groups=r"(p\d+)_", reference=False)
    assert (case.scan.n_train, case.scan.n_val) == (80 - len(model._held_out), len(model._held_out))
    assert case.scan.overlap.n_shared_groups == 0
    assert case.scan.files[0].startswith("healthy/")
    torn = ImageClassifier(max_iter=2, channels=(4,), validation_fraction=0.3, random_state=0).fit(folders / "train")
    assert "DA404" in _told(torn.diagnose(folders / "train", reference=False))
    assert "DA404" not in _told(model.diagnose(folders / "train", reference=False))


def test_arrays_labels_and_loaded_models_are_diagnosed(model, folders, tmp_path):
    X, labels, _ = _patients(np.random.default_rng(1))
    for given in (X, X[..., None], np.repeat(X[..., None], 3, axis=3)):
        diagnosis = model.diagnose(given, labels, reference=False)
        assert "checks had enough to go by" in str(diagnosis)
    model.save(tmp_path / "model.fold")
    again = load(tmp_path / "model.fold").diagnose(folders / "train", groups=r"(p\d+)_", reference=False)
    assert again.verdict == model.diagnose().verdict


def test_numbers_from_pictures_are_diagnosed_with_a_reference():
    X, _, _ = _patients(np.random.default_rng(2))
    y = X[:, 8:16, 8:16].mean(axis=(1, 2))
    model = ImageRegressor(max_iter=3, channels=(4,), random_state=0).fit(X, y)
    case = case_of(model, X, y, validation_data=(X[:40] // 2, y[:40]))
    assert case.scan.task == "regression"
    assert case.scan.kind == "pictures"
    assert case.reference.n_val == len(case.scores.comparisons and y[:40])
    assert np.isfinite(case.scores.loss)


def test_scores_are_those_of_the_model(model, folders):
    case = case_of(model, folders / "train", validation_data=folders / "other", reference=False)
    pictures = model._read_pictures(folders / "other")
    assert case.scores.score == pytest.approx(model.score(pictures, pictures.labels))
    chosen = model.predict_proba(pictures)[np.arange(len(pictures)), np.searchsorted(model.classes_, pictures.labels)]
    assert case.scores.loss == pytest.approx(-np.log(chosen).mean(), rel=1e-4)


def test_sounds_are_called_sounds():
    rng = np.random.default_rng(0)
    t = np.arange(4000) / 8000
    y = np.arange(80) % 2
    X = (np.sin(2 * np.pi * np.where(y, 1500, 300)[:, None] * t) + rng.normal(0, 0.3, (80, 4000))).astype("float32")
    model = SoundClassifier(rate=8000, max_iter=2, channels=(4,), random_state=0).fit(X, y)
    copies = np.roll(0.5 * X[:12], 20, axis=1)
    fresh = np.sin(2 * np.pi * np.where(y, 1500, 300)[:, None] * t) + rng.normal(0, 0.3, (80, 4000))
    told = _told(model.diagnose(X, y, validation_data=(np.concatenate([copies, fresh[:24]]).astype("float32"), y[:36]),
                                reference=False))  # fmt: skip
    assert "of 36 held-out sounds show what one learned from shows" in told["DA402"].what
    clean = _told(model.diagnose(X, y, validation_data=(fresh.astype("float32"), y), reference=False))
    assert "DA402" not in clean


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"y": np.zeros(3)}, DataError, "X has 80 rows, y has 3"),
        ({"time": [1, 2]}, DataError, "one moment for each picture of X"),
        ({"groups": [1, 2]}, DataError, "one group for each row of X"),
        ({"groups": r"(q\d+)_"}, DataError, "does not match the name of"),
        ({"validation_data": (1, 2, 3)}, ParameterError, "of 3 and no pair"),
    ],
)
def test_what_does_not_fit_is_said_in_one_message(model, folders, given, error, said):
    with pytest.raises(error, match=said):
        model.diagnose(folders / "train", **given)
