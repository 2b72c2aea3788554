"""Saved and loaded, a model is the same to the last bit; a file that was meddled with is refused or harmless."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

import planefold
from planefold import TableEncoder
from planefold.core.errors import MissingFileError, ModelFileError, ParameterError
from planefold.saving import read_fold, write_fold

X = np.random.RandomState(0).randn(90, 3)
AREA = X[:, 0]
LABELS = {
    "words": np.where(AREA > 0, "yes", "no"),
    "thai": np.where(AREA > 0, "ใช่", "ไม่ใช่"),
    "three": np.digitize(AREA, [-0.5, 0.5]) * 10,
    "bool": AREA > 0,
    "whole floats": np.where(AREA > 0, 1.0, 0.0),
    "several": (X > 0).astype(int),
}
NUMBERS = {"one": AREA, "two": X[:, :2] * [1, 1000], "counts": np.round(np.exp(AREA))}

MODELS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    **{f"classifier of {kind}": ("MLPClassifier", y, {}) for kind, y in LABELS.items()},
    **{f"regressor of {kind}": ("MLPRegressor", y, {}) for kind, y in NUMBERS.items()},
    "poisson": ("MLPRegressor", NUMBERS["counts"], {"loss": "poisson"}),
    "no preparation": ("MLPRegressor", AREA, {"preprocess": None}),
    "no preparation, float32": ("MLPClassifier", LABELS["words"], {"preprocess": None, "dtype": "float32"}),
    "float64": ("MLPRegressor", AREA, {"dtype": "float64"}),
    "own encoder": ("MLPRegressor", AREA, {
        "preprocess": TableEncoder(types={"x2": "drop"}, clip=2.0, missing_values=[-9]),
    }),
    "bins": ("MLPRegressor", AREA, {"encoding": "piecewise_linear"}),
    "one member": ("MLPRegressor", AREA, {"n_members": 1}),
    "linear": ("MLPClassifier", LABELS["three"], {"hidden_layer_sizes": (), "dropout": 0.0}),
    "no skip": ("MLPClassifier", LABELS["three"], {"skip": None, "activation": "leaky_relu"}),
    "batch norm": ("MLPClassifier", LABELS["three"], {
        "batch_norm": True, "init": planefold.Initialization("he_normal", bias=0.1),
    }),
    "written oddly": ("MLPClassifier", LABELS["three"], {
        "hidden_layer_sizes": np.array([5, 4]), "dropout": [np.float64(0.1), 0.2], "n_iter_no_change": float("inf"),
        "class_weight": {0: 2.0, np.int64(10): 0.5}, "random_state": np.random.RandomState(0), "alpha": np.float32(0.1),
        "callbacks": [print],
    }),
}  # fmt: skip


def outputs_of(model: Any, rows: Any) -> list[Any]:
    found = [model.predict(rows), model.decision_outputs(rows)]
    return found + ([model.predict_proba(rows)] if hasattr(model, "predict_proba") else [])


def check_same_bits(left: list[Any], right: list[Any]) -> None:
    for one, other in zip(left, right, strict=True):
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert one.tobytes() == other.tobytes()


@pytest.fixture(scope="module")
def fitted() -> dict[str, Any]:
    models = {}
    for kind, (name, y, parameters) in MODELS.items():
        quick = {"max_iter": 3, "hidden_layer_sizes": (6,), "random_state": 0, **parameters}
        callbacks = [lambda epoch: None] if "callbacks" in quick else None
        models[kind] = getattr(planefold, name)(**{**quick, "callbacks": callbacks}).fit(X, y)
    return models


READ = """
import pickle, sys
from pathlib import Path
import numpy as np
import planefold
X = np.random.RandomState(0).randn(90, 3)
for path in sorted(Path(sys.argv[1]).glob("*.fold")):
    model = planefold.load(path)
    found = [model.predict(X), model.decision_outputs(X)]
    found += [model.predict_proba(X)] if hasattr(model, "predict_proba") else []
    path.with_suffix(".pickle").write_bytes(pickle.dumps(found))
