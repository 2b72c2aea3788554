"""Derivatives by finite differences, and the check of a gradient against them. Plain NumPy."""

from planefold.calculus.differences import central_difference
from planefold.calculus.gradient_check import GradientReport, PartCheck, gradient_check

__all__ = ["GradientReport", "PartCheck", "central_difference", "gradient_check"]
