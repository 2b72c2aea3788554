"""Which columns of a log are the curves: by their names alone, or as the user says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planefold.core.errors import DataError, listed, unknown_column
from planefold.doctor.logs.names import FIGURES, Meaning, meaning_of
from planefold.doctor.logs.tables import LogTable

_LOSSES = ("loss", "negative", "log")
# "loss" and "cost" may be any of these; a loss and an error rate are never compared.
_N_ANY_LOSS = 5


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The columns of one run. A loss may be the sum of several; ``use`` says how they become one, see `Figure`."""

    name: str = ""
    train: tuple[str, ...] = ()
    val: tuple[str, ...] = ()
    use: str = "loss"
    train_score: str | None = None
    val_score: str | None = None
    epoch: str | None = None
    step: str | None = None
    rate: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def figures(self) -> tuple[str, ...]:
        """Every column with a figure in it."""
        scores = tuple(name for name in (self.train_score, self.val_score) if name is not None)
        return tuple(dict.fromkeys((*self.train, *self.val, *scores)))


Columns = Mapping[str, Meaning]


def choose(
    table: LogTable, source: str, *, train: str | None = None, val: str | None = None, epoch: str | None = None
) -> list[Choice]:
    """Choose the columns: one choice, or one for each run that has columns of its own.

    Raises
    ------
    DataError
        If a column that was named is not there, or none has a name that is known.
    """
    for column in (train, val, epoch):
        if column is not None and column not in table.columns:
            raise unknown_column(column, list(table.columns), source)
    meanings = _resolved({name: meaning_of(name) for name in table.columns if _count(table, name)}, table)
    common = Choice(
        epoch=epoch or _first(meanings, "epoch"), step=_first(meanings, "step"), rate=_first(meanings, "rate")
    )
    if train is not None or val is not None:
        named = _scored(replace(common, train=(train,) if train else (), val=(val,) if val else ()), meanings)
        return _with_notes([named], meanings)
    found = [replace(_losses(columns, common), name=name) for name, columns in _variants(meanings).items()]
    found = [choice for choice in found if choice.train or choice.val]
    if not found:
        raise _no_curve(table, source)
    return _with_notes(found, meanings)


def _no_curve(table: LogTable, source: str) -> DataError:
    return DataError(
        f"{source} has no column whose name says that it is a loss or a score",
        details=f"its columns with numbers: {listed(table.columns) or 'none'}",
        hint="names that are understood: loss, val_loss, train_loss, test cost, accuracy, eval_loss, ...; "
        "or say which they are: train=, val=, epoch=",
    )


def _count(table: LogTable, name: str) -> int:
    known: NDArray[np.bool_] = np.isfinite(table.columns[name])
    if name in table.broken:
        known = known | table.broken[name]
    return int(known.sum())


def _first(meanings: Columns, kind: str) -> str | None:
    return next((name for name, meaning in meanings.items() if meaning.kind == kind), None)


def _is_loss(meaning: Meaning) -> bool:
    return meaning.figure is not None and meaning.figure.use in _LOSSES


def _resolved(meanings: Columns, table: LogTable) -> dict[str, Meaning]:
    """Leave out what was written a few times only, and find whose the figures are whose names do not say it."""
    counts = {name: _count(table, name) for name, meaning in meanings.items() if meaning.figure}
    most = max(counts.values(), default=0)
    kept = {name: meaning for name, meaning in meanings.items() if counts.get(name, most) >= min(5, 0.2 * most)}
    losses = [meaning for meaning in kept.values() if _is_loss(meaning)]
    parts = {meaning.part for meaning in losses}
    numbers = {meaning.number for meaning in losses}
    if parts == {"val"} and {0, 1} <= numbers:  # XGBoost numbers its sets, the training set first
        return {n: replace(m, part="train") if m.number == 0 else m for n, m in kept.items()}
    # fastai writes train_loss, valid_loss, accuracy: what is not said to be the training's is not.
    owner = "val" if {"train", "val"} <= parts else "train"
    return {n: replace(m, part=m.part or owner) if m.figure else m for n, m in kept.items()}


