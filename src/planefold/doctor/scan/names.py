"""Groups that the names of files show: `a17_3.png` and `a17_8.png` may be two slices of one patient."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from planefold.core.records import Record
from planefold.doctor.scan.near import MIN_ROWS
from planefold.doctor.scan.neighbours import nearest, spread_points
from planefold.doctor.scan.sheet import Sheet

Codes = npt.NDArray[np.int64]

MARKS = "_- "  # what parts the words of a name
MOST_WORDS = 3  # that a group is named by
LEAST_GROUPS = 6
LARGEST = 0.4  # share of the files: more is no patient among patients
SEVERAL = 0.5  # of the files have another one in their group
GROUPS_A_CLASS = 2  # as many groups as classes are the classes
CLOSER, SURE = 2.0, 4.0  # times as often as by chance; standard errors
MAX_QUERIES = 500


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NameGroups(Record):
    """Groups by the names of files, and whether what they hold is alike.

    Parameters
    ----------
    rule : str
        A regular expression: its first group, searched in a file's name, is the name of the file's group.
    n_groups : int
    n_shared : int
        Groups with files on both sides; of a random split where none is given.
    n_val_shared : int
        Held-out files of these.
    examples : tuple of str
        Names of some of them.
    pairs : tuple of pairs of int
        A held-out row and one to learn from of the same group, counted from 0 within their sides.
    n_looked_at : int
        Held-out rows of shared groups whose nearest was looked for, among the rows to learn from of the same class.
    nearest_share, by_chance : float
        How often that is of the same group, and how often one drawn at random would be.
    z : float
        The difference in standard errors.
    """

    rule: str
    n_groups: int
    n_shared: int = 0
    n_val_shared: int = 0
    examples: tuple[str, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()
    n_looked_at: int = 0
    nearest_share: float = 0.0
    by_chance: float = 0.0
    z: float = 0.0

    @property
    def strength(self) -> float:
        """Evidence that the files of a group belong together, in units of what is enough."""
        if not self.n_looked_at:
            return 0.0
        return min(self.nearest_share / max(self.by_chance, 1e-9) / CLOSER, self.z / SURE)


def rule_of_names(files: Sequence[str], n_classes: int = 0) -> str | None:
    r"""Find a rule that groups files by their names; None where the names show no groups.

    Parameters
    ----------
    files : sequence of str
        With their folders, ``/`` between them.
    n_classes : int

    Returns
    -------
    str or None
        A regular expression for ``groups=``.

    Notes
    -----
    Tried are the folder inside the folder of the class, and the first, the first two and the first three words of a
    name, which ``_``, ``-`` or a blank parts. The first that counts is the coarsest that makes at least six groups
    and two for each class, none of them with more than 40 % of the files, so that at least half of the files are not
    alone. Every file must have such a name.

    Examples
    --------
    >>> rule_of_names([f"ill/p{patient:02}_slice_{number}.png" for patient in range(8) for number in range(4)])
    '([^/_]+)_[^/]*$'
    >>> rule_of_names([f"cat/{number:04}.jpg" for number in range(50)])
    """
    for rule in _rules():
        keys = keys_of(files, rule)
        if keys is not None and _are_groups(keys, n_classes):
            return rule
    return None


def keys_of(files: Sequence[str], rule: str) -> npt.NDArray[np.str_] | None:
    """Return the name of each file's group; None where the rule does not match every file."""
    expression = re.compile(rule)
    matches = [expression.search(name) for name in files]
    if not matches or any(match is None for match in matches):
        return None
    return np.array([match[1] for match in matches if match is not None])


def _rules() -> list[str]:
    rules = ["/([^/]+)/[^/]+$"]
    for n_words in range(1, MOST_WORDS + 1):
        for mark in MARKS:
            rules.append(f"({mark.join([f'[^/{mark}]+'] * n_words)}){mark}[^/]*$")
    return rules


def _are_groups(keys: npt.NDArray[np.str_], n_classes: int) -> bool:
    counts = np.unique(keys, return_counts=True)[1]
    if len(counts) < max(LEAST_GROUPS, GROUPS_A_CLASS * n_classes) or counts.max() > LARGEST * len(keys):
        return False
    return bool(counts[counts > 1].sum() >= SEVERAL * len(keys))


def measure_name_groups(sheet: Sheet, random: np.random.RandomState) -> NameGroups | None:
    """Look for groups in the names of files, and whether both sides have files of one.

    Parameters
    ----------
    sheet : Sheet
        With a split, and with the names of the files.
    random : RandomState

    Returns
    -------
    NameGroups or None
        None where the names show none.
    """
    rule = rule_of_names(sheet.files, len(sheet.classes))
    if rule is None:
        return None
    keys = keys_of(sheet.files, rule)
    assert keys is not None
    names, codes = np.unique(keys, return_inverse=True)
    train, val = codes[: sheet.n_train], codes[sheet.n_train :]
    shared = np.intersect1d(train, val)
    rows = np.flatnonzero(np.isin(val, shared))
    if not len(rows):
        return NameGroups(rule=rule, n_groups=len(names))
    first = {int(code): int(np.flatnonzero(train == code)[0]) for code in shared[:5]}
    pairs = tuple((int(np.flatnonzero(val == code)[0]), place) for code, place in first.items())
    found = NameGroups(
        rule=rule,
        n_groups=len(names),
        n_shared=len(shared),
        n_val_shared=len(rows),
        examples=tuple(names[shared[:5]].tolist()),
        pairs=pairs,
    )
    return replace(found, **_likeness(sheet, codes, rows, random))


def _likeness(sheet: Sheet, codes: Codes, rows: Codes, random: np.random.RandomState) -> dict[str, Any]:
    """Compare how often the nearest row is of the same group with how often one drawn at random would be.

    Only rows of the same class are drawn or found: a group may have one class, and rows of one class are near.
    """
    points = spread_points(sheet, random) if sheet.n_train >= MIN_ROWS else None
    if points is None:
        return {}
    rows = np.sort(random.permutation(rows)[:MAX_QUERIES])
    classes = sheet.target if sheet.is_classes and sheet.target is not None else np.zeros(len(codes))
    hits, chances = [], []
    for label in np.unique(classes[sheet.n_train + rows]):
        of_class = np.flatnonzero(classes[: sheet.n_train] == label)
        asked = rows[classes[sheet.n_train + rows] == label]
        if len(of_class) < 2:
            continue
        _, places = nearest(points[sheet.n_train + asked], points[of_class], 1)
        own = codes[sheet.n_train + asked]
        hits.append(codes[of_class[places[:, 0]]] == own)
        chances.append(np.bincount(codes[of_class], minlength=int(codes.max()) + 1)[own] / len(of_class))
    if not hits:
        return {}
    hit, chance = np.concatenate(hits), np.concatenate(chances)
    can = chance > 0  # rows whose group has none of their class say nothing
    if not can.any():
        return {}
    hit, chance = hit[can], chance[can]
    error = np.sqrt(np.sum(chance * (1 - chance))) or 1.0
    return {
        "n_looked_at": int(can.sum()),
        "nearest_share": float(hit.mean()),
        "by_chance": float(chance.mean()),
        "z": float((hit.sum() - chance.sum()) / error),
    }
