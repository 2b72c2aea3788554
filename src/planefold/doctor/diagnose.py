"""`diagnose`: run every check over a run (and its table) and collect what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from planefold.doctor.checks import (
    check_diverged,
    check_dropped_columns,
    check_few_rows,
    check_interrupted,
    check_never_learned,
    check_overfit,
    check_start_kept,
    check_still_improving,
)
from planefold.doctor.finding import SEVERITIES, Finding
from planefold.engine.run import Run

Check = Callable[[Run, Any], Finding | None]

# In order: a finding silences the checks named beside it, which would only repeat it or contradict it.
CHECKS: dict[str, tuple[Check, tuple[str, ...]]] = {
    "LC901": (check_diverged, ("LC101", "LC201", "LC301", "LC401")),
    "LC902": (check_interrupted, ("LC301", "LC401")),
    "LC401": (check_start_kept, ("LC101", "LC301")),
    "LC101": (check_overfit, ("LC201", "LC301")),  # more units would be the wrong advice
    "LC201": (check_never_learned, ("LC301",)),
    "LC301": (check_still_improving, ()),
    "DA101": (check_few_rows, ()),
    "DA201": (check_dropped_columns, ()),
}


@dataclass(frozen=True)
class Diagnosis:
    """What the doctor found, the worst first."""

    findings: tuple[Finding, ...]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __str__(self) -> str:
        if not self.findings:
            return "Nothing is wrong that the checks know of: " + ", ".join(CHECKS)
        return "\n".join(str(finding) for finding in self.findings)


def diagnose(run: Run, *, schema: Any = None) -> Diagnosis:
    """Look for what is wrong with a training.

    Parameters
    ----------
    run : Run
        ``model.run_`` of a fitted estimator.
    schema : planefold.data.Schema, optional
        What the columns of its table are, for the checks of the data.

    Returns
    -------
    Diagnosis
    """
    found: list[Finding] = []
    silenced: set[str] = set()
    for code, (check, silences) in CHECKS.items():
        if code in silenced:
            continue
        finding = check(run, schema)
        if finding is not None:
            found.append(finding)
            silenced.update(silences)
    found.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Diagnosis(tuple(found))
