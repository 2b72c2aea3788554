"""How far an input can be moved before the prediction changes.

Distances to the border and proofs that there is none nearby: bounds that hold, and counterexamples that exist.
"""

from planefold.robustness.certify import Distance, Robustness, distance, robust
from planefold.robustness.verify import Verdict, verify

__all__ = ["Distance", "Robustness", "Verdict", "distance", "robust", "verify"]
