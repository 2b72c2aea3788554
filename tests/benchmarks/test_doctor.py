"""That the doctor's benchmark measures what it says: populations, truth, scores. No test asserts a figure."""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import f1_score, log_loss, precision_recall_fscore_support

HEALTHY = {
    "L0": 1.0, "Lstar": 0.0, "R": 1.0, "unit": 1.0, "finite": True, "end": 20, "best_epoch": 20, "rise": 0.0,
    "train_fall": 0.5, "cont": 0.0, "gap": 0.05, "skill": 0.95, "skill_end": 0.95, "train_skill": 1.0,
    "train_skill_best": 1.0, "val_sd": 0.01, "val_bias": 0.0, "val_below_train": -0.05, "osc": 0.0, "div": 0.0,
    "fresh_end": 0.05, "fresh_best": 0.05, "train_end": 0.0, "val_end": 0.05,
}  # fmt: skip


@pytest.fixture(scope="module")
def bench(repository: Path) -> Any:
    """Return the modules of the benchmark by name."""
    folder = str(repository / "benchmarks")
    if folder not in sys.path:
        sys.path.append(folder)
    names = ("populations", "recipes", "trials", "truth", "store", "cases", "rules", "scoring", "advice")
    return SimpleNamespace(
        script=importlib.import_module("doctor"),
        **{name: importlib.import_module(f"doctor_runs.{name}") for name in names},
    )


# ----------------------------------------------------------------------------------------------------- populations


def test_no_population_is_in_both_halves_and_sixty_are_for_testing(bench: Any) -> None:
    dev, test = (set(bench.populations.names_of(half)) for half in ("dev", "test"))

    assert not dev & test
    assert len(test) >= 60
    new_families = {family for family, _ in test} - {family for family, _ in dev}
    assert sum(family in new_families for family, _ in test) / len(test) > 0.75


@pytest.mark.parametrize("number", range(15))
def test_rows_are_on_one_scale_by_constants_of_the_population(bench: Any, number: int) -> None:
    family = list(bench.populations.FAMILIES)[number]
    source = bench.populations.population(family, 3)
    X, y = source.draw(4_000, 11)

    assert X.dtype == np.float32
    assert np.isfinite(X).all()
    np.testing.assert_allclose(X.mean(axis=0), 0, atol=0.12)
    np.testing.assert_allclose(X.std(axis=0), 1, atol=0.25)
    if source.is_regression:
        assert y.std() == pytest.approx(1, abs=0.1)
    else:
        assert np.unique(y).tolist() == list(range(source.n_classes))
    few, _ = source.draw(12, 11)
    assert abs(few.std(axis=0) - 1).max() > 0.1  # a small sample is not scaled by itself


def test_the_same_seed_draws_the_same_rows_and_another_one_others(bench: Any) -> None:
    first, again = (bench.populations.population("gmm_cls", 5).draw(50, 1) for _ in range(2))
    other = bench.populations.population("gmm_cls", 5).draw(50, 2)

    assert (first[0] == again[0]).all()
    assert (first[1] == again[1]).all()
    assert (first[0] != other[0]).any()


def _line(bench: Any, noise: float) -> Any:
    """Return a population whose best prediction is a straight line."""

    def sample(rng: np.random.Generator, n: int) -> tuple[Any, Any]:
        X = rng.standard_normal((n, 3))
        return X, X @ [3.0, 1.0, 0.0] + noise * rng.standard_normal(n)

    return bench.populations.Population(family="line", seed=0, n_classes=0, sample=sample, noise=noise)


def test_the_floor_is_the_loss_of_the_true_function(bench: Any) -> None:
    source = _line(bench, 1.5)
    X, y = source.draw(20_000, 0)
    best = 0.5 * np.mean((LinearRegression().fit(X, y).predict(X) - y) ** 2)

    assert source.floor == pytest.approx(best, rel=0.03)


