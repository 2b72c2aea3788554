"""The checks of the predictions: each speaks of a case made for it, and is silent on those that only look so."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from scipy.special import expit, logit

from planefold.doctor import CHECKS, Case, Curves, NotApplicableError, diagnose_case
from planefold.doctor.scoring import Calibration, Comparison, Scores, Segment, measure_scores

SETTINGS = {
    "hidden_layer_sizes": (16,), "learning_rate_init": 0.01, "max_iter": 50, "alpha": 0.001, "dropout": 0.0,
    "early_stopping": False, "n_members": 1, "skip": None, "encoding": "linear", "class_weight": None,
    "resample": None, "threshold": None,
}  # fmt: skip
CODES = tuple(code for code in CHECKS if code.startswith("SC"))
FINE = Calibration(
    error=0.03, by_chance=0.03, p=0.4, slope=1.0, slope_se=0.1, bias=0.0, bias_se=0.02, said=0.5, seen=0.5, n_rows=300
)
HEALTHY = Scores(
    task="binary", n_rows=300, score=0.9, loss=0.25, n_segments=80, beats_majority_z=8.0, agreement=0.95,
    calibration=FINE,
    comparisons={
        "trivial": Comparison(difference=-0.45, se=0.02, other=0.7),
        "linear": Comparison(difference=-0.1, se=0.02, other=0.35),
        "trees": Comparison(difference=-0.01, se=0.02, other=0.26),
    },
)  # fmt: skip


def _case(settings=SETTINGS, **changes):
    return Case(scores=dataclasses.replace(HEALTHY, **changes), settings=settings)


def _against(name, difference, se=0.02, **changes):
    """Let the model's loss be 0.25, and that of one of the others as far away as is wanted."""
    found = Comparison(difference=difference, se=se, other=0.25 - difference)
    return _case(comparisons={**HEALTHY.comparisons, name: found}, **changes)


def _calibrated(**changes):
    return _case(calibration=dataclasses.replace(FINE, **changes))


BOLD = {"error": 0.12, "p": 1e-6, "slope": 0.5, "slope_se": 0.05}
TIMID = {"error": 0.12, "p": 1e-6, "slope": 1.8, "slope_se": 0.1}
WEAK = Segment(where="city is 'Oslo'", n_rows=60, error=0.4, rest=0.1, z=7.0, p=1e-9)
LEFT_BEHIND = dataclasses.replace(WEAK, behind=0.3, behind_z=5.0)


def _curves(score, loss, n_val=500):
    n = len(score)
    return Curves(epoch=np.arange(1, n + 1.0), val_score=np.asarray(score), val_loss=np.asarray(loss), n_val=n_val,
                  trivial_val_loss=0.7)  # fmt: skip


EARLY = Case(curves=_curves(np.full(60, 0.8), 0.3 + 0.3 * np.exp(-np.arange(60) / 20)))
SICK = {
    "SC101": _against("trivial", 0.2, beats_majority_z=-1.0),
    "SC102": _against("linear", 0.08),
    "SC103": _against("trees", 0.1),
    "SC201": _calibrated(**BOLD),
    "SC301": _case(segments=(WEAK,)),
    "SC401": EARLY,
    "SC501": _case(agreement=0.3),
}
WELL = {
    "SC101": [
        _against("trivial", 0.2, beats_majority_z=5.0),  # the classes are right: only the probabilities are off
        _against("trivial", 0.2, se=0.15, beats_majority_z=0.0),
        _against("trivial", 0.002, se=0.0001, beats_majority_z=0.0),
    ],
    "SC102": [_against("linear", 0.04, se=0.06), _against("linear", 0.0, se=0.05), _against("linear", -0.1)],
    "SC103": [_against("trees", 0.1, se=0.05), _against("trees", 0.01, se=0.001), _against("trees", -0.1)],
    "SC201": [
        _calibrated(error=0.12, p=0.05, slope=0.8),
        _calibrated(error=0.04, p=1e-5),
        _calibrated(error=0.12, by_chance=0.11, p=1e-5),
    ],
    "SC301": [_case(segments=(dataclasses.replace(WEAK, error=0.13),)), _case(segments=())],
    "SC401": [
        Case(curves=_curves(np.full(60, 1.0), 0.3 + 0.3 * np.exp(-np.arange(60) / 20))),
        Case(curves=_curves(0.6 + 0.3 * np.arange(60) / 60, 0.3 + 0.3 * np.exp(-np.arange(60) / 20))),
        Case(curves=_curves(np.full(60, 0.8), np.full(60, 0.5))),
        Case(curves=_curves(np.full(60, 0.8), 0.3 + 0.01 * np.arange(60))),
    ],
    "SC501": [_case(agreement=0.8)],
}


@pytest.mark.parametrize("code", CODES)
def test_each_check_speaks_of_its_case(code):
    found = CHECKS[code](SICK[code])

    assert found is not None
    assert 0.5 < found.confidence <= 1
    assert found.evidence
    assert all(isinstance(value, int | float) for value in found.evidence.values())
    assert found.what[0].islower()
    assert not found.what.endswith(".")
    assert any(character.isdigit() for character in found.what)


@pytest.mark.parametrize(("code", "case"), [(code, case) for code, cases in WELL.items() for case in cases])
def test_it_is_silent_on_what_only_looks_so(code, case):
    assert CHECKS[code](case) is None


