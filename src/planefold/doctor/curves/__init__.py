"""The checks of learning curves (LC...). Each is one function of a case: a finding, or None.

Differences of losses are judged as shares of the learnable range, and against what chance does to so many rows; see
:mod:`planefold.doctor.measures`. The thresholds were chosen on 690 real trainings whose truth was measured
(``pytest -s tests/doctor/test_labelled_runs.py`` prints how right they are).
"""

from planefold.doctor.curves.ends import check_diverged, check_interrupted, check_start_kept, check_wasted
from planefold.doctor.curves.levels import check_never_learned, check_plateau, check_too_small
from planefold.doctor.curves.rows import check_gap, check_validation_easier, check_validation_small
from planefold.doctor.curves.shapes import (
    check_oscillating,
    check_over_confident,
    check_overfit,
    check_still_improving,
)

__all__ = [
    "check_diverged",
    "check_gap",
    "check_interrupted",
    "check_never_learned",
    "check_oscillating",
    "check_over_confident",
    "check_overfit",
    "check_plateau",
    "check_start_kept",
    "check_still_improving",
    "check_too_small",
    "check_validation_easier",
    "check_validation_small",
    "check_wasted",
]
