"""Bare curves: what a log of two losses (or of one) says about a training of which nothing else is known."""

from planefold.doctor.bare.scorecard import BareVerdict, judge_bare

__all__ = ["BareVerdict", "judge_bare"]