def test_a_healthy_case_has_no_finding():
    diagnosis = diagnose_case(_case())

    assert len(diagnosis) == 0
    assert not set(CODES) & set(diagnosis.not_applicable) - {"SC401"}


@pytest.mark.parametrize("code", CODES)
def test_without_evidence_a_check_says_why_it_says_nothing(code):
    for case in (Case(), _case(comparisons={}, calibration=None, n_segments=0, agreement=None)):
        with pytest.raises(NotApplicableError, match=r"\w{4}"):
            CHECKS[code](case)


@pytest.mark.parametrize("code", [code for code in CODES if code not in ("SC301", "SC401")])
def test_the_first_advice_can_be_applied_as_it_stands(code):
    first = CHECKS[code](SICK[code]).advice[0]

    assert first.parameters
    for name, value in first.parameters.items():
        assert SETTINGS[name] != value


@pytest.mark.parametrize("code", CODES)
def test_models_without_these_parameters_get_advice_in_words(code):
    found = CHECKS[code](dataclasses.replace(SICK[code], settings={}))

    assert found.advice
    assert not any(action.parameters for action in found.advice)


def test_no_two_findings_change_one_parameter_in_two_ways():
    scores = [
        dataclasses.replace(SICK[code].scores or HEALTHY, calibration=calibration, agreement=agreement)
        for code in CODES
        for calibration in (FINE, dataclasses.replace(FINE, **BOLD), dataclasses.replace(FINE, **TIMID))
        for agreement in (0.95, 0.3)
    ]
    for its in scores:
        both = dataclasses.replace(its, segments=(LEFT_BEHIND,))
        told = diagnose_case(Case(scores=both, settings=SETTINGS)).findings
        for one, other in itertools.combinations(told, 2):
            changes = [{k: v for a in f.advice for k, v in a.parameters.items()} for f in (one, other)]
            for name in changes[0].keys() & changes[1].keys() - {"n_members"}:
                assert changes[0][name] == changes[1][name], (one.code, other.code, name)
            grows = [
                f.code for f, change in zip((one, other), changes, strict=True) if change.get("hidden_layer_sizes")
            ]
            damps = [f.code for f, change in zip((one, other), changes, strict=True) if change.get("alpha")]
            assert not (grows and damps), (one.code, other.code)


# ------------------------------------------------------------------------------------------------------- their words


def test_a_large_lag_behind_trees_is_a_warning_and_a_small_one_is_not():
    assert CHECKS["SC103"](_against("trees", 0.1)).severity == "warning"
    assert CHECKS["SC103"](_against("trees", 0.03, se=0.005)).severity == "info"


def test_a_linear_model_that_is_as_good_is_told_only_where_the_rows_can_tell():
    found = CHECKS["SC102"](_against("linear", 0.0, se=0.005))

    assert found.severity == "info"
    assert "as good" in found.what
    nothing = _against("linear", 0.0, se=0.005)
    comparisons = {**nothing.scores.comparisons, "trivial": Comparison(difference=0.0, se=0.01, other=0.25)}
    assert CHECKS["SC102"](_case(comparisons=comparisons)) is None  # nothing was learned: that is LC201's


@pytest.mark.parametrize(
    ("changes", "words"),
    [(BOLD, "too bold"), (TIMID, "too timid"), ({"error": 0.1, "p": 1e-6, "bias": 0.1}, "too high"),
     ({"error": 0.1, "p": 1e-6, "bias": -0.1}, "too low")],
)  # fmt: skip
def test_the_direction_is_told(changes, words):
    assert words in CHECKS["SC201"](_calibrated(**changes)).what


def test_class_weights_are_named_where_they_are_the_reason():
    shifted = _calibrated(error=0.1, p=1e-6, bias=0.1)
    found = CHECKS["SC201"](dataclasses.replace(shifted, settings=SETTINGS | {"class_weight": "balanced"}))

    assert found.advice[0].parameters["class_weight"] is None


def test_a_segment_in_which_trees_are_better_is_a_warning():
    assert CHECKS["SC301"](_case(segments=(WEAK,))).severity == "info"
    found = CHECKS["SC301"](_case(segments=(WEAK, LEFT_BEHIND)))
    assert found.severity == "warning"
    assert found.advice[0].parameters
    assert found.where == "city is 'Oslo'"


def test_a_network_that_learns_by_heart_is_not_advised_to_grow():
    bold = dataclasses.replace(FINE, **BOLD)

    found = CHECKS["SC103"](_against("trees", 0.1, calibration=bold))

    assert "hidden_layer_sizes" not in {name for action in found.advice for name in action.parameters}


def test_predictions_of_the_truth_itself_are_never_accused():
    alarms = 0
    for seed in range(30):
        random = np.random.default_rng(seed)
        best = expit(2 * random.standard_normal(200))
        y = (random.random(200) < best).astype(float)
        share = expit(logit(best) + 0.1 * random.standard_normal(200))
        table = {"a": random.random(200), "b": random.choice(list("xyz"), 200)}
        scores = measure_scores(
            y, (share > 0.5).astype(float), task="binary", proba=share, classes=(0.0, 1.0), columns=table,
            baselines={"trivial": np.full(200, np.log(2)), "linear": -np.log(np.where(y > 0, best, 1 - best))},
        )  # fmt: skip
        alarms += not diagnose_case(Case(scores=scores, settings=SETTINGS)).healthy
    assert alarms <= 1
