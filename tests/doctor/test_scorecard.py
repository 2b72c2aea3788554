"""The verdict from two bare curves: the stored scorecard, its fit, and what it does with odd curves."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from planefold.doctor.bare.scorecard import STATED, judge_bare, load, sheet_from, sheet_name
from planefold.doctor.bare.statistics import (
    SCORE_STATISTICS,
    START_STATISTICS,
    STATISTICS,
    jitter,
    line,
    pair_of,
    promised_gain,
    rows_behind,
    statistics,
)
from planefold.doctor.bare.words import CODES, TITLES
from planefold.doctor.case import Curves
from planefold.doctor.check import NotApplicableError

EPOCHS = np.arange(1.0, 41)
HEALTHY = 0.3 + 0.7 * np.exp(-EPOCHS / 5)
NOISE = np.random.default_rng(0).normal(0, 0.003, (2, 40))


def curves(train, val, **more):
    n = len(train if train is not None else val)
    return Curves(epoch=np.arange(1.0, n + 1), train_loss=train, val_loss=val, **more)


@pytest.fixture(scope="module")
def tool(repository):
    spec = importlib.util.spec_from_file_location("fit_scorecard", repository / "tools" / "fit_scorecard.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def examples(tool, data_dir):
    folder = data_dir / "training_runs_dev"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    return list(tool.examples_of_folder(folder))


def without_start(example):
    later = example.curves.epoch > 0
    columns = {name: getattr(example.curves, name)[later] for name in ("epoch", "train_loss", "val_loss")}
    return Curves(**columns)


# ------------------------------------------------------------------------------------------------ on the labelled runs


def test_the_stored_scorecard_is_right_about_the_runs_it_was_fitted_to(tool, examples):
    judged = [judge_bare(without_start(example)) for example in examples]
    verdicts = np.array([tool.CODES.index(verdict.verdict) for verdict in judged])
    codes = np.array([tool.CODES.index(example.code) for example in examples])
    assert len(codes) == 479
    assert tool.f1_score(codes, verdicts, average="macro") >= 0.85
    healthy = codes == tool.GOOD
    warned = np.array([any(f.severity != "info" for f in verdict.findings.values()) for verdict in judged])
    assert warned[healthy].mean() <= 0.035
    assert warned[~healthy].mean() >= 0.75
    sure = np.array([max(verdict.probabilities.values()) > 0.8 for verdict in judged])
    assert (verdicts == codes)[sure].mean() >= 0.95


def test_populations_that_were_not_seen_are_judged_nearly_as_well(tool, examples):
    populations = sorted({example.population for example in examples})
    unseen = set(populations[::3])
    sheets = list(STATISTICS)
    parts = [[e for e in examples if (e.population in unseen) is held_out] for held_out in (False, True)]
    tables = [tool.tables_of(part, scores=False, random_state=0) for part in parts]
    codes = [np.array([tool.CODES.index(e.code) for e in part]) for part in parts]
    sheet = tool.fit_sheet([table[sheets] for table in tables[0][:1]], codes[0], tool.STRENGTH["losses"])
    verdicts = tool.predict(sheet, tables[1][0]).argmax(axis=1)
    assert tool.f1_score(codes[1], verdicts, average="macro") >= 0.72


def test_what_was_measured_when_it_was_fitted_reaches_the_bar():
    measured = load()["measured"]
    for name in ("losses", "losses start", "losses scores", "losses start scores"):
        for split in ("unseen populations", "unseen families"):
            figures = measured[f"{name}, {split}"]
            assert figures["macro_f1"] >= 0.72
            assert figures["healthy_alarmed"] <= 0.03
            assert figures["calibration_error"] <= 0.06


def test_probabilities_agree_with_the_regression_that_was_fitted(tool):
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    table = tool.pd.DataFrame(rng.normal(size=(200, 3)), columns=["a", "b", "c"])
    codes = np.arange(200) % len(tool.CODES)
    sheet = tool.fit_sheet([table], codes, 0.5)
    Z = ((table - table.mean()) / table.std(ddof=0)).to_numpy()
    model = LogisticRegression(C=10**tool.RARE, max_iter=2000).fit(Z, codes)  # each verdict is a tenth of the runs
    inside = np.abs(Z).max(axis=1) < 4
    np.testing.assert_allclose(tool.predict(sheet, table)[inside], model.predict_proba(Z)[inside], atol=2e-3)


# ------------------------------------------------------------------------------------------------- planted curves


def test_a_healthy_training_is_left_alone():
    verdict = judge_bare(curves(HEALTHY + NOISE[0], HEALTHY + 0.02 + NOISE[1]))
    assert verdict.verdict == "good_fit"
    assert not any(finding.severity != "info" for finding in verdict.findings.values())
    assert sum(verdict.probabilities.values()) == pytest.approx(1)


def test_an_overfit_training_turns_where_it_was_planted():
    val = 0.5 + 0.02 * np.abs(EPOCHS - 12) + 0.5 * np.exp(-EPOCHS / 3)
    verdict = judge_bare(curves(np.exp(-EPOCHS / 8), val))
    assert verdict.verdict == "LC101"
    finding = verdict.findings["LC101"]
    assert finding.severity == "warning"
    assert finding.evidence["turning_epoch"] == EPOCHS[np.argmin(val)]
    assert finding.advice[0].parameters == {"early_stopping": True, "restore_best": True}
    assert finding.confidence == pytest.approx(STATED * verdict.probabilities["LC101"])
    assert finding.confidence > 0.5


def test_a_training_that_was_cut_off_is_still_improving():
    falling = 2.3 - 0.04 * EPOCHS
    assert judge_bare(curves(falling, falling + 0.02 + NOISE[1])).verdict == "LC301"


def test_a_loss_that_becomes_infinite_has_diverged():
    broken = np.array([1.0, 5.0, np.inf, np.inf])
    for one in (curves(broken, broken), curves(broken, None), curves(None, broken)):
        verdict = judge_bare(one)
        assert verdict.verdict == "LC901"
        assert verdict.findings["LC901"].severity == "error"
        assert "epoch 3" in verdict.findings["LC901"].what


def test_advice_is_worked_out_from_the_rate_in_the_log():
    broken = np.array([1.0, 5.0, np.inf, np.inf])
    verdict = judge_bare(curves(broken, broken, learning_rate=np.full(4, 0.3)))
    assert verdict.findings["LC901"].advice[0].parameters == {"learning_rate_init": 0.03}
    assert judge_bare(curves(broken, broken)).findings["LC901"].advice[0].parameters == {}


def test_what_is_not_sure_is_for_information():
    alarm = load()["sheets"]["losses"]["alarm"]
    val = 0.5 + 0.5 * np.exp(-EPOCHS / 3)
    for rise in np.linspace(0, 0.01, 21):
        verdict = judge_bare(curves(0.45 + 0.5 * np.exp(-EPOCHS / 3), val + rise * np.maximum(EPOCHS - 15, 0)))
        for code, finding in verdict.findings.items():
            sure = verdict.probabilities[code] >= alarm["finding"]
            sure &= 1 - verdict.probabilities["good_fit"] >= alarm["anything"]
            assert finding.severity == ("warning" if sure else "info")
            assert ("may be" in finding.what) != sure


# ------------------------------------------------------------------------------------------------------ too little


@pytest.mark.parametrize("n", [0, 1, 3, 4])
def test_few_epochs_get_no_verdict_and_a_reason(n):
    verdict = judge_bare(curves(HEALTHY[:n], HEALTHY[:n]))
    assert verdict.verdict == "unknown"
    assert verdict.title == "unknown"
    assert not verdict.findings
    assert f"{n} epoch" in verdict.not_applicable["LC101"]
    assert set(CODES) <= set(verdict.not_applicable)


def test_one_good_curve_never_says_that_all_is_well():
    for one in (curves(HEALTHY, None), curves(None, HEALTHY)):
        verdict = judge_bare(one)
        assert verdict.verdict == "unknown"
        assert not verdict.findings
        assert "there is no" in verdict.not_applicable["LC101"]


def test_no_curve_at_all_is_unknown():
    assert judge_bare(Curves(epoch=EPOCHS)).verdict == "unknown"


@pytest.mark.parametrize(
    ("train", "code"),
    [
        (1 + 0.1 * EPOCHS, "LC901"),
        (np.where(EPOCHS < 6, 1.2, 0.6) + 0.3 * (-1) ** EPOCHS, "LC701"),
        (2.3 - 0.0001 * EPOCHS, "LC201"),
        (2.3 - 0.04 * EPOCHS, "LC301"),
        (HEALTHY + NOISE[0], None),
    ],
)
def test_a_training_curve_alone_says_what_it_can(train, code):
    assert judge_bare(curves(train, None)).verdict == (code or "unknown")


def test_a_validation_curve_alone_that_rises_may_be_overfit():
    verdict = judge_bare(curves(None, 0.5 + 0.02 * np.abs(EPOCHS - 12)))
    assert verdict.findings["LC101"].severity == "info"
    assert verdict.findings["LC101"].evidence["turning_epoch"] == 12


# ------------------------------------------------------------------------------------------------------- the numbers


def test_every_statistic_is_described_and_weighed():
    known = STATISTICS | START_STATISTICS | SCORE_STATISTICS
    assert all(known.values())
    for name, sheet in load()["sheets"].items():
        assert set(sheet["statistics"]) <= set(known), name
        assert np.shape(sheet["weights"]) == (len(load()["verdicts"]), len(sheet["statistics"]))
    assert set(load()["verdicts"]) == set(TITLES) - {"unknown"}


def test_the_unit_of_the_loss_changes_nothing(examples):
    for example in examples[::40]:
        bare = without_start(example)
        scaled = dataclasses.replace(bare, train_loss=1000 * bare.train_loss, val_loss=1000 * bare.val_loss)
        here, there = (judge_bare(one).probabilities for one in (bare, scaled))
        np.testing.assert_allclose(list(here.values()), list(there.values()), atol=1e-9)


def test_missing_epochs_are_passed_over():
    train, val = HEALTHY.copy(), HEALTHY + 0.02
    train[7], val[20] = np.nan, np.nan
    pair = pair_of(curves(train, val))
    assert len(pair.epoch) == 38
    assert 8 not in pair.epoch
    assert judge_bare(curves(train, val)).verdict == judge_bare(curves(HEALTHY, HEALTHY + 0.02)).verdict


def test_statistics_of_lines_agree_with_scipy():
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(1).normal(size=30).cumsum()
    wanted = stats.linregress(np.arange(30), values)
    np.testing.assert_allclose(line(values), (wanted.slope, wanted.stderr))


def test_jitter_of_white_noise_is_its_deviation_and_of_a_line_nothing():
    noise = np.random.default_rng(2).normal(0, 0.3, 20_000)
    assert jitter(noise) == pytest.approx(0.3, rel=0.02)
    assert jitter(np.linspace(3, 1, 50)) == pytest.approx(0, abs=1e-12)


def test_the_promised_gain_of_a_geometric_fall_is_its_closed_form():
    factor, n = 0.95, 40
    values = factor ** np.arange(n)
    falls = values.reshape(4, 10).mean(axis=1)
    per_quarter = factor**10
    wanted = (falls[2] - falls[3]) * sum(per_quarter**k for k in range(1, 5))
    assert promised_gain(values) == pytest.approx(wanted)
    assert promised_gain(values) == pytest.approx(falls[3] - factor**40 * falls[3], rel=1e-9)


@pytest.mark.parametrize("n_rows", [7, 40, 333])
def test_rows_are_found_behind_accuracies(n_rows):
    counts = np.random.default_rng(n_rows).integers(0, n_rows + 1, 60)
    assert rows_behind(counts / n_rows) == n_rows
    assert rows_behind(np.round(counts / n_rows, 4)) == n_rows
    assert rows_behind(np.array([-0.5, 0.3])) == 1000  # R^2


def test_scores_and_the_start_are_used_where_they_are():
    epoch = np.arange(0.0, 41)
    train = np.concatenate([[np.nan], HEALTHY])
    val = np.concatenate([[1.1], HEALTHY + 0.02])
    more = Curves(epoch=epoch, train_loss=train, val_loss=val, val_score=np.linspace(0.5, 0.9, 41))
    figures = statistics(pair_of(more))
    assert set(figures) == set(STATISTICS | START_STATISTICS | SCORE_STATISTICS)
    assert sheet_name(figures, scores_alone=False) == "losses start scores"
    assert judge_bare(more).verdict in load()["verdicts"]


def test_scores_turned_round_have_a_sheet_of_their_own():
    score = 1 - HEALTHY
    verdict = judge_bare(curves(1 - score, 1 - score + 0.02, train_score=score, val_score=score - 0.02))
    assert verdict.probabilities
    assert "scores" in load()["sheets"]


LOSSES = arrays(
    float,
    st.integers(5, 40),
    elements=st.one_of(st.floats(-1e3, 1e6), st.sampled_from([0.0, 1.0, 1e-300, 1e300, -1e300, np.nan, np.inf])),
)


@given(LOSSES, st.data())
def test_any_two_curves_get_a_verdict_or_a_reason(train, data):
    val = data.draw(
        arrays(float, len(train), elements=st.one_of(st.floats(-10, 1e6), st.sampled_from([np.nan, 1e300])))
    )
    verdict = judge_bare(curves(train, val))
    assert verdict.title in TITLES.values()
    for finding in verdict.findings.values():
        assert 0 <= finding.confidence <= 1
        assert all(np.isfinite(value) for value in finding.evidence.values())
        assert finding.what[0].islower()
    json.dumps(dict(verdict.probabilities))
    with contextlib.suppress(NotApplicableError):
        assert all(np.isfinite(value) for value in statistics(pair_of(curves(train, val))).values())


def test_a_sheet_with_far_figures_stays_finite():
    written = {"statistics": ["a"], "mean": [0.0], "scale": [1e-3], "weights": [[1.0], [-1.0]], "bias": [0.0, 0.0]}
    found = sheet_from(written, ["LC101", "good_fit"]).probabilities({"a": 1e12})
    assert found["LC101"] == pytest.approx(1, abs=1e-3)