"""


def test_a_fresh_process_predicts_bit_for_bit_the_same(fitted: dict[str, Any], tmp_path: Path) -> None:
    for number, model in enumerate(fitted.values()):
        model.save(tmp_path / f"{number}.fold")
    subprocess.run([sys.executable, "-c", READ, str(tmp_path)], check=True, timeout=120)
    for number, model in enumerate(fitted.values()):
        check_same_bits(pickle.loads((tmp_path / f"{number}.pickle").read_bytes()), outputs_of(model, X))


@pytest.mark.parametrize("kind", MODELS)
def test_a_loaded_model_is_the_model(fitted: dict[str, Any], tmp_path: Path, kind: str) -> None:
    model = fitted[kind]
    path = model.save(tmp_path / "model.fold")
    twin = planefold.load(path)
    assert type(twin) is type(model)
    check_same_bits(outputs_of(twin, X), outputs_of(model, X))
    for attribute in ("loss_", "loss_curve_", "validation_scores_", "best_validation_score_", "best_loss_", "n_iter_",
                      "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_",
                      "target_name_"):  # fmt: skip
        assert getattr(twin, attribute) == getattr(model, attribute), attribute
    if hasattr(model, "classes_"):
        np.testing.assert_array_equal(twin.classes_, model.classes_)
        assert twin.classes_.dtype == model.classes_.dtype
    np.testing.assert_equal(dataclasses.asdict(twin.run_), dataclasses.asdict(model.run_))
    assert str(twin.diagnose()) == str(model.diagnose())
    assert twin.summary() == model.summary()

    written = {name: _comparable(value) for name, value in model.get_params(deep=False).items()}
    read = {name: _comparable(value) for name, value in twin.get_params(deep=False).items()}
    for code in ("callbacks", "random_state") if kind == "written oddly" else ():
        del written[code], read[code]
    assert read == written


def _comparable(value: Any) -> Any:
    if isinstance(value, TableEncoder):
        return _comparable(value.get_params())
    if isinstance(value, dict):
        return {key: _comparable(entry) for key, entry in value.items()}
    return list(value) if isinstance(value, np.ndarray | list | tuple) else value


@pytest.mark.parametrize("kind", MODELS)
def test_saved_again_the_file_is_equal_up_to_its_time(fitted: dict[str, Any], tmp_path: Path, kind: str) -> None:
    first = read_fold(fitted[kind].save(tmp_path / "first.fold"))
    again = read_fold(planefold.load(tmp_path / "first.fold").save(tmp_path / "again.fold"))
    for fold in (first, again):
        fold.manifest.pop("created")
    assert first.manifest == again.manifest
    assert (first.schema, first.prep, first.history, first.card) == (
        again.schema,
        again.prep,
        again.history,
        again.card,
    )
    assert {name: array.tobytes() for name, array in first.weights.items()} == {
        name: array.tobytes() for name, array in again.weights.items()
    }


@pytest.mark.parametrize("kind", MODELS)
def test_a_loaded_model_can_be_trained_further_and_anew(fitted: dict[str, Any], tmp_path: Path, kind: str) -> None:
    y = MODELS[kind][1]
    twin = planefold.load(fitted[kind].save(tmp_path / "model.fold"))
    before = twin.decision_outputs(X)
    if kind == "one member":
        with pytest.raises(ParameterError, match="partial_fit does not support early_stopping=True"):
            twin.partial_fit(X, y)
    else:
        twin.partial_fit(X, y)
        assert not np.array_equal(twin.decision_outputs(X), before)
    n_epochs = len(twin.loss_curve_)
    twin.set_params(warm_start=True).fit(X, y)
    assert len(twin.loss_curve_) > n_epochs
    assert np.isfinite(twin.decision_outputs(X)).all()
    anew = twin.set_params(warm_start=False).fit(X, y)
    if kind != "written oddly":  # its random stream is code, and is not in the file
        np.testing.assert_array_equal(anew.decision_outputs(X), fitted[kind].decision_outputs(X))


def test_a_table_with_everything_keeps_its_preparation(quick: Any, frame: Any, tmp_path: Path) -> None:
    model = quick("MLPRegressor").fit(frame.drop(columns="sold"), "price")
    twin = planefold.load(model.save(tmp_path / "houses.fold"))
    assert twin.target_name_ == "price"
    assert list(twin.feature_names_in_) == list(model.feature_names_in_)
    odd = frame.assign(town="Atlantis", area=np.nan)[frame.columns[::-1]]
    for table in (frame, odd):
        check_same_bits(outputs_of(twin, table), outputs_of(model, table))


def test_the_file_describes_the_training_rows_for_later_comparison(quick: Any, frame: Any, tmp_path: Path) -> None:
    X = frame.drop(columns="price")
    model = quick("MLPRegressor").fit(X, frame["price"])
    reference = read_fold(model.save(tmp_path / "model.fold")).reference
    assert reference["n_rows"] == len(frame)
    assert set(reference["columns"]) == {column.name for column in model.encoder_.schema_.used}
    assert planefold.load(tmp_path / "model.fold")._reference == reference


def test_an_unfinished_or_interrupted_run_survives(quick: Any, tmp_path: Path) -> None:
    def stop(epoch: Any) -> None:
        raise KeyboardInterrupt

    model = quick("MLPRegressor", callbacks=[stop])
    with pytest.warns(UserWarning, match="interrupted"):
        model.fit(X, AREA)
    twin = planefold.load(model.save(tmp_path / "model.fold"))
    assert twin.run_.stopped_because == "interrupted"
    check_same_bits(outputs_of(twin, X), outputs_of(model, X))


@pytest.mark.parametrize("preprocess", [StandardScaler(), StandardScaler().set_output(transform="pandas")])
def test_a_transformer_of_ones_own_cannot_be_saved_and_no_file_is_left(
    quick: Any, tmp_path: Path, preprocess: Any
) -> None:
    model = quick("MLPRegressor", preprocess=preprocess).fit(X, AREA)
    with pytest.raises(ParameterError, match=r"(?s)StandardScaler.*holds data, not code.*TableEncoder"):
        model.save(tmp_path / "model.fold")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_not_there_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        planefold.load(tmp_path / "never.fold")


# ------------------------------------------------------------------------------------------------------------ meddling


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value."""
    if path:
        yield path
    entries = value.items() if isinstance(value, dict) else enumerate(value[:4]) if isinstance(value, list) else ()
    for key, entry in entries:
        yield from places(entry, (*path, key))


