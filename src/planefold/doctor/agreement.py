"""No two findings of one diagnosis pull the same way and the opposite way: what was said first stands."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from planefold.doctor.finding import Action, Finding

# What more of a parameter does: the same pull under several names. A network with more units, a weaker penalty or less
# dropout can follow its rows more closely.
_PULLS = {
    "learning_rate_init": ("rate", 1),
    "max_iter": ("length", 1),
    "batch_size": ("batch", 1),
    "hidden_layer_sizes": ("freedom", 1),
    "alpha": ("freedom", -1),
    "dropout": ("freedom", -1),
}

LATER = Action(words="what the findings before this one advise, first")


def pulls(action: Action, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return where an action pulls: 1 for more and -1 for less of something; of words and switches the new value.

    >>> pulls(Action(words="", parameters={"dropout": 0.5, "solver": "sgd"}), {"dropout": 0.1})
    {'freedom': -1, 'solver': "'sgd'"}
    """
    found: dict[str, Any] = {}
    for name, new in action.parameters.items():
        what, way = _PULLS.get(name, (name, 0))
        old = settings.get(name)
        step = 0 if not way or old is None or isinstance(new, str) else np.sign(_size(new) - _size(old))
        if step:
            found[what] = int(way * step)
        elif not way:
            found[what] = repr(new)
    return found


def _size(value: Any) -> float:
    """Return one number for one or several: the sum, as of the units of layers."""
    return float(np.sum(value)) if not isinstance(value, str) else 0.0


def agreed(findings: Iterable[Finding], settings: Mapping[str, Any]) -> list[Finding]:
    """Take out of each finding the actions that pull against what an earlier finding advises.

    Parameters
    ----------
    findings : iterable of Finding
        In the order in which they are told.
    settings : mapping
        The parameters in use.

    Returns
    -------
    list of Finding
        All of them; one may have less advice than it had.
    """
    told: dict[str, Any] = {}
    kept = []
    for finding in findings:
        advice = tuple(action for action in finding.advice if not _contradicts(pulls(action, settings), told))
        for action in advice:
            for what, way in pulls(action, settings).items():
                told.setdefault(what, way)
        kept.append(dataclasses.replace(finding, advice=advice or (finding.advice and (LATER,))))
    return kept


def _contradicts(found: Mapping[str, Any], told: Mapping[str, Any]) -> bool:
    return any(what in told and told[what] != way for what, way in found.items())
