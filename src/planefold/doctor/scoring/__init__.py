"""Scores: what predictions on held-out rows are worth, measured without a judgement."""

from planefold.doctor.scoring.calibration import (
    calibration_of_classes,
    calibration_of_numbers,
    expected_calibration_error,
    probability_groups,
)
from planefold.doctor.scoring.measure import agreement, measure_scores
from planefold.doctor.scoring.records import Calibration, Comparison, Scores, Segment, compare

__all__ = [
    "Calibration",
    "Comparison",
    "Scores",
    "Segment",
    "agreement",
    "calibration_of_classes",
    "calibration_of_numbers",
    "compare",
    "expected_calibration_error",
    "measure_scores",
    "probability_groups",
]
