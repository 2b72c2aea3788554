"""`Check`: one rule of the doctor, a function of a case with a code of its own."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

from planefold.doctor.case import Case
from planefold.doctor.finding import Finding


class NotApplicableError(Exception):
    """A check cannot say anything about this case; the message says why.

    It never reaches the caller of :func:`planefold.doctor.diagnose`, which lists it under ``not_applicable``.
    """


class Check:
    """One rule: a function of a :class:`Case` that returns a :class:`Finding`, or None where all is well.

    Parameters
    ----------
    code : str
        Permanent name, for example ``"LC101"``: LC learning curves, GR gradients and units, DA data, SC scores.
    title : str
        What it is, in a word or two: ``"overfit"``.
    find : function (Case) -> Finding or None
        May raise :class:`NotApplicableError`. Its docstring is the check's page in the docs.
    silences : tuple of str
        Codes of the checks that would only repeat this finding, or advise the opposite.
    source : str
        Where the rule comes from.
    """

    def __init__(
        self, code: str, title: str, find: Callable[[Case], Finding | None], silences: tuple[str, ...], source: str
    ) -> None:
        self.code, self.title, self.find, self.silences, self.source = code, title, find, silences, source
        functools.update_wrapper(self, find)

    def __call__(self, case: Case) -> Finding | None:
        """Return the finding, with the check's code on it, or None."""
        finding = self.find(case)
        if finding is None:
            return None
        return dataclasses.replace(
            finding, code=self.code, title=self.title, silences=self.silences, source=self.source
        )

    def __repr__(self) -> str:
        return f"<Check {self.code} {self.title}>"


def check(
    code: str, title: str, *, silences: tuple[str, ...] = (), source: str = ""
) -> Callable[[Callable[[Case], Finding | None]], Check]:
    """Turn a function of a case into a :class:`Check`."""
    return lambda find: Check(code, title, find, silences, source)
