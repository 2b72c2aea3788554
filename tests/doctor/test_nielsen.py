"""Learning curves of Nielsen's book, whose causes are in print: chapters 3 and 5."""

from __future__ import annotations

import pytest

from planefold.core.errors import DataError
from planefold.doctor.bare.scorecard import judge_bare
from planefold.doctor.logs import read_log


@pytest.fixture(scope="module")
def folder(data_dir):
    found = data_dir / "learning_curves_nielsen"
    if not found.is_dir():
        pytest.skip(f"{found} is not here")
    return found


def judged(file):
    return [judge_bare(curves) for curves in read_log(file)]


def warned(verdict):
    return [code for code, finding in verdict.findings.items() if finding.severity != "info"]


def test_a_thousand_images_without_regularisation_overfit_from_epoch_15(folder):
    (verdict,) = judged(folder / "overfitting.csv")
    assert verdict.verdict == "LC101"
    assert warned(verdict) == ["LC101"]
    assert abs(verdict.findings["LC101"].evidence["turning_epoch"] - 15) <= 2
    assert verdict.findings["LC101"].confidence > 0.65  # measured: 0.73


@pytest.mark.parametrize("name", ["overfitting_full.csv", "regularized.csv", "regularized_full.csv"])
def test_all_images_or_regularisation_raise_no_alarm(folder, name):
    (verdict,) = judged(folder / name)
    assert verdict.verdict != "LC101"
    assert not warned(verdict)


def test_three_learning_rates_are_too_slow_right_and_too_high(folder):
    slow, good, high = judged(folder / "multiple_eta.csv")
    assert slow.verdict == "LC301"
    assert good.verdict == "unknown"  # nothing wrong, and one curve cannot say that all is well
    assert not good.findings
    assert high.verdict == "LC701"
    assert warned(high) == ["LC701"]


@pytest.mark.parametrize("name", ["weight_initialization_30.csv", "weight_initialization_100.csv"])
def test_one_curve_of_accuracy_gives_no_wrong_verdict(folder, name):
    found = judged(folder / name)
    assert len(found) == 2
    assert all(not warned(verdict) for verdict in found)


def test_norms_of_gradients_are_no_learning_curves(folder):
    with pytest.raises(DataError, match="no column whose name says"):
        read_log(folder / "gradient_norms_4_layers.csv")
