"""`Finding`: one thing that is wrong (or worth knowing), its evidence, and what to try."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True, kw_only=True)
class Action:
    """One thing to try.

    Parameters
    ----------
    words : str
        What to do, as one would say it: ``"learning_rate_init ten times lower"``.
    parameters : mapping of str to value
        The estimator's parameters that do it and their new values, ready for ``set_params``. Empty where no
        parameter does it: more rows, other columns, another split.
    """

    words: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        written = ", ".join(f"{name}={value!r}" for name, value in self.parameters.items())
        return f"{self.words} ({written})" if written else self.words


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding of the doctor.

    Parameters
    ----------
    severity : {"error", "warning", "info"}
        An error makes the results worthless or wrong, a warning costs quality, info is worth knowing.
    what : str
        What was seen, with its numbers, in one sentence that begins with a small letter and has no full stop.
    why : str
        Why it matters, in one sentence.
    advice : tuple of Action
        What to try, the most promising first. Empty where nothing has to be done.
    evidence : mapping of str to float
        The numbers that the finding rests on.
    confidence : float
        Probability, between 0 and 1, that the finding is true, from runs whose truth was measured.
    where : str
        The layer, column or epoch that it is about: ``"layer 2"``, ``"column age"``; ``""`` for the whole.
    code, title, silences, source
        Set by the check that found it, see :class:`planefold.doctor.Check`.
    """

    severity: str
    what: str
    why: str
    advice: tuple[Action, ...] = ()
    evidence: Mapping[str, float] = field(default_factory=dict)
    confidence: float = 1.0
    where: str = ""
    code: str = ""
    title: str = ""
    silences: tuple[str, ...] = ()
    source: str = ""

    @property
    def try_(self) -> str:
        """What to try, in one line of words."""
        return "; or ".join(action.words for action in self.advice) or "nothing has to be done"

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict of text, numbers and lists, with ``try`` in words and as parameters."""
        return {
            "code": self.code,
            "title": self.title,
            "severity": self.severity,
            "confidence": self.confidence,
            "what": self.what,
            "why": self.why,
            "where": self.where,
            "try": [{"words": action.words, "parameters": dict(action.parameters)} for action in self.advice],
            "evidence": dict(self.evidence),
            "silences": list(self.silences),
            "source": self.source,
        }

    def __str__(self) -> str:
        sure = "" if self.confidence >= 0.995 else f", confidence {self.confidence:.2f}"
        lines = [f"{self.severity.upper()} {self.code} {self.title}{sure}: {self.what}", f"  why: {self.why}"]
        if self.advice:
            lines.append(f"  try: {'; or '.join(map(str, self.advice))}")
        return "\n".join(lines)
