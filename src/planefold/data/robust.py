"""Statistics that one giant value cannot spoil, and that huge values cannot overflow."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# The interquartile range of a normal distribution in standard deviations.
IQR_OF_NORMAL = 1.349
_LARGEST = float(np.finfo(np.float64).max)


def _unit(values: Floats) -> tuple[Floats, int]:
    """Divide by a power of two so that the largest magnitude is in [0.5, 1): safe to add and square.

    Exact, but for numbers more than 300 orders of magnitude below the largest, and subnormal ones.
    """
    _, exponent = np.frexp(np.max(np.abs(values)))
    return np.ldexp(values, -int(exponent)), int(exponent)


def _back(value: Any, exponent: int) -> Any:
    with np.errstate(over="ignore"):
        return np.clip(np.ldexp(value, exponent), -_LARGEST, _LARGEST)


def median(values: Floats) -> float:
    """Return the median of finite values, without overflow in the mean of the middle two."""
    scaled, exponent = _unit(values)
    return float(_back(np.median(scaled), exponent))


def quantiles(values: Floats, probabilities: npt.ArrayLike) -> Floats:
    """Return linearly interpolated quantiles of finite values, without overflow."""
    scaled, exponent = _unit(values)
    return np.asarray(_back(np.quantile(scaled, np.asarray(probabilities)), exponent), dtype=np.float64)


def spread(values: Floats) -> float:
    """Return how far finite values lie apart: never 0, and not moved by a few giant values.

    The interquartile range over 1.349, which is the standard deviation of normal data. When half of the values
    are equal, the standard deviation without the outermost 0.5 % on either side; when those are equal too,
    the plain standard deviation; 1 for a constant.

    >>> spread(np.array([0.0, 1.0, 2.0, 3.0, 4.0])) == 2 / 1.349, spread(np.array([7.0, 7.0]))
    (True, 1.0)
    """
    scaled, exponent = _unit(values)
    low, first, third, high = np.quantile(scaled, [0.005, 0.25, 0.75, 0.995])
    found = (third - first) / IQR_OF_NORMAL or np.std(np.clip(scaled, low, high)) or np.std(scaled)
    # A mean that is rounded gives a constant column a standard deviation of 1e-17.
    if found == 0 or np.ptp(scaled) == 0:
        return 1.0
    return float(_back(found, exponent)) or 1.0


def mean_and_deviation(values: Floats) -> tuple[float, float]:
    """Return mean and standard deviation (population) of finite values; the deviation of a constant is 0."""
    scaled, exponent = _unit(values)
    deviation = 0.0 if np.ptp(scaled) == 0 else np.std(scaled)
    return float(_back(np.mean(scaled), exponent)), float(_back(deviation, exponent))
