"""Each check of the curves has a case that triggers it, look-alikes that do not, and evidence that is right."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planefold.doctor import CHECKS, diagnose_case
from planefold.doctor.case import Case, Curves
from planefold.doctor.check import NotApplicableError
from planefold.doctor.confidence import confidence
from planefold.doctor.finding import SEVERITIES
from planefold.doctor.measures import measure

LC = [code for code in CHECKS if code.startswith("LC")]
EPOCHS = np.arange(1, 41)
RNG = np.random.default_rng(1)
FALLING = 0.1 + 0.9 * np.exp(-EPOCHS / 4)  # and flat at the end
RISING = FALLING + 0.02 * np.maximum(EPOCHS - 12, 0)  # turns about epoch 12
SLOW = 1 - 0.015 * EPOCHS
FLAT = np.full(40, 0.97)
HIGH = 0.5 + 0.5 * np.exp(-EPOCHS / 4)
JUMPY = FALLING + np.where(EPOCHS % 2, 0.12, -0.05)
DEEPER = FALLING - 0.002 * EPOCHS  # goes on falling a little
SETTINGS = {
    "hidden_layer_sizes": (64, 64), "learning_rate_init": 0.01, "learning_rate": "constant", "batch_size": 32,
    "alpha": 1e-4, "dropout": 0.1, "max_iter": 40, "early_stopping": False, "restore_best": False, "solver": "adam",
}  # fmt: skip


@pytest.fixture(scope="module")
def sick(make_case, make_reference):
    """A case for each code."""
    broken = np.append(FALLING[:5], [3.0, math.nan])
    kept_start = make_case(FALLING, np.full(40, 0.3), start=0.29, kept_epoch=0, settings=SETTINGS)
    score = np.full(40, 0.9)
    return {
        "LC901": make_case(broken, broken, settings=SETTINGS, stopped_because="diverged"),
        "LC902": make_case(FALLING, FALLING, settings=SETTINGS, stopped_because="interrupted"),
        "LC701": make_case(JUMPY, JUMPY + 0.01, settings=SETTINGS),
        "LC401": kept_start,
        "LC201": make_case(FLAT, FLAT, settings=SETTINGS),
        "LC101": make_case(DEEPER, RISING, settings=SETTINGS),
        "LC102": make_case(DEEPER, RISING, settings=SETTINGS, val_score=score),
        "LC602": make_case(FALLING + 0.15, FALLING, settings=SETTINGS),
        "LC601": make_case(FALLING, FALLING, n_val=8, spread=0.4, settings=SETTINGS),
        "LC301": make_case(SLOW, SLOW + 0.01, settings=SETTINGS),
        "LC202": make_case(HIGH, HIGH, reference=make_reference(0.2), settings=SETTINGS),
        "LC203": make_case(HIGH, HIGH, settings=SETTINGS),
        "LC501": make_case(FALLING, FALLING + 0.3, settings=SETTINGS),
        "LC402": make_case(FALLING[np.minimum(3 * np.arange(40), 39)], FALLING[np.minimum(3 * np.arange(40), 39)]),
    }


def _codes(case):
    return [finding.code for finding in diagnose_case(case) if finding.code.startswith("LC")]


@pytest.mark.parametrize("code", LC)
def test_each_check_speaks_in_its_case(sick, code):
    assert code in _codes(sick[code])


@pytest.mark.parametrize("code", LC)
def test_each_finding_is_complete_and_readable(sick, code):
    finding = CHECKS[code](sick[code])
    assert finding.severity in SEVERITIES
    assert 0 < finding.confidence <= 1
    assert finding.evidence
    assert all(np.isfinite(value) for value in finding.evidence.values())
    assert finding.what[0].islower() or finding.what[0].isdigit()
    assert not finding.what.endswith(".")
    assert finding.why.endswith(".")
    assert not re.search(r"np\.|nan%|inf%|None", f"{finding.what} {finding.why} {finding.try_}")


@pytest.mark.parametrize("code", [code for code in LC if code not in ("LC902", "LC401", "LC203", "LC602", "LC601")])
def test_the_first_advice_is_a_change_of_parameters(sick, code):
    case = sick[code]
    first = CHECKS[code](case).advice[0]
    assert first.parameters
    assert any(case.settings.get(name) != value for name, value in first.parameters.items())


VERDICTS = {
    "LC901": "diverged", "LC701": "oscillating", "LC201": "hardly learned", "LC101": "overfit",
    "LC602": "validation easier", "LC601": "validation too small", "LC301": "still improving", "LC202": "too small",
    "LC501": "gap", "LC203": "good fit", "LC402": "good fit", "LC401": "good fit", "LC902": "good fit",
}  # fmt: skip


@pytest.mark.parametrize("code", VERDICTS)
def test_each_case_has_one_verdict(sick, code):
    assert diagnose_case(sick[code]).verdict == VERDICTS[code]


# Healthy look-alikes -------------------------------------------------------------------------------------------------


def _warned(case):
    return [finding.code for finding in diagnose_case(case) if finding.severity != "info"]


NOISE = 0.01 * RNG.standard_normal(40)


@pytest.mark.parametrize(
    ("train", "val", "changes"),
    [
        (FALLING, FALLING + 0.05 + NOISE, {}),
        (FALLING, FALLING + 0.05 + NOISE, {"stopped_because": "no_improvement", "kept_epoch": 30}),
        (FALLING, FALLING + 0.05 + NOISE, {"trivial": None, "trivial_val_loss": None}),
        (FALLING, FALLING + 0.05 + NOISE, {"rows": False}),
        (FALLING, FALLING + 0.05 + NOISE, {"thin": 5}),
        (FALLING, None, {}),
        (FALLING, FALLING + 0.02 + NOISE, {"start": 1.7}),  # a bad start that recovers
        (FALLING, FALLING + 0.001 * np.maximum(EPOCHS - 12, 0), {}),  # a rise of 3 % of the range
        (RISING, RISING, {}),  # both rise: that is not learning by heart
        (FALLING, np.where(EPOCHS == 38, FALLING + 1.0, FALLING), {}),  # one odd epoch
        (SLOW, SLOW, {"stopped_because": "no_improvement"}),
        (FALLING, FALLING - 0.03, {"n_val": 20}),  # below, but of few rows
        (0.5 * FALLING + 0.4, 0.5 * FALLING + 0.42, {}),  # a noisy problem
    ],
)
def test_what_only_looks_sick_gets_no_warning(make_case, train, val, changes):
    assert _warned(make_case(train, val, **changes)) == []


def test_a_noisy_problem_is_not_a_small_network_where_the_reference_is_no_better(make_case, make_reference):
    case = make_case(HIGH, HIGH + 0.01, reference=make_reference(0.48), settings=SETTINGS)
    assert _warned(case) == []


def test_without_a_reference_only_settings_that_hold_it_back_make_a_network_small(make_case):
    assert _warned(make_case(HIGH, HIGH, settings=SETTINGS)) == []
    assert _warned(make_case(HIGH, HIGH, settings=SETTINGS | {"hidden_layer_sizes": (1,)})) == ["LC202"]
    assert _warned(make_case(HIGH, HIGH, settings=SETTINGS | {"dropout": 0.6})) == ["LC202"]
    assert _warned(make_case(HIGH, HIGH, settings=SETTINGS | {"alpha": 3.2})) == ["LC202"]
    assert _warned(make_case(FALLING, FALLING, settings=SETTINGS | {"hidden_layer_sizes": (1,)})) == []


def test_few_rows_make_the_validation_loss_jump_and_not_the_network(make_case):
    wild = FALLING + 0.15 * RNG.standard_normal(40)
    assert "LC701" not in _codes(make_case(FALLING, wild, n_val=10, spread=0.5))
    assert "LC701" not in _codes(make_case(FALLING, wild, n_val=10, spread=0.5, thin=5))


def test_a_warm_restart_is_meant_to_jump(make_case):
    cycle = np.arange(40) % 8
    rates = 0.1 * 0.5 * (1 + np.cos(np.pi * cycle / 8))
    restarted = 0.1 + np.where(cycle == 0, 0.3, 0.0)
    assert "LC701" in _codes(make_case(restarted, restarted))
    assert "LC701" not in _codes(make_case(restarted, restarted, learning_rate=rates))


def test_a_schedule_that_ends_early_is_judged_by_how_the_loss_fell_before(make_case):
    rates = 0.5 * (1 + np.cos(np.pi * np.arange(40) / 40))
    time = np.cumsum(rates)
    unfinished = 1 - 0.4 * time / time[-1]  # flat at the end, since the rate is
    finished = 0.1 + 0.9 * np.exp(-time / 2)
    assert _codes(make_case(unfinished, unfinished, learning_rate=rates)) == ["LC301"]
    assert "LC301" not in _codes(make_case(finished, finished, learning_rate=rates))


def test_without_held_out_rows_a_falling_training_loss_is_for_information(make_case):
    nearly = CHECKS["LC301"](make_case(0.9 - 0.02 * EPOCHS, settings=SETTINGS))
    assert nearly.severity == "info"
    assert "none were held out" in nearly.why
    assert nearly.advice[0].parameters == {"early_stopping": True, "restore_best": True, "max_iter": 120}
    assert CHECKS["LC301"](make_case(1 - 0.008 * EPOCHS, settings=SETTINGS)).severity == "warning"


def test_a_steady_rise_needs_less_proof_from_rows_of_which_few_are_far_off(make_case):
    # All rows but a few are told right; those few are ever more surely wrong.
    rows = np.repeat(FALLING[:, None], 200, axis=1)
    slopes = 0.4 * np.linspace(0.2, 2, 6)
    rows[:, [6, 30, 33, 71, 102, 151]] = 1 + slopes * np.maximum(EPOCHS - 10, 0)[:, None]
    case = make_case(DEEPER, rows.mean(axis=1), n_val=200, val_rows=rows)
    finding = CHECKS["LC101"](case)
    assert 1 < finding.evidence["z"] < 2
    rows[:, [6, 30, 33, 71, 102, 151]] = 1 + 30 * slopes * (EPOCHS > 10)[:, None]  # as far up, but in one step
    assert CHECKS["LC101"](make_case(DEEPER, rows.mean(axis=1), n_val=200, val_rows=rows)) is None


def test_a_run_that_kept_its_best_weights_has_its_rise_behind_it(make_case):
    kept = diagnose_case(make_case(DEEPER, RISING, kept_epoch=12, settings=SETTINGS))
    (finding,) = [finding for finding in kept if finding.code == "LC101"]
    assert finding.severity == "info"
    assert "the weights of the best epoch were kept" in finding.what
    assert kept.verdict == "good fit"
    assert kept.numbers["gap"] == pytest.approx(RISING[11] - DEEPER[11])  # judged by the weights that were kept

    useless = CHECKS["LC101"](make_case(FALLING, 0.95 + 0.02 * EPOCHS, kept_epoch=1))
    assert useless.severity == "warning"
    assert "hardly better than always predicting the same" in useless.why


def test_the_start_is_only_said_to_be_best_where_it_was_kept_and_had_learned_something(make_case):
    worse = np.full(40, 0.3)
    assert "LC401" in _codes(make_case(FALLING, worse, start=0.29, kept_epoch=0))
    assert "LC401" not in _codes(make_case(FALLING, worse, start=0.29))
    assert "LC401" not in _codes(make_case(FALLING, FALLING, start=0.9, kept_epoch=40))
    assert "LC401" not in _codes(make_case(FALLING, np.full(40, 0.99), start=0.98, kept_epoch=0))


def test_the_words_of_a_gap_say_whether_the_rows_come_from_elsewhere(make_case, make_reference):
    alike = make_case(FALLING, FALLING + 0.3, reference=make_reference(0.3, shift_auc=0.52, shift_se=0.02))
    other = make_case(FALLING, FALLING + 0.3, reference=make_reference(0.3, shift_auc=0.9, shift_se=0.02))
    assert "cannot be told apart" in CHECKS["LC501"](alike).why
    assert "different sources" in CHECKS["LC501"](other).why


def test_a_rise_that_half_of_the_rows_do_not_confirm_is_luck(make_case):
    # The mean rises because of a tenth of the rows, each of which goes up or down wildly.
    rng = np.random.default_rng(3)
    rows = FALLING[:, None] + 1.5 * rng.standard_normal((40, 40))
    case = make_case(DEEPER, rows.mean(axis=1), n_val=40, val_rows=rows, spread=1.5)
    assert "LC101" not in _codes(case)


# Too little, and broken ----------------------------------------------------------------------------------------------


def test_too_little_is_said_and_not_judged(make_case):
    for n in (1, 2, 3):
        diagnosis = diagnose_case(make_case(SLOW[:n], SLOW[:n]))
        assert not [finding for finding in diagnosis if finding.code.startswith("LC")]
        assert "too few" in diagnosis.not_applicable["LC301"]
    assert diagnose_case(Case()).verdict == "unknown"
    without_val = diagnose_case(make_case(FALLING)).not_applicable
    assert without_val["LC101"] == without_val["LC501"] == "no rows were held out"


def test_the_last_epoch_with_a_finite_loss_is_the_end_where_rows_are_missing(make_case):
    gaps = FALLING.copy()
    gaps[[3, 17, 30]] = np.nan
    assert _warned(make_case(FALLING, gaps)) == []
    nothing = np.full(40, np.nan)
    assert "LC101" not in _codes(make_case(nothing, nothing))


def test_a_loss_that_is_no_number_from_an_epoch_on_has_diverged(make_case):
    broken = np.append(FALLING[:8], np.full(4, np.nan))
    finding = CHECKS["LC901"](make_case(broken, broken))
    assert finding.evidence == {"epoch": 9.0}
    assert finding.severity == "error"
    assert "became nan in epoch 9" in finding.what
    high = CHECKS["LC901"](make_case(np.linspace(1, 2, 10), np.linspace(1, 2, 10)))
    assert high.evidence == {"epoch": 10.0, "excess": pytest.approx(1.0)}


LOSSES = st.lists(
    st.one_of(st.floats(0, 10), st.sampled_from([math.nan, math.inf, -math.inf, -1.0, 0.0, 1e30])), max_size=12
)


@given(
    train=LOSSES, val=LOSSES, trivial=st.sampled_from([None, 0.0, 1.0, -1.0]), kept=st.sampled_from([None, 0, 3, 99])
)
def test_no_curve_is_a_crash(train, val, trivial, kept):
    n = min(len(train), len(val))
    curves = Curves(
        epoch=np.arange(n, dtype=float), train_loss=np.array(train[:n], dtype=float),
        val_loss=np.array(val[:n], dtype=float), trivial_loss=trivial, kept_epoch=kept, n_train=10, n_val=5,
        val_rows=np.array(val[:n], dtype=float)[:, None] * np.ones(6), n_eval=10,
    )  # fmt: skip
    with np.errstate(over="ignore", invalid="ignore"):
        diagnosis = diagnose_case(Case(curves=curves))
    assert all(math.isfinite(value) for value in diagnosis.numbers.values())
    for finding in diagnosis:
        assert all(math.isfinite(value) for value in finding.evidence.values())


@pytest.mark.parametrize("unit", [1e-3, 7.0, 1e4])
def test_the_unit_of_the_loss_changes_nothing(sick, unit):
    names = (
        "train_loss",
        "train_eval",
        "train_se",
        "val_loss",
        "val_se",
        "val_rows",
        "trivial_loss",
        "trivial_val_loss",
    )
    for code, case in sick.items():
        curves = case.curves
        scaled = {name: getattr(curves, name) for name in names}
        scaled = {name: None if value is None else value * unit for name, value in scaled.items()}
        reference = case.reference
        if reference is not None:
            reference = dataclasses.replace(reference, loss=reference.loss * unit, se=reference.se * unit)
        other = dataclasses.replace(case, curves=dataclasses.replace(curves, **scaled), reference=reference)
        assert _codes(other) == _codes(case), code


# Evidence ------------------------------------------------------------------------------------------------------------


def test_the_evidence_is_what_the_curves_say(sick):
    overfit = CHECKS["LC101"](sick["LC101"])
    assert overfit.evidence["turning_epoch"] == np.argmin(RISING) + 1
    assert overfit.evidence["rise"] == pytest.approx(np.median(RISING[-3:]) - RISING.min())
    reach = max(1 - RISING.min(), 0.5 * (1 - DEEPER.min()))
    assert overfit.evidence["learnable_range"] == pytest.approx(reach)
    assert overfit.where == f"epoch {np.argmin(RISING) + 1}"

    gap = CHECKS["LC501"](sick["LC501"])
    assert gap.evidence["gap"] == pytest.approx(0.3)
    assert gap.evidence["gap_se"] == pytest.approx(math.sqrt(0.2**2 / 400 + 0.2**2 / 1000 + (1 / 400) ** 2))

    never = CHECKS["LC201"](sick["LC201"])
    assert never.evidence == {"skill": pytest.approx(0.03), "trivial_loss": 1.0, "loss": pytest.approx(0.97)}

    jumps = CHECKS["LC701"](sick["LC701"])
    seconds = np.diff(JUMPY[-20:], 2)
    assert jumps.evidence["jitter"] == pytest.approx(math.sqrt(np.mean(seconds**2) / 6))

    small = CHECKS["LC601"](sick["LC601"])
    assert small.evidence["val_se"] == pytest.approx(0.4 / math.sqrt(8))
    assert small.evidence["needed"] == math.ceil(8 * (small.evidence["val_se_share"] / 0.03) ** 2)


def test_advice_is_worked_out_from_the_settings(sick):
    kept = {"restore_best": True}
    assert CHECKS["LC901"](sick["LC901"]).advice[0].parameters == {"learning_rate_init": 0.001} | kept
    assert CHECKS["LC701"](sick["LC701"]).advice[0].parameters == {"learning_rate_init": 0.00125}
    assert CHECKS["LC301"](sick["LC301"]).advice[0].parameters == {"max_iter": 120} | kept
    assert CHECKS["LC101"](sick["LC101"]).advice[0].parameters == {"early_stopping": True, "restore_best": True}
    wider = {"hidden_layer_sizes": (256, 256), "alpha": 0.0, "dropout": 0.0}
    assert CHECKS["LC202"](sick["LC202"]).advice[0].parameters == wider | kept
    assert CHECKS["LC501"](sick["LC501"]).advice[0].parameters == {"dropout": 0.3}


def test_held_out_rows_that_the_caller_chose_are_not_for_a_parameter_to_enlarge(make_case):
    settings = SETTINGS | {"early_stopping": True, "validation_fraction": 0.1}
    for is_given, names in ((False, {"validation_fraction"}), (True, set())):
        case = make_case(FALLING, FALLING, n_val=8, spread=0.4, settings=settings | {"validation_data": is_given})
        advice = CHECKS["LC601"](case).advice
        assert set(advice[0].parameters) == names
        assert any("n_members" in action.parameters for action in advice) is not is_given


@pytest.mark.parametrize("batch_norm", [False, True])
def test_first_weights_worse_than_the_mean_that_hardly_move_have_not_diverged(make_case, batch_norm):
    still = np.linspace(1.4, 1.39, 40)
    start = 1.0 if batch_norm else 1.4  # with batch norm the first means are those of no rows
    case = make_case(still, still, start=start, settings=SETTINGS | {"batch_norm": batch_norm})
    assert diagnose_case(case).verdict == "hardly learned"
    worse = np.linspace(1.5, 1.9, 40)
    assert diagnose_case(make_case(worse, worse, start=1.4, settings=SETTINGS)).verdict == "diverged"


def test_a_gap_waits_while_the_network_has_hardly_begun(make_case):
    begun = 1 - 0.005 * EPOCHS
    case = make_case(begun, begun + 0.2, settings=SETTINGS)
    assert diagnose_case(case).verdict == "still improving"


def test_a_step_schedule_that_stopped_the_fall_does_not_hide_that_there_was_more(make_case):
    falls = np.concatenate([1 - 0.02 * np.arange(1, 21), np.full(20, 0.59)])
    rates = np.concatenate([np.full(20, 0.1), np.full(20, 1e-4)])
    case = make_case(falls, falls + 0.01 * np.abs(NOISE), settings=SETTINGS, learning_rate=rates)
    assert diagnose_case(case).verdict == "still improving"


def test_running_losses_of_all_rows_mend_what_few_rows_say_of_a_plain_network(make_case):
    """Of 256 rows, drawn 0.04 too high, and of 2,000 rows the running mean, half an epoch before."""
    falling = 0.5 - 0.005 * EPOCHS
    running = falling + 0.0025
    few = {"train_loss": running, "n_eval": 256, "train_se": np.full(40, 0.03)}
    seen = [
        measure(make_case(falling + 0.04, falling + 0.1, n_train=2000, is_plain=is_plain, **few).curves)
        for is_plain in (False, True)
    ]
    assert seen[0]["gap"] == pytest.approx(0.06)
    assert seen[1]["gap"] == pytest.approx(0.1)
    assert seen[1]["gap_se"] < seen[0]["gap_se"]
    far = {**few, "train_loss": running - 1.0}  # beyond what so few rows allow
    told = measure(make_case(falling + 0.04, falling + 0.1, n_train=2000, is_plain=True, **far).curves)
    assert told["gap"] == pytest.approx(0.06 + 2 * 0.03 * math.sqrt(1 - 256 / 2000))


def test_confidence_grows_with_the_evidence_and_is_never_certain():
    for code in (*LC, "never calibrated"):
        sure = [confidence(code, strength) for strength in (0.0, 0.5, 1.0, 1.5, 3.0, 10.0, math.inf)]
        assert sure == sorted(sure)
        assert 0 < sure[0] < 0.05
        assert sure[-1] < 1
    assert confidence("LC101", math.nan) < 0.05


# No contradictions ---------------------------------------------------------------------------------------------------

HOW = {"max_iter": 1, "learning_rate_init": 1, "dropout": -1, "alpha": -1, "hidden_layer_sizes": 1}


def _directions(diagnosis, settings):
    """Return which way each parameter is pushed, by all advice of a diagnosis."""
    pushed = {}
    for finding in diagnosis:
        if not finding.code.startswith("LC"):
            continue
        for action in finding.advice:
            for name, value in action.parameters.items():
                if name in HOW:
                    old, new = np.sum(settings[name]), np.sum(value)
                    pushed.setdefault(name, set()).add(int(np.sign(new - old)))
    return {name: ways - {0} for name, ways in pushed.items()}


def test_no_two_findings_of_one_diagnosis_advise_opposite_things(make_case, make_reference):
    curves = [FALLING, DEEPER, RISING, SLOW, FLAT, HIGH, JUMPY, FALLING + 0.3, 0.97 + 0.05 * EPOCHS, 2 * RISING]
    reasons = [("max_iter", None), ("no_improvement", 12), ("interrupted", None)]
    references = [None, make_reference(0.15), make_reference(0.95)]
    for i, (train, val, (reason, kept)) in enumerate(itertools.product(curves, curves, reasons)):
        facts = {"stopped_because": reason, "kept_epoch": kept, "n_val": 8 if i % 4 == 0 else 400}
        case = make_case(train, val, reference=references[i % 3], settings=SETTINGS, **facts)
        diagnosis = diagnose_case(case)
        for name, ways in _directions(diagnosis, SETTINGS).items():
            assert len(ways) <= 1, (name, [str(finding) for finding in diagnosis])


@pytest.mark.parametrize("code", LC)
def test_each_check_has_a_page_with_rule_examples_and_limits(code):
    page = CHECKS[code].__doc__
    assert page.startswith(("Report ", "Tell "))
    for word in ("**Rule.**", "**Fires on**", "**Silent on**", "**Limits.**"):
        assert word in page


def test_a_check_without_curves_says_so():
    for code in LC:
        with pytest.raises(NotApplicableError):
            CHECKS[code](Case())