def test_the_oracle_comes_near_the_floor_and_not_below_it(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = _line(bench, 1.0)
    fresh = source.draw(3_000, 1)
    monkeypatch.setattr(bench.truth, "fresh_rows", lambda family, seed: fresh)
    monkeypatch.setattr(bench.truth, "ORACLE_ROWS", 800)
    found = bench.truth.oracle_loss(source)
    reach = 0.5 * float(fresh[1].var()) - source.floor

    assert source.floor - 0.03 * reach < found < source.floor + 0.1 * reach


# ------------------------------------------------------------------------------------------------------------ truth


def test_the_trivial_loss_is_that_of_the_shares_and_of_the_mean(bench: Any) -> None:
    y = np.array([0, 0, 0, 1, 2, 2])
    shares = np.bincount(y) / len(y)
    assert bench.truth.trivial_loss(y, 3) == pytest.approx(log_loss(y, np.tile(shares, (6, 1))))

    t = np.array([1.0, 2.0, 6.0])
    assert bench.truth.trivial_loss(t, 0) == pytest.approx(0.5 * np.mean((t - t.mean()) ** 2))


@pytest.mark.parametrize("n", [20, 61])
def test_jumps_are_the_noise_of_an_epoch_and_a_straight_fall_has_none(bench: Any, n: int) -> None:
    noise = np.random.default_rng(0).standard_normal(20_000)

    assert bench.truth.jumps(np.linspace(3, 1, n)) == pytest.approx(0, abs=1e-12)
    assert bench.truth.jumps(0.2 * (-1.0) ** np.arange(n)) == pytest.approx(0.4 / math.sqrt(2), rel=0.05)
    assert bench.truth.jumps(0.3 * noise) == pytest.approx(0.3, rel=0.02)


def _truth_of(bench: Any, **changes: Any) -> Any:
    """Measure an overfit run that was made up: L0 = 2, L* = 0.5, lowest at epoch 3 of 5."""
    given = {
        "fresh": np.array([1.5, 1.0, 0.8, 0.9, 1.1]),
        "train": np.array([1.4, 0.9, 0.6, 0.4, 0.2]),
        "after": np.array([1.2, 1.3]),
        "rows_end": np.array([0.1, 2.1]),
        "train_end": 0.2,
        "easy": np.array([True, True]),
        "L0": 2.0,
        "oracle": 0.5,
        "end": 5,
        "n_val": 4,
    }
    return bench.truth.truth_of(**given | changes)


def test_the_truth_of_curves_whose_shares_are_known(bench: Any) -> None:
    t = _truth_of(bench)

    assert (t.R, t.best_epoch) == (1.5, 3)
    assert t.rise == pytest.approx(0.3 / 1.5)
    assert t.train_fall == pytest.approx(0.4 / 1.5)
    assert t.cont == pytest.approx((0.8 - 1.2) / 1.5)
    assert t.gap == pytest.approx(0.9 / 1.5)
    assert t.train_skill == pytest.approx(1.8 / 1.5)
    assert t.val_sd == pytest.approx(1.0 / math.sqrt(4) / 1.5)
    flags = bench.truth.flags_of(t)
    assert (flags["overfit"], flags["improving"], flags["gap"]) == ("yes", "no", "yes")


def test_after_the_best_weights_were_put_back_the_rise_is_history(bench: Any) -> None:
    t = _truth_of(bench, rows_end=np.array([0.7, 0.9]), train_end=0.6, end=3)

    assert t.rise == pytest.approx(0)
    assert t.gap == pytest.approx(0.2 / 1.5)
    assert bench.truth.flags_of(t)["overfit"] == "no"


def test_a_training_that_goes_on_to_lower_losses_was_still_improving_and_lowers_the_best_known(bench: Any) -> None:
    t = _truth_of(bench, after=np.array([0.6, 0.2]))

    assert t.Lstar == 0.2
    assert t.cont == pytest.approx(0.6 / 1.8)


def test_validation_rows_that_are_easy_are_off_by_their_mean(bench: Any) -> None:
    t = _truth_of(bench, easy=np.array([True, False]))

    assert t.val_bias == pytest.approx((0.1 - 1.1) / 1.5)
    assert bench.truth.flags_of(t)["val_easy"] == "yes"


def test_first_weights_worse_than_the_mean_are_no_divergence(bench: Any) -> None:
    slow = {"train": np.array([3.9, 3.8, 3.7, 3.6, 3.5]), "train_end": 3.5}

    assert bench.truth.flags_of(_truth_of(bench, **slow))["diverged"] == "yes"
    assert bench.truth.flags_of(_truth_of(bench, **slow, start=4.0))["diverged"] == "no"
    assert bench.truth.flags_of(_truth_of(bench, fresh=np.array([1.5, np.nan, 1, 1, 1])))["diverged"] == "yes"


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({}, "good_fit"),
        ({"div": 0.5}, "diverged"),
        ({"osc": 0.1, "rise": 0.2}, "oscillating"),
        ({"train_skill": 0.02, "train_skill_best": 0.05, "skill_end": 0.02}, "underfit_flat"),
        ({"train_skill": 0.5, "skill_end": 0.5, "cont": 0.2}, "underfit_improving"),
        ({"train_skill": 0.5, "skill_end": 0.5}, "underfit_capacity"),
        ({"rise": 0.2, "gap": 0.6}, "overfit"),
        ({"gap": 0.4, "skill_end": 0.6}, "unrep_train"),
        ({"val_sd": 0.2}, "unrep_val_noisy"),
        ({"val_bias": -0.3, "val_below_train": 0.2}, "unrep_val_easy"),
        ({"rise": 0.05}, None),
        ({"rise": 0.2, "cont": 0.2}, None),
        ({"skill_end": 0.7}, None),
    ],
)
def test_each_condition_gets_its_label_and_a_mixed_one_none(
    bench: Any, changes: dict[str, float], label: str | None
) -> None:
    t = bench.truth.Truth(**HEALTHY | changes)

    assert bench.truth.label_of(t, bench.truth.flags_of(t)) == label


