"""Where files of one kind are: in a folder, in a list, in a column of a table. Names only; nothing is opened here."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planefold.core.errors import DataError, listed
from planefold.core.files import file_error
from planefold.data.tables import Table

Array = NDArray[Any]
Parts = tuple[str, ...]

# Names of folders that part a data set, and are no classes.
_PARTS = frozenset(("train", "training", "test", "testing", "val", "valid", "validation", "dev"))
_DEEPEST = 100
LABEL_NAMES = ("label", "class", "target", "category", "y")


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What is looked for.

    Parameters
    ----------
    singular, plural : str
        "sound", "sounds".
    endings : frozenset of str
        How names of such files end, in small letters and with the dot.
    usual : tuple of str
        Those endings that a message names.
    """

    singular: str
    plural: str
    endings: frozenset[str]
    usual: tuple[str, ...]

    def fits(self, name: str) -> bool:
        """Tell by the ending of a name whether a file should be one of them.

        >>> text = Kind(singular="text", plural="texts", endings=frozenset((".txt",)), usual=(".txt",))
        >>> text.fits("26 (19).TXT"), text.fits("Thumbs.db")
        (True, False)
        """
        return os.path.splitext(name)[1].lower() in self.endings


@dataclass(frozen=True, kw_only=True, eq=False)
class Listing:
    """Files that are to be read.

    Parameters
    ----------
    items : tuple of str, bytes or PIL.Image.Image
        Paths that can be opened; of pictures also their bytes, or what Pillow has opened.
    names : tuple of str
        What each is called, for people: below the folder, with ``/`` on every system.
    labels : array of shape (n_items,), optional
    source : str
        What was named, for messages.
    refused : tuple of (str, str)
        Folders that could not be looked into, with the reason.
    notes : tuple of str
        What a person should know.
    """

    items: tuple[Any, ...]
    names: tuple[str, ...]
    labels: Array | None = None
    source: str
    refused: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def natural(text: str) -> tuple[Any, ...]:
    """Key that sorts numbers in names by their value.

    >>> sorted(["b10.wav", "b9.wav", "A1.wav"], key=natural)
    ['A1.wav', 'b9.wav', 'b10.wav']
    """
    parts = re.split(r"([0-9]+)", text.casefold())
    return (*((int(part), "") if i % 2 else (-1, part) for i, part in enumerate(parts)), text)


def readable(text: str) -> str:
    """Write a file's name so that it can be written anywhere: bytes that are no UTF-8 are shown as codes."""
    return os.fsencode(text).decode("utf-8", "backslashreplace") if not text.isascii() else text


# --------------------------------------------------------------------------------------------------------- folders


def list_folder(folder: str, kind: Kind) -> Listing:
    """List the files of a folder, with the names of its first-level folders as labels.

    Names that start with a dot, and ``__MACOSX``, hold what systems put beside the files, and are passed over.

    Raises
    ------
    DataError
        If there are none, or the folders are parts of a data set ("train", "test") and no classes.
    """
    refused: list[tuple[str, str]] = []
    found = list(_walk(folder, (), (), refused, kind))
    name = readable(folder)
    if not found:
        if refused and refused[0][0] == ".":
            raise DataError(f"cannot read the folder {name}", details=refused[0][1])
        raise _nothing(folder, name, kind)
    tops = {parts[0] for parts in found if len(parts) > 1}
    _refuse_parts(found, tops, name)
    notes = []
    unseen = {name.split("/")[0] for name, _ in refused}
    empty = [readable(top) for top in _folders_of(folder) if top not in tops and readable(top) not in unseen]
    if tops and empty:
        notes.append(f"{name}: no {kind.plural} in the folder{'s' * (len(empty) > 1)} {listed(empty)}; "
                     "there is no such class")  # fmt: skip
    is_mixed = bool(tops) and any(len(parts) == 1 for parts in found)
    if is_mixed:
        first = next(readable(parts[0]) for parts in found if len(parts) == 1)
        notes.append(f"{name} holds {kind.plural} beside its folders ({first}): "
                     "the folders' names are not taken as classes")  # fmt: skip
    return Listing(
        items=tuple(os.path.join(folder, *parts) for parts in found),
        names=tuple("/".join(map(readable, parts)) for parts in found),
        labels=_texts([_label(parts[0]) for parts in found]) if tops and not is_mixed else None,
        source=name,
        refused=tuple(refused),
        notes=tuple(notes),
    )


def _texts(values: Sequence[Any]) -> Array:
    labels = np.empty(len(values), dtype=object)
    labels[:] = values
    return labels


def _label(name: str) -> str:
    # One system writes an accent as a letter of its own, another does not: the same class has one name.
    return unicodedata.normalize("NFC", readable(name))