def _variants(meanings: Columns) -> dict[str, Columns]:
    """Tell runs apart that stand side by side: ``cost_eta_0.1`` and ``cost_eta_0.5``."""
    figures = {name: meaning for name, meaning in meanings.items() if meaning.figure}
    plain = {name: meaning for name, meaning in figures.items() if not meaning.suffix}
    suffixes = dict.fromkeys(m.suffix for m in figures.values() if len(m.suffix) > 1)
    losses = [m for m in plain.values() if _is_loss(m)]
    if plain and (losses or not suffixes):
        missing = {"train", "val"} - {m.part for m in losses}
        # One of several held-out sets: val_loss/dataloader_idx_0
        extra = {
            n: m for n, m in figures.items() if m.suffix and m.part in missing and m.suffix == min(suffixes, default="")
        }
        return {"": plain | extra}
    return {suffix: {n: m for n, m in figures.items() if m.suffix == suffix} for suffix in suffixes}


def _losses(meanings: Columns, common: Choice) -> Choice:
    """Choose the first figure that both parts have; else what one of them has; else a score turned round."""
    common = _scored(common, meanings)
    train, val = (_by_figure(meanings, part) for part in ("train", "val"))
    for place in sorted(train):
        if place in val:
            return replace(common, train=train[place], val=val[place], use=FIGURES[place].use)
    if train and val:
        place, other = min(train), min(val)
        if place < _N_ANY_LOSS and other < _N_ANY_LOSS:
            note = f"{_quoted(train[place])} and {_quoted(val[other])} were taken for the same loss"
            return replace(common, train=train[place], val=val[other], notes=(note,))
        note = f"{_quoted(val[other])} was left out: it is not the same figure as {_quoted(train[place])}"
        return replace(common, train=train[place], use=FIGURES[place].use, notes=(note,))
    if train or val:
        place = min(train or val)
        return replace(common, train=train.get(place, ()), val=val.get(place, ()), use=FIGURES[place].use)
    return _of_scores(common, meanings)


def _of_scores(common: Choice, meanings: Columns) -> Choice:
    score = common.val_score or common.train_score
    figure = meanings[score].figure if score is not None else None
    if figure is None or figure.use != "share":
        return common
    return replace(
        common,
        train=(common.train_score,) if common.train_score else (),
        val=(common.val_score,) if common.val_score else (),
        use="share",
        notes=("there is no loss: 1 minus the score was taken as one",),
    )


def _by_figure(meanings: Columns, part: str) -> dict[int, tuple[str, ...]]:
    """Find the columns of each kind of loss, the best of several first; parts of a loss only where no whole is."""
    mine = {name: m for name, m in meanings.items() if m.part == part and _is_loss(m)}
    whole = sorted((m.rank, m.number or 0, name) for name, m in mine.items() if m.kind == "figure")
    found: dict[int, tuple[str, ...]] = {}
    for rank, _, name in whole:
        found.setdefault(rank[0], (name,))
    pieces = [name for name, m in mine.items() if m.kind == "part of a loss"]
    for name in pieces:
        place = mine[name].rank[0]
        same = tuple(sorted((n for n in pieces if mine[n].rank[0] == place), key=lambda n: mine[n].prefix))
        found.setdefault(place, same)
    return found


def _scored(choice: Choice, meanings: Columns) -> Choice:
    """Choose the first score that the held-out rows have, and the same one of the training rows."""
    scores = sorted((m.rank, name) for name, m in meanings.items() if m.figure and m.figure.use in ("share", "score"))
    val = next((name for _, name in scores if meanings[name].part == "val"), None)
    place = None if val is None else meanings[val].rank[0]
    train = next((n for _, n in scores if meanings[n].part == "train" and place in (None, meanings[n].rank[0])), None)
    return replace(choice, train_score=train, val_score=val)


def _with_notes(choices: Sequence[Choice], meanings: Columns) -> list[Choice]:
    """Say which columns were taken for what, and which were not used."""
    used = {name for choice in choices for _, names in _taken(choice) for name in names}
    unused = [name for name in meanings if name not in used]
    left = (f"not used: {listed(unused, limit=8)}",) if unused else ()
    return [
        replace(choice, notes=(*(f"{what}: {_quoted(names)}" for what, names in _taken(choice)), *left, *choice.notes))
        for choice in choices
    ]


def _taken(choice: Choice) -> list[tuple[str, tuple[str, ...]]]:
    taken = (
        ("training loss", choice.train),
        ("validation loss", choice.val),
        ("training score", (choice.train_score,)),
        ("validation score", (choice.val_score,)),
        ("epoch", (choice.epoch,)),
        ("step", (choice.step,)),
        ("learning rate", (choice.rate,)),
    )
    return [(what, tuple(n for n in names if n is not None)) for what, names in taken if names and names[0] is not None]


def _quoted(names: Sequence[str]) -> str:
    return " + ".join(f'"{name}"' for name in names)