def test_easy_validation_rows_are_easier_for_anyone(bench: Any) -> None:
    recipe = bench.recipes.Recipe(family="gmm_cls", seed=3, intent="val_easy", detail="", habit="plain",
                                  data_seed=1, n_train=300, n_val=200, easy=0.4)  # fmt: skip
    rows = bench.trials.rows_of(recipe)
    all_rows = bench.trials.rows_of(dataclasses.replace(recipe, easy=1.0))
    judge = LinearRegression().fit(rows.X, np.eye(int(rows.y.max()) + 1)[rows.y])
    right = [np.mean(judge.predict(r.X_val).argmax(axis=1) == r.y_val) for r in (rows, all_rows)]

    assert len(rows.y_val) == 200
    assert right[0] > right[1]


def test_training_rows_of_a_region_are_on_one_side_of_a_plane(bench: Any) -> None:
    recipe = bench.recipes.Recipe(family="teacher_reg", seed=3, intent="", detail="", habit="plain", data_seed=4,
                                  n_train=200, n_val=200, region=0.4)  # fmt: skip
    rows = bench.trials.rows_of(recipe)
    direction = np.random.default_rng([4, 5]).standard_normal(rows.X.shape[1])

    assert (rows.X @ direction).max() <= np.quantile(rows.X_val @ direction, 0.55)


# ---------------------------------------------------------------------------------------------------- other rules


def _log(bench: Any, train: Any, val: Any) -> Any:
    nothing = np.full(len(val), np.nan)
    return bench.rules.Log(np.asarray(train, float), np.asarray(val, float), nothing, nothing)