def _walk(
    folder: str, parts: Parts, above: tuple[tuple[int, int], ...], refused: list[tuple[str, str]], kind: Kind
) -> Iterator[Parts]:
    """Yield the parts of each file's path below the folder, in natural order; links in a circle end."""
    here = os.path.join(folder, *parts)
    if len(parts) > _DEEPEST:
        refused.append(("/".join(map(readable, parts[:3])) + "/...", f"folders lie more than {_DEEPEST} deep"))
        return
    try:
        status = os.stat(here)
        me = (status.st_dev, status.st_ino)
        if me in above:
            return
        with os.scandir(here) as entries:
            kept = [(entry.name, _is_folder(entry)) for entry in entries if not _is_hidden(entry.name)]
    except OSError as error:
        refused.append(("/".join(map(readable, parts)) or ".", str(file_error(error, "", "read").details)))
        return
    # Files before folders: what lies together is told together.
    for name, is_folder in sorted(kept, key=lambda pair: (pair[1], natural(pair[0]))):
        if is_folder:
            yield from _walk(folder, (*parts, name), (*above, me), refused, kind)
        elif kind.fits(name):
            yield (*parts, name)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _folders_of(folder: str) -> list[str]:
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if not _is_hidden(entry.name) and _is_folder(entry)]
    return sorted(names, key=natural)


def _nothing(folder: str, name: str, kind: Kind) -> DataError:
    folders = _folders_of(folder)
    others: Counter[str] = Counter()
    for _, _, files in os.walk(folder):
        others.update(os.path.splitext(file)[1].lower() or "no ending" for file in files if not _is_hidden(file))
    details = []
    if folders:
        details.append(f"its {len(folders)} folders are empty: {listed(map(readable, folders), 6)}"
                       if not others else f"folders: {listed(map(readable, folders), 6)}")  # fmt: skip
    if others:
        details.append("other files: " + listed((f"{n} {readable(end)}" for end, n in others.most_common()), 6))
    return DataError(
        f"there are no {kind.plural} in {name}",
        details="; ".join(details) or "the folder is empty",
        hint=f"{kind.plural} end in {', '.join(kind.usual)} and the like; one folder for each class",
    )


def _refuse_parts(found: Sequence[Parts], tops: set[str], name: str) -> None:
    if len(tops) < 2 or not all(top.casefold() in _PARTS for top in tops):
        return
    below: list[set[str]] = [{parts[1] for parts in found if parts[0] == top and len(parts) > 2} for top in tops]
    if all(below) and set.intersection(*below):
        halves, inside = sorted(tops, key=natural), sorted({name for names in below for name in names}, key=natural)
        first = min(tops, key=lambda top: (not top.casefold().startswith("train"), natural(top)))
        raise DataError(
            f"{name} holds the parts of a data set, not classes: {listed(halves)}",
            details=f"each has folders of its own: {listed(inside, 6)}",
            hint=f"name one of them: {os.path.join(name, first)}",
        )


# --------------------------------------------------------------------------------------------------- lists, tables


def list_items(items: Sequence[Any], source: str, kind: Kind) -> Listing:
    """List what is given one by one, in its order: paths, or the bytes of files and the like."""
    names = [readable(os.fspath(item)) if isinstance(item, str | os.PathLike) else f"{kind.singular} {i + 1}"
             for i, item in enumerate(items)]  # fmt: skip
    return Listing(items=tuple(os.fspath(item) if isinstance(item, os.PathLike) else item for item in items),
                   names=tuple(names), source=source)  # fmt: skip


def list_table(table: Table, column: str, target: str | None, folder: Path | None, kind: Kind) -> Listing:
    """List the files that a column of a table names, relative to the folder that the table lies in.

    Raises
    ------
    DataError
        If a row names none.
    """
    values = table[column].tolist()
    for row, value in enumerate(values, 1):
        if not isinstance(value, str) or not value:
            told = f'{table.source}, row {row}: column "{column}" names no {kind.singular}'
            raise DataError(told, details=f"found {value}")
    return Listing(
        items=tuple(str(folder / value) if folder is not None else value for value in values),
        names=tuple(map(readable, values)),
        labels=labels_of(table, target, {column}),
        source=table.source,
    )


def path_column(table: Table, column: str | None, kind: Kind) -> str | None:
    """Find the column with the paths, or None where there is none.

    Raises
    ------
    DataError
        If there are several, or the column that was named is not there.
    """
    if column is not None:
        table[column]
        return column
    found = [name for name, values in table.columns.items() if values.dtype == object and _are_paths(values, kind)]
    if len(found) > 1:
        raise DataError(f"{table.source} has {len(found)} columns with paths of {kind.plural}: {listed(found)}",
                        hint=f"say which: column={found[0]!r}")  # fmt: skip
    return found[0] if found else None


def _are_paths(values: Array, kind: Kind) -> bool:
    texts = [value for value in values.tolist() if isinstance(value, str)]
    return bool(texts) and sum(map(kind.fits, texts)) * 2 > len(texts)


def labels_of(table: Table, target: str | None, taken: set[str]) -> Array | None:
    """Find the column of labels: the one that was named, or the only one with a name such as "label"."""
    if target is not None:
        return table[target]
    found = [name for name in table.names if name.strip().casefold() in LABEL_NAMES and name not in taken]
    return table[found[0]] if len(found) == 1 else None
