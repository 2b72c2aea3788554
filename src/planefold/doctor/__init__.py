"""The doctor: findings about a run and its data, each with its evidence and what to try."""

from planefold.doctor.case import Case, Curves
from planefold.doctor.catalogue import CHECKS
from planefold.doctor.check import Check, NotApplicableError
from planefold.doctor.diagnose import Diagnosis, diagnose, diagnose_case
from planefold.doctor.finding import Action, Finding

__all__ = [
    "CHECKS",
    "Action",
    "Case",
    "Check",
    "Curves",
    "Diagnosis",
    "Finding",
    "NotApplicableError",
    "diagnose",
    "diagnose_case",
]
