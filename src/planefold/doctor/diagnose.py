"""`diagnose`: run every check over a case and collect what they find."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from planefold.doctor.case import Case, Curves
from planefold.doctor.catalogue import CHECKS
from planefold.doctor.check import NotApplicableError
from planefold.doctor.finding import Finding
from planefold.engine.run import Run


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What the doctor found.

    Parameters
    ----------
    findings : tuple of Finding
        Causes before what they cause, so that the first one is what to mend; what is for information comes last.
    verdict : str
        What the learning curves show, in a word or two: the title of a finding such as ``"overfit"``, or
        ``"good fit"``; ``"unknown"`` where there are no curves, or too short ones.
    numbers : mapping of str to float
        What was measured on the curves, whether or not anything is wrong.
    silenced : mapping of code to Finding
        True as well, but they would only repeat a finding, or advise the opposite.
    not_applicable : mapping of code to str
        Checks that could not say anything, and why.
    """

    findings: tuple[Finding, ...]
    verdict: str = "unknown"
    numbers: Mapping[str, float] = field(default_factory=dict)
    silenced: Mapping[str, Finding] = field(default_factory=dict)
    not_applicable: Mapping[str, str] = field(default_factory=dict)

    @property
    def healthy(self) -> bool:
        """Whether there is neither an error nor a warning."""
        return all(finding.severity == "info" for finding in self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __getitem__(self, index: int) -> Finding:
        return self.findings[index]

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
    return diagnose_case(Case(run=run, curves=Curves.of_run(run), settings=run.settings, schema=schema))


def diagnose_case(case: Case) -> Diagnosis:
    """Run every check over a case."""
    found: dict[str, Finding] = {}
    not_applicable: dict[str, str] = {}
    for code, check in CHECKS.items():
        try:
            finding = check(case)
        except NotApplicableError as why:
            not_applicable[code] = str(why)
            continue
        if finding is not None:
            found[code] = finding
    loud, silenced = _silence(found)
    return Diagnosis(
        findings=tuple(sorted(loud.values(), key=lambda finding: finding.severity == "info")),
        verdict=_verdict(found, not_applicable),
        silenced=silenced,
        not_applicable=not_applicable,
    )


def _silence(found: dict[str, Finding]) -> tuple[dict[str, Finding], dict[str, Finding]]:
    """Let each finding silence others, in order: what is silenced silences nothing itself."""
    loud: dict[str, Finding] = {}
    quiet: set[str] = set()
    for code, finding in found.items():
        if code not in quiet:
            loud[code] = finding
            quiet.update(finding.silences)
    loud = {code: finding for code, finding in loud.items() if code not in quiet}
    return loud, {code: finding for code, finding in found.items() if code not in loud}


def _verdict(found: dict[str, Finding], not_applicable: dict[str, str]) -> str:
    """Name what the curves show; what the checks of other things found changes nothing about it."""
    about_curves = {code: finding for code, finding in found.items() if code.startswith("LC")}
    loud, _ = _silence(about_curves)
    for finding in loud.values():
        if finding.severity != "info":
            return finding.title
    judged = [code for code in CHECKS if code.startswith("LC") and code not in not_applicable]
    return "good fit" if judged else "unknown"
