"""`confidence`: how sure a finding is, from how far its evidence lies beyond the threshold."""

from __future__ import annotations

import functools
import json
import math
from importlib import resources

SLOPE, OFFSET = 2.0, 1.0  # of checks that were never calibrated: 0.73 at the threshold, 0.92 at twice of it
LOWEST, HIGHEST = 0.02, 0.995  # no rule of thumb is ever certain


def confidence(code: str, strength: float) -> float:
    """Return the probability that a finding is true.

    Parameters
    ----------
    code : str
        Of the check: ``"LC101"``.
    strength : float
        Evidence in units of the threshold: from 1 the check speaks.

    Returns
    -------
    float
        ``sigmoid(slope * ln(strength) + offset)``, between 0.02 and 0.995.

    Notes
    -----
    The two numbers of a code were fitted to runs whose truth was measured on fresh rows
    (``tools/calibrate_doctor.py`` writes ``calibration.json``). Codes that are not there have cautious ones.

    References
    ----------
    Platt, "Probabilistic Outputs for Support Vector Machines", 1999.
    """
    slope, offset = _calibration().get(code, (SLOPE, OFFSET))
    if math.isnan(strength) or strength <= 0:
        return LOWEST
    steps = slope * min(math.log(strength), 10.0) + offset
    return min(max(1 / (1 + math.exp(-max(steps, -50.0))), LOWEST), HIGHEST)


@functools.cache
def _calibration() -> dict[str, tuple[float, float]]:
    """Read slope and offset of each code."""
    text = resources.files("planefold.doctor").joinpath("calibration.json").read_text(encoding="utf-8")
    return {code: (float(slope), float(offset)) for code, (slope, offset) in json.loads(text).items()}
