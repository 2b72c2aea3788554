"""Derivatives: exact ones of a Python function, estimates by differences, and the check of the one by the other.

Importing this does not import torch: what needs it does so when it is called.
"""

from planefold.calculus.derivatives import directional_derivative, gradient, hessian, jacobian
from planefold.calculus.differences import central_difference
from planefold.calculus.expansions import TaylorExpansion, taylor
from planefold.calculus.gradient_check import GradientReport, PartCheck, gradient_check

__all__ = [
    "GradientReport",
    "PartCheck",
    "TaylorExpansion",
    "central_difference",
    "directional_derivative",
    "gradient",
    "gradient_check",
    "hessian",
    "jacobian",
    "taylor",
]