def test_rules_of_others_fire_on_a_plain_case_and_not_where_both_curves_fall(bench: Any) -> None:
    t = np.arange(30)
    overfit = _log(bench, 0.9**t, 0.5 + 0.02 * np.abs(t - 8))
    healthy = _log(bench, 1 + 0.9**t, 1.02 + 0.9**t)
    bench_rules = {name: rule for name, rule in bench.rules.RULES.items() if name != "AutoTrainer gap"}

    assert all(rule(overfit) for rule in bench_rules.values())
    assert not any(rule(healthy) for rule in bench_rules.values())


def test_the_gap_of_accuracies_is_judged_by_its_height(bench: Any) -> None:
    def log(train: float, val: float) -> Any:
        return dataclasses.replace(_log(bench, [1.0], [1.0]), train_score=np.array([train]), val_score=np.array([val]))

    assert [bench.rules.autotrainer(log(*pair)) for pair in [(0.8, 0.69), (0.8, 0.72), (0.95, 0.87)]] == [
        True, False, True,
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ scores


def test_scores_of_verdicts_are_those_of_scikit_learn(bench: Any) -> None:
    rng = np.random.default_rng(0)
    labels = rng.choice(bench.truth.LABELS, 300).tolist()
    verdicts = [a if rng.random() < 0.7 else str(rng.choice(bench.truth.LABELS)) for a in labels]

    assert bench.scoring.macro_f1(labels, verdicts) == pytest.approx(f1_score(labels, verdicts, average="macro"))
    assert bench.scoring.confusion(labels, verdicts).sum() == 300
    assert bench.scoring.confusion(["overfit"], ["the start was best"])[:, -1].sum() == 1

    fired, true = rng.random(50) < 0.4, rng.random(50) < 0.5
    expected = precision_recall_fscore_support(true, fired, average="binary")[:3]
    assert bench.scoring.precision_recall(fired.tolist(), true.tolist()) == pytest.approx(expected)


def test_confidences_that_are_right_have_no_calibration_error(bench: Any) -> None:
    assert bench.scoring.calibration_error([0.75] * 4, [True, True, True, False]) == pytest.approx(0)
    assert bench.scoring.calibration_error([1.0] * 4, [True, True, True, False]) == pytest.approx(0.25)
    assert bench.scoring.calibration_error([0.95, 0.15], [True, False]) == pytest.approx(0.1)
    assert math.isnan(bench.scoring.calibration_error([], []))


def test_the_regret_of_a_kept_epoch_is_what_its_population_loss_lies_above_the_lowest(bench: Any) -> None:
    assert bench.scoring.kept_epoch_regret(np.array([3, 1, 2]), [0.9, 0.6, 0.5], 2.0) == pytest.approx(0.05)


def test_advice_is_counted_by_what_came_of_it(bench: Any) -> None:
    gains = [
        ("LC101", {"restore_best": True}, 0.3),
        ("LC101", {"a": 1}, -math.inf),
        ("LC101", {}, None),
        ("", {}, None),
    ]
    trials = [
        bench.advice.Trial(name=str(i), label="overfit", code=code, parameters=parameters, gain=gain)
        for i, (code, parameters, gain) in enumerate(gains)
    ]
    counts = bench.advice.summary(trials)["all of these"]

    assert [trial.outcome for trial in trials] == ["improved", "worse", "no parameter", "not found"]
    assert (counts["n"], counts["improved share"], counts["worse share"]) == (4, 0.5, 0.5)


# ----------------------------------------------------------------------------------------------- from end to end


@pytest.fixture(scope="module")
def stored(bench: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make four small runs on two populations."""
    folder = tmp_path_factory.mktemp("runs")

    def small(source: Any, number: int) -> Any:
        recipe = bench.recipes.draw_recipe(source, number)
        small_net = {"max_iter": 12, "hidden_layer_sizes": [8], "learning_rate_init": 0.02, "solver": "adam"}
        settings = dict(bench.recipes.PLAIN) | small_net | {"batch_size": 32, "random_state": number}
        return dataclasses.replace(
            recipe, settings=settings, habit="plain", n_train=150, n_val=60, easy=1.0, region=1.0
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench.store, "names_of", lambda half: [("gmm_cls", 2), ("teacher_reg", 2)])
        patch.setattr(bench.store, "draw_recipe", small)
        patch.setattr(bench.truth, "ORACLE_ROWS", 400)
        for n_runs in (2, 4):
            bench.store.make(folder, "dev", n_runs, report=lambda line: None)
            with (folder / "dev" / "runs.jsonl").open("a") as file:
                file.write('{"name": "half a l')  # as a killed job leaves it
        bench.store.make(folder, "dev", 4, report=lambda line: pytest.fail("there was nothing left to make"))
    return folder


def test_runs_are_made_once_and_read_back_with_their_truth(bench: Any, stored: Path) -> None:
    lines = [json.loads(line) for line in (stored / "dev" / "runs.jsonl").read_text().splitlines()]
    runs = list(bench.store.load(stored, "dev"))

    assert [line["name"] for line in lines] == [
        "gmm_cls-2-00", "teacher_reg-2-00", "gmm_cls-2-01", "teacher_reg-2-01",
    ]  # fmt: skip
    for known in runs:
        assert len(known.fresh) == len(known.train) == known.run.n_epochs == 12
        assert known.truth["fresh_end"] == pytest.approx(known.fresh[-1], rel=1e-4)
        assert known.truth["L0"] > known.truth["Lstar"]
        kept = known.run["val_loss"][-1]
        assert kept == pytest.approx(known.fresh[-1], abs=1.5 * known.truth["L0"] / math.sqrt(60) * 4)


def test_recording_again_gives_the_same_training(bench: Any, stored: Path) -> None:
    before = {known.name: known.run for known in bench.store.load(stored, "dev")}
    told: list[str] = []
    bench.store.record_again(stored, "dev", report=told.append)

    assert [line.split(": ")[1] for line in told] == ["recorded"] * 4
    for known in bench.store.load(stored, "dev"):
        assert known.run is not before[known.name]
        assert known.run["val_loss"].tolist() == before[known.name]["val_loss"].tolist()


def test_the_population_loss_is_the_loss_that_the_engine_would_have_recorded(bench: Any) -> None:
    recipe = bench.recipes.Recipe(
        family="rings_cls", seed=1, intent="", detail="", habit="plain", data_seed=1, n_train=100, n_val=50,
        settings=dict(bench.recipes.PLAIN) | {"max_iter": 3, "random_state": 0, "hidden_layer_sizes": [5]},
    )  # fmt: skip
    rows = bench.trials.rows_of(recipe)
    seen = bench.trials.watch(bench.trials.estimator_of(recipe), rows, rows.validation)

    np.testing.assert_allclose(seen.fresh, seen.model.run_["val_loss"][1:], rtol=1e-5)


def test_every_tier_answers_and_the_scores_are_printed(
    bench: Any, stored: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = stored / "dev" / "runs.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    labels = ["good_fit", "overfit", "good_fit", "underfit_capacity"]  # whatever they are: to be counted
    pairs = zip(lines, labels, strict=True)
    path.write_text("".join(json.dumps(line | {"label": label}) + "\n" for line, label in pairs))
    results = tmp_path / "scores.json"
    bench.script.main(["--score", "--half", "dev", "--to", str(stored), "--json", str(results)])
    printed = capsys.readouterr().out
    found = json.loads(results.read_text())

    assert "macro F1" in printed
    assert found["tier 3"]["labelled"] == 4
    assert sum(map(sum, found["tier 3"]["confusion"])) == 4
    assert "the doctor" in found["tier 3"]["peers"]
    assert len(list((stored / "dev" / "references").glob("*.npz"))) == 4


def test_without_runs_the_script_says_how_to_make_them(
    bench: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        bench.script.main(["--score", "--to", str(tmp_path)])

    assert stopped.value.code == 1
    assert "--make" in capsys.readouterr().err
