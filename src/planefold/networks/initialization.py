"""How the first weights of a network are drawn."""

from __future__ import annotations

from dataclasses import dataclass

INITIALIZATIONS = (
    "auto",
    "zeros",
    "uniform",
    "normal",
    "glorot_uniform",
    "glorot_normal",
    "he_uniform",
    "he_normal",
)


@dataclass(frozen=True, kw_only=True)
class Initialization:
    """How the first weights are drawn.

    Parameters
    ----------
    kind : str
        A name in ``INITIALIZATIONS``.
    scale : float
        Half width of "uniform", deviation of "normal".
    bias : float or None
        First value of the hidden units' biases; None draws or zeroes them as the kind has it.
    """

    kind: str = "auto"
    scale: float = 0.05
    bias: float | None = None
