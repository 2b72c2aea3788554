"""`Finding`: one thing that is wrong (or worth knowing), its evidence, and what to try."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding of the doctor.

    Parameters
    ----------
    code : str
        Permanent name, for example ``"LC101"``; LC learning curves, DA data.
    title : str
        What it is, in a word or two: ``"overfit"``.
    severity : {"error", "warning", "info"}
    what : str
        What was seen, with its numbers, in one sentence.
    why : str
        Why it matters, in one sentence.
    try_ : str
        What to try first.
    evidence : mapping of str to float
        The numbers that the finding rests on.
    """

    code: str
    title: str
    severity: str
    what: str
    why: str
    try_: str
    evidence: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.code} {self.title}: {self.what}\n  try: {self.try_}"
