"""`diagnose`: run every check over a case and collect what they find."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from planefold.core.errors import DataError, ParameterError
from planefold.core.records import counted
from planefold.doctor.agreement import agreed
from planefold.doctor.case import Case, Curves
from planefold.doctor.catalogue import CHECKS
from planefold.doctor.check import NotApplicableError
from planefold.doctor.finding import SEVERITIES, Finding
from planefold.engine.run import Run

if TYPE_CHECKING:
    from planefold.doctor.scan import Scan

GOOD, UNKNOWN = "good fit", "unknown"
LEAST_SURE = 0.5  # confidence of a warning
WITHOUT_RANGE = ("diverged", "hardly learned")  # what can be learned is not known then
DOUBTFUL = 0.05  # of what can be learned: less doubt about the gap is not worth a word
# Verdict "good fit" asks for these: whether held-out rows got worse, and whether anything was learned at all.
TOLD_BY = ("LC101", "LC201")


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
        What was measured on the curves, whether or not anything is wrong; see
        :func:`planefold.doctor.measures.measure`.
    silenced : mapping of code to Finding
        True as well, but they would only repeat a finding, or advise the opposite.
    not_applicable : mapping of code to str
        Checks that could not say anything, and why.
    why_unknown : str
        Why there is no verdict, though there are curves.
    """

    findings: tuple[Finding, ...]
    verdict: str = UNKNOWN
    numbers: Mapping[str, float] = field(default_factory=dict)
    silenced: Mapping[str, Finding] = field(default_factory=dict)
    not_applicable: Mapping[str, str] = field(default_factory=dict)
    why_unknown: str = ""

    @property
    def healthy(self) -> bool:
        """Whether there is neither an error nor a warning."""
        return not self.at_least("warning")

    @property
    def verdict_in_words(self) -> str:
        """The verdict, with "perhaps" where it is less likely true than not."""
        doubtful = any(found.title == self.verdict and found.severity == "info" for found in self.findings)
        return f"perhaps {self.verdict}" if doubtful else self.verdict

    def at_least(self, severity: str) -> tuple[Finding, ...]:
        """Return the findings that are as bad as that, or worse: ``"error"``, ``"warning"`` or ``"info"``."""
        return tuple(f for f in self.findings if SEVERITIES.index(f.severity) <= SEVERITIES.index(severity))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as dicts, lists, numbers and text."""
        return {
            "verdict": self.verdict,
            "why_unknown": self.why_unknown,
            "healthy": self.healthy,
            "numbers": dict(self.numbers),
            "findings": [finding.to_dict() for finding in self.findings],
            "silenced": {code: finding.to_dict() for code, finding in self.silenced.items()},
            "not_applicable": dict(self.not_applicable),
        }

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __getitem__(self, index: int) -> Finding:
        return self.findings[index]

    def __str__(self) -> str:
        """Tell what the curves show in the first line, and then each finding."""
        n_done = len(CHECKS) - len(self.not_applicable)
        told = [self._curves()]
        if not self.findings and n_done:
            told.append("nothing is wrong that the checks know of")
        elif self.findings and not told[0]:
            told = [", ".join(counted(n, severity) for severity, n in self._severities())]
        first = f"{'; '.join(filter(None, told))} ({n_done} of {len(CHECKS)} checks had enough to go by)"
        return "\n".join([first, *map(str, self.findings)])

    def _severities(self) -> Iterator[tuple[str, int]]:
        for severity, word in zip(SEVERITIES, ("error", "warning", "note"), strict=True):
            n = sum(finding.severity == severity for finding in self.findings)
            if n:
                yield word, n

    def _curves(self) -> str:
        if self.verdict == UNKNOWN:
            return f"learning curves: no verdict: {self.why_unknown}" if self.why_unknown else ""
        return f"learning curves: {self.verdict_in_words}{self._gap()}"

    def _gap(self) -> str:
        """Say how far training and held-out rows are apart, where something was learned that it can be a share of."""
        share, gap = self.numbers.get("gap_share"), self.numbers.get("gap")
        if share is None or not gap or abs(share) > 1 or self.verdict in (UNKNOWN, *WITHOUT_RANGE):
            return ""
        doubt = 2 * self.numbers.get("gap_se", 0.0) * share / gap
        doubtful = f", give or take {doubt:.0%}" if doubt >= DOUBTFUL else ""
        if abs(share) < 0.005:
            return f", no gap between training and held-out rows{doubtful}"
        what = "the gap between training and held-out rows is" if share > 0 else "the held-out loss is the lower one by"
        return f", {what} {abs(share):.0%} of what can be learned{doubtful}"


def diagnose(
    run: Run | None = None,
    *,
    data: Any = None,
    target: Any = None,
    validation: Any = None,
    groups: Any = None,
    time: Any = None,
    log: Any = None,
    schema: Any = None,
) -> Diagnosis:
    """Look for what is wrong with a training, with data, or in anyone's training log.

    Parameters
    ----------
    run : Run, optional
        ``model.run_`` of a fitted estimator, or what a :class:`Watch` recorded of a torch module. A fitted estimator
        knows more than its run: ``model.diagnose()``.
    data : data frame, path of a CSV file, mapping of columns, or array-like of shape (n_samples, n_features), optional
        Rows to learn from, to be scanned.
    target : column name, or array-like of shape (n_samples,), optional
        What is to be predicted from ``data``.
    validation : like ``data``, or a pair (X, y), optional
        Rows to judge by, with the same columns.
    groups, time : column name, or array-like of shape (n_samples,), optional
        Which rows of ``data`` belong together, and when each was taken.
    log : path, data frame, or mapping of columns (``history.history`` of Keras), optional
        A training log: CSV, JSON lines or TensorBoard's files, with any of the usual column names. A log of several
        runs is diagnosed by the last one; :func:`planefold.doctor.read_log` gives all.
    schema : planefold.data.Schema, optional
        What the columns of the run's table are.

    Returns
    -------
    Diagnosis

    Raises
    ------
    ParameterError
        If nothing was given, or a log beside a run.
    DataError
        If the data or the log cannot be used.

    Examples
    --------
    >>> history = {
    ...     "loss": [1.0, 0.6, 0.4, 0.3, 0.2, 0.15, 0.1, 0.08],
    ...     "val_loss": [1.0, 0.7, 0.6, 0.6, 0.7, 0.8, 0.9, 1.0],
    ... }
    >>> diagnose(log=history).verdict
    'overfit'
    """
    if run is None and data is None and log is None:
        raise ParameterError("there is nothing to diagnose", hint="give a run, data or log")
    if run is not None and log is not None:
        raise ParameterError("a run and a log cannot be diagnosed at once", hint="call diagnose twice")
    if run is not None and not isinstance(run, Run):
        raise ParameterError(
            f"run is a {type(run).__name__} and no Run", hint="model.run_, or model.diagnose(), which knows more"
        )
    curves = None
    if run is not None:
        curves = Curves.of_run(run)
    elif log is not None:
        from planefold.doctor.logs import read_log

        curves = read_log(log)[-1]
    scan = None if data is None else scan_table(data, target, validation=validation, groups=groups, time=time)
    settings = {} if run is None else run.settings
    return diagnose_case(Case(run=run, curves=curves, settings=settings, scan=scan, schema=schema))


def scan_table(data: Any, target: Any, *, validation: Any = None, groups: Any = None, time: Any = None) -> Scan:
    """Read a table, take its target and other named columns out of it, and scan the rest."""
    from planefold.data import read_table
    from planefold.doctor.scan import scan

    table = read_table(data)
    named = {}
    taken: list[str] = []
    for what, given in (("target", target), ("groups", groups), ("time", time)):
        is_name = isinstance(given, str)
        named[what] = table[given] if is_name else given
        if is_name:
            taken.append(given)
    X_val = y_val = None
    if validation is not None:
        is_table = isinstance(validation, str | os.PathLike) or not isinstance(validation, tuple)
        if is_table and not isinstance(target, str):
            raise ParameterError("the target of the validation rows is not known", hint="validation=(X_val, y_val)")
        if not is_table and len(validation) != 2:
            raise ParameterError(f"validation has {len(validation)} parts", hint="validation=(X_val, y_val)")
        X_val, y_val = (read_table(validation), None) if is_table else (read_table(validation[0]), validation[1])
        if is_table:
            y_val = X_val[target]
        X_val = X_val.drop([name for name in taken if name in X_val.names])
        if set(X_val.names) != set(table.names) - set(taken):
            different = sorted(set(X_val.names) ^ (set(table.names) - set(taken)))
            raise DataError(
                f"the validation rows have other columns: {', '.join(map(repr, different[:5]))}",
                hint="both need the same columns",
            )
    inputs = table.drop([name for name in taken if name != time])  # the time may well be an input
    if not inputs.names:
        raise DataError(f"{table.source} has no column but {', '.join(map(repr, taken))}", hint="nothing to learn from")
    return scan(inputs, named["target"], X_val=X_val, y_val=y_val, groups=named["groups"], time=named["time"])


def diagnose_case(case: Case) -> Diagnosis:
    """Run every check over a case."""
    found: dict[str, Finding] = {}
    not_applicable: dict[str, str] = {}
    numbers: Mapping[str, float] = {}
    verdict: str | None = None
    checks = dict(CHECKS)
    if case.curves is not None and case.run is None and case.curves.trivial_loss is None:
        # Two bare curves: rules that need more would guess, a scorecard that was learned on such curves does better.
        from planefold.doctor.bare import judge_bare

        judged = judge_bare(case.curves)
        found, not_applicable, numbers = dict(judged.findings), dict(judged.not_applicable), judged.numbers
        verdict = judged.title  # the most probable one, though no finding may be sure enough to warn of it
        checks = {code: check for code, check in CHECKS.items() if not code.startswith("LC")}
    elif case.curves is not None:
        from planefold.doctor.measures import measure

        numbers = measure(case.curves, case.reference)
    for code, check in checks.items():
        try:
            finding = check(case)
        except NotApplicableError as why:
            not_applicable[code] = str(why)
            continue
        if finding is not None:
            found[code] = finding
    found = {code: found[code] for code in CHECKS if code in found}
    # What another finding about the curves explains stays silent, even if that one is silenced by its cause.
    shown, repeated = _silence({code: finding for code, finding in found.items() if _is_curves(code)})
    loud, silenced = _silence({code: finding for code, finding in found.items() if code not in repeated})
    told = sorted(map(_told, loud.values()), key=lambda finding: finding.severity == "info")
    verdict = verdict or _verdict(shown.values(), not_applicable)
    return Diagnosis(
        findings=tuple(agreed(told, case.settings)),
        verdict=verdict,
        numbers=numbers,
        silenced={code: finding for code, finding in found.items() if code in silenced | repeated},
        not_applicable=not_applicable,
        why_unknown=_why_unknown(not_applicable) if verdict == UNKNOWN and case.curves is not None else "",
    )


def _told(finding: Finding) -> Finding:
    """Warn of nothing that is less likely true than not: it is for information."""
    doubtful = finding.severity == "warning" and finding.confidence < LEAST_SURE
    return dataclasses.replace(finding, severity="info") if doubtful else finding


def _is_curves(code: str) -> bool:
    return code.startswith("LC")


def _silence(found: Mapping[str, Finding]) -> tuple[dict[str, Finding], dict[str, Finding]]:
    """Let each finding silence others, in order: what is silenced silences nothing itself."""
    loud: dict[str, Finding] = {}
    quiet: set[str] = set()
    for code, finding in found.items():
        if code not in quiet:
            loud[code] = finding
            quiet.update(finding.silences)
    loud = {code: finding for code, finding in loud.items() if code not in quiet}
    return loud, {code: finding for code, finding in found.items() if code not in loud}


def _verdict(shown: Iterable[Finding], not_applicable: Mapping[str, str]) -> str:
    """Name what the curves show; what the checks of other things found changes nothing about it."""
    for finding in shown:
        if finding.severity != "info":
            return finding.title
    return UNKNOWN if any(code in not_applicable for code in TOLD_BY) else GOOD


def _why_unknown(not_applicable: Mapping[str, str]) -> str:
    return next((not_applicable[code] for code in TOLD_BY if code in not_applicable), "")
