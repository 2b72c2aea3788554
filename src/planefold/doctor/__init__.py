"""The doctor: findings about a run and its data, each with its evidence and what to try."""

from planefold.doctor.diagnose import CHECKS, Diagnosis, diagnose
from planefold.doctor.finding import Finding

__all__ = ["CHECKS", "Diagnosis", "Finding", "diagnose"]
