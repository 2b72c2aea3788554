"""``init``: how the estimators' first weights are drawn, as a word or as a record."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

import planefold
from planefold.core.errors import ModelFileError, ParameterError
from planefold.networks import INITIALIZATIONS, Initialization
from planefold.saving import read_fold, write_fold

X = np.random.RandomState(0).randn(60, 3)
Y = np.sin(2 * X[:, 0]) + X[:, 1]
RECORDS = [Initialization(), Initialization("normal", scale=np.float32(0.5)), Initialization("he_uniform", bias=0.1)]


def test_it_is_found_where_users_look() -> None:
    assert planefold.Initialization is planefold.networks.Initialization is Initialization


@pytest.mark.parametrize("kind", INITIALIZATIONS)
def test_a_word_is_the_record_of_that_kind(quick: Any, kind: str) -> None:
    one, other = (quick("MLPRegressor", init=init).fit(X, Y) for init in (kind, Initialization(kind)))
    assert one.net_.spec.init == Initialization(kind)
    assert np.isfinite(one.predict(X)).all()
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


def test_auto_is_the_default_and_the_others_differ_from_it(quick: Any) -> None:
    def predict(**init: str) -> Any:
        return quick("MLPRegressor", early_stopping=False, **init).fit(X, Y).predict(X)

    default = predict()
    np.testing.assert_array_equal(predict(init="auto"), default)
    assert not [kind for kind in INITIALIZATIONS[1:] if np.array_equal(predict(init=kind), default)]


@pytest.mark.filterwarnings("ignore:Training. after 20 epochs:UserWarning")  # true, and what is tested here
def test_from_zeros_a_relu_network_without_a_linear_path_predicts_one_number(quick: Any) -> None:
    model = quick("MLPRegressor", init="zeros", skip=None, n_members=1, max_iter=20).fit(X, Y)
    assert all(not coef.any() for coef in model.coefs_)
    assert np.ptp(model.predict(X)) == 0


@pytest.mark.filterwarnings("ignore:Training. after 20 epochs:UserWarning")
def test_from_zeros_the_units_of_a_tanh_layer_stay_equal(quick: Any) -> None:
    model = quick(
        "MLPRegressor", init=Initialization("zeros", bias=0.1), activation="tanh", skip=None, n_members=1, dropout=0.0,
        max_iter=20, dtype="float64",
    ).fit(X, Y)  # fmt: skip
    first = model.coefs_[0]
    assert np.abs(first).max() > 1e-3
    np.testing.assert_allclose(first, np.repeat(first[:, :1], first.shape[1], axis=1), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("init", [*RECORDS, "glorot_normal"])
def test_clones_and_files_keep_it(quick: Any, tmp_path: Path, init: Any) -> None:
    model = quick("MLPRegressor", init=init)
    assert clone(model).init == init
    assert clone(model).get_params()["init"] == init
    model.fit(X, Y)
    twin = planefold.load(model.save(tmp_path / "model.fold"))
    assert twin.init == init
    assert type(twin.init) is type(init)
    assert twin.net_.spec == model.net_.spec
    first = [coef.copy() for coef in model.coefs_]
    np.testing.assert_equal(twin.fit(X, Y).coefs_, first)


def test_going_on_draws_nothing_so_another_kind_changes_nothing(quick: Any) -> None:
    one, other = (quick("MLPRegressor", warm_start=True, early_stopping=False).fit(X, Y) for _ in range(2))
    one.fit(X, Y)
    other.set_params(init="he_normal").fit(X, Y)
    np.testing.assert_array_equal(one.predict(X), other.predict(X))
    assert other.net_.spec.init == Initialization("auto")  # how it was drawn


@pytest.mark.parametrize("init", ["he_norml", None, 3, ["auto"], Initialization])
def test_what_is_no_initialisation_is_refused_before_any_work(quick: Any, init: Any) -> None:
    with pytest.raises(ParameterError, match="did you mean 'he_normal'" if init == "he_norml" else "init="):
        quick("MLPRegressor", init=init).fit(X, Y)


@pytest.mark.parametrize(
    "init",
    [
        {"kind": "exec"}, {"scale": 0}, {"scale": 10**400}, {"bias": "x"}, {"other": 1}, {"_": 1},
        {"__class__": "x"}, {}, [], "zeros2",
    ],
)  # fmt: skip
@pytest.mark.parametrize("part", ["parameters", "network"])
def test_a_file_with_nonsense_in_its_place_is_refused_or_harmless(
    quick: Any, tmp_path: Path, init: Any, part: str
) -> None:
    fold = read_fold(quick("MLPRegressor", init=RECORDS[1]).fit(X, Y).save(tmp_path / "honest.fold"))
    fold.manifest[part]["init"] = init
    write_fold(tmp_path / "meddled.fold", dataclasses.replace(fold))
    if init == {}:
        assert planefold.load(tmp_path / "meddled.fold").predict(X).shape == (60,)
        return
    with pytest.raises(ModelFileError):
        planefold.load(tmp_path / "meddled.fold")