def meddled(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    value = copy.deepcopy(value)
    parent = value
    for key in path[:-1]:
        parent = parent[key]
    if new is DELETE:
        del parent[path[-1]]
    else:
        parent[path[-1]] = new
    return value


DELETE = object()
ANYTHING = st.one_of(
    st.just(DELETE), st.none(), st.booleans(), st.integers(), st.integers(-3, 40), st.text(max_size=8),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["auto", "encoder", "poisson", "float", "bool", "MLPRegressor", "balanced", "infinity"]),
    st.sampled_from([[], {}, [[]], [None], ["a", "a"], [0], [10**12], {"": 1}, 10**12, -1, 0, 1e308, [1.5], [[1, 2]]]),
)  # fmt: skip


@pytest.fixture(scope="module")
def folds(fitted: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], Path]:
    folder = tmp_path_factory.mktemp("meddled")
    kinds = (
        "classifier of three",
        "classifier of several",
        "regressor of two",
        "own encoder",
        "batch norm",
        "written oddly",
        "no preparation",
    )
    return [read_fold(fitted[kind].save(folder / "honest.fold")) for kind in kinds], folder / "meddled.fold"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_meddled_file_is_refused_or_loads_fine(folds: tuple[list[Any], Path], data: Any) -> None:
    fold = data.draw(st.sampled_from(folds[0]))
    part = data.draw(st.sampled_from(["manifest", "manifest", "manifest", "schema", "prep", "history"]))
    parts = {
        "manifest": fold.manifest, "schema": fold.schema, "prep": fold.prep,
        "history": [json.loads(line) for line in fold.history],
    }  # fmt: skip
    known = [path for path in places(parts[part]) if path[0] not in ("format", "format_version", "entries")]
    if not known:
        return
    new = meddled(parts[part], data.draw(st.sampled_from(known)), data.draw(ANYTHING))
    if part == "history":
        new = tuple(json.dumps(line) for line in new if isinstance(line, dict))
    write_fold(folds[1], dataclasses.replace(fold, **{part: new}))
    try:
        model = planefold.load(folds[1])
    except ModelFileError:
        return
    assert model.decision_outputs(X).shape[0] == 90
    model.predict(X)
    model.summary()


@pytest.mark.parametrize("network", [
    {"hidden_layer_sizes": [10**6, 10**6]}, {"n_features": 10**12}, {"n_members": 10**12}, {"n_outputs": 10**15},
    {"hidden_layer_sizes": [1] * 10**5}, {"hidden_layer_sizes": [-5]}, {"n_members": 0}, {"n_members": -1},
    {"hidden_layer_sizes": [7]}, {"activation": "exec"}, {"dropout": [2.0]}, {"dropout": [0.1, 0.1]},
    {"n_features": 1e400},
])  # fmt: skip
def test_a_network_that_the_weights_are_not_of_is_refused_at_once(fitted: Any, tmp_path: Path, network: Any) -> None:
    fold = read_fold(fitted["no preparation"].save(tmp_path / "honest.fold"))
    manifest = {**fold.manifest, "network": {**fold.manifest["network"], **network}}
    if network == {"n_features": 1e400}:  # what JSON cannot write
        with pytest.raises(ModelFileError):
            write_fold(tmp_path / "meddled.fold", dataclasses.replace(fold, manifest=manifest))
        return
    write_fold(tmp_path / "meddled.fold", dataclasses.replace(fold, manifest=manifest))
    started = time.perf_counter()
    with pytest.raises(ModelFileError):
        planefold.load(tmp_path / "meddled.fold")
    assert time.perf_counter() - started < 1


def test_parts_of_two_files_do_not_make_one_model(fitted: Any, tmp_path: Path) -> None:
    one, other = (
        read_fold(fitted[kind].save(tmp_path / "f.fold")) for kind in ("regressor of two", "classifier of three")
    )
    for part in ("manifest", "weights", "schema"):
        mixed = dataclasses.replace(one, **{part: getattr(other, part)})
        if part == "schema":
            mixed = dataclasses.replace(mixed, schema={**mixed.schema, "columns": mixed.schema["columns"][:2]})
        write_fold(tmp_path / "mixed.fold", mixed)
        with pytest.raises(ModelFileError):
            planefold.load(tmp_path / "mixed.fold")
