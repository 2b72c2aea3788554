"""Models of pictures and sounds in files: bit for bit the same, elsewhere, and never from a file that is wrong."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

import planefold
from planefold import ImageClassifier, ImageRegressor, SoundClassifier
from planefold.core.errors import ModelFileError
from planefold.estimators.loading import from_fold, load, to_fold
from planefold.saving import write_fold

N = 24
Y = np.arange(N) % 2
X = np.random.default_rng(0).integers(0, 256, (N, 8, 9)).astype(np.uint8)
COLOURS = np.random.default_rng(1).integers(0, 256, (N, 8, 9, 3)).astype(np.uint8)
WAVES = np.random.default_rng(2).normal(0, 0.1, (N, 1600)).astype(np.float32)
QUICK = {"max_iter": 1, "channels": (3, 4), "random_state": 0}


def make(kind):
    if kind == "sounds":
        return SoundClassifier(rate=8000, **QUICK).fit(WAVES, Y), WAVES
    if kind == "numbers":
        return ImageRegressor(loss="huber", augment=("shift",), **QUICK).fit(X, Y * 2.5), X
    if kind == "colours":
        return ImageClassifier(class_weight={"a": 2}, **QUICK).fit(
            COLOURS, np.array(["a", "b", "c"])[np.arange(N) % 3]
        ), COLOURS
    return ImageClassifier(batch_norm=False, convolutions=2, **QUICK).fit(X / 255.0, Y), X / 255.0


@pytest.mark.parametrize("kind", ["fractions", "colours", "numbers", "sounds"])
def test_a_model_is_read_bit_for_bit(kind, tmp_path):
    model, rows = make(kind)
    twin = planefold.load(model.save(tmp_path / "model.fold"))
    assert type(twin) is type(model)
    assert twin.get_params() == model.get_params()
    assert twin.decision_outputs(rows).tobytes() == model.decision_outputs(rows).tobytes()
    assert np.array_equal(twin.predict(rows), model.predict(rows))
    assert (twin.size_, twin.color_) == (model.size_, model.color_)
    assert getattr(twin, "white_", None) == getattr(model, "white_", None)
    assert twin.summary() == model.summary()
    again = planefold.load(twin.save(tmp_path / "again.fold"))
    assert again.decision_outputs(rows).tobytes() == model.decision_outputs(rows).tobytes()
    assert twin.set_params(**({"class_weight": None} if kind == "colours" else {})).fit(rows, Y).predict(
        rows
    ).shape == (N,)


def test_a_dark_picture_is_read_as_the_saved_model_was_told(tmp_path):
    model = ImageClassifier(**QUICK).fit(X.astype(float), Y)
    twin = planefold.load(model.save(tmp_path / "model.fold"))
    dark = np.full((1, 8, 9), 1.0)
    assert np.array_equal(twin.decision_outputs(dark), model.decision_outputs(np.full((1, 8, 9), 1, np.uint8)))
    fold = to_fold(model)
    del fold.prep["white"]  # as files of before
    assert from_fold(fold).white_ is None


def test_a_fresh_process_reads_it(tmp_path):
    model, rows = make("colours")
    path = model.save(tmp_path / "model.fold")
    np.save(tmp_path / "rows.npy", rows)
    code = (
        f"import numpy as np, planefold, sys; m = planefold.load({str(path)!r}); "
        f"sys.stdout.write(m.decision_outputs(np.load({str(tmp_path / 'rows.npy')!r})).tobytes().hex())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert bytes.fromhex(found.stdout) == model.decision_outputs(rows).tobytes()


def at(fold, where, value):
    """Change one entry of the record."""
    part, *keys, last = where
    inner = getattr(fold, part)
    for key in keys:
        inner = inner[key]
    if value is KeyError:
        del inner[last]
    else:
        inner[last] = value


HOSTILE = [
    (("prep", "kind"), "sounds"),
    (("prep", "kind"), KeyError),
    (("prep", "color"), "purple"),
    (("prep", "color"), "grey"),
    (("prep", "size"), [0, 9]),
    (("prep", "size"), [9]),
    (("prep", "size"), [8, 10]),
    (("prep", "size"), "large"),
    (("prep", "size"), [10**9, 10**9]),
    (("prep", "mean"), [0.5]),
    (("prep", "mean"), [0.5, "x", 0.5]),
    (("prep", "mean"), KeyError),
    (("prep", "scale"), [1.0, -1.0, 1.0]),
    (("prep", "scale"), [1.0, 0.0, 1.0]),
    (("prep", "white"), -1),
    (("prep", "white"), "bright"),
    (("manifest", "network", "kind"), "mlp"),
    (("manifest", "network", "kind"), KeyError),
    (("manifest", "network", "channels"), [3, 10**9]),
    (("manifest", "network", "channels"), [-3, 4]),
    (("manifest", "network", "channels"), []),
    (("manifest", "network", "channels"), [3, 5]),
    (("manifest", "network", "channels"), 7),
    (("manifest", "network", "channels"), KeyError),
    (("manifest", "network", "convolutions"), 10**12),
    (("manifest", "network", "convolutions"), [10**12, 1]),
    (("manifest", "network", "convolutions"), [1]),
    (("manifest", "network", "kernel_size"), 10**6 + 1),
    (("manifest", "network", "kernel_size"), -3),
    (("manifest", "network", "activation"), "exec"),
    (("manifest", "network", "pool"), "os.system"),
    (("manifest", "network", "dropout"), 2.0),
    (("manifest", "network", "input_shape"), [1, 8, 9]),
    (("manifest", "network", "n_outputs"), 10**12),
    (("manifest", "network", "n_outputs"), 0),
    (("manifest", "network", "n_outputs"), 2),
    (("manifest", "target"), {}),
    (("manifest", "parameters", "channels"), "huge"),
    (("manifest", "estimator"), "MLPClassifier"),
    (("manifest", "estimator"), "ImageRegressor"),
    (("manifest", "estimator"), "SoundClassifier"),
    (("weights", "module.0.weight"), np.zeros((3, 3, 5, 5), np.float32)),
    (("weights", "module.0.weight"), np.zeros((3, 3, 3, 3), np.float64)),
    (("weights", "module.0.weight"), KeyError),
    (("weights", "module.1.running_var"), -np.ones(3, np.float32)),
    (("weights", "module.99.weight"), np.zeros(3, np.float32)),
]


@pytest.mark.parametrize(
    ("where", "value"), HOSTILE, ids=[f"{'.'.join(where)}={value!r:.20}" for where, value in HOSTILE]
)
def test_a_file_that_is_wrong_is_refused(where, value, tmp_path):
    fold = dataclasses.replace(to_fold(make("colours")[0]))
    at(fold, where, value)
    path = tmp_path / "bad.fold"
    write_fold(path, fold)
    with pytest.raises(ModelFileError):
        load(path)


@pytest.mark.parametrize(
    ("key", "value"), [("seconds", -1), ("seconds", 1e12), ("seconds", "long"), ("features", {}), ("features", None)]
)
def test_a_file_of_sounds_that_is_wrong_is_refused(key, value, tmp_path):
    fold = to_fold(make("sounds")[0])
    fold.prep[key] = value
    with pytest.raises(ModelFileError):
        load(write_fold(tmp_path / "bad.fold", fold))
