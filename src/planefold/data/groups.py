"""Which pictures or sounds belong together: one patient's, one speaker's. They must not part."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from planefold.core.errors import DataError, ParameterError, show


def groups_of(found: Any, groups: Any) -> Any:
    r"""Read ``groups``: None, one entry for each file, or a rule on the file names.

    Parameters
    ----------
    found : Pictures or Sounds
        With ``files``.
    groups : array-like, str, function or None
        A text is a regular expression, searched in each file's name; its first group, or the whole match, names the
        group of the file. A function is given the name.

    Returns
    -------
    array-like or None

    Raises
    ------
    DataError
        If a file's name does not match, or there are no names.
    ParameterError
        If the expression is none.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> groups_of(SimpleNamespace(files=("go/ab_1.wav", "no/ab_2.wav", "no/cd_1.wav")), r"(\w+)_\d").tolist()
    ['ab', 'ab', 'cd']
    """
    if not isinstance(groups, str) and not callable(groups):
        return groups
    if not found.files:
        raise DataError(f"groups={show(groups)} is a rule on the names of files, and these rows have none",
                        hint="give one entry for each row")  # fmt: skip
    rule: Callable[[str], Any] = groups if callable(groups) else _by_expression(groups)
    return np.array([str(rule(name)) for name in found.files])


def _by_expression(text: str) -> Callable[[str], str]:
    try:
        expression = re.compile(text)
    except re.error as error:
        raise ParameterError(f"groups={show(text)} is no regular expression", details=str(error)) from None

    def rule(name: str) -> str:
        match = expression.search(name)
        if match is None:
            raise DataError(f"groups={show(text)} does not match the name of {name}",
                            hint="the expression must match in each file's name")  # fmt: skip
        return match[1] if expression.groups and match[1] is not None else match[0]

    return rule
