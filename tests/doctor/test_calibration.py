"""How sure a finding is: the fit of slope and offset, and the table that is shipped."""

from __future__ import annotations

import importlib.util
import json
import math

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from planefold.doctor import CHECKS
from planefold.doctor.confidence import OFFSET, SLOPE, confidence


@pytest.fixture(scope="module")
def tool(request):
    path = request.config.rootpath / "tools" / "calibrate_causes.py"
    spec = importlib.util.spec_from_file_location("calibrate_causes", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_many_pairs_are_fitted_as_a_logistic_regression_fits_them(tool):
    random = np.random.default_rng(0)
    strengths = np.exp(random.uniform(0, 2, 3000))
    is_true = random.random(3000) < expit(1.5 * np.log(strengths) - 1)
    told = [tool.Told("GR201", s, t) for s, t in zip(strengths, is_true, strict=True)]
    model = LogisticRegression(C=np.inf, tol=1e-8).fit(np.log(strengths)[:, None], is_true)
    assert tool.fit(told, (SLOPE, OFFSET), 0.0) == pytest.approx((model.coef_[0, 0], model.intercept_[0]), abs=2e-3)


def test_a_code_with_few_pairs_stays_near_what_all_say(tool):
    told = [tool.Told("GR201", 2.0, i % 10 > 0) for i in range(200)] + [tool.Told("GR302", 2.0, True)]
    numbers = tool.calibrate(told)
    at = {code: expit(slope * math.log(2) + offset) for code, (slope, offset) in numbers.items()}
    assert at["GR201"] == pytest.approx(0.9, abs=0.01)
    assert at["GR201"] < at["GR302"] < 0.95


def test_strengths_are_read_back_out_of_confidences(tool):
    table = {code: tuple(numbers) for code, numbers in json.loads(tool.TARGET.read_text()).items()}
    for code in ("GR201", "SC201", "LC101"):
        assert tool.strength(code, confidence(code, 1.7), table) == pytest.approx(1.7)


def test_which_findings_of_a_fault_are_true(tool):
    trial = {"harmful": True, "codes": ["GR201"], "sure": {"GR201": 0.9, "GR401": 0.8}, "twin sure": {"GR301": 0.7}}
    assert [(t.code, t.is_true) for t in tool.of_faults([trial], {})] == [("GR201", True), ("GR301", False)]
    harmless = trial | {"harmful": False, "codes": ["GR201", "GR601"], "sure": {"GR201": 0.9, "GR601": 0.9}}
    assert [(t.code, t.is_true) for t in tool.of_faults([harmless], {})][:2] == [("GR201", False), ("GR601", True)]


def test_the_table_holds_two_numbers_for_checks_that_there_are(tool):
    table = json.loads(tool.TARGET.read_text())
    assert {code.split("-")[0] for code in table} <= set(CHECKS)
    assert all(0 < slope <= 20 and abs(offset) <= 5 for slope, offset in table.values())


@pytest.mark.parametrize("code", ["GR201", "LC101", "no such code"])
def test_more_evidence_never_makes_less_sure(code):
    stated = [confidence(code, strength) for strength in np.geomspace(0.1, 1e6, 50)]
    assert stated == sorted(stated)
    assert 0 < confidence(code, math.nan) == confidence(code, -1.0) <= stated[0] < stated[-1] < 1
